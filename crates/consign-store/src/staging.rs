//! Payloads on their way in, before any frame names them.
//!
//! Up to 1 MiB they wait in memory for the journal, as long as there is room. Others have
//! two files in `staging/` whose common name says all that never changes about them: the
//! *part*, as long as the payload from the beginning, and the *mark*, which says how far
//! the part is durable ([`mark`]). So an upload goes on where it was, whatever stopped
//! hub or node, and what is whole waits for its submission across restarts.
//!
//! Invariants:
//!
//! - What a mark says was made durable before the mark was written.
//! - A part is called whole only after its digest was taken of what the disk gives back.
//! - A part gets its final name, in `payloads/`, only when it is submitted; until then
//!   nobody else knows it, and it can be removed at any time.
//! - One at a time works on an upload.

mod claims;
mod file;
mod mark;
mod memory;
mod name;
mod work;

use std::fmt;
use std::io;
use std::sync::Arc;

use consign_domain::Digest;

use crate::disk::{Disk, DiskFile};
use crate::error::StoreError;
use crate::index::{Index, IndexFault};
use crate::journal::files::{PAYLOADS, STAGING, payload_directory, payload_path};
use crate::journal::recovery::Recovered;
use crate::journal::rows::file_prefix;
use crate::payload::{LeftUpload, StagedPayload, StagedRef, Upload};
use crate::store::Clock;
use claims::Claims;
use file::{FileStage, Files};
use mark::Reached;
pub(crate) use memory::{MemoryStage, Room};
use name::{mark_path, part_path, upload_of};
use work::Work;

/// Largest payload that the journal itself takes, in bytes.
pub(crate) const MAX_JOURNALED: u64 = 1 << 20;

/// Most bytes of small payloads that wait in memory; what comes then goes to files.
const MEMORY: u64 = 32 << 20;

/// The uploads of a store.
pub(crate) struct Staging {
    disk: Arc<dyn Disk>,
    clock: Clock,
    /// Free bytes that an upload must leave.
    low_water: u64,
    claims: Claims,
    work: Work,
    memory: Room,
}

impl fmt::Debug for Staging {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Staging").finish_non_exhaustive()
    }
}

impl Staging {
    pub(crate) fn new(disk: Arc<dyn Disk>, clock: Clock, low_water: u64) -> Self {
        Self {
            disk,
            clock,
            low_water,
            claims: Claims::default(),
            work: Work::default(),
            memory: Room::new(MEMORY),
        }
    }

    /// Waits until nothing is done to the files any more, and lets nothing begin.
    pub(crate) fn close(&self) {
        self.work.close();
    }

    /// Begins an upload, or goes on with it where it is durable.
    pub(crate) fn open(&self, upload: Upload) -> Result<Box<dyn StagedPayload>, StoreError> {
        if upload.size <= MAX_JOURNALED
            && let Some(part) = self.memory.take(upload.size)
        {
            return Ok(Box::new(MemoryStage::new(upload, Some(part))));
        }
        let claim = self.claims.take(upload.key).ok_or(StoreError::Busy)?;
        let (files, reached) = match self.resume(&upload)? {
            Some(resumed) => resumed,
            None => (self.create(&upload)?, Reached::default()),
        };
        Ok(Box::new(FileStage::new(upload, files, reached, claim)?))
    }

    /// What an upload has on the disk, if it can be gone on with.
    fn resume(&self, upload: &Upload) -> Result<Option<(Files, Reached)>, StoreError> {
        let part = found(self.disk.open(&part_path(upload)))?;
        let mark = found(self.disk.open(&mark_path(upload)))?;
        let (Some(data), Some(mark)) = (part, mark) else {
            return Ok(None);
        };
        let reached = mark::read(mark.as_ref())?
            .filter(|reached| reached.length > 0 && reached.length <= upload.size);
        match reached {
            Some(reached) if data.size()? == upload.size => {
                Ok(Some((self.files(data, mark), reached)))
            }
            _ => Ok(None),
        }
    }

    fn create(&self, upload: &Upload) -> Result<Files, StoreError> {
        self.remove(upload)?;
        let free = self.disk.free_space()?;
        if free < upload.size.saturating_add(self.low_water) {
            return Err(StoreError::Full);
        }
        let data = self.disk.create(&part_path(upload))?;
        let made = data.preallocate(upload.size).and_then(|()| {
            let mark = self.disk.create(&mark_path(upload))?;
            mark.preallocate(mark::SIZE)?;
            self.disk.sync_dir(STAGING)?;
            Ok(mark)
        });
        match made {
            Ok(mark) => Ok(self.files(data, mark)),
            Err(fault) => {
                drop(self.remove(upload));
                Err(fault.into())
            }
        }
    }

    fn files(&self, data: Arc<dyn DiskFile>, mark: Arc<dyn DiskFile>) -> Files {
        Files {
            disk: self.disk.clone(),
            clock: self.clock.clone(),
            work: self.work.clone(),
            data,
            mark,
        }
    }

    fn remove(&self, upload: &Upload) -> io::Result<()> {
        remove(self.disk.as_ref(), upload)
    }

    /// The uploads that are on the disk.
    pub(crate) fn list(&self) -> Result<Vec<LeftUpload>, StoreError> {
        let mut left = Vec::new();
        for name in self.disk.list(STAGING)? {
            if let Some(upload) = upload_of(&name, name::MARK)
                && let Some((_, reached)) = self.resume(&upload)?
            {
                left.push(LeftUpload {
                    upload,
                    written: reached.length,
                    touched: reached.touched,
                    whole: reached.whole.then(|| StagedRef::new(upload, None)),
                });
            }
        }
        Ok(left)
    }

    /// Gives a whole payload its final name, so that a frame may name it.
    pub(crate) fn place(&self, staged: &StagedRef) -> Result<(), StoreError> {
        if staged.bytes().is_some() {
            return Ok(());
        }
        let (part, digest) = (part_path(&staged.upload()), staged.digest());
        if found(self.disk.open(&part))?.is_none() {
            // Placed before, when its submission was not decided.
            let file = found(self.disk.open(&payload_path(digest)))?;
            let size = file.map(|file| file.size()).transpose()?;
            return if size == Some(staged.size()) {
                Ok(())
            } else {
                Err(StoreError::PayloadMissing)
            };
        }
        let directory = payload_directory(digest);
        self.disk.create_dir(&directory)?;
        self.disk.sync_dir(PAYLOADS)?;
        self.disk.rename(&part, &payload_path(digest))?;
        self.disk.sync_dir(&directory)?;
        Ok(())
    }

    /// Removes what an upload has in `staging/`.
    pub(crate) fn forget(&self, upload: &Upload) -> Result<(), StoreError> {
        let _claim = self.claims.take(upload.key).ok_or(StoreError::Busy)?;
        Ok(self.remove(upload)?)
    }
}

/// The mark goes first: a part without one counts for nothing.
fn remove(disk: &dyn Disk, upload: &Upload) -> io::Result<()> {
    for path in [mark_path(upload), part_path(upload)] {
        found(disk.remove(&path))?;
    }
    Ok(())
}

fn found<T>(result: io::Result<T>) -> io::Result<Option<T>> {
    match result {
        Err(fault) if fault.kind() == io::ErrorKind::NotFound => Ok(None),
        result => result.map(Some),
    }
}

/// Puts in order what an earlier opening left; gives how many payloads were removed that
/// nobody names. The index must have followed the journal to the segment that is open.
///
/// A payload that was placed and not accepted goes back to where it waited.
pub(crate) fn remove_unnamed(
    disk: &dyn Disk,
    index: &Index,
    recovered: &Recovered,
) -> io::Result<u64> {
    let mut waiting = placed(disk)?;
    let mut removed = 0;
    for first in 0..=u8::MAX {
        let directory = format!("{PAYLOADS}/{first:02x}");
        for name in found(disk.list(&directory))?.unwrap_or_default() {
            let path = format!("{directory}/{name}");
            // What has another name is not ours; what the index cannot tell stays.
            let unnamed = name.parse().ok().filter(|digest: &Digest| {
                payload_path(*digest) == path && is_named(*digest, index, recovered) == Ok(false)
            });
            let Some(digest) = unnamed else { continue };
            match waiting.iter().position(|upload| upload.digest == digest) {
                Some(at) => {
                    disk.rename(&path, &part_path(&waiting.swap_remove(at)))?;
                    // Before it is placed again, so that the two never come in another order.
                    disk.sync_dir(STAGING)?;
                }
                None => {
                    disk.remove(&path)?;
                    removed += 1;
                }
            }
        }
    }
    sweep(disk)?;
    Ok(removed)
}

/// Whether a record names a payload's file.
fn is_named(payload: Digest, index: &Index, recovered: &Recovered) -> Result<bool, IndexFault> {
    let counts = |segment| !recovered.ledger.removed.contains(segment);
    let old = index.newest(&file_prefix(payload), &counts)?;
    Ok(old.is_some() || !recovered.begun.names_file(payload).is_empty())
}

/// Whether somebody has uploaded this payload, or is at it, and has no answer yet: its
/// file may be named at any moment.
pub(crate) fn is_waited_for(disk: &dyn Disk, payload: Digest) -> io::Result<bool> {
    let names = disk.list(STAGING)?;
    let mut uploads = names.iter().filter_map(|name| upload_of(name, name::MARK));
    Ok(uploads.any(|upload| upload.digest == payload))
}

/// Uploads that are whole and whose part has its final name.
fn placed(disk: &dyn Disk) -> io::Result<Vec<Upload>> {
    let mut placed = Vec::new();
    for name in disk.list(STAGING)? {
        if let Some(upload) = upload_of(&name, name::MARK)
            && found(disk.open(&part_path(&upload)))?.is_none()
            && let Some(mark) = found(disk.open(&mark_path(&upload)))?
            && mark::read(mark.as_ref())?.is_some_and(|reached| reached.whole)
        {
            placed.push(upload);
        }
    }
    Ok(placed)
}

/// Removes from `staging/` what nobody can go on with.
fn sweep(disk: &dyn Disk) -> io::Result<()> {
    for name in disk.list(STAGING)? {
        let upload = upload_of(&name, name::PART).or_else(|| upload_of(&name, name::MARK));
        let is_kept = match upload {
            Some(upload) => can_go_on(disk, &upload)?,
            None => false,
        };
        if !is_kept {
            disk.remove(&format!("{STAGING}/{name}"))?;
        }
    }
    Ok(())
}

fn can_go_on(disk: &dyn Disk, upload: &Upload) -> io::Result<bool> {
    let part = found(disk.open(&part_path(upload)))?;
    let mark = found(disk.open(&mark_path(upload)))?;
    match (part, mark) {
        (Some(_), Some(mark)) => Ok(mark::read(mark.as_ref())?.is_some()),
        _ => Ok(false),
    }
}
