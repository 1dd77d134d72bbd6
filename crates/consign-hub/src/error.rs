//! Why a hub does not start, or does not go on.

use std::net::SocketAddr;
use std::path::PathBuf;

use consign_domain::ErrorCode;
use consign_runtime::files::{FileError, LockError};
use consign_runtime::run_file::RunFileError;
use consign_runtime::tls::TlsError;
use consign_store::{OpenError, StoreError};
use consign_verify::TrustError;

use crate::directory::DirectoryFault;
use crate::identity::KeyFault;

/// Why a hub does not start, or does not go on.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum HubError {
    /// A file of the hub's directory cannot be used.
    #[error("a file of the hub cannot be used")]
    File {
        /// Which, and why.
        #[source]
        source: FileError,
    },
    /// Another process has the directory.
    #[error("the hub's directory cannot be locked")]
    Lock {
        /// Who has it.
        #[source]
        source: LockError,
    },
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
    #[error("the directory cannot be used")]
    Directory {
        /// Why.
        #[source]
        source: DirectoryFault,
    },
    /// The keys cannot be used.
    #[error("the hub's keys cannot be used")]
    Keys {
        /// Why.
        #[source]
        source: KeyFault,
    },
    /// TLS cannot be set up.
    #[error("TLS cannot be set up")]
    Tls {
        /// Why.
        #[source]
        source: TlsError,
    },
    /// The store cannot be opened.
    #[error("the store in {} cannot be opened", path.display())]
    Open {
        /// Where it lies.
        path: PathBuf,
        /// Why.
        #[source]
        source: OpenError,
    },
    /// The store failed.
    #[error("the store has failed; start the hub again")]
    Store {
        /// How.
        #[source]
        source: StoreError,
    },
    /// The address cannot be listened on.
    #[error("cannot listen on {address}; is another process listening there?")]
    Listen {
        /// The address.
        address: SocketAddr,
        /// What the system said.
        #[source]
        source: std::io::Error,
    },
    /// `run.json` cannot be written.
    #[error("readiness cannot be told")]
    RunFile {
        /// Why.
        #[source]
        source: RunFileError,
    },
    /// The server ended by itself.
    #[error("the server has failed")]
    Server {
        /// Why.
        #[source]
        source: tonic::transport::Error,
    },
    /// A task panicked.
    #[error("task {task} has failed; see the log")]
    Panicked {
        /// Which.
        task: &'static str,
    },
    /// The runtime ended while the hub was being put together.
    #[error("the runtime is closing")]
    Closing,
}

impl HubError {
    /// The code to answer with.
    pub fn code(&self) -> ErrorCode {
        match self {
            Self::File { source } => file_code(source),
            Self::Lock { source } => match source {
                LockError::File(fault) => file_code(fault),
                _ => ErrorCode::Usage,
            },
            Self::Trust { source, .. } => match source {
                TrustError::TooLarge { .. } => ErrorCode::TooLarge,
                _ => ErrorCode::StatementMalformed,
            },
            Self::Directory { source } => source.code(),
            Self::Keys { source } => source.code(),
            Self::Open { source, .. } => source.code(),
            Self::Store { source } => source.code(),
            Self::RunFile { source } => match source {
                RunFileError::File(fault) => file_code(fault),
                _ => ErrorCode::StorageFailed,
            },
            Self::Listen { .. } => ErrorCode::Usage,
            Self::Tls { .. } | Self::Server { .. } | Self::Panicked { .. } | Self::Closing => {
                ErrorCode::Internal
            }
        }
    }
}

/// The code of a file that cannot be used.
pub(crate) fn file_code(fault: &FileError) -> ErrorCode {
    match fault {
        FileError::Io { source, .. } => io_code(source),
        _ => ErrorCode::StorageFailed,
    }
}

/// The code of what the system said of a file.
pub(crate) fn io_code(fault: &std::io::Error) -> ErrorCode {
    match fault.kind() {
        std::io::ErrorKind::NotFound => ErrorCode::NotFound,
        std::io::ErrorKind::StorageFull | std::io::ErrorKind::QuotaExceeded => {
            ErrorCode::StorageFull
        }
        _ => ErrorCode::StorageFailed,
    }
}

impl From<FileError> for HubError {
    fn from(source: FileError) -> Self {
        Self::File { source }
    }
}

impl From<DirectoryFault> for HubError {
    fn from(source: DirectoryFault) -> Self {
        Self::Directory { source }
    }
}

impl From<KeyFault> for HubError {
    fn from(source: KeyFault) -> Self {
        Self::Keys { source }
    }
}

impl From<StoreError> for HubError {
    fn from(source: StoreError) -> Self {
        Self::Store { source }
    }
}
