//! What can be wrong with the authority's own files.

use consign_domain::directory::EntryError;
use consign_pki::issue::IssueError;
use consign_pki::statement::StatementKeyError;
use consign_verify::directory::DirectoryError;

/// What is wrong with a file of the authority.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum DamageError {
    /// Not JSON of its form.
    #[error("not well-formed")]
    Json(#[from] serde_json::Error),
    /// Not text.
    #[error("not UTF-8")]
    Text(#[from] std::str::Utf8Error),
    /// Not a directory entry.
    #[error("not a directory entry")]
    Entry(#[from] EntryError),
    /// A serial number that is none.
    #[error("a serial number is not in hexadecimal digits")]
    Serial,
    /// The name is not that of the content.
    #[error("its name is not that of its content")]
    Name,
    /// A key or certificate of the authority.
    #[error("not the authority's key or certificate")]
    Authority(#[from] IssueError),
    /// The directory key.
    #[error("not the directory key")]
    DirectoryKey(#[from] StatementKeyError),
    /// A revocation list.
    #[error("not a revocation list")]
    List(#[source] consign_pki::path::revocation::ListError),
    /// Where a key is in a token.
    #[error("not the place of a key in a token")]
    Token(#[from] consign_runtime::config::ConfigFaults),
    /// The service's key.
    #[error("not the service's key")]
    ServiceKey(#[from] consign_pki::seal::SealError),
    /// The trust file.
    #[error("not the trust file")]
    Trust(#[from] consign_verify::trust::TrustError),
    /// A certificate.
    #[error("not a certificate")]
    Certificate(#[from] consign_pki::certificate::CertificateError),
    /// A published directory that does not verify.
    #[error("not a directory of this authority")]
    Directory(#[from] DirectoryError),
    /// A signature that is not 64 bytes.
    #[error("not a signature of 64 bytes")]
    Signature,
}
