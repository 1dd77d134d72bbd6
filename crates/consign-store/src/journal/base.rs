//! The first and the last frame of a segment: what is known before it, and its rows.

use std::collections::BTreeMap;
use std::sync::Arc;

use bytes::Bytes;
use consign_domain::{AgencyId, DirectoryVersion, Sequence};

use super::ranges::Ranges;
use super::record::Record;
use super::rows::{Row, hour_of};
use crate::codec::{Malformed, Reader, Writer};
use crate::types::{DirectoryNote, Position};

/// The highest place that a node's word can make an inbox go on above: more documents than any
/// hub sees, and far from where places end.
const HIGHEST: u64 = 1 << 50;

/// What is known of one inbox.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) struct InboxEnds {
    /// The last sequence given, 0 before the first.
    pub(crate) last: u64,
    /// The last sequence that the agency has stored, 0 before the first.
    pub(crate) collected: u64,
}

/// What must be known to go on without an index.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(crate) struct Ledger {
    pub(crate) inboxes: BTreeMap<AgencyId, InboxEnds>,
    pub(crate) directory: Option<DirectoryNote>,
    /// The place above which inboxes begin that nothing is known of; 0 unless data were lost:
    /// what was given before may have been lost with the inbox.
    pub(crate) begin: u64,
    /// Segments whose records were carried forward or let go.
    pub(crate) removed: Arc<Ranges>,
    /// The first hour in which deliveries may lapse that are not settled.
    pub(crate) swept: u64,
    /// Places that no item will ever have, first and last, ascending.
    pub(crate) skipped: BTreeMap<AgencyId, Vec<(u64, u64)>>,
}

/// A segment's first record.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Base {
    pub(crate) salt: u64,
    /// Where the last batch before this segment ends; nothing after it counts.
    pub(crate) previous: Position,
    pub(crate) ledger: Ledger,
}

impl Ledger {
    /// The last sequence given in an inbox.
    pub(crate) fn last(&self, agency: AgencyId) -> u64 {
        self.inboxes
            .get(&agency)
            .map_or(self.begin, |ends| ends.last)
    }

    /// The last sequence that an agency says it has stored.
    pub(crate) fn collected(&self, agency: AgencyId) -> u64 {
        self.inboxes.get(&agency).map_or(0, |ends| ends.collected)
    }

    /// The last of the places that were skipped together with this one, if it was.
    pub(crate) fn skipped_with(&self, agency: AgencyId, place: u64) -> Option<u64> {
        if !self.inboxes.contains_key(&agency) {
            return (1..=self.begin).contains(&place).then_some(self.begin);
        }
        let ranges = self.skipped.get(&agency)?;
        let mut around = ranges.iter();
        let (_, last) = around.find(|(first, last)| (*first..=*last).contains(&place))?;
        Some(*last)
    }

    /// An inbox, begun if nothing is known of it yet.
    pub(crate) fn ends_mut(&mut self, agency: AgencyId) -> &mut InboxEnds {
        let begin = self.begin;
        let skipped = &mut self.skipped;
        self.inboxes.entry(agency).or_insert_with(|| {
            if begin > 0 {
                skipped.entry(agency).or_default().push((1, begin));
            }
            InboxEnds {
                last: begin,
                ..InboxEnds::default()
            }
        })
    }

    /// Lets every inbox go on above the places that anybody may have seen.
    pub(crate) fn go_on_above(&mut self, seen: &BTreeMap<AgencyId, u64>, step: u64) {
        for agency in seen.keys() {
            self.ends_mut(*agency);
        }
        let step = step.max(1);
        self.begin = (self.begin / step + 1) * step;
        for (agency, ends) in &mut self.inboxes {
            let highest = seen.get(agency).copied().unwrap_or(0).max(ends.last);
            let end = (highest.min(HIGHEST) / step + 1).saturating_mul(step);
            // What a node says without a proof is bounded; what was given is not undone.
            let end = end.max(ends.last);
            let skipped = self.skipped.entry(*agency).or_default();
            match skipped.last_mut() {
                // Nothing came between: one range.
                Some((_, last)) if *last == ends.last => *last = end,
                _ => skipped.push((ends.last + 1, end)),
            }
            ends.last = end;
        }
    }

    /// Takes a record in.
    ///
    /// # Errors
    /// [`Malformed`] if a sequence is not the next one: no journal of ours has that.
    pub(crate) fn apply(&mut self, record: &Record) -> Result<(), Malformed> {
        match record {
            Record::Accepted(accepted) => {
                // A clock that was put back may accept into an hour that is over.
                self.swept = self.swept.min(hour_of(accepted.expires));
                let mut places = accepted.recipients.iter();
                places.try_for_each(|place| self.extend(place.id, place.sequence))
            }
            Record::Settled(settled) => self.extend(settled.key.sender, settled.sequence),
            Record::Status(status) => self.extend(status.addressee, status.sequence),
            Record::Refused(_) | Record::Carried(_) => Ok(()),
            Record::Removed { segment } => {
                Arc::make_mut(&mut self.removed).insert(*segment);
                Ok(())
            }
            Record::Swept { hour } => {
                self.swept = self.swept.max(*hour);
                Ok(())
            }
            Record::Collected { agency, through } => {
                let ends = self.ends_mut(*agency);
                ends.collected = ends.collected.max(through.value());
                Ok(())
            }
            Record::Directory(note) => {
                if self.is_news(note) {
                    self.directory = Some(*note);
                }
                Ok(())
            }
        }
    }

    /// Whether a directory is newer than the one known.
    pub(crate) fn is_news(&self, note: &DirectoryNote) -> bool {
        self.directory
            .is_none_or(|known| note.version > known.version)
    }

    fn extend(&mut self, agency: AgencyId, sequence: Sequence) -> Result<(), Malformed> {
        let ends = self.ends_mut(agency);
        if sequence.value() != ends.last + 1 {
            return Err(Malformed);
        }
        ends.last = sequence.value();
        Ok(())
    }
}

impl Base {
    pub(crate) fn encode(&self) -> Bytes {
        let mut to = Writer::default();
        to.u64(self.salt);
        to.u64(self.previous.batch);
        to.u64(self.previous.segment);
        to.u64(self.previous.offset);
        to.u64(self.ledger.begin);
        match self.ledger.directory {
            None => to.u8(0),
            Some(note) => {
                to.u8(1);
                to.u64(note.version.value());
                to.digest(note.head);
            }
        }
        to.u64(self.ledger.swept);
        let removed = self.ledger.removed.iter();
        to.u32(u32::try_from(removed.len()).unwrap_or(u32::MAX));
        for (first, last) in removed {
            to.u64(first);
            to.u64(last);
        }
        let skipped = self.ledger.skipped.iter();
        let ranges = skipped.flat_map(|(agency, ranges)| ranges.iter().map(|it| (*agency, *it)));
        let ranges: Vec<_> = ranges.collect();
        to.u32(u32::try_from(ranges.len()).unwrap_or(u32::MAX));
        for (agency, (first, last)) in ranges {
            to.agency(agency);
            to.u64(first);
            to.u64(last);
        }
        for (agency, ends) in &self.ledger.inboxes {
            to.agency(*agency);
            to.u64(ends.last);
            to.u64(ends.collected);
        }
        to.into_bytes()
    }

    pub(crate) fn decode(bytes: Bytes) -> Result<Self, Malformed> {
        let mut from = Reader::new(bytes);
        let salt = from.u64()?;
        let previous = Position {
            batch: from.u64()?,
            segment: from.u64()?,
            offset: from.u64()?,
        };
        let begin = from.u64()?;
        let directory = match from.u8()? {
            0 => None,
            1 => Some(DirectoryNote {
                version: DirectoryVersion::new(from.u64()?).map_err(|_| Malformed)?,
                head: from.digest()?,
            }),
            _ => return Err(Malformed),
        };
        let swept = from.u64()?;
        let count = from.u32()?;
        let ranges = (0..count).map(|_| Ok((from.u64()?, from.u64()?)));
        let ranges: Vec<_> = ranges.collect::<Result<_, Malformed>>()?;
        let removed = Ranges::from_ranges(ranges.into_iter()).ok_or(Malformed)?;
        let mut skipped: BTreeMap<AgencyId, Vec<(u64, u64)>> = BTreeMap::new();
        for _ in 0..from.u32()? {
            let ranges = skipped.entry(from.agency()?).or_default();
            ranges.push((from.u64()?, from.u64()?));
        }
        let mut inboxes = BTreeMap::new();
        while !from.is_empty() {
            let agency = from.agency()?;
            let ends = InboxEnds {
                last: from.u64()?,
                collected: from.u64()?,
            };
            inboxes.insert(agency, ends);
        }
        Ok(Self {
            salt,
            previous,
            ledger: Ledger {
                inboxes,
                directory,
                begin,
                removed: Arc::new(removed),
                swept,
                skipped,
            },
        })
    }
}

/// A footer's facts.
pub(crate) fn encode_footer(rows: &[Row]) -> Bytes {
    let mut to = Writer::default();
    for row in rows {
        to.count(row.key.len());
        to.raw(&row.key);
        to.blob(&row.value);
    }
    to.into_bytes()
}

/// The rows of a footer.
pub(crate) fn decode_footer(bytes: Bytes) -> Result<Vec<Row>, Malformed> {
    let mut from = Reader::new(bytes);
    let mut rows = Vec::new();
    while !from.is_empty() {
        let length = from.count(1)?;
        let key = from.take(length)?;
        let value = from.blob()?;
        rows.push(Row { key, value });
    }
    Ok(rows)
}
