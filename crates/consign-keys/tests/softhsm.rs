//! Keys in a token, with SoftHSM: what is signed is what `openssl` accepts, and every fault
//! says what to do.
//!
//! SoftHSM finds its tokens by an environment variable, so each test is a process of its own
//! with a directory of its own.

mod support;

use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Arc;

use consign_keys::secret::SecretSource;
use consign_keys::token::{KeyName, Token, TokenKey, TriesLeft};
use consign_keys::{Keyring, KeyringError, TokenError};
use consign_pki::issue::{
    AuthorityName, CertificateAuthority, SealSubject, Validity, create_request,
};
use consign_pki::seal::{KeyKind, SealError, SealSigner};
use consign_pki::{certificate, cms};
use cryptoki::object::{Attribute, CertificateType, ObjectClass};
use support::{
    MARK, PIN, faulty, in_session, initialise, lock, made, objects, opened, place, run,
    with_softhsm, words,
};

/// What the process says that met the locked token.
const LOCKED: &str = "the locked token was met";
const NOW: u64 = 1_750_000_000;

fn validity(years: u64) -> Validity {
    Validity {
        not_before: NOW - 86_400,
        not_after: NOW + years * 365 * 86_400,
    }
}

fn name(common_name: &str) -> AuthorityName {
    AuthorityName {
        organization: "Tỉnh Quảng Ninh".to_owned(),
        common_name: common_name.to_owned(),
    }
}

/// Root, issuing authority and seal all in tokens.
#[test]
fn openssl_accepts_what_tokens_sign() {
    with_softhsm("openssl_accepts_what_tokens_sign", |directory| {
        initialise(directory, "H49");
        let ring = Keyring::default();
        let key = |label: &str, kind| {
            let mut place = place(directory, "H49", PIN);
            place.key = Some(KeyName::Label(label.to_owned()));
            let path = directory.join(format!("{label}.key"));
            ring.make_in_token(&path, &place, kind).unwrap()
        };
        let root = CertificateAuthority::create_root(
            key("root", KeyKind::Rsa2048),
            &name("Root"),
            validity(9),
        )
        .unwrap();
        let issuing = key("issuing", KeyKind::EcdsaP256);
        let issuing =
            CertificateAuthority::create_issuing(&root, issuing, &name("Issuing"), validity(5))
                .unwrap();
        for (label, kind) in [("p256", KeyKind::EcdsaP256), ("rsa", KeyKind::Rsa2048)] {
            let seal = key(label, kind);
            let subject = SealSubject {
                organization: "Sở Nội vụ".to_owned(),
                common_name: "Con dấu".to_owned(),
                organization_identifier: "H49.13".to_owned(),
            };
            let request = create_request(&*seal, "seal").unwrap();
            let certificate = issuing
                .issue_seal(&request, &subject, validity(1), &[7])
                .unwrap();
            let chain = [issuing.certificate_der().to_vec()];
            let signed =
                cms::sign_detached(&*seal, &certificate, &chain, b"manifest", NOW).unwrap();
            std::fs::write(directory.join("seal.p7s"), signed).unwrap();
            std::fs::write(directory.join("content"), b"manifest").unwrap();
            std::fs::write(directory.join("root.pem"), root.certificate_pem()).unwrap();
            std::fs::write(directory.join("chain.pem"), issuing.certificate_pem()).unwrap();
            std::fs::write(
                directory.join("seal.pem"),
                certificate::to_pem(&certificate),
            )
            .unwrap();
            let at = NOW.to_string();
            let verify = "cms -verify -binary -inform DER -in seal.p7s -content content \
                          -CAfile root.pem -purpose any -out /dev/null -attime";
            let mut arguments: Vec<&str> = verify.split_whitespace().collect();
            arguments.push(&at);
            let (good, said) = run("openssl", directory, &arguments);
            assert!(good, "{label}: {said}");
            let verify = "verify -CAfile root.pem -untrusted chain.pem -attime";
            let mut arguments: Vec<&str> = verify.split_whitespace().collect();
            arguments.extend([&at, "seal.pem"]);
            let (good, said) = run("openssl", directory, &arguments);
            assert!(good, "{label}: {said}");
        }
        // The next process finds them by the file beside where the key's own would be.
        let again = Keyring::default()
            .signer(&directory.join("p256.key"))
            .unwrap();
        assert_eq!(
            again.public_key_der(),
            ring.signer(&directory.join("p256.key"))
                .unwrap()
                .public_key_der()
        );
        assert!(matches!(
            made(directory, KeyKind::Ed25519),
            Err(TokenError::Kind)
        ));
    });
}

#[test]
fn what_is_not_there_is_named() {
    with_softhsm("what_is_not_there_is_named", |directory| {
        for label in ["H49", "twin", "twin"] {
            initialise(directory, label);
        }
        let mut nowhere = place(directory, "H49", PIN);
        nowhere.module = directory.join("driver.so");
        words(
            opened(&nowhere),
            &["driver.so", "cannot be loaded", "install"],
        );
        let absent = place(directory, "H50", PIN);
        let fault = words(opened(&absent), &["\"H50\"", "plug it in", "\"H49\""]);
        assert!(fault.is_gone() && fault.code().is_retryable());
        let keyless = place(directory, "H49", PIN);
        words(opened(&keyless), &["no signing key \"seal\"", "\"H49\""]);
        made(directory, KeyKind::EcdsaP256).unwrap();
        made(directory, KeyKind::EcdsaP256).unwrap_err();
        words(opened(&keyless), &["several keys"]);
        let twin = place(directory, "twin", PIN);
        words(opened(&twin), &["several tokens", "serial"]);
        // Where a key is missing, the keyring says so as for a file.
        let missing = Keyring::default()
            .signer(&directory.join("none.key"))
            .unwrap_err();
        assert!(missing.is_not_found());
    });
}

/// The token is asked once. The next process does not ask it again without a person.
#[test]
fn a_wrong_pin_is_never_given_twice() {
    with_softhsm("a_wrong_pin_is_never_given_twice", |directory| {
        initialise(directory, "H49");
        made(directory, KeyKind::EcdsaP256).unwrap();
        let wrong = place(directory, "H49", "9999");
        let token = Arc::new(Token::new(&wrong));
        let refused = TokenKey::open(Arc::clone(&token), &wrong);
        let fault = words(
            refused,
            &["refused the PIN", "not tried again", "few tries"],
        );
        assert!(matches!(
            fault,
            TokenError::PinWrong {
                left: TriesLeft::Few,
                ..
            }
        ));
        // Corrected meanwhile, but this process has been told no.
        let right = place(directory, "H49", PIN);
        words(TokenKey::open(token, &right), &["refused the PIN"]);
        let fault = words(
            opened(&right),
            &["a wrong PIN was given", "pin = \"prompt\""],
        );
        assert!(matches!(fault, TokenError::PinDoubtful { .. }));
    });
}

#[test]
fn a_token_that_goes_away_is_missed_and_asked_for() {
    with_softhsm(
        "a_token_that_goes_away_is_missed_and_asked_for",
        |directory| {
            initialise(directory, "H49");
            let key = made(directory, KeyKind::EcdsaP256).unwrap();
            key.sign(b"before").unwrap();
            std::fs::rename(directory.join("tokens"), directory.join("away")).unwrap();
            std::fs::create_dir(directory.join("tokens")).unwrap();
            for _ in 0..2 {
                let SealError::Keeper(fault) = key.sign(b"away").unwrap_err() else {
                    panic!("another fault");
                };
                let text = fault.to_string();
                assert!(
                    text.contains("\"H49\"") && text.contains("plug it in"),
                    "{text}"
                );
            }
        },
    );
}

/// SoftHSM sees what comes back only when it is started anew; both tokens go on after that,
/// without a person, and also the one that was never away.
#[test]
fn a_token_that_comes_back_signs_again() {
    with_softhsm("a_token_that_comes_back_signs_again", |directory| {
        for label in ["H49", "H50"] {
            initialise(directory, label);
        }
        let ring = Keyring::default();
        let key = |label: &str| {
            let path = directory.join(format!("{label}.key"));
            ring.make_in_token(&path, &place(directory, label, PIN), KeyKind::EcdsaP256)
                .unwrap()
        };
        let (stays, goes) = (key("H49"), key("H50"));
        let folders: Vec<PathBuf> = std::fs::read_dir(directory.join("tokens"))
            .unwrap()
            .map(|entry| entry.unwrap().path())
            .collect();
        for key in [&stays, &goes] {
            key.ready().unwrap();
        }
        let away: Vec<PathBuf> = folders
            .iter()
            .map(|folder| directory.join(folder.file_name().unwrap()))
            .collect();
        for (from, to) in folders.iter().zip(&away) {
            std::fs::rename(from, to).unwrap();
        }
        for key in [&stays, &goes] {
            let fault = key.ready().unwrap_err();
            assert!(fault.is_keepers() && fault.to_string().contains("plug it in"));
        }
        for (from, to) in folders.iter().zip(&away) {
            std::fs::rename(to, from).unwrap();
        }
        for key in [&goes, &stays] {
            comes_back(&**key);
            key.sign(b"back").unwrap();
        }
        // Now one alone, while the other works.
        for (from, to) in folders.iter().zip(&away) {
            let is_it = std::fs::read(from.join("token.object")).unwrap();
            if is_it.windows(3).any(|part| part == b"H50") {
                std::fs::rename(from, to).unwrap();
            }
        }
        goes.sign(b"away").unwrap_err();
        stays.sign(b"stays").unwrap();
        for (from, to) in folders.iter().zip(&away) {
            if to.exists() {
                std::fs::rename(to, from).unwrap();
            }
        }
        comes_back(&*goes);
        for key in [&stays, &goes] {
            key.sign(b"after").unwrap();
        }
    });
}

/// Waits for a key, for longer than a module is left alone at first.
fn comes_back(key: &dyn SealSigner) {
    let (_nobody, pause) = std::sync::mpsc::channel::<()>();
    let is_back = (0..300).any(|_| {
        let Err(fault) = key.ready() else { return true };
        assert!(fault.is_keepers(), "{fault}");
        let _passed = pause.recv_timeout(std::time::Duration::from_millis(100));
        false
    });
    assert!(is_back, "it did not come back");
}

/// What an agency brings on its token: a key of an id, and a certificate's public half.
#[test]
fn a_key_that_is_there_is_found_by_its_id_and_asked_for_when_it_signs() {
    with_softhsm(
        "a_key_that_is_there_is_found_by_its_id_and_asked_for_when_it_signs",
        |directory| {
            initialise(directory, "H49");
            for id in ["01af", "02"] {
                let made = "genpkey -algorithm EC -pkeyopt ec_paramgen_curve:P-256 -out key.pem";
                let words: Vec<&str> = made.split_whitespace().collect();
                let (done, said) = run("openssl", directory, &words);
                assert!(done, "{said}");
                let import =
                    format!("--import key.pem --label seal --id {id} --token H49 --pin {PIN}");
                let words: Vec<&str> = import.split_whitespace().collect();
                let (done, said) = run("softhsm2-util", directory, &words);
                assert!(done, "{said}");
            }
            let mut place = place(directory, "H49", PIN);
            words(opened(&place), &["several keys \"seal\""]);
            place.key = Some(KeyName::Id(vec![0x01, 0xaf]));
            let key = opened(&place).unwrap();
            key.sign(b"message").unwrap();
            let public = key.public_key_der().to_vec();

            // The next one knows the certificate's key alone.
            std::fs::write(directory.join("seal.toml"), place.to_text()).unwrap();
            let path = directory.join("seal.key");
            let ring = Keyring::default();
            let known = ring.known_signer(&path, &public).unwrap();
            assert_eq!(known.public_key_der(), public);
            assert!(known.keeper().unwrap().contains("\"H49\""));
            known.ready().unwrap();
            known.sign(b"message").unwrap();

            place.key = Some(KeyName::Id(vec![0x02]));
            std::fs::write(directory.join("seal.toml"), place.to_text()).unwrap();
            let other = ring.known_signer(&path, &public).unwrap();
            let text = other.sign(b"message").unwrap_err().to_string();
            assert!(
                text.contains("of id 02") && text.contains("another"),
                "{text}"
            );
        },
    );
}

/// A token as smart cards are: a private key and its certificate, and first without that.
#[test]
fn a_key_without_its_public_half_is_not_made_a_second_time() {
    with_softhsm(
        "a_key_without_its_public_half_is_not_made_a_second_time",
        |directory| {
            initialise(directory, "H49");
            for (label, id) in [("seal", None), ("card", Some(vec![7]))] {
                let mut place = place(directory, "H49", PIN);
                if let Some(id) = &id {
                    place.key = Some(KeyName::Id(id.clone()));
                }
                let path = directory.join(format!("{label}.key"));
                let token = Arc::new(Token::new(&place));
                let key = TokenKey::make(token, &place, KeyKind::EcdsaP256).unwrap();
                let before = objects(ObjectClass::PRIVATE_KEY).len();
                in_session(|session| {
                    for half in objects(ObjectClass::PUBLIC_KEY) {
                        session.destroy_object(half).unwrap();
                    }
                });
                let make = || {
                    let ring = Keyring::default();
                    ring.make_in_token(&path, &place, KeyKind::EcdsaP256)
                };
                let Err(KeyringError::Token(fault)) = make() else {
                    panic!("made again");
                };
                words(Err::<(), _>(fault), &["without its public half", "same id"]);
                assert!(!path.with_extension("toml").exists());

                let public = key.public_key_der().to_vec();
                let authority =
                    CertificateAuthority::create_root(Arc::new(key), &name("Card"), validity(1));
                let der = authority.unwrap().certificate_der().to_vec();
                in_session(|session| {
                    let named = match &id {
                        Some(id) => Attribute::Id(id.clone()),
                        None => Attribute::Label(label.as_bytes().to_vec()),
                    };
                    let certificate = [
                        Attribute::Class(ObjectClass::CERTIFICATE),
                        Attribute::CertificateType(CertificateType::X_509),
                        Attribute::Token(true),
                        Attribute::Private(false),
                        Attribute::Subject(vec![0x30, 0]),
                        Attribute::Value(der),
                        named,
                    ];
                    session.create_object(&certificate).unwrap();
                });
                let found = make().unwrap();
                assert_eq!(found.public_key_der(), public);
                found.sign(b"message").unwrap();
                assert_eq!(objects(ObjectClass::PRIVATE_KEY).len(), before);
            }
        },
    );
}

/// What tokens say to a wrong PIN is up to their drivers; whatever it is, they are asked once.
#[test]
fn a_token_that_fails_at_the_pin_is_not_given_it_again() {
    with_softhsm(
        "a_token_that_fails_at_the_pin_is_not_given_it_again",
        |directory| {
            initialise(directory, "H49");
            made(directory, KeyKind::EcdsaP256).unwrap();
            let place = faulty(directory);
            let logins = || std::fs::read(directory.join("logins")).map_or(0, |calls| calls.len());
            // GENERAL_ERROR, FUNCTION_FAILED, DEVICE_ERROR, PIN_EXPIRED, PIN_LOCKED and a maker's own.
            for value in [0x5_u32, 0x6, 0x30, 0xa3, 0xa4, 0x8000_0001] {
                std::fs::write(directory.join("login"), value.to_string()).unwrap();
                let token = Arc::new(Token::new(&place));
                let before = logins();
                for _ in 0..3 {
                    let fault = TokenKey::open(Arc::clone(&token), &place).unwrap_err();
                    assert!(!fault.is_gone(), "{value:#x}: {fault}");
                    let text = fault.to_string();
                    assert!(text.contains("PIN"), "{text}");
                }
                assert_eq!(logins() - before, 1, "{value:#x}");
            }
            // DEVICE_REMOVED, SESSION_HANDLE_INVALID and TOKEN_NOT_PRESENT: it was not there.
            for value in [0x32_u32, 0xb3, 0xe0] {
                std::fs::write(directory.join("login"), value.to_string()).unwrap();
                let token = Arc::new(Token::new(&place));
                let fault = TokenKey::open(Arc::clone(&token), &place).unwrap_err();
                assert!(fault.is_gone(), "{value:#x}: {fault}");
                std::fs::remove_file(directory.join("login")).unwrap();
                TokenKey::open(token, &place).unwrap();
            }
        },
    );
}

/// A module that fails when it is started anew is started before its next use.
#[test]
fn a_module_that_would_not_start_or_end_is_started_later() {
    with_softhsm(
        "a_module_that_would_not_start_or_end_is_started_later",
        |directory| {
            initialise(directory, "H49");
            made(directory, KeyKind::EcdsaP256).unwrap();
            let place = faulty(directory);
            let key = opened(&place).unwrap();
            let (tokens, away) = (directory.join("tokens"), directory.join("away"));
            for fault in ["deaf", "stays"] {
                std::fs::rename(&tokens, &away).unwrap();
                std::fs::create_dir(&tokens).unwrap();
                std::fs::write(directory.join(fault), "").unwrap();
                for _ in 0..3 {
                    key.ready().unwrap_err();
                }
                std::fs::remove_dir(&tokens).unwrap();
                std::fs::rename(&away, &tokens).unwrap();
                std::fs::remove_file(directory.join(fault)).unwrap();
                comes_back(&key);
                key.sign(b"back").unwrap();
            }
        },
    );
}

#[test]
fn nobody_is_asked_once_a_service_runs() {
    with_softhsm("nobody_is_asked_once_a_service_runs", |directory| {
        initialise(directory, "H49");
        made(directory, KeyKind::EcdsaP256).unwrap();
        let mut place = place(directory, "H49", PIN);
        place.pin = SecretSource::Prompt;
        let token = Arc::new(Token::new(&place));
        token.leave_alone();
        let fault = words(
            TokenKey::open(token, &place),
            &["asked for at the start alone"],
        );
        assert!(fault.code().is_retryable());
    });
}

/// SoftHSM never locks itself, so its memory of the token's state is changed.
#[test]
fn a_locked_token_is_not_tried() {
    with_softhsm("a_locked_token_is_not_tried", |directory| {
        initialise(directory, "H49");
        made(directory, KeyKind::EcdsaP256).unwrap();
        lock(&directory.join("tokens"));
        let place = place(directory, "H49", PIN).to_text();
        std::fs::write(directory.join("seal.toml"), place).unwrap();
        // SoftHSM reads the state when it starts.
        let again = std::env::current_exe().unwrap();
        let said = Command::new(again)
            .args(["says_what_a_locked_token_says", "--exact", "--nocapture"])
            .output()
            .unwrap();
        let stderr = String::from_utf8_lossy(&said.stderr);
        let stdout = String::from_utf8_lossy(&said.stdout);
        assert!(
            said.status.success() && stdout.contains(LOCKED),
            "{stdout}\n{stderr}"
        );
    });
}

#[test]
fn says_what_a_locked_token_says() {
    let Some(directory) = std::env::var_os(MARK) else {
        return; // A part of the test before.
    };
    let opened = Keyring::default().signer(&Path::new(&directory).join("seal.key"));
    let Err(KeyringError::Token(fault)) = opened else {
        panic!("{opened:?}");
    };
    words(Err::<(), _>(fault), &["locked", "SO PIN"]);
    writeln!(std::io::stdout(), "{LOCKED}").unwrap();
}
