//! Writing a detached CAdES-B-B signature.

use super::attributes::{encode as attribute, encode_signing_certificate, encode_time};
use super::{
    CONTENT_TYPE, CmsError, ID_DATA, ID_SIGNED_DATA, MAX_CERTIFICATES, MESSAGE_DIGEST,
    SIGNING_CERTIFICATE_V2, SIGNING_TIME,
};
use crate::algorithm::PublicKey;
use crate::asn1;
use crate::certificate::CertificateParts;
use crate::seal::SealSigner;

/// Signs `content`, which stays outside the result.
///
/// `chain` holds further certificates to carry along, at best all up to the root;
/// `signing_time` is the signer's claim in Unix seconds. The signature is verified once
/// before it is returned, so that a faulty token is noticed here and not at the recipient.
pub fn sign_detached(
    signer: &dyn SealSigner,
    certificate_der: &[u8],
    chain: &[Vec<u8>],
    content: &[u8],
    signing_time: u64,
) -> Result<Vec<u8>, CmsError> {
    let parts = CertificateParts::parse(certificate_der)?;
    if parts.spki != signer.public_key_der() {
        return Err(CmsError::KeyMismatch);
    }
    let digest = signer.algorithm().digest();
    let members = asn1::set_of_members(vec![
        attribute(CONTENT_TYPE, &asn1::object_identifier(&ID_DATA)),
        attribute(
            MESSAGE_DIGEST,
            &asn1::encode(asn1::OCTET_STRING, &[&digest.of(content)]),
        ),
        attribute(SIGNING_TIME, &encode_time(signing_time)?),
        attribute(
            SIGNING_CERTIFICATE_V2,
            &encode_signing_certificate(certificate_der, &parts),
        ),
    ]);
    let signature = sign_checked(signer, &parts, &asn1::encode(asn1::SET, &[&members]))?;
    let signer_info = asn1::sequence(&[
        &[asn1::INTEGER, 1, 1],
        &asn1::sequence(&[parts.issuer, &asn1::encode(asn1::INTEGER, &[parts.serial])]),
        &digest.identifier(),
        &asn1::encode(asn1::context(0), &[&members]),
        &signer.algorithm().identifier(),
        &asn1::encode(asn1::OCTET_STRING, &[&signature]),
    ]);
    let signed_data = asn1::sequence(&[
        &[asn1::INTEGER, 1, 1],
        &asn1::encode(asn1::SET, &[&digest.identifier()]),
        &asn1::sequence(&[&asn1::object_identifier(&ID_DATA)]),
        &asn1::encode(asn1::context(0), &[&certificates(certificate_der, chain)?]),
        &asn1::encode(asn1::SET, &[&signer_info]),
    ]);
    Ok(asn1::sequence(&[
        &asn1::object_identifier(&ID_SIGNED_DATA),
        &asn1::encode(asn1::context(0), &[&signed_data]),
    ]))
}

fn sign_checked(
    signer: &dyn SealSigner,
    parts: &CertificateParts<'_>,
    message: &[u8],
) -> Result<Vec<u8>, CmsError> {
    let signature = signer.sign(message)?;
    PublicKey::from_spki(parts.spki)
        .and_then(|key| key.verify(signer.algorithm(), message, &signature))
        .map_err(CmsError::Signature)?;
    Ok(signature)
}

/// The members of `CertificateSet`, each certificate once.
fn certificates(own: &[u8], chain: &[Vec<u8>]) -> Result<Vec<u8>, CmsError> {
    let mut all = vec![own.to_vec()];
    for certificate in chain {
        CertificateParts::parse(certificate)?;
        if !all.contains(certificate) {
            all.push(certificate.clone());
        }
    }
    if all.len() > MAX_CERTIFICATES {
        return Err(CmsError::TooManyCertificates);
    }
    Ok(asn1::set_of_members(all))
}
