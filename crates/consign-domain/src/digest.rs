//! SHA-256 digests and the salts that hide what was digested.

use std::fmt;
use std::str::FromStr;

use sha2::{Digest as _, Sha256};

use crate::text::serde_as_text;

/// A text is not 64 lowercase hexadecimal digits.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("not 64 lowercase hexadecimal digits")]
pub struct DigestError;

/// Decodes exactly `2 * N` lowercase hexadecimal digits.
pub(crate) fn lowercase_hex<const N: usize>(text: &str) -> Option<[u8; N]> {
    if text.bytes().any(|byte| byte.is_ascii_uppercase()) {
        return None;
    }
    let mut bytes = [0; N];
    hex::decode_to_slice(text, &mut bytes).ok()?;
    Some(bytes)
}

macro_rules! thirty_two_bytes {
    ($(#[$doc:meta])* $name:ident) => {
        $(#[$doc])*
        #[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub struct $name([u8; 32]);

        impl $name {
            /// From its 32 bytes.
            pub const fn from_bytes(bytes: [u8; 32]) -> Self {
                Self(bytes)
            }

            /// Its 32 bytes.
            pub const fn to_bytes(self) -> [u8; 32] {
                self.0
            }

            /// Its 32 bytes, borrowed.
            pub const fn as_bytes(&self) -> &[u8; 32] {
                &self.0
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&hex::encode(self.0))
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, concat!(stringify!($name), "({})"), self)
            }
        }

        impl FromStr for $name {
            type Err = DigestError;

            fn from_str(text: &str) -> Result<Self, DigestError> {
                lowercase_hex(text).map(Self).ok_or(DigestError)
            }
        }

        serde_as_text!($name);
    };
}

thirty_two_bytes!(
    /// A SHA-256 digest; 64 lowercase hexadecimal digits as text.
    Digest
);
thirty_two_bytes!(
    /// 32 random bytes that keep a digest from being guessed.
    Salt
);

impl Digest {
    /// SHA-256 of `bytes`.
    pub fn of(bytes: &[u8]) -> Self {
        Self(Sha256::digest(bytes).into())
    }

    /// The commitment to a container: SHA-256(salt ‖ SHA-256(container)).
    ///
    /// Whoever has the salt and the container can open it; the hub, which has neither, learns nothing.
    pub fn commit(salt: &Salt, container: &Self) -> Self {
        let mut hash = Sha256::new();
        hash.update(salt.0);
        hash.update(container.0);
        Self(hash.finalize().into())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn digest_is_sha_256() {
        let empty = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";
        assert_eq!(Digest::of(b"").to_string(), empty);
        assert_eq!(empty.parse(), Ok(Digest::of(b"")));
        assert!(empty.to_uppercase().parse::<Digest>().is_err());
        assert!(empty[..62].parse::<Digest>().is_err());
    }

    #[test]
    fn commitment_depends_on_salt_and_container() {
        let container = Digest::of(b"container");
        let one = Digest::commit(&Salt::from_bytes([1; 32]), &container);
        assert_ne!(one, Digest::commit(&Salt::from_bytes([2; 32]), &container));
        assert_ne!(
            one,
            Digest::commit(&Salt::from_bytes([1; 32]), &Digest::of(b"other"))
        );
        let mut joined = vec![1; 32];
        joined.extend_from_slice(container.as_bytes());
        assert_eq!(one, Digest::of(&joined));
    }
}
