//! A small hierarchy for the unit tests of this crate.

use std::sync::Arc;

use crate::issue::{AuthorityName, CertificateAuthority, SealSubject, Validity, create_request};
use crate::seal::{FileSealKey, KeyKind};

/// 2025-06-15, inside every validity used here.
pub(crate) const NOW: u64 = 1_750_000_000;
pub(crate) const YEAR: u64 = 365 * 86_400;

pub(crate) struct Hierarchy {
    pub(crate) root: Authority,
    pub(crate) issuing: Authority,
}

/// An authority, and its key for what the authority itself would never sign.
pub(crate) struct Authority {
    pub(crate) authority: CertificateAuthority,
    key: Arc<FileSealKey>,
}

impl Authority {
    pub(crate) fn key(&self) -> Arc<FileSealKey> {
        Arc::clone(&self.key)
    }

    pub(crate) fn key_pem(&self) -> String {
        self.key.to_pkcs8_pem().to_string()
    }
}

impl std::ops::Deref for Authority {
    type Target = CertificateAuthority;

    fn deref(&self) -> &CertificateAuthority {
        &self.authority
    }
}

/// A new key for an authority.
pub(crate) fn authority_key() -> Arc<FileSealKey> {
    Arc::new(FileSealKey::generate(KeyKind::EcdsaP256).unwrap())
}

impl Hierarchy {
    pub(crate) fn new() -> Self {
        let key = authority_key();
        let authority =
            CertificateAuthority::create_root(key.clone(), &name("Root"), years(20)).unwrap();
        let root = Authority { authority, key };
        let key = authority_key();
        let issuing = name("Issuing");
        let authority =
            CertificateAuthority::create_issuing(&root, key.clone(), &issuing, years(10)).unwrap();
        let issuing = Authority { authority, key };
        Self { root, issuing }
    }

    pub(crate) fn seal(&self, kind: KeyKind) -> (FileSealKey, Vec<u8>) {
        let key = FileSealKey::generate(kind).unwrap();
        let csr = create_request(&key, "seal").unwrap();
        let certificate = self
            .issuing
            .issue_seal(&csr, &subject(), years(3), &[0x10, 1, 2, 3])
            .unwrap();
        (key, certificate)
    }

    pub(crate) fn roots(&self) -> Vec<Vec<u8>> {
        vec![self.root.certificate_der().to_vec()]
    }

    pub(crate) fn intermediates(&self) -> Vec<Vec<u8>> {
        vec![self.issuing.certificate_der().to_vec()]
    }
}

pub(crate) fn name(common_name: &str) -> AuthorityName {
    AuthorityName {
        organization: "Bộ Nội vụ".to_owned(),
        common_name: common_name.to_owned(),
    }
}

pub(crate) fn subject() -> SealSubject {
    SealSubject {
        organization: "Ủy ban nhân dân tỉnh Quảng Ninh".to_owned(),
        common_name: "Con dấu điện tử".to_owned(),
        organization_identifier: "H49".to_owned(),
    }
}

/// A validity around [`NOW`].
pub(crate) fn years(count: u64) -> Validity {
    Validity {
        not_before: NOW - count * YEAR / 2,
        not_after: NOW + count * YEAR / 2,
    }
}
