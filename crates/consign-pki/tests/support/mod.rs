//! What the tests of this crate share: a small hierarchy and outside programs.
#![allow(dead_code, reason = "each test binary uses a part")]
#![expect(
    clippy::unwrap_used,
    clippy::panic,
    reason = "a fixture that fails fails its test"
)]

use std::path::Path;
use std::process::{Command, Output};

use consign_pki::issue::{
    AuthorityName, CertificateAuthority, SealSubject, TlsSubject, TlsUsage, Validity,
    create_request,
};
use consign_pki::seal::{FileSealKey, KeyKind};

/// 2025-06-15, inside every validity used here.
pub(crate) const NOW: u64 = 1_750_000_000;
pub(crate) const YEAR: u64 = 365 * 86_400;

pub(crate) struct Hierarchy {
    pub(crate) root: CertificateAuthority,
    pub(crate) issuing: CertificateAuthority,
}

fn authority_key() -> std::sync::Arc<FileSealKey> {
    std::sync::Arc::new(FileSealKey::generate(KeyKind::EcdsaP256).unwrap())
}

impl Hierarchy {
    pub(crate) fn new() -> Self {
        let root =
            CertificateAuthority::create_root(authority_key(), &name("Gốc tin cậy"), years(20))
                .unwrap();
        let issuing = CertificateAuthority::create_issuing(
            &root,
            authority_key(),
            &name("Cấp phát 1"),
            years(10),
        )
        .unwrap();
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

    pub(crate) fn tls(&self, usage: TlsUsage) -> (FileSealKey, Vec<u8>) {
        let key = FileSealKey::generate(KeyKind::EcdsaP256).unwrap();
        let csr = create_request(&key, "node").unwrap();
        let subject = TlsSubject {
            organization: "Sở Nội vụ".to_owned(),
            common_name: "node-1".to_owned(),
            dns_names: vec!["localhost".to_owned()],
            ip_addresses: vec![[127, 0, 0, 1].into()],
        };
        let certificate = self
            .issuing
            .issue_tls(&csr, &subject, years(1), &[0x11], usage)
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
        organization: "Ủy ban nhân dân tỉnh Quảng Ninh".to_owned(),
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

/// Runs an outside program in a directory; its absence fails the test by name.
pub(crate) fn run(program: &str, directory: &Path, arguments: &[&str]) -> Output {
    Command::new(program)
        .current_dir(directory)
        .args(arguments)
        .output()
        .unwrap_or_else(|error| panic!("this test needs the program `{program}` in PATH: {error}"))
}

/// Runs an outside program that must succeed.
pub(crate) fn succeed(program: &str, directory: &Path, arguments: &[&str]) -> Output {
    let output = run(program, directory, arguments);
    assert!(
        output.status.success(),
        "{program} {arguments:?}: {}{}",
        String::from_utf8_lossy(&output.stdout),
        String::from_utf8_lossy(&output.stderr)
    );
    output
}
