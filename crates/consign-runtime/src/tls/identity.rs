//! What we show a peer: a certificate and the key to it, replaceable while connections run.

use std::sync::Arc;

use arc_swap::ArcSwap;
use rustls::SignatureScheme;
use rustls::client::ResolvesClientCert;
use rustls::server::{ClientHello, ResolvesServerCert};
use rustls::sign::CertifiedKey;
use rustls_pki_types::pem::{self, PemObject as _};
use rustls_pki_types::{CertificateDer, PrivateKeyDer};
use thiserror::Error;

use super::peer::{self, CertificateFingerprint, MAX_CHAIN};
use super::provider;

const MAX_PEM: usize = 256 * 1024;

/// A certificate chain with its key; clones share it, and [`replace`](Self::replace) changes it
/// for all. Connections that are open keep what they began with.
#[derive(Clone, Debug)]
pub struct TlsIdentity(Arc<ArcSwap<CertifiedKey>>);

/// Why a certificate and a key make no identity.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum IdentityError {
    /// The text is larger than any certificate chain or key.
    #[error("certificate or key is larger than {MAX_PEM} bytes")]
    TooLarge,
    /// The certificates are not PEM.
    #[error("certificate is not readable PEM")]
    CertificatePem {
        /// What is wrong.
        #[source]
        source: pem::Error,
    },
    /// No certificate, or far too many.
    #[error("expected 1 to {} certificates, found {found}", MAX_CHAIN + 1)]
    CertificateCount {
        /// How many there are.
        found: usize,
    },
    /// The first certificate is not X.509.
    #[error("certificate is not X.509")]
    NotX509,
    /// The key is not PEM.
    #[error("key is not readable PEM")]
    KeyPem {
        /// What is wrong.
        #[source]
        source: pem::Error,
    },
    /// The key cannot be used, or is not the certificate's.
    #[error("key cannot be used with this certificate")]
    Key {
        /// What is wrong.
        #[source]
        source: rustls::Error,
    },
}

impl TlsIdentity {
    /// From a chain, the own certificate first, and its key (PKCS#8, SEC 1 or PKCS#1), in PEM.
    ///
    /// # Errors
    /// One of them cannot be read, or they do not belong together.
    pub fn from_pem(chain: &[u8], key: &[u8]) -> Result<Self, IdentityError> {
        if chain.len().max(key.len()) > MAX_PEM {
            return Err(IdentityError::TooLarge);
        }
        let chain = CertificateDer::pem_slice_iter(chain)
            .collect::<Result<Vec<_>, _>>()
            .map_err(|source| IdentityError::CertificatePem { source })?;
        match chain.as_slice() {
            [own, rest @ ..] if rest.len() <= MAX_CHAIN => {
                peer::validity(own).map_err(|_| IdentityError::NotX509)?
            }
            other => return Err(IdentityError::CertificateCount { found: other.len() }),
        };
        let key = PrivateKeyDer::from_pem_slice(key)
            .map_err(|source| IdentityError::KeyPem { source })?;
        let certified = CertifiedKey::from_der(chain, key, &provider())
            .map_err(|source| IdentityError::Key { source })?;
        Ok(Self(Arc::new(ArcSwap::from_pointee(certified))))
    }

    /// Shows `other` from the next connection on.
    pub fn replace(&self, other: &Self) {
        self.0.store(other.0.load_full());
    }

    /// The own certificate, in DER.
    #[must_use]
    pub fn certificate(&self) -> Vec<u8> {
        self.0
            .load()
            .cert
            .first()
            .map(|der| der.to_vec())
            .unwrap_or_default()
    }

    /// The certificates above the own one, in DER.
    #[must_use]
    pub fn issuers(&self) -> Vec<Vec<u8>> {
        let certified = self.0.load();
        let issuers = certified.cert.iter().skip(1);
        issuers.map(|der| der.to_vec()).collect()
    }

    /// What the directory knows this identity by.
    #[must_use]
    pub fn fingerprint(&self) -> CertificateFingerprint {
        CertificateFingerprint::of(&self.certificate())
    }

    /// The first and the last second in which it is valid, Unix time.
    #[must_use]
    pub fn validity(&self) -> (u64, u64) {
        // It was readable when the identity was made.
        peer::validity(&self.certificate()).unwrap_or((0, 0))
    }
}

impl ResolvesServerCert for TlsIdentity {
    fn resolve(&self, _hello: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        Some(self.0.load_full())
    }
}

impl ResolvesClientCert for TlsIdentity {
    fn resolve(
        &self,
        _root_hint_subjects: &[&[u8]],
        _schemes: &[SignatureScheme],
    ) -> Option<Arc<CertifiedKey>> {
        Some(self.0.load_full())
    }

    fn has_certs(&self) -> bool {
        true
    }
}
