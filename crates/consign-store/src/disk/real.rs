//! A directory of the machine.

use std::fs::{File, OpenOptions, TryLockError};
use std::hash::{BuildHasher, RandomState};
use std::io;
use std::os::unix::fs::{DirBuilderExt, FileExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use rustix::fs::FallocateFlags;

use super::{Disk, DiskFile, DiskLock};

/// A directory of the machine; files are made with mode 0600, directories with 0700.
#[derive(Debug, Clone)]
pub struct RealDisk {
    root: PathBuf,
}

impl RealDisk {
    /// A directory, made if it is not there.
    ///
    /// # Errors
    /// As the system says.
    pub fn new(root: impl Into<PathBuf>) -> io::Result<Self> {
        let root = root.into();
        make_dir(&root)?;
        Ok(Self { root })
    }

    fn path(&self, path: &str) -> PathBuf {
        if path.is_empty() {
            self.root.clone()
        } else {
            self.root.join(path)
        }
    }
}

/// Makes a directory and those above it, each with its name on the disk.
fn make_dir(path: &Path) -> io::Result<()> {
    let missing = path
        .ancestors()
        .take_while(|directory| !directory.as_os_str().is_empty() && !directory.is_dir());
    let missing: Vec<_> = missing.collect();
    for directory in missing.into_iter().rev() {
        match std::fs::DirBuilder::new().mode(0o700).create(directory) {
            // Someone else was faster.
            Err(_) if directory.is_dir() => {}
            made => made?,
        }
        let above = directory
            .parent()
            .filter(|above| !above.as_os_str().is_empty());
        File::open(above.unwrap_or(Path::new(".")))?.sync_all()?;
    }
    Ok(())
}

#[derive(Debug)]
struct RealLock {
    _file: File,
}

impl DiskLock for RealLock {}

#[derive(Debug)]
struct RealFile(File);

impl DiskFile for RealFile {
    fn read_at(&self, buffer: &mut [u8], offset: u64) -> io::Result<usize> {
        let mut done = 0;
        while let Some(rest) = buffer.get_mut(done..).filter(|rest| !rest.is_empty()) {
            match self.0.read_at(rest, offset + done as u64) {
                Ok(0) => break,
                Ok(read) => done += read,
                Err(fault) if fault.kind() == io::ErrorKind::Interrupted => {}
                Err(fault) => return Err(fault),
            }
        }
        Ok(done)
    }

    fn write_at(&self, bytes: &[u8], offset: u64) -> io::Result<()> {
        self.0.write_all_at(bytes, offset)
    }

    fn sync_data(&self) -> io::Result<()> {
        self.0.sync_data()
    }

    fn size(&self) -> io::Result<u64> {
        self.0.metadata().map(|metadata| metadata.len())
    }

    fn set_size(&self, size: u64) -> io::Result<()> {
        self.0.set_len(size)
    }

    fn preallocate(&self, size: u64) -> io::Result<()> {
        match rustix::fs::fallocate(&self.0, FallocateFlags::empty(), 0, size) {
            // No such thing on this file system: write the zeros, so that the room is ours.
            Err(rustix::io::Errno::OPNOTSUPP | rustix::io::Errno::NOSYS) => {
                write_zeros(&self.0, size)
            }
            result => result.map_err(io::Error::from),
        }
    }
}

fn write_zeros(file: &File, size: u64) -> io::Result<()> {
    let zeros = [0; 64 * 1024];
    let mut offset = 0;
    while offset < size {
        let length =
            usize::try_from(size - offset).map_or(zeros.len(), |rest| rest.min(zeros.len()));
        file.write_all_at(zeros.get(..length).unwrap_or_default(), offset)?;
        offset += length as u64;
    }
    Ok(())
}

impl Disk for RealDisk {
    fn lock(&self) -> io::Result<Box<dyn DiskLock>> {
        let file = OpenOptions::new()
            .create(true)
            .truncate(false)
            .write(true)
            .mode(0o600)
            .open(self.path("lock"))?;
        match file.try_lock() {
            Ok(()) => Ok(Box::new(RealLock { _file: file })),
            Err(TryLockError::WouldBlock) => Err(io::ErrorKind::WouldBlock.into()),
            Err(TryLockError::Error(fault)) => Err(fault),
        }
    }

    fn create(&self, path: &str) -> io::Result<Arc<dyn DiskFile>> {
        let file = OpenOptions::new()
            .create(true)
            .truncate(true)
            .read(true)
            .write(true)
            .mode(0o600)
            .open(self.path(path))?;
        Ok(Arc::new(RealFile(file)))
    }

    fn open(&self, path: &str) -> io::Result<Arc<dyn DiskFile>> {
        let file = OpenOptions::new()
            .read(true)
            .write(true)
            .open(self.path(path))?;
        Ok(Arc::new(RealFile(file)))
    }

    fn rename(&self, from: &str, to: &str) -> io::Result<()> {
        std::fs::rename(self.path(from), self.path(to))
    }

    fn remove(&self, path: &str) -> io::Result<()> {
        std::fs::remove_file(self.path(path))
    }

    fn list(&self, directory: &str) -> io::Result<Vec<String>> {
        let mut names = Vec::new();
        for entry in std::fs::read_dir(self.path(directory))? {
            let entry = entry?;
            if entry.file_type()?.is_file()
                && let Ok(name) = entry.file_name().into_string()
            {
                names.push(name);
            }
        }
        Ok(names)
    }

    fn create_dir(&self, directory: &str) -> io::Result<()> {
        make_dir(&self.path(directory))
    }

    fn sync_dir(&self, directory: &str) -> io::Result<()> {
        File::open(self.path(directory))?.sync_all()
    }

    fn free_space(&self) -> io::Result<u64> {
        let space = rustix::fs::statvfs(&self.root)?;
        Ok(space.f_bavail.saturating_mul(space.f_frsize))
    }

    fn boot_id(&self) -> Option<String> {
        let id = std::fs::read_to_string("/proc/sys/kernel/random/boot_id").ok()?;
        Some(id.trim().to_owned())
    }

    fn salt(&self) -> u64 {
        // The standard library seeds its hasher from the system's randomness.
        RandomState::new().hash_one(0_u8)
    }

    fn index_dir(&self) -> PathBuf {
        self.root.join("index")
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt;

    use super::*;

    #[test]
    fn directories_are_made_all_the_way_and_for_us_alone() {
        let place = tempfile::tempdir().unwrap();
        let root = place.path().join("one/two");
        for _ in 0..2 {
            let disk = RealDisk::new(&root).unwrap();
            disk.create_dir("three/four").unwrap();
        }
        for made in ["one", "one/two", "one/two/three", "one/two/three/four"] {
            let metadata = place.path().join(made).metadata().unwrap();
            assert_eq!(metadata.permissions().mode() & 0o777, 0o700, "{made}");
        }
        std::fs::write(root.join("file"), b"").unwrap();
        assert!(RealDisk::new(root.join("file")).is_err());
        assert!(RealDisk::new(root.join("file/below")).is_err());
    }
}
