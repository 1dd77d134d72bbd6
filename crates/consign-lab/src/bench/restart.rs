//! The scenario `restart`: how long a hub with many envelopes takes from the start of its process
//! until nodes can connect.
//!
//! The envelopes come in by the protocol, as any do, and stay: nobody collects. What is read at a
//! start was written just before and mostly lies in the system's memory.

use std::path::Path;
use std::sync::Arc;
use std::time::Instant;

use serde::Serialize;
use tokio::task::block_in_place;

use super::ground::Ground;
use super::link::Link;
use super::process::Process;
use super::rounds::{self, Way};
use super::soak::size_of;
use super::statistics::{median, mib, rounded};
use super::{BenchError, Place, Progress, Setting, Watch};

/// How often it is started in each way.
const STARTS: usize = 5;

/// What is printed; times of starts are medians of so many in each way.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Report {
    /// Envelopes in the store.
    pub documents: u64,
    /// Starts in each way.
    pub starts: usize,
    /// After a stop in order.
    pub clean_s: f64,
    /// After the index was removed: it is made anew from the journal.
    pub rebuilt_s: f64,
    /// After `kill -9`.
    pub killed_s: f64,
    /// How long the stop in order took.
    pub stop_s: f64,
    /// How fast they came in, by second.
    pub accepted_per_s: f64,
    /// What lies on the disk, in bytes for each envelope.
    pub disk_bytes_per_document: f64,
    /// The most resident memory of the hub that made its index anew.
    pub rebuilding_rss_mib: f64,
}

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
    let data = ground.hub_dir().join("data");
    let hub = Process::start_empty(&setting.program, ground.hub_dir()).await?;
    let mut look = |done: u64| {
        watch(Progress {
            what: "filling the store",
            done,
            all: documents,
        });
        Ok(())
    };
    let what = (Way::Accept, documents);
    let filled = rounds::pass(setting, &ground, &hub, what, &mut look).await?;
    let begun = Instant::now();
    hub.stop().await?;
    let stop = begun.elapsed();
    let disk = size_of(&data)?;
    let starts = Starts {
        setting,
        ground: &ground,
        documents: filled.documents,
        watch,
    };
    let (mut clean, mut killed, mut rebuilt) = (Vec::new(), Vec::new(), Vec::new());
    let mut most = 0;
    for _ in 0..STARTS {
        let (hub, seconds) = starts.start("starting after a stop in order").await?;
        clean.push(seconds);
        hub.kill()?;
        let (hub, seconds) = starts.start("starting after a kill").await?;
        killed.push(seconds);
        hub.stop().await?;
        remove_index(&data)?;
        let (hub, seconds) = starts.start("starting without an index").await?;
        rebuilt.push(seconds);
        most = most.max(hub.meter().read()?.peak);
        hub.stop().await?;
    }
    let count = filled.documents.max(1) as f64;
    Ok(Report {
        documents: filled.documents,
        starts: STARTS,
        clean_s: median(clean),
        rebuilt_s: median(rebuilt),
        killed_s: median(killed),
        stop_s: rounded(stop.as_secs_f64(), 2),
        accepted_per_s: rounded(count / filled.seconds, 1),
        disk_bytes_per_document: rounded(disk as f64 / count, 0),
        rebuilding_rss_mib: mib(most),
    })
}

/// How the hub is started again and again.
struct Starts<'a> {
    setting: &'a Setting,
    ground: &'a Ground,
    documents: u64,
    watch: Watch<'a>,
}

impl Starts<'_> {
    /// Starts the hub, and makes sure that everything is there.
    async fn start(&self, what: &'static str) -> Result<(Process, f64), BenchError> {
        (self.watch)(Progress {
            what,
            done: 0,
            all: 1,
        });
        let begun = Instant::now();
        let hub = Process::start(&self.setting.program, "hub", self.ground.hub_dir()).await?;
        let seconds = rounded(begun.elapsed().as_secs_f64(), 3);
        let mut found = 0;
        for participant in &self.ground.participants {
            let mut link = Link::open(self.ground, participant, hub.address()).await?;
            found += link.inbox(participant).await?;
        }
        if found == self.documents * self.setting.recipients as u64 {
            Ok((hub, seconds))
        } else {
            Err(BenchError::Protocol {
                rule: "what was accepted is there after a start",
            })
        }
    }
}

fn remove_index(data: &Path) -> Result<(), BenchError> {
    let index = data.join("index");
    std::fs::remove_dir_all(&index).map_err(|source| BenchError::io(&index, source))
}
