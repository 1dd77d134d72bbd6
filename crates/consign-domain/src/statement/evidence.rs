//! `consign/evidence/v1`: a hub or an agency says what happened to an envelope.
//!
//! Events are those of ETSI EN 319 522-1 §6; who may say which is in [`Event::said_by`].

use serde::{Deserialize, Serialize};

use super::{EnvelopeRef, Signer, StatementError, StatementKind, Tag};
use crate::code::{AgencyCode, PartyCode};
use crate::digest::{Digest, Salt};
use crate::directory::Role;
use crate::error_code::ErrorCode;
use crate::id::{AgencyId, HubId, NetworkId, Sequence};
use crate::limits::{MAX_INTEGER, MAX_RECIPIENTS};
use crate::time::Timestamp;

/// What happened.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[non_exhaustive]
pub enum Event {
    /// The hub took the envelope over and has placed it in every recipient's inbox.
    SubmissionAcceptance,
    /// The hub refused the envelope, finally.
    SubmissionRejection,
    /// The envelope lies in the recipient's inbox at its hub.
    ContentConsignment,
    /// The envelope could not be placed in the recipient's inbox.
    ContentConsignmentFailure,
    /// The recipient has the payload and signs for it.
    ContentHandover,
    /// No receipt came in time.
    ContentHandoverFailure,
}

impl Event {
    /// Every event.
    pub const ALL: [Self; 6] = [
        Self::SubmissionAcceptance,
        Self::SubmissionRejection,
        Self::ContentConsignment,
        Self::ContentConsignmentFailure,
        Self::ContentHandover,
        Self::ContentHandoverFailure,
    ];

    /// The role that may say it.
    pub const fn said_by(self) -> Role {
        match self {
            Self::ContentHandover => Role::Agency,
            _ => Role::Hub,
        }
    }

    /// Whether it tells of a failure and so carries a reason.
    pub const fn is_negative(self) -> bool {
        matches!(
            self,
            Self::SubmissionRejection
                | Self::ContentConsignmentFailure
                | Self::ContentHandoverFailure
        )
    }

    /// Whether it is about the submission as a whole and not about one recipient.
    pub const fn is_submission(self) -> bool {
        matches!(self, Self::SubmissionAcceptance | Self::SubmissionRejection)
    }

    /// The name, as in the standard.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::SubmissionAcceptance => "SubmissionAcceptance",
            Self::SubmissionRejection => "SubmissionRejection",
            Self::ContentConsignment => "ContentConsignment",
            Self::ContentConsignmentFailure => "ContentConsignmentFailure",
            Self::ContentHandover => "ContentHandover",
            Self::ContentHandoverFailure => "ContentHandoverFailure",
        }
    }
}

impl std::fmt::Display for Event {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.as_str())
    }
}

/// A recipient and the envelope's place in its inbox.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Placement {
    /// The recipient's immutable id.
    pub id: AgencyId,
    /// Its code.
    pub code: AgencyCode,
    /// The place in its inbox.
    pub sequence: Sequence,
}

/// A hub or an agency says what happened to an envelope.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Evidence {
    #[serde(rename = "type")]
    tag: Tag<1>,
    /// The network.
    pub network: NetworkId,
    /// The hub, or the recipient for a handover.
    pub signer: Signer,
    /// When it was said.
    pub time: Timestamp,
    /// What happened.
    pub event: Event,
    /// The hub at which it happened.
    pub hub: HubId,
    /// The envelope.
    pub envelope: EnvelopeRef,
    /// Where the envelope was placed, codes ascending: all recipients for an
    /// acceptance, the one concerned for consignment and handover.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub placements: Vec<Placement>,
    /// Why, for a negative event.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<ErrorCode>,
    /// The recipients that the reason concerns, ascending.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub refused: Vec<AgencyCode>,
    /// The envelope's commitment to its container, where known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub content: Option<Digest>,
    /// The leaf of the hub's log that records it, once the hub keeps one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub leaf: Option<u64>,
    /// The salt of that leaf.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub salt: Option<Salt>,
}

impl Evidence {
    /// Evidence of `event` without the fields that only some events have.
    pub const fn new(
        network: NetworkId,
        signer: Signer,
        time: Timestamp,
        event: Event,
        hub: HubId,
        envelope: EnvelopeRef,
    ) -> Self {
        Self {
            tag: Tag,
            network,
            signer,
            time,
            event,
            hub,
            envelope,
            placements: Vec::new(),
            reason: None,
            refused: Vec::new(),
            content: None,
            leaf: None,
            salt: None,
        }
    }

    /// The one recipient that a consignment or handover is about.
    pub const fn recipient(&self) -> Option<&Placement> {
        match (self.event.is_submission(), self.placements.as_slice()) {
            (false, [only]) => Some(only),
            _ => None,
        }
    }

    /// Only the recipient signs for itself, and only the hub speaks as the hub.
    fn check_signer(&self) -> Result<(), StatementError> {
        let own = match (self.event.said_by(), self.recipient()) {
            (Role::Agency, Some(recipient)) => {
                // By id: its code may have changed since it was placed.
                self.signer.id == recipient.id.into() && self.signer.code.agency().is_some()
            }
            (Role::Hub, _) => {
                self.signer.id == self.hub.into()
                    && matches!(self.signer.code, PartyCode::Service(_))
            }
            _ => false,
        };
        if own {
            return Ok(());
        }
        let rule = "a handover is signed by its recipient, every other event by its hub";
        Err(StatementError::Inconsistent {
            rule,
            code: ErrorCode::RoleNotPermitted,
        })
    }

    pub(super) fn check(&self) -> Result<(), StatementError> {
        let rule = |holds: bool, rule| {
            let code = ErrorCode::StatementMalformed;
            if holds {
                Ok(())
            } else {
                Err(StatementError::Inconsistent { rule, code })
            }
        };
        self.check_signer()?;
        let placements = match self.event {
            // None at this hub, where all recipients have others.
            Event::SubmissionAcceptance => self.placements.len() <= MAX_RECIPIENTS,
            Event::SubmissionRejection => self.placements.is_empty(),
            _ => self.placements.len() == 1,
        };
        rule(
            placements,
            "an acceptance places every recipient, a refusal none, others one",
        )?;
        rule(
            self.placements.is_sorted_by(|a, b| a.code < b.code),
            "placements are in strictly ascending order of codes",
        )?;
        rule(
            self.reason.is_some() == self.event.is_negative(),
            "a negative event carries a reason, a positive one none",
        )?;
        rule(
            self.reason.is_none_or(|reason| !reason.is_retryable()),
            "what may be retried is not a final reason",
        )?;
        rule(
            self.refused.is_empty() || self.event == Event::SubmissionRejection,
            "only a refused submission lists refused recipients",
        )?;
        rule(
            self.refused.len() <= MAX_RECIPIENTS && self.refused.is_sorted_by(|a, b| a < b),
            "refused recipients are in strictly ascending order",
        )?;
        rule(
            self.leaf.is_some() == self.salt.is_some()
                && self.leaf.is_none_or(|leaf| leaf <= MAX_INTEGER),
            "a leaf and its salt come together",
        )
    }
}

super::statement!(Evidence, StatementKind::Evidence);
