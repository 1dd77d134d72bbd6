//! A real hub, copied while it runs, damaged, and brought back.

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use consign_domain::statement::Event;
use consign_domain::{ErrorCode, Timestamp};
use consign_runtime::backup::BackupError;
use consign_store::Health;

use super::*;
use crate::config::Config;
use crate::storage::Storage;
use crate::testing::{Running, Sealed, World, send};
use crate::{bind_with, resume, standing};

struct Scene {
    world: World,
    place: tempfile::TempDir,
}

impl Scene {
    fn new() -> Self {
        let mut world = World::new();
        // On the disk as in the test: the port and where the authority publishes.
        let path = world.config.home.join(CONFIG);
        let text = fs::read_to_string(&path).unwrap();
        let text = text.replace("127.0.0.1:4433", "127.0.0.1:0").replace(
            "directory = \"trust/directory\"",
            &format!("directory = {:?}", world.config.directory),
        );
        fs::write(&path, text).unwrap();
        let limits = world.config.limits;
        world.config = Config::load(&path).unwrap();
        world.config.limits = limits;
        let place = tempfile::tempdir().unwrap();
        Self { world, place }
    }

    fn at(&self, name: &str) -> PathBuf {
        self.place.path().join(name)
    }

    async fn run(&self, home: &Path) -> Running {
        let mut config = Config::load(&home.join(CONFIG)).unwrap();
        config.limits.drain_seconds = 5;
        let open = |data: &Path, clock: &consign_runtime::clock::Clock| {
            Storage::open(data, clock, Arc::new(|_, _| {}))
        };
        let hub = bind_with(config, self.world.clock.clone(), open).await;
        Running::new(hub.unwrap())
    }

    async fn send(&self, hub: &Running, to: &[&str]) -> Result<Sealed, ErrorCode> {
        let sealed = self
            .world
            .letter("H49.01", to)
            .seal(self.world.agency("H49.01"));
        let mut node = self.world.connect(0, hub).await;
        let answer = send(&mut node, &sealed).await?;
        assert_eq!(answer.event, Event::SubmissionAcceptance);
        Ok(sealed)
    }

    fn back_up(&self, keys: bool) -> Created {
        let home = &self.world.config.home;
        let to = self.at("backup");
        create(home, &to, keys, self.world.now(), &mut |_, _| {}).unwrap()
    }

    fn check(&self) -> Verified {
        verify(&self.at("backup"), &mut |_, _| {}).unwrap()
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_hub_is_copied_while_it_runs_and_brought_back_behind() {
    let scene = Scene::new();
    let home = scene.world.config.home.clone();
    let hub = scene.run(&home).await;
    for _ in 0..3 {
        scene.send(&hub, &["H49.02", "H49.03"]).await.unwrap();
    }
    let made = scene.back_up(true);
    assert_eq!(made.accepted_until, Some(scene.world.now()));
    // Only what is new is copied.
    scene.send(&hub, &["H49.03"]).await.unwrap();
    let again = scene.back_up(true);
    assert!(again.end > made.end);
    assert!(again.tally.kept >= 8, "{again:?}");
    assert_eq!(again.tally.copied, 1, "the segment that is written to");
    scene.send(&hub, &["H49.03"]).await.unwrap();
    hub.stop().await.unwrap();
    let verified = scene.check();
    assert_eq!(verified.first_fault(), None);
    let report = verified.journal.as_ref().unwrap();
    assert_eq!((report.envelopes, report.end), (4, again.end));

    let target = scene.at("hub2");
    let restored = restore(
        &scene.at("backup"),
        &target,
        scene.world.now(),
        &mut |_, _| {},
    );
    let restored = restored.unwrap();
    assert_eq!(
        restored.changed, [""; 0],
        "the authority still publishes there"
    );
    assert!(restored.keys);
    let hub = scene.run(&target).await;
    assert!(hub.status.status().behind);
    assert_eq!(hub.status.status().store.health, Health::Good);
    let refused = scene.send(&hub, &["H49.03"]).await;
    assert_eq!(refused.err(), Some(ErrorCode::HubBehind));
    hub.stop().await.unwrap();

    // The operator decides: places begin anew, and decisions are kept.
    let mark = standing(&target).unwrap().unwrap();
    assert_eq!(mark.restored.unwrap().created, scene.world.now());
    let quiet = |_, _| {};
    let decision = resume(&target, None, scene.world.now(), quiet).unwrap();
    assert_eq!(
        (decision.number, decision.lost_after),
        (1, scene.world.now())
    );
    assert!(standing(&target).unwrap().is_none());
    assert!(matches!(
        resume(&target, None, scene.world.now(), quiet),
        Err(crate::ResumeError::NotBehind)
    ));
    let hub = scene.run(&target).await;
    let sealed = scene.send(&hub, &["H49.03"]).await.unwrap();
    hub.stop().await.unwrap();
    let files = consign_store::backup::segments(&target.join("data")).unwrap();
    let files: Vec<_> = files.into_iter().map(|it| (it.number, it.path)).collect();
    let report = consign_store::backup::inspect(&files, &|_| None, &mut |_, _| {}).unwrap();
    let agency = scene.world.agency("H49.03").id;
    assert_eq!(report.inboxes[&agency], 1_000_001, "{}", sealed.key());
}

#[tokio::test(flavor = "multi_thread")]
async fn secrets_stay_at_home_unless_they_are_asked_for() {
    let scene = Scene::new();
    let hub = scene.run(&scene.world.config.home).await;
    scene.send(&hub, &["H49.03"]).await.unwrap();
    hub.stop().await.unwrap();
    scene.back_up(false);
    let files = scene.at("backup").join("files");
    assert!(files.join("keys/tls.pem").exists());
    assert!(!files.join("keys/tls.key").exists());
    let target = scene.at("hub2");
    let restored = restore(
        &scene.at("backup"),
        &target,
        scene.world.now(),
        &mut |_, _| {},
    );
    assert!(!restored.unwrap().keys);
    assert!(!target.join("keys/statement.key").exists());
    scene.back_up(true);
    assert!(files.join("keys/statement.key").exists());
    // Not asked for any more, they go.
    scene.back_up(false);
    assert!(!files.join("keys/statement.key").exists());
}

#[tokio::test(flavor = "multi_thread")]
async fn damage_is_told_and_not_restored() {
    let scene = Scene::new();
    let hub = scene.run(&scene.world.config.home).await;
    for _ in 0..3 {
        scene.send(&hub, &["H49.03"]).await.unwrap();
    }
    hub.stop().await.unwrap();
    scene.back_up(true);
    assert_eq!(scene.check().first_fault(), None);
    let journal = scene.at("backup").join("files/data/journal");
    let segment = fs::read_dir(&journal)
        .unwrap()
        .next()
        .unwrap()
        .unwrap()
        .path();
    let whole = fs::read(&segment).unwrap();
    let mut spoilt = whole.clone();
    spoilt[whole.len() / 2] ^= 1;
    fs::write(&segment, spoilt).unwrap();
    let verified = scene.check();
    assert!(verified.first_fault().unwrap().contains("journal"));
    assert!(verified.journal.is_err(), "its frames' sums say so too");
    let target = scene.at("hub2");
    let restored = restore(
        &scene.at("backup"),
        &target,
        scene.world.now(),
        &mut |_, _| {},
    );
    assert!(matches!(restored, Err(BackupFault::Damaged { .. })));
    assert!(!target.exists());
    fs::remove_file(&segment).unwrap();
    assert!(scene.check().first_fault().unwrap().contains("missing"));
    fs::write(&segment, whole).unwrap();
    assert_eq!(scene.check().first_fault(), None);
}

#[test]
fn what_cannot_be_meant_is_refused() {
    let scene = Scene::new();
    let home = &scene.world.config.home;
    let now = Timestamp::from_unix_saturating(7);
    let run = |home: &Path, to: &Path| create(home, to, false, now, &mut |_, _| {});
    let no_hub = run(scene.place.path(), &scene.at("backup"));
    assert!(matches!(no_hub, Err(BackupFault::NoHub { .. })));
    let inside = run(home, &home.join("data/backup"));
    let Err(BackupFault::Backup(BackupError::Inside { .. })) = inside else {
        panic!("{inside:?}");
    };
    // A hub that was never started has no journal, and a backup all the same.
    run(home, &scene.at("backup")).unwrap();
    assert_eq!(scene.check().first_fault(), None);
    let busy = restore(&scene.at("backup"), home, now, &mut |_, _| {});
    assert_eq!(busy.unwrap_err().code(), ErrorCode::Usage);
}

#[test]
fn settings_that_name_other_places_do_not_count_after_a_restore() {
    let text = "listen = \"127.0.0.1:1\"\ndata = \"/srv/data\"\ntrust = \"trust\"\n\
                directory = \"/nowhere/directory\"\n[limits]\nin_flight = 7\n";
    let home = Path::new("/tmp/restored");
    let (text, changed) = restore::at_home(text, home).unwrap();
    assert_eq!(changed, ["data", "directory"]);
    let config = Config::parse(&text, &home.join(CONFIG)).unwrap();
    assert_eq!(config.data, home.join("data"));
    assert_eq!(config.directory, home.join("trust/directory"));
    assert_eq!(config.limits.in_flight, 7);
}
