//! What is wrong with a certificate, or with one on its path.

use std::io::Cursor;

use consign_pki::cms::sign_detached;
use consign_verify::Indication::{Indeterminate, TotalFailed};
use consign_verify::container::{JudgedAt, SealTrust, judge};
use consign_verify::report::Reason;
use rcgen::{
    BasicConstraints, CertificateParams, CustomExtension, DistinguishedName, DnType,
    ExtendedKeyUsagePurpose, GeneralSubtree, IsCa, KeyUsagePurpose, NameConstraints,
};

use crate::support::*;
use crate::world::{World, now, policy};

/// As proven to have existed, and as of now alone.
#[track_caller]
fn is(change: impl Fn(&mut CertificateParams), proven: Verdict, unproven: Verdict) {
    let (root, key) = (Authority::root(|_| {}), key());
    let issuing = root.below("Issuing", |_| {});
    let certificate = issuing.certify(&key, change);
    for (at, expected) in [
        (JudgedAt::Proven(now()), proven),
        (JudgedAt::Now(now()), unproven),
    ] {
        let judgement = judged(&key, &certificate, &[&issuing], &root, at);
        let found = verdict(&judgement.report);
        assert_eq!(found, expected, "{:#?}", judgement.report);
    }
}

#[test]
fn the_seal_that_all_others_differ_from_passes() {
    is(|_| {}, PASSED, PASSED);
}

#[test]
fn an_expired_certificate() {
    let expired = (TotalFailed, Some(Reason::Expired), NOT_VALID);
    let undecided = (Indeterminate, Some(Reason::ExpiredUnproven), UNDECIDED);
    is(|params| between(params, 2020, 2025), expired, undecided);
}

#[test]
fn a_certificate_that_is_not_yet_valid() {
    let early = (TotalFailed, Some(Reason::NotYetValid), NOT_VALID);
    is(|params| between(params, 2030, 2040), early, early);
}

#[test]
fn a_critical_extension_that_nobody_knows() {
    let extend = |params: &mut CertificateParams| {
        let oid = [1, 3, 6, 1, 4, 1, 99_999, 9];
        let mut extension = CustomExtension::from_oid_content(&oid, vec![5, 0]);
        extension.set_criticality(true);
        params.custom_extensions.push(extension);
    };
    let refused = (TotalFailed, Some(Reason::PathRefused), NOT_VALID);
    is(extend, refused, refused);
}

#[test]
fn a_key_usage_that_is_not_signing() {
    let change = |params: &mut CertificateParams| {
        params.key_usages = vec![KeyUsagePurpose::KeyEncipherment];
    };
    is(change, WRONG_USAGE, WRONG_USAGE);
    let change = |params: &mut CertificateParams| {
        params.key_usages = vec![KeyUsagePurpose::DigitalSignature];
    };
    is(change, WRONG_USAGE, WRONG_USAGE);
    is(|params| params.key_usages.clear(), WRONG_USAGE, WRONG_USAGE);
}

#[test]
fn an_extended_key_usage_that_is_not_sealing() {
    let change = |params: &mut CertificateParams| {
        params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth];
    };
    is(change, WRONG_USAGE, WRONG_USAGE);
    is(
        |params| params.extended_key_usages.clear(),
        WRONG_USAGE,
        WRONG_USAGE,
    );
    let any = |params: &mut CertificateParams| {
        params.extended_key_usages = vec![ExtendedKeyUsagePurpose::Any];
    };
    is(any, WRONG_USAGE, WRONG_USAGE);
}

#[test]
fn an_authority_s_certificate() {
    let change = |params: &mut CertificateParams| {
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        params.key_usages.push(KeyUsagePurpose::KeyCertSign);
    };
    is(change, WRONG_USAGE, WRONG_USAGE);
}

#[test]
fn a_path_that_is_longer_than_an_authority_allows() {
    let key = key();
    let too_long = (TotalFailed, Some(Reason::PathTooLong), NOT_VALID);
    for (length, expected) in [(1, PASSED), (0, too_long)] {
        let root = Authority::root(|_| {});
        let first = root.below("First", |params| {
            params.is_ca = IsCa::Ca(BasicConstraints::Constrained(length));
        });
        let second = first.below("Second", |_| {});
        let certificate = second.certify(&key, |_| {});
        let at = JudgedAt::Proven(now());
        let judgement = judged(&key, &certificate, &[&first, &second], &root, at);
        assert_eq!(
            verdict(&judgement.report),
            expected,
            "{:#?}",
            judgement.report
        );
    }
}

#[test]
fn a_name_that_an_authority_may_not_certify() {
    let key = key();
    let names = |organization: &str| {
        let mut name = DistinguishedName::new();
        name.push(DnType::OrganizationName, organization);
        NameConstraints {
            permitted_subtrees: vec![GeneralSubtree::DirectoryName(name)],
            excluded_subtrees: vec![],
        }
    };
    for (organization, expected) in [("Tỉnh Quảng Ninh", PASSED), ("Tỉnh khác", WRONG_USAGE)]
    {
        let root = Authority::root(|_| {});
        let issuing = root.below("Issuing", |params| {
            params.name_constraints = Some(names(organization));
        });
        let certificate = issuing.certify(&key, |_| {});
        let at = JudgedAt::Proven(now());
        let judgement = judged(&key, &certificate, &[&issuing], &root, at);
        assert_eq!(
            verdict(&judgement.report),
            expected,
            "{:#?}",
            judgement.report
        );
    }
}

#[test]
fn an_authority_that_is_none() {
    let (root, key) = (Authority::root(|_| {}), key());
    let impostor = root.below("Impostor", |params| params.is_ca = IsCa::ExplicitNoCa);
    let certificate = impostor.certify(&key, |_| {});
    let at = JudgedAt::Proven(now());
    let judgement = judged(&key, &certificate, &[&impostor], &root, at);
    assert_eq!(
        verdict(&judgement.report),
        WRONG_USAGE,
        "{:#?}",
        judgement.report
    );
}
/// Each generation of an authority may have the same name, and another key.
#[test]
fn an_authority_of_the_same_name_and_another_generation() {
    let key = key();
    let (trusted, signing) = (Authority::root(|_| {}), Authority::root(|_| {}));
    let certificate = signing.certify(&key, |_| {});
    let world = World::new();
    let container = sealed(&world, |manifest| {
        sign_detached(&key, &certificate, &[], manifest, now().as_unix()).unwrap()
    });
    let roots = [trusted.certificate.clone()];
    let trust = SealTrust::by_roots(&roots);
    let at = JudgedAt::Proven(now());
    let judgement = judge(Cursor::new(&container), &trust, &policy(), at);
    let unknown = (Indeterminate, Some(Reason::NoPath), UNDECIDED);
    assert_eq!(
        verdict(&judgement.report),
        unknown,
        "{:#?}",
        judgement.report
    );
    // The directory lists the certificate, and so knows the authority.
    let judgement = judged(&key, &certificate, &[], &trusted, at);
    let broken = (TotalFailed, Some(Reason::PathBroken), NOT_VALID);
    assert_eq!(
        verdict(&judgement.report),
        broken,
        "{:#?}",
        judgement.report
    );
}

/// Who asks may have what the signature does not carry; only roots are trusted.
#[test]
fn a_seal_that_carries_its_own_certificate_alone() {
    let key = key();
    let root = Authority::root(|_| {});
    let issuing = root.below("Issuing", |_| {});
    let certificate = issuing.certify(&key, |_| {});
    let mut world = World::new();
    list(&mut world, &certificate);
    let container = sealed(&world, |manifest| {
        sign_detached(&key, &certificate, &[], manifest, now().as_unix()).unwrap()
    });
    let no_path = (TotalFailed, Some(Reason::NoPath), NOT_VALID);
    let roots = [root.certificate];
    let given = [issuing.certificate, roots[0].clone()];
    for (roots, certificates, expected) in [
        (&roots[..], &[][..], no_path),
        (&roots, &given, PASSED),
        (&[], &given, no_path),
    ] {
        let trust = SealTrust {
            certificates,
            ..SealTrust::by_directory(roots, &world.directory)
        };
        let at = JudgedAt::Proven(now());
        let judgement = judge(Cursor::new(&container), &trust, &policy(), at);
        let report = &judgement.report;
        assert_eq!(verdict(report), expected, "{report:#?}");
    }
}
