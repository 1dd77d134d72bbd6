use super::*;

const IDENTITY: &str = "AGE-SECRET-KEY-1MVHQWXL0RFJ3S34THV7WGK4XGU0TLW4F0NPHRVVX95SGYMUKJ0VSD7V9GW";

fn wrap() -> WrapPlaintext {
    WrapPlaintext {
        sender_id: "018f-sender".to_owned(),
        sender_code: "H49.13".to_owned(),
        envelope_id: "01900000-0000-7000-8000-000000000001".to_owned(),
        recipient_id: "018f-recipient".to_owned(),
        recipient_code: "H49.13.05".to_owned(),
        salt: [0xab; 32],
        identity: EncryptionIdentity::from_text(IDENTITY).unwrap(),
    }
}

#[test]
fn text_is_stable() {
    insta::assert_snapshot!(wrap().render().unwrap().as_str(), @r"
    # consign wrap v1
    # sender: 018f-sender H49.13
    # envelope: 01900000-0000-7000-8000-000000000001
    # recipient: 018f-recipient H49.13.05
    # salt: abababababababababababababababababababababababababababababababab
    AGE-SECRET-KEY-1MVHQWXL0RFJ3S34THV7WGK4XGU0TLW4F0NPHRVVX95SGYMUKJ0VSD7V9GW
    ");
}

#[test]
fn what_is_written_is_read() {
    let text = wrap().render().unwrap();
    let read = WrapPlaintext::parse(text.as_bytes()).unwrap();
    assert_eq!(*read.render().unwrap(), *text);
}

#[test]
fn only_the_one_form_is_read() {
    let text = wrap().render().unwrap();
    let lines: Vec<_> = text.lines().collect();
    for skipped in 0..lines.len() {
        let without: String = lines
            .iter()
            .enumerate()
            .filter(|(position, _)| *position != skipped)
            .map(|(_, line)| format!("{line}\n"))
            .collect();
        assert!(
            WrapPlaintext::parse(without.as_bytes()).is_err(),
            "without line {skipped}"
        );
    }
    let variants = [
        text.replace('\n', "\r\n"),
        format!("\u{feff}{}", *text),
        format!("{}\n", *text),
        format!("{}{}\n", *text, IDENTITY),
        text.trim_end().to_owned(),
        text.replace("abab", "ABAB"),
        text.replace("# sender: ", "# sender:  "),
        text.replace(" H49.13\n", "\n"),
        text.replace(" H49.13\n", " H49.13 more\n"),
        text.replace("wrap v1", "wrap v2"),
        " ".repeat(MAX_WRAP_PLAINTEXT + 1),
    ];
    for variant in variants {
        assert!(
            WrapPlaintext::parse(variant.as_bytes()).is_err(),
            "{variant}"
        );
    }
    assert_eq!(
        WrapPlaintext::parse(&[0xff]).unwrap_err(),
        WrapError::NotUtf8
    );
}

#[test]
fn nothing_that_would_break_a_line_is_written() {
    for value in [
        "",
        "two words",
        "line\nbreak",
        "tab\t",
        &"x".repeat(MAX_FIELD + 1),
    ] {
        let broken = WrapPlaintext {
            sender_code: value.to_owned(),
            ..wrap()
        };
        assert_eq!(
            broken.render().unwrap_err(),
            WrapError::Field {
                field: "sender code"
            }
        );
    }
}

proptest::proptest! {
    #[test]
    fn what_is_read_is_what_would_be_written(
        position in 0..300_usize,
        byte in proptest::num::u8::ANY,
    ) {
        let mut bytes = wrap().render().unwrap().as_bytes().to_vec();
        let position = position % bytes.len();
        bytes[position] = byte;
        if let Ok(read) = WrapPlaintext::parse(&bytes) {
            let written = read.render().unwrap();
            proptest::prop_assert_eq!(written.as_bytes(), bytes.as_slice());
        }
    }
}
