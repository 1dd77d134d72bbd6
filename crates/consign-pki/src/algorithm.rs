//! Signature algorithms as data, and the one place where X.509 and CMS signatures
//! are checked.
//!
//! Three algorithms are in use: ECDSA P-256 with SHA-256 (the default), RSA PKCS#1 v1.5
//! with SHA-256 from 2048 bits, and Ed25519 (RFC 8410; in CMS with SHA-512, RFC 8419).
//! Adding one means adding a row to [`CMS_ALGORITHMS`] and an arm to
//! [`PublicKey::verify`].

use aws_lc_rs::signature as aws;
use const_oid::ObjectIdentifier;
use sha2::{Digest, Sha256, Sha384, Sha512};

use crate::asn1::{self, DerError, Element, Reader};

/// Smallest RSA modulus accepted anywhere, in bits.
pub const MIN_RSA_BITS: usize = 2048;
/// Largest RSA modulus accepted anywhere, in bits: bounds the cost of one check.
pub const MAX_RSA_BITS: usize = 8192;

pub(crate) const ID_EC_PUBLIC_KEY: ObjectIdentifier =
    ObjectIdentifier::new_unwrap("1.2.840.10045.2.1");
pub(crate) const PRIME256V1: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.2.840.10045.3.1.7");
pub(crate) const RSA_ENCRYPTION: ObjectIdentifier =
    ObjectIdentifier::new_unwrap("1.2.840.113549.1.1.1");
pub(crate) const ID_ED25519: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.3.101.112");
const ECDSA_WITH_SHA256: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.2.840.10045.4.3.2");
const SHA256_WITH_RSA: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.2.840.113549.1.1.11");
const ID_SHA256: ObjectIdentifier = ObjectIdentifier::new_unwrap("2.16.840.1.101.3.4.2.1");
const ID_SHA384: ObjectIdentifier = ObjectIdentifier::new_unwrap("2.16.840.1.101.3.4.2.2");
const ID_SHA512: ObjectIdentifier = ObjectIdentifier::new_unwrap("2.16.840.1.101.3.4.2.3");

/// A signature algorithm together with its digest.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum SignatureAlgorithm {
    /// ECDSA on P-256 with SHA-256, signature as DER `Ecdsa-Sig-Value`.
    EcdsaP256Sha256,
    /// RSA PKCS#1 v1.5 with SHA-256.
    RsaPkcs1Sha256,
    /// Ed25519; its CMS attributes use SHA-512 (RFC 8419 §3.1).
    Ed25519,
}

impl SignatureAlgorithm {
    /// The name a person reads.
    pub fn name(self) -> &'static str {
        match self {
            Self::EcdsaP256Sha256 => "ECDSA P-256 with SHA-256",
            Self::RsaPkcs1Sha256 => "RSA PKCS#1 v1.5 with SHA-256",
            Self::Ed25519 => "Ed25519",
        }
    }

    /// The digest of content and attributes that goes with it in CMS.
    pub fn digest(self) -> DigestAlgorithm {
        match self {
            Self::EcdsaP256Sha256 | Self::RsaPkcs1Sha256 => DigestAlgorithm::Sha256,
            Self::Ed25519 => DigestAlgorithm::Sha512,
        }
    }

    /// The DER `AlgorithmIdentifier` written into certificates, requests and CMS.
    pub(crate) fn identifier(self) -> Vec<u8> {
        let (oid, parameters): (_, &[u8]) = match self {
            Self::EcdsaP256Sha256 => (ECDSA_WITH_SHA256, &[]),
            Self::RsaPkcs1Sha256 => (SHA256_WITH_RSA, &[asn1::NULL, 0]),
            Self::Ed25519 => (ID_ED25519, &[]),
        };
        asn1::sequence(&[&asn1::object_identifier(&oid), parameters])
    }

    /// Reads the `AlgorithmIdentifier` of a certificate request.
    pub(crate) fn from_identifier(identifier: &AlgorithmIdentifier) -> Option<Self> {
        CMS_ALGORITHMS
            .iter()
            .find(|row| {
                row.oid == identifier.oid
                    && row.oid != RSA_ENCRYPTION
                    && row.parameters.allow(identifier)
            })
            .map(|row| row.algorithm)
    }
}

/// A digest algorithm.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum DigestAlgorithm {
    /// SHA-256.
    Sha256,
    /// SHA-384: only in `ESSCertIDv2` of foreign signatures.
    Sha384,
    /// SHA-512.
    Sha512,
}

impl DigestAlgorithm {
    pub(crate) fn of(self, bytes: &[u8]) -> Vec<u8> {
        match self {
            Self::Sha256 => Sha256::digest(bytes).to_vec(),
            Self::Sha384 => Sha384::digest(bytes).to_vec(),
            Self::Sha512 => Sha512::digest(bytes).to_vec(),
        }
    }

    pub(crate) fn identifier(self) -> Vec<u8> {
        asn1::sequence(&[&asn1::object_identifier(&self.oid())])
    }

    /// Parameters are absent or NULL (RFC 5754 §2).
    pub(crate) fn from_identifier(identifier: &AlgorithmIdentifier) -> Option<Self> {
        [Self::Sha256, Self::Sha384, Self::Sha512]
            .into_iter()
            .find(|digest| {
                digest.oid() == identifier.oid && Parameters::AbsentOrNull.allow(identifier)
            })
    }

    fn oid(self) -> ObjectIdentifier {
        match self {
            Self::Sha256 => ID_SHA256,
            Self::Sha384 => ID_SHA384,
            Self::Sha512 => ID_SHA512,
        }
    }
}

/// An `AlgorithmIdentifier` as read: OID and raw parameters.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct AlgorithmIdentifier<'a> {
    pub(crate) oid: ObjectIdentifier,
    pub(crate) parameters: Option<&'a [u8]>,
}

impl<'a> AlgorithmIdentifier<'a> {
    pub(crate) fn read(reader: &mut Reader<'a>) -> Result<Self, DerError> {
        let mut inner = reader.expect(asn1::SEQUENCE)?.reader();
        let oid = inner.object_identifier()?;
        let parameters = if inner.is_empty() {
            None
        } else {
            Some(inner.element()?.whole)
        };
        inner.finish()?;
        Ok(Self { oid, parameters })
    }
}

/// Which pairs of digest and signature algorithm a `SignerInfo` may carry.
pub(crate) const CMS_ALGORITHMS: [CmsAlgorithm; 4] = [
    CmsAlgorithm {
        oid: ECDSA_WITH_SHA256,
        parameters: Parameters::Absent,
        algorithm: SignatureAlgorithm::EcdsaP256Sha256,
    },
    CmsAlgorithm {
        oid: SHA256_WITH_RSA,
        parameters: Parameters::AbsentOrNull,
        algorithm: SignatureAlgorithm::RsaPkcs1Sha256,
    },
    // RFC 3370 §3.2: rsaEncryption names the key only, the digest comes from digestAlgorithm.
    CmsAlgorithm {
        oid: RSA_ENCRYPTION,
        parameters: Parameters::AbsentOrNull,
        algorithm: SignatureAlgorithm::RsaPkcs1Sha256,
    },
    CmsAlgorithm {
        oid: ID_ED25519,
        parameters: Parameters::Absent,
        algorithm: SignatureAlgorithm::Ed25519,
    },
];

/// One row of [`CMS_ALGORITHMS`]; the digest follows from the algorithm.
#[derive(Debug)]
pub(crate) struct CmsAlgorithm {
    oid: ObjectIdentifier,
    parameters: Parameters,
    algorithm: SignatureAlgorithm,
}

impl CmsAlgorithm {
    /// The algorithm that a pair of identifiers means, if the pair is allowed.
    pub(crate) fn find(
        digest: &AlgorithmIdentifier,
        signature: &AlgorithmIdentifier,
    ) -> Option<SignatureAlgorithm> {
        let digest = DigestAlgorithm::from_identifier(digest)?;
        CMS_ALGORITHMS
            .iter()
            .find(|row| {
                row.oid == signature.oid
                    && row.parameters.allow(signature)
                    && row.algorithm.digest() == digest
            })
            .map(|row| row.algorithm)
    }
}

#[derive(Debug, Clone, Copy)]
enum Parameters {
    Absent,
    AbsentOrNull,
}

impl Parameters {
    fn allow(self, identifier: &AlgorithmIdentifier) -> bool {
        match (self, identifier.parameters) {
            (_, None) => true,
            (Self::AbsentOrNull, Some(parameters)) => parameters == [asn1::NULL, 0],
            (Self::Absent, Some(_)) => false,
        }
    }
}

/// What kind of public key a certificate holds.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum PublicKeyKind {
    /// ECDSA on P-256.
    EcdsaP256,
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
        let curve = asn1::object_identifier(&PRIME256V1);
        if algorithm.oid == ID_EC_PUBLIC_KEY && algorithm.parameters == Some(curve.as_slice()) {
            return match key {
                [0x04, coordinates @ ..] if coordinates.len() == 64 => Ok(Self::EcdsaP256(key)),
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
        match (algorithm, self) {
            (SignatureAlgorithm::EcdsaP256Sha256, Self::EcdsaP256(point)) => {
                aws::UnparsedPublicKey::new(&aws::ECDSA_P256_SHA256_ASN1, point)
                    .verify(message, signature)
                    .map_err(|_| SignatureError::Wrong)
            }
            (SignatureAlgorithm::RsaPkcs1Sha256, Self::Rsa { der, bits }) => {
                if !(MIN_RSA_BITS..=MAX_RSA_BITS).contains(bits) {
                    return Err(SignatureError::RsaKeySize { bits: *bits });
                }
                aws::UnparsedPublicKey::new(&aws::RSA_PKCS1_2048_8192_SHA256, der)
                    .verify(message, signature)
                    .map_err(|_| SignatureError::Wrong)
            }
            (SignatureAlgorithm::Ed25519, Self::Ed25519(bytes)) => {
                verify_ed25519(bytes, message, signature)
            }
            _ => Err(SignatureError::KeyMismatch { algorithm }),
        }
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
