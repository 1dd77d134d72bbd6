//! Bringing a hub back from a backup, into a fresh directory.
//!
//! What was accepted after the backup is lost with the old data, and nodes may have seen it.
//! So the restored hub is marked as behind from its first start: it delivers what it has, and
//! takes nothing new until its operator decides with `consign hub resume`.

use std::path::{Path, PathBuf};

use consign_domain::Timestamp;
use consign_runtime::backup::{self, Backup, Header, Progress};
use consign_runtime::files;

use super::verify::verify;
use super::{BackupFault, CONFIG, ROLE};
use crate::behind::{MARK, Mark, RestoredFrom};
use crate::config::Config;

const MAX_CONFIG: usize = 1 << 20;
/// The settings that name a directory which was restored.
const RESTORED: [&str; 3] = ["data", "trust", "keys"];
const PUBLIC: u32 = 0o644;

/// A hub that was restored.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Restored {
    /// What the backup says of itself.
    pub header: Header,
    /// Files brought back.
    pub files: u64,
    /// When the last envelope in it was accepted.
    pub accepted_until: Option<Timestamp>,
    /// Settings of `hub.toml` that named other places and no longer count.
    pub changed: Vec<String>,
    /// Where the hub looks for the authority's directory.
    pub directory: PathBuf,
    /// Whether the secret keys are in place.
    pub keys: bool,
}

/// Checks the backup in `from` and brings it back into `to`, which is new or empty.
///
/// # Errors
/// The backup is damaged, or the target cannot be used. Nothing that could be run is left.
pub fn restore(
    from: &Path,
    to: &Path,
    now: Timestamp,
    progress: Progress<'_>,
) -> Result<Restored, BackupFault> {
    let verified = verify(from, progress)?;
    if let Some(first) = verified.first_fault() {
        return Err(BackupFault::Damaged {
            path: from.to_owned(),
            first,
        });
    }
    let backup = Backup::open(from, ROLE)?;
    let text = backup.read(CONFIG, MAX_CONFIG)?;
    let files = backup::restore(&backup, to, CONFIG, progress)?;
    let accepted_until = verified.journal.ok().and_then(|it| it.accepted_until);
    let mark = Mark {
        since: Some(now),
        restored: Some(RestoredFrom {
            created: Timestamp::from_unix_saturating(verified.header.created),
            accepted_until,
        }),
        ..Mark::default()
    };
    mark.publish(&to.join(MARK))?;
    let (text, changed) = at_home(&String::from_utf8_lossy(&text), to)?;
    // Last: without it nobody takes the directory for a hub's.
    files::publish(&to.join(CONFIG), text.as_bytes(), PUBLIC)?;
    let config = Config::load(&to.join(CONFIG))?;
    Ok(Restored {
        keys: verified.header.keys,
        header: verified.header,
        files,
        accepted_until,
        changed,
        directory: config.directory,
    })
}

/// The configuration with settings that name other places turned into comments.
pub(super) fn at_home(text: &str, home: &Path) -> Result<(String, Vec<String>), BackupFault> {
    let config = Config::parse(text, &home.join(CONFIG))?;
    let places = [&config.data, &config.trust, &config.keys];
    let mut moved: Vec<&str> = RESTORED
        .into_iter()
        .zip(places)
        .filter(|(name, place)| **place != home.join(name))
        .map(|(name, _)| name)
        .collect();
    if !config.directory.is_dir() && config.directory != home.join("trust/directory") {
        moved.push("directory");
    }
    let (mut lines, mut top, mut changed) = (Vec::new(), true, Vec::new());
    for line in text.lines() {
        top &= !line.trim_start().starts_with('[');
        let name = line.split('=').next().unwrap_or_default().trim();
        if top && moved.contains(&name) {
            lines.push(format!("# Before the restore: {line}"));
            changed.push(name.to_owned());
        } else {
            lines.push(line.to_owned());
        }
    }
    lines.push(String::new());
    Ok((lines.join("\n"), changed))
}
