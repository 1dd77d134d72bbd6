//! Wraps, payloads, commitments and parties against the envelope.

#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::panic,
    reason = "a test stops at what it did not expect"
)]

mod world;

use consign_domain::directory::{Entry, GroupEntry, Validity};
use consign_domain::text::Line;
use consign_domain::{Digest, ErrorCode, PartyCode, Salt};
use consign_log::Tree;
use consign_pki::encryption::{EncryptionIdentity, open_small};
use consign_pki::wrap::WrapPlaintext;
use consign_verify::exchange::{
    check_content, check_parties, check_payload, check_wrap, check_wrap_path, check_wraps,
};
use world::{World, id, now};

#[test]
fn a_good_exchange_holds() {
    let world = World::new();
    let document = world.document();
    let container = world.container(&document);
    let (envelope, wrap, _) = world.envelope(&container);
    let code = world.recipient.code.parse().unwrap();
    let tree = check_wraps(&envelope, &[&wrap]).unwrap();
    check_wrap_path(&envelope, &code, &wrap, &tree.path(0).unwrap()).unwrap();
    let opened = open_small(&world.recipient.encryption, &wrap, 4096).unwrap();
    let plaintext = WrapPlaintext::parse(&opened).unwrap();
    let salt = check_wrap(&envelope, (world.recipient.id, &code), &plaintext).unwrap();
    check_content(&envelope, &salt, &Digest::of(&container)).unwrap();
    check_parties(
        &envelope,
        &document,
        (world.recipient.id, &code),
        &world.directory,
    )
    .unwrap();
}

#[test]
fn a_wrap_for_another_envelope_or_agency_is_refused() {
    let world = World::new();
    let (envelope, _, plaintext) = world.envelope(b"container");
    let code = world.recipient.code.parse().unwrap();
    let recipient = (world.recipient.id, &code);
    let change = |change: fn(&mut WrapPlaintext)| {
        let mut other = WrapPlaintext::parse(plaintext.render().unwrap().as_bytes()).unwrap();
        change(&mut other);
        check_wrap(&envelope, recipient, &other).unwrap_err().code()
    };
    let mismatch = ErrorCode::WrapMismatch;
    assert_eq!(
        change(|wrap| wrap.envelope_id.replace_range(0..1, "1")),
        mismatch
    );
    assert_eq!(
        change(|wrap| wrap.sender_id = wrap.recipient_id.clone()),
        mismatch
    );
    assert_eq!(change(|wrap| wrap.sender_code = "H50".to_owned()), mismatch);
    assert_eq!(
        change(|wrap| wrap.recipient_id = wrap.sender_id.clone()),
        mismatch
    );
    assert_eq!(
        change(|wrap| wrap.recipient_code = "H50".to_owned()),
        mismatch
    );
    assert_eq!(
        change(|wrap| wrap.identity = EncryptionIdentity::generate()),
        mismatch
    );
    // A salt that opens nothing.
    let wrong = Salt::from_bytes([8; 32]);
    let refused = check_content(&envelope, &wrong, &Digest::of(b"container")).unwrap_err();
    assert_eq!(refused.code(), ErrorCode::ContentMismatch);
}

#[test]
fn changed_wraps_payloads_and_parties_are_refused() {
    let world = World::new();
    let mut document = world.document();
    let (envelope, wrap, _) = world.envelope(b"container");
    let code = world.recipient.code.parse().unwrap();
    let mut changed = wrap.clone();
    changed[5] ^= 1;
    let code_of =
        |result: Result<Tree, consign_verify::exchange::ExchangeError>| result.unwrap_err().code();
    assert_eq!(
        code_of(check_wraps(&envelope, &[&changed])),
        ErrorCode::WrapsMismatch
    );
    assert_eq!(
        code_of(check_wraps(&envelope, &[&wrap, &wrap])),
        ErrorCode::WrapsMismatch
    );
    let refused = check_wrap_path(&envelope, &code, &changed, &[]).unwrap_err();
    assert_eq!(refused.code(), ErrorCode::WrapMismatch);
    let stranger = "H49.99".parse().unwrap();
    let refused = check_wrap_path(&envelope, &stranger, &wrap, &[]).unwrap_err();
    assert_eq!(refused.code(), ErrorCode::WrapMismatch);
    let size = envelope.payload.size;
    check_payload(&envelope, size, envelope.payload.sha256).unwrap();
    assert!(check_payload(&envelope, size + 1, envelope.payload.sha256).is_err());
    assert!(check_payload(&envelope, size, Digest::of(b"")).is_err());
    let directory = &world.directory;
    let recipient = (world.recipient.id, &code);
    let refused = check_parties(
        &envelope,
        &document,
        (world.sender.id, &stranger),
        directory,
    )
    .unwrap_err();
    assert_eq!(refused.code(), ErrorCode::AddresseeMismatch);
    document.issuer.code = "H49.13".parse().unwrap();
    let refused = check_parties(&envelope, &document, recipient, directory).unwrap_err();
    assert_eq!(refused.code(), ErrorCode::IssuerMismatch);
    let mut forwarded = envelope;
    forwarded.forwarded = true;
    check_parties(&forwarded, &document, recipient, directory).unwrap();
}

/// A document sealed under a code that the agency has given up since.
#[test]
fn agencies_are_compared_and_not_spellings() {
    let mut world = World::new();
    let document = world.document();
    let (mut envelope, ..) = world.envelope(&world.container(&document));
    world.republish(|entries| {
        for (entry, renamed) in entries.iter_mut().zip(["H50", "H50.13"]) {
            if let Entry::Agency(agency) = entry {
                let mut code = agency.codes[0].clone();
                code.code = renamed.parse().unwrap();
                agency.codes[0].validity.until = Some(now());
                code.validity.from = now();
                agency.codes.push(code);
            }
        }
    });
    envelope.signer.code = "H50".parse().unwrap();
    let code = "H50.13".parse().unwrap();
    let recipient = (world.recipient.id, &code);
    check_parties(&envelope, &document, recipient, &world.directory).unwrap();
}

#[test]
fn a_group_is_whom_people_mean_or_nobody() {
    let mut world = World::new();
    world.republish(|entries| {
        let groups = [
            (0x41, "khac", "cac-so"),
            (0x42, "cac-so", "Các sở"),
            (0x43, "mot", "Sở"),
            (0x44, "hai", "Sở"),
        ];
        entries.extend(groups.map(|(last, code, name)| {
            Entry::Group(GroupEntry {
                id: id(last).parse().unwrap(),
                code: PartyCode::service(code).unwrap(),
                name: Line::new(name).unwrap(),
                members: Vec::new(),
                validity: Validity {
                    from: now(),
                    until: None,
                },
            })
        }));
    });
    let found = |called| {
        let group = world.directory.group(called, now());
        group.map(|group| group.code.to_string())
    };
    assert_eq!(found("cac-so").as_deref(), Some("cac-so"));
    assert_eq!(found("Các sở").as_deref(), Some("cac-so"));
    assert_eq!(found("hai").as_deref(), Some("hai"));
    assert_eq!(found("Sở"), None, "of two");
}
