//! `bench directory`: a directory of many agencies, from the authority's register to a node's disk.
//!
//! The authority enrols them by real requests and publishes; a real hub takes the version and
//! hands it to a real node. Then one agency changes, and what changed travels. All keys but those
//! of the one node are thrown away.

use std::hint::black_box;
use std::path::Path;
use std::time::{Duration, Instant};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use consign_authority::{Authority, IssueOptions, PublishOptions};
use consign_domain::directory::EntryState;
use consign_domain::enrolment::{AgencyRequest, NodeRequest, Request};
use consign_domain::statement::AgeRecipient;
use consign_domain::text::Line;
use consign_domain::{AgencyCode, AgencyId, Digest, NodeId, PartyCode, Timestamp};
use consign_node::directory_files;
use consign_node::layout::NodeDirectory;
use consign_pki::encryption::{EncryptionError, EncryptionIdentity};
use consign_pki::issue::create_request;
use consign_pki::seal::{FileSealKey, KeyKind};
use consign_pki::statement::StatementKey;
use consign_proto::v1::directory_reply::Message;
use consign_proto::v1::hub_client::HubClient;
use consign_proto::v1::{DirectoryRequest, SignedStatement};
use consign_runtime::clock::Clock;
use consign_runtime::entropy;
use consign_runtime::files;
use consign_runtime::tls::{self, PeerIdentity, PeerPolicy, TlsIdentity};
use consign_verify::{Directory, TrustStore};
use serde::Serialize;
use tokio::task::block_in_place;

use super::statistics::{mib, rounded};
use super::{BenchError, Place, Progress, Watch};
use crate::network::{Network, Plan};

/// Agencies of one request, and so of one node.
const OF_ONE_NODE: usize = 250;
const MAX_FILE: usize = 1 << 20;
/// How long a version may take to a node's disk.
const PATIENCE: Duration = Duration::from_secs(120);
const GLANCE: Duration = Duration::from_millis(2);

/// What is printed.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Report {
    /// Agencies listed.
    pub agencies: usize,
    /// All entries together.
    pub directory_mib: f64,
    /// Enrolling all of them: certificates made, records and certificates on the disk.
    pub enrolled_s: f64,
    /// Opening the authority: each record read and checked.
    pub authority_opened_ms: f64,
    /// Publishing: root, signature, check, revocation lists, on the disk.
    pub published_ms: f64,
    /// Checking a version: signature, root, every entry and key.
    pub verified_ms: f64,
    /// From publishing until a node that had another version has all of it on its disk; the hub
    /// looks for new versions twice a second.
    pub whole_taken_ms: f64,
    /// Bytes of heads and lines of the whole.
    pub whole_bytes: u64,
    /// The same time for a version in which one agency changed.
    pub change_taken_ms: f64,
    /// Bytes of heads and lines when one agency changed.
    pub change_bytes: u64,
    /// Finding an agency by its code.
    pub by_code_ns: f64,
    /// Finding a node by its TLS certificate.
    pub by_certificate_ns: f64,
    /// Making the path of one entry.
    pub path_ms: f64,
    /// What the directories are on.
    pub file_system: String,
}

/// Measures.
///
/// # Errors
/// [`BenchError`].
pub async fn run(agencies: usize, place: &Place, watch: Watch<'_>) -> Result<Report, BenchError> {
    let clock = Clock::system();
    let now = Timestamp::from_unix_saturating(clock.now());
    let home = place.path().join("network");
    let network =
        block_in_place(|| Network::found(&home, &Plan::with_agencies(2), now, &mut |_| {}))?;
    let node = network.nodes().first().map(|node| (*node).to_owned());
    let node = node.ok_or(BenchError::Task)?;
    let running = network.start(&clock).await?;
    let mut report = measure(
        agencies,
        &network,
        &node,
        running.hub_address(),
        &clock,
        watch,
    )
    .await;
    running.stop().await?;
    if let Ok(report) = &mut report {
        place.file_system().clone_into(&mut report.file_system);
    }
    report
}

async fn measure(
    agencies: usize,
    network: &Network,
    node: &Path,
    hub: &str,
    clock: &Clock,
    watch: Watch<'_>,
) -> Result<Report, BenchError> {
    let now = Timestamp::from_unix_saturating(clock.now());
    let home = network.authority();
    let (mut authority, _) = timed(|| Ok(Authority::open(&home)?))?;
    let ((), enrolled) = block_in_place(|| timed(|| enrol(&mut authority, agencies, now, watch)))?;
    drop(authority);
    let (mut authority, opened) = block_in_place(|| timed(|| Ok(Authority::open(&home)?)))?;
    let versions = node.join("trust").join("directory");
    let (published, whole_taken) = publish(&mut authority, &versions, now).await?;
    let code = code(agencies / 2)?;
    authority.set_state(&PartyCode::from(code.clone()), EntryState::Suspended)?;
    let before = newest(&versions, authority.trust())?;
    let (_, change_taken) = publish(&mut authority, &versions, now).await?;
    let trust = authority.trust().clone();
    let (directory, verified) = block_in_place(|| timed(|| newest(&versions, &trust)))?;
    let identity = identity(node)?;
    let asked = |have: &Directory| DirectoryRequest {
        have: have.version().value(),
        head: Bytes::copy_from_slice(have.signed_head().digest().as_bytes()),
    };
    let change_bytes = fetch(hub, &identity, clock, asked(&before)).await?;
    let whole_bytes = fetch(hub, &identity, clock, DirectoryRequest::default()).await?;
    let certificate = Digest::from_bytes(identity.fingerprint().0);
    let agency = directory.agency_by_code(&code).ok_or(BenchError::Task)?;
    let (_, path) = timed(|| {
        directory
            .path_of(agency.id.to_bytes())
            .ok_or(BenchError::Task)
    })?;
    Ok(Report {
        agencies: directory.agencies().count(),
        directory_mib: mib(directory.entries().len() as u64),
        enrolled_s: rounded(enrolled.as_secs_f64(), 1),
        authority_opened_ms: millis(opened),
        published_ms: millis(published),
        verified_ms: millis(verified),
        whole_taken_ms: millis(whole_taken),
        whole_bytes,
        change_taken_ms: millis(change_taken),
        change_bytes,
        by_code_ns: each(|| directory.active_agency(black_box(&code), now).is_some()),
        by_certificate_ns: each(|| {
            let found = directory.node_by_certificate(black_box(certificate), now);
            found.is_some()
        }),
        path_ms: millis(path),
        file_system: String::new(),
    })
}

/// Publishes, and waits until the version is on the node's disk; how long each took.
async fn publish(
    authority: &mut Authority,
    versions: &Path,
    now: Timestamp,
) -> Result<(Duration, Duration), BenchError> {
    let publish = || Ok(authority.publish(PublishOptions::default(), now)?);
    let (published, took) = block_in_place(|| timed(publish))?;
    let version = versions.join(format!("{:012}", published.version.value()));
    let begun = Instant::now();
    let mut glances = tokio::time::interval(GLANCE);
    while !version.exists() {
        if begun.elapsed() > PATIENCE {
            let (missing, after) = (1, PATIENCE);
            return Err(BenchError::Unsettled { missing, after });
        }
        glances.tick().await;
    }
    Ok((took, begun.elapsed()))
}

fn newest(versions: &Path, trust: &TrustStore) -> Result<Directory, BenchError> {
    let newest = directory_files::newest(versions, trust);
    newest.ok().flatten().ok_or(BenchError::Task)
}

/// Asks the hub as the node does; gives the bytes of heads and lines that came.
async fn fetch(
    hub: &str,
    identity: &TlsIdentity,
    clock: &Clock,
    request: DirectoryRequest,
) -> Result<u64, BenchError> {
    let any_hub: PeerPolicy = std::sync::Arc::new(|_, _, _| Ok(PeerIdentity([1; 16])));
    let tls = tls::client_config(identity, &any_hub, clock)?;
    let mut client = HubClient::new(tls::connect_now(hub, &tls).await?);
    let (mut replies, mut bytes) = (client.directory(request).await?.into_inner(), 0);
    let signed = |signed: &SignedStatement| signed.statement.len() + signed.signature.len();
    while let Some(reply) = replies.message().await? {
        bytes += match &reply.message {
            Some(Message::Head(head) | Message::Between(head)) => signed(head),
            Some(Message::Entries(lines)) => lines.len(),
            Some(Message::Kept(_) | Message::Dropped(_)) => size_of::<u64>(),
            _ => 0,
        };
    }
    Ok(bytes as u64)
}

fn identity(node: &Path) -> Result<TlsIdentity, BenchError> {
    let node = NodeDirectory::new(node);
    let certificate = files::read_bounded(&node.tls_certificate_file(), MAX_FILE)?;
    let key = files::read_private(&node.tls_key_file(), MAX_FILE)?;
    Ok(TlsIdentity::from_pem(&certificate, &key)?)
}

fn enrol(
    authority: &mut Authority,
    agencies: usize,
    now: Timestamp,
    watch: Watch<'_>,
) -> Result<(), BenchError> {
    for first in (0..agencies).step_by(OF_ONE_NODE) {
        watch(Progress {
            what: "enrolling agencies",
            done: first as u64,
            all: agencies as u64,
        });
        let tls = FileSealKey::generate(KeyKind::EcdsaP256)?;
        let numbers = first..agencies.min(first + OF_ONE_NODE);
        let request = Request::Node(NodeRequest {
            id: NodeId::from_bytes(entropy::uuid_v4()?)?,
            name: Line::tidy(&format!("Nút {first}"))?,
            tls: STANDARD.encode(create_request(&tls, "node")?),
            agencies: numbers.map(agency).collect::<Result<_, _>>()?,
        });
        authority.issue(&request.to_bytes(), &IssueOptions::default(), now)?;
    }
    Ok(())
}

fn agency(number: usize) -> Result<AgencyRequest, BenchError> {
    let seal = FileSealKey::generate(KeyKind::EcdsaP256)?;
    let key = StatementKey::from_seed(entropy::bytes()?);
    let recipient = EncryptionIdentity::generate().recipient().to_text();
    Ok(AgencyRequest {
        id: AgencyId::from_bytes(entropy::uuid_v4()?)?,
        code: code(number)?,
        name: Line::tidy(&format!("Ủy ban nhân dân xã số {number}"))?,
        parent: None,
        seal: STANDARD.encode(create_request(&seal, "agency")?),
        statement: Digest::from_bytes(key.public().to_bytes()),
        encryption: AgeRecipient::new(&recipient).ok_or(EncryptionError::InvalidRecipient)?,
    })
}

fn code(number: usize) -> Result<AgencyCode, BenchError> {
    let (department, office) = (number / 100, number % 100);
    Ok(AgencyCode::strict(&format!(
        "H98.{department:03}.{office:02}"
    ))?)
}

fn timed<T>(work: impl FnOnce() -> Result<T, BenchError>) -> Result<(T, Duration), BenchError> {
    let begun = Instant::now();
    let done = work()?;
    Ok((done, begun.elapsed()))
}

fn millis(time: Duration) -> f64 {
    rounded(time.as_secs_f64() * 1e3, 1)
}

/// Nanoseconds that something takes, of many times.
fn each(work: impl Fn() -> bool) -> f64 {
    const TIMES: u32 = 100_000;
    let begun = Instant::now();
    for _ in 0..TIMES {
        black_box(work());
    }
    rounded(begun.elapsed().as_nanos() as f64 / f64::from(TIMES), 0)
}
