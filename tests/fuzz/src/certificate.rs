//! Certificates, in DER and PEM, as end entities, authorities and roots, and requests for them:
//! [`consign_pki::certificate`], [`consign_pki::path`], [`consign_pki::issue`].

use consign_pki::certificate::{CertificateDetails, from_pem, read_bundle, to_pem, write_bundle};
use consign_pki::issue::{create_request, request_from_pem, request_to_pem, verify_request};
use consign_pki::path::{PathPurpose, validate};
use consign_pki::seal::SealSigner as _;
use consign_verify::policy::SEAL_USAGE;

use crate::world::{ed25519, unix};
use crate::{Seed, WORLD};

/// A certificate that leads to the root, or through which one of ours does, is one of ours, byte
/// for byte: none has a second form. A request that proves a key is ours too.
pub fn judge(bytes: &[u8]) -> bool {
    judge_text(bytes);
    let is_read = CertificateDetails::from_der(bytes).is_ok();
    let is_known = WORLD.certificates().contains(&bytes);
    let is_request = verify_request(bytes).is_ok();
    assert!(
        !is_request || requests().iter().any(|one| one == bytes),
        "a forged request"
    );

    let seal = PathPurpose {
        crls: WORLD.lists.clone(),
        ..PathPurpose::seal(SEAL_USAGE)
    };
    let (chain, roots, at) = (WORLD.chain(), &WORLD.roots, unix());
    let leads = validate(bytes, &chain, roots, at, &seal).is_ok();
    assert!(!leads || is_known, "a forged certificate");
    let leads_without_usage = validate(bytes, &chain, roots, at, &PathPurpose::default()).is_ok();
    assert!(!leads_without_usage || is_known, "a forged certificate");
    assert!(!leads || leads_without_usage, "less was asked for");

    let (own, given) = (&WORLD.seals[0].certificate, vec![bytes.to_vec()]);
    let is_link = validate(own, &given, roots, at, &seal).is_ok();
    assert!(
        !is_link || bytes == WORLD.issuing.certificate_der(),
        "a forged authority"
    );
    // A root is believed for its name and key alone, so that it has many forms.
    let is_root = validate(own, &chain, &given, at, &seal).is_ok();
    assert!(!is_root || is_read, "a root that nobody can show");
    leads_without_usage || is_link || is_root || is_request
}

fn judge_text(bytes: &[u8]) {
    let Ok(text) = std::str::from_utf8(bytes) else {
        return;
    };
    if let Ok(bundle) = read_bundle(text) {
        let again = read_bundle(&write_bundle(&bundle));
        assert_eq!(again.as_ref(), Ok(&bundle), "a bundle reads otherwise");
    }
    if let Ok(der) = from_pem(text) {
        assert_eq!(from_pem(&to_pem(&der)), Ok(der), "PEM reads otherwise");
    }
    if let Ok(der) = request_from_pem(bytes)
        && text.contains("-----BEGIN")
    {
        let again = request_to_pem(&der);
        let again = request_from_pem(again.as_bytes()).expect("ours");
        assert_eq!(again, der, "PEM reads otherwise");
    }
    let _ = CertificateDetails::from_pem(text);
}

fn requests() -> [Vec<u8>; 2] {
    [3, 6].map(|number| create_request(&ed25519(number), "seal").expect("a request"))
}

/// All certificates of the world, a bundle and a request.
pub fn seeds() -> Vec<Seed> {
    let names = ["seal", "seal-p256", "lost", "root", "issuing", "tsa"];
    let certificates = WORLD.certificates();
    let mut seeds: Vec<_> = names
        .into_iter()
        .zip(&certificates)
        .map(|(name, der)| Seed::good(name, *der))
        .collect();
    let bundle: Vec<_> = certificates.iter().map(|der| der.to_vec()).collect();
    seeds.push(Seed::bad("bundle", write_bundle(&bundle)));
    let [request, _] = requests();
    seeds.push(Seed::bad("request-pem", request_to_pem(&request)));
    seeds.push(Seed::good("request", request));
    seeds.push(Seed::bad("key", ed25519(3).public_key_der()));
    seeds
}

#[cfg(test)]
pub(crate) fn forgery() -> Vec<u8> {
    crate::world::sealer(&WORLD.issuing, ed25519(9), 9).certificate
}
