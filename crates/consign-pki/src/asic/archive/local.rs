//! Judges the local headers against the central ones, and the layout of the whole.

use std::io::{Read, Seek};

use super::super::error::AsicError;
use super::super::profile::{Deviation, HeaderField, Judge};
use super::central::{CentralFields, check_extra};
use super::header::{
    DESCRIPTOR_SIGNATURE, FLAG_DESCRIPTOR, Fields, LOCAL_BYTES, Shared, decode_local,
};
use super::read::{StoredEntry, read_at};

/// Checks each local header against its central one, and that the entries fill the container
/// from offset 0 to the directory.
pub(super) fn walk_entries<R: Read + Seek>(
    reader: &mut R,
    entries: Vec<(StoredEntry, CentralFields)>,
    directory_offset: u64,
    judge: &mut Judge,
) -> Result<Vec<StoredEntry>, AsicError> {
    let mut expected = 0;
    let mut walked = Vec::with_capacity(entries.len());
    for (mut entry, central) in entries {
        let (start, name) = (entry.header_start, entry.name.clone());
        if start < expected {
            return Err(AsicError::Overlap { name });
        }
        if start > expected {
            let length = start - expected;
            return Err(if expected == 0 {
                AsicError::PrefixBytes { length }
            } else {
                AsicError::Gap {
                    before: name,
                    length,
                }
            });
        }
        if start >= directory_offset {
            return Err(AsicError::LocalHeaderMissing { name });
        }
        expected = check_local(reader, &mut entry, &central, judge)?;
        if expected > directory_offset {
            return Err(AsicError::Overlap { name });
        }
        walked.push(entry);
    }
    if expected < directory_offset {
        let before = "the directory".to_owned();
        return Err(AsicError::Gap {
            before,
            length: directory_offset - expected,
        });
    }
    Ok(walked)
}

/// Checks the local header, sets where the data begins, returns where the entry ends.
fn check_local<R: Read + Seek>(
    reader: &mut R,
    entry: &mut StoredEntry,
    central: &CentralFields,
    judge: &mut Judge,
) -> Result<u64, AsicError> {
    let name = || entry.name.clone();
    let start = entry.header_start;
    let local = decode_local(&read_at(reader, start, LOCAL_BYTES as u64)?)
        .ok_or_else(|| AsicError::LocalHeaderMissing { name: name() })?;
    let (name_length, extra_length) = (u64::from(local.name_length), u64::from(local.extra_length));
    let variable = read_at(
        reader,
        start + LOCAL_BYTES as u64,
        name_length + extra_length,
    )?;
    let (local_name, extra) = variable
        .split_at_checked(usize::from(local.name_length))
        .ok_or(AsicError::Truncated { offset: start })?;
    if local_name != entry.name.as_bytes() {
        return Err(AsicError::NameDisagrees { name: name() });
    }
    compare(&local, &central.shared, &entry.name, judge)?;
    if central.has_extra || !extra.is_empty() {
        judge.deviation(Deviation::ExtraField { name: name() })?;
        check_extra(&entry.name, extra)?;
    }
    entry.data_start = start + LOCAL_BYTES as u64 + name_length + extra_length;
    let data_end = entry.data_start + entry.packed;
    if local.flags & FLAG_DESCRIPTOR != 0 {
        return check_descriptor(reader, data_end, entry);
    }
    Ok(data_end)
}

fn compare(
    local: &Shared,
    central: &Shared,
    name: &str,
    judge: &mut Judge,
) -> Result<(), AsicError> {
    let name = || name.to_owned();
    if local.flags != central.flags {
        return Err(AsicError::FlagsDisagree { name: name() });
    }
    if local.method != central.method {
        return Err(AsicError::MethodDisagrees { name: name() });
    }
    // With a data descriptor the local header may leave them out.
    let agrees =
        |left: u32, right: u32| left == right || (left == 0 && local.flags & FLAG_DESCRIPTOR != 0);
    if !agrees(local.packed, central.packed) || !agrees(local.size, central.size) {
        return Err(AsicError::SizeDisagrees { name: name() });
    }
    if !agrees(local.crc32, central.crc32) {
        return Err(AsicError::CrcDisagrees { name: name() });
    }
    if local.needed != central.needed {
        let field = HeaderField::VersionNeeded;
        judge.deviation(Deviation::FixedField {
            name: name(),
            field,
        })?;
    }
    if (local.time, local.date) != (central.time, central.date) {
        judge.deviation(Deviation::FixedField {
            name: name(),
            field: HeaderField::Date,
        })?;
    }
    Ok(())
}

/// The descriptor after the data repeats CRC and sizes, with or without a signature.
fn check_descriptor<R: Read + Seek>(
    reader: &mut R,
    at: u64,
    entry: &StoredEntry,
) -> Result<u64, AsicError> {
    let disagrees = || AsicError::DescriptorDisagrees {
        name: entry.name.clone(),
    };
    let matches = |bytes: &[u8]| {
        let mut fields = Fields(bytes);
        fields.u32() == Some(entry.crc32)
            && fields.u32().map(u64::from) == Some(entry.packed)
            && fields.u32().map(u64::from) == Some(entry.size)
    };
    // The directory follows, so 16 bytes are there even when the descriptor has 12.
    let bytes = read_at(reader, at, 16)?;
    match bytes.strip_prefix(&DESCRIPTOR_SIGNATURE.to_le_bytes()) {
        Some(signed) if matches(signed) => Ok(at + 16),
        _ if matches(&bytes) => Ok(at + 12),
        _ => Err(disagrees()),
    }
}
