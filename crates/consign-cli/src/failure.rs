//! Why a command failed, in words for the person who ran it: code, cause, fix.
//!
//! One table turns codes into exit codes ([`Failure::exit_code`]) and one into advice
//! ([`advice`]). The cause is followed to its root; the log has the rest.

use std::error::Error;
use std::fmt::Write as _;
use std::path::Path;

use consign_authority::AuthorityError;
use consign_domain::ErrorCode;
use consign_domain::enrolment::EnrolmentError;
use consign_node::client::ClientError;
use consign_runtime::config::ConfigFaults;
use consign_runtime::files::FileError;
use consign_runtime::telemetry::TelemetryError;
use consign_runtime::uds::SocketFault;
use serde::Serialize;

use crate::commands::quoted;

/// Exit codes of every command.
pub(crate) mod exit {
    /// Done, or nothing to do.
    pub(crate) const DONE: u8 = 0;
    /// It did not work.
    pub(crate) const FAILED: u8 = 1;
    /// The command line or the configuration cannot be used.
    pub(crate) const USAGE: u8 = 2;
    /// `verify`: TOTAL-FAILED.
    pub(crate) const VERDICT_FAILED: u8 = 10;
    /// `verify`: INDETERMINATE.
    pub(crate) const VERDICT_INDETERMINATE: u8 = 11;
    /// `verify`: the bytes break their format.
    pub(crate) const VERDICT_MALFORMED: u8 = 12;
}

/// Why a command failed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub(crate) struct Failure {
    /// The code, the same in evidence, logs and here.
    pub(crate) code: ErrorCode,
    /// What happened and why, down to the root.
    pub(crate) message: String,
    /// What to do now.
    pub(crate) fix: String,
}

impl Failure {
    /// A failure with the advice of its code.
    pub(crate) fn new(code: ErrorCode, message: impl Into<String>) -> Self {
        Self {
            code,
            message: message.into(),
            fix: advice(code).to_owned(),
        }
    }

    /// An error and all that caused it.
    pub(crate) fn of(code: ErrorCode, error: &(dyn Error + 'static)) -> Self {
        Self::new(code, with_causes(error))
    }

    /// What was asked for cannot be used.
    pub(crate) fn usage(message: impl Into<String>, fix: impl Into<String>) -> Self {
        Self::new(ErrorCode::Usage, message).fix(fix)
    }

    /// The same with another thing to do.
    pub(crate) fn fix(mut self, fix: impl Into<String>) -> Self {
        self.fix = fix.into();
        self
    }

    /// A file that could not be read or written.
    pub(crate) fn io(action: &str, path: &Path, error: &std::io::Error) -> Self {
        let code = match error.kind() {
            std::io::ErrorKind::NotFound => ErrorCode::NotFound,
            std::io::ErrorKind::StorageFull | std::io::ErrorKind::QuotaExceeded => {
                ErrorCode::StorageFull
            }
            _ => ErrorCode::StorageFailed,
        };
        let message = format!("cannot {action} {}: {error}", path.display());
        let fix = match code {
            ErrorCode::NotFound => "check the path",
            ErrorCode::StorageFull => advice(code),
            _ => "check the file's owner and mode",
        };
        Self::new(code, message).fix(fix)
    }

    /// What the shell is told.
    pub(crate) const fn exit_code(&self) -> u8 {
        match self.code {
            ErrorCode::Usage => exit::USAGE,
            _ => exit::FAILED,
        }
    }
}

/// What to do about a fault when nobody nearer knows better.
pub(crate) const fn advice(code: ErrorCode) -> &'static str {
    match code {
        ErrorCode::Usage => "see: consign --help",
        ErrorCode::Unreachable => "see what the node says: consign status",
        ErrorCode::NotFound => "list what is there: consign inbox, consign sent",
        ErrorCode::EnvelopeUnknown => "list the ids there are: consign sent, consign inbox",
        ErrorCode::RecipientUnknown => "list the agencies there are: consign directory show",
        ErrorCode::SenderUnknown | ErrorCode::NodeDoesNotServe => {
            "ask the authority to enrol the agency on this node: consign directory show"
        }
        ErrorCode::KeyRevoked => {
            "have new keys enrolled, and send the document again: consign node enrol --help"
        }
        ErrorCode::DirectoryExpired | ErrorCode::DirectoryBehind => {
            "ask the authority to publish a directory: consign authority publish"
        }
        ErrorCode::PeerUnknown | ErrorCode::PeerCertificateNotValid => {
            "enrol again, or ask the authority to publish: consign authority publish"
        }
        ErrorCode::StorageFull => "make room on the disk; nothing that was accepted is lost",
        ErrorCode::StorageFailed => "check disk, owner and mode of the directory, then start again",
        ErrorCode::QuotaExceeded | ErrorCode::Busy => "try again in a while",
        ErrorCode::TimeInFuture => "set the clock of this machine, for example with NTP",
        ErrorCode::StateSecret => "do not send it: state secrets do not travel on this network",
        ErrorCode::TokenUnavailable => "plug the token in, or unlock it; what waits goes on then",
        ErrorCode::TooLarge => "split the document: a container has less than 4 GiB",
        ErrorCode::IdReused => "leave the id out to send a new document",
        ErrorCode::EnvelopeExpired | ErrorCode::NotCollected => "send the document again",
        ErrorCode::HubBehind => "tell the hub's operator: its data are older than the network's",
        ErrorCode::ProtocolVersion => "install the newest consign on both sides",
        ErrorCode::Draining => "try again: the service is starting anew",
        ErrorCode::DocumentInvalid => "correct the document's fields: consign send --help",
        ErrorCode::Internal => "report it, with the log of the process",
        _ => "see the log of the process for its cause",
    }
}

/// An error and what caused it, each said once, on one line.
pub(crate) fn with_causes(error: &(dyn Error + 'static)) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(source) = cause {
        let said = source.to_string();
        if !text.ends_with(&said) {
            let _ = write!(text, ": {said}");
        }
        cause = source.source();
    }
    text
}

impl From<tonic::Status> for Failure {
    fn from(status: tonic::Status) -> Self {
        let code = consign_proto::status_of(&status);
        let mut cause = status.source();
        while let Some(source) = cause {
            if let Some(fault) = source.downcast_ref::<SocketFault>() {
                return Self::of(ErrorCode::Unreachable, fault)
                    .fix("start the node: consign node run");
            }
            cause = source.source();
        }
        Self::new(code, status.message())
    }
}

impl From<ClientError> for Failure {
    fn from(error: ClientError) -> Self {
        let fix = match &error {
            ClientError::NotRunning { directory } => {
                format!("start it: consign node run {}", quoted(directory))
            }
            _ => "check --node, or CONSIGN_NODE".to_owned(),
        };
        let message = match &error {
            ClientError::NotRunning { directory } => {
                format!("no node is running in {}", directory.display())
            }
            _ => with_causes(&error),
        };
        Self::new(error.code(), message).fix(fix)
    }
}

impl From<ConfigFaults> for Failure {
    fn from(faults: ConfigFaults) -> Self {
        let fix = format!("correct {}", faults.path().display());
        Self::usage(faults.to_string(), fix)
    }
}

impl From<TelemetryError> for Failure {
    fn from(error: TelemetryError) -> Self {
        Self::usage(
            with_causes(&error),
            "correct log.filter in the configuration",
        )
    }
}

impl From<FileError> for Failure {
    fn from(error: FileError) -> Self {
        let code = if error.is_not_found() {
            ErrorCode::NotFound
        } else {
            ErrorCode::StorageFailed
        };
        Self::of(code, &error).fix("check the path, its owner and its mode")
    }
}

impl From<EnrolmentError> for Failure {
    fn from(error: EnrolmentError) -> Self {
        Self::of(ErrorCode::Usage, &error).fix("name a file that consign made")
    }
}

impl From<AuthorityError> for Failure {
    fn from(error: AuthorityError) -> Self {
        // Its texts end in what to do.
        let text = with_causes(&error);
        Self::new(error.code(), text).fix("see: consign authority --help")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_code_has_an_exit_code_and_something_to_do() {
        for code in ErrorCode::ALL {
            let failure = Failure::new(*code, "it did not work");
            let expected = match code {
                ErrorCode::Usage => exit::USAGE,
                _ => exit::FAILED,
            };
            assert_eq!(failure.exit_code(), expected, "{code}");
            assert!(!failure.fix.is_empty(), "{code}");
            assert!(!failure.fix.ends_with('.'), "{code}");
        }
    }

    #[test]
    fn a_cause_is_said_once() {
        #[derive(Debug, thiserror::Error)]
        #[error("cannot read the letter")]
        struct Outer(#[source] std::io::Error);
        let error = Outer(std::io::Error::other("the disk is gone"));
        assert_eq!(
            with_causes(&error),
            "cannot read the letter: the disk is gone"
        );
    }

    #[test]
    fn a_status_keeps_the_code_that_it_carries() {
        let status = consign_proto::status_from_code(ErrorCode::RecipientUnknown, "no H99.77");
        let failure = Failure::from(status);
        assert_eq!(failure.code, ErrorCode::RecipientUnknown);
        assert_eq!(failure.message, "no H99.77");
        assert!(failure.fix.contains("consign directory show"));
    }
}
