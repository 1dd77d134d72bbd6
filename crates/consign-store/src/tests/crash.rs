//! A simulated machine that is killed or loses its power at any operation, again and
//! again, against a model of what was answered.
//!
//! `CONSIGN_SEED=n` replays one seed, `CONSIGN_SEEDS=n` lives so many.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Instant;

use consign_domain::delivery::DeliveryState;
use consign_domain::{Digest, Sequence, SignedStatement};

use super::{open, say, scratch};
use crate::conformance::fixture::{self, Random};
use crate::conformance::whole_inbox;
use crate::disk::{Fault, SimDisk};
use crate::{IndexFate, ItemBody, JournalStore, Options, Reply, SettledBy, Store, StoreError};

const SEEDS: u64 = 5_000;
/// Machines that live side by side: a store waits for its own threads more than it works.
const SIDE_BY_SIDE: usize = 4;
const AGENCIES: u32 = 4;

#[derive(Debug, Default)]
struct Totals {
    crashes: AtomicU64,
    torn: AtomicU64,
    acknowledged: AtomicU64,
    rewritten: AtomicU64,
    believed: AtomicU64,
    rebuilt: AtomicU64,
}

/// What was asked, and what was answered.
#[derive(Default)]
struct Model {
    next_id: u32,
    sent: BTreeMap<u32, (u32, Vec<u32>)>,
    accepted: BTreeMap<u32, SignedStatement>,
    refused: BTreeMap<u32, SignedStatement>,
    /// What a delivery was settled by, and with which words where they were told.
    settled: BTreeMap<(u32, u32), (SettledBy, Option<SignedStatement>)>,
    posted: BTreeSet<u32>,
    /// Items that were read, by inbox and place.
    seen: BTreeMap<(u32, u64), Digest>,
}

enum Asked {
    Accept(u32, Reply<crate::Accepted>),
    Refuse(u32, Reply<crate::Accepted>),
    Settle(u32, u32, SettledBy, Reply<crate::Settled>),
    Post(u32, Reply<crate::Posted>),
}

fn options() -> Options {
    Options {
        segment_bytes: 12 << 10,
        low_water: 64 << 10,
        signers: 1,
        ..Options::new(fixture::clock())
    }
}

impl Model {
    fn ask(&mut self, store: &JournalStore, random: &mut Random) -> Asked {
        match random.below(10) {
            0..5 => {
                self.next_id += 1;
                let id = self.next_id;
                let sender = 1 + random.small(AGENCIES);
                let mut recipients: Vec<u32> = (1..=AGENCIES).collect();
                recipients.retain(|_| random.below(2) == 0);
                recipients.push(AGENCIES + 1);
                self.sent.insert(id, (sender, recipients.clone()));
                if random.below(8) == 0 {
                    return Asked::Refuse(id, store.refuse(fixture::refusal(sender, id)));
                }
                let submission = fixture::submission(sender, id, &recipients);
                Asked::Accept(id, store.accept(submission))
            }
            5 if self.next_id > 0 => self.again(store, 1 + random.small(self.next_id)),
            6 if self.next_id > 0 => {
                let id = 1 + random.small(self.next_id);
                let sender = self.sent[&id].0;
                Asked::Post(id, store.post(fixture::status(sender, id, sender, "03")))
            }
            _ => {
                let id = 1 + random.small(self.next_id.max(1));
                let Some((sender, recipients)) = self.sent.get(&id).cloned() else {
                    return self.ask(store, random);
                };
                let recipient = recipients[random.place(recipients.len())];
                let key = fixture::key(sender, id);
                let place = store.envelope(key).ok().flatten().and_then(|envelope| {
                    let agency = fixture::agency(recipient);
                    let mut deliveries = envelope.deliveries.into_iter();
                    deliveries.find(|delivery| delivery.agency == agency)
                });
                let sequence = place.map_or(1, |place| place.sequence.value());
                let (by, reply) = if random.below(4) == 0 {
                    let expiry = fixture::expiry(sender, id, recipient);
                    (SettledBy::Expiry, store.expire(expiry))
                } else {
                    let receipt = fixture::receipt(sender, id, recipient, sequence);
                    (SettledBy::Receipt, store.settle(receipt))
                };
                Asked::Settle(id, recipient, by, reply)
            }
        }
    }

    fn again(&self, store: &JournalStore, id: u32) -> Asked {
        let (sender, recipients) = &self.sent[&id];
        let submission = fixture::submission(*sender, id, recipients);
        Asked::Accept(id, store.accept(submission))
    }

    /// Takes down what was answered; a fault answers nothing.
    fn hear(&mut self, asked: Asked, totals: &Totals) {
        let heard = match asked {
            Asked::Accept(id, reply) | Asked::Refuse(id, reply) => {
                let accepted = reply.wait().ok();
                accepted.map(|accepted| self.keep(id, accepted.answer))
            }
            Asked::Settle(id, recipient, by, reply) => {
                let ended = match (reply.wait(), by) {
                    (Ok(settled), _) => Some((settled.by, Some(settled.statement))),
                    (Err(StoreError::AlreadySettled), SettledBy::Receipt) => {
                        Some((SettledBy::Expiry, None))
                    }
                    (Err(StoreError::AlreadySettled), SettledBy::Expiry) => {
                        Some((SettledBy::Receipt, None))
                    }
                    (Err(_), _) => None,
                };
                ended.map(|(by, words)| self.note_settled(id, recipient, by, words))
            }
            Asked::Post(id, reply) => reply.wait().ok().map(|_| {
                self.posted.insert(id);
            }),
        };
        totals
            .acknowledged
            .fetch_add(u64::from(heard.is_some()), Ordering::Relaxed);
    }

    /// The first of receipt and expiry stays, whoever was told of it.
    fn note_settled(
        &mut self,
        id: u32,
        recipient: u32,
        by: SettledBy,
        words: Option<SignedStatement>,
    ) {
        let first = self.settled.entry((id, recipient)).or_insert((by, None));
        assert_eq!(first.0, by, "two ends of {id} for {recipient}");
        if let Some(words) = words {
            let told = first.1.get_or_insert_with(|| words.clone());
            assert_eq!(*told, words, "two settlements of {id} for {recipient}");
        }
    }

    /// Reads while others write: what is seen is durable, whoever else was told of it.
    fn look(&mut self, store: &JournalStore, random: &mut Random) {
        self.look_at(store, 1 + random.small(AGENCIES + 1));
        let id = 1 + random.small(self.next_id.max(1));
        let Some((sender, _)) = self.sent.get(&id) else {
            return;
        };
        if let Ok(Some(answer)) = store.answer(fixture::key(*sender, id)) {
            self.keep(id, answer);
        }
    }

    fn look_at(&mut self, store: &JournalStore, number: u32) {
        let agency = fixture::agency(number);
        let last = store.inbox_state(agency).unwrap().last;
        let places = (1..=last.map_or(0, Sequence::value)).filter_map(|at| Sequence::new(at).ok());
        let shown = places.filter_map(|at| Some((at, store.item_digest(agency, at).ok()??)));
        // A dead disk gives no bodies.
        let items = store.inbox(agency, None, super::all()).unwrap_or_default();
        let given = items.into_iter().map(|item| (item.sequence, item.digest));
        for (at, digest) in shown.chain(given) {
            let place = (number, at.value());
            let first = *self.seen.entry(place).or_insert(digest);
            assert_eq!(first, digest, "two items at {place:?}");
        }
    }

    fn keep(&mut self, id: u32, answer: crate::Answer) {
        let answers = match answer.outcome {
            crate::Outcome::Accepted => &mut self.accepted,
            crate::Outcome::Refused => &mut self.refused,
        };
        let evidence = answer.evidence;
        let first = answers.entry(id).or_insert_with(|| evidence.clone());
        assert_eq!(*first, evidence, "two answers for {id}");
    }

    /// Everything answered is there, once, and nothing is there in part.
    fn check(&self, store: &JournalStore) {
        let inboxes: BTreeMap<u32, _> = (1..=AGENCIES + 1)
            .map(|number| (number, whole_inbox(store, fixture::agency(number))))
            .collect();
        for ((number, place), digest) in &self.seen {
            let item = usize::try_from(place - 1)
                .ok()
                .and_then(|at| inboxes[number].get(at));
            let found = item.map(|item| item.digest);
            assert_eq!(found, Some(*digest), "what {number} saw at {place}");
        }
        let times = |number: u32, digest| {
            let items = inboxes[&number].iter();
            items.filter(|item| item.digest == digest).count()
        };
        for (id, (sender, recipients)) in &self.sent {
            let key = fixture::key(*sender, *id);
            let answer = store.answer(key).unwrap();
            let outcome = answer.as_ref().map(|answer| answer.outcome);
            if let Some(evidence) = self.accepted.get(id).or_else(|| self.refused.get(id)) {
                let found = answer.map(|answer| answer.evidence);
                assert_eq!(found.as_ref(), Some(evidence), "lost the answer for {id}");
            }
            let expected = usize::from(outcome == Some(crate::Outcome::Accepted));
            for recipient in recipients {
                let found = times(*recipient, fixture::digest(*sender, *id));
                assert_eq!(found, expected, "envelope {id} for {recipient}");
            }
            if expected == 1 {
                self.check_bodies(store, *id);
            }
            if self.posted.contains(id) {
                let status = fixture::status(*sender, *id, *sender, "03");
                assert_eq!(times(*sender, status.statement.digest()), 1, "status {id}");
            }
        }
        self.check_settlements(store, &times);
    }

    /// Each delivery ends as was answered, once, and its sender has the words.
    fn check_settlements(&self, store: &JournalStore, times: &dyn Fn(u32, Digest) -> usize) {
        for ((id, recipient), (by, words)) in &self.settled {
            let sender = self.sent[id].0;
            let key = fixture::key(sender, *id);
            let state = store.delivery(key, fixture::agency(*recipient)).unwrap();
            let expected = match by {
                SettledBy::Receipt => DeliveryState::HandedOver,
                SettledBy::Expiry => DeliveryState::Failed,
            };
            assert_eq!(state, Some(expected), "the end of {id} for {recipient}");
            let receipt = fixture::receipt(sender, *id, *recipient, 1).statement;
            let expiry = fixture::expiry(sender, *id, *recipient).statement;
            let (here, not) = match by {
                SettledBy::Receipt => (receipt, expiry),
                SettledBy::Expiry => (expiry, receipt),
            };
            assert!(words.as_ref().is_none_or(|words| *words == here));
            assert_eq!(times(sender, here.digest()), 1, "the words on {id}");
            assert_eq!(times(sender, not.digest()), 0, "both ends of {id}");
        }
    }

    fn check_bodies(&self, store: &JournalStore, id: u32) {
        let (sender, recipients) = &self.sent[&id];
        let key = fixture::key(*sender, id);
        let payload = store.payload(key).unwrap().unwrap();
        let bytes = payload.read_at(0, 1 << 20).unwrap();
        assert_eq!(bytes, fixture::payload(*sender, id), "payload {id}");
        let wraps = store.wraps(key).unwrap().unwrap();
        assert_eq!(wraps, fixture::submission(*sender, id, recipients).wraps);
        let stored = store.envelope(key).unwrap().unwrap();
        let mut placed = Vec::new();
        for delivery in &stored.deliveries {
            let items = store
                .inbox(
                    delivery.agency,
                    Sequence::new(delivery.sequence.value() - 1).ok(),
                    crate::InboxBudget {
                        items: 1,
                        bytes: 1 << 20,
                    },
                )
                .unwrap();
            assert!(
                matches!(&items[0].body, ItemBody::Envelope(item) if item.key == key),
                "the acceptance names another place"
            );
            let code = delivery.code.as_str();
            let number: u32 = code.strip_prefix("H49.").unwrap().parse().unwrap();
            placed.push((number, delivery.sequence.value()));
        }
        let said = fixture::acceptance(key, &placed);
        assert_eq!(stored.acceptance, said, "the acceptance of {id}");
    }
}

/// One machine's life: up to three crashes, then a quiet end.
fn live(seed: u64, index: &Path, totals: &Totals) {
    let mut random = Random(seed);
    let disk = SimDisk::new(seed, 16 << 20, index);
    let mut model = Model::default();
    // In which segment the store was closed, if nobody has opened it since.
    let mut closed = None;
    for _ in 0..=random.below(3) {
        let after = 1 + random.below(90);
        let bad_medium = random.below(4) == 0;
        disk.inject(if bad_medium {
            Fault::Once { after }
        } else {
            Fault::Crash { after }
        });
        if let Ok((store, _)) = open(&disk, options()) {
            closed = None;
            let mut asked = Vec::new();
            for _ in 0..60 {
                asked.push(model.ask(&store, &mut random));
                if random.below(4) == 0 {
                    model.look(&store, &mut random);
                }
                if random.below(4) == 0 {
                    asked.drain(..).for_each(|asked| model.hear(asked, totals));
                }
                if disk.is_dead() || store.health().health == crate::Health::Poisoned {
                    break;
                }
            }
            asked.drain(..).for_each(|asked| model.hear(asked, totals));
            (1..=AGENCIES + 1).for_each(|number| model.look_at(&store, number));
            if random.below(4) == 0 {
                // A close that the crash may cut short.
                drop(store.close());
                closed = Some(store.health().journal.segment);
            }
        }
        totals.crashes.fetch_add(1, Ordering::Relaxed);
        let powered = bad_medium || random.below(3) == 0;
        if powered {
            disk.kill();
        } else {
            disk.power_cut();
            match random.below(4) {
                0 => drop(std::fs::remove_dir_all(index)),
                1 if index.is_dir() => super::damage::damage(index, &mut random),
                _ => {}
            }
        }
        let (store, recovery) = open(&disk, options()).unwrap();
        assert!(
            !recovery.clean || closed == Some(recovery.position.segment - 1),
            "a store was believed to be closed that was not, or was opened since"
        );
        closed = None;
        let fate = match recovery.index {
            IndexFate::Believed => &totals.believed,
            _ => &totals.rebuilt,
        };
        fate.fetch_add(1, Ordering::Relaxed);
        assert!(
            powered || recovery.clean || recovery.index != IndexFate::Believed,
            "an index was believed that went through a power cut"
        );
        totals
            .rewritten
            .fetch_add(recovery.rewritten.into(), Ordering::Relaxed);
        model.check(&store);
        for id in 1..=model.next_id {
            model.hear(model.again(&store, id), &Totals::default());
        }
        model.check(&store);
        if random.below(2) == 0 {
            store.close().unwrap();
            closed = Some(store.health().journal.segment);
        }
    }
    totals.torn.fetch_add(disk.tally().torn, Ordering::Relaxed);
}

#[test]
fn thousands_of_machines_lose_nothing() {
    let (totals, begun) = (Totals::default(), Instant::now());
    if let Ok(seed) = std::env::var("CONSIGN_SEED") {
        let index = scratch();
        let seed = seed.parse().unwrap();
        // The threads of a store are not in the seed: live it often enough to meet them.
        for _ in 0..200 {
            drop(std::fs::remove_dir_all(index.path().join("index")));
            live(seed, &index.path().join("index"), &totals);
        }
        return;
    }
    let seeds = std::env::var("CONSIGN_SEEDS").map_or(SEEDS, |seeds| seeds.parse().unwrap());
    let next = AtomicU64::new(0);
    std::thread::scope(|scope| {
        for _ in 0..SIDE_BY_SIDE {
            scope.spawn(|| {
                loop {
                    let seed = next.fetch_add(1, Ordering::Relaxed);
                    if seed >= seeds {
                        return;
                    }
                    let index = scratch();
                    let lived = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| {
                        live(seed, &index.path().join("index"), &totals);
                    }));
                    assert!(lived.is_ok(), "replay with CONSIGN_SEED={seed}");
                }
            });
        }
    });
    say(&format!(
        "{seeds} seeds in {:.1} s: {totals:?}, lost 0, doubled 0",
        begun.elapsed().as_secs_f64()
    ));
    assert!(totals.crashes.into_inner() >= seeds);
    assert!(totals.torn.into_inner() > 0 && totals.rewritten.into_inner() > 0);
}
