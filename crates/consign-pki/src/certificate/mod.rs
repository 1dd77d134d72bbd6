//! Certificates (RFC 5280) for people and for comparison: what they say, their
//! fingerprints, and PEM bundles of them. Whether one can be trusted is [`crate::path`].

mod parts;

use sha2::{Digest, Sha256};
use x509_parser::prelude::{FromDer, KeyUsage, ParsedExtension, X509Certificate, X509Name};

use crate::algorithm::{PublicKey, PublicKeyKind, SignatureError};
use crate::asn1::{DerError, ScanLimits};
use crate::pem::{self, PemError};

pub(crate) use parts::{CertificateParts, Extension, extensions, object_identifiers, time};

/// Largest certificate read, in bytes.
pub const MAX_CERTIFICATE: usize = 16 * 1024;
/// Most certificates read from one bundle.
pub const MAX_BUNDLE: usize = 64;

/// givenName, surname, pseudonym and serialNumber.
const PERSONAL: [&str; 3] = ["2.5.4.42", "2.5.4.4", "2.5.4.65"];

/// What a certificate may cost to read.
const SCAN_LIMITS: ScanLimits = ScanLimits {
    max_bytes: MAX_CERTIFICATE,
    max_depth: 24,
    max_elements: 2048,
};

/// Why bytes are not a certificate.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum CertificateError {
    /// Not DER, or larger or deeper than a certificate may be.
    #[error("certificate is not well-formed DER")]
    Encoding(#[from] DerError),
    /// DER, but not a certificate.
    #[error("not an X.509 certificate")]
    NotACertificate,
    /// Not PEM.
    #[error("certificate is not in PEM")]
    Pem(#[from] PemError),
    /// The public key is not well-formed.
    #[error("public key of the certificate is malformed")]
    PublicKey(#[source] SignatureError),
}

/// What a certificate says. Nothing in here is verified.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct CertificateDetails {
    /// The whole subject name, as one line.
    pub subject: String,
    /// The whole issuer name, as one line.
    pub issuer: String,
    /// organizationName of the subject.
    pub organization: Option<String>,
    /// organizationIdentifier (2.5.4.97) of the subject.
    pub organization_identifier: Option<String>,
    /// commonName of the subject.
    pub common_name: Option<String>,
    /// Whether the subject has a name or number that only a person has: givenName, surname,
    /// pseudonym or serialNumber (ETSI EN 319 412-2 §4.2.4).
    pub names_person: bool,
    /// Serial number in lowercase hexadecimal, without leading zero bytes.
    pub serial_hex: String,
    /// First second of validity, Unix time.
    pub not_before: u64,
    /// Last second of validity, Unix time.
    pub not_after: u64,
    /// What kind of key it certifies.
    pub key: PublicKeyKind,
    /// The key as DER `SubjectPublicKeyInfo`.
    pub public_key_der: Vec<u8>,
    /// Whether basicConstraints say that it is an authority.
    pub is_authority: bool,
    /// Names of the key usages; `None` where the extension is absent.
    pub key_usages: Option<Vec<KeyUsageName>>,
    /// Extended key usages, dotted, in their order.
    pub extended_key_usages: Vec<String>,
    /// DNS names and addresses of subjectAltName, as text.
    pub alternative_names: Vec<String>,
    /// SHA-256 over the DER.
    pub fingerprint: [u8; 32],
}

/// The bits of keyUsage (RFC 5280 §4.2.1.3).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum KeyUsageName {
    /// digitalSignature
    DigitalSignature,
    /// nonRepudiation, also called contentCommitment
    NonRepudiation,
    /// keyEncipherment
    KeyEncipherment,
    /// dataEncipherment
    DataEncipherment,
    /// keyAgreement
    KeyAgreement,
    /// keyCertSign
    KeyCertSign,
    /// cRLSign
    CrlSign,
    /// encipherOnly
    EncipherOnly,
    /// decipherOnly
    DecipherOnly,
}

impl CertificateDetails {
    /// Reads one DER certificate.
    pub fn from_der(der: &[u8]) -> Result<Self, CertificateError> {
        let parts = CertificateParts::parse(der)?;
        let (rest, certificate) =
            X509Certificate::from_der(der).map_err(|_| CertificateError::NotACertificate)?;
        if !rest.is_empty() {
            return Err(CertificateError::NotACertificate);
        }
        let subject = certificate.subject();
        let malformed = |_| CertificateError::NotACertificate;
        let usage = certificate.key_usage().map_err(malformed)?;
        let constraints = certificate.basic_constraints().map_err(malformed)?;
        Ok(Self {
            subject: subject.to_string(),
            issuer: certificate.issuer().to_string(),
            organization: attribute(subject, "2.5.4.10"),
            organization_identifier: attribute(subject, "2.5.4.97"),
            common_name: attribute(subject, "2.5.4.3"),
            names_person: PERSONAL.iter().any(|oid| has(subject, oid)),
            serial_hex: serial_hex(parts.serial),
            not_before: parts.not_before,
            not_after: parts.not_after,
            key: key_kind(parts.spki)?,
            public_key_der: parts.spki.to_vec(),
            is_authority: constraints.is_some_and(|extension| extension.value.ca),
            key_usages: usage.map(|extension| key_usages(extension.value)),
            extended_key_usages: extended_key_usages(&certificate)?,
            alternative_names: alternative_names(&certificate)?,
            fingerprint: fingerprint(der),
        })
    }

    /// Reads the one certificate in a PEM text.
    pub fn from_pem(text: &str) -> Result<Self, CertificateError> {
        Self::from_der(&from_pem(text)?)
    }
}

/// SHA-256 over a DER certificate.
pub fn fingerprint(der: &[u8]) -> [u8; 32] {
    Sha256::digest(der).into()
}

/// The DER of the one certificate in a PEM text.
pub fn from_pem(text: &str) -> Result<Vec<u8>, CertificateError> {
    let der = pem::decode(pem::CERTIFICATE, text, 2 * MAX_CERTIFICATE)?;
    CertificateParts::parse(&der)?;
    Ok(der)
}

/// One certificate as PEM.
pub fn to_pem(der: &[u8]) -> String {
    pem::encode(pem::CERTIFICATE, der)
}

/// The DER certificates of a PEM bundle in their order, at most [`MAX_BUNDLE`].
pub fn read_bundle(text: &str) -> Result<Vec<Vec<u8>>, CertificateError> {
    let limit = 2 * MAX_CERTIFICATE * MAX_BUNDLE;
    let certificates = pem::decode_all(pem::CERTIFICATE, text, MAX_BUNDLE, limit)?;
    for der in &certificates {
        CertificateParts::parse(der)?;
    }
    Ok(certificates)
}

/// The policies under which a certificate was issued (RFC 5280 §4.2.1.4), dotted, in their order;
/// none where it names none.
pub fn policies(der: &[u8]) -> Result<Vec<String>, CertificateError> {
    let malformed = |_| CertificateError::NotACertificate;
    let (_, certificate) = X509Certificate::from_der(der).map_err(malformed)?;
    let mut extensions = certificate.extensions().iter();
    let policies = extensions.find_map(|extension| match extension.parsed_extension() {
        ParsedExtension::CertificatePolicies(policies) => Some(policies),
        _ => None,
    });
    let policies = policies.map(|policies| policies.iter());
    let named = policies.into_iter().flatten();
    Ok(named.map(|one| one.policy_id.to_id_string()).collect())
}

/// Certificates as one PEM bundle, in the order given.
pub fn write_bundle(certificates: &[Vec<u8>]) -> String {
    certificates.iter().map(|der| to_pem(der)).collect()
}

fn attribute(name: &X509Name<'_>, oid: &str) -> Option<String> {
    name.iter_attributes()
        .find(|attribute| attribute.attr_type().to_id_string() == oid)
        .and_then(|attribute| attribute.as_str().ok())
        .map(|text| text.replace(char::is_control, "\u{fffd}"))
}

/// Whether an attribute is there, in whatever encoding.
fn has(name: &X509Name<'_>, oid: &str) -> bool {
    name.iter_attributes()
        .any(|attribute| attribute.attr_type().to_id_string() == oid)
}

fn serial_hex(serial: &[u8]) -> String {
    match serial {
        [0, rest @ ..] if !rest.is_empty() => crate::hex(rest),
        _ => crate::hex(serial),
    }
}

fn key_kind(spki: &[u8]) -> Result<PublicKeyKind, CertificateError> {
    match PublicKey::from_spki(spki) {
        Ok(key) => Ok(key.kind()),
        Err(SignatureError::UnsupportedKey { oid }) => Ok(PublicKeyKind::Other { oid }),
        Err(error) => Err(CertificateError::PublicKey(error)),
    }
}

fn key_usages(usage: &KeyUsage) -> Vec<KeyUsageName> {
    [
        (usage.digital_signature(), KeyUsageName::DigitalSignature),
        (usage.non_repudiation(), KeyUsageName::NonRepudiation),
        (usage.key_encipherment(), KeyUsageName::KeyEncipherment),
        (usage.data_encipherment(), KeyUsageName::DataEncipherment),
        (usage.key_agreement(), KeyUsageName::KeyAgreement),
        (usage.key_cert_sign(), KeyUsageName::KeyCertSign),
        (usage.crl_sign(), KeyUsageName::CrlSign),
        (usage.encipher_only(), KeyUsageName::EncipherOnly),
        (usage.decipher_only(), KeyUsageName::DecipherOnly),
    ]
    .into_iter()
    .filter_map(|(set, name)| set.then_some(name))
    .collect()
}

fn extended_key_usages(certificate: &X509Certificate<'_>) -> Result<Vec<String>, CertificateError> {
    let mut extensions = certificate
        .extensions()
        .iter()
        .filter(|extension| extension.oid.to_id_string() == "2.5.29.37");
    let Some(extension) = extensions.next() else {
        return Ok(Vec::new());
    };
    if extensions.next().is_some() {
        return Err(CertificateError::NotACertificate);
    }
    Ok(object_identifiers(extension.value)?
        .iter()
        .map(ToString::to_string)
        .collect())
}

fn alternative_names(certificate: &X509Certificate<'_>) -> Result<Vec<String>, CertificateError> {
    use x509_parser::prelude::GeneralName;
    let extension = certificate
        .subject_alternative_name()
        .map_err(|_| CertificateError::NotACertificate)?;
    let Some(extension) = extension else {
        return Ok(Vec::new());
    };
    Ok(extension
        .value
        .general_names
        .iter()
        .filter_map(|name| match name {
            GeneralName::DNSName(dns) => Some((*dns).to_owned()),
            GeneralName::IPAddress(bytes) => ip_address(bytes),
            _ => None,
        })
        .collect())
}

fn ip_address(bytes: &[u8]) -> Option<String> {
    if let Ok(octets) = <[u8; 4]>::try_from(bytes) {
        return Some(std::net::Ipv4Addr::from(octets).to_string());
    }
    <[u8; 16]>::try_from(bytes)
        .ok()
        .map(|octets| std::net::Ipv6Addr::from(octets).to_string())
}

#[cfg(test)]
mod tests;
