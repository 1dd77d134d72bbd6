//! Checking a backup: every copy, every frame, the row of segments, every payload.

use std::collections::HashMap;
use std::path::{Path, PathBuf};

use consign_domain::Digest;
use consign_runtime::backup::{Backup, Checked, Header, Progress};
use consign_store::backup::{self as journal, JournalFault, JournalReport};

use super::{BackupFault, DATA, ROLE};

/// What a backup holds, and whether it is good.
#[derive(Debug)]
pub struct Verified {
    /// What it says of itself.
    pub header: Header,
    /// The copies.
    pub checked: Checked,
    /// The journal, read whole.
    pub journal: Result<JournalReport, JournalFault>,
}

impl Verified {
    /// What is wrong first; `None` if all is good.
    pub fn first_fault(&self) -> Option<String> {
        if let Some(fault) = self.checked.faults.first() {
            return Some(fault.to_string());
        }
        match &self.journal {
            // A hub that was never started has none.
            Err(JournalFault::Empty) | Ok(_) => None,
            Err(fault) => Some(fault.to_string()),
        }
    }
}

/// Checks a backup whole.
///
/// # Errors
/// There is no finished backup of a hub. What is wrong with one is in the result.
pub fn verify(place: &Path, progress: Progress<'_>) -> Result<Verified, BackupFault> {
    let backup = Backup::open(place, ROLE)?;
    let mut checked = backup.check(progress)?;
    let (mut segments, mut payloads) = (Vec::<(u64, PathBuf)>::new(), HashMap::new());
    for entry in backup.files().values() {
        let Some(name) = entry
            .path
            .strip_prefix(DATA)
            .and_then(|it| it.strip_prefix('/'))
        else {
            continue;
        };
        if let Some(number) = journal::segment_of(name) {
            segments.push((number, backup.copy_of(entry)));
        } else if let Some(digest) = journal::payload_of(name) {
            if digest.to_string() != entry.sha256 {
                checked.add_changed(&entry.path);
            }
            payloads.insert(digest, entry.size);
        }
    }
    segments.sort_by_key(|(number, _)| *number);
    let size = |digest: Digest| payloads.get(&digest).copied();
    let header = backup.header().clone();
    let journal = journal::inspect(&segments, &size, progress);
    Ok(Verified {
        journal: journal.and_then(|report| reaches(report, &header)),
        header,
        checked,
    })
}

/// That the journal reaches as far as when it was copied: by itself, an end that was cut off
/// looks like one that was never written.
fn reaches(report: JournalReport, header: &Header) -> Result<JournalReport, JournalFault> {
    let copied = header.facts.get("journal_batch");
    let copied: u64 = copied.and_then(|batch| batch.parse().ok()).unwrap_or(0);
    if report.end.batch < copied {
        return Err(JournalFault::Damaged {
            segment: report.end.segment,
            offset: report.end.offset,
        });
    }
    Ok(report)
}
