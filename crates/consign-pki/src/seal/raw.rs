//! The raw forms in which tokens take and give keys and signatures (PKCS#11 3.0 §2.1, §2.3).

use sha2::{Digest as _, Sha256};

use super::{SealError, ed25519_spki, spki};
use crate::algorithm::{
    ID_EC_PUBLIC_KEY, PRIME256V1, PublicKey, RSA_ENCRYPTION, SignatureAlgorithm,
};
use crate::asn1::{self, Element};

/// `DigestInfo` of SHA-256 up to the digest (RFC 8017 §9.2, note 1).
const DIGEST_INFO: [u8; 19] = [
    0x30, 0x31, 0x30, 0x0d, 0x06, 0x09, 0x60, 0x86, 0x48, 0x01, 0x65, 0x03, 0x04, 0x02, 0x01, 0x05,
    0x00, 0x04, 0x20,
];

/// An uncompressed point of P-256, in bytes.
const UNCOMPRESSED_P256: usize = 65;

/// `CKA_EC_PARAMS` of P-256: the curve's object identifier, DER.
pub fn p256_parameters() -> Vec<u8> {
    asn1::object_identifier(&PRIME256V1)
}

/// The key of `CKA_EC_PARAMS` and `CKA_EC_POINT`, as DER `SubjectPublicKeyInfo`. The point is
/// in a DER OCTET STRING, and with some tokens as it is.
///
/// # Errors
/// Another curve than P-256, or no point on it.
pub fn ec_public_key(parameters: &[u8], point: &[u8]) -> Result<Vec<u8>, SealError> {
    if parameters != p256_parameters() {
        return Err(SealError::UnsupportedKey {
            oid: "of another curve than P-256".to_owned(),
        });
    }
    // An uncompressed point begins with 4 too, as an OCTET STRING does.
    let point = match Element::only(point, asn1::OCTET_STRING) {
        Ok(inner) if point.len() != UNCOMPRESSED_P256 => inner.value,
        _ => point,
    };
    let algorithm = asn1::object_identifier(&ID_EC_PUBLIC_KEY);
    accepted(spki(&[&algorithm, parameters], point))
}

/// The key of `CKA_MODULUS` and `CKA_PUBLIC_EXPONENT`, as DER `SubjectPublicKeyInfo`.
///
/// # Errors
/// Not 2048 to [`MAX_SEAL_RSA_BITS`](super::MAX_SEAL_RSA_BITS) bits.
pub fn rsa_public_key(modulus: &[u8], exponent: &[u8]) -> Result<Vec<u8>, SealError> {
    let key = asn1::sequence(&[&integer(modulus), &integer(exponent)]);
    let algorithm = asn1::object_identifier(&RSA_ENCRYPTION);
    accepted(spki(&[&algorithm, &[asn1::NULL, 0]], &key))
}

/// The algorithm of a token's signatures by a key, DER `SubjectPublicKeyInfo`.
///
/// # Errors
/// Neither P-256 nor RSA.
pub fn algorithm(public_key_der: &[u8]) -> Result<SignatureAlgorithm, SealError> {
    match PublicKey::from_spki(public_key_der) {
        Ok(PublicKey::EcdsaP256(_)) => Ok(SignatureAlgorithm::EcdsaP256Sha256),
        Ok(PublicKey::Rsa { .. }) => Ok(SignatureAlgorithm::RsaPkcs1Sha256),
        Ok(_) => Err(SealError::UnsupportedKey {
            oid: "neither P-256 nor RSA".to_owned(),
        }),
        Err(_) => Err(SealError::Rejected),
    }
}

/// The key of 32 raw bytes, as DER `SubjectPublicKeyInfo`.
pub fn ed25519_public_key(public: &[u8; 32]) -> Vec<u8> {
    ed25519_spki(public)
}

/// An ECDSA signature of `r` and `s` side by side, as DER `Ecdsa-Sig-Value`.
pub fn ecdsa_signature(raw: &[u8]) -> Option<Vec<u8>> {
    let (r, s) = raw.split_at_checked(raw.len() / 2)?;
    (raw.len() == 64).then(|| asn1::sequence(&[&integer(r), &integer(s)]))
}

/// What ECDSA signs of a message.
pub fn digest(message: &[u8]) -> Vec<u8> {
    Sha256::digest(message).to_vec()
}

/// What RSA PKCS#1 v1.5 signs of a message: `DigestInfo`.
pub fn digest_info(message: &[u8]) -> Vec<u8> {
    [DIGEST_INFO.as_slice(), &digest(message)].concat()
}

/// Whether a signature is this key's over this message.
pub fn is_signature(
    public_key_der: &[u8],
    algorithm: SignatureAlgorithm,
    message: &[u8],
    signature: &[u8],
) -> bool {
    PublicKey::from_spki(public_key_der)
        .and_then(|key| key.verify(algorithm, message, signature))
        .is_ok()
}

fn accepted(spki: Vec<u8>) -> Result<Vec<u8>, SealError> {
    match PublicKey::from_spki(&spki) {
        Ok(PublicKey::Rsa { bits, .. }) if !(2048..=super::MAX_SEAL_RSA_BITS).contains(&bits) => {
            Err(SealError::RsaKeySize { bits })
        }
        Ok(_) => Ok(spki),
        Err(_) => Err(SealError::Rejected),
    }
}

/// A positive integer of big-endian bytes.
fn integer(bytes: &[u8]) -> Vec<u8> {
    let start = bytes.iter().position(|byte| *byte != 0);
    let bytes = start.and_then(|start| bytes.get(start..)).unwrap_or(&[0]);
    let sign: &[u8] = match bytes.first() {
        Some(first) if *first >= 0x80 => &[0],
        _ => &[],
    };
    asn1::encode(asn1::INTEGER, &[sign, bytes])
}
