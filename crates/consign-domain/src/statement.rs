//! Statements: JSON texts that are signed as they stand.
//!
//! A statement begins with the exact bytes `{"type":"consign/KIND/v1",`. Its bytes
//! are never re-encoded: whoever relays one passes the bytes on, and a digest is
//! over the bytes as received. Parsing refuses duplicate and unknown fields at any
//! depth, integers over 2^53 − 1, text that is not NFC, and lists out of order. A
//! statement has one form only: compact JSON, fields in the order of their types here,
//! so that no two readers can read one statement differently.
//!
//! All kinds carry the network, the signer (immutable id, code, key and the
//! directory version it was known under) and a time. What a signature means and who
//! may say what is decided by `consign-verify`; this module only says what is said.

mod directory_head;
mod envelope;
mod evidence;
mod status;

use std::fmt;

use bytes::Bytes;
use serde::{Deserialize, Serialize, de::DeserializeOwned};

use crate::code::{AgencyCode, PartyCode};
use crate::digest::Digest;
use crate::error_code::ErrorCode;
use crate::id::{AgencyId, DirectoryVersion, EnvelopeId, EnvelopeKey, KeyId, NetworkId, PartyId};
use crate::limits;
use crate::time::Timestamp;

pub use directory_head::DirectoryHead;
pub use envelope::{
    AgeRecipient, Envelope, EnvelopeFields, PayloadInfo, Recipients, claimed_urgency,
};
pub use evidence::{Event, Evidence, Placement};
pub use status::{BusinessStatus, Side, Status};

/// The kinds of statement.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum StatementKind {
    /// An agency sends something: `consign/envelope/v1`.
    Envelope,
    /// A hub or an agency says what happened: `consign/evidence/v1`.
    Evidence,
    /// An agency says what it does with a document: `consign/status/v1`.
    Status,
    /// The authority says who is who: `consign/directory/v1`.
    Directory,
}

impl StatementKind {
    /// The value of the field `type`.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Envelope => "consign/envelope/v1",
            Self::Evidence => "consign/evidence/v1",
            Self::Status => "consign/status/v1",
            Self::Directory => "consign/directory/v1",
        }
    }

    /// Most bytes that a statement of this kind may have.
    pub const fn max_bytes(self) -> usize {
        match self {
            Self::Envelope => limits::MAX_ENVELOPE,
            Self::Evidence => limits::MAX_EVIDENCE,
            Self::Status => limits::MAX_STATUS,
            Self::Directory => limits::MAX_HEAD,
        }
    }
}

impl fmt::Display for StatementKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// Why bytes are not a statement of the expected kind.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum StatementError {
    /// More bytes than the kind may have.
    #[error("{size} bytes, a {kind} statement has at most {limit}")]
    TooLarge {
        /// The kind expected.
        kind: StatementKind,
        /// Bytes found.
        size: usize,
        /// Bytes allowed.
        limit: usize,
    },
    /// The first bytes are not those of the expected kind.
    #[error("does not begin with the bytes of a {expected} statement")]
    Kind {
        /// The kind expected.
        expected: StatementKind,
    },
    /// Not JSON, or a field is missing, unknown, doubled or out of its range.
    #[error("not a well-formed {kind} statement")]
    Malformed {
        /// The kind expected.
        kind: StatementKind,
        /// Where and why.
        #[source]
        source: serde_json::Error,
    },
    /// The same could be said in fewer or other bytes: white space, order, escapes.
    #[error("not in the one form of a {kind} statement")]
    Form {
        /// The kind expected.
        kind: StatementKind,
    },
    /// Fields that are each well formed but do not go together.
    #[error("{rule}")]
    Inconsistent {
        /// The rule that is broken.
        rule: &'static str,
        /// The code that this fault has.
        code: ErrorCode,
    },
}

impl StatementError {
    /// The code to answer with.
    pub const fn code(&self) -> ErrorCode {
        match self {
            Self::TooLarge { .. } => ErrorCode::TooLarge,
            Self::Kind { .. } => ErrorCode::StatementKind,
            Self::Malformed { .. } | Self::Form { .. } => ErrorCode::StatementMalformed,
            Self::Inconsistent { code, .. } => *code,
        }
    }
}

/// A statement of one kind, parsed.
pub trait Statement: Sized + Clone + fmt::Debug + Send + Sync + 'static {
    /// Its kind.
    const KIND: StatementKind;

    /// The network it belongs to.
    fn network(&self) -> NetworkId;

    /// Who says it.
    fn signer(&self) -> &Signer;

    /// When it was said, by the signer's clock.
    fn time(&self) -> Timestamp;

    /// Reads a statement of this kind, strictly.
    ///
    /// # Errors
    /// [`StatementError`].
    fn parse(bytes: &[u8]) -> Result<Self, StatementError>;

    /// The bytes to sign. Parsing them gives this statement back.
    fn to_bytes(&self) -> Bytes;
}

/// Who signs: the immutable id, the code at the time, the key and the directory it is listed in.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Signer {
    /// The immutable id.
    pub id: PartyId,
    /// The code at the time of signing.
    pub code: PartyCode,
    /// The key that signs.
    pub key: KeyId,
    /// The newest directory version that the signer knew.
    pub directory: DirectoryVersion,
}

/// An agency as statements name it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Party {
    /// The immutable id.
    pub id: AgencyId,
    /// The code at the time.
    pub code: AgencyCode,
}

/// Which envelope a statement is about: its identity and the digest of its bytes.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct EnvelopeRef {
    /// Who sent it.
    pub sender: Party,
    /// The sender's id for it.
    pub id: EnvelopeId,
    /// SHA-256 of the envelope statement's bytes.
    pub sha256: Digest,
}

impl EnvelopeRef {
    /// The envelope's identity.
    pub const fn key(&self) -> EnvelopeKey {
        EnvelopeKey {
            sender: self.sender.id,
            id: self.id,
        }
    }
}

/// A statement's exact bytes and the Ed25519 signature over them.
///
/// Nothing is promised about either: `consign-verify` turns one into a `Verified<T>`.
#[derive(Clone, PartialEq, Eq)]
pub struct SignedStatement {
    /// The exact bytes that were signed.
    pub statement: Bytes,
    /// 64 raw bytes of Ed25519 (RFC 8032).
    pub signature: [u8; 64],
}

impl SignedStatement {
    /// SHA-256 of the statement's bytes.
    pub fn digest(&self) -> Digest {
        Digest::of(&self.statement)
    }
}

impl fmt::Debug for SignedStatement {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SignedStatement")
            .field("statement", &String::from_utf8_lossy(&self.statement))
            .finish_non_exhaustive()
    }
}

/// The field `type` of one kind; it can hold no other value.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
struct Tag<const KIND: u8>;

impl<const KIND: u8> Tag<KIND> {
    const TEXT: &'static str = match KIND {
        0 => StatementKind::Envelope.as_str(),
        1 => StatementKind::Evidence.as_str(),
        2 => StatementKind::Status.as_str(),
        _ => StatementKind::Directory.as_str(),
    };
}

impl<const KIND: u8> Serialize for Tag<KIND> {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(Self::TEXT)
    }
}

impl<'de, const KIND: u8> Deserialize<'de> for Tag<KIND> {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = std::borrow::Cow::<'de, str>::deserialize(deserializer)?;
        if text == Self::TEXT {
            Ok(Self)
        } else {
            Err(serde::de::Error::custom("another type of statement"))
        }
    }
}

/// Whether bytes begin as a statement of this kind must.
fn begins_as(bytes: &[u8], kind: StatementKind) -> bool {
    bytes
        .strip_prefix(b"{\"type\":\"")
        .and_then(|rest| rest.strip_prefix(kind.as_str().as_bytes()))
        .is_some_and(|rest| rest.starts_with(b"\","))
}

fn parse_fields<T: DeserializeOwned>(
    bytes: &[u8],
    kind: StatementKind,
) -> Result<T, StatementError> {
    let limit = kind.max_bytes();
    if bytes.len() > limit {
        return Err(StatementError::TooLarge {
            kind,
            size: bytes.len(),
            limit,
        });
    }
    if !begins_as(bytes, kind) {
        return Err(StatementError::Kind { expected: kind });
    }
    serde_json::from_slice(bytes).map_err(|source| StatementError::Malformed { kind, source })
}

#[expect(clippy::expect_used, reason = "our own types always have a JSON form")]
fn write_fields<T: Serialize>(fields: &T) -> Bytes {
    serde_json::to_vec(fields)
        .expect("statements serialise")
        .into()
}

/// Whether bytes are the one form of a statement: what [`write_fields`] would write,
/// compared as it is written, so that nothing is kept for it.
fn is_form_of<T: Serialize>(fields: &T, bytes: &[u8]) -> bool {
    let mut rest = Compared(bytes);
    serde_json::to_writer(&mut rest, fields).is_ok() && rest.0.is_empty()
}

/// Takes what is written only if it goes on as these bytes do.
struct Compared<'a>(&'a [u8]);

impl std::io::Write for Compared<'_> {
    fn write(&mut self, written: &[u8]) -> std::io::Result<usize> {
        match self.0.strip_prefix(written) {
            Some(rest) => self.0 = rest,
            None => return Err(std::io::ErrorKind::InvalidData.into()),
        }
        Ok(written.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

/// Implements [`Statement`] for a struct with the common fields and a `check`.
macro_rules! statement {
    ($name:ty, $kind:expr) => {
        impl crate::statement::Statement for $name {
            const KIND: crate::statement::StatementKind = $kind;

            fn network(&self) -> crate::id::NetworkId {
                self.network
            }

            fn signer(&self) -> &crate::statement::Signer {
                &self.signer
            }

            fn time(&self) -> crate::time::Timestamp {
                self.time
            }

            fn parse(bytes: &[u8]) -> Result<Self, crate::statement::StatementError> {
                let parsed: Self = crate::statement::parse_fields(bytes, $kind)?;
                if !crate::statement::is_form_of(&parsed, bytes) {
                    return Err(crate::statement::StatementError::Form { kind: $kind });
                }
                parsed.check()?;
                Ok(parsed)
            }

            fn to_bytes(&self) -> bytes::Bytes {
                crate::statement::write_fields(self)
            }
        }
    };
}
use statement;

#[cfg(test)]
mod tests;
