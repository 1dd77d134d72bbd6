//! Publishing: the next version of the directory, and the revocation lists that go with it.

use std::error::Error as _;
use std::path::PathBuf;

use consign_domain::{DirectoryVersion, Timestamp};
use consign_pki::issue::{IssueError, Revocation, Validity};
use consign_pki::path::revocation as revocation_list;
use consign_verify::directory::Directory;
use tracing::{debug, warn};

use super::{Authority, damaged, newest_directory, store, versions};
use crate::ceremony;
use crate::error::AuthorityError;
use crate::publication::{self, Before};
use crate::revocation;
use crate::settings::DAY;

/// How long the root's revocation list is good: its key is kept offline, and brought once a year.
const ROOT_LIST_SECONDS: u64 = 400 * DAY;

/// How the directory is published.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct PublishOptions {
    /// How long the head is good, in seconds; else as the settings say.
    pub life_seconds: Option<u64>,
    /// Whether a new version is made although the newest one says the same and is fresh.
    pub force: bool,
}

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

/// The directory that stands after publishing.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Published {
    /// Its version.
    pub version: DirectoryVersion,
    /// Whether it was made now; else it stood already, said the same and was fresh.
    pub is_new: bool,
    /// When its head expires.
    pub expires: Timestamp,
    /// How many entries it has.
    pub entries: u64,
    /// Where it lies.
    pub path: PathBuf,
    /// The root's revocation list.
    pub root_list: RootList,
}

impl Authority {
    /// Publishes the directory, unless the newest version and its lists say the same and it has
    /// more than half of its life left. What readers would refuse is never published.
    ///
    /// A root key that is away keeps nobody from publishing, unless that is forced: its list is
    /// wanted then.
    ///
    /// # Errors
    /// [`AuthorityError`]; the newest version then still stands.
    pub fn publish(
        &mut self,
        options: PublishOptions,
        now: Timestamp,
    ) -> Result<Published, AuthorityError> {
        self.register.check_references()?;
        let before = newest_directory(&self.layout, &self.trust)?;
        let lines = self.register.lines();
        let revoked = revocation::revoked(&self.register);
        let revoked = revoked.map_err(|source| damaged(&self.layout.entries(), source))?;
        let entries = publication::join(&lines);
        if let Some(before) = &before
            && !options.force
            && publication::suffices(as_before(before), &entries, now)
            // A list that says more comes with a version of its own: nodes ask for nothing else.
            && (self.root_says_all()? || !self.is_root_here())
        {
            match store::list(&self.layout.issuing_list())? {
                Some(list) if self.issuing_revoked().is_some() || says(&list, &revoked) => {
                    let number = before.version().value();
                    let root_list = self.keep_root_list(number, false, now)?;
                    return Ok(self.published(before, false, root_list));
                }
                // The next version has lists that say it.
                Some(_) => {}
                None => {
                    let root_list = self.publish_lists(before, &revoked, false, now)?;
                    return Ok(self.published(before, false, root_list));
                }
            }
        }
        let usual = self.settings.lives.head_days.saturating_mul(DAY);
        let version = publication::sign(
            &self.settings,
            &self.directory_key,
            &lines,
            before.as_ref().map(as_before),
            now,
            options.life_seconds.unwrap_or(usual),
        )?;
        let directory =
            Directory::verify(version.head.clone(), version.entries.clone(), &self.trust)
                .map_err(|source| AuthorityError::Unpublishable { source })?;
        // Before the version: where this is cut short, the same command does all of it again.
        let root_list = self.publish_lists(&directory, &revoked, options.force, now)?;
        versions::write(&self.layout.directory(), directory.version(), &version)?;
        Ok(self.published(&directory, true, root_list))
    }

    /// Signs the revocation lists, which have the number of the directory's version. The issuing
    /// authority's runs out with the head, and stays as it is once that authority was revoked.
    fn publish_lists(
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
        if self.issuing_revoked().is_none() {
            let list = self.issuing.revocation_list(revoked, number, validity);
            let list = list.map_err(|source| AuthorityError::List { source })?;
            store::keep_list(&self.layout.issuing_list(), &list)?;
        }
        self.keep_root_list(number, force, now)
    }

    /// The same for the root's list, but that its key may be away where nobody asked for it.
    fn keep_root_list(
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
        if !force && until.is_some_and(|until| until > half) && self.root_says_all()? {
            return Ok(RootList::Stands);
        }
        let Some(root) = store::root_authority(&self.layout, &self.keyring)? else {
            return Ok(RootList::NotSigned);
        };
        let validity = Validity {
            not_before: now.as_unix(),
            not_after: now.plus_seconds(ROOT_LIST_SECONDS).as_unix(),
        };
        let revoked = self.revoked_by_root()?;
        let list = root.revocation_list(&revoked, number, validity);
        let list = list.map_err(|source| AuthorityError::List { source })?;
        ceremony::root_list(&self.layout, &self.settings, &list, number, now)?;
        store::keep_list(&self.layout.root_list(), &list)?;
        Ok(RootList::Signed)
    }

    /// Whether the root's list says of each issuing certificate what is to be said.
    pub(super) fn root_says_all(&self) -> Result<bool, AuthorityError> {
        let revoked = self.revoked_by_root()?;
        if revoked.is_empty() {
            // One that cannot be read keeps nobody from anything then.
            return Ok(true);
        }
        let list = store::list(&self.layout.root_list())?;
        Ok(list.is_some_and(|list| says(&list, &revoked)))
    }

    fn revoked_by_root(&self) -> Result<Vec<Revocation>, AuthorityError> {
        let revoked = revocation::listed(self.revoked.iter());
        revoked.map_err(|source| damaged(&self.layout.revoked_authorities(), source))
    }

    fn is_root_here(&self) -> bool {
        matches!(
            store::root_authority(&self.layout, &self.keyring),
            Ok(Some(_))
        )
    }

    fn published(&self, directory: &Directory, is_new: bool, root_list: RootList) -> Published {
        let version = directory.version();
        Published {
            version,
            is_new,
            expires: directory.head().expires,
            entries: directory.head().entries,
            path: versions::place(&self.layout.directory(), version),
            root_list,
        }
    }
}

/// Whether a list says of each certificate what is to be said.
fn says(list: &[u8], revoked: &[Revocation]) -> bool {
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

fn as_before(directory: &Directory) -> Before<'_> {
    Before {
        head: directory.head(),
        digest: directory.signed_head().digest(),
        entries: directory.entries(),
    }
}
