//! A disk in memory that keeps to the letter of the contract: a power cut keeps, drops
//! or tears whatever was not synced, by a seed.
//!
//! A file's bytes are kept twice, as the page cache shows them and as the medium holds
//! them, with the writes in between. A cut applies a random choice of those, each cut
//! into sectors of 512 bytes. Names of a directory are a journal of their own: a cut
//! keeps a random beginning of what was not synced. A directory is a name like others, in
//! the one above it: what it holds goes with it.

mod medium;

use std::io;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use super::{Disk, DiskFile, DiskLock};
use medium::{Change, Contents, DIRECTORY, Name, State, above};

/// What goes wrong, and when.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fault {
    /// The power goes: this operation and all after it fail, until [`SimDisk::power_cut`]
    /// or [`SimDisk::kill`] starts the machine anew.
    Crash {
        /// Operations that still work.
        after: u64,
    },
    /// One operation fails, as a bad medium would; the next ones work. What a sync
    /// that fails should have made durable never is, however it may look.
    Once {
        /// Operations that still work.
        after: u64,
    },
}

/// What has happened to a disk.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct SimTally {
    /// Operations that change something or sync.
    pub operations: u64,
    /// Unsynced writes that a power cut dropped.
    pub dropped: u64,
    /// Unsynced writes of which a power cut kept a part.
    pub torn: u64,
    /// Unsynced names that a power cut lost.
    pub names_lost: u64,
}

/// A disk in memory; clones are the same disk.
#[derive(Debug, Clone)]
pub struct SimDisk {
    state: Arc<Mutex<State>>,
    index: PathBuf,
}

impl SimDisk {
    /// An empty disk with `capacity` bytes; `index` is the real directory of the index.
    pub fn new(seed: u64, capacity: u64, index: impl Into<PathBuf>) -> Self {
        let state = State::new(seed, capacity);
        Self {
            state: Arc::new(Mutex::new(state)),
            index: index.into(),
        }
    }

    /// Makes something go wrong from now on.
    pub fn inject(&self, fault: Fault) {
        let mut state = self.state();
        let now = state.tally.operations;
        state.fault = Some(match fault {
            Fault::Crash { after } => Fault::Crash { after: now + after },
            Fault::Once { after } => Fault::Once { after: now + after },
        });
    }

    /// Whether an injected crash has come.
    pub fn is_dead(&self) -> bool {
        self.state().dead
    }

    /// Cuts the power and starts the machine anew: what was not synced is kept, dropped
    /// or torn. Every store that used the disk must be gone.
    pub fn power_cut(&self) {
        let mut state = self.state();
        state.lose_names();
        state.lose_writes();
        state.boot += 1;
        state.revive();
    }

    /// Starts a process anew on a machine that went on: the page cache is as it was.
    pub fn kill(&self) {
        self.state().revive();
    }

    /// Gives the disk another size.
    pub fn resize(&self, capacity: u64) {
        self.state().capacity = capacity;
    }

    /// What has happened so far.
    pub fn tally(&self) -> SimTally {
        self.state().tally
    }

    /// A file's bytes as a program sees them.
    pub fn bytes(&self, path: &str) -> Option<Vec<u8>> {
        let state = self.state();
        let id = state.names.get(path)?;
        state.files.get(*id).map(|file| file.cache.clone())
    }

    /// Changes a file's bytes behind everybody's back, on the medium too.
    pub fn tamper(&self, path: &str, change: impl FnOnce(&mut Vec<u8>)) {
        let mut state = self.state();
        let id = state.names.get(path).copied();
        if let Some(file) = id.and_then(|id| state.files.get_mut(id)) {
            change(&mut file.cache);
            file.medium = file.cache.clone();
            file.pending.clear();
        }
    }

    /// All paths, in order.
    pub fn paths(&self) -> Vec<String> {
        let state = self.state();
        let files = state.names.iter().filter(|(_, id)| **id != DIRECTORY);
        files.map(|(path, _)| path.clone()).collect()
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[derive(Debug)]
struct SimFile {
    disk: SimDisk,
    id: usize,
}

fn place(offset: u64) -> io::Result<usize> {
    usize::try_from(offset).map_err(io::Error::other)
}

impl DiskFile for SimFile {
    fn read_at(&self, buffer: &mut [u8], offset: u64) -> io::Result<usize> {
        let mut state = self.disk.state();
        state.alive()?;
        let file = state.file(self.id)?;
        let rest = file.cache.get(place(offset)?..).unwrap_or_default();
        let length = rest.len().min(buffer.len());
        for (to, from) in buffer.iter_mut().zip(rest) {
            *to = *from;
        }
        Ok(length)
    }

    fn write_at(&self, bytes: &[u8], offset: u64) -> io::Result<()> {
        let mut state = self.disk.state();
        let result = state.operate();
        let end = offset + bytes.len() as u64;
        let file = state.file(self.id)?;
        let room = file.reserved.max(file.cache.len() as u64);
        state.grow(end.saturating_sub(room))?;
        let change = Change::Write(place(offset)?, bytes.to_vec());
        let file = state.file(self.id)?;
        // A write that the power cut stopped may have reached the medium all the same.
        change.apply(&mut file.cache);
        file.pending.push(change);
        result
    }

    fn sync_data(&self) -> io::Result<()> {
        let mut state = self.disk.state();
        let result = state.operate();
        if result.is_err() && state.dead {
            return result;
        }
        let file = state.file(self.id)?;
        let pending = std::mem::take(&mut file.pending);
        if result.is_ok() {
            pending
                .iter()
                .for_each(|change| change.apply(&mut file.medium));
        }
        // After a failed sync the page cache goes on showing what never gets to the medium.
        result
    }

    fn size(&self) -> io::Result<u64> {
        let mut state = self.disk.state();
        state.alive()?;
        Ok(state.file(self.id)?.cache.len() as u64)
    }

    fn set_size(&self, size: u64) -> io::Result<()> {
        let mut state = self.disk.state();
        state.operate()?;
        let change = Change::Size(place(size)?);
        let file = state.file(self.id)?;
        change.apply(&mut file.cache);
        file.reserved = size;
        file.pending.push(change);
        Ok(())
    }

    fn preallocate(&self, size: u64) -> io::Result<()> {
        let mut state = self.disk.state();
        state.operate()?;
        let room = state.file(self.id)?.cache.len() as u64;
        state.grow(size.saturating_sub(room))?;
        let change = Change::Size(place(size.max(room))?);
        let file = state.file(self.id)?;
        change.apply(&mut file.cache);
        file.reserved = size;
        file.pending.push(change);
        Ok(())
    }
}

#[derive(Debug)]
struct SimLock(SimDisk);

impl DiskLock for SimLock {}

impl Drop for SimLock {
    fn drop(&mut self) {
        self.0.state().locked = false;
    }
}

impl SimDisk {
    fn rename_or_remove(&self, path: &str, to: Option<&str>) -> io::Result<()> {
        let mut state = self.state();
        state.operate()?;
        let id = state.id(path)?;
        if let Some(to) = to {
            state.is_directory(above(to))?;
        }
        let change = match to {
            Some(to) => Name::Move(path.to_owned(), to.to_owned(), id),
            None => Name::Remove(path.to_owned()),
        };
        change.apply(&mut state.names);
        state.pending_names.push(change);
        Ok(())
    }
}

impl Disk for SimDisk {
    fn lock(&self) -> io::Result<Box<dyn DiskLock>> {
        let mut state = self.state();
        state.alive()?;
        if std::mem::replace(&mut state.locked, true) {
            return Err(io::ErrorKind::WouldBlock.into());
        }
        Ok(Box::new(SimLock(self.clone())))
    }

    fn create(&self, path: &str) -> io::Result<Arc<dyn DiskFile>> {
        let mut state = self.state();
        state.operate()?;
        state.is_directory(above(path))?;
        let id = state.files.len();
        state.files.push(Contents::default());
        let change = Name::Set(path.to_owned(), id);
        change.apply(&mut state.names);
        state.pending_names.push(change);
        Ok(Arc::new(SimFile {
            disk: self.clone(),
            id,
        }))
    }

    fn open(&self, path: &str) -> io::Result<Arc<dyn DiskFile>> {
        let state = self.state();
        state.alive()?;
        let id = state.id(path)?;
        Ok(Arc::new(SimFile {
            disk: self.clone(),
            id,
        }))
    }

    fn rename(&self, from: &str, to: &str) -> io::Result<()> {
        self.rename_or_remove(from, Some(to))
    }

    fn remove(&self, path: &str) -> io::Result<()> {
        self.rename_or_remove(path, None)
    }

    fn list(&self, directory: &str) -> io::Result<Vec<String>> {
        let state = self.state();
        state.alive()?;
        let inside = |path: &String| {
            let name = path.strip_prefix(directory)?.strip_prefix('/')?;
            (!name.contains('/')).then(|| name.to_owned())
        };
        let files = state.names.iter().filter(|(_, id)| **id != DIRECTORY);
        Ok(files.filter_map(|(path, _)| inside(path)).collect())
    }

    fn create_dir(&self, directory: &str) -> io::Result<()> {
        let mut state = self.state();
        state.operate()?;
        let ends = directory.match_indices('/').map(|(at, _)| at);
        for end in ends.chain([directory.len()]) {
            let path = directory.get(..end).unwrap_or_default();
            if state.is_directory(path).is_err() {
                let change = Name::Set(path.to_owned(), DIRECTORY);
                change.apply(&mut state.names);
                state.pending_names.push(change);
            }
        }
        Ok(())
    }

    fn sync_dir(&self, directory: &str) -> io::Result<()> {
        let mut state = self.state();
        state.operate()?;
        let pending = std::mem::take(&mut state.pending_names);
        for change in pending {
            if change.directory() == directory {
                change.apply(&mut state.durable_names);
            } else {
                state.pending_names.push(change);
            }
        }
        Ok(())
    }

    fn free_space(&self) -> io::Result<u64> {
        let state = self.state();
        state.alive()?;
        Ok(state.capacity.saturating_sub(state.used()))
    }

    fn boot_id(&self) -> Option<String> {
        Some(format!("boot {}", self.state().boot))
    }

    fn salt(&self) -> u64 {
        self.state().next()
    }

    fn index_dir(&self) -> PathBuf {
        self.index.clone()
    }
}
