//! Replies on their way out, with their share of the delivery budget, which is given
//! back when the transport takes them.

use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll};
use std::time::Duration;

use tokio::sync::{Notify, OwnedSemaphorePermit, mpsc};
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
pub(crate) struct Replies<T>(Arc<Queue<T>>);

/// The same replies, for whoever made them.
#[derive(Debug)]
pub(crate) struct Untaken<T>(Arc<Queue<T>>);

#[derive(Debug)]
struct Queue<T> {
    replies: Mutex<mpsc::Receiver<Outgoing<T>>>,
    /// The transport has taken all that it will.
    over: Notify,
}

impl<T> Replies<T> {
    pub(crate) fn new(replies: mpsc::Receiver<Outgoing<T>>) -> (Self, Untaken<T>) {
        let queue = Arc::new(Queue {
            replies: Mutex::new(replies),
            over: Notify::new(),
        });
        (Self(Arc::clone(&queue)), Untaken(queue))
    }
}

impl<T> Untaken<T> {
    /// Waits until the transport has taken what is left, no longer than `patience`; then the
    /// rest is dropped, with its share of the budgets. A node that does not read may keep its
    /// stream, and nothing that others need.
    pub(crate) async fn let_go(self, patience: Duration) {
        let taken = tokio::time::timeout(patience, self.0.over.notified());
        if taken.await.is_err() {
            let mut replies = self.0.lock();
            replies.close();
            while replies.try_recv().is_ok() {}
        }
    }
}

impl<T> Queue<T> {
    fn lock(&self) -> MutexGuard<'_, mpsc::Receiver<Outgoing<T>>> {
        self.replies.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl<T> Stream for Replies<T> {
    type Item = Result<T, Status>;

    fn poll_next(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        let polled = self.0.lock().poll_recv(cx);
        if let Poll::Ready(None) = polled {
            self.0.over.notify_one();
        }
        polled.map(|outgoing| outgoing.map(|outgoing| outgoing.reply))
    }
}

impl<T> Drop for Replies<T> {
    fn drop(&mut self) {
        // Whoever still makes replies learns that nobody takes them.
        self.0.lock().close();
        self.0.over.notify_one();
    }
}

#[cfg(test)]
mod tests {
    use tokio::sync::Semaphore;
    use tokio_stream::StreamExt as _;

    use super::*;

    #[tokio::test]
    async fn what_is_not_taken_holds_nothing_for_long() {
        let budget = Arc::new(Semaphore::new(10));
        let (out, replies) = mpsc::channel(2);
        let (mut replies, untaken) = Replies::new(replies);
        for reply in [1, 2] {
            let hub = Arc::clone(&budget).acquire_many_owned(5).await.unwrap();
            let held = Some(Held::new(hub, None));
            out.send(Outgoing::holding(reply, held)).await.unwrap();
        }
        assert_eq!(replies.next().await.unwrap().unwrap(), 1);
        drop(out);
        untaken.let_go(Duration::from_millis(10)).await;
        assert_eq!(budget.available_permits(), 10);
        assert!(replies.next().await.is_none());
    }

    #[tokio::test]
    async fn what_is_taken_is_waited_for() {
        let (out, replies) = mpsc::channel(2);
        let (mut replies, untaken) = Replies::new(replies);
        out.send(Outgoing::of(1)).await.unwrap();
        drop(out);
        let let_go = tokio::spawn(untaken.let_go(Duration::from_secs(3_600)));
        assert_eq!(replies.next().await.unwrap().unwrap(), 1);
        assert!(replies.next().await.is_none());
        let_go.await.unwrap();
    }
}
