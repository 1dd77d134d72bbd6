//! What an agency sends, from composing until every recipient is final.

use std::path::PathBuf;
use std::sync::Arc;

use bytes::Bytes;
use consign_domain::document::{Document, Urgency};
use consign_domain::statement::{Envelope, Evidence, Status};
use consign_domain::{EnvelopeId, ErrorCode, Sequence, SignedStatement, Timestamp};
use consign_verify::Verified;

use crate::compose::{ComposeError, ComposeRequest, FileOpen};
use crate::context::Context;
use crate::error::NodeError;
use crate::folder::Folder;
use crate::index::Index;
use crate::layout::AgencyHome;
use crate::seal::SealError;

/// Where a sent envelope stands as a whole.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum SentState {
    /// Fields and files are durable; to be sealed.
    Composed,
    /// Ciphertext, wraps and envelope are durable; to be submitted.
    Sealed,
    /// The hub took it over.
    Accepted,
    /// The hub refused it: final.
    Rejected,
    /// Every recipient is final.
    Final,
}

/// An envelope that the outbox still has work with.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Pending {
    /// Its id.
    pub id: EnvelopeId,
    /// Composed: to be sealed. Sealed: to be submitted.
    pub state: SentState,
    /// How urgent it is.
    pub urgency: Urgency,
    /// When it was composed.
    pub since: Timestamp,
}

/// What is submitted to the hub; the same bytes each time.
#[derive(Debug, Clone)]
pub struct Submission {
    /// The signed envelope.
    pub signed: SignedStatement,
    /// Its fields.
    pub envelope: Envelope,
    /// One wrap per recipient, in the order of `to`.
    pub wraps: Vec<Bytes>,
    /// The ciphertext.
    pub payload: SubmissionPayload,
}

/// The ciphertext of a submission.
#[derive(Debug, Clone)]
pub enum SubmissionPayload {
    /// It travels inside the message.
    Inline(Bytes),
    /// It is uploaded from this file.
    File {
        /// The file.
        path: PathBuf,
        /// Its size in bytes.
        size: u64,
    },
}

/// A composed document.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Composed {
    /// The envelope's id.
    pub id: EnvelopeId,
    /// The fields as they will be sealed.
    pub document: Document,
    /// Whether the same request was made before under this id.
    pub repeated: bool,
}

/// A sealed envelope.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Sealed {
    /// Size of the container in bytes.
    pub container_size: u64,
    /// Size of the ciphertext in bytes.
    pub payload_size: u64,
}

/// What taking in evidence or a status did.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Recorded {
    /// It is stored now.
    New,
    /// It was stored before.
    Known,
}

impl Staging {
    /// Begins the next file; the first is the main one.
    ///
    /// # Errors
    /// A limit, a name that cannot be used, or the system refused.
    pub fn begin_file(&mut self, open: &FileOpen) -> Result<(), ComposeError> {
        unimplemented!("{open:?}")
    }

    /// Adds bytes to the file that was begun last.
    ///
    /// # Errors
    /// More bytes than announced, or the system refused.
    pub fn write(&mut self, bytes: &[u8]) -> Result<(), ComposeError> {
        unimplemented!("{bytes:?}")
    }

    /// Bytes of all files so far.
    pub const fn received(&self) -> u64 {
        0
    }
}

/// What an agency sends.
#[derive(Debug)]
pub struct Outbox {}

impl Outbox {
    /// Opens the outbox and finishes what a crash left unfinished.
    ///
    /// # Errors
    /// A file is damaged, or the system refused.
    pub fn open(home: AgencyHome, index: Arc<Index>) -> Result<Self, NodeError> {
        unimplemented!("{home:?} {index:?}")
    }

    /// Begins to compose: checks everything that can be checked before the files are here.
    /// Under an id that is in use, the same request is taken to repeat it.
    ///
    /// # Errors
    /// [`ComposeError`].
    pub fn begin(
        &self,
        id: EnvelopeId,
        request: ComposeRequest,
        context: &Context<'_>,
    ) -> Result<Staging, ComposeError> {
        unimplemented!("{id} {request:?} {context:?}")
    }

    /// Ends composing: gives the number, and makes fields and files durable together.
    ///
    /// # Errors
    /// [`ComposeError`]; [`ComposeError::IdReused`] if the id stands for something else.
    pub fn compose(&self, staging: Staging, now: Timestamp) -> Result<Composed, ComposeError> {
        unimplemented!("{staging:?} {now}")
    }

    /// Seals a composed envelope, or says how it was sealed before.
    ///
    /// # Errors
    /// [`SealError`]; the envelope then stays composed and may be sealed later.
    pub fn seal(&self, id: EnvelopeId, context: &Context<'_>) -> Result<Sealed, SealError> {
        unimplemented!("{id} {context:?}")
    }

    /// What is to be sealed or submitted, most urgent and then oldest first.
    pub fn pending(&self) -> Vec<Pending> {
        unimplemented!()
    }

    /// Where an envelope stands; `None` if there is none of this id.
    ///
    /// # Errors
    /// The system refused.
    pub fn state(&self, id: EnvelopeId) -> Result<Option<SentState>, NodeError> {
        unimplemented!("{id}")
    }

    /// The files of a sent envelope, wherever it is by now.
    ///
    /// # Errors
    /// [`NodeError::UnknownEnvelope`].
    pub fn folder(&self, id: EnvelopeId) -> Result<Folder, NodeError> {
        unimplemented!("{id}")
    }

    /// What to submit.
    ///
    /// # Errors
    /// It is not sealed, or a file is damaged.
    pub fn load_submission(&self, id: EnvelopeId) -> Result<Submission, NodeError> {
        unimplemented!("{id}")
    }

    /// Stores the hub's acceptance or refusal.
    ///
    /// # Errors
    /// It is of another event, or about another envelope, or the system refused.
    pub fn record_answer(
        &self,
        signed: &SignedStatement,
        evidence: &Verified<Evidence>,
    ) -> Result<Recorded, NodeError> {
        unimplemented!("{signed:?} {evidence:?}")
    }

    /// Stores evidence about one recipient; moves the envelope to the archive once all are final.
    ///
    /// # Errors
    /// It is about an envelope that is not here, or the system refused.
    pub fn record_evidence(
        &self,
        sequence: Sequence,
        signed: &SignedStatement,
        evidence: &Verified<Evidence>,
    ) -> Result<Recorded, NodeError> {
        unimplemented!("{sequence} {signed:?} {evidence:?}")
    }

    /// Stores what a recipient says it does with the document.
    ///
    /// # Errors
    /// It is about an envelope that is not here, or the system refused.
    pub fn record_status(
        &self,
        sequence: Sequence,
        signed: &SignedStatement,
        status: &Verified<Status>,
        text: &[u8],
    ) -> Result<Recorded, NodeError> {
        unimplemented!("{sequence} {signed:?} {status:?} {text:?}")
    }
}

/// A document that is being composed: files as they come. Dropped, it leaves nothing.
#[derive(Debug)]
pub struct Staging {}
