//! The fields of certificates, made from what a caller asks for and checked on the way.

use const_oid::ObjectIdentifier;
use rcgen::{
    CertificateParams, CustomExtension, DistinguishedName, DnType, DnValue, SanType, SerialNumber,
};

use time::OffsetDateTime;

use super::{IssueError, MAX_ALTERNATIVE_NAMES, MAX_NAME, MAX_SERIAL, TlsSubject, Validity};
use crate::asn1;
use crate::path::revocation::RevocationReason;

/// The last second of the year 9999, beyond which X.509 cannot write times.
const MAX_TIME: u64 = 253_402_300_799;
/// countryName of every name we write: the network is one country's.
const COUNTRY: &str = "VN";
/// certificatePolicies (RFC 5280 §4.2.1.4).
const CERTIFICATE_POLICIES: [u64; 4] = [2, 5, 29, 32];
/// extKeyUsage (RFC 5280 §4.2.1.12).
const EXTENDED_KEY_USAGE: [u64; 4] = [2, 5, 29, 37];
const TIME_STAMPING: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.3.6.1.5.5.7.3.8");

/// What all certificates have in common: name, period, authority key identifier.
pub(super) fn base_params(
    name: DistinguishedName,
    validity: Validity,
) -> Result<CertificateParams, IssueError> {
    let (not_before, not_after) = period(validity)?;
    let mut params = CertificateParams::default();
    params.distinguished_name = name;
    params.not_before = not_before;
    params.not_after = not_after;
    params.use_authority_key_identifier_extension = true;
    Ok(params)
}

/// Both ends of a period as rcgen takes them.
pub(super) fn period(validity: Validity) -> Result<(OffsetDateTime, OffsetDateTime), IssueError> {
    let Validity {
        not_before,
        not_after,
    } = validity;
    if not_after < not_before {
        return Err(IssueError::Validity {
            not_before,
            not_after,
        });
    }
    Ok((moment(not_before)?, moment(not_after)?))
}

/// Unix seconds as rcgen takes them.
pub(super) fn moment(seconds: u64) -> Result<OffsetDateTime, IssueError> {
    if seconds > MAX_TIME {
        return Err(IssueError::Validity {
            not_before: seconds,
            not_after: seconds,
        });
    }
    Ok(rcgen::date_time_ymd(1970, 1, 1) + std::time::Duration::from_secs(seconds))
}

pub(super) const fn reason_code(reason: RevocationReason) -> rcgen::RevocationReason {
    match reason {
        RevocationReason::Unspecified => rcgen::RevocationReason::Unspecified,
        RevocationReason::KeyCompromise => rcgen::RevocationReason::KeyCompromise,
        RevocationReason::CaCompromise => rcgen::RevocationReason::CaCompromise,
        RevocationReason::AffiliationChanged => rcgen::RevocationReason::AffiliationChanged,
        RevocationReason::Superseded => rcgen::RevocationReason::Superseded,
        RevocationReason::CessationOfOperation => rcgen::RevocationReason::CessationOfOperation,
        RevocationReason::CertificateHold => rcgen::RevocationReason::CertificateHold,
        RevocationReason::PrivilegeWithdrawn => rcgen::RevocationReason::PrivilegeWithdrawn,
        RevocationReason::AaCompromise => rcgen::RevocationReason::AaCompromise,
    }
}

/// A name that begins with the country and the organization.
pub(super) fn organization(
    field: &'static str,
    value: &str,
) -> Result<DistinguishedName, IssueError> {
    let mut name = DistinguishedName::new();
    name.push(
        DnType::CountryName,
        DnValue::PrintableString(COUNTRY.try_into()?),
    );
    name.push(DnType::OrganizationName, text(field, value)?);
    Ok(name)
}

/// The same with a common name.
pub(super) fn common_name(
    organization_name: &str,
    common_name: &str,
) -> Result<DistinguishedName, IssueError> {
    let mut name = organization("organization", organization_name)?;
    name.push(DnType::CommonName, text("common name", common_name)?);
    Ok(name)
}

pub(super) fn text(field: &'static str, value: &str) -> Result<DnValue, IssueError> {
    let usable = !value.trim().is_empty()
        && value.chars().count() <= MAX_NAME
        && !value.chars().any(char::is_control);
    if usable {
        Ok(DnValue::Utf8String(value.to_owned()))
    } else {
        Err(IssueError::Name { field })
    }
}

pub(super) fn positive_serial(serial: &[u8]) -> Result<SerialNumber, IssueError> {
    match serial {
        [first, ..] if serial.len() <= MAX_SERIAL && (1..0x80).contains(first) => {
            Ok(SerialNumber::from_slice(serial))
        }
        _ => Err(IssueError::Serial),
    }
}

pub(super) fn alternative_names(subject: &TlsSubject) -> Result<Vec<SanType>, IssueError> {
    let count = subject
        .dns_names
        .len()
        .saturating_add(subject.ip_addresses.len());
    if count > MAX_ALTERNATIVE_NAMES {
        return Err(IssueError::AlternativeNames);
    }
    let mut names = Vec::with_capacity(count);
    for dns in &subject.dns_names {
        if !is_dns_name(dns) {
            return Err(IssueError::AlternativeNames);
        }
        names.push(SanType::DnsName(dns.as_str().try_into()?));
    }
    names.extend(
        subject
            .ip_addresses
            .iter()
            .map(|address| SanType::IpAddress(*address)),
    );
    Ok(names)
}

/// Letters, digits and hyphens in dotted labels (RFC 1034 §3.5); no wildcards.
fn is_dns_name(name: &str) -> bool {
    name.len() <= 253
        && name.split('.').all(|label| {
            (1..=63).contains(&label.len())
                && label
                    .bytes()
                    .all(|byte| byte.is_ascii_alphanumeric() || byte == b'-')
                && !label.starts_with('-')
                && !label.ends_with('-')
        })
}

pub(super) fn policies(policy: &str) -> Result<CustomExtension, IssueError> {
    let oid = object_identifier(policy)?;
    let content = asn1::sequence(&[&asn1::sequence(&[&asn1::object_identifier(&oid)])]);
    Ok(CustomExtension::from_oid_content(
        &CERTIFICATE_POLICIES,
        content,
    ))
}

/// extKeyUsage with timeStamping alone, critical.
pub(super) fn only_time_stamping() -> CustomExtension {
    let content = asn1::sequence(&[&asn1::object_identifier(&TIME_STAMPING)]);
    let mut extension = CustomExtension::from_oid_content(&EXTENDED_KEY_USAGE, content);
    extension.set_criticality(true);
    extension
}

pub(super) fn arcs(dotted: &str) -> Result<Vec<u64>, IssueError> {
    Ok(object_identifier(dotted)?.arcs().map(u64::from).collect())
}

fn object_identifier(dotted: &str) -> Result<ObjectIdentifier, IssueError> {
    ObjectIdentifier::new(dotted).map_err(|_| IssueError::Profile {
        value: dotted.to_owned(),
    })
}
