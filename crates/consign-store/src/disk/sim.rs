//! A disk in memory that keeps to the letter of the contract: a power cut keeps, drops
//! or tears whatever was not synced, by a seed.
//!
//! A file's bytes are kept twice, as the page cache shows them and as the medium holds
//! them, with the writes in between. A cut applies a random choice of those, each cut
//! into sectors of 512 bytes. Names of a directory are a journal of their own: a cut
//! keeps a random beginning of what was not synced.

use std::collections::BTreeMap;
use std::io;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use super::{Disk, DiskFile, DiskLock};

const SECTOR: usize = 512;

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

#[derive(Debug)]
struct State {
    random: u64,
    boot: u64,
    locked: bool,
    dead: bool,
    capacity: u64,
    fault: Option<Fault>,
    tally: SimTally,
    files: Vec<Contents>,
    names: BTreeMap<String, usize>,
    durable_names: BTreeMap<String, usize>,
    pending_names: Vec<Name>,
}

#[derive(Debug, Default)]
struct Contents {
    cache: Vec<u8>,
    medium: Vec<u8>,
    pending: Vec<Change>,
    reserved: u64,
}

#[derive(Debug, Clone)]
enum Change {
    Write(usize, Vec<u8>),
    Size(usize),
}

#[derive(Debug, Clone)]
enum Name {
    Set(String, usize),
    Move(String, String, usize),
    Remove(String),
}

impl SimDisk {
    /// An empty disk with `capacity` bytes; `index` is the real directory of the index.
    pub fn new(seed: u64, capacity: u64, index: impl Into<PathBuf>) -> Self {
        let state = State {
            random: seed ^ 0x9e37_79b9_7f4a_7c15,
            boot: 1,
            locked: false,
            dead: false,
            capacity,
            fault: None,
            tally: SimTally::default(),
            files: Vec::new(),
            names: BTreeMap::new(),
            durable_names: BTreeMap::new(),
            pending_names: Vec::new(),
        };
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
        self.state().names.keys().cloned().collect()
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    /// SplitMix64.
    fn next(&mut self) -> u64 {
        self.random = self.random.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.random;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    fn revive(&mut self) {
        self.dead = false;
        self.fault = None;
        self.locked = false;
    }

    /// Counts an operation and lets it fail if it is its turn.
    fn operate(&mut self) -> io::Result<()> {
        self.alive()?;
        let turn = self.tally.operations;
        self.tally.operations += 1;
        match self.fault {
            Some(Fault::Crash { after }) if turn >= after => {
                self.dead = true;
                Err(io::Error::other("the power is gone"))
            }
            Some(Fault::Once { after }) if turn >= after => {
                self.fault = None;
                Err(io::Error::other("the medium is bad"))
            }
            _ => Ok(()),
        }
    }

    fn alive(&self) -> io::Result<()> {
        if self.dead {
            Err(io::Error::other("the power is gone"))
        } else {
            Ok(())
        }
    }

    fn used(&self) -> u64 {
        let named = self.names.values().filter_map(|id| self.files.get(*id));
        named
            .map(|file| file.reserved.max(file.cache.len() as u64))
            .sum()
    }

    fn grow(&self, by: u64) -> io::Result<()> {
        if by > 0 && self.used().saturating_add(by) > self.capacity {
            Err(io::ErrorKind::StorageFull.into())
        } else {
            Ok(())
        }
    }

    fn file(&mut self, id: usize) -> io::Result<&mut Contents> {
        self.files
            .get_mut(id)
            .ok_or_else(|| io::ErrorKind::NotFound.into())
    }

    fn lose_names(&mut self) {
        let pending = std::mem::take(&mut self.pending_names);
        let kept = match pending.len() as u64 {
            0 => 0,
            count => self.next() % (count + 1),
        };
        self.tally.names_lost += pending.len() as u64 - kept;
        for name in pending.into_iter().take(usize::try_from(kept).unwrap_or(0)) {
            name.apply(&mut self.durable_names);
        }
        self.names = self.durable_names.clone();
    }

    fn lose_writes(&mut self) {
        let mut files = std::mem::take(&mut self.files);
        for file in &mut files {
            // Half of the files get all or nothing: whole frames that nobody answered for.
            let mood = self.next() % 4;
            for change in std::mem::take(&mut file.pending) {
                match mood {
                    0 => change.apply(&mut file.medium),
                    1 => self.tally.dropped += 1,
                    _ => self.tear(&change, &mut file.medium),
                }
            }
            file.cache = file.medium.clone();
            file.reserved = file.cache.len() as u64;
        }
        self.files = files;
    }

    /// Applies a change wholly, not at all, or by sectors.
    fn tear(&mut self, change: &Change, medium: &mut Vec<u8>) {
        match (change, self.next() % 4) {
            (_, 0) => change.apply(medium),
            (_, 1) => self.tally.dropped += 1,
            (Change::Size(_), _) => change.apply(medium),
            (Change::Write(offset, bytes), _) => {
                self.tally.torn += 1;
                let mut at = *offset;
                let end = offset + bytes.len();
                while at < end {
                    let next = (at / SECTOR + 1) * SECTOR;
                    let part = bytes.get(at - offset..next.min(end) - offset);
                    if self.next().is_multiple_of(2) {
                        let part = part.unwrap_or_default().to_vec();
                        Change::Write(at, part).apply(medium);
                    }
                    at = next;
                }
            }
        }
    }
}

impl Change {
    fn apply(&self, bytes: &mut Vec<u8>) {
        match self {
            Self::Size(size) => bytes.resize(*size, 0),
            Self::Write(offset, part) => {
                let end = offset + part.len();
                if bytes.len() < end {
                    bytes.resize(end, 0);
                }
                if let Some(place) = bytes.get_mut(*offset..end) {
                    place.copy_from_slice(part);
                }
            }
        }
    }
}

impl Name {
    fn apply(&self, names: &mut BTreeMap<String, usize>) {
        match self {
            Self::Set(path, id) => {
                names.insert(path.clone(), *id);
            }
            Self::Move(from, to, id) => {
                names.remove(from);
                names.insert(to.clone(), *id);
            }
            Self::Remove(path) => {
                names.remove(path);
            }
        }
    }

    fn directory(&self) -> &str {
        let path = match self {
            Self::Set(path, _) | Self::Remove(path) | Self::Move(_, path, _) => path,
        };
        path.rsplit_once('/').map_or("", |(directory, _)| directory)
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
        let id = *state.names.get(path).ok_or(io::ErrorKind::NotFound)?;
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
        let id = *state.names.get(path).ok_or(io::ErrorKind::NotFound)?;
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
        Ok(state.names.keys().filter_map(inside).collect())
    }

    fn create_dir(&self, _directory: &str) -> io::Result<()> {
        // Directories are parts of names here: they come with the first file.
        self.state().alive()
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
