//! The verdict as `verify` prints it, and the exit code it ends with.

use std::path::PathBuf;

use consign_domain::document::Document;
use consign_domain::statement::StatementKind;
use consign_domain::{ErrorCode, NetworkId};
use consign_pki::asic::AsicError;
use consign_verify::archive::{ArchiveJudgement, ArchiveStamp};
use consign_verify::container::{Judgement, SealInfo};
use consign_verify::pdf::{
    ContainedPdf, ContainedPdfs, PdfJudgement, PdfSignatureJudgement, Standing,
};
use consign_verify::report::{Aspect, SubIndication, Why};
use consign_verify::statement::StatementJudgement;
use consign_verify::{Indication, Report};
use serde::Serialize;
use serde_json::Value;

use super::language::Language;
use super::trust::Trust;
use super::wording;
use crate::failure::exit;

mod page;
mod sentence;

/// What was judged and how it came out. Field names are stable.
#[derive(Debug, Serialize)]
pub(crate) struct Answer {
    file: PathBuf,
    /// `container`, `archive`, `pdf`, `envelope`, `evidence`, `status`, `directory` or `unknown`.
    kind: &'static str,
    verdict: Indication,
    /// Why it is not passed, in the word of EN 319 102-1; null where it passed.
    sub_indication: Option<SubIndication>,
    malformed: bool,
    /// The decisive fault; null where it passed.
    code: Option<ErrorCode>,
    /// The verdict in one sentence, for people.
    sentence: String,
    /// The language of that sentence: all else is for programs.
    language: &'static str,
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
    pub(crate) fn of_container(
        file: PathBuf,
        judgement: Judgement,
        trust: &Trust,
        language: Language,
    ) -> Self {
        let files = judgement.files.iter().map(|file| FileAnswer {
            name: file.name.clone(),
            size: file.size,
            sha256: wording::hexadecimal(&file.sha256),
        });
        let files = files.collect();
        let good = sentence::of_container(judgement.document.as_ref(), language);
        let report = judgement.report;
        let mut answer = Self::new(file, "container", report, good, trust, language);
        answer.document = judgement.document;
        answer.files = files;
        answer.seals = judgement.seals;
        answer
    }

    pub(crate) fn of_archive(
        file: PathBuf,
        judgement: ArchiveJudgement,
        trust: &Trust,
        language: Language,
    ) -> Self {
        let oldest = judgement.stamps.iter().find_map(|stamp| stamp.time);
        let mut answer = Self::of_container(file, judgement.document, trust, language);
        answer.kind = "archive";
        if let Some(time) = oldest.filter(|_| answer.verdict == Indication::TotalPassed) {
            let archived = sentence::of_archive(time, language);
            answer.sentence.push_str(&archived);
        }
        answer.stamps = judgement.stamps;
        answer
    }

    /// Whether its format is broken.
    pub(crate) const fn is_malformed(&self) -> bool {
        self.malformed
    }

    pub(crate) fn of_pdf(
        file: PathBuf,
        judgement: PdfJudgement,
        trust: &Trust,
        language: Language,
    ) -> Self {
        let good = sentence::of_pdf(&judgement, language);
        let mut answer = Self::new(file, "pdf", judgement.report, good, trust, language);
        answer.standing = Some(judgement.standing);
        answer.signatures = judgement.signatures;
        answer
    }

    /// With the PDF files of a container, which were judged besides; where they could not be
    /// read, it still says that they were not checked.
    pub(crate) fn with_pdfs(mut self, pdfs: Result<ContainedPdfs, AsicError>) -> Self {
        let Ok(pdfs) = pdfs else {
            return self;
        };
        let is_judged = |what, why| what == Aspect::PdfSignatures && why == Why::OwnVerdict;
        let skipped = &mut self.report.not_checked;
        skipped.retain(|skipped| !is_judged(skipped.what, skipped.why));
        skipped.extend(pdfs.not_checked);
        self.pdfs = pdfs.files;
        self
    }

    pub(crate) fn of_statement(
        file: PathBuf,
        judgement: StatementJudgement,
        statement: Value,
        trust: &Trust,
        language: Language,
    ) -> Self {
        let kind = match judgement.kind {
            Some(StatementKind::Envelope) => "envelope",
            Some(StatementKind::Evidence) => "evidence",
            Some(StatementKind::Status) => "status",
            Some(StatementKind::Directory) => "directory",
            _ => "unknown",
        };
        let good = sentence::of_statement(&statement, language);
        let mut answer = Self::new(file, kind, judgement.report, good, trust, language);
        answer.statement = statement;
        answer
    }

    fn new(
        file: PathBuf,
        kind: &'static str,
        report: Report,
        good: String,
        trust: &Trust,
        language: Language,
    ) -> Self {
        Self {
            file,
            kind,
            verdict: report.indication,
            sub_indication: report.sub_indication,
            malformed: report.malformed,
            code: report.code(),
            sentence: sentence::of_report(&report, good, language),
            language: language.tag(),
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

    /// What the shell is told.
    pub(crate) const fn exit_code(&self) -> u8 {
        exit_code(self.verdict, self.malformed)
    }
}

const fn exit_code(verdict: Indication, malformed: bool) -> u8 {
    match (verdict, malformed) {
        (Indication::TotalPassed, _) => exit::DONE,
        (Indication::TotalFailed, true) => exit::VERDICT_MALFORMED,
        (Indication::TotalFailed, false) => exit::VERDICT_FAILED,
        (Indication::Indeterminate, _) => exit::VERDICT_INDETERMINATE,
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
}

#[cfg(test)]
mod tests;
