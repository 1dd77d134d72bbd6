//! Reports: each check with its outcome, what it looked at, and the verdict that follows, in the
//! words of ETSI EN 319 102-1 §5.
//!
//! A report is facts. There is no sentence for people in it: whoever shows it puts [`CheckName`],
//! [`Reason`], [`SubIndication`], [`Evidence`] and [`NotChecked`] into words, in the language of
//! whoever reads. All of them are closed lists, so that a wording that is missing is a fault
//! of compilation. The one text is [`Check::cause`], the words of the mechanism that failed.

mod evidence;
mod name;
mod omission;
mod reason;
mod sub_indication;
mod words;

use std::fmt;

use consign_domain::{ErrorCode, Timestamp};
use serde::{Deserialize, Serialize};

pub use evidence::{Counted, Evidence, Quoted, TimeSource};
pub use name::CheckName;
pub use omission::{Aspect, NotChecked, Why};
pub use reason::Reason;
pub use sub_indication::SubIndication;

/// The verdict (EN 319 102-1 §5.1.3).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
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
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
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
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct Check {
    /// Which.
    pub name: CheckName,
    /// How it came out.
    pub outcome: CheckOutcome,
    /// What was found; nothing where it passed.
    #[serde(default)]
    pub reason: Option<Reason>,
    /// Where the standard puts it; nothing unless it failed or is undecided.
    #[serde(default)]
    pub sub_indication: Option<SubIndication>,
    /// The fault's code, where there is one.
    #[serde(default)]
    pub code: Option<ErrorCode>,
    /// The mechanism's own words, for specialists; English.
    #[serde(default)]
    pub cause: Option<Quoted>,
    /// What was looked at.
    #[serde(default)]
    pub evidence: Vec<Evidence>,
}

/// As it is written: the clause follows from the name.
#[derive(Serialize)]
struct CheckForm<'a> {
    name: CheckName,
    clause: &'static str,
    outcome: CheckOutcome,
    reason: Option<Reason>,
    sub_indication: Option<SubIndication>,
    code: Option<ErrorCode>,
    cause: Option<&'a Quoted>,
    evidence: &'a [Evidence],
}

impl Serialize for Check {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let form = CheckForm {
            name: self.name,
            clause: self.name.clause(),
            outcome: self.outcome,
            reason: self.reason,
            sub_indication: self.sub_indication,
            code: self.code,
            cause: self.cause.as_ref(),
            evidence: &self.evidence,
        };
        form.serialize(serializer)
    }
}

impl Check {
    const fn new(name: CheckName, outcome: CheckOutcome, reason: Option<Reason>) -> Self {
        Self {
            name,
            outcome,
            reason,
            sub_indication: None,
            code: None,
            cause: None,
            evidence: Vec::new(),
        }
    }

    /// A check that holds.
    pub(crate) const fn passed(name: CheckName) -> Self {
        Self::new(name, CheckOutcome::Passed, None)
    }

    /// A check that does not hold.
    pub(crate) const fn failed(name: CheckName, reason: Reason, code: ErrorCode) -> Self {
        let mut check = Self::new(name, CheckOutcome::Failed, Some(reason));
        (check.sub_indication, check.code) = (Some(reason.sub_indication()), Some(code));
        check
    }

    /// A check that what is here cannot decide.
    pub(crate) const fn undecided(name: CheckName, reason: Reason) -> Self {
        let mut check = Self::new(name, CheckOutcome::Indeterminate, Some(reason));
        check.sub_indication = Some(reason.sub_indication());
        check.code = Some(ErrorCode::VerdictIndeterminate);
        check
    }

    /// A check that holds, with something a person should know.
    pub(crate) const fn noted(name: CheckName, reason: Reason) -> Self {
        Self::new(name, CheckOutcome::Noted, Some(reason))
    }

    /// With something that was looked at.
    #[must_use]
    pub(crate) fn with(mut self, evidence: Evidence) -> Self {
        self.evidence.push(evidence);
        self
    }

    /// With more of it.
    #[must_use]
    pub(crate) fn with_all(mut self, evidence: impl IntoIterator<Item = Evidence>) -> Self {
        self.evidence.extend(evidence);
        self
    }

    /// With the words of what failed.
    #[must_use]
    pub(crate) fn because(mut self, error: &dyn std::error::Error) -> Self {
        self.cause = Some(with_causes(error).into());
        self
    }

    /// With another code than usual.
    #[must_use]
    pub(crate) const fn coded(mut self, code: ErrorCode) -> Self {
        self.code = Some(code);
        self
    }
}

/// An error and what caused it, on one line.
pub(crate) fn with_causes(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(source) = cause {
        text.push_str(": ");
        text.push_str(&source.to_string());
        cause = source.source();
    }
    text
}

/// All that was checked, in order, what was not, and the verdict.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Report {
    /// The verdict.
    pub indication: Indication,
    /// That of the decisive check; nothing where it is passed.
    pub sub_indication: Option<SubIndication>,
    /// As of when it was judged.
    pub at: Timestamp,
    /// Whether the bytes break their format: malformed is not forged.
    pub malformed: bool,
    /// The checks, in the order made.
    pub checks: Vec<Check>,
    /// What was not checked, and why.
    pub not_checked: Vec<NotChecked>,
}

impl Report {
    /// A report as of a time, without checks yet: passed until one says otherwise.
    pub(crate) const fn new(at: Timestamp) -> Self {
        Self {
            indication: Indication::TotalPassed,
            sub_indication: None,
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

    /// Whether something is to be told though it passed.
    pub fn has_remarks(&self) -> bool {
        let mut checks = self.checks.iter();
        checks.any(|check| check.outcome == CheckOutcome::Noted)
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

    /// Adds a check.
    pub(crate) fn push(&mut self, check: Check) {
        match check.outcome {
            CheckOutcome::Failed => self.indication = Indication::TotalFailed,
            CheckOutcome::Indeterminate if self.indication == Indication::TotalPassed => {
                self.indication = Indication::Indeterminate;
            }
            _ => {}
        }
        self.checks.push(check);
        self.sub_indication = self.decisive().and_then(|check| check.sub_indication);
    }

    /// Tells of something that was not checked, once.
    pub(crate) fn skip(&mut self, skipped: NotChecked) {
        if !self.not_checked.contains(&skipped) {
            self.not_checked.push(skipped);
        }
    }
}

#[cfg(test)]
mod tests;
