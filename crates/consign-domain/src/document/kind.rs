//! Document types (Decree 30/2020/NĐ-CP, Article 7) and copies.

use std::fmt;
use std::str::FromStr;

use crate::text::serde_as_text;

/// A type: its number in Article 7, its abbreviation in symbols (if any) and its name.
type TypeRow = (u8, &'static str, &'static str);

/// The 29 types of Article 7, in its order.
const DOCUMENT_TYPES: [TypeRow; 29] = [
    (1, "NQ", "nghị quyết"),
    (2, "QĐ", "quyết định"),
    (3, "CT", "chỉ thị"),
    (4, "QC", "quy chế"),
    (5, "QyĐ", "quy định"),
    (6, "TC", "thông cáo"),
    (7, "TB", "thông báo"),
    (8, "HD", "hướng dẫn"),
    (9, "CTr", "chương trình"),
    (10, "KH", "kế hoạch"),
    (11, "PA", "phương án"),
    (12, "ĐA", "đề án"),
    (13, "DA", "dự án"),
    (14, "BC", "báo cáo"),
    (15, "BB", "biên bản"),
    (16, "TTr", "tờ trình"),
    (17, "HĐ", "hợp đồng"),
    (18, "", "công văn"),
    (19, "CĐ", "công điện"),
    (20, "BGN", "bản ghi nhớ"),
    (21, "BTT", "bản thỏa thuận"),
    (22, "GUQ", "giấy ủy quyền"),
    (23, "GM", "giấy mời"),
    (24, "GGT", "giấy giới thiệu"),
    (25, "GNP", "giấy nghỉ phép"),
    (26, "PG", "phiếu gửi"),
    (27, "PC", "phiếu chuyển"),
    (28, "PB", "phiếu báo"),
    (29, "", "thư công"),
];

/// No such type.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error(
    "no such document type; use a number 1 to 29, an abbreviation such as QĐ, or a name such as công văn"
)]
pub struct UnknownDocumentType;

/// One of the 29 types of Article 7. As text: its number.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct DocumentType(u8);

impl DocumentType {
    /// Công văn: an official letter.
    pub const OFFICIAL_LETTER: Self = Self(18);

    /// All 29, in the order of Article 7.
    pub fn all() -> impl Iterator<Item = Self> {
        DOCUMENT_TYPES.iter().map(|(number, ..)| Self(*number))
    }

    /// The type of a number in Article 7.
    pub const fn from_number(number: u8) -> Option<Self> {
        if number >= 1 && number <= 29 {
            Some(Self(number))
        } else {
            None
        }
    }

    /// From what a person writes: a number, an abbreviation or a name, in either case.
    ///
    /// # Errors
    /// [`UnknownDocumentType`].
    pub fn read(text: &str) -> Result<Self, UnknownDocumentType> {
        let wanted = text.trim().to_lowercase();
        DOCUMENT_TYPES
            .iter()
            .find(|(number, abbreviation, name)| {
                *name == wanted
                    || number.to_string() == wanted
                    || (!abbreviation.is_empty() && abbreviation.to_lowercase() == wanted)
            })
            .map(|(number, ..)| Self(*number))
            .ok_or(UnknownDocumentType)
    }

    /// Its number in Article 7.
    pub const fn number(self) -> u8 {
        self.0
    }

    fn row(self) -> TypeRow {
        DOCUMENT_TYPES
            .get(usize::from(self.0) - 1)
            .copied()
            .unwrap_or((0, "", ""))
    }

    /// Its abbreviation in symbols; a công văn and a thư công have none.
    pub fn abbreviation(self) -> Option<&'static str> {
        Some(self.row().1).filter(|text| !text.is_empty())
    }

    /// Its Vietnamese name.
    pub fn name(self) -> &'static str {
        self.row().2
    }
}

impl fmt::Display for DocumentType {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl fmt::Debug for DocumentType {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "DocumentType({} {})", self.0, self.name())
    }
}

impl FromStr for DocumentType {
    type Err = UnknownDocumentType;

    fn from_str(text: &str) -> Result<Self, UnknownDocumentType> {
        let number = text.parse().map_err(|_| UnknownDocumentType)?;
        Self::from_number(number)
            .filter(|kind| kind.to_string() == text)
            .ok_or(UnknownDocumentType)
    }
}

serde_as_text!(DocumentType);
