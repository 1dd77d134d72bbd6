//! Backups: a copy of a directory's files, with a list that proves each of them.
//!
//! ```text
//! DEST/backup.json      what it is a backup of; the first file that is written
//! DEST/files/…          the copies, under the paths that they had
//! DEST/progress.jsonl   what an unfinished run has copied so far
//! DEST/manifest.jsonl   every file with size and SHA-256; the last file that is written
//! ```
//!
//! Invariants:
//! - A backup is what its manifest names, and nothing else. The manifest is published by
//!   rename after all that it names is on stable storage; until then the one before it
//!   holds, and no file that it names is touched.
//! - A file whose size and time of change are those of its copy is not copied again.
//! - Paths in a manifest stay below the directory that they are written to.
//!
//! What belongs into a backup, in which order, and whether it makes sense as a whole, is
//! the business of the hub and of the node. All of this blocks.

mod error;
mod manifest;
mod read;
mod restore;
mod write;

#[cfg(test)]
mod tests;

pub use error::BackupError;
pub use manifest::{FileEntry, Format, Header, Subject};
pub use read::{Backup, Checked, Fault};
pub use restore::restore;
pub use write::{Source, Tally, Writer};

/// Told how many bytes of how many are done.
pub type Progress<'a> = &'a mut dyn FnMut(u64, u64);

/// The copies.
const FILES: &str = "files";
/// What it is a backup of.
const SUBJECT: &str = "backup.json";
/// What an unfinished run has copied.
const PROGRESS: &str = "progress.jsonl";
/// What the backup is.
const MANIFEST: &str = "manifest.jsonl";
/// Bytes read at once.
const PIECE: usize = 256 * 1024;
