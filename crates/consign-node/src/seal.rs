//! Sealing: a composed document becomes ciphertext, wraps and a signed envelope.

use consign_domain::{AgencyCode, ErrorCode};

use crate::error::NodeError;

/// Why a composed document could not be sealed. It stays composed.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum SealError {
    /// Files.
    #[error(transparent)]
    Node(#[from] NodeError),
    /// Recipients whom nothing can be sent to now.
    #[error("not in the directory, or without a key: {}", list(codes))]
    Recipients {
        /// All of them.
        codes: Vec<AgencyCode>,
    },
    /// The directory has expired; nothing new is sealed with it.
    #[error("the directory has expired; wait for the next one, or ask the authority")]
    DirectoryExpired,
}

impl SealError {
    /// The code to answer with.
    pub fn code(&self) -> ErrorCode {
        match self {
            Self::Node(fault) => fault.code(),
            Self::Recipients { .. } => ErrorCode::RecipientUnknown,
            Self::DirectoryExpired => ErrorCode::DirectoryExpired,
        }
    }
}

fn list(codes: &[AgencyCode]) -> String {
    codes
        .iter()
        .map(AgencyCode::as_str)
        .collect::<Vec<_>>()
        .join(", ")
}
