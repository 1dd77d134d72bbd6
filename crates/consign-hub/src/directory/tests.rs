//! Versions replace each other forwards only, and in one line.

use bytes::Bytes;
use consign_authority::PublishOptions;
use consign_domain::directory::EntryState;
use consign_enrol::ListSigners;
use consign_keys::Keyring;
use consign_pki::path::PathPurpose;
use consign_proto::v1::{DirectoryRequest, directory_reply::Message};
use consign_verify::directory::changes::{Change, apply};

use super::*;
use crate::identity::Keys;
use crate::testing::World;

fn open(world: &World) -> Directories {
    Directories::open(&world.config.directory, world.trust.clone(), None).unwrap()
}

#[test]
fn the_next_version_is_put_in_force_and_told() {
    let world = World::new();
    let directories = open(&world);
    let mut changes = directories.changes();
    assert!(!directories.poll().unwrap());
    assert!(!changes.has_changed().unwrap());
    world.publish(|_| {});
    assert!(directories.poll().unwrap());
    assert_eq!(*changes.borrow_and_update(), 2);
    assert_eq!(directories.note().version.value(), 2);
    assert!(!directories.poll().unwrap());
}

#[test]
fn an_older_version_is_not_taken_back() {
    let world = World::new();
    world.publish(|_| {});
    let directories = open(&world);
    let newest = world.config.directory.join("000000000002");
    std::fs::rename(&newest, world.config.directory.join("set aside")).unwrap();
    assert!(matches!(
        directories.poll(),
        Err(DirectoryFault::Succession(SuccessionError::Rollback { .. }))
    ));
    let known = Some(directories.note());
    let reopened = Directories::open(&world.config.directory, world.trust.clone(), known);
    assert!(matches!(
        reopened,
        Err(DirectoryFault::Succession(SuccessionError::Rollback { .. }))
    ));
}

#[test]
fn a_fork_is_not_followed() {
    // The authority's register is copied, and both copies publish.
    let world = World::new();
    let fork = world.authority().with_file_name("fork");
    copy(&world.authority(), &fork);
    world.publish(|_| {});
    let directories = open(&world);
    world.clock.advance(1);
    let options = PublishOptions {
        force: true,
        ..PublishOptions::default()
    };
    consign_authority::publish(&fork, options, world.now()).unwrap();
    let versions = world.config.directory.clone();
    let forked = |version: &str| {
        std::fs::remove_dir_all(versions.join(version)).ok();
        copy(
            &fork.join("trust/directory").join(version),
            &versions.join(version),
        );
    };
    forked("000000000002");
    let same_version = directories.poll();
    assert!(matches!(
        same_version,
        Err(DirectoryFault::Succession(SuccessionError::Fork { .. }))
    ));
    let known = Some(directories.note());
    let reopened = Directories::open(&versions, world.trust.clone(), known);
    assert!(matches!(
        reopened,
        Err(DirectoryFault::Succession(SuccessionError::Fork { .. }))
    ));
    consign_authority::publish(&fork, options, world.now()).unwrap();
    forked("000000000003");
    let next_version = directories.poll();
    assert!(matches!(
        next_version,
        Err(DirectoryFault::Succession(SuccessionError::Fork { .. }))
    ));
    assert_eq!(directories.note().version.value(), 2);
}

#[test]
fn what_does_not_verify_is_not_taken() {
    let world = World::new();
    let directories = open(&world);
    world.publish(|_| {});
    let version = world.config.directory.join("000000000002");
    let entries = version.join("entries.jsonl");
    let mut bytes = std::fs::read(&entries).unwrap();
    bytes.truncate(bytes.len() - 2);
    std::fs::write(&entries, bytes).unwrap();
    assert!(matches!(
        directories.poll(),
        Err(DirectoryFault::Refused { version: 2, .. })
    ));
    let place = world.config.directory.join("000000000007");
    std::fs::rename(&version, &place).unwrap();
    assert!(directories.poll().is_err());
    assert_eq!(directories.note().version.value(), 1);
}

#[test]
fn publishing_is_repeatable_and_never_overwrites() {
    let world = World::new();
    let first = open(&world).current();
    let place = world.config.home.join("copy");
    publish(&place, &first).unwrap();
    publish(&place, &first).unwrap();
    let read = read_newest(&place, &world.trust, None).unwrap().unwrap();
    assert_eq!(read.signed_head(), first.signed_head());
    assert!(
        read_newest(&place, &world.trust, Some(&first))
            .unwrap()
            .is_none()
    );
    let absent = read_newest(&place.join("none"), &world.trust, None);
    assert!(absent.unwrap().is_none());
}

/// What a caller of that version gets, message by message.
async fn asked(directories: &Arc<Directories>, have: u64, head: Digest) -> Vec<Message> {
    let head = Bytes::copy_from_slice(head.as_bytes());
    let asked = Asked::of(&DirectoryRequest { have, head });
    let update = directories.update(asked).await.unwrap();
    update
        .map(|update| Messages::new(update).collect())
        .unwrap_or_default()
}

/// The lines that a caller has then, and how many bytes of lines travelled.
fn rebuilt(old: &[u8], messages: &[Message]) -> (Vec<u8>, usize) {
    let changes = messages.iter().filter_map(|message| match message {
        Message::Entries(lines) => Some(Change::Insert(lines.clone())),
        Message::Kept(count) => Some(Change::Keep(*count)),
        Message::Dropped(count) => Some(Change::Drop(*count)),
        _ => None,
    });
    let changes: Vec<Change<Bytes>> = changes.collect();
    let inserted = changes.iter().map(|change| match change {
        Change::Insert(lines) => lines.len(),
        _ => 0,
    });
    (apply(old, &changes).unwrap(), inserted.sum())
}

fn between(messages: &[Message]) -> usize {
    let is_between = |message: &&Message| matches!(message, Message::Between(_));
    messages.iter().filter(is_between).count()
}

#[tokio::test]
async fn only_what_changed_travels_to_who_has_a_version() {
    let world = World::new();
    let directories = Arc::new(open(&world));
    let first = directories.current();
    let head = first.signed_head().digest();
    assert!(
        asked(&directories, 1, head).await.is_empty(),
        "it is current"
    );
    let code = "H49.03".parse().unwrap();
    for state in [
        EntryState::Suspended,
        EntryState::Active,
        EntryState::Suspended,
    ] {
        world.publish(|authority| {
            authority.set_state(&code, state).unwrap();
        });
    }
    assert!(directories.poll().unwrap());
    let current = directories.current();
    assert_eq!(current.version().value(), 4);

    let messages = asked(&directories, 1, head).await;
    assert_eq!(between(&messages), 2, "the heads of versions 2 and 3");
    let (lines, inserted) = rebuilt(first.entries(), &messages);
    assert_eq!(lines, current.entries());
    let agency = current.agency_by_code(&"H49.03".parse().unwrap()).unwrap();
    let line = current.path_of(agency.id.to_bytes()).unwrap().line;
    assert_eq!(inserted, line.len() + 1, "one line travelled");
    assert_eq!(asked(&directories, 1, head).await, messages, "asked again");
    let lists = world.config.directory.with_file_name("crl");
    let lists = ["issuing.crl", "root.crl"].map(|name| {
        let list = std::fs::read(lists.join(name)).unwrap();
        Message::List(list.into())
    });
    assert!(messages.ends_with(&lists), "the revocation lists come last");
    assert!(
        asked(&directories, 5, head).await.is_empty(),
        "ahead of the hub"
    );
}

#[test]
fn a_list_is_kept_by_who_has_signed_it() {
    let world = World::new();
    let identity = Keys::load(&world.config.keys, &Keyring::default())
        .unwrap()
        .tls;
    let chain = (&*identity.certificate(), &*identity.issuers());
    let purpose = PathPurpose::tls_server();
    let signers = ListSigners::new(world.trust.roots(), chain, &purpose, world.now());
    let published = world.authority().join("trust/crl");
    let read = |place: &Path, name: &str| std::fs::read(place.join(name)).ok().map(Bytes::from);
    let [root, issuing] = ["root.crl", "issuing.crl"].map(|name| read(&published, name).unwrap());

    let hub = world.authority().with_file_name("hub/trust");
    let (place, kept) = (hub.join("directory"), hub.join("crl"));
    // As of an authority that cannot read its other list.
    keep_lists(&place, std::slice::from_ref(&root), &signers).unwrap();
    assert_eq!(read(&kept, "root.crl"), Some(root.clone()));
    assert_eq!(read(&kept, "issuing.crl"), None);
    let strange = Bytes::from_static(b"no list");
    keep_lists(&place, &[strange, issuing.clone()], &signers).unwrap();
    assert_eq!(read(&kept, "issuing.crl"), Some(issuing.clone()));
    assert_eq!(read(&kept, "root.crl"), Some(root.clone()));
    assert_eq!(files::revocation_lists(&place), [issuing, root]);
}

#[tokio::test]
async fn who_has_nothing_another_head_or_a_version_gone_gets_the_whole() {
    let world = World::new();
    let directories = Arc::new(open(&world));
    let head = directories.current().signed_head().digest();
    world.publish(|_| {});
    assert!(directories.poll().unwrap());
    let current = directories.current();
    let other = Digest::of(b"another head");
    for (have, head) in [(0, other), (1, other), (2, other)] {
        let messages = asked(&directories, have, head).await;
        let (lines, inserted) = rebuilt(b"", &messages);
        assert_eq!(
            (lines.as_slice(), inserted),
            (current.entries(), lines.len())
        );
    }
    let first = world.config.directory.join("000000000001");
    std::fs::remove_dir_all(first).unwrap();
    let messages = asked(&directories, 1, head).await;
    assert_eq!(rebuilt(b"", &messages).0, current.entries());
}

#[test]
fn a_fork_beyond_the_next_version_is_told_by_the_heads_between() {
    let world = World::new();
    let fork = world.authority().with_file_name("fork");
    copy(&world.authority(), &fork);
    world.publish(|_| {});
    let directories = open(&world);
    let known = Some(directories.note());
    world.clock.advance(1);
    let force = PublishOptions {
        force: true,
        ..PublishOptions::default()
    };
    for version in 2..5 {
        consign_authority::publish(&fork, force, world.now()).unwrap();
        let name = format!("{version:012}");
        let to = world.config.directory.join(&name);
        if !to.exists() {
            copy(&fork.join("trust/directory").join(&name), &to);
        }
    }
    // Version 3 of the fork does not follow version 2 of ours, and 4 follows 3.
    let is_fork = |fault: DirectoryFault| {
        matches!(
            fault,
            DirectoryFault::Succession(SuccessionError::Fork { .. })
        )
    };
    assert!(is_fork(directories.poll().unwrap_err()));
    assert_eq!(directories.note().version.value(), 2);
    let reopened = Directories::open(&world.config.directory, world.trust.clone(), known);
    assert!(is_fork(reopened.unwrap_err()), "nor after a restart");
}

fn copy(from: &Path, to: &Path) {
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
