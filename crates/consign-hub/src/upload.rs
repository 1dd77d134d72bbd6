//! `Upload`: a payload too large to travel inside a Submit.
//!
//! The envelope comes first and is judged whole, but for its wraps, before a byte is
//! stored; what is staged has the size and digest that it names. An upload that ends
//! early leaves nothing.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use consign_domain::Digest;
use consign_proto::v1::{self, upload_reply::Outcome, upload_request::Message};
use consign_store::{StagedPayload, StoreError};
use tokio_stream::StreamExt as _;
use tonic::{Status, Streaming};

use crate::admit::{Refused, Staged};
use crate::caller::Caller;
use crate::relay::Relay;

/// How long a node may be silent in the middle of an upload.
const PATIENCE: Duration = Duration::from_secs(60);

/// Serves one upload.
pub(crate) async fn serve(
    relay: Arc<Relay>,
    caller: Caller,
    mut inbound: Streaming<v1::UploadRequest>,
) -> Result<v1::UploadReply, Status> {
    let open = match next(&relay, &mut inbound).await? {
        Some(Message::Open(open)) => open,
        _ => {
            return Err(protocol("an upload begins with its envelope"));
        }
    };
    if open.offset != 0 {
        return Err(protocol("uploads begin at offset 0"));
    }
    let signed = consign_proto::signed(open.envelope, "envelope")?;
    let outcome = match relay.admission.stage(caller, signed).await? {
        Staged::Answered => Outcome::Known(true),
        Staged::Here(size) => Outcome::Staged(size),
        Staged::Open {
            mut stage,
            reservation,
            sha256,
            size,
            expires,
        } => {
            while let Some(message) = next(&relay, &mut inbound).await? {
                let Message::Chunk(chunk) = message else {
                    return Err(protocol("the envelope comes once, then chunks"));
                };
                relay.authorise(caller)?;
                stage = write(stage, chunk).await?;
            }
            let staged = finish(stage, sha256).await?;
            reservation.keep(staged, expires);
            Outcome::Staged(size)
        }
    };
    Ok(v1::UploadReply {
        outcome: Some(outcome),
    })
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
        Err(_) => Err(protocol("the upload was silent for a minute")),
    }
}

async fn write(
    mut stage: Box<dyn StagedPayload>,
    chunk: Bytes,
) -> Result<Box<dyn StagedPayload>, Refused> {
    blocking(move || stage.write(&chunk).map(|()| stage)).await
}

async fn finish(
    stage: Box<dyn StagedPayload>,
    expected: Digest,
) -> Result<consign_store::StagedRef, Refused> {
    blocking(move || stage.finish(expected)).await
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
