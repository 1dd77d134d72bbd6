//! What can happen to a connection, in which order, and how often it did.

use std::fmt;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

/// Which way bytes go.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Direction {
    /// From whoever connected.
    Up,
    /// To whoever connected.
    Down,
}

/// What comes after a stall.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum AfterStall {
    /// The connection goes on as if nothing had been.
    GoOn,
    /// The connection is reset.
    Die,
}

/// One thing that happens to one connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Fault {
    /// For a while, every piece of data waits before it goes on.
    Delay {
        /// How long a piece waits.
        by: Duration,
        /// For how long pieces do.
        lasting: Duration,
    },
    /// Both ends are reset (RST): what was on its way may be lost.
    Reset,
    /// One direction ends (FIN) and the other goes on.
    HalfClose(Direction),
    /// Nothing goes through in either direction, and nobody is told.
    Stall {
        /// For how long.
        lasting: Duration,
        /// And then.
        then: AfterStall,
    },
    /// The connection ends after exactly so many more bytes in one direction.
    Cut {
        /// The direction that is counted.
        direction: Direction,
        /// The bytes that still go through.
        after: u64,
    },
}

/// How often each kind took hold.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Tally {
    /// Delays begun.
    pub delays: u64,
    /// Resets on purpose, without those that end a stall.
    pub resets: u64,
    /// Directions closed.
    pub half_closes: u64,
    /// Stalls begun.
    pub stalls: u64,
    /// Connections cut at their byte.
    pub cuts: u64,
}

impl Tally {
    /// All together.
    pub const fn total(&self) -> u64 {
        self.delays + self.resets + self.half_closes + self.stalls + self.cuts
    }
}

impl fmt::Display for Tally {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "{} resets, {} cuts, {} half-closes, {} stalls, {} delays",
            self.resets, self.cuts, self.half_closes, self.stalls, self.delays
        )
    }
}

/// [`Tally`], while it grows.
#[derive(Debug, Default)]
pub(super) struct Counters {
    delays: AtomicU64,
    resets: AtomicU64,
    half_closes: AtomicU64,
    stalls: AtomicU64,
    cuts: AtomicU64,
}

impl Counters {
    /// Counts one that took hold.
    pub(super) fn note(&self, fault: Fault) {
        let counter = match fault {
            Fault::Delay { .. } => &self.delays,
            Fault::Reset => &self.resets,
            Fault::HalfClose(_) => &self.half_closes,
            Fault::Stall { .. } => &self.stalls,
            Fault::Cut { .. } => &self.cuts,
        };
        counter.fetch_add(1, Ordering::Relaxed);
    }

    pub(super) fn read(&self) -> Tally {
        let read = |counter: &AtomicU64| counter.load(Ordering::Relaxed);
        Tally {
            delays: read(&self.delays),
            resets: read(&self.resets),
            half_closes: read(&self.half_closes),
            stalls: read(&self.stalls),
            cuts: read(&self.cuts),
        }
    }
}

/// Faults in an order that follows from a seed.
#[derive(Debug, Clone)]
pub struct Plan {
    random: Random,
}

impl Plan {
    /// The plan of a seed.
    pub const fn new(seed: u64) -> Self {
        Self {
            random: Random::new(seed),
        }
    }

    /// The next fault: resets and cuts are three in five, and what only lasts a while stays
    /// below two seconds, so that traffic goes on between them.
    pub fn next_fault(&mut self) -> Fault {
        let millis = |random: &mut Random, most| Duration::from_millis(1 + random.below(most));
        let direction = match self.random.below(2) {
            0 => Direction::Up,
            _ => Direction::Down,
        };
        // Within a record of TLS, or some messages later.
        let scale = 1 << (1 + self.random.below(16));
        match self.random.below(10) {
            0..3 => Fault::Reset,
            3..6 => Fault::Cut {
                direction,
                after: self.random.below(scale),
            },
            6 => Fault::HalfClose(direction),
            7 => Fault::Stall {
                lasting: millis(&mut self.random, 1_500),
                then: AfterStall::GoOn,
            },
            8 => Fault::Stall {
                lasting: millis(&mut self.random, 1_500),
                then: AfterStall::Die,
            },
            _ => Fault::Delay {
                by: millis(&mut self.random, 30),
                lasting: millis(&mut self.random, 1_500),
            },
        }
    }

    /// How long to wait before the next: up to twice the mean.
    pub(super) fn pause(&mut self, mean: Duration) -> Duration {
        let micros = u64::try_from(mean.as_micros()).unwrap_or(u64::MAX / 2);
        Duration::from_micros(self.random.below(micros.saturating_mul(2).max(1)))
    }
}

/// Numbers that are the same for the same seed (SplitMix64).
#[derive(Debug, Clone)]
pub(super) struct Random(u64);

impl Random {
    pub(super) const fn new(seed: u64) -> Self {
        Self(seed)
    }

    /// A number below a bound; 0 for the bound 0.
    pub(super) const fn below(&mut self, bound: u64) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^= mixed >> 31;
        if bound == 0 { 0 } else { mixed % bound }
    }

    /// A place in a list of so many; `None` in an empty one.
    pub(super) fn place(&mut self, count: usize) -> Option<usize> {
        let place = usize::try_from(self.below(count as u64)).ok()?;
        (place < count).then_some(place)
    }
}
