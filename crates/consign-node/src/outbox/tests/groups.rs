//! Groups of the directory as recipients.

use consign_authority::{Authority, PublishOptions};
use consign_domain::PartyCode;
use consign_domain::directory::EntryState;
use consign_domain::text::Line;

use super::*;
use crate::compose::passed_over;
use crate::context::Context;
use crate::directory_files;

/// The directory with a group of all three agencies.
fn with_group(network: &Network) -> consign_verify::Directory {
    let path = network.authority();
    let mut authority = Authority::open(&path).unwrap();
    let (group, name) = (
        PartyCode::service("cac-so").unwrap(),
        Line::new("Các sở").unwrap(),
    );
    let members = ["H49.13", "H49.14", "H49.15"].map(code);
    authority
        .add_to_group(&group, Some(&name), &members, now())
        .unwrap();
    published(&mut authority, network)
}

fn published(authority: &mut Authority, network: &Network) -> consign_verify::Directory {
    authority.publish(PublishOptions::default(), now()).unwrap();
    let path = network.authority().join("trust/directory");
    let newest = directory_files::newest(&path, &network.trust).unwrap();
    newest.unwrap()
}

fn to_group(to: &[&str], group: &str) -> ComposeRequest {
    ComposeRequest {
        to_groups: vec![group.to_owned()],
        ..request(to)
    }
}

#[test]
fn a_group_stands_for_its_members_but_the_sender() {
    let network = Network::new();
    let directory = with_group(&network);
    let seat = network.seat(0);
    let context = Context {
        directory: &directory,
        ..network.context(&seat)
    };
    let both = [code("H49.14"), code("H49.15")];
    for (number, group) in [(1, "cac-so"), (2, " Các sở ")] {
        let composed = seat.compose(envelope_id(number), to_group(&[], group), &context);
        assert_eq!(composed.document.addressees.as_slice(), both, "{group}");
    }
    // Who is named besides is there once.
    let composed = seat.compose(envelope_id(3), to_group(&["H49.14"], "cac-so"), &context);
    assert_eq!(composed.document.addressees.as_slice(), both);
    let unknown = to_group(&["H49.14"], "nobody");
    let refused = seat
        .agency
        .outbox()
        .begin(envelope_id(4), unknown, &context);
    let refused = refused.map(drop).unwrap_err();
    assert_eq!(refused.code(), ErrorCode::RecipientUnknown);
    assert!(refused.to_string().contains("nobody"), "{refused}");
    let itself = to_group(&["H49.13"], "cac-so");
    let refused = seat.agency.outbox().begin(envelope_id(5), itself, &context);
    let refused = refused.map(drop).unwrap_err();
    assert!(matches!(refused, ComposeError::OwnCode { .. }), "{refused}");
}

#[test]
fn a_member_that_nothing_can_be_sent_to_is_passed_over_and_named() {
    let network = Network::new();
    with_group(&network);
    let mut authority = Authority::open(&network.authority()).unwrap();
    authority
        .set_state(&code("H49.15").into(), EntryState::Suspended)
        .unwrap();
    let directory = published(&mut authority, &network);
    let seat = network.seat(0);
    let context = Context {
        directory: &directory,
        ..network.context(&seat)
    };
    let composed = seat.compose(envelope_id(1), to_group(&[], "cac-so"), &context);
    let recipients = composed.document.addressees;
    assert_eq!(recipients.as_slice(), [code("H49.14")]);
    let groups = ["cac-so".to_owned()];
    assert_eq!(passed_over(&groups, &recipients, &context), ["H49.15"]);
    // The same again is the same document, also when the group has changed meanwhile.
    authority
        .set_state(&code("H49.15").into(), EntryState::Active)
        .unwrap();
    let directory = published(&mut authority, &network);
    let context = Context {
        directory: &directory,
        ..network.context(&seat)
    };
    let again = seat.compose(envelope_id(1), to_group(&[], "cac-so"), &context);
    assert!(again.repeated);
    assert_eq!(again.document.addressees, recipients);
}
