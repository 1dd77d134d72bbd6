use super::*;
use crate::link::fixture::{
    HUB, Network, OTHER_HUB, RECIPIENT, SENDER, agency, code, envelope, evidence, hub, placement,
    sign,
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
