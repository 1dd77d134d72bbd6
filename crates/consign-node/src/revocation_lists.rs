//! The revocation lists that come with the directory: kept in `trust/crl/`, where whoever checks
//! with stock tools or `consign verify` finds them.
//!
//! They prove themselves: one is kept only if an authority under the pinned roots has signed it,
//! and never in the place of one that was made later. Of seals the directory decides; that a
//! time-stamp authority's key is known to others is in lists alone, also in those that an operator
//! puts there for an authority outside the network.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use arc_swap::ArcSwap;
use bytes::Bytes;
use consign_domain::Timestamp;
use consign_enrol::{ISSUING_LIST, ListSigners, ROOT_LIST};
use consign_pki::certificate;
use consign_pki::path::revocation::{list_period, read_list};
use consign_pki::path::{MAX_REVOCATION_LIST, MAX_REVOCATION_LISTS, PathPurpose};
use consign_runtime::files::{self, FileError, PRIVATE, PRIVATE_DIRECTORY};
use tracing::{info, warn};

use crate::durable;

/// Most lists that come with one version.
pub(crate) const MOST: usize = 4;

/// Where lists are kept, and whose are.
#[derive(Debug, Default)]
pub(crate) struct RevocationLists {
    place: PathBuf,
    signers: ListSigners,
    here: ListsHere,
}

/// The lists that are here, for whoever judges by them: read from the disk when the node starts
/// and when a directory comes, and not for every document.
#[derive(Debug, Clone, Default)]
pub(crate) struct ListsHere(Arc<ArcSwap<Vec<Vec<u8>>>>);

impl ListsHere {
    /// The lists, DER.
    pub(crate) fn now(&self) -> Arc<Vec<Vec<u8>>> {
        self.0.load_full()
    }
}

impl RevocationLists {
    /// Kept in `place`: those of the roots, and of the authorities between them and the first
    /// certificate of a chain in PEM, the node's own.
    pub(crate) fn new(place: PathBuf, roots: &[Vec<u8>], chain: &[u8], now: Timestamp) -> Self {
        let text = std::str::from_utf8(chain).unwrap_or_default();
        let chain = certificate::read_bundle(text).unwrap_or_default();
        let own = chain.first().map_or(&[][..], Vec::as_slice);
        let chain = (own, chain.get(1..).unwrap_or_default());
        let signers = ListSigners::new(roots, chain, &PathPurpose::tls_client(), now);
        Self {
            here: ListsHere(Arc::new(ArcSwap::from_pointee(
                read(&place).unwrap_or_default(),
            ))),
            place,
            signers,
        }
    }

    /// The lists that are here.
    pub(crate) const fn here(&self) -> &ListsHere {
        &self.here
    }

    /// Keeps what proves itself and is newer than what is here. Blocks. What cannot be kept is
    /// said and held against nobody: the directory counts without it.
    pub(crate) fn keep(&self, lists: &[Bytes]) {
        for list in lists {
            match self.signers.name_of(list) {
                None => warn!("a revocation list that no authority of ours has signed is ignored"),
                Some(name) => {
                    if let Err(fault) = self.keep_as(name, list) {
                        warn!(%fault, "a revocation list could not be kept");
                    }
                }
            }
        }
        self.here
            .0
            .store(Arc::new(read(&self.place).unwrap_or_default()));
    }

    /// Whether lists of the root and of the authorities under it are here that answer for a time.
    /// Blocks.
    pub(crate) fn cover(&self, at: Timestamp) -> bool {
        let answers = |name: &&str| {
            let list = files::read_bounded(&self.place.join(name), MAX_REVOCATION_LIST).ok();
            let by = |list: &Vec<u8>| self.signers.name_of(list).map(|(by, _)| by);
            let list = list.filter(|list| by(list) == Some(name));
            let period = list.and_then(|list| list_period(&list).ok());
            period.is_some_and(|(_, until)| at.as_unix() <= until)
        };
        self.signers.names().iter().all(answers)
    }

    fn keep_as(&self, (name, made): (&'static str, u64), list: &[u8]) -> Result<(), FileError> {
        let path = self.place.join(name);
        let here = files::read_bounded(&path, MAX_REVOCATION_LIST).ok();
        let here = here.and_then(|here| Some((self.signers.name_of(&here)?.1, here)));
        // Of two of one second the one that came later.
        if here.is_some_and(|(before, here)| before > made || here == list) {
            return Ok(());
        }
        files::create_dir_durable(&self.place, PRIVATE_DIRECTORY)?;
        files::publish(&path, list, PRIVATE)?;
        info!(name, "newer revocation list kept");
        Ok(())
    }
}

/// The lists in a directory, as many as are looked at. Blocks. One that cannot be read is said
/// and passed over.
pub(crate) fn read(place: &Path) -> Result<Vec<Vec<u8>>, FileError> {
    let mut names = durable::names(place)?;
    names.retain(|name| name.ends_with(".crl"));
    // The network's own come first, however many an operator adds.
    names.sort_by_key(|name| ![ROOT_LIST, ISSUING_LIST].contains(&name.as_str()));
    let mut lists = Vec::new();
    for name in names.iter().take(MAX_REVOCATION_LISTS) {
        let path = place.join(name);
        // PEM is longer than the list in it.
        match files::read_bounded(&path, 2 * MAX_REVOCATION_LIST).map(read_list) {
            Ok(Ok(list)) => lists.push(list),
            Ok(Err(fault)) => warn!(%fault, path = %path.display(), "no revocation list"),
            Err(fault) => warn!(%fault, "a revocation list could not be read"),
        }
    }
    Ok(lists)
}
