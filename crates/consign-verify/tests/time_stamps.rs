//! Time-stamps on seals: what they prove, and that bad ones prove nothing.

#![expect(
    clippy::unwrap_used,
    reason = "helpers of tests, outside the functions that the lint excuses"
)]

mod world;

use consign_domain::Timestamp;
use consign_domain::directory::{Entry, KeyState};
use consign_pki::cms;
use consign_pki::issue::{
    AuthorityName, CertificateAuthority, SealSubject, Validity, create_request,
};
use consign_pki::seal::{FileSealKey, KeyKind, SealSigner as _};
use consign_pki::timestamp::{Authority, Grant, PLACEHOLDER_POLICY, Request, token_of};
use consign_verify::container::{JudgedAt, Judgement, SealTrust, judge};
use consign_verify::report::{CheckName, Reason};
use consign_verify::{Check, CheckOutcome, Indication, time_stamp};
use world::{DAY, World, now, policy};

/// After the seal's certificate has expired.
fn late() -> Timestamp {
    now().plus_seconds(3 * 365 * DAY)
}

fn authority(issuing: &CertificateAuthority) -> Authority<FileSealKey> {
    authority_until(issuing, 300)
}

/// One whose certificate ends after so many days.
fn authority_until(issuing: &CertificateAuthority, days: u64) -> Authority<FileSealKey> {
    let key = FileSealKey::generate(KeyKind::EcdsaP256).unwrap();
    let name = AuthorityName {
        organization: "Tỉnh Quảng Ninh".to_owned(),
        common_name: "Dấu thời gian".to_owned(),
    };
    let validity = Validity {
        not_before: now().minus_seconds(DAY).as_unix(),
        not_after: now().plus_seconds(days * DAY).as_unix(),
    };
    let request = create_request(&key, "tsa").unwrap();
    let certificate = issuing
        .issue_time_stamping(&request, &name, validity, &[0x30, 1])
        .unwrap();
    let chain = vec![issuing.certificate_der().to_vec()];
    Authority::new(key, certificate, chain, PLACEHOLDER_POLICY).unwrap()
}

/// A key that stamps with the certificate of a seal.
fn seal_as_authority(issuing: &CertificateAuthority) -> Authority<FileSealKey> {
    let key = FileSealKey::generate(KeyKind::EcdsaP256).unwrap();
    let subject = SealSubject {
        organization: "Sở Nội vụ".to_owned(),
        common_name: "Con dấu Sở Nội vụ".to_owned(),
        organization_identifier: "VNGOV-H49.13".to_owned(),
    };
    let validity = Validity {
        not_before: now().minus_seconds(DAY).as_unix(),
        not_after: now().plus_seconds(300 * DAY).as_unix(),
    };
    let request = create_request(&key, "seal").unwrap();
    let certificate = issuing
        .issue_seal(&request, &subject, validity, &[0x30, 2])
        .unwrap();
    let chain = vec![issuing.certificate_der().to_vec()];
    Authority::new(key, certificate, chain, PLACEHOLDER_POLICY).unwrap()
}

/// A container whose seal was stamped at a time; `over` chooses what the stamp is over.
fn stamped(
    world: &World,
    by: &Authority<FileSealKey>,
    at: Timestamp,
    over: impl FnOnce(&[u8]) -> Vec<u8>,
) -> Vec<u8> {
    let document = world.document();
    world.container_signed(
        &document.to_bytes(),
        &document,
        &world.sender,
        |p7s, manifest| {
            let signed = cms::parse_and_verify(&p7s, manifest).unwrap();
            let token = token(by, &over(&signed.signature_value), at);
            cms::with_time_stamp(&p7s, &token).unwrap()
        },
    )
}

fn token(by: &Authority<FileSealKey>, over: &[u8], at: Timestamp) -> Vec<u8> {
    let request = Request::over(over, [7; 8]);
    let grant = Grant {
        time: at.as_unix(),
        serial: [1; 16],
    };
    let answer = by.answer(request.to_der(), grant).unwrap();
    token_of(&answer, &request).unwrap()
}

fn stamps(judgement: &Judgement) -> Vec<&Check> {
    let checks = judgement.report.checks.iter();
    checks
        .filter(|check| check.name == CheckName::SealTimeStamp)
        .collect()
}

#[test]
fn a_stamp_proves_that_an_expired_seal_was_good() {
    let world = World::new();
    let plain = world.judge(&world.container(&world.document()), JudgedAt::Now(late()));
    assert_eq!(plain.report.indication, Indication::Indeterminate);
    let at = now().plus_seconds(60);
    let container = stamped(&world, &authority(&world.issuing), at, <[u8]>::to_vec);
    for asked in [JudgedAt::Now(late()), JudgedAt::Proven(late())] {
        let judgement = world.judge(&container, asked);
        assert_eq!(
            judgement.report.indication,
            Indication::TotalPassed,
            "{:?}",
            judgement.report.decisive()
        );
        // It may be a second later than it says.
        let proven = judgement.seals[0].proven_time;
        assert_eq!(proven, Some(at.plus_seconds(1)));
        assert_eq!(stamps(&judgement)[0].outcome, CheckOutcome::Passed);
    }
}

#[test]
fn a_stamp_tells_what_is_older_than_a_revocation() {
    let mut world = World::new();
    let tsa = authority(&world.issuing);
    let end = now().plus_seconds(DAY);
    let before = stamped(&world, &tsa, end.minus_seconds(60), <[u8]>::to_vec);
    let after = stamped(&world, &tsa, end.plus_seconds(60), <[u8]>::to_vec);
    world.republish(|entries| {
        for entry in entries {
            if let Entry::Agency(agency) = entry {
                agency.seals[0].validity.until = Some(end);
                agency.seals[0].state = KeyState::Revoked;
            }
        }
    });
    let asked = JudgedAt::Now(end.plus_seconds(30 * DAY));
    let verdict = |container: &[u8]| world.judge(container, asked).report;
    assert_eq!(verdict(&before).indication, Indication::TotalPassed);
    // It was there by then at the latest, and may be older.
    let late = verdict(&after);
    assert_eq!(late.indication, Indication::Indeterminate);
    assert_eq!(
        late.decisive().unwrap().reason,
        Some(Reason::RevokedUnproven)
    );
}

#[test]
fn what_is_no_stamp_on_this_seal_by_somebody_known_proves_nothing() {
    let (world, stranger) = (World::new(), World::new());
    let own = authority(&world.issuing);
    let at = now().plus_seconds(60);
    let over_others = stamped(&world, &own, at, |_| b"something else".to_vec());
    let by_a_stranger = stamped(&world, &authority(&stranger.issuing), at, <[u8]>::to_vec);
    let by_a_seal = seal_as_authority(&world.issuing);
    let by_a_seal = stamped(&world, &by_a_seal, at, <[u8]>::to_vec);
    for (container, why) in [
        (over_others, "over other bytes"),
        (by_a_stranger, "authority is not accepted"),
        (by_a_seal, "extended key usage"),
    ] {
        let judgement = world.judge(&container, JudgedAt::Now(late()));
        assert_eq!(judgement.report.indication, Indication::Indeterminate);
        let stamp = stamps(&judgement)[0];
        assert_eq!(stamp.outcome, CheckOutcome::Noted);
        let cause = stamp.cause.as_ref().unwrap().as_str();
        assert!(cause.contains(why), "{cause}");
        assert_eq!(judgement.seals[0].proven_time, None);
        // Nor does it make worse what is good without it.
        let judgement = world.judge(&container, JudgedAt::Proven(now()));
        assert_eq!(judgement.report.indication, Indication::TotalPassed);
    }
    let later = stamped(&world, &own, at, <[u8]>::to_vec);
    let judgement = world.judge(&later, JudgedAt::Proven(now()));
    assert_eq!(judgement.report.indication, Indication::TotalPassed);
    assert_eq!(stamps(&judgement)[0].outcome, CheckOutcome::Noted);
}

/// The seal's certificate ends two years after it was made, the stamp's authority three years after.
#[test]
fn a_stamp_that_came_too_late_makes_nothing_worse() {
    let mut world = World::new();
    let tsa = authority_until(&world.issuing, 1_200);
    let end = now().plus_seconds(730 * DAY);
    let stamped = stamped(&world, &tsa, end.plus_seconds(DAY), <[u8]>::to_vec);
    let asked = JudgedAt::Now(end.plus_seconds(2 * DAY));
    let judgement = world.judge(&stamped, asked);
    assert_eq!(judgement.report.indication, Indication::Indeterminate);
    let reason = judgement.report.decisive().unwrap().reason;
    assert_eq!(reason, Some(Reason::ExpiredUnproven));

    // A seal that is out of use stays good for what it sealed in its time, however late the stamp.
    world.republish(|entries| {
        for entry in entries {
            if let Entry::Agency(agency) = entry {
                agency.seals[0].validity.until = Some(now().plus_seconds(DAY));
                agency.seals[0].state = KeyState::Retired;
            }
        }
    });
    let stamped = self::stamped(&world, &tsa, now().plus_seconds(2 * DAY), <[u8]>::to_vec);
    let judgement = world.judge(&stamped, JudgedAt::Now(now().plus_seconds(3 * DAY)));
    let report = &judgement.report;
    assert_eq!(
        report.indication,
        Indication::TotalPassed,
        "{:?}",
        report.decisive()
    );
}

/// Who signs documents vouches for no time.
#[test]
fn an_authority_under_a_root_of_documents_stamps_nothing() {
    let (world, others) = (World::new(), World::new());
    let own = authority(&others.issuing);
    let at = now().plus_seconds(60);
    let container = stamped(&world, &own, at, <[u8]>::to_vec);
    let roots = [others.root.certificate_der().to_vec()];
    let trust = SealTrust {
        document_roots: &roots,
        ..SealTrust::by_directory(world.trust.roots(), &world.directory)
    };
    let judged = |trust| {
        let container = std::io::Cursor::new(&container);
        judge(container, trust, &policy(), JudgedAt::Now(late()))
    };
    assert_eq!(judged(&trust).seals[0].proven_time, None);
    let trust = SealTrust {
        time_stamp_roots: &roots,
        ..trust
    };
    assert!(judged(&trust).seals[0].proven_time.is_some());
}

/// An authority of others whose certificate lasts until 2040, under one that ends with 2029.
#[test]
fn a_stamp_counts_until_the_first_certificate_of_its_path_ends() {
    let mut params = rcgen::CertificateParams::default();
    params.is_ca = rcgen::IsCa::Ca(rcgen::BasicConstraints::Unconstrained);
    params.key_usages = vec![rcgen::KeyUsagePurpose::KeyCertSign];
    params.not_before = rcgen::date_time_ymd(2020, 1, 1);
    params.not_after = rcgen::date_time_ymd(2030, 1, 1);
    let root_key = rcgen::KeyPair::generate().unwrap();
    let root = params.self_signed(&root_key).unwrap().der().to_vec();
    let issuer = rcgen::Issuer::from_params(&params, &root_key);
    let mut own = rcgen::CertificateParams::default();
    own.is_ca = rcgen::IsCa::ExplicitNoCa;
    own.key_usages = vec![rcgen::KeyUsagePurpose::DigitalSignature];
    own.not_before = rcgen::date_time_ymd(2020, 1, 1);
    own.not_after = rcgen::date_time_ymd(2040, 1, 1);
    // Only time-stamping, in a critical extension.
    let usage = vec![0x30, 10, 6, 8, 0x2b, 6, 1, 5, 5, 7, 3, 8];
    let mut usage = rcgen::CustomExtension::from_oid_content(&[2, 5, 29, 37], usage);
    usage.set_criticality(true);
    own.custom_extensions = vec![usage];
    let key = FileSealKey::generate(KeyKind::EcdsaP256).unwrap();
    let public = rcgen::SubjectPublicKeyInfo::from_der(key.public_key_der()).unwrap();
    let certificate = own.signed_by(&public, &issuer).unwrap().der().to_vec();
    let tsa = Authority::new(key, certificate, Vec::new(), PLACEHOLDER_POLICY).unwrap();
    let token = token(&tsa, b"stamped", now());
    let roots = [root];
    let trust = SealTrust::by_roots(&roots);
    let proven = time_stamp::judge(&token, b"stamped", &trust, now()).unwrap();
    let ends = "2030-01-01T00:00:00Z".parse().unwrap();
    assert_eq!(proven.until, ends);
    let lasting = |at| time_stamp::judge_lasting(&token, b"stamped", &trust, at);
    assert!(lasting(ends).is_ok());
    assert!(lasting(ends.plus_seconds(1)).is_err());
}
