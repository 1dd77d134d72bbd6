//! A signer as the certificate library takes it.

use std::sync::{Arc, Mutex, PoisonError};

use rcgen::{
    PKCS_ECDSA_P256_SHA256, PKCS_ECDSA_P384_SHA384, PKCS_ED25519, PKCS_RSA_SHA256, PKCS_RSA_SHA384,
    PKCS_RSA_SHA512, PublicKeyData, SigningKey,
};

use super::IssueError;
use crate::algorithm::SignatureAlgorithm;
use crate::asn1::{self, Element};
use crate::seal::{SealError, SealSigner};

/// The key of an authority. The library has no place for the cause of a failed signature, so it
/// waits here until [`IssuerKey::told`] takes it.
#[derive(Debug)]
pub(super) struct IssuerKey {
    signer: Arc<dyn SealSigner>,
    /// The content of subjectPublicKey.
    public: Vec<u8>,
    fault: Mutex<Option<SealError>>,
}

impl IssuerKey {
    pub(super) fn new(signer: Arc<dyn SealSigner>) -> Result<Self, IssueError> {
        let mut spki = Element::only(signer.public_key_der(), asn1::SEQUENCE)?.reader();
        spki.expect(asn1::SEQUENCE)?;
        let public = spki.bit_string_bytes()?.to_vec();
        Ok(Self {
            signer,
            public,
            fault: Mutex::default(),
        })
    }

    pub(super) fn public_key_der(&self) -> &[u8] {
        self.signer.public_key_der()
    }

    /// A result of the library, with the key's own cause where it was the key that failed.
    pub(super) fn told<T>(&self, result: Result<T, rcgen::Error>) -> Result<T, IssueError> {
        result.map_err(|error| match self.noted().take() {
            Some(fault) => IssueError::Key(fault),
            None => IssueError::Library(error),
        })
    }

    fn noted(&self) -> std::sync::MutexGuard<'_, Option<SealError>> {
        self.fault.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl PublicKeyData for IssuerKey {
    fn der_bytes(&self) -> &[u8] {
        &self.public
    }

    fn algorithm(&self) -> &'static rcgen::SignatureAlgorithm {
        match self.signer.algorithm() {
            // rcgen names one digest for each curve, and no key of ours uses another.
            SignatureAlgorithm::EcdsaP256Sha256 | SignatureAlgorithm::EcdsaP256Sha384 => {
                &PKCS_ECDSA_P256_SHA256
            }
            SignatureAlgorithm::EcdsaP384Sha256 | SignatureAlgorithm::EcdsaP384Sha384 => {
                &PKCS_ECDSA_P384_SHA384
            }
            SignatureAlgorithm::RsaPkcs1Sha256 => &PKCS_RSA_SHA256,
            SignatureAlgorithm::RsaPkcs1Sha384 => &PKCS_RSA_SHA384,
            SignatureAlgorithm::RsaPkcs1Sha512 => &PKCS_RSA_SHA512,
            SignatureAlgorithm::Ed25519 => &PKCS_ED25519,
        }
    }
}

impl SigningKey for IssuerKey {
    fn sign(&self, message: &[u8]) -> Result<Vec<u8>, rcgen::Error> {
        self.signer.sign(message).map_err(|fault| {
            *self.noted() = Some(fault);
            rcgen::Error::RemoteKeyError
        })
    }
}
