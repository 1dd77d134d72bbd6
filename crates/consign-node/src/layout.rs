//! Where a node keeps what: the paths below its directory, and opening it.
//!
//! ```text
//! node.toml  lock  run.json  node.sock  request.json  index.sqlite
//! trust/{trust.json, trust.pem, directory/<version>/…}
//! keys/{tls.key, tls.pem}
//! agencies/<code at enrolment>/
//!     agency.json  cursor
//!     keys/{seal.key, seal.pem, statement.key, encryption.key}
//!     registers/outgoing-<year>.jsonl
//!     outbox/<envelope id>/   inbox/<sequence>/   aside/<sequence>/
//!     archive/YYYY/MM/<sender id>/<envelope id>/
//! ```
//!
//! Directories have mode 0700, files 0600. One process at a time holds the lock.

use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};

use consign_domain::text::Line;
use consign_domain::{AgencyCode, AgencyId, EnvelopeId, EnvelopeKey, Sequence, Timestamp};
use consign_runtime::files::{self, Action, DirectoryLock, PRIVATE_DIRECTORY};
use serde::{Deserialize, Serialize};

use crate::durable;
use crate::error::NodeError;
use crate::keys::SEAL_CERTIFICATE;

/// Largest `agency.json`.
const MAX_AGENCY_FILE: usize = 16 * 1024;

const INIT: &str = "run: consign node init";

/// A node's directory.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NodeDirectory {
    root: PathBuf,
}

impl NodeDirectory {
    /// The directory at `root`, which need not exist yet.
    pub fn new(root: impl Into<PathBuf>) -> Self {
        Self { root: root.into() }
    }

    /// The directory itself.
    pub fn root(&self) -> &Path {
        &self.root
    }

    /// `node.toml`.
    pub fn config_file(&self) -> PathBuf {
        self.root.join("node.toml")
    }

    /// `request.json`: what the authority was, or is to be, asked.
    pub fn request_file(&self) -> PathBuf {
        self.root.join("request.json")
    }

    /// `node.sock`.
    pub fn socket_file(&self) -> PathBuf {
        self.root.join("node.sock")
    }

    /// `trust/`.
    pub fn trust_dir(&self) -> PathBuf {
        self.root.join("trust")
    }

    /// `keys/tls.key`.
    pub fn tls_key_file(&self) -> PathBuf {
        self.root.join("keys").join("tls.key")
    }

    /// `keys/tls.pem`: the TLS certificate and its issuers.
    pub fn tls_certificate_file(&self) -> PathBuf {
        self.root.join("keys").join("tls.pem")
    }

    /// `index.sqlite`.
    pub fn index_file(&self) -> PathBuf {
        self.root.join("index.sqlite")
    }

    /// `agencies/`.
    pub fn agencies_dir(&self) -> PathBuf {
        self.root.join("agencies")
    }

    /// Takes the directory for this process: it exists, is private, and is locked until
    /// the result is dropped.
    ///
    /// # Errors
    /// It was never initialised, or another process has it.
    pub fn lock(&self) -> Result<DirectoryLock, NodeError> {
        if !self.root.is_dir() {
            return Err(NodeError::Missing {
                path: self.root.clone(),
                fix: INIT,
            });
        }
        let lock = DirectoryLock::acquire(&self.root)?;
        let private = std::fs::Permissions::from_mode(PRIVATE_DIRECTORY);
        std::fs::set_permissions(&self.root, private)
            .map_err(durable::io_fault(Action::Create, &self.root))?;
        durable::remove_leftovers(&self.root)?;
        Ok(lock)
    }

    /// The agencies that the node serves, by code.
    ///
    /// # Errors
    /// There are none yet, or an `agency.json` cannot be read.
    pub fn agencies(&self) -> Result<Vec<AgencyHome>, NodeError> {
        let directory = self.agencies_dir();
        let mut homes = Vec::new();
        for name in durable::names(&directory)? {
            let path = directory.join(&name);
            if path.is_dir() && AgencyCode::lenient(&name).is_ok() {
                homes.push(AgencyHome::open(path)?);
            }
        }
        if homes.is_empty() {
            return Err(NodeError::Missing {
                path: directory,
                fix: INIT,
            });
        }
        Ok(homes)
    }
}

/// `agency.json`: who the agency was at enrolment.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct AgencyFile {
    /// Its id, for ever.
    pub id: AgencyId,
    /// Its code when it last enrolled; the directory knows the one of today.
    pub code: AgencyCode,
    /// Its name then.
    pub name: Line<200>,
    /// The code of the agency above it, if one was named.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub parent: Option<AgencyCode>,
}

/// The directory of one agency.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AgencyHome {
    path: PathBuf,
    file: AgencyFile,
}

impl AgencyHome {
    /// Reads the `agency.json` of a directory.
    ///
    /// # Errors
    /// It is missing or damaged.
    pub fn open(path: PathBuf) -> Result<Self, NodeError> {
        let name = path.join("agency.json");
        let bytes = match files::read_bounded(&name, MAX_AGENCY_FILE) {
            Ok(bytes) => bytes,
            Err(fault) if fault.is_not_found() => {
                return Err(NodeError::Missing {
                    path: name,
                    fix: INIT,
                });
            }
            Err(fault) => return Err(fault.into()),
        };
        let file =
            serde_json::from_slice(&bytes).map_err(|source| NodeError::damaged(&name, source))?;
        Ok(Self { path, file })
    }

    /// Makes the directory of a new agency, or writes down what an agency is called by now.
    pub(crate) fn create(path: PathBuf, file: AgencyFile) -> Result<Self, NodeError> {
        durable::directory(&path)?;
        let name = path.join("agency.json");
        let bytes =
            serde_json::to_vec_pretty(&file).map_err(|source| NodeError::damaged(&name, source))?;
        durable::publish(&name, &bytes)?;
        Ok(Self { path, file })
    }

    /// The agency's directory.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// The agency's id.
    pub const fn id(&self) -> AgencyId {
        self.file.id
    }

    /// What `agency.json` says.
    pub const fn file(&self) -> &AgencyFile {
        &self.file
    }

    /// The code when it last enrolled.
    pub const fn code(&self) -> &AgencyCode {
        &self.file.code
    }

    /// `keys/`.
    pub fn keys_dir(&self) -> PathBuf {
        self.path.join("keys")
    }

    /// Whether the authority has certified its seal.
    pub(crate) fn has_certificate(&self) -> bool {
        self.keys_dir().join(SEAL_CERTIFICATE).exists()
    }

    /// `registers/`.
    pub fn registers_dir(&self) -> PathBuf {
        self.path.join("registers")
    }

    /// `outbox/`.
    pub fn outbox_dir(&self) -> PathBuf {
        self.path.join("outbox")
    }

    /// `outbox/<envelope id>/`.
    pub fn outbox_entry(&self, id: EnvelopeId) -> PathBuf {
        self.outbox_dir().join(id.to_string())
    }

    /// `inbox/`.
    pub fn inbox_dir(&self) -> PathBuf {
        self.path.join("inbox")
    }

    /// `inbox/<sequence>/`.
    pub fn inbox_entry(&self, sequence: Sequence) -> PathBuf {
        self.inbox_dir().join(sequence_name(sequence))
    }

    /// `aside/`: items that could not be digested.
    pub fn aside_dir(&self) -> PathBuf {
        self.path.join("aside")
    }

    /// `archive/`.
    pub fn archive_dir(&self) -> PathBuf {
        self.path.join("archive")
    }

    /// `archive/YYYY/MM/<sender>/<envelope id>/`: year and month are those of the id itself
    /// (UUID version 7), so that the place follows from the identity alone.
    pub fn archive_entry(&self, key: EnvelopeKey) -> PathBuf {
        let made = made_at(key.id).to_string();
        let (year, rest) = made.split_once('-').unwrap_or(("1970", "01"));
        let month = rest.split_once('-').map_or("01", |(month, _)| month);
        self.archive_dir()
            .join(year)
            .join(month)
            .join(key.sender.to_string())
            .join(key.id.to_string())
    }

    /// `cursor`: how far the inbox is stored.
    pub fn cursor_file(&self) -> PathBuf {
        self.path.join("cursor")
    }
}

/// The time that an envelope's id carries (RFC 9562 §5.7).
pub fn made_at(id: EnvelopeId) -> Timestamp {
    let millis = id
        .to_bytes()
        .iter()
        .take(6)
        .fold(0_u64, |millis, byte| millis << 8 | u64::from(*byte));
    Timestamp::from_unix_saturating(millis / 1000)
}

/// A sequence as names of files and directories write it: 12 digits.
pub(crate) fn sequence_name(sequence: Sequence) -> String {
    format!("{:012}", sequence.value())
}
