//! Digest algorithms of manifests, as data.

use aws_lc_rs::digest::{self, Context, Digest};

/// A digest algorithm that a manifest may name. The canonical profile uses SHA-256 alone.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[non_exhaustive]
pub enum DigestAlgorithm {
    /// SHA-256.
    Sha256,
    /// SHA-384.
    Sha384,
    /// SHA-512.
    Sha512,
}

/// One row: the algorithm, its URI (RFC 6931, clause 2.1, and XML Encryption), its length.
const ALGORITHMS: [(DigestAlgorithm, &str, usize); 3] = [
    (
        DigestAlgorithm::Sha256,
        "http://www.w3.org/2001/04/xmlenc#sha256",
        32,
    ),
    (
        DigestAlgorithm::Sha384,
        "http://www.w3.org/2001/04/xmldsig-more#sha384",
        48,
    ),
    (
        DigestAlgorithm::Sha512,
        "http://www.w3.org/2001/04/xmlenc#sha512",
        64,
    ),
];

impl DigestAlgorithm {
    /// The algorithm that `uri` names in `ds:DigestMethod`, if it is one that we accept.
    pub fn from_uri(uri: &str) -> Option<Self> {
        ALGORITHMS.iter().find(|row| row.1 == uri).map(|row| row.0)
    }

    /// The URI for `ds:DigestMethod`.
    pub fn uri(self) -> &'static str {
        ALGORITHMS
            .iter()
            .find(|row| row.0 == self)
            .map_or("", |row| row.1)
    }

    /// The length of a digest in bytes.
    pub fn output_bytes(self) -> usize {
        ALGORITHMS
            .iter()
            .find(|row| row.0 == self)
            .map_or(0, |row| row.2)
    }

    pub(super) fn context(self) -> Context {
        Context::new(match self {
            Self::Sha256 => &digest::SHA256,
            Self::Sha384 => &digest::SHA384,
            Self::Sha512 => &digest::SHA512,
        })
    }
}

impl From<DigestAlgorithm> for crate::algorithm::DigestAlgorithm {
    fn from(algorithm: DigestAlgorithm) -> Self {
        match algorithm {
            DigestAlgorithm::Sha256 => Self::Sha256,
            DigestAlgorithm::Sha384 => Self::Sha384,
            DigestAlgorithm::Sha512 => Self::Sha512,
        }
    }
}

/// Finishes a SHA-256.
pub(super) fn finish_sha256(context: Context) -> [u8; 32] {
    sha256_bytes(&context.finish())
}

/// The bytes of a SHA-256.
pub(super) fn sha256_bytes(digest: &Digest) -> [u8; 32] {
    let mut sha256 = [0; 32];
    sha256.copy_from_slice(digest.as_ref());
    sha256
}
