//! Why the authority did not answer.

use consign_domain::ErrorCode;
use consign_pki::issue::IssueError;
use consign_proto::status_of;
use consign_runtime::tls::{ConnectFault, IdentityError, TlsError};

/// Why the authority did not answer.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum EnrolFault {
    /// There is no connection.
    #[error("the authority cannot be reached")]
    Connect(#[from] ConnectFault),
    /// It answered with a fault.
    #[error("the authority says: {}", status.message())]
    Refused {
        /// What it said.
        status: Box<tonic::Status>,
    },
    /// Its answer breaks the protocol.
    #[error("the authority's answer is not one; use the version of consign that it has")]
    Protocol,
    /// The directory names no service of the authority.
    #[error("the directory names no service of the authority; renew by files: authority issue")]
    NoService,
    /// It did not answer in time.
    #[error("the authority did not answer in time")]
    Late,
    /// No certificate to connect with could be made.
    #[error("no certificate to connect with can be made")]
    Certificate(#[from] IssueError),
    /// The certificate to connect with cannot be used.
    #[error("the certificate to connect with cannot be used")]
    Identity(#[from] IdentityError),
    /// TLS cannot be set up.
    #[error(transparent)]
    Tls(#[from] TlsError),
}

impl EnrolFault {
    /// The code to answer with.
    pub fn code(&self) -> ErrorCode {
        match self {
            Self::Late => ErrorCode::Unreachable,
            Self::Connect(fault) if fault.is_transient() => ErrorCode::Unreachable,
            Self::Connect(ConnectFault::Address { .. }) => ErrorCode::Usage,
            Self::Connect(_) => ErrorCode::PeerUnknown,
            Self::Refused { status } => status_of(status),
            Self::Protocol => ErrorCode::ProtocolViolation,
            Self::NoService => ErrorCode::Usage,
            Self::Certificate(_) | Self::Identity(_) | Self::Tls(_) => ErrorCode::Internal,
        }
    }

    /// Whether trying the same again can help without anybody doing anything.
    pub fn is_transient(&self) -> bool {
        match self {
            Self::Late => true,
            Self::Connect(fault) => fault.is_transient(),
            Self::Refused { status } => status_of(status).is_retryable(),
            _ => false,
        }
    }
}

impl From<tonic::Status> for EnrolFault {
    fn from(status: tonic::Status) -> Self {
        match ConnectFault::find(&status) {
            Some(fault) => Self::Connect(fault.clone()),
            None => Self::Refused {
                status: Box::new(status),
            },
        }
    }
}
