//! Why the store did not do what it was asked.

use std::io;

use consign_domain::{Digest, ErrorCode};

/// Making the hub's signed answer failed.
#[derive(Debug, thiserror::Error)]
#[error("the acceptance could not be signed")]
pub struct SealError(#[source] pub Box<dyn std::error::Error + Send + Sync>);

/// Why the store did not do what it was asked.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum StoreError {
    /// The disk is full or nearly so; nothing was decided.
    #[error("the disk is full or nearly so")]
    Full,
    /// A write or `fdatasync` failed, now or before: the store answers nothing any
    /// more, and whether the request was stored is unknown.
    #[error("the store has failed and must be opened anew")]
    Failed,
    /// The store is closing or closed.
    #[error("the store is closing")]
    Closed,
    /// Too much is in flight; nothing was decided.
    #[error("too much is in flight")]
    Busy,
    /// The (sender, id) was used with another envelope.
    #[error("the same sender and id were used with other content")]
    IdReused,
    /// No such envelope was accepted.
    #[error("no such envelope")]
    EnvelopeUnknown,
    /// The agency is not among the envelope's recipients.
    #[error("the agency is not a recipient of this envelope")]
    NotARecipient,
    /// The receipt names another envelope or another place in the inbox.
    #[error("the receipt does not fit the envelope")]
    ReceiptMismatch,
    /// The delivery was settled the other way before.
    #[error("the delivery was already settled otherwise")]
    AlreadySettled,
    /// An agency says that it has stored more than was ever placed in its inbox.
    #[error("the agency has seen more than this store holds")]
    Behind,
    /// The payload that a submission names was not staged, or its file is gone.
    #[error("the payload is not here")]
    PayloadMissing,
    /// The staged bytes do not have the size or digest that was announced.
    #[error("the payload is not the one that was announced")]
    PayloadMismatch,
    /// Not one wrap for each recipient.
    #[error("there is not one wrap for each recipient")]
    WrapsMismatch,
    /// Larger than the formats allow.
    #[error("larger than the store's formats allow")]
    TooLarge,
    /// Bytes that were durable do not read back as they were written.
    #[error("segment {segment} of the journal is damaged at byte {offset}")]
    Damaged {
        /// The segment's number.
        segment: u64,
        /// Where in its file.
        offset: u64,
    },
    /// A payload that was durable does not read back as it was written.
    #[error("the stored payload {digest} is damaged")]
    PayloadDamaged {
        /// Its SHA-256, which names its file.
        digest: Digest,
    },
    /// The same agency is among the recipients twice.
    #[error("an agency is among the recipients twice")]
    RecipientTwice,
    /// The index gave a row that cannot be one of ours.
    #[error("the index is damaged")]
    Index,
    /// Reading or staging failed.
    #[error("a file of the store could not be used")]
    Io {
        /// What the system said.
        #[source]
        source: io::Error,
    },
}

impl StoreError {
    /// The code to answer with.
    pub const fn code(&self) -> ErrorCode {
        match self {
            Self::Full => ErrorCode::StorageFull,
            Self::Closed => ErrorCode::Draining,
            Self::Busy => ErrorCode::Busy,
            Self::IdReused => ErrorCode::IdReused,
            Self::EnvelopeUnknown => ErrorCode::EnvelopeUnknown,
            Self::NotARecipient => ErrorCode::NotARecipient,
            Self::ReceiptMismatch => ErrorCode::ReceiptMismatch,
            Self::AlreadySettled => ErrorCode::AlreadySettled,
            Self::Behind => ErrorCode::HubBehind,
            Self::PayloadMissing => ErrorCode::PayloadMissing,
            Self::PayloadMismatch => ErrorCode::PayloadMismatch,
            Self::WrapsMismatch => ErrorCode::WrapsMismatch,
            Self::RecipientTwice => ErrorCode::StatementMalformed,
            Self::TooLarge => ErrorCode::TooLarge,
            Self::Failed
            | Self::Damaged { .. }
            | Self::PayloadDamaged { .. }
            | Self::Index
            | Self::Io { .. } => ErrorCode::StorageFailed,
        }
    }
}

impl From<io::Error> for StoreError {
    fn from(source: io::Error) -> Self {
        if is_full(&source) {
            Self::Full
        } else {
            Self::Io { source }
        }
    }
}

/// Whether a write failed for want of room, on the disk or by a quota.
pub(crate) fn is_full(fault: &io::Error) -> bool {
    matches!(
        fault.kind(),
        io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded
    )
}
