//! The gRPC service: every call begins in [`Relay::enter`], every task is owned.

use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use consign_domain::DirectoryVersion;
use consign_proto::v1::{self, directory_reply, hub_server};
use consign_verify::Directory;
use tokio::sync::mpsc;
use tokio_stream::wrappers::ReceiverStream;
use tokio_stream::{Stream, StreamExt as _};
use tonic::{Request, Response, Status, Streaming};
use tracing::field::Empty;
use tracing::{Instrument as _, info_span};

use crate::outgoing::Replies;
use crate::relay::Relay;
use crate::{collect, fetch, submit, upload};

/// Answers waiting for the transport.
const ANSWERS: usize = 64;
/// Pieces of a payload waiting for the transport.
const PIECES: usize = 2;
/// How long the transport may take for what is left when a call has ended.
const UNTAKEN: Duration = Duration::from_secs(30);
/// Entries sent in one message.
const ENTRIES: usize = 256 * 1024;

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
        let directory = self.0.directories.current();
        let newer = DirectoryVersion::new(request.into_inner().have)
            .map_or(true, |have| have < directory.version());
        let messages = Messages {
            directory,
            next: if newer { Next::Head } else { Next::Current },
        };
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

/// A directory as messages, made as they are wanted.
struct Messages {
    directory: Arc<Directory>,
    next: Next,
}

enum Next {
    Current,
    Head,
    Entries(usize),
    Nothing,
}

impl Iterator for Messages {
    type Item = directory_reply::Message;

    fn next(&mut self) -> Option<Self::Item> {
        match self.next {
            Next::Current => {
                self.next = Next::Nothing;
                Some(directory_reply::Message::Current(true))
            }
            Next::Head => {
                self.next = Next::Entries(0);
                let head = consign_proto::signed_message(self.directory.signed_head());
                Some(directory_reply::Message::Head(head))
            }
            Next::Entries(from) => {
                let lines = whole_lines(self.directory.entries().get(from..)?, ENTRIES);
                if lines.is_empty() {
                    return None;
                }
                self.next = Next::Entries(from + lines.len());
                let lines = Bytes::copy_from_slice(lines);
                Some(directory_reply::Message::Entries(lines))
            }
            Next::Nothing => None,
        }
    }
}

/// As many whole lines as fit into `most` bytes, and at least one.
fn whole_lines(entries: &[u8], most: usize) -> &[u8] {
    let end_of_line = |byte: &u8| *byte == b'\n';
    let window = entries.get(..most).unwrap_or(entries);
    let end = if window.len() == entries.len() {
        entries.len()
    } else {
        match window.iter().rposition(end_of_line) {
            Some(last) => last + 1,
            None => entries
                .iter()
                .position(end_of_line)
                .map_or(entries.len(), |first| first + 1),
        }
    };
    entries.get(..end).unwrap_or(entries)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn entries_travel_in_whole_lines() {
        let entries = b"aaaa\nbb\ncccccc\n";
        let mut rest: &[u8] = entries;
        let mut pieces = Vec::new();
        while !rest.is_empty() {
            let piece = whole_lines(rest, 8);
            pieces.push(piece);
            rest = &rest[piece.len()..];
        }
        assert_eq!(pieces, [&b"aaaa\nbb\n"[..], b"cccccc\n"]);
        assert_eq!(whole_lines(b"aaaaaaaaaaaa\nb\n", 4), b"aaaaaaaaaaaa\n");
    }
}
