//! A small real network for tests: an authority on disk, a hub that was enrolled by it,
//! and two nodes with their agencies' keys in memory. The clock stands still.

mod calls;
mod failing;

use std::path::PathBuf;
use std::sync::Arc;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use consign_authority::{Authority, Founding, IssueOptions, Lives, PublishOptions};
use consign_domain::directory::KeyState;
use consign_domain::document::Urgency;
use consign_domain::enrolment::{AgencyRequest, NodeRequest, Request};
use consign_domain::statement::{
    AgeRecipient, Envelope, EnvelopeFields, Event, Evidence, PayloadInfo, Placement, Recipients,
    Signer, Statement,
};
use consign_domain::text::Line;
use consign_domain::{
    AgencyCode, AgencyId, Digest, DirectoryVersion, EnvelopeId, EnvelopeKey, KeyId, NodeId,
    Sequence, SignedStatement, Timestamp,
};
use consign_keys::Keyring;
use consign_log::Tree;
use consign_pki::encryption::EncryptionIdentity;
use consign_pki::issue::create_request;
use consign_pki::seal::{FileSealKey, KeyKind};
use consign_pki::statement::StatementKey;
use consign_proto::v1::{self, hub_client::HubClient};
use consign_runtime::clock::Clock;
use consign_runtime::entropy;
use consign_runtime::shutdown::Shutdown;
use consign_runtime::tls::{self, ConnectFault, PeerIdentity, TlsIdentity};
use consign_store::{MemoryStore, Store};
use consign_verify::TrustStore;
use tempfile::TempDir;
use tokio::task::JoinHandle;
use tonic::transport::Channel;

pub(crate) use calls::{Collecting, Uploading, send, upload};
pub(crate) use failing::FailingStore;

use crate::admit::{Admission, Parts};
use crate::behind::Behind;
use crate::caller::Caller;
use crate::config::Config;
use crate::directory::Directories;
use crate::error::HubError;
use crate::identity::{HubSigner, Keys};
use crate::storage::Storage;
use crate::{NewKeys, StatusHandle, bind_with, init_with, install};

/// 2026-11-23T02:30:00Z.
pub(crate) const NOW: u64 = 1_795_401_000;

pub(crate) struct TestAgency {
    pub(crate) id: AgencyId,
    pub(crate) code: AgencyCode,
    key: StatementKey,
}

pub(crate) struct TestNode {
    pub(crate) id: NodeId,
    pub(crate) tls: TlsIdentity,
    pub(crate) agencies: Vec<TestAgency>,
}

/// Authority, hub and nodes on disk; nothing runs yet.
pub(crate) struct World {
    place: TempDir,
    pub(crate) clock: Clock,
    pub(crate) config: Config,
    pub(crate) trust: TrustStore,
    /// `[0]` serves H49.01 and H49.02, `[1]` serves H49.03.
    pub(crate) nodes: Vec<TestNode>,
}

/// A node that nobody has enrolled, or the makings of one that is to be.
fn applicant(codes: &[&str]) -> (NodeRequest, FileSealKey, Vec<TestAgency>) {
    let tls = FileSealKey::generate(KeyKind::EcdsaP256).unwrap();
    let request_of = |key: &FileSealKey| STANDARD.encode(create_request(key, "node").unwrap());
    let mut agencies = Vec::new();
    let mut requests = Vec::new();
    for code in codes {
        let key = StatementKey::from_seed(entropy::bytes().unwrap());
        let id = AgencyId::from_bytes(entropy::uuid_v4().unwrap()).unwrap();
        let code: AgencyCode = code.parse().unwrap();
        let seal = FileSealKey::generate(KeyKind::EcdsaP256).unwrap();
        let encryption = EncryptionIdentity::generate().recipient().to_text();
        requests.push(AgencyRequest {
            id,
            code: code.clone(),
            name: Line::new(format!("Cơ quan {code}")).unwrap(),
            parent: None,
            seal: request_of(&seal),
            statement: Digest::from_bytes(key.public().to_bytes()),
            encryption: AgeRecipient::new(&encryption).unwrap(),
        });
        agencies.push(TestAgency { id, code, key });
    }
    let request = NodeRequest {
        id: NodeId::from_bytes(entropy::uuid_v4().unwrap()).unwrap(),
        name: Line::new("Nút").unwrap(),
        tls: request_of(&tls),
        agencies: requests,
    };
    (request, tls, agencies)
}

/// A node's request, for tests that enrol one more.
pub(crate) fn new_node(codes: &[&str]) -> (Request, Vec<TestAgency>) {
    let (request, _, agencies) = applicant(codes);
    (Request::Node(request), agencies)
}

impl World {
    pub(crate) fn new() -> Self {
        Self::with_lives(Lives::default())
    }

    pub(crate) fn with_lives(lives: Lives) -> Self {
        let founding = Founding {
            name: "Tỉnh Quảng Ninh".to_owned(),
            lives,
            ..Founding::default()
        };
        Self::founded(&founding, &NewKeys::default())
    }

    pub(crate) fn founded(founding: &Founding, hub_keys: &NewKeys) -> Self {
        let place = TempDir::new().unwrap();
        let now = Timestamp::from_unix(NOW).unwrap();
        let authority = place.path().join("authority");
        let home = place.path().join("hub");
        consign_authority::init_with(&authority, founding, &Clock::fixed(NOW)).unwrap();
        let request = init_with(&home, "127.0.0.1:4433", "hub-1", hub_keys).unwrap();
        let request = std::fs::read(request).unwrap();
        let mut open = Authority::open(&authority).unwrap();
        let options = IssueOptions::default();
        let bundle = open.issue(&request, &options, now).unwrap();
        let mut nodes = Vec::new();
        for codes in [&["H49.01", "H49.02"][..], &["H49.03"]] {
            let (request, key, agencies) = applicant(codes);
            let id = request.id;
            let bundle = open
                .issue(&Request::Node(request).to_bytes(), &options, now)
                .unwrap();
            let key = key.to_pkcs8_pem();
            nodes.push(TestNode {
                id,
                tls: TlsIdentity::from_pem(bundle.tls.as_bytes(), key.as_bytes()).unwrap(),
                agencies,
            });
        }
        open.publish(PublishOptions::default(), now).unwrap();
        let trust = open.trust().clone();
        drop(open);
        let installed = install(&home, &bundle.to_bytes()).unwrap();
        assert_eq!(
            installed.directory, None,
            "issued before the first directory"
        );
        let mut config = Config::load(&home.join("hub.toml")).unwrap();
        config.listen = "127.0.0.1:0".parse().unwrap();
        config.directory = authority.join("trust/directory");
        config.limits.drain_seconds = 5;
        Self {
            place,
            clock: Clock::fixed(NOW),
            config,
            trust,
            nodes,
        }
    }

    pub(crate) fn authority(&self) -> PathBuf {
        self.place.path().join("authority")
    }

    pub(crate) fn now(&self) -> Timestamp {
        Timestamp::from_unix(self.clock.now()).unwrap()
    }

    /// Changes the register and publishes the next version.
    pub(crate) fn publish(&self, change: impl FnOnce(&mut Authority)) {
        let mut authority = Authority::open(&self.authority()).unwrap();
        change(&mut authority);
        let options = PublishOptions {
            force: true,
            ..PublishOptions::default()
        };
        authority.publish(options, self.now()).unwrap();
    }

    /// Publishes a directory that ends an agency's statement key.
    pub(crate) fn end_key(&self, code: &str, state: KeyState, until: Timestamp) {
        self.change_entry(code, |entry| {
            let key = &mut entry["statement_keys"][0];
            assert!(key.is_object());
            key["state"] = serde_json::to_value(state).unwrap();
            key["validity"]["until"] = until.to_string().into();
        });
    }

    /// Publishes a directory in which an agency's entry says something else.
    pub(crate) fn change_entry(&self, code: &str, change: impl FnOnce(&mut serde_json::Value)) {
        let entry = format!("entries/{}.json", self.agency(code).id);
        let path = self.authority().join(entry);
        let mut record: serde_json::Value =
            serde_json::from_slice(&std::fs::read(&path).unwrap()).unwrap();
        change(&mut record["entry"]);
        std::fs::write(&path, record.to_string()).unwrap();
        self.publish(|_| {});
    }

    /// Enrols one more node, publishes, and waits for nobody.
    pub(crate) fn enrol(&self, codes: &[&str]) -> (TlsIdentity, Vec<TestAgency>) {
        let (request, key, agencies) = applicant(codes);
        let request = Request::Node(request).to_bytes();
        let mut tls = String::new();
        self.publish(|authority| {
            let options = IssueOptions::default();
            tls = authority.issue(&request, &options, self.now()).unwrap().tls;
        });
        let key = key.to_pkcs8_pem();
        let identity = TlsIdentity::from_pem(tls.as_bytes(), key.as_bytes()).unwrap();
        (identity, agencies)
    }

    /// The agency of a code.
    pub(crate) fn agency(&self, code: &str) -> &TestAgency {
        self.nodes
            .iter()
            .flat_map(|node| &node.agencies)
            .find(|agency| agency.code.as_str() == code)
            .unwrap()
    }

    pub(crate) fn caller(&self, node: usize) -> Caller {
        let node = &self.nodes[node];
        Caller::new(node.id, Digest::from_bytes(node.tls.fingerprint().0))
    }

    pub(crate) fn memory_store(&self) -> Arc<MemoryStore> {
        let clock = self.clock.clone();
        Arc::new(MemoryStore::new(Arc::new(move || {
            Timestamp::from_unix_saturating(clock.now())
        })))
    }

    /// The gate alone, over a store.
    pub(crate) fn admission(&self, store: Arc<dyn Store>) -> Gate {
        let directories =
            Directories::open(&self.config.directory, self.trust.clone(), None).unwrap();
        let directories = Arc::new(directories);
        let keys = Keys::load(&self.config.keys, &Keyring::default()).unwrap();
        let signer = HubSigner::new(keys, &directories.current(), self.now()).unwrap();
        let behind = Arc::new(Behind::open(&self.config.home).unwrap());
        let uploads = crate::admit::left(&*store).unwrap();
        let admission = Arc::new(Admission::new(Parts {
            store,
            directories: Arc::clone(&directories),
            signer: Arc::new(signer),
            clock: self.clock.clone(),
            behind: Arc::clone(&behind),
            limits: self.config.limits,
            record_seconds: self.config.keep.retention().record_seconds,
            uploads,
            fatal: Shutdown::new(),
        }));
        Gate {
            admission,
            directories,
            behind,
        }
    }

    /// A running hub over a store in memory.
    pub(crate) async fn start(&self, store: Arc<dyn Store>) -> Running {
        let open = move |_: &std::path::Path, _: &Clock| Ok(Storage::unclosed(store));
        let hub = bind_with(self.config.clone(), self.clock.clone(), open)
            .await
            .unwrap();
        Running::new(hub)
    }

    /// A running hub over a store on the disk.
    pub(crate) async fn start_on_disk(&self) -> Running {
        let open =
            |data: &std::path::Path, clock: &Clock| Storage::open(data, clock, Arc::new(|_, _| {}));
        let hub = bind_with(self.config.clone(), self.clock.clone(), open).await;
        Running::new(hub.unwrap())
    }

    /// A node's connection to a hub.
    pub(crate) async fn connect(&self, node: usize, hub: &Running) -> HubClient<Channel> {
        self.connect_as(&self.nodes[node].tls, hub).await.unwrap()
    }

    pub(crate) async fn connect_as(
        &self,
        identity: &TlsIdentity,
        hub: &Running,
    ) -> Result<HubClient<Channel>, ConnectFault> {
        let any_hub: tls::PeerPolicy = Arc::new(|_, _, _| Ok(PeerIdentity([1; 16])));
        let tls = tls::client_config(identity, &any_hub, &self.clock).unwrap();
        let channel = tls::connect_now(&hub.address, &tls).await?;
        Ok(HubClient::new(channel))
    }

    /// A letter from an agency to others, good in every way.
    pub(crate) fn letter(&self, from: &str, to: &[&str]) -> Letter {
        let wraps: Vec<Bytes> = to
            .iter()
            .map(|code| Bytes::from(format!("wrap for {code}")))
            .collect();
        let payload = Bytes::from_static(b"ciphertext");
        let id = entropy::uuid_v7(self.clock.now_millis()).unwrap();
        let sender = self.agency(from);
        let to: Vec<AgencyCode> = to.iter().map(|code| code.parse().unwrap()).collect();
        assert!(to.is_sorted(), "wraps are in the order of codes");
        Letter {
            fields: EnvelopeFields {
                network: self.trust.network(),
                signer: self.signer(sender),
                time: self.now(),
                id: EnvelopeId::from_bytes(id).unwrap(),
                to: Recipients::new(to).unwrap(),
                expires: self.now().plus_seconds(30 * 86_400),
                urgency: Urgency::Normal,
                forwarded: false,
                payload: PayloadInfo {
                    sha256: Digest::of(&payload),
                    size: payload.len() as u64,
                    recipient: AgeRecipient::new(&format!("age1{}", "q".repeat(58))).unwrap(),
                },
                wraps: Digest::from_bytes(Tree::from_leaves(&wraps).root()),
                content: Digest::of(b"content"),
            },
            wraps,
            payload: Some(payload),
        }
    }

    pub(crate) fn signer(&self, agency: &TestAgency) -> Signer {
        Signer {
            id: agency.id.into(),
            code: agency.code.clone().into(),
            key: KeyId::from_bytes(agency.key.public().key_id()),
            directory: DirectoryVersion::FIRST,
        }
    }

    /// A letter whose payload is uploaded.
    pub(crate) fn large(&self, to: &[&str], payload: &Bytes) -> Sealed {
        let mut letter = self.letter("H49.01", to);
        letter.fields.payload.sha256 = Digest::of(payload);
        letter.fields.payload.size = payload.len() as u64;
        letter.payload = None;
        letter.seal(self.agency("H49.01"))
    }

    /// A receipt, good in every way, for a letter at a place.
    pub(crate) fn receipt(&self, letter: &Sealed, recipient: &str, sequence: u64) -> Evidence {
        self.receipt_by(letter, self.agency(recipient), sequence)
    }

    pub(crate) fn receipt_by(
        &self,
        letter: &Sealed,
        agency: &TestAgency,
        sequence: u64,
    ) -> Evidence {
        let directories = Directories::open(&self.config.directory, self.trust.clone(), None);
        let hub = directories.unwrap().current().hubs().next().unwrap().id;
        let mut receipt = Evidence::new(
            self.trust.network(),
            self.signer(agency),
            self.now(),
            Event::ContentHandover,
            hub,
            letter.envelope.reference(letter.signed.digest()).unwrap(),
        );
        receipt.content = Some(letter.envelope.content);
        receipt.placements = vec![Placement {
            id: agency.id,
            code: agency.code.clone(),
            sequence: Sequence::new(sequence).unwrap(),
        }];
        receipt
    }
}

impl TestAgency {
    pub(crate) fn sign<S: Statement>(&self, statement: &S) -> SignedStatement {
        let statement = statement.to_bytes();
        let signature = self.key.sign(&statement);
        SignedStatement {
            statement,
            signature,
        }
    }
}

pub(crate) struct Gate {
    pub(crate) admission: Arc<Admission>,
    pub(crate) directories: Arc<Directories>,
    pub(crate) behind: Arc<Behind>,
}

impl Gate {
    /// A node proves that it has seen more than the hub knows.
    pub(crate) fn fall_behind(&self, agency: AgencyId, now: Timestamp) {
        let ahead = crate::behind::Ahead {
            agency,
            code: None,
            seen: Sequence::new(7).unwrap(),
            last: None,
            proven: true,
        };
        self.behind.note(&ahead, now);
    }
}

/// A letter before it is sealed: change what must be wrong.
pub(crate) struct Letter {
    pub(crate) fields: EnvelopeFields,
    pub(crate) wraps: Vec<Bytes>,
    /// `None`: staged.
    pub(crate) payload: Option<Bytes>,
}

/// A letter that is sealed.
#[derive(Clone)]
pub(crate) struct Sealed {
    pub(crate) envelope: Envelope,
    pub(crate) signed: SignedStatement,
    pub(crate) wraps: Vec<Bytes>,
    pub(crate) payload: Option<Bytes>,
}

impl Letter {
    pub(crate) fn seal(self, by: &TestAgency) -> Sealed {
        let envelope = Envelope::new(self.fields).unwrap();
        Sealed {
            signed: by.sign(&envelope),
            envelope,
            wraps: self.wraps,
            payload: self.payload,
        }
    }
}

impl Sealed {
    pub(crate) fn key(&self) -> EnvelopeKey {
        self.envelope.key()
    }

    pub(crate) fn message(&self) -> v1::EnvelopeSubmission {
        use v1::envelope_submission::Payload;
        v1::EnvelopeSubmission {
            envelope: Some(consign_proto::signed_message(&self.signed)),
            wraps: self.wraps.clone(),
            payload: Some(match &self.payload {
                Some(bytes) => Payload::Inline(bytes.clone()),
                None => Payload::Staged(true),
            }),
        }
    }
}

/// A hub that runs on a task of the test.
pub(crate) struct Running {
    pub(crate) address: String,
    pub(crate) status: StatusHandle,
    pub(crate) shutdown: Shutdown,
    task: JoinHandle<Result<(), HubError>>,
}

impl Running {
    pub(crate) fn new(hub: crate::Hub) -> Self {
        let (address, status) = (hub.address().to_string(), hub.status());
        let shutdown = Shutdown::new();
        let task = tokio::spawn(Box::pin(hub.run(shutdown.clone())));
        Self {
            address,
            status,
            shutdown,
            task,
        }
    }

    pub(crate) async fn stop(self) -> Result<(), HubError> {
        self.shutdown.trigger();
        self.task.await.unwrap()
    }

    /// Waits until the hub ends by itself.
    pub(crate) async fn ended(self) -> Result<(), HubError> {
        self.task.await.unwrap()
    }
}
