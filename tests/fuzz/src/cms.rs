//! Detached CMS and CAdES signatures: [`consign_pki::cms`].

use consign_pki::certificate::CertificateDetails;
use consign_pki::cms::{parse_and_verify, parse_and_verify_cms, with_time_stamp};
use consign_pki::seal::{FileSealKey, KeyKind};

use crate::world::{CONTENT, OTHER, THIRD, sealer, unix};
use crate::{Seed, WORLD};

/// A signature that is accepted is one over these bytes, by a certificate of ours and at the
/// time it was made, whatever else was changed; a time-stamp can be put beside it.
pub fn judge(bytes: &[u8]) -> bool {
    let read = parse_and_verify_cms(bytes, CONTENT);
    let cades = parse_and_verify(bytes, CONTENT).ok();
    assert_eq!(
        cades.as_ref(),
        read.as_ref().ok(),
        "all seeds name their certificate"
    );
    assert!(parse_and_verify_cms(bytes, OTHER).is_err(), "two contents");
    let stamped = with_time_stamp(bytes, bytes);
    let Ok(signature) = read else {
        return false;
    };
    assert_eq!(signature.signing_time, Some(unix()), "the time is signed");
    let own = &signature.signer_certificate;
    let is_rsa = signature.algorithm.name().starts_with("RSA");
    if !is_rsa {
        assert!(
            WORLD.certificates().contains(&own.as_slice()),
            "another signer"
        );
    }
    CertificateDetails::from_der(own).expect("a certificate that was named by its digest");
    if !signature.has_timestamp_token
        && let Ok(stamped) = stamped
    {
        let again = parse_and_verify(&stamped, CONTENT).expect("stamped");
        assert_eq!(again.signature_value, signature.signature_value);
        assert_eq!(again.time_stamp_tokens, [bytes]);
    }
    true
}

/// By each kind of key, alone, with the chain, with a time-stamp.
pub fn seeds() -> Vec<Seed> {
    let rsa = FileSealKey::generate(KeyKind::Rsa2048).expect("a key");
    let rsa = sealer(&WORLD.issuing, rsa, 7);
    let [ed25519, p256] = &WORLD.seals;
    let mut seeds = Vec::new();
    for (name, seal) in [("ed25519", ed25519), ("p256", p256), ("rsa", &rsa)] {
        let signed = WORLD.sign(seal, CONTENT);
        let alone =
            consign_pki::cms::sign_detached(&seal.key, &seal.certificate, &[], CONTENT, unix());
        let read = parse_and_verify(&signed, CONTENT).expect("ours");
        let token = WORLD.stamp(&read.signature_value);
        let stamped = with_time_stamp(&signed, &token).expect("stamped");
        seeds.push(Seed::good(name, signed));
        seeds.push(Seed::good(&format!("{name}-alone"), alone.expect("signed")));
        seeds.push(Seed::good(&format!("{name}-stamped"), stamped));
    }
    seeds.push(Seed::bad("other-content", WORLD.sign(ed25519, THIRD)));
    seeds.push(Seed::bad("token", WORLD.stamp(CONTENT)));
    seeds
}

#[cfg(test)]
pub(crate) fn forgery() -> Vec<u8> {
    let [seal, _] = &WORLD.seals;
    let chain = WORLD.chain();
    consign_pki::cms::sign_detached(&seal.key, &seal.certificate, &chain, CONTENT, unix() + 1)
        .expect("a signature")
}
