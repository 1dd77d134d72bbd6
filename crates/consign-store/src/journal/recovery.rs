//! Opening a journal: find its end, tell a torn tail from damage, write the last batch
//! again where its place on the disk is not certain, and go on in a fresh segment.

use std::collections::BTreeMap;
use std::io;
use std::sync::Arc;

use super::base::{Base, Ledger, decode_footer};
use super::files::{JOURNAL, Segments, segment_number};
use super::frame::{self, FrameKind, Stamp};
use super::record::Record;
use super::rows::{Locator, Row, project};
use super::scan::{self, Check, Frame, Opened};
use super::writer::{JournalWriter, Spares};
use crate::disk::{Disk, DiskFile, read_exact};
use crate::open::OpenError;
use crate::types::Position;

/// A journal that was read to its end and can be appended to.
#[derive(Debug)]
pub(crate) struct Recovered {
    pub(crate) ledger: Ledger,
    pub(crate) writer: JournalWriter,
    pub(crate) spans: Spans,
    /// Where a batch was torn that nobody was answered for.
    pub(crate) torn: Option<Position>,
    /// Whether the last batch was written again.
    pub(crate) rewritten: bool,
}

/// The part of each segment that counts.
#[derive(Debug, Clone, Default)]
pub(crate) struct Spans(BTreeMap<u64, Span>);

#[derive(Debug, Clone, Copy)]
struct Span {
    stamp: Stamp,
    start: Position,
    end: Position,
}

/// A journal that was read to its end; nothing of it was changed.
#[derive(Debug)]
pub(crate) struct Inspected {
    spans: Spans,
    tail: Tail,
}

/// Reads the journal of a directory; `known` is a place that was durable for certain.
pub(crate) fn inspect(
    disk: &dyn Disk,
    segments: &Segments,
    known: Position,
) -> Result<Inspected, OpenError> {
    let mut spans = find_spans(disk, segments)?;
    let last = spans
        .0
        .last_key_value()
        .map(|(number, span)| (*number, *span));
    if known.segment > last.map_or(0, |(number, _)| number) {
        return Err(OpenError::Missing {
            segment: known.segment,
        });
    }
    let tail = match last {
        Some((segment, span)) => Tail::read(segments, segment, span, known)?,
        None => Tail::default(),
    };
    if let Some(span) = spans.0.get_mut(&tail.durable.segment) {
        span.end = tail.durable;
    }
    Ok(Inspected { spans, tail })
}

impl Inspected {
    /// Begins the segment in which the journal goes on, with the last batch if its place
    /// on the disk is not certain.
    pub(crate) fn begin(
        self,
        disk: &Arc<dyn Disk>,
        segments: &Segments,
        segment_bytes: u64,
        low_water: u64,
    ) -> Result<Recovered, OpenError> {
        let Self { mut spans, tail } = self;
        let mut spares = Spares::find(disk.clone(), segment_bytes, low_water)?;
        let stamp = Stamp {
            segment: tail.durable.segment + 1,
            salt: disk.salt(),
        };
        let base = Base {
            salt: stamp.salt,
            previous: tail.durable,
            ledger: tail.ledger.clone(),
        };
        let again = tail.again(segments, stamp)?;
        let (file, offset) =
            spares.become_segment(stamp.segment, &base, again.as_deref().unwrap_or_default())?;
        if !tail.sealed && tail.durable.segment > 0 {
            let old = segments.file(tail.durable.segment)?;
            old.set_size(tail.durable.offset)?;
            old.sync_data()?;
        }
        spares.replenish()?;
        let rewritten = again.is_some();
        let end = Position {
            batch: tail.durable.batch + u64::from(rewritten),
            segment: stamp.segment,
            offset,
        };
        let start = Position {
            offset: offset - again.map_or(0, |frame| frame.len() as u64),
            ..tail.durable.in_segment(stamp.segment)
        };
        spans.0.insert(stamp.segment, Span { stamp, start, end });
        let mut writer = JournalWriter::new(disk.clone(), segment_bytes, spares, file, stamp, end);
        spans.replay(segments, start, &mut |rows, _| {
            writer.keep_rows(&rows);
            Ok(())
        })?;
        let torn = tail.torn;
        Ok(Recovered {
            ledger: tail.into_ledger()?,
            writer,
            spans,
            torn,
            rewritten,
        })
    }
}

impl Position {
    const fn in_segment(self, segment: u64) -> Self {
        Self { segment, ..self }
    }
}

fn find_spans(disk: &dyn Disk, segments: &Segments) -> Result<Spans, OpenError> {
    let names = disk.list(JOURNAL)?;
    let mut numbers: Vec<u64> = names
        .iter()
        .filter_map(|name| segment_number(name))
        .collect();
    numbers.sort_unstable();
    let mut spans: BTreeMap<u64, Span> = BTreeMap::new();
    for segment in numbers {
        let file = segments.file(segment)?;
        let damaged = OpenError::Damaged { segment, offset: 0 };
        let Opened { base, stamp, start } =
            scan::open_segment(file.as_ref(), segment)?.ok_or(damaged)?;
        let before = spans.last_key_value().map(|(n, span)| (*n, *span));
        // The first segment that there is must be the first that there was.
        let previous = before.map_or(0, |(number, _)| number);
        if base.previous.segment != previous || previous + 1 != segment {
            return Err(OpenError::Missing {
                segment: base.previous.segment,
            });
        }
        if let Some((before, span)) = before {
            let end = base.previous;
            if end.offset < span.start.offset || file_ends_before(segments, end)? {
                return Err(OpenError::Damaged {
                    segment: before,
                    offset: end.offset,
                });
            }
            spans.insert(before, Span { end, ..span });
        }
        let start = Position {
            batch: base.previous.batch,
            segment,
            offset: start,
        };
        spans.insert(
            segment,
            Span {
                stamp,
                start,
                end: start,
            },
        );
    }
    Ok(Spans(spans))
}

fn file_ends_before(segments: &Segments, end: Position) -> io::Result<bool> {
    Ok(segments.file(end.segment)?.size()? < end.offset)
}

/// The last segment, read to its end.
#[derive(Debug, Default)]
struct Tail {
    /// Where what is durable for certain ends, and what is known there.
    durable: Position,
    ledger: Ledger,
    /// The last batch, if it is not durable for certain.
    last: Option<(Frame, Vec<(Record, Locator)>)>,
    torn: Option<Position>,
    sealed: bool,
}

impl Tail {
    fn read(
        segments: &Segments,
        segment: u64,
        span: Span,
        known: Position,
    ) -> Result<Self, OpenError> {
        let file = segments.file(segment)?;
        let opened = scan::open_segment(file.as_ref(), segment)?;
        let mut tail = Self {
            durable: span.start,
            ledger: opened
                .ok_or(OpenError::Damaged { segment, offset: 0 })?
                .base
                .ledger,
            ..Self::default()
        };
        let mut end = span.start;
        while let Some(frame) = scan::frame_at(file.as_ref(), span.stamp, end.offset, Check::Whole)?
        {
            match frame.header.kind {
                FrameKind::Batch if frame.header.batch == end.batch + 1 => {
                    // A frame after it: the one before was durable.
                    tail.settle_last()?;
                    end.offset = frame.end();
                    end.batch += 1;
                    let records = scan::records(&frame).map_err(|_| OpenError::Damaged {
                        segment,
                        offset: frame.offset,
                    })?;
                    tail.last = Some((frame, records));
                }
                FrameKind::Footer if frame.header.batch == end.batch => {
                    tail.settle_last()?;
                    tail.sealed = true;
                    break;
                }
                _ => break,
            }
        }
        tail.judge_end(file.as_ref(), span.stamp, end, known)?;
        Ok(tail)
    }

    /// Decides what the first bytes that are no good frame mean.
    fn judge_end(
        &mut self,
        file: &dyn DiskFile,
        stamp: Stamp,
        end: Position,
        known: Position,
    ) -> Result<(), OpenError> {
        let below_known = known.segment == end.segment && end.offset < known.offset;
        let damaged = || OpenError::Damaged {
            segment: end.segment,
            offset: end.offset,
        };
        if below_known {
            return Err(damaged());
        }
        if known.segment == end.segment && known.offset == end.offset {
            self.settle_last()?;
        }
        if self.sealed {
            return Ok(());
        }
        if scan::good_frame_follows(file, stamp, end.offset + 1, end.batch + 1)? {
            return Err(damaged());
        }
        let rest = read_exact(file, end.offset, 1)?;
        self.torn = rest.filter(|bytes| bytes != &[0]).map(|_| end);
        Ok(())
    }

    /// Counts the last batch among what is durable.
    fn settle_last(&mut self) -> Result<(), OpenError> {
        let Some((frame, records)) = self.last.take() else {
            return Ok(());
        };
        for (record, place) in &records {
            self.ledger.apply(record).map_err(|_| OpenError::Damaged {
                segment: place.segment,
                offset: place.offset,
            })?;
        }
        self.durable.offset = frame.end();
        self.durable.batch = frame.header.batch;
        Ok(())
    }

    /// The ledger with the last batch in it.
    fn into_ledger(mut self) -> Result<Ledger, OpenError> {
        self.settle_last()?;
        Ok(self.ledger)
    }

    /// The last batch as a frame of another segment.
    fn again(&self, segments: &Segments, stamp: Stamp) -> Result<Option<Vec<u8>>, OpenError> {
        let Some((frame, _)) = &self.last else {
            return Ok(None);
        };
        let length = frame.header.bulk as usize;
        let file = segments.file(self.durable.segment)?;
        let bulk = read_exact(file.as_ref(), frame.end() - length as u64, length)?;
        let bulk = bulk.ok_or(OpenError::Damaged {
            segment: self.durable.segment,
            offset: frame.offset,
        })?;
        let batch = frame.header.batch;
        let again = frame::encode(stamp, FrameKind::Batch, batch, &frame.facts, &[bulk.into()]);
        Ok(again)
    }
}

/// Takes the rows up to a position.
pub(crate) type Visit<'a> = &'a mut dyn FnMut(Vec<Row>, Position) -> Result<(), OpenError>;

impl Spans {
    /// How many segments there are.
    pub(crate) fn len(&self) -> usize {
        self.0.len()
    }

    /// Whether a position is one that this journal has.
    pub(crate) fn contains(&self, position: Position) -> bool {
        self.0.get(&position.segment).is_some_and(|span| {
            (span.start.offset..=span.end.offset).contains(&position.offset)
                && (span.start.batch..=span.end.batch).contains(&position.batch)
        })
    }

    /// Gives the rows of every batch after a position.
    pub(crate) fn replay(
        &self,
        segments: &Segments,
        after: Position,
        visit: Visit<'_>,
    ) -> Result<(), OpenError> {
        for (segment, span) in self.0.range(after.segment..) {
            let from = if *segment == after.segment {
                after
            } else {
                span.start
            };
            span.read(segments, from, visit)?;
        }
        Ok(())
    }

    /// Gives all rows, a segment at a time where it has a footer.
    pub(crate) fn rows(&self, segments: &Segments, visit: Visit<'_>) -> Result<(), OpenError> {
        for (segment, span) in &self.0 {
            let file = segments.file(*segment)?;
            let footer = scan::frame_at(file.as_ref(), span.stamp, span.end.offset, Check::Facts)?
                .filter(|frame| frame.header.kind == FrameKind::Footer)
                .and_then(|frame| decode_footer(frame.facts).ok());
            match footer {
                Some(rows) => visit(rows, span.end)?,
                None => span.read(segments, span.start, visit)?,
            }
        }
        Ok(())
    }
}

impl Span {
    fn read(&self, segments: &Segments, from: Position, visit: Visit<'_>) -> Result<(), OpenError> {
        let file = segments.file(from.segment)?;
        let mut at = from;
        while at.offset < self.end.offset {
            let damaged = OpenError::Damaged {
                segment: at.segment,
                offset: at.offset,
            };
            let frame = scan::frame_at(file.as_ref(), self.stamp, at.offset, Check::Facts)?
                .filter(|frame| frame.header.batch == at.batch + 1);
            let Some(frame) = frame else {
                return Err(damaged);
            };
            at.offset = frame.end();
            at.batch += 1;
            let mut rows = Vec::new();
            for (record, place) in scan::records(&frame).map_err(|_| damaged)? {
                project(&record, place, &mut rows);
            }
            visit(rows, at)?;
        }
        Ok(())
    }
}
