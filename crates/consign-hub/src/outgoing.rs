//! Replies on their way out, with their share of the delivery budget, which is given
//! back when the transport takes them.

use std::pin::Pin;
use std::task::{Context, Poll};

use tokio::sync::{OwnedSemaphorePermit, mpsc};
use tokio_stream::Stream;
use tonic::Status;

use crate::admit::Refused;

/// Shares of the budgets that a reply counts against: the hub's, and its stream's.
#[derive(Debug)]
pub(crate) struct Held {
    hub: OwnedSemaphorePermit,
    stream: Option<OwnedSemaphorePermit>,
}

impl Held {
    /// Shares of the hub's budget and, where one stream may hold but a part of it, of
    /// the stream's.
    pub(crate) const fn new(
        hub: OwnedSemaphorePermit,
        stream: Option<OwnedSemaphorePermit>,
    ) -> Self {
        Self { hub, stream }
    }

    /// Takes so many bytes out; all that there are, if there are fewer.
    pub(crate) fn split(&mut self, bytes: usize) -> Option<Self> {
        let part =
            |permit: &mut OwnedSemaphorePermit| permit.split(bytes.min(permit.num_permits()));
        Some(Self {
            hub: part(&mut self.hub)?,
            stream: self.stream.as_mut().and_then(part),
        })
    }
}

/// A reply, or the status that ends the stream.
#[derive(Debug)]
pub(crate) struct Outgoing<T> {
    reply: Result<T, Status>,
    held: Option<Held>,
}

impl<T> Outgoing<T> {
    /// A reply that weighs nothing.
    pub(crate) const fn of(reply: T) -> Self {
        Self {
            reply: Ok(reply),
            held: None,
        }
    }

    /// A reply with its share of the budget.
    pub(crate) const fn holding(reply: T, held: Option<Held>) -> Self {
        Self {
            reply: Ok(reply),
            held,
        }
    }

    /// The end of the stream.
    pub(crate) fn end(refused: Refused) -> Self {
        Self {
            reply: Err(refused.into()),
            held: None,
        }
    }

    /// Whether the stream ends with it.
    pub(crate) const fn is_end(&self) -> bool {
        self.reply.is_err()
    }

    /// Its share of the budget, in bytes.
    pub(crate) fn held(&self) -> usize {
        self.held.as_ref().map_or(0, |held| held.hub.num_permits())
    }
}

/// What tonic sends: the replies of a channel.
#[derive(Debug)]
pub(crate) struct Replies<T>(pub(crate) mpsc::Receiver<Outgoing<T>>);

impl<T> Stream for Replies<T> {
    type Item = Result<T, Status>;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        self.0
            .poll_recv(cx)
            .map(|outgoing| outgoing.map(|outgoing| outgoing.reply))
    }
}
