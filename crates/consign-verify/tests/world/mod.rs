//! A small network for the tests of this crate: an authority, a hub, two agencies.

#![allow(dead_code, reason = "each test file uses its part")]

pub(crate) mod pdf;

use std::io::Cursor;

use consign_domain::directory::{
    AgencyEntry, CodeEntry, EncryptionKeyEntry, EncryptionKeyKind, Entry, EntryState, HubEntry,
    KeyState, KeyText, NameEntry, NodeEntry, SealEntry, StatementKeyEntry, StatementKeyKind,
    TlsEntry, Validity,
};
use consign_domain::document::{
    Document, DocumentTag, DocumentType, FileEntry, Issuer, Number, Steering, Urgency,
};
use consign_domain::statement::{
    AgeRecipient, DirectoryHead, Envelope, EnvelopeFields, PayloadInfo, Recipients, Signer,
    Statement,
};
use consign_domain::text::Line;
use consign_domain::{
    AgencyId, Digest, DirectoryVersion, KeyId, PartyCode, PartyId, Salt, SignedStatement, Timestamp,
};
use consign_log::Tree;
use consign_pki::asic::ContainerWriter;
use consign_pki::certificate;
use consign_pki::cms::sign_detached;
use consign_pki::encryption::{EncryptionIdentity, seal_small};
use consign_pki::issue::{
    AuthorityName, CertificateAuthority, SealSubject, Validity as Dates, create_request,
};
use consign_pki::seal::{FileSealKey, KeyKind};
use consign_pki::statement::StatementKey;
use consign_pki::wrap::WrapPlaintext;
use consign_verify::container::{JudgedAt, Judgement, SealTrust, judge};
use consign_verify::policy::{Policy, Profile};
use consign_verify::{Directory, TrustStore};

pub(crate) const DAY: u64 = 86_400;

pub(crate) fn now() -> Timestamp {
    "2026-11-23T02:30:00Z".parse().unwrap()
}

pub(crate) fn id(last: u8) -> String {
    format!("0b0ed3a6-5d0c-4c58-9f3f-0d0f9a1f7a{last:02x}")
}

pub(crate) fn always() -> Validity {
    Validity {
        from: now().minus_seconds(300 * DAY),
        until: None,
    }
}

/// An agency with all its keys.
pub(crate) struct Agency {
    pub(crate) id: AgencyId,
    pub(crate) code: &'static str,
    pub(crate) name: &'static str,
    pub(crate) statement: StatementKey,
    pub(crate) encryption: EncryptionIdentity,
    pub(crate) seal: FileSealKey,
    pub(crate) certificate: Vec<u8>,
}

impl Agency {
    fn new(
        last: u8,
        code: &'static str,
        name: &'static str,
        issuing: &CertificateAuthority,
    ) -> Self {
        let seal = FileSealKey::generate(KeyKind::EcdsaP256).unwrap();
        let request = create_request(&seal, name).unwrap();
        let subject = SealSubject {
            organization: name.to_owned(),
            common_name: format!("Con dấu {name}"),
            organization_identifier: format!("VNGOV-{code}"),
        };
        let certificate = issuing
            .issue_seal(&request, &subject, dates(2), &[1, last])
            .unwrap();
        Self {
            id: id(last).parse().unwrap(),
            code,
            name,
            statement: StatementKey::from_seed([last; 32]),
            encryption: EncryptionIdentity::generate(),
            seal,
            certificate,
        }
    }

    pub(crate) fn signer(&self, version: u64) -> Signer {
        signer(self.id.into(), self.code, &self.statement, version)
    }

    pub(crate) fn entry(&self) -> AgencyEntry {
        let recipient = self.encryption.recipient();
        AgencyEntry {
            id: self.id,
            codes: vec![CodeEntry {
                code: self.code.parse().unwrap(),
                old: None,
                validity: always(),
            }],
            names: vec![NameEntry {
                name: Line::new(self.name).unwrap(),
                validity: always(),
            }],
            parent: None,
            node: id(0x20).parse().unwrap(),
            hub: id(0x30).parse().unwrap(),
            statement_keys: vec![key_entry(&self.statement)],
            encryption_keys: vec![EncryptionKeyEntry {
                id: KeyId::from_bytes(recipient.key_id()),
                kind: EncryptionKeyKind::X25519,
                public: KeyText::new(recipient.to_text()).unwrap(),
                validity: always(),
                state: KeyState::Active,
            }],
            seals: vec![SealEntry {
                certificate: Digest::from_bytes(certificate::fingerprint(&self.certificate)),
                validity: always(),
                state: KeyState::Active,
            }],
            state: EntryState::Active,
            successor: None,
        }
    }
}

pub(crate) fn key_entry(key: &StatementKey) -> StatementKeyEntry {
    StatementKeyEntry {
        id: KeyId::from_bytes(key.public().key_id()),
        kind: StatementKeyKind::Ed25519,
        public: Digest::from_bytes(key.public().to_bytes()).into(),
        validity: always(),
        state: KeyState::Active,
    }
}

pub(crate) fn signer(id: PartyId, code: &str, key: &StatementKey, version: u64) -> Signer {
    Signer {
        id,
        code: code.parse().unwrap(),
        key: KeyId::from_bytes(key.public().key_id()),
        directory: DirectoryVersion::new(version).unwrap(),
    }
}

pub(crate) fn sign<S: Statement>(statement: &S, key: &StatementKey) -> SignedStatement {
    let bytes = statement.to_bytes();
    let signature = key.sign(&bytes);
    SignedStatement {
        statement: bytes,
        signature,
    }
}

fn dates(years: u64) -> Dates {
    Dates {
        not_before: now().as_unix() - 300 * DAY,
        not_after: now().as_unix() + years * 365 * DAY,
    }
}

pub(crate) struct World {
    pub(crate) root: CertificateAuthority,
    pub(crate) issuing: CertificateAuthority,
    pub(crate) directory_key: StatementKey,
    pub(crate) trust: TrustStore,
    pub(crate) hub: StatementKey,
    pub(crate) sender: Agency,
    pub(crate) recipient: Agency,
    pub(crate) directory: Directory,
}

fn authority_key() -> std::sync::Arc<FileSealKey> {
    std::sync::Arc::new(FileSealKey::generate(KeyKind::EcdsaP256).unwrap())
}

impl World {
    pub(crate) fn new() -> Self {
        let name = |common_name: &str| AuthorityName {
            organization: "Tỉnh Quảng Ninh".to_owned(),
            common_name: common_name.to_owned(),
        };
        let root =
            CertificateAuthority::create_root(authority_key(), &name("Root"), dates(20)).unwrap();
        let issuing = CertificateAuthority::create_issuing(
            &root,
            authority_key(),
            &name("Issuing"),
            dates(10),
        )
        .unwrap();
        let sender = Agency::new(1, "H49", "Ủy ban nhân dân tỉnh Quảng Ninh", &issuing);
        let recipient = Agency::new(2, "H49.13", "Sở Nội vụ", &issuing);
        let directory_key = StatementKey::from_seed([0x40; 32]);
        let hub = StatementKey::from_seed([0x30; 32]);
        let trust = TrustStore::new(
            id(0x50).parse().unwrap(),
            Line::new("Quảng Ninh").unwrap(),
            id(0x40).parse().unwrap(),
            PartyCode::service("authority").unwrap(),
            vec![directory_key.public()],
            vec![root.certificate_der().to_vec()],
            DirectoryVersion::FIRST,
        );
        let entries = entries(&sender, &recipient, &hub);
        let head = head(&trust, &directory_key, 1, None, &entries);
        let directory = Directory::verify(head, lines(&entries), &trust).unwrap();
        Self {
            root,
            issuing,
            directory_key,
            trust,
            hub,
            sender,
            recipient,
            directory,
        }
    }

    pub(crate) fn entries(&self) -> Vec<Entry> {
        entries(&self.sender, &self.recipient, &self.hub)
    }

    /// The directory after a change to its entries, as a next version.
    pub(crate) fn republish(&mut self, change: impl FnOnce(&mut Vec<Entry>)) {
        self.republish_at(now(), change);
    }

    /// The same, made at a time; it expires 30 days later.
    pub(crate) fn republish_at(&mut self, time: Timestamp, change: impl FnOnce(&mut Vec<Entry>)) {
        let mut entries = self.entries();
        change(&mut entries);
        let version = self.directory.version().value() + 1;
        let previous = Some(self.directory.signed_head().digest());
        let key = &self.directory_key;
        let head = head_at(time, &self.trust, key, version, previous, &entries);
        self.directory = Directory::verify(head, lines(&entries), &self.trust).unwrap();
    }

    pub(crate) fn hub_signer(&self) -> Signer {
        signer(id(0x30).parse().unwrap(), "hub-1", &self.hub, 1)
    }

    pub(crate) fn document(&self) -> Document {
        let file = |name: &str, media_type: &str| FileEntry {
            name: Line::new(name).unwrap(),
            media_type: Line::new(media_type).unwrap(),
            title: None,
        };
        Document {
            tag: DocumentTag::V1,
            id: id(0x60).parse().unwrap(),
            issuer: Issuer {
                code: self.sender.code.parse().unwrap(),
                name: Line::new(self.sender.name).unwrap(),
            },
            addressees: Recipients::new(vec![self.recipient.code.parse().unwrap()]).unwrap(),
            number: Number::tidy("7").unwrap(),
            notation: "QĐ-UBND".parse().unwrap(),
            document_type: DocumentType::read("QĐ").unwrap(),
            subject: Line::new("Về việc chuyển đổi số").unwrap(),
            issued_on: "2026-11-23".parse().unwrap(),
            issued_at: None,
            signed_by: None,
            urgency: Urgency::Normal,
            due: None,
            in_reply_to: vec![],
            amends: vec![],
            copy_kind: None,
            places: vec![],
            pages: None,
            copies: None,
            language: None,
            appendixes: vec![],
            steering: Steering::None,
            secrecy: None,
            main: file("quyet-dinh.pdf", "application/pdf"),
            attachments: vec![file("phu-luc.csv", "text/csv")],
        }
    }

    /// A container sealed by the sender.
    pub(crate) fn container(&self, document: &Document) -> Vec<u8> {
        self.container_sealed_by(document, &self.sender)
    }

    pub(crate) fn container_sealed_by(&self, document: &Document, agency: &Agency) -> Vec<u8> {
        self.container_of(document, document, agency)
    }

    /// The fields of one document beside the files of another.
    pub(crate) fn container_of(
        &self,
        fields: &Document,
        files: &Document,
        agency: &Agency,
    ) -> Vec<u8> {
        self.container_with(&fields.to_bytes(), files, agency)
    }

    pub(crate) fn container_with(
        &self,
        fields: &[u8],
        files: &Document,
        agency: &Agency,
    ) -> Vec<u8> {
        self.container_signed(fields, files, agency, |p7s, _| p7s)
    }

    /// With something done to the seal over a manifest before it goes in.
    pub(crate) fn container_signed(
        &self,
        fields: &[u8],
        files: &Document,
        agency: &Agency,
        finish: impl FnOnce(Vec<u8>, &[u8]) -> Vec<u8>,
    ) -> Vec<u8> {
        let mut writer = ContainerWriter::new(Cursor::new(Vec::new())).unwrap();
        writer
            .add_file("document.json", "application/json", fields)
            .unwrap();
        for file in files.files() {
            let content = format!("content of {}", file.name);
            writer
                .add_file(
                    file.name.as_str(),
                    file.media_type.as_str(),
                    content.as_bytes(),
                )
                .unwrap();
        }
        let chain = [self.issuing.certificate_der().to_vec()];
        let sign = |manifest: &[u8]| {
            sign_detached(
                &agency.seal,
                &agency.certificate,
                &chain,
                manifest,
                now().as_unix(),
            )
            .map(|p7s| finish(p7s, manifest))
        };
        writer.finish_signed(sign).unwrap().into_inner()
    }

    pub(crate) fn judge(&self, container: &[u8], at: JudgedAt) -> Judgement {
        let trust = SealTrust::by_directory(self.trust.roots(), &self.directory);
        judge(Cursor::new(container), &trust, &policy(), at)
    }

    /// An envelope to the recipient with its one wrap, and the salt of its commitment.
    pub(crate) fn envelope(&self, container: &[u8]) -> (Envelope, Vec<u8>, WrapPlaintext) {
        let identity = EncryptionIdentity::generate();
        let one_time = AgeRecipient::new(&identity.recipient().to_text()).unwrap();
        let payload = seal_small(&identity.recipient(), container).unwrap();
        let envelope_id = "019aae5c-4a40-7b2c-8d3e-4f5a6b7c8d9e";
        let plaintext = WrapPlaintext {
            sender_id: self.sender.id.to_string(),
            sender_code: self.sender.code.to_owned(),
            envelope_id: envelope_id.to_owned(),
            recipient_id: self.recipient.id.to_string(),
            recipient_code: self.recipient.code.to_owned(),
            salt: [9; 32],
            identity,
        };
        let text = plaintext.render().unwrap();
        let wrap = seal_small(&self.recipient.encryption.recipient(), text.as_bytes()).unwrap();
        let envelope = Envelope::new(EnvelopeFields {
            network: self.trust.network(),
            signer: self.sender.signer(1),
            time: now(),
            id: envelope_id.parse().unwrap(),
            to: Recipients::new(vec![self.recipient.code.parse().unwrap()]).unwrap(),
            expires: now().plus_seconds(30 * DAY),
            urgency: Urgency::Normal,
            forwarded: false,
            payload: PayloadInfo {
                sha256: Digest::of(&payload),
                size: payload.len() as u64,
                recipient: one_time,
            },
            wraps: Digest::from_bytes(Tree::from_leaves([&wrap]).root()),
            content: Digest::commit(&Salt::from_bytes([9; 32]), &Digest::of(container)),
        })
        .unwrap();
        (envelope, wrap, plaintext)
    }
}

pub(crate) fn policy() -> Policy {
    Policy {
        profile: Profile::Canonical,
        ..Policy::default()
    }
}

fn entries(sender: &Agency, recipient: &Agency, hub: &StatementKey) -> Vec<Entry> {
    let tls = |seed: &[u8]| {
        vec![TlsEntry {
            certificate: Digest::of(seed),
            validity: always(),
        }]
    };
    vec![
        Entry::Agency(sender.entry()),
        Entry::Agency(recipient.entry()),
        Entry::Node(NodeEntry {
            id: id(0x20).parse().unwrap(),
            name: Line::new("Nút tỉnh").unwrap(),
            tls: tls(b"node"),
            state: EntryState::Active,
        }),
        Entry::Hub(HubEntry {
            id: id(0x30).parse().unwrap(),
            code: PartyCode::service("hub-1").unwrap(),
            address: Line::new("localhost:7443").unwrap(),
            tls: tls(b"hub"),
            statement_keys: vec![key_entry(hub)],
            state: EntryState::Active,
        }),
    ]
}

pub(crate) fn lines(entries: &[Entry]) -> Vec<u8> {
    entries
        .iter()
        .flat_map(|entry| [entry.to_bytes(), b"\n".to_vec()].concat())
        .collect()
}

pub(crate) fn head(
    trust: &TrustStore,
    key: &StatementKey,
    version: u64,
    previous: Option<Digest>,
    entries: &[Entry],
) -> SignedStatement {
    head_at(now(), trust, key, version, previous, entries)
}

fn head_at(
    time: Timestamp,
    trust: &TrustStore,
    key: &StatementKey,
    version: u64,
    previous: Option<Digest>,
    entries: &[Entry],
) -> SignedStatement {
    let root = Tree::from_leaves(entries.iter().map(Entry::to_bytes)).root();
    let head = DirectoryHead::new(
        trust.network(),
        signer(trust.authority(), "authority", key, version),
        time,
        time.plus_seconds(30 * DAY),
        previous,
        Digest::from_bytes(root),
        entries.len() as u64,
    )
    .unwrap();
    sign(&head, key)
}
