//! A node's side of the calls.

use std::time::Duration;

use bytes::Bytes;
use consign_domain::statement::{Evidence, Statement};
use consign_domain::{AgencyId, Digest, ErrorCode, SignedStatement};
use consign_proto::v1::collect_reply::Message as Reply;
use consign_proto::v1::collect_request::Message;
use consign_proto::v1::submit_reply::Outcome;
use consign_proto::v1::submit_request::Submission;
use consign_proto::v1::{self, hub_client::HubClient};
use tokio::sync::mpsc;
use tokio_stream::wrappers::ReceiverStream;
use tonic::Streaming;
use tonic::transport::Channel;

use super::Sealed;

/// How long a test waits for what must come.
const PATIENCE: Duration = Duration::from_secs(20);

/// A node's `Collect`.
pub(crate) struct Collecting {
    say: mpsc::Sender<v1::CollectRequest>,
    replies: Streaming<v1::CollectReply>,
}

impl Collecting {
    /// Opens for agencies with how far each was stored.
    pub(crate) async fn open(
        hub: &mut HubClient<Channel>,
        cursors: &[(AgencyId, u64, Digest)],
        credit: u64,
    ) -> Self {
        let (say, said) = mpsc::channel(64);
        let cursor = |(agency, sequence, digest): &(AgencyId, u64, Digest)| v1::Cursor {
            agency: Bytes::copy_from_slice(&agency.to_bytes()),
            sequence: *sequence,
            digest: Bytes::copy_from_slice(digest.as_bytes()),
        };
        let open = v1::CollectOpen {
            protocol: consign_proto::PROTOCOL,
            agencies: cursors.iter().map(cursor).collect(),
            credit,
            directory: 1,
        };
        let collecting = Message::Open(open);
        let message = Some(collecting);
        say.send(v1::CollectRequest { message }).await.unwrap();
        let replies = hub.collect(ReceiverStream::new(said)).await.unwrap();
        Self {
            say,
            replies: replies.into_inner(),
        }
    }

    pub(crate) async fn say(&self, message: Message) {
        let message = Some(message);
        let request = v1::CollectRequest { message };
        self.say.send(request).await.unwrap();
    }

    pub(crate) async fn receipt(&self, signed: &SignedStatement) {
        let message = consign_proto::signed_message(signed);
        self.say(Message::Receipt(message)).await;
    }

    /// The next reply, `Ok(None)` at the end.
    pub(crate) async fn try_next(&mut self) -> Result<Option<Reply>, ErrorCode> {
        let next = tokio::time::timeout(PATIENCE, self.replies.message());
        match next.await.expect("the hub says something in time") {
            Ok(reply) => Ok(reply.map(|reply| reply.message.unwrap())),
            Err(status) => Err(consign_proto::status_of(&status)),
        }
    }

    pub(crate) async fn next(&mut self) -> Reply {
        self.try_next().await.unwrap().expect("the stream goes on")
    }

    pub(crate) async fn welcome(&mut self) -> v1::CollectWelcome {
        match self.next().await {
            Reply::Welcome(welcome) => welcome,
            other => panic!("{other:?}"),
        }
    }

    pub(crate) async fn item(&mut self) -> v1::Item {
        match self.next().await {
            Reply::Item(item) => item,
            other => panic!("{other:?}"),
        }
    }

    pub(crate) async fn release(&mut self) -> v1::Release {
        match self.next().await {
            Reply::Release(release) => release,
            other => panic!("{other:?}"),
        }
    }

    /// The agency (empty for none) and code of a refusal.
    pub(crate) async fn refusal(&mut self) -> (Vec<u8>, ErrorCode) {
        match self.next().await {
            Reply::Refusal(refusal) => (
                refusal.agency.to_vec(),
                refusal.fault.unwrap().code.parse().unwrap(),
            ),
            other => panic!("{other:?}"),
        }
    }
}

/// Submits through a stream of its own and gives the outcome.
pub(crate) async fn submit(
    hub: &mut HubClient<Channel>,
    submission: Submission,
) -> Result<Outcome, ErrorCode> {
    let request = v1::SubmitRequest {
        call: 42,
        submission: Some(submission),
    };
    let replies = hub.submit(tokio_stream::once(request)).await;
    let mut replies = match replies {
        Ok(replies) => replies.into_inner(),
        Err(status) => return Err(consign_proto::status_of(&status)),
    };
    let reply = tokio::time::timeout(PATIENCE, replies.message()).await;
    match reply.expect("the hub answers in time") {
        Ok(reply) => {
            let reply = reply.expect("every request is answered");
            assert_eq!(reply.call, 42);
            match reply.outcome.unwrap() {
                Outcome::Fault(fault) => Err(fault.code.parse().unwrap()),
                outcome => Ok(outcome),
            }
        }
        Err(status) => Err(consign_proto::status_of(&status)),
    }
}

/// Submits an envelope and gives the hub's evidence.
pub(crate) async fn send(
    hub: &mut HubClient<Channel>,
    sealed: &Sealed,
) -> Result<Evidence, ErrorCode> {
    match submit(hub, Submission::Envelope(sealed.message())).await? {
        Outcome::Evidence(evidence) => Ok(Evidence::parse(&evidence.statement).unwrap()),
        other => panic!("{other:?}"),
    }
}
