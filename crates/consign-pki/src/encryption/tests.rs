use super::*;

fn sealed(plaintext: &[u8]) -> (EncryptionIdentity, Vec<u8>) {
    let identity = EncryptionIdentity::generate();
    let ciphertext = seal_small(&identity.recipient(), plaintext).unwrap();
    (identity, ciphertext)
}

#[test]
fn all_sizes_around_a_chunk_survive() {
    for size in [0_usize, 1, 65_535, 65_536, 65_537, 200_000] {
        let plaintext = vec![3; size];
        let (identity, ciphertext) = sealed(&plaintext);
        assert_eq!(
            *open_small(&identity, &ciphertext, size).unwrap(),
            plaintext,
            "{size}"
        );
    }
}

#[test]
fn headers_have_one_stanza_and_one_length() {
    for _ in 0..50 {
        let (_, ciphertext) = sealed(b"x");
        let header = &ciphertext[..HEADER_LENGTH];
        assert_eq!(header.iter().filter(|byte| **byte == b'\n').count(), 4);
        assert!(header.ends_with(b"\n"));
        // Header, nonce, one byte, its tag.
        assert_eq!(ciphertext.len(), HEADER_LENGTH + 16 + 1 + 16);
    }
}

#[test]
fn a_changed_byte_anywhere_is_noticed() {
    let (identity, ciphertext) = sealed(b"agreed");
    for position in 0..ciphertext.len() {
        let mut changed = ciphertext.clone();
        changed[position] ^= 1;
        assert!(
            open_small(&identity, &changed, 100).is_err(),
            "byte {position}"
        );
        assert!(
            open_small(&identity, &ciphertext[..position], 100).is_err(),
            "cut at {position}"
        );
    }
    let mut longer = ciphertext;
    longer.push(0);
    assert!(matches!(
        open_small(&identity, &longer, 100),
        Err(EncryptionError::Altered)
    ));
}

#[test]
fn the_limit_holds_before_more_is_written() {
    let (identity, ciphertext) = sealed(&[1; 100_000]);
    let mut written = Vec::new();
    let result = decrypt_with(&identity, ciphertext.as_slice(), &mut written, 99_999);
    assert!(matches!(
        result,
        Err(EncryptionError::TooLong { limit: 99_999 })
    ));
    assert!(written.len() <= 99_999);
    assert_eq!(
        open_small(&identity, &ciphertext, 100_000).unwrap().len(),
        100_000
    );
}

#[test]
fn other_keys_and_other_shapes_are_told_apart() {
    let (identity, ciphertext) = sealed(b"x");
    let other = EncryptionIdentity::generate();
    assert!(matches!(
        open_small(&other, &ciphertext, 10),
        Err(EncryptionError::OtherKey)
    ));
    // What the age crate writes by itself carries a second, random stanza.
    let greased = age::encrypt(&identity.0.to_public(), b"x").unwrap();
    assert!(matches!(
        open_small(&identity, &greased, 10),
        Err(EncryptionError::UnexpectedHeader)
    ));
    assert!(matches!(
        open_small(&identity, b"", 10),
        Err(EncryptionError::UnexpectedHeader)
    ));
}

#[test]
fn key_texts_are_read_in_their_canonical_form_only() {
    let identity = EncryptionIdentity::generate();
    let text = identity.to_text();
    let read = EncryptionIdentity::from_text(&text).unwrap();
    assert_eq!(read.recipient(), identity.recipient());
    let public = identity.recipient().to_text();
    assert_eq!(
        EncryptionRecipient::from_text(&public).unwrap(),
        identity.recipient()
    );
    for wrong in [
        text.to_lowercase(),
        format!("{} ", *text),
        public.clone(),
        "x".repeat(5000),
    ] {
        assert!(EncryptionIdentity::from_text(&wrong).is_err(), "{wrong}");
    }
    for wrong in [
        public.to_uppercase(),
        format!("\n{public}"),
        text.to_string(),
        String::new(),
    ] {
        assert!(EncryptionRecipient::from_text(&wrong).is_err(), "{wrong}");
    }
}

/// A source that fails is not a forged ciphertext.
#[test]
fn failing_sources_are_told_apart() {
    struct Failing;
    impl Read for Failing {
        fn read(&mut self, _: &mut [u8]) -> io::Result<usize> {
            Err(io::ErrorKind::UnexpectedEof.into())
        }
    }
    let identity = EncryptionIdentity::generate();
    let refused = encrypt_to(&identity.recipient(), Failing, Vec::new());
    assert!(matches!(refused, Err(EncryptionError::Io(_))));
}
