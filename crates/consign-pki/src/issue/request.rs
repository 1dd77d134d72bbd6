//! Certificate requests (PKCS#10, RFC 2986).

use std::borrow::Cow;

use super::{IssueError, MAX_NAME};
use crate::algorithm::{AlgorithmIdentifier, PublicKey, SignatureAlgorithm, SignatureError};
use crate::asn1::{self, DerError, Element, ScanLimits};
use crate::pem;
use crate::seal::SealSigner;

/// Largest request read, in bytes.
pub const MAX_REQUEST: usize = 16 * 1024;

const SCAN_LIMITS: ScanLimits = ScanLimits {
    max_bytes: MAX_REQUEST,
    max_depth: 24,
    max_elements: 2048,
};
const LABEL: &str = "CERTIFICATE REQUEST";
/// commonName, DER.
const COMMON_NAME: [u8; 5] = [asn1::OBJECT_IDENTIFIER, 3, 0x55, 0x04, 0x03];

/// Makes a request for the signer's key, as DER.
///
/// The name helps people to tell requests apart; an authority does not take it over.
pub fn create_request(signer: &dyn SealSigner, common_name: &str) -> Result<Vec<u8>, IssueError> {
    if common_name.is_empty() || common_name.chars().count() > MAX_NAME {
        return Err(IssueError::Name {
            field: "common name",
        });
    }
    let value = asn1::encode(asn1::UTF8_STRING, &[common_name.as_bytes()]);
    let attribute = asn1::sequence(&[&COMMON_NAME, &value]);
    let name = asn1::sequence(&[&asn1::encode(asn1::SET, &[&attribute])]);
    let info = asn1::sequence(&[
        &[asn1::INTEGER, 1, 0],
        &name,
        signer.public_key_der(),
        &asn1::encode(asn1::context(0), &[]),
    ]);
    let signature = signer.sign(&info)?;
    Ok(asn1::sequence(&[
        &info,
        &signer.algorithm().identifier(),
        &asn1::encode(asn1::BIT_STRING, &[&[0], &signature]),
    ]))
}

/// Checks that the applicant holds the key; returns it as DER `SubjectPublicKeyInfo`.
///
/// Everything else in the request is ignored.
pub fn verify_request(csr_der: &[u8]) -> Result<Vec<u8>, IssueError> {
    asn1::scan(csr_der, SCAN_LIMITS)?;
    let mut request = Element::only(csr_der, asn1::SEQUENCE)?.reader();
    let info = request.expect(asn1::SEQUENCE)?;
    let identifier = AlgorithmIdentifier::read(&mut request)?;
    let signature = request.bit_string_bytes()?;
    request.finish()?;
    let spki = public_key(&info)?;
    let algorithm = SignatureAlgorithm::from_identifier(&identifier).ok_or_else(|| {
        IssueError::RequestAlgorithm {
            oid: identifier.oid.to_string(),
        }
    })?;
    PublicKey::from_spki(spki)
        .and_then(|key| {
            key.verify(algorithm, info.whole, signature)?;
            seal_sized(key)
        })
        .map_err(IssueError::RequestSignature)?;
    Ok(spki.to_vec())
}

/// A request as PEM.
pub fn request_to_pem(csr_der: &[u8]) -> String {
    pem::encode(LABEL, csr_der)
}

/// The DER of a request in PEM; anything that is not PEM text is taken to be DER.
pub fn request_from_pem(bytes: &[u8]) -> Result<Cow<'_, [u8]>, IssueError> {
    match std::str::from_utf8(bytes) {
        Ok(text) if text.contains("-----BEGIN ") => {
            Ok(Cow::Owned(pem::decode(LABEL, text, 2 * MAX_REQUEST)?))
        }
        _ => Ok(Cow::Borrowed(bytes)),
    }
}

fn public_key<'a>(info: &Element<'a>) -> Result<&'a [u8], DerError> {
    let mut reader = info.reader();
    reader.small_integer()?;
    reader.expect(asn1::SEQUENCE)?;
    Ok(reader.expect(asn1::SEQUENCE)?.whole)
}

/// RSA keys beyond what seals use would only cost every verifier time.
fn seal_sized(key: PublicKey<'_>) -> Result<(), SignatureError> {
    match key {
        PublicKey::Rsa { bits, .. } if bits > crate::seal::MAX_SEAL_RSA_BITS => {
            Err(SignatureError::RsaKeySize { bits })
        }
        // Verified where others use it, and not issued here.
        PublicKey::EcdsaP384(_) => Err(SignatureError::UnsupportedKey {
            oid: crate::algorithm::SECP384R1.to_string(),
        }),
        _ => Ok(()),
    }
}
