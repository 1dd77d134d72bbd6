//! A node's life: open, connect, serve, drain.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use consign_domain::{ErrorCode, Timestamp};
use consign_keys::Keyring;
use consign_pki::certificate::{self, CertificateError};
use consign_proto::v1::node_server::NodeServer;
use consign_runtime::clock::Clock;
use consign_runtime::config::ConfigFaults;
use consign_runtime::files::{self, FileError};
use consign_runtime::run_file::{RunFile, RunFileError};
use consign_runtime::shutdown::{Shutdown, Tasks};
use consign_runtime::telemetry::{self, TelemetryError};
use consign_runtime::tls::{self, TlsError};
use consign_runtime::uds::{self, SocketError};
use consign_verify::trust::MAX_TRUST;
use consign_verify::{TrustError, TrustStore};
use thiserror::Error;
use tonic::transport::Server;
use tracing::{error, info, warn};

use crate::agency::Agency;
use crate::client::{ADDRESS, MAX_MESSAGE};
use crate::config::Config;
use crate::directory_files::{self, DirectoryFileError};
use crate::error::NodeError;
use crate::index::{Index, IndexError};
use crate::keys::{self, AgencyKeys, KeysError};
use crate::layout::{AgencyHome, NodeDirectory};
use crate::link::{Keeper, hub_policy, keep_connected};
use crate::office::{Desk, Office, Parts, blocking};
use crate::revocation_lists::RevocationLists;
use crate::service::Service;
use crate::{archiving, ends, renewal, stamps, tokens, work};

/// Largest file of certificates, in bytes.
const MAX_PEM: usize = 256 * 1024;

/// Why a node does not run.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum RunError {
    /// `node.toml` cannot be used.
    #[error(transparent)]
    Config(#[from] ConfigFaults),
    /// The log cannot be started.
    #[error(transparent)]
    Telemetry(#[from] TelemetryError),
    /// The directory's files.
    #[error(transparent)]
    Node(#[from] NodeError),
    /// The agencies' keys.
    #[error(transparent)]
    Keys(#[from] KeysError),
    /// The trust file is damaged.
    #[error("{} cannot be used; run: consign node install BUNDLE", path.display())]
    Trust {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        #[source]
        source: TrustError,
    },
    /// The directory on disk.
    #[error(transparent)]
    Directory(#[from] DirectoryFileError),
    /// There is no directory: nobody could be told from anybody else.
    #[error(
        "there is no directory in {}; have the authority publish one and issue the bundle again, \
         then run: consign node install BUNDLE",
        path.display()
    )]
    NoDirectory {
        /// Where it belongs.
        path: PathBuf,
    },
    /// The index.
    #[error(transparent)]
    Index(#[from] IndexError),
    /// A file cannot be read.
    #[error(transparent)]
    File(#[from] FileError),
    /// The roots of time-stamp authorities cannot be read.
    #[error("{} cannot be used; time_stamp.roots names certificates in PEM", path.display())]
    StampRoots {
        /// The file.
        path: PathBuf,
        /// Why.
        #[source]
        source: CertificateError,
    },
    /// TLS cannot be set up.
    #[error(transparent)]
    Tls(#[from] TlsError),
    /// There is no local socket.
    #[error(transparent)]
    Socket(#[from] SocketError),
    /// `run.json` cannot be written.
    #[error(transparent)]
    RunFile(#[from] RunFileError),
    /// A task ended that must not.
    #[error("the node stopped because its task {task} failed; the log says how")]
    Panicked {
        /// Its name.
        task: &'static str,
    },
}

impl RunError {
    /// The code to answer with.
    pub fn code(&self) -> ErrorCode {
        match self {
            Self::Config(_)
            | Self::Telemetry(_)
            | Self::NoDirectory { .. }
            | Self::StampRoots { .. } => ErrorCode::Usage,
            Self::Node(fault) => fault.code(),
            Self::Keys(fault) => fault.code(),
            Self::Index(fault) => fault.code(),
            Self::Socket(SocketError::InUse { .. }) => ErrorCode::Usage,
            _ => ErrorCode::Internal,
        }
    }
}

/// [`run_with`] keys in files without a passphrase.
///
/// # Errors
/// As there.
pub async fn run(directory: &Path, clock: Clock, shutdown: Shutdown) -> Result<(), RunError> {
    run_with(directory, clock, Keyring::default(), shutdown).await
}

/// Runs the node in `directory` until `shutdown` is triggered, then drains.
///
/// The caller triggers it on signals ([`Shutdown::on_signals`]). Ready is said by
/// `DIR/run.json`. What `keyring` asks of a person, it asks before; a token that is missing or
/// refuses does not keep the node from running, but what it would seal waits.
///
/// # Errors
/// [`RunError`]: it could not start, or a part of it failed.
pub async fn run_with(
    directory: &Path,
    clock: Clock,
    keyring: Keyring,
    shutdown: Shutdown,
) -> Result<(), RunError> {
    let config = Config::load(directory)?;
    telemetry::init(config.log.format, &config.log.filter)?;
    let drain = config.drain;
    let files = NodeDirectory::new(directory);
    let office = blocking(move || open(files, config, clock, keyring)).await?;
    let tls = tls::client_config(
        &office.identity,
        &hub_policy(Arc::clone(&office.keeper)),
        &office.clock,
    )?;
    let listener = uds::listener(&office.directory.socket_file())?;
    let socket = listener.path().display().to_string();

    let tasks = Tasks::new(shutdown.clone());
    let stop = || shutdown.clone();
    tasks.spawn("seal", work::seal(Arc::clone(&office), stop()));
    tasks.spawn(
        "time-stamps",
        stamps::late::fetch(Arc::clone(&office), stop()),
    );
    tasks.spawn("archive", archiving::keep(Arc::clone(&office), stop()));
    tasks.spawn("advance", work::advance(Arc::clone(&office), stop()));
    tasks.spawn(
        "link",
        Box::pin(keep_connected(Arc::clone(&office), tls, stop())),
    );
    tasks.spawn("tokens", tokens::watch(Arc::clone(&office), stop()));
    tasks.spawn("ends", ends::watch(Arc::clone(&office), stop()));
    tasks.spawn("renewal", renewal::keep_fresh(Arc::clone(&office), stop()));
    tasks.spawn(
        "service",
        serve(Arc::clone(&office), listener, tasks.clone()),
    );
    let addresses = BTreeMap::from([(ADDRESS.to_owned(), socket.clone())]);
    let published = RunFile::publish(directory, office.clock.now(), addresses)?;
    info!(directory = %directory.display(), socket, agencies = office.desks().len(), "ready");

    shutdown.wait().await;
    let drained = tasks.drain(drain).await;
    published.withdraw()?;
    released(office, drain).await;
    info!(in_order = drained.is_ok(), "stopped");
    match tasks.panicked() {
        Some(task) => Err(RunError::Panicked { task }),
        None => Ok(()),
    }
}

/// Opens all that a running node has. Blocks.
pub(crate) fn open(
    directory: NodeDirectory,
    config: Config,
    clock: Clock,
    keyring: Keyring,
) -> Result<Arc<Office>, RunError> {
    let lock = directory.lock()?;
    let trust = trust(&directory)?;
    let trust = trust.with_time_stamp_roots(stamp_roots(&config)?);
    let path = directory.trust_dir().join("directory");
    let newest = directory_files::newest(&path, &trust)?;
    let newest = newest.ok_or_else(|| RunError::NoDirectory { path: path.clone() })?;
    info!(version = newest.version().value(), expires = %newest.head().expires, "directory");
    let chain = files::read_bounded(&directory.tls_certificate_file(), MAX_PEM)?;
    let now = Timestamp::from_unix_saturating(clock.now());
    let lists = path.with_file_name("crl");
    let lists = RevocationLists::new(lists, trust.roots(), &chain, now);
    let keeper = Arc::new(Keeper::new(trust, path, newest).keeping(lists, now));
    let newest = keeper.newest();
    let identity = keys::identity_in_force(&directory, &newest, now, &keyring)?;
    let index = Arc::new(Index::open(&directory)?);
    let mut desks = Vec::new();
    for home in served(directory.agencies()?) {
        let keys = AgencyKeys::in_force(&home, &newest, now, &keyring)?;
        desks.push(Desk::new(Agency::open(home, &index)?, keys));
    }
    for desk in &desks {
        // A person who is to type a PIN is here now, and not later.
        tokens::look(desk);
    }
    keyring.leave_alone();
    let parts = Parts {
        directory,
        keeper,
        index,
        desks,
        identity,
        keyring: Arc::new(keyring),
        lock,
    };
    Ok(Arc::new(Office::new(config, clock, parts)))
}

/// The agencies whose certificates are here. One that was added and waits for the authority
/// keeps nobody else from work; where there is no other, its missing certificate is the fault.
fn served(homes: Vec<AgencyHome>) -> Vec<AgencyHome> {
    let (served, waiting): (Vec<_>, Vec<_>) =
        homes.into_iter().partition(AgencyHome::has_certificate);
    if served.is_empty() {
        return waiting;
    }
    for home in waiting {
        let agency = home.code();
        warn!(%agency, "left out: it has no certificate yet; enrol it, or install its bundle");
    }
    served
}

fn trust(directory: &NodeDirectory) -> Result<TrustStore, RunError> {
    let path = directory.trust_dir().join("trust.json");
    let bytes = match files::read_bounded(&path, MAX_TRUST) {
        Ok(bytes) => bytes,
        Err(fault) if fault.is_not_found() => {
            let fix = "run: consign node install BUNDLE";
            return Err(NodeError::Missing { path, fix }.into());
        }
        Err(fault) => return Err(fault.into()),
    };
    TrustStore::parse(&bytes).map_err(|source| RunError::Trust { path, source })
}

/// Roots of time-stamp authorities that the configuration adds.
fn stamp_roots(config: &Config) -> Result<Vec<Vec<u8>>, RunError> {
    let Some(path) = &config.time_stamps.roots else {
        return Ok(Vec::new());
    };
    let bytes = files::read_bounded(path, MAX_PEM)?;
    certificate::read_bundle(&String::from_utf8_lossy(&bytes)).map_err(|source| {
        let path = path.clone();
        RunError::StampRoots { path, source }
    })
}

async fn serve(office: Arc<Office>, listener: uds::Listener, tasks: Tasks) {
    let shutdown = tasks.shutdown().clone();
    let service =
        NodeServer::new(Service::new(office, tasks)).max_encoding_message_size(MAX_MESSAGE);
    let served = Server::builder()
        .add_service(service)
        .serve_with_incoming_shutdown(listener, shutdown.wait_owned());
    if let Err(fault) = served.await {
        error!(%fault, "the local socket is no longer served, stopping");
        shutdown.trigger();
    }
}

/// Waits until no step is half done on a thread that blocks: the directory's lock goes with
/// the last of them. Bounded; a step that is cut off later is finished at the next start.
async fn released(office: Arc<Office>, deadline: Duration) {
    let free = async {
        while Arc::strong_count(&office) > 1 {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    };
    if tokio::time::timeout(deadline, free).await.is_err() {
        info!("a step is still being written; it will be found at the next start");
    }
}
