use std::panic::catch_unwind;

use super::*;

/// So a target that refuses everything, and checks nothing, is noticed.
#[test]
fn every_seed_gets_its_answer() {
    for target in TARGETS {
        let seeds = (target.seeds)();
        for seed in &seeds {
            let found = catch_unwind(|| (target.judge)(&seed.bytes));
            let found = found.unwrap_or_else(|_| panic!("{}: {}", target.name, seed.name));
            assert_eq!(found, seed.is_good, "{}: {}", target.name, seed.name);
        }
        assert!(seeds.iter().any(|seed| seed.is_good), "{}", target.name);
        let mut names: Vec<_> = seeds.iter().map(|seed| &seed.name).collect();
        names.sort();
        names.dedup();
        assert_eq!(names.len(), seeds.len(), "{}: names", target.name);
    }
}

/// Half of each seed, and each with a byte changed here and there.
#[test]
fn torn_and_changed_seeds_do_no_harm() {
    for target in TARGETS {
        for seed in (target.seeds)() {
            let length = seed.bytes.len();
            (target.judge)(&seed.bytes[..length / 2]);
            for at in (0..length).step_by((length / 16).max(1)) {
                let mut changed = seed.bytes.clone();
                changed[at] ^= 0x20;
                (target.judge)(&changed);
            }
        }
    }
}

/// What else the world's keys sign is noticed, as a forgery would be.
#[test]
fn what_was_not_to_be_signed_is_noticed() {
    for (target, forged) in [
        ("cms", cms::forgery()),
        ("certificate", certificate::forgery()),
        ("revocation-list", revocation_list::forgery()),
        ("time-stamp", time_stamp::forgery()),
        ("container", container::forgery()),
        ("archive", archive::forgery()),
        ("statement", statement::forgery()),
        ("pdf", pdf::forgery()),
    ] {
        let target = TARGETS.iter().find(|known| known.name == target).unwrap();
        let found = catch_unwind(|| (target.judge)(&forged));
        assert!(found.is_err(), "{} takes anything", target.name);
    }
}
