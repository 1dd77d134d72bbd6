//! Time-stamps: what they prove, until when, and what is not what they are over.

use std::io::Cursor;

use consign_pki::asic::Budget;
use consign_pki::issue::Revocation;
use consign_pki::path::revocation::RevocationReason;
use consign_verify::archive;
use consign_verify::container::{JudgedAt, SealTrust};
use consign_verify::report::{CheckName, Reason, SubIndication};
use consign_verify::{CheckOutcome, Indication};

use crate::support::*;
use crate::world::{World, policy};

#[test]
fn what_is_renewed_in_time_is_good_for_ever_and_what_is_not_is_doubtful() {
    let mut world = World::new();
    let container = world.container(&world.document());
    // The seal's certificate ends after 730 days.
    let (first, second) = (
        Tsa::new(&world.issuing, 1, 300),
        Tsa::new(&world.issuing, 2, 1200),
    );
    let archive = archived(&container, &first, after(1));
    assert_eq!(verdict(&world, &archive, JudgedAt::Now(after(299))), PASSED);
    assert_eq!(
        verdict(&world, &archive, JudgedAt::Now(after(301))),
        TOO_LATE
    );

    let kept = renewed(&archive, &second, after(299));
    let judgement = judge(&world, &kept, JudgedAt::Now(after(1199)));
    let report = &judgement.document.report;
    assert_eq!(
        report.indication,
        Indication::TotalPassed,
        "{:?}",
        report.decisive()
    );
    // It may be a second later than it says.
    assert_eq!(judgement.as_of, Some(after(1).plus_seconds(1)));
    let times: Vec<_> = judgement.stamps.iter().map(|stamp| stamp.time).collect();
    assert_eq!(times, [Some(after(1)), Some(after(299))]);
    assert_eq!(verdict(&world, &kept, JudgedAt::Now(after(1201))), TOO_LATE);

    // Renewed after the first had ended: it proves the time of the renewal, which is early enough
    // only as long as the seal was good then.
    let late = renewed(&archive, &second, after(400));
    let unknown = (Indication::Indeterminate, Some("TRY_LATER"));
    let judged_late = |world: &World| verdict(world, &late, JudgedAt::Now(after(1199)));
    assert_eq!(judged_late(&world), unknown, "its directory had expired");
    world.republish_at(after(390), |_| ());
    let judgement = judge(&world, &late, JudgedAt::Now(after(1199)));
    assert_eq!(
        judgement.document.report.indication,
        Indication::TotalPassed
    );
    assert_eq!(judgement.as_of, Some(after(400).plus_seconds(1)));
    assert_eq!(judgement.stamps[0].time, None);
    let too_late = renewed(&archive, &second, after(800));
    assert_eq!(
        verdict(&world, &too_late, JudgedAt::Now(after(1199))),
        TOO_LATE
    );

    // Who knows that it was there needs no time-stamp, but a directory of that time.
    assert_eq!(
        verdict(&world, &archive, JudgedAt::Proven(after(500))),
        unknown
    );
    world.republish_at(after(490), |_| ());
    assert_eq!(
        verdict(&world, &archive, JudgedAt::Proven(after(500))),
        PASSED
    );
}

#[test]
fn a_late_time_stamp_of_the_seal_counts_from_within_the_archive() {
    let mut world = World::new();
    world.republish_at(after(1000), |_| ());
    let container = world.container(&world.document());
    let (first, second) = (
        Tsa::new(&world.issuing, 1, 1100),
        Tsa::new(&world.issuing, 2, 1200),
    );
    let plain = archived(&container, &second, after(1000));
    assert_eq!(
        verdict(&world, &plain, JudgedAt::Now(after(1001))),
        TOO_LATE
    );
    let mut inner =
        consign_pki::asic::Container::open_canonical(Cursor::new(&container), &Budget::default())
            .unwrap();
    let layer = inner.signatures()[0].clone();
    let seal = consign_pki::cms::parse_and_verify(&layer.signature_bytes, &layer.manifest_bytes);
    let token = first.token(&seal.unwrap().signature_value, after(2));
    let mut writer = begun(&container);
    add(&mut writer, archive::SEAL_TIME_STAMP, &token);
    let stamped = second.stamps(writer.complete().unwrap(), after(1000));
    assert_eq!(
        verdict(&world, &stamped, JudgedAt::Now(after(1001))),
        PASSED
    );
    assert!(inner.check_digests().is_ok());
}

#[test]
fn no_changed_byte_is_passed() {
    let world = World::new();
    let container = world.container(&world.document());
    let tsa = Tsa::new(&world.issuing, 1, 300);
    let archive = renewed(&archived(&container, &tsa, after(1)), &tsa, after(2));
    let at = JudgedAt::Now(after(3));
    assert_eq!(verdict(&world, &archive, at), PASSED);
    for place in (0..archive.len()).step_by(13) {
        let mut changed = archive.clone();
        changed[place] ^= 0x20;
        let report = judge(&world, &changed, at).document.report;
        assert_eq!(report.indication, Indication::TotalFailed, "byte {place}");
        assert!(report.malformed, "byte {place}: {:?}", report.decisive());
    }
}

#[test]
fn what_is_whole_and_not_what_was_stamped_is_forged() {
    let world = World::new();
    let mut document = world.document();
    let container = world.container(&document);
    document.subject = consign_domain::text::Line::new("Về việc khác").unwrap();
    let other = world.container(&document);
    let tsa = Tsa::new(&world.issuing, 1, 300);
    let genuine = begun(&container).complete().unwrap();
    let token = tsa.token(genuine.manifest(), after(1));
    let forged = begun(&other).complete().unwrap().finish(&token).unwrap();
    let at = JudgedAt::Now(after(2));
    let found = verdict(&world, &forged.into_inner(), at);
    assert_eq!(found, (Indication::TotalFailed, Some("HASH_FAILURE")));

    // A token that is none.
    let none = begun(&container)
        .complete()
        .unwrap()
        .finish(b"none")
        .unwrap();
    let found = verdict(&world, &none.into_inner(), at);
    assert_eq!(found, (Indication::TotalFailed, Some("FORMAT_FAILURE")));

    // A stranger's, and one that is later than the one over it.
    let stranger = Tsa::new(&World::new().issuing, 1, 300);
    let found = verdict(&world, &archived(&container, &stranger, after(1)), at);
    let unknown = (
        Indication::Indeterminate,
        Some("NO_CERTIFICATE_CHAIN_FOUND"),
    );
    assert_eq!(found, unknown);
    let swapped = renewed(&archived(&container, &tsa, after(20)), &tsa, after(10));
    let judgement = judge(&world, &swapped, JudgedAt::Now(after(30)));
    assert_eq!(judgement.stamps[0].time, None);
    assert_eq!(judgement.as_of, Some(after(10).plus_seconds(1)));
    let noted = named(&judgement, CheckName::ArchiveTimeStamp)[1];
    assert_eq!(noted.outcome, CheckOutcome::Noted);
}

#[test]
fn roots_alone_are_enough_with_the_lists_in_the_archive() {
    let world = World::new();
    let container = world.container(&world.document());
    let tsa = Tsa::new(&world.issuing, 1, 1200);
    let by_roots = |archive: &[u8], lists: &[Vec<u8>], at| {
        let trust = SealTrust {
            lists,
            ..SealTrust::by_roots(world.trust.roots())
        };
        let at = JudgedAt::Now(at);
        let report = archive::judge(Cursor::new(archive), &trust, None, &policy(), at);
        let report = report.document.report;
        let why = report.sub_indication.map(SubIndication::as_str);
        (report.indication, why)
    };
    let without = archived(&container, &tsa, after(1));
    let unknown = (Indication::Indeterminate, Some("TRY_LATER"));
    assert_eq!(by_roots(&without, &[], after(900)), unknown);
    let mut writer = begun(&container);
    for (number, list) in lists(&world, after(1), &[]).iter().enumerate() {
        add(
            &mut writer,
            &format!("{}{number}.crl", archive::LISTS),
            list,
        );
    }
    let with = tsa.stamps(writer.complete().unwrap(), after(1));
    assert_eq!(by_roots(&with, &[], after(900)), PASSED);

    // A list made since says that others have the authority's key: nothing is proven by it.
    let compromised = Revocation {
        serial: vec![0x30, tsa.serial],
        at: after(500).as_unix(),
        reason: RevocationReason::KeyCompromise,
        invalid_from: None,
    };
    let newer = lists(&world, after(600), &[compromised]);
    let revoked = (Indication::Indeterminate, Some("REVOKED_NO_POE"));
    assert_eq!(by_roots(&with, &newer, after(601)), revoked);
    // Who leaves the root's list out hides nothing.
    assert_eq!(by_roots(&with, &newer[..1], after(601)), revoked);
    // Unless another had stamped it before.
    let other = Tsa::new(&world.issuing, 2, 1200);
    let renewed = renewed(&with, &other, after(499));
    assert_eq!(by_roots(&renewed, &newer, after(601)), PASSED);
}

#[test]
fn a_time_stamp_that_a_renewal_adds_is_judged_by_what_was_known_then() {
    let mut world = World::new();
    let container = world.container(&world.document());
    let (good, stolen) = (
        Tsa::new(&world.issuing, 1, 1_200),
        Tsa::new(&world.issuing, 2, 1_200),
    );
    revoke_seal(&mut world, after(10));
    let archive = archived(&container, &good, after(20));
    let mut inner =
        consign_pki::asic::Container::open_canonical(Cursor::new(&container), &Budget::default())
            .unwrap();
    let layer = inner.signatures()[0].clone();
    assert!(inner.check_digests().is_ok());
    let seal = consign_pki::cms::parse_and_verify(&layer.signature_bytes, &layer.manifest_bytes);
    let token = stolen.token(&seal.unwrap().signature_value, after(2));
    let late = vec![(archive::SEAL_TIME_STAMP.to_owned(), token)];
    let archive = renewed_with(&archive, &late, &good, after(600));
    let judged = |lists: &[Vec<u8>]| {
        let trust = SealTrust {
            lists,
            ..SealTrust::by_directory(world.trust.roots(), &world.directory)
        };
        let at = JudgedAt::Now(after(601));
        let judgement = archive::judge(Cursor::new(&archive), &trust, None, &policy(), at);
        let report = judgement.document.report;
        (
            report.indication,
            report.decisive().and_then(|check| check.reason),
        )
    };
    assert_eq!(judged(&[]), (Indication::TotalPassed, None));
    let compromised = Revocation {
        serial: vec![0x30, stolen.serial],
        at: after(500).as_unix(),
        reason: RevocationReason::KeyCompromise,
        invalid_from: None,
    };
    let unproven = (Indication::Indeterminate, Some(Reason::RevokedUnproven));
    assert_eq!(judged(&lists(&world, after(600), &[compromised])), unproven);
}

#[test]
fn a_wrong_token_below_one_that_counts_proves_nothing_and_breaks_nothing() {
    let world = World::new();
    let container = world.container(&world.document());
    let tsa = Tsa::new(&world.issuing, 1, 300);
    let wrong = begun(&container).complete().unwrap();
    let wrong = wrong.finish(b"none").unwrap().into_inner();
    let archive = renewed(&wrong, &tsa, after(2));
    let judgement = judge(&world, &archive, JudgedAt::Now(after(3)));
    assert_eq!(decided(&judgement), (Indication::TotalPassed, None, None));
    assert!(!judgement.document.report.malformed);
    assert_eq!(judgement.as_of, Some(after(2).plus_seconds(1)));
    let noted = named(&judgement, CheckName::ArchiveTimeStamp)[1];
    assert_eq!(noted.outcome, CheckOutcome::Noted);
    assert_eq!(noted.reason, Some(Reason::FormatBroken));
}
