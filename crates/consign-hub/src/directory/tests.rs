//! Versions replace each other forwards only, and in one line.

use consign_authority::PublishOptions;

use super::*;
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
        Err(DirectoryFault::Rollback { .. })
    ));
    let known = Some(directories.note());
    let reopened = Directories::open(&world.config.directory, world.trust.clone(), known);
    assert!(matches!(reopened, Err(DirectoryFault::Rollback { .. })));
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
    assert!(matches!(same_version, Err(DirectoryFault::Fork { .. })));
    let known = Some(directories.note());
    let reopened = Directories::open(&versions, world.trust.clone(), known);
    assert!(matches!(reopened, Err(DirectoryFault::Fork { .. })));
    consign_authority::publish(&fork, options, world.now()).unwrap();
    forked("000000000003");
    let next_version = directories.poll();
    assert!(matches!(next_version, Err(DirectoryFault::Fork { .. })));
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
