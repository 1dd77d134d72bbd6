//! The one table from error codes to gRPC statuses, and faults inside streams.
//!
//! A status carries the code in the metadata `consign-code`, so that a peer acts on
//! the code and never on the text, and in `consign-retry-after-ms` how long to wait
//! before the same is tried again.

use std::time::Duration;

use consign_domain::ErrorCode;
use consign_domain::error_code::ErrorClass;
use tonic::metadata::MetadataValue;
use tonic::{Code, Status};

use crate::convert::Malformed;
use crate::v1;

/// The metadata key that carries the error code.
const CODE_KEY: &str = "consign-code";
/// The metadata key that carries how long to wait, in milliseconds.
const RETRY_KEY: &str = "consign-retry-after-ms";

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

/// A status for a code that says how long to wait before the same is tried again; zero
/// says nothing.
pub fn status_after(code: ErrorCode, message: impl Into<String>, wait: Duration) -> Status {
    let mut status = status_from_code(code, message);
    if !wait.is_zero() {
        let wait = MetadataValue::from(milliseconds(wait));
        status.metadata_mut().insert(RETRY_KEY, wait);
    }
    status
}

/// How long a status asks to wait; zero if it does not say.
pub fn retry_after_of(status: &Status) -> Duration {
    let milliseconds = status
        .metadata()
        .get(RETRY_KEY)
        .and_then(|value| value.to_str().ok())
        .and_then(|text| text.parse::<u32>().ok());
    Duration::from_millis(milliseconds.unwrap_or(0).into())
}

/// In whole milliseconds, never less than asked for.
fn milliseconds(wait: Duration) -> u32 {
    u32::try_from(wait.as_nanos().div_ceil(1_000_000)).unwrap_or(u32::MAX)
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

/// A fault inside a stream, with how long to wait before the same is tried again; zero
/// says nothing.
pub fn fault(code: ErrorCode, message: impl Into<String>, wait: Duration) -> v1::Fault {
    v1::Fault {
        code: code.as_str().to_owned(),
        message: message.into(),
        retry_after_ms: milliseconds(wait),
    }
}

/// A status as a fault.
pub fn fault_of_status(status: &Status) -> v1::Fault {
    fault(status_of(status), status.message(), retry_after_of(status))
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
    fn a_wait_survives_the_way_and_is_never_shortened() {
        let status = |wait| status_after(ErrorCode::Busy, "text", wait);
        for wait in [0, 1, 12_345, u32::MAX.into()].map(Duration::from_millis) {
            assert_eq!(retry_after_of(&status(wait)), wait);
            let fault = fault_of_status(&status(wait));
            assert_eq!(Duration::from_millis(fault.retry_after_ms.into()), wait);
        }
        let short = status(Duration::from_micros(1_001));
        assert_eq!(retry_after_of(&short), Duration::from_millis(2));
        assert_eq!(
            fault(ErrorCode::Busy, "", Duration::MAX).retry_after_ms,
            u32::MAX
        );
        let mut garbled = status(Duration::ZERO);
        garbled
            .metadata_mut()
            .insert(RETRY_KEY, MetadataValue::from_static("-1"));
        assert_eq!(retry_after_of(&garbled), Duration::ZERO);
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
