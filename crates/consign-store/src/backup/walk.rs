//! One segment after the other, frame by frame.

use std::collections::HashMap;
use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt as _;
use std::path::{Path, PathBuf};

use consign_domain::{Digest, EnvelopeKey};

use super::{JournalFault, JournalReport, io_fault};
use crate::disk::DiskFile;
use crate::journal::base::Ledger;
use crate::journal::frame::FrameKind;
use crate::journal::ranges::Ranges;
use crate::journal::record::{PayloadFact, Record};
use crate::journal::scan::{self, Check, Frame, Opened};
use crate::types::Position;

/// A file that is only read.
#[derive(Debug)]
pub(super) struct ReadFile(File);

impl DiskFile for ReadFile {
    fn read_at(&self, buffer: &mut [u8], offset: u64) -> io::Result<usize> {
        let mut done = 0;
        while let Some(rest) = buffer.get_mut(done..).filter(|rest| !rest.is_empty()) {
            match self.0.read_at(rest, offset + done as u64) {
                Ok(0) => break,
                Ok(read) => done += read,
                Err(fault) if fault.kind() == io::ErrorKind::Interrupted => {}
                Err(fault) => return Err(fault),
            }
        }
        Ok(done)
    }

    fn write_at(&self, _: &[u8], _: u64) -> io::Result<()> {
        Err(io::ErrorKind::ReadOnlyFilesystem.into())
    }

    fn sync_data(&self) -> io::Result<()> {
        Err(io::ErrorKind::ReadOnlyFilesystem.into())
    }

    fn size(&self) -> io::Result<u64> {
        self.0.metadata().map(|metadata| metadata.len())
    }

    fn set_size(&self, _: u64) -> io::Result<()> {
        Err(io::ErrorKind::ReadOnlyFilesystem.into())
    }

    fn preallocate(&self, _: u64) -> io::Result<()> {
        Err(io::ErrorKind::ReadOnlyFilesystem.into())
    }
}

/// What was read so far.
#[derive(Debug, Default)]
pub(super) struct Walk {
    pub(super) report: JournalReport,
    /// The files that are named, and their sizes.
    named: HashMap<EnvelopeKey, (Digest, u64)>,
}

/// A segment that is read.
pub(super) struct Segment {
    number: u64,
    path: PathBuf,
    file: ReadFile,
    opened: Opened,
}

impl Segment {
    pub(super) fn open(number: u64, path: &Path) -> Result<Self, JournalFault> {
        let file = ReadFile(File::open(path).map_err(io_fault(path))?);
        let opened = scan::open_segment(&file, number).map_err(io_fault(path))?;
        let opened = opened.ok_or(JournalFault::Damaged {
            segment: number,
            offset: 0,
        })?;
        Ok(Self {
            number,
            path: path.to_owned(),
            file,
            opened,
        })
    }

    /// Where the segment before this one ends.
    pub(super) const fn previous(&self) -> Position {
        self.opened.base.previous
    }

    /// Segments that count no more, by this one, the newest.
    pub(super) fn removed(&self) -> Result<Ranges, JournalFault> {
        let ledger = self.frames(None, &mut |_| {})?.1;
        Ok(Ranges::clone(&ledger.removed))
    }

    /// That this segment goes on where what was read ends.
    pub(super) fn follows(&self, walk: &Walk) -> Result<(), JournalFault> {
        let previous = self.previous();
        // One that was removed cannot be held against it.
        let adjoins = walk.report.segments > 0 && walk.report.end.segment == previous.segment;
        if previous.segment + 1 == self.number && (!adjoins || walk.report.end == previous) {
            Ok(())
        } else {
            Err(self.damaged(0))
        }
    }

    /// Reads all frames, up to `end` where the next segment says so; tells whether a footer
    /// closes them.
    pub(super) fn read(
        &self,
        end: Option<Position>,
        walk: &mut Walk,
    ) -> Result<bool, JournalFault> {
        let (mut envelopes, mut until) = (0, walk.report.accepted_until);
        let named = &mut walk.named;
        let (last, ledger) = self.frames(end, &mut |record| {
            // What was carried forward is in no older segment that counts for long.
            let accepted = match record {
                Record::Accepted(accepted) => accepted,
                Record::Carried(inner) => match inner.as_ref() {
                    Record::Accepted(accepted) => accepted,
                    _ => return,
                },
                _ => return,
            };
            envelopes += 1;
            until = until.max(Some(accepted.accepted));
            match accepted.payload {
                PayloadFact::File { digest, size } => {
                    named.insert(accepted.key, (digest, size));
                }
                PayloadFact::Gone { .. } => drop(named.remove(&accepted.key)),
                PayloadFact::Bulk { .. } => {}
            }
        })?;
        let report = &mut walk.report;
        report.envelopes += envelopes;
        report.accepted_until = until;
        report.end = last.end;
        let inboxes = ledger.inboxes.iter();
        report.inboxes = inboxes.map(|(agency, ends)| (*agency, ends.last)).collect();
        Ok(last.sealed)
    }

    fn frames(
        &self,
        end: Option<Position>,
        visit: &mut dyn FnMut(&Record),
    ) -> Result<(Last, Ledger), JournalFault> {
        let mut ledger = self.opened.base.ledger.clone();
        let mut at = Position {
            batch: self.previous().batch,
            segment: self.number,
            offset: self.opened.start,
        };
        let mut sealed = false;
        while end.is_none_or(|end| at.offset < end.offset) {
            let Some(frame) = self.frame(at.offset)? else {
                break;
            };
            match frame.header.kind {
                FrameKind::Batch if frame.header.batch == at.batch + 1 => {}
                FrameKind::Footer if end.is_none() && frame.header.batch == at.batch => {
                    sealed = true;
                    break;
                }
                _ => return Err(self.damaged(at.offset)),
            }
            let damaged = || self.damaged(frame.offset);
            for (record, _) in scan::records(&frame).map_err(|_| damaged())? {
                ledger.apply(&record).map_err(|_| damaged())?;
                visit(&record);
            }
            at.offset = frame.end();
            at.batch += 1;
        }
        if end.is_some_and(|end| end != at) {
            return Err(self.damaged(at.offset));
        }
        Ok((Last { end: at, sealed }, ledger))
    }

    fn frame(&self, offset: u64) -> Result<Option<Frame>, JournalFault> {
        scan::frame_at(&self.file, self.opened.stamp, offset, Check::Whole)
            .map_err(io_fault(&self.path))
    }

    const fn damaged(&self, offset: u64) -> JournalFault {
        JournalFault::Damaged {
            segment: self.number,
            offset,
        }
    }
}

/// How a segment ends.
struct Last {
    end: Position,
    sealed: bool,
}

impl Walk {
    /// That every file that is named is there, with its size.
    pub(super) fn check_payloads(
        &self,
        payload: &dyn Fn(Digest) -> Option<u64>,
    ) -> Result<(), JournalFault> {
        for (envelope, (digest, size)) in &self.named {
            if payload(*digest) != Some(*size) {
                return Err(JournalFault::PayloadMissing {
                    envelope: *envelope,
                    digest: *digest,
                });
            }
        }
        Ok(())
    }
}
