//! The fields of a certificate as raw slices (RFC 5280 §4.1).
//!
//! For comparing and digesting exactly what stands there; what the fields mean to a
//! person is [`super::CertificateDetails`].

use const_oid::ObjectIdentifier;

use crate::algorithm::AlgorithmIdentifier;
use crate::asn1::{self, DerError, Element, Reader};

/// More than any certificate has.
const MAX_EXTENSIONS: usize = 64;

const KEY_USAGE: ObjectIdentifier = ObjectIdentifier::new_unwrap("2.5.29.15");
const BASIC_CONSTRAINTS: ObjectIdentifier = ObjectIdentifier::new_unwrap("2.5.29.19");
const EXTENDED_KEY_USAGE: ObjectIdentifier = ObjectIdentifier::new_unwrap("2.5.29.37");
const DISTRIBUTION_POINTS: ObjectIdentifier = ObjectIdentifier::new_unwrap("2.5.29.31");

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
    /// The whole `Extensions`.
    extensions: Option<&'a [u8]>,
}

/// One extension of a certificate, a list or an entry of a list.
#[derive(Debug, Clone)]
pub(crate) struct Extension<'a> {
    pub(crate) oid: ObjectIdentifier,
    pub(crate) critical: bool,
    /// What the OCTET STRING holds.
    pub(crate) value: &'a [u8],
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
        tbs.optional(asn1::context_primitive(1))?;
        tbs.optional(asn1::context_primitive(2))?;
        let extensions = tbs.optional(asn1::context(3))?;
        tbs.finish()?;
        Ok(Self {
            serial,
            signature_algorithm,
            issuer,
            subject,
            spki,
            not_before,
            not_after,
            extensions: extensions.map(|element| element.value),
        })
    }

    /// Whether the key may sign revocation lists: keyUsage allows it, or is absent (RFC 5280
    /// §6.3.3 f).
    pub(crate) fn may_sign_lists(&self) -> Result<bool, DerError> {
        const CRL_SIGN: u8 = 0b0000_0010;
        let Some(value) = self.extension(KEY_USAGE)? else {
            return Ok(true);
        };
        let bits = Element::only(value, asn1::BIT_STRING)?.value;
        Ok(bits.get(1).is_some_and(|first| first & CRL_SIGN != 0))
    }

    /// Whether basicConstraints say that it is an authority.
    pub(crate) fn is_authority(&self) -> Result<bool, DerError> {
        let Some(value) = self.extension(BASIC_CONSTRAINTS)? else {
            return Ok(false);
        };
        let mut fields = Element::only(value, asn1::SEQUENCE)?.reader();
        boolean(&mut fields)
    }

    /// The value of cRLDistributionPoints.
    pub(crate) fn distribution_points(&self) -> Result<Option<&'a [u8]>, DerError> {
        self.extension(DISTRIBUTION_POINTS)
    }

    /// Whether extKeyUsage is there and critical.
    pub(crate) fn has_critical_extended_usage(&self) -> Result<bool, DerError> {
        let found = self.find_extension(EXTENDED_KEY_USAGE)?;
        Ok(found.is_some_and(|extension| extension.critical))
    }

    fn extension(&self, oid: ObjectIdentifier) -> Result<Option<&'a [u8]>, DerError> {
        Ok(self.find_extension(oid)?.map(|extension| extension.value))
    }

    fn find_extension(&self, oid: ObjectIdentifier) -> Result<Option<Extension<'a>>, DerError> {
        let Some(all) = self.extensions else {
            return Ok(None);
        };
        Ok(extensions(all)?.into_iter().find(|it| it.oid == oid))
    }
}

/// The extensions of a `SEQUENCE OF Extension`, none of them twice (RFC 5280 §4.2).
pub(crate) fn extensions(der: &[u8]) -> Result<Vec<Extension<'_>>, DerError> {
    let mut reader = Element::only(der, asn1::SEQUENCE)?.reader();
    let mut found: Vec<Extension<'_>> = Vec::new();
    while !reader.is_empty() {
        let mut fields = reader.expect(asn1::SEQUENCE)?.reader();
        let oid = fields.object_identifier()?;
        let critical = boolean(&mut fields)?;
        let value = fields.expect(asn1::OCTET_STRING)?.value;
        fields.finish()?;
        if found.len() >= MAX_EXTENSIONS {
            return Err(DerError::TooMany {
                limit: MAX_EXTENSIONS,
            });
        }
        if found.iter().any(|known| known.oid == oid) {
            return Err(DerError::Value {
                tag: asn1::SEQUENCE,
            });
        }
        found.push(Extension {
            oid,
            critical,
            value,
        });
    }
    Ok(found)
}

/// A BOOLEAN that is FALSE where it is absent, and in DER only there.
fn boolean(reader: &mut Reader<'_>) -> Result<bool, DerError> {
    match reader.optional(asn1::BOOLEAN)?.map(|flag| flag.value) {
        None => Ok(false),
        Some([0xff]) => Ok(true),
        Some(_) => Err(DerError::Value { tag: asn1::BOOLEAN }),
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
