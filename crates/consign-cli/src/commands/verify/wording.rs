//! Verdicts, documents and statements in lines for people.

use std::fmt::Write as _;

use consign_domain::document::Document;
use consign_verify::Indication;
use consign_verify::pdf::{ContainedPdf, PdfSignatureJudgement};
use serde_json::Value;

use crate::output::{Output, Tone};

/// Lowercase hexadecimal digits.
pub(crate) fn hexadecimal(bytes: &[u8]) -> String {
    bytes.iter().fold(String::new(), |mut text, byte| {
        let _ = write!(text, "{byte:02x}");
        text
    })
}

/// A document's fields, those that it has.
pub(crate) fn document(document: &Document) -> Vec<String> {
    let mut lines = vec![
        field("symbol", &document.symbol()),
        field("type", document.document_type.name()),
        field("subject", document.subject.as_str()),
        field(
            "issuer",
            &format!("{} {}", document.issuer.code, document.issuer.name),
        ),
        field("issued on", &document.issued_on.to_string()),
    ];
    if let Some(place) = &document.issued_at {
        lines.push(field("issued at", place.as_str()));
    }
    if let Some(signer) = &document.signed_by {
        let parts = [
            signer.competence.as_ref().map(|text| text.as_str()),
            signer.position.as_ref().map(|text| text.as_str()),
            Some(signer.name.as_str()),
        ];
        let parts: Vec<&str> = parts.into_iter().flatten().collect();
        lines.push(field("signed by", &parts.join(" ")));
    }
    lines.push(field("urgency", document.urgency.name()));
    if let Some(due) = document.due {
        lines.push(field("answer due", &due.to_string()));
    }
    let codes: Vec<&str> = document
        .addressees
        .as_slice()
        .iter()
        .map(|code| code.as_str())
        .collect();
    lines.push(field("addressees", &codes.join(", ")));
    for file in document.files() {
        let title = file.title.as_ref().map_or("", |title| title.as_str());
        lines.push(field("file", format!("{}  {title}", file.name).trim_end()));
    }
    lines.push(field("id", &document.id.to_string()));
    lines
}

/// The same from `document.json` as a node shows it.
pub(crate) fn document_value(value: &Value) -> Vec<String> {
    if value.is_null() {
        return vec!["not opened yet".to_owned()];
    }
    match serde_json::from_value::<Document>(value.clone()) {
        Ok(parsed) => document(&parsed),
        Err(error) => vec![format!("cannot be read: {error}")],
    }
}

/// The checks of a report, one a line, with what was not checked.
pub(crate) fn report_value(report: &Value, output: Output) -> Vec<String> {
    let empty = Vec::new();
    let checks = report.get("checks").and_then(Value::as_array);
    let text = |check: &Value, key: &str| {
        let found = check.get(key).and_then(Value::as_str);
        found.unwrap_or_default().to_owned()
    };
    let line = |check: &Value| {
        let (word, tone) = match text(check, "outcome").as_str() {
            "passed" => ("passed       ", Tone::Good),
            "failed" => ("FAILED       ", Tone::Bad),
            "indeterminate" => ("indeterminate", Tone::Doubtful),
            _ => ("noted        ", Tone::Doubtful),
        };
        let (name, detail) = (text(check, "name"), text(check, "detail"));
        let faults = [text(check, "code"), text(check, "sub_indication")];
        let faults: Vec<&str> = faults
            .iter()
            .map(String::as_str)
            .filter(|fault| !fault.is_empty())
            .collect();
        let faults = match faults.as_slice() {
            [] => String::new(),
            faults => format!(" [{}]", faults.join(", ")),
        };
        format!("{}  {name:<20} {detail}{faults}", output.paint(tone, word))
    };
    checks.unwrap_or(&empty).iter().map(line).collect()
}

/// How a verdict is shown.
pub(crate) const fn tone(verdict: Indication) -> Tone {
    match verdict {
        Indication::TotalPassed => Tone::Good,
        Indication::TotalFailed => Tone::Bad,
        Indication::Indeterminate => Tone::Doubtful,
    }
}

/// Each signature of a PDF file with its checks.
pub(crate) fn signatures(signatures: &[PdfSignatureJudgement], output: Output) -> Vec<String> {
    let mut lines = Vec::new();
    for one in signatures {
        let heading = format!("Signature {} ({})", one.number, one.role.as_str());
        let verdict = output.paint(tone(one.report.indication), one.report.indication);
        let heading = output.paint(Tone::Strong, heading);
        lines.push(format!("\n{heading}: {verdict}"));
        let report = serde_json::to_value(&one.report).unwrap_or(Value::Null);
        let checks = report_value(&report, output);
        lines.extend(checks.iter().map(|line| format!("  {line}")));
        for (what, time) in [("claimed", one.claimed_time), ("proven", one.proven_time)] {
            let time = time.map(|time| field(what, &time.to_string()));
            lines.extend(time.map(|line| format!("  {line}")));
        }
    }
    lines
}

/// The PDF files in a container with their verdicts.
pub(crate) fn pdfs(pdfs: &[ContainedPdf], output: Output) -> Vec<String> {
    let mut lines = Vec::new();
    for pdf in pdfs {
        let Some(judgement) = &pdf.judgement else {
            lines.push(format!("{}: no signatures", pdf.name));
            continue;
        };
        let verdict = judgement.report.indication;
        let verdict = output.paint(tone(verdict), verdict);
        lines.push(format!("{}: {verdict}", pdf.name));
        let report = serde_json::to_value(&judgement.report).unwrap_or(Value::Null);
        let checks = report_value(&report, output);
        lines.extend(checks.iter().map(|line| format!("  {line}")));
    }
    lines
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

fn field(name: &str, value: &str) -> String {
    format!("{name:<12} {value}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn checks_say_their_outcome_in_words() {
        let report = serde_json::json!({"checks": [
            {"name": "file-digests", "outcome": "passed", "detail": "3 files"},
            {"name": "seal-signature", "outcome": "failed", "detail": "changed",
             "code": "seal-invalid", "sub_indication": "HASH_FAILURE"},
        ]});
        assert_eq!(
            report_value(&report, Output::new(false)),
            [
                "passed         file-digests         3 files",
                "FAILED         seal-signature       changed [seal-invalid, HASH_FAILURE]"
            ]
        );
    }

    #[test]
    fn a_statement_is_shown_field_by_field() {
        let value = serde_json::json!({"event": "ContentHandover", "hub": {"n": [1, "a"]}});
        assert_eq!(
            statement(&value),
            [
                format!("{:<22} ContentHandover", "event"),
                format!("{:<22} 1", "hub.n.0"),
                format!("{:<22} a", "hub.n.1"),
            ]
        );
    }
}
