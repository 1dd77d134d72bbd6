//! What is let in: the only module that has the store's changing verbs.
//!
//! Every verb asks for statements that `consign-verify` has believed, from a node that
//! speaks for the signer by the directory in force at that moment. Two kinds of no:
//! [`Refused`] decides nothing, is not signed and leaves the id unused; a
//! [`Rejection`] is final, is signed as SubmissionRejection evidence and is what the
//! (sender, id) is answered ever after (EN 319 522-1 §6.2.1, events A.1 and A.2).
//!
//! Signatures, digests and look-ups run on threads of their own ([`checkers`]), nodes
//! taking turns and urgent ones first; what may block for long, as uploads do, runs on
//! the runtime's blocking threads, a bounded number at a time.

mod bucket;
mod checkers;
mod decision;
mod envelope;
mod lapse;
mod patience;
mod quotas;
mod receipt;
mod refused;
mod rules;
mod staging;
mod status;
#[cfg(test)]
mod tests;
mod turns;
mod uploads;

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use consign_domain::limits::MAX_SKEW_SECONDS;
use consign_domain::statement::Signer;
use consign_domain::{AgencyId, EnvelopeKey, Sequence, Timestamp};
use consign_runtime::clock::Clock;
use consign_runtime::shutdown::Shutdown;
use consign_store::{DirectoryNote, Health, LeftUpload, Store, StoreError};
use consign_verify::directory::KnownKey;
use consign_verify::{Directory, StatementRefusal};
use tokio::sync::Semaphore;
use tracing::field::display;
use tracing::{Span, error};

pub(crate) use bucket::{Bucket, Rate};
pub(crate) use envelope::EnvelopeIn;
pub(crate) use receipt::Settlement;
pub(crate) use refused::{Refused, Rejection};
pub(crate) use staging::Reservation;
pub(crate) use turns::Class;
pub(crate) use uploads::{Staged, left};

use crate::behind::Behind;
use crate::caller::Caller;
use crate::config::Limits;
use crate::directory::{Directories, lists_hub};
use crate::flow::{Share, Shares};
use crate::identity::HubSigner;
use crate::release::Exchanges;
use crate::urgent::Urgent;
use checkers::Checkers;
use quotas::{Charge, Cost, Quotas};
use staging::Staging;

/// The gate.
#[derive(Debug)]
pub(crate) struct Admission {
    store: Arc<dyn Store>,
    directories: Arc<Directories>,
    signer: Arc<HubSigner>,
    clock: Clock,
    behind: Arc<Behind>,
    staging: Arc<Staging>,
    quotas: Arc<Quotas>,
    /// Refusals that revoked keys may cost.
    refusals: Arc<Quotas>,
    exchanges: Exchanges,
    urgent: Urgent,
    checkers: Checkers,
    /// How many checks run at once that may block for long.
    checks: Arc<Semaphore>,
    /// Bytes of submissions being decided.
    submissions: Arc<Shares>,
    /// Seconds after its expiry for which an envelope's answer is remembered.
    record_seconds: u64,
    /// Triggered when the store has failed.
    fatal: Shutdown,
    /// It was logged that the directory does not let the hub sign.
    muted: AtomicBool,
}

/// What an admission is put together from.
#[derive(Debug)]
pub(crate) struct Parts {
    pub(crate) store: Arc<dyn Store>,
    pub(crate) directories: Arc<Directories>,
    pub(crate) signer: Arc<HubSigner>,
    pub(crate) clock: Clock,
    pub(crate) behind: Arc<Behind>,
    pub(crate) limits: Limits,
    /// Seconds after its expiry for which an envelope's answer is remembered.
    pub(crate) record_seconds: u64,
    /// What an earlier run left of uploads.
    pub(crate) uploads: Vec<LeftUpload>,
    pub(crate) fatal: Shutdown,
}

impl Admission {
    pub(crate) fn new(parts: Parts) -> Self {
        let directory = parts.directories.current();
        let (staging, gone) = Staging::new(&parts.limits, parts.uploads, &directory);
        for upload in gone {
            uploads::let_go(parts.store.as_ref(), &upload);
        }
        let processors = std::thread::available_parallelism().map_or(2, usize::from);
        let clock = parts.clock;
        Self {
            store: parts.store,
            directories: parts.directories,
            signer: parts.signer,
            clock: clock.clone(),
            behind: parts.behind,
            staging: Arc::new(staging),
            quotas: Arc::new(Quotas::new(&parts.limits, clock.monotonic())),
            refusals: Arc::new(Quotas::of_refusals(clock.monotonic())),
            exchanges: Exchanges::default(),
            urgent: Urgent::default(),
            checkers: Checkers::start(),
            // Some wait for the disk while others compute.
            checks: Arc::new(Semaphore::new(4 * processors)),
            submissions: Arc::new(Shares::new(parts.limits.submission_bytes as usize)),
            record_seconds: parts.record_seconds,
            fatal: parts.fatal,
            muted: AtomicBool::new(false),
        }
    }

    /// Notes how far a node has stored an agency's inbox. It is noted in memory and made
    /// durable with what comes next, so no thread is asked for it.
    pub(crate) fn collected(
        &self,
        caller: Caller,
        agency: AgencyId,
        through: Sequence,
    ) -> Result<(), Refused> {
        caller.speaks_for(agency, &self.directories.current(), self.now())?;
        match self.store.collected(agency, through) {
            Err(StoreError::Behind) => Err(Refused::Protocol {
                rule: "more was reported as stored than was ever sent",
            }),
            noted => self.stored(noted),
        }
    }

    /// Which inboxes have something urgent.
    pub(crate) const fn urgent(&self) -> &Urgent {
        &self.urgent
    }

    /// Whether the hub has room for another submission of a node.
    pub(crate) fn has_room(&self, caller: Caller) -> bool {
        self.submissions.has_room(caller.node)
    }

    /// Takes room for a submission of a node; `None` if it holds all that it may.
    pub(crate) fn hold(&self, caller: Caller, bytes: usize) -> Option<Share> {
        self.submissions.take(caller.node, bytes)
    }

    /// Notes the directory in force, so that no older one is taken after a restart.
    pub(crate) fn note_directory(&self, note: DirectoryNote) -> Result<(), StoreError> {
        self.store.note_directory(note)
    }

    /// Takes from a sender's quotas what a message costs.
    fn charge(&self, sender: AgencyId, cost: Cost) -> Result<Charge, Refused> {
        self.quotas.charge(sender, cost, self.clock.monotonic())
    }

    fn now(&self) -> Timestamp {
        Timestamp::from_unix_saturating(self.clock.now())
    }

    /// Runs a check when it is the caller's turn.
    async fn turn<T: Send + 'static>(
        self: &Arc<Self>,
        class: Class,
        caller: Caller,
        work: impl FnOnce(&Self) -> Result<T, Refused> + Send + 'static,
    ) -> Result<T, Refused> {
        let (this, span) = (Arc::clone(self), Span::current());
        let checked = self
            .checkers
            .run(class, caller.node, move || span.in_scope(|| work(&this)));
        checked
            .await
            .inspect_err(|refused| self.heed_refused(refused))
    }

    /// Runs a check that may block for long.
    async fn check<T: Send + 'static>(
        self: &Arc<Self>,
        work: impl FnOnce(&Self) -> Result<T, Refused> + Send + 'static,
    ) -> Result<T, Refused> {
        let turn = Arc::clone(&self.checks).acquire_owned().await;
        let (this, span) = (Arc::clone(self), Span::current());
        let checked = tokio::task::spawn_blocking(move || {
            let _turn = turn;
            span.in_scope(|| work(&this))
        });
        match checked.await {
            Ok(result) => result.inspect_err(|refused| self.heed_refused(refused)),
            // The runtime is closing.
            Err(_) => Err(Refused::Draining),
        }
    }

    fn heed_refused(&self, refused: &Refused) {
        if let Refused::Store(error) = refused {
            self.heed(error);
        }
    }

    /// Ends the process when the store has failed: what it holds is only known after a restart.
    fn heed(&self, error: &StoreError) {
        let failed = matches!(
            error,
            StoreError::Failed | StoreError::Damaged { .. } | StoreError::Index
        );
        if failed && !self.fatal.is_triggered() {
            error!(%error, "the store has failed; the hub stops and must be started anew");
            self.fatal.trigger();
        }
    }

    fn stored<T>(&self, result: Result<T, StoreError>) -> Result<T, Refused> {
        result.map_err(|error| {
            self.heed(&error);
            match error {
                StoreError::IdReused => Refused::IdReused,
                StoreError::Busy => Refused::Busy,
                StoreError::Closed => Refused::Draining,
                StoreError::PayloadMissing => Refused::PayloadMissing,
                error => Refused::Store(error),
            }
        })
    }

    /// Whether anything new may be decided at all.
    fn may_decide(&self, directory: &Directory, now: Timestamp) -> Result<(), Refused> {
        let version = directory.version();
        if !directory.is_fresh(now) {
            return Err(Refused::DirectoryExpired { version });
        }
        self.may_sign(directory, now)?;
        match self.store.health().health {
            Health::Good => Ok(()),
            Health::Full => Err(StoreError::Full.into()),
            _ => Err(StoreError::Failed.into()),
        }
    }

    /// Whether others will believe what the hub signs now: the directory lists it with
    /// its certificate, and its statement key as active.
    fn may_sign(&self, directory: &Directory, now: Timestamp) -> Result<(), Refused> {
        let listed = lists_hub(directory, self.signer.hub, self.signer.certificate(), now);
        if listed && self.signer.counts(directory, now) {
            self.muted.store(false, Ordering::Relaxed);
            return Ok(());
        }
        let version = directory.version();
        if !self.muted.swap(true, Ordering::Relaxed) {
            error!(
                %version,
                "the directory does not list this hub as active with its certificate and \
                 statement key; nothing new is accepted until it does"
            );
        }
        Err(Refused::HubNotListed { version })
    }
}

/// The signer knows no newer directory than the hub, which may say otherwise of keys,
/// codes and nodes.
fn not_newer(signer: &Signer, directory: &Directory) -> Result<(), Refused> {
    let (needed, here) = (signer.directory, directory.version());
    if needed > here {
        Err(Refused::DirectoryBehind { needed, here })
    } else {
        Ok(())
    }
}

/// A revoked key says nothing new, whatever time it claims.
fn may_say_new(signer: &Signer, directory: &Directory) -> Result<(), Refused> {
    let known = directory.key(signer.id, signer.key);
    if known.is_some_and(KnownKey::may_sign_now) {
        return Ok(());
    }
    let (signer, key) = (signer.id, signer.key);
    Err(StatementRefusal::KeyRevoked { signer, key }.into())
}

/// Names in the call's span what the call is about.
fn name_in_span(key: EnvelopeKey, agency: AgencyId) {
    let span = Span::current();
    span.record("envelope_id", display(key.id));
    span.record("agency", display(agency));
}

/// Nobody's clock is allowed to run ahead of ours by more than a little.
fn not_ahead(time: Timestamp, now: Timestamp) -> Result<(), Refused> {
    if time > now.plus_seconds(MAX_SKEW_SECONDS) {
        Err(Refused::InFuture { time, now })
    } else {
        Ok(())
    }
}
