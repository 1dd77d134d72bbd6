//! Statements: whose they are, and about which document.

use std::io::Cursor;

use consign_domain::directory::{Entry, KeyState};
use consign_domain::statement::{BusinessStatus, Event, Evidence, Status};
use consign_domain::{Digest, SignedStatement};
use consign_verify::archive;
use consign_verify::container::{JudgedAt, SealTrust};
use consign_verify::directory::EntryProof;
use consign_verify::report::{Aspect, CheckName, Reason};
use consign_verify::{CheckOutcome, Indication};

use crate::support::*;
use crate::world::{World, now, policy, sign};

#[test]
fn statements_are_those_of_whom_they_name_by_the_entries_in_the_archive() {
    let world = World::new();
    let container = world.container(&world.document());
    let tsa = Tsa::new(&world.issuing, 1, 300);
    let (envelope, _, wrap) = world.envelope(&container);
    let signed = sign(&envelope, &world.sender.statement);
    let proof = EntryProof::of(&world.directory, world.sender.id.to_bytes()).unwrap();
    let archive = |container: &[u8], signed: &SignedStatement| {
        let mut writer = begun(container);
        add(&mut writer, "envelope.json", &signed.statement);
        add(&mut writer, "envelope.sig", &signed.signature);
        add(&mut writer, archive::SALT, &wrap.salt);
        let name = format!("{}{}.json", archive::DIRECTORY, world.sender.id);
        add(&mut writer, &name, &proof.to_bytes());
        tsa.stamps(writer.complete().unwrap(), after(1))
    };
    let judge = |archive: &[u8], store| {
        let trust = SealTrust::by_roots(world.trust.roots());
        let at = JudgedAt::Now(after(2));
        archive::judge(Cursor::new(archive), &trust, store, &policy(), at)
    };
    let good = archive(&container, &signed);
    let judgement = judge(&good, Some(&world.trust));
    let report = &judgement.document.report;
    // The entry says whose the seal is, without any directory beside the trust file.
    assert_eq!(
        report.indication,
        Indication::TotalPassed,
        "{:?}",
        report.decisive()
    );
    assert_eq!(
        named(&judgement, CheckName::ArchiveStatements)[0].outcome,
        CheckOutcome::Passed
    );
    assert_eq!(
        named(&judgement, CheckName::ArchiveEnvelope)[0].outcome,
        CheckOutcome::Passed
    );
    // Whose the envelope is nobody says here, so that it shows nothing.
    let judgement = judge(&good, None);
    let mut skipped = judgement.document.report.not_checked.iter();
    assert!(skipped.any(|skipped| skipped.what == Aspect::ArchiveStatements));
    assert!(named(&judgement, CheckName::ArchiveEnvelope).is_empty());

    let mut forged = signed.clone();
    forged.signature[5] ^= 1;
    let judgement = judge(&archive(&container, &forged), Some(&world.trust));
    let fault = judgement.document.report.decisive().unwrap();
    assert_eq!(
        (fault.name, fault.outcome),
        (CheckName::ArchiveStatements, CheckOutcome::Failed)
    );
    let mut document = world.document();
    document.subject = consign_domain::text::Line::new("Về việc khác").unwrap();
    let judgement = judge(
        &archive(&world.container(&document), &signed),
        Some(&world.trust),
    );
    let fault = judgement.document.report.decisive().unwrap();
    assert_eq!(
        (fault.name, fault.outcome),
        (CheckName::ArchiveEnvelope, CheckOutcome::Failed)
    );
}

/// The sender's envelope with what opens it, and the hub's acceptance.
fn exchanged(world: &World, container: &[u8]) -> (Files, Evidence) {
    let (envelope, _, wrap) = world.envelope(container);
    let signed = sign(&envelope, &world.sender.statement);
    let about = envelope.reference(Digest::of(&signed.statement)).unwrap();
    let hub = world.hub_signer();
    let hub_id = hub.id.as_hub();
    let (network, event) = (world.trust.network(), Event::SubmissionAcceptance);
    let mut accepted = Evidence::new(network, hub, now(), event, hub_id, about);
    accepted.placements = vec![consign_domain::statement::Placement {
        id: world.recipient.id,
        code: world.recipient.code.parse().unwrap(),
        sequence: consign_domain::Sequence::FIRST,
    }];
    let mut files = signed_files("envelope", &signed);
    files.push((archive::SALT.to_owned(), wrap.salt.to_vec()));
    (files, accepted)
}

#[test]
fn statements_are_about_the_document_that_they_lie_beside() {
    let world = World::new();
    let container = world.container(&world.document());
    let tsa = Tsa::new(&world.issuing, 1, 300);
    let (own, accepted) = exchanged(&world, &container);
    let judged = |files: Files| {
        let archive = with_files(&container, &files, &tsa, after(1));
        decided(&judge(&world, &archive, JudgedAt::Now(after(2))))
    };
    let signed = |stem: &str, said: &Evidence| signed_files(stem, &sign(said, &world.hub));
    let passed = (Indication::TotalPassed, None, None);
    let good = [own.clone(), signed("acceptance", &accepted)].concat();
    assert_eq!(judged(good.clone()), passed);
    let again = signed("evidence/again-SubmissionAcceptance-7", &accepted);
    assert_eq!(judged([own.clone(), again].concat()), passed);

    let of_another = (
        Indication::TotalFailed,
        Some(CheckName::ArchiveStatements),
        Some(Reason::StatementOfAnother),
    );
    let mut other = accepted.clone();
    other.envelope.sha256 = Digest::of(b"another envelope");
    let swapped = [own.clone(), signed("acceptance", &other)].concat();
    assert_eq!(judged(swapped), of_another);
    for name in [
        "receipt",
        "evidence/000000000002-ContentHandover-H49",
        "status/000000000002-03-H49",
    ] {
        let misnamed = [own.clone(), signed(name, &accepted)].concat();
        assert_eq!(judged(misnamed), of_another, "{name}");
    }
    let status = |status| {
        let (network, about) = (world.trust.network(), accepted.envelope.clone());
        let signer = world.recipient.signer(1);
        let to = world.sender.code.parse().unwrap();
        let said = Status::new(network, signer, now(), about, to, status);
        sign(&said, &world.recipient.statement)
    };
    let registered = signed_files(
        "status/000000000002-03-H49",
        &status(BusinessStatus::Registered),
    );
    assert_eq!(judged([own.clone(), registered].concat()), passed);
    let arrived = signed_files(
        "status/000000000002-03-H49",
        &status(BusinessStatus::Arrived),
    );
    assert_eq!(judged([own.clone(), arrived].concat()), of_another);

    // Without the envelope, or what opens it, nothing ties them to the document.
    let open = (
        Indication::Indeterminate,
        Some(CheckName::ArchiveEnvelope),
        Some(Reason::NotCommitted),
    );
    for missing in [archive::SALT, "envelope.json"] {
        let mut files = good.clone();
        files.retain(|(name, _)| name != missing);
        assert_eq!(judged(files), open, "without {missing}");
    }
}

#[test]
fn what_a_revoked_key_signed_counts_where_it_is_proven_to_be_older() {
    let mut world = World::new();
    let container = world.container(&world.document());
    let tsa = Tsa::new(&world.issuing, 1, 300);
    let (mut files, _) = exchanged(&world, &container);
    let sender = world.sender.id.to_bytes();
    // As it was before the revocation.
    files.push(entry(&world.directory, sender, "old"));
    world.republish(|entries| {
        if let Some(Entry::Agency(agency)) = entries.first_mut() {
            agency.statement_keys[0].validity.until = Some(after(10));
            agency.statement_keys[0].state = KeyState::Revoked;
        }
    });
    let judged = |archive: &[u8]| {
        let judgement = judge(&world, archive, JudgedAt::Now(after(50)));
        let statements = named(&judgement, CheckName::ArchiveStatements);
        (judgement.document.report.indication, statements[0].reason)
    };
    let before = with_files(&container, &files, &tsa, after(1));
    assert_eq!(judged(&before), (Indication::TotalPassed, None));
    let unproven = (Indication::Indeterminate, Some(Reason::RevokedUnproven));
    let late = with_files(&container, &files, &tsa, after(20));
    assert_eq!(judged(&late), unproven);
    // What a renewal adds is no older than the renewal.
    let added = archived(&container, &tsa, after(1));
    let added = renewed_with(&added, &files, &tsa, after(20));
    assert_eq!(judged(&added), unproven);
}

#[test]
fn an_envelope_of_somebody_whom_no_directory_knows_leaves_it_open() {
    let world = World::new();
    let container = world.container(&world.document());
    let tsa = Tsa::new(&world.issuing, 1, 300);
    let (mut files, _) = exchanged(&world, &container);
    let recipient = world.recipient.id.to_bytes();
    files.push(entry(&world.directory, recipient, "recipient"));
    let archive = with_files(&container, &files, &tsa, after(1));
    let judgement = by_store(&world, &archive, after(2));
    let check = named(&judgement, CheckName::ArchiveEnvelope)[0];
    assert_eq!(check.outcome, CheckOutcome::Indeterminate);
    assert_eq!(check.reason, Some(Reason::SignerUnknown));
}
