use super::*;
use crate::fixture::{Hierarchy, NOW, name, years};
use crate::issue::create_request;
use crate::path::{self, PathError, PathPurpose};
use crate::seal::{FileSealKey, KeyKind};

const BYTES: &[u8] = b"the signature value of a seal";
const NONCE: [u8; 8] = [0, 0x91, 2, 3, 4, 5, 6, 7];
const GRANT: Grant = Grant {
    time: NOW,
    serial: [7; 16],
};

fn authority(hierarchy: &Hierarchy, kind: KeyKind) -> (Authority<FileSealKey>, Vec<u8>) {
    let key = FileSealKey::generate(kind).unwrap();
    let csr = create_request(&key, "tsa").unwrap();
    let certificate = hierarchy
        .issuing
        .issue_time_stamping(&csr, &name("Time-stamps"), years(3), &[0x20, 1])
        .unwrap();
    let chain = hierarchy.intermediates();
    let authority = Authority::new(key, certificate.clone(), chain, PLACEHOLDER_POLICY);
    (authority.unwrap(), certificate)
}

fn token(authority: &Authority<FileSealKey>) -> Vec<u8> {
    let request = Request::over(BYTES, NONCE);
    let answer = authority.answer(request.to_der(), GRANT).unwrap();
    token_of(&answer, &request).unwrap()
}

#[test]
fn what_is_granted_is_accepted() {
    let hierarchy = Hierarchy::new();
    for kind in [KeyKind::EcdsaP256, KeyKind::Rsa2048] {
        let (authority, certificate) = authority(&hierarchy, kind);
        let stamp = verify(&token(&authority), BYTES).unwrap();
        assert_eq!((stamp.time, stamp.accuracy_ms), (NOW, 1_000));
        assert_eq!(stamp.policy, PLACEHOLDER_POLICY);
        assert_eq!(stamp.serial_hex, "07".repeat(16));
        assert_eq!(stamp.nonce.as_deref(), Some(&NONCE[..]));
        assert_eq!(stamp.signature.signer_certificate, certificate);
        let carried = &stamp.signature.other_certificates;
        let valid = path::validate(
            &certificate,
            carried,
            &hierarchy.roots(),
            stamp.time,
            &PathPurpose::time_stamping(),
        );
        assert_eq!(valid.unwrap().fingerprints.len(), 3);
    }
}

#[test]
fn a_stamp_is_on_its_bytes_and_no_others() {
    let hierarchy = Hierarchy::new();
    let (authority, _) = authority(&hierarchy, KeyKind::EcdsaP256);
    let token = token(&authority);
    assert_eq!(verify(&token, b"others"), Err(TimeStampError::Imprint));
    // The imprint itself is signed, and so is all else.
    for position in 0..token.len() {
        let mut changed = token.clone();
        changed[position] ^= 1;
        let Ok(stamp) = verify(&changed, BYTES) else {
            continue;
        };
        // Only other certificates lie outside the signature.
        let whole = verify(&token, BYTES).unwrap();
        assert_eq!(stamp.time, whole.time, "byte {position}");
        let (own, others) = (&stamp.signature, &whole.signature);
        assert_eq!(own.signer_certificate, others.signer_certificate);
        assert_ne!(own.other_certificates, others.other_certificates);
    }
}

#[test]
fn an_answer_belongs_to_its_request() {
    let hierarchy = Hierarchy::new();
    let (authority, _) = authority(&hierarchy, KeyKind::EcdsaP256);
    let (request, other) = (Request::over(BYTES, NONCE), Request::over(BYTES, [1; 8]));
    let answer = authority.answer(request.to_der(), GRANT).unwrap();
    assert_eq!(token_of(&answer, &other), Err(TimeStampError::Nonce));
    for cut in 0..answer.len() {
        assert!(token_of(&answer[..cut], &request).is_err(), "{cut}");
    }
}

#[test]
fn what_is_not_granted_is_refused_with_its_reason() {
    let hierarchy = Hierarchy::new();
    let (authority, _) = authority(&hierarchy, KeyKind::EcdsaP256);
    let request = Request::over(BYTES, NONCE);
    let refusal = |bytes: &[u8]| {
        let answer = authority.answer(bytes, GRANT).unwrap();
        match token_of(&answer, &request).unwrap_err() {
            TimeStampError::Refused(failure) => failure,
            other => panic!("{other}"),
        }
    };
    assert_eq!(refusal(b"no request"), Failure::BadDataFormat);
    let version: Vec<u8> = {
        let mut bytes = request.to_der().to_vec();
        bytes[4] = 2;
        bytes
    };
    assert_eq!(refusal(&version), Failure::BadRequest);
    let sha256 = asn1::object_identifier(&"2.16.840.1.101.3.4.2.1".parse().unwrap());
    let at = request
        .to_der()
        .windows(sha256.len())
        .position(|window| window == sha256)
        .unwrap();
    let mut weak = request.to_der().to_vec();
    weak[at + sha256.len() - 1] = 9;
    assert_eq!(refusal(&weak), Failure::BadAlgorithm);
    let with = |before_nonce: &[u8], last: &[u8]| {
        let mut fields = asn1::Element::only(request.to_der(), asn1::SEQUENCE)
            .unwrap()
            .reader();
        let parts: Vec<&[u8]> = (0..4).map(|_| fields.element().unwrap().whole).collect();
        asn1::sequence(&[parts[0], parts[1], before_nonce, parts[2], parts[3], last])
    };
    let other = asn1::object_identifier(&"1.2.3.4".parse().unwrap());
    assert_eq!(refusal(&with(&other, &[])), Failure::UnacceptedPolicy);
    let extensions = asn1::encode(asn1::context(0), &[&asn1::sequence(&[])]);
    assert_eq!(
        refusal(&with(&[], &extensions)),
        Failure::UnacceptedExtension
    );
}

#[test]
fn a_certificate_for_other_things_too_makes_no_time_stamps() {
    let hierarchy = Hierarchy::new();
    let (_, seal) = hierarchy.seal(KeyKind::EcdsaP256);
    let judge = |certificate: &[u8]| {
        let purpose = PathPurpose::time_stamping();
        let carried = hierarchy.intermediates();
        path::validate(certificate, &carried, &hierarchy.roots(), NOW, &purpose)
    };
    assert!(matches!(
        judge(&seal),
        Err(PathError::ExtendedKeyUsage { .. })
    ));
    let key = rcgen::KeyPair::from_pem(&hierarchy.issuing.key_pem()).unwrap();
    let issuing =
        rcgen::Issuer::from_ca_cert_der(&hierarchy.issuing.certificate_der().into(), key).unwrap();
    let mut params = rcgen::CertificateParams::default();
    params.key_usages = vec![rcgen::KeyUsagePurpose::DigitalSignature];
    params.not_before = rcgen::date_time_ymd(2020, 1, 1);
    params.not_after = rcgen::date_time_ymd(2040, 1, 1);
    // Alone, and not critical.
    params.extended_key_usages = vec![rcgen::ExtendedKeyUsagePurpose::TimeStamping];
    let own = rcgen::KeyPair::generate().unwrap();
    let certificate = params.signed_by(&own, &issuing).unwrap();
    assert!(matches!(
        judge(certificate.der()),
        Err(PathError::NotOnlyThatUsage { .. })
    ));
}

#[test]
fn a_seal_gets_its_stamp_without_a_signed_byte_changing() {
    let hierarchy = Hierarchy::new();
    let (authority, _) = authority(&hierarchy, KeyKind::EcdsaP256);
    for kind in [KeyKind::EcdsaP256, KeyKind::Rsa2048, KeyKind::Ed25519] {
        let (key, certificate) = hierarchy.seal(kind);
        let chain = hierarchy.intermediates();
        let p7s = cms::sign_detached(&key, &certificate, &chain, b"manifest", NOW).unwrap();
        let before = cms::parse_and_verify(&p7s, b"manifest").unwrap();
        let request = Request::over(&before.signature_value, NONCE);
        let answer = authority.answer(request.to_der(), GRANT).unwrap();
        let token = token_of(&answer, &request).unwrap();
        let stamped = cms::with_time_stamp(&p7s, &token).unwrap();
        let after = cms::parse_and_verify(&stamped, b"manifest").unwrap();
        assert_eq!(after.time_stamp_tokens, std::slice::from_ref(&token));
        assert_eq!(after.signature_value, before.signature_value);
        verify(&after.time_stamp_tokens[0], &after.signature_value).unwrap();
        assert_eq!(
            cms::with_time_stamp(&stamped, &token),
            Err(CmsError::HasUnsignedAttributes)
        );
    }
}
