//! Receipts: ContentHandover (EN 319 522-1 §6.2.4, event D.1), signed by the recipient.
//!
//! A receipt is stored before the wrap is released. The same receipt again releases the
//! wrap again.

use std::sync::Arc;

use consign_domain::delivery::DeliveryState;
use consign_domain::directory::Role;
use consign_domain::statement::{Envelope, Event, Evidence, Statement};
use consign_domain::{AgencyId, EnvelopeKey, SignedStatement};
use consign_store::{Receipt, SettledBy, StoreError, StoredEnvelope};
use consign_verify::{Directory, Verified, verify_statement};
use tracing::debug;

use super::{Admission, Refused, may_say_new, not_ahead, not_newer};
use crate::caller::Caller;

/// A delivery whose receipt is durable: the wrap may go.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Settlement {
    /// The envelope.
    pub(crate) key: EnvelopeKey,
    /// Who signed for it.
    pub(crate) recipient: AgencyId,
    /// Its place in `to`, and so its wrap's.
    pub(crate) index: usize,
}

/// A receipt that fits its envelope.
#[derive(Debug)]
struct Judged {
    receipt: Receipt,
    settlement: Settlement,
    /// Whether it may be the first one. One that was stored byte for byte before
    /// releases its wrap again either way.
    anew: Result<(), Refused>,
}

impl Admission {
    /// Settles a delivery by its recipient's receipt, durably.
    pub(crate) async fn receipt(
        self: &Arc<Self>,
        caller: Caller,
        signed: SignedStatement,
    ) -> Result<Settlement, Refused> {
        let Judged {
            receipt,
            settlement,
            anew,
        } = self
            .check(move |this| this.judge_receipt(caller, signed))
            .await?;
        let said = receipt.statement.clone();
        let settled = self.stored(self.store.settle(receipt).await)?;
        if settled.by != SettledBy::Receipt {
            return Err(StoreError::AlreadySettled.into());
        }
        if settled.statement != said {
            anew?;
        }
        debug!(
            envelope_id = %settlement.key.id,
            agency = %settlement.recipient,
            repeated = settled.repeated,
            "handed over"
        );
        Ok(settlement)
    }

    fn judge_receipt(&self, caller: Caller, signed: SignedStatement) -> Result<Judged, Refused> {
        let (directory, now) = (self.directories.current(), self.now());
        let evidence = verify_statement::<Evidence>(&signed, &[Role::Agency], &directory)?;
        if evidence.event != Event::ContentHandover {
            return Err(Refused::Role {
                rule: "an agency signs no other event than ContentHandover",
            });
        }
        let recipient = evidence.signer.id.as_agency();
        not_newer(&evidence.signer, &directory)?;
        caller.speaks_for(recipient, &directory, now)?;
        not_ahead(evidence.time, now)?;
        let key = evidence.envelope.key();
        let stored = self.store.envelope(key)?.ok_or(Refused::EnvelopeUnknown)?;
        if evidence.hub != self.signer.hub {
            return Err(Refused::Receipt {
                rule: "it is for another hub",
            });
        }
        let index = fit(&evidence, recipient, &stored)?;
        let delivery = stored.deliveries.get(index).ok_or(Refused::NotARecipient)?;
        let anew = match (self.may_settle(&evidence, &directory), delivery.state) {
            (Err(refused), state) if state != DeliveryState::HandedOver => return Err(refused),
            (anew, _) => anew,
        };
        let receipt = Receipt {
            key,
            recipient,
            sequence: delivery.sequence,
            envelope: stored.digest,
            statement: signed,
        };
        let settlement = Settlement {
            key,
            recipient,
            index,
        };
        Ok(Judged {
            receipt,
            settlement,
            anew,
        })
    }

    /// Whether a receipt may settle what is not settled yet.
    fn may_settle(
        &self,
        evidence: &Verified<Evidence>,
        directory: &Directory,
    ) -> Result<(), Refused> {
        may_say_new(&evidence.signer, evidence.time, directory)?;
        if self.behind.is_raised() {
            return Err(Refused::HubBehind);
        }
        Ok(())
    }
}

/// Holds a receipt against the envelope it names; gives the recipient's place in `to`.
fn fit(
    evidence: &Verified<Evidence>,
    recipient: AgencyId,
    stored: &StoredEnvelope,
) -> Result<usize, Refused> {
    let rule = |holds: bool, rule| {
        if holds {
            Ok(())
        } else {
            Err(Refused::Receipt { rule })
        }
    };
    let (index, delivery) = stored
        .deliveries
        .iter()
        .enumerate()
        .find(|(_, delivery)| delivery.agency == recipient)
        .ok_or(Refused::NotARecipient)?;
    rule(
        evidence.envelope.sha256 == stored.digest,
        "the envelope's digest differs",
    )?;
    let placed = evidence.recipient().is_some_and(|placement| {
        placement.id == recipient
            && placement.code == delivery.code
            && placement.sequence == delivery.sequence
    });
    rule(placed, "the placement differs from the acceptance's")?;
    // It was believed when it was accepted.
    let envelope = Envelope::parse(&stored.envelope.statement)
        .map_err(|_| Refused::Store(StoreError::Index))?;
    rule(
        evidence.content == Some(envelope.content),
        "the commitment to the container differs",
    )?;
    let sender = envelope.signer.code.agency();
    rule(
        sender == Some(&evidence.envelope.sender.code),
        "the sender's code differs",
    )?;
    Ok(index)
}
