//! The scenario `soak`: many documents go all the way through one hub, and its memory is watched.

use std::path::Path;
use std::sync::Arc;

use serde::Serialize;
use tokio::task::block_in_place;

use super::ground::Ground;
use super::process::Process;
use super::rounds::{self, Way};
use super::statistics::{mib, rounded, slope};
use super::{BenchError, Place, Progress, Setting, Watch};

/// What is printed.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Report {
    /// Documents that were accepted, delivered and settled.
    pub documents: u64,
    /// By second, sealing not counted.
    pub settled_per_s: f64,
    /// The most resident memory that the hub ever had.
    pub peak_rss_mib: f64,
    /// What it had at the end.
    pub rss_mib: f64,
    /// What it had after a tenth of the documents.
    pub rss_at_a_tenth_mib: f64,
    /// How its memory grew over the second half, by a line through all samples.
    pub growth_mib_per_million: f64,
    /// What lies on the disk at the end, in bytes for each document.
    pub disk_bytes_per_document: f64,
    /// How often its memory was looked at.
    pub samples: usize,
}

/// Memory in MiB after so many documents.
type Sample = (f64, f64);

/// Measures.
///
/// # Errors
/// [`BenchError`].
pub async fn run(
    setting: &Setting,
    documents: u64,
    place: &Place,
    watch: Watch<'_>,
) -> Result<Report, BenchError> {
    let ground = block_in_place(|| Ground::found(place.path(), setting.nodes, watch))?;
    let ground = Arc::new(ground);
    let hub = Process::start_empty(&setting.program, ground.hub_dir()).await?;
    let (meter, mut samples) = (hub.meter(), Vec::<Sample>::new());
    let mut look = |done: u64| {
        samples.push((done as f64, mib(meter.read()?.resident)));
        watch(Progress {
            what: "documents passed through",
            done,
            all: documents,
        });
        Ok(())
    };
    let what = (Way::Settle, documents);
    let passed = rounds::pass(setting, &ground, &hub, what, &mut look).await?;
    let reading = meter.read()?;
    hub.stop().await?;
    let disk = size_of(&ground.hub_dir().join("data"))?;
    let count = passed.documents.max(1) as f64;
    Ok(Report {
        documents: passed.documents,
        settled_per_s: rounded(count / passed.seconds, 1),
        peak_rss_mib: mib(reading.peak),
        rss_mib: mib(reading.resident),
        rss_at_a_tenth_mib: at(&samples, count / 10.0),
        growth_mib_per_million: rounded(second_half(&samples) * 1e6, 1),
        disk_bytes_per_document: rounded(disk as f64 / count, 0),
        samples: samples.len(),
    })
}

/// The first sample from so many documents on.
fn at(samples: &[Sample], documents: f64) -> f64 {
    let sample = samples.iter().find(|(done, _)| *done >= documents);
    sample.map_or(0.0, |(_, memory)| *memory)
}

/// MiB for each document, over the second half.
fn second_half(samples: &[Sample]) -> f64 {
    let last = samples.last().map_or(0.0, |(done, _)| *done);
    let half = samples.iter().filter(|(done, _)| *done >= last / 2.0);
    slope(&half.copied().collect::<Vec<_>>())
}

/// Bytes on the disk below a directory.
pub(super) fn size_of(directory: &Path) -> Result<u64, BenchError> {
    use std::os::unix::fs::MetadataExt as _;

    let fault = |source| BenchError::io(directory, source);
    let mut bytes = 0;
    for entry in std::fs::read_dir(directory).map_err(fault)? {
        let entry = entry.map_err(fault)?;
        let metadata = entry.metadata().map_err(fault)?;
        bytes += if metadata.is_dir() {
            size_of(&entry.path())?
        } else {
            metadata.blocks() * 512
        };
    }
    Ok(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn growth_is_that_of_the_second_half() {
        let early = (0..50).map(|step| (f64::from(step), f64::from(step) * 4.0));
        let late = (50..=100).map(|step| (f64::from(step), 200.0 + f64::from(step) * 0.5));
        let samples: Vec<Sample> = early.chain(late).collect();
        assert!((second_half(&samples) - 0.5).abs() < 1e-9);
        assert!((at(&samples, 9.5) - 40.0).abs() < 1e-9);
        assert!(at(&samples, 101.0).abs() < 1e-9);
    }

    #[test]
    fn files_are_counted_by_what_they_take() {
        let place = tempfile::tempdir().unwrap();
        std::fs::create_dir(place.path().join("below")).unwrap();
        std::fs::write(place.path().join("below/file"), [1; 100_000]).unwrap();
        let file = std::fs::File::open(place.path().join("below/file")).unwrap();
        file.sync_all().unwrap();
        let size = size_of(place.path()).unwrap();
        assert!((98_304..200_000).contains(&size), "{size}");
    }
}
