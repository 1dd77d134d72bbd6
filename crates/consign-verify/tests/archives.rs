//! The long-term archive: what its time-stamps prove years later, and what they do not.

#![expect(
    clippy::unwrap_used,
    reason = "helpers of tests, outside the functions that the lint excuses"
)]

mod world;

use std::io::Cursor;

use consign_domain::directory::{Entry, KeyState};
use consign_domain::statement::{BusinessStatus, Event, Evidence, Status};
use consign_domain::{Digest, SignedStatement, Timestamp};
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
use consign_verify::report::{Aspect, CheckName, Reason, SubIndication};
use consign_verify::{Check, CheckOutcome, Directory, Indication};
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
    // Who leaves the root's list out hides nothing.
    assert_eq!(by_roots(&with, &newer[..1], after(601)), revoked);
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
    // Whose the envelope is nobody says here, so that it shows nothing.
    let judgement = judge(&good, None);
    let mut skipped = judgement.document.report.not_checked.iter();
    assert!(skipped.any(|skipped| skipped.what == Aspect::ArchiveStatements));
    assert!(named(&judgement, CheckName::ArchiveEnvelope).is_empty());

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

/// Files of an archive besides the container.
type Files = Vec<(String, Vec<u8>)>;

fn with_files(container: &[u8], files: &Files, by: &Tsa, at: Timestamp) -> Vec<u8> {
    let mut writer = begun(container);
    for (name, bytes) in files {
        add(&mut writer, name, bytes);
    }
    by.stamps(writer.complete().unwrap(), at)
}

/// The same in a renewal.
fn renewed_with(archive: &[u8], files: &Files, by: &Tsa, at: Timestamp) -> Vec<u8> {
    let mut earlier = OuterContainer::open(Cursor::new(archive), &Budget::outer()).unwrap();
    let writer = OuterWriter::renew(Bytes::default(), &mut earlier, SHA256);
    let mut writer = writer.unwrap();
    for (name, bytes) in files {
        add(&mut writer, name, bytes);
    }
    by.stamps(writer.complete().unwrap(), at)
}

fn entry(directory: &Directory, id: [u8; 16], name: &str) -> (String, Vec<u8>) {
    let proof = EntryProof::of(directory, id).unwrap();
    (
        format!("{}{name}.json", archive::DIRECTORY),
        proof.to_bytes(),
    )
}

fn list_files(lists: &[Vec<u8>]) -> Files {
    let named = lists.iter().enumerate();
    let named = named.map(|(place, list)| (format!("{}{place}.crl", archive::LISTS), list.clone()));
    named.collect()
}

fn signed_files(stem: &str, signed: &SignedStatement) -> Files {
    vec![
        (format!("{stem}.json"), signed.statement.to_vec()),
        (format!("{stem}.sig"), signed.signature.to_vec()),
    ]
}

/// By the trust file alone: what the archive brings decides.
fn by_store(world: &World, archive: &[u8], at: Timestamp) -> ArchiveJudgement {
    let trust = SealTrust::by_roots(world.trust.roots());
    let store = Some(&world.trust);
    archive::judge(
        Cursor::new(archive),
        &trust,
        store,
        &policy(),
        JudgedAt::Now(at),
    )
}

fn decided(judgement: &ArchiveJudgement) -> (Indication, Option<CheckName>, Option<Reason>) {
    let report = &judgement.document.report;
    let decisive = report.decisive();
    (
        report.indication,
        decisive.map(|check| check.name),
        decisive.and_then(|check| check.reason),
    )
}

fn revoke_seal(world: &mut World, until: Timestamp) {
    world.republish(|entries| {
        if let Some(Entry::Agency(agency)) = entries.first_mut() {
            for seal in &mut agency.seals {
                seal.validity.until = Some(until);
                seal.state = KeyState::Revoked;
            }
        }
    });
}

/// The head of the directory that each world begins with expires after 30 days.
#[test]
fn an_old_entry_of_the_archive_s_own_does_not_say_that_a_seal_was_not_revoked() {
    let mut world = World::new();
    let container = world.container(&world.document());
    let tsa = Tsa::new(&world.issuing, 1, 300);
    let sender = world.sender.id.to_bytes();
    let old = entry(&world.directory, sender, "old");
    revoke_seal(&mut world, after(10));
    let archive = |files: &Files| with_files(&container, files, &tsa, after(40));
    let verdict = |archive: &[u8]| decided(&by_store(&world, archive, after(50)));
    let nothing = (
        Indication::Indeterminate,
        Some(CheckName::SealRevocation),
        Some(Reason::NoRevocationData),
    );
    assert_eq!(verdict(&archive(&vec![old.clone()])), nothing);
    // Lists of that time decide then, and whose the seal is the entry says all the same.
    let lists_then = list_files(&lists(&world, after(40), &[]));
    let listed = archive(&[vec![old.clone()], lists_then].concat());
    assert_eq!(verdict(&listed), (Indication::TotalPassed, None, None));
    // The newest entry decides.
    let new = entry(&world.directory, sender, "new");
    let both = archive(&vec![old.clone(), new]);
    assert_eq!(verdict(&both), nothing);
    let issuer = |archive: &[u8], at| {
        let judgement = by_store(&world, archive, at);
        let check = named(&judgement, CheckName::SealIssuer)[0].clone();
        (check.outcome, check.reason)
    };
    let unproven = (CheckOutcome::Indeterminate, Some(Reason::RevokedUnproven));
    assert_eq!(issuer(&both, after(50)), unproven);
    // Before they expire, entries count as lists do, and it is told what they cannot say.
    let early = with_files(&container, &vec![old], &tsa, after(5));
    let judgement = by_store(&world, &early, after(50));
    assert_eq!(decided(&judgement).0, Indication::TotalPassed);
    let mut skipped = judgement.document.report.not_checked.iter();
    assert!(skipped.any(|skipped| skipped.what == Aspect::LaterRevocation));
}

#[test]
fn entries_that_do_not_know_the_issuer_leave_it_open() {
    let (world, other) = (World::new(), World::new());
    let container = world.container(&world.document());
    let tsa = Tsa::new(&world.issuing, 1, 300);
    let (sender, recipient) = (world.sender.id, world.recipient.id);
    let foreign = {
        let (name, mut bytes) = entry(&other.directory, sender.to_bytes(), "foreign");
        let digit = bytes.iter().rposition(u8::is_ascii_hexdigit).unwrap();
        bytes[digit] ^= 1;
        (name, bytes)
    };
    let partial = vec![entry(&world.directory, recipient.to_bytes(), "recipient")];
    let archive = with_files(&container, &partial, &tsa, after(1));
    let unknown = (
        Indication::Indeterminate,
        Some(CheckName::SealIssuer),
        Some(Reason::IssuerUnknown),
    );
    assert_eq!(decided(&by_store(&world, &archive, after(2))), unknown);
    // One that proves nothing, and a statement without its signature, take nothing from the rest.
    let whole = [
        partial,
        vec![
            entry(&world.directory, sender.to_bytes(), "sender"),
            foreign,
        ],
        vec![("receipt.json".to_owned(), b"{}".to_vec())],
    ];
    let archive = with_files(&container, &whole.concat(), &tsa, after(1));
    let judgement = by_store(&world, &archive, after(2));
    assert_eq!(decided(&judgement), (Indication::TotalPassed, None, None));
    for (name, reason) in [
        (CheckName::ArchiveDirectory, Reason::EntriesNotProven),
        (CheckName::ArchiveContents, Reason::NoSignature),
    ] {
        let check = named(&judgement, name)[0];
        assert_eq!(check.outcome, CheckOutcome::Noted);
        assert_eq!(check.reason, Some(reason));
    }
}

/// The sender's envelope with what opens it, and the hub's acceptance.
fn exchanged(world: &World, container: &[u8]) -> (Files, Evidence) {
    let (envelope, _, wrap) = world.envelope(container);
    let signed = sign(&envelope, &world.sender.statement);
    let about = envelope.reference(Digest::of(&signed.statement)).unwrap();
    let hub = world.hub_signer();
    let hub_id = hub.id.as_hub();
    let (network, event) = (world.trust.network(), Event::SubmissionAcceptance);
    let mut accepted = Evidence::new(network, hub, now(), event, hub_id, about);
    accepted.placements = vec![consign_domain::statement::Placement {
        id: world.recipient.id,
        code: world.recipient.code.parse().unwrap(),
        sequence: consign_domain::Sequence::FIRST,
    }];
    let mut files = signed_files("envelope", &signed);
    files.push((archive::SALT.to_owned(), wrap.salt.to_vec()));
    (files, accepted)
}

#[test]
fn statements_are_about_the_document_that_they_lie_beside() {
    let world = World::new();
    let container = world.container(&world.document());
    let tsa = Tsa::new(&world.issuing, 1, 300);
    let (own, accepted) = exchanged(&world, &container);
    let judged = |files: Files| {
        let archive = with_files(&container, &files, &tsa, after(1));
        decided(&judge(&world, &archive, JudgedAt::Now(after(2))))
    };
    let signed = |stem: &str, said: &Evidence| signed_files(stem, &sign(said, &world.hub));
    let passed = (Indication::TotalPassed, None, None);
    let good = [own.clone(), signed("acceptance", &accepted)].concat();
    assert_eq!(judged(good.clone()), passed);
    let again = signed("evidence/again-SubmissionAcceptance-7", &accepted);
    assert_eq!(judged([own.clone(), again].concat()), passed);

    let of_another = (
        Indication::TotalFailed,
        Some(CheckName::ArchiveStatements),
        Some(Reason::StatementOfAnother),
    );
    let mut other = accepted.clone();
    other.envelope.sha256 = Digest::of(b"another envelope");
    let swapped = [own.clone(), signed("acceptance", &other)].concat();
    assert_eq!(judged(swapped), of_another);
    for name in [
        "receipt",
        "evidence/000000000002-ContentHandover-H49",
        "status/000000000002-03-H49",
    ] {
        let misnamed = [own.clone(), signed(name, &accepted)].concat();
        assert_eq!(judged(misnamed), of_another, "{name}");
    }
    let status = |status| {
        let (network, about) = (world.trust.network(), accepted.envelope.clone());
        let signer = world.recipient.signer(1);
        let to = world.sender.code.parse().unwrap();
        let said = Status::new(network, signer, now(), about, to, status);
        sign(&said, &world.recipient.statement)
    };
    let registered = signed_files(
        "status/000000000002-03-H49",
        &status(BusinessStatus::Registered),
    );
    assert_eq!(judged([own.clone(), registered].concat()), passed);
    let arrived = signed_files(
        "status/000000000002-03-H49",
        &status(BusinessStatus::Arrived),
    );
    assert_eq!(judged([own.clone(), arrived].concat()), of_another);

    // Without the envelope, or what opens it, nothing ties them to the document.
    let open = (
        Indication::Indeterminate,
        Some(CheckName::ArchiveEnvelope),
        Some(Reason::NotCommitted),
    );
    for missing in [archive::SALT, "envelope.json"] {
        let mut files = good.clone();
        files.retain(|(name, _)| name != missing);
        assert_eq!(judged(files), open, "without {missing}");
    }
}

#[test]
fn what_a_revoked_key_signed_counts_where_it_is_proven_to_be_older() {
    let mut world = World::new();
    let container = world.container(&world.document());
    let tsa = Tsa::new(&world.issuing, 1, 300);
    let (mut files, _) = exchanged(&world, &container);
    let sender = world.sender.id.to_bytes();
    // As it was before the revocation.
    files.push(entry(&world.directory, sender, "old"));
    world.republish(|entries| {
        if let Some(Entry::Agency(agency)) = entries.first_mut() {
            agency.statement_keys[0].validity.until = Some(after(10));
            agency.statement_keys[0].state = KeyState::Revoked;
        }
    });
    let judged = |archive: &[u8]| {
        let judgement = judge(&world, archive, JudgedAt::Now(after(50)));
        let statements = named(&judgement, CheckName::ArchiveStatements);
        (judgement.document.report.indication, statements[0].reason)
    };
    let before = with_files(&container, &files, &tsa, after(1));
    assert_eq!(judged(&before), (Indication::TotalPassed, None));
    let unproven = (Indication::Indeterminate, Some(Reason::RevokedUnproven));
    let late = with_files(&container, &files, &tsa, after(20));
    assert_eq!(judged(&late), unproven);
    // What a renewal adds is no older than the renewal.
    let added = archived(&container, &tsa, after(1));
    let added = renewed_with(&added, &files, &tsa, after(20));
    assert_eq!(judged(&added), unproven);
}

#[test]
fn a_time_stamp_that_a_renewal_adds_is_judged_by_what_was_known_then() {
    let mut world = World::new();
    let container = world.container(&world.document());
    let (good, stolen) = (
        Tsa::new(&world.issuing, 1, 1_200),
        Tsa::new(&world.issuing, 2, 1_200),
    );
    revoke_seal(&mut world, after(10));
    let archive = archived(&container, &good, after(20));
    let mut inner =
        consign_pki::asic::Container::open_canonical(Cursor::new(&container), &Budget::default())
            .unwrap();
    let layer = inner.signatures()[0].clone();
    assert!(inner.check_digests().is_ok());
    let seal = consign_pki::cms::parse_and_verify(&layer.signature_bytes, &layer.manifest_bytes);
    let token = stolen.token(&seal.unwrap().signature_value, after(2));
    let late = vec![(archive::SEAL_TIME_STAMP.to_owned(), token)];
    let archive = renewed_with(&archive, &late, &good, after(600));
    let judged = |lists: &[Vec<u8>]| {
        let trust = SealTrust {
            lists,
            ..SealTrust::by_directory(world.trust.roots(), &world.directory)
        };
        let at = JudgedAt::Now(after(601));
        let judgement = archive::judge(Cursor::new(&archive), &trust, None, &policy(), at);
        let report = judgement.document.report;
        (
            report.indication,
            report.decisive().and_then(|check| check.reason),
        )
    };
    assert_eq!(judged(&[]), (Indication::TotalPassed, None));
    let compromised = Revocation {
        serial: vec![0x30, stolen.serial],
        at: after(500).as_unix(),
        reason: RevocationReason::KeyCompromise,
        invalid_from: None,
    };
    let unproven = (Indication::Indeterminate, Some(Reason::RevokedUnproven));
    assert_eq!(judged(&lists(&world, after(600), &[compromised])), unproven);
}

#[test]
fn a_wrong_token_below_one_that_counts_proves_nothing_and_breaks_nothing() {
    let world = World::new();
    let container = world.container(&world.document());
    let tsa = Tsa::new(&world.issuing, 1, 300);
    let wrong = begun(&container).complete().unwrap();
    let wrong = wrong.finish(b"none").unwrap().into_inner();
    let archive = renewed(&wrong, &tsa, after(2));
    let judgement = judge(&world, &archive, JudgedAt::Now(after(3)));
    assert_eq!(decided(&judgement), (Indication::TotalPassed, None, None));
    assert!(!judgement.document.report.malformed);
    assert_eq!(judgement.as_of, Some(after(2).plus_seconds(1)));
    let noted = named(&judgement, CheckName::ArchiveTimeStamp)[1];
    assert_eq!(noted.outcome, CheckOutcome::Noted);
    assert_eq!(noted.reason, Some(Reason::FormatBroken));
}
