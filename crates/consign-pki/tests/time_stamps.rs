//! Time-stamps with OpenSSL on the other side: it checks ours, asks us, and stamps for us.

#![expect(
    clippy::unwrap_used,
    reason = "helpers of tests, outside the functions that the lint excuses"
)]

mod support;

use std::fs;
use std::path::Path;

use consign_pki::certificate::{to_pem, write_bundle};
use consign_pki::cms::CmsError;
use consign_pki::issue::create_request;
use consign_pki::seal::{FileSealKey, KeyKind};
use consign_pki::timestamp::{
    Authority, Grant, PLACEHOLDER_POLICY, Request, TimeStampError, token_of, verify,
};
use support::{Hierarchy, NOW, run, succeed};

const AT: &str = "1750000000";
const BYTES: &[u8] = b"what is stamped";
const GRANT: Grant = Grant {
    time: NOW,
    serial: [0x81; 16],
};

/// A key and its certificate for time-stamps, with all that OpenSSL needs in files.
fn stamping(hierarchy: &Hierarchy, kind: KeyKind, directory: &Path) -> (FileSealKey, Vec<u8>) {
    let key = FileSealKey::generate(kind).unwrap();
    let csr = create_request(&key, "tsa").unwrap();
    let certificate = hierarchy
        .issuing
        .issue_time_stamping(
            &csr,
            &support::name("Time-stamps"),
            support::years(9),
            &[0x20, 1],
        )
        .unwrap();
    let write = |name: &str, text: String| fs::write(directory.join(name), text).unwrap();
    write("root.pem", to_pem(hierarchy.root.certificate_der()));
    write("issuing.pem", to_pem(hierarchy.issuing.certificate_der()));
    write("tsa.pem", to_pem(&certificate));
    write("tsa.key", key.to_pkcs8_pem().to_string());
    fs::write(directory.join("data"), BYTES).unwrap();
    (key, certificate)
}

fn authority(hierarchy: &Hierarchy, kind: KeyKind, directory: &Path) -> Authority<FileSealKey> {
    let (key, certificate) = stamping(hierarchy, kind, directory);
    let chain = vec![hierarchy.issuing.certificate_der().to_vec()];
    Authority::new(key, certificate, chain, PLACEHOLDER_POLICY).unwrap()
}

#[test]
fn openssl_accepts_our_time_stamps() {
    for kind in [KeyKind::EcdsaP256, KeyKind::Rsa2048] {
        let (hierarchy, place) = (Hierarchy::new(), tempfile::tempdir().unwrap());
        let authority = authority(&hierarchy, kind, place.path());
        let request = Request::over(BYTES, [9; 8]);
        let answer = authority.answer(request.to_der(), GRANT).unwrap();
        fs::write(place.path().join("answer.tsr"), &answer).unwrap();
        fs::write(
            place.path().join("token.der"),
            token_of(&answer, &request).unwrap(),
        )
        .unwrap();
        let tail = [
            "-CAfile",
            "root.pem",
            "-untrusted",
            "issuing.pem",
            "-attime",
            AT,
        ];
        let check = |head: &[&str]| {
            let words = [&["ts", "-verify"], head, &tail].concat();
            run("openssl", place.path(), &words)
        };
        let answers = check(&["-data", "data", "-in", "answer.tsr"]);
        assert!(answers.status.success(), "{answers:?}");
        let tokens = check(&["-data", "data", "-in", "token.der", "-token_in"]);
        assert!(tokens.status.success(), "{tokens:?}");
        fs::write(place.path().join("data"), b"something else").unwrap();
        assert!(
            !check(&["-data", "data", "-in", "answer.tsr"])
                .status
                .success()
        );
    }
}

#[test]
fn openssl_gets_what_it_asks_for() {
    let (hierarchy, place) = (Hierarchy::new(), tempfile::tempdir().unwrap());
    let authority = authority(&hierarchy, KeyKind::EcdsaP256, place.path());
    for (digest, certificate) in [("-sha256", true), ("-sha384", true), ("-sha512", false)] {
        let mut words = vec!["ts", "-query", "-data", "data", digest, "-out", "query.tsq"];
        words.extend(certificate.then_some("-cert"));
        succeed("openssl", place.path(), &words);
        let query = fs::read(place.path().join("query.tsq")).unwrap();
        let answer = authority.answer(&query, GRANT).unwrap();
        fs::write(place.path().join("answer.tsr"), answer).unwrap();
        // Where no certificate is asked for, none goes along.
        fs::write(
            place.path().join("known.pem"),
            write_bundle(&[
                hierarchy.issuing.certificate_der().to_vec(),
                consign_pki::certificate::from_pem(
                    &fs::read_to_string(place.path().join("tsa.pem")).unwrap(),
                )
                .unwrap(),
            ]),
        )
        .unwrap();
        let words = [
            "ts",
            "-verify",
            "-queryfile",
            "query.tsq",
            "-in",
            "answer.tsr",
            "-CAfile",
            "root.pem",
            "-untrusted",
            "known.pem",
            "-attime",
            AT,
        ];
        succeed("openssl", place.path(), &words);
    }
}

#[test]
fn time_stamps_of_openssl_are_accepted() {
    for (named_by, by_sha1) in [("sha256", false), ("sha384", false), ("sha1", true)] {
        let (place, request, answer) = answer_of_openssl(named_by);
        let token = token_of(&answer, &request).unwrap();
        let stamp = verify(&token, BYTES).unwrap();
        assert_eq!(stamp.policy, "1.2.3.4.1");
        assert_eq!(stamp.accuracy_ms, 1_500);
        assert!(stamp.time > NOW);
        assert_eq!(stamp.signature.names_certificate, !by_sha1);
        assert_eq!(stamp.signature.names_by_sha1, by_sha1);
        assert!(verify(&token, b"others").is_err());
        // Whatever it is named by, it is that certificate and no other of its key.
        let tsa = fs::read_to_string(place.path().join("tsa.pem")).unwrap();
        let tsa = consign_pki::certificate::from_pem(&tsa).unwrap();
        assert_eq!(stamp.signature.signer_certificate, tsa);
        let at = token.windows(tsa.len()).position(|window| window == tsa);
        let end = at.unwrap() + tsa.len() - 1;
        let mut exchanged = token.clone();
        // In its own signature, which nothing here looks at.
        exchanged[end] ^= 1;
        assert_eq!(
            verify(&exchanged, BYTES),
            Err(TimeStampError::Signature(
                CmsError::CertificateDigestMismatch
            ))
        );
    }
}

/// What `openssl ts` answers, its certificate named by a digest.
fn answer_of_openssl(named_by: &str) -> (tempfile::TempDir, Request, Vec<u8>) {
    let (hierarchy, place) = (Hierarchy::new(), tempfile::tempdir().unwrap());
    stamping(&hierarchy, KeyKind::Rsa2048, place.path());
    fs::write(place.path().join("serial"), "1001\n").unwrap();
    let settings = format!(
        "[tsa]\ndefault_tsa = one\n[one]\nserial = serial\nsigner_cert = tsa.pem\n\
         certs = issuing.pem\nsigner_key = tsa.key\nsigner_digest = sha256\n\
         default_policy = 1.2.3.4.1\ndigests = sha256\naccuracy = secs:1, millisecs:500\n\
         ordering = no\ntsa_name = no\ness_cert_id_chain = no\ness_cert_id_alg = {named_by}\n"
    );
    fs::write(place.path().join("tsa.cnf"), settings).unwrap();
    let request = Request::over(BYTES, [0x80, 1, 2, 3, 4, 5, 6, 7]);
    fs::write(place.path().join("query.tsq"), request.to_der()).unwrap();
    let words = [
        "ts",
        "-reply",
        "-config",
        "tsa.cnf",
        "-queryfile",
        "query.tsq",
        "-out",
        "answer.tsr",
    ];
    succeed("openssl", place.path(), &words);
    let answer = fs::read(place.path().join("answer.tsr")).unwrap();
    (place, request, answer)
}
