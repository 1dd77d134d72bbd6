//! An authority's keys under a passphrase: `openssl` opens them with it, and we open those that
//! `openssl` wrote.

#![expect(clippy::unwrap_used, reason = "a test that fails")]

use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;
use std::process::Command;
use std::sync::Arc;

use consign_authority::{
    Authority, AuthorityError, Founding, NewKeys, PublishOptions, RootList, init_with, protect,
};
use consign_domain::Timestamp;
use consign_keys::{Keyring, SecretSource};
use consign_runtime::clock::Clock;

const KEYS: [&str; 3] = ["root", "issuing", "directory"];

fn now() -> Timestamp {
    Timestamp::from_unix_saturating(1_767_225_600)
}

fn source(directory: &Path, name: &str) -> SecretSource {
    let path = directory.join(name);
    std::fs::write(&path, format!("{name}\n")).unwrap();
    std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o600)).unwrap();
    SecretSource::File(path)
}

fn openssl(directory: &Path, line: &str) -> bool {
    let output = Command::new("openssl")
        .args(line.split_whitespace())
        .current_dir(directory)
        .output()
        .unwrap();
    output.status.success()
}

fn publishes(authority: &Path, keyring: Keyring) -> Result<(), String> {
    let opened = Authority::open_with(authority, &Arc::new(keyring));
    let mut opened = opened.map_err(|fault| {
        let cause = std::error::Error::source(&fault).map(ToString::to_string);
        format!("{fault}: {}", cause.unwrap_or_default())
    })?;
    let options = PublishOptions {
        force: true,
        ..PublishOptions::default()
    };
    opened
        .publish(options, now())
        .map_err(|fault| fault.to_string())?;
    Ok(())
}

#[test]
fn keys_under_a_passphrase_serve_whoever_knows_it() {
    let directory = tempfile::tempdir().unwrap();
    let place = directory.path();
    let authority = place.join("authority");
    let (first, second) = (source(place, "first"), source(place, "second"));
    let founding = Founding {
        name: "Quảng Ninh".to_owned(),
        keys: NewKeys {
            keyring: Keyring::protecting(first.clone()).unwrap(),
            token: None,
        },
        ..Founding::default()
    };
    let founded = init_with(&authority, &founding, &Clock::fixed(now().as_unix())).unwrap();
    let record = std::fs::read_to_string(founded.record).unwrap();
    assert!(record.contains("root key            file keys/root.key, under a passphrase\n"));
    let reads = |passphrase: &str, key: &str| {
        let line = format!("pkey -in authority/keys/{key}.key -noout -passin file:{passphrase}");
        openssl(place, &line)
    };
    for key in KEYS {
        assert!(reads("first", key), "{key}");
        assert!(!reads("second", key), "{key}");
    }
    publishes(&authority, Keyring::new(first.clone())).unwrap();
    let wrong = publishes(&authority, Keyring::new(second.clone())).unwrap_err();
    assert!(
        wrong.contains(".key is not opened; give its passphrase"),
        "{wrong}"
    );

    // Another passphrase; the same again has nothing to do.
    let new = Keyring::protecting(second.clone()).unwrap();
    assert_eq!(
        protect(&authority, &Keyring::new(first.clone()), &new).unwrap(),
        3
    );
    assert_eq!(protect(&authority, &Keyring::new(first), &new).unwrap(), 0);
    assert!(reads("second", "root") && !reads("first", "root"));
    publishes(&authority, Keyring::new(second.clone())).unwrap();

    // As openssl writes them by default and by scrypt, under PBKDF2 and scrypt.
    for (key, how) in [("issuing", "-v2 aes-256-cbc"), ("root", "-scrypt")] {
        let line = format!(
            "pkcs8 -topk8 {how} -in authority/keys/{key}.key -out {key}.new -passin file:second \
             -passout pass:second"
        );
        assert!(openssl(place, &line), "{key}");
        let path = authority.join("keys").join(format!("{key}.key"));
        std::fs::rename(place.join(format!("{key}.new")), &path).unwrap();
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o600)).unwrap();
    }
    publishes(&authority, Keyring::new(second.clone())).unwrap();

    // And none.
    let changed = protect(&authority, &Keyring::new(second), &Keyring::default()).unwrap();
    assert_eq!(changed, 3);
    publishes(&authority, Keyring::default()).unwrap();
    for key in KEYS {
        let path = authority.join("keys").join(format!("{key}.key"));
        let text = std::fs::read_to_string(&path).unwrap();
        assert!(text.starts_with("-----BEGIN PRIVATE KEY-----"), "{key}");
        let mode = std::fs::metadata(&path).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o600, "{key}");
    }
}

/// The root's list is due, and its key in a token that is in a safe.
#[test]
fn a_root_key_that_is_away_keeps_nobody_from_publishing() {
    let directory = tempfile::tempdir().unwrap();
    let place = directory.path().join("authority");
    let founding = Founding {
        name: "Quảng Ninh".to_owned(),
        ..Founding::default()
    };
    init_with(&place, &founding, &Clock::fixed(now().as_unix())).unwrap();
    let publish = |days: u64, force: bool| {
        let options = PublishOptions {
            force,
            ..PublishOptions::default()
        };
        let at = now().plus_seconds(days * 86_400);
        let published = Authority::open(&place).unwrap().publish(options, at);
        published.map(|published| (published.is_new, published.root_list))
    };
    let list = || std::fs::read(place.join("trust/crl/root.crl")).unwrap();
    assert_eq!(publish(0, false).unwrap(), (true, RootList::Signed));
    let first = list();
    assert_eq!(publish(20, false).unwrap(), (true, RootList::Stands));

    let (key, safe) = (place.join("keys/root.key"), directory.path().join("safe"));
    std::fs::rename(&key, &safe).unwrap();
    let token = place.join("keys/root.toml");
    let away = format!(
        "module = \"{}\"\ntoken = \"root\"\n",
        place.join("driver.so").display()
    );
    std::fs::write(&token, away).unwrap();
    assert_eq!(publish(250, false).unwrap(), (true, RootList::NotSigned));
    // The version suffices, and the list is due all the same.
    assert_eq!(publish(251, false).unwrap(), (false, RootList::NotSigned));
    // What is asked for is done, or refused.
    let refused = publish(251, true).unwrap_err();
    assert!(matches!(refused, AuthorityError::Keyring(_)), "{refused}");
    std::fs::remove_file(&token).unwrap();
    assert_eq!(publish(251, true).unwrap(), (true, RootList::NotSigned));
    assert_eq!(list(), first);
    std::fs::rename(&safe, &key).unwrap();
    assert_eq!(publish(252, false).unwrap(), (false, RootList::Signed));
    assert_ne!(list(), first);
    assert_eq!(publish(252, true).unwrap(), (true, RootList::Signed));
}
