//! Bad seals, each with the verdict on the container that it is in.
//!
//! The directory lists the certificate in every case, so that nothing but the fault can be why.

#![expect(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    reason = "helpers of tests, outside the functions that the lint excuses"
)]

mod world;

use std::io::Cursor;

use consign_domain::directory::Entry;
use consign_domain::{Digest, ErrorCode};
use consign_pki::asic::{Budget, add_signature};
use consign_pki::certificate::fingerprint;
use consign_pki::cms::sign_detached;
use consign_pki::issue::{SealSubject, Validity, create_request};
use consign_pki::seal::{FileSealKey, KeyKind, SealSigner as _};
use consign_verify::Indication::{Indeterminate, TotalFailed, TotalPassed};
use consign_verify::container::{JudgedAt, Judgement, SealTrust, judge};
use consign_verify::policy::SEAL_USAGE;
use consign_verify::report::Reason;
use consign_verify::{Indication, Report};
use rcgen::{
    BasicConstraints, CertificateParams, CustomExtension, DistinguishedName, DnType,
    ExtendedKeyUsagePurpose, GeneralSubtree, IsCa, Issuer, KeyPair, KeyUsagePurpose,
    NameConstraints, SubjectPublicKeyInfo,
};
use world::{DAY, World, now, policy};

/// Verdict, reason and code.
type Verdict = (Indication, Option<Reason>, Option<ErrorCode>);

const NOT_VALID: Option<ErrorCode> = Some(ErrorCode::SealCertificateNotValid);
const UNDECIDED: Option<ErrorCode> = Some(ErrorCode::VerdictIndeterminate);
const INVALID: Option<ErrorCode> = Some(ErrorCode::SealInvalid);
const PASSED: Verdict = (TotalPassed, None, None);
const WRONG_USAGE: Verdict = (TotalFailed, Some(Reason::WrongUsage), NOT_VALID);

fn verdict(report: &Report) -> Verdict {
    let decisive = report.decisive();
    let reason = decisive.and_then(|check| check.reason);
    (report.indication, reason, report.code())
}

/// An authority that certifies whatever it is told to.
struct Authority {
    params: CertificateParams,
    key: KeyPair,
    certificate: Vec<u8>,
}

impl Authority {
    fn root(change: impl FnOnce(&mut CertificateParams)) -> Self {
        let params = authority_params("Root", change);
        let key = KeyPair::generate_for(&rcgen::PKCS_ED25519).unwrap();
        let certificate = params.self_signed(&key).unwrap().der().to_vec();
        Self {
            params,
            key,
            certificate,
        }
    }

    fn below(&self, name: &str, change: impl FnOnce(&mut CertificateParams)) -> Self {
        let params = authority_params(name, change);
        let key = KeyPair::generate_for(&rcgen::PKCS_ED25519).unwrap();
        let issuer = Issuer::from_params(&self.params, &self.key);
        let certificate = params.signed_by(&key, &issuer).unwrap().der().to_vec();
        Self {
            params,
            key,
            certificate,
        }
    }

    /// A seal of H49, but for a change.
    fn certify(&self, key: &FileSealKey, change: impl FnOnce(&mut CertificateParams)) -> Vec<u8> {
        let mut params = CertificateParams::default();
        params.distinguished_name = DistinguishedName::new();
        let name = &mut params.distinguished_name;
        name.push(DnType::OrganizationName, "Tỉnh Quảng Ninh");
        name.push(DnType::from_oid(&[2, 5, 4, 97]), "VNGOV-H49");
        params.serial_number = Some(7_u64.into());
        params.is_ca = IsCa::ExplicitNoCa;
        params.key_usages = vec![
            KeyUsagePurpose::DigitalSignature,
            KeyUsagePurpose::ContentCommitment,
        ];
        let usage = SEAL_USAGE.split('.').map(|arc| arc.parse().unwrap());
        params.extended_key_usages = vec![ExtendedKeyUsagePurpose::Other(usage.collect())];
        between(&mut params, 2020, 2040);
        change(&mut params);
        let key = SubjectPublicKeyInfo::from_der(key.public_key_der()).unwrap();
        let issuer = Issuer::from_params(&self.params, &self.key);
        params.signed_by(&key, &issuer).unwrap().der().to_vec()
    }
}

fn authority_params(name: &str, change: impl FnOnce(&mut CertificateParams)) -> CertificateParams {
    let mut params = CertificateParams::default();
    params.distinguished_name.push(DnType::CommonName, name);
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    params.key_usages = vec![KeyUsagePurpose::KeyCertSign];
    between(&mut params, 2015, 2045);
    change(&mut params);
    params
}

fn between(params: &mut CertificateParams, first: i32, last: i32) {
    params.not_before = rcgen::date_time_ymd(first, 1, 1);
    params.not_after = rcgen::date_time_ymd(last, 1, 1);
}

fn key() -> FileSealKey {
    FileSealKey::generate(KeyKind::EcdsaP256).unwrap()
}

/// A container sealed with a certificate that the directory lists, and its verdict.
fn judged(
    key: &FileSealKey,
    certificate: &[u8],
    chain: &[&Authority],
    root: &Authority,
    at: JudgedAt,
) -> Judgement {
    let mut world = World::new();
    list(&mut world, certificate);
    let chain: Vec<_> = chain.iter().map(|one| one.certificate.clone()).collect();
    let container = sealed(&world, |manifest| {
        sign_detached(key, certificate, &chain, manifest, now().as_unix()).unwrap()
    });
    let roots = [root.certificate.clone()];
    let trust = SealTrust::by_directory(&roots, &world.directory);
    judge(Cursor::new(&container), &trust, &policy(), at)
}

fn list(world: &mut World, certificate: &[u8]) {
    let listed = Digest::from_bytes(fingerprint(certificate));
    world.republish(|entries| {
        if let Some(Entry::Agency(agency)) = entries.first_mut() {
            agency.seals[0].certificate = listed;
        }
    });
}

/// A container whose seal is made otherwise than by the sender's key.
fn sealed(world: &World, seal: impl FnOnce(&[u8]) -> Vec<u8>) -> Vec<u8> {
    let document = world.document();
    let fields = document.to_bytes();
    world.container_signed(&fields, &document, &world.sender, |_, manifest| {
        seal(manifest)
    })
}

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

/// Key, issuer and number are those of the certificate that was signed for; its bytes are not.
#[test]
fn a_signing_certificate_attribute_for_another_certificate() {
    let key = key();
    let root = Authority::root(|_| {});
    let signed_for = root.certify(&key, |params| between(params, 2020, 2039));
    let carried = root.certify(&key, |_| {});
    assert_eq!(signed_for.len(), carried.len());
    let mut world = World::new();
    list(&mut world, &carried);
    let exchanged = |manifest: &[u8]| {
        let p7s = sign_detached(&key, &signed_for, &[], manifest, now().as_unix()).unwrap();
        let at = p7s
            .windows(signed_for.len())
            .position(|window| window == signed_for);
        let at = at.unwrap();
        [&p7s[..at], &carried, &p7s[at + carried.len()..]].concat()
    };
    let container = sealed(&world, exchanged);
    let roots = [root.certificate];
    let trust = SealTrust::by_directory(&roots, &world.directory);
    let judgement = judge(
        Cursor::new(&container),
        &trust,
        &policy(),
        JudgedAt::Proven(now()),
    );
    let expected = (TotalFailed, Some(Reason::SignatureMalformed), INVALID);
    assert_eq!(
        verdict(&judgement.report),
        expected,
        "{:#?}",
        judgement.report
    );
    let cause = judgement.report.decisive().unwrap().cause.as_ref();
    let cause = cause.unwrap().as_str();
    assert!(cause.contains("not the one that was signed for"), "{cause}");
}

/// Two layers of signatures: the issuer's is good, and the other is not.
#[test]
fn two_signers_one_of_whom_is_bad() {
    let world = World::new();
    let container = world.container(&world.document());
    let other = &world.recipient;
    let countersigned = |sign: &dyn Fn(&[u8]) -> Vec<u8>| {
        let (read, out) = (Cursor::new(&container), Cursor::new(Vec::new()));
        let sign = |manifest: &[u8]| Ok::<_, std::convert::Infallible>(sign(manifest));
        let twice = add_signature(read, out, &Budget::default(), sign).unwrap();
        verdict(
            &world
                .judge(&twice.into_inner(), JudgedAt::Proven(now()))
                .report,
        )
    };
    let chain = [world.issuing.certificate_der().to_vec()];
    let sign = |content: &[u8]| {
        let at = now().as_unix();
        sign_detached(&other.seal, &other.certificate, &chain, content, at).unwrap()
    };
    assert_eq!(countersigned(&|manifest| sign(manifest)), PASSED);
    let other_bytes = countersigned(&|_| sign(b"something else"));
    assert_eq!(
        other_bytes,
        (TotalFailed, Some(Reason::ContentChanged), INVALID)
    );
    let nothing = countersigned(&|_| vec![0x30, 0]);
    assert_eq!(
        nothing,
        (TotalFailed, Some(Reason::SignatureMalformed), INVALID)
    );
    let request = create_request(&other.seal, "seal").unwrap();
    let subject = SealSubject {
        organization: other.name.to_owned(),
        common_name: other.name.to_owned(),
        organization_identifier: "VNGOV-H49.13".to_owned(),
    };
    let last_year = Validity {
        not_before: now().minus_seconds(200 * DAY).as_unix(),
        not_after: now().minus_seconds(100 * DAY).as_unix(),
    };
    let old = world
        .issuing
        .issue_seal(&request, &subject, last_year, &[1, 9]);
    let old = old.unwrap();
    let expired = countersigned(&|manifest| {
        sign_detached(&other.seal, &old, &chain, manifest, now().as_unix()).unwrap()
    });
    assert_eq!(expired, (TotalFailed, Some(Reason::Expired), NOT_VALID));
}

/// Two signers in one CMS: which of them would count is nobody's guess.
#[test]
fn two_signers_in_one_signature() {
    let world = World::new();
    let container = world.container_signed(
        &world.document().to_bytes(),
        &world.document(),
        &world.sender,
        |p7s, _| with_signers(&p7s, |signer| [signer, signer].concat()),
    );
    let judgement = world.judge(&container, JudgedAt::Proven(now()));
    let expected = (TotalFailed, Some(Reason::SignatureMalformed), INVALID);
    assert_eq!(
        verdict(&judgement.report),
        expected,
        "{:#?}",
        judgement.report
    );
    // Taken apart and put together it passes.
    let container = world.container_signed(
        &world.document().to_bytes(),
        &world.document(),
        &world.sender,
        |p7s, _| with_signers(&p7s, <[u8]>::to_vec),
    );
    let judgement = world.judge(&container, JudgedAt::Proven(now()));
    assert_eq!(
        verdict(&judgement.report),
        PASSED,
        "{:#?}",
        judgement.report
    );
}

/// What is no DER is malformed, and is refused before it costs anything.
#[test]
fn encodings_that_are_not_der_too_deep_or_too_large() {
    let world = World::new();
    let good = &mut Vec::new();
    sealed(&world, |manifest| {
        let (agency, at) = (&world.sender, now().as_unix());
        *good = sign_detached(&agency.seal, &agency.certificate, &[], manifest, at).unwrap();
        good.clone()
    });
    let (_, content) = good.split_at(4);
    let deep = (0..1_000).fold(vec![5, 0], |inner, _| element(0x30, &inner));
    for (what, bytes) in [
        (
            "indefinite length",
            [&[0x30, 0x80][..], content, &[0, 0]].concat(),
        ),
        (
            "a length with a leading zero",
            [&[0x30, 0x83, 0, good[2], good[3]][..], content].concat(),
        ),
        ("a tag of several bytes", vec![0x3f, 0x81, 1, 0]),
        ("a thousand levels", deep),
        (
            "four gigabytes",
            [&[0x30, 0x84, 0xff, 0xff, 0xff, 0xff][..], content].concat(),
        ),
        (
            "more than any length",
            [&[0x30, 0x88, 0x7f][..], &[0xff; 7][..], content].concat(),
        ),
        ("something after it", [&good[..], &[0]].concat()),
        ("half of it", good[..good.len() / 2].to_vec()),
    ] {
        let container = sealed(&world, |_| bytes);
        let report = world.judge(&container, JudgedAt::Proven(now())).report;
        let expected = (TotalFailed, Some(Reason::SignatureMalformed), INVALID);
        assert_eq!(verdict(&report), expected, "{what}: {report:#?}");
        assert!(report.malformed, "{what}: {report:#?}");
    }
}

/// The signature with something done to its set of signers.
fn with_signers(p7s: &[u8], change: impl FnOnce(&[u8]) -> Vec<u8>) -> Vec<u8> {
    let content_info = children(p7s);
    let explicit = children(content_info[1]);
    let mut fields: Vec<Vec<u8>> = children(explicit[0])
        .into_iter()
        .map(<[u8]>::to_vec)
        .collect();
    let signers = fields.pop().unwrap();
    fields.push(element(0x31, &change(children(&signers)[0])));
    let explicit = element(0xa0, &element(0x30, &fields.concat()));
    element(0x30, &[content_info[0], &explicit].concat())
}

/// The elements in one, each whole.
fn children(element: &[u8]) -> Vec<&[u8]> {
    let mut rest = &element[header(element).0..];
    let mut all = Vec::new();
    while !rest.is_empty() {
        let (header, length) = header(rest);
        let (child, after) = rest.split_at(header + length);
        all.push(child);
        rest = after;
    }
    all
}

/// Sizes of the header and of what it announces.
fn header(element: &[u8]) -> (usize, usize) {
    let first = usize::from(element[1]);
    if first < 0x80 {
        return (2, first);
    }
    let end = 2 + (first & 0x7f);
    let octets = element[2..end].iter();
    (
        end,
        octets.fold(0, |sum, octet| sum << 8 | usize::from(*octet)),
    )
}

fn element(tag: u8, content: &[u8]) -> Vec<u8> {
    let length = u32::try_from(content.len()).unwrap().to_be_bytes();
    let length = match content.len() {
        0..=0x7f => length[3..].to_vec(),
        0x80..=0xff => [&[0x81], &length[3..]].concat(),
        0x100..=0xffff => [&[0x82], &length[2..]].concat(),
        _ => [&[0x84], &length[..]].concat(),
    };
    [&[tag], &*length, content].concat()
}

/// The signature with its algorithm exchanged in the one signer: another, of the same length, that
/// is not known here.
fn with_algorithm(p7s: &[u8], old: &[u8], new: &[u8]) -> Vec<u8> {
    with_signers(p7s, |signer| {
        let mut fields: Vec<Vec<u8>> = children(signer).into_iter().map(<[u8]>::to_vec).collect();
        let place = fields.len() - 2;
        assert_eq!(fields[place], old);
        fields[place] = new.to_vec();
        element(0x30, &fields.concat())
    })
}

/// `ecdsa-with-SHA256`, and `id-RSASSA-PSS` without parameters.
const ECDSA: [u8; 12] = [0x30, 10, 6, 8, 0x2a, 0x86, 0x48, 0xce, 0x3d, 4, 3, 2];
const PSS: [u8; 13] = [0x30, 11, 6, 9, 0x2a, 0x86, 0x48, 0x86, 0xf7, 13, 1, 1, 10];

#[test]
fn a_seal_by_an_algorithm_that_is_not_known_here_is_undecided() {
    let world = World::new();
    let fields = world.document().to_bytes();
    let by_pss = |p7s: Vec<u8>, _: &[u8]| with_algorithm(&p7s, &ECDSA, &PSS);
    let container = world.container_signed(&fields, &world.document(), &world.sender, by_pss);
    let unknown = (Indeterminate, Some(Reason::AlgorithmUnknown), UNDECIDED);
    let judged = |container: &[u8]| world.judge(container, JudgedAt::Proven(now())).report;
    assert_eq!(verdict(&judged(&container)), unknown);
    // Nor is the next one's seal the issuer's.
    let (read, out) = (Cursor::new(&container), Cursor::new(Vec::new()));
    let (other, chain) = (&world.recipient, [world.issuing.certificate_der().to_vec()]);
    let sign = |manifest: &[u8]| {
        let at = now().as_unix();
        sign_detached(&other.seal, &other.certificate, &chain, manifest, at)
    };
    let twice = add_signature(read, out, &Budget::default(), sign).unwrap();
    let report = judged(&twice.into_inner());
    assert_eq!(verdict(&report), unknown, "{report:#?}");
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
