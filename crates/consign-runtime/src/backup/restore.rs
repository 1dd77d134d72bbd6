//! Bringing the files of a backup back.

use std::fs::{File, FileTimes, Permissions};
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;
use std::time::{Duration, UNIX_EPOCH};

use super::Progress;
use super::error::{BackupError, fault};
use super::manifest::FileEntry;
use super::read::Backup;
use super::write::{create, is_empty, make_directory, pour, room, sync_all};
use crate::files::{self, Action, PRIVATE_DIRECTORY};

/// Copies the files of a backup into `target`, which is new or empty, durably, and gives how
/// many. All but the file `except`: without its configuration nobody takes a directory for a
/// hub's or a node's, and whoever restores one puts it in place last.
///
/// # Errors
/// The target is in use, there is too little room, or a copy is damaged.
pub fn restore(
    backup: &Backup,
    target: &Path,
    except: &str,
    progress: Progress<'_>,
) -> Result<u64, BackupError> {
    if !is_empty(target)? {
        return Err(BackupError::NotEmpty {
            path: target.to_owned(),
        });
    }
    files::create_dir_durable(target, PRIVATE_DIRECTORY)?;
    let (all, mut done) = (backup.bytes(), 0);
    room(target, all)?;
    let mut tell = |bytes| {
        done += bytes;
        progress(done, all);
    };
    tell(0);
    let mut files = 0;
    for entry in backup.files().values().filter(|it| it.path != except) {
        bring_back(backup, entry, target, &mut tell)?;
        files += 1;
    }
    sync_all(target)?;
    Ok(files)
}

fn bring_back(
    backup: &Backup,
    entry: &FileEntry,
    target: &Path,
    progress: &mut dyn FnMut(u64),
) -> Result<(), BackupError> {
    let copy = backup.copy_of(entry);
    let place = target.join(&entry.path);
    make_directory(place.parent().unwrap_or(target))?;
    let from = File::open(&copy).map_err(fault(Action::Read, &copy))?;
    let mut to = create(&place)?;
    let (size, sha256) = pour(from, &copy, &mut to, &place, progress)?;
    if (size, &sha256) != (entry.size, &entry.sha256) {
        let name = entry.path.clone();
        return Err(BackupError::Damaged { name });
    }
    // Nothing that comes from a list makes a file run, or lets others write to it.
    let mode = Permissions::from_mode(entry.mode & 0o644 | 0o600);
    let modified = UNIX_EPOCH + Duration::from_nanos(entry.modified);
    to.set_permissions(mode)
        .and_then(|()| to.set_times(FileTimes::new().set_modified(modified)))
        .map_err(fault(Action::Write, &place))
}
