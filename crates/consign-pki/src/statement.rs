//! Statement keys: raw Ed25519 (RFC 8032) over the exact bytes of a statement.
//!
//! Nothing is canonicalised: what was signed is what is checked. Verification is strict
//! (canonical encodings, no small-order keys), so that all implementations agree on what
//! verifies. The PEM forms are what `openssl pkeyutl -verify -rawin -pubin` takes.
//! Seeds are given by the caller; signing is deterministic.

use ed25519_dalek::pkcs8::DecodePrivateKey;
use ed25519_dalek::{Signature, Signer, SigningKey, VerifyingKey};
use zeroize::Zeroizing;

use crate::pem::{self, PemError};
use crate::seal::{ed25519_pkcs8, ed25519_spki};

/// Why a statement key or signature is not accepted.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum StatementKeyError {
    /// The text is not a key in PEM.
    #[error("statement key is not in PEM")]
    Pem(#[from] PemError),
    /// The PEM does not hold an Ed25519 key.
    #[error("statement key is not an Ed25519 key")]
    NotEd25519,
    /// The 32 bytes are no point on the curve, or one of small order.
    #[error("statement public key is not a valid point")]
    InvalidPoint,
    /// The signature was not made by this key over these bytes.
    #[error("statement signature is wrong")]
    WrongSignature,
}

/// The secret half: signs statements.
pub struct StatementKey(SigningKey);

impl StatementKey {
    /// The key that follows from 32 random bytes.
    pub fn from_seed(seed: [u8; 32]) -> Self {
        Self(SigningKey::from_bytes(&Zeroizing::new(seed)))
    }

    /// Reads PKCS#8 version 1 or 2, at most 16 KiB of text.
    pub fn from_pkcs8_pem(text: &str) -> Result<Self, StatementKeyError> {
        let der = Zeroizing::new(pem::decode(pem::PRIVATE_KEY, text, pem::MAX_KEY_PEM)?);
        SigningKey::from_pkcs8_der(&der)
            .map(Self)
            .map_err(|_| StatementKeyError::NotEd25519)
    }

    /// PKCS#8 version 1 in PEM.
    pub fn to_pkcs8_pem(&self) -> Zeroizing<String> {
        Zeroizing::new(pem::encode(
            pem::PRIVATE_KEY,
            &ed25519_pkcs8(self.0.as_bytes()),
        ))
    }

    /// Signs the bytes as they stand.
    pub fn sign(&self, bytes: &[u8]) -> [u8; 64] {
        self.0.sign(bytes).to_bytes()
    }

    /// The public half.
    pub fn public(&self) -> StatementPublicKey {
        StatementPublicKey(self.0.verifying_key())
    }
}

impl std::fmt::Debug for StatementKey {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter
            .debug_struct("StatementKey")
            .field("public", &self.public())
            .finish_non_exhaustive()
    }
}

/// The public half: checks statements.
#[derive(Clone, PartialEq, Eq)]
pub struct StatementPublicKey(VerifyingKey);

impl StatementPublicKey {
    /// Reads the 32 raw bytes; refuses points that are invalid or of small order.
    pub fn from_bytes(bytes: &[u8; 32]) -> Result<Self, StatementKeyError> {
        let key = VerifyingKey::from_bytes(bytes).map_err(|_| StatementKeyError::InvalidPoint)?;
        if key.is_weak() {
            Err(StatementKeyError::InvalidPoint)
        } else {
            Ok(Self(key))
        }
    }

    /// The 32 raw bytes.
    pub fn to_bytes(&self) -> [u8; 32] {
        self.0.to_bytes()
    }

    /// Checks a signature over the bytes as they stand.
    pub fn verify(&self, bytes: &[u8], signature: &[u8; 64]) -> Result<(), StatementKeyError> {
        self.0
            .verify_strict(bytes, &Signature::from_bytes(signature))
            .map_err(|_| StatementKeyError::WrongSignature)
    }

    /// Names the key: the first 16 bytes of SHA-256 over its 32 raw bytes.
    pub fn key_id(&self) -> [u8; 16] {
        crate::truncated_sha256(self.0.as_bytes())
    }

    /// `SubjectPublicKeyInfo` in PEM.
    pub fn to_spki_pem(&self) -> String {
        pem::encode(pem::PUBLIC_KEY, &ed25519_spki(self.0.as_bytes()))
    }
}

impl std::fmt::Debug for StatementPublicKey {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(
            formatter,
            "StatementPublicKey({})",
            crate::hex(&self.key_id())
        )
    }
}

#[cfg(test)]
mod tests {
    use sha2::{Digest, Sha256};

    use super::*;

    #[test]
    fn files_hold_the_same_key() {
        let key = StatementKey::from_seed([7; 32]);
        let read = StatementKey::from_pkcs8_pem(&key.to_pkcs8_pem()).unwrap();
        assert_eq!(read.public(), key.public());
        insta::assert_snapshot!(key.to_pkcs8_pem().as_str(), @r"
        -----BEGIN PRIVATE KEY-----
        MC4CAQAwBQYDK2VwBCIEIAcHBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcH
        -----END PRIVATE KEY-----
        ");
        insta::assert_snapshot!(key.public().to_spki_pem(), @r"
        -----BEGIN PUBLIC KEY-----
        MCowBQYDK2VwAyEA6kpsY+KcUgq+9VB7Ey7F+ZVHdq6+vnuSQh7qaRRG0iw=
        -----END PUBLIC KEY-----
        ");
    }

    #[test]
    fn a_changed_bit_anywhere_never_verifies() {
        let key = StatementKey::from_seed([7; 32]);
        let statement = b"{\"type\":\"consign/status/v1\"}";
        let signature = key.sign(statement);
        key.public().verify(statement, &signature).unwrap();
        for position in 0..signature.len() * 8 {
            let mut changed = signature;
            changed[position / 8] ^= 1 << (position % 8);
            assert!(
                key.public().verify(statement, &changed).is_err(),
                "signature bit {position}"
            );
        }
        for position in 0..statement.len() * 8 {
            let mut changed = *statement;
            changed[position / 8] ^= 1 << (position % 8);
            assert!(
                key.public().verify(&changed, &signature).is_err(),
                "statement bit {position}"
            );
        }
    }

    #[test]
    fn small_order_points_are_no_keys() {
        let mut identity = [0_u8; 32];
        identity[0] = 1;
        assert_eq!(
            StatementPublicKey::from_bytes(&identity).unwrap_err(),
            StatementKeyError::InvalidPoint
        );
        assert_eq!(
            StatementPublicKey::from_bytes(&[0; 32]).unwrap_err(),
            StatementKeyError::InvalidPoint
        );
    }

    #[test]
    fn key_ids_are_truncated_digests_of_the_raw_key() {
        let public = StatementKey::from_seed([7; 32]).public();
        assert_eq!(public.key_id(), Sha256::digest(public.to_bytes())[..16]);
    }
}
