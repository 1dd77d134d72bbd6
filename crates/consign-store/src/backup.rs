//! Reading a journal from its files alone, also while another process writes it: for
//! backups, and for whoever wants to know what one holds.
//!
//! The journal is one row of frames, so that any part of it from the start is whole in
//! itself. A copy takes every segment and, of the newest, the bytes up to the last good
//! frame. Whoever copies payload files first, then the segments, then again the payload
//! files that have come meanwhile, has every file that the segments name: a file is there
//! before the frame that names it, and goes only after a frame has said so.
//!
//! Nothing here writes, locks, or needs the index.

mod walk;

#[cfg(test)]
mod tests;

use std::collections::BTreeMap;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use consign_domain::{AgencyId, Digest, EnvelopeKey, ErrorCode, Timestamp};

use crate::journal::files::{JOURNAL, PAYLOADS, payload_path, segment_number, segment_path};
use crate::types::Position;
use walk::{Segment, Walk};

/// Why a journal's files cannot be read as one.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum JournalFault {
    /// There is none.
    #[error("there is no journal")]
    Empty,
    /// A segment does not read back as it was written.
    #[error("segment {segment} of the journal is damaged at byte {offset}")]
    Damaged {
        /// The segment's number.
        segment: u64,
        /// Where in its file.
        offset: u64,
    },
    /// A segment is not there.
    #[error("segment {segment} of the journal is missing")]
    Missing {
        /// The segment's number.
        segment: u64,
    },
    /// A payload that a segment names is not there, or has another size.
    #[error("payload {digest} of envelope {} is missing", envelope.id)]
    PayloadMissing {
        /// The envelope.
        envelope: EnvelopeKey,
        /// The payload's SHA-256, which names its file.
        digest: Digest,
    },
    /// A file cannot be read.
    #[error("{} cannot be read", path.display())]
    Io {
        /// The file.
        path: PathBuf,
        /// What the system said.
        #[source]
        source: io::Error,
    },
}

impl JournalFault {
    /// The code to answer with.
    pub const fn code(&self) -> ErrorCode {
        ErrorCode::StorageFailed
    }
}

fn io_fault(path: &Path) -> impl FnOnce(io::Error) -> JournalFault + '_ {
    move |source| JournalFault::Io {
        path: path.to_owned(),
        source,
    }
}

/// A segment's file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SegmentFile {
    /// Its number.
    pub number: u64,
    /// Its path in the data directory.
    pub name: String,
    /// Where it lies.
    pub path: PathBuf,
    /// If it is still written to: the bytes from its start that count.
    pub counts: Option<u64>,
}

/// A payload's file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PayloadFile {
    /// Its path in the data directory.
    pub name: String,
    /// Where it lies.
    pub path: PathBuf,
}

/// What a journal holds.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct JournalReport {
    /// Where it ends.
    pub end: Position,
    /// Segments read.
    pub segments: u64,
    /// Envelopes that were accepted in them.
    pub envelopes: u64,
    /// When the last envelope was accepted, by the store's clock.
    pub accepted_until: Option<Timestamp>,
    /// The last place given in each inbox.
    pub inboxes: BTreeMap<AgencyId, u64>,
}

/// The number of a segment by its path in the data directory.
pub fn segment_of(name: &str) -> Option<u64> {
    let number = segment_number(name.strip_prefix(JOURNAL)?.strip_prefix('/')?)?;
    (segment_path(number) == name).then_some(number)
}

/// The digest of a payload by the path of its file in the data directory.
pub fn payload_of(name: &str) -> Option<Digest> {
    let digest = name.strip_prefix(PAYLOADS)?.rsplit('/').next()?;
    let digest = digest.parse().ok()?;
    (payload_path(digest) == name).then_some(digest)
}

/// The segments of a data directory, ascending.
///
/// # Errors
/// They cannot be listed, or the newest has no beginning.
pub fn segments(data: &Path) -> Result<Vec<SegmentFile>, JournalFault> {
    let mut files = Vec::new();
    for name in names(&data.join(JOURNAL))? {
        if let Some(number) = segment_number(&name) {
            let name = segment_path(number);
            files.push(SegmentFile {
                path: data.join(&name),
                number,
                name,
                counts: None,
            });
        }
    }
    files.sort_by_key(|file| file.number);
    if let Some(newest) = files.last_mut() {
        let mut walk = Walk::default();
        let segment = Segment::open(newest.number, &newest.path)?;
        let sealed = segment.read(None, &mut walk)?;
        newest.counts = (!sealed).then_some(walk.report.end.offset);
    }
    Ok(files)
}

/// The payload files of a data directory.
///
/// # Errors
/// They cannot be listed.
pub fn payloads(data: &Path) -> Result<Vec<PayloadFile>, JournalFault> {
    let mut files = Vec::new();
    let place = data.join(PAYLOADS);
    for below in names(&place)? {
        for digest in names(&place.join(&below))? {
            let name = format!("{PAYLOADS}/{below}/{digest}");
            if payload_of(&name).is_some() {
                let path = data.join(&name);
                files.push(PayloadFile { name, path });
            }
        }
    }
    files.sort_by(|a, b| a.name.cmp(&b.name));
    Ok(files)
}

/// Reads segments whole, in their order, and checks every frame, that each goes on where
/// the one before ends, and that `payload` knows the size of each file that they name.
/// Tells how many segments of how many are read.
///
/// # Errors
/// What is wrong first.
pub fn inspect(
    segments: &[(u64, PathBuf)],
    payload: &dyn Fn(Digest) -> Option<u64>,
    progress: &mut dyn FnMut(u64, u64),
) -> Result<JournalReport, JournalFault> {
    let (newest, path) = segments.last().ok_or(JournalFault::Empty)?;
    let removed = Segment::open(*newest, path)?.removed()?;
    let counting = segments
        .iter()
        .filter(|(number, _)| !removed.contains(*number));
    let counting: Vec<_> = counting.collect();
    let all = counting.len() as u64;
    let mut walk = Walk::default();
    let mut expected = 1;
    for (index, (number, path)) in counting.iter().enumerate() {
        progress(index as u64, all);
        if let Some(segment) = (expected..*number).find(|gone| !removed.contains(*gone)) {
            return Err(JournalFault::Missing { segment });
        }
        expected = number + 1;
        let segment = Segment::open(*number, path)?;
        let next = counting
            .get(index + 1)
            .filter(|(next, _)| *next == expected);
        let end = match next {
            Some((next, path)) => Some(Segment::open(*next, path)?.previous()),
            None => None,
        };
        segment.follows(&walk)?;
        segment.read(end, &mut walk)?;
        walk.report.segments += 1;
    }
    walk.check_payloads(payload)?;
    progress(all, all);
    Ok(walk.report)
}

/// When the last envelope was accepted, by segments in their order; `None` if none was.
///
/// # Errors
/// A segment cannot be read.
pub fn accepted_until(segments: &[(u64, PathBuf)]) -> Result<Option<Timestamp>, JournalFault> {
    for (number, path) in segments.iter().rev() {
        let mut walk = Walk::default();
        Segment::open(*number, path)?.read(None, &mut walk)?;
        if walk.report.accepted_until.is_some() {
            return Ok(walk.report.accepted_until);
        }
    }
    Ok(None)
}

/// Where a segment ends by its good frames.
///
/// # Errors
/// It cannot be read.
pub fn end_of(number: u64, path: &Path) -> Result<Position, JournalFault> {
    let mut walk = Walk::default();
    Segment::open(number, path)?.read(None, &mut walk)?;
    Ok(walk.report.end)
}

fn names(directory: &Path) -> Result<Vec<String>, JournalFault> {
    let entries = match fs::read_dir(directory) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
        entries => entries.map_err(io_fault(directory))?,
    };
    let mut names = Vec::new();
    for entry in entries {
        let entry = entry.map_err(io_fault(directory))?;
        names.extend(entry.file_name().into_string().ok());
    }
    Ok(names)
}
