//! From a request to a durable answer, and on into the index.
//!
//! ```text
//! verbs ─▶ sequencer ─▶ sealers (pool) ─▶ committer ─▶ indexer ─▶ footers, sled
//!             │                              │  ▲
//!             └── what needs no signing ─────┘  └ one frame, one fdatasync
//! ```
//!
//! - The *sequencer* alone decides: duplicates, sequences, the time. Each thing decided
//!   has a ticket, and the committer takes them in the order of tickets.
//! - A duplicate of what is in flight gets a ticket of its own and is answered by the
//!   committer once its first is durable.
//! - The *overlay* holds a table for each segment that the index does not have yet. What is
//!   durable is put in before it stops being in flight and taken out after the index has it,
//!   and every look-up goes in flight, overlay, index: it is never missed.
//! - The *indexer* seals full segments with their rows and gives those to the index: sled
//!   has no part in any answer but to look-ups of what is older than the open segment.
//! - Any failed write poisons the store. Nothing is tried again: all that wait are
//!   answered [`StoreError::Failed`], and the process is to end.

pub(crate) mod committer;
pub(crate) mod indexer;
pub(crate) mod overlay;
pub(crate) mod sealers;
pub(crate) mod sequencer;
pub(crate) mod waker;

use std::collections::{BTreeMap, HashSet};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{
    Arc, Condvar, Mutex, MutexGuard, PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard,
};
use std::time::Duration;

use bytes::Bytes;
use consign_domain::{AgencyId, Digest, EnvelopeKey, Sequence};
use tokio::sync::oneshot;

use crate::disk::Disk;
use crate::error::StoreError;
use crate::index::Index;
use crate::journal::base::Ledger;
use crate::journal::files::Segments;
use crate::journal::marks::Marks;
use crate::journal::projection::Projection;
use crate::journal::record::Record;
use crate::journal::recovery::Spans;
use crate::journal::spares::Spares;
use crate::open::Options;
use crate::types::{
    Accepted, DirectoryNote, Expiry, Position, Posted, Receipt, Refusal, Settled, SettledBy,
    StatusPost, Submission,
};
use crate::watchers::Watchers;
use overlay::Overlay;

/// Where an answer goes.
pub(crate) type Sender<T> = oneshot::Sender<Result<T, StoreError>>;

/// What the verbs ask of the sequencer.
#[derive(Debug)]
pub(crate) enum Request {
    Accept(Box<Submission>, Sender<Accepted>),
    Refuse(Refusal, Sender<Accepted>),
    Settle(Receipt, Sender<Settled>),
    Expire(Expiry, Sender<Settled>),
    Post(StatusPost, Sender<Posted>),
    /// Bring a record of an older segment forward, with its bulk.
    Carry(Box<Record>, Vec<Bytes>, Sender<()>),
    /// Let an older segment go.
    Remove(u64, Sender<()>),
    Stop,
}

/// What can be in flight once only.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) enum InFlight {
    Answer(EnvelopeKey),
    Settlement(EnvelopeKey, AgencyId),
    Status(AgencyId, Digest),
    /// Something that nobody asks for twice, by a number.
    Upkeep(u64),
}

/// What has a ticket.
#[derive(Debug)]
pub(crate) enum Work {
    Commit(Box<Commit>),
    Echo(Echo),
    /// Fill the reserve of segments, if the disk has room.
    Replenish,
    Stop,
}

/// A record that is decided and waits to be durable.
#[derive(Debug)]
pub(crate) struct Commit {
    pub(crate) record: Record,
    pub(crate) encoded: Bytes,
    pub(crate) bulk: Vec<Bytes>,
    pub(crate) key: InFlight,
    /// The bytes that it counts while in flight.
    pub(crate) cost: u64,
    pub(crate) done: Done,
}

/// The answer that becomes true when a record is durable.
#[derive(Debug)]
pub(crate) enum Done {
    Accepted(Sender<Accepted>, Box<Accepted>),
    Settled(Sender<Settled>, Settled),
    Posted(Sender<Posted>, Posted),
    Kept(Sender<()>),
}

/// A duplicate of something in flight: decided when its first is durable.
#[derive(Debug)]
pub(crate) enum Echo {
    Answer(EnvelopeKey, Digest, Sender<Accepted>),
    Settlement(EnvelopeKey, AgencyId, SettledBy, Sender<Settled>),
    Status(AgencyId, Digest, Sender<Posted>),
}

/// What all threads of a store share.
#[derive(Debug)]
pub(crate) struct Shared {
    pub(crate) disk: Arc<dyn Disk>,
    pub(crate) options: Options,
    pub(crate) segments: Segments,
    pub(crate) marks: Marks,
    pub(crate) overlay: Overlay,
    pub(crate) watchers: Watchers,
    /// Gone when the store is closed.
    pub(crate) index: RwLock<Option<Index>>,
    pub(crate) journal: Mutex<Position>,
    pub(crate) spares: Arc<Spares>,
    spans: Mutex<Spans>,
    ledger: RwLock<Ledger>,
    lazy: Mutex<Lazy>,
    flow: Mutex<Flow>,
    flow_changed: Condvar,
    pub(crate) room: AtomicU64,
    pub(crate) queued: AtomicU64,
    pub(crate) index_paused: AtomicBool,
    /// The store is going: threads end as soon as they notice.
    pub(crate) halted: AtomicBool,
    pub(crate) closing: AtomicBool,
    poisoned: AtomicBool,
}

/// Where a journal goes on, and what is known of it.
#[derive(Debug)]
pub(crate) struct Begun {
    pub(crate) end: Position,
    pub(crate) projection: Projection,
    pub(crate) spares: Arc<Spares>,
    pub(crate) spans: Spans,
    pub(crate) ledger: Ledger,
}

/// What is made durable with whatever comes next.
#[derive(Debug, Default)]
pub(crate) struct Lazy {
    collected: BTreeMap<AgencyId, Sequence>,
    directory: Option<DirectoryNote>,
    swept: Option<u64>,
}

/// What is decided and not yet durable.
#[derive(Debug, Default)]
struct Flow {
    keys: HashSet<InFlight>,
    bytes: u64,
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Shared {
    pub(crate) fn new(
        disk: Arc<dyn Disk>,
        options: Options,
        segments: Segments,
        marks: Marks,
        index: Index,
        recovered: Begun,
    ) -> Self {
        Self {
            disk,
            options,
            segments,
            marks,
            overlay: Overlay::new(recovered.end.segment, recovered.projection),
            watchers: Watchers::default(),
            index: RwLock::new(Some(index)),
            journal: Mutex::new(recovered.end),
            spares: recovered.spares,
            spans: Mutex::new(recovered.spans),
            ledger: RwLock::new(recovered.ledger),
            lazy: Mutex::default(),
            flow: Mutex::default(),
            flow_changed: Condvar::new(),
            room: AtomicU64::new(0),
            queued: AtomicU64::new(0),
            index_paused: AtomicBool::new(false),
            halted: AtomicBool::new(false),
            closing: AtomicBool::new(false),
            poisoned: AtomicBool::new(false),
        }
    }

    pub(crate) fn ledger(&self) -> RwLockReadGuard<'_, Ledger> {
        self.ledger.read().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn ledger_mut(&self) -> RwLockWriteGuard<'_, Ledger> {
        self.ledger.write().unwrap_or_else(PoisonError::into_inner)
    }

    /// The segments before the open one that are sealed.
    pub(crate) fn spans(&self) -> MutexGuard<'_, Spans> {
        lock(&self.spans)
    }

    /// How far the index has followed.
    pub(crate) fn index_position(&self) -> Position {
        let index = self.index.read().unwrap_or_else(PoisonError::into_inner);
        index.as_ref().map(Index::position).unwrap_or_default()
    }

    /// Ends the store: nothing is answered any more.
    pub(crate) fn poison(
        &self,
        why: &'static str,
        fault: Option<&(dyn std::error::Error + 'static)>,
    ) {
        if !self.poisoned.swap(true, Ordering::SeqCst) {
            tracing::error!(why, fault, "the store has failed and must be opened anew");
        }
        self.flow_changed.notify_all();
    }

    pub(crate) fn is_poisoned(&self) -> bool {
        self.poisoned.load(Ordering::SeqCst)
    }

    /// Whether threads are to end without finishing what waits.
    pub(crate) fn is_over(&self) -> bool {
        self.is_poisoned() || self.halted.load(Ordering::SeqCst)
    }

    /// The index gave what cannot be: it is not to be believed at the next opening either.
    pub(crate) fn distrust_index(&self) -> StoreError {
        self.poison("the index failed", None);
        if let Err(fault) = self.marks.clear_boot() {
            tracing::error!(fault = &fault as &dyn std::error::Error, "the mark stays");
        }
        StoreError::Index
    }

    pub(crate) fn is_in_flight(&self, key: InFlight) -> bool {
        lock(&self.flow).keys.contains(&key)
    }

    /// Waits until `cost` more bytes may be in flight and the overlay has room.
    pub(crate) fn wait_for_room(&self, cost: u64) -> Result<(), StoreError> {
        let most = self.most_in_flight();
        let mut flow = lock(&self.flow);
        loop {
            if self.is_over() {
                return Err(StoreError::Failed);
            }
            let fits = flow.bytes == 0 || flow.bytes + cost <= most;
            let overlay_fits = self.overlay.waiting() < self.options.overlay_bytes;
            if fits && overlay_fits {
                return Ok(());
            }
            if !overlay_fits && self.index_paused.load(Ordering::SeqCst) {
                return Err(StoreError::Full);
            }
            let wait = Duration::from_millis(50);
            let (again, _) = self
                .flow_changed
                .wait_timeout(flow, wait)
                .unwrap_or_else(PoisonError::into_inner);
            flow = again;
        }
    }

    /// Most bytes in flight: a part of a segment, so that the reserve covers them.
    fn most_in_flight(&self) -> u64 {
        (self.options.segment_bytes / 4).min(8 << 20)
    }

    pub(crate) fn bytes_in_flight(&self) -> u64 {
        lock(&self.flow).bytes
    }

    pub(crate) fn take_off(&self, key: InFlight, cost: u64) {
        let mut flow = lock(&self.flow);
        flow.keys.insert(key);
        flow.bytes += cost;
    }

    pub(crate) fn land(&self, commits: &[Commit]) {
        let mut flow = lock(&self.flow);
        for commit in commits {
            flow.keys.remove(&commit.key);
            flow.bytes = flow.bytes.saturating_sub(commit.cost);
        }
        drop(flow);
        self.flow_changed.notify_all();
    }

    /// Wakes the sequencer where it waits for room.
    pub(crate) fn room_changed(&self) {
        // Under the lock, so that no one misses it between looking and waiting.
        drop(lock(&self.flow));
        self.flow_changed.notify_all();
    }

    /// Waits a while, or until something changes.
    pub(crate) fn pause(&self) {
        let flow = lock(&self.flow);
        let waited = self
            .flow_changed
            .wait_timeout(flow, Duration::from_millis(50));
        drop(waited.unwrap_or_else(PoisonError::into_inner));
    }

    pub(crate) fn note_collected(&self, agency: AgencyId, through: Sequence) {
        lock(&self.lazy).collected.insert(agency, through);
    }

    pub(crate) fn note_directory(&self, note: DirectoryNote) {
        lock(&self.lazy).directory = Some(note);
    }

    pub(crate) fn note_swept(&self, hour: u64) {
        lock(&self.lazy).swept = Some(hour);
    }

    pub(crate) fn has_lazy(&self) -> bool {
        let lazy = lock(&self.lazy);
        !lazy.collected.is_empty() || lazy.directory.is_some() || lazy.swept.is_some()
    }

    /// What is to be made durable with the next batch.
    pub(crate) fn take_lazy(&self) -> Vec<Record> {
        let lazy = std::mem::take(&mut *lock(&self.lazy));
        // What was accepted since may have put it back.
        let swept = self.ledger().swept;
        let swept = lazy.swept.map(|hour| hour.min(swept));
        let collected = lazy
            .collected
            .into_iter()
            .map(|(agency, through)| Record::Collected { agency, through });
        collected
            .chain(lazy.directory.map(Record::Directory))
            .chain(swept.map(|hour| Record::Swept { hour }))
            .collect()
    }
}
