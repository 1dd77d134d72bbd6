//! Threads that check: signatures, digests and look-ups, away from the async threads.
//!
//! A few threads of our own and not the runtime's pool: they are as many as there are
//! processors to keep busy, they take what waits in the order of [`Turns`], and under
//! load a check costs no thread a sleep and a wake. Invariants: what waits is bounded,
//! in all and for each node; a check that panics ends alone.

use std::fmt;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};

use consign_domain::NodeId;
use tokio::sync::oneshot;
use tracing::error;

use super::Refused;
use super::turns::{Class, Turns};
use crate::flow::Shares;

/// Most checks that wait; submissions among them are bounded in bytes before.
const WAITING: usize = 65_536;

type Job = Box<dyn FnOnce() + Send>;

struct Queue {
    turns: Turns<Job>,
    /// Threads that sleep.
    idle: usize,
    closed: bool,
}

struct Shared {
    queue: Mutex<Queue>,
    ready: Condvar,
    places: Arc<Shares>,
}

/// The threads; they end when this is dropped and nothing waits any more.
pub(super) struct Checkers(Arc<Shared>);

impl fmt::Debug for Checkers {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Checkers").finish_non_exhaustive()
    }
}

impl Checkers {
    /// Starts as many threads as there are processors, and one more for when one of them
    /// waits for the disk.
    pub(super) fn start() -> Self {
        let processors = std::thread::available_parallelism().map_or(2, usize::from);
        Self::with_threads(processors + 1)
    }

    fn with_threads(threads: usize) -> Self {
        let shared = Arc::new(Shared {
            queue: Mutex::new(Queue {
                turns: Turns::new(),
                idle: 0,
                closed: false,
            }),
            ready: Condvar::new(),
            places: Arc::new(Shares::new(WAITING)),
        });
        for number in 0..threads {
            let own = Arc::clone(&shared);
            let thread = std::thread::Builder::new().name(format!("hub-check-{number}"));
            if let Err(fault) = thread.spawn(move || own.work()) {
                // Whoever asks is answered Draining when there is none at all.
                error!(%fault, "a thread for checks cannot be started");
            }
        }
        Self(shared)
    }

    /// Runs a check when it is its node's turn.
    pub(super) async fn run<T: Send + 'static>(
        &self,
        class: Class,
        node: NodeId,
        check: impl FnOnce() -> Result<T, Refused> + Send + 'static,
    ) -> Result<T, Refused> {
        let (answer, answered) = oneshot::channel();
        let place = self.0.places.take(node, 1).ok_or(Refused::Busy)?;
        let job = Box::new(move || {
            drop(place);
            // Whoever asked may have gone.
            if !answer.is_closed() {
                drop(answer.send(check()));
            }
        });
        self.0.push(class, node, job);
        // A check that panicked has said so; the runtime may be closing.
        answered.await.unwrap_or(Err(Refused::Draining))
    }
}

impl Drop for Checkers {
    fn drop(&mut self) {
        self.0.queue().closed = true;
        self.0.ready.notify_all();
    }
}

impl Shared {
    fn queue(&self) -> MutexGuard<'_, Queue> {
        self.queue.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn push(&self, class: Class, node: NodeId, job: Job) {
        let mut queue = self.queue();
        queue.turns.push(class, node, job);
        let wake = queue.idle > 0;
        drop(queue);
        if wake {
            self.ready.notify_one();
        }
    }

    fn work(&self) {
        while let Some(job) = self.next() {
            if catch_unwind(AssertUnwindSafe(job)).is_err() {
                error!("a check has failed; its caller is told to come back");
            }
        }
    }

    /// Waits for the next check; `None` at the end.
    fn next(&self) -> Option<Job> {
        let mut queue = self.queue();
        loop {
            if let Some(job) = queue.turns.pop() {
                return Some(job);
            }
            if queue.closed {
                return None;
            }
            queue.idle += 1;
            queue = self
                .ready
                .wait(queue)
                .unwrap_or_else(PoisonError::into_inner);
            queue.idle -= 1;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn node(number: u8) -> NodeId {
        NodeId::from_bytes([number; 16]).unwrap()
    }

    #[tokio::test]
    async fn an_urgent_check_and_another_node_overtake_a_queue() {
        let checkers = Checkers::with_threads(1);
        let (go, gate) = std::sync::mpsc::channel::<()>();
        let order = Arc::new(Mutex::new(Vec::new()));
        let note = |name: &'static str| {
            let order = Arc::clone(&order);
            move || {
                order.lock().unwrap().push(name);
                Ok(())
            }
        };
        let (flooder, other) = (node(1), node(2));
        let held = checkers.run(Class::Ordinary, flooder, move || {
            gate.recv().map_err(|_| Refused::Draining)
        });
        let flood = (0..50).map(|_| checkers.run(Class::Ordinary, flooder, note("flood")));
        let flood = futures_util::future::join_all(flood);
        let another = checkers.run(Class::Ordinary, other, note("other"));
        let urgent = checkers.run(Class::Urgent, other, note("urgent"));
        // Joined futures are polled in this order, so that the flood waits first.
        let opened = async { go.send(()).unwrap() };
        let all = async { tokio::join!(held, flood, another, urgent, opened) };
        let all = tokio::time::timeout(std::time::Duration::from_secs(20), all).await;
        let (held, flood, another, urgent, ()) = all.expect("every check runs");
        assert!(held.is_ok() && another.is_ok() && urgent.is_ok());
        assert!(flood.iter().all(Result::is_ok));
        let order = order.lock().unwrap();
        assert_eq!(order.len(), 52);
        let place = |name| order.iter().position(|other| *other == name).unwrap();
        assert!(place("urgent") < 2, "{order:?}");
        assert!(place("other") < 4, "{order:?}");
    }

    #[tokio::test]
    async fn a_check_that_panics_ends_alone() {
        let checkers = Checkers::with_threads(1);
        let failed = checkers.run(Class::Receipt, node(1), || -> Result<(), _> {
            panic!("a test")
        });
        assert!(matches!(failed.await, Err(Refused::Draining)));
        let next = checkers.run(Class::Receipt, node(1), || Ok(7)).await;
        assert!(matches!(next, Ok(7)));
    }

    #[tokio::test]
    async fn threads_end_when_nobody_asks_any_more() {
        let checkers = Checkers::with_threads(2);
        assert!(
            checkers
                .run(Class::Receipt, node(1), || Ok(()))
                .await
                .is_ok()
        );
        let shared = Arc::downgrade(&checkers.0);
        drop(checkers);
        while shared.strong_count() > 0 {
            tokio::task::yield_now().await;
        }
    }
}
