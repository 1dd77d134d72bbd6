//! Why a key in a token cannot be used: each with what to do.

use std::path::PathBuf;

use consign_domain::ErrorCode;
use consign_pki::seal::SealError;
use cryptoki::context::Function;
use cryptoki::error::{Error as Pkcs11Error, RvError};

use super::{KeyName, TokenName};
use crate::secret::SecretError;

/// What a token says of the tries that are left for its PIN.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TriesLeft {
    /// It does not say.
    Unknown,
    /// Not many.
    Few,
    /// One; the token locks itself after it.
    One,
}

impl std::fmt::Display for TriesLeft {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.write_str(match self {
            Self::Unknown => "the token does not say how many tries are left",
            Self::Few => "few tries are left before the token locks itself",
            Self::One => "ONE try is left before the token locks itself",
        })
    }
}

/// Why a key in a token cannot be used.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum TokenError {
    /// The library of the token's maker cannot be loaded.
    #[error(
        "the PKCS#11 module {} cannot be loaded; install the token's driver, or correct module",
        path.display()
    )]
    Module {
        /// The library.
        path: PathBuf,
        /// Why.
        #[source]
        source: Pkcs11Error,
    },
    /// The token is not plugged in.
    #[error(
        "no token with {name} is plugged in; plug it in, or correct the name (here: {})",
        list(here)
    )]
    NoToken {
        /// What it is known by.
        name: TokenName,
        /// The tokens that are there.
        here: Vec<String>,
    },
    /// Several tokens have the label.
    #[error("several tokens with {name} are plugged in; name the one by its serial")]
    TwoTokens {
        /// What they are known by.
        name: TokenName,
    },
    /// The PIN is not to be had.
    #[error("there is no PIN for the token with {name}")]
    Secret {
        /// The token.
        name: TokenName,
        /// Why.
        #[source]
        source: SecretError,
    },
    /// The token refused the PIN.
    #[error(
        "the token with {name} refused the PIN, which is not tried again; {left}; correct the PIN and start again"
    )]
    PinWrong {
        /// The token.
        name: TokenName,
        /// How many tries are left.
        left: TriesLeft,
    },
    /// The token was given the PIN and failed, so it may have been a wrong one.
    #[error(
        "the token with {name} failed when it was given the PIN, which is not tried again; {left}; \
         make sure of the PIN and start again"
    )]
    PinFailed {
        /// The token.
        name: TokenName,
        /// How many tries are left.
        left: TriesLeft,
        /// What the module said.
        #[source]
        source: Refusal,
    },
    /// A wrong PIN was given to the token before, and this one is not a person's.
    #[error(
        "a wrong PIN was given to the token with {name}, and no right one since; {left}, \
         so none is tried unattended: set pin = \"prompt\" and start once by hand"
    )]
    PinDoubtful {
        /// The token.
        name: TokenName,
        /// How many tries are left.
        left: TriesLeft,
    },
    /// The token has locked itself.
    #[error(
        "the PIN of the token with {name} is locked; unlock it with its maker's tool and the SO PIN (PUK)"
    )]
    PinLocked {
        /// The token.
        name: TokenName,
    },
    /// The PIN must be changed first.
    #[error(
        "the PIN of the token with {name} has expired; change it with the token maker's tool and \
         start again"
    )]
    PinExpired {
        /// The token.
        name: TokenName,
    },
    /// The key is not there.
    #[error(
        "the token with {name} holds no signing key {key}; correct key or id, or leave both out to have one made"
    )]
    KeyMissing {
        /// The token.
        name: TokenName,
        /// What was looked for.
        key: KeyName,
    },
    /// The private half of a key is there, and neither its public half nor a certificate.
    #[error(
        "the token with {name} holds key {key} without its public half; write its certificate, \
         or its public key, to the token under the same id, with the token maker's tool"
    )]
    PublicMissing {
        /// The token.
        name: TokenName,
        /// Which.
        key: KeyName,
    },
    /// Several keys have the label.
    #[error("the token with {name} holds several keys {key}; give one of them another label")]
    TwoKeys {
        /// The token.
        name: TokenName,
        /// What was looked for.
        key: KeyName,
    },
    /// Not a key that seals use.
    #[error(
        "key {key} in the token with {name} cannot be used; P-256 and RSA of 2048 to 4096 bits can"
    )]
    KeyKind {
        /// The token.
        name: TokenName,
        /// Which.
        key: KeyName,
        /// What it is.
        #[source]
        source: SealError,
    },
    /// The token is there, but its driver does not come to an end.
    #[error(
        "the token with {name} has not answered for {seconds} s; pull it out and plug it in again, \
         and start again where that does not help"
    )]
    Slow {
        /// The token.
        name: TokenName,
        /// How long it was waited for.
        seconds: u64,
    },
    /// A PIN that people type is asked for when a service starts, not later.
    #[error(
        "the PIN of the token with {name} is asked for at the start alone; start again with the \
         token plugged in, or name pin = \"file:PATH\" or \"credential:NAME\""
    )]
    Unattended {
        /// The token.
        name: TokenName,
    },
    /// A kind of key that is not made in tokens.
    #[error("keys in tokens are P-256 or RSA; choose one of these")]
    Kind,
    /// The token signed with another key than before.
    #[error(
        "key {key} in the token with {name} is another than the one certified; plug in the token of before"
    )]
    OtherKey {
        /// The token.
        name: TokenName,
        /// Which.
        key: KeyName,
    },
    /// The token went away, or its driver lost it.
    #[error("the token with {name} does not answer; plug it in again, then what waits goes on")]
    Gone {
        /// The token.
        name: TokenName,
        /// What the module said.
        #[source]
        source: Refusal,
    },
    /// The token refused for another reason.
    #[error("the token with {name} refused; see its maker's documentation")]
    Refused {
        /// The token.
        name: TokenName,
        /// What the module said.
        #[source]
        source: Refusal,
    },
}

/// What a PKCS#11 module answered, in its own words.
#[derive(Debug, thiserror::Error)]
pub enum Refusal {
    /// A return value.
    #[error("{function:?} gave {value:?}")]
    Value {
        /// The function called.
        function: Function,
        /// Its return value.
        value: RvError,
    },
    /// A key that was there is not.
    #[error("its key is not there any more")]
    NoKey,
    /// A fault on the way.
    #[error("PKCS#11 failed")]
    Other(#[source] Pkcs11Error),
}

impl From<Pkcs11Error> for Refusal {
    fn from(error: Pkcs11Error) -> Self {
        match error {
            Pkcs11Error::Pkcs11(value, function) => Self::Value { function, value },
            other => Self::Other(other),
        }
    }
}

impl TokenError {
    /// The code to answer with.
    pub const fn code(&self) -> ErrorCode {
        match self {
            Self::Module { .. }
            | Self::TwoTokens { .. }
            | Self::Secret { .. }
            | Self::KeyMissing { .. }
            | Self::PublicMissing { .. }
            | Self::TwoKeys { .. }
            | Self::KeyKind { .. }
            | Self::Kind => ErrorCode::Usage,
            _ => ErrorCode::TokenUnavailable,
        }
    }

    /// Whether plugging the token in mends it.
    pub const fn is_gone(&self) -> bool {
        matches!(self, Self::Gone { .. } | Self::NoToken { .. })
    }

    /// A module's answer about a token.
    pub(super) fn of(name: &TokenName, error: Pkcs11Error) -> Self {
        let name = name.clone();
        let value = match &error {
            Pkcs11Error::Pkcs11(value, _) => *value,
            _ => RvError::FunctionRejected,
        };
        match value {
            RvError::PinIncorrect | RvError::PinInvalid | RvError::PinLenRange => Self::PinWrong {
                name,
                left: TriesLeft::Unknown,
            },
            RvError::PinLocked => Self::PinLocked { name },
            RvError::PinExpired => Self::PinExpired { name },
            RvError::DeviceRemoved
            | RvError::DeviceError
            | RvError::TokenNotPresent
            | RvError::TokenNotRecognized
            | RvError::SlotIdInvalid
            | RvError::SessionClosed
            | RvError::SessionHandleInvalid
            | RvError::KeyHandleInvalid
            | RvError::ObjectHandleInvalid
            | RvError::UserNotLoggedIn
            | RvError::CryptokiNotInitialized
            | RvError::GeneralError
            | RvError::FunctionFailed => Self::Gone {
                name,
                source: error.into(),
            },
            _ => Self::Refused {
                name,
                source: error.into(),
            },
        }
    }
}

fn list(names: &[String]) -> String {
    if names.is_empty() {
        "none".to_owned()
    } else {
        names.join(", ")
    }
}
