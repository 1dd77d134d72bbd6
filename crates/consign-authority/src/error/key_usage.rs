//! What a key is for.

/// What a key is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum KeyUsage {
    /// It identifies a node or hub in TLS.
    Tls,
    /// It seals documents.
    Seal,
    /// It signs statements.
    Statement,
    /// It decrypts.
    Encryption,
    /// It signs time-stamps.
    TimeStamp,
}

impl std::fmt::Display for KeyUsage {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.write_str(match self {
            Self::Tls => "TLS key",
            Self::Seal => "seal key",
            Self::Statement => "statement key",
            Self::Encryption => "encryption key",
            Self::TimeStamp => "time-stamp key",
        })
    }
}
