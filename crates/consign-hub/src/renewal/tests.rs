//! A hub's certificate in the course of its year: renewed once, lost on the way, put by, shown at
//! the end, and found at a start that comes too late.

use std::fs;

use consign_authority::service::{AuthorityService, ServeOptions};
use consign_authority::{Founding, Lives};
use consign_pki::certificate::{self, CertificateDetails};
use consign_pki::seal::KeyKind;
use consign_runtime::shutdown::Shutdown;
use tokio::task::JoinHandle;

use super::*;
use crate::NewKeys;
use crate::directory::Directories;
use crate::identity::{Keys, TimeStampKey};
use crate::testing::World;

const DAY: i64 = 86_400;

/// The authority's service, and a hub that is looked after.
struct Year {
    world: World,
    stop: Shutdown,
    service: JoinHandle<()>,
}

impl Year {
    async fn begin() -> Self {
        Self::of(World::new()).await
    }

    async fn of(world: World) -> Self {
        let options = ServeOptions {
            dir: world.authority(),
            listen: "127.0.0.1:0".parse().unwrap(),
            address: None,
            keyring: Arc::default(),
        };
        let service = AuthorityService::bind(options, world.clock.clone());
        let service = Box::pin(service).await.unwrap();
        let stop = Shutdown::new();
        let run = service.run(stop.clone());
        let service = tokio::spawn(async move { Box::pin(run).await.unwrap() });
        Self {
            world,
            stop,
            service,
        }
    }

    fn pass(&self, days: i64) {
        assert!(self.world.clock.advance(days * DAY));
    }

    fn file(&self, name: &str) -> PathBuf {
        self.world.config.keys.join(name)
    }

    fn newest(&self) -> Arc<Directory> {
        let place = &self.world.config.directory;
        let directories = Directories::open(place, self.world.trust.clone(), None);
        directories.unwrap().current()
    }

    /// As a hub has it that was started just now.
    fn renewal(&self) -> Renewal {
        let keys = Keys::load(&self.world.config.keys, &Keyring::default()).unwrap();
        let identity = keys.tls.clone();
        let signer = HubSigner::new(keys, &self.newest(), self.world.now()).unwrap();
        let config = &self.world.config;
        let stamps = TimeStampKey::load(&config.keys, &Keyring::default()).unwrap();
        let stamping = Stamping::new(stamps, &config.limits, &self.world.clock);
        Renewal {
            identity,
            signer: Arc::new(signer),
            home: config.home.clone(),
            keys: config.keys.clone(),
            keyring: Arc::default(),
            stamping: Arc::new(stamping),
            rests_until: None,
        }
    }

    async fn look(&self, renewal: &mut Renewal) {
        let directory = self.newest();
        let authority = Authority::listed(&directory, &renewal.identity, &self.world.clock);
        let mut authority = authority.await.unwrap();
        let looked = renewal.look(
            &mut authority,
            &directory,
            &self.world.trust,
            self.world.now(),
        );
        looked.await.unwrap();
    }

    async fn end(self) {
        self.stop.trigger();
        self.service.await.unwrap();
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_certificate_is_renewed_once_and_asked_for_again_where_it_was_lost() {
    let year = Year::begin().await;
    let first = fs::read(year.file(TLS_CERTIFICATE)).unwrap();
    let mut renewal = year.renewal();
    year.look(&mut renewal).await;
    assert!(!year.file(NEXT).exists(), "it is new");
    year.pass(285);
    year.look(&mut renewal).await;
    let next = fs::read(year.file(NEXT)).unwrap();
    assert_ne!(next, first);
    assert_eq!(fs::read(year.file(TLS_CERTIFICATE)).unwrap(), first);
    let version = year.newest().version();
    fs::remove_file(year.file(NEXT)).unwrap();
    year.look(&mut year.renewal()).await;
    assert_eq!(fs::read(year.file(NEXT)).unwrap(), next, "the same again");
    let mut renewal = year.renewal();
    assert!(
        !renewal.is_due(&year.newest(), year.world.now()),
        "it is here"
    );
    assert_eq!(year.newest().version(), version);
    year.pass(50);
    year.look(&mut renewal).await;
    assert!(!year.file(NEXT).exists());
    assert_eq!(fs::read(year.file(TLS_CERTIFICATE)).unwrap(), next);
    year.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_hub_that_was_off_when_its_certificate_ended_starts_with_the_next_one() {
    let year = Year::begin().await;
    year.pass(285);
    year.look(&mut year.renewal()).await;
    let next = fs::read(year.file(NEXT)).unwrap();
    year.pass(90);
    year.world.publish(|_| {});
    let hub = year.world.start(year.world.memory_store()).await;
    assert_eq!(fs::read(year.file(TLS_CERTIFICATE)).unwrap(), next);
    assert!(!year.file(NEXT).exists());
    hub.stop().await.unwrap();
    year.end().await;
}

/// The hub stamps with the next certificate at once; the directory does not list it.
#[tokio::test(flavor = "multi_thread")]
async fn a_time_stamp_certificate_is_renewed_with_the_others() {
    let lives = Lives {
        seal_days: 30,
        head_days: 60,
        ..Lives::default()
    };
    let founding = Founding {
        name: "Tỉnh Quảng Ninh".to_owned(),
        lives,
        ..Founding::default()
    };
    let keys = NewKeys {
        time_stamp: Some(KeyKind::Rsa2048),
        ..NewKeys::default()
    };
    let year = Year::of(World::founded(&founding, &keys)).await;
    let mut renewal = year.renewal();
    let first = renewal.stamping.life().unwrap();
    year.pass(24);
    year.look(&mut renewal).await;
    let second = renewal.stamping.life().unwrap();
    assert!(second.until > first.until);
    assert!(!year.file(NEXT).exists(), "the other one is young");
    assert!(!renewal.is_due(&year.newest(), year.world.now()));
    // The next start has it too.
    let kept = year.renewal().stamping.life();
    assert_eq!(kept, Some(second));
    let chain = fs::read_to_string(year.file(TIME_STAMP_CERTIFICATE)).unwrap();
    let newest = certificate::read_bundle(&chain).unwrap().remove(0);
    let newest = CertificateDetails::from_der(&newest).unwrap();
    assert_eq!(newest.not_after, second.until.as_unix());
    assert!(KeyKind::Rsa2048.is_of(&newest.public_key_der));
    year.end().await;
}
