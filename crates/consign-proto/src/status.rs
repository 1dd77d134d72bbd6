//! The one table from error codes to gRPC statuses, and faults inside streams.
//!
//! A status carries the code in the metadata `consign-code`, so that a peer acts on
//! the code and never on the text.

use consign_domain::ErrorCode;
use consign_domain::error_code::ErrorClass;
use tonic::metadata::MetadataValue;
use tonic::{Code, Status};

use crate::convert::Malformed;
use crate::v1;

/// The metadata key that carries the error code.
const CODE_KEY: &str = "consign-code";

/// A status for a code, with a text for people.
pub fn status_from_code(code: ErrorCode, message: impl Into<String>) -> Status {
    let grpc = match (code, code.class()) {
        (ErrorCode::Busy | ErrorCode::QuotaExceeded | ErrorCode::StorageFull, _) => {
            Code::ResourceExhausted
        }
        (ErrorCode::AlreadySettled | ErrorCode::IdReused, _) => Code::AlreadyExists,
        (_, ErrorClass::Invalid) => Code::InvalidArgument,
        (_, ErrorClass::Denied) => Code::PermissionDenied,
        (_, ErrorClass::NotFound) => Code::NotFound,
        (_, ErrorClass::Conflict) => Code::Aborted,
        (_, ErrorClass::Untimely) => Code::FailedPrecondition,
        (_, ErrorClass::Retry) => Code::Unavailable,
        _ => Code::Internal,
    };
    let mut status = Status::new(grpc, message);
    status
        .metadata_mut()
        .insert(CODE_KEY, MetadataValue::from_static(code.as_str()));
    status
}

/// The code that a status carries; a status without one is taken by its gRPC code.
pub fn status_of(status: &Status) -> ErrorCode {
    status
        .metadata()
        .get(CODE_KEY)
        .and_then(|value| value.to_str().ok())
        .and_then(|text| text.parse().ok())
        .unwrap_or(match status.code() {
            Code::Unavailable | Code::Cancelled | Code::DeadlineExceeded | Code::Unknown => {
                ErrorCode::Unreachable
            }
            Code::ResourceExhausted => ErrorCode::Busy,
            Code::NotFound => ErrorCode::NotFound,
            Code::InvalidArgument | Code::OutOfRange => ErrorCode::ProtocolViolation,
            Code::Unimplemented => ErrorCode::ProtocolVersion,
            Code::PermissionDenied | Code::Unauthenticated => ErrorCode::PeerUnknown,
            _ => ErrorCode::Internal,
        })
}

/// A fault inside a stream.
pub fn fault(code: ErrorCode, message: impl Into<String>) -> v1::Fault {
    v1::Fault {
        code: code.as_str().to_owned(),
        message: message.into(),
        retry_after_ms: 0,
    }
}

/// A status as a fault.
pub fn fault_of_status(status: &Status) -> v1::Fault {
    fault(status_of(status), status.message())
}

impl From<Malformed> for Status {
    fn from(malformed: Malformed) -> Self {
        status_from_code(ErrorCode::ProtocolViolation, malformed.to_string())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_code_survives_the_way() {
        for code in ErrorCode::ALL {
            assert_eq!(status_of(&status_from_code(*code, "text")), *code);
        }
    }

    #[test]
    fn what_is_retryable_never_looks_final() {
        for code in ErrorCode::ALL.iter().filter(|code| code.is_retryable()) {
            let grpc = status_from_code(*code, "").code();
            assert!(
                matches!(grpc, Code::Unavailable | Code::ResourceExhausted),
                "{code}"
            );
        }
    }
}
