//! The authority's service: enrolment, renewal and the directory, by gRPC over TLS 1.3.
//!
//! It holds no state: each piece of work opens the authority's directory, does what was asked,
//! publishes, and closes it again, so that the operator's commands work beside it. Work that
//! comes together is done together: 900 nodes that enrol at once make a few versions of the
//! directory, not 900. Answers are given only once the version that lists the new keys is
//! published.
//!
//! The caller's certificate is not asked for its issuer. One that the directory lists makes the
//! caller a known node or hub, which [`renew`](v1::authority_server::Authority::renew) needs;
//! any other stands for nobody, which is enough to enrol with an invitation.
//!
//! Strangers are kept to a share of everything: connections, of all and of each source; a queue of
//! their own; requests that wait. Whoever is listed or invited does not wait behind them.

mod calls;
mod schedule;
mod work;

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use arc_swap::ArcSwapOption;
use bytes::Bytes;
use consign_domain::text::Line;
use consign_domain::{Digest, ErrorCode, Timestamp};
use consign_keys::Keyring;
use consign_proto::v1;
use consign_runtime::blocking;
use consign_runtime::clock::Clock;
use consign_runtime::run_file::{RunFile, RunFileError};
use consign_runtime::shutdown::{Shutdown, Tasks};
use consign_runtime::tls::{
    self, AcceptLimits, GuestLimits, IdentityError, PeerIdentity, PeerPolicy, TlsError, TlsIdentity,
};
use consign_verify::{Directory, TrustStore};
use tokio::net::TcpListener;
use tracing::{error, info};

use crate::error::AuthorityError;
use crate::files::Authority;

use calls::Calls;
use work::Desk;

/// How long what still runs may take when the service stops.
const DRAIN: Duration = Duration::from_secs(10);
/// Largest request with its invitations or proofs, in bytes.
const MAX_MESSAGE: usize = 3 << 20;

/// Bytes that may come in on a connection before they are looked at.
const WINDOW: u32 = 1 << 20;

/// Why the service does not run.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ServiceError {
    /// The address is in use or not this machine's.
    #[error("{address} cannot be listened on")]
    Listen {
        /// The address.
        address: SocketAddr,
        /// What the system said.
        #[source]
        source: std::io::Error,
    },
    /// The TLS certificate and key do not fit.
    #[error("the service's TLS identity cannot be used")]
    Identity {
        /// Why.
        #[source]
        source: IdentityError,
    },
    /// TLS cannot be set up.
    #[error(transparent)]
    Tls(#[from] TlsError),
    /// `run.json` cannot be written.
    #[error(transparent)]
    RunFile(#[from] RunFileError),
    /// The server failed.
    #[error("the server failed")]
    Server {
        /// How.
        #[source]
        source: tonic::transport::Error,
    },
    /// A task ended that must not.
    #[error("the service stopped because its task {task} failed; the log says how")]
    Panicked {
        /// Its name.
        task: &'static str,
    },
}

impl ServiceError {
    /// The code to answer with.
    pub const fn code(&self) -> ErrorCode {
        match self {
            Self::Listen { .. } => ErrorCode::Usage,
            _ => ErrorCode::Internal,
        }
    }
}

impl From<ServiceError> for AuthorityError {
    fn from(source: ServiceError) -> Self {
        Self::Service { source }
    }
}

/// Where the service is.
#[derive(Debug, Clone)]
pub struct ServeOptions {
    /// The authority's directory.
    pub dir: PathBuf,
    /// Where to listen.
    pub listen: SocketAddr,
    /// What applicants call it: `name:port`; where it listens, if it is left out.
    pub address: Option<Line<260>>,
    /// What opens the authority's keys.
    pub keyring: Arc<Keyring>,
}

/// A service that listens and does not serve yet.
#[derive(Debug)]
pub struct AuthorityService {
    dir: PathBuf,
    keyring: Arc<Keyring>,
    clock: Clock,
    address: Line<260>,
    listener: TcpListener,
    identity: TlsIdentity,
    trust: TrustStore,
}

/// What the parts of the service share.
#[derive(Debug)]
struct Place {
    dir: PathBuf,
    keyring: Arc<Keyring>,
    clock: Clock,
    address: Line<260>,
    identity: TlsIdentity,
    trust: TrustStore,
    /// The newest directory, for telling known callers from others and for handing on.
    published: ArcSwapOption<Published>,
}

/// A version of the directory as it is handed on: shared, and cut once.
#[derive(Debug)]
struct Published {
    directory: Directory,
    /// Its lines in pieces.
    lines: Vec<Bytes>,
    /// The revocation lists made with it.
    lists: Vec<Bytes>,
}

impl AuthorityService {
    /// Listens, makes or renews the service's certificate, and publishes where it is.
    ///
    /// # Errors
    /// [`AuthorityError`] names what is wrong.
    pub async fn bind(options: ServeOptions, clock: Clock) -> Result<Self, AuthorityError> {
        let address = options.listen;
        let fault = |source| ServiceError::Listen { address, source };
        let listener = TcpListener::bind(address).await.map_err(fault)?;
        let bound = listener.local_addr().map_err(fault)?;
        let address = match options.address {
            Some(address) => address,
            None => Line::new(bound.to_string()).map_err(|_| AuthorityError::Address {
                address: bound.to_string(),
            })?,
        };
        let (dir, at) = (options.dir.clone(), now(&clock));
        let keyring = Arc::clone(&options.keyring);
        let (identity, trust, address) = blocking(move || {
            let mut authority = Authority::open_with(&dir, &keyring)?;
            let identity = identity(&mut authority, &address, at)?;
            authority.publish(crate::PublishOptions::default(), at)?;
            let trust = authority.trust().clone();
            Ok::<_, AuthorityError>((identity, trust, address))
        })
        .await?;
        Ok(Self {
            dir: options.dir,
            keyring: options.keyring,
            clock,
            address,
            listener,
            identity,
            trust,
        })
    }

    /// What applicants call it.
    pub const fn address(&self) -> &Line<260> {
        &self.address
    }

    /// Serves until `shutdown` asks to stop, then lets calls finish.
    ///
    /// # Errors
    /// [`AuthorityError`]: the server or a task has failed.
    pub async fn run(self, shutdown: Shutdown) -> Result<(), AuthorityError> {
        let place = Arc::new(Place {
            dir: self.dir,
            keyring: self.keyring,
            clock: self.clock,
            address: self.address,
            identity: self.identity,
            trust: self.trust,
            published: ArcSwapOption::empty(),
        });
        let look = Arc::clone(&place);
        blocking(move || look.refresh()).await?;
        let tls = tls::server_config(&place.identity, &place.policy(), &place.clock)
            .map_err(ServiceError::from)?;
        let tasks = Tasks::new(shutdown.clone());
        let (desk, worker) = Desk::open(Arc::clone(&place));
        tasks.spawn("work", worker.run(shutdown.clone()));
        tasks.spawn(
            "schedule",
            schedule::keep(Arc::clone(&place), desk.clone(), shutdown.clone()),
        );
        let service = Calls::new(Arc::clone(&place), desk);
        let service = v1::authority_server::AuthorityServer::new(service)
            .max_decoding_message_size(MAX_MESSAGE);
        let incoming = tls::incoming(self.listener, tls, accept_limits());
        let served = tls::server()
            .initial_stream_window_size(WINDOW)
            .initial_connection_window_size(WINDOW)
            .concurrency_limit_per_connection(4)
            .add_service(service)
            .serve_with_incoming_shutdown(incoming, shutdown.wait_owned());
        let stop = shutdown.clone();
        tasks.spawn("server", async move {
            if let Err(fault) = Box::pin(served).await {
                error!(%fault, "the service is no longer served, stopping");
            }
            stop.trigger();
        });
        let addresses = BTreeMap::from([("authority".to_owned(), place.address.to_string())]);
        let ready = RunFile::publish(&place.dir, place.clock.now(), addresses)
            .map_err(ServiceError::from)?;
        info!(address = %place.address, "the authority is ready");
        shutdown.wait().await;
        // What is left is named there, and ended.
        let _late = tasks.drain(DRAIN).await;
        ready.withdraw()?;
        match tasks.panicked() {
            Some(task) => Err(ServiceError::Panicked { task }.into()),
            None => Ok(()),
        }
    }
}

impl Place {
    fn now(&self) -> Timestamp {
        now(&self.clock)
    }

    /// Takes note of a newer version on disk. Blocks.
    fn refresh(&self) -> Result<(), AuthorityError> {
        let have = self.published.load();
        let have = have.as_ref().map(|published| published.directory.version());
        let Some((head, entries)) = Authority::newest_version(&self.dir, have)? else {
            return Ok(());
        };
        match Directory::verify(head, entries, &self.trust) {
            Ok(directory) => {
                // They are written before their version.
                let lists = Authority::newest_lists(&self.dir);
                self.published.store(Some(Arc::new(Published {
                    lines: calls::lines(directory.entries()),
                    lists: lists.into_iter().map(Bytes::from).collect(),
                    directory,
                })));
            }
            Err(fault) => error!(%fault, "the published directory does not verify"),
        }
        Ok(())
    }

    /// Names known nodes and hubs, and lets in everybody else as nobody.
    fn policy(self: &Arc<Self>) -> PeerPolicy {
        let place = Arc::clone(self);
        Arc::new(move |fingerprint, _, now| {
            let certificate = Digest::from_bytes(fingerprint.0);
            let at = Timestamp::from_unix_saturating(now);
            let published = place.published.load();
            let known = published.as_ref().and_then(|published| {
                let directory = &published.directory;
                let node = directory.node_by_certificate(certificate, at);
                let hub = || directory.hub_by_certificate(certificate, at);
                node.map(|node| node.id.to_bytes())
                    .or_else(|| hub().map(|hub| hub.id.to_bytes()))
            });
            Ok(PeerIdentity(known.unwrap_or(NOBODY)))
        })
    }
}

/// Whoever the directory does not list is a guest, of whom there may be any number.
fn accept_limits() -> AcceptLimits {
    AcceptLimits {
        handshakes_per_source: 64,
        guests: Some(GuestLimits {
            identity: PeerIdentity(NOBODY),
            total: 64,
            per_source: 8,
            stay: Duration::from_secs(300),
        }),
        ..AcceptLimits::default()
    }
}

/// Who shows a certificate that the directory does not list.
const NOBODY: [u8; 16] = [0; 16];

/// The identity of the service, renewed where it is old.
fn identity(
    authority: &mut Authority,
    address: &Line<260>,
    at: Timestamp,
) -> Result<TlsIdentity, AuthorityError> {
    let made = authority.service_identity(address, at)?;
    let identity = TlsIdentity::from_pem(made.chain.as_bytes(), made.key.as_bytes());
    Ok(identity.map_err(|source| ServiceError::Identity { source })?)
}

fn now(clock: &Clock) -> Timestamp {
    Timestamp::from_unix_saturating(clock.now())
}

/// Whether a service runs in an authority's directory, for people.
pub fn is_running(dir: &Path) -> bool {
    matches!(
        RunFile::read(dir),
        Ok(consign_runtime::run_file::Presence::Running(_))
    )
}
