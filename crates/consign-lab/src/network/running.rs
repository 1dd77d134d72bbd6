//! A network that runs: the hub and every node as tasks of this process.

use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use consign_domain::{EnvelopeKey, Timestamp};
use consign_hub::{Config, HubError, Storage};
use consign_node::run::RunError;
use consign_runtime::clock::Clock;
use consign_runtime::run_file::{Presence, RunFile};
use consign_runtime::shutdown::Shutdown;
use consign_store::{JournalStore, Options, Store as _, StoreError};
use tokio::task::JoinHandle;

use super::{Network, io};
use crate::error::LabError;

/// Everything on one machine is ready long before.
const PATIENCE: Duration = Duration::from_secs(60);

/// How often readiness is looked for.
const GLANCE: Duration = Duration::from_millis(10);

/// Bytes of a payload that are copied at a time.
const PIECE: usize = 1 << 20;

/// A network that runs. [`stop`](Self::stop) it, or it ends with its runtime.
#[derive(Debug)]
pub struct Running {
    address: String,
    store: Arc<JournalStore>,
    hub: JoinHandle<Result<(), HubError>>,
    stop_hub: Shutdown,
    nodes: Vec<(PathBuf, JoinHandle<Result<(), RunError>>)>,
    stop_nodes: Shutdown,
}

impl Network {
    /// Starts the hub and every node; returns when all of them can be talked to.
    ///
    /// # Errors
    /// One of them did not start, or was not ready in time; the others are stopped.
    pub async fn start(&self, clock: &Clock) -> Result<Running, LabError> {
        self.start_with(&self.nodes(), clock).await
    }

    /// [`start`](Self::start) with some of the nodes; the others stay away.
    ///
    /// # Errors
    /// As for all of them.
    pub async fn start_with(&self, nodes: &[&Path], clock: &Clock) -> Result<Running, LabError> {
        let config = Config::load(&self.hub().join("hub.toml"))?;
        let (keep, kept) = keeper();
        let hub = consign_hub::bind_with(config, clock.clone(), keep).await?;
        let store = kept
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .take()
            .ok_or(HubError::Closing)?;
        let address = hub.address().to_string();
        let stop_hub = Shutdown::new();
        let hub = tokio::spawn(Box::pin(hub.run(stop_hub.clone())));
        let mut running = Running {
            address,
            store,
            hub,
            stop_hub,
            nodes: Vec::new(),
            stop_nodes: Shutdown::new(),
        };
        for node in nodes {
            running.start_node(node, clock.clone());
        }
        match running.wait_until_ready().await {
            Ok(()) => Ok(running),
            Err(fault) => {
                // The first fault is the one to tell.
                let stopped = running.stop().await;
                Err(stopped.err().unwrap_or(fault))
            }
        }
    }
}

/// Opens the hub's store and keeps a handle on it.
#[expect(clippy::type_complexity, reason = "a closure and the place it fills")]
fn keeper() -> (
    impl FnOnce(&Path, &Clock) -> Result<Storage, HubError> + Send + 'static,
    Arc<Mutex<Option<Arc<JournalStore>>>>,
) {
    let kept = Arc::new(Mutex::new(None));
    let place = Arc::clone(&kept);
    let open = move |data: &Path, clock: &Clock| {
        let clock = clock.clone();
        let options = Options::new(Arc::new(move || {
            Timestamp::from_unix_saturating(clock.now())
        }));
        let opened = JournalStore::open(data, options);
        let (store, _) = opened.map_err(|source| HubError::Open {
            path: data.to_owned(),
            source,
        })?;
        let store = Arc::new(store);
        *place.lock().unwrap_or_else(PoisonError::into_inner) = Some(Arc::clone(&store));
        Ok(Storage::unclosed(store))
    };
    (open, kept)
}

impl Running {
    /// Where the hub listens.
    pub fn hub_address(&self) -> &str {
        &self.address
    }

    /// Returns when the hub or a node has ended by itself; [`stop`](Self::stop) says why.
    pub async fn broken(&self) {
        let mut glances = tokio::time::interval(Duration::from_millis(250));
        while !self.hub.is_finished() && !self.nodes.iter().any(|(_, node)| node.is_finished()) {
            glances.tick().await;
        }
    }

    /// Copies a payload's ciphertext, as the hub holds it, into a file.
    ///
    /// # Errors
    /// The hub does not hold it, or the file cannot be written.
    pub async fn copy_payload(&self, key: EnvelopeKey, file: PathBuf) -> Result<(), LabError> {
        let store = Arc::clone(&self.store);
        let copying = tokio::task::spawn_blocking(move || copy(&store, key, &file));
        copying.await.map_err(|_| HubError::Closing)?
    }

    /// Stops the nodes, then the hub, and closes the store.
    ///
    /// # Errors
    /// The first fault that anybody ended with.
    pub async fn stop(self) -> Result<(), LabError> {
        self.stop_nodes.trigger();
        let mut first = Ok(());
        for (_, node) in self.nodes {
            let ended = node.await.map_err(|_| LabError::from(HubError::Closing));
            first = first.and(ended.and_then(|ended| ended.map_err(LabError::from)));
        }
        self.stop_hub.trigger();
        let ended = self
            .hub
            .await
            .map_err(|_| LabError::from(HubError::Closing));
        first = first.and(ended.and_then(|ended| ended.map_err(LabError::from)));
        let store = self.store;
        let closing = tokio::task::spawn_blocking(move || store.close());
        let closed = closing.await.map_err(|_| LabError::from(HubError::Closing));
        first.and(closed.and_then(|closed| closed.map_err(LabError::from)))
    }

    fn start_node(&mut self, directory: &Path, clock: Clock) {
        let (own, shutdown) = (directory.to_owned(), self.stop_nodes.clone());
        let node = async move { consign_node::run::run(&own, clock, shutdown).await };
        let node = tokio::spawn(Box::pin(node));
        self.nodes.push((directory.to_owned(), node));
    }

    /// Every node has said so in its `run.json`; one that ended says why when it is stopped.
    async fn wait_until_ready(&self) -> Result<(), LabError> {
        let ready = async {
            let mut glances = tokio::time::interval(GLANCE);
            loop {
                glances.tick().await;
                let ended = self.nodes.iter().find(|(_, node)| node.is_finished());
                if let Some((directory, _)) = ended {
                    return Err(not_ready(directory));
                }
                if self.nodes.iter().all(|(directory, _)| is_ready(directory)) {
                    return Ok(());
                }
            }
        };
        let late = |_| LabError::NotReady {
            what: "a node".to_owned(),
            after: PATIENCE,
        };
        tokio::time::timeout(PATIENCE, ready).await.map_err(late)?
    }
}

fn not_ready(directory: &Path) -> LabError {
    LabError::NotReady {
        what: format!("the node in {}", directory.display()),
        after: Duration::ZERO,
    }
}

fn is_ready(directory: &Path) -> bool {
    let own = std::process::id();
    matches!(RunFile::read(directory), Ok(Presence::Running(said)) if said.pid == own)
}

fn copy(store: &JournalStore, key: EnvelopeKey, path: &Path) -> Result<(), LabError> {
    let payload = store.payload(key)?.ok_or(StoreError::PayloadMissing)?;
    let fault = |source| io(path, source);
    let mut file = std::fs::File::create(path).map_err(fault)?;
    let mut offset = 0;
    while offset < payload.size() {
        let piece = payload.read_at(offset, PIECE)?;
        file.write_all(&piece).map_err(fault)?;
        offset += piece.len() as u64;
    }
    file.sync_all().map_err(fault)
}
