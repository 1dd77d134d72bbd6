//! How a stream begins: who collects for whom, and from where.

use std::collections::HashSet;
use std::sync::Arc;
use std::time::Duration;

use consign_domain::limits::MAX_RECIPIENTS;
use consign_domain::{AgencyId, Digest, Sequence};
use consign_proto::v1::{self, collect_reply, collect_request};
use consign_proto::{Malformed, PROTOCOL};
use consign_store::StoreError;
use tokio::sync::Semaphore;
use tokio_stream::StreamExt as _;
use tonic::Streaming;

use super::deliver::Lane;
use super::{End, SHARE, Sender, Session};
use crate::admit::Refused;
use crate::behind::Ahead;
use crate::caller::Caller;
use crate::flow::Credit;
use crate::reading::View;
use crate::relay::{Relay, agency_id, id_bytes};

/// Most agencies that one stream collects for.
const MAX_AGENCIES: usize = 2_000;
/// How long a node may take to open its stream.
const PATIENCE: Duration = Duration::from_secs(10);

/// How far a node says it has stored an inbox.
#[derive(Debug, Clone, Copy)]
struct Cursor {
    agency: AgencyId,
    /// The last item stored and its digest.
    stored: Option<(Sequence, Digest)>,
}

/// How far the hub holds that inbox.
#[derive(Debug, Clone, Copy)]
struct Held {
    last: Option<Sequence>,
    digest: Option<Digest>,
    /// The node has seen more, or something else.
    behind: bool,
}

/// Takes the first message, greets the node, and takes its agencies over.
pub(super) async fn open(
    relay: Arc<Relay>,
    caller: Caller,
    inbound: &mut Streaming<v1::CollectRequest>,
    out: Sender,
) -> Result<(Session, Vec<Lane>), Refused> {
    let open = tokio::select! {
        open = first(inbound) => open?,
        () = relay.shutdown().wait() => return Err(Refused::Draining),
    };
    if open.protocol != PROTOCOL {
        return Err(Refused::ProtocolVersion {
            found: open.protocol,
        });
    }
    let mut cursors = cursors(&open.agencies)?;
    let mut refusals = Vec::new();
    cursors.retain(|cursor| match relay.speaks_for(caller, cursor.agency) {
        Ok(()) => true,
        Err(refused) => {
            refusals.push((cursor.agency, refused));
            false
        }
    });
    let held = compare(&relay, cursors.clone()).await?;
    let session = Session {
        hold: relay
            .fences
            .take_over(cursors.iter().map(|cursor| cursor.agency).collect()),
        credit: Credit::default(),
        share: Arc::new(Semaphore::new(SHARE)),
        // Before the greeting says which version is in force: what comes later is news.
        news: relay.directories.changes(),
        relay,
        caller,
        out,
        awaits_proof: held.iter().any(|held| held.behind),
    };
    session.credit.grant(open.credit);
    let lanes = lanes(&session, &cursors, &held);
    let greeted = async {
        session.say(welcome(&session, &cursors, &held)).await?;
        for (agency, refused) in &refusals {
            session.refuse(None, Some(*agency), refused).await?;
        }
        for cursor in ahead(&cursors, &held) {
            let refused = Refused::Ahead {
                agency: cursor.agency,
            };
            session.refuse(None, Some(cursor.agency), &refused).await?;
        }
        Ok::<_, End>(())
    };
    greeted.await.map_err(|_| Refused::Draining)?;
    Ok((session, lanes))
}

async fn first(inbound: &mut Streaming<v1::CollectRequest>) -> Result<v1::CollectOpen, Refused> {
    let message = tokio::time::timeout(PATIENCE, inbound.next()).await;
    match message {
        Ok(Some(Ok(v1::CollectRequest {
            message: Some(collect_request::Message::Open(open)),
        }))) => Ok(open),
        _ => Err(Refused::Protocol {
            rule: "a stream begins with its cursors",
        }),
    }
}

fn cursors(agencies: &[v1::Cursor]) -> Result<Vec<Cursor>, Refused> {
    if agencies.is_empty() || agencies.len() > MAX_AGENCIES {
        return Err(Refused::Protocol {
            rule: "a stream collects for 1 to 2000 agencies",
        });
    }
    let mut seen = HashSet::with_capacity(agencies.len());
    agencies
        .iter()
        .map(|cursor| {
            let agency = agency_id(&cursor.agency)?;
            if !seen.insert(agency) {
                let field = "agencies";
                return Err(Malformed { field }.into());
            }
            let stored = match cursor.sequence {
                0 => None,
                value => Some((
                    consign_proto::sequence(value, "sequence")?,
                    consign_proto::digest(&cursor.digest, "digest")?,
                )),
            };
            Ok(Cursor { agency, stored })
        })
        .collect()
}

/// Holds the node's cursors against the inboxes. A node that has seen more than the hub
/// holds, or something else, is noted; what it says counts once it has proven it.
async fn compare(relay: &Arc<Relay>, cursors: Vec<Cursor>) -> Result<Vec<Held>, StoreError> {
    let (behind, now) = (Arc::clone(&relay.behind), relay.now());
    let directory = relay.directories.current();
    let read = move |store: &View<'_>| {
        let mut held = Vec::with_capacity(cursors.len());
        for cursor in &cursors {
            let inbox = compare_one(store, cursor)?;
            if let (true, Some((seen, _))) = (inbox.behind, cursor.stored) {
                let agency = cursor.agency;
                let entry = directory.agency(agency);
                let ahead = Ahead {
                    agency,
                    code: entry.and_then(|entry| entry.code_at(now)).cloned(),
                    seen,
                    last: inbox.last,
                    proven: false,
                };
                behind.note(&ahead, now);
            }
            held.push(inbox);
        }
        Ok(held)
    };
    relay.reading.run(read).await
}

fn compare_one(store: &View<'_>, cursor: &Cursor) -> Result<Held, StoreError> {
    let last = store.inbox_state(cursor.agency)?.last;
    let digest_of = |sequence: Option<Sequence>| match sequence {
        Some(sequence) => store.item_digest(cursor.agency, sequence),
        None => Ok(None),
    };
    let behind = match cursor.stored {
        None => false,
        Some((sequence, _)) if Some(sequence) > last => true,
        // An item that was let go of cannot be compared.
        Some((sequence, digest)) => digest_of(Some(sequence))?.is_some_and(|ours| ours != digest),
    };
    Ok(Held {
        last,
        digest: digest_of(last)?,
        behind,
    })
}

/// The cursors of agencies whose node has seen more than the hub holds.
fn ahead<'a>(cursors: &'a [Cursor], held: &'a [Held]) -> impl Iterator<Item = &'a Cursor> {
    let both = cursors.iter().zip(held);
    both.filter(|(_, held)| held.behind)
        .map(|(cursor, _)| cursor)
}

/// What is delivered: nothing to an agency of which the hub knows less than its node.
fn lanes(session: &Session, cursors: &[Cursor], held: &[Held]) -> Vec<Lane> {
    let lane = |cursor: &Cursor| {
        let after = cursor.stored.map(|(sequence, _)| sequence);
        Lane::new(
            cursor.agency,
            after,
            session.relay.reading.watch(cursor.agency),
        )
    };
    let served = cursors.iter().zip(held).filter(|(_, held)| !held.behind);
    served.map(|(cursor, _)| lane(cursor)).collect()
}

fn welcome(session: &Session, cursors: &[Cursor], held: &[Held]) -> collect_reply::Message {
    let relay = &session.relay;
    let cursor = |(cursor, held): (&Cursor, &Held)| v1::Cursor {
        agency: id_bytes(cursor.agency),
        sequence: held.last.map_or(0, Sequence::value),
        digest: held
            .digest
            .map(|digest| bytes::Bytes::copy_from_slice(digest.as_bytes()))
            .unwrap_or_default(),
    };
    collect_reply::Message::Welcome(v1::CollectWelcome {
        protocol: PROTOCOL,
        hub: bytes::Bytes::copy_from_slice(&relay.signer.hub.to_bytes()),
        clock_ms: relay.clock.now_millis(),
        directory: relay.directories.current().version().value(),
        max_inline_payload: relay.limits.inline_payload,
        max_recipients: u32::try_from(MAX_RECIPIENTS).unwrap_or(u32::MAX),
        agencies: cursors.iter().zip(held).map(cursor).collect(),
        behind: ahead(cursors, held)
            .map(|cursor| id_bytes(cursor.agency))
            .collect(),
        resumed: relay.behind.decision().map(|decision| v1::Resumed {
            decision: decision.number,
            lost_after: decision.lost_after.as_unix(),
        }),
    })
}
