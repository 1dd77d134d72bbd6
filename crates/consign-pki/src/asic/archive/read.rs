//! Reads and judges the structure of a zip: end record, directory, local headers, layout.
//!
//! After [`read_directory`] each byte of the container belongs to exactly one header or one
//! entry's data, and names, sizes and limits are checked. Content is checked while it is read.

use std::io::{self, Read, Seek, SeekFrom};

use super::super::budget::Budget;
use super::super::error::AsicError;
use super::super::name::{NameKind, NameRule, NameSet, classify};
use super::super::profile::{Deviation, HeaderField, Judge};
use super::header::{
    CENTRAL_BYTES, CENTRAL_SIGNATURE, Central, DATE, DESCRIPTOR_SIGNATURE, END_BYTES,
    END_SIGNATURE, End, FLAG_DESCRIPTOR, FLAG_UTF8, Fields, LOCAL_BYTES, METHOD_DEFLATED,
    METHOD_STORED, Shared, TIME, VERSION, ZIP64_LOCATOR_SIGNATURE, decode_local,
};

/// An end record can be preceded from the end of the file by a comment of this length at most.
const MAX_COMMENT_BYTES: u64 = 0xFFFF;
/// Below this size a file may be of any ratio: runs of blanks pack well.
const RATIO_FREE_BYTES: u64 = 64 << 10;
const FLAGS_ENCRYPTED: u16 = 0x0001 | 0x0040 | 0x2000;
const FLAGS_DEFLATE_LEVEL: u16 = 0x0006;
const EXTRA_ZIP64: u16 = 0x0001;
const EXTRA_UNICODE_PATH: u16 = 0x7075;

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
    let bytes = read_at(reader, end.directory_offset, end.directory_size)?;
    let mut entries = parse_directory(&bytes, end.entries, budget, judge)?;
    if !entries.is_sorted_by_key(|(entry, _)| entry.header_start) {
        judge.deviation(Deviation::DirectoryOrder)?;
        entries.sort_by_key(|(entry, _)| entry.header_start);
    }
    let entries = walk_entries(reader, entries, end.directory_offset, judge)?;
    Ok(Directory {
        entries,
        offset: end.directory_offset,
    })
}

struct DirectoryPlace {
    directory_offset: u64,
    directory_size: u64,
    entries: u64,
}

fn locate_end<R: Read + Seek>(
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
        directory_offset: offset,
        directory_size: size,
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

/// What is kept of a central header until the local one is at hand.
struct CentralFields {
    shared: Shared,
    has_extra: bool,
}

fn parse_directory(
    bytes: &[u8],
    declared: u64,
    budget: &Budget,
    judge: &mut Judge,
) -> Result<Vec<(StoredEntry, CentralFields)>, AsicError> {
    let mut fields = Fields(bytes);
    let mut entries = Vec::new();
    let mut names = NameSet::default();
    let mut total = 0;
    while !fields.0.is_empty() {
        let offset = (bytes.len() - fields.0.len()) as u64;
        let found = entries.len() as u64 + 1;
        if found > declared {
            return Err(AsicError::EntryCount { declared, found });
        }
        let central =
            Central::decode(&mut fields).ok_or(AsicError::DirectoryMalformed { offset })?;
        let entry = judge_central(&central, judge)?;
        names.insert(&entry.name)?;
        check_limits(&entry, &mut total, budget)?;
        let kept = CentralFields {
            shared: central.shared,
            has_extra: !central.extra.is_empty(),
        };
        entries.push((entry, kept));
    }
    let found = entries.len() as u64;
    if found != declared {
        return Err(AsicError::EntryCount { declared, found });
    }
    Ok(entries)
}

fn judge_central(central: &Central<'_>, judge: &mut Judge) -> Result<StoredEntry, AsicError> {
    let (name, kind) = judge_name(central, judge)?;
    let shared = &central.shared;
    if [shared.packed, shared.size, central.offset].contains(&u32::MAX) {
        return Err(AsicError::Zip64);
    }
    if central.disk != 0 {
        return Err(AsicError::MultiDisk);
    }
    judge_flags(&name, shared.flags, judge)?;
    match shared.method {
        METHOD_STORED if shared.packed != shared.size => {
            return Err(AsicError::SizeDisagrees { name });
        }
        METHOD_STORED => {}
        METHOD_DEFLATED => judge.deviation(Deviation::Deflated { name: name.clone() })?,
        method => return Err(AsicError::UnsupportedMethod { name, method }),
    }
    judge_fixed_fields(&name, central, judge)?;
    if !judge.is_canonical() {
        check_extra(&name, central.extra)?;
    }
    if central.comment_length > 0 {
        judge.deviation(Deviation::EntryComment { name: name.clone() })?;
    }
    if kind == NameKind::Folder && shared.size > 0 {
        return Err(AsicError::FolderWithContent { name });
    }
    Ok(StoredEntry {
        name,
        kind,
        crc32: shared.crc32,
        size: u64::from(shared.size),
        packed: u64::from(shared.packed),
        deflated: shared.method == METHOD_DEFLATED,
        header_start: u64::from(central.offset),
        data_start: 0,
    })
}

fn judge_name(central: &Central<'_>, judge: &mut Judge) -> Result<(String, NameKind), AsicError> {
    let bad = |rule| AsicError::BadName {
        name: String::from_utf8_lossy(central.name).into_owned(),
        rule,
    };
    let unmarked = central.shared.flags & FLAG_UTF8 == 0 && !central.name.is_ascii();
    let name = std::str::from_utf8(central.name).map_err(|_| bad(NameRule::NotUtf8))?;
    if unmarked {
        return Err(bad(NameRule::NotUtf8));
    }
    let kind = classify(name).map_err(bad)?;
    let name = name.to_owned();
    match kind {
        NameKind::Folder => judge.deviation(Deviation::FolderEntry { name: name.clone() })?,
        NameKind::FileInFolder => judge.deviation(Deviation::InFolder { name: name.clone() })?,
        NameKind::MetaInfOther => {
            judge.deviation(Deviation::MetaInfUnexpected { name: name.clone() })?;
        }
        _ => {}
    }
    Ok((name, kind))
}

fn judge_flags(name: &str, flags: u16, judge: &mut Judge) -> Result<(), AsicError> {
    let name = name.to_owned();
    if flags & FLAGS_ENCRYPTED != 0 {
        return Err(AsicError::Encrypted { name });
    }
    if flags & !(FLAG_UTF8 | FLAG_DESCRIPTOR | FLAGS_DEFLATE_LEVEL) != 0 {
        return Err(AsicError::UnsupportedFlags { name, flags });
    }
    if flags & FLAG_DESCRIPTOR != 0 {
        judge.deviation(Deviation::DataDescriptor { name: name.clone() })?;
    }
    if flags & !FLAG_DESCRIPTOR != FLAG_UTF8 {
        judge.deviation(Deviation::FixedField {
            name,
            field: HeaderField::Flags,
        })?;
    }
    Ok(())
}

fn judge_fixed_fields(
    name: &str,
    central: &Central<'_>,
    judge: &mut Judge,
) -> Result<(), AsicError> {
    let unix_type = (central.external >> 16) & 0o170_000;
    if central.made_by >> 8 == 3 && unix_type == 0o120_000 {
        return Err(AsicError::SymbolicLink {
            name: name.to_owned(),
        });
    }
    let shared = &central.shared;
    let fixed = [
        (HeaderField::VersionMadeBy, central.made_by == VERSION),
        (HeaderField::VersionNeeded, shared.needed == VERSION),
        (
            HeaderField::Date,
            (shared.time, shared.date) == (TIME, DATE),
        ),
        (
            HeaderField::Attributes,
            (central.internal, central.external) == (0, 0),
        ),
    ];
    for (field, holds) in fixed {
        if !holds {
            judge.deviation(Deviation::FixedField {
                name: name.to_owned(),
                field,
            })?;
        }
    }
    Ok(())
}

/// Extra fields that would change name or size for some readers are refused.
fn check_extra(name: &str, extra: &[u8]) -> Result<(), AsicError> {
    let mut fields = Fields(extra);
    while !fields.0.is_empty() {
        let malformed = || AsicError::ExtraFieldMalformed {
            name: name.to_owned(),
        };
        let id = fields.u16().ok_or_else(malformed)?;
        let length = fields.u16().ok_or_else(malformed)?;
        fields.take(usize::from(length)).ok_or_else(malformed)?;
        match id {
            EXTRA_ZIP64 => return Err(AsicError::Zip64),
            EXTRA_UNICODE_PATH => {
                return Err(AsicError::UnicodePathField {
                    name: name.to_owned(),
                });
            }
            _ => {}
        }
    }
    Ok(())
}

fn check_limits(entry: &StoredEntry, total: &mut u64, budget: &Budget) -> Result<(), AsicError> {
    let limit = match entry.kind {
        NameKind::Manifest | NameKind::Signature | NameKind::MetaInfOther => {
            budget.meta_inf_file_bytes.min(budget.file_bytes)
        }
        _ => budget.file_bytes,
    };
    let (name, size) = (entry.name.clone(), entry.size);
    if size > limit {
        return Err(AsicError::FileTooLarge { name, size, limit });
    }
    let within_ratio = size <= RATIO_FREE_BYTES || size <= entry.packed * budget.ratio;
    if entry.deflated && !within_ratio {
        return Err(AsicError::RatioExceeded {
            name,
            limit: budget.ratio,
        });
    }
    *total += size;
    if *total > budget.total_bytes {
        return Err(AsicError::TotalTooLarge {
            limit: budget.total_bytes,
        });
    }
    Ok(())
}

/// Checks each local header against its central one, and that the entries fill the container
/// from offset 0 to the directory.
fn walk_entries<R: Read + Seek>(
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

/// Reads `length` bytes, which the caller has bounded.
fn read_at<R: Read + Seek>(reader: &mut R, offset: u64, length: u64) -> Result<Vec<u8>, AsicError> {
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
