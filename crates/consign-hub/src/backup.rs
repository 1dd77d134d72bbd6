//! `hub backup create | verify | restore`.
//!
//! What is in a backup: segments of the journal, payload files, `hub.toml`, `request.json`,
//! the trust files, the directory in force, what was decided; secret keys only if asked for.
//! Not the index, which is made anew, nor uploads that nobody has submitted.
//!
//! The hub may run meanwhile. The order of copying makes the copy consistent: payload files,
//! then the journal, which is append-only, then the payload files that came in between. A
//! payload is there before the frame that names it, and goes only after a frame said so.

mod create;
mod error;
mod restore;
mod verify;

#[cfg(test)]
mod tests;

pub use consign_store::backup::JournalReport;
pub use create::{Created, create};
pub use error::BackupFault;
pub use restore::{Restored, restore};
pub use verify::{Verified, verify};

use std::path::{Path, PathBuf};

use consign_runtime::backup::{Source, Subject};
use consign_runtime::files;
use consign_verify::TrustStore;
use consign_verify::trust::MAX_TRUST;

use crate::behind::{DECISIONS, MARK};
use crate::config::Config;
use crate::directory;
use crate::identity::{
    STATEMENT_KEY, TIME_STAMP_CERTIFICATE, TIME_STAMP_KEY, TLS_CERTIFICATE, TLS_KEY,
};
use crate::setup;

/// The role in a backup.
const ROLE: &str = "hub";
const CONFIG: &str = "hub.toml";
/// Where the store's files are in a backup.
const DATA: &str = "data";

/// A hub's directory, to be backed up.
struct Place {
    config: Config,
    subject: Subject,
    network: String,
}

impl Place {
    fn open(home: &Path) -> Result<Self, BackupFault> {
        let path = home.join(CONFIG);
        if !path.is_file() {
            return Err(BackupFault::NoHub {
                path: home.to_owned(),
            });
        }
        let config = Config::load(&path)?;
        let request = setup::read_request(home)?.ok_or_else(|| BackupFault::NoHub {
            path: home.to_owned(),
        })?;
        let path = config.trust.join("trust.json");
        let bytes = files::read_bounded(&path, MAX_TRUST)?;
        let trust =
            TrustStore::parse(&bytes).map_err(|source| BackupFault::Trust { path, source })?;
        Ok(Self {
            subject: Subject {
                role: ROLE.to_owned(),
                id: request.id.to_string(),
            },
            network: trust.network().to_string(),
            config,
        })
    }

    /// The directories that a backup must not lie in.
    fn roots(&self) -> [&Path; 4] {
        let Config {
            home,
            data,
            trust,
            keys,
            ..
        } = &self.config;
        [home, data, trust, keys]
    }

    /// Configuration, trust, directory and decisions, as far as they are there.
    fn small_files(&self, with_keys: bool) -> Result<Vec<Source>, BackupFault> {
        let Config {
            home, trust, keys, ..
        } = &self.config;
        let mut found = Found::default();
        for name in [CONFIG, setup::REQUEST, MARK, DECISIONS] {
            found.add(name.to_owned(), home.join(name));
        }
        for name in ["trust.json", "trust.pem"] {
            found.add(format!("trust/{name}"), trust.join(name));
        }
        if let Some((name, place)) = directory::newest_place(&self.config.directory)? {
            for file in directory::FILES {
                found.add(format!("trust/directory/{name}/{file}"), place.join(file));
            }
        }
        let secret: &[&str] = if with_keys {
            &[TLS_KEY, STATEMENT_KEY, TIME_STAMP_KEY]
        } else {
            &[]
        };
        for name in [TLS_CERTIFICATE, TIME_STAMP_CERTIFICATE]
            .iter()
            .chain(secret)
        {
            found.add(format!("keys/{name}"), keys.join(name));
        }
        Ok(found.0)
    }
}

#[derive(Default)]
struct Found(Vec<Source>);

impl Found {
    fn add(&mut self, path: String, from: PathBuf) {
        if from.is_file() {
            let first = None;
            self.0.push(Source { path, from, first });
        }
    }
}
