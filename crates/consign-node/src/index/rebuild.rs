//! Building the index anew from the files, all of it or what belongs to one agency.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use consign_domain::{AgencyId, EnvelopeKey};
use consign_runtime::files::{self, Action};
use rusqlite::{Connection, Transaction};
use tracing::{info, warn};

use super::archives::put_archive;
use super::documents::{put_received, put_sent};
use super::{IndexError, SCHEMA};
use crate::durable;
use crate::error::NodeError;
use crate::folder::{COMPOSE, Folder};
use crate::inbox::record::RECEIVED;
use crate::layout::{AgencyHome, NodeDirectory};

/// How far rebuilding is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ReindexProgress {
    /// Envelopes read so far.
    pub done: u64,
    /// Envelopes found.
    pub total: u64,
}

/// What came of rebuilding.
#[derive(Debug)]
pub struct Reindexed {
    /// Envelopes that are in the index.
    pub envelopes: u64,
    /// Folders that are not, since a file in them is damaged, missing or cannot be read.
    pub left_out: Vec<LeftOut>,
}

/// A folder that the index lacks.
#[derive(Debug)]
pub struct LeftOut {
    /// Which.
    pub folder: PathBuf,
    /// What is amiss with it.
    pub fault: NodeError,
}

/// Rebuilds the index of a node from its files into a new file and puts it in place.
/// The caller holds the node's lock and has no [`super::Index`] open.
///
/// # Errors
/// [`IndexError`]: a directory cannot be listed, or a file cannot be written; the index that was
/// there is then untouched.
pub fn reindex(
    directory: &NodeDirectory,
    progress: &mut dyn FnMut(ReindexProgress),
) -> Result<Reindexed, IndexError> {
    let path = directory.index_file();
    let new = beside(&path, ".new");
    durable::remove(&new)?;
    let mut agencies: Vec<(AgencyId, Vec<PathBuf>)> = Vec::new();
    for home in homes(directory)? {
        agencies.push((home.id(), collect(&home)?));
    }
    let total: usize = agencies.iter().map(|(_, folders)| folders.len()).sum();
    let total = u64::try_from(total).unwrap_or(u64::MAX);
    let mut connection = Connection::open(&new)?;
    // The file counts only once it has its name; until then nothing need be durable.
    connection.pragma_update(None, "journal_mode", "MEMORY")?;
    connection.pragma_update(None, "synchronous", "OFF")?;
    let mut transaction = connection.transaction()?;
    transaction.execute_batch(SCHEMA)?;
    let (mut left_out, mut done) = (Vec::new(), 0);
    let mut next = || {
        progress(ReindexProgress { done, total });
        done += 1;
    };
    for (agency, folders) in agencies {
        left_out.extend(put_agency(&mut transaction, agency, folders, &mut next)?);
    }
    transaction.commit()?;
    connection.close().map_err(|(_, fault)| fault)?;
    put_in_place(&new, &path)?;
    progress(ReindexProgress { done: total, total });
    let missing = u64::try_from(left_out.len()).unwrap_or(u64::MAX);
    Ok(Reindexed {
        envelopes: total.saturating_sub(missing),
        left_out,
    })
}

/// Takes out what belongs to agencies that are not here any more, and reads in those that came, an
/// agency being moved from node to node with its folder, and those of which a file could not be
/// read before.
///
/// # Errors
/// [`IndexError`]; the index is then as it was.
pub(super) fn settle(
    connection: &mut Connection,
    directory: &NodeDirectory,
) -> Result<(), IndexError> {
    let mut come: BTreeMap<String, AgencyHome> = homes(directory)?
        .into_iter()
        .map(|home| (home.id().to_string(), home))
        .collect();
    let mut gone = agencies_of_rows(connection)?;
    gone.retain(|agency| !come.contains_key(agency));
    for read in known_agencies(connection)? {
        come.remove(&read);
    }
    if gone.is_empty() && come.is_empty() {
        return Ok(());
    }
    let mut transaction = connection.transaction()?;
    for agency in &gone {
        info!(
            agency,
            "the agency was moved away: its documents leave the index"
        );
        forget(&transaction, agency)?;
    }
    for home in come.values() {
        info!(agency = %home.id(), "the agency's documents enter the index");
        // Some may be here already.
        forget_documents(&transaction, &home.id().to_string())?;
        put_agency(&mut transaction, home.id(), collect(home)?, &mut || {})?;
    }
    transaction.commit()?;
    Ok(())
}

/// The agencies of a node; none of one that was not initialised.
fn homes(directory: &NodeDirectory) -> Result<Vec<AgencyHome>, NodeError> {
    match directory.agencies() {
        Err(NodeError::Missing { .. }) => Ok(Vec::new()),
        homes => homes,
    }
}

/// The agencies of which every file was read.
fn known_agencies(connection: &Connection) -> Result<Vec<String>, IndexError> {
    texts(connection, "SELECT agency FROM agencies")
}

/// The agencies of which anything is here.
fn agencies_of_rows(connection: &Connection) -> Result<Vec<String>, IndexError> {
    texts(
        connection,
        "SELECT agency FROM agencies UNION SELECT agency FROM archives
         UNION SELECT agency FROM sent UNION SELECT agency FROM received",
    )
}

fn texts(connection: &Connection, query: &str) -> Result<Vec<String>, IndexError> {
    let mut statement = connection.prepare(query)?;
    let rows = statement.query_map([], |row| row.get(0))?;
    Ok(rows.collect::<Result<_, _>>()?)
}

/// Enters the folders of an agency, and then the agency itself, unless a file could not be read
/// now: what may be healthy is not missing for ever, but looked for at the next start. `next` is
/// called before each folder.
fn put_agency(
    transaction: &mut Transaction<'_>,
    agency: AgencyId,
    folders: Vec<PathBuf>,
    next: &mut dyn FnMut(),
) -> Result<Vec<LeftOut>, IndexError> {
    let mut left_out = Vec::new();
    for folder in folders {
        next();
        left_out.extend(put_folder(transaction, agency, folder)?);
    }
    if left_out.iter().all(|one| one.fault.is_damage()) {
        let text = agency.to_string();
        transaction.execute("INSERT OR IGNORE INTO agencies VALUES (?1)", [text])?;
    }
    Ok(left_out)
}

/// Enters a folder, whole or not at all. One that is damaged or cannot be read keeps no other from
/// its list: it is given back, and what is archived of it is looked after nevertheless.
fn put_folder(
    transaction: &mut Transaction<'_>,
    agency: AgencyId,
    path: PathBuf,
) -> Result<Option<LeftOut>, IndexError> {
    let key = archived_key(&path);
    let savepoint = transaction.savepoint()?;
    let fault = match put_rows(&savepoint, agency, key, &Folder::new(path.clone())) {
        Ok(()) => {
            savepoint.commit()?;
            return Ok(None);
        }
        Err(IndexError::Node(fault)) if fault.is_damage() => fault,
        Err(IndexError::Node(fault @ NodeError::File(_))) => fault,
        Err(fault) => return Err(fault),
    };
    drop(savepoint);
    let error: &dyn std::error::Error = &fault;
    warn!(fault = error, folder = %path.display(), "left out of the index");
    if let Some(key) = key {
        put_archive(transaction, agency, key, &fault.to_string())?;
    }
    Ok(Some(LeftOut {
        folder: path,
        fault,
    }))
}

fn put_rows(
    connection: &Connection,
    agency: AgencyId,
    archived: Option<EnvelopeKey>,
    folder: &Folder,
) -> Result<(), IndexError> {
    if put_sent(connection, agency, folder)? || put_received(connection, agency, folder)? {
        return Ok(());
    }
    // What is on its way in may be less; what is archived is of either kind.
    let Some(key) = archived else { return Ok(()) };
    let name = if key.sender == agency {
        COMPOSE
    } else {
        RECEIVED
    };
    Err(IndexError::Node(NodeError::Missing {
        path: folder.file(name),
        fix: "restore it from a backup",
    }))
}

/// Whose document an archived folder holds: `archive/YYYY/MM/<sender>/<id>`.
fn archived_key(path: &Path) -> Option<EnvelopeKey> {
    let mut names = path.iter().rev().filter_map(|name| name.to_str());
    let id = names.next()?.parse().ok()?;
    let sender = names.next()?.parse().ok()?;
    Some(EnvelopeKey { sender, id })
}

fn forget(connection: &Connection, agency: &str) -> Result<(), IndexError> {
    forget_documents(connection, agency)?;
    for change in [
        "DELETE FROM archives WHERE agency = ?1",
        "DELETE FROM agencies WHERE agency = ?1",
    ] {
        connection.execute(change, [agency])?;
    }
    Ok(())
}

/// Forgets all but what is known of archives, which is not in the agency's files.
fn forget_documents(connection: &Connection, agency: &str) -> Result<(), IndexError> {
    for change in [
        "DELETE FROM search WHERE rowid IN (SELECT id FROM documents WHERE agency = ?1)",
        "DELETE FROM documents WHERE agency = ?1",
        "DELETE FROM archives WHERE agency = ?1 AND until = 0 AND waits = 0",
        "DELETE FROM received WHERE agency = ?1",
        "DELETE FROM recipients WHERE agency = ?1",
        "DELETE FROM sent WHERE agency = ?1",
    ] {
        connection.execute(change, [agency])?;
    }
    Ok(())
}

fn put_in_place(new: &Path, path: &Path) -> Result<(), IndexError> {
    let private = <fs::Permissions as std::os::unix::fs::PermissionsExt>::from_mode(files::PRIVATE);
    fs::set_permissions(new, private).map_err(durable::io_fault(Action::Create, new))?;
    durable::open(new)?
        .sync_all()
        .map_err(durable::io_fault(Action::Sync, new))?;
    // The old journal belongs to the old index: it goes first.
    for ending in ["-wal", "-shm"] {
        durable::remove(&beside(path, ending))?;
    }
    fs::rename(new, path).map_err(durable::io_fault(Action::Rename, path))?;
    if let Some(parent) = path.parent() {
        files::sync_dir(parent)?;
    }
    Ok(())
}

fn beside(path: &Path, ending: &str) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(ending);
    PathBuf::from(name)
}

/// Every envelope's folder of an agency, the archive first, oldest first.
fn collect(home: &AgencyHome) -> Result<Vec<PathBuf>, NodeError> {
    let mut level = vec![home.archive_dir()];
    // Year, month, sender, envelope.
    for _ in 0..4 {
        let mut next = Vec::new();
        for directory in &level {
            next.extend(below(directory)?);
        }
        level = next;
    }
    level.extend(below(&home.outbox_dir())?);
    level.extend(below(&home.inbox_dir())?);
    Ok(level)
}

fn below(directory: &Path) -> Result<Vec<PathBuf>, NodeError> {
    let mut found = Vec::new();
    for name in durable::names(directory)? {
        let path = directory.join(&name);
        // What one is that cannot be looked at comes out when it is read.
        if !name.starts_with('.') && durable::is_directory(&path).unwrap_or(true) {
            found.push(path);
        }
    }
    Ok(found)
}
