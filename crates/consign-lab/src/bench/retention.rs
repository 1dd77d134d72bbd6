//! The scenario `retention`: what a store takes on the disk after most of what went through it
//! is final and past its time.
//!
//! It fills a store directly, with records of the sizes that real ones have: a hub's store never
//! looks into what it keeps, and the clock can be moved here. Nine documents of ten are settled,
//! one is not, so that what still counts lies in every segment.

use std::ops::Range;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Instant;

use bytes::Bytes;
use consign_domain::document::Urgency;
use consign_domain::{AgencyCode, AgencyId, EnvelopeId, EnvelopeKey, SignedStatement, Timestamp};
use consign_runtime::clock::Clock;
use consign_runtime::entropy;
use consign_store::{
    JournalStore, Options, PayloadIn, Receipt, Retention, Store as _, StoreError, Submission,
};
use serde::Serialize;
use tokio::task::block_in_place;

use super::soak::size_of;
use super::statistics::{mib, rounded};
use super::{BenchError, Place, Progress, Setting, Watch};

const DAY: u64 = 86_400;
/// How long things are kept, as `hub.toml` has it by default.
const KEEP: Retention = Retention {
    payload_seconds: 7 * DAY,
    record_seconds: 400 * DAY,
    again_seconds: 0,
};
/// Agencies that send and receive.
const AGENCIES: u64 = 16;
/// One of so many documents stays open.
const OPEN: u64 = 10;
/// Documents that are sent together.
const TOGETHER: u64 = 1_000;
/// Passes after which nothing is left to let go, and more.
const PASSES: u64 = 12;
/// Bytes of a segment.
const SEGMENT: u64 = 64 << 20;
/// What statements take: an envelope to one recipient, its acceptance, a receipt, a wrap.
const ENVELOPE: usize = 1_100;
const ACCEPTANCE: usize = 950;
const RECEIPT: usize = 900;
const WRAP: usize = 480;

/// What is printed.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Report {
    /// Documents that went through.
    pub documents: u64,
    /// Of these, so many are not settled and stay.
    pub open: u64,
    /// The whole store before anything is let go.
    pub disk_before_mib: f64,
    /// The whole store afterwards: journal, index, and the segments made in advance.
    pub disk_after_mib: f64,
    /// What the records take that still count.
    pub live_mib: f64,
    /// The bound: twice what is live and two segments.
    pub bound_mib: f64,
    /// What was carried forward.
    pub carried: u64,
    /// How long it took to let go, while nothing else was done.
    pub seconds: f64,
}

/// Measures.
///
/// # Errors
/// [`BenchError`].
pub fn run(
    setting: &Setting,
    documents: u64,
    place: &Place,
    watch: Watch<'_>,
) -> Result<Report, BenchError> {
    block_in_place(|| Filled::new(setting, documents, place, watch)?.let_go(watch))
}

/// A store that was filled, and its clock.
struct Filled<'a> {
    place: &'a Place,
    clock: Arc<AtomicU64>,
    agencies: Vec<(AgencyId, AgencyCode)>,
    documents: u64,
    /// Bytes of the journal that one open document takes.
    each: u64,
    before: u64,
}

impl<'a> Filled<'a> {
    fn new(
        setting: &Setting,
        documents: u64,
        place: &'a Place,
        watch: Watch<'_>,
    ) -> Result<Self, BenchError> {
        let mut filled = Self {
            place,
            clock: Arc::new(AtomicU64::new(Clock::system().now())),
            agencies: (0..AGENCIES).map(agency).collect::<Result<_, _>>()?,
            documents,
            each: 0,
            before: 0,
        };
        let store = filled.store()?;
        let payload = Bytes::from(vec![7; setting.size]);
        let mut first = 0;
        while first < documents {
            let numbers = first..documents.min(first + TOGETHER);
            filled.send(&store, numbers.clone(), &payload)?;
            filled.settle(&store, numbers.clone())?;
            for (agency, _) in &filled.agencies {
                if let Some(last) = store.inbox_state(*agency)?.last {
                    store.collected(*agency, last)?;
                }
            }
            first = numbers.end;
            watch(Progress {
                what: "filling the store",
                done: first,
                all: documents,
            });
        }
        store.close()?;
        filled.before = size_of(place.path())?;
        Ok(filled)
    }

    fn store(&self) -> Result<JournalStore, BenchError> {
        let clock = Arc::clone(&self.clock);
        let now = move || Timestamp::from_unix_saturating(clock.load(Ordering::SeqCst));
        let opened = JournalStore::open(self.place.path(), Options::new(Arc::new(now)));
        let (store, _) = opened.map_err(StoreError::from)?;
        Ok(store)
    }

    fn now(&self) -> Timestamp {
        Timestamp::from_unix_saturating(self.clock.load(Ordering::SeqCst))
    }

    /// The agency that a document's number comes to.
    fn agency(&self, number: u64) -> Result<&(AgencyId, AgencyCode), BenchError> {
        let place = usize::try_from(number % AGENCIES).unwrap_or(0);
        self.agencies.get(place).ok_or(BenchError::Task)
    }

    /// A document is from the agency of its number.
    fn key(&self, number: u64) -> Result<EnvelopeKey, BenchError> {
        let [_, _, rest @ ..] = number.to_be_bytes();
        let mut id = [0; 16];
        id[6] = 0x70;
        id[8] = 0x80;
        for (to, from) in id.iter_mut().rev().zip(rest.iter().rev()) {
            *to = *from;
        }
        Ok(EnvelopeKey {
            sender: self.agency(number)?.0,
            id: EnvelopeId::from_bytes(id)?,
        })
    }

    fn send(
        &mut self,
        store: &JournalStore,
        numbers: Range<u64>,
        payload: &Bytes,
    ) -> Result<(), BenchError> {
        let begin = store.health().journal;
        let count = numbers.end - numbers.start;
        let mut sent = Vec::new();
        for number in numbers {
            let envelope = statement("envelope", number, ENVELOPE);
            sent.push(store.accept(Submission {
                key: self.key(number)?,
                digest: envelope.digest(),
                envelope,
                recipients: vec![self.agency(number + 1)?.clone()],
                urgency: Urgency::Urgent,
                expires: self.now().plus_seconds(30 * DAY),
                wraps: vec![Bytes::from(vec![9; WRAP])],
                payload: PayloadIn::Inline(payload.clone()),
                seal: Box::new(move |_| Ok(statement("acceptance", number, ACCEPTANCE))),
            }));
        }
        for reply in sent {
            reply.wait()?;
        }
        let end = store.health().journal;
        if begin.segment == end.segment {
            self.each = (end.offset - begin.offset) / count.max(1);
        }
        Ok(())
    }

    /// Most documents are signed for.
    fn settle(&self, store: &JournalStore, numbers: Range<u64>) -> Result<(), BenchError> {
        let mut settling = Vec::new();
        for number in numbers.filter(|number| !number.is_multiple_of(OPEN)) {
            let (key, recipient) = (self.key(number)?, self.agency(number + 1)?.0);
            let place = store.delivery_of(key, recipient)?.ok_or(BenchError::Task)?;
            settling.push(store.settle(Receipt {
                key,
                recipient,
                sequence: place.sequence,
                envelope: place.envelope,
                statement: statement("receipt", number, RECEIPT),
            }));
        }
        for reply in settling {
            reply.wait()?;
        }
        Ok(())
    }

    /// Moves the clock beyond everything's time, and lets go until nothing more goes.
    fn let_go(self, watch: Watch<'_>) -> Result<Report, BenchError> {
        self.clock.fetch_add(500 * DAY, Ordering::SeqCst);
        let store = self.store()?;
        let (begun, mut carried) = (Instant::now(), 0);
        for pass in 0..PASSES {
            let tidied = store.tidy(self.now(), &KEEP)?;
            carried += tidied.carried;
            watch(Progress {
                what: "letting go",
                done: pass,
                all: PASSES,
            });
            if tidied.segments == 0 && !tidied.index {
                break;
            }
        }
        let seconds = begun.elapsed().as_secs_f64();
        let open = (0..self.documents).filter(|number| number.is_multiple_of(OPEN));
        let mut count = 0;
        for number in open {
            count += 1;
            if store.payload(self.key(number)?)?.is_none() {
                return Err(BenchError::Protocol {
                    rule: "what is not settled stays",
                });
            }
        }
        let after = size_of(self.place.path())?;
        store.close()?;
        let live = count * self.each;
        Ok(Report {
            documents: self.documents,
            open: count,
            disk_before_mib: mib(self.before),
            disk_after_mib: mib(after),
            live_mib: mib(live),
            bound_mib: mib(2 * live + 2 * SEGMENT),
            carried,
            seconds: rounded(seconds, 1),
        })
    }
}

fn agency(number: u64) -> Result<(AgencyId, AgencyCode), BenchError> {
    let id = AgencyId::from_bytes(entropy::uuid_v4()?)?;
    Ok((id, AgencyCode::strict(&format!("H99.{:02}", number + 1))?))
}

fn statement(kind: &str, number: u64, size: usize) -> SignedStatement {
    let mut text = format!("{kind} {number} ").into_bytes();
    text.resize(size, b'.');
    SignedStatement {
        statement: text.into(),
        signature: [7; 64],
    }
}
