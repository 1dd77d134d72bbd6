//! Senders: each hands in one document after the other and holds on until it is promised.

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc;
use std::time::Duration;

use anyhow::{Context as _, Result, anyhow, bail, ensure};
use bytes::Bytes;
use consign_domain::{Digest, ErrorCode};
use consign_node::client;
use consign_proto::v1::node_client::NodeClient;
use consign_proto::v1::send_event::Event;
use consign_proto::v1::send_request::Message;
use consign_proto::v1::{FileOpen, SendOpen, SendRequest};
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep, timeout};
use tonic::transport::Channel;

use super::{Plan, Promise, Seat};
use crate::chance::Chance;
use crate::material;

/// Nobody waits longer for a promise, whatever is killed meanwhile.
const PATIENCE: Duration = Duration::from_secs(300);
/// Then a sender lets go and asks again.
const ATTEMPT: Duration = Duration::from_secs(60);
/// Before asking again.
const PAUSE: Duration = Duration::from_millis(50);
/// Files beyond this do not fit into a message to the hub: they are uploaded.
const LARGE: usize = 300 * 1024;
/// One in so many is large.
const LARGE_ONE_IN: u64 = 200;

/// A document to be sent.
struct Letter {
    sender: usize,
    to: Vec<usize>,
    open: SendOpen,
    file: Bytes,
}

/// What a node said of a document.
#[derive(Default)]
struct Told {
    acceptance: Option<Digest>,
    receipts: Vec<Digest>,
}

/// Sends all documents of a plan.
pub(super) async fn send_all(
    seats: &[Seat],
    plan: &Plan,
    promises: mpsc::Sender<Promise>,
) -> Result<()> {
    let (seats, next) = (Arc::new(seats.to_vec()), Arc::new(AtomicUsize::new(0)));
    let mut senders = JoinSet::new();
    for number in 0..seats.len() * plan.side_by_side {
        let sender = number % seats.len();
        let chance = Chance::new(plan.seed ^ (number as u64 + 1).wrapping_mul(0x5851_f42d));
        let (seats, next, promises) = (Arc::clone(&seats), Arc::clone(&next), promises.clone());
        let sending = send_some(sender, seats, plan.documents, next, chance, promises);
        senders.spawn(Box::pin(sending));
    }
    drop(promises);
    while let Some(ended) = senders.join_next().await {
        ended.context("a sender panicked")??;
    }
    Ok(())
}

/// One of an agency's senders.
async fn send_some(
    sender: usize,
    seats: Arc<Vec<Seat>>,
    documents: usize,
    next: Arc<AtomicUsize>,
    mut chance: Chance,
    promises: mpsc::Sender<Promise>,
) -> Result<()> {
    let place = &seats.get(sender).context("a seat")?.place;
    let mut node = None;
    loop {
        let number = next.fetch_add(1, Ordering::Relaxed);
        if number >= documents {
            return Ok(());
        }
        let letter = letter(sender, &seats, number, &mut chance)?;
        let promise = promise(&mut node, place, letter).await?;
        if promises.send(promise).is_err() {
            bail!("nobody takes promises any more");
        }
    }
}

/// A document for one, some or all of the others.
fn letter(sender: usize, seats: &[Seat], number: usize, chance: &mut Chance) -> Result<Letter> {
    let mut to: Vec<usize> = (0..seats.len()).filter(|other| *other != sender).collect();
    let many = match chance.below(50) {
        0..30 => 1,
        30..49 => 1 + chance.place(3.min(to.len())),
        _ => to.len(),
    };
    while to.len() > many {
        to.swap_remove(chance.place(to.len()));
    }
    to.sort_unstable();
    let id = material::envelope_id()?;
    let mut file = material::pdf(&format!("{number} {id}"));
    if chance.once_in(LARGE_ONE_IN) {
        file.resize(LARGE, b'%');
    }
    let code = |seat: &usize| seats.get(*seat).map(|seat| seat.code.to_owned());
    let wait = match chance.below(4) {
        0 => "sealed",
        1 => "handover",
        _ => "accepted",
    };
    let open = SendOpen {
        agency: code(&sender).context("a sender")?,
        to: to.iter().filter_map(code).collect(),
        subject: format!("Văn bản {number}"),
        envelope_id: id,
        urgency: u32::from(chance.once_in(10)),
        wait: wait.to_owned(),
        ..SendOpen::default()
    };
    let file = Bytes::from(file);
    Ok(Letter {
        sender,
        to,
        open,
        file,
    })
}

/// Asks until a document is promised.
async fn promise(
    node: &mut Option<NodeClient<Channel>>,
    place: &Path,
    letter: Letter,
) -> Result<Promise> {
    let deadline = Instant::now() + PATIENCE;
    let mut repeated = 0;
    let told = loop {
        let fault = match timeout(ATTEMPT, attempt(node, place, &letter)).await {
            Ok(Ok(told)) => break told,
            Ok(Err(fault)) => fault,
            Err(_) => anyhow!("no answer within {} s", ATTEMPT.as_secs()),
        };
        let id = &letter.open.envelope_id;
        if Instant::now() > deadline || is_final(&fault) {
            return Err(fault.context(format!("no promise for {id} at {}", place.display())));
        }
        *node = None;
        repeated += 1;
        sleep(PAUSE).await;
    };
    Ok(Promise {
        sender: letter.sender,
        to: letter.to,
        id: letter.open.envelope_id.parse()?,
        file: Digest::of(&letter.file),
        acceptance: told.acceptance,
        receipts: told.receipts,
        repeated,
    })
}

/// Whether a fault is one that a retry must never meet.
fn is_final(fault: &anyhow::Error) -> bool {
    let Some(status) = fault.downcast_ref::<tonic::Status>() else {
        return fault.is::<Refused>();
    };
    let code = consign_proto::status_of(status);
    // A node that is killed in the middle of a call says nothing that has a code of ours.
    !code.is_retryable() && code != ErrorCode::Internal
}

/// The document came to an end that it must not come to.
#[derive(Debug, thiserror::Error)]
#[error("the document was {state}")]
struct Refused {
    state: String,
}

/// Hands a document in and follows it as far as it asks for.
async fn attempt(
    node: &mut Option<NodeClient<Channel>>,
    place: &Path,
    letter: &Letter,
) -> Result<Told> {
    let client = match node {
        Some(client) => client,
        None => node.insert(client::connect(place)?),
    };
    let head = FileOpen {
        name: "cong-van.pdf".to_owned(),
        media_type: String::new(),
        title: String::new(),
        size: letter.file.len() as u64,
    };
    let messages = [
        Message::Open(letter.open.clone()),
        Message::File(head),
        Message::Chunk(letter.file.clone()),
    ];
    let requests = messages.map(|message| SendRequest {
        message: Some(message),
    });
    let mut events = client
        .send(tokio_stream::iter(requests))
        .await?
        .into_inner();
    let mut told = Told::default();
    while let Some(said) = events.message().await? {
        match said.event {
            Some(Event::Evidence(view)) => {
                let statement = view.statement.context("evidence is a statement")?;
                let digest = Digest::of(&statement.statement);
                match view.event.as_str() {
                    "SubmissionAcceptance" => told.acceptance = Some(digest),
                    "ContentHandover" => told.receipts.push(digest),
                    _ => {}
                }
            }
            Some(Event::Done(done)) => {
                let state = done.state;
                let good = ["sealed", "accepted", "handed-over"].contains(&state.as_str());
                ensure!(good, Refused { state });
                return Ok(told);
            }
            _ => {}
        }
    }
    bail!("the node ended the talk before the answer")
}
