//! `consign hub protect`: all secret files of a hub under a passphrase, another one, or none.

use consign_keys::Keyring;
use consign_runtime::files::DirectoryLock;

use super::SetupError;
use crate::config::Config;
use crate::identity::{STATEMENT_KEY, TIME_STAMP_KEY, TLS_KEY};

/// Puts the keys of a hub under the passphrase that `new` knows, or under none, from that of
/// `old`. Gives how many files have changed.
///
/// # Errors
/// The hub runs, a key is not opened, or a file cannot be written; the same again completes it.
pub fn protect(config: &Config, old: &Keyring, new: &Keyring) -> Result<usize, SetupError> {
    let _lock =
        DirectoryLock::acquire(&config.home).map_err(|source| SetupError::Lock { source })?;
    let names = [TLS_KEY, STATEMENT_KEY, TIME_STAMP_KEY];
    let paths = names.map(|name| config.keys.join(name));
    let there: Vec<_> = paths.into_iter().filter(|path| path.exists()).collect();
    Ok(old.protect(&there, new)?)
}
