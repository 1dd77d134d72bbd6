//! `hub resume`: the operator decides that a hub which is behind goes on without what was
//! lost.
//!
//! The rule: no place of an inbox is ever given twice. Nodes hold places that the hub knows
//! nothing of, and those that were away have not even shown them. So every inbox goes on at
//! the next million above all that is known, and the places between are declared skipped:
//! nodes are told, pass over them and keep a note. The promise of a gap-free sequence is
//! broken once, in the open, instead of silently.
//!
//! Nothing that was acknowledged is lost by it: told of the decision, senders' nodes submit
//! again what no recipient has signed for, and recipients' nodes send their receipts again.

use std::path::Path;
use std::sync::Arc;

use consign_domain::{AgencyId, ErrorCode, Sequence, Timestamp};
use consign_runtime::config::ConfigFaults;
use consign_runtime::files::{self, DirectoryLock, FileError, LockError};
use consign_store::backup::{self, JournalFault};
use consign_store::{GoOn, JournalStore, OpenError, Options, Progress, StoreError};

use crate::behind::{Decision, MARK, Mark, append_decision, last_decision};
use crate::config::Config;
use crate::error::file_code;

/// How far above all that is known an inbox goes on: more than one agency receives in a year.
const STEP: u64 = 1_000_000;

/// Why it was not decided.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ResumeError {
    /// The hub is not behind.
    #[error("this hub is not behind: there is nothing to decide")]
    NotBehind,
    /// `hub.toml` cannot be used.
    #[error(transparent)]
    Config(#[from] ConfigFaults),
    /// The hub runs.
    #[error(transparent)]
    Lock(#[from] LockError),
    /// A file cannot be used.
    #[error(transparent)]
    File(#[from] FileError),
    /// The journal cannot be read.
    #[error(transparent)]
    Journal(#[from] JournalFault),
    /// The store cannot be opened.
    #[error("the store cannot be opened")]
    Open(#[from] OpenError),
    /// The store cannot be closed.
    #[error("the store cannot be closed")]
    Store(#[from] StoreError),
}

impl ResumeError {
    /// The code to answer with.
    pub fn code(&self) -> ErrorCode {
        match self {
            Self::NotBehind | Self::Config(_) | Self::Lock(LockError::Held { .. }) => {
                ErrorCode::Usage
            }
            Self::Lock(LockError::File(fault)) | Self::File(fault) => file_code(fault),
            Self::Lock(_) => ErrorCode::StorageFailed,
            Self::Journal(fault) => fault.code(),
            Self::Open(fault) => fault.code(),
            Self::Store(fault) => fault.code(),
        }
    }
}

/// What is known of a hub that is behind; `None` if it is not.
///
/// # Errors
/// The hub's directory cannot be read.
pub fn standing(home: &Path) -> Result<Option<Mark>, ResumeError> {
    Config::load(&home.join("hub.toml"))?;
    Ok(Mark::read(&home.join(MARK))?)
}

/// Lets a hub that is behind go on, durably. The hub must not run. What was accepted or
/// settled after `lost_after` is asked for again; by default that is when the last envelope
/// was accepted that the hub knows.
///
/// # Errors
/// It is not behind, it runs, or its store cannot be opened. It may be tried again.
pub fn resume(
    home: &Path,
    lost_after: Option<Timestamp>,
    now: Timestamp,
    progress: impl Fn(usize, usize) + Send + Sync + 'static,
) -> Result<Decision, ResumeError> {
    let config = Config::load(&home.join("hub.toml"))?;
    let _lock = DirectoryLock::acquire(home)?;
    let mark = Mark::read(&home.join(MARK))?.ok_or(ResumeError::NotBehind)?;
    let progress: Progress = Arc::new(progress);
    let options = || {
        let mut options = Options::new(Arc::new(move || now));
        options.progress = Some(Arc::clone(&progress));
        options
    };
    // What is not certain to be on the disk is made so first.
    JournalStore::open(&config.data, options())?.0.close()?;
    let lost_after = match lost_after {
        Some(lost_after) => lost_after,
        None => known_until(&config.data, &mark)?,
    };
    let decision = Decision {
        number: last_decision(home)?.map_or(1, |last| last.number + 1),
        at: now,
        lost_after,
        known: mark,
    };
    let seen = decision.known.agencies.iter();
    let seen: std::collections::BTreeMap<AgencyId, Sequence> =
        seen.map(|(agency, claim)| (*agency, claim.seen)).collect();
    let go_on = GoOn { seen, step: STEP };
    let decided = Options {
        go_on: Some(go_on),
        ..options()
    };
    JournalStore::open(&config.data, decided)?.0.close()?;
    // Cut short here, the hub is still behind: the next decision skips some more places.
    append_decision(home, &decision)?;
    files::remove(&home.join(MARK))?;
    Ok(decision)
}

/// Until when the hub knows what it accepted.
fn known_until(data: &Path, mark: &Mark) -> Result<Timestamp, ResumeError> {
    let segments = backup::segments(data)?.into_iter();
    let segments: Vec<_> = segments.map(|file| (file.number, file.path)).collect();
    let known = backup::accepted_until(&segments)?;
    let copied = mark.restored.map(|backup| backup.created);
    let until = [known, copied].into_iter().flatten().min();
    Ok(until.unwrap_or(Timestamp::from_unix_saturating(0)))
}
