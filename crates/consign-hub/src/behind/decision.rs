//! `decisions.jsonl`: each decision to go on without data that were lost, one a line.

use std::fs::{File, OpenOptions};
use std::io::Write as _;
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::Path;

use consign_domain::Timestamp;
use consign_runtime::files::{self, Action, FileError, PRIVATE};
use serde::{Deserialize, Serialize};

use super::{DECISIONS, Mark};

const MAX_DECISIONS: usize = 64 << 20;

/// The operator's decision to go on without data that were lost.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Decision {
    /// The how-many-th of this hub, from 1: nodes act on each once.
    pub number: u64,
    /// When it was made.
    pub at: Timestamp,
    /// What was accepted or settled after this may be lost; nodes send it again.
    pub lost_after: Timestamp,
    /// What was known then.
    pub known: Mark,
}

/// The last decision; `None` if there was none. A last line that a crash cut short is none.
pub(crate) fn last_decision(home: &Path) -> Result<Option<Decision>, FileError> {
    let bytes = match files::read_bounded(&home.join(DECISIONS), MAX_DECISIONS) {
        Err(fault) if fault.is_not_found() => return Ok(None),
        bytes => bytes?,
    };
    let mut lines = bytes.split(|byte| *byte == b'\n').rev();
    Ok(lines.find_map(|line| serde_json::from_slice(line).ok()))
}

/// Adds a decision, durably.
pub(crate) fn append_decision(home: &Path, decision: &Decision) -> Result<(), FileError> {
    let path = home.join(DECISIONS);
    let fault = |action| {
        let path = path.clone();
        move |source| FileError::Io {
            action,
            path,
            source,
        }
    };
    let mut file: File = OpenOptions::new()
        .append(true)
        .create(true)
        .mode(PRIVATE)
        .open(&path)
        .map_err(fault(Action::Create))?;
    // What a crash left before it ends with this line.
    let mut line = b"\n".to_vec();
    line.extend_from_slice(&serde_json::to_vec(decision).unwrap_or_default());
    line.push(b'\n');
    file.write_all(&line).map_err(fault(Action::Write))?;
    file.sync_all().map_err(fault(Action::Sync))?;
    files::sync_dir(home)
}
