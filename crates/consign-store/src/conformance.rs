//! The suite that every engine must pass. Each check gets a fresh, empty store.
//!
//! ```
//! # #[cfg(feature = "conformance")] {
//! use consign_store::{MemoryStore, conformance};
//! for check in conformance::CHECKS {
//!     (check.run)(&MemoryStore::new(conformance::fixture::clock()));
//! }
//! # }
//! ```

#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::panic,
    reason = "a check fails by a panic, and has made all it looks at"
)]

pub mod fixture;

use std::collections::BTreeSet;

use bytes::Bytes;
use consign_domain::delivery::DeliveryState;
use consign_domain::{AgencyId, Digest, DirectoryVersion, Sequence};

use crate::error::StoreError;
use crate::store::Store;
use crate::types::{
    DirectoryNote, InboxBudget, InboxItem, ItemBody, ItemPayload, Outcome, PayloadIn, SettledBy,
};
use fixture::{agency, envelope, expiry, key, receipt, refusal, status, submission};

/// One check.
#[derive(Debug, Clone, Copy)]
pub struct Check {
    /// What it checks.
    pub name: &'static str,
    /// Panics if the store does not do it.
    pub run: fn(&dyn Store),
}

macro_rules! checks {
    ($($name:ident),* $(,)?) => {
        /// Every check.
        pub const CHECKS: &[Check] = &[$(Check { name: stringify!($name), run: $name }),*];
    };
}

checks![
    an_envelope_lies_in_every_inbox,
    the_same_envelope_gets_the_original_answer,
    an_id_is_not_used_twice,
    duplicates_in_flight_are_one,
    the_first_of_acceptance_and_refusal_stays,
    ids_belong_to_their_senders,
    the_first_receipt_settles,
    an_expiry_settles_as_well,
    receipts_must_fit,
    settlements_in_flight_are_one,
    a_status_is_placed_once,
    an_inbox_is_given_in_order_within_a_budget,
    collecting_never_goes_back,
    wraps_and_payloads_read_back,
    large_payloads_are_staged,
    an_upload_goes_on_where_it_says,
    a_watcher_wakes,
    directories_never_go_back,
    many_at_once_leave_no_gap,
    who_reads_meanwhile_sees_no_gap,
    one_to_nine_hundred,
    a_submission_must_be_sound,
];

const ALL: InboxBudget = InboxBudget {
    items: 100_000,
    bytes: 1 << 30,
};

/// The whole inbox of an agency; checks that it has no gap and agrees with its state.
pub fn whole_inbox(store: &dyn Store, agency: AgencyId) -> Vec<InboxItem> {
    let items = store.inbox(agency, None, ALL).unwrap();
    for (index, item) in items.iter().enumerate() {
        assert_eq!(item.sequence.value(), index as u64 + 1, "a gap");
        let digest = store.item_digest(agency, item.sequence).unwrap();
        assert_eq!(digest, Some(item.digest));
    }
    let last = store.inbox_state(agency).unwrap().last;
    assert_eq!(last, items.last().map(|item| item.sequence));
    items
}

fn an_envelope_lies_in_every_inbox(store: &dyn Store) {
    let accepted = store.accept(submission(1, 1, &[2, 3])).wait().unwrap();
    assert!(!accepted.repeated);
    assert_eq!(accepted.answer.outcome, Outcome::Accepted);
    for recipient in [2, 3] {
        let items = whole_inbox(store, agency(recipient));
        assert_eq!(items.len(), 1);
        let ItemBody::Envelope(item) = &items[0].body else {
            panic!("not an envelope");
        };
        assert_eq!(item.key, key(1, 1));
        assert_eq!(item.envelope, envelope(1, 1));
        assert_eq!(item.acceptance, accepted.answer.evidence);
        assert_eq!(items[0].digest, item.envelope.digest());
        assert_eq!(
            store.delivery(key(1, 1), agency(recipient)).unwrap(),
            Some(DeliveryState::Consigned)
        );
        let place = store.delivery_of(key(1, 1), agency(recipient)).unwrap();
        let place = place.unwrap();
        assert_eq!(place.envelope, envelope(1, 1).digest());
        assert_eq!(place.index as u64, u64::from(recipient) - 2);
        assert_eq!(place.sequence, Sequence::FIRST);
        assert_eq!(place.state, DeliveryState::Consigned);
    }
    assert_eq!(store.delivery_of(key(1, 1), agency(4)).unwrap(), None);
    assert_eq!(store.delivery_of(key(1, 9), agency(2)).unwrap(), None);
    let stored = store.envelope(key(1, 1)).unwrap().unwrap();
    assert_eq!(stored.accepted, fixture::clock()());
    assert_eq!(stored.deliveries.len(), 2);
    let said = fixture::acceptance(key(1, 1), &[(2, 1), (3, 1)]);
    assert_eq!(accepted.answer.evidence, said);
    assert!(whole_inbox(store, agency(1)).is_empty());
    assert_eq!(store.delivery(key(1, 1), agency(4)).unwrap(), None);
    assert_eq!(store.delivery(key(1, 9), agency(2)).unwrap(), None);
}

fn the_same_envelope_gets_the_original_answer(store: &dyn Store) {
    let first = store.accept(submission(1, 1, &[2])).wait().unwrap();
    store.accept(submission(1, 2, &[2])).wait().unwrap();
    let again = store.accept(submission(1, 1, &[2])).wait().unwrap();
    assert!(again.repeated);
    assert_eq!(again.answer, first.answer);
    assert_eq!(store.answer(key(1, 1)).unwrap(), Some(first.answer));
    assert_eq!(whole_inbox(store, agency(2)).len(), 2);
}

fn an_id_is_not_used_twice(store: &dyn Store) {
    store.accept(submission(1, 1, &[2])).wait().unwrap();
    let mut other = submission(1, 1, &[2]);
    other.digest = Digest::of(b"another envelope");
    let fault = store.accept(other).wait().unwrap_err();
    assert!(matches!(fault, StoreError::IdReused), "{fault}");
    let mut other = refusal(1, 1);
    other.digest = Digest::of(b"another envelope");
    let fault = store.refuse(other).wait().unwrap_err();
    assert!(matches!(fault, StoreError::IdReused), "{fault}");
    assert_eq!(whole_inbox(store, agency(2)).len(), 1);
}

fn duplicates_in_flight_are_one(store: &dyn Store) {
    let replies: Vec<_> = (0..20)
        .map(|_| store.accept(submission(1, 1, &[2])))
        .collect();
    let answers: Vec<_> = replies
        .into_iter()
        .map(|reply| reply.wait().unwrap())
        .collect();
    assert_eq!(answers.iter().filter(|answer| !answer.repeated).count(), 1);
    assert!(
        answers
            .iter()
            .all(|found| found.answer == answers[0].answer)
    );
    assert_eq!(whole_inbox(store, agency(2)).len(), 1);
}

fn the_first_of_acceptance_and_refusal_stays(store: &dyn Store) {
    let refused = store.refuse(refusal(1, 1)).wait().unwrap();
    assert_eq!(refused.answer.outcome, Outcome::Refused);
    let again = store.accept(submission(1, 1, &[2])).wait().unwrap();
    assert!(again.repeated);
    assert_eq!(again.answer, refused.answer);
    assert!(store.envelope(key(1, 1)).unwrap().is_none());
    assert!(store.wraps(key(1, 1)).unwrap().is_none());
    assert!(store.payload(key(1, 1)).unwrap().is_none());
    assert!(whole_inbox(store, agency(2)).is_empty());

    let accepted = store.accept(submission(1, 2, &[2])).wait().unwrap();
    let again = store.refuse(refusal(1, 2)).wait().unwrap();
    assert_eq!(again.answer, accepted.answer);
}

fn ids_belong_to_their_senders(store: &dyn Store) {
    store.accept(submission(1, 1, &[3])).wait().unwrap();
    let other = store.accept(submission(2, 1, &[3])).wait().unwrap();
    assert!(!other.repeated);
    assert_eq!(whole_inbox(store, agency(3)).len(), 2);
}

fn the_first_receipt_settles(store: &dyn Store) {
    store.accept(submission(1, 1, &[2, 3])).wait().unwrap();
    let first = store.settle(receipt(1, 1, 2, 1)).wait().unwrap();
    assert_eq!((first.by, first.repeated), (SettledBy::Receipt, false));
    let mut other = receipt(1, 1, 2, 1);
    other.statement = fixture::statement("a second receipt");
    let again = store.settle(other).wait().unwrap();
    assert!(again.repeated);
    assert_eq!(again.statement, first.statement);
    let fault = store.expire(expiry(1, 1, 2)).wait().unwrap_err();
    assert!(matches!(fault, StoreError::AlreadySettled), "{fault}");

    let inbox = whole_inbox(store, agency(1));
    assert_eq!(inbox.len(), 1);
    assert_eq!(inbox[0].body, ItemBody::Evidence(first.statement));
    let states = store.envelope(key(1, 1)).unwrap().unwrap().deliveries;
    assert_eq!(states[0].state, DeliveryState::HandedOver);
    assert_eq!(states[1].state, DeliveryState::Consigned);
}

fn an_expiry_settles_as_well(store: &dyn Store) {
    store.accept(submission(1, 1, &[2])).wait().unwrap();
    let expired = store.expire(expiry(1, 1, 2)).wait().unwrap();
    assert_eq!(expired.by, SettledBy::Expiry);
    assert!(store.expire(expiry(1, 1, 2)).wait().unwrap().repeated);
    let fault = store.settle(receipt(1, 1, 2, 1)).wait().unwrap_err();
    assert!(matches!(fault, StoreError::AlreadySettled), "{fault}");
    assert_eq!(
        store.delivery(key(1, 1), agency(2)).unwrap(),
        Some(DeliveryState::Failed)
    );
    assert_eq!(whole_inbox(store, agency(1)).len(), 1);
}

fn receipts_must_fit(store: &dyn Store) {
    store.accept(submission(1, 1, &[2])).wait().unwrap();
    let settle = |receipt| store.settle(receipt).wait().unwrap_err();
    assert!(matches!(
        settle(receipt(1, 9, 2, 1)),
        StoreError::EnvelopeUnknown
    ));
    assert!(matches!(
        settle(receipt(1, 1, 3, 1)),
        StoreError::NotARecipient
    ));
    assert!(matches!(
        settle(receipt(1, 1, 2, 2)),
        StoreError::ReceiptMismatch
    ));
    let mut other = receipt(1, 1, 2, 1);
    other.envelope = Digest::of(b"another envelope");
    assert!(matches!(settle(other), StoreError::ReceiptMismatch));
    assert!(whole_inbox(store, agency(1)).is_empty());
}

fn settlements_in_flight_are_one(store: &dyn Store) {
    store.accept(submission(1, 1, &[2])).wait().unwrap();
    let receipts: Vec<_> = (0..10).map(|_| store.settle(receipt(1, 1, 2, 1))).collect();
    let late = store.expire(expiry(1, 1, 2));
    let settled: Vec<_> = receipts
        .into_iter()
        .map(|reply| reply.wait().unwrap())
        .collect();
    assert_eq!(settled.iter().filter(|found| !found.repeated).count(), 1);
    let fault = late.wait().unwrap_err();
    assert!(matches!(fault, StoreError::AlreadySettled), "{fault}");
    assert_eq!(whole_inbox(store, agency(1)).len(), 1);
}

fn a_status_is_placed_once(store: &dyn Store) {
    let fault = store.post(status(1, 1, 1, "03")).wait().unwrap_err();
    assert!(matches!(fault, StoreError::EnvelopeUnknown), "{fault}");
    store.accept(submission(1, 1, &[2])).wait().unwrap();
    let replies: Vec<_> = (0..5).map(|_| store.post(status(1, 1, 1, "03"))).collect();
    for reply in replies {
        assert_eq!(reply.wait().unwrap().sequence, Sequence::FIRST);
    }
    assert!(store.post(status(1, 1, 1, "03")).wait().unwrap().repeated);
    let next = store.post(status(1, 1, 1, "06")).wait().unwrap();
    assert_eq!((next.sequence.value(), next.repeated), (2, false));
    let inbox = whole_inbox(store, agency(1));
    let posted = status(1, 1, 1, "03");
    let body = ItemBody::Status {
        statement: posted.statement,
        text: posted.text,
    };
    assert_eq!(inbox[0].body, body);
}

fn an_inbox_is_given_in_order_within_a_budget(store: &dyn Store) {
    for id in 1..=10 {
        store.accept(submission(1, id, &[2])).wait().unwrap();
    }
    let give = |after: u64, items, bytes| {
        let after = Sequence::new(after).ok();
        let budget = InboxBudget { items, bytes };
        let items = store.inbox(agency(2), after, budget).unwrap();
        let places = items.iter().map(|item| item.sequence.value());
        places.collect::<Vec<_>>()
    };
    assert_eq!(give(0, 3, 1 << 20), [1, 2, 3]);
    assert_eq!(give(3, 3, 1 << 20), [4, 5, 6]);
    assert_eq!(give(9, 3, 1 << 20), [10]);
    assert!(give(10, 3, 1 << 20).is_empty());
    assert!(give(77, 3, 1 << 20).is_empty());
    assert!(give(0, 0, 1 << 20).is_empty());
    assert_eq!(give(0, 3, 0), [1], "the first comes whatever its size");
    let two = whole_inbox(store, agency(2))[..2]
        .iter()
        .map(InboxItem::cost)
        .sum();
    assert_eq!(give(0, 9, two), [1, 2]);
}

fn collecting_never_goes_back(store: &dyn Store) {
    let collected = || store.inbox_state(agency(2)).unwrap().collected;
    let note = |through| store.collected(agency(2), Sequence::new(through).unwrap());
    assert!(matches!(note(1), Err(StoreError::Behind)));
    for id in 1..=3 {
        store.accept(submission(1, id, &[2])).wait().unwrap();
    }
    assert_eq!(collected(), None);
    note(2).unwrap();
    note(1).unwrap();
    assert_eq!(collected(), Sequence::new(2).ok());
    assert!(matches!(note(4), Err(StoreError::Behind)));
}

fn wraps_and_payloads_read_back(store: &dyn Store) {
    let sent = submission(1, 1, &[2, 3, 4]);
    let (wraps, payload) = (sent.wraps.clone(), sent.payload.clone());
    let PayloadIn::Inline(payload) = payload else {
        panic!("the fixture is inline");
    };
    store.accept(sent).wait().unwrap();
    assert_eq!(store.wraps(key(1, 1)).unwrap(), Some(wraps));
    let source = store.payload(key(1, 1)).unwrap().unwrap();
    assert_eq!(source.size(), payload.len() as u64);
    let mut read = Vec::new();
    while let Ok(part) = source.read_at(read.len() as u64, 7)
        && !part.is_empty()
    {
        read.extend_from_slice(&part);
    }
    assert_eq!(read, payload);
    assert!(source.read_at(u64::MAX, 7).unwrap().is_empty());
}

fn large_payloads_are_staged(store: &dyn Store) {
    let payload: Vec<u8> = (0..1_500_000_u32).map(|at| at.to_le_bytes()[1]).collect();
    for size in [300_000, payload.len()] {
        let part = &payload[..size];
        let id = u32::try_from(size).unwrap();
        let mut stage = store.stage(fixture::upload(1, id, part)).unwrap();
        assert_eq!(stage.written(), 0);
        for piece in part.chunks(100_000) {
            stage.write(piece).unwrap();
        }
        assert_eq!(stage.written(), size as u64);
        let fault = stage.write(b"more").unwrap_err();
        assert!(matches!(fault, StoreError::PayloadMismatch), "{fault}");
        let staged = stage.finish().unwrap();
        store.place(&staged).unwrap();
        let mut sent = submission(1, id, &[2]);
        sent.payload = PayloadIn::Staged(staged);
        store.accept(sent).wait().unwrap();
        store.unstage(&fixture::upload(1, id, part)).unwrap();
        let source = store.payload(key(1, id)).unwrap().unwrap();
        assert_eq!(source.read_at(0, size).unwrap(), part);
    }
    for item in whole_inbox(store, agency(2)) {
        let ItemBody::Envelope(item) = item.body else {
            panic!("not an envelope");
        };
        assert_eq!(item.payload, ItemPayload::OnRequest);
    }
    let mut short = store.stage(fixture::upload(1, 3, &payload)).unwrap();
    short.write(&payload[1..]).unwrap();
    let fault = short.finish().unwrap_err();
    assert!(matches!(fault, StoreError::PayloadMismatch), "{fault}");
    assert!(
        store
            .staged()
            .unwrap()
            .iter()
            .all(|left| left.whole.is_none())
    );
}

fn an_upload_goes_on_where_it_says(store: &dyn Store) {
    let payload: Vec<u8> = (0..2_500_000_u32).map(|at| at.to_le_bytes()[1]).collect();
    let upload = fixture::upload(1, 1, &payload);
    let mut stage = store.stage(upload).unwrap();
    stage.write(&payload[..1_200_000]).unwrap();
    let kept = stage.pause().unwrap();
    let mut stage = store.stage(upload).unwrap();
    assert_eq!(stage.written(), kept);
    let from = usize::try_from(kept).unwrap();
    stage.write(&payload[from..2_000_000]).unwrap();
    // Dropped without a word, it goes on from anywhere before.
    drop(stage);
    let mut sent = submission(1, 1, &[2]);
    sent.payload = fixture::stage(store, 1, 1, &payload);
    store.accept(sent).wait().unwrap();
    let source = store.payload(key(1, 1)).unwrap().unwrap();
    assert_eq!(source.read_at(0, payload.len()).unwrap(), payload);
}

fn a_watcher_wakes(store: &dyn Store) {
    let mut watcher = store.watch(agency(2));
    assert_eq!(watcher.last(), None);
    store.accept(submission(1, 1, &[2])).wait().unwrap();
    let runtime = tokio::runtime::Builder::new_current_thread()
        .build()
        .unwrap();
    runtime.block_on(watcher.grown()).unwrap();
    assert_eq!(watcher.last(), Some(Sequence::FIRST));
    let mut late = store.watch(agency(2));
    assert_eq!(late.last(), Some(Sequence::FIRST));
    store.settle(receipt(1, 1, 2, 1)).wait().unwrap();
    assert_eq!(store.watch(agency(1)).last(), Some(Sequence::FIRST));
}

fn directories_never_go_back(store: &dyn Store) {
    let note = |version| DirectoryNote {
        version: DirectoryVersion::new(version).unwrap(),
        head: Digest::of(b"head"),
    };
    assert_eq!(store.directory().unwrap(), None);
    store.note_directory(note(7)).unwrap();
    store.note_directory(note(5)).unwrap();
    assert_eq!(store.directory().unwrap(), Some(note(7)));
}

fn many_at_once_leave_no_gap(store: &dyn Store) {
    std::thread::scope(|scope| {
        for sender in 1..=4 {
            scope.spawn(move || {
                let replies: Vec<_> = (1..=50)
                    .map(|id| store.accept(submission(sender, id, &[5, 6 + id % 3])))
                    .collect();
                for reply in replies {
                    reply.wait().unwrap();
                }
            });
        }
    });
    for recipient in 5..=8 {
        let inbox = whole_inbox(store, agency(recipient));
        let distinct: BTreeSet<_> = inbox.iter().map(|item| item.digest).collect();
        assert_eq!(distinct.len(), inbox.len(), "an envelope was placed twice");
    }
    assert_eq!(whole_inbox(store, agency(5)).len(), 200);
}

fn who_reads_meanwhile_sees_no_gap(store: &dyn Store) {
    let recipients: Vec<u32> = (2..402).collect();
    std::thread::scope(|scope| {
        let writer = scope.spawn(|| {
            for id in 1..=60 {
                let sent = submission(1, id, &recipients);
                store.accept(sent).wait().unwrap();
            }
        });
        while !writer.is_finished() {
            // The last of the list: what is visible first in a careless order is seen here.
            let last = store.inbox_state(agency(401)).unwrap().last;
            let Some(last) = last else { continue };
            let digest = store.item_digest(agency(401), last).unwrap();
            assert!(digest.is_some(), "an item was not there yet");
        }
    });
    assert_eq!(whole_inbox(store, agency(2)).len(), 60);
}

fn one_to_nine_hundred(store: &dyn Store) {
    let recipients: Vec<u32> = (2..902).collect();
    store.accept(submission(1, 1, &recipients)).wait().unwrap();
    assert_eq!(store.wraps(key(1, 1)).unwrap().unwrap().len(), 900);
    for recipient in [2, 450, 901] {
        assert_eq!(whole_inbox(store, agency(recipient)).len(), 1);
        store.settle(receipt(1, 1, recipient, 1)).wait().unwrap();
    }
    let states = store.envelope(key(1, 1)).unwrap().unwrap().deliveries;
    let handed_over = |delivery: &&crate::Delivery| delivery.state == DeliveryState::HandedOver;
    assert_eq!(states.iter().filter(handed_over).count(), 3);
    assert_eq!(whole_inbox(store, agency(1)).len(), 3);
}

fn a_submission_must_be_sound(store: &dyn Store) {
    let mut unwrapped = submission(1, 1, &[2, 3]);
    unwrapped.wraps.pop();
    let fault = store.accept(unwrapped).wait().unwrap_err();
    assert!(matches!(fault, StoreError::WrapsMismatch), "{fault}");
    let fault = store.accept(submission(1, 1, &[])).wait().unwrap_err();
    assert!(matches!(fault, StoreError::WrapsMismatch), "{fault}");
    let fault = store.accept(submission(1, 1, &[2, 3, 2])).wait();
    assert!(matches!(fault, Err(StoreError::RecipientTwice)));
    let mut giant = submission(1, 1, &[2]);
    giant.wraps = vec![Bytes::from(vec![0; 4096])];
    let fault = store.accept(giant).wait().unwrap_err();
    assert!(matches!(fault, StoreError::TooLarge), "{fault}");
    let mut endless = fixture::upload(1, 1, b"");
    endless.size = u64::MAX;
    let fault = store.stage(endless).unwrap_err();
    assert!(matches!(fault, StoreError::TooLarge), "{fault}");
    let giant = fixture::statement(&"x".repeat(4 << 20));
    let mut refused = refusal(1, 2);
    refused.evidence = giant.clone();
    let fault = store.refuse(refused).wait().unwrap_err();
    assert!(matches!(fault, StoreError::TooLarge), "{fault}");
    store.accept(submission(1, 1, &[2])).wait().unwrap();
    let mut signed = receipt(1, 1, 2, 1);
    signed.statement = giant.clone();
    let fault = store.settle(signed).wait().unwrap_err();
    assert!(matches!(fault, StoreError::TooLarge), "{fault}");
    let mut expired = expiry(1, 1, 2);
    expired.statement = giant;
    let fault = store.expire(expired).wait().unwrap_err();
    assert!(matches!(fault, StoreError::TooLarge), "{fault}");
    let mut wordy = status(1, 1, 1, "03");
    wordy.text = Bytes::from(vec![0; 1 << 20]);
    let fault = store.post(wordy).wait().unwrap_err();
    assert!(matches!(fault, StoreError::TooLarge), "{fault}");
    assert_eq!(whole_inbox(store, agency(2)).len(), 1);
    assert!(whole_inbox(store, agency(1)).is_empty());
}
