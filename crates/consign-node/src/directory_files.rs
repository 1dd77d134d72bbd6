//! Versions of the directory on disk: `DIR/<version, 12 digits>/` with `head.json` (the exact
//! bytes), `head.sig` (64 raw bytes) and `entries.jsonl`.
//!
//! A version is whole or not there: it is written under a temporary name, synced and renamed.
//! A damaged newest version is an error and never a reason to fall back to an older one.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use consign_domain::SignedStatement;
use consign_domain::limits::{MAX_DIRECTORY, MAX_HEAD};
use consign_runtime::files::{self, FileError, PRIVATE, PRIVATE_DIRECTORY};
use consign_verify::{Directory, DirectoryError, TrustStore};
use thiserror::Error;

const HEAD: &str = "head.json";
const SIGNATURE: &str = "head.sig";
const ENTRIES: &str = "entries.jsonl";
const TEMPORARY: &str = ".publishing-";
/// How many versions stay on disk, for people who look into a fault.
const KEPT: usize = 4;

/// Why the directory on disk cannot be used.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum DirectoryFileError {
    /// The system refused.
    #[error(transparent)]
    File(#[from] FileError),
    /// The system refused to list or rename.
    #[error("cannot keep directory versions in {}", path.display())]
    Io {
        /// Where.
        path: PathBuf,
        /// What the system said.
        #[source]
        source: io::Error,
    },
    /// The newest version does not verify.
    #[error("the directory in {} does not verify; restore it from a backup or the authority", path.display())]
    Unverified {
        /// Its files.
        path: PathBuf,
        /// Why.
        #[source]
        source: DirectoryError,
    },
}

/// The newest version in `path`, checked; `None` where there is none.
///
/// # Errors
/// [`DirectoryFileError`].
pub fn newest(path: &Path, trust: &TrustStore) -> Result<Option<Directory>, DirectoryFileError> {
    let Some(newest) = versions(path)?.pop() else {
        return Ok(None);
    };
    let newest = path.join(newest);
    let bounded = files::read_bounded(&newest.join(SIGNATURE), 64)?;
    let statement = files::read_bounded(&newest.join(HEAD), MAX_HEAD)?;
    let entries = files::read_bounded(&newest.join(ENTRIES), MAX_DIRECTORY)?;
    let signed = SignedStatement {
        statement: statement.into(),
        // A short signature does not verify, which is what has to be said of it.
        signature: bounded.try_into().unwrap_or([0; 64]),
    };
    Directory::verify(signed, entries, trust)
        .map(Some)
        .map_err(|source| DirectoryFileError::Unverified {
            path: newest,
            source,
        })
}

/// Stores a version durably and removes those that are long past.
///
/// # Errors
/// [`DirectoryFileError`]; what was there before is then still there.
pub fn publish(path: &Path, directory: &Directory) -> Result<(), DirectoryFileError> {
    files::create_dir_durable(path, PRIVATE_DIRECTORY)?;
    remove_leftovers(path)?;
    let name = format!("{:012}", directory.version().value());
    let (temporary, place) = (path.join(format!("{TEMPORARY}{name}")), path.join(&name));
    files::create_dir_durable(&temporary, PRIVATE_DIRECTORY)?;
    let head = directory.signed_head();
    files::publish(&temporary.join(HEAD), &head.statement, PRIVATE)?;
    files::publish(&temporary.join(SIGNATURE), &head.signature, PRIVATE)?;
    files::publish(&temporary.join(ENTRIES), directory.entries(), PRIVATE)?;
    fs::rename(&temporary, &place).map_err(fault(path))?;
    files::sync_dir(path)?;
    let versions = versions(path)?;
    for old in versions.iter().take(versions.len().saturating_sub(KEPT)) {
        fs::remove_dir_all(path.join(old)).map_err(fault(path))?;
    }
    Ok(())
}

/// The names of all versions, ascending.
fn versions(path: &Path) -> Result<Vec<String>, DirectoryFileError> {
    let mut versions: Vec<String> = names(path)?
        .into_iter()
        .filter(|name| name.len() == 12 && name.bytes().all(|byte| byte.is_ascii_digit()))
        .collect();
    versions.sort_unstable();
    Ok(versions)
}

fn remove_leftovers(path: &Path) -> Result<(), DirectoryFileError> {
    for name in names(path)? {
        if name.starts_with(TEMPORARY) {
            fs::remove_dir_all(path.join(name)).map_err(fault(path))?;
        }
    }
    Ok(())
}

fn names(path: &Path) -> Result<Vec<String>, DirectoryFileError> {
    let entries = match fs::read_dir(path) {
        Ok(entries) => entries,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
        Err(error) => return Err(fault(path)(error)),
    };
    let mut names = Vec::new();
    for entry in entries {
        names.extend(entry.map_err(fault(path))?.file_name().into_string());
    }
    Ok(names)
}

fn fault(path: &Path) -> impl FnOnce(io::Error) -> DirectoryFileError + '_ {
    move |source| DirectoryFileError::Io {
        path: path.to_owned(),
        source,
    }
}
