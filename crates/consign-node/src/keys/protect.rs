//! `consign node protect`: all secret files of a node under a passphrase, another one, or none.

use std::path::PathBuf;

use consign_keys::Keyring;

use super::KeysError;
use crate::durable;
use crate::layout::NodeDirectory;

/// Puts the keys of a node and its agencies under the passphrase that `new` knows, or under
/// none, from that of `old`; also those that were put aside. Gives how many files have changed.
///
/// # Errors
/// The node runs, a key is not opened, or a file cannot be written; the same again completes it.
pub fn protect(
    directory: &NodeDirectory,
    old: &Keyring,
    new: &Keyring,
) -> Result<usize, KeysError> {
    let _lock = directory.lock()?;
    Ok(old.protect(&key_files(directory)?, new)?)
}

/// All secret files, by name.
fn key_files(directory: &NodeDirectory) -> Result<Vec<PathBuf>, KeysError> {
    let mut places = vec![directory.root().join("keys")];
    places.extend(directory.agencies()?.iter().map(|home| home.keys_dir()));
    let mut paths = Vec::new();
    for place in places {
        let names = durable::names(&place)?;
        let secret = names
            .iter()
            .filter(|name| name.ends_with(".key") || name.ends_with(".key.old"));
        paths.extend(secret.map(|name| place.join(name)));
    }
    paths.sort();
    Ok(paths)
}
