//! Receipts: ContentHandover (EN 319 522-1 §6.2.4, event D.1), signed by the recipient.
//!
//! A receipt is stored before the wrap is released. The same receipt again releases the
//! wrap again.

use std::sync::Arc;

use consign_domain::directory::Role;
use consign_domain::statement::{Envelope, Event, Evidence, Statement};
use consign_domain::{AgencyId, EnvelopeKey, SignedStatement};
use consign_store::{Receipt, SettledBy, StoreError, StoredEnvelope};
use consign_verify::{Verified, verify_statement};
use tracing::debug;

use super::{Admission, Refused, not_ahead};
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

impl Admission {
    /// Settles a delivery by its recipient's receipt, durably.
    pub(crate) async fn receipt(
        self: &Arc<Self>,
        caller: Caller,
        signed: SignedStatement,
    ) -> Result<Settlement, Refused> {
        let (receipt, settlement) = self
            .check(move |this| this.judge_receipt(caller, signed))
            .await?;
        let settled = self.stored(self.store.settle(receipt).await)?;
        if settled.by != SettledBy::Receipt {
            return Err(StoreError::AlreadySettled.into());
        }
        debug!(
            envelope_id = %settlement.key.id,
            agency = %settlement.recipient,
            repeated = settled.repeated,
            "handed over"
        );
        Ok(settlement)
    }

    fn judge_receipt(
        &self,
        caller: Caller,
        signed: SignedStatement,
    ) -> Result<(Receipt, Settlement), Refused> {
        let (directory, now) = (self.directories.current(), self.now());
        let evidence = verify_statement::<Evidence>(&signed, &[Role::Agency], &directory)?;
        if evidence.event != Event::ContentHandover {
            return Err(Refused::Role {
                rule: "an agency signs no other event than ContentHandover",
            });
        }
        let recipient = evidence.signer.id.as_agency();
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
        let receipt = Receipt {
            key,
            recipient,
            sequence: stored
                .deliveries
                .get(index)
                .map(|delivery| delivery.sequence)
                .ok_or(Refused::NotARecipient)?,
            envelope: stored.digest,
            statement: signed,
        };
        let settlement = Settlement {
            key,
            recipient,
            index,
        };
        Ok((receipt, settlement))
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
