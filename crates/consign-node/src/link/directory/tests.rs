use super::*;
use crate::link::fixture::{Network, at};

fn keeper(network: &Network) -> (tempfile::TempDir, Keeper) {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("directory");
    let first = network.first();
    directory_files::publish(&path, &first).unwrap();
    (directory, Keeper::new(network.trust.clone(), path, first))
}

fn digest(keeper: &Keeper) -> Option<Digest> {
    Some(keeper.newest().signed_head().digest())
}

#[test]
fn a_newer_version_is_stored_before_it_counts_and_survives_a_restart() {
    let network = Network::new();
    let (_held, keeper) = keeper(&network);
    let (head, entries) = network.version(2, digest(&keeper), 2000);
    assert!(keeper.take(head.clone(), entries.clone()).unwrap());
    assert_eq!(keeper.newest().version().value(), 2);
    assert!(!keeper.take(head, entries).unwrap(), "the same is not news");
    let stored = directory_files::newest(&keeper.path, &network.trust).unwrap();
    assert_eq!(stored.unwrap().version().value(), 2);
}

#[test]
fn a_rollback_is_refused() {
    let network = Network::new();
    let (_held, keeper) = keeper(&network);
    let (older, entries) = network.version(1, None, 1000);
    let (newer, newer_entries) = network.version(2, digest(&keeper), 2000);
    keeper.take(newer, newer_entries).unwrap();
    let refusal = keeper.take(older, entries).unwrap_err();
    assert!(matches!(refusal, DirectoryRefusal::Rollback { .. }));
    assert_eq!(keeper.newest().version().value(), 2);
}

#[test]
fn forks_are_refused_under_the_same_version_and_after_it() {
    let network = Network::new();
    let (_held, keeper) = keeper(&network);
    let forks = [
        network.version(1, None, 1001),
        network.version(2, Some(Digest::of(b"another")), 2000),
    ];
    for (head, entries) in forks {
        let refusal = keeper.take(head, entries).unwrap_err();
        assert!(matches!(refusal, DirectoryRefusal::Fork { .. }));
        assert_eq!(refusal.code(), ErrorCode::SignatureInvalid);
    }
    let (far, entries) = network.version(7, Some(Digest::of(b"six")), 2000);
    assert!(keeper.take(far, entries).unwrap(), "versions were missed");
}

#[test]
fn an_expired_head_decides_nothing_new() {
    let network = Network::new();
    let (_held, keeper) = keeper(&network);
    assert!(keeper.fresh(at(999)).is_ok());
    let refusal = keeper.fresh(at(1000)).unwrap_err();
    assert_eq!(refusal.code(), ErrorCode::DirectoryExpired);
}

#[test]
fn what_the_trust_file_does_not_vouch_for_is_refused() {
    let network = Network::new();
    let (_held, keeper) = keeper(&network);
    let (mut head, entries) = network.version(2, digest(&keeper), 2000);
    head.signature[0] ^= 1;
    let refusal = keeper.take(head, entries).unwrap_err();
    assert!(matches!(refusal, DirectoryRefusal::Unverified { .. }));
}

#[test]
fn only_the_last_few_versions_stay_and_damage_is_not_passed_over() {
    let network = Network::new();
    let (_held, keeper) = keeper(&network);
    for version in 2..8 {
        let (head, entries) = network.version(version, digest(&keeper), 2000);
        keeper.take(head, entries).unwrap();
    }
    let mut names: Vec<_> = std::fs::read_dir(&keeper.path)
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .collect();
    names.sort();
    assert_eq!(names.len(), 4);
    assert_eq!(names[3], "000000000007");
    std::fs::write(keeper.path.join("000000000007/entries.jsonl"), b"{}\n").unwrap();
    let fault = directory_files::newest(&keeper.path, &network.trust).unwrap_err();
    assert!(matches!(fault, DirectoryFileError::Unverified { .. }));
}
