//! Project Wycheproof: signatures that good implementations accept and bad ones confuse.

use serde_json::Value;

use super::*;

#[test]
fn published_vectors_ecdsa_p256() {
    let tally = judge(
        "ecdsa_secp256r1_sha256_test.json",
        SignatureAlgorithm::EcdsaP256Sha256,
    );
    assert!(tally.decided() > 300, "{tally:?}");
}

#[test]
fn published_vectors_ed25519() {
    let tally = judge("ed25519_test.json", SignatureAlgorithm::Ed25519);
    assert!(tally.decided() > 100, "{tally:?}");
    skip(
        "x25519_test.json",
        "key agreement is inside the age library, nothing of ours takes a share and a scalar",
    );
}

#[test]
fn published_vectors_rsa_pkcs1() {
    for file in [
        "rsa_signature_2048_sha256_test.json",
        "rsa_signature_3072_sha256_test.json",
    ] {
        let tally = judge(file, SignatureAlgorithm::RsaPkcs1Sha256);
        assert!(tally.decided() > 200, "{tally:?}");
    }
}

/// What became of the tests of one file.
#[derive(Debug, Default)]
struct Tally {
    accepted: usize,
    refused: usize,
    /// What the suite leaves to the implementation.
    either: usize,
}

impl Tally {
    fn decided(&self) -> usize {
        self.accepted + self.refused
    }
}

/// Says why a file is not run.
#[expect(clippy::print_stdout, reason = "shown by --show-output")]
fn skip(file: &str, reason: &str) {
    let tests = &read(file)["numberOfTests"];
    println!("Wycheproof {file}: {tests} skipped: {reason}");
}

/// Runs one file, and prints what became of its tests.
#[expect(clippy::print_stdout, reason = "the counts are shown by --show-output")]
fn judge(file: &str, algorithm: SignatureAlgorithm) -> Tally {
    let document = read(file);
    let mut tally = Tally::default();
    for group in document["testGroups"].as_array().unwrap() {
        let spki = bytes(&group["publicKeyDer"]);
        for test in group["tests"].as_array().unwrap() {
            let verdict = PublicKey::from_spki(&spki)
                .and_then(|key| key.verify(algorithm, &bytes(&test["msg"]), &bytes(&test["sig"])));
            match test["result"].as_str().unwrap() {
                "valid" => {
                    assert_eq!(verdict, Ok(()), "{file} {test}");
                    tally.accepted += 1;
                }
                "invalid" => {
                    assert!(verdict.is_err(), "{file} {test}");
                    tally.refused += 1;
                }
                "acceptable" => tally.either += 1,
                other => panic!("{file}: {other}"),
            }
        }
    }
    let all = tally.decided() + tally.either;
    assert_eq!(document["numberOfTests"].as_u64(), u64::try_from(all).ok());
    let Tally {
        accepted,
        refused,
        either,
    } = &tally;
    println!(
        "Wycheproof {file}: {all} run: {accepted} valid accepted, {refused} invalid refused, \
         {either} left to the implementation"
    );
    tally
}

fn read(file: &str) -> Value {
    let path = std::path::Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("../../../shared/vectors/wycheproof")
        .join(file);
    let text = std::fs::read(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
    serde_json::from_slice(&text).unwrap()
}

fn bytes(value: &Value) -> Vec<u8> {
    let digits = value.as_str().unwrap();
    (0..digits.len())
        .step_by(2)
        .map(|at| u8::from_str_radix(&digits[at..at + 2], 16).unwrap())
        .collect()
}
