//! Writing a detached CAdES-B-B signature, or a time-stamp token.

use super::attributes::{encode as attribute, encode_signing_certificate, encode_time};
use super::{
    CONTENT_TYPE, CmsError, DETACHED, Form, ID_SIGNED_DATA, MAX_CERTIFICATES, MESSAGE_DIGEST,
    SIGNING_CERTIFICATE_V2, SIGNING_TIME, TOKEN,
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
    let carried = certificates(certificate_der, chain)?;
    let what = (content, signing_time);
    sign(signer, certificate_der, &carried, what, &DETACHED)
}

/// The same for the content of a time-stamp token, which goes inside. The certificate and its
/// chain go along if they are wanted (RFC 3161 §2.4.1, certReq).
pub(crate) fn sign_enclosed(
    signer: &dyn SealSigner,
    certificate_der: &[u8],
    chain: Option<&[Vec<u8>]>,
    content: &[u8],
    signing_time: u64,
) -> Result<Vec<u8>, CmsError> {
    let carried = chain.map(|chain| certificates(certificate_der, chain));
    let carried = carried.transpose()?.unwrap_or_default();
    let what = (content, signing_time);
    sign(signer, certificate_der, &carried, what, &TOKEN)
}

/// `carried`: the field `certificates`, or nothing.
fn sign(
    signer: &dyn SealSigner,
    certificate_der: &[u8],
    carried: &[u8],
    (content, signing_time): (&[u8], u64),
    form: &Form,
) -> Result<Vec<u8>, CmsError> {
    let parts = CertificateParts::parse(certificate_der)?;
    if parts.spki != signer.public_key_der() {
        return Err(CmsError::KeyMismatch);
    }
    let digest = signer.algorithm().digest();
    let members = asn1::set_of_members(vec![
        attribute(CONTENT_TYPE, &asn1::object_identifier(&form.content_type)),
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
    let inside = if form.is_enclosed {
        let octets = asn1::encode(asn1::OCTET_STRING, &[content]);
        asn1::encode(asn1::context(0), &[&octets])
    } else {
        Vec::new()
    };
    let signed_data = asn1::sequence(&[
        &[asn1::INTEGER, 1, form.version],
        &asn1::encode(asn1::SET, &[&digest.identifier()]),
        &asn1::sequence(&[&asn1::object_identifier(&form.content_type), &inside]),
        carried,
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

/// The field `certificates`, each certificate once.
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
    Ok(asn1::encode(
        asn1::context(0),
        &[&asn1::set_of_members(all)],
    ))
}
