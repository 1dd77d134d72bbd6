//! Judging a signed statement: envelope, evidence, status or directory head.

use std::path::Path;

use consign_domain::limits::MAX_EVIDENCE;
use consign_runtime::files;
use consign_verify::container::JudgedAt;
use consign_verify::{Policy, statement};

use super::answer::Answer;
use super::language::Language;
use super::trust::Trust;
use crate::commands::absolute;
use crate::failure::Failure;

/// Judges the statement in `file` by the signature in `signature`.
pub(crate) fn judge(
    file: &Path,
    signature: &Path,
    trust: &Trust,
    at: JudgedAt,
    language: Language,
) -> Result<Answer, Failure> {
    let bytes = files::read_bounded(file, MAX_EVIDENCE)?;
    let signature = files::read_bounded(signature, 4096).map_err(|error| {
        Failure::from(error).fix("name the signature: consign verify FILE --signature FILE")
    })?;
    let (store, directory) = (trust.store(), trust.directory());
    let policy = Policy::default();
    let judgement = statement::judge(&bytes, &signature, store, directory, &policy, at);
    let fields = serde_json::from_slice(&bytes).unwrap_or(serde_json::Value::Null);
    let file = absolute(file);
    Ok(Answer::of_statement(
        file, judgement, fields, trust, language,
    ))
}

#[cfg(test)]
mod tests;
