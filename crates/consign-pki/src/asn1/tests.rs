use super::*;

const LIMITS: ScanLimits = ScanLimits {
    max_bytes: 4096,
    max_depth: 4,
    max_elements: 16,
};

#[test]
fn lengths_are_minimal_both_ways() {
    for length in [0_usize, 1, 127, 128, 255, 256, 65_535, 65_536] {
        let value = vec![7_u8; length];
        let encoded = encode(OCTET_STRING, &[&value]);
        let element = Element::only(&encoded, OCTET_STRING).unwrap();
        assert_eq!(element.value, value);
        assert_eq!(element.whole, encoded);
    }
}

#[test]
fn hostile_encodings_are_refused() {
    let cases: [(&str, &[u8], DerError); 9] = [
        ("empty", &[], DerError::Truncated),
        ("no length", &[0x30], DerError::Truncated),
        ("indefinite", &[0x30, 0x80, 0, 0], DerError::Length),
        (
            "five length octets",
            &[0x30, 0x85, 1, 0, 0, 0, 0],
            DerError::Length,
        ),
        ("padded length", &[0x30, 0x82, 0, 0x80], DerError::Length),
        (
            "long form of a short length",
            &[0x30, 0x81, 1, 0],
            DerError::Length,
        ),
        (
            "beyond the end",
            &[0x30, 0x84, 0xff, 0xff, 0xff, 0xff],
            DerError::Truncated,
        ),
        (
            "high tag",
            &[0x3f, 0x81, 1, 0],
            DerError::UnsupportedTag { tag: 0x3f },
        ),
        ("trailing", &[0x30, 0, 0], DerError::Trailing { count: 1 }),
    ];
    for (name, bytes, expected) in cases {
        assert_eq!(scan(bytes, LIMITS), Err(expected), "{name}");
    }
}

#[test]
fn depth_size_and_count_are_bounded() {
    let nest = |levels: usize| (0..levels).fold(vec![5, 0], |inner, _| sequence(&[&inner]));
    assert_eq!(scan(&nest(4), LIMITS), Ok(()));
    assert_eq!(scan(&nest(5), LIMITS), Err(DerError::TooDeep { limit: 4 }));
    assert_eq!(
        scan(&nest(1000), LIMITS),
        Err(DerError::TooDeep { limit: 4 })
    );
    let wide = sequence(&[&[5, 0].repeat(16)]);
    assert_eq!(scan(&wide, LIMITS), Err(DerError::TooMany { limit: 16 }));
    let long = encode(OCTET_STRING, &[&[0; 4096]]);
    assert_eq!(
        scan(&long, LIMITS),
        Err(DerError::TooLong {
            length: 4100,
            limit: 4096
        })
    );
}
