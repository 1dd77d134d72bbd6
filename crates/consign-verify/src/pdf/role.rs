//! Who signs for what: persons and agencies.

use consign_pki::certificate::CertificateDetails;
use serde::{Deserialize, Serialize};

use super::PdfSignatureJudgement;
use crate::policy::{Policy, Unnamed};
use crate::report::{Check, CheckName, Reason};

/// For whom a certificate speaks, by its subject alone.
///
/// A person: givenName, surname or pseudonym is there (EN 319 412-2 §4.2.4; a serialNumber, which
/// makes names unique, machines and organisations may have too).
/// An agency: none of these, and organizationIdentifier is there (EN 319 412-3 §4.2.1), or
/// the common name is the organisation's own. A name beside an organisation's may be a
/// person's or a department's: it counts as neither.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Role {
    /// A person.
    Person,
    /// An agency.
    Agency,
    /// A time-stamp authority, which signs for nobody.
    TimeStamp,
    /// The certificate does not say, or was not read.
    Unknown,
}

impl Role {
    pub(super) fn of(certificate: &CertificateDetails) -> Self {
        let (organization, name) = (&certificate.organization, &certificate.common_name);
        let is_named_so = organization.is_some() && organization == name;
        if certificate.names_person {
            Self::Person
        } else if certificate.organization_identifier.is_some() || is_named_so {
            Self::Agency
        } else {
            Self::Unknown
        }
    }
}

/// Whether a signature covers the name of its certificate.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Binding {
    /// It says by which certificate it is.
    Signed,
    /// It does not: the certificate, and so the role, may have been exchanged for another of
    /// the same key.
    NotSigned,
    /// It was not read.
    Unknown,
}

/// What the signatures that passed make of a file.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Standing {
    /// Signed by a person and by an agency.
    Original,
    /// Signed by an agency alone: enough for a scanned copy (*sao y*).
    ScannedCopy,
    /// Neither.
    None,
}

impl Standing {
    /// Every signature must have passed, and the agency must have signed last: what came after
    /// its signature would be another's word.
    pub(super) fn of(signatures: &[PdfSignatureJudgement], policy: &Policy) -> Self {
        let signers = || signatures.iter().filter(|one| one.signs());
        let counts = |one: &PdfSignatureJudgement, role| one.counts_as(role, policy);
        if signers().any(|one| !one.report.is_passed()) {
            return Self::None;
        }
        let by_agency = signers()
            .next_back()
            .is_some_and(|last| counts(last, Role::Agency));
        let by_person = signers().any(|one| counts(one, Role::Person));
        match (by_person, by_agency) {
            (true, true) => Self::Original,
            (false, true) => Self::ScannedCopy,
            (_, false) => Self::None,
        }
    }

    /// The check of the roles.
    pub(super) fn as_check(self, signatures: &[PdfSignatureJudgement], policy: &Policy) -> Check {
        let name = CheckName::PdfRoles;
        let last = signatures.iter().rfind(|one| one.signs());
        let is_unbound = |one: &PdfSignatureJudgement| {
            let by_certificate = policy.unnamed == Unnamed::ItsCertificate;
            one.report.is_passed() && one.binding == Binding::NotSigned && !by_certificate
        };
        let reason = match self {
            Self::Original if policy.standings.contains(&self) => return Check::passed(name),
            Self::ScannedCopy if policy.standings.contains(&self) => {
                return Check::noted(name, Reason::ScannedCopyOnly);
            }
            Self::ScannedCopy => Reason::ScannedCopyOnly,
            _ if last.is_none() => Reason::NoSignature,
            _ if last.is_some_and(is_unbound) => Reason::CertificateNotNamed,
            _ => Reason::NoAgencyLast,
        };
        Check::undecided(name, reason)
    }
}
