//! The gRPC service: every call begins in [`Relay::enter`], every task is owned.

use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use consign_proto::v1::{self, directory_reply, hub_server};
use tokio::sync::mpsc;
use tokio_stream::wrappers::ReceiverStream;
use tokio_stream::{Stream, StreamExt as _};
use tonic::{Request, Response, Status, Streaming};
use tracing::field::Empty;
use tracing::{Instrument as _, info_span};

use crate::directory::{Asked, DirectoryFault, Messages};
use crate::outgoing::Replies;
use crate::relay::Relay;
use crate::{collect, fetch, submit, upload};

/// Answers waiting for the transport.
const ANSWERS: usize = 64;
/// Pieces of a payload waiting for the transport.
const PIECES: usize = 2;
/// How long the transport may take for what is left when a call has ended.
const UNTAKEN: Duration = Duration::from_secs(30);

/// The service over the shared state.
#[derive(Debug, Clone)]
pub(crate) struct Service(pub(crate) Arc<Relay>);

type Reply<T> = Result<Response<T>, Status>;

#[tonic::async_trait]
impl hub_server::Hub for Service {
    type SubmitStream = ReceiverStream<Result<v1::SubmitReply, Status>>;
    type CollectStream = Replies<v1::CollectReply>;
    type UploadStream = ReceiverStream<Result<v1::UploadReply, Status>>;
    type FetchPayloadStream = Replies<v1::PayloadChunk>;
    type DirectoryStream = Pin<Box<dyn Stream<Item = Result<v1::DirectoryReply, Status>> + Send>>;

    async fn submit(
        &self,
        request: Request<Streaming<v1::SubmitRequest>>,
    ) -> Reply<Self::SubmitStream> {
        let (caller, call) = self.0.enter(request.extensions())?;
        let (out, replies) = mpsc::channel(ANSWERS);
        let relay = Arc::clone(&self.0);
        let serve = submit::serve(relay, caller, request.into_inner(), out);
        self.0.tasks.spawn("submit", async move {
            let _call = call;
            Box::pin(serve).await;
        });
        Ok(Response::new(ReceiverStream::new(replies)))
    }

    async fn collect(
        &self,
        request: Request<Streaming<v1::CollectRequest>>,
    ) -> Reply<Self::CollectStream> {
        let (caller, call) = self.0.enter(request.extensions())?;
        let (out, replies) = mpsc::channel(collect::QUEUE);
        let (replies, untaken) = Replies::new(replies);
        let relay = Arc::clone(&self.0);
        let serve = collect::serve(relay, caller, request.into_inner(), out);
        let shutdown = self.0.shutdown().clone();
        self.0.tasks.spawn("collect", async move {
            let _call = call;
            Box::pin(serve).await;
            tokio::select! {
                () = untaken.let_go(UNTAKEN) => {}
                () = shutdown.wait() => {}
            }
        });
        Ok(Response::new(replies))
    }

    async fn upload(
        &self,
        request: Request<Streaming<v1::UploadRequest>>,
    ) -> Reply<Self::UploadStream> {
        let (caller, call) = self.0.enter(request.extensions())?;
        let (out, replies) = mpsc::channel(PIECES);
        let span = info_span!(
            "upload",
            node = %caller.node,
            envelope_id = Empty,
            agency = Empty
        );
        let serve = upload::serve(Arc::clone(&self.0), caller, request.into_inner(), out);
        let serve = async move {
            let _call = call;
            Box::pin(serve).await;
        };
        self.0.tasks.spawn("upload", serve.instrument(span));
        Ok(Response::new(ReceiverStream::new(replies)))
    }

    async fn fetch_payload(
        &self,
        request: Request<v1::FetchPayloadRequest>,
    ) -> Reply<Self::FetchPayloadStream> {
        let (caller, call) = self.0.enter(request.extensions())?;
        let fetch = fetch::open(&self.0, caller, request.into_inner()).await?;
        let (out, replies) = mpsc::channel(PIECES);
        let (replies, untaken) = Replies::new(replies);
        let send = fetch::send(Arc::clone(&self.0), fetch, out);
        let shutdown = self.0.shutdown().clone();
        self.0.tasks.spawn("fetch", async move {
            let _call = call;
            Box::pin(send).await;
            tokio::select! {
                () = untaken.let_go(UNTAKEN) => {}
                () = shutdown.wait() => {}
            }
        });
        Ok(Response::new(replies))
    }

    async fn directory(
        &self,
        request: Request<v1::DirectoryRequest>,
    ) -> Reply<Self::DirectoryStream> {
        let (_, call) = self.0.enter(request.extensions())?;
        let asked = Asked::of(&request.into_inner());
        let fault = |fault: DirectoryFault| {
            consign_proto::status_from_code(fault.code(), fault.to_string())
        };
        let update = self.0.directories.update(asked).await.map_err(fault)?;
        let current = update.is_none();
        let current = current.then_some(directory_reply::Message::Current(true));
        let messages = update.map(Messages::new).into_iter().flatten();
        let messages = current.into_iter().chain(messages);
        let replies = tokio_stream::iter(messages).map(move |message| {
            let _call = &call;
            let message = Some(message);
            Ok(v1::DirectoryReply { message })
        });
        Ok(Response::new(Box::pin(replies)))
    }

    async fn time_stamp(
        &self,
        request: Request<v1::TimeStampRequest>,
    ) -> Reply<v1::TimeStampReply> {
        let (caller, _call) = self.0.enter(request.extensions())?;
        let answer = self.0.time_stamp(caller, request.into_inner().query);
        let answer = answer.await?.into();
        Ok(Response::new(v1::TimeStampReply { answer }))
    }
}
