//! The long-term archive: around each final document a container under a time-stamp, which is
//! renewed before its authority's certificate ends.
//!
//! `archive.asice` lies beside `container.asice` and holds it once more, byte for byte: whatever
//! reads a folder goes on to find the container, and nothing has to take a document out of its
//! archive. It is written as a new file and takes its name when it is whole, so a kill leaves the
//! archive before or the archive after.
//!
//! What is due is in the index, which is made from the files: a document that became final, and
//! each archive some time before its time-stamp ends, or once the authority of that was revoked. One is written at a time and so many a
//! minute are stamped; nobody waits for it. Where no time-stamp is to be had, documents wait, which
//! the node's status says. They wait as well for revocation lists, for [`LISTS_SECONDS`] at most:
//! with them the roots are enough to judge the archive.

mod authority;
mod contents;
mod fault;
mod outcome;
mod renewal;
#[cfg(test)]
mod tests;
mod write;

use std::sync::{Arc, Mutex};
use std::time::Duration;

use consign_domain::Timestamp;
use consign_pki::asic::outer::Unstamped;
use consign_runtime::entropy;
use consign_runtime::shutdown::Shutdown;
use tracing::{info, warn};

use crate::config::StampSource;
use crate::durable::Stream;
use crate::index::ArchiveRow;
use crate::office::{Desk, Office, blocking, lock};
use crate::stamps::StampFault;

use authority::Authority;
pub(crate) use fault::ArchiveFault;
use outcome::Lists;
pub(crate) use outcome::{Archived, Done, Renew, Wish};
use write::{Asked, Look, Making, Standing, Unfinished};

/// How often it is looked for what is due.
const LOOK: Duration = Duration::from_secs(5);
/// How soon a document is looked at again that is about to be ready.
const SOON_SECONDS: u64 = 10;
/// How soon a document is looked at again that cannot be archived now.
const AGAIN_SECONDS: u64 = 600;
/// The same of one whose files are not what they should be.
const DAMAGED_SECONDS: u64 = 86_400;
/// How long a document waits for revocation lists: where nobody gives any, it is archived without.
const LISTS_SECONDS: u64 = 7 * 86_400;

/// What all who archive share.
#[derive(Debug, Default)]
pub(crate) struct Archiving {
    /// One archive is written at a time.
    turn: tokio::sync::Mutex<()>,
    authority: Mutex<Authority>,
}

/// Archives and renews until the node stops.
pub(crate) async fn keep(office: Arc<Office>, shutdown: Shutdown) {
    let settings = office.config.archive;
    if !settings.is_kept || office.config.time_stamps.source == StampSource::None {
        return;
    }
    loop {
        let rest = tokio::select! {
            rest = Box::pin(next(&office)) => rest,
            () = shutdown.wait() => return,
        };
        tokio::select! {
            () = tokio::time::sleep(rest) => {}
            () = shutdown.wait() => return,
        }
    }
}

/// Takes the document that is due first; says how long to rest then.
async fn next(office: &Arc<Office>) -> Duration {
    let rests = lock(&office.archiving.authority).rests(office.now());
    if rests || office.stamps.may_ask().is_err() {
        return LOOK;
    }
    let (index, now) = (Arc::clone(&office.index), office.now());
    let row = match blocking(move || index.first_due_archive(now)).await {
        Ok(Some(row)) => row,
        Ok(None) => return LOOK,
        Err(fault) => {
            warn!(%fault, "it cannot be told what is to be archived");
            return LOOK;
        }
    };
    let Some(desk) = office.desk(row.agency) else {
        // It waits for its certificate, and nobody's document for it.
        let (index, due) = (Arc::clone(&office.index), now.plus_seconds(DAMAGED_SECONDS));
        let noted = blocking(move || index.postpone_archive(row, due, None)).await;
        return if noted { Duration::ZERO } else { LOOK };
    };
    match archive(office, desk, row, Wish::BY_ITSELF).await {
        // It is due as before, and would be taken again at once.
        Ok(done) if !done.is_noted => LOOK,
        Ok(done) => match done.archived {
            Archived::Made { .. } | Archived::Renewed { .. } => office.config.archive.pause,
            _ => Duration::ZERO,
        },
        // Said once, where the authority's standing is kept.
        Err(ArchiveFault::Stamp(_)) => LOOK,
        Err(fault) => {
            warn!(envelope = %row.key, %fault, "cannot be archived, trying again later");
            LOOK
        }
    }
}

/// Archives one document, or adds a time-stamp to its archive.
///
/// # Errors
/// [`ArchiveFault`]; it is tried again by itself.
pub(crate) async fn archive(
    office: &Arc<Office>,
    desk: &Arc<Desk>,
    row: ArchiveRow,
    wish: Wish,
) -> Result<Done, ArchiveFault> {
    let _turn = office.archiving.turn.lock().await;
    let result = write(office, desk, row, wish).await;
    if let Err(fault) = &result {
        note(office, row, fault).await;
    }
    result
}

/// What [`archive`] would do, as far as that can be told without the authority: nothing where it
/// would write an archive, and whether there is one.
///
/// # Errors
/// [`ArchiveFault`].
pub(crate) async fn would(
    office: &Arc<Office>,
    desk: &Arc<Desk>,
    row: ArchiveRow,
    wish: Wish,
) -> Result<Result<bool, Archived>, ArchiveFault> {
    let looked = at(office, desk, row, wish, |making| making.look()).await?;
    let earlier = match looked {
        Look::ToStamp { earlier } => earlier,
        Look::Ended { archived, .. } => return Ok(Err(archived)),
    };
    let known = lock(&office.archiving.authority).until(office.now());
    if let (Some(earlier), Some(until)) = (earlier, known)
        && !serves(office, wish.renew, earlier, until)
    {
        return Ok(Err(Archived::NoLonger));
    }
    Ok(Ok(earlier.is_some()))
}

async fn write(
    office: &Arc<Office>,
    desk: &Arc<Desk>,
    row: ArchiveRow,
    wish: Wish,
) -> Result<Done, ArchiveFault> {
    let settings = office.config.archive;
    let looked = at(office, desk, row, wish, |making| making.look()).await?;
    let earlier = match looked {
        Look::ToStamp { earlier } => earlier,
        Look::Ended {
            archived,
            due,
            until,
        } => return Ok(ended(office, row, archived, (due, until)).await),
    };
    // A document may be large: it is not written for an authority that gives no time-stamps.
    let until = authority(office).await?;
    if let Some(earlier) = earlier
        && !serves(office, wish.renew, earlier, until)
    {
        return Ok(no_longer(office, row, earlier).await);
    }
    let begun = at(office, desk, row, wish, |making| {
        let has_lists = making.has_lists();
        making.begin().map(|unfinished| (unfinished, has_lists))
    });
    let (unfinished, has_lists) = begun.await?;
    let Unfinished {
        unstamped,
        left_out,
    } = unfinished;
    let stamp = stamp(office, row, &unstamped).await?;
    let until = stamp.until;
    if let Some(earlier) = earlier
        && !serves(office, wish.renew, earlier, until)
    {
        return Ok(no_longer(office, row, earlier).await);
    }
    let token = stamp.token;
    blocking(move || write::finish(unstamped, &token)).await?;
    let due = renewal::due(stamp.time, until, row.key.id, settings.renew_before);
    let is_noted = schedule(office, row, Some(until), Some(due)).await;
    let archived = match earlier {
        None => Archived::Made { until },
        Some(_) => Archived::Renewed { until },
    };
    let done = Done {
        archived,
        is_noted,
        without_lists: earlier.is_none() && has_lists != Lists::Here,
        left_out,
    };
    info!(envelope = %row.key, %until, renewed = earlier.is_some(), lacks = done.lacks(), "archived");
    Ok(done)
}

/// Does a part of it on a thread that may block.
async fn at<T: Send + 'static>(
    office: &Arc<Office>,
    desk: &Arc<Desk>,
    row: ArchiveRow,
    wish: Wish,
    work: impl FnOnce(&Making<'_>) -> T + Send + 'static,
) -> T {
    let here = Arc::clone(office);
    let work = office.at_desk(desk, move |desk, context| {
        let asked = Asked {
            renew: wish.renew,
            has_lists: lists(&here, row, wish),
            lists: here.directory.trust_dir().join("crl"),
            most_entries: contents::MOST_ENTRIES,
            settings: here.config.archive,
        };
        work(&Making::new(desk.agency.home(), context, row.key, &asked))
    });
    work.await
}

/// How it stands with the revocation lists. Blocks.
fn lists(office: &Office, row: ArchiveRow, wish: Wish) -> Lists {
    let now = office.now();
    if office.keeper.lists_cover(now) {
        return Lists::Here;
    }
    let since = office.index.awaits_lists_since(row);
    let is_over = since.is_some_and(|since| since.plus_seconds(LISTS_SECONDS) <= now);
    if wish.await_lists && !is_over {
        Lists::Awaited
    } else {
        Lists::Missing
    }
}

/// Whether a time-stamp of an authority whose certificate ends then is worth its place.
fn serves(office: &Office, renew: Renew, earlier: Standing, until: Timestamp) -> bool {
    match renew {
        Renew::WhenDue => until > earlier.until,
        Renew::All => until > earlier.until || earlier.digest != office.config.archive.digest,
        Renew::Now => true,
    }
}

/// When the certificate of the authority ends. Where it was not heard for a day or failed since,
/// it is asked for a time-stamp over nothing of meaning.
async fn authority(office: &Office) -> Result<Timestamp, ArchiveFault> {
    let known = lock(&office.archiving.authority).until(office.now());
    if let Some(until) = known {
        return Ok(until);
    }
    let nothing = entropy::bytes::<32>().map_err(StampFault::from)?;
    let digest = office.config.archive.digest;
    let asked = office
        .stamps
        .over_archive(&nothing, digest, office.keeper.trust());
    let until = asked.await?.until;
    lock(&office.archiving.authority).answered(until, office.now());
    Ok(until)
}

/// The time-stamp of an archive that was written.
async fn stamp(
    office: &Office,
    row: ArchiveRow,
    unstamped: &Unstamped<Stream>,
) -> Result<ArchiveStamp, ArchiveFault> {
    let (digest, trust) = (office.config.archive.digest, office.keeper.trust());
    let asked = office
        .stamps
        .over_archive(unstamped.manifest(), digest, trust);
    let fault = match asked.await {
        Ok(stamp) => {
            lock(&office.archiving.authority).stamped(stamp.until, office.now());
            return Ok(stamp);
        }
        Err(fault) => fault,
    };
    let due = lock(&office.archiving.authority).failed(office.now());
    let index = Arc::clone(&office.index);
    blocking(move || index.postpone_archive(row, due, None)).await;
    Err(fault.into())
}

/// Notes that a document is not to be stamped.
async fn ended(
    office: &Arc<Office>,
    row: ArchiveRow,
    archived: Archived,
    (due, until): (Option<Timestamp>, Option<Timestamp>),
) -> Done {
    if archived != Archived::AwaitsLists {
        return Done::of(archived, schedule(office, row, until, due).await);
    }
    let (index, now) = (Arc::clone(&office.index), office.now());
    let is_noted = blocking(move || {
        let due = now.plus_seconds(AGAIN_SECONDS);
        let waited = index.awaits_lists_since(row);
        let reason = format!(
            "waits for revocation lists that cover today; they come from the hub, if crl/ lies \
             beside its directory, and are in trust/crl/ here; without them it is archived on {}, \
             or by: consign node archive renew --now",
            waited.unwrap_or(now).plus_seconds(LISTS_SECONDS)
        );
        // One that waits already stands for all whose week is not over.
        let began = now.minus_seconds(LISTS_SECONDS);
        index.await_lists(row, (now, due), &reason)
            && (waited.is_none() || index.postpone_waiting(began, (now, due)))
    });
    Done::of(archived, is_noted.await)
}

/// Notes that the authority has no certificate that ends later.
async fn no_longer(office: &Arc<Office>, row: ArchiveRow, earlier: Standing) -> Done {
    let now = office.now();
    let Standing { time, until, .. } = earlier;
    let due = renewal::due(time, until, row.key.id, office.config.archive.renew_before);
    let again = due.max(renewal::in_a_while(until, now));
    let is_noted = schedule(office, row, Some(until), Some(again)).await;
    Done::of(Archived::NoLonger, is_noted)
}

/// Notes when a document is looked at again, within two weeks; without a time never. Says whether
/// that was written.
async fn schedule(
    office: &Arc<Office>,
    row: ArchiveRow,
    until: Option<Timestamp>,
    due: Option<Timestamp>,
) -> bool {
    let index = Arc::clone(&office.index);
    let due = due.map(|due| due.min(renewal::look_again(row.key.id, office.now())));
    blocking(move || match due {
        Some(due) => index.set_archive(row, until, due),
        None => index.no_archive(row),
    })
    .await
}

/// Keeps a fault for people, and looks later at what failed by itself.
async fn note(office: &Arc<Office>, row: ArchiveRow, fault: &ArchiveFault) {
    let wait = match fault {
        // The authority's standing is kept where it is asked.
        ArchiveFault::Stamp(_) => return,
        fault if fault.is_damage() => DAMAGED_SECONDS,
        _ => AGAIN_SECONDS,
    };
    let (index, due) = (Arc::clone(&office.index), office.now().plus_seconds(wait));
    let reason = fault.words();
    blocking(move || index.postpone_archive(row, due, Some(&reason))).await;
}

/// A time-stamp over an archive's manifest.
#[derive(Debug)]
pub(crate) struct ArchiveStamp {
    pub(crate) token: Vec<u8>,
    /// What it says.
    pub(crate) time: Timestamp,
    /// When its authority's certificate ends.
    pub(crate) until: Timestamp,
}

impl From<StampFault> for ArchiveFault {
    fn from(fault: StampFault) -> Self {
        Self::Stamp(fault)
    }
}
