//! Receipts: ContentHandover (EN 319 522-1 §6.2.4, event D.1), signed by the recipient.
//!
//! A receipt is stored before the wrap is released. The same receipt again releases the
//! wrap again. All that is needed is looked up in one go, before the store is asked: what
//! is to be released waits here until the receipt is durable.

use std::sync::Arc;

use consign_domain::delivery::DeliveryState;
use consign_domain::directory::Role;
use consign_domain::statement::{Envelope, Event, Evidence, Statement};
use consign_domain::{AgencyId, Digest, EnvelopeKey, SignedStatement};
use consign_log::Tree;
use consign_proto::v1;
use consign_store::{DeliveryPlace, Outcome, Receipt, Reply, Settled, SettledBy, StoreError};
use consign_verify::{Directory, Verified, verify_statement};
use tracing::debug;

use super::{Admission, Class, Refused, may_say_new, not_ahead, not_newer};
use crate::caller::Caller;
use crate::fences::Holder;
use crate::release::Exchange;

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
    reply: Reply<Settled>,
    said: SignedStatement,
    settlement: Settlement,
    /// What is released once the receipt is durable.
    release: v1::Release,
    /// Whether it may be the first one. One that was stored byte for byte before
    /// releases its wrap again either way.
    anew: Result<(), Refused>,
}

impl Admission {
    /// Settles a delivery by its recipient's receipt, durably, and gives the wrap.
    /// `holder` is the stream that must still serve the recipient.
    pub(crate) async fn receipt(
        self: &Arc<Self>,
        caller: Caller,
        signed: SignedStatement,
        holder: Option<Holder>,
    ) -> Result<(Settlement, v1::Release), Refused> {
        let judged = self.turn(Class::Receipt, caller, move |this| {
            this.judge_receipt(caller, signed, holder.as_ref())
        });
        let judged = judged.await?;
        let (settlement, settled) = (judged.settlement, self.stored(judged.reply.await)?);
        if settled.by != SettledBy::Receipt {
            return Err(StoreError::AlreadySettled.into());
        }
        if !settled.repeated {
            self.quotas.settled(settlement.key.sender);
        }
        if settled.statement != judged.said {
            judged.anew?;
        }
        debug!(
            envelope_id = %settlement.key.id,
            agency = %settlement.recipient,
            repeated = settled.repeated,
            "handed over"
        );
        Ok((settlement, judged.release))
    }

    fn judge_receipt(
        &self,
        caller: Caller,
        signed: SignedStatement,
        holder: Option<&Holder>,
    ) -> Result<Judged, Refused> {
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
        if holder.is_some_and(|holder| !holder.has(recipient)) {
            return Err(Refused::Fenced { agency: recipient });
        }
        not_ahead(evidence.time, now)?;
        let key = evidence.envelope.key();
        let place = self.place(key, recipient)?;
        if evidence.hub != self.signer.hub {
            return Err(Refused::Receipt {
                rule: "it is for another hub",
            });
        }
        let exchange = self.exchange(key, place.envelope)?;
        fit(&evidence, recipient, &place, &exchange.envelope)?;
        let anew = match (self.may_settle(&evidence, &directory), place.state) {
            (Err(refused), state) if state != DeliveryState::HandedOver => return Err(refused),
            (anew, _) => anew,
        };
        let settlement = Settlement {
            key,
            recipient,
            index: place.index,
        };
        let release = exchange
            .release(settlement)
            .ok_or(StoreError::WrapsMismatch)?;
        let said = signed.clone();
        let reply = self.store.settle(Receipt {
            key,
            recipient,
            sequence: place.sequence,
            envelope: place.envelope,
            statement: signed,
        });
        Ok(Judged {
            reply,
            said,
            settlement,
            release,
            anew,
        })
    }

    /// Where a delivery lies.
    pub(super) fn place(
        &self,
        key: EnvelopeKey,
        recipient: AgencyId,
    ) -> Result<DeliveryPlace, Refused> {
        if let Some(place) = self.store.delivery_of(key, recipient)? {
            return Ok(place);
        }
        let answer = self.store.answer(key)?;
        match answer.map(|answer| answer.outcome) {
            Some(Outcome::Accepted) => Err(Refused::NotARecipient),
            _ => Err(Refused::EnvelopeUnknown),
        }
    }

    /// An accepted envelope with its wraps: as it was kept, or read again.
    fn exchange(&self, key: EnvelopeKey, digest: Digest) -> Result<Arc<Exchange>, Refused> {
        if let Some(exchange) = self.exchanges.find(key, digest) {
            return Ok(exchange);
        }
        let stored = self.store.envelope(key)?.ok_or(Refused::EnvelopeUnknown)?;
        let wraps = self.store.wraps(key)?.ok_or(Refused::EnvelopeUnknown)?;
        // It was believed when it was accepted.
        let envelope = Envelope::parse(&stored.envelope.statement)
            .map_err(|_| Refused::Store(StoreError::Index))?;
        let tree = Tree::from_leaves(&wraps);
        let exchange = Arc::new(Exchange::new(envelope, &wraps, tree));
        self.exchanges.keep(digest, Arc::clone(&exchange));
        Ok(exchange)
    }

    /// Whether a receipt may settle what is not settled yet.
    fn may_settle(
        &self,
        evidence: &Verified<Evidence>,
        directory: &Directory,
    ) -> Result<(), Refused> {
        may_say_new(&evidence.signer, directory)?;
        if self.behind.is_raised() {
            return Err(Refused::HubBehind);
        }
        Ok(())
    }
}

/// Holds a receipt against the envelope it names and the place it has.
fn fit(
    evidence: &Verified<Evidence>,
    recipient: AgencyId,
    place: &DeliveryPlace,
    envelope: &Envelope,
) -> Result<(), Refused> {
    let rule = |holds: bool, rule| {
        if holds {
            Ok(())
        } else {
            Err(Refused::Receipt { rule })
        }
    };
    rule(
        evidence.envelope.sha256 == place.envelope,
        "the envelope's digest differs",
    )?;
    let code = envelope.to.as_slice().get(place.index);
    let placed = evidence.recipient().is_some_and(|placement| {
        placement.id == recipient
            && Some(&placement.code) == code
            && placement.sequence == place.sequence
    });
    rule(placed, "the placement differs from the acceptance's")?;
    rule(
        evidence.content == Some(envelope.content),
        "the commitment to the container differs",
    )?;
    let sender = envelope.signer.code.agency();
    rule(
        sender == Some(&evidence.envelope.sender.code),
        "the sender's code differs",
    )
}
