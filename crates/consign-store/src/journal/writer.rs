//! Appending to the journal: one frame, one `fdatasync`.

use std::collections::BTreeSet;
use std::io;
use std::sync::Arc;

use bytes::Bytes;

use super::base::{Base, Ledger, encode_footer, footer_size};
use super::files::{self, JOURNAL, segment_path, spare_path};
use super::frame::{self, FrameKind, HEADER, Stamp};
use super::rows::Row;
use crate::disk::{Disk, DiskFile};
use crate::types::Position;

/// Preallocated segments that only settlements may use up.
pub(crate) const RESERVE: usize = 2;

/// Files that are preallocated and not yet segments.
#[derive(Debug)]
pub(crate) struct Spares {
    disk: Arc<dyn Disk>,
    segment_bytes: u64,
    /// Free bytes that are left to others when a spare is made.
    low_water: u64,
    ready: BTreeSet<u64>,
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
        Ok(Self {
            disk,
            segment_bytes,
            low_water,
            ready,
        })
    }

    pub(crate) fn count(&self) -> usize {
        self.ready.len()
    }

    /// Fills the reserve as far as the disk has room.
    pub(crate) fn replenish(&mut self) -> io::Result<()> {
        while self.ready.len() < RESERVE {
            if self.disk.free_space()? < self.segment_bytes.saturating_add(self.low_water) {
                return Ok(());
            }
            match self.make() {
                Err(fault) if fault.kind() == io::ErrorKind::StorageFull => return Ok(()),
                made => made?,
            }
        }
        Ok(())
    }

    fn make(&mut self) -> io::Result<()> {
        let number = self.ready.last().map_or(0, |last| last + 1);
        let path = spare_path(number);
        let file = self.disk.create(&path)?;
        let made = file
            .preallocate(self.segment_bytes)
            .and_then(|()| file.sync_data());
        if let Err(fault) = made {
            self.disk.remove(&path)?;
            return Err(fault);
        }
        self.ready.insert(number);
        Ok(())
    }

    /// Makes a spare the segment that follows `base.previous`, durably, with frames that
    /// are there from the first moment; gives its file and where its frames end.
    pub(crate) fn become_segment(
        &mut self,
        segment: u64,
        base: &Base,
        tail: &[u8],
    ) -> io::Result<(Arc<dyn DiskFile>, u64)> {
        if self.ready.is_empty() {
            self.make()?;
        }
        let number = self.ready.pop_first().ok_or(io::ErrorKind::StorageFull)?;
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

/// The end of the journal.
#[derive(Debug)]
pub(crate) struct JournalWriter {
    disk: Arc<dyn Disk>,
    segment_bytes: u64,
    spares: Spares,
    file: Arc<dyn DiskFile>,
    stamp: Stamp,
    end: Position,
    /// Where the first batch that we write into this segment begins.
    start: u64,
    /// The rows of the segment so far, for its footer.
    rows: Vec<Row>,
    footer: u64,
}

impl JournalWriter {
    /// Goes on at the end of a segment that was just made.
    pub(crate) fn new(
        disk: Arc<dyn Disk>,
        segment_bytes: u64,
        spares: Spares,
        file: Arc<dyn DiskFile>,
        stamp: Stamp,
        end: Position,
    ) -> Self {
        Self {
            disk,
            segment_bytes,
            spares,
            file,
            stamp,
            end,
            start: end.offset,
            rows: Vec::new(),
            footer: HEADER as u64,
        }
    }

    /// Where the journal ends.
    pub(crate) const fn end(&self) -> Position {
        self.end
    }

    /// Preallocated segments that are left.
    pub(crate) fn spares(&self) -> usize {
        self.spares.count()
    }

    /// Bytes that can be written with no more room on the disk.
    pub(crate) fn room(&self) -> u64 {
        let here = self
            .segment_bytes
            .saturating_sub(self.end.offset + self.footer);
        let spare = self
            .segment_bytes
            .saturating_mul(self.spares.count() as u64);
        here + spare
    }

    /// Fills the reserve as far as the disk has room.
    pub(crate) fn replenish(&mut self) -> io::Result<()> {
        self.spares.replenish()
    }

    /// Keeps rows for the footer of the segment that they came from.
    pub(crate) fn keep_rows(&mut self, rows: &[Row]) {
        self.footer += footer_size(rows);
        self.rows.extend_from_slice(rows);
    }

    /// Begins a new segment if a frame of `size` bytes, with rows of `rows` bytes, does
    /// not fit into this one.
    pub(crate) fn make_room(
        &mut self,
        size: u64,
        rows: u64,
        ledger: impl FnOnce() -> Ledger,
    ) -> io::Result<()> {
        let needed = self.end.offset + size + self.footer + rows;
        if needed <= self.segment_bytes || self.end.offset == self.start {
            return Ok(());
        }
        self.close_segment()?;
        let base = Base {
            salt: self.disk.salt(),
            previous: self.end,
            ledger: ledger(),
        };
        let segment = self.end.segment + 1;
        let (file, offset) = self.spares.become_segment(segment, &base, &[])?;
        self.file = file;
        self.stamp = Stamp {
            segment,
            salt: base.salt,
        };
        self.end = Position {
            segment,
            offset,
            ..self.end
        };
        self.start = offset;
        self.rows.clear();
        self.footer = HEADER as u64;
        self.spares.replenish()
    }

    /// Writes one batch; durable when it returns.
    pub(crate) fn append(&mut self, facts: &[u8], bulk: &[Bytes]) -> io::Result<()> {
        let batch = self.end.batch + 1;
        let frame = frame::encode(self.stamp, FrameKind::Batch, batch, facts, bulk)
            .ok_or(io::ErrorKind::FileTooLarge)?;
        self.file.write_at(&frame, self.end.offset)?;
        self.file.sync_data()?;
        self.end.offset += frame.len() as u64;
        self.end.batch = batch;
        Ok(())
    }

    /// Ends the segment with its rows and gives back what it did not use.
    pub(crate) fn close_segment(&mut self) -> io::Result<()> {
        let facts = encode_footer(&self.rows);
        let footer = frame::encode(self.stamp, FrameKind::Footer, self.end.batch, &facts, &[])
            .ok_or(io::ErrorKind::FileTooLarge)?;
        self.file.write_at(&footer, self.end.offset)?;
        self.file.set_size(self.end.offset + footer.len() as u64)?;
        self.file.sync_data()
    }
}
