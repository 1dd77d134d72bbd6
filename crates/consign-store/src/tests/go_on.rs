//! Data were lost and it was decided to go on: no place is ever given twice.

use std::fs;

use consign_domain::Sequence;

use super::{all, fill, open, scratch, sim, small};
use crate::conformance::fixture::{agency, submission};
use crate::disk::Disk;
use crate::{GoOn, OpenError, Options, Store};

fn at(place: u64) -> Sequence {
    Sequence::new(place).unwrap()
}

fn decided(seen: u64) -> Options {
    Options {
        go_on: Some(GoOn {
            seen: [(agency(2), at(seen)), (agency(9), at(3))].into(),
            step: 1_000,
        }),
        ..small()
    }
}

#[test]
fn inboxes_go_on_above_what_anybody_has_seen() {
    let index = scratch();
    let disk = sim(&index, 64 << 20);
    let (store, _) = open(&disk, small()).unwrap();
    fill(&store, 1..=5);
    drop(store);
    // What may not be on the disk yet is made certain first.
    fs::remove_dir_all(disk.index_dir()).unwrap();
    assert!(matches!(open(&disk, decided(1)), Err(OpenError::NotClosed)));
    let (store, _) = open(&disk, small()).unwrap();
    store.close().unwrap();
    drop(store);
    let (store, _) = open(&disk, decided(1_200)).unwrap();
    let check = |store: &dyn Store| {
        for place in [6, 1_200, 2_000] {
            assert_eq!(store.item_digest(agency(2), at(place)).unwrap(), None);
        }
    };
    check(&store);
    store.accept(submission(1, 6, &[2, 3, 9])).wait().unwrap();
    let places = |store: &dyn Store, number, after: Option<u64>| -> Vec<u64> {
        let items = store.inbox(agency(number), after.map(at), all()).unwrap();
        items.iter().map(|item| item.sequence.value()).collect()
    };
    let holds = |store: &dyn Store| {
        check(store);
        // What came before is still given, then what came after.
        assert_eq!(places(store, 2, Some(3)), [4, 5, 2_001]);
        assert_eq!(places(store, 2, Some(1_200)), [2_001]);
        assert_eq!(places(store, 3, None), [1, 2, 3, 4, 5, 1_001]);
        assert_eq!(places(store, 9, None), [1_001]);
    };
    holds(&store);
    store.close().unwrap();
    drop(store);
    // The index is made anew, and it is decided once more before anything came.
    fs::remove_dir_all(disk.index_dir()).unwrap();
    let (store, _) = open(&disk, small()).unwrap();
    holds(&store);
    store.close().unwrap();
    drop(store);
    for _ in 0..2 {
        let (store, _) = open(&disk, decided(1)).unwrap();
        store.close().unwrap();
    }
    let (store, _) = open(&disk, small()).unwrap();
    // Nothing was known of it: it may have been given places that were lost.
    assert_eq!(
        store.inbox_state(agency(4)).unwrap().last,
        Some(at(3_000)),
        "one step for each decision"
    );
    assert_eq!(store.item_digest(agency(4), at(3)).unwrap(), None);
    store.collected(agency(4), at(3)).unwrap();
    store.accept(submission(1, 8, &[4])).wait().unwrap();
    assert_eq!(places(&store, 4, Some(3)), [3_001]);
    assert_eq!(places(&store, 2, Some(5)), [2_001]);
    store.accept(submission(1, 7, &[2])).wait().unwrap();
    assert_eq!(places(&store, 2, Some(5)), [2_001, 4_001]);
    store.close().unwrap();
}
