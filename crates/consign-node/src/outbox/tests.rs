//! Sending: numbers, idempotence, seals that recipients accept, and a cut after each step.

mod groups;
mod revoked;

use consign_domain::delivery::DeliveryState;
use consign_domain::directory::Role;
use consign_domain::statement::{Envelope, Event, Evidence, Placement};
use consign_domain::{Digest, ErrorCode, SignedStatement};
use consign_verify::{Verified, verify_statement};

use super::{Recorded, SentState};
use crate::compose::{ComposeError, ComposeRequest, FileOpen};
use crate::index::ListQuery;
use crate::testing::{
    Network, Seat, code, cuts, envelope_id, now, payload_of, place, request, sign,
};

fn verified(network: &Network, signed: &SignedStatement) -> Verified<Evidence> {
    verify_statement(signed, &[Role::Hub, Role::Agency], &network.directory).unwrap()
}

#[test]
fn a_request_becomes_a_numbered_document() {
    let network = Network::new();
    let seat = network.seat(0);
    let context = network.context(&seat);
    let to = ["000.00.15.H49", "H49.14", "H49.14"];
    let composed = seat.compose(envelope_id(1), request(&to), &context);
    let document = composed.document;
    assert_eq!(document.symbol(), "01/QĐ-H49.13");
    assert_eq!(document.issued_on, now().date_in_vietnam());
    assert_eq!(
        document.addressees.as_slice(),
        [code("H49.14"), code("H49.15")]
    );
    assert_eq!(document.main.media_type.as_str(), "application/pdf");
    let letter = ComposeRequest {
        document_type: String::new(),
        in_reply_to: vec!["H49.14:7/TB-STP".to_owned(), document.id.to_string()],
        ..request(&["H49.14"])
    };
    let second = seat.compose(envelope_id(2), letter, &context).document;
    assert_eq!(second.symbol(), "02/H49.13");
    assert_eq!(
        second.in_reply_to[0].number.as_ref().unwrap().as_str(),
        "07"
    );
    assert_eq!(second.in_reply_to[1].document, Some(document.id));
}

#[test]
fn numbers_that_people_give_are_passed_over_and_never_given_twice() {
    let network = Network::new();
    let seat = network.seat(0);
    let context = network.context(&seat);
    let numbered = |number: &str| ComposeRequest {
        number: number.to_owned(),
        ..request(&["H49.14"])
    };
    let symbol = |id, request| {
        seat.compose(envelope_id(id), request, &context)
            .document
            .symbol()
    };
    assert_eq!(symbol(1, numbered("2")), "02/QĐ-H49.13");
    assert_eq!(symbol(2, numbered("")), "01/QĐ-H49.13");
    assert_eq!(symbol(3, numbered("")), "03/QĐ-H49.13");
    let mut staging = seat
        .agency
        .outbox()
        .begin(envelope_id(4), numbered("02"), &context)
        .unwrap();
    file(&mut staging, "a.pdf", b"x");
    let taken = seat.agency.outbox().compose(staging, now()).unwrap_err();
    assert!(matches!(taken, ComposeError::SymbolTaken { .. }), "{taken}");
    drop(seat);
    // A new year begins at 01; the register is read back from its file.
    let seat = network.seat(0);
    let mut context = network.context(&seat);
    assert_eq!(
        seat.compose(envelope_id(5), numbered(""), &context)
            .document
            .symbol(),
        "04/QĐ-H49.13"
    );
    context.now = now();
    let last_year = ComposeRequest {
        issued_on: "2025-12-31".to_owned(),
        ..request(&["H49.14"])
    };
    let composed = seat.compose(envelope_id(6), last_year, &context);
    assert_eq!(composed.document.symbol(), "01/QĐ-H49.13");
}

fn file(staging: &mut crate::compose::Staging, name: &str, content: &[u8]) {
    let open = FileOpen {
        name: name.to_owned(),
        media_type: String::new(),
        title: String::new(),
        size: content.len() as u64,
    };
    staging.begin_file(&open).unwrap();
    staging.write(content).unwrap();
}

#[test]
fn what_cannot_be_sent_is_refused_before_files_come() {
    let network = Network::new();
    let seat = network.seat(0);
    let context = network.context(&seat);
    let refused = |request: ComposeRequest| {
        let begun = seat
            .agency
            .outbox()
            .begin(envelope_id(1), request, &context);
        begun.map(|_| ()).unwrap_err()
    };
    let to = |codes: &[&str]| request(codes);
    match refused(to(&["H49.14", "H49.99", "x", "H49.98"])) {
        ComposeError::Recipients { unknown } => assert_eq!(unknown, ["H49.99", "x", "H49.98"]),
        other => panic!("{other}"),
    }
    assert!(matches!(refused(to(&[])), ComposeError::NoRecipient));
    assert!(matches!(
        refused(to(&["H49.13"])),
        ComposeError::OwnCode { .. }
    ));
    let changed = |change: fn(&mut ComposeRequest)| {
        let mut request = to(&["H49.14"]);
        change(&mut request);
        refused(request).code()
    };
    let invalid = ErrorCode::DocumentInvalid;
    assert_eq!(
        changed(|r| r.secrecy = "Mật".to_owned()),
        ErrorCode::StateSecret
    );
    assert_eq!(changed(|r| r.issued_on = "2026-11-24".to_owned()), invalid);
    assert_eq!(changed(|r| r.due = "2026-11-22".to_owned()), invalid);
    assert_eq!(changed(|r| r.subject = " ".to_owned()), invalid);
    assert_eq!(changed(|r| r.subject = "a\u{202E}b".to_owned()), invalid);
    assert_eq!(changed(|r| r.urgency = 5), invalid);
    assert_eq!(changed(|r| r.expire_days = 91), invalid);
    assert_eq!(
        changed(|r| r.signer_position = "Giám đốc".to_owned()),
        invalid
    );
    assert_eq!(
        changed(|r| r.in_reply_to = vec!["45/QĐ-UBND".to_owned()]),
        invalid
    );
    let mut stale = network.context(&seat);
    stale.now = now().plus_seconds(400 * 86_400);
    let begun = seat
        .agency
        .outbox()
        .begin(envelope_id(1), to(&["H49.14"]), &stale);
    assert_eq!(
        begun.map(|_| ()).unwrap_err().code(),
        ErrorCode::DirectoryExpired
    );
}

#[test]
fn files_are_as_long_as_announced() {
    let network = Network::new();
    let seat = network.seat(0);
    let context = network.context(&seat);
    let outbox = seat.agency.outbox();
    let begin = || {
        outbox
            .begin(envelope_id(1), request(&["H49.14"]), &context)
            .unwrap()
    };
    let open = FileOpen {
        name: "a.pdf".to_owned(),
        media_type: String::new(),
        title: String::new(),
        size: 3,
    };
    let mut staging = begin();
    assert!(matches!(staging.write(b"x"), Err(ComposeError::NoHead)));
    staging.begin_file(&open).unwrap();
    assert!(matches!(
        staging.write(b"four"),
        Err(ComposeError::FileSize { .. })
    ));
    drop(staging);
    let mut staging = begin();
    staging.begin_file(&open).unwrap();
    staging.write(b"12").unwrap();
    assert!(matches!(
        outbox.compose(staging, now()),
        Err(ComposeError::FileSize { .. })
    ));
    assert!(matches!(
        outbox.compose(begin(), now()),
        Err(ComposeError::NoFile)
    ));
    let huge = FileOpen {
        size: u64::MAX,
        ..open
    };
    assert!(matches!(
        begin().begin_file(&huge),
        Err(ComposeError::TooLarge { .. })
    ));
    // Nothing of all that is left.
    assert_eq!(
        std::fs::read_dir(seat.agency.home().outbox_dir())
            .unwrap()
            .count(),
        0
    );
}

#[test]
fn the_same_id_is_the_same_document_or_refused() {
    let network = Network::new();
    let seat = network.seat(0);
    let context = network.context(&seat);
    let id = envelope_id(1);
    let first = seat.compose(id, request(&["H49.14"]), &context);
    let again = seat.compose(id, request(&["H49.14"]), &context);
    assert!(!first.repeated && again.repeated);
    assert_eq!(first.document, again.document);
    let outbox = seat.agency.outbox();
    let other = outbox.begin(id, request(&["H49.15"]), &context);
    assert!(matches!(other, Err(ComposeError::IdReused { .. })));
    let mut staging = outbox.begin(id, request(&["H49.14"]), &context).unwrap();
    file(&mut staging, "Văn bản.pdf", b"other content");
    let other = outbox.compose(staging, now());
    assert!(matches!(other, Err(ComposeError::IdReused { .. })));
}

#[test]
fn sealing_survives_a_cut_after_each_step() {
    let network = Network::new();
    let (id, work) = (envelope_id(1), tempfile::tempdir().unwrap());
    let cuts = cuts(network.node(0), work.path(), || {
        let seat = network.seat(0);
        let context = network.context(&seat);
        seat.send(id, request(&["H49.14", "H49.15"]), &context);
    });
    assert!(cuts.len() > 8, "{} steps", cuts.len());
    let last = Seat::open(cuts.last().unwrap());
    let original = last.agency.outbox().load_submission(id).unwrap();
    drop(last);
    for node in &cuts {
        let seat = Seat::open(node);
        let context = network.context(&seat);
        let outbox = seat.agency.outbox();
        let before = outbox.state(id).unwrap();
        let submission = seat.send(id, request(&["H49.14", "H49.15"]), &context);
        if before == Some(SentState::Sealed) {
            assert_eq!(submission.signed, original.signed);
            assert_eq!(submission.wraps, original.wraps);
            assert_eq!(payload_of(&submission), payload_of(&original));
        }
        let next = seat.compose(envelope_id(2), request(&["H49.14"]), &context);
        let first = outbox.folder(id).unwrap().compose().unwrap().unwrap();
        assert_eq!(first.document.symbol(), "01/QĐ-H49.13");
        assert_eq!(next.document.symbol(), "02/QĐ-H49.13");
        assert_eq!(outbox.pending().len(), 2);
        assert!(!seat.agency.home().outbox_entry(id).join("files").exists());
    }
}

#[test]
fn the_stock_tools_open_what_was_sealed() {
    let network = Network::new();
    let seat = network.seat(0);
    let context = network.context(&seat);
    let submission = seat.send(envelope_id(1), request(&["H49.14"]), &context);
    let folder = seat.agency.outbox().folder(envelope_id(1)).unwrap();
    let opened = std::process::Command::new("age")
        .args(["-d", "-i", "wrap.txt", "payload.age"])
        .current_dir(folder.path())
        .output()
        .expect("this test needs `age` in PATH");
    assert!(
        opened.status.success(),
        "{}",
        String::from_utf8_lossy(&opened.stderr)
    );
    let container = std::fs::read(folder.file(crate::folder::CONTAINER)).unwrap();
    assert_eq!(opened.stdout, container);
    let salt = std::fs::read_to_string(folder.file(crate::folder::SALT)).unwrap();
    let commitment = Digest::commit(&salt.trim().parse().unwrap(), &Digest::of(&container));
    assert_eq!(commitment, submission.envelope.content);
}

#[test]
fn the_archive_survives_a_cut_after_each_step() {
    let network = Network::new();
    let (id, work) = (envelope_id(1), tempfile::tempdir().unwrap());
    let seat = network.seat(0);
    let context = network.context(&seat);
    let submission = seat.send(id, request(&["H49.14", "H49.15"]), &context);
    drop(seat);
    let answer = network.accept(&submission.signed, place(1));
    let evidence = ends(&network, &submission.envelope, &submission.signed);
    let record = |seat: &Seat| {
        let outbox = seat.agency.outbox();
        outbox
            .record_answer(&answer, &verified(&network, &answer))
            .unwrap();
        for (place_number, signed) in (1..).zip(&evidence) {
            let verified = verified(&network, signed);
            outbox
                .record_evidence(place(place_number), signed, &verified, &network.directory)
                .unwrap();
        }
    };
    let cuts = cuts(network.node(0), work.path(), || record(&network.seat(0)));
    for node in &cuts {
        let seat = Seat::open(node);
        record(&seat);
        let outbox = seat.agency.outbox();
        assert_eq!(outbox.state(id).unwrap(), Some(SentState::Final));
        assert!(outbox.pending().is_empty());
        let folder = outbox.folder(id).unwrap();
        assert!(folder.path().starts_with(seat.agency.home().archive_dir()));
        assert_eq!(folder.statements().unwrap().len(), 3);
        let rows = seat
            .index
            .sent(seat.id(), &ListQuery::default())
            .unwrap()
            .rows;
        assert_eq!((rows.len(), rows[0].state.as_str()), (1, "final"));
        assert_eq!((rows[0].handed_over, rows[0].failed), (1, 1));
        let recipients = seat.index.recipients(seat.id(), id).unwrap();
        let states: Vec<&str> = recipients.iter().map(|row| row.state.as_str()).collect();
        assert_eq!(states, ["handed-over", "failed"]);
        assert_eq!(recipients[1].reason, "not-collected");
    }
}

/// A receipt of the first recipient, an expiry for the second.
fn ends(network: &Network, envelope: &Envelope, signed: &SignedStatement) -> Vec<SignedStatement> {
    let about = envelope.reference(signed.digest()).unwrap();
    let placement = |text: &str| Placement {
        id: network.id_of(&code(text)),
        code: code(text),
        sequence: place(1),
    };
    let recipient = network.seat(1);
    let context = network.context(&recipient);
    let mut receipt = Evidence::new(
        envelope.network,
        recipient.keys.signer(&network.directory, now()),
        now(),
        Event::ContentHandover,
        network.directory.hubs().next().unwrap().id,
        about.clone(),
    );
    receipt.placements = vec![placement("H49.14")];
    receipt.content = Some(envelope.content);
    let statement = consign_domain::statement::Statement::to_bytes(&receipt);
    let receipt = sign(&context.keys.statement, statement);
    let lapse = network.evidence(
        Event::ContentHandoverFailure,
        about,
        vec![placement("H49.15")],
        Some(ErrorCode::NotCollected),
    );
    vec![receipt, lapse]
}

#[test]
fn a_refusal_of_the_hub_is_final() {
    let network = Network::new();
    let seat = network.seat(0);
    let context = network.context(&seat);
    let id = envelope_id(1);
    let submission = seat.send(id, request(&["H49.14"]), &context);
    let about = submission
        .envelope
        .reference(submission.signed.digest())
        .unwrap();
    let reason = Some(ErrorCode::RecipientUnknown);
    let refusal = network.evidence(Event::SubmissionRejection, about, Vec::new(), reason);
    let outbox = seat.agency.outbox();
    let evidence = verified(&network, &refusal);
    assert_eq!(
        outbox.record_answer(&refusal, &evidence).unwrap(),
        Recorded::New
    );
    assert_eq!(
        outbox.record_answer(&refusal, &evidence).unwrap(),
        Recorded::Known
    );
    assert_eq!(outbox.state(id).unwrap(), Some(SentState::Rejected));
    let rows = seat
        .index
        .sent(seat.id(), &ListQuery::default())
        .unwrap()
        .rows;
    assert_eq!(
        (rows[0].state.as_str(), rows[0].reason.as_str()),
        ("rejected", "recipient-unknown")
    );
    let recipients = seat.index.recipients(seat.id(), id).unwrap();
    assert_eq!(recipients[0].state, DeliveryState::Rejected.as_str());
}

#[test]
fn evidence_of_another_envelope_is_not_taken() {
    let network = Network::new();
    let seat = network.seat(0);
    let context = network.context(&seat);
    let one = seat.send(envelope_id(1), request(&["H49.14"]), &context);
    let two = seat.send(envelope_id(2), request(&["H49.14"]), &context);
    let mut about = one.envelope.reference(one.signed.digest()).unwrap();
    about.id = two.envelope.id;
    let placements = vec![Placement {
        id: network.id_of(&code("H49.14")),
        code: code("H49.14"),
        sequence: place(1),
    }];
    let mixed = network.evidence(Event::SubmissionAcceptance, about, placements, None);
    let outbox = seat.agency.outbox();
    let refused = outbox
        .record_answer(&mixed, &verified(&network, &mixed))
        .unwrap_err();
    assert_eq!(refused.code(), ErrorCode::ReceiptMismatch);
    assert_eq!(
        outbox.state(two.envelope.id).unwrap(),
        Some(SentState::Sealed)
    );
}

#[test]
fn a_recipient_signs_for_no_other_recipient() {
    let network = Network::new();
    let seat = network.seat(0);
    let context = network.context(&seat);
    let submission = seat.send(envelope_id(1), request(&["H49.14", "H49.15"]), &context);
    let [mut receipt, _] =
        <[_; 2]>::try_from(ends(&network, &submission.envelope, &submission.signed)).unwrap();
    let mut parsed: Evidence =
        consign_domain::statement::Statement::parse(&receipt.statement).unwrap();
    parsed.placements[0].code = code("H49.15");
    let statement = consign_domain::statement::Statement::to_bytes(&parsed);
    receipt = sign(&network.seat(1).keys.statement, statement);
    let outbox = seat.agency.outbox();
    let evidence = verified(&network, &receipt);
    let refused = outbox
        .record_evidence(place(1), &receipt, &evidence, &network.directory)
        .unwrap_err();
    assert_eq!(refused.code(), ErrorCode::ReceiptMismatch);
}

#[test]
fn a_register_line_that_a_full_disk_kept_back_is_written_later() {
    let network = Network::new();
    let seat = network.seat(0);
    let id = envelope_id(1);
    let composed = seat.compose(id, request(&["H49.14"]), &network.context(&seat));
    let document = composed.document;
    let work = tempfile::tempdir().unwrap();
    let path = work.path().join("registers");
    let mut registers = crate::register::Registers::new(path.clone());
    registers.next(document.issued_on.year()).unwrap();
    std::fs::write(&path, "in the way").unwrap();
    assert!(registers.enter(&document, id, true).is_err());
    assert!(registers.write_out().is_err(), "not archived before");
    std::fs::remove_file(&path).unwrap();
    registers.write_out().unwrap();
    let mut registers = crate::register::Registers::new(path);
    let year = document.issued_on.year();
    let holder = registers.holder(year, &document.number, &document.notation);
    assert_eq!(holder.unwrap(), Some(id));
}

#[test]
fn urgent_ones_go_first_and_old_ones_before_new_ones() {
    let network = Network::new();
    let seat = network.seat(0);
    let context = network.context(&seat);
    for (id, urgency) in [(1, 0), (2, 3), (3, 0), (4, 3)] {
        let request = ComposeRequest {
            urgency,
            ..request(&["H49.14"])
        };
        seat.compose(envelope_id(id), request, &context);
    }
    let order: Vec<_> = seat
        .agency
        .outbox()
        .pending()
        .iter()
        .map(|entry| entry.id)
        .collect();
    assert_eq!(order, [2, 4, 1, 3].map(envelope_id));
}
