//! The stock `age` tool opens what we encrypt, and we open what it encrypts to one key.

mod support;

use std::fs;

use consign_pki::encryption::{
    EncryptionError, EncryptionIdentity, decrypt_with, encrypt_to, seal_small,
};
use consign_pki::wrap::WrapPlaintext;
use support::{run, succeed};

/// By hand: the agency's key opens the wrap, the wrap opens the payload.
#[test]
fn a_payload_opens_by_hand() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path();
    let agency = EncryptionIdentity::generate();
    let once = EncryptionIdentity::generate();
    let payload: Vec<u8> = (0..200_000_u32).flat_map(u32::to_le_bytes).collect();
    let mut ciphertext = Vec::new();
    encrypt_to(&once.recipient(), payload.as_slice(), &mut ciphertext).unwrap();
    let wrap = WrapPlaintext {
        sender_id: "sender".to_owned(),
        sender_code: "H49".to_owned(),
        envelope_id: "01900000-0000-7000-8000-000000000001".to_owned(),
        recipient_id: "recipient".to_owned(),
        recipient_code: "H49.13".to_owned(),
        salt: [1; 32],
        identity: once,
    };
    let wrapped = seal_small(&agency.recipient(), wrap.render().unwrap().as_bytes()).unwrap();
    fs::write(path.join("agency.key"), agency.to_text()).unwrap();
    fs::write(path.join("payload.age"), &ciphertext).unwrap();
    fs::write(path.join("wrap.age"), wrapped).unwrap();
    succeed(
        "age",
        path,
        &["-d", "-i", "agency.key", "-o", "wrap.txt", "wrap.age"],
    );
    succeed(
        "age",
        path,
        &["-d", "-i", "wrap.txt", "-o", "payload", "payload.age"],
    );
    assert_eq!(fs::read(path.join("payload")).unwrap(), payload);
    let read = WrapPlaintext::parse(&fs::read(path.join("wrap.txt")).unwrap()).unwrap();
    assert_eq!(read.salt, [1; 32]);
}

#[test]
fn files_of_age_are_read() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path();
    let (one, two) = (
        EncryptionIdentity::generate(),
        EncryptionIdentity::generate(),
    );
    let (first, second) = (one.recipient().to_text(), two.recipient().to_text());
    fs::write(path.join("plain"), "trích yếu").unwrap();
    succeed("age", path, &["-r", &first, "-o", "one.age", "plain"]);
    let mut plaintext = Vec::new();
    let file = fs::File::open(path.join("one.age")).unwrap();
    decrypt_with(&one, file, &mut plaintext, 100).unwrap();
    assert_eq!(plaintext, "trích yếu".as_bytes());

    succeed(
        "age",
        path,
        &["-r", &first, "-r", &second, "-o", "two.age", "plain"],
    );
    let file = fs::File::open(path.join("two.age")).unwrap();
    let refused = decrypt_with(&one, file, &mut Vec::new(), 100);
    assert!(matches!(refused, Err(EncryptionError::UnexpectedHeader)));
}

#[test]
fn altered_files_are_refused_by_age_too() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path();
    let identity = EncryptionIdentity::generate();
    fs::write(path.join("key"), identity.to_text()).unwrap();
    let mut ciphertext = seal_small(&identity.recipient(), b"agreed").unwrap();
    // The MAC of the header that we wrote ourselves.
    let last = consign_pki::encryption::HEADER_LENGTH - 3;
    ciphertext[last] = if ciphertext[last] == b'A' { b'B' } else { b'A' };
    fs::write(path.join("altered.age"), ciphertext).unwrap();
    assert!(
        !run("age", path, &["-d", "-i", "key", "altered.age"])
            .status
            .success()
    );
}
