//! What the node does by itself: wait, rest, tell, and go where the folders are.

use std::sync::Arc;
use std::time::Duration;

use consign_domain::EnvelopeKey;
use consign_pki::asic::DigestAlgorithm;

use super::{DAY, Tsa, archive};
use crate::archiving::{self, ArchiveFault, Archived, Renew, Wish, write};
use crate::folder::{ARCHIVE, CONTAINER, Folder};
use crate::index::{ArchiveRow, Index};
use crate::layout::NodeDirectory;
use crate::testing::{NOW, Network, copy, envelope_id, exchanged};

#[tokio::test]
async fn without_a_time_stamp_it_waits_and_nothing_is_left() {
    let network = Network::new();
    let key = exchanged(&network);
    let office = network.office(0);
    office.stamps.hub_is_down();
    let desk = Arc::clone(&office.desks()[0]);
    let agency = desk.id();
    let row = ArchiveRow { agency, key };
    put_lists(&network, 0);
    // It would be seen if the document were read for nothing.
    let container = Folder::new(desk.agency.home().archive_entry(key)).file(CONTAINER);
    std::fs::write(container, b"not what was sent").unwrap();
    let fault = archiving::archive(&office, &desk, row, Wish::BY_ITSELF).await;
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
    assert_eq!(office.index.archive_reason().unwrap(), None);
}

/// What the hub gives with the directory.
fn put_lists(network: &Network, node: usize) {
    let from = network.authority().join("trust/crl");
    copy(&from, &network.node(node).trust_dir().join("crl"));
}

#[tokio::test]
async fn without_revocation_lists_it_waits_visibly_and_not_for_ever() {
    let network = Network::new();
    let key = exchanged(&network);
    let office = network.office(0);
    office.stamps.hub_is_down();
    let desk = Arc::clone(&office.desks()[0]);
    let agency = desk.id();
    let row = ArchiveRow { agency, key };
    let by_itself = || archiving::archive(&office, &desk, row, Wish::BY_ITSELF);
    let done = by_itself().await.unwrap();
    assert_eq!(done.archived, Archived::AwaitsLists);
    let reason = office.index.archive_reason().unwrap().unwrap();
    assert!(reason.reason.contains("revocation lists"), "{reason:?}");
    assert_eq!(office.index.first_due_archive(office.now()).unwrap(), None);
    let due = Some(office.now());
    let rows = |waiting| office.index.archives(agency, due, waiting).unwrap();
    assert_eq!((rows(false), rows(true)), (vec![], vec![row]));
    // By command it goes without: nothing is missing but a time-stamp.
    let now = Wish {
        renew: Renew::WhenDue,
        await_lists: false,
    };
    let fault = archiving::archive(&office, &desk, row, now).await;
    assert!(matches!(fault, Err(ArchiveFault::Stamp(_))), "{fault:?}");
    // And after a week.
    let long_ago = crate::testing::now().minus_seconds(archiving::LISTS_SECONDS);
    office.index.set_archive(row, None, long_ago);
    office.index.await_lists(row, (long_ago, long_ago), "waits");
    let fault = by_itself().await;
    assert!(matches!(fault, Err(ArchiveFault::Stamp(_))), "{fault:?}");
    // Or when they come.
    office.index.set_archive(row, None, office.now());
    assert_eq!(by_itself().await.unwrap().archived, Archived::AwaitsLists);
    put_lists(&network, 0);
    let fault = by_itself().await;
    assert!(matches!(fault, Err(ArchiveFault::Stamp(_))), "{fault:?}");
}

#[tokio::test]
async fn documents_that_wait_for_lists_hold_up_nobody() {
    let network = Network::new();
    let key = exchanged(&network);
    let office = network.office(0);
    let desk = Arc::clone(&office.desks()[0]);
    let (agency, now) = (desk.agency.home().id(), office.now());
    let rows = [1, 2, 3].map(|number| {
        let id = envelope_id(number);
        let key = EnvelopeKey { id, ..key };
        ArchiveRow { agency, key }
    });
    let home = desk.agency.home();
    for row in &rows[1..] {
        copy(&home.archive_entry(key), &home.archive_entry(row.key));
        office.index.to_archive(agency, row.key);
    }
    // Each is looked at once, and their weeks begin together.
    for _ in rows {
        assert_eq!(archiving::next(&office).await, Duration::ZERO);
    }
    for row in rows {
        assert_eq!(office.index.awaits_lists_since(row), Some(now));
    }
    let first_due = || office.index.first_due_archive(now).unwrap();
    assert_eq!(first_due(), None);
    // From then on one stands for all, but for what has waited for a week.
    let week = now.minus_seconds(archiving::LISTS_SECONDS);
    assert!(office.index.set_archive(rows[2], None, now));
    assert!(office.index.await_lists(rows[2], (week, now), "waits"));
    for row in &rows[..2] {
        let before = now.minus_seconds(1);
        assert!(office.index.postpone_archive(*row, before, None));
    }
    assert_eq!(archiving::next(&office).await, Duration::ZERO);
    assert_eq!(first_due(), Some(rows[2]));
}

#[tokio::test]
async fn it_rests_where_the_index_cannot_be_written() {
    let (network, tsa) = (Network::new(), Tsa::new());
    let key = exchanged(&network);
    {
        let seat = network.seat(0);
        archive(&network, &seat, key, &tsa, NOW);
    }
    let office = network.office(0);
    office.index.read_only(true);
    assert_eq!(archiving::next(&office).await, archiving::LOOK);
    office.index.read_only(false);
    assert_eq!(archiving::next(&office).await, Duration::ZERO);
    assert_eq!(office.index.first_due_archive(office.now()).unwrap(), None);
}

#[tokio::test]
async fn faults_are_said_until_each_is_mended() {
    let network = Network::new();
    let key = exchanged(&network);
    put_lists(&network, 0);
    let office = network.office(0);
    let desk = Arc::clone(&office.desks()[0]);
    let agency = desk.id();
    let path = Folder::new(desk.agency.home().archive_entry(key)).file(ARCHIVE);
    std::fs::write(&path, b"no archive").unwrap();
    assert_eq!(archiving::next(&office).await, archiving::LOOK);
    let other = EnvelopeKey {
        id: envelope_id(9),
        ..key
    };
    office.index.to_archive(agency, other);
    let row = ArchiveRow { agency, key: other };
    assert!(office.index.set_archive(row, None, office.now()));
    let said = office.index.archive_reason().unwrap().unwrap();
    assert_eq!((said.key, said.others), (key, 0));
    assert!(said.reason.contains("restore it from a backup"), "{said:?}");
    let row = ArchiveRow { agency, key };
    assert!(office.index.set_archive(row, None, office.now()));
    assert_eq!(office.index.archive_reason().unwrap(), None);
}

#[test]
fn an_archive_gets_another_time_stamp_only_where_that_serves() {
    let network = Network::new();
    let office = network.office(0);
    let at = |days: u64| crate::testing::now().plus_seconds(days * DAY);
    let standing = |digest| write::Standing {
        time: at(0),
        until: at(400),
        digest,
    };
    let same = standing(office.config.archive.digest);
    let older = standing(DigestAlgorithm::Sha512);
    let serves = |renew, earlier, until| archiving::serves(&office, renew, earlier, at(until));
    for renew in [Renew::WhenDue, Renew::All] {
        assert!(!serves(renew, same, 400));
        assert!(serves(renew, same, 401));
    }
    assert!(serves(Renew::All, older, 400));
    assert!(!serves(Renew::WhenDue, older, 400));
    assert!(serves(Renew::Now, same, 400));
}

#[test]
fn an_agency_that_is_moved_is_renewed_where_it_went() {
    let (network, tsa) = (Network::new(), Tsa::new());
    let key = exchanged(&network);
    let (old, new) = (network.node(0), network.node(2));
    let (agency, home) = {
        let seat = network.seat(0);
        archive(&network, &seat, key, &tsa, NOW);
        (seat.id(), seat.agency.home().clone())
    };
    drop(network.seat(2));
    let name = home.path().file_name().unwrap();
    std::fs::rename(home.path(), new.agencies_dir().join(name)).unwrap();
    let first_due = |node: &NodeDirectory| {
        let index = Index::open(node).unwrap();
        index.first_due_archive(crate::testing::now()).unwrap()
    };
    assert_eq!(first_due(old), None);
    assert_eq!(first_due(new), Some(ArchiveRow { agency, key }));
}

/// A list may say by then that the key of its time-stamp's authority is known to others.
#[tokio::test]
async fn an_archive_is_looked_at_again_long_before_it_is_due() {
    let network = Network::new();
    let office = network.office(0);
    let (agency, now) = (office.desks()[0].id(), office.now());
    let mut rows = Vec::new();
    for random in [0, 255] {
        let (sender, id) = (agency, envelope_id(random));
        let key = EnvelopeKey { sender, id };
        let row = ArchiveRow { agency, key };
        office.index.to_archive(agency, key);
        let until = now.plus_seconds(1_000 * DAY);
        assert!(archiving::schedule(&office, row, Some(until), Some(until)).await);
        rows.push(row);
    }
    let at = |days| now.plus_seconds(days * DAY);
    let due = |days| {
        office
            .index
            .archives(agency, Some(at(days)), false)
            .unwrap()
    };
    assert_eq!(due(6), []);
    assert_eq!(due(7), rows[..1], "not all together");
    assert_eq!(due(14), rows);
}
