//! Revocation by lists (RFC 5280 §5, §6.3): what lists say of one certificate, as of a time.
//!
//! Understood are complete lists by the certificate's own issuer, signed with the key that
//! signed the certificate, also where they are split by distribution point or by kind of
//! certificate. Lists by others for it, delta lists and lists for some reasons only answer
//! nothing.
//!
//! A list answers for every time up to its next update, so one that was made later tells
//! more about the past and not less: an entry counts from its date on, or from its
//! invalidity date if that is earlier, and a certificate that was revoked later stays good
//! for what is proven to be older. The newest list alone decides, also where it is stale:
//! what it says is revoked stays so, and of the rest it says nothing any more.

mod list;
mod scope;

use std::collections::BTreeMap;
use std::fmt;

use crate::asn1::DerError;
use crate::certificate::CertificateParts;
use crate::pem::{self, PemError};
use list::{List, Unusable};

use super::validator::{same_name, verify};

pub(super) use list::MAX_LIST;

/// Why bytes are not a revocation list.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ListError {
    /// Not DER of that form, or larger than is read.
    #[error("not a well-formed revocation list")]
    Encoding(#[from] DerError),
    /// Not PEM.
    #[error("not a revocation list in PEM")]
    Pem(#[from] PemError),
}

/// One revocation list from a file, DER or PEM, as DER. Nothing in it is verified.
///
/// # Errors
/// [`ListError`].
pub fn read_list(bytes: Vec<u8>) -> Result<Vec<u8>, ListError> {
    let der = match std::str::from_utf8(&bytes) {
        Ok(text) if text.contains("-----BEGIN") => {
            pem::decode(pem::REVOCATION_LIST, text, 2 * MAX_LIST)?
        }
        _ => bytes,
    };
    List::parse(&der)?;
    Ok(der)
}

/// Why a certificate was revoked (RFC 5280 §5.3.1).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum RevocationReason {
    /// No reason was given.
    Unspecified,
    /// Others may have the key.
    KeyCompromise,
    /// Others may have the key of the authority.
    CaCompromise,
    /// The name is no longer right.
    AffiliationChanged,
    /// There is another certificate.
    Superseded,
    /// It is no longer needed.
    CessationOfOperation,
    /// It does not count for now.
    CertificateHold,
    /// What it allows was withdrawn.
    PrivilegeWithdrawn,
    /// Others may have the key of the attribute authority.
    AaCompromise,
}

impl RevocationReason {
    /// All of them.
    pub const ALL: [Self; 9] = [
        Self::Unspecified,
        Self::KeyCompromise,
        Self::CaCompromise,
        Self::AffiliationChanged,
        Self::Superseded,
        Self::CessationOfOperation,
        Self::CertificateHold,
        Self::PrivilegeWithdrawn,
        Self::AaCompromise,
    ];

    /// The standard's number.
    pub const fn code(self) -> u8 {
        match self {
            Self::Unspecified => 0,
            Self::KeyCompromise => 1,
            Self::CaCompromise => 2,
            Self::AffiliationChanged => 3,
            Self::Superseded => 4,
            Self::CessationOfOperation => 5,
            Self::CertificateHold => 6,
            Self::PrivilegeWithdrawn => 9,
            Self::AaCompromise => 10,
        }
    }

    /// The standard's word.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Unspecified => "unspecified",
            Self::KeyCompromise => "keyCompromise",
            Self::CaCompromise => "cACompromise",
            Self::AffiliationChanged => "affiliationChanged",
            Self::Superseded => "superseded",
            Self::CessationOfOperation => "cessationOfOperation",
            Self::CertificateHold => "certificateHold",
            Self::PrivilegeWithdrawn => "privilegeWithdrawn",
            Self::AaCompromise => "aACompromise",
        }
    }

    /// The reason of the standard's word.
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|reason| reason.as_str() == name)
    }

    pub(crate) fn from_code(code: u8) -> Option<Self> {
        Self::ALL.into_iter().find(|reason| reason.code() == code)
    }

    /// Whether signatures made before the revocation may be another's.
    pub const fn is_compromise(self) -> bool {
        matches!(
            self,
            Self::KeyCompromise | Self::CaCompromise | Self::AaCompromise
        )
    }
}

impl fmt::Display for RevocationReason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// Since when a certificate does not count, and why.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub struct Revoked {
    /// First second, Unix time: the date of the entry, or an earlier one from which the
    /// authority says that it was invalid.
    pub since: u64,
    /// Why.
    pub reason: RevocationReason,
}

/// Why lists do not answer for a certificate: what came closest to an answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum RevocationGap {
    /// No list of the certificate's issuer is here that covers it.
    #[error("no revocation list of its issuer covers it")]
    NoList,
    /// A list cannot be read, so nobody knows whose it is.
    #[error("a revocation list is malformed")]
    Malformed,
    /// A list is not signed with the issuer's key, or that may not sign lists.
    #[error("a revocation list is not signed by its issuer")]
    NotSigned,
    /// A list of a kind that is not understood.
    #[error("a revocation list is not usable: {why}")]
    Unusable {
        /// What is not understood.
        why: &'static str,
    },
    /// The list ended before the time asked for.
    #[error("the newest revocation list ended at {until}")]
    Stale {
        /// Its next update, Unix time.
        until: u64,
    },
    /// The lists were made after the certificate expired, when its entry may have been dropped.
    #[error("revocation lists were made after the certificate expired")]
    Dropped,
}

impl RevocationGap {
    const fn progress(self) -> u8 {
        match self {
            Self::NoList => 0,
            Self::Malformed => 1,
            Self::NotSigned => 2,
            Self::Unusable { .. } => 3,
            Self::Stale { .. } => 4,
            Self::Dropped => 5,
        }
    }
}

/// What the lists say of one certificate as of a time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Standing {
    /// Not revoked then.
    Good,
    /// Revoked then.
    Revoked(Revoked),
    /// Nobody says.
    Unknown(RevocationGap),
}

/// What the lists say, and which of them does.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Answer {
    pub(super) standing: Standing,
    /// From when on the certificate is revoked, if it ever is.
    pub(super) revoked_from: Option<u64>,
    /// When the list was made that decides; 0 where there is none.
    pub(super) made: u64,
    /// The last second for which that list answers.
    pub(super) until: u64,
}

/// Lists that can be read. One that cannot answers nothing.
#[derive(Debug)]
pub(super) struct Lists<'a> {
    lists: Vec<List<'a>>,
    all_read: bool,
}

impl<'a> Lists<'a> {
    pub(super) fn parse(ders: &'a [Vec<u8>]) -> Self {
        let read = ders.iter().filter_map(|der| List::parse(der).ok());
        let lists: Vec<_> = read.collect();
        let all_read = lists.len() == ders.len();
        Self { lists, all_read }
    }

    /// What they say of a certificate that `issuer` has signed, as of a time. Lists from
    /// `issuer_ends` on are not the issuer's.
    pub(super) fn standing(
        &self,
        certificate: &CertificateParts<'_>,
        issuer: &CertificateParts<'_>,
        issuer_ends: u64,
        at: u64,
    ) -> Answer {
        let mut newest: Option<Word> = None;
        let mut gap = if self.all_read {
            RevocationGap::NoList
        } else {
            RevocationGap::Malformed
        };
        for list in &self.lists {
            match word(list, certificate, issuer, issuer_ends) {
                Ok(word) => newest = Some(newest.map_or(word, |known| known.or_newer(word))),
                Err(closer) if closer.progress() > gap.progress() => gap = closer,
                Err(_) => {}
            }
        }
        let silent = Answer {
            standing: Standing::Unknown(gap),
            revoked_from: None,
            made: 0,
            until: 0,
        };
        newest.map_or(silent, |word| Answer {
            standing: word.as_of(at),
            revoked_from: word.entry.map(|entry| entry.since),
            made: word.made,
            until: word.until,
        })
    }
}

/// What one list says of one certificate.
#[derive(Debug, Clone, Copy)]
struct Word {
    made: u64,
    until: u64,
    entry: Option<Revoked>,
}

impl Word {
    /// The newer of two; of two of the same second the one that says more.
    fn or_newer(self, other: Self) -> Self {
        let newer = other.made > self.made || other.made == self.made && self.entry.is_none();
        if newer { other } else { self }
    }

    fn as_of(self, at: u64) -> Standing {
        let stale = at > self.until;
        match self.entry {
            // It may count again by a list that is not here.
            Some(held) if stale && held.reason == RevocationReason::CertificateHold => {
                Standing::Unknown(RevocationGap::Stale { until: self.until })
            }
            Some(revoked) if revoked.since <= at => Standing::Revoked(revoked),
            Some(_) => Standing::Good,
            None if stale => Standing::Unknown(RevocationGap::Stale { until: self.until }),
            None => Standing::Good,
        }
    }
}

/// What a list says of a certificate, if it is one that answers for it.
fn word(
    list: &List<'_>,
    certificate: &CertificateParts<'_>,
    issuer: &CertificateParts<'_>,
    issuer_ends: u64,
) -> Result<Word, RevocationGap> {
    if !same_name(list.issuer, certificate.issuer) {
        return Err(RevocationGap::NoList);
    }
    let may_sign = issuer.may_sign_lists().unwrap_or(false);
    if !may_sign || !verify(list.signed, list.signature, list.algorithm, issuer.spki) {
        return Err(RevocationGap::NotSigned);
    }
    if list.this_update >= issuer_ends {
        let why = "it was made after its issuer had expired or was revoked";
        return Err(RevocationGap::Unusable { why });
    }
    list.usable().map_err(gap)?;
    if !scope::covers(list.scope, certificate).map_err(gap)? {
        return Err(RevocationGap::NoList);
    }
    let entry = list.entry(certificate.serial).map_err(gap)?;
    let expired = certificate.not_after;
    if entry.is_none() && list.this_update > expired && !list.keeps_expired_at(expired) {
        return Err(RevocationGap::Dropped);
    }
    Ok(Word {
        made: list.this_update,
        until: list.until(),
        entry,
    })
}

/// When a list was made, as Unix time, if this authority (a certificate, DER) has signed it.
/// Whether the authority is to be believed is another question.
pub fn made_by(list: &[u8], authority: &[u8]) -> Option<u64> {
    let authority = CertificateParts::parse(authority).ok()?;
    let list = List::parse(list).ok()?;
    let signed = same_name(list.issuer, authority.subject)
        && authority.may_sign_lists().unwrap_or(false)
        && verify(list.signed, list.signature, list.algorithm, authority.spki);
    signed.then_some(list.this_update)
}

/// When a list says that it was made, as Unix time; `None` if it cannot be read. Nothing in it is
/// verified.
pub fn claims_made(list: &[u8]) -> Option<u64> {
    list_period(list).ok().map(|(made, _)| made)
}

/// From when until when a list answers, as Unix time. Nothing in it is verified.
///
/// # Errors
/// [`ListError`].
pub fn list_period(list: &[u8]) -> Result<(u64, u64), ListError> {
    let list = List::parse(list)?;
    Ok((list.this_update, list.until()))
}

/// What a list says, by serial number, big-endian without zeros before it; none where an entry is
/// not understood. Nothing in it is verified.
pub fn listed(list: &[u8]) -> Option<BTreeMap<&[u8], Revoked>> {
    let mut all = BTreeMap::new();
    let list = List::parse(list).ok()?;
    let each = list.each(|serial, revoked| {
        all.insert(significant(serial), revoked);
    });
    each.ok().map(|()| all)
}

/// A number without the zeros before it.
pub fn significant(number: &[u8]) -> &[u8] {
    let zeros = number.iter().take_while(|byte| **byte == 0).count();
    number.get(zeros..).unwrap_or_default()
}

fn gap(unusable: Unusable) -> RevocationGap {
    RevocationGap::Unusable { why: unusable.0 }
}
