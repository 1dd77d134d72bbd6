//! The long-term archive: what its time-stamps prove years later, and what they do not.

#![expect(
    clippy::unwrap_used,
    reason = "helpers of tests, outside the functions that the lint excuses"
)]

mod world;

use std::io::Cursor;

use consign_domain::directory::{Entry, KeyState};
use consign_domain::{SignedStatement, Timestamp};
use consign_pki::asic::Budget;
use consign_pki::asic::DigestAlgorithm;
use consign_pki::asic::outer::{OuterContainer, OuterWriter, Unstamped};
use consign_pki::issue::{
    AuthorityName, CertificateAuthority, Revocation, Validity, create_request,
};
use consign_pki::path::revocation::RevocationReason;
use consign_pki::seal::{FileSealKey, KeyKind};
use consign_pki::timestamp::{Authority, Grant, PLACEHOLDER_POLICY, Request, token_of};
use consign_verify::archive::{self, ArchiveJudgement};
use consign_verify::container::{JudgedAt, SealTrust};
use consign_verify::directory::EntryProof;
use consign_verify::report::{Aspect, CheckName, SubIndication};
use consign_verify::{Check, CheckOutcome, Indication};
use world::{DAY, World, now, policy, sign};

const SHA256: DigestAlgorithm = DigestAlgorithm::Sha256;

type Bytes = Cursor<Vec<u8>>;

fn after(days: u64) -> Timestamp {
    now().plus_seconds(days * DAY)
}

/// A time-stamp authority whose certificate ends after so many days.
struct Tsa {
    authority: Authority<FileSealKey>,
    serial: u8,
}

impl Tsa {
    fn new(issuing: &CertificateAuthority, serial: u8, days: u64) -> Self {
        let key = FileSealKey::generate(KeyKind::EcdsaP256).unwrap();
        let name = AuthorityName {
            organization: "Tỉnh Quảng Ninh".to_owned(),
            common_name: format!("Dấu thời gian {serial}"),
        };
        let validity = Validity {
            not_before: now().minus_seconds(DAY).as_unix(),
            not_after: after(days).as_unix(),
        };
        let request = create_request(&key, "tsa").unwrap();
        let certificate = issuing
            .issue_time_stamping(&request, &name, validity, &[0x30, serial])
            .unwrap();
        let chain = vec![issuing.certificate_der().to_vec()];
        let authority = Authority::new(key, certificate, chain, PLACEHOLDER_POLICY).unwrap();
        Self { authority, serial }
    }

    fn token(&self, over: &[u8], at: Timestamp) -> Vec<u8> {
        let request = Request::over(over, [7; 8]);
        let grant = Grant {
            time: at.as_unix(),
            serial: [1; 16],
        };
        let answer = self.authority.answer(request.to_der(), grant).unwrap();
        token_of(&answer, &request).unwrap()
    }

    fn stamps(&self, unstamped: Unstamped<Bytes>, at: Timestamp) -> Vec<u8> {
        let token = self.token(unstamped.manifest(), at);
        unstamped.finish(&token).unwrap().into_inner()
    }
}

/// The archive of a container before its manifest.
fn begun(container: &[u8]) -> OuterWriter<Bytes> {
    OuterWriter::begin(Bytes::default(), container, SHA256).unwrap()
}

fn add(writer: &mut OuterWriter<Bytes>, name: &str, bytes: &[u8]) {
    writer
        .add_file(name, "application/octet-stream", bytes)
        .unwrap();
}

fn archived(container: &[u8], by: &Tsa, at: Timestamp) -> Vec<u8> {
    by.stamps(begun(container).complete().unwrap(), at)
}

fn renewed(archive: &[u8], by: &Tsa, at: Timestamp) -> Vec<u8> {
    let mut earlier = OuterContainer::open(Cursor::new(archive), &Budget::outer()).unwrap();
    let writer = OuterWriter::renew(Bytes::default(), &mut earlier, DigestAlgorithm::Sha512);
    by.stamps(writer.unwrap().complete().unwrap(), at)
}

fn judge(world: &World, archive: &[u8], at: JudgedAt) -> ArchiveJudgement {
    let trust = SealTrust::by_directory(world.trust.roots(), &world.directory);
    archive::judge(
        Cursor::new(archive),
        &trust,
        Some(&world.trust),
        &policy(),
        at,
    )
}

fn verdict(world: &World, archive: &[u8], at: JudgedAt) -> (Indication, Option<&'static str>) {
    let report = judge(world, archive, at).document.report;
    let why = report.sub_indication.map(SubIndication::as_str);
    (report.indication, why)
}

fn named(judgement: &ArchiveJudgement, name: CheckName) -> Vec<&Check> {
    let checks = judgement.document.report.checks.iter();
    checks.filter(|check| check.name == name).collect()
}

const PASSED: (Indication, Option<&str>) = (Indication::TotalPassed, None);
const TOO_LATE: (Indication, Option<&str>) =
    (Indication::Indeterminate, Some("OUT_OF_BOUNDS_NO_POE"));

#[test]
fn what_is_renewed_in_time_is_good_for_ever_and_what_is_not_is_doubtful() {
    let world = World::new();
    let container = world.container(&world.document());
    // The seal's certificate ends after 730 days.
    let (first, second) = (
        Tsa::new(&world.issuing, 1, 300),
        Tsa::new(&world.issuing, 2, 1200),
    );
    let archive = archived(&container, &first, after(1));
    assert_eq!(verdict(&world, &archive, JudgedAt::Now(after(299))), PASSED);
    assert_eq!(
        verdict(&world, &archive, JudgedAt::Now(after(301))),
        TOO_LATE
    );

    let kept = renewed(&archive, &second, after(299));
    let judgement = judge(&world, &kept, JudgedAt::Now(after(1199)));
    let report = &judgement.document.report;
    assert_eq!(
        report.indication,
        Indication::TotalPassed,
        "{:?}",
        report.decisive()
    );
    // It may be a second later than it says.
    assert_eq!(judgement.as_of, Some(after(1).plus_seconds(1)));
    let times: Vec<_> = judgement.stamps.iter().map(|stamp| stamp.time).collect();
    assert_eq!(times, [Some(after(1)), Some(after(299))]);
    assert_eq!(verdict(&world, &kept, JudgedAt::Now(after(1201))), TOO_LATE);

    // Renewed after the first had ended: it proves the time of the renewal, which is early enough
    // only as long as the seal was good then.
    let late = renewed(&archive, &second, after(400));
    let judgement = judge(&world, &late, JudgedAt::Now(after(1199)));
    assert_eq!(
        judgement.document.report.indication,
        Indication::TotalPassed
    );
    assert_eq!(judgement.as_of, Some(after(400).plus_seconds(1)));
    assert_eq!(judgement.stamps[0].time, None);
    let too_late = renewed(&archive, &second, after(800));
    assert_eq!(
        verdict(&world, &too_late, JudgedAt::Now(after(1199))),
        TOO_LATE
    );

    // Who knows that it was there needs no time-stamp.
    assert_eq!(
        verdict(&world, &archive, JudgedAt::Proven(after(500))),
        PASSED
    );
}

#[test]
fn a_late_time_stamp_of_the_seal_counts_from_within_the_archive() {
    let world = World::new();
    let container = world.container(&world.document());
    let (first, second) = (
        Tsa::new(&world.issuing, 1, 1100),
        Tsa::new(&world.issuing, 2, 1200),
    );
    let plain = archived(&container, &second, after(1000));
    assert_eq!(
        verdict(&world, &plain, JudgedAt::Now(after(1001))),
        TOO_LATE
    );
    let mut inner =
        consign_pki::asic::Container::open_canonical(Cursor::new(&container), &Budget::default())
            .unwrap();
    let layer = inner.signatures()[0].clone();
    let seal = consign_pki::cms::parse_and_verify(&layer.signature_bytes, &layer.manifest_bytes);
    let token = first.token(&seal.unwrap().signature_value, after(2));
    let mut writer = begun(&container);
    add(&mut writer, archive::SEAL_TIME_STAMP, &token);
    let stamped = second.stamps(writer.complete().unwrap(), after(1000));
    assert_eq!(
        verdict(&world, &stamped, JudgedAt::Now(after(1001))),
        PASSED
    );
    assert!(inner.check_digests().is_ok());
}

#[test]
fn no_changed_byte_is_passed() {
    let world = World::new();
    let container = world.container(&world.document());
    let tsa = Tsa::new(&world.issuing, 1, 300);
    let archive = renewed(&archived(&container, &tsa, after(1)), &tsa, after(2));
    let at = JudgedAt::Now(after(3));
    assert_eq!(verdict(&world, &archive, at), PASSED);
    for place in (0..archive.len()).step_by(13) {
        let mut changed = archive.clone();
        changed[place] ^= 0x20;
        let report = judge(&world, &changed, at).document.report;
        assert_eq!(report.indication, Indication::TotalFailed, "byte {place}");
        assert!(report.malformed, "byte {place}: {:?}", report.decisive());
    }
}

#[test]
fn what_is_whole_and_not_what_was_stamped_is_forged() {
    let world = World::new();
    let mut document = world.document();
    let container = world.container(&document);
    document.subject = consign_domain::text::Line::new("Về việc khác").unwrap();
    let other = world.container(&document);
    let tsa = Tsa::new(&world.issuing, 1, 300);
    let genuine = begun(&container).complete().unwrap();
    let token = tsa.token(genuine.manifest(), after(1));
    let forged = begun(&other).complete().unwrap().finish(&token).unwrap();
    let at = JudgedAt::Now(after(2));
    let found = verdict(&world, &forged.into_inner(), at);
    assert_eq!(found, (Indication::TotalFailed, Some("HASH_FAILURE")));

    // A token that is none.
    let none = begun(&container)
        .complete()
        .unwrap()
        .finish(b"none")
        .unwrap();
    let found = verdict(&world, &none.into_inner(), at);
    assert_eq!(found, (Indication::TotalFailed, Some("FORMAT_FAILURE")));

    // A stranger's, and one that is later than the one over it.
    let stranger = Tsa::new(&World::new().issuing, 1, 300);
    let found = verdict(&world, &archived(&container, &stranger, after(1)), at);
    let unknown = (
        Indication::Indeterminate,
        Some("NO_CERTIFICATE_CHAIN_FOUND"),
    );
    assert_eq!(found, unknown);
    let swapped = renewed(&archived(&container, &tsa, after(20)), &tsa, after(10));
    let judgement = judge(&world, &swapped, JudgedAt::Now(after(30)));
    assert_eq!(judgement.stamps[0].time, None);
    assert_eq!(judgement.as_of, Some(after(10).plus_seconds(1)));
    let noted = named(&judgement, CheckName::ArchiveTimeStamp)[1];
    assert_eq!(noted.outcome, CheckOutcome::Noted);
}

/// The lists that the authorities of a world make at a time.
fn lists(world: &World, at: Timestamp, revoked: &[Revocation]) -> Vec<Vec<u8>> {
    let validity = Validity {
        not_before: at.as_unix(),
        not_after: at.plus_seconds(30 * DAY).as_unix(),
    };
    vec![
        world
            .issuing
            .revocation_list(revoked, at.as_unix(), validity)
            .unwrap(),
        world
            .root
            .revocation_list(&[], at.as_unix(), validity)
            .unwrap(),
    ]
}

#[test]
fn roots_alone_are_enough_with_the_lists_in_the_archive() {
    let world = World::new();
    let container = world.container(&world.document());
    let tsa = Tsa::new(&world.issuing, 1, 1200);
    let by_roots = |archive: &[u8], lists: &[Vec<u8>], at| {
        let trust = SealTrust {
            lists,
            ..SealTrust::by_roots(world.trust.roots())
        };
        let at = JudgedAt::Now(at);
        let report = archive::judge(Cursor::new(archive), &trust, None, &policy(), at);
        let report = report.document.report;
        let why = report.sub_indication.map(SubIndication::as_str);
        (report.indication, why)
    };
    let without = archived(&container, &tsa, after(1));
    let unknown = (Indication::Indeterminate, Some("TRY_LATER"));
    assert_eq!(by_roots(&without, &[], after(900)), unknown);
    let mut writer = begun(&container);
    for (number, list) in lists(&world, after(1), &[]).iter().enumerate() {
        add(
            &mut writer,
            &format!("{}{number}.crl", archive::LISTS),
            list,
        );
    }
    let with = tsa.stamps(writer.complete().unwrap(), after(1));
    assert_eq!(by_roots(&with, &[], after(900)), PASSED);

    // A list made since says that others have the authority's key: nothing is proven by it.
    let compromised = Revocation {
        serial: vec![0x30, tsa.serial],
        at: after(500).as_unix(),
        reason: RevocationReason::KeyCompromise,
        invalid_from: None,
    };
    let newer = lists(&world, after(600), &[compromised]);
    let revoked = (Indication::Indeterminate, Some("REVOKED_NO_POE"));
    assert_eq!(by_roots(&with, &newer, after(601)), revoked);
    // Unless another had stamped it before.
    let other = Tsa::new(&world.issuing, 2, 1200);
    let renewed = renewed(&with, &other, after(499));
    assert_eq!(by_roots(&renewed, &newer, after(601)), PASSED);
}

#[test]
fn a_seal_that_was_revoked_since_stays_good() {
    let mut world = World::new();
    let container = world.container(&world.document());
    let tsa = Tsa::new(&world.issuing, 1, 1200);
    let archive = archived(&container, &tsa, after(1));
    let late = archived(&container, &tsa, after(20));
    world.republish(|entries| {
        for entry in entries {
            if let Entry::Agency(agency) = entry {
                agency.seals[0].validity.until = Some(after(10));
                agency.seals[0].state = KeyState::Revoked;
            }
        }
    });
    let at = JudgedAt::Now(after(30));
    assert_eq!(verdict(&world, &archive, at), PASSED);
    let revoked = (Indication::Indeterminate, Some("REVOKED_NO_POE"));
    assert_eq!(verdict(&world, &late, at), revoked);
}

#[test]
fn statements_are_those_of_whom_they_name_by_the_entries_in_the_archive() {
    let world = World::new();
    let container = world.container(&world.document());
    let tsa = Tsa::new(&world.issuing, 1, 300);
    let (envelope, _, wrap) = world.envelope(&container);
    let signed = sign(&envelope, &world.sender.statement);
    let proof = EntryProof::of(&world.directory, world.sender.id.to_bytes()).unwrap();
    let archive = |container: &[u8], signed: &SignedStatement| {
        let mut writer = begun(container);
        add(&mut writer, "envelope.json", &signed.statement);
        add(&mut writer, "envelope.sig", &signed.signature);
        add(&mut writer, archive::SALT, &wrap.salt);
        let name = format!("{}{}.json", archive::DIRECTORY, world.sender.id);
        add(&mut writer, &name, &proof.to_bytes());
        tsa.stamps(writer.complete().unwrap(), after(1))
    };
    let judge = |archive: &[u8], store| {
        let trust = SealTrust::by_roots(world.trust.roots());
        let at = JudgedAt::Now(after(2));
        archive::judge(Cursor::new(archive), &trust, store, &policy(), at)
    };
    let good = archive(&container, &signed);
    let judgement = judge(&good, Some(&world.trust));
    let report = &judgement.document.report;
    // The entry says whose the seal is, without any directory beside the trust file.
    assert_eq!(
        report.indication,
        Indication::TotalPassed,
        "{:?}",
        report.decisive()
    );
    assert_eq!(
        named(&judgement, CheckName::ArchiveStatements)[0].outcome,
        CheckOutcome::Passed
    );
    assert_eq!(
        named(&judgement, CheckName::ArchiveEnvelope)[0].outcome,
        CheckOutcome::Passed
    );
    let judgement = judge(&good, None);
    let mut skipped = judgement.document.report.not_checked.iter();
    assert!(skipped.any(|skipped| skipped.what == Aspect::ArchiveStatements));
    assert_eq!(
        named(&judgement, CheckName::ArchiveEnvelope)[0].outcome,
        CheckOutcome::Passed
    );

    let mut forged = signed.clone();
    forged.signature[5] ^= 1;
    let judgement = judge(&archive(&container, &forged), Some(&world.trust));
    let fault = judgement.document.report.decisive().unwrap();
    assert_eq!(
        (fault.name, fault.outcome),
        (CheckName::ArchiveStatements, CheckOutcome::Failed)
    );
    let mut document = world.document();
    document.subject = consign_domain::text::Line::new("Về việc khác").unwrap();
    let judgement = judge(
        &archive(&world.container(&document), &signed),
        Some(&world.trust),
    );
    let fault = judgement.document.report.decisive().unwrap();
    assert_eq!(
        (fault.name, fault.outcome),
        (CheckName::ArchiveEnvelope, CheckOutcome::Failed)
    );
}
