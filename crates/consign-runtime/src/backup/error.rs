//! Why a backup was not made, or cannot be used.

use std::path::PathBuf;

use thiserror::Error;

use crate::files::{Action, FileError, LockError};

/// Why a backup was not made, or cannot be used.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum BackupError {
    /// A file cannot be used.
    #[error(transparent)]
    File(#[from] FileError),
    /// Another run writes to the same place.
    #[error(transparent)]
    Lock(#[from] LockError),
    /// The place holds something else.
    #[error("{} is not empty and holds no backup; name a directory of its own", path.display())]
    NotABackup {
        /// The place.
        path: PathBuf,
    },
    /// The place holds the backup of something else.
    #[error("{} holds a backup of {role} {id}; name another directory", path.display())]
    OfAnother {
        /// The place.
        path: PathBuf,
        /// The role found.
        role: String,
        /// The id found.
        id: String,
    },
    /// Nobody has finished a backup there.
    #[error("{} holds no finished backup; run the backup to its end first", path.display())]
    Unfinished {
        /// The place.
        path: PathBuf,
    },
    /// The copy would be part of what is copied.
    #[error("{} lies in {}, which is to be backed up; name a place outside it", destination.display(), source_directory.display())]
    Inside {
        /// Where the copies were to go.
        destination: PathBuf,
        /// What was to be copied.
        source_directory: PathBuf,
    },
    /// Too little room.
    #[error("{} has room for {free} bytes, {needed} are needed; make room, or name another place", path.display())]
    NoRoom {
        /// The place.
        path: PathBuf,
        /// Bytes free.
        free: u64,
        /// Bytes needed.
        needed: u64,
    },
    /// Files come back only into a directory that has none.
    #[error("{} is not empty; restore into a new directory, or empty this one", path.display())]
    NotEmpty {
        /// The directory.
        path: PathBuf,
    },
    /// The list of files is damaged.
    #[error("the list of files {} is damaged at line {line}", path.display())]
    Manifest {
        /// The list.
        path: PathBuf,
        /// The line, from 1.
        line: u64,
    },
    /// A copy is not the one that the list names.
    #[error("the copy of {name} is damaged; look at it with `backup verify`")]
    Damaged {
        /// The file.
        name: String,
    },
}

impl BackupError {
    /// Whether the disk is, or would be, full.
    #[must_use]
    pub fn is_full(&self) -> bool {
        match self {
            Self::NoRoom { .. } => true,
            Self::File(FileError::Io { source, .. }) => matches!(
                source.kind(),
                std::io::ErrorKind::StorageFull | std::io::ErrorKind::QuotaExceeded
            ),
            _ => false,
        }
    }
}

/// A fault of the system with what was being done.
pub(super) fn fault(
    action: Action,
    path: &std::path::Path,
) -> impl FnOnce(std::io::Error) -> BackupError + '_ {
    move |source| {
        BackupError::File(FileError::Io {
            action,
            path: path.to_owned(),
            source,
        })
    }
}
