//! Signed PDF files and what later revisions do to them, each with the verdict it gets. Files of
//! other signers are in the whole-network tests, which have pyHanko.

#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::panic,
    reason = "a test stops at what it did not expect"
)]

mod world;

use consign_domain::Timestamp;
use consign_verify::container::{JudgedAt, SealTrust};
use consign_verify::pdf::{PdfJudgement, PdfSignatureJudgement, Standing, judge};
use consign_verify::policy::{PdfBudget, Policy};
use consign_verify::report::{Aspect, CheckName, Reason, SubIndication, Why};
use consign_verify::{CheckOutcome, Indication};
use world::pdf::{PdfFile, lists, stamper};
use world::{DAY, World, now};

fn judged_at(world: &World, file: &PdfFile, at: JudgedAt, policy: &Policy) -> PdfJudgement {
    let lists = lists(world);
    let trust = SealTrust {
        lists: &lists,
        ..SealTrust::by_roots(world.trust.roots())
    };
    judge(file.bytes(), &trust, policy, at)
}

fn judged(world: &World, file: &PdfFile) -> PdfJudgement {
    judged_at(world, file, JudgedAt::Now(now()), &Policy::default())
}

/// How a check of a signature came out, and why.
fn found(
    signature: &PdfSignatureJudgement,
    name: CheckName,
) -> Option<(CheckOutcome, Option<Reason>)> {
    let mut checks = signature.report.checks.iter();
    let check = checks.find(|check| check.name == name);
    check.map(|check| (check.outcome, check.reason))
}

fn expect_undecided(judgement: &PdfJudgement, name: CheckName, reason: Reason) {
    let report = &judgement.report;
    assert_eq!(report.indication, Indication::Indeterminate, "{report:#?}");
    assert_eq!(judgement.standing, Standing::None);
    let wanted = Some((CheckOutcome::Indeterminate, Some(reason)));
    assert_eq!(
        found(&judgement.signatures[0], name),
        wanted,
        "{judgement:#?}"
    );
    let sub_indication = judgement.signatures[0].report.sub_indication;
    assert_eq!(sub_indication, Some(reason.sub_indication()));
}

fn expect_passed(judgement: &PdfJudgement) {
    let report = &judgement.report;
    assert_eq!(report.indication, Indication::TotalPassed, "{judgement:#?}");
    assert_eq!(judgement.standing, Standing::ScannedCopy);
}

/// A file that the agency certified with a level of permission.
fn certified(world: &World, level: u8) -> PdfFile {
    let mut file = PdfFile::new();
    file.sign(world, &world.sender, Some(level));
    file
}

#[test]
fn an_agency_s_signature_over_the_whole_file_is_enough_for_a_scanned_copy() {
    let world = World::new();
    let mut file = PdfFile::new();
    file.sign(&world, &world.sender, None);
    expect_passed(&judged(&world, &file));
    expect_passed(&judged(&world, &certified(&world, 1)));
}

/// ISO 32000-2 §12.8.2.2.2, table 257.
#[test]
fn what_a_certification_does_not_allow_is_told() {
    let world = World::new();
    let name = CheckName::PdfCertification;
    for (level, change, expected) in [
        (1, None, Err(Reason::ChangedThoughFinal)),
        (2, None, Ok(())),
        (3, None, Ok(())),
        (
            1,
            Some(PdfFile::change_text as fn(&mut PdfFile)),
            Err(Reason::ChangedThoughFinal),
        ),
        (
            2,
            Some(PdfFile::change_text),
            Err(Reason::ChangedBeyondForms),
        ),
        (
            3,
            Some(PdfFile::change_text),
            Err(Reason::ChangedBeyondForms),
        ),
        (2, Some(PdfFile::annotate), Err(Reason::ChangedBeyondForms)),
        (3, Some(PdfFile::annotate), Ok(())),
        (2, Some(PdfFile::pack), Err(Reason::ChangesUnclear)),
    ] {
        let mut file = certified(&world, level);
        if let Some(change) = change {
            change(&mut file);
        }
        // Whoever signs last vouches for the change, and that is not enough.
        file.sign(&world, &world.sender, None);
        let judgement = judged(&world, &file);
        match expected {
            Ok(()) => {
                expect_passed(&judgement);
                let passed = Some((CheckOutcome::Passed, None));
                assert_eq!(found(&judgement.signatures[0], name), passed);
            }
            Err(reason) => expect_undecided(&judgement, name, reason),
        }
    }
}

/// Validation data and time-stamps are no changes, whatever was allowed; unsigned bytes are
/// nobody's for all that.
#[test]
fn a_time_stamp_after_a_certification_changes_nothing() {
    let world = World::new();
    let mut file = certified(&world, 1);
    file.stamp(&stamper(&world.issuing), now());
    let judgement = judged(&world, &file);
    let certification = found(&judgement.signatures[0], CheckName::PdfCertification);
    assert_eq!(
        certification,
        Some((CheckOutcome::Passed, None)),
        "{judgement:#?}"
    );
    let report = &judgement.signatures[0].report;
    assert_eq!(report.indication, Indication::Indeterminate);
    assert_eq!(report.decisive().unwrap().name, CheckName::PdfCoverage);
}

#[test]
fn a_signature_that_a_later_revision_takes_out_counts_no_more() {
    let world = World::new();
    for withdraw in [
        PdfFile::empty_field as fn(&mut PdfFile, world::pdf::Placed),
        PdfFile::drop_field,
        PdfFile::free_field,
    ] {
        let mut file = PdfFile::new();
        let placed = file.sign(&world, &world.sender, None);
        withdraw(&mut file, placed);
        file.sign(&world, &world.sender, None);
        let judgement = judged(&world, &file);
        expect_undecided(&judgement, CheckName::PdfField, Reason::Withdrawn);
        assert!(judgement.signatures[1].report.is_passed());
    }
    let mut file = PdfFile::new();
    file.sign(&world, &world.sender, None);
    file.pack();
    file.sign(&world, &world.sender, None);
    let judgement = judged(&world, &file);
    expect_passed(&judgement);
    let unclear = Some((CheckOutcome::Noted, Some(Reason::WithdrawalUnclear)));
    assert_eq!(
        found(&judgement.signatures[0], CheckName::PdfField),
        unclear
    );
    let skipped = &judgement.report.not_checked;
    assert!(
        skipped
            .iter()
            .any(|one| one.what == Aspect::PdfPackedObjects)
    );
}

/// A time-stamp proves that a signature is no later than it, and nothing of how old it is.
#[test]
fn a_time_stamp_after_the_certificate_s_end_decides_nothing() {
    let world = World::new();
    let tsa = stamper(&world.issuing);
    let stamped = |at: Timestamp| {
        let mut file = PdfFile::new();
        file.sign(&world, &world.sender, None);
        file.stamp(&tsa, at);
        judged_at(
            &world,
            &file,
            JudgedAt::Now(now().plus_seconds(5 * 365 * DAY)),
            &Policy::default(),
        )
    };
    // The certificate counts for two years.
    let late = stamped(now().plus_seconds(3 * 365 * DAY));
    let report = &late.signatures[0].report;
    assert_eq!(report.indication, Indication::Indeterminate, "{report:#?}");
    assert_eq!(report.sub_indication, Some(SubIndication::OutOfBoundsNoPoe));
    let early = stamped(now().plus_seconds(DAY));
    let path = found(&early.signatures[0], CheckName::PdfCertificate);
    assert_eq!(path, Some((CheckOutcome::Passed, None)));
}

#[test]
fn a_policy_may_ask_for_more() {
    let world = World::new();
    let mut file = PdfFile::new();
    file.sign(&world, &world.sender, None);
    let verdict = |policy: &Policy| {
        let judgement = judged_at(&world, &file, JudgedAt::Now(now()), policy);
        (judgement.report.indication, judgement.report.sub_indication)
    };
    let none = Policy {
        algorithms: Vec::new(),
        ..Policy::default()
    };
    let weak = Some(SubIndication::CryptoConstraintsFailure);
    assert_eq!(verdict(&none), (Indication::TotalFailed, weak));
    let fresh = Policy {
        maximum_list_age_seconds: Some(DAY - 1),
        ..Policy::default()
    };
    let later = Some(SubIndication::TryLater);
    assert_eq!(verdict(&fresh), (Indication::Indeterminate, later));
    let a_day = Policy {
        maximum_list_age_seconds: Some(DAY),
        ..Policy::default()
    };
    assert_eq!(verdict(&a_day), (Indication::TotalPassed, None));
    let originals = Policy {
        standings: vec![Standing::Original],
        ..Policy::default()
    };
    let constraints = Some(SubIndication::SigConstraintsFailure);
    assert_eq!(
        verdict(&originals),
        (Indication::Indeterminate, constraints)
    );
}

/// What a file costs is its bytes, once and once more for each signature.
#[test]
fn work_is_bounded_and_what_was_left_out_is_said() {
    let world = World::new();
    let mut file = PdfFile::new();
    file.sign(&world, &world.sender, None);
    file.sign(&world, &world.sender, None);
    let size = file.bytes().len() as u64;
    let with = |work_bytes| {
        let pdf = PdfBudget {
            work_bytes,
            ..PdfBudget::default()
        };
        let policy = Policy {
            pdf,
            ..Policy::default()
        };
        judged_at(&world, &file, JudgedAt::Now(now()), &policy)
    };
    expect_passed(&with(3 * size));
    for work in [3 * size - 1, size, size - 1, 0] {
        let judgement = with(work);
        assert_eq!(judgement.report.indication, Indication::Indeterminate);
        let decisive = judgement.report.decisive().unwrap();
        assert_eq!(decisive.reason, Some(Reason::TooLarge));
        assert!(!judgement.report.malformed);
        let skipped = &judgement.report.not_checked[0];
        assert_eq!(
            (skipped.what, skipped.why),
            (Aspect::PdfSignatures, Why::OverBudget)
        );
        assert!(judgement.signatures.is_empty());
    }
}
