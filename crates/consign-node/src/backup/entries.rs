//! The folders of envelopes, copied while the node may move and change them.

use std::path::{Path, PathBuf};

use consign_domain::statement::{Envelope, Statement as _};
use consign_domain::{EnvelopeId, EnvelopeKey};
use consign_runtime::backup::{Header, Source, Tally, Writer};
use consign_runtime::files;

use super::BackupFault;
use crate::durable;
use crate::error::NodeError;
use crate::layout::AgencyHome;

/// How often a folder that changes meanwhile is copied anew.
const ATTEMPTS: u32 = 20;
/// How deep folders of an envelope go: evidence, statuses, and those of what was offered again.
const DEPTH: usize = 4;
/// A payload that is half fetched is fetched anew.
const PART: &str = "payload.part";
const MAX_ENVELOPE: usize = 64 * 1024;

/// A folder.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Entry {
    /// Its path in the backup.
    name: String,
    directory: PathBuf,
}

/// The folders in a directory.
pub(super) fn below(directory: &Path, name: &str) -> Result<Vec<Entry>, NodeError> {
    let mut entries = Vec::new();
    for below in durable::names(directory)? {
        let path = directory.join(&below);
        if !below.starts_with('.') && path.is_dir() {
            entries.push(Entry {
                name: format!("{name}/{below}"),
                directory: path,
            });
        }
    }
    Ok(entries)
}

/// The folders of an archive: by year, month, sender.
pub(super) fn archived(directory: &Path, name: &str) -> Result<Vec<Entry>, NodeError> {
    let mut level = below(directory, name)?;
    for _ in 0..3 {
        let mut next = Vec::new();
        for entry in &level {
            next.extend(below(&entry.directory, &entry.name)?);
        }
        level = next;
    }
    Ok(level)
}

/// A backup in the making, with what a node needs of one.
pub(super) struct Copying {
    writer: Writer,
    envelopes: u64,
}

impl Copying {
    pub(super) const fn new(writer: Writer) -> Self {
        Self {
            writer,
            envelopes: 0,
        }
    }

    /// Envelopes that are in the backup.
    pub(super) const fn envelopes(&self) -> u64 {
        self.envelopes
    }

    /// Copies files that stay where they are.
    pub(super) fn files(&mut self, sources: &[Source]) -> Result<(), BackupFault> {
        self.writer.copy(sources, &mut |_, _| {})?;
        Ok(())
    }

    /// Copies a folder whose envelope may go on meanwhile: as it is at one moment, or not at
    /// all where it has moved to the archive.
    pub(super) fn changing(&mut self, entry: &Entry) -> Result<(), BackupFault> {
        for _ in 0..ATTEMPTS {
            let before = sources(entry)?;
            let gone = self.writer.copy(&before, &mut |_, _| {})?;
            if gone.is_empty() && sources(entry)? == before {
                self.envelopes += 1;
                return Ok(());
            }
            self.writer.leave_out(&entry.name);
            if !entry.directory.is_dir() {
                return Ok(());
            }
        }
        let name = entry.name.clone();
        Err(BackupFault::Moving { name })
    }

    /// Copies a folder of the archive, to which files are only added.
    pub(super) fn settled(&mut self, entry: &Entry) -> Result<(), BackupFault> {
        self.writer.copy(&sources(entry)?, &mut |_, _| {})?;
        self.envelopes += 1;
        Ok(())
    }

    /// Leaves out what was copied before it moved to the archive, and then there.
    pub(super) fn count_once(&mut self, home: &AgencyHome, base: &str) -> Result<(), BackupFault> {
        for entry in below_copied(&self.writer, base, "outbox") {
            let id: Option<EnvelopeId> = last_part(&entry).parse().ok();
            let key = id.map(|id| EnvelopeKey {
                sender: home.id(),
                id,
            });
            self.drop_if_archived(home, base, &entry, key, "compose.json");
        }
        for entry in below_copied(&self.writer, base, "inbox") {
            let item = self.writer.copy_of(&format!("{entry}/item.json"));
            let bytes = item.map(|item| files::read_bounded(&item, MAX_ENVELOPE));
            let envelope = bytes
                .transpose()?
                .and_then(|bytes| Envelope::parse(&bytes).ok());
            let again = self.writer.has(&format!("{entry}/again.json"));
            let key = envelope.map(|envelope| envelope.key()).filter(|_| !again);
            self.drop_if_archived(home, base, &entry, key, "received.json");
        }
        Ok(())
    }

    fn drop_if_archived(
        &mut self,
        home: &AgencyHome,
        base: &str,
        entry: &str,
        key: Option<EnvelopeKey>,
        marker: &str,
    ) {
        let archived = key.and_then(|key| {
            let path = home.archive_entry(key);
            let below = path.strip_prefix(home.path()).ok()?;
            Some(format!("{base}/{}/{marker}", below.display()))
        });
        if archived.is_some_and(|archived| self.writer.has(&archived)) {
            self.writer.leave_out(entry);
            self.envelopes = self.envelopes.saturating_sub(1);
        }
    }

    pub(super) fn finish(self, header: &Header) -> Result<Tally, BackupFault> {
        Ok(self.writer.finish(header)?)
    }
}

/// Folders that are in the backup so far, by the directory that they lay in.
fn below_copied(writer: &Writer, base: &str, name: &str) -> Vec<String> {
    let prefix = format!("{base}/{name}/");
    let mut found: Vec<String> = Vec::new();
    for path in writer.paths(&prefix) {
        let Some((entry, _)) = path.strip_prefix(&prefix).and_then(|it| it.split_once('/')) else {
            continue;
        };
        let entry = format!("{prefix}{entry}");
        if found.last() != Some(&entry) {
            found.push(entry);
        }
    }
    found
}

fn last_part(entry: &str) -> &str {
    entry.rsplit('/').next().unwrap_or_default()
}

/// All files of a folder, in one order.
fn sources(entry: &Entry) -> Result<Vec<Source>, NodeError> {
    let mut found = Vec::new();
    collect(&entry.directory, &entry.name, DEPTH, &mut found)?;
    Ok(found)
}

fn collect(
    directory: &Path,
    name: &str,
    depth: usize,
    found: &mut Vec<Source>,
) -> Result<(), NodeError> {
    for below in durable::names(directory)? {
        let path = directory.join(&below);
        if below.starts_with('.') || below == PART {
            continue;
        }
        let name = format!("{name}/{below}");
        if path.is_dir() {
            if depth > 0 {
                collect(&path, &name, depth - 1, found)?;
            }
        } else {
            found.push(Source {
                path: name,
                from: path,
                first: None,
            });
        }
    }
    Ok(())
}
