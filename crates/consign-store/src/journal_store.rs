//! The store whose truth is a journal and whose index is sled.

use std::path::Path;
use std::sync::atomic::Ordering;
use std::sync::mpsc::{self, Sender, SyncSender, TrySendError};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;

use bytes::Bytes;
use consign_domain::delivery::DeliveryState;
use consign_domain::limits::MAX_PAYLOAD;
use consign_domain::{AgencyId, Digest, EnvelopeKey, Sequence, Timestamp};

use crate::disk::{Disk, DiskLock, RealDisk};
use crate::error::StoreError;
use crate::index;
use crate::open::{self, OpenError, Options, Recovery};
use crate::payload::{LeftUpload, PayloadSource, StagedPayload, StagedRef, Upload};
use crate::pipeline::committer::Committer;
use crate::pipeline::indexer::{self, Task};
use crate::pipeline::sequencer::{Sequencer, queued_cost};
use crate::pipeline::{Begun, Request, Shared, sealers, waker};
use crate::retention::{Keeper, Ways};
use crate::staging::Staging;
use crate::store::{Reply, Store, Watcher};
use crate::types::{
    Accepted, Answer, DeliveryPlace, DirectoryNote, Expiry, Health, InboxBudget, InboxItem,
    InboxState, Posted, Receipt, Refusal, Retention, Settled, StatusPost, StoreHealth,
    StoredEnvelope, Submission, Tidied,
};

/// Most requests that wait to be decided.
const QUEUE: usize = 4_096;

/// Most bytes of submissions that wait to be decided.
const QUEUE_BYTES: u64 = 64 << 20;

/// A store in a directory.
///
/// [`close`](JournalStore::close) it: dropped without, it ends as if the process had
/// been killed. Nothing that was answered is lost then either, but what was not yet
/// answered is, and the next opening takes longer.
#[derive(Debug)]
pub struct JournalStore {
    shared: Arc<Shared>,
    requests: Mutex<Option<SyncSender<Request>>>,
    indexer: Mutex<Option<Sender<Task>>>,
    keeper: Mutex<Keeper>,
    threads: Mutex<Vec<JoinHandle<()>>>,
    lock: Mutex<Option<Box<dyn DiskLock>>>,
    staging: Staging,
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl JournalStore {
    /// Opens the store of a directory, which is made if it is not there.
    ///
    /// # Errors
    /// [`OpenError`].
    pub fn open(
        directory: impl AsRef<Path>,
        options: Options,
    ) -> Result<(Self, Recovery), OpenError> {
        let disk = RealDisk::new(directory.as_ref())?;
        Self::open_on(Arc::new(disk), options)
    }

    /// Opens the store of a disk.
    ///
    /// # Errors
    /// [`OpenError`].
    pub fn open_on(disk: Arc<dyn Disk>, options: Options) -> Result<(Self, Recovery), OpenError> {
        let opened = open::open(&disk, &options)?;
        let recovered = opened.recovered;
        let begun = Begun {
            end: recovered.writer.end(),
            projection: recovered.begun,
            spares: recovered.writer.spares().clone(),
            spans: recovered.spans,
            ledger: recovered.ledger,
        };
        let staging = Staging::new(disk.clone(), options.clock.clone(), options.low_water);
        let shared = Arc::new(Shared::new(
            disk,
            options,
            opened.segments,
            opened.marks,
            opened.index,
            begun,
        ));
        let (requests, queue) = mpsc::sync_channel(QUEUE);
        let (to_sealers, jobs) = mpsc::channel();
        let (to_committer, inbox) = mpsc::channel();
        let (to_indexer, batches) = mpsc::channel();
        let indexing = to_indexer.clone();
        let (to_waker, grown) = mpsc::channel();
        let waking = shared.clone();
        let committer = Committer::new(
            shared.clone(),
            recovered.writer,
            inbox,
            to_indexer,
            to_waker,
        );
        let sequencer = Sequencer::new(shared.clone(), to_sealers, to_committer.clone());
        let mut threads = vec![
            spawn(&shared, "store-sequencer", move || sequencer.run(&queue))?,
            spawn(&shared, "store-committer", move || committer.run())?,
            spawn(&shared, "store-waker", move || waker::run(&waking, &grown))?,
        ];
        let indexed = shared.clone();
        threads.push(spawn(&shared, "store-indexer", move || {
            indexer::run(&indexed, &batches);
        })?);
        let jobs = Arc::new(Mutex::new(jobs));
        for _ in 0..shared.options.signers.max(1) {
            let (sealing, jobs, committer) = (shared.clone(), jobs.clone(), to_committer.clone());
            threads.push(spawn(&shared, "store-sealer", move || {
                sealers::run(&sealing, &jobs, &committer);
            })?);
        }
        let store = Self {
            shared,
            requests: Mutex::new(Some(requests)),
            indexer: Mutex::new(Some(indexing)),
            keeper: Mutex::default(),
            threads: Mutex::new(threads),
            lock: Mutex::new(Some(opened.lock)),
            staging,
        };
        Ok((store, opened.recovery))
    }

    /// Answers what waits, seals the journal, lets the index follow and marks the
    /// directory as closed in order. Everything asked afterwards is [`StoreError::Closed`].
    ///
    /// # Errors
    /// [`StoreError::Failed`] if the store is poisoned, or a last write fails.
    pub fn close(&self) -> Result<(), StoreError> {
        let Some(requests) = lock(&self.requests).take() else {
            return Ok(());
        };
        self.shared.closing.store(true, Ordering::SeqCst);
        // Sent behind all that waits; a sequencer that is gone needs no telling.
        drop(requests.send(Request::Stop));
        drop(requests);
        drop(lock(&self.indexer).take());
        self.staging.close();
        self.join();
        let index = self.take_index();
        let held = lock(&self.lock).take();
        if self.shared.is_poisoned() {
            // Before the directory is free for others.
            drop(index);
            return Err(StoreError::Failed);
        }
        if let Some(index) = index {
            index.close().map_err(|_| StoreError::Failed)?;
            let directory = self.shared.disk.index_dir();
            index::files::sync(&directory)?;
            let end = *lock(&self.shared.journal);
            let print = index::files::fingerprint(&directory)?;
            self.shared.marks.set_clean(end, print)?;
        }
        drop(held);
        Ok(())
    }

    fn take_index(&self) -> Option<index::Index> {
        let mut index = self
            .shared
            .index
            .write()
            .unwrap_or_else(PoisonError::into_inner);
        index.take()
    }

    fn join(&self) {
        for thread in std::mem::take(&mut *lock(&self.threads)) {
            // A panic has poisoned the store already.
            drop(thread.join());
        }
    }

    fn ask<T>(
        &self,
        sound: Result<(), StoreError>,
        request: impl FnOnce(crate::pipeline::Sender<T>) -> Request,
    ) -> Reply<T> {
        let (sender, reply) = Reply::channel();
        match sound.and_then(|()| self.queue(request(sender))) {
            Ok(()) => reply,
            Err(fault) => Reply::ready(Err(fault)),
        }
    }

    fn queue(&self, request: Request) -> Result<(), StoreError> {
        if self.shared.is_poisoned() {
            return Err(StoreError::Failed);
        }
        let requests = lock(&self.requests);
        let queue = requests.as_ref().ok_or(StoreError::Closed)?;
        queue.try_send(request).map_err(|fault| match fault {
            TrySendError::Full(_) => StoreError::Busy,
            TrySendError::Disconnected(_) => StoreError::Failed,
        })
    }

    fn is_full(&self) -> bool {
        let free = self.shared.disk.free_space().unwrap_or(0);
        let Options {
            segment_bytes,
            low_water,
            ..
        } = self.shared.options;
        // A reserve that the disk has room for again is filled when someone next asks.
        let reserved = self.shared.spares.has_reserve();
        free < low_water || (!reserved && free < segment_bytes.saturating_add(low_water))
    }
}

fn spawn(
    shared: &Arc<Shared>,
    name: &str,
    run: impl FnOnce() + Send + 'static,
) -> std::io::Result<JoinHandle<()>> {
    let watch = PoisonOnPanic(shared.clone());
    std::thread::Builder::new()
        .name(name.to_owned())
        .spawn(move || {
            let _watch = watch;
            run();
        })
}

/// Tells the others when a thread of the store panics, instead of leaving them to wait.
struct PoisonOnPanic(Arc<Shared>);

impl Drop for PoisonOnPanic {
    fn drop(&mut self) {
        if std::thread::panicking() {
            self.0.poison("a thread of the store panicked", None);
        }
    }
}

impl Drop for JournalStore {
    fn drop(&mut self) {
        self.shared.halted.store(true, Ordering::SeqCst);
        self.staging.close();
        drop(lock(&self.requests).take());
        drop(lock(&self.indexer).take());
        self.shared.room_changed();
        self.join();
        drop(self.take_index());
    }
}

impl Store for JournalStore {
    fn accept(&self, submission: Submission) -> Reply<Accepted> {
        let cost = queued_cost(&submission);
        let queued = self.shared.queued.fetch_add(cost, Ordering::SeqCst);
        if queued > 0 && queued.saturating_add(cost) > QUEUE_BYTES {
            self.shared.queued.fetch_sub(cost, Ordering::SeqCst);
            return Reply::ready(Err(StoreError::Busy));
        }
        let (sender, reply) = Reply::channel();
        match self.queue(Request::Accept(Box::new(submission), sender)) {
            Ok(()) => reply,
            Err(fault) => {
                self.shared.queued.fetch_sub(cost, Ordering::SeqCst);
                Reply::ready(Err(fault))
            }
        }
    }

    fn refuse(&self, refusal: Refusal) -> Reply<Accepted> {
        let sound = refusal.check();
        self.ask(sound, |to| Request::Refuse(refusal, to))
    }

    fn settle(&self, receipt: Receipt) -> Reply<Settled> {
        let sound = receipt.check();
        self.ask(sound, |to| Request::Settle(receipt, to))
    }

    fn post(&self, status: StatusPost) -> Reply<Posted> {
        let sound = status.check();
        self.ask(sound, |to| Request::Post(status, to))
    }

    fn expire(&self, expiry: Expiry) -> Reply<Settled> {
        let sound = expiry.check();
        self.ask(sound, |to| Request::Expire(expiry, to))
    }

    fn collected(&self, agency: AgencyId, through: Sequence) -> Result<(), StoreError> {
        let mut ledger = self.shared.ledger_mut();
        if through.value() > ledger.last(agency) {
            return Err(StoreError::Behind);
        }
        let ends = ledger.ends_mut(agency);
        if through.value() > ends.collected {
            ends.collected = through.value();
            self.shared.note_collected(agency, through);
        }
        Ok(())
    }

    fn due(&self, now: Timestamp, most: usize) -> Result<Vec<EnvelopeKey>, StoreError> {
        self.shared.due(now, most)
    }

    fn tidy(&self, now: Timestamp, keep: &Retention) -> Result<Tidied, StoreError> {
        let mut keeper = lock(&self.keeper);
        let requests = lock(&self.requests).clone().ok_or(StoreError::Closed)?;
        let indexer = lock(&self.indexer).clone().ok_or(StoreError::Closed)?;
        let ways = Ways {
            requests: &requests,
            indexer: &indexer,
        };
        keeper.tidy(&self.shared, &ways, now, keep)
    }

    fn inbox(
        &self,
        agency: AgencyId,
        after: Option<Sequence>,
        budget: InboxBudget,
    ) -> Result<Vec<InboxItem>, StoreError> {
        self.shared.read_inbox(agency, after, budget)
    }

    fn inbox_state(&self, agency: AgencyId) -> Result<InboxState, StoreError> {
        let ledger = self.shared.ledger();
        Ok(InboxState {
            last: Sequence::new(ledger.last(agency)).ok(),
            collected: Sequence::new(ledger.collected(agency)).ok(),
        })
    }

    fn item_digest(
        &self,
        agency: AgencyId,
        sequence: Sequence,
    ) -> Result<Option<Digest>, StoreError> {
        self.shared.read_item_digest(agency, sequence)
    }

    fn answer(&self, key: EnvelopeKey) -> Result<Option<Answer>, StoreError> {
        self.shared.read_answer(key)
    }

    fn envelope(&self, key: EnvelopeKey) -> Result<Option<StoredEnvelope>, StoreError> {
        self.shared.read_envelope(key)
    }

    fn wraps(&self, key: EnvelopeKey) -> Result<Option<Vec<Bytes>>, StoreError> {
        self.shared.read_wraps(key)
    }

    fn delivery(
        &self,
        key: EnvelopeKey,
        recipient: AgencyId,
    ) -> Result<Option<DeliveryState>, StoreError> {
        match self.shared.place_of(key, recipient) {
            Err(StoreError::EnvelopeUnknown | StoreError::NotARecipient) => Ok(None),
            Err(fault) => Err(fault),
            Ok(_) => self.shared.read_state(key, recipient).map(Some),
        }
    }

    fn delivery_of(
        &self,
        key: EnvelopeKey,
        recipient: AgencyId,
    ) -> Result<Option<DeliveryPlace>, StoreError> {
        self.shared.read_delivery(key, recipient)
    }

    fn payload(&self, key: EnvelopeKey) -> Result<Option<PayloadSource>, StoreError> {
        self.shared.read_payload(key)
    }

    fn stage(&self, upload: Upload) -> Result<Box<dyn StagedPayload>, StoreError> {
        if upload.size > MAX_PAYLOAD {
            return Err(StoreError::TooLarge);
        }
        self.staging.open(upload)
    }

    fn staged(&self) -> Result<Vec<LeftUpload>, StoreError> {
        self.staging.list()
    }

    fn place(&self, staged: &StagedRef) -> Result<(), StoreError> {
        self.staging.place(staged)
    }

    fn unstage(&self, upload: &Upload) -> Result<(), StoreError> {
        self.staging.forget(upload)
    }

    fn watch(&self, agency: AgencyId) -> Watcher {
        let last = || self.shared.ledger().last(agency);
        self.shared.watchers.watch(agency, last)
    }

    fn note_directory(&self, note: DirectoryNote) -> Result<(), StoreError> {
        if self.shared.is_poisoned() {
            return Err(StoreError::Failed);
        }
        let mut ledger = self.shared.ledger_mut();
        if ledger.is_news(&note) {
            ledger.directory = Some(note);
            self.shared.note_directory(note);
        }
        Ok(())
    }

    fn directory(&self) -> Result<Option<DirectoryNote>, StoreError> {
        Ok(self.shared.ledger().directory)
    }

    fn health(&self) -> StoreHealth {
        let health = if self.shared.is_poisoned() {
            Health::Poisoned
        } else if self.is_full() {
            Health::Full
        } else {
            Health::Good
        };
        StoreHealth {
            health,
            journal: *lock(&self.shared.journal),
            index: self.shared.index_position(),
            overlay_bytes: self.shared.overlay.waiting(),
        }
    }
}
