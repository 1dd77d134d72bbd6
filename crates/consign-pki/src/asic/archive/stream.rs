//! Streams the content of one entry through a sink, checking size and CRC.

use std::io::{self, Read, Seek, SeekFrom};

use flate2::read::DeflateDecoder;

use super::super::error::AsicError;
use super::read::StoredEntry;

/// The unit of copying: memory stays at this, whatever the size of a file.
pub(crate) const BUFFER_BYTES: usize = 128 << 10;

/// Passes the unpacked content to `sink` piece by piece. The pieces are trustworthy only when
/// this returns `Ok`; never are more than the declared bytes passed.
pub(crate) fn stream<R: Read + Seek>(
    reader: &mut R,
    entry: &StoredEntry,
    sink: &mut dyn FnMut(&[u8]) -> Result<(), AsicError>,
) -> Result<(), AsicError> {
    reader.seek(SeekFrom::Start(entry.data_start))?;
    let mut packed = reader.take(entry.packed);
    if !entry.deflated {
        return pump(&mut packed, entry, sink);
    }
    let mut inflated = DeflateDecoder::new(packed);
    pump(&mut inflated, entry, sink).map_err(|error| match error {
        AsicError::Io { source } if is_broken_data(&source) => AsicError::DeflateBroken {
            name: entry.name.clone(),
        },
        other => other,
    })?;
    // Bytes after the end of the compressed stream would belong to nothing.
    if inflated.total_in() != entry.packed {
        return Err(AsicError::DeflateBroken {
            name: entry.name.clone(),
        });
    }
    Ok(())
}

fn pump(
    source: &mut dyn Read,
    entry: &StoredEntry,
    sink: &mut dyn FnMut(&[u8]) -> Result<(), AsicError>,
) -> Result<(), AsicError> {
    let mut buffer = vec![0; BUFFER_BYTES];
    let mut crc = crc32fast::Hasher::new();
    let mut size = 0;
    loop {
        let count = match source.read(&mut buffer) {
            Ok(0) => break,
            Ok(count) => count,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
            Err(error) => return Err(error.into()),
        };
        let piece = buffer.get(..count).unwrap_or_default();
        size += count as u64;
        if size > entry.size {
            return Err(AsicError::SizeMismatch {
                name: entry.name.clone(),
            });
        }
        crc.update(piece);
        sink(piece)?;
    }
    if size != entry.size {
        return Err(AsicError::SizeMismatch {
            name: entry.name.clone(),
        });
    }
    if crc.finalize() != entry.crc32 {
        return Err(AsicError::CrcMismatch {
            name: entry.name.clone(),
        });
    }
    Ok(())
}

fn is_broken_data(error: &io::Error) -> bool {
    matches!(
        error.kind(),
        io::ErrorKind::InvalidInput | io::ErrorKind::InvalidData | io::ErrorKind::UnexpectedEof
    )
}
