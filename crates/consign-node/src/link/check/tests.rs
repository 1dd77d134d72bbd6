use consign_domain::PartyCode;
use consign_domain::statement::BusinessStatus;
use consign_proto::signed_message;

use super::*;
use crate::link::fixture::{
    HUB, Network, OTHER_HUB, RECIPIENT, SENDER, agency, at, code, envelope, evidence, hub,
    network_id, placement, sign, signer,
};

fn acceptance(envelope: &Envelope) -> Evidence {
    let mut acceptance = evidence(HUB, Event::SubmissionAcceptance, envelope);
    acceptance.placements = vec![placement(RECIPIENT, 7)];
    acceptance
}

fn answer(by: u8, said: &Evidence, envelope: &Envelope) -> Result<(), CheckFault> {
    let directory = Network::new().first();
    let expected = Expected {
        hub: hub(),
        directory: &directory,
    };
    let digest = sign(SENDER, envelope).digest();
    expected.answer(&sign(by, said), envelope, digest).map(drop)
}

#[test]
fn only_our_hubs_word_about_these_bytes_and_recipients_is_an_answer() {
    let sent = envelope(b"payload");
    let good = acceptance(&sent);
    answer(HUB, &good, &sent).unwrap();

    let mut other_hub = evidence(OTHER_HUB, Event::SubmissionAcceptance, &sent);
    other_hub.placements = good.placements.clone();
    let mut elsewhere = good.clone();
    elsewhere.envelope.sha256 = Digest::of(b"other bytes");
    let mut misplaced = good.clone();
    misplaced.placements = vec![placement(SENDER, 7)];
    let mut wrong_id = good.clone();
    wrong_id.placements[0].id = agency(SENDER);
    let mut content = good.clone();
    content.content = Some(Digest::of(b"other content"));
    let mut consignment = evidence(HUB, Event::ContentConsignment, &sent);
    consignment.placements = good.placements.clone();
    let lies = [
        (OTHER_HUB, other_hub, ErrorCode::RoleNotPermitted),
        (HUB, elsewhere, ErrorCode::EnvelopeUnknown),
        (HUB, misplaced, ErrorCode::StatementMalformed),
        (HUB, wrong_id, ErrorCode::StatementMalformed),
        (HUB, content, ErrorCode::ContentMismatch),
        (HUB, consignment, ErrorCode::StatementKind),
    ];
    for (by, lie, code) in lies {
        assert_eq!(answer(by, &lie, &sent).unwrap_err().code(), code);
    }
    let forged = answer(SENDER, &good, &sent).unwrap_err();
    assert_eq!(forged.code(), ErrorCode::SignatureInvalid);
}

#[test]
fn a_refusal_is_an_answer_and_names_recipients_only() {
    let sent = envelope(b"payload");
    let mut refusal = evidence(HUB, Event::SubmissionRejection, &sent);
    refusal.reason = Some(ErrorCode::RecipientUnknown);
    refusal.refused = vec![code(RECIPIENT)];
    answer(HUB, &refusal, &sent).unwrap();
    refusal.refused = vec![code(SENDER)];
    assert!(answer(HUB, &refusal, &sent).is_err());
}

#[test]
fn what_names_a_newer_directory_asks_for_it() {
    let sent = envelope(b"payload");
    let mut newer = acceptance(&sent);
    newer.signer.directory = DirectoryVersion::new(9).unwrap();
    newer.signer.key = consign_domain::KeyId::from_bytes([7; 16]);
    let fault = answer(HUB, &newer, &sent).unwrap_err();
    assert_eq!(fault.needs_directory(), DirectoryVersion::new(9).ok());
}

fn check(own: u8, item: v1::Item) -> Result<CheckedItem, CheckFault> {
    let directory = Network::new().first();
    let expected = Expected {
        hub: hub(),
        directory: &directory,
    };
    expected.item(agency(own), item)
}

fn item(sequence: u64, content: v1::item::Content) -> v1::Item {
    v1::Item {
        agency: Bytes::new(),
        sequence,
        content: Some(content),
    }
}

fn envelope_item(payload: Option<&'static [u8]>) -> v1::item::Content {
    let sent = envelope(b"payload");
    v1::item::Content::Envelope(v1::EnvelopeItem {
        envelope: Some(signed_message(&sign(SENDER, &sent))),
        acceptance: Some(signed_message(&sign(HUB, &acceptance(&sent)))),
        payload: payload.map(Bytes::from_static),
    })
}

#[test]
fn an_envelope_is_placed_here_and_nowhere_else_with_the_payload_it_names() {
    assert!(check(RECIPIENT, item(7, envelope_item(None))).is_ok());
    assert!(check(RECIPIENT, item(7, envelope_item(Some(b"payload")))).is_ok());
    let faults = [
        (RECIPIENT, 8, None, ErrorCode::NotARecipient),
        (SENDER, 7, None, ErrorCode::NotARecipient),
        (RECIPIENT, 0, None, ErrorCode::ProtocolViolation),
        (
            RECIPIENT,
            7,
            Some(b"Payload" as &[u8]),
            ErrorCode::PayloadMismatch,
        ),
    ];
    for (own, sequence, payload, code) in faults {
        let fault = check(own, item(sequence, envelope_item(payload))).unwrap_err();
        assert_eq!(fault.code(), code);
    }
}

#[test]
fn evidence_is_said_by_whoever_may_say_it_to_the_sender() {
    let sent = envelope(b"payload");
    let content = |signed: &SignedStatement| v1::item::Content::Evidence(signed_message(signed));
    let mut failure = evidence(HUB, Event::ContentHandoverFailure, &sent);
    failure.placements = vec![placement(RECIPIENT, 7)];
    failure.reason = Some(ErrorCode::NotCollected);
    let signed = sign(HUB, &failure);
    assert!(check(SENDER, item(3, content(&signed))).is_ok());
    let fault = check(RECIPIENT, item(3, content(&signed))).unwrap_err();
    assert_eq!(fault.code(), ErrorCode::EnvelopeUnknown);

    let mut receipt = evidence(HUB, Event::ContentHandover, &sent);
    receipt.placements = vec![placement(RECIPIENT, 7)];
    receipt.signer = signer(RECIPIENT, PartyCode::Agency(code(RECIPIENT)), 1);
    assert!(check(SENDER, item(4, content(&sign(RECIPIENT, &receipt)))).is_ok());
    receipt.signer = signer(SENDER, PartyCode::Agency(code(SENDER)), 1);
    let fault = check(SENDER, item(4, content(&sign(SENDER, &receipt)))).unwrap_err();
    assert_eq!(fault.code(), ErrorCode::RoleNotPermitted);
    receipt.signer = signer(HUB, "hub-1".parse().unwrap(), 1);
    let fault = check(SENDER, item(4, content(&sign(HUB, &receipt)))).unwrap_err();
    assert_eq!(fault.code(), ErrorCode::RoleNotPermitted);
}

#[test]
fn a_status_reaches_its_addressee_with_the_text_it_names() {
    let sent = envelope(b"payload");
    let reference = sent.reference(sign(SENDER, &sent).digest()).unwrap();
    let mut status = Status::new(
        network_id(),
        signer(RECIPIENT, PartyCode::Agency(code(RECIPIENT)), 1),
        at(2),
        reference,
        code(SENDER),
        BusinessStatus::Registered,
    );
    let content = |status: &Status, text: &'static [u8]| {
        v1::item::Content::Status(v1::StatusItem {
            status: Some(signed_message(&sign(RECIPIENT, status))),
            text: Bytes::from_static(text),
        })
    };
    assert!(check(SENDER, item(5, content(&status, b""))).is_ok());
    assert!(check(RECIPIENT, item(5, content(&status, b""))).is_err());
    assert!(check(SENDER, item(5, content(&status, b"text"))).is_err());
    status.text = Some(Digest::of(b"salted"));
    assert!(check(SENDER, item(5, content(&status, b""))).is_err());
    assert!(check(SENDER, item(5, content(&status, b"text"))).is_ok());
}
