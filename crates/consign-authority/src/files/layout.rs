//! The names of the authority's files.

use std::path::{Path, PathBuf};

use uuid::Uuid;

/// The issuing authority's revocation list.
pub(crate) const ISSUING_LIST: &str = "issuing.crl";
/// The root's.
pub(crate) const ROOT_LIST: &str = "root.crl";

#[derive(Debug, Clone)]
pub(crate) struct Layout {
    dir: PathBuf,
}

impl Layout {
    pub(crate) fn new(dir: &Path) -> Self {
        let dir = dir.to_owned();
        Self { dir }
    }

    pub(crate) fn dir(&self) -> &Path {
        &self.dir
    }

    pub(crate) fn settings(&self) -> PathBuf {
        self.dir.join("authority.json")
    }

    pub(crate) fn keys(&self) -> PathBuf {
        self.dir.join("keys")
    }

    pub(crate) fn root_key(&self) -> PathBuf {
        self.keys().join("root.key")
    }

    pub(crate) fn issuing_key(&self) -> PathBuf {
        self.keys().join("issuing.key")
    }

    pub(crate) fn directory_key(&self) -> PathBuf {
        self.keys().join("directory.key")
    }

    pub(crate) fn tls_key(&self) -> PathBuf {
        self.keys().join("tls.key")
    }

    pub(crate) fn invitations(&self) -> PathBuf {
        self.dir.join("invitations")
    }

    pub(crate) fn pending(&self) -> PathBuf {
        self.dir.join("pending")
    }

    pub(crate) fn root_pem(&self) -> PathBuf {
        self.dir.join("root.pem")
    }

    pub(crate) fn issuing_pem(&self) -> PathBuf {
        self.dir.join("issuing.pem")
    }

    pub(crate) fn revoked_authorities(&self) -> PathBuf {
        self.dir.join("revoked.json")
    }

    pub(crate) fn entries(&self) -> PathBuf {
        self.dir.join("entries")
    }

    pub(crate) fn entry(&self, id: [u8; 16]) -> PathBuf {
        let id = Uuid::from_bytes(id);
        self.entries().join(format!("{id}.json"))
    }

    pub(crate) fn certificates(&self) -> PathBuf {
        self.dir.join("issued")
    }

    pub(crate) fn issued(&self, serial: &str) -> PathBuf {
        self.certificates().join(format!("{serial}.pem"))
    }

    pub(crate) fn ceremonies(&self) -> PathBuf {
        self.dir.join("ceremonies")
    }

    pub(crate) fn trust(&self) -> PathBuf {
        self.dir.join("trust")
    }

    pub(crate) fn trust_json(&self) -> PathBuf {
        self.trust().join("trust.json")
    }

    pub(crate) fn trust_pem(&self) -> PathBuf {
        self.trust().join("trust.pem")
    }

    pub(crate) fn lists(&self) -> PathBuf {
        self.trust().join("crl")
    }

    pub(crate) fn issuing_list(&self) -> PathBuf {
        self.lists().join(ISSUING_LIST)
    }

    pub(crate) fn root_list(&self) -> PathBuf {
        self.lists().join(ROOT_LIST)
    }

    pub(crate) fn directory(&self) -> PathBuf {
        self.trust().join("directory")
    }
}
