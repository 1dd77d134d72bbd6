//! Writing one archive: what is to be done, all but the time-stamp, and then that.

use std::io::BufReader;
use std::path::PathBuf;

use consign_domain::statement::Envelope;
use consign_domain::{Digest, EnvelopeKey, Timestamp};
use consign_pki::asic::outer::{OuterContainer, OuterWriter, Unstamped};
use consign_pki::asic::{AsicError, Budget, DigestAlgorithm};
use consign_pki::certificate::CertificateDetails;
use consign_pki::path::PathError;
use consign_pki::timestamp;
use consign_verify::container::SealTrust;
use consign_verify::exchange;
use consign_verify::time_stamp::{self, TimeStampFault};

use super::contents::{self, Contents, Sources};
use super::{ArchiveFault, Archived, Lists, Renew, SOON_SECONDS, renewal};
use crate::config::Archive;
use crate::context::Context;
use crate::durable::{self, Stream};
use crate::folder::{ARCHIVE, CONTAINER, ENVELOPE, Folder, ITEM};
use crate::layout::AgencyHome;
use crate::seal::Hashing;

const BUFFER: usize = 256 * 1024;

/// What is to be done for a document.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Look {
    /// It is to be stamped.
    ToStamp {
        /// The archive that it has.
        earlier: Option<Standing>,
    },
    /// It is not.
    Ended {
        archived: Archived,
        /// When to look again; never without.
        due: Option<Timestamp>,
        /// When the time-stamp there is ends.
        until: Option<Timestamp>,
    },
}

/// What the newest time-stamp of an archive says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Standing {
    pub(super) time: Timestamp,
    /// When the first certificate on its authority's path ends; now where it was revoked.
    pub(super) until: Timestamp,
    /// The digest that it is over.
    pub(super) digest: DigestAlgorithm,
}

/// An archive that lacks its newest time-stamp.
pub(super) struct Unfinished {
    pub(super) unstamped: Unstamped<Stream>,
    /// How many statements had no room.
    pub(super) left_out: usize,
}

/// What one document's archive is to be.
pub(super) struct Asked {
    pub(super) renew: Renew,
    /// Whether there are revocation lists that cover today.
    pub(super) has_lists: Lists,
    /// Where revocation lists lie.
    pub(super) lists: PathBuf,
    /// Entries that it may have once the statements are in.
    pub(super) most_entries: usize,
    pub(super) settings: Archive,
}

/// One document's archive, that is there or is to be.
pub(super) struct Making<'a> {
    folder: Folder,
    /// Where a file lies until it is whole.
    unfinished: PathBuf,
    key: EnvelopeKey,
    context: &'a Context<'a>,
    asked: &'a Asked,
}

pub(super) type Outer = OuterContainer<BufReader<std::fs::File>>;

impl<'a> Making<'a> {
    pub(super) fn new(
        home: &AgencyHome,
        context: &'a Context<'a>,
        key: EnvelopeKey,
        asked: &'a Asked,
    ) -> Self {
        Self {
            folder: Folder::new(home.archive_entry(key)),
            unfinished: home.archive_dir(),
            key,
            context,
            asked,
        }
    }

    /// How it stands with the revocation lists.
    pub(super) const fn has_lists(&self) -> Lists {
        self.asked.has_lists
    }

    /// Whether it is to be stamped. Blocks.
    pub(super) fn look(&self) -> Result<Look, ArchiveFault> {
        let now = self.context.now;
        let ended = |archived, due, until| {
            Ok(Look::Ended {
                archived,
                due,
                until,
            })
        };
        if !self.folder.path().is_dir() || self.folder.awaits_stamp() {
            let soon = now.plus_seconds(SOON_SECONDS);
            return ended(Archived::NotYet, Some(soon), None);
        }
        if !self.folder.has(ARCHIVE) {
            if !self.folder.has(CONTAINER) {
                return ended(Archived::Nothing, None, None);
            }
            if self.asked.has_lists == Lists::Awaited {
                return ended(Archived::AwaitsLists, None, None);
            }
            return Ok(Look::ToStamp { earlier: None });
        }
        let (_, standing) = self.open()?;
        let Standing { time, until, .. } = standing;
        let due = renewal::due(time, until, self.key.id, self.asked.settings.renew_before);
        if self.asked.renew == Renew::WhenDue && due > now {
            return ended(Archived::NotDue, Some(due), Some(until));
        }
        let earlier = Some(standing);
        Ok(Look::ToStamp { earlier })
    }

    /// Writes what is to be stamped beside what is there. Blocks.
    pub(super) fn begin(&self) -> Result<Unfinished, ArchiveFault> {
        durable::remove_leftovers(&self.unfinished)?;
        durable::remove_leftovers(self.folder.path())?;
        if self.folder.has(ARCHIVE) {
            self.renewed()
        } else {
            self.first()
        }
    }

    fn first(&self) -> Result<Unfinished, ArchiveFault> {
        let contents = Contents::of(&self.sources(), None)?;
        let mut container = Hashing::new(durable::open(&self.folder.file(CONTAINER))?);
        let writer = OuterWriter::begin(self.out()?, &mut container, self.asked.settings.digest);
        let writer = writer.map_err(|source| self.unwritten(source))?;
        let (_, digest) = container.finish();
        self.check_commitment(&digest)?;
        self.complete(writer, &contents)
    }

    fn renewed(&self) -> Result<Unfinished, ArchiveFault> {
        let (mut archive, _) = self.open()?;
        let unread = |source| ArchiveFault::reading(self.folder.file(ARCHIVE), source);
        // Nobody stamps anew what is not as it was stamped.
        archive.check_digests().map_err(unread)?;
        let contents = Contents::of(&self.sources(), Some(&mut archive))?;
        let writer = OuterWriter::renew(self.out()?, &mut archive, self.asked.settings.digest);
        let writer = writer.map_err(|source| self.unwritten(source))?;
        self.complete(writer, &contents)
    }

    /// Adds what is not there yet, and the manifest.
    fn complete(
        &self,
        mut writer: OuterWriter<Stream>,
        contents: &Contents,
    ) -> Result<Unfinished, ArchiveFault> {
        for (name, media_type, bytes) in contents.files() {
            writer
                .add_file(name, media_type, bytes)
                .map_err(|source| self.unwritten(source))?;
        }
        Ok(Unfinished {
            unstamped: writer.complete().map_err(|source| self.unwritten(source))?,
            left_out: contents.left_out(),
        })
    }

    /// The container is the one that its envelope commits to: what has changed on this disk is
    /// not stamped as if it had been sent so.
    fn check_commitment(&self, container: &Digest) -> Result<(), ArchiveFault> {
        let sent = self.folder.statement::<Envelope>(ENVELOPE)?;
        let envelope = match sent {
            None => self.folder.statement::<Envelope>(ITEM)?,
            sent => sent,
        };
        let (Some((_, envelope)), Some(salt)) = (envelope, contents::salt(&self.folder)?) else {
            return Ok(());
        };
        exchange::check_content(&envelope, &salt, container).map_err(|source| {
            let path = self.folder.file(CONTAINER);
            ArchiveFault::Content { path, source }
        })
    }

    fn open(&self) -> Result<(Outer, Standing), ArchiveFault> {
        let path = self.folder.file(ARCHIVE);
        let file = BufReader::with_capacity(BUFFER, durable::open(&path)?);
        let unread = |source| ArchiveFault::reading(path.clone(), source);
        let archive = OuterContainer::open(file, &Budget::outer()).map_err(unread)?;
        let newest = archive.layers().last();
        let newest = newest.ok_or_else(|| unread(AsicError::ManifestMissing))?;
        let stamp = timestamp::verify(&newest.token, &newest.manifest_bytes);
        let stamp = stamp.map_err(|source| {
            let path = path.clone();
            ArchiveFault::Token { path, source }
        })?;
        let trust = SealTrust {
            lists: self.context.lists,
            time_stamp_roots: self.context.trust.time_stamp_roots(),
            ..SealTrust::by_roots(self.context.trust.roots())
        };
        let (token, over, now) = (&newest.token, &newest.manifest_bytes, self.context.now);
        let until = match time_stamp::judge(token, over, &trust, now) {
            Ok(proven) => proven.until,
            // Whoever else has the key could date back.
            Err(TimeStampFault::Authority(PathError::Revoked { .. })) => now,
            // Of one that does not count otherwise, its certificate says as much as there is to say.
            Err(_) => {
                let own = CertificateDetails::from_der(&stamp.signature.signer_certificate);
                Timestamp::from_unix_saturating(own.map_or(0, |details| details.not_after))
            }
        };
        let mut references = newest.manifest.references.iter();
        let standing = Standing {
            time: Timestamp::from_unix_saturating(stamp.time),
            until,
            digest: references
                .next()
                .map_or(DigestAlgorithm::Sha256, |one| one.algorithm),
        };
        Ok((archive, standing))
    }

    fn sources(&self) -> Sources<'_> {
        Sources {
            folder: &self.folder,
            directory: self.context.directory,
            trust: self.context.trust,
            lists: &self.asked.lists,
            most_entries: self.asked.most_entries,
        }
    }

    fn out(&self) -> Result<Stream, ArchiveFault> {
        let target = self.folder.file(ARCHIVE);
        Ok(Stream::create_in(&self.unfinished, target)?)
    }

    fn unwritten(&self, source: AsicError) -> ArchiveFault {
        ArchiveFault::writing(self.folder.file(ARCHIVE), source)
    }
}

/// Adds the time-stamp, and gives the archive its name once it can be read. Blocks.
pub(super) fn finish(unstamped: Unstamped<Stream>, token: &[u8]) -> Result<(), ArchiveFault> {
    let unwritten = |source| ArchiveFault::writing(ARCHIVE.into(), source);
    let mut stream = unstamped.finish(token).map_err(unwritten)?;
    let written = BufReader::with_capacity(BUFFER, stream.written()?);
    OuterContainer::open(written, &Budget::outer()).map_err(unwritten)?;
    stream.publish()?;
    Ok(())
}
