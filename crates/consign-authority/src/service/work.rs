//! One at a time works at the authority; what waits is done together.

use std::net::IpAddr;
use std::sync::Arc;

use consign_domain::Digest;
use consign_domain::enrolment::Bundle;
use consign_runtime::blocking;
use consign_runtime::shutdown::Shutdown;
use consign_runtime::tls::TlsIdentity;
use tokio::sync::{mpsc, oneshot};
use tracing::{info, warn};

use super::Place;
use crate::PublishOptions;
use crate::error::AuthorityError;
use crate::files::{Authority, Enrolment, Known, RenewalProof};

/// Who asks. Each has a queue of its own and a share of each batch, so that none stands in the way
/// of the others: most of all strangers, of whom there may be any number.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Counter {
    /// Whoever the directory lists.
    Listed,
    /// Whoever has an invitation.
    Invited,
    /// Anybody.
    Strangers,
}

impl Counter {
    const ALL: [Self; 3] = [Self::Listed, Self::Invited, Self::Strangers];

    /// How much may wait there; more is told to come again.
    const fn waiting(self) -> usize {
        match self {
            Self::Listed | Self::Invited => 64,
            Self::Strangers => 16,
        }
    }

    /// How much of it is done together with the rest.
    const fn share(self) -> usize {
        match self {
            Self::Listed | Self::Invited => 32,
            Self::Strangers => 4,
        }
    }
}

/// What is asked of the authority.
#[derive(Debug)]
pub(super) enum Order {
    /// What are these invitations for?
    Invited(Vec<[u8; 16]>),
    /// Enrol with these invitations, if there are any, from this address.
    Enrol(Vec<u8>, Vec<[u8; 16]>, IpAddr),
    /// Renew, by whoever shows a listed certificate.
    Renew(Vec<u8>, Vec<RenewalProof>, ([u8; 16], Digest)),
    /// Publish what there is, if it is time.
    Publish,
}

/// What the authority answers.
#[derive(Debug)]
pub(super) enum Answer {
    Invited(Vec<Known>),
    Enrolled(Enrolment),
    /// The identity that the service shows from now on, if it has one.
    Published(Option<TlsIdentity>),
}

/// An order and who waits for its answer.
type Job = (Order, Reply);
type Reply = oneshot::Sender<Result<Answer, AuthorityError>>;

/// Takes orders.
#[derive(Debug, Clone)]
pub(super) struct Desk([mpsc::Sender<Job>; 3]);

/// Carries them out.
#[derive(Debug)]
pub(super) struct Worker {
    place: Arc<Place>,
    queues: Queues,
}

/// What waits, counter by counter.
#[derive(Debug)]
struct Queues([mpsc::Receiver<Job>; 3]);

/// Why there is no answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum NoAnswer {
    /// Too much waits.
    Busy,
    /// The service is stopping.
    Stopping,
}

impl Desk {
    pub(super) fn open(place: Arc<Place>) -> (Self, Worker) {
        let (desk, queues) = Self::with_queues();
        (desk, Worker { place, queues })
    }

    fn with_queues() -> (Self, Queues) {
        let channels = Counter::ALL.map(|counter| mpsc::channel(counter.waiting()));
        let senders = channels.each_ref().map(|(sender, _)| sender.clone());
        (Self(senders), Queues(channels.map(|(_, queue)| queue)))
    }

    /// Gives an order at a counter and waits for the answer.
    pub(super) async fn ask(
        &self,
        counter: Counter,
        order: Order,
    ) -> Result<Result<Answer, AuthorityError>, NoAnswer> {
        let (reply, answer) = oneshot::channel();
        self.queue(counter)
            .try_send((order, reply))
            .map_err(|fault| match fault {
                mpsc::error::TrySendError::Full(_) => NoAnswer::Busy,
                mpsc::error::TrySendError::Closed(_) => NoAnswer::Stopping,
            })?;
        answer.await.map_err(|_| NoAnswer::Stopping)
    }

    /// Has the directory published if it is time, however much waits.
    pub(super) async fn publish(&self) -> Result<Result<Answer, AuthorityError>, NoAnswer> {
        let (reply, answer) = oneshot::channel();
        let queued = self.queue(Counter::Listed).send((Order::Publish, reply));
        queued.await.map_err(|_| NoAnswer::Stopping)?;
        answer.await.map_err(|_| NoAnswer::Stopping)
    }

    const fn queue(&self, counter: Counter) -> &mpsc::Sender<Job> {
        let [listed, invited, strangers] = &self.0;
        match counter {
            Counter::Listed => listed,
            Counter::Invited => invited,
            Counter::Strangers => strangers,
        }
    }
}

impl Worker {
    pub(super) async fn run(mut self, shutdown: Shutdown) {
        loop {
            let batch = tokio::select! {
                batch = self.queues.batch() => batch,
                () = shutdown.wait() => return,
            };
            if batch.is_empty() {
                return;
            }
            let place = Arc::clone(&self.place);
            blocking(move || carry_out(&place, batch)).await;
        }
    }
}

impl Queues {
    /// What is done next, together: something of everybody's. Empty once nobody can ask.
    async fn batch(&mut self) -> Vec<Job> {
        let [listed, invited, strangers] = &mut self.0;
        let first = tokio::select! {
            Some(job) = listed.recv() => job,
            Some(job) = invited.recv() => job,
            Some(job) = strangers.recv() => job,
            else => return Vec::new(),
        };
        let mut batch = vec![first];
        for (counter, queue) in Counter::ALL.into_iter().zip(&mut self.0) {
            let more = std::iter::from_fn(|| queue.try_recv().ok());
            batch.extend(more.take(counter.share()));
        }
        batch
    }
}

/// Carries out what came together under one lock and publishes once. Blocks.
fn carry_out(place: &Place, batch: Vec<Job>) {
    let mut authority = match Authority::open_with(&place.dir, &place.keyring) {
        Ok(authority) => authority,
        Err(fault) => return refuse_all(batch.into_iter().map(|(_, reply)| reply), fault),
    };
    let mut answers = Vec::with_capacity(batch.len());
    let mut changes = false;
    for (order, reply) in batch {
        if reply.is_closed() {
            // Who asked has gone while this waited, and asks again.
            continue;
        }
        let answer = one(&mut authority, place, order);
        // What was refused, or waits, publishes nothing.
        changes |= matches!(
            answer,
            Ok(Answer::Enrolled(Enrolment::Answered(_)) | Answer::Published(_))
        );
        answers.push((answer, reply));
    }
    let published = if changes {
        authority
            .publish(PublishOptions::default(), place.now())
            .and_then(|published| Ok((published, authority.directory_bundle()?)))
            .map(Some)
    } else {
        Ok(None)
    };
    drop(authority);
    match published {
        Ok(published) => {
            if let Some((published, directory)) = published {
                if published.is_new {
                    let version = published.version.value();
                    info!(version, entries = published.entries, "directory published");
                }
                for (answer, _) in &mut answers {
                    if let Ok(Answer::Enrolled(Enrolment::Answered(bundle))) = answer {
                        bundle.directory.clone_from(&directory);
                    }
                }
            }
            if let Err(fault) = place.refresh() {
                warn!(%fault, "the published directory cannot be read");
            }
            for (answer, reply) in answers {
                // Shown only now, when the directory that lists it is published.
                if let Ok(Answer::Published(Some(identity))) = &answer {
                    place.identity.replace(identity);
                }
                // Who asked may have gone; the same request again is answered the same.
                let _gone = reply.send(answer);
            }
        }
        Err(fault) => {
            let mut waiting = Vec::new();
            for (answer, reply) in answers {
                match answer {
                    Ok(Answer::Enrolled(_) | Answer::Published(_)) => waiting.push(reply),
                    answer => drop(reply.send(answer)),
                }
            }
            refuse_all(waiting.into_iter(), fault);
        }
    }
}

fn one(authority: &mut Authority, place: &Place, order: Order) -> Result<Answer, AuthorityError> {
    let now = place.now();
    let answered = |bundle: Bundle| Answer::Enrolled(Enrolment::Answered(Box::new(bundle)));
    match order {
        Order::Invited(secrets) => authority.invited(&secrets, now).map(Answer::Invited),
        Order::Enrol(request, secrets, from) => {
            let enrolled = authority.enrol_from(&request, &secrets, Some(from), now)?;
            match &enrolled {
                Enrolment::Answered(bundle) => info!(party = %bundle.for_id, "enrolled"),
                Enrolment::Waiting(reference) => {
                    info!(
                        reference,
                        waiting = authority.waiting(),
                        "a request waits for an operator"
                    );
                }
            }
            Ok(Answer::Enrolled(enrolled))
        }
        Order::Renew(request, proofs, peer) => {
            let bundle = authority.renew(&request, &proofs, peer, now)?;
            info!(party = %bundle.for_id, "keys renewed");
            Ok(answered(bundle))
        }
        Order::Publish => {
            match super::identity(authority, &place.address, now) {
                Ok(identity) => Ok(Answer::Published(Some(identity))),
                // Nothing renews its certificate any more; the directory goes on without it.
                Err(AuthorityError::IssuingRevoked { .. }) => Ok(Answer::Published(None)),
                Err(fault) => Err(fault),
            }
        }
    }
}

/// Nothing is published, so nothing that was asked is answered; the same may be asked again.
fn refuse_all(waiting: impl Iterator<Item = Reply>, fault: AuthorityError) {
    warn!(%fault, cause = ?std::error::Error::source(&fault), "no request is answered");
    let mut fault = Some(fault);
    for reply in waiting {
        let told = fault.take().unwrap_or(AuthorityError::NotPublished);
        let _gone = reply.send(Err(told));
    }
}

#[cfg(test)]
mod tests;
