//! Groups of agencies: who is in them, from when until when, and what the directory says.

#![expect(
    clippy::unwrap_used,
    reason = "helpers of tests, outside the functions that the lint excuses"
)]

mod support;

use consign_authority::{Authority, AuthorityError, Kind, PublishOptions, inspect};
use consign_domain::text::Line;
use consign_domain::{AgencyCode, ErrorCode, PartyCode};
use support::{Ceremony, agency, days, node, now};

fn codes(codes: &[&str]) -> Vec<AgencyCode> {
    codes.iter().map(|code| code.parse().unwrap()).collect()
}

fn short(name: &str) -> PartyCode {
    PartyCode::service(name).unwrap()
}

/// A network of three agencies.
fn province() -> Ceremony {
    let ceremony = Ceremony::with_hub();
    let agencies = ["H49", "H49.13", "H49.20"].map(|code| agency(code, None));
    ceremony.issue(&node(agencies.into()));
    ceremony
}

#[test]
fn a_group_is_made_grows_shrinks_and_ends() {
    let ceremony = province();
    let group = short("so-nganh");
    let name = Line::new("Các sở, ngành").unwrap();
    let mut authority = Authority::open(&ceremony.dir()).unwrap();
    let mut add =
        |name, agencies: &[&str]| authority.add_to_group(&group, name, &codes(agencies), now());
    let nameless = add(None, &["H49.13"]).unwrap_err();
    assert!(nameless.to_string().contains("--name"), "{nameless}");
    assert!(add(Some(&name), &["H49.20", "H49.13"]).unwrap());
    assert!(!add(None, &["H49.13"]).unwrap(), "it is in it");
    let unknown = add(None, &["H49.13", "H49.98", "H49.99"]).unwrap_err();
    assert!(
        unknown.to_string().starts_with("H49.98, H49.99 is"),
        "{unknown}"
    );
    authority.publish(PublishOptions::default(), now()).unwrap();
    drop(authority);

    let directory = ceremony.directory(&ceremony.publish(now()));
    let listed = directory.group("so-nganh", now()).unwrap();
    assert_eq!(Some(listed), directory.group("Các sở, ngành", now()));
    let id = |code: &str| {
        directory
            .active_agency(&code.parse().unwrap(), now())
            .unwrap()
            .id
    };
    let mut expected = vec![id("H49.13"), id("H49.20")];
    expected.sort();
    assert_eq!(listed.members, expected);
    let shown = inspect(&ceremony.dir(), now()).unwrap();
    assert_eq!(shown.groups[0].members, ["H49.13", "H49.20"]);

    let mut authority = Authority::open(&ceremony.dir()).unwrap();
    let take = codes(&["H49.20"]);
    assert!(authority.remove_from_group(&group, &take, days(1)).unwrap());
    assert!(!authority.remove_from_group(&group, &take, days(1)).unwrap());
    assert!(authority.remove_from_group(&group, &[], days(2)).unwrap());
    let published = authority
        .publish(PublishOptions::default(), days(2))
        .unwrap();
    let directory = ceremony.directory(&published);
    let at_its_time = directory.group("so-nganh", days(1)).unwrap();
    assert_eq!(at_its_time.members.len(), 1);
    assert!(
        directory.group("so-nganh", days(2)).is_none(),
        "it has ended"
    );
    // It may begin anew, with other members.
    assert!(
        authority
            .add_to_group(&group, None, &take, days(3))
            .unwrap()
    );
    let published = authority
        .publish(PublishOptions::default(), days(3))
        .unwrap();
    let directory = ceremony.directory(&published);
    let anew = directory.group("so-nganh", days(3)).unwrap();
    assert_eq!(anew.members, [id("H49.20")]);
}

#[test]
fn short_names_have_one_holder() {
    let ceremony = province();
    let mut authority = Authority::open(&ceremony.dir()).unwrap();
    let name = Line::new("Tất cả").unwrap();
    for taken in ["hub-1", "authority"] {
        let refused = authority.add_to_group(&short(taken), Some(&name), &[], now());
        assert!(
            matches!(refused, Err(AuthorityError::CodeTaken { .. })),
            "{refused:?}"
        );
    }
    let unknown = authority.remove_from_group(&short("hub-1"), &[], now());
    assert_eq!(unknown.unwrap_err().code(), ErrorCode::NotFound);
    assert!(
        authority
            .add_to_group(&short("all"), Some(&name), &[], now())
            .unwrap()
    );
    // What people call a group means no other, whether they say its short name or its name.
    for (code, name) in [("others", "Tất cả"), ("others", "all"), ("so", "Các sở")] {
        let name = Line::new(name).unwrap();
        let added = authority.add_to_group(&short(code), Some(&name), &[], now());
        assert_eq!(added.is_ok(), code == "so", "{code}: {added:?}");
    }
    let renamed = authority.add_to_group(&short("so"), Some(&name), &[], now());
    assert!(
        matches!(renamed, Err(AuthorityError::GroupNameTaken { .. })),
        "{renamed:?}"
    );
    drop(authority);
    // A hub that would be called like a group is none, and the group's id nobody else's.
    let refused = ceremony.try_issue(&support::hub("all", "127.0.0.1:9"), false, now());
    assert!(matches!(refused, Err(AuthorityError::CodeTaken { .. })));
    assert_eq!(Kind::Group.to_string(), "a group");
    ceremony.publish(now());
}
