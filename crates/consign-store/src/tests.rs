//! Whole stores: the suite on every engine, and what happens to a journal store.

mod crash;
mod engines;
mod faults;

use std::path::Path;
use std::sync::Arc;

use crate::conformance::fixture;
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
