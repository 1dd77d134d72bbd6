//! The one seam through which the journal, payloads and marks reach the disk.
//!
//! What a caller may rely on is what a power cut leaves of a real disk, and no more:
//! bytes of a file are safe after [`DiskFile::sync_data`], a name in a directory after
//! [`Disk::sync_dir`]. Everything else may be there wholly, partly or not at all.
//! [`RealDisk`] is a directory; `SimDisk` keeps to the letter of that contract, so
//! that tests can cut the power anywhere.
//!
//! Paths are relative, with `/` between their parts.

mod real;
#[cfg(any(test, feature = "conformance"))]
mod sim;

use std::fmt;
use std::io;
use std::path::PathBuf;
use std::sync::Arc;

pub use real::RealDisk;
#[cfg(any(test, feature = "conformance"))]
pub use sim::{Fault, SimDisk, SimTally};

/// Held as long as a store is open; dropped, the directory is free again.
pub trait DiskLock: Send + Sync + fmt::Debug {}

/// An open file.
pub trait DiskFile: Send + Sync + fmt::Debug {
    /// Reads up to `buffer.len()` bytes; fewer only at the end of the file.
    ///
    /// # Errors
    /// As the system says.
    fn read_at(&self, buffer: &mut [u8], offset: u64) -> io::Result<usize>;

    /// Writes all of `bytes`.
    ///
    /// # Errors
    /// As the system says; how much was written is then unknown.
    fn write_at(&self, bytes: &[u8], offset: u64) -> io::Result<()>;

    /// Makes the file's bytes and length durable.
    ///
    /// # Errors
    /// As the system says; never try again after one.
    fn sync_data(&self) -> io::Result<()>;

    /// The length in bytes.
    ///
    /// # Errors
    /// As the system says.
    fn size(&self) -> io::Result<u64>;

    /// Cuts or extends the file.
    ///
    /// # Errors
    /// As the system says.
    fn set_size(&self, size: u64) -> io::Result<()>;

    /// Makes the file `size` bytes long, of zeros, with room on the disk for all of them.
    ///
    /// # Errors
    /// [`io::ErrorKind::StorageFull`] if there is not that much room.
    fn preallocate(&self, size: u64) -> io::Result<()>;
}

/// A directory tree on a disk.
pub trait Disk: Send + Sync + fmt::Debug + 'static {
    /// Locks the tree against every other process and store.
    ///
    /// # Errors
    /// [`io::ErrorKind::WouldBlock`] if it is locked.
    fn lock(&self) -> io::Result<Box<dyn DiskLock>>;

    /// Makes a new, empty file, in place of an old one.
    ///
    /// # Errors
    /// As the system says.
    fn create(&self, path: &str) -> io::Result<Arc<dyn DiskFile>>;

    /// Opens a file for reading and writing.
    ///
    /// # Errors
    /// [`io::ErrorKind::NotFound`] if there is none.
    fn open(&self, path: &str) -> io::Result<Arc<dyn DiskFile>>;

    /// Renames a file, over another one if there is.
    ///
    /// # Errors
    /// As the system says.
    fn rename(&self, from: &str, to: &str) -> io::Result<()>;

    /// Removes a file.
    ///
    /// # Errors
    /// As the system says.
    fn remove(&self, path: &str) -> io::Result<()>;

    /// The names of the files in a directory, in no order.
    ///
    /// # Errors
    /// As the system says.
    fn list(&self, directory: &str) -> io::Result<Vec<String>>;

    /// Makes a directory and those above it; no fault if it is there.
    ///
    /// # Errors
    /// As the system says.
    fn create_dir(&self, directory: &str) -> io::Result<()>;

    /// Makes the names in a directory durable; the empty path is the root.
    ///
    /// # Errors
    /// As the system says; never try again after one.
    fn sync_dir(&self, directory: &str) -> io::Result<()>;

    /// Bytes that we may still use.
    ///
    /// # Errors
    /// As the system says.
    fn free_space(&self) -> io::Result<u64>;

    /// What names the running system since it was started, if anything does.
    fn boot_id(&self) -> Option<String>;

    /// A number that whoever sends us payloads cannot guess.
    fn salt(&self) -> u64;

    /// The real directory for the index, which does its own file access.
    fn index_dir(&self) -> PathBuf;
}

/// Reads exactly `length` bytes; `None` if the file ends before.
pub(crate) fn read_exact(
    file: &dyn DiskFile,
    offset: u64,
    length: usize,
) -> io::Result<Option<Vec<u8>>> {
    let mut bytes = vec![0; length];
    let read = file.read_at(&mut bytes, offset)?;
    Ok((read == length).then_some(bytes))
}
