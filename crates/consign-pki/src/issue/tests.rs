use super::*;
use crate::certificate::CertificateDetails;
use crate::fixture::{Hierarchy, NOW, authority_key, name, subject, years};
use crate::path::{PathPurpose, validate};
use crate::seal::{FileSealKey, KeyKind};

fn request() -> Vec<u8> {
    create_request(&FileSealKey::generate(KeyKind::EcdsaP256).unwrap(), "mine").unwrap()
}

#[test]
fn authorities_survive_their_files() {
    let hierarchy = Hierarchy::new();
    let issuing = &hierarchy.issuing;
    let loaded = CertificateAuthority::load(&issuing.certificate_pem(), issuing.key()).unwrap();
    let seal = loaded
        .issue_seal(&request(), &subject(), years(1), &[1])
        .unwrap();
    validate(
        &seal,
        &hierarchy.intermediates(),
        &hierarchy.roots(),
        NOW,
        &PathPurpose::seal(PLACEHOLDER_SEAL_EKU),
    )
    .unwrap();
    assert!(matches!(
        CertificateAuthority::load(&issuing.certificate_pem(), hierarchy.root.key()),
        Err(IssueError::AuthorityKey)
    ));
    let seal = crate::certificate::to_pem(&seal);
    assert!(matches!(
        CertificateAuthority::load(&seal, issuing.key()),
        Err(IssueError::NotAnAuthority)
    ));
}

#[test]
fn requests_are_believed_for_their_key_only() {
    let key = FileSealKey::generate(KeyKind::Ed25519).unwrap();
    let csr = create_request(&key, "Thủ tướng Chính phủ").unwrap();
    let seal = Hierarchy::new()
        .issuing
        .issue_seal(&csr, &subject(), years(1), &[1])
        .unwrap();
    let details = CertificateDetails::from_der(&seal).unwrap();
    assert_eq!(details.common_name.as_deref(), Some("Con dấu điện tử"));
    assert_eq!(
        details.public_key_der,
        crate::seal::SealSigner::public_key_der(&key)
    );
}

#[test]
fn requests_prove_possession() {
    let csr = request();
    verify_request(&csr).unwrap();
    for position in 0..csr.len() {
        let mut changed = csr.clone();
        changed[position] ^= 1;
        assert!(verify_request(&changed).is_err(), "byte {position}");
    }
    let pem = request_to_pem(&csr);
    assert_eq!(*request_from_pem(pem.as_bytes()).unwrap(), csr);
    assert_eq!(*request_from_pem(&csr).unwrap(), csr);
}

#[test]
fn serials_are_positive_and_bounded() {
    let hierarchy = Hierarchy::new();
    let issue = |serial: &[u8]| {
        hierarchy
            .issuing
            .issue_seal(&request(), &subject(), years(1), serial)
    };
    for serial in [&[][..], &[0], &[0, 1], &[0x80], &[1; 21]] {
        assert!(
            matches!(issue(serial), Err(IssueError::Serial)),
            "{serial:?}"
        );
    }
    let certificate = issue(&[0x7f; 20]).unwrap();
    assert_eq!(
        CertificateDetails::from_der(&certificate)
            .unwrap()
            .serial_hex,
        "7f".repeat(20)
    );
}

#[test]
fn validity_stays_within_the_issuers() {
    let hierarchy = Hierarchy::new();
    let issue = |validity| {
        hierarchy
            .issuing
            .issue_seal(&request(), &subject(), validity, &[1])
    };
    assert!(matches!(
        issue(years(11)),
        Err(IssueError::OutsideIssuerValidity { .. })
    ));
    let backwards = Validity {
        not_before: NOW,
        not_after: NOW - 1,
    };
    assert!(matches!(issue(backwards), Err(IssueError::Validity { .. })));
    let endless = Validity {
        not_before: NOW,
        not_after: u64::MAX,
    };
    assert!(matches!(
        CertificateAuthority::create_root(authority_key(), &name("Root"), endless),
        Err(IssueError::Validity { .. })
    ));
    let to_the_end = Validity {
        not_before: 0,
        not_after: 253_402_300_799,
    };
    let root =
        CertificateAuthority::create_root(authority_key(), &name("Root"), to_the_end).unwrap();
    assert_eq!(
        CertificateDetails::from_der(root.certificate_der())
            .unwrap()
            .not_after,
        253_402_300_799
    );
}

#[test]
fn authorities_do_not_share_a_name() {
    let root = CertificateAuthority::create_root(authority_key(), &name("Root"), years(2)).unwrap();
    assert!(matches!(
        CertificateAuthority::create_issuing(&root, authority_key(), &name("Root"), years(1)),
        Err(IssueError::Name {
            field: "common name"
        })
    ));
}

#[test]
fn names_are_usable() {
    let issuing = Hierarchy::new().issuing;
    for wrong in ["", "  ", "line\nbreak", &"x".repeat(MAX_NAME + 1)] {
        let subject = SealSubject {
            organization: wrong.to_owned(),
            ..subject()
        };
        let refused = issuing.issue_seal(&request(), &subject, years(1), &[1]);
        assert!(
            matches!(
                refused,
                Err(IssueError::Name {
                    field: "organization"
                })
            ),
            "{wrong}"
        );
    }
    let tls = |dns: &str| {
        let subject = TlsSubject {
            organization: "Sở Nội vụ".to_owned(),
            common_name: "node".to_owned(),
            dns_names: vec![dns.to_owned()],
            ip_addresses: vec![[127, 0, 0, 1].into()],
        };
        issuing.issue_tls(&request(), &subject, years(1), &[1], TlsUsage::Both)
    };
    for wrong in ["", "*.example", "a..b", "-a", "sở", &"a".repeat(64)] {
        assert!(
            matches!(tls(wrong), Err(IssueError::AlternativeNames)),
            "{wrong}"
        );
    }
    let details = CertificateDetails::from_der(&tls("hub.example").unwrap()).unwrap();
    assert_eq!(details.alternative_names, ["hub.example", "127.0.0.1"]);
    assert_eq!(
        details.extended_key_usages,
        ["1.3.6.1.5.5.7.3.1", "1.3.6.1.5.5.7.3.2"]
    );
}

#[test]
fn profiles_replace_the_placeholders() {
    let hierarchy = Hierarchy::new();
    let profile = Profile {
        seal_extended_key_usage: "1.2.3.4".to_owned(),
        policy_arc: "1.2.3.5".to_owned(),
        lists: Some("http://lists.example.vn/crl".to_owned()),
    };
    let issuing = hierarchy.issuing.authority.with_profile(profile);
    let seal = issuing
        .issue_seal(&request(), &subject(), years(1), &[1])
        .unwrap();
    assert_eq!(
        CertificateDetails::from_der(&seal)
            .unwrap()
            .extended_key_usages,
        ["1.2.3.4"]
    );
    let said = openssl_text(&seal);
    assert!(said.contains("Policy: 1.2.3.5.1\n"), "{said}");
    assert!(
        said.contains("URI:http://lists.example.vn/crl/issuing.crl"),
        "{said}"
    );
    let broken = Profile {
        seal_extended_key_usage: "one.two".to_owned(),
        ..Profile::default()
    };
    let refused = issuing
        .with_profile(broken)
        .issue_seal(&request(), &subject(), years(1), &[1]);
    assert!(matches!(refused, Err(IssueError::Profile { .. })));
}

#[test]
fn lists_are_at_an_address_or_nowhere() {
    let profile = |lists: &str| Profile {
        lists: Some(lists.to_owned()),
        ..Profile::default()
    };
    Profile::default().check().unwrap();
    profile("https://pki.example.vn:8080/crl").check().unwrap();
    let long = format!("http://{}", "x".repeat(MAX_LISTS_URL));
    for wrong in ["", "http://", "http://a/", "ftp://a", "http://sở", &long] {
        let refused = profile(wrong).check();
        assert!(matches!(refused, Err(IssueError::Lists { .. })), "{wrong}");
    }
    let arc = Profile {
        policy_arc: "9.9".to_owned(),
        ..Profile::default()
    };
    assert!(matches!(arc.check(), Err(IssueError::Profile { .. })));
}

/// What `openssl` reads in a certificate.
fn openssl_text(der: &[u8]) -> String {
    use std::io::Write as _;
    use std::process::{Command, Stdio};
    let mut openssl = Command::new("openssl")
        .args(["x509", "-inform", "DER", "-noout", "-text"])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    openssl.stdin.take().unwrap().write_all(der).unwrap();
    let output = openssl.wait_with_output().unwrap();
    assert!(output.status.success());
    String::from_utf8(output.stdout).unwrap()
}

#[test]
fn every_profile_says_what_its_certificates_are_for() {
    let hierarchy = Hierarchy::new();
    let profile = Profile {
        lists: Some("http://lists.example.vn".to_owned()),
        ..Profile::default()
    };
    let root = hierarchy.root.authority.with_profile(profile);
    let issuing = name("Other issuing");
    let issuing =
        CertificateAuthority::create_issuing(&root, authority_key(), &issuing, years(9)).unwrap();
    let tls = TlsSubject {
        organization: "Sở Nội vụ".to_owned(),
        common_name: "node".to_owned(),
        dns_names: Vec::new(),
        ip_addresses: Vec::new(),
    };
    let (one, csr) = (years(1), request());
    let client = issuing.issue_tls(&csr, &tls, one, &[1], TlsUsage::Client);
    let stamp = issuing.issue_time_stamping(&csr, &name("Stamps"), one, &[2]);
    let seal = issuing.issue_seal(&csr, &subject(), one, &[3]);
    let common = "Authority Key Identifier|Subject Key Identifier|CA:FALSE|Key Usage: critical|\
                  URI:http://lists.example.vn/issuing.crl";
    let arc = PLACEHOLDER_POLICY_ARC;
    let cases = [
        (
            client.unwrap(),
            format!("{common}|Policy: {arc}.4|TLS Web Client Authentication"),
        ),
        (
            stamp.unwrap(),
            format!("{common}|Policy: {arc}.3|Extended Key Usage: critical|Time Stamping"),
        ),
        (
            seal.unwrap(),
            format!("{common}|Policy: {arc}.1|Non Repudiation|{PLACEHOLDER_SEAL_EKU}"),
        ),
        (
            issuing.certificate_der().to_vec(),
            "Authority Key Identifier|Subject Key Identifier|CA:TRUE, pathlen:0|\
             Basic Constraints: critical|Certificate Sign, CRL Sign|Any Policy|\
             URI:http://lists.example.vn/root.crl"
                .to_owned(),
        ),
    ];
    for (certificate, expected) in cases {
        let said = openssl_text(&certificate);
        for expected in expected.split('|') {
            assert!(said.contains(expected), "{expected}: {said}");
        }
    }
    // Without an address nothing is named.
    let said = openssl_text(hierarchy.issuing.certificate_der());
    assert!(!said.contains("Distribution"), "{said}");
}

proptest::proptest! {
    #[test]
    fn arbitrary_requests_do_no_harm(bytes in proptest::collection::vec(proptest::num::u8::ANY, 0..256)) {
        proptest::prop_assert!(verify_request(&bytes).is_err());
    }
}
