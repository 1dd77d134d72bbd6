//! How far an inbox is stored, and which item was where.
//!
//! `cursor` has one line of fixed length per item from the first on: 12 digits of the
//! sequence, a space, the digest of the item's statement, a line end. So an item that is
//! offered again can be compared with what came before, however old it is.
//!
//! Places where the hub has nothing any more have no line; `cursor.skipped` names them, for
//! ever.

use std::io::{Read as _, Seek as _, SeekFrom};
use std::path::PathBuf;

use consign_domain::{Digest, Sequence};
use consign_runtime::files::{self, Action};

use crate::durable;
use crate::error::NodeError;
use crate::layout::sequence_name;

const LINE: u64 = 12 + 1 + 64 + 1;
/// Lines at the end that a crash may have spoilt; more is another damage.
const MAX_TORN: u64 = 1000;
/// Largest `cursor.skipped`.
const MAX_SKIPPED: usize = 1 << 20;

/// The record of an agency's items.
#[derive(Debug)]
pub(super) struct Cursor {
    path: PathBuf,
    last: Option<(Sequence, Digest)>,
    /// Places without an item, first and last, ascending.
    skipped: Vec<(Sequence, Sequence)>,
}

impl Cursor {
    /// Reads the last good line; what a crash left behind it, torn lines or zeros, is passed
    /// over, and written over by the next. The items of it are offered again and recognised.
    pub(super) fn open(path: PathBuf) -> Result<Self, NodeError> {
        durable::settle_file(&path)?;
        let lines = durable::size(&path)?.unwrap_or(0) / LINE;
        let mut cursor = Self {
            skipped: read_skipped(&path)?,
            path,
            last: None,
        };
        let least = lines.saturating_sub(MAX_TORN);
        for place in (least..=lines).rev() {
            let Some(sequence) = cursor.of_line(place) else {
                return Ok(cursor);
            };
            match cursor.line(sequence) {
                Ok(digest) => {
                    cursor.last = Some((sequence, digest));
                    return Ok(cursor);
                }
                Err(fault @ NodeError::Damaged { .. }) if place == least => return Err(fault),
                Err(NodeError::Damaged { .. }) => {}
                Err(fault) => return Err(fault),
            }
        }
        Ok(cursor)
    }

    /// The last item.
    pub(super) const fn last(&self) -> Option<(Sequence, Digest)> {
        self.last
    }

    /// The place of the next item.
    pub(super) fn next(&self) -> Sequence {
        let mut next = self
            .last
            .map_or(Sequence::FIRST, |(sequence, _)| sequence.next());
        for (first, last) in &self.skipped {
            if (*first..=*last).contains(&next) {
                next = last.next();
            }
        }
        next
    }

    /// Whether an item lies beyond places that were skipped, and another one before them.
    pub(super) fn was_skipped_between(&self, before: Sequence, after: Sequence) -> bool {
        let mut skipped = self.skipped.iter();
        skipped.any(|(first, last)| before < *first && *last < after)
    }

    /// Records that no item will come from the next place up to the one before `item`, durably.
    pub(super) fn skip_to(&mut self, item: Sequence) -> Result<(), NodeError> {
        let Ok(last) = Sequence::new(item.value() - 1) else {
            return Ok(());
        };
        let mut skipped = self.skipped.clone();
        skipped.push((self.next(), last));
        let numbers: Vec<(u64, u64)> = skipped
            .iter()
            .map(|(first, last)| (first.value(), last.value()))
            .collect();
        let path = self.path.with_extension("skipped");
        let bytes =
            serde_json::to_vec(&numbers).map_err(|source| NodeError::damaged(&path, source))?;
        if bytes.len() > MAX_SKIPPED {
            return Err(NodeError::State {
                rule: "an inbox has few places without an item",
            });
        }
        durable::publish(&path, &bytes)?;
        self.skipped = skipped;
        Ok(())
    }

    /// The digest of an item that is recorded; `None` if it is not.
    pub(super) fn digest(&self, sequence: Sequence) -> Result<Option<Digest>, NodeError> {
        match self.last {
            Some((last, digest)) if last == sequence => Ok(Some(digest)),
            Some((last, _)) if sequence < last && !self.is_skipped(sequence) => {
                self.line(sequence).map(Some)
            }
            _ => Ok(None),
        }
    }

    /// Records the next items, durably.
    pub(super) fn append(&mut self, digests: &[Digest]) -> Result<(), NodeError> {
        if digests.is_empty() {
            return Ok(());
        }
        let length = self
            .last
            .map_or(0, |(last, _)| (self.line_of(last) + 1) * LINE);
        let (mut sequence, mut last, mut bytes) = (self.next(), self.last, String::new());
        for digest in digests {
            bytes.push_str(&format!("{} {digest}\n", sequence_name(sequence)));
            last = Some((sequence, *digest));
            sequence = sequence.next();
        }
        durable::append_at(&self.path, length, bytes.as_bytes())?;
        self.last = last;
        Ok(())
    }

    fn is_skipped(&self, sequence: Sequence) -> bool {
        let mut around = self.skipped.iter();
        around.any(|(first, last)| (*first..=*last).contains(&sequence))
    }

    /// Which line, from 0, an item has.
    fn line_of(&self, sequence: Sequence) -> u64 {
        let before = self.skipped.iter().filter(|(_, last)| *last < sequence);
        let skipped: u64 = before.map(|range| length(*range)).sum();
        (sequence.value() - 1).saturating_sub(skipped)
    }

    /// Which item has the `number`-th line, from 1.
    fn of_line(&self, number: u64) -> Option<Sequence> {
        let mut place = number;
        for range in &self.skipped {
            if place >= range.0.value() {
                place = place.saturating_add(length(*range));
            }
        }
        Sequence::new(place).ok()
    }

    fn line(&self, sequence: Sequence) -> Result<Digest, NodeError> {
        let mut file = durable::open(&self.path)?;
        let mut line = [0; 78];
        file.seek(SeekFrom::Start(self.line_of(sequence) * LINE))
            .and_then(|_| file.read_exact(&mut line))
            .map_err(durable::io_fault(Action::Read, &self.path))?;
        let damaged = || NodeError::form(&self.path, "not lines of a sequence and a digest");
        let text = std::str::from_utf8(&line).map_err(|_| damaged())?;
        text.strip_suffix('\n')
            .and_then(|text| text.split_once(' '))
            .filter(|(place, _)| *place == sequence_name(sequence))
            .and_then(|(_, digest)| digest.parse().ok())
            .ok_or_else(damaged)
    }
}

const fn length((first, last): (Sequence, Sequence)) -> u64 {
    last.value().saturating_sub(first.value()) + 1
}

fn read_skipped(cursor: &std::path::Path) -> Result<Vec<(Sequence, Sequence)>, NodeError> {
    let path = cursor.with_extension("skipped");
    let bytes = match files::read_bounded(&path, MAX_SKIPPED) {
        Err(fault) if fault.is_not_found() => return Ok(Vec::new()),
        bytes => bytes?,
    };
    let numbers: Vec<(u64, u64)> =
        serde_json::from_slice(&bytes).map_err(|source| NodeError::damaged(&path, source))?;
    let range =
        |(first, last): (u64, u64)| Some((Sequence::new(first).ok()?, Sequence::new(last).ok()?));
    let ranges: Option<Vec<_>> = numbers.into_iter().map(range).collect();
    ranges
        .filter(|ranges| ranges.iter().all(|(first, last)| first <= last))
        .filter(|ranges| ranges.is_sorted_by(|a, b| a.1 < b.0))
        .ok_or_else(|| NodeError::form(&path, "not ranges that ascend"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn items_are_found_again_and_a_torn_line_is_passed_over() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("cursor");
        let digests: Vec<Digest> = (0..5_u8).map(|n| Digest::of(&[n])).collect();
        let mut cursor = Cursor::open(path.clone()).unwrap();
        assert_eq!((cursor.last(), cursor.next()), (None, Sequence::FIRST));
        cursor.append(&digests[..2]).unwrap();
        cursor.append(&digests[2..4]).unwrap();
        let mut bytes = std::fs::read(&path).unwrap();
        bytes.extend_from_slice(b"000000000005 torn");
        std::fs::write(&path, &bytes).unwrap();
        let mut cursor = Cursor::open(path.clone()).unwrap();
        let at = |place| Sequence::new(place).unwrap();
        assert_eq!(cursor.last(), Some((at(4), digests[3])));
        cursor.append(&digests[4..]).unwrap();
        let cursor = Cursor::open(path.clone()).unwrap();
        for (place, digest) in (1..).zip(&digests) {
            assert_eq!(cursor.digest(at(place)).unwrap(), Some(*digest));
        }
        assert_eq!(cursor.digest(at(6)).unwrap(), None);
        let mut spoilt = std::fs::read(&path).unwrap();
        spoilt.truncate(4 * 78 + 20);
        spoilt.resize(4096, 0);
        std::fs::write(&path, &spoilt).unwrap();
        let mut cursor = Cursor::open(path.clone()).unwrap();
        assert_eq!(cursor.last(), Some((at(4), digests[3])));
        cursor.append(&digests[4..]).unwrap();
        assert_eq!(std::fs::metadata(&path).unwrap().len(), 5 * LINE);
        std::fs::write(&path, [0; 78]).unwrap();
        assert_eq!(Cursor::open(path.clone()).unwrap().last(), None);
        std::fs::write(&path, "x".repeat(78 * 2000)).unwrap();
        assert!(Cursor::open(path).is_err());
    }

    #[test]
    fn skipped_places_have_no_line() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("cursor");
        let digests: Vec<Digest> = (0..6_u8).map(|n| Digest::of(&[n])).collect();
        let at = |place| Sequence::new(place).unwrap();
        let mut cursor = Cursor::open(path.clone()).unwrap();
        cursor.append(&digests[..2]).unwrap();
        cursor.skip_to(at(1_000_001)).unwrap();
        assert_eq!(cursor.last(), Some((at(2), digests[1])));
        assert_eq!(cursor.next(), at(1_000_001));
        let cursor = Cursor::open(path.clone()).unwrap();
        assert_eq!(cursor.next(), at(1_000_001));
        let mut cursor = cursor;
        cursor.append(&digests[2..4]).unwrap();
        cursor.skip_to(at(2_000_001)).unwrap();
        cursor.skip_to(at(3_000_001)).unwrap();
        assert_eq!(cursor.next(), at(3_000_001));
        cursor.append(&digests[4..]).unwrap();
        let cursor = Cursor::open(path.clone()).unwrap();
        assert_eq!(cursor.last(), Some((at(3_000_002), digests[5])));
        for (place, digest) in [
            (1, Some(digests[0])),
            (2, Some(digests[1])),
            (3, None),
            (1_000_000, None),
            (1_000_001, Some(digests[2])),
            (1_000_002, Some(digests[3])),
            (2_500_000, None),
            (3_000_001, Some(digests[4])),
        ] {
            assert_eq!(cursor.digest(at(place)).unwrap(), digest, "{place}");
        }
        assert!(cursor.was_skipped_between(at(2), at(1_000_001)));
        assert!(!cursor.was_skipped_between(at(1), at(2)));
        assert_eq!(std::fs::metadata(&path).unwrap().len(), 6 * LINE);
        std::fs::write(path.with_extension("skipped"), "[[5,3]]").unwrap();
        assert!(Cursor::open(path).is_err());
    }
}
