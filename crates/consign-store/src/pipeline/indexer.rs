//! Lets the index follow the journal, in the background.

use std::sync::atomic::Ordering;
use std::sync::mpsc::Receiver;
use std::sync::{Arc, PoisonError};

use super::Shared;
use crate::index::Flush;
use crate::journal::rows::Row;
use crate::types::Position;

/// Rows that are taken to the index together, at least as far as they are there.
const ROWS: usize = 64;

/// The rows of a durable batch, and where it ends.
#[derive(Debug)]
pub(crate) struct Followed {
    pub(crate) rows: Vec<Row>,
    pub(crate) position: Position,
}

/// Runs until the committer is gone and everything is in the index.
pub(crate) fn run(shared: &Arc<Shared>, batches: &Receiver<Followed>) {
    while let Ok(mut batch) = batches.recv() {
        while batch.rows.len() < ROWS {
            let Ok(next) = batches.try_recv() else { break };
            batch.rows.extend(next.rows);
            batch.position = next.position;
        }
        if !wait_for_disk(shared) || shared.is_over() {
            return;
        }
        let index = shared.index.read().unwrap_or_else(PoisonError::into_inner);
        let applied = index.as_ref().is_some_and(|index| {
            index
                .apply(&batch.rows, batch.position, Flush::Often)
                .is_ok()
        });
        drop(index);
        if !applied {
            shared.distrust_index();
            return;
        }
        shared.overlay.remove(&batch.rows);
        shared.room_changed();
    }
}

/// Waits while the disk is too full for sled; `false` if there is nothing to wait for.
fn wait_for_disk(shared: &Shared) -> bool {
    loop {
        let free = shared.disk.free_space().unwrap_or(0);
        let room = free >= shared.options.index_room();
        shared.index_paused.store(!room, Ordering::SeqCst);
        if room {
            return true;
        }
        if shared.is_over() || shared.closing.load(Ordering::SeqCst) {
            return false;
        }
        shared.pause();
    }
}
