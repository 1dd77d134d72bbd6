//! Why there is no time-stamp now.

use std::time::Duration;

use consign_domain::{ErrorCode, Timestamp};
use consign_pki::timestamp::TimeStampError;
use consign_runtime::entropy::EntropyError;
use consign_verify::time_stamp::TimeStampFault;

use super::http::HttpFault;

/// How soon an authority is asked again whose answer was wrong, or that refuses.
const RARELY: Duration = Duration::from_secs(15);

/// Why there is no time-stamp now.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum StampFault {
    /// The hub is the authority, and there is no connection to it.
    #[error("no connection to the hub")]
    NoSession,
    /// It failed a moment ago and is not asked yet.
    #[error("{cause}")]
    Resting {
        /// How it failed.
        cause: String,
    },
    /// It did not answer in time.
    #[error("the time-stamp authority did not answer within {seconds} s")]
    Slow {
        /// How long it was waited for.
        seconds: u64,
    },
    /// The hub refused.
    #[error("{text} ({code})")]
    Hub {
        /// The fault's code.
        code: ErrorCode,
        /// What the hub says.
        text: String,
        /// When it may be asked again.
        wait: Duration,
    },
    /// The authority at a URL did not answer as it should.
    #[error("the time-stamp authority did not answer as it should")]
    Http(#[from] HttpFault),
    /// The answer is not one to what was asked.
    #[error("the time-stamp authority's answer cannot be used")]
    Answer(#[from] TimeStampError),
    /// The stamp does not count.
    #[error(transparent)]
    Judged(#[from] TimeStampFault),
    /// Its clock and ours differ.
    #[error("the time-stamp says {stamped}, the clock here {now}")]
    Clock {
        /// The stamp's time.
        stamped: Timestamp,
        /// Ours.
        now: Timestamp,
    },
    /// No randomness.
    #[error(transparent)]
    Entropy(#[from] EntropyError),
}

/// How much is said of a fault, in characters.
const MAX_WORDS: usize = 1_000;

impl StampFault {
    /// With its causes, on one line.
    pub(super) fn words(&self) -> String {
        let mut text = self.to_string();
        let mut cause = std::error::Error::source(self);
        while let Some(source) = cause {
            text = format!("{text}: {source}");
            cause = source.source();
        }
        // Part of it may be what the authority said.
        let shown = text
            .chars()
            .map(|one| if one.is_control() { ' ' } else { one });
        shown.take(MAX_WORDS).collect()
    }

    /// How long it is waited at least before the authority is asked again.
    pub(super) fn wait(&self) -> Duration {
        match self {
            Self::Hub { wait, .. } if !wait.is_zero() => *wait,
            Self::NoSession | Self::Resting { .. } | Self::Slow { .. } | Self::Entropy(_) => {
                Duration::ZERO
            }
            Self::Http(fault) if fault.is_transient() => Duration::ZERO,
            _ => RARELY,
        }
    }
}
