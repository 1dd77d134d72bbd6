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
    /// The revocation lists beside the trust file.
    beside: ListsBeside,
    lists_left_out: usize,
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

    /// With these revocation lists, and those in `crl/` beside the trust file as far as there is
    /// room.
    pub(crate) fn with_lists(mut self, paths: &[PathBuf]) -> Result<Self, Failure> {
        if paths.len() > MAX_REVOCATION_LISTS {
            let message = format!(
                "{} revocation lists, {MAX_REVOCATION_LISTS} at most",
                paths.len()
            );
            return Err(Failure::usage(
                message,
                "name those of the signers' authorities",
            ));
        }
        for path in paths {
            self.lists.push(read_list(path)?);
        }
        let room = MAX_REVOCATION_LISTS.saturating_sub(paths.len());
        self.lists.append(&mut self.beside.read(room)?);
        self.lists_left_out = self.beside.0.len().saturating_sub(room);
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
            lists: Vec::new(),
            beside: ListsBeside::in_directory(&path.with_file_name("crl")),
            lists_left_out: 0,
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
            beside: ListsBeside::default(),
            lists_left_out: 0,
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

    /// Revocation lists, once they were asked for: those named, and those beside the trust file.
    pub(crate) fn lists(&self) -> &[Vec<u8>] {
        &self.lists
    }

    /// How many lists are not looked at, being too many.
    pub(crate) const fn lists_left_out(&self) -> usize {
        self.lists_left_out
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

/// The revocation lists that lie in a directory, the network's own first. Only who judges reads
/// them, and says so if one cannot be read: it may be the one that decides.
#[derive(Debug, Default)]
struct ListsBeside(Vec<PathBuf>);

impl ListsBeside {
    fn in_directory(directory: &Path) -> Self {
        let Ok(entries) = std::fs::read_dir(directory) else {
            return Self::default();
        };
        let paths = entries.flatten().map(|entry| entry.path());
        let mut paths: Vec<_> = paths
            .filter(|path| path.extension().is_some_and(|end| end == "crl"))
            .collect();
        let is_own = |path: &Path| path.ends_with("root.crl") || path.ends_with("issuing.crl");
        paths.sort_by_key(|path| (!is_own(path), path.clone()));
        Self(paths)
    }

    /// The first of them.
    fn read(&self, most: usize) -> Result<Vec<Vec<u8>>, Failure> {
        let paths = self.0.iter().take(most);
        paths
            .map(|path| {
                read_list(path).map_err(|failure| {
                    failure.fix("take the list from its authority again, or remove the file")
                })
            })
            .collect()
    }
}

fn read_list(path: &Path) -> Result<Vec<u8>, Failure> {
    let bytes = files::read_bounded(path, 2 * MAX_REVOCATION_LIST)?;
    revocation::read_list(bytes).map_err(|error| {
        let cause = crate::failure::with_causes(&error);
        let message = format!("{}: {cause}", path.display());
        Failure::usage(message, "name a revocation list, DER or PEM")
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_list_beside_that_cannot_be_read_is_named_and_the_network_s_own_come_first() {
        let directory = tempfile::tempdir().unwrap();
        for name in ["a.crl", "root.crl", "issuing.crl", "b.txt"] {
            std::fs::write(directory.path().join(name), b"none").unwrap();
        }
        let beside = ListsBeside::in_directory(directory.path());
        let names = beside.0.iter().map(|path| path.file_name().unwrap());
        assert_eq!(
            names.collect::<Vec<_>>(),
            ["issuing.crl", "root.crl", "a.crl"]
        );
        let failure = beside.read(16).unwrap_err();
        assert!(failure.message.contains("issuing.crl"), "{failure:?}");
        assert!(
            ListsBeside::in_directory(Path::new("nowhere"))
                .read(16)
                .unwrap()
                .is_empty()
        );
    }
}
