//! The lists are closed, and what is quoted cannot steer who reads it.

use std::collections::HashSet;

use super::*;

#[test]
fn texts_are_distinct() {
    let names: HashSet<_> = CheckName::ALL.iter().map(|one| one.as_str()).collect();
    assert_eq!(names.len(), CheckName::ALL.len());
    let reasons: HashSet<_> = Reason::ALL.iter().map(|one| one.as_str()).collect();
    assert_eq!(reasons.len(), Reason::ALL.len());
    assert!(CheckName::ALL.iter().all(|one| !one.clause().is_empty()));
}

/// EN 319 102-1 §5.1.3: what the standard fails, no reason of ours leaves undecided.
#[test]
fn the_standard_s_failures_are_six() {
    let failed = SubIndication::ALL
        .iter()
        .filter(|one| one.indication() == Indication::TotalFailed);
    let failed: Vec<&str> = failed.map(|one| one.as_str()).collect();
    let expected = [
        "FORMAT_FAILURE",
        "HASH_FAILURE",
        "SIG_CRYPTO_FAILURE",
        "REVOKED",
        "EXPIRED",
        "NOT_YET_VALID",
    ];
    assert_eq!(failed, expected);
}

#[test]
fn the_decisive_check_gives_the_sub_indication() {
    let mut report = Report::new(Timestamp::from_unix_saturating(0));
    let sub_indication = |report: &Report| report.sub_indication.map(SubIndication::as_str);
    report.push(Check::passed(CheckName::FileDigests));
    assert_eq!(sub_indication(&report), None);
    report.push(Check::undecided(
        CheckName::SealRevocation,
        Reason::NoRevocationData,
    ));
    assert_eq!(sub_indication(&report), Some("TRY_LATER"));
    let code = ErrorCode::ContainerDigest;
    report.push(Check::failed(
        CheckName::FileDigests,
        Reason::ContentChanged,
        code,
    ));
    assert_eq!(sub_indication(&report), Some("HASH_FAILURE"));
    report.push(Check::undecided(CheckName::PdfRoles, Reason::NoSignature));
    assert_eq!(report.indication, Indication::TotalFailed);
    assert_eq!(sub_indication(&report), Some("HASH_FAILURE"));
    assert_eq!(report.code(), Some(code));
}

#[test]
fn what_is_quoted_cannot_write_over_what_is_shown() {
    let name: Quoted = "a\u{1b}[2Kb\u{202e}c\u{200b}đ".into();
    assert_eq!(name.as_str(), "a\u{fffd}[2Kb\u{fffd}c\u{fffd}đ");
    let read: Quoted = serde_json::from_str("\"x\\u001by\"").unwrap();
    assert_eq!(read.as_str(), "x\u{fffd}y");
}

/// A node keeps reports and reads them back when it shows a document.
#[test]
fn a_report_reads_back() {
    let mut report = Report::new(Timestamp::from_unix_saturating(1_700_000_000));
    let judged = Evidence::judged_at(report.at);
    report.push(Check::noted(CheckName::PdfRole, Reason::RoleNotSaid).with(judged));
    report.skip(NotChecked::new(Aspect::PdfPages, Why::NotSupported));
    let text = serde_json::to_string(&report).unwrap();
    assert!(text.contains("\"clause\":\"EN 319 412-2"), "{text}");
    assert_eq!(serde_json::from_str::<Report>(&text).unwrap(), report);
}
