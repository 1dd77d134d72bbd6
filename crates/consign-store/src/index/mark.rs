//! How far an index has followed, and what it must then hold.

use bytes::Bytes;

use crate::codec::{Malformed, Reader, Writer};
use crate::journal::rows::segment_of;
use crate::types::Position;

/// The count and the sum of all rows up to a position.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) struct Mark {
    /// Where the last segment ends whose rows are all there.
    pub(crate) position: Position,
    pub(crate) rows: u64,
    pub(crate) sum: u64,
}

impl Mark {
    /// Counts a row.
    pub(crate) fn add(&mut self, key: &[u8], value: &[u8]) {
        let mut crc = crc32fast::Hasher::new();
        crc.update(key);
        crc.update(value);
        self.rows += 1;
        self.sum = self.sum.wrapping_add(crc.finalize().into());
    }

    /// Whether a row belongs to a segment up to the mark; one after it was taken in part,
    /// and comes again.
    pub(crate) fn covers(&self, key: &[u8]) -> bool {
        segment_of(key).is_some_and(|segment| segment <= self.position.segment)
    }

    pub(crate) fn encode(&self) -> Bytes {
        let mut to = Writer::default();
        to.u64(self.position.batch);
        to.u64(self.position.segment);
        to.u64(self.position.offset);
        to.u64(self.rows);
        to.u64(self.sum);
        to.into_bytes()
    }

    pub(crate) fn decode(bytes: Bytes) -> Result<Self, Malformed> {
        let mut from = Reader::new(bytes);
        let mark = Self {
            position: Position {
                batch: from.u64()?,
                segment: from.u64()?,
                offset: from.u64()?,
            },
            rows: from.u64()?,
            sum: from.u64()?,
        };
        from.end()?;
        Ok(mark)
    }
}
