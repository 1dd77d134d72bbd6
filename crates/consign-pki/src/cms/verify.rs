//! Reading a CAdES signature or a time-stamp token, and checking it.

use super::attributes::Attributes;
use super::{
    CadesSignature, CmsError, DETACHED, Form, ID_SIGNED_DATA, MAX_CERTIFICATES, SCAN_LIMITS,
    SIGNATURE_TIME_STAMP, TOKEN,
};
use crate::algorithm::{AlgorithmIdentifier, CmsAlgorithm, PublicKey, SignatureAlgorithm};
use crate::asn1::{self, DerError, Element, Reader};
use crate::certificate::CertificateParts;

/// Checks everything that follows from the signature, the content and nothing else.
///
/// Returns what the signature says; whether its certificate can be trusted is not judged.
pub fn parse_and_verify(p7s: &[u8], content: &[u8]) -> Result<CadesSignature, CmsError> {
    parse_and_verify_cms(p7s, content)?.naming()
}

/// The same for a signature that is CMS and need not be CAdES: it may do without
/// `signing-certificate-v2`, and [`CadesSignature::names_certificate`] says whether it does.
pub fn parse_and_verify_cms(p7s: &[u8], content: &[u8]) -> Result<CadesSignature, CmsError> {
    asn1::scan(p7s, SCAN_LIMITS)?;
    SignedData::read(p7s, &DETACHED)?.verify(content, &DETACHED)
}

/// The same for a time-stamp token, which carries its content: gives that too.
pub(crate) fn verify_enclosed(token: &[u8]) -> Result<(CadesSignature, &[u8]), CmsError> {
    asn1::scan(token, SCAN_LIMITS)?;
    let signed_data = SignedData::read(token, &TOKEN)?;
    let content = signed_data.content.ok_or(CmsError::NotEnclosed)?;
    let signature = signed_data.verify(content, &TOKEN)?;
    // Either attribute will do (RFC 5816 §2.2.1).
    if signature.names_by_sha1 {
        return Ok((signature, content));
    }
    Ok((signature.naming()?, content))
}

impl CadesSignature {
    /// Itself, if it names its certificate as CAdES asks (EN 319 122-1 §5.2.2).
    fn naming(self) -> Result<Self, CmsError> {
        let name = "signing-certificate-v2";
        let names_certificate = self.names_certificate;
        let missing = CmsError::AttributeMissing { name };
        names_certificate.then_some(self).ok_or(missing)
    }
}

impl SignedData<'_> {
    fn verify(&self, content: &[u8], form: &Form) -> Result<CadesSignature, CmsError> {
        let signer = SignerInfo::read(&self.signer_info)?;
        let algorithm = signer.algorithm()?;
        if self.digest_algorithms != [signer.digest_algorithm.clone()] {
            return Err(CmsError::DigestAlgorithms);
        }
        let attributes = Attributes::read(&mut signer.signed_attributes.reader(), true)?;
        if attributes.content_type()? != form.content_type {
            return Err(CmsError::ContentTypeMismatch);
        }
        if attributes.message_digest()? != algorithm.digest().of(content) {
            return Err(CmsError::MessageDigestMismatch);
        }
        let signing_time = attributes.signing_time()?;
        let (certificate, parts) = signer.find_certificate(&self.certificates)?;
        let named = attributes.signing_certificate()?;
        let by_sha1 = attributes.signing_certificate_by_sha1()?;
        for id in named.iter().chain(&by_sha1) {
            id.check(certificate, &parts)?;
        }
        let message = asn1::encode(asn1::SET, &[signer.signed_attributes.value]);
        let key = PublicKey::from_spki(parts.spki).map_err(CmsError::Signature)?;
        let algorithm = algorithm.with_key(&key);
        key.verify(algorithm, &message, signer.signature)
            .map_err(CmsError::Signature)?;

        let time_stamp_tokens = signer.time_stamp_tokens()?;
        Ok(CadesSignature {
            signer_certificate: certificate.to_vec(),
            other_certificates: self
                .certificates
                .iter()
                .filter(|other| **other != certificate)
                .map(|other| other.to_vec())
                .collect(),
            revocation_lists: self
                .revocation_lists
                .iter()
                .map(|list| list.to_vec())
                .collect(),
            names_certificate: named.is_some(),
            names_by_sha1: named.is_none() && by_sha1.is_some(),
            signing_time,
            algorithm,
            signature_value: signer.signature.to_vec(),
            has_timestamp_token: !time_stamp_tokens.is_empty(),
            time_stamp_tokens,
        })
    }
}

/// RFC 5652 §5.1, as slices.
struct SignedData<'a> {
    digest_algorithms: Vec<AlgorithmIdentifier<'a>>,
    /// What stands inside.
    content: Option<&'a [u8]>,
    certificates: Vec<&'a [u8]>,
    revocation_lists: Vec<&'a [u8]>,
    signer_info: Element<'a>,
}

impl<'a> SignedData<'a> {
    fn read(bytes: &'a [u8], form: &Form) -> Result<Self, CmsError> {
        let mut content_info = Element::only(bytes, asn1::SEQUENCE)?.reader();
        if content_info.object_identifier()? != ID_SIGNED_DATA {
            return Err(CmsError::NotSignedData);
        }
        let explicit = content_info.expect(asn1::context(0))?;
        content_info.finish()?;
        let mut reader = Element::only(explicit.value, asn1::SEQUENCE)?.reader();

        let version = reader.small_integer()?;
        // Others announce other content types or certificates than ours.
        if version != form.version {
            return Err(CmsError::Version {
                structure: "SignedData",
                version,
            });
        }
        let digest_algorithms = read_algorithms(&mut reader)?;
        let content = read_content(&mut reader, form)?;
        let certificates = read_certificates(&mut reader)?;
        let revocation_lists = read_revocation_lists(&mut reader)?;
        let signer_info = read_only_signer(&mut reader)?;
        reader.finish()?;
        Ok(Self {
            digest_algorithms,
            content,
            certificates,
            revocation_lists,
            signer_info,
        })
    }
}

fn read_algorithms<'a>(reader: &mut Reader<'a>) -> Result<Vec<AlgorithmIdentifier<'a>>, DerError> {
    let mut set = reader.expect(asn1::SET)?.reader();
    let mut algorithms = Vec::new();
    while !set.is_empty() {
        algorithms.push(AlgorithmIdentifier::read(&mut set)?);
    }
    Ok(algorithms)
}

fn read_content<'a>(reader: &mut Reader<'a>, form: &Form) -> Result<Option<&'a [u8]>, CmsError> {
    let mut content = reader.expect(asn1::SEQUENCE)?.reader();
    let oid = content.object_identifier()?;
    if oid != form.content_type {
        return Err(CmsError::ContentType {
            oid: oid.to_string(),
        });
    }
    if content.is_empty() {
        return Ok(None);
    }
    if !form.is_enclosed {
        return Err(CmsError::NotDetached);
    }
    let explicit = content.expect(asn1::context(0))?;
    content.finish()?;
    let inside = Element::only(explicit.value, asn1::OCTET_STRING)?;
    Ok(Some(inside.value))
}

fn read_certificates<'a>(reader: &mut Reader<'a>) -> Result<Vec<&'a [u8]>, CmsError> {
    let Some(set) = reader.optional(asn1::context(0))? else {
        return Err(CmsError::NoCertificates);
    };
    let mut members = set.reader();
    let mut certificates = Vec::new();
    while !members.is_empty() {
        if certificates.len() >= MAX_CERTIFICATES {
            return Err(CmsError::TooManyCertificates);
        }
        let certificate = members.element()?;
        if certificate.tag != asn1::SEQUENCE {
            return Err(CmsError::UnsupportedCertificate);
        }
        certificates.push(certificate.whole);
    }
    Ok(certificates)
}

/// Plain CRLs are kept, other revocation formats skipped: neither is judged here.
fn read_revocation_lists<'a>(reader: &mut Reader<'a>) -> Result<Vec<&'a [u8]>, CmsError> {
    let mut lists = Vec::new();
    if let Some(set) = reader.optional(asn1::context(1))? {
        let mut members = set.reader();
        while !members.is_empty() {
            let member = members.element()?;
            if member.tag == asn1::SEQUENCE {
                lists.push(member.whole);
            }
        }
    }
    Ok(lists)
}

fn read_only_signer<'a>(reader: &mut Reader<'a>) -> Result<Element<'a>, CmsError> {
    let mut set = reader.expect(asn1::SET)?.reader();
    let mut signers = Vec::new();
    while !set.is_empty() {
        signers.push(set.expect(asn1::SEQUENCE)?);
    }
    match signers.as_slice() {
        [signer] => Ok(*signer),
        _ => Err(CmsError::SignerCount {
            count: signers.len(),
        }),
    }
}

/// RFC 5652 §5.3, as slices.
struct SignerInfo<'a> {
    issuer: &'a [u8],
    serial: &'a [u8],
    digest_algorithm: AlgorithmIdentifier<'a>,
    signed_attributes: Element<'a>,
    signature_algorithm: AlgorithmIdentifier<'a>,
    signature: &'a [u8],
    unsigned_attributes: Option<Element<'a>>,
}

impl<'a> SignerInfo<'a> {
    fn read(element: &Element<'a>) -> Result<Self, CmsError> {
        let mut reader = element.reader();
        let version = reader.small_integer()?;
        if reader.peek_tag() == Some(asn1::context_primitive(0)) {
            return Err(CmsError::UnsupportedSignerIdentifier);
        }
        if version != 1 {
            return Err(CmsError::Version {
                structure: "SignerInfo",
                version,
            });
        }
        let mut identifier = reader.expect(asn1::SEQUENCE)?.reader();
        let issuer = identifier.expect(asn1::SEQUENCE)?.whole;
        let serial = identifier.expect(asn1::INTEGER)?.value;
        identifier.finish()?;
        let digest_algorithm = AlgorithmIdentifier::read(&mut reader)?;
        let signed_attributes = reader
            .optional(asn1::context(0))?
            .ok_or(CmsError::NoSignedAttributes)?;
        let signature_algorithm = AlgorithmIdentifier::read(&mut reader)?;
        let signature = reader.expect(asn1::OCTET_STRING)?.value;
        let unsigned_attributes = reader.optional(asn1::context(1))?;
        reader.finish()?;
        Ok(Self {
            issuer,
            serial,
            digest_algorithm,
            signed_attributes,
            signature_algorithm,
            signature,
            unsigned_attributes,
        })
    }

    fn algorithm(&self) -> Result<SignatureAlgorithm, CmsError> {
        CmsAlgorithm::find(&self.digest_algorithm, &self.signature_algorithm).ok_or_else(|| {
            CmsError::Algorithms {
                digest: self.digest_algorithm.oid.to_string(),
                signature: self.signature_algorithm.oid.to_string(),
            }
        })
    }

    fn find_certificate(
        &self,
        certificates: &[&'a [u8]],
    ) -> Result<(&'a [u8], CertificateParts<'a>), CmsError> {
        for certificate in certificates {
            let parts = CertificateParts::parse(certificate)?;
            if parts.issuer == self.issuer && parts.serial == self.serial {
                return Ok((certificate, parts));
            }
        }
        Err(CmsError::SignerCertificateMissing)
    }

    fn time_stamp_tokens(&self) -> Result<Vec<Vec<u8>>, CmsError> {
        let Some(element) = self.unsigned_attributes else {
            return Ok(Vec::new());
        };
        let attributes = Attributes::read(&mut element.reader(), false)?;
        Ok(attributes
            .values(SIGNATURE_TIME_STAMP)
            .map(<[u8]>::to_vec)
            .collect())
    }
}
