//! What arrives: a cut after each step, parts, damage, and places that do not follow.

use bytes::Bytes;
use consign_domain::{ErrorCode, SignedStatement};

use super::{drive, sent};
use crate::inbox::{InboxError, InboxStep, Item, ItemContent};
use crate::index::ListQuery;
use crate::outbox::Submission;
use crate::testing::{Network, Seat, cuts, envelope_id, in_order, payload_of, place, release};

#[test]
fn receiving_survives_a_cut_after_each_step() {
    let network = Network::new();
    let submission = sent(&network, envelope_id(1), &["H49.14"]);
    let work = tempfile::tempdir().unwrap();
    let mut first = None;
    let cuts = {
        let first = &mut first;
        cuts(network.node(1), work.path(), || {
            *first = Some(drive(&network.seat(1), &network, &submission, "H49.14"));
        })
    };
    assert!(cuts.len() > 10, "{} steps", cuts.len());
    for node in &cuts {
        let seat = Seat::open(node);
        let made = seat
            .agency
            .inbox()
            .folder(submission.envelope.key())
            .ok()
            .and_then(|folder| folder.signed("receipt").unwrap());
        let receipt = drive(&seat, &network, &submission, "H49.14");
        if made.is_some() {
            assert_eq!(
                Some(&receipt),
                first.as_ref(),
                "a receipt is never made anew"
            );
        }
        let rows = seat
            .index
            .received(seat.id(), &ListQuery::default())
            .unwrap()
            .rows;
        assert_eq!(rows.len(), 1);
        assert_eq!(rows[0].state, "opened");
        assert_eq!(seat.agency.inbox().cursor().unwrap().0, place(1));
        let leftovers = std::fs::read_dir(seat.agency.home().inbox_dir())
            .unwrap()
            .count();
        assert_eq!(leftovers, 0);
        drop(seat);
        // The index is only an index.
        std::fs::remove_file(node.index_file()).unwrap();
        let seat = Seat::open(node);
        let again = seat
            .index
            .received(seat.id(), &ListQuery::default())
            .unwrap()
            .rows;
        assert_eq!(again, rows);
    }
}

/// The node finds the item at its start and ends it before the hub offers it again.
#[test]
fn what_was_archived_ahead_of_the_cursor_is_recognised() {
    let network = Network::new();
    let submission = sent(&network, envelope_id(1), &["H49.14"]);
    let item = || network.item(&submission.signed, &payload_of(&submission), place(1));
    let seat = network.seat(1);
    let first = seat
        .agency
        .inbox()
        .receive(vec![item()], &network.context(&seat));
    assert_eq!(first.stored, Some(place(1)));
    std::fs::remove_file(seat.agency.home().cursor_file()).unwrap();
    drop(seat);

    let seat = network.seat(1);
    let (inbox, context) = (seat.agency.inbox(), network.context(&seat));
    assert_eq!(inbox.cursor(), None);
    let step = inbox.advance(place(1), &context).unwrap();
    assert!(matches!(step, InboxStep::SendReceipt(_)), "{step:?}");
    let release = release(&submission.envelope, &submission.wraps, "H49.14");
    inbox.store_release(&release).unwrap();
    assert_eq!(inbox.advance(place(1), &context).unwrap(), InboxStep::Done);
    let again = inbox.receive(vec![item()], &context);
    assert!(again.fault.is_none() && again.aside.is_empty(), "{again:?}");
    assert_eq!(again.stored, Some(place(1)));
}

#[test]
fn a_large_payload_is_fetched_in_parts() {
    let network = Network::new();
    let submission = sent(&network, envelope_id(1), &["H49.14"]);
    let payload = payload_of(&submission);
    let item = in_order(
        place(1),
        ItemContent::Envelope {
            envelope: submission.signed.clone(),
            acceptance: network.accept(&submission.signed, place(1)),
            payload: None,
        },
    );
    let seat = network.seat(1);
    seat.agency
        .inbox()
        .receive(vec![item], &network.context(&seat));
    let half = payload.len() / 2;
    let need = |seat: &Seat| match seat
        .agency
        .inbox()
        .advance(place(1), &network.context(seat))
    {
        Ok(InboxStep::NeedPayload { size, offset, .. }) => {
            assert_eq!(size, payload.len() as u64);
            offset
        }
        other => panic!("{other:?}"),
    };
    assert_eq!(need(&seat), 0);
    assert_eq!(seat.agency.inbox().counts().to_fetch, 1);
    let mut writer = seat.agency.inbox().payload_writer(place(1)).unwrap();
    writer.write(&payload[..half]).unwrap();
    drop((writer, seat));
    let seat = network.seat(1);
    assert_eq!(need(&seat), half as u64);
    let inbox = seat.agency.inbox();
    // A wrong end is discarded, all of it.
    let mut writer = inbox.payload_writer(place(1)).unwrap();
    writer.write(&vec![0; payload.len() - half]).unwrap();
    assert!(matches!(writer.finish(), Err(InboxError::Payload)));
    assert_eq!(need(&seat), 0);
    let mut writer = inbox.payload_writer(place(1)).unwrap();
    let too_much = writer.write(&vec![0; payload.len() + 1]);
    assert!(matches!(too_much, Err(InboxError::Payload)));
    drop(writer);
    // What is longer than the payload is no part of it.
    let part = seat
        .agency
        .home()
        .inbox_entry(place(1))
        .join("payload.part");
    std::fs::write(&part, vec![0; payload.len() + 1]).unwrap();
    assert_eq!(inbox.payload_writer(place(1)).unwrap().offset(), 0);
    let mut writer = inbox.payload_writer(place(1)).unwrap();
    writer.write(&payload).unwrap();
    writer.finish().unwrap();
    let step = inbox.advance(place(1), &network.context(&seat)).unwrap();
    assert!(matches!(step, InboxStep::SendReceipt(_)));
    assert_eq!(inbox.counts().to_fetch, 0);
}

/// What a crash left without its item, and what a hand spoilt, keeps nothing from going on.
#[test]
fn damage_to_one_folder_is_put_aside_and_blocks_nothing() {
    let network = Network::new();
    let answered = sent(&network, envelope_id(1), &["H49.14"]);
    let seat = network.seat(0);
    let home = seat.agency.home();
    let torn = home.inbox_entry(place(7));
    std::fs::create_dir_all(torn.join("status")).unwrap();
    std::fs::write(torn.join("status/own-02.json"), "{}").unwrap();
    let aside = home.aside_dir();
    let folder = seat.agency.outbox().folder(envelope_id(1)).unwrap();
    std::fs::remove_file(folder.path().join("envelope.json")).unwrap();
    drop(seat);

    let seat = network.seat(0);
    assert!(!torn.exists());
    assert!(aside.join("000000000007.damaged/status").exists());
    let evidence = network.accept(&answered.signed, place(1));
    let content = ItemContent::Evidence { evidence };
    let sequence = place(1);
    let item = in_order(sequence, content);
    let receipt = seat
        .agency
        .inbox()
        .receive(vec![item], &network.context(&seat));
    assert!(receipt.fault.is_none(), "{:?}", receipt.fault);
    assert_eq!(receipt.stored, Some(place(1)));
    assert_eq!(receipt.aside, [(place(1), ErrorCode::NotFound)]);
}

#[test]
fn the_sequence_has_no_gap_and_no_second_version() {
    let network = Network::new();
    let one = sent(&network, envelope_id(1), &["H49.14"]);
    let two = sent(&network, envelope_id(2), &["H49.14"]);
    let seat = network.seat(1);
    let context = network.context(&seat);
    let inbox = seat.agency.inbox();
    let item = |submission: &Submission, number| {
        network.item(&submission.signed, &payload_of(submission), place(number))
    };
    let gap = inbox.receive(vec![item(&one, 2)], &context);
    assert!(matches!(gap.fault, Some(InboxError::Gap { .. })) && gap.stored.is_none());
    let both = inbox.receive(vec![item(&one, 1), item(&one, 1), item(&two, 2)], &context);
    assert!(both.fault.is_none(), "{:?}", both.fault);
    assert_eq!((both.stored, both.envelopes.len()), (Some(place(2)), 2));
    let again = inbox.receive(vec![item(&one, 1), item(&two, 2)], &context);
    assert!(again.fault.is_none() && again.envelopes.is_empty());
    let lie = inbox.receive(vec![item(&two, 1)], &context);
    assert!(matches!(lie.fault, Some(InboxError::Contradiction { .. })));
    assert_eq!(inbox.cursor(), Some((place(2), two.signed.digest())));
}

#[test]
fn what_cannot_be_digested_is_put_aside_and_blocks_nothing() {
    let network = Network::new();
    let submission = sent(&network, envelope_id(1), &["H49.14"]);
    let foreign = sent(&network, envelope_id(2), &["H49.15"]);
    let seat = network.seat(1);
    let context = network.context(&seat);
    let mut forged = submission.signed.clone();
    forged.signature[0] ^= 1;
    let payload = payload_of(&submission);
    let elsewhere = in_order(
        place(3),
        ItemContent::Envelope {
            envelope: submission.signed.clone(),
            acceptance: network.accept(&submission.signed, place(9)),
            payload: None,
        },
    );
    let unknown = in_order(
        place(4),
        ItemContent::Evidence {
            evidence: network.accept(&foreign.signed, place(1)),
        },
    );
    let nonsense = in_order(
        place(5),
        ItemContent::Status {
            status: SignedStatement {
                statement: Bytes::from_static(b"{}"),
                signature: [0; 64],
            },
            text: Bytes::new(),
        },
    );
    let items = vec![
        Item {
            sequence: place(1),
            ..network.item(&forged, &payload, place(1))
        },
        network.item(&foreign.signed, &payload, place(2)),
        elsewhere,
        unknown,
        nonsense,
        network.item(&submission.signed, &payload, place(6)),
        network.item(&submission.signed, &payload, place(7)),
    ];
    let receipt = seat.agency.inbox().receive(items, &context);
    assert!(receipt.fault.is_none(), "{:?}", receipt.fault);
    let aside: Vec<_> = receipt
        .aside
        .iter()
        .map(|(at, code)| (at.value(), *code))
        .collect();
    assert_eq!(
        aside,
        [
            (1, ErrorCode::SignatureInvalid),
            (2, ErrorCode::ReceiptMismatch),
            (3, ErrorCode::ReceiptMismatch),
            (4, ErrorCode::EnvelopeUnknown),
            (5, ErrorCode::StatementKind),
            (7, ErrorCode::IdReused),
        ]
    );
    assert_eq!(
        (receipt.stored, receipt.envelopes),
        (Some(place(7)), vec![place(6)])
    );
    let reason = seat
        .agency
        .home()
        .aside_dir()
        .join("000000000001/reason.json");
    assert!(
        std::fs::read_to_string(reason)
            .unwrap()
            .contains("signature-invalid")
    );
}
