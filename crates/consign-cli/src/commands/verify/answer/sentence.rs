//! The verdict in one sentence.

use consign_domain::Timestamp;
use consign_domain::document::Document;
use consign_verify::pdf::{PdfJudgement, PdfSignatureJudgement, Role, Standing};
use consign_verify::{Indication, Report};
use serde_json::Value;

use super::super::language::{Language, text};
use super::super::wording;
use super::TrustAnswer;

/// The sentence for a report; `good` where it is passed.
pub(super) fn of_report(report: &Report, good: String, language: Language) -> String {
    let why = wording::why(report, language);
    let begin = match (report.indication, report.malformed) {
        (Indication::TotalPassed, _) => return good,
        (Indication::TotalFailed, true) => text(
            "tệp hỏng hoặc thiếu, riêng điều đó chưa cho thấy giả mạo; hãy lấy lại tệp",
            "it is damaged or incomplete, which alone shows no forgery; fetch it again",
        ),
        (Indication::TotalFailed, false) => text("không sử dụng", "do not rely on it"),
        (Indication::Indeterminate, _) => text("chưa thể kết luận", "it cannot be decided"),
    };
    format!("{}: {why}", begin.to(language))
}

/// Of a container that passed.
pub(super) fn of_container(document: Option<&Document>, language: Language) -> String {
    let issuer = document.map(|document| &document.issuer);
    let whom = issuer.map(|issuer| format!("{} {}", issuer.code, issuer.name));
    let whom = whom.unwrap_or_default();
    match language {
        Language::Vietnamese => {
            format!("chữ ký số của {whom} hợp lệ, mọi tệp đúng như khi được ký")
        }
        Language::English => {
            format!("the seal of {whom} is valid and every file is as it was sealed")
        }
    }
}

/// What follows that of a container, where it is in a long-term archive that passed.
pub(super) fn of_archive(archived: Timestamp, language: Language) -> String {
    match language {
        Language::Vietnamese => format!("; văn bản được lưu trữ từ {archived}"),
        Language::English => format!(", which was archived at {archived}"),
    }
}

/// Of a PDF file that passed.
pub(super) fn of_pdf(judgement: &PdfJudgement, language: Language) -> String {
    let by = |role| {
        let signers = judgement.signatures.iter();
        let signers = signers.filter(|one| one.role == role);
        let names = signers.filter_map(PdfSignatureJudgement::who);
        let names: Vec<String> = names.map(|name| name.to_string()).collect();
        names.join(", ")
    };
    let (person, agency) = (by(Role::Person), by(Role::Agency));
    match (judgement.standing, language) {
        (Standing::Original, Language::Vietnamese) => {
            format!("{person} đã ký, {agency} ký sau cùng trên toàn bộ tệp")
        }
        (Standing::Original, Language::English) => {
            format!("signed by {person}, and last and over all by {agency}")
        }
        (Standing::ScannedCopy | Standing::None, Language::Vietnamese) => {
            format!("{agency} ký sau cùng trên toàn bộ tệp: đủ cho bản sao y")
        }
        (Standing::ScannedCopy | Standing::None, Language::English) => {
            format!("signed last and over all by {agency}: enough for a scanned copy")
        }
    }
}

/// Of a statement that passed.
pub(super) fn of_statement(statement: &Value, language: Language) -> String {
    let found = |path| statement.pointer(path).and_then(Value::as_str);
    let unnamed = text("người ký", "its signer").to(language);
    let signer = found("/signer/code").unwrap_or(unnamed);
    let said = text("đã đưa ra thông điệp này", "said this").to(language);
    match (found("/event"), found("/reason")) {
        (Some(event), Some(reason)) => format!("{signer} {said}: {event}, {reason}"),
        (Some(event), None) => format!("{signer} {said}: {event}"),
        _ => format!("{signer} {said}"),
    }
}

/// As of when it was judged, and by what.
pub(super) fn of_trust(trust: &TrustAnswer, report: &Report, language: Language) -> String {
    let file = trust.file.display();
    let at = report.at;
    let by = match (&trust.network_name, trust.directory_version, language) {
        (Some(name), Some(version), Language::Vietnamese) => {
            format!("theo danh bạ phiên bản {version} của {name}")
        }
        (Some(name), Some(version), Language::English) => {
            format!("by directory version {version} of {name}")
        }
        (Some(name), None, Language::Vietnamese) => {
            format!("theo chứng thư gốc của {name}, không có danh bạ")
        }
        (Some(name), None, Language::English) => {
            format!("by the roots of {name}, without its directory")
        }
        (None, _, Language::Vietnamese) => "chỉ theo các chứng thư gốc".to_owned(),
        (None, _, Language::English) => "by roots alone".to_owned(),
    };
    match language {
        Language::Vietnamese => format!("tại thời điểm {at}, {by} ({file})"),
        Language::English => format!("as of {at}, {by} ({file})"),
    }
}
