//! What is being done to the files of uploads, so that a store that closes can wait for it
//! before its directory is free for others.

use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};

/// What is under way.
#[derive(Debug, Clone, Default)]
pub(super) struct Work(Arc<Shared>);

#[derive(Debug, Default)]
struct Shared {
    state: Mutex<State>,
    ended: Condvar,
}

#[derive(Debug, Default)]
struct State {
    running: usize,
    closed: bool,
}

/// One piece of it, until it is dropped.
#[derive(Debug)]
pub(super) struct AtWork(Work);

impl Work {
    /// `None` once the store is closing.
    pub(super) fn begin(&self) -> Option<AtWork> {
        let mut state = self.state();
        if state.closed {
            return None;
        }
        state.running += 1;
        Some(AtWork(self.clone()))
    }

    /// Lets nothing begin any more, and waits for what is under way.
    pub(super) fn close(&self) {
        let mut state = self.state();
        state.closed = true;
        while state.running > 0 {
            let waited = self.0.ended.wait(state);
            state = waited.unwrap_or_else(PoisonError::into_inner);
        }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.0.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for AtWork {
    fn drop(&mut self) {
        self.0.state().running -= 1;
        self.0.0.ended.notify_all();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn closing_waits_and_lets_nothing_begin() {
        let work = Work::default();
        let (first, second) = (work.begin().unwrap(), work.begin().unwrap());
        drop(first);
        std::thread::scope(|scope| {
            let closing = scope.spawn(|| work.close());
            while work.begin().is_some() {
                std::thread::yield_now();
            }
            assert!(!closing.is_finished());
            drop(second);
        });
        assert!(work.begin().is_none());
    }
}
