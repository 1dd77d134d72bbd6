//! Receiving: the way of one envelope, a cut after each step, and hostile senders and hubs.

mod again;
mod forgery;

use bytes::Bytes;
use consign_domain::statement::{BusinessStatus, Statement as _, Status};
use consign_domain::{Digest, EnvelopeId, ErrorCode, SignedStatement};
use consign_pki::encryption::seal_small;

use super::{Inbox, InboxError, InboxStep, Item, ItemContent};
use crate::context::Context;
use crate::folder::CONTAINER;
use crate::index::ListQuery;
use crate::outbox::Submission;
use crate::testing::{
    Network, Seat, code, cuts, envelope_id, in_order, now, payload_of, place, release, request,
    sign,
};
use forgery::{Forged, Forgery, forge};

/// One document from the first agency to the others.
fn sent(network: &Network, id: EnvelopeId, to: &[&str]) -> Submission {
    let seat = network.seat(0);
    let submission = seat.send(id, request(to), &network.context(&seat));
    // What is inline is in memory; the tests ask for nothing that lies in a file.
    let _ = payload_of(&submission);
    submission
}

/// Takes an envelope from the offer to its end; gives the receipt.
fn drive(seat: &Seat, network: &Network, submission: &Submission, to: &str) -> SignedStatement {
    let context = network.context(seat);
    let inbox = seat.agency.inbox();
    let item = network.item(&submission.signed, &payload_of(submission), place(1));
    let receipt = inbox.receive(vec![item], &context);
    assert!(receipt.fault.is_none(), "{:?}", receipt.fault);
    assert_eq!(receipt.stored, Some(place(1)));
    let sent = match inbox.advance(place(1), &context).unwrap() {
        InboxStep::SendReceipt(sent) => {
            let release = release(&submission.envelope, &submission.wraps, to);
            inbox.store_release(&release).unwrap();
            sent
        }
        InboxStep::Done => seat_receipt(inbox, submission),
        other => panic!("{other:?}"),
    };
    assert_eq!(inbox.advance(place(1), &context).unwrap(), InboxStep::Done);
    sent
}

fn seat_receipt(inbox: &Inbox, submission: &Submission) -> SignedStatement {
    let folder = inbox.folder(submission.envelope.key()).unwrap();
    folder.signed("receipt").unwrap().unwrap()
}

#[test]
fn what_was_sealed_is_opened() {
    let network = Network::new();
    let submission = sent(&network, envelope_id(1), &["H49.14", "H49.15"]);
    let seat = network.seat(1);
    let receipt = drive(&seat, &network, &submission, "H49.14");
    // The sender takes the receipt.
    let sender = network.seat(0);
    let context = network.context(&sender);
    let answer = network.accept(&submission.signed, place(1));
    let items = [answer, receipt].map(|evidence| ItemContent::Evidence { evidence });
    let items = (1..)
        .zip(items)
        .map(|(number, content)| in_order(place(number), content));
    let taken = sender.agency.inbox().receive(items.collect(), &context);
    assert!(taken.fault.is_none() && taken.aside.is_empty(), "{taken:?}");
    assert_eq!(taken.tracked, [envelope_id(1), envelope_id(1)]);
    let states = sender
        .index
        .recipients(sender.id(), envelope_id(1))
        .unwrap();
    assert_eq!(states[0].state, "handed-over");
    assert_eq!(states[1].state, "consigned");

    let folder = seat
        .agency
        .inbox()
        .folder(submission.envelope.key())
        .unwrap();
    assert!(folder.path().starts_with(seat.agency.home().archive_dir()));
    let files = folder.files().unwrap();
    assert_eq!(files.len(), 2);
    assert_eq!(files[0].name, "Văn bản.pdf");
    assert!(
        String::from_utf8(folder.report_json().unwrap().unwrap())
            .unwrap()
            .contains("TOTAL-PASSED")
    );
    let sent_folder = sender.agency.outbox().folder(envelope_id(1)).unwrap();
    assert_eq!(
        folder.document_json().unwrap(),
        sent_folder.document_json().unwrap()
    );
    assert_eq!(
        std::fs::read(folder.file(CONTAINER)).unwrap(),
        std::fs::read(sent_folder.file(CONTAINER)).unwrap()
    );
    let exported: Vec<String> = folder
        .export()
        .unwrap()
        .into_iter()
        .map(|file| file.name)
        .collect();
    for name in [
        "container.asice",
        "item.json",
        "item.sig",
        "wrap.txt",
        "receipt.sig",
    ] {
        assert!(
            exported.iter().any(|file| file == name),
            "{name} in {exported:?}"
        );
    }
    let row = &seat
        .index
        .received(seat.id(), &ListQuery::default())
        .unwrap()
        .rows[0];
    assert_eq!(
        (row.state.as_str(), row.verdict.as_str()),
        ("opened", "TOTAL-PASSED")
    );
    assert_eq!(row.sender_name, "Sở Nội vụ tỉnh Quảng Ninh");
    assert!(seat.agency.inbox().work().is_empty());
}

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
fn a_refusal_survives_a_cut_after_each_step() {
    let plain = Forgery::default;
    for (forgery, expected) in [
        (
            Forgery {
                salt: true,
                ..plain()
            },
            ErrorCode::ContentMismatch,
        ),
        (
            Forgery {
                addressee: true,
                ..plain()
            },
            ErrorCode::AddresseeMismatch,
        ),
        (
            Forgery {
                altered: true,
                ..plain()
            },
            ErrorCode::ContainerMalformed,
        ),
    ] {
        let network = Network::new();
        let forged = forge(&network, &forgery);
        let work = tempfile::tempdir().unwrap();
        let cuts = cuts(network.node(1), work.path(), || {
            refused(&network, &network.seat(1), &forged);
        });
        for node in &cuts {
            let seat = Seat::open(node);
            let made = seat.agency.inbox().folder(forged.envelope.key());
            let made = made
                .ok()
                .and_then(|folder| folder.signed("status/own-02").unwrap());
            let (reason, status) = refused(&network, &seat, &forged);
            assert_eq!(reason, expected);
            assert!(made.is_none_or(|made| made == status), "never made anew");
            let rows = seat
                .index
                .received(seat.id(), &ListQuery::default())
                .unwrap()
                .rows;
            assert_eq!((rows.len(), rows[0].state.as_str()), (1, "refused"));
            assert_eq!(rows[0].reason, expected.as_str());
        }
    }
}

/// Takes a forged envelope to its refusal, and the refusal to the hub; gives the reason.
fn refused(network: &Network, seat: &Seat, forged: &Forged) -> (ErrorCode, SignedStatement) {
    let context = network.context(seat);
    let inbox = seat.agency.inbox();
    let item = network.item(&forged.signed, &forged.payload, place(1));
    let receipt = inbox.receive(vec![item], &context);
    assert!(
        receipt.fault.is_none() && receipt.aside.is_empty(),
        "{receipt:?}"
    );
    if let InboxStep::SendReceipt(_) = inbox.advance(place(1), &context).unwrap() {
        let release = release(&forged.envelope, &forged.wraps, "H49.14");
        inbox.store_release(&release).unwrap();
    }
    let status = match inbox.advance(place(1), &context).unwrap() {
        InboxStep::PostStatus { status, text } => {
            assert!(text.is_empty());
            let again = inbox.advance(place(1), &context).unwrap();
            assert!(matches!(again, InboxStep::PostStatus { status: same, .. } if same == status));
            inbox.status_posted(place(1)).unwrap();
            assert_eq!(inbox.advance(place(1), &context).unwrap(), InboxStep::Done);
            status
        }
        InboxStep::Done => {
            let folder = inbox.folder(forged.envelope.key()).unwrap();
            folder.signed("status/own-02").unwrap().unwrap()
        }
        other => panic!("{other:?}"),
    };
    let parsed = Status::parse(&status.statement).unwrap();
    assert_eq!(parsed.status, BusinessStatus::Refused);
    (parsed.reason.unwrap(), status)
}

#[test]
fn what_is_provably_wrong_is_refused_with_its_reason() {
    let plain = Forgery::default;
    for (forgery, reason) in [
        (
            Forgery {
                salt: true,
                ..plain()
            },
            ErrorCode::ContentMismatch,
        ),
        (
            Forgery {
                recipient: true,
                ..plain()
            },
            ErrorCode::WrapMismatch,
        ),
        (
            Forgery {
                identity: true,
                ..plain()
            },
            ErrorCode::WrapMismatch,
        ),
        (
            Forgery {
                garbage_wrap: true,
                ..plain()
            },
            ErrorCode::WrapMismatch,
        ),
        (
            Forgery {
                garbage_payload: true,
                ..plain()
            },
            ErrorCode::PayloadUndecryptable,
        ),
        (
            Forgery {
                altered: true,
                ..plain()
            },
            ErrorCode::ContainerMalformed,
        ),
        (
            Forgery {
                addressee: true,
                ..plain()
            },
            ErrorCode::AddresseeMismatch,
        ),
    ] {
        let network = Network::new();
        let forged = forge(&network, &forgery);
        let seat = network.seat(1);
        assert_eq!(refused(&network, &seat, &forged).0, reason);
        // The next one is not kept from coming.
        drop(seat);
        let submission = sent(&network, envelope_id(2), &["H49.14"]);
        let seat = network.seat(1);
        let item = network.item(&submission.signed, &payload_of(&submission), place(2));
        let context = network.context(&seat);
        let receipt = seat.agency.inbox().receive(vec![item], &context);
        assert_eq!(receipt.envelopes, [place(2)]);
    }
}

#[test]
fn a_wrap_that_the_envelope_does_not_name_is_not_taken() {
    let network = Network::new();
    let submission = sent(&network, envelope_id(1), &["H49.14", "H49.15"]);
    let seat = network.seat(1);
    let context = network.context(&seat);
    let inbox = seat.agency.inbox();
    let item = network.item(&submission.signed, &payload_of(&submission), place(1));
    inbox.receive(vec![item], &context);
    let good = release(&submission.envelope, &submission.wraps, "H49.14");
    let early = inbox.store_release(&good).unwrap_err();
    assert_eq!(
        early.code(),
        ErrorCode::Internal,
        "no wrap before the receipt"
    );
    assert!(matches!(
        inbox.advance(place(1), &context),
        Ok(InboxStep::SendReceipt(_))
    ));
    let other = release(&submission.envelope, &submission.wraps, "H49.15");
    assert!(matches!(inbox.store_release(&other), Err(InboxError::Wrap)));
    let mut changed = good.clone();
    changed.wrap = Bytes::from_static(b"another wrap");
    assert!(matches!(
        inbox.store_release(&changed),
        Err(InboxError::Wrap)
    ));
    assert!(matches!(
        inbox.advance(place(1), &context),
        Ok(InboxStep::SendReceipt(_))
    ));
    inbox.store_release(&good).unwrap();
    assert_eq!(inbox.advance(place(1), &context).unwrap(), InboxStep::Done);
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

#[test]
fn doubt_is_held_and_never_refused() {
    let network = Network::new();
    let submission = sent(&network, envelope_id(1), &["H49.14"]);
    let seat = network.seat(1);
    let context = network.context(&seat);
    let stale = Context {
        now: now().plus_seconds(60 * 86_400),
        ..context
    };
    let inbox = seat.agency.inbox();
    let item = network.item(&submission.signed, &payload_of(&submission), place(1));
    inbox.receive(vec![item], &stale);
    let held = InboxStep::Held {
        reason: ErrorCode::DirectoryExpired,
    };
    assert_eq!(inbox.advance(place(1), &stale).unwrap(), held);
    assert_eq!(inbox.counts().held, 1);
    assert!(matches!(
        inbox.advance(place(1), &context),
        Ok(InboxStep::SendReceipt(_))
    ));
    inbox
        .store_release(&release(&submission.envelope, &submission.wraps, "H49.14"))
        .unwrap();
    assert_eq!(inbox.advance(place(1), &stale).unwrap(), held);
    // A byte that our own disk changed is not the sender's fault.
    let path = seat.agency.home().inbox_entry(place(1)).join(CONTAINER);
    let bytes = std::fs::read(&path).unwrap();
    let mut changed = bytes.clone();
    changed[200] ^= 1;
    std::fs::write(&path, &changed).unwrap();
    assert!(matches!(
        inbox.advance(place(1), &context),
        Err(InboxError::Node(_))
    ));
    std::fs::write(&path, &bytes).unwrap();
    assert_eq!(inbox.advance(place(1), &context).unwrap(), InboxStep::Done);
    assert_eq!(inbox.counts(), super::InboxCounts::default());
}

#[test]
fn what_lapsed_is_archived_without_its_key() {
    let network = Network::new();
    let submission = sent(&network, envelope_id(1), &["H49.14"]);
    let seat = network.seat(1);
    let context = network.context(&seat);
    let inbox = seat.agency.inbox();
    let item = network.item(&submission.signed, &payload_of(&submission), place(1));
    inbox.receive(vec![item], &context);
    inbox.advance(place(1), &context).unwrap();
    let key = submission.envelope.key();
    let early = inbox.lapsed(key, ErrorCode::AlreadySettled, now());
    assert!(matches!(early, Err(InboxError::NotYet { .. })));
    let step = inbox.advance(place(1), &context).unwrap();
    assert!(matches!(step, InboxStep::SendReceipt(_)), "still asking");
    let expired = submission.envelope.expires;
    inbox
        .lapsed(key, ErrorCode::AlreadySettled, expired)
        .unwrap();
    assert_eq!(inbox.advance(place(1), &context).unwrap(), InboxStep::Done);
    let rows = seat
        .index
        .received(seat.id(), &ListQuery::default())
        .unwrap()
        .rows;
    assert_eq!(
        (rows[0].state.as_str(), rows[0].reason.as_str()),
        ("refused", "already-settled")
    );
}

#[test]
fn a_status_reaches_the_sender_with_its_text() {
    let network = Network::new();
    let submission = sent(&network, envelope_id(1), &["H49.14"]);
    let recipient = network.seat(1);
    let mut status = Status::new(
        submission.envelope.network,
        recipient.keys.signer(&network.directory, now()),
        now(),
        submission
            .envelope
            .reference(submission.signed.digest())
            .unwrap(),
        code("H49.13"),
        BusinessStatus::Refused,
    );
    let mut plain = vec![3; 32];
    plain.extend_from_slice("Gửi nhầm đơn vị".as_bytes());
    status.text = Some(Digest::of(&plain));
    let sender = network.seat(0);
    let context = network.context(&sender);
    let text = seal_small(&sender.keys.encryption[0].recipient(), &plain).unwrap();
    let item = in_order(
        place(1),
        ItemContent::Status {
            status: sign(&recipient.keys.statement, status.to_bytes()),
            text: text.into(),
        },
    );
    let receipt = sender.agency.inbox().receive(vec![item], &context);
    assert!(
        receipt.fault.is_none() && receipt.aside.is_empty(),
        "{receipt:?}"
    );
    let row = &sender
        .index
        .recipients(sender.id(), envelope_id(1))
        .unwrap()[0];
    assert_eq!(
        (row.status.as_str(), row.status_text.as_str()),
        ("02", "Gửi nhầm đơn vị")
    );
    let row = &sender
        .index
        .sent(sender.id(), &ListQuery::default())
        .unwrap()
        .rows[0];
    assert_eq!(row.refused, 1);
}
