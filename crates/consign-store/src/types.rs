//! The plain types that the verbs take and give.

use std::collections::BTreeSet;
use std::fmt;

use bytes::Bytes;
use consign_domain::delivery::DeliveryState;
use consign_domain::document::Urgency;
use consign_domain::limits::{
    MAX_ENVELOPE, MAX_EVIDENCE, MAX_RECIPIENTS, MAX_STATUS, MAX_STATUS_TEXT, MAX_WRAP,
};
use consign_domain::statement::Placement;
use consign_domain::{
    AgencyCode, AgencyId, Digest, DirectoryVersion, EnvelopeKey, Sequence, SignedStatement,
    Timestamp,
};

use crate::error::{SealError, StoreError};
use crate::payload::StagedRef;
use crate::staging::MAX_JOURNALED;

/// Where an accepted envelope was placed, and when: what the acceptance says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Placements {
    /// The time of acceptance, by the store's clock.
    pub time: Timestamp,
    /// Each recipient's place, in the order of the submission's recipients.
    pub recipients: Vec<Placement>,
}

/// Signs the acceptance once the places are known. It runs on a thread of the store
/// and must not fail for any submission that was let in: the places are given by
/// then, and a failure ends the store.
pub type Seal = Box<dyn FnOnce(&Placements) -> Result<SignedStatement, SealError> + Send>;

/// A submission's payload ciphertext.
#[derive(Debug, Clone)]
pub enum PayloadIn {
    /// The bytes themselves, at most 1 MiB; more is staged.
    Inline(Bytes),
    /// Staged before, and durable.
    Staged(StagedRef),
}

impl PayloadIn {
    /// Its size in bytes.
    pub fn size(&self) -> u64 {
        match self {
            Self::Inline(bytes) => bytes.len() as u64,
            Self::Staged(staged) => staged.size(),
        }
    }
}

/// An envelope that was found good and is to be accepted.
pub struct Submission {
    /// Its identity.
    pub key: EnvelopeKey,
    /// The envelope statement.
    pub envelope: SignedStatement,
    /// SHA-256 of the envelope statement's bytes.
    pub digest: Digest,
    /// The recipients in the order of `to`, at least one.
    pub recipients: Vec<(AgencyId, AgencyCode)>,
    /// How urgent it is.
    pub urgency: Urgency,
    /// When undelivered copies lapse.
    pub expires: Timestamp,
    /// One wrap for each recipient, in the order of `to`.
    pub wraps: Vec<Bytes>,
    /// The payload ciphertext.
    pub payload: PayloadIn,
    /// Signs the acceptance.
    pub seal: Seal,
}

impl Submission {
    /// What every engine asks of a submission before it decides anything.
    pub(crate) fn check(&self) -> Result<(), StoreError> {
        let (recipients, wraps) = (self.recipients.len(), self.wraps.len());
        if recipients == 0 || recipients > MAX_RECIPIENTS || recipients != wraps {
            return Err(StoreError::WrapsMismatch);
        }
        let mut agencies = BTreeSet::new();
        if !self.recipients.iter().all(|(id, _)| agencies.insert(*id)) {
            return Err(StoreError::RecipientTwice);
        }
        let inline = match &self.payload {
            PayloadIn::Inline(bytes) => bytes.len() as u64,
            PayloadIn::Staged(_) => 0,
        };
        let fits = self.wraps.iter().all(|wrap| wrap.len() <= MAX_WRAP)
            && self.envelope.statement.len() <= MAX_ENVELOPE
            && inline <= MAX_JOURNALED;
        if fits {
            Ok(())
        } else {
            Err(StoreError::TooLarge)
        }
    }
}

impl fmt::Debug for Submission {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Submission")
            .field("key", &self.key)
            .field("digest", &self.digest)
            .field("recipients", &self.recipients.len())
            .field("payload", &self.payload.size())
            .finish_non_exhaustive()
    }
}

/// The one final refusal of an envelope.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Refusal {
    /// The envelope's identity.
    pub key: EnvelopeKey,
    /// SHA-256 of the envelope statement's bytes.
    pub digest: Digest,
    /// Until when the envelope would have been good; it is remembered beyond that.
    pub expires: Timestamp,
    /// The hub's signed refusal.
    pub evidence: SignedStatement,
}

impl Refusal {
    /// What every engine asks of it before it decides anything.
    pub(crate) fn check(&self) -> Result<(), StoreError> {
        within(&self.evidence.statement, MAX_EVIDENCE)
    }
}

/// What a submission ended in.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Outcome {
    /// The hub took it over.
    Accepted,
    /// The hub refused it, finally.
    Refused,
}

/// The one answer that a (sender, id) ever gets.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Answer {
    /// SHA-256 of the envelope statement that was answered.
    pub envelope: Digest,
    /// Which answer it is.
    pub outcome: Outcome,
    /// The signed acceptance or refusal.
    pub evidence: SignedStatement,
}

/// What [`accept`](crate::Store::accept) and [`refuse`](crate::Store::refuse) come to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Accepted {
    /// The answer, made now or before; it may be a refusal to an acceptance asked for,
    /// and the other way round.
    pub answer: Answer,
    /// Whether the answer was there before.
    pub repeated: bool,
}

/// A recipient's signed receipt.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Receipt {
    /// The envelope.
    pub key: EnvelopeKey,
    /// Who signs for it.
    pub recipient: AgencyId,
    /// The envelope's place in the recipient's inbox, as the receipt says.
    pub sequence: Sequence,
    /// SHA-256 of the envelope statement, as the receipt says.
    pub envelope: Digest,
    /// The signed receipt.
    pub statement: SignedStatement,
}

impl Receipt {
    /// What every engine asks of it before it decides anything.
    pub(crate) fn check(&self) -> Result<(), StoreError> {
        within(&self.statement.statement, MAX_EVIDENCE)
    }
}

/// The hub's signed word that no receipt came in time.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Expiry {
    /// The envelope.
    pub key: EnvelopeKey,
    /// Who did not sign for it.
    pub recipient: AgencyId,
    /// The signed statement.
    pub statement: SignedStatement,
}

impl Expiry {
    /// What every engine asks of it before it decides anything.
    pub(crate) fn check(&self) -> Result<(), StoreError> {
        within(&self.statement.statement, MAX_EVIDENCE)
    }
}

/// What settled a delivery.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum SettledBy {
    /// The recipient's receipt.
    Receipt,
    /// The hub's logged expiry.
    Expiry,
}

/// How a delivery is settled.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Settled {
    /// By what.
    pub by: SettledBy,
    /// The statement that settled it: the first one, whatever was sent later.
    pub statement: SignedStatement,
    /// Whether it was settled before this call.
    pub repeated: bool,
}

/// A business status on its way to its addressee.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StatusPost {
    /// The envelope that it is about.
    pub key: EnvelopeKey,
    /// Whose inbox it goes to.
    pub addressee: AgencyId,
    /// The signed status.
    pub statement: SignedStatement,
    /// Its encrypted text, empty if it has none.
    pub text: Bytes,
}

impl StatusPost {
    /// What every engine asks of it before it decides anything.
    pub(crate) fn check(&self) -> Result<(), StoreError> {
        within(&self.statement.statement, MAX_STATUS)?;
        within(&self.text, MAX_STATUS_TEXT)
    }
}

/// Where a status was placed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Posted {
    /// The place in the addressee's inbox.
    pub sequence: Sequence,
    /// Whether it was there before.
    pub repeated: bool,
}

/// How much of an inbox to give at once; the first item is given whatever its size.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct InboxBudget {
    /// Most items.
    pub items: usize,
    /// Most bytes of statements, texts and inline payloads together.
    pub bytes: usize,
}

/// One item of an inbox.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct InboxItem {
    /// Its place.
    pub sequence: Sequence,
    /// SHA-256 of its statement's bytes.
    pub digest: Digest,
    /// What it is.
    pub body: ItemBody,
}

/// What an inbox item is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ItemBody {
    /// An envelope to collect.
    Envelope(Box<EnvelopeItem>),
    /// Evidence about an envelope that the agency sent.
    Evidence(SignedStatement),
    /// A business status.
    Status {
        /// The signed status.
        statement: SignedStatement,
        /// Its encrypted text, empty if it has none.
        text: Bytes,
    },
}

/// An envelope as it lies in an inbox.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EnvelopeItem {
    /// Its identity.
    pub key: EnvelopeKey,
    /// The envelope statement.
    pub envelope: SignedStatement,
    /// The hub's acceptance.
    pub acceptance: SignedStatement,
    /// How urgent it is.
    pub urgency: Urgency,
    /// The payload's size in bytes.
    pub payload_size: u64,
    /// The payload, or how to get it.
    pub payload: ItemPayload,
}

/// A payload in an inbox item.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ItemPayload {
    /// At most [`MAX_INLINE_PAYLOAD`](consign_domain::limits::MAX_INLINE_PAYLOAD) bytes.
    Inline(Bytes),
    /// Larger: see [`Store::payload`](crate::Store::payload).
    OnRequest,
}

impl InboxItem {
    /// The bytes it counts against a budget.
    pub fn cost(&self) -> usize {
        match &self.body {
            ItemBody::Envelope(item) => {
                let payload = match &item.payload {
                    ItemPayload::Inline(bytes) => bytes.len(),
                    ItemPayload::OnRequest => 0,
                };
                item.envelope.statement.len() + item.acceptance.statement.len() + payload
            }
            ItemBody::Evidence(statement) => statement.statement.len(),
            ItemBody::Status { statement, text } => statement.statement.len() + text.len(),
        }
    }
}

/// How far an inbox reaches and how far it was stored by its agency.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct InboxState {
    /// The last item, if there is one.
    pub last: Option<Sequence>,
    /// The last item that the agency says it has stored.
    pub collected: Option<Sequence>,
}

/// One recipient of a stored envelope.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Delivery {
    /// The recipient.
    pub agency: AgencyId,
    /// Its code, as in `to`.
    pub code: AgencyCode,
    /// The envelope's place in its inbox.
    pub sequence: Sequence,
    /// Where the delivery stands.
    pub state: DeliveryState,
}

/// Where the delivery to one recipient lies and stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct DeliveryPlace {
    /// SHA-256 of the envelope statement's bytes.
    pub envelope: Digest,
    /// The recipient's place in `to`, and so its wrap's.
    pub index: usize,
    /// The envelope's place in the recipient's inbox.
    pub sequence: Sequence,
    /// Where the delivery stands.
    pub state: DeliveryState,
}

/// An accepted envelope.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StoredEnvelope {
    /// Its identity.
    pub key: EnvelopeKey,
    /// The envelope statement.
    pub envelope: SignedStatement,
    /// SHA-256 of the envelope statement's bytes.
    pub digest: Digest,
    /// The hub's acceptance.
    pub acceptance: SignedStatement,
    /// When it was accepted.
    pub accepted: Timestamp,
    /// When undelivered copies lapse.
    pub expires: Timestamp,
    /// How urgent it is.
    pub urgency: Urgency,
    /// The payload's size in bytes.
    pub payload_size: u64,
    /// The recipients in the order of `to`.
    pub deliveries: Vec<Delivery>,
}

/// The newest directory that the hub told the store of.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct DirectoryNote {
    /// Its version.
    pub version: DirectoryVersion,
    /// SHA-256 of its head.
    pub head: Digest,
}

/// How long things are kept after they have become final.
///
/// A payload goes when every delivery of its envelope was settled so long ago. All else of
/// an envelope goes when that, and the envelope's expiry, is as long ago as records are kept,
/// and every inbox that it lies in was stored up to it by its agency.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Retention {
    /// Seconds that a payload is kept.
    pub payload_seconds: u64,
    /// Seconds that answers, receipts and statuses are kept.
    pub record_seconds: u64,
    /// Seconds after which a segment that was kept is weighed again.
    pub again_seconds: u64,
}

/// What was tidied away.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Tidied {
    /// Segments that were weighed.
    pub weighed: u64,
    /// Segments that are gone.
    pub segments: u64,
    /// Records that were carried forward out of them.
    pub carried: u64,
    /// Payload files that are gone.
    pub files: u64,
    /// Bytes of the segments and payload files that are gone.
    pub bytes: u64,
    /// Whether the index was made anew, without what had become stale.
    pub index: bool,
}

/// A place in the journal, after which nothing is meant.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Default)]
pub struct Position {
    /// The batch, numbered through all segments.
    pub batch: u64,
    /// The segment.
    pub segment: u64,
    /// The byte in the segment's file.
    pub offset: u64,
}

/// Whether a store can be worked with.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Health {
    /// Yes.
    Good,
    /// It takes nothing new, and goes on delivering and settling.
    Full,
    /// It has failed: end the process and open the store anew.
    Poisoned,
}

/// How a store is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct StoreHealth {
    /// In a word.
    pub health: Health,
    /// How far the journal is durable.
    pub journal: Position,
    /// How far the index has followed.
    pub index: Position,
    /// Bytes of what is durable and not yet in the index.
    pub overlay_bytes: u64,
}

/// That bytes are as many as a format allows: what is larger could not be read back.
fn within(bytes: &Bytes, limit: usize) -> Result<(), StoreError> {
    if bytes.len() > limit {
        Err(StoreError::TooLarge)
    } else {
        Ok(())
    }
}
