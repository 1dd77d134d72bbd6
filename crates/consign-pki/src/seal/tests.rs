use super::*;
use crate::algorithm::SignatureError;

const KINDS: [KeyKind; 3] = [KeyKind::EcdsaP256, KeyKind::Rsa2048, KeyKind::Ed25519];

#[test]
fn every_kind_survives_its_file_and_signs() {
    for kind in KINDS {
        let key = FileSealKey::generate(kind).unwrap();
        let read = FileSealKey::from_pkcs8_pem(&key.to_pkcs8_pem()).unwrap();
        assert_eq!(read.public_key_der(), key.public_key_der());
        let signature = read.sign(b"message").unwrap();
        let public = PublicKey::from_spki(key.public_key_der()).unwrap();
        public
            .verify(key.algorithm(), b"message", &signature)
            .unwrap();
        assert_eq!(
            public.verify(key.algorithm(), b"massage", &signature),
            Err(SignatureError::Wrong)
        );
    }
}

#[test]
fn a_key_never_verifies_another_algorithm() {
    let keys: Vec<_> = KINDS
        .into_iter()
        .map(|kind| FileSealKey::generate(kind).unwrap())
        .collect();
    for signer in &keys {
        let signature = signer.sign(b"message").unwrap();
        for other in keys
            .iter()
            .filter(|other| other.algorithm() != signer.algorithm())
        {
            let public = PublicKey::from_spki(other.public_key_der()).unwrap();
            assert_eq!(
                public.verify(signer.algorithm(), b"message", &signature),
                Err(SignatureError::KeyMismatch {
                    algorithm: signer.algorithm()
                })
            );
        }
    }
}

#[test]
fn foreign_keys_are_named() {
    let x25519 = asn1::sequence(&[
        &[asn1::INTEGER, 1, 0],
        &asn1::sequence(&[&[asn1::OBJECT_IDENTIFIER, 3, 0x2b, 0x65, 0x6e]]),
        &[asn1::OCTET_STRING, 0],
    ]);
    let text = pem::encode(pem::PRIVATE_KEY, &x25519);
    assert_eq!(
        FileSealKey::from_pkcs8_pem(&text).unwrap_err(),
        SealError::UnsupportedKey {
            oid: "1.3.101.110".to_owned()
        }
    );
    assert!(matches!(
        FileSealKey::from_pkcs8_pem("nonsense"),
        Err(SealError::Pem(_))
    ));
    assert!(matches!(
        FileSealKey::from_pkcs8_pem(&pem::encode(pem::PRIVATE_KEY, &[0x30, 0x80])),
        Err(SealError::Encoding(_))
    ));
}

#[test]
fn secrets_do_not_show_in_debug_output() {
    let key = FileSealKey::generate(KeyKind::Ed25519).unwrap();
    assert_eq!(format!("{key:?}"), "FileSealKey { algorithm: Ed25519, .. }");
}
