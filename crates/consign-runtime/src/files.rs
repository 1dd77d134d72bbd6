//! Files that survive a power cut: whole under their name, or not there.
//!
//! Publishing writes a temporary file in the same directory, syncs it, renames it, and syncs the
//! directory; only then does it return. A crash leaves at most a temporary file, which
//! [`remove_leftovers`] finds by its name. Modes are set exactly, whatever the umask.
//!
//! All of this blocks: call it off the async threads.

mod lock;
#[cfg(test)]
mod tests;

use std::fs::{self, File, OpenOptions, Permissions};
use std::io::{self, Read as _, Write as _};
use std::os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};

use rustix::fs::{CWD, RenameFlags, renameat_with};
use thiserror::Error;

use crate::entropy::{self, EntropyError};

pub use lock::{DirectoryLock, LockError};

/// Mode of files and sockets that only the owner may use.
pub const PRIVATE: u32 = 0o600;
/// Mode of directories that only the owner may enter.
pub const PRIVATE_DIRECTORY: u32 = 0o700;

const TEMPORARY: &str = ".publishing-";

/// What was being done to a file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Action {
    /// Making it.
    Create,
    /// Opening or reading it.
    Read,
    /// Writing it.
    Write,
    /// Bringing it to stable storage.
    Sync,
    /// Giving it its name.
    Rename,
    /// Removing it.
    Remove,
    /// Taking its lock.
    Lock,
}

impl std::fmt::Display for Action {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.write_str(match self {
            Self::Create => "create",
            Self::Read => "read",
            Self::Write => "write",
            Self::Sync => "sync",
            Self::Rename => "rename",
            Self::Remove => "remove",
            Self::Lock => "lock",
        })
    }
}

/// Why a file could not be published or read.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum FileError {
    /// The system refused.
    #[error("cannot {action} {}", path.display())]
    Io {
        /// What was being done.
        action: Action,
        /// To which file.
        path: PathBuf,
        /// What the system said.
        #[source]
        source: io::Error,
    },
    /// The name is taken.
    #[error("{} already exists", path.display())]
    AlreadyExists {
        /// The name.
        path: PathBuf,
    },
    /// More than the reader is ready to hold.
    #[error("{} is larger than the {max} bytes allowed", path.display())]
    TooLarge {
        /// The file.
        path: PathBuf,
        /// The bound, in bytes.
        max: usize,
    },
    /// A directory, pipe or device where a file should be.
    #[error("{} is not a regular file", path.display())]
    NotAFile {
        /// The path.
        path: PathBuf,
    },
    /// Others may read a file that holds a secret.
    #[error("{} is open to others (mode {mode:o}); run: chmod 600 {}", path.display(), path.display())]
    OpenToOthers {
        /// The file.
        path: PathBuf,
        /// Its permission bits.
        mode: u32,
    },
    /// A path without a file name.
    #[error("{} has no file name", path.display())]
    NoName {
        /// The path.
        path: PathBuf,
    },
    /// No name for the temporary file.
    #[error(transparent)]
    Entropy(#[from] EntropyError),
}

impl FileError {
    /// Whether the file was simply not there.
    #[must_use]
    pub fn is_not_found(&self) -> bool {
        matches!(self, Self::Io { source, .. } if source.kind() == io::ErrorKind::NotFound)
    }
}

/// Puts `bytes` under `path` with exactly `mode`, replacing what was there. Durable on return.
///
/// # Errors
/// The system refused; what was under `path` is then still there, whole.
pub fn publish(path: &Path, bytes: &[u8], mode: u32) -> Result<(), FileError> {
    publish_with(path, bytes, mode, |temporary| fs::rename(temporary, path))
}

/// Puts `bytes` under `path` with exactly `mode`, if nothing is there. Durable on return.
///
/// # Errors
/// [`FileError::AlreadyExists`] if the name is taken, or the system refused.
pub fn publish_new(path: &Path, bytes: &[u8], mode: u32) -> Result<(), FileError> {
    let published = publish_with(path, bytes, mode, |temporary| rename_new(temporary, path));
    published.map_err(|fault| match fault {
        FileError::Io {
            action: Action::Rename,
            source,
            path,
        } if source.kind() == io::ErrorKind::AlreadyExists => FileError::AlreadyExists { path },
        other => other,
    })
}

/// [`publish`] for secrets: mode 0600.
///
/// # Errors
/// As [`publish`].
pub fn write_private(path: &Path, bytes: &[u8]) -> Result<(), FileError> {
    publish(path, bytes, PRIVATE)
}

/// Makes `path` and its missing parents, durably, with exactly `mode`. A directory that exists
/// keeps its mode.
///
/// # Errors
/// The system refused, or a file is in the way.
pub fn create_dir_durable(path: &Path, mode: u32) -> Result<(), FileError> {
    if path.is_dir() {
        return Ok(());
    }
    let parent = parent(path);
    create_dir_durable(parent, mode)?;
    match fs::DirBuilder::new().mode(mode).create(path) {
        Ok(()) => fs::set_permissions(path, Permissions::from_mode(mode))
            .map_err(fault(Action::Create, path))?,
        // Another process was faster.
        Err(source) if source.kind() == io::ErrorKind::AlreadyExists && path.is_dir() => {}
        Err(source) => return Err(fault(Action::Create, path)(source)),
    }
    sync_dir(parent)
}

/// The whole of a regular file of at most `max` bytes.
///
/// # Errors
/// It is larger, not a file, or cannot be read.
pub fn read_bounded(path: &Path, max: usize) -> Result<Vec<u8>, FileError> {
    read_open(&open(path)?, path, max)
}

/// [`read_bounded`] for secrets: refuses a file that group or others may use.
///
/// # Errors
/// As [`read_bounded`], or [`FileError::OpenToOthers`].
pub fn read_private(path: &Path, max: usize) -> Result<Vec<u8>, FileError> {
    let file = open(path)?;
    let mode = file
        .metadata()
        .map_err(fault(Action::Read, path))?
        .permissions()
        .mode()
        & 0o777;
    if mode & 0o077 != 0 {
        return Err(FileError::OpenToOthers {
            path: path.to_owned(),
            mode,
        });
    }
    read_open(&file, path, max)
}

/// Removes `path` durably. Nothing to remove is no error.
///
/// # Errors
/// The system refused.
pub fn remove(path: &Path) -> Result<(), FileError> {
    match fs::remove_file(path) {
        Ok(()) => sync_dir(parent(path)),
        Err(source) if source.kind() == io::ErrorKind::NotFound => Ok(()),
        Err(source) => Err(fault(Action::Remove, path)(source)),
    }
}

/// Removes temporary files that a crash left in `directory`, and says how many there were. Call
/// it under the directory's [`DirectoryLock`]: nobody else may be publishing there.
///
/// # Errors
/// The system refused.
pub fn remove_leftovers(directory: &Path) -> Result<usize, FileError> {
    let mut removed = 0;
    for entry in fs::read_dir(directory).map_err(fault(Action::Read, directory))? {
        let entry = entry.map_err(fault(Action::Read, directory))?;
        if entry
            .file_name()
            .as_encoded_bytes()
            .starts_with(TEMPORARY.as_bytes())
        {
            let path = entry.path();
            fs::remove_file(&path).map_err(fault(Action::Remove, &path))?;
            removed += 1;
        }
    }
    Ok(removed)
}

/// Brings the names in `directory` to stable storage.
///
/// # Errors
/// The system refused.
pub fn sync_dir(directory: &Path) -> Result<(), FileError> {
    File::open(directory)
        .and_then(|directory| directory.sync_all())
        .map_err(fault(Action::Sync, directory))
}

fn publish_with(
    path: &Path,
    bytes: &[u8],
    mode: u32,
    name: impl FnOnce(&Path) -> io::Result<()>,
) -> Result<(), FileError> {
    if path.file_name().is_none() {
        return Err(FileError::NoName {
            path: path.to_owned(),
        });
    }
    let directory = parent(path);
    let temporary = directory.join(format!("{TEMPORARY}{}", entropy::hex::<8>()?));
    let published = write_synced(&temporary, bytes, mode)
        .and_then(|()| name(&temporary).map_err(fault(Action::Rename, path)));
    if published.is_err() {
        // The fault that is returned matters more than this one.
        let _ = fs::remove_file(&temporary);
    }
    published?;
    sync_dir(directory)
}

fn write_synced(path: &Path, bytes: &[u8], mode: u32) -> Result<(), FileError> {
    let mut file = OpenOptions::new()
        .write(true)
        .create_new(true)
        .mode(mode)
        .open(path)
        .map_err(fault(Action::Create, path))?;
    file.set_permissions(Permissions::from_mode(mode))
        .map_err(fault(Action::Create, path))?;
    file.write_all(bytes).map_err(fault(Action::Write, path))?;
    file.sync_all().map_err(fault(Action::Sync, path))
}

/// Renames unless the name is taken. File systems without that verb get it from two others.
fn rename_new(temporary: &Path, path: &Path) -> io::Result<()> {
    use rustix::io::Errno;

    match renameat_with(CWD, temporary, CWD, path, RenameFlags::NOREPLACE) {
        Ok(()) => Ok(()),
        Err(Errno::INVAL | Errno::NOSYS | Errno::OPNOTSUPP) => {
            fs::hard_link(temporary, path)?;
            fs::remove_file(temporary)
        }
        Err(errno) => Err(errno.into()),
    }
}

/// Opens without waiting for the other end, should it be a pipe.
fn open(path: &Path) -> Result<File, FileError> {
    let nonblocking = i32::try_from(rustix::fs::OFlags::NONBLOCK.bits()).unwrap_or_default();
    OpenOptions::new()
        .read(true)
        .custom_flags(nonblocking)
        .open(path)
        .map_err(fault(Action::Read, path))
}

fn read_open(file: &File, path: &Path, max: usize) -> Result<Vec<u8>, FileError> {
    let metadata = file.metadata().map_err(fault(Action::Read, path))?;
    if !metadata.is_file() {
        return Err(FileError::NotAFile {
            path: path.to_owned(),
        });
    }
    let bound = u64::try_from(max).unwrap_or(u64::MAX);
    let mut bytes = Vec::new();
    if metadata.len() <= bound {
        file.take(bound.saturating_add(1))
            .read_to_end(&mut bytes)
            .map_err(fault(Action::Read, path))?;
    }
    if metadata.len() > bound || bytes.len() > max {
        return Err(FileError::TooLarge {
            path: path.to_owned(),
            max,
        });
    }
    Ok(bytes)
}

fn parent(path: &Path) -> &Path {
    match path.parent() {
        Some(parent) if !parent.as_os_str().is_empty() => parent,
        Some(_) => Path::new("."),
        None => path,
    }
}

fn fault(action: Action, path: &Path) -> impl FnOnce(io::Error) -> FileError + '_ {
    move |source| FileError::Io {
        action,
        path: path.to_owned(),
        source,
    }
}
