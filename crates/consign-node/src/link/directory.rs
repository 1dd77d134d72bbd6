//! The directory as this node believes it, and how it gets newer.
//!
//! Invariants (rules of the trust file, held against the highest version ever seen):
//! - a version below the newest is a *rollback*, another head under the same version or
//!   one that does not follow from ours is a *fork*: both are refused, loudly;
//! - a newer version counts only once it is on stable storage, so that no restart forgets it;
//! - an expired head is kept, since it is the highest seen, but decides nothing new:
//!   [`Keeper::fresh`] refuses, and work is held until the authority publishes another.
//!
//! On disk: `DIR/<version, 12 digits>/{head.json, head.sig, entries.jsonl}`, each published
//! whole by renaming its directory; the last few are kept.

use std::path::PathBuf;
use std::sync::Arc;

use bytes::BytesMut;
use consign_domain::enrolment::DirectoryBundle;
use consign_domain::limits::MAX_DIRECTORY;
use consign_domain::{Digest, DirectoryVersion, ErrorCode, SignedStatement, Timestamp};
use consign_proto::v1::directory_reply::Message;
use consign_proto::v1::{DirectoryRequest, hub_client::HubClient};
use consign_proto::{Malformed, signed, status_of};
use consign_verify::{Directory, DirectoryError, TrustStore};
use thiserror::Error;
use tokio::sync::{Mutex, watch};
use tonic::transport::Channel;
use tracing::{info, warn};

use crate::directory_files::{self, DirectoryFileError};
use crate::keys::signed_head;

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
    /// It is older than the one here.
    #[error("directory version {offered} was offered, version {here} is here already")]
    Rollback {
        /// The version offered.
        offered: DirectoryVersion,
        /// The version here.
        here: DirectoryVersion,
    },
    /// The authority has signed two different directories for one place in the row.
    #[error(
        "directory version {version} contradicts the one here: the authority or its key is not to be trusted; ask the authority"
    )]
    Fork {
        /// The version offered.
        version: DirectoryVersion,
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
            Self::Rollback { .. } => ErrorCode::DirectoryBehind,
            Self::Fork { .. } => ErrorCode::SignatureInvalid,
            Self::Store { .. } => ErrorCode::StorageFailed,
            Self::Call { status } => status_of(status),
            Self::Protocol { .. } => ErrorCode::ProtocolViolation,
            Self::Expired { .. } => ErrorCode::DirectoryExpired,
            Self::Interrupted => ErrorCode::Draining,
        }
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
    newest: watch::Sender<Arc<Directory>>,
    /// One at a time asks the hub or stores.
    turn: Mutex<()>,
}

impl Keeper {
    /// Keeps what lies at `path`, beginning with `newest`, which was read from there.
    pub fn new(trust: TrustStore, path: PathBuf, newest: Directory) -> Self {
        Self {
            trust,
            path,
            newest: watch::Sender::new(Arc::new(newest)),
            turn: Mutex::new(()),
        }
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
    ) -> Result<bool, DirectoryRefusal> {
        let _turn = self.turn.lock().await;
        let have = self.newest().version().value();
        let Some((head, entries)) = receive(hub, have).await? else {
            return Ok(false);
        };
        let keeper = Arc::clone(self);
        let checked = tokio::task::spawn_blocking(move || keeper.take(head, entries)).await;
        checked.map_err(|_| DirectoryRefusal::Interrupted)?
    }

    /// Takes the directory of a bundle, unless it is here already.
    pub(crate) async fn offer(
        self: &Arc<Self>,
        bundle: &DirectoryBundle,
    ) -> Result<bool, DirectoryRefusal> {
        let head = signed_head(bundle).ok_or(DirectoryRefusal::Protocol {
            rule: "its signature is not 64 bytes",
        })?;
        let _turn = self.turn.lock().await;
        if head.digest() == self.newest().signed_head().digest() {
            return Ok(false);
        }
        let (keeper, entries) = (Arc::clone(self), bundle.entries.clone().into_bytes());
        let checked = tokio::task::spawn_blocking(move || keeper.take(head, entries)).await;
        match checked.map_err(|_| DirectoryRefusal::Interrupted)? {
            // The hub's was quicker.
            Err(DirectoryRefusal::Rollback { .. }) => Ok(false),
            taken => taken,
        }
    }

    /// [`sync`](Self::sync), unless `version` is here already.
    pub(crate) async fn sync_to(
        self: &Arc<Self>,
        version: DirectoryVersion,
        hub: &mut HubClient<Channel>,
    ) -> Result<(), DirectoryRefusal> {
        if self.newest().version() < version {
            self.sync(hub).await?;
        }
        Ok(())
    }

    /// Checks, stores and believes a directory. Blocks.
    fn take(&self, head: SignedStatement, entries: Vec<u8>) -> Result<bool, DirectoryRefusal> {
        let offered = Directory::verify(head, entries, &self.trust)
            .map_err(|source| DirectoryRefusal::Unverified { source })?;
        let here = self.newest();
        if let Err(refusal) = follows(&here, &offered) {
            warn!(%refusal, "directory refused");
            return Err(refusal);
        }
        if offered.version() == here.version() {
            return Ok(false);
        }
        directory_files::publish(&self.path, &offered)
            .map_err(|source| DirectoryRefusal::Store { source })?;
        info!(version = offered.version().value(), "newer directory taken");
        self.newest.send_replace(Arc::new(offered));
        Ok(true)
    }
}

/// Whether a verified directory may come after, or be, the one here.
fn follows(here: &Directory, offered: &Directory) -> Result<(), DirectoryRefusal> {
    let (old, new) = (here.version(), offered.version());
    let fork = || DirectoryRefusal::Fork { version: new };
    let digest = |directory: &Directory| directory.signed_head().digest();
    if new < old {
        return Err(DirectoryRefusal::Rollback {
            offered: new,
            here: old,
        });
    }
    if new == old && digest(here) != digest(offered) {
        return Err(fork());
    }
    let next = new == old.next() && new != old;
    let previous: Option<Digest> = offered.head().previous;
    if next && previous != Some(digest(here)) {
        return Err(fork());
    }
    Ok(())
}

/// The head and the entries that the hub has, unless `have` is its newest. Bounded.
async fn receive(
    hub: &mut HubClient<Channel>,
    have: u64,
) -> Result<Option<(SignedStatement, Vec<u8>)>, DirectoryRefusal> {
    let call = |status| DirectoryRefusal::Call {
        status: Box::new(status),
    };
    let protocol = |rule| DirectoryRefusal::Protocol { rule };
    let request = DirectoryRequest { have };
    let mut replies = hub.directory(request).await.map_err(call)?.into_inner();
    let (mut head, mut entries) = (None, BytesMut::new());
    while let Some(reply) = replies.message().await.map_err(call)? {
        match (reply.message, &head) {
            (Some(Message::Current(true)), None) => return Ok(None),
            (Some(Message::Head(message)), None) => head = Some(signed(Some(message), "head")?),
            (Some(Message::Entries(lines)), Some(_)) => {
                if entries.len().saturating_add(lines.len()) > MAX_DIRECTORY {
                    return Err(protocol("it is larger than any may be"));
                }
                entries.extend_from_slice(&lines);
            }
            _ => return Err(protocol("a message out of order")),
        }
    }
    let head = head.ok_or_else(|| protocol("it has no head"))?;
    Ok(Some((head, entries.into())))
}

#[cfg(test)]
mod tests;
