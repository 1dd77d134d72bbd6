//! Agencies that get other codes and names, move to another node, and are merged into others.

#![expect(
    clippy::unwrap_used,
    reason = "helpers of tests, outside the functions that the lint excuses"
)]

mod support;

use consign_authority::{
    Authority, AuthorityError, IssueOptions, PublishOptions, Rename, set_state,
};
use consign_domain::directory::EntryState;
use consign_domain::enrolment::Request;
use consign_domain::text::Line;
use consign_domain::{AgencyCode, NodeId};
use consign_pki::certificate::{CertificateDetails, read_bundle};
use consign_verify::directory::{Became, Directory};
use support::{Ceremony, agency, days, node_of, now};

fn code(text: &str) -> AgencyCode {
    text.parse().unwrap()
}

/// Two agencies on one node, one on another; the other's id.
fn enrolled() -> (Ceremony, NodeId) {
    let ceremony = Ceremony::with_hub();
    let first = node_of(vec![agency("H49.13", None), agency("H49.14", None)]);
    let second = node_of(vec![agency("H49.15", None)]);
    let other = second.id;
    ceremony.issue(&Request::Node(first));
    ceremony.issue(&Request::Node(second));
    ceremony.publish(now());
    (ceremony, other)
}

/// What is published after a change, a day later.
fn after(ceremony: &Ceremony, change: impl FnOnce(&mut Authority)) -> Directory {
    let mut authority = Authority::open(&ceremony.dir()).unwrap();
    change(&mut authority);
    let published = authority
        .publish(PublishOptions::default(), days(1))
        .unwrap();
    assert!(published.is_new);
    ceremony.directory(&published)
}

#[test]
fn an_agency_is_renamed_and_its_old_code_stays_its_own() {
    let (ceremony, _) = enrolled();
    let (old, new) = (code("H49.13"), code("H49.31"));
    let rename = Rename {
        code: Some(new.clone()),
        name: Some(Line::new("Sở Nội vụ và Lao động").unwrap()),
        ..Rename::default()
    };
    let directory = after(&ceremony, |authority| {
        assert!(authority.rename(&old, &rename, days(1)).unwrap());
        assert!(
            !authority.rename(&new, &rename, days(1)).unwrap(),
            "it has it"
        );
    });
    let agency = directory.agency_by_code(&new).unwrap();
    assert_eq!(agency.code_at(now()), Some(&old));
    assert_eq!(agency.code_at(days(1)), Some(&new));
    assert_eq!(agency.name_at(days(1)), Some("Sở Nội vụ và Lao động"));
    let signs = |at| {
        let mut codes = agency.codes.iter();
        codes.any(|one| one.code == old && one.validity.contains(at))
    };
    assert!(signs(days(90)) && !signs(days(91)), "until all have heard");
    assert_eq!(directory.addressee(&old), Some(agency), "sent before");
    assert!(
        directory.active_agency(&old, days(1)).is_none(),
        "sent from now on"
    );
    let became = directory.now_known_as(&old, days(1));
    assert_eq!(became, Some(Became::Renamed(&new)));
    assert!(directory.now_known_as(&new, days(1)).is_none());
    // Nobody else gets the old code, by whatever way.
    let taken = Rename {
        code: Some(old.clone()),
        ..Rename::default()
    };
    let mut authority = Authority::open(&ceremony.dir()).unwrap();
    let refused = authority.rename(&code("H49.14"), &taken, days(2));
    assert!(matches!(refused, Err(AuthorityError::CodeTaken { .. })));
    let unknown = authority.rename(&old, &rename, days(2));
    assert!(matches!(unknown, Err(AuthorityError::PartyUnknown { .. })));
    let odd = Rename {
        code: Some(code("QQ")),
        ..Rename::default()
    };
    let refused = authority.rename(&new, &odd, days(2));
    assert!(matches!(refused, Err(AuthorityError::CodeGrammar { .. })));
}

#[test]
fn a_code_of_the_older_form_is_the_one_that_was_named() {
    let (ceremony, _) = enrolled();
    let own = code("H49.13");
    let named = |old: &str| Rename {
        old: Some(Line::new(old).unwrap()),
        ..Rename::default()
    };
    // One that no conversion gives.
    let old = "007.00.13.H49";
    let directory = after(&ceremony, |authority| {
        assert!(authority.rename(&own, &named(old), days(1)).unwrap());
        assert!(!authority.rename(&own, &named(old), days(1)).unwrap());
    });
    let agency = directory.agency_by_code(&own);
    assert!(agency.is_some());
    assert_eq!(directory.agency_by_old_code(old), agency);
    assert_eq!(directory.agency_by_old_code("000.00.13.H49"), None);
    let other = directory.agency_by_old_code("000.00.14.H49");
    assert_eq!(other, directory.agency_by_code(&code("H49.14")));
    let mut authority = Authority::open(&ceremony.dir()).unwrap();
    let taken = authority.rename(&code("H49.14"), &named(old), days(2));
    assert!(matches!(taken, Err(AuthorityError::CodeTaken { .. })));
    for odd in ["H49.13", "0.00.13.H49", "000.00.13.h49", "000.00.13.449"] {
        let refused = authority.rename(&own, &named(odd), days(2));
        assert!(
            matches!(refused, Err(AuthorityError::OldCodeGrammar { .. })),
            "{odd}"
        );
    }
}

#[test]
fn a_code_of_the_older_form_that_was_named_for_one_is_converted_for_nobody_else() {
    let (ceremony, _) = enrolled();
    let named = |old: &str| Rename {
        old: Some(Line::new(old).unwrap()),
        ..Rename::default()
    };
    let renamed = Rename {
        code: Some(code("H49.77")),
        ..Rename::default()
    };
    let (of_renamed, of_enrolled) = ("000.00.77.H49", "000.00.78.H49");
    let directory = after(&ceremony, |authority| {
        for (own, old) in [("H49.14", of_renamed), ("H49.15", of_enrolled)] {
            assert!(authority.rename(&code(own), &named(old), days(1)).unwrap());
        }
        let own = code("H49.13");
        assert!(authority.rename(&own, &renamed, days(1)).unwrap());
        let request = Request::Node(node_of(vec![agency("H49.78", None)]));
        let options = IssueOptions::default();
        authority
            .issue(&request.to_bytes(), &options, days(1))
            .unwrap();
    });
    for (own, old, holder) in [
        ("H49.77", of_renamed, "H49.14"),
        ("H49.78", of_enrolled, "H49.15"),
    ] {
        assert!(directory.agency_by_code(&code(own)).is_some());
        let found = directory.agency_by_old_code(old);
        assert_eq!(found, directory.agency_by_code(&code(holder)), "{own}");
    }
}

/// A node that has not heard of it does not ask for the old code and name back.
#[test]
fn a_request_by_a_code_that_was_given_up_is_one_by_the_new() {
    let ceremony = Ceremony::with_hub();
    let request = Request::Node(node_of(vec![agency("H49.13", None)]));
    ceremony.issue(&request);
    let (new, name) = (code("H49.31"), Line::new("Sở Nội vụ và Lao động").unwrap());
    let rename = Rename {
        code: Some(new.clone()),
        name: Some(name.clone()),
        ..Rename::default()
    };
    after(&ceremony, |authority| {
        assert!(authority.rename(&code("H49.13"), &rename, days(1)).unwrap());
    });
    for replace in [false, true] {
        let bundle = ceremony.try_issue(&request, replace, days(2)).unwrap();
        let certificates = read_bundle(&bundle.seals[0].certificates).unwrap();
        let seal = CertificateDetails::from_der(&certificates[0]).unwrap();
        assert!(seal.subject.contains("H49.31"), "{}", seal.subject);
    }
    let published = Authority::open(&ceremony.dir())
        .unwrap()
        .publish(PublishOptions::default(), days(2))
        .unwrap();
    let directory = ceremony.directory(&published);
    let agency = directory.active_agency(&new, days(2)).unwrap();
    assert_eq!(agency.name_at(days(2)), Some(name.as_str()));
}

#[test]
fn what_was_closed_keeps_no_other_agency_of_its_node_from_anything() {
    let ceremony = Ceremony::with_hub();
    let mut asked = node_of(vec![agency("H49.13", None), agency("H49.14", None)]);
    ceremony.issue(&Request::Node(asked.clone()));
    after(&ceremony, |authority| {
        let (gone, into) = (code("H49.13"), code("H49.14"));
        assert!(authority.merge(&gone, &into, days(1)).unwrap());
    });
    asked.agencies.push(agency("H49.15", None));
    let bundle = ceremony.try_issue(&Request::Node(asked.clone()), false, days(2));
    assert_eq!(bundle.unwrap().seals.len(), 2);
    asked.agencies.truncate(1);
    let alone = ceremony.try_issue(&Request::Node(asked), false, days(2));
    assert!(matches!(alone, Err(AuthorityError::Closed { .. })));
}

#[test]
fn an_agency_moves_to_another_node_with_its_keys() {
    let (ceremony, other) = enrolled();
    let moved = code("H49.13");
    let before = ceremony.directory(&ceremony.publish(now()));
    let before = before.agency_by_code(&moved).unwrap().clone();
    let directory = after(&ceremony, |authority| {
        assert!(authority.move_to(&moved, other, days(1)).unwrap());
        assert!(!authority.move_to(&moved, other, days(1)).unwrap());
        let nowhere = "0b0ed3a6-5d0c-4c58-9f3f-0d0f9a1f7a11".parse().unwrap();
        let refused = authority.move_to(&moved, nowhere, days(1));
        assert!(matches!(refused, Err(AuthorityError::PartyUnknown { .. })));
    });
    let agency = directory.agency_by_code(&moved).unwrap();
    assert!(directory.serves(other, agency.id));
    assert!(!directory.serves(before.node, agency.id));
    let mut as_before = agency.clone();
    as_before.node = before.node;
    assert_eq!(as_before, before, "nothing else changed");
}

#[test]
fn an_agency_is_merged_into_another_which_is_named() {
    let (ceremony, other) = enrolled();
    let (gone, into) = (code("H49.13"), code("H49.15"));
    let directory = after(&ceremony, |authority| {
        let itself = authority.merge(&gone, &gone, days(1));
        assert!(matches!(
            itself,
            Err(AuthorityError::MergedIntoItself { .. })
        ));
        assert!(authority.merge(&gone, &into, days(1)).unwrap());
        assert!(!authority.merge(&gone, &into, days(1)).unwrap());
        let back = authority.merge(&into, &gone, days(1));
        assert!(matches!(back, Err(AuthorityError::Closed { .. })));
        let again = authority.merge(&gone, &code("H49.14"), days(1));
        assert!(matches!(again, Err(AuthorityError::Closed { .. })));
        // What is on its way may be collected elsewhere.
        assert!(authority.move_to(&gone, other, days(1)).unwrap());
    });
    let agency = directory.agency_by_code(&gone).unwrap();
    assert_eq!(agency.state, EntryState::Closed);
    assert!(agency.is_served());
    assert!(directory.addressee(&gone).is_none(), "nothing new");
    let became = directory.now_known_as(&gone, days(1));
    assert_eq!(became, Some(Became::MergedInto(&into)));
    let key = agency.statement_keys[0].id;
    let known = directory.key(agency.id.into(), key).unwrap();
    assert!(known.counts_at(days(1)), "what it signed and signs counts");
    // Closed for good: its successor is forgotten, and so is its node.
    set_state(&ceremony.dir(), &gone.clone().into(), EntryState::Active).unwrap();
    set_state(&ceremony.dir(), &gone.clone().into(), EntryState::Closed).unwrap();
    let published = ceremony.publish(days(2));
    let directory = ceremony.directory(&published);
    assert!(!directory.agency_by_code(&gone).unwrap().is_served());
}
