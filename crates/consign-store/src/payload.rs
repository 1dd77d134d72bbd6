//! Payload ciphertexts on their way in and out.

use std::fmt;
use std::sync::Arc;

use bytes::Bytes;
use consign_domain::{Digest, EnvelopeKey, Timestamp};

use crate::disk::{DiskFile, read_exact};
use crate::error::StoreError;

/// A payload that is announced: for which envelope, and what it will be.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Upload {
    /// The envelope that names it.
    pub key: EnvelopeKey,
    /// Its SHA-256.
    pub digest: Digest,
    /// Its size in bytes.
    pub size: u64,
    /// When the envelope lapses, and the payload with it.
    pub expires: Timestamp,
}

/// A payload that is being written, piece by piece, before its envelope is accepted.
///
/// Dropped, it stays as far as it is durable; [`pause`](StagedPayload::pause) keeps all.
/// What is small may be kept in memory alone and is gone when dropped.
pub trait StagedPayload: Send + fmt::Debug {
    /// Appends bytes.
    ///
    /// # Errors
    /// [`StoreError::PayloadMismatch`] beyond the size announced, [`StoreError::Full`].
    fn write(&mut self, bytes: &[u8]) -> Result<(), StoreError>;

    /// Bytes written so far: at the beginning, from where to go on.
    fn written(&self) -> u64;

    /// Stops for now and makes durable what was written; gives how much is kept.
    ///
    /// # Errors
    /// [`StoreError`]: what was durable before is kept.
    fn pause(self: Box<Self>) -> Result<u64, StoreError>;

    /// Checks size and digest over all of it and makes it durable.
    ///
    /// # Errors
    /// [`StoreError::PayloadMismatch`] if it is not all there, or not what was announced:
    /// then nothing is kept.
    fn finish(self: Box<Self>) -> Result<StagedRef, StoreError>;
}

/// An upload that is on stable storage and not yet submitted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LeftUpload {
    /// What it is to be.
    pub upload: Upload,
    /// Bytes that are durable.
    pub written: u64,
    /// When it last got on.
    pub touched: Timestamp,
    /// The payload, if all of it is here.
    pub whole: Option<StagedRef>,
}

/// A payload that was staged whole. Only a store makes one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StagedRef {
    upload: Upload,
    /// A small payload waits here for the journal; a large one has a file.
    bytes: Option<Bytes>,
}

impl StagedRef {
    pub(crate) const fn new(upload: Upload, bytes: Option<Bytes>) -> Self {
        Self { upload, bytes }
    }

    pub(crate) const fn bytes(&self) -> Option<&Bytes> {
        self.bytes.as_ref()
    }

    /// What was announced, and is here.
    pub const fn upload(&self) -> Upload {
        self.upload
    }

    /// Its SHA-256.
    pub const fn digest(&self) -> Digest {
        self.upload.digest
    }

    /// Its size in bytes.
    pub const fn size(&self) -> u64 {
        self.upload.size
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
