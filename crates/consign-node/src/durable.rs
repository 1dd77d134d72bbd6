//! Every durable step of a node goes through here: small files, sets of files, streamed
//! files, whole directories, moves and removals. Each call is on stable storage when it
//! returns, and leaves at most a temporary name (`.publishing-…`) when it is cut short.

use std::fs::{self, DirBuilder, File, OpenOptions};
use std::io::{self, BufWriter, Seek, SeekFrom, Write};
use std::os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};

use consign_runtime::entropy;
use consign_runtime::files::{self, Action, FileError, PRIVATE, PRIVATE_DIRECTORY};

/// How temporary names begin; [`files::remove_leftovers`] knows the same.
const TEMPORARY: &str = ".publishing-";

/// Buffer of streamed files.
const BUFFER: usize = 256 * 1024;

pub(crate) fn io_fault(action: Action, path: &Path) -> impl FnOnce(io::Error) -> FileError {
    let path = path.to_owned();
    move |source| FileError::Io {
        action,
        path,
        source,
    }
}

/// A name for something unfinished in `directory`.
fn temporary(directory: &Path) -> Result<PathBuf, FileError> {
    let random = u64::from_be_bytes(entropy::bytes::<8>()?);
    Ok(directory.join(format!("{TEMPORARY}{random:016x}")))
}

/// Publishes one file, replacing what was there.
pub(crate) fn publish(path: &Path, bytes: &[u8]) -> Result<(), FileError> {
    files::publish(path, bytes, PRIVATE)?;
    observe::step();
    Ok(())
}

/// Publishes several files of one directory with one sync of its names. Each is whole or
/// absent after a crash; only all of them together are a finished step.
pub(crate) fn publish_set(directory: &Path, set: &[(&str, &[u8])]) -> Result<(), FileError> {
    let mut written = Vec::with_capacity(set.len());
    let result = set.iter().try_for_each(|(name, bytes)| {
        let path = temporary(directory)?;
        written.push((path.clone(), directory.join(name)));
        write_synced(&path, bytes)
    });
    if let Err(fault) = result {
        for (path, _) in &written {
            // The fault that is returned matters more than this one.
            let _ = fs::remove_file(path);
        }
        return Err(fault);
    }
    for (from, to) in &written {
        fs::rename(from, to).map_err(io_fault(Action::Rename, to))?;
        observe::step();
    }
    files::sync_dir(directory)?;
    observe::step();
    Ok(())
}

fn write_synced(path: &Path, bytes: &[u8]) -> Result<(), FileError> {
    let mut file = create(path)?;
    file.write_all(bytes)
        .map_err(io_fault(Action::Write, path))?;
    file.sync_all().map_err(io_fault(Action::Sync, path))
}

fn create(path: &Path) -> Result<File, FileError> {
    OpenOptions::new()
        .write(true)
        .create_new(true)
        .mode(PRIVATE)
        .open(path)
        .map_err(io_fault(Action::Create, path))
}

/// Writes bytes at a place of a file, which is made if it is missing; what was there and
/// behind it is gone.
pub(crate) fn append_at(path: &Path, length: u64, bytes: &[u8]) -> Result<(), FileError> {
    let new = !path.exists();
    let mut file = OpenOptions::new()
        .write(true)
        .create(true)
        .truncate(false)
        .mode(PRIVATE)
        .open(path)
        .map_err(io_fault(Action::Create, path))?;
    file.set_len(length)
        .and_then(|()| file.seek(SeekFrom::End(0)))
        .and_then(|_| file.write_all(bytes))
        .map_err(io_fault(Action::Write, path))?;
    file.sync_all().map_err(io_fault(Action::Sync, path))?;
    if new {
        sync_parent(path)?;
    }
    observe::step();
    Ok(())
}

/// A file that is written piece by piece and gets its name when it is whole.
#[derive(Debug)]
pub(crate) struct Stream {
    temporary: PathBuf,
    target: PathBuf,
    file: Option<BufWriter<File>>,
}

impl Stream {
    /// Begins the file that will be `directory/name`.
    pub(crate) fn create(directory: &Path, name: &str) -> Result<Self, FileError> {
        Self::create_in(directory, directory.join(name))
    }

    /// Begins the file that will be `target`, in another directory of the same file system:
    /// where what a crash leaves is looked for.
    pub(crate) fn create_in(directory: &Path, target: PathBuf) -> Result<Self, FileError> {
        let temporary = temporary(directory)?;
        let file = create(&temporary)?;
        Ok(Self {
            target,
            temporary,
            file: Some(BufWriter::with_capacity(BUFFER, file)),
        })
    }

    /// What was written so far, to be read.
    pub(crate) fn written(&mut self) -> Result<File, FileError> {
        self.flush()
            .map_err(io_fault(Action::Write, &self.temporary))?;
        open(&self.temporary)
    }

    /// Syncs the content and gives it its name. Returns the size in bytes.
    pub(crate) fn publish(mut self) -> Result<u64, FileError> {
        let fault = |action| io_fault(action, &self.target);
        let Some(writer) = self.file.take() else {
            return Ok(0);
        };
        let file = writer
            .into_inner()
            .map_err(|fault| fault.into_error())
            .map_err(fault(Action::Write))?;
        file.sync_all().map_err(fault(Action::Sync))?;
        let size = file.metadata().map_err(fault(Action::Read))?.len();
        fs::rename(&self.temporary, &self.target).map_err(fault(Action::Rename))?;
        self.temporary.clear();
        if let Some(directory) = self.target.parent() {
            files::sync_dir(directory)?;
        }
        observe::step();
        Ok(size)
    }

    fn writer(&mut self) -> io::Result<&mut BufWriter<File>> {
        self.file
            .as_mut()
            .ok_or_else(|| io::Error::other("the file is finished"))
    }
}

impl Write for Stream {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.writer()?.write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.writer()?.flush()
    }
}

impl Seek for Stream {
    fn seek(&mut self, to: SeekFrom) -> io::Result<u64> {
        self.writer()?.seek(to)
    }
}

impl Drop for Stream {
    fn drop(&mut self) {
        if !self.temporary.as_os_str().is_empty() {
            // What is left is found by its name at the next start.
            let _ = fs::remove_file(&self.temporary);
        }
    }
}

/// A directory that is filled under a temporary name and then moved to its place.
#[derive(Debug)]
pub(crate) struct NewDirectory {
    temporary: PathBuf,
    armed: bool,
}

impl NewDirectory {
    /// Begins a directory inside `parent`.
    pub(crate) fn create(parent: &Path) -> Result<Self, FileError> {
        let temporary = temporary(parent)?;
        make_directory(&temporary)?;
        Ok(Self {
            temporary,
            armed: true,
        })
    }

    /// Where it is filled.
    pub(crate) fn path(&self) -> &Path {
        &self.temporary
    }

    /// Adds a small file.
    pub(crate) fn add(&self, name: &str, bytes: &[u8]) -> Result<(), FileError> {
        write_synced(&self.temporary.join(name), bytes)
    }

    /// Gives it its place, in which nothing may be.
    pub(crate) fn publish(mut self, target: &Path) -> Result<(), FileError> {
        files::sync_dir(&self.temporary)?;
        rename_new(&self.temporary, target)?;
        self.armed = false;
        sync_parent(target)?;
        observe::step();
        Ok(())
    }
}

impl Drop for NewDirectory {
    fn drop(&mut self) {
        if self.armed {
            // What is left is found by its name at the next start.
            let _ = fs::remove_dir_all(&self.temporary);
        }
    }
}

fn make_directory(path: &Path) -> Result<(), FileError> {
    DirBuilder::new()
        .mode(PRIVATE_DIRECTORY)
        .create(path)
        .map_err(io_fault(Action::Create, path))
}

/// Makes a directory and its missing parents, durably.
pub(crate) fn directory(path: &Path) -> Result<(), FileError> {
    files::create_dir_durable(path, PRIVATE_DIRECTORY)
}

/// Moves a directory to a place in which nothing may be; its parents are made.
pub(crate) fn move_directory(from: &Path, to: &Path) -> Result<(), FileError> {
    if let Some(parent) = to.parent() {
        directory(parent)?;
    }
    rename_new(from, to)?;
    sync_parent(to)?;
    sync_parent(from)?;
    observe::step();
    Ok(())
}

/// Renames unless something is there already.
fn rename_new(from: &Path, to: &Path) -> Result<(), FileError> {
    // Everything under a node's directory is changed by one process, which holds its lock.
    if to.symlink_metadata().is_ok() {
        return Err(FileError::AlreadyExists {
            path: to.to_owned(),
        });
    }
    fs::rename(from, to).map_err(io_fault(Action::Rename, to))
}

fn sync_parent(path: &Path) -> Result<(), FileError> {
    path.parent().map_or(Ok(()), files::sync_dir)
}

/// Removes a file durably; nothing to remove is no error.
pub(crate) fn remove(path: &Path) -> Result<(), FileError> {
    files::remove(path)?;
    observe::step();
    Ok(())
}

/// Removes a directory and all in it; nothing to remove is no error.
pub(crate) fn remove_directory(path: &Path) -> Result<(), FileError> {
    match fs::remove_dir_all(path) {
        Ok(()) => {}
        Err(source) if source.kind() == io::ErrorKind::NotFound => return Ok(()),
        Err(source) => return Err(io_fault(Action::Remove, path)(source)),
    }
    sync_parent(path)?;
    observe::step();
    Ok(())
}

/// Removes what a crash left unfinished in `directory`: files and directories.
pub(crate) fn remove_leftovers(directory: &Path) -> Result<(), FileError> {
    for name in names(directory)? {
        if name.starts_with(TEMPORARY) {
            let path = directory.join(&name);
            if path.is_dir() {
                fs::remove_dir_all(&path).map_err(io_fault(Action::Remove, &path))?;
            } else {
                fs::remove_file(&path).map_err(io_fault(Action::Remove, &path))?;
            }
        }
    }
    Ok(())
}

/// Brings a directory, its files and what is below it to stable storage: after a kill, what is
/// seen may not be on the disk yet. Nothing there is no error.
pub(crate) fn settle(directory: &Path) -> Result<(), FileError> {
    for name in names(directory)? {
        let path = directory.join(name);
        if path.is_dir() {
            settle(&path)?;
        } else {
            settle_file(&path)?;
        }
    }
    settle_names(directory)
}

/// [`settle`] for one file.
pub(crate) fn settle_file(path: &Path) -> Result<(), FileError> {
    match File::open(path).and_then(|file| file.sync_all()) {
        Err(source) if source.kind() != io::ErrorKind::NotFound => {
            Err(io_fault(Action::Sync, path)(source))
        }
        _ => Ok(()),
    }
}

/// [`settle`] for the names in a directory and its own name.
pub(crate) fn settle_names(directory: &Path) -> Result<(), FileError> {
    settle_file(directory)?;
    sync_parent(directory)
}

/// Moves a damaged directory to another one, under a name that is free there.
pub(crate) fn move_aside(from: &Path, to: &Path) -> Result<(), FileError> {
    let name = from.file_name().unwrap_or_default().to_string_lossy();
    let mut target = to.join(format!("{name}.damaged"));
    let mut number: u32 = 1;
    while target.symlink_metadata().is_ok() {
        number = number.saturating_add(1);
        target = to.join(format!("{name}.damaged-{number}"));
    }
    move_directory(from, &target)
}

/// The names in a directory, ascending; none if there is no such directory.
pub(crate) fn names(directory: &Path) -> Result<Vec<String>, FileError> {
    let entries = match fs::read_dir(directory) {
        Ok(entries) => entries,
        Err(source) if source.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
        Err(source) => return Err(io_fault(Action::Read, directory)(source)),
    };
    let mut names = Vec::new();
    for entry in entries {
        let entry = entry.map_err(io_fault(Action::Read, directory))?;
        names.extend(entry.file_name().into_string().ok());
    }
    names.sort_unstable();
    Ok(names)
}

/// Size of a file, or `None` if it is not there.
pub(crate) fn size(path: &Path) -> Result<Option<u64>, FileError> {
    match fs::metadata(path) {
        Ok(metadata) => Ok(Some(metadata.len())),
        Err(source) if source.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(source) => Err(io_fault(Action::Read, path)(source)),
    }
}

/// Whether a directory is there.
pub(crate) fn is_directory(path: &Path) -> Result<bool, FileError> {
    match fs::metadata(path) {
        Ok(metadata) => Ok(metadata.is_dir()),
        Err(source) if source.kind() == io::ErrorKind::NotFound => Ok(false),
        Err(source) => Err(io_fault(Action::Read, path)(source)),
    }
}

/// Opens a file for reading.
pub(crate) fn open(path: &Path) -> Result<File, FileError> {
    File::open(path).map_err(io_fault(Action::Read, path))
}

/// Tests look at the directory after every durable step, as if the power went there.
pub(crate) mod observe {
    #[cfg(test)]
    use std::cell::RefCell;

    #[cfg(test)]
    type Observer = Box<dyn FnMut()>;

    #[cfg(test)]
    thread_local! {
        static OBSERVER: RefCell<Option<Observer>> = const { RefCell::new(None) };
    }

    /// Called after each durable step.
    pub(crate) fn step() {
        #[cfg(test)]
        OBSERVER.with_borrow_mut(|observer| {
            if let Some(observer) = observer {
                observer();
            }
        });
    }

    /// Calls `observer` after each durable step of this thread while `work` runs.
    #[cfg(test)]
    pub(crate) fn each_step<T>(observer: impl FnMut() + 'static, work: impl FnOnce() -> T) -> T {
        OBSERVER.set(Some(Box::new(observer)));
        let result = work();
        OBSERVER.set(None);
        result
    }
}
