//! Replies on their way out, with their share of the delivery budget, which is given
//! back when the transport takes them.

use std::pin::Pin;
use std::task::{Context, Poll};

use tokio::sync::{OwnedSemaphorePermit, mpsc};
use tokio_stream::Stream;
use tonic::Status;

use crate::admit::Refused;

/// A reply, or the status that ends the stream.
#[derive(Debug)]
pub(crate) struct Outgoing<T> {
    reply: Result<T, Status>,
    held: Option<OwnedSemaphorePermit>,
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
    pub(crate) const fn holding(reply: T, held: Option<OwnedSemaphorePermit>) -> Self {
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
        self.held
            .as_ref()
            .map_or(0, OwnedSemaphorePermit::num_permits)
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
