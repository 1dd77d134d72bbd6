//! `Submit`: envelopes and statuses, many in flight, each answered when it is durable
//! or found wrong. The order of the answers is free.

use std::sync::Arc;
use std::time::Duration;

use consign_proto::v1::{self, submit_reply::Outcome, submit_request::Submission};
use futures_util::StreamExt as _;
use futures_util::stream::FuturesUnordered;
use tokio::sync::{mpsc, oneshot};
use tonic::{Status, Streaming};
use tracing::field::Empty;
use tracing::{Instrument as _, debug, info, info_span};

use crate::admit::{EnvelopeIn, Refused};
use crate::caller::Caller;
use crate::flow::Share;
use crate::relay::Relay;

/// How long a node may leave an answer untaken before its stream ends.
const PATIENCE: Duration = Duration::from_secs(30);

/// An answer to come, with its share of what the hub may hold until then. What was read is
/// decided to its end, also where nobody hears the answer: what it costs is known only then.
type Answering = oneshot::Receiver<v1::SubmitReply>;

/// Serves one stream until it ends, the node is dropped, or the hub stops; what was read
/// by then is answered first.
pub(crate) async fn serve(
    relay: Arc<Relay>,
    caller: Caller,
    mut inbound: Streaming<v1::SubmitRequest>,
    out: mpsc::Sender<Result<v1::SubmitReply, Status>>,
) {
    let mut changes = relay.directories.changes();
    let mut answering: FuturesUnordered<Answering> = FuturesUnordered::new();
    let most = relay.limits.in_flight;
    let end = loop {
        // Where the node holds all that it may, its next message waits in the network. A
        // stream with nothing to wait for reads one and has it told when to come back.
        let reads =
            answering.len() < most && (answering.is_empty() || relay.admission.has_room(caller));
        tokio::select! {
            Some(reply) = answering.next() => {
                if say(&out, reply).await.is_none() {
                    return;
                }
            }
            message = inbound.next(), if reads => match message {
                Some(Ok(request)) => {
                    let share = relay.admission.hold(caller, size_of(&request));
                    let answer = answer(Arc::clone(&relay), caller, request, share);
                    answering.push(relay.tasks.spawn_for("submission", answer));
                }
                Some(Err(status)) => break Some(status),
                None => break None,
            },
            Ok(()) = changes.changed() => {
                if let Err(refused) = relay.authorise(caller) {
                    break Some(refused.into());
                }
            }
            () = relay.shutdown().wait() => break Some(Refused::Draining.into()),
        }
    };
    while let Some(reply) = answering.next().await {
        if say(&out, reply).await.is_none() {
            return;
        }
    }
    if let Some(status) = end {
        // Whoever has gone does not need it.
        let _gone = out.send_timeout(Err(status), PATIENCE).await;
    }
}

/// Gives an answer to the transport; `None` if the stream is over.
async fn say(
    out: &mpsc::Sender<Result<v1::SubmitReply, Status>>,
    reply: Result<v1::SubmitReply, oneshot::error::RecvError>,
) -> Option<()> {
    out.send_timeout(Ok(reply.ok()?), PATIENCE).await.ok()
}

/// The bytes that a request holds, but for small change.
fn size_of(request: &v1::SubmitRequest) -> usize {
    use v1::envelope_submission::Payload;

    let statement = |signed: &Option<v1::SignedStatement>| {
        signed.as_ref().map_or(0, |signed| signed.statement.len())
    };
    match &request.submission {
        Some(Submission::Envelope(message)) => {
            let wraps: usize = message.wraps.iter().map(bytes::Bytes::len).sum();
            let payload = match &message.payload {
                Some(Payload::Inline(bytes)) => bytes.len(),
                _ => 0,
            };
            statement(&message.envelope) + wraps + payload
        }
        Some(Submission::Status(message)) => statement(&message.status) + message.text.len(),
        None => 0,
    }
}

async fn answer(
    relay: Arc<Relay>,
    caller: Caller,
    request: v1::SubmitRequest,
    share: Option<Share>,
) -> v1::SubmitReply {
    let span = info_span!(
        "submit",
        node = %caller.node,
        call = request.call,
        envelope_id = Empty,
        agency = Empty
    );
    let decided = async {
        let _held = share.ok_or(Refused::Busy)?;
        decide(relay, caller, request.submission).await
    };
    let outcome = decided
        .instrument(span.clone())
        .await
        .unwrap_or_else(|refused| {
            span.in_scope(|| log(&refused));
            Outcome::Fault(refused.fault())
        });
    v1::SubmitReply {
        call: request.call,
        outcome: Some(outcome),
    }
}

/// A flood must not fill the log: what comes in numbers is for those who look closer.
fn log(refused: &Refused) {
    let code = refused.code();
    if matches!(refused, Refused::Busy | Refused::SenderQuota { .. }) {
        debug!(%code, %refused, "submission put off");
    } else {
        info!(%code, %refused, "submission not taken");
    }
}

async fn decide(
    relay: Arc<Relay>,
    caller: Caller,
    submission: Option<Submission>,
) -> Result<Outcome, Refused> {
    match submission {
        Some(Submission::Envelope(message)) => {
            let incoming = EnvelopeIn::from_message(message)?;
            let evidence = relay.admission.envelope(caller, incoming).await?;
            Ok(Outcome::Evidence(consign_proto::signed_message(&evidence)))
        }
        Some(Submission::Status(message)) => {
            let sequence = relay.admission.status(caller, message).await?;
            Ok(Outcome::Status(v1::StatusStored {
                sequence: sequence.value(),
            }))
        }
        None => Err(Refused::Protocol {
            rule: "a request submits an envelope or a status",
        }),
    }
}
