//! Full disks, failing disks, damaged files, second processes.

use std::fs;

use consign_domain::{Digest, DirectoryVersion, Sequence};

use super::{assert_holds, fill, open, scratch, sim, small};
use crate::conformance::fixture::{self, Random, agency, key, receipt, status, submission};
use crate::conformance::whole_inbox;
use crate::disk::{Disk, Fault};
use crate::{
    DirectoryNote, Health, IndexFate, JournalStore, OpenError, Options, SealError, Store,
    StoreError,
};

#[test]
fn a_closed_store_opens_at_once() {
    let index = scratch();
    let disk = sim(&index, 64 << 20);
    let (store, recovery) = open(&disk, small()).unwrap();
    assert_eq!((recovery.index, recovery.clean), (IndexFate::New, false));
    fill(&store, 1..=300);
    store.collected(agency(2), place(200)).unwrap();
    let directory = DirectoryNote {
        version: DirectoryVersion::FIRST,
        head: Digest::of(b"head"),
    };
    store.note_directory(directory).unwrap();
    store.close().unwrap();
    assert!(matches!(
        store.accept(submission(1, 999, &[2])).wait(),
        Err(StoreError::Closed)
    ));
    drop(store);

    let (store, recovery) = open(&disk, small()).unwrap();
    assert_eq!(recovery.index, IndexFate::Believed);
    assert!(recovery.clean && !recovery.rewritten && recovery.torn.is_none());
    assert_eq!(recovery.replayed, 0);
    assert_holds(&store, 300);
    let state = store.inbox_state(agency(2)).unwrap();
    assert_eq!(state.collected, Some(place(200)));
    assert_eq!(store.directory().unwrap(), Some(directory));
    assert!(recovery.position.segment > 3, "the segments are small");
    drop(store);
    let (_, recovery) = open(&disk, small()).unwrap();
    assert!(!recovery.clean, "it was opened in between");
}

fn place(value: u64) -> Sequence {
    Sequence::new(value).unwrap()
}

#[test]
fn a_full_disk_takes_nothing_new_and_goes_on_settling() {
    let index = scratch();
    let disk = sim(&index, 64 << 20);
    let (store, _) = open(&disk, small()).unwrap();
    fill(&store, 1..=100);
    // Others fill the disk to the last byte.
    disk.resize(0);
    assert_eq!(store.health().health, Health::Full);
    let fault = store.accept(submission(1, 101, &[2])).wait().unwrap_err();
    assert!(matches!(fault, StoreError::Full));
    assert!(fault.code().is_retryable());
    let fault = store.refuse(fixture::refusal(1, 102)).wait().unwrap_err();
    assert!(matches!(fault, StoreError::Full));
    let fault = store.stage(fixture::upload(1, 103, &[0; 2 << 20]));
    let fault = fault.unwrap_err();
    assert!(matches!(fault, StoreError::Full));

    for id in 1..=100_u32 {
        let place = u64::from(id);
        store.settle(receipt(1, id, 2, place)).wait().unwrap();
        store.settle(receipt(1, id, 3, place)).wait().unwrap();
        store.post(status(1, id, 1, "03")).wait().unwrap();
    }
    assert_eq!(whole_inbox(&store, agency(1)).len(), 300);
    assert_eq!(store.health().health, Health::Full);

    disk.resize(64 << 20);
    assert_eq!(
        store.health().health,
        Health::Good,
        "a hub that is told of a full disk never asks"
    );
    let recovered = (0..1000).any(|_| store.accept(submission(1, 101, &[2, 3])).wait().is_ok());
    assert!(recovered, "the store did not recover by itself");
    store.close().unwrap();
    drop(store);
    let (store, _) = open(&disk, small()).unwrap();
    assert_holds(&store, 101);
    assert_eq!(whole_inbox(&store, agency(1)).len(), 300);
}

#[test]
fn a_hub_stopped_on_a_full_disk_has_an_index_without_a_hole() {
    let index = scratch();
    let disk = sim(&index, 64 << 20);
    let (store, _) = open(&disk, small()).unwrap();
    fill(&store, 1..=60);
    // Segments are begun that wait for the index, and the disk has room again only by what
    // the last one gives back when it is sealed.
    let used = (64 << 20) - disk.free_space().unwrap();
    disk.resize(0);
    let settled = settle_on_the_reserve(&store);
    disk.resize(used + (48 << 10));
    store.close().unwrap();
    drop(store);
    disk.resize(64 << 20);
    let (store, _) = open(&disk, small()).unwrap();
    assert_holds(&store, 60);
    assert_eq!(whole_inbox(&store, agency(1)).len(), settled);
}

/// When the segment after it is let go one day, a segment's footer alone tells where it ends.
#[test]
fn what_a_kill_left_unsealed_is_sealed_at_the_next_start() {
    let index = scratch();
    let disk = sim(&index, 64 << 20);
    let (store, _) = open(&disk, small()).unwrap();
    fill(&store, 1..=60);
    disk.resize(0);
    // The indexer waits for room with one segment; the next ones wait for the indexer.
    settle_on_the_reserve(&store);
    drop(store);
    disk.kill();
    let unsealed = |disk: &crate::disk::SimDisk| {
        let mut paths = disk.paths();
        paths.retain(|path| path.ends_with(".segment"));
        let whole = |path: &&String| disk.bytes(path).unwrap().len() == 64 << 10;
        paths.iter().filter(whole).count()
    };
    assert!(unsealed(&disk) > 1);
    disk.resize(64 << 20);
    let (store, _) = open(&disk, small()).unwrap();
    assert_eq!(unsealed(&disk), 1, "the open one");
    assert_holds(&store, 60);
}

/// Settles and reports as long as there is room; tells how often.
fn settle_on_the_reserve(store: &JournalStore) -> usize {
    let mut done = 0;
    for id in 1..=60_u32 {
        for recipient in [2, 3] {
            let receipt = receipt(1, id, recipient, id.into());
            done += usize::from(store.settle(receipt).wait().is_ok());
        }
        for code in ["03", "04", "05", "06"] {
            done += usize::from(store.post(status(1, id, 1, code)).wait().is_ok());
        }
    }
    done
}

#[test]
fn a_disk_too_small_to_begin_on_is_named_as_such() {
    let index = scratch();
    let disk = sim(&index, 512 << 10);
    let options = Options {
        segment_bytes: 1 << 20,
        ..small()
    };
    let full = open(&disk, options.clone()).unwrap_err();
    let needs = |needed: &u64| *needed == options.segment_bytes;
    assert!(
        matches!(&full, OpenError::DiskFull { free, needed } if *free > 0 && needs(needed)),
        "{full}"
    );
    disk.resize(64 << 20);
    let (store, _) = open(&disk, options).unwrap();
    fill(&store, 1..=1);
}

#[test]
fn a_used_up_reserve_refuses_settlements_retryably() {
    let index = scratch();
    let disk = sim(&index, 64 << 20);
    let options = Options {
        segment_bytes: 16 << 10,
        ..small()
    };
    let (store, _) = open(&disk, options.clone()).unwrap();
    fill(&store, 1..=200);
    disk.resize(0);
    let mut settled = 0;
    for id in 1..=200_u32 {
        match store.settle(receipt(1, id, 2, id.into())).wait() {
            Ok(_) => settled += 1,
            Err(fault) => {
                assert!(matches!(fault, StoreError::Full), "{fault}");
                break;
            }
        }
    }
    assert!((50..200).contains(&settled), "{settled}");
    assert_ne!(store.health().health, Health::Poisoned);
    drop(store);
    disk.power_cut();
    let full = open(&disk, options.clone()).unwrap_err();
    assert!(matches!(full, OpenError::DiskFull { .. }), "{full}");
    disk.resize(64 << 20);
    let (store, _) = open(&disk, options).unwrap();
    assert_eq!(whole_inbox(&store, agency(1)).len(), settled);
    assert_holds(&store, 200);
}

#[test]
fn a_failed_write_poisons() {
    for after in 0..6 {
        let index = scratch();
        let disk = sim(&index, 64 << 20);
        let (store, _) = open(&disk, small()).unwrap();
        fill(&store, 1..=10);
        disk.inject(Fault::Once { after });
        let faults = (11..=40)
            .map(|id| store.accept(submission(1, id, &[2, 3])).wait())
            .filter_map(Result::err)
            .collect::<Vec<_>>();
        assert!(!faults.is_empty());
        assert!(
            faults
                .iter()
                .all(|fault| matches!(fault, StoreError::Failed))
        );
        assert_eq!(store.health().health, Health::Poisoned);
        assert!(matches!(store.close(), Err(StoreError::Failed)));
        drop(store);
        disk.kill();
        let (store, _) = open(&disk, small()).unwrap();
        assert!(whole_inbox(&store, agency(2)).len() >= 10);
    }
}

#[test]
fn an_acceptance_that_cannot_be_signed_poisons() {
    let index = scratch();
    let disk = sim(&index, 64 << 20);
    let (store, _) = open(&disk, small()).unwrap();
    fill(&store, 1..=10);
    let mut unsigned = submission(1, 11, &[2, 3]);
    unsigned.seal = Box::new(|_| Err(SealError("no key".into())));
    let fault = store.accept(unsigned).wait().unwrap_err();
    assert!(matches!(fault, StoreError::Failed));
    assert_eq!(store.health().health, Health::Poisoned);
    drop(store);
    let (store, _) = open(&disk, small()).unwrap();
    assert_holds(&store, 10);
}

/// What was signed after it is held back by the committer: it must not wait for ever.
#[test]
fn what_comes_after_a_failed_signature_is_answered() {
    let index = scratch();
    let disk = sim(&index, 64 << 20);
    let (store, _) = open(&disk, small()).unwrap();
    let (third_is_here, wait) = std::sync::mpsc::channel::<()>();
    let mut first = submission(1, 1, &[2]);
    first.seal = Box::new(move |_| {
        assert!(wait.recv().is_err());
        Err(SealError("no key".into()))
    });
    let mut third = submission(1, 3, &[2]);
    let sign = std::mem::replace(
        &mut third.seal,
        Box::new(|_| Err(SealError("replaced".into()))),
    );
    // Two sign: the one that signs the third has handed the second on.
    third.seal = Box::new(move |places| {
        drop(third_is_here);
        sign(places)
    });
    let replies = [first, submission(1, 2, &[2]), third].map(|submission| store.accept(submission));
    for reply in replies {
        assert!(matches!(reply.wait(), Err(StoreError::Failed)));
    }
    assert_eq!(store.health().health, Health::Poisoned);
}

#[test]
fn a_directory_has_one_store() {
    let directory = tempfile::tempdir().unwrap();
    let (store, _) = JournalStore::open(directory.path(), small()).unwrap();
    let second = JournalStore::open(directory.path(), small()).unwrap_err();
    assert!(matches!(second, OpenError::Locked));
    fill(&store, 1..=300);
    while store.health().index.segment < 2 {
        std::thread::yield_now();
    }
    drop(store);
    let (store, recovery) = JournalStore::open(directory.path(), small()).unwrap();
    assert_eq!(recovery.index, IndexFate::Believed, "the boot is the same");
    assert_holds(&store, 300);
    store.close().unwrap();
    drop(store);
    let (store, recovery) = JournalStore::open(directory.path(), small()).unwrap();
    assert!(recovery.clean);
    assert_holds(&store, 300);
}

#[test]
fn a_small_overlay_only_slows() {
    let index = scratch();
    let disk = sim(&index, 64 << 20);
    let options = Options {
        overlay_bytes: 2 << 10,
        ..small()
    };
    let (store, _) = open(&disk, options).unwrap();
    fill(&store, 1..=300);
    assert_holds(&store, 300);
}

#[test]
fn what_is_damaged_or_missing_is_named() {
    let index = scratch();
    let disk = sim(&index, 64 << 20);
    let (store, _) = open(&disk, small()).unwrap();
    fill(&store, 1..=300);
    store.close().unwrap();
    drop(store);
    let second = "journal/0000000000000002.segment";
    let (wrap, wrapped) = find(&disk.bytes(second).unwrap(), "wrap of ");
    let (payload, paid) = find(&disk.bytes(second).unwrap(), "payload ");
    disk.tamper(second, |bytes| {
        bytes[wrap] ^= 1;
        bytes[payload] ^= 1;
    });
    fs::remove_dir_all(disk.index_dir()).unwrap();
    // The footer has the rows: the index comes back, and the damage is named when read.
    let (store, _) = open(&disk, small()).unwrap();
    let is_named = |fault| matches!(fault, StoreError::Damaged { segment: 2, .. });
    assert!(is_named(store.wraps(key(1, wrapped)).unwrap_err()));
    assert!(is_named(store.payload(key(1, paid)).unwrap_err()));
    assert!(is_named(
        store.inbox(agency(2), None, super::all()).unwrap_err()
    ));
    for id in (1..=300).filter(|id| ![wrapped, paid].contains(id)) {
        store.wraps(key(1, id)).unwrap().unwrap();
        store.payload(key(1, id)).unwrap().unwrap();
    }
    drop(store);
    disk.remove(second).unwrap();
    let missing = open(&disk, small()).unwrap_err();
    assert!(
        matches!(missing, OpenError::Missing { segment: 2 }),
        "{missing}"
    );
}

/// Where a word first stands, and the number after it.
fn find(bytes: &[u8], word: &str) -> (usize, u32) {
    let mut places = bytes.windows(word.len());
    let at = places.position(|part| part == word.as_bytes()).unwrap();
    let rest = &bytes[at + word.len()..];
    let digits = rest.iter().take_while(|byte| byte.is_ascii_digit()).count();
    let number = std::str::from_utf8(&rest[..digits]).unwrap();
    (at, number.parse().unwrap())
}

#[test]
fn a_missing_beginning_is_named() {
    let index = scratch();
    let disk = sim(&index, 64 << 20);
    let (store, _) = open(&disk, small()).unwrap();
    fill(&store, 1..=300);
    store.close().unwrap();
    drop(store);
    for segment in [1, 2] {
        let path = format!("journal/{segment:016x}.segment");
        disk.remove(&path).unwrap();
        let missing = open(&disk, small()).unwrap_err();
        assert!(
            matches!(missing, OpenError::Missing { segment: found } if found == segment),
            "{missing}"
        );
    }
}

#[test]
fn a_payload_file_that_was_cut_is_damaged() {
    let payload = vec![9; 1_100_000];
    let digest = Digest::of(&payload);
    let index = scratch();
    let disk = sim(&index, 64 << 20);
    let (store, _) = open(&disk, small()).unwrap();
    let mut sent = submission(1, 1, &[2]);
    sent.payload = fixture::stage(&store, 1, 1, &payload);
    store.accept(sent).wait().unwrap();
    let path = disk
        .paths()
        .into_iter()
        .find(|path| path.starts_with("payloads/"));
    disk.tamper(&path.unwrap(), |bytes| bytes.truncate(1_000_000));
    let source = store.payload(key(1, 1)).unwrap().unwrap();
    assert_eq!(source.read_at(0, 100).unwrap().len(), 100);
    let fault = source.read_at(999_999, 100).unwrap_err();
    assert!(
        matches!(fault, StoreError::PayloadDamaged { digest: found } if found == digest),
        "{fault}"
    );
}

#[test]
fn a_missing_end_is_named_every_time() {
    let index = scratch();
    let disk = sim(&index, 64 << 20);
    let (store, _) = open(&disk, small()).unwrap();
    fill(&store, 1..=300);
    let last = store.health().journal.segment;
    store.close().unwrap();
    drop(store);
    disk.remove(&format!("journal/{last:016x}.segment"))
        .unwrap();
    for _ in 0..3 {
        let missing = open(&disk, small()).unwrap_err();
        assert!(matches!(missing, OpenError::Missing { segment } if segment == last));
        // A machine that starts anew does not make the store forget.
        disk.sync_dir("journal").unwrap();
        disk.power_cut();
    }
}

/// Cuts or corrupts the last segment anywhere: what was answered is there, or the
/// damage is named.
#[test]
fn a_journal_cut_or_corrupted_anywhere_never_lies() {
    let mut random = Random(5);
    let (mut torn, mut named) = (0, 0);
    for _ in 0..150 {
        let index = scratch();
        let disk = sim(&index, 64 << 20);
        let (store, _) = open(&disk, small()).unwrap();
        for id in 1..=12 {
            fill(&store, id..=id);
        }
        drop(store);
        let end = disk.bytes("journal/0000000000000001.segment").unwrap();
        let used = end.iter().rposition(|byte| *byte != 0).unwrap();
        let at = random.place(used + 1);
        let cut = random.below(2) == 0;
        disk.tamper("journal/0000000000000001.segment", |bytes| {
            if cut {
                bytes[at..].fill(0);
            } else {
                bytes[at] ^= 1 << random.below(8);
            }
        });
        // Another boot and no index: only the journal itself can tell.
        disk.power_cut();
        match open(&disk, small()) {
            Err(OpenError::Damaged { segment: 1, .. }) => named += 1,
            Err(fault) => panic!("{fault}"),
            Ok((store, recovery)) => {
                let left = whole_inbox(&store, agency(2)).len();
                assert!(left == 12 || recovery.torn.is_some() || cut, "{left}");
                assert!(cut || left >= 11, "only the last batch can be torn");
                torn += 1;
            }
        }
    }
    assert!(torn > 10 && named > 10, "torn {torn}, named {named}");
}

#[test]
fn damage_below_what_the_index_has_is_named() {
    let index = scratch();
    let disk = sim(&index, 64 << 20);
    let (store, _) = open(&disk, small()).unwrap();
    fill(&store, 1..=300);
    while store.health().index.segment < 2 {
        std::thread::yield_now();
    }
    let end = store.health().index;
    drop(store);
    disk.tamper("journal/0000000000000002.segment", |bytes| {
        let end = usize::try_from(end.offset).unwrap();
        bytes[end - 10..].fill(0);
    });
    // The segment after it says how far it must reach: also with no index.
    disk.tamper("journal/0000000000000003.segment", |bytes| {
        bytes.truncate(100)
    });
    let damaged = open(&disk, small()).unwrap_err();
    assert!(matches!(damaged, OpenError::Damaged { .. }), "{damaged}");
}
