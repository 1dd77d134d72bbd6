//! Enrolment: what exists is kept, what is wrong is named.

use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use consign_authority::{IssueOptions, PublishOptions};
use consign_domain::enrolment::Request;
use consign_domain::text::Line;
use consign_keys::keyring::is_protected;
use consign_keys::token::{KeyName, TokenName};
use consign_keys::{Keyring, SecretSource, TokenPlace};
use consign_pki::seal::KeyKind;

use super::{
    AgencyKeys, KeysError, NewAgency, NewKeys, init, init_with, install, install_with,
    next_request, protect,
};
use crate::directory_files;
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

/// As an invitation by its new code says: one agency, one place, the same keys.
#[test]
fn an_agency_that_was_renamed_stays_where_it_is() {
    let root = tempfile::tempdir().unwrap();
    let node = NodeDirectory::new(root.path().join("node"));
    let kind = KeyKind::EcdsaP256;
    let before = init(&node, &name(), &[agency("H49.13.01")], kind).unwrap();
    let Request::Node(before) = before else {
        panic!("a node asks for a node");
    };
    let renamed = NewAgency {
        id: Some(before.agencies[0].id),
        name: Line::new("Phòng khác").unwrap(),
        ..agency("H49.13.31")
    };
    let Request::Node(after) = init(&node, &name(), &[renamed], kind).unwrap() else {
        panic!("a node asks for a node");
    };
    let [asked] = after.agencies.as_slice() else {
        panic!("one agency: {after:?}");
    };
    assert_eq!(asked.code, code("H49.13.31"));
    assert_eq!(asked.name.as_str(), "Phòng khác");
    assert_eq!(asked.statement, before.agencies[0].statement);
    let homes = node.agencies().unwrap();
    assert_eq!(homes.len(), 1);
    assert!(homes[0].path().ends_with("H49.13.01"));
    // Asked again without a word of it, it stays so.
    let again = init(&node, &name(), &[], kind).unwrap();
    assert_eq!(again, Request::Node(after));
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
        AgencyKeys::load(&home, &Keyring::default()).unwrap();
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
        AgencyKeys::load(&home, &Keyring::default()).unwrap();
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
    let open = AgencyKeys::load(&home, &Keyring::default())
        .unwrap_err()
        .to_string();
    assert!(open.contains("chmod 600"), "{open}");
    std::fs::remove_file(home.keys_dir().join("seal.pem")).unwrap();
    let missing = AgencyKeys::load(&home, &Keyring::default())
        .unwrap_err()
        .to_string();
    assert!(
        missing.contains("seal.pem is missing; run: consign node install"),
        "{missing}"
    );
    let absent = NodeDirectory::new(network.path().join("absent"));
    let absent = absent.lock().unwrap_err().to_string();
    assert!(absent.contains("run: consign node init"), "{absent}");
}

/// A file with a secret, as a source.
fn secret(directory: &Path, name: &str) -> SecretSource {
    let path = directory.join(name);
    std::fs::write(&path, name).unwrap();
    std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o600)).unwrap();
    SecretSource::File(path)
}

/// The secret files of a node of one agency, and whether each is under a passphrase.
fn protection(node: &NodeDirectory) -> Vec<(PathBuf, bool)> {
    let mut places = vec![node.root().join("keys")];
    places.extend(node.agencies().unwrap().iter().map(|home| home.keys_dir()));
    let mut found = Vec::new();
    for place in places {
        for entry in std::fs::read_dir(place).unwrap() {
            let path = entry.unwrap().path();
            if path
                .extension()
                .is_some_and(|kind| kind == "key" || kind == "old")
            {
                let protected = is_protected(&path);
                found.push((path, protected));
            }
        }
    }
    found
}

#[test]
fn all_keys_lie_under_the_passphrase_or_none() {
    let network = Network::new();
    let (node, authority) = (network.node(0), network.authority());
    let home = node.agencies().unwrap().remove(0);
    let open = |ring: &Keyring| AgencyKeys::load(&home, ring);
    let right = || Keyring::new(secret(network.path(), "right"));
    let before = protection(node);
    assert!(before.len() == 4 && before.iter().all(|(_, protected)| !protected));

    let new = Keyring::protecting(secret(network.path(), "right")).unwrap();
    assert_eq!(protect(node, &Keyring::default(), &new).unwrap(), 4);
    assert_eq!(protect(node, &Keyring::default(), &new).unwrap(), 0);
    assert!(protection(node).iter().all(|(_, protected)| *protected));
    open(&right()).unwrap();
    let wrong = open(&Keyring::new(secret(network.path(), "wrong"))).unwrap_err();
    assert!(matches!(wrong, KeysError::Keyring(_)), "{wrong}");

    // What is made later joins them: another agency, and the next keys of both.
    let keys = NewKeys {
        keyring: Arc::new(right()),
        ..NewKeys::default()
    };
    let request = init_with(node, &name(), &[agency("H49.13.01")], &keys).unwrap();
    let options = IssueOptions::default();
    let issue = || consign_authority::issue(&authority, &request.to_bytes(), &options, now());
    issue().unwrap();
    consign_authority::publish(&authority, PublishOptions::default(), now()).unwrap();
    let bundle = issue().unwrap().to_bytes();
    install_with(node, &bundle, &right()).unwrap();
    let trust = network.trust.clone();
    let place = node.trust_dir().join("directory");
    let listed = directory_files::newest(&place, &trust).unwrap().unwrap();
    let ring = right();
    next_request(node, &listed, now(), &ring).unwrap();
    let made = protection(node);
    assert_eq!(made.len(), 10, "{made:?}");
    assert!(made.iter().all(|(_, protected)| *protected), "{made:?}");
    AgencyKeys::in_force(&home, &listed, now(), &ring).unwrap();

    assert_eq!(
        protect(node, &right(), &Keyring::default()).unwrap(),
        made.len()
    );
    assert!(protection(node).iter().all(|(_, protected)| !protected));
    open(&Keyring::default()).unwrap();
    // With a passphrase named, nothing is made beside keys without one.
    let keys = NewKeys {
        keyring: Arc::new(new),
        ..NewKeys::default()
    };
    let mixed = init_with(node, &name(), &[agency("H49.13.02")], &keys).unwrap_err();
    assert!(mixed.to_string().contains("has no passphrase"), "{mixed}");
}

#[test]
fn a_token_file_that_names_one_key_is_for_one_agency() {
    let root = tempfile::tempdir().unwrap();
    let node = NodeDirectory::new(root.path().join("node"));
    let token = TokenPlace {
        module: root.path().join("driver.so"),
        token: TokenName::Label("H49".to_owned()),
        key: Some(KeyName::Id(vec![1])),
        pin: SecretSource::Prompt,
    };
    let keys = NewKeys {
        token: Some(token),
        ..NewKeys::default()
    };
    let agencies = [agency("H49.13.01"), agency("H49.13.02")];
    let refused = init_with(&node, &name(), &agencies, &keys).unwrap_err();
    assert!(matches!(refused, KeysError::OneKey), "{refused}");
    let refused = init_with(&node, &name(), &agencies[..1], &keys).unwrap_err();
    assert!(refused.to_string().contains("driver.so"), "{refused}");
}

#[test]
fn a_token_is_not_named_in_vain_for_an_agency_that_has_its_seal_key() {
    let root = tempfile::tempdir().unwrap();
    let node = NodeDirectory::new(root.path().join("node"));
    let agencies = [agency("H49.13.01")];
    init(&node, &name(), &agencies, KeyKind::EcdsaP256).unwrap();
    let token = TokenPlace {
        module: root.path().join("driver.so"),
        token: TokenName::Label("H49".to_owned()),
        key: None,
        pin: SecretSource::Prompt,
    };
    let keys = NewKeys {
        token: Some(token.clone()),
        ..NewKeys::default()
    };
    let refused = || init_with(&node, &name(), &agencies, &keys).unwrap_err();
    let text = refused().to_string();
    assert!(
        text.contains("H49.13.01") && text.contains("seal.key; "),
        "{text}"
    );
    // Nor where it is in another token.
    let key = node.root().join("agencies/H49.13.01/keys/seal.key");
    std::fs::rename(&key, key.with_extension("key.old")).unwrap();
    let place = key.with_extension("toml");
    let other = TokenPlace {
        token: TokenName::Label("H50".to_owned()),
        ..token.clone()
    };
    std::fs::write(&place, other.or_key("another").to_text()).unwrap();
    let text = refused().to_string();
    assert!(text.contains("seal.toml; "), "{text}");
    // The same command once more goes on to the token, also where the agency had another code.
    let made = token.or_key("consign seal H49.13.99");
    std::fs::write(&place, made.to_text()).unwrap();
    let text = refused().to_string();
    assert!(text.contains("driver.so"), "{text}");
}
