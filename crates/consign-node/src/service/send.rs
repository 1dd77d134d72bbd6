//! `Send`: a document comes in, is stored, and then its caller may watch what becomes of it.
//!
//! Once it is composed it is on its way, whether or not anybody still listens. The same
//! envelope id with the same fields and files is the same document, however often it is sent.

use std::collections::HashSet;
use std::sync::Arc;

use bytes::Bytes;
use consign_domain::statement::{Event, Evidence, Statement as _};
use consign_domain::{EnvelopeId, EnvelopeKey, ErrorCode};
use consign_proto::status_from_code;
use consign_proto::v1::{self, send_event, send_request::Message};
use consign_runtime::entropy;
use tokio::sync::mpsc;
use tonic::{Status, Streaming};

use super::{node_status, select, status, told, view};
use crate::compose::{ComposeError, ComposeRequest, FileOpen, Staging, passed_over};
use crate::error::NodeError;
use crate::folder::Folder;
use crate::link::Connection;
use crate::office::{Desk, Office, blocking};
use crate::outbox::{Composed, SentState};

/// How many bytes arrive between two notes of progress.
const PROGRESS: u64 = 4 << 20;
/// Pieces between the caller and the disk.
const PIECES: usize = 4;

type Events = mpsc::Sender<Result<v1::SendEvent, Status>>;

/// What was composed, and which members of its groups nothing could be sent to.
#[derive(Debug)]
struct Watched {
    composed: Composed,
    passed_over: Vec<String>,
}

/// How far the caller wants to watch.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Wait {
    Sealed,
    Accepted,
    Handover,
}

/// A piece of what is sent.
#[derive(Debug)]
enum Piece {
    File(FileOpen),
    Chunk(Bytes),
    End,
}

/// Serves one call.
pub(super) async fn send(
    office: &Arc<Office>,
    mut requests: Streaming<v1::SendRequest>,
    events: &Events,
) -> Result<(), Status> {
    let first = requests.message().await?.and_then(|first| first.message);
    let Some(Message::Open(open)) = first else {
        return Err(protocol("a call begins with the document's fields"));
    };
    let wait = wait(&open.wait)?;
    let id = envelope_id(office, &open.envelope_id)?;
    let desk = Arc::clone(select::desk(office, &open.agency)?);
    room(office).await?;
    let groups = open.to_groups.clone();
    let request = compose_request(office, open);
    let begin = office.at_desk(&desk, move |desk, context| {
        desk.agency.outbox().begin(id, request, context)
    });
    let staging = begin.await.map_err(compose_status)?;
    let staging = receive(staging, requests, events.clone()).await?;
    let bell = Arc::clone(office);
    let composed = office.at_desk(&desk, move |desk, context| {
        let composed = desk.agency.outbox().compose(staging, context.now);
        // Here, because this goes on even where the caller does not.
        bell.sending.ring();
        let composed = composed?;
        let recipients = &composed.document.addressees;
        let passed_over = if composed.repeated {
            Vec::new()
        } else {
            passed_over(&groups, recipients, context)
        };
        Ok((composed, passed_over))
    });
    let (composed, passed_over) = composed.await.map_err(compose_status)?;
    let watched = Watched {
        composed,
        passed_over,
    };
    watch(office, &desk, &watched, wait, events).await
}

fn protocol(rule: &'static str) -> Status {
    status_from_code(ErrorCode::ProtocolViolation, rule)
}

// By value, so that it serves `map_err` as it is.
#[expect(clippy::needless_pass_by_value, reason = "for map_err")]
fn compose_status(error: ComposeError) -> Status {
    told(error.code(), &error)
}

fn wait(text: &str) -> Result<Wait, Status> {
    match text {
        "" | "sealed" => Ok(Wait::Sealed),
        "accepted" => Ok(Wait::Accepted),
        "handover" => Ok(Wait::Handover),
        other => Err(status_from_code(
            ErrorCode::Usage,
            format!("cannot wait for {other:?}; wait for sealed, accepted or handover"),
        )),
    }
}

fn envelope_id(office: &Office, given: &str) -> Result<EnvelopeId, Status> {
    if given.is_empty() {
        let fresh = entropy::uuid_v7(office.clock.now_millis())
            .map_err(|fault| told(ErrorCode::Internal, &fault))?;
        return EnvelopeId::from_bytes(fresh).map_err(|fault| told(ErrorCode::Internal, &fault));
    }
    given.parse().map_err(|fault| {
        status_from_code(ErrorCode::Usage, format!("envelope_id {given:?}: {fault}"))
    })
}

/// Refuses early where the disk is nearly full; what is on its way goes on.
async fn room(office: &Office) -> Result<(), Status> {
    let (root, least) = (
        office.directory.root().to_owned(),
        office.config.limits.free_disk_bytes,
    );
    match blocking(move || status::free_bytes(&root)).await {
        Some(free) if free < least => Err(status_from_code(
            ErrorCode::StorageFull,
            format!(
                "only {} MiB are free where the node keeps its files, {} are wanted \
                 (limits.free_disk_mib); make space and send again",
                free >> 20,
                least >> 20
            ),
        )),
        _ => Ok(()),
    }
}

fn compose_request(office: &Office, open: v1::SendOpen) -> ComposeRequest {
    let expire_days = match open.expire_days {
        0 => office.config.expire_days,
        days => days,
    };
    ComposeRequest {
        to: open.to,
        to_groups: open.to_groups,
        subject: open.subject,
        number: open.number,
        notation: open.notation,
        document_type: open.document_type,
        urgency: open.urgency,
        in_reply_to: open.in_reply_to,
        due: open.due,
        issued_on: open.issued_on,
        issued_at: open.issued_at,
        signer_name: open.signer_name,
        signer_position: open.signer_position,
        signer_competence: open.signer_competence,
        places: open.places,
        pages: open.pages,
        copies: open.copies,
        steering: open.steering,
        secrecy: open.secrecy,
        expire_days,
    }
}

/// Brings the files to the disk, a few pieces ahead of the network.
async fn receive(
    staging: Staging,
    mut requests: Streaming<v1::SendRequest>,
    events: Events,
) -> Result<Staging, Status> {
    let (pieces, arrived) = mpsc::channel(PIECES);
    let pass_on = async move {
        loop {
            let piece = match requests.message().await?.map(|request| request.message) {
                Some(Some(Message::File(file))) => Piece::File(FileOpen {
                    name: file.name,
                    media_type: file.media_type,
                    title: file.title,
                    size: file.size,
                }),
                Some(Some(Message::Chunk(chunk))) => Piece::Chunk(chunk),
                Some(_) => return Err(protocol("after the fields come files and their pieces")),
                None => Piece::End,
            };
            let ended = matches!(piece, Piece::End);
            if pieces.send(piece).await.is_err() || ended {
                return Ok(()); // The writer has ended, and says why.
            }
        }
    };
    let write = blocking(move || write(staging, arrived, &events));
    let (passed, written) = tokio::join!(pass_on, write);
    passed?;
    written
        .map_err(compose_status)?
        .ok_or_else(|| protocol("the files did not come whole"))
}

/// Writes pieces until the caller said that these are all. Blocks.
fn write(
    mut staging: Staging,
    mut pieces: mpsc::Receiver<Piece>,
    events: &Events,
) -> Result<Option<Staging>, ComposeError> {
    let mut noted = 0;
    while let Some(piece) = pieces.blocking_recv() {
        match piece {
            Piece::File(open) => staging.begin_file(&open)?,
            Piece::Chunk(bytes) => staging.write(&bytes)?,
            Piece::End => return Ok(Some(staging)),
        }
        let received = staging.received();
        if received >= noted + PROGRESS {
            noted = received;
            // A full queue means that the caller is behind, and hears of the next one.
            let _ = events.try_send(Ok(event(send_event::Event::Received(received))));
        }
    }
    Ok(None)
}

const fn event(event: send_event::Event) -> v1::SendEvent {
    v1::SendEvent { event: Some(event) }
}

async fn say(events: &Events, said: send_event::Event) -> Result<(), Status> {
    let gone = |_| status_from_code(ErrorCode::Unreachable, "the caller has gone");
    events.send(Ok(event(said))).await.map_err(gone)
}

/// What was told already.
#[derive(Debug, Default)]
struct Told {
    sealed: bool,
    statements: HashSet<String>,
    waiting: String,
}

/// Tells what becomes of the envelope until it is as far as the caller wants.
async fn watch(
    office: &Arc<Office>,
    desk: &Arc<Desk>,
    watched: &Watched,
    wait: Wait,
    events: &Events,
) -> Result<(), Status> {
    let (sender, id) = (desk.id(), watched.composed.id);
    let mut following = office.followers.follow(EnvelopeKey { sender, id });
    let mut link = office.link.subscribe();
    let mut told = Told::default();
    say(events, composed(watched)).await?;
    loop {
        let state = office.at_desk(desk, move |desk, _| desk.agency.outbox().state(id));
        let state = state.await.map_err(node_status)?;
        let state = state.ok_or_else(|| node_status(NodeError::UnknownEnvelope))?;
        if state >= SentState::Sealed && !told.sealed {
            told.sealed = true;
            say(events, sealed(office, desk, id).await?).await?;
        }
        let outcome = new_evidence(office, desk, id, &mut told, events).await?;
        if let Some(reached) = reached(state, wait, outcome) {
            let state = reached.to_owned();
            return say(events, send_event::Event::Done(v1::SendDone { state })).await;
        }
        let waiting = waiting_for(office, EnvelopeKey { sender, id }, state);
        if !waiting.is_empty() && waiting != told.waiting {
            told.waiting.clone_from(&waiting);
            say(events, send_event::Event::Waiting(waiting)).await?;
        }
        if wait == Wait::Sealed && waits_for_token(office, EnvelopeKey { sender, id }, state) {
            // It is sealed when the token is back: nobody need stand by.
            let state = state.as_str().to_owned();
            return say(events, send_event::Event::Done(v1::SendDone { state })).await;
        }
        tokio::select! {
            () = following.changed() => {}
            Ok(()) = link.changed() => {}
        }
    }
}

/// Whether a document is not sealed because the agency's token is away.
fn waits_for_token(office: &Office, key: EnvelopeKey, state: SentState) -> bool {
    let held = || office.held(key).map(|held| held.cause.code);
    state == SentState::Composed && held() == Some(ErrorCode::TokenUnavailable)
}

fn composed(watched: &Watched) -> send_event::Event {
    let document = &watched.composed.document;
    let codes = document.addressees.as_slice().iter();
    send_event::Event::Composed(v1::SendComposed {
        envelope_id: watched.composed.id.to_string(),
        document_id: document.id.to_string(),
        symbol: document.symbol(),
        recipients: codes.map(ToString::to_string).collect(),
        passed_over: watched.passed_over.clone(),
    })
}

async fn sealed(
    office: &Arc<Office>,
    desk: &Arc<Desk>,
    id: EnvelopeId,
) -> Result<send_event::Event, Status> {
    let sealed = office.at_desk(desk, move |desk, _| {
        let outbox = desk.agency.outbox();
        let sizes = outbox.sealed(id)?.ok_or(NodeError::UnknownEnvelope)?;
        let stamp = select::steady(|| outbox.folder(id), Folder::stamped)?;
        Ok((sizes, stamp))
    });
    let (sizes, stamp) = sealed.await.map_err(node_status)?;
    Ok(send_event::Event::Sealed(v1::SendSealed {
        container_size: sizes.container_size,
        payload_size: sizes.payload_size,
        time_stamp: Some(view::time_stamp(stamp)),
    }))
}

/// Tells evidence that was not told yet; says whether any of it is a failure.
async fn new_evidence(
    office: &Arc<Office>,
    desk: &Arc<Desk>,
    id: EnvelopeId,
    told: &mut Told,
    events: &Events,
) -> Result<bool, Status> {
    let views = office.at_desk(desk, move |desk, context| {
        let outbox = desk.agency.outbox();
        let statements = select::steady(|| outbox.folder(id), |folder| folder.statements())?;
        let failed = |stored: &crate::folder::StoredStatement| {
            Evidence::parse(&stored.signed.statement)
                .is_ok_and(|said| said.event == Event::ContentHandoverFailure)
        };
        let views = statements.iter().map(|stored| {
            let view = view::evidence(stored, context.directory);
            (stored.name.clone(), view, failed(stored))
        });
        Ok::<Vec<_>, NodeError>(views.collect())
    });
    let mut failure = false;
    for (name, view, failed) in views.await.map_err(node_status)? {
        failure |= failed;
        if told.statements.insert(name) {
            say(events, send_event::Event::Evidence(view)).await?;
        }
    }
    Ok(failure)
}

/// The state that ends the call, if it is reached.
fn reached(state: SentState, wait: Wait, failure: bool) -> Option<&'static str> {
    match (state, wait) {
        (SentState::Rejected, _) => Some("rejected"),
        (SentState::Final, Wait::Handover) if failure => Some("failed"),
        (SentState::Final, Wait::Handover) => Some("handed-over"),
        (SentState::Accepted | SentState::Final, Wait::Accepted) => Some("accepted"),
        (SentState::Sealed | SentState::Accepted | SentState::Final, Wait::Sealed) => {
            Some("sealed")
        }
        _ => None,
    }
}

/// Why it does not go on, in words; empty when it simply takes its time.
fn waiting_for(office: &Office, key: EnvelopeKey, state: SentState) -> String {
    if let Some(held) = office.held(key) {
        return held.words(office.clock.monotonic());
    }
    let link = office.link.subscribe().borrow().clone();
    match (state, link.connection, link.cause) {
        (SentState::Accepted, Connection::Connected, _) => "the recipients' receipts".to_owned(),
        (_, Connection::Connected, _) | (SentState::Composed, ..) => String::new(),
        (_, _, Some(cause)) => format!("the hub: {} ({})", cause.text, cause.code),
        (_, _, None) => "the connection to the hub".to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_call_ends_where_its_caller_wants_or_nothing_more_can_come() {
        use SentState::{Accepted, Composed, Final, Rejected, Sealed};
        let cases = [
            (Composed, Wait::Sealed, false, None),
            (Sealed, Wait::Sealed, false, Some("sealed")),
            (Sealed, Wait::Accepted, false, None),
            (Accepted, Wait::Accepted, false, Some("accepted")),
            (Accepted, Wait::Handover, false, None),
            (Final, Wait::Handover, false, Some("handed-over")),
            (Final, Wait::Handover, true, Some("failed")),
            (Rejected, Wait::Sealed, false, Some("rejected")),
            (Rejected, Wait::Handover, false, Some("rejected")),
        ];
        for (state, until, failure, expected) in cases {
            assert_eq!(
                reached(state, until, failure),
                expected,
                "{state:?} {until:?}"
            );
        }
        assert!(wait("for ever").is_err());
    }
}
