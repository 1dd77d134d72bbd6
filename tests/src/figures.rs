//! One large document through a network: how long, and with how much memory.

use std::fmt;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, ensure};

use crate::material::noise;
use crate::network::{Network, NodePlan};
use crate::program::{Invocation, words};
use crate::scratch::Scratch;
use crate::waiting::until;

/// No service may have more memory at one time, whatever it carries.
pub const MEMORY: u64 = 160 * 1024 * 1024;

/// Sender and recipient on a node each.
const PLAN: &[NodePlan] = &[
    NodePlan {
        name: "node-a",
        agencies: &["H49=Ủy ban nhân dân tỉnh"],
        options: "",
    },
    NodePlan {
        name: "node-b",
        agencies: &["H49.20=Sở Tài chính"],
        options: "",
    },
];

/// What was measured.
#[derive(Debug, Clone)]
pub struct Figures {
    /// The document's bytes.
    pub size: u64,
    /// From the command until it was sealed and accepted by the hub.
    pub accepted: Duration,
    /// From the command until the recipient had opened and judged it.
    pub opened: Duration,
    /// Each service and its peak of resident memory in bytes.
    pub memory: Vec<(&'static str, u64)>,
}

/// Sends a document of so many bytes from one node to another, compares what arrived, and
/// gives the figures.
///
/// # Errors
/// It did not arrive as it was sent, or not within `limit`.
pub fn send_large(scratch: &Scratch, size: u64, limit: Duration) -> Result<Figures> {
    let network = Network::found(scratch, PLAN)?;
    let letter = scratch.join("letter.bin");
    noise(&letter, size, 0x5eed)?;
    let start = Instant::now();
    let line = "send letter.bin --node node-a --to H49.20 --subject Lớn --wait accepted --json";
    let long = |line: &str| {
        let invocation = Invocation::consign()?.args(words(line));
        invocation
            .stand_in(scratch.path())
            .within(limit)
            .run()?
            .good()
    };
    let sent = long(line)?.json()?;
    let accepted = start.elapsed();
    let id = sent["id"].as_str().context("an id")?;
    until("the large document is opened", limit, || {
        let shown = scratch.consign(&format!("show {id} --node node-b --json"))?;
        let state = shown.json()?["received"]["verdict"].take();
        Ok((state == "TOTAL-PASSED").then_some(()))
    })?;
    let opened = start.elapsed();
    let memory = vec![
        ("hub", network.hub.peak_memory()?),
        ("sending node", peak(&network, 0)?),
        ("receiving node", peak(&network, 1)?),
    ];
    long(&format!("export {id} --node node-a -o sent.asice"))?;
    long(&format!("export {id} --node node-b -o received.asice"))?;
    let compare = Invocation::of("cmp").args(["sent.asice", "received.asice"]);
    compare
        .stand_in(scratch.path())
        .within(limit)
        .run()?
        .good()?;
    long("verify received.asice --trust node-b/trust/trust.json")?;
    holds_the_letter(scratch, limit)?;
    Ok(Figures {
        size,
        accepted,
        opened,
        memory,
    })
}

fn peak(network: &Network<'_>, node: usize) -> Result<u64> {
    network.nodes.get(node).context("two nodes")?.peak_memory()
}

/// Python takes the very letter out of the container, in pieces.
fn holds_the_letter(scratch: &Scratch, limit: Duration) -> Result<()> {
    const SCRIPT: &str = "import sys, zipfile, shutil\n\
        with zipfile.ZipFile('received.asice').open('letter.bin') as a, \
        open('out.bin', 'wb') as b: shutil.copyfileobj(a, b, 1 << 20)";
    let extract = Invocation::of("python3").args(["-I", "-c", SCRIPT]);
    extract
        .stand_in(scratch.path())
        .within(limit)
        .run()?
        .good()?;
    let compare = Invocation::of("cmp").args(["letter.bin", "out.bin"]);
    compare
        .stand_in(scratch.path())
        .within(limit)
        .run()?
        .good()?;
    Ok(())
}

impl Figures {
    /// No service took more than [`MEMORY`].
    ///
    /// # Errors
    /// One did.
    pub fn memory_is_bounded(&self) -> Result<()> {
        for (name, peak) in &self.memory {
            let limit = MEMORY >> 20;
            ensure!(*peak < MEMORY, "{name} took {} MiB of {limit}", peak >> 20);
        }
        Ok(())
    }
}

impl fmt::Display for Figures {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "{} MiB: accepted after {:.1} s, opened after {:.1} s; most memory:",
            self.size >> 20,
            self.accepted.as_secs_f64(),
            self.opened.as_secs_f64()
        )?;
        for (name, peak) in &self.memory {
            write!(f, " {name} {} MiB;", peak >> 20)?;
        }
        Ok(())
    }
}
