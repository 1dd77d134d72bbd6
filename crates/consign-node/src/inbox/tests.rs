//! The way of one envelope through an inbox.

mod again;
mod forgery;
mod receiving;
mod refusing;

use consign_domain::statement::{BusinessStatus, Statement as _, Status};
use consign_domain::{Digest, EnvelopeId, ErrorCode, SignedStatement};
use consign_pki::encryption::seal_small;

use super::{Inbox, InboxError, InboxStep, ItemContent};
use crate::folder::CONTAINER;
use crate::index::ListQuery;
use crate::outbox::Submission;
use crate::testing::{
    Network, Seat, code, envelope_id, in_order, now, payload_of, place, release, request, sign,
};

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
