//! A time-stamp authority: a key, its certificate, and a policy. The time and the number of
//! each token are the caller's.

use const_oid::ObjectIdentifier;

use super::request::{Asked, unsigned};
use super::response::{Failure, granted, refused};
use super::{TimeStampError, policy};
use crate::asn1;
use crate::cms;
use crate::seal::SealSigner;

/// What a token is to say.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Grant {
    /// The time, Unix seconds.
    pub time: u64,
    /// Its number, which no other token has.
    pub serial: [u8; 16],
}

/// An authority at work.
pub struct Authority<S> {
    signer: S,
    certificate: Vec<u8>,
    chain: Vec<Vec<u8>>,
    policy: ObjectIdentifier,
    /// How far the time may be off, in seconds.
    accuracy: u8,
}

impl<S: SealSigner> Authority<S> {
    /// Puts an authority together; `chain` leads from its certificate to the root.
    ///
    /// # Errors
    /// The policy is not an object identifier.
    pub fn new(
        signer: S,
        certificate: Vec<u8>,
        chain: Vec<Vec<u8>>,
        policy_oid: &str,
    ) -> Result<Self, TimeStampError> {
        Ok(Self {
            signer,
            certificate,
            chain,
            policy: policy(policy_oid)?,
            accuracy: 1,
        })
    }

    /// Answers a request, `application/timestamp-query` in and `application/timestamp-reply`
    /// out. What it does not grant, the answer refuses with the reason.
    ///
    /// # Errors
    /// The key did not sign.
    pub fn answer(&self, request: &[u8], grant: Grant) -> Result<Vec<u8>, TimeStampError> {
        let asked = match Asked::read(request) {
            Ok(asked) => asked,
            Err(TimeStampError::Digest { .. }) => return Ok(refused(Failure::BadAlgorithm)),
            Err(TimeStampError::Version { .. }) => return Ok(refused(Failure::BadRequest)),
            Err(_) => return Ok(refused(Failure::BadDataFormat)),
        };
        if asked.is_extended {
            return Ok(refused(Failure::UnacceptedExtension));
        }
        if asked.policy.is_some_and(|wanted| wanted != self.policy) {
            return Ok(refused(Failure::UnacceptedPolicy));
        }
        Ok(granted(&self.token(&asked, grant)?))
    }

    fn token(&self, asked: &Asked<'_>, grant: Grant) -> Result<Vec<u8>, TimeStampError> {
        let info = asn1::sequence(&[
            &[asn1::INTEGER, 1, 1],
            &asn1::object_identifier(&self.policy),
            asked.imprint.whole,
            &asn1::encode(asn1::INTEGER, &[&unsigned(&grant.serial)]),
            &general_time(grant.time)?,
            &asn1::sequence(&[&[asn1::INTEGER, 1, self.accuracy]]),
            asked.nonce.unwrap_or_default(),
        ]);
        let chain = asked.wants_certificate.then_some(self.chain.as_slice());
        let signed = cms::sign_enclosed(&self.signer, &self.certificate, chain, &info, grant.time);
        Ok(signed?)
    }
}

impl<S> std::fmt::Debug for Authority<S> {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter
            .debug_struct("Authority")
            .field("policy", &self.policy)
            .finish_non_exhaustive()
    }
}

fn general_time(seconds: u64) -> Result<Vec<u8>, TimeStampError> {
    use der::Encode;
    let duration = std::time::Duration::from_secs(seconds);
    der::asn1::GeneralizedTime::from_unix_duration(duration)
        .and_then(|time| time.to_der())
        .map_err(|_| TimeStampError::Time)
}
