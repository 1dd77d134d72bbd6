//! How far an inbox is stored, and which item was where.
//!
//! `cursor` has one line of fixed length per item from the first on: 12 digits of the
//! sequence, a space, the digest of the item's statement, a line end. So an item that is
//! offered again can be compared with what came before, however old it is.

use std::io::{Read as _, Seek as _, SeekFrom};
use std::path::PathBuf;

use consign_domain::{Digest, Sequence};
use consign_runtime::files::Action;

use crate::durable;
use crate::error::NodeError;
use crate::layout::sequence_name;

const LINE: u64 = 12 + 1 + 64 + 1;
/// Lines at the end that a crash may have spoilt; more is another damage.
const MAX_TORN: u64 = 1000;

/// The record of an agency's items.
#[derive(Debug)]
pub(super) struct Cursor {
    path: PathBuf,
    last: Option<(Sequence, Digest)>,
}

impl Cursor {
    /// Reads the last good line; what a crash left behind it, torn lines or zeros, is passed
    /// over, and written over by the next. The items of it are offered again and recognised.
    pub(super) fn open(path: PathBuf) -> Result<Self, NodeError> {
        durable::settle_file(&path)?;
        let lines = durable::size(&path)?.unwrap_or(0) / LINE;
        let mut cursor = Self { path, last: None };
        let least = lines.saturating_sub(MAX_TORN);
        for place in (least..=lines).rev() {
            let Ok(sequence) = Sequence::new(place) else {
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
        self.last
            .map_or(Sequence::FIRST, |(sequence, _)| sequence.next())
    }

    /// The digest of an item that is recorded; `None` if it is not.
    pub(super) fn digest(&self, sequence: Sequence) -> Result<Option<Digest>, NodeError> {
        match self.last {
            Some((last, digest)) if last == sequence => Ok(Some(digest)),
            Some((last, _)) if sequence < last => self.line(sequence).map(Some),
            _ => Ok(None),
        }
    }

    /// Records the next items, durably.
    pub(super) fn append(&mut self, digests: &[Digest]) -> Result<(), NodeError> {
        if digests.is_empty() {
            return Ok(());
        }
        let length = self.last.map_or(0, |(last, _)| last.value() * LINE);
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

    fn line(&self, sequence: Sequence) -> Result<Digest, NodeError> {
        let mut file = durable::open(&self.path)?;
        let mut line = [0; 78];
        file.seek(SeekFrom::Start((sequence.value() - 1) * LINE))
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
}
