//! Verdicts, documents and statements in lines for people.
//!
//! `consign-verify` gives facts; what they are called is said here and nowhere else, in
//! Vietnamese and English. A new check is one member there, and its two wordings here.

mod facts;
mod reasons;
mod terms;

use std::fmt::Write as _;

use consign_domain::document::Document;
use consign_verify::pdf::{ContainedPdf, PdfSignatureJudgement};
use consign_verify::report::NotChecked;
use consign_verify::{Check, CheckOutcome, Indication, Report};
use serde_json::Value;

use super::language::{Language, text};
use crate::output::{Output, Tone};

/// How checks are shown.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Style {
    pub(crate) language: Language,
    /// Whether what was looked at is shown of checks that passed, too.
    pub(crate) is_detailed: bool,
    pub(crate) output: Output,
}

/// Lowercase hexadecimal digits.
pub(crate) fn hexadecimal(bytes: &[u8]) -> String {
    bytes.iter().fold(String::new(), |mut text, byte| {
        let _ = write!(text, "{byte:02x}");
        text
    })
}

/// A verdict, in the clerks' word and the standard's.
pub(crate) fn verdict(report: &Report, style: Style) -> String {
    let word = terms::verdict(report).to(style.language);
    let words = format!("{word} ({})", report.indication);
    style.output.paint(tone(report.indication), words)
}

/// Why a report is not passed: the decisive check, and what was found.
pub(crate) fn why(report: &Report, language: Language) -> String {
    let Some(check) = report.decisive() else {
        return String::new();
    };
    let name = terms::check(check.name).to(language);
    match check.reason {
        Some(reason) => format!("{name}: {}", reasons::reason(reason).to(language)),
        None => name.to_owned(),
    }
}

/// The checks of a report.
pub(crate) fn checks(report: &Report, style: Style) -> Vec<String> {
    report
        .checks
        .iter()
        .flat_map(|check| check_lines(check, style))
        .collect()
}

/// A check: how it came out, and what was found. Opened, also the clause and what was looked at.
fn check_lines(check: &Check, style: Style) -> Vec<String> {
    let Style {
        language,
        is_detailed,
        output,
    } = style;
    let tone = match check.outcome {
        CheckOutcome::Passed => Tone::Good,
        CheckOutcome::Failed => Tone::Bad,
        CheckOutcome::Indeterminate | CheckOutcome::Noted => Tone::Doubtful,
    };
    let word = terms::outcome(check.outcome).to(language);
    let word = output.paint(tone, format!("{word:<14}"));
    let mut line = format!("{word} {}", terms::check(check.name).to(language));
    if let Some(reason) = check.reason {
        let _ = write!(line, ": {}", reasons::reason(reason).to(language));
    }
    let mut lines = vec![line];
    let is_open = is_detailed || check.outcome != CheckOutcome::Passed;
    if !is_open {
        return lines;
    }
    let mut below = Vec::new();
    if let Some(sub_indication) = check.sub_indication {
        let meaning = terms::sub_indication(sub_indication).to(language);
        below.push(format!("{sub_indication}: {meaning}"));
    }
    let evidence = check.evidence.iter();
    below.extend(evidence.map(|evidence| facts::evidence(evidence, language)));
    if let Some(cause) = &check.cause {
        let label = text("chi tiết kỹ thuật", "in detail").to(language);
        below.push(format!("{label}: {cause}"));
    }
    if is_detailed {
        let label = text("căn cứ", "clause").to(language);
        let clause = terms::clause(check.name.clause(), language);
        below.push(format!("{label}: {clause} [{}]", check.name));
    }
    lines.extend(below.iter().map(|line| format!("{:15}{line}", "")));
    lines
}

/// What was not checked, and why.
pub(crate) fn not_checked(skipped: &NotChecked, language: Language) -> String {
    let what = terms::aspect(skipped.what).to(language);
    let why = terms::why(skipped.why).to(language);
    let of: Vec<&str> = skipped.of.iter().map(|name| name.as_str()).collect();
    match of.as_slice() {
        [] => format!("{what}: {why}"),
        of => format!("{what} ({}): {why}", of.join(", ")),
    }
}

/// How a verdict is shown.
pub(crate) const fn tone(verdict: Indication) -> Tone {
    match verdict {
        Indication::TotalPassed => Tone::Good,
        Indication::TotalFailed => Tone::Bad,
        Indication::Indeterminate => Tone::Doubtful,
    }
}

/// Who made a signature in a PDF file, in which role, and how far that is the signature's word.
pub(crate) fn signer(signature: &PdfSignatureJudgement, language: Language) -> String {
    let unnamed = text("không rõ người ký", "an unnamed signer").to(language);
    let who = signature.who().unwrap_or_else(|| unnamed.into());
    let role = terms::role(signature.role).to(language);
    match terms::binding(signature.binding) {
        Some(binding) => format!("{who} ({role}; {})", binding.to(language)),
        None => format!("{who} ({role})"),
    }
}

/// Each signature of a PDF file with its checks.
pub(crate) fn signatures(signatures: &[PdfSignatureJudgement], style: Style) -> Vec<String> {
    let language = style.language;
    let mut lines = Vec::new();
    for one in signatures {
        let label = text("Chữ ký", "Signature").to(language);
        let heading = format!("{label} {}, {}", one.number, signer(one, language));
        let heading = style.output.paint(Tone::Strong, heading);
        lines.push(format!("\n{heading}: {}", verdict(&one.report, style)));
        lines.extend(indented(checks(&one.report, style)));
    }
    lines
}

/// The PDF files in a container with their verdicts.
pub(crate) fn pdfs(pdfs: &[ContainedPdf], style: Style) -> Vec<String> {
    let mut lines = Vec::new();
    for pdf in pdfs {
        let Some(judgement) = &pdf.judgement else {
            let none = text("không có chữ ký số", "no signatures").to(style.language);
            lines.push(format!("{}: {none}", pdf.name));
            continue;
        };
        lines.push(format!(
            "{}: {}",
            pdf.name,
            verdict(&judgement.report, style)
        ));
        lines.extend(indented(checks(&judgement.report, style)));
    }
    lines
}

fn indented(lines: Vec<String>) -> impl Iterator<Item = String> {
    lines.into_iter().map(|line| format!("  {line}"))
}

/// A document's fields, those that it has.
pub(crate) fn document(document: &Document, language: Language) -> Vec<String> {
    let field = |vi, en, value: &str| field(text(vi, en).to(language), value);
    let issuer = format!("{} {}", document.issuer.code, document.issuer.name);
    let mut lines = vec![
        field("số, ký hiệu", "symbol", &document.symbol()),
        field("loại", "type", document.document_type.name()),
        field("trích yếu", "subject", document.subject.as_str()),
        field("cơ quan", "issuer", &issuer),
        field("ban hành", "issued on", &document.issued_on.to_string()),
    ];
    if let Some(place) = &document.issued_at {
        lines.push(field("địa danh", "issued at", place.as_str()));
    }
    if let Some(signer) = &document.signed_by {
        let parts = [
            signer.competence.as_ref().map(|text| text.as_str()),
            signer.position.as_ref().map(|text| text.as_str()),
            Some(signer.name.as_str()),
        ];
        let parts: Vec<&str> = parts.into_iter().flatten().collect();
        lines.push(field("người ký", "signed by", &parts.join(" ")));
    }
    lines.push(field("độ khẩn", "urgency", document.urgency.name()));
    if let Some(due) = document.due {
        lines.push(field("hạn trả lời", "answer due", &due.to_string()));
    }
    let codes: Vec<&str> = document
        .addressees
        .as_slice()
        .iter()
        .map(|code| code.as_str())
        .collect();
    lines.push(field("nơi nhận", "addressees", &codes.join(", ")));
    for file in document.files() {
        let title = file.title.as_ref().map_or("", |title| title.as_str());
        lines.push(field(
            "tệp",
            "file",
            format!("{}  {title}", file.name).trim_end(),
        ));
    }
    lines.push(field("id", "id", &document.id.to_string()));
    lines
}

/// The same from `document.json` as a node shows it.
pub(crate) fn document_value(value: &Value) -> Vec<String> {
    if value.is_null() {
        return vec!["not opened yet".to_owned()];
    }
    match serde_json::from_value::<Document>(value.clone()) {
        Ok(parsed) => document(&parsed, Language::English),
        Err(error) => vec![format!("cannot be read: {error}")],
    }
}

/// The checks of a report as a node keeps it, in English; also of one that an older version
/// wrote, whose checks have a name and a text.
pub(crate) fn report_value(report: &Value, output: Output) -> Vec<String> {
    let style = Style {
        language: Language::English,
        is_detailed: false,
        output,
    };
    if let Ok(report) = serde_json::from_value::<Report>(report.clone()) {
        return checks(&report, style);
    }
    let text = |check: &Value, key: &str| {
        let found = check.get(key).and_then(Value::as_str);
        found.unwrap_or_default().to_owned()
    };
    let older = report.get("checks").and_then(Value::as_array);
    let line = |check: &Value| {
        let (outcome, name, detail) = (
            text(check, "outcome"),
            text(check, "name"),
            text(check, "detail"),
        );
        format!("{outcome:<14} {name}: {detail}")
    };
    older.into_iter().flatten().map(line).collect()
}

/// A statement's fields: paths and values, as they stand in it.
pub(crate) fn statement(value: &Value) -> Vec<String> {
    let mut lines = Vec::new();
    flatten("", value, &mut lines);
    lines
}

fn flatten(path: &str, value: &Value, lines: &mut Vec<String>) {
    let below = |name: &str| match path {
        "" => name.to_owned(),
        path => format!("{path}.{name}"),
    };
    match value {
        Value::Null => {}
        Value::Object(fields) => fields
            .iter()
            .for_each(|(name, value)| flatten(&below(name), value, lines)),
        Value::Array(items) => items
            .iter()
            .enumerate()
            .for_each(|(index, item)| flatten(&below(&index.to_string()), item, lines)),
        Value::String(text) => lines.push(format!("{path:<22} {text}")),
        other => lines.push(format!("{path:<22} {other}")),
    }
}

/// A name and a value.
pub(crate) fn field(name: &str, value: &str) -> String {
    format!("{name:<12} {value}")
}

#[cfg(test)]
mod tests;
