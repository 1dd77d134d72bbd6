//! Published versions of the directory: `<dir>/<12 digits>/{head.json,head.sig,entries.jsonl}`, and
//! beside these the revocation lists in force when it was made, for who judges by lists alone.
//!
//! A version appears whole, by the renaming of a directory that was written and synced
//! under another name, and is never changed afterwards. Readers take the highest number.

use std::fs;
use std::path::{Path, PathBuf};

use bytes::Bytes;
use consign_domain::limits::{MAX_DIRECTORY, MAX_HEAD};
use consign_domain::{DirectoryVersion, SignedStatement};
use consign_runtime::files::{self, Action, FileError};

use super::{PUBLIC, PUBLIC_DIRECTORY, io_fault};
use crate::error::{AuthorityError, DamageError};
use crate::publication::Version;

const TEMPORARY: &str = ".publishing-directory";

/// The newest version's number.
pub(super) fn newest(dir: &Path) -> Result<Option<DirectoryVersion>, AuthorityError> {
    Ok(all(dir)?.into_iter().max())
}

/// The numbers of all versions, in no order.
pub(super) fn all(dir: &Path) -> Result<Vec<DirectoryVersion>, AuthorityError> {
    let mut all = Vec::new();
    for item in fs::read_dir(dir).map_err(io_fault(Action::Read, dir))? {
        let item = item.map_err(io_fault(Action::Read, dir))?;
        all.extend(item.file_name().to_str().and_then(number));
    }
    Ok(all)
}

/// Reads a version, without judging it.
pub(super) fn read(dir: &Path, version: DirectoryVersion) -> Result<Version, AuthorityError> {
    let place = place(dir, version);
    let statement = files::read_bounded(&place.join("head.json"), MAX_HEAD)?;
    let path = place.join("head.sig");
    let signature = files::read_bounded(&path, 64)?;
    let signature = signature.try_into().map_err(|_| AuthorityError::Damaged {
        path,
        source: DamageError::Signature,
    })?;
    Ok(Version {
        head: SignedStatement {
            statement: Bytes::from(statement),
            signature,
        },
        entries: files::read_bounded(&place.join("entries.jsonl"), MAX_DIRECTORY)?,
    })
}

/// Publishes a version that is not there yet. Durable on return. The caller holds the lock.
pub(super) fn write(
    dir: &Path,
    version: DirectoryVersion,
    content: &Version,
    lists: &[(&str, Vec<u8>)],
) -> Result<PathBuf, AuthorityError> {
    let temporary = dir.join(TEMPORARY);
    if temporary.exists() {
        // A crash left it; nobody reads it and we hold the lock.
        fs::remove_dir_all(&temporary).map_err(io_fault(Action::Remove, &temporary))?;
    }
    files::create_dir_durable(&temporary, PUBLIC_DIRECTORY)?;
    let parts: [(&str, &[u8]); 3] = [
        ("head.json", &content.head.statement),
        ("head.sig", &content.head.signature),
        ("entries.jsonl", &content.entries),
    ];
    let lists = lists.iter().map(|(name, list)| (*name, list.as_slice()));
    for (name, bytes) in parts.into_iter().chain(lists) {
        files::publish(&temporary.join(name), bytes, PUBLIC)?;
    }
    let place = place(dir, version);
    if place.exists() {
        return Err(FileError::AlreadyExists { path: place }.into());
    }
    fs::rename(&temporary, &place).map_err(io_fault(Action::Rename, &place))?;
    files::sync_dir(dir)?;
    Ok(place)
}

pub(super) fn place(dir: &Path, version: DirectoryVersion) -> PathBuf {
    dir.join(format!("{:012}", version.value()))
}

fn number(name: &str) -> Option<DirectoryVersion> {
    let digits = name.len() == 12 && name.bytes().all(|byte| byte.is_ascii_digit());
    let value = digits.then(|| name.parse().ok()).flatten()?;
    DirectoryVersion::new(value).ok()
}
