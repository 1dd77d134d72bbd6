//! Why a session with the hub ended, in words for whoever has to act.

use std::error::Error as _;
use std::time::Duration;

use consign_domain::{AgencyCode, ErrorCode};
use consign_proto::{Malformed, retry_after_of, status_of, v1};
use consign_runtime::tls::ConnectFault;
use thiserror::Error;

use super::directory::DirectoryRefusal;
use super::state::Cause;
use crate::inbox::InboxError;

/// Why there is no session, or why it ended.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum LinkFault {
    /// There is no connection.
    #[error(transparent)]
    Connect(#[from] ConnectFault),
    /// A call failed, or a stream ended with a status.
    #[error("the hub ended the call: {text}")]
    Call {
        /// The hub's code.
        code: ErrorCode,
        /// The hub's words.
        text: String,
        /// How long it asks to wait; zero if it does not say.
        retry_after: Duration,
    },
    /// A stream ended without a word.
    #[error("the hub closed the connection")]
    Closed,
    /// The directory cannot be used, or got newer.
    #[error(transparent)]
    Directory(#[from] DirectoryRefusal),
    /// The directory has no hub.
    #[error("the directory names no hub; the authority must enrol one and publish")]
    NoHub,
    /// The directory does not say that this node serves its agencies.
    #[error(
        "the directory does not list this node with any of its agencies yet; \
         ask the authority to publish, then wait"
    )]
    NotServed,
    /// The hub breaks the protocol.
    #[error("the hub breaks the protocol: {rule}")]
    Protocol {
        /// The rule that it breaks.
        rule: &'static str,
    },
    /// The hub knows less than this node has already stored.
    #[error(
        "the hub has {hub} items for {agency}, this node has stored {here}: \
         the hub was restored from a backup; its operator must decide"
    )]
    HubBehind {
        /// The agency.
        agency: AgencyCode,
        /// How far the hub is.
        hub: u64,
        /// How far we are.
        here: u64,
    },
    /// The hub refused to serve the agencies.
    #[error("the hub refused: {text}")]
    Refused {
        /// Its code.
        code: ErrorCode,
        /// Its words.
        text: String,
    },
    /// Nothing was answered for too long.
    #[error("the hub has not answered for {seconds} seconds")]
    NoAnswer {
        /// How long.
        seconds: u64,
    },
    /// The hub is stopping.
    #[error("the hub is stopping")]
    Drain,
    /// A newer directory changes hub, address or agencies: a new session begins.
    #[error("the directory changed what this node connects to")]
    Reassigned,
    /// Items contradict what was stored before.
    #[error(transparent)]
    Inbox(#[from] InboxError),
}

impl LinkFault {
    /// The code to show.
    pub fn code(&self) -> ErrorCode {
        match self {
            Self::Connect(fault) => connect_code(fault),
            Self::Call { code, .. } | Self::Refused { code, .. } => *code,
            Self::Closed => ErrorCode::Unreachable,
            Self::Directory(refusal) => refusal.code(),
            Self::NoHub | Self::NotServed => ErrorCode::NodeDoesNotServe,
            Self::Protocol { .. } => ErrorCode::ProtocolViolation,
            Self::HubBehind { .. } => ErrorCode::HubBehind,
            Self::NoAnswer { .. } => ErrorCode::Unreachable,
            Self::Drain | Self::Reassigned => ErrorCode::Draining,
            Self::Inbox(fault) => fault.code(),
        }
    }

    /// Whether the hub does not take our certificate.
    pub(crate) const fn is_of_certificate(&self) -> bool {
        matches!(self, Self::Connect(ConnectFault::RefusedByPeer { .. }))
    }

    /// Whether it passes by itself; otherwise somebody has to act, here or there.
    pub(crate) fn is_transient(&self) -> bool {
        match self {
            Self::Connect(fault) => fault.is_transient(),
            Self::Call { code, .. } | Self::Refused { code, .. } => {
                code.is_retryable() && !matches!(code, ErrorCode::HubBehind)
            }
            Self::Directory(refusal) => refusal.is_transient(),
            Self::Closed | Self::NoAnswer { .. } | Self::Drain | Self::Reassigned => true,
            _ => false,
        }
    }

    /// How long the hub asks to wait before it is called again.
    pub(crate) const fn retry_after(&self) -> Duration {
        match self {
            Self::Call { retry_after, .. } => *retry_after,
            _ => Duration::ZERO,
        }
    }

    /// As people are told: the root of it.
    pub(crate) fn cause(&self) -> Cause {
        let mut text = self.to_string();
        let mut source = self.source();
        while let Some(inner) = source {
            let more = inner.to_string();
            if !text.contains(&more) {
                text = format!("{text}: {more}");
            }
            source = inner.source();
        }
        Cause {
            code: self.code(),
            text,
        }
    }
}

fn connect_code(fault: &ConnectFault) -> ErrorCode {
    match fault {
        ConnectFault::PeerRefused(_) | ConnectFault::RefusedByPeer { .. } => ErrorCode::PeerUnknown,
        ConnectFault::Address { .. } => ErrorCode::Usage,
        ConnectFault::NoHttp2 { .. } => ErrorCode::ProtocolVersion,
        _ => ErrorCode::Unreachable,
    }
}

impl From<tonic::Status> for LinkFault {
    fn from(status: tonic::Status) -> Self {
        match ConnectFault::find(&status) {
            Some(fault) => Self::Connect(fault.clone()),
            None => Self::Call {
                code: status_of(&status),
                text: status.message().to_owned(),
                retry_after: heeded(retry_after_of(&status)),
            },
        }
    }
}

impl From<Malformed> for LinkFault {
    fn from(malformed: Malformed) -> Self {
        Self::Protocol {
            rule: malformed.field,
        }
    }
}

/// No wait that a hub asks for is longer: what it says is heeded, and never believed for
/// ever.
const LONGEST: Duration = Duration::from_secs(600);

/// What a hub asks for, bounded.
fn heeded(wait: Duration) -> Duration {
    wait.min(LONGEST)
}

/// A fault inside a stream, in types.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct PeerFault {
    pub(crate) cause: Cause,
    /// How long the hub asks to wait; zero if it does not say.
    pub(crate) retry_after: Duration,
}

impl From<v1::Fault> for PeerFault {
    fn from(fault: v1::Fault) -> Self {
        // A code that a newer hub invented decides nothing here: it is tried again, rarely.
        let code = fault.code.parse().unwrap_or(ErrorCode::Internal);
        let mut text = fault.message;
        if text.len() > 1000 {
            text = text.chars().take(1000).collect();
        }
        Self {
            cause: Cause { code, text },
            retry_after: heeded(Duration::from_millis(fault.retry_after_ms.into())),
        }
    }
}

impl From<tonic::Status> for PeerFault {
    fn from(status: tonic::Status) -> Self {
        consign_proto::fault_of_status(&status).into()
    }
}
