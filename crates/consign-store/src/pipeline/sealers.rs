//! The pool of threads that sign acceptances; the committer puts them in order again.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::mpsc::{self, Receiver};
use std::sync::{Arc, Mutex, PoisonError};

use bytes::Bytes;
use consign_domain::SignedStatement;
use consign_domain::limits::MAX_EVIDENCE;

use super::{Commit, Done, InFlight, Sender, Shared, Work};
use crate::error::SealError;
use crate::journal::record::{AcceptedRecord, PayloadFact, Record};
use crate::types::{Accepted, Answer, Outcome, PayloadIn, Placements, Submission};

/// A submission that has its places.
#[derive(Debug)]
pub(crate) struct SealJob {
    pub(crate) ticket: u64,
    pub(crate) submission: Box<Submission>,
    pub(crate) places: Placements,
    pub(crate) cost: u64,
    pub(crate) answer: Sender<Accepted>,
}

/// Runs until the sequencer is gone.
pub(crate) fn run(
    shared: &Arc<Shared>,
    jobs: &Mutex<Receiver<SealJob>>,
    committer: &mpsc::Sender<(u64, Work)>,
) {
    loop {
        let job = jobs.lock().unwrap_or_else(PoisonError::into_inner).recv();
        let Ok(job) = job else { return };
        // A ticket that never comes would let the committer hold back what came after it
        // for ever: told to stop, it finds that the store is over and drops all that wait.
        let stop = |ticket| drop(committer.send((ticket, Work::Stop)));
        if shared.is_over() {
            stop(job.ticket);
            continue;
        }
        let SealJob {
            ticket,
            submission,
            places,
            cost,
            answer,
        } = job;
        match seal(*submission, places) {
            Ok(sealed) => {
                let commit = Box::new(sealed.into_commit(cost, answer));
                // A committer that is gone has poisoned the store.
                drop(committer.send((ticket, Work::Commit(commit))));
            }
            Err(fault) => {
                // Later submissions already have their places: a gap cannot be closed.
                // The answer is dropped, which tells of the failure, after this.
                let fault = fault.as_ref().map(|fault| fault as &dyn std::error::Error);
                shared.poison("an acceptance could not be signed", fault);
                stop(ticket);
            }
        }
    }
}

/// What a signed submission comes to.
struct Sealed {
    record: AcceptedRecord,
    bulk: Vec<Bytes>,
}

fn seal(submission: Submission, places: Placements) -> Result<Sealed, Option<SealError>> {
    let sign = submission.seal;
    let signed = catch_unwind(AssertUnwindSafe(|| sign(&places)));
    let evidence: SignedStatement = signed.map_err(|_| None)?.map_err(Some)?;
    if evidence.statement.len() > MAX_EVIDENCE {
        return Err(None);
    }
    let (payload, mut bulk) = payload_fact(&submission.payload);
    let wraps = submission
        .wraps
        .iter()
        .map(|wrap| u16::try_from(wrap.len()).unwrap_or(u16::MAX))
        .collect();
    let mut sum = crc32fast::Hasher::new();
    submission.wraps.iter().for_each(|wrap| sum.update(wrap));
    bulk.extend(submission.wraps);
    let record = AcceptedRecord {
        key: submission.key,
        digest: submission.digest,
        accepted: places.time,
        expires: submission.expires,
        urgency: submission.urgency,
        envelope: submission.envelope,
        acceptance: evidence,
        recipients: places.recipients,
        payload,
        wraps,
        wraps_crc: sum.finalize(),
    };
    Ok(Sealed { record, bulk })
}

impl Sealed {
    fn into_commit(self, cost: u64, answer: Sender<Accepted>) -> Commit {
        let accepted = Accepted {
            answer: Answer {
                envelope: self.record.digest,
                outcome: Outcome::Accepted,
                evidence: self.record.acceptance.clone(),
            },
            repeated: false,
        };
        let key = InFlight::Answer(self.record.key);
        let record = Record::Accepted(Box::new(self.record));
        Commit {
            encoded: record.encode(),
            record,
            bulk: self.bulk,
            key,
            cost,
            done: Done::Accepted(answer, Box::new(accepted)),
        }
    }
}

fn payload_fact(payload: &PayloadIn) -> (PayloadFact, Vec<Bytes>) {
    let inline = match payload {
        PayloadIn::Inline(bytes) => Some(bytes),
        PayloadIn::Staged(staged) => staged.bytes(),
    };
    match (inline, payload) {
        (Some(bytes), _) => {
            let fact = PayloadFact::Bulk {
                size: u32::try_from(bytes.len()).unwrap_or(u32::MAX),
                crc: crc32fast::hash(bytes),
            };
            (fact, vec![bytes.clone()])
        }
        (None, PayloadIn::Staged(staged)) => {
            let fact = PayloadFact::File {
                size: staged.size(),
                digest: staged.digest(),
            };
            (fact, Vec::new())
        }
        (None, PayloadIn::Inline(_)) => (PayloadFact::Bulk { size: 0, crc: 0 }, Vec::new()),
    }
}
