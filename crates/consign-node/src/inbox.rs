//! What an agency receives, from the hub's offer until it is archived.

use std::path::PathBuf;
use std::sync::Arc;

use bytes::Bytes;
use consign_domain::document::Urgency;
use consign_domain::{Digest, EnvelopeKey, ErrorCode, Sequence, SignedStatement};

use crate::context::Context;
use crate::error::NodeError;
use crate::index::Index;
use crate::layout::AgencyHome;
use crate::outbox::Outbox;

/// One item of an agency's inbox, as the hub offers it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Item {
    /// Its place.
    pub sequence: Sequence,
    /// What it is.
    pub content: ItemContent,
}

/// What an item is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ItemContent {
    /// Something was sent to the agency.
    Envelope {
        /// The sender's envelope.
        envelope: SignedStatement,
        /// The hub's acceptance.
        acceptance: SignedStatement,
        /// The ciphertext, if it travels with the item.
        payload: Option<Bytes>,
    },
    /// Evidence about something that the agency sent.
    Evidence {
        /// The evidence.
        evidence: SignedStatement,
    },
    /// A status said to the agency.
    Status {
        /// The status.
        status: SignedStatement,
        /// Its age-encrypted text, or nothing.
        text: Bytes,
    },
}

impl Item {
    /// The digest of the item's statement: what a cursor carries.
    pub fn digest(&self) -> Digest {
        match &self.content {
            ItemContent::Envelope { envelope, .. } => envelope.digest(),
            ItemContent::Evidence { evidence } => evidence.digest(),
            ItemContent::Status { status, .. } => status.digest(),
        }
    }
}

/// What became of items that the hub offered.
#[derive(Debug, Default)]
pub struct Receipt {
    /// All items up to here are durable: what may be reported as stored.
    pub stored: Option<Sequence>,
    /// Envelopes among them that now want their next step.
    pub envelopes: Vec<Sequence>,
    /// Sent envelopes that evidence or statuses among them are about.
    pub tracked: Vec<consign_domain::EnvelopeId>,
    /// Items put aside because they cannot be digested, with the reason.
    pub aside: Vec<(Sequence, ErrorCode)>,
    /// Why the rest was not stored, if it was not.
    pub fault: Option<InboxError>,
}

/// A recipient's wrap, as the hub releases it against the receipt.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ReleasedWrap {
    /// The envelope.
    pub envelope: EnvelopeKey,
    /// The wrap.
    pub wrap: Bytes,
    /// The path that shows it to be the one that the envelope names.
    pub path: Vec<[u8; 32]>,
}

/// What an envelope in the inbox needs next from outside.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum InboxStep {
    /// Fetch the payload from this offset on, into [`Inbox::payload_writer`].
    NeedPayload {
        /// The envelope.
        key: EnvelopeKey,
        /// The whole size in bytes.
        size: u64,
        /// Bytes that are here.
        offset: u64,
    },
    /// Send this receipt, once per connection, until the wrap comes; always the same bytes.
    SendReceipt(SignedStatement),
    /// Undecided: try again with a newer directory, or later.
    Held {
        /// Why.
        reason: ErrorCode,
    },
    /// Submit this status until the hub has stored it; then [`Inbox::status_posted`].
    PostStatus {
        /// The status.
        status: SignedStatement,
        /// Its encrypted text, or nothing.
        text: Bytes,
    },
    /// Nothing: it is archived.
    Done,
}

/// An envelope in the inbox that is not archived yet.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct InboxWork {
    /// Its place.
    pub sequence: Sequence,
    /// Its identity.
    pub key: EnvelopeKey,
    /// How urgent it is.
    pub urgency: Urgency,
    /// Size of its payload in bytes.
    pub payload_size: u64,
}

/// Why an operation on the inbox failed.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum InboxError {
    /// Files.
    #[error(transparent)]
    Node(#[from] NodeError),
    /// An item came that is not the next one.
    #[error("the hub offered item {found}, the next is {expected}")]
    Gap {
        /// What must come.
        expected: Sequence,
        /// What came.
        found: Sequence,
    },
    /// The hub says something else than before: it lied, or was restored from a backup.
    #[error(
        "the hub offers another item {sequence} than before; ask the hub's operator whether it was restored from a backup"
    )]
    Contradiction {
        /// The item's place.
        sequence: Sequence,
    },
    /// The item cannot be judged yet; nothing was stored.
    #[error("the item cannot be judged yet ({code})")]
    NotYet {
        /// What is missing.
        code: ErrorCode,
    },
    /// The wrap is not the one that the envelope names for this agency; nothing was stored.
    #[error("the released wrap is not the one that the envelope names")]
    Wrap,
    /// The fetched payload is not the one that the envelope names; it was discarded.
    #[error("the fetched payload is not the one that the envelope names")]
    Payload,
    /// Signing failed, or a key is missing.
    #[error("the agency's keys cannot be used ({code})")]
    Keys {
        /// Why.
        code: ErrorCode,
    },
}

impl InboxError {
    /// The code to answer with.
    pub fn code(&self) -> ErrorCode {
        match self {
            Self::Node(fault) => fault.code(),
            Self::Gap { .. } => ErrorCode::ProtocolViolation,
            Self::Contradiction { .. } => ErrorCode::HubBehind,
            Self::NotYet { code } | Self::Keys { code } => *code,
            Self::Wrap => ErrorCode::WrapMismatch,
            Self::Payload => ErrorCode::PayloadMismatch,
        }
    }
}

/// How much the inbox holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct InboxCounts {
    /// Envelopes whose verdict is not decided.
    pub held: u64,
    /// Envelopes whose payload is not here.
    pub to_fetch: u64,
}

/// What an agency receives.
#[derive(Debug)]
pub struct Inbox {}

impl Inbox {
    /// Opens the inbox and finishes what a crash left unfinished.
    ///
    /// # Errors
    /// A file is damaged, or the system refused.
    pub fn open(
        home: AgencyHome,
        outbox: Arc<Outbox>,
        index: Arc<Index>,
    ) -> Result<Self, NodeError> {
        unimplemented!("{home:?} {outbox:?} {index:?}")
    }

    /// How far the inbox is stored: the last item's place, and the digest of its statement.
    pub fn cursor(&self) -> Option<(Sequence, Digest)> {
        unimplemented!()
    }

    /// Stores items, in their order, and files evidence and statuses with the envelope that
    /// they are about. What is stored before the first fault is durable on return.
    pub fn receive(&self, items: Vec<Item>, context: &Context<'_>) -> Receipt {
        unimplemented!("{items:?} {context:?}")
    }

    /// Envelopes that are not archived, most urgent and then oldest first.
    pub fn work(&self) -> Vec<InboxWork> {
        unimplemented!()
    }

    /// How much is held and to be fetched.
    pub fn counts(&self) -> InboxCounts {
        unimplemented!()
    }

    /// The place of an envelope that is not archived.
    pub fn sequence_of(&self, key: EnvelopeKey) -> Option<Sequence> {
        unimplemented!("{key}")
    }

    /// Does all that can be done here for one envelope, and says what it needs from outside.
    /// Opening and judging a large document takes as long as reading it a few times.
    ///
    /// # Errors
    /// [`InboxError`]; other envelopes are not concerned.
    pub fn advance(
        &self,
        sequence: Sequence,
        context: &Context<'_>,
    ) -> Result<InboxStep, InboxError> {
        unimplemented!("{sequence} {context:?}")
    }

    /// Begins to fetch a payload, or goes on where an earlier attempt ended.
    ///
    /// # Errors
    /// No such envelope, or the system refused.
    pub fn payload_writer(&self, sequence: Sequence) -> Result<PayloadWriter, InboxError> {
        unimplemented!("{sequence}")
    }

    /// Stores a released wrap after checking its path; then [`advance`](Self::advance).
    ///
    /// # Errors
    /// [`InboxError::Wrap`]; no such envelope.
    pub fn store_release(
        &self,
        release: &ReleasedWrap,
        context: &Context<'_>,
    ) -> Result<Sequence, InboxError> {
        unimplemented!("{release:?} {context:?}")
    }

    /// The hub has stored the status of [`InboxStep::PostStatus`]; then [`advance`](Self::advance).
    ///
    /// # Errors
    /// No such envelope, or the system refused.
    pub fn status_posted(&self, sequence: Sequence) -> Result<(), InboxError> {
        unimplemented!("{sequence}")
    }
}

/// A payload that is being fetched: what is written stays for a later attempt.
#[derive(Debug)]
pub struct PayloadWriter {
    path: PathBuf,
}

impl PayloadWriter {
    /// Bytes that are here: where to go on.
    pub const fn offset(&self) -> u64 {
        0
    }

    /// Adds bytes.
    ///
    /// # Errors
    /// More than the envelope says, or the system refused.
    pub fn write(&mut self, bytes: &[u8]) -> Result<(), InboxError> {
        unimplemented!("{bytes:?} {:?}", self.path)
    }

    /// Ends fetching: all bytes must be here and have the digest that the envelope names.
    ///
    /// # Errors
    /// [`InboxError::Payload`]: what was fetched is discarded.
    pub fn finish(self) -> Result<(), InboxError> {
        unimplemented!()
    }
}
