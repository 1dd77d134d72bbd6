//! `FetchPayload`: a payload that did not travel inside an item, to listed recipients
//! only, from any offset, with a few pieces in memory.

use std::sync::Arc;
use std::time::Duration;

use consign_domain::delivery::DeliveryState;
use consign_domain::{AgencyId, EnvelopeKey};
use consign_proto::v1;
use consign_store::{PayloadSource, StoreError};
use tokio::sync::mpsc;

use crate::admit::Refused;
use crate::caller::Caller;
use crate::outgoing::{Held, Outgoing};
use crate::relay::{Relay, agency_id};

/// A piece on the wire.
const PIECE: u32 = 512 * 1024;
/// How long a node may leave a piece untaken.
const PATIENCE: Duration = Duration::from_secs(60);

/// A payload on its way to a recipient.
#[derive(Debug)]
pub(crate) struct Fetch {
    caller: Caller,
    recipient: AgencyId,
    source: PayloadSource,
    /// The next byte.
    offset: u64,
}

/// Finds the payload, if the caller may have it, and from where.
pub(crate) async fn open(
    relay: &Relay,
    caller: Caller,
    request: v1::FetchPayloadRequest,
) -> Result<Fetch, Refused> {
    let key: EnvelopeKey = consign_proto::envelope_key(request.envelope, "envelope")?;
    let recipient = agency_id(&request.recipient)?;
    relay.speaks_for(caller, recipient)?;
    let (state, source) = relay
        .reading
        .run(move |store| Ok((store.delivery(key, recipient)?, store.payload(key)?)))
        .await?;
    match state {
        // Whether the envelope exists is no business of others.
        None => return Err(Refused::EnvelopeUnknown),
        Some(DeliveryState::Failed) => return Err(StoreError::AlreadySettled.into()),
        Some(_) => {}
    }
    let source = source.ok_or(StoreError::PayloadMissing)?;
    if request.offset > source.size() {
        return Err(Refused::Protocol {
            rule: "the offset is beyond the end of the payload",
        });
    }
    Ok(Fetch {
        caller,
        recipient,
        source,
        offset: request.offset,
    })
}

/// Sends the rest of the payload.
pub(crate) async fn send(
    relay: Arc<Relay>,
    mut fetch: Fetch,
    out: mpsc::Sender<Outgoing<v1::PayloadChunk>>,
) {
    while fetch.offset < fetch.source.size() {
        let read = tokio::select! {
            read = piece(&relay, &fetch) => read,
            () = relay.shutdown().wait() => Err(Refused::Draining),
            () = out.closed() => return,
        };
        let outgoing = match read {
            Ok(outgoing) => outgoing,
            Err(refused) => Outgoing::end(refused),
        };
        let last = outgoing.is_end();
        fetch.offset += outgoing.held() as u64;
        if out.send_timeout(outgoing, PATIENCE).await.is_err() || last {
            return;
        }
    }
}

async fn piece(relay: &Relay, fetch: &Fetch) -> Result<Outgoing<v1::PayloadChunk>, Refused> {
    let permit = Arc::clone(&relay.delivery)
        .acquire_many_owned(PIECE)
        .await
        .map_err(|_| Refused::Draining)?;
    // The wait may have been long, and the agency may have moved to another node.
    relay.speaks_for(fetch.caller, fetch.recipient)?;
    let (source, offset) = (fetch.source.clone(), fetch.offset);
    let read = tokio::task::spawn_blocking(move || source.read_at(offset, PIECE as usize));
    let data = read.await.map_err(|_| Refused::Draining)??;
    if data.is_empty() {
        return Err(StoreError::PayloadMissing.into());
    }
    let held = Held::new(permit, None).split(data.len());
    Ok(Outgoing::holding(v1::PayloadChunk { data }, held))
}
