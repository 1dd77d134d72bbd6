//! `consign/envelope/v1`: an agency sends one payload to a list of agencies.

use serde::{Deserialize, Serialize};

use super::{EnvelopeRef, Party, Signer, StatementError, StatementKind, Tag};
use crate::code::{AgencyCode, PartyCode};
use crate::digest::Digest;
use crate::document::Urgency;
use crate::error_code::ErrorCode;
use crate::id::{EnvelopeId, EnvelopeKey, NetworkId};
use crate::limits::{MAX_LIFE_SECONDS, MAX_PAYLOAD, MAX_RECIPIENTS};
use crate::time::Timestamp;

/// 1 to 1,000 codes, strictly ascending: one list has one form.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(transparent)]
pub struct Recipients(Vec<AgencyCode>);

impl Recipients {
    /// Sorts and checks a list as a person gave it; a code named twice is meant once.
    ///
    /// # Errors
    /// [`StatementError::Inconsistent`] if none or more than 1,000 remain.
    pub fn new(mut codes: Vec<AgencyCode>) -> Result<Self, StatementError> {
        codes.sort();
        codes.dedup();
        Self::checked(codes)
    }

    fn checked(codes: Vec<AgencyCode>) -> Result<Self, StatementError> {
        if codes.is_empty() || codes.len() > MAX_RECIPIENTS {
            return Err(StatementError::Inconsistent {
                rule: "an envelope has 1 to 1000 recipients",
                code: ErrorCode::StatementMalformed,
            });
        }
        if !codes.is_sorted_by(|a, b| a < b) {
            return Err(StatementError::Inconsistent {
                rule: "recipients are in strictly ascending order",
                code: ErrorCode::StatementMalformed,
            });
        }
        Ok(Self(codes))
    }

    /// The codes, ascending.
    pub fn as_slice(&self) -> &[AgencyCode] {
        &self.0
    }

    /// Where a code stands in the list; the wraps have the same order.
    pub fn position(&self, code: &AgencyCode) -> Option<usize> {
        self.0.binary_search(code).ok()
    }
}

impl<'de> Deserialize<'de> for Recipients {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Self::checked(Vec::deserialize(deserializer)?).map_err(serde::de::Error::custom)
    }
}

/// The payload ciphertext: `payload.age`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PayloadInfo {
    /// SHA-256 of the ciphertext.
    pub sha256: Digest,
    /// Its size in bytes.
    pub size: u64,
    /// The one-time age recipient it is encrypted to: `age1…`.
    pub recipient: AgeRecipient,
}

/// An age recipient in its text form; which kinds can be encrypted to is age's to say.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(transparent)]
pub struct AgeRecipient(String);

impl AgeRecipient {
    /// Checks the form: `age1` and at most 4,096 characters `0-9` and `a-z`.
    pub fn new(text: &str) -> Option<Self> {
        let body = text.strip_prefix("age1")?;
        let allowed = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit();
        let fits = (1..=4096).contains(&body.len());
        (fits && body.bytes().all(allowed)).then(|| Self(text.to_owned()))
    }

    /// The text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl<'de> Deserialize<'de> for AgeRecipient {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = std::borrow::Cow::<'de, str>::deserialize(deserializer)?;
        Self::new(&text).ok_or_else(|| serde::de::Error::custom("not an age1… recipient"))
    }
}

/// An agency sends one payload to a list of agencies.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Envelope {
    #[serde(rename = "type")]
    tag: Tag<0>,
    /// The network.
    pub network: NetworkId,
    /// The sending agency.
    pub signer: Signer,
    /// When it was sealed.
    pub time: Timestamp,
    /// The sender's id for it.
    pub id: EnvelopeId,
    /// Whom it is for.
    pub to: Recipients,
    /// When undelivered copies lapse; at most 90 days after `time`.
    pub expires: Timestamp,
    /// How urgent it is.
    pub urgency: Urgency,
    /// Whether the sender passes on another agency's container.
    pub forwarded: bool,
    /// The ciphertext.
    pub payload: PayloadInfo,
    /// Merkle root (RFC 6962) of the wraps in the order of `to`.
    pub wraps: Digest,
    /// Commitment to the container: SHA-256(salt ‖ SHA-256(container)).
    pub content: Digest,
}

/// The fields of an envelope that its maker chooses; see [`Envelope`].
#[derive(Debug, Clone)]
#[expect(missing_docs, reason = "each field is documented on Envelope")]
pub struct EnvelopeFields {
    pub network: NetworkId,
    pub signer: Signer,
    pub time: Timestamp,
    pub id: EnvelopeId,
    pub to: Recipients,
    pub expires: Timestamp,
    pub urgency: Urgency,
    pub forwarded: bool,
    pub payload: PayloadInfo,
    pub wraps: Digest,
    pub content: Digest,
}

impl Envelope {
    /// Puts an envelope together.
    ///
    /// # Errors
    /// [`StatementError::Inconsistent`] as [`super::Statement::parse`] would give it.
    pub fn new(fields: EnvelopeFields) -> Result<Self, StatementError> {
        let envelope = Self {
            tag: Tag,
            network: fields.network,
            signer: fields.signer,
            time: fields.time,
            id: fields.id,
            to: fields.to,
            expires: fields.expires,
            urgency: fields.urgency,
            forwarded: fields.forwarded,
            payload: fields.payload,
            wraps: fields.wraps,
            content: fields.content,
        };
        envelope.check()?;
        Ok(envelope)
    }

    /// Its identity.
    pub const fn key(&self) -> EnvelopeKey {
        EnvelopeKey {
            sender: self.signer.id.as_agency(),
            id: self.id,
        }
    }

    /// The reference that statements about it carry; `sha256` is over its exact bytes.
    ///
    /// `None` if the signer is not an agency, which no checked envelope allows.
    pub fn reference(&self, sha256: Digest) -> Option<EnvelopeRef> {
        let code = self.signer.code.agency()?.clone();
        let sender = Party {
            id: self.signer.id.as_agency(),
            code,
        };
        Some(EnvelopeRef {
            sender,
            id: self.id,
            sha256,
        })
    }

    pub(super) fn check(&self) -> Result<(), StatementError> {
        let wrong = |rule, code| Err(StatementError::Inconsistent { rule, code });
        if !matches!(self.signer.code, PartyCode::Agency(_)) {
            return wrong(
                "an envelope is signed by an agency",
                ErrorCode::RoleNotPermitted,
            );
        }
        if self.expires <= self.time || self.expires > self.time.plus_seconds(MAX_LIFE_SECONDS) {
            return wrong(
                "an envelope expires after its time, at most 90 days later",
                ErrorCode::ExpiryInvalid,
            );
        }
        if self.payload.size == 0 || self.payload.size > MAX_PAYLOAD {
            return wrong(
                "a payload has 1 byte to a little over 4 GiB",
                ErrorCode::TooLarge,
            );
        }
        Ok(())
    }
}

super::statement!(Envelope, StatementKind::Envelope);

/// The fields after the urgency are no longer than this.
const AFTER_URGENCY: usize = 8 * 1024;

/// How urgent the bytes of an envelope claim to be, before anything of them is believed:
/// only to order what waits to be checked. What is no envelope claims nothing.
pub fn claimed_urgency(statement: &[u8]) -> Urgency {
    const FIELD: &[u8] = b"\"urgency\":";
    let start = statement.len().saturating_sub(AFTER_URGENCY);
    let end = statement.get(start..).unwrap_or_default();
    end.windows(FIELD.len() + 1)
        .rev()
        .find_map(|window| window.strip_prefix(FIELD))
        .and_then(|digit| digit.first())
        .and_then(|digit| Urgency::from_value(u64::from(digit.wrapping_sub(b'0'))))
        .unwrap_or_default()
}
