use consign_authority::service::{AuthorityService, ServeOptions};
use consign_authority::{IssueOptions, PublishOptions, RenewalProof};
use consign_domain::enrolment::Request;
use consign_domain::text::Line;
use consign_keys::Keyring;
use consign_pki::seal::KeyKind;
use consign_runtime::clock::Clock;

use super::*;
use crate::config::Config;
use crate::directory_files;
use crate::inbox::InboxStep;
use crate::keys::NewAgency;
use crate::testing::{
    AGENCIES, NOW, Network, code, envelope_id, now, payload_of, place, release, request,
};

/// Days on which the authority has ended what the lost renewal replaced.
const LATER: u64 = NOW + 8 * 86_400;

/// Renews the keys of the first node, and loses the answer.
fn renew_in_vain(network: &Network) {
    let _lost = renew(network, &network.directory);
}

/// Renews the keys of the first node under a directory, as its first agency signs for it.
fn renew(network: &Network, listed: &Directory) -> Bundle {
    let (node, keyring) = (network.node(0), Keyring::default());
    let request = keys::next_request(node, listed, now(), &keyring).unwrap();
    let shown = keys::identity_in_force(node, listed, now(), &keyring).unwrap();
    let home = node.agencies().unwrap().remove(0);
    let key = AgencyKeys::in_force(&home, listed, now(), &keyring).unwrap();
    let proof = RenewalProof {
        party: home.id().into(),
        key: KeyId::from_bytes(key.statement.public().key_id()),
        signature: key.statement.sign(&request),
    };
    let peer = listed
        .node_by_certificate(Digest::from_bytes(shown.fingerprint().0), now())
        .unwrap();
    let peer = (
        peer.id.to_bytes(),
        Digest::from_bytes(shown.fingerprint().0),
    );
    let mut authority = consign_authority::Authority::open(&network.authority()).unwrap();
    let bundle = authority.renew(&request, &[proof], peer, now()).unwrap();
    let publish = PublishOptions::default();
    authority.publish(publish, now()).unwrap();
    bundle
}

/// The newest version that is published.
fn published(network: &Network) -> Directory {
    let newest = consign_authority::Authority::newest_version(&network.authority(), None);
    let (head, entries) = newest.unwrap().unwrap();
    Directory::verify(head, entries, &network.trust).unwrap()
}

/// One that is listed and whose certificate never came is not forgotten by a renewal.
#[test]
fn an_agency_whose_certificate_was_lost_gets_it_with_the_next_keys_of_the_node() {
    let network = Network::new();
    let (node, keyring) = (network.node(0), Keyring::default());
    let added = NewAgency {
        code: code("H49.13.01"),
        name: Line::new("Phòng Nội vụ").unwrap(),
        parent: None,
        id: None,
    };
    let name = Line::new("Máy chủ").unwrap();
    let request = keys::init(node, &name, &[added], KeyKind::EcdsaP256).unwrap();
    let (options, publish) = (IssueOptions::default(), PublishOptions::default());
    consign_authority::issue(&network.authority(), &request.to_bytes(), &options, now()).unwrap();
    consign_authority::publish(&network.authority(), publish, now()).unwrap();
    let home = node.agencies().unwrap().remove(1);
    assert!(!home.has_certificate());
    let Request::Node(asked) = request else {
        panic!("a node asks")
    };
    let asked = asked.agencies.iter().find(|asked| asked.id == home.id());
    let statement = asked.unwrap().statement;

    // Twice, since the first answer may be lost as well.
    let _lost = renew(&network, &published(&network));
    let bundle = renew(&network, &published(&network));
    keys::put_in_place(node, &bundle, &keyring).unwrap();
    assert!(home.has_certificate());
    let keys = AgencyKeys::load(&home, &keyring).unwrap();
    let listed = Digest::from_bytes(keys.statement.public().to_bytes());
    assert_eq!(listed, statement, "nobody could sign for others");
}

/// Two thirds of the life of a year are over for the node that renews last, and those of no other
/// key.
const OLD: u64 = NOW + 290 * 86_400;

/// The first node as it runs at a time, with the newest directory of the authority.
fn office_at(network: &Network, time: u64) -> Arc<Office> {
    let node = network.node(0).clone();
    let newest = published(network);
    let place = node.trust_dir().join("directory");
    let here = directory_files::newest(&place, &network.trust).unwrap();
    if here.is_none_or(|here| here.version() < newest.version()) {
        directory_files::publish(&place, &newest).unwrap();
    }
    let config = Config::parse("", node.root()).unwrap();
    crate::run::open(node, config, Clock::fixed(time), Keyring::default()).unwrap()
}

#[tokio::test]
async fn keys_renew_themselves_at_two_thirds_of_their_life_and_open_what_was_on_its_way() {
    let network = Network::new();
    let submission = {
        let seat = network.seat(1);
        let id = envelope_id(1);
        seat.send(id, request(&[AGENCIES[0].0]), &network.context(&seat))
    };
    let office = office_at(&network, NOW + 240 * 86_400);
    assert!(!is_time(&office).await, "less than two thirds are over");
    drop(office);

    let options = ServeOptions {
        dir: network.authority(),
        listen: ([127, 0, 0, 1], 0).into(),
        address: None,
        keyring: Arc::default(),
    };
    let service = AuthorityService::bind(options, Clock::fixed(OLD))
        .await
        .unwrap();
    let shutdown = Shutdown::new();
    let served = tokio::spawn(service.run(shutdown.clone()));
    let office = office_at(&network, OLD);
    assert!(is_time(&office).await);
    let before = office.identity.fingerprint();
    let statement = statement_key(&office);
    obtain(&office).await.unwrap();
    drop(office);

    let office = office_at(&network, OLD);
    take_up(&office).await.unwrap();
    assert!(!is_time(&office).await, "they are new");
    assert_ne!(office.identity.fingerprint(), before);
    assert_ne!(statement_key(&office), statement);
    drop(office);
    shutdown.trigger();
    served.await.unwrap().unwrap();

    // What is encrypted to the keys before.
    let seat = network.seat(0);
    assert_eq!(seat.keys.encryption.len(), 2);
    let context = network.context(&seat);
    let inbox = seat.agency.inbox();
    let item = network.item(&submission.signed, &payload_of(&submission), place(1));
    assert!(inbox.receive(vec![item], &context).fault.is_none());
    let step = inbox.advance(place(1), &context).unwrap();
    assert!(matches!(step, InboxStep::SendReceipt(_)), "{step:?}");
    let release = release(&submission.envelope, &submission.wraps, AGENCIES[0].0);
    inbox.store_release(&release).unwrap();
    assert_eq!(inbox.advance(place(1), &context).unwrap(), InboxStep::Done);
}

fn statement_key(office: &Office) -> [u8; 32] {
    office.desks()[0].keys.load().statement.public().to_bytes()
}

#[tokio::test]
async fn a_renewal_whose_answer_was_lost_is_asked_for_also_after_the_old_keys_have_ended() {
    let network = Network::new();
    renew_in_vain(&network);
    let options = ServeOptions {
        dir: network.authority(),
        listen: ([127, 0, 0, 1], 0).into(),
        address: None,
        keyring: Arc::default(),
    };
    let clock = || Clock::fixed(LATER);
    let service = AuthorityService::bind(options, clock()).await.unwrap();
    let shutdown = Shutdown::new();
    let served = tokio::spawn(service.run(shutdown.clone()));

    // The node has heard from elsewhere that its certificate is known no more.
    let node = network.node(0).clone();
    let newest = published(&network);
    let version = newest.version();
    directory_files::publish(&node.trust_dir().join("directory"), &newest).unwrap();
    let config = Config::parse("", node.root()).unwrap();
    let office = crate::run::open(node.clone(), config, clock(), Keyring::default()).unwrap();
    let shown = Digest::from_bytes(office.identity.fingerprint().0);
    assert!(newest.node_by_certificate(shown, office.now()).is_none());

    assert!(is_time(&office).await);
    assert_eq!(obtain(&office).await.unwrap(), version);
    take_up(&office).await.unwrap();
    let shown = Digest::from_bytes(office.identity.fingerprint().0);
    assert!(newest.node_by_certificate(shown, office.now()).is_some());
    assert!(!is_time(&office).await, "there is nothing to ask for");
    shutdown.trigger();
    served.await.unwrap().unwrap();
}
