//! Identities and counters, each a type of its own.
//!
//! Ids are UUIDs (RFC 9562) in lowercase hyphenated text. An agency's id never
//! changes and is never given to another; its codes may change (see
//! [`crate::directory`]).

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Deserializer, Serialize, de};
use uuid::Uuid;

use crate::limits::MAX_INTEGER;
use crate::text::serde_as_text;

/// Why a text is not an id or a counter.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum IdError {
    /// Not 36 characters of lowercase hyphenated UUID.
    #[error("not a lowercase hyphenated UUID")]
    NotAUuid,
    /// The nil UUID names nobody.
    #[error("the nil UUID is not an id")]
    Nil,
    /// An envelope's id carries its time and must be version 7.
    #[error("an envelope id must be a UUID of version 7, this one has version {version}")]
    NotVersion7 {
        /// The version found.
        version: usize,
    },
    /// A key id is 32 lowercase hexadecimal digits.
    #[error("a key id is 32 lowercase hexadecimal digits")]
    NotAKeyId,
    /// A counter lies outside 1 ..= 2^53 − 1.
    #[error("{value} is outside 1 to 9007199254740991")]
    OutOfRange {
        /// The value found.
        value: u64,
    },
}

fn parse_uuid(text: &str) -> Result<Uuid, IdError> {
    let id = Uuid::try_parse(text).map_err(|_| IdError::NotAUuid)?;
    let mut buffer = Uuid::encode_buffer();
    if id.hyphenated().encode_lower(&mut buffer) != text {
        return Err(IdError::NotAUuid);
    }
    if id.is_nil() {
        Err(IdError::Nil)
    } else {
        Ok(id)
    }
}

macro_rules! uuid_id {
    ($(#[$doc:meta])* $name:ident, $check:expr) => {
        $(#[$doc])*
        #[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub struct $name(Uuid);

        impl $name {
            /// From the sixteen bytes of a UUID.
            ///
            /// # Errors
            /// [`IdError`] if the bytes are nil or of a version that this id may not have.
            pub fn from_bytes(bytes: [u8; 16]) -> Result<Self, IdError> {
                let id = Uuid::from_bytes(bytes);
                if id.is_nil() {
                    return Err(IdError::Nil);
                }
                let check: fn(Uuid) -> Result<Uuid, IdError> = $check;
                check(id).map(Self)
            }

            /// The sixteen bytes, big-endian as in RFC 9562.
            pub const fn to_bytes(self) -> [u8; 16] {
                self.0.into_bytes()
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                self.0.hyphenated().fmt(f)
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, concat!(stringify!($name), "({})"), self.0.hyphenated())
            }
        }

        impl FromStr for $name {
            type Err = IdError;

            fn from_str(text: &str) -> Result<Self, IdError> {
                Self::from_bytes(parse_uuid(text)?.into_bytes())
            }
        }

        serde_as_text!($name);
    };
}

fn version_7(id: Uuid) -> Result<Uuid, IdError> {
    match id.get_version_num() {
        7 => Ok(id),
        version => Err(IdError::NotVersion7 { version }),
    }
}

uuid_id!(
    /// An agency, for ever.
    AgencyId, Ok
);
uuid_id!(
    /// A node: one TLS identity that serves one or more agencies.
    NodeId, Ok
);
uuid_id!(
    /// A relay hub.
    HubId, Ok
);
uuid_id!(
    /// A group of agencies that are sent to together.
    GroupId, Ok
);
uuid_id!(
    /// A network: everything that one authority's directory describes.
    NetworkId, Ok
);
uuid_id!(
    /// Whoever signs a statement: an agency, a hub or the authority.
    PartyId, Ok
);
uuid_id!(
    /// A document, the same in every envelope that carries it.
    DocumentId, Ok
);
uuid_id!(
    /// An envelope among those of one sender; version 7, so it sorts by time of making.
    EnvelopeId, version_7
);

impl From<AgencyId> for PartyId {
    fn from(id: AgencyId) -> Self {
        Self(id.0)
    }
}

impl From<HubId> for PartyId {
    fn from(id: HubId) -> Self {
        Self(id.0)
    }
}

impl PartyId {
    /// The agency that has this id, if the directory knows the party as one.
    pub const fn as_agency(self) -> AgencyId {
        AgencyId(self.0)
    }

    /// The hub that has this id, if the directory knows the party as one.
    pub const fn as_hub(self) -> HubId {
        HubId(self.0)
    }
}

/// An envelope's identity: its sender and the id the sender gave it.
///
/// Two senders may use one id; the pair is what every table and file name holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct EnvelopeKey {
    /// Who sent it.
    pub sender: AgencyId,
    /// The sender's id for it.
    pub id: EnvelopeId,
}

impl fmt::Display for EnvelopeKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.sender, self.id)
    }
}

/// A key's name: the first 16 bytes of SHA-256 over its public part.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct KeyId([u8; 16]);

impl KeyId {
    /// From its sixteen bytes.
    pub const fn from_bytes(bytes: [u8; 16]) -> Self {
        Self(bytes)
    }

    /// Its sixteen bytes.
    pub const fn to_bytes(self) -> [u8; 16] {
        self.0
    }
}

impl fmt::Display for KeyId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&hex::encode(self.0))
    }
}

impl fmt::Debug for KeyId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "KeyId({self})")
    }
}

impl FromStr for KeyId {
    type Err = IdError;

    fn from_str(text: &str) -> Result<Self, IdError> {
        crate::digest::lowercase_hex(text)
            .map(Self)
            .ok_or(IdError::NotAKeyId)
    }
}

serde_as_text!(KeyId);

macro_rules! counter {
    ($(#[$doc:meta])* $name:ident) => {
        $(#[$doc])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
        pub struct $name(u64);

        impl $name {
            /// The first.
            pub const FIRST: Self = Self(1);

            /// From a number in 1 ..= 2^53 − 1.
            ///
            /// # Errors
            /// [`IdError::OutOfRange`].
            pub const fn new(value: u64) -> Result<Self, IdError> {
                if value == 0 || value > MAX_INTEGER {
                    return Err(IdError::OutOfRange { value });
                }
                Ok(Self(value))
            }

            /// The number.
            pub const fn value(self) -> u64 {
                self.0
            }

            /// The one after this; the last stays the last (2^53 − 1 is never reached in practice).
            #[must_use]
            pub const fn next(self) -> Self {
                if self.0 < MAX_INTEGER { Self(self.0 + 1) } else { self }
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                self.0.fmt(f)
            }
        }

        impl<'de> Deserialize<'de> for $name {
            fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                Self::new(u64::deserialize(deserializer)?).map_err(de::Error::custom)
            }
        }
    };
}

counter!(
    /// An item's place in one agency's inbox; the first is 1 and there are no gaps.
    Sequence
);
counter!(
    /// A version of the directory; each head's is one higher than the head before it.
    DirectoryVersion
);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_have_one_spelling() {
        let text = "01936f3e-7c1a-7b2c-8d3e-4f5a6b7c8d9e";
        assert_eq!(text.parse::<EnvelopeId>().unwrap().to_string(), text);
        assert_eq!(
            text.to_uppercase().parse::<EnvelopeId>(),
            Err(IdError::NotAUuid)
        );
        assert_eq!(
            text.replace('-', "").parse::<EnvelopeId>(),
            Err(IdError::NotAUuid)
        );
        assert_eq!(
            format!("{{{text}}}").parse::<EnvelopeId>(),
            Err(IdError::NotAUuid)
        );
    }

    #[test]
    fn envelope_ids_are_version_7() {
        let v4 = "0b0ed3a6-5d0c-4c58-9f3f-0d0f9a1f7a11";
        assert_eq!(
            v4.parse::<EnvelopeId>(),
            Err(IdError::NotVersion7 { version: 4 })
        );
        assert!(v4.parse::<AgencyId>().is_ok());
    }

    #[test]
    fn nil_names_nobody() {
        assert_eq!(
            "00000000-0000-0000-0000-000000000000".parse::<AgencyId>(),
            Err(IdError::Nil)
        );
    }

    #[test]
    fn counters_start_at_one_and_fit_a_double() {
        assert!(Sequence::new(0).is_err());
        assert!(Sequence::new(MAX_INTEGER).is_ok());
        assert!(Sequence::new(MAX_INTEGER + 1).is_err());
        assert!(serde_json::from_str::<Sequence>("1.0").is_err());
    }
}
