//! Stopping: who asks for it, who waits for it, and what still runs at the deadline.
//!
//! Invariants: every task has a name and an owner, the [`Tasks`] it was spawned on; a task that
//! panics is logged once by name and stops the process, because its part of the work is no longer
//! done; [`Tasks::drain`] returns by its deadline and aborts what still runs then.

#[cfg(test)]
mod tests;

use std::any::Any;
use std::collections::{BTreeMap, BTreeSet};
use std::future::Future;
use std::io;
use std::panic::AssertUnwindSafe;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use futures_util::FutureExt as _;
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::oneshot;
use tokio::task::AbortHandle;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;
use tracing::{error, info, warn};

/// The request to stop; clones share it. It is made once and not taken back.
#[derive(Clone, Debug, Default)]
pub struct Shutdown {
    requested: CancellationToken,
    forced: CancellationToken,
}

impl Shutdown {
    /// Nothing asked yet.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Asks everybody to stop in order.
    pub fn trigger(&self) {
        self.requested.cancel();
    }

    /// Asks everybody to stop, and [`Tasks::drain`] not to wait.
    pub fn force(&self) {
        self.requested.cancel();
        self.forced.cancel();
    }

    /// Whether stopping was asked for.
    #[must_use]
    pub fn is_triggered(&self) -> bool {
        self.requested.is_cancelled()
    }

    /// Returns when stopping is asked for; at once if it was.
    pub async fn wait(&self) {
        self.requested.cancelled().await;
    }

    /// The same as an owned future, for servers that keep it.
    pub fn wait_owned(&self) -> impl Future<Output = ()> + Send + 'static {
        self.requested.clone().cancelled_owned()
    }

    /// A part that can be stopped alone, and stops with the whole.
    #[must_use]
    pub fn child(&self) -> Self {
        Self {
            requested: self.requested.child_token(),
            forced: self.forced.child_token(),
        }
    }

    /// Stops in order on the first SIGINT or SIGTERM, and without waiting on the second.
    ///
    /// The signals are caught when this returns.
    ///
    /// # Errors
    /// The signals cannot be caught.
    pub fn on_signals(&self, tasks: &Tasks) -> io::Result<()> {
        let mut interrupt = signal(SignalKind::interrupt())?;
        let mut terminate = signal(SignalKind::terminate())?;
        let shutdown = self.clone();
        let listen = async move {
            loop {
                let name = tokio::select! {
                    _ = interrupt.recv() => "SIGINT",
                    _ = terminate.recv() => "SIGTERM",
                };
                if shutdown.is_triggered() {
                    warn!(signal = name, "asked again to stop, not waiting any longer");
                    return shutdown.force();
                }
                info!(signal = name, "stopping");
                shutdown.trigger();
            }
        };
        tasks.spawn_service("signals", listen);
        Ok(())
    }
}

/// The owner of named tasks; clones share them.
#[derive(Clone, Debug)]
pub struct Tasks {
    shutdown: Shutdown,
    waited_for: TaskTracker,
    running: Arc<Mutex<Running>>,
}

#[derive(Debug, Default)]
struct Running {
    next: u64,
    tasks: BTreeMap<u64, Task>,
    panicked: Option<&'static str>,
    /// The drain is over: whatever is spawned now ends at once.
    over: bool,
}

#[derive(Debug)]
struct Task {
    name: &'static str,
    /// Known once the runtime has taken the task.
    abort: Option<AbortHandle>,
    service: bool,
}

impl Tasks {
    /// Owns tasks that `shutdown` stops, and whose panics trigger it.
    #[must_use]
    pub fn new(shutdown: Shutdown) -> Self {
        Self {
            shutdown,
            waited_for: TaskTracker::new(),
            running: Arc::default(),
        }
    }

    /// The request to stop that these tasks heed.
    #[must_use]
    pub fn shutdown(&self) -> &Shutdown {
        &self.shutdown
    }

    /// Runs `task` under `name`; [`drain`](Self::drain) waits for it.
    pub fn spawn(&self, name: &'static str, task: impl Future<Output = ()> + Send + 'static) {
        self.start(name, false, task);
    }

    /// Runs `task` under `name` to its end, also where nobody waits for what it comes to;
    /// [`drain`](Self::drain) waits for it. Nothing is received from one that was aborted or
    /// has panicked.
    pub fn spawn_for<T: Send + 'static>(
        &self,
        name: &'static str,
        task: impl Future<Output = T> + Send + 'static,
    ) -> oneshot::Receiver<T> {
        let (result, receiver) = oneshot::channel();
        self.spawn(name, async move {
            // Whoever asked may have gone.
            let _unheard = result.send(task.await);
        });
        receiver
    }

    /// Runs a task that [`drain`](Self::drain) does not wait for but ends, such as the listener
    /// for signals.
    pub fn spawn_service(
        &self,
        name: &'static str,
        task: impl Future<Output = ()> + Send + 'static,
    ) {
        self.start(name, true, task);
    }

    /// The name of the first task that panicked: the process ends with a failure.
    #[must_use]
    pub fn panicked(&self) -> Option<&'static str> {
        self.running().panicked
    }

    /// Asks all tasks to stop and waits until they have, at most `deadline`.
    ///
    /// # Errors
    /// The names, each once and in the order of their start, of those that had not stopped. They
    /// are aborted.
    pub async fn drain(&self, deadline: Duration) -> Result<(), Vec<&'static str>> {
        self.shutdown.trigger();
        self.waited_for.close();
        let done = tokio::select! {
            () = self.waited_for.wait() => true,
            () = self.shutdown.forced.cancelled() => false,
            () = tokio::time::sleep(deadline) => false,
        };
        let mut left: Vec<_> = {
            let mut running = self.running();
            running.over = true;
            for abort in running
                .tasks
                .values()
                .filter_map(|task| task.abort.as_ref())
            {
                abort.abort();
            }
            running
                .tasks
                .values()
                .filter(|task| !task.service)
                .map(|task| task.name)
                .collect()
        };
        if done || left.is_empty() {
            return Ok(());
        }
        let count = left.len();
        let mut seen = BTreeSet::new();
        left.retain(|name| seen.insert(*name));
        warn!(count, tasks = ?left, "tasks were still running at the end of the drain and were aborted");
        Err(left)
    }

    fn start(
        &self,
        name: &'static str,
        service: bool,
        task: impl Future<Output = ()> + Send + 'static,
    ) {
        // Listed before it is spawned, so that however soon it ends it takes itself off; and the
        // lock is not held meanwhile, because a runtime that is closing drops it here and now.
        let id = self.list(name, service);
        let leaving = Leaving {
            id,
            running: Arc::clone(&self.running),
        };
        let shutdown = self.shutdown.clone();
        let supervised = async move {
            let leaving = leaving;
            if let Err(payload) = AssertUnwindSafe(task).catch_unwind().await {
                error!(
                    task = name,
                    panic = panic_text(&*payload),
                    "task panicked, stopping"
                );
                lock(&leaving.running).panicked.get_or_insert(name);
                shutdown.trigger();
            }
        };
        let handle = if service {
            tokio::spawn(supervised)
        } else {
            self.waited_for.spawn(supervised)
        };
        let mut running = self.running();
        if running.over {
            handle.abort();
        }
        if let Some(task) = running.tasks.get_mut(&id) {
            task.abort = Some(handle.abort_handle());
        }
    }

    fn list(&self, name: &'static str, service: bool) -> u64 {
        let mut running = self.running();
        let id = running.next;
        running.next += 1;
        running.tasks.insert(
            id,
            Task {
                name,
                abort: None,
                service,
            },
        );
        id
    }

    fn running(&self) -> MutexGuard<'_, Running> {
        lock(&self.running)
    }
}

/// Takes a task off the list, however it ends.
struct Leaving {
    id: u64,
    running: Arc<Mutex<Running>>,
}

impl Drop for Leaving {
    fn drop(&mut self) {
        lock(&self.running).tasks.remove(&self.id);
    }
}

fn lock(running: &Mutex<Running>) -> MutexGuard<'_, Running> {
    running.lock().unwrap_or_else(PoisonError::into_inner)
}

fn panic_text(payload: &(dyn Any + Send)) -> &str {
    payload
        .downcast_ref::<&'static str>()
        .copied()
        .or_else(|| payload.downcast_ref::<String>().map(String::as_str))
        .unwrap_or("no text")
}
