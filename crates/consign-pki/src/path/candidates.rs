//! Candidate paths, by comparing names only.
//!
//! Names match as RFC 5280 §7.1 compares them: without regard to case, repeated spaces and
//! string type. The search is bounded: a set of certificates that all name each other
//! yields a few candidates.

use super::validator::same_name;
use super::{MAX_CANDIDATES, MAX_PATH_LENGTH, PathError};
use crate::certificate::{CertificateParts, fingerprint};

/// A certificate with its slices.
#[derive(Debug, Clone)]
pub(super) struct Certificate<'a> {
    pub(super) der: &'a [u8],
    pub(super) parts: CertificateParts<'a>,
    pub(super) fingerprint: [u8; 32],
}

impl<'a> Certificate<'a> {
    pub(super) fn parse(der: &'a [u8]) -> Result<Self, PathError> {
        let fingerprint = fingerprint(der);
        let parts = CertificateParts::parse(der).map_err(|source| PathError::Malformed {
            fingerprint,
            source: Some(source),
        })?;
        Ok(Self {
            der,
            parts,
            fingerprint,
        })
    }
}

/// Those that can be read: a broken one among many leads nowhere and harms nobody.
pub(super) fn parse_all(certificates: &[Vec<u8>]) -> Vec<Certificate<'_>> {
    certificates
        .iter()
        .filter_map(|der| Certificate::parse(der).ok())
        .collect()
}

/// One candidate: end entity, authorities upwards, root.
#[derive(Debug, Clone)]
pub(super) struct CandidatePath<'p, 'a> {
    pub(super) end_entity: &'p Certificate<'a>,
    /// From the end entity's issuer upwards.
    pub(super) authorities: Vec<&'p Certificate<'a>>,
    pub(super) root: &'p Certificate<'a>,
}

impl<'p, 'a> CandidatePath<'p, 'a> {
    /// Everything below the root, from the end entity upwards.
    pub(super) fn below_root(&self) -> impl Iterator<Item = &'p Certificate<'a>> + '_ {
        std::iter::once(self.end_entity).chain(self.authorities.iter().copied())
    }

    /// The last second at which all certificates are within their dates.
    pub(super) fn not_after(&self) -> u64 {
        let below = self.below_root().map(|one| one.parts.not_after);
        below.fold(self.root.parts.not_after, u64::min)
    }

    pub(super) fn fingerprints(&self) -> Vec<[u8; 32]> {
        self.below_root()
            .map(|certificate| certificate.fingerprint)
            .chain([self.root.fingerprint])
            .collect()
    }
}

/// All candidates within the bounds, shortest first.
pub(super) fn build<'p, 'a>(
    end_entity: &'p Certificate<'a>,
    authorities: &'p [Certificate<'a>],
    roots: &'p [Certificate<'a>],
) -> Result<Vec<CandidatePath<'p, 'a>>, PathError> {
    let mut complete = Vec::new();
    let mut partial: Vec<Vec<&Certificate<'a>>> = vec![Vec::new()];
    for length in 0..=MAX_PATH_LENGTH {
        let mut longer = Vec::new();
        for chain in &partial {
            let issuer = chain.last().map_or(end_entity, |last| last).parts.issuer;
            for root in roots
                .iter()
                .filter(|root| same_name(root.parts.subject, issuer))
            {
                complete.push(CandidatePath {
                    end_entity,
                    authorities: chain.clone(),
                    root,
                });
            }
            for next in authorities
                .iter()
                .filter(|next| same_name(next.parts.subject, issuer))
            {
                if is_new(next, chain, end_entity, roots) {
                    longer.push([chain.as_slice(), &[next]].concat());
                }
            }
        }
        if complete.len() >= MAX_CANDIDATES || longer.is_empty() {
            break;
        }
        if length == MAX_PATH_LENGTH && complete.is_empty() {
            return Err(PathError::TooLong);
        }
        longer.truncate(MAX_CANDIDATES);
        partial = longer;
    }
    complete.truncate(MAX_CANDIDATES);
    if complete.is_empty() {
        Err(PathError::Untrusted)
    } else {
        Ok(complete)
    }
}

/// No certificate twice on a path, and a root only at its end.
fn is_new(
    next: &Certificate<'_>,
    chain: &[&Certificate<'_>],
    end_entity: &Certificate<'_>,
    roots: &[Certificate<'_>],
) -> bool {
    let same = |other: &Certificate<'_>| other.fingerprint == next.fingerprint;
    !same(end_entity) && !chain.iter().any(|other| same(other)) && !roots.iter().any(same)
}
