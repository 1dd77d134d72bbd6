//! The fields of a certificate as raw slices (RFC 5280 §4.1).
//!
//! For comparing and digesting exactly what stands there; what the fields mean to a
//! person is [`super::CertificateDetails`].

use const_oid::ObjectIdentifier;

use crate::algorithm::AlgorithmIdentifier;
use crate::asn1::{self, DerError, Element, Reader};

/// Slices of one certificate.
#[derive(Debug, Clone)]
pub(crate) struct CertificateParts<'a> {
    /// Value of the INTEGER.
    pub(crate) serial: &'a [u8],
    pub(crate) signature_algorithm: AlgorithmIdentifier<'a>,
    /// The whole `Name`.
    pub(crate) issuer: &'a [u8],
    /// The whole `Name`.
    pub(crate) subject: &'a [u8],
    /// The whole `SubjectPublicKeyInfo`.
    pub(crate) spki: &'a [u8],
    pub(crate) not_before: u64,
    pub(crate) not_after: u64,
}

impl<'a> CertificateParts<'a> {
    pub(crate) fn parse(der: &'a [u8]) -> Result<Self, DerError> {
        asn1::scan(der, super::SCAN_LIMITS)?;
        let mut certificate = Element::only(der, asn1::SEQUENCE)?.reader();
        let mut tbs = certificate.expect(asn1::SEQUENCE)?.reader();
        let signature_algorithm = AlgorithmIdentifier::read(&mut certificate)?;
        certificate.expect(asn1::BIT_STRING)?;
        certificate.finish()?;

        tbs.optional(asn1::context(0))?;
        let serial = tbs.expect(asn1::INTEGER)?.value;
        tbs.expect(asn1::SEQUENCE)?;
        let issuer = tbs.expect(asn1::SEQUENCE)?.whole;
        let mut validity = tbs.expect(asn1::SEQUENCE)?.reader();
        let subject = tbs.expect(asn1::SEQUENCE)?.whole;
        let spki = tbs.expect(asn1::SEQUENCE)?.whole;
        let (not_before, not_after) = (time(&mut validity)?, time(&mut validity)?);
        validity.finish()?;
        Ok(Self {
            serial,
            signature_algorithm,
            issuer,
            subject,
            spki,
            not_before,
            not_after,
        })
    }
}

/// Reads a UTCTime or GeneralizedTime in the forms of RFC 5280 §4.1.2.5: seconds, `Z`.
pub(crate) fn time(reader: &mut Reader<'_>) -> Result<u64, DerError> {
    use der::Decode;
    let element = reader.element()?;
    let duration = match element.tag {
        asn1::UTC_TIME => {
            der::asn1::UtcTime::from_der(element.whole).map(|time| time.to_unix_duration())
        }
        asn1::GENERALIZED_TIME => {
            der::asn1::GeneralizedTime::from_der(element.whole).map(|time| time.to_unix_duration())
        }
        tag => return Err(DerError::UnsupportedTag { tag }),
    };
    duration
        .map(|duration| duration.as_secs())
        .map_err(|_| DerError::Value { tag: element.tag })
}

/// The object identifiers of a `SEQUENCE OF OBJECT IDENTIFIER`, such as extKeyUsage.
pub(crate) fn object_identifiers(der: &[u8]) -> Result<Vec<ObjectIdentifier>, DerError> {
    let mut reader = Element::only(der, asn1::SEQUENCE)?.reader();
    let mut oids = Vec::new();
    while !reader.is_empty() {
        oids.push(reader.object_identifier()?);
    }
    Ok(oids)
}
