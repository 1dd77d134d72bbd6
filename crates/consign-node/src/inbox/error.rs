//! Why an operation on the inbox failed.

use consign_domain::{ErrorCode, Sequence};
use consign_runtime::files::FileError;

use crate::error::NodeError;

/// Why an operation on the inbox failed.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum InboxError {
    /// Files.
    #[error(transparent)]
    Node(#[from] NodeError),
    /// An item came that is not the next one.
    #[error("the hub offered item {found}, the next is {expected}")]
    Gap {
        /// What must come.
        expected: Sequence,
        /// What came.
        found: Sequence,
    },
    /// The hub says something else than before: it lied, or was restored from a backup.
    #[error(
        "the hub offers another item {sequence} than before; ask the hub's operator whether it was restored from a backup"
    )]
    Contradiction {
        /// The item's place.
        sequence: Sequence,
    },
    /// The item cannot be judged yet; nothing was stored.
    #[error("the item cannot be judged yet ({code})")]
    NotYet {
        /// What is missing.
        code: ErrorCode,
    },
    /// The wrap is not the one that the envelope names for this agency; nothing was stored.
    #[error("the released wrap is not the one that the envelope names")]
    Wrap,
    /// The fetched payload is not the one that the envelope names; it was discarded.
    #[error("the fetched payload is not the one that the envelope names")]
    Payload,
}

impl InboxError {
    /// The code to answer with.
    pub fn code(&self) -> ErrorCode {
        match self {
            Self::Node(fault) => fault.code(),
            Self::Gap { .. } => ErrorCode::ProtocolViolation,
            Self::Contradiction { .. } => ErrorCode::HubBehind,
            Self::NotYet { code } => *code,
            Self::Wrap => ErrorCode::WrapMismatch,
            Self::Payload => ErrorCode::PayloadMismatch,
        }
    }
}

impl From<FileError> for InboxError {
    fn from(fault: FileError) -> Self {
        Self::Node(fault.into())
    }
}
