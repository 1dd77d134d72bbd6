//! Composing: a request and files become a validated document with a number.
//!
//! What can be checked is checked before the files come (`draft`); the files are
//! streamed to disk as they come ([`Staging`]); the number is given last, when nothing can
//! go wrong any more but the disk, so that no number is lost (Decree 30/2020, Article 15).

mod draft;
mod file_name;
mod groups;
mod staging;

use consign_domain::document::{Document, DocumentError, SymbolError, UnknownDocumentType};
use consign_domain::text::TextError;
use consign_domain::time::TimeError;
use consign_domain::{AgencyCode, AgencyId, EnvelopeId, ErrorCode, Timestamp};
use consign_runtime::files::FileError;
use serde::{Deserialize, Serialize};

use crate::context::KeyRevoked;
use crate::error::NodeError;
use crate::folder::DocumentFile;
use crate::index::IndexError;

pub(crate) use draft::{Draft, Sources};
pub(crate) use groups::passed_over;
pub use staging::Staging;
pub(crate) use staging::{Fresh, staged_name};

/// Largest `compose.json` read back.
pub(crate) const MAX_COMPOSE_FILE: usize = 8 * 1024 * 1024;

/// How long undelivered copies live unless the request says otherwise, in days.
pub const DEFAULT_EXPIRE_DAYS: u32 = 30;

/// What is asked to be sent: the fields of `SendOpen` in `node.proto`, as given.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct ComposeRequest {
    /// Codes of the recipients, in either form.
    pub to: Vec<String>,
    /// Groups of the directory, by short name or name.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub to_groups: Vec<String>,
    /// What it is about (trích yếu).
    pub subject: String,
    /// The number; empty: the next of the year.
    pub number: String,
    /// The notation; empty: from the document's type and the agency's code.
    pub notation: String,
    /// A number, an abbreviation or a name; empty: công văn.
    pub document_type: String,
    /// 0 to 4.
    pub urgency: u32,
    /// Ids or symbols of documents that this one answers; `H49.13:45/QĐ-SNV` for one that
    /// did not come over this network.
    pub in_reply_to: Vec<String>,
    /// When an answer is due, `2026-11-23`, or empty.
    pub due: String,
    /// The day of issue; empty: today in Vietnam.
    pub issued_on: String,
    /// The place of issue.
    pub issued_at: String,
    /// Who signed it.
    pub signer_name: String,
    /// In which position.
    pub signer_position: String,
    /// In whose place.
    pub signer_competence: String,
    /// The printed list of places.
    pub places: Vec<String>,
    /// Pages; 0: not said.
    pub pages: u32,
    /// Copies; 0: not said.
    pub copies: u32,
    /// 0 to 2.
    pub steering: u32,
    /// Refused unless empty.
    pub secrecy: String,
    /// How long undelivered copies live, in days; 0: 30.
    pub expire_days: u32,
}

/// The head of a file that follows in pieces.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FileOpen {
    /// Its name as the caller knows it; only the last part of a path counts.
    pub name: String,
    /// Its media type; empty: from the name.
    pub media_type: String,
    /// Its title for people, or empty.
    pub title: String,
    /// Its size in bytes.
    pub size: u64,
}

/// A recipient as the directory named it when the document was composed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct RecipientName {
    pub(crate) id: AgencyId,
    pub(crate) code: AgencyCode,
    pub(crate) name: String,
}

/// `compose.json`: what was asked, and what was made of it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct ComposeFile {
    #[serde(rename = "type")]
    pub(crate) tag: ComposeTag,
    pub(crate) id: EnvelopeId,
    pub(crate) composed: Timestamp,
    pub(crate) expire_days: u32,
    /// Whether the register gave the number, and not the caller.
    pub(crate) numbered: bool,
    pub(crate) request: ComposeRequest,
    pub(crate) document: Document,
    pub(crate) recipients: Vec<RecipientName>,
    pub(crate) files: Vec<DocumentFile>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub(crate) enum ComposeTag {
    #[default]
    #[serde(rename = "consign/compose/v1")]
    V1,
}

/// What is wrong with one field.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum FieldFault {
    /// A fault of the text.
    #[error(transparent)]
    Text(#[from] TextError),
    /// A fault of a number or notation.
    #[error(transparent)]
    Symbol(#[from] SymbolError),
    /// A fault of a date.
    #[error(transparent)]
    Time(#[from] TimeError),
    /// No such type of document.
    #[error(transparent)]
    Type(#[from] UnknownDocumentType),
    /// A number outside its range.
    #[error("must be {allowed}")]
    Range {
        /// What is allowed.
        allowed: &'static str,
    },
}

/// Why a request cannot be composed.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ComposeError {
    /// Files.
    #[error(transparent)]
    Node(#[from] NodeError),
    /// The index did not answer.
    #[error(transparent)]
    Index(#[from] IndexError),
    /// The id stands for another document.
    #[error("the id {id} is in use for another document; send this one under a new id")]
    IdReused {
        /// The id.
        id: EnvelopeId,
    },
    /// Nobody is named.
    #[error("name at least one recipient")]
    NoRecipient,
    /// Recipients whom nothing can be sent to.
    #[error("not in the directory, or not active: {}", unknown.join(", "))]
    Recipients {
        /// All of them, as given.
        unknown: Vec<String>,
    },
    /// Groups that the directory does not have.
    #[error("no group of the directory: {}; see: consign directory show", unknown.join(", "))]
    Groups {
        /// All of them, as given.
        unknown: Vec<String>,
    },
    /// More recipients than an envelope may have.
    #[error("{count} recipients, an envelope has at most 1000; send it in several envelopes")]
    TooManyRecipients {
        /// How many there are.
        count: usize,
    },
    /// An agency does not send to itself.
    #[error("{code} is the sending agency itself; leave it out")]
    OwnCode {
        /// Its code.
        code: AgencyCode,
    },
    /// The sending agency may not send.
    #[error(
        "the directory here does not list {code} as an active agency; a node that has just started \
         fetches the newest one first: see `consign status`, then ask the authority"
    )]
    SenderUnknown {
        /// Its code.
        code: AgencyCode,
    },
    /// The agency was merged into another.
    #[error("{code} was merged into {successor}, which sends in its place")]
    SenderMerged {
        /// Its code.
        code: AgencyCode,
        /// The one that took its place.
        successor: AgencyCode,
    },
    /// The directory has expired.
    #[error("the directory has expired; connect to the hub for the next one, or ask the authority")]
    DirectoryExpired,
    /// The agency's statement key or seal was revoked.
    #[error(transparent)]
    KeyRevoked(#[from] KeyRevoked),
    /// State secrets must not travel on this network.
    #[error("a state secret must not travel on this network (Decision 28/2018/QĐ-TTg)")]
    StateSecret,
    /// A field that cannot be used.
    #[error("{field}: {source}")]
    Field {
        /// Which one.
        field: &'static str,
        /// What is wrong.
        source: FieldFault,
    },
    /// The day of issue is in the future.
    #[error("the day of issue is in the future")]
    InFuture,
    /// Fields that do not go together.
    #[error("the document's fields do not go together")]
    Document {
        /// Which rule they break.
        #[source]
        source: DocumentError,
    },
    /// Documents to answer that are not here, or not the only ones.
    #[error("no document, or more than one, is known as {}; give its id, or AGENCY:NUMBER/NOTATION", texts.join(", "))]
    Replies {
        /// All of them, as given.
        texts: Vec<String>,
    },
    /// The symbol was given to another document of the year.
    #[error("the symbol {symbol} was given to another document this year")]
    SymbolTaken {
        /// The symbol.
        symbol: String,
    },
    /// There is no file.
    #[error("a document has a main file; send at least one file")]
    NoFile,
    /// Too many files.
    #[error("a document has at most {limit} files")]
    TooManyFiles {
        /// How many are allowed.
        limit: usize,
    },
    /// The files are larger than an envelope carries.
    #[error("the files are larger than the {limit} bytes that an envelope carries")]
    TooLarge {
        /// Bytes allowed, of all files together.
        limit: u64,
    },
    /// A file has another size than its head says.
    #[error("the file {name} has another size than announced; send it again")]
    FileSize {
        /// Its name.
        name: String,
    },
    /// A media type that is none.
    #[error("{media_type:?} is not a media type, as application/pdf")]
    MediaType {
        /// The text.
        media_type: String,
    },
    /// Bytes before the first file's head.
    #[error("bytes of a file came before its head")]
    NoHead,
}

impl ComposeError {
    /// The code to answer with.
    pub fn code(&self) -> ErrorCode {
        match self {
            Self::Node(fault) => fault.code(),
            Self::Index(fault) => fault.code(),
            Self::IdReused { .. } => ErrorCode::IdReused,
            Self::Recipients { .. } | Self::Groups { .. } => ErrorCode::RecipientUnknown,
            Self::SenderUnknown { .. } | Self::SenderMerged { .. } => ErrorCode::SenderUnknown,
            Self::DirectoryExpired => ErrorCode::DirectoryExpired,
            Self::KeyRevoked(_) => ErrorCode::KeyRevoked,
            Self::StateSecret => ErrorCode::StateSecret,
            Self::Document { source } => source.code(),
            Self::TooLarge { .. } | Self::TooManyFiles { .. } => ErrorCode::TooLarge,
            Self::NoHead => ErrorCode::ProtocolViolation,
            _ => ErrorCode::DocumentInvalid,
        }
    }

    pub(crate) fn field<E: Into<FieldFault>>(field: &'static str) -> impl FnOnce(E) -> Self {
        move |source| Self::Field {
            field,
            source: source.into(),
        }
    }
}

impl From<FileError> for ComposeError {
    fn from(fault: FileError) -> Self {
        Self::Node(fault.into())
    }
}
