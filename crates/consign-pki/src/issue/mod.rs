//! Issuing certificates: roots, issuing authorities, seals and TLS identities; and the lists of
//! those that were revoked.
//!
//! An applicant sends a PKCS#10 request. Its signature is verified, which proves that the
//! applicant holds the key; **its public key is believed and nothing else**: names, usages
//! and extensions come from the authority's own arguments.
//!
//! The hierarchy has three steps: a root (path length 1) certifies issuing authorities
//! (path length 0), which certify end entities. Keys, serial numbers and times are given by
//! the caller.

mod authority;
mod fields;
mod request;
mod signer;

use std::net::IpAddr;

use crate::algorithm::SignatureError;
use crate::asn1::DerError;
use crate::certificate::CertificateError;
use crate::path::revocation::RevocationReason;
use crate::pem::PemError;
use crate::seal::SealError;

pub use authority::CertificateAuthority;
pub use request::{MAX_REQUEST, create_request, request_from_pem, request_to_pem, verify_request};

/// Extended key usage of a seal.
///
/// **Placeholder**: 1.3.6.1.4.1.99999 is nobody's arc. A deployment puts identifiers from
/// its own arc into [`Profile`] and into its verification policy.
pub const PLACEHOLDER_SEAL_EKU: &str = "1.3.6.1.4.1.99999.2.1";
/// Arc of the certificate policies. **Placeholder**, as above.
pub const PLACEHOLDER_POLICY_ARC: &str = "1.3.6.1.4.1.99999.1";

/// Longest serial number, in bytes (RFC 5280 §4.1.2.2).
pub const MAX_SERIAL: usize = 20;
/// Longest single part of a name, in characters (RFC 5280, `ub-common-name` is 64; agency
/// names in Vietnam reach 200, which all common implementations read).
pub const MAX_NAME: usize = 200;
/// Most DNS names and addresses in one TLS certificate.
pub const MAX_ALTERNATIVE_NAMES: usize = 64;

/// Longest address of revocation lists, in bytes.
pub const MAX_LISTS_URL: usize = 200;

/// What a deployment sets for itself.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Profile {
    /// Extended key usage of seals, dotted.
    pub seal_extended_key_usage: String,
    /// Arc of the certificate policies, dotted: see [`CertificatePolicy`].
    pub policy_arc: String,
    /// Where the revocation lists are published, without a slash at the end: `issuing.crl` and
    /// `root.crl` below it are named in certificates; none where there is no such place.
    pub lists: Option<String>,
}

/// What a certificate is issued for, as a policy: the last number after a profile's arc. A time-stamp
/// authority's own policy (RFC 3161), which its tokens name, is another thing and has number 2.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum CertificatePolicy {
    /// Seals of agencies.
    Seal = 1,
    /// Time-stamp authorities.
    TimeStamp = 3,
    /// TLS of nodes, hubs and the authority.
    Tls = 4,
}

impl Profile {
    /// The identifier of a policy, dotted.
    pub fn policy(&self, policy: CertificatePolicy) -> String {
        format!("{}.{}", self.policy_arc, policy as u8)
    }

    /// Refuses identifiers that are none and places that certificates cannot name.
    ///
    /// # Errors
    /// [`IssueError::Profile`], [`IssueError::Lists`].
    pub fn check(&self) -> Result<(), IssueError> {
        fields::arcs(&self.seal_extended_key_usage)?;
        fields::arcs(&self.policy(CertificatePolicy::Seal))?;
        let (Some(lists), limit) = (&self.lists, MAX_LISTS_URL) else {
            return Ok(());
        };
        let rest = lists
            .strip_prefix("http://")
            .or(lists.strip_prefix("https://"));
        let fits = |rest: &str| !rest.is_empty() && !rest.ends_with('/') && lists.len() <= limit;
        if rest.is_some_and(fits) && lists.bytes().all(|byte| byte.is_ascii_graphic()) {
            return Ok(());
        }
        Err(IssueError::Lists {
            value: lists.clone(),
        })
    }
}

impl Default for Profile {
    fn default() -> Self {
        Self {
            seal_extended_key_usage: PLACEHOLDER_SEAL_EKU.to_owned(),
            policy_arc: PLACEHOLDER_POLICY_ARC.to_owned(),
            lists: None,
        }
    }
}

/// From the first to the last second of validity, both included, Unix time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Validity {
    /// First second.
    pub not_before: u64,
    /// Last second.
    pub not_after: u64,
}

/// What a revocation list says of one certificate.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Revocation {
    /// Its serial number, big-endian, as it was issued.
    pub serial: Vec<u8>,
    /// From when on it does not count, Unix time.
    pub at: u64,
    /// Why.
    pub reason: RevocationReason,
    /// Since when the key may be another's, Unix time.
    pub invalid_from: Option<u64>,
}

/// Who an authority is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AuthorityName {
    /// organizationName.
    pub organization: String,
    /// commonName; must differ between a root and the authorities it certifies.
    pub common_name: String,
}

/// Whom a seal belongs to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SealSubject {
    /// organizationName: the agency's full name.
    pub organization: String,
    /// commonName: how people know the seal.
    pub common_name: String,
    /// organizationIdentifier (2.5.4.97): the agency's code.
    pub organization_identifier: String,
}

/// Whom a TLS identity belongs to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TlsSubject {
    /// organizationName.
    pub organization: String,
    /// commonName.
    pub common_name: String,
    /// DNS names of subjectAltName.
    pub dns_names: Vec<String>,
    /// Addresses of subjectAltName.
    pub ip_addresses: Vec<IpAddr>,
}

/// Which sides of a TLS connection a certificate may take.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TlsUsage {
    /// The side that connects.
    Client,
    /// The side that accepts.
    Server,
    /// Both.
    Both,
}

/// Why a certificate is not issued.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum IssueError {
    /// The request is not well-formed, or larger than [`MAX_REQUEST`].
    #[error("certificate request is not well-formed")]
    Request(#[from] DerError),
    /// The text is not PEM.
    #[error("not in PEM")]
    Pem(#[from] PemError),
    /// The request is signed with an algorithm that is not accepted.
    #[error("certificate request is signed with unsupported algorithm {oid}")]
    RequestAlgorithm {
        /// The algorithm, dotted.
        oid: String,
    },
    /// The request's key or its proof of possession is not accepted.
    #[error("certificate request does not prove possession of its key")]
    RequestSignature(#[source] SignatureError),
    /// The key that signs the request failed.
    #[error("the key did not sign the request")]
    Seal(#[from] SealError),
    /// Not 1 to 20 bytes, zero, negative, or with a superfluous leading zero.
    #[error("serial number is not a positive integer of at most {MAX_SERIAL} bytes")]
    Serial,
    /// Ends before it begins, or beyond the year 9999.
    #[error("validity from {not_before} to {not_after} is not a period")]
    Validity {
        /// First second, Unix time.
        not_before: u64,
        /// Last second, Unix time.
        not_after: u64,
    },
    /// The certificate would be valid when its issuer is not.
    #[error("validity is not within the issuer's, {issuer_not_before} to {issuer_not_after}")]
    OutsideIssuerValidity {
        /// First second of the issuer, Unix time.
        issuer_not_before: u64,
        /// Last second of the issuer, Unix time.
        issuer_not_after: u64,
    },
    /// Empty, longer than [`MAX_NAME`] or with control characters.
    #[error("{field} is not usable as a name")]
    Name {
        /// Which part.
        field: &'static str,
    },
    /// A DNS name that cannot stand in a certificate, or too many of them.
    #[error("DNS names or addresses are not usable")]
    AlternativeNames,
    /// An object identifier of the profile is malformed.
    #[error("profile: {value} is not an object identifier")]
    Profile {
        /// The text found.
        value: String,
    },
    /// An address where no revocation lists can be.
    #[error(
        "profile: {value} is no address for lists; give http://NAME/PATH, without a slash at the end"
    )]
    Lists {
        /// The text found.
        value: String,
    },
    /// The authority's own key did not sign.
    #[error("the authority's key did not sign")]
    Key(#[source] SealError),
    /// The authority's certificate cannot be read.
    #[error("authority's certificate is not readable")]
    AuthorityCertificate(#[source] CertificateError),
    /// The certificate is not that of an authority.
    #[error("certificate is not an authority's")]
    NotAnAuthority,
    /// The key is not the one in the authority's certificate.
    #[error("key does not belong to the authority's certificate")]
    AuthorityKey,
    /// This authority may not certify further authorities.
    #[error("authority may not certify further authorities")]
    PathLength,
    /// The certificate library failed.
    #[error("certificate library failed")]
    Library(#[from] rcgen::Error),
}

#[cfg(test)]
mod tests;
