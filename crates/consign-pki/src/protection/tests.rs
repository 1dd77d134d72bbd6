use super::*;
use crate::encryption::EncryptionIdentity;
use crate::seal::{FileSealKey, KeyKind};

fn passphrase(text: &str) -> Passphrase {
    Passphrase::new(Zeroizing::new(text.to_owned())).unwrap()
}

#[test]
fn what_is_protected_opens_with_its_passphrase_alone() {
    let key = FileSealKey::generate(KeyKind::EcdsaP256)
        .unwrap()
        .to_pkcs8_pem();
    let identity = EncryptionIdentity::generate().to_text();
    for text in [key, identity] {
        assert!(!is_protected(text.as_bytes()));
        let file = protect(&text, &passphrase("mật khẩu")).unwrap();
        assert!(is_protected(&file));
        assert_eq!(*open(&file, &passphrase("mật khẩu")).unwrap(), *text);
        for wrong in ["", "mat khau", "mật khẩu "] {
            let Ok(wrong) = Passphrase::new(Zeroizing::new(wrong.to_owned())) else {
                continue;
            };
            assert_eq!(open(&file, &wrong), Err(ProtectionError::Wrong));
        }
    }
    assert!(protect("neither", &passphrase("x")).is_err());
}

#[test]
fn the_same_key_is_never_protected_alike() {
    let key = FileSealKey::generate(KeyKind::EcdsaP256)
        .unwrap()
        .to_pkcs8_pem();
    let once = protect(&key, &passphrase("x")).unwrap();
    assert_ne!(protect(&key, &passphrase("x")).unwrap(), once);
}

#[test]
fn passphrases_are_bounded_and_never_shown() {
    for wrong in [String::new(), "x".repeat(MAX_PASSPHRASE + 1)] {
        let refused = Passphrase::new(Zeroizing::new(wrong));
        assert!(matches!(refused, Err(ProtectionError::Length)));
    }
    assert_eq!(format!("{:?}", passphrase("secret")), "Passphrase(…)");
}

fn with_kdf(kdf: Kdf) -> Vec<u8> {
    let parameters = pbes2::Parameters {
        kdf,
        encryption: pbes2::EncryptionScheme::Aes256Cbc { iv: [0; 16] },
    };
    let der = asn1::sequence(&[
        &EncryptionScheme::from(parameters).to_der().unwrap(),
        &asn1::encode(asn1::OCTET_STRING, &[&[0; 48]]),
    ]);
    pem::encode(PROTECTED_LABEL, &der).into_bytes()
}

/// Each of these would take gigabytes, minutes, or panic somewhere below.
#[test]
fn costs_are_checked_before_they_are_paid() {
    let scrypt = |cost_parameter, block_size, parallelization| {
        Kdf::Scrypt(ScryptParams {
            salt: Salt::new([1; 16]).unwrap(),
            cost_parameter,
            block_size,
            parallelization,
            key_length: None,
        })
    };
    let mut rounds = pbes2::Pbkdf2Params::hmac_sha256(1, &[1; 16]).unwrap();
    rounds.iteration_count = u32::MAX;
    for kdf in [
        scrypt(1 << 40, 8, 1),
        scrypt(1 << 14, 8, u16::MAX),
        scrypt(1 << 14, u16::MAX, 1),
        scrypt(0, 8, 1),
        scrypt(1 << 14, 0, 1),
        scrypt((1 << 14) + 1, 8, 1),
        scrypt(u64::MAX, u16::MAX, u16::MAX),
        Kdf::Pbkdf2(rounds),
    ] {
        let opened = open(&with_kdf(kdf), &passphrase("x"));
        assert_eq!(opened, Err(ProtectionError::Cost));
    }
    let mut age = AGE.to_vec();
    age.extend_from_slice(b"-> scrypt AAAAAAAAAAAAAAAAAAAAAA 40\n");
    age.extend_from_slice(b"AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA\n");
    age.extend_from_slice(b"--- AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA\n");
    assert!(open(&age, &passphrase("x")).is_err());
}

#[test]
fn torn_files_are_refused() {
    let key = FileSealKey::generate(KeyKind::EcdsaP256)
        .unwrap()
        .to_pkcs8_pem();
    let file = protect(&key, &passphrase("x")).unwrap();
    for length in (0..file.len() - 1).step_by(7) {
        assert!(open(&file[..length], &passphrase("x")).is_err(), "{length}");
    }
}
