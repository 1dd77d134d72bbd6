//! A long run: many documents through a network of real processes, while hub and nodes are
//! killed with -9 and the connections between them are cut, stalled and reset.
//!
//! Senders hand their documents to the nodes' local services and take down what they are
//! promised. Afterwards a judge compares these promises with what lies on the receivers' side:
//! their inboxes, their archives, their signed receipts. It asks the hub nothing.
//!
//! This part of the tests is not blind: it talks to nodes by their protocol, stands a proxy of
//! `consign-lab` between nodes and hub, and lets the auditor's library check every signature.

mod judge;
mod senders;
mod trouble;

use std::fmt;
use std::path::PathBuf;
use std::sync::mpsc;
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, anyhow, ensure};
use consign_domain::{Digest, EnvelopeId};
use consign_lab::proxy::{Proxy, Tally};
use indicatif::{ProgressBar, ProgressStyle};
use tokio::runtime::Runtime;

use crate::network::{Network, NodePlan, free_port};
use crate::scratch::Scratch;

pub use judge::Judgement;
pub use trouble::Kills;

/// Who may take part: several agencies on each of several nodes.
const NODES: &[NodePlan] = &[
    NodePlan {
        name: "node-a",
        agencies: &["H49=Ủy ban nhân dân tỉnh", "H49.13=Sở Nội vụ"],
        options: "",
    },
    NodePlan {
        name: "node-b",
        agencies: &[
            "H49.20=Sở Tài chính",
            "H49.21=Sở Y tế",
            "H49.22=Sở Xây dựng",
        ],
        options: "",
    },
    NodePlan {
        name: "node-c",
        agencies: &["H49.30=Sở Tư pháp", "H49.31=Thanh tra tỉnh"],
        options: "",
    },
    NodePlan {
        name: "node-d",
        agencies: &["H49.40=Ủy ban nhân dân thành phố"],
        options: "",
    },
    NodePlan {
        name: "node-e",
        agencies: &["H49.41=Ủy ban nhân dân huyện", "H49.42=Ủy ban nhân dân xã"],
        options: "",
    },
    NodePlan {
        name: "node-f",
        agencies: &["H49.50=Sở Công Thương"],
        options: "",
    },
    NodePlan {
        name: "node-g",
        agencies: &["H49.51=Sở Khoa học và Công nghệ"],
        options: "",
    },
    NodePlan {
        name: "node-h",
        agencies: &["H49.52=Sở Nông nghiệp"],
        options: "",
    },
    NodePlan {
        name: "node-i",
        agencies: &["H49.53=Sở Giáo dục và Đào tạo"],
        options: "",
    },
    NodePlan {
        name: "node-j",
        agencies: &["H49.54=Sở Văn hóa"],
        options: "",
    },
    NodePlan {
        name: "node-k",
        agencies: &["H49.55=Văn phòng Ủy ban nhân dân tỉnh"],
        options: "",
    },
    NodePlan {
        name: "node-l",
        agencies: &["H49.56=Ban Quản lý khu kinh tế"],
        options: "",
    },
];

/// How long a run is, and what goes wrong in it.
#[derive(Debug, Clone, Copy)]
pub struct Plan {
    /// Documents that are sent.
    pub documents: usize,
    /// Processes that are killed.
    pub kills: usize,
    /// Faults of connections.
    pub faults: u64,
    /// Nodes that take part, 2 to 12. A node that loses its connection again and again stays
    /// away for longer each time: with few nodes and many faults a run mostly waits.
    pub nodes: usize,
    /// Documents that each agency has under way at one time.
    pub side_by_side: usize,
    /// What chance follows.
    pub seed: u64,
}

/// An agency and where it sits.
#[derive(Debug, Clone)]
struct Seat {
    /// Its code.
    code: &'static str,
    /// The node's directory.
    place: PathBuf,
}

/// A document that its sender was promised.
#[derive(Debug, Clone)]
struct Promise {
    /// The sender, by number.
    sender: usize,
    /// The recipients, by number, ascending.
    to: Vec<usize>,
    id: EnvelopeId,
    /// SHA-256 of the document's file.
    file: Digest,
    /// Of the acceptance, where the sender was shown it.
    acceptance: Option<Digest>,
    /// Of the receipts that the sender was shown.
    receipts: Vec<Digest>,
    /// How often the sender had to ask again.
    repeated: u32,
}

/// What came of a run.
#[derive(Debug)]
pub struct Figures {
    /// Documents promised.
    pub documents: usize,
    /// Deliveries that the promises come to.
    pub deliveries: usize,
    /// Times that a sender had to ask again.
    pub repeated: u64,
    /// Processes killed.
    pub kills: Kills,
    /// Faults of connections that took hold.
    pub faults: Tally,
    /// From the first document until the last was promised.
    pub sending: Duration,
    /// And until nothing was under way any more.
    pub settling: Duration,
    /// What the judge found.
    pub judgement: Judgement,
}

/// Runs a plan and judges it. The figures are given whatever they are.
///
/// # Errors
/// The run could not be made: a service ended by itself, or a promise was not to be had.
pub fn run(scratch: &Scratch, plan: &Plan) -> Result<Figures> {
    run_spoilt(scratch, plan, || Ok(()))
}

/// [`run`], where something is done to the files before the judge sees them: to see that it
/// notices.
///
/// # Errors
/// As [`run`], or those of `spoil`.
pub fn run_spoilt(
    scratch: &Scratch,
    plan: &Plan,
    spoil: impl FnOnce() -> Result<()>,
) -> Result<Figures> {
    let runtime = Runtime::new()?;
    let port = free_port()?;
    let target = ([127, 0, 0, 1], port).into();
    let proxy = runtime.block_on(Proxy::bind(target, plan.seed))?;
    let public = proxy.address().to_string();
    let nodes = NODES.get(..plan.nodes).context("2 to 12 nodes take part")?;
    let mut network = Network::found_behind(scratch, nodes, &public, port)?;
    let seats = seats(scratch, nodes);
    let begun = Instant::now();
    let (promises, kills) = send(&runtime, &mut network, &proxy, &seats, plan)?;
    let sending = begun.elapsed();
    judge::wait_until_quiet(&seats)?;
    let settling = begun.elapsed() - sending;
    spoil()?;
    let judgement = judge::judge(&runtime, scratch, &seats, &promises)?;
    let faults = proxy.tally();
    runtime.block_on(proxy.stop());
    Ok(Figures {
        documents: promises.len(),
        deliveries: promises.iter().map(|promise| promise.to.len()).sum(),
        repeated: promises.iter().map(|one| u64::from(one.repeated)).sum(),
        kills,
        faults,
        sending,
        settling,
        judgement,
    })
}

fn seats(scratch: &Scratch, nodes: &'static [NodePlan]) -> Vec<Seat> {
    let of_node = |node: &'static NodePlan| {
        let seat = |agency: &&'static str| Seat {
            code: agency.split_once('=').map_or(*agency, |(code, _)| code),
            place: scratch.join(node.name),
        };
        node.agencies.iter().map(seat).collect::<Vec<_>>()
    };
    nodes.iter().flat_map(of_node).collect()
}

/// Sends everything while there is trouble; gives what was promised.
fn send(
    runtime: &Runtime,
    network: &mut Network<'_>,
    proxy: &Proxy,
    seats: &[Seat],
    plan: &Plan,
) -> Result<(Vec<Promise>, Kills)> {
    let (promises, promised) = mpsc::channel();
    thread::scope(|scope| {
        let trouble = scope.spawn(move || trouble::make(network, proxy, plan, &promised));
        let sent = runtime.block_on(senders::send_all(seats, plan, promises));
        // What ended the trouble is told first: it may be why nothing was promised.
        let made = trouble
            .join()
            .map_err(|_| anyhow!("the trouble panicked"))?;
        let (promises, kills) = made?;
        sent?;
        let (found, wanted) = (promises.len(), plan.documents);
        ensure!(found == wanted, "{found} of {wanted} were promised");
        Ok((promises, kills))
    })
}

/// A bar that is drawn where a person sits.
fn bar(length: usize, what: &'static str) -> ProgressBar {
    let bar = ProgressBar::new(length as u64).with_message(what);
    let shape = "{msg:>12} {wide_bar} {pos}/{len} {per_sec} {eta}";
    bar.with_style(ProgressStyle::with_template(shape).unwrap_or(ProgressStyle::default_bar()))
}

impl Figures {
    /// The promise was kept, and the trouble was as much as planned.
    ///
    /// # Errors
    /// It was not; says how.
    pub fn judge(&self, plan: &Plan) -> Result<()> {
        let (kills, faults) = (self.kills.total(), self.faults.total());
        ensure!(kills >= plan.kills, "only {kills} were killed");
        ensure!(faults >= plan.faults, "only {faults} faults took hold");
        self.judgement.passed().context("the promise was not kept")
    }
}

impl fmt::Display for Figures {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let seconds = self.sending.as_secs_f64();
        writeln!(
            f,
            "{} documents promised ({} deliveries) in {seconds:.1} s, {:.0}/s; quiet {:.1} s later; \
             senders asked again {} times",
            self.documents,
            self.deliveries,
            self.documents as f64 / seconds,
            self.settling.as_secs_f64(),
            self.repeated,
        )?;
        writeln!(f, "    killed: {}", self.kills)?;
        writeln!(f, "    faults: {} ({})", self.faults.total(), self.faults)?;
        write!(f, "    judged: {}", self.judgement)
    }
}
