//! The scenario `load`: how many documents a second the hub takes over, and how many go all the
//! way, while a fixed number is under way.
//!
//! Phase 1, accept: every document is answered by a signed acceptance, and nobody collects.
//! Phase 2, settle: a document is under way until it was accepted, delivered, signed for by its
//! recipients, settled, its wraps released, and the receipts delivered to its sender. Each phase
//! has an empty store and lasts so many seconds; what is answered after that is not counted, and
//! must come all the same.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use serde::Serialize;
use tokio::task::{JoinSet, block_in_place};

use super::driver::{Field, Node, Tally};
use super::ground::Ground;
use super::link::Link;
use super::machine::{self, Limits};
use super::meter::{Meter, Reading};
use super::process::Process;
use super::sealing::{self, Documents, Order};
use super::statistics::{Latencies, median, mib, rounded};
use super::{BenchError, Place, Progress, Setting, Watch};

/// How long what is under way at the end of a phase may take.
const PATIENCE: Duration = Duration::from_secs(60);
const GLANCE: Duration = Duration::from_millis(200);

/// What a phase is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Phase {
    Accept,
    Settle,
}

/// The figures of one phase; of several runs, the median of each.
#[derive(Debug, Clone, Copy, Default, PartialEq, Serialize)]
pub struct Figures {
    /// How long it lasted: less than asked for when the sealed documents ran out.
    pub seconds: f64,
    /// Documents accepted in that time.
    pub accepted: f64,
    /// Items delivered to recipients.
    pub delivered: f64,
    /// Documents settled, with all evidence at the sender.
    pub settled: f64,
    /// The same by second.
    pub accepted_per_s: f64,
    /// The same by second.
    pub delivered_per_s: f64,
    /// The same by second.
    pub settled_per_s: f64,
    /// From submission to the hub's signed acceptance, in milliseconds.
    pub p50_ms: f64,
    /// 99 of 100 were faster.
    pub p99_ms: f64,
    /// The slowest.
    pub max_ms: f64,
    /// From submission to the last receipt at the sender.
    pub settled_p50_ms: f64,
    /// 99 of 100 were faster.
    pub settled_p99_ms: f64,
    /// The hub's processor time for each document.
    pub cpu_ms_per_document: f64,
    /// That of the benchmark with all its simulated nodes.
    pub bench_cpu_ms_per_document: f64,
    /// What the hub had the disk write for each document.
    pub bytes_written_per_document: f64,
    /// The hub's resident memory at the end.
    pub rss_mib: f64,
    /// The most it ever had.
    pub peak_rss_mib: f64,
}

/// The figures that count, held against one thread's limits.
#[derive(Debug, Clone, Copy, Default, PartialEq, Serialize)]
pub struct Ratio {
    /// Accepted by second to verifications by second.
    pub accepted_to_verify: f64,
    /// Accepted by second to signatures by second.
    pub accepted_to_sign: f64,
    /// Accepted by second to records in a raw journal by second.
    pub accepted_to_journal: f64,
    /// Settled by second to verifications by second.
    pub settled_to_verify: f64,
    /// The median latency of an acceptance to that of one synced append.
    pub p50_to_fsync: f64,
}

/// What is printed.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Report {
    /// Phase 1.
    pub accepted_per_s: f64,
    /// Phase 2.
    pub settled_per_s: f64,
    /// Phase 1: from submission to the signed acceptance.
    pub p50_ms: f64,
    /// Phase 1.
    pub p99_ms: f64,
    /// The hub's processor time for a document's whole life: phase 2.
    pub cpu_ms_per_document: f64,
    /// What the hub wrote for a document's whole life: phase 2.
    pub bytes_written_per_document: f64,
    /// The hub's resident memory at the end of phase 2.
    pub rss_mib: f64,
    /// One thread's own limits.
    pub limits: Limits,
    /// The figures held against them.
    pub ratio: Ratio,
    /// Phase 2: items delivered to recipients.
    pub delivered_per_s: f64,
    /// Phase 1.
    pub max_ms: f64,
    /// The most resident memory that the hub had in either phase.
    pub peak_rss_mib: f64,
    /// All of phase 1.
    pub accept: Figures,
    /// All of phase 2.
    pub settle: Figures,
    /// How many runs the medians are of.
    pub runs: usize,
    /// How many processors the machine has.
    pub processors: usize,
    /// What the hub's directory is on.
    pub file_system: String,
}

/// Measures.
///
/// # Errors
/// [`BenchError`].
pub async fn run(
    setting: &Setting,
    place: &Place,
    runs: usize,
    watch: Watch<'_>,
) -> Result<Report, BenchError> {
    let limits = block_in_place(|| machine::measure(place.path(), watch))?;
    let ground = block_in_place(|| Ground::found(place.path(), setting.nodes, watch))?;
    let ground = Arc::new(ground);
    let order = Order {
        each: enough(setting, &limits),
        senders: setting.nodes,
        recipients: setting.recipients,
        size: setting.size,
    };
    let documents = block_in_place(|| sealing::seal(&ground, order, watch))?;
    let documents = Arc::new(documents);
    let (mut accept, mut settle) = (Vec::new(), Vec::new());
    for _ in 0..runs.max(1) {
        for (phase, figures) in [(Phase::Accept, &mut accept), (Phase::Settle, &mut settle)] {
            figures.push(measure(setting, &ground, &documents, phase, watch).await?);
        }
    }
    let (accept, settle) = (medians(&accept), medians(&settle));
    Ok(report(accept, settle, limits, runs.max(1), place))
}

/// Documents that each node needs at the most: the hub cannot verify one signature and make
/// another for more than these on all processors together.
fn enough(setting: &Setting, limits: &Limits) -> usize {
    let seconds = 1.0 / limits.verify_per_s.max(1.0) + 1.0 / limits.sign_per_s.max(1.0);
    let most = processors() as f64 * setting.seconds as f64 / seconds;
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "some hundred thousand"
    )]
    let each = (most / setting.nodes.max(1) as f64).ceil() as usize;
    each + setting.in_flight
}

fn processors() -> usize {
    std::thread::available_parallelism().map_or(1, usize::from)
}

/// One phase on an empty store.
async fn measure(
    setting: &Setting,
    ground: &Arc<Ground>,
    documents: &Arc<Documents>,
    phase: Phase,
    watch: Watch<'_>,
) -> Result<Figures, BenchError> {
    let hub = Process::start_empty(&setting.program, ground.hub_dir()).await?;
    let mut links = Vec::with_capacity(ground.participants.len());
    for participant in &ground.participants {
        let mut link = Link::open(ground, participant, hub.address()).await?;
        let collecting = match phase {
            Phase::Accept => None,
            Phase::Settle => Some(link.collect(participant).await?),
        };
        links.push((link, collecting));
    }
    let meters = Meters::new(&hub)?;
    let lasts = Duration::from_secs(setting.seconds);
    let field = Field::new(ground, documents, links.len());
    let field = Arc::new(field.until(meters.begun + lasts));
    let mut nodes = JoinSet::new();
    let count = links.len();
    for (number, (link, collecting)) in links.into_iter().enumerate() {
        let window = setting.in_flight * (number + 1) / count - setting.in_flight * number / count;
        let mut node = Node::new(Arc::clone(&field), number, link, collecting, window.max(1));
        nodes.spawn(async move { node.run().await });
    }
    let (tallies, end) = wait(&mut nodes, &field, &meters, phase, lasts, watch).await?;
    hub.stop().await?;
    Ok(figures(tallies, &end))
}

/// What the processes had used when the clock began to run.
#[derive(Debug)]
struct Meters {
    hub: Meter,
    begun: Instant,
    hub_before: Reading,
    own_before: Reading,
}

/// What they used until it stopped.
#[derive(Debug)]
struct Used {
    seconds: f64,
    hub_cpu: Duration,
    own_cpu: Duration,
    written: u64,
    hub: Reading,
}

impl Meters {
    fn new(hub: &Process) -> Result<Self, BenchError> {
        let hub = hub.meter();
        Ok(Self {
            hub_before: hub.read()?,
            own_before: Meter::own().read()?,
            hub,
            begun: Instant::now(),
        })
    }

    fn used(&self) -> Result<Used, BenchError> {
        let hub = self.hub.read()?;
        let own = Meter::own().read()?;
        Ok(Used {
            seconds: self.begun.elapsed().as_secs_f64(),
            hub_cpu: hub.cpu_since(&self.hub_before),
            own_cpu: own.cpu_since(&self.own_before),
            written: hub.written_since(&self.hub_before),
            hub,
        })
    }
}

/// Reads the meters when the time is over, and waits until all nodes have ended.
async fn wait(
    nodes: &mut JoinSet<Result<Tally, BenchError>>,
    field: &Field,
    meters: &Meters,
    phase: Phase,
    lasts: Duration,
    watch: Watch<'_>,
) -> Result<(Vec<Tally>, Used), BenchError> {
    let what = match phase {
        Phase::Accept => "phase 1: accept",
        Phase::Settle => "phase 2: accept, deliver, settle",
    };
    let deadline = meters.begun + lasts;
    let over = tokio::time::sleep_until(deadline.into());
    let late = tokio::time::sleep_until((deadline + PATIENCE).into());
    tokio::pin!(over, late);
    let mut glances = tokio::time::interval(GLANCE);
    let (mut tallies, mut used) = (Vec::new(), None);
    loop {
        tokio::select! {
            ended = nodes.join_next() => match ended {
                Some(tally) => tallies.push(tally.map_err(|_| BenchError::Task)??),
                None => break,
            },
            () = &mut over, if used.is_none() => used = Some(meters.used()?),
            () = &mut late => return Err(BenchError::Unsettled {
                missing: field.under_way.load(Ordering::SeqCst),
                after: PATIENCE,
            }),
            _ = glances.tick() => watch(Progress {
                what,
                done: meters.begun.elapsed().min(lasts).as_secs(),
                all: lasts.as_secs(),
            }),
        }
    }
    match used {
        Some(used) => Ok((tallies, used)),
        // The documents ran out.
        None => Ok((tallies, meters.used()?)),
    }
}

fn figures(tallies: Vec<Tally>, used: &Used) -> Figures {
    let (mut accept, mut settle) = (Vec::new(), Vec::new());
    let (mut accepted, mut delivered, mut settled) = (0, 0, 0);
    for tally in tallies {
        accepted += tally.accepted;
        delivered += tally.delivered;
        settled += tally.settled;
        accept.extend(tally.accept);
        settle.extend(tally.settle);
    }
    let (accept, settle) = (Latencies::new(accept), Latencies::new(settle));
    // A document that nobody settles ends with its acceptance.
    let documents = if settled > 0 { settled } else { accepted };
    let documents = documents.max(1) as f64;
    let per_s = |count: u64| rounded(count as f64 / used.seconds, 1);
    let each = |cpu: Duration| rounded(cpu.as_secs_f64() * 1000.0 / documents, 4);
    Figures {
        seconds: rounded(used.seconds, 2),
        accepted: accepted as f64,
        delivered: delivered as f64,
        settled: settled as f64,
        accepted_per_s: per_s(accepted),
        delivered_per_s: per_s(delivered),
        settled_per_s: per_s(settled),
        p50_ms: rounded(accept.per_mille(500), 2),
        p99_ms: rounded(accept.per_mille(990), 2),
        max_ms: rounded(accept.max(), 2),
        settled_p50_ms: rounded(settle.per_mille(500), 2),
        settled_p99_ms: rounded(settle.per_mille(990), 2),
        cpu_ms_per_document: each(used.hub_cpu),
        bench_cpu_ms_per_document: each(used.own_cpu),
        bytes_written_per_document: rounded(used.written as f64 / documents, 0),
        rss_mib: mib(used.hub.resident),
        peak_rss_mib: mib(used.hub.peak),
    }
}

/// The median of each figure.
fn medians(runs: &[Figures]) -> Figures {
    let of = |figure: fn(&Figures) -> f64| median(runs.iter().map(figure).collect());
    Figures {
        seconds: of(|run| run.seconds),
        accepted: of(|run| run.accepted),
        delivered: of(|run| run.delivered),
        settled: of(|run| run.settled),
        accepted_per_s: of(|run| run.accepted_per_s),
        delivered_per_s: of(|run| run.delivered_per_s),
        settled_per_s: of(|run| run.settled_per_s),
        p50_ms: of(|run| run.p50_ms),
        p99_ms: of(|run| run.p99_ms),
        max_ms: of(|run| run.max_ms),
        settled_p50_ms: of(|run| run.settled_p50_ms),
        settled_p99_ms: of(|run| run.settled_p99_ms),
        cpu_ms_per_document: of(|run| run.cpu_ms_per_document),
        bench_cpu_ms_per_document: of(|run| run.bench_cpu_ms_per_document),
        bytes_written_per_document: of(|run| run.bytes_written_per_document),
        rss_mib: of(|run| run.rss_mib),
        peak_rss_mib: of(|run| run.peak_rss_mib),
    }
}

fn report(accept: Figures, settle: Figures, limits: Limits, runs: usize, place: &Place) -> Report {
    let to = |figure: f64, limit: f64| {
        if limit > 0.0 {
            rounded(figure / limit, 3)
        } else {
            0.0
        }
    };
    Report {
        accepted_per_s: accept.accepted_per_s,
        settled_per_s: settle.settled_per_s,
        p50_ms: accept.p50_ms,
        p99_ms: accept.p99_ms,
        cpu_ms_per_document: settle.cpu_ms_per_document,
        bytes_written_per_document: settle.bytes_written_per_document,
        rss_mib: settle.rss_mib,
        limits,
        ratio: Ratio {
            accepted_to_verify: to(accept.accepted_per_s, limits.verify_per_s),
            accepted_to_sign: to(accept.accepted_per_s, limits.sign_per_s),
            accepted_to_journal: to(accept.accepted_per_s, limits.journal_per_s),
            settled_to_verify: to(settle.settled_per_s, limits.verify_per_s),
            p50_to_fsync: to(accept.p50_ms, limits.fsync_ms),
        },
        delivered_per_s: settle.delivered_per_s,
        max_ms: accept.max_ms,
        peak_rss_mib: accept.peak_rss_mib.max(settle.peak_rss_mib),
        accept,
        settle,
        runs,
        processors: processors(),
        file_system: place.file_system().to_owned(),
    }
}
