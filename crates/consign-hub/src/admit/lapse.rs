//! ContentHandoverFailure (EN 319 522-1 §6.2.4, event D.2): what no recipient has signed
//! for in time is settled by the hub, with a reason, to its sender.
//!
//! The first of receipt and expiry in the journal is final, so nothing here races with a
//! receipt. What may be wrong is the time: a hub that is behind, has no fresh directory, or
//! is not listed by it, decides nothing.

use std::sync::Arc;

use consign_domain::delivery::DeliveryState;
use consign_domain::statement::{Envelope, Event, Evidence, Placement, Statement as _};
use consign_domain::{DirectoryVersion, EnvelopeKey, ErrorCode, Timestamp};
use consign_store::{Delivery, Expiry, Retention, StoreError, StoredEnvelope, Tidied};
use tracing::{debug, info};

use super::{Admission, Refused};

/// Envelopes that are looked at together; each has at most 1,000 recipients.
const TOGETHER: usize = 16;

impl Admission {
    /// Settles some of what has lapsed; tells how many deliveries that were.
    pub(crate) async fn lapse(self: &Arc<Self>) -> Result<usize, Refused> {
        let lapsed = self.check(|this| this.judge_lapsed()).await?;
        let mut asked = Vec::with_capacity(lapsed.len());
        for expiry in lapsed {
            let named = (expiry.key, expiry.recipient);
            asked.push((named, self.store.expire(expiry)));
        }
        let count = asked.len();
        for ((key, recipient), reply) in asked {
            match reply.await {
                // Its recipient was faster.
                Err(StoreError::AlreadySettled) => {}
                settled => {
                    self.stored(settled)?;
                    self.quotas.settled(key.sender);
                    debug!(envelope_id = %key.id, agency = %recipient, "lapsed");
                }
            }
        }
        Ok(count)
    }

    /// Lets go of what is final and kept long enough. It blocks, and may take long.
    pub(crate) fn tidy(&self, keep: &Retention) -> Result<Tidied, StoreError> {
        let tidied = self.store.tidy(self.now(), keep);
        tidied.inspect_err(|error| self.heed(error))
    }

    /// What the hub says of deliveries that have lapsed.
    fn judge_lapsed(&self) -> Result<Vec<Expiry>, Refused> {
        if self.behind.is_raised() {
            return Ok(Vec::new());
        }
        let (directory, now) = (self.directories.current(), self.now());
        let version = directory.version();
        if !directory.is_fresh(now) {
            return Err(Refused::DirectoryExpired { version });
        }
        self.may_sign(&directory, now)?;
        let mut expiries = Vec::new();
        for key in self.store.due(now, TOGETHER)? {
            let Some(stored) = self.store.envelope(key)? else {
                continue;
            };
            let open = |delivery: &&Delivery| delivery.state == DeliveryState::Consigned;
            for delivery in stored.deliveries.iter().filter(open) {
                expiries.push(self.expiry(key, &stored, delivery, version, now)?);
            }
            info!(envelope_id = %key.id, sender = %key.sender, "an envelope was not collected in time");
        }
        Ok(expiries)
    }

    fn expiry(
        &self,
        key: EnvelopeKey,
        stored: &StoredEnvelope,
        delivery: &Delivery,
        version: DirectoryVersion,
        now: Timestamp,
    ) -> Result<Expiry, Refused> {
        let envelope = Envelope::parse(&stored.envelope.statement).ok();
        let envelope = envelope.ok_or(StoreError::Index)?;
        let reference = envelope.reference(stored.digest).ok_or(StoreError::Index)?;
        let mut evidence = Evidence::new(
            self.signer.network,
            self.signer.signer(version),
            now,
            Event::ContentHandoverFailure,
            self.signer.hub,
            reference,
        );
        evidence.placements = vec![Placement {
            id: delivery.agency,
            code: delivery.code.clone(),
            sequence: delivery.sequence,
        }];
        evidence.reason = Some(ErrorCode::NotCollected);
        evidence.content = Some(envelope.content);
        Ok(Expiry {
            key,
            recipient: delivery.agency,
            statement: self.signer.sign(&evidence),
        })
    }
}
