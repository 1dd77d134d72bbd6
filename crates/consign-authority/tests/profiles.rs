//! What certificates say besides whose they are, by `openssl`.

#![expect(
    clippy::unwrap_used,
    reason = "helpers of tests, outside the functions that the lint excuses"
)]

mod support;

use std::path::Path;
use std::process::Command;

use consign_authority::{AuthorityError, Founding, IssueOptions, Naming, init_with, issue};
use consign_domain::ErrorCode;
use consign_domain::enrolment::{Bundle, Request};
use consign_domain::text::Line;
use consign_runtime::clock::Clock;
use support::{agency, hub, node, now};

const ARC: &str = "1.3.6.1.4.1.32473.7";

fn founding(arc: &str, lists: &str) -> Founding {
    Founding {
        name: "Quảng Ninh".to_owned(),
        certificates: Naming {
            policy_arc: Some(Line::new(arc).unwrap()),
            lists: Some(Line::new(lists).unwrap()),
        },
        ..Founding::default()
    }
}

fn openssl(dir: &Path, line: &str) -> (bool, String) {
    let mut openssl = Command::new("openssl");
    let output = openssl.current_dir(dir).args(line.split(' ')).output();
    let output = output.unwrap();
    let said = [output.stdout, output.stderr].concat();
    (output.status.success(), String::from_utf8(said).unwrap())
}

#[test]
fn openssl_finds_policies_and_lists() {
    let place = tempfile::tempdir().unwrap();
    let dir = place.path().join("authority");
    let clock = Clock::fixed(now().as_unix());
    init_with(&dir, &founding(ARC, "http://pki.example.vn/crl"), &clock).unwrap();
    let ask = |request: &Request| -> Bundle {
        issue(&dir, &request.to_bytes(), &IssueOptions::default(), now()).unwrap()
    };
    let hub = ask(&hub("hub-1", "127.0.0.1:8443"));
    let node = ask(&node(vec![agency("H49.13", None)]));
    let chains = [
        ("seal", 1, &node.seals[0].certificates),
        ("stamp", 3, hub.time_stamp.as_ref().unwrap()),
        ("node", 4, &node.tls),
        ("hub", 4, &hub.tls),
    ];
    let at = now().as_unix();
    for (name, number, chain) in chains {
        std::fs::write(dir.join(format!("{name}.pem")), chain).unwrap();
        let (_, text) = openssl(&dir, &format!("x509 -in {name}.pem -noout -text"));
        for said in [
            "http://pki.example.vn/crl/issuing.crl",
            &format!("{ARC}.{number}\n"),
        ] {
            assert!(text.contains(said), "{said}: {text}");
        }
        for policy in [1, 3, 4] {
            let (good, said) = openssl(
                &dir,
                &format!(
                    "verify -x509_strict -policy_check -explicit_policy -policy {ARC}.{policy} \
                     -attime {at} -CAfile root.pem -untrusted issuing.pem {name}.pem"
                ),
            );
            assert_eq!(good, policy == number, "{name} under {policy}: {said}");
        }
    }
    let (_, text) = openssl(&dir, "x509 -in issuing.pem -noout -text");
    assert!(
        text.contains("http://pki.example.vn/crl/root.crl"),
        "{text}"
    );
    let (_, text) = openssl(&dir, "x509 -in stamp.pem -noout -text");
    assert!(text.contains("Extended Key Usage: critical\n"), "{text}");
}

#[test]
fn what_certificates_cannot_say_founds_nothing() {
    let place = tempfile::tempdir().unwrap();
    let dir = place.path().join("authority");
    let clock = Clock::fixed(now().as_unix());
    for (arc, lists) in [("3.1", "http://a"), ("oid", "http://a"), (ARC, "ftp://a")] {
        let refused = init_with(&dir, &founding(arc, lists), &clock).unwrap_err();
        assert!(
            matches!(refused, AuthorityError::Naming { .. }),
            "{refused}"
        );
        assert_eq!(refused.code(), ErrorCode::Usage);
    }
    assert!(!dir.exists());
}
