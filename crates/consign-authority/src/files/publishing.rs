//! Publishing: the next version of the directory, with the revocation lists that go with it.

use std::path::PathBuf;

use consign_domain::{DirectoryVersion, Timestamp};
use consign_verify::directory::Directory;

use super::lists::{self, RootList};
use super::{Authority, damaged, newest_directory, versions};
use crate::error::AuthorityError;
use crate::publication::{self, Before};
use crate::revocation;
use crate::settings::DAY;

/// How the directory is published.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct PublishOptions {
    /// How long the head is good, in seconds; else as the settings say.
    pub life_seconds: Option<u64>,
    /// Whether a new version is made although the newest one says the same and is fresh.
    pub force: bool,
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
        let mut root_list = RootList::Stands;
        if let Some(before) = &before
            && !options.force
            && publication::suffices(as_before(before), &entries, now)
        {
            root_list = self.keep_root_list(before.version().value(), false, now)?;
            // A list that says more comes with a version of its own: nodes ask for nothing else.
            if self.has_brought_revocations(before.version())? {
                let list = lists::read(&self.layout.issuing_list());
                if list.is_none() {
                    self.keep_issuing_list(before, &revoked, now)?;
                }
                let is_settled = self.issuing_revoked().is_some();
                // Else the next version has lists that say it.
                if is_settled || list.is_none_or(|list| lists::says(&list, &revoked)) {
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
        let number = directory.version();
        self.keep_issuing_list(&directory, &revoked, now)?;
        if root_list == RootList::Stands {
            root_list = self.keep_root_list(number.value(), options.force, now)?;
        }
        let lists = lists::newest(&self.layout);
        versions::write(&self.layout.directory(), number, &version, &lists)?;
        Ok(self.published(&directory, true, root_list))
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

fn as_before(directory: &Directory) -> Before<'_> {
    Before {
        head: directory.head(),
        digest: directory.signed_head().digest(),
        entries: directory.entries(),
    }
}
