//! The index's directories: one for each time it was made, and what lies in them.

use std::fs::{File, TryLockError};
use std::io;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use consign_domain::Digest;
use sha2::{Digest as _, Sha256};

/// Bytes of a file that are summed together.
const PIECE: u64 = 8 << 20;

/// The directory of a generation.
pub(crate) fn place(directory: &Path, generation: u64) -> PathBuf {
    directory.join(generation.to_string())
}

/// Removes what is not this generation's.
pub(crate) fn keep_only(directory: &Path, generation: u64) -> io::Result<()> {
    let kept = place(directory, generation);
    for path in entries(directory)? {
        if path == kept {
            continue;
        }
        if path.is_dir() {
            std::fs::remove_dir_all(path)?;
        } else {
            std::fs::remove_file(path)?;
        }
    }
    Ok(())
}

/// The paths in a directory, in order; none if it is not there.
fn entries(directory: &Path) -> io::Result<Vec<PathBuf>> {
    let entries = match std::fs::read_dir(directory) {
        Err(fault) if fault.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
        entries => entries?,
    };
    let mut paths = entries
        .map(|entry| entry.map(|entry| entry.path()))
        .collect::<io::Result<Vec<_>>>()?;
    paths.sort();
    Ok(paths)
}

/// Every file below a directory, in order.
fn files_below(directory: &Path) -> io::Result<Vec<PathBuf>> {
    let mut files = Vec::new();
    for path in entries(directory)? {
        if path.is_dir() {
            files.extend(files_below(&path)?);
        } else {
            files.push(path);
        }
    }
    Ok(files)
}

/// A digest over the names, sizes and sums of all files below a directory: so a closed
/// index is recognised much faster than it could be read row by row.
pub(crate) fn fingerprint(directory: &Path) -> io::Result<Digest> {
    let mut whole = Sha256::new();
    for path in files_below(directory)? {
        let size = path.metadata()?.len();
        let name = path.strip_prefix(directory).unwrap_or(&path);
        whole.update(name.as_os_str().as_encoded_bytes());
        whole.update([0]);
        whole.update(size.to_le_bytes());
        for sum in sums(&File::open(&path)?, size)? {
            whole.update(sum.to_le_bytes());
        }
    }
    Ok(Digest::from_bytes(whole.finalize().into()))
}

/// The sums of a file's pieces, by as many threads as there are processors.
fn sums(file: &File, size: u64) -> io::Result<Vec<u32>> {
    let count = usize::try_from(size.div_ceil(PIECE)).map_err(io::Error::other)?;
    let next = AtomicUsize::new(0);
    let work = || -> io::Result<Vec<(usize, u32)>> {
        let (mut done, mut buffer) = (Vec::new(), Vec::new());
        loop {
            let piece = next.fetch_add(1, Ordering::Relaxed);
            if piece >= count {
                return Ok(done);
            }
            let offset = piece as u64 * PIECE;
            let length = usize::try_from(PIECE.min(size - offset)).map_err(io::Error::other)?;
            buffer.resize(length, 0);
            std::os::unix::fs::FileExt::read_exact_at(file, &mut buffer, offset)?;
            done.push((piece, crc32fast::hash(&buffer)));
        }
    };
    let threads = std::thread::available_parallelism().map_or(2, usize::from);
    let mut sums = std::thread::scope(|scope| {
        let running: Vec<_> = (0..threads.min(count)).map(|_| scope.spawn(work)).collect();
        let mut sums = Vec::with_capacity(count);
        for thread in running {
            let done = thread.join();
            sums.extend(done.unwrap_or_else(|_| Err(io::ErrorKind::Other.into()))?);
        }
        Ok::<_, io::Error>(sums)
    })?;
    sums.sort_unstable();
    Ok(sums.into_iter().map(|(_, sum)| sum).collect())
}

/// Most milliseconds that the end of sled's threads is waited for.
const PATIENCE: u32 = 5_000;

/// Waits until nobody has the directory locked: opened before that, a good index would
/// be taken for a bad one.
pub(crate) fn await_release(directory: &Path) {
    let Ok(file) = File::open(directory.join("db")) else {
        return;
    };
    for _ in 0..PATIENCE {
        match file.try_lock() {
            // Free again with the file.
            Ok(()) | Err(TryLockError::Error(_)) => return,
            Err(TryLockError::WouldBlock) => std::thread::park_timeout(Duration::from_millis(1)),
        }
    }
    tracing::warn!("the index is still held by its own threads");
}

/// Removes snapshots that sled had begun when the disk was full: on opening it takes
/// an empty one for corruption.
pub(crate) fn remove_empty_snapshots(directory: &Path) -> io::Result<()> {
    let entries = match std::fs::read_dir(directory) {
        Err(fault) if fault.kind() == io::ErrorKind::NotFound => return Ok(()),
        entries => entries?,
    };
    for entry in entries {
        let entry = entry?;
        let name = entry.file_name();
        let name = name.to_string_lossy();
        if name.starts_with("snap.")
            && name.ends_with(".generating")
            && entry.metadata()?.len() == 0
        {
            std::fs::remove_file(entry.path())?;
        }
    }
    Ok(())
}

/// Makes every file of an index durable; sled itself does not.
pub(crate) fn sync(directory: &Path) -> io::Result<()> {
    for file in files_below(directory)? {
        File::open(file)?.sync_all()?;
    }
    let mut pending = vec![directory.to_owned()];
    while let Some(directory) = pending.pop() {
        File::open(&directory)?.sync_all()?;
        pending.extend(
            entries(&directory)?
                .into_iter()
                .filter(|path| path.is_dir()),
        );
    }
    Ok(())
}
