//! A small network for tests: a real authority, a hub's key, and three nodes of one agency
//! each, on real files. What a hub would do is done here by hand.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use consign_authority::{IssueOptions, Lives, PublishOptions};
use consign_domain::enrolment::{HubRequest, Request};
use consign_domain::statement::{
    Envelope, EnvelopeRef, Event, Evidence, Placement, Signer, Statement as _,
};
use consign_domain::text::Line;
use consign_domain::{
    AgencyCode, AgencyId, Digest, EnvelopeId, EnvelopeKey, ErrorCode, HubId, KeyId, PartyCode,
    Sequence, SignedStatement, Timestamp,
};
use consign_keys::Keyring;
use consign_log::Tree;
use consign_pki::issue::create_request;
use consign_pki::seal::{FileSealKey, KeyKind};
use consign_pki::statement::StatementKey;
use consign_runtime::clock::Clock;
use consign_runtime::files::DirectoryLock;
use consign_verify::{Directory, TrustStore};

use crate::agency::Agency;
use crate::compose::{ComposeRequest, FileOpen};
use crate::config::Config;
use crate::context::Context;
use crate::directory_files;
use crate::inbox::{InboxStep, Item, ItemContent, ReleasedWrap};
use crate::index::Index;
use crate::keys::{self, AgencyKeys, NewAgency};
use crate::layout::NodeDirectory;
use crate::office::Office;

use crate::outbox::Submission;
use crate::seal::Stamp;

/// 2026-11-23, 09:00 in Vietnam.
pub(crate) const NOW: u64 = 1_795_399_200;

pub(crate) const AGENCIES: [(&str, &str); 3] = [
    ("H49.13", "Sở Nội vụ tỉnh Quảng Ninh"),
    ("H49.14", "Sở Tư pháp"),
    ("H49.15", "Ủy ban nhân dân thành phố Hạ Long"),
];

pub(crate) fn now() -> Timestamp {
    Timestamp::from_unix(NOW).unwrap()
}

pub(crate) fn code(text: &str) -> AgencyCode {
    AgencyCode::strict(text).unwrap()
}

pub(crate) fn place(number: u64) -> Sequence {
    Sequence::new(number).unwrap()
}

/// An id whose time is [`NOW`].
pub(crate) fn envelope_id(number: u8) -> EnvelopeId {
    let [_, _, time @ ..] = (NOW * 1000).to_be_bytes();
    let mut bytes = [number; 16];
    bytes[..6].copy_from_slice(&time);
    bytes[6] = 0x70;
    bytes[8] = 0x80;
    EnvelopeId::from_bytes(bytes).unwrap()
}

pub(crate) struct Network {
    root: tempfile::TempDir,
    pub(crate) trust: TrustStore,
    pub(crate) directory: Directory,
    hub: HubId,
    hub_key: StatementKey,
    nodes: Vec<NodeDirectory>,
}

impl Network {
    pub(crate) fn new() -> Self {
        let root = tempfile::tempdir().unwrap();
        let authority = root.path().join("authority");
        let options = IssueOptions::default();
        consign_authority::init(&authority, "Quảng Ninh", Lives::default(), now()).unwrap();
        let (hub, hub_key) = (
            HubId::from_bytes([9; 16]).unwrap(),
            StatementKey::from_seed([9; 32]),
        );
        let tls = FileSealKey::generate(KeyKind::EcdsaP256).unwrap();
        let request = Request::Hub(HubRequest {
            id: hub,
            code: PartyCode::service("hub-1").unwrap(),
            address: Line::new("localhost:7443").unwrap(),
            tls: STANDARD.encode(create_request(&tls, "hub-1").unwrap()),
            statement: Digest::from_bytes(hub_key.public().to_bytes()),
            time_stamp: None,
        });
        consign_authority::issue(&authority, &request.to_bytes(), &options, now()).unwrap();
        let mut nodes = Vec::new();
        for (code_text, name) in AGENCIES {
            let node = NodeDirectory::new(root.path().join(code_text));
            let agency = NewAgency {
                code: code(code_text),
                name: Line::new(name).unwrap(),
                parent: None,
                id: None,
            };
            let name = Line::new(name).unwrap();
            let request = keys::init(&node, &name, &[agency], KeyKind::EcdsaP256).unwrap();
            consign_authority::issue(&authority, &request.to_bytes(), &options, now()).unwrap();
            nodes.push(node);
        }
        consign_authority::publish(&authority, PublishOptions::default(), now()).unwrap();
        for node in &nodes {
            let request = std::fs::read(node.request_file()).unwrap();
            let bundle = consign_authority::issue(&authority, &request, &options, now()).unwrap();
            keys::install(node, &bundle.to_bytes()).unwrap();
        }
        let trust_dir = nodes[0].trust_dir();
        let trust = std::fs::read(trust_dir.join("trust.json")).unwrap();
        let trust = TrustStore::parse(&trust).unwrap();
        let directory = directory_files::newest(&trust_dir.join("directory"), &trust)
            .unwrap()
            .unwrap();
        Self {
            root,
            trust,
            directory,
            hub,
            hub_key,
            nodes,
        }
    }

    /// The agency at this place of [`AGENCIES`] gets other keys, and the directory that lists
    /// them is the newest.
    pub(crate) fn renew_keys(&mut self, index: usize) -> AgencyKeys {
        let (node, authority) = (self.node(index).clone(), self.authority());
        let keyring = Keyring::default();
        // What was signed until now counts.
        let now = now().plus_seconds(60);
        let request = keys::next_request(&node, &self.directory, now, &keyring).unwrap();
        let options = IssueOptions {
            replace: true,
            ..IssueOptions::default()
        };
        let issue = || consign_authority::issue(&authority, &request, &options, now).unwrap();
        issue();
        consign_authority::publish(&authority, PublishOptions::default(), now).unwrap();
        keys::install(&node, &issue().to_bytes()).unwrap();
        let place = node.trust_dir().join("directory");
        let newest = directory_files::newest(&place, &self.trust).unwrap();
        self.directory = newest.unwrap();
        let home = node.agencies().unwrap().remove(0);
        AgencyKeys::load(&home, &keyring).unwrap()
    }

    pub(crate) fn path(&self) -> &Path {
        self.root.path()
    }

    pub(crate) fn authority(&self) -> PathBuf {
        self.root.path().join("authority")
    }

    /// The node of the agency at this place of [`AGENCIES`].
    pub(crate) fn node(&self, index: usize) -> &NodeDirectory {
        &self.nodes[index]
    }

    pub(crate) fn seat(&self, index: usize) -> Seat {
        Seat::open(self.node(index))
    }

    /// The node at this place, open as it runs, with a clock that stands at [`NOW`].
    pub(crate) fn office(&self, index: usize) -> Arc<Office> {
        let node = self.node(index);
        let config = Config::parse("", node.root()).unwrap();
        let opened = crate::run::open(node.clone(), config, Clock::fixed(NOW), Keyring::default());
        opened.unwrap()
    }

    pub(crate) fn context<'a>(&'a self, seat: &'a Seat) -> Context<'a> {
        Context {
            keys: &seat.keys,
            trust: &self.trust,
            directory: &self.directory,
            lists: &[],
            now: now(),
        }
    }

    /// What the hub says of an envelope.
    pub(crate) fn evidence(
        &self,
        event: Event,
        about: EnvelopeRef,
        placements: Vec<Placement>,
        reason: Option<ErrorCode>,
    ) -> SignedStatement {
        let signer = Signer {
            id: self.hub.into(),
            code: PartyCode::service("hub-1").unwrap(),
            key: KeyId::from_bytes(self.hub_key.public().key_id()),
            directory: self.directory.version(),
        };
        let network = self.directory.head().network;
        let mut evidence = Evidence::new(network, signer, now(), event, self.hub, about);
        evidence.placements = placements;
        evidence.reason = reason;
        sign(&self.hub_key, evidence.to_bytes())
    }

    /// The hub's acceptance, each recipient at this place.
    pub(crate) fn accept(&self, signed: &SignedStatement, sequence: Sequence) -> SignedStatement {
        let envelope = Envelope::parse(&signed.statement).unwrap();
        let placements = envelope.to.as_slice().iter();
        let placements = placements.map(|code| Placement {
            id: self.id_of(code),
            code: code.clone(),
            sequence,
        });
        let about = envelope.reference(signed.digest()).unwrap();
        self.evidence(
            Event::SubmissionAcceptance,
            about,
            placements.collect(),
            None,
        )
    }

    pub(crate) fn id_of(&self, code: &AgencyCode) -> AgencyId {
        self.directory.agency_by_code(code).unwrap().id
    }

    /// What the hub offers to a recipient.
    pub(crate) fn item(
        &self,
        signed: &SignedStatement,
        payload: &[u8],
        sequence: Sequence,
    ) -> Item {
        let content = ItemContent::Envelope {
            envelope: signed.clone(),
            acceptance: self.accept(signed, sequence),
            payload: Some(Bytes::copy_from_slice(payload)),
        };
        in_order(sequence, content)
    }
}

/// An item right after the one before it.
pub(crate) fn in_order(sequence: Sequence, content: ItemContent) -> Item {
    Item {
        sequence,
        after: Sequence::new(sequence.value() - 1).ok(),
        content,
    }
}

pub(crate) fn sign(key: &StatementKey, statement: Bytes) -> SignedStatement {
    let signature = key.sign(&statement);
    SignedStatement {
        statement,
        signature,
    }
}

/// The wrap of a recipient as the hub releases it.
pub(crate) fn release<T: AsRef<[u8]>>(envelope: &Envelope, wraps: &[T], to: &str) -> ReleasedWrap {
    let index = envelope.to.position(&code(to)).unwrap();
    ReleasedWrap {
        envelope: envelope.key(),
        wrap: Bytes::copy_from_slice(wraps[index].as_ref()),
        path: Tree::from_leaves(wraps).path(index).unwrap(),
    }
}

/// One node that is open, with its one agency.
pub(crate) struct Seat {
    pub(crate) agency: Agency,
    pub(crate) keys: AgencyKeys,
    pub(crate) index: Arc<Index>,
    _lock: DirectoryLock,
}

impl Seat {
    pub(crate) fn open(node: &NodeDirectory) -> Self {
        let lock = node.lock().unwrap();
        let index = Arc::new(Index::open(node).unwrap());
        let home = node.agencies().unwrap().remove(0);
        let keys = AgencyKeys::load(&home, &Keyring::default()).unwrap();
        let agency = Agency::open(home, &index).unwrap();
        Self {
            agency,
            keys,
            index,
            _lock: lock,
        }
    }

    pub(crate) fn id(&self) -> AgencyId {
        self.agency.home().id()
    }

    /// Composes and seals a document of two files; gives what is submitted.
    pub(crate) fn send(
        &self,
        id: EnvelopeId,
        request: ComposeRequest,
        context: &Context<'_>,
    ) -> Submission {
        self.compose(id, request, context);
        let outbox = self.agency.outbox();
        outbox
            .seal(id, context, &|_, _| Some(Stamp::NotAsked))
            .unwrap();
        outbox.load_submission(id).unwrap()
    }

    pub(crate) fn compose(
        &self,
        id: EnvelopeId,
        request: ComposeRequest,
        context: &Context<'_>,
    ) -> crate::outbox::Composed {
        let outbox = self.agency.outbox();
        let mut staging = outbox.begin(id, request, context).unwrap();
        for (name, content) in [
            ("Văn bản.pdf", "%PDF-1.7 nội dung"),
            ("Phụ lục.txt", "phụ lục"),
        ] {
            let open = FileOpen {
                name: name.to_owned(),
                media_type: String::new(),
                title: String::new(),
                size: content.len() as u64,
            };
            staging.begin_file(&open).unwrap();
            staging.write(content.as_bytes()).unwrap();
        }
        outbox.compose(staging, context.now).unwrap()
    }
}

pub(crate) fn payload_of(submission: &Submission) -> Bytes {
    match &submission.payload {
        crate::outbox::SubmissionPayload::Inline(bytes) => bytes.clone(),
        crate::outbox::SubmissionPayload::File { path, .. } => std::fs::read(path).unwrap().into(),
    }
}

pub(crate) fn request(to: &[&str]) -> ComposeRequest {
    ComposeRequest {
        to: to.iter().map(ToString::to_string).collect(),
        subject: "Về việc triển khai chuyển đổi số tại Quảng Ninh".to_owned(),
        document_type: "QĐ".to_owned(),
        urgency: 1,
        ..ComposeRequest::default()
    }
}

/// A document from the first agency to the second, which has opened it; both are done with it.
pub(crate) fn exchanged(network: &Network) -> EnvelopeKey {
    let id = envelope_id(1);
    let submission = {
        let seat = network.seat(0);
        seat.send(id, request(&["H49.14"]), &network.context(&seat))
    };
    let receipt = {
        let seat = network.seat(1);
        let context = network.context(&seat);
        let inbox = seat.agency.inbox();
        let item = network.item(&submission.signed, &payload_of(&submission), place(1));
        assert!(inbox.receive(vec![item], &context).fault.is_none());
        let step = inbox.advance(place(1), &context).unwrap();
        let InboxStep::SendReceipt(receipt) = step else {
            panic!("{step:?}")
        };
        let release = release(&submission.envelope, &submission.wraps, "H49.14");
        inbox.store_release(&release).unwrap();
        assert_eq!(inbox.advance(place(1), &context).unwrap(), InboxStep::Done);
        receipt
    };
    let seat = network.seat(0);
    let answer = network.accept(&submission.signed, place(1));
    let items = [answer, receipt].map(|evidence| ItemContent::Evidence { evidence });
    let items = (1..).zip(items);
    let items = items.map(|(number, content)| in_order(place(number), content));
    let taken = seat
        .agency
        .inbox()
        .receive(items.collect(), &network.context(&seat));
    assert!(taken.fault.is_none() && taken.aside.is_empty(), "{taken:?}");
    submission.envelope.key()
}

/// Copies a directory and all in it.
pub(crate) fn copy(from: &Path, to: &Path) {
    std::fs::create_dir_all(to).unwrap();
    for entry in std::fs::read_dir(from).unwrap() {
        let entry = entry.unwrap();
        let target = to.join(entry.file_name());
        if entry.file_type().unwrap().is_dir() {
            copy(&entry.path(), &target);
        } else {
            std::fs::copy(entry.path(), target).unwrap();
        }
    }
}

/// Runs `work`, and copies a node's directory after each of its durable steps, as if the
/// power went there. Gives the copies, the last of them taken at the end.
pub(crate) fn cuts(node: &NodeDirectory, into: &Path, work: impl FnOnce()) -> Vec<NodeDirectory> {
    let (root, base) = (node.root().to_owned(), into.to_owned());
    let count = std::rc::Rc::new(std::cell::Cell::new(0));
    let counter = std::rc::Rc::clone(&count);
    let cut = move || {
        copy(&root, &base.join(format!("cut-{:03}", counter.get())));
        counter.set(counter.get() + 1);
    };
    crate::durable::observe::each_step(cut, work);
    (0..count.get())
        .map(|number| NodeDirectory::new(into.join(format!("cut-{number:03}"))))
        .collect()
}
