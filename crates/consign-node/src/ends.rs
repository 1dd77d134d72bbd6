//! What runs out, and who is told of it in time.
//!
//! The node's keys renew themselves ([`crate::renewal`]) and the authority renews the directory;
//! seals are renewed by people, who may have to find a token, a PIN and somebody at the authority.
//! So the log tells of a seal's end from 60 days before, and of the directory's when half of its
//! life is over: each at its steps, and not at every look.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use consign_domain::directory::EntryState;
use consign_domain::{AgencyCode, AgencyId, Digest, End, KeyId, Timestamp};
use consign_enrol::{HeadReminder, HeadWarning, Reminder, step_to};
use consign_runtime::shutdown::Shutdown;
use consign_verify::Directory;
use tracing::{error, warn};

use crate::keys::AgencyKeys;
use crate::office::{Desk, Office};

/// How often it is looked.
const LOOK: Duration = Duration::from_secs(600);

/// When the keys of an agency end.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct KeyEnds {
    pub(crate) seal: Timestamp,
    /// `None` where the directory says no end.
    pub(crate) statement: Option<Timestamp>,
    pub(crate) encryption: Option<Timestamp>,
}

impl KeyEnds {
    /// By the certificate and a directory.
    pub(crate) fn of(keys: &AgencyKeys, directory: &Directory, now: Timestamp) -> Self {
        let agency = directory.agency(keys.id);
        let certificate = Digest::of(&keys.certificate);
        let mut seals = agency.into_iter().flat_map(|agency| &agency.seals);
        let seal = seals.find(|seal| seal.certificate == certificate);
        let listed = seal.and_then(|seal| seal.validity.until);
        let statement = KeyId::from_bytes(keys.statement.public().key_id());
        let statement = directory.key(keys.id.into(), statement);
        let encryption = agency.and_then(|agency| agency.encryption_key_at(now));
        Self {
            seal: listed.map_or(keys.certificate_ends, |end| end.min(keys.certificate_ends)),
            statement: statement.and_then(|key| key.entry.validity.until),
            encryption: encryption.and_then(|key| key.validity.until),
        }
    }
}

/// Tells of what runs out until the node stops.
pub(crate) async fn watch(office: Arc<Office>, shutdown: Shutdown) {
    let mut looks = tokio::time::interval(LOOK);
    let mut reminders = Reminders::default();
    loop {
        tokio::select! {
            () = shutdown.wait() => return,
            _ = looks.tick() => {}
        }
        for seal in reminders.seals(&office) {
            seal.log(&office);
        }
        if let Some(head) = reminders.head(&office) {
            head.log(head_fix(&office.keeper.newest()));
        }
    }
}

/// What was told last.
#[derive(Debug, Default)]
struct Reminders {
    head: HeadReminder,
    seals: HashMap<AgencyId, Reminder>,
}

impl Reminders {
    /// What is to be told now of the directory.
    fn head(&mut self, office: &Office) -> Option<HeadWarning> {
        self.head.look(office.keeper.newest().head(), office.now())
    }

    /// Of which agencies' seals it is to be told now that they end.
    fn seals(&mut self, office: &Office) -> Vec<SealWarning> {
        let (directory, now) = (office.keeper.newest(), office.now());
        let warning = |desk: &Arc<Desk>| {
            let keys = desk.keys.load();
            let end = End::new(KeyEnds::of(&keys, &directory, now).seal, now);
            // One that was closed seals nothing more, and one that was revoked needs other keys.
            let entry = directory.agency(desk.id());
            let seals = entry
                .is_none_or(|agency| agency.state != EntryState::Closed && !agency.is_revoked());
            let reminder = self.seals.entry(desk.id()).or_default();
            let told = reminder.is_due(step_to(end).filter(|_| seals));
            told.then(|| SealWarning {
                agency: keys.code(&directory, now),
                end,
            })
        };
        office.desks().iter().filter_map(warning).collect()
    }
}

/// That an agency's seal ends.
#[derive(Debug, PartialEq, Eq)]
struct SealWarning {
    agency: AgencyCode,
    end: End,
}

impl SealWarning {
    fn log(&self, office: &Office) {
        let Self { agency, end } = self;
        let (ends, days_left) = (end.at, end.days_left);
        let fix = self.fix(office);
        if days_left < 0 {
            error!(%agency, %ends, fix, "the seal's certificate has ended: nothing can be sent");
        } else {
            warn!(
                %agency, %ends, days_left, fix,
                "the seal's certificate ends, and does not renew itself: nothing can be sent then"
            );
        }
    }

    /// How the agency gets another certificate for its seal key.
    fn fix(&self, office: &Office) -> String {
        let (agency, node) = (&self.agency, office.directory.root().display());
        match office.keeper.newest().authority() {
            Some(authority) => format!(
                "have the authority run: consign authority invite {agency}; then, with the node \
                 stopped: consign node enrol {node} --authority {} --token TOKEN. The key stays",
                authority.address
            ),
            None => format!(
                "have the authority run: consign authority issue request.json --publish, with {}; \
                 then, with the node stopped: consign node install bundle.json --dir {node}. \
                 The key stays",
                office.directory.request_file().display()
            ),
        }
    }
}

/// What to do about a head that gets old.
fn head_fix(directory: &Directory) -> &'static str {
    if directory.authority().is_some() {
        "look whether consign authority serve runs, whether the hub reaches it, and by consign \
         status whether this node reaches the hub"
    } else {
        "have the authority run: consign authority publish, and bring the directory to the hub; or \
         have request.json issued again, and run, with the node stopped: consign node install \
         BUNDLE"
    }
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use consign_authority::{IssueOptions, PublishOptions, RevokeOptions};
    use consign_keys::Keyring;
    use consign_pki::path::revocation::RevocationReason;
    use consign_runtime::clock::Clock;
    use consign_runtime::testing::CaughtLog;

    use super::*;
    use crate::directory_files;
    use crate::testing::{NOW, Network};

    const DAY: u64 = 86_400;
    /// How long seals last.
    const SEAL: u64 = 1_095;

    fn at(day: u64) -> Timestamp {
        Timestamp::from_unix(NOW + day * DAY).unwrap()
    }

    /// What `told` says when it looks every six hours from one day to another, by days left.
    fn every_six_hours<T>(
        office: &Office,
        days: std::ops::Range<u64>,
        mut told: impl FnMut(&Office) -> Vec<T>,
    ) -> Vec<T> {
        let mut all = Vec::new();
        for look in days.start * 4..days.end * 4 {
            assert!(office.clock.set(NOW + look * DAY / 4));
            all.extend(told(office));
        }
        all
    }

    #[test]
    fn a_seals_end_is_told_at_each_step_and_not_at_every_look() {
        let network = Network::new();
        let (office, mut reminders) = (network.office(0), Reminders::default());
        let days = SEAL - 100..SEAL + 2;
        let told = every_six_hours(&office, days, |office| reminders.seals(office));
        let left: Vec<i64> = told.iter().map(|seal| seal.end.days_left).collect();
        assert_eq!(left, [59, 29, 13, 6, 0, -1, -2]);
        let seal = told.first().unwrap();
        assert_eq!(seal.agency.as_str(), "H49.13");
        assert_eq!(seal.end.at, at(SEAL));
    }

    #[test]
    fn what_the_warning_says_gives_the_seal_another_certificate() {
        let network = Network::new();
        let (node, authority) = (network.node(0), network.authority());
        let now = at(SEAL - 30);
        {
            let (office, mut reminders) = (network.office(0), Reminders::default());
            assert!(office.clock.set(now.as_unix()));
            let told = reminders.seals(&office);
            let fix = told.first().unwrap().fix(&office);
            assert!(
                fix.contains("consign authority issue request.json --publish"),
                "{fix}"
            );
            assert!(fix.contains("consign node install bundle.json"), "{fix}");
        }
        let request = std::fs::read(node.request_file()).unwrap();
        let options = IssueOptions::default();
        let issue = || consign_authority::issue(&authority, &request, &options, now).unwrap();
        issue();
        consign_authority::publish(&authority, PublishOptions::default(), now).unwrap();
        crate::keys::install(node, &issue().to_bytes()).unwrap();

        let (office, mut reminders) = (network.office(0), Reminders::default());
        assert!(office.clock.set(now.as_unix()));
        assert!(reminders.seals(&office).is_empty());
        let (keys, directory) = (office.desks()[0].keys.load(), office.keeper.newest());
        let ends = KeyEnds::of(&keys, &directory, now);
        assert_eq!(ends.seal, at(2 * SEAL - 30));
        assert_eq!(ends.statement, Some(at(365)), "nobody has renewed it here");
        assert_eq!(ends.encryption, None, "nor this: there is none now");
        let at_first = KeyEnds::of(&keys, &directory, at(0));
        assert_eq!(at_first.encryption, Some(at(365)));
    }

    #[test]
    fn of_a_seal_that_was_revoked_no_end_is_told() {
        let network = Network::new();
        let (authority, now) = (network.authority(), at(1));
        let options = RevokeOptions {
            reason: RevocationReason::Superseded,
            at: None,
            invalid_from: None,
        };
        let agency = "H49.13".parse().unwrap();
        consign_authority::revoke(&authority, &agency, options, now).unwrap();
        consign_authority::publish(&authority, PublishOptions::default(), now).unwrap();
        let published = authority.join("trust/directory");
        let newest = directory_files::newest(&published, &network.trust).unwrap();
        let here = network.node(0).trust_dir().join("directory");
        directory_files::publish(&here, &newest.unwrap()).unwrap();

        let (office, mut reminders) = (network.office(0), Reminders::default());
        assert!(office.clock.set(now.as_unix() + DAY));
        let (keys, directory) = (office.desks()[0].keys.load(), office.keeper.newest());
        assert_eq!(
            KeyEnds::of(&keys, &directory, now).seal,
            now,
            "it has ended"
        );
        assert_eq!(reminders.seals(&office), []);
    }

    #[test]
    fn the_end_of_the_directory_is_told_daily_from_half_of_its_life_on() {
        let network = Network::new();
        let (office, mut reminders) = (network.office(0), Reminders::default());
        let told = every_six_hours(&office, 0..32, |office| {
            reminders.head(office).into_iter().collect()
        });
        assert_eq!(told.len(), 17, "{told:?}");
    }

    async fn logged_by_a_node(directory: &Path, now: Timestamp, text: &str) -> String {
        let (log, _guard) = CaughtLog::start();
        let (clock, stop) = (Clock::fixed(now.as_unix()), Shutdown::new());
        let run = crate::run::run_with(directory, clock, Keyring::default(), stop.clone());
        let said = async {
            log.wait_for(text).await;
            stop.trigger();
        };
        let (ran, ()) = tokio::join!(run, said);
        ran.unwrap();
        log.text()
    }

    #[tokio::test]
    async fn a_running_node_says_both_in_its_log() {
        let network = Network::new();
        let root = network.node(0).root().to_owned();
        // Nothing for the log that all tests of this process share.
        std::fs::write(root.join("node.toml"), "[log]\nfilter = \"off\"\n").unwrap();
        let half = "half of the directory's life is over";
        let log = logged_by_a_node(&root, at(20), half).await;
        assert!(
            log.contains("WARN") && log.contains("consign authority publish"),
            "{log}"
        );
        let last = logged_by_a_node(&root, at(28), "the directory ends within days").await;
        assert!(last.contains("ERROR"), "{last}");
        let seal = logged_by_a_node(&root, at(SEAL - 5), "the seal's certificate ends").await;
        assert!(
            seal.contains("agency=H49.13") && seal.contains("days_left=5"),
            "{seal}"
        );
    }
}
