//! Archives that are made, renewed, cut short and damaged.

mod worker;

use std::io::Cursor;
use std::sync::Arc;
use std::time::Duration;

use consign_domain::statement::{BusinessStatus, Statement as _, Status};
use consign_domain::{EnvelopeKey, Timestamp};
use consign_keys::Keyring;
use consign_pki::asic::outer::OuterContainer;
use consign_pki::asic::{Budget, DigestAlgorithm};
use consign_pki::issue::{
    AuthorityName, CertificateAuthority, Revocation, Validity, create_request,
};
use consign_pki::path::revocation::RevocationReason;
use consign_pki::seal::{FileSealKey, KeyKind};
use consign_pki::timestamp::{Authority, Grant, PLACEHOLDER_POLICY, Request, token_of};
use consign_verify::Indication;
use consign_verify::archive as verdict;
use consign_verify::container::{JudgedAt, Policy, SealTrust};
use consign_verify::report::CheckName;

use super::contents::MOST_ENTRIES;
use super::write::{self, Asked, Look, Making, Unfinished};
use super::{ArchiveFault, Archived, Lists, Renew};
use crate::config::Archive;
use crate::context::Context;
use crate::folder::{ARCHIVE, CONTAINER, Folder};
use crate::index::ArchiveRow;
use crate::keys::AgencyKeys;
use crate::layout::NodeDirectory;
use crate::testing::{NOW, Network, Seat, cuts, exchanged};

const DAY: u64 = 86_400;
const SETTINGS: Archive = Archive {
    is_kept: true,
    renew_before: Duration::from_secs(180 * DAY),
    pause: Duration::ZERO,
    digest: DigestAlgorithm::Sha256,
};

/// A time-stamp authority with a root of its own.
struct Tsa {
    root: Vec<u8>,
    issuer: CertificateAuthority,
    authority: Authority<FileSealKey>,
}

impl Tsa {
    fn new() -> Self {
        let validity = Validity {
            not_before: NOW - DAY,
            not_after: NOW + 900 * DAY,
        };
        let name = |common_name: &str| AuthorityName {
            organization: "Cục Chứng thực".to_owned(),
            common_name: common_name.to_owned(),
        };
        let key = || FileSealKey::generate(KeyKind::EcdsaP256).unwrap();
        let root = CertificateAuthority::create_root(Arc::new(key()), &name("Gốc"), validity);
        let (root, own) = (root.unwrap(), key());
        let request = create_request(&own, "tsa").unwrap();
        let certificate = root.issue_time_stamping(&request, &name("Dấu"), validity, &[1]);
        let authority =
            Authority::new(own, certificate.unwrap(), Vec::new(), PLACEHOLDER_POLICY).unwrap();
        Self {
            root: root.certificate_der().to_vec(),
            issuer: root,
            authority,
        }
    }

    /// A list that has revoked its certificate.
    fn revoked(&self, reason: RevocationReason) -> Vec<u8> {
        let revocation = Revocation {
            serial: vec![1],
            at: NOW,
            reason,
            invalid_from: None,
        };
        let validity = Validity {
            not_before: NOW,
            not_after: NOW + 30 * DAY,
        };
        let list = self.issuer.revocation_list(&[revocation], 1, validity);
        list.unwrap()
    }

    fn token(&self, over: &[u8], time: u64) -> Vec<u8> {
        let request = Request::over(over, [1; 8]);
        let grant = Grant {
            time,
            serial: [7; 16],
        };
        let answer = self.authority.answer(request.to_der(), grant).unwrap();
        token_of(&answer, &request).unwrap()
    }
}

fn asked(network: &Network, renew: Renew) -> Asked {
    Asked {
        renew,
        has_lists: Lists::Here,
        lists: network.node(0).trust_dir().join("crl"),
        most_entries: MOST_ENTRIES,
        settings: SETTINGS,
    }
}

fn begin(network: &Network, seat: &Seat, key: EnvelopeKey) -> Result<Unfinished, ArchiveFault> {
    begin_as(network, seat, key, &asked(network, Renew::Now))
}

fn begin_as(
    network: &Network,
    seat: &Seat,
    key: EnvelopeKey,
    asked: &Asked,
) -> Result<Unfinished, ArchiveFault> {
    Making::new(seat.agency.home(), &network.context(seat), key, asked).begin()
}

fn look(network: &Network, seat: &Seat, key: EnvelopeKey, asked: &Asked) -> Look {
    let context = network.context(seat);
    Making::new(seat.agency.home(), &context, key, asked)
        .look()
        .unwrap()
}

/// Archives, or renews, with a token of a time.
fn archive(network: &Network, seat: &Seat, key: EnvelopeKey, tsa: &Tsa, time: u64) {
    archive_as(network, seat, key, (tsa, time), &asked(network, Renew::Now));
}

/// The same as it is asked for; says how many statements had no room.
fn archive_as(
    network: &Network,
    seat: &Seat,
    key: EnvelopeKey,
    (tsa, time): (&Tsa, u64),
    asked: &Asked,
) -> usize {
    let unfinished = begin_as(network, seat, key, asked).unwrap();
    let token = tsa.token(unfinished.unstamped.manifest(), time);
    write::finish(unfinished.unstamped, &token).unwrap();
    unfinished.left_out
}

fn opened(seat: &Seat, key: EnvelopeKey) -> OuterContainer<std::fs::File> {
    let file = std::fs::File::open(folder(seat, key).file(ARCHIVE)).unwrap();
    OuterContainer::open(file, &Budget::outer()).unwrap()
}

fn names(seat: &Seat, key: EnvelopeKey) -> Vec<String> {
    let archive = opened(seat, key);
    archive.files().map(|(name, _)| name.to_owned()).collect()
}

fn folder(seat: &Seat, key: EnvelopeKey) -> Folder {
    Folder::new(seat.agency.home().archive_entry(key))
}

fn judge(network: &Network, tsa: &Tsa, archive: &[u8]) -> verdict::ArchiveJudgement {
    let roots = [tsa.root.clone()];
    // Nothing but the trust file: the archive brings the rest.
    let trust = SealTrust {
        time_stamp_roots: &roots,
        ..SealTrust::by_roots(network.trust.roots())
    };
    let at = JudgedAt::Now(Timestamp::from_unix(NOW + 30 * DAY).unwrap());
    let (store, policy) = (Some(&network.trust), Policy::default());
    verdict::judge(Cursor::new(archive), &trust, store, &policy, at)
}

#[test]
fn both_sides_archive_what_an_auditor_needs_and_nothing_secret() {
    let (network, tsa) = (Network::new(), Tsa::new());
    let key = exchanged(&network);
    for side in 0..2 {
        let seat = network.seat(side);
        let counts = seat.index.archive_counts(seat.id()).unwrap();
        assert_eq!((counts.kept, counts.awaited), (0, 1), "side {side}");
        let due = seat.index.first_due_archive(crate::testing::now()).unwrap();
        let agency = seat.id();
        assert_eq!(due, Some(ArchiveRow { agency, key }));
        archive(&network, &seat, key, &tsa, NOW);
        let folder = folder(&seat, key);
        let container = std::fs::read(folder.file(CONTAINER)).unwrap();
        let bytes = std::fs::read(folder.file(ARCHIVE)).unwrap();
        let judgement = judge(&network, &tsa, &bytes);
        let report = &judgement.document.report;
        assert_eq!(
            report.indication,
            Indication::TotalPassed,
            "{:?}",
            report.decisive()
        );
        for name in [
            CheckName::ArchiveStatements,
            CheckName::ArchiveEnvelope,
            CheckName::SealIssuer,
        ] {
            let passed = |check: &&consign_verify::Check| check.name == name;
            let check = report.checks.iter().find(passed);
            let outcome = check.map(|check| check.outcome);
            assert_eq!(
                outcome,
                Some(consign_verify::CheckOutcome::Passed),
                "{name}"
            );
        }
        let mut opened = OuterContainer::open(Cursor::new(&bytes), &Budget::outer()).unwrap();
        assert_eq!(opened.read("container.asice", 1 << 20).unwrap(), container);
        let names: Vec<String> = opened.files().map(|(name, _)| name.to_owned()).collect();
        let has = |what: &str| names.iter().any(|name| name.starts_with(what));
        for what in [
            "envelope.json",
            "envelope.sig",
            "salt",
            "certificates/",
            "directory/",
        ] {
            assert!(has(what), "{what} in {names:?}");
        }
        // The key to the ciphertext is nobody's proof.
        assert!(!has("wrap"), "{names:?}");
        let identity = b"AGE-SECRET-KEY-";
        assert!(
            !bytes
                .windows(identity.len())
                .any(|window| window == identity)
        );
    }
}

/// The node after each cut, judged: the archive is whole or not there, and the container as it was.
fn whole_after(cut: &NodeDirectory, key: EnvelopeKey, container: &[u8]) -> Option<usize> {
    let seat = Seat::open(cut);
    let folder = folder(&seat, key);
    assert_eq!(std::fs::read(folder.file(CONTAINER)).unwrap(), container);
    if !folder.has(ARCHIVE) {
        return None;
    }
    let file = std::fs::File::open(folder.file(ARCHIVE)).unwrap();
    let mut archive = OuterContainer::open(file, &Budget::outer()).unwrap();
    archive.check_digests().unwrap();
    assert_eq!(archive.read("container.asice", 1 << 20).unwrap(), container);
    Some(archive.layers().len())
}

#[test]
fn wherever_it_was_cut_the_archive_is_whole_and_goes_on() {
    let (network, tsa) = (Network::new(), Tsa::new());
    let key = exchanged(&network);
    let container = {
        let seat = network.seat(0);
        std::fs::read(folder(&seat, key).file(CONTAINER)).unwrap()
    };
    let place = tempfile::tempdir().unwrap();
    let mut found = Vec::new();
    for (round, time) in [NOW, NOW + 60].into_iter().enumerate() {
        let into = place.path().join(format!("round-{round}"));
        let seat = network.seat(0);
        // A stop while it waits for the stamp leaves a file that has no name yet.
        std::mem::forget(begin(&network, &seat, key).unwrap());
        let work = || archive(&network, &seat, key, &tsa, time);
        for cut in cuts(network.node(0), &into, work) {
            found.push(whole_after(&cut, key, &container));
            let seat = Seat::open(&cut);
            archive(&network, &seat, key, &tsa, time + 1);
            assert_eq!(unfinished(&seat, key), [""; 0]);
            assert!(whole_after_open(&seat, key).is_some());
        }
    }
    assert_eq!(found.first(), Some(&Some(1)), "{found:?}");
    assert_eq!(found.last(), Some(&Some(2)), "{found:?}");
}

/// Files that have no name yet.
fn unfinished(seat: &Seat, key: EnvelopeKey) -> Vec<String> {
    let folder = folder(seat, key);
    let places = [folder.path(), &seat.agency.home().archive_dir()];
    let names = places.map(|place| crate::durable::names(place).unwrap());
    let names = names.into_iter().flatten();
    names
        .filter(|name| name.starts_with(".publishing"))
        .collect()
}

#[test]
fn a_start_clears_what_a_kill_left() {
    let network = Network::new();
    let key = exchanged(&network);
    let seat = network.seat(0);
    std::mem::forget(begin(&network, &seat, key).unwrap());
    assert_eq!(unfinished(&seat, key).len(), 1);
    drop(seat);
    let seat = network.seat(0);
    assert_eq!(unfinished(&seat, key), [""; 0]);
}

fn whole_after_open(seat: &Seat, key: EnvelopeKey) -> Option<usize> {
    let file = std::fs::File::open(folder(seat, key).file(ARCHIVE)).ok()?;
    let archive = OuterContainer::open(file, &Budget::outer()).ok()?;
    Some(archive.layers().len())
}

#[test]
fn a_renewal_takes_in_what_came_since_and_only_when_it_is_due() {
    let (network, tsa) = (Network::new(), Tsa::new());
    let key = exchanged(&network);
    let seat = network.seat(0);
    archive(&network, &seat, key, &tsa, NOW);
    let first = std::fs::read(folder(&seat, key).file(ARCHIVE)).unwrap();
    let again = look(&network, &seat, key, &asked(&network, Renew::WhenDue));
    let Look::Ended {
        archived,
        due,
        until,
    } = again
    else {
        panic!("it is not due")
    };
    assert_eq!(archived, Archived::NotDue);
    assert_eq!(until.unwrap().as_unix(), NOW + 900 * DAY);
    // Within the lead and its jitter.
    let before = until.unwrap().as_unix() - due.unwrap().as_unix();
    assert!((180 * DAY..=198 * DAY).contains(&before), "{before}");

    let evidence = network.evidence(
        consign_domain::statement::Event::ContentHandoverFailure,
        reference(&seat, key),
        Vec::new(),
        None,
    );
    let stem = "000000000009-Later-H49.14";
    let folder = folder(&seat, key);
    folder
        .file_statement("evidence", stem, &evidence, &[])
        .unwrap();
    archive(&network, &seat, key, &tsa, NOW + DAY);
    let second = std::fs::read(folder.file(ARCHIVE)).unwrap();
    let mut opened = OuterContainer::open(Cursor::new(&second), &Budget::outer()).unwrap();
    opened.check_digests().unwrap();
    assert_eq!(opened.layers().len(), 2);
    let late = format!("evidence/{stem}.json");
    assert!(opened.files().any(|(name, _)| name == late));
    let before = OuterContainer::open(Cursor::new(&first), &Budget::outer()).unwrap();
    assert!(!before.files().any(|(name, _)| name == late));
    assert_eq!(
        before.layers()[0].manifest_bytes,
        opened.layers()[0].manifest_bytes
    );
    assert_eq!(
        opened.read("container.asice", 1 << 20).unwrap(),
        std::fs::read(folder.file(CONTAINER)).unwrap()
    );
}

#[test]
fn a_time_stamp_by_a_key_that_others_have_is_renewed_at_once() {
    let (network, tsa) = (Network::new(), Tsa::new());
    let key = exchanged(&network);
    let seat = network.seat(0);
    archive(&network, &seat, key, &tsa, NOW - DAY);
    let trust = network.trust.clone();
    let trust = trust.with_time_stamp_roots(vec![tsa.root.clone()]);
    let asked = asked(&network, Renew::WhenDue);
    let look = |lists: &[Vec<u8>]| {
        let context = Context {
            trust: &trust,
            lists,
            ..network.context(&seat)
        };
        let making = Making::new(seat.agency.home(), &context, key, &asked);
        making.look().unwrap()
    };
    let replaced = tsa.revoked(RevocationReason::Superseded);
    for lists in [&[][..], &[replaced]] {
        let Look::Ended { archived, .. } = look(lists) else {
            panic!("it counts")
        };
        assert_eq!(archived, Archived::NotDue);
    }
    let lost = look(&[tsa.revoked(RevocationReason::KeyCompromise)]);
    let Look::ToStamp {
        earlier: Some(earlier),
    } = lost
    else {
        panic!("{lost:?}")
    };
    assert_eq!(earlier.until, crate::testing::now());
}

fn reference(seat: &Seat, key: EnvelopeKey) -> consign_domain::statement::EnvelopeRef {
    use consign_domain::statement::Envelope;
    let (signed, envelope) = folder(seat, key)
        .expect_statement::<Envelope>("envelope")
        .unwrap();
    envelope.reference(signed.digest()).unwrap()
}

#[test]
fn nobody_stamps_anew_what_is_damaged() {
    let (network, tsa) = (Network::new(), Tsa::new());
    let key = exchanged(&network);
    let seat = network.seat(0);
    archive(&network, &seat, key, &tsa, NOW);
    let path = folder(&seat, key).file(ARCHIVE);
    let mut bytes = std::fs::read(&path).unwrap();
    bytes[200] ^= 1;
    std::fs::write(&path, &bytes).unwrap();
    let fault = begin(&network, &seat, key).map(drop).unwrap_err();
    assert!(fault.is_damage(), "{fault:?}");
    assert_eq!(std::fs::read(&path).unwrap(), bytes);
}

#[test]
fn a_time_stamp_that_is_none_is_damage() {
    let (network, tsa) = (Network::new(), Tsa::new());
    let key = exchanged(&network);
    let seat = network.seat(0);
    let elsewhere = tsa.token(b"another manifest", NOW);
    for token in [&b"none"[..], &elsewhere] {
        let unfinished = begin(&network, &seat, key).unwrap();
        write::finish(unfinished.unstamped, token).unwrap();
        let path = folder(&seat, key).file(ARCHIVE);
        let bytes = std::fs::read(&path).unwrap();
        for renew in [Renew::WhenDue, Renew::Now] {
            let asked = asked(&network, renew);
            let context = network.context(&seat);
            let making = Making::new(seat.agency.home(), &context, key, &asked);
            let fault = making.look().unwrap_err();
            assert!(matches!(fault, ArchiveFault::Token { .. }), "{fault:?}");
            assert!(fault.is_damage());
        }
        assert!(begin(&network, &seat, key).is_err());
        assert_eq!(std::fs::read(&path).unwrap(), bytes);
        std::fs::remove_file(&path).unwrap();
    }
}

#[test]
fn a_container_that_changed_on_the_disk_is_not_stamped() {
    let network = Network::new();
    let key = exchanged(&network);
    for side in 0..2 {
        let seat = network.seat(side);
        let path = folder(&seat, key).file(CONTAINER);
        let mut bytes = std::fs::read(&path).unwrap();
        let middle = bytes.len() / 2;
        bytes[middle] ^= 1;
        std::fs::write(&path, &bytes).unwrap();
        let fault = begin(&network, &seat, key).map(drop).unwrap_err();
        assert!(matches!(fault, ArchiveFault::Content { .. }), "{fault:?}");
        assert!(fault.is_damage());
        assert!(!folder(&seat, key).has(ARCHIVE), "side {side}");
        assert_eq!(unfinished(&seat, key), [""; 0]);
    }
}

#[test]
fn either_file_can_be_lost_without_the_document() {
    let (network, tsa) = (Network::new(), Tsa::new());
    let key = exchanged(&network);
    let seat = network.seat(0);
    let folder = folder(&seat, key);
    let container = std::fs::read(folder.file(CONTAINER)).unwrap();
    archive(&network, &seat, key, &tsa, NOW);
    std::fs::remove_file(folder.file(CONTAINER)).unwrap();
    let looked = look(&network, &seat, key, &asked(&network, Renew::Now));
    assert!(matches!(looked, Look::ToStamp { earlier: Some(_) }));
    archive(&network, &seat, key, &tsa, NOW + DAY);
    let mut archive = opened(&seat, key);
    assert_eq!(archive.layers().len(), 2);
    assert_eq!(archive.read(CONTAINER, 1 << 20).unwrap(), container);
    std::fs::remove_file(folder.file(ARCHIVE)).unwrap();
    let looked = look(&network, &seat, key, &asked(&network, Renew::WhenDue));
    let nothing = matches!(
        looked,
        Look::Ended {
            archived: Archived::Nothing,
            ..
        }
    );
    assert!(nothing, "{looked:?}");
}

/// Statuses by the recipient under the sender's document, newest last.
fn say_statuses(network: &Network, seats: (&Seat, &AgencyKeys), key: EnvelopeKey, count: u64) {
    let (seat, keys) = seats;
    let now = network.directory.head().time;
    let folder = folder(seat, key);
    for number in 0..count {
        let status = Status::new(
            network.directory.head().network,
            keys.signer(&network.directory, now),
            now,
            reference(seat, key),
            crate::testing::code("H49.13"),
            BusinessStatus::Arrived,
        );
        let signed = crate::testing::sign(&keys.statement, status.to_bytes());
        let stem = format!("{:012}-01-H49.14", 20 + number);
        folder
            .file_statement("status", &stem, &signed, &[])
            .unwrap();
    }
}

#[test]
fn what_has_no_room_is_left_out_oldest_statuses_first() {
    let (network, tsa) = (Network::new(), Tsa::new());
    let key = exchanged(&network);
    let keys = AgencyKeys::load(network.seat(1).agency.home(), &Keyring::default()).unwrap();
    let seat = network.seat(0);
    archive(&network, &seat, key, &tsa, NOW);
    let base = opened(&seat, key).files().count();
    std::fs::remove_file(folder(&seat, key).file(ARCHIVE)).unwrap();
    say_statuses(&network, (&seat, &keys), key, 5);
    // Manifest, token and `mimetype`, and two statuses.
    let narrow = |more: usize| Asked {
        most_entries: base + 3 + more,
        ..asked(&network, Renew::Now)
    };
    let left = archive_as(&network, &seat, key, (&tsa, NOW), &narrow(4));
    assert_eq!(left, 3);
    let inside = names(&seat, key);
    let has = |number: u64| inside.contains(&format!("status/{number:012}-01-H49.14.json"));
    assert_eq!(
        [20, 21, 22, 23, 24].map(has),
        [false, false, false, true, true]
    );
    assert!(
        inside.iter().any(|name| name.starts_with("evidence/")),
        "{inside:?}"
    );
    assert!(inside.contains(&"acceptance.json".to_owned()), "{inside:?}");
    // More room later, more statuses; a renewal takes some for itself.
    let left = archive_as(&network, &seat, key, (&tsa, NOW + DAY), &narrow(4 + 3 + 2));
    assert_eq!(left, 2);
    let left = archive_as(
        &network,
        &seat,
        key,
        (&tsa, NOW + DAY),
        &asked(&network, Renew::Now),
    );
    assert_eq!(left, 0);
}

#[test]
fn a_renewal_brings_the_entries_that_later_statements_need() {
    let (mut network, tsa) = (Network::new(), Tsa::new());
    let key = exchanged(&network);
    {
        let seat = network.seat(0);
        archive(&network, &seat, key, &tsa, NOW);
    }
    let keys = network.renew_keys(1);
    let seat = network.seat(0);
    say_statuses(&network, (&seat, &keys), key, 1);
    let entries = |seat: &Seat| {
        let names = names(seat, key);
        let of = format!("directory/{}", keys.id);
        names.iter().filter(|name| name.starts_with(&of)).count()
    };
    assert_eq!(entries(&seat), 1);
    archive(&network, &seat, key, &tsa, NOW + DAY);
    assert_eq!(entries(&seat), 2);
    let bytes = std::fs::read(folder(&seat, key).file(ARCHIVE)).unwrap();
    let judgement = judge(&network, &tsa, &bytes);
    let report = &judgement.document.report;
    let about = |name| report.checks.iter().filter(move |check| check.name == name);
    let outcomes: Vec<_> = about(CheckName::ArchiveStatements)
        .map(|check| check.outcome)
        .collect();
    assert_eq!(
        outcomes,
        [consign_verify::CheckOutcome::Passed],
        "{report:?}"
    );
    // Nothing has changed since.
    archive(&network, &seat, key, &tsa, NOW + 2 * DAY);
    assert_eq!(entries(&seat), 2);
}
