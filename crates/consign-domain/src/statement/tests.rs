use proptest::prelude::*;

use super::*;
use crate::document::Urgency;
use crate::id::Sequence;

fn party(code: &str, last: u8) -> Party {
    let id = format!("0b0ed3a6-5d0c-4c58-9f3f-0d0f9a1f7a{last:02x}");
    Party {
        id: id.parse().unwrap(),
        code: code.parse().unwrap(),
    }
}

fn signer(id: PartyId, code: &str) -> Signer {
    Signer {
        id,
        code: code.parse().unwrap(),
        key: KeyId::from_bytes([7; 16]),
        directory: DirectoryVersion::new(12).unwrap(),
    }
}

fn network() -> NetworkId {
    "7e0ed3a6-5d0c-4c58-9f3f-0d0f9a1f7a01".parse().unwrap()
}

fn now() -> Timestamp {
    "2026-11-23T02:30:00Z".parse().unwrap()
}

fn envelope() -> Envelope {
    let sender = party("H49", 1);
    Envelope::new(EnvelopeFields {
        network: network(),
        signer: signer(sender.id.into(), "H49"),
        time: now(),
        id: "01936f3e-7c1a-7b2c-8d3e-4f5a6b7c8d9e".parse().unwrap(),
        to: Recipients::new(vec!["H49.13".parse().unwrap(), "H49.01".parse().unwrap()]).unwrap(),
        expires: now().plus_seconds(30 * 86_400),
        urgency: Urgency::Urgent,
        forwarded: false,
        payload: PayloadInfo {
            sha256: Digest::of(b"payload"),
            size: 7,
            recipient: AgeRecipient::new(&format!("age1{}", "q".repeat(58))).unwrap(),
        },
        wraps: Digest::of(b"wraps"),
        content: Digest::of(b"content"),
    })
    .unwrap()
}

fn reference() -> EnvelopeRef {
    let envelope = envelope();
    envelope
        .reference(Digest::of(&envelope.to_bytes()))
        .unwrap()
}

fn evidence(event: Event, signer: Signer) -> Evidence {
    let hub = "5a0ed3a6-5d0c-4c58-9f3f-0d0f9a1f7a01".parse().unwrap();
    Evidence::new(network(), signer, now(), event, hub, reference())
}

fn hub_signer() -> Signer {
    signer(
        "5a0ed3a6-5d0c-4c58-9f3f-0d0f9a1f7a01".parse().unwrap(),
        "hub-1",
    )
}

fn placement(code: &str, last: u8, sequence: u64) -> Placement {
    let Party { id, code } = party(code, last);
    Placement {
        id,
        code,
        sequence: Sequence::new(sequence).unwrap(),
    }
}

fn acceptance() -> Evidence {
    let mut accepted = evidence(Event::SubmissionAcceptance, hub_signer());
    accepted.placements = vec![placement("H49.01", 2, 41), placement("H49.13", 3, 7)];
    accepted.content = Some(Digest::of(b"content"));
    accepted
}

fn status() -> Status {
    let recipient = party("H49.13", 3);
    let mut status = Status::new(
        network(),
        signer(recipient.id.into(), "H49.13"),
        now(),
        reference(),
        "H49".parse().unwrap(),
        BusinessStatus::Refused,
    );
    status.reason = Some(ErrorCode::AddresseeMismatch);
    status
}

fn head() -> DirectoryHead {
    let authority = signer(
        "9a0ed3a6-5d0c-4c58-9f3f-0d0f9a1f7a01".parse().unwrap(),
        "authority",
    );
    let expires = now().plus_seconds(7 * 86_400);
    let previous = Some(Digest::of(b"before"));
    DirectoryHead::new(
        network(),
        authority,
        now(),
        expires,
        previous,
        Digest::of(b"root"),
        3,
    )
    .unwrap()
}

fn text<S: Statement>(statement: &S) -> String {
    String::from_utf8(statement.to_bytes().to_vec()).unwrap()
}

/// The exact bytes of every kind: these forms never change.
#[test]
fn forms_are_fixed() {
    insta::assert_snapshot!("envelope", text(&envelope()));
    insta::assert_snapshot!("acceptance", text(&acceptance()));
    insta::assert_snapshot!("status", text(&status()));
    insta::assert_snapshot!("directory_head", text(&head()));
}

#[test]
fn parsing_gives_the_statement_back() {
    assert_eq!(Envelope::parse(&envelope().to_bytes()).unwrap(), envelope());
    assert_eq!(
        Evidence::parse(&acceptance().to_bytes()).unwrap(),
        acceptance()
    );
    assert_eq!(Status::parse(&status().to_bytes()).unwrap(), status());
    assert_eq!(DirectoryHead::parse(&head().to_bytes()).unwrap(), head());
}

#[test]
fn urgency_is_read_before_anything_is_believed() {
    for urgency in Urgency::ALL {
        let mut envelope = envelope();
        envelope.urgency = urgency;
        assert_eq!(claimed_urgency(&envelope.to_bytes()), urgency);
        let longest = format!("age1{}", "q".repeat(4096));
        envelope.payload.recipient = AgeRecipient::new(&longest).unwrap();
        assert_eq!(claimed_urgency(&envelope.to_bytes()), urgency);
    }
    for nonsense in [&b""[..], b"\"urgency\":", b"\"urgency\":9", b"{}"] {
        assert_eq!(claimed_urgency(nonsense), Urgency::Normal);
    }
    assert_eq!(claimed_urgency(&vec![b'"'; 48 * 1024]), Urgency::Normal);
}

#[test]
fn another_kind_is_refused_by_its_first_bytes() {
    let bytes = envelope().to_bytes();
    assert!(matches!(
        Evidence::parse(&bytes),
        Err(StatementError::Kind { .. })
    ));
    let spaced = text(&envelope()).replacen('{', "{ ", 1);
    assert!(matches!(
        Envelope::parse(spaced.as_bytes()),
        Err(StatementError::Kind { .. })
    ));
    let marked = format!("\u{feff}{}", text(&envelope()));
    assert!(matches!(
        Envelope::parse(marked.as_bytes()),
        Err(StatementError::Kind { .. })
    ));
}

#[test]
fn fields_are_strict_at_every_depth() {
    let good = text(&envelope());
    for (from, to) in [
        (r#""urgency":1"#, r#""urgency":1,"urgency":1"#),
        (r#""urgency":1"#, r#""urgency":1.0"#),
        (r#""urgency":1"#, r#""urgency":1,"colour":"red""#),
        (r#""size":7"#, r#""size":7,"extra":null"#),
        (r#""size":7"#, r#""size":7,"size":7"#),
        (r#""size":7"#, r#""size":9007199254740992"#),
        (r#""directory":12"#, r#""directory":9007199254740992"#),
        (r#""directory":12"#, r#""directory":0"#),
        (r#""forwarded":false"#, r#""forwarded":0"#),
        (r#"["H49.01","H49.13"]"#, r#"["H49.13","H49.01"]"#),
        (r#"["H49.01","H49.13"]"#, "[]"),
        ("2026-11-23T02:30:00Z", "2026-11-23T02:30:00+00:00"),
        ("2026-12-23", "2027-03-23"),
        ("2026-12-23", "2026-11-22"),
        (r#""code":"H49""#, r#""code":"hub-1""#),
    ] {
        assert!(good.contains(from), "{from}");
        assert!(
            Envelope::parse(good.replace(from, to).as_bytes()).is_err(),
            "{to}"
        );
    }
    assert!(Envelope::parse(format!("{good}{good}").as_bytes()).is_err());
}

#[test]
fn too_large_is_refused_before_it_is_read() {
    let bytes = vec![b'{'; Envelope::KIND.max_bytes() + 1];
    assert!(matches!(
        Envelope::parse(&bytes),
        Err(StatementError::TooLarge { .. })
    ));
}

#[test]
fn a_thousand_recipients_fit() {
    let codes: Vec<AgencyCode> = (0..1000)
        .map(|n| {
            format!("H49.13.05.007.001.002.003.0{n:03}.A")
                .parse()
                .unwrap()
        })
        .collect();
    let mut large = envelope();
    large.to = Recipients::new(codes.clone()).unwrap();
    Envelope::parse(&large.to_bytes()).unwrap();
    let mut accepted = acceptance();
    accepted.placements = large
        .to
        .as_slice()
        .iter()
        .map(|code| Placement {
            code: code.clone(),
            ..placement("H49", 1, (1 << 53) - 1)
        })
        .collect();
    Evidence::parse(&accepted.to_bytes()).unwrap();
}

#[test]
fn evidence_carries_what_its_event_needs() {
    let broken = |change: fn(&mut Evidence)| {
        let mut changed = acceptance();
        change(&mut changed);
        Evidence::parse(&changed.to_bytes()).is_err()
    };
    assert!(!broken(|_| ()));
    assert!(broken(|e| e.placements.reverse()));
    assert!(broken(|e| e.reason = Some(ErrorCode::Busy)));
    assert!(broken(|e| e.refused = vec!["H49".parse().unwrap()]));
    assert!(broken(|e| e.leaf = Some(1)));
    assert!(broken(|e| e.event = Event::SubmissionRejection));
    assert!(broken(|e| e.event = Event::ContentHandover));
    assert!(broken(
        |e| e.hub = "5a0ed3a6-5d0c-4c58-9f3f-0d0f9a1f7a02".parse().unwrap()
    ));
}

#[test]
fn only_the_recipient_signs_for_itself() {
    let Party { id, code } = party("H49.13", 3);
    let mut receipt = evidence(Event::ContentHandover, signer(id.into(), code.as_str()));
    receipt.placements = vec![placement("H49.13", 3, 7)];
    Evidence::parse(&receipt.to_bytes()).unwrap();
    let mut renamed = receipt.clone();
    renamed.signer.code = "H50.13".parse().unwrap();
    Evidence::parse(&renamed.to_bytes()).unwrap();
    for other in [signer(party("H49", 1).id.into(), "H49"), hub_signer()] {
        let mut forged = receipt.clone();
        forged.signer = other;
        let refusal = Evidence::parse(&forged.to_bytes()).unwrap_err();
        assert_eq!(refusal.code(), ErrorCode::RoleNotPermitted);
    }
}

#[test]
fn a_refusal_is_final_and_says_so() {
    let mut refused = evidence(Event::SubmissionRejection, hub_signer());
    refused.reason = Some(ErrorCode::RecipientUnknown);
    refused.refused = vec!["H49.99".parse().unwrap()];
    Evidence::parse(&refused.to_bytes()).unwrap();
    refused.reason = Some(ErrorCode::Busy);
    assert!(Evidence::parse(&refused.to_bytes()).is_err());
}

/// JSON lets one thing be written in many ways; a statement does not.
#[test]
fn a_statement_has_one_form() {
    let good = text(&acceptance());
    for (from, to) in [
        (
            r#""event":"SubmissionAcceptance""#,
            r#""event":{"SubmissionAcceptance":null}"#,
        ),
        (r#","content""#, r#","reason":null,"content""#),
        (r#"hub-1"#, r#"hub\u002d1"#),
        (r#","event""#, r#", "event""#),
    ] {
        assert!(good.contains(from), "{from}");
        assert!(
            Evidence::parse(good.replace(from, to).as_bytes()).is_err(),
            "{to}"
        );
    }
    assert!(Evidence::parse(format!("{good}\n").as_bytes()).is_err());
}

#[test]
fn a_status_is_told_to_the_other_side() {
    let mut to_a_third = status();
    to_a_third.to = "H49.01".parse().unwrap();
    assert!(Status::parse(&to_a_third.to_bytes()).is_err());
    let mut recall_by_recipient = status();
    recall_by_recipient.status = BusinessStatus::RecallRequested;
    assert!(Status::parse(&recall_by_recipient.to_bytes()).is_err());
    let mut without_reason = status();
    without_reason.reason = None;
    assert!(Status::parse(&without_reason.to_bytes()).is_err());
}

proptest! {
    #[test]
    fn no_bytes_panic(bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
        let mut text = br#"{"type":"consign/evidence/v1","#.to_vec();
        text.extend_from_slice(&bytes);
        prop_assert!(Evidence::parse(&text).is_err());
        prop_assert!(Envelope::parse(&bytes).is_err());
    }

    /// Whatever is changed is refused or is another statement: nothing is ignored.
    #[test]
    fn every_byte_counts(position in 0usize..900, byte in 0x20u8..0x7f) {
        let mut bytes = envelope().to_bytes().to_vec();
        let position = position % bytes.len();
        prop_assume!(bytes[position] != byte);
        bytes[position] = byte;
        if let Ok(parsed) = Envelope::parse(&bytes) { prop_assert_ne!(parsed, envelope()); }
    }
}
