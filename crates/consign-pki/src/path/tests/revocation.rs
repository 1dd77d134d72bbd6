//! Revocation as of a time: what lists say of the past, and when they say nothing.

use rcgen::{CustomExtension, Issuer, KeyPair, RevocationReason as Reason};

use super::{authority_params, judge, seal};
use crate::fixture::{Hierarchy, NOW, YEAR};
use crate::path::revocation::{RevocationGap, RevocationReason, made_by};
use crate::path::{PathError, PathPurpose, RevocationCheck};
use crate::seal::KeyKind;

const DAY: u64 = 86_400;
/// The seal's serial number.
const SERIAL: &[u8] = &[0x10, 1, 2, 3];

/// A list to be made: by default in force at [`NOW`] and empty.
struct Draft {
    this_update: u64,
    next_update: u64,
    entries: Vec<(u64, Option<Reason>, Option<u64>)>,
    point: Option<rcgen::CrlIssuingDistributionPoint>,
}

impl Default for Draft {
    fn default() -> Self {
        Self {
            this_update: NOW - DAY,
            next_update: NOW + DAY,
            entries: Vec::new(),
            point: None,
        }
    }
}

impl Draft {
    /// With one entry for the seal.
    fn revoking(since: u64, reason: Option<Reason>) -> Self {
        let entries = vec![(since, reason, None)];
        Self {
            entries,
            ..Self::default()
        }
    }

    fn sign(self, authority: &crate::fixture::Authority) -> Vec<u8> {
        let key = KeyPair::from_pem(&authority.key_pem()).unwrap();
        let issuer = Issuer::from_ca_cert_der(&authority.certificate_der().into(), key).unwrap();
        self.sign_as(&issuer)
    }

    fn sign_as(self, issuer: &Issuer<'_, KeyPair>) -> Vec<u8> {
        let epoch = rcgen::date_time_ymd(1970, 1, 1);
        let time = |seconds| epoch + std::time::Duration::from_secs(seconds);
        let entry = |(since, reason, invalid): (u64, Option<Reason>, Option<u64>)| {
            rcgen::RevokedCertParams {
                serial_number: rcgen::SerialNumber::from_slice(SERIAL),
                revocation_time: time(since),
                reason_code: reason,
                invalidity_date: invalid.map(time),
            }
        };
        let params = rcgen::CertificateRevocationListParams {
            this_update: time(self.this_update),
            next_update: time(self.next_update),
            crl_number: rcgen::SerialNumber::from(1_u64),
            issuing_distribution_point: self.point,
            revoked_certs: self.entries.into_iter().map(entry).collect(),
            key_identifier_method: rcgen::KeyIdMethod::Sha256,
        };
        params.signed_by(issuer).unwrap().der().to_vec()
    }
}

/// A sealed world: the hierarchy and a seal's certificate.
struct World {
    hierarchy: Hierarchy,
    certificate: Vec<u8>,
}

impl World {
    fn new() -> Self {
        let hierarchy = Hierarchy::new();
        let (_, certificate) = hierarchy.seal(KeyKind::EcdsaP256);
        Self {
            hierarchy,
            certificate,
        }
    }

    /// Judges with lists of the issuing authority and a clean one of the root.
    fn judge(&self, at: u64, lists: Vec<Vec<u8>>) -> Result<RevocationCheck, PathError> {
        let root = Draft {
            next_update: NOW + 10 * YEAR,
            ..Draft::default()
        };
        let root = root.sign(&self.hierarchy.root);
        let crls = lists.into_iter().chain([root]).collect();
        let purpose = PathPurpose { crls, ..seal() };
        judge(&self.hierarchy, &self.certificate, at, &purpose).map(|path| path.revocation)
    }

    /// Since when it is revoked, and why.
    fn revoked(&self, at: u64, lists: Vec<Vec<u8>>) -> (u64, RevocationReason) {
        match self.judge(at, lists).unwrap_err() {
            PathError::Revoked {
                fingerprint,
                revoked,
            } => {
                assert_eq!(
                    fingerprint,
                    crate::certificate::fingerprint(&self.certificate)
                );
                (revoked.since, revoked.reason)
            }
            other => panic!("{other}"),
        }
    }

    fn gap(&self, at: u64, lists: Vec<Vec<u8>>) -> RevocationGap {
        match self.judge(at, lists).unwrap_err() {
            PathError::RevocationUnknown { gap, .. } => gap,
            other => panic!("{other}"),
        }
    }
}

#[test]
fn a_certificate_is_revoked_from_a_date_on() {
    let world = World::new();
    let revoked_on = NOW - 30 * DAY;
    let list = || {
        vec![Draft::revoking(revoked_on, Some(Reason::Superseded)).sign(&world.hierarchy.issuing)]
    };
    let good = Ok(RevocationCheck::NotRevoked);
    assert_eq!(
        world.judge(NOW, vec![Draft::default().sign(&world.hierarchy.issuing)]),
        good
    );
    assert_eq!(world.judge(revoked_on - 1, list()), good, "revoked later");
    let known = (revoked_on, RevocationReason::Superseded);
    assert_eq!(world.revoked(revoked_on, list()), known);
    assert_eq!(world.revoked(NOW, list()), known);
    let unspecified = Draft::revoking(revoked_on, None).sign(&world.hierarchy.issuing);
    assert_eq!(
        world.revoked(NOW, vec![unspecified]).1,
        RevocationReason::Unspecified
    );
}

#[test]
fn a_certificate_does_not_count_from_its_invalidity_on() {
    let world = World::new();
    let (revoked_on, lost_on) = (NOW - 30 * DAY, NOW - 60 * DAY);
    let list = |reason, invalid| {
        let entries = vec![(revoked_on, Some(reason), Some(invalid))];
        let draft = Draft {
            entries,
            ..Draft::default()
        };
        vec![draft.sign(&world.hierarchy.issuing)]
    };
    let good = Ok(RevocationCheck::NotRevoked);
    let compromised = || list(Reason::KeyCompromise, lost_on);
    assert_eq!(world.judge(lost_on - 1, compromised()), good);
    assert_eq!(
        world.revoked(lost_on, compromised()),
        (lost_on, RevocationReason::KeyCompromise)
    );
    // Where it is later, the date of the entry counts.
    let later = list(Reason::KeyCompromise, revoked_on + DAY);
    assert_eq!(world.revoked(revoked_on, later).0, revoked_on);
}

#[test]
fn the_newest_list_decides() {
    let world = World::new();
    let issuing = &world.hierarchy.issuing;
    let held = || Draft::revoking(NOW - 30 * DAY, Some(Reason::CertificateHold)).sign(issuing);
    let newer = Draft {
        this_update: NOW,
        ..Draft::default()
    };
    let newer = newer.sign(issuing);
    assert_eq!(
        world.revoked(NOW, vec![held()]).1,
        RevocationReason::CertificateHold
    );
    for lists in [vec![held(), newer.clone()], vec![newer, held()]] {
        assert_eq!(world.judge(NOW, lists), Ok(RevocationCheck::NotRevoked));
    }
}

#[test]
fn a_newer_list_is_not_passed_over_because_it_is_stale() {
    let world = World::new();
    let issuing = &world.hierarchy.issuing;
    let lasting = Draft {
        this_update: NOW - 10 * DAY,
        next_update: NOW + 20 * DAY,
        ..Draft::default()
    };
    let lasting = lasting.sign(issuing);
    let short = |entries| {
        let draft = Draft {
            this_update: NOW - 5 * DAY,
            next_update: NOW - 4 * DAY,
            entries,
            ..Draft::default()
        };
        draft.sign(issuing)
    };
    let revoking = short(vec![(NOW - 6 * DAY, Some(Reason::Superseded), None)]);
    assert_eq!(
        world.revoked(NOW, vec![lasting.clone(), revoking]).0,
        NOW - 6 * DAY
    );
    let silent = short(Vec::new());
    let until = NOW - 4 * DAY;
    assert_eq!(
        world.gap(NOW, vec![lasting.clone(), silent]),
        RevocationGap::Stale { until }
    );
    let held = short(vec![(NOW - 6 * DAY, Some(Reason::CertificateHold), None)]);
    assert_eq!(
        world.gap(NOW, vec![held, lasting]),
        RevocationGap::Stale { until }
    );
}

#[test]
fn of_several_entries_the_one_that_counts_from_earlier_decides() {
    let world = World::new();
    for (first, second) in [(NOW, NOW - 30 * DAY), (NOW - 30 * DAY, NOW)] {
        let entries = vec![(first, None, None), (second, None, None)];
        let draft = Draft {
            entries,
            ..Draft::default()
        };
        let list = draft.sign(&world.hierarchy.issuing);
        assert_eq!(world.revoked(NOW, vec![list]).0, NOW - 30 * DAY);
    }
    // Two lists of the same second: the one that says more.
    let silent = Draft::default().sign(&world.hierarchy.issuing);
    let revoking = Draft::revoking(NOW - DAY, None).sign(&world.hierarchy.issuing);
    for lists in [
        vec![silent.clone(), revoking.clone()],
        vec![revoking, silent],
    ] {
        assert_eq!(world.revoked(NOW, lists).0, NOW - DAY);
    }
}

#[test]
fn what_takes_an_entry_back_is_no_complete_list() {
    let world = World::new();
    let list = Draft::revoking(NOW - DAY, Some(Reason::RemoveFromCrl));
    let list = list.sign(&world.hierarchy.issuing);
    assert!(matches!(
        world.gap(NOW, vec![list]),
        RevocationGap::Unusable { .. }
    ));
}

#[test]
fn a_revoked_authority_makes_no_lists_any_more() {
    let world = World::new();
    let (root, issuing) = (&world.hierarchy.root, &world.hierarchy.issuing);
    let lost_on = NOW - 10 * DAY;
    let serial = crate::certificate::CertificateParts::parse(issuing.certificate_der())
        .unwrap()
        .serial
        .to_vec();
    let revoked = crate::issue::Revocation {
        serial,
        at: lost_on,
        reason: RevocationReason::CaCompromise,
        invalid_from: None,
    };
    let in_force = crate::issue::Validity {
        not_before: NOW,
        not_after: NOW + DAY,
    };
    let of_root = root.revocation_list(&[revoked], 1, in_force).unwrap();
    // By whoever has the key now: nothing is revoked.
    let forged = Draft::default().sign(issuing);
    let honest = Draft {
        this_update: lost_on - DAY,
        ..Draft::revoking(lost_on - 2 * DAY, None)
    };
    let honest = honest.sign(issuing);
    let judge = |at, lists: Vec<Vec<u8>>| {
        let crls = lists.into_iter().chain([of_root.clone()]).collect();
        let purpose = PathPurpose { crls, ..seal() };
        judge(&world.hierarchy, &world.certificate, at, &purpose).unwrap_err()
    };
    let before = lost_on - DAY;
    assert!(matches!(
        judge(before, vec![forged.clone(), honest]),
        PathError::Revoked { revoked, .. } if revoked.since == lost_on - 2 * DAY
    ));
    assert!(matches!(
        judge(before, vec![forged.clone()]),
        PathError::RevocationUnknown { .. }
    ));
    assert!(matches!(
        judge(NOW, vec![forged]),
        PathError::Revoked { revoked, .. } if revoked.reason == RevocationReason::CaCompromise
    ));
}

/// Whoever leaves the root's list out hides nothing.
#[test]
fn what_is_revoked_is_so_also_where_nothing_is_known_of_its_issuer() {
    let world = World::new();
    let list = Draft::revoking(NOW - DAY, None).sign(&world.hierarchy.issuing);
    let purpose = PathPurpose {
        crls: vec![list],
        ..seal()
    };
    assert!(matches!(
        judge(&world.hierarchy, &world.certificate, NOW, &purpose),
        Err(PathError::Revoked { revoked, .. }) if revoked.since == NOW - DAY
    ));
}

#[test]
fn a_list_answers_until_its_next_update() {
    let world = World::new();
    let list = || vec![Draft::default().sign(&world.hierarchy.issuing)];
    let until = NOW + DAY;
    assert_eq!(world.judge(until, list()), Ok(RevocationCheck::NotRevoked));
    assert_eq!(world.gap(until + 1, list()), RevocationGap::Stale { until });
    // What was known then is known still.
    assert_eq!(
        world.judge(NOW - 100 * DAY, list()),
        Ok(RevocationCheck::NotRevoked)
    );
}

#[test]
fn an_entry_may_have_been_dropped_after_the_certificate_expired() {
    let world = World::new();
    let late = |entries| Draft {
        this_update: NOW + 2 * YEAR,
        next_update: NOW + 2 * YEAR + DAY,
        entries,
        ..Draft::default()
    };
    let issuing = &world.hierarchy.issuing;
    assert_eq!(
        world.gap(NOW, vec![late(Vec::new()).sign(issuing)]),
        RevocationGap::Dropped
    );
    let kept = late(vec![(NOW - DAY, None, None)]).sign(issuing);
    assert_eq!(world.revoked(NOW, vec![kept]).0, NOW - DAY);
}

#[test]
fn what_cannot_answer_leaves_doubt() {
    let world = World::new();
    assert_eq!(world.gap(NOW, Vec::new()), RevocationGap::NoList);
    assert_eq!(
        world.gap(NOW, vec![vec![0x30, 0]]),
        RevocationGap::Malformed
    );
    let other = Hierarchy::new();
    let forged = Draft::default().sign(&other.issuing);
    assert_eq!(
        world.gap(NOW, vec![forged]),
        RevocationGap::NotSigned,
        "another authority of the same name"
    );
    let scope = |scope| {
        let point = rcgen::CrlIssuingDistributionPoint {
            distribution_point: rcgen::CrlDistributionPoint {
                uris: vec!["http://crl.example/1".to_owned()],
            },
            scope,
        };
        let draft = Draft {
            point: Some(point),
            ..Draft::default()
        };
        vec![draft.sign(&world.hierarchy.issuing)]
    };
    assert_eq!(
        world.gap(NOW, scope(Some(rcgen::CrlScope::CaCertsOnly))),
        RevocationGap::NoList
    );
    assert_eq!(
        world.gap(NOW, scope(None)),
        RevocationGap::NoList,
        "a distribution point that the certificate does not name"
    );
}

#[test]
fn an_authority_that_may_not_sign_lists_signs_none() {
    let key = KeyPair::generate().unwrap();
    let mut params = authority_params(
        "No lists",
        rcgen::IsCa::Ca(rcgen::BasicConstraints::Unconstrained),
    );
    let root = params.self_signed(&key).unwrap().der().to_vec();
    let issuer = Issuer::from_params(&params, &key);
    let leaf = super::end_entity(&issuer, Vec::<CustomExtension>::new());
    // The list itself is made by a library that asks for the usage.
    params.key_usages.push(rcgen::KeyUsagePurpose::CrlSign);
    let signer = Issuer::new(params, key);
    let purpose = PathPurpose {
        crls: vec![Draft::default().sign_as(&signer)],
        ..PathPurpose::default()
    };
    let outcome = crate::path::validate(&leaf, &[], &[root], NOW, &purpose);
    assert!(
        matches!(
            outcome,
            Err(PathError::RevocationUnknown {
                gap: RevocationGap::NotSigned,
                ..
            })
        ),
        "{outcome:?}"
    );
}

/// No byte of a list can be changed, and none makes the reader panic.
#[test]
fn a_changed_byte_anywhere_answers_nothing() {
    let world = World::new();
    let list =
        Draft::revoking(NOW - 30 * DAY, Some(Reason::KeyCompromise)).sign(&world.hierarchy.issuing);
    for position in 0..list.len() {
        let mut changed = list.clone();
        changed[position] ^= 1;
        let outcome = world.judge(NOW, vec![changed]);
        assert!(
            matches!(outcome, Err(PathError::RevocationUnknown { .. })),
            "byte {position}: {outcome:?}"
        );
    }
}

#[test]
fn a_list_is_known_by_who_has_signed_it() {
    let network = Hierarchy::new();
    let other = Hierarchy::new();
    let list = Draft::default().sign(&network.issuing);
    let issuing = network.issuing.certificate_der();
    assert_eq!(made_by(&list, issuing), Some(NOW - DAY));
    assert_eq!(made_by(&list, network.root.certificate_der()), None);
    assert_eq!(made_by(&list, other.issuing.certificate_der()), None);
    let mut changed = list.clone();
    if let Some(last) = changed.last_mut() {
        *last ^= 1;
    }
    assert_eq!(made_by(&changed, issuing), None);
    assert_eq!(made_by(b"no list", issuing), None);
    assert_eq!(made_by(&list, b"no certificate"), None);
}
