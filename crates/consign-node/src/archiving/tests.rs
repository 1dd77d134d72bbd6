//! Archives that are made, renewed, cut short and damaged.

use std::io::Cursor;
use std::sync::Arc;
use std::time::Duration;

use consign_domain::{EnvelopeKey, Timestamp};
use consign_pki::asic::outer::OuterContainer;
use consign_pki::asic::{Budget, DigestAlgorithm};
use consign_pki::issue::{AuthorityName, CertificateAuthority, Validity, create_request};
use consign_pki::seal::{FileSealKey, KeyKind};
use consign_pki::timestamp::{Authority, Grant, PLACEHOLDER_POLICY, Request, token_of};
use consign_verify::Indication;
use consign_verify::archive as verdict;
use consign_verify::container::{JudgedAt, Policy, SealTrust};
use consign_verify::report::CheckName;

use super::write::{self, Asked, Begun};
use super::{ArchiveFault, Archived, Renew};
use crate::config::Archive;
use crate::folder::{ARCHIVE, CONTAINER, Folder};
use crate::inbox::{InboxStep, ItemContent};
use crate::index::ArchiveRow;
use crate::layout::NodeDirectory;
use crate::testing::{
    NOW, Network, Seat, cuts, envelope_id, in_order, payload_of, place, release, request,
};

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
            authority,
        }
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

/// A document from the first agency to the second, which has opened it; both are done with it.
fn exchanged(network: &Network) -> EnvelopeKey {
    let id = envelope_id(1);
    let submission = {
        let seat = network.seat(0);
        seat.send(id, request(&["H49.14"]), &network.context(&seat))
    };
    let receipt = {
        let seat = network.seat(1);
        let context = network.context(&seat);
        let inbox = seat.agency.inbox();
        let item = network.item(&submission.signed, &payload_of(&submission), place(1));
        assert!(inbox.receive(vec![item], &context).fault.is_none());
        let step = inbox.advance(place(1), &context).unwrap();
        let InboxStep::SendReceipt(receipt) = step else {
            panic!("{step:?}")
        };
        let release = release(&submission.envelope, &submission.wraps, "H49.14");
        inbox.store_release(&release).unwrap();
        assert_eq!(inbox.advance(place(1), &context).unwrap(), InboxStep::Done);
        receipt
    };
    let seat = network.seat(0);
    let answer = network.accept(&submission.signed, place(1));
    let items = [answer, receipt].map(|evidence| ItemContent::Evidence { evidence });
    let items = (1..).zip(items);
    let items = items.map(|(number, content)| in_order(place(number), content));
    let taken = seat
        .agency
        .inbox()
        .receive(items.collect(), &network.context(&seat));
    assert!(taken.fault.is_none() && taken.aside.is_empty(), "{taken:?}");
    submission.envelope.key()
}

fn begin(
    network: &Network,
    seat: &Seat,
    key: EnvelopeKey,
    renew: Renew,
) -> Result<Begun, ArchiveFault> {
    let asked = Asked {
        renew,
        authority_until: None,
        lists: network.node(0).trust_dir().join("crl"),
        settings: SETTINGS,
    };
    write::begin(seat.agency.home(), &network.context(seat), key, &asked)
}

/// Archives, or renews, with a token of a time.
fn archive(network: &Network, seat: &Seat, key: EnvelopeKey, tsa: &Tsa, time: u64) {
    let Begun::Unfinished(unfinished) = begin(network, seat, key, Renew::Now).unwrap() else {
        panic!("it is to be stamped")
    };
    let token = tsa.token(unfinished.unstamped.manifest(), time);
    write::finish(unfinished.unstamped, &token).unwrap();
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
        let Begun::Unfinished(waiting) = begin(&network, &seat, key, Renew::Now).unwrap() else {
            panic!("it is to be stamped")
        };
        std::mem::forget(waiting);
        let work = || archive(&network, &seat, key, &tsa, time);
        for cut in cuts(network.node(0), &into, work) {
            found.push(whole_after(&cut, key, &container));
            let seat = Seat::open(&cut);
            archive(&network, &seat, key, &tsa, time + 1);
            let left = std::fs::read_dir(folder(&seat, key).path()).unwrap();
            let left = left.filter(|one| {
                let name = one.as_ref().unwrap().file_name();
                name.to_string_lossy().starts_with(".publishing")
            });
            assert_eq!(left.count(), 0);
            assert!(whole_after_open(&seat, key).is_some());
        }
    }
    assert_eq!(found.first(), Some(&Some(1)), "{found:?}");
    assert_eq!(found.last(), Some(&Some(2)), "{found:?}");
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
    let again = begin(&network, &seat, key, Renew::WhenDue).unwrap();
    let Begun::Ended {
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
    let fault = begin(&network, &seat, key, Renew::Now)
        .map(drop)
        .unwrap_err();
    assert!(fault.is_damage(), "{fault:?}");
    assert_eq!(std::fs::read(&path).unwrap(), bytes);
}

#[tokio::test]
async fn without_a_time_stamp_it_waits_and_nothing_is_left() {
    let network = Network::new();
    let key = exchanged(&network);
    let office = network.office(0);
    office.stamps.hub_is_down();
    let desk = Arc::clone(&office.desks()[0]);
    let agency = desk.id();
    let row = ArchiveRow { agency, key };
    let fault = super::archive(&office, &desk, row, Renew::WhenDue).await;
    assert!(matches!(fault, Err(ArchiveFault::Stamp(_))), "{fault:?}");
    let folder = Folder::new(desk.agency.home().archive_entry(key));
    assert!(!folder.has(ARCHIVE));
    let names = std::fs::read_dir(folder.path()).unwrap();
    let names: Vec<_> = names.map(|one| one.unwrap().file_name()).collect();
    assert!(
        !names
            .iter()
            .any(|name| name.to_string_lossy().starts_with('.')),
        "{names:?}"
    );
    assert_eq!(
        office.index.first_due_archive(office.now()).unwrap(),
        Some(row)
    );
    // The authority's standing is said where it is asked.
    assert_eq!(office.archiving.fault(), None);
}
