//! What to do next: urgent first, then oldest first; what failed waits for its turn to come again.
//!
//! Files say *what* is to be done; a schedule only says *when*. It is filled again from the
//! files after every change, so that losing it loses nothing.

use std::cmp::Reverse;
use std::collections::{BTreeSet, HashMap};
use std::hash::Hash;
use std::time::{Duration, Instant};

use consign_domain::Timestamp;
use consign_domain::document::Urgency;

use super::backoff::Backoff;

/// How soon something is due among others.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Rank {
    urgency: Reverse<Urgency>,
    since: Timestamp,
}

impl Rank {
    fn is_urgent(self) -> bool {
        self.urgency.0 > Urgency::Normal
    }

    pub(crate) const fn new(urgency: Urgency, since: Timestamp) -> Self {
        Self {
            urgency: Reverse(urgency),
            since,
        }
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    Ready,
    Running,
    Later(Instant),
}

#[derive(Debug)]
struct Job {
    rank: Rank,
    state: State,
    backoff: Backoff,
    /// Asked for again while it ran.
    renewed: bool,
}

/// Jobs by key, each ready, running, or waiting to be tried again.
#[derive(Debug)]
pub(crate) struct Schedule<K> {
    jobs: HashMap<K, Job>,
    ready: BTreeSet<(Rank, K)>,
    later: BTreeSet<(Instant, K)>,
    running: usize,
    limit: usize,
}

impl<K: Copy + Eq + Hash + Ord> Schedule<K> {
    /// At most `limit` jobs run at one time, and one more that is urgent: what is long and
    /// not urgent never takes all places.
    pub(crate) fn new(limit: usize) -> Self {
        Self {
            jobs: HashMap::new(),
            ready: BTreeSet::new(),
            later: BTreeSet::new(),
            running: 0,
            limit,
        }
    }

    /// Adds a job, unless it is here already.
    pub(crate) fn offer(&mut self, key: K, rank: Rank) {
        if let std::collections::hash_map::Entry::Vacant(place) = self.jobs.entry(key) {
            place.insert(Job {
                rank,
                state: State::Ready,
                backoff: Backoff::default(),
                renewed: false,
            });
            self.ready.insert((rank, key));
        }
    }

    /// Whether a job is here, in whatever state.
    pub(crate) fn contains(&self, key: K) -> bool {
        self.jobs.contains_key(&key)
    }

    /// How soon a job is due among others.
    pub(crate) fn rank(&self, key: K) -> Option<Rank> {
        self.jobs.get(&key).map(|job| job.rank)
    }

    /// The next job, which then runs; `None` while the limit is reached or nothing is due.
    pub(crate) fn take(&mut self, now: Instant) -> Option<K> {
        self.wake(now);
        if !self.has_place() {
            return None;
        }
        let (_, key) = self.ready.pop_first()?;
        self.jobs.get_mut(&key)?.state = State::Running;
        self.running += 1;
        Some(key)
    }

    /// Whether [`take`](Self::take) would give a job.
    pub(crate) fn is_due(&mut self, now: Instant) -> bool {
        self.wake(now);
        self.has_place() && !self.ready.is_empty()
    }

    /// Whether the first that is ready may run.
    fn has_place(&self) -> bool {
        let urgent = |(rank, _): &(Rank, K)| rank.is_urgent();
        let more = self.ready.first().is_some_and(urgent);
        self.running < self.limit + usize::from(more)
    }

    /// When the next waiting job comes due.
    pub(crate) fn next_at(&self) -> Option<Instant> {
        self.later.first().map(|(at, _)| *at)
    }

    /// The job is done, or no longer one.
    pub(crate) fn done(&mut self, key: K) {
        if let Some(job) = self.jobs.remove(&key) {
            self.leave(key, &job);
            if job.renewed {
                self.offer(key, job.rank);
            }
        }
    }

    /// [`offer`](Self::offer), and one that waits is ready at once. One that runs is tried
    /// again when it ends, whatever it ends with.
    pub(crate) fn renew(&mut self, key: K, rank: Rank) {
        match self.jobs.get_mut(&key) {
            None => self.offer(key, rank),
            Some(job) if job.state == State::Running => job.renewed = true,
            Some(_) => self.again(key),
        }
    }

    /// The job is ready again at once.
    pub(crate) fn again(&mut self, key: K) {
        if let Some(mut job) = self.jobs.remove(&key) {
            self.leave(key, &job);
            job.state = State::Ready;
            job.renewed = false;
            self.ready.insert((job.rank, key));
            self.jobs.insert(key, job);
        }
    }

    /// The job failed: it is tried again after its backoff, and not before `least` has passed.
    pub(crate) fn later(&mut self, key: K, now: Instant, least: Duration) {
        self.put_off(key, now, least);
    }

    /// [`later`](Self::later), and says in how long; zero where it is ready again at once.
    pub(crate) fn put_off(&mut self, key: K, now: Instant, least: Duration) -> Duration {
        if self.jobs.get(&key).is_some_and(|job| job.renewed) {
            self.again(key);
            return Duration::ZERO;
        }
        let Some(mut job) = self.jobs.remove(&key) else {
            return Duration::ZERO;
        };
        self.leave(key, &job);
        let wait = job.backoff.next_after(least);
        let at = now + wait;
        job.state = State::Later(at);
        self.later.insert((at, key));
        self.jobs.insert(key, job);
        wait
    }

    /// The world has changed: what waits is tried at once.
    pub(crate) fn hurry(&mut self) {
        for (_, key) in std::mem::take(&mut self.later) {
            if let Some(job) = self.jobs.get_mut(&key) {
                job.state = State::Ready;
                self.ready.insert((job.rank, key));
            }
        }
    }

    fn wake(&mut self, now: Instant) {
        while let Some((at, key)) = self.later.pop_first() {
            if at > now {
                self.later.insert((at, key));
                return;
            }
            if let Some(job) = self.jobs.get_mut(&key) {
                job.state = State::Ready;
                self.ready.insert((job.rank, key));
            }
        }
    }

    fn leave(&mut self, key: K, job: &Job) {
        match job.state {
            State::Ready => drop(self.ready.remove(&(job.rank, key))),
            State::Running => self.running = self.running.saturating_sub(1),
            State::Later(at) => drop(self.later.remove(&(at, key))),
        }
    }
}

#[cfg(test)]
mod tests {
    use consign_runtime::clock::Clock;

    use super::*;

    fn rank(urgency: Urgency, since: u64) -> Rank {
        Rank::new(urgency, Timestamp::from_unix(since).unwrap())
    }

    #[test]
    fn urgent_comes_first_then_age_within_the_limit() {
        let now = Clock::system().monotonic();
        let mut schedule = Schedule::new(2);
        schedule.offer('a', rank(Urgency::Normal, 1));
        schedule.offer('b', rank(Urgency::Express, 9));
        schedule.offer('c', rank(Urgency::Normal, 0));
        schedule.offer('b', rank(Urgency::Normal, 0));
        assert_eq!(schedule.take(now), Some('b'));
        assert_eq!(schedule.take(now), Some('c'));
        assert_eq!(schedule.take(now), None, "two run already");
        schedule.done('b');
        assert_eq!(schedule.take(now), Some('a'));
        schedule.done('b');
        assert!(!schedule.is_due(now));
    }

    #[test]
    fn what_is_urgent_does_not_wait_for_what_is_long() {
        let now = Clock::system().monotonic();
        let mut schedule = Schedule::new(1);
        schedule.offer('a', rank(Urgency::Normal, 1));
        assert_eq!(schedule.take(now), Some('a'));
        schedule.offer('b', rank(Urgency::Normal, 2));
        assert!(!schedule.is_due(now));
        for key in ['c', 'd'] {
            schedule.offer(key, rank(Urgency::Urgent, 3));
        }
        assert!(schedule.is_due(now));
        assert_eq!(schedule.take(now), Some('c'));
        assert_eq!(schedule.take(now), None, "one more and no other");
        schedule.done('a');
        assert_eq!(schedule.take(now), Some('d'));
        schedule.done('c');
        schedule.done('d');
        assert_eq!(schedule.take(now), Some('b'));
    }

    #[test]
    fn what_failed_waits_and_is_offered_once() {
        let now = Clock::system().monotonic();
        let mut schedule = Schedule::new(1);
        schedule.offer('a', rank(Urgency::Normal, 1));
        assert_eq!(schedule.take(now), Some('a'));
        let wait = schedule.put_off('a', now, Duration::from_secs(5));
        assert!(wait >= Duration::from_secs(5), "{wait:?}");
        schedule.offer('a', rank(Urgency::Normal, 1));
        assert_eq!(schedule.take(now), None);
        let due = schedule.next_at().unwrap();
        assert!(due >= now + Duration::from_secs(5));
        assert_eq!(schedule.take(due), Some('a'));
        schedule.later('a', now, Duration::ZERO);
        schedule.hurry();
        assert_eq!(schedule.take(now), Some('a'));
        schedule.again('a');
        assert_eq!(schedule.take(now), Some('a'));
    }
}
