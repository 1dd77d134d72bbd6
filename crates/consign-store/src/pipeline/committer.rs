//! Makes what was decided durable: whatever waits becomes one frame and one `fdatasync`.

use std::collections::{BTreeMap, BTreeSet};
use std::io;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::sync::mpsc::{Receiver, Sender};

use bytes::Bytes;
use consign_domain::AgencyId;

use super::indexer::Task;
use super::waker::{FEW, Grown};
use super::{Commit, Done, Echo, Shared, Work};
use crate::journal::frame::HEADER;
use crate::journal::projection::{self, Projection};
use crate::journal::record::{RECORD_HEADER, Record};
use crate::journal::rows::Locator;
use crate::journal::writer::JournalWriter;

/// Most bytes that are made durable at once; more waits for the next batch.
const MAX_BATCH: u64 = 4 << 20;

/// Tables that together may take all the memory for what the index does not have.
const TABLES: u64 = 4;

/// The thread that writes the journal.
pub(crate) struct Committer {
    shared: Arc<Shared>,
    writer: JournalWriter,
    inbox: Receiver<(u64, Work)>,
    indexer: Sender<Task>,
    waker: Sender<Grown>,
    waiting: BTreeMap<u64, Work>,
    next: u64,
}

/// What goes into one frame, and what is answered after it.
#[derive(Default)]
struct Group {
    commits: Vec<Commit>,
    echoes: Vec<Echo>,
    bytes: u64,
}

impl Committer {
    pub(crate) fn new(
        shared: Arc<Shared>,
        writer: JournalWriter,
        inbox: Receiver<(u64, Work)>,
        indexer: Sender<Task>,
        waker: Sender<Grown>,
    ) -> Self {
        let committer = Self {
            shared,
            writer,
            inbox,
            indexer,
            waker,
            waiting: BTreeMap::new(),
            next: 0,
        };
        committer.publish();
        committer
    }

    /// Runs until it is stopped, or something fails.
    pub(crate) fn run(mut self) {
        let fault = loop {
            let Ok((ticket, work)) = self.inbox.recv() else {
                return;
            };
            self.waiting.insert(ticket, work);
            while let Ok((ticket, work)) = self.inbox.try_recv() {
                self.waiting.insert(ticket, work);
            }
            if self.shared.is_over() {
                return;
            }
            match self.commit_waiting() {
                Ok(true) => {}
                Ok(false) => return,
                Err(fault) => break fault,
            }
        };
        // What was not answered now never will be: the senders go with this thread.
        self.shared
            .poison("the journal cannot be written", Some(&fault));
    }

    fn fail(&self, fault: &(dyn std::error::Error + 'static)) {
        self.shared
            .poison("the journal cannot be written", Some(fault));
    }

    /// Commits all whose turn it is; `false` when the store was closed.
    fn commit_waiting(&mut self) -> io::Result<bool> {
        let most = MAX_BATCH.min(self.shared.options.segment_bytes / 4);
        let mut group = Group::default();
        while let Some(work) = self.waiting.remove(&self.next) {
            self.next += 1;
            match work {
                Work::Commit(commit) => {
                    let size = commit.size();
                    if group.bytes + size > most {
                        self.commit(std::mem::take(&mut group))?;
                    }
                    group.bytes += size;
                    group.commits.push(*commit);
                }
                Work::Echo(echo) => group.echoes.push(echo),
                Work::Replenish => {
                    self.writer.spares().replenish()?;
                    self.shared.room_changed();
                }
                Work::Stop => {
                    self.commit(group)?;
                    self.close()?;
                    return Ok(false);
                }
            }
        }
        self.commit(group)?;
        Ok(true)
    }

    fn commit(&mut self, group: Group) -> io::Result<()> {
        let mut grown = Vec::new();
        if !group.commits.is_empty() {
            grown = match self.write(&group) {
                Ok(grown) => grown,
                Err(fault) => {
                    // Before those that wait learn of it by their senders' drop.
                    self.fail(&fault);
                    return Err(fault);
                }
            };
            self.shared.land(&group.commits);
            for commit in group.commits {
                commit.done.answer();
            }
        }
        for echo in group.echoes {
            echo.answer(&self.shared);
        }
        if grown.len() > FEW {
            // A waker that is gone has poisoned the store.
            drop(self.waker.send(grown));
            return Ok(());
        }
        for (agency, last) in grown {
            self.shared.watchers.wake(agency, last);
        }
        Ok(())
    }

    /// Writes the frame and makes its records visible; gives the inboxes that have grown.
    fn write(&mut self, group: &Group) -> io::Result<Grown> {
        let lazy = self.shared.take_lazy();
        let encoded: Vec<Bytes> = lazy.iter().map(Record::encode).collect();
        let commits = group.commits.iter();
        let records = lazy
            .iter()
            .zip(&encoded)
            .chain(commits.map(|commit| (&commit.record, &commit.encoded)));
        let (mut facts, mut estimate) = (Vec::new(), 0);
        for (record, encoded) in records.clone() {
            facts.extend_from_slice(encoded);
            estimate += projection::estimate(record);
        }
        let bulk: Vec<Bytes> = group
            .commits
            .iter()
            .flat_map(|commit| commit.bulk.iter().cloned())
            .collect();
        let bulk_length: usize = bulk.iter().map(Bytes::len).sum();
        self.make_room((HEADER + facts.len() + bulk_length) as u64, estimate)?;
        let begin = self.writer.end();
        self.writer.append(&facts, &bulk)?;

        let mut place = Locator {
            segment: begin.segment,
            offset: begin.offset + HEADER as u64,
            length: 0,
            bulk: begin.offset + (HEADER + facts.len()) as u64,
        };
        let table = self.shared.overlay.open();
        let table = table.ok_or(io::ErrorKind::NotFound)?;
        table.add(|projection| {
            for (record, encoded) in records {
                place.offset += RECORD_HEADER as u64;
                place.length = u32::try_from(encoded.len() - RECORD_HEADER).unwrap_or(u32::MAX);
                projection.add(record, place);
                place.offset += u64::from(place.length);
                place.bulk += record.bulk();
            }
        });
        self.publish();
        self.show(&group.commits)
    }

    /// Begins a new segment if a frame of `size` bytes, with rows of `rows` bytes, does not
    /// fit into this one, or if this one has as many rows as may wait for the index.
    fn make_room(&mut self, size: u64, rows: u64) -> io::Result<()> {
        let open = self.shared.overlay.open();
        let open = open.ok_or(io::ErrorKind::NotFound)?;
        let (footer, memory) = open.look(|rows| (rows.footer_size(), rows.memory()));
        let fits = size + rows <= self.writer.room(footer)
            && memory <= self.shared.options.overlay_bytes / TABLES;
        if fits || self.writer.is_fresh() {
            return Ok(());
        }
        let ledger = self.shared.ledger().clone();
        let full = self.writer.next_segment(ledger)?;
        self.shared.overlay.begin(self.writer.end().segment);
        if !self.writer.spares().has_reserve() {
            // The indexer makes them, unless it is busy.
            self.writer.spares().replenish()?;
        }
        // An indexer that is gone has poisoned the store.
        drop(self.indexer.send(Task::Seal(full, open)));
        Ok(())
    }

    /// Lets inboxes end where they now end; gives those that have grown.
    fn show(&self, commits: &[Commit]) -> io::Result<Grown> {
        let mut grown = BTreeSet::new();
        let mut ledger = self.shared.ledger_mut();
        for commit in commits {
            ledger.apply(&commit.record).map_err(io::Error::other)?;
            grown.extend(grown_by(&commit.record));
        }
        let grown = grown.into_iter();
        Ok(grown.map(|agency| (agency, ledger.last(agency))).collect())
    }

    fn publish(&self) {
        *super::lock(&self.shared.journal) = self.writer.end();
        let open = self.shared.overlay.open();
        let footer = open.map_or(0, |open| open.look(Projection::footer_size));
        let room = self.writer.room(footer);
        self.shared.room.store(room, Ordering::SeqCst);
    }

    /// Leaves the journal to be sealed.
    fn close(&mut self) -> io::Result<()> {
        self.write_lazy()?;
        if let Some(open) = self.shared.overlay.open() {
            drop(self.indexer.send(Task::Seal(self.writer.full(), open)));
        }
        Ok(())
    }

    fn write_lazy(&mut self) -> io::Result<()> {
        // A group of nothing else: what is lazy goes into its frame.
        if self.shared.has_lazy() {
            self.write(&Group::default())?;
        }
        Ok(())
    }
}

impl Commit {
    fn size(&self) -> u64 {
        let bulk: usize = self.bulk.iter().map(Bytes::len).sum();
        (self.encoded.len() + bulk) as u64
    }
}

/// The inboxes that a record adds to.
fn grown_by(record: &Record) -> Vec<AgencyId> {
    match record {
        Record::Accepted(accepted) => accepted.recipients.iter().map(|place| place.id).collect(),
        Record::Settled(settled) => vec![settled.key.sender],
        Record::Status(status) => vec![status.addressee],
        _ => Vec::new(),
    }
}

impl Done {
    fn answer(self) {
        // Whoever asked may have gone; what is durable stays so.
        match self {
            Self::Accepted(to, answer) => drop(to.send(Ok(*answer))),
            Self::Settled(to, answer) => drop(to.send(Ok(answer))),
            Self::Posted(to, answer) => drop(to.send(Ok(answer))),
            Self::Kept(to) => drop(to.send(Ok(()))),
        }
    }
}

impl Echo {
    /// Answers a duplicate from what its first has made durable.
    fn answer(self, shared: &Shared) {
        match self {
            Self::Answer(key, digest, to) => {
                drop(to.send(known(shared.earlier_answer(key, digest))))
            }
            Self::Settlement(key, recipient, by, to) => {
                drop(to.send(known(shared.earlier_settlement(key, recipient, by))));
            }
            Self::Status(addressee, digest, to) => {
                drop(to.send(known(shared.earlier_post(addressee, digest))));
            }
        }
    }
}

/// The first was durable before, so there is an answer.
fn known<T>(
    found: Result<Option<T>, crate::error::StoreError>,
) -> Result<T, crate::error::StoreError> {
    found.and_then(|found| found.ok_or(crate::error::StoreError::Failed))
}
