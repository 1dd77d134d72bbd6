//! Small payloads, in memory within a common bound.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use bytes::Bytes;
use consign_domain::Digest;

use crate::error::StoreError;
use crate::payload::{StagedPayload, StagedRef, Upload};

/// Bytes that may be held at one time.
#[derive(Debug, Clone)]
pub(crate) struct Room(Arc<AtomicU64>);

/// A part of them, given back when dropped.
#[derive(Debug)]
pub(crate) struct RoomPart {
    room: Room,
    bytes: u64,
}

impl Room {
    pub(crate) fn new(bytes: u64) -> Self {
        Self(Arc::new(AtomicU64::new(bytes)))
    }

    /// `None` if there is not so much left.
    pub(crate) fn take(&self, bytes: u64) -> Option<RoomPart> {
        let less = |left: u64| left.checked_sub(bytes);
        let taken = self
            .0
            .fetch_update(Ordering::SeqCst, Ordering::SeqCst, less);
        let room = self.clone();
        taken.ok().map(|_| RoomPart { room, bytes })
    }
}

impl Drop for RoomPart {
    fn drop(&mut self) {
        self.room.0.fetch_add(self.bytes, Ordering::SeqCst);
    }
}

/// Bytes with their part of the room: it is taken until the last reader lets go.
struct Held {
    bytes: Vec<u8>,
    _part: Option<RoomPart>,
}

impl AsRef<[u8]> for Held {
    fn as_ref(&self) -> &[u8] {
        &self.bytes
    }
}

/// A payload in memory.
#[derive(Debug)]
pub(crate) struct MemoryStage {
    upload: Upload,
    bytes: Vec<u8>,
    part: Option<RoomPart>,
}

impl MemoryStage {
    pub(crate) const fn new(upload: Upload, part: Option<RoomPart>) -> Self {
        Self {
            upload,
            bytes: Vec::new(),
            part,
        }
    }
}

impl StagedPayload for MemoryStage {
    fn write(&mut self, bytes: &[u8]) -> Result<(), StoreError> {
        if self.written().saturating_add(bytes.len() as u64) > self.upload.size {
            return Err(StoreError::PayloadMismatch);
        }
        self.bytes.extend_from_slice(bytes);
        Ok(())
    }

    fn written(&self) -> u64 {
        self.bytes.len() as u64
    }

    fn pause(self: Box<Self>) -> Result<u64, StoreError> {
        Ok(0)
    }

    fn finish(self: Box<Self>) -> Result<StagedRef, StoreError> {
        let Self {
            upload,
            bytes,
            part: _part,
        } = *self;
        if bytes.len() as u64 != upload.size || Digest::of(&bytes) != upload.digest {
            return Err(StoreError::PayloadMismatch);
        }
        let held = Held { bytes, _part };
        Ok(StagedRef::new(upload, Some(Bytes::from_owner(held))))
    }
}

#[cfg(test)]
mod tests {
    use consign_domain::Timestamp;

    use super::*;
    use crate::conformance::fixture::key;

    #[test]
    fn room_is_taken_until_the_last_reader_lets_go() {
        let room = Room::new(100);
        let upload = Upload {
            key: key(1, 1),
            digest: Digest::of(&[7; 60]),
            size: 60,
            expires: Timestamp::from_unix_saturating(1),
        };
        let mut stage = Box::new(MemoryStage::new(upload, room.take(60)));
        stage.write(&[7; 60]).unwrap();
        let staged = stage.finish().unwrap();
        let bytes = staged.bytes().cloned().unwrap();
        drop(staged);
        assert!(room.take(60).is_none());
        assert_eq!(bytes, [7; 60].as_slice());
        drop(bytes);
        assert!(room.take(100).is_some());
    }
}
