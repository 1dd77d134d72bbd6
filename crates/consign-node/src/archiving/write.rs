//! Writing one archive: all but its time-stamp, and then that.

use std::collections::HashSet;
use std::io::BufReader;
use std::path::PathBuf;

use consign_domain::{EnvelopeKey, Timestamp};
use consign_pki::asic::Budget;
use consign_pki::asic::outer::{ArchiveLayer, OuterContainer, OuterWriter, Unstamped};
use consign_pki::certificate::CertificateDetails;
use consign_pki::timestamp;

use super::contents::Contents;
use super::{ArchiveFault, Archived, Renew, SOON_SECONDS, renewal};
use crate::config::Archive;
use crate::context::Context;
use crate::durable::{self, Stream};
use crate::folder::{ARCHIVE, CONTAINER, Folder};
use crate::layout::AgencyHome;

const BUFFER: usize = 256 * 1024;

/// How far one got without a time-stamp.
pub(super) enum Begun {
    /// It lacks only that.
    Unfinished(Box<Unfinished>),
    /// There is nothing to stamp.
    Ended {
        archived: Archived,
        /// When to look again; never without.
        due: Option<Timestamp>,
        /// When the time-stamp there is ends.
        until: Option<Timestamp>,
    },
}

/// An archive that lacks its newest time-stamp.
pub(super) struct Unfinished {
    pub(super) unstamped: Unstamped<Stream>,
    /// When the time-stamp of the archive before it ends.
    pub(super) earlier: Option<Timestamp>,
}

/// What one document's archive is to be.
pub(super) struct Asked {
    pub(super) renew: Renew,
    /// When the certificate of the authority that is asked ends, as far as that is known.
    pub(super) authority_until: Option<Timestamp>,
    /// Where revocation lists lie.
    pub(super) lists: PathBuf,
    pub(super) settings: Archive,
}

/// Writes what is to be stamped beside what is there. Blocks.
pub(super) fn begin(
    home: &AgencyHome,
    context: &Context<'_>,
    key: EnvelopeKey,
    asked: &Asked,
) -> Result<Begun, ArchiveFault> {
    let folder = Folder::new(home.archive_entry(key));
    let soon = Some(context.now.plus_seconds(SOON_SECONDS));
    let ended = |archived, due, until| {
        Ok(Begun::Ended {
            archived,
            due,
            until,
        })
    };
    if !folder.path().is_dir() || folder.awaits_stamp() {
        return ended(Archived::NotYet, soon, None);
    }
    if !folder.has(CONTAINER) {
        return ended(Archived::Nothing, None, None);
    }
    durable::remove_leftovers(folder.path())?;
    let made = Making {
        folder: &folder,
        context,
        asked,
    };
    if !folder.has(ARCHIVE) {
        return made.first();
    }
    let (mut archive, standing) = made.open()?;
    let Standing { time, until } = standing;
    if asked.renew == Renew::WhenDue {
        let due = renewal::due(time, until, key.id, asked.settings.renew_before);
        if due > context.now {
            return ended(Archived::NotDue, Some(due), Some(until));
        }
        if asked.authority_until.is_some_and(|ends| ends <= until) {
            let again = renewal::in_a_while(until, context.now);
            return ended(Archived::NoLonger, Some(again), Some(until));
        }
    }
    made.renewed(&mut archive, until)
}

/// Adds the time-stamp and gives the archive its name. Blocks.
pub(super) fn finish(unstamped: Unstamped<Stream>, token: &[u8]) -> Result<(), ArchiveFault> {
    let container = |source| ArchiveFault::Container {
        path: ARCHIVE.into(),
        source,
    };
    let stream = unstamped.finish(token).map_err(container)?;
    stream.publish()?;
    Ok(())
}

type Outer = OuterContainer<BufReader<std::fs::File>>;

/// What the newest time-stamp of an archive says.
struct Standing {
    time: Timestamp,
    until: Timestamp,
}

/// One archive that is being made.
struct Making<'a> {
    folder: &'a Folder,
    context: &'a Context<'a>,
    asked: &'a Asked,
}

impl Making<'_> {
    fn first(&self) -> Result<Begun, ArchiveFault> {
        let container = durable::open(&self.folder.file(CONTAINER))?;
        let out = Stream::create(self.folder.path(), ARCHIVE)?;
        let writer = OuterWriter::begin(out, container, self.asked.settings.digest);
        let writer = writer.map_err(|source| self.fault(source))?;
        self.complete(writer, &HashSet::new(), &[], None)
    }

    fn renewed(&self, archive: &mut Outer, until: Timestamp) -> Result<Begun, ArchiveFault> {
        // Nobody stamps anew what is not as it was stamped.
        archive
            .check_digests()
            .map_err(|source| self.fault(source))?;
        let out = Stream::create(self.folder.path(), ARCHIVE)?;
        let writer = OuterWriter::renew(out, archive, self.asked.settings.digest);
        let writer = writer.map_err(|source| self.fault(source))?;
        let here = archive.files().map(|(name, _)| name.to_owned()).collect();
        self.complete(writer, &here, archive.layers(), Some(until))
    }

    /// Adds what is not there yet, and the manifest.
    fn complete(
        &self,
        mut writer: OuterWriter<Stream>,
        here: &HashSet<String>,
        layers: &[ArchiveLayer],
        earlier: Option<Timestamp>,
    ) -> Result<Begun, ArchiveFault> {
        let directory = self.context.directory;
        let contents = Contents::of(self.folder, directory, &self.asked.lists, layers)?;
        for (name, media_type, bytes) in contents.files() {
            if !here.contains(name) {
                writer
                    .add_file(name, media_type, bytes)
                    .map_err(|source| self.fault(source))?;
            }
        }
        let unstamped = writer.complete().map_err(|source| self.fault(source))?;
        Ok(Begun::Unfinished(Box::new(Unfinished {
            unstamped,
            earlier,
        })))
    }

    fn open(&self) -> Result<(Outer, Standing), ArchiveFault> {
        let file = durable::open(&self.folder.file(ARCHIVE))?;
        let file = BufReader::with_capacity(BUFFER, file);
        let archive = OuterContainer::open(file, &Budget::outer());
        let archive = archive.map_err(|source| self.fault(source))?;
        let newest = archive.layers().last();
        let stamp =
            newest.and_then(|layer| timestamp::verify(&layer.token, &layer.manifest_bytes).ok());
        // One that says nothing is renewed at once.
        let standing = stamp.map_or((0, 0), |stamp| {
            let certificate = &stamp.signature.signer_certificate;
            let details = CertificateDetails::from_der(certificate).ok();
            (stamp.time, details.map_or(0, |details| details.not_after))
        });
        let (time, until) = standing;
        let standing = Standing {
            time: Timestamp::from_unix_saturating(time),
            until: Timestamp::from_unix_saturating(until),
        };
        Ok((archive, standing))
    }

    fn fault(&self, source: consign_pki::asic::AsicError) -> ArchiveFault {
        ArchiveFault::Container {
            path: self.folder.file(ARCHIVE),
            source,
        }
    }
}
