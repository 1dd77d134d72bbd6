//! A node that runs in this process, through the eyes of its local service.

use std::collections::BTreeMap;
use std::future::Future;
use std::path::{Path, PathBuf};
use std::time::Duration;

use consign_node::client;
use consign_node::run::run;
use consign_proto::v1;
use consign_proto::v1::node_client::NodeClient;
use consign_proto::v1::send_event::Event;
use consign_proto::v1::send_request::Message;
use consign_runtime::clock::Clock;
use consign_runtime::shutdown::Shutdown;
use tokio::task::JoinHandle;
use tonic::transport::Channel;
use tonic::{Status, Streaming};

/// Nothing takes longer on a machine that works.
const DEADLINE: Duration = Duration::from_secs(240);
const CHUNK: usize = 64 * 1024;

pub struct Node {
    directory: PathBuf,
    shutdown: Shutdown,
    task: JoinHandle<()>,
}

/// A document to send.
#[derive(Clone)]
pub struct Outgoing {
    open: v1::SendOpen,
    size: usize,
}

/// What became of it.
#[derive(Debug, Default)]
pub struct Sent {
    pub envelope: String,
    pub state: String,
    pub evidence: Vec<v1::EvidenceView>,
}

/// A call that is still watched.
pub struct Watching {
    events: Streaming<v1::SendEvent>,
    sent: Sent,
}

impl Outgoing {
    pub fn new(from: &str, to: &[&str], subject: &str) -> Self {
        let open = v1::SendOpen {
            agency: from.to_owned(),
            to: to.iter().map(ToString::to_string).collect(),
            subject: subject.to_owned(),
            ..v1::SendOpen::default()
        };
        Self { open, size: 0 }
    }

    /// One file of so many bytes, made as they are sent.
    pub fn file(mut self, size: usize) -> Self {
        self.size = size;
        self
    }

    pub fn under(mut self, envelope: &str) -> Self {
        envelope.clone_into(&mut self.open.envelope_id);
        self
    }

    fn requests(&self, wait: &str) -> impl Iterator<Item = v1::SendRequest> + Send + use<> {
        let mut open = self.open.clone();
        wait.clone_into(&mut open.wait);
        let size = self.size;
        let file = v1::FileOpen {
            name: "vanban.pdf".to_owned(),
            media_type: "application/pdf".to_owned(),
            title: String::new(),
            size: size as u64,
        };
        let chunks = (0..size.div_ceil(CHUNK)).map(move |place| {
            let length = CHUNK.min(size - place * CHUNK);
            Message::Chunk(noise(place, length).into())
        });
        [Message::Open(open), Message::File(file)]
            .into_iter()
            .chain(chunks)
            .map(|message| v1::SendRequest {
                message: Some(message),
            })
    }
}

/// Bytes that look like nothing that compresses, the same each time.
fn noise(place: usize, length: usize) -> Vec<u8> {
    let mut state = 0x9E37_79B9_7F4A_7C15_u64 ^ (place as u64 + 1);
    std::iter::repeat_with(|| {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        state.to_le_bytes()
    })
    .flatten()
    .take(length)
    .collect()
}

impl Watching {
    /// The next time that the node says what it waits for.
    pub async fn until_waiting(&mut self) -> String {
        loop {
            match self.next().await.unwrap() {
                Some(Event::Waiting(text)) => return text,
                Some(_) => {}
                None => panic!("ended without waiting: {:?}", self.sent),
            }
        }
    }

    pub async fn finish(mut self) -> Sent {
        while self.next().await.unwrap().is_some() {}
        self.sent
    }

    async fn next(&mut self) -> Result<Option<Event>, Status> {
        let event = in_time(self.events.message()).await?;
        let event = event.and_then(|event| event.event);
        match &event {
            Some(Event::Composed(composed)) => {
                self.sent.envelope.clone_from(&composed.envelope_id);
            }
            Some(Event::Evidence(evidence)) => self.sent.evidence.push(evidence.clone()),
            Some(Event::Done(done)) => self.sent.state.clone_from(&done.state),
            _ => {}
        }
        Ok(event)
    }
}

async fn in_time<T>(future: impl Future<Output = T>) -> T {
    tokio::time::timeout(DEADLINE, future)
        .await
        .expect("in time")
}

/// Asks until there is an answer.
async fn until<T, F: Future<Output = Option<T>>>(mut ask: impl FnMut() -> F) -> T {
    in_time(async {
        loop {
            if let Some(answer) = ask().await {
                return answer;
            }
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    })
    .await
}

impl Node {
    pub async fn start(directory: &Path, clock: Clock) -> Self {
        let shutdown = Shutdown::new();
        let (root, stop) = (directory.to_owned(), shutdown.clone());
        let task = tokio::spawn(async move { run(&root, clock, stop).await.unwrap() });
        let node = Self {
            directory: directory.to_owned(),
            shutdown,
            task,
        };
        until(|| async {
            (node.task.is_finished() || client::connect(directory).is_ok()).then_some(())
        })
        .await;
        node
    }

    pub async fn stop(self) {
        self.shutdown.trigger();
        in_time(self.task).await.unwrap();
        assert!(client::connect(&self.directory).is_err());
    }

    pub fn client(&self) -> NodeClient<Channel> {
        client::connect(&self.directory).unwrap()
    }

    pub async fn begin(&self, document: &Outgoing, wait: &str) -> Watching {
        let requests = tokio_stream::iter(document.requests(wait));
        let events = self.client().send(requests).await.unwrap().into_inner();
        let sent = Sent::default();
        Watching { events, sent }
    }

    pub async fn try_send(&self, document: &Outgoing, wait: &str) -> Result<Sent, Status> {
        let mut watching = self.begin(document, wait).await;
        while watching.next().await?.is_some() {}
        Ok(watching.sent)
    }

    pub async fn send(&self, document: &Outgoing, wait: &str) -> Sent {
        self.try_send(document, wait).await.unwrap()
    }

    pub async fn inbox(&self, agency: &str) -> Vec<v1::InboxRow> {
        let request = v1::ListRequest {
            agency: agency.to_owned(),
            limit: 200,
            ..v1::ListRequest::default()
        };
        self.client()
            .inbox(request)
            .await
            .unwrap()
            .into_inner()
            .rows
    }

    pub async fn sent(&self, agency: &str) -> Vec<v1::SentRow> {
        let request = v1::ListRequest {
            agency: agency.to_owned(),
            limit: 200,
            ..v1::ListRequest::default()
        };
        let reply = self.client().sent(request).await.unwrap();
        reply.into_inner().rows
    }

    /// The row of an envelope, once it has a verdict.
    pub async fn opened(&self, agency: &str, envelope: &str) -> v1::InboxRow {
        until(|| async {
            let rows = self.inbox(agency).await;
            let judged =
                |row: &v1::InboxRow| row.envelope_id == envelope && !row.verdict.is_empty();
            rows.into_iter().find(judged)
        })
        .await
    }

    pub async fn track(&self, agency: &str, id: &str) -> v1::TrackReply {
        let request = v1::DocumentRequest {
            agency: agency.to_owned(),
            id: id.to_owned(),
        };
        self.client().track(request).await.unwrap().into_inner()
    }

    pub async fn show(&self, agency: &str, id: &str) -> v1::DocumentReply {
        let request = v1::DocumentRequest {
            agency: agency.to_owned(),
            id: id.to_owned(),
        };
        self.client().show(request).await.unwrap().into_inner()
    }

    pub async fn export(&self, agency: &str, id: &str) -> BTreeMap<String, Vec<u8>> {
        use v1::export_part::Part;
        let request = v1::ExportRequest {
            agency: agency.to_owned(),
            id: id.to_owned(),
            names: Vec::new(),
        };
        let mut parts = self.client().export(request).await.unwrap().into_inner();
        let (mut files, mut name) = (BTreeMap::<String, Vec<u8>>::new(), String::new());
        while let Some(part) = in_time(parts.message()).await.unwrap() {
            match part.part.unwrap() {
                Part::File(file) => name = file.name,
                Part::Chunk(chunk) => files.entry(name.clone()).or_default().extend(&chunk),
            }
        }
        files
    }

    /// The status, once the connection is as wanted.
    pub async fn connection(&self, wanted: &str) -> v1::StatusReply {
        until(|| async {
            let status = self.status().await;
            (status.connection == wanted).then_some(status)
        })
        .await
    }

    /// Returns when an agency's inbox has so many documents.
    pub async fn has_received(&self, agency: &str, documents: usize) {
        until(|| async { (self.inbox(agency).await.len() >= documents).then_some(()) }).await;
    }

    /// Returns when the node has this version of the directory.
    pub async fn has_directory(&self, version: u64) {
        until(|| async { (self.status().await.directory_version == version).then_some(()) }).await;
    }

    pub async fn status(&self) -> v1::StatusReply {
        let status = self.client().status(v1::StatusRequest {}).await;
        status.unwrap().into_inner()
    }
}
