//! Hostile senders and hubs: what is provably wrong is refused, what is in doubt is held.

use bytes::Bytes;
use consign_domain::statement::{BusinessStatus, Statement as _, Status};
use consign_domain::{ErrorCode, SignedStatement};

use super::forgery::{Forged, Forgery, forge};
use super::sent;
use crate::context::Context;
use crate::folder::CONTAINER;
use crate::inbox::{InboxError, InboxStep};
use crate::index::ListQuery;
use crate::testing::{Network, Seat, cuts, envelope_id, now, payload_of, place, release};

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
    assert_eq!(inbox.counts(), crate::inbox::InboxCounts::default());
}
