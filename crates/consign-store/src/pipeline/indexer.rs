//! Seals full segments and lets the index follow, in the background.

use std::io;
use std::sync::atomic::Ordering;
use std::sync::mpsc::{Receiver, Sender};
use std::sync::{Arc, PoisonError};

use super::Shared;
use super::overlay::Table;
use crate::index::{Index, IndexFault};
use crate::journal::writer::Full;

/// What the indexer is given to do.
#[derive(Debug)]
pub(crate) enum Task {
    /// A segment is full.
    Seal(Full, Arc<Table>),
    /// An index that was made anew is to take the place of the one in use.
    Exchange(Box<Index>, Sender<()>),
}

/// Runs until nobody has anything to do for it, and all is in the index.
pub(crate) fn run(shared: &Arc<Shared>, tasks: &Receiver<Task>) {
    // An index that has missed a segment takes no later one: its mark says up to where it
    // has them all. The next opening catches up.
    let mut follows = true;
    while let Ok(task) = tasks.recv() {
        if shared.is_over() {
            return;
        }
        match task {
            Task::Seal(full, table) => match seal(shared, &full, &table, follows) {
                Ok(followed) => follows = followed,
                Err(fault) => {
                    shared.poison("a segment cannot be sealed", Some(&fault));
                    return;
                }
            },
            Task::Exchange(index, done) => {
                if exchange(shared, *index).is_err() {
                    shared.distrust_index();
                    return;
                }
                let _asked_may_have_gone = done.send(());
            }
        }
    }
}

/// Seals a segment; says whether the index has it.
fn seal(shared: &Shared, full: &Full, table: &Table, follows: bool) -> io::Result<bool> {
    // First what submissions wait for.
    shared.spares.replenish()?;
    let rows = table.look(|projection| projection.rows(table.segment));
    full.seal(&rows)?;
    shared.spans().insert(full.span);
    if !follows || !wait_for_disk(shared) || shared.is_over() {
        return Ok(false);
    }
    let index = shared.index.read().unwrap_or_else(PoisonError::into_inner);
    let applied = index.as_ref().is_some_and(|index| {
        let end = full.span.end();
        index.apply(&rows, end).is_ok()
    });
    drop(index);
    if applied {
        shared.overlay.remove(table.segment);
        shared.room_changed();
    } else {
        shared.distrust_index();
    }
    Ok(applied)
}

/// Lets a fresh index follow up to where the one in use is, and uses it from now on.
fn exchange(shared: &Shared, fresh: Index) -> Result<(), IndexFault> {
    let reach = shared.index_position().segment;
    let spans = shared.spans().clone();
    let from = fresh.position().segment;
    // Nobody else writes to the one in use: it stays where it is meanwhile.
    let followed = spans.rows(&shared.segments, from, &mut |rows, end| {
        if end.segment <= reach {
            fresh.apply(rows, end)?;
        }
        Ok(())
    });
    followed.map_err(|_| IndexFault)?;
    let marked = shared.marks.set_index(fresh.generation());
    marked.map_err(|_| IndexFault)?;
    let mut place = shared.index.write().unwrap_or_else(PoisonError::into_inner);
    let old = place.replace(fresh);
    drop(place);
    if let Some(old) = old {
        old.destroy();
    }
    Ok(())
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
