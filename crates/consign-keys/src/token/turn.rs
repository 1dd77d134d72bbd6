//! One thread at a time that waits for a token, and others that wait for it no longer than they
//! want: what a driver does cannot be cut off.

use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError, mpsc};
use std::thread;
use std::time::{Duration, Instant};

/// Who has the token.
#[derive(Debug, Default)]
pub(super) struct Turn {
    /// Since when somebody has it.
    taken: Mutex<Option<Instant>>,
    free: Condvar,
}

/// The turn, given back when it is dropped.
struct Taken(Arc<Turn>);

impl Turn {
    /// Does `work` on a thread of its own and waits for it up to `limit`, and as long at most
    /// for whoever has the turn. `None`: it has not ended, and nobody else has a turn until it
    /// does.
    pub(super) fn take<T: Send + 'static>(
        self: &Arc<Self>,
        limit: Duration,
        work: impl FnOnce() -> T + Send + 'static,
    ) -> Option<T> {
        let turn = self.wait(limit)?;
        let (answer, answered) = mpsc::sync_channel(1);
        let started = thread::Builder::new()
            .name("token".to_owned())
            .spawn(move || {
                let done = work();
                drop(turn);
                // Whoever asked may have gone.
                let _gone = answer.send(done);
            });
        started.ok()?;
        answered.recv_timeout(limit).ok()
    }

    /// Who took the turn longer ago than `limit` is not waited for.
    fn wait(self: &Arc<Self>, limit: Duration) -> Option<Taken> {
        let mut taken = self.lock();
        while let Some(since) = *taken {
            let left = limit.checked_sub(since.elapsed())?;
            let waited = self.free.wait_timeout(taken, left);
            taken = waited.unwrap_or_else(PoisonError::into_inner).0;
        }
        *taken = Some(Instant::now());
        drop(taken);
        Some(Taken(Arc::clone(self)))
    }

    fn lock(&self) -> MutexGuard<'_, Option<Instant>> {
        self.taken.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Taken {
    fn drop(&mut self) {
        *self.0.lock() = None;
        self.0.free.notify_one();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SOON: Duration = Duration::from_millis(50);
    const LATE: Duration = Duration::from_secs(30);

    #[test]
    fn whoever_hangs_is_not_waited_for_and_the_next_has_its_turn_when_it_ends() {
        let turn = Arc::new(Turn::default());
        let (end, ended) = mpsc::channel::<()>();
        assert_eq!(turn.take(SOON, move || ended.recv()), None);
        let started = Instant::now();
        assert_eq!(turn.take(SOON, || 7), None);
        assert!(started.elapsed() < LATE);
        end.send(()).unwrap();
        assert_eq!(turn.take(LATE, || 7), Some(7));
        assert_eq!(turn.take(LATE, || 8), Some(8));
    }

    #[test]
    fn turns_come_one_after_another() {
        let turn = Arc::new(Turn::default());
        let inside = Arc::new(Mutex::new(()));
        let callers: Vec<_> = (0..8)
            .map(|number| {
                let (turn, inside) = (Arc::clone(&turn), Arc::clone(&inside));
                thread::spawn(move || {
                    turn.take(LATE, move || {
                        let alone = inside.try_lock();
                        thread::yield_now();
                        (number, alone.is_ok())
                    })
                })
            })
            .collect();
        for (number, caller) in callers.into_iter().enumerate() {
            assert_eq!(caller.join().unwrap(), Some((number, true)));
        }
    }
}
