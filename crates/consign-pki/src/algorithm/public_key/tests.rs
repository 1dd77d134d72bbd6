//! Project Wycheproof: signatures that good implementations accept and bad ones confuse.

use serde_json::Value;

use super::*;

#[test]
fn published_vectors_ecdsa_p256() {
    let count = judge(
        "ecdsa_secp256r1_sha256_test.json",
        SignatureAlgorithm::EcdsaP256Sha256,
    );
    assert!(count > 300, "{count}");
}

#[test]
fn published_vectors_ed25519() {
    let count = judge("ed25519_test.json", SignatureAlgorithm::Ed25519);
    assert!(count > 100, "{count}");
}

#[test]
fn published_vectors_rsa_pkcs1() {
    for file in [
        "rsa_signature_2048_sha256_test.json",
        "rsa_signature_3072_sha256_test.json",
    ] {
        let count = judge(file, SignatureAlgorithm::RsaPkcs1Sha256);
        assert!(count > 200, "{count}");
    }
}

/// Runs one file and returns the number of tests that were decided.
fn judge(file: &str, algorithm: SignatureAlgorithm) -> usize {
    let path = std::path::Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("../../../shared/vectors/wycheproof")
        .join(file);
    let text = std::fs::read(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
    let document: Value = serde_json::from_slice(&text).unwrap();
    let mut decided = 0;
    for group in document["testGroups"].as_array().unwrap() {
        let spki = bytes(&group["publicKeyDer"]);
        for test in group["tests"].as_array().unwrap() {
            let verdict = PublicKey::from_spki(&spki)
                .and_then(|key| key.verify(algorithm, &bytes(&test["msg"]), &bytes(&test["sig"])));
            match test["result"].as_str().unwrap() {
                "valid" => assert_eq!(verdict, Ok(()), "{file} {test}"),
                "invalid" => assert!(verdict.is_err(), "{file} {test}"),
                // Left to the implementation: nothing to decide.
                _ => continue,
            }
            decided += 1;
        }
    }
    decided
}

fn bytes(value: &Value) -> Vec<u8> {
    let digits = value.as_str().unwrap();
    (0..digits.len())
        .step_by(2)
        .map(|at| u8::from_str_radix(&digits[at..at + 2], 16).unwrap())
        .collect()
}
