//! From a judged submission to the one answer that its (sender, id) ever gets.

use std::sync::Arc;

use consign_domain::document::Urgency;
use consign_domain::statement::{Evidence, Statement as _, claimed_urgency};
use consign_domain::{EnvelopeKey, SignedStatement};
use consign_log::Tree;
use consign_store::{Accepted, Answer, PayloadIn, Reply, StoreError, Submission};
use tracing::debug;

use super::envelope::{Bad, EnvelopeIn, Good, Judged};
use super::quotas::{Charge, Cost};
use super::rules::{check_payload, check_wraps, seal};
use super::staging::InUse;
use super::{Admission, Class, Refused, Rejection};
use crate::caller::Caller;
use crate::release::Exchange;

/// What a submission comes to before the store has answered.
enum Decision {
    Known(SignedStatement),
    Asked(Asked),
    /// The payload was uploaded, and gets its name before the store is asked.
    Uploaded(Box<Uploaded>),
}

/// A submission with what was uploaded for it.
struct Uploaded {
    submission: Submission,
    payload: InUse,
    charge: Charge,
    urgent: bool,
}

/// The store was asked. What the message costs is used once it answers.
struct Asked {
    key: EnvelopeKey,
    reply: Reply<Accepted>,
    charge: Charge,
    urgent: bool,
    /// Not swept until the store has answered.
    payload: Option<InUse>,
}

impl Admission {
    /// Answers a submission: the hub's signed acceptance or refusal, durable.
    pub(crate) async fn envelope(
        self: &Arc<Self>,
        caller: Caller,
        incoming: EnvelopeIn,
    ) -> Result<SignedStatement, Refused> {
        let class = Class::of(claimed_urgency(&incoming.signed.statement));
        let decision = self.turn(class, caller, move |this| this.decide(caller, incoming));
        let asked = match decision.await? {
            Decision::Known(evidence) => return Ok(evidence),
            Decision::Asked(asked) => asked,
            Decision::Uploaded(uploaded) => {
                self.check(|this| this.accept_uploaded(*uploaded)).await?
            }
        };
        let answered = asked.reply.await;
        drop(asked.payload);
        if matches!(
            answered,
            Ok(_) | Err(StoreError::PayloadMissing | StoreError::IdReused)
        ) {
            self.forget(asked.key).await;
        }
        let accepted = self.stored(answered)?;
        if !accepted.repeated {
            asked.charge.keep();
        }
        if asked.urgent {
            self.note_urgent(&accepted.answer);
        }
        debug!(repeated = accepted.repeated, "answered");
        Ok(accepted.answer.evidence)
    }

    /// Judges a submission and asks the store for its answer.
    fn decide(&self, caller: Caller, incoming: EnvelopeIn) -> Result<Decision, Refused> {
        let good = match self.judge(caller, &incoming.signed)? {
            Judged::Known(answer) => return Ok(Decision::Known(answer.evidence)),
            Judged::Bad(bad) => {
                let key = bad.reference.key();
                let (reply, charge) = self.refuse(*bad)?;
                return Ok(refused(key, reply, charge));
            }
            Judged::Good(good) => good,
        };
        let sender = good.envelope.key().sender;
        let mut charge = self.charge(sender, Cost::of(&good.envelope))?;
        match check_contents(&good, &incoming) {
            Ok(tree) => self.accept(*good, incoming, tree, charge),
            Err(rejection) => {
                charge.brings_nothing();
                let refusal = self.signed(Bad {
                    envelope: good.envelope.into_inner(),
                    reference: good.reference,
                    rejection,
                    directory: good.directory,
                    revoked: false,
                });
                let key = refusal.key;
                Ok(refused(key, self.store.refuse(refusal), charge))
            }
        }
    }

    /// Asks the store to take an envelope over, and keeps at hand what its receipts need.
    fn accept(
        &self,
        good: Good,
        incoming: EnvelopeIn,
        tree: Tree,
        charge: Charge,
    ) -> Result<Decision, Refused> {
        let (key, urgency) = (good.envelope.key(), good.envelope.urgency);
        let (digest, expires) = (good.reference.sha256, good.envelope.expires);
        let (payload, uploaded) = match incoming.inline {
            Some(bytes) => (PayloadIn::Inline(bytes), None),
            None => {
                let found = self.staging.find(key, &good.envelope.payload);
                let found = found.ok_or(Refused::PayloadMissing)?;
                (PayloadIn::Staged(found.staged().clone()), Some(found))
            }
        };
        let seal = seal(
            Arc::clone(&self.signer),
            good.reference,
            good.envelope.content,
            good.directory,
        );
        let exchange = Exchange::new(good.envelope.into_inner(), &incoming.wraps, tree);
        self.exchanges.keep(digest, Arc::new(exchange));
        let submission = Submission {
            key,
            envelope: incoming.signed,
            digest,
            recipients: good.recipients,
            urgency,
            expires,
            wraps: incoming.wraps,
            payload,
            seal,
        };
        let urgent = urgency > Urgency::Normal;
        Ok(match uploaded {
            None => Decision::Asked(Asked {
                key,
                reply: self.store.accept(submission),
                charge,
                urgent,
                payload: None,
            }),
            Some(payload) => Decision::Uploaded(Box::new(Uploaded {
                submission,
                payload,
                charge,
                urgent,
            })),
        })
    }

    /// Gives an uploaded payload its name and asks the store to take its envelope over. It
    /// waits for the disk.
    fn accept_uploaded(&self, uploaded: Uploaded) -> Result<Asked, Refused> {
        let key = uploaded.submission.key;
        let placed = self.store.place(uploaded.payload.staged());
        if let Err(StoreError::PayloadMissing) = placed {
            // It was lost behind our back: its place is free for another upload.
            drop(uploaded.payload);
            if let Some(upload) = self.staging.forget(key) {
                self.let_go(&upload);
            }
            return Err(Refused::PayloadMissing);
        }
        placed?;
        Ok(Asked {
            key,
            reply: self.store.accept(uploaded.submission),
            charge: uploaded.charge,
            urgent: uploaded.urgent,
            payload: Some(uploaded.payload),
        })
    }

    /// Lets the inboxes of an urgent envelope come before others.
    fn note_urgent(&self, answer: &Answer) {
        if let Ok(evidence) = Evidence::parse(&answer.evidence.statement) {
            self.urgent.placed(&evidence.placements);
        }
    }
}

/// The store was asked to remember a final refusal.
fn refused(key: EnvelopeKey, reply: Reply<Accepted>, charge: Charge) -> Decision {
    Decision::Asked(Asked {
        key,
        reply,
        charge,
        urgent: false,
        payload: None,
    })
}

/// Holds wraps and payload against the envelope; gives the tree over the wraps.
fn check_contents(good: &Good, incoming: &EnvelopeIn) -> Result<Tree, Rejection> {
    let tree = check_wraps(&good.envelope, &incoming.wraps)?;
    if let Some(bytes) = &incoming.inline {
        check_payload(&good.envelope, bytes)?;
    }
    Ok(tree)
}
