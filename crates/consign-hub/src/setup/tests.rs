//! A hub comes to a network, and to no other.

use consign_authority::{IssueOptions, Lives, PublishOptions};
use consign_domain::Timestamp;
use tempfile::TempDir;

use super::*;

struct Place(TempDir);

impl Place {
    fn new() -> Self {
        let place = Self(TempDir::new().unwrap());
        let name = "Tỉnh Quảng Ninh";
        consign_authority::init(&place.path("authority"), name, Lives::default(), now()).unwrap();
        place
    }

    fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    fn bundle(&self, authority: &str, hub: &str) -> Vec<u8> {
        let request = std::fs::read(self.path(hub).join(REQUEST)).unwrap();
        let options = IssueOptions::default();
        consign_authority::issue(&self.path(authority), &request, &options, now())
            .unwrap()
            .to_bytes()
    }
}

fn now() -> Timestamp {
    Timestamp::from_unix(crate::testing::NOW).unwrap()
}

#[test]
fn init_may_be_repeated_and_keeps_what_is_there() {
    let place = Place::new();
    let hub = place.path("hub");
    let request = init(&hub, "127.0.0.1:7001", "hub-1").unwrap();
    let bytes = std::fs::read(&request).unwrap();
    std::fs::write(hub.join(CONFIG), "listen = \"127.0.0.1:9\"").unwrap();
    assert_eq!(init(&hub, "127.0.0.1:7001", "hub-1").unwrap(), request);
    assert_eq!(std::fs::read(&request).unwrap(), bytes);
    // As after a crash before the request was written: the keys stay.
    let key = std::fs::read(hub.join("keys").join(TLS_KEY)).unwrap();
    std::fs::remove_file(&request).unwrap();
    init(&hub, "127.0.0.1:7001", "hub-1").unwrap();
    assert_eq!(std::fs::read(hub.join("keys").join(TLS_KEY)).unwrap(), key);
    let config = Config::load(&hub.join(CONFIG)).unwrap();
    assert_eq!(config.listen.port(), 9, "edited by hand, and kept");
    assert!(matches!(
        init(&hub, "127.0.0.1:7002", "hub-1"),
        Err(SetupError::AlreadyThere { .. })
    ));
}

#[test]
fn a_time_stamp_key_is_of_the_kind_named_and_gives_way_only_when_put_aside() {
    let place = Place::new();
    let hub = place.path("hub");
    let of = |kind| NewKeys {
        time_stamp: Some(kind),
        ..NewKeys::default()
    };
    let make = |kind| init_with(&hub, "127.0.0.1:7001", "hub-1", &of(kind));
    let path = hub.join("keys").join(TIME_STAMP_KEY);
    let is_of = |kind: KeyKind| {
        let key = Keyring::default().signer(&path).unwrap();
        kind.is_of(key.public_key_der())
    };
    make(KeyKind::EcdsaP256).unwrap();
    assert!(is_of(KeyKind::EcdsaP256));
    install(&hub, &place.bundle("authority", "hub")).unwrap();
    let refused = make(KeyKind::Rsa2048);
    assert!(matches!(refused, Err(SetupError::OtherKind { .. })));
    // As the advice says.
    std::fs::rename(&path, path.with_extension("key.old")).unwrap();
    let request = std::fs::read(make(KeyKind::Rsa2048).unwrap()).unwrap();
    assert!(is_of(KeyKind::Rsa2048));
    let replace = IssueOptions {
        replace: true,
        ..IssueOptions::default()
    };
    let authority = place.path("authority");
    let bundle = consign_authority::issue(&authority, &request, &replace, now()).unwrap();
    install(&hub, &bundle.to_bytes()).unwrap();
    // Whoever names no kind keeps what is there.
    init(&hub, "127.0.0.1:7001", "hub-1").unwrap();
    assert!(is_of(KeyKind::Rsa2048));
    assert_eq!(std::fs::read(hub.join(REQUEST)).unwrap(), request);
}

#[test]
fn a_certificate_is_asked_for_the_time_stamp_key_that_is_here() {
    let place = Place::new();
    let hub = place.path("hub");
    let make = || {
        init(&hub, "127.0.0.1:7001", "hub-1").unwrap();
        read_request(&hub).unwrap().unwrap()
    };
    let (first, keys) = (make(), hub.join("keys"));
    install(&hub, &place.bundle("authority", "hub")).unwrap();
    let (key, aside) = (keys.join(TIME_STAMP_KEY), keys.join("time-stamp.key.old"));
    std::fs::rename(&key, &aside).unwrap();
    let second = make();
    assert_ne!(second.time_stamp, first.time_stamp);
    // As after a crash between the new key and the request for it.
    std::fs::write(hub.join(REQUEST), Request::Hub(first.clone()).to_bytes()).unwrap();
    let loaded = |keys: &Path| TimeStampKey::load(keys, &Keyring::default()).unwrap();
    assert!(
        loaded(&keys).is_none(),
        "the certificate is the other key's: no time-stamps, and no fault"
    );
    let asked = make();
    assert!(is_for(&asked, &key));
    assert_eq!(make(), asked, "and is asked once");
    // The old key is brought back.
    std::fs::rename(&aside, &key).unwrap();
    assert!(is_for(&make(), &key));
    install(&hub, &place.bundle("authority", "hub")).unwrap();
    assert!(loaded(&keys).is_some());
}

fn is_for(request: &HubRequest, key: &Path) -> bool {
    let asked = STANDARD.decode(request.time_stamp.as_ref().unwrap());
    let key = Keyring::default().signer(key).unwrap();
    verify_request(&asked.unwrap()).unwrap() == key.public_key_der()
}

#[test]
fn addresses_and_names_are_checked() {
    let place = Place::new();
    for (address, listen) in [
        ("127.0.0.1:7001", "127.0.0.1:7001"),
        ("[::1]:7001", "[::1]:7001"),
        ("localhost:7001", "127.0.0.1:7001"),
        ("hub.example.vn:7001", "0.0.0.0:7001"),
    ] {
        assert_eq!(listen_on(address).unwrap(), listen.parse().unwrap());
    }
    for address in ["", "hub", "hub:", ":1", "hub:99999", "a b:1", "hub\n:1"] {
        let made = init(&place.path("hub"), address, "hub-1");
        assert!(
            matches!(made, Err(SetupError::Address { .. })),
            "{address:?}"
        );
    }
    for name in ["", "Hub", "H49", "1hub", "hub one"] {
        let made = init(&place.path("hub"), "127.0.0.1:1", name);
        assert!(matches!(made, Err(SetupError::Name { .. })), "{name:?}");
    }
    assert!(!place.path("hub").exists(), "nothing was made");
}

#[test]
fn install_takes_the_answer_to_its_own_request_only() {
    let place = Place::new();
    let (hub, other) = (place.path("hub"), place.path("other"));
    assert!(matches!(
        install(&hub, b"{}"),
        Err(SetupError::NotThere { .. })
    ));
    init(&hub, "127.0.0.1:7001", "hub-1").unwrap();
    init(&other, "127.0.0.1:7002", "hub-2").unwrap();
    let bundle = place.bundle("authority", "hub");
    assert!(matches!(
        install(&other, &bundle),
        Err(SetupError::OtherBundle { .. })
    ));
    assert!(matches!(
        install(&hub, b"not a bundle"),
        Err(SetupError::Enrolment { .. })
    ));
    // Another key than the certificate's.
    let key = hub.join("keys").join(TLS_KEY);
    let own = std::fs::read(&key).unwrap();
    let strange = std::fs::read(other.join("keys").join(TLS_KEY)).unwrap();
    files::write_private(&key, &strange).unwrap();
    assert!(matches!(
        install(&hub, &bundle),
        Err(SetupError::Certificate { .. })
    ));
    assert!(!hub.join("trust").exists(), "nothing was changed");
    files::write_private(&key, &own).unwrap();
    let installed = install(&hub, &bundle).unwrap();
    assert_eq!(installed.network, "Tỉnh Quảng Ninh");
    assert!(!installed.listed);
    assert_eq!(install(&hub, &bundle).unwrap(), installed);
}

#[test]
fn install_brings_the_directory_and_says_whether_it_lists_the_hub() {
    let place = Place::new();
    let hub = place.path("hub");
    init(&hub, "127.0.0.1:7001", "hub-1").unwrap();
    place.bundle("authority", "hub");
    let options = PublishOptions::default();
    consign_authority::publish(&place.path("authority"), options, now()).unwrap();
    let bundle = place.bundle("authority", "hub");
    let installed = install(&hub, &bundle).unwrap();
    assert_eq!(installed.directory, Some(DirectoryVersion::FIRST));
    assert!(installed.listed);
    assert!(hub.join("trust/directory/000000000001/head.json").is_file());
    let text = String::from_utf8(bundle).unwrap();
    let forged = text.replace("hub-1", "hub-9");
    assert!(matches!(
        install(&hub, forged.as_bytes()),
        Err(SetupError::Directory { .. })
    ));
    assert_eq!(install(&hub, text.as_bytes()).unwrap(), installed);
}

#[test]
fn a_hub_stays_in_its_network() {
    let place = Place::new();
    let hub = place.path("hub");
    init(&hub, "127.0.0.1:7001", "hub-1").unwrap();
    install(&hub, &place.bundle("authority", "hub")).unwrap();
    let name = "Another network";
    consign_authority::init(&place.path("foreign"), name, Lives::default(), now()).unwrap();
    let foreign = place.bundle("foreign", "hub");
    assert!(matches!(
        install(&hub, &foreign),
        Err(SetupError::OtherNetwork { .. })
    ));
}

#[test]
fn a_hub_made_before_time_stamps_asks_for_them_when_it_is_made_again() {
    let place = Place::new();
    let hub = place.path("hub");
    let path = init(&hub, "127.0.0.1:7001", "hub-1").unwrap();
    let whole = std::fs::read(&path).unwrap();
    let Ok(Request::Hub(mut old)) = Request::parse(&whole) else {
        panic!("a hub's request");
    };
    old.time_stamp = None;
    std::fs::write(&path, Request::Hub(old.clone()).to_bytes()).unwrap();
    std::fs::remove_file(hub.join("keys").join(TIME_STAMP_KEY)).unwrap();
    install(&hub, &place.bundle("authority", "hub")).unwrap();
    let certificate = hub.join("keys").join(TIME_STAMP_CERTIFICATE);
    assert!(!certificate.exists(), "not asked for");
    init(&hub, "127.0.0.1:7001", "hub-1").unwrap();
    let asked = read_request(&hub).unwrap().unwrap();
    assert!(asked.time_stamp.is_some());
    assert_eq!((asked.id, &asked.tls), (old.id, &old.tls));
    install(&hub, &place.bundle("authority", "hub")).unwrap();
    let installed = std::fs::read(&certificate).unwrap();
    // Asked again it is the same one; another key is not taken silently.
    install(&hub, &place.bundle("authority", "hub")).unwrap();
    assert_eq!(std::fs::read(&certificate).unwrap(), installed);
    files::write_private(
        &hub.join("keys").join(TIME_STAMP_KEY),
        &std::fs::read(hub.join("keys").join(TLS_KEY)).unwrap(),
    )
    .unwrap();
    let bundle = place.bundle("authority", "hub");
    assert!(matches!(
        install(&hub, &bundle),
        Err(SetupError::Key { .. })
    ));
}
