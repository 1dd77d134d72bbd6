//! The names of the authority's files.

use std::path::{Path, PathBuf};

use uuid::Uuid;

#[derive(Debug, Clone)]
pub(super) struct Layout {
    dir: PathBuf,
}

impl Layout {
    pub(super) fn new(dir: &Path) -> Self {
        let dir = dir.to_owned();
        Self { dir }
    }

    pub(super) fn dir(&self) -> &Path {
        &self.dir
    }

    pub(super) fn settings(&self) -> PathBuf {
        self.dir.join("authority.json")
    }

    pub(super) fn keys(&self) -> PathBuf {
        self.dir.join("keys")
    }

    pub(super) fn root_key(&self) -> PathBuf {
        self.keys().join("root.key")
    }

    pub(super) fn issuing_key(&self) -> PathBuf {
        self.keys().join("issuing.key")
    }

    pub(super) fn directory_key(&self) -> PathBuf {
        self.keys().join("directory.key")
    }

    pub(super) fn tls_key(&self) -> PathBuf {
        self.keys().join("tls.key")
    }

    pub(super) fn invitations(&self) -> PathBuf {
        self.dir.join("invitations")
    }

    pub(super) fn pending(&self) -> PathBuf {
        self.dir.join("pending")
    }

    pub(super) fn root_pem(&self) -> PathBuf {
        self.dir.join("root.pem")
    }

    pub(super) fn issuing_pem(&self) -> PathBuf {
        self.dir.join("issuing.pem")
    }

    pub(super) fn entries(&self) -> PathBuf {
        self.dir.join("entries")
    }

    pub(super) fn entry(&self, id: [u8; 16]) -> PathBuf {
        let id = Uuid::from_bytes(id);
        self.entries().join(format!("{id}.json"))
    }

    pub(super) fn certificates(&self) -> PathBuf {
        self.dir.join("issued")
    }

    pub(super) fn issued(&self, serial: &str) -> PathBuf {
        self.certificates().join(format!("{serial}.pem"))
    }

    pub(super) fn trust(&self) -> PathBuf {
        self.dir.join("trust")
    }

    pub(super) fn trust_json(&self) -> PathBuf {
        self.trust().join("trust.json")
    }

    pub(super) fn trust_pem(&self) -> PathBuf {
        self.trust().join("trust.pem")
    }

    pub(super) fn lists(&self) -> PathBuf {
        self.trust().join("crl")
    }

    pub(super) fn issuing_list(&self) -> PathBuf {
        self.lists().join("issuing.crl")
    }

    pub(super) fn root_list(&self) -> PathBuf {
        self.lists().join("root.crl")
    }

    pub(super) fn directory(&self) -> PathBuf {
        self.trust().join("directory")
    }
}
