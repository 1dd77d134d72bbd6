//! Fetching a payload that did not come with its item.

use std::fs::{self, File, OpenOptions};
use std::io::{BufReader, Write as _};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};

use consign_domain::Digest;
use consign_domain::statement::Envelope;
use consign_runtime::files::{self, Action, FileError, PRIVATE};
use consign_verify::exchange;

use super::InboxError;
use crate::durable;
use crate::folder::{Folder, PAYLOAD};
use crate::seal::Hashing;

/// The part that is here; a later attempt goes on at its end.
pub(super) const PART: &str = "payload.part";

/// A payload that is being fetched: what is written stays for a later attempt.
#[derive(Debug)]
pub struct PayloadWriter {
    part: PathBuf,
    target: PathBuf,
    file: File,
    offset: u64,
    envelope: Envelope,
}

impl PayloadWriter {
    pub(super) fn open(folder: &Folder, envelope: Envelope) -> Result<Self, InboxError> {
        let part = folder.file(PART);
        let file = OpenOptions::new()
            .append(true)
            .create(true)
            .mode(PRIVATE)
            .open(&part)
            .map_err(durable::io_fault(Action::Create, &part))?;
        let metadata = file
            .metadata()
            .map_err(durable::io_fault(Action::Read, &part))?;
        let mut offset = metadata.len();
        if offset > envelope.payload.size {
            // No part of this payload: whatever made it so long, it begins anew.
            file.set_len(0)
                .map_err(durable::io_fault(Action::Write, &part))?;
            offset = 0;
        }
        Ok(Self {
            target: folder.file(PAYLOAD),
            offset,
            part,
            file,
            envelope,
        })
    }

    /// Bytes that are here: where to go on.
    pub const fn offset(&self) -> u64 {
        self.offset
    }

    /// Whether all bytes are here.
    pub(crate) const fn is_whole(&self) -> bool {
        self.offset == self.envelope.payload.size
    }

    /// Adds bytes.
    ///
    /// # Errors
    /// More than the envelope says: all is discarded. Or the system refused.
    pub fn write(&mut self, bytes: &[u8]) -> Result<(), InboxError> {
        let length = u64::try_from(bytes.len()).unwrap_or(u64::MAX);
        let end = self.offset.saturating_add(length);
        if end > self.envelope.payload.size {
            durable::remove(&self.part)?;
            return Err(InboxError::Payload);
        }
        self.file
            .write_all(bytes)
            .map_err(durable::io_fault(Action::Write, &self.part))?;
        self.offset = end;
        Ok(())
    }

    /// Ends fetching: all bytes must be here and have the digest that the envelope names.
    ///
    /// # Errors
    /// [`InboxError::Payload`]: what was fetched is discarded. Or the system refused.
    pub fn finish(self) -> Result<(), InboxError> {
        // What an earlier attempt left may have lost its end with the power: all is hashed.
        let digest = digest_of(&self.part)?;
        let size = durable::size(&self.part)?.unwrap_or(0);
        if exchange::check_payload(&self.envelope, size, digest).is_err() {
            durable::remove(&self.part)?;
            return Err(InboxError::Payload);
        }
        self.file
            .sync_all()
            .map_err(durable::io_fault(Action::Sync, &self.part))?;
        fs::rename(&self.part, &self.target)
            .map_err(durable::io_fault(Action::Rename, &self.target))?;
        if let Some(directory) = self.target.parent() {
            files::sync_dir(directory)?;
        }
        durable::observe::step();
        Ok(())
    }
}

/// SHA-256 of a whole file.
pub(super) fn digest_of(path: &Path) -> Result<Digest, FileError> {
    let mut hashing = Hashing::new(BufReader::with_capacity(256 * 1024, durable::open(path)?));
    std::io::copy(&mut hashing, &mut std::io::sink())
        .map_err(durable::io_fault(Action::Read, path))?;
    Ok(hashing.finish().1)
}
