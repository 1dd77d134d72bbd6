//! Bringing a node back from a backup, into a fresh directory.

use std::path::Path;

use consign_runtime::backup::{self, Backup, Header, Progress};
use consign_runtime::files::{self, PRIVATE};

use super::{BackupFault, Place, ROLE, verify};

const MAX_CONFIG: usize = 1 << 20;

/// A node that was restored.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Restored {
    /// What the backup says of itself.
    pub header: Header,
    /// Files brought back.
    pub files: u64,
    /// The agencies.
    pub agencies: Vec<String>,
}

/// Checks the backup in `from` and brings it back into `to`, which is new or empty. The index
/// is made anew at the first start.
///
/// # Errors
/// The backup is damaged, or the target cannot be used.
pub fn restore(from: &Path, to: &Path, progress: Progress<'_>) -> Result<Restored, BackupFault> {
    let verified = verify(from, progress)?;
    if let Some(first) = verified.first_fault() {
        return Err(BackupFault::Damaged {
            path: from.to_owned(),
            first,
        });
    }
    let backup = Backup::open(from, ROLE)?;
    // Without its request a directory is nobody's: it comes last.
    let last = "request.json";
    let request = backup.read(last, MAX_CONFIG)?;
    let files = backup::restore(&backup, to, last, progress)?;
    files::publish(&to.join(last), &request, PRIVATE)?;
    Place::open(to)?;
    Ok(Restored {
        header: verified.header,
        files: files + 1,
        agencies: verified.agencies,
    })
}
