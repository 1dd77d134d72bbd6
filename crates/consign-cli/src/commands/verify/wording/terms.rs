//! The words for checks, outcomes, verdicts, roles, and what was not checked.
//!
//! Every list is matched member by member, so that one that has no wording does not compile.

use consign_verify::pdf::{Binding, Role};
use consign_verify::report::{Aspect, CheckName, Counted, SubIndication, TimeSource, Why};
use consign_verify::{CheckOutcome, Indication, Report};

use super::super::language::{Language, Text, text};

/// The word of a verdict, as clerks see it.
pub(crate) fn verdict(report: &Report) -> Text {
    match report.indication {
        Indication::TotalPassed if report.has_remarks() => {
            text("HỢP LỆ – CÓ LƯU Ý", "VALID – WITH REMARKS")
        }
        Indication::TotalPassed => text("HỢP LỆ", "VALID"),
        Indication::TotalFailed => text("KHÔNG HỢP LỆ", "NOT VALID"),
        Indication::Indeterminate => text("CHƯA XÁC ĐỊNH", "UNDECIDED"),
    }
}

/// How a check came out.
pub(crate) const fn outcome(outcome: CheckOutcome) -> Text {
    match outcome {
        CheckOutcome::Passed => text("đạt", "passed"),
        CheckOutcome::Failed => text("KHÔNG ĐẠT", "FAILED"),
        CheckOutcome::Indeterminate => text("chưa xác định", "undecided"),
        CheckOutcome::Noted => text("lưu ý", "noted"),
    }
}

/// A check's name.
pub(crate) const fn check(name: CheckName) -> Text {
    match name {
        CheckName::ContainerFormat => text(
            "Định dạng gói tài liệu ký số (ASiC-E)",
            "Container format (ASiC-E)",
        ),
        CheckName::ContainerProfile => text("Quy cách đóng gói", "Packing profile"),
        CheckName::FileDigests => text("Toàn vẹn nội dung", "Integrity of the content"),
        CheckName::SealSignature => text("Chữ ký số của cơ quan", "The agency's seal"),
        CheckName::SealAlgorithm => text(
            "Thuật toán ký và độ dài khóa",
            "Algorithm and key of the seal",
        ),
        CheckName::SealTimeStamp => text("Dấu thời gian của chữ ký số", "Time-stamp on the seal"),
        CheckName::SealTime => text(
            "Thời điểm ký theo máy của người ký",
            "Time by the signer's clock",
        ),
        CheckName::SealCertificate => {
            text("Chứng thư chữ ký số của cơ quan", "Certificate of the seal")
        }
        CheckName::SealRevocation => text(
            "Danh sách chứng thư bị thu hồi (CRL)",
            "Revocation lists (CRL) for the seal",
        ),
        CheckName::SealIssuer => text("Cơ quan ban hành", "The issuing agency"),
        CheckName::DocumentFields => text("Thông tin văn bản", "Fields of the document"),
        CheckName::DocumentFiles => text("Danh mục tệp của văn bản", "Files of the document"),
        CheckName::IssueDate => text("Ngày ban hành", "Day of issue"),
        CheckName::PdfFormat => text(
            "Định dạng chữ ký trong tệp PDF",
            "Format of the signatures in the PDF file",
        ),
        CheckName::PdfSignature => text("Chữ ký số trong tệp PDF", "Signature in the PDF file"),
        CheckName::PdfObject => text(
            "Đối tượng chứa chữ ký số",
            "Object that holds the signature",
        ),
        CheckName::PdfAlgorithm => text(
            "Thuật toán ký và độ dài khóa",
            "Algorithm and key of the signature",
        ),
        CheckName::PdfSigningCertificate => text(
            "Chữ ký số ghi rõ chứng thư đã dùng",
            "Signature names its certificate",
        ),
        CheckName::PdfTimeStamp => {
            text("Dấu thời gian của chữ ký số", "Time-stamp on the signature")
        }
        CheckName::PdfDocumentTimeStamp => {
            text("Dấu thời gian của tệp PDF", "Time-stamp over the PDF file")
        }
        CheckName::PdfSigningTime => text(
            "Thời điểm ký theo máy của người ký",
            "Time by the signer's clock",
        ),
        CheckName::PdfCertificate => text(
            "Chứng thư chữ ký số của người ký",
            "Certificate of the signer",
        ),
        CheckName::PdfCertificateUsage => {
            text("Mục đích sử dụng của chứng thư", "Usage of the certificate")
        }
        CheckName::PdfRevocation => text(
            "Danh sách chứng thư bị thu hồi (CRL)",
            "Revocation lists (CRL) for the signer",
        ),
        CheckName::PdfRole => text("Vai trò của người ký", "Role of the signer"),
        CheckName::PdfCoverage => text("Phạm vi nội dung được ký", "What the signature covers"),
        CheckName::PdfCertification => text(
            "Mức thay đổi mà người ký cho phép",
            "Changes that the signer allows",
        ),
        CheckName::PdfField => text("Trường chữ ký trong tệp", "Signature field in the file"),
        CheckName::PdfRoles => text(
            "Các chữ ký cần có của văn bản",
            "Signatures that the document needs",
        ),
        CheckName::ArchiveFormat => text(
            "Định dạng hồ sơ lưu trữ (ASiC-E)",
            "Format of the long-term archive (ASiC-E)",
        ),
        CheckName::ArchiveDigests => text(
            "Toàn vẹn hồ sơ lưu trữ",
            "Integrity of the long-term archive",
        ),
        CheckName::ArchiveTimeStamp => text("Dấu thời gian lưu trữ", "Archive time-stamp"),
        CheckName::ArchiveContents => text(
            "Thành phần hồ sơ lưu trữ",
            "Contents of the long-term archive",
        ),
        CheckName::ArchiveDirectory => text(
            "Danh bạ trong hồ sơ lưu trữ",
            "Directory entries in the archive",
        ),
        CheckName::ArchiveStatements => text(
            "Các thông điệp trong hồ sơ lưu trữ",
            "Statements in the archive",
        ),
        CheckName::ArchiveEnvelope => text(
            "Phong bì gửi khớp với văn bản lưu trữ",
            "Envelope is about this document",
        ),
        CheckName::StatementFormat => text("Định dạng thông điệp", "Format of the statement"),
        CheckName::SignatureFormat => text(
            "Định dạng chữ ký của thông điệp",
            "Format of the statement's signature",
        ),
        CheckName::StatementKey => text("Khóa kiểm tra thông điệp", "Key for the statement"),
        CheckName::StatementSignature => {
            text("Chữ ký của thông điệp", "Signature of the statement")
        }
        CheckName::StatementTime => text("Thời điểm của thông điệp", "Time of the statement"),
    }
}

/// What a sub-indication of EN 319 102-1 means.
pub(crate) const fn sub_indication(sub_indication: SubIndication) -> Text {
    match sub_indication {
        SubIndication::FormatFailure => text("sai định dạng", "wrong format"),
        SubIndication::HashFailure => text(
            "nội dung không khớp với nội dung đã ký",
            "the content is not what was signed",
        ),
        SubIndication::SigCryptoFailure => text(
            "giá trị chữ ký không đúng",
            "the signature's value is wrong",
        ),
        SubIndication::Revoked => text("chứng thư đã bị thu hồi", "the certificate was revoked"),
        SubIndication::Expired => text(
            "chứng thư đã hết hạn khi ký",
            "the certificate had expired when it was used",
        ),
        SubIndication::NotYetValid => text(
            "chứng thư chưa có hiệu lực khi ký",
            "the certificate was not valid yet when it was used",
        ),
        SubIndication::SigConstraintsFailure => text(
            "chữ ký không đáp ứng yêu cầu kiểm tra",
            "the signature does not keep what is asked of signatures",
        ),
        SubIndication::ChainConstraintsFailure => text(
            "chuỗi chứng thư không đáp ứng yêu cầu kiểm tra",
            "the certificates do not keep what is asked of paths",
        ),
        SubIndication::CertificateChainGeneralFailure => text(
            "không kiểm tra được chuỗi chứng thư",
            "the certificates cannot be validated",
        ),
        SubIndication::CryptoConstraintsFailure => text(
            "thuật toán hoặc khóa không đủ mạnh",
            "an algorithm or key is too weak",
        ),
        SubIndication::PolicyProcessingError => text(
            "không áp dụng được chính sách kiểm tra",
            "the policy cannot be applied",
        ),
        SubIndication::SignaturePolicyNotAvailable => text(
            "không có chính sách chữ ký được nêu",
            "the signature's policy is not here",
        ),
        SubIndication::TimestampOrderFailure => text(
            "thứ tự các dấu thời gian mâu thuẫn",
            "the time-stamps contradict one another",
        ),
        SubIndication::NoSigningCertificateFound => text(
            "không tìm thấy chứng thư hoặc khóa của người ký",
            "the signer's certificate or key is not here",
        ),
        SubIndication::NoCertificateChainFound => text(
            "không có chuỗi chứng thư đến gốc tin cậy",
            "no path leads to a trusted root",
        ),
        SubIndication::RevokedNoPoe => text(
            "chứng thư đã bị thu hồi, không có bằng chứng ký trước đó",
            "the certificate was revoked, and nothing proves an earlier signature",
        ),
        SubIndication::RevokedCaNoPoe => text(
            "chứng thư của nơi cấp đã bị thu hồi, không có bằng chứng ký trước đó",
            "an authority was revoked, and nothing proves an earlier signature",
        ),
        SubIndication::OutOfBoundsNotRevoked => text(
            "ngoài thời hạn chứng thư, chứng thư không bị thu hồi",
            "outside the certificate's dates, and it was not revoked",
        ),
        SubIndication::OutOfBoundsNoPoe => text(
            "ngoài thời hạn chứng thư, không có bằng chứng ký trong thời hạn",
            "outside the certificate's dates, and nothing proves a signature within them",
        ),
        SubIndication::RevocationOutOfBoundsNoPoe => text(
            "nguồn thông tin thu hồi đã quá hạn",
            "who says what is revoked is outside its own dates",
        ),
        SubIndication::CryptoConstraintsFailureNoPoe => text(
            "thuật toán không được chấp nhận, không có bằng chứng ký từ trước",
            "an algorithm is not accepted now, and nothing proves an earlier time",
        ),
        SubIndication::NoPoe => text(
            "không có bằng chứng về thời điểm",
            "nothing proves the time",
        ),
        SubIndication::TryLater => text(
            "chưa đủ dữ liệu, kiểm tra lại sau",
            "what is missing may be had later",
        ),
        SubIndication::SignedDataNotFound => text(
            "không tìm thấy nội dung đã ký",
            "what was signed is not here",
        ),
    }
}

/// Something that a reader may take for checked.
pub(crate) const fn aspect(what: Aspect) -> Text {
    match what {
        Aspect::PdfSignatures => text(
            "chữ ký số bên trong các tệp PDF",
            "signatures inside PDF files",
        ),
        Aspect::PdfPages => text(
            "hình thức các trang PDF, và thay đổi trên trang giữa hai lần ký",
            "what PDF pages look like, and what was changed on them between two signatures",
        ),
        Aspect::PdfPackedObjects => text(
            "các đối tượng được nén trong tệp PDF",
            "objects that are packed inside the PDF file",
        ),
        Aspect::PdfRevocationData => text(
            "thông tin thu hồi nhúng trong tệp PDF",
            "revocation data inside the PDF file",
        ),
        Aspect::AuthorityRevocation => text(
            "việc thu hồi chứng thư của các nơi cấp chứng thư",
            "whether the authorities above the seal were revoked",
        ),
        Aspect::StampRevocation => text(
            "việc thu hồi chứng thư của nơi cấp dấu thời gian",
            "whether the time-stamp authority was revoked",
        ),
        Aspect::FurtherTimeStamps => text(
            "các dấu thời gian khác của chữ ký",
            "further time-stamps of the signature",
        ),
        Aspect::FurtherSigners => text(
            "chứng thư của những người ký khác",
            "certificates of further signers",
        ),
        Aspect::LaterRevocation => text(
            "việc thu hồi con dấu sau khi mục danh bạ trong hồ sơ lưu trữ được phát hành",
            "whether the seal was revoked after the directory entry in the archive was issued",
        ),
        Aspect::ArchiveStatements => text(
            "các thông điệp trong hồ sơ lưu trữ",
            "the statements in the archive",
        ),
        Aspect::OtherStatements => text(
            "các thông điệp khác có mâu thuẫn với thông điệp này hay không",
            "whether other statements contradict this one",
        ),
    }
}

/// Why something was not checked.
pub(crate) const fn why(why: Why) -> Text {
    match why {
        Why::NothingGiven => text(
            "chưa cung cấp dữ liệu để kiểm tra",
            "nothing was given to check it by",
        ),
        Why::GivenSaysNothing => text(
            "dữ liệu được cung cấp không cho biết, hoặc không hợp lệ",
            "what was given to check it by does not say, or does not hold",
        ),
        Why::OwnVerdict => text("được kết luận riêng", "it is a verdict of its own"),
        Why::NotSupported => text(
            "chương trình này không kiểm tra",
            "this program does not check it",
        ),
        Why::OverBudget => text(
            "vượt giới hạn xử lý của một lần kiểm tra",
            "it would cost more than one check may",
        ),
        Why::OtherInfrastructure => text(
            "thuộc hệ thống chứng thực khác, không có gốc tin cậy",
            "it belongs to another infrastructure, whose root is not trusted here",
        ),
        Why::NotInThisFile => text(
            "không thể biết từ một tệp",
            "it cannot be seen from one file",
        ),
    }
}

/// For whom a certificate speaks.
pub(crate) const fn role(role: Role) -> Text {
    match role {
        Role::Person => text("cá nhân", "person"),
        Role::Agency => text("cơ quan, tổ chức", "agency"),
        Role::TimeStamp => text("dấu thời gian", "time-stamp"),
        Role::Unknown => text("không rõ vai trò", "unknown"),
    }
}

/// What is said of a role that the signature does not cover; nothing where it does.
pub(crate) const fn binding(binding: Binding) -> Option<Text> {
    match binding {
        Binding::NotSigned => Some(text(
            "chữ ký không bao gồm chứng thư này",
            "the signature does not cover this certificate",
        )),
        Binding::Signed | Binding::Unknown => None,
    }
}

/// Whose word a time is.
pub(crate) const fn time_source(from: TimeSource) -> Text {
    match from {
        TimeSource::JudgedAt => text("xét tại thời điểm", "judged as of"),
        TimeSource::Claimed => text("thời điểm do người ký khai", "time that the signer claims"),
        TimeSource::Stamped => text("thời điểm theo dấu thời gian", "time by a time-stamp"),
    }
}

/// What was counted.
pub(crate) const fn counted(of: Counted) -> Text {
    match of {
        Counted::Entries => text("số mục trong gói", "entries"),
        Counted::Files => text("số tệp", "files"),
        Counted::Signatures => text("số chữ ký", "signatures"),
        Counted::TimeStamps => text("số dấu thời gian", "time-stamps"),
        Counted::Statements => text("số thông điệp", "statements"),
    }
}

/// A clause as people cite it; those of Vietnamese law in the language of that law.
pub(crate) fn clause(clause: &str, language: Language) -> String {
    const LAW: [(&str, &str); 4] = [
        ("Decree", "Nghị định"),
        ("Articles", "các Điều"),
        ("Article", "Điều"),
        ("Annex", "Phụ lục"),
    ];
    let cite =
        |text: String, (english, vietnamese): (&str, &str)| text.replace(english, vietnamese);
    match language {
        Language::Vietnamese => LAW.into_iter().fold(clause.to_owned(), cite),
        Language::English => clause.to_owned(),
    }
}
