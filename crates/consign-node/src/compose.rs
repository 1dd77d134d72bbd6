//! Composing: a request and files become a validated document with a number.

use crate::error::NodeError;
use consign_domain::{EnvelopeId, ErrorCode};
use serde::{Deserialize, Serialize};

/// What is asked to be sent: the fields of `SendOpen` in `node.proto`, as given.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct ComposeRequest {
    /// Codes of the recipients, in either form.
    pub to: Vec<String>,
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
    /// Ids or symbols of documents that this one answers.
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

/// Why a request cannot be composed.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ComposeError {
    /// Files.
    #[error(transparent)]
    Node(#[from] NodeError),
    /// The id stands for another document.
    #[error("the id {id} is in use for another document")]
    IdReused {
        /// The id.
        id: EnvelopeId,
    },
}

impl ComposeError {
    /// The code to answer with.
    pub fn code(&self) -> ErrorCode {
        match self {
            Self::Node(fault) => fault.code(),
            Self::IdReused { .. } => ErrorCode::IdReused,
        }
    }
}
