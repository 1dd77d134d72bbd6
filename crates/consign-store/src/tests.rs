//! Whole stores: the suite on every engine, and what happens to a journal store.

mod crash;
mod damage;
mod engines;
mod faults;
mod go_on;
mod index;
mod retention;
mod uploads;

use std::io::Write as _;
use std::path::Path;
use std::sync::Arc;

use crate::Store;
use crate::conformance::fixture::{self, agency, key, submission};
use crate::conformance::whole_inbox;
use crate::disk::SimDisk;
use crate::{JournalStore, OpenError, Options, Recovery};

/// A directory for an index; in memory where the machine has such a place.
fn scratch() -> tempfile::TempDir {
    let memory = Path::new("/dev/shm");
    if memory.is_dir() {
        tempfile::tempdir_in(memory).unwrap()
    } else {
        tempfile::tempdir().unwrap()
    }
}

/// Says something that is seen also when the test passes.
fn say(text: &str) {
    // Not by a macro: the test harness would keep it to itself.
    let _ = writeln!(std::io::stderr().lock(), "    {text}");
}

fn small() -> Options {
    Options {
        segment_bytes: 64 << 10,
        low_water: 1 << 20,
        signers: 2,
        ..Options::new(fixture::clock())
    }
}

fn open(disk: &SimDisk, options: Options) -> Result<(JournalStore, Recovery), OpenError> {
    JournalStore::open_on(Arc::new(disk.clone()), options)
}

const fn all() -> crate::InboxBudget {
    crate::InboxBudget {
        items: 100_000,
        bytes: 1 << 30,
    }
}

fn sim(index: &tempfile::TempDir, capacity: u64) -> SimDisk {
    SimDisk::new(7, capacity, index.path().join("index"))
}

fn fill(store: &JournalStore, ids: std::ops::RangeInclusive<u32>) {
    let replies: Vec<_> = ids
        .map(|id| store.accept(submission(1, id, &[2, 3])))
        .collect();
    for reply in replies {
        reply.wait().unwrap();
    }
}

fn assert_holds(store: &JournalStore, count: usize) {
    for recipient in [2, 3] {
        assert_eq!(whole_inbox(store, agency(recipient)).len(), count);
    }
    for id in 1..=u32::try_from(count).unwrap() {
        let again = store.accept(submission(1, id, &[2, 3])).wait().unwrap();
        assert!(again.repeated, "envelope {id} was taken for a new one");
        assert_eq!(store.wraps(key(1, id)).unwrap().unwrap().len(), 2);
    }
}
