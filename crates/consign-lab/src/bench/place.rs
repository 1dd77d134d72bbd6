//! Where the benchmark keeps its files: on a disk, since in memory syncing costs nothing.

use std::path::{Path, PathBuf};

use consign_runtime::entropy;

use super::BenchError;

/// File systems that are not on any disk.
const IN_MEMORY: [&str; 3] = ["tmpfs", "ramfs", "devtmpfs"];

/// A directory of the benchmark's own; removed when dropped unless it was named.
#[derive(Debug)]
pub struct Place {
    path: PathBuf,
    file_system: String,
    keep: bool,
}

impl Place {
    /// The directory named, made if it is not there and empty if it is; it stays. Without a name,
    /// a fresh one in the present directory, which goes.
    ///
    /// # Errors
    /// It is not empty, is not on a disk, or cannot be made.
    pub fn new(named: Option<&Path>) -> Result<Self, BenchError> {
        let path = match named {
            Some(path) => path.to_owned(),
            None => {
                let random = u32::from_be_bytes(entropy::bytes()?);
                PathBuf::from(format!("consign-bench-{random:08x}"))
            }
        };
        let absolute = std::path::absolute(&path).map_err(|fault| BenchError::io(&path, fault))?;
        let path = absolute;
        std::fs::create_dir_all(&path).map_err(|fault| BenchError::io(&path, fault))?;
        let mut place = Self {
            file_system: String::new(),
            keep: true,
            path,
        };
        let mut entries =
            std::fs::read_dir(&place.path).map_err(|fault| BenchError::io(&place.path, fault))?;
        if entries.next().is_some() {
            return Err(BenchError::NotEmpty {
                path: place.path.clone(),
            });
        }
        place.keep = named.is_some();
        place.file_system = file_system(&place.path)?;
        if IN_MEMORY.contains(&place.file_system.as_str()) {
            return Err(BenchError::NotADisk {
                path: place.path.clone(),
                file_system: place.file_system.clone(),
            });
        }
        Ok(place)
    }

    /// The directory.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// The name of the file system that it is on, as the kernel has it: `ext4`.
    pub fn file_system(&self) -> &str {
        &self.file_system
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        if !self.keep {
            // What cannot be removed stays; there is nobody to tell.
            let _ = std::fs::remove_dir_all(&self.path);
        }
    }
}

/// By the mount that holds the path.
fn file_system(path: &Path) -> Result<String, BenchError> {
    let mounts = Path::new("/proc/self/mounts");
    let text = std::fs::read_to_string(mounts).map_err(|fault| BenchError::io(mounts, fault))?;
    let path = path
        .canonicalize()
        .map_err(|fault| BenchError::io(path, fault))?;
    mounted(&text, &path).ok_or_else(|| BenchError::Meter {
        path: mounts.to_owned(),
    })
}

/// The type of the longest mount point above a path; of equal ones the last, which covers the
/// others.
fn mounted(mounts: &str, path: &Path) -> Option<String> {
    let points = mounts.lines().filter_map(|line| {
        let mut words = line.split(' ').skip(1);
        // Spaces in names are written as octal.
        Some((words.next()?.replace("\\040", " "), words.next()?))
    });
    let above = points.filter(|(point, _)| path.starts_with(point));
    above
        .max_by_key(|(point, _)| Path::new(point).components().count())
        .map(|(_, kind)| kind.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_nearest_mount_counts() {
        let mounts = "/dev/vda / ext4 rw 0 0\ntmpfs /tmp tmpfs rw 0 0\n\
            /dev/vdb /tmp/my\\040disk xfs rw 0 0\nnone /mnt ext4 rw 0 0\nnone /mnt tmpfs rw 0 0\n";
        for (path, kind) in [
            ("/home/a", "ext4"),
            ("/tmp", "tmpfs"),
            ("/tmp/other", "tmpfs"),
            ("/tmpx", "ext4"),
            ("/tmp/my disk/a", "xfs"),
            ("/mnt/a", "tmpfs"),
        ] {
            assert_eq!(
                mounted(mounts, Path::new(path)).as_deref(),
                Some(kind),
                "{path}"
            );
        }
    }

    #[test]
    fn nothing_in_memory_and_nothing_of_others() {
        let shm = Path::new("/dev/shm");
        if shm.is_dir() && file_system(shm).unwrap() == "tmpfs" {
            let place = shm.join(format!("consign-place-{}", std::process::id()));
            let refused = Place::new(Some(&place));
            std::fs::remove_dir(&place).unwrap();
            assert!(matches!(refused, Err(BenchError::NotADisk { .. })));
        }
        let full = tempfile::tempdir().unwrap();
        std::fs::write(full.path().join("file"), b"").unwrap();
        let refused = Place::new(Some(full.path()));
        assert!(matches!(refused, Err(BenchError::NotEmpty { .. })));
        assert!(full.path().join("file").is_file());
    }
}
