//! Text from people: normalised (NFC), bounded, and free of characters that hide
//! or reorder others.

use serde::{Deserialize, Deserializer, Serialize, de};
use unicode_normalization::{IsNormalized, UnicodeNormalization, is_nfc_quick};

/// Why a text is refused.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum TextError {
    /// Nothing but white space.
    #[error("empty")]
    Empty,
    /// More characters than the field may have.
    #[error("{length} characters, at most {limit} are allowed")]
    TooLong {
        /// Characters found.
        length: usize,
        /// Characters allowed.
        limit: usize,
    },
    /// Not in Unicode normalisation form C.
    #[error("not in Unicode normalisation form C (NFC)")]
    NotNormalized,
    /// A control, bidirectional or other invisible character.
    #[error("contains the forbidden character U+{code_point:04X}")]
    Forbidden {
        /// The character.
        code_point: u32,
    },
    /// White space at the beginning or the end.
    #[error("begins or ends with white space")]
    Untrimmed,
}

/// Whether a character may hide or reorder others: controls, bidirectional marks
/// and embeddings (Unicode TR 36 and 39), zero-width spaces, line and paragraph separators.
fn is_forbidden(character: char) -> bool {
    character.is_control()
        || matches!(character,
            '\u{061C}' | '\u{200B}' | '\u{200E}' | '\u{200F}' | '\u{2028}'..='\u{202E}'
            | '\u{2060}'..='\u{2069}' | '\u{FEFF}' | '\u{FFF9}'..='\u{FFFB}')
}

/// Checks a single line of text against a limit in characters.
///
/// # Errors
/// [`TextError`] names the first fault.
pub fn check_line(text: &str, limit: usize) -> Result<(), TextError> {
    // A character takes at most four bytes: refuse a giant before walking it.
    let length = if text.len() > limit.saturating_mul(4) {
        text.len()
    } else {
        text.chars().count()
    };
    if length > limit {
        return Err(TextError::TooLong { length, limit });
    }
    if let Some(character) = text.chars().find(|character| is_forbidden(*character)) {
        return Err(TextError::Forbidden {
            code_point: character.into(),
        });
    }
    if text.trim().is_empty() {
        return Err(TextError::Empty);
    }
    if text.trim() != text {
        return Err(TextError::Untrimmed);
    }
    let normalized = match is_nfc_quick(text.chars()) {
        IsNormalized::Yes => true,
        IsNormalized::No => false,
        IsNormalized::Maybe => text.nfc().eq(text.chars()),
    };
    if normalized {
        Ok(())
    } else {
        Err(TextError::NotNormalized)
    }
}

/// A line of 1 to `LIMIT` characters: NFC, trimmed, nothing invisible.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(transparent)]
pub struct Line<const LIMIT: usize>(String);

impl<const LIMIT: usize> Line<LIMIT> {
    /// From text as it must already be; see [`Line::tidy`] for text as people type it.
    ///
    /// # Errors
    /// [`TextError`] names the first fault.
    pub fn new(text: impl Into<String>) -> Result<Self, TextError> {
        let text = text.into();
        check_line(&text, LIMIT)?;
        Ok(Self(text))
    }

    /// From text as a person typed it: trimmed and normalised first, never cut.
    ///
    /// # Errors
    /// [`TextError`] for what tidying cannot mend.
    pub fn tidy(text: &str) -> Result<Self, TextError> {
        if text.len() > LIMIT.saturating_mul(16) {
            return Err(TextError::TooLong {
                length: text.len(),
                limit: LIMIT,
            });
        }
        Self::new(text.trim().nfc().collect::<String>())
    }

    /// The text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl<const LIMIT: usize> std::fmt::Display for Line<LIMIT> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.0)
    }
}

impl<'de, const LIMIT: usize> Deserialize<'de> for Line<LIMIT> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Self::new(String::deserialize(deserializer)?).map_err(de::Error::custom)
    }
}

/// Serialises a type as its `Display` text and parses it back with `FromStr`.
macro_rules! serde_as_text {
    ($name:ty) => {
        impl serde::Serialize for $name {
            fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                serializer.collect_str(self)
            }
        }

        impl<'de> serde::Deserialize<'de> for $name {
            fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                let text = std::borrow::Cow::<'de, str>::deserialize(deserializer)?;
                text.parse().map_err(serde::de::Error::custom)
            }
        }
    };
}
pub(crate) use serde_as_text;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn vietnamese_is_kept_and_decomposed_is_refused() {
        let name = "Ủy ban nhân dân tỉnh Quảng Ninh";
        assert_eq!(Line::<200>::new(name).unwrap().as_str(), name);
        let decomposed: String = name.nfd().collect();
        assert_eq!(
            Line::<200>::new(decomposed.clone()),
            Err(TextError::NotNormalized)
        );
        assert_eq!(Line::<200>::tidy(&decomposed).unwrap().as_str(), name);
    }

    #[test]
    fn what_hides_is_refused() {
        for text in [
            "a\u{202E}b",
            "a\u{200B}b",
            "a\nb",
            "a\0b",
            "\u{FEFF}a",
            "a\u{2066}b",
        ] {
            assert!(
                matches!(Line::<10>::new(text), Err(TextError::Forbidden { .. })),
                "{text:?}"
            );
        }
    }

    #[test]
    fn limits_count_characters() {
        assert!(Line::<3>::new("ủủủ").is_ok());
        assert!(matches!(
            Line::<3>::new("ủủủủ"),
            Err(TextError::TooLong {
                length: 4,
                limit: 3
            })
        ));
        assert_eq!(Line::<3>::new("  "), Err(TextError::Empty));
        assert_eq!(Line::<3>::new(" a"), Err(TextError::Untrimmed));
    }
}
