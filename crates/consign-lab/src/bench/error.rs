//! Why nothing could be measured.

use std::path::{Path, PathBuf};
use std::process::ExitStatus;
use std::time::Duration;

use consign_authority::AuthorityError;
use consign_domain::ErrorCode;
use consign_domain::code::CodeError;
use consign_domain::enrolment::EnrolmentError;
use consign_domain::id::IdError;
use consign_domain::statement::StatementError;
use consign_domain::text::TextError;
use consign_hub::SetupError;
use consign_node::client::ClientError;
use consign_pki::encryption::EncryptionError;
use consign_pki::issue::IssueError;
use consign_pki::seal::SealError;
use consign_pki::wrap::WrapError;
use consign_runtime::entropy::EntropyError;
use consign_runtime::files::FileError;
use consign_runtime::tls::{ConnectFault, IdentityError, TlsError};
use consign_store::StoreError;

use crate::error::LabError;

/// Why nothing could be measured.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum BenchError {
    /// The directory is in memory: syncing costs nothing there, and the figures would lie.
    #[error("{} is on {file_system}, not on a disk", path.display())]
    NotADisk {
        /// The directory.
        path: PathBuf,
        /// The file system's name.
        file_system: String,
    },
    /// The directory holds something already.
    #[error("{} is not empty", path.display())]
    NotEmpty {
        /// The directory.
        path: PathBuf,
    },
    /// Options that do not go together.
    #[error("{rule}")]
    Setting {
        /// What must hold.
        rule: &'static str,
    },
    /// The system refused.
    #[error("cannot use {}", path.display())]
    Io {
        /// What.
        path: PathBuf,
        /// What the system said.
        #[source]
        source: std::io::Error,
    },
    /// What the system tells about a process has another form than expected.
    #[error("{} does not say what it should", path.display())]
    Meter {
        /// The file.
        path: PathBuf,
    },
    /// A hub or a node ended by itself.
    #[error("the {role} ended with {status}; see {}", log.display())]
    Ended {
        /// What it was.
        role: &'static str,
        /// How.
        status: ExitStatus,
        /// What it said.
        log: PathBuf,
    },
    /// A hub or a node was not ready, or did not stop, in time.
    #[error("the {role} did not {what} within {after:?}; see {}", log.display())]
    Late {
        /// What it was.
        role: &'static str,
        /// What it should have done.
        what: &'static str,
        /// How long it had.
        after: Duration,
        /// What it said.
        log: PathBuf,
    },
    /// No connection to the hub.
    #[error(transparent)]
    Connect(#[from] ConnectFault),
    /// The hub ended a call.
    #[error("the hub ended a call: {status}")]
    Call {
        /// With this.
        status: Box<tonic::Status>,
    },
    /// The hub refused what was good.
    #[error("the hub refused: {code}: {message}")]
    Refused {
        /// The code, as it came.
        code: String,
        /// Why.
        message: String,
    },
    /// The hub said what it must not.
    #[error("the hub broke the protocol: {rule}")]
    Protocol {
        /// What must hold.
        rule: &'static str,
    },
    /// Documents or receipts that did not come to their end.
    #[error("{missing} documents or receipts were not settled within {after:?}")]
    Unsettled {
        /// How many.
        missing: usize,
        /// How long they had.
        after: Duration,
    },
    /// A task ended without a word.
    #[error("a task of the benchmark has failed")]
    Task,
    /// The network could not be founded.
    #[error(transparent)]
    Lab(#[from] LabError),
    /// A node cannot be talked to.
    #[error(transparent)]
    Client(#[from] ClientError),
    /// The authority.
    #[error("the authority")]
    Authority(#[from] AuthorityError),
    /// Making the hub.
    #[error("the hub")]
    Setup(#[from] SetupError),
    /// An enrolment file.
    #[error(transparent)]
    Enrolment(#[from] EnrolmentError),
    /// A file.
    #[error(transparent)]
    File(#[from] FileError),
    /// A name.
    #[error("a name cannot be used")]
    Name(#[from] TextError),
    /// An agency's code.
    #[error("a code cannot be used")]
    Code(#[from] CodeError),
    /// An id.
    #[error("an id cannot be used")]
    Id(#[from] IdError),
    /// An envelope breaks a rule.
    #[error("an envelope breaks a rule")]
    Statement(#[from] StatementError),
    /// A key could not be made.
    #[error("a key could not be made")]
    Seal(#[from] SealError),
    /// A certificate request could not be made.
    #[error("a certificate request could not be made")]
    Issue(#[from] IssueError),
    /// Encryption failed.
    #[error("encryption failed")]
    Encryption(#[from] EncryptionError),
    /// A wrap could not be written.
    #[error("a wrap could not be written")]
    Wrap(#[from] WrapError),
    /// A TLS identity cannot be used.
    #[error("a TLS identity cannot be used")]
    Identity(#[from] IdentityError),
    /// TLS could not be set up.
    #[error(transparent)]
    Tls(#[from] TlsError),
    /// A store that is filled directly.
    #[error("the store")]
    Store(#[from] StoreError),
    /// No randomness.
    #[error(transparent)]
    Entropy(#[from] EntropyError),
}

impl BenchError {
    /// The code to answer with.
    pub fn code(&self) -> ErrorCode {
        match self {
            Self::NotADisk { .. } | Self::NotEmpty { .. } | Self::Setting { .. } => {
                ErrorCode::Usage
            }
            Self::Io { source, .. } if source.kind() == std::io::ErrorKind::StorageFull => {
                ErrorCode::StorageFull
            }
            Self::Io { .. } | Self::File(_) => ErrorCode::StorageFailed,
            Self::Store(error) => error.code(),
            Self::Lab(error) => error.code(),
            Self::Client(error) => error.code(),
            Self::Authority(error) => error.code(),
            Self::Ended { .. } | Self::Late { .. } | Self::Connect(_) => ErrorCode::Unreachable,
            Self::Call { status } => consign_proto::status_of(status),
            Self::Refused { code, .. } => code.parse().unwrap_or(ErrorCode::Internal),
            _ => ErrorCode::Internal,
        }
    }

    pub(crate) fn io(path: &Path, source: std::io::Error) -> Self {
        Self::Io {
            path: path.to_owned(),
            source,
        }
    }
}

impl From<tonic::Status> for BenchError {
    fn from(status: tonic::Status) -> Self {
        Self::Call {
            status: Box::new(status),
        }
    }
}
