//! Who may enter or change what: invitations, and renewal by the keys in force.

#![expect(
    clippy::unwrap_used,
    clippy::panic,
    reason = "helpers of tests, outside the functions that the lint excuses"
)]

mod support;

use consign_authority::{
    Authority, AuthorityError, Enrolment, Invitation, InviteOptions, IssueOptions, PublishOptions,
    Rename, RenewalProof, RevokeOptions,
};
use consign_domain::enrolment::{Bundle, NodeRequest, Request};
use consign_domain::{AgencyCode, Digest, KeyId, Timestamp};
use consign_keys::Keyring;
use consign_pki::certificate::{CertificateDetails, read_bundle};
use consign_pki::path::revocation::RevocationReason;
use consign_pki::statement::StatementKey;
use consign_runtime::entropy;
use support::{Ceremony, agency, days, node_of, now, statement_key};

/// An open authority with a hub, and its directory for invitations.
struct Desk {
    ceremony: Ceremony,
    authority: Authority,
}

impl Desk {
    fn new() -> Self {
        let ceremony = Ceremony::with_hub();
        let authority = Authority::open(&ceremony.dir()).unwrap();
        Self {
            ceremony,
            authority,
        }
    }

    fn invite(&self, code: &str) -> [u8; 16] {
        self.invite_below(code, None).unwrap()
    }

    fn invite_below(&self, code: &str, parent: Option<&str>) -> Result<[u8; 16], AuthorityError> {
        let options = InviteOptions {
            code: code.parse::<AgencyCode>().unwrap().into(),
            name: Some(agency(code, None).name),
            parent: parent.map(|parent| parent.parse().unwrap()),
            hub: None,
            address: None,
            days: 14,
        };
        let keyring = Keyring::default();
        let invited = Authority::invite(&self.ceremony.dir(), &keyring, &options, now());
        invited.map(|invited| invited.token.secret)
    }

    fn enrol(
        &mut self,
        request: &NodeRequest,
        secrets: &[[u8; 16]],
    ) -> Result<Bundle, AuthorityError> {
        let bytes = Request::Node(request.clone()).to_bytes();
        match self.authority.enrol(&bytes, secrets, now())? {
            Enrolment::Answered(bundle) => Ok(*bundle),
            Enrolment::Waiting(reference) => panic!("{reference} waits"),
        }
    }

    /// A node with one agency, enrolled by invitation.
    fn enrolled(&mut self, code: &str) -> (NodeRequest, Bundle) {
        let request = node_of(vec![agency(code, None)]);
        let secret = self.invite(code);
        let bundle = self.enrol(&request, &[secret]).unwrap();
        (request, bundle)
    }

    /// The lines of the next directory.
    fn published(&mut self, at: Timestamp) -> Vec<u8> {
        self.authority
            .publish(PublishOptions::default(), at)
            .unwrap();
        let (_, entries) = Authority::newest_version(&self.ceremony.dir(), None)
            .unwrap()
            .unwrap();
        entries
    }
}

#[test]
fn an_invitation_counts_once_and_for_what_it_says() {
    let mut desk = Desk::new();
    let secret = desk.invite("H49.13");
    let (first, second) = (
        node_of(vec![agency("H49.13", None)]),
        node_of(vec![agency("H49.13", None)]),
    );
    let other = node_of(vec![agency("H49.14", None)]);
    let refused = desk.enrol(&other, &[secret]).unwrap_err();
    assert!(
        matches!(refused, AuthorityError::NotInvited { .. }),
        "{refused}"
    );
    let both = node_of(vec![agency("H49.13", None), agency("H49.15", None)]);
    let refused = desk.enrol(&both, &[secret]).unwrap_err();
    assert!(
        matches!(refused, AuthorityError::NotInvited { .. }),
        "{refused}"
    );
    // What was refused used nothing up; the same request again gets the same.
    let bundle = desk.enrol(&first, &[secret]).unwrap();
    assert_eq!(desk.enrol(&first, &[secret]).unwrap().tls, bundle.tls);
    let refused = desk.enrol(&second, &[secret]).unwrap_err();
    assert!(
        matches!(refused, AuthorityError::InvitationUsed { .. }),
        "{refused}"
    );
    let refused = desk.enrol(&second, &[[7; 16]]).unwrap_err();
    assert!(
        matches!(refused, AuthorityError::InvitationUnknown),
        "{refused}"
    );
    let late = desk.invite("H49.16");
    let bytes = Request::Node(node_of(vec![agency("H49.16", None)])).to_bytes();
    let refused = desk.authority.enrol(&bytes, &[late], days(15)).unwrap_err();
    assert!(
        matches!(refused, AuthorityError::InvitationExpired { .. }),
        "{refused}"
    );
}

#[test]
fn nobody_is_invited_below_an_agency_that_is_not_to_come() {
    let mut desk = Desk::new();
    let refused = desk.invite_below("H49.13.10", Some("H49.13")).unwrap_err();
    let words = "H49.13, named as the agency above H49.13.10, is neither registered nor invited";
    assert!(refused.to_string().starts_with(words), "{refused}");
    let refused = desk.invite_below("H49.13", Some("H49.13")).unwrap_err();
    assert!(matches!(refused, AuthorityError::ParentCycle { .. }));
    // Invited is enough, and registered.
    desk.invite("H49.13");
    desk.invite_below("H49.13.10", Some("H49.13")).unwrap();
    desk.enrolled("H49.14");
    desk.invite_below("H49.14.10", Some("H49.14")).unwrap();
    // So is one whose request waits, or was interrupted.
    let request = Request::Node(node_of(vec![agency("H49.16", None)]));
    let waits = desk.authority.enrol(&request.to_bytes(), &[], now());
    assert!(matches!(waits, Ok(Enrolment::Waiting(_))), "{waits:?}");
    desk.invite_below("H49.16.10", Some("H49.16")).unwrap();
    let secret = desk.invite("H49.17");
    let place = desk.ceremony.dir().join("invitations");
    let place = place.join(format!("{}.json", Digest::of(&secret)));
    let text = std::fs::read(&place).unwrap();
    let mut invitation: Invitation = serde_json::from_slice(&text).unwrap();
    invitation.used = Some(Digest::of(b"a request"));
    std::fs::write(&place, serde_json::to_vec(&invitation).unwrap()).unwrap();
    desk.invite_below("H49.17.10", Some("H49.17")).unwrap();
}

#[test]
fn with_an_invitation_nobody_takes_what_is_anothers() {
    let mut desk = Desk::new();
    let (victim, _) = desk.enrolled("H49.20");
    let (mallory, _) = desk.enrolled("H49.30");
    let before = desk.published(now());
    let theirs = &victim.agencies[0];

    // Under the id of a registered agency, by an invitation for a new code.
    let secret = desk.invite("H49.99");
    let mut stolen = agency("H49.99", None);
    stolen.id = theirs.id;
    let refused = desk.enrol(&node_of(vec![stolen]), &[secret]).unwrap_err();
    assert!(
        matches!(refused, AuthorityError::NotInvited { .. }),
        "{refused}"
    );

    // Beside one's own agency, by an invitation to replace that one's keys.
    let secret = desk.invite("H49.30");
    let mut own = agency("H49.30", None);
    own.id = mallory.agencies[0].id;
    let mut moved = theirs.clone();
    moved.seal = agency("H49.20", None).seal;
    let request = NodeRequest {
        agencies: vec![own.clone(), moved],
        ..mallory.clone()
    };
    let refused = desk.enrol(&request, &[secret]).unwrap_err();
    assert!(
        matches!(refused, AuthorityError::Changed { .. }),
        "{refused}"
    );
    let request = NodeRequest {
        agencies: vec![own.clone(), theirs.clone()],
        ..mallory.clone()
    };
    let refused = desk.enrol(&request, &[secret]).unwrap_err();
    assert!(
        matches!(refused, AuthorityError::Changed { .. }),
        "{refused}"
    );
    assert_eq!(desk.published(now()), before, "nothing was entered");

    let own = NodeRequest {
        agencies: vec![own],
        ..mallory
    };
    desk.enrol(&own, &[secret]).unwrap();
    assert_ne!(desk.published(now()), before);
}

#[test]
fn without_an_invitation_a_request_waits_for_the_operator() {
    let mut desk = Desk::new();
    let request = Request::Node(node_of(vec![agency("H49.13", None)])).to_bytes();
    let waits = desk.authority.enrol(&request, &[], now()).unwrap();
    let Enrolment::Waiting(reference) = waits else {
        panic!("nobody has decided");
    };
    let pending = Authority::pending(&desk.ceremony.dir()).unwrap();
    assert_eq!(pending[0].reference, reference);
    assert_eq!(pending[0].agencies[0].0, "H49.13");
    let options = IssueOptions::default();
    desk.authority.approve(&reference, &options, now()).unwrap();
    let answered = desk.authority.enrol(&request, &[], now()).unwrap();
    assert!(matches!(answered, Enrolment::Answered(_)));
    assert!(desk.authority.dismiss(&reference).is_err(), "it is decided");
}

#[test]
fn keys_are_renewed_by_the_keys_in_force_alone() {
    let mut desk = Desk::new();
    let key = StatementKey::from_seed(entropy::bytes().unwrap());
    let mut request = node_of(vec![agency("H49.13", None)]);
    request.agencies[0].statement = Digest::from_bytes(key.public().to_bytes());
    let secret = desk.invite("H49.13");
    let bundle = desk.enrol(&request, &[secret]).unwrap();
    let tls = read_bundle(&bundle.tls).unwrap();
    let tls = CertificateDetails::from_der(&tls[0]).unwrap().fingerprint;
    let peer = (request.id.to_bytes(), Digest::from_bytes(tls));

    let mut next = request.clone();
    next.agencies[0].statement = statement_key();
    let bytes = Request::Node(next.clone()).to_bytes();
    let proof = |key: &StatementKey, bytes: &[u8]| RenewalProof {
        party: request.agencies[0].id.into(),
        key: KeyId::from_bytes(key.public().key_id()),
        signature: key.sign(bytes),
    };
    let stranger = StatementKey::from_seed([9; 32]);
    let stranger_certificate = (peer.0, Digest::of(b"another certificate"));
    let old = Request::Node(request.clone()).to_bytes();
    let cases = [
        (Vec::new(), peer),
        (vec![proof(&stranger, &bytes)], peer),
        (vec![proof(&key, &old)], peer),
        (vec![proof(&key, &bytes)], stranger_certificate),
        (vec![proof(&key, &bytes)], ([3; 16], peer.1)),
    ];
    for (proofs, peer) in cases {
        let refused = desk
            .authority
            .renew(&bytes, &proofs, peer, now())
            .unwrap_err();
        assert!(
            matches!(refused, AuthorityError::RenewalRefused { .. }),
            "{refused}"
        );
    }
    let mut renamed = next.clone();
    renamed.agencies[0].name = agency("H49.77", None).name;
    let renamed = Request::Node(renamed).to_bytes();
    let proofs = [proof(&key, &renamed)];
    assert!(
        desk.authority
            .renew(&renamed, &proofs, peer, now())
            .is_err()
    );

    let proofs = [proof(&key, &bytes)];
    desk.authority.renew(&bytes, &proofs, peer, now()).unwrap();
    let published = desk
        .authority
        .publish(PublishOptions::default(), now())
        .unwrap();
    let directory = desk.ceremony.directory(&published);
    let party = request.agencies[0].id.into();
    let in_force = KeyId::from_bytes(key.public().key_id());
    let before = directory.key(party, in_force).unwrap();
    assert!(
        before.may_sign_now() && before.counts_at(days(6)),
        "they overlap"
    );
    assert!(!before.counts_at(days(8)));
    // A key that was replaced never comes back.
    let refused = desk
        .authority
        .renew(&old, &[proof(&key, &old)], peer, now());
    assert!(matches!(
        refused,
        Err(AuthorityError::RenewalRefused { .. })
    ));
}

#[test]
fn one_source_does_not_have_all_places_of_those_who_wait() {
    let mut desk = Desk::new();
    let stranger = |code: &str| Request::Node(node_of(vec![agency(code, None)])).to_bytes();
    let mut ask = |request: &[u8], from: &str| {
        let from = Some(from.parse().unwrap());
        desk.authority.enrol_from(request, &[], from, now())
    };
    let first = stranger("H49.100");
    ask(&first, "192.0.2.1").unwrap();
    for number in 101..110 {
        ask(&stranger(&format!("H49.{number}")), "192.0.2.1").unwrap();
    }
    let refused = ask(&stranger("H49.110"), "192.0.2.1").unwrap_err();
    assert_eq!(refused.code(), consign_domain::ErrorCode::QuotaExceeded);
    // Who waits already may ask again, and others may wait too.
    ask(&first, "192.0.2.1").unwrap();
    ask(&stranger("H49.110"), "192.0.2.2").unwrap();
    let pending = Authority::pending(&desk.ceremony.dir()).unwrap();
    assert_eq!(pending.len(), 11);
    let of_first = |one: &&consign_authority::PendingRequest| one.agencies[0].0 == "H49.100";
    let one = pending.iter().find(of_first).unwrap();
    assert_eq!(one.from, Some("192.0.2.1".parse().unwrap()));
    assert_eq!(one.asked, Some(now()));
    // Whoever is invited waits for nobody.
    let secret = desk.invite("H49.13");
    let request = Request::Node(node_of(vec![agency("H49.13", None)])).to_bytes();
    let from = Some("192.0.2.1".parse().unwrap());
    let answer = desk.authority.enrol_from(&request, &[secret], from, now());
    assert!(matches!(answer, Ok(Enrolment::Answered(_))));
    assert!(Authority::has_invitation(&desk.ceremony.dir(), &secret));
    assert!(!Authority::has_invitation(&desk.ceremony.dir(), &[7; 16]));
    // What was decided gives its place back.
    desk.authority.dismiss(&one.reference).unwrap();
    let next = stranger("H49.120");
    let answer = desk.authority.enrol_from(&next, &[], from, now());
    assert!(matches!(answer, Ok(Enrolment::Waiting(_))));
}

#[test]
fn keys_are_not_renewed_all_day_long() {
    let mut desk = Desk::new();
    let (mut request, bundle) = desk.enrolled("H49.13");
    let fingerprint = |chain: &str| {
        let certificates = read_bundle(chain).unwrap();
        let details = CertificateDetails::from_der(&certificates[0]).unwrap();
        Digest::from_bytes(details.fingerprint)
    };
    let (node, mut certificate) = (request.id.to_bytes(), fingerprint(&bundle.tls));
    let mut renew = |request: &mut NodeRequest, at: Timestamp| {
        request.tls = support::certificate_request();
        let bytes = Request::Node(request.clone()).to_bytes();
        let renewed = desk.authority.renew(&bytes, &[], (node, certificate), at);
        renewed.map(|bundle| {
            certificate = fingerprint(&bundle.tls);
            // The same again, since an answer may be lost, is not counted.
            let again = desk.authority.renew(&bytes, &[], (node, certificate), at);
            assert_eq!(again.unwrap().tls, bundle.tls);
        })
    };
    for _ in 0..12 {
        renew(&mut request, now()).unwrap();
    }
    let refused = renew(&mut request, now()).unwrap_err();
    assert!(
        matches!(refused, AuthorityError::RenewedOften { limit: 12, .. }),
        "{refused}"
    );
    for _ in 0..4 {
        renew(&mut request, days(1)).unwrap();
    }
    let refused = renew(&mut request, days(2)).unwrap_err();
    assert!(
        matches!(refused, AuthorityError::RenewedOften { limit: 16, .. }),
        "{refused}"
    );
    renew(&mut request, days(31)).unwrap();
}

/// Whoever has a node's disk renews for as long as that goes: the operator still can do everything
/// afterwards, and the authority opens.
#[test]
fn renewals_leave_room_for_what_people_decide() {
    let mut desk = Desk::new();
    let mut key = StatementKey::from_seed(entropy::bytes().unwrap());
    let mut request = node_of(vec![agency("H49.13", None)]);
    request.agencies[0].statement = Digest::from_bytes(key.public().to_bytes());
    let secret = desk.invite("H49.13");
    let bundle = desk.enrol(&request, &[secret]).unwrap();
    let tls = read_bundle(&bundle.tls).unwrap();
    let tls = CertificateDetails::from_der(&tls[0]).unwrap().fingerprint;
    let peer = (request.id.to_bytes(), Digest::from_bytes(tls));
    let party = request.agencies[0].id.into();
    let mut renewed = 0;
    let refused = (0..360).find_map(|day| {
        let next = StatementKey::from_seed(entropy::bytes().unwrap());
        request.agencies[0].statement = Digest::from_bytes(next.public().to_bytes());
        request.agencies[0].encryption = agency("H49.13", None).encryption;
        let bytes = Request::Node(request.clone()).to_bytes();
        let proof = RenewalProof {
            party,
            key: KeyId::from_bytes(key.public().key_id()),
            signature: key.sign(&bytes),
        };
        match desk.authority.renew(&bytes, &[proof], peer, days(day)) {
            Ok(_) => (renewed, key) = (renewed + 1, next),
            Err(AuthorityError::RenewedOften { .. }) => {}
            Err(refused) => return Some(refused),
        }
        None
    });
    assert!(
        matches!(refused, Some(AuthorityError::RenewalsFull { .. })),
        "{renewed}: {refused:?}"
    );
    assert!(renewed > 40, "{renewed}");

    let (code, now) = ("H49.13".parse().unwrap(), days(361));
    let name = Some(agency("H49.14", None).name);
    let renamed = Rename {
        name,
        ..Rename::default()
    };
    assert!(desk.authority.rename(&code, &renamed, now).unwrap());
    let compromised = RevokeOptions {
        reason: RevocationReason::KeyCompromise,
        at: None,
        invalid_from: Some(support::now()),
    };
    let party = code.clone().into();
    desk.authority.revoke(&party, compromised, now).unwrap();
    let dir = desk.ceremony.dir();
    drop(desk.authority);
    desk.authority = Authority::open(&dir).unwrap();
    // New keys by an invitation, under the id and code of before.
    let mut fresh = agency("H49.13", None);
    fresh.id = request.agencies[0].id;
    fresh.name = agency("H49.14", None).name;
    request.agencies = vec![fresh];
    let options = IssueOptions {
        replace: true,
        ..IssueOptions::default()
    };
    let bytes = Request::Node(request).to_bytes();
    desk.authority.issue(&bytes, &options, now).unwrap();
}

/// What the authority could not read again is not written.
#[test]
fn an_entry_that_would_be_too_large_is_refused_before_it_is_written() {
    let mut desk = Desk::new();
    desk.enrolled("H49.13");
    let code = "H49.13".parse().unwrap();
    let refused = (0..400).find_map(|number| {
        let name = format!("{} {number}", "Sở ".repeat(60));
        let name = Some(consign_domain::text::Line::new(name.trim()).unwrap());
        let renamed = Rename {
            name,
            ..Rename::default()
        };
        desk.authority.rename(&code, &renamed, days(number)).err()
    });
    assert!(
        matches!(refused, Some(AuthorityError::Entry { .. })),
        "{refused:?}"
    );
    let dir = desk.ceremony.dir();
    drop(desk.authority);
    Authority::open(&dir).unwrap();
}
