//! Which inboxes have something urgent that was not sent yet.
//!
//! An inbox is one sequence and is sent in order, so what is urgent cannot overtake what
//! lies before it in the same inbox; it can see to it that this inbox comes before
//! others. Only hints, in memory: after a restart what waits is sent round-robin, urgent
//! or not.

use std::collections::HashMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};

use consign_domain::statement::Placement;
use consign_domain::{AgencyId, Sequence};

/// The last urgent item of each inbox; only agencies of the directory have one.
#[derive(Debug, Default)]
pub(crate) struct Urgent {
    last: Mutex<HashMap<AgencyId, Sequence>>,
    news: AtomicU64,
}

impl Urgent {
    /// Something urgent was placed.
    pub(crate) fn placed(&self, places: &[Placement]) {
        let mut last = self.last();
        for place in places {
            let known = last.entry(place.id).or_insert(place.sequence);
            *known = place.sequence.max(*known);
        }
        drop(last);
        self.news.fetch_add(1, Ordering::Release);
    }

    /// The last urgent item of an inbox.
    pub(crate) fn through(&self, agency: AgencyId) -> Option<Sequence> {
        self.last().get(&agency).copied()
    }

    /// Changes whenever something urgent was placed: cheaper than to look.
    pub(crate) fn news(&self) -> u64 {
        self.news.load(Ordering::Acquire)
    }

    fn last(&self) -> MutexGuard<'_, HashMap<AgencyId, Sequence>> {
        self.last.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_last_urgent_item_is_known() {
        let agency = |number| AgencyId::from_bytes([number; 16]).unwrap();
        let place = |number, sequence| Placement {
            id: agency(number),
            code: "H49.01".parse().unwrap(),
            sequence: Sequence::new(sequence).unwrap(),
        };
        let urgent = Urgent::default();
        let before = urgent.news();
        urgent.placed(&[place(1, 7), place(2, 1)]);
        urgent.placed(&[place(1, 5)]);
        assert_eq!(urgent.through(agency(1)), Sequence::new(7).ok());
        assert_eq!(urgent.through(agency(3)), None);
        assert_ne!(urgent.news(), before);
    }
}
