//! An authority's keys under a passphrase: `openssl` opens them with it, and we open those that
//! `openssl` wrote.

#![expect(clippy::unwrap_used, reason = "a test that fails")]

use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;
use std::process::Command;
use std::sync::Arc;

use consign_authority::{Authority, Founding, NewKeys, PublishOptions, init_with, protect};
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
