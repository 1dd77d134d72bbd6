//! A payload in a file, written from the front while a thread follows behind: it makes
//! durable what was written, takes the digest of what the disk gives back, and marks how
//! far it is.
//!
//! The thread lives only as long as there is a stretch to follow, so that an upload over
//! a slow line holds none, and at most [`LEAD`] bytes are ahead of it, so that the page
//! cache is not filled with what is not on the disk. A resumed upload is followed from its
//! beginning: its digest is taken anew.

use std::fmt;
use std::sync::Arc;
use std::thread::JoinHandle;

use consign_domain::{Digest, Timestamp};
use sha2::{Digest as _, Sha256};

use super::claims::Claim;
use super::mark::{self, Reached};
use super::remove;
use super::work::{AtWork, Work};
use crate::disk::{Disk, DiskFile};
use crate::error::StoreError;
use crate::payload::{StagedPayload, StagedRef, Upload};
use crate::store::Clock;

/// A stretch that is followed at a time, in bytes.
const STRETCH: u64 = 32 << 20;
/// How soon a shorter one is, in seconds: what a kill may cost on a slow line.
const SOON: u64 = 2;
/// Most bytes that are ahead of the follower.
const LEAD: u64 = 4 * STRETCH;
/// Bytes that are read back at a time.
const PIECE: usize = 1 << 20;

/// An upload's files.
#[derive(Clone)]
pub(super) struct Files {
    pub(super) disk: Arc<dyn Disk>,
    pub(super) clock: Clock,
    pub(super) work: Work,
    pub(super) data: Arc<dyn DiskFile>,
    pub(super) mark: Arc<dyn DiskFile>,
}

/// What the follower knows; it has the claim too, and outlives the stage where that is
/// dropped.
struct Follower {
    files: Files,
    hash: Sha256,
    hashed: u64,
    reached: Reached,
    _claim: Claim,
}

type Followed = (Box<Follower>, Result<(), StoreError>);

enum State {
    Idle(Box<Follower>),
    Busy(JoinHandle<Followed>),
    /// It has failed.
    Gone,
}

/// A payload in a file.
pub(super) struct FileStage {
    upload: Upload,
    files: Files,
    written: u64,
    /// How far, and when, the follower was last asked to go.
    asked: (u64, Timestamp),
    follower: State,
}

impl fmt::Debug for FileStage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("FileStage")
            .field("upload", &self.upload)
            .field("written", &self.written)
            .finish_non_exhaustive()
    }
}

impl Follower {
    /// Makes durable what was written up to `length`, marks it, and takes its digest.
    fn follow(&mut self, length: u64) -> Result<(), StoreError> {
        if length > self.reached.length {
            self.files.data.sync_data()?;
            self.mark(length, false)?;
        }
        let rest = length.saturating_sub(self.hashed);
        let mut piece = vec![0; usize::try_from(rest).map_or(PIECE, |rest| rest.min(PIECE))];
        while self.hashed < length {
            let rest = usize::try_from(length - self.hashed).unwrap_or(PIECE);
            let most = piece.len().min(rest);
            let piece = piece.get_mut(..most).unwrap_or_default();
            let read = self.files.data.read_at(piece, self.hashed)?;
            if read == 0 {
                return Err(StoreError::PayloadMismatch);
            }
            self.hash.update(piece.get(..read).unwrap_or_default());
            self.hashed += read as u64;
        }
        Ok(())
    }

    /// Marks how far the part is durable.
    fn mark(&mut self, length: u64, whole: bool) -> Result<(), StoreError> {
        let reached = Reached {
            turn: self.reached.turn + 1,
            length,
            touched: (self.files.clock)(),
            whole,
        };
        mark::write(self.files.mark.as_ref(), &reached)?;
        self.reached = reached;
        Ok(())
    }
}

impl FileStage {
    pub(super) fn new(
        upload: Upload,
        files: Files,
        reached: Reached,
        claim: Claim,
    ) -> Result<Self, StoreError> {
        let now = (files.clock)();
        let follower = Follower {
            files: files.clone(),
            hash: Sha256::new(),
            hashed: 0,
            reached,
            _claim: claim,
        };
        if reached.length > 0 {
            // A process that was killed may have left a mark that is not on the disk yet. It
            // is written again where it stands: the one before it stays good meanwhile.
            mark::write(files.mark.as_ref(), &reached)?;
        }
        let mut stage = Self {
            upload,
            files,
            written: reached.length,
            asked: (reached.length, now),
            follower: State::Idle(Box::new(follower)),
        };
        if reached.length > 0 {
            stage.begin()?;
        }
        Ok(stage)
    }

    /// Lets the follower go as far as was written, on a thread of its own.
    fn begin(&mut self) -> Result<(), StoreError> {
        let mut follower = self.idle()?;
        let length = self.written;
        let at_work = self.at_work()?;
        let follow = move || {
            let _at_work = at_work;
            let followed = follower.follow(length);
            (follower, followed)
        };
        let thread = std::thread::Builder::new()
            .name("store-staging".to_owned())
            .spawn(follow)?;
        self.asked = (length, (self.files.clock)());
        self.follower = State::Busy(thread);
        Ok(())
    }

    /// The follower, once it has gone as far as it was asked to.
    fn idle(&mut self) -> Result<Box<Follower>, StoreError> {
        match std::mem::replace(&mut self.follower, State::Gone) {
            State::Idle(follower) => Ok(follower),
            State::Busy(thread) => match thread.join() {
                Ok((follower, Ok(()))) => Ok(follower),
                Ok((_, Err(fault))) => Err(fault),
                Err(_) => Err(StoreError::Failed),
            },
            State::Gone => Err(StoreError::Failed),
        }
    }

    fn at_work(&self) -> Result<AtWork, StoreError> {
        self.files.work.begin().ok_or(StoreError::Closed)
    }

    fn is_followed(&self) -> bool {
        matches!(&self.follower, State::Busy(thread) if !thread.is_finished())
    }

    /// Whether the follower has something to do by now.
    fn is_due(&self) -> bool {
        let (length, at) = self.asked;
        let ahead = self.written - length;
        ahead >= STRETCH || (ahead > 0 && (self.files.clock)().distance(at) >= SOON)
    }
}

impl StagedPayload for FileStage {
    fn write(&mut self, bytes: &[u8]) -> Result<(), StoreError> {
        let end = self.written.saturating_add(bytes.len() as u64);
        if end > self.upload.size {
            return Err(StoreError::PayloadMismatch);
        }
        let _at_work = self.at_work()?;
        self.files.data.write_at(bytes, self.written)?;
        self.written = end;
        let (asked, _) = self.asked;
        if end - asked >= LEAD || (self.is_due() && !self.is_followed()) {
            self.begin()?;
        }
        Ok(())
    }

    fn written(&self) -> u64 {
        self.written
    }

    fn pause(mut self: Box<Self>) -> Result<u64, StoreError> {
        let _at_work = self.at_work()?;
        let mut follower = self.idle()?;
        if self.written == 0 {
            remove(self.files.disk.as_ref(), &self.upload)?;
        }
        if self.written > follower.reached.length {
            follower.files.data.sync_data()?;
            follower.mark(self.written, false)?;
        }
        Ok(self.written)
    }

    fn finish(mut self: Box<Self>) -> Result<StagedRef, StoreError> {
        if self.written != self.upload.size {
            return Err(StoreError::PayloadMismatch);
        }
        let _at_work = self.at_work()?;
        let mut follower = self.idle()?;
        follower.follow(self.written)?;
        let found = Digest::from_bytes(follower.hash.clone().finalize().into());
        if found != self.upload.digest {
            remove(self.files.disk.as_ref(), &self.upload)?;
            return Err(StoreError::PayloadMismatch);
        }
        follower.mark(self.written, true)?;
        Ok(StagedRef::new(self.upload, None))
    }
}
