//! Whose the revocation lists are that come with a directory. They are told apart by who has signed
//! them and not by their place in a row: whoever has only one of them gives that one.

use consign_domain::Timestamp;
use consign_pki::certificate;
use consign_pki::certificate::CertificateDetails;
use consign_pki::path::revocation::{listed, made_by, significant};
use consign_pki::path::{PathPurpose, validate};

/// The file that the root's list is kept in.
pub const ROOT_LIST: &str = "root.crl";
/// The file that the issuing authority's list is kept in.
pub const ISSUING_LIST: &str = "issuing.crl";

/// Who signs the lists of a network: its roots, and authorities that a root has certified.
#[derive(Debug, Clone, Default)]
pub struct ListSigners {
    roots: Vec<Vec<u8>>,
    authorities: Vec<Vec<u8>>,
}

impl ListSigners {
    /// The roots, and the authorities between them and a certificate of a purpose, if `above` leads
    /// from it to one of them as of `now`; all in DER.
    pub fn new(
        roots: &[Vec<u8>],
        (own, above): (&[u8], &[Vec<u8>]),
        purpose: &PathPurpose,
        now: Timestamp,
    ) -> Self {
        let path = validate(own, above, roots, now.as_unix(), purpose);
        let path = path.map_or_else(|_| Vec::new(), |path| path.fingerprints);
        let on_path = |der: &&Vec<u8>| path.contains(&certificate::fingerprint(der));
        Self {
            roots: roots.to_vec(),
            authorities: above.iter().filter(on_path).cloned().collect(),
        }
    }

    /// The files of the lists that there are to be.
    pub fn names(&self) -> &'static [&'static str] {
        if self.authorities.is_empty() {
            &[ROOT_LIST]
        } else {
            &[ROOT_LIST, ISSUING_LIST]
        }
    }

    /// From when on, as Unix time, lists of the authorities count for nothing, by a list of the
    /// root's: one of these authorities is revoked there.
    pub fn revoked_from(&self, root_list: &[u8]) -> Option<u64> {
        self.name_of(root_list)
            .filter(|(name, _)| *name == ROOT_LIST)?;
        let listed = listed(root_list)?;
        let serials = self.authorities.iter().filter_map(|der| {
            let details = CertificateDetails::from_der(der).ok()?;
            hex::decode(details.serial_hex).ok()
        });
        let since = serials.filter_map(|serial| Some(listed.get(significant(&serial))?.since));
        since.min()
    }

    /// The file that a list is kept in, and when the list was made, as Unix time; `None` where
    /// nobody of these has signed it.
    pub fn name_of(&self, list: &[u8]) -> Option<(&'static str, u64)> {
        let by = |signers: &[Vec<u8>]| signers.iter().find_map(|der| made_by(list, der));
        let of_root = by(&self.roots).map(|made| (ROOT_LIST, made));
        of_root.or_else(|| by(&self.authorities).map(|made| (ISSUING_LIST, made)))
    }
}
