//! The long-term archive: around each final document a container under a time-stamp, which is
//! renewed before its authority's certificate ends.
//!
//! `archive.asice` lies beside `container.asice` and holds it once more, byte for byte: whatever
//! reads a folder goes on to find the container, and nothing has to take a document out of its
//! archive. It is written as a new file and takes its name when it is whole, so a kill leaves the
//! archive before or the archive after.
//!
//! What is due is in the index, which is made from the files: a document that became final, and
//! each archive some time before its time-stamp ends. One is written at a time and so many a
//! minute are stamped; nobody waits for it. Where no time-stamp is to be had, documents wait, which
//! the node's status says.

mod contents;
mod fault;
mod renewal;
#[cfg(test)]
mod tests;
mod write;

use std::sync::{Arc, Mutex};
use std::time::Duration;

use consign_domain::Timestamp;
use consign_runtime::shutdown::Shutdown;
use tracing::{info, warn};

use crate::config::StampSource;
use crate::index::ArchiveRow;
use crate::office::{Desk, Office, blocking, lock};
use crate::stamps::StampFault;

pub(crate) use fault::ArchiveFault;
use write::{Asked, Begun, Unfinished};

/// How often it is looked for what is due.
const LOOK: Duration = Duration::from_secs(5);
/// How soon a document is looked at again that is about to be ready.
const SOON_SECONDS: u64 = 10;
/// How soon a document is looked at again that cannot be archived now.
const AGAIN_SECONDS: u64 = 600;
/// The same of one whose files are not what they should be.
const DAMAGED_SECONDS: u64 = 86_400;

/// What all who archive share.
#[derive(Debug, Default)]
pub(crate) struct Archiving {
    /// One archive is written at a time.
    turn: tokio::sync::Mutex<()>,
    /// Why the last document that failed could not be archived.
    fault: Mutex<Option<String>>,
}

impl Archiving {
    /// Why the last document that failed could not be archived; nothing once one could be.
    pub(crate) fn fault(&self) -> Option<String> {
        lock(&self.fault).clone()
    }
}

/// Whether an archive that is not due is stamped anew.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Renew {
    /// When it is due.
    WhenDue,
    /// Now: an algorithm is to be replaced, or somebody wants it so.
    Now,
}

/// What became of one document.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Archived {
    /// It has an archive now.
    Made {
        /// When its time-stamp's certificate ends.
        until: Timestamp,
    },
    /// Its archive has one more time-stamp.
    Renewed {
        /// When that one's certificate ends.
        until: Timestamp,
    },
    /// It has one that is not due.
    NotDue,
    /// Another time-stamp would end no later than the one there is.
    NoLonger,
    /// It waits for the time-stamp of its seal, or is on its way into the archive.
    NotYet,
    /// Its container never came, so there is nothing to archive.
    Nothing,
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
    if office.stamps.may_ask().is_err() {
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
        return LOOK;
    };
    match archive(office, desk, row, Renew::WhenDue).await {
        Ok(Archived::Made { .. } | Archived::Renewed { .. }) => office.config.archive.pause,
        Ok(_) => Duration::ZERO,
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
    renew: Renew,
) -> Result<Archived, ArchiveFault> {
    let _turn = office.archiving.turn.lock().await;
    let result = write(office, desk, row, renew).await;
    note(office, row, &result).await;
    result
}

async fn write(
    office: &Arc<Office>,
    desk: &Arc<Desk>,
    row: ArchiveRow,
    renew: Renew,
) -> Result<Archived, ArchiveFault> {
    let settings = office.config.archive;
    let asked = Asked {
        renew,
        authority_until: office.stamps.standing().0,
        lists: office.directory.trust_dir().join("crl"),
        settings,
    };
    let begun = office
        .at_desk(desk, move |desk, context| {
            write::begin(desk.agency.home(), context, row.key, &asked)
        })
        .await?;
    let unfinished = match begun {
        Begun::Unfinished(unfinished) => *unfinished,
        Begun::Ended {
            archived,
            due,
            until,
        } => {
            schedule(office, row, until, due).await;
            return Ok(archived);
        }
    };
    let Unfinished { unstamped, earlier } = unfinished;
    let stamp = office
        .stamps
        .over_archive(unstamped.manifest(), settings.digest, office.keeper.trust())
        .await?;
    let until = stamp.until;
    if let Some(earlier) = earlier
        && renew == Renew::WhenDue
        && until <= earlier
    {
        let due = renewal::in_a_while(earlier, office.now());
        schedule(office, row, Some(earlier), Some(due)).await;
        return Ok(Archived::NoLonger);
    }
    let token = stamp.token;
    blocking(move || write::finish(unstamped, &token)).await?;
    let due = renewal::due(stamp.time, until, row.key.id, settings.renew_before);
    schedule(office, row, Some(until), Some(due)).await;
    info!(envelope = %row.key, %until, renewed = earlier.is_some(), "archived");
    Ok(match earlier {
        None => Archived::Made { until },
        Some(_) => Archived::Renewed { until },
    })
}

/// Notes when a document is looked at again; without a time never.
async fn schedule(
    office: &Arc<Office>,
    row: ArchiveRow,
    until: Option<Timestamp>,
    due: Option<Timestamp>,
) {
    let index = Arc::clone(&office.index);
    blocking(move || match due {
        Some(due) => index.set_archive(row, until, due),
        None => index.no_archive(row),
    })
    .await;
}

/// Keeps a fault for people, and looks later at what failed by itself.
async fn note(office: &Arc<Office>, row: ArchiveRow, result: &Result<Archived, ArchiveFault>) {
    let fault = match result {
        Ok(_) => return *lock(&office.archiving.fault) = None,
        // The authority's standing is kept where it is asked.
        Err(ArchiveFault::Stamp(_)) => return,
        Err(fault) => fault,
    };
    *lock(&office.archiving.fault) = Some(format!("{}: {}", row.key, fault.words()));
    let wait = if fault.is_damage() {
        DAMAGED_SECONDS
    } else {
        AGAIN_SECONDS
    };
    let (index, due) = (Arc::clone(&office.index), office.now().plus_seconds(wait));
    blocking(move || index.postpone_archive(row, due)).await;
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
