//! What `--trust` names: a trust file with its directory beside it, or roots alone.

use std::path::{Path, PathBuf};

use consign_domain::ErrorCode;
use consign_node::directory_files;
use consign_pki::certificate;
use consign_pki::path::{MAX_INTERMEDIATES, MAX_REVOCATION_LIST, MAX_REVOCATION_LISTS, revocation};
use consign_runtime::files;
use consign_verify::trust::MAX_TRUST;
use consign_verify::{Directory, TrustStore};

use crate::commands::absolute;
use crate::failure::Failure;

/// What a verdict rests on.
#[derive(Debug)]
pub(crate) struct Trust {
    path: PathBuf,
    roots: Vec<Vec<u8>>,
    lists: Vec<Vec<u8>>,
    /// Those of the trust file among them.
    time_stamp_roots: Vec<Vec<u8>>,
    /// Of those who sign documents, besides the network's.
    document_roots: Vec<Vec<u8>>,
    /// Of authorities between signers and roots.
    certificates: Vec<Vec<u8>>,
    store: Option<TrustStore>,
    directory: Option<Directory>,
}

impl Trust {
    /// Reads `trust.json` and the newest directory and revocation lists beside it, or
    /// certificates in PEM.
    pub(crate) fn load(path: &Path) -> Result<Self, Failure> {
        let bytes = files::read_bounded(path, MAX_TRUST)?;
        let path = absolute(path);
        if bytes.trim_ascii_start().starts_with(b"{") {
            Self::of_store(path, &bytes)
        } else {
            Self::of_roots(path, &bytes)
        }
    }

    /// With more revocation lists.
    pub(crate) fn with_lists(mut self, paths: &[PathBuf]) -> Result<Self, Failure> {
        for path in paths {
            self.lists.push(read_list(path)?);
        }
        Ok(self)
    }

    /// With more roots of time-stamp authorities.
    pub(crate) fn with_time_stamp_roots(mut self, paths: &[PathBuf]) -> Result<Self, Failure> {
        for path in paths {
            let bytes = files::read_bounded(path, MAX_TRUST)?;
            self.time_stamp_roots.extend(read_roots(path, &bytes)?);
        }
        Ok(self)
    }

    /// With more roots of those who sign documents.
    pub(crate) fn with_document_roots(mut self, paths: &[PathBuf]) -> Result<Self, Failure> {
        for path in paths {
            let bytes = files::read_bounded(path, MAX_TRUST)?;
            self.document_roots.extend(read_roots(path, &bytes)?);
        }
        Ok(self)
    }

    /// With certificates that may stand between a signer and a root.
    pub(crate) fn with_certificates(mut self, paths: &[PathBuf]) -> Result<Self, Failure> {
        let fix = "name certificates between signers and their roots, in PEM";
        for path in paths {
            let bytes = files::read_bounded(path, MAX_TRUST)?;
            self.certificates
                .extend(read_certificates(path, &bytes, fix)?);
        }
        let count = self.certificates.len();
        if count > MAX_INTERMEDIATES {
            let message =
                format!("{count} certificates, of which {MAX_INTERMEDIATES} are looked at");
            return Err(Failure::usage(message, "name those that are needed"));
        }
        Ok(self)
    }

    fn of_store(path: PathBuf, bytes: &[u8]) -> Result<Self, Failure> {
        let store = TrustStore::parse(bytes).map_err(|error| {
            Failure::of(ErrorCode::Usage, &error)
                .fix("name the trust.json that the authority published")
        })?;
        let beside = path.with_file_name("directory");
        let directory = directory_files::newest(&beside, &store).map_err(|error| {
            Failure::of(ErrorCode::SignatureInvalid, &error)
                .fix("take trust.json and directory/ from the authority again")
        })?;
        Ok(Self {
            roots: store.roots().to_vec(),
            lists: lists_in(&path.with_file_name("crl")),
            path,
            time_stamp_roots: store.time_stamp_roots().to_vec(),
            document_roots: store.document_roots().to_vec(),
            certificates: Vec::new(),
            store: Some(store),
            directory,
        })
    }

    fn of_roots(path: PathBuf, bytes: &[u8]) -> Result<Self, Failure> {
        let roots = read_roots(&path, bytes)?;
        Ok(Self {
            document_roots: Vec::new(),
            certificates: Vec::new(),
            roots,
            path,
            lists: Vec::new(),
            time_stamp_roots: Vec::new(),
            store: None,
            directory: None,
        })
    }

    /// Where it was read.
    pub(crate) fn path(&self) -> &Path {
        &self.path
    }

    /// The roots of seals.
    pub(crate) fn roots(&self) -> &[Vec<u8>] {
        &self.roots
    }

    /// Roots of time-stamp authorities besides those of seals.
    pub(crate) fn time_stamp_roots(&self) -> &[Vec<u8>] {
        &self.time_stamp_roots
    }

    /// Roots of those who sign documents, besides the network's.
    pub(crate) fn document_roots(&self) -> &[Vec<u8>] {
        &self.document_roots
    }

    /// Certificates that may stand between a signer and a root.
    pub(crate) fn certificates(&self) -> &[Vec<u8>] {
        &self.certificates
    }

    /// Revocation lists: those in `crl/` beside the trust file, and what was named besides.
    pub(crate) fn lists(&self) -> &[Vec<u8>] {
        &self.lists
    }

    /// The trust file, if it was one.
    pub(crate) const fn store(&self) -> Option<&TrustStore> {
        self.store.as_ref()
    }

    /// The directory, if one lies beside the trust file.
    pub(crate) const fn directory(&self) -> Option<&Directory> {
        self.directory.as_ref()
    }
}

fn read_roots(path: &Path, bytes: &[u8]) -> Result<Vec<Vec<u8>>, Failure> {
    let fix = "name a trust.json, or root certificates in PEM";
    read_certificates(path, bytes, fix)
}

fn read_certificates(path: &Path, bytes: &[u8], fix: &str) -> Result<Vec<Vec<u8>>, Failure> {
    let text = std::str::from_utf8(bytes)
        .map_err(|_| Failure::usage(format!("{} is not PEM", path.display()), fix))?;
    let certificates = certificate::read_bundle(text).map_err(|error| {
        let cause = crate::failure::with_causes(&error);
        Failure::usage(format!("{}: {cause}", path.display()), fix)
    })?;
    if certificates.is_empty() {
        let message = format!("{} has no certificate", path.display());
        return Err(Failure::usage(message, fix));
    }
    Ok(certificates)
}

/// The lists that lie in a directory, if it is there; as many as are looked at, the network's own
/// first. One that cannot be read is passed over, as nodes do: what it would say is not known.
fn lists_in(directory: &Path) -> Vec<Vec<u8>> {
    let Ok(entries) = std::fs::read_dir(directory) else {
        return Vec::new();
    };
    let paths = entries.flatten().map(|entry| entry.path());
    let mut paths: Vec<_> = paths
        .filter(|path| path.extension().is_some_and(|end| end == "crl"))
        .collect();
    let is_own = |path: &Path| path.ends_with("root.crl") || path.ends_with("issuing.crl");
    paths.sort_by_key(|path| (!is_own(path), path.clone()));
    let lists = paths.iter().filter_map(|path| read_list(path).ok());
    lists.take(MAX_REVOCATION_LISTS).collect()
}

fn read_list(path: &Path) -> Result<Vec<u8>, Failure> {
    let bytes = files::read_bounded(path, 2 * MAX_REVOCATION_LIST)?;
    revocation::read_list(bytes).map_err(|error| {
        let cause = crate::failure::with_causes(&error);
        let message = format!("{}: {cause}", path.display());
        Failure::usage(message, "name a revocation list, DER or PEM")
    })
}
