//! The plaintext of a wrap: an age identity file that names what it opens.
//!
//! ```text
//! # consign wrap v1
//! # sender: <id> <code>
//! # envelope: <id>
//! # recipient: <id> <code>
//! # salt: <64 lowercase hexadecimal digits>
//! AGE-SECRET-KEY-1…
//! ```
//!
//! Stock `age -d -i FILE payload.age` opens the payload with it by hand. Reading is
//! strict: these lines, in this order, each ended by one LF, and nothing else, so that a
//! wrap has one form only.

use zeroize::Zeroizing;

use crate::encryption::EncryptionIdentity;

/// Largest wrap plaintext, in bytes.
pub const MAX_WRAP_PLAINTEXT: usize = 4 * 1024;
/// Longest id or code, in bytes.
pub const MAX_FIELD: usize = 256;

const TITLE: &str = "# consign wrap v1";
const SENDER: &str = "# sender: ";
const ENVELOPE: &str = "# envelope: ";
const RECIPIENT: &str = "# recipient: ";
const SALT: &str = "# salt: ";

/// Why text is not the plaintext of a wrap.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum WrapError {
    /// Longer than [`MAX_WRAP_PLAINTEXT`].
    #[error("wrap exceeds {MAX_WRAP_PLAINTEXT} bytes")]
    TooLong,
    /// Not UTF-8.
    #[error("wrap is not UTF-8")]
    NotUtf8,
    /// A line is missing, out of order, repeated, or not ended by LF.
    #[error("line {number} of the wrap is not its {expected}")]
    Line {
        /// Counted from 1.
        number: usize,
        /// What belongs there.
        expected: &'static str,
    },
    /// An id or code is empty, too long or holds white space or control characters.
    #[error("{field} of the wrap is not a single word")]
    Field {
        /// Which one.
        field: &'static str,
    },
}

/// What a wrap says to its recipient.
#[derive(Debug)]
pub struct WrapPlaintext {
    /// The sender's immutable id.
    pub sender_id: String,
    /// The sender's agency code.
    pub sender_code: String,
    /// The envelope's id.
    pub envelope_id: String,
    /// The recipient's immutable id.
    pub recipient_id: String,
    /// The recipient's agency code.
    pub recipient_code: String,
    /// The salt of the envelope's content commitment.
    pub salt: [u8; 32],
    /// The one-time identity that opens the payload.
    pub identity: EncryptionIdentity,
}

impl WrapPlaintext {
    /// Writes the text; fails when an id or code is not a single word.
    pub fn render(&self) -> Result<Zeroizing<String>, WrapError> {
        let words = [
            ("sender id", &self.sender_id),
            ("sender code", &self.sender_code),
            ("envelope id", &self.envelope_id),
            ("recipient id", &self.recipient_id),
            ("recipient code", &self.recipient_code),
        ];
        for (field, value) in words {
            word(field, value)?;
        }
        let mut text = Zeroizing::new(String::with_capacity(MAX_WRAP_PLAINTEXT));
        for part in [
            TITLE,
            "\n",
            SENDER,
            &self.sender_id,
            " ",
            &self.sender_code,
            "\n",
            ENVELOPE,
            &self.envelope_id,
            "\n",
            RECIPIENT,
            &self.recipient_id,
            " ",
            &self.recipient_code,
            "\n",
            SALT,
            &crate::hex(&self.salt),
            "\n",
            &self.identity.to_text(),
            "\n",
        ] {
            text.push_str(part);
        }
        Ok(text)
    }

    /// Reads the text of a decrypted wrap.
    pub fn parse(bytes: &[u8]) -> Result<Self, WrapError> {
        if bytes.len() > MAX_WRAP_PLAINTEXT {
            return Err(WrapError::TooLong);
        }
        let mut lines = Lines {
            rest: std::str::from_utf8(bytes).map_err(|_| WrapError::NotUtf8)?,
            number: 0,
        };
        if !lines.after(TITLE, "title")?.is_empty() {
            return Err(lines.fault("title"));
        }
        let (sender_id, sender_code) = lines.pair(SENDER, "sender")?;
        let envelope_id = word("envelope id", lines.after(ENVELOPE, "envelope")?)?;
        let (recipient_id, recipient_code) = lines.pair(RECIPIENT, "recipient")?;
        let salt = lines.after(SALT, "salt")?;
        let salt = crate::unhex(salt).ok_or_else(|| lines.fault("salt"))?;
        let identity = lines.after("", "identity")?;
        let identity =
            EncryptionIdentity::from_text(identity).map_err(|_| lines.fault("identity"))?;
        if !lines.rest.is_empty() {
            return Err(WrapError::Line {
                number: lines.number.saturating_add(1),
                expected: "end",
            });
        }
        Ok(Self {
            sender_id,
            sender_code,
            envelope_id,
            recipient_id,
            recipient_code,
            salt,
            identity,
        })
    }
}

struct Lines<'a> {
    rest: &'a str,
    number: usize,
}

impl<'a> Lines<'a> {
    /// The next line without its prefix and its LF.
    fn after(&mut self, prefix: &str, expected: &'static str) -> Result<&'a str, WrapError> {
        self.number = self.number.saturating_add(1);
        let (line, rest) = self
            .rest
            .split_once('\n')
            .ok_or_else(|| self.fault(expected))?;
        self.rest = rest;
        line.strip_prefix(prefix)
            .ok_or_else(|| self.fault(expected))
    }

    fn pair(
        &mut self,
        prefix: &str,
        expected: &'static str,
    ) -> Result<(String, String), WrapError> {
        let (id, code) = self
            .after(prefix, expected)?
            .split_once(' ')
            .ok_or_else(|| self.fault(expected))?;
        Ok((word(expected, id)?, word(expected, code)?))
    }

    fn fault(&self, expected: &'static str) -> WrapError {
        WrapError::Line {
            number: self.number,
            expected,
        }
    }
}

fn word(field: &'static str, value: &str) -> Result<String, WrapError> {
    let single = !value.is_empty()
        && value.len() <= MAX_FIELD
        && !value
            .chars()
            .any(|character| character.is_whitespace() || character.is_control());
    if single {
        Ok(value.to_owned())
    } else {
        Err(WrapError::Field { field })
    }
}

#[cfg(test)]
mod tests;
