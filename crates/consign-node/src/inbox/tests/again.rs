//! The hub lost data, and goes on: what it places anew is seen once.

use consign_domain::statement::{Evidence, Statement as _};
use consign_domain::{ErrorCode, Sequence};

use super::{drive, sent};
use crate::inbox::{InboxError, InboxStep};
use crate::index::ListQuery;
use crate::outbox::Submission;
use crate::testing::{Network, Seat, envelope_id, payload_of, place, release};

/// Where inboxes go on.
const ON: u64 = 1_000_001;

/// The places of the rows that clerks see.
fn seen(seat: &Seat) -> Vec<u64> {
    let page = seat
        .index
        .received(seat.id(), &ListQuery::default())
        .unwrap();
    page.rows.iter().map(|row| row.sequence.value()).collect()
}

fn offer(
    seat: &Seat,
    network: &Network,
    letter: &Submission,
    at: Sequence,
) -> crate::inbox::Receipt {
    let item = network.item(&letter.signed, &payload_of(letter), at);
    seat.agency
        .inbox()
        .receive(vec![item], &network.context(seat))
}

/// Advances to the receipt and gives the place that it names.
fn receipt_place(seat: &Seat, network: &Network, at: Sequence) -> Sequence {
    let step = seat.agency.inbox().advance(at, &network.context(seat));
    let InboxStep::SendReceipt(receipt) = step.unwrap() else {
        panic!("a receipt")
    };
    let receipt = Evidence::parse(&receipt.statement).unwrap();
    receipt.recipient().unwrap().sequence
}

fn finish(seat: &Seat, network: &Network, letter: &Submission, at: Sequence) {
    let inbox = seat.agency.inbox();
    let released = release(&letter.envelope, &letter.wraps, "H49.14");
    assert_eq!(inbox.store_release(&released).unwrap(), at);
    let step = inbox.advance(at, &network.context(seat)).unwrap();
    assert_eq!(step, InboxStep::Done);
}

/// The same after the hub went on: what it has before is at this place.
fn offer_after(
    seat: &Seat,
    network: &Network,
    letter: &Submission,
    at: Sequence,
    after: Sequence,
) -> crate::inbox::Receipt {
    let mut item = network.item(&letter.signed, &payload_of(letter), at);
    item.after = Some(after);
    seat.agency
        .inbox()
        .receive(vec![item], &network.context(seat))
}

#[test]
fn what_was_opened_is_receipted_anew_and_seen_once() {
    let network = Network::new();
    let letter = sent(&network, envelope_id(1), &["H49.14"]);
    let seat = network.seat(1);
    drive(&seat, &network, &letter, "H49.14");
    // Nobody said that anything was skipped.
    let gap = offer(&seat, &network, &letter, place(ON));
    assert!(matches!(gap.fault, Some(InboxError::Gap { .. })));
    let taken = offer_after(&seat, &network, &letter, place(ON), place(1));
    assert!(taken.fault.is_none() && taken.aside.is_empty(), "{taken:?}");
    assert_eq!(taken.stored, Some(place(ON)));
    assert_eq!(receipt_place(&seat, &network, place(ON)), place(ON));
    // A restart in between, and the same item once more.
    drop(seat);
    let seat = network.seat(1);
    assert!(offer(&seat, &network, &letter, place(ON)).fault.is_none());
    assert_eq!(seen(&seat), [1]);
    let folder = seat.agency.inbox().folder(letter.envelope.key()).unwrap();
    assert!(folder.path().starts_with(seat.agency.home().archive_dir()));
    finish(&seat, &network, &letter, place(ON));
    assert!(
        folder
            .path()
            .join("again/000001000001/receipt.sig")
            .exists()
    );
    assert!(seat.agency.inbox().work().is_empty());
    assert_eq!(seen(&seat), [1]);
    // The index made anew says the same.
    drop(seat);
    std::fs::remove_file(network.node(1).index_file()).unwrap();
    assert_eq!(seen(&network.seat(1)), [1]);
}

#[test]
fn what_waited_for_its_key_waits_at_its_new_place() {
    let network = Network::new();
    let letter = sent(&network, envelope_id(1), &["H49.14"]);
    let seat = network.seat(1);
    assert!(offer(&seat, &network, &letter, place(1)).fault.is_none());
    assert_eq!(receipt_place(&seat, &network, place(1)), place(1));
    let taken = offer_after(&seat, &network, &letter, place(ON), place(1));
    assert!(taken.fault.is_none(), "{taken:?}");
    assert_eq!(taken.superseded, [place(1)]);
    assert_eq!(seen(&seat), [ON]);
    assert_eq!(receipt_place(&seat, &network, place(ON)), place(ON));
    let old = seat
        .agency
        .inbox()
        .advance(place(1), &network.context(&seat));
    assert_eq!(old.unwrap(), InboxStep::Done, "the old place is given up");
    finish(&seat, &network, &letter, place(ON));
    let aside = seat.agency.home().aside_dir().join("000000000001");
    assert!(
        aside.join("receipt.sig").exists(),
        "what was signed is kept"
    );
    assert_eq!(seen(&seat), [ON]);
    drop(seat);
    std::fs::remove_file(network.node(1).index_file()).unwrap();
    let seat = network.seat(1);
    assert_eq!(seen(&seat), [ON]);
    assert_eq!(seat.agency.inbox().cursor().unwrap().0, place(ON));
}

#[test]
fn an_envelope_offered_twice_without_a_reason_is_put_aside() {
    let network = Network::new();
    let letter = sent(&network, envelope_id(1), &["H49.14"]);
    let seat = network.seat(1);
    drive(&seat, &network, &letter, "H49.14");
    let again = offer(&seat, &network, &letter, place(2));
    assert_eq!(again.aside, [(place(2), ErrorCode::IdReused)]);
    // Nor is another envelope taken under an identity that is known.
    let letters = [
        sent(&network, envelope_id(2), &["H49.14"]),
        sent(&network, envelope_id(3), &["H49.14"]),
    ];
    let items = (ON..)
        .zip(&letters)
        .map(|(at, letter)| network.item(&letter.signed, &payload_of(letter), place(at)));
    let mut items: Vec<_> = items.collect();
    items[0].after = Some(place(2));
    let inbox = seat.agency.inbox();
    let taken = inbox.receive(items, &network.context(&seat));
    assert!(taken.fault.is_none() && taken.aside.is_empty(), "{taken:?}");
    assert_eq!(taken.stored, Some(place(ON + 1)));
    assert_eq!(
        inbox.newest_acceptance(),
        Some(network.accept(&letters[1].signed, place(ON + 1)))
    );
}
