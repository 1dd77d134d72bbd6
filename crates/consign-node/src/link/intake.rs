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
use crate::inbox::{InboxError, Item, ItemContent, Receipt};
use crate::office::Desk;

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
        let stored = office.at_desk(desk, move |desk, context| {
            let inbox = desk.agency.inbox();
            let receipt = inbox.receive(items, context);
            let work = if receipt.envelopes.is_empty() {
                Vec::new()
            } else {
                inbox.work()
            };
            (receipt, work)
        });
        let (receipt, work) = stored.await;
        report(desk, &receipt);
        if let Some(through) = receipt.stored {
            acknowledge(desk.id(), through, &mut batch, requests).await?;
        }
        office.board.fill(desk.id(), &work);
        for sequence in receipt.superseded {
            let agency = desk.id();
            office.board.ask(ItemKey { agency, sequence });
        }
        for id in receipt.tracked {
            let sender = desk.id();
            office.followers.tell(EnvelopeKey { sender, id });
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
            session.office.keeper.sync(&mut client).await?;
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
    let sequence = sequence(message.sequence, "item.sequence")?;
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
    let item = Item { sequence, content };
    let cost = cost as u64;
    Ok(Arrived { item, cost })
}
