//! `consign/status/v1`: what an agency does with a document (codes of the national
//! edXML status message; `DOMAIN` of the project: 01–06, 13, 15, 16).

use serde::{Deserialize, Serialize, de};

use super::{EnvelopeRef, Signer, StatementError, StatementKind, Tag};
use crate::code::{AgencyCode, PartyCode};
use crate::digest::Digest;
use crate::error_code::ErrorCode;
use crate::id::NetworkId;
use crate::time::Timestamp;

/// A side of an exchange.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Side {
    /// Who sent the envelope.
    Sender,
    /// Who got it.
    Recipient,
}

/// What an agency does with a document.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum BusinessStatus {
    /// 01 đã đến: arrived, not acted on.
    Arrived,
    /// 02 từ chối tiếp nhận: refused, with a reason.
    Refused,
    /// 03 đã tiếp nhận: registered.
    Registered,
    /// 04 phân công: assigned.
    Assigned,
    /// 05 đang xử lý: in process.
    InProcess,
    /// 06 hoàn thành: completed.
    Completed,
    /// 13 yêu cầu lấy lại: the sender asks for it back, with a reason.
    RecallRequested,
    /// 15 đồng ý: agrees to the recall or update.
    RecallAgreed,
    /// 16 từ chối: refuses the recall or update.
    RecallRefused,
}

impl BusinessStatus {
    /// Every status.
    pub const ALL: [Self; 9] = [
        Self::Arrived,
        Self::Refused,
        Self::Registered,
        Self::Assigned,
        Self::InProcess,
        Self::Completed,
        Self::RecallRequested,
        Self::RecallAgreed,
        Self::RecallRefused,
    ];

    /// The two digits.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Arrived => "01",
            Self::Refused => "02",
            Self::Registered => "03",
            Self::Assigned => "04",
            Self::InProcess => "05",
            Self::Completed => "06",
            Self::RecallRequested => "13",
            Self::RecallAgreed => "15",
            Self::RecallRefused => "16",
        }
    }

    /// The status of two digits.
    pub fn from_code(code: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|status| status.as_str() == code)
    }

    /// Which side says it.
    pub const fn said_by(self) -> Side {
        match self {
            Self::RecallRequested => Side::Sender,
            _ => Side::Recipient,
        }
    }

    /// Whether it answers a recall.
    pub const fn is_answer(self) -> bool {
        matches!(self, Self::RecallAgreed | Self::RecallRefused)
    }

    /// Whether it must give a reason: as a code, or as text.
    pub const fn needs_reason(self) -> bool {
        matches!(self, Self::Refused | Self::RecallRequested)
    }
}

impl std::fmt::Display for BusinessStatus {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.as_str())
    }
}

impl Serialize for BusinessStatus {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.as_str())
    }
}

impl<'de> Deserialize<'de> for BusinessStatus {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = std::borrow::Cow::<'de, str>::deserialize(deserializer)?;
        Self::from_code(&text).ok_or_else(|| de::Error::custom("no such status"))
    }
}

/// What an agency does with a document, said to the other side.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Status {
    #[serde(rename = "type")]
    tag: Tag<2>,
    /// The network.
    pub network: NetworkId,
    /// The agency that says it.
    pub signer: Signer,
    /// When.
    pub time: Timestamp,
    /// The envelope that brought the document.
    pub envelope: EnvelopeRef,
    /// Whom it is told: the sender, or for a recall one recipient.
    pub to: AgencyCode,
    /// What.
    pub status: BusinessStatus,
    /// For 15 and 16: SHA-256 of the recall's statement that this answers.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub answers: Option<Digest>,
    /// A machine's reason.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<ErrorCode>,
    /// SHA-256 of the salted text (32 bytes of salt, then UTF-8), which travels
    /// beside the statement, age-encrypted to `to`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub text: Option<Digest>,
}

impl Status {
    /// A status without a reason; add `reason` or `text` where it needs one.
    pub const fn new(
        network: NetworkId,
        signer: Signer,
        time: Timestamp,
        envelope: EnvelopeRef,
        to: AgencyCode,
        status: BusinessStatus,
    ) -> Self {
        Self {
            tag: Tag,
            network,
            signer,
            time,
            envelope,
            to,
            status,
            answers: None,
            reason: None,
            text: None,
        }
    }

    pub(super) fn check(&self) -> Result<(), StatementError> {
        let wrong = |rule, code| Err(StatementError::Inconsistent { rule, code });
        if !matches!(self.signer.code, PartyCode::Agency(_)) {
            return wrong(
                "a status is signed by an agency",
                ErrorCode::RoleNotPermitted,
            );
        }
        if self.status.needs_reason() && self.reason.is_none() && self.text.is_none() {
            return wrong("this status needs a reason", ErrorCode::StatementMalformed);
        }
        if self.status.is_answer() != self.answers.is_some() {
            return wrong(
                "15 and 16 name the recall they answer",
                ErrorCode::StatementMalformed,
            );
        }
        let by_sender = self.signer.id == self.envelope.sender.id.into();
        let to_sender = self.to == self.envelope.sender.code;
        let sides_fit = match self.status.said_by() {
            Side::Sender => by_sender,
            Side::Recipient => to_sender,
        };
        if sides_fit {
            Ok(())
        } else {
            wrong(
                "a recall is asked by the sender, every other status is told to the sender",
                ErrorCode::StatusNotPermitted,
            )
        }
    }
}

super::statement!(Status, StatementKind::Status);
