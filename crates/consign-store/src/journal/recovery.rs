//! Opening a journal: find its end, tell a torn tail from damage, write the last batch
//! again where its place on the disk is not certain, and go on in a fresh segment.

use std::collections::BTreeMap;
use std::io;
use std::sync::Arc;

use super::base::{Base, Ledger, decode_footer};
use super::files::{JOURNAL, Segments, segment_number, segment_path};
use super::frame::{self, FrameKind, Stamp};
use super::projection::Projection;
use super::ranges::Ranges;
use super::record::Record;
use super::rows::{Locator, Row};
use super::scan::{self, Check, Frame, Opened};
use super::spares::Spares;
use super::writer::{Full, JournalWriter};
use crate::disk::{Disk, DiskFile, read_exact};
use crate::error::is_full;
use crate::open::{GoOn, OpenError};
use crate::types::Position;

/// A journal that was read to its end and can be appended to.
#[derive(Debug)]
pub(crate) struct Recovered {
    pub(crate) ledger: Ledger,
    pub(crate) writer: JournalWriter,
    /// The segments before the one that the writer appends to.
    pub(crate) spans: Spans,
    /// What the writer's segment holds: the last batch, if it was written again.
    pub(crate) begun: Projection,
    /// Where a batch was torn that nobody was answered for.
    pub(crate) torn: Option<Position>,
    /// Whether the last batch was written again.
    pub(crate) rewritten: bool,
}

/// The part of each segment that counts.
#[derive(Debug, Clone, Default)]
pub(crate) struct Spans(BTreeMap<u64, Span>);

/// The part of one segment that counts.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Span {
    stamp: Stamp,
    start: Position,
    end: Position,
}

/// A journal that was read to its end; nothing of it was changed.
#[derive(Debug)]
pub(crate) struct Inspected {
    spans: Spans,
    tail: Tail,
    /// Segments that were let go and whose files are still there.
    stale: Vec<u64>,
}

/// Reads the journal of a directory; `known` is a place that was durable for certain.
pub(crate) fn inspect(
    disk: &dyn Disk,
    segments: &Segments,
    known: Position,
) -> Result<Inspected, OpenError> {
    let names = disk.list(JOURNAL)?;
    let mut numbers: Vec<u64> = names
        .iter()
        .filter_map(|name| segment_number(name))
        .collect();
    numbers.sort_unstable();
    let last = numbers.last().copied().unwrap_or(0);
    if known.segment > last {
        return Err(OpenError::Missing {
            segment: known.segment,
        });
    }
    // The last segment tells which others were let go.
    let tail = match last {
        0 => Tail::default(),
        _ => Tail::read(segments, last, known)?,
    };
    let removed = tail.removed();
    let (stale, numbers) = numbers
        .into_iter()
        .partition(|number| removed.contains(*number));
    let mut spans = find_spans(segments, numbers, &removed)?;
    if let Some(span) = spans.0.get_mut(&tail.durable.segment) {
        span.end = tail.durable;
    }
    Ok(Inspected { spans, tail, stale })
}

impl Inspected {
    /// Lets every inbox go on elsewhere, in the segment that is begun next.
    pub(crate) fn go_on(&mut self, go_on: &GoOn) -> Result<(), OpenError> {
        if self.tail.last.is_some() {
            return Err(OpenError::NotClosed);
        }
        let seen = go_on.seen.iter();
        let seen = seen.map(|(agency, place)| (*agency, place.value()));
        self.tail.ledger.go_on_above(&seen.collect(), go_on.step);
        Ok(())
    }

    /// Begins the segment in which the journal goes on, with the last batch if its place
    /// on the disk is not certain.
    pub(crate) fn begin(
        self,
        disk: &Arc<dyn Disk>,
        segments: &Segments,
        segment_bytes: u64,
        low_water: u64,
    ) -> Result<Recovered, OpenError> {
        let Self { spans, tail, stale } = self;
        let spares = Spares::find(disk.clone(), segment_bytes, low_water)?;
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
        let tail_bytes = again.as_deref().unwrap_or_default();
        let begun = spares.become_segment(stamp.segment, &base, tail_bytes);
        let (file, offset) = match begun {
            Err(fault) if is_full(&fault) => {
                return Err(OpenError::DiskFull {
                    free: disk.free_space()?,
                    needed: segment_bytes,
                });
            }
            begun => begun?,
        };
        spans.seal(segments)?;
        for segment in stale {
            // Let go before, when the last stop came in between.
            segments.forget(segment);
            disk.remove(&segment_path(segment))?;
        }
        spares.replenish()?;
        let rewritten = again.is_some();
        let end = Position {
            batch: tail.durable.batch + u64::from(rewritten),
            segment: stamp.segment,
            offset,
        };
        let start = Position {
            offset: offset - tail_bytes.len() as u64,
            ..tail.durable.in_segment(stamp.segment)
        };
        let span = Span::new(stamp, start, end);
        let begun = span.projected(file.as_ref())?;
        let spares = Arc::new(spares);
        let writer = JournalWriter::new(disk.clone(), segment_bytes, spares, file, span);
        let torn = tail.torn;
        Ok(Recovered {
            ledger: tail.into_ledger()?,
            writer,
            spans,
            begun,
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

fn find_spans(
    segments: &Segments,
    numbers: Vec<u64>,
    removed: &Ranges,
) -> Result<Spans, OpenError> {
    let mut spans: BTreeMap<u64, Span> = BTreeMap::new();
    // The first segment that there is must be the first that there was, and so on.
    let mut expected = 1;
    for segment in numbers {
        let gone = |number: &u64| removed.contains(*number);
        if let Some(missing) = (expected..segment).rev().find(|number| !gone(number)) {
            return Err(OpenError::Missing { segment: missing });
        }
        expected = segment + 1;
        let file = segments.file(segment)?;
        let damaged = || OpenError::Damaged { segment, offset: 0 };
        let Opened { base, stamp, start } =
            scan::open_segment(file.as_ref(), segment)?.ok_or_else(damaged)?;
        let end = base.previous;
        if end.segment + 1 != segment {
            return Err(OpenError::Missing {
                segment: segment - 1,
            });
        }
        if let Some(before) = spans.get_mut(&end.segment) {
            if end.offset < before.start.offset || file_ends_before(segments, end)? {
                return Err(OpenError::Damaged {
                    segment: end.segment,
                    offset: end.offset,
                });
            }
            before.end = end;
        }
        let start = Position {
            batch: end.batch,
            segment,
            offset: start,
        };
        // The next segment says where this one ends; where it was let go, the footer does.
        let end = match removed.contains(segment + 1) {
            true => scan::find_footer(file.as_ref(), stamp, start)?.ok_or_else(damaged)?,
            false => start,
        };
        spans.insert(segment, Span { stamp, start, end });
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
    /// It ends with its footer.
    sealed: bool,
}

impl Tail {
    fn read(segments: &Segments, segment: u64, known: Position) -> Result<Self, OpenError> {
        let file = segments.file(segment)?;
        let damaged = OpenError::Damaged { segment, offset: 0 };
        let Opened { base, stamp, start } =
            scan::open_segment(file.as_ref(), segment)?.ok_or(damaged)?;
        let mut end = Position {
            batch: base.previous.batch,
            segment,
            offset: start,
        };
        let mut tail = Self {
            durable: end,
            ledger: base.ledger,
            ..Self::default()
        };
        while let Some(frame) = scan::frame_at(file.as_ref(), stamp, end.offset, Check::Whole)? {
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
        tail.judge_end(file.as_ref(), stamp, end, known)?;
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

    /// The segments that were let go, as far as that is durable or will be.
    fn removed(&self) -> Ranges {
        let mut removed = Ranges::clone(&self.ledger.removed);
        let last = self.last.iter().flat_map(|(_, records)| records);
        for (record, _) in last {
            if let Record::Removed { segment } = record {
                removed.insert(*segment);
            }
        }
        removed
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

/// Takes the rows of a segment, and where it ends.
pub(crate) type Visit<'a> = &'a mut dyn FnMut(&[Row], Position) -> Result<(), OpenError>;

impl Spans {
    /// How many segments there are.
    pub(crate) fn len(&self) -> usize {
        self.0.len()
    }

    /// Seals what was begun and not sealed when the last stop came: where the segment after
    /// it is let go one day, its footer alone tells where it ends.
    fn seal(&self, segments: &Segments) -> Result<(), OpenError> {
        for (segment, span) in &self.0 {
            let file = segments.file(*segment)?;
            if span.footer(file.as_ref())?.is_none() {
                let rows = span.projected(file.as_ref())?.rows(*segment);
                Full::new(file, span.stamp, *span).seal(&rows)?;
            }
        }
        Ok(())
    }

    /// The segments.
    pub(crate) fn segments(&self) -> Vec<u64> {
        self.0.keys().copied().collect()
    }

    /// A segment.
    pub(crate) fn get(&self, segment: u64) -> Option<Span> {
        self.0.get(&segment).copied()
    }

    /// One more segment is full.
    pub(crate) fn insert(&mut self, span: Span) {
        self.0.insert(span.stamp.segment, span);
    }

    /// A segment is no more.
    pub(crate) fn remove(&mut self, segment: u64) {
        self.0.remove(&segment);
    }

    /// Whether a position is the end of a segment that this journal has or had.
    pub(crate) fn end_at(&self, position: Position, removed: &Ranges) -> bool {
        match self.0.get(&position.segment) {
            Some(span) => span.end == position,
            None => removed.contains(position.segment),
        }
    }

    /// Gives the rows of every segment after one.
    pub(crate) fn rows(
        &self,
        segments: &Segments,
        after: u64,
        visit: Visit<'_>,
    ) -> Result<(), OpenError> {
        for (segment, span) in self.0.range(after + 1..) {
            let file = segments.file(*segment)?;
            visit(&span.rows(file.as_ref())?, span.end)?;
        }
        Ok(())
    }
}

impl Span {
    pub(crate) const fn new(stamp: Stamp, start: Position, end: Position) -> Self {
        Self { stamp, start, end }
    }

    pub(crate) const fn stamp(&self) -> Stamp {
        self.stamp
    }

    /// Where its first batch begins.
    pub(crate) const fn start(&self) -> Position {
        self.start
    }

    /// Where its last batch ends.
    pub(crate) const fn end(&self) -> Position {
        self.end
    }

    /// The frame that ends it, if there is a good one.
    fn footer(&self, file: &dyn DiskFile) -> io::Result<Option<Frame>> {
        let frame = scan::frame_at(file, self.stamp, self.end.offset, Check::Facts)?;
        Ok(frame.filter(|frame| frame.header.kind == FrameKind::Footer))
    }

    /// The rows: by the footer where there is a good one.
    pub(crate) fn rows(&self, file: &dyn DiskFile) -> Result<Vec<Row>, OpenError> {
        let footer = self.footer(file)?;
        match footer.and_then(|frame| decode_footer(frame.facts).ok()) {
            Some(rows) => Ok(rows),
            None => Ok(self.projected(file)?.rows(self.stamp.segment)),
        }
    }

    /// What the records come to.
    fn projected(&self, file: &dyn DiskFile) -> Result<Projection, OpenError> {
        let mut projection = Projection::default();
        self.read(file, &mut |record, place| projection.add(&record, place))?;
        Ok(projection)
    }

    /// Gives every record with its place.
    pub(crate) fn read(
        &self,
        file: &dyn DiskFile,
        visit: &mut dyn FnMut(Record, Locator),
    ) -> Result<(), OpenError> {
        let mut at = self.start;
        while at.offset < self.end.offset {
            let damaged = OpenError::Damaged {
                segment: self.stamp.segment,
                offset: at.offset,
            };
            let frame = scan::frame_at(file, self.stamp, at.offset, Check::Facts)?
                .filter(|frame| frame.header.batch == at.batch + 1);
            let Some(frame) = frame else {
                return Err(damaged);
            };
            at.offset = frame.end();
            at.batch += 1;
            for (record, place) in scan::records(&frame).map_err(|_| damaged)? {
                visit(record, place);
            }
        }
        Ok(())
    }
}
