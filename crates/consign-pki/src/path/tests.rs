use rcgen::{
    BasicConstraints, CertificateParams, CustomExtension, DnType, IsCa, Issuer, KeyPair,
    KeyUsagePurpose,
};

mod revocation;

use super::*;
use crate::certificate::CertificateDetails;
use crate::fixture::{Hierarchy, NOW, name, years};
use crate::issue::{CertificateAuthority, PLACEHOLDER_SEAL_EKU, Validity};
use crate::seal::KeyKind;

fn judge(
    hierarchy: &Hierarchy,
    certificate: &[u8],
    at: u64,
    purpose: &PathPurpose,
) -> Result<ValidPath, PathError> {
    validate(
        certificate,
        &hierarchy.intermediates(),
        &hierarchy.roots(),
        at,
        purpose,
    )
}

fn seal() -> PathPurpose {
    PathPurpose::seal(PLACEHOLDER_SEAL_EKU)
}

#[test]
fn issued_seals_lead_to_their_root() {
    let hierarchy = Hierarchy::new();
    for kind in [KeyKind::EcdsaP256, KeyKind::Rsa2048, KeyKind::Ed25519] {
        let (_, certificate) = hierarchy.seal(kind);
        let path = judge(&hierarchy, &certificate, NOW, &seal()).unwrap();
        let expected = [
            &certificate,
            hierarchy.issuing.certificate_der(),
            hierarchy.root.certificate_der(),
        ]
        .map(crate::certificate::fingerprint);
        assert_eq!(path.fingerprints, expected);
        assert_eq!(path.revocation, RevocationCheck::NotChecked);
    }
}

#[test]
fn dates_are_told_apart() {
    let hierarchy = Hierarchy::new();
    let (_, certificate) = hierarchy.seal(KeyKind::EcdsaP256);
    let Validity {
        not_before,
        not_after,
    } = years(3);
    let judge = |at| judge(&hierarchy, &certificate, at, &seal());
    judge(not_before).unwrap();
    judge(not_after).unwrap();
    let fingerprint = crate::certificate::fingerprint(&certificate);
    assert_eq!(
        judge(not_before - 1),
        Err(PathError::NotYetValid {
            fingerprint,
            not_before
        })
    );
    assert_eq!(
        judge(not_after + 1),
        Err(PathError::Expired {
            fingerprint,
            not_after
        })
    );
    assert_eq!(
        judge(0),
        Err(PathError::NotYetValid {
            fingerprint,
            not_before
        })
    );
    assert_eq!(
        judge(u64::MAX),
        Err(PathError::Expired {
            fingerprint,
            not_after
        })
    );
}

#[test]
fn purposes_are_told_apart() {
    let hierarchy = Hierarchy::new();
    let (_, certificate) = hierarchy.seal(KeyKind::EcdsaP256);
    let judge = |purpose: &PathPurpose| judge(&hierarchy, &certificate, NOW, purpose);
    assert_eq!(
        judge(&PathPurpose::tls_client()),
        Err(PathError::ExtendedKeyUsage {
            required: "1.3.6.1.5.5.7.3.2".to_owned()
        })
    );
    judge(&PathPurpose::default()).unwrap();
    let authority = validate(
        hierarchy.issuing.certificate_der(),
        &[],
        &hierarchy.roots(),
        NOW,
        &PathPurpose::default(),
    );
    assert_eq!(authority, Err(PathError::EndEntityIsAuthority));
}

#[test]
fn no_path_and_wrong_signatures_are_told_apart() {
    let hierarchy = Hierarchy::new();
    let (_, certificate) = hierarchy.seal(KeyKind::EcdsaP256);
    assert_eq!(
        validate(&certificate, &[], &hierarchy.roots(), NOW, &seal()),
        Err(PathError::Untrusted)
    );
    assert_eq!(
        validate(&certificate, &hierarchy.intermediates(), &[], NOW, &seal()),
        Err(PathError::Untrusted)
    );
    // Another hierarchy with the same names.
    let other = Hierarchy::new();
    assert_eq!(
        judge(&other, &certificate, NOW, &seal()),
        Err(PathError::BadSignature)
    );
    // The true issuer is found among others of the same name.
    let both = [other.intermediates(), hierarchy.intermediates()].concat();
    validate(&certificate, &both, &hierarchy.roots(), NOW, &seal()).unwrap();
}

#[test]
fn a_changed_byte_anywhere_is_refused() {
    let hierarchy = Hierarchy::new();
    let (_, certificate) = hierarchy.seal(KeyKind::EcdsaP256);
    for position in 0..certificate.len() {
        let mut changed = certificate.clone();
        changed[position] ^= 1;
        assert!(
            judge(&hierarchy, &changed, NOW, &seal()).is_err(),
            "byte {position}"
        );
    }
}

#[test]
fn a_root_that_counts_can_be_shown() {
    let hierarchy = Hierarchy::new();
    let (_, certificate) = hierarchy.seal(KeyKind::EcdsaP256);
    let root = hierarchy.root.certificate_der();
    let mut counting = 0;
    for position in 0..root.len() {
        for bit in 0..8 {
            let mut changed = root.to_vec();
            changed[position] ^= 1 << bit;
            let is_shown = CertificateDetails::from_der(&changed).is_ok();
            let authorities = hierarchy.intermediates();
            let counts = validate(&certificate, &authorities, &[changed], NOW, &seal()).is_ok();
            assert!(!counts || is_shown, "bit {bit} of byte {position}");
            counting += usize::from(counts);
        }
    }
    assert!(counting > 0, "its signature over itself may be any");
}

#[test]
fn inputs_are_bounded() {
    let hierarchy = Hierarchy::new();
    let (_, certificate) = hierarchy.seal(KeyKind::EcdsaP256);
    let many = vec![hierarchy.issuing.certificate_der().to_vec(); MAX_INTERMEDIATES + 1];
    assert_eq!(
        validate(&certificate, &many, &hierarchy.roots(), NOW, &seal()),
        Err(PathError::TooMuch {
            what: "intermediate certificates"
        })
    );
    let lists = PathPurpose {
        crls: vec![Vec::new(); MAX_REVOCATION_LISTS + 1],
        ..seal()
    };
    assert_eq!(
        judge(&hierarchy, &certificate, NOW, &lists),
        Err(PathError::TooMuch {
            what: "revocation lists"
        })
    );
    let huge = vec![0x30; 20_000];
    assert!(matches!(
        judge(&hierarchy, &huge, NOW, &seal()),
        Err(PathError::Malformed {
            source: Some(_),
            ..
        })
    ));
}

/// Sixteen certificates that all certify each other must not cost factorial time.
#[test]
fn a_tangle_of_authorities_ends() {
    let mut params = authority_params("Tangle", IsCa::Ca(BasicConstraints::Unconstrained));
    let keys: Vec<_> = (0..16).map(|_| KeyPair::generate().unwrap()).collect();
    let tangle: Vec<_> = keys
        .iter()
        .enumerate()
        .map(|(serial, key)| {
            params.serial_number = Some((serial as u64 + 1).into());
            params.self_signed(key).unwrap().der().to_vec()
        })
        .collect();
    let leaf = end_entity(&Issuer::from_params(&params, &keys[0]), Vec::new());
    assert_eq!(
        validate(&leaf, &tangle, &[], NOW, &PathPurpose::default()),
        Err(PathError::TooLong)
    );
    assert!(validate(&leaf, &tangle, &tangle[1..2], NOW, &PathPurpose::default()).is_err());
}

#[test]
fn path_length_constraints_hold() {
    let hierarchy = Hierarchy::new();
    let key = KeyPair::from_pem(&hierarchy.issuing.key_pem()).unwrap();
    let issuing =
        Issuer::from_ca_cert_der(&hierarchy.issuing.certificate_der().into(), key).unwrap();
    let params = authority_params("Below", IsCa::Ca(BasicConstraints::Unconstrained));
    let below_key = KeyPair::generate().unwrap();
    let below = params
        .signed_by(&below_key, &issuing)
        .unwrap()
        .der()
        .to_vec();
    let leaf = end_entity(&Issuer::from_params(&params, &below_key), Vec::new());
    let chain = [hierarchy.intermediates(), vec![below]].concat();
    assert_eq!(
        validate(
            &leaf,
            &chain,
            &hierarchy.roots(),
            NOW,
            &PathPurpose::default()
        ),
        Err(PathError::TooLong)
    );
    assert!(matches!(
        CertificateAuthority::create_issuing(
            &hierarchy.issuing,
            crate::fixture::authority_key(),
            &name("Below"),
            years(1)
        ),
        Err(crate::issue::IssueError::PathLength)
    ));
}

#[test]
fn an_end_entity_certifies_nobody() {
    let hierarchy = Hierarchy::new();
    let key = KeyPair::from_pem(&hierarchy.root.key_pem()).unwrap();
    let root = Issuer::from_ca_cert_der(&hierarchy.root.certificate_der().into(), key).unwrap();
    let params = authority_params("Impostor", IsCa::ExplicitNoCa);
    let impostor_key = KeyPair::generate().unwrap();
    let impostor = params
        .signed_by(&impostor_key, &root)
        .unwrap()
        .der()
        .to_vec();
    let leaf = end_entity(&Issuer::from_params(&params, &impostor_key), Vec::new());
    assert_eq!(
        validate(
            &leaf,
            &[impostor],
            &hierarchy.roots(),
            NOW,
            &PathPurpose::default()
        ),
        Err(PathError::AuthorityUsage)
    );
}

#[test]
fn unknown_critical_extensions_are_refused() {
    let hierarchy = Hierarchy::new();
    let key = KeyPair::from_pem(&hierarchy.issuing.key_pem()).unwrap();
    let issuing =
        Issuer::from_ca_cert_der(&hierarchy.issuing.certificate_der().into(), key).unwrap();
    let mut extension =
        CustomExtension::from_oid_content(&[1, 3, 6, 1, 4, 1, 99999, 9], vec![5, 0]);
    let harmless = end_entity(&issuing, vec![extension.clone()]);
    judge(&hierarchy, &harmless, NOW, &PathPurpose::default()).unwrap();
    extension.set_criticality(true);
    let critical = end_entity(&issuing, vec![extension]);
    assert_eq!(
        judge(&hierarchy, &critical, NOW, &PathPurpose::default()),
        Err(PathError::UnknownCriticalExtension)
    );
}

#[test]
fn required_usages_make_the_extension_mandatory() {
    let hierarchy = Hierarchy::new();
    let key = KeyPair::from_pem(&hierarchy.issuing.key_pem()).unwrap();
    let issuing =
        Issuer::from_ca_cert_der(&hierarchy.issuing.certificate_der().into(), key).unwrap();
    let bare = end_entity(&issuing, Vec::new());
    let purpose = PathPurpose {
        key_usage: RequiredKeyUsage::DigitalSignature,
        ..PathPurpose::default()
    };
    assert_eq!(
        judge(&hierarchy, &bare, NOW, &purpose),
        Err(PathError::KeyUsage)
    );
}

fn authority_params(common_name: &str, is_ca: IsCa) -> CertificateParams {
    let mut params = CertificateParams::default();
    params
        .distinguished_name
        .push(DnType::CommonName, common_name);
    params.is_ca = is_ca;
    params.key_usages = vec![KeyUsagePurpose::KeyCertSign];
    params.not_before = rcgen::date_time_ymd(2020, 1, 1);
    params.not_after = rcgen::date_time_ymd(2040, 1, 1);
    params
}

fn end_entity(
    issuer: &Issuer<'_, impl rcgen::SigningKey>,
    extensions: Vec<CustomExtension>,
) -> Vec<u8> {
    let mut params = authority_params("End entity", IsCa::ExplicitNoCa);
    params.key_usages = Vec::new();
    params.custom_extensions = extensions;
    params
        .signed_by(&KeyPair::generate().unwrap(), issuer)
        .unwrap()
        .der()
        .to_vec()
}
