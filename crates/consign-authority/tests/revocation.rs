//! Revoking: what the directory and the revocation lists say afterwards, and what `openssl`
//! makes of the lists.

#![expect(
    clippy::unwrap_used,
    reason = "helpers of tests, outside the functions that the lint excuses"
)]

mod support;

use std::path::Path;
use std::process::Command;

use consign_authority::ceremony::check as check_record;
use consign_authority::{
    Authority, AuthorityError, PublishOptions, Published, RevokeOptions, RootList, inspect,
    publish, revoke,
};
use consign_domain::directory::KeyState;
use consign_domain::enrolment::Request;
use consign_domain::{AgencyCode, Digest, ErrorCode, PartyCode, Timestamp};
use consign_pki::certificate::{fingerprint, read_bundle};
use consign_pki::path::revocation::{self as list, RevocationReason};
use support::{Ceremony, DAY, agency, certificate_request, days, node_of, now};

const SUPERSEDED: RevokeOptions = RevokeOptions {
    reason: RevocationReason::Superseded,
    at: None,
    invalid_from: None,
};

const CA_COMPROMISE: RevocationReason = RevocationReason::CaCompromise;

fn party(code: &str) -> PartyCode {
    code.parse::<AgencyCode>().unwrap().into()
}

/// A network with one agency, whose seal certificate lies in a file.
fn enrolled() -> (Ceremony, std::path::PathBuf) {
    let ceremony = Ceremony::with_hub();
    let request = node_of(vec![agency("H49.13", None)]);
    let bundle = ceremony.issue(&Request::Node(request));
    ceremony.publish(now());
    let seal = ceremony.dir().join("seal.pem");
    let chain = &bundle.seals.first().unwrap().certificates;
    std::fs::write(&seal, chain).unwrap();
    (ceremony, seal)
}

/// Whether `openssl` finds the seal good by the lists in force.
fn openssl_accepts(ceremony: &Ceremony, seal: &Path, at: Timestamp) -> bool {
    let dir = ceremony.dir();
    let lists = ["issuing", "root"].map(|name| {
        let der = dir.join(format!("trust/crl/{name}.crl"));
        let pem = dir.join(format!("{name}.crl.pem"));
        let made = Command::new("openssl")
            .args(["crl", "-inform", "DER", "-in"])
            .arg(der)
            .arg("-out")
            .arg(&pem)
            .status();
        assert!(made.unwrap().success());
        std::fs::read_to_string(pem).unwrap()
    });
    let all = dir.join("lists.pem");
    std::fs::write(&all, lists.concat()).unwrap();
    let verified = Command::new("openssl")
        .args(["verify", "-crl_check_all", "-purpose", "any", "-attime"])
        .arg(at.as_unix().to_string())
        .arg("-CAfile")
        .arg(dir.join("trust/trust.pem"))
        .arg("-untrusted")
        .arg(dir.join("issuing.pem"))
        .arg("-CRLfile")
        .arg(&all)
        .arg(seal)
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&verified.stderr).into_owned();
    if !verified.status.success() {
        assert!(said.contains("certificate revoked"), "{said}");
    }
    verified.status.success()
}

#[test]
fn a_revoked_agency_counts_for_what_is_older() {
    let (ceremony, seal) = enrolled();
    assert!(openssl_accepts(&ceremony, &seal, now()));
    let at = days(10);
    let revoked = revoke(&ceremony.dir(), &party("H49.13"), SUPERSEDED, at).unwrap();
    assert_eq!(
        (revoked.certificates, revoked.statement_keys, revoked.since),
        (1, 1, at)
    );
    // It counts once it is published.
    assert!(openssl_accepts(&ceremony, &seal, now()));
    let published = ceremony.publish(at);
    assert!(published.is_new);
    let directory = ceremony.directory(&published);
    let entry = directory.active_agency(&"H49.13".parse().unwrap(), at);
    let entry = entry.unwrap();
    assert_eq!(entry.seals[0].state, KeyState::Revoked);
    assert_eq!(entry.seals[0].validity.until, Some(at));
    assert_eq!(entry.statement_keys[0].state, KeyState::Revoked);
    assert_eq!(entry.statement_keys[0].validity.until, Some(at));
    assert!(
        entry.encryption_key_at(at).is_none(),
        "nobody encrypts to it"
    );
    assert!(!openssl_accepts(&ceremony, &seal, at));
    // Once more there is nothing to revoke.
    let again = revoke(&ceremony.dir(), &party("H49.13"), SUPERSEDED, at);
    assert!(matches!(again, Err(AuthorityError::NothingToRevoke { .. })));
}

#[test]
fn a_compromise_counts_from_when_it_may_have_been() {
    let (ceremony, seal) = enrolled();
    let (at, from) = (days(10), days(4));
    let options = RevokeOptions {
        reason: RevocationReason::KeyCompromise,
        at: None,
        invalid_from: Some(from),
    };
    let revoked = revoke(&ceremony.dir(), &party("H49.13"), options, at).unwrap();
    assert_eq!(revoked.since, from);
    let published = ceremony.publish(at);
    let directory = ceremony.directory(&published);
    let entry = directory.active_agency(&"H49.13".parse().unwrap(), at);
    assert_eq!(entry.unwrap().seals[0].validity.until, Some(from));
    assert!(!openssl_accepts(&ceremony, &seal, at));
    let text = Command::new("openssl")
        .args(["crl", "-inform", "DER", "-noout", "-text", "-in"])
        .arg(ceremony.dir().join("trust/crl/issuing.crl"))
        .output()
        .unwrap();
    let text = String::from_utf8_lossy(&text.stdout).into_owned();
    for said in ["Key Compromise", "Invalidity Date", "CRL Number"] {
        assert!(text.contains(said), "{said}: {text}");
    }
}

#[test]
fn a_compromise_takes_what_was_replaced_too_and_the_key_is_certified_no_more() {
    let ceremony = Ceremony::with_hub();
    let mut request = node_of(vec![agency("H49.13", None)]);
    ceremony.issue(&Request::Node(request.clone()));
    let stolen = request.agencies.clone();
    let fresh = agency("H49.13", None);
    let own = request.agencies.first_mut().unwrap();
    own.seal.clone_from(&fresh.seal);
    own.statement = fresh.statement;
    own.encryption.clone_from(&fresh.encryption);
    let at = days(2);
    ceremony
        .try_issue(&Request::Node(request.clone()), true, at)
        .unwrap();
    let options = RevokeOptions {
        reason: RevocationReason::KeyCompromise,
        at: None,
        invalid_from: Some(days(1)),
    };
    let code = party("H49.13");
    let first = revoke(&ceremony.dir(), &code, SUPERSEDED, days(3)).unwrap();
    assert_eq!((first.certificates, first.statement_keys), (1, 1));
    let all = revoke(&ceremony.dir(), &code, options, days(3)).unwrap();
    assert_eq!((all.certificates, all.statement_keys), (2, 2));
    assert_eq!(all.since, days(1));
    let directory = ceremony.directory(&ceremony.publish(days(3)));
    let entry = directory.active_agency(&"H49.13".parse().unwrap(), days(3));
    for seal in &entry.unwrap().seals {
        assert_eq!(seal.state, KeyState::Revoked);
        assert!(seal.validity.until <= Some(days(1)));
    }
    request.agencies = stolen;
    let again = ceremony.try_issue(&Request::Node(request), true, days(4));
    assert!(
        matches!(again, Err(AuthorityError::KeyRevoked { .. })),
        "{again:?}"
    );
}

#[test]
fn a_stolen_issuing_key_is_revoked_by_the_root_and_issues_nothing_more() {
    let (ceremony, seal) = enrolled();
    let (dir, at) = (ceremony.dir(), days(10));
    let stolen = RevokeOptions {
        reason: RevocationReason::KeyCompromise,
        ..SUPERSEDED
    };
    let revoke = |options, at| {
        let mut authority = Authority::open(&dir).unwrap();
        authority.revoke_issuing(options, at)
    };
    // The root key is in a safe.
    let (key, safe) = (dir.join("keys/root.key"), dir.join("safe"));
    std::fs::rename(&key, &safe).unwrap();
    let away = revoke(stolen, at).unwrap_err();
    assert!(matches!(away, AuthorityError::RootAway), "{away}");
    std::fs::rename(&safe, &key).unwrap();
    assert!(openssl_accepts(&ceremony, &seal, at), "nothing was changed");
    ceremony.issue(&Request::Node(node_of(vec![agency("H49.14", None)])));
    assert!(!dir.join("revoked.json").exists());

    let lists = dir.join("trust/crl");
    let before = std::fs::read(lists.join("issuing.crl")).unwrap();
    let revoked = revoke(stolen, at).unwrap();
    assert_eq!(revoked.since, at);
    assert_eq!(revoked.published.root_list, RootList::Signed);
    assert!(revoked.published.is_new, "the list travels with it");
    assert!(!openssl_accepts(&ceremony, &seal, at));
    let version = revoked.published.version;
    let mut records = std::fs::read_dir(dir.join("ceremonies")).unwrap().flatten();
    let record = records.find(|item| {
        let name = item.file_name().to_string_lossy().into_owned();
        name.ends_with(&format!("-root-list-{version}.txt"))
    });
    let record = record.unwrap().path();
    let text = std::fs::read_to_string(&record).unwrap();
    assert!(text.contains(&revoked.serial), "{text}");
    let agreement = check_record(&dir, &record).unwrap();
    assert!(agreement.differences.is_empty(), "{agreement:?}");

    // Every list from then on says so, and none is signed with the key.
    std::fs::rename(&key, &safe).unwrap();
    assert!(ceremony.publish(days(30)).is_new, "the directory goes on");
    std::fs::rename(&safe, &key).unwrap();
    let forced = PublishOptions {
        force: true,
        ..PublishOptions::default()
    };
    publish(&dir, forced, days(300)).unwrap();
    let root_list = std::fs::read(lists.join("root.crl")).unwrap();
    let said: Vec<_> = list::listed(&root_list).unwrap().into_values().collect();
    let [said] = said.as_slice() else {
        panic!("{said:?}")
    };
    assert_eq!((said.since, said.reason), (at.as_unix(), CA_COMPROMISE));
    assert_eq!(std::fs::read(lists.join("issuing.crl")).unwrap(), before);

    let request = Request::Node(node_of(vec![agency("H49.15", None)]));
    let refused = ceremony.try_issue(&request, false, days(300)).unwrap_err();
    assert!(
        matches!(refused, AuthorityError::IssuingRevoked { since } if since == at),
        "{refused}"
    );
    assert!(refused.to_string().contains("found a new authority"));
    let shown = inspect(&dir, days(300)).unwrap();
    assert_eq!(shown.issuing_revoked, Some(at));
    // That it was stolen earlier is said too; the same again says nothing.
    let again = revoke(stolen, days(300));
    assert!(matches!(again, Err(AuthorityError::NothingToRevoke { .. })));
    let earlier = RevokeOptions {
        invalid_from: Some(days(2)),
        ..stolen
    };
    assert_eq!(revoke(earlier, days(301)).unwrap().since, days(2));
}

fn revoke_issuing(dir: &Path, from: Option<Timestamp>, at: Timestamp) -> Published {
    let options = RevokeOptions {
        reason: RevocationReason::KeyCompromise,
        at: None,
        invalid_from: from,
    };
    let mut authority = Authority::open(dir).unwrap();
    authority.revoke_issuing(options, at).unwrap().published
}

#[test]
fn a_revocation_of_the_issuing_key_that_was_cut_short_is_completed() {
    let (ceremony, _) = enrolled();
    let (dir, from) = (ceremony.dir(), Some(days(16)));
    // The root's list is written, the version that brings it to others is not.
    let cut = |published: Published| std::fs::remove_dir_all(published.path).unwrap();
    assert!(ceremony.publish(days(16)).is_new);
    cut(revoke_issuing(&dir, from, days(16)));
    let repeated = revoke_issuing(&dir, from, days(16).plus_seconds(1));
    assert!(
        repeated.is_new,
        "its list is not older than the version before"
    );
    cut(repeated);
    // It takes no key of the root.
    std::fs::rename(dir.join("keys/root.key"), dir.join("safe")).unwrap();
    let published = ceremony.publish(days(17));
    assert!(published.is_new);
    assert!(!ceremony.publish(days(17)).is_new, "once");
    let said = std::fs::read(published.path.join("root.crl")).unwrap();
    assert_eq!(list::listed(&said).unwrap().len(), 1);
}

#[test]
fn the_issuing_list_that_stands_is_the_newest_from_before_the_theft() {
    let (ceremony, _) = enrolled();
    let list = ceremony.dir().join("trust/crl/issuing.crl");
    let first = std::fs::read(&list).unwrap();
    let second = ceremony.publish(days(20));
    assert_ne!(std::fs::read(&list).unwrap(), first);
    assert_eq!(
        std::fs::read(second.path.join("issuing.crl")).unwrap(),
        std::fs::read(&list).unwrap(),
        "a version keeps the list that was made with it"
    );
    let third = revoke_issuing(&ceremony.dir(), Some(days(5)), days(21));
    assert_eq!(std::fs::read(&list).unwrap(), first);
    assert_eq!(
        std::fs::read(third.path.join("issuing.crl")).unwrap(),
        first
    );
}

#[test]
fn no_list_stands_again_that_is_silent_about_an_older_theft() {
    let (ceremony, _) = enrolled();
    let list = ceremony.dir().join("trust/crl/issuing.crl");
    // Learnt of after the list of the first day was made.
    let stolen = RevokeOptions {
        reason: RevocationReason::KeyCompromise,
        at: None,
        invalid_from: Some(days(2)),
    };
    revoke(&ceremony.dir(), &party("H49.13"), stolen, days(10)).unwrap();
    ceremony.publish(days(10));
    let second = std::fs::read(&list).unwrap();
    revoke_issuing(&ceremony.dir(), Some(days(5)), days(21));
    assert_eq!(std::fs::read(&list).unwrap(), second);
    // Nor one from after the theft of the issuing key, where there is none from before.
    revoke_issuing(&ceremony.dir(), Some(now()), days(22));
    assert_eq!(std::fs::read(&list).unwrap(), second);
}

#[test]
fn lists_that_cannot_be_read_keep_no_version_from_coming() {
    let (ceremony, _) = enrolled();
    revoke_issuing(&ceremony.dir(), None, days(1));
    for name in ["issuing.crl", "root.crl"] {
        let list = ceremony.dir().join("trust/crl").join(name);
        std::fs::File::create(&list)
            .unwrap()
            .set_len(1 << 32)
            .unwrap();
    }
    std::fs::rename(
        ceremony.dir().join("keys/root.key"),
        ceremony.dir().join("safe"),
    )
    .unwrap();
    let published = ceremony.publish(days(20));
    assert!(published.is_new);
    assert_eq!(published.root_list, RootList::NotSigned);
    assert!(!ceremony.publish(days(20)).is_new, "once");
}

#[test]
fn a_hub_is_revoked_by_its_name() {
    let ceremony = Ceremony::with_hub();
    let hub: PartyCode = PartyCode::service("hub-1").unwrap();
    let revoked = revoke(&ceremony.dir(), &hub, SUPERSEDED, days(1)).unwrap();
    // Those for TLS and for time-stamps.
    assert_eq!((revoked.certificates, revoked.statement_keys), (2, 1));
}

/// The fingerprint of a chain's first certificate.
fn first_of(chain: &str) -> Digest {
    let certificates = read_bundle(chain).unwrap();
    Digest::from_bytes(fingerprint(certificates.first().unwrap()))
}

#[test]
fn a_node_is_known_no_more_once_its_certificate_is_revoked() {
    let ceremony = Ceremony::with_hub();
    let mut request = node_of(vec![agency("H49.13", None)]);
    let bundle = ceremony.issue(&Request::Node(request.clone()));
    let tls = ceremony.dir().join("tls.pem");
    std::fs::write(&tls, &bundle.tls).unwrap();
    ceremony.publish(now());
    assert!(openssl_accepts(&ceremony, &tls, now()));
    let at = days(3);
    let mut authority = Authority::open(&ceremony.dir()).unwrap();
    let revoked = authority.revoke_node(request.id, SUPERSEDED, at).unwrap();
    assert_eq!((revoked.certificates, revoked.statement_keys), (1, 0));
    let again = authority.revoke_node(request.id, SUPERSEDED, at);
    assert!(matches!(again, Err(AuthorityError::NothingToRevoke { .. })));
    drop(authority);
    let directory = ceremony.directory(&ceremony.publish(at));
    let certificate = first_of(&bundle.tls);
    assert!(directory.node_by_certificate(certificate, at).is_none());
    assert!(!openssl_accepts(&ceremony, &tls, at));
    // Its agency's keys are its agency's.
    let code = "H49.13".parse().unwrap();
    let entry = directory.active_agency(&code, at).unwrap();
    assert_eq!(entry.seals[0].state, KeyState::Active);
    // The key is certified no more; another one is, where that is meant.
    let same = ceremony.try_issue(&Request::Node(request.clone()), true, at);
    assert!(matches!(same, Err(AuthorityError::KeyRevoked { .. })));
    request.tls = certificate_request();
    let fresh = ceremony.try_issue(&Request::Node(request), true, at);
    let directory = ceremony.directory(&ceremony.publish(at));
    let certificate = first_of(&fresh.unwrap().tls);
    assert!(directory.node_by_certificate(certificate, at).is_some());
}

#[test]
fn what_cannot_be_revoked_is_said_and_changes_nothing() {
    let (ceremony, _) = enrolled();
    let try_revoke = |code: &str, options| {
        let outcome = revoke(&ceremony.dir(), &party(code), options, now());
        outcome.unwrap_err().code()
    };
    assert_eq!(try_revoke("H49.99", SUPERSEDED), ErrorCode::NotFound);
    let later = RevokeOptions {
        at: Some(now().plus_seconds(DAY)),
        ..SUPERSEDED
    };
    assert_eq!(try_revoke("H49.13", later), ErrorCode::Usage);
    let later = RevokeOptions {
        invalid_from: Some(now().plus_seconds(1)),
        ..SUPERSEDED
    };
    assert_eq!(try_revoke("H49.13", later), ErrorCode::Usage);
    assert!(!ceremony.publish(now()).is_new);
}

#[test]
fn the_lists_run_out_with_the_head_and_are_made_again_with_it() {
    let (ceremony, seal) = enrolled();
    let list = ceremony.dir().join("trust/crl/issuing.crl");
    let first = std::fs::read(&list).unwrap();
    std::fs::remove_file(&list).unwrap();
    assert!(!ceremony.publish(now()).is_new);
    assert!(list.exists(), "what is missing is made again");
    assert!(ceremony.publish(days(20)).is_new);
    assert_ne!(std::fs::read(&list).unwrap(), first);
    assert!(openssl_accepts(&ceremony, &seal, days(49)));
}

/// The reasons in the list of the issuing authority, and the dates of invalidity.
fn listed(ceremony: &Ceremony) -> (Vec<String>, usize) {
    let text = Command::new("openssl")
        .args(["crl", "-inform", "DER", "-noout", "-text", "-in"])
        .arg(ceremony.dir().join("trust/crl/issuing.crl"))
        .output()
        .unwrap();
    let text = String::from_utf8_lossy(&text.stdout).into_owned();
    let reasons = ["Superseded", "Key Compromise"];
    let lines = text.lines().map(str::trim);
    let found = lines.filter(|line| reasons.contains(line));
    (
        found.map(str::to_owned).collect(),
        text.matches("Invalidity Date").count(),
    )
}

/// It is found out later that a key which was given up had been stolen.
#[test]
fn a_revocation_is_raised_to_a_compromise_of_all_that_was_revoked() {
    let ceremony = Ceremony::with_hub();
    let request = node_of(vec![agency("H49.13", None)]);
    ceremony.issue(&Request::Node(request.clone()));
    let (hub, sealer) = (PartyCode::service("hub-1").unwrap(), party("H49.13"));
    let mut authority = Authority::open(&ceremony.dir()).unwrap();
    let revoke_all = |authority: &mut Authority, options: RevokeOptions, at: Timestamp| {
        let of_hub = authority.revoke(&hub, options, at).unwrap();
        let of_node = authority.revoke_node(request.id, options, at).unwrap();
        let of_agency = authority.revoke(&sealer, options, at).unwrap();
        [of_hub, of_node, of_agency].map(|revoked| revoked.certificates)
    };
    let superseded = revoke_all(&mut authority, SUPERSEDED, days(3));
    assert_eq!(superseded, [2, 1, 1], "TLS and time-stamps; TLS; the seal");
    publishes(&mut authority, days(3));
    assert_eq!(listed(&ceremony), (vec!["Superseded".to_owned(); 4], 0));

    // Since later than they were given up, and then since earlier.
    let compromise = |from| RevokeOptions {
        reason: RevocationReason::KeyCompromise,
        at: None,
        invalid_from: from,
    };
    let raised = revoke_all(&mut authority, compromise(None), days(5));
    assert_eq!(raised, [2, 1, 1]);
    publishes(&mut authority, days(5));
    assert_eq!(listed(&ceremony), (vec!["Key Compromise".to_owned(); 4], 0));
    let earlier = revoke_all(&mut authority, compromise(Some(days(1))), days(6));
    assert_eq!(earlier, [2, 1, 1]);
    publishes(&mut authority, days(6));
    assert_eq!(listed(&ceremony), (vec!["Key Compromise".to_owned(); 4], 4));

    // A compromise is never made less of.
    let again = authority.revoke(&hub, SUPERSEDED, days(7));
    assert!(matches!(again, Err(AuthorityError::NothingToRevoke { .. })));
}

fn publishes(authority: &mut Authority, at: Timestamp) {
    let options = PublishOptions::default();
    assert!(authority.publish(options, at).unwrap().is_new);
}
