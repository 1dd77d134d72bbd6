//! Judging a signed statement: envelope, evidence, status or directory head.

use std::path::Path;

use consign_domain::directory::Role;
use consign_domain::limits::{MAX_EVIDENCE, MAX_SKEW_SECONDS};
use consign_domain::statement::{
    DirectoryHead, Envelope, Evidence, Statement, StatementError, StatementKind, Status,
};
use consign_domain::{ErrorCode, SignedStatement, Timestamp};
use consign_runtime::files;
use consign_verify::{
    Check, CheckOutcome, Directory, Indication, Report, StatementRefusal, TrustStore,
    verify_statement,
};

use super::answer::Answer;
use super::trust::Trust;
use crate::commands::absolute;
use crate::failure::{Failure, with_causes};

const CLAUSE: &str = "RFC 8032, EN 319 522-2";

const KINDS: [StatementKind; 4] = [
    StatementKind::Envelope,
    StatementKind::Evidence,
    StatementKind::Status,
    StatementKind::Directory,
];

/// Judges the statement in `file` by the signature in `signature`.
pub(crate) fn judge(
    file: &Path,
    signature: &Path,
    trust: &Trust,
    at: Timestamp,
) -> Result<Answer, Failure> {
    let statement = files::read_bounded(file, MAX_EVIDENCE)?;
    let bytes = files::read_bounded(signature, 4096).map_err(|error| {
        Failure::from(error).fix("name the signature: consign verify FILE --signature FILE")
    })?;
    let mut report = Report {
        indication: Indication::TotalPassed,
        at,
        malformed: false,
        checks: Vec::new(),
        not_checked: vec!["whether other statements contradict this one"],
    };
    let kind = KINDS
        .into_iter()
        .find(|kind| statement.starts_with(prefix(*kind).as_bytes()));
    let checks = match (kind, <[u8; 64]>::try_from(bytes)) {
        (None, _) => vec![malformed(
            "statement-format",
            "not a statement of a known kind",
        )],
        (_, Err(_)) => vec![malformed("signature-format", "a signature has 64 bytes")],
        (Some(kind), Ok(signature)) => {
            let statement = statement.clone().into();
            check(
                kind,
                &SignedStatement {
                    statement,
                    signature,
                },
                trust,
                at,
            )
        }
    };
    for check in checks {
        report.malformed |= is_malformed(&check);
        report.indication = worse(report.indication, check.outcome);
        report.checks.push(check);
    }
    let fields = serde_json::from_slice(&statement).unwrap_or(serde_json::Value::Null);
    Ok(Answer::of_statement(
        absolute(file),
        kind,
        report,
        fields,
        trust,
    ))
}

fn prefix(kind: StatementKind) -> String {
    format!("{{\"type\":\"{}\",", kind.as_str())
}

fn check(
    kind: StatementKind,
    signed: &SignedStatement,
    trust: &Trust,
    at: Timestamp,
) -> Vec<Check> {
    match (kind, trust.store(), trust.directory()) {
        (StatementKind::Directory, Some(store), _) => head(signed, store, at),
        (_, _, Some(directory)) => match kind {
            StatementKind::Envelope => {
                by_directory::<Envelope>(signed, directory, at, |_| Role::Agency)
            }
            StatementKind::Status => {
                by_directory::<Status>(signed, directory, at, |_| Role::Agency)
            }
            _ => {
                by_directory::<Evidence>(signed, directory, at, |evidence| evidence.event.said_by())
            }
        },
        _ => vec![Check {
            name: "statement-key",
            clause: CLAUSE,
            outcome: CheckOutcome::Indeterminate,
            code: Some(ErrorCode::VerdictIndeterminate),
            sub_indication: Some("NO_SIGNING_CERTIFICATE_FOUND"),
            detail: "roots alone name no statement keys: give the trust.json that has directory/ \
                     beside it"
                .to_owned(),
        }],
    }
}

/// A statement whose key the directory lists.
fn by_directory<S: Statement>(
    signed: &SignedStatement,
    directory: &Directory,
    at: Timestamp,
    role: impl Fn(&S) -> Role,
) -> Vec<Check> {
    let parsed = match S::parse(&signed.statement) {
        Ok(parsed) => parsed,
        Err(error) => return vec![format_fault(&error)],
    };
    let mut checks = vec![passed("statement-format", S::KIND.as_str().to_owned())];
    match verify_statement::<S>(signed, &[role(&parsed)], directory) {
        Ok(verified) => {
            let signer = verified.signer();
            let detail = format!("{} signed it with key {}", signer.code, signer.key);
            checks.push(passed("statement-signature", detail));
        }
        Err(refusal) => checks.push(refused(&refusal)),
    }
    checks.push(time(parsed.time(), at));
    checks
}

/// A directory head, whose key the trust file pins.
fn head(signed: &SignedStatement, store: &TrustStore, at: Timestamp) -> Vec<Check> {
    let head = match DirectoryHead::parse(&signed.statement) {
        Ok(head) => head,
        Err(error) => return vec![format_fault(&error)],
    };
    let mut checks = vec![passed(
        "statement-format",
        DirectoryHead::KIND.as_str().to_owned(),
    )];
    let signer = &head.signer;
    let ours = head.network == store.network() && signer.id == store.authority();
    let key = store.directory_key(signer.key).filter(|_| ours);
    checks.push(match key {
        None => failed(
            ErrorCode::KeyUnknown,
            "SIG_CONSTRAINTS_FAILURE",
            "the trust file does not name this network's authority with this key".to_owned(),
        ),
        Some(key) => match key.verify(&signed.statement, &signed.signature) {
            Ok(()) => passed(
                "statement-signature",
                format!("the authority, key {}", signer.key),
            ),
            Err(error) => failed(
                ErrorCode::SignatureInvalid,
                "SIG_CRYPTO_FAILURE",
                with_causes(&error),
            ),
        },
    });
    checks.push(time(head.time, at));
    checks
}

fn time(said: Timestamp, at: Timestamp) -> Check {
    if said <= at.plus_seconds(MAX_SKEW_SECONDS) {
        return passed("statement-time", format!("{said}, by the signer's clock"));
    }
    Check {
        name: "statement-time",
        clause: CLAUSE,
        outcome: CheckOutcome::Indeterminate,
        code: Some(ErrorCode::TimeInFuture),
        sub_indication: Some("SIG_CONSTRAINTS_FAILURE"),
        detail: format!("it was made at {said}, after {at}"),
    }
}

fn refused(refusal: &StatementRefusal) -> Check {
    let detail = refusal.to_string();
    match refusal {
        StatementRefusal::DirectoryBehind { .. } => Check {
            name: "statement-signature",
            clause: CLAUSE,
            outcome: CheckOutcome::Indeterminate,
            code: Some(refusal.code()),
            sub_indication: Some("TRY_LATER"),
            detail,
        },
        StatementRefusal::Signature => failed(refusal.code(), "SIG_CRYPTO_FAILURE", detail),
        _ => failed(refusal.code(), "SIG_CONSTRAINTS_FAILURE", detail),
    }
}

const fn passed(name: &'static str, detail: String) -> Check {
    Check {
        name,
        clause: CLAUSE,
        outcome: CheckOutcome::Passed,
        code: None,
        sub_indication: None,
        detail,
    }
}

const fn failed(code: ErrorCode, sub_indication: &'static str, detail: String) -> Check {
    Check {
        name: "statement-signature",
        clause: CLAUSE,
        outcome: CheckOutcome::Failed,
        code: Some(code),
        sub_indication: Some(sub_indication),
        detail,
    }
}

fn malformed(name: &'static str, detail: &str) -> Check {
    Check {
        name,
        clause: CLAUSE,
        outcome: CheckOutcome::Failed,
        code: Some(ErrorCode::StatementMalformed),
        sub_indication: Some("FORMAT_FAILURE"),
        detail: detail.to_owned(),
    }
}

fn format_fault(error: &StatementError) -> Check {
    malformed("statement-format", &with_causes(error))
}

fn is_malformed(check: &Check) -> bool {
    check.sub_indication == Some("FORMAT_FAILURE")
}

const fn worse(so_far: Indication, outcome: CheckOutcome) -> Indication {
    match (so_far, outcome) {
        (Indication::TotalFailed, _) | (_, CheckOutcome::Failed) => Indication::TotalFailed,
        (Indication::Indeterminate, _) | (_, CheckOutcome::Indeterminate) => {
            Indication::Indeterminate
        }
        _ => Indication::TotalPassed,
    }
}

#[cfg(test)]
mod tests;
