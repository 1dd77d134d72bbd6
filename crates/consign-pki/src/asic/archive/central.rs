//! Judges the central directory: names, flags, fixed fields, limits.

use super::super::budget::Budget;
use super::super::error::AsicError;
use super::super::name::{NameKind, NameRule, NameSet, classify};
use super::super::profile::{Deviation, HeaderField, Judge};
use super::header::{
    Central, DATE, EXTERNAL, FLAG_DESCRIPTOR, FLAG_UTF8, Fields, MADE_BY, METHOD_DEFLATED,
    METHOD_STORED, Shared, TIME, VERSION,
};
use super::read::StoredEntry;

/// Below this size a file may be of any ratio: runs of blanks pack well.
const RATIO_FREE_BYTES: u64 = 64 << 10;
const FLAGS_ENCRYPTED: u16 = 0x0001 | 0x0040 | 0x2000;
const FLAGS_DEFLATE_LEVEL: u16 = 0x0006;
const EXTRA_ZIP64: u16 = 0x0001;
const EXTRA_UNICODE_PATH: u16 = 0x7075;

/// What is kept of a central header until the local one is at hand.
pub(super) struct CentralFields {
    pub(super) shared: Shared,
    pub(super) has_extra: bool,
}

/// Judges each central header; where the data begins is not known yet.
pub(super) fn parse_directory(
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
        (HeaderField::VersionMadeBy, central.made_by == MADE_BY),
        (HeaderField::VersionNeeded, shared.needed == VERSION),
        (
            HeaderField::Date,
            (shared.time, shared.date) == (TIME, DATE),
        ),
        (
            HeaderField::Attributes,
            (central.internal, central.external) == (0, EXTERNAL),
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
pub(super) fn check_extra(name: &str, extra: &[u8]) -> Result<(), AsicError> {
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
    let within_ratio =
        size <= RATIO_FREE_BYTES || size <= entry.packed.saturating_mul(budget.ratio);
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
