//! The one thread that decides: duplicates, places, the time, and whether there is room.

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::sync::mpsc::{Receiver, Sender as Queue};

use bytes::Bytes;
use consign_domain::limits::MAX_LIFE_SECONDS;
use consign_domain::statement::Placement;
use consign_domain::{AgencyId, EnvelopeKey, Sequence, SignedStatement};

use super::sealers::SealJob;
use super::{Commit, Done, Echo, InFlight, Request, Sender, Shared, Work};
use crate::error::StoreError;
use crate::journal::files::payload_path;
use crate::journal::record::{Record, RefusedRecord, SettledRecord, StatusRecord};
use crate::types::{
    Accepted, Answer, Expiry, Outcome, PayloadIn, Placements, Posted, Receipt, Refusal, Settled,
    SettledBy, StatusPost, Submission,
};

/// What a record may take beyond the bytes that are counted one by one.
const OVERHEAD: u64 = 512;

/// The thread that decides.
pub(crate) struct Sequencer {
    shared: Arc<Shared>,
    /// The last place given in each inbox, and where others begin.
    last: HashMap<AgencyId, u64>,
    begin: u64,
    ticket: u64,
    sealers: Queue<SealJob>,
    committer: Queue<(u64, Work)>,
}

/// What a look-up before deciding found.
enum Before<T> {
    /// It was decided, durably.
    Answered(T),
    /// It is in flight.
    InFlight,
    /// It is new.
    Nothing,
}

impl Sequencer {
    pub(crate) fn new(
        shared: Arc<Shared>,
        sealers: Queue<SealJob>,
        committer: Queue<(u64, Work)>,
    ) -> Self {
        let ledger = shared.ledger();
        let last = ledger
            .inboxes
            .iter()
            .map(|(agency, ends)| (*agency, ends.last))
            .collect();
        let begin = ledger.begin;
        drop(ledger);
        Self {
            shared,
            last,
            begin,
            ticket: 0,
            sealers,
            committer,
        }
    }

    /// Runs until it is stopped or nobody asks any more.
    pub(crate) fn run(mut self, requests: &Receiver<Request>) {
        while let Ok(request) = requests.recv() {
            match request {
                Request::Stop => {
                    self.send(Work::Stop);
                    return;
                }
                _ if self.shared.is_over() => {}
                Request::Accept(submission, to) => self.accept(submission, to),
                Request::Refuse(refusal, to) => self.refuse(refusal, to),
                Request::Settle(receipt, to) => self.settle(receipt, to),
                Request::Expire(expiry, to) => self.expire(expiry, to),
                Request::Post(status, to) => self.post(status, to),
                Request::Carry(record, bulk, to) => self.carry(*record, bulk, to),
                Request::Remove(segment, to) => self.remove(segment, to),
            }
        }
    }

    fn accept(&mut self, submission: Box<Submission>, to: Sender<Accepted>) {
        let queued = queued_cost(&submission);
        self.shared.queued.fetch_sub(queued, Ordering::SeqCst);
        let (key, digest) = (submission.key, submission.digest);
        let before = self.before(InFlight::Answer(key), |shared| {
            shared.earlier_answer(key, digest)
        });
        match before {
            Err(fault) => refused(to, fault),
            Ok(Before::Answered(answer)) => drop(to.send(Ok(answer))),
            Ok(Before::InFlight) => self.send(Work::Echo(Echo::Answer(key, digest, to))),
            Ok(Before::Nothing) => {
                let cost = queued + OVERHEAD + 256 * submission.recipients.len() as u64;
                match self
                    .is_sound(&submission)
                    .and_then(|()| self.room_for_news(cost))
                {
                    Err(fault) => refused(to, fault),
                    Ok(()) => self.place(submission, cost, to),
                }
            }
        }
    }

    /// Gives the places and the time, and has the acceptance signed.
    fn place(&mut self, mut submission: Box<Submission>, cost: u64, answer: Sender<Accepted>) {
        let time = (self.shared.options.clock)();
        let mut recipients = Vec::with_capacity(submission.recipients.len());
        for (id, code) in std::mem::take(&mut submission.recipients) {
            match self.next(id) {
                Ok(sequence) => recipients.push(Placement { id, code, sequence }),
                Err(fault) => {
                    // Places are given without a gap: those given above are taken back.
                    for place in recipients {
                        self.last.insert(place.id, place.sequence.value() - 1);
                    }
                    return refused(answer, fault);
                }
            }
        }
        self.shared.take_off(InFlight::Answer(submission.key), cost);
        let ticket = self.next_ticket();
        // Sealers that are gone have poisoned the store; the answer goes with the job.
        drop(self.sealers.send(SealJob {
            ticket,
            submission,
            places: Placements { time, recipients },
            cost,
            answer,
        }));
    }

    fn refuse(&mut self, refusal: Refusal, to: Sender<Accepted>) {
        let (key, digest) = (refusal.key, refusal.digest);
        let before = self.before(InFlight::Answer(key), |shared| {
            shared.earlier_answer(key, digest)
        });
        match before {
            Err(fault) => refused(to, fault),
            Ok(Before::Answered(answer)) => drop(to.send(Ok(answer))),
            Ok(Before::InFlight) => self.send(Work::Echo(Echo::Answer(key, digest, to))),
            Ok(Before::Nothing) => {
                let cost = refusal.evidence.statement.len() as u64 + OVERHEAD;
                if let Err(fault) = self.room_for_news(cost) {
                    return refused(to, fault);
                }
                let accepted = Accepted {
                    answer: Answer {
                        envelope: digest,
                        outcome: Outcome::Refused,
                        evidence: refusal.evidence.clone(),
                    },
                    repeated: false,
                };
                let done = Done::Accepted(to, Box::new(accepted));
                let latest = (self.shared.options.clock)().plus_seconds(MAX_LIFE_SECONDS);
                let record = Record::Refused(RefusedRecord {
                    key,
                    digest,
                    // A refused envelope may name any time: remember it no longer than others.
                    expires: refusal.expires.min(latest),
                    evidence: refusal.evidence,
                });
                self.commit(record, InFlight::Answer(key), cost, done);
            }
        }
    }

    fn settle(&mut self, receipt: Receipt, to: Sender<Settled>) {
        let fits = self.shared.place_of(receipt.key, receipt.recipient);
        let fits = fits.and_then(|(digest, sequence)| {
            if digest == receipt.envelope && sequence == receipt.sequence {
                Ok(())
            } else {
                Err(StoreError::ReceiptMismatch)
            }
        });
        let Receipt { key, recipient, .. } = receipt;
        match fits {
            Err(fault) => refused(to, fault),
            Ok(()) => self.settle_by(SettledBy::Receipt, key, recipient, receipt.statement, to),
        }
    }

    fn expire(&mut self, expiry: Expiry, to: Sender<Settled>) {
        let Expiry { key, recipient, .. } = expiry;
        match self.shared.place_of(key, recipient) {
            Err(fault) => refused(to, fault),
            Ok(_) => self.settle_by(SettledBy::Expiry, key, recipient, expiry.statement, to),
        }
    }

    fn settle_by(
        &mut self,
        by: SettledBy,
        key: EnvelopeKey,
        recipient: AgencyId,
        statement: SignedStatement,
        to: Sender<Settled>,
    ) {
        let in_flight = InFlight::Settlement(key, recipient);
        let before = self.before(in_flight, |shared| {
            shared.earlier_settlement(key, recipient, by)
        });
        match before {
            Err(fault) => refused(to, fault),
            Ok(Before::Answered(settled)) => drop(to.send(Ok(settled))),
            Ok(Before::InFlight) => {
                self.send(Work::Echo(Echo::Settlement(key, recipient, by, to)));
            }
            Ok(Before::Nothing) => {
                let cost = statement.statement.len() as u64 + OVERHEAD;
                let room = self.room_for_settlement(cost);
                let sequence = match room.and_then(|()| self.next(key.sender)) {
                    Err(fault) => return refused(to, fault),
                    Ok(sequence) => sequence,
                };
                let record = Record::Settled(SettledRecord {
                    by,
                    key,
                    recipient,
                    time: (self.shared.options.clock)(),
                    digest: statement.digest(),
                    statement: statement.clone(),
                    sequence,
                });
                let settled = Settled {
                    by,
                    statement,
                    repeated: false,
                };
                self.commit(record, in_flight, cost, Done::Settled(to, settled));
            }
        }
    }

    fn post(&mut self, status: StatusPost, to: Sender<Posted>) {
        let (addressee, digest) = (status.addressee, status.statement.digest());
        if let Err(fault) = self.shared.is_accepted(status.key) {
            return refused(to, fault);
        }
        let in_flight = InFlight::Status(addressee, digest);
        match self.before(in_flight, |shared| shared.earlier_post(addressee, digest)) {
            Err(fault) => refused(to, fault),
            Ok(Before::Answered(posted)) => drop(to.send(Ok(posted))),
            Ok(Before::InFlight) => self.send(Work::Echo(Echo::Status(addressee, digest, to))),
            Ok(Before::Nothing) => {
                let cost = (status.statement.statement.len() + status.text.len()) as u64 + OVERHEAD;
                let room = self.room_for_settlement(cost);
                let sequence = match room.and_then(|()| self.next(addressee)) {
                    Err(fault) => return refused(to, fault),
                    Ok(sequence) => sequence,
                };
                let record = Record::Status(StatusRecord {
                    key: status.key,
                    addressee,
                    statement: status.statement,
                    text: status.text,
                    digest,
                    sequence,
                });
                let posted = Posted {
                    sequence,
                    repeated: false,
                };
                self.commit(record, in_flight, cost, Done::Posted(to, posted));
            }
        }
    }

    fn carry(&mut self, record: Record, bulk: Vec<Bytes>, to: Sender<()>) {
        let size: usize = bulk.iter().map(Bytes::len).sum();
        let cost = size as u64 + OVERHEAD;
        match self.room_for_news(cost) {
            Err(fault) => refused(to, fault),
            Ok(()) => {
                let key = InFlight::Upkeep(self.ticket);
                self.commit_bulk(record, bulk, key, cost, Done::Kept(to));
            }
        }
    }

    fn remove(&mut self, segment: u64, to: Sender<()>) {
        match self.room_for_settlement(OVERHEAD) {
            Err(fault) => refused(to, fault),
            Ok(()) => {
                let key = InFlight::Upkeep(self.ticket);
                self.commit(Record::Removed { segment }, key, OVERHEAD, Done::Kept(to));
            }
        }
    }

    /// Looks first at what is in flight, then at what is durable: what stops being in
    /// flight was made visible before.
    fn before<T>(
        &self,
        key: InFlight,
        earlier: impl FnOnce(&Shared) -> Result<Option<T>, StoreError>,
    ) -> Result<Before<T>, StoreError> {
        if self.shared.is_in_flight(key) {
            return Ok(Before::InFlight);
        }
        Ok(earlier(&self.shared)?.map_or(Before::Nothing, Before::Answered))
    }

    fn commit(&mut self, record: Record, key: InFlight, cost: u64, done: Done) {
        self.commit_bulk(record, Vec::new(), key, cost, done);
    }

    fn commit_bulk(
        &mut self,
        record: Record,
        bulk: Vec<Bytes>,
        key: InFlight,
        cost: u64,
        done: Done,
    ) {
        self.shared.take_off(key, cost);
        self.send(Work::Commit(Box::new(Commit {
            encoded: record.encode(),
            record,
            bulk,
            key,
            cost,
            done,
        })));
    }

    fn send(&mut self, work: Work) {
        let ticket = self.next_ticket();
        // A committer that is gone has poisoned the store.
        drop(self.committer.send((ticket, work)));
    }

    const fn next_ticket(&mut self) -> u64 {
        let ticket = self.ticket;
        self.ticket += 1;
        ticket
    }

    /// The next place in an inbox.
    fn next(&mut self, agency: AgencyId) -> Result<Sequence, StoreError> {
        let last = self.last.entry(agency).or_insert(self.begin);
        // 2^53 items are not reached in the life of a hub.
        let next = Sequence::new(*last + 1).map_err(|_| StoreError::TooLarge)?;
        *last = next.value();
        Ok(next)
    }

    /// Room for a new submission: the reserve is whole and the disk above its low water.
    fn room_for_news(&mut self, cost: u64) -> Result<(), StoreError> {
        if self.shared.disk.free_space()? < self.shared.options.low_water {
            return Err(StoreError::Full);
        }
        if !self.shared.spares.has_reserve() {
            self.send(Work::Replenish);
            self.await_reserve()?;
        }
        self.shared.wait_for_room(cost)
    }

    /// Waits for the reserve where the disk has room for it: segments may be begun faster
    /// than their successors are made, and that is no full disk.
    fn await_reserve(&self) -> Result<(), StoreError> {
        const PAUSES: u32 = 100;
        let options = &self.shared.options;
        let needed = options.segment_bytes.saturating_add(options.low_water);
        for _ in 0..PAUSES {
            let room = self.shared.disk.free_space()? >= needed;
            if self.shared.spares.has_reserve() {
                return Ok(());
            }
            if !room || self.shared.is_over() {
                break;
            }
            self.shared.pause();
        }
        Err(StoreError::Full)
    }

    /// Room for what settles or reports: the reserve may be used up.
    fn room_for_settlement(&mut self, cost: u64) -> Result<(), StoreError> {
        if !self.shared.spares.has_reserve() {
            self.send(Work::Replenish);
        }
        let room = match self.shared.spares.count() {
            0 => self.shared.room.load(Ordering::SeqCst),
            _ => self.shared.options.segment_bytes,
        };
        let base = 1024 + 48 * self.last.len() as u64;
        if self.shared.bytes_in_flight() + cost + base > room {
            return Err(StoreError::Full);
        }
        self.shared.wait_for_room(cost)
    }

    fn is_sound(&self, submission: &Submission) -> Result<(), StoreError> {
        submission.check()?;
        match &submission.payload {
            PayloadIn::Staged(staged) if staged.bytes().is_none() => {
                let file = self.shared.disk.open(&payload_path(staged.digest()));
                let size = file.and_then(|file| file.size());
                if size.is_ok_and(|size| size == staged.size()) {
                    Ok(())
                } else {
                    Err(StoreError::PayloadMissing)
                }
            }
            _ => Ok(()),
        }
    }
}

/// The bytes that a submission holds in memory.
pub(crate) fn queued_cost(submission: &Submission) -> u64 {
    let payload = match &submission.payload {
        PayloadIn::Inline(bytes) => bytes.len(),
        PayloadIn::Staged(staged) => staged.bytes().map_or(0, Bytes::len),
    };
    let wraps: usize = submission.wraps.iter().map(Bytes::len).sum();
    (payload + wraps + submission.envelope.statement.len()) as u64
}

fn refused<T>(to: Sender<T>, fault: StoreError) {
    // Whoever asked may have gone.
    drop(to.send(Err(fault)));
}
