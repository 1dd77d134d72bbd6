//! Agency codes (mã định danh điện tử) in the grammar of Decision 20/2020/QĐ-TTg,
//! the older one of QCVN 102:2016, and the conversion between them.
//!
//! Registering an agency is strict ([`AgencyCode::strict`]); reading is lenient
//! ([`AgencyCode::lenient`]), because codes in the wild break the grammar.
//! Conversion is a fallback: a directory entry carries both forms where both exist.

use std::fmt;
use std::str::FromStr;

use crate::text::serde_as_text;

/// Longest code, in characters (Decision 20/2020/QĐ-TTg).
pub const MAX_CODE: usize = 35;

/// Why a text is not a code, or cannot be converted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum CodeError {
    /// Empty or longer than [`MAX_CODE`].
    #[error("a code has 1 to 35 characters")]
    Length,
    /// A character outside `A-Z`, `0-9` and `.`.
    #[error("a code consists of A-Z, 0-9 and dots only")]
    Character,
    /// A dot at an end, or two in a row.
    #[error("a code has no empty group between dots")]
    EmptyGroup,
    /// Not `H49`, `H49.13`, `H49.13.05` or the like.
    #[error(
        "a code begins with a letter and two digits, then groups of two or three, as H49.13.05"
    )]
    Grammar,
    /// Not of the form `000.05.13.H49`.
    #[error("an old code has the form 000.05.13.H49")]
    OldGrammar,
    /// More levels than the old form has places for.
    #[error("more than four levels have no old form")]
    TooManyLevels,
    /// A group that the old form cannot hold.
    #[error("a group that is not of the old form's width, or not of digits, has no old form")]
    Width,
    /// A zero group between groups that are not.
    #[error("a group of zeros between others cannot be converted")]
    InnerZero,
    /// A name that is neither an agency code nor a hub's or authority's.
    #[error("neither an agency code nor a name of 1 to 35 characters a-z, 0-9 and -")]
    Party,
}

/// An agency's code in its canonical (new) form, such as `H49.13.05`.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct AgencyCode(String);

impl AgencyCode {
    /// A code as found in messages: the right characters, at most 35, no empty group.
    ///
    /// # Errors
    /// [`CodeError`].
    pub fn lenient(text: &str) -> Result<Self, CodeError> {
        if text.is_empty() || text.len() > MAX_CODE {
            return Err(CodeError::Length);
        }
        let allowed = |byte: u8| byte.is_ascii_uppercase() || byte.is_ascii_digit() || byte == b'.';
        if !text.bytes().all(allowed) {
            return Err(CodeError::Character);
        }
        if text.split('.').any(str::is_empty) {
            return Err(CodeError::EmptyGroup);
        }
        Ok(Self(text.to_owned()))
    }

    /// A code as an agency may be registered under:
    /// `^[A-Z][0-9]{2}(\.[0-9A-Z]{2,3})*$`, at most 35 characters.
    ///
    /// # Errors
    /// [`CodeError`].
    pub fn strict(text: &str) -> Result<Self, CodeError> {
        let code = Self::lenient(text)?;
        let mut groups = text.split('.');
        let root = groups.next().unwrap_or_default().as_bytes();
        let root_fits = matches!(root, [letter, tens, ones]
            if letter.is_ascii_uppercase() && tens.is_ascii_digit() && ones.is_ascii_digit());
        if root_fits && groups.all(|group| matches!(group.len(), 2 | 3)) {
            Ok(code)
        } else {
            Err(CodeError::Grammar)
        }
    }

    /// From the old form: `000.05.13.H49` is `H49.13.05`.
    ///
    /// # Errors
    /// [`CodeError`] if the text is not of that form or has a zero group between others.
    pub fn from_old(text: &str) -> Result<Self, CodeError> {
        let mut levels = old_levels(text)?.to_vec();
        while levels.last().is_some_and(|group| is_zero(group)) {
            levels.pop();
        }
        if levels.iter().skip(1).any(|group| is_zero(group)) {
            return Err(CodeError::InnerZero);
        }
        Self::strict(&levels.join(".")).map_err(|_| CodeError::OldGrammar)
    }

    /// Whether a text has the old form, also where it cannot be converted.
    ///
    /// # Errors
    /// [`CodeError::OldGrammar`].
    pub fn check_old(text: &str) -> Result<(), CodeError> {
        let [root, ..] = old_levels(text)?;
        Self::strict(root)
            .map(drop)
            .map_err(|_| CodeError::OldGrammar)
    }

    /// The old form: `H49.13.05` is `000.05.13.H49`.
    ///
    /// # Errors
    /// [`CodeError`] if the code has none: over four levels, letters, wrong widths, zero groups.
    pub fn to_old(&self) -> Result<String, CodeError> {
        let mut levels: Vec<&str> = self.0.split('.').collect();
        if levels.len() > 4 {
            return Err(CodeError::TooManyLevels);
        }
        Self::strict(&self.0)?;
        let given = levels.len();
        levels.extend(["00", "00", "000"].iter().skip(given - 1));
        for (group, width) in levels.iter().skip(1).zip([2, 2, 3]) {
            if group.len() != width || !group.bytes().all(|byte| byte.is_ascii_digit()) {
                return Err(CodeError::Width);
            }
        }
        if levels
            .iter()
            .take(given)
            .skip(1)
            .any(|group| is_zero(group))
        {
            return Err(CodeError::InnerZero);
        }
        levels.reverse();
        Ok(levels.join("."))
    }

    /// Either form, as people and old systems write it, brought to the canonical one.
    ///
    /// # Errors
    /// [`CodeError`] of the lenient reading.
    pub fn read(text: &str) -> Result<Self, CodeError> {
        Self::from_old(text).or_else(|_| Self::lenient(text))
    }

    /// The text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// The four groups of a code of the old form, the highest first.
fn old_levels(text: &str) -> Result<[&str; 4], CodeError> {
    let groups: Vec<&str> = text.split('.').collect();
    let [unit, office, department, root] = groups.as_slice() else {
        return Err(CodeError::OldGrammar);
    };
    let digits = |group: &str, width| {
        group.len() == width && group.bytes().all(|byte| byte.is_ascii_digit())
    };
    if digits(unit, 3) && digits(office, 2) && digits(department, 2) && root.len() == 3 {
        Ok([root, department, office, unit])
    } else {
        Err(CodeError::OldGrammar)
    }
}

fn is_zero(group: &str) -> bool {
    group.bytes().all(|byte| byte == b'0')
}

impl fmt::Display for AgencyCode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl fmt::Debug for AgencyCode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "AgencyCode({})", self.0)
    }
}

/// Parses leniently: a statement may name a code that the strict grammar would not register.
impl FromStr for AgencyCode {
    type Err = CodeError;

    fn from_str(text: &str) -> Result<Self, CodeError> {
        Self::lenient(text)
    }
}

serde_as_text!(AgencyCode);

/// What a signer is called: an agency's code, or a hub's or the authority's lowercase name.
///
/// The two grammars share no text, so a hub can never be taken for an agency.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[non_exhaustive]
pub enum PartyCode {
    /// An agency.
    Agency(AgencyCode),
    /// A hub or the authority: `a-z`, `0-9` and `-`, beginning with a letter, at most 35 characters.
    Service(String),
}

impl PartyCode {
    /// A hub's or the authority's name.
    ///
    /// # Errors
    /// [`CodeError::Party`].
    pub fn service(text: &str) -> Result<Self, CodeError> {
        let begins = text
            .bytes()
            .next()
            .is_some_and(|byte| byte.is_ascii_lowercase());
        let allowed = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-';
        if begins && text.len() <= MAX_CODE && text.bytes().all(allowed) {
            Ok(Self::Service(text.to_owned()))
        } else {
            Err(CodeError::Party)
        }
    }

    /// The text.
    pub fn as_str(&self) -> &str {
        match self {
            Self::Agency(code) => code.as_str(),
            Self::Service(name) => name,
        }
    }

    /// The agency code, if it is one.
    pub const fn agency(&self) -> Option<&AgencyCode> {
        match self {
            Self::Agency(code) => Some(code),
            Self::Service(_) => None,
        }
    }
}

impl From<AgencyCode> for PartyCode {
    fn from(code: AgencyCode) -> Self {
        Self::Agency(code)
    }
}

impl fmt::Display for PartyCode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl FromStr for PartyCode {
    type Err = CodeError;

    fn from_str(text: &str) -> Result<Self, CodeError> {
        AgencyCode::lenient(text)
            .map(Self::Agency)
            .or_else(|_| Self::service(text))
    }
}

serde_as_text!(PartyCode);

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn old_and_new_forms() {
        for (old, new) in [
            ("000.00.00.H49", "H49"),
            ("000.00.13.H49", "H49.13"),
            ("000.05.13.H49", "H49.13.05"),
            ("007.05.13.H49", "H49.13.05.007"),
        ] {
            assert_eq!(AgencyCode::from_old(old).unwrap().as_str(), new);
            assert_eq!(AgencyCode::strict(new).unwrap().to_old().unwrap(), old);
            assert_eq!(AgencyCode::read(old).unwrap().as_str(), new);
        }
    }

    #[test]
    fn conversion_refuses_what_it_would_lose() {
        let old = |text: &str| AgencyCode::lenient(text).unwrap().to_old();
        assert_eq!(old("H49.13.05.007.01"), Err(CodeError::TooManyLevels));
        assert_eq!(old("H49.13A"), Err(CodeError::Width));
        assert_eq!(old("H49.1A"), Err(CodeError::Width));
        assert_eq!(old("H49.00.05"), Err(CodeError::InnerZero));
        assert_eq!(old("H49.13.00"), Err(CodeError::InnerZero));
        assert_eq!(
            AgencyCode::from_old("007.00.13.H49"),
            Err(CodeError::InnerZero)
        );
    }

    #[test]
    fn reading_is_lenient_and_registering_is_strict() {
        for wild in ["28.22.H17", "999.010.01.H22", "H37.DN.001", "H49"] {
            assert!(AgencyCode::lenient(wild).is_ok(), "{wild}");
        }
        assert!(AgencyCode::strict("H37.DN.001").is_ok());
        for bad in [
            "28.22.H17",
            "H4",
            "H49.1",
            "H49.1234",
            "h49",
            "H49.",
            ".H49",
            "H49..01",
            "",
        ] {
            assert!(AgencyCode::strict(bad).is_err(), "{bad}");
        }
        assert!(AgencyCode::strict(&format!("H49{}", ".001".repeat(8))).is_ok());
        assert!(AgencyCode::strict(&format!("H49{}", ".001".repeat(9))).is_err());
    }

    #[test]
    fn no_service_is_an_agency() {
        assert!(matches!("hub-1".parse(), Ok(PartyCode::Service(_))));
        assert!(matches!("H49.13".parse(), Ok(PartyCode::Agency(_))));
        assert!("Hub".parse::<PartyCode>().is_err());
        assert!("-hub".parse::<PartyCode>().is_err());
    }

    proptest! {
        #[test]
        fn conversion_round_trips(root in "[A-Z][0-9]{2}", a in 1u8..100, b in 1u8..100, c in 1u16..1000, levels in 0usize..4) {
            let groups = [format!(".{a:02}"), format!(".{b:02}"), format!(".{c:03}")];
            let code = AgencyCode::strict(&format!("{root}{}", groups[..levels].concat())).unwrap();
            prop_assert_eq!(AgencyCode::from_old(&code.to_old().unwrap()).unwrap(), code);
        }

        #[test]
        fn no_text_panics(text in ".{0,50}") {
            let _ = (AgencyCode::read(&text), AgencyCode::strict(&text), text.parse::<PartyCode>());
            if let Ok(code) = AgencyCode::lenient(&text) { let _ = code.to_old(); }
        }
    }
}
