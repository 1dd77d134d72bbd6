//! Seal keys: what signs documents, wherever the key lives.
//!
//! [`SealSigner`] is the seam between a key in a file and a key in a token: CMS, certificates
//! and their requests only ever see the trait. [`FileSealKey`] keeps the key in memory
//! and reads and writes PKCS#8 version 1 (RFC 5208), the form that every OpenSSL loads.
//! The same type makes TLS keys, which are P-256 and live in a file as well.
//!
//! Randomness: ECDSA nonces and new keys come from the generator inside aws-lc-rs, which
//! cannot be replaced; RSA PKCS#1 v1.5 and Ed25519 signatures use none.

pub mod raw;

use std::sync::Arc;

use aws_lc_rs::encoding::{AsDer, Pkcs8V1Der};
use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::rsa::{self, KeySize};
use aws_lc_rs::signature::{
    ECDSA_P256_SHA256_ASN1_SIGNING, EcdsaKeyPair, KeyPair, RSA_PKCS1_SHA256,
};
use ed25519_dalek::pkcs8::DecodePrivateKey;
use ed25519_dalek::{Signer, SigningKey};
use zeroize::Zeroizing;

use crate::algorithm::{
    AlgorithmIdentifier, ID_EC_PUBLIC_KEY, ID_ED25519, PRIME256V1, PublicKey, PublicKeyKind,
    RSA_ENCRYPTION, SignatureAlgorithm,
};
use crate::asn1::{self, DerError, Element};
use crate::pem::{self, PemError};

/// Largest RSA seal key, in bits.
pub const MAX_SEAL_RSA_BITS: usize = 4096;

/// Something that signs with one seal key. Signing may take as long as a token takes: it
/// blocks.
pub trait SealSigner: std::fmt::Debug + Send + Sync {
    /// The algorithm of every signature this signer makes.
    fn algorithm(&self) -> SignatureAlgorithm;

    /// The public key as DER `SubjectPublicKeyInfo`.
    fn public_key_der(&self) -> &[u8];

    /// Signs the whole message; hashing happens inside.
    fn sign(&self, message: &[u8]) -> Result<Vec<u8>, SealError>;

    /// Who keeps the key outside of this process, in words; `None`: nobody.
    fn keeper(&self) -> Option<String> {
        None
    }

    /// Whether it would sign now, as far as its keeper can tell without signing. Blocks.
    ///
    /// # Errors
    /// Why not.
    fn ready(&self) -> Result<(), SealError> {
        Ok(())
    }
}

/// The kinds of key that [`FileSealKey::generate`] makes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[non_exhaustive]
pub enum KeyKind {
    /// ECDSA on P-256: what seals and TLS use unless told otherwise.
    #[default]
    EcdsaP256,
    /// RSA with a modulus of 2048 bits.
    Rsa2048,
    /// RSA with a modulus of 3072 bits.
    Rsa3072,
    /// RSA with a modulus of 4096 bits.
    Rsa4096,
    /// Ed25519.
    Ed25519,
}

impl KeyKind {
    /// Whether a key, DER `SubjectPublicKeyInfo`, is of this kind.
    pub fn is_of(self, spki: &[u8]) -> bool {
        let kind = match self {
            Self::EcdsaP256 => PublicKeyKind::EcdsaP256,
            Self::Rsa2048 => PublicKeyKind::Rsa { bits: 2048 },
            Self::Rsa3072 => PublicKeyKind::Rsa { bits: 3072 },
            Self::Rsa4096 => PublicKeyKind::Rsa { bits: 4096 },
            Self::Ed25519 => PublicKeyKind::Ed25519,
        };
        PublicKey::from_spki(spki).is_ok_and(|key| key.kind() == kind)
    }
}

/// Why a seal key cannot be made, read or used.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum SealError {
    /// The text is not a PKCS#8 key in PEM.
    #[error("private key is not in PEM")]
    Pem(#[from] PemError),
    /// The bytes are not PKCS#8.
    #[error("private key is not PKCS#8")]
    Encoding(#[from] DerError),
    /// Well-formed PKCS#8 of an algorithm that seals do not use.
    #[error("private keys of kind {oid} are not supported")]
    UnsupportedKey {
        /// The key algorithm's object identifier, dotted.
        oid: String,
    },
    /// The cryptographic library refuses the key.
    #[error("private key is not usable")]
    Rejected,
    /// RSA below 2048 or above [`MAX_SEAL_RSA_BITS`].
    #[error("RSA key of {bits} bits is outside 2048 to {MAX_SEAL_RSA_BITS}")]
    RsaKeySize {
        /// Size of the modulus.
        bits: usize,
    },
    /// A key could not be generated.
    #[error("key generation failed")]
    Generation,
    /// The key did not sign.
    #[error("signing failed")]
    Signing,
    /// A key that is kept outside of this process did not sign.
    #[error(transparent)]
    Keeper(#[from] KeeperFault),
}

impl SealError {
    /// Whether the key's keeper did not sign: it is asked again.
    pub const fn is_keepers(&self) -> bool {
        matches!(self, Self::Keeper(_))
    }
}

/// Why a key did not sign that is kept outside of this process, as its keeper says it.
#[derive(Debug, Clone, thiserror::Error)]
#[error(transparent)]
pub struct KeeperFault(Arc<dyn std::error::Error + Send + Sync>);

impl KeeperFault {
    /// A fault with its own words and cause.
    pub fn new(fault: impl std::error::Error + Send + Sync + 'static) -> Self {
        Self(Arc::new(fault))
    }
}

/// The same occurrence, not the same kind.
impl PartialEq for KeeperFault {
    fn eq(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.0, &other.0)
    }
}

impl Eq for KeeperFault {}

/// A seal key held in memory, as read from a file.
pub struct FileSealKey {
    secret: Secret,
    pkcs8: Zeroizing<Vec<u8>>,
    spki: Vec<u8>,
}

enum Secret {
    EcdsaP256(Box<EcdsaKeyPair>),
    Rsa(Box<rsa::KeyPair>),
    Ed25519(Box<SigningKey>),
}

impl FileSealKey {
    /// Makes a new key.
    pub fn generate(kind: KeyKind) -> Result<Self, SealError> {
        let pkcs8 = match kind {
            KeyKind::EcdsaP256 => generate_p256()?,
            KeyKind::Rsa2048 => generate_rsa(KeySize::Rsa2048)?,
            KeyKind::Rsa3072 => generate_rsa(KeySize::Rsa3072)?,
            KeyKind::Rsa4096 => generate_rsa(KeySize::Rsa4096)?,
            KeyKind::Ed25519 => generate_ed25519()?,
        };
        Self::from_pkcs8_der(pkcs8)
    }

    /// Reads a PKCS#8 key (`BEGIN PRIVATE KEY`), at most 16 KiB of text.
    pub fn from_pkcs8_pem(text: &str) -> Result<Self, SealError> {
        Self::from_pkcs8_der(Zeroizing::new(pem::decode(
            pem::PRIVATE_KEY,
            text,
            pem::MAX_KEY_PEM,
        )?))
    }

    /// The key as PKCS#8 in PEM, mode of the file being the caller's concern.
    pub fn to_pkcs8_pem(&self) -> Zeroizing<String> {
        Zeroizing::new(pem::encode(pem::PRIVATE_KEY, &self.pkcs8))
    }

    fn from_pkcs8_der(pkcs8: Zeroizing<Vec<u8>>) -> Result<Self, SealError> {
        let algorithm = private_key_algorithm(&pkcs8)?;
        let curve = asn1::object_identifier(&PRIME256V1);
        if algorithm.oid == ID_EC_PUBLIC_KEY && algorithm.parameters == Some(curve.as_slice()) {
            let pair = EcdsaKeyPair::from_pkcs8(&ECDSA_P256_SHA256_ASN1_SIGNING, &pkcs8)
                .map_err(|_| SealError::Rejected)?;
            let spki = spki(
                &[&asn1::object_identifier(&ID_EC_PUBLIC_KEY), &curve],
                pair.public_key().as_ref(),
            );
            return Ok(Self {
                secret: Secret::EcdsaP256(Box::new(pair)),
                pkcs8,
                spki,
            });
        }
        if algorithm.oid == RSA_ENCRYPTION {
            return Self::from_rsa(pkcs8);
        }
        if algorithm.oid == ID_ED25519 && algorithm.parameters.is_none() {
            let key = SigningKey::from_pkcs8_der(&pkcs8).map_err(|_| SealError::Rejected)?;
            let pkcs8 = ed25519_pkcs8(key.as_bytes());
            let spki = ed25519_spki(key.verifying_key().as_bytes());
            return Ok(Self {
                secret: Secret::Ed25519(Box::new(key)),
                pkcs8,
                spki,
            });
        }
        Err(SealError::UnsupportedKey {
            oid: algorithm.oid.to_string(),
        })
    }

    fn from_rsa(pkcs8: Zeroizing<Vec<u8>>) -> Result<Self, SealError> {
        let pair = rsa::KeyPair::from_pkcs8(&pkcs8).map_err(|_| SealError::Rejected)?;
        let bits = pair.public_modulus_len().saturating_mul(8);
        if bits > MAX_SEAL_RSA_BITS {
            return Err(SealError::RsaKeySize { bits });
        }
        let algorithm = asn1::object_identifier(&RSA_ENCRYPTION);
        let spki = spki(&[&algorithm, &[asn1::NULL, 0]], pair.public_key().as_ref());
        match PublicKey::from_spki(&spki) {
            Ok(PublicKey::Rsa { bits, .. }) if bits < 2048 => Err(SealError::RsaKeySize { bits }),
            Ok(_) => Ok(Self {
                secret: Secret::Rsa(Box::new(pair)),
                pkcs8,
                spki,
            }),
            Err(_) => Err(SealError::Rejected),
        }
    }
}

impl SealSigner for FileSealKey {
    fn algorithm(&self) -> SignatureAlgorithm {
        match self.secret {
            Secret::EcdsaP256(_) => SignatureAlgorithm::EcdsaP256Sha256,
            Secret::Rsa(_) => SignatureAlgorithm::RsaPkcs1Sha256,
            Secret::Ed25519(_) => SignatureAlgorithm::Ed25519,
        }
    }

    fn public_key_der(&self) -> &[u8] {
        &self.spki
    }

    fn sign(&self, message: &[u8]) -> Result<Vec<u8>, SealError> {
        match &self.secret {
            Secret::EcdsaP256(pair) => pair
                .sign(&SystemRandom::new(), message)
                .map(|signature| signature.as_ref().to_vec())
                .map_err(|_| SealError::Signing),
            Secret::Rsa(pair) => {
                let mut signature = vec![0; pair.public_modulus_len()];
                pair.sign(
                    &RSA_PKCS1_SHA256,
                    &SystemRandom::new(),
                    message,
                    &mut signature,
                )
                .map_err(|_| SealError::Signing)?;
                Ok(signature)
            }
            Secret::Ed25519(key) => Ok(key.sign(message).to_bytes().to_vec()),
        }
    }
}

impl std::fmt::Debug for FileSealKey {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter
            .debug_struct("FileSealKey")
            .field("algorithm", &self.algorithm())
            .finish_non_exhaustive()
    }
}

/// PKCS#8 version 1: OpenSSL 3.0 refuses version 2, which carries the public key as well.
pub(crate) fn ed25519_pkcs8(seed: &[u8; 32]) -> Zeroizing<Vec<u8>> {
    let algorithm = asn1::sequence(&[&asn1::object_identifier(&ID_ED25519)]);
    let inner = Zeroizing::new(asn1::encode(asn1::OCTET_STRING, &[seed]));
    let outer = Zeroizing::new(asn1::encode(asn1::OCTET_STRING, &[&inner]));
    Zeroizing::new(asn1::sequence(&[
        &[asn1::INTEGER, 1, 0],
        &algorithm,
        &outer,
    ]))
}

pub(crate) fn ed25519_spki(public: &[u8; 32]) -> Vec<u8> {
    spki(&[&asn1::object_identifier(&ID_ED25519)], public)
}

fn spki(algorithm: &[&[u8]], key: &[u8]) -> Vec<u8> {
    asn1::sequence(&[
        &asn1::sequence(algorithm),
        &asn1::encode(asn1::BIT_STRING, &[&[0], key]),
    ])
}

fn generate_p256() -> Result<Zeroizing<Vec<u8>>, SealError> {
    let pair = EcdsaKeyPair::generate(&ECDSA_P256_SHA256_ASN1_SIGNING)
        .map_err(|_| SealError::Generation)?;
    let document = pair.to_pkcs8v1().map_err(|_| SealError::Generation)?;
    Ok(Zeroizing::new(document.as_ref().to_vec()))
}

fn generate_rsa(size: KeySize) -> Result<Zeroizing<Vec<u8>>, SealError> {
    let pair = rsa::KeyPair::generate(size).map_err(|_| SealError::Generation)?;
    let der: Pkcs8V1Der<'_> = pair.as_der().map_err(|_| SealError::Generation)?;
    Ok(Zeroizing::new(der.as_ref().to_vec()))
}

fn generate_ed25519() -> Result<Zeroizing<Vec<u8>>, SealError> {
    let mut seed = Zeroizing::new([0_u8; 32]);
    aws_lc_rs::rand::fill(seed.as_mut()).map_err(|_| SealError::Generation)?;
    Ok(ed25519_pkcs8(&seed))
}

/// The `privateKeyAlgorithm` of a PKCS#8 `PrivateKeyInfo`.
fn private_key_algorithm(pkcs8: &[u8]) -> Result<AlgorithmIdentifier<'_>, DerError> {
    let mut reader = Element::only(pkcs8, asn1::SEQUENCE)?.reader();
    reader.small_integer()?;
    AlgorithmIdentifier::read(&mut reader)
}

#[cfg(test)]
mod tests;
