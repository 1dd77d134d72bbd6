//! The node's local service (`node.proto`), on a socket that only the node's user may open.
//!
//! Reads come from the index, bytes from the files, and nothing here decides anything: what is
//! sent goes through the outbox, what was received is shown. Answers that fail carry a code, the
//! cause and what to do.

mod archives;
mod export;
mod select;
mod send;
mod status;
mod view;

use std::sync::Arc;

use consign_domain::ErrorCode;
use consign_proto::status_from_code;
use consign_proto::v1::{self, node_server};
use consign_runtime::shutdown::Tasks;
use tokio::sync::mpsc;
use tokio_stream::wrappers::ReceiverStream;
use tonic::{Request, Response, Status, Streaming};

use crate::error::NodeError;
use crate::folder::Folder;
use crate::index::{DocumentRow, IndexError, ListQuery};
use crate::office::{Desk, Office};
use crate::renewal;

/// Messages between the work and the caller.
const WAITING: usize = 8;

/// The service over a running node.
#[derive(Debug, Clone)]
pub(crate) struct Service {
    office: Arc<Office>,
    tasks: Tasks,
}

type Reply<T> = Result<Response<T>, Status>;

impl Service {
    pub(crate) const fn new(office: Arc<Office>, tasks: Tasks) -> Self {
        Self { office, tasks }
    }

    fn desk(&self, agency: &str) -> Result<&Arc<Desk>, Status> {
        select::desk(&self.office, agency)
    }
}

#[tonic::async_trait]
impl node_server::Node for Service {
    type SendStream = ReceiverStream<Result<v1::SendEvent, Status>>;
    type ExportStream = ReceiverStream<Result<v1::ExportPart, Status>>;
    type RenewArchivesStream = ReceiverStream<Result<v1::ArchiveView, Status>>;

    async fn send(&self, request: Request<Streaming<v1::SendRequest>>) -> Reply<Self::SendStream> {
        let (events, stream) = mpsc::channel(WAITING);
        let (office, shutdown) = (Arc::clone(&self.office), self.tasks.shutdown().clone());
        let requests = request.into_inner();
        self.tasks.spawn("send", async move {
            let sent = tokio::select! {
                sent = Box::pin(send::send(&office, requests, &events)) => sent,
                () = shutdown.wait() => Err(stopping()),
                () = events.closed() => return,
            };
            if let Err(status) = sent {
                // Whoever has gone does not need it.
                let _ = events.send(Err(status)).await;
            }
        });
        Ok(Response::new(ReceiverStream::new(stream)))
    }

    async fn inbox(&self, request: Request<v1::ListRequest>) -> Reply<v1::InboxReply> {
        let request = request.into_inner();
        let desk = self.desk(&request.agency)?;
        let (index, query) = (Arc::clone(&self.office.index), query(request));
        let page = self
            .office
            .at_desk(desk, move |desk, _| index.received(desk.id(), &query));
        let page = page.await.map_err(index_status)?;
        let code = select::code(&self.office, desk);
        let rows = page.rows.into_iter();
        Ok(Response::new(v1::InboxReply {
            rows: rows.map(|row| view::inbox_row(&code, row)).collect(),
            next: page.next,
        }))
    }

    async fn sent(&self, request: Request<v1::ListRequest>) -> Reply<v1::SentReply> {
        let request = request.into_inner();
        let desk = self.desk(&request.agency)?;
        let (index, query) = (Arc::clone(&self.office.index), query(request));
        let page = self
            .office
            .at_desk(desk, move |desk, _| index.sent(desk.id(), &query));
        let page = page.await.map_err(index_status)?;
        let rows = page.rows.into_iter();
        Ok(Response::new(v1::SentReply {
            rows: rows
                .map(|row| view::sent_row(&self.office, desk, row))
                .collect(),
            next: page.next,
        }))
    }

    async fn show(&self, request: Request<v1::DocumentRequest>) -> Reply<v1::DocumentReply> {
        let request = request.into_inner();
        let desk = self.desk(&request.agency)?;
        let (office, id) = (Arc::clone(&self.office), request.id);
        let shown = self.office.at_desk(desk, move |desk, context| {
            view::document(&office, desk, context, &id)
        });
        shown.await.map(Response::new)
    }

    async fn track(&self, request: Request<v1::DocumentRequest>) -> Reply<v1::TrackReply> {
        let request = request.into_inner();
        let desk = self.desk(&request.agency)?;
        let (index, id) = (Arc::clone(&self.office.index), request.id);
        let tracked = self.office.at_desk(desk, move |desk, _| {
            let DocumentRow::Sent(row) = index.find(desk.id(), &id)? else {
                return Err(IndexError::NotFound { id });
            };
            let recipients = index.recipients(desk.id(), row.envelope_id)?;
            let folder = || desk.agency.outbox().folder(row.envelope_id);
            let stamped = select::steady(folder, Folder::stamped)?;
            Ok((row, recipients, stamped))
        });
        let (row, recipients, stamped) = tracked.await.map_err(index_status)?;
        Ok(Response::new(v1::TrackReply {
            row: Some(view::sent_row(&self.office, desk, row)),
            recipients: recipients.into_iter().map(view::recipient).collect(),
            time_stamp: Some(view::time_stamp(stamped)),
        }))
    }

    async fn export(&self, request: Request<v1::ExportRequest>) -> Reply<Self::ExportStream> {
        let request = request.into_inner();
        let desk = self.desk(&request.agency)?;
        let (index, id, names) = (Arc::clone(&self.office.index), request.id, request.names);
        let listed = self.office.at_desk(desk, move |desk, _| {
            let row = index.find(desk.id(), &id).map_err(index_status)?;
            let files = select::steady(|| select::folder(desk, &row), |folder| folder.export());
            files.map(|files| (row, files)).map_err(node_status)
        });
        let (row, mut files) = listed.await?;
        files.retain(|file| names.is_empty() || names.contains(&file.name));
        let desk = Arc::clone(desk);
        let export = export::Export { desk, row, files };
        let (parts, stream) = mpsc::channel(WAITING);
        tokio::task::spawn_blocking(move || export::export(&export, &parts));
        Ok(Response::new(ReceiverStream::new(stream)))
    }

    async fn status(&self, _request: Request<v1::StatusRequest>) -> Reply<v1::StatusReply> {
        Ok(Response::new(status::status(&self.office).await))
    }

    async fn renew_keys(
        &self,
        _request: Request<v1::RenewKeysRequest>,
    ) -> Reply<v1::RenewKeysReply> {
        let renewed = renewal::renew(&self.office).await;
        let version = renewed.map_err(|fault| told(fault.code(), &fault))?;
        Ok(Response::new(v1::RenewKeysReply {
            directory_version: version.value(),
        }))
    }

    async fn renew_archives(
        &self,
        request: Request<v1::RenewArchivesRequest>,
    ) -> Reply<Self::RenewArchivesStream> {
        let request = request.into_inner();
        let rows = archives::choose(&self.office, &request).await?;
        let (views, stream) = mpsc::channel(WAITING);
        let (office, shutdown) = (Arc::clone(&self.office), self.tasks.shutdown().clone());
        self.tasks.spawn("renew archives", async move {
            let renewed = tokio::select! {
                () = Box::pin(archives::renew(&office, &request, rows, &views)) => Ok(()),
                () = shutdown.wait() => Err(stopping()),
                () = views.closed() => return,
            };
            if let Err(status) = renewed {
                // Whoever has gone does not need it.
                let _ = views.send(Err(status)).await;
            }
        });
        Ok(Response::new(ReceiverStream::new(stream)))
    }

    async fn show_directory(
        &self,
        _request: Request<v1::ShowDirectoryRequest>,
    ) -> Reply<v1::ShowDirectoryReply> {
        let directory = self.office.keeper.newest();
        Ok(Response::new(v1::ShowDirectoryReply {
            version: directory.version().value(),
            issued: directory.head().time.to_string(),
            expires: directory.head().expires.to_string(),
            entries: bytes::Bytes::copy_from_slice(directory.entries()),
        }))
    }
}

fn query(request: v1::ListRequest) -> ListQuery {
    ListQuery {
        search: request.search,
        limit: request.limit,
        after: request.after,
    }
}

/// An error as a person reads it: what it says and what is at its root.
fn told(code: ErrorCode, error: &dyn std::error::Error) -> Status {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(inner) = source {
        let more = inner.to_string();
        if !text.contains(&more) {
            text = format!("{text}: {more}");
        }
        source = inner.source();
    }
    if code == ErrorCode::Internal {
        tracing::error!(%code, cause = text, "a local call failed");
    }
    status_from_code(code, text)
}

// By value, so that they serve `map_err` as they are.
#[expect(clippy::needless_pass_by_value, reason = "for map_err")]
fn index_status(error: IndexError) -> Status {
    told(error.code(), &error)
}

#[expect(clippy::needless_pass_by_value, reason = "for map_err")]
fn node_status(error: NodeError) -> Status {
    told(error.code(), &error)
}

fn stopping() -> Status {
    status_from_code(
        ErrorCode::Draining,
        "the node is stopping; what was composed goes on when it runs again",
    )
}
