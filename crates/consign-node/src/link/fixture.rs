//! A small network in memory for the link's tests: authority, one hub, two agencies.

use consign_domain::directory::{
    AgencyEntry, CodeEntry, Entry, EntryState, HubEntry, KeyState, NameEntry, NodeEntry,
    StatementKeyEntry, StatementKeyKind, Validity,
};
use consign_domain::document::Urgency;
use consign_domain::statement::{
    AgeRecipient, DirectoryHead, Envelope, EnvelopeFields, Event, Evidence, PayloadInfo, Placement,
    Recipients, Signer, Statement,
};
use consign_domain::text::Line;
use consign_domain::{
    AgencyCode, AgencyId, Digest, DirectoryVersion, EnvelopeId, HubId, KeyId, NetworkId, NodeId,
    PartyCode, PartyId, Sequence, SignedStatement, Timestamp,
};
use consign_pki::statement::StatementKey;
use consign_verify::{Directory, DirectoryError, TrustStore};

pub(crate) const NOW: u64 = 1_795_000_000;

pub(crate) fn at(seconds: u64) -> Timestamp {
    Timestamp::from_unix(NOW + seconds).unwrap()
}

fn id(byte: u8) -> [u8; 16] {
    let mut id = [byte; 16];
    id[6] = 0x70;
    id[8] = 0x80;
    id
}

pub(crate) struct Network {
    pub(crate) trust: TrustStore,
    entries: Vec<u8>,
    count: u64,
}

pub(crate) fn key(byte: u8) -> StatementKey {
    StatementKey::from_seed([byte; 32])
}

pub(crate) const AUTHORITY: u8 = 1;
pub(crate) const HUB: u8 = 2;
pub(crate) const OTHER_HUB: u8 = 3;
pub(crate) const NODE: u8 = 4;
pub(crate) const SENDER: u8 = 5;
pub(crate) const RECIPIENT: u8 = 6;

pub(crate) fn hub() -> HubId {
    HubId::from_bytes(id(HUB)).unwrap()
}

pub(crate) fn agency(byte: u8) -> AgencyId {
    AgencyId::from_bytes(id(byte)).unwrap()
}

pub(crate) fn code(byte: u8) -> AgencyCode {
    AgencyCode::strict(&format!("H49.{byte:02}")).unwrap()
}

fn validity() -> Validity {
    Validity {
        from: Timestamp::from_unix(NOW - 1000).unwrap(),
        until: None,
    }
}

fn statement_keys(byte: u8) -> Vec<StatementKeyEntry> {
    let public = key(byte).public();
    vec![StatementKeyEntry {
        id: KeyId::from_bytes(public.key_id()),
        kind: StatementKeyKind::Ed25519,
        public: Digest::from_bytes(public.to_bytes()).into(),
        validity: validity(),
        state: KeyState::Active,
    }]
}

fn hub_entry(byte: u8, name: &str) -> Entry {
    Entry::Hub(HubEntry {
        id: HubId::from_bytes(id(byte)).unwrap(),
        code: name.parse().unwrap(),
        address: Line::new("127.0.0.1:1").unwrap(),
        tls: Vec::new(),
        statement_keys: statement_keys(byte),
        state: EntryState::Active,
    })
}

fn agency_entry(byte: u8) -> Entry {
    Entry::Agency(AgencyEntry {
        id: agency(byte),
        codes: vec![CodeEntry {
            code: code(byte),
            old: None,
            validity: validity(),
        }],
        names: vec![NameEntry {
            name: Line::new("Sở Nội vụ").unwrap(),
            validity: validity(),
        }],
        parent: None,
        node: NodeId::from_bytes(id(NODE)).unwrap(),
        hub: hub(),
        statement_keys: statement_keys(byte),
        encryption_keys: Vec::new(),
        seals: Vec::new(),
        state: EntryState::Active,
        successor: None,
    })
}

pub(crate) fn signer(byte: u8, code: PartyCode, directory: u64) -> Signer {
    Signer {
        id: PartyId::from_bytes(id(byte)).unwrap(),
        code,
        key: KeyId::from_bytes(key(byte).public().key_id()),
        directory: DirectoryVersion::new(directory).unwrap(),
    }
}

pub(crate) fn sign<S: Statement>(byte: u8, statement: &S) -> SignedStatement {
    let statement = statement.to_bytes();
    let signature = key(byte).sign(&statement);
    SignedStatement {
        statement,
        signature,
    }
}

pub(crate) fn network_id() -> NetworkId {
    NetworkId::from_bytes(id(9)).unwrap()
}

impl Network {
    pub(crate) fn new() -> Self {
        let entries = [
            hub_entry(HUB, "hub-1"),
            hub_entry(OTHER_HUB, "hub-2"),
            Entry::Node(NodeEntry {
                id: NodeId::from_bytes(id(NODE)).unwrap(),
                name: Line::new("node").unwrap(),
                tls: Vec::new(),
                state: EntryState::Active,
            }),
            agency_entry(SENDER),
            agency_entry(RECIPIENT),
        ];
        let mut lines = Vec::new();
        for entry in &entries {
            lines.extend(entry.to_bytes());
            lines.push(b'\n');
        }
        let trust = TrustStore::new(
            network_id(),
            Line::new("Test").unwrap(),
            PartyId::from_bytes(id(AUTHORITY)).unwrap(),
            "authority".parse().unwrap(),
            vec![key(AUTHORITY).public()],
            vec![vec![0]],
            DirectoryVersion::FIRST,
        );
        Self {
            trust,
            entries: lines,
            count: entries.len() as u64,
        }
    }

    /// The files of a version that lives `life` seconds after `NOW`.
    pub(crate) fn version(
        &self,
        version: u64,
        previous: Option<Digest>,
        life: u64,
    ) -> (SignedStatement, Vec<u8>) {
        let leaves: Vec<&[u8]> = self
            .entries
            .split(|byte| *byte == b'\n')
            .filter(|line| !line.is_empty())
            .collect();
        let head = DirectoryHead::new(
            network_id(),
            signer(AUTHORITY, "authority".parse().unwrap(), version),
            Timestamp::from_unix(NOW - 10).unwrap(),
            at(life),
            previous,
            Digest::from_bytes(consign_log::Tree::from_leaves(leaves).root()),
            self.count,
        )
        .unwrap();
        (sign(AUTHORITY, &head), self.entries.clone())
    }

    pub(crate) fn directory(
        &self,
        version: u64,
        previous: Option<Digest>,
        life: u64,
    ) -> Result<Directory, DirectoryError> {
        let (head, entries) = self.version(version, previous, life);
        Directory::verify(head, entries, &self.trust)
    }

    pub(crate) fn first(&self) -> Directory {
        self.directory(1, None, 1000).unwrap()
    }
}

pub(crate) fn envelope(payload: &[u8]) -> Envelope {
    Envelope::new(EnvelopeFields {
        network: network_id(),
        signer: signer(SENDER, PartyCode::Agency(code(SENDER)), 1),
        time: at(0),
        id: EnvelopeId::from_bytes(id(0x42)).unwrap(),
        to: Recipients::new(vec![code(RECIPIENT)]).unwrap(),
        expires: at(86_400),
        urgency: Urgency::Normal,
        forwarded: false,
        payload: PayloadInfo {
            sha256: Digest::of(payload),
            size: payload.len() as u64,
            recipient: AgeRecipient::new(&format!("age1{}", "q".repeat(58))).unwrap(),
        },
        wraps: Digest::of(b"wraps"),
        content: Digest::of(b"content"),
    })
    .unwrap()
}

pub(crate) fn placement(byte: u8, sequence: u64) -> Placement {
    Placement {
        id: agency(byte),
        code: code(byte),
        sequence: Sequence::new(sequence).unwrap(),
    }
}

/// Evidence by the hub that `by` names, about `envelope` as it was signed.
pub(crate) fn evidence(by: u8, event: Event, envelope: &Envelope) -> Evidence {
    let name = if by == HUB { "hub-1" } else { "hub-2" };
    let reference = envelope.reference(sign(SENDER, envelope).digest()).unwrap();
    Evidence::new(
        network_id(),
        signer(by, name.parse().unwrap(), 1),
        at(1),
        event,
        HubId::from_bytes(id(by)).unwrap(),
        reference,
    )
}
