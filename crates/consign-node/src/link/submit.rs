//! `Submit`: what was sealed goes out, most urgent first, many in flight.
//!
//! An answer counts when it verifies and is on stable storage. Anything else leaves the
//! envelope where it is: a retryable fault is tried again after a backoff, a final one that
//! nobody signed is shown and tried again rarely, silence means *unknown*. Payloads over
//! 256 KiB are uploaded first, beside the others, so that they never delay small ones.

mod answers;
mod uploads;

use std::collections::{HashMap, HashSet};
use std::convert::Infallible;
use std::sync::Arc;
use std::time::{Duration, Instant};

use consign_domain::statement::Envelope;
use consign_domain::{AgencyId, Digest, EnvelopeId, EnvelopeKey};
use consign_proto::signed_message;
use consign_proto::v1::{self, envelope_submission::Payload, submit_request};
use tokio::sync::mpsc;
use tokio::task::JoinSet;
use tokio_stream::wrappers::ReceiverStream;
use tracing::warn;

use super::connection::Session;
use super::fault::{LinkFault, PeerFault};
use super::schedule::Schedule;
use super::sleep_until;
use super::state::Cause;
use crate::board::ItemKey;
use crate::error::NodeError;
use crate::inbox::{InboxError, InboxStep};
use crate::office::Office;
use crate::outbox::{RecordError, SentState, Submission, SubmissionPayload};
use crate::work::{pending, unwind};

/// Requests between this loop and the network.
const WAITING: usize = 8;
/// How soon something is tried again that was refused for good by nobody's signature.
const RARELY: Duration = Duration::from_secs(600);
/// How long an answer may take before the connection is taken for dead.
const PATIENCE: Duration = Duration::from_secs(120);

type SentKey = (AgencyId, EnvelopeId);

/// Something to submit.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
enum Job {
    Envelope(SentKey),
    /// The status that a received envelope waits to have posted.
    Status(ItemKey),
}

/// What the hub has not answered yet.
#[derive(Debug)]
struct Flying {
    job: Job,
    since: Instant,
    /// The envelope as sent, to hold the answer against.
    sent: Option<(Box<Envelope>, Digest)>,
}

/// What was done with an answer.
#[derive(Debug)]
enum Settled {
    Envelope(SentKey, Result<(), RecordError>),
    Status(ItemKey, Result<(), InboxError>),
}

/// Keeps, from session to session, what need not be uploaded again.
#[derive(Debug)]
pub(crate) struct Submitter {
    office: Arc<Office>,
    staged: HashSet<SentKey>,
}

impl Submitter {
    pub(crate) fn new(office: &Arc<Office>) -> Self {
        Self {
            office: Arc::clone(office),
            staged: HashSet::new(),
        }
    }

    /// Submits until the session ends.
    pub(crate) async fn run(&mut self, session: &Session) -> Result<Infallible, LinkFault> {
        let (requests, stream) = mpsc::channel(WAITING);
        let mut client = session.client.clone();
        let replies = client.submit(ReceiverStream::new(stream)).await?;
        let mut replies = replies.into_inner();
        let mut sending = self.office.sending.listen();
        let mut directory = self.office.keeper.subscribe();
        let mut stream = Stream::new(session, &mut self.staged);
        stream.offer().await;
        loop {
            let now = session.office.clock.monotonic();
            let due = stream.is_due(now)?;
            stream.begin_uploads(now);
            let wake_at = stream.wake_at();
            tokio::select! {
                reply = replies.message() => {
                    let reply = reply?.ok_or(LinkFault::Closed)?;
                    stream.answered(reply).await?;
                }
                place = requests.reserve(), if due => {
                    let place = place.map_err(|_| LinkFault::Closed)?;
                    if let Some(request) = stream.next(now).await {
                        place.send(request);
                    }
                }
                Some(settled) = stream.settling.join_next() => stream.settled(unwind(settled)),
                Some(ended) = stream.uploading.join_next() => {
                    stream.uploaded(unwind(ended));
                    stream.offer().await;
                }
                () = sending.rung() => stream.offer().await,
                // What was refused by an older directory may be right by this one.
                Ok(()) = directory.changed() => stream.jobs.hurry(),
                () = sleep_until(wake_at) => {}
            }
        }
    }
}

/// One stream of submissions.
struct Stream<'a> {
    session: &'a Session,
    staged: &'a mut HashSet<SentKey>,
    jobs: Schedule<Job>,
    uploads: Schedule<SentKey>,
    flying: HashMap<u64, Flying>,
    calls: u64,
    settling: JoinSet<Settled>,
    uploading: JoinSet<(SentKey, Result<(), PeerFault>)>,
}

impl<'a> Stream<'a> {
    fn new(session: &'a Session, staged: &'a mut HashSet<SentKey>) -> Self {
        let limits = session.office.config.limits;
        Self {
            session,
            staged,
            jobs: Schedule::new(limits.in_flight),
            uploads: Schedule::new(limits.uploads),
            flying: HashMap::new(),
            calls: 0,
            settling: JoinSet::new(),
            uploading: JoinSet::new(),
        }
    }

    fn office(&self) -> &'a Arc<Office> {
        &self.session.office
    }

    fn serves(&self, agency: AgencyId) -> bool {
        self.session.desks.iter().any(|desk| desk.id() == agency)
    }

    /// Takes in what the files and the board have to be submitted.
    async fn offer(&mut self) {
        for (key, rank) in pending(self.office(), SentState::Sealed).await {
            if self.serves(key.0) && !self.uploads.contains(key) {
                self.jobs.offer(Job::Envelope(key), rank);
            }
        }
        for (key, rank) in self.office().again.envelopes() {
            if self.serves(key.0) && !self.uploads.contains(key) {
                self.jobs.offer(Job::Envelope(key), rank);
            }
        }
        let is_status = |step: &InboxStep| matches!(step, InboxStep::PostStatus { .. });
        for waiting in self.office().board.steps(is_status) {
            if self.serves(waiting.key.agency) {
                self.jobs.offer(Job::Status(waiting.key), waiting.rank);
            }
        }
    }

    /// Whether something may be sent now.
    fn is_due(&mut self, now: Instant) -> Result<bool, LinkFault> {
        let oldest = self.flying.values().map(|flying| flying.since).min();
        if oldest.is_some_and(|oldest| now.duration_since(oldest) > PATIENCE) {
            return Err(LinkFault::NoAnswer {
                seconds: PATIENCE.as_secs(),
            });
        }
        let due = self.jobs.is_due(now);
        if due {
            self.office().keeper.fresh(self.office().now())?;
        }
        Ok(due)
    }

    fn wake_at(&self) -> Option<Instant> {
        let oldest = self.flying.values().map(|flying| flying.since).min();
        let silent = oldest.map(|oldest| oldest + PATIENCE + Duration::from_millis(1));
        [self.jobs.next_at(), self.uploads.next_at(), silent]
            .into_iter()
            .flatten()
            .min()
    }

    /// The next request, read from the files.
    async fn next(&mut self, now: Instant) -> Option<v1::SubmitRequest> {
        let job = self.jobs.take(now)?;
        let (submission, sent) = match job {
            Job::Envelope(key) => self.envelope(key).await?,
            Job::Status(key) => (self.status(key)?, None),
        };
        self.calls += 1;
        let since = now;
        self.flying.insert(self.calls, Flying { job, since, sent });
        Some(v1::SubmitRequest {
            call: self.calls,
            submission: Some(submission),
        })
    }

    async fn envelope(
        &mut self,
        key: SentKey,
    ) -> Option<(submit_request::Submission, Option<(Box<Envelope>, Digest)>)> {
        let submission = match self.load(key).await {
            Ok(submission) => submission,
            Err(fault) => {
                self.unreadable(key, &fault);
                return None;
            }
        };
        let payload = match submission.payload {
            SubmissionPayload::Inline(bytes) => Payload::Inline(bytes),
            SubmissionPayload::File { .. } if self.staged.contains(&key) => Payload::Staged(true),
            SubmissionPayload::File { .. } => {
                if let Some(rank) = self.jobs.rank(Job::Envelope(key)) {
                    self.jobs.done(Job::Envelope(key));
                    self.uploads.offer(key, rank);
                }
                return None;
            }
        };
        let message = v1::EnvelopeSubmission {
            envelope: Some(signed_message(&submission.signed)),
            wraps: submission.wraps,
            payload: Some(payload),
        };
        let sent = (Box::new(submission.envelope), submission.signed.digest());
        Some((submit_request::Submission::Envelope(message), Some(sent)))
    }

    async fn load(&self, (agency, id): SentKey) -> Result<Submission, NodeError> {
        let desk = self
            .office()
            .desk(agency)
            .ok_or(NodeError::UnknownEnvelope)?;
        let load = self.office().at_desk(desk, move |desk, _| {
            desk.agency.outbox().load_submission(id)
        });
        load.await
    }

    fn unreadable(&mut self, key: SentKey, fault: &NodeError) {
        if let NodeError::UnknownEnvelope | NodeError::State { .. } = fault {
            // It was answered since it was listed.
            self.office().again.submitted(key);
            return self.jobs.done(Job::Envelope(key));
        }
        if matches!(fault, NodeError::Missing { .. }) && self.office().again.submitted(key) {
            // Every recipient has signed for it meanwhile: its ciphertext is gone.
            return self.jobs.done(Job::Envelope(key));
        }
        let cause = Cause {
            code: fault.code(),
            text: fault.to_string(),
        };
        self.wait(Job::Envelope(key), cause, RARELY);
    }

    fn status(&mut self, key: ItemKey) -> Option<submit_request::Submission> {
        let step = self.office().board.step(key);
        let Some(InboxStep::PostStatus { status, text }) = step.as_deref() else {
            self.jobs.done(Job::Status(key));
            return None;
        };
        let message = v1::StatusSubmission {
            status: Some(signed_message(status)),
            text: text.clone(),
        };
        Some(submit_request::Submission::Status(message))
    }

    /// Shown, and tried again.
    fn wait(&mut self, job: Job, cause: Cause, least: Duration) {
        let now = self.office().clock.monotonic();
        let wait = self.jobs.put_off(job, now, least);
        match job {
            Job::Envelope(key) => {
                let envelope = envelope_key(key);
                warn!(%envelope, code = %cause.code, cause = %cause.text, ?wait, "not submitted, trying again");
                self.office().hold_until(envelope, cause, now + wait);
            }
            Job::Status(key) => {
                warn!(agency = %key.agency, sequence = %key.sequence, code = %cause.code, cause = %cause.text, ?wait, "status not posted, trying again");
            }
        }
    }
}

/// How long a fault is waited out at least.
fn patience(fault: &PeerFault) -> Duration {
    if fault.cause.code.is_retryable() {
        fault.retry_after
    } else {
        RARELY
    }
}

const fn envelope_key((sender, id): SentKey) -> EnvelopeKey {
    EnvelopeKey { sender, id }
}
