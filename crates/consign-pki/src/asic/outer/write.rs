//! Writing an outer container, and renewing one.

use std::io::{Read, Seek, SeekFrom, Write};

use super::super::archive::{ArchiveWriter, StoredEntry, Written};
use super::super::digest::DigestAlgorithm;
use super::super::error::AsicError;
use super::super::manifest::{Manifest, Reference};
use super::super::name::{NameRule, classify, is_media_type};
use super::super::writer::render;
use super::super::{Budget, MANIFEST_MEDIA_TYPE, MIMETYPE, MIMETYPE_NAME, TOKEN_MEDIA_TYPE};
use super::{
    ArchiveLayer, INNER_NAME, MANIFEST_LIMITS, MAX_ENTRIES, MAX_LAYERS, META_INF_TOTAL_BYTES,
    NEWEST_MANIFEST, OuterContainer, manifest_name, token_name,
};

/// Writes one outer container, streaming: what was there, files, then a manifest and its
/// time-stamp.
#[derive(Debug)]
pub struct OuterWriter<W> {
    archive: ArchiveWriter<W>,
    algorithm: DigestAlgorithm,
    references: Vec<Reference>,
    /// Of the manifest to come.
    number: usize,
    /// Bytes that a reader holds in memory: all but the files.
    kept: u64,
}

/// An outer container that lacks only its newest time-stamp.
#[derive(Debug)]
pub struct Unstamped<W> {
    archive: ArchiveWriter<W>,
    manifest: String,
    number: usize,
    kept: u64,
}

impl<W: Write + Seek> OuterWriter<W> {
    /// Begins the archive of a document, whose container is copied in as it is.
    ///
    /// # Errors
    ///
    /// The output is not empty, the container is too large for a zip around it, I/O.
    pub fn begin(
        out: W,
        container: impl Read,
        algorithm: DigestAlgorithm,
    ) -> Result<Self, AsicError> {
        let mut writer = Self::empty(out, algorithm, 1)?;
        writer.add_file(INNER_NAME, MIMETYPE, container)?;
        Ok(writer)
    }

    /// Begins a renewal: copies all that is in an earlier archive, each entry as it is, and
    /// digests it anew. What is there should have been checked before
    /// ([`OuterContainer::check_digests`]).
    ///
    /// # Errors
    ///
    /// The output is not empty, content is not as declared, as many manifests as there may be, I/O.
    pub fn renew<R: Read + Seek>(
        out: W,
        earlier: &mut OuterContainer<R>,
        algorithm: DigestAlgorithm,
    ) -> Result<Self, AsicError> {
        let (reader, entries, layers) = earlier.parts();
        let last = layers.last().ok_or(AsicError::ManifestMissing)?;
        let number = layers.len();
        if number >= MAX_LAYERS {
            let limit = MAX_LAYERS as u64;
            return Err(AsicError::TooManyTimeStamps { limit });
        }
        let mut writer = Self::empty(out, algorithm, number + 1)?;
        let copied = entries.iter().skip(1).zip(described(last, number));
        for (entry, described) in copied {
            let written = writer.add(described, stored(reader, entry)?)?;
            if written.crc32 != entry.crc32 || written.size != entry.size {
                let name = entry.name.clone();
                return Err(AsicError::CrcMismatch { name });
            }
            if !entry.kind.is_document_file() {
                writer.kept += entry.size;
            }
        }
        Ok(writer)
    }

    /// Adds a file; its name may have folders.
    ///
    /// # Errors
    ///
    /// A name or media type that is not allowed, a name that is taken, a limit of the form, I/O.
    pub fn add_file(
        &mut self,
        name: &str,
        media_type: &str,
        content: impl Read,
    ) -> Result<(), AsicError> {
        let bad = |rule| AsicError::BadName {
            name: name.to_owned(),
            rule,
        };
        if !classify(name).map_err(bad)?.is_document_file() {
            return Err(bad(NameRule::Reserved));
        }
        if !is_media_type(media_type) {
            let (name, media_type) = (name.to_owned(), media_type.to_owned());
            return Err(AsicError::BadMediaType { name, media_type });
        }
        let described = Described {
            name: name.to_owned(),
            media_type: media_type.to_owned(),
            rootfile: false,
        };
        self.add(described, content).map(drop)
    }

    /// Writes the manifest. Its bytes are what is to be stamped.
    ///
    /// # Errors
    ///
    /// An earlier failure, a limit of the form, I/O.
    pub fn complete(self) -> Result<Unstamped<W>, AsicError> {
        let mut archive = self.archive;
        archive.check_complete()?;
        let manifest = Manifest {
            signature_name: token_name(self.number),
            references: self.references,
        };
        let manifest = render(&manifest, NEWEST_MANIFEST, MANIFEST_LIMITS)?;
        let kept = self.kept + manifest.len() as u64;
        check_kept(kept)?;
        archive.add(NEWEST_MANIFEST, manifest.as_bytes(), self.algorithm)?;
        Ok(Unstamped {
            archive,
            manifest,
            number: self.number,
            kept,
        })
    }

    /// As if it held so many bytes; and how many it does.
    #[cfg(test)]
    pub(super) fn holding(mut self, kept: u64) -> (u64, Self) {
        (std::mem::replace(&mut self.kept, kept), self)
    }

    fn empty(out: W, algorithm: DigestAlgorithm, number: usize) -> Result<Self, AsicError> {
        let mut archive = ArchiveWriter::new(out)?;
        archive.add(MIMETYPE_NAME, MIMETYPE.as_bytes(), algorithm)?;
        Ok(Self {
            archive,
            algorithm,
            references: Vec::new(),
            number,
            kept: MIMETYPE.len() as u64,
        })
    }

    fn add(&mut self, described: Described, content: impl Read) -> Result<Written, AsicError> {
        // Manifest and token are to follow.
        let count = self.archive.entries() + 3;
        if count > MAX_ENTRIES {
            return Err(AsicError::TooManyEntries {
                count: count as u64,
                limit: MAX_ENTRIES as u64,
            });
        }
        let written = self.archive.add(&described.name, content, self.algorithm)?;
        self.references.push(Reference {
            name: described.name,
            media_type: Some(described.media_type),
            rootfile: described.rootfile,
            algorithm: self.algorithm,
            digest: written.digest.as_ref().to_vec(),
        });
        Ok(written)
    }
}

impl<W: Write + Seek> Unstamped<W> {
    /// What the time-stamp is to be over.
    pub fn manifest(&self) -> &[u8] {
        self.manifest.as_bytes()
    }

    /// Adds the token over the manifest, which is not judged here, and ends the container. The
    /// output is flushed, not synced.
    ///
    /// # Errors
    ///
    /// A token of no or too many bytes, a limit of the form, I/O.
    pub fn finish(mut self, token: &[u8]) -> Result<W, AsicError> {
        let limit = Budget::default().meta_inf_file_bytes;
        if token.is_empty() || token.len() as u64 > limit {
            return Err(AsicError::BadSignatureSize { limit });
        }
        check_kept(self.kept + token.len() as u64)?;
        let algorithm = DigestAlgorithm::Sha256;
        self.archive
            .add(&token_name(self.number), token, algorithm)?;
        self.archive.finish()
    }
}

/// Refuses what no reader would take.
fn check_kept(kept: u64) -> Result<(), AsicError> {
    if kept > META_INF_TOTAL_BYTES {
        let limit = META_INF_TOTAL_BYTES;
        return Err(AsicError::MetaInfTooLarge { limit });
    }
    Ok(())
}

/// What a manifest says of an entry besides its digest.
struct Described {
    name: String,
    media_type: String,
    rootfile: bool,
}

/// All entries that a renewal copies, in their order, under the names that they have from now on.
fn described(last: &ArchiveLayer, number: usize) -> impl Iterator<Item = Described> + '_ {
    let before = last.manifest.references.iter().map(|one| Described {
        name: one.name.clone(),
        media_type: one.media_type.clone().unwrap_or_default(),
        rootfile: false,
    });
    let manifest = Described {
        name: manifest_name(number),
        media_type: MANIFEST_MEDIA_TYPE.to_owned(),
        rootfile: true,
    };
    let token = Described {
        name: last.token_name.clone(),
        media_type: TOKEN_MEDIA_TYPE.to_owned(),
        rootfile: false,
    };
    before.chain([manifest, token])
}

fn stored<'a, R: Read + Seek>(
    reader: &'a mut R,
    entry: &StoredEntry,
) -> Result<impl Read + use<'a, R>, AsicError> {
    reader.seek(SeekFrom::Start(entry.data_start))?;
    Ok(reader.take(entry.size))
}
