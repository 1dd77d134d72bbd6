//! Reading a segment frame by frame.

use std::io;

use bytes::Bytes;

use super::base::Base;
use super::frame::{self, FrameKind, HEADER, Header, Stamp};
use super::record::{RECORD_HEADER, Record};
use super::rows::Locator;
use crate::codec::{Malformed, Reader};
use crate::disk::{DiskFile, read_exact};
use crate::types::Position;

/// How much of a frame to check.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Check {
    /// Header and facts; the bulk is not read.
    Facts,
    /// All of it.
    Whole,
}

/// A good frame.
#[derive(Debug, Clone)]
pub(crate) struct Frame {
    pub(crate) offset: u64,
    pub(crate) header: Header,
    pub(crate) facts: Bytes,
}

impl Frame {
    /// Where the next frame begins.
    pub(crate) fn end(&self) -> u64 {
        self.offset + self.header.size()
    }
}

/// A segment's base, and what its other frames are read with.
#[derive(Debug, Clone)]
pub(crate) struct Opened {
    pub(crate) base: Base,
    pub(crate) stamp: Stamp,
    /// Where the first batch begins.
    pub(crate) start: u64,
}

/// Reads the base of a segment; `None` if it is not good.
pub(crate) fn open_segment(file: &dyn DiskFile, segment: u64) -> io::Result<Option<Opened>> {
    let unsalted = Stamp { segment, salt: 0 };
    let Some(frame) = frame_at(file, unsalted, 0, Check::Whole)? else {
        return Ok(None);
    };
    if frame.header.kind != FrameKind::Base {
        return Ok(None);
    }
    let start = frame.end();
    Ok(Base::decode(frame.facts).ok().map(|base| Opened {
        stamp: Stamp {
            segment,
            salt: base.salt,
        },
        base,
        start,
    }))
}

/// The frame that begins at `offset`, if it is good.
pub(crate) fn frame_at(
    file: &dyn DiskFile,
    stamp: Stamp,
    offset: u64,
    check: Check,
) -> io::Result<Option<Frame>> {
    let header = read_exact(file, offset, HEADER)?;
    let Some(header) = header.and_then(|bytes| Header::decode(stamp, &bytes)) else {
        return Ok(None);
    };
    // The file is asked before memory is spent on lengths that a sum alone vouches for.
    if offset.saturating_add(header.size()) > file.size()? {
        return Ok(None);
    }
    let start = offset + HEADER as u64;
    let Some(facts) = read_exact(file, start, header.facts as usize)? else {
        return Ok(None);
    };
    if !header.facts_are(stamp, &facts) {
        return Ok(None);
    }
    if check == Check::Whole {
        let bulk = read_exact(file, start + u64::from(header.facts), header.bulk as usize)?;
        if !bulk.is_some_and(|bulk| header.bulk_is(stamp, &bulk)) {
            return Ok(None);
        }
    }
    Ok(Some(Frame {
        offset,
        header,
        facts: facts.into(),
    }))
}

/// Where the last batch of a sealed segment ends, from where the first begins: headers
/// lead to the footer. `None` if they do not.
pub(crate) fn find_footer(
    file: &dyn DiskFile,
    stamp: Stamp,
    mut at: Position,
) -> io::Result<Option<Position>> {
    loop {
        let header = read_exact(file, at.offset, HEADER)?;
        match header.and_then(|bytes| Header::decode(stamp, &bytes)) {
            Some(header) if header.kind == FrameKind::Footer => return Ok(Some(at)),
            Some(header) if header.batch == at.batch + 1 => {
                at.batch = header.batch;
                at.offset += header.size();
            }
            _ => return Ok(None),
        }
    }
}

/// Whether a good frame of a later batch stands anywhere from `from` on: then what is
/// bad before it was durable once.
pub(crate) fn good_frame_follows(
    file: &dyn DiskFile,
    stamp: Stamp,
    from: u64,
    batch: u64,
) -> io::Result<bool> {
    const WINDOW: usize = 1 << 20;
    let mut start = from;
    let mut window = vec![0; WINDOW + HEADER];
    loop {
        let read = file.read_at(&mut window, start)?;
        let seen = window.get(..read).unwrap_or_default();
        for at in frame::find_magic(seen).filter(|at| *at < WINDOW) {
            let bytes = seen.get(at..).unwrap_or_default();
            let later = Header::decode(stamp, bytes).is_some_and(|header| header.batch >= batch);
            if later && frame_at(file, stamp, start + at as u64, Check::Facts)?.is_some() {
                return Ok(true);
            }
        }
        if read < window.len() {
            return Ok(false);
        }
        start += WINDOW as u64;
    }
}

/// The records of a batch frame with their places.
pub(crate) fn records(frame: &Frame) -> Result<Vec<(Record, Locator)>, Malformed> {
    let mut facts = Reader::new(frame.facts.clone());
    let mut offset = frame.offset + HEADER as u64;
    let mut bulk = offset + u64::from(frame.header.facts);
    let mut records = Vec::new();
    while !facts.is_empty() {
        let (record, length) = Record::next(&mut facts)?;
        let place = Locator {
            segment: frame.header.segment,
            offset: offset + RECORD_HEADER as u64,
            length: u32::try_from(length).map_err(|_| Malformed)?,
            bulk,
        };
        offset += (RECORD_HEADER + length) as u64;
        bulk += record.bulk();
        records.push((record, place));
    }
    if bulk == frame.end() {
        Ok(records)
    } else {
        Err(Malformed)
    }
}
