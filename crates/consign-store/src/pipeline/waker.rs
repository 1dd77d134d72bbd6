//! Wakes those that wait for inboxes which have grown, a few at a time.
//!
//! One document to everybody wakes a thousand readers. Woken at once they would all stand
//! before the answer that the sender waits for, on every processor.

use std::collections::BTreeMap;
use std::sync::mpsc::Receiver;
use std::time::Duration;

use consign_domain::AgencyId;

use super::Shared;

/// Inboxes whose readers are woken at once.
pub(crate) const FEW: usize = 32;

/// Between some and the next: a thousand have been woken after 30 ms.
const PACE: Duration = Duration::from_millis(1);

/// The inboxes that have grown, with how far they reach.
pub(crate) type Grown = Vec<(AgencyId, u64)>;

/// Runs until nobody tells it anything any more, and all are woken.
pub(crate) fn run(shared: &Shared, told: &Receiver<Grown>) {
    let mut waiting: BTreeMap<AgencyId, u64> = BTreeMap::new();
    while let Ok(grown) = told.recv() {
        waiting.extend(grown);
        while !waiting.is_empty() {
            // What has grown again meanwhile is woken once.
            waiting.extend(told.recv_timeout(PACE).into_iter().flatten());
            for _ in 0..FEW {
                let Some((agency, last)) = waiting.pop_first() else {
                    break;
                };
                shared.watchers.wake(agency, last);
            }
        }
    }
}
