//! Who waits for which inbox to grow.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};

use consign_domain::AgencyId;
use tokio::sync::watch;

use crate::store::Watcher;

/// The watchers of all inboxes; an inbox that nobody watches has no entry for long.
#[derive(Debug, Default)]
pub(crate) struct Watchers(Mutex<HashMap<AgencyId, watch::Sender<u64>>>);

impl Watchers {
    /// A watcher of one inbox; `last` reads how far the inbox reaches now.
    pub(crate) fn watch(&self, agency: AgencyId, last: impl FnOnce() -> u64) -> Watcher {
        let mut watchers = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        watchers.retain(|_, sender| sender.receiver_count() > 0);
        let sender = watchers
            .entry(agency)
            .or_insert_with(|| watch::Sender::new(0));
        let watcher = Watcher::new(sender.subscribe());
        // Read under the lock: an item that comes now either is in it or wakes us.
        let last = last();
        sender.send_if_modified(|known| raise(known, last));
        watcher
    }

    /// Tells that an inbox can be read up to `last`. Also those who knew of it: a watcher that was
    /// made between the decision and its commit has looked too early, and found nothing.
    pub(crate) fn wake(&self, agency: AgencyId, last: u64) {
        let watchers = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(sender) = watchers.get(&agency) {
            sender.send_modify(|known| *known = last.max(*known));
        }
    }
}

const fn raise(known: &mut u64, last: u64) -> bool {
    let grown = last > *known;
    if grown {
        *known = last;
    }
    grown
}
