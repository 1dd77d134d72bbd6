//! What all parts of a running node share: its agencies with their keys, the directory, the
//! clock, and who is to be woken by which change.
//!
//! Whatever touches files runs on a thread that may block, through [`blocking`] or
//! [`Office::at_desk`]; the async threads never wait for a disk.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Instant;

use arc_swap::ArcSwap;
use consign_domain::{AgencyId, EnvelopeKey, Timestamp};
use consign_keys::Keyring;
use consign_runtime::clock::Clock;
use consign_runtime::files::DirectoryLock;
use consign_runtime::tls::TlsIdentity;
use tokio::sync::watch;

pub(crate) use consign_runtime::blocking;

use crate::agency::Agency;
use crate::archiving::Archiving;
use crate::board::Board;
use crate::config::Config;
use crate::context::Context;
use crate::index::Index;
use crate::keys::AgencyKeys;
use crate::layout::NodeDirectory;
use crate::link::{Again, Cause, Claims, Keeper, LinkStatus};
use crate::stamps::Stamps;

/// One agency at work: its files and its keys.
#[derive(Debug)]
pub(crate) struct Desk {
    pub(crate) agency: Agency,
    /// The keys in force by the newest directory.
    pub(crate) keys: ArcSwap<AgencyKeys>,
    /// Why the token that keeps the seal key does not sign.
    seal_waits: Mutex<Option<Cause>>,
}

impl Desk {
    pub(crate) fn new(agency: Agency, keys: AgencyKeys) -> Self {
        Self {
            agency,
            keys: ArcSwap::from_pointee(keys),
            seal_waits: Mutex::default(),
        }
    }

    /// Why the token that keeps the seal key did not sign when it was last looked at.
    pub(crate) fn seal_waits(&self) -> Option<Cause> {
        lock(&self.seal_waits).clone()
    }

    /// Takes note of it; gives what was known before.
    pub(crate) fn note_seal(&self, cause: Option<Cause>) -> Option<Cause> {
        std::mem::replace(&mut *lock(&self.seal_waits), cause)
    }

    pub(crate) const fn id(&self) -> AgencyId {
        self.agency.home().id()
    }
}

/// A running node.
#[derive(Debug)]
pub(crate) struct Office {
    pub(crate) config: Config,
    pub(crate) directory: NodeDirectory,
    pub(crate) clock: Clock,
    pub(crate) keeper: Arc<Keeper>,
    pub(crate) index: Arc<Index>,
    pub(crate) link: LinkStatus,
    /// What received envelopes wait for.
    pub(crate) board: Board,
    /// Something was composed, sealed or is to be posted.
    pub(crate) sending: Bell,
    /// A token that keeps a seal key is there again.
    pub(crate) token_back: Bell,
    /// Who follows which sent envelope.
    pub(crate) followers: Followers,
    /// Payloads that are being fetched.
    pub(crate) claims: Claims,
    /// What is sent once more after the hub lost data.
    pub(crate) again: Again,
    /// Who this node is to hubs and the authority; shown from the next connection on.
    pub(crate) identity: TlsIdentity,
    /// What opens the keys' files, and writes new ones alike.
    pub(crate) keyring: Arc<Keyring>,
    /// The identity is another.
    pub(crate) reconnect: Bell,
    /// One renewal of keys at a time.
    pub(crate) renewing: tokio::sync::Mutex<()>,
    /// Who stamps seals.
    pub(crate) stamps: Stamps,
    pub(crate) archiving: Archiving,
    desks: Vec<Arc<Desk>>,
    /// Held until the last part of the node is gone.
    _lock: DirectoryLock,
    held: Mutex<HashMap<EnvelopeKey, Held>>,
}

/// What is read from a node's files before it runs.
pub(crate) struct Parts {
    pub(crate) directory: NodeDirectory,
    pub(crate) keeper: Arc<Keeper>,
    pub(crate) index: Arc<Index>,
    /// By code.
    pub(crate) desks: Vec<Desk>,
    pub(crate) identity: TlsIdentity,
    pub(crate) keyring: Arc<Keyring>,
    pub(crate) lock: DirectoryLock,
}

/// Wakes whoever waits for a change; changes that nobody has looked at yet count once.
#[derive(Debug)]
pub(crate) struct Bell(watch::Sender<()>);

impl Default for Bell {
    fn default() -> Self {
        Self(watch::Sender::new(()))
    }
}

impl Bell {
    pub(crate) fn ring(&self) {
        self.0.send_replace(());
    }

    /// Wakes at each ring after this call.
    pub(crate) fn listen(&self) -> Listener {
        Listener(self.0.subscribe())
    }
}

/// Hears a [`Bell`].
#[derive(Debug)]
pub(crate) struct Listener(watch::Receiver<()>);

impl Listener {
    /// Waits for the next ring; for ever, once the bell is gone.
    pub(crate) async fn rung(&mut self) {
        if self.0.changed().await.is_err() {
            std::future::pending::<()>().await;
        }
    }
}

/// Wakes those who follow a sent envelope, and nobody else.
#[derive(Debug, Clone, Default)]
pub(crate) struct Followers(Arc<Mutex<HashMap<EnvelopeKey, Followed>>>);

/// An envelope that somebody follows.
#[derive(Debug, Default)]
struct Followed {
    count: usize,
    bell: Bell,
}

/// Hears of one envelope until it is dropped.
#[derive(Debug)]
pub(crate) struct Following {
    followers: Followers,
    key: EnvelopeKey,
    listener: Listener,
}

impl Followers {
    /// Something has changed for an envelope.
    pub(crate) fn tell(&self, key: EnvelopeKey) {
        if let Some(followed) = lock(&self.0).get(&key) {
            followed.bell.ring();
        }
    }

    /// Begins to follow an envelope.
    pub(crate) fn follow(&self, key: EnvelopeKey) -> Following {
        let listener = {
            let mut all = lock(&self.0);
            let followed = all.entry(key).or_default();
            followed.count += 1;
            followed.bell.listen()
        };
        Following {
            followers: self.clone(),
            key,
            listener,
        }
    }
}

impl Following {
    /// Waits for the next change.
    pub(crate) async fn changed(&mut self) {
        self.listener.rung().await;
    }
}

impl Drop for Following {
    fn drop(&mut self) {
        let mut all = lock(&self.followers.0);
        if let Some(followed) = all.get_mut(&self.key) {
            followed.count -= 1;
            if followed.count == 0 {
                all.remove(&self.key);
            }
        }
    }
}

impl Office {
    /// Puts the parts of a node together.
    pub(crate) fn new(config: Config, clock: Clock, parts: Parts) -> Self {
        Self {
            stamps: Stamps::new(
                config.time_stamps.clone(),
                clock.clone(),
                parts.keeper.lists().clone(),
            ),
            config,
            directory: parts.directory,
            clock,
            keeper: parts.keeper,
            index: parts.index,
            link: LinkStatus::new(),
            board: Board::default(),
            sending: Bell::default(),
            token_back: Bell::default(),
            followers: Followers::default(),
            claims: Claims::default(),
            again: Again::default(),
            identity: parts.identity,
            keyring: parts.keyring,
            reconnect: Bell::default(),
            renewing: tokio::sync::Mutex::default(),
            archiving: Archiving::default(),
            desks: parts.desks.into_iter().map(Arc::new).collect(),
            _lock: parts.lock,
            held: Mutex::default(),
        }
    }

    /// Now, in whole seconds.
    pub(crate) fn now(&self) -> Timestamp {
        Timestamp::from_unix_saturating(self.clock.now())
    }

    /// All agencies, by code.
    pub(crate) fn desks(&self) -> &[Arc<Desk>] {
        &self.desks
    }

    /// The desk of an agency.
    pub(crate) fn desk(&self, agency: AgencyId) -> Option<&Arc<Desk>> {
        self.desks.iter().find(|desk| desk.id() == agency)
    }

    /// Runs `work` for an agency on a thread that may block.
    pub(crate) async fn at_desk<T: Send + 'static>(
        self: &Arc<Self>,
        desk: &Arc<Desk>,
        work: impl FnOnce(&Desk, &Context<'_>) -> T + Send + 'static,
    ) -> T {
        let (office, desk) = (Arc::clone(self), Arc::clone(desk));
        blocking(move || {
            let (directory, keys) = (office.keeper.newest(), desk.keys.load_full());
            let lists = office.keeper.lists().now();
            let context = Context {
                keys: &keys,
                trust: office.keeper.trust(),
                directory: &directory,
                lists: &lists,
                now: office.now(),
            };
            work(&desk, &context)
        })
        .await
    }

    /// Notes why a sent envelope does not go on, for people; `None`: it does.
    pub(crate) fn hold(&self, key: EnvelopeKey, cause: Option<Cause>) {
        let next_try = None;
        match cause {
            Some(cause) => drop(lock(&self.held).insert(key, Held { cause, next_try })),
            None => drop(lock(&self.held).remove(&key)),
        }
        self.followers.tell(key);
    }

    /// Notes why a sent envelope does not go on, and when it is tried again.
    pub(crate) fn hold_until(&self, key: EnvelopeKey, cause: Cause, at: Instant) {
        let next_try = Some(at);
        lock(&self.held).insert(key, Held { cause, next_try });
        self.followers.tell(key);
    }

    /// Why a sent envelope does not go on.
    pub(crate) fn held(&self, key: EnvelopeKey) -> Option<Held> {
        lock(&self.held).get(&key).cloned()
    }
}

/// Why a sent envelope does not go on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Held {
    pub(crate) cause: Cause,
    /// When it is tried again, where that is known.
    next_try: Option<Instant>,
}

impl Held {
    /// In words, with the time until the next try.
    pub(crate) fn words(&self, now: Instant) -> String {
        let Cause { code, text } = &self.cause;
        match self.next_try {
            Some(at) if at > now => {
                let wait = at.saturating_duration_since(now).as_millis().div_ceil(1000);
                format!("{text} ({code}); next try in {wait} s")
            }
            _ => format!("{text} ({code})"),
        }
    }
}

pub(crate) fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
