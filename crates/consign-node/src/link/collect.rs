//! `Collect`: items in, receipts out, wraps released.
//!
//! Four loops share one stream: [`read`] takes what the hub says apart, [`intake`](super::intake)
//! stores items and reports them, [`receipts`] sends signed receipts until they are answered,
//! [`releases`] stores wraps. The byte credit bounds what is under way.

use std::convert::Infallible;
use std::time::Duration;

use bytes::Bytes;
use consign_domain::{AgencyId, ErrorCode, HubId};
use consign_proto::v1::{self, collect_reply, collect_request::Message};
use consign_proto::{PROTOCOL, envelope_key, id16, required};
use tokio::sync::mpsc;
use tokio_stream::wrappers::ReceiverStream;
use tonic::Streaming;
use tracing::{info, warn};

use super::connection::Session;
use super::fault::{LinkFault, PeerFault};
use super::receipts::{self, Declined};
use super::{again, fetch, intake, prove};
use crate::board::ItemKey;
use crate::inbox::{InboxError, ReleasedWrap};
use crate::work::unwind;

/// Messages between the loops and the network.
const WAITING: usize = 64;
/// Wraps that are stored side by side.
const RELEASES: usize = 8;
/// Longest path of hashes in a release: a tree of 2^16 wraps.
const MAX_PATH: usize = 16;

pub(super) type Requests = mpsc::Sender<v1::CollectRequest>;

/// Collects until the session ends.
pub(super) async fn collect(session: &Session) -> Result<Infallible, LinkFault> {
    let (requests, stream) = mpsc::channel(WAITING);
    say(&requests, Message::Open(open(session).await)).await?;
    let mut client = session.client.clone();
    let call = client.collect(ReceiverStream::new(stream)).await?;
    let mut replies = call.into_inner();
    let mut requests = Some(requests);
    welcome(session, &mut requests, &mut replies).await?;
    let requests = requests.ok_or(LinkFault::Closed)?;
    let (items, arrived) = mpsc::channel(WAITING);
    let (wraps, released) = mpsc::channel(WAITING);
    let (declined, unanswered) = mpsc::channel(WAITING);
    let told = Told {
        items,
        wraps,
        declined: declined.clone(),
    };
    tokio::select! {
        ended = read(session, replies, told) => ended,
        ended = intake::store(session, arrived, requests.clone()) => ended,
        ended = receipts::send(session, requests.clone(), unanswered) => ended,
        ended = again::send(session, requests) => ended,
        ended = releases(session, released, declined) => ended,
        ended = fetch::fetch(session) => ended,
    }
}

pub(super) async fn say(requests: &Requests, message: Message) -> Result<(), LinkFault> {
    let request = v1::CollectRequest {
        message: Some(message),
    };
    requests.send(request).await.map_err(|_| LinkFault::Closed)
}

async fn open(session: &Session) -> v1::CollectOpen {
    let office = &session.office;
    let mut agencies = Vec::with_capacity(session.desks.len());
    for desk in &session.desks {
        let cursor = office.at_desk(desk, |desk, _| desk.agency.inbox().cursor());
        let cursor = cursor.await;
        agencies.push(v1::Cursor {
            agency: id_bytes(desk.id()),
            sequence: cursor.map_or(0, |(sequence, _)| sequence.value()),
            digest: cursor
                .map(|(_, digest)| Bytes::copy_from_slice(digest.as_bytes()))
                .unwrap_or_default(),
        });
    }
    v1::CollectOpen {
        protocol: PROTOCOL,
        agencies,
        credit: office.config.limits.collect_bytes,
        directory: office.keeper.newest().version().value(),
    }
}

pub(super) fn id_bytes(agency: AgencyId) -> Bytes {
    Bytes::copy_from_slice(&agency.to_bytes())
}

/// The hub's greeting: its protocol, its identity, its clock, and that it is not behind.
async fn welcome(
    session: &Session,
    requests: &mut Option<Requests>,
    replies: &mut Streaming<v1::CollectReply>,
) -> Result<(), LinkFault> {
    let first = replies.message().await?.and_then(|reply| reply.message);
    let Some(collect_reply::Message::Welcome(welcome)) = first else {
        return Err(LinkFault::Protocol {
            rule: "a stream begins with a welcome",
        });
    };
    if welcome.protocol != PROTOCOL {
        return Err(LinkFault::Protocol {
            rule: "it speaks another version of the protocol",
        });
    }
    if HubId::from_bytes(id16(&welcome.hub, "hub")?).ok() != Some(session.hub) {
        return Err(LinkFault::Protocol {
            rule: "it is another hub than the directory says",
        });
    }
    prove::behind(session, &welcome, requests, replies).await?;
    let office = &session.office;
    let skew = i128::from(welcome.clock_ms) - i128::from(office.clock.now_millis());
    let skew = i64::try_from(skew).unwrap_or(i64::MAX);
    office.link.connected(office.now(), skew);
    info!(hub = %session.hub, skew_ms = skew, agencies = session.desks.len(), "connected");
    let noticed = again::take_notice(office, welcome.resumed).await;
    if let Err(fault) = noticed {
        warn!(%fault, "what the hub may have lost is not sent again");
    }
    let version = welcome.directory;
    newer_directory(session, version).await
}

pub(super) fn desk_of<'a>(
    session: &'a Session,
    agency: &[u8],
) -> Option<&'a std::sync::Arc<crate::office::Desk>> {
    let id = agency
        .try_into()
        .ok()
        .and_then(|id| AgencyId::from_bytes(id).ok())?;
    session.desks.iter().find(|desk| desk.id() == id)
}

async fn newer_directory(session: &Session, version: u64) -> Result<(), LinkFault> {
    if let Ok(version) = consign_domain::DirectoryVersion::new(version) {
        let mut client = session.client.clone();
        let office = &session.office;
        office
            .keeper
            .sync_to(version, &mut client, office.now())
            .await?;
    }
    Ok(())
}

/// Where what the hub says goes.
struct Told {
    items: mpsc::Sender<v1::Item>,
    wraps: mpsc::Sender<v1::Release>,
    declined: mpsc::Sender<Declined>,
}

/// Takes apart what the hub says.
async fn read(
    session: &Session,
    mut replies: Streaming<v1::CollectReply>,
    told: Told,
) -> Result<Infallible, LinkFault> {
    use collect_reply::Message;
    loop {
        let reply = replies.message().await?.ok_or(LinkFault::Closed)?;
        session.office.link.heard(session.office.now());
        // The other loops end only with the session.
        match required(reply.message, "message")? {
            Message::Item(item) => drop(told.items.send(item).await),
            Message::Release(release) => {
                if !is_again(session, &release.recipient, release.envelope.as_ref()) {
                    drop(told.wraps.send(release).await);
                }
            }
            Message::Refusal(refusal) => refused(session, refusal, &told.declined).await?,
            Message::Directory(changed) => newer_directory(session, changed.version).await?,
            Message::Drain(_) => return Err(LinkFault::Drain),
            Message::Welcome(_) => {
                return Err(LinkFault::Protocol {
                    rule: "it welcomes once",
                });
            }
        }
    }
}

/// A receipt was refused: [`receipts`] sees to it. An agency's stream ended: the session ends
/// with it if another node took it over, and goes on for the others if not.
async fn refused(
    session: &Session,
    refusal: v1::Refusal,
    declined: &mpsc::Sender<Declined>,
) -> Result<(), LinkFault> {
    let fault = PeerFault::from(required(refusal.fault, "fault")?);
    let (code, text) = (fault.cause.code, fault.cause.text.clone());
    let desk = desk_of(session, &refusal.agency);
    let agency = desk.map(|desk| tracing::field::display(desk.agency.home().code()));
    if let (Some(desk), Ok(key), true) = (
        desk,
        envelope_key(refusal.envelope.clone(), "envelope"),
        code.is_retryable(),
    ) && session.office.again.put_off(desk.id(), key)
    {
        info!(agency, envelope = %key, %code, text, "the hub does not take a receipt again yet");
        return Ok(());
    }
    if is_again(session, &refusal.agency, refusal.envelope.as_ref()) {
        // What the hub does not know comes again from its sender, and is receipted anew.
        info!(agency, %code, text, "the hub does not take a receipt a second time");
        return Ok(());
    }
    if refusal.envelope.is_some() {
        let key = envelope_key(refusal.envelope, "envelope")?;
        warn!(envelope = %key, agency, %code, text, "the hub did not take a receipt");
        if let Some(desk) = desk
            && let Some(again) = receipts::refused(session, desk, key, fault).await
        {
            // The other loops end only with the session.
            drop(declined.send(again).await);
        }
        return Ok(());
    }
    warn!(agency, %code, text, "the hub does not serve an agency");
    if session.desks.len() > 1 && code != ErrorCode::StreamFenced {
        session.office.link.noted(Some(fault.cause));
        return Ok(());
    }
    Err(LinkFault::Refused { code, text })
}

/// Whether this answers a receipt that was only sent again.
fn is_again(session: &Session, agency: &[u8], envelope: Option<&v1::EnvelopeKey>) -> bool {
    let (Some(desk), Ok(key)) = (
        desk_of(session, agency),
        envelope_key(envelope.cloned(), "envelope"),
    ) else {
        return false;
    };
    session.office.again.receipted(desk.id(), key)
}

/// Stores released wraps; the envelopes are then opened and judged.
async fn releases(
    session: &Session,
    mut released: mpsc::Receiver<v1::Release>,
    declined: mpsc::Sender<Declined>,
) -> Result<Infallible, LinkFault> {
    let mut storing = tokio::task::JoinSet::new();
    loop {
        tokio::select! {
            Some(release) = released.recv(), if storing.len() < RELEASES => {
                let (session, declined) = (session.clone(), declined.clone());
                storing.spawn(async move { store_release(&session, release, &declined).await });
            }
            Some(ended) = storing.join_next() => unwind(ended)?,
        }
    }
}

async fn store_release(
    session: &Session,
    release: v1::Release,
    declined: &mpsc::Sender<Declined>,
) -> Result<(), LinkFault> {
    let Some(desk) = desk_of(session, &release.recipient) else {
        return Err(LinkFault::Protocol {
            rule: "a wrap is released to an agency of this node",
        });
    };
    let released = ReleasedWrap {
        envelope: envelope_key(release.envelope, "release.envelope")?,
        wrap: release.wrap,
        path: path(&release.path)?,
    };
    let key = released.envelope;
    let office = &session.office;
    let here = std::sync::Arc::clone(office);
    // Opened also where the session ends meanwhile.
    let stored = office.at_desk(desk, move |desk, _| {
        let sequence = desk.agency.inbox().store_release(&released)?;
        let agency = desk.id();
        here.board.ask(ItemKey { agency, sequence });
        Ok::<_, InboxError>(())
    });
    match stored.await {
        Ok(()) => {}
        // The receipt goes again, and so does the wrap.
        Err(fault) => {
            let code = fault.code();
            warn!(envelope = %key, %code, %fault, "wrap not stored");
            if let Some(sequence) = desk.agency.inbox().sequence_of(key) {
                let agency = desk.id();
                let item = ItemKey { agency, sequence };
                let again = Declined::new(item, code, Duration::ZERO);
                drop(declined.send(again).await);
            }
        }
    }
    Ok(())
}

fn path(hashes: &[Bytes]) -> Result<Vec<[u8; 32]>, LinkFault> {
    let too_long = LinkFault::Protocol {
        rule: "a path has at most 16 hashes of 32 bytes",
    };
    if hashes.len() > MAX_PATH {
        return Err(too_long);
    }
    let hashes = hashes
        .iter()
        .map(|hash| <[u8; 32]>::try_from(hash.as_ref()));
    hashes.collect::<Result<_, _>>().map_err(|_| too_long)
}
