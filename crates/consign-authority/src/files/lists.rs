//! The revocation lists that go with the directory: the issuing authority's and the root's.

use std::error::Error as _;
use std::path::Path;

use consign_domain::Timestamp;
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

    /// Signs the revocation lists, which have the number of the directory's version. The issuing
    /// authority's runs out with the head. Once that authority was revoked, its newest list from
    /// before stands: of later ones nobody knows who made them.
    pub(super) fn publish_lists(
        &self,
        directory: &Directory,
        revoked: &[Revocation],
        force: bool,
        now: Timestamp,
    ) -> Result<RootList, AuthorityError> {
        let validity = Validity {
            not_before: now.as_unix(),
            not_after: directory.head().expires.as_unix(),
        };
        let number = directory.version().value();
        if let Some(revocation) = self.issuing_revoked() {
            self.bring_list_back(revocation.since())?;
        } else {
            let list = self.issuing.revocation_list(revoked, number, validity);
            let list = list.map_err(|source| AuthorityError::List { source })?;
            store::keep_list(&self.layout.issuing_list(), &list)?;
        }
        self.keep_root_list(number, force, now)
    }

    /// Puts the issuing authority's newest list from before a moment in the place of a later one,
    /// if a version has one.
    fn bring_list_back(&self, since: Timestamp) -> Result<(), AuthorityError> {
        let is_before = |list: &Vec<u8>| {
            revocation_list::claims_made(list).is_some_and(|made| made < since.as_unix())
        };
        let path = self.layout.issuing_list();
        if store::list(&path)?.is_some_and(|list| is_before(&list)) {
            return Ok(());
        }
        let directory = self.layout.directory();
        let mut all = versions::all(&directory)?;
        all.sort_unstable();
        for version in all.into_iter().rev() {
            let of_version = versions::place(&directory, version).join(ISSUING_LIST);
            if let Some(list) = store::list(&of_version)?.filter(is_before) {
                return store::keep_list(&path, &list);
            }
        }
        Ok(())
    }

    /// The same for the root's list, but that its key may be away where nobody asked for it.
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

    /// Whether a version was made with the root's list, or after it, where that list revokes.
    pub(super) fn root_list_is_out(&self, newest: &Directory) -> Result<bool, AuthorityError> {
        if self.revoked.is_empty() {
            return Ok(true);
        }
        let list = store::list(&self.layout.root_list())?;
        let made = list.and_then(|list| revocation_list::claims_made(&list));
        Ok(made.is_none_or(|made| made <= newest.head().time.as_unix()))
    }

    pub(super) fn is_root_here(&self) -> bool {
        matches!(
            store::root_authority(&self.layout, &self.keyring),
            Ok(Some(_))
        )
    }
}

/// The lists that are here, by the names of their files. One that cannot be read is left out.
pub(super) fn newest(layout: &Layout) -> Vec<(&'static str, Vec<u8>)> {
    let mut lists = Vec::new();
    for name in [ISSUING_LIST, ROOT_LIST] {
        match files::read_bounded(&layout.lists().join(name), MAX_REVOCATION_LIST) {
            Ok(list) => lists.push((name, list)),
            Err(fault) if fault.is_not_found() => {}
            Err(fault) => warn!(%fault, "a revocation list cannot be read, and is left out"),
        }
    }
    lists
}

/// Whether the root's list says of each issuing certificate what is to be said.
pub(super) fn root_says_all(
    layout: &Layout,
    revoked: &[CertificateRecord],
) -> Result<bool, AuthorityError> {
    let revoked = revoked_by_root(layout, revoked)?;
    if revoked.is_empty() {
        // One that cannot be read keeps nobody from anything then.
        return Ok(true);
    }
    let list = store::list(&layout.root_list())?;
    Ok(list.is_some_and(|list| says(&list, &revoked)))
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
        let since = one.invalid_from.map_or(one.at, |from| from.min(one.at));
        let serial = revocation_list::significant(&one.serial);
        listed
            .get(serial)
            .is_some_and(|listed| listed.since == since && listed.reason == one.reason)
    })
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
