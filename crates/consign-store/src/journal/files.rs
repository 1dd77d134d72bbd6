//! The names of the journal's files, and reading records by their place.

use std::collections::HashMap;
use std::io;
use std::sync::{Arc, Mutex, PoisonError};

use bytes::Bytes;
use consign_domain::Digest;

use super::record::{MAX_RECORD, RECORD_HEADER, Record};
use super::rows::Locator;
use crate::disk::{Disk, DiskFile, read_exact};
use crate::error::StoreError;

/// The directory of the segments.
pub(crate) const JOURNAL: &str = "journal";
/// The directory of payloads with files of their own.
pub(crate) const PAYLOADS: &str = "payloads";
/// The directory of payloads that are still coming.
pub(crate) const STAGING: &str = "staging";

/// Most segments that are held open.
const MAX_OPEN: usize = 64;

/// The path of a segment.
pub(crate) fn segment_path(segment: u64) -> String {
    format!("{JOURNAL}/{segment:016x}.segment")
}

/// The number of a segment by its name.
pub(crate) fn segment_number(name: &str) -> Option<u64> {
    let number = name.strip_suffix(".segment")?;
    let number = u64::from_str_radix(number, 16).ok()?;
    (segment_path(number).ends_with(name)).then_some(number)
}

/// The path of a file that is preallocated and not yet a segment.
pub(crate) fn spare_path(number: u64) -> String {
    format!("{JOURNAL}/{number}.spare")
}

/// The number of a spare by its name.
pub(crate) fn spare_number(name: &str) -> Option<u64> {
    name.strip_suffix(".spare")?.parse().ok()
}

/// The directory of a payload.
pub(crate) fn payload_directory(digest: Digest) -> String {
    let [first, ..] = digest.to_bytes();
    format!("{PAYLOADS}/{first:02x}")
}

/// The path of a payload.
pub(crate) fn payload_path(digest: Digest) -> String {
    format!("{}/{digest}", payload_directory(digest))
}

/// The segments, open for reading.
#[derive(Debug)]
pub(crate) struct Segments {
    disk: Arc<dyn Disk>,
    open: Mutex<HashMap<u64, Arc<dyn DiskFile>>>,
}

impl Segments {
    pub(crate) fn new(disk: Arc<dyn Disk>) -> Self {
        Self {
            disk,
            open: Mutex::default(),
        }
    }

    /// A segment's file.
    pub(crate) fn file(&self, segment: u64) -> io::Result<Arc<dyn DiskFile>> {
        let mut open = self.open.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(file) = open.get(&segment) {
            return Ok(file.clone());
        }
        if open.len() >= MAX_OPEN {
            // The oldest segment is the least likely to be read again.
            let oldest = open.keys().min().copied();
            oldest.and_then(|oldest| open.remove(&oldest));
        }
        let file = self.disk.open(&segment_path(segment))?;
        open.insert(segment, file.clone());
        Ok(file)
    }

    /// Lets go of a segment's file.
    pub(crate) fn forget(&self, segment: u64) {
        let mut open = self.open.lock().unwrap_or_else(PoisonError::into_inner);
        open.remove(&segment);
    }

    /// The record at a place, checked.
    pub(crate) fn record(&self, place: Locator) -> Result<Record, StoreError> {
        let damaged = StoreError::Damaged {
            segment: place.segment,
            offset: place.offset,
        };
        let length = place.length as usize;
        let start = place.offset.checked_sub(RECORD_HEADER as u64);
        let (Some(start), true) = (start, length <= MAX_RECORD) else {
            return Err(damaged);
        };
        let file = self.file(place.segment)?;
        let Some(bytes) = read_exact(file.as_ref(), start, RECORD_HEADER + length)? else {
            return Err(damaged);
        };
        let mut header = crate::codec::Reader::new(bytes.into());
        let parts = header.u32().and_then(|found| Ok((found, header.u32()?)));
        match parts {
            Ok((found, crc)) if found == place.length => {
                let body = header.take(length).map_err(|_| damaged)?;
                Record::decode(crc, body).map_err(|_| StoreError::Damaged {
                    segment: place.segment,
                    offset: place.offset,
                })
            }
            _ => Err(damaged),
        }
    }

    /// Bytes of a segment's bulk, checked.
    pub(crate) fn checked_bulk(
        &self,
        segment: u64,
        offset: u64,
        length: usize,
        crc: u32,
    ) -> Result<Bytes, StoreError> {
        let bytes = self.bulk(segment, offset, length)?;
        if crc32fast::hash(&bytes) == crc {
            Ok(bytes)
        } else {
            Err(StoreError::Damaged { segment, offset })
        }
    }

    /// Bytes of a segment's bulk.
    fn bulk(&self, segment: u64, offset: u64, length: usize) -> Result<Bytes, StoreError> {
        let file = self.file(segment)?;
        read_exact(file.as_ref(), offset, length)?
            .map(Bytes::from)
            .ok_or(StoreError::Damaged { segment, offset })
    }
}
