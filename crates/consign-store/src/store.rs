//! The trait, and what its verbs answer with.

use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use bytes::Bytes;
use consign_domain::delivery::DeliveryState;
use consign_domain::{AgencyId, Digest, EnvelopeKey, Sequence, Timestamp};
use tokio::sync::{oneshot, watch};

use crate::error::StoreError;
use crate::payload::{LeftUpload, PayloadSource, StagedPayload, StagedRef, Upload};
use crate::types::{
    Accepted, Answer, DeliveryPlace, DirectoryNote, Expiry, InboxBudget, InboxItem, InboxState,
    Posted, Receipt, Refusal, Retention, Settled, StatusPost, StoreHealth, StoredEnvelope,
    Submission, Tidied,
};

/// What the store asks for the time.
pub type Clock = Arc<dyn Fn() -> Timestamp + Send + Sync>;

/// An answer that comes when it is durable.
///
/// Await it, or [`wait`](Reply::wait) on a thread of your own. Dropping it does not take
/// the request back.
#[derive(Debug)]
pub struct Reply<T>(oneshot::Receiver<Result<T, StoreError>>);

impl<T> Reply<T> {
    /// An answer that is known already.
    pub fn ready(result: Result<T, StoreError>) -> Self {
        let (sender, reply) = Self::channel();
        // The receiver is in our hands: it cannot be gone.
        drop(sender.send(result));
        reply
    }

    /// An answer to come. A sender that is dropped unused answers [`StoreError::Failed`].
    pub fn channel() -> (oneshot::Sender<Result<T, StoreError>>, Self) {
        let (sender, receiver) = oneshot::channel();
        (sender, Self(receiver))
    }

    /// Blocks the thread until the answer is there; never call it in async code.
    ///
    /// # Errors
    /// [`StoreError`] as the verb says.
    pub fn wait(self) -> Result<T, StoreError> {
        self.0.blocking_recv().unwrap_or(Err(StoreError::Failed))
    }
}

impl<T> Future for Reply<T> {
    type Output = Result<T, StoreError>;

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Self::Output> {
        Pin::new(&mut self.0)
            .poll(context)
            .map(|answer| answer.unwrap_or(Err(StoreError::Failed)))
    }
}

/// Wakes when an inbox grows.
#[derive(Debug, Clone)]
pub struct Watcher(watch::Receiver<u64>);

impl Watcher {
    /// A watcher and the sender that wakes it with the inbox's last sequence.
    pub(crate) const fn new(receiver: watch::Receiver<u64>) -> Self {
        Self(receiver)
    }

    /// The inbox's last sequence, and marks it as seen.
    pub fn last(&mut self) -> Option<Sequence> {
        Sequence::new(*self.0.borrow_and_update()).ok()
    }

    /// Waits until the inbox has grown since [`last`](Watcher::last) was asked.
    ///
    /// # Errors
    /// [`StoreError::Closed`] when the store is gone.
    pub async fn grown(&mut self) -> Result<(), StoreError> {
        self.0.changed().await.map_err(|_| StoreError::Closed)
    }
}

/// What a hub must remember.
///
/// The verbs that answer with a [`Reply`] return at once and never block; the reads may
/// touch the disk and belong on a thread that may block.
pub trait Store: Send + Sync + fmt::Debug + 'static {
    /// Takes an envelope over: decides duplicates, gives each recipient's sequence and
    /// the time, has the acceptance signed, and makes all of it durable.
    ///
    /// Answers [`StoreError::Full`] and [`StoreError::Busy`] with nothing decided,
    /// [`StoreError::IdReused`] when the id was used for another envelope.
    fn accept(&self, submission: Submission) -> Reply<Accepted>;

    /// Remembers the one final refusal of a (sender, id); an answer given before wins.
    fn refuse(&self, refusal: Refusal) -> Reply<Accepted>;

    /// Settles a delivery by the recipient's receipt, and puts the receipt as evidence
    /// into the sender's inbox. A receipt given before wins; after an expiry it is
    /// [`StoreError::AlreadySettled`].
    fn settle(&self, receipt: Receipt) -> Reply<Settled>;

    /// Puts a business status into its addressee's inbox; the same bytes once only.
    fn post(&self, status: StatusPost) -> Reply<Posted>;

    /// Settles a delivery by the hub's expiry, and puts it as evidence into the
    /// sender's inbox; after a receipt it is [`StoreError::AlreadySettled`].
    fn expire(&self, expiry: Expiry) -> Reply<Settled>;

    /// Accepted envelopes, `most` at most, that have lapsed by now and have deliveries that
    /// are not settled: [`expire`](Store::expire) each of these.
    ///
    /// # Errors
    /// [`StoreError`] if they cannot be looked for.
    fn due(&self, now: Timestamp, most: usize) -> Result<Vec<EnvelopeKey>, StoreError>;

    /// Lets go of what is final and old enough, and gives its room back to the disk. It
    /// reads much and may take long; what comes in meanwhile goes on.
    ///
    /// # Errors
    /// [`StoreError::Damaged`] names a segment that cannot be let go, since what is to be
    /// carried forward out of it does not read back; [`StoreError::Full`] without the room
    /// for that.
    fn tidy(&self, now: Timestamp, keep: &Retention) -> Result<Tidied, StoreError>;

    /// Notes how far an agency has stored its inbox; never backwards, made durable
    /// with whatever comes next.
    ///
    /// # Errors
    /// [`StoreError::Behind`] if the inbox does not reach so far.
    fn collected(&self, agency: AgencyId, through: Sequence) -> Result<(), StoreError>;

    /// The items after a place, in order, as many as the budget holds.
    ///
    /// # Errors
    /// [`StoreError`] if they cannot be read.
    fn inbox(
        &self,
        agency: AgencyId,
        after: Option<Sequence>,
        budget: InboxBudget,
    ) -> Result<Vec<InboxItem>, StoreError>;

    /// How far an inbox reaches and was stored.
    ///
    /// # Errors
    /// [`StoreError`] if it cannot be read.
    fn inbox_state(&self, agency: AgencyId) -> Result<InboxState, StoreError>;

    /// SHA-256 of the statement at a place of an inbox.
    ///
    /// # Errors
    /// [`StoreError`] if it cannot be read.
    fn item_digest(
        &self,
        agency: AgencyId,
        sequence: Sequence,
    ) -> Result<Option<Digest>, StoreError>;

    /// The answer that a (sender, id) got.
    ///
    /// # Errors
    /// [`StoreError`] if it cannot be read.
    fn answer(&self, key: EnvelopeKey) -> Result<Option<Answer>, StoreError>;

    /// An accepted envelope and where its deliveries stand.
    ///
    /// # Errors
    /// [`StoreError`] if it cannot be read.
    fn envelope(&self, key: EnvelopeKey) -> Result<Option<StoredEnvelope>, StoreError>;

    /// All wraps of an accepted envelope, in the order of `to`.
    ///
    /// # Errors
    /// [`StoreError`] if they cannot be read.
    fn wraps(&self, key: EnvelopeKey) -> Result<Option<Vec<Bytes>>, StoreError>;

    /// Where the delivery to one recipient stands; `None` if the envelope was not
    /// accepted or has no such recipient.
    ///
    /// # Errors
    /// [`StoreError`] if it cannot be read.
    fn delivery(
        &self,
        key: EnvelopeKey,
        recipient: AgencyId,
    ) -> Result<Option<DeliveryState>, StoreError>;

    /// Where the delivery to one recipient lies and stands, without its envelope: cheap,
    /// for every receipt. `None` if the envelope was not accepted or has no such recipient.
    ///
    /// # Errors
    /// [`StoreError`] if it cannot be read.
    fn delivery_of(
        &self,
        key: EnvelopeKey,
        recipient: AgencyId,
    ) -> Result<Option<DeliveryPlace>, StoreError>;

    /// The payload of an accepted envelope, to be read in pieces.
    ///
    /// # Errors
    /// [`StoreError`] if it cannot be opened.
    fn payload(&self, key: EnvelopeKey) -> Result<Option<PayloadSource>, StoreError>;

    /// Begins to stage a payload, or goes on with it at what is durable of it.
    ///
    /// # Errors
    /// [`StoreError::Full`] if it would leave too little room, [`StoreError::TooLarge`],
    /// [`StoreError::Busy`] while somebody else is at an upload for the same envelope.
    fn stage(&self, upload: Upload) -> Result<Box<dyn StagedPayload>, StoreError>;

    /// The uploads that survived until now, begun or whole.
    ///
    /// # Errors
    /// [`StoreError`] if they cannot be read.
    fn staged(&self) -> Result<Vec<LeftUpload>, StoreError>;

    /// Makes a staged payload ready to be named by the submission that follows.
    ///
    /// # Errors
    /// [`StoreError::PayloadMissing`] if it is not here any more.
    fn place(&self, staged: &StagedRef) -> Result<(), StoreError>;

    /// Lets go of an upload that nobody waits for: its envelope was answered, or it was
    /// abandoned. A payload that was accepted is not touched.
    ///
    /// # Errors
    /// [`StoreError::Busy`] while somebody is at it.
    fn unstage(&self, upload: &Upload) -> Result<(), StoreError>;

    /// Wakes when an agency's inbox grows.
    fn watch(&self, agency: AgencyId) -> Watcher;

    /// Notes the newest directory; never backwards, made durable with whatever comes next.
    ///
    /// # Errors
    /// [`StoreError`] if the store takes nothing any more.
    fn note_directory(&self, note: DirectoryNote) -> Result<(), StoreError>;

    /// The newest directory noted.
    ///
    /// # Errors
    /// [`StoreError`] if it cannot be read.
    fn directory(&self) -> Result<Option<DirectoryNote>, StoreError>;

    /// How the store is; cheap, for every request's admission.
    fn health(&self) -> StoreHealth;
}
