//! Detached CAdES signatures: CMS `SignedData` (RFC 5652) at baseline level B-B
//! (ETSI EN 319 122-1 §6).
//!
//! [`sign_detached`] writes what `openssl cms -verify -binary -inform DER` accepts;
//! [`parse_and_verify`] makes the cryptographic checks and no others: whether the
//! signer's certificate can be trusted is [`crate::path`], what the verdict is belongs to
//! the caller.
//!
//! Invariants of what is accepted: exactly one `SignerInfo`; content detached; attributes
//! at most once, the mandatory ones exactly once and with one value; the signer's
//! certificate is the one that `signing-certificate-v2` names by digest; digest and
//! signature algorithm are a pair from one table. The signature is checked over the signed
//! attributes as they stand, under the SET tag (RFC 5652 §5.4). Bytes outside that are
//! either refused unless they have their one permitted form, or reported as not covered:
//! the other certificates, revocation values and the unsigned attributes.

mod attributes;
mod sign;
mod stamp;
mod verify;

use const_oid::ObjectIdentifier;

use crate::algorithm::{SignatureAlgorithm, SignatureError};
use crate::asn1::{DerError, ScanLimits};
use crate::seal::SealError;

pub use sign::sign_detached;
pub(crate) use sign::sign_enclosed;
pub use stamp::with_time_stamp;
pub(crate) use verify::verify_enclosed;
pub use verify::{parse_and_verify, parse_and_verify_cms};

/// Largest CMS structure read, in bytes.
pub const MAX_CMS: usize = 256 * 1024;
/// Most certificates in one signature.
pub const MAX_CERTIFICATES: usize = 16;
/// Most attributes in either set of attributes.
pub const MAX_ATTRIBUTES: usize = 32;

const SCAN_LIMITS: ScanLimits = ScanLimits {
    max_bytes: MAX_CMS,
    max_depth: 40,
    max_elements: 16_384,
};

const ID_DATA: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.2.840.113549.1.7.1");
const ID_CT_TST_INFO: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.2.840.113549.1.9.16.1.4");
const ID_SIGNED_DATA: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.2.840.113549.1.7.2");
const CONTENT_TYPE: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.2.840.113549.1.9.3");
const MESSAGE_DIGEST: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.2.840.113549.1.9.4");
const SIGNING_TIME: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.2.840.113549.1.9.5");
const SIGNING_CERTIFICATE: ObjectIdentifier =
    ObjectIdentifier::new_unwrap("1.2.840.113549.1.9.16.2.12");
const SIGNING_CERTIFICATE_V2: ObjectIdentifier =
    ObjectIdentifier::new_unwrap("1.2.840.113549.1.9.16.2.47");
const SIGNATURE_TIME_STAMP: ObjectIdentifier =
    ObjectIdentifier::new_unwrap("1.2.840.113549.1.9.16.2.14");

/// What is signed, and what follows from that for the structure (RFC 5652 §5.1).
#[derive(Debug, Clone, Copy)]
struct Form {
    content_type: ObjectIdentifier,
    version: u8,
    /// The content stands inside.
    is_enclosed: bool,
}

/// A document's manifest, which stays outside.
const DETACHED: Form = Form {
    content_type: ID_DATA,
    version: 1,
    is_enclosed: false,
};

/// The `TSTInfo` of a time-stamp token (RFC 3161 §2.4.2).
const TOKEN: Form = Form {
    content_type: ID_CT_TST_INFO,
    version: 3,
    is_enclosed: true,
};

/// A signature whose cryptographic checks all passed.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct CadesSignature {
    /// The signer's certificate, named by a digest that the signature covers; by issuer and
    /// serial number alone where `names_certificate` says so.
    pub signer_certificate: Vec<u8>,
    /// Whether `signing-certificate-v2` is there. Only [`parse_and_verify_cms`] lets it be absent.
    pub names_certificate: bool,
    /// Whether the older `signing-certificate` stands in its place, which names the certificate
    /// by SHA-1: whoever could make two certificates of one digest may exchange them. Time-stamp
    /// authorities still write it, and [`parse_and_verify`] does not take it.
    pub names_by_sha1: bool,
    /// Further certificates carried along. **Not covered by the signature.**
    pub other_certificates: Vec<Vec<u8>>,
    /// Certificate revocation lists carried along. **Not covered by the signature.**
    pub revocation_lists: Vec<Vec<u8>>,
    /// The signer's claim, Unix seconds; `None` where the attribute is absent.
    pub signing_time: Option<u64>,
    /// Algorithm of the signature.
    pub algorithm: SignatureAlgorithm,
    /// The signature value: what a signature-time-stamp is made over.
    pub signature_value: Vec<u8>,
    /// Values of signature-time-stamp attributes, not judged. **Not covered by the signature.**
    pub time_stamp_tokens: Vec<Vec<u8>>,
    /// Whether any signature-time-stamp is present.
    pub has_timestamp_token: bool,
}

/// Why a signature cannot be made or is not accepted; one variant per check.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum CmsError {
    /// Not DER, or too large, too deep, or followed by other bytes.
    #[error("signature is not well-formed DER")]
    Encoding(#[from] DerError),
    /// The outermost content type is not SignedData.
    #[error("not CMS SignedData")]
    NotSignedData,
    /// A version that does not follow from the contents (RFC 5652 §5.1, §5.3).
    #[error("version {version} of {structure} does not fit its contents")]
    Version {
        /// Which structure.
        structure: &'static str,
        /// The version found.
        version: u8,
    },
    /// The signed content is of another type than is expected here.
    #[error("content type {oid} is not the one expected")]
    ContentType {
        /// The type found, dotted.
        oid: String,
    },
    /// The content is inside the structure.
    #[error("content is not detached")]
    NotDetached,
    /// The content is not inside the structure.
    #[error("content is missing")]
    NotEnclosed,
    /// When a time-stamp is added: there is one already, or other unsigned attributes.
    #[error("the signature has unsigned attributes already")]
    HasUnsignedAttributes,
    /// `digestAlgorithms` is not exactly the signer's digest algorithm.
    #[error("digest algorithms do not match the signer's")]
    DigestAlgorithms,
    /// No certificates at all.
    #[error("no certificates in the signature")]
    NoCertificates,
    /// More than [`MAX_CERTIFICATES`].
    #[error("more than {MAX_CERTIFICATES} certificates")]
    TooManyCertificates,
    /// An attribute certificate or another choice than a plain certificate.
    #[error("a certificate of an unsupported form")]
    UnsupportedCertificate,
    /// Not exactly one `SignerInfo`.
    #[error("{count} signers where one is required")]
    SignerCount {
        /// How many there are.
        count: usize,
    },
    /// The signer is named by key identifier.
    #[error("signer is not named by issuer and serial number")]
    UnsupportedSignerIdentifier,
    /// No certificate has the signer's issuer and serial number.
    #[error("the signer's certificate is missing")]
    SignerCertificateMissing,
    /// Digest and signature algorithm are not a pair that is accepted.
    #[error("digest algorithm {digest} with signature algorithm {signature} is not accepted")]
    Algorithms {
        /// Digest algorithm, dotted.
        digest: String,
        /// Signature algorithm, dotted.
        signature: String,
    },
    /// There are no signed attributes.
    #[error("no signed attributes")]
    NoSignedAttributes,
    /// More than [`MAX_ATTRIBUTES`].
    #[error("more than {MAX_ATTRIBUTES} attributes")]
    TooManyAttributes,
    /// The signed attributes are not in DER order.
    #[error("signed attributes are not in DER order")]
    AttributeOrder,
    /// A mandatory attribute is absent.
    #[error("attribute {name} is missing")]
    AttributeMissing {
        /// Which attribute.
        name: &'static str,
    },
    /// An attribute occurs twice.
    #[error("attribute {oid} is repeated")]
    AttributeRepeated {
        /// The attribute's type, dotted.
        oid: String,
    },
    /// An attribute has no value, several, or one that is malformed.
    #[error("attribute {name} does not have exactly one well-formed value")]
    AttributeValue {
        /// Which attribute.
        name: &'static str,
    },
    /// The signed content type differs from the one outside.
    #[error("signed content type is not the one outside")]
    ContentTypeMismatch,
    /// The content is not the one that was signed.
    #[error("content is not the one that was signed")]
    MessageDigestMismatch,
    /// `signing-certificate-v2` uses a digest that is not accepted.
    #[error("signing-certificate-v2 uses digest algorithm {oid}")]
    CertificateDigestAlgorithm {
        /// The algorithm, dotted.
        oid: String,
    },
    /// The signer's certificate is not the one the signature names.
    #[error("the signer's certificate is not the one that was signed for")]
    CertificateDigestMismatch,
    /// Issuer and serial in `signing-certificate-v2` are not the certificate's.
    #[error("issuer and serial in signing-certificate-v2 are not the certificate's")]
    IssuerSerialMismatch,
    /// The signature or the signer's key is not accepted.
    #[error("signature does not verify")]
    Signature(#[source] SignatureError),
    /// When signing: the certificate is for another key.
    #[error("certificate is not for the signing key")]
    KeyMismatch,
    /// When signing: a time before 1970 or after 9999 cannot be written.
    #[error("signing time {seconds} is out of range")]
    SigningTime {
        /// Unix seconds.
        seconds: u64,
    },
    /// When signing: the key did not sign.
    #[error("the seal key did not sign")]
    Seal(#[from] SealError),
}

impl CmsError {
    /// Whether the signature rests on a digest that proves nothing any more (SHA-1 and older),
    /// or on an RSA key of a size that is not accepted.
    pub fn is_weak(&self) -> bool {
        // MD2, MD5, SHA-1.
        const WEAK: [&str; 3] = ["1.2.840.113549.2.2", "1.2.840.113549.2.5", "1.3.14.3.2.26"];
        match self {
            Self::Algorithms { digest, signature } => {
                WEAK.contains(&digest.as_str()) || crate::path::is_weak(signature)
            }
            Self::CertificateDigestAlgorithm { oid } => WEAK.contains(&oid.as_str()),
            Self::Signature(SignatureError::RsaKeySize { .. }) => true,
            _ => false,
        }
    }

    /// Whether the signature rests on an algorithm or a kind of key that is not known here. It
    /// may be sound, and others may know it.
    pub const fn is_unknown_algorithm(&self) -> bool {
        matches!(
            self,
            Self::Algorithms { .. }
                | Self::CertificateDigestAlgorithm { .. }
                | Self::Signature(
                    SignatureError::UnsupportedKey { .. } | SignatureError::KeyMismatch { .. }
                )
        )
    }

    /// Whether it has a form that CMS knows and that is not read here.
    pub const fn is_unknown_form(&self) -> bool {
        matches!(
            self,
            Self::Version { .. } | Self::UnsupportedCertificate | Self::UnsupportedSignerIdentifier
        )
    }
}

#[cfg(test)]
mod tests;
