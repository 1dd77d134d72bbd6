//! Building the index anew from the files.

use std::fs;
use std::path::{Path, PathBuf};

use consign_domain::AgencyId;
use consign_runtime::files::{self, Action};
use rusqlite::Connection;

use super::documents::{put_received, put_sent};
use super::{IndexError, SCHEMA};
use crate::durable;
use crate::error::NodeError;
use crate::folder::{COMPOSE, Folder};
use crate::layout::{AgencyHome, NodeDirectory};

/// How far rebuilding is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ReindexProgress {
    /// Envelopes read so far.
    pub done: u64,
    /// Envelopes found.
    pub total: u64,
}

/// Rebuilds the index of a node from its files into a new file and puts it in place.
/// The caller holds the node's lock and has no [`super::Index`] open. Gives the number of
/// envelopes.
///
/// # Errors
/// [`IndexError`]; the index that was there is then untouched.
pub fn reindex(
    directory: &NodeDirectory,
    progress: &mut dyn FnMut(ReindexProgress),
) -> Result<u64, IndexError> {
    let path = directory.index_file();
    let new = beside(&path, ".new");
    durable::remove(&new)?;
    let mut folders: Vec<(AgencyId, PathBuf)> = Vec::new();
    match directory.agencies() {
        Ok(homes) => {
            for home in homes {
                collect(&home, &mut folders)?;
            }
        }
        // A node that was not initialised has an empty index.
        Err(NodeError::Missing { .. }) => {}
        Err(fault) => return Err(fault.into()),
    }
    let total = u64::try_from(folders.len()).unwrap_or(u64::MAX);
    let mut connection = Connection::open(&new)?;
    // The file counts only once it has its name; until then nothing need be durable.
    connection.pragma_update(None, "journal_mode", "MEMORY")?;
    connection.pragma_update(None, "synchronous", "OFF")?;
    let transaction = connection.transaction()?;
    transaction.execute_batch(SCHEMA)?;
    for (done, (agency, folder)) in (0..).zip(folders) {
        progress(ReindexProgress { done, total });
        let folder = Folder::new(folder);
        if folder.has(COMPOSE) {
            put_sent(&transaction, agency, &folder)?;
        } else {
            put_received(&transaction, agency, &folder)?;
        }
    }
    transaction.commit()?;
    connection.close().map_err(|(_, fault)| fault)?;
    put_in_place(&new, &path)?;
    progress(ReindexProgress { done: total, total });
    Ok(total)
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
fn collect(home: &AgencyHome, found: &mut Vec<(AgencyId, PathBuf)>) -> Result<(), NodeError> {
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
    found.extend(level.into_iter().map(|folder| (home.id(), folder)));
    Ok(())
}

fn below(directory: &Path) -> Result<Vec<PathBuf>, NodeError> {
    let names = durable::names(directory)?;
    Ok(names
        .iter()
        .filter(|name| !name.starts_with('.'))
        .map(|name| directory.join(name))
        .filter(|path| path.is_dir())
        .collect())
}
