//! Encryption in the age format (age-encryption.org/v1), always to exactly one X25519
//! recipient.
//!
//! The age crate appends a random "grease" stanza to every header it writes. Ours have
//! exactly one stanza, so that all headers are alike, one size, and can be checked byte
//! by byte before any cryptography: `header` writes them, and refuses all others when
//! reading. Payload encryption is the age crate's.
//!
//! Randomness (file keys, ephemeral shares, nonces) comes from the operating system
//! through the age crate, which takes no other source.
//!
//! While decrypting, each 64 KiB chunk is authenticated before it is written, but the
//! end of the file only at the end: **what was written counts only after `Ok`**.

mod header;

use std::io::{self, Read, Write};
use std::str::FromStr;

use age::secrecy::ExposeSecret;
use zeroize::Zeroizing;

pub use header::HEADER_LENGTH;

/// Longest text of a recipient or an identity that is read, in bytes.
const MAX_KEY_TEXT: usize = 128;
/// Bytes moved at a time; age's own chunk size.
const BUFFER: usize = 64 * 1024;

/// Why encryption or decryption failed.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum EncryptionError {
    /// The text is not an `AGE-SECRET-KEY-1…` identity.
    #[error("text is not an age X25519 identity")]
    InvalidIdentity,
    /// The text is not an `age1…` X25519 recipient.
    #[error("text is not an age X25519 recipient")]
    InvalidRecipient,
    /// The header is not that of an age file with exactly one X25519 stanza.
    #[error("not an age file with exactly one X25519 stanza")]
    UnexpectedHeader,
    /// The file was encrypted to another key.
    #[error("encrypted to another key")]
    OtherKey,
    /// Header or payload was altered, or the payload is cut short.
    #[error("ciphertext was altered or cut short")]
    Altered,
    /// The plaintext is longer than allowed.
    #[error("plaintext exceeds {limit} bytes")]
    TooLong {
        /// Largest plaintext accepted, in bytes.
        limit: u64,
    },
    /// The cryptographic library refused to encrypt.
    #[error("encryption failed")]
    Library,
    /// Reading or writing failed.
    #[error("reading or writing failed")]
    Io(#[source] io::Error),
}

/// A secret X25519 key that opens what was encrypted to its recipient.
pub struct EncryptionIdentity(age::x25519::Identity);

impl EncryptionIdentity {
    /// Makes a new identity.
    pub fn generate() -> Self {
        Self(age::x25519::Identity::generate())
    }

    /// Reads `AGE-SECRET-KEY-1…`, without surrounding white space.
    pub fn from_text(text: &str) -> Result<Self, EncryptionError> {
        if text.len() > MAX_KEY_TEXT {
            return Err(EncryptionError::InvalidIdentity);
        }
        let identity = age::x25519::Identity::from_str(text)
            .map(Self)
            .map_err(|_| EncryptionError::InvalidIdentity)?;
        // Bech32 also reads all-lowercase text; only the canonical form is accepted.
        if identity.to_text().as_str() == text {
            Ok(identity)
        } else {
            Err(EncryptionError::InvalidIdentity)
        }
    }

    /// `AGE-SECRET-KEY-1…`.
    pub fn to_text(&self) -> Zeroizing<String> {
        Zeroizing::new(self.0.to_string().expose_secret().to_owned())
    }

    /// The public half.
    pub fn recipient(&self) -> EncryptionRecipient {
        EncryptionRecipient(self.0.to_public())
    }
}

impl std::fmt::Debug for EncryptionIdentity {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter
            .debug_struct("EncryptionIdentity")
            .field("recipient", &self.recipient())
            .finish_non_exhaustive()
    }
}

/// A public X25519 key that documents and wraps are encrypted to.
#[derive(Clone)]
pub struct EncryptionRecipient(age::x25519::Recipient);

impl EncryptionRecipient {
    /// Reads `age1…`, without surrounding white space and in lower case only.
    pub fn from_text(text: &str) -> Result<Self, EncryptionError> {
        if text.len() > MAX_KEY_TEXT {
            return Err(EncryptionError::InvalidRecipient);
        }
        let recipient = age::x25519::Recipient::from_str(text)
            .map(Self)
            .map_err(|_| EncryptionError::InvalidRecipient)?;
        if recipient.to_text() == text {
            Ok(recipient)
        } else {
            Err(EncryptionError::InvalidRecipient)
        }
    }

    /// `age1…`.
    pub fn to_text(&self) -> String {
        self.0.to_string()
    }

    /// Names the key: the first 16 bytes of SHA-256 over its text.
    pub fn key_id(&self) -> [u8; 16] {
        crate::truncated_sha256(self.to_text().as_bytes())
    }
}

impl PartialEq for EncryptionRecipient {
    fn eq(&self, other: &Self) -> bool {
        self.to_text() == other.to_text()
    }
}

impl Eq for EncryptionRecipient {}

impl std::fmt::Debug for EncryptionRecipient {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(formatter, "EncryptionRecipient({})", self.to_text())
    }
}

/// Encrypts all of `reader` into `writer`; returns the length of the plaintext.
pub fn encrypt_to(
    recipient: &EncryptionRecipient,
    reader: impl Read,
    writer: impl Write,
) -> Result<u64, EncryptionError> {
    let mut stream = header::start(&recipient.0, writer)?;
    let length = copy(reader, &mut stream, u64::MAX, EncryptionError::Io)?;
    let mut inner = stream.finish().map_err(EncryptionError::Io)?;
    inner.flush().map_err(EncryptionError::Io)?;
    Ok(length)
}

/// Decrypts all of `reader` into `writer`; returns the length of the plaintext, at most
/// `max_plaintext`. What was written counts only after `Ok`.
pub fn decrypt_with(
    identity: &EncryptionIdentity,
    mut reader: impl Read,
    mut writer: impl Write,
    max_plaintext: u64,
) -> Result<u64, EncryptionError> {
    let header = header::read(&mut reader)?;
    let decryptor =
        age::Decryptor::new(io::Cursor::new(header).chain(reader)).map_err(decrypt_error)?;
    let identities = std::iter::once(&identity.0 as &dyn age::Identity);
    let plaintext = decryptor.decrypt(identities).map_err(decrypt_error)?;
    let length = copy(plaintext, &mut writer, max_plaintext, stream_error)?;
    writer.flush().map_err(EncryptionError::Io)?;
    Ok(length)
}

/// Encrypts a few bytes, such as a wrap.
pub fn seal_small(
    recipient: &EncryptionRecipient,
    plaintext: &[u8],
) -> Result<Vec<u8>, EncryptionError> {
    let mut ciphertext = Vec::with_capacity(plaintext.len().saturating_add(HEADER_LENGTH + 32));
    encrypt_to(recipient, plaintext, &mut ciphertext)?;
    Ok(ciphertext)
}

/// Decrypts a few bytes, such as a wrap: at most `max` bytes of plaintext.
pub fn open_small(
    identity: &EncryptionIdentity,
    ciphertext: &[u8],
    max: usize,
) -> Result<Zeroizing<Vec<u8>>, EncryptionError> {
    let limit = u64::try_from(max).unwrap_or(u64::MAX);
    let mut plaintext = Zeroizing::new(Vec::with_capacity(ciphertext.len().min(max)));
    decrypt_with(identity, ciphertext, &mut *plaintext, limit)?;
    Ok(plaintext)
}

/// Like `io::copy`, with a limit; `fault` says what a failure to read means.
fn copy(
    mut reader: impl Read,
    mut writer: impl Write,
    limit: u64,
    fault: fn(io::Error) -> EncryptionError,
) -> Result<u64, EncryptionError> {
    let mut buffer = Zeroizing::new(vec![0_u8; BUFFER]);
    let mut total = 0_u64;
    loop {
        let count = match reader.read(&mut buffer) {
            Ok(0) => return Ok(total),
            Ok(count) => count,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
            Err(error) => return Err(fault(error)),
        };
        total = total.saturating_add(u64::try_from(count).unwrap_or(u64::MAX));
        if total > limit {
            return Err(EncryptionError::TooLong { limit });
        }
        let bytes = buffer.get(..count).unwrap_or_default();
        writer.write_all(bytes).map_err(EncryptionError::Io)?;
    }
}

/// The age stream reports forged and truncated chunks as these two kinds.
fn stream_error(error: io::Error) -> EncryptionError {
    match error.kind() {
        io::ErrorKind::InvalidData | io::ErrorKind::UnexpectedEof => EncryptionError::Altered,
        _ => EncryptionError::Io(error),
    }
}

fn decrypt_error(error: age::DecryptError) -> EncryptionError {
    match error {
        age::DecryptError::NoMatchingKeys | age::DecryptError::KeyDecryptionFailed => {
            EncryptionError::OtherKey
        }
        age::DecryptError::Io(error) => stream_error(error),
        age::DecryptError::InvalidHeader | age::DecryptError::UnknownFormat => {
            EncryptionError::UnexpectedHeader
        }
        _ => EncryptionError::Altered,
    }
}

#[cfg(test)]
mod tests;
