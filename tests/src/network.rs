//! A network on loopback, founded by the commands of the README.

use std::fs;
use std::net::{Ipv4Addr, TcpListener};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU16, Ordering};
use std::time::Duration;

use anyhow::{Context as _, Result, ensure};
use serde_json::Value;

use crate::program::Answer;
use crate::scratch::Scratch;
use crate::service::Service;
use crate::waiting::until;

/// Nothing takes longer to arrive in a network that is well.
pub const ARRIVAL: Duration = Duration::from_secs(60);

const PUBLISH: &str = "authority publish --dir authority";

/// A node to be founded.
#[derive(Debug, Clone, Copy)]
pub struct NodePlan {
    /// Its directory's name.
    pub name: &'static str,
    /// Its agencies, as `node init` takes them.
    pub agencies: &'static [&'static str],
    /// More for `node init`.
    pub options: &'static str,
}

/// Three agencies on two nodes, as in the README.
pub const README: &[NodePlan] = &[
    NodePlan {
        name: "node-a",
        agencies: &["H49=Ủy ban nhân dân tỉnh", "H49.13=Sở Nội vụ"],
        options: "",
    },
    NodePlan {
        name: "node-b",
        agencies: &["H49.20=Sở Tài chính"],
        options: "",
    },
];

/// An authority, a hub and nodes; the services run.
#[derive(Debug)]
pub struct Network<'a> {
    scratch: &'a Scratch,
    /// The hub.
    pub hub: Service,
    /// The nodes, in the order of their plans.
    pub nodes: Vec<Service>,
    /// Where nodes reach the hub.
    pub address: String,
}

impl<'a> Network<'a> {
    /// Founds a network and starts it; returns when every node is connected.
    ///
    /// # Errors
    /// A command failed, or a service was not ready in time.
    pub fn found(scratch: &'a Scratch, plans: &[NodePlan]) -> Result<Self> {
        let address = format!("localhost:{}", free_port()?);
        Self::found_at(scratch, plans, address, |_| Ok(()))
    }

    /// [`found`](Self::found), with a hub that nodes reach at `public` and that listens on a
    /// loopback port of its own.
    ///
    /// # Errors
    /// A command failed, or a service was not ready in time.
    pub fn found_behind(
        scratch: &'a Scratch,
        plans: &[NodePlan],
        public: &str,
        port: u16,
    ) -> Result<Self> {
        let listen_there = |hub: &Path| -> Result<()> {
            let path = hub.join("hub.toml");
            let text = fs::read_to_string(&path)?;
            let set = format!("listen = \"{public}\"");
            ensure!(text.contains(&set), "{set} is not in {}", path.display());
            let text = text.replace(&set, &format!("listen = \"127.0.0.1:{port}\""));
            Ok(fs::write(&path, text)?)
        };
        Self::found_at(scratch, plans, public.to_owned(), listen_there)
    }

    fn found_at(
        scratch: &'a Scratch,
        plans: &[NodePlan],
        address: String,
        configure_hub: impl FnOnce(&Path) -> Result<()>,
    ) -> Result<Self> {
        let run = |line: &str| -> Result<()> {
            scratch.consign(line)?.good()?;
            Ok(())
        };
        run("authority init --dir authority --name 'Tỉnh Quảng Ninh'")?;
        run(&format!(
            "hub init --dir hub --address {address} --directory authority/trust/directory"
        ))?;
        configure_hub(&scratch.join("hub"))?;
        run(&issue("hub"))?;
        run(PUBLISH)?;
        run(&install("hub", "hub"))?;
        for plan in plans {
            let agencies = plan.agencies.iter();
            let agencies: String = agencies.map(|one| format!(" --agency '{one}'")).collect();
            run(&format!(
                "node init --node {}{agencies} {}",
                plan.name, plan.options
            ))?;
            run(&issue(plan.name))?;
        }
        run(PUBLISH)?;
        for plan in plans {
            run(&install("node", plan.name))?;
        }
        Self::start(scratch, plans, address)
    }

    fn start(scratch: &'a Scratch, plans: &[NodePlan], address: String) -> Result<Self> {
        let hub = Service::start(&scratch.join("hub"), "hub run --dir hub")?;
        let mut network = Self {
            scratch,
            hub,
            nodes: Vec::new(),
            address,
        };
        for plan in plans {
            let directory = scratch.join(plan.name);
            let node = Service::start(&directory, &format!("node run --node {}", plan.name))?;
            network.nodes.push(node);
        }
        for plan in plans {
            network.wait_until_connected(plan.name)?;
        }
        Ok(network)
    }

    /// The test's directory: `authority`, `hub` and the nodes lie in it.
    pub const fn scratch(&self) -> &Scratch {
        self.scratch
    }

    /// A path in it.
    pub fn join(&self, name: impl AsRef<Path>) -> PathBuf {
        self.scratch.join(name)
    }

    /// Runs `consign` with a line as one would write it, standing in the test's directory.
    ///
    /// # Errors
    /// It could not be run, or did not end in time.
    pub fn consign(&self, line: &str) -> Result<Answer> {
        self.scratch.consign(line)
    }

    /// Runs `consign … --json` and gives the object; the command must end well.
    ///
    /// # Errors
    /// It did not.
    pub fn ask(&self, line: &str) -> Result<Value> {
        self.scratch.ask(line)
    }

    /// The n-th node.
    ///
    /// # Errors
    /// There are not so many.
    pub fn node(&mut self, index: usize) -> Result<&mut Service> {
        self.nodes
            .get_mut(index)
            .context("there are not so many nodes")
    }

    /// Waits until a node says that it is connected.
    ///
    /// # Errors
    /// It does not.
    pub fn wait_until_connected(&self, node: &str) -> Result<()> {
        until(&format!("{node} is connected"), ARRIVAL, || {
            let status = self.ask(&format!("status --node {node}"))?;
            Ok((status["connection"] == "connected").then_some(()))
        })
    }

    /// Waits until an agency has opened a document and judged it good; gives its row.
    ///
    /// # Errors
    /// It has not, within [`ARRIVAL`].
    pub fn wait_until_received(&self, node: &str, agency: &str, id: &str) -> Result<Value> {
        until(&format!("{agency} has {id}"), ARRIVAL, || {
            let rows = inbox(self.scratch, node, agency)?;
            let is_it = |row: &&Value| row["id"] == id && row["state"] == "opened";
            Ok(rows.iter().find(is_it).cloned())
        })
    }

    /// Waits until a sender knows that every recipient has signed for a document.
    ///
    /// # Errors
    /// It does not, within [`ARRIVAL`].
    pub fn wait_until_handed_over(&self, node: &str, agency: &str, id: &str) -> Result<()> {
        until(&format!("{id} is handed over"), ARRIVAL, || {
            let said = self.ask(&format!("track {id} --node {node} --agency {agency}"))?;
            Ok(all_handed_over(&said).then_some(()))
        })
    }
}

/// All that an agency lists as received.
///
/// # Errors
/// The node does not answer, or has more than one list shows.
pub fn inbox(scratch: &Scratch, node: &str, agency: &str) -> Result<Vec<Value>> {
    list(scratch, "inbox", node, agency)
}

/// All that an agency lists as sent.
///
/// # Errors
/// The node does not answer, or has more than one list shows.
pub fn sent(scratch: &Scratch, node: &str, agency: &str) -> Result<Vec<Value>> {
    list(scratch, "sent", node, agency)
}

fn list(scratch: &Scratch, what: &str, node: &str, agency: &str) -> Result<Vec<Value>> {
    let line = format!("{what} --node {node} --agency {agency} --limit 1000");
    let mut answer = scratch.ask(&line)?;
    ensure!(answer["next"].is_null(), "more than a list shows");
    let rows = answer["documents"].take();
    rows.as_array().cloned().context("a list of documents")
}

/// Whether `track --json` says that every recipient has signed.
pub fn all_handed_over(track: &Value) -> bool {
    let recipients = track["recipients"].as_array().map(Vec::as_slice);
    let recipients = recipients.unwrap_or_default();
    let signed = |recipient: &Value| recipient["state"] == "handed-over";
    !recipients.is_empty() && recipients.iter().all(signed)
}

fn issue(name: &str) -> String {
    format!("authority issue {name}/request.json --dir authority -o {name}-bundle.json")
}

fn install(role: &str, name: &str) -> String {
    format!("{role} install {name}-bundle.json --dir {name}")
}

/// A port that nobody listens on, below those that the system gives to callers: a service
/// that is killed finds it free again.
///
/// # Errors
/// None is free.
pub fn free_port() -> Result<u16> {
    static NEXT: AtomicU16 = AtomicU16::new(0);
    let own = u16::try_from(std::process::id() % 100).unwrap_or_default();
    for _ in 0..1000 {
        let number = NEXT.fetch_add(1, Ordering::Relaxed) % 100;
        let port = 20_000 + own * 100 + number;
        let free = |address: Ipv4Addr| TcpListener::bind((address, port)).is_ok();
        if free(Ipv4Addr::LOCALHOST) {
            return Ok(port);
        }
    }
    anyhow::bail!("no port is free")
}
