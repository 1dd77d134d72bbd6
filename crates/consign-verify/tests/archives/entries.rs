//! Directory entries that an archive brings: whose a seal was, and whether it was revoked.

use consign_domain::directory::{Entry, KeyState};
use consign_verify::container::JudgedAt;
use consign_verify::report::{Aspect, CheckName, Reason};
use consign_verify::{CheckOutcome, Indication};

use crate::support::*;
use crate::world::World;

#[test]
fn a_seal_that_was_revoked_since_stays_good() {
    let mut world = World::new();
    let container = world.container(&world.document());
    let tsa = Tsa::new(&world.issuing, 1, 1200);
    let archive = archived(&container, &tsa, after(1));
    let late = archived(&container, &tsa, after(20));
    world.republish(|entries| {
        for entry in entries {
            if let Entry::Agency(agency) = entry {
                agency.seals[0].validity.until = Some(after(10));
                agency.seals[0].state = KeyState::Revoked;
            }
        }
    });
    let at = JudgedAt::Now(after(30));
    assert_eq!(verdict(&world, &archive, at), PASSED);
    let revoked = (Indication::Indeterminate, Some("REVOKED_NO_POE"));
    assert_eq!(verdict(&world, &late, at), revoked);
}

/// The head of the directory that each world begins with expires after 30 days.
#[test]
fn an_old_entry_of_the_archive_s_own_does_not_say_that_a_seal_was_not_revoked() {
    let mut world = World::new();
    let container = world.container(&world.document());
    let tsa = Tsa::new(&world.issuing, 1, 300);
    let sender = world.sender.id.to_bytes();
    let old = entry(&world.directory, sender, "old");
    revoke_seal(&mut world, after(10));
    let archive = |files: &Files| with_files(&container, files, &tsa, after(40));
    let verdict = |archive: &[u8]| decided(&by_store(&world, archive, after(50)));
    let nothing = (
        Indication::Indeterminate,
        Some(CheckName::SealRevocation),
        Some(Reason::NoRevocationData),
    );
    assert_eq!(verdict(&archive(&vec![old.clone()])), nothing);
    // Lists of that time decide then, and whose the seal is the entry says all the same.
    let lists_then = list_files(&lists(&world, after(40), &[]));
    let listed = archive(&[vec![old.clone()], lists_then].concat());
    assert_eq!(verdict(&listed), (Indication::TotalPassed, None, None));
    // The newest entry decides.
    let new = entry(&world.directory, sender, "new");
    let both = archive(&vec![old.clone(), new]);
    assert_eq!(verdict(&both), nothing);
    let issuer = |archive: &[u8], at| {
        let judgement = by_store(&world, archive, at);
        let check = named(&judgement, CheckName::SealIssuer)[0].clone();
        (check.outcome, check.reason)
    };
    let unproven = (CheckOutcome::Indeterminate, Some(Reason::RevokedUnproven));
    assert_eq!(issuer(&both, after(50)), unproven);
    // Before they expire, entries count as lists do, and it is told what they cannot say.
    let early = with_files(&container, &vec![old], &tsa, after(5));
    let judgement = by_store(&world, &early, after(50));
    assert_eq!(decided(&judgement).0, Indication::TotalPassed);
    let mut skipped = judgement.document.report.not_checked.iter();
    assert!(skipped.any(|skipped| skipped.what == Aspect::LaterRevocation));
}

#[test]
fn entries_that_do_not_know_the_issuer_leave_it_open() {
    let (world, other) = (World::new(), World::new());
    let container = world.container(&world.document());
    let tsa = Tsa::new(&world.issuing, 1, 300);
    let (sender, recipient) = (world.sender.id, world.recipient.id);
    let foreign = {
        let (name, mut bytes) = entry(&other.directory, sender.to_bytes(), "foreign");
        let digit = bytes.iter().rposition(u8::is_ascii_hexdigit).unwrap();
        bytes[digit] ^= 1;
        (name, bytes)
    };
    let partial = vec![entry(&world.directory, recipient.to_bytes(), "recipient")];
    let archive = with_files(&container, &partial, &tsa, after(1));
    let unknown = (
        Indication::Indeterminate,
        Some(CheckName::SealIssuer),
        Some(Reason::IssuerUnknown),
    );
    assert_eq!(decided(&by_store(&world, &archive, after(2))), unknown);
    // One that proves nothing, and a statement without its signature, take nothing from the rest.
    let whole = [
        partial,
        vec![
            entry(&world.directory, sender.to_bytes(), "sender"),
            foreign,
        ],
        vec![("receipt.json".to_owned(), b"{}".to_vec())],
    ];
    let archive = with_files(&container, &whole.concat(), &tsa, after(1));
    let judgement = by_store(&world, &archive, after(2));
    assert_eq!(decided(&judgement), (Indication::TotalPassed, None, None));
    for (name, reason) in [
        (CheckName::ArchiveDirectory, Reason::EntriesNotProven),
        (CheckName::ArchiveContents, Reason::NoSignature),
    ] {
        let check = named(&judgement, name)[0];
        assert_eq!(check.outcome, CheckOutcome::Noted);
        assert_eq!(check.reason, Some(reason));
    }
}
