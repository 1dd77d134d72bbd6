//! The verdict as `verify` prints it, and the exit code it ends with.

use std::path::{Path, PathBuf};

use consign_domain::document::Document;
use consign_domain::statement::StatementKind;
use consign_domain::{ErrorCode, NetworkId};
use consign_verify::archive::{ArchiveJudgement, ArchiveStamp};
use consign_verify::container::{Judgement, PDF_SIGNATURES, SealInfo};
use consign_verify::pdf::{ContainedPdf, PdfJudgement, PdfSignatureJudgement, Role, Standing};
use consign_verify::{Indication, Report};
use serde::Serialize;
use serde_json::Value;

use super::trust::Trust;
use super::wording;
use crate::failure::exit;
use crate::output::{Output, Tone};

/// What was judged and how it came out. Field names are stable.
#[derive(Debug, Serialize)]
pub(crate) struct Answer {
    file: PathBuf,
    /// `container`, `archive`, `pdf`, `envelope`, `evidence`, `status`, `directory` or `unknown`.
    kind: &'static str,
    verdict: Indication,
    malformed: bool,
    /// The decisive fault; null where it passed.
    code: Option<ErrorCode>,
    sentence: String,
    report: Report,
    document: Option<Document>,
    files: Vec<FileAnswer>,
    seals: Vec<SealInfo>,
    /// What the signatures inside a PDF file make of it; null for anything else.
    standing: Option<Standing>,
    /// The signatures inside a PDF file.
    signatures: Vec<PdfSignatureJudgement>,
    /// The time-stamps of a long-term archive, oldest first.
    stamps: Vec<ArchiveStamp>,
    /// The PDF files in a container, each with a verdict of its own.
    pdfs: Vec<ContainedPdf>,
    /// The statement's fields; null for a container.
    statement: Value,
    trust: TrustAnswer,
}

#[derive(Debug, Serialize)]
struct FileAnswer {
    name: String,
    size: u64,
    sha256: String,
}

/// What the verdict rests on.
#[derive(Debug, Serialize)]
struct TrustAnswer {
    file: PathBuf,
    network: Option<NetworkId>,
    network_name: Option<String>,
    directory_version: Option<u64>,
    directory_expires: Option<String>,
}

impl Answer {
    pub(crate) fn of_container(file: PathBuf, judgement: Judgement, trust: &Trust) -> Self {
        let issuer = judgement.document.as_ref().map(|document| &document.issuer);
        let whom = issuer.map(|issuer| format!("the seal of {} {}", issuer.code, issuer.name));
        let files = judgement.files.iter().map(|file| FileAnswer {
            name: file.name.clone(),
            size: file.size,
            sha256: wording::hexadecimal(&file.sha256),
        });
        let files = files.collect();
        let good = format!(
            "{} is valid and every file is as it was sealed",
            whom.unwrap_or_else(|| "the seal".to_owned())
        );
        Self::new(file, "container", judgement.report, good, trust).with(
            judgement.document,
            files,
            judgement.seals,
        )
    }

    pub(crate) fn of_archive(file: PathBuf, judgement: ArchiveJudgement, trust: &Trust) -> Self {
        let oldest = judgement.stamps.iter().find_map(|stamp| stamp.time);
        let mut answer = Self::of_container(file, judgement.document, trust);
        answer.kind = "archive";
        if let Some(time) = oldest.filter(|_| answer.verdict == Indication::TotalPassed) {
            answer
                .sentence
                .push_str(&format!(", which was archived at {time}"));
        }
        answer.stamps = judgement.stamps;
        answer
    }

    /// Whether its format is broken.
    pub(crate) const fn is_malformed(&self) -> bool {
        self.malformed
    }

    pub(crate) fn of_pdf(file: PathBuf, judgement: PdfJudgement, trust: &Trust) -> Self {
        let by = |role| {
            let signers = judgement
                .signatures
                .iter()
                .filter(move |one| one.role == role);
            let names: Vec<String> = signers.map(PdfSignatureJudgement::who).collect();
            names.join(", ")
        };
        let agency = by(Role::Agency);
        let good = match judgement.standing {
            Standing::Original => {
                format!(
                    "signed by {}, and last and over all by {agency}",
                    by(Role::Person)
                )
            }
            _ => format!("signed last and over all by {agency}: enough for a scanned copy"),
        };
        let mut answer = Self::new(file, "pdf", judgement.report, good, trust);
        answer.standing = Some(judgement.standing);
        answer.signatures = judgement.signatures;
        answer
    }

    /// With the PDF files of a container.
    pub(crate) fn with_pdfs(mut self, pdfs: Vec<ContainedPdf>) -> Self {
        self.report
            .not_checked
            .retain(|what| *what != PDF_SIGNATURES);
        self.pdfs = pdfs;
        self
    }

    pub(crate) fn of_statement(
        file: PathBuf,
        kind: Option<StatementKind>,
        report: Report,
        statement: Value,
        trust: &Trust,
    ) -> Self {
        let kind = match kind {
            Some(StatementKind::Envelope) => "envelope",
            Some(StatementKind::Evidence) => "evidence",
            Some(StatementKind::Status) => "status",
            Some(StatementKind::Directory) => "directory",
            _ => "unknown",
        };
        let text = |path| statement.pointer(path).and_then(Value::as_str);
        let signer = text("/signer/code").unwrap_or("its signer");
        let good = match (text("/event"), text("/reason")) {
            (Some(event), Some(reason)) => format!("{signer} said this: {event}, {reason}"),
            (Some(event), None) => format!("{signer} said this: {event}"),
            _ => format!("{signer} said this"),
        };
        let mut answer = Self::new(file, kind, report, good, trust);
        answer.statement = statement;
        answer
    }

    fn new(file: PathBuf, kind: &'static str, report: Report, good: String, trust: &Trust) -> Self {
        let why = report.decisive().map(|check| check.detail.clone());
        let why = why.unwrap_or_default();
        let sentence = match (report.indication, report.malformed) {
            (Indication::TotalPassed, _) => good,
            (Indication::TotalFailed, true) => format!("it breaks its format: {why}"),
            (Indication::TotalFailed, false) => format!("do not rely on it: {why}"),
            (Indication::Indeterminate, _) => format!("it cannot be decided: {why}"),
        };
        Self {
            file,
            kind,
            verdict: report.indication,
            malformed: report.malformed,
            code: report.code(),
            sentence,
            report,
            document: None,
            files: Vec::new(),
            seals: Vec::new(),
            standing: None,
            signatures: Vec::new(),
            stamps: Vec::new(),
            pdfs: Vec::new(),
            statement: Value::Null,
            trust: TrustAnswer::of(trust),
        }
    }

    fn with(
        mut self,
        document: Option<Document>,
        files: Vec<FileAnswer>,
        seals: Vec<SealInfo>,
    ) -> Self {
        (self.document, self.files, self.seals) = (document, files, seals);
        self
    }

    /// What the shell is told.
    pub(crate) const fn exit_code(&self) -> u8 {
        match (self.verdict, self.malformed) {
            (Indication::TotalPassed, _) => exit::DONE,
            (Indication::TotalFailed, true) => exit::VERDICT_MALFORMED,
            (Indication::TotalFailed, false) => exit::VERDICT_FAILED,
            (Indication::Indeterminate, _) => exit::VERDICT_INDETERMINATE,
        }
    }

    /// One sentence first, then each check, what was not checked, and the fields.
    pub(crate) fn print(&self, output: Output) {
        if output.is_json() {
            return;
        }
        let verdict = output.paint(wording::tone(self.verdict), self.verdict);
        output.line(format_args!("{verdict}: {}", self.sentence));
        let heading = |text| output.line(format_args!("\n{}", output.paint(Tone::Strong, text)));
        heading("Checks");
        let report = serde_json::to_value(&self.report).unwrap_or(Value::Null);
        for line in wording::report_value(&report, output) {
            output.line(format_args!("  {line}"));
        }
        for line in wording::signatures(&self.signatures, output) {
            output.line(line);
        }
        if !self.report.not_checked.is_empty() {
            heading("Not checked");
        }
        for what in &self.report.not_checked {
            output.line(format_args!("  {what}"));
        }
        if let Some(document) = &self.document {
            heading("Document");
            for line in wording::document(document) {
                output.line(format_args!("  {line}"));
            }
        }
        if !self.files.is_empty() {
            heading("Files");
        }
        for file in &self.files {
            output.line(format_args!(
                "  {}  {}  {} bytes",
                file.sha256, file.name, file.size
            ));
        }
        if !self.pdfs.is_empty() {
            heading("Signatures inside PDF files, which are verdicts of their own");
        }
        for line in wording::pdfs(&self.pdfs, output) {
            output.line(format_args!("  {line}"));
        }
        let fields = wording::statement(&self.statement);
        if !fields.is_empty() {
            heading("Statement");
        }
        for line in fields {
            output.line(format_args!("  {line}"));
        }
        heading("Judged");
        output.line(format_args!("  {}", self.trust.sentence(&self.report)));
    }
}

impl TrustAnswer {
    fn of(trust: &Trust) -> Self {
        let (store, head) = (
            trust.store(),
            trust.directory().map(|directory| directory.head()),
        );
        Self {
            file: trust.path().to_owned(),
            network: store.map(consign_verify::TrustStore::network),
            network_name: store.map(|store| store.name().to_owned()),
            directory_version: head.map(|head| head.version().value()),
            directory_expires: head.map(|head| head.expires.to_string()),
        }
    }

    fn sentence(&self, report: &Report) -> String {
        let by = match (&self.network_name, self.directory_version) {
            (Some(name), Some(version)) => format!("directory version {version} of {name}"),
            (Some(name), None) => format!("the roots of {name}, without its directory"),
            (None, _) => "roots alone".to_owned(),
        };
        format!("as of {}, by {by} ({})", report.at, display(&self.file))
    }
}

fn display(path: &Path) -> String {
    path.display().to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_verdict_has_its_exit_code() {
        let trust = TrustAnswer {
            file: PathBuf::new(),
            network: None,
            network_name: None,
            directory_version: None,
            directory_expires: None,
        };
        let mut answer = Answer {
            file: PathBuf::new(),
            kind: "container",
            verdict: Indication::TotalPassed,
            malformed: false,
            code: None,
            sentence: String::new(),
            report: Report {
                indication: Indication::TotalPassed,
                at: consign_domain::Timestamp::from_unix_saturating(0),
                malformed: false,
                checks: Vec::new(),
                not_checked: Vec::new(),
            },
            document: None,
            files: Vec::new(),
            seals: Vec::new(),
            standing: None,
            signatures: Vec::new(),
            stamps: Vec::new(),
            pdfs: Vec::new(),
            statement: Value::Null,
            trust,
        };
        for (verdict, malformed, code) in [
            (Indication::TotalPassed, false, 0),
            (Indication::TotalFailed, false, 10),
            (Indication::Indeterminate, false, 11),
            (Indication::TotalFailed, true, 12),
        ] {
            (answer.verdict, answer.malformed) = (verdict, malformed);
            assert_eq!(answer.exit_code(), code);
        }
    }
}
