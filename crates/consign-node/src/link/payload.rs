//! Payloads too large to travel inside a message, up and down, never whole in memory.

use std::collections::HashSet;
use std::fs::File;
use std::io::{Read as _, Seek as _, SeekFrom};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use bytes::Bytes;
use consign_domain::{AgencyId, EnvelopeKey, ErrorCode, SignedStatement};
use consign_proto::v1::upload_reply::Outcome;
use consign_proto::v1::upload_request::Message;
use consign_proto::v1::{FetchPayloadRequest, UploadOpen, UploadReply, UploadRequest};
use consign_proto::{key_message, signed_message};
use tokio::sync::mpsc;
use tokio_stream::wrappers::ReceiverStream;
use tonic::Streaming;
use tracing::{info, warn};

use super::connection::Session;
use super::fault::PeerFault;
use super::state::Cause;
use crate::board::{Board, ItemKey};
use crate::inbox::{InboxError, PayloadWriter};
use crate::office::{Desk, blocking, lock};

/// Bytes in one message.
const CHUNK: usize = 512 * 1024;
/// Messages between the disk and the network.
const WAITING: usize = 4;

/// Brings a payload to the hub, which then has it staged; from where an earlier attempt
/// ended.
pub(crate) async fn upload(
    session: &Session,
    envelope: &SignedStatement,
    path: PathBuf,
    size: u64,
) -> Result<(), PeerFault> {
    let (sender, receiver) = mpsc::channel(WAITING);
    let open = UploadOpen {
        envelope: Some(signed_message(envelope)),
    };
    // A send that fails means that the call has ended, with a status that says why.
    let _ = sender.send(message(Message::Open(open))).await;
    let mut client = session.bulk.clone();
    let mut replies = client
        .upload(ReceiverStream::new(receiver))
        .await?
        .into_inner();
    let offset = match outcome(&mut replies).await? {
        Outcome::Resume(offset) if offset <= size => offset,
        Outcome::Resume(_) => return Err(broken("the hub has more of the payload than there is")),
        Outcome::Staged(_) | Outcome::Known(_) => return Ok(()),
    };
    info!(size, offset, "uploading a payload");
    let read = blocking(move || read(&path, offset, &sender));
    let (read, staged) = tokio::join!(read, outcome(&mut replies));
    // What the hub staged it has compared with the envelope's digest.
    match (staged, read) {
        (Ok(Outcome::Resume(_)), _) => Err(broken("the hub says once from where to go on")),
        (Ok(_), _) => Ok(()),
        // The hub only says that bytes are missing; we know why.
        (Err(_), Err(source)) => Err(PeerFault {
            cause: Cause {
                code: ErrorCode::StorageFailed,
                text: format!("the payload cannot be read: {source}"),
            },
            retry_after: Duration::ZERO,
        }),
        (Err(fault), Ok(())) => Err(fault),
    }
}

/// What the hub says next.
async fn outcome(replies: &mut Streaming<UploadReply>) -> Result<Outcome, PeerFault> {
    let reply = replies.message().await?;
    let outcome = reply.and_then(|reply| reply.outcome);
    outcome.ok_or_else(|| broken("an upload ends with its outcome"))
}

fn broken(rule: &str) -> PeerFault {
    PeerFault {
        cause: Cause {
            code: ErrorCode::ProtocolViolation,
            text: format!("the hub breaks the protocol: {rule}"),
        },
        retry_after: Duration::ZERO,
    }
}

const fn message(message: Message) -> UploadRequest {
    UploadRequest {
        message: Some(message),
    }
}

fn read(path: &Path, offset: u64, chunks: &mpsc::Sender<UploadRequest>) -> std::io::Result<()> {
    let mut file = File::open(path)?;
    file.seek(SeekFrom::Start(offset))?;
    loop {
        let mut chunk = Vec::with_capacity(CHUNK);
        (&mut file).take(CHUNK as u64).read_to_end(&mut chunk)?;
        let ended = chunk.is_empty();
        if ended
            || chunks
                .blocking_send(message(Message::Chunk(chunk.into())))
                .is_err()
        {
            return Ok(());
        }
    }
}

/// Fetches a payload for a recipient, from where an earlier attempt ended.
pub(crate) async fn fetch(
    session: &Session,
    desk: &Desk,
    envelope: EnvelopeKey,
    writer: PayloadWriter,
    claim: Claim,
) -> Result<(), FetchFault> {
    let recipient: AgencyId = desk.id();
    let request = FetchPayloadRequest {
        envelope: Some(key_message(envelope)),
        recipient: Bytes::copy_from_slice(&recipient.to_bytes()),
        offset: writer.offset(),
    };
    let mut client = session.bulk.clone();
    let mut chunks = client
        .fetch_payload(request)
        .await
        .map_err(PeerFault::from)?
        .into_inner();
    let (sender, receiver) = mpsc::channel(WAITING);
    let pass_on = async move {
        while let Some(chunk) = chunks.message().await? {
            if sender.send(Some(chunk.data)).await.is_err() {
                return Ok(()); // The writer has ended, and says why.
            }
        }
        let _ = sender.send(None).await;
        Ok::<_, tonic::Status>(())
    };
    let office = Arc::clone(&session.office);
    let write = blocking(move || write(writer, receiver, claim, &office.board));
    let (written, passed) = tokio::join!(write, pass_on);
    if let Err(status) = passed {
        warn!(%envelope, code = %consign_proto::status_of(&status), "fetching was cut short");
        return Err(PeerFault::from(status).into());
    }
    written
}

/// Writes what comes; only the end of all bytes is one. What came before another stays. A
/// payload that is whole is looked at, whatever has become of the session meanwhile.
fn write(
    mut writer: PayloadWriter,
    mut chunks: mpsc::Receiver<Option<Bytes>>,
    claim: Claim,
    board: &Board,
) -> Result<(), FetchFault> {
    while let Some(chunk) = chunks.blocking_recv() {
        match chunk {
            Some(data) => writer.write(&data)?,
            None if writer.is_whole() => {
                writer.finish()?;
                let key = claim.key;
                drop(claim);
                board.ask(key);
                return Ok(());
            }
            None => return Err(FetchFault::Short),
        }
    }
    Ok(())
}

/// Payloads that are being written: one writer at a time, even where a session ended and its
/// last writer has not.
#[derive(Debug, Clone, Default)]
pub(crate) struct Claims(Arc<Mutex<HashSet<ItemKey>>>);

/// The right to write one payload, until it is dropped.
#[derive(Debug)]
pub(crate) struct Claim {
    claims: Claims,
    key: ItemKey,
}

impl Claims {
    /// `None` while somebody else writes it.
    pub(crate) fn take(&self, key: ItemKey) -> Option<Claim> {
        let claims = self.clone();
        // Made only if it is ours: one that is dropped gives the payload back.
        lock(&self.0).insert(key).then(|| Claim { claims, key })
    }
}

impl Drop for Claim {
    fn drop(&mut self) {
        lock(&self.claims.0).remove(&self.key);
    }
}

/// Why a payload did not come.
#[derive(Debug)]
pub(crate) enum FetchFault {
    /// By the hub.
    Peer(PeerFault),
    /// By us.
    Inbox(InboxError),
    /// The hub ended before all bytes were here.
    Short,
}

impl FetchFault {
    /// Whether the hub says that the envelope was settled otherwise.
    pub(crate) fn is_settled(&self) -> bool {
        matches!(self, Self::Peer(fault) if fault.cause.code == ErrorCode::AlreadySettled)
    }

    pub(crate) fn cause(&self) -> Cause {
        match self {
            Self::Peer(fault) => fault.cause.clone(),
            Self::Inbox(fault) => Cause {
                code: fault.code(),
                text: fault.to_string(),
            },
            Self::Short => Cause {
                code: ErrorCode::Unreachable,
                text: "the hub ended before all bytes were here".to_owned(),
            },
        }
    }
}

impl From<PeerFault> for FetchFault {
    fn from(fault: PeerFault) -> Self {
        Self::Peer(fault)
    }
}

impl From<InboxError> for FetchFault {
    fn from(fault: InboxError) -> Self {
        Self::Inbox(fault)
    }
}

#[cfg(test)]
mod tests {
    use consign_domain::Sequence;

    use super::*;
    use crate::inbox::{InboxStep, ItemContent};
    use crate::testing::{Network, envelope_id, in_order, payload_of, place, request};

    /// Writes what a hub sends that ends of itself after these bytes.
    fn ended(
        writer: PayloadWriter,
        bytes: &[u8],
        key: ItemKey,
        board: &Board,
    ) -> Result<(), FetchFault> {
        let (sender, receiver) = mpsc::channel(2);
        let bytes = Bytes::copy_from_slice(bytes);
        sender.try_send(Some(bytes)).unwrap();
        sender.try_send(None).unwrap();
        let claim = Claims::default().take(key).unwrap();
        write(writer, receiver, claim, board)
    }

    #[test]
    fn one_writer_at_a_time() {
        let key = ItemKey {
            agency: Network::new().seat(0).id(),
            sequence: place(1),
        };
        let claims = Claims::default();
        let first = claims.take(key);
        assert!(first.is_some());
        assert!(claims.take(key).is_none());
        assert!(claims.take(key).is_none());
        drop(first);
        assert!(claims.take(key).is_some());
    }

    #[test]
    fn an_end_before_all_bytes_keeps_what_came() {
        let network = Network::new();
        let sender = network.seat(0);
        let sent = sender.send(
            envelope_id(1),
            request(&["H49.14"]),
            &network.context(&sender),
        );
        let payload = payload_of(&sent);
        drop(sender);
        let seat = network.seat(1);
        let inbox = seat.agency.inbox();
        let content = ItemContent::Envelope {
            envelope: sent.signed.clone(),
            acceptance: network.accept(&sent.signed, place(1)),
            payload: None,
        };
        let sequence: Sequence = place(1);
        let item = in_order(sequence, content);
        inbox.receive(vec![item], &network.context(&seat));
        let key = ItemKey {
            agency: seat.id(),
            sequence,
        };
        let (first, rest) = payload.split_at(100);
        let writer = inbox.payload_writer(sequence).unwrap();
        let board = Board::default();
        board.fill(key.agency, &inbox.work());
        board.asked();
        let fault = ended(writer, first, key, &board).unwrap_err();
        assert!(board.asked().is_empty());
        assert!(fault.cause().code.is_retryable(), "{fault:?}");
        let writer = inbox.payload_writer(sequence).unwrap();
        assert_eq!(writer.offset(), 100);
        ended(writer, rest, key, &board).unwrap();
        assert_eq!(board.asked()[0].0, key);
        let step = inbox.advance(sequence, &network.context(&seat)).unwrap();
        assert!(matches!(step, InboxStep::SendReceipt(_)), "{step:?}");
    }
}
