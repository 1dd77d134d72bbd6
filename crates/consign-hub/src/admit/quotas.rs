//! What one sending agency may ask of the hub: messages, bytes times recipients, and
//! deliveries that are not settled yet.
//!
//! Invariants: a quota is asked before anything is stored, and what was not stored in
//! the end is given back; only agencies of the directory in force have an account, and
//! idle accounts are swept away. The backlog counts what was accepted since the hub
//! started: counting what lies in the store would cost a walk over all of it. What was
//! accepted before lowers the count when it is settled, so the bound is never tighter
//! than it says.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use consign_domain::AgencyId;
use consign_domain::document::Urgency;
use consign_domain::statement::Envelope;
use tracing::warn;

use super::Refused;
use super::bucket::{Bucket, Rate};
use crate::config::Limits;

/// This part of an agency's messages is kept for urgent ones.
const URGENT_PART: f64 = 0.1;
/// A backlog shrinks as recipients sign.
const BACKLOG_WAIT: Duration = Duration::from_secs(30);
/// Refusals that the hub signs and keeps of what an agency's revoked keys signed. It is small,
/// since whoever stole such a key has any number of envelopes to be refused.
const REFUSALS: Rate = Rate {
    per_second: 1.0,
    burst: 60.0,
};
/// How often idle accounts are looked for.
const SWEEP: Duration = Duration::from_secs(60);

/// What a message asks for.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Cost {
    /// Bytes of the payload times recipients.
    traffic: f64,
    /// Deliveries to be settled.
    deliveries: u64,
    urgent: bool,
}

impl Cost {
    /// A message that brings no payload.
    pub(super) const MESSAGE: Self = Self {
        traffic: 0.0,
        deliveries: 0,
        urgent: false,
    };

    /// A refusal of what a revoked key signed.
    pub(super) const REFUSAL: Self = Self {
        // Nothing is kept back for more urgent ones.
        urgent: true,
        ..Self::MESSAGE
    };

    /// An envelope that is good.
    #[expect(
        clippy::cast_precision_loss,
        reason = "the last few bytes of many gigabytes are nobody's concern"
    )]
    pub(super) fn of(envelope: &Envelope) -> Self {
        let deliveries = envelope.to.as_slice().len() as u64;
        Self {
            traffic: envelope.payload.size.saturating_mul(deliveries) as f64,
            deliveries,
            urgent: envelope.urgency > Urgency::Normal,
        }
    }
}

/// The bounds; `None` for no bound.
#[derive(Debug, Clone, Copy)]
struct Bounds {
    messages: Option<Rate>,
    /// What the messages are, to whoever has used them up.
    named: &'static str,
    traffic: Option<Rate>,
    backlog: Option<u64>,
}

impl Bounds {
    #[expect(
        clippy::cast_precision_loss,
        reason = "a quota is not exact to the byte"
    )]
    fn new(limits: &Limits) -> Self {
        let per_minute = limits.sender_messages_per_minute as f64;
        let messages = Rate {
            per_second: per_minute / 60.0,
            burst: (limits.sender_messages_burst as f64).max(1.0),
        };
        let per_hour = limits.sender_bytes_per_hour as f64;
        let traffic = Rate {
            per_second: per_hour / 3_600.0,
            burst: per_hour,
        };
        Self {
            messages: (per_minute > 0.0).then_some(messages),
            named: "number of messages in a minute",
            traffic: (per_hour > 0.0).then_some(traffic),
            backlog: (limits.sender_backlog > 0).then_some(limits.sender_backlog),
        }
    }
}

/// What one agency has used.
#[derive(Debug)]
struct Account {
    messages: Bucket,
    traffic: Bucket,
    backlog: u64,
    /// When it was last logged that a bound is reached.
    logged: Option<Instant>,
}

impl Account {
    fn new(bounds: &Bounds, now: Instant) -> Self {
        let full = |rate: Option<Rate>| Bucket::full(rate.unwrap_or(UNUSED), now);
        Self {
            messages: full(bounds.messages),
            traffic: full(bounds.traffic),
            backlog: 0,
            logged: None,
        }
    }

    /// Logs once in a while that a sender is over a bound, and not each message.
    fn log(&mut self, sender: AgencyId, refused: &Refused, now: Instant) {
        let recent = |at: Instant| now.saturating_duration_since(at) < SWEEP;
        if !self.logged.is_some_and(recent) {
            self.logged = Some(now);
            warn!(agency = %sender, %refused, "a sender is over its quota and told to wait");
        }
    }

    fn fill(&mut self, bounds: &Bounds, now: Instant) {
        if let Some(rate) = bounds.messages {
            self.messages.fill(rate, now);
        }
        if let Some(rate) = bounds.traffic {
            self.traffic.fill(rate, now);
        }
    }

    /// Asks all bounds, those that pass soonest last.
    fn ask(&mut self, bounds: &Bounds, cost: Cost) -> Result<(), Refused> {
        let no = |quota, wait| Refused::SenderQuota { quota, wait };
        if let Some(most) = bounds.backlog
            && self.backlog > 0
            && self.backlog.saturating_add(cost.deliveries) > most
            && cost.deliveries > 0
        {
            return Err(no("number of deliveries not signed for", BACKLOG_WAIT));
        }
        if let Some(rate) = bounds.traffic
            && cost.traffic > 0.0
        {
            let asked = self.traffic.ask(cost.traffic, 0.0, rate);
            asked.map_err(|wait| no("bytes for recipients in an hour", wait))?;
        }
        if let Some(rate) = bounds.messages {
            let urgent_only = (rate.burst * URGENT_PART).floor();
            let reserve = if cost.urgent { 0.0 } else { urgent_only };
            let asked = self.messages.ask(1.0, reserve, rate);
            asked.map_err(|wait| no(bounds.named, wait))?;
        }
        Ok(())
    }

    fn take(&mut self, cost: Cost) {
        self.messages.take(1.0);
        self.traffic.take(cost.traffic);
        self.backlog = self.backlog.saturating_add(cost.deliveries);
    }

    fn give_back(&mut self, bounds: &Bounds, cost: Cost) {
        if let Some(rate) = bounds.messages {
            self.messages.give_back(1.0, rate);
        }
        if let Some(rate) = bounds.traffic {
            self.traffic.give_back(cost.traffic, rate);
        }
        self.backlog = self.backlog.saturating_sub(cost.deliveries);
    }

    fn is_idle(&self, bounds: &Bounds) -> bool {
        self.backlog == 0
            && bounds
                .messages
                .is_none_or(|rate| self.messages.is_full(rate))
            && bounds.traffic.is_none_or(|rate| self.traffic.is_full(rate))
    }
}

/// For a bucket that nobody asks.
const UNUSED: Rate = Rate {
    per_second: 1.0,
    burst: 0.0,
};

#[derive(Debug)]
struct Accounts {
    by_agency: HashMap<AgencyId, Account>,
    swept: Instant,
}

/// The accounts of all senders.
#[derive(Debug)]
pub(super) struct Quotas {
    bounds: Bounds,
    accounts: Mutex<Accounts>,
}

/// What a message has taken; given back when dropped before [`keep`](Charge::keep).
#[derive(Debug)]
pub(super) struct Charge {
    quotas: Arc<Quotas>,
    sender: AgencyId,
    cost: Cost,
    kept: bool,
}

impl Quotas {
    pub(super) fn new(limits: &Limits, now: Instant) -> Self {
        Self::within(Bounds::new(limits), now)
    }

    /// What refusals of revoked keys' envelopes may cost, whatever the other bounds are.
    pub(super) fn of_refusals(now: Instant) -> Self {
        let bounds = Bounds {
            messages: Some(REFUSALS),
            named: "number of refusals for revoked keys in a minute",
            traffic: None,
            backlog: None,
        };
        Self::within(bounds, now)
    }

    fn within(bounds: Bounds, now: Instant) -> Self {
        Self {
            bounds,
            accounts: Mutex::new(Accounts {
                by_agency: HashMap::new(),
                swept: now,
            }),
        }
    }

    /// Takes what a message of a verified sender costs, or says which bound is reached.
    pub(super) fn charge(
        self: &Arc<Self>,
        sender: AgencyId,
        cost: Cost,
        now: Instant,
    ) -> Result<Charge, Refused> {
        let mut accounts = self.accounts();
        self.sweep(&mut accounts, now);
        let account = accounts
            .by_agency
            .entry(sender)
            .or_insert_with(|| Account::new(&self.bounds, now));
        account.fill(&self.bounds, now);
        if let Err(refused) = account.ask(&self.bounds, cost) {
            account.log(sender, &refused, now);
            return Err(refused);
        }
        account.take(cost);
        Ok(Charge {
            quotas: Arc::clone(self),
            sender,
            cost,
            kept: false,
        })
    }

    /// A delivery was settled.
    pub(super) fn settled(&self, sender: AgencyId) {
        if let Some(account) = self.accounts().by_agency.get_mut(&sender) {
            account.backlog = account.backlog.saturating_sub(1);
        }
    }

    fn sweep(&self, accounts: &mut Accounts, now: Instant) {
        if now.saturating_duration_since(accounts.swept) < SWEEP {
            return;
        }
        accounts.swept = now;
        accounts.by_agency.retain(|_, account| {
            account.fill(&self.bounds, now);
            !account.is_idle(&self.bounds)
        });
    }

    fn accounts(&self) -> MutexGuard<'_, Accounts> {
        self.accounts.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Charge {
    /// The message is refused for good: it brings no payload and no deliveries.
    pub(super) fn brings_nothing(&mut self) {
        let unused = Cost {
            urgent: self.cost.urgent,
            ..Cost::MESSAGE
        };
        let unused = std::mem::replace(&mut self.cost, unused);
        if let Some(account) = self.quotas.accounts().by_agency.get_mut(&self.sender) {
            account.give_back(&self.quotas.bounds, unused);
            account.take(Cost::MESSAGE);
        }
    }

    /// The message was stored: what it took is used.
    pub(super) fn keep(mut self) {
        self.kept = true;
    }
}

impl Drop for Charge {
    fn drop(&mut self) {
        if !self.kept
            && let Some(account) = self.quotas.accounts().by_agency.get_mut(&self.sender)
        {
            account.give_back(&self.quotas.bounds, self.cost);
        }
    }
}

#[cfg(test)]
mod tests;
