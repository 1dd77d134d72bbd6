//! The index: SQLite over what the files say, for lists and search.
//!
//! Files are the truth. The index may lag behind them, or be deleted at any time, without
//! loss: [`reindex`] rebuilds it from the files alone. So a write to it that fails is
//! logged and passed over, and never stops what it follows.

mod archives;
mod documents;
mod fold;
mod read;
mod rebuild;
mod rows;
#[cfg(test)]
mod tests;
mod write;

use std::path::Path;
use std::sync::{Mutex, MutexGuard, PoisonError};

use consign_domain::ErrorCode;
use consign_runtime::files::FileError;
use rusqlite::Connection;

use crate::durable;
use crate::error::NodeError;
use crate::layout::NodeDirectory;

pub(crate) use archives::{ArchiveReason, ArchiveRow};
pub use rebuild::{LeftOut, ReindexProgress, Reindexed, reindex};
pub use rows::{DocumentRow, ListQuery, Page, ReceivedRow, RecipientRow, SentRow};

const SCHEMA: &str = include_str!("index/schema.sql");

/// The form of the tables; another one is rebuilt.
const VERSION: i64 = 4;

/// Why the index did not answer.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum IndexError {
    /// SQLite refused.
    #[error("the index failed; stop the node and run: consign node reindex")]
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
    #[error("{id:?} is no id; give 8 characters of one at least")]
    TooShort {
        /// What was asked for.
        id: String,
    },
    /// A page cannot go on there.
    #[error("a list does not go on at {after:?}")]
    After {
        /// What was asked for.
        after: String,
    },
}

impl IndexError {
    /// The code to answer with.
    pub fn code(&self) -> ErrorCode {
        match self {
            Self::NotFound { .. } => ErrorCode::NotFound,
            Self::Ambiguous { .. } | Self::TooShort { .. } | Self::After { .. } => ErrorCode::Usage,
            Self::Node(fault) => fault.code(),
            Self::Sqlite(_) | Self::File(_) => ErrorCode::Internal,
        }
    }
}

/// The open index; calls block and take turns.
#[derive(Debug)]
pub struct Index {
    connection: Mutex<Connection>,
}

impl Index {
    /// Opens the index of a node; rebuilds it first if it is missing or unusable. What it has of
    /// agencies that were moved away is taken out, and those that came are read in.
    ///
    /// # Errors
    /// [`IndexError`].
    pub fn open(directory: &NodeDirectory) -> Result<Self, IndexError> {
        let path = directory.index_file();
        let usable = match open_existing(&path) {
            Ok(connection) => connection,
            Err(fault) => {
                let fault: &dyn std::error::Error = &fault;
                tracing::warn!(fault, "the index cannot be used and is rebuilt");
                None
            }
        };
        let connection = match usable {
            Some(mut connection) => {
                rebuild::settle(&mut connection, directory)?;
                connection
            }
            None => {
                if path.exists() {
                    tracing::info!("the index is made anew from the files, which may take a while");
                }
                reindex(directory, &mut |_| {})?;
                open_existing(&path)?
                    .ok_or_else(|| NodeError::form(&path, "it was just rebuilt and is not there"))?
            }
        };
        Ok(Self {
            connection: Mutex::new(connection),
        })
    }

    fn connection(&self) -> MutexGuard<'_, Connection> {
        self.connection
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
    }
}

/// The index of a path; `None` if there is none, or one of another form.
fn open_existing(path: &Path) -> Result<Option<Connection>, IndexError> {
    if durable::size(path)?.is_none_or(|size| size == 0) {
        return Ok(None);
    }
    let connection = Connection::open(path)?;
    connection.pragma_update(None, "journal_mode", "WAL")?;
    connection.pragma_update(None, "synchronous", "FULL")?;
    let version: i64 = connection.query_row("PRAGMA user_version", [], |row| row.get(0))?;
    Ok((version == VERSION).then_some(connection))
}
