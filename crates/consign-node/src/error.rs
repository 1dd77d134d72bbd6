//! Why an operation on a node's directory failed. Texts name the path and the fix.

use std::io;
use std::path::PathBuf;

use consign_domain::ErrorCode;
use consign_domain::document::DocumentError;
use consign_domain::enrolment::EnrolmentError;
use consign_domain::statement::StatementError;
use consign_runtime::files::{FileError, LockError};

/// What is wrong with a file that is there.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Damage {
    /// Not JSON of its form.
    #[error("not well-formed JSON of its kind")]
    Json(#[from] serde_json::Error),
    /// Not a statement of its kind.
    #[error("not a statement of its kind")]
    Statement(#[from] StatementError),
    /// Not a document's fields.
    #[error("not a document's fields")]
    Document(#[from] DocumentError),
    /// Not a request or bundle.
    #[error("not an enrolment file")]
    Enrolment(#[from] EnrolmentError),
    /// Another fault of its form.
    #[error("{rule}")]
    Form {
        /// The rule that is broken.
        rule: &'static str,
    },
}

/// Why an operation on a node's directory failed.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum NodeError {
    /// A file could not be read or written.
    #[error(transparent)]
    File(#[from] FileError),
    /// Another process has the directory.
    #[error(transparent)]
    Lock(#[from] LockError),
    /// A file that must be there is not.
    #[error("{} is missing; {fix}", path.display())]
    Missing {
        /// The file.
        path: PathBuf,
        /// What to do.
        fix: &'static str,
    },
    /// A file is not what it must be.
    #[error("{} is damaged; {fix}", path.display())]
    Damaged {
        /// The file.
        path: PathBuf,
        /// What to do.
        fix: &'static str,
        /// What is wrong.
        #[source]
        source: Damage,
    },
    /// No envelope of this id is here.
    #[error("no such envelope here")]
    UnknownEnvelope,
    /// An operation that does not fit the state of the envelope or item.
    #[error("not possible in this state: {rule}")]
    State {
        /// The rule that is broken.
        rule: &'static str,
    },
}

impl NodeError {
    /// The code to answer with.
    pub fn code(&self) -> ErrorCode {
        match self {
            Self::File(fault) => file_code(fault),
            Self::Lock(_) => ErrorCode::Usage,
            Self::Missing { .. } => ErrorCode::NotFound,
            Self::UnknownEnvelope => ErrorCode::EnvelopeUnknown,
            Self::Damaged { .. } | Self::State { .. } => ErrorCode::Internal,
        }
    }

    /// Whether the files are not what they must be, which does not pass by itself.
    pub(crate) const fn is_damage(&self) -> bool {
        matches!(
            self,
            Self::Missing { .. }
                | Self::Damaged { .. }
                | Self::File(FileError::TooLarge { .. } | FileError::NotAFile { .. })
        )
    }

    pub(crate) fn damaged(path: impl Into<PathBuf>, source: impl Into<Damage>) -> Self {
        Self::Damaged {
            path: path.into(),
            fix: "restore it from a backup",
            source: source.into(),
        }
    }

    pub(crate) fn form(path: impl Into<PathBuf>, rule: &'static str) -> Self {
        Self::damaged(path, Damage::Form { rule })
    }
}

/// A full disk is told from a broken one: the first mends itself when space is made.
pub(crate) fn file_code(fault: &FileError) -> ErrorCode {
    match fault {
        FileError::Io { source, .. } => io_code(source),
        _ => ErrorCode::StorageFailed,
    }
}

pub(crate) fn io_code(fault: &io::Error) -> ErrorCode {
    match fault.kind() {
        io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => ErrorCode::StorageFull,
        _ => ErrorCode::StorageFailed,
    }
}
