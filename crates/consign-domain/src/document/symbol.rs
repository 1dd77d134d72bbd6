//! A document's symbol (số, ký hiệu): number, slash, notation, as in `45/QĐ-UBND`.

use std::fmt;
use std::str::FromStr;

use crate::text::{TextError, check_line, serde_as_text};

/// Why a text is not a number or a notation.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum SymbolError {
    /// A fault of the text itself.
    #[error("{0}")]
    Text(TextError),
    /// A number begins with a digit and has digits, letters and `-` only.
    #[error("a number begins with a digit and has no slash or space, as 45 or 07a")]
    Number,
    /// A notation has no slash and no space.
    #[error("a notation has no slash and no space, as QĐ-UBND")]
    Notation,
}

/// The number (số): 1 to 11 characters; below 10 with a leading zero.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Number(String);

impl Number {
    /// From what a person writes: `7` becomes `07`.
    ///
    /// # Errors
    /// [`SymbolError`].
    pub fn tidy(text: &str) -> Result<Self, SymbolError> {
        match text.trim() {
            digit if digit.len() == 1 => format!("0{digit}").parse(),
            other => other.parse(),
        }
    }

    /// The text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for Number {
    type Err = SymbolError;

    fn from_str(text: &str) -> Result<Self, SymbolError> {
        check_line(text, 11).map_err(SymbolError::Text)?;
        let begins = text.starts_with(|first: char| first.is_ascii_digit());
        let allowed = |character: char| character.is_alphanumeric() || character == '-';
        if begins && text.chars().all(allowed) {
            Ok(Self(text.to_owned()))
        } else {
            Err(SymbolError::Number)
        }
    }
}

impl fmt::Display for Number {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// The notation (ký hiệu): 1 to 30 characters, such as `QĐ-UBND`.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Notation(String);

impl Notation {
    /// The text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for Notation {
    type Err = SymbolError;

    fn from_str(text: &str) -> Result<Self, SymbolError> {
        check_line(text, 30).map_err(SymbolError::Text)?;
        if text.contains(|character: char| character == '/' || character.is_whitespace()) {
            return Err(SymbolError::Notation);
        }
        Ok(Self(text.to_owned()))
    }
}

impl fmt::Display for Notation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

serde_as_text!(Number);
serde_as_text!(Notation);
