//! Large payloads are fetched by urgency, a few at a time, each from where it was left.

use std::convert::Infallible;
use std::time::Duration;

use consign_domain::ErrorCode;
use tokio::task::JoinSet;
use tracing::{info, warn};

use super::connection::Session;
use super::fault::LinkFault;
use super::payload::{self, FetchFault};
use super::schedule::Schedule;
use super::{receipts, sleep_until};
use crate::board::{ItemKey, Waiting};
use crate::inbox::InboxStep;
use crate::work::unwind;

/// How soon a fetch is tried again whose fault does not pass by itself.
const RARELY: Duration = Duration::from_secs(600);
/// How soon a payload is looked at again that an ended session is still writing.
const SHORTLY: Duration = Duration::from_millis(200);

/// How a fetch ended: `None` while somebody else is at it.
type Ended = (ItemKey, Option<Result<(), FetchFault>>);

/// Fetches what the board asks for, until the session ends.
pub(super) async fn fetch(session: &Session) -> Result<Infallible, LinkFault> {
    let office = &session.office;
    let mut jobs = Schedule::new(office.config.limits.fetches);
    let mut running: JoinSet<Ended> = JoinSet::new();
    let mut posted = office.board.on_posted();
    loop {
        for Waiting { key, rank, .. } in office.board.steps(is_fetch) {
            if session.desks.iter().any(|desk| desk.id() == key.agency) {
                jobs.offer(key, rank);
            }
        }
        while let Some(key) = jobs.take(office.clock.monotonic()) {
            let session = session.clone();
            running.spawn(async move { (key, fetch_one(&session, key).await) });
        }
        tokio::select! {
            () = posted.rung() => {}
            () = sleep_until(jobs.next_at()) => {}
            Some(ended) = running.join_next() => finished(session, &mut jobs, unwind(ended)),
        }
    }
}

const fn is_fetch(step: &InboxStep) -> bool {
    matches!(step, InboxStep::NeedPayload { .. })
}

fn finished(session: &Session, jobs: &mut Schedule<ItemKey>, (key, result): Ended) {
    let now = session.office.clock.monotonic();
    match result {
        Some(Ok(())) => jobs.done(key),
        Some(Err(fault)) => {
            let cause = fault.cause();
            warn!(agency = %key.agency, sequence = %key.sequence, code = %cause.code, cause = %cause.text, "payload not fetched, trying again");
            // What is settled here only after its expiry is asked about until then.
            let soon = cause.code.is_retryable() || cause.code == ErrorCode::AlreadySettled;
            let least = if soon { Duration::ZERO } else { RARELY };
            jobs.later(key, now, least);
        }
        None => jobs.later(key, now, SHORTLY),
    }
}

async fn fetch_one(session: &Session, key: ItemKey) -> Option<Result<(), FetchFault>> {
    let office = &session.office;
    let step = office.board.step(key);
    let (
        Some(desk),
        Some(InboxStep::NeedPayload {
            key: envelope,
            size,
            ..
        }),
    ) = (office.desk(key.agency), step.as_deref())
    else {
        return Some(Ok(())); // It no longer waits for a payload.
    };
    let claim = office.claims.take(key)?;
    let opened = office.at_desk(desk, move |desk, _| {
        desk.agency.inbox().payload_writer(key.sequence)
    });
    let writer = match opened.await {
        Ok(writer) => writer,
        Err(fault) => return Some(Err(fault.into())),
    };
    info!(envelope = %envelope, size, offset = writer.offset(), "fetching a payload");
    let fetched = payload::fetch(session, desk, *envelope, writer, claim).await;
    match &fetched {
        Err(fault) if fault.is_settled() && receipts::lapsed(session, key, *envelope).await => {
            Some(Ok(()))
        }
        _ => Some(fetched),
    }
}
