//! `Collect`: the inboxes of a node's agencies, item by item, and receipts for them.
//!
//! ```text
//! node                                   hub
//!  Open (agencies with cursors)  ──▶
//!                                ◀──  Welcome, then a Refusal for each agency that
//!                                     another node serves
//!                                ◀──  Item …      within credit and budget, round-robin
//!  Stored, Credit                ──▶
//!  Proof                         ──▶  of an agency that is ahead of the hub: it is behind
//!  receipt (ContentHandover)     ──▶  stored first
//!                                ◀──  Release (wrap and path), or Refusal
//!                                ◀──  DirectoryChanged, Drain
//! ```
//!
//! Three parts run side by side on one task: [`deliver`] sends items, [`receive`] takes
//! what the node says, and a watch on the directory ends the stream of a node that was
//! dropped. A newer stream for an agency takes it over: the older one is told and goes on
//! with what it has left.

mod deliver;
mod open;
mod proof;
mod receive;
#[cfg(test)]
mod tests;

use std::sync::Arc;
use std::time::Duration;

use consign_domain::{AgencyId, EnvelopeKey};
use consign_proto::v1::{self, collect_reply::Message};
use tokio::sync::{Semaphore, mpsc, watch};
use tonic::Streaming;

use crate::admit::Refused;
use crate::caller::Caller;
use crate::fences::Hold;
use crate::flow::Credit;
use crate::outgoing::Outgoing;
use crate::relay::{Relay, id_bytes};

/// Replies waiting for the transport.
pub(crate) const QUEUE: usize = 32;
/// Bytes that one stream may hold of the hub's budget for deliveries, so that a slow
/// reader meets its own bound first.
const SHARE: usize = 2 * 1024 * 1024;
/// How long a node may leave a reply untaken before its stream ends and frees what it holds.
const PATIENCE: Duration = Duration::from_secs(30);

pub(crate) type Sender = mpsc::Sender<Outgoing<v1::CollectReply>>;

/// One stream that was opened.
#[derive(Debug)]
struct Session {
    relay: Arc<Relay>,
    caller: Caller,
    hold: Hold,
    credit: Credit,
    /// What this stream may hold of the hub's budget for deliveries.
    share: Arc<Semaphore>,
    out: Sender,
    /// Newer directories than the one that the node is greeted with.
    news: watch::Receiver<u64>,
    /// Agencies are ahead of the hub, and their node may prove it.
    awaits_proof: bool,
}

/// How a stream ends.
#[derive(Debug)]
enum End {
    /// The node has gone, or has nothing left to collect here.
    Closed,
    /// The hub stops.
    Drain,
    /// With a status.
    Refused(Refused),
}

/// Serves one stream until it ends.
pub(crate) async fn serve(
    relay: Arc<Relay>,
    caller: Caller,
    mut inbound: Streaming<v1::CollectRequest>,
    out: Sender,
) {
    let (session, lanes) = match open::open(relay, caller, &mut inbound, out.clone()).await {
        Ok(opened) => opened,
        Err(refused) => {
            tracing::info!(node = %caller.node, code = %refused.code(), %refused, "stream not opened");
            // Whoever has gone does not need it.
            let _gone = out.send(Outgoing::end(refused)).await;
            return;
        }
    };
    let end = tokio::select! {
        end = Box::pin(receive::receive(&session, &mut inbound)) => end,
        end = Box::pin(deliver::deliver(&session, lanes)) => end,
        end = session.watch_directory() => end,
        () = out.closed() => End::Closed,
    };
    session.end(end).await;
}

impl Session {
    /// Sends a reply; an error says that the stream is over.
    async fn send(&self, outgoing: Outgoing<v1::CollectReply>) -> Result<(), End> {
        match self.out.send_timeout(outgoing, PATIENCE).await {
            Ok(()) => Ok(()),
            Err(_) => Err(End::Closed),
        }
    }

    async fn say(&self, message: Message) -> Result<(), End> {
        let reply = v1::CollectReply {
            message: Some(message),
        };
        self.send(Outgoing::of(reply)).await
    }

    async fn refuse(
        &self,
        envelope: Option<EnvelopeKey>,
        agency: Option<AgencyId>,
        refused: &Refused,
    ) -> Result<(), End> {
        let refusal = v1::Refusal {
            envelope: envelope.map(consign_proto::key_message),
            agency: agency.map(id_bytes).unwrap_or_default(),
            fault: Some(refused.fault()),
        };
        self.say(Message::Refusal(refusal)).await
    }

    /// Tells the node of newer directories, until one no longer lists it.
    async fn watch_directory(&self) -> End {
        let mut changes = self.news.clone();
        loop {
            if let Err(refused) = self.relay.authorise(self.caller) {
                return End::Refused(refused);
            }
            if changes.changed().await.is_err() {
                return End::Drain;
            }
            let version = *changes.borrow_and_update();
            let changed = v1::DirectoryChanged { version };
            if let Err(refused) = self.relay.authorise(self.caller) {
                return End::Refused(refused);
            }
            if let Err(end) = self.say(Message::Directory(changed)).await {
                return end;
            }
        }
    }

    async fn end(&self, end: End) {
        match end {
            End::Closed => {}
            End::Drain => {
                // The stream ends either way.
                let _gone = self.say(Message::Drain(v1::Drain {})).await;
            }
            End::Refused(refused) => {
                tracing::info!(node = %self.caller.node, code = %refused.code(), %refused, "stream ended");
                let _gone = self.send(Outgoing::end(refused)).await;
            }
        }
    }
}
