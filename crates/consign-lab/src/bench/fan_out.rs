//! The scenario `fan-out`: one document to everybody at once.
//!
//! A sender and so many recipients are connected; one document after the other goes to all of
//! them. Measured are what the hub computes until its acceptance is at the sender, and how long
//! it takes until the last recipient's receipt is.

use std::sync::Arc;
use std::time::{Duration, Instant};

use serde::Serialize;
use tokio::task::{JoinSet, block_in_place};

use super::driver::{Field, Node, Tally};
use super::ground::Ground;
use super::link::Link;
use super::process::Process;
use super::sealing::{self, Order};
use super::statistics::{median, mib, rounded};
use super::{BenchError, Place, Progress, Setting, Watch};

/// Documents that are measured, after one that is not.
const DOCUMENTS: usize = 9;
/// How long one document may take.
const PATIENCE: Duration = Duration::from_secs(120);

/// What is printed: medians of several documents.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Report {
    /// Recipients of each document, all connected.
    pub recipients: usize,
    /// The hub's processor time from submission until the acceptance was at the sender.
    pub cpu_ms_until_accepted: f64,
    /// From submission to the signed acceptance.
    pub accepted_ms: f64,
    /// From submission until every recipient's receipt was at the sender.
    pub settled_s: f64,
    /// The slowest document.
    pub settled_max_s: f64,
    /// The hub's processor time until then.
    pub cpu_ms_until_settled: f64,
    /// The hub's resident memory at the end.
    pub rss_mib: f64,
    /// The most it ever had.
    pub peak_rss_mib: f64,
    /// Documents that the medians are of.
    pub documents: usize,
}

/// One document.
#[derive(Debug, Clone, Copy)]
struct Sample {
    accept_cpu: f64,
    accepted: f64,
    settle_cpu: f64,
    settled: f64,
}

/// Measures.
///
/// # Errors
/// [`BenchError`].
pub async fn run(setting: &Setting, place: &Place, watch: Watch<'_>) -> Result<Report, BenchError> {
    let nodes = setting.nodes + 1;
    let ground = Arc::new(block_in_place(|| {
        Ground::found(place.path(), nodes, watch)
    })?);
    let order = Order {
        each: DOCUMENTS + 1,
        senders: 1,
        recipients: setting.nodes,
        size: setting.size,
    };
    let documents = Arc::new(block_in_place(|| sealing::seal(&ground, order, watch))?);
    let hub = Process::start_empty(&setting.program, ground.hub_dir()).await?;
    let field = Arc::new(Field::new(&ground, &documents, 1).by_hand());
    let (mut receivers, mut sender) = (JoinSet::new(), None);
    for (number, participant) in ground.participants.iter().enumerate() {
        connecting(number, nodes, watch);
        let mut link = Link::open(&ground, participant, hub.address()).await?;
        let collecting = Some(link.collect(participant).await?);
        let window = usize::from(number == 0);
        let node = Node::new(Arc::clone(&field), number, link, collecting, window);
        if number == 0 {
            sender = Some(node);
        } else {
            let mut node = node;
            receivers.spawn(async move { node.run().await });
        }
    }
    let mut sender = sender.ok_or(BenchError::Task)?;
    let mut samples = Vec::with_capacity(DOCUMENTS);
    for number in 0..=DOCUMENTS {
        watch(Progress {
            what: "one document to all",
            done: number as u64,
            all: DOCUMENTS as u64,
        });
        let sample = tokio::select! {
            sample = pass(&mut sender, &hub) => sample?,
            Some(ended) = receivers.join_next() => return Err(early(ended)),
        };
        samples.push(sample);
    }
    field.idle.trigger();
    while let Some(ended) = receivers.join_next().await {
        ended.map_err(|_| BenchError::Task)??;
    }
    let reading = hub.meter().read()?;
    hub.stop().await?;
    // The first finds everything cold.
    let samples = samples.get(1..).unwrap_or_default();
    let of = |figure: fn(&Sample) -> f64| median(samples.iter().map(figure).collect());
    Ok(Report {
        recipients: setting.nodes,
        cpu_ms_until_accepted: rounded(of(|sample| sample.accept_cpu) * 1000.0, 2),
        accepted_ms: rounded(of(|sample| sample.accepted) * 1000.0, 2),
        settled_s: rounded(of(|sample| sample.settled), 3),
        settled_max_s: rounded(
            samples
                .iter()
                .map(|sample| sample.settled)
                .fold(0.0, f64::max),
            3,
        ),
        cpu_ms_until_settled: rounded(of(|sample| sample.settle_cpu) * 1000.0, 1),
        rss_mib: mib(reading.resident),
        peak_rss_mib: mib(reading.peak),
        documents: samples.len(),
    })
}

/// Says how many are connected.
pub(super) fn connecting(number: usize, nodes: usize, watch: Watch<'_>) {
    watch(Progress {
        what: "connecting nodes",
        done: number as u64,
        all: nodes as u64,
    });
}

/// A receiver ends only when it is told to, or with an error.
fn early(ended: Result<Result<Tally, BenchError>, tokio::task::JoinError>) -> BenchError {
    match ended {
        Ok(Err(error)) => error,
        _ => BenchError::Task,
    }
}

/// One document, from its submission until all have signed for it.
async fn pass(sender: &mut Node, hub: &Process) -> Result<Sample, BenchError> {
    let meter = hub.meter();
    let before = meter.cpu()?;
    let begun = Instant::now();
    let late = |_| BenchError::Unsettled {
        missing: 1,
        after: PATIENCE,
    };
    let done = sender.done();
    sender.send(0)?;
    let accepted = tokio::time::timeout(PATIENCE, sender.until(|node| node.is_accepted(0)));
    accepted.await.map_err(late)??;
    let accepted = begun.elapsed().as_secs_f64();
    let accept_cpu = meter.cpu()?.saturating_sub(before).as_secs_f64();
    let settled = tokio::time::timeout(PATIENCE, sender.until(|node| node.done() > done));
    settled.await.map_err(late)??;
    Ok(Sample {
        accept_cpu,
        accepted,
        settled: begun.elapsed().as_secs_f64(),
        settle_cpu: meter.cpu()?.saturating_sub(before).as_secs_f64(),
    })
}
