//! What a measurement stands on: an authority, an enrolled hub, and nodes with one agency each,
//! all listed in a published directory, by the calls that `consign authority`, `hub` and `node`
//! make. The nodes' keys stay in memory.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use consign_authority::{Authority, IssueOptions, Lives, PublishOptions};
use consign_domain::enrolment::{AgencyRequest, NodeRequest, Request};
use consign_domain::statement::{AgeRecipient, Signer};
use consign_domain::text::Line;
use consign_domain::{
    AgencyCode, AgencyId, Digest, DirectoryVersion, HubId, KeyId, NetworkId, NodeId, Timestamp,
};
use consign_pki::encryption::{EncryptionError, EncryptionIdentity, EncryptionRecipient};
use consign_pki::issue::create_request;
use consign_pki::seal::{FileSealKey, KeyKind};
use consign_pki::statement::StatementKey;
use consign_runtime::clock::Clock;
use consign_runtime::entropy;
use consign_runtime::files;
use consign_runtime::tls::{
    self, CertificateFingerprint, ClientTls, PeerIdentity, PeerPolicy, PeerRefusal, TlsIdentity,
};

use super::{BenchError, Progress, Watch};
use crate::network::{follow_directory, free_port};

/// Codes have three digits.
pub(crate) const MOST_NODES: usize = 999;
const MAX_FILE: usize = 1 << 20;

/// What one sending agency may do, in `hub.toml`.
const QUOTAS: [&str; 3] = [
    "sender_messages_per_minute",
    "sender_bytes_per_hour",
    "sender_backlog",
];

/// An agency and the node that serves it alone.
#[derive(Debug)]
pub(crate) struct Participant {
    pub(crate) id: AgencyId,
    pub(crate) code: AgencyCode,
    pub(crate) key: StatementKey,
    pub(crate) encryption: EncryptionRecipient,
    pub(crate) signer: Signer,
    pub(crate) tls: TlsIdentity,
}

/// A network on disk whose nodes are in memory.
#[derive(Debug)]
pub(crate) struct Ground {
    pub(crate) clock: Clock,
    pub(crate) network: NetworkId,
    pub(crate) hub: HubId,
    pub(crate) participants: Vec<Participant>,
    hub_dir: PathBuf,
    certificate: CertificateFingerprint,
}

impl Ground {
    /// Founds a network in an empty directory.
    ///
    /// # Errors
    /// Something cannot be made.
    pub(crate) fn found(dir: &Path, nodes: usize, watch: Watch<'_>) -> Result<Self, BenchError> {
        if !(2..=MOST_NODES).contains(&nodes) {
            return Err(BenchError::Setting {
                rule: "there are 2 to 999 nodes",
            });
        }
        let clock = Clock::system();
        let now = Timestamp::from_unix_saturating(clock.now());
        let (home, hub_dir) = (dir.join("authority"), dir.join("hub"));
        consign_authority::init(&home, "Consign bench", Lives::default(), now)?;
        let address = format!("127.0.0.1:{}", free_port(dir)?);
        let request = consign_hub::init(&hub_dir, &address, "hub-1")?;
        follow_directory(&hub_dir, Path::new("../authority/trust/directory"))?;
        lift_quotas(&hub_dir.join("hub.toml"))?;
        let mut authority = Authority::open(&home)?;
        let request = files::read_bounded(&request, MAX_FILE)?;
        let bundle = authority.issue(&request, &IssueOptions::default(), now)?;
        let mut participants = Vec::with_capacity(nodes);
        for number in 1..=nodes {
            watch(Progress {
                what: "enrolling nodes",
                done: number as u64,
                all: nodes as u64,
            });
            participants.push(enrol(&mut authority, number, now)?);
        }
        authority.publish(PublishOptions::default(), now)?;
        consign_hub::install(&hub_dir, &bundle.to_bytes())?;
        let key = files::read_private(&hub_dir.join("keys/tls.key"), MAX_FILE)?;
        Ok(Self {
            network: authority.trust().network(),
            hub: HubId::from_bytes(bundle.for_id.into_bytes())?,
            certificate: TlsIdentity::from_pem(bundle.tls.as_bytes(), &key)?.fingerprint(),
            participants,
            hub_dir,
            clock,
        })
    }

    /// The hub's directory.
    pub(crate) fn hub_dir(&self) -> &Path {
        &self.hub_dir
    }

    pub(crate) fn now(&self) -> Timestamp {
        Timestamp::from_unix_saturating(self.clock.now())
    }

    /// How a node connects to the hub: it takes the hub's own certificate and no other.
    pub(crate) fn tls(&self, participant: &Participant) -> Result<ClientTls, BenchError> {
        let (certificate, hub) = (self.certificate, self.hub.to_bytes());
        let policy: PeerPolicy = Arc::new(move |shown: &CertificateFingerprint, _, _| {
            if shown.0 == certificate.0 {
                Ok(PeerIdentity(hub))
            } else {
                Err(PeerRefusal::NotInDirectory)
            }
        });
        Ok(tls::client_config(&participant.tls, &policy, &self.clock)?)
    }
}

/// Few senders stand for many here: each sends as much as the hub takes.
pub(crate) fn lift_quotas(hub_file: &Path) -> Result<(), BenchError> {
    let bytes = files::read_bounded(hub_file, MAX_FILE)?;
    let text = String::from_utf8_lossy(&bytes);
    let lines = text.lines().map(|line| {
        let quota = QUOTAS.iter().find(|quota| {
            let rest = line.strip_prefix(**quota);
            rest.is_some_and(|rest| rest.starts_with(" = "))
        });
        quota.map_or_else(|| format!("{line}\n"), |quota| format!("{quota} = 0\n"))
    });
    Ok(files::publish(
        hub_file,
        lines.collect::<String>().as_bytes(),
        0o644,
    )?)
}

fn enrol(
    authority: &mut Authority,
    number: usize,
    now: Timestamp,
) -> Result<Participant, BenchError> {
    let tls = FileSealKey::generate(KeyKind::EcdsaP256)?;
    let seal = FileSealKey::generate(KeyKind::EcdsaP256)?;
    let key = StatementKey::from_seed(entropy::bytes()?);
    let encryption = EncryptionIdentity::generate().recipient();
    let id = AgencyId::from_bytes(entropy::uuid_v4()?)?;
    let code = AgencyCode::strict(&format!("H98.{number:03}"))?;
    let recipient = AgeRecipient::new(&encryption.to_text());
    let agency = AgencyRequest {
        id,
        code: code.clone(),
        name: Line::tidy(&format!("Cơ quan {number}"))?,
        parent: None,
        seal: STANDARD.encode(create_request(&seal, "agency")?),
        statement: Digest::from_bytes(key.public().to_bytes()),
        encryption: recipient.ok_or(EncryptionError::InvalidRecipient)?,
    };
    let request = Request::Node(NodeRequest {
        id: NodeId::from_bytes(entropy::uuid_v4()?)?,
        name: Line::tidy(&format!("Nút {number}"))?,
        tls: STANDARD.encode(create_request(&tls, "node")?),
        agencies: vec![agency],
    });
    let bundle = authority.issue(&request.to_bytes(), &IssueOptions::default(), now)?;
    Ok(Participant {
        signer: Signer {
            id: id.into(),
            code: code.clone().into(),
            key: KeyId::from_bytes(key.public().key_id()),
            directory: DirectoryVersion::FIRST,
        },
        tls: TlsIdentity::from_pem(bundle.tls.as_bytes(), tls.to_pkcs8_pem().as_bytes())?,
        id,
        code,
        key,
        encryption,
    })
}
