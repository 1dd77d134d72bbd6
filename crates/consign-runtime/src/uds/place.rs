//! Where the socket goes, and how it gets there unseen by others.

use std::ffi::OsStr;
use std::fs::{self, DirBuilder, Permissions};
use std::io::ErrorKind;
use std::os::unix::ffi::OsStrExt as _;
use std::os::unix::fs::PermissionsExt as _;
use std::os::unix::fs::{DirBuilderExt as _, FileTypeExt as _, MetadataExt as _};
use std::os::unix::net::UnixListener;
use std::path::{Path, PathBuf};

use rustix::io::Errno;
use rustix::net::{AddressFamily, SocketAddrUnix, SocketFlags, SocketType, connect, socket_with};
use rustix::process::geteuid;
use sha2::{Digest as _, Sha256};

use super::SocketError;
use crate::entropy::{self, to_hex};
use crate::files::{PRIVATE, PRIVATE_DIRECTORY};

/// What the address of a socket holds beside its terminating zero (unix(7)).
pub(super) const MAX_PATH: usize = 107;

/// Length of the temporary name that [`bind`] uses in the socket's directory: `.xxxxx/s`.
const TEMPORARY: usize = 8;

/// One name in a million is taken by what a crash left.
const TRIES: u32 = 16;

/// The path that stands for `wanted`: itself where it fits, otherwise a short one under
/// `$XDG_RUNTIME_DIR` or `/tmp`.
///
/// # Errors
/// No path is short enough.
pub fn socket_path(wanted: &Path) -> Result<PathBuf, SocketError> {
    let runtime = std::env::var_os("XDG_RUNTIME_DIR");
    short_path(wanted, runtime.as_deref())
}

pub(super) fn short_path(wanted: &Path, runtime: Option<&OsStr>) -> Result<PathBuf, SocketError> {
    let wanted = std::path::absolute(wanted).map_err(|source| SocketError::Io {
        path: wanted.to_owned(),
        source,
    })?;
    if fits(&wanted) {
        return Ok(wanted);
    }
    let mut hash = to_hex(&Sha256::digest(wanted.as_os_str().as_bytes()));
    hash.truncate(16);
    let below_runtime = runtime
        .map(Path::new)
        .filter(|directory| directory.is_absolute())
        .map(|directory| directory.join("consign"));
    let below_tmp = PathBuf::from(format!("/tmp/consign-{}", geteuid().as_raw()));
    [below_runtime, Some(below_tmp)]
        .into_iter()
        .flatten()
        .map(|directory| directory.join(format!("{hash}.sock")))
        .find(|path| fits(path))
        .ok_or(SocketError::TooLong { path: wanted })
}

/// Makes the private directory of a path that stands in, and refuses one that others could use.
pub(super) fn prepare(wanted: &Path, path: &Path) -> Result<(), SocketError> {
    let stands_in = path.file_name() != wanted.file_name();
    let Some(directory) = path.parent().filter(|_| stands_in) else {
        return Ok(());
    };
    let io = |source| SocketError::Io {
        path: directory.to_owned(),
        source,
    };
    match DirBuilder::new().mode(PRIVATE_DIRECTORY).create(directory) {
        Ok(()) => {}
        Err(error) if error.kind() == ErrorKind::AlreadyExists => {}
        Err(error) => return Err(io(error)),
    }
    let found = fs::symlink_metadata(directory).map_err(io)?;
    let uid = geteuid().as_raw();
    if !found.is_dir() || found.uid() != uid || found.mode() & 0o077 != 0 {
        return Err(SocketError::UnsafeDirectory {
            path: directory.to_owned(),
            uid,
        });
    }
    Ok(())
}

/// Binds in a fresh private directory beside `path`, sets the mode, and moves the socket to its
/// place: at no moment can another user reach it, and a stale one is replaced in one step.
pub(super) fn bind(path: &Path) -> Result<UnixListener, SocketError> {
    let io = |source| SocketError::Io {
        path: path.to_owned(),
        source,
    };
    refuse_living(path)?;
    let directory = temporary_directory(path)?;
    let temporary = directory.join("s");
    let bound = UnixListener::bind(&temporary).and_then(|listener| {
        fs::set_permissions(&temporary, Permissions::from_mode(PRIVATE))?;
        fs::rename(&temporary, path)?;
        Ok(listener)
    });
    if bound.is_err() {
        // The fault that is returned matters more than these.
        let _ = fs::remove_file(&temporary);
    }
    let _ = fs::remove_dir(&directory);
    bound.map_err(io)
}

fn fits(path: &Path) -> bool {
    let name = path.file_name().map_or(0, OsStr::len);
    path.as_os_str().len() + TEMPORARY.saturating_sub(name) <= MAX_PATH
}

fn refuse_living(path: &Path) -> Result<(), SocketError> {
    let found = match fs::symlink_metadata(path) {
        Ok(found) => found,
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(()),
        Err(source) => {
            return Err(SocketError::Io {
                path: path.to_owned(),
                source,
            });
        }
    };
    if !found.file_type().is_socket() {
        return Err(SocketError::NotASocket {
            path: path.to_owned(),
        });
    }
    match try_connect(path) {
        Err(Errno::CONNREFUSED | Errno::NOENT) => Ok(()),
        // It answers, or somebody is there whose queue is full.
        Ok(()) | Err(_) => Err(SocketError::InUse {
            path: path.to_owned(),
        }),
    }
}

/// Connects without waiting: a full queue would hold a blocking socket for ever.
fn try_connect(path: &Path) -> Result<(), Errno> {
    let flags = SocketFlags::NONBLOCK | SocketFlags::CLOEXEC;
    let socket = socket_with(AddressFamily::UNIX, SocketType::STREAM, flags, None)?;
    connect(&socket, &SocketAddrUnix::new(path)?)
}

fn temporary_directory(path: &Path) -> Result<PathBuf, SocketError> {
    let parent = path.parent().unwrap_or(Path::new("/"));
    for _ in 0..TRIES {
        let mut name = entropy::hex::<3>()?;
        name.truncate(5);
        let directory = parent.join(format!(".{name}"));
        match DirBuilder::new().mode(PRIVATE_DIRECTORY).create(&directory) {
            Ok(()) => return Ok(directory),
            Err(error) if error.kind() == ErrorKind::AlreadyExists => {}
            Err(source) => {
                return Err(SocketError::Io {
                    path: directory,
                    source,
                });
            }
        }
    }
    let source = ErrorKind::AlreadyExists.into();
    Err(SocketError::Io {
        path: parent.to_owned(),
        source,
    })
}
