//! Enrolment by files: what a node or hub asks of the authority, and what it gets.
//!
//! A *request* holds public keys and certificate requests only; the secret halves never
//! leave the machine that made them. A *bundle* holds certificates, the trust file and
//! the newest directory; nothing in it is secret. No key counts before a signed
//! directory head lists it.

use std::fmt;
use std::str::FromStr;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde::{Deserialize, Serialize};

use crate::code::{AgencyCode, PartyCode};
use crate::digest::Digest;
use crate::id::{AgencyId, HubId, NodeId};
use crate::statement::AgeRecipient;
use crate::text::Line;

/// What an invitation's token begins with.
const TOKEN_PREFIX: &str = "consign-";

/// Text that is not an invitation's token.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("not an invitation's token: it is the word that `consign authority invite` prints")]
pub struct TokenError;

/// What the authority gives to somebody whom it invites to enrol a party: a secret that counts
/// once, and how to know the authority, so that nobody else is told the secret.
///
/// As text `consign-` and 43 characters of base64url: the secret's 16 bytes, and the first 16
/// of the SHA-256 of the authority's TLS key (`SubjectPublicKeyInfo`, DER).
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct InvitationToken {
    /// What the authority knows the invitation by; whoever has it may use it.
    pub secret: [u8; 16],
    /// The first half of the SHA-256 of the authority's TLS key.
    pub authority: [u8; 16],
}

impl InvitationToken {
    /// Whether a TLS key (`SubjectPublicKeyInfo`, DER) is the authority's.
    pub fn is_of(&self, public_key_der: &[u8]) -> bool {
        Digest::of(public_key_der)
            .as_bytes()
            .starts_with(&self.authority)
    }
}

impl fmt::Display for InvitationToken {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let bytes = [self.secret, self.authority].concat();
        write!(formatter, "{TOKEN_PREFIX}{}", URL_SAFE_NO_PAD.encode(bytes))
    }
}

/// Without the secret.
impl fmt::Debug for InvitationToken {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("InvitationToken(…)")
    }
}

impl FromStr for InvitationToken {
    type Err = TokenError;

    fn from_str(text: &str) -> Result<Self, TokenError> {
        let rest = text.trim().strip_prefix(TOKEN_PREFIX).ok_or(TokenError)?;
        let bytes = URL_SAFE_NO_PAD.decode(rest).map_err(|_| TokenError)?;
        let bytes: [u8; 32] = bytes.try_into().map_err(|_| TokenError)?;
        let half = |range: std::ops::Range<usize>| bytes.get(range)?.try_into().ok();
        match (half(0..16), half(16..32)) {
            (Some(secret), Some(authority)) => Ok(Self { secret, authority }),
            _ => Err(TokenError),
        }
    }
}

/// Largest request or bundle without its directory, in bytes.
pub const MAX_REQUEST: usize = 8 * 1024 * 1024;

/// Largest bundle, in bytes: a directory in base64 and the rest.
pub const MAX_BUNDLE: usize = 200 * 1024 * 1024;

/// Why bytes are not a request or a bundle.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum EnrolmentError {
    /// More bytes than are allowed.
    #[error("{size} bytes, at most {limit} are allowed")]
    TooLarge {
        /// Bytes found.
        size: usize,
        /// Bytes allowed.
        limit: usize,
    },
    /// Not JSON, or a field is missing, unknown, doubled or out of its range.
    #[error("not a well-formed {what}")]
    Malformed {
        /// `request` or `bundle`.
        what: &'static str,
        /// Where and why.
        #[source]
        source: serde_json::Error,
    },
}

/// What a node or a hub asks of the authority.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "type", deny_unknown_fields)]
#[non_exhaustive]
pub enum Request {
    /// A node and the agencies it serves.
    #[serde(rename = "consign/node-request/v1")]
    Node(NodeRequest),
    /// A hub.
    #[serde(rename = "consign/hub-request/v1")]
    Hub(HubRequest),
}

/// A node and the agencies it serves.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct NodeRequest {
    /// The node's id, made by the node.
    pub id: NodeId,
    /// What people call it.
    pub name: Line<200>,
    /// PKCS#10 request for its TLS certificate, DER in base64.
    pub tls: String,
    /// The agencies it serves.
    pub agencies: Vec<AgencyRequest>,
}

/// An agency.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct AgencyRequest {
    /// The agency's id, made by its first node and kept for ever.
    pub id: AgencyId,
    /// Its code.
    pub code: AgencyCode,
    /// Its name.
    pub name: Line<200>,
    /// The code of the agency above it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub parent: Option<AgencyCode>,
    /// PKCS#10 request for its seal certificate, DER in base64.
    pub seal: String,
    /// Its Ed25519 statement key: 32 bytes.
    pub statement: Digest,
    /// Its age encryption key.
    pub encryption: AgeRecipient,
}

/// A hub.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct HubRequest {
    /// The hub's id, made by the hub.
    pub id: HubId,
    /// Its name in statements, such as `hub-1`.
    pub code: PartyCode,
    /// Where it is reached: `name:port`.
    pub address: Line<260>,
    /// PKCS#10 request for its TLS certificate, DER in base64.
    pub tls: String,
    /// Its Ed25519 statement key: 32 bytes.
    pub statement: Digest,
    /// PKCS#10 request for its time-stamp authority's certificate, DER in base64.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub time_stamp: Option<String>,
}

/// What the authority gives back.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Bundle {
    /// Always `consign/bundle/v1`.
    #[serde(rename = "type")]
    pub tag: BundleTag,
    /// The request's id: a node's or a hub's.
    pub for_id: uuid::Uuid,
    /// The trust file, as text.
    pub trust: String,
    /// The roots in PEM, for `openssl -CAfile`.
    pub trust_pem: String,
    /// The TLS certificate and its issuers, PEM.
    pub tls: String,
    /// The seal certificates of a node's agencies.
    pub seals: Vec<SealBundle>,
    /// The certificate of a hub's time-stamp authority and its issuers up to, not including, the
    /// root; PEM.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub time_stamp: Option<String>,
    /// The newest directory, if one was published.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub directory: Option<DirectoryBundle>,
}

/// The field `type` of a bundle.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub enum BundleTag {
    /// Version 1.
    #[default]
    #[serde(rename = "consign/bundle/v1")]
    V1,
}

/// An agency's seal certificate and its issuers.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SealBundle {
    /// The agency.
    pub agency: AgencyId,
    /// The certificate and its issuers up to, not including, the root; PEM.
    pub certificates: String,
}

/// A version of the directory.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct DirectoryBundle {
    /// The head's exact bytes, as text.
    pub head: String,
    /// The head's signature: 128 hexadecimal digits.
    pub signature: String,
    /// The entries' exact lines, as text.
    pub entries: String,
}

impl Request {
    /// Reads a request.
    ///
    /// # Errors
    /// [`EnrolmentError`].
    pub fn parse(bytes: &[u8]) -> Result<Self, EnrolmentError> {
        parse(bytes, MAX_REQUEST, "request")
    }

    /// The file's bytes.
    pub fn to_bytes(&self) -> Vec<u8> {
        write(self)
    }
}

impl Bundle {
    /// Reads a bundle.
    ///
    /// # Errors
    /// [`EnrolmentError`].
    pub fn parse(bytes: &[u8]) -> Result<Self, EnrolmentError> {
        parse(bytes, MAX_BUNDLE, "bundle")
    }

    /// The file's bytes.
    pub fn to_bytes(&self) -> Vec<u8> {
        write(self)
    }
}

fn parse<T: serde::de::DeserializeOwned>(
    bytes: &[u8],
    limit: usize,
    what: &'static str,
) -> Result<T, EnrolmentError> {
    if bytes.len() > limit {
        return Err(EnrolmentError::TooLarge {
            size: bytes.len(),
            limit,
        });
    }
    serde_json::from_slice(bytes).map_err(|source| EnrolmentError::Malformed { what, source })
}

#[expect(clippy::expect_used, reason = "our own types always have a JSON form")]
fn write<T: Serialize>(value: &T) -> Vec<u8> {
    let mut bytes = serde_json::to_vec_pretty(value).expect("enrolment files serialise");
    bytes.push(b'\n');
    bytes
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_token_is_read_as_it_was_written_and_only_whole() {
        let token = InvitationToken {
            secret: [7; 16],
            authority: Digest::of(b"key").as_bytes()[..16].try_into().unwrap(),
        };
        let text = token.to_string();
        assert_eq!(text.len(), 51);
        assert_eq!(text.parse(), Ok(token));
        assert_eq!(format!(" {text}\n").parse(), Ok(token));
        assert!(token.is_of(b"key") && !token.is_of(b"another key"));
        assert!(!format!("{token:?}").contains(&text[8..]));
        for wrong in ["", "consign-", &text[..50], &text[8..], &format!("{text}A")] {
            assert_eq!(wrong.parse::<InvitationToken>(), Err(TokenError), "{wrong}");
        }
    }
}
