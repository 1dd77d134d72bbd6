//! A hub that answers for its directory what a test has it answer.

use std::collections::VecDeque;
use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::{Arc, Mutex};

use consign_domain::{ErrorCode, SignedStatement};
use consign_proto::v1::directory_reply::Message;
use consign_proto::v1::hub_client::HubClient;
use consign_proto::v1::hub_server::{Hub, HubServer};
use consign_proto::v1::{self, DirectoryReply, DirectoryRequest};
use consign_proto::{signed_message, status_from_code};
use tokio::task::JoinHandle;
use tokio_stream::Stream;
use tonic::transport::server::TcpIncoming;
use tonic::transport::{Channel, Server};
use tonic::{Request, Response, Status, Streaming};

/// One answer.
#[derive(Debug)]
pub(super) enum Reply {
    /// The node has the newest.
    Current,
    /// This version, whole.
    Whole(Box<SignedStatement>, Vec<u8>),
    /// Not now.
    Busy,
}

impl Reply {
    pub(super) fn whole((head, entries): (SignedStatement, Vec<u8>)) -> Self {
        Self::Whole(Box::new(head), entries)
    }
}

#[derive(Debug, Default)]
struct Script {
    replies: VecDeque<Reply>,
    asked: usize,
}

#[derive(Debug)]
pub(super) struct StandIn {
    script: Arc<Mutex<Script>>,
    address: SocketAddr,
    served: JoinHandle<()>,
}

impl StandIn {
    /// Serves these answers, one after the other.
    pub(super) async fn serve(replies: Vec<Reply>) -> Self {
        let script = Arc::new(Mutex::new(Script {
            replies: replies.into(),
            asked: 0,
        }));
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let service = HubServer::new(Service(Arc::clone(&script)));
        let serving = Server::builder()
            .add_service(service)
            .serve_with_incoming(TcpIncoming::from(listener));
        let served = tokio::spawn(async move { serving.await.unwrap() });
        Self {
            script,
            address,
            served,
        }
    }

    pub(super) fn client(&self) -> HubClient<Channel> {
        let address = format!("http://{}", self.address);
        HubClient::new(Channel::from_shared(address).unwrap().connect_lazy())
    }

    /// How often it was asked for its directory.
    pub(super) fn asked(&self) -> usize {
        self.script.lock().unwrap().asked
    }
}

impl Drop for StandIn {
    fn drop(&mut self) {
        self.served.abort();
    }
}

struct Service(Arc<Mutex<Script>>);

type Replies<T> = Pin<Box<dyn Stream<Item = Result<T, Status>> + Send>>;
type Answer<T> = Result<Response<T>, Status>;

fn none<T>() -> Answer<T> {
    Err(Status::unimplemented("only the directory is here"))
}

#[tonic::async_trait]
impl Hub for Service {
    type SubmitStream = Replies<v1::SubmitReply>;
    type CollectStream = Replies<v1::CollectReply>;
    type UploadStream = Replies<v1::UploadReply>;
    type FetchPayloadStream = Replies<v1::PayloadChunk>;
    type DirectoryStream = Replies<DirectoryReply>;

    async fn directory(&self, _: Request<DirectoryRequest>) -> Answer<Self::DirectoryStream> {
        let reply = {
            let mut script = self.0.lock().unwrap();
            script.asked += 1;
            script.replies.pop_front().unwrap()
        };
        let messages = match reply {
            Reply::Current => vec![Message::Current(true)],
            Reply::Whole(head, entries) => vec![
                Message::Head(signed_message(&head)),
                Message::Entries(entries.into()),
            ],
            Reply::Busy => {
                let busy = status_from_code(ErrorCode::Busy, "busy".to_owned());
                return Err(busy);
            }
        };
        let replies = messages.into_iter().map(|message| {
            let message = Some(message);
            Ok(DirectoryReply { message })
        });
        let replies: Vec<_> = replies.collect();
        Ok(Response::new(Box::pin(tokio_stream::iter(replies))))
    }

    async fn submit(&self, _: Request<Streaming<v1::SubmitRequest>>) -> Answer<Self::SubmitStream> {
        none()
    }

    async fn collect(
        &self,
        _: Request<Streaming<v1::CollectRequest>>,
    ) -> Answer<Self::CollectStream> {
        none()
    }

    async fn upload(&self, _: Request<Streaming<v1::UploadRequest>>) -> Answer<Self::UploadStream> {
        none()
    }

    async fn fetch_payload(
        &self,
        _: Request<v1::FetchPayloadRequest>,
    ) -> Answer<Self::FetchPayloadStream> {
        none()
    }

    async fn time_stamp(&self, _: Request<v1::TimeStampRequest>) -> Answer<v1::TimeStampReply> {
        none()
    }
}
