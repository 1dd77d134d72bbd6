//! Applicants: parties with keys of their own and the requests they make.
#![allow(dead_code, reason = "each test binary uses a part")]
#![expect(clippy::unwrap_used, reason = "a fixture that fails fails its test")]

use std::path::{Path, PathBuf};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use consign_authority::{IssueOptions, Lives, PublishOptions, Published, init, issue, publish};
use consign_domain::enrolment::{AgencyRequest, Bundle, HubRequest, NodeRequest, Request};
use consign_domain::statement::AgeRecipient;
use consign_domain::text::Line;
use consign_domain::{Digest, SignedStatement, Timestamp};
use consign_pki::encryption::EncryptionIdentity;
use consign_pki::issue::create_request;
use consign_pki::seal::{FileSealKey, KeyKind};
use consign_pki::statement::StatementKey;
use consign_runtime::entropy;
use consign_verify::directory::Directory;
use consign_verify::trust::TrustStore;
use tempfile::TempDir;

pub(crate) const DAY: u64 = 86_400;

/// 2026-11-23T02:30:00Z.
pub(crate) fn now() -> Timestamp {
    "2026-11-23T02:30:00Z".parse().unwrap()
}

pub(crate) fn days(count: u64) -> Timestamp {
    now().plus_seconds(count * DAY)
}

/// An authority in a directory of its own.
pub(crate) struct Ceremony {
    place: TempDir,
}

impl Ceremony {
    pub(crate) fn new() -> Self {
        let place = TempDir::new().unwrap();
        init(
            &place.path().join("authority"),
            "Tỉnh Quảng Ninh",
            Lives::default(),
            now(),
        )
        .unwrap();
        Self { place }
    }

    /// With a hub enrolled.
    pub(crate) fn with_hub() -> Self {
        let ceremony = Self::new();
        ceremony.issue(&hub("hub-1", "127.0.0.1:8443"));
        ceremony
    }

    pub(crate) fn dir(&self) -> PathBuf {
        self.place.path().join("authority")
    }

    pub(crate) fn issue(&self, request: &Request) -> Bundle {
        self.try_issue(request, false, now()).unwrap()
    }

    pub(crate) fn try_issue(
        &self,
        request: &Request,
        replace: bool,
        at: Timestamp,
    ) -> Result<Bundle, consign_authority::AuthorityError> {
        let options = IssueOptions { hub: None, replace };
        issue(&self.dir(), &request.to_bytes(), &options, at)
    }

    pub(crate) fn publish(&self, at: Timestamp) -> Published {
        publish(&self.dir(), PublishOptions::default(), at).unwrap()
    }

    pub(crate) fn trust(&self) -> TrustStore {
        TrustStore::parse(&std::fs::read(self.dir().join("trust/trust.json")).unwrap()).unwrap()
    }

    /// Reads and verifies what was published.
    pub(crate) fn directory(&self, published: &Published) -> Directory {
        let (head, entries) = read_version(&published.path);
        Directory::verify(head, entries, &self.trust()).unwrap()
    }
}

pub(crate) fn read_version(place: &Path) -> (SignedStatement, Vec<u8>) {
    let read = |name: &str| std::fs::read(place.join(name)).unwrap();
    let head = SignedStatement {
        statement: read("head.json").into(),
        signature: read("head.sig").try_into().unwrap(),
    };
    (head, read("entries.jsonl"))
}

pub(crate) fn request_text(key: &FileSealKey) -> String {
    STANDARD.encode(create_request(key, "applicant").unwrap())
}

pub(crate) fn certificate_request() -> String {
    request_text(&FileSealKey::generate(KeyKind::EcdsaP256).unwrap())
}

pub(crate) fn statement_key() -> Digest {
    let key = StatementKey::from_seed(entropy::bytes().unwrap());
    Digest::from_bytes(key.public().to_bytes())
}

pub(crate) fn hub_request(code: &str, address: &str) -> HubRequest {
    HubRequest {
        id: consign_domain::HubId::from_bytes(entropy::uuid_v4().unwrap()).unwrap(),
        code: code.parse().unwrap(),
        address: Line::new(address).unwrap(),
        tls: certificate_request(),
        statement: statement_key(),
        time_stamp: Some(certificate_request()),
    }
}

pub(crate) fn hub(code: &str, address: &str) -> Request {
    Request::Hub(hub_request(code, address))
}

pub(crate) fn agency(code: &str, parent: Option<&str>) -> AgencyRequest {
    let encryption = EncryptionIdentity::generate().recipient().to_text();
    AgencyRequest {
        id: consign_domain::AgencyId::from_bytes(entropy::uuid_v4().unwrap()).unwrap(),
        code: code.parse().unwrap(),
        name: Line::new(format!("Cơ quan {code}")).unwrap(),
        parent: parent.map(|parent| parent.parse().unwrap()),
        seal: certificate_request(),
        statement: statement_key(),
        encryption: AgeRecipient::new(&encryption).unwrap(),
    }
}

pub(crate) fn node_of(agencies: Vec<AgencyRequest>) -> NodeRequest {
    NodeRequest {
        id: consign_domain::NodeId::from_bytes(entropy::uuid_v4().unwrap()).unwrap(),
        name: Line::new("Máy chủ Sở Nội vụ").unwrap(),
        tls: certificate_request(),
        agencies,
    }
}

pub(crate) fn node(agencies: Vec<AgencyRequest>) -> Request {
    Request::Node(node_of(agencies))
}
