//! Statements that are not what they seem. Good ones are judged on a whole network.

use super::*;

fn roots_alone() -> (tempfile::TempDir, Trust) {
    let directory = tempfile::tempdir().unwrap();
    let key = rcgen::KeyPair::generate().unwrap();
    let mut parameters = rcgen::CertificateParams::new(Vec::new()).unwrap();
    parameters.is_ca = rcgen::IsCa::Ca(rcgen::BasicConstraints::Unconstrained);
    let root = parameters.self_signed(&key).unwrap();
    let path = directory.path().join("trust.pem");
    std::fs::write(&path, root.pem()).unwrap();
    let trust = Trust::load(&path).unwrap();
    (directory, trust)
}

fn judged(statement: &[u8], signature: &[u8]) -> Answer {
    let (directory, trust) = roots_alone();
    let (file, beside) = (
        directory.path().join("said.json"),
        directory.path().join("said.sig"),
    );
    std::fs::write(&file, statement).unwrap();
    std::fs::write(&beside, signature).unwrap();
    let at = JudgedAt::Now("2026-11-23T02:30:00Z".parse().unwrap());
    judge(&file, &beside, &trust, at, Language::English).unwrap()
}

#[test]
fn what_is_no_statement_is_malformed_and_not_forged() {
    for (statement, signature) in [
        (&b"{}"[..], &[0; 64][..]),
        (b"", &[0; 64]),
        (b"\xff\xfe", &[0; 64]),
        (b"{\"type\":\"consign/other/v1\",", &[0; 64]),
        (b"{\"type\":\"consign/evidence/v1\",", &[0; 63]),
        (b" {\"type\":\"consign/evidence/v1\",", &[0; 64]),
    ] {
        assert_eq!(judged(statement, signature).exit_code(), 12);
    }
}

#[test]
fn roots_alone_decide_no_statement() {
    let answer = judged(b"{\"type\":\"consign/evidence/v1\",\"event\":1}", &[0; 64]);
    assert_eq!(answer.exit_code(), 11);
}

#[test]
fn a_missing_signature_says_how_to_name_it() {
    let (directory, trust) = roots_alone();
    let file = directory.path().join("said.json");
    std::fs::write(&file, b"{}").unwrap();
    let at = JudgedAt::Now("2026-11-23T02:30:00Z".parse().unwrap());
    let missing = directory.path().join("said.sig");
    let failure = judge(&file, &missing, &trust, at, Language::English).unwrap_err();
    assert_eq!(failure.code, consign_domain::ErrorCode::NotFound);
    assert!(failure.fix.contains("--signature FILE"), "{}", failure.fix);
}
