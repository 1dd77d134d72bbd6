//! The scenario `idle`: connected nodes that have nothing to say.
//!
//! Each has its TLS session with an open `Submit` and an open `Collect`, as a running node has.

use std::time::Duration;

use serde::Serialize;
use tokio::task::block_in_place;

use super::fan_out::connecting;
use super::ground::Ground;
use super::link::Link;
use super::process::Process;
use super::statistics::{mib, rounded};
use super::{BenchError, Place, Progress, Setting, Watch};

/// How long the last connections may still keep the hub busy.
const CALM: Duration = Duration::from_secs(2);

/// What is printed.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Report {
    /// Connected nodes.
    pub nodes: usize,
    /// The hub's resident memory, with all of them connected.
    pub rss_mib: f64,
    /// The most it ever had: while they connected.
    pub peak_rss_mib: f64,
    /// The same before any was connected.
    pub rss_alone_mib: f64,
    /// The share of one processor that the hub uses, in percent.
    pub cpu_percent: f64,
    /// For how long that was measured.
    pub seconds: u64,
    /// How long it took until all were connected.
    pub connecting_s: f64,
}

/// Measures.
///
/// # Errors
/// [`BenchError`].
pub async fn run(setting: &Setting, place: &Place, watch: Watch<'_>) -> Result<Report, BenchError> {
    let ground = block_in_place(|| Ground::found(place.path(), setting.nodes, watch))?;
    let hub = Process::start_empty(&setting.program, ground.hub_dir()).await?;
    let alone = hub.meter().read()?;
    let begun = ground.clock.monotonic();
    let mut connected = Vec::with_capacity(setting.nodes);
    for (number, participant) in ground.participants.iter().enumerate() {
        connecting(number, setting.nodes, watch);
        let mut link = Link::open(&ground, participant, hub.address()).await?;
        let collecting = link.collect(participant).await?;
        connected.push((link, collecting));
    }
    let connecting_s = begun.elapsed().as_secs_f64();
    tokio::time::sleep(CALM).await;
    let before = hub.meter().read()?;
    for second in 0..setting.seconds {
        watch(Progress {
            what: "idle",
            done: second,
            all: setting.seconds,
        });
        tokio::time::sleep(Duration::from_secs(1)).await;
    }
    let after = hub.meter().read()?;
    drop(connected);
    hub.stop().await?;
    let busy = after.cpu_since(&before).as_secs_f64() / setting.seconds.max(1) as f64;
    Ok(Report {
        nodes: setting.nodes,
        rss_mib: mib(after.resident),
        peak_rss_mib: mib(after.peak),
        rss_alone_mib: mib(alone.resident),
        cpu_percent: rounded(busy * 100.0, 2),
        seconds: setting.seconds,
        connecting_s: rounded(connecting_s, 2),
    })
}
