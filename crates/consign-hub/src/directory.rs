//! The directory that counts now, and how a newer one takes its place.
//!
//! Invariants: the version in force never falls; a head is never exchanged for another
//! of the same version (a fork); the next version names the head in force as its
//! `previous`. Whoever needs the directory takes the [`Arc`] that is current and decides
//! one message by it.

mod ends;
mod files;
#[cfg(test)]
mod tests;
mod update;

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use arc_swap::ArcSwap;
use consign_domain::{Digest, DirectoryVersion, ErrorCode, HubId, Timestamp};
use consign_runtime::files::FileError;
use consign_runtime::shutdown::Shutdown;
use consign_runtime::tls::{PeerIdentity, PeerPolicy, PeerRefusal};
use consign_store::DirectoryNote;
use consign_verify::directory::{Known, SuccessionError, follows};
use consign_verify::{Directory, DirectoryError, TrustStore};
use tokio::sync::watch;
use tracing::{error, info};

use crate::error::{file_code, io_code};

pub(crate) use ends::watch_end;
pub(crate) use files::{FILES, keep_lists, newest_place, publish, read_newest};
pub(crate) use update::{Asked, Messages, Update};

/// How often the directory's place is looked at.
const POLL: Duration = Duration::from_millis(500);

/// Why the directory on disk is not taken.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum DirectoryFault {
    /// Nothing was published yet.
    #[error("no directory is published in {}; run `consign authority publish`", path.display())]
    Absent {
        /// Where it is looked for.
        path: PathBuf,
    },
    /// A file cannot be read or written.
    #[error("a file of the directory cannot be used")]
    File {
        /// Which, and why.
        #[source]
        source: FileError,
    },
    /// The place cannot be listed, or a version cannot be put there.
    #[error("{} cannot be used", path.display())]
    Place {
        /// The place.
        path: PathBuf,
        /// What the system said.
        #[source]
        source: std::io::Error,
    },
    /// A signature file without 64 bytes.
    #[error("{} is not a signature of 64 bytes", path.display())]
    Signature {
        /// The file.
        path: PathBuf,
    },
    /// It does not verify.
    #[error("directory version {version} is refused")]
    Refused {
        /// The version that its place claims.
        version: u64,
        /// Why.
        #[source]
        source: DirectoryError,
    },
    /// The hub is stopping.
    #[error("the directory's changes were not made: the hub is stopping")]
    Interrupted,
    /// Its head says another version than its place.
    #[error("the place of version {place} holds version {head}")]
    Misplaced {
        /// What the place says.
        place: u64,
        /// What the head says.
        head: DirectoryVersion,
    },
    /// It is older than the one in force, or a fork of it.
    #[error(transparent)]
    Succession(#[from] SuccessionError),
}

impl DirectoryFault {
    /// The code to answer with.
    pub fn code(&self) -> ErrorCode {
        match self {
            Self::Absent { .. } => ErrorCode::NotFound,
            Self::File { source } => file_code(source),
            Self::Place { source, .. } => io_code(source),
            Self::Interrupted => ErrorCode::Draining,
            Self::Signature { .. } => ErrorCode::SignatureInvalid,
            Self::Refused { source, .. } => source.code(),
            Self::Succession(source) => source.code(),
            Self::Misplaced { .. } => ErrorCode::StatementMalformed,
        }
    }
}

impl From<FileError> for DirectoryFault {
    fn from(source: FileError) -> Self {
        Self::File { source }
    }
}

/// The directory in force and where newer ones come from.
#[derive(Debug)]
pub(crate) struct Directories {
    current: ArcSwap<Directory>,
    changes: watch::Sender<u64>,
    trust: TrustStore,
    place: PathBuf,
    updates: tokio::sync::Mutex<update::Updates>,
}

/// Whether a directory found in `place` may follow the one known, by all heads between the two
/// where they lie there.
pub(crate) fn check(
    place: &Path,
    known: Known,
    found: &Directory,
    trust: &TrustStore,
) -> Result<(), DirectoryFault> {
    let between = files::heads_between(place, known.version, found.version());
    Ok(follows(known, &between, found, trust)?)
}

impl Directories {
    /// Takes the newest directory, unless it is older than `known` or contradicts it.
    pub(crate) fn open(
        place: &Path,
        trust: TrustStore,
        known: Option<DirectoryNote>,
    ) -> Result<Self, DirectoryFault> {
        let directory =
            read_newest(place, &trust, None)?.ok_or_else(|| DirectoryFault::Absent {
                path: place.to_owned(),
            })?;
        if let Some(known) = known {
            let (version, head) = (known.version, known.head);
            check(place, Known { version, head }, &directory, &trust)?;
        }
        Ok(Self {
            changes: watch::Sender::new(directory.version().value()),
            current: ArcSwap::from_pointee(directory),
            trust,
            place: place.to_owned(),
            updates: tokio::sync::Mutex::default(),
        })
    }

    /// The directory in force.
    pub(crate) fn current(&self) -> Arc<Directory> {
        self.current.load_full()
    }

    /// Wakes when another version is in force, and tells which.
    pub(crate) fn changes(&self) -> watch::Receiver<u64> {
        self.changes.subscribe()
    }

    /// Looks for a newer version and puts it in force; says whether there was one.
    pub(crate) fn poll(&self) -> Result<bool, DirectoryFault> {
        let current = self.current();
        let Some(found) = read_newest(&self.place, &self.trust, Some(&current))? else {
            return Ok(false);
        };
        self.adopt(&current, found)
    }

    fn adopt(&self, current: &Directory, found: Directory) -> Result<bool, DirectoryFault> {
        check(&self.place, current.into(), &found, &self.trust)?;
        let version = found.version();
        if version == current.version() {
            return Ok(false);
        }
        self.current.store(Arc::new(found));
        self.changes.send_replace(version.value());
        Ok(true)
    }

    /// What brings a caller's version to the one in force; `None` if it has that one. Made
    /// once for each version that callers have.
    pub(crate) async fn update(
        self: &Arc<Self>,
        asked: Asked,
    ) -> Result<Option<Arc<Update>>, DirectoryFault> {
        let current = self.current();
        if asked.has(&current) {
            return Ok(None);
        }
        let mut updates = self.updates.lock().await;
        if let Some(made) = updates.find(&current, &asked) {
            return Ok(Some(made));
        }
        let place = self.place.clone();
        let making = tokio::task::spawn_blocking(move || Update::make(&place, current, &asked));
        let made = Arc::new(making.await.map_err(|_| DirectoryFault::Interrupted)?);
        updates.keep(&made);
        Ok(Some(made))
    }

    /// What the store is told of the directory in force.
    pub(crate) fn note(&self) -> DirectoryNote {
        let current = self.current.load();
        DirectoryNote {
            version: current.version(),
            head: current.signed_head().digest(),
        }
    }

    /// Names TLS peers by the directory in force.
    pub(crate) fn peer_policy(self: &Arc<Self>) -> PeerPolicy {
        let directories = Arc::clone(self);
        Arc::new(move |fingerprint, _, now| {
            let at = Timestamp::from_unix_saturating(now);
            let certificate = Digest::from_bytes(fingerprint.0);
            directories
                .current
                .load()
                .node_by_certificate(certificate, at)
                .map(|node| PeerIdentity(node.id.to_bytes()))
                .ok_or(PeerRefusal::NotInDirectory)
        })
    }
}

/// Whether a directory lets this hub sign: it is listed, active, under this certificate.
pub(crate) fn lists_hub(
    directory: &Directory,
    hub: HubId,
    certificate: Digest,
    at: Timestamp,
) -> bool {
    directory
        .hub_by_certificate(certificate, at)
        .is_some_and(|entry| entry.id == hub)
}

/// Looks for newer versions until the hub stops. `noted` is told of each.
pub(crate) async fn watch_directory(
    directories: Arc<Directories>,
    shutdown: Shutdown,
    noted: impl Fn(DirectoryNote) + Send + 'static,
) {
    let mut last_fault = None;
    let mut ticks = tokio::time::interval(POLL);
    loop {
        tokio::select! {
            _ = ticks.tick() => {}
            () = shutdown.wait() => return,
        }
        let polled = {
            let directories = Arc::clone(&directories);
            tokio::task::spawn_blocking(move || directories.poll()).await
        };
        match polled {
            Ok(Ok(true)) => {
                let note = directories.note();
                info!(version = note.version.value(), "directory in force");
                noted(note);
                last_fault = None;
            }
            Ok(Ok(false)) => last_fault = None,
            Ok(Err(fault)) => report(&fault, &mut last_fault),
            Err(_) => return,
        }
    }
}

/// Logs a fault once, not at every look.
fn report(fault: &DirectoryFault, last: &mut Option<String>) {
    let cause = std::error::Error::source(fault).map(ToString::to_string);
    let text = format!("{fault}: {}", cause.as_deref().unwrap_or_default());
    if last.as_ref() != Some(&text) {
        error!(
            fault = %fault,
            cause = cause.as_deref(),
            "the published directory is not taken; the one in force stays"
        );
        *last = Some(text);
    }
}
