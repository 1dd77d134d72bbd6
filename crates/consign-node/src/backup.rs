//! `node backup create | verify | restore`.
//!
//! What is in a backup: configuration, trust, the agencies with cursor, outbox, inbox, archive
//! and registers, and the secret keys unless they are left out: without the decryption keys
//! nothing that comes later can be opened, and without the others the node is nobody. Not the
//! index, which is made anew, nor payloads that are half fetched.
//!
//! The node may run meanwhile; the order of copying makes the copy consistent:
//!
//! 1. *The cursor first.* What it counts was stored before, and is copied after. Items that come
//!    meanwhile may be copied too: the hub offers them again and they are recognised, so that
//!    nothing is missed and nothing is seen twice. The other way round, the cursor could count
//!    an item that was copied too early to be there: it would never be offered again.
//! 2. *Outbox and inbox before the archive.* Envelopes move from the former to the latter: one
//!    that moves is copied at one of the two places, or at both, and then counts in the archive.
//! 3. *Registers last.* Whatever took a number is in the register; a number too many is a gap,
//!    a number too few would be given twice.

mod create;
mod entries;
mod restore;

#[cfg(test)]
mod tests;

use std::path::{Path, PathBuf};

use consign_domain::ErrorCode;
use consign_runtime::backup::{Backup, BackupError, Checked, Header, Progress, Subject};
use consign_runtime::config::ConfigFaults;
use consign_runtime::files::{self, FileError, LockError};
use consign_verify::trust::MAX_TRUST;
use consign_verify::{TrustError, TrustStore};

use crate::config::{Config, FILE_NAME};
use crate::error::NodeError;
use crate::keys::{self, KeysError};
use crate::layout::NodeDirectory;

pub use create::{Created, create};
pub use restore::{Restored, restore};

/// The role in a backup.
const ROLE: &str = "node";

/// Why a node's backup was not made, or cannot be used.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum BackupFault {
    /// The directory is no node's.
    #[error("{} holds no node", path.display())]
    NoNode {
        /// The directory.
        path: PathBuf,
    },
    /// Copies.
    #[error(transparent)]
    Backup(#[from] BackupError),
    /// `node.toml` cannot be used.
    #[error(transparent)]
    Config(#[from] ConfigFaults),
    /// `request.json` cannot be used.
    #[error(transparent)]
    Keys(#[from] KeysError),
    /// A file of the node.
    #[error(transparent)]
    Node(#[from] NodeError),
    /// A file cannot be used.
    #[error(transparent)]
    File(#[from] FileError),
    /// The trust file cannot be used.
    #[error("{} is not a trust file to use", path.display())]
    Trust {
        /// The file.
        path: PathBuf,
        /// Why.
        #[source]
        source: TrustError,
    },
    /// An envelope changed again and again while it was copied.
    #[error("{name} changed again and again while it was copied; try again later")]
    Moving {
        /// Its folder.
        name: String,
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
            Self::NoNode { .. } | Self::Config(_) => ErrorCode::Usage,
            Self::Backup(fault) if fault.is_full() => ErrorCode::StorageFull,
            Self::Backup(BackupError::File(fault) | BackupError::Lock(LockError::File(fault)))
            | Self::File(fault) => file_code(fault),
            Self::Backup(BackupError::Manifest { .. } | BackupError::Damaged { .. })
            | Self::Damaged { .. } => ErrorCode::StorageFailed,
            Self::Backup(_) => ErrorCode::Usage,
            Self::Keys(fault) => fault.code(),
            Self::Node(fault) => fault.code(),
            Self::Trust { .. } => ErrorCode::StatementMalformed,
            Self::Moving { .. } => ErrorCode::Busy,
        }
    }
}

fn file_code(fault: &FileError) -> ErrorCode {
    if fault.is_not_found() {
        ErrorCode::NotFound
    } else {
        ErrorCode::StorageFailed
    }
}

/// What a backup holds, and whether it is good.
#[derive(Debug)]
pub struct Verified {
    /// What it says of itself.
    pub header: Header,
    /// The copies.
    pub checked: Checked,
    /// The agencies in it.
    pub agencies: Vec<String>,
    /// What it must hold and does not.
    pub missing: Vec<String>,
}

impl Verified {
    /// What is wrong first; `None` if all is good.
    pub fn first_fault(&self) -> Option<String> {
        let damaged = self.checked.faults.first().map(ToString::to_string);
        let missing = || {
            self.missing
                .first()
                .map(|name| format!("{name} is not in it"))
        };
        damaged.or_else(missing)
    }
}

/// Checks a backup whole.
///
/// # Errors
/// There is no finished backup of a node. What is wrong with one is in the result.
pub fn verify(place: &Path, progress: Progress<'_>) -> Result<Verified, BackupFault> {
    let backup = Backup::open(place, ROLE)?;
    let checked = backup.check(progress)?;
    let names = backup.files().keys();
    let agency = |name: &String| {
        let (code, file) = name.strip_prefix("agencies/")?.split_once('/')?;
        (file == "agency.json").then(|| code.to_owned())
    };
    let agencies: Vec<String> = names.filter_map(agency).collect();
    let mut needed = vec!["request.json".to_owned(), "trust/trust.json".to_owned()];
    if backup.header().keys {
        needed.push("keys/tls.key".to_owned());
        let key = |code: &String| format!("agencies/{code}/keys/encryption.key");
        needed.extend(agencies.iter().map(key));
    }
    needed.retain(|name| !backup.files().contains_key(name));
    Ok(Verified {
        header: backup.header().clone(),
        checked,
        agencies,
        missing: needed,
    })
}

/// A node's directory, to be backed up.
struct Place {
    directory: NodeDirectory,
    subject: Subject,
    network: String,
}

impl Place {
    fn open(root: &Path) -> Result<Self, BackupFault> {
        let directory = NodeDirectory::new(root);
        let no_node = || BackupFault::NoNode {
            path: root.to_owned(),
        };
        if !directory.request_file().is_file() {
            return Err(no_node());
        }
        Config::load(root)?;
        let request = keys::read_request(&directory)?.ok_or_else(no_node)?;
        let path = directory.trust_dir().join("trust.json");
        let bytes = files::read_bounded(&path, MAX_TRUST)?;
        let trust =
            TrustStore::parse(&bytes).map_err(|source| BackupFault::Trust { path, source })?;
        Ok(Self {
            subject: Subject {
                role: ROLE.to_owned(),
                id: request.id.to_string(),
            },
            network: trust.network().to_string(),
            directory,
        })
    }

    fn file(&self, name: &str) -> PathBuf {
        self.directory.root().join(name)
    }

    fn config_name() -> &'static str {
        FILE_NAME
    }
}
