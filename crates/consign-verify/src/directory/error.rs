//! Why a directory is not believed, or does not follow from the one before.

use consign_domain::directory::EntryError;
use consign_domain::statement::StatementError;
use consign_domain::{DirectoryVersion, ErrorCode, KeyId};

/// Why bytes are not a directory to believe.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum DirectoryError {
    /// The head is not a well-formed statement.
    #[error("the directory's head is malformed")]
    Head {
        /// How.
        #[source]
        source: StatementError,
    },
    /// The head belongs to another network or authority.
    #[error("the directory's head is not of this network's authority")]
    OtherAuthority,
    /// The trust file does not pin the key that the head names.
    #[error("the directory's head is signed with key {key}, which the trust file does not name")]
    UnknownKey {
        /// The key named.
        key: KeyId,
    },
    /// The head's signature is wrong.
    #[error("the signature of the directory's head is wrong")]
    Signature,
    /// The version is below the lowest the trust file accepts.
    #[error("directory version {found} is below {minimum}, the lowest that the trust file accepts")]
    TooOld {
        /// The version found.
        found: DirectoryVersion,
        /// The lowest accepted.
        minimum: DirectoryVersion,
    },
    /// The entries together are too many or too large.
    #[error("the directory is larger than any may be")]
    TooLarge,
    /// The number of entries is not the head's.
    #[error("{found} entries, the head says {expected}")]
    Count {
        /// Entries found.
        found: usize,
        /// Entries that the head says.
        expected: u64,
    },
    /// The entries are not those that the head signs.
    #[error("the entries do not have the root that the head signs")]
    Root,
    /// An entry is malformed.
    #[error("entry {index} is malformed")]
    Entry {
        /// Its place, from 0.
        index: usize,
        /// How.
        #[source]
        source: EntryError,
    },
    /// Entries are not in strictly ascending order of ids.
    #[error("entry {index} is out of order")]
    Order {
        /// Its place, from 0.
        index: usize,
    },
    /// A code, certificate or key that two entries claim, or a key with a wrong id.
    #[error("entry {index} claims a code, certificate or key that is not its own")]
    Claim {
        /// Its place, from 0.
        index: usize,
    },
}

impl DirectoryError {
    /// The code to answer with.
    pub const fn code(&self) -> ErrorCode {
        match self {
            Self::Head { source } => source.code(),
            Self::OtherAuthority => ErrorCode::NetworkMismatch,
            Self::UnknownKey { .. } => ErrorCode::KeyUnknown,
            Self::Signature | Self::Root => ErrorCode::SignatureInvalid,
            Self::TooOld { .. } => ErrorCode::DirectoryBehind,
            Self::TooLarge => ErrorCode::TooLarge,
            _ => ErrorCode::StatementMalformed,
        }
    }
}

/// Why a directory may not take the place of the one known.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum SuccessionError {
    /// It is older.
    #[error("directory version {found} is older than version {known}, which is known already")]
    Rollback {
        /// The version found.
        found: DirectoryVersion,
        /// The version known.
        known: DirectoryVersion,
    },
    /// The authority has signed two heads for one place in the row.
    #[error(
        "directory version {version} contradicts version {known}, which is known already: the authority has signed two directories for one place in the row and is not to be trusted; ask it"
    )]
    Fork {
        /// The version found.
        version: DirectoryVersion,
        /// The version known.
        known: DirectoryVersion,
    },
    /// A head between the two does not verify.
    #[error("a head between the two versions does not verify")]
    Between {
        /// Why.
        #[source]
        source: DirectoryError,
    },
}

impl SuccessionError {
    /// The code to answer with.
    pub const fn code(&self) -> ErrorCode {
        match self {
            Self::Rollback { .. } => ErrorCode::DirectoryBehind,
            Self::Fork { .. } => ErrorCode::SignatureInvalid,
            Self::Between { source } => source.code(),
        }
    }
}
