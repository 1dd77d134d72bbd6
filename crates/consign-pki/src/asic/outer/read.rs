//! Reading an outer container.

use std::collections::HashSet;
use std::io::{Read, Seek};

use super::super::archive::{Directory, StoredEntry, read_directory};
use super::super::budget::Budget;
use super::super::check::{self, FileHash, ReferenceOutcome};
use super::super::container::{find, read_entry};
use super::super::error::AsicError;
use super::super::layers::{check_mimetype, read_small};
use super::super::manifest::Manifest;
use super::super::name::is_media_type;
use super::super::profile::{Deviation, Judge};
use super::super::{MANIFEST_MEDIA_TYPE, MIMETYPE, TOKEN_MEDIA_TYPE};
use super::{
    INNER_NAME, MANIFEST_LIMITS, MAX_LAYERS, NEWEST_MANIFEST, Section, manifest_name, token_name,
};

/// An outer container whose form is checked; its content is read on demand.
#[derive(Debug)]
pub struct OuterContainer<R> {
    reader: R,
    directory: Directory,
    layers: Vec<ArchiveLayer>,
}

/// One archive manifest with its time-stamp. Whether that counts is not judged here.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct ArchiveLayer {
    /// The entry of the manifest.
    pub manifest_name: String,
    /// Its exact bytes: what is stamped.
    pub manifest_bytes: Vec<u8>,
    /// What they say.
    pub manifest: Manifest,
    /// The entry of the token.
    pub token_name: String,
    /// The token.
    pub token: Vec<u8>,
}

impl<R: Read + Seek> OuterContainer<R> {
    /// Opens an outer container of its one form. Checks everything but the files' content, which
    /// [`check_digests`](Self::check_digests) does in one pass.
    ///
    /// # Errors
    ///
    /// The first deviation, or limit of `budget` exceeded.
    pub fn open(mut reader: R, budget: &Budget) -> Result<Self, AsicError> {
        let mut judge = Judge::Outer;
        let directory = read_directory(&mut reader, budget, &mut judge)?;
        let entries: Vec<&StoredEntry> = directory.entries.iter().collect();
        check_mimetype(&mut reader, &entries, &mut judge)?;
        check_meta_inf(&entries, budget)?;
        let layers = read_layers(&mut reader, entries.get(1..).unwrap_or_default())?;
        Ok(Self {
            reader,
            directory,
            layers,
        })
    }

    /// The manifests with their time-stamps, oldest first; there is one at least.
    pub fn layers(&self) -> &[ArchiveLayer] {
        &self.layers
    }

    /// Names and sizes of the files, in the order in which they lie: the document's container
    /// first; without `mimetype` and `META-INF`.
    pub fn files(&self) -> impl Iterator<Item = (&str, u64)> {
        let files = self.directory.entries.iter();
        files
            .filter(|entry| entry.kind.is_document_file())
            .map(|entry| (entry.name.as_str(), entry.size))
    }

    /// Reads one entry of at most `max` bytes into memory, and checks its size and CRC.
    ///
    /// # Errors
    ///
    /// No such entry, over `max`, content not as declared, I/O.
    pub fn read(&mut self, name: &str, max: u64) -> Result<Vec<u8>, AsicError> {
        read_entry(&mut self.reader, &self.directory, name, max)
    }

    /// The document's container, read where it lies. That its bytes are those that were stamped
    /// says [`check_digests`](Self::check_digests).
    ///
    /// # Errors
    ///
    /// Never, once it is open.
    pub fn inner(&mut self) -> Result<Section<'_, R>, AsicError> {
        let entry = find(&self.directory, INNER_NAME)?;
        let (start, length) = (entry.data_start, entry.size);
        Ok(Section::new(&mut self.reader, start, length))
    }

    /// Reads the container once and compares each entry with each manifest that covers it; gives
    /// the files with their SHA-256.
    ///
    /// # Errors
    ///
    /// The first difference, content that is not as its header declares, I/O.
    pub fn check_digests(&mut self) -> Result<Vec<FileHash>, AsicError> {
        let layers = self.layers.iter();
        let manifests: Vec<_> = layers
            .map(|layer| (layer.manifest_name.as_str(), &layer.manifest))
            .collect();
        let report = check::check(&mut self.reader, &self.directory, &manifests)?;
        for layer in &report.layers {
            let mut references = layer.references.iter();
            let differs = references.find(|one| one.outcome != ReferenceOutcome::Matches);
            if let Some(reference) = differs {
                return Err(AsicError::DigestMismatch {
                    manifest: layer.manifest_name.clone(),
                    name: reference.name.clone(),
                });
            }
        }
        Ok(report.files)
    }

    #[cfg(test)]
    pub(super) fn directory_names(&self) -> Vec<&str> {
        let entries = self.directory.entries.iter();
        entries.map(|entry| entry.name.as_str()).collect()
    }

    pub(super) fn parts(&mut self) -> (&mut R, &[StoredEntry], &[ArchiveLayer]) {
        (&mut self.reader, &self.directory.entries, &self.layers)
    }
}

/// Limits on what the layers will hold in memory.
fn check_meta_inf(entries: &[&StoredEntry], budget: &Budget) -> Result<(), AsicError> {
    let kept = entries.iter();
    let kept = kept.filter(|entry| !entry.kind.is_document_file());
    let total: u64 = kept.map(|entry| entry.size).sum();
    if total > budget.meta_inf_total_bytes {
        return Err(AsicError::MetaInfTooLarge {
            limit: budget.meta_inf_total_bytes,
        });
    }
    Ok(())
}

/// Files, then a manifest and its token; again and again, the newest manifest last.
fn read_layers<R: Read + Seek>(
    reader: &mut R,
    entries: &[&StoredEntry],
) -> Result<Vec<ArchiveLayer>, AsicError> {
    let misplaced = |entry: &StoredEntry| AsicError::OuterOrder {
        name: entry.name.clone(),
    };
    let first = entries.first().ok_or_else(|| AsicError::NoSuchEntry {
        name: INNER_NAME.to_owned(),
    })?;
    if first.name != INNER_NAME {
        return Err(misplaced(first));
    }
    let mut layers: Vec<ArchiveLayer> = Vec::new();
    let mut covered: Vec<&str> = Vec::new();
    let mut is_ended = false;
    let mut rest = entries.iter();
    while let Some(entry) = rest.next() {
        if is_ended {
            return Err(misplaced(entry));
        }
        if !entry.kind.is_document_file() {
            let number = layers.len() + 1;
            is_ended = entry.name == NEWEST_MANIFEST;
            if !is_ended && entry.name != manifest_name(number) {
                return Err(misplaced(entry));
            }
            if number > MAX_LAYERS {
                let limit = MAX_LAYERS as u64;
                return Err(AsicError::TooManyTimeStamps { limit });
            }
            let token = rest
                .next()
                .filter(|token| token.name == token_name(number))
                .ok_or_else(|| AsicError::SignatureMissing {
                    manifest: entry.name.clone(),
                    signature: token_name(number),
                })?;
            let layer = read_layer(reader, entry, token)?;
            check_coverage(&layer, &covered, layers.last())?;
            layers.push(layer);
            covered.push(&entry.name);
            covered.push(&token.name);
        } else {
            covered.push(&entry.name);
        }
    }
    if is_ended {
        Ok(layers)
    } else {
        Err(AsicError::ManifestMissing)
    }
}

fn read_layer<R: Read + Seek>(
    reader: &mut R,
    manifest: &StoredEntry,
    token: &StoredEntry,
) -> Result<ArchiveLayer, AsicError> {
    let manifest_name = manifest.name.clone();
    let manifest_bytes = read_small(reader, manifest)?;
    let read = Manifest::parse_within(&manifest_bytes, MANIFEST_LIMITS);
    let read = read.map_err(|source| AsicError::Manifest {
        manifest: manifest_name.clone(),
        source,
    })?;
    let mut references = read.references.iter();
    let plain = references.all(|one| {
        let given = one.media_type.as_deref();
        given.is_some_and(|given| match media_type_of(&one.name) {
            Some(only) => given == only,
            None => is_media_type(given),
        })
    });
    if !plain || read.signature_name != token.name || read.render().as_bytes() != manifest_bytes {
        return Err(AsicError::NotCanonical {
            deviation: Deviation::ManifestForm {
                manifest: manifest_name,
            },
        });
    }
    Ok(ArchiveLayer {
        manifest_name,
        manifest_bytes,
        manifest: read,
        token_name: token.name.clone(),
        token: read_small(reader, token)?,
    })
}

/// The only media type of what every archive has.
fn media_type_of(name: &str) -> Option<&'static str> {
    match name {
        INNER_NAME => Some(MIMETYPE),
        _ if !name.starts_with("META-INF/") => None,
        _ if name.ends_with(".tst") => Some(TOKEN_MEDIA_TYPE),
        _ => Some(MANIFEST_MEDIA_TYPE),
    }
}

/// A manifest lists exactly what lies before it, in that order, and marks the manifest before it.
fn check_coverage(
    layer: &ArchiveLayer,
    covered: &[&str],
    before: Option<&ArchiveLayer>,
) -> Result<(), AsicError> {
    let references = &layer.manifest.references;
    let marked = before.map(|before| before.manifest_name.as_str());
    let mut named = references.iter().map(|reference| &reference.name);
    let in_order = named.by_ref().eq(covered.iter().copied())
        && references
            .iter()
            .all(|one| one.rootfile == (marked == Some(one.name.as_str())));
    if in_order {
        return Ok(());
    }
    let manifest = layer.manifest_name.clone();
    let named: HashSet<&str> = references.iter().map(|one| one.name.as_str()).collect();
    match covered.iter().find(|name| !named.contains(*name)) {
        Some(name) => Err(AsicError::FileNotInManifest {
            manifest,
            name: (*name).to_owned(),
        }),
        None => Err(AsicError::NotCanonical {
            deviation: Deviation::ManifestOrder { manifest },
        }),
    }
}
