//! What revocation lists do to the verdict on a container, where no directory says more.

#![expect(
    clippy::unwrap_used,
    reason = "helpers of tests, outside the functions that the lint excuses"
)]

mod world;

use std::io::Cursor;

use consign_domain::Timestamp;
use consign_pki::issue::{CertificateAuthority, Revocation, Validity};
use consign_pki::path::MAX_REVOCATION_LISTS;
use consign_pki::path::revocation::RevocationReason;
use consign_verify::Indication::{Indeterminate, TotalFailed, TotalPassed};
use consign_verify::container::{JudgedAt, SealTrust, judge};
use consign_verify::report::Reason;
use consign_verify::{Indication, Report};
use world::{DAY, World, now, policy};

const UNKNOWN: (Indication, Option<Reason>) = (Indeterminate, Some(Reason::RevocationUnknown));

fn verdict(report: &Report) -> (Indication, Option<Reason>) {
    let decisive = report.decisive();
    (report.indication, decisive.and_then(|check| check.reason))
}

/// The verdict on a good container by roots and lists alone.
fn judged(world: &World, lists: &[Vec<u8>], at: JudgedAt) -> Report {
    let container = world.container(&world.document());
    let trust = SealTrust {
        lists,
        ..SealTrust::by_roots(world.trust.roots())
    };
    judge(Cursor::new(&container), &trust, &policy(), at).report
}

fn list(by: &CertificateAuthority, revoked: &[Revocation], ends: Timestamp) -> Vec<u8> {
    let validity = Validity {
        not_before: now().minus_seconds(DAY).as_unix(),
        not_after: ends.as_unix(),
    };
    by.revocation_list(revoked, 1, validity).unwrap()
}

fn tomorrow() -> Timestamp {
    now().plus_seconds(DAY)
}

/// The sender's seal, from a time on.
fn revoked_from(at: Timestamp) -> [Revocation; 1] {
    [Revocation {
        serial: vec![1, 1],
        at: at.as_unix(),
        reason: RevocationReason::Superseded,
        invalid_from: None,
    }]
}

#[test]
fn a_certificate_that_no_list_names_passes() {
    let world = World::new();
    let lists = [&world.root, &world.issuing].map(|by| list(by, &[], tomorrow()));
    let report = judged(&world, &lists, JudgedAt::Proven(now()));
    assert_eq!(verdict(&report), (TotalPassed, None), "{report:#?}");
    // And without lists nothing says so.
    let nothing = (Indeterminate, Some(Reason::NoRevocationData));
    assert_eq!(
        verdict(&judged(&world, &[], JudgedAt::Proven(now()))),
        nothing
    );
}

#[test]
fn revoked_before_it_signed_and_after() {
    let world = World::new();
    let lists = |revoked: Timestamp| {
        let issuing = list(&world.issuing, &revoked_from(revoked), tomorrow());
        [list(&world.root, &[], tomorrow()), issuing]
    };
    let before = lists(now().minus_seconds(60));
    let report = judged(&world, &before, JudgedAt::Proven(now()));
    assert_eq!(
        verdict(&report),
        (TotalFailed, Some(Reason::Revoked)),
        "{report:#?}"
    );
    let after = lists(now().plus_seconds(60));
    let report = judged(&world, &after, JudgedAt::Proven(now()));
    assert_eq!(verdict(&report), (TotalPassed, None), "{report:#?}");
    // Nothing proves that the container is older than the revocation.
    let report = judged(&world, &after, JudgedAt::Now(now().plus_seconds(120)));
    assert_eq!(
        verdict(&report),
        (Indeterminate, Some(Reason::RevokedUnproven)),
        "{report:#?}"
    );
}

#[test]
fn a_stale_list_says_nothing_more() {
    let world = World::new();
    let root = list(&world.root, &[], tomorrow());
    let stale = list(&world.issuing, &[], now().minus_seconds(60));
    let report = judged(&world, &[root.clone(), stale], JudgedAt::Proven(now()));
    assert_eq!(verdict(&report), UNKNOWN, "{report:#?}");
    let cause = report.decisive().unwrap().cause.as_ref().unwrap().as_str();
    assert!(cause.contains("ended at"), "{cause}");
    // What it says is revoked stays so.
    let revoked = revoked_from(now().minus_seconds(120));
    let stale = list(&world.issuing, &revoked, now().minus_seconds(60));
    let report = judged(&world, &[root, stale], JudgedAt::Proven(now()));
    assert_eq!(
        verdict(&report),
        (TotalFailed, Some(Reason::Revoked)),
        "{report:#?}"
    );
}

#[test]
fn a_list_by_another_issuer_says_nothing() {
    // Another infrastructure's authority has the same name and another key.
    let (world, other) = (World::new(), World::new());
    let root = list(&world.root, &[], tomorrow());
    let revoked = revoked_from(now().minus_seconds(60));
    let missing = "no revocation list of its issuer";
    for (foreign, why) in [
        (
            list(&other.issuing, &revoked, tomorrow()),
            "not signed by its issuer",
        ),
        (
            list(&other.issuing, &[], tomorrow()),
            "not signed by its issuer",
        ),
        (list(&world.root, &revoked, tomorrow()), missing),
    ] {
        let report = judged(&world, &[root.clone(), foreign], JudgedAt::Proven(now()));
        assert_eq!(verdict(&report), UNKNOWN, "{report:#?}");
        let cause = report.decisive().unwrap().cause.as_ref().unwrap().as_str();
        assert!(cause.contains(why), "{cause}");
    }
}

/// Beside a directory they may say of more that it is revoked, and of nothing that it is in doubt.
#[test]
fn a_directory_decides_where_lists_do_not() {
    let world = World::new();
    let container = world.container(&world.document());
    let judged = |lists: &[Vec<u8>]| {
        let trust = SealTrust {
            lists,
            ..SealTrust::by_directory(world.trust.roots(), &world.directory)
        };
        let at = JudgedAt::Proven(now());
        verdict(&judge(Cursor::new(&container), &trust, &policy(), at).report)
    };
    let stale = list(&world.issuing, &[], now().minus_seconds(60));
    let many = vec![stale.clone(); MAX_REVOCATION_LISTS + 1];
    for lists in [vec![stale], vec![b"no list".to_vec()], many] {
        assert_eq!(judged(&lists), (TotalPassed, None));
    }
    let revoked = revoked_from(now().minus_seconds(60));
    let revoked = list(&world.issuing, &revoked, tomorrow());
    assert_eq!(judged(&[revoked]), (TotalFailed, Some(Reason::Revoked)));
}
