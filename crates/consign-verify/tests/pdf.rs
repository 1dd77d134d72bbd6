//! What the verdict on a PDF file says without a signature to judge. Those with signatures are
//! in the whole-network tests, which have pyHanko.

#![expect(
    clippy::unwrap_used,
    reason = "helpers of tests, outside the functions that the lint excuses"
)]

use consign_domain::ErrorCode;
use consign_verify::Indication;
use consign_verify::container::{JudgedAt, SealTrust};
use consign_verify::pdf::{MAX_PDF, PdfJudgement, Standing, judge};
use consign_verify::policy::Policy;
use consign_verify::report::{CheckName, Reason, SubIndication};

fn judged(file: &[u8]) -> PdfJudgement {
    let at = "2026-11-23T02:30:00Z".parse().unwrap();
    judge(
        file,
        &SealTrust::by_roots(&[]),
        &Policy::default(),
        JudgedAt::Now(at),
    )
}

#[test]
fn a_file_without_signatures_is_undecided() {
    let judgement = judged(b"%PDF-1.7\n1 0 obj\n<<>>\nendobj\n%%EOF\n");
    assert_eq!(judgement.report.indication, Indication::Indeterminate);
    assert!(!judgement.report.malformed);
    assert_eq!(judgement.standing, Standing::None);
    let decisive = judgement.report.decisive().unwrap();
    assert_eq!(decisive.name, CheckName::PdfRoles);
    assert_eq!(decisive.reason, Some(Reason::NoSignature));
}

#[test]
fn a_signature_dictionary_that_is_not_sound_is_malformed() {
    for file in [
        &b"PK\x03\x04"[..],
        b"%PDF-1.7\n/ByteRange [0 1 2 3]\n%%EOF\n",
        b"%PDF-1.7\n1 0 obj\n<< /SubFilter /ETSI.CAdES.detached /Contents <3000> \
          /ByteRange [0 9 20 2] >>\nendobj\n%%EOF\n",
    ] {
        let judgement = judged(file);
        assert_eq!(judgement.report.indication, Indication::TotalFailed);
        assert!(judgement.report.malformed);
        let decisive = judgement.report.decisive().unwrap();
        assert_eq!(decisive.code, Some(ErrorCode::SignatureInvalid));
        assert_eq!(decisive.sub_indication, Some(SubIndication::FormatFailure));
        assert!(judgement.signatures.is_empty());
    }
}

#[test]
fn a_file_that_is_too_large_is_not_read_and_so_undecided() {
    let mut file = b"%PDF-1.7\n".to_vec();
    file.resize(MAX_PDF + 1, b' ');
    let judgement = judged(&file);
    assert_eq!(judgement.report.indication, Indication::Indeterminate);
    let decisive = judgement.report.decisive().unwrap();
    assert_eq!(decisive.reason, Some(Reason::TooLarge));
}
