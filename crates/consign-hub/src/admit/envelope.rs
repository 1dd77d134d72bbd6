//! Envelopes: what can be said of one, and how its upload begins; [`super::decision`]
//! goes on to the one answer that its (sender, id) ever gets.
//!
//! Order of the checks: the signature and who calls; the answer given before, which
//! needs no clock, so that a retry gets it even after the expiry; what holds for now
//! only; what is wrong for ever.

use std::collections::HashSet;

use bytes::Bytes;
use consign_domain::directory::{EntryState, Role};
use consign_domain::limits::MAX_INLINE_PAYLOAD;
use consign_domain::statement::{Envelope, EnvelopeRef, Event, Evidence};
use consign_domain::{
    AgencyCode, AgencyId, DirectoryVersion, ErrorCode, SignedStatement, Timestamp,
};
use consign_proto::{Malformed, v1};
use consign_store::{Answer, Refusal};
use consign_verify::{Directory, Verified, verify_statement};
use tracing::info;

use super::rules::check_times;
use super::{Admission, Refused, Rejection, may_say_new, name_in_span, not_ahead, not_newer};
use crate::caller::Caller;

/// An envelope as it came in, of the right form and no more.
#[derive(Debug)]
pub(crate) struct EnvelopeIn {
    pub(super) signed: SignedStatement,
    pub(super) wraps: Vec<Bytes>,
    /// `None`: staged before.
    pub(super) inline: Option<Bytes>,
}

impl EnvelopeIn {
    /// Checks the message's form.
    pub(crate) fn from_message(message: v1::EnvelopeSubmission) -> Result<Self, Refused> {
        use v1::envelope_submission::Payload;

        let signed = consign_proto::signed(message.envelope, "envelope")?;
        let inline = match message.payload {
            Some(Payload::Inline(bytes)) => Some(bytes),
            Some(Payload::Staged(true)) => None,
            _ => return Err(Malformed { field: "payload" }.into()),
        };
        let size = inline.as_ref().map_or(0, Bytes::len) as u64;
        if size > MAX_INLINE_PAYLOAD {
            return Err(Refused::TooLarge {
                size,
                limit: MAX_INLINE_PAYLOAD,
            });
        }
        Ok(Self {
            signed,
            wraps: message.wraps,
            inline,
        })
    }
}

/// An envelope that a node may send now, and whom it goes to.
#[derive(Debug)]
pub(super) struct Good {
    pub(super) envelope: Verified<Envelope>,
    pub(super) reference: EnvelopeRef,
    pub(super) recipients: Vec<(AgencyId, AgencyCode)>,
    pub(super) directory: DirectoryVersion,
}

/// What the envelope alone, without wraps and payload, comes to.
pub(super) enum Judged {
    Known(Answer),
    Good(Box<Good>),
    Rejected(Refusal),
}

impl Admission {
    /// All that can be said of an envelope without its wraps and payload.
    pub(super) fn judge(
        &self,
        caller: Caller,
        signed: &SignedStatement,
    ) -> Result<Judged, Refused> {
        if self.behind.is_raised() {
            return Err(Refused::HubBehind);
        }
        let (directory, now) = (self.directories.current(), self.now());
        let envelope = verify_statement::<Envelope>(signed, &[Role::Agency], &directory)?;
        let key = envelope.key();
        name_in_span(key, key.sender);
        not_newer(&envelope.signer, &directory)?;
        caller.speaks_for(key.sender, &directory, now)?;
        let sha256 = signed.digest();
        if let Some(answer) = self.store.answer(key)? {
            // Nobody waits any longer for what was uploaded under this id.
            if let Some(upload) = self.staging.forget(key) {
                self.let_go(&upload);
            }
            return if answer.envelope == sha256 {
                Ok(Judged::Known(answer))
            } else {
                Err(Refused::IdReused)
            };
        }
        self.is_remembered(&envelope, now)?;
        may_say_new(&envelope.signer, envelope.time, &directory)?;
        self.may_decide(&directory, now)?;
        not_ahead(envelope.time, now)?;
        self.sender_is_active(key.sender, &directory)?;
        let reference = envelope.reference(sha256).ok_or(Refused::Role {
            rule: "an envelope is signed by an agency",
        })?;
        let found =
            check_times(&envelope, now).and_then(|()| self.recipients(&envelope, &directory));
        match found {
            Ok(recipients) => Ok(Judged::Good(Box::new(Good {
                envelope,
                reference,
                recipients,
                directory: directory.version(),
            }))),
            Err(rejection) => Ok(Judged::Rejected(self.reject(
                &envelope,
                reference,
                rejection,
                directory.version(),
            ))),
        }
    }

    /// An envelope so old that its answer may have been let go gets no second one.
    fn is_remembered(&self, envelope: &Envelope, now: Timestamp) -> Result<(), Refused> {
        const MARGIN: u64 = 86_400;
        let end = envelope.expires.plus_seconds(self.record_seconds);
        if now.plus_seconds(MARGIN) >= end && now >= envelope.expires {
            Err(Refused::Forgotten {
                expires: envelope.expires,
            })
        } else {
            Ok(())
        }
    }

    fn sender_is_active(&self, agency: AgencyId, directory: &Directory) -> Result<(), Refused> {
        let sends = directory
            .agency(agency)
            .is_some_and(|entry| entry.state == EntryState::Active && entry.hub == self.signer.hub);
        if sends {
            Ok(())
        } else {
            Err(Refused::SenderNotActive { agency })
        }
    }

    /// All recipients, or all of them that are unknown. A code that an agency had before it was
    /// renamed means that agency: what was sealed under it is delivered.
    fn recipients(
        &self,
        envelope: &Envelope,
        directory: &Directory,
    ) -> Result<Vec<(AgencyId, AgencyCode)>, Rejection> {
        let mut recipients = Vec::with_capacity(envelope.to.as_slice().len());
        let (mut refused, mut placed) = (Vec::new(), HashSet::new());
        for code in envelope.to.as_slice() {
            match directory.addressee(code) {
                // Under two of its codes an agency would have two places for one document.
                Some(agency) if agency.hub == self.signer.hub && placed.insert(agency.id) => {
                    recipients.push((agency.id, code.clone()));
                }
                _ => refused.push(code.clone()),
            }
        }
        if refused.is_empty() {
            Ok(recipients)
        } else {
            Err(Rejection {
                reason: ErrorCode::RecipientUnknown,
                refused,
            })
        }
    }

    /// Signs a final refusal.
    pub(super) fn reject(
        &self,
        envelope: &Envelope,
        reference: EnvelopeRef,
        rejection: Rejection,
        directory: DirectoryVersion,
    ) -> Refusal {
        let (key, digest) = (reference.key(), reference.sha256);
        info!(reason = %rejection.reason, "envelope refused");
        let mut evidence = Evidence::new(
            self.signer.network,
            self.signer.signer(directory),
            self.now(),
            Event::SubmissionRejection,
            self.signer.hub,
            reference,
        );
        evidence.reason = Some(rejection.reason);
        evidence.refused = rejection.refused;
        evidence.content = Some(envelope.content);
        Refusal {
            key,
            digest,
            expires: envelope.expires,
            evidence: self.signer.sign(&evidence),
        }
    }
}
