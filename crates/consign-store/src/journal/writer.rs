//! Appending to the journal: one frame, one `fdatasync`.

use std::io;
use std::sync::Arc;

use bytes::Bytes;

use super::base::{Base, Ledger, encode_footer};
use super::frame::{self, FrameKind, HEADER, Stamp};
use super::recovery::Span;
use super::rows::Row;
use super::spares::Spares;
use crate::disk::{Disk, DiskFile};
use crate::types::Position;

/// The end of the journal.
#[derive(Debug)]
pub(crate) struct JournalWriter {
    disk: Arc<dyn Disk>,
    segment_bytes: u64,
    spares: Arc<Spares>,
    file: Arc<dyn DiskFile>,
    stamp: Stamp,
    end: Position,
    /// Where the segment's first batch begins.
    start: Position,
    /// Where the first batch that we write into it begins.
    fresh: u64,
}

/// A segment that nothing is appended to any more, and which has no footer yet.
#[derive(Debug)]
pub(crate) struct Full {
    file: Arc<dyn DiskFile>,
    stamp: Stamp,
    pub(crate) span: Span,
}

impl Full {
    pub(crate) const fn new(file: Arc<dyn DiskFile>, stamp: Stamp, span: Span) -> Self {
        Self { file, stamp, span }
    }

    /// Ends the segment with its rows and gives back what it did not use.
    pub(crate) fn seal(&self, rows: &[Row]) -> io::Result<()> {
        let facts = encode_footer(rows);
        let end = self.span.end();
        let footer = frame::encode(self.stamp, FrameKind::Footer, end.batch, &facts, &[])
            .ok_or(io::ErrorKind::FileTooLarge)?;
        self.file.write_at(&footer, end.offset)?;
        self.file.set_size(end.offset + footer.len() as u64)?;
        self.file.sync_data()
    }
}

impl JournalWriter {
    /// Goes on at the end of a segment that was just made.
    pub(crate) fn new(
        disk: Arc<dyn Disk>,
        segment_bytes: u64,
        spares: Arc<Spares>,
        file: Arc<dyn DiskFile>,
        span: Span,
    ) -> Self {
        Self {
            disk,
            segment_bytes,
            spares,
            file,
            stamp: span.stamp(),
            end: span.end(),
            start: span.start(),
            fresh: span.end().offset,
        }
    }

    /// Where the journal ends.
    pub(crate) const fn end(&self) -> Position {
        self.end
    }

    /// The preallocated segments that are left.
    pub(crate) const fn spares(&self) -> &Arc<Spares> {
        &self.spares
    }

    /// Bytes that the open segment still takes, with a footer of so many.
    pub(crate) const fn room(&self, footer: u64) -> u64 {
        self.segment_bytes
            .saturating_sub(self.end.offset + footer + HEADER as u64)
    }

    /// Whether nothing was written into the open segment yet.
    pub(crate) const fn is_fresh(&self) -> bool {
        self.end.offset == self.fresh
    }

    /// Begins a new segment; gives the one before, which is full.
    pub(crate) fn next_segment(&mut self, ledger: Ledger) -> io::Result<Full> {
        let full = self.full();
        let base = Base {
            salt: self.disk.salt(),
            previous: self.end,
            ledger,
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
        self.start = self.end;
        self.fresh = offset;
        Ok(full)
    }

    /// The open segment, to be sealed.
    pub(crate) fn full(&self) -> Full {
        let span = Span::new(self.stamp, self.start, self.end);
        Full::new(self.file.clone(), self.stamp, span)
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
}
