//! Time-stamps (RFC 3161, RFC 5816): asking for one, granting one, checking one.
//!
//! [`Request::over`] asks an authority for a stamp on some bytes; [`Authority::answer`] is
//! such an authority; [`token_of`] takes the answer apart. [`verify`] makes every check that
//! follows from the token and the bytes alone: the imprint, the CMS signature, and that
//! `TSTInfo` is what was signed. Whether the authority's certificate can be trusted is
//! [`crate::path`], with [`PathPurpose::time_stamping`](crate::path::PathPurpose::time_stamping).

mod authority;
mod info;
mod request;
mod response;

use const_oid::ObjectIdentifier;

use crate::algorithm::{AlgorithmIdentifier, DigestAlgorithm};
use crate::asn1::{self, DerError, Reader, ScanLimits};
use crate::cms::{self, CadesSignature, CmsError};

pub use authority::{Authority, Grant};
pub use request::Request;
pub use response::{Failure, refused, token_of};

use info::Info;

/// Largest request or answer read, in bytes.
pub const MAX_MESSAGE: usize = 64 * 1024;
/// Policy under which time-stamps are granted. **Placeholder**: a deployment has its own arc.
pub const PLACEHOLDER_POLICY: &str = "1.3.6.1.4.1.99999.1.2";

const SCAN_LIMITS: ScanLimits = ScanLimits {
    max_bytes: MAX_MESSAGE,
    max_depth: 40,
    max_elements: 4_096,
};

/// A time-stamp whose cryptographic checks all passed.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct TimeStamp {
    /// The time, Unix seconds; a fraction is left out.
    pub time: u64,
    /// How far it may be off, in milliseconds, as the authority says; 0 where it says nothing.
    pub accuracy_ms: u64,
    /// The policy, dotted.
    pub policy: String,
    /// The token's number, hexadecimal.
    pub serial_hex: String,
    /// The nonce of the request, big-endian, if there was one.
    pub nonce: Option<Vec<u8>>,
    /// The authority's signature, and its certificates.
    pub signature: CadesSignature,
}

/// Why a time-stamp cannot be had, or is not accepted.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum TimeStampError {
    /// Not DER, too large or too deep.
    #[error("the time-stamp message is not well-formed")]
    Encoding(#[from] DerError),
    /// The signature of the token.
    #[error("the time-stamp token's signature does not hold")]
    Signature(#[from] CmsError),
    /// A version that is not known.
    #[error("version {version} of the time-stamp is not known")]
    Version {
        /// The version found.
        version: u8,
    },
    /// The imprint uses a digest that is not accepted.
    #[error("the imprint uses digest algorithm {oid}")]
    Digest {
        /// The algorithm, dotted.
        oid: String,
    },
    /// It was made over other bytes.
    #[error("the time-stamp was made over other bytes")]
    Imprint,
    /// The answer is to another request, by its nonce.
    #[error("the time-stamp answers another request")]
    Nonce,
    /// The token has a critical extension, of which none is known.
    #[error("the time-stamp has a critical extension that is not understood")]
    Extension,
    /// The authority refused.
    #[error("the time-stamp authority refused: {0}")]
    Refused(Failure),
    /// The answer says that it grants, and has no token.
    #[error("the answer has no time-stamp token")]
    NoToken,
    /// A time that cannot be read or written.
    #[error("the time of the time-stamp is out of range")]
    Time,
    /// When granting: the policy is not an object identifier.
    #[error("{value} is not an object identifier")]
    Policy {
        /// The text found.
        value: String,
    },
}

/// Checks a token over the bytes that it is said to be made over.
///
/// # Errors
/// [`TimeStampError`] names the first check that fails.
pub fn verify(token: &[u8], stamped: &[u8]) -> Result<TimeStamp, TimeStampError> {
    let (signature, content) = cms::verify_enclosed(token)?;
    let info = Info::read(content)?;
    if !info.imprint.is_of(stamped) {
        return Err(TimeStampError::Imprint);
    }
    Ok(TimeStamp {
        time: info.time,
        accuracy_ms: info.accuracy_ms,
        policy: info.policy.to_string(),
        serial_hex: crate::hex(info.serial),
        nonce: info.nonce.map(<[u8]>::to_vec),
        signature,
    })
}

/// `MessageImprint` (RFC 3161 §2.4.1).
#[derive(Debug, Clone, PartialEq, Eq)]
struct Imprint<'a> {
    digest: DigestAlgorithm,
    hash: &'a [u8],
    whole: &'a [u8],
}

impl<'a> Imprint<'a> {
    fn read(reader: &mut Reader<'a>) -> Result<Self, TimeStampError> {
        let element = reader.expect(asn1::SEQUENCE)?;
        let mut fields = element.reader();
        let algorithm = AlgorithmIdentifier::read(&mut fields)?;
        let hash = fields.expect(asn1::OCTET_STRING)?.value;
        fields.finish()?;
        let digest =
            DigestAlgorithm::from_identifier(&algorithm).ok_or_else(|| TimeStampError::Digest {
                oid: algorithm.oid.to_string(),
            })?;
        if hash.len() != digest.of(&[]).len() {
            return Err(TimeStampError::Imprint);
        }
        Ok(Self {
            digest,
            hash,
            whole: element.whole,
        })
    }

    fn is_of(&self, bytes: &[u8]) -> bool {
        self.digest.of(bytes) == self.hash
    }
}

fn policy(value: &str) -> Result<ObjectIdentifier, TimeStampError> {
    ObjectIdentifier::new(value).map_err(|_| TimeStampError::Policy {
        value: value.to_owned(),
    })
}

#[cfg(test)]
mod tests;
