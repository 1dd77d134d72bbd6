//! The files of one envelope, sent or received, wherever they are.

use std::path::{Path, PathBuf};

use consign_domain::{Digest, Sequence, SignedStatement};
use serde::{Deserialize, Serialize};

use crate::error::NodeError;

/// A file of a document.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct DocumentFile {
    /// Its name.
    pub name: String,
    /// Its media type.
    pub media_type: String,
    /// Its title, or empty.
    pub title: String,
    /// Its size in bytes.
    pub size: u64,
    /// Its SHA-256.
    pub sha256: Digest,
}

/// Evidence or a status about an envelope, as stored.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StoredStatement {
    /// Where it lies, relative to the folder, without its ending.
    pub name: String,
    /// Its place in the inbox, if it came through one.
    pub sequence: Option<Sequence>,
    /// The statement.
    pub signed: SignedStatement,
}

/// A file to export.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ExportFile {
    /// Its name, relative to the folder.
    pub name: String,
    /// Where it lies.
    pub path: PathBuf,
    /// Its size in bytes.
    pub size: u64,
}

/// The directory of one envelope.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Folder {
    path: PathBuf,
}

impl Folder {
    /// The directory.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// `document.json` as it stands in the container; `None` before it is opened.
    ///
    /// # Errors
    /// The system refused.
    pub fn document_json(&self) -> Result<Option<Vec<u8>>, NodeError> {
        unimplemented!()
    }

    /// The verdict's report as JSON; `None` before judgement and for what was sent.
    ///
    /// # Errors
    /// The system refused.
    pub fn report_json(&self) -> Result<Option<Vec<u8>>, NodeError> {
        unimplemented!()
    }

    /// The document's files.
    ///
    /// # Errors
    /// A file is damaged, or the system refused.
    pub fn files(&self) -> Result<Vec<DocumentFile>, NodeError> {
        unimplemented!()
    }

    /// Acceptance or refusal, receipts, expiries and statuses, in the order of their making.
    ///
    /// # Errors
    /// A file is damaged, or the system refused.
    pub fn statements(&self) -> Result<Vec<StoredStatement>, NodeError> {
        unimplemented!()
    }

    /// What an auditor needs: container, envelope, wrap and evidence.
    ///
    /// # Errors
    /// The system refused.
    pub fn export(&self) -> Result<Vec<ExportFile>, NodeError> {
        unimplemented!()
    }
}
