//! `Upload`: a payload too large to travel inside a Submit.
//!
//! The envelope comes first and is judged whole, but for its wraps, before a byte is
//! stored; what is staged has the size and digest that it names. The hub answers with how
//! much it has, and takes the rest. Whatever ends an upload early, what came is kept, and
//! the next one goes on there.
//!
//! A thread is held only while there is something to write: while it writes, the next
//! pieces come in, at most [`WAITING`] bytes of them. All uploads together hold no more than
//! `upload_bytes`; each may have one message besides, which waits for room, and what the
//! transport has read ahead.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use consign_proto::v1::{self, upload_reply::Outcome, upload_request::Message};
use consign_store::{StagedPayload, StoreError, Upload};
use tokio::sync::{OwnedSemaphorePermit, Semaphore, mpsc};
use tokio::task::JoinHandle;
use tokio_stream::StreamExt as _;
use tonic::{Status, Streaming};
use tracing::info;

use crate::admit::{Refused, Reservation, Staged};
use crate::caller::Caller;
use crate::relay::Relay;

/// How long a node may be silent in the middle of an upload.
const PATIENCE: Duration = Duration::from_secs(60);
/// Most bytes that wait to be written, but for the last piece.
const WAITING: usize = 4 << 20;
/// What a piece counts for at least, in bytes.
const SMALLEST: usize = 4 << 10;

pub(crate) type Replies = mpsc::Sender<Result<v1::UploadReply, Status>>;

/// Serves one upload.
pub(crate) async fn serve(
    relay: Arc<Relay>,
    caller: Caller,
    mut inbound: Streaming<v1::UploadRequest>,
    out: Replies,
) {
    let last = match upload(&relay, caller, &mut inbound, &out).await {
        Ok(outcome) => Ok(reply(outcome)),
        Err(status) => {
            info!(code = %consign_proto::status_of(&status), "the upload ended early");
            Err(status)
        }
    };
    // Whoever has gone does not need it.
    let _gone = out.send(last).await;
}

const fn reply(outcome: Outcome) -> v1::UploadReply {
    v1::UploadReply {
        outcome: Some(outcome),
    }
}

async fn upload(
    relay: &Relay,
    caller: Caller,
    inbound: &mut Streaming<v1::UploadRequest>,
    out: &Replies,
) -> Result<Outcome, Status> {
    let open = match next(relay, inbound).await? {
        Some(Message::Open(open)) => open,
        _ => return Err(protocol("an upload begins with its envelope")),
    };
    let signed = consign_proto::signed(open.envelope, "envelope")?;
    let (stage, reservation, upload) = match relay.admission.stage(caller, signed).await? {
        Staged::Answered => return Ok(Outcome::Known(true)),
        Staged::Here(size) => return Ok(Outcome::Staged(size)),
        Staged::Open {
            stage,
            reservation,
            upload,
        } => (stage, reservation, upload),
    };
    let offset = stage.written();
    info!(size = upload.size, offset, "an upload begins");
    let mut coming = Coming::new(stage, reservation, upload);
    // Whoever has gone ends the stream of chunks too.
    let _gone = out.send(Ok(reply(Outcome::Resume(offset)))).await;
    let received = coming.receive(relay, caller, inbound).await;
    coming.end(relay, received).await
}

/// An upload whose bytes come in.
struct Coming {
    writer: Writer,
    reservation: Reservation,
    upload: Upload,
}

impl Coming {
    fn new(stage: Box<dyn StagedPayload>, reservation: Reservation, upload: Upload) -> Self {
        Self {
            writer: Writer {
                state: State::Idle(stage),
                waiting: Vec::new(),
                bytes: 0,
                next: None,
            },
            reservation,
            upload,
        }
    }

    /// Takes chunks until the node ends its side.
    async fn receive(
        &mut self,
        relay: &Relay,
        caller: Caller,
        inbound: &mut Streaming<v1::UploadRequest>,
    ) -> Result<(), Status> {
        loop {
            self.writer.go_on();
            let room = room_for(self.writer.next.as_ref(), &relay.uploads);
            tokio::select! {
                written = self.writer.written(), if self.writer.is_writing() => {
                    written?;
                    self.reservation.got_on(relay.now());
                }
                room = room, if self.writer.next.is_some() => self.writer.add(room),
                message = next(relay, inbound), if self.writer.takes_more() => match message? {
                    Some(Message::Chunk(chunk)) => {
                        relay.authorise(caller)?;
                        self.writer.next = Some(chunk);
                    }
                    Some(Message::Open(_)) => {
                        return Err(protocol("the envelope comes once, then chunks"));
                    }
                    None => return Ok(()),
                },
            }
        }
    }

    /// Writes what has come, and checks it if it is all, or keeps it for another time.
    async fn end(mut self, relay: &Relay, received: Result<(), Status>) -> Result<Outcome, Status> {
        let mut written = Ok(());
        while written.is_ok() && (self.writer.is_writing() || self.writer.bytes > 0) {
            self.writer.go_on();
            written = self.writer.written().await;
        }
        let Self {
            writer,
            mut reservation,
            upload,
        } = self;
        let State::Idle(stage) = writer.state else {
            return Err(Refused::Draining.into());
        };
        let (here, size) = (stage.written(), upload.size);
        let ended = received.and(written.map_err(Status::from));
        if ended.is_ok() && here == size {
            return match blocking(move || stage.finish()).await {
                Ok(staged) => {
                    reservation.keep(staged, relay.now());
                    info!(size, "a payload is staged");
                    Ok(Outcome::Staged(size))
                }
                Err(refused) => {
                    reservation.lose();
                    Err(refused.into())
                }
            };
        }
        match blocking(move || stage.pause()).await {
            Ok(0) => reservation.lose(),
            Ok(_) => reservation.got_on(relay.now()),
            // What was durable before is kept.
            Err(_) => {}
        }
        ended?;
        Err(Refused::PayloadShort { here, size }.into())
    }
}

/// Writes pieces in their order, on a thread that may block, as many at a time as wait.
struct Writer {
    state: State,
    waiting: Vec<Piece>,
    bytes: usize,
    /// What has come last, until there is room for it among all that waits.
    next: Option<Bytes>,
}

/// Bytes with their part of the hub's room.
type Piece = (Bytes, OwnedSemaphorePermit);

type Written = (Box<dyn StagedPayload>, Result<(), StoreError>);

enum State {
    Idle(Box<dyn StagedPayload>),
    Writing(JoinHandle<Written>),
    /// The runtime is closing.
    Gone,
}

impl Writer {
    const fn takes_more(&self) -> bool {
        self.next.is_none() && self.bytes < WAITING
    }

    fn add(&mut self, room: OwnedSemaphorePermit) {
        if let Some(chunk) = self.next.take() {
            self.bytes += chunk.len().max(SMALLEST);
            self.waiting.push((chunk, room));
        }
    }

    const fn is_writing(&self) -> bool {
        matches!(self.state, State::Writing(_))
    }

    /// Begins to write what waits, if nothing is being written.
    fn go_on(&mut self) {
        if self.waiting.is_empty() {
            return;
        }
        self.state = match std::mem::replace(&mut self.state, State::Gone) {
            State::Idle(mut stage) => {
                let pieces = std::mem::take(&mut self.waiting);
                self.bytes = 0;
                State::Writing(tokio::task::spawn_blocking(move || {
                    let written = pieces.iter().try_for_each(|(piece, _)| stage.write(piece));
                    (stage, written)
                }))
            }
            other => other,
        };
    }

    /// Waits until what is being written is.
    async fn written(&mut self) -> Result<(), Refused> {
        let State::Writing(writing) = &mut self.state else {
            return Err(Refused::Draining);
        };
        let written = writing.await;
        self.state = State::Gone;
        let (stage, written) = written.map_err(|_| Refused::Draining)?;
        self.state = State::Idle(stage);
        Ok(written?)
    }
}

/// Waits for room for what has come last.
fn room_for(
    chunk: Option<&Bytes>,
    room: &Arc<Semaphore>,
) -> impl Future<Output = OwnedSemaphorePermit> + use<> {
    // However small it is, it costs something to hold.
    let bytes = chunk.map_or(0, Bytes::len).max(SMALLEST);
    let bytes = u32::try_from(bytes).unwrap_or(u32::MAX);
    let room = Arc::clone(room);
    async move {
        match room.acquire_many_owned(bytes).await {
            Ok(room) => room,
            // It is never closed.
            Err(_) => std::future::pending().await,
        }
    }
}

/// The next message; `None` at the end of the upload.
async fn next(
    relay: &Relay,
    inbound: &mut Streaming<v1::UploadRequest>,
) -> Result<Option<Message>, Status> {
    let message = tokio::select! {
        message = tokio::time::timeout(PATIENCE, inbound.next()) => message,
        () = relay.shutdown().wait() => return Err(Refused::Draining.into()),
    };
    match message {
        Ok(Some(request)) => match request?.message {
            Some(message) => Ok(Some(message)),
            None => Err(protocol("an upload's message is its envelope or a chunk")),
        },
        Ok(None) => Ok(None),
        // A line or a machine that stood still: it goes on where it was.
        Err(_) => Err(Refused::Busy.into()),
    }
}

async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> Result<T, StoreError> + Send + 'static,
) -> Result<T, Refused> {
    match tokio::task::spawn_blocking(work).await {
        Ok(result) => Ok(result?),
        Err(_) => Err(Refused::Draining),
    }
}

fn protocol(rule: &'static str) -> Status {
    Refused::Protocol { rule }.into()
}
