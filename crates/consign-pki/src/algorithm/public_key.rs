//! Public keys as certificates hold them, and verification with them.

use aws_lc_rs::signature as aws;

use super::{
    AlgorithmIdentifier, ID_EC_PUBLIC_KEY, ID_ED25519, PRIME256V1, Parameters, RSA_ENCRYPTION,
    SECP384R1, SignatureAlgorithm,
};
use crate::asn1::{self, DerError, Element};

/// Smallest RSA modulus accepted anywhere, in bits.
pub const MIN_RSA_BITS: usize = 2048;
/// Largest RSA modulus accepted anywhere, in bits: bounds the cost of one check.
pub const MAX_RSA_BITS: usize = 8192;

/// What kind of public key a certificate holds.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum PublicKeyKind {
    /// ECDSA on P-256.
    EcdsaP256,
    /// ECDSA on P-384.
    EcdsaP384,
    /// RSA.
    Rsa {
        /// Size of the modulus.
        bits: usize,
    },
    /// Ed25519.
    Ed25519,
    /// Anything else, which nothing here verifies with.
    Other {
        /// The key algorithm's object identifier, dotted.
        oid: String,
    },
}

impl std::fmt::Display for PublicKeyKind {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::EcdsaP256 => f.write_str("ECDSA P-256"),
            Self::EcdsaP384 => f.write_str("ECDSA P-384"),
            Self::Rsa { bits } => write!(f, "RSA {bits}"),
            Self::Ed25519 => f.write_str("Ed25519"),
            Self::Other { oid } => f.write_str(oid),
        }
    }
}

/// Why a public key or a signature is not accepted.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum SignatureError {
    /// The key is not well-formed.
    #[error("public key is malformed")]
    MalformedKey(#[source] DerError),
    /// A key of a kind that is not used here.
    #[error("public keys of kind {oid} are not supported")]
    UnsupportedKey {
        /// The key algorithm's object identifier, dotted.
        oid: String,
    },
    /// RSA below [`MIN_RSA_BITS`] or above [`MAX_RSA_BITS`].
    #[error("RSA key of {bits} bits is outside {MIN_RSA_BITS} to {MAX_RSA_BITS}")]
    RsaKeySize {
        /// Size of the modulus.
        bits: usize,
    },
    /// The signature's algorithm needs another kind of key.
    #[error("key does not fit the signature algorithm {}", algorithm.name())]
    KeyMismatch {
        /// The algorithm of the signature.
        algorithm: SignatureAlgorithm,
    },
    /// The signature was not made by this key over these bytes.
    #[error("signature is wrong")]
    Wrong,
}

/// A public key as it stands in a `SubjectPublicKeyInfo` (RFC 5280 §4.1.2.7).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum PublicKey<'a> {
    /// Uncompressed point.
    EcdsaP256(&'a [u8]),
    /// Uncompressed point.
    EcdsaP384(&'a [u8]),
    /// DER `RSAPublicKey`.
    Rsa {
        der: &'a [u8],
        bits: usize,
    },
    Ed25519([u8; 32]),
}

impl<'a> PublicKey<'a> {
    pub(crate) fn from_spki(spki: &'a [u8]) -> Result<Self, SignatureError> {
        let outer = Element::only(spki, asn1::SEQUENCE).map_err(SignatureError::MalformedKey)?;
        let mut reader = outer.reader();
        let algorithm =
            AlgorithmIdentifier::read(&mut reader).map_err(SignatureError::MalformedKey)?;
        let key = reader
            .bit_string_bytes()
            .map_err(SignatureError::MalformedKey)?;
        reader.finish().map_err(SignatureError::MalformedKey)?;
        Self::from_parts(&algorithm, key)
    }

    fn from_parts(
        algorithm: &AlgorithmIdentifier<'_>,
        key: &'a [u8],
    ) -> Result<Self, SignatureError> {
        let malformed = || {
            SignatureError::MalformedKey(DerError::Value {
                tag: asn1::BIT_STRING,
            })
        };
        let is_on = |curve| {
            let curve = asn1::object_identifier(&curve);
            algorithm.oid == ID_EC_PUBLIC_KEY && algorithm.parameters == Some(curve.as_slice())
        };
        if is_on(PRIME256V1) {
            return match key {
                [0x04, coordinates @ ..] if coordinates.len() == 64 => Ok(Self::EcdsaP256(key)),
                _ => Err(malformed()),
            };
        }
        if is_on(SECP384R1) {
            return match key {
                [0x04, coordinates @ ..] if coordinates.len() == 96 => Ok(Self::EcdsaP384(key)),
                _ => Err(malformed()),
            };
        }
        if algorithm.oid == RSA_ENCRYPTION && Parameters::AbsentOrNull.allow(algorithm) {
            let bits = rsa_modulus_bits(key).map_err(SignatureError::MalformedKey)?;
            return Ok(Self::Rsa { der: key, bits });
        }
        if algorithm.oid == ID_ED25519 && algorithm.parameters.is_none() {
            return key.try_into().map(Self::Ed25519).map_err(|_| malformed());
        }
        Err(SignatureError::UnsupportedKey {
            oid: algorithm.oid.to_string(),
        })
    }

    pub(crate) fn kind(&self) -> PublicKeyKind {
        match self {
            Self::EcdsaP256(_) => PublicKeyKind::EcdsaP256,
            Self::EcdsaP384(_) => PublicKeyKind::EcdsaP384,
            Self::Rsa { bits, .. } => PublicKeyKind::Rsa { bits: *bits },
            Self::Ed25519(_) => PublicKeyKind::Ed25519,
        }
    }

    /// Checks a signature over the whole `message`; hashing happens inside.
    pub(crate) fn verify(
        &self,
        algorithm: SignatureAlgorithm,
        message: &[u8],
        signature: &[u8],
    ) -> Result<(), SignatureError> {
        use SignatureAlgorithm as Algorithm;
        if let Self::Rsa { bits, .. } = self
            && !(MIN_RSA_BITS..=MAX_RSA_BITS).contains(bits)
        {
            return Err(SignatureError::RsaKeySize { bits: *bits });
        }
        let (how, key): (&'static dyn aws::VerificationAlgorithm, &[u8]) = match (algorithm, self) {
            (Algorithm::EcdsaP256Sha256, Self::EcdsaP256(key)) => {
                (&aws::ECDSA_P256_SHA256_ASN1, key)
            }
            (Algorithm::EcdsaP256Sha384, Self::EcdsaP256(key)) => {
                (&aws::ECDSA_P256_SHA384_ASN1, key)
            }
            (Algorithm::EcdsaP384Sha256, Self::EcdsaP384(key)) => {
                (&aws::ECDSA_P384_SHA256_ASN1, key)
            }
            (Algorithm::EcdsaP384Sha384, Self::EcdsaP384(key)) => {
                (&aws::ECDSA_P384_SHA384_ASN1, key)
            }
            (Algorithm::RsaPkcs1Sha256, Self::Rsa { der, .. }) => {
                (&aws::RSA_PKCS1_2048_8192_SHA256, der)
            }
            (Algorithm::RsaPkcs1Sha384, Self::Rsa { der, .. }) => {
                (&aws::RSA_PKCS1_2048_8192_SHA384, der)
            }
            (Algorithm::RsaPkcs1Sha512, Self::Rsa { der, .. }) => {
                (&aws::RSA_PKCS1_2048_8192_SHA512, der)
            }
            (Algorithm::Ed25519, Self::Ed25519(key)) => {
                return verify_ed25519(key, message, signature);
            }
            _ => return Err(SignatureError::KeyMismatch { algorithm }),
        };
        aws::UnparsedPublicKey::new(how, key)
            .verify(message, signature)
            .map_err(|_| SignatureError::Wrong)
    }
}

/// Strict verification: canonical encodings, no small-order points.
fn verify_ed25519(key: &[u8; 32], message: &[u8], signature: &[u8]) -> Result<(), SignatureError> {
    let malformed = || {
        SignatureError::MalformedKey(DerError::Value {
            tag: asn1::BIT_STRING,
        })
    };
    let key = ed25519_dalek::VerifyingKey::from_bytes(key).map_err(|_| malformed())?;
    let signature =
        ed25519_dalek::Signature::from_slice(signature).map_err(|_| SignatureError::Wrong)?;
    key.verify_strict(message, &signature)
        .map_err(|_| SignatureError::Wrong)
}

/// Size of the modulus in a DER `RSAPublicKey`.
fn rsa_modulus_bits(key: &[u8]) -> Result<usize, DerError> {
    let mut reader = Element::only(key, asn1::SEQUENCE)?.reader();
    let modulus = reader.expect(asn1::INTEGER)?.value;
    reader.expect(asn1::INTEGER)?;
    reader.finish()?;
    let magnitude = match modulus {
        [0, rest @ ..] => rest,
        [first, ..] if *first < 0x80 => modulus,
        _ => return Err(DerError::Value { tag: asn1::INTEGER }),
    };
    let Some(first) = magnitude.first().filter(|byte| **byte != 0) else {
        return Err(DerError::Value { tag: asn1::INTEGER });
    };
    let unused = usize::try_from(first.leading_zeros()).unwrap_or(8);
    Ok(magnitude.len().saturating_mul(8).saturating_sub(unused))
}

#[cfg(test)]
mod tests;
