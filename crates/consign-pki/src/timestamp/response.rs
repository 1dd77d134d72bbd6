//! `TimeStampResp` (RFC 3161 §2.4.2).

use std::fmt;

use super::{Request, SCAN_LIMITS, TimeStampError, info::Info};
use crate::asn1::{self, Element};
use crate::cms;

const GRANTED: u8 = 0;
const GRANTED_WITH_MODS: u8 = 1;
const REJECTION: u8 = 2;

/// Why an authority refuses (`PKIFailureInfo`).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum Failure {
    /// The digest of the imprint is not accepted.
    BadAlgorithm,
    /// The request is not one that can be granted.
    BadRequest,
    /// The request cannot be read.
    BadDataFormat,
    /// Its clock cannot be relied on now.
    TimeNotAvailable,
    /// The policy asked for is not its own.
    UnacceptedPolicy,
    /// It does not know an extension of the request.
    UnacceptedExtension,
    /// Something else is wrong with it.
    SystemFailure,
}

impl Failure {
    const ALL: [Self; 7] = [
        Self::BadAlgorithm,
        Self::BadRequest,
        Self::BadDataFormat,
        Self::TimeNotAvailable,
        Self::UnacceptedPolicy,
        Self::UnacceptedExtension,
        Self::SystemFailure,
    ];

    /// The number of the bit.
    const fn bit(self) -> u8 {
        match self {
            Self::BadAlgorithm => 0,
            Self::BadRequest => 2,
            Self::BadDataFormat => 5,
            Self::TimeNotAvailable => 14,
            Self::UnacceptedPolicy => 15,
            Self::UnacceptedExtension => 16,
            Self::SystemFailure => 25,
        }
    }

    const fn as_str(self) -> &'static str {
        match self {
            Self::BadAlgorithm => "badAlg",
            Self::BadRequest => "badRequest",
            Self::BadDataFormat => "badDataFormat",
            Self::TimeNotAvailable => "timeNotAvailable",
            Self::UnacceptedPolicy => "unacceptedPolicy",
            Self::UnacceptedExtension => "unacceptedExtension",
            Self::SystemFailure => "systemFailure",
        }
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// The token in an answer to a request, `application/timestamp-reply`. Its signature holds, and
/// it is on what this request asked for.
///
/// # Errors
/// The authority refused, or the answer is not one to this request.
pub fn token_of(answer: &[u8], request: &Request) -> Result<Vec<u8>, TimeStampError> {
    asn1::scan(answer, SCAN_LIMITS)?;
    let mut fields = Element::only(answer, asn1::SEQUENCE)?.reader();
    let mut status = fields.expect(asn1::SEQUENCE)?.reader();
    let code = status.small_integer()?;
    status.optional(asn1::SEQUENCE)?;
    let failure = status.optional(asn1::BIT_STRING)?;
    status.finish()?;
    if !matches!(code, GRANTED | GRANTED_WITH_MODS) {
        return Err(TimeStampError::Refused(failure_of(failure)));
    }
    let token = fields.optional(asn1::SEQUENCE)?;
    let token = token.ok_or(TimeStampError::NoToken)?.whole;
    fields.finish()?;
    let (_, content) = cms::verify_enclosed(token)?;
    let info = Info::read(content)?;
    if info.nonce != Some(request.nonce()) {
        return Err(TimeStampError::Nonce);
    }
    if !request.asks_for(&info.imprint) {
        return Err(TimeStampError::Imprint);
    }
    Ok(token.to_vec())
}

fn failure_of(bits: Option<Element<'_>>) -> Failure {
    let bits = bits
        .and_then(|bits| bits.value.get(1..))
        .unwrap_or_default();
    let is_set = |failure: &Failure| {
        let (byte, bit) = (usize::from(failure.bit() / 8), failure.bit() % 8);
        bits.get(byte).is_some_and(|byte| byte & (0x80 >> bit) != 0)
    };
    Failure::ALL
        .into_iter()
        .find(is_set)
        .unwrap_or(Failure::SystemFailure)
}

/// An answer with a token.
pub(super) fn granted(token: &[u8]) -> Vec<u8> {
    let status = asn1::sequence(&[&[asn1::INTEGER, 1, GRANTED]]);
    asn1::sequence(&[&status, token])
}

/// An answer that says why there is no token.
pub fn refused(failure: Failure) -> Vec<u8> {
    let (byte, bit) = (usize::from(failure.bit() / 8), failure.bit() % 8);
    let mut bits = vec![0; byte];
    bits.push(0x80 >> bit);
    let status = asn1::sequence(&[
        &[asn1::INTEGER, 1, REJECTION],
        &asn1::encode(asn1::BIT_STRING, &[&[7 - bit], &bits]),
    ]);
    asn1::sequence(&[&status])
}
