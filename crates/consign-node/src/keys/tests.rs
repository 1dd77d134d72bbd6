//! Enrolment: what exists is kept, what is wrong is named.

use std::os::unix::fs::PermissionsExt as _;

use consign_authority::{IssueOptions, PublishOptions};
use consign_domain::enrolment::Request;
use consign_domain::text::Line;
use consign_pki::seal::KeyKind;

use super::{AgencyKeys, KeysError, NewAgency, init, install};
use crate::layout::NodeDirectory;
use crate::testing::{Network, code, now};

fn agency(text: &str) -> NewAgency {
    NewAgency {
        code: code(text),
        name: Line::new(format!("Phòng {text}")).unwrap(),
        parent: Some(code("H49.13")),
        id: None,
    }
}

fn name() -> Line<200> {
    Line::new("Máy chủ huyện").unwrap()
}

#[test]
fn asking_again_gives_the_same_request() {
    let root = tempfile::tempdir().unwrap();
    let node = NodeDirectory::new(root.path().join("node"));
    let agencies = [agency("H49.13.01")];
    let first = init(&node, &name(), &agencies, KeyKind::EcdsaP256).unwrap();
    assert_eq!(
        init(&node, &name(), &agencies, KeyKind::EcdsaP256).unwrap(),
        first
    );
    assert_eq!(
        init(&node, &name(), &[], KeyKind::EcdsaP256).unwrap(),
        first
    );
    // One more agency: what was asked before stays word for word.
    let more = init(&node, &name(), &[agency("H49.13.02")], KeyKind::Ed25519).unwrap();
    let (Request::Node(first), Request::Node(more)) = (first, more) else {
        panic!("a node asks for a node");
    };
    assert_eq!((more.id, &more.tls), (first.id, &first.tls));
    assert_eq!(more.agencies[0], first.agencies[0]);
    assert_eq!(more.agencies.len(), 2);
    for path in ["keys/tls.key", "agencies/H49.13.01/keys/seal.key"] {
        let mode = std::fs::metadata(node.root().join(path))
            .unwrap()
            .permissions()
            .mode();
        assert_eq!(mode & 0o777, 0o600, "{path}");
    }
}

#[test]
fn a_cut_in_the_middle_loses_no_key() {
    let root = tempfile::tempdir().unwrap();
    let node = NodeDirectory::new(root.path().join("node"));
    let agencies = [agency("H49.13.01")];
    let Request::Node(whole) = init(&node, &name(), &agencies, KeyKind::EcdsaP256).unwrap() else {
        panic!("a node asks for a node");
    };
    std::fs::remove_file(node.request_file()).unwrap();
    std::fs::remove_file(node.root().join("agencies/H49.13.01/keys/encryption.key")).unwrap();
    let Request::Node(again) = init(&node, &name(), &agencies, KeyKind::EcdsaP256).unwrap() else {
        panic!("a node asks for a node");
    };
    assert_eq!(again.agencies[0].id, whole.agencies[0].id);
    assert_eq!(again.agencies[0].statement, whole.agencies[0].statement);
    assert_ne!(again.agencies[0].encryption, whole.agencies[0].encryption);
}

#[test]
fn keys_that_were_put_aside_are_made_and_asked_for_anew() {
    let network = Network::new();
    let node = network.node(0);
    let authority = network.authority();
    init(node, &name(), &[agency("H49.13.01")], KeyKind::EcdsaP256).unwrap();
    let read = || std::fs::read(node.request_file()).unwrap();
    let Ok(Request::Node(before)) = Request::parse(&read()) else {
        panic!("a node asks for a node");
    };
    let keys = node.root().join("agencies/H49.13/keys");
    for name in ["seal.key", "statement.key", "encryption.key"] {
        std::fs::rename(keys.join(name), keys.join(format!("{name}.old"))).unwrap();
    }
    let old_identity = std::fs::read_to_string(keys.join("encryption.key.old")).unwrap();
    let again = init(node, &name(), &[agency("H49.13")], KeyKind::EcdsaP256).unwrap();
    let Request::Node(after) = again else {
        panic!("a node asks for a node");
    };
    assert_eq!((after.id, &after.tls), (before.id, &before.tls));
    assert_eq!(after.agencies[1], before.agencies[1]);
    let (old, new) = (&before.agencies[0], &after.agencies[0]);
    assert_eq!((old.id, &old.code), (new.id, &new.code));
    assert!(old.statement != new.statement && old.seal != new.seal);
    assert_ne!(old.encryption, new.encryption);
    let identities = std::fs::read_to_string(keys.join("encryption.key")).unwrap();
    assert!(
        identities.ends_with(&old_identity),
        "wraps to it can still be opened"
    );

    let options = IssueOptions {
        replace: true,
        ..IssueOptions::default()
    };
    let bundle = consign_authority::issue(&authority, &read(), &options, now()).unwrap();
    install(node, &bundle.to_bytes()).unwrap();
    for home in node.agencies().unwrap() {
        AgencyKeys::load(&home).unwrap();
    }
}

#[test]
fn only_codes_that_can_be_registered_are_taken() {
    let root = tempfile::tempdir().unwrap();
    let node = NodeDirectory::new(root.path().join("node"));
    let wild = NewAgency {
        code: consign_domain::AgencyCode::lenient("28.22.H17").unwrap(),
        ..agency("H49.13.01")
    };
    let refused = init(&node, &name(), &[wild], KeyKind::EcdsaP256).unwrap_err();
    assert!(matches!(refused, KeysError::Code { .. }), "{refused}");
    let refused = init(&node, &name(), &[], KeyKind::EcdsaP256).unwrap_err();
    assert!(matches!(refused, KeysError::NoAgency), "{refused}");
    assert!(!node.request_file().exists());
}

#[test]
fn installing_is_idempotent_and_only_for_this_node() {
    let network = Network::new();
    let node = network.node(0);
    let authority = network.authority();
    let options = IssueOptions::default();
    let request = std::fs::read(node.request_file()).unwrap();
    let bundle = consign_authority::issue(&authority, &request, &options, now()).unwrap();
    let again = install(node, &bundle.to_bytes()).unwrap();
    assert!(!again.changed);
    assert_eq!(again.agencies, [code("H49.13")]);
    let other = install(network.node(1), &bundle.to_bytes()).unwrap_err();
    assert!(matches!(other, KeysError::OtherNode { .. }), "{other}");

    // A later bundle brings one more agency and a newer directory; an older one takes
    // nothing away.
    init(node, &name(), &[agency("H49.13.01")], KeyKind::EcdsaP256).unwrap();
    let request = std::fs::read(node.request_file()).unwrap();
    consign_authority::issue(&authority, &request, &options, now()).unwrap();
    let version = consign_authority::publish(&authority, PublishOptions::default(), now()).unwrap();
    let later = consign_authority::issue(&authority, &request, &options, now()).unwrap();
    let installed = install(node, &later.to_bytes()).unwrap();
    assert!(installed.changed);
    assert_eq!(installed.directory, Some(version.version));
    for home in node.agencies().unwrap() {
        AgencyKeys::load(&home).unwrap();
    }
    let older = install(node, &bundle.to_bytes()).unwrap();
    assert!(!older.changed);
    assert_eq!(older.directory, Some(version.version));
    let of_others = Network::new();
    let wrong = install(of_others.node(0), &later.to_bytes()).unwrap_err();
    assert!(matches!(wrong, KeysError::OtherNode { .. }), "{wrong}");
}

#[test]
fn what_is_missing_is_named_with_its_fix() {
    let network = Network::new();
    let home = network.node(0).agencies().unwrap().remove(0);
    let path = home.keys_dir().join("statement.key");
    std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o644)).unwrap();
    let open = AgencyKeys::load(&home).unwrap_err().to_string();
    assert!(open.contains("chmod 600"), "{open}");
    std::fs::remove_file(home.keys_dir().join("seal.pem")).unwrap();
    let missing = AgencyKeys::load(&home).unwrap_err().to_string();
    assert!(
        missing.contains("seal.pem is missing; run: consign node install"),
        "{missing}"
    );
    let absent = NodeDirectory::new(network.path().join("absent"));
    let absent = absent.lock().unwrap_err().to_string();
    assert!(absent.contains("run: consign node init"), "{absent}");
}
