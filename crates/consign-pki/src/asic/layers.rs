//! The signature layers of a container: which manifest, which signature, in which order.

use std::collections::HashSet;
use std::io::{Read, Seek};

use super::archive::{Directory, StoredEntry, stream};
use super::budget::Budget;
use super::digest::DigestAlgorithm;
use super::error::AsicError;
use super::manifest::Manifest;
use super::name::{NameKind, is_media_type, manifest_name, signature_name};
use super::profile::{Deviation, Judge};
use super::{DOCUMENT_NAME, MIMETYPE};

/// One signature with what it signs. Whether it is good is not judged here.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SignatureLayer {
    /// The entry of the manifest.
    pub manifest_name: String,
    /// The exact bytes of the manifest: what is signed.
    pub manifest_bytes: Vec<u8>,
    /// What these bytes say.
    pub manifest: Manifest,
    /// The entry of the signature.
    pub signature_name: String,
    /// The detached CMS.
    pub signature_bytes: Vec<u8>,
}

/// Checks the order of entries and the content of `mimetype`, and reads all layers.
pub(super) fn read_layers<R: Read + Seek>(
    reader: &mut R,
    directory: &Directory,
    budget: &Budget,
    judge: &mut Judge,
) -> Result<Vec<SignatureLayer>, AsicError> {
    let entries: Vec<&StoredEntry> = directory
        .entries
        .iter()
        .filter(|entry| entry.kind != NameKind::Folder)
        .collect();
    check_mimetype(reader, &entries, judge)?;
    check_order(&entries, judge)?;
    check_meta_inf(&entries, budget)?;
    let mut layers: Vec<SignatureLayer> = Vec::new();
    let mut claimed = HashSet::new();
    for entry in entries
        .iter()
        .filter(|entry| entry.kind == NameKind::Manifest)
    {
        let layer = read_layer(reader, entry, &entries, &mut claimed)?;
        check_form(&layer, layers.len() + 1, judge)?;
        if judge.is_canonical() {
            check_coverage(&layer, &entries, &layers, judge)?;
        }
        layers.push(layer);
    }
    let unclaimed = entries
        .iter()
        .find(|entry| entry.kind == NameKind::Signature && !claimed.contains(&entry.name));
    if let Some(entry) = unclaimed {
        judge.deviation(Deviation::MetaInfUnexpected {
            name: entry.name.clone(),
        })?;
    }
    Ok(layers)
}

/// Reads an entry that is known to be small.
pub(super) fn read_small<R: Read + Seek>(
    reader: &mut R,
    entry: &StoredEntry,
) -> Result<Vec<u8>, AsicError> {
    let mut bytes = Vec::new();
    stream(reader, entry, &mut |piece| {
        bytes.extend_from_slice(piece);
        Ok(())
    })?;
    Ok(bytes)
}

pub(super) fn check_mimetype<R: Read + Seek>(
    reader: &mut R,
    entries: &[&StoredEntry],
    judge: &mut Judge,
) -> Result<(), AsicError> {
    let Some(place) = entries
        .iter()
        .position(|entry| entry.kind == NameKind::Mimetype)
    else {
        return judge.deviation(Deviation::MimetypeMissing);
    };
    if place != 0 {
        judge.deviation(Deviation::MimetypeNotFirst)?;
    }
    let Some(entry) = entries.get(place) else {
        return Ok(());
    };
    if entry.size != MIMETYPE.len() as u64 || read_small(reader, entry)? != MIMETYPE.as_bytes() {
        return Err(AsicError::MimetypeWrong);
    }
    Ok(())
}

/// `mimetype`, `document.json`, main file, attachments, then manifests and signatures in turn.
fn check_order(entries: &[&StoredEntry], judge: &mut Judge) -> Result<(), AsicError> {
    if entries
        .get(1)
        .is_none_or(|entry| entry.name != DOCUMENT_NAME)
    {
        judge.deviation(Deviation::DocumentMissing)?;
    } else if entries
        .get(2)
        .is_none_or(|entry| !entry.kind.is_document_file())
    {
        judge.deviation(Deviation::MainFileMissing)?;
    }
    let layered = entries
        .iter()
        .skip_while(|entry| entry.kind == NameKind::Mimetype || entry.kind.is_document_file());
    for (place, entry) in layered.enumerate() {
        let number = place / 2 + 1;
        let expected = if place % 2 == 0 {
            manifest_name(number)
        } else {
            signature_name(number)
        };
        if entry.name != expected {
            return judge.deviation(Deviation::LayerOrder {
                name: entry.name.clone(),
            });
        }
    }
    Ok(())
}

/// Limits on what the layers will hold in memory.
fn check_meta_inf(entries: &[&StoredEntry], budget: &Budget) -> Result<(), AsicError> {
    let manifests = entries
        .iter()
        .filter(|entry| entry.kind == NameKind::Manifest)
        .count();
    if manifests == 0 {
        return Err(AsicError::ManifestMissing);
    }
    if manifests > budget.signatures {
        return Err(AsicError::TooManySignatures {
            limit: budget.signatures as u64,
        });
    }
    let total: u64 = entries
        .iter()
        .filter(|entry| !entry.kind.is_document_file())
        .map(|entry| entry.size)
        .sum();
    if total > budget.meta_inf_total_bytes {
        return Err(AsicError::MetaInfTooLarge {
            limit: budget.meta_inf_total_bytes,
        });
    }
    Ok(())
}

fn read_layer<R: Read + Seek>(
    reader: &mut R,
    entry: &StoredEntry,
    entries: &[&StoredEntry],
    claimed: &mut HashSet<String>,
) -> Result<SignatureLayer, AsicError> {
    let manifest_name = entry.name.clone();
    let manifest_bytes = read_small(reader, entry)?;
    let manifest = Manifest::parse(&manifest_bytes).map_err(|source| AsicError::Manifest {
        manifest: manifest_name.clone(),
        source,
    })?;
    let signature_name = manifest.signature_name.clone();
    let Some(signature) = entries.iter().find(|entry| {
        entry.name == signature_name
            && matches!(entry.kind, NameKind::Signature | NameKind::MetaInfOther)
    }) else {
        return Err(AsicError::SignatureMissing {
            manifest: manifest_name,
            signature: signature_name,
        });
    };
    if !claimed.insert(signature_name.clone()) {
        return Err(AsicError::SignatureClaimedTwice {
            manifest: manifest_name,
            signature: signature_name,
        });
    }
    let signature_bytes = read_small(reader, signature)?;
    Ok(SignatureLayer {
        manifest_name,
        manifest_bytes,
        manifest,
        signature_name,
        signature_bytes,
    })
}

/// The canonical text, SHA-256 throughout, plain media types, and the signature of its number.
fn check_form(layer: &SignatureLayer, number: usize, judge: &mut Judge) -> Result<(), AsicError> {
    if layer.signature_name != signature_name(number) {
        judge.deviation(Deviation::LayerOrder {
            name: layer.signature_name.clone(),
        })?;
    }
    let plain = layer.manifest.references.iter().all(|reference| {
        reference.algorithm == DigestAlgorithm::Sha256
            && reference.media_type.as_deref().is_some_and(is_media_type)
    });
    if !plain || layer.manifest.render().as_bytes() != layer.manifest_bytes {
        judge.deviation(Deviation::ManifestForm {
            manifest: layer.manifest_name.clone(),
        })?;
    }
    Ok(())
}

/// A canonical manifest lists the files and all of the layers before it, and nothing else.
fn check_coverage(
    layer: &SignatureLayer,
    entries: &[&StoredEntry],
    earlier: &[SignatureLayer],
    judge: &mut Judge,
) -> Result<(), AsicError> {
    let manifest = || layer.manifest_name.clone();
    let references = &layer.manifest.references;
    let named: HashSet<&str> = references
        .iter()
        .map(|reference| reference.name.as_str())
        .collect();
    let files: Vec<&str> = entries
        .iter()
        .filter(|entry| entry.kind.is_document_file())
        .map(|entry| entry.name.as_str())
        .collect();
    if let Some(name) = files.iter().find(|name| !named.contains(*name)) {
        let name = (*name).to_owned();
        return Err(AsicError::FileNotInManifest {
            manifest: manifest(),
            name,
        });
    }
    let signed: Vec<&str> = earlier
        .iter()
        .flat_map(|layer| [layer.manifest_name.as_str(), layer.signature_name.as_str()])
        .collect();
    if let Some(name) = signed.iter().find(|name| !named.contains(*name)) {
        let name = (*name).to_owned();
        return Err(AsicError::EarlierLayerNotCovered {
            manifest: manifest(),
            name,
        });
    }
    let expected: Vec<&str> = files.into_iter().chain(signed).collect();
    let allowed: HashSet<&str> = expected.iter().copied().collect();
    if let Some(name) = named.iter().find(|name| !allowed.contains(*name)) {
        let present = entries.iter().any(|entry| entry.name == **name);
        let (manifest, name) = (manifest(), (*name).to_owned());
        return Err(if present {
            AsicError::ReferenceForbidden { manifest, name }
        } else {
            AsicError::ReferenceMissing { manifest, name }
        });
    }
    // The main file is the one after document.json.
    let in_order = references
        .iter()
        .map(|reference| reference.name.as_str())
        .eq(expected)
        && references
            .iter()
            .enumerate()
            .all(|(place, r)| r.rootfile == (place == 1));
    if !in_order {
        judge.deviation(Deviation::ManifestOrder {
            manifest: manifest(),
        })?;
    }
    Ok(())
}
