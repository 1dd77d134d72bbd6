//! `TimeStampReq` (RFC 3161 §2.4.1).

use const_oid::ObjectIdentifier;

use super::{Imprint, SCAN_LIMITS, TimeStampError};
use crate::algorithm::DigestAlgorithm;
use crate::asn1::{self, Element};

/// What an authority is asked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Request {
    der: Vec<u8>,
    digest: DigestAlgorithm,
    hash: Vec<u8>,
    nonce: Vec<u8>,
}

impl Request {
    /// Asks for a stamp on bytes, by their SHA-256, with the authority's certificate in it. The
    /// `nonce` ties the answer to this request.
    pub fn over(bytes: &[u8], nonce: [u8; 8]) -> Self {
        Self::over_by(DigestAlgorithm::Sha256, bytes, nonce)
    }

    /// The same by another digest.
    pub fn over_by(digest: DigestAlgorithm, bytes: &[u8], nonce: [u8; 8]) -> Self {
        let hash = digest.of(bytes);
        let imprint = asn1::sequence(&[
            &digest.identifier(),
            &asn1::encode(asn1::OCTET_STRING, &[&hash]),
        ]);
        let nonce = unsigned(&nonce);
        let der = asn1::sequence(&[
            &[asn1::INTEGER, 1, 1],
            &imprint,
            &asn1::encode(asn1::INTEGER, &[&nonce]),
            &[asn1::BOOLEAN, 1, 0xff],
        ]);
        Self {
            der,
            digest,
            hash,
            nonce,
        }
    }

    /// The bytes to send, `application/timestamp-query`.
    pub fn to_der(&self) -> &[u8] {
        &self.der
    }

    pub(super) fn asks_for(&self, imprint: &Imprint<'_>) -> bool {
        imprint.digest == self.digest && imprint.hash == self.hash
    }

    /// The nonce as it stands in the request.
    pub fn nonce(&self) -> &[u8] {
        &self.nonce
    }
}

/// What stands in the INTEGER of a number that is not negative.
pub(super) fn unsigned(bytes: &[u8]) -> Vec<u8> {
    let significant: Vec<u8> = bytes
        .iter()
        .copied()
        .skip_while(|byte| *byte == 0)
        .collect();
    match significant.first() {
        None => vec![0],
        Some(0x80..) => [&[0], significant.as_slice()].concat(),
        Some(_) => significant,
    }
}

/// A request as an authority reads it.
#[derive(Debug, Clone)]
pub(super) struct Asked<'a> {
    pub(super) imprint: Imprint<'a>,
    pub(super) policy: Option<ObjectIdentifier>,
    /// The whole INTEGER.
    pub(super) nonce: Option<&'a [u8]>,
    pub(super) wants_certificate: bool,
    /// Extensions, of which none is known.
    pub(super) is_extended: bool,
}

impl<'a> Asked<'a> {
    pub(super) fn read(der: &'a [u8]) -> Result<Self, TimeStampError> {
        asn1::scan(der, SCAN_LIMITS)?;
        let mut fields = Element::only(der, asn1::SEQUENCE)?.reader();
        let version = fields.small_integer()?;
        if version != 1 {
            return Err(TimeStampError::Version { version });
        }
        let imprint = Imprint::read(&mut fields)?;
        let policy = match fields.peek_tag() {
            Some(asn1::OBJECT_IDENTIFIER) => Some(fields.object_identifier()?),
            _ => None,
        };
        let nonce = fields.optional(asn1::INTEGER)?.map(|nonce| nonce.whole);
        let wants = fields.optional(asn1::BOOLEAN)?;
        let is_extended = fields.optional(asn1::context(0))?.is_some();
        fields.finish()?;
        Ok(Self {
            imprint,
            policy,
            nonce,
            wants_certificate: wants.is_some_and(|wants| wants.value != [0]),
            is_extended,
        })
    }
}
