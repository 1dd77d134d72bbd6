//! Roots of others in the trust file: they stand beside the network's own, and vouch for nothing
//! but what they are named for.

use consign_domain::Timestamp;
use consign_pki::certificate::{CertificateDetails, CertificateError};
use consign_pki::path::MAX_ROOTS;
use consign_runtime::files;
use consign_verify::TrustStore;
use consign_verify::trust::MAX_TRUST;

use super::{Authority, PUBLIC};
use crate::ceremony;
use crate::error::AuthorityError;

/// Why a root of others is not taken.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum RootError {
    /// It is not a certificate.
    #[error("a root cannot be read")]
    Certificate(#[from] CertificateError),
    /// It may not issue certificates.
    #[error("{name} is not the certificate of an authority")]
    NoAuthority {
        /// Its name.
        name: String,
    },
    /// More than verifiers take.
    #[error("with these there would be {count} roots, and verifiers take {limit}; add fewer")]
    TooMany {
        /// How many there would be for time-stamps, or for documents.
        count: usize,
        /// How many there may be.
        limit: usize,
    },
    /// The trust file would be too large to be read.
    #[error("with these the trust file would have {size} bytes, and may have {limit}; add fewer")]
    TooLarge {
        /// Its size.
        size: usize,
        /// The largest.
        limit: usize,
    },
}

/// What a root of others vouches for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum RootUse {
    /// Signatures inside documents, such as those of the Government's CA in PDF files.
    Documents,
    /// Time-stamps.
    TimeStamps,
}

impl Authority {
    /// Adds roots (DER) of others to the trust file, from which every node starts that is enrolled
    /// from now on; the change leaves a record. Roots that are there already are passed over; says
    /// how many were added.
    ///
    /// # Errors
    /// One is not a certificate of an authority, or the file cannot be written.
    pub fn trust_roots(
        &mut self,
        usage: RootUse,
        roots: Vec<Vec<u8>>,
        now: Timestamp,
    ) -> Result<usize, AuthorityError> {
        let known = match usage {
            RootUse::Documents => self.trust.document_roots(),
            RootUse::TimeStamps => self.trust.time_stamp_roots(),
        };
        let mut new: Vec<Vec<u8>> = Vec::new();
        for root in roots {
            let details = CertificateDetails::from_der(&root).map_err(RootError::from)?;
            if !details.is_authority {
                let name = details.subject;
                return Err(RootError::NoAuthority { name }.into());
            }
            if !known.contains(&root) && !new.contains(&root) {
                new.push(root);
            }
        }
        let added = new.len();
        if added > 0 {
            let trust = self.trust.clone();
            let (trust, done) = match usage {
                RootUse::Documents => (
                    trust.with_document_roots(new),
                    "roots for documents were added to the trust file",
                ),
                RootUse::TimeStamps => (
                    trust.with_time_stamp_roots(new),
                    "roots for time-stamps were added to the trust file",
                ),
            };
            let bytes = trust.to_bytes();
            check_size(&trust, bytes.len())?;
            ceremony::trust_change(&self.layout, &self.settings, &bytes, done, now)?;
            files::publish(&self.layout.trust_json(), &bytes, PUBLIC)?;
            self.trust = trust;
        }
        Ok(added)
    }
}

/// The network's own roots are judged together with those of one use.
fn check_size(trust: &TrustStore, size: usize) -> Result<(), RootError> {
    let others = trust.document_roots().len();
    let others = others.max(trust.time_stamp_roots().len());
    let count = trust.roots().len() + others;
    if count > MAX_ROOTS {
        let limit = MAX_ROOTS;
        return Err(RootError::TooMany { count, limit });
    }
    if size > MAX_TRUST {
        let limit = MAX_TRUST;
        return Err(RootError::TooLarge { size, limit });
    }
    Ok(())
}
