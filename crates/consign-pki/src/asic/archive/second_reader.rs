//! A second opinion on containers from elsewhere.

use std::io::{Read, Seek};

use zip::ZipArchive;
use zip::read::{ArchiveOffset, Config};

use super::super::error::AsicError;
use super::read::Directory;

/// Checks that the `zip` crate sees the same entries in the same places.
///
/// Only after our own reading: that one has bounded what the crate will hold in memory.
pub(crate) fn confirm<R: Read + Seek>(
    reader: &mut R,
    directory: &Directory,
) -> Result<(), AsicError> {
    let config = Config {
        archive_offset: ArchiveOffset::Known(0),
    };
    let archive =
        ZipArchive::with_config(config, reader).map_err(|_| AsicError::ReadersDisagree)?;
    if archive.len() != directory.entries.len() || archive.has_duplicate_names() {
        return Err(AsicError::ReadersDisagree);
    }
    for entry in &directory.entries {
        let agrees = archive
            .index_for_name_raw(entry.name.as_bytes())
            .and_then(|index| archive.by_index_data(index).ok())
            .is_some_and(|seen| {
                seen.header_start() == entry.header_start
                    && seen.size() == entry.size
                    && seen.compressed_size() == entry.packed
                    && seen.crc32() == entry.crc32
            });
        if !agrees {
            return Err(AsicError::ReadersDisagree);
        }
    }
    Ok(())
}
