//! The sample document: an official letter (công văn) and its appendix.
//!
//! `assets/README.md` says how they were made. The province, its agencies and the signer
//! are invented.

use std::path::{Path, PathBuf};

use consign_proto::v1::SendOpen;
use consign_runtime::files::{self, FileError};

/// The letter: one page in the layout of Decree 30/2020/NĐ-CP, Annex I.
pub const LETTER: &[u8] = include_bytes!("../assets/sample.pdf");

/// Its appendix, UTF-8 with a header line.
pub const APPENDIX: &[u8] = include_bytes!("../assets/phu-luc-dau-moi.csv");

/// The title of the appendix.
pub const APPENDIX_TITLE: &str = "Phụ lục: danh sách đầu mối của các cơ quan, đơn vị";

/// The network's name.
pub const NETWORK: &str = "Mạng văn bản điện tử tỉnh Hải Sơn (mẫu)";

/// Agencies of the province: the letter's issuer first.
const AGENCIES: [(&str, &str); 8] = [
    ("H99.03", "Sở Nội vụ tỉnh Hải Sơn"),
    ("H99.01", "Văn phòng Ủy ban nhân dân tỉnh Hải Sơn"),
    ("H99.02", "Sở Tài chính tỉnh Hải Sơn"),
    ("H99.04", "Sở Y tế tỉnh Hải Sơn"),
    ("H99.05", "Sở Giáo dục và Đào tạo tỉnh Hải Sơn"),
    ("H99.06", "Sở Xây dựng tỉnh Hải Sơn"),
    ("H99.07", "Sở Tư pháp tỉnh Hải Sơn"),
    ("H99.08", "Thanh tra tỉnh Hải Sơn"),
];

/// Code and name of the agency at a place; beyond the departments come communes.
pub fn agency(index: usize) -> (String, String) {
    match AGENCIES.get(index) {
        Some((code, name)) => ((*code).to_owned(), (*name).to_owned()),
        None => {
            let number = index - AGENCIES.len() + 1;
            let name = format!("Ủy ban nhân dân xã Hải Sơn {number}");
            (format!("H99.{:03}", 100 + number), name)
        }
    }
}

/// The sample's files, letter first, written into a directory.
///
/// # Errors
/// They cannot be written.
pub fn write(directory: &Path) -> Result<Vec<PathBuf>, FileError> {
    files::create_dir_durable(directory, 0o755)?;
    let (letter, appendix) = (
        directory.join("cong-van-128-snv-vp.pdf"),
        directory.join("phu-luc-dau-moi.csv"),
    );
    files::publish(&letter, LETTER, 0o644)?;
    files::publish(&appendix, APPENDIX, 0o644)?;
    Ok(vec![letter, appendix])
}

/// The letter's fields, as they stand on its page.
pub fn letter(from: &str, to: Vec<String>) -> SendOpen {
    SendOpen {
        agency: from.to_owned(),
        to,
        subject: "V/v gửi, nhận văn bản điện tử có ký số trên mạng Consign".to_owned(),
        number: "128".to_owned(),
        notation: "SNV-VP".to_owned(),
        document_type: "công văn".to_owned(),
        urgency: 1,
        issued_on: "2026-01-05".to_owned(),
        issued_at: "Hải Sơn".to_owned(),
        signer_name: "Nguyễn Văn Mẫu".to_owned(),
        signer_position: "Phó Giám đốc".to_owned(),
        signer_competence: "KT. Giám đốc".to_owned(),
        places: vec![
            "Như trên".to_owned(),
            "Giám đốc Sở (để b/c)".to_owned(),
            "Lưu: VT, VP".to_owned(),
        ],
        pages: 1,
        wait: "handover".to_owned(),
        ..SendOpen::default()
    }
}

/// Fields for somebody's own document: numbered by the node, issued today.
pub fn other(from: &str, to: Vec<String>, title: &str) -> SendOpen {
    SendOpen {
        agency: from.to_owned(),
        to,
        subject: format!("Văn bản gửi thử trên mạng Consign: {title}"),
        urgency: 1,
        issued_at: "Hải Sơn".to_owned(),
        signer_name: "Nguyễn Văn Mẫu".to_owned(),
        signer_position: "Phó Giám đốc".to_owned(),
        signer_competence: "KT. Giám đốc".to_owned(),
        wait: "handover".to_owned(),
        ..SendOpen::default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use consign_domain::AgencyCode;
    use std::collections::HashSet;

    #[test]
    fn the_letter_is_a_small_pdf_and_the_appendix_is_text() {
        assert!(LETTER.starts_with(b"%PDF-1."));
        assert!(LETTER.len() < 100 * 1024);
        let appendix = std::str::from_utf8(APPENDIX).unwrap();
        assert!(appendix.contains("Sở Nội vụ tỉnh Hải Sơn"));
    }

    #[test]
    fn agencies_have_codes_of_their_own_that_can_be_registered() {
        let codes: Vec<String> = (0..120).map(|index| agency(index).0).collect();
        for code in &codes {
            AgencyCode::strict(code).unwrap();
        }
        assert_eq!(codes.iter().collect::<HashSet<_>>().len(), codes.len());
    }

    #[test]
    fn fields_fit_their_limits() {
        let letter = letter("H99.03", vec!["H99.01".to_owned()]);
        assert!(letter.subject.chars().count() <= 500);
        assert!(
            letter
                .number
                .parse::<consign_domain::document::Number>()
                .is_ok()
        );
        assert!(
            letter
                .notation
                .parse::<consign_domain::document::Notation>()
                .is_ok()
        );
        assert!(letter.issued_on.parse::<consign_domain::Date>().is_ok());
    }
}
