//! Configuration from TOML, with every fault of a file reported at once.
//!
//! A role reads its file through a [`Reader`]: typed getters take the keys they know, faults are
//! collected, and whatever no getter asked for is an unknown key. A person who edits a file by
//! hand learns in one go all that is wrong with it: key, line, cause and fix.
//!
//! ```no_run
//! # use std::path::{Path, PathBuf};
//! struct HubConfig { directory: PathBuf, handshakes: u64 }
//!
//! let config = consign_runtime::config::load(Path::new("hub.toml"), |hub| {
//!     let directory = hub.path("directory").required();
//!     let handshakes =
//!         hub.section("limits", |limits| limits.u64_in("handshakes", 1..=4096).or(256));
//!     Some(HubConfig { directory: directory?, handshakes })
//! });
//! ```

mod fault;
mod reader;
#[cfg(test)]
mod tests;

use std::path::Path;

use toml::de::DeTable;

use crate::files::{self, FileError};

pub use fault::{ConfigFault, ConfigFaults, FaultCause};
pub use reader::{Reader, Setting};

/// A configuration is written by hand.
const MAX_BYTES: usize = 1 << 20;

/// Reads the file at `path` with `read`, which returns `None` where a required key is missing.
/// Relative paths in the file are taken from its directory.
///
/// # Errors
/// Everything that is wrong with the file.
pub fn load<T>(
    path: &Path,
    read: impl FnOnce(&mut Reader<'_>) -> Option<T>,
) -> Result<T, ConfigFaults> {
    let single = |cause| ConfigFaults::new(path, vec![ConfigFault::of_file(cause)]);
    let bytes = files::read_bounded(path, MAX_BYTES).map_err(|error| {
        single(match error {
            FileError::TooLarge { max, .. } => FaultCause::TooLarge { max },
            error if error.is_not_found() => FaultCause::NotFound,
            FileError::Io { source, .. } => FaultCause::Unreadable {
                kind: source.kind(),
            },
            _ => FaultCause::NotAFile,
        })
    })?;
    let text = String::from_utf8(bytes).map_err(|_| single(FaultCause::NotUtf8))?;
    parse(&text, path, read)
}

/// [`load`] from the text of a file that is, or would be, at `path`.
///
/// # Errors
/// Everything that is wrong with the text.
pub fn parse<T>(
    text: &str,
    path: &Path,
    read: impl FnOnce(&mut Reader<'_>) -> Option<T>,
) -> Result<T, ConfigFaults> {
    let (table, errors) = DeTable::parse_recoverable(text);
    if !errors.is_empty() {
        let faults = errors
            .iter()
            .map(|error| ConfigFault::syntax(text, error))
            .collect();
        return Err(ConfigFaults::new(path, faults));
    }
    let base = path.parent().unwrap_or(Path::new(""));
    let mut faults = Vec::new();
    let value = {
        let mut reader = Reader::new(table.get_ref(), text, base, &mut faults);
        let value = read(&mut reader);
        reader.finish();
        value
    };
    match value {
        Some(value) if faults.is_empty() => Ok(value),
        Some(_) => Err(ConfigFaults::new(path, faults)),
        None if faults.is_empty() => {
            let incomplete = ConfigFault::of_file(FaultCause::Incomplete);
            Err(ConfigFaults::new(path, vec![incomplete]))
        }
        None => Err(ConfigFaults::new(path, faults)),
    }
}
