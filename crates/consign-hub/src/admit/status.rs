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
use consign_domain::{AgencyId, Sequence, SignedStatement};
use consign_proto::v1;
use consign_store::{StatusPost, StoredEnvelope};
use consign_verify::{Verified, verify_statement};

use super::{Admission, Refused, may_say_new, name_in_span, not_ahead, not_newer};
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
        let post = self
            .check(move |this| this.judge_status(caller, signed, text))
            .await?;
        Ok(self.stored(self.store.post(post).await)?.sequence)
    }

    fn judge_status(
        &self,
        caller: Caller,
        signed: SignedStatement,
        text: Bytes,
    ) -> Result<StatusPost, Refused> {
        if self.behind.is_raised() {
            return Err(Refused::HubBehind);
        }
        let (directory, now) = (self.directories.current(), self.now());
        let status = verify_statement::<Status>(&signed, &[Role::Agency], &directory)?;
        let signer = status.signer.id.as_agency();
        name_in_span(status.envelope.key(), signer);
        not_newer(&status.signer, &directory)?;
        caller.speaks_for(signer, &directory, now)?;
        may_say_new(&status.signer, status.time, &directory)?;
        self.may_decide(&directory, now)?;
        not_ahead(status.time, now)?;
        if status.text.is_some() == text.is_empty() {
            return Err(Refused::Status {
                rule: "a status carries a text exactly if it names the text's digest",
            });
        }
        let key = status.envelope.key();
        let stored = self
            .store
            .envelope(key)?
            .filter(|stored| stored.digest == status.envelope.sha256)
            .ok_or(Refused::EnvelopeUnknown)?;
        let addressee = addressee(&status, signer, &stored)?;
        Ok(StatusPost {
            key,
            addressee,
            statement: signed,
            text,
        })
    }
}

/// Whom a status goes to, if its signer may say it of this envelope.
fn addressee(
    status: &Verified<Status>,
    signer: AgencyId,
    stored: &StoredEnvelope,
) -> Result<AgencyId, Refused> {
    match status.status.said_by() {
        Side::Sender => stored
            .deliveries
            .iter()
            .find(|delivery| delivery.code == status.to)
            .filter(|delivery| delivery.state != DeliveryState::Failed)
            .map(|delivery| delivery.agency)
            .ok_or(Refused::Status {
                rule: "a recall is asked of a recipient to whom the envelope was not lost",
            }),
        Side::Recipient => {
            let delivery = stored
                .deliveries
                .iter()
                .find(|delivery| delivery.agency == signer)
                .ok_or(Refused::NotARecipient)?;
            if delivery.state == DeliveryState::HandedOver {
                Ok(stored.key.sender)
            } else {
                Err(Refused::Status {
                    rule: "a recipient speaks of a document after it has signed for it",
                })
            }
        }
    }
}
