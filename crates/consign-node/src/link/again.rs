//! What is sent once more after the hub lost data and its operator decided to go on.
//!
//! The hub tells of the decision in its welcome. For each decision the node submits again
//! every envelope that some recipient has not signed for, and sends again every receipt that
//! it made since: the same bytes, so that a hub which knows them gives its first answer. What
//! was handed over completely needs nothing: both sides have the evidence.
//!
//! The lists are made from the files, and the decision counts as heeded (`resumed.json`) once
//! each of them has been answered; cut short, it begins anew.

use std::collections::{BTreeMap, BTreeSet};
use std::convert::Infallible;
use std::path::Path;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use consign_domain::{AgencyId, EnvelopeId, EnvelopeKey, SignedStatement, Timestamp};
use consign_proto::signed_message;
use consign_proto::v1::{self, collect_request::Message};
use consign_runtime::files;
use serde::{Deserialize, Serialize};
use tracing::{info, warn};

use super::collect::{Requests, say};
use super::connection::Session;
use super::fault::LinkFault;
use super::schedule::Rank;
use super::sleep_until;
use crate::durable;
use crate::error::NodeError;
use crate::office::{Bell, Office, blocking, lock};

/// Clocks differ, and a backup takes a while.
const MARGIN: u64 = 24 * 3600;
/// Receipts that are unanswered at one time.
const IN_FLIGHT: usize = 32;
/// How soon a receipt goes again that the hub put off.
const LATER: Duration = Duration::from_secs(30);
const FILE: &str = "resumed.json";
const MAX_FILE: usize = 4096;

type SentKey = (AgencyId, EnvelopeId);

/// What is still to be sent again.
#[derive(Debug, Default)]
pub(crate) struct Again {
    work: Mutex<Work>,
    answered: Bell,
}

#[derive(Debug, Default)]
struct Work {
    /// The decision that is being heeded.
    decision: Option<u64>,
    envelopes: BTreeMap<SentKey, Rank>,
    receipts: BTreeSet<(AgencyId, EnvelopeKey)>,
    /// Those of them that the hub put off.
    put_off: BTreeSet<(AgencyId, EnvelopeKey)>,
}

#[derive(Debug, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Heeded {
    decision: u64,
}

impl Again {
    /// The envelopes to be submitted again.
    pub(crate) fn envelopes(&self) -> Vec<(SentKey, Rank)> {
        let work = lock(&self.work);
        work.envelopes
            .iter()
            .map(|(key, rank)| (*key, *rank))
            .collect()
    }

    /// An envelope was answered, or needs no answer any more.
    pub(crate) fn submitted(&self, key: SentKey) -> bool {
        let known = lock(&self.work).envelopes.remove(&key).is_some();
        if known {
            self.answered.ring();
        }
        known
    }

    /// A receipt was answered; tells whether it was one of those that were sent again.
    pub(crate) fn receipted(&self, agency: AgencyId, key: EnvelopeKey) -> bool {
        let known = lock(&self.work).receipts.remove(&(agency, key));
        if known {
            self.answered.ring();
        }
        known
    }

    /// The hub put a receipt off; tells whether it was one of those that were sent again.
    pub(crate) fn put_off(&self, agency: AgencyId, key: EnvelopeKey) -> bool {
        let mut work = lock(&self.work);
        let known = work.receipts.contains(&(agency, key));
        if known {
            work.put_off.insert((agency, key));
        }
        drop(work);
        if known {
            self.answered.ring();
        }
        known
    }

    fn is_done(&self) -> bool {
        let work = lock(&self.work);
        work.envelopes.is_empty() && work.receipts.is_empty()
    }
}

/// Takes notice of the last decision of the hub's operator.
pub(super) async fn take_notice(
    office: &Arc<Office>,
    resumed: Option<v1::Resumed>,
) -> Result<(), NodeError> {
    let Some(resumed) = resumed else {
        return Ok(());
    };
    let decision = resumed.decision;
    if lock(&office.again.work).decision == Some(decision) {
        return Ok(());
    }
    let path = office.directory.root().join(FILE);
    if blocking(move || heeded(&path)).await? >= decision {
        return Ok(());
    }
    let since = Timestamp::from_unix_saturating(resumed.lost_after.saturating_sub(MARGIN));
    let mut work = Work {
        decision: Some(decision),
        ..Work::default()
    };
    for desk in office.desks() {
        let id = desk.id();
        let (sent, received) = office
            .at_desk(desk, move |desk, _| {
                let sent = desk.agency.outbox().unsettled();
                (sent, desk.agency.inbox().receipts_since(since))
            })
            .await;
        let received = received?;
        let sent = sent
            .into_iter()
            .map(|it| ((id, it.id), Rank::new(it.urgency, it.since)));
        work.envelopes.extend(sent);
        work.receipts
            .extend(received.into_iter().map(|key| (id, key)));
    }
    warn!(
        decision, lost_after = %since,
        envelopes = work.envelopes.len(), receipts = work.receipts.len(),
        "the hub lost data and goes on without them: sending again what it may not know"
    );
    *lock(&office.again.work) = work;
    office.sending.ring();
    Ok(())
}

/// Sends receipts again, few at a time, and notes when all that was to be sent is answered.
pub(super) async fn send(session: &Session, requests: Requests) -> Result<Infallible, LinkFault> {
    let office = &session.office;
    let mut answered = office.again.answered.listen();
    let mut sent: BTreeSet<(AgencyId, EnvelopeKey)> = BTreeSet::new();
    let mut later: BTreeMap<(AgencyId, EnvelopeKey), Instant> = BTreeMap::new();
    loop {
        let now = office.clock.monotonic();
        later.retain(|_, at| *at > now);
        let next: Vec<_> = {
            let mut work = lock(&office.again.work);
            for one in std::mem::take(&mut work.put_off) {
                sent.remove(&one);
                later.insert(one, now + LATER);
            }
            sent.retain(|one| work.receipts.contains(one));
            let free = IN_FLIGHT.saturating_sub(sent.len());
            let waits = |one: &&_| !sent.contains(*one) && !later.contains_key(*one);
            let waiting = work.receipts.iter().filter(waits);
            waiting.take(free).copied().collect()
        };
        for (agency, key) in next {
            match receipt(session, agency, key).await {
                Ok(Some(receipt)) => {
                    sent.insert((agency, key));
                    say(&requests, Message::Receipt(signed_message(&receipt))).await?;
                }
                Ok(None) => drop(office.again.receipted(agency, key)),
                Err(fault) => {
                    warn!(envelope = %key, %fault, "a receipt is not sent again yet");
                    later.insert((agency, key), now + LATER);
                }
            }
        }
        if office.again.is_done() {
            conclude(office).await;
        }
        tokio::select! {
            () = answered.rung() => {}
            () = sleep_until(later.values().min().copied()) => {}
        }
    }
}

/// A receipt that was made; `None` where there is none any more, or the session does not
/// serve its agency.
async fn receipt(
    session: &Session,
    agency: AgencyId,
    key: EnvelopeKey,
) -> Result<Option<SignedStatement>, NodeError> {
    let Some(desk) = session.desks.iter().find(|desk| desk.id() == agency) else {
        return Ok(None);
    };
    let read = session
        .office
        .at_desk(desk, move |desk, _| match desk.agency.inbox().folder(key) {
            Err(NodeError::UnknownEnvelope) => Ok(None),
            folder => folder?.signed(crate::folder::RECEIPT),
        });
    read.await
}

/// Notes that a decision was heeded.
async fn conclude(office: &Arc<Office>) {
    let Some(decision) = lock(&office.again.work).decision else {
        return;
    };
    let path = office.directory.root().join(FILE);
    let noted = blocking(move || -> Result<bool, NodeError> {
        if heeded(&path)? >= decision {
            return Ok(false);
        }
        let bytes = serde_json::to_vec(&Heeded { decision })
            .map_err(|source| NodeError::damaged(&path, source))?;
        durable::publish(&path, &bytes)?;
        Ok(true)
    });
    match noted.await {
        Ok(true) => info!(decision, "the hub has all that it may have lost"),
        Ok(false) => {}
        Err(fault) => warn!(%fault, "it could not be noted that all was sent again"),
    }
}

fn heeded(path: &Path) -> Result<u64, NodeError> {
    match files::read_bounded(path, MAX_FILE) {
        Ok(bytes) => {
            let heeded: Result<Heeded, _> = serde_json::from_slice(&bytes);
            let heeded = heeded.map_err(|source| NodeError::damaged(path, source))?;
            Ok(heeded.decision)
        }
        Err(fault) if fault.is_not_found() => Ok(0),
        Err(fault) => Err(fault.into()),
    }
}
