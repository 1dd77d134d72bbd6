//! Payloads on their way in: small ones wait in memory for the journal, large ones go to
//! files of their own, through the disk seam, and are durable before any frame names them.

use std::fmt;
use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use consign_domain::Digest;
use sha2::{Digest as _, Sha256};

use crate::disk::{Disk, DiskFile};
use crate::error::StoreError;
use crate::index::{Index, IndexFault};
use crate::journal::files::{PAYLOADS, STAGING, payload_directory, payload_path};
use crate::journal::recovery::Recovered;
use crate::journal::rows::file_prefix;
use crate::payload::{StagedPayload, StagedRef};

/// Largest payload that the journal itself takes, in bytes.
pub(crate) const MAX_JOURNALED: u64 = 1 << 20;

/// Numbers the files of one process; what an earlier one left is removed on opening.
static NEXT: AtomicU64 = AtomicU64::new(1);

/// Removes the files of payloads that were finished and never accepted; gives how many.
/// The index must have followed the journal to the segment that is open.
pub(crate) fn remove_unnamed(
    disk: &dyn Disk,
    index: &Index,
    recovered: &Recovered,
) -> io::Result<u64> {
    let mut removed = 0;
    for first in 0..=u8::MAX {
        let directory = format!("{PAYLOADS}/{first:02x}");
        let names = match disk.list(&directory) {
            Err(fault) if fault.kind() == io::ErrorKind::NotFound => continue,
            names => names?,
        };
        for name in names {
            let path = format!("{directory}/{name}");
            // What has another name is not ours; what the index cannot tell stays.
            let unnamed = name.parse().is_ok_and(|digest| {
                payload_path(digest) == path && is_named(digest, index, recovered) == Ok(false)
            });
            if unnamed {
                disk.remove(&path)?;
                removed += 1;
            }
        }
    }
    Ok(removed)
}

/// Whether a record names a payload's file.
fn is_named(payload: Digest, index: &Index, recovered: &Recovered) -> Result<bool, IndexFault> {
    let counts = |segment| !recovered.ledger.removed.contains(segment);
    let old = index.newest(&file_prefix(payload), &counts)?;
    Ok(old.is_some() || !recovered.begun.names_file(payload).is_empty())
}

/// A payload in memory.
#[derive(Debug)]
pub(crate) struct MemoryStage {
    size: u64,
    bytes: Vec<u8>,
}

impl MemoryStage {
    pub(crate) const fn new(size: u64) -> Self {
        Self {
            size,
            bytes: Vec::new(),
        }
    }
}

impl StagedPayload for MemoryStage {
    fn write(&mut self, bytes: &[u8]) -> Result<(), StoreError> {
        if self.written().saturating_add(bytes.len() as u64) > self.size {
            return Err(StoreError::PayloadMismatch);
        }
        self.bytes.extend_from_slice(bytes);
        Ok(())
    }

    fn written(&self) -> u64 {
        self.bytes.len() as u64
    }

    fn finish(self: Box<Self>, expected: Digest) -> Result<StagedRef, StoreError> {
        if self.written() != self.size || Digest::of(&self.bytes) != expected {
            return Err(StoreError::PayloadMismatch);
        }
        Ok(StagedRef::new(expected, self.size, Some(self.bytes.into())))
    }
}

/// A payload in a file.
pub(crate) struct FileStage {
    disk: Arc<dyn Disk>,
    file: Arc<dyn DiskFile>,
    path: String,
    size: u64,
    written: u64,
    hash: Sha256,
    /// Whether the file has its final name.
    kept: bool,
}

impl fmt::Debug for FileStage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("FileStage")
            .field("path", &self.path)
            .field("size", &self.size)
            .field("written", &self.written)
            .finish_non_exhaustive()
    }
}

impl FileStage {
    pub(crate) fn new(disk: Arc<dyn Disk>, size: u64) -> Result<Self, StoreError> {
        let number = NEXT.fetch_add(1, Ordering::Relaxed);
        let path = format!("{STAGING}/{number}.part");
        let file = disk.create(&path)?;
        let stage = Self {
            disk,
            file,
            path,
            size,
            written: 0,
            hash: Sha256::new(),
            kept: false,
        };
        stage.file.preallocate(size)?;
        Ok(stage)
    }
}

impl StagedPayload for FileStage {
    fn write(&mut self, bytes: &[u8]) -> Result<(), StoreError> {
        let end = self.written.saturating_add(bytes.len() as u64);
        if end > self.size {
            return Err(StoreError::PayloadMismatch);
        }
        self.file.write_at(bytes, self.written)?;
        self.hash.update(bytes);
        self.written = end;
        Ok(())
    }

    fn written(&self) -> u64 {
        self.written
    }

    fn finish(mut self: Box<Self>, expected: Digest) -> Result<StagedRef, StoreError> {
        let found = Digest::from_bytes(self.hash.clone().finalize().into());
        if self.written != self.size || found != expected {
            return Err(StoreError::PayloadMismatch);
        }
        self.file.sync_data()?;
        let directory = payload_directory(expected);
        self.disk.create_dir(&directory)?;
        self.disk.sync_dir(PAYLOADS)?;
        self.disk.rename(&self.path, &payload_path(expected))?;
        self.kept = true;
        self.disk.sync_dir(&directory)?;
        Ok(StagedRef::new(expected, self.size, None))
    }
}

impl Drop for FileStage {
    fn drop(&mut self) {
        if !self.kept
            && let Err(fault) = self.disk.remove(&self.path)
        {
            tracing::warn!(
                fault = &fault as &dyn std::error::Error,
                "an abandoned payload stays until the next start"
            );
        }
    }
}
