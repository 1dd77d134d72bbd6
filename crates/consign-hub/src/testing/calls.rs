//! A node's side of the calls.

use std::time::Duration;

use bytes::Bytes;
use consign_domain::statement::{Evidence, Statement};
use consign_domain::{AgencyId, Digest, ErrorCode, SignedStatement};
use consign_proto::v1::collect_reply::Message as Reply;
use consign_proto::v1::collect_request::Message;
use consign_proto::v1::submit_reply::Outcome;
use consign_proto::v1::submit_request::Submission;
use consign_proto::v1::upload_reply::Outcome as UploadOutcome;
use consign_proto::v1::{self, hub_client::HubClient, upload_request};
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

    pub(crate) async fn prove(&self, agency: AgencyId, acceptance: &SignedStatement) {
        let proof = v1::Proof {
            agency: Bytes::copy_from_slice(&agency.to_bytes()),
            acceptance: Some(consign_proto::signed_message(acceptance)),
        };
        self.say(Message::Proof(proof)).await;
    }

    /// Says no more, and waits until the hub has heeded what was said.
    pub(crate) async fn end(self) {
        let Self { say, mut replies } = self;
        drop(say);
        while let Ok(Some(_)) = replies.message().await {}
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

/// A node's `Upload`.
pub(crate) struct Uploading {
    say: mpsc::Sender<v1::UploadRequest>,
    replies: Streaming<v1::UploadReply>,
}

impl Uploading {
    /// Opens with an envelope and gives the hub's first word.
    pub(crate) async fn open(
        hub: &mut HubClient<Channel>,
        sealed: &Sealed,
    ) -> Result<(Self, UploadOutcome), ErrorCode> {
        let (say, said) = mpsc::channel(1);
        let open = v1::UploadOpen {
            envelope: Some(consign_proto::signed_message(&sealed.signed)),
        };
        let message = Some(upload_request::Message::Open(open));
        say.send(v1::UploadRequest { message }).await.unwrap();
        let replies = hub.upload(ReceiverStream::new(said)).await;
        let replies = replies.map_err(|status| consign_proto::status_of(&status))?;
        let mut uploading = Self {
            say,
            replies: replies.into_inner(),
        };
        let first = uploading.reply().await?;
        Ok((uploading, first))
    }

    /// Sends bytes; whether the hub still listens.
    pub(crate) async fn chunk(&self, bytes: Bytes) -> bool {
        let message = Some(upload_request::Message::Chunk(bytes));
        self.say.send(v1::UploadRequest { message }).await.is_ok()
    }

    /// Sends bytes in pieces and ends; gives the hub's last word.
    pub(crate) async fn rest(mut self, rest: Bytes) -> Result<UploadOutcome, ErrorCode> {
        for start in (0..rest.len()).step_by(256 * 1024) {
            let end = rest.len().min(start + 256 * 1024);
            if !self.chunk(rest.slice(start..end)).await {
                break;
            }
        }
        let (nobody, _) = mpsc::channel(1);
        self.say = nobody;
        self.reply().await
    }

    async fn reply(&mut self) -> Result<UploadOutcome, ErrorCode> {
        let reply = tokio::time::timeout(PATIENCE, self.replies.message()).await;
        match reply.expect("the hub answers in time") {
            Ok(reply) => Ok(reply.expect("the hub says how it ends").outcome.unwrap()),
            Err(status) => Err(consign_proto::status_of(&status)),
        }
    }
}

/// Uploads what the hub does not have yet.
pub(crate) async fn upload(
    hub: &mut HubClient<Channel>,
    sealed: &Sealed,
    payload: &Bytes,
) -> Result<UploadOutcome, ErrorCode> {
    match Uploading::open(hub, sealed).await? {
        (uploading, UploadOutcome::Resume(offset)) => {
            let offset = usize::try_from(offset).unwrap().min(payload.len());
            uploading.rest(payload.slice(offset..)).await
        }
        (_, outcome) => Ok(outcome),
    }
}
