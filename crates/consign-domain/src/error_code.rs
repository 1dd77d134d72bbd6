//! The closed list of faults that a peer or a person can be told about.
//!
//! One code, one meaning, for ever: codes are in signed evidence. What kind of
//! answer a code becomes (gRPC status, page, exit code) is decided where that
//! answer is made, from [`ErrorCode::class`].

use std::fmt;
use std::str::FromStr;

use crate::text::serde_as_text;

/// What a caller can do about a fault.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum ErrorClass {
    /// What was sent is wrong in itself; sending it again changes nothing.
    Invalid,
    /// The peer may not do this.
    Denied,
    /// There is no such thing.
    NotFound,
    /// It contradicts what was said before under the same id.
    Conflict,
    /// It came too late or too early.
    Untimely,
    /// Try again later: nothing is decided.
    Retry,
    /// A fault of the program or its machine.
    Internal,
}

/// A word that is not an error code.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("not a known error code")]
pub struct UnknownErrorCode;

macro_rules! error_codes {
    ($($(#[$doc:meta])* $name:ident = $text:literal, $class:ident;)*) => {
        /// A fault's name, the same in evidence, messages, logs and exit texts.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
        #[non_exhaustive]
        pub enum ErrorCode { $($(#[$doc])* $name,)* }

        impl ErrorCode {
            /// Every code.
            pub const ALL: &'static [Self] = &[$(Self::$name,)*];

            /// The code as text.
            pub const fn as_str(self) -> &'static str {
                match self { $(Self::$name => $text,)* }
            }

            /// What a caller can do about it.
            pub const fn class(self) -> ErrorClass {
                match self { $(Self::$name => ErrorClass::$class,)* }
            }
        }

        impl FromStr for ErrorCode {
            type Err = UnknownErrorCode;

            fn from_str(text: &str) -> Result<Self, UnknownErrorCode> {
                match text { $($text => Ok(Self::$name),)* _ => Err(UnknownErrorCode) }
            }
        }
    };
}

error_codes! {
    /// The statement is not well formed: JSON, fields, order of bytes, size.
    StatementMalformed = "statement-malformed", Invalid;
    /// The statement is of another kind than this call takes.
    StatementKind = "statement-kind", Invalid;
    /// The signature does not fit the statement and the key.
    SignatureInvalid = "signature-invalid", Invalid;
    /// The directory has no such key for the signer.
    KeyUnknown = "key-unknown", Denied;
    /// The key was not valid at the statement's time.
    KeyNotValid = "key-not-valid", Denied;
    /// The key was revoked: it decides nothing new, whatever time its statements claim.
    KeyRevoked = "key-revoked", Denied;
    /// The statement belongs to another network.
    NetworkMismatch = "network-mismatch", Denied;
    /// The signer's role may not say this.
    RoleNotPermitted = "role-not-permitted", Denied;
    /// The statement's time is ahead of the clock by more than is allowed.
    TimeInFuture = "time-in-future", Retry;
    /// The statement names a directory version that is not here yet.
    DirectoryBehind = "directory-behind", Retry;
    /// The directory here has expired; nothing new is decided with it.
    DirectoryExpired = "directory-expired", Retry;
    /// The TLS certificate is not one the directory names.
    PeerUnknown = "peer-unknown", Denied;
    /// The TLS certificate is outside its dates.
    PeerCertificateNotValid = "peer-certificate-not-valid", Denied;
    /// The TLS node does not serve the agency by the directory.
    NodeDoesNotServe = "node-does-not-serve", Denied;
    /// The sender is not in the directory or not active.
    SenderUnknown = "sender-unknown", Denied;
    /// Recipients that are not in the directory or not active; all of them are named.
    RecipientUnknown = "recipient-unknown", Invalid;
    /// The same (sender, id) was used with other content.
    IdReused = "id-reused", Conflict;
    /// The envelope was past its expiry.
    EnvelopeExpired = "envelope-expired", Untimely;
    /// The envelope's expiry is too far away or before its time.
    ExpiryInvalid = "expiry-invalid", Invalid;
    /// The envelope's id states a time far from the envelope's.
    IdTimeMismatch = "id-time-mismatch", Invalid;
    /// The payload's size or digest is not what the envelope says.
    PayloadMismatch = "payload-mismatch", Invalid;
    /// The wraps do not have the root or the number that the envelope says.
    WrapsMismatch = "wraps-mismatch", Invalid;
    /// Too large for this call or this network.
    TooLarge = "too-large", Invalid;
    /// No such envelope, or not for this caller.
    EnvelopeUnknown = "envelope-unknown", NotFound;
    /// The payload of this envelope is not here (yet).
    PayloadMissing = "payload-missing", NotFound;
    /// The receipt does not fit the envelope it names.
    ReceiptMismatch = "receipt-mismatch", Invalid;
    /// The envelope was already settled otherwise for this recipient.
    AlreadySettled = "already-settled", Conflict;
    /// The caller is not among the recipients.
    NotARecipient = "not-a-recipient", Denied;
    /// A status that may not follow the ones before it, or is said by the wrong side.
    StatusNotPermitted = "status-not-permitted", Conflict;
    /// The hub knows less than the node has already seen: it was restored from a backup.
    HubBehind = "hub-behind", Retry;
    /// A newer stream for the same agency took over.
    StreamFenced = "stream-fenced", Conflict;
    /// The peer speaks another version of the protocol.
    ProtocolVersion = "protocol-version", Invalid;
    /// A message out of order or without its fields.
    ProtocolViolation = "protocol-violation", Invalid;
    /// Too much in flight: slower, please.
    Busy = "busy", Retry;
    /// A quota is used up for now.
    QuotaExceeded = "quota-exceeded", Retry;
    /// The disk is full or nearly so.
    StorageFull = "storage-full", Retry;
    /// The service is stopping; reconnect.
    Draining = "draining", Retry;
    /// The store failed; the process ends and starts anew.
    StorageFailed = "storage-failed", Retry;
    /// The wrap cannot be opened or is for another envelope.
    WrapMismatch = "wrap-mismatch", Invalid;
    /// The payload cannot be decrypted.
    PayloadUndecryptable = "payload-undecryptable", Invalid;
    /// The container is not the one that the envelope committed to.
    ContentMismatch = "content-mismatch", Invalid;
    /// The container's issuer is not the envelope's sender.
    IssuerMismatch = "issuer-mismatch", Invalid;
    /// The container is addressed to others.
    AddresseeMismatch = "addressee-mismatch", Invalid;
    /// The container breaks its format.
    ContainerMalformed = "container-malformed", Invalid;
    /// A file of the container was changed, or is not in the manifest.
    ContainerDigest = "container-digest", Invalid;
    /// The container's seal does not verify.
    SealInvalid = "seal-invalid", Invalid;
    /// The seal's certificate is not valid for this agency and time.
    SealCertificateNotValid = "seal-certificate-not-valid", Invalid;
    /// A state secret must not travel on this network.
    StateSecret = "state-secret", Denied;
    /// A document field is missing or wrong.
    DocumentInvalid = "document-invalid", Invalid;
    /// The verdict is not decided yet.
    VerdictIndeterminate = "verdict-indeterminate", Retry;
    /// The document's envelope ran out before a receipt came.
    NotCollected = "not-collected", Untimely;
    /// The agency refused the document.
    RefusedByClerk = "refused-by-clerk", Invalid;
    /// The peer cannot be reached.
    Unreachable = "unreachable", Retry;
    /// The token that keeps a key is not plugged in, is locked, or refuses.
    TokenUnavailable = "token-unavailable", Retry;
    /// An agency, document or file that the caller named does not exist here.
    NotFound = "not-found", NotFound;
    /// An invitation that the authority did not make.
    InvitationUnknown = "invitation-unknown", Denied;
    /// An invitation that was used for other keys.
    InvitationUsed = "invitation-used", Conflict;
    /// An invitation that ran out.
    InvitationExpired = "invitation-expired", Untimely;
    /// The authority refuses to enrol the party, or to list its keys.
    EnrolmentRefused = "enrolment-refused", Invalid;
    /// Arguments or configuration that cannot be used.
    Usage = "usage", Invalid;
    /// A fault of the program.
    Internal = "internal", Internal;
}

impl ErrorCode {
    /// Whether trying the same again later can succeed.
    pub const fn is_retryable(self) -> bool {
        matches!(self.class(), ErrorClass::Retry)
    }
}

impl fmt::Display for ErrorCode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

serde_as_text!(ErrorCode);

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::HashSet;

    #[test]
    fn codes_are_distinct_and_parse_back() {
        let texts: HashSet<_> = ErrorCode::ALL.iter().map(|code| code.as_str()).collect();
        assert_eq!(texts.len(), ErrorCode::ALL.len());
        for code in ErrorCode::ALL {
            assert_eq!(code.as_str().parse(), Ok(*code));
        }
    }
}
