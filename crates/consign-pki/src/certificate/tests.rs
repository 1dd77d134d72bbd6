use super::*;
use crate::fixture::{Hierarchy, years};
use crate::seal::KeyKind;

#[test]
fn details_are_those_that_were_issued() {
    let (key, certificate) = Hierarchy::new().seal(KeyKind::Rsa2048);
    let details = CertificateDetails::from_der(&certificate).unwrap();
    assert_eq!(
        details.organization.as_deref(),
        Some("Ủy ban nhân dân tỉnh Quảng Ninh")
    );
    assert_eq!(details.organization_identifier.as_deref(), Some("H49"));
    assert_eq!(details.common_name.as_deref(), Some("Con dấu điện tử"));
    assert_eq!(details.serial_hex, "10010203");
    assert_eq!(
        (details.not_before, details.not_after),
        (years(3).not_before, years(3).not_after)
    );
    assert_eq!(details.key, PublicKeyKind::Rsa { bits: 2048 });
    assert_eq!(
        details.public_key_der,
        crate::seal::SealSigner::public_key_der(&key)
    );
    assert_eq!(
        details.key_usages,
        Some(vec![
            KeyUsageName::DigitalSignature,
            KeyUsageName::NonRepudiation
        ])
    );
    assert_eq!(
        details.extended_key_usages,
        [crate::issue::PLACEHOLDER_SEAL_EKU]
    );
    assert!(!details.is_authority);
    assert!(
        details.subject.contains("Con dấu điện tử"),
        "{}",
        details.subject
    );
    assert!(details.issuer.contains("Issuing"), "{}", details.issuer);
    assert_eq!(details.fingerprint, fingerprint(&certificate));
}

#[test]
fn policies_are_those_that_were_issued() {
    let hierarchy = Hierarchy::new();
    let (_, certificate) = hierarchy.seal(KeyKind::EcdsaP256);
    let issued = format!("{}.1", crate::issue::PLACEHOLDER_POLICY_ARC);
    assert_eq!(policies(&certificate).unwrap(), [issued]);
    let root = hierarchy.roots().remove(0);
    assert_eq!(policies(&root).unwrap(), Vec::<String>::new());
    assert!(policies(b"not a certificate").is_err());
}

#[test]
fn bundles_survive_and_are_bounded() {
    let hierarchy = Hierarchy::new();
    let certificates = [hierarchy.intermediates(), hierarchy.roots()].concat();
    assert_eq!(
        read_bundle(&write_bundle(&certificates)).unwrap(),
        certificates
    );
    let many = vec![certificates[0].clone(); MAX_BUNDLE + 1];
    assert_eq!(
        read_bundle(&write_bundle(&many)),
        Err(CertificateError::Pem(PemError::TooMany {
            limit: MAX_BUNDLE
        }))
    );
}

/// As `openssl x509 -text` and editors on Windows leave them.
#[test]
fn text_around_certificates_and_line_ends_do_not_matter() {
    let (_, certificate) = Hierarchy::new().seal(KeyKind::EcdsaP256);
    let text = to_pem(&certificate);
    for variant in [
        format!("Certificate:\n    Data:\n{text}"),
        text.replace('\n', "\r\n"),
    ] {
        assert_eq!(from_pem(&variant).unwrap(), certificate);
        assert_eq!(
            read_bundle(&variant).unwrap(),
            std::slice::from_ref(&certificate)
        );
    }
    let two = write_bundle(&[certificate.clone(), certificate]);
    assert!(from_pem(&two).is_err());
}

#[test]
fn changed_and_torn_certificates_do_no_harm() {
    let (_, certificate) = Hierarchy::new().seal(KeyKind::EcdsaP256);
    for position in 0..certificate.len() {
        assert!(CertificateDetails::from_der(&certificate[..position]).is_err());
        for mask in [0x01, 0x80, 0xff] {
            let mut changed = certificate.clone();
            changed[position] ^= mask;
            // Most still parse; none may panic, and none keeps its fingerprint.
            if let Ok(details) = CertificateDetails::from_der(&changed) {
                assert_ne!(details.fingerprint, fingerprint(&certificate));
            }
        }
    }
    let mut trailing = certificate;
    trailing.push(0);
    assert!(matches!(
        CertificateDetails::from_der(&trailing),
        Err(CertificateError::Encoding(_))
    ));
}

#[test]
fn size_is_bounded_before_parsing() {
    let huge = vec![0x30; MAX_CERTIFICATE + 1];
    assert_eq!(
        CertificateDetails::from_der(&huge),
        Err(CertificateError::Encoding(DerError::TooLong {
            length: MAX_CERTIFICATE + 1,
            limit: MAX_CERTIFICATE
        }))
    );
}
