//! What was found, in one sentence each.

use consign_verify::report::Reason;

use super::super::language::{Text, text};

/// The sentence for a reason.
pub(crate) const fn reason(reason: Reason) -> Text {
    match reason {
        Reason::FormatBroken => text("sai định dạng", "it breaks its format"),
        Reason::ProfileDeviates => text(
            "không theo quy cách đóng gói của mạng",
            "it is packed in another way than ours",
        ),
        Reason::TooLarge => text("lớn hơn mức được đọc", "it is more or larger than is read"),
        Reason::Unreadable => text("không đọc được", "it cannot be read from where it lies"),
        Reason::VersionUnknown => text(
            "phiên bản hoặc loại chưa được hỗ trợ",
            "its version or kind is not known here",
        ),

        Reason::ContentChanged => text(
            "nội dung đã bị thay đổi so với khi ký",
            "the content is not what was signed",
        ),
        Reason::SignatureWrong => text(
            "chữ ký không đúng với khóa của người ký",
            "the signature is not by the signer's key",
        ),
        Reason::SignatureMalformed => {
            text("chữ ký sai cấu trúc", "the signature is not well-formed")
        }

        Reason::AlgorithmUnknown => text(
            "thuật toán ký chưa được hỗ trợ",
            "its algorithm is not known here",
        ),
        Reason::AlgorithmWeak => text(
            "dựa trên SHA-1 hoặc cũ hơn, hoặc khóa quá ngắn, không còn giá trị chứng minh",
            "it rests on SHA-1 or older, or on a key that is too short, and proves nothing any more",
        ),
        Reason::AlgorithmNotAccepted => text(
            "chính sách kiểm tra không chấp nhận thuật toán này",
            "the policy does not accept this algorithm",
        ),
        Reason::KeyTooShort => text(
            "khóa ngắn hơn mức chính sách kiểm tra yêu cầu",
            "the key is shorter than the policy asks",
        ),

        Reason::SignerUnknown => text(
            "không đọc được chứng thư của người ký",
            "the signer's certificate cannot be read",
        ),
        Reason::CertificateNotNamed => text(
            "chữ ký không ghi rõ chứng thư đã dùng: danh tính và vai trò của người ký không được chữ ký bảo vệ",
            "the signature does not say which certificate it is by: identity and role are not bound by it",
        ),
        Reason::NoPath => text(
            "không có chuỗi chứng thư đến một gốc tin cậy",
            "no path leads to a trusted root",
        ),
        Reason::PathBroken => text(
            "có chứng thư trong chuỗi không do nơi cấp ký",
            "a certificate of the path is not signed by its issuer",
        ),
        Reason::PathRefused => text(
            "có chứng thư trong chuỗi không được chấp nhận",
            "a certificate of the path is refused",
        ),
        Reason::PathTooLong => text(
            "chuỗi chứng thư quá dài hoặc quá lớn",
            "the path is longer or larger than is looked at",
        ),
        Reason::WrongUsage => text(
            "chứng thư không được cấp cho mục đích này",
            "the certificate is not for this use",
        ),
        Reason::Expired => text(
            "đã hết hiệu lực tại thời điểm xét",
            "it had ended at the time judged for",
        ),
        Reason::ExpiredUnproven => text(
            "đã hết hiệu lực, không có bằng chứng ký khi còn hiệu lực",
            "it has ended, and nothing proves that it was used before",
        ),
        Reason::NotYetValid => text(
            "chưa có hiệu lực tại thời điểm xét",
            "it was not valid yet at the time judged for",
        ),
        Reason::Revoked => text(
            "đã bị thu hồi trước thời điểm xét",
            "it was revoked by the time judged for",
        ),
        Reason::RevokedUnproven => text(
            "đã bị thu hồi, không có bằng chứng ký trước khi thu hồi",
            "it was revoked, and nothing proves that it was used before",
        ),
        Reason::AuthorityRevokedUnproven => text(
            "chứng thư của nơi cấp đã bị thu hồi, không có bằng chứng ký trước khi thu hồi",
            "an authority above it was revoked, and nothing proves that it was used before",
        ),
        Reason::OnHold => text(
            "đang bị tạm dừng, có thể có hiệu lực trở lại",
            "it is on hold, and may count again",
        ),
        Reason::RevocationUnknown => text(
            "các danh sách thu hồi hiện có không cho biết chứng thư có bị thu hồi hay không",
            "the revocation lists that are here do not say whether it was revoked",
        ),
        Reason::NoRevocationData => text(
            "không có dữ liệu về thu hồi: chưa cung cấp danh bạ hoặc danh sách thu hồi",
            "nothing says whether it was revoked: no directory and no revocation lists were given",
        ),
        Reason::ListTooOld => text(
            "danh sách thu hồi mới nhất đã cũ hơn mức cho phép",
            "the newest revocation list is older than the policy takes",
        ),
        Reason::SignerNotJudged => text(
            "người ký khác, không có chuỗi chứng thư đến gốc tin cậy: không xét",
            "a further signer without a path to a trusted root, who is not judged",
        ),

        Reason::StampNotCounted => text(
            "dấu thời gian không được tính",
            "the time-stamp is not counted",
        ),
        Reason::StampLater => text(
            "dấu thời gian sau thời điểm xét",
            "the time-stamp is later than the time judged for",
        ),
        Reason::StampsDisordered => text(
            "dấu thời gian của tệp sớm hơn dấu thời gian của chữ ký nằm trong tệp",
            "the time-stamp over the file is earlier than that of a signature in it",
        ),
        Reason::StampAfterNext => text(
            "dấu thời gian ghi thời điểm sau thời điểm mà nó đã có",
            "the time-stamp says a later time than that at which it was there",
        ),
        Reason::StampNotRenewed => text(
            "chứng thư của nơi cấp dấu thời gian đã hết hạn khi chưa có dấu thời gian mới được tính",
            "the authority's certificate ended before another time-stamp that counts was added",
        ),
        Reason::ClaimedInFuture => text(
            "máy của người ký ghi thời điểm ở tương lai",
            "the signer's clock said a time to come",
        ),

        Reason::StateSecret => text(
            "văn bản mật không được gửi trên mạng này",
            "a state secret must not travel on this network",
        ),
        Reason::FilesDiffer => text(
            "các tệp trong gói không đúng như văn bản đã kê",
            "the files are not those, or not as, the document names them",
        ),
        Reason::IssuedInFuture => text("ngày ban hành ở tương lai", "the day of issue is to come"),
        Reason::IssuerUnknown => text(
            "danh bạ không có cơ quan ban hành",
            "the directory does not know the issuer",
        ),
        Reason::SealOfAnother => text(
            "con dấu số không phải của cơ quan ban hành",
            "the seal is not the issuer's",
        ),

        Reason::ObjectTwice => text(
            "đối tượng chứa chữ ký xuất hiện hai lần trong tệp",
            "the object of the signature stands in the file twice",
        ),
        Reason::RoleNotSaid => text(
            "chứng thư không cho biết người ký là cá nhân hay cơ quan",
            "the certificate does not say whether it is a person's or an agency's",
        ),
        Reason::AddedUnsigned => text(
            "tệp bị thay đổi sau khi ký: phần thêm vào không được chữ ký nào bao phủ và có thể làm thay đổi nội dung hiển thị",
            "changed after signing: bytes were added that no signature covers; they may change what is seen",
        ),
        Reason::ValidationDataUnsigned => text(
            "có phần thêm vào sau khi ký, có vẻ là dữ liệu xác thực, không được chữ ký nào bao phủ",
            "bytes were added that no signature covers; they seem to be validation data",
        ),
        Reason::AddedCovered => text(
            "chữ ký sau bao phủ phần thêm vào sau chữ ký này",
            "a later signature covers what was added after this one",
        ),
        Reason::AddedInDoubt => text(
            "phần thêm vào sau chữ ký này chỉ được bao phủ bởi một chữ ký chưa hợp lệ",
            "what was added after this one is covered by a signature that is not valid itself",
        ),
        Reason::OtherOrganizationLast => text(
            "cơ quan khác ký sau cùng và có thể đã thay đổi nội dung cơ quan này đã ký",
            "another organisation signed last, and may have changed what this one signed",
        ),
        Reason::ChangedThoughFinal => text(
            "người ký không cho phép thay đổi nào, nhưng tệp đã bị thay đổi",
            "its signer allowed no change, and the file was changed",
        ),
        Reason::ChangedBeyondForms => text(
            "tệp bị thay đổi nhiều hơn mức người ký cho phép",
            "the file was changed by more than its signer allowed",
        ),
        Reason::ChangesUnclear => text(
            "người ký giới hạn việc thay đổi, nhưng không xác định được tệp đã thay đổi những gì",
            "its signer limited changes, and what was changed cannot be told",
        ),
        Reason::Withdrawn => text(
            "lần sửa sau đã gỡ chữ ký này khỏi trường chữ ký",
            "a later revision takes this signature out of its field",
        ),
        Reason::WithdrawalUnclear => text(
            "không xác định được lần sửa sau có gỡ chữ ký này hay không",
            "whether a later revision takes this signature out of its field cannot be told",
        ),
        Reason::NoSignature => text(
            "tệp không có chữ ký số",
            "there is no signature in the file",
        ),
        Reason::ScannedCopyOnly => text(
            "chỉ có chữ ký số của cơ quan: đủ cho bản sao y, không đủ cho bản gốc",
            "an agency signed it, and nobody known to be a person: enough for a scanned copy (sao y), not for an original",
        ),
        Reason::NoAgencyLast => text(
            "không có chữ ký số hợp lệ của cơ quan ký sau cùng trên toàn bộ tệp: không phải bản gốc, cũng không phải bản sao y",
            "no agency's signature passed that covers the whole file: neither an original nor a scanned copy",
        ),

        Reason::EntriesNotProven => text(
            "các mục danh bạ không được tính: không có chữ ký của nơi mà tệp tin cậy chỉ định",
            "the directory entries are not counted: the trust file does not prove them",
        ),
        Reason::StatementOfAnother => text(
            "không nói về phong bì gửi này, hoặc không đúng với tên tệp",
            "it is not about this envelope, or does not say what its file name does",
        ),
        Reason::NotCommitted => text(
            "không có gì cho thấy các thông điệp nói về văn bản này: thiếu phong bì gửi hoặc chuỗi mở cam kết (salt)",
            "nothing here ties the statements to this document: the envelope or its salt is missing",
        ),
        Reason::NoStatementKeys => text(
            "chỉ có chứng thư gốc, không có khóa của thông điệp: hãy dùng trust.json có thư mục directory/ bên cạnh",
            "roots alone name no statement keys: give the trust.json that has directory/ beside it",
        ),
        Reason::OtherNetwork => text(
            "thông điệp thuộc mạng khác",
            "the statement belongs to another network",
        ),
        Reason::DirectoryBehind => text(
            "danh bạ ở đây cũ hơn danh bạ mà thông điệp dựa vào",
            "the directory here is older than the one it was made under",
        ),
        Reason::KeyUnknown => text(
            "danh bạ không có khóa này của người ký",
            "no such key of the signer is known",
        ),
        Reason::KeyNotValid => text(
            "khóa không có hiệu lực tại thời điểm của thông điệp",
            "the key was not valid at the statement's time",
        ),
        Reason::RoleNotPermitted => text(
            "người ký không được phép đưa ra thông điệp này",
            "the signer may not make this statement",
        ),
        Reason::MadeInFuture => text(
            "thông điệp ghi thời điểm sau thời điểm xét",
            "it was made after the time judged for",
        ),
    }
}
