//! Attributes of a `SignerInfo` (RFC 5652 §11, RFC 5035 §3).

use aws_lc_rs::digest::{SHA1_FOR_LEGACY_USE_ONLY, digest};
use const_oid::ObjectIdentifier;

use super::{
    CONTENT_TYPE, CmsError, MAX_ATTRIBUTES, MESSAGE_DIGEST, SIGNING_CERTIFICATE,
    SIGNING_CERTIFICATE_V2, SIGNING_TIME,
};
use crate::algorithm::{AlgorithmIdentifier, DigestAlgorithm};
use crate::asn1::{self, DerError, Element, Reader};
use crate::certificate::{CertificateParts, time};

/// Attributes by type, in the order they stand, none twice.
#[derive(Debug)]
pub(super) struct Attributes<'a> {
    entries: Vec<(ObjectIdentifier, Vec<&'a [u8]>)>,
}

impl<'a> Attributes<'a> {
    /// Reads the members of a SET OF Attribute; `ordered` demands DER order and no repeats.
    pub(super) fn read(members: &mut Reader<'a>, ordered: bool) -> Result<Self, CmsError> {
        let mut entries: Vec<(ObjectIdentifier, Vec<&'a [u8]>)> = Vec::new();
        let mut previous: &[u8] = &[];
        while !members.is_empty() {
            if entries.len() >= MAX_ATTRIBUTES {
                return Err(CmsError::TooManyAttributes);
            }
            let attribute = members.expect(asn1::SEQUENCE)?;
            let (oid, values) = read_attribute(&attribute)?;
            if ordered && attribute.whole < previous {
                return Err(CmsError::AttributeOrder);
            }
            if ordered && entries.iter().any(|(known, _)| *known == oid) {
                return Err(CmsError::AttributeRepeated {
                    oid: oid.to_string(),
                });
            }
            previous = attribute.whole;
            entries.push((oid, values));
        }
        Ok(Self { entries })
    }

    /// All values of all attributes of one type.
    pub(super) fn values(&self, oid: ObjectIdentifier) -> impl Iterator<Item = &'a [u8]> + '_ {
        self.entries
            .iter()
            .filter(move |(known, _)| *known == oid)
            .flat_map(|(_, values)| values.iter().copied())
    }

    /// The digest and the type of the content, both mandatory.
    pub(super) fn message_digest(&self) -> Result<&'a [u8], CmsError> {
        let name = "message-digest";
        let value = self.mandatory(MESSAGE_DIGEST, name)?;
        let element = Element::only(value, asn1::OCTET_STRING)
            .map_err(|_| CmsError::AttributeValue { name })?;
        Ok(element.value)
    }

    pub(super) fn content_type(&self) -> Result<ObjectIdentifier, CmsError> {
        let name = "content-type";
        let mut reader = Reader::new(self.mandatory(CONTENT_TYPE, name)?);
        let oid = reader
            .object_identifier()
            .map_err(|_| CmsError::AttributeValue { name })?;
        reader
            .finish()
            .map_err(|_| CmsError::AttributeValue { name })?;
        Ok(oid)
    }

    pub(super) fn signing_time(&self) -> Result<Option<u64>, CmsError> {
        let name = "signing-time";
        let Some(value) = self.single(SIGNING_TIME, name)? else {
            return Ok(None);
        };
        let mut reader = Reader::new(value);
        let seconds = time(&mut reader).map_err(|_| CmsError::AttributeValue { name })?;
        reader
            .finish()
            .map_err(|_| CmsError::AttributeValue { name })?;
        Ok(Some(seconds))
    }

    /// The first `ESSCertIDv2`, which names the signer's certificate; `None` where the
    /// attribute is absent.
    pub(super) fn signing_certificate(&self) -> Result<Option<EssCertificateId<'a>>, CmsError> {
        let name = "signing-certificate-v2";
        let value = self.single(SIGNING_CERTIFICATE_V2, name)?;
        let id = value.map(EssCertificateId::read_first).transpose();
        id.map_err(|_| CmsError::AttributeValue { name })
    }

    /// The first `ESSCertID`, which names it by SHA-1 (RFC 2634 §5.4); `None` where the attribute
    /// is absent.
    pub(super) fn signing_certificate_by_sha1(
        &self,
    ) -> Result<Option<EssCertificateId<'a>>, CmsError> {
        let name = "signing-certificate";
        let Some(value) = self.single(SIGNING_CERTIFICATE, name)? else {
            return Ok(None);
        };
        match EssCertificateId::read_first(value) {
            Ok(id) if id.digest == NamedBy::Default => Ok(Some(EssCertificateId {
                digest: NamedBy::Sha1,
                ..id
            })),
            _ => Err(CmsError::AttributeValue { name }),
        }
    }

    fn mandatory(&self, oid: ObjectIdentifier, name: &'static str) -> Result<&'a [u8], CmsError> {
        self.single(oid, name)?
            .ok_or(CmsError::AttributeMissing { name })
    }

    fn single(
        &self,
        oid: ObjectIdentifier,
        name: &'static str,
    ) -> Result<Option<&'a [u8]>, CmsError> {
        let Some((_, values)) = self.entries.iter().find(|(known, _)| *known == oid) else {
            return Ok(None);
        };
        match values.as_slice() {
            [value] => Ok(Some(value)),
            _ => Err(CmsError::AttributeValue { name }),
        }
    }
}

fn read_attribute<'a>(
    attribute: &Element<'a>,
) -> Result<(ObjectIdentifier, Vec<&'a [u8]>), DerError> {
    let mut reader = attribute.reader();
    let oid = reader.object_identifier()?;
    let mut set = reader.expect(asn1::SET)?.reader();
    reader.finish()?;
    let mut values = Vec::new();
    while !set.is_empty() {
        values.push(set.element()?.whole);
    }
    Ok((oid, values))
}

/// `ESSCertIDv2` (RFC 5035 §4), or `ESSCertID`, which is the same without an algorithm.
#[derive(Debug)]
pub(super) struct EssCertificateId<'a> {
    digest: NamedBy<'a>,
    hash: &'a [u8],
    issuer_serial: Option<Element<'a>>,
}

/// The digest that a certificate is named by.
#[derive(Debug, PartialEq, Eq)]
enum NamedBy<'a> {
    /// SHA-256, which is not written.
    Default,
    Written(AlgorithmIdentifier<'a>),
    Sha1,
}

impl NamedBy<'_> {
    fn of(&self, der: &[u8]) -> Result<Vec<u8>, CmsError> {
        match self {
            Self::Default => Ok(DigestAlgorithm::Sha256.of(der)),
            Self::Written(identifier) => DigestAlgorithm::from_identifier(identifier)
                .map(|digest| digest.of(der))
                .ok_or_else(|| CmsError::CertificateDigestAlgorithm {
                    oid: identifier.oid.to_string(),
                }),
            Self::Sha1 => Ok(digest(&SHA1_FOR_LEGACY_USE_ONLY, der).as_ref().to_vec()),
        }
    }
}

impl<'a> EssCertificateId<'a> {
    fn read_first(value: &'a [u8]) -> Result<Self, DerError> {
        let mut signing_certificate = Element::only(value, asn1::SEQUENCE)?.reader();
        let mut certificates = signing_certificate.expect(asn1::SEQUENCE)?.reader();
        signing_certificate.optional(asn1::SEQUENCE)?;
        signing_certificate.finish()?;
        let mut id = certificates.expect(asn1::SEQUENCE)?.reader();
        let digest = match id.peek_tag() {
            Some(asn1::SEQUENCE) => NamedBy::Written(AlgorithmIdentifier::read(&mut id)?),
            _ => NamedBy::Default,
        };
        let hash = id.expect(asn1::OCTET_STRING)?.value;
        let issuer_serial = id.optional(asn1::SEQUENCE)?;
        id.finish()?;
        Ok(Self {
            digest,
            hash,
            issuer_serial,
        })
    }

    /// Whether it names this certificate.
    pub(super) fn check(&self, der: &[u8], parts: &CertificateParts<'_>) -> Result<(), CmsError> {
        if self.digest.of(der)? != self.hash {
            return Err(CmsError::CertificateDigestMismatch);
        }
        match &self.issuer_serial {
            Some(element) if !names(element, parts).unwrap_or(false) => {
                Err(CmsError::IssuerSerialMismatch)
            }
            _ => Ok(()),
        }
    }
}

/// `IssuerSerial`: one directoryName that equals the issuer, and the serial number.
fn names(issuer_serial: &Element<'_>, parts: &CertificateParts<'_>) -> Result<bool, DerError> {
    let mut reader = issuer_serial.reader();
    let mut general_names = reader.expect(asn1::SEQUENCE)?.reader();
    let serial = reader.expect(asn1::INTEGER)?.value;
    reader.finish()?;
    let issuer = general_names.expect(asn1::context(4))?.value;
    general_names.finish()?;
    Ok(issuer == parts.issuer && serial == parts.serial)
}

/// One attribute with one value.
pub(super) fn encode(oid: ObjectIdentifier, value: &[u8]) -> Vec<u8> {
    asn1::sequence(&[
        &asn1::object_identifier(&oid),
        &asn1::encode(asn1::SET, &[value]),
    ])
}

/// `SigningCertificateV2` with SHA-256 (the default, so not written) and issuerSerial.
pub(super) fn encode_signing_certificate(der: &[u8], parts: &CertificateParts<'_>) -> Vec<u8> {
    let hash = asn1::encode(asn1::OCTET_STRING, &[&DigestAlgorithm::Sha256.of(der)]);
    let general_names = asn1::sequence(&[&asn1::encode(asn1::context(4), &[parts.issuer])]);
    let issuer_serial = asn1::sequence(&[
        &general_names,
        &asn1::encode(asn1::INTEGER, &[parts.serial]),
    ]);
    let id = asn1::sequence(&[&hash, &issuer_serial]);
    asn1::sequence(&[&asn1::sequence(&[&id])])
}

/// `Time` as RFC 5652 §11.3 wants it: UTCTime through 2049, GeneralizedTime from 2050.
pub(super) fn encode_time(seconds: u64) -> Result<Vec<u8>, CmsError> {
    use der::Encode;
    let out_of_range = |_| CmsError::SigningTime { seconds };
    let duration = std::time::Duration::from_secs(seconds);
    match der::asn1::UtcTime::from_unix_duration(duration) {
        Ok(utc) => utc.to_der().map_err(out_of_range),
        Err(_) => der::asn1::GeneralizedTime::from_unix_duration(duration)
            .and_then(|time| time.to_der())
            .map_err(out_of_range),
    }
}
