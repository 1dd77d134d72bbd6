//! What `--trust` names: a trust file with its directory beside it, or roots alone.

use std::path::{Path, PathBuf};

use consign_domain::ErrorCode;
use consign_node::directory_files;
use consign_pki::certificate;
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
    store: Option<TrustStore>,
    directory: Option<Directory>,
}

impl Trust {
    /// Reads `trust.json` and the newest directory beside it, or certificates in PEM.
    pub(crate) fn load(path: &Path) -> Result<Self, Failure> {
        let bytes = files::read_bounded(path, MAX_TRUST)?;
        let path = absolute(path);
        if bytes.trim_ascii_start().starts_with(b"{") {
            Self::of_store(path, &bytes)
        } else {
            Self::of_roots(path, &bytes)
        }
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
            path,
            roots: store.roots().to_vec(),
            store: Some(store),
            directory,
        })
    }

    fn of_roots(path: PathBuf, bytes: &[u8]) -> Result<Self, Failure> {
        let fix = "name a trust.json, or root certificates in PEM";
        let text = std::str::from_utf8(bytes)
            .map_err(|_| Failure::usage(format!("{} is not a trust file", path.display()), fix))?;
        let roots = certificate::read_bundle(text).map_err(|error| {
            let cause = crate::failure::with_causes(&error);
            Failure::usage(format!("{}: {cause}", path.display()), fix)
        })?;
        if roots.is_empty() {
            let message = format!("{} has no certificate", path.display());
            return Err(Failure::usage(message, fix));
        }
        Ok(Self {
            path,
            roots,
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

    /// The trust file, if it was one.
    pub(crate) const fn store(&self) -> Option<&TrustStore> {
        self.store.as_ref()
    }

    /// The directory, if one lies beside the trust file.
    pub(crate) const fn directory(&self) -> Option<&Directory> {
        self.directory.as_ref()
    }
}
