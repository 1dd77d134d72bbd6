//! What the hub answers, and what becomes of it.

use std::sync::Arc;
use std::time::Duration;

use consign_domain::statement::{Envelope, Event, Evidence};
use consign_domain::{Digest, ErrorCode, SignedStatement};
use consign_proto::v1::{self, submit_reply::Outcome};
use consign_proto::{required, signed};
use consign_verify::Verified;
use tracing::{info, warn};

use super::{Job, SentKey, Settled, Stream, envelope_key, patience};
use crate::board::ItemKey;
use crate::link::check::{CheckFault, Expected};
use crate::link::fault::{LinkFault, PeerFault};
use crate::link::state::Cause;

/// How soon something is tried again whose answer did not verify.
const DOUBTED: Duration = Duration::from_secs(60);

impl Stream<'_> {
    /// Takes an answer in.
    pub(super) async fn answered(&mut self, reply: v1::SubmitReply) -> Result<(), LinkFault> {
        self.office().link.heard(self.office().now());
        let Some(flying) = self.flying.remove(&reply.call) else {
            return Err(LinkFault::Protocol {
                rule: "it answers what was asked, once",
            });
        };
        match (required(reply.outcome, "outcome")?, flying.job, flying.sent) {
            (Outcome::Evidence(evidence), Job::Envelope(key), Some((envelope, digest))) => {
                let evidence = signed(Some(evidence), "evidence")?;
                match self.verify(&evidence, &envelope, digest).await? {
                    Ok(verified) => self.record(key, evidence, verified),
                    Err(fault) => self.doubt(key, &fault),
                }
                Ok(())
            }
            (Outcome::Status(_), Job::Status(key), _) => {
                self.posted(key);
                Ok(())
            }
            (Outcome::Fault(fault), job, _) => {
                self.refused(job, fault.into());
                Ok(())
            }
            _ => Err(LinkFault::Protocol {
                rule: "it answers an envelope with evidence, a status as stored",
            }),
        }
    }

    /// Checks an answer; with a newer directory, if it needs one.
    pub(super) async fn verify(
        &self,
        evidence: &SignedStatement,
        envelope: &Envelope,
        digest: Digest,
    ) -> Result<Result<Verified<Evidence>, CheckFault>, LinkFault> {
        let judge = || {
            let directory = self.office().keeper.newest();
            let expected = Expected {
                hub: self.session.hub,
                directory: &directory,
            };
            expected.answer(evidence, envelope, digest)
        };
        match judge() {
            Err(fault) if fault.needs_directory().is_some() => {
                let mut client = self.session.client.clone();
                let office = self.office();
                office.keeper.sync(&mut client, office.now()).await?;
                Ok(judge())
            }
            judged => Ok(judged),
        }
    }

    pub(super) fn record(
        &mut self,
        key: SentKey,
        signed: SignedStatement,
        evidence: Verified<Evidence>,
    ) {
        let office = Arc::clone(self.office());
        let envelope = envelope_key(key);
        match evidence.event {
            Event::SubmissionAcceptance => info!(%envelope, "accepted by the hub"),
            _ => warn!(%envelope, reason = ?evidence.reason, "refused by the hub, finally"),
        }
        self.settling.spawn(async move {
            let Some(desk) = office.desk(key.0) else {
                return Settled::Envelope(key, Ok(()));
            };
            let here = Arc::clone(&office);
            // Whoever follows it learns of it even where the session ends meanwhile.
            let record = office.at_desk(desk, move |desk, _| {
                let recorded = desk.agency.outbox().record_answer(&signed, &evidence);
                recorded.map(|_| here.hold(envelope, None))
            });
            Settled::Envelope(key, record.await)
        });
    }

    pub(super) fn posted(&mut self, key: ItemKey) {
        let office = Arc::clone(self.office());
        self.settling.spawn(async move {
            let Some(desk) = office.desk(key.agency) else {
                return Settled::Status(key, Ok(()));
            };
            let here = Arc::clone(&office);
            let posted = office.at_desk(desk, move |desk, _| {
                let posted = desk.agency.inbox().status_posted(key.sequence);
                posted.inspect(|()| here.board.ask(key))
            });
            Settled::Status(key, posted.await)
        });
    }

    pub(super) fn settled(&mut self, settled: Settled) {
        match settled {
            Settled::Envelope(key, Ok(())) => {
                self.staged.remove(&key);
                self.office().again.submitted(key);
                self.jobs.done(Job::Envelope(key));
            }
            Settled::Status(key, Ok(())) => {
                self.jobs.done(Job::Status(key));
            }
            Settled::Envelope(key, Err(fault)) => {
                let (code, text) = (fault.code(), fault.to_string());
                self.wait(
                    Job::Envelope(key),
                    Cause { code, text },
                    Duration::from_secs(1),
                );
            }
            Settled::Status(key, Err(fault)) => {
                let (code, text) = (fault.code(), fault.to_string());
                self.wait(
                    Job::Status(key),
                    Cause { code, text },
                    Duration::from_secs(1),
                );
            }
        }
    }

    /// An answer that does not verify is no answer.
    pub(super) fn doubt(&mut self, key: SentKey, fault: &CheckFault) {
        let (code, text) = (
            fault.code(),
            format!("the hub's answer is not believed: {fault}"),
        );
        self.wait(Job::Envelope(key), Cause { code, text }, DOUBTED);
    }

    /// Nothing is decided: shown, and tried again.
    pub(super) fn refused(&mut self, job: Job, fault: PeerFault) {
        if let (Job::Envelope(key), ErrorCode::PayloadMissing) = (job, fault.cause.code) {
            // The hub let go of it, or never had it: upload, and submit again.
            self.staged.remove(&key);
            return self.jobs.again(job);
        }
        let least = patience(&fault);
        self.wait(job, fault.cause, least);
    }
}
