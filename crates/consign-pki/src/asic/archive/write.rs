//! Writes entries of the canonical profile, in one pass over each file.

use std::io::{self, Read, Seek, SeekFrom, Write};

use aws_lc_rs::digest::Digest;

use super::super::digest::DigestAlgorithm;
use super::super::error::AsicError;
use super::super::name::NameSet;
use super::header::{MAX_CONTAINER_BYTES, Shared, encode_central, encode_end, encode_local};
use super::read::Directory;
use super::stream::BUFFER_BYTES;

/// Entries so far and where the next one goes.
#[derive(Debug)]
pub(crate) struct ArchiveWriter<W> {
    out: W,
    position: u64,
    records: Vec<Record>,
    names: NameSet,
    /// Set while an entry is under way, so that a failure leaves it set.
    incomplete: bool,
}

#[derive(Debug)]
struct Record {
    name: String,
    shared: Shared,
    offset: u32,
}

/// What was learned while copying a file in.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Written {
    pub(crate) digest: Digest,
    pub(crate) size: u64,
    pub(crate) crc32: u32,
}

impl<W: Write + Seek> ArchiveWriter<W> {
    /// Begins at the start of an empty output.
    pub(crate) fn new(mut out: W) -> Result<Self, AsicError> {
        if out.seek(SeekFrom::End(0))? != 0 {
            return Err(AsicError::OutputNotEmpty);
        }
        Ok(Self {
            out,
            position: 0,
            records: Vec::new(),
            names: NameSet::default(),
            incomplete: false,
        })
    }

    pub(crate) fn entries(&self) -> usize {
        self.records.len()
    }

    /// Refuses to go on after an entry that was not written to its end.
    pub(crate) fn check_complete(&self) -> Result<(), AsicError> {
        if self.incomplete {
            Err(AsicError::WriterSpent)
        } else {
            Ok(())
        }
    }

    /// Copies `content` in as the next entry; the header is completed when its size is known.
    pub(crate) fn add(
        &mut self,
        name: &str,
        content: impl Read,
        algorithm: DigestAlgorithm,
    ) -> Result<Written, AsicError> {
        self.check_complete()?;
        self.names.insert(name)?;
        let offset = self.offset()?;
        let name_length = u16::try_from(name.len()).map_err(|_| self.too_large())?;
        self.incomplete = true;
        self.write(&encode_local(&Shared::canonical(0, 0, name_length), name))?;
        let written = self.copy(content, algorithm)?;
        let size = u32::try_from(written.size).map_err(|_| self.too_large())?;
        let shared = Shared::canonical(written.crc32, size, name_length);
        self.out.seek(SeekFrom::Start(u64::from(offset)))?;
        self.out.write_all(&encode_local(&shared, name))?;
        self.out.seek(SeekFrom::Start(self.position))?;
        self.incomplete = false;
        self.records.push(Record {
            name: name.to_owned(),
            shared,
            offset,
        });
        Ok(written)
    }

    /// Takes over the entries of another canonical container, byte for byte.
    pub(crate) fn adopt<R: Read + Seek>(
        &mut self,
        reader: &mut R,
        directory: &Directory,
    ) -> Result<(), AsicError> {
        self.incomplete = true;
        reader.seek(SeekFrom::Start(0))?;
        let copied = io::copy(&mut reader.take(directory.offset), &mut self.out)?;
        if copied != directory.offset {
            return Err(AsicError::Truncated { offset: copied });
        }
        self.position = copied;
        for entry in &directory.entries {
            self.names.insert(&entry.name)?;
            let field = |value: u64| u32::try_from(value).map_err(|_| AsicError::Zip64);
            let name_length = u16::try_from(entry.name.len()).map_err(|_| AsicError::Zip64)?;
            self.records.push(Record {
                name: entry.name.clone(),
                shared: Shared::canonical(entry.crc32, field(entry.size)?, name_length),
                offset: field(entry.header_start)?,
            });
        }
        self.incomplete = false;
        Ok(())
    }

    /// Writes directory and end record.
    pub(crate) fn finish(mut self) -> Result<W, AsicError> {
        self.check_complete()?;
        let offset = self.offset()?;
        let mut tail = Vec::new();
        for record in &self.records {
            encode_central(&record.shared, record.offset, &record.name, &mut tail);
        }
        let size = u32::try_from(tail.len()).map_err(|_| self.too_large())?;
        let entries = u16::try_from(self.records.len()).map_err(|_| self.too_large())?;
        encode_end(entries, size, offset, &mut tail);
        self.write(&tail)?;
        self.out.flush()?;
        Ok(self.out)
    }

    fn copy(
        &mut self,
        mut content: impl Read,
        algorithm: DigestAlgorithm,
    ) -> Result<Written, AsicError> {
        let mut buffer = vec![0; BUFFER_BYTES];
        let mut crc = crc32fast::Hasher::new();
        let mut digest = algorithm.context();
        let mut size = 0;
        loop {
            let count = match content.read(&mut buffer) {
                Ok(0) => break,
                Ok(count) => count,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
                Err(error) => return Err(error.into()),
            };
            let piece = buffer.get(..count).unwrap_or_default();
            crc.update(piece);
            digest.update(piece);
            self.write(piece)?;
            size += count as u64;
        }
        Ok(Written {
            digest: digest.finish(),
            size,
            crc32: crc.finalize(),
        })
    }

    fn write(&mut self, bytes: &[u8]) -> Result<(), AsicError> {
        let end = self.position + bytes.len() as u64;
        if end > MAX_CONTAINER_BYTES {
            return Err(AsicError::ContainerTooLarge {
                size: end,
                limit: MAX_CONTAINER_BYTES,
            });
        }
        self.out.write_all(bytes)?;
        self.position = end;
        Ok(())
    }

    fn offset(&self) -> Result<u32, AsicError> {
        u32::try_from(self.position).map_err(|_| self.too_large())
    }

    fn too_large(&self) -> AsicError {
        AsicError::ContainerTooLarge {
            size: self.position,
            limit: MAX_CONTAINER_BYTES,
        }
    }
}
