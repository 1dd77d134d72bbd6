//! `bench network`: the same load with real nodes, each in a process of its own, end to end.
//!
//! Programs hand documents to their node over its socket, as the command line does; the node
//! seals and sends them. A document is done when its recipient's node has opened and judged it,
//! and the recipient's receipt is at the sender's node. Meanwhile nodes may renew their keys, as
//! they do once a year by themselves.

mod renewal;

use std::time::{Duration, Instant};

use bytes::Bytes;
use consign_domain::Timestamp;
use consign_node::client;
use consign_pki::seal::KeyKind;
use consign_proto::v1::document_reply::Row;
use consign_proto::v1::node_client::NodeClient;
use consign_proto::v1::send_event::Event;
use consign_proto::v1::send_request::Message;
use consign_proto::v1::{DocumentRequest, FileOpen, SendRequest};
use consign_runtime::clock::Clock;
use serde::Serialize;
use tokio::task::{JoinSet, block_in_place};
use tonic::transport::Channel;

use super::ground::lift_quotas;
use super::meter::Reading;
use super::process::Process;
use super::statistics::{Latencies, mib, rounded};
use super::{BenchError, Place, Progress, Setting, Watch};
use crate::network::{Network, Plan};
use crate::sample;

use renewal::Renewal;

/// How long one document may take.
const PATIENCE: Duration = Duration::from_secs(120);
const GLANCE: Duration = Duration::from_millis(20);
/// Bytes of a file in one message.
const CHUNK: usize = 256 << 10;

/// What is printed.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Report {
    /// Documents sent, handed over, opened and judged, by second.
    pub documents_per_s: f64,
    /// From handing a document to its node until the receipt is there.
    pub p50_ms: f64,
    /// 99 of 100 were faster.
    pub p99_ms: f64,
    /// The slowest.
    pub max_ms: f64,
    /// The hub's processor time for each document.
    pub hub_cpu_ms_per_document: f64,
    /// That of all nodes together: composing, sealing, checking, opening, judging, keeping.
    pub nodes_cpu_ms_per_document: f64,
    /// What the hub had the disk write for each document.
    pub hub_bytes_written_per_document: f64,
    /// What all nodes had the disk write for each document.
    pub nodes_bytes_written_per_document: f64,
    /// The hub's most resident memory.
    pub hub_peak_rss_mib: f64,
    /// The most that any node had.
    pub node_peak_rss_mib: f64,
    /// How often a node has gone on to new TLS, statement and encryption keys meanwhile.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub renewals: Option<u64>,
    /// Documents.
    pub documents: u64,
    /// From the first until the last was opened.
    pub seconds: f64,
    /// Nodes.
    pub nodes: usize,
    /// What the directories are on.
    pub file_system: String,
}

/// An agency, its node, and to whom it sends.
#[derive(Debug, Clone)]
struct Desk {
    node: NodeClient<Channel>,
    code: String,
    recipient: (NodeClient<Channel>, String),
}

/// A document that was handed over: its id, and who has it.
#[derive(Debug)]
struct Sent {
    id: String,
    micros: u32,
    recipient: (NodeClient<Channel>, String),
}

/// Measures.
///
/// # Errors
/// [`BenchError`].
pub async fn run(
    setting: &Setting,
    renew_seconds: Option<u64>,
    place: &Place,
    watch: Watch<'_>,
) -> Result<Report, BenchError> {
    let network = block_in_place(|| found(setting, place, watch))?;
    let hub = Process::start(&setting.program, "hub", &network.hub()).await?;
    let mut nodes = Vec::new();
    for node in network.nodes() {
        nodes.push(Process::start(&setting.program, "node", node).await?);
    }
    let desks = desks(&network)?;
    let file = Bytes::from(vec![0x5a; setting.size]);
    for (number, desk) in desks.iter().enumerate() {
        watch(Progress {
            what: "connecting nodes",
            done: number as u64,
            all: desks.len() as u64,
        });
        let first = pass(desk, file.clone()).await?;
        opened(first).await?;
    }
    let renewal = match renew_seconds {
        Some(seconds) => Some(Renewal::begin(&network, &desks, seconds).await?),
        None => None,
    };
    let before = readings(&hub, &nodes)?;
    let begun = Instant::now();
    let micros = drive(setting, &desks, &file, begun, watch).await?;
    let seconds = begun.elapsed().as_secs_f64();
    let after = readings(&hub, &nodes)?;
    let renewals = match renewal {
        Some(renewal) => Some(renewal.end().await?),
        None => None,
    };
    for node in nodes {
        node.stop().await?;
    }
    hub.stop().await?;
    Ok(Report {
        renewals,
        ..report(micros, seconds, &before, &after, place)
    })
}

fn found(setting: &Setting, place: &Place, watch: Watch<'_>) -> Result<Network, BenchError> {
    let plan = Plan {
        name: sample::NETWORK.to_owned(),
        nodes: (0..setting.nodes)
            .map(|index| vec![sample::agency(index)])
            .collect(),
        seals: KeyKind::EcdsaP256,
    };
    let now = Timestamp::from_unix_saturating(Clock::system().now());
    let (mut done, all) = (0, setting.nodes as u64);
    let mut step = |_: crate::Step<'_>| {
        let what = "founding the network";
        watch(Progress { what, done, all });
        done += 1;
    };
    let network = Network::found(place.path(), &plan, now, &mut step)?;
    lift_quotas(&network.hub().join("hub.toml"))?;
    Ok(network)
}

/// Each agency sends to the next.
fn desks(network: &Network) -> Result<Vec<Desk>, BenchError> {
    let seats = network.seats();
    let mut clients = Vec::with_capacity(seats.len());
    for seat in seats {
        clients.push((client::connect(&seat.node)?, seat.code.clone()));
    }
    let recipients = clients.iter().cycle().skip(1);
    let desks = clients.iter().zip(recipients);
    Ok(desks
        .map(|((node, code), recipient)| Desk {
            node: node.clone(),
            code: code.clone(),
            recipient: recipient.clone(),
        })
        .collect())
}

/// Sends for a while, as many at a time as asked for, and waits until everything is opened; gives
/// the latencies.
async fn drive(
    setting: &Setting,
    desks: &[Desk],
    file: &Bytes,
    begun: Instant,
    watch: Watch<'_>,
) -> Result<Vec<u32>, BenchError> {
    let lasts = Duration::from_secs(setting.seconds);
    let mut lines = JoinSet::new();
    for number in 0..setting.in_flight.max(1) {
        let Some(desk) = desks.get(number % desks.len().max(1)).cloned() else {
            return Err(BenchError::Task);
        };
        let file = file.clone();
        lines.spawn(async move {
            let mut micros = Vec::new();
            while begun.elapsed() < lasts {
                let sent = pass(&desk, file.clone()).await?;
                micros.push(sent.micros);
                opened(sent).await?;
            }
            Ok::<_, BenchError>(micros)
        });
    }
    let mut glances = tokio::time::interval(Duration::from_millis(200));
    let mut micros = Vec::new();
    loop {
        tokio::select! {
            ended = lines.join_next() => match ended {
                Some(line) => micros.extend(line.map_err(|_| BenchError::Task)??),
                None => return Ok(micros),
            },
            _ = glances.tick() => watch(Progress {
                what: "sending, receiving, opening",
                done: begun.elapsed().min(lasts).as_secs(),
                all: lasts.as_secs(),
            }),
        }
    }
}

/// One document, until its receipt is at the sender's node.
async fn pass(desk: &Desk, file: Bytes) -> Result<Sent, BenchError> {
    let begun = Instant::now();
    let to = vec![desk.recipient.1.clone()];
    let open = sample::other(&desk.code, to, "bench");
    let head = FileOpen {
        name: "van-ban.bin".to_owned(),
        media_type: String::new(),
        title: String::new(),
        size: file.len() as u64,
    };
    let mut messages = vec![Message::Open(open), Message::File(head)];
    let chunks = (0..file.len()).step_by(CHUNK);
    messages.extend(chunks.map(|at| Message::Chunk(file.slice(at..file.len().min(at + CHUNK)))));
    let requests = messages.into_iter().map(|message| SendRequest {
        message: Some(message),
    });
    let sending = async {
        let mut node = desk.node.clone();
        let mut events = node.send(tokio_stream::iter(requests)).await?.into_inner();
        let mut id = String::new();
        while let Some(event) = events.message().await? {
            match event.event {
                Some(Event::Composed(composed)) => id = composed.envelope_id,
                Some(Event::Done(done)) if done.state == "handed-over" => return Ok(id),
                Some(Event::Done(_)) => break,
                _ => {}
            }
        }
        Err(BenchError::Protocol {
            rule: "a good document is handed over",
        })
    };
    let id = within(sending).await?;
    let micros = begun.elapsed().as_micros();
    Ok(Sent {
        id,
        micros: u32::try_from(micros).unwrap_or(u32::MAX),
        recipient: desk.recipient.clone(),
    })
}

/// Waits until the recipient's node has judged the document.
async fn opened(sent: Sent) -> Result<(), BenchError> {
    let (mut node, agency) = sent.recipient;
    let judged = async {
        let mut glances = tokio::time::interval(GLANCE);
        loop {
            let request = DocumentRequest {
                agency: agency.clone(),
                id: sent.id.clone(),
            };
            match node.show(request).await?.into_inner().row {
                Some(Row::Received(row)) if row.verdict == "TOTAL-PASSED" => return Ok(()),
                Some(Row::Received(row)) if row.verdict.is_empty() => {}
                _ => {
                    return Err(BenchError::Protocol {
                        rule: "a good document is judged TOTAL-PASSED",
                    });
                }
            }
            glances.tick().await;
        }
    };
    within(judged).await
}

async fn within<T>(work: impl Future<Output = Result<T, BenchError>>) -> Result<T, BenchError> {
    let late = |_| BenchError::Unsettled {
        missing: 1,
        after: PATIENCE,
    };
    tokio::time::timeout(PATIENCE, work).await.map_err(late)?
}

/// The hub's, then each node's.
fn readings(hub: &Process, nodes: &[Process]) -> Result<Vec<Reading>, BenchError> {
    let all = std::iter::once(hub).chain(nodes);
    all.map(|process| process.meter().read()).collect()
}

fn report(
    micros: Vec<u32>,
    seconds: f64,
    before: &[Reading],
    after: &[Reading],
    place: &Place,
) -> Report {
    let documents = micros.len() as u64;
    let count = documents.max(1) as f64;
    let latencies = Latencies::new(micros);
    let used: Vec<(f64, f64, u64)> = after
        .iter()
        .zip(before)
        .map(|(after, before)| {
            let cpu = after.cpu_since(before).as_secs_f64() * 1000.0 / count;
            (cpu, after.written_since(before) as f64 / count, after.peak)
        })
        .collect();
    let (hub, nodes) = match used.split_first() {
        Some((hub, nodes)) => (*hub, nodes),
        None => ((0.0, 0.0, 0), used.as_slice()),
    };
    let peak = nodes.iter().map(|(.., peak)| *peak).max().unwrap_or(0);
    Report {
        documents_per_s: rounded(count / seconds, 1),
        p50_ms: rounded(latencies.per_mille(500), 1),
        p99_ms: rounded(latencies.per_mille(990), 1),
        max_ms: rounded(latencies.max(), 1),
        hub_cpu_ms_per_document: rounded(hub.0, 3),
        nodes_cpu_ms_per_document: rounded(nodes.iter().map(|(cpu, ..)| cpu).sum(), 3),
        hub_bytes_written_per_document: rounded(hub.1, 0),
        nodes_bytes_written_per_document: rounded(
            nodes.iter().map(|(_, written, _)| written).sum(),
            0,
        ),
        hub_peak_rss_mib: mib(hub.2),
        node_peak_rss_mib: mib(peak),
        renewals: None,
        documents,
        seconds: rounded(seconds, 2),
        nodes: nodes.len(),
        file_system: place.file_system().to_owned(),
    }
}
