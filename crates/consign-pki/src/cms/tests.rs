use super::*;
use crate::asn1::{self, Element};
use crate::fixture::{Hierarchy, NOW};
use crate::seal::{FileSealKey, KeyKind, SealSigner};

mod naming;

const CONTENT: &[u8] = b"<asic:ASiCManifest/>";
const KINDS: [KeyKind; 3] = [KeyKind::EcdsaP256, KeyKind::Rsa2048, KeyKind::Ed25519];

#[test]
fn what_is_signed_verifies() {
    let hierarchy = Hierarchy::new();
    for kind in KINDS {
        let (key, certificate) = hierarchy.seal(kind);
        let chain = [hierarchy.intermediates(), hierarchy.roots()].concat();
        let p7s = sign_detached(&key, &certificate, &chain, CONTENT, NOW).unwrap();
        let signature = parse_and_verify(&p7s, CONTENT).unwrap();
        assert_eq!(signature.signer_certificate, certificate);
        assert_eq!(signature.signing_time, Some(NOW));
        assert_eq!(signature.algorithm, key.algorithm());
        assert!(!signature.has_timestamp_token);
        let mut others = signature.other_certificates;
        others.sort();
        let mut expected = chain;
        expected.sort();
        assert_eq!(others, expected);
        assert_eq!(
            parse_and_verify(&p7s, b"other"),
            Err(CmsError::MessageDigestMismatch)
        );
    }
}

/// Without further certificates every byte is either covered by the signature or has one
/// permitted value.
#[test]
fn a_changed_byte_anywhere_never_verifies() {
    for kind in KINDS {
        let (key, certificate) = Hierarchy::new().seal(kind);
        let p7s = sign_detached(&key, &certificate, &[], CONTENT, NOW).unwrap();
        for position in 0..p7s.len() {
            for mask in [0x01, 0x20, 0x80, 0xff] {
                let mut changed = p7s.clone();
                changed[position] ^= mask;
                assert!(
                    parse_and_verify(&changed, CONTENT).is_err(),
                    "{kind:?}, byte {position} ^ {mask:02x}"
                );
            }
        }
        for length in 0..p7s.len() {
            assert!(
                parse_and_verify(&p7s[..length], CONTENT).is_err(),
                "cut at {length}"
            );
        }
    }
}

/// The other certificates are not covered: a byte changed in one of them may go unnoticed
/// here, and then shows in the certificate handed to path validation, and nowhere else.
#[test]
fn only_other_certificates_are_outside_the_signature() {
    let hierarchy = Hierarchy::new();
    let (key, certificate) = hierarchy.seal(KeyKind::EcdsaP256);
    let issuing = hierarchy.issuing.certificate_der().to_vec();
    let p7s = sign_detached(
        &key,
        &certificate,
        std::slice::from_ref(&issuing),
        CONTENT,
        NOW,
    )
    .unwrap();
    let whole = parse_and_verify(&p7s, CONTENT).unwrap();
    let start = p7s
        .windows(issuing.len())
        .position(|window| window == issuing)
        .unwrap();
    let mut unnoticed = 0;
    for position in 0..p7s.len() {
        let mut changed = p7s.clone();
        changed[position] ^= 1;
        let Ok(signature) = parse_and_verify(&changed, CONTENT) else {
            continue;
        };
        unnoticed += 1;
        assert!(
            (start..start + issuing.len()).contains(&position),
            "byte {position}"
        );
        assert_ne!(signature.other_certificates, whole.other_certificates);
        assert_eq!(
            CadesSignature {
                other_certificates: Vec::new(),
                ..signature
            },
            CadesSignature {
                other_certificates: Vec::new(),
                ..whole.clone()
            }
        );
    }
    assert!(unnoticed > 0);
}

#[test]
fn a_certificate_for_another_key_is_not_signed_with() {
    let hierarchy = Hierarchy::new();
    let (_, certificate) = hierarchy.seal(KeyKind::EcdsaP256);
    let (other, _) = hierarchy.seal(KeyKind::EcdsaP256);
    assert_eq!(
        sign_detached(&other, &certificate, &[], CONTENT, NOW),
        Err(CmsError::KeyMismatch)
    );
}

#[test]
fn times_past_2049_are_written_and_read() {
    let (key, certificate) = Hierarchy::new().seal(KeyKind::EcdsaP256);
    for time in [0, 2_524_607_999, 2_524_608_000, 253_402_300_799] {
        let p7s = sign_detached(&key, &certificate, &[], CONTENT, time).unwrap();
        assert_eq!(
            parse_and_verify(&p7s, CONTENT).unwrap().signing_time,
            Some(time)
        );
    }
    let beyond = 253_402_300_800;
    assert_eq!(
        sign_detached(&key, &certificate, &[], CONTENT, beyond),
        Err(CmsError::SigningTime { seconds: beyond })
    );
}

/// A signature taken apart, to be put together differently.
struct Parts {
    key: FileSealKey,
    certificate: Vec<u8>,
    content_type: Vec<u8>,
    /// version, digestAlgorithms, encapContentInfo, certificates.
    signed_data: Vec<Vec<u8>>,
    /// version, sid, digestAlgorithm.
    signer: Vec<Vec<u8>>,
    attributes: Vec<Vec<u8>>,
    signature_algorithm: Vec<u8>,
    unsigned: Vec<u8>,
    signers: usize,
}

impl Parts {
    fn new() -> Self {
        let (key, certificate) = Hierarchy::new().seal(KeyKind::EcdsaP256);
        let p7s = sign_detached(&key, &certificate, &[], CONTENT, NOW).unwrap();
        let outer = members(&Element::only(&p7s, asn1::SEQUENCE).unwrap());
        let explicit = Element::only(&outer[1], asn1::context(0)).unwrap();
        let mut signed_data = members(&Element::only(explicit.value, asn1::SEQUENCE).unwrap());
        let set = signed_data.pop().unwrap();
        let set = Element::only(&set, asn1::SET).unwrap();
        let signer = members(&Element::only(set.value, asn1::SEQUENCE).unwrap());
        Self {
            attributes: members(&Element::only(&signer[3], asn1::context(0)).unwrap()),
            signature_algorithm: signer[4].clone(),
            signer: signer[..3].to_vec(),
            content_type: outer[0].clone(),
            signed_data,
            key,
            certificate,
            unsigned: Vec::new(),
            signers: 1,
        }
    }

    fn build(&self) -> Vec<u8> {
        let attributes = self.attributes.concat();
        let signature = self
            .key
            .sign(&asn1::encode(asn1::SET, &[&attributes]))
            .unwrap();
        let signer = asn1::sequence(&[
            &self.signer.concat(),
            &asn1::encode(asn1::context(0), &[&attributes]),
            &self.signature_algorithm,
            &asn1::encode(asn1::OCTET_STRING, &[&signature]),
            &self.unsigned,
        ]);
        let signed_data = asn1::sequence(&[
            &self.signed_data.concat(),
            &asn1::encode(asn1::SET, &[&signer.repeat(self.signers)]),
        ]);
        asn1::sequence(&[
            &self.content_type,
            &asn1::encode(asn1::context(0), &[&signed_data]),
        ])
    }

    fn set_attribute(&mut self, oid: ObjectIdentifier, value: Option<&[u8]>) {
        let prefix = asn1::object_identifier(&oid);
        self.attributes
            .retain(|attribute| !attribute[2..].starts_with(&prefix));
        self.attributes
            .extend(value.map(|value| attributes::encode(oid, value)));
        self.attributes.sort();
    }
}

fn members(element: &Element<'_>) -> Vec<Vec<u8>> {
    let mut reader = element.reader();
    let mut members = Vec::new();
    while !reader.is_empty() {
        members.push(reader.element().unwrap().whole.to_vec());
    }
    members
}

fn variant(change: impl FnOnce(&mut Parts)) -> Result<CadesSignature, CmsError> {
    let mut parts = Parts::new();
    change(&mut parts);
    parse_and_verify(&parts.build(), CONTENT)
}

/// As [`variant`], for changes that must fail.
fn refusal(change: impl FnOnce(&mut Parts)) -> CmsError {
    variant(change).unwrap_err()
}

#[test]
fn what_proves_nothing_any_more_is_told_from_what_is_not_known() {
    let algorithms = |digest: &str, signature: &str| CmsError::Algorithms {
        digest: digest.to_owned(),
        signature: signature.to_owned(),
    };
    let sha256 = "2.16.840.1.101.3.4.2.1";
    assert!(algorithms("1.3.14.3.2.26", "1.2.840.113549.1.1.1").is_weak());
    assert!(algorithms(sha256, "1.2.840.113549.1.1.5").is_weak());
    assert!(CmsError::Signature(SignatureError::RsaKeySize { bits: 1024 }).is_weak());
    // RSA-PSS, SHA3-256, and a signature that is wrong.
    assert!(!algorithms(sha256, "1.2.840.113549.1.1.10").is_weak());
    assert!(!algorithms("2.16.840.1.101.3.4.2.8", "1.2.840.113549.1.1.1").is_weak());
    assert!(!CmsError::Signature(SignatureError::Wrong).is_weak());
}

#[test]
fn taking_apart_and_putting_together_verifies() {
    variant(|_| {}).unwrap();
}

#[test]
fn structure_has_one_form() {
    let data = asn1::object_identifier(&ID_DATA);
    assert_eq!(
        refusal(|parts| parts.content_type = data.clone()),
        CmsError::NotSignedData
    );
    let version = |structure, version| CmsError::Version { structure, version };
    assert_eq!(
        refusal(|parts| parts.signed_data[0] = vec![2, 1, 3]),
        version("SignedData", 3)
    );
    assert_eq!(
        refusal(|parts| parts.signer[0] = vec![2, 1, 3]),
        version("SignerInfo", 3)
    );
    assert_eq!(
        refusal(|parts| parts.signed_data[2] =
            asn1::sequence(&[&asn1::object_identifier(&CONTENT_TYPE)])),
        CmsError::ContentType {
            oid: "1.2.840.113549.1.9.3".to_owned()
        }
    );
    let inside = asn1::encode(
        asn1::context(0),
        &[&asn1::encode(asn1::OCTET_STRING, &[CONTENT])],
    );
    assert_eq!(
        refusal(|parts| parts.signed_data[2] = asn1::sequence(&[&data, &inside])),
        CmsError::NotDetached
    );
    assert_eq!(
        refusal(|parts| parts.signers = 2),
        CmsError::SignerCount { count: 2 }
    );
    assert_eq!(
        refusal(|parts| parts.signers = 0),
        CmsError::SignerCount { count: 0 }
    );
    assert_eq!(
        refusal(|parts| parts.signer[1] = vec![0x80, 2, 1, 2]),
        CmsError::UnsupportedSignerIdentifier
    );
    let twice = |parts: &mut Parts| {
        parts.signed_data[1] = asn1::encode(asn1::SET, &[&parts.signer[2].repeat(2)])
    };
    assert_eq!(refusal(twice), CmsError::DigestAlgorithms);
}

#[test]
fn certificates_are_bounded_and_plain() {
    assert_eq!(
        refusal(|parts| _ = parts.signed_data.pop()),
        CmsError::NoCertificates
    );
    let set = |members: &[u8]| asn1::encode(asn1::context(0), &[members]);
    assert_eq!(
        refusal(|parts| parts.signed_data[3] = set(&[])),
        CmsError::SignerCertificateMissing
    );
    assert_eq!(
        refusal(|parts| parts.signed_data[3] = set(&[0xa1, 0])),
        CmsError::UnsupportedCertificate
    );
    assert_eq!(
        refusal(|parts| parts.signed_data[3] = set(&parts.certificate.repeat(17))),
        CmsError::TooManyCertificates
    );
    let (_, other) = Hierarchy::new().seal(KeyKind::EcdsaP256);
    assert_eq!(
        refusal(|parts| parts.signed_data[3] = set(&other)),
        CmsError::CertificateDigestMismatch
    );
}

#[test]
fn algorithms_come_in_known_pairs() {
    let sha512 = crate::algorithm::DigestAlgorithm::Sha512.identifier();
    let mixed = |parts: &mut Parts| {
        parts.signed_data[1] = asn1::encode(asn1::SET, &[&sha512]);
        parts.signer[2] = sha512.clone();
    };
    assert!(matches!(refusal(mixed), CmsError::Algorithms { .. }));
    let rsa = SignatureAlgorithm::RsaPkcs1Sha256;
    assert_eq!(
        refusal(|parts| parts.signature_algorithm = rsa.identifier()),
        CmsError::Signature(SignatureError::KeyMismatch { algorithm: rsa })
    );
}

#[test]
fn attributes_are_complete_unique_and_ordered() {
    for (oid, name) in [
        (CONTENT_TYPE, "content-type"),
        (MESSAGE_DIGEST, "message-digest"),
        (SIGNING_CERTIFICATE_V2, "signing-certificate-v2"),
    ] {
        assert_eq!(
            refusal(|parts| parts.set_attribute(oid, None)),
            CmsError::AttributeMissing { name }
        );
        let twice = |parts: &mut Parts| parts.set_attribute(oid, Some(&[5, 0, 5, 0]));
        assert_eq!(refusal(twice), CmsError::AttributeValue { name });
        let wrong = |parts: &mut Parts| parts.set_attribute(oid, Some(&[5, 0]));
        assert_eq!(refusal(wrong), CmsError::AttributeValue { name });
    }
    let signature = variant(|parts| parts.set_attribute(SIGNING_TIME, None)).unwrap();
    assert_eq!(signature.signing_time, None);
    assert_eq!(
        refusal(|parts| parts.set_attribute(SIGNING_TIME, Some(b"\x17\x0b2506150000Z"))),
        CmsError::AttributeValue {
            name: "signing-time"
        }
    );
    let repeat = |parts: &mut Parts| {
        let first = parts.attributes[0].clone();
        parts.attributes.insert(0, first);
    };
    assert!(matches!(
        refusal(repeat),
        CmsError::AttributeRepeated { .. }
    ));
    assert_eq!(
        refusal(|parts| parts.attributes.reverse()),
        CmsError::AttributeOrder
    );
    let digest = asn1::object_identifier(&MESSAGE_DIGEST);
    assert_eq!(
        refusal(|parts| parts.set_attribute(CONTENT_TYPE, Some(&digest))),
        CmsError::ContentTypeMismatch
    );
    let many = |parts: &mut Parts| {
        for number in 0..40_u8 {
            let oid = [asn1::OBJECT_IDENTIFIER, 2, 0x2a, number];
            parts
                .attributes
                .push(asn1::sequence(&[&oid, &[asn1::SET, 0]]));
        }
        parts.attributes.sort();
    };
    assert_eq!(refusal(many), CmsError::TooManyAttributes);
}

#[test]
fn time_stamps_are_kept_and_not_judged() {
    let token = asn1::sequence(&[&[5, 0]]);
    let signature = variant(|parts| {
        let attribute = attributes::encode(SIGNATURE_TIME_STAMP, &token);
        parts.unsigned = asn1::encode(asn1::context(1), &[&attribute]);
    })
    .unwrap();
    assert!(signature.has_timestamp_token);
    assert_eq!(signature.time_stamp_tokens, [token]);
}

#[test]
fn hostile_der_is_refused_before_it_is_read() {
    let deep = (0..10_000).fold(Vec::new(), |inner: Vec<u8>, _| {
        if inner.len() < 60_000 {
            asn1::sequence(&[&inner])
        } else {
            inner
        }
    });
    let wide = asn1::sequence(&[&[5, 0].repeat(100_000)]);
    let cases: [(&[u8], CmsError); 5] = [
        (&deep, CmsError::Encoding(DerError::TooDeep { limit: 40 })),
        (
            &wide,
            CmsError::Encoding(DerError::TooMany { limit: 16_384 }),
        ),
        (
            &[0; MAX_CMS + 1],
            CmsError::Encoding(DerError::TooLong {
                length: MAX_CMS + 1,
                limit: MAX_CMS,
            }),
        ),
        (&[0x30, 0x80, 0, 0], CmsError::Encoding(DerError::Length)),
        (b"", CmsError::Encoding(DerError::Truncated)),
    ];
    for (bytes, expected) in cases {
        assert_eq!(parse_and_verify(bytes, CONTENT), Err(expected));
    }
    let mut trailing = Parts::new().build();
    trailing.push(0);
    assert_eq!(
        parse_and_verify(&trailing, CONTENT),
        Err(CmsError::Encoding(DerError::Trailing { count: 1 }))
    );
}

proptest::proptest! {
    #[test]
    fn arbitrary_bytes_do_no_harm(bytes in proptest::collection::vec(proptest::num::u8::ANY, 0..512)) {
        proptest::prop_assert!(parse_and_verify(&bytes, CONTENT).is_err());
    }
}
