//! A network on disk: founded once, opened as often as wanted.
//!
//! ```text
//! DIR/network.json                    who sits where
//! DIR/authority/                      as `consign authority init` makes it
//! DIR/hub/                            as `consign hub init` and `install`
//! DIR/nodes/<number>/                 as `consign node init` and `install`
//! ```

use std::net::TcpListener;
use std::path::{Path, PathBuf};

use consign_authority::{Authority, IssueOptions, Lives, PublishOptions};
use consign_domain::text::Line;
use consign_domain::{AgencyCode, Timestamp};
use consign_node::keys::{self, NewAgency};
use consign_node::layout::NodeDirectory;
use consign_pki::seal::KeyKind;
use consign_runtime::files;
use serde::{Deserialize, Serialize};

use crate::error::LabError;
use crate::sample;

mod running;

pub use running::Running;

const NETWORK_FILE: &str = "network.json";
const MAX_NETWORK_FILE: usize = 16 << 20;

/// The setting of `hub.toml` that says where the authority publishes.
const DIRECTORY_SETTING: &str = "directory = \"trust/directory\"";

/// Who is to sit where.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Plan {
    /// The network's name.
    pub name: String,
    /// For each node its agencies, by code and name.
    pub nodes: Vec<Vec<(String, String)>>,
    /// The kind of seal keys.
    pub seals: KeyKind,
}

impl Plan {
    /// So many agencies of the sample province, the first two on one node, the others each
    /// on one of its own.
    pub fn with_agencies(count: usize) -> Self {
        let mut agencies = (0..count).map(sample::agency);
        let first: Vec<_> = agencies.by_ref().take(2).collect();
        let nodes = std::iter::once(first).chain(agencies.map(|agency| vec![agency]));
        Self {
            name: sample::NETWORK.to_owned(),
            nodes: nodes.collect(),
            seals: KeyKind::EcdsaP256,
        }
    }
}

/// An agency and the node that serves it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Seat {
    /// The agency's code.
    pub code: String,
    /// The agency's name.
    pub name: String,
    /// The node's directory; relative in the file, absolute in memory.
    pub node: PathBuf,
}

/// What has just been made, for whoever watches.
#[derive(Debug)]
#[non_exhaustive]
pub enum Step<'a> {
    /// The authority is there.
    Authority {
        /// Its directory.
        dir: &'a Path,
    },
    /// The hub has its keys.
    Hub {
        /// Its directory.
        dir: &'a Path,
        /// Where nodes reach it.
        address: &'a str,
    },
    /// A node and its agencies have their keys.
    Node {
        /// Its directory.
        dir: &'a Path,
        /// Codes and names of its agencies.
        agencies: &'a [(String, String)],
    },
    /// A directory version is published.
    Published {
        /// Its version.
        version: u64,
        /// Its entries.
        entries: u64,
    },
}

/// A network on disk.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Network {
    dir: PathBuf,
    seats: Vec<Seat>,
}

#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct NetworkFile {
    #[serde(rename = "type")]
    tag: NetworkTag,
    seats: Vec<Seat>,
}

#[derive(Debug, Serialize, Deserialize)]
enum NetworkTag {
    #[serde(rename = "consign/lab-network/v1")]
    V1,
}

impl Network {
    /// Founds a network in an empty directory, or one that is not there yet.
    ///
    /// # Errors
    /// The directory is not empty, or something cannot be made.
    pub fn found(
        dir: &Path,
        plan: &Plan,
        now: Timestamp,
        watch: &mut dyn FnMut(Step<'_>),
    ) -> Result<Self, LabError> {
        let dir = std::path::absolute(dir).map_err(|source| io(dir, source))?;
        if !is_empty(&dir)? {
            return Err(LabError::NotOurs { path: dir });
        }
        files::create_dir_durable(&dir, 0o755)?;
        let network = Self {
            seats: seats(&dir, plan),
            dir,
        };
        network.make(plan, now, watch)?;
        network.write()?;
        Ok(network)
    }

    /// Opens a network that was founded before; `None` where nothing is yet.
    ///
    /// # Errors
    /// The directory holds something else, or a damaged network.
    pub fn open(dir: &Path) -> Result<Option<Self>, LabError> {
        let dir = std::path::absolute(dir).map_err(|source| io(dir, source))?;
        let path = dir.join(NETWORK_FILE);
        let bytes = match files::read_bounded(&path, MAX_NETWORK_FILE) {
            Ok(bytes) => bytes,
            Err(fault) if fault.is_not_found() && is_empty(&dir)? => return Ok(None),
            Err(fault) if fault.is_not_found() => return Err(LabError::NotOurs { path: dir }),
            Err(fault) => return Err(fault.into()),
        };
        let file: NetworkFile =
            serde_json::from_slice(&bytes).map_err(|source| LabError::Damaged { path, source })?;
        let seats = file.seats.into_iter().map(|seat| Seat {
            node: dir.join(&seat.node),
            ..seat
        });
        let seats = seats.collect();
        Ok(Some(Self { dir, seats }))
    }

    /// Its directory.
    pub fn dir(&self) -> &Path {
        &self.dir
    }

    /// The agencies, in the order of the plan.
    pub fn seats(&self) -> &[Seat] {
        &self.seats
    }

    /// The nodes' directories, each once.
    pub fn nodes(&self) -> Vec<&Path> {
        let mut nodes: Vec<&Path> = self.seats.iter().map(|seat| seat.node.as_path()).collect();
        nodes.dedup();
        nodes
    }

    /// The authority's directory.
    pub fn authority(&self) -> PathBuf {
        self.dir.join("authority")
    }

    /// The hub's directory.
    pub fn hub(&self) -> PathBuf {
        self.dir.join("hub")
    }

    /// The trust file; the published directory lies beside it.
    pub fn trust(&self) -> PathBuf {
        self.authority().join("trust").join("trust.json")
    }

    /// The roots for `openssl -CAfile`.
    pub fn trust_pem(&self) -> PathBuf {
        self.authority().join("trust").join("trust.pem")
    }

    fn make(
        &self,
        plan: &Plan,
        now: Timestamp,
        watch: &mut dyn FnMut(Step<'_>),
    ) -> Result<(), LabError> {
        let (home, hub) = (self.authority(), self.hub());
        consign_authority::init(&home, &plan.name, Lives::default(), now)?;
        watch(Step::Authority { dir: &home });
        let address = format!("127.0.0.1:{}", free_port(&self.dir)?);
        let hub_request = consign_hub::init(&hub, &address, "hub-1")?;
        follow_directory(&hub, Path::new("../authority/trust/directory"))?;
        watch(Step::Hub {
            dir: &hub,
            address: &address,
        });
        let mut requests = Vec::new();
        for (node, agencies) in self.nodes().into_iter().zip(&plan.nodes) {
            let request = make_node(node, agencies, plan.seals)?;
            requests.push((node, request));
            watch(Step::Node {
                dir: node,
                agencies,
            });
        }
        let hub_request = read_request(&hub_request)?;
        let options = IssueOptions::default();
        let mut authority = Authority::open(&home)?;
        authority.issue(&hub_request, &options, now)?;
        for (_, request) in &requests {
            authority.issue(request, &options, now)?;
        }
        let published = authority.publish(PublishOptions::default(), now)?;
        watch(Step::Published {
            version: published.version.value(),
            entries: published.entries,
        });
        // Asked again, the authority gives the same certificates, now with the directory.
        for (node, request) in &requests {
            let bundle = authority.issue(request, &options, now)?;
            keys::install(&NodeDirectory::new(*node), &bundle.to_bytes())?;
        }
        let mut bundle = authority.issue(&hub_request, &options, now)?;
        // The hub reads the directory where the authority publishes it.
        bundle.directory = None;
        consign_hub::install(&hub, &bundle.to_bytes())?;
        Ok(())
    }

    /// Written last: a directory without it was never finished.
    fn write(&self) -> Result<(), LabError> {
        let relative = |seat: &Seat| Seat {
            node: seat
                .node
                .strip_prefix(&self.dir)
                .unwrap_or(&seat.node)
                .to_owned(),
            ..seat.clone()
        };
        let file = NetworkFile {
            tag: NetworkTag::V1,
            seats: self.seats.iter().map(relative).collect(),
        };
        let path = self.dir.join(NETWORK_FILE);
        let bytes = serde_json::to_vec_pretty(&file).map_err(|source| LabError::Damaged {
            path: path.clone(),
            source,
        })?;
        Ok(files::publish(&path, &bytes, 0o644)?)
    }
}

/// Lets the hub in `hub` look for the directory in `directory`, where the authority
/// publishes it; a relative path is taken from the hub's directory.
///
/// # Errors
/// `hub.toml` cannot be changed: a person has changed that setting already.
pub fn follow_directory(hub: &Path, directory: &Path) -> Result<(), LabError> {
    let path = hub.join("hub.toml");
    let bytes = files::read_bounded(&path, 1 << 20)?;
    let text = String::from_utf8_lossy(&bytes);
    let quoted = serde_json::to_string(&directory.to_string_lossy())
        .map_err(|_| LabError::HubFile { path: path.clone() })?;
    let wanted = format!("directory = {quoted}");
    if text.lines().any(|line| line == wanted) {
        return Ok(());
    }
    if !text.lines().any(|line| line == DIRECTORY_SETTING) {
        return Err(LabError::HubFile { path });
    }
    let text = text.replace(DIRECTORY_SETTING, &wanted);
    Ok(files::publish(&path, text.as_bytes(), 0o644)?)
}

fn make_node(
    node: &Path,
    agencies: &[(String, String)],
    seals: KeyKind,
) -> Result<Vec<u8>, LabError> {
    let agency = |(code, name): &(String, String)| -> Result<NewAgency, LabError> {
        let malformed = |_| LabError::Agency { code: code.clone() };
        Ok(NewAgency {
            code: AgencyCode::strict(code).map_err(malformed)?,
            name: Line::tidy(name)?,
            parent: None,
            id: None,
        })
    };
    let new: Vec<NewAgency> = agencies.iter().map(agency).collect::<Result<_, _>>()?;
    let first = agencies.first().map_or("nút", |(_, name)| name.as_str());
    let name = Line::tidy(&format!("Nút {first}"))?;
    let directory = NodeDirectory::new(node);
    if let Some(parent) = node.parent() {
        files::create_dir_durable(parent, 0o755)?;
    }
    Ok(keys::init(&directory, &name, &new, seals)?.to_bytes())
}

fn seats(dir: &Path, plan: &Plan) -> Vec<Seat> {
    let node = |(index, agencies): (usize, &Vec<(String, String)>)| {
        let node = dir.join("nodes").join((index + 1).to_string());
        let seat = |(code, name): &(String, String)| Seat {
            code: code.clone(),
            name: name.clone(),
            node: node.clone(),
        };
        agencies.iter().map(seat).collect::<Vec<_>>()
    };
    plan.nodes.iter().enumerate().flat_map(node).collect()
}

fn read_request(path: &Path) -> Result<Vec<u8>, LabError> {
    let max = consign_domain::enrolment::MAX_REQUEST;
    Ok(files::read_bounded(path, max)?)
}

/// A port that nobody listens on now.
pub(crate) fn free_port(dir: &Path) -> Result<u16, LabError> {
    let port = TcpListener::bind(("127.0.0.1", 0)).and_then(|listener| listener.local_addr());
    port.map(|address| address.port())
        .map_err(|source| io(dir, source))
}

fn is_empty(dir: &Path) -> Result<bool, LabError> {
    match std::fs::read_dir(dir) {
        Ok(mut entries) => Ok(entries.next().is_none()),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(true),
        Err(source) => Err(io(dir, source)),
    }
}

fn io(path: &Path, source: std::io::Error) -> LabError {
    LabError::Io {
        path: path.to_owned(),
        source,
    }
}

#[cfg(test)]
mod tests;
