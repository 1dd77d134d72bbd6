//! Making a backup, also while the node runs.

use std::collections::BTreeMap;
use std::path::Path;

use consign_domain::Timestamp;
use consign_runtime::backup::{Format, Header, Progress, Source, Tally, Writer};

use super::entries::{self, Copying};
use super::{BackupFault, Place};
use crate::durable;
use crate::error::NodeError;
use crate::layout::AgencyHome;

/// The newest version of the directory is enough: older ones count for nothing.
const DIRECTORY: &str = "trust/directory";

/// A backup that was made.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Created {
    /// What was copied and kept.
    pub tally: Tally,
    /// Envelopes in it, sent and received.
    pub envelopes: u64,
}

/// Makes a backup of the node in `root`, or brings the one in `to` up to date. `now` is what
/// it is said to be of. Tells how many envelopes of how many are done.
///
/// # Errors
/// [`BackupFault`]; the backup before it then still holds.
pub fn create(
    root: &Path,
    to: &Path,
    with_keys: bool,
    now: Timestamp,
    progress: Progress<'_>,
) -> Result<Created, BackupFault> {
    let place = Place::open(root)?;
    let writer = Writer::begin(to, &place.subject, &[root])?;
    let mut copying = Copying::new(writer);
    let homes = match place.directory.agencies() {
        // Initialised and not yet installed.
        Err(NodeError::Missing { .. }) => Vec::new(),
        homes => homes?,
    };
    // The cursors before all that they count: see the module.
    for home in &homes {
        cursor(&mut copying, home)?;
    }
    let mut waiting = Vec::new();
    for home in &homes {
        for (name, directory) in [
            ("outbox", home.outbox_dir()),
            ("inbox", home.inbox_dir()),
            ("aside", home.aside_dir()),
        ] {
            let at = format!("{}/{name}", base(home));
            waiting.extend(entries::below(&directory, &at)?);
        }
    }
    let mut archived = Vec::new();
    for home in &homes {
        let at = format!("{}/archive", base(home));
        archived.extend(entries::archived(&home.archive_dir(), &at)?);
    }
    let all = (waiting.len() + archived.len()) as u64;
    let mut done = 0;
    for entry in &waiting {
        copying.changing(entry)?;
        done += 1;
        progress(done, all);
    }
    // Listed anew: some have come from outbox and inbox meanwhile.
    for home in &homes {
        let at = format!("{}/archive", base(home));
        for entry in entries::archived(&home.archive_dir(), &at)? {
            copying.settled(&entry)?;
            done += 1;
            progress(done.min(all), all);
        }
        copying.count_once(home, &base(home))?;
    }
    for home in &homes {
        copying.files(&agency_files(home, with_keys)?)?;
    }
    copying.files(&node_files(&place, with_keys)?)?;
    let envelopes = copying.envelopes();
    let header = Header {
        format: Format::V1,
        subject: place.subject,
        network: place.network,
        created: now.as_unix(),
        software: env!("CARGO_PKG_VERSION").to_owned(),
        keys: with_keys,
        facts: BTreeMap::from([("envelopes".to_owned(), envelopes.to_string())]),
    };
    let tally = copying.finish(&header)?;
    Ok(Created { tally, envelopes })
}

/// Where an agency is in the backup.
fn base(home: &AgencyHome) -> String {
    let name = home.path().file_name().unwrap_or_default();
    format!("agencies/{}", name.to_string_lossy())
}

fn cursor(copying: &mut Copying, home: &AgencyHome) -> Result<(), BackupFault> {
    let (path, base) = (home.cursor_file(), base(home));
    if let Some(size) = durable::size(&path)? {
        copying.files(&[Source {
            path: format!("{base}/cursor"),
            from: path.clone(),
            first: Some(size),
        }])?;
    }
    let skipped = path.with_extension("skipped");
    copying.files(&whole(&format!("{base}/cursor.skipped"), &skipped))
}

/// A file, if it is there.
fn whole(path: &str, from: &Path) -> Vec<Source> {
    let source = from.is_file().then(|| Source {
        path: path.to_owned(),
        from: from.to_owned(),
        first: None,
    });
    source.into_iter().collect()
}

fn below(path: &str, directory: &Path) -> Result<Vec<Source>, BackupFault> {
    let mut sources = Vec::new();
    for name in durable::names(directory)? {
        if !name.starts_with('.') {
            sources.extend(whole(&format!("{path}/{name}"), &directory.join(&name)));
        }
    }
    Ok(sources)
}

fn agency_files(home: &AgencyHome, with_keys: bool) -> Result<Vec<Source>, BackupFault> {
    let base = base(home);
    let mut sources = whole(
        &format!("{base}/agency.json"),
        &home.path().join("agency.json"),
    );
    let keys = below(&format!("{base}/keys"), &home.keys_dir())?;
    sources.extend(keys.into_iter().filter(|key| with_keys || is_public(key)));
    sources.extend(below(&format!("{base}/registers"), &home.registers_dir())?);
    Ok(sources)
}

fn node_files(place: &Place, with_keys: bool) -> Result<Vec<Source>, BackupFault> {
    let mut sources = Vec::new();
    for name in [Place::config_name(), "request.json", "resumed.json"] {
        sources.extend(whole(name, &place.file(name)));
    }
    let keys = below("keys", &place.file("keys"))?;
    sources.extend(keys.into_iter().filter(|key| with_keys || is_public(key)));
    sources.extend(below("trust", &place.directory.trust_dir())?);
    let versions = durable::names(&place.file(DIRECTORY))?;
    let is_version = |name: &&String| name.bytes().all(|byte| byte.is_ascii_digit());
    if let Some(newest) = versions.iter().rfind(is_version) {
        let path = format!("{DIRECTORY}/{newest}");
        sources.extend(below(&path, &place.file(&path))?);
    }
    Ok(sources)
}

/// Certificates, and where in which token a key is, are no secret; whatever else lies with the
/// keys is.
fn is_public(source: &Source) -> bool {
    source.path.ends_with(".pem") || source.path.ends_with(".toml")
}
