//! Keys that nobody has, and all that is signed with them here.
//!
//! The keys are fixed, and Ed25519 signs the same bytes in the same way every time; so every
//! process has the same certificates, and an input that was found yesterday means the same
//! today. Whatever a reader finds good must be among what is made here.

use std::sync::Arc;

use consign_domain::directory::{
    AgencyEntry, CodeEntry, EncryptionKeyEntry, EncryptionKeyKind, Entry, EntryState, HubEntry,
    KeyState, KeyText, NameEntry, SealEntry, StatementKeyEntry, StatementKeyKind, TlsEntry,
    Validity,
};
use consign_domain::statement::{DirectoryHead, Signer, Statement};
use consign_domain::text::Line;
use consign_domain::{
    Digest, DirectoryVersion, KeyId, PartyCode, PartyId, SignedStatement, Timestamp,
};
use consign_log::Tree;
use consign_pki::certificate;
use consign_pki::cms;
use consign_pki::encryption::EncryptionIdentity;
use consign_pki::issue::{
    AuthorityName, CertificateAuthority, Revocation, SealSubject, Validity as Dates, create_request,
};
use consign_pki::path::revocation::RevocationReason;
use consign_pki::seal::{FileSealKey, SealSigner};
use consign_pki::statement::StatementKey;
use consign_pki::timestamp::{Authority, Grant, PLACEHOLDER_POLICY, Request, token_of};
use consign_verify::container::SealTrust;
use consign_verify::{Directory, TrustStore};

/// What detached signatures and time-stamps are over.
pub const CONTENT: &[u8] = b"what was signed";
/// What no seed is over.
pub const OTHER: &[u8] = b"what was not signed";
/// What some seeds are over, and should not be.
pub const THIRD: &[u8] = b"what was signed besides";
/// The code of the agency that seals.
pub const CODE: &str = "H49";
const DAY: u64 = 86_400;
const NONCE: [u8; 8] = [7; 8];

/// An ECDSA key: its certificate is fixed, its signatures are not.
const P256: &str = "-----BEGIN PRIVATE KEY-----
MIGHAgEAMBMGByqGSM49AgEGCCqGSM49AwEHBG0wawIBAQQgMjPh63CctSs8APle
FBxMclQxX5juY7OQctBdw7AJJ3uhRANCAAT+1aUYJaUrXIQO1Q4f+t0cQlU36v5O
SM62l6k+kGAw72De1YTT/6Aupi78HoNIy8Ve4agJJQliavqWZNImF6zc
-----END PRIVATE KEY-----
";
const AGE: &str = "AGE-SECRET-KEY-12ZHYFN8WTP6TRUULKRVAFQ5AGV8QNLMLYUG6MKQEUZ76L7Z7XHVQT90AMN";

/// A key with its certificate.
#[derive(Debug)]
pub struct Sealer {
    /// The key.
    pub key: FileSealKey,
    /// The certificate, DER.
    pub certificate: Vec<u8>,
}

/// An infrastructure, an agency, a hub and their directory.
#[derive(Debug)]
pub struct World {
    /// The root.
    pub root: CertificateAuthority,
    /// The authority below it.
    pub issuing: CertificateAuthority,
    /// The agency's seals: Ed25519 and ECDSA.
    pub seals: [Sealer; 2],
    /// A seal that is on the list [`Self::list`].
    pub lost: Sealer,
    /// The certificate of [`Self::stamps`].
    pub stamps_certificate: Vec<u8>,
    /// A time-stamp authority.
    pub stamps: Authority<FileSealKey>,
    /// The root's list, with nothing on it.
    pub root_list: Vec<u8>,
    /// The issuing authority's list.
    pub list: Vec<u8>,
    /// Both.
    pub lists: Vec<Vec<u8>>,
    /// The root alone.
    pub roots: Vec<Vec<u8>>,
    /// What verifiers of statements take on faith.
    pub trust: TrustStore,
    /// The directory, which lists the agency and the hub.
    pub directory: Directory,
    /// The agency's statement key.
    pub agency: StatementKey,
    /// The hub's.
    pub hub: StatementKey,
    /// The key that signs the directory.
    pub authority: StatementKey,
    /// The key to what is encrypted to the agency.
    pub encryption: EncryptionIdentity,
}

/// When all is judged.
pub fn now() -> Timestamp {
    "2026-11-23T02:30:00Z".parse().expect("a time")
}

/// The same, in Unix seconds.
pub fn unix() -> u64 {
    now().as_unix()
}

/// An id that ends in a byte.
pub fn id(last: u8) -> String {
    format!("0b0ed3a6-5d0c-4c58-9f3f-0d0f9a1f7a{last:02x}")
}

impl Default for World {
    fn default() -> Self {
        Self::new()
    }
}

impl World {
    /// The same every time.
    pub fn new() -> Self {
        let root = CertificateAuthority::create_root(key(1), &name("Gốc"), dates(20));
        let root = root.expect("a root");
        let issuing = CertificateAuthority::create_issuing(&root, key(2), &name("Cấp"), dates(10));
        let issuing = issuing.expect("an authority");
        let p256 = FileSealKey::from_pkcs8_pem(P256).expect("a key");
        let seals = [sealer(&issuing, ed25519(3), 3), sealer(&issuing, p256, 4)];
        let lost = sealer(&issuing, ed25519(5), 5);
        let request = create_request(&ed25519(6), "tsa").expect("a request");
        let stamps_certificate = issuing
            .issue_time_stamping(&request, &name("Dấu thời gian"), dates(2), &[1, 6])
            .expect("a certificate");
        let chain = vec![issuing.certificate_der().to_vec()];
        let own = stamps_certificate.clone();
        let stamps = Authority::new(ed25519(6), own, chain, PLACEHOLDER_POLICY).expect("a policy");
        let root_list = root.revocation_list(&[], 1, dates(1)).expect("a list");
        let list = issuing
            .revocation_list(&[revoked()], 1, dates(1))
            .expect("a list");
        let (agency, hub) = (
            StatementKey::from_seed([11; 32]),
            StatementKey::from_seed([12; 32]),
        );
        let encryption = EncryptionIdentity::from_text(AGE).expect("an identity");
        let authority = StatementKey::from_seed([10; 32]);
        let trust = TrustStore::new(
            id(0x50).parse().expect("an id"),
            Line::new("Quảng Ninh").expect("a name"),
            id(0x40).parse().expect("an id"),
            PartyCode::service("authority").expect("a code"),
            vec![authority.public()],
            vec![root.certificate_der().to_vec()],
            DirectoryVersion::FIRST,
        );
        let entries = [agency_entry(&seals, &agency, &encryption), hub_entry(&hub)];
        let directory = publish(&trust, &authority, &entries);
        Self {
            roots: trust.roots().to_vec(),
            lists: vec![root_list.clone(), list.clone()],
            root,
            issuing,
            seals,
            lost,
            stamps_certificate,
            stamps,
            root_list,
            list,
            trust,
            directory,
            agency,
            hub,
            authority,
            encryption,
        }
    }

    /// A directory that is nobody's, signed as ours is.
    #[cfg(test)]
    pub(crate) fn other_directory(&self) -> Directory {
        publish(&self.trust, &self.authority, &[hub_entry(&self.agency)])
    }

    /// The authority between the root and all others.
    pub fn chain(&self) -> Vec<Vec<u8>> {
        vec![self.issuing.certificate_der().to_vec()]
    }

    /// Every certificate.
    pub fn certificates(&self) -> Vec<&[u8]> {
        let seals = self.seals.iter().chain([&self.lost]);
        let seals = seals.map(|seal| seal.certificate.as_slice());
        let authorities = [self.root.certificate_der(), self.issuing.certificate_der()];
        seals
            .chain(authorities)
            .chain([&*self.stamps_certificate])
            .collect()
    }

    /// What verdicts rest on.
    pub fn seal_trust(&self) -> SealTrust<'_> {
        SealTrust {
            lists: &self.lists,
            ..SealTrust::by_roots(&self.roots)
        }
    }

    /// A signature by a seal.
    pub fn sign(&self, seal: &Sealer, content: &[u8]) -> Vec<u8> {
        cms::sign_detached(&seal.key, &seal.certificate, &self.chain(), content, unix())
            .expect("a signature")
    }

    /// The answer of the time-stamp authority.
    pub fn stamp_answer(&self, content: &[u8]) -> (Request, Vec<u8>) {
        let request = Request::over(content, NONCE);
        let answer = self.stamps.answer(request.to_der(), grant());
        (request, answer.expect("an answer"))
    }

    /// A time-stamp token.
    pub fn stamp(&self, content: &[u8]) -> Vec<u8> {
        let (request, answer) = self.stamp_answer(content);
        token_of(&answer, &request).expect("a token")
    }

    /// How the agency calls itself.
    pub fn agency_signer(&self) -> Signer {
        signer(id(1).parse().expect("an id"), CODE, &self.agency)
    }

    /// How the hub calls itself.
    pub fn hub_signer(&self) -> Signer {
        signer(id(0x30).parse().expect("an id"), "hub-1", &self.hub)
    }
}

/// What every token says.
pub fn grant() -> Grant {
    Grant {
        time: unix(),
        serial: [0x11; 16],
    }
}

/// A statement and its signature.
pub fn signed<S: Statement>(statement: &S, key: &StatementKey) -> SignedStatement {
    let statement = statement.to_bytes();
    let signature = key.sign(&statement);
    SignedStatement {
        statement,
        signature,
    }
}

/// What the list says of the lost seal.
pub fn revoked() -> Revocation {
    Revocation {
        serial: vec![1, 5],
        at: unix() - 10 * DAY,
        reason: RevocationReason::KeyCompromise,
        invalid_from: Some(unix() - 20 * DAY),
    }
}

/// A period around the time of judging, of so many years on either side.
pub fn dates(years: u64) -> Dates {
    Dates {
        not_before: unix() - years * 365 * DAY,
        not_after: unix() + years * 365 * DAY,
    }
}

/// A seal of the agency, by an authority.
pub fn sealer(issuing: &CertificateAuthority, key: FileSealKey, serial: u8) -> Sealer {
    let subject = SealSubject {
        organization: "Ủy ban nhân dân tỉnh Quảng Ninh".to_owned(),
        common_name: "Con dấu điện tử".to_owned(),
        organization_identifier: format!("VNGOV-{CODE}"),
    };
    let request = create_request(&key, "seal").expect("a request");
    let certificate = issuing.issue_seal(&request, &subject, dates(2), &[1, serial]);
    Sealer {
        key,
        certificate: certificate.expect("a certificate"),
    }
}

/// The key of a number.
pub fn ed25519(number: u8) -> FileSealKey {
    let pem = StatementKey::from_seed([number; 32]).to_pkcs8_pem();
    FileSealKey::from_pkcs8_pem(&pem).expect("a key")
}

fn key(number: u8) -> Arc<dyn SealSigner> {
    Arc::new(ed25519(number))
}

fn name(common_name: &str) -> AuthorityName {
    AuthorityName {
        organization: "Tỉnh Quảng Ninh".to_owned(),
        common_name: common_name.to_owned(),
    }
}

fn signer(id: PartyId, code: &str, key: &StatementKey) -> Signer {
    Signer {
        id,
        code: code.parse().expect("a code"),
        key: KeyId::from_bytes(key.public().key_id()),
        directory: DirectoryVersion::FIRST,
    }
}

fn always() -> Validity {
    Validity {
        from: now().minus_seconds(300 * DAY),
        until: None,
    }
}

fn statement_key(key: &StatementKey) -> StatementKeyEntry {
    StatementKeyEntry {
        id: KeyId::from_bytes(key.public().key_id()),
        kind: StatementKeyKind::Ed25519,
        public: Digest::from_bytes(key.public().to_bytes()).into(),
        validity: always(),
        state: KeyState::Active,
    }
}

fn agency_entry(seals: &[Sealer], key: &StatementKey, encryption: &EncryptionIdentity) -> Entry {
    let recipient = encryption.recipient();
    let seal = |seal: &Sealer| SealEntry {
        certificate: Digest::from_bytes(certificate::fingerprint(&seal.certificate)),
        validity: always(),
        state: KeyState::Active,
    };
    Entry::Agency(AgencyEntry {
        id: id(1).parse().expect("an id"),
        codes: vec![CodeEntry {
            code: CODE.parse().expect("a code"),
            old: None,
            validity: always(),
        }],
        names: vec![NameEntry {
            name: Line::new("Ủy ban nhân dân tỉnh Quảng Ninh").expect("a name"),
            validity: always(),
        }],
        parent: None,
        node: id(0x20).parse().expect("an id"),
        hub: id(0x30).parse().expect("an id"),
        statement_keys: vec![statement_key(key)],
        encryption_keys: vec![EncryptionKeyEntry {
            id: KeyId::from_bytes(recipient.key_id()),
            kind: EncryptionKeyKind::X25519,
            public: KeyText::new(recipient.to_text()).expect("a key"),
            validity: always(),
            state: KeyState::Active,
        }],
        seals: seals.iter().map(seal).collect(),
        state: EntryState::Active,
        successor: None,
    })
}

fn hub_entry(key: &StatementKey) -> Entry {
    Entry::Hub(HubEntry {
        id: id(0x30).parse().expect("an id"),
        code: PartyCode::service("hub-1").expect("a code"),
        address: Line::new("localhost:7443").expect("an address"),
        tls: vec![TlsEntry {
            certificate: Digest::of(b"hub"),
            validity: always(),
        }],
        statement_keys: vec![statement_key(key)],
        state: EntryState::Active,
    })
}

fn publish(trust: &TrustStore, key: &StatementKey, entries: &[Entry]) -> Directory {
    let root = Tree::from_leaves(entries.iter().map(Entry::to_bytes)).root();
    let head = DirectoryHead::new(
        trust.network(),
        signer(trust.authority(), "authority", key),
        now(),
        now().plus_seconds(30 * DAY),
        None,
        Digest::from_bytes(root),
        entries.len() as u64,
    );
    let head = signed(&head.expect("a head"), key);
    let lines = entries
        .iter()
        .flat_map(|entry| [entry.to_bytes(), vec![b'\n']].concat());
    Directory::verify(head, lines.collect::<Vec<u8>>(), trust).expect("a directory")
}
