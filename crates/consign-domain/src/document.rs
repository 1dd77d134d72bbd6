//! A document's fields (`document.json`), with the limits of Decree 30/2020/NĐ-CP and
//! of the national edXML message, each in a type that cannot hold a bad value.

mod kind;
mod symbol;

use serde::{Deserialize, Serialize};

use crate::code::AgencyCode;
use crate::error_code::ErrorCode;
use crate::id::DocumentId;
use crate::limits::MAX_DOCUMENT;
use crate::statement::Recipients;
use crate::text::Line;
use crate::time::Date;

pub use kind::{DocumentType, UnknownDocumentType};
pub use symbol::{Notation, Number, SymbolError};

/// How urgent a document is (độ khẩn).
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub enum Urgency {
    /// 0 thường.
    #[default]
    Normal,
    /// 1 khẩn.
    Urgent,
    /// 2 thượng khẩn.
    VeryUrgent,
    /// 3 hỏa tốc.
    Express,
    /// 4 hỏa tốc hẹn giờ.
    ExpressTimed,
}

impl Urgency {
    /// Every urgency, least urgent first.
    pub const ALL: [Self; 5] = [
        Self::Normal,
        Self::Urgent,
        Self::VeryUrgent,
        Self::Express,
        Self::ExpressTimed,
    ];

    /// The number, 0 to 4.
    pub const fn value(self) -> u8 {
        self as u8
    }

    /// The urgency of a number.
    pub fn from_value(value: u64) -> Option<Self> {
        usize::try_from(value)
            .ok()
            .and_then(|index| Self::ALL.get(index).copied())
    }

    /// The Vietnamese word.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Normal => "thường",
            Self::Urgent => "khẩn",
            Self::VeryUrgent => "thượng khẩn",
            Self::Express => "hỏa tốc",
            Self::ExpressTimed => "hỏa tốc hẹn giờ",
        }
    }
}

/// What a document has to do with steering (chỉ đạo).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub enum Steering {
    /// 0: nothing.
    #[default]
    None,
    /// 1: it steers.
    Steering,
    /// 2: it reports on steering.
    Report,
}

impl Steering {
    /// Every value, in order of its number.
    pub const ALL: [Self; 3] = [Self::None, Self::Steering, Self::Report];

    /// The number, 0 to 2.
    pub const fn value(self) -> u8 {
        self as u8
    }

    /// The value of a number.
    pub fn from_value(value: u64) -> Option<Self> {
        usize::try_from(value)
            .ok()
            .and_then(|index| Self::ALL.get(index).copied())
    }
}

macro_rules! serde_as_number {
    ($name:ty, $what:literal) => {
        impl Serialize for $name {
            fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                serializer.serialize_u8(self.value())
            }
        }

        impl<'de> Deserialize<'de> for $name {
            fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                Self::from_value(u64::deserialize(deserializer)?)
                    .ok_or_else(|| serde::de::Error::custom($what))
            }
        }
    };
}

serde_as_number!(Urgency, "an urgency is 0 to 4");
serde_as_number!(Steering, "steering is 0 to 2");

/// A degree of secrecy. None of them may travel on this network (Decision 28/2018/QĐ-TTg).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Secrecy {
    /// Mật.
    Mat,
    /// Tối mật.
    ToiMat,
    /// Tuyệt mật.
    TuyetMat,
}

/// An agency as a document names it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Issuer {
    /// Its code.
    pub code: AgencyCode,
    /// Its name on the day.
    pub name: Line<200>,
}

/// Who signed on paper's equivalent: the leader (người ký).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct DocumentSigner {
    /// In whose place: `KT.`, `TL.`, `TUQ.` and the like.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub competence: Option<Line<50>>,
    /// The position.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub position: Option<Line<100>>,
    /// The full name.
    pub name: Line<50>,
}

/// A document that this one answers (phúc đáp).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct InReplyTo {
    /// The agency that issued it.
    pub agency: AgencyCode,
    /// Its number.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub number: Option<Number>,
    /// Its notation.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub notation: Option<Notation>,
    /// Its date.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub date: Option<Date>,
    /// Its id, if it came over this network.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub document: Option<DocumentId>,
}

/// A kind of copy (Decree 30/2020/NĐ-CP, Article 25).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum CopyKind {
    /// Sao y.
    SY,
    /// Trích sao.
    TrS,
    /// Sao lục.
    SL,
}

/// What a further document does to an issued one (Decree 30/2020/NĐ-CP, Article 18).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum AmendmentKind {
    /// Thu hồi.
    Recalls,
    /// Thay thế.
    Replaces,
    /// Đính chính.
    Corrects,
}

/// A document that this one recalls, replaces or corrects.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Amendment {
    /// What it does.
    pub kind: AmendmentKind,
    /// To which document.
    pub document: InReplyTo,
}

/// A file of the container.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct FileEntry {
    /// Its name in the container.
    pub name: Line<200>,
    /// Its media type.
    pub media_type: Line<100>,
    /// Its title for people, if it has one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub title: Option<Line<500>>,
}

/// Most attachments of one document.
pub const MAX_ATTACHMENTS: usize = 500;

/// Longest file name, in bytes of UTF-8.
pub const MAX_FILE_NAME: usize = 200;

/// Most printed places, replies and the like.
pub const MAX_LIST: usize = 1_000;

/// The fields of one document.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Document {
    /// Always `consign/document/v1`.
    #[serde(rename = "type")]
    pub tag: DocumentTag,
    /// The document's id.
    pub id: DocumentId,
    /// Who issues it.
    pub issuer: Issuer,
    /// Whom it is addressed to.
    pub addressees: Recipients,
    /// The number (số).
    pub number: Number,
    /// The notation (ký hiệu).
    pub notation: Notation,
    /// The type (loại văn bản).
    pub document_type: DocumentType,
    /// What it is about (trích yếu).
    pub subject: Line<500>,
    /// The day of issue (ngày ban hành).
    pub issued_on: Date,
    /// The place of issue (nơi ban hành).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub issued_at: Option<Line<50>>,
    /// Who signed it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub signed_by: Option<DocumentSigner>,
    /// How urgent it is.
    pub urgency: Urgency,
    /// When an answer is due (hạn trả lời).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub due: Option<Date>,
    /// What it answers.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub in_reply_to: Vec<InReplyTo>,
    /// What it recalls, replaces or corrects.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub amends: Vec<Amendment>,
    /// Which kind of copy it is, if it is one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub copy_kind: Option<CopyKind>,
    /// The printed list of places (nơi nhận); not the routing list.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub places: Vec<Line<200>>,
    /// Pages.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub pages: Option<u32>,
    /// Copies issued.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub copies: Option<u32>,
    /// The language, if not Vietnamese.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub language: Option<Line<30>>,
    /// What the appendixes are called on paper.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub appendixes: Vec<Line<200>>,
    /// What it has to do with steering.
    pub steering: Steering,
    /// Refused wherever it stands: state secrets do not travel here.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub secrecy: Option<Secrecy>,
    /// The main file.
    pub main: FileEntry,
    /// The attachments.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub attachments: Vec<FileEntry>,
}

/// The field `type` of `document.json`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub enum DocumentTag {
    /// Version 1.
    #[default]
    #[serde(rename = "consign/document/v1")]
    V1,
}

/// What `document.json` of any version begins with.
#[derive(Deserialize)]
struct AnyVersion {
    #[serde(rename = "type")]
    kind: String,
}

/// Why bytes are not a document's fields.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum DocumentError {
    /// More bytes than are allowed.
    #[error("{size} bytes, document.json has at most {MAX_DOCUMENT}")]
    TooLarge {
        /// Bytes found.
        size: usize,
    },
    /// A later version than this program reads.
    #[error("document.json is of version {version}, which this program does not read")]
    Version {
        /// What stands in `type`.
        version: String,
    },
    /// Not JSON, or a field is missing, unknown, doubled or out of its range.
    #[error("not a well-formed document.json")]
    Malformed {
        /// Where and why.
        #[source]
        source: serde_json::Error,
    },
    /// State secrets must not travel on this network.
    #[error("a state secret must not travel on this network (Decision 28/2018/QĐ-TTg)")]
    StateSecret,
    /// Fields that do not go together.
    #[error("{rule}")]
    Inconsistent {
        /// The rule that is broken.
        rule: &'static str,
    },
}

impl DocumentError {
    /// The code to answer with.
    pub const fn code(&self) -> ErrorCode {
        match self {
            Self::TooLarge { .. } => ErrorCode::TooLarge,
            Self::StateSecret => ErrorCode::StateSecret,
            Self::Version { .. } => ErrorCode::VerdictIndeterminate,
            Self::Malformed { .. } | Self::Inconsistent { .. } => ErrorCode::DocumentInvalid,
        }
    }
}

impl Document {
    /// Reads `document.json`.
    ///
    /// # Errors
    /// [`DocumentError`].
    pub fn parse(bytes: &[u8]) -> Result<Self, DocumentError> {
        if bytes.len() > MAX_DOCUMENT {
            return Err(DocumentError::TooLarge { size: bytes.len() });
        }
        let malformed = |source| DocumentError::Malformed { source };
        let version: AnyVersion = serde_json::from_slice(bytes).map_err(malformed)?;
        let later = version
            .kind
            .strip_prefix("consign/document/v")
            .is_some_and(|number| number.parse::<u16>().is_ok_and(|number| number > 1));
        if later {
            return Err(DocumentError::Version {
                version: version.kind,
            });
        }
        let document: Self = serde_json::from_slice(bytes).map_err(malformed)?;
        if document.to_bytes() != bytes {
            let rule = "document.json has one form: compact, fields in their order";
            return Err(DocumentError::Inconsistent { rule });
        }
        document.check()?;
        Ok(document)
    }

    /// The bytes of `document.json`.
    #[expect(clippy::expect_used, reason = "our own types always have a JSON form")]
    pub fn to_bytes(&self) -> Vec<u8> {
        serde_json::to_vec(self).expect("documents serialise")
    }

    /// Checks what no single field can: secrecy, files, lists.
    ///
    /// # Errors
    /// [`DocumentError`].
    pub fn check(&self) -> Result<(), DocumentError> {
        if self.secrecy.is_some() {
            return Err(DocumentError::StateSecret);
        }
        let rule = |holds, rule| {
            if holds {
                Ok(())
            } else {
                Err(DocumentError::Inconsistent { rule })
            }
        };
        rule(
            self.attachments.len() <= MAX_ATTACHMENTS,
            "a document has at most 500 attachments",
        )?;
        let lists = [
            self.places.len(),
            self.in_reply_to.len() + self.amends.len(),
            self.appendixes.len(),
        ];
        rule(
            lists.iter().all(|length| *length <= MAX_LIST),
            "a list has at most 1000 lines",
        )?;
        let mut names: Vec<&str> = self.files().map(|file| file.name.as_str()).collect();
        let count = names.len();
        let fits = |name: &&str| name.len() <= MAX_FILE_NAME && *name != "document.json";
        rule(
            names.iter().all(fits),
            "a file's name has at most 200 bytes and is not document.json",
        )?;
        names.sort_unstable();
        names.dedup();
        rule(names.len() == count, "a file stands in a document once")?;
        rule(
            self.due.is_none_or(|due| due >= self.issued_on),
            "an answer is not due before the day of issue",
        )
    }

    /// The main file, then the attachments.
    pub fn files(&self) -> impl Iterator<Item = &FileEntry> {
        std::iter::once(&self.main).chain(&self.attachments)
    }

    /// The symbol as people write it: `45/QĐ-UBND`.
    pub fn symbol(&self) -> String {
        format!("{}/{}", self.number, self.notation)
    }
}

#[cfg(test)]
mod tests;
