//! Key files under a passphrase, or not.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;

use super::*;

const TEXT: &str = "AGE-SECRET-KEY-1GFPYYSJZGFPYYSJZGFPYYSJZGFPYYSJZGFPYYSJZGFPYYSJZGFPQ4EGAEX\n";

/// A file with a secret, as a source.
fn secret(directory: &Path, name: &str) -> SecretSource {
    let path = directory.join(name);
    fs::write(&path, format!("{name}\n")).unwrap();
    fs::set_permissions(&path, fs::Permissions::from_mode(0o600)).unwrap();
    SecretSource::File(path)
}

#[test]
fn new_keys_come_to_lie_as_the_old_ones_do() {
    let directory = tempfile::tempdir().unwrap();
    let (first, second) = (
        directory.path().join("1.key"),
        directory.path().join("2.key"),
    );
    let source = secret(directory.path(), "right");
    let founding = Keyring::protecting(source.clone()).unwrap();
    founding.join(&first).unwrap();
    founding.write_new(&first, TEXT).unwrap();
    assert!(is_protected(&first) && !is_protected(&second));

    let later = Keyring::new(source.clone());
    later.join(&first).unwrap();
    later.write_new(&second, TEXT).unwrap();
    assert!(is_protected(&second));
    for path in [&first, &second] {
        assert_eq!(later.read(path).unwrap().as_str(), TEXT);
    }
    // And the other way round nothing is half protected.
    let plain = directory.path().join("plain.key");
    Keyring::new(source).write_new(&plain, TEXT).unwrap();
    let mixed = founding.join(&plain).unwrap_err();
    assert!(matches!(mixed, KeyringError::Mixed { .. }), "{mixed}");
    Keyring::default().join(&plain).unwrap();
}

#[test]
fn what_was_opened_is_kept_for_as_long_as_its_file_is_the_same() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("1.key");
    let source = secret(directory.path(), "right");
    let ring = Keyring::protecting(source.clone()).unwrap();
    ring.write_new(&path, TEXT).unwrap();
    let reader = Keyring::new(source);
    for _ in 0..2 {
        assert_eq!(reader.read(&path).unwrap().as_str(), TEXT);
    }
    let next = TEXT.repeat(2);
    let other = Keyring::protecting(secret(directory.path(), "wrong")).unwrap();
    ring.replace(&path, &next).unwrap();
    assert_eq!(reader.read(&path).unwrap().as_str(), next);
    other.replace(&path, TEXT).unwrap();
    let refused = reader.read(&path).unwrap_err();
    assert!(
        matches!(refused, KeyringError::Protection { .. }),
        "{refused}"
    );
    fs::remove_file(&path).unwrap();
    assert!(reader.read(&path).unwrap_err().is_not_found());
}

#[test]
fn a_service_that_runs_asks_nobody() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("1.key");
    let ring = Keyring::protecting(secret(directory.path(), "right")).unwrap();
    ring.write_new(&path, TEXT).unwrap();
    let running = Keyring::new(SecretSource::Prompt);
    running.leave_alone();
    let KeyringError::Secret(fault) = running.read(&path).unwrap_err() else {
        panic!("another fault");
    };
    assert!(matches!(fault, SecretError::Unattended { .. }), "{fault}");
}
