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
    /// Two digits or more with a leading zero below 10, then letters and `-`.
    #[error(
        "a number begins with a digit, has a leading zero below 10, and no slash or space, as 45 or 07a"
    )]
    Number,
    /// A notation has no space, and no slash at an end.
    #[error("a notation has no space and no slash at an end, as QĐ-UBND or 2020/QĐ-TTg")]
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
        let text = text.trim();
        match text.bytes().take_while(u8::is_ascii_digit).count() {
            1 => format!("0{text}").parse(),
            _ => text.parse(),
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
        let digits = text.bytes().take_while(u8::is_ascii_digit).count();
        let letter = |character: char| character.is_alphabetic() || character == '-';
        let allowed = |character: char| character.is_ascii_digit() || letter(character);
        if digits >= 2 && text.chars().all(allowed) {
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
        let slash = text.starts_with('/') || text.ends_with('/');
        if slash || text.contains(char::is_whitespace) {
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
