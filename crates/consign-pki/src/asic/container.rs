//! A container that has been opened: its structure is checked, its content is read on demand.

use std::io::{Read, Seek, Write};

use super::archive::{Directory, StoredEntry, confirm, read_directory, stream};
use super::budget::Budget;
use super::check::{self, DigestReport};
use super::error::AsicError;
use super::layers::{SignatureLayer, read_layers};
use super::name::NameKind;
use super::profile::{Deviation, Judge};

/// An opened container. Memory does not grow with the size of its files.
#[derive(Debug)]
pub struct Container<R> {
    reader: R,
    directory: Directory,
    entries: Vec<Entry>,
    layers: Vec<SignatureLayer>,
}

/// One entry of a container.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Entry {
    /// Its name.
    pub name: String,
    /// Its size in bytes, unpacked.
    pub size: u64,
    /// Whether it is a file of the document: outside `META-INF`, and not `mimetype`.
    pub is_document_file: bool,
    /// The media type that the first manifest gives it.
    pub media_type: Option<String>,
    /// Whether the first manifest marks it as the main file.
    pub is_main_file: bool,
}

impl<R: Read + Seek> Container<R> {
    /// Opens a container of the canonical profile.
    ///
    /// Checks everything but the content of the document's files, which
    /// [`check_digests`](Self::check_digests) does in one pass.
    ///
    /// # Errors
    ///
    /// The first deviation from the profile, or limit of `budget` exceeded.
    pub fn open_canonical(reader: R, budget: &Budget) -> Result<Self, AsicError> {
        let mut budget = budget.clone();
        budget.entries = budget.entries.min(super::MAX_ENTRIES);
        Self::open(reader, &budget, &mut Judge::Canonical)
    }

    /// Opens a container from elsewhere and lists its deviations from the canonical profile.
    ///
    /// # Errors
    ///
    /// What has no single reading, is no ASiC-E container with `CAdES` signatures, or exceeds a
    /// limit of `budget`.
    pub fn open_lenient(reader: R, budget: &Budget) -> Result<(Self, Vec<Deviation>), AsicError> {
        let mut judge = Judge::Lenient(Vec::new());
        let container = Self::open(reader, budget, &mut judge)?;
        Ok((container, judge.into_deviations()))
    }

    fn open(mut reader: R, budget: &Budget, judge: &mut Judge) -> Result<Self, AsicError> {
        let directory = read_directory(&mut reader, budget, judge)?;
        if !judge.is_canonical() {
            confirm(&mut reader, &directory)?;
        }
        let layers = read_layers(&mut reader, &directory, budget, judge)?;
        let entries = directory
            .entries
            .iter()
            .map(|entry| describe(entry, &layers))
            .collect();
        Ok(Self {
            reader,
            directory,
            entries,
            layers,
        })
    }

    /// All entries, in the order in which they lie.
    pub fn entries(&self) -> &[Entry] {
        &self.entries
    }

    /// The signatures, each with its manifest.
    pub fn signatures(&self) -> &[SignatureLayer] {
        &self.layers
    }

    /// Reads one entry of at most `max` bytes into memory, and checks its size and CRC.
    ///
    /// # Errors
    ///
    /// No such entry, over `max`, content not as declared, I/O.
    pub fn read(&mut self, name: &str, max: u64) -> Result<Vec<u8>, AsicError> {
        read_entry(&mut self.reader, &self.directory, name, max)
    }

    /// Copies one entry to `writer` and returns its size. What was written is to be discarded
    /// when this fails: size and CRC are known to be right only at the end.
    ///
    /// # Errors
    ///
    /// No such entry, content not as declared, I/O.
    pub fn copy_to(&mut self, name: &str, writer: &mut impl Write) -> Result<u64, AsicError> {
        let entry = find(&self.directory, name)?;
        stream(&mut self.reader, entry, &mut |piece| {
            Ok(writer.write_all(piece)?)
        })?;
        Ok(entry.size)
    }

    /// The first bytes of an entry, at most `length` of them, whose size and CRC are not checked.
    ///
    /// # Errors
    ///
    /// No such entry, I/O.
    pub fn begin(&mut self, name: &str, length: usize) -> Result<Vec<u8>, AsicError> {
        let entry = find(&self.directory, name)?;
        let mut begin = Vec::new();
        let enough = || std::io::Error::other("enough was read");
        let read = stream(&mut self.reader, entry, &mut |piece| {
            let missing = length.saturating_sub(begin.len());
            begin.extend(piece.iter().take(missing));
            if begin.len() < length {
                return Ok(());
            }
            Err(enough().into())
        });
        match read {
            Err(error) if begin.len() < length => Err(error),
            _ => Ok(begin),
        }
    }

    /// Reads the container once and compares each file with each manifest.
    ///
    /// # Errors
    ///
    /// I/O, or content that is not as its header declares. What the manifests say differently is
    /// in the report: see [`DigestReport::into_result`].
    pub fn check_digests(&mut self) -> Result<DigestReport, AsicError> {
        let layers = self.layers.iter();
        let manifests: Vec<_> = layers
            .map(|layer| (layer.manifest_name.as_str(), &layer.manifest))
            .collect();
        check::check(&mut self.reader, &self.directory, &manifests)
    }

    /// Gives the underlying reader back.
    pub fn into_inner(self) -> R {
        self.reader
    }

    pub(super) fn parts(&mut self) -> (&mut R, &Directory, &[SignatureLayer]) {
        (&mut self.reader, &self.directory, &self.layers)
    }
}

/// Reads an entry of at most `max` bytes.
pub(super) fn read_entry<R: Read + Seek>(
    reader: &mut R,
    directory: &Directory,
    name: &str,
    max: u64,
) -> Result<Vec<u8>, AsicError> {
    let entry = find(directory, name)?;
    if entry.size > max {
        let (name, size) = (name.to_owned(), entry.size);
        return Err(AsicError::FileTooLarge {
            name,
            size,
            limit: max,
        });
    }
    super::layers::read_small(reader, entry)
}

pub(super) fn find<'a>(directory: &'a Directory, name: &str) -> Result<&'a StoredEntry, AsicError> {
    directory
        .entries
        .iter()
        .find(|entry| entry.name == name && entry.kind != NameKind::Folder)
        .ok_or_else(|| AsicError::NoSuchEntry {
            name: name.to_owned(),
        })
}

fn describe(entry: &StoredEntry, layers: &[SignatureLayer]) -> Entry {
    let reference = layers.first().and_then(|layer| {
        layer
            .manifest
            .references
            .iter()
            .find(|r| r.name == entry.name)
    });
    Entry {
        name: entry.name.clone(),
        size: entry.size,
        is_document_file: entry.kind.is_document_file(),
        media_type: reference.and_then(|reference| reference.media_type.clone()),
        is_main_file: reference.is_some_and(|reference| reference.rootfile),
    }
}
