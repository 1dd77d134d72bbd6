//! How a signature names its certificate.

use super::*;

/// `ESSCertIDv2` with parts as they are given, as the only one of the attribute; without an
/// algorithm it is `ESSCertID` too.
fn ess(digest: &[u8], hash: &[u8], issuer_serial: &[u8]) -> Vec<u8> {
    let hash = asn1::encode(asn1::OCTET_STRING, &[hash]);
    let id = asn1::sequence(&[digest, &hash, issuer_serial]);
    asn1::sequence(&[&asn1::sequence(&[&id])])
}

fn sha1(bytes: &[u8]) -> Vec<u8> {
    use aws_lc_rs::digest::{SHA1_FOR_LEGACY_USE_ONLY, digest};
    digest(&SHA1_FOR_LEGACY_USE_ONLY, bytes).as_ref().to_vec()
}

#[test]
fn cms_need_not_name_its_certificate_and_says_whether_it_does() {
    let mut parts = Parts::new();
    let named = parse_and_verify_cms(&parts.build(), CONTENT).unwrap();
    assert!(named.names_certificate);
    parts.set_attribute(SIGNING_CERTIFICATE_V2, None);
    let unnamed = parse_and_verify_cms(&parts.build(), CONTENT).unwrap();
    assert!(!unnamed.names_certificate);
    assert_eq!(unnamed.signer_certificate, named.signer_certificate);
    // Where it is there, it must hold.
    parts.set_attribute(SIGNING_CERTIFICATE_V2, Some(&[5, 0]));
    let wrong = parse_and_verify_cms(&parts.build(), CONTENT);
    let name = "signing-certificate-v2";
    assert_eq!(wrong, Err(CmsError::AttributeValue { name }));
}

#[test]
fn the_certificate_is_bound_by_digest_and_by_name() {
    let sha1 = [0x30, 7, 6, 5, 0x2b, 14, 3, 2, 26];
    assert_eq!(
        refusal(
            |parts| parts.set_attribute(SIGNING_CERTIFICATE_V2, Some(&ess(&sha1, &[0; 20], &[])))
        ),
        CmsError::CertificateDigestAlgorithm {
            oid: "1.3.14.3.2.26".to_owned()
        }
    );
    let other_serial = |parts: &mut Parts| {
        let hash = crate::certificate::fingerprint(&parts.certificate);
        let names = asn1::sequence(&[&asn1::encode(asn1::context(4), &[&asn1::sequence(&[])])]);
        let issuer_serial = asn1::sequence(&[&names, &[2, 1, 1]]);
        parts.set_attribute(
            SIGNING_CERTIFICATE_V2,
            Some(&ess(&[], &hash, &issuer_serial)),
        );
    };
    assert_eq!(refusal(other_serial), CmsError::IssuerSerialMismatch);
    // Without issuerSerial, and with SHA-512 named: as other software writes it.
    let foreign = |parts: &mut Parts| {
        let digest = crate::algorithm::DigestAlgorithm::Sha512;
        let value = ess(&digest.identifier(), &digest.of(&parts.certificate), &[]);
        parts.set_attribute(SIGNING_CERTIFICATE_V2, Some(&value));
    };
    variant(foreign).unwrap();
}

/// RFC 2634 §5.4: enough for time-stamps, and for no seal.
#[test]
fn the_older_attribute_names_by_sha1_and_says_so() {
    let mut parts = Parts::new();
    let named = ess(&[], &sha1(&parts.certificate), &[]);
    parts.set_attribute(SIGNING_CERTIFICATE, Some(&named));
    // Beside the newer one it changes nothing.
    let both = parse_and_verify(&parts.build(), CONTENT).unwrap();
    assert!(both.names_certificate && !both.names_by_sha1);
    parts.set_attribute(SIGNING_CERTIFICATE_V2, None);
    let alone = parse_and_verify_cms(&parts.build(), CONTENT).unwrap();
    assert!(!alone.names_certificate && alone.names_by_sha1);
    let name = "signing-certificate-v2";
    assert_eq!(
        parse_and_verify(&parts.build(), CONTENT),
        Err(CmsError::AttributeMissing { name })
    );
    // Where it is there, it must hold.
    let refusal = |parts: &Parts| parse_and_verify_cms(&parts.build(), CONTENT).unwrap_err();
    parts.set_attribute(SIGNING_CERTIFICATE, Some(&ess(&[], &[0; 20], &[])));
    assert_eq!(refusal(&parts), CmsError::CertificateDigestMismatch);
    let sha256 = crate::algorithm::DigestAlgorithm::Sha256;
    let longer = ess(&sha256.identifier(), &sha256.of(&parts.certificate), &[]);
    parts.set_attribute(SIGNING_CERTIFICATE, Some(&longer));
    let name = "signing-certificate";
    assert_eq!(refusal(&parts), CmsError::AttributeValue { name });
}
