//! A hub that knows less than a node has seen takes nothing new until its operator
//! decides; what it has, it goes on delivering.
//!
//! Three things raise the mark: `hub backup restore`, which knows it for certain; a node's
//! *proof*, an acceptance by this very hub for a place that the hub has not, or has filled
//! with something else. A node's word alone stops nobody but itself: it is noted and
//! logged, and the node is asked for its proof.
//!
//! The mark is the file `behind.json`, so that a restart does not lift it. The decision to go
//! on ([`resume`](crate::resume)) is kept in `decisions.jsonl` for ever.

mod decision;
mod mark;

use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, PoisonError};

use consign_domain::{AgencyCode, AgencyId, Sequence, Timestamp};
use consign_runtime::files::FileError;
use tracing::{error, warn};

pub use decision::Decision;
pub(crate) use decision::{append_decision, last_decision};
pub use mark::{Claim, Mark, RestoredFrom};

/// The mark's file.
pub(crate) const MARK: &str = "behind.json";
/// The decisions' file.
pub(crate) const DECISIONS: &str = "decisions.jsonl";

/// What a node says it has of an inbox, and what the hub has.
#[derive(Debug, Clone)]
pub(crate) struct Ahead {
    pub(crate) agency: AgencyId,
    pub(crate) code: Option<AgencyCode>,
    pub(crate) seen: Sequence,
    pub(crate) last: Option<Sequence>,
    /// It has shown the hub's own signature for it.
    pub(crate) proven: bool,
}

/// The mark.
#[derive(Debug)]
pub(crate) struct Behind {
    raised: AtomicBool,
    path: PathBuf,
    mark: Mutex<Mark>,
    decision: Option<Decision>,
}

impl Behind {
    /// Reads the mark and the last decision from the hub's directory.
    pub(crate) fn open(home: &Path) -> Result<Self, FileError> {
        let path = home.join(MARK);
        let mark = Mark::read(&path)?;
        if mark.is_some() {
            error!(
                file = %path.display(),
                "the hub knows less than nodes have seen and accepts nothing until its operator \
                 decides; stop it, and see: consign hub resume {}", home.display()
            );
        }
        Ok(Self {
            raised: AtomicBool::new(mark.is_some()),
            mark: Mutex::new(mark.unwrap_or_default()),
            decision: last_decision(home)?,
            path,
        })
    }

    /// Whether nothing new is taken.
    pub(crate) fn is_raised(&self) -> bool {
        self.raised.load(Ordering::SeqCst)
    }

    /// The last decision to go on without data that were lost.
    pub(crate) const fn decision(&self) -> Option<&Decision> {
        self.decision.as_ref()
    }

    /// Notes that a node is ahead of the hub; with its proof, takes nothing new from now
    /// on. Blocks on the disk when there is something new.
    pub(crate) fn note(&self, ahead: &Ahead, now: Timestamp) {
        let mut mark = self.mark.lock().unwrap_or_else(PoisonError::into_inner);
        let news = mark.note(ahead, now);
        let raised = ahead.proven && !self.raised.swap(true, Ordering::SeqCst);
        let (agency, seen) = (ahead.agency, ahead.seen.value());
        let last = ahead.last.map_or(0, Sequence::value);
        if raised {
            mark.since = Some(now);
            error!(
                %agency, seen, last, file = %self.path.display(),
                "a node has shown more than the hub knows; nothing is accepted until the operator \
                 decides; stop the hub, and see: consign hub resume"
            );
        } else if news {
            warn!(%agency, seen, last, proven = ahead.proven, "a node says that it has seen more than the hub knows");
        }
        if (raised || news)
            && self.is_raised()
            && let Err(fault) = mark.publish(&self.path)
        {
            error!(%fault, "the mark cannot be written; it counts until the hub stops");
        }
    }
}
