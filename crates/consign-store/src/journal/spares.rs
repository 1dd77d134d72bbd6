//! Files that are preallocated and not yet segments: what is written into them needs no
//! more room on the disk.

use std::collections::BTreeSet;
use std::io;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use super::base::Base;
use super::files::{self, JOURNAL, segment_path, spare_path};
use super::frame::{self, FrameKind, Stamp};
use crate::disk::{Disk, DiskFile};
use crate::error::is_full;

/// Preallocated segments that only settlements may use up.
pub(crate) const RESERVE: usize = 2;

/// Preallocated segments that are kept: the reserve, and the next one.
const READY: usize = RESERVE + 1;

/// The spares of a journal.
#[derive(Debug)]
pub(crate) struct Spares {
    disk: Arc<dyn Disk>,
    segment_bytes: u64,
    /// Free bytes that are left to others when a spare is made.
    low_water: u64,
    state: Mutex<State>,
}

#[derive(Debug)]
struct State {
    ready: BTreeSet<u64>,
    /// Never given twice: a spare that is becoming a segment still has its old name.
    next: u64,
}

impl Spares {
    /// The spares that a directory has.
    pub(crate) fn find(
        disk: Arc<dyn Disk>,
        segment_bytes: u64,
        low_water: u64,
    ) -> io::Result<Self> {
        let mut ready = BTreeSet::new();
        for name in disk.list(JOURNAL)? {
            let Some(number) = files::spare_number(&name) else {
                continue;
            };
            // One that was not made to its end is no reserve.
            if disk.open(&spare_path(number))?.size()? == segment_bytes {
                ready.insert(number);
            } else {
                disk.remove(&spare_path(number))?;
            }
        }
        let next = ready.last().map_or(0, |last| last + 1);
        Ok(Self {
            disk,
            segment_bytes,
            low_water,
            state: Mutex::new(State { ready, next }),
        })
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn count(&self) -> usize {
        self.state().ready.len()
    }

    /// Whether what settlements may use up is there.
    pub(crate) fn has_reserve(&self) -> bool {
        self.count() >= RESERVE
    }

    /// Makes spares as far as the disk has room.
    pub(crate) fn replenish(&self) -> io::Result<()> {
        while self.count() < READY {
            if self.disk.free_space()? < self.segment_bytes.saturating_add(self.low_water) {
                return Ok(());
            }
            match self.make() {
                Err(fault) if is_full(&fault) => return Ok(()),
                made => made?,
            }
        }
        Ok(())
    }

    fn make(&self) -> io::Result<()> {
        let number = {
            let mut state = self.state();
            state.next += 1;
            state.next - 1
        };
        let path = spare_path(number);
        let file = self.disk.create(&path)?;
        let made = file
            .preallocate(self.segment_bytes)
            .and_then(|()| file.sync_data());
        if let Err(fault) = made {
            self.disk.remove(&path)?;
            return Err(fault);
        }
        self.state().ready.insert(number);
        Ok(())
    }

    /// Makes a spare the segment that follows `base.previous`, durably, with frames that
    /// are there from the first moment; gives its file and where its frames end.
    pub(crate) fn become_segment(
        &self,
        segment: u64,
        base: &Base,
        tail: &[u8],
    ) -> io::Result<(Arc<dyn DiskFile>, u64)> {
        if self.count() == 0 {
            self.make()?;
        }
        let number = self.state().ready.pop_first();
        let number = number.ok_or(io::ErrorKind::StorageFull)?;
        let file = self.disk.open(&spare_path(number))?;
        let unsalted = Stamp { segment, salt: 0 };
        let batch = base.previous.batch;
        let mut bytes = frame::encode(unsalted, FrameKind::Base, batch, &base.encode(), &[])
            .ok_or(io::ErrorKind::FileTooLarge)?;
        bytes.extend_from_slice(tail);
        file.write_at(&bytes, 0)?;
        file.sync_data()?;
        self.disk
            .rename(&spare_path(number), &segment_path(segment))?;
        self.disk.sync_dir(JOURNAL)?;
        Ok((file, bytes.len() as u64))
    }
}
