//! What a check looked at, one line each.

use consign_verify::report::{Evidence, Quoted};

use super::super::language::{Language, Text, text};
use super::terms;

/// The line for one piece of evidence. One table: a kind without a line does not compile.
pub(crate) fn evidence(evidence: &Evidence, language: Language) -> String {
    let line = |label: Text, value: String| format!("{}: {value}", label.to(language));
    let both = |vi: String, en: String| match language {
        Language::Vietnamese => vi,
        Language::English => en,
    };
    match evidence {
        Evidence::File { name, sha256 } => {
            let digest = sha256.map(|sha256| format!(", SHA-256 {sha256}"));
            let value = format!("{name}{}", digest.unwrap_or_default());
            line(text("tệp", "file"), value)
        }
        Evidence::Signed { sha256, bytes } => both(
            format!("nội dung được ký: {bytes} byte, SHA-256 {sha256}"),
            format!("what was signed: {bytes} bytes, SHA-256 {sha256}"),
        ),
        Evidence::Count { of, number } => line(terms::counted(*of), number.to_string()),
        Evidence::Certificate {
            subject,
            issuer,
            serial,
            sha256,
            from,
            until,
        } => both(
            format!(
                "chứng thư: {subject}; nơi cấp: {issuer}; số hiệu {serial}; \
                 hiệu lực {from} – {until}; SHA-256 {sha256}"
            ),
            format!(
                "certificate: {subject}; issued by {issuer}; serial {serial}; \
                 valid {from} – {until}; SHA-256 {sha256}"
            ),
        ),
        Evidence::Path { certificates } => {
            let digests: Vec<String> = certificates.iter().map(ToString::to_string).collect();
            let label = text("chuỗi chứng thư (SHA-256)", "path (SHA-256)");
            line(label, digests.join(" → "))
        }
        Evidence::Fingerprint { sha256 } => line(
            text("chứng thư", "certificate"),
            format!("SHA-256 {sha256}"),
        ),
        Evidence::Algorithm { name, key } => {
            line(text("thuật toán", "algorithm"), format!("{name} ({key})"))
        }
        Evidence::RevocationList {
            certificate,
            issuer,
            made,
            until,
        } => both(
            format!(
                "danh sách thu hồi của {issuer}, lập {made}, dùng đến {until}, \
                 trả lời cho chứng thư {certificate}"
            ),
            format!(
                "revocation list of {issuer}, made {made}, good until {until}, \
                 answers for certificate {certificate}"
            ),
        ),
        Evidence::Revocation { since, why } => both(
            format!("bị thu hồi từ {since} ({why})"),
            format!("revoked since {since} ({why})"),
        ),
        Evidence::TimeStamp {
            time,
            latest,
            authority,
            certificate,
            serial,
            named_by_sha1,
        } => {
            let (vietnamese, english) = if *named_by_sha1 {
                (
                    ", chỉ được nêu bằng SHA-1",
                    ", which it names by SHA-1 alone",
                )
            } else {
                ("", "")
            };
            both(
                format!(
                    "đã có tại {latest}: dấu thời gian {time}, số {serial}, của {authority} \
                     (chứng thư {certificate}{vietnamese})"
                ),
                format!(
                    "existed at {latest}: time-stamp {time}, number {serial}, of {authority} \
                     (certificate {certificate}{english})"
                ),
            )
        }
        Evidence::Time { time, from } => line(terms::time_source(*from), time.to_string()),
        Evidence::Directory {
            version,
            issued,
            expires,
        } => both(
            format!("danh bạ phiên bản {version}, ký {issued}, dùng đến {expires}"),
            format!("directory version {version}, signed {issued}, good until {expires}"),
        ),
        Evidence::Span { from, until } => {
            let until = until.map_or_else(|| "…".to_owned(), |until| until.to_string());
            let label = text("hiệu lực theo danh bạ", "span by the directory");
            line(label, format!("{from} – {until}"))
        }
        Evidence::Agency { code, name } => {
            line(text("cơ quan", "agency"), format!("{code} {name}"))
        }
        Evidence::Found { found, expected } => both(
            format!("tìm thấy: {found}; cần có: {expected}"),
            format!("found: {found}; expected: {expected}"),
        ),
        Evidence::Signature { number, object, by } => {
            let unnamed = text("người không rõ tên", "an unnamed signer");
            let by = by.as_ref().map(Quoted::as_str);
            let by = by.unwrap_or_else(|| unnamed.to(language));
            both(
                format!("chữ ký {number} của {by} (đối tượng {object})"),
                format!("signature {number} by {by} (object {object})"),
            )
        }
        Evidence::Coverage { signed, later } => both(
            format!("ký {signed} byte đầu của tệp, sau đó còn {later} byte"),
            format!("it covers the first {signed} bytes of the file, and {later} follow"),
        ),
        Evidence::CoveredBy { number } => both(
            format!("chữ ký {number} bao phủ phần thêm vào"),
            format!("signature {number} covers what came next"),
        ),
        Evidence::Allowed { level } => {
            let label = text("người ký cho phép", "its signer allows");
            line(label, allowed(*level).to(language).to_owned())
        }
        Evidence::Object { number } => line(text("đối tượng", "object"), number.to_string()),
        Evidence::Role { role } => {
            let value = terms::role(*role).to(language);
            line(text("vai trò", "role"), value.to_owned())
        }
        Evidence::Usages { listed } => {
            line(text("mục đích sử dụng", "listed usages"), listed.join(", "))
        }
        Evidence::StatementKey { signer, key } => both(
            format!("{signer} ký bằng khóa {key}"),
            format!("{signer} signed it with key {key}"),
        ),
        Evidence::Subject { text } => text.to_string(),
    }
}

/// The levels of ISO 32000-2, table 257.
const fn allowed(level: Option<u8>) -> Text {
    match level {
        Some(1) => text("không thay đổi nào", "no change"),
        Some(2) => text("điền biểu mẫu và ký", "filling in forms, and signatures"),
        Some(3) => text(
            "điền biểu mẫu, ký và chú thích",
            "filling in forms, signatures and annotations",
        ),
        None | Some(_) => text("không rõ", "unknown"),
    }
}
