//! Items on their way out: round-robin by agency, in the order of each inbox; inboxes
//! with something urgent have a turn before each turn of another.
//!
//! Before items are read, the stream has credit and the hub's delivery budget has room
//! for them; each item holds its share of the budget until the transport has taken it.

use std::sync::Arc;

use consign_domain::{AgencyId, Sequence};
use consign_proto::v1::{self, collect_reply::Message};
use consign_store::{InboxBudget, InboxItem, ItemBody, ItemPayload, Watcher};
use futures_util::FutureExt as _;
use futures_util::future::select_all;

use super::{End, PATIENCE, Session};
use crate::admit::Refused;
use crate::outgoing::{Held, Outgoing};
use crate::relay::id_bytes;
use crate::urgent::Urgent;

/// Read at once from one inbox. No single item is larger: an inline payload (256 KiB),
/// an envelope (48 KiB) and an acceptance (128 KiB).
const TURN_BYTES: u32 = 448 * 1024;
const TURN_ITEMS: usize = 64;

/// One agency's inbox on this stream.
#[derive(Debug)]
pub(super) struct Lane {
    agency: AgencyId,
    /// The last item sent.
    sent: Option<Sequence>,
    watcher: Watcher,
    /// Nothing was found where the inbox said that there was something: wait for more.
    stalled: bool,
}

impl Lane {
    pub(super) const fn new(agency: AgencyId, sent: Option<Sequence>, watcher: Watcher) -> Self {
        Self {
            agency,
            sent,
            watcher,
            stalled: false,
        }
    }

    fn is_waiting(&mut self) -> bool {
        !self.stalled && self.watcher.last() > self.sent
    }

    /// Whether something urgent waits, behind what lies before it.
    fn is_urgent(&mut self, urgent: &Urgent) -> bool {
        self.is_waiting() && urgent.through(self.agency) > self.sent
    }
}

/// Sends items until the stream ends.
pub(super) async fn deliver(session: &Session, mut lanes: Vec<Lane>) -> End {
    if lanes.is_empty() && session.awaits_proof {
        // The node ends the stream when it has shown what it has.
        return std::future::pending().await;
    }
    loop {
        match round(session, &mut lanes).await {
            Ok(true) => {}
            Ok(false) => wait(session, &mut lanes).await,
            Err(end) => return end,
        }
    }
}

/// One turn for each agency; says whether anything was sent.
async fn round(session: &Session, lanes: &mut Vec<Lane>) -> Result<bool, End> {
    let (relay, mut busy, mut index) = (&session.relay, false, 0);
    // A node that was dropped loses its stream, not its agencies one by one.
    relay.authorise(session.caller).map_err(End::Refused)?;
    let mut pressing = Pressing::default();
    loop {
        busy |= pressing.turns(session, lanes).await?;
        let Some(lane) = lanes.get_mut(index) else {
            break;
        };
        if let Err(refused) = may_go_on(session, lane.agency) {
            session.hold.release(lane.agency);
            session.refuse(None, Some(lane.agency), &refused).await?;
            lanes.remove(index);
            continue;
        }
        if lane.is_waiting() {
            busy |= turn(session, lane).await?;
        }
        index += 1;
    }
    if lanes.is_empty() {
        return Err(End::Closed);
    }
    Ok(busy)
}

/// Lets inboxes with something urgent have a turn before each turn of another.
#[derive(Default)]
struct Pressing {
    /// The news after which nothing urgent was left.
    seen: Option<u64>,
}

impl Pressing {
    /// One turn for each such inbox; nothing is looked at where there is no news.
    async fn turns(&mut self, session: &Session, lanes: &mut [Lane]) -> Result<bool, End> {
        let urgent = session.relay.admission.urgent();
        let news = urgent.news();
        if self.seen == Some(news) {
            return Ok(false);
        }
        let (mut busy, mut left) = (false, false);
        for lane in lanes {
            // An agency that was lost is left to the round, which says so.
            if lane.is_urgent(urgent) && may_go_on(session, lane.agency).is_ok() {
                busy |= turn(session, lane).await?;
                left |= lane.is_urgent(urgent);
            }
        }
        self.seen = (!left).then_some(news);
        Ok(busy)
    }
}

fn may_go_on(session: &Session, agency: AgencyId) -> Result<(), Refused> {
    if !session.hold.has(agency) {
        return Err(Refused::Fenced { agency });
    }
    session.relay.speaks_for(session.caller, agency)
}

/// Waits until an inbox has grown or an agency was taken over.
async fn wait(session: &Session, lanes: &mut [Lane]) {
    let grown = lanes.iter_mut().map(|lane| {
        async {
            // A store that has gone away ends the process; until then nothing grows.
            if lane.watcher.grown().await.is_err() {
                std::future::pending::<()>().await;
            }
            lane.stalled = false;
        }
        .boxed()
    });
    let mut changes = session.relay.directories.changes();
    tokio::select! {
        _ = select_all(grown) => {}
        () = session.hold.taken_over.notified() => {}
        _ = changes.changed() => {}
    }
}

/// A batch of one agency's items; says whether anything was sent or something else is
/// to be looked at first.
async fn turn(session: &Session, lane: &mut Lane) -> Result<bool, End> {
    let ready = async {
        let credit = session.credit.available().await;
        Ok::<_, End>((credit, room(session).await?))
    };
    let (credit, mut room) = tokio::select! {
        ready = ready => ready?,
        () = session.hold.taken_over.notified() => return Ok(true),
    };
    let (agency, after) = (lane.agency, lane.sent);
    let wanted = InboxBudget {
        items: TURN_ITEMS,
        bytes: credit.min(TURN_BYTES as usize),
    };
    let read = session
        .relay
        .reading
        .run(move |store| store.inbox(agency, after, wanted));
    let mut items = read.await.map_err(|error| End::Refused(error.into()))?;
    lane.stalled = items.is_empty();
    let sent = !items.is_empty();
    for item in &mut items {
        strip(item, session.relay.limits.inline_payload);
    }
    // What is not needed is not held while the node is slow.
    let total = items.iter().map(InboxItem::cost).sum();
    let mut held = room.split(total);
    drop(room);
    for item in items {
        // Much may have changed since the last item was taken; the next round tells why.
        if may_go_on(session, agency).is_err() {
            return Ok(true);
        }
        let (sequence, cost) = (item.sequence, item.cost());
        let part = held.as_mut().and_then(|held| held.split(cost));
        session.credit.spend(cost);
        session
            .send(outgoing(agency, lane.sent, item, part))
            .await?;
        lane.sent = Some(sequence);
    }
    Ok(sent)
}

/// Waits for room for one turn: in this stream's share first, so that a slow reader
/// waits without holding what others need.
async fn room(session: &Session) -> Result<Held, End> {
    let closing = |_| End::Drain;
    let share = Arc::clone(&session.share).acquire_many_owned(TURN_BYTES);
    let share = tokio::time::timeout(PATIENCE, share)
        .await
        .map_err(|_| End::Closed)?
        .map_err(closing)?;
    let hub = Arc::clone(&session.relay.delivery)
        .acquire_many_owned(TURN_BYTES)
        .await
        .map_err(closing)?;
    Ok(Held::new(hub, Some(share)))
}

/// Leaves a payload out that is too large for this hub's messages: it is fetched, and
/// costs no credit here.
fn strip(item: &mut InboxItem, limit: u64) {
    if let ItemBody::Envelope(envelope) = &mut item.body
        && let ItemPayload::Inline(bytes) = &envelope.payload
        && bytes.len() as u64 > limit
    {
        envelope.payload = ItemPayload::OnRequest;
    }
}

fn outgoing(
    agency: AgencyId,
    after: Option<Sequence>,
    item: InboxItem,
    held: Option<Held>,
) -> Outgoing<v1::CollectReply> {
    let content = match item.body {
        ItemBody::Envelope(envelope) => v1::item::Content::Envelope(v1::EnvelopeItem {
            envelope: Some(consign_proto::signed_message(&envelope.envelope)),
            acceptance: Some(consign_proto::signed_message(&envelope.acceptance)),
            payload: match envelope.payload {
                ItemPayload::Inline(bytes) => Some(bytes),
                ItemPayload::OnRequest => None,
            },
        }),
        ItemBody::Evidence(evidence) => {
            v1::item::Content::Evidence(consign_proto::signed_message(&evidence))
        }
        ItemBody::Status { statement, text } => v1::item::Content::Status(v1::StatusItem {
            status: Some(consign_proto::signed_message(&statement)),
            text,
        }),
    };
    let item = v1::Item {
        agency: id_bytes(agency),
        sequence: item.sequence.value(),
        content: Some(content),
        after: after.map_or(0, Sequence::value),
    };
    let reply = v1::CollectReply {
        message: Some(Message::Item(item)),
    };
    Outgoing::holding(reply, held)
}
