//! A simulated node's connection: one TLS session with a `Submit` and, where it collects, a
//! `Collect` stream.
//!
//! What is said goes through channels without a bound of their own: nothing is said but about
//! documents under way, of which there is a bounded number.

use bytes::Bytes;
use consign_domain::EnvelopeKey;
use consign_proto::v1::collect_reply::Message as Heard;
use consign_proto::v1::collect_request::Message;
use consign_proto::v1::hub_client::HubClient;
use consign_proto::v1::{self, item::Content};
use consign_runtime::tls;
use tokio::sync::mpsc::{UnboundedSender, unbounded_channel};
use tokio_stream::wrappers::UnboundedReceiverStream;
use tonic::Streaming;
use tonic::transport::Channel;

use super::BenchError;
use super::ground::{Ground, Participant};

/// Bytes that may be on their way to a node, as a node's configuration has it.
const CREDIT: u64 = 8 << 20;
/// A node reports what it has stored, and gives credit back, after so many items or bytes.
const REPORT_ITEMS: u32 = 64;
const REPORT_BYTES: u64 = 1 << 20;

/// A connection with a `Submit` stream.
#[derive(Debug)]
pub(crate) struct Link {
    client: HubClient<Channel>,
    submit: UnboundedSender<v1::SubmitRequest>,
    replies: Streaming<v1::SubmitReply>,
}

/// A `Collect` stream of one agency.
#[derive(Debug)]
pub(crate) struct Collecting {
    say: UnboundedSender<v1::CollectRequest>,
    replies: Streaming<v1::CollectReply>,
    agency: Bytes,
    through: u64,
    items: u32,
    bytes: u64,
}

impl Link {
    /// Connects as a participant.
    pub(crate) async fn open(
        ground: &Ground,
        participant: &Participant,
        address: &str,
    ) -> Result<Self, BenchError> {
        let tls = ground.tls(participant)?;
        let mut client = HubClient::new(tls::connect_now(address, &tls).await?);
        let (submit, requests) = unbounded_channel();
        let replies = client
            .submit(UnboundedReceiverStream::new(requests))
            .await?;
        Ok(Self {
            client,
            submit,
            replies: replies.into_inner(),
        })
    }

    /// Opens the inbox of the participant's agency, of which nothing is stored yet.
    pub(crate) async fn collect(
        &mut self,
        participant: &Participant,
    ) -> Result<Collecting, BenchError> {
        Ok(self.open_inbox(participant, CREDIT).await?.0)
    }

    /// How many items there are in the inbox of the participant's agency.
    pub(crate) async fn inbox(&mut self, participant: &Participant) -> Result<u64, BenchError> {
        let (_, welcome) = self.open_inbox(participant, 0).await?;
        Ok(welcome.agencies.first().map_or(0, |cursor| cursor.sequence))
    }

    async fn open_inbox(
        &mut self,
        participant: &Participant,
        credit: u64,
    ) -> Result<(Collecting, v1::CollectWelcome), BenchError> {
        let (say, said) = unbounded_channel();
        let agency = Bytes::copy_from_slice(&participant.id.to_bytes());
        let open = v1::CollectOpen {
            protocol: consign_proto::PROTOCOL,
            agencies: vec![v1::Cursor {
                agency: agency.clone(),
                sequence: 0,
                digest: Bytes::new(),
            }],
            credit,
            directory: participant.signer.directory.value(),
        };
        let message = Some(Message::Open(open));
        let gone = |_| BenchError::Task;
        say.send(v1::CollectRequest { message }).map_err(gone)?;
        let replies = self.client.collect(UnboundedReceiverStream::new(said));
        let mut collecting = Collecting {
            say,
            replies: replies.await?.into_inner(),
            agency,
            through: 0,
            items: 0,
            bytes: 0,
        };
        match collecting.next().await? {
            Heard::Welcome(welcome) => Ok((collecting, welcome)),
            _ => Err(BenchError::Protocol {
                rule: "a stream begins with a welcome",
            }),
        }
    }

    /// Hands a submission over to the connection.
    pub(crate) fn submit(
        &self,
        call: u64,
        submission: &v1::EnvelopeSubmission,
    ) -> Result<(), BenchError> {
        // A copy of handles: the bytes are shared.
        let submission = v1::submit_request::Submission::Envelope(submission.clone());
        let request = v1::SubmitRequest {
            call,
            submission: Some(submission),
        };
        self.submit.send(request).map_err(|_| closed())
    }

    /// Uploads a payload of which the hub has nothing yet; gives the last reply.
    pub(crate) async fn upload(
        &mut self,
        messages: impl Iterator<Item = v1::UploadRequest> + Send + 'static,
    ) -> Result<Option<v1::UploadReply>, BenchError> {
        let replies = self.client.upload(tokio_stream::iter(messages)).await?;
        let (mut replies, mut last) = (replies.into_inner(), None);
        while let Some(reply) = replies.message().await? {
            last = Some(reply);
        }
        Ok(last)
    }

    /// Fetches a payload for the participant's agency.
    pub(crate) async fn fetch(
        &mut self,
        key: EnvelopeKey,
        participant: &Participant,
    ) -> Result<Streaming<v1::PayloadChunk>, BenchError> {
        let request = v1::FetchPayloadRequest {
            envelope: Some(consign_proto::key_message(key)),
            recipient: Bytes::copy_from_slice(&participant.id.to_bytes()),
            offset: 0,
        };
        Ok(self.client.fetch_payload(request).await?.into_inner())
    }

    /// The next answer. May be dropped and asked again.
    pub(crate) async fn reply(&mut self) -> Result<v1::SubmitReply, BenchError> {
        self.replies.message().await?.ok_or_else(closed)
    }
}

impl Collecting {
    /// What the hub says next. May be dropped and asked again.
    pub(crate) async fn next(&mut self) -> Result<Heard, BenchError> {
        let reply = self.replies.message().await?.ok_or_else(closed)?;
        reply.message.ok_or(BenchError::Protocol {
            rule: "a message says something",
        })
    }

    /// Sends a receipt.
    pub(crate) fn receipt(&self, receipt: v1::SignedStatement) -> Result<(), BenchError> {
        self.say(Message::Receipt(receipt))
    }

    /// An item has come: in the inbox's order, and told to the hub with others.
    pub(crate) fn stored(&mut self, item: &v1::Item) -> Result<(), BenchError> {
        if item.sequence != self.through + 1 {
            return Err(BenchError::Protocol {
                rule: "an inbox is one gap-free sequence",
            });
        }
        self.through = item.sequence;
        self.items += 1;
        self.bytes += cost(item);
        if self.items < REPORT_ITEMS && self.bytes < REPORT_BYTES {
            return Ok(());
        }
        let (agency, sequence) = (self.agency.clone(), self.through);
        self.say(Message::Stored(v1::Stored { agency, sequence }))?;
        let bytes = std::mem::take(&mut self.bytes);
        self.items = 0;
        self.say(Message::Credit(v1::Credit { bytes }))
    }

    fn say(&self, message: Message) -> Result<(), BenchError> {
        let message = Some(message);
        let request = v1::CollectRequest { message };
        self.say.send(request).map_err(|_| closed())
    }
}

/// The credit that an item used up.
fn cost(item: &v1::Item) -> u64 {
    let length = |signed: &Option<v1::SignedStatement>| {
        signed.as_ref().map_or(0, |signed| signed.statement.len())
    };
    let bytes = match &item.content {
        Some(Content::Envelope(envelope)) => {
            let payload = envelope.payload.as_ref().map_or(0, Bytes::len);
            length(&envelope.envelope) + length(&envelope.acceptance) + payload
        }
        Some(Content::Evidence(evidence)) => evidence.statement.len(),
        Some(Content::Status(status)) => length(&status.status) + status.text.len(),
        None => 0,
    };
    bytes as u64
}

fn closed() -> BenchError {
    tonic::Status::unavailable("the hub closed the stream").into()
}
