//! Why a message is not let in.

use std::time::Duration;

use consign_domain::{AgencyCode, AgencyId, DirectoryVersion, ErrorCode, NodeId, Timestamp};
use consign_proto::{Malformed, v1};
use consign_store::StoreError;
use consign_verify::StatementRefusal;
use tonic::Status;

/// A refusal that leaves the id unused: nothing is signed and nothing is stored.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub(crate) enum Refused {
    /// A field is missing or has another form.
    #[error(transparent)]
    Malformed(#[from] Malformed),
    /// The statement is not believed.
    #[error("{0}")]
    Statement(#[from] StatementRefusal),
    /// The certificate is no longer an active node's.
    #[error("node {node} is not, or no longer, in the directory with this certificate")]
    PeerUnknown {
        /// Who the caller was.
        node: NodeId,
    },
    /// By the directory another node serves the agency.
    #[error("node {node} does not serve agency {agency} by the directory")]
    NodeDoesNotServe {
        /// The caller.
        node: NodeId,
        /// For whom it spoke.
        agency: AgencyId,
    },
    /// The sender is not active or belongs to another hub.
    #[error("agency {agency} may not send through this hub for now")]
    SenderNotActive {
        /// The sender.
        agency: AgencyId,
    },
    /// The statement is from the future.
    #[error("the statement's time {time} is ahead of the hub's clock, {now}")]
    InFuture {
        /// The statement's time.
        time: Timestamp,
        /// The hub's.
        now: Timestamp,
    },
    /// The sender knows a newer directory than the hub.
    #[error("the statement was made under directory version {needed}, here is {here}")]
    DirectoryBehind {
        /// The version named.
        needed: DirectoryVersion,
        /// The version here.
        here: DirectoryVersion,
    },
    /// The directory in force is past its date.
    #[error("directory version {version} has expired; the authority must publish a new one")]
    DirectoryExpired {
        /// The version in force.
        version: DirectoryVersion,
    },
    /// The directory in force does not list this hub, or not with the keys it has.
    #[error("directory version {version} does not list this hub with its keys; the authority must")]
    HubNotListed {
        /// The version in force.
        version: DirectoryVersion,
    },
    /// The hub was restored from a backup.
    #[error("the hub knows less than a node has seen; its operator must decide")]
    HubBehind,
    /// An envelope that expired before the time of which the hub remembers all.
    #[error("the envelope expired at {expires}: the hub no longer knows whether it answered it")]
    Forgotten {
        /// When it expired.
        expires: Timestamp,
    },
    /// An envelope under a revoked key, so old that the hub may have accepted it and lost it.
    #[error(
        "the sender's key was revoked, and the hub, which went on without lost data at {decided}, \
         cannot tell whether it had accepted this envelope before"
    )]
    AcceptedPerhaps {
        /// When the hub's operator decided to go on.
        decided: Timestamp,
    },
    /// The node has seen more than the hub knows, and has not proven it.
    #[error(
        "agency {agency} is ahead of the hub; its inbox is not served until the hub's operator \
         has looked into it"
    )]
    Ahead {
        /// The agency.
        agency: AgencyId,
    },
    /// The id was used for another envelope.
    #[error("the same sender and id were used with other content")]
    IdReused,
    /// A payload or text over its bound.
    #[error("{size} bytes, at most {limit} are allowed here")]
    TooLarge {
        /// Bytes found.
        size: u64,
        /// Bytes allowed.
        limit: u64,
    },
    /// A submission without its payload.
    #[error("the payload was not uploaded, or not kept since; upload it again")]
    PayloadMissing,
    /// An upload that ended early.
    #[error("{here} of {size} bytes are here; upload the rest")]
    PayloadShort {
        /// Bytes that are here.
        here: u64,
        /// Bytes announced.
        size: u64,
    },
    /// A status that does not go with its envelope.
    #[error("{rule}")]
    Status {
        /// The rule that is broken.
        rule: &'static str,
    },
    /// A statement that tells of something else than the call is for.
    #[error("{rule}")]
    Role {
        /// The rule that is broken.
        rule: &'static str,
    },
    /// There is no such envelope for this caller.
    #[error("no such envelope")]
    EnvelopeUnknown,
    /// The agency is not among the recipients.
    #[error("the agency is not a recipient of this envelope")]
    NotARecipient,
    /// A receipt that does not go with its envelope.
    #[error("the receipt does not fit the envelope: {rule}")]
    Receipt {
        /// The rule that is broken.
        rule: &'static str,
    },
    /// A newer stream serves the agency.
    #[error("a newer stream for agency {agency} took over")]
    Fenced {
        /// The agency.
        agency: AgencyId,
    },
    /// Too much at once.
    #[error("too much is in flight; try again later")]
    Busy,
    /// A bound of this node or of the hub is reached for now.
    #[error("{quota} is used up for now")]
    Quota {
        /// Which.
        quota: &'static str,
    },
    /// The sending agency has used one of its bounds up for now.
    #[error("the sending agency's {quota} is used up for now")]
    SenderQuota {
        /// Which.
        quota: &'static str,
        /// When there is room again.
        wait: Duration,
    },
    /// The node has used one of its bounds up for now.
    #[error("the node's {quota} is used up for now")]
    NodeQuota {
        /// Which.
        quota: &'static str,
        /// When there is room again.
        wait: Duration,
    },
    /// The hub was not given a time-stamp certificate.
    #[error("this hub has no time-stamp authority; have its operator enrol it anew for one")]
    NoTimeStamps,
    /// The time-stamp authority did not sign.
    #[error("no time-stamp could be made")]
    TimeStamp,
    /// The hub is stopping.
    #[error("the hub is stopping; reconnect")]
    Draining,
    /// A message out of order.
    #[error("{rule}")]
    Protocol {
        /// The rule that is broken.
        rule: &'static str,
    },
    /// The peer speaks another version.
    #[error("protocol version {found}, the hub speaks {}", consign_proto::PROTOCOL)]
    ProtocolVersion {
        /// The version asked for.
        found: u32,
    },
    /// The store could not.
    #[error("{0}")]
    Store(#[from] StoreError),
}

impl Refused {
    /// The code to answer with.
    pub(crate) const fn code(&self) -> ErrorCode {
        match self {
            Self::Malformed(_) | Self::Protocol { .. } => ErrorCode::ProtocolViolation,
            Self::Statement(refusal) => refusal.code(),
            Self::PeerUnknown { .. } => ErrorCode::PeerUnknown,
            Self::NodeDoesNotServe { .. } => ErrorCode::NodeDoesNotServe,
            Self::SenderNotActive { .. } => ErrorCode::SenderUnknown,
            Self::InFuture { .. } => ErrorCode::TimeInFuture,
            Self::DirectoryBehind { .. } => ErrorCode::DirectoryBehind,
            Self::DirectoryExpired { .. } | Self::HubNotListed { .. } => {
                ErrorCode::DirectoryExpired
            }
            Self::HubBehind | Self::Ahead { .. } => ErrorCode::HubBehind,
            Self::Forgotten { .. } => ErrorCode::EnvelopeExpired,
            Self::AcceptedPerhaps { .. } => ErrorCode::KeyRevoked,
            Self::IdReused => ErrorCode::IdReused,
            Self::TooLarge { .. } => ErrorCode::TooLarge,
            Self::PayloadMissing | Self::PayloadShort { .. } => ErrorCode::PayloadMissing,
            Self::Status { .. } => ErrorCode::StatusNotPermitted,
            Self::Role { .. } => ErrorCode::RoleNotPermitted,
            Self::EnvelopeUnknown => ErrorCode::EnvelopeUnknown,
            Self::NotARecipient => ErrorCode::NotARecipient,
            Self::Receipt { .. } => ErrorCode::ReceiptMismatch,
            Self::Fenced { .. } => ErrorCode::StreamFenced,
            Self::Busy => ErrorCode::Busy,
            Self::Quota { .. } | Self::SenderQuota { .. } | Self::NodeQuota { .. } => {
                ErrorCode::QuotaExceeded
            }
            Self::NoTimeStamps => ErrorCode::NotFound,
            Self::TimeStamp => ErrorCode::Internal,
            Self::Draining => ErrorCode::Draining,
            Self::ProtocolVersion { .. } => ErrorCode::ProtocolVersion,
            Self::Store(error) => error.code(),
        }
    }

    /// As a fault inside a stream.
    pub(crate) fn fault(&self) -> v1::Fault {
        consign_proto::fault(self.code(), self.to_string(), self.retry_after())
    }
}

impl From<Refused> for Status {
    fn from(refused: Refused) -> Self {
        consign_proto::status_after(refused.code(), refused.to_string(), refused.retry_after())
    }
}

/// A final refusal, which the hub signs and remembers: it uses the id up.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Rejection {
    /// Why.
    pub(crate) reason: ErrorCode,
    /// The recipients concerned, ascending; all of them.
    pub(crate) refused: Vec<AgencyCode>,
}

impl Rejection {
    pub(crate) const fn of(reason: ErrorCode) -> Self {
        Self {
            reason,
            refused: Vec::new(),
        }
    }
}
