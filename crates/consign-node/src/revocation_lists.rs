//! The revocation lists that come with the directory: kept in `trust/crl/`, where whoever checks
//! with stock tools or `consign verify` finds them.
//!
//! They prove themselves: one is kept only if an authority under the pinned roots has signed it,
//! and in the place of one that was made later only where that is from after the authority was
//! revoked. Of seals the directory decides; that a
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
        let mut named = Vec::new();
        for list in lists {
            match self.signers.name_of(list) {
                None => warn!("a revocation list that no authority of ours has signed is ignored"),
                Some(name) => named.push((name, list)),
            }
        }
        // The root's says which of the others count.
        named.sort_by_key(|((name, _), _)| *name != ROOT_LIST);
        for (name, list) in named {
            if let Err(fault) = self.keep_as(name, list) {
                warn!(%fault, "a revocation list could not be kept");
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
                // Of an authority that was revoked none is to come.
                || *name == ISSUING_LIST && self.revoked_from().is_some()
        };
        self.signers.names().iter().all(answers)
    }

    fn keep_as(&self, (name, made): (&'static str, u64), list: &[u8]) -> Result<(), FileError> {
        let path = self.place.join(name);
        let here = files::read_bounded(&path, MAX_REVOCATION_LIST).ok();
        let here = here.and_then(|here| Some((self.signers.name_of(&here)?.1, here)));
        let ends = self.revoked_from().filter(|_| name == ISSUING_LIST);
        // One from before its authority was revoked outweighs later ones, which are anybody's. Of
        // two of one second the one that came later.
        let rank = |made: u64| (ends.is_none_or(|ends| made < ends), made);
        if here.is_some_and(|(before, here)| rank(before) > rank(made) || here == list) {
            return Ok(());
        }
        files::create_dir_durable(&self.place, PRIVATE_DIRECTORY)?;
        files::publish(&path, list, PRIVATE)?;
        info!(name, "newer revocation list kept");
        Ok(())
    }

    /// From when on lists of the issuing authority count for nothing, by the root's list here.
    fn revoked_from(&self) -> Option<u64> {
        let path = self.place.join(ROOT_LIST);
        let list = files::read_bounded(&path, MAX_REVOCATION_LIST).ok()?;
        self.signers.revoked_from(&list)
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

#[cfg(test)]
mod tests {
    use consign_authority::{Authority, PublishOptions, RevokeOptions};
    use consign_pki::path::revocation::RevocationReason;

    use super::*;
    use crate::testing::{Network, now};

    const DAY: u64 = 86_400;

    #[test]
    fn after_a_theft_the_list_from_before_it_stands_again_and_no_other_is_awaited() {
        let network = Network::new();
        let (node, authority) = (network.node(0), network.authority());
        let days = |days| now().plus_seconds(days * DAY);
        let read = |name: &str| {
            let list = std::fs::read(authority.join("trust/crl").join(name));
            Bytes::from(list.unwrap())
        };
        let chain = std::fs::read(node.tls_certificate_file()).unwrap();
        let place = node.trust_dir().join("crl");
        let lists = RevocationLists::new(place.clone(), network.trust.roots(), &chain, now());
        let here = || Bytes::from(std::fs::read(place.join(ISSUING_LIST)).unwrap());

        let before = read(ISSUING_LIST);
        consign_authority::publish(&authority, PublishOptions::default(), days(20)).unwrap();
        let after = read(ISSUING_LIST);
        lists.keep(&[after.clone(), read(ROOT_LIST)]);
        assert_eq!(here(), after);
        assert!(!lists.cover(days(300)), "a newer one is to come");

        let stolen = RevokeOptions {
            reason: RevocationReason::KeyCompromise,
            at: None,
            invalid_from: Some(days(5)),
        };
        let mut at_work = Authority::open(&authority).unwrap();
        at_work.revoke_issuing(stolen, days(21)).unwrap();
        lists.keep(&[read(ISSUING_LIST), read(ROOT_LIST)]);
        assert_eq!(here(), before);
        lists.keep(&[after]);
        assert_eq!(here(), before);
        assert!(lists.cover(days(300)), "none is to come");
    }
}
