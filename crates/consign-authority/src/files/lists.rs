//! The revocation lists that go with the directory: the issuing authority's and the root's.

use std::error::Error as _;
use std::path::Path;

use consign_domain::{DirectoryVersion, Timestamp};
use consign_pki::issue::{IssueError, Revocation, Validity};
use consign_pki::path::MAX_REVOCATION_LIST;
use consign_pki::path::revocation as revocation_list;
use consign_runtime::files;
use consign_verify::directory::Directory;
use tracing::{debug, warn};

use super::layout::{ISSUING_LIST, Layout, ROOT_LIST};
use super::{Authority, damaged, store, versions};
use crate::ceremony;
use crate::error::AuthorityError;
use crate::register::CertificateRecord;
use crate::revocation;
use crate::settings::DAY;

/// How long the root's revocation list is good: its key is kept offline, and brought once a year.
const ROOT_LIST_SECONDS: u64 = 400 * DAY;

/// What became of the root's revocation list. Its key is kept away for most of the time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RootList {
    /// It is good for long enough, and nobody asked for a new one.
    Stands,
    /// It was signed.
    Signed,
    /// It is time for a new one, or one was asked for, and the root's key is not at hand.
    NotSigned,
}

impl Authority {
    /// The revocation lists made with the newest version: the issuing authority's, the root's. One
    /// that cannot be read keeps no version from being served.
    pub fn newest_lists(dir: &Path) -> Vec<Vec<u8>> {
        let lists = newest(&Layout::new(dir)).into_iter();
        lists.map(|(_, list)| list).collect()
    }

    /// Signs the issuing authority's revocation list, which has the number of a directory's version
    /// and runs out with its head. Once that authority was revoked, its newest list from before
    /// stands: of later ones nobody knows who made them.
    pub(super) fn keep_issuing_list(
        &self,
        directory: &Directory,
        revoked: &[Revocation],
        now: Timestamp,
    ) -> Result<(), AuthorityError> {
        if let Some(revocation) = self.issuing_revoked() {
            return self.bring_list_back(revoked, revocation.since().as_unix());
        }
        let validity = Validity {
            not_before: now.as_unix(),
            not_after: directory.head().expires.as_unix(),
        };
        let number = directory.version().value();
        let list = self.issuing.revocation_list(revoked, number, validity);
        let list = list.map_err(|source| AuthorityError::List { source })?;
        store::keep_list(&self.layout.issuing_list(), &list)
    }

    /// Puts the issuing authority's newest list from before a moment in the place of a later one,
    /// if a version has one that is silent about nothing which counts for nothing from before then.
    fn bring_list_back(&self, revoked: &[Revocation], moment: u64) -> Result<(), AuthorityError> {
        let is_before =
            |list: &[u8]| revocation_list::claims_made(list).is_some_and(|made| made < moment);
        let path = self.layout.issuing_list();
        if read(&path).is_some_and(|list| is_before(&list)) {
            return Ok(());
        }
        let earlier = revoked.iter().filter(|one| since(one) < moment);
        let earlier: Vec<_> = earlier.cloned().collect();
        let directory = self.layout.directory();
        let mut all = versions::all(&directory)?;
        all.sort_unstable();
        let lists = all.into_iter().rev();
        let mut lists = lists
            .filter_map(|version| read(&versions::place(&directory, version).join(ISSUING_LIST)));
        match lists.find(|list| is_before(list)) {
            Some(list) if says(&list, &earlier) => store::keep_list(&path, &list),
            _ => Ok(()),
        }
    }

    /// The root's list, but that its key may be away where nobody asked for it.
    pub(super) fn keep_root_list(
        &self,
        number: u64,
        force: bool,
        now: Timestamp,
    ) -> Result<RootList, AuthorityError> {
        match self.publish_root_list(number, force, now) {
            // Who runs the authority is told once a day, before it runs out.
            Err(fault) if !force && is_away(&fault) => {
                let cause = fault.source();
                debug!(%fault, ?cause, "the root's revocation list is not signed");
                Ok(RootList::NotSigned)
            }
            done => done,
        }
    }

    /// The root's list is good for longer and leaves a record. It is signed where the root's key
    /// is at hand and half of its life is over, where it does not say all, or where an operator
    /// wants it.
    fn publish_root_list(
        &self,
        number: u64,
        force: bool,
        now: Timestamp,
    ) -> Result<RootList, AuthorityError> {
        let half = now.plus_seconds(ROOT_LIST_SECONDS / 2);
        // One that cannot be read is made anew, and keeps no version from coming.
        let until = store::root_list_until(&self.layout).unwrap_or_else(|fault| {
            warn!(%fault, cause = ?fault.source(), "the root's revocation list cannot be read");
            None
        });
        if !force
            && until.is_some_and(|until| until > half)
            && root_says_all(&self.layout, &self.revoked)?
        {
            return Ok(RootList::Stands);
        }
        let Some(root) = store::root_authority(&self.layout, &self.keyring)? else {
            return Ok(RootList::NotSigned);
        };
        let validity = Validity {
            not_before: now.as_unix(),
            not_after: now.plus_seconds(ROOT_LIST_SECONDS).as_unix(),
        };
        let revoked = revoked_by_root(&self.layout, &self.revoked)?;
        let list = root.revocation_list(&revoked, number, validity);
        let list = list.map_err(|source| AuthorityError::List { source })?;
        ceremony::root_list(&self.layout, &self.settings, &list, number, now)?;
        store::keep_list(&self.layout.root_list(), &list)?;
        Ok(RootList::Signed)
    }

    /// Whether a version has brought to others what the root's list says of issuing certificates.
    pub(super) fn has_brought_revocations(
        &self,
        version: DirectoryVersion,
    ) -> Result<bool, AuthorityError> {
        let revoked = revoked_by_root(&self.layout, &self.revoked)?;
        let says = |path: &Path| read(path).is_some_and(|list| says(&list, &revoked));
        let place = versions::place(&self.layout.directory(), version);
        Ok(revoked.is_empty()
            || says(&place.join(ROOT_LIST))
            // There is nothing to bring.
            || !says(&self.layout.root_list()))
    }
}

/// A list, if it is there. One that cannot be read keeps nobody from anything.
pub(super) fn read(path: &Path) -> Option<Vec<u8>> {
    match files::read_bounded(path, MAX_REVOCATION_LIST) {
        Ok(list) => Some(list),
        Err(fault) if fault.is_not_found() => None,
        Err(fault) => {
            warn!(%fault, "a revocation list cannot be read, and is left out");
            None
        }
    }
}

/// The lists that are here, by the names of their files.
pub(super) fn newest(layout: &Layout) -> Vec<(&'static str, Vec<u8>)> {
    let lists = [ISSUING_LIST, ROOT_LIST].into_iter();
    lists
        .filter_map(|name| Some((name, read(&layout.lists().join(name))?)))
        .collect()
}

/// Whether the root's list says of each issuing certificate what is to be said.
pub(super) fn root_says_all(
    layout: &Layout,
    revoked: &[CertificateRecord],
) -> Result<bool, AuthorityError> {
    let revoked = revoked_by_root(layout, revoked)?;
    Ok(revoked.is_empty() || read(&layout.root_list()).is_some_and(|list| says(&list, &revoked)))
}

fn revoked_by_root(
    layout: &Layout,
    revoked: &[CertificateRecord],
) -> Result<Vec<Revocation>, AuthorityError> {
    let revoked = revocation::listed(revoked.iter());
    revoked.map_err(|source| damaged(&layout.revoked_authorities(), source))
}

/// Whether a list says of each certificate what is to be said.
pub(super) fn says(list: &[u8], revoked: &[Revocation]) -> bool {
    let Some(listed) = revocation_list::listed(list) else {
        return false;
    };
    revoked.iter().all(|one| {
        let since = since(one);
        let serial = revocation_list::significant(&one.serial);
        listed
            .get(serial)
            .is_some_and(|listed| listed.since == since && listed.reason == one.reason)
    })
}

/// From when on a certificate counts for nothing, Unix time.
fn since(one: &Revocation) -> u64 {
    one.invalid_from.map_or(one.at, |from| from.min(one.at))
}

/// Whether a key cannot be used for now, in a token or under a passphrase.
fn is_away(fault: &AuthorityError) -> bool {
    match fault {
        AuthorityError::Keyring(_) => true,
        AuthorityError::List {
            source: IssueError::Seal(fault),
        } => fault.is_keepers(),
        _ => false,
    }
}
