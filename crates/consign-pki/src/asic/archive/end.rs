//! Finds the end record, and through it the directory.

use std::io::{Read, Seek, SeekFrom};

use super::super::budget::Budget;
use super::super::error::AsicError;
use super::super::profile::{Deviation, Judge};
use super::header::{
    CENTRAL_BYTES, CENTRAL_SIGNATURE, END_BYTES, END_SIGNATURE, End, ZIP64_LOCATOR_SIGNATURE,
};
use super::read::read_at;

/// The longest comment that can follow an end record.
const MAX_COMMENT_BYTES: u64 = 0xFFFF;

/// Where the directory lies and how many entries it declares.
pub(super) struct DirectoryPlace {
    pub(super) offset: u64,
    pub(super) size: u64,
    pub(super) entries: u64,
}

/// Finds the last end record and checks what it says.
pub(super) fn locate_end<R: Read + Seek>(
    reader: &mut R,
    budget: &Budget,
    judge: &mut Judge,
) -> Result<DirectoryPlace, AsicError> {
    let size = reader.seek(SeekFrom::End(0))?;
    if size > budget.container_bytes {
        return Err(AsicError::ContainerTooLarge {
            size,
            limit: budget.container_bytes,
        });
    }
    let tail_length = size.min(END_BYTES as u64 + MAX_COMMENT_BYTES);
    let tail = read_at(reader, size - tail_length, tail_length)?;
    // The last signature counts, as for other readers: an earlier one would be a second reading.
    let place = tail
        .windows(END_BYTES)
        .rposition(|window| window.starts_with(&END_SIGNATURE.to_le_bytes()))
        .ok_or(AsicError::EndRecordMissing)?;
    let record = tail
        .get(place..)
        .and_then(End::decode)
        .ok_or(AsicError::EndRecordMissing)?;
    let position = size - tail_length + place as u64;
    check_comment(size - position - END_BYTES as u64, &record, size, judge)?;
    let locator = place.checked_sub(20).and_then(|at| tail.get(at..at + 4));
    if locator == Some(&ZIP64_LOCATOR_SIGNATURE.to_le_bytes()) {
        return Err(AsicError::Zip64);
    }
    place_directory(reader, &record, position, budget)
}

fn check_comment(
    following: u64,
    record: &End,
    size: u64,
    judge: &mut Judge,
) -> Result<(), AsicError> {
    let declared = u64::from(record.comment_length);
    if following > declared {
        return Err(AsicError::TrailingBytes {
            length: following - declared,
        });
    }
    if following < declared {
        return Err(AsicError::Truncated { offset: size });
    }
    if declared > 0 {
        judge.deviation(Deviation::ArchiveComment { length: declared })?;
    }
    Ok(())
}

fn place_directory<R: Read + Seek>(
    reader: &mut R,
    record: &End,
    position: u64,
    budget: &Budget,
) -> Result<DirectoryPlace, AsicError> {
    let sentinels = [record.directory_size, record.directory_offset].contains(&u32::MAX);
    if sentinels || record.entries == u16::MAX || record.entries_on_disk == u16::MAX {
        return Err(AsicError::Zip64);
    }
    if record.disks != [0, 0] {
        return Err(AsicError::MultiDisk);
    }
    let (declared, found) = (u64::from(record.entries), u64::from(record.entries_on_disk));
    if declared != found {
        return Err(AsicError::EntryCount { declared, found });
    }
    if declared > budget.entries as u64 {
        return Err(AsicError::TooManyEntries {
            count: declared,
            limit: budget.entries as u64,
        });
    }
    let (offset, size) = (
        u64::from(record.directory_offset),
        u64::from(record.directory_size),
    );
    if size > budget.directory_bytes {
        return Err(AsicError::DirectoryTooLarge {
            size,
            limit: budget.directory_bytes,
        });
    }
    match (offset + size).cmp(&position) {
        std::cmp::Ordering::Equal => {}
        std::cmp::Ordering::Greater => return Err(AsicError::DirectoryMisplaced),
        std::cmp::Ordering::Less => return Err(misplaced(reader, offset, size, position)?),
    }
    Ok(DirectoryPlace {
        offset,
        size,
        entries: declared,
    })
}

/// Bytes put before a zip move its directory without changing what the end record says.
fn misplaced<R: Read + Seek>(
    reader: &mut R,
    offset: u64,
    size: u64,
    position: u64,
) -> Result<AsicError, AsicError> {
    let real = position - size;
    if size >= CENTRAL_BYTES as u64 && read_at(reader, real, 4)? == CENTRAL_SIGNATURE.to_le_bytes()
    {
        return Ok(AsicError::PrefixBytes {
            length: real - offset,
        });
    }
    Ok(AsicError::DirectoryMisplaced)
}
