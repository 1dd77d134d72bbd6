//! Why a hub's backup was not made, or cannot be used.

use std::path::PathBuf;

use consign_domain::ErrorCode;
use consign_runtime::backup::BackupError;
use consign_runtime::config::ConfigFaults;
use consign_runtime::files::{FileError, LockError};
use consign_store::backup::JournalFault;
use consign_verify::TrustError;

use crate::directory::DirectoryFault;
use crate::error::file_code;
use crate::setup::SetupError;

/// Why a hub's backup was not made, or cannot be used.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum BackupFault {
    /// The directory is no hub's.
    #[error("{} holds no hub", path.display())]
    NoHub {
        /// The directory.
        path: PathBuf,
    },
    /// Copies.
    #[error(transparent)]
    Backup(#[from] BackupError),
    /// `hub.toml` cannot be used.
    #[error(transparent)]
    Config(#[from] ConfigFaults),
    /// `request.json` cannot be used.
    #[error(transparent)]
    Setup(#[from] SetupError),
    /// The trust file cannot be used.
    #[error("{} is not a trust file to use", path.display())]
    Trust {
        /// The file.
        path: PathBuf,
        /// Why.
        #[source]
        source: TrustError,
    },
    /// The directory cannot be used.
    #[error(transparent)]
    Directory(#[from] DirectoryFault),
    /// The journal cannot be read.
    #[error(transparent)]
    Journal(#[from] JournalFault),
    /// A file cannot be used.
    #[error(transparent)]
    File(#[from] FileError),
    /// Segments were let go of again and again while they were copied.
    #[error("the hub let go of what was being copied, {attempts} times; try again later")]
    Moving {
        /// How often it was tried.
        attempts: u32,
    },
    /// The backup is damaged.
    #[error("the backup in {} is damaged: {first}", path.display())]
    Damaged {
        /// The backup.
        path: PathBuf,
        /// What is wrong first.
        first: String,
    },
}

impl BackupFault {
    /// The code to answer with.
    pub fn code(&self) -> ErrorCode {
        match self {
            Self::NoHub { .. } | Self::Config(_) | Self::Setup(_) => ErrorCode::Usage,
            Self::Backup(fault) => backup_code(fault),
            Self::Trust { .. } => ErrorCode::StatementMalformed,
            Self::Directory(fault) => fault.code(),
            Self::Journal(fault) => fault.code(),
            Self::File(fault) => file_code(fault),
            Self::Moving { .. } => ErrorCode::Busy,
            Self::Damaged { .. } => ErrorCode::StorageFailed,
        }
    }
}

fn backup_code(fault: &BackupError) -> ErrorCode {
    match fault {
        fault if fault.is_full() => ErrorCode::StorageFull,
        BackupError::File(fault) | BackupError::Lock(LockError::File(fault)) => file_code(fault),
        BackupError::Manifest { .. } | BackupError::Damaged { .. } => ErrorCode::StorageFailed,
        _ => ErrorCode::Usage,
    }
}
