//! What a node does without the hub: seals what was composed, opens and judges what came.
//!
//! Both workers take their jobs from the files, most urgent first, a few at a time, and try
//! again what failed. Cut short anywhere, they find the same jobs again.

use std::sync::Arc;
use std::time::{Duration, Instant};

use consign_domain::{AgencyId, EnvelopeId, EnvelopeKey, ErrorCode};
use consign_runtime::shutdown::Shutdown;
use tokio::task::JoinSet;
use tracing::{info, warn};

use crate::board::ItemKey;
use crate::inbox::{InboxError, InboxStep};
use crate::link::{Cause, Rank, Schedule, sleep_until};
use crate::office::Office;
use crate::outbox::{Sealed, SentState};
use crate::seal::SealError;

/// How soon an undecided verdict is looked at again without a newer directory. Judging reads the
/// whole document.
const UNDECIDED: Duration = Duration::from_secs(600);
/// How soon sealing is tried again when its fault is not one that passes by itself.
const UNSEALED: Duration = Duration::from_secs(15);

type SentKey = (AgencyId, EnvelopeId);

/// Seals what was composed.
pub(crate) async fn seal(office: Arc<Office>, shutdown: Shutdown) {
    let mut jobs = Schedule::new(office.config.limits.judgements);
    let mut running: JoinSet<(SentKey, Result<Sealed, SealError>)> = JoinSet::new();
    let mut sending = office.sending.listen();
    let mut directory = office.keeper.subscribe();
    let mut tokens = office.token_back.listen();
    loop {
        for (key, rank) in pending(&office, SentState::Composed).await {
            jobs.offer(key, rank);
        }
        while let Some(key) = jobs.take(office.clock.monotonic()) {
            let (office, stop) = (Arc::clone(&office), shutdown.clone());
            running.spawn(async move { (key, seal_one(&office, key, stop).await) });
        }
        tokio::select! {
            () = shutdown.wait() => return,
            () = sending.rung() => {}
            _ = directory.changed() => jobs.hurry(),
            () = tokens.rung() => jobs.hurry(),
            () = sleep_until(jobs.next_at()) => {}
            Some(ended) = running.join_next() => sealed(&office, &mut jobs, unwind(ended)),
        }
    }
}

async fn seal_one(
    office: &Arc<Office>,
    (agency, id): SentKey,
    stop: Shutdown,
) -> Result<Sealed, SealError> {
    let Some(desk) = office.desk(agency) else {
        return Err(crate::error::NodeError::UnknownEnvelope.into());
    };
    let shared = Arc::clone(office);
    let seal = office.at_desk(desk, move |desk, context| {
        let stamp = |value: &[u8], urgency| {
            let trust = context.trust;
            shared.stamps.at_sealing(value, urgency, trust, &stop)
        };
        desk.agency.outbox().seal(id, context, &stamp)
    });
    seal.await
}

fn sealed(
    office: &Office,
    jobs: &mut Schedule<SentKey>,
    (key, result): (SentKey, Result<Sealed, SealError>),
) {
    let (sender, id) = key;
    let envelope = EnvelopeKey { sender, id };
    match result {
        Ok(_) => {
            jobs.done(key);
            office.hold(envelope, None);
            office.sending.ring();
        }
        Err(fault) => {
            let cause = Cause {
                code: fault.code(),
                text: fault.to_string(),
            };
            let known = office.held(envelope);
            if known.is_none_or(|known| known.cause != cause) {
                warn!(%envelope, code = %fault.code(), %fault, "not sealed, trying again");
            }
            office.hold(envelope, Some(cause));
            jobs.later(key, office.clock.monotonic(), UNSEALED);
        }
    }
}

/// What the outboxes have in a state, of all agencies.
pub(crate) async fn pending(office: &Arc<Office>, state: SentState) -> Vec<(SentKey, Rank)> {
    let mut all = Vec::new();
    for desk in office.desks() {
        let pending = office.at_desk(desk, |desk, _| desk.agency.outbox().pending());
        for job in pending.await {
            if job.state == state {
                all.push(((desk.id(), job.id), Rank::new(job.urgency, job.since)));
            }
        }
    }
    all
}

/// Brings received envelopes on as far as can be done here, and posts what they wait for.
pub(crate) async fn advance(office: Arc<Office>, shutdown: Shutdown) {
    let mut jobs = Schedule::new(office.config.limits.judgements);
    let mut running: JoinSet<(ItemKey, Result<InboxStep, InboxError>)> = JoinSet::new();
    let mut asked = office.board.on_asked();
    let mut directory = office.keeper.subscribe();
    for desk in office.desks() {
        let work = office.at_desk(desk, |desk, _| desk.agency.inbox().work());
        office.board.fill(desk.id(), &work.await);
    }
    loop {
        for (key, rank) in office.board.asked() {
            jobs.renew(key, rank);
        }
        while let Some(key) = jobs.take(office.clock.monotonic()) {
            let office = Arc::clone(&office);
            running.spawn(async move { (key, advance_one(&office, key).await) });
        }
        tokio::select! {
            () = shutdown.wait() => return,
            () = asked.rung() => {}
            _ = directory.changed() => jobs.hurry(),
            () = sleep_until(jobs.next_at()) => {}
            Some(ended) = running.join_next() => {
                let (key, result) = unwind(ended);
                advanced(&office, &mut jobs, key, result);
            }
        }
    }
}

async fn advance_one(office: &Arc<Office>, key: ItemKey) -> Result<InboxStep, InboxError> {
    let Some(desk) = office.desk(key.agency) else {
        return Ok(InboxStep::Done);
    };
    let advance = office.at_desk(desk, move |desk, context| {
        desk.agency.inbox().advance(key.sequence, context)
    });
    advance.await
}

fn advanced(
    office: &Office,
    jobs: &mut Schedule<ItemKey>,
    key: ItemKey,
    result: Result<InboxStep, InboxError>,
) {
    let now: Instant = office.clock.monotonic();
    match result {
        Ok(InboxStep::Done) => {
            jobs.done(key);
            office.board.clear(key);
        }
        Ok(step) => {
            match &step {
                InboxStep::Held { reason } => {
                    info!(agency = %key.agency, sequence = %key.sequence, %reason, "document held");
                    jobs.later(key, now, UNDECIDED);
                }
                _ => jobs.done(key),
            }
            let to_post = matches!(step, InboxStep::PostStatus { .. });
            office.board.post(key, step);
            if to_post {
                office.sending.ring();
            }
        }
        Err(fault) => {
            let code: ErrorCode = fault.code();
            warn!(agency = %key.agency, sequence = %key.sequence, %code, %fault, "document not brought on, trying again");
            jobs.later(key, now, Duration::from_secs(1));
        }
    }
}

/// What a task gave; a panic in it goes on here.
pub(crate) fn unwind<T>(ended: Result<T, tokio::task::JoinError>) -> T {
    match ended {
        Ok(value) => value,
        Err(fault) => std::panic::resume_unwind(fault.into_panic()),
    }
}
