//! Which stream serves an agency: the newest. A node that reconnects before the hub has
//! noticed the loss of its old stream takes over at once.

use std::collections::HashMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use consign_domain::AgencyId;
use tokio::sync::Notify;

/// The stream of each agency.
#[derive(Debug, Default)]
pub(crate) struct Fences {
    streams: Mutex<HashMap<AgencyId, (u64, Arc<Notify>)>>,
    next: AtomicU64,
}

/// One stream's hold on its agencies; let go when dropped.
#[derive(Debug)]
pub(crate) struct Hold {
    fences: Arc<Fences>,
    agencies: Vec<AgencyId>,
    stream: u64,
    /// Woken when an agency is taken over.
    pub(crate) taken_over: Arc<Notify>,
}

impl Fences {
    /// A new stream takes these agencies over, and wakes whoever had them.
    pub(crate) fn take_over(self: &Arc<Self>, agencies: Vec<AgencyId>) -> Hold {
        let stream = self.next.fetch_add(1, Ordering::Relaxed);
        let taken_over = Arc::new(Notify::new());
        let mut streams = self.streams();
        for agency in &agencies {
            let own = (stream, Arc::clone(&taken_over));
            if let Some((_, older)) = streams.insert(*agency, own) {
                older.notify_one();
            }
        }
        drop(streams);
        Hold {
            fences: Arc::clone(self),
            agencies,
            stream,
            taken_over,
        }
    }

    /// How many agencies have a stream.
    pub(crate) fn count(&self) -> usize {
        self.streams().len()
    }

    fn streams(&self) -> MutexGuard<'_, HashMap<AgencyId, (u64, Arc<Notify>)>> {
        self.streams.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Which agencies a stream holds, for those who check on its behalf.
#[derive(Debug, Clone)]
pub(crate) struct Holder {
    fences: Arc<Fences>,
    stream: u64,
}

impl Holder {
    /// Whether no newer stream has taken this agency.
    pub(crate) fn has(&self, agency: AgencyId) -> bool {
        let streams = self.fences.streams();
        let newest = streams.get(&agency);
        newest.is_some_and(|(stream, _)| *stream == self.stream)
    }
}

impl Hold {
    /// Who holds.
    pub(crate) fn holder(&self) -> Holder {
        Holder {
            fences: Arc::clone(&self.fences),
            stream: self.stream,
        }
    }

    /// Whether no newer stream has taken this agency.
    pub(crate) fn has(&self, agency: AgencyId) -> bool {
        let streams = self.fences.streams();
        let newest = streams.get(&agency);
        newest.is_some_and(|(stream, _)| *stream == self.stream)
    }

    /// Gives one agency up, which this stream does not serve any longer.
    pub(crate) fn release(&self, agency: AgencyId) {
        let mut streams = self.fences.streams();
        if streams
            .get(&agency)
            .is_some_and(|(stream, _)| *stream == self.stream)
        {
            streams.remove(&agency);
        }
    }
}

impl Drop for Hold {
    fn drop(&mut self) {
        for agency in &self.agencies {
            self.release(*agency);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn the_newest_stream_has_the_agency() {
        let agency = |number| AgencyId::from_bytes([number; 16]).unwrap();
        let fences = Arc::new(Fences::default());
        let older = fences.take_over(vec![agency(1), agency(2)]);
        let newer = fences.take_over(vec![agency(2)]);
        older.taken_over.notified().await;
        assert!(older.has(agency(1)) && !older.has(agency(2)));
        assert!(newer.has(agency(2)));
        drop(older);
        assert!(newer.has(agency(2)), "the older one takes only its own");
        drop(newer);
        assert_eq!(fences.count(), 0);
    }
}
