//! Compares the files with the manifests, in one pass over the container.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::io::{Read, Seek};

use aws_lc_rs::digest::Context;

use super::archive::{Directory, StoredEntry, stream};
use super::digest::DigestAlgorithm;
use super::error::AsicError;
use super::manifest::Manifest;

/// What the manifests say about the files, signature by signature.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct DigestReport {
    /// SHA-256 of each file of the document, in the container's order.
    pub files: Vec<FileHash>,
    /// One for each signature, in the order of [`Container::signatures`](super::Container::signatures).
    pub layers: Vec<LayerDigests>,
}

/// A file of the document with its SHA-256.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FileHash {
    /// Its name.
    pub name: String,
    /// Its size in bytes.
    pub size: u64,
    /// Its SHA-256.
    pub sha256: [u8; 32],
}

/// How one manifest compares with the container.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct LayerDigests {
    /// The manifest.
    pub manifest_name: String,
    /// One for each reference, in the manifest's order.
    pub references: Vec<ReferenceResult>,
    /// Files of the document that the manifest does not name: not signed by this signer.
    pub unsigned_files: Vec<String>,
}

/// How one reference compares with the file it names.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ReferenceResult {
    /// The name that the manifest refers to.
    pub name: String,
    /// How it compares.
    pub outcome: ReferenceOutcome,
}

/// How a reference compares with the file it names.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ReferenceOutcome {
    /// The file has the digest of the manifest.
    Matches,
    /// The file is another one.
    Differs,
    /// There is no such file.
    Missing,
}

impl DigestReport {
    /// The hashes, if every manifest covers every file and all digests match.
    ///
    /// # Errors
    ///
    /// The first difference, with the names of manifest and file.
    pub fn into_result(self) -> Result<Vec<FileHash>, AsicError> {
        match self.layers.iter().find_map(LayerDigests::first_fault) {
            Some(fault) => Err(fault),
            None => Ok(self.files),
        }
    }
}

impl LayerDigests {
    /// The first difference between this manifest and the container, if there is any.
    pub fn first_fault(&self) -> Option<AsicError> {
        let manifest = || self.manifest_name.clone();
        let reference = self.references.iter().find_map(|reference| {
            let name = reference.name.clone();
            match reference.outcome {
                ReferenceOutcome::Matches => None,
                ReferenceOutcome::Differs => Some(AsicError::DigestMismatch {
                    manifest: manifest(),
                    name,
                }),
                ReferenceOutcome::Missing => Some(AsicError::ReferenceMissing {
                    manifest: manifest(),
                    name,
                }),
            }
        });
        reference.or_else(|| {
            let name = self.unsigned_files.first()?.clone();
            Some(AsicError::FileNotInManifest {
                manifest: manifest(),
                name,
            })
        })
    }
}

/// A manifest by its name.
pub(super) type Named<'a> = (&'a str, &'a Manifest);

/// Hashes every entry that matters, once, with each algorithm that a manifest asks for.
pub(super) fn check<R: Read + Seek>(
    reader: &mut R,
    directory: &Directory,
    manifests: &[Named<'_>],
) -> Result<DigestReport, AsicError> {
    let wanted = wanted_algorithms(manifests);
    let mut digests: HashMap<&str, BTreeMap<DigestAlgorithm, Vec<u8>>> = HashMap::new();
    let mut files = Vec::new();
    for entry in &directory.entries {
        let mut algorithms = wanted.get(entry.name.as_str()).cloned().unwrap_or_default();
        if entry.kind.is_document_file() {
            algorithms.insert(DigestAlgorithm::Sha256);
        }
        if algorithms.is_empty() {
            continue;
        }
        let found = hash(reader, entry, &algorithms)?;
        if entry.kind.is_document_file()
            && let Some(sha256) = found.get(&DigestAlgorithm::Sha256)
            && let Ok(sha256) = sha256.as_slice().try_into()
        {
            files.push(FileHash {
                name: entry.name.clone(),
                size: entry.size,
                sha256,
            });
        }
        digests.insert(&entry.name, found);
    }
    let layers = manifests
        .iter()
        .map(|manifest| compare(*manifest, &files, &digests))
        .collect();
    Ok(DigestReport { files, layers })
}

fn wanted_algorithms<'a>(manifests: &[Named<'a>]) -> HashMap<&'a str, BTreeSet<DigestAlgorithm>> {
    let mut wanted: HashMap<&str, BTreeSet<DigestAlgorithm>> = HashMap::new();
    let references = manifests
        .iter()
        .flat_map(|(_, manifest)| &manifest.references);
    for reference in references {
        wanted
            .entry(&reference.name)
            .or_default()
            .insert(reference.algorithm);
    }
    wanted
}

fn hash<R: Read + Seek>(
    reader: &mut R,
    entry: &StoredEntry,
    algorithms: &BTreeSet<DigestAlgorithm>,
) -> Result<BTreeMap<DigestAlgorithm, Vec<u8>>, AsicError> {
    let mut contexts: Vec<(DigestAlgorithm, Context)> = algorithms
        .iter()
        .map(|algorithm| (*algorithm, algorithm.context()))
        .collect();
    stream(reader, entry, &mut |piece| {
        for (_, context) in &mut contexts {
            context.update(piece);
        }
        Ok(())
    })?;
    let digests = contexts
        .into_iter()
        .map(|(algorithm, context)| (algorithm, context.finish().as_ref().to_vec()));
    Ok(digests.collect())
}

fn compare(
    (name, manifest): Named<'_>,
    files: &[FileHash],
    digests: &HashMap<&str, BTreeMap<DigestAlgorithm, Vec<u8>>>,
) -> LayerDigests {
    let references = &manifest.references;
    let results = references.iter().map(|reference| {
        let outcome = match digests.get(reference.name.as_str()) {
            None => ReferenceOutcome::Missing,
            Some(found) if found.get(&reference.algorithm) == Some(&reference.digest) => {
                ReferenceOutcome::Matches
            }
            Some(_) => ReferenceOutcome::Differs,
        };
        ReferenceResult {
            name: reference.name.clone(),
            outcome,
        }
    });
    let named: BTreeSet<&str> = references.iter().map(|r| r.name.as_str()).collect();
    let unsigned = files
        .iter()
        .filter(|file| !named.contains(file.name.as_str()));
    LayerDigests {
        manifest_name: name.to_owned(),
        references: results.collect(),
        unsigned_files: unsigned.map(|file| file.name.clone()).collect(),
    }
}
