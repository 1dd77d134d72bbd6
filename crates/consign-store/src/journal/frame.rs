//! Frames: what one `fdatasync` makes durable.
//!
//! ```text
//!  0  magic  "CSGN"        24  length of facts, u32     40  CRC-32 of bytes 0..40
//!  4  format version, u8   28  length of bulk, u32      44  facts
//!  5  kind, u8             32  CRC-32 of facts               bulk
//!  6  zero, u16            36  CRC-32 of bulk
//!  8  segment, u64
//! 16  batch, u64           all integers little-endian
//! ```
//!
//! Every CRC begins with the segment's number and its salt, so that bytes of another
//! segment never pass, nor bytes that a sender has put into a payload: it cannot know
//! the salt. A base frame, which tells the salt, is summed with salt 0.

use bytes::Bytes;

/// Bytes before the facts.
pub(crate) const HEADER: usize = 44;

/// Most bytes of facts in one frame; a footer is the largest.
pub(crate) const MAX_FACTS: usize = 64 << 20;

/// Most bytes of payloads and wraps in one frame.
pub(crate) const MAX_BULK: usize = 64 << 20;

const MAGIC: [u8; 4] = *b"CSGN";
const VERSION: u8 = 1;

/// What a frame is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum FrameKind {
    /// Opens a segment.
    Base,
    /// What was decided together.
    Batch,
    /// Closes a segment with its rows.
    Footer,
}

/// A segment's number and salt: what each of its sums begins with.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Stamp {
    pub(crate) segment: u64,
    pub(crate) salt: u64,
}

/// A frame's first bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Header {
    pub(crate) kind: FrameKind,
    pub(crate) segment: u64,
    pub(crate) batch: u64,
    pub(crate) facts: u32,
    pub(crate) bulk: u32,
    facts_crc: u32,
    bulk_crc: u32,
}

impl Stamp {
    fn crc(self, parts: &[&[u8]]) -> u32 {
        let mut crc = crc32fast::Hasher::new();
        crc.update(&self.segment.to_le_bytes());
        crc.update(&self.salt.to_le_bytes());
        for part in parts {
            crc.update(part);
        }
        crc.finalize()
    }
}

/// A whole frame; `None` if it would be larger than a frame may be.
pub(crate) fn encode(
    stamp: Stamp,
    kind: FrameKind,
    batch: u64,
    facts: &[u8],
    bulk: &[Bytes],
) -> Option<Vec<u8>> {
    let bulk_length: usize = bulk.iter().map(Bytes::len).sum();
    if facts.len() > MAX_FACTS || bulk_length > MAX_BULK {
        return None;
    }
    let parts: Vec<&[u8]> = bulk.iter().map(AsRef::as_ref).collect();
    let mut frame = Vec::with_capacity(HEADER + facts.len() + bulk_length);
    frame.extend_from_slice(&MAGIC);
    frame.extend_from_slice(&[VERSION, kind.to_byte(), 0, 0]);
    frame.extend_from_slice(&stamp.segment.to_le_bytes());
    frame.extend_from_slice(&batch.to_le_bytes());
    frame.extend_from_slice(&u32::try_from(facts.len()).ok()?.to_le_bytes());
    frame.extend_from_slice(&u32::try_from(bulk_length).ok()?.to_le_bytes());
    frame.extend_from_slice(&stamp.crc(&[facts]).to_le_bytes());
    frame.extend_from_slice(&stamp.crc(&parts).to_le_bytes());
    let crc = stamp.crc(&[&frame]);
    frame.extend_from_slice(&crc.to_le_bytes());
    frame.extend_from_slice(facts);
    for part in parts {
        frame.extend_from_slice(part);
    }
    Some(frame)
}

impl FrameKind {
    const fn to_byte(self) -> u8 {
        match self {
            Self::Base => 1,
            Self::Batch => 2,
            Self::Footer => 3,
        }
    }

    const fn from_byte(byte: u8) -> Option<Self> {
        match byte {
            1 => Some(Self::Base),
            2 => Some(Self::Batch),
            3 => Some(Self::Footer),
            _ => None,
        }
    }
}

impl Header {
    /// Reads and checks a header; `None` for anything that is not one of this segment.
    pub(crate) fn decode(stamp: Stamp, bytes: &[u8]) -> Option<Self> {
        let bytes: &[u8; HEADER] = bytes.first_chunk()?;
        let (sums, crc) = bytes.split_last_chunk::<4>()?;
        let u32_at = |at: usize| {
            let field = bytes.get(at..)?.first_chunk()?;
            Some(u32::from_le_bytes(*field))
        };
        let u64_at = |at: usize| {
            let field = bytes.get(at..)?.first_chunk()?;
            Some(u64::from_le_bytes(*field))
        };
        let header = Self {
            kind: FrameKind::from_byte(*bytes.get(5)?)?,
            segment: u64_at(8)?,
            batch: u64_at(16)?,
            facts: u32_at(24)?,
            bulk: u32_at(28)?,
            facts_crc: u32_at(32)?,
            bulk_crc: u32_at(36)?,
        };
        let good = sums.starts_with(&[MAGIC[0], MAGIC[1], MAGIC[2], MAGIC[3], VERSION])
            && header.segment == stamp.segment
            && stamp.crc(&[sums]) == u32::from_le_bytes(*crc)
            && header.facts as usize <= MAX_FACTS
            && header.bulk as usize <= MAX_BULK;
        good.then_some(header)
    }

    /// Whether the facts are the ones that were written.
    pub(crate) fn facts_are(&self, stamp: Stamp, facts: &[u8]) -> bool {
        facts.len() == self.facts as usize && stamp.crc(&[facts]) == self.facts_crc
    }

    /// Whether the bulk is the one that was written.
    pub(crate) fn bulk_is(&self, stamp: Stamp, bulk: &[u8]) -> bool {
        bulk.len() == self.bulk as usize && stamp.crc(&[bulk]) == self.bulk_crc
    }

    /// Bytes of the whole frame.
    pub(crate) fn size(&self) -> u64 {
        HEADER as u64 + u64::from(self.facts) + u64::from(self.bulk)
    }
}

/// Where a header may begin in `bytes`.
pub(crate) fn find_magic(bytes: &[u8]) -> impl Iterator<Item = usize> + '_ {
    let first = |(_, byte): &(usize, &u8)| **byte == MAGIC[0];
    bytes
        .iter()
        .enumerate()
        .filter(first)
        .map(|(at, _)| at)
        .filter(|at| {
            bytes
                .get(*at..)
                .is_some_and(|rest| rest.starts_with(&MAGIC))
        })
}
