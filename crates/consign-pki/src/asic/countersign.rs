//! Adds a further signer to a container that exists.

use std::io::{Read, Seek, Write};

use super::archive::ArchiveWriter;
use super::budget::Budget;
use super::container::Container;
use super::digest::{DigestAlgorithm, finish_sha256};
use super::error::{AsicError, SealError};
use super::layers::SignatureLayer;
use super::manifest::Reference;
use super::writer::{add_layer, reference};
use super::{MANIFEST_MEDIA_TYPE, SIGNATURE_MEDIA_TYPE};

/// Copies a canonical container to `out` and adds a manifest and a signature that cover all of
/// its files and all earlier manifests and signatures. What was there keeps its bytes.
///
/// The container is checked first: nobody signs below a layer that does not hold together. The
/// earlier signatures themselves are for the caller to judge.
///
/// # Errors
///
/// The container is not canonical or its digests do not match; a limit of the profile; the output
/// is not empty; what `sign` returns; I/O.
pub fn add_signature<R: Read + Seek, W: Write + Seek, E>(
    reader: R,
    out: W,
    budget: &Budget,
    sign: impl FnOnce(&[u8]) -> Result<Vec<u8>, E>,
) -> Result<W, SealError<E>> {
    let mut container = Container::open_canonical(reader, budget)?;
    container.check_digests()?.into_result()?;
    let (reader, directory, layers) = container.parts();
    let references = references(layers)?;
    let mut archive = ArchiveWriter::new(out)?;
    archive.adopt(reader, directory)?;
    add_layer(archive, layers.len() + 1, references, sign)
}

/// What the last manifest covers, and that manifest and its signature.
///
/// The digests are those of the manifest, which have just been found to match.
fn references(layers: &[SignatureLayer]) -> Result<Vec<Reference>, AsicError> {
    let last = layers.last().ok_or(AsicError::ManifestMissing)?;
    let mut references = last.manifest.references.clone();
    let added = [
        (
            &last.manifest_name,
            MANIFEST_MEDIA_TYPE,
            &last.manifest_bytes,
        ),
        (
            &last.signature_name,
            SIGNATURE_MEDIA_TYPE,
            &last.signature_bytes,
        ),
    ];
    for (name, media_type, bytes) in added {
        let mut sha256 = DigestAlgorithm::Sha256.context();
        sha256.update(bytes);
        references.push(reference(name, media_type, false, finish_sha256(sha256)));
    }
    Ok(references)
}
