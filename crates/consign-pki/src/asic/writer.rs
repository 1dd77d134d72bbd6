//! Writes a container of the canonical profile, streaming.

use std::io::{Read, Seek, Write};

use super::archive::ArchiveWriter;
use super::budget::Budget;
use super::digest::{DigestAlgorithm, sha256_bytes};
use super::error::{AsicError, SealError};
use super::manifest::{self, Manifest, ManifestError, Reference};
use super::name::{check_file_name, is_media_type, manifest_name, signature_name};
use super::profile::Deviation;
use super::{DOCUMENT_NAME, MAX_ENTRIES, MIMETYPE, MIMETYPE_NAME};

/// All that the canonical profile uses.
const SHA256: DigestAlgorithm = DigestAlgorithm::Sha256;

/// Writes one container: `document.json`, the main file, attachments, then the signature.
///
/// Each file is read once and goes straight to the output, so memory does not grow with it.
#[derive(Debug)]
pub struct ContainerWriter<W> {
    archive: ArchiveWriter<W>,
    files: Vec<FileDigest>,
}

/// A file that has been written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FileDigest {
    /// Its name in the container.
    pub name: String,
    /// Its media type, as the manifest will state it.
    pub media_type: String,
    /// Its SHA-256.
    pub sha256: [u8; 32],
    /// Its size in bytes.
    pub size: u64,
}

impl<W: Write + Seek> ContainerWriter<W> {
    /// Begins a container in an empty output. Give a buffered writer: headers are small writes.
    ///
    /// # Errors
    ///
    /// The output is not empty, I/O.
    pub fn new(out: W) -> Result<Self, AsicError> {
        let mut archive = ArchiveWriter::new(out)?;
        archive.add(MIMETYPE_NAME, MIMETYPE.as_bytes(), SHA256)?;
        Ok(Self {
            archive,
            files: Vec::new(),
        })
    }

    /// Copies a file in. The first is `document.json`, the second the main file.
    ///
    /// After a failure while copying, the output is incomplete and only good to be discarded.
    ///
    /// # Errors
    ///
    /// A name or media type that is not allowed, a name that is taken, another first file than
    /// `document.json`, a limit of the profile, I/O.
    pub fn add_file(
        &mut self,
        name: &str,
        media_type: &str,
        content: impl Read,
    ) -> Result<FileDigest, AsicError> {
        check_file_name(name).map_err(|rule| AsicError::BadName {
            name: name.to_owned(),
            rule,
        })?;
        if !is_media_type(media_type) {
            let (name, media_type) = (name.to_owned(), media_type.to_owned());
            return Err(AsicError::BadMediaType { name, media_type });
        }
        if self.files.is_empty() && name != DOCUMENT_NAME {
            return Err(AsicError::NotCanonical {
                deviation: Deviation::DocumentMissing,
            });
        }
        check_room(&self.archive, 3)?;
        let written = self.archive.add(name, content, SHA256)?;
        let file = FileDigest {
            name: name.to_owned(),
            media_type: media_type.to_owned(),
            sha256: sha256_bytes(&written.digest),
            size: written.size,
        };
        self.files.push(file.clone());
        Ok(file)
    }

    /// Writes the manifest, has `sign` make a detached CMS over its exact bytes, and ends the
    /// container. The output is flushed, not synced.
    ///
    /// # Errors
    ///
    /// No main file, an earlier failure, what `sign` returns, I/O.
    pub fn finish_signed<E>(
        self,
        sign: impl FnOnce(&[u8]) -> Result<Vec<u8>, E>,
    ) -> Result<W, SealError<E>> {
        if self.files.len() < 2 {
            let deviation = if self.files.is_empty() {
                Deviation::DocumentMissing
            } else {
                Deviation::MainFileMissing
            };
            return Err(AsicError::NotCanonical { deviation }.into());
        }
        let references =
            self.files.iter().enumerate().map(|(place, file)| {
                reference(&file.name, &file.media_type, place == 1, file.sha256)
            });
        add_layer(self.archive, 1, references.collect(), sign)
    }
}

/// A reference as the canonical profile has it.
pub(super) fn reference(
    name: &str,
    media_type: &str,
    rootfile: bool,
    sha256: [u8; 32],
) -> Reference {
    Reference {
        name: name.to_owned(),
        media_type: Some(media_type.to_owned()),
        rootfile,
        algorithm: DigestAlgorithm::Sha256,
        digest: sha256.to_vec(),
    }
}

/// Adds manifest and signature `number` and ends the container.
pub(super) fn add_layer<W: Write + Seek, E>(
    mut archive: ArchiveWriter<W>,
    number: usize,
    references: Vec<Reference>,
    sign: impl FnOnce(&[u8]) -> Result<Vec<u8>, E>,
) -> Result<W, SealError<E>> {
    archive.check_complete()?;
    check_room(&archive, 2)?;
    let manifest = Manifest {
        signature_name: signature_name(number),
        references,
    };
    let text = render(&manifest, &manifest_name(number), manifest::LIMITS)?;
    let signature = sign(text.as_bytes()).map_err(SealError::Sign)?;
    let limit = Budget::default().meta_inf_file_bytes;
    if signature.is_empty() || signature.len() as u64 > limit {
        return Err(AsicError::BadSignatureSize { limit }.into());
    }
    archive.add(&manifest_name(number), text.as_bytes(), SHA256)?;
    archive.add(&signature_name(number), signature.as_slice(), SHA256)?;
    Ok(archive.finish()?)
}

/// The text of a manifest, if a reader will take it.
pub(super) fn render(
    manifest: &Manifest,
    name: &str,
    limits: manifest::Limits,
) -> Result<String, AsicError> {
    let text = manifest.render();
    if text.len() <= limits.bytes {
        return Ok(text);
    }
    let (size, limit) = (text.len(), limits.bytes);
    Err(AsicError::Manifest {
        manifest: name.to_owned(),
        source: ManifestError::TooLarge { size, limit },
    })
}

fn check_room<W: Write + Seek>(archive: &ArchiveWriter<W>, more: usize) -> Result<(), AsicError> {
    let count = archive.entries() + more;
    if count > MAX_ENTRIES {
        return Err(AsicError::TooManyEntries {
            count: count as u64,
            limit: MAX_ENTRIES as u64,
        });
    }
    Ok(())
}
