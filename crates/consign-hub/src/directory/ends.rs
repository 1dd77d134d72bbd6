//! The end of the directory's head, told in time: when it comes, everybody stops at one moment.

use std::sync::Arc;
use std::time::Duration;

use consign_domain::Timestamp;
use consign_enrol::{HeadReminder, HeadWarning};
use consign_runtime::clock::Clock;
use consign_runtime::shutdown::Shutdown;
use consign_verify::Directory;

use super::Directories;

/// How often it is looked.
const LOOK: Duration = Duration::from_secs(600);

/// Tells every day, from when half of its life is over, that the head in force ends, until the hub
/// stops.
pub(crate) async fn watch_end(directories: Arc<Directories>, clock: Clock, shutdown: Shutdown) {
    let mut reminder = HeadReminder::default();
    let mut looks = tokio::time::interval(LOOK);
    loop {
        tokio::select! {
            _ = looks.tick() => {}
            () = shutdown.wait() => return,
        }
        let now = Timestamp::from_unix_saturating(clock.now());
        if let Some((warning, fix)) = look(&mut reminder, &directories, now) {
            warning.log(&fix);
        }
    }
}

/// What is to be told now, and what to do about it.
fn look(
    reminder: &mut HeadReminder,
    directories: &Directories,
    now: Timestamp,
) -> Option<(HeadWarning, String)> {
    let current = directories.current();
    let warning = reminder.look(current.head(), now)?;
    Some((warning, fix(directories, &current)))
}

fn fix(directories: &Directories, current: &Directory) -> String {
    match current.authority() {
        Some(authority) => format!(
            "look whether consign authority serve runs, and whether this hub reaches {}",
            authority.address
        ),
        None => format!(
            "have the authority run: consign authority publish, and bring what that leaves in \
             trust/directory to {}",
            directories.place.display()
        ),
    }
}

#[cfg(test)]
mod tests {
    use consign_runtime::testing::CaughtLog;

    use super::*;
    use crate::testing::World;

    const DAY: i64 = 86_400;

    #[test]
    fn it_is_told_daily_and_not_at_every_look_until_there_is_another() {
        let world = World::new();
        let place = &world.config.directory;
        let directories = Directories::open(place, world.trust.clone(), None).unwrap();
        let (mut reminder, mut told) = (HeadReminder::default(), Vec::new());
        // Every six hours of 20 days, of the head's 30.
        for _ in 0..80 {
            told.extend(look(&mut reminder, &directories, world.now()));
            assert!(world.clock.advance(DAY / 4));
        }
        assert_eq!(told.len(), 5, "{told:?}");
        let (_, fix) = told.first().unwrap();
        assert!(fix.contains("consign authority publish"), "{fix}");

        world.publish(|_| {});
        assert!(directories.poll().unwrap());
        assert_eq!(look(&mut reminder, &directories, world.now()), None);
    }

    #[tokio::test]
    async fn a_running_hub_says_it_in_its_log() {
        let world = World::new();
        assert!(world.clock.advance(28 * DAY));
        let (log, _guard) = CaughtLog::start();
        let hub = world.start(world.memory_store()).await;
        let found = log.wait_for("the directory ends within days").await;
        assert!(
            found.contains("ERROR") && found.contains("days_left=2"),
            "{found}"
        );
        hub.stop().await.unwrap();
    }
}
