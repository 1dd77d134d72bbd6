//! Revocation lists: [`consign_pki::path::revocation`], and what paths make of them.

use std::sync::LazyLock;

use consign_pki::path::revocation::{RevocationReason, made_by, read_list};
use consign_pki::path::{PathError, PathPurpose, validate};
use consign_verify::policy::SEAL_USAGE;

use crate::world::{dates, revoked, unix};
use crate::{Seed, WORLD};

/// A list that is known to be an authority's is one of ours, byte for byte; and what it says of
/// a seal is what that one says.
pub fn judge(bytes: &[u8]) -> bool {
    let is_ours = LISTS.iter().any(|(_, list)| list == bytes);
    let read = read_list(bytes.to_vec());
    let [root, issuing] = [&WORLD.root, &WORLD.issuing].map(|one| one.certificate_der());
    let made = made_by(bytes, issuing).or(made_by(bytes, root));
    assert_eq!(made.is_some(), is_ours, "a forged list");
    assert!(made.is_none() || read.is_ok(), "a list that cannot be read");

    let answer_for = |certificate: &[u8]| {
        let purpose = PathPurpose {
            crls: vec![WORLD.root_list.clone(), bytes.to_vec()],
            ..PathPurpose::seal(SEAL_USAGE)
        };
        validate(certificate, &WORLD.chain(), &WORLD.roots, unix(), &purpose)
    };
    match answer_for(&WORLD.lost.certificate) {
        Ok(_) => assert_eq!(bytes, LISTS[1].1, "a revoked seal counts"),
        Err(PathError::Revoked { revoked: found, .. }) => {
            assert!(is_ours, "a forged revocation");
            assert_eq!(found.reason, RevocationReason::KeyCompromise);
            assert_eq!(Some(found.since), revoked().invalid_from);
        }
        Err(PathError::RevocationUnknown { .. }) => {}
        Err(other) => panic!("not the list's fault: {other}"),
    }
    let counts = answer_for(&WORLD.seals[0].certificate).is_ok();
    assert!(!counts || is_ours, "a forged list answers");
    made.is_some()
}

static LISTS: LazyLock<[(&str, Vec<u8>); 4]> = LazyLock::new(|| {
    [
        ("lost", WORLD.list.clone()),
        ("none", none()),
        ("many", many()),
        ("root", WORLD.root_list.clone()),
    ]
});

fn none() -> Vec<u8> {
    WORLD
        .issuing
        .revocation_list(&[], 1, dates(1))
        .expect("a list")
}

fn many() -> Vec<u8> {
    let entries: Vec<_> = (0..60_u8)
        .map(|serial| consign_pki::issue::Revocation {
            serial: vec![2, serial],
            at: unix() - u64::from(serial),
            reason: RevocationReason::ALL[usize::from(serial) % RevocationReason::ALL.len()],
            invalid_from: (serial % 2 == 0).then(|| unix() - 1_000),
        })
        .chain([revoked()])
        .collect();
    WORLD
        .issuing
        .revocation_list(&entries, 300, dates(1))
        .expect("a list")
}

/// Lists of both authorities, and one as text.
pub fn seeds() -> Vec<Seed> {
    let good = |(name, list): &(&str, Vec<u8>)| Seed::good(name, list.clone());
    let mut seeds: Vec<_> = LISTS.iter().map(good).collect();
    seeds.push(Seed::bad("not-a-list", WORLD.root.certificate_der()));
    seeds
}

#[cfg(test)]
pub(crate) fn forgery() -> Vec<u8> {
    WORLD
        .issuing
        .revocation_list(&[], 2, dates(1))
        .expect("a list")
}
