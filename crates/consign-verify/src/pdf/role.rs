//! Who signs for what: persons and agencies.

use consign_pki::certificate::CertificateDetails;
use serde::Serialize;

use super::PdfSignatureJudgement;
use crate::report::Check;

/// For whom a certificate speaks, by its subject alone.
///
/// A person: givenName, surname or pseudonym is there (EN 319 412-2 §4.2.4; a serialNumber, which
/// makes names unique, machines and organisations may have too).
/// An agency: none of these, and organizationIdentifier is there (EN 319 412-3 §4.2.1), or
/// the common name is the organisation's own. A name beside an organisation's may be a
/// person's or a department's: it counts as neither.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize)]
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

    /// The word that a person reads.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Person => "person",
            Self::Agency => "agency",
            Self::TimeStamp => "time-stamp",
            Self::Unknown => "unknown",
        }
    }
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
    pub(super) fn of(signatures: &[PdfSignatureJudgement]) -> Self {
        let signers = || signatures.iter().filter(|one| one.signs());
        let counts = |one: &PdfSignatureJudgement, role| one.role == role && one.report.is_passed();
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

    /// The check of the roles; `count`: how many signatures there are.
    pub(super) fn as_check(self, count: usize) -> Check {
        let (name, clause) = ("pdf-roles", "Decree 30/2020/NĐ-CP, Annex I");
        let detail = match self {
            Self::Original => {
                let detail = "a person and an agency signed it: an original";
                return Check::passed(name, clause, detail.to_owned());
            }
            Self::ScannedCopy => {
                let detail = "an agency signed it, and nobody known to be a person: enough for \
                              a scanned copy (sao y), not for an original";
                return Check::noted(name, clause, detail.to_owned());
            }
            Self::None if count == 0 => "no signature in the file",
            Self::None => {
                "no agency's signature passed that covers the whole file: neither an original \
                 nor a scanned copy"
            }
        };
        let sub_indication = "SIG_CONSTRAINTS_FAILURE";
        Check::indeterminate(name, clause, sub_indication, detail.to_owned())
    }
}
