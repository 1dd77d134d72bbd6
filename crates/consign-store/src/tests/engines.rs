//! The conformance suite, engine by engine.

use super::{open, scratch, small};
use crate::conformance::{CHECKS, fixture};
use crate::disk::SimDisk;
use crate::{JournalStore, MemoryStore};

#[test]
fn in_memory() {
    for check in CHECKS {
        (check.run)(&MemoryStore::new(fixture::clock()));
    }
}

#[test]
fn journal_on_a_real_disk() {
    for check in CHECKS {
        let directory = tempfile::tempdir().unwrap();
        let (store, _) = JournalStore::open(directory.path(), small()).unwrap();
        (check.run)(&store);
        store.close().unwrap();
    }
}

#[test]
fn journal_on_a_simulated_disk() {
    for check in CHECKS {
        let index = scratch();
        let disk = SimDisk::new(1, 64 << 20, index.path().join("index"));
        let (store, _) = open(&disk, small()).unwrap();
        (check.run)(&store);
        store.close().unwrap();
    }
}
