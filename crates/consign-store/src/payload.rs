//! Payload ciphertexts on their way in and out.

use std::fmt;
use std::sync::Arc;

use bytes::Bytes;
use consign_domain::Digest;

use crate::disk::{DiskFile, read_exact};
use crate::error::StoreError;

/// A payload that is being written, piece by piece, before its envelope is accepted.
/// Dropped unfinished, it is gone; so it is when the hub stops.
pub trait StagedPayload: Send + fmt::Debug {
    /// Appends bytes.
    ///
    /// # Errors
    /// [`StoreError::PayloadMismatch`] beyond the size announced, [`StoreError::Full`].
    fn write(&mut self, bytes: &[u8]) -> Result<(), StoreError>;

    /// Bytes written so far: where to resume.
    fn written(&self) -> u64;

    /// Checks size and digest over all of it and makes it durable.
    ///
    /// # Errors
    /// [`StoreError::PayloadMismatch`] if it is not what was announced.
    fn finish(self: Box<Self>, expected: Digest) -> Result<StagedRef, StoreError>;
}

/// A payload that was staged whole. Only a store makes one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StagedRef {
    digest: Digest,
    size: u64,
    /// A small payload waits here for the journal; a large one has a file.
    bytes: Option<Bytes>,
}

impl StagedRef {
    pub(crate) const fn new(digest: Digest, size: u64, bytes: Option<Bytes>) -> Self {
        Self {
            digest,
            size,
            bytes,
        }
    }

    pub(crate) const fn bytes(&self) -> Option<&Bytes> {
        self.bytes.as_ref()
    }

    /// Its SHA-256.
    pub const fn digest(&self) -> Digest {
        self.digest
    }

    /// Its size in bytes.
    pub const fn size(&self) -> u64 {
        self.size
    }
}

/// A stored payload, to be read in pieces.
#[derive(Debug, Clone)]
pub struct PayloadSource {
    size: u64,
    place: Place,
}

#[derive(Debug, Clone)]
pub(crate) enum Place {
    Memory(Bytes),
    Journal {
        file: Arc<dyn DiskFile>,
        segment: u64,
        start: u64,
    },
    File {
        file: Arc<dyn DiskFile>,
        digest: Digest,
    },
}

impl PayloadSource {
    pub(crate) const fn new(size: u64, place: Place) -> Self {
        Self { size, place }
    }

    /// Its size in bytes.
    pub const fn size(&self) -> u64 {
        self.size
    }

    /// At most `max` bytes from `offset`; fewer at the end, none beyond it.
    ///
    /// # Errors
    /// [`StoreError`] if they cannot be read.
    pub fn read_at(&self, offset: u64, max: usize) -> Result<Bytes, StoreError> {
        let rest = self.size.saturating_sub(offset);
        let length = usize::try_from(rest).unwrap_or(usize::MAX).min(max);
        if length == 0 {
            return Ok(Bytes::new());
        }
        match &self.place {
            Place::Memory(bytes) => {
                let start = usize::try_from(offset).map_err(|_| StoreError::TooLarge)?;
                Ok(bytes.slice(start..start + length))
            }
            Place::Journal {
                file,
                segment,
                start,
            } => {
                let offset = start.saturating_add(offset);
                let bytes = read_exact(file.as_ref(), offset, length)?;
                bytes.map(Bytes::from).ok_or(StoreError::Damaged {
                    segment: *segment,
                    offset,
                })
            }
            Place::File { file, digest } => {
                let bytes = read_exact(file.as_ref(), offset, length)?;
                bytes
                    .map(Bytes::from)
                    .ok_or(StoreError::PayloadDamaged { digest: *digest })
            }
        }
    }
}
