//! One thread's own limits on this machine, measured while it is idle: what the hub's figures
//! are held against.

use std::fs::File;
use std::os::unix::fs::FileExt as _;
use std::path::Path;
use std::time::{Duration, Instant};

use consign_pki::statement::StatementKey;
use consign_runtime::entropy;
use rustix::fs::FallocateFlags;
use serde::Serialize;

use super::statistics::{median, rounded};
use super::{BenchError, Progress, Watch};

/// How long each limit is measured.
const SPAN: Duration = Duration::from_millis(700);
/// The bytes of an envelope statement, nearly.
const STATEMENT: usize = 900;
/// What one append holds when the disk's latency is measured.
const APPEND: usize = 4096;
/// An envelope in the raw journal, and how many are written at once.
const RECORD: usize = 2048;
const GROUP: usize = 256;
/// Room made for what is appended.
const ROOM: u64 = 512 << 20;

/// One thread's own limits.
#[derive(Debug, Clone, Copy, Default, PartialEq, Serialize)]
pub struct Limits {
    /// Strict Ed25519 verifications of a statement in a second.
    pub verify_per_s: f64,
    /// Ed25519 signatures of a statement in a second.
    pub sign_per_s: f64,
    /// One append of 4 KiB into a preallocated file with `fdatasync`, in milliseconds; the median.
    pub fsync_ms: f64,
    /// Records of 2 KiB in a second, 256 of them in each append with `fdatasync`.
    pub journal_per_s: f64,
}

/// Measures; blocks for some seconds.
pub(crate) fn measure(directory: &Path, watch: Watch<'_>) -> Result<Limits, BenchError> {
    let what = "measuring one thread's limits";
    let mut done = 0;
    let mut next = || {
        watch(Progress { what, done, all: 4 });
        done += 1;
    };
    let key = StatementKey::from_seed(entropy::bytes()?);
    let (public, statement) = (key.public(), [b'a'; STATEMENT]);
    let signature = key.sign(&statement);
    next();
    let verify_per_s = rate(|| std::hint::black_box(public.verify(&statement, &signature)).is_ok());
    next();
    let sign_per_s = rate(|| std::hint::black_box(key.sign(&statement)) == signature);
    next();
    let path = directory.join("limits");
    let fault = |source| BenchError::io(&path, source);
    let file = File::create(&path).map_err(fault)?;
    // As the journal makes room; a file system that cannot is no reason to stop.
    let _ = rustix::fs::fallocate(&file, FallocateFlags::empty(), 0, ROOM);
    file.sync_all().map_err(fault)?;
    let latencies = append(&file, APPEND).map_err(fault)?;
    next();
    let begun = Instant::now();
    let groups = append(&file, RECORD * GROUP).map_err(fault)?;
    let records = (groups.len() * GROUP) as f64;
    let journal_per_s = records / begun.elapsed().as_secs_f64();
    drop(file);
    std::fs::remove_file(&path).map_err(fault)?;
    Ok(Limits {
        verify_per_s: rounded(verify_per_s, 0),
        sign_per_s: rounded(sign_per_s, 0),
        fsync_ms: rounded(median(latencies) * 1000.0, 3),
        journal_per_s: rounded(journal_per_s, 0),
    })
}

/// How often something is done in a second; 0 if it does not come out well.
fn rate(mut work: impl FnMut() -> bool) -> f64 {
    let (begun, mut count) = (Instant::now(), 0_u32);
    while begun.elapsed() < SPAN {
        for _ in 0..16 {
            if !work() {
                return 0.0;
            }
        }
        count += 16;
    }
    f64::from(count) / begun.elapsed().as_secs_f64()
}

/// Appends with `fdatasync` for a while; the seconds that each took.
fn append(file: &File, length: usize) -> std::io::Result<Vec<f64>> {
    let (bytes, begun) = (vec![0x5a; length], Instant::now());
    let (mut offset, mut seconds) = (0_u64, Vec::new());
    while begun.elapsed() < SPAN && offset + length as u64 <= ROOM {
        let before = Instant::now();
        file.write_all_at(&bytes, offset)?;
        file.sync_data()?;
        seconds.push(before.elapsed().as_secs_f64());
        offset += length as u64;
    }
    Ok(seconds)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn limits_are_measured_and_nothing_is_left() {
        let place = tempfile::tempdir().unwrap();
        let seen = std::sync::atomic::AtomicU64::new(0);
        let watch = |_: Progress| {
            seen.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
        };
        let limits = measure(place.path(), &watch).unwrap();
        assert!(limits.verify_per_s > 100.0 && limits.sign_per_s > limits.verify_per_s);
        assert!(limits.fsync_ms > 0.0 && limits.journal_per_s > 100.0);
        assert_eq!(seen.into_inner(), 4);
        assert_eq!(std::fs::read_dir(place.path()).unwrap().count(), 0);
    }
}
