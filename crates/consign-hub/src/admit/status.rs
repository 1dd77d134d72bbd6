//! Business statuses: said by one side of an exchange to the other.
//!
//! The hub sees to it that both sides are real and that the document was handed over
//! where it must have been; whether a status may follow another one is for its
//! addressee to judge, who alone has them all.

use std::sync::Arc;

use bytes::Bytes;
use consign_domain::delivery::DeliveryState;
use consign_domain::directory::Role;
use consign_domain::limits::MAX_STATUS_TEXT;
use consign_domain::statement::{Side, Status};
use consign_domain::{AgencyId, EnvelopeKey, Sequence, SignedStatement};
use consign_proto::v1;
use consign_store::StatusPost;
use consign_verify::{Verified, verify_statement};

use super::quotas::Cost;
use super::{Admission, Class, Refused, may_say_new, name_in_span, not_ahead, not_newer};
use crate::caller::Caller;

impl Admission {
    /// Puts a status into its addressee's inbox, durably; the same bytes once only.
    pub(crate) async fn status(
        self: &Arc<Self>,
        caller: Caller,
        message: v1::StatusSubmission,
    ) -> Result<Sequence, Refused> {
        let signed = consign_proto::signed(message.status, "status")?;
        let text = message.text;
        if text.len() > MAX_STATUS_TEXT {
            return Err(Refused::TooLarge {
                size: text.len() as u64,
                limit: MAX_STATUS_TEXT as u64,
            });
        }
        let (reply, charge) = self
            .turn(Class::Ordinary, caller, move |this| {
                let (signer, post) = this.judge_status(caller, signed, text)?;
                let charge = this.charge(signer, Cost::MESSAGE)?;
                Ok((this.store.post(post), charge))
            })
            .await?;
        let posted = self.stored(reply.await)?;
        if !posted.repeated {
            charge.keep();
        }
        Ok(posted.sequence)
    }

    fn judge_status(
        &self,
        caller: Caller,
        signed: SignedStatement,
        text: Bytes,
    ) -> Result<(AgencyId, StatusPost), Refused> {
        if self.behind.is_raised() {
            return Err(Refused::HubBehind);
        }
        let (directory, now) = (self.directories.current(), self.now());
        let status = verify_statement::<Status>(&signed, &[Role::Agency], &directory)?;
        let signer = status.signer.id.as_agency();
        name_in_span(status.envelope.key(), signer);
        not_newer(&status.signer, &directory)?;
        caller.speaks_for(signer, &directory, now)?;
        may_say_new(&status.signer, &directory)?;
        self.may_decide(&directory, now)?;
        not_ahead(status.time, now)?;
        if status.text.is_some() == text.is_empty() {
            return Err(Refused::Status {
                rule: "a status carries a text exactly if it names the text's digest",
            });
        }
        let key = status.envelope.key();
        let addressee = match status.status.said_by() {
            Side::Sender => self.recalled(&status, key)?,
            Side::Recipient => self.answered(&status, key, signer)?,
        };
        let post = StatusPost {
            key,
            addressee,
            statement: signed,
            text,
        };
        Ok((signer, post))
    }

    /// The recipient of whom a sender asks a document back.
    fn recalled(&self, status: &Verified<Status>, key: EnvelopeKey) -> Result<AgencyId, Refused> {
        let stored = self.store.envelope(key)?;
        stored
            .filter(|stored| stored.digest == status.envelope.sha256)
            .ok_or(Refused::EnvelopeUnknown)?
            .deliveries
            .iter()
            .find(|delivery| delivery.code == status.to)
            .filter(|delivery| delivery.state != DeliveryState::Failed)
            .map(|delivery| delivery.agency)
            .ok_or(Refused::Status {
                rule: "a recall is asked of a recipient to whom the envelope was not lost",
            })
    }

    /// The sender to whom a recipient speaks of a document.
    fn answered(
        &self,
        status: &Verified<Status>,
        key: EnvelopeKey,
        signer: AgencyId,
    ) -> Result<AgencyId, Refused> {
        let place = self.place(key, signer)?;
        if place.envelope != status.envelope.sha256 {
            return Err(Refused::EnvelopeUnknown);
        }
        if place.state == DeliveryState::HandedOver {
            Ok(key.sender)
        } else {
            Err(Refused::Status {
                rule: "a recipient speaks of a document after it has signed for it",
            })
        }
    }
}
