//! The answer as people read it: the verdict in one sentence, who signed and when, then each check,
//! what was not checked, and the fields.

use consign_verify::container::SealInfo;
use consign_verify::pdf::{PdfSignatureJudgement, Role};
use consign_verify::report::Quoted;

use super::super::language::{Language, text};
use super::super::wording::{self, Style};
use super::{Answer, sentence};
use crate::output::Tone;

impl Answer {
    /// Its lines.
    pub(crate) fn page(&self, style: Style) -> Vec<String> {
        let language = style.language;
        let verdict = wording::verdict(&self.report, style);
        let mut page = Page {
            lines: vec![format!("{verdict}: {}", self.sentence)],
            style,
        };
        page.lines.extend(self.signers(language));
        page.part("Kiểm tra", "Checks", wording::checks(&self.report, style));
        page.lines
            .extend(wording::signatures(&self.signatures, style));
        let skipped = self.report.not_checked.iter();
        let skipped = skipped.map(|skipped| wording::not_checked(skipped, language));
        page.part("Chưa kiểm tra", "Not checked", skipped.collect());
        let document = self.document.as_ref();
        let document = document.map(|document| wording::document(document, language));
        page.part("Văn bản", "Document", document.unwrap_or_default());
        let files = self.files.iter().map(|file| {
            let (digest, name, size) = (&file.sha256, &file.name, file.size);
            format!(
                "{digest}  {name}  {size} {}",
                text("byte", "bytes").to(language)
            )
        });
        page.part("Tệp", "Files", files.collect());
        page.part(
            "Chữ ký số bên trong các tệp PDF, được kết luận riêng",
            "Signatures inside PDF files, which are verdicts of their own",
            wording::pdfs(&self.pdfs, style),
        );
        let fields = wording::statement(&self.statement);
        page.part("Thông điệp", "Statement", fields);
        let judged = sentence::of_trust(&self.trust, &self.report, language);
        page.part("Cơ sở kiểm tra", "Judged", vec![judged]);
        page.lines
    }

    /// Who signed, for which unit, and when at the latest.
    fn signers(&self, language: Language) -> Vec<String> {
        let seals = self.seals.iter().map(|seal| seal_lines(seal, language));
        let signatures = self.signatures.iter();
        let signatures = signatures.filter(|one| one.role != Role::TimeStamp);
        let signatures = signatures.map(|one| signature_lines(one, language));
        seals.chain(signatures).flatten().collect()
    }
}

struct Page {
    lines: Vec<String>,
    style: Style,
}

impl Page {
    /// A part under its heading, if there is anything in it.
    fn part(&mut self, vi: &'static str, en: &'static str, lines: Vec<String>) {
        if lines.is_empty() {
            return;
        }
        let heading = text(vi, en).to(self.style.language);
        let heading = self.style.output.paint(Tone::Strong, heading);
        self.lines.push(format!("\n{heading}"));
        self.lines
            .extend(lines.into_iter().map(|line| format!("  {line}")));
    }
}

fn seal_lines(seal: &SealInfo, language: Language) -> [String; 2] {
    let organization = seal.organization.as_deref().unwrap_or_default();
    let unit = match &seal.organization_identifier {
        Some(identifier) => format!("{organization} ({identifier})"),
        None => organization.to_owned(),
    };
    let label = text("đơn vị ký", "sealed by").to(language);
    [
        format!("  {}", named(label, Quoted::from(unit).as_str())),
        trusted_time(seal.proven_time.map(|time| time.to_string()), language),
    ]
}

fn signature_lines(signature: &PdfSignatureJudgement, language: Language) -> [String; 2] {
    let label = text("người ký", "signed by").to(language);
    let proven = signature.proven_time.map(|time| time.to_string());
    [
        format!("  {}", named(label, &wording::signer(signature, language))),
        trusted_time(proven, language),
    ]
}

/// What is not proven is not known, rather than wrong.
fn trusted_time(proven: Option<String>, language: Language) -> String {
    let label = text("thời gian tin cậy", "trusted time").to(language);
    let unknown = text(
        "chưa rõ: không có dấu thời gian được tính",
        "not known: no time-stamp counts",
    );
    let time = proven.unwrap_or_else(|| unknown.to(language).to_owned());
    format!("  {}", named(label, &time))
}

fn named(label: &str, value: &str) -> String {
    format!("{label:<18} {value}")
}
