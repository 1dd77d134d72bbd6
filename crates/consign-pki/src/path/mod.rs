//! Certification path validation (RFC 5280 §6): whether a certificate leads to a root.
//!
//! Candidate paths are built here by name, bounded in length and number. Dates, key sizes,
//! algorithms and the end entity's usages are checked here too, so that the reason given
//! is exact; names, constraints, policies, critical extensions and signatures are checked
//! by `certval`, which stays private to this module.
//!
//! `at` is the instant judged for. Revocation is checked by [`revocation`] when lists
//! are given with the purpose, and the result says whether it was.

mod candidates;
mod checks;
mod known;
pub mod revocation;
mod validator;

use crate::asn1::DerError;
pub(crate) use checks::is_weak;
use revocation::{MAX_LIST, RevocationGap, Revoked};

/// Most intermediate certificates looked at.
pub const MAX_INTERMEDIATES: usize = 16;
/// Most roots.
pub const MAX_ROOTS: usize = 64;
/// Most revocation lists.
pub const MAX_REVOCATION_LISTS: usize = 16;
/// Largest revocation list, in bytes.
pub const MAX_REVOCATION_LIST: usize = MAX_LIST;
/// Most authorities between end entity and root.
pub const MAX_PATH_LENGTH: usize = 6;
/// Most candidate paths tried.
const MAX_CANDIDATES: usize = 16;

/// What the end entity must be fit for.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct PathPurpose {
    /// An extended key usage that must be listed by name, dotted.
    pub required_eku: Option<String>,
    /// Whether it must be the only one, in a critical extension (RFC 3161 §2.3).
    pub only_that_eku: bool,
    /// What keyUsage must allow.
    pub key_usage: RequiredKeyUsage,
    /// For which certificate policies the path must hold.
    pub policies: InitialPolicies,
    /// DER revocation lists; when empty, revocation is not checked.
    pub crls: Vec<Vec<u8>>,
}

/// What a path's policies are measured against (RFC 5280 §6.1.1 (c), (e), (f) and (g)): any, as
/// long as the certificates themselves ask for no more.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct InitialPolicies {
    /// Policies that are acceptable, dotted; none for any.
    pub accepted: Vec<String>,
    /// Whether the path must hold for one of them.
    pub require_explicit: bool,
    /// Whether no policy counts for another.
    pub inhibit_mapping: bool,
    /// Whether anyPolicy counts for none.
    pub inhibit_any: bool,
}

impl PathPurpose {
    /// For the seal on a document: `extended_key_usage` is the deployment's.
    pub fn seal(extended_key_usage: &str) -> Self {
        Self {
            required_eku: Some(extended_key_usage.to_owned()),
            key_usage: RequiredKeyUsage::DigitalSignatureAndNonRepudiation,
            ..Self::default()
        }
    }

    /// For a time-stamp authority: its key must be for nothing else.
    pub fn time_stamping() -> Self {
        Self {
            required_eku: Some("1.3.6.1.5.5.7.3.8".to_owned()),
            only_that_eku: true,
            key_usage: RequiredKeyUsage::DigitalSignatureOrNonRepudiation,
            ..Self::default()
        }
    }

    /// For the side of a TLS connection that accepts.
    pub fn tls_server() -> Self {
        Self::tls("1.3.6.1.5.5.7.3.1")
    }

    /// For the side of a TLS connection that connects.
    pub fn tls_client() -> Self {
        Self::tls("1.3.6.1.5.5.7.3.2")
    }

    fn tls(extended_key_usage: &str) -> Self {
        Self {
            required_eku: Some(extended_key_usage.to_owned()),
            key_usage: RequiredKeyUsage::DigitalSignature,
            ..Self::default()
        }
    }
}

/// What keyUsage of the end entity must contain. A required usage makes the extension
/// mandatory.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[non_exhaustive]
pub enum RequiredKeyUsage {
    /// Anything, and the extension may be absent.
    #[default]
    Any,
    /// digitalSignature.
    DigitalSignature,
    /// digitalSignature or nonRepudiation: signatures of persons and older seals.
    DigitalSignatureOrNonRepudiation,
    /// Both: seals that this project issues.
    DigitalSignatureAndNonRepudiation,
}

/// A path that holds at the instant asked for.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct ValidPath {
    /// SHA-256 of each certificate from the end entity to the root.
    pub fingerprints: Vec<[u8; 32]>,
    /// Whether revocation of every certificate below the root was checked.
    pub revocation: RevocationCheck,
    /// The last second at which all of them are within their dates, Unix time.
    pub not_after: u64,
    /// The lists that answered, one for each certificate below the root, from the root downwards.
    pub lists: Vec<ListUsed>,
}

/// A revocation list that said that a certificate was not revoked.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct ListUsed {
    /// The certificate.
    pub certificate: [u8; 32],
    /// Who made the list, as one line.
    pub issuer: String,
    /// When, Unix time.
    pub made: u64,
    /// The last second for which it answers, Unix time.
    pub until: u64,
}

/// What is known about revocation.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum RevocationCheck {
    /// No revocation data was given.
    NotChecked,
    /// Valid lists cover every certificate below the root, and none is revoked.
    NotRevoked,
}

/// Why no path holds. Certificates are named by SHA-256 of their DER.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum PathError {
    /// More certificates or lists than are looked at, or larger ones.
    #[error("more or larger {what} than are looked at")]
    TooMuch {
        /// Which input.
        what: &'static str,
    },
    /// A certificate that cannot be read.
    #[error("certificate is malformed")]
    Malformed {
        /// The certificate.
        fingerprint: [u8; 32],
        /// Where it is not well-formed.
        #[source]
        source: Option<DerError>,
    },
    /// `at` is before the certificate becomes valid.
    #[error("certificate is not valid before {not_before}")]
    NotYetValid {
        /// The certificate.
        fingerprint: [u8; 32],
        /// First second of validity, Unix time.
        not_before: u64,
    },
    /// `at` is after the certificate's end.
    #[error("certificate has expired at {not_after}")]
    Expired {
        /// The certificate.
        fingerprint: [u8; 32],
        /// Last second of validity, Unix time.
        not_after: u64,
    },
    /// An authority's certificate where an end entity's is required.
    #[error("end entity is an authority")]
    EndEntityIsAuthority,
    /// keyUsage of the end entity does not allow the purpose.
    #[error("key usage does not allow this purpose")]
    KeyUsage,
    /// The end entity does not list the extended key usage.
    #[error("extended key usage {required} is not listed")]
    ExtendedKeyUsage {
        /// The usage required, dotted.
        required: String,
    },
    /// The extended key usage is not the only one, or its extension is not critical.
    #[error("extended key usage {required} does not stand alone in a critical extension")]
    NotOnlyThatUsage {
        /// The usage required, dotted.
        required: String,
    },
    /// An authority's certificate does not let it issue certificates, or not these.
    #[error("an authority on the path may not issue this certificate")]
    AuthorityUsage,
    /// RSA below 2048 bits, or above what is accepted.
    #[error("key of {bits} bits is not accepted")]
    WeakKey {
        /// The certificate.
        fingerprint: [u8; 32],
        /// Size of the modulus.
        bits: usize,
    },
    /// Signed with SHA-1 or older.
    #[error("signature algorithm {oid} is too weak")]
    WeakAlgorithm {
        /// The certificate.
        fingerprint: [u8; 32],
        /// The algorithm, dotted.
        oid: String,
    },
    /// No chain of names leads from the certificate to a root.
    #[error("no path to a trusted root")]
    Untrusted,
    /// More authorities than their certificates or [`MAX_PATH_LENGTH`] allow.
    #[error("path is too long")]
    TooLong,
    /// A certificate is not signed by the key of its issuer.
    #[error("a certificate on the path is not signed by its issuer")]
    BadSignature,
    /// A critical extension that is not understood.
    #[error("a critical extension is not understood")]
    UnknownCriticalExtension,
    /// Name constraints or certificate policies exclude the certificate.
    #[error("names or policies on the path exclude this certificate")]
    Constraints,
    /// A certificate on the path was revoked by then.
    #[error("a certificate on the path is revoked since {} ({})", revoked.since, revoked.reason)]
    Revoked {
        /// The certificate.
        fingerprint: [u8; 32],
        /// Since when, and why.
        revoked: Revoked,
    },
    /// Revocation lists were given, but do not answer for every certificate.
    #[error("revocation status is not known")]
    RevocationUnknown {
        /// The certificate.
        fingerprint: [u8; 32],
        /// What is missing.
        #[source]
        gap: RevocationGap,
    },
    /// Refused by the validator for a reason of its own.
    #[error("path is refused by the validator")]
    Refused,
}

/// Looks for a path from `end_entity_der` to one of `roots` that holds at `at`.
///
/// Tries all candidates until one holds; otherwise the error is that of the candidate that
/// came furthest, so that an authority's old key of the same name hides nothing.
pub fn validate(
    end_entity_der: &[u8],
    intermediates: &[Vec<u8>],
    roots: &[Vec<u8>],
    at: u64,
    purpose: &PathPurpose,
) -> Result<ValidPath, PathError> {
    bounded(intermediates, roots, &purpose.crls)?;
    let end_entity = candidates::Certificate::parse(end_entity_der)?;
    checks::end_entity(&end_entity, at, purpose)?;
    let authorities = candidates::parse_all(intermediates);
    let anchors = candidates::parse_all(roots);
    let mut furthest: Option<PathError> = None;
    for path in candidates::build(&end_entity, &authorities, &anchors)? {
        match validator::validate(&path, at, purpose) {
            Ok(lists) => {
                let is_checked = !purpose.crls.is_empty();
                return Ok(ValidPath {
                    fingerprints: path.fingerprints(),
                    not_after: path.not_after(),
                    revocation: if is_checked {
                        RevocationCheck::NotRevoked
                    } else {
                        RevocationCheck::NotChecked
                    },
                    lists,
                });
            }
            Err(error) => {
                let further = furthest
                    .as_ref()
                    .is_none_or(|known| error.progress() > known.progress());
                if further {
                    furthest = Some(error);
                }
            }
        }
    }
    Err(furthest.unwrap_or(PathError::Untrusted))
}

impl PathError {
    /// How much of a candidate was found good before this: a wrong signature means that the
    /// issuer only shares its name, an unknown revocation that all else holds.
    fn progress(&self) -> u8 {
        match self {
            Self::BadSignature => 0,
            Self::RevocationUnknown { .. } => 2,
            Self::Revoked { .. } => 3,
            _ => 1,
        }
    }
}

fn bounded(
    intermediates: &[Vec<u8>],
    roots: &[Vec<u8>],
    crls: &[Vec<u8>],
) -> Result<(), PathError> {
    if intermediates.len() > MAX_INTERMEDIATES {
        return Err(PathError::TooMuch {
            what: "intermediate certificates",
        });
    }
    if roots.len() > MAX_ROOTS {
        return Err(PathError::TooMuch { what: "roots" });
    }
    if crls.len() > MAX_REVOCATION_LISTS || crls.iter().any(|list| list.len() > MAX_REVOCATION_LIST)
    {
        return Err(PathError::TooMuch {
            what: "revocation lists",
        });
    }
    Ok(())
}

#[cfg(test)]
mod tests;
