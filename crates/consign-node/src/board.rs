//! What each received envelope waits for from outside: its payload, the hub's answer to its
//! receipt, a newer directory.
//!
//! The worker in [`crate::work`] posts a step when all that can be done here is done. The link
//! reads the steps it can serve and asks, when it has, that the envelope be looked at again.
//! The board lives in memory: it is filled from the files at each start.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};

use consign_domain::{AgencyId, Sequence};

use crate::inbox::{InboxStep, InboxWork};
use crate::layout::made_at;
use crate::link::Rank;
use crate::office::{Bell, Listener, lock};

/// An envelope in an agency's inbox.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct ItemKey {
    pub(crate) agency: AgencyId,
    pub(crate) sequence: Sequence,
}

/// A step that an envelope waits for.
#[derive(Debug, Clone)]
pub(crate) struct Waiting {
    pub(crate) key: ItemKey,
    pub(crate) rank: Rank,
}

#[derive(Debug, Clone)]
enum Place {
    /// The worker has it, or is to take it.
    Asked,
    Waits(Arc<InboxStep>),
}

/// See the module.
#[derive(Debug, Default)]
pub(crate) struct Board {
    places: Mutex<BTreeMap<ItemKey, (Rank, Place)>>,
    asked: Mutex<Vec<(ItemKey, Rank)>>,
    /// There are new steps.
    posted: Bell,
    /// There is something to look at.
    bell: Bell,
}

impl Board {
    /// Puts up envelopes that the files name and that are not here yet.
    pub(crate) fn fill(&self, agency: AgencyId, work: &[InboxWork]) {
        let mut places = lock(&self.places);
        let mut asked = lock(&self.asked);
        for item in work {
            let sequence = item.sequence;
            let key = ItemKey { agency, sequence };
            let rank = Rank::new(item.urgency, made_at(item.key.id));
            places.entry(key).or_insert_with(|| {
                asked.push((key, rank));
                (rank, Place::Asked)
            });
        }
        drop((places, asked));
        self.bell.ring();
    }

    /// Has an envelope looked at again: what it waited for has come.
    pub(crate) fn ask(&self, key: ItemKey) {
        let mut places = lock(&self.places);
        if let Some((rank, place)) = places.get_mut(&key) {
            *place = Place::Asked;
            lock(&self.asked).push((key, *rank));
        }
        drop(places);
        self.bell.ring();
        // What it waited for it waits for no more.
        self.posted.ring();
    }

    /// Takes what is to be looked at.
    pub(crate) fn asked(&self) -> Vec<(ItemKey, Rank)> {
        std::mem::take(&mut *lock(&self.asked))
    }

    /// Says what an envelope waits for now.
    pub(crate) fn post(&self, key: ItemKey, step: InboxStep) {
        if let Some((_, place)) = lock(&self.places).get_mut(&key) {
            *place = Place::Waits(Arc::new(step));
        }
        self.posted.ring();
    }

    /// Takes an envelope off: it is archived.
    pub(crate) fn clear(&self, key: ItemKey) {
        lock(&self.places).remove(&key);
    }

    /// The steps that `wanted` picks.
    pub(crate) fn steps(&self, wanted: impl Fn(&InboxStep) -> bool) -> Vec<Waiting> {
        let places = lock(&self.places);
        let waiting = places
            .iter()
            .filter_map(|(key, (rank, place))| match place {
                Place::Waits(step) if wanted(step) => Some(Waiting {
                    key: *key,
                    rank: *rank,
                }),
                _ => None,
            });
        waiting.collect()
    }

    /// The step that one envelope waits for.
    pub(crate) fn step(&self, key: ItemKey) -> Option<Arc<InboxStep>> {
        match lock(&self.places).get(&key) {
            Some((_, Place::Waits(step))) => Some(Arc::clone(step)),
            _ => None,
        }
    }

    /// Wakes when steps were posted.
    pub(crate) fn on_posted(&self) -> Listener {
        self.posted.listen()
    }

    /// Wakes when there is something to look at.
    pub(crate) fn on_asked(&self) -> Listener {
        self.bell.listen()
    }
}

#[cfg(test)]
mod tests {
    use consign_domain::document::Urgency;
    use consign_domain::{EnvelopeId, EnvelopeKey, ErrorCode};

    use super::*;

    fn agency() -> AgencyId {
        AgencyId::from_bytes([7; 16]).unwrap()
    }

    fn work(place: u64) -> InboxWork {
        let mut id = [9; 16];
        id[6] = 0x79;
        id[8] = 0x89;
        InboxWork {
            sequence: Sequence::new(place).unwrap(),
            key: EnvelopeKey {
                sender: agency(),
                id: EnvelopeId::from_bytes(id).unwrap(),
            },
            urgency: Urgency::Normal,
            payload_size: 1,
        }
    }

    fn key(place: u64) -> ItemKey {
        ItemKey {
            agency: agency(),
            sequence: Sequence::new(place).unwrap(),
        }
    }

    #[test]
    fn an_envelope_is_looked_at_once_until_what_it_waits_for_has_come() {
        let board = Board::default();
        let held = || InboxStep::Held {
            reason: ErrorCode::VerdictIndeterminate,
        };
        board.fill(agency(), &[work(1), work(2)]);
        board.fill(agency(), &[work(1), work(2)]);
        assert_eq!(board.asked().len(), 2);
        board.post(key(1), held());
        board.fill(agency(), &[work(1)]);
        assert!(board.asked().is_empty(), "it waits");
        assert_eq!(board.steps(|_| true).len(), 1);
        board.ask(key(1));
        assert!(board.step(key(1)).is_none(), "it is being looked at");
        assert_eq!(board.asked().len(), 1);
        board.clear(key(1));
        board.post(key(1), held());
        assert!(board.steps(|_| true).is_empty(), "it is archived");
    }

    #[tokio::test]
    async fn steps_wake_whoever_listened_before() {
        let board = Board::default();
        board.fill(agency(), &[work(1)]);
        let (mut posted, mut asked) = (board.on_posted(), board.on_asked());
        board.post(key(1), InboxStep::Done);
        posted.rung().await;
        board.ask(key(1));
        asked.rung().await;
    }
}
