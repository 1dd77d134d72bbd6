//! Reports: each check with its outcome, and the verdict that follows, in the words of
//! ETSI EN 319 102-1 §5.

use std::fmt;

use consign_domain::{ErrorCode, Timestamp};
use serde::Serialize;

/// The verdict (EN 319 102-1 §5.1.3, table 3).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize)]
pub enum Indication {
    /// Every check passed.
    #[serde(rename = "TOTAL-PASSED")]
    TotalPassed,
    /// A check failed for good.
    #[serde(rename = "TOTAL-FAILED")]
    TotalFailed,
    /// What is needed to decide is not here.
    #[serde(rename = "INDETERMINATE")]
    Indeterminate,
}

impl Indication {
    /// The standard's word.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::TotalPassed => "TOTAL-PASSED",
            Self::TotalFailed => "TOTAL-FAILED",
            Self::Indeterminate => "INDETERMINATE",
        }
    }
}

impl fmt::Display for Indication {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// How one check came out.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum CheckOutcome {
    /// It holds.
    Passed,
    /// It does not hold.
    Failed,
    /// It cannot be decided with what is here.
    Indeterminate,
    /// It holds, with something a person should know.
    Noted,
}

/// One check.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Check {
    /// A stable name, such as `container-format`.
    pub name: &'static str,
    /// The clause it implements.
    pub clause: &'static str,
    /// How it came out.
    pub outcome: CheckOutcome,
    /// The fault's code, unless it passed.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub code: Option<ErrorCode>,
    /// The sub-indication of EN 319 102-1 (`HASH_FAILURE`, `NO_POC`, …), unless it passed.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub sub_indication: Option<&'static str>,
    /// What was looked at and found, for people.
    pub detail: String,
}

impl Check {
    /// A check that holds.
    pub(crate) const fn passed(name: &'static str, clause: &'static str, detail: String) -> Self {
        let outcome = CheckOutcome::Passed;
        Self {
            name,
            clause,
            outcome,
            code: None,
            sub_indication: None,
            detail,
        }
    }

    /// A check that does not hold.
    pub(crate) const fn failed(
        name: &'static str,
        clause: &'static str,
        code: ErrorCode,
        sub_indication: Option<&'static str>,
        detail: String,
    ) -> Self {
        let outcome = CheckOutcome::Failed;
        Self {
            name,
            clause,
            outcome,
            code: Some(code),
            sub_indication,
            detail,
        }
    }

    /// A check that what is here cannot decide.
    pub(crate) const fn indeterminate(
        name: &'static str,
        clause: &'static str,
        sub_indication: &'static str,
        detail: String,
    ) -> Self {
        let (code, sub_indication) = (Some(ErrorCode::VerdictIndeterminate), Some(sub_indication));
        Self {
            name,
            clause,
            outcome: CheckOutcome::Indeterminate,
            code,
            sub_indication,
            detail,
        }
    }

    /// A check that holds, with something a person should know.
    pub(crate) const fn noted(name: &'static str, clause: &'static str, detail: String) -> Self {
        let outcome = CheckOutcome::Noted;
        Self {
            name,
            clause,
            outcome,
            code: None,
            sub_indication: None,
            detail,
        }
    }
}

/// Whether a character may hide or reorder others, or steer a terminal.
fn hides(character: char) -> bool {
    character.is_control()
        || matches!(character,
            '\u{061C}' | '\u{200B}' | '\u{200E}' | '\u{200F}' | '\u{2028}'..='\u{202E}'
            | '\u{2060}'..='\u{2069}' | '\u{FEFF}' | '\u{FFF9}'..='\u{FFFB}')
}

/// All that was checked, in order, what was not, and the verdict.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Report {
    /// The verdict.
    pub indication: Indication,
    /// As of when it was judged.
    pub at: Timestamp,
    /// Whether the bytes break their format: malformed is not forged.
    pub malformed: bool,
    /// The checks, in the order made.
    pub checks: Vec<Check>,
    /// What was not checked, and why.
    pub not_checked: Vec<&'static str>,
}

impl Report {
    /// A report as of a time, without checks yet: passed until one says otherwise.
    pub(crate) const fn new(at: Timestamp) -> Self {
        Self {
            indication: Indication::TotalPassed,
            at,
            malformed: false,
            checks: Vec::new(),
            not_checked: Vec::new(),
        }
    }

    /// Whether every check passed.
    pub fn is_passed(&self) -> bool {
        self.indication == Indication::TotalPassed
    }

    /// The first check that kept the verdict from being passed: a failed one before an undecided one.
    pub fn decisive(&self) -> Option<&Check> {
        let first = |wanted| self.checks.iter().find(|check| check.outcome == wanted);
        first(CheckOutcome::Failed).or_else(|| first(CheckOutcome::Indeterminate))
    }

    /// The code of the decisive check.
    pub fn code(&self) -> Option<ErrorCode> {
        self.decisive().and_then(|check| check.code)
    }

    pub(crate) fn passed(&mut self, name: &'static str, clause: &'static str, detail: String) {
        self.push(Check::passed(name, clause, detail));
    }

    /// Adds a check. What it quotes may be the words of whoever made the file, who could
    /// otherwise write over what is printed.
    pub(crate) fn push(&mut self, mut check: Check) {
        if check.detail.contains(hides) {
            check.detail = check.detail.replace(hides, "\u{fffd}");
        }
        match check.outcome {
            CheckOutcome::Failed => self.indication = Indication::TotalFailed,
            CheckOutcome::Indeterminate if self.indication == Indication::TotalPassed => {
                self.indication = Indication::Indeterminate;
            }
            _ => {}
        }
        self.checks.push(check);
    }
}
