//! One process to a directory.

use std::fs::{File, OpenOptions, TryLockError};
use std::io::{self, Read as _, Write as _};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};

use thiserror::Error;

use super::{Action, FileError, PRIVATE, fault};

/// A directory held by this process, through an advisory lock on `DIR/lock`.
///
/// The kernel lets go of it when the process ends, however it ends. The file stays: removing it
/// would let two processes lock two different files of one name.
#[derive(Debug)]
pub struct DirectoryLock {
    file: File,
    path: PathBuf,
}

/// Unlocks by word and not by closing: a child that is being started shares the open file
/// until it runs its own program, and would keep the lock for that long.
impl Drop for DirectoryLock {
    fn drop(&mut self) {
        // Closing follows in any case.
        let _ = self.file.unlock();
    }
}

/// Why a directory could not be locked.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum LockError {
    /// Another process has it.
    #[error("{} is in use by {}; stop that process first", directory.display(), process(*pid))]
    Held {
        /// The directory.
        directory: PathBuf,
        /// Which process said it took the lock.
        pid: Option<u32>,
    },
    /// The lock's file cannot be used.
    #[error(transparent)]
    File(#[from] FileError),
}

impl DirectoryLock {
    /// Locks `directory`, which must exist, until the value is dropped.
    ///
    /// # Errors
    /// Another process holds it, or the system refused.
    pub fn acquire(directory: &Path) -> Result<Self, LockError> {
        let path = directory.join("lock");
        let file = open(&path)?;
        match file.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => {
                let (directory, pid) = (directory.to_owned(), recorded_pid(&file));
                return Err(LockError::Held { directory, pid });
            }
            Err(TryLockError::Error(source)) => {
                return Err(fault(Action::Lock, &path)(source).into());
            }
        }
        record_pid(&file).map_err(fault(Action::Write, &path))?;
        Ok(Self { file, path })
    }

    /// [`acquire`](Self::acquire) that waits for whoever holds it, for as long as that takes:
    /// where nobody holds it for longer than one operation.
    ///
    /// # Errors
    /// The system refused.
    pub fn wait(directory: &Path) -> Result<Self, LockError> {
        let path = directory.join("lock");
        let file = open(&path)?;
        file.lock().map_err(fault(Action::Lock, &path))?;
        record_pid(&file).map_err(fault(Action::Write, &path))?;
        Ok(Self { file, path })
    }

    /// The file that carries the lock.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.path
    }
}

fn open(path: &Path) -> Result<File, FileError> {
    OpenOptions::new()
        .read(true)
        .write(true)
        .create(true)
        .truncate(false)
        .mode(PRIVATE)
        .open(path)
        .map_err(fault(Action::Create, path))
}

/// For people only: the lock itself decides.
fn record_pid(mut file: &File) -> io::Result<()> {
    file.set_len(0)?;
    writeln!(file, "{}", std::process::id())
}

fn recorded_pid(file: &File) -> Option<u32> {
    let mut text = String::new();
    file.take(16).read_to_string(&mut text).ok()?;
    text.trim_end().parse().ok()
}

fn process(pid: Option<u32>) -> String {
    pid.map_or_else(
        || "another process".to_owned(),
        |pid| format!("process {pid}"),
    )
}
