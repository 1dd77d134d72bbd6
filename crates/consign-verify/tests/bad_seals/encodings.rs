//! Bytes that are no DER, and what is not known here.

use std::io::Cursor;

use consign_pki::asic::{Budget, add_signature};
use consign_pki::cms::sign_detached;
use consign_verify::Indication::{Indeterminate, TotalFailed};
use consign_verify::container::JudgedAt;
use consign_verify::report::Reason;

use crate::der::{children, element, with_signers};
use crate::support::*;
use crate::world::{World, now};

/// What is no DER is malformed, and is refused before it costs anything.
#[test]
fn encodings_that_are_not_der_too_deep_or_too_large() {
    let world = World::new();
    let good = &mut Vec::new();
    sealed(&world, |manifest| {
        let (agency, at) = (&world.sender, now().as_unix());
        *good = sign_detached(&agency.seal, &agency.certificate, &[], manifest, at).unwrap();
        good.clone()
    });
    let (_, content) = good.split_at(4);
    let deep = (0..1_000).fold(vec![5, 0], |inner, _| element(0x30, &inner));
    for (what, bytes) in [
        (
            "indefinite length",
            [&[0x30, 0x80][..], content, &[0, 0]].concat(),
        ),
        (
            "a length with a leading zero",
            [&[0x30, 0x83, 0, good[2], good[3]][..], content].concat(),
        ),
        ("a tag of several bytes", vec![0x3f, 0x81, 1, 0]),
        ("a thousand levels", deep),
        (
            "four gigabytes",
            [&[0x30, 0x84, 0xff, 0xff, 0xff, 0xff][..], content].concat(),
        ),
        (
            "more than any length",
            [&[0x30, 0x88, 0x7f][..], &[0xff; 7][..], content].concat(),
        ),
        ("something after it", [&good[..], &[0]].concat()),
        ("half of it", good[..good.len() / 2].to_vec()),
    ] {
        let container = sealed(&world, |_| bytes);
        let report = world.judge(&container, JudgedAt::Proven(now())).report;
        let expected = (TotalFailed, Some(Reason::SignatureMalformed), INVALID);
        assert_eq!(verdict(&report), expected, "{what}: {report:#?}");
        assert!(report.malformed, "{what}: {report:#?}");
    }
}

/// The signature with its algorithm exchanged in the one signer: another, of the same length, that
/// is not known here.
fn with_algorithm(p7s: &[u8], old: &[u8], new: &[u8]) -> Vec<u8> {
    with_signers(p7s, |signer| {
        let mut fields: Vec<Vec<u8>> = children(signer).into_iter().map(<[u8]>::to_vec).collect();
        let place = fields.len() - 2;
        assert_eq!(fields[place], old);
        fields[place] = new.to_vec();
        element(0x30, &fields.concat())
    })
}

/// `ecdsa-with-SHA256`, and `id-RSASSA-PSS` without parameters.
const ECDSA: [u8; 12] = [0x30, 10, 6, 8, 0x2a, 0x86, 0x48, 0xce, 0x3d, 4, 3, 2];
const PSS: [u8; 13] = [0x30, 11, 6, 9, 0x2a, 0x86, 0x48, 0x86, 0xf7, 13, 1, 1, 10];

#[test]
fn a_seal_by_an_algorithm_that_is_not_known_here_is_undecided() {
    let world = World::new();
    let fields = world.document().to_bytes();
    let by_pss = |p7s: Vec<u8>, _: &[u8]| with_algorithm(&p7s, &ECDSA, &PSS);
    let container = world.container_signed(&fields, &world.document(), &world.sender, by_pss);
    let unknown = (Indeterminate, Some(Reason::AlgorithmUnknown), UNDECIDED);
    let judged = |container: &[u8]| world.judge(container, JudgedAt::Proven(now())).report;
    assert_eq!(verdict(&judged(&container)), unknown);
    // Nor is the next one's seal the issuer's.
    let (read, out) = (Cursor::new(&container), Cursor::new(Vec::new()));
    let (other, chain) = (&world.recipient, [world.issuing.certificate_der().to_vec()]);
    let sign = |manifest: &[u8]| {
        let at = now().as_unix();
        sign_detached(&other.seal, &other.certificate, &chain, manifest, at)
    };
    let twice = add_signature(read, out, &Budget::default(), sign).unwrap();
    let report = judged(&twice.into_inner());
    assert_eq!(verdict(&report), unknown, "{report:#?}");
}
