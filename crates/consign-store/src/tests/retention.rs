//! What lapses, what is let go, and what must not be.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use bytes::Bytes;
use consign_domain::delivery::DeliveryState;
use consign_domain::{Sequence, Timestamp};

use super::{open, scratch, sim, small};
use crate::conformance::fixture::{
    self, Random, agency, expiry, key, payload, receipt, status, submission,
};
use crate::conformance::whole_inbox;
use crate::disk::{Fault, SimDisk};
use crate::{
    JournalStore, Options, PayloadIn, Retention, SettledBy, Store, StoreError, Submission,
};

const DAY: u64 = 86_400;
/// When the fixture's envelopes are accepted, and when they lapse.
const BEGIN: u64 = 1_795_400_000;
const LAPSE: u64 = 1_797_000_000;

const KEEP: Retention = Retention {
    payload_seconds: 7 * DAY,
    record_seconds: 100 * DAY,
    again_seconds: 0,
};

/// A clock that is set.
#[derive(Clone)]
struct Hand(Arc<AtomicU64>);

impl Hand {
    fn at(seconds: u64) -> Self {
        Self(Arc::new(AtomicU64::new(seconds)))
    }

    fn set(&self, seconds: u64) {
        self.0.store(seconds, Ordering::SeqCst);
    }

    fn now(&self) -> Timestamp {
        Timestamp::from_unix_saturating(self.0.load(Ordering::SeqCst))
    }

    fn options(&self) -> Options {
        let hand = self.clone();
        Options {
            clock: Arc::new(move || hand.now()),
            ..small()
        }
    }
}

fn sequence(value: u32) -> Sequence {
    Sequence::new(value.into()).unwrap()
}

fn send(store: &JournalStore, ids: std::ops::RangeInclusive<u32>) {
    let ids: Vec<u32> = ids.collect();
    for some in ids.chunks(1_000) {
        let sent = some.iter().map(|id| store.accept(letter(*id)));
        for reply in sent.collect::<Vec<_>>() {
            reply.wait().unwrap();
        }
    }
}

/// An envelope of which most is payload.
fn letter(id: u32) -> Submission {
    Submission {
        payload: PayloadIn::Inline(content(id)),
        ..submission(1, id, &[2, 3])
    }
}

fn content(id: u32) -> Bytes {
    payload(1, id).repeat(8).into()
}

/// Both recipients sign for what is at a place of their inboxes.
fn sign(store: &JournalStore, ids: impl Iterator<Item = u32>) {
    let ids: Vec<u32> = ids.collect();
    // No more at once than a store lets wait.
    for some in ids.chunks(500) {
        let replies = some.iter().flat_map(|id| {
            [2, 3].map(|recipient| store.settle(receipt(1, *id, recipient, (*id).into())))
        });
        for reply in replies.collect::<Vec<_>>() {
            reply.wait().unwrap();
        }
    }
}

fn collect(store: &JournalStore) {
    for number in 1..=3 {
        if let Some(last) = store.inbox_state(agency(number)).unwrap().last {
            store.collected(agency(number), last).unwrap();
        }
    }
}

/// Closes and opens: only sealed segments are weighed.
fn reopened(store: JournalStore, disk: &SimDisk, hand: &Hand) -> JournalStore {
    store.close().unwrap();
    drop(store);
    open(disk, hand.options()).unwrap().0
}

fn used(disk: &SimDisk) -> u64 {
    let sizes = disk
        .paths()
        .into_iter()
        .filter(|path| !path.ends_with(".spare"));
    sizes
        .map(|path| disk.bytes(&path).unwrap().len() as u64)
        .sum()
}

#[test]
fn what_lapses_is_found_and_settled_once() {
    let index = scratch();
    let disk = sim(&index, 64 << 20);
    let hand = Hand::at(BEGIN);
    let (store, _) = open(&disk, hand.options()).unwrap();
    send(&store, 1..=300);
    sign(&store, (1..=300).filter(|id| id % 3 == 0));
    store.settle(receipt(1, 1, 2, 1)).wait().unwrap();
    let due = |now| {
        store
            .due(Timestamp::from_unix_saturating(now), 1_000)
            .unwrap()
    };
    assert_eq!(due(LAPSE - 1), []);
    assert_eq!(due(LAPSE).len(), 200);
    let few = store
        .due(Timestamp::from_unix_saturating(LAPSE), 7)
        .unwrap();
    assert_eq!(few.len(), 7);
    hand.set(LAPSE);
    for key in due(LAPSE) {
        for delivery in store.envelope(key).unwrap().unwrap().deliveries {
            if delivery.state == DeliveryState::Consigned {
                let [.., a, b] = key.id.to_bytes();
                let id = u32::from(u16::from_be_bytes([a, b]));
                let number: u32 = delivery.code.as_str()[4..].parse().unwrap();
                let settled = store.expire(expiry(1, id, number)).wait().unwrap();
                assert_eq!(settled.by, SettledBy::Expiry);
            }
        }
    }
    assert_eq!(due(LAPSE + 30 * DAY), []);
    let late = store.settle(receipt(1, 1, 3, 1)).wait().unwrap_err();
    assert!(matches!(late, StoreError::AlreadySettled));
    let signed = store.delivery(key(1, 1), agency(2)).unwrap();
    assert_eq!(signed, Some(DeliveryState::HandedOver));
    // A clock that was put back: what is accepted into hours that were done lapses as well.
    hand.set(BEGIN);
    send(&store, 301..=301);
    assert_eq!(due(LAPSE), [key(1, 301)]);
    let store = reopened(store, &disk, &hand);
    let now = Timestamp::from_unix_saturating(LAPSE);
    assert_eq!(store.due(now, 1_000).unwrap(), [key(1, 301)]);
}

#[test]
fn what_is_final_and_old_goes_and_the_rest_stays() {
    let index = scratch();
    let disk = sim(&index, 64 << 20);
    let hand = Hand::at(BEGIN);
    let (store, _) = open(&disk, hand.options()).unwrap();
    // Early, so that they lie in a segment of which little counts later.
    store.refuse(fixture::refusal(1, 2_000)).wait().unwrap();
    send(&store, 1..=10);
    store.post(status(1, 5, 1, "03")).wait().unwrap();
    send(&store, 11..=COUNT);
    sign(&store, (1..=COUNT).filter(|id| !is_open(*id)));
    let store = reopened(store, &disk, &hand);
    let full = used(&disk);

    // Nothing is old yet.
    hand.set(BEGIN + DAY);
    store.tidy(hand.now(), &KEEP).unwrap();
    assert_eq!(check(&store), Left::all());

    // Payloads go, and nothing else.
    hand.set(BEGIN + 8 * DAY);
    let tidied = store.tidy(hand.now(), &KEEP).unwrap();
    assert!(tidied.weighed > 10);
    let left = check(&store);
    assert_eq!(left.answers, COUNT);
    assert!(left.payloads < FEW, "{left:?}");

    // Not collected: stays, however old.
    hand.set(LAPSE + 101 * DAY);
    store.tidy(hand.now(), &KEEP).unwrap();
    let store = reopened(store, &disk, &hand);
    assert_eq!(check(&store).answers, COUNT);

    collect(&store);
    // What is carried forward lies with what is let go later: it takes a few rounds.
    let mut store = store;
    for _ in 0..4 {
        store = reopened(store, &disk, &hand);
        let tidied = store.tidy(hand.now(), &KEEP).unwrap();
        assert!(tidied.weighed > 0);
        check(&store);
    }
    let forgotten = check(&store);
    assert!(forgotten.answers < FEW, "{forgotten:?}");
    let left = used(&disk);
    // A tenth of the envelopes count; the journal takes no more than twice that, and the base.
    assert!(left < full / 4, "{left} of {full}");
    assert!(store.answer(key(1, 2_000)).unwrap().is_none());
    assert!(store.post(status(1, 5, 1, "03")).wait().is_err());

    // With an index made anew from what is left, and after a power cut.
    drop(store);
    disk.power_cut();
    let (store, _) = open(&disk, hand.options()).unwrap();
    assert_eq!(check(&store), forgotten);
    send(&store, 3_000..=3_001);
    let last = store.inbox_state(agency(2)).unwrap().last;
    assert_eq!(last, Some(sequence(1_002)));
}

/// Envelopes that the test above sends, of which every tenth is not signed for.
const COUNT: u32 = 1_000;

/// What those that are open, and as much beside them as a segment may keep, come to at most:
/// which of the others share a segment with them depends on how commits were grouped.
const FEW: u32 = COUNT / 4;

const fn is_open(id: u32) -> bool {
    id.is_multiple_of(10)
}

/// What a store still has.
#[derive(Debug, PartialEq, Eq)]
struct Left {
    answers: u32,
    payloads: u32,
}

impl Left {
    const fn all() -> Self {
        Self {
            answers: COUNT,
            payloads: COUNT,
        }
    }
}

/// All of what is open must be there, and of what is final nothing by half.
fn check(store: &JournalStore) -> Left {
    let mut left = Left {
        answers: 0,
        payloads: 0,
    };
    for id in 1..=COUNT {
        let there = store.answer(key(1, id)).unwrap().is_some();
        assert!(there || !is_open(id), "the answer for {id} is gone");
        left.answers += u32::from(there);
        let state = store.delivery(key(1, id), agency(3)).unwrap();
        let expected = match (there, is_open(id)) {
            (false, _) => None,
            (true, true) => Some(DeliveryState::Consigned),
            (true, false) => Some(DeliveryState::HandedOver),
        };
        assert_eq!(state, expected, "the delivery of {id}");
        if let Some(source) = store.payload(key(1, id)).unwrap() {
            assert_eq!(source.read_at(0, 1 << 20).unwrap(), content(id));
            left.payloads += 1;
        } else {
            assert!(!is_open(id), "the payload of {id} is gone");
        }
        if there {
            // A recipient that has signed and not got its wrap still gets it.
            assert_eq!(store.wraps(key(1, id)).unwrap().unwrap().len(), 2);
        }
        if is_open(id) {
            let again = store.accept(submission(1, id, &[2, 3])).wait().unwrap();
            assert!(again.repeated);
        }
    }
    left
}

#[test]
fn what_is_carried_forward_can_still_be_collected() {
    let index = scratch();
    let disk = sim(&index, 64 << 20);
    let hand = Hand::at(BEGIN);
    let (store, _) = open(&disk, hand.options()).unwrap();
    send(&store, 1..=400);
    sign(&store, 1..=400);
    let store = reopened(store, &disk, &hand);
    let before = whole_inbox(&store, agency(1));
    store.collected(agency(1), sequence(700)).unwrap();
    hand.set(LAPSE + 200 * DAY);
    for number in 2..=3 {
        store.collected(agency(number), sequence(390)).unwrap();
    }
    let mut store = store;
    for _ in 0..3 {
        store.tidy(hand.now(), &KEEP).unwrap();
        store = reopened(store, &disk, &hand);
    }
    for (number, from) in [(1, 700), (2, 390), (3, 390)] {
        let items = store
            .inbox(agency(number), Some(sequence(from)), super::all())
            .unwrap();
        let last = store.inbox_state(agency(number)).unwrap().last.unwrap();
        assert_eq!(items.len() as u64, last.value() - u64::from(from));
        assert_eq!(items[0].sequence, sequence(from + 1));
        // From before what was let go: the first that is left comes first.
        let items = store.inbox(agency(number), None, super::all()).unwrap();
        assert!(items.len() as u64 >= last.value() - u64::from(from));
        assert_eq!(items.last().unwrap().sequence, last);
    }
    let items = store
        .inbox(agency(1), Some(sequence(700)), super::all())
        .unwrap();
    assert_eq!(items, before[700..]);
}

/// A node that was restored from long ago gets what is still here of what it had stored
/// before: an envelope that it never signed for among it.
#[test]
fn what_was_collected_once_and_is_open_is_offered_to_a_restored_node() {
    let index = scratch();
    let disk = sim(&index, 64 << 20);
    let hand = Hand::at(BEGIN);
    let (store, _) = open(&disk, hand.options()).unwrap();
    send(&store, 1..=300);
    sign(&store, (1..=300).filter(|id| *id != 200));
    collect(&store);
    let mut store = reopened(store, &disk, &hand);
    hand.set(LAPSE + 200 * DAY);
    for _ in 0..3 {
        store.tidy(hand.now(), &KEEP).unwrap();
        store = reopened(store, &disk, &hand);
    }
    // With stale rows in the index, and with none.
    for _ in 0..2 {
        let items = store.inbox(agency(2), Some(sequence(10)), super::all());
        let places: Vec<u64> = items
            .unwrap()
            .iter()
            .map(|it| it.sequence.value())
            .collect();
        assert!(places.contains(&200) && places.len() < 100, "{places:?}");
        store.close().unwrap();
        drop(store);
        std::fs::remove_dir_all(index.path().join("index")).unwrap();
        (store, _) = open(&disk, hand.options()).unwrap();
    }
}

#[test]
fn payload_files_go_with_the_last_envelope_that_names_them() {
    let index = scratch();
    let disk = sim(&index, 64 << 20);
    let hand = Hand::at(BEGIN);
    let (store, _) = open(&disk, hand.options()).unwrap();
    let bytes = vec![9; 1_100_000];
    for id in 1..=2 {
        let mut sent = submission(1, id, &[2, 3]);
        sent.payload = fixture::stage(&store, 1, id, &bytes);
        store.accept(sent).wait().unwrap();
        store.unstage(&fixture::upload(1, id, &bytes)).unwrap();
    }
    sign(&store, 1..=1);
    let files = || count(&disk);
    let one = files();
    hand.set(BEGIN + 30 * DAY);
    let store = reopened(store, &disk, &hand);
    store.tidy(hand.now(), &KEEP).unwrap();
    assert!(store.payload(key(1, 2)).unwrap().is_some());
    assert_eq!(files(), one);
    sign(&store, 2..=2);
    hand.set(BEGIN + 60 * DAY);
    let store = reopened(store, &disk, &hand);
    let tidied = store.tidy(hand.now(), &KEEP).unwrap();
    assert_eq!((tidied.files, count(&disk)), (1, 0));
    assert!(tidied.bytes > 1_100_000);
    assert!(store.payload(key(1, 2)).unwrap().is_none());
    assert_eq!(
        store.delivery(key(1, 1), agency(2)).unwrap(),
        Some(DeliveryState::HandedOver)
    );
}

#[test]
fn a_payload_file_that_is_about_to_be_named_again_stays() {
    let index = scratch();
    let disk = sim(&index, 64 << 20);
    let hand = Hand::at(BEGIN);
    let (store, _) = open(&disk, hand.options()).unwrap();
    let bytes = vec![9; 1_100_000];
    let mut sent = submission(1, 1, &[2, 3]);
    sent.payload = fixture::stage(&store, 1, 1, &bytes);
    store.accept(sent).wait().unwrap();
    store.unstage(&fixture::upload(1, 1, &bytes)).unwrap();
    sign(&store, 1..=1);
    hand.set(BEGIN + 60 * DAY);
    let store = reopened(store, &disk, &hand);
    let mut again = submission(1, 2, &[2, 3]);
    again.payload = fixture::stage(&store, 1, 2, &bytes);
    let tidied = store.tidy(hand.now(), &KEEP).unwrap();
    assert!(tidied.segments > 0 && store.payload(key(1, 1)).unwrap().is_none());
    assert_eq!((tidied.files, count(&disk)), (0, 1));
    store.accept(again).wait().unwrap();
    store.unstage(&fixture::upload(1, 2, &bytes)).unwrap();
    let source = store.payload(key(1, 2)).unwrap().unwrap();
    assert_eq!(source.read_at(1_099_999, 9).unwrap(), [9_u8].as_slice());
}

fn count(disk: &SimDisk) -> usize {
    let paths = disk.paths().into_iter();
    paths.filter(|path| path.starts_with("payloads/")).count()
}

#[test]
fn a_stale_index_is_made_anew_while_others_work() {
    let index = scratch();
    let disk = sim(&index, 256 << 20);
    let hand = Hand::at(BEGIN);
    let options = Options {
        segment_bytes: 1 << 20,
        ..hand.options()
    };
    let (store, _) = open(&disk, options.clone()).unwrap();
    send(&store, 1..=8_000);
    sign(&store, 1..=8_000);
    collect(&store);
    store.close().unwrap();
    drop(store);
    let (store, _) = open(&disk, options.clone()).unwrap();
    hand.set(LAPSE + 200 * DAY);
    std::thread::scope(|scope| {
        scope.spawn(|| send(&store, 10_001..=12_000));
        let tidied = store.tidy(hand.now(), &KEEP).unwrap();
        assert!(tidied.index && tidied.segments > 3, "{tidied:?}");
    });
    assert!(store.answer(key(1, 1)).unwrap().is_none());
    let fresh = || {
        store
            .inbox(agency(2), Some(sequence(8_000)), super::all())
            .unwrap()
    };
    assert_eq!(fresh().len(), 2_000);
    store.close().unwrap();
    drop(store);
    let (store, recovery) = open(&disk, options).unwrap();
    assert_eq!(recovery.index, crate::IndexFate::Believed);
    let items = store
        .inbox(agency(2), Some(sequence(8_000)), super::all())
        .unwrap();
    assert_eq!(items.len(), 2_000);
}

/// Cut anywhere while segments are let go: nothing that counts is lost, and it goes on.
#[test]
fn letting_go_can_be_cut_short_anywhere() {
    for seed in 0..150 {
        let index = scratch();
        let disk = SimDisk::new(seed, 64 << 20, index.path().join("index"));
        let hand = Hand::at(BEGIN);
        let options = Options {
            segment_bytes: 16 << 10,
            ..hand.options()
        };
        let mut random = Random(seed);
        let (store, _) = open(&disk, options.clone()).unwrap();
        send(&store, 1..=100);
        let is_open = |id: &u32| id.is_multiple_of(10);
        sign(&store, (1..=100).filter(|id| !is_open(id)));
        collect(&store);
        store.close().unwrap();
        drop(store);
        hand.set(LAPSE + 200 * DAY);
        for _ in 0..3 {
            let after = random.below(60);
            disk.inject(Fault::Crash { after });
            if let Ok((store, _)) = open(&disk, options.clone()) {
                drop(store.tidy(hand.now(), &KEEP));
                drop(store.close());
            }
            if random.below(2) == 0 {
                disk.power_cut();
            } else {
                disk.kill();
            }
        }
        let (store, _) = open(&disk, options.clone()).unwrap();
        for _ in 0..2 {
            store.tidy(hand.now(), &KEEP).unwrap();
        }
        for id in 1..=100 {
            let state = store.delivery(key(1, id), agency(2)).unwrap();
            let fits = match state {
                Some(DeliveryState::Consigned) => is_open(&id),
                Some(_) | None => !is_open(&id),
            };
            assert!(fits, "seed {seed}: {id} is {state:?}");
            if is_open(&id) {
                let source = store.payload(key(1, id)).unwrap().unwrap();
                assert_eq!(source.read_at(0, 1 << 20).unwrap(), content(id));
                let again = store.accept(submission(1, id, &[2, 3])).wait().unwrap();
                assert!(again.repeated, "seed {seed}: {id} was taken for a new one");
            }
        }
        let next = store.accept(submission(1, 101, &[2, 3])).wait().unwrap();
        assert!(!next.repeated);
        let state = store.inbox_state(agency(2)).unwrap();
        assert_eq!(state.last, Some(sequence(101)), "seed {seed}");
    }
}
