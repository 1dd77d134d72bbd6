//! What a simulated disk holds, and what is left of it when the power goes.

use std::collections::BTreeMap;
use std::io;

use super::{Fault, SimTally};

const SECTOR: usize = 512;

/// What stands for a directory in place of a file's number.
pub(super) const DIRECTORY: usize = usize::MAX;

/// The directory that a path is in; the empty path is the root.
pub(super) fn above(path: &str) -> &str {
    path.rsplit_once('/').map_or("", |(directory, _)| directory)
}

#[derive(Debug)]
pub(super) struct State {
    pub(super) random: u64,
    pub(super) boot: u64,
    pub(super) locked: bool,
    pub(super) dead: bool,
    pub(super) capacity: u64,
    pub(super) fault: Option<Fault>,
    pub(super) tally: SimTally,
    pub(super) files: Vec<Contents>,
    pub(super) names: BTreeMap<String, usize>,
    pub(super) durable_names: BTreeMap<String, usize>,
    pub(super) pending_names: Vec<Name>,
}

#[derive(Debug, Default)]
pub(super) struct Contents {
    pub(super) cache: Vec<u8>,
    pub(super) medium: Vec<u8>,
    pub(super) pending: Vec<Change>,
    pub(super) reserved: u64,
}

#[derive(Debug, Clone)]
pub(super) enum Change {
    Write(usize, Vec<u8>),
    Size(usize),
}

#[derive(Debug, Clone)]
pub(super) enum Name {
    Set(String, usize),
    Move(String, String, usize),
    Remove(String),
}

impl State {
    pub(super) fn new(seed: u64, capacity: u64) -> Self {
        Self {
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
        }
    }

    /// SplitMix64.
    pub(super) fn next(&mut self) -> u64 {
        self.random = self.random.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.random;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    pub(super) fn revive(&mut self) {
        self.dead = false;
        self.fault = None;
        self.locked = false;
    }

    /// Counts an operation and lets it fail if it is its turn.
    pub(super) fn operate(&mut self) -> io::Result<()> {
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

    pub(super) fn alive(&self) -> io::Result<()> {
        if self.dead {
            Err(io::Error::other("the power is gone"))
        } else {
            Ok(())
        }
    }

    pub(super) fn used(&self) -> u64 {
        let named = self.names.values().filter_map(|id| self.files.get(*id));
        named
            .map(|file| file.reserved.max(file.cache.len() as u64))
            .sum()
    }

    pub(super) fn grow(&self, by: u64) -> io::Result<()> {
        if by > 0 && self.used().saturating_add(by) > self.capacity {
            Err(io::ErrorKind::StorageFull.into())
        } else {
            Ok(())
        }
    }

    pub(super) fn file(&mut self, id: usize) -> io::Result<&mut Contents> {
        self.files
            .get_mut(id)
            .ok_or_else(|| io::ErrorKind::NotFound.into())
    }

    pub(super) fn lose_names(&mut self) {
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
        // What was made durable in a directory that itself was not is nowhere. In their
        // order a directory comes before what it holds.
        for path in self.durable_names.keys() {
            if !above(path).is_empty() && !self.names.contains_key(above(path)) {
                self.names.remove(path);
                self.tally.names_lost += 1;
            }
        }
        self.durable_names = self.names.clone();
    }

    /// That a directory is there; the root always is.
    pub(super) fn is_directory(&self, path: &str) -> io::Result<()> {
        match self.names.get(path) {
            Some(&DIRECTORY) => Ok(()),
            _ if path.is_empty() => Ok(()),
            _ => Err(io::ErrorKind::NotFound.into()),
        }
    }

    /// The number of a file.
    pub(super) fn id(&self, path: &str) -> io::Result<usize> {
        let id = self.names.get(path).filter(|id| **id != DIRECTORY);
        id.copied().ok_or_else(|| io::ErrorKind::NotFound.into())
    }

    pub(super) fn lose_writes(&mut self) {
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
    pub(super) fn tear(&mut self, change: &Change, medium: &mut Vec<u8>) {
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
    pub(super) fn apply(&self, bytes: &mut Vec<u8>) {
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
    pub(super) fn apply(&self, names: &mut BTreeMap<String, usize>) {
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

    pub(super) fn directory(&self) -> &str {
        let path = match self {
            Self::Set(path, _) | Self::Remove(path) | Self::Move(_, path, _) => path,
        };
        above(path)
    }
}
