//! An agency whose keys the authority has revoked: it seals nothing more, and what it has
//! sealed is submitted and gets its refusal.

use consign_authority::{PublishOptions, RevokeOptions};
use consign_pki::path::revocation::RevocationReason;
use consign_pki::statement::StatementKey;

use super::*;
use crate::context::Context;
use crate::directory_files;
use crate::keys::AgencyKeys;
use crate::outbox::SentState;
use crate::seal::Stamp;

/// The directory in which the agency at the first seat is revoked.
fn revoked(network: &Network) -> consign_verify::Directory {
    let options = RevokeOptions {
        reason: RevocationReason::Superseded,
        at: None,
        invalid_from: None,
    };
    let (authority, agency) = (network.authority(), "H49.13".parse().unwrap());
    consign_authority::revoke(&authority, &agency, options, now()).unwrap();
    consign_authority::publish(&authority, PublishOptions::default(), now()).unwrap();
    let path = authority.join("trust/directory");
    let newest = directory_files::newest(&path, &network.trust).unwrap();
    newest.unwrap()
}

#[test]
fn a_revoked_agency_seals_nothing_more_and_says_what_to_do() {
    let network = Network::new();
    let seat = network.seat(0);
    let before = network.context(&seat);
    let (sealed, waiting) = (envelope_id(1), envelope_id(2));
    let submission = seat.send(sealed, request(&["H49.14"]), &before);
    seat.compose(waiting, request(&["H49.14"]), &before);
    let directory = revoked(&network);
    let context = Context {
        directory: &directory,
        ..before
    };
    let outbox = seat.agency.outbox();
    let new = outbox.begin(envelope_id(3), request(&["H49.14"]), &context);
    let refused = new.map(drop).unwrap_err();
    assert_eq!(refused.code(), ErrorCode::KeyRevoked);
    let text = refused.to_string();
    assert!(
        text.contains("statement key as of 2026-11-23T02:00:00Z"),
        "{text}"
    );
    assert!(text.contains("consign node enrol"), "{text}");
    let refused = outbox
        .seal(waiting, &context, &|_, _| Some(Stamp::NotAsked))
        .unwrap_err();
    assert_eq!(refused.code(), ErrorCode::KeyRevoked);
    assert_eq!(outbox.state(waiting).unwrap(), Some(SentState::Composed));
    // What is handed in again is the same document, and waits for new keys.
    assert!(
        outbox
            .begin(waiting, request(&["H49.14"]), &context)
            .is_ok()
    );

    // What was sealed goes out as it is.
    outbox
        .seal(sealed, &context, &|_, _| Some(Stamp::NotAsked))
        .unwrap();
    let again = outbox.load_submission(sealed).unwrap();
    assert_eq!(again.signed, submission.signed);
    let about = again.envelope.reference(again.signed.digest()).unwrap();
    let reason = Some(ErrorCode::KeyRevoked);
    let refusal = network.evidence(Event::SubmissionRejection, about, Vec::new(), reason);
    let evidence = verified(&network, &refusal);
    outbox.record_answer(&refusal, &evidence).unwrap();
    assert_eq!(outbox.state(sealed).unwrap(), Some(SentState::Rejected));
    let rows = seat.index.sent(seat.id(), &ListQuery::default());
    let rows = rows.unwrap().rows;
    let shown = |id| {
        let row = rows.iter().find(|row| row.envelope_id == id).unwrap();
        (row.state.as_str(), row.reason.as_str())
    };
    assert_eq!(shown(sealed), ("rejected", "key-revoked"));
    assert_eq!(shown(waiting), ("composed", "key-revoked"));
}

#[test]
fn a_revoked_seal_alone_seals_nothing_more() {
    let network = Network::new();
    let seat = network.seat(0);
    let directory = revoked(&network);
    let mut keys = AgencyKeys::load(seat.agency.home(), &consign_keys::Keyring::default()).unwrap();
    keys.statement = StatementKey::from_seed([7; 32]);
    let context = Context {
        keys: &keys,
        directory: &directory,
        ..network.context(&seat)
    };
    let outbox = seat.agency.outbox();
    let new = outbox.begin(envelope_id(1), request(&["H49.14"]), &context);
    let refused = new.map(drop).unwrap_err();
    assert_eq!(refused.code(), ErrorCode::KeyRevoked);
    assert!(refused.to_string().contains("seal as of"), "{refused}");
}
