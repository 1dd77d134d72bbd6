//! A hub's life: config → trust → directory → keys → store → listener → readiness →
//! serve → drain.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use consign_domain::{Digest, Timestamp};
use consign_keys::Keyring;
use consign_proto::v1::hub_server::HubServer;
use consign_runtime::clock::Clock;
use consign_runtime::files::{self, DirectoryLock};
use consign_runtime::run_file::RunFile;
use consign_runtime::shutdown::{Shutdown, Tasks};
use consign_runtime::tls::{self, AcceptLimits, ServerTls};
use consign_store::{Health, LeftUpload, StoreError};
use consign_verify::TrustStore;
use consign_verify::trust::MAX_TRUST;
use tokio::net::TcpListener;
use tokio::sync::Semaphore;
use tracing::{error, info, warn};

use crate::admit::{self, Admission, Parts};
use crate::behind::Behind;
use crate::config::Config;
use crate::directory::{Directories, watch_directory, watch_end};
use crate::enrol::{Follower, Silence};
use crate::error::HubError;
use crate::fences::Fences;
use crate::flow::Calls;
use crate::identity::{HubSigner, Keys, TimeStampKey};
use crate::reading::Reading;
use crate::relay::{HubStatus, Relay};
use crate::renewal::{self, Renewal};
use crate::service::Service;
use crate::stamping::Stamping;
use crate::storage::Storage;

/// Largest message from a node: 1,000 wraps of 2 KiB, an envelope of 48 KiB and an
/// inline payload of 256 KiB fit.
const MAX_MESSAGE: usize = 4 * 1024 * 1024;
/// Streams that one connection may have open.
const STREAMS: u32 = 128;
/// How often the store is asked how it is.
const PULSE: Duration = Duration::from_secs(1);
/// How often abandoned uploads are looked for; once at the start.
const SWEEP: Duration = Duration::from_secs(60);

/// A hub that listens and does not serve yet.
#[derive(Debug)]
pub struct Hub {
    home: PathBuf,
    listener: TcpListener,
    address: SocketAddr,
    tls: ServerTls,
    relay: Arc<Relay>,
    follower: Option<Follower>,
    storage: Storage,
    fatal: Shutdown,
    _lock: DirectoryLock,
}

/// Puts a hub together and listens; `keyring` opens its keys. `progress` is told, where the
/// store's index must be made anew, how many segments of how many are done.
///
/// # Errors
/// [`HubError`] names what is wrong.
pub async fn bind(
    config: Config,
    keyring: Keyring,
    progress: impl Fn(usize, usize) + Send + Sync + 'static,
) -> Result<Hub, HubError> {
    let open = move |data: &Path, clock: &Clock| Storage::open(data, clock, Arc::new(progress));
    bind_opened(config, Clock::system(), keyring, open).await
}

/// Puts a hub, whose keys have no passphrase, together with a clock and the store that `open`
/// opens in the data directory, and listens.
///
/// # Errors
/// [`HubError`] names what is wrong.
pub async fn bind_with(
    config: Config,
    clock: Clock,
    open: impl FnOnce(&Path, &Clock) -> Result<Storage, HubError> + Send + 'static,
) -> Result<Hub, HubError> {
    bind_opened(config, clock, Keyring::default(), open).await
}

async fn bind_opened(
    config: Config,
    clock: Clock,
    keyring: Keyring,
    open: impl FnOnce(&Path, &Clock) -> Result<Storage, HubError> + Send + 'static,
) -> Result<Hub, HubError> {
    let (prepared, config) = {
        let clock = clock.clone();
        let keyring = Arc::new(keyring);
        let prepare = move || Prepared::new(&config, &clock, &keyring, open).map(|it| (it, config));
        let prepared = tokio::task::spawn_blocking(prepare).await;
        prepared.map_err(|_| HubError::Closing)??
    };
    let address = config.listen;
    let fault = |source| HubError::Listen { address, source };
    let listener = TcpListener::bind(address).await.map_err(fault)?;
    let address = listener.local_addr().map_err(fault)?;
    Ok(prepared.assemble(config, clock, listener, address))
}

/// What is read from files before anything listens.
struct Prepared {
    lock: DirectoryLock,
    behind: Behind,
    directories: Arc<Directories>,
    signer: Arc<HubSigner>,
    stamping: Arc<Stamping>,
    tls: ServerTls,
    follower: Option<Follower>,
    storage: Storage,
    uploads: Vec<LeftUpload>,
}

impl Prepared {
    fn new(
        config: &Config,
        clock: &Clock,
        keyring: &Arc<Keyring>,
        open: impl FnOnce(&Path, &Clock) -> Result<Storage, HubError>,
    ) -> Result<Self, HubError> {
        let lock =
            DirectoryLock::acquire(&config.home).map_err(|source| HubError::Lock { source })?;
        let trust = load_trust(config)?;
        let keys = Keys::load(&config.keys, keyring)?;
        let time_stamps = TimeStampKey::load(&config.keys, keyring)?;
        keyring.leave_alone();
        let stamping = Arc::new(Stamping::new(time_stamps, &config.limits, clock));
        let identity = keys.tls.clone();
        let now = Timestamp::from_unix_saturating(clock.now());
        // Named before the store is opened, which may take long.
        let newest = Directories::open(&config.directory, trust.clone(), None)?;
        let shown = Digest::from_bytes(identity.fingerprint().0);
        let place = (config.keys.as_path(), keyring.as_ref());
        if newest.current().hub_by_certificate(shown, now).is_none()
            && let Err(fault) = renewal::show_next(place, &identity, &newest.current(), now)
        {
            warn!(%fault, "the hub's next certificate cannot be used");
        }
        let signer = Arc::new(HubSigner::new(keys, &newest.current(), now)?);
        let storage = open(&config.data, clock)?;
        let known = storage.store().directory()?;
        let directories = Arc::new(Directories::open(&config.directory, trust.clone(), known)?);
        storage.store().note_directory(directories.note())?;
        let uploads = admit::left(&*storage.store())?;
        let tls = tls::server_config(&identity, &directories.peer_policy(), clock)
            .map_err(|source| HubError::Tls { source })?;
        // Where the authority itself publishes into the hub's place, nothing is to be brought.
        let follower = config
            .directory
            .starts_with(&config.home)
            .then(|| Follower {
                directories: Arc::clone(&directories),
                silence: Silence::default(),
                renewal: Renewal {
                    identity,
                    signer: Arc::clone(&signer),
                    stamping: Arc::clone(&stamping),
                    home: config.home.clone(),
                    keys: config.keys.clone(),
                    keyring: Arc::clone(keyring),
                    rests_until: None,
                },
                trust,
                clock: clock.clone(),
                place: config.directory.clone(),
            });
        Ok(Self {
            follower,
            behind: Behind::open(&config.home)?,
            lock,
            directories,
            signer,
            stamping,
            tls,
            storage,
            uploads,
        })
    }

    fn assemble(
        self,
        config: Config,
        clock: Clock,
        listener: TcpListener,
        address: SocketAddr,
    ) -> Hub {
        let (signer, behind) = (self.signer, Arc::new(self.behind));
        let (store, fatal) = (self.storage.store(), Shutdown::new());
        let reading = Reading::new(Arc::clone(&store));
        let admission = Admission::new(Parts {
            store,
            directories: Arc::clone(&self.directories),
            signer: Arc::clone(&signer),
            clock: clock.clone(),
            behind: Arc::clone(&behind),
            limits: config.limits,
            record_seconds: config.keep.retention().record_seconds,
            uploads: self.uploads,
            fatal: fatal.clone(),
        });
        let relay = Relay {
            admission: Arc::new(admission),
            reading,
            directories: self.directories,
            signer,
            behind,
            fences: Arc::new(Fences::default()),
            calls: Calls::new(config.limits.streams_per_node),
            stamping: self.stamping,
            delivery: Arc::new(Semaphore::new(config.limits.delivery_bytes as usize)),
            uploads: Arc::new(Semaphore::new(config.limits.upload_bytes as usize)),
            clock,
            limits: config.limits,
            retention: config.keep.retention(),
            tasks: Tasks::new(Shutdown::new()),
            ready: AtomicBool::new(false),
        };
        Hub {
            home: config.home,
            listener,
            address,
            tls: self.tls,
            relay: Arc::new(relay),
            follower: self.follower,
            storage: self.storage,
            fatal,
            _lock: self.lock,
        }
    }
}

fn load_trust(config: &Config) -> Result<TrustStore, HubError> {
    let path = config.trust.join("trust.json");
    let bytes = files::read_bounded(&path, MAX_TRUST)?;
    TrustStore::parse(&bytes).map_err(|source| HubError::Trust { path, source })
}

/// Asks a running hub how it is.
#[derive(Debug, Clone)]
pub struct StatusHandle(Arc<Relay>);

impl StatusHandle {
    /// How the hub is now.
    #[must_use]
    pub fn status(&self) -> HubStatus {
        self.0.status()
    }

    /// Bytes of the delivery budget that nobody holds.
    #[cfg(test)]
    pub(crate) fn free_budget(&self) -> usize {
        self.0.delivery.available_permits()
    }

    /// The room that all uploads share.
    #[cfg(test)]
    pub(crate) fn upload_room(&self) -> Arc<Semaphore> {
        Arc::clone(&self.0.uploads)
    }
}

impl Hub {
    /// Where it listens; with port 0 configured, the port that the system chose.
    #[must_use]
    pub const fn address(&self) -> SocketAddr {
        self.address
    }

    /// A handle that tells how the hub is while it runs.
    #[must_use]
    pub fn status(&self) -> StatusHandle {
        StatusHandle(Arc::clone(&self.relay))
    }

    /// Serves until `shutdown` asks to stop, then lets calls finish and closes the store.
    ///
    /// # Errors
    /// The store or a task has failed: the process should end and be started anew.
    pub async fn run(self, shutdown: Shutdown) -> Result<(), HubError> {
        let tasks = self.relay.tasks.clone();
        let server = self.relay.server(self.listener, self.tls);
        let (ended, mut end) = tokio::sync::oneshot::channel();
        tasks.spawn("server", async move {
            // Nobody listens any more once the drain is over.
            let _over = ended.send(Box::pin(server).await);
        });
        self.relay.spawn_watches(&self.fatal);
        if let Some(follower) = self.follower {
            tasks.spawn("authority", follower.follow(tasks.shutdown().clone()));
        }
        let addresses = BTreeMap::from([("hub".to_owned(), self.address.to_string())]);
        let ready = RunFile::publish(&self.home, self.relay.clock.now(), addresses)
            .map_err(|source| HubError::RunFile { source })?;
        self.relay.ready.store(true, Ordering::Relaxed);
        info!(address = %self.address, hub = %self.relay.signer.hub, "hub is ready");
        let ended_early = tokio::select! {
            () = shutdown.wait() => None,
            () = self.fatal.wait() => None,
            () = tasks.shutdown().wait() => None,
            ended = &mut end => ended.ok(),
        };
        drop(ready);
        info!("hub is stopping");
        let deadline = Duration::from_secs(self.relay.limits.drain_seconds);
        // What is left is named there, and ended.
        let _late = tasks.drain(deadline).await;
        let panicked = tasks.panicked();
        let closed = self.storage.close().await;
        match (ended_early, panicked) {
            (Some(Err(source)), _) => return Err(HubError::Server { source }),
            (_, Some(task)) => return Err(HubError::Panicked { task }),
            _ => {}
        }
        if self.fatal.is_triggered() {
            return Err(StoreError::Failed.into());
        }
        closed
    }
}

impl Relay {
    fn server(
        self: &Arc<Self>,
        listener: TcpListener,
        tls: ServerTls,
    ) -> impl Future<Output = Result<(), tonic::transport::Error>> + Send + 'static {
        let service =
            HubServer::new(Service(Arc::clone(self))).max_decoding_message_size(MAX_MESSAGE);
        let incoming = tls::incoming(listener, tls, AcceptLimits::default());
        tls::server()
            .max_concurrent_streams(Some(STREAMS))
            .add_service(service)
            .serve_with_incoming_shutdown(incoming, self.shutdown().wait_owned())
    }

    /// Watches the published directory and the store's health.
    fn spawn_watches(self: &Arc<Self>, fatal: &Shutdown) {
        let admission = Arc::clone(&self.admission);
        let noted = move |note| {
            if let Err(error) = admission.note_directory(note) {
                error!(%error, "the directory in force could not be noted");
            }
        };
        let watch = watch_directory(
            Arc::clone(&self.directories),
            self.shutdown().clone(),
            noted,
        );
        self.tasks.spawn("directory", watch);
        let directories = Arc::clone(&self.directories);
        let end = watch_end(directories, self.clock.clone(), self.shutdown().clone());
        self.tasks.spawn("directory's end", end);
        self.tasks.spawn("lapses", Arc::clone(self).watch_lapses());
        self.tasks.spawn("retention", Arc::clone(self).watch_age());
        let stamps = Arc::clone(self).watch_time_stamps();
        self.tasks.spawn("time-stamps", stamps);
        let (relay, fatal) = (Arc::clone(self), fatal.clone());
        self.tasks.spawn("store health", async move {
            relay.watch_store(&fatal).await;
        });
        let relay = Arc::clone(self);
        self.tasks.spawn("uploads", async move {
            let mut pulse = tokio::time::interval(SWEEP);
            loop {
                tokio::select! {
                    _ = pulse.tick() => relay.admission.sweep_uploads().await,
                    () = relay.shutdown().wait() => return,
                }
            }
        });
    }

    async fn watch_store(&self, fatal: &Shutdown) {
        let mut pulse = tokio::time::interval(PULSE);
        let mut full = false;
        loop {
            tokio::select! {
                _ = pulse.tick() => {}
                () = self.shutdown().wait() => return,
            }
            match self.reading.health().health {
                Health::Good if full => info!("the disk has room again"),
                Health::Full if !full => {
                    error!("the disk is full: nothing new is accepted; make room");
                }
                Health::Poisoned => {
                    error!("the store has failed; the hub stops and must be started anew");
                    return fatal.trigger();
                }
                _ => {}
            }
            full = self.reading.health().health == Health::Full;
        }
    }
}
