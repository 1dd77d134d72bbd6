//! The directory as this node believes it, and how it gets newer.
//!
//! Invariants (rules of the trust file, held against the highest version ever seen):
//! - a version below the newest is a *rollback*, by whomever it is signed, another head under the
//!   same version or one that does not follow from ours is a *fork*: both are refused, loudly;
//! - a newer version counts only once it is on stable storage, so that no restart forgets it;
//! - an expired head is kept, since it is the highest seen, but decides nothing new:
//!   [`Keeper::fresh`] refuses, and work is held until the authority publishes another.
//!
//! On disk: `DIR/<version, 12 digits>/{head.json, head.sig, entries.jsonl}`, each published
//! whole by renaming its directory; the last few are kept.

mod offer;

use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, Instant};

use bytes::Bytes;
use consign_domain::statement::{DirectoryHead, Statement as _};
use consign_domain::{DirectoryVersion, ErrorCode, SignedStatement, Timestamp};
use consign_proto::v1::directory_reply::Message;
use consign_proto::v1::{DirectoryRequest, hub_client::HubClient};
use consign_proto::{Malformed, status_of};
use consign_verify::directory::changes::{self, ChangeError};
use consign_verify::directory::{Known, SuccessionError, follows};
use consign_verify::{Directory, DirectoryError, TrustStore};
use thiserror::Error;
use tokio::sync::{Mutex, watch};
use tonic::transport::Channel;
use tracing::{info, warn};

use self::offer::{Arriving, Offer};
use crate::directory_files::{self, DirectoryFileError};
use crate::revocation_lists::{ListsHere, RevocationLists};

/// How soon a hub that gave no lists that answer for today is asked for them again, with the whole
/// directory.
const LISTS_AGAIN: Duration = Duration::from_secs(600);

/// Why a directory that was offered is not taken.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum DirectoryRefusal {
    /// It does not verify by the trust file.
    #[error("the directory offered does not verify")]
    Unverified {
        /// Why.
        #[source]
        source: DirectoryError,
    },
    /// It is older than the one here, or the authority has signed two different directories
    /// for one place in the row.
    #[error(transparent)]
    Succession(#[from] SuccessionError),
    /// The hub's changes do not fit the directory here.
    #[error("the changes offered do not fit the directory here")]
    Changes {
        /// Why.
        #[source]
        source: ChangeError,
    },
    /// It could not be stored.
    #[error("the directory cannot be stored")]
    Store {
        /// Why.
        #[source]
        source: DirectoryFileError,
    },
    /// The hub could not be asked.
    #[error("the hub did not give its directory: {}", status.message())]
    Call {
        /// What it answered.
        status: Box<tonic::Status>,
    },
    /// The hub's answer breaks the protocol.
    #[error("the hub's directory is not one: {rule}")]
    Protocol {
        /// What is wrong with it.
        rule: &'static str,
    },
    /// The newest directory here has expired.
    #[error(
        "directory version {version} expired at {expires}; the authority must publish a new one"
    )]
    Expired {
        /// The version here.
        version: DirectoryVersion,
        /// Until when it counted.
        expires: Timestamp,
    },
    /// The task that checked it ended early.
    #[error("the directory was not checked: the node is stopping")]
    Interrupted,
}

impl DirectoryRefusal {
    /// The code to show.
    pub fn code(&self) -> ErrorCode {
        match self {
            Self::Unverified { source } => source.code(),
            Self::Succession(source) => source.code(),
            Self::Changes { .. } => ErrorCode::ProtocolViolation,
            Self::Store { .. } => ErrorCode::StorageFailed,
            Self::Call { status } => status_of(status),
            Self::Protocol { .. } => ErrorCode::ProtocolViolation,
            Self::Expired { .. } => ErrorCode::DirectoryExpired,
            Self::Interrupted => ErrorCode::Draining,
        }
    }

    /// Whether it is older than the one here.
    const fn is_of_older(&self) -> bool {
        matches!(self, Self::Succession(SuccessionError::Rollback { .. }))
    }

    /// Whether trying again can help without anybody doing anything.
    pub(crate) fn is_transient(&self) -> bool {
        matches!(self, Self::Call { status } if status_of(status).is_retryable())
    }
}

impl From<Malformed> for DirectoryRefusal {
    fn from(_: Malformed) -> Self {
        Self::Protocol {
            rule: "its head is malformed",
        }
    }
}

/// The newest directory, and the only way to a newer one.
#[derive(Debug)]
pub struct Keeper {
    trust: TrustStore,
    path: PathBuf,
    lists: RevocationLists,
    newest: watch::Sender<Arc<Directory>>,
    /// Whoever holds it asks the hub and stores; in it is from when on the lists are asked for
    /// though no version is newer, where they are.
    turn: Mutex<Option<Instant>>,
}

impl Keeper {
    /// Keeps what lies at `path`, beginning with `newest`, which was read from there.
    pub fn new(trust: TrustStore, path: PathBuf, newest: Directory) -> Self {
        Self {
            trust,
            path,
            lists: RevocationLists::default(),
            newest: watch::Sender::new(Arc::new(newest)),
            turn: Mutex::new(None),
        }
    }

    /// Keeps the revocation lists that come with a version, too. Where none are here that cover
    /// `now`, the hub is asked for them: a bundle brings the newest version without them.
    pub(crate) fn keeping(mut self, lists: RevocationLists, now: Timestamp) -> Self {
        self.turn = Mutex::new((!lists.cover(now)).then(Instant::now));
        self.lists = lists;
        self
    }

    /// The revocation lists that are here.
    pub(crate) const fn lists(&self) -> &ListsHere {
        self.lists.here()
    }

    /// Whether revocation lists are here that answer for a time. Blocks.
    pub(crate) fn lists_cover(&self, at: Timestamp) -> bool {
        self.lists.cover(at)
    }

    /// What is believed without the directory.
    pub const fn trust(&self) -> &TrustStore {
        &self.trust
    }

    /// The newest directory, expired or not: for judging what was said under it.
    pub fn newest(&self) -> Arc<Directory> {
        Arc::clone(&self.newest.borrow())
    }

    /// Wakes at each newer version.
    pub fn subscribe(&self) -> watch::Receiver<Arc<Directory>> {
        self.newest.subscribe()
    }

    /// The newest directory, if new decisions may be made with it.
    ///
    /// # Errors
    /// [`DirectoryRefusal::Expired`].
    pub fn fresh(&self, now: Timestamp) -> Result<Arc<Directory>, DirectoryRefusal> {
        let newest = self.newest();
        if newest.is_fresh(now) {
            return Ok(newest);
        }
        Err(DirectoryRefusal::Expired {
            version: newest.version(),
            expires: newest.head().expires,
        })
    }

    /// Asks the hub for what is newer than ours, and takes it. Says whether there was any.
    pub(crate) async fn sync(
        self: &Arc<Self>,
        hub: &mut HubClient<Channel>,
        now: Timestamp,
    ) -> Result<bool, DirectoryRefusal> {
        let mut lists_due = self.turn.lock().await;
        let mut is_newer = match self.ask(hub, Some(Known::from(&*self.newest()))).await {
            // Ours and the hub's changes do not go together; the whole tells what is wrong.
            Err(
                refusal @ (DirectoryRefusal::Unverified { .. } | DirectoryRefusal::Changes { .. }),
            ) => {
                info!(%refusal, "asking for the whole directory");
                self.ask(hub, None).await
            }
            answer => answer,
        }?;
        if !is_newer {
            if lists_due.is_none_or(|due| Instant::now() < due) {
                return Ok(false);
            }
            // Whatever the answer is, the whole is not fetched for them each time.
            *lists_due = Some(Instant::now() + LISTS_AGAIN);
            is_newer = match self.ask(hub, None).await {
                // A hub whose directory is older offers that, and has no lists for us yet.
                Err(refusal) if refusal.is_of_older() || refusal.is_transient() => {
                    info!(%refusal, "the hub gave no revocation lists");
                    return Ok(false);
                }
                answer => answer?,
            };
        }
        // A hub may have given none, or old ones.
        let keeper = Arc::clone(self);
        let covers = tokio::task::spawn_blocking(move || keeper.lists_cover(now)).await;
        let covers = covers.map_err(|_| DirectoryRefusal::Interrupted)?;
        *lists_due = (!covers).then(|| Instant::now() + LISTS_AGAIN);
        Ok(is_newer)
    }

    async fn ask(
        self: &Arc<Self>,
        hub: &mut HubClient<Channel>,
        have: Option<Known>,
    ) -> Result<bool, DirectoryRefusal> {
        let Some(offer) = receive(hub, have).await? else {
            return Ok(false);
        };
        let keeper = Arc::clone(self);
        let checked = tokio::task::spawn_blocking(move || keeper.take(offer)).await;
        checked.map_err(|_| DirectoryRefusal::Interrupted)?
    }

    /// [`sync`](Self::sync), unless `version` is here already.
    pub(crate) async fn sync_to(
        self: &Arc<Self>,
        version: DirectoryVersion,
        hub: &mut HubClient<Channel>,
        now: Timestamp,
    ) -> Result<(), DirectoryRefusal> {
        if self.newest().version() < version {
            self.sync(hub, now).await?;
        }
        Ok(())
    }

    /// Checks, stores and believes what the hub offers. Blocks.
    fn take(&self, offer: Offer) -> Result<bool, DirectoryRefusal> {
        let here = self.newest();
        check_age(&offer.head, here.version())?;
        let entries = changes::apply(here.entries(), &offer.changes)
            .map_err(|source| DirectoryRefusal::Changes { source })?;
        let offered = Directory::verify(offer.head, entries, &self.trust)
            .map_err(|source| DirectoryRefusal::Unverified { source })?;
        let follows = follows((&*here).into(), &offer.between, &offered, &self.trust);
        if let Err(refusal) = follows {
            warn!(%refusal, "directory refused");
            return Err(refusal.into());
        }
        if offered.version() == here.version() {
            self.lists.keep(&offer.lists);
            return Ok(false);
        }
        directory_files::publish(&self.path, &offered)
            .map_err(|source| DirectoryRefusal::Store { source })?;
        self.lists.keep(&offer.lists);
        info!(version = offered.version().value(), "newer directory taken");
        self.newest.send_replace(Arc::new(offered));
        Ok(true)
    }
}

/// Refuses a head that says that it is older, whether or not it verifies: a hub that is behind may
/// have one that the trust file here vouches for no more.
fn check_age(head: &SignedStatement, known: DirectoryVersion) -> Result<(), SuccessionError> {
    match DirectoryHead::parse(&head.statement).map(|head| head.version()) {
        Ok(found) if found < known => {
            let refusal = SuccessionError::Rollback { found, known };
            warn!(%refusal, "directory refused");
            Err(refusal)
        }
        _ => Ok(()),
    }
}

/// What the hub has, unless `have` is its newest. Bounded.
async fn receive(
    hub: &mut HubClient<Channel>,
    have: Option<Known>,
) -> Result<Option<Offer>, DirectoryRefusal> {
    let call = |status| DirectoryRefusal::Call {
        status: Box::new(status),
    };
    let request = DirectoryRequest {
        have: have.map_or(0, |known| known.version.value()),
        head: have.map_or_else(Bytes::new, |known| {
            Bytes::copy_from_slice(known.head.as_bytes())
        }),
    };
    let mut replies = hub.directory(request).await.map_err(call)?.into_inner();
    let mut arriving = Arriving::default();
    while let Some(reply) = replies.message().await.map_err(call)? {
        match reply.message {
            Some(Message::Current(true)) if arriving.is_empty() => return Ok(None),
            Some(message) => arriving.add(message)?,
            None => return Err(offer::OUT_OF_ORDER),
        }
    }
    arriving.whole().map(Some)
}

#[cfg(test)]
mod tests;
