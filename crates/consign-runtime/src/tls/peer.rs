//! Who a peer is, and why it is refused.

use std::fmt;
use std::sync::Arc;

use rustls::{CertificateError, OtherError};
use rustls_pki_types::UnixTime;
use sha2::{Digest as _, Sha256};
use thiserror::Error;
use x509_parser::certificate::X509Certificate;
use x509_parser::prelude::FromDer as _;

use crate::clock::rfc3339;
use crate::entropy::to_hex;

/// A certificate of ours takes about 600 bytes; RSA keys and long names a few thousand.
const MAX_CERTIFICATE: usize = 16 * 1024;
/// Intermediate certificates are not looked at. Stock tools send a few.
pub(super) const MAX_CHAIN: usize = 8;

/// SHA-256 of an end-entity certificate's DER.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct CertificateFingerprint(pub [u8; 32]);

impl CertificateFingerprint {
    /// Of a certificate in DER.
    #[must_use]
    pub fn of(der: &[u8]) -> Self {
        Self(Sha256::digest(der).into())
    }
}

impl fmt::Display for CertificateFingerprint {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&to_hex(&self.0))
    }
}

impl fmt::Debug for CertificateFingerprint {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "CertificateFingerprint({self})")
    }
}

/// What the policy calls a peer: 16 bytes that mean something to the policy's owner alone.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct PeerIdentity(pub [u8; 16]);

/// Decides whose certificate (fingerprint, DER, Unix time) this is. Its dates have been checked.
/// It is asked during the handshake and must answer from memory.
pub type PeerPolicy = Arc<
    dyn Fn(&CertificateFingerprint, &[u8], u64) -> Result<PeerIdentity, PeerRefusal> + Send + Sync,
>;

/// The part a peer plays.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Party {
    /// It relays.
    Hub,
    /// It sends and receives.
    Node,
    /// It enrols.
    Authority,
}

impl fmt::Display for Party {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(match self {
            Self::Hub => "hub",
            Self::Node => "node",
            Self::Authority => "authority",
        })
    }
}

/// Why a certificate is refused. Reads on from "hub certificate".
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum PeerRefusal {
    /// The directory has no such certificate in the role that is asked for.
    #[error("is not in the directory")]
    NotInDirectory,
    /// The directory has it, and it is no longer in force.
    #[error("was withdrawn from the directory")]
    Withdrawn,
    /// It has another key than the one that was named beforehand.
    #[error("is not of the key that the invitation names: check the address")]
    OtherKey,
    /// There is no directory in force to judge by.
    #[error("cannot be judged: no directory in force is at hand")]
    NoDirectory,
    /// It was valid.
    #[error("expired at {} (it is {})", rfc3339(*not_after), rfc3339(*now))]
    Expired {
        /// The last second of its validity, Unix time.
        not_after: u64,
        /// When it was judged, Unix time.
        now: u64,
    },
    /// It will be valid.
    #[error("is not valid before {} (it is {})", rfc3339(*not_before), rfc3339(*now))]
    NotYetValid {
        /// The first second of its validity, Unix time.
        not_before: u64,
        /// When it was judged, Unix time.
        now: u64,
    },
    /// It is not an X.509 certificate of reasonable size.
    #[error("cannot be read")]
    Unreadable,
}

/// A peer that was not let in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct RefusedPeer {
    /// The part it meant to play.
    pub party: Party,
    /// Why it was refused.
    pub refusal: PeerRefusal,
    /// Its certificate, where TLS let it through to here.
    pub fingerprint: Option<CertificateFingerprint>,
}

impl fmt::Display for RefusedPeer {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{} certificate {}", self.party, self.refusal)?;
        match &self.fingerprint {
            Some(fingerprint) => write!(formatter, " (SHA-256 {fingerprint})"),
            None => Ok(()),
        }
    }
}

impl std::error::Error for RefusedPeer {}

impl RefusedPeer {
    /// As an error of TLS. Each refusal has the alert that says most to the peer, and all can be
    /// taken out again with [`from_tls`](Self::from_tls).
    pub(super) fn into_tls(self) -> rustls::Error {
        let time = |seconds| UnixTime::since_unix_epoch(std::time::Duration::from_secs(seconds));
        rustls::Error::InvalidCertificate(match self.refusal {
            PeerRefusal::NotInDirectory | PeerRefusal::OtherKey => {
                CertificateError::Other(OtherError(Arc::new(self)))
            }
            PeerRefusal::Withdrawn => CertificateError::Revoked,
            PeerRefusal::NoDirectory => CertificateError::ApplicationVerificationFailure,
            PeerRefusal::Expired { not_after, now } => CertificateError::ExpiredContext {
                time: time(now),
                not_after: time(not_after),
            },
            PeerRefusal::NotYetValid { not_before, now } => CertificateError::NotValidYetContext {
                time: time(now),
                not_before: time(not_before),
            },
            PeerRefusal::Unreadable => CertificateError::BadEncoding,
        })
    }

    /// Takes the refusal of a `party` out of an error of TLS, if it is one.
    pub(super) fn from_tls(party: Party, error: &rustls::Error) -> Option<Self> {
        let rustls::Error::InvalidCertificate(error) = error else {
            return None;
        };
        let refusal = match error {
            CertificateError::Other(OtherError(inner)) => {
                return inner.downcast_ref::<Self>().copied();
            }
            CertificateError::Revoked => PeerRefusal::Withdrawn,
            CertificateError::ApplicationVerificationFailure => PeerRefusal::NoDirectory,
            CertificateError::ExpiredContext { time, not_after } => PeerRefusal::Expired {
                not_after: not_after.as_secs(),
                now: time.as_secs(),
            },
            CertificateError::NotValidYetContext { time, not_before } => PeerRefusal::NotYetValid {
                not_before: not_before.as_secs(),
                now: time.as_secs(),
            },
            CertificateError::BadEncoding => PeerRefusal::Unreadable,
            _ => return None,
        };
        Some(Self {
            party,
            refusal,
            fingerprint: None,
        })
    }
}

/// A policy for peers of one party.
pub(super) struct PeerCheck {
    pub(super) party: Party,
    policy: PeerPolicy,
}

impl PeerCheck {
    pub(super) fn new(party: Party, policy: &PeerPolicy) -> Self {
        Self {
            party,
            policy: Arc::clone(policy),
        }
    }

    /// Names the holder of the certificate `der` at the Unix time `now`.
    pub(super) fn judge(
        &self,
        der: &[u8],
        now: u64,
    ) -> Result<(PeerIdentity, CertificateFingerprint), RefusedPeer> {
        let fingerprint = CertificateFingerprint::of(der);
        within_dates(der, now)
            .and_then(|()| (self.policy)(&fingerprint, der, now))
            .map(|identity| (identity, fingerprint))
            .map_err(|refusal| RefusedPeer {
                party: self.party,
                refusal,
                fingerprint: Some(fingerprint),
            })
    }
}

impl fmt::Debug for PeerCheck {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter
            .debug_struct("PeerCheck")
            .field("party", &self.party)
            .finish_non_exhaustive()
    }
}

/// First and last second of a certificate's validity, Unix time.
pub(super) fn validity(der: &[u8]) -> Result<(u64, u64), PeerRefusal> {
    if der.len() > MAX_CERTIFICATE {
        return Err(PeerRefusal::Unreadable);
    }
    match X509Certificate::from_der(der) {
        Ok(([], certificate)) => {
            let validity = certificate.validity();
            let seconds = |time: i64| u64::try_from(time).unwrap_or(0);
            Ok((
                seconds(validity.not_before.timestamp()),
                seconds(validity.not_after.timestamp()),
            ))
        }
        _ => Err(PeerRefusal::Unreadable),
    }
}

fn within_dates(der: &[u8], now: u64) -> Result<(), PeerRefusal> {
    let (not_before, not_after) = validity(der)?;
    if now < not_before {
        return Err(PeerRefusal::NotYetValid { not_before, now });
    }
    if now > not_after {
        return Err(PeerRefusal::Expired { not_after, now });
    }
    Ok(())
}
