//! What ends by time: deliveries that lapse, and what is kept no longer.
//!
//! A segment is let go whole. What still counts in it is *carried forward* first, into the
//! open segment; then a record says that the segment is gone, and only then its file goes.
//! Cut short anywhere, it is done again: what was carried twice counts once, since the
//! newest place of a thing is the one that is looked up.
//!
//! A segment is worth it when no more than half of it still counts. So the journal takes
//! no more than twice what counts, and every byte is carried a bounded number of times.

mod due;
mod fate;
mod stale;

use std::collections::BTreeMap;
use std::sync::atomic::Ordering;
use std::sync::mpsc::{Sender, SyncSender};

use bytes::Bytes;
use consign_domain::Timestamp;

use crate::disk::read_exact;
use crate::error::StoreError;
use crate::journal::files::{JOURNAL, payload_directory, payload_path, segment_path};
use crate::journal::record::{PayloadFact, RECORD_HEADER, Record};
use crate::journal::recovery::Span;
use crate::journal::rows::{Locator, file_prefix};
use crate::pipeline::indexer::Task;
use crate::pipeline::{Request, Shared};
use crate::staging;
use crate::store::Reply;
use crate::types::{Retention, Tidied};
use fate::{Fate, Fates};

/// Most bytes that are on their way into the open segment at once.
const CARRIED: u64 = 1 << 20;

/// Lets go of what is old, for one store.
#[derive(Debug, Default)]
pub(crate) struct Keeper {
    /// When each segment was weighed last.
    weighed: BTreeMap<u64, Timestamp>,
    /// Rows that each segment has in the index, as far as they were counted.
    rows: BTreeMap<u64, u64>,
}

/// Ways into the threads of the store.
pub(crate) struct Ways<'a> {
    pub(crate) requests: &'a SyncSender<Request>,
    pub(crate) indexer: &'a Sender<Task>,
}

/// A record that counts, in what form, and where it is.
struct Kept {
    place: Locator,
    fate: Fate,
}

/// What a segment holds, seen from today.
#[derive(Default)]
struct Weighed {
    kept: Vec<Kept>,
    /// Payload files that nothing in the segment needs any more.
    files: Vec<consign_domain::Digest>,
    bytes: u64,
    counting: u64,
}

impl Keeper {
    /// Weighs the segments whose time has come, and lets go of those that are worth it.
    pub(crate) fn tidy(
        &mut self,
        shared: &Shared,
        ways: &Ways<'_>,
        now: Timestamp,
        keep: &Retention,
    ) -> Result<Tidied, StoreError> {
        let (mut tidied, mut fault) = (Tidied::default(), None);
        let reach = shared.index_position().segment;
        let spans = shared.spans().clone();
        let segments = spans.segments();
        self.weighed
            .retain(|segment, _| spans.get(*segment).is_some());
        self.rows.retain(|segment, _| spans.get(*segment).is_some());
        for segment in segments.into_iter().filter(|segment| *segment <= reach) {
            let last = self.weighed.get(&segment);
            let rested = |last: &Timestamp| now.distance(*last) >= keep.again_seconds;
            let (Some(span), true) = (spans.get(segment), last.is_none_or(rested)) else {
                continue;
            };
            if shared.closing.load(Ordering::SeqCst) {
                return Err(StoreError::Closed);
            }
            // It is not weighed again soon, whatever comes of it.
            self.weighed.insert(segment, now);
            let mut fates = Fates::new(shared, now, keep, segment);
            let settled = weigh(shared, span, &mut fates).and_then(|weighed| {
                tidied.weighed += 1;
                if 2 * weighed.counting > weighed.bytes {
                    return Ok(());
                }
                tidied.carried += carry(shared, ways, &weighed)?;
                self.rows.remove(&segment);
                remove(shared, ways, segment, &weighed, &mut tidied)
            });
            match settled {
                Err(error) if shared.is_over() => return Err(error),
                // One that is damaged, or finds no room to be carried, keeps no other.
                Err(error) => drop(fault.get_or_insert(error)),
                Ok(()) => {}
            }
        }
        tidied.index = stale::renew(shared, ways, &mut self.rows)?;
        fault.map_or(Ok(tidied), Err)
    }
}

/// Decides for each record of a segment what becomes of it.
fn weigh(shared: &Shared, span: Span, fates: &mut Fates<'_>) -> Result<Weighed, StoreError> {
    let file = shared.segments.file(span.end().segment)?;
    let mut weighed = Weighed {
        bytes: file.size()?,
        ..Weighed::default()
    };
    let mut fault = None;
    span.read(file.as_ref(), &mut |record, place| {
        if fault.is_none() {
            fault = weighed.add(record, place, fates).err();
        }
    })?;
    fault.map_or(Ok(weighed), Err)
}

impl Weighed {
    fn add(
        &mut self,
        record: Record,
        place: Locator,
        fates: &mut Fates<'_>,
    ) -> Result<(), StoreError> {
        let record = record.plain();
        let fate = fates.of(&record, place)?;
        let own = RECORD_HEADER as u64 + u64::from(place.length);
        let mut counting = match fate {
            Fate::Gone => 0,
            Fate::Folded => own + record.wraps(),
            Fate::Whole => own + record.bulk(),
        };
        if let Record::Accepted(accepted) = &record
            && let PayloadFact::File { size, digest } = accepted.payload
        {
            self.bytes += size;
            match fate {
                Fate::Whole => counting += size,
                Fate::Folded | Fate::Gone => self.files.push(digest),
            }
        }
        self.counting += counting;
        if fate != Fate::Gone {
            self.kept.push(Kept { place, fate });
        }
        Ok(())
    }
}

/// Brings what counts forward, durably; tells how many records.
fn carry(shared: &Shared, ways: &Ways<'_>, weighed: &Weighed) -> Result<u64, StoreError> {
    let (mut waiting, mut bytes) = (Vec::new(), 0);
    for kept in &weighed.kept {
        let (record, bulk) = read(shared, kept)?;
        bytes += u64::from(kept.place.length) + bulk.iter().map(Bytes::len).sum::<usize>() as u64;
        let record = Box::new(Record::Carried(Box::new(record)));
        waiting.push(ask(ways, |to| Request::Carry(record, bulk, to))?);
        if bytes >= CARRIED {
            waiting.drain(..).try_for_each(Reply::wait)?;
            bytes = 0;
        }
    }
    waiting.drain(..).try_for_each(Reply::wait)?;
    Ok(weighed.kept.len() as u64)
}

/// A record in the form in which it is kept, with its bulk, all of it checked.
fn read(shared: &Shared, kept: &Kept) -> Result<(Record, Vec<Bytes>), StoreError> {
    let place = kept.place;
    let mut record = shared.record(place)?;
    let damaged = StoreError::Damaged {
        segment: place.segment,
        offset: place.bulk,
    };
    let Record::Accepted(accepted) = &mut record else {
        return Ok((record, Vec::new()));
    };
    let mut begin = place.bulk;
    if kept.fate == Fate::Folded {
        begin += accepted.payload.bulk();
        let size = accepted.payload.size();
        accepted.payload = PayloadFact::Gone { size };
    }
    let file = shared.segments.file(place.segment)?;
    let length = usize::try_from(record.bulk()).map_err(|_| StoreError::TooLarge)?;
    let bulk = read_exact(file.as_ref(), begin, length)?;
    let bulk = bulk.map(Bytes::from).filter(|bulk| record.bulk_is(bulk));
    Ok((record, vec![bulk.ok_or(damaged)?]))
}

/// Lets a segment go, durably, and then its file and the payload files that it alone named.
fn remove(
    shared: &Shared,
    ways: &Ways<'_>,
    segment: u64,
    weighed: &Weighed,
    tidied: &mut Tidied,
) -> Result<(), StoreError> {
    ask(ways, |to| Request::Remove(segment, to))?.wait()?;
    shared.spans().remove(segment);
    let file = shared.segments.file(segment)?;
    tidied.bytes += file.size()?;
    tidied.segments += 1;
    shared.disk.remove(&segment_path(segment))?;
    // After it: nobody opens it again, and its room is free.
    shared.segments.forget(segment);
    shared.disk.sync_dir(JOURNAL)?;
    for digest in &weighed.files {
        let waited_for = staging::is_waited_for(shared.disk.as_ref(), *digest)?;
        if waited_for || shared.names_file(*digest)? {
            continue;
        }
        let path = payload_path(*digest);
        let size = shared.disk.open(&path).and_then(|file| file.size());
        // Named twice in the segment, it is gone already.
        if let Ok(size) = size {
            shared.disk.remove(&path)?;
            shared.disk.sync_dir(&payload_directory(*digest))?;
            tidied.files += 1;
            tidied.bytes += size;
        }
    }
    Ok(())
}

fn ask(
    ways: &Ways<'_>,
    request: impl FnOnce(crate::pipeline::Sender<()>) -> Request,
) -> Result<Reply<()>, StoreError> {
    let (sender, reply) = Reply::channel();
    let asked = ways.requests.send(request(sender));
    asked.map_err(|_| StoreError::Failed).map(|()| reply)
}

impl Shared {
    /// Whether a record that counts names a payload's file.
    fn names_file(&self, payload: consign_domain::Digest) -> Result<bool, StoreError> {
        let named = |table: &crate::journal::projection::Projection| {
            (!table.names_file(payload).is_empty()).then_some(())
        };
        self.steady(|removed| {
            if self.overlay.find(named).is_some() {
                return Ok(true);
            }
            let row = self.newest(removed, &file_prefix(payload), |_, _| Ok(()))?;
            Ok(row.is_some())
        })
    }
}
