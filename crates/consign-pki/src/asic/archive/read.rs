//! Reads and judges the structure of a zip: end record, directory, local headers, layout.
//!
//! After [`read_directory`] each byte of the container belongs to exactly one header or one
//! entry's data, and names, sizes and limits are checked. Content is checked while it is read.

use std::io::{self, Read, Seek, SeekFrom};

use super::super::budget::Budget;
use super::super::error::AsicError;
use super::super::name::NameKind;
use super::super::profile::{Deviation, Judge};
use super::central::parse_directory;
use super::end::locate_end;
use super::local::walk_entries;

/// An entry whose headers have been checked.
#[derive(Debug, Clone)]
pub(crate) struct StoredEntry {
    pub(crate) name: String,
    pub(crate) kind: NameKind,
    pub(crate) crc32: u32,
    pub(crate) size: u64,
    pub(crate) packed: u64,
    pub(crate) deflated: bool,
    pub(crate) header_start: u64,
    pub(crate) data_start: u64,
}

/// The checked structure of a container, entries in the order in which they lie.
#[derive(Debug)]
pub(crate) struct Directory {
    pub(crate) entries: Vec<StoredEntry>,
    /// Where the central directory begins, that is, where the last entry ends.
    pub(crate) offset: u64,
}

/// Reads end record, directory and all local headers.
pub(crate) fn read_directory<R: Read + Seek>(
    reader: &mut R,
    budget: &Budget,
    judge: &mut Judge,
) -> Result<Directory, AsicError> {
    let end = locate_end(reader, budget, judge)?;
    let bytes = read_at(reader, end.offset, end.size)?;
    let mut entries = parse_directory(&bytes, end.entries, budget, judge)?;
    if !entries.is_sorted_by_key(|(entry, _)| entry.header_start) {
        judge.deviation(Deviation::DirectoryOrder)?;
        entries.sort_by_key(|(entry, _)| entry.header_start);
    }
    let entries = walk_entries(reader, entries, end.offset, judge)?;
    Ok(Directory {
        entries,
        offset: end.offset,
    })
}

/// Reads `length` bytes, which the caller has bounded.
pub(super) fn read_at<R: Read + Seek>(
    reader: &mut R,
    offset: u64,
    length: u64,
) -> Result<Vec<u8>, AsicError> {
    let truncated = || AsicError::Truncated { offset };
    let mut bytes = vec![0; usize::try_from(length).map_err(|_| truncated())?];
    reader.seek(SeekFrom::Start(offset))?;
    reader
        .read_exact(&mut bytes)
        .map_err(|source| match source.kind() {
            io::ErrorKind::UnexpectedEof => truncated(),
            _ => AsicError::Io { source },
        })?;
    Ok(bytes)
}
