//! Fetching afterwards what a seal was made without.

use std::sync::Arc;
use std::time::Duration;

use consign_domain::document::Urgency;
use consign_domain::{AgencyId, EnvelopeId, EnvelopeKey};
use consign_runtime::shutdown::Shutdown;
use tokio::task::JoinSet;
use tracing::{info, warn};

use super::StampFault;
use crate::config::StampSource;
use crate::error::NodeError;
use crate::link::{Rank, Schedule, sleep_until};
use crate::office::Office;
use crate::work::unwind;

/// Stamps that are asked for side by side.
const TOGETHER: usize = 4;
/// How soon a document is looked at again whose files cannot be read.
const UNREADABLE: Duration = Duration::from_secs(600);

type SentKey = (AgencyId, EnvelopeId);

/// Why a document has no stamp yet.
#[derive(Debug, thiserror::Error)]
enum LateFault {
    #[error(transparent)]
    Node(#[from] NodeError),
    #[error(transparent)]
    Stamp(#[from] StampFault),
}

/// Fetches time-stamps until the node stops. What waits for one is read from the files at each
/// start, so that a stop loses nothing.
pub(crate) async fn fetch(office: Arc<Office>, shutdown: Shutdown) {
    if office.config.time_stamps.source == StampSource::None {
        return;
    }
    let mut jobs = Schedule::new(TOGETHER);
    let mut running: JoinSet<(SentKey, Result<(), LateFault>)> = JoinSet::new();
    let mut sending = office.sending.listen();
    let mut line = office.stamps.hub.subscribe();
    offer(&office, &mut jobs).await;
    loop {
        let now = office.clock.monotonic();
        while office.stamps.may_ask().is_ok()
            && let Some(key) = jobs.take(now)
        {
            let office = Arc::clone(&office);
            running.spawn(async move { (key, fetch_one(&office, key).await) });
        }
        let wake = match office.stamps.may_ask() {
            Ok(()) => jobs.next_at(),
            // The authority's own wait comes before that of a document, and may just have ended.
            Err(StampFault::Resting { .. }) => office.stamps.again().or(Some(now)),
            // A connection is told of.
            Err(_) => None,
        };
        tokio::select! {
            () = shutdown.wait() => return,
            () = sending.rung() => offer(&office, &mut jobs).await,
            Ok(()) = line.changed() => jobs.hurry(),
            () = sleep_until(wake) => {}
            Some(ended) = running.join_next() => {
                let (key, result) = unwind(ended);
                ended_one(&office, &mut jobs, key, result);
            }
        }
    }
}

/// Takes in what was sealed without a stamp since it was asked for last.
async fn offer(office: &Arc<Office>, jobs: &mut Schedule<SentKey>) {
    for desk in office.desks() {
        let awaited = office.at_desk(desk, |desk, _| desk.agency.outbox().newly_unstamped());
        for id in awaited.await {
            let since = crate::layout::made_at(id);
            jobs.offer((desk.id(), id), Rank::new(Urgency::Normal, since));
        }
    }
}

async fn fetch_one(office: &Arc<Office>, (agency, id): SentKey) -> Result<(), LateFault> {
    let desk = office.desk(agency).ok_or(NodeError::UnknownEnvelope)?;
    let seal = office.at_desk(desk, move |desk, _| desk.agency.outbox().unstamped_seal(id));
    let Some(signature) = seal.await? else {
        return Ok(());
    };
    let token = office
        .stamps
        .afterwards(&signature, office.keeper.trust())
        .await?;
    let keep = office.at_desk(desk, move |desk, _| {
        desk.agency.outbox().keep_stamp(id, &token)
    });
    Ok(keep.await?)
}

fn ended_one(
    office: &Office,
    jobs: &mut Schedule<SentKey>,
    key: SentKey,
    result: Result<(), LateFault>,
) {
    let (sender, id) = key;
    let envelope = EnvelopeKey { sender, id };
    let now = office.clock.monotonic();
    match result {
        Ok(()) => {
            info!(%envelope, "time-stamped afterwards");
            jobs.done(key);
            office.followers.tell(envelope);
        }
        // Said once, where the authority's standing is kept.
        Err(LateFault::Stamp(_)) => jobs.later(key, now, Duration::ZERO),
        Err(LateFault::Node(fault)) => {
            warn!(%envelope, %fault, "cannot be time-stamped afterwards, trying again");
            jobs.later(key, now, UNREADABLE);
        }
    }
}
