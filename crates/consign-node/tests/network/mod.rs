//! A network in a temporary directory: authority, one hub, nodes.

#![allow(
    dead_code,
    unreachable_pub,
    missing_debug_implementations,
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "support for tests, of which each takes what it needs"
)]

mod node;

use std::net::TcpListener;
use std::path::{Path, PathBuf};

use consign_authority::{IssueOptions, Lives, PublishOptions};
use consign_domain::text::Line;
use consign_domain::{AgencyCode, SignedStatement, Timestamp};
use consign_node::keys::{self, NewAgency};
use consign_node::layout::NodeDirectory;
use consign_pki::seal::KeyKind;
use consign_runtime::clock::Clock;
use consign_runtime::shutdown::Shutdown;
use consign_verify::{Directory, TrustStore};
use tokio::task::JoinHandle;

pub use node::{Node, Outgoing};

pub struct Network {
    root: tempfile::TempDir,
}

/// A hub that runs in this process.
pub struct RunningHub {
    shutdown: Shutdown,
    task: JoinHandle<()>,
}

impl RunningHub {
    pub async fn stop(self) {
        self.shutdown.trigger();
        self.task.await.unwrap();
    }
}

fn now() -> Timestamp {
    Timestamp::from_unix_saturating(Clock::system().now())
}

impl Network {
    /// Enrols a hub and one node for each list of agency codes, and publishes the directory.
    pub fn build(nodes: &[&[&str]]) -> Self {
        Self::build_aged(0, nodes)
    }

    /// [`build`](Self::build), with the nodes enrolled so many days ago; their seals live three
    /// years, and all else longer.
    pub fn build_aged(days: u64, nodes: &[&[&str]]) -> Self {
        let root = tempfile::tempdir().unwrap();
        let network = Self { root };
        let authority = network.authority();
        let made = now().minus_seconds(days * 86_400);
        let lives = Lives {
            tls_days: 3_000,
            key_days: 3_000,
            ..Lives::default()
        };
        consign_authority::init(&authority, "Tỉnh Quảng Ninh", lives, made).unwrap();
        let port = TcpListener::bind("127.0.0.1:0")
            .and_then(|listener| listener.local_addr())
            .unwrap()
            .port();
        let hub = network.hub();
        let request = consign_hub::init(&hub, &format!("127.0.0.1:{port}"), "hub-1").unwrap();
        let mut requests = vec![(hub, std::fs::read(request).unwrap(), now())];
        network.issue(&requests[0].1, now());
        for (number, codes) in nodes.iter().enumerate() {
            let directory = network.node(number);
            let request = init_node(&directory, codes);
            network.issue(&request, made);
            requests.push((directory, request, made));
        }
        network.publish();
        for (place, (directory, request, at)) in requests.iter().enumerate() {
            let bundle = network.issue(request, *at);
            if place == 0 {
                consign_hub::install(directory, &bundle).unwrap();
                network.watch_authority(directory);
            } else {
                keys::install(&NodeDirectory::new(directory), &bundle).unwrap();
            }
        }
        network
    }

    /// Has the hub look where the authority publishes.
    fn watch_authority(&self, hub: &Path) {
        let path = hub.join("hub.toml");
        let text = std::fs::read_to_string(&path).unwrap();
        let published = self.authority().join("trust").join("directory");
        let line = format!("directory = {:?}", published.display().to_string());
        let changed = text.replace("directory = \"trust/directory\"", &line);
        assert_ne!(changed, text, "the key is in the file");
        std::fs::write(&path, changed).unwrap();
    }

    /// Enrols one more node, which no directory lists before [`publish`](Self::publish).
    pub fn enrol(&self, number: usize, codes: &[&str]) {
        let directory = self.node(number);
        let request = init_node(&directory, codes);
        let bundle = self.issue(&request, now());
        keys::install(&NodeDirectory::new(directory), &bundle).unwrap();
    }

    /// Has the authority answer a stopped node's request once more, as the guide says.
    pub fn issue_again(&self, number: usize) {
        let directory = NodeDirectory::new(self.node(number));
        let request = std::fs::read(directory.request_file()).unwrap();
        self.issue(&request, now());
        self.publish();
        let bundle = self.issue(&request, now());
        keys::install(&directory, &bundle).unwrap();
    }

    /// What verifiers take on faith.
    pub fn trust(&self) -> TrustStore {
        let trust = std::fs::read(self.authority().join("trust/trust.json")).unwrap();
        TrustStore::parse(&trust).unwrap()
    }

    /// The newest published directory.
    pub fn directory(&self) -> Directory {
        let versions = std::fs::read_dir(self.authority().join("trust/directory")).unwrap();
        let newest = versions
            .map(|version| version.unwrap().path())
            .max()
            .unwrap();
        let read = |name: &str| std::fs::read(newest.join(name)).unwrap();
        let head = SignedStatement {
            statement: read("head.json").into(),
            signature: read("head.sig").try_into().unwrap(),
        };
        Directory::verify(head, read("entries.jsonl"), &self.trust()).unwrap()
    }

    fn authority(&self) -> PathBuf {
        self.root.path().join("authority")
    }

    fn hub(&self) -> PathBuf {
        self.root.path().join("hub")
    }

    pub fn node(&self, number: usize) -> PathBuf {
        self.root.path().join(format!("node-{number}"))
    }

    fn issue(&self, request: &[u8], at: Timestamp) -> Vec<u8> {
        let options = IssueOptions::default();
        consign_authority::issue(&self.authority(), request, &options, at)
            .unwrap()
            .to_bytes()
    }

    /// Publishes the directory at the authority.
    pub fn publish(&self) {
        consign_authority::publish(&self.authority(), PublishOptions::default(), now()).unwrap();
    }

    /// Starts the hub; it listens when this returns.
    pub async fn start_hub(&self) -> RunningHub {
        let config = consign_hub::Config::load(&self.hub().join("hub.toml")).unwrap();
        let hub = consign_hub::bind(config, consign_keys::Keyring::default(), |_, _| {})
            .await
            .unwrap();
        let shutdown = Shutdown::new();
        let stop = shutdown.clone();
        let task = tokio::spawn(async move { hub.run(stop).await.unwrap() });
        RunningHub { shutdown, task }
    }

    /// Starts a node; it is ready when this returns.
    pub async fn start_node(&self, number: usize) -> Node {
        self.start_node_at(number, Clock::system()).await
    }

    /// Starts a node with a clock of its own; it is ready when this returns.
    pub async fn start_node_at(&self, number: usize, clock: Clock) -> Node {
        Node::start(&self.node(number), clock).await
    }
}

/// The most memory that this process ever held (proc(5), `VmHWM`).
pub fn peak_memory_kib() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    let line = status
        .lines()
        .find(|line| line.starts_with("VmHWM:"))
        .unwrap();
    line.split_whitespace().nth(1).unwrap().parse().unwrap()
}

fn init_node(directory: &Path, codes: &[&str]) -> Vec<u8> {
    let agencies: Vec<NewAgency> = codes
        .iter()
        .map(|code| NewAgency {
            code: AgencyCode::strict(code).unwrap(),
            name: Line::new(format!("Cơ quan {code}")).unwrap(),
            parent: None,
            id: None,
        })
        .collect();
    let name = Line::new("Máy chủ").unwrap();
    let directory = NodeDirectory::new(directory);
    let request = keys::init(&directory, &name, &agencies, KeyKind::EcdsaP256).unwrap();
    request.to_bytes()
}
