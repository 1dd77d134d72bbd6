//! Items are stored, durably and many at a time, before anybody is told that they are.

use std::collections::BTreeMap;
use std::convert::Infallible;
use std::sync::Arc;

use consign_domain::{AgencyId, EnvelopeKey, ErrorCode, Sequence};
use consign_proto::v1::{self, collect_request::Message, item::Content};
use consign_proto::{required, sequence, signed};
use tokio::sync::mpsc;
use tracing::warn;

use super::backoff::Backoff;
use super::collect::{Requests, desk_of, id_bytes, say};
use super::connection::Session;
use super::fault::LinkFault;
use super::state::Cause;
use crate::board::ItemKey;
use crate::context::Context;
use crate::inbox::{InboxError, Item, ItemContent, Receipt};
use crate::office::{Desk, Office};

/// Items stored at once.
const BATCH: usize = 64;

/// An item and the credit that it used up.
#[derive(Debug)]
struct Arrived {
    item: Item,
    cost: u64,
}

/// Stores what arrives, until the session ends.
pub(super) async fn store(
    session: &Session,
    mut arrived: mpsc::Receiver<v1::Item>,
    requests: Requests,
) -> Result<Infallible, LinkFault> {
    let mut messages = Vec::with_capacity(BATCH);
    loop {
        if arrived.recv_many(&mut messages, BATCH).await == 0 {
            // The reader has ended, and says why.
            std::future::pending::<()>().await;
        }
        let mut batches: BTreeMap<AgencyId, (Arc<Desk>, Vec<Arrived>)> = BTreeMap::new();
        for message in messages.drain(..) {
            let desk = desk_of(session, &message.agency).ok_or(LinkFault::Protocol {
                rule: "an item is for an agency of this node",
            })?;
            let batch = batches
                .entry(desk.id())
                .or_insert_with(|| (Arc::clone(desk), Vec::new()));
            batch.1.push(read(message)?);
        }
        for (desk, batch) in batches.into_values() {
            store_batch(session, &desk, batch, &requests).await?;
        }
    }
}

/// Stores the items of one agency; waits and tries again as long as that can help.
async fn store_batch(
    session: &Session,
    desk: &Arc<Desk>,
    mut batch: Vec<Arrived>,
    requests: &Requests,
) -> Result<(), LinkFault> {
    let office = &session.office;
    let mut backoff = Backoff::default();
    loop {
        let items: Vec<Item> = batch.iter().map(|arrived| arrived.item.clone()).collect();
        let here = Arc::clone(office);
        let taken = office.at_desk(desk, move |desk, context| {
            take_in(&here, desk, items, context)
        });
        let receipt = taken.await;
        report(desk, &receipt);
        if let Some(through) = receipt.stored {
            acknowledge(desk.id(), through, &mut batch, requests).await?;
        }
        let Some(fault) = receipt.fault else {
            office.link.noted(None);
            return Ok(());
        };
        let pause = backoff.next();
        mend(session, fault).await?;
        tokio::time::sleep(pause).await;
    }
}

/// Stores items and lets the node know of them, in one piece: once they are stored the hub
/// does not offer them again, and a session may end before it learns that they were.
fn take_in(office: &Office, desk: &Desk, items: Vec<Item>, context: &Context<'_>) -> Receipt {
    let (agency, inbox) = (desk.id(), desk.agency.inbox());
    let receipt = inbox.receive(items, context);
    if !receipt.envelopes.is_empty() {
        office.board.fill(agency, &inbox.work());
    }
    for sequence in receipt.superseded.iter().copied() {
        office.board.ask(ItemKey { agency, sequence });
    }
    for id in receipt.tracked.iter().copied() {
        let sender = agency;
        office.followers.tell(EnvelopeKey { sender, id });
    }
    receipt
}

/// Tells the hub what is durable, and gives the credit of it back.
async fn acknowledge(
    agency: AgencyId,
    through: Sequence,
    batch: &mut Vec<Arrived>,
    requests: &Requests,
) -> Result<(), LinkFault> {
    let before = batch.len();
    let mut bytes = 0;
    batch.retain(|arrived| {
        let stored = arrived.item.sequence <= through;
        bytes += if stored { arrived.cost } else { 0 };
        !stored
    });
    if batch.len() == before {
        return Ok(());
    }
    let stored = v1::Stored {
        agency: id_bytes(agency),
        sequence: through.value(),
    };
    say(requests, Message::Stored(stored)).await?;
    say(requests, Message::Credit(v1::Credit { bytes })).await
}

fn report(desk: &Desk, receipt: &Receipt) {
    for (sequence, code) in &receipt.aside {
        warn!(
            agency = %desk.agency.home().code(),
            %sequence,
            %code,
            "item put aside: it cannot be believed; it is kept for whoever looks into it"
        );
    }
}

/// Does what may help against a fault; ends the session where nothing here can.
async fn mend(session: &Session, fault: InboxError) -> Result<(), LinkFault> {
    match &fault {
        InboxError::Gap { .. } | InboxError::Contradiction { .. } => {
            return Err(LinkFault::Inbox(fault));
        }
        InboxError::NotYet {
            code: ErrorCode::DirectoryBehind | ErrorCode::DirectoryExpired,
        } => {
            let mut client = session.client.clone();
            let office = &session.office;
            office.keeper.sync(&mut client, office.now()).await?;
        }
        _ => {}
    }
    warn!(code = %fault.code(), %fault, "items not stored, trying again");
    session.office.link.noted(Some(Cause {
        code: fault.code(),
        text: fault.to_string(),
    }));
    Ok(())
}

/// An item in types, and what it counts against the credit: the bytes of its statements, its
/// payload and its text.
fn read(message: v1::Item) -> Result<Arrived, LinkFault> {
    let after = match message.after {
        0 => None,
        after => Some(sequence(after, "item.after")?),
    };
    let sequence = sequence(message.sequence, "item.sequence")?;
    if after >= Some(sequence) {
        return Err(LinkFault::Protocol {
            rule: "an item comes after the one before it",
        });
    }
    let (content, cost) = match required(message.content, "item.content")? {
        Content::Envelope(item) => {
            let envelope = signed(item.envelope, "item.envelope")?;
            let acceptance = signed(item.acceptance, "item.acceptance")?;
            let payload = item.payload.as_ref().map_or(0, bytes::Bytes::len);
            let cost = envelope.statement.len() + acceptance.statement.len() + payload;
            let content = ItemContent::Envelope {
                envelope,
                acceptance,
                payload: item.payload,
            };
            (content, cost)
        }
        Content::Evidence(evidence) => {
            let evidence = signed(Some(evidence), "item.evidence")?;
            let cost = evidence.statement.len();
            (ItemContent::Evidence { evidence }, cost)
        }
        Content::Status(item) => {
            let status = signed(item.status, "item.status")?;
            let cost = status.statement.len() + item.text.len();
            let text = item.text;
            (ItemContent::Status { status, text }, cost)
        }
    };
    let item = Item {
        sequence,
        after,
        content,
    };
    let cost = cost as u64;
    Ok(Arrived { item, cost })
}

#[cfg(test)]
mod tests {
    use futures_util::FutureExt as _;

    use super::*;
    use crate::testing::{Network, envelope_id, payload_of, place, request};

    #[tokio::test]
    async fn what_is_stored_is_looked_at_even_where_its_session_ends_first() {
        let network = Network::new();
        let sender = network.seat(0);
        let sent = sender.send(
            envelope_id(1),
            request(&["H49.14"]),
            &network.context(&sender),
        );
        drop(sender);
        let office = network.office(1);
        let session = Session::nowhere(&office);
        let mut asked = office.board.on_asked();
        let sequence = place(1);
        let item = network.item(&sent.signed, &payload_of(&sent), sequence);
        let desk = Arc::clone(&office.desks()[0]);
        let (requests, _unheard) = mpsc::channel(1);
        let batch = vec![Arrived { item, cost: 1 }];
        // Begun, and dropped at the first wait, as where a session ends.
        let stored = store_batch(&session, &desk, batch, &requests).now_or_never();
        assert!(stored.is_none());
        asked.rung().await;
        let agency = desk.id();
        let taken = office.board.asked();
        assert_eq!(taken[0].0, ItemKey { agency, sequence });
        assert_eq!(desk.agency.inbox().cursor().unwrap().0, sequence);
    }
}
