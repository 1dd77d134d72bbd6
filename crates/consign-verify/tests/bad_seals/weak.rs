//! Keys and digests that prove nothing any more (TS 119 312), at the signer and above it.

use consign_pki::cms::sign_detached;
use consign_verify::Indication::TotalFailed;
use consign_verify::container::{JudgedAt, Judgement};
use consign_verify::report::{Reason, SubIndication};

use crate::der::{children, element};
use crate::openssl::OpensslKey;
use crate::support::*;
use crate::world::now;

/// `sha256WithRSAEncryption` and `sha1WithRSAEncryption` (RFC 8017 §A.2.4) without parameters.
const SHA256_WITH_RSA: [u8; 11] = [6, 9, 0x2a, 0x86, 0x48, 0x86, 0xf7, 13, 1, 1, 11];
const SHA1_WITH_RSA: [u8; 11] = [6, 9, 0x2a, 0x86, 0x48, 0x86, 0xf7, 13, 1, 1, 5];

/// A seal by `openssl` with an RSA key of so many bits.
fn sealed_with(bits: usize) -> Judgement {
    let root = Authority::root(|_| {});
    let issuing = root.below("Issuing", |_| {});
    let key = OpensslKey::rsa(bits);
    let certificate = issuing.certify_spki(key.spki(), |_| {});
    judged_as_sealed(&certificate, &root, JudgedAt::Proven(now()), |manifest| {
        key.sign_detached(&certificate, &issuing.certificate, manifest)
    })
}

/// A seal with a good key, below an RSA authority of so many bits whose certificates, and then
/// that of the authority below it, may be signed anew.
fn sealed_below(
    bits: usize,
    upper: impl FnOnce(&OpensslKey, &[u8]) -> Vec<u8>,
    own: impl FnOnce(&OpensslKey, &[u8]) -> Vec<u8>,
) -> Judgement {
    let root = Authority::root(|_| {});
    let first = root.below_with(OpensslKey::rsa(bits), "First", |_| {});
    let second = first.below_with(OpensslKey::rsa(2048), "Second", |_| {});
    let key = key();
    let certificate = own(&second.key, &second.certify(&key, |_| {}));
    let chain = [first.certificate, upper(&first.key, &second.certificate)];
    judged_as_sealed(&certificate, &root, JudgedAt::Proven(now()), |manifest| {
        sign_detached(&key, &certificate, &chain, manifest, now().as_unix()).unwrap()
    })
}

fn as_it_is(_: &OpensslKey, certificate: &[u8]) -> Vec<u8> {
    certificate.to_vec()
}

/// The certificate signed with SHA-1 instead, as it says.
fn with_sha1(issuer: &OpensslKey, certificate: &[u8]) -> Vec<u8> {
    let (old, new) = (SHA256_WITH_RSA.as_slice(), SHA1_WITH_RSA.as_slice());
    let [old, new] = [old, new].map(|oid| element(0x30, &[oid, &[5, 0]].concat()));
    let fields = children(children(certificate)[0]);
    assert!(fields[2] == old, "RSA with SHA-256");
    let fields = [&fields[..2], &[&new], &fields[3..]].concat().concat();
    let signed = element(0x30, &fields);
    let signature = [vec![0], issuer.sign_with("sha1", &signed)].concat();
    element(0x30, &[signed, new, element(3, &signature)].concat())
}

#[track_caller]
fn is_weak(judgement: &Judgement, code: Option<consign_domain::ErrorCode>, told: &str) {
    let report = &judgement.report;
    let expected = (TotalFailed, Some(Reason::AlgorithmWeak), code);
    assert_eq!(verdict(report), expected, "{report:#?}");
    let decisive = report.decisive().unwrap();
    let sub_indication = Some(SubIndication::CryptoConstraintsFailure);
    assert_eq!(decisive.sub_indication, sub_indication);
    let cause = decisive.cause.as_ref().unwrap().as_str();
    assert!(cause.contains(told), "{cause}");
}

#[test]
fn what_the_weak_ones_differ_from_passes() {
    for judgement in [sealed_with(2048), sealed_below(2048, as_it_is, as_it_is)] {
        let report = &judgement.report;
        assert_eq!(verdict(report), PASSED, "{report:#?}");
    }
}

#[test]
fn a_seal_by_an_rsa_key_of_1024_bits() {
    is_weak(&sealed_with(1024), INVALID, "1024 bits");
}

#[test]
fn an_authority_with_an_rsa_key_of_1024_bits() {
    let judgement = sealed_below(1024, as_it_is, as_it_is);
    is_weak(&judgement, NOT_VALID, "key of 1024 bits is not accepted");
}

#[test]
fn certificates_signed_with_sha1() {
    let told = "algorithm 1.2.840.113549.1.1.5 is too weak";
    for judgement in [
        sealed_below(2048, as_it_is, with_sha1),
        sealed_below(2048, with_sha1, as_it_is),
    ] {
        is_weak(&judgement, NOT_VALID, told);
    }
}
