//! A small hierarchy for the unit tests of this crate.

use crate::issue::{AuthorityName, CertificateAuthority, SealSubject, Validity, create_request};
use crate::seal::{FileSealKey, KeyKind};

/// 2025-06-15, inside every validity used here.
pub(crate) const NOW: u64 = 1_750_000_000;
pub(crate) const YEAR: u64 = 365 * 86_400;

pub(crate) struct Hierarchy {
    pub(crate) root: CertificateAuthority,
    pub(crate) issuing: CertificateAuthority,
}

impl Hierarchy {
    pub(crate) fn new() -> Self {
        let root = CertificateAuthority::create_root(&name("Root"), years(20)).unwrap();
        let issuing =
            CertificateAuthority::create_issuing(&root, &name("Issuing"), years(10)).unwrap();
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
