//! Looking into a backup, and checking every copy.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::{self, Read as _};
use std::path::{Path, PathBuf};

use sha2::{Digest as _, Sha256};

use super::error::{BackupError, fault};
use super::manifest::{self, FileEntry, Header, Subject};
use super::write::read_subject;
use super::{FILES, MANIFEST, PIECE, Progress, SUBJECT};
use crate::files::{self, Action};

/// Faults that are named one by one; of more, only the number is told.
const NAMED: usize = 100;

/// A finished backup.
#[derive(Debug, Clone)]
pub struct Backup {
    root: PathBuf,
    header: Header,
    files: BTreeMap<String, FileEntry>,
}

/// What is wrong with one copy.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Fault {
    /// It is not there.
    Missing {
        /// The file.
        path: String,
    },
    /// It has other bytes.
    Changed {
        /// The file.
        path: String,
    },
    /// It cannot be read.
    Unreadable {
        /// The file.
        path: String,
        /// What the system said.
        why: String,
    },
}

impl std::fmt::Display for Fault {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Missing { path } => write!(f, "{path} is missing"),
            Self::Changed { path } => write!(f, "{path} has other bytes than were copied"),
            Self::Unreadable { path, why } => write!(f, "{path} cannot be read: {why}"),
        }
    }
}

/// What checking every copy came to.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Checked {
    /// Files checked.
    pub files: u64,
    /// Their bytes.
    pub bytes: u64,
    /// Copies that are missing, changed or unreadable.
    pub bad: u64,
    /// The first of them.
    pub faults: Vec<Fault>,
}

/// What a place holds a backup of; `None` if it holds none.
pub(super) fn subject(place: &Path) -> Result<Option<Subject>, BackupError> {
    read_subject(&place.join(SUBJECT))
}

impl Checked {
    /// Counts a copy as changed.
    pub fn add_changed(&mut self, path: &str) {
        let path = path.to_owned();
        self.add(Fault::Changed { path });
    }

    fn add(&mut self, fault: Fault) {
        self.bad += 1;
        if self.faults.len() < NAMED {
            self.faults.push(fault);
        }
    }
}

impl Backup {
    /// Reads the list of a finished backup of `role`.
    ///
    /// # Errors
    /// There is none, it is of another role, or its list is damaged.
    pub fn open(place: &Path, role: &str) -> Result<Self, BackupError> {
        let path = place.to_owned();
        let found =
            subject(place)?.ok_or_else(|| BackupError::Unfinished { path: path.clone() })?;
        if found.role != role {
            let Subject { role, id } = found;
            return Err(BackupError::OfAnother { path, role, id });
        }
        let list = place.join(MANIFEST);
        if !list.exists() {
            return Err(BackupError::Unfinished { path });
        }
        let (header, entries) = manifest::read(&list)?;
        if header.subject != found {
            return Err(BackupError::Manifest {
                path: list,
                line: 1,
            });
        }
        let files = entries
            .into_iter()
            .map(|entry| (entry.path.clone(), entry))
            .collect();
        Ok(Self {
            root: path,
            header,
            files,
        })
    }

    /// What it says of itself.
    #[must_use]
    pub const fn header(&self) -> &Header {
        &self.header
    }

    /// Its files, by path.
    #[must_use]
    pub const fn files(&self) -> &BTreeMap<String, FileEntry> {
        &self.files
    }

    /// Bytes of all its files.
    #[must_use]
    pub fn bytes(&self) -> u64 {
        self.files.values().map(|entry| entry.size).sum()
    }

    /// Where the copy of a file lies.
    #[must_use]
    pub fn copy_of(&self, entry: &FileEntry) -> PathBuf {
        self.root.join(FILES).join(entry.stored())
    }

    /// A small file, checked.
    ///
    /// # Errors
    /// It is not in the backup, or its copy is damaged.
    pub fn read(&self, path: &str, max: usize) -> Result<Vec<u8>, BackupError> {
        let name = path.to_owned();
        let damaged = || BackupError::Damaged { name: name.clone() };
        let entry = self.files.get(path).ok_or_else(damaged)?;
        let bytes = files::read_bounded(&self.copy_of(entry), max)?;
        if manifest::hex(&Sha256::digest(&bytes)) == entry.sha256 {
            Ok(bytes)
        } else {
            Err(damaged())
        }
    }

    /// Reads every copy and holds it against the list.
    ///
    /// # Errors
    /// Never for what is wrong with a copy: that is in the result.
    pub fn check(&self, progress: Progress<'_>) -> Result<Checked, BackupError> {
        let (all, mut done) = (self.bytes(), 0);
        let mut checked = Checked::default();
        for entry in self.files.values() {
            if let Some(fault) = self.check_one(entry) {
                checked.add(fault);
            }
            checked.files += 1;
            checked.bytes += entry.size;
            done += entry.size;
            progress(done, all);
        }
        Ok(checked)
    }

    fn check_one(&self, entry: &FileEntry) -> Option<Fault> {
        let path = entry.path.clone();
        let copy = self.copy_of(entry);
        let digest = match copy.symlink_metadata() {
            Ok(found) if !found.is_file() || found.len() != entry.size => {
                return Some(Fault::Changed { path });
            }
            Ok(_) => digest(&copy),
            Err(error) => Err(fault(Action::Read, &copy)(error)),
        };
        match digest {
            Ok(digest) if digest == entry.sha256 => None,
            Ok(_) => Some(Fault::Changed { path }),
            Err(BackupError::File(error)) if error.is_not_found() => Some(Fault::Missing { path }),
            Err(error) => {
                let why = std::error::Error::source(&error)
                    .map_or_else(|| error.to_string(), |source| source.to_string());
                Some(Fault::Unreadable { path, why })
            }
        }
    }
}

/// SHA-256 of a file in hexadecimal.
fn digest(path: &Path) -> Result<String, BackupError> {
    let mut file = File::open(path).map_err(fault(Action::Read, path))?;
    let (mut hash, mut piece) = (Sha256::new(), vec![0; PIECE]);
    loop {
        match file.read(&mut piece) {
            Ok(0) => return Ok(manifest::hex(&hash.finalize())),
            Ok(read) => hash.update(piece.get(..read).unwrap_or_default()),
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(fault(Action::Read, path)(error)),
        }
    }
}
