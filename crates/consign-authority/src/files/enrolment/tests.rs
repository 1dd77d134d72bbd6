use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use consign_domain::enrolment::{HubRequest, NodeRequest, SealBundle};
use consign_domain::statement::AgeRecipient;
use consign_domain::text::Line;
use consign_domain::{HubId, NodeId};
use consign_pki::algorithm::SignatureAlgorithm;
use consign_pki::certificate::{self, CertificateDetails};
use consign_pki::encryption::EncryptionIdentity;
use consign_pki::issue::{CertificateAuthority, create_request};
use consign_pki::seal::{FileSealKey, KeyKind, SealError, SealSigner};
use consign_pki::statement::StatementKey;
use consign_runtime::entropy;

use super::*;
use crate::files::{init, store};
use crate::settings::{DAY, Lives};

/// The issuing key, and how often it signed.
#[derive(Debug)]
struct Counted(Arc<dyn SealSigner>, Arc<AtomicUsize>);

impl SealSigner for Counted {
    fn algorithm(&self) -> SignatureAlgorithm {
        self.0.algorithm()
    }

    fn public_key_der(&self) -> &[u8] {
        self.0.public_key_der()
    }

    fn sign(&self, message: &[u8]) -> Result<Vec<u8>, SealError> {
        self.1.fetch_add(1, Ordering::Relaxed);
        self.0.sign(message)
    }
}

fn now() -> Timestamp {
    "2026-11-23T02:30:00Z".parse().unwrap()
}

fn certificate_request() -> String {
    let key = FileSealKey::generate(KeyKind::EcdsaP256).unwrap();
    STANDARD.encode(create_request(&key, "applicant").unwrap())
}

fn statement_key() -> Digest {
    let key = StatementKey::from_seed(entropy::bytes().unwrap());
    Digest::from_bytes(key.public().to_bytes())
}

fn hub() -> Request {
    Request::Hub(HubRequest {
        id: HubId::from_bytes(entropy::uuid_v4().unwrap()).unwrap(),
        code: "hub-1".parse().unwrap(),
        address: Line::new("127.0.0.1:8443").unwrap(),
        tls: certificate_request(),
        statement: statement_key(),
        time_stamp: Some(certificate_request()),
    })
}

fn node(code: &str) -> Request {
    let encryption = EncryptionIdentity::generate().recipient().to_text();
    let agency = AgencyRequest {
        id: AgencyId::from_bytes(entropy::uuid_v4().unwrap()).unwrap(),
        code: code.parse().unwrap(),
        name: Line::new(code).unwrap(),
        parent: None,
        seal: certificate_request(),
        statement: statement_key(),
        encryption: AgeRecipient::new(&encryption).unwrap(),
    };
    Request::Node(NodeRequest {
        id: NodeId::from_bytes(entropy::uuid_v4().unwrap()).unwrap(),
        name: Line::new("Máy chủ").unwrap(),
        tls: certificate_request(),
        agencies: vec![agency],
    })
}

/// An authority with a hub, and how often its issuing key signed since.
fn counted(dir: &Path) -> (Authority, Arc<AtomicUsize>) {
    let lives = Lives {
        seal_days: 30,
        ..Lives::default()
    };
    init(dir, "Quảng Ninh", lives, now()).unwrap();
    let mut authority = Authority::open(dir).unwrap();
    let options = IssueOptions::default();
    authority.issue(&hub().to_bytes(), &options, now()).unwrap();
    let layout = Layout::new(dir);
    let key = Keyring::default().signer(&layout.issuing_key()).unwrap();
    let signed = Arc::new(AtomicUsize::new(0));
    let counted = Arc::new(Counted(key, Arc::clone(&signed)));
    let pem = store::read_text(&layout.issuing_pem()).unwrap();
    authority.issuing = CertificateAuthority::load(&pem, counted).unwrap();
    (authority, signed)
}

#[test]
fn strangers_have_nothing_signed_whether_there_is_room_or_not() {
    let place = tempfile::tempdir().unwrap();
    let (mut authority, signed) = counted(&place.path().join("authority"));
    let signed = || signed.load(Ordering::Relaxed);
    let from = Some(IpAddr::from([192, 0, 2, 1]));
    for number in 100..110 {
        let stranger = node(&format!("H49.{number}")).to_bytes();
        let waits = authority.enrol_from(&stranger, &[], from, now()).unwrap();
        assert!(matches!(waits, Enrolment::Waiting(_)));
    }
    let stranger = node("H49.110").to_bytes();
    let full = authority.enrol_from(&stranger, &[], from, now());
    assert!(matches!(full, Err(AuthorityError::PendingOfSource { .. })));
    assert_eq!(signed(), 0);

    // Who is registered is answered also then, without a signature, and a seal that is old does
    // not make a request for new ones of it.
    let known = node("H49.13").to_bytes();
    let options = IssueOptions::default();
    let issued = authority.issue(&known, &options, now()).unwrap();
    let before = signed();
    assert!(before > 0);
    let day = |day: u64| now().plus_seconds(day * DAY);
    for at in [day(0), day(25)] {
        let answer = authority.enrol_from(&known, &[], from, at).unwrap();
        assert_eq!(answer, Enrolment::Answered(Box::new(issued.clone())));
    }
    assert_eq!(signed(), before);
    // Once its other keys are old, it waits as others do.
    let asked = authority.enrol(&known, &[], day(300)).unwrap();
    assert!(matches!(asked, Enrolment::Waiting(_)));
    assert_eq!(signed(), before);
}

#[test]
fn an_invitation_gives_all_old_seals_of_a_node_other_certificates_for_their_keys() {
    let place = tempfile::tempdir().unwrap();
    let dir = place.path().join("authority");
    let (mut authority, _) = counted(&dir);
    let (Request::Node(mut node), Request::Node(other)) = (node("H49.13"), node("H49.14")) else {
        panic!("nodes")
    };
    node.agencies.extend(other.agencies);
    let request = Request::Node(node).to_bytes();
    let options = IssueOptions::default();
    let first = authority.issue(&request, &options, now()).unwrap();
    let mut enrolled_on = |day: u64| {
        let at = now().plus_seconds(day * DAY);
        let options = InviteOptions {
            code: "H49.13".parse().unwrap(),
            name: None,
            parent: None,
            hub: None,
            address: None,
            days: 14,
        };
        let invited = Authority::invite(&dir, &Keyring::default(), &options, at).unwrap();
        match authority.enrol(&request, &[invited.token.secret], at) {
            Ok(Enrolment::Answered(bundle)) => bundle.seals,
            refused => panic!("{refused:?}"),
        }
    };
    assert_eq!(
        enrolled_on(15),
        first.seals,
        "they have more than a third of their life left"
    );
    let renewed = enrolled_on(25);
    assert_eq!(renewed.len(), 2);
    for (before, now) in first.seals.iter().zip(&renewed) {
        assert_eq!(before.agency, now.agency);
        let own = |seal: &SealBundle| {
            let chain = certificate::read_bundle(&seal.certificates).unwrap();
            CertificateDetails::from_der(&chain[0]).unwrap()
        };
        let (before, now) = (own(before), own(now));
        assert_eq!(now.public_key_der, before.public_key_der);
        assert_eq!(now.not_after, before.not_after + 25 * DAY);
    }
}

#[test]
fn what_a_stranger_asks_for_is_checked_as_if_it_were_signed() {
    let place = tempfile::tempdir().unwrap();
    let (mut authority, signed) = counted(&place.path().join("authority"));
    let Request::Node(mut wrong) = node("H49.13") else {
        panic!("a node");
    };
    wrong.agencies[0].seal.clone_from(&wrong.tls);
    let wrong = Request::Node(wrong).to_bytes();
    let refused = authority.enrol(&wrong, &[], now()).unwrap_err();
    assert!(
        matches!(refused, AuthorityError::KeyTaken { .. }),
        "{refused}"
    );
    assert_eq!(signed.load(Ordering::Relaxed), 0);
}
