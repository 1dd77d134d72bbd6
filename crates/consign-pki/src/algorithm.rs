//! Signature algorithms as data. `PublicKey` is the one place where X.509 and CMS
//! signatures are checked.
//!
//! Three algorithms are in use: ECDSA P-256 with SHA-256 (the default), RSA PKCS#1 v1.5
//! with SHA-256 from 2048 bits, and Ed25519 (RFC 8410; in CMS with SHA-512, RFC 8419).
//! RSA with SHA-384 or SHA-512 and ECDSA P-384 with SHA-384 are verified besides, for
//! signatures from elsewhere.
//! Adding one means adding a row to `CMS_ALGORITHMS` and an arm to
//! `PublicKey::verify`.

mod public_key;

use const_oid::ObjectIdentifier;
use sha2::{Digest, Sha256, Sha384, Sha512};

use crate::asn1::{self, DerError, Reader};

pub(crate) use public_key::PublicKey;
pub use public_key::{MAX_RSA_BITS, MIN_RSA_BITS, PublicKeyKind, SignatureError};

pub(crate) const ID_EC_PUBLIC_KEY: ObjectIdentifier =
    ObjectIdentifier::new_unwrap("1.2.840.10045.2.1");
pub(crate) const PRIME256V1: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.2.840.10045.3.1.7");
pub(crate) const SECP384R1: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.3.132.0.34");
pub(crate) const RSA_ENCRYPTION: ObjectIdentifier =
    ObjectIdentifier::new_unwrap("1.2.840.113549.1.1.1");
pub(crate) const ID_ED25519: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.3.101.112");
const ECDSA_WITH_SHA256: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.2.840.10045.4.3.2");
const ECDSA_WITH_SHA384: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.2.840.10045.4.3.3");
const SHA384_WITH_RSA: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.2.840.113549.1.1.12");
const SHA512_WITH_RSA: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.2.840.113549.1.1.13");
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
    /// ECDSA on P-256 with SHA-384, signature as DER `Ecdsa-Sig-Value`.
    EcdsaP256Sha384,
    /// ECDSA on P-384 with SHA-256, signature as DER `Ecdsa-Sig-Value`.
    EcdsaP384Sha256,
    /// ECDSA on P-384 with SHA-384, signature as DER `Ecdsa-Sig-Value`.
    EcdsaP384Sha384,
    /// RSA PKCS#1 v1.5 with SHA-256.
    RsaPkcs1Sha256,
    /// RSA PKCS#1 v1.5 with SHA-384.
    RsaPkcs1Sha384,
    /// RSA PKCS#1 v1.5 with SHA-512.
    RsaPkcs1Sha512,
    /// Ed25519; its CMS attributes use SHA-512 (RFC 8419 §3.1).
    Ed25519,
}

impl SignatureAlgorithm {
    /// All of them.
    pub const ALL: [Self; 8] = [
        Self::EcdsaP256Sha256,
        Self::EcdsaP256Sha384,
        Self::EcdsaP384Sha256,
        Self::EcdsaP384Sha384,
        Self::RsaPkcs1Sha256,
        Self::RsaPkcs1Sha384,
        Self::RsaPkcs1Sha512,
        Self::Ed25519,
    ];

    /// The name a person reads.
    pub fn name(self) -> &'static str {
        match self {
            Self::EcdsaP256Sha256 => "ECDSA P-256 with SHA-256",
            Self::EcdsaP256Sha384 => "ECDSA P-256 with SHA-384",
            Self::EcdsaP384Sha256 => "ECDSA P-384 with SHA-256",
            Self::EcdsaP384Sha384 => "ECDSA P-384 with SHA-384",
            Self::RsaPkcs1Sha256 => "RSA PKCS#1 v1.5 with SHA-256",
            Self::RsaPkcs1Sha384 => "RSA PKCS#1 v1.5 with SHA-384",
            Self::RsaPkcs1Sha512 => "RSA PKCS#1 v1.5 with SHA-512",
            Self::Ed25519 => "Ed25519",
        }
    }

    /// The same with a key: the identifier of ECDSA names the digest, and the key its curve
    /// (RFC 5758 §3.2).
    pub(crate) fn with_key(self, key: &PublicKey<'_>) -> Self {
        match (self, key) {
            (Self::EcdsaP256Sha256, PublicKey::EcdsaP384(_)) => Self::EcdsaP384Sha256,
            (Self::EcdsaP384Sha384, PublicKey::EcdsaP256(_)) => Self::EcdsaP256Sha384,
            _ => self,
        }
    }

    /// The digest of content and attributes that goes with it in CMS.
    pub fn digest(self) -> DigestAlgorithm {
        match self {
            Self::EcdsaP256Sha256 | Self::EcdsaP384Sha256 | Self::RsaPkcs1Sha256 => {
                DigestAlgorithm::Sha256
            }
            Self::EcdsaP256Sha384 | Self::EcdsaP384Sha384 | Self::RsaPkcs1Sha384 => {
                DigestAlgorithm::Sha384
            }
            Self::RsaPkcs1Sha512 | Self::Ed25519 => DigestAlgorithm::Sha512,
        }
    }

    /// The DER `AlgorithmIdentifier` written into certificates, requests and CMS.
    pub(crate) fn identifier(self) -> Vec<u8> {
        let (oid, parameters): (_, &[u8]) = match self {
            Self::EcdsaP256Sha256 | Self::EcdsaP384Sha256 => (ECDSA_WITH_SHA256, &[]),
            Self::EcdsaP256Sha384 | Self::EcdsaP384Sha384 => (ECDSA_WITH_SHA384, &[]),
            Self::RsaPkcs1Sha256 => (SHA256_WITH_RSA, &[asn1::NULL, 0]),
            Self::RsaPkcs1Sha384 => (SHA384_WITH_RSA, &[asn1::NULL, 0]),
            Self::RsaPkcs1Sha512 => (SHA512_WITH_RSA, &[asn1::NULL, 0]),
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
    /// SHA-384: only in foreign signatures.
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
pub(crate) const CMS_ALGORITHMS: [CmsAlgorithm; 9] = [
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
        oid: SHA384_WITH_RSA,
        parameters: Parameters::AbsentOrNull,
        algorithm: SignatureAlgorithm::RsaPkcs1Sha384,
    },
    CmsAlgorithm {
        oid: RSA_ENCRYPTION,
        parameters: Parameters::AbsentOrNull,
        algorithm: SignatureAlgorithm::RsaPkcs1Sha384,
    },
    CmsAlgorithm {
        oid: SHA512_WITH_RSA,
        parameters: Parameters::AbsentOrNull,
        algorithm: SignatureAlgorithm::RsaPkcs1Sha512,
    },
    CmsAlgorithm {
        oid: RSA_ENCRYPTION,
        parameters: Parameters::AbsentOrNull,
        algorithm: SignatureAlgorithm::RsaPkcs1Sha512,
    },
    CmsAlgorithm {
        oid: ECDSA_WITH_SHA384,
        parameters: Parameters::Absent,
        algorithm: SignatureAlgorithm::EcdsaP384Sha384,
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
