//! Making a backup, or bringing one up to date.

use std::collections::{BTreeMap, HashSet};
use std::fs::{self, File, OpenOptions};
use std::io::{self, Read as _, Write as _};
use std::ops::Bound;
use std::os::unix::fs::{DirBuilderExt as _, MetadataExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};

use sha2::{Digest as _, Sha256};

use super::error::{BackupError, fault};
use super::manifest::{self, FileEntry, Header, Subject};
use super::{FILES, MANIFEST, PIECE, PROGRESS, Progress, SUBJECT};
use crate::entropy;
use crate::files::{
    self, Action, DirectoryLock, FileError, PRIVATE, PRIVATE_DIRECTORY, read_bounded,
};

/// Room that is left free where copies go.
const RESERVE: u64 = 16 << 20;
/// Copies that are brought to stable storage together: so many bytes or files.
const BATCH_BYTES: u64 = 256 << 20;
const BATCH_FILES: usize = 5_000;
const MAX_SUBJECT: usize = 16 * 1024;

/// A file to be copied.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Source {
    /// Its path in the backup, with `/` between its parts.
    pub path: String,
    /// Where it lies.
    pub from: PathBuf,
    /// For a file that is written to: the bytes from its start that count. It is copied
    /// anew each time. `None`: all of it.
    pub first: Option<u64>,
}

/// What a run did.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Tally {
    /// Files copied.
    pub copied: u64,
    /// Bytes copied.
    pub copied_bytes: u64,
    /// Files whose copies were there already.
    pub kept: u64,
    /// Bytes of all files.
    pub bytes: u64,
}

/// A backup in the making.
#[derive(Debug)]
pub struct Writer {
    root: PathBuf,
    /// What is there already, by path.
    old: BTreeMap<String, FileEntry>,
    /// Copies that the last finished backup names.
    protected: HashSet<String>,
    new: BTreeMap<String, FileEntry>,
    /// Copied and perhaps not yet on stable storage.
    waiting: Vec<FileEntry>,
    waiting_bytes: u64,
    tally: Tally,
    _lock: DirectoryLock,
}

impl Writer {
    /// Begins in `destination`, which is new, empty, or holds a backup of the same subject;
    /// it lies in none of `sources`.
    ///
    /// # Errors
    /// The place cannot be used.
    pub fn begin(
        destination: &Path,
        subject: &Subject,
        sources: &[&Path],
    ) -> Result<Self, BackupError> {
        for source in sources {
            outside(destination, source)?;
        }
        let named = destination.join(SUBJECT);
        match super::read::subject(destination)? {
            Some(found) if found != *subject => {
                return Err(BackupError::OfAnother {
                    path: destination.to_owned(),
                    role: found.role,
                    id: found.id,
                });
            }
            Some(_) => {}
            None if is_empty(destination)? => {
                files::create_dir_durable(destination, PRIVATE_DIRECTORY)?;
                let text = serde_json::to_vec(subject).unwrap_or_default();
                files::publish(&named, &text, PRIVATE)?;
            }
            None => {
                return Err(BackupError::NotABackup {
                    path: destination.to_owned(),
                });
            }
        }
        let lock = DirectoryLock::acquire(destination)?;
        files::remove_leftovers(destination)?;
        make_directory(&destination.join(FILES))?;
        let (mut old, mut protected) = (BTreeMap::new(), HashSet::new());
        let finished = destination.join(MANIFEST);
        if finished.exists() {
            for entry in manifest::read(&finished)?.1 {
                protected.insert(entry.stored().to_owned());
                old.insert(entry.path.clone(), entry);
            }
        }
        for entry in manifest::read_progress(&destination.join(PROGRESS))? {
            old.insert(entry.path.clone(), entry);
        }
        Ok(Self {
            root: destination.to_owned(),
            old,
            protected,
            new: BTreeMap::new(),
            waiting: Vec::new(),
            waiting_bytes: 0,
            tally: Tally::default(),
            _lock: lock,
        })
    }

    /// Copies files in their order. Gives the paths of those that were gone when their turn
    /// came: whoever made the list knows whether that is right.
    ///
    /// # Errors
    /// There is too little room, or the system refused. What was copied is kept for the
    /// next run.
    pub fn copy(
        &mut self,
        sources: &[Source],
        progress: Progress<'_>,
    ) -> Result<Vec<String>, BackupError> {
        let needed = self.room_for(sources)?;
        let (mut done, mut gone) = (0, Vec::new());
        progress(done, needed);
        for source in sources {
            if let Some(entry) = self.kept(source)? {
                self.tally.kept += 1;
                self.take(entry);
                continue;
            }
            match self.copy_one(source, &mut |bytes| {
                done += bytes;
                progress(done, needed.max(done));
            })? {
                Some(entry) => self.copied(entry)?,
                None => gone.push(source.path.clone()),
            }
        }
        Ok(gone)
    }

    /// The paths in the backup that is being made which begin so, ascending.
    pub fn paths<'a>(&'a self, prefix: &'a str) -> impl Iterator<Item = &'a str> {
        let begin = (Bound::Included(prefix), Bound::Unbounded);
        let from = self.new.range::<str, _>(begin);
        let paths = from.map(|(path, _)| path.as_str());
        paths.take_while(move |path| path.starts_with(prefix))
    }

    /// Whether a path is in the backup that is being made.
    #[must_use]
    pub fn has(&self, path: &str) -> bool {
        self.new.contains_key(path)
    }

    /// Where the copy of a path lies.
    #[must_use]
    pub fn copy_of(&self, path: &str) -> Option<PathBuf> {
        let entry = self.new.get(path)?;
        Some(self.root.join(FILES).join(entry.stored()))
    }

    /// Leaves out all that lies below a path.
    pub fn leave_out(&mut self, below: &str) {
        let prefix = format!("{below}/");
        let paths: Vec<String> = self.paths(&prefix).map(str::to_owned).collect();
        for path in paths {
            self.new.remove(&path);
        }
    }

    /// Publishes the list of files: from now on this is the backup. Copies that no list
    /// names any more are removed.
    ///
    /// # Errors
    /// The system refused; the backup before it then still holds.
    pub fn finish(mut self, header: &Header) -> Result<Tally, BackupError> {
        self.flush()?;
        manifest::publish(&self.root.join(MANIFEST), header, &self.new)?;
        files::remove(&self.root.join(PROGRESS))?;
        let named: HashSet<&str> = self.new.values().map(FileEntry::stored).collect();
        let place = self.root.join(FILES);
        prune(&place, "", &named)?;
        self.tally.bytes = self.new.values().map(|entry| entry.size).sum();
        Ok(self.tally)
    }

    fn room_for(&self, sources: &[Source]) -> Result<u64, BackupError> {
        let mut needed = 0_u64;
        for source in sources {
            if self.kept(source)?.is_none() {
                let size = fs::metadata(&source.from).map_or(0, |it| it.len());
                needed = needed.saturating_add(source.first.unwrap_or(size));
            }
        }
        room(&self.root, needed)?;
        Ok(needed)
    }

    /// The copy that is there already, if the file is still the one that was copied.
    fn kept(&self, source: &Source) -> Result<Option<FileEntry>, BackupError> {
        if source.first.is_some() {
            return Ok(None);
        }
        let Some(entry) = self.old.get(&source.path) else {
            return Ok(None);
        };
        let copy = self.root.join(FILES).join(entry.stored());
        let same = match (fs::metadata(&source.from), fs::metadata(&copy)) {
            (Ok(file), Ok(copy)) => {
                file.len() == entry.size
                    && modified(&file) == entry.modified
                    && copy.len() == entry.size
            }
            (Err(error), _) | (_, Err(error)) if error.kind() != io::ErrorKind::NotFound => {
                return Err(fault(Action::Read, &source.from)(error));
            }
            _ => false,
        };
        Ok(same.then(|| entry.clone()))
    }

    fn copy_one(
        &self,
        source: &Source,
        progress: &mut dyn FnMut(u64),
    ) -> Result<Option<FileEntry>, BackupError> {
        let from = match File::open(&source.from) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            opened => opened.map_err(fault(Action::Read, &source.from))?,
        };
        let metadata = from.metadata().map_err(fault(Action::Read, &source.from))?;
        let place = self.root.join(FILES).join(&source.path);
        let parent = place.parent().unwrap_or(&self.root);
        make_directory(parent)?;
        let random = entropy::hex::<8>().map_err(FileError::from)?;
        let temporary = parent.join(format!(".publishing-{random}"));
        let mut to = create(&temporary)?;
        let from = from.take(source.first.unwrap_or(u64::MAX));
        let (size, sha256) = pour(from, &source.from, &mut to, &temporary, progress)?;
        let mut entry = FileEntry {
            path: source.path.clone(),
            size,
            sha256,
            mode: metadata.mode() & 0o777,
            modified: modified(&metadata),
            stored: None,
        };
        self.give_name(&mut entry, &temporary)?;
        Ok(Some(entry))
    }

    /// Gives a copy its name, which is another one where the last backup needs its own.
    fn give_name(&self, entry: &mut FileEntry, temporary: &Path) -> Result<(), BackupError> {
        if self.protected.contains(&entry.path) {
            let digest = entry.sha256.get(..32).unwrap_or_default();
            entry.stored = Some(format!("{}.{digest}", entry.path));
        }
        let place = self.root.join(FILES).join(entry.stored());
        fs::rename(temporary, &place).map_err(fault(Action::Rename, &place))
    }

    fn take(&mut self, entry: FileEntry) {
        self.new.insert(entry.path.clone(), entry);
    }

    fn copied(&mut self, entry: FileEntry) -> Result<(), BackupError> {
        self.tally.copied += 1;
        self.tally.copied_bytes += entry.size;
        self.waiting_bytes += entry.size;
        self.waiting.push(entry.clone());
        self.take(entry);
        if self.waiting_bytes >= BATCH_BYTES || self.waiting.len() >= BATCH_FILES {
            self.flush()?;
        }
        Ok(())
    }

    /// Brings copies to stable storage, and only then notes them as done.
    fn flush(&mut self) -> Result<(), BackupError> {
        if self.waiting.is_empty() {
            return Ok(());
        }
        sync_all(&self.root)?;
        let path = self.root.join(PROGRESS);
        let mut lines = Vec::new();
        for entry in self.waiting.drain(..) {
            lines.extend_from_slice(&manifest::line(&entry));
        }
        self.waiting_bytes = 0;
        let mut file = OpenOptions::new()
            .append(true)
            .create(true)
            .mode(PRIVATE)
            .open(&path)
            .map_err(fault(Action::Create, &path))?;
        file.write_all(&lines)
            .map_err(fault(Action::Write, &path))?;
        file.sync_data().map_err(fault(Action::Sync, &path))
    }
}

/// What was copied is not copied again, whatever the run ended with.
impl Drop for Writer {
    fn drop(&mut self) {
        // The fault that ended the run matters more than this one.
        let _ = self.flush();
    }
}

/// That a place has room for so many bytes.
pub(super) fn room(place: &Path, needed: u64) -> Result<(), BackupError> {
    let space =
        rustix::fs::statvfs(place).map_err(|errno| fault(Action::Read, place)(errno.into()))?;
    let free = space.f_bavail.saturating_mul(space.f_frsize);
    let needed = needed.saturating_add(RESERVE);
    if free < needed {
        let path = place.to_owned();
        return Err(BackupError::NoRoom { path, free, needed });
    }
    Ok(())
}

/// Brings everything of a file system to stable storage: one call for a million small files.
pub(super) fn sync_all(place: &Path) -> Result<(), BackupError> {
    let directory = File::open(place).map_err(fault(Action::Sync, place))?;
    rustix::fs::syncfs(&directory).map_err(|errno| fault(Action::Sync, place)(errno.into()))
}

/// Copies all bytes; gives how many, and their SHA-256.
pub(super) fn pour(
    mut from: impl io::Read,
    from_path: &Path,
    to: &mut File,
    to_path: &Path,
    progress: &mut dyn FnMut(u64),
) -> Result<(u64, String), BackupError> {
    let (mut hash, mut size) = (Sha256::new(), 0_u64);
    let mut piece = vec![0; PIECE];
    loop {
        let read = match from.read(&mut piece) {
            Ok(0) => break,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
            read => read.map_err(fault(Action::Read, from_path))?,
        };
        let bytes = piece.get(..read).unwrap_or_default();
        hash.update(bytes);
        to.write_all(bytes).map_err(fault(Action::Write, to_path))?;
        size += read as u64;
        progress(read as u64);
    }
    Ok((size, manifest::hex(&hash.finalize())))
}

pub(super) fn create(path: &Path) -> Result<File, BackupError> {
    OpenOptions::new()
        .write(true)
        .create_new(true)
        .mode(PRIVATE)
        .open(path)
        .map_err(fault(Action::Create, path))
}

pub(super) fn make_directory(path: &Path) -> Result<(), BackupError> {
    fs::DirBuilder::new()
        .mode(PRIVATE_DIRECTORY)
        .recursive(true)
        .create(path)
        .map_err(fault(Action::Create, path))
}

fn modified(metadata: &fs::Metadata) -> u64 {
    let seconds = u64::try_from(metadata.mtime()).unwrap_or_default();
    let rest = u64::try_from(metadata.mtime_nsec()).unwrap_or_default();
    seconds.saturating_mul(1_000_000_000).saturating_add(rest)
}

/// Whether a directory is not there, or has nothing in it.
pub(super) fn is_empty(path: &Path) -> Result<bool, BackupError> {
    match fs::read_dir(path) {
        Ok(mut entries) => Ok(entries.next().is_none()),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(true),
        Err(error) => Err(fault(Action::Read, path)(error)),
    }
}

/// That a place lies outside a directory, by whatever name.
fn outside(place: &Path, directory: &Path) -> Result<(), BackupError> {
    let whole = std::path::absolute(place).map_err(fault(Action::Read, place))?;
    let real = whole
        .ancestors()
        .find_map(|above| Some((above, above.canonicalize().ok()?)))
        .map(|(above, real)| real.join(whole.strip_prefix(above).unwrap_or(Path::new(""))));
    let inside = match (real, directory.canonicalize()) {
        (Some(place), Ok(directory)) => place.starts_with(directory),
        _ => false,
    };
    if inside {
        return Err(BackupError::Inside {
            destination: place.to_owned(),
            source_directory: directory.to_owned(),
        });
    }
    Ok(())
}

/// Removes what nobody names, and directories that are empty then.
fn prune(place: &Path, prefix: &str, named: &HashSet<&str>) -> Result<bool, BackupError> {
    let mut empty = true;
    for entry in fs::read_dir(place).map_err(fault(Action::Read, place))? {
        let entry = entry.map_err(fault(Action::Read, place))?;
        let path = entry.path();
        let name = entry.file_name();
        let below = format!("{prefix}{}", name.to_string_lossy());
        let kind = entry.file_type().map_err(fault(Action::Read, &path))?;
        if kind.is_dir() {
            if prune(&path, &format!("{below}/"), named)? {
                fs::remove_dir(&path).map_err(fault(Action::Remove, &path))?;
            } else {
                empty = false;
            }
        } else if named.contains(below.as_str()) {
            empty = false;
        } else {
            fs::remove_file(&path).map_err(fault(Action::Remove, &path))?;
        }
    }
    Ok(empty)
}

pub(super) fn read_subject(path: &Path) -> Result<Option<Subject>, BackupError> {
    let bytes = match read_bounded(path, MAX_SUBJECT) {
        Err(error) if error.is_not_found() => return Ok(None),
        read => read?,
    };
    let subject = serde_json::from_slice(&bytes).map_err(|_| BackupError::Manifest {
        path: path.to_owned(),
        line: 1,
    })?;
    Ok(Some(subject))
}
