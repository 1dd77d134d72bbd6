//! The files of one envelope, sent or received, wherever they are.
//!
//! A statement is two files: `NAME.json`, its exact bytes, and `NAME.sig`, the 64 bytes of
//! its signature. It is there when both are.

use std::path::{Path, PathBuf};

use consign_domain::limits::MAX_EVIDENCE;
use consign_domain::statement::Statement;
use consign_domain::{Digest, Sequence, SignedStatement};
use consign_runtime::files::{self, FileError};
use serde::{Deserialize, Serialize};

use crate::compose::{ComposeFile, MAX_COMPOSE_FILE};
use crate::durable;
use crate::error::NodeError;
use crate::layout::sequence_name;

/// Largest report or list of files read back.
const MAX_JSON: usize = 4 * 1024 * 1024;

pub(crate) const COMPOSE: &str = "compose.json";
pub(crate) const CONTAINER: &str = "container.asice";
pub(crate) const PAYLOAD: &str = "payload.age";
pub(crate) const WRAPS: &str = "wraps.bin";
pub(crate) const WRAP: &str = "wrap.age";
pub(crate) const WRAP_TEXT: &str = "wrap.txt";
pub(crate) const SALT: &str = "salt";
pub(crate) const ENVELOPE: &str = "envelope";
pub(crate) const ITEM: &str = "item";
pub(crate) const ACCEPTANCE: &str = "acceptance";
pub(crate) const REJECTION: &str = "rejection";
pub(crate) const RECEIPT: &str = "receipt";
pub(crate) const DOCUMENT: &str = "document.json";
pub(crate) const FILES: &str = "files.json";
pub(crate) const REPORT: &str = "report.json";
pub(crate) const EVIDENCE: &str = "evidence";
pub(crate) const STATUS: &str = "status";
pub(crate) const TIME_STAMP: &str = "time-stamp.tst";
pub(crate) const ARCHIVE: &str = "archive.asice";
pub(crate) const TIME_STAMP_AWAITED: &str = "time-stamp.awaited";

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
    pub(crate) const fn new(path: PathBuf) -> Self {
        Self { path }
    }

    /// The directory.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// `document.json` as it stands in the container; `None` before it is opened.
    ///
    /// # Errors
    /// The system refused.
    pub fn document_json(&self) -> Result<Option<Vec<u8>>, NodeError> {
        if let Some(compose) = self.compose()? {
            return Ok(Some(compose.document.to_bytes()));
        }
        self.optional(DOCUMENT, MAX_JSON)
    }

    /// The verdict's report as JSON; `None` before judgement and for what was sent.
    ///
    /// # Errors
    /// The system refused.
    pub fn report_json(&self) -> Result<Option<Vec<u8>>, NodeError> {
        self.optional(REPORT, MAX_JSON)
    }

    /// The document's files; none before it is opened.
    ///
    /// # Errors
    /// A file is damaged, or the system refused.
    pub fn files(&self) -> Result<Vec<DocumentFile>, NodeError> {
        if let Some(compose) = self.compose()? {
            return Ok(compose.files);
        }
        match self.optional(FILES, MAX_JSON)? {
            Some(bytes) => serde_json::from_slice(&bytes)
                .map_err(|source| NodeError::damaged(self.file(FILES), source)),
            None => Ok(Vec::new()),
        }
    }

    /// Acceptance or refusal, the receipt, then evidence and statuses in the order in which
    /// they came through the inbox.
    ///
    /// # Errors
    /// A file is damaged, or the system refused.
    pub fn statements(&self) -> Result<Vec<StoredStatement>, NodeError> {
        let mut found = Vec::new();
        for name in [ACCEPTANCE, REJECTION, RECEIPT] {
            if let Some(signed) = self.signed(name)? {
                found.push(StoredStatement {
                    name: name.to_owned(),
                    sequence: None,
                    signed,
                });
            }
        }
        let mut later = Vec::new();
        for directory in [EVIDENCE, STATUS] {
            for stem in self.stems(directory)? {
                let name = format!("{directory}/{stem}");
                let digits = stem.split('-').next().unwrap_or_default();
                let sequence = digits
                    .parse()
                    .ok()
                    .and_then(|place| Sequence::new(place).ok());
                if let Some(signed) = self.signed(&name)? {
                    later.push(StoredStatement {
                        name,
                        sequence,
                        signed,
                    });
                }
            }
        }
        later.sort_by(|a, b| (a.sequence, &a.name).cmp(&(b.sequence, &b.name)));
        found.append(&mut later);
        Ok(found)
    }

    /// What an auditor needs: container, envelope, wrap and evidence, and the time-stamp that
    /// came afterwards, by name.
    ///
    /// # Errors
    /// The system refused.
    pub fn export(&self) -> Result<Vec<ExportFile>, NodeError> {
        let mut found = Vec::new();
        self.collect("", &mut found)?;
        for directory in [EVIDENCE, STATUS] {
            self.collect(&format!("{directory}/"), &mut found)?;
        }
        Ok(found)
    }

    fn collect(&self, prefix: &str, found: &mut Vec<ExportFile>) -> Result<(), NodeError> {
        let directory = self.path.join(prefix);
        for name in durable::names(&directory)? {
            let path = directory.join(&name);
            let private = name.starts_with('.') || name == COMPOSE || name == TIME_STAMP_AWAITED;
            if let Some(size) = durable::size(&path)?.filter(|_| path.is_file() && !private) {
                found.push(ExportFile {
                    name: format!("{prefix}{name}"),
                    path,
                    size,
                });
            }
        }
        Ok(())
    }

    pub(crate) fn file(&self, name: &str) -> PathBuf {
        self.path.join(name)
    }

    pub(crate) fn has(&self, name: &str) -> bool {
        self.file(name).exists()
    }

    pub(crate) fn optional(&self, name: &str, max: usize) -> Result<Option<Vec<u8>>, NodeError> {
        absent(files::read_bounded(&self.file(name), max))
    }

    pub(crate) fn required(&self, name: &str, max: usize) -> Result<Vec<u8>, NodeError> {
        self.optional(name, max)?.ok_or_else(|| NodeError::Missing {
            path: self.file(name),
            fix: "restore it from a backup",
        })
    }

    /// `compose.json`; `None` for what was received.
    pub(crate) fn compose(&self) -> Result<Option<ComposeFile>, NodeError> {
        let Some(bytes) = self.optional(COMPOSE, MAX_COMPOSE_FILE)? else {
            return Ok(None);
        };
        let compose: ComposeFile = serde_json::from_slice(&bytes)
            .map_err(|source| NodeError::damaged(self.file(COMPOSE), source))?;
        Ok(Some(compose))
    }

    /// A statement by its name; `None` unless both its files are there.
    pub(crate) fn signed(&self, name: &str) -> Result<Option<SignedStatement>, NodeError> {
        let Some(statement) = self.optional(&format!("{name}.json"), MAX_EVIDENCE)? else {
            return Ok(None);
        };
        let file = format!("{name}.sig");
        let Some(signature) = self.optional(&file, 64)? else {
            return Ok(None);
        };
        let signature = signature
            .try_into()
            .map_err(|_| NodeError::form(self.file(&file), "a signature has 64 bytes"))?;
        Ok(Some(SignedStatement {
            statement: statement.into(),
            signature,
        }))
    }

    /// A statement of our own disk, parsed; its signature was checked before it was stored.
    pub(crate) fn statement<S: Statement>(
        &self,
        name: &str,
    ) -> Result<Option<(SignedStatement, S)>, NodeError> {
        let Some(signed) = self.signed(name)? else {
            return Ok(None);
        };
        let parsed = S::parse(&signed.statement)
            .map_err(|source| NodeError::damaged(self.file(&format!("{name}.json")), source))?;
        Ok(Some((signed, parsed)))
    }

    /// [`Self::statement`] where it must be.
    pub(crate) fn expect_statement<S: Statement>(
        &self,
        name: &str,
    ) -> Result<(SignedStatement, S), NodeError> {
        self.statement(name)?.ok_or_else(|| NodeError::Missing {
            path: self.file(&format!("{name}.json")),
            fix: "restore it from a backup",
        })
    }

    /// Publishes a statement, and files that belong to it, as one step.
    pub(crate) fn publish_statement(
        &self,
        name: &str,
        signed: &SignedStatement,
        beside: &[(&str, &[u8])],
    ) -> Result<(), FileError> {
        let (json, sig) = (format!("{name}.json"), format!("{name}.sig"));
        let mut set = beside.to_vec();
        set.push((&json, &signed.statement));
        set.push((&sig, &signed.signature));
        durable::publish_set(&self.path, &set)
    }

    /// Names of the statements in a directory below, without their endings, ascending.
    pub(crate) fn stems(&self, directory: &str) -> Result<Vec<String>, NodeError> {
        let names = durable::names(&self.path.join(directory))?;
        Ok(names
            .iter()
            .filter_map(|name| name.strip_suffix(".sig"))
            .filter(|stem| !stem.starts_with('.'))
            .map(str::to_owned)
            .collect())
    }

    /// Files a statement that came through the inbox under `directory`, once. Files beside
    /// it carry its name with an ending of their own.
    pub(crate) fn file_statement(
        &self,
        directory: &str,
        stem: &str,
        signed: &SignedStatement,
        beside: &[(&str, &[u8])],
    ) -> Result<bool, NodeError> {
        let below = Self::new(self.path.join(directory));
        if let Some(here) = below.signed(stem)? {
            return if here == *signed {
                Ok(false)
            } else {
                let rule = "another statement of this place in the inbox is here";
                Err(NodeError::State { rule })
            };
        }
        durable::directory(below.path())?;
        let beside: Vec<(String, &[u8])> = beside
            .iter()
            .map(|(ending, bytes)| (format!("{stem}.{ending}"), *bytes))
            .collect();
        let beside: Vec<(&str, &[u8])> = beside
            .iter()
            .map(|(name, bytes)| (name.as_str(), *bytes))
            .collect();
        below.publish_statement(stem, signed, &beside)?;
        Ok(true)
    }
}

/// The name of a statement that came through the inbox: place, what it says, of whom.
pub(crate) fn statement_name(sequence: Sequence, what: &str, who: &str) -> String {
    format!("{}-{what}-{who}", sequence_name(sequence))
}

fn absent(bytes: Result<Vec<u8>, FileError>) -> Result<Option<Vec<u8>>, NodeError> {
    match bytes {
        Ok(bytes) => Ok(Some(bytes)),
        Err(fault) if fault.is_not_found() => Ok(None),
        Err(fault) => Err(fault.into()),
    }
}
