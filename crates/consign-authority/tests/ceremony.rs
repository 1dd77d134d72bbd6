//! The whole ceremony in a directory: found, enrol, publish, change, publish again.

#![expect(
    clippy::unwrap_used,
    clippy::expect_used,
    reason = "helpers of tests, outside the functions that the lint excuses"
)]

mod support;

use std::collections::HashMap;
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;
use std::process::Command;

use consign_authority::{
    Authority, IssueOptions, PublishOptions, inspect, issue, publish, set_state,
};
use consign_domain::directory::{EntryState, KeyState};
use consign_domain::enrolment::{Bundle, Request};
use consign_domain::{AgencyCode, Digest, SignedStatement};
use consign_pki::certificate::{CertificateDetails, read_bundle};
use consign_verify::directory::Directory;
use consign_verify::trust::TrustStore;
use support::{
    Ceremony, agency, certificate_request, days, hub, hub_request, node, node_of, now, read_version,
};

fn code(text: &str) -> AgencyCode {
    text.parse().unwrap()
}

fn first_certificate(chain: &str) -> CertificateDetails {
    CertificateDetails::from_der(read_bundle(chain).unwrap().first().unwrap()).unwrap()
}

#[test]
fn the_published_directory_verifies_and_says_who_serves_whom() {
    let ceremony = Ceremony::new();
    let hub = hub_request("hub-1", "hub.example.vn:8443");
    let hub_bundle = ceremony.issue(&Request::Hub(hub.clone()));
    // The parent stands after its child, in the same request.
    let request = node_of(vec![agency("H49.13", Some("H49")), agency("H49", None)]);
    let bundle = ceremony.issue(&Request::Node(request.clone()));
    let published = ceremony.publish(now());
    assert!(published.is_new);
    assert_eq!((published.version.value(), published.entries), (1, 4));
    assert_eq!(published.expires, days(30));

    let directory = ceremony.directory(&published);
    let child = directory.active_agency(&code("H49.13"), now()).unwrap();
    assert_eq!(child.parent, Some(request.agencies[1].id));
    assert_eq!((child.node, child.hub), (request.id, hub.id));
    assert!(directory.serves(request.id, child.id));
    let seal = first_certificate(&bundle.seals[0].certificates);
    assert_eq!(
        child.seals[0].certificate,
        Digest::from_bytes(seal.fingerprint)
    );
    assert_eq!(
        child.codes[0].old.as_ref().unwrap().as_str(),
        "000.00.13.H49"
    );
    let tls = Digest::from_bytes(first_certificate(&bundle.tls).fingerprint);
    let known = directory.node_by_certificate(tls, now()).unwrap();
    assert_eq!(known.id, request.id);
    let tls = Digest::from_bytes(first_certificate(&hub_bundle.tls).fingerprint);
    assert_eq!(directory.hub_by_certificate(tls, now()).unwrap().id, hub.id);
    let clock_behind = now().minus_seconds(200);
    assert!(directory.hub_by_certificate(tls, clock_behind).is_some());
}

#[test]
fn certificates_say_what_the_authority_knows_and_nothing_of_the_request() {
    let ceremony = Ceremony::new();
    let tls = first_certificate(&ceremony.issue(&hub("hub-1", "127.0.0.1:8443")).tls);
    assert_eq!(tls.alternative_names, ["127.0.0.1"]);
    assert_eq!(tls.common_name.as_deref(), Some("hub-1"));
    assert_eq!(tls.extended_key_usages.len(), 2);
    let bundle = ceremony.issue(&node(vec![agency("H49.13", None)]));
    let seal = first_certificate(&bundle.seals[0].certificates);
    assert_eq!(seal.organization.as_deref(), Some("Cơ quan H49.13"));
    assert_eq!(
        seal.organization_identifier.as_deref(),
        Some("VNGOV-H49.13")
    );
    assert!(!seal.is_authority);
    assert_eq!(first_certificate(&bundle.tls).extended_key_usages.len(), 1);
}

#[test]
fn a_bundle_is_complete_and_holds_the_newest_directory() {
    let ceremony = Ceremony::with_hub();
    assert!(
        ceremony
            .issue(&hub("hub-2", "[::1]:8443"))
            .directory
            .is_none()
    );
    ceremony.publish(now());
    let options = IssueOptions {
        hub: Some("hub-2".parse().unwrap()),
        replace: false,
    };
    let request = node(vec![agency("H49", None)]).to_bytes();
    let bundle = issue(&ceremony.dir(), &request, &options, now()).unwrap();
    let bundle = Bundle::parse(&bundle.to_bytes()).unwrap();
    let trust = TrustStore::parse(bundle.trust.as_bytes()).unwrap();
    assert_eq!(trust.roots(), read_bundle(&bundle.trust_pem).unwrap());
    let directory = bundle.directory.unwrap();
    let mut signature = [0; 64];
    hex::decode_to_slice(&directory.signature, &mut signature).unwrap();
    let head = SignedStatement {
        statement: directory.head.into(),
        signature,
    };
    let directory = Directory::verify(head, directory.entries.into(), &trust).unwrap();
    assert_eq!(directory.hubs().count(), 2);
}

#[test]
fn openssl_accepts_seals_and_the_head() {
    let ceremony = Ceremony::with_hub();
    let bundle = ceremony.issue(&node(vec![agency("H49", None)]));
    let published = ceremony.publish(now());
    let dir = ceremony.dir();
    let seal = bundle.seals[0]
        .certificates
        .split_inclusive("-----END CERTIFICATE-----\n");
    std::fs::write(dir.join("seal.pem"), seal.take(1).collect::<String>()).unwrap();
    std::fs::write(dir.join("tls.pem"), &bundle.tls).unwrap();
    let at = now().as_unix().to_string();
    for leaf in ["seal.pem", "tls.pem"] {
        openssl(
            &dir,
            &[
                "verify",
                "-x509_strict",
                "-attime",
                &at,
                "-CAfile",
                "trust/trust.pem",
                "-untrusted",
                "issuing.pem",
                leaf,
            ],
        );
    }
    let key = dir.join("directory.pub");
    let private = dir.join("keys/directory.key");
    openssl(
        &dir,
        &["pkey", "-in", path(&private), "-pubout", "-out", path(&key)],
    );
    openssl(
        &published.path,
        &[
            "pkeyutl",
            "-verify",
            "-rawin",
            "-pubin",
            "-inkey",
            path(&key),
            "-sigfile",
            "head.sig",
            "-in",
            "head.json",
        ],
    );
}

#[test]
fn the_same_request_again_gives_the_same_certificates_and_one_entry() {
    let ceremony = Ceremony::with_hub();
    let request = node(vec![agency("H49", None), agency("H49.13", Some("H49"))]);
    let first = ceremony.issue(&request);
    ceremony.publish(now());
    let again = ceremony.try_issue(&request, false, days(10)).unwrap();
    assert_eq!((&again.tls, &again.seals), (&first.tls, &first.seals));
    assert!(again.directory.is_some() && first.directory.is_none());
    assert!(!inspect(&ceremony.dir(), now()).unwrap().unpublished);
    let issued = std::fs::read_dir(ceremony.dir().join("issued"))
        .unwrap()
        .count();
    assert_eq!(
        issued, 5,
        "two seals, a node's, a hub's and its time-stamps'"
    );
}

#[test]
fn a_hub_has_a_time_stamp_authority_whose_key_serves_nothing_else() {
    let ceremony = Ceremony::new();
    let asked = hub_request("hub-1", "127.0.0.1:8443");
    let bundle = ceremony.issue(&Request::Hub(asked.clone()));
    let chain = bundle.time_stamp.unwrap();
    let certificate = first_certificate(&chain);
    assert_eq!(certificate.extended_key_usages, ["1.3.6.1.5.5.7.3.8"]);
    assert_ne!(
        certificate.fingerprint,
        first_certificate(&bundle.tls).fingerprint
    );
    let shown = inspect(&ceremony.dir(), now()).unwrap();
    assert!(shown.hubs[0].time_stamp.is_some());
    // The same again is the same; another key is meant, or refused.
    let again = ceremony.issue(&Request::Hub(asked.clone()));
    assert_eq!(again.time_stamp, Some(chain));
    let mut other = asked.clone();
    other.time_stamp = Some(certificate_request());
    let request = Request::Hub(other);
    assert!(ceremony.try_issue(&request, false, now()).is_err());
    assert!(ceremony.try_issue(&request, true, now()).is_ok());
    let mut doubled = asked;
    doubled.time_stamp = Some(doubled.tls.clone());
    assert!(
        ceremony
            .try_issue(&Request::Hub(doubled), true, now())
            .is_err()
    );
}

#[test]
fn a_certificate_in_its_last_third_is_renewed_and_the_old_one_still_counts() {
    let ceremony = Ceremony::with_hub();
    let request = node(vec![agency("H49", None)]);
    let first = ceremony.issue(&request);
    let later = days(300);
    let renewed = ceremony.try_issue(&request, false, later).unwrap();
    assert_ne!(renewed.tls, first.tls);
    assert_eq!(renewed.seals, first.seals);
    let directory = ceremony.directory(&ceremony.publish(later));
    for bundle in [first, renewed] {
        let tls = Digest::from_bytes(first_certificate(&bundle.tls).fingerprint);
        assert!(directory.node_by_certificate(tls, later).is_some());
    }
}

#[test]
fn versions_form_a_chain_and_nothing_new_makes_none() {
    let ceremony = Ceremony::with_hub();
    let first = ceremony.publish(now());
    let same = ceremony.publish(days(14));
    assert!(!same.is_new);
    assert_eq!((same.version, same.expires), (first.version, first.expires));
    let half_gone = ceremony.publish(days(15));
    assert!(half_gone.is_new);
    let options = PublishOptions {
        life_seconds: Some(3600),
        force: true,
    };
    let forced = publish(&ceremony.dir(), options, days(15)).unwrap();
    assert_eq!(forced.version.value(), 3);
    assert_eq!(forced.expires, days(15).plus_seconds(3600));
    ceremony.issue(&node(vec![agency("H49", None)]));
    let fourth = ceremony.publish(days(15));
    let mut previous = None;
    for published in [first, half_gone, forced, fourth] {
        let directory = ceremony.directory(&published);
        assert_eq!(directory.head().previous, previous);
        previous = Some(directory.signed_head().digest());
    }
}

#[test]
fn states_count_from_the_next_version_on() {
    let ceremony = Ceremony::with_hub();
    let request = node(vec![agency("H49", None)]);
    ceremony.issue(&request);
    ceremony.publish(now());
    let h49 = code("H49");
    for (state, active) in [
        (EntryState::Suspended, false),
        (EntryState::Active, true),
        (EntryState::Closed, false),
    ] {
        assert!(set_state(&ceremony.dir(), &h49.clone().into(), state).unwrap());
        assert!(!set_state(&ceremony.dir(), &h49.clone().into(), state).unwrap());
        let directory = ceremony.directory(&ceremony.publish(now()));
        assert_eq!(directory.active_agency(&h49, now()).is_some(), active);
        assert!(directory.agency_by_code(&h49).is_some());
    }
    let refused = ceremony.try_issue(&request, true, now()).unwrap_err();
    assert_eq!(
        refused.to_string(),
        "H49 is closed; activate it before issuing to it"
    );
}

#[test]
fn a_node_that_is_suspended_is_known_no_more() {
    let ceremony = Ceremony::with_hub();
    let request = node_of(vec![agency("H49", None)]);
    let bundle = ceremony.issue(&Request::Node(request.clone()));
    let mut authority = Authority::open(&ceremony.dir()).unwrap();
    assert!(
        authority
            .set_node_state(request.id, EntryState::Suspended)
            .unwrap()
    );
    let published = authority.publish(PublishOptions::default(), now()).unwrap();
    let directory = ceremony.directory(&published);
    let tls = Digest::from_bytes(first_certificate(&bundle.tls).fingerprint);
    assert!(directory.node_by_certificate(tls, now()).is_none());
}

#[test]
fn what_is_replaced_ends_and_stays_on_record() {
    let ceremony = Ceremony::with_hub();
    let mut request = node_of(vec![agency("H49.13", None)]);
    let old = request.agencies[0].clone();
    ceremony.issue(&Request::Node(request.clone()));
    let mut new = agency("H49.14", None);
    new.id = old.id;
    request.agencies = vec![new.clone()];
    let later = days(100);
    let request = Request::Node(request);
    let refused = ceremony.try_issue(&request, false, later).unwrap_err();
    assert_eq!(
        refused.to_string(),
        "H49.14 is registered with another code, name, statement key, encryption key, seal key; \
         if the change is meant, repeat with --replace"
    );
    ceremony.try_issue(&request, true, later).unwrap();
    let directory = ceremony.directory(&ceremony.publish(later));
    let entry = directory.agency(old.id).unwrap();
    assert_eq!(entry.code_at(now()), Some(&old.code));
    assert_eq!(entry.code_at(later), Some(&new.code));
    assert!(directory.active_agency(&old.code, later).is_none());
    let states: Vec<_> = entry.statement_keys.iter().map(|key| key.state).collect();
    assert_eq!(states, [KeyState::Retired, KeyState::Active]);
    assert_eq!(
        entry.encryption_key_at(later).unwrap().public,
        new.encryption.clone().into()
    );
    assert_eq!(entry.seals[0].validity.until, Some(later));
    assert_eq!(entry.seals.len(), 2);
    // The old code is the agency's for ever.
    let taken = node(vec![agency("H49.13", None)]);
    assert!(ceremony.try_issue(&taken, true, later).is_err());
}

#[test]
fn inspection_counts_and_warns() {
    let ceremony = Ceremony::with_hub();
    ceremony.issue(&node(vec![agency("H49.13", None), agency("H49", None)]));
    let before = inspect(&ceremony.dir(), now()).unwrap();
    assert!(before.unpublished && before.head.is_none());
    ceremony.publish(now());
    let after = inspect(&ceremony.dir(), days(31)).unwrap();
    assert!(!after.unpublished);
    let head = after.head.unwrap();
    assert_eq!((head.version.value(), head.expires.days_left), (1, -2));
    assert_eq!(after.hubs[0].tls.unwrap().days_left, 365 - 31);
    assert_eq!(after.nodes[0].agencies, 2);
    let codes: Vec<_> = after
        .agencies
        .iter()
        .map(|one| one.code.clone().unwrap())
        .collect();
    assert_eq!(codes, [code("H49"), code("H49.13")]);
    assert!(serde_json::to_value(&after).unwrap()["head"]["version"].is_number());
}

/// The root's list can be signed anew; until then everything else goes on.
#[test]
fn a_root_list_that_cannot_be_read_hides_nothing_else() {
    let ceremony = Ceremony::with_hub();
    ceremony.publish(now());
    let list = ceremony.dir().join("trust/crl/root.crl");
    assert_eq!(Authority::newest_lists(&ceremony.dir()).len(), 2);
    std::fs::write(&list, "no list").unwrap();
    let shown = inspect(&ceremony.dir(), now()).unwrap();
    assert!(shown.root_list_fault.unwrap().contains("root.crl"));
    assert_eq!((shown.root_list, shown.hubs.len()), (None, 1));
    std::fs::remove_file(&list).unwrap();
    std::fs::create_dir(&list).unwrap();
    assert!(
        inspect(&ceremony.dir(), now())
            .unwrap()
            .root_list_fault
            .is_some()
    );
    assert_eq!(Authority::newest_lists(&ceremony.dir()).len(), 1);
}

#[test]
fn only_keys_are_private_and_published_versions_never_change() {
    let ceremony = Ceremony::with_hub();
    let published = ceremony.publish(now());
    let before = read_version(&published.path);
    let modes: HashMap<&str, u32> = [
        "keys",
        "keys/root.key",
        "keys/issuing.key",
        "keys/directory.key",
        "trust",
        "trust/trust.json",
    ]
    .into_iter()
    .map(|name| {
        let metadata = std::fs::metadata(ceremony.dir().join(name)).unwrap();
        (name, metadata.permissions().mode() & 0o777)
    })
    .collect();
    assert_eq!(modes["keys"], 0o700);
    for key in ["keys/root.key", "keys/issuing.key", "keys/directory.key"] {
        assert_eq!(modes[key], 0o600, "{key}");
    }
    assert_eq!((modes["trust"], modes["trust/trust.json"]), (0o755, 0o644));
    ceremony.issue(&node(vec![agency("H49", None)]));
    ceremony.publish(now());
    assert_eq!(read_version(&published.path), before);
}

fn openssl(dir: &Path, arguments: &[&str]) {
    let output = Command::new("openssl")
        .current_dir(dir)
        .args(arguments)
        .output()
        .expect("this test needs the program `openssl` in PATH");
    assert!(output.status.success(), "openssl {arguments:?}: {output:?}");
}

fn path(path: &Path) -> &str {
    path.to_str().unwrap()
}
