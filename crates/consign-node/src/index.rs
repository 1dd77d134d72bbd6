//! The index: SQLite over what the files say, for lists and search.
//!
//! Files are the truth. The index may lag behind them, or be deleted at any time, without
//! loss: [`reindex`] rebuilds it from the files alone.

mod rows;

use consign_domain::AgencyId;
use consign_domain::ErrorCode;
use consign_domain::document::InReplyTo;
use consign_runtime::files::FileError;

use crate::error::NodeError;
use crate::layout::NodeDirectory;

pub use rows::{DocumentRow, ListQuery, Page, ReceivedRow, RecipientRow, SentRow};

/// Why the index did not answer.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum IndexError {
    /// SQLite refused.
    #[error("the index failed; it can be rebuilt: run: consign node reindex")]
    Sqlite(#[from] rusqlite::Error),
    /// The index's file.
    #[error(transparent)]
    File(#[from] FileError),
    /// A file that the index is rebuilt from.
    #[error(transparent)]
    Node(#[from] NodeError),
    /// No document of this id, or not for this agency.
    #[error("no document with the id {id}")]
    NotFound {
        /// What was asked for.
        id: String,
    },
    /// The beginning of more than one id.
    #[error("{id} is the beginning of several ids; give more of it")]
    Ambiguous {
        /// What was asked for.
        id: String,
    },
    /// An id cannot be so short.
    #[error("{id} is too short; give 8 characters of an id at least")]
    TooShort {
        /// What was asked for.
        id: String,
    },
}

impl IndexError {
    /// The code to answer with.
    pub fn code(&self) -> ErrorCode {
        match self {
            Self::NotFound { .. } => ErrorCode::NotFound,
            Self::Ambiguous { .. } | Self::TooShort { .. } => ErrorCode::Usage,
            Self::Node(fault) => fault.code(),
            Self::Sqlite(_) | Self::File(_) => ErrorCode::Internal,
        }
    }
}

/// How far rebuilding is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ReindexProgress {
    /// Envelopes read so far.
    pub done: u64,
    /// Envelopes found.
    pub total: u64,
}

/// The open index; calls block and take turns.
#[derive(Debug)]
pub struct Index {}

impl Index {
    /// Opens the index of a node; rebuilds it first if it is missing or unusable.
    ///
    /// # Errors
    /// [`IndexError`].
    pub fn open(directory: &NodeDirectory) -> Result<Self, IndexError> {
        unimplemented!("{directory:?}")
    }

    /// Documents received, newest first.
    ///
    /// # Errors
    /// [`IndexError`].
    pub fn received(
        &self,
        agency: AgencyId,
        query: &ListQuery,
    ) -> Result<Page<ReceivedRow>, IndexError> {
        unimplemented!("{agency} {query:?}")
    }

    /// Documents sent, newest first.
    ///
    /// # Errors
    /// [`IndexError`].
    pub fn sent(&self, agency: AgencyId, query: &ListQuery) -> Result<Page<SentRow>, IndexError> {
        unimplemented!("{agency} {query:?}")
    }

    /// A document by its envelope id or document id, or 8 characters and more of one.
    ///
    /// # Errors
    /// [`IndexError::NotFound`], [`IndexError::Ambiguous`], [`IndexError::TooShort`].
    pub fn find(&self, agency: AgencyId, id: &str) -> Result<DocumentRow, IndexError> {
        unimplemented!("{agency} {id}")
    }

    /// What became of a sent document, recipient by recipient, by code.
    ///
    /// # Errors
    /// [`IndexError`].
    pub fn recipients(
        &self,
        agency: AgencyId,
        envelope: consign_domain::EnvelopeId,
    ) -> Result<Vec<RecipientRow>, IndexError> {
        unimplemented!("{agency} {envelope}")
    }

    /// The documents of an agency that have this document id or symbol, newest first.
    ///
    /// # Errors
    /// [`IndexError`].
    pub fn reply_targets(
        &self,
        agency: AgencyId,
        text: &str,
    ) -> Result<Vec<InReplyTo>, IndexError> {
        unimplemented!("{agency} {text}")
    }
}

/// Rebuilds the index of a node from its files into a new file and puts it in place.
/// The caller holds the node's lock and has no [`Index`] open. Gives the number of envelopes.
///
/// # Errors
/// [`IndexError`]; the index that was there is then untouched.
pub fn reindex(
    directory: &NodeDirectory,
    progress: &mut dyn FnMut(ReindexProgress),
) -> Result<u64, IndexError> {
    progress(ReindexProgress { done: 0, total: 0 });
    unimplemented!("{directory:?}")
}
