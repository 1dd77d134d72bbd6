//! Who made a seal: somebody else than it says, or several.

use std::io::Cursor;

use consign_pki::asic::{Budget, add_signature};
use consign_pki::cms::sign_detached;
use consign_pki::issue::{SealSubject, Validity, create_request};
use consign_verify::Indication::TotalFailed;
use consign_verify::container::{JudgedAt, SealTrust, judge};
use consign_verify::report::Reason;

use crate::der::with_signers;
use crate::support::*;
use crate::world::{DAY, World, now, policy};

/// Key, issuer and number are those of the certificate that was signed for; its bytes are not.
#[test]
fn a_signing_certificate_attribute_for_another_certificate() {
    let key = key();
    let root = Authority::root(|_| {});
    let signed_for = root.certify(&key, |params| between(params, 2020, 2039));
    let carried = root.certify(&key, |_| {});
    assert_eq!(signed_for.len(), carried.len());
    let mut world = World::new();
    list(&mut world, &carried);
    let exchanged = |manifest: &[u8]| {
        let p7s = sign_detached(&key, &signed_for, &[], manifest, now().as_unix()).unwrap();
        let at = p7s
            .windows(signed_for.len())
            .position(|window| window == signed_for);
        let at = at.unwrap();
        [&p7s[..at], &carried, &p7s[at + carried.len()..]].concat()
    };
    let container = sealed(&world, exchanged);
    let roots = [root.certificate];
    let trust = SealTrust::by_directory(&roots, &world.directory);
    let judgement = judge(
        Cursor::new(&container),
        &trust,
        &policy(),
        JudgedAt::Proven(now()),
    );
    let expected = (TotalFailed, Some(Reason::SignatureMalformed), INVALID);
    assert_eq!(
        verdict(&judgement.report),
        expected,
        "{:#?}",
        judgement.report
    );
    let cause = judgement.report.decisive().unwrap().cause.as_ref();
    let cause = cause.unwrap().as_str();
    assert!(cause.contains("not the one that was signed for"), "{cause}");
}

/// Two layers of signatures: the issuer's is good, and the other is not.
#[test]
fn two_signers_one_of_whom_is_bad() {
    let world = World::new();
    let container = world.container(&world.document());
    let other = &world.recipient;
    let countersigned = |sign: &dyn Fn(&[u8]) -> Vec<u8>| {
        let (read, out) = (Cursor::new(&container), Cursor::new(Vec::new()));
        let sign = |manifest: &[u8]| Ok::<_, std::convert::Infallible>(sign(manifest));
        let twice = add_signature(read, out, &Budget::default(), sign).unwrap();
        verdict(
            &world
                .judge(&twice.into_inner(), JudgedAt::Proven(now()))
                .report,
        )
    };
    let chain = [world.issuing.certificate_der().to_vec()];
    let sign = |content: &[u8]| {
        let at = now().as_unix();
        sign_detached(&other.seal, &other.certificate, &chain, content, at).unwrap()
    };
    assert_eq!(countersigned(&|manifest| sign(manifest)), PASSED);
    let other_bytes = countersigned(&|_| sign(b"something else"));
    assert_eq!(
        other_bytes,
        (TotalFailed, Some(Reason::ContentChanged), INVALID)
    );
    let nothing = countersigned(&|_| vec![0x30, 0]);
    assert_eq!(
        nothing,
        (TotalFailed, Some(Reason::SignatureMalformed), INVALID)
    );
    let request = create_request(&other.seal, "seal").unwrap();
    let subject = SealSubject {
        organization: other.name.to_owned(),
        common_name: other.name.to_owned(),
        organization_identifier: "VNGOV-H49.13".to_owned(),
    };
    let last_year = Validity {
        not_before: now().minus_seconds(200 * DAY).as_unix(),
        not_after: now().minus_seconds(100 * DAY).as_unix(),
    };
    let old = world
        .issuing
        .issue_seal(&request, &subject, last_year, &[1, 9]);
    let old = old.unwrap();
    let expired = countersigned(&|manifest| {
        sign_detached(&other.seal, &old, &chain, manifest, now().as_unix()).unwrap()
    });
    assert_eq!(expired, (TotalFailed, Some(Reason::Expired), NOT_VALID));
}

/// Two signers in one CMS: which of them would count is nobody's guess.
#[test]
fn two_signers_in_one_signature() {
    let world = World::new();
    let container = world.container_signed(
        &world.document().to_bytes(),
        &world.document(),
        &world.sender,
        |p7s, _| with_signers(&p7s, |signer| [signer, signer].concat()),
    );
    let judgement = world.judge(&container, JudgedAt::Proven(now()));
    let expected = (TotalFailed, Some(Reason::SignatureMalformed), INVALID);
    assert_eq!(
        verdict(&judgement.report),
        expected,
        "{:#?}",
        judgement.report
    );
    // Taken apart and put together it passes.
    let container = world.container_signed(
        &world.document().to_bytes(),
        &world.document(),
        &world.sender,
        |p7s, _| with_signers(&p7s, <[u8]>::to_vec),
    );
    let judgement = world.judge(&container, JudgedAt::Proven(now()));
    assert_eq!(
        verdict(&judgement.report),
        PASSED,
        "{:#?}",
        judgement.report
    );
}
