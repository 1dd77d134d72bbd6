//! What the authority refuses, with which words, and that a refusal changes nothing.

#![expect(
    clippy::unwrap_used,
    reason = "helpers of tests, outside the functions that the lint excuses"
)]

mod support;

use consign_authority::{
    Authority, AuthorityError, IssueOptions, Lives, PublishOptions, init, inspect, issue, publish,
    set_state,
};
use consign_domain::directory::EntryState;
use consign_domain::enrolment::{NodeRequest, Request};
use consign_domain::{AgencyId, Digest, ErrorCode, NodeId};
use consign_pki::seal::{FileSealKey, KeyKind};
use consign_runtime::files::DirectoryLock;
use support::{
    Ceremony, agency, certificate_request, days, hub, hub_request, node, node_of, now, request_text,
};

/// An authority with a hub, a node and agency `H49`.
fn enrolled() -> (Ceremony, NodeRequest) {
    let ceremony = Ceremony::with_hub();
    let request = node_of(vec![agency("H49", None)]);
    ceremony.issue(&Request::Node(request.clone()));
    (ceremony, request)
}

/// Refuses, and leaves entries and certificates as they were.
fn refused(ceremony: &Ceremony, request: &Request) -> AuthorityError {
    let files = |name: &str| {
        std::fs::read_dir(ceremony.dir().join(name))
            .unwrap()
            .count()
    };
    let before = inspect(&ceremony.dir(), now()).unwrap();
    let certificates = files("issued");
    let fault = ceremony.try_issue(request, false, now()).unwrap_err();
    assert_eq!(inspect(&ceremony.dir(), now()).unwrap(), before);
    assert_eq!(files("issued"), certificates);
    fault
}

#[test]
fn a_second_founding_overwrites_nothing() {
    let (ceremony, _) = enrolled();
    let key = ceremony.dir().join("keys/root.key");
    let before = std::fs::read(&key).unwrap();
    let again = || init(&ceremony.dir(), "Khác", Lives::default(), now()).unwrap_err();
    assert!(matches!(again(), AuthorityError::AlreadyFounded { .. }));
    std::fs::remove_file(ceremony.dir().join("authority.json")).unwrap();
    assert!(matches!(again(), AuthorityError::Headless { .. }));
    assert_eq!(std::fs::read(&key).unwrap(), before);
}

#[test]
fn a_founding_cut_short_is_done_anew() {
    let place = tempfile::tempdir().unwrap();
    init(place.path(), "Tỉnh", Lives::default(), now()).unwrap();
    std::fs::remove_file(place.path().join("authority.json")).unwrap();
    init(place.path(), "Tỉnh", Lives::default(), now()).unwrap();
    publish(place.path(), PublishOptions::default(), now()).unwrap();
}

#[test]
fn names_and_lives_have_bounds() {
    let place = tempfile::tempdir().unwrap();
    let unnamed = init(place.path(), " ", Lives::default(), now()).unwrap_err();
    assert!(matches!(unnamed, AuthorityError::NetworkName { .. }));
    let lives = Lives {
        issuing_days: 10_000,
        ..Lives::default()
    };
    let endless = init(place.path(), "Tỉnh", lives, now()).unwrap_err();
    assert!(matches!(
        endless,
        AuthorityError::Life {
            field: "issuing_days",
            ..
        }
    ));
}

#[test]
fn no_authority_is_named_with_the_command_to_make_one() {
    let place = tempfile::tempdir().unwrap();
    let fault = Authority::open(place.path()).unwrap_err();
    assert_eq!(fault.code(), ErrorCode::NotFound);
    assert!(fault.to_string().ends_with("consign authority init"));
    assert_eq!(std::fs::read_dir(place.path()).unwrap().count(), 0);
}

#[test]
fn one_command_at_a_time() {
    let ceremony = Ceremony::new();
    let first = Authority::open(&ceremony.dir()).unwrap();
    DirectoryLock::acquire(&ceremony.dir()).unwrap_err();
    drop(first);
    DirectoryLock::acquire(&ceremony.dir()).unwrap();
}

#[test]
fn a_code_has_one_holder() {
    let (ceremony, request) = enrolled();
    let fault = refused(&ceremony, &node(vec![agency("H49", None)]));
    assert_eq!(
        fault.to_string(),
        format!(
            "code H49 belongs to {}, now or in the past; choose another code",
            request.agencies[0].id
        )
    );
    let fault = refused(&ceremony, &hub("hub-1", "127.0.0.1:9443"));
    assert!(matches!(fault, AuthorityError::CodeTaken { .. }));
    let fault = refused(&ceremony, &hub("authority", "127.0.0.1:9443"));
    assert!(matches!(fault, AuthorityError::CodeTaken { .. }));
}

#[test]
fn codes_follow_the_grammar() {
    let (ceremony, _) = enrolled();
    for wild in ["28.22.H17", "H4", "H49.1", "H49.1234"] {
        let fault = refused(&ceremony, &node(vec![agency(wild, None)]));
        assert!(
            matches!(fault, AuthorityError::CodeGrammar { .. }),
            "{wild}"
        );
    }
    let fault = refused(&ceremony, &hub("H50", "127.0.0.1:9443"));
    assert!(matches!(fault, AuthorityError::HubCode { .. }));
}

#[test]
fn an_id_has_one_kind() {
    let (ceremony, request) = enrolled();
    let mut disguised = node_of(Vec::new());
    disguised.id = NodeId::from_bytes(request.agencies[0].id.to_bytes()).unwrap();
    let fault = refused(&ceremony, &Request::Node(disguised));
    assert!(matches!(fault, AuthorityError::IdTaken { .. }));
    let mut same = node_of(vec![agency("H50", None)]);
    same.agencies[0].id = AgencyId::from_bytes(same.id.to_bytes()).unwrap();
    let fault = refused(&ceremony, &Request::Node(same));
    assert!(matches!(fault, AuthorityError::Repeated { .. }));
    let mut own = node_of(Vec::new());
    let authority = inspect(&ceremony.dir(), now()).unwrap().authority;
    own.id = NodeId::from_bytes(authority.to_bytes()).unwrap();
    let fault = refused(&ceremony, &Request::Node(own));
    assert!(matches!(fault, AuthorityError::IdTaken { .. }));
}

#[test]
fn a_key_that_is_not_proven_gets_no_certificate() {
    let (ceremony, _) = enrolled();
    let mut forged = node_of(vec![agency("H50", None)]);
    // One base64 digit near the end of the text lies in the signature.
    let mut seal = forged.agencies[0].seal.clone().into_bytes();
    let at = seal.len() - 10;
    seal[at] = if seal[at] == b'A' { b'B' } else { b'A' };
    forged.agencies[0].seal = String::from_utf8(seal).unwrap();
    let fault = refused(&ceremony, &Request::Node(forged.clone()));
    assert!(matches!(fault, AuthorityError::Proof { .. }), "{fault}");
    assert_eq!(fault.code(), ErrorCode::SignatureInvalid);
    for nonsense in ["", "AAAA", "not base64", &"A".repeat(100_000)] {
        forged.tls = nonsense.to_owned();
        let fault = refused(&ceremony, &Request::Node(forged.clone()));
        assert!(
            matches!(
                fault,
                AuthorityError::Proof { .. } | AuthorityError::Base64 { .. }
            ),
            "{fault}"
        );
    }
}

#[test]
fn keys_are_nobody_elses() {
    let (ceremony, other) = enrolled();
    let other = &other.agencies[0];
    let with = |change: &dyn Fn(&mut NodeRequest)| {
        let mut request = node_of(vec![agency("H50", None), agency("H51", None)]);
        change(&mut request);
        refused(&ceremony, &Request::Node(request))
    };
    let shared = certificate_request();
    let ed25519 = FileSealKey::generate(KeyKind::Ed25519).unwrap();
    let faults = [
        with(&|request| request.agencies[0].seal = other.seal.clone()),
        with(&|request| request.agencies[0].statement = other.statement),
        with(&|request| request.agencies[0].encryption = other.encryption.clone()),
        with(&|request| {
            request.tls = shared.clone();
            request.agencies[1].seal = shared.clone();
        }),
        with(&|request| request.agencies[1].statement = request.agencies[0].statement),
        // One key as a seal and for statements.
        with(&|request| {
            use consign_pki::seal::SealSigner as _;
            let raw = ed25519.public_key_der().last_chunk::<32>().unwrap();
            request.agencies[0].seal = request_text(&ed25519);
            request.agencies[0].statement = Digest::from_bytes(*raw);
        }),
    ];
    for fault in faults {
        assert!(matches!(fault, AuthorityError::KeyTaken { .. }), "{fault}");
    }
    let weak = with(&|request| request.agencies[0].statement = Digest::from_bytes([0; 32]));
    assert!(matches!(weak, AuthorityError::StatementKey { .. }));
}

#[test]
fn parents_exist_and_stand_above() {
    let (ceremony, _) = enrolled();
    let fault = refused(&ceremony, &node(vec![agency("H49.13", Some("H50"))]));
    assert!(matches!(fault, AuthorityError::ParentUnknown { .. }));
    let fault = refused(&ceremony, &node(vec![agency("H50", Some("H50"))]));
    assert!(matches!(fault, AuthorityError::ParentCycle { .. }));
    let ring = vec![
        agency("H50", Some("H52")),
        agency("H51", Some("H50")),
        agency("H52", Some("H51")),
    ];
    let fault = refused(&ceremony, &node(ring));
    assert!(matches!(fault, AuthorityError::ParentCycle { .. }));
    let twice = vec![agency("H50", None), agency("H50", None)];
    let fault = refused(&ceremony, &node(twice));
    assert!(matches!(fault, AuthorityError::Repeated { .. }));
}

#[test]
fn an_agency_has_one_hub_that_is_clear() {
    let ceremony = Ceremony::new();
    let request = node(vec![agency("H49", None)]);
    assert!(matches!(
        refused(&ceremony, &request),
        AuthorityError::NoHub
    ));
    ceremony.issue(&hub("hub-1", "127.0.0.1:8443"));
    ceremony.issue(&hub("hub-2", "127.0.0.1:8444"));
    let fault = refused(&ceremony, &request);
    assert!(fault.to_string().contains("name one with --hub"), "{fault}");
    let options = IssueOptions {
        hub: Some("hub-3".parse().unwrap()),
        replace: false,
    };
    let fault = issue(&ceremony.dir(), &request.to_bytes(), &options, now()).unwrap_err();
    assert!(matches!(fault, AuthorityError::HubUnknown { .. }));
    set_state(
        &ceremony.dir(),
        &"hub-2".parse().unwrap(),
        EntryState::Suspended,
    )
    .unwrap();
    ceremony.issue(&request);
}

#[test]
fn hubs_keep_their_names_and_have_addresses() {
    let ceremony = Ceremony::new();
    let mut request = hub_request("hub-1", "127.0.0.1:8443");
    ceremony.issue(&Request::Hub(request.clone()));
    request.code = "hub-9".parse().unwrap();
    let renamed = ceremony.try_issue(&Request::Hub(request), true, now());
    assert!(matches!(renamed, Err(AuthorityError::HubRenamed { .. })));
    for address in ["hub", "hub:0", "hub:99999", "::1:80"] {
        let fault = refused(&ceremony, &hub("hub-2", address));
        assert!(matches!(fault, AuthorityError::Address { .. }), "{address}");
    }
}

#[test]
fn bytes_that_are_no_request() {
    let ceremony = Ceremony::new();
    for bytes in [b"".as_slice(), b"{}", b"\xff", &[b'['; 100_000]] {
        let fault = issue(&ceremony.dir(), bytes, &IssueOptions::default(), now()).unwrap_err();
        assert!(matches!(fault, AuthorityError::Request { .. }));
    }
}

#[test]
fn clocks_that_lie_are_named() {
    let (ceremony, request) = enrolled();
    ceremony.publish(now());
    let options = PublishOptions {
        force: true,
        ..PublishOptions::default()
    };
    let behind = publish(&ceremony.dir(), options, now().minus_seconds(1)).unwrap_err();
    assert!(matches!(behind, AuthorityError::ClockBehind { .. }));
    let ended = ceremony.try_issue(&Request::Node(request), false, days(3_650));
    assert!(matches!(ended, Err(AuthorityError::IssuingExpired { .. })));
}

#[test]
fn damage_is_named_and_not_published_over() {
    let (ceremony, request) = enrolled();
    ceremony.publish(now());
    let place = ceremony.dir().join("trust/directory/000000000002");
    let entry = ceremony.dir().join(format!("entries/{}.json", request.id));
    let whole = std::fs::read(&entry).unwrap();
    std::fs::write(&entry, &whole[..whole.len() / 2]).unwrap();
    let fault = publish(&ceremony.dir(), PublishOptions::default(), now()).unwrap_err();
    assert!(matches!(fault, AuthorityError::Damaged { .. }));
    // An interrupted `issue`, told from a whole one.
    std::fs::remove_file(&entry).unwrap();
    let fault = publish(&ceremony.dir(), PublishOptions::default(), now()).unwrap_err();
    assert!(matches!(fault, AuthorityError::Dangling { .. }), "{fault}");
    ceremony.issue(&Request::Node(request));
    assert_eq!(ceremony.publish(now()).version.value(), 2);
    std::fs::write(place.join("head.sig"), [0; 64]).unwrap();
    let fault = publish(&ceremony.dir(), PublishOptions::default(), now()).unwrap_err();
    assert!(matches!(fault, AuthorityError::Damaged { .. }));
}

#[test]
fn a_publication_cut_short_is_not_seen() {
    let (ceremony, _) = enrolled();
    let torn = ceremony.dir().join("trust/directory/.publishing-directory");
    std::fs::create_dir(&torn).unwrap();
    std::fs::write(torn.join("head.json"), "{").unwrap();
    let published = ceremony.publish(now());
    assert_eq!(published.version.value(), 1);
    assert!(!torn.exists());
}
