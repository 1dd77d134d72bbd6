//! The hub's time-stamp authority (RFC 3161): what a node shows it, by its digest, existed now.
//!
//! It vouches for the hub's clock and for nothing else; what it stamps it does not learn. Where
//! the clock cannot be relied on it says `timeNotAvailable`. Numbers are random, 128 bits, so
//! that none comes twice whatever is restored or restarted.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use arc_swap::ArcSwapOption;
use bytes::Bytes;
use consign_domain::limits::MAX_SKEW_SECONDS;
use consign_domain::{NodeId, Timestamp};
use consign_enrol::Life;
use consign_pki::seal::FileSealKey;
use consign_pki::timestamp::{Authority, Failure, Grant, PLACEHOLDER_POLICY, refused};
use consign_runtime::clock::Clock;
use consign_runtime::entropy;
use tokio::sync::Semaphore;
use tracing::{error, info, warn};

use crate::admit::{Bucket, Rate, Refused};
use crate::caller::Caller;
use crate::config::Limits;
use crate::identity::TimeStampKey;
use crate::relay::Relay;
use crate::upkeep::Steadiness;

/// Largest request, in bytes; an ordinary one has less than a hundred.
const MAX_QUERY: usize = 4 * 1024;
/// Stamps that are signed at one time: submissions need the processors more.
const HANDS: usize = 2;
/// How often idle accounts are looked for.
const SWEEP: Duration = Duration::from_secs(60);
/// How often it is looked how long the certificate is good.
const DAILY: Duration = Duration::from_secs(DAY);
const DAY: u64 = 86_400;
/// So many days before its end people are told.
const WARNED: u64 = 30;

/// See the module.
#[derive(Debug)]
pub(crate) struct Stamping {
    held: ArcSwapOption<Held>,
    steadiness: Mutex<Steadiness>,
    quota: Quota,
    hands: Arc<Semaphore>,
}

#[derive(Debug)]
struct Held {
    authority: Arc<Authority<FileSealKey>>,
    from: Timestamp,
    until: Timestamp,
}

impl Held {
    fn new(key: TimeStampKey) -> Option<Self> {
        let (from, until) = key.validity;
        let policy = key.policy.as_deref().unwrap_or(PLACEHOLDER_POLICY);
        let authority = Authority::new(key.key, key.certificate, key.chain, policy);
        Some(Self {
            authority: Arc::new(authority.ok()?),
            from: Timestamp::from_unix_saturating(from),
            until: Timestamp::from_unix_saturating(until),
        })
    }
}

impl Stamping {
    pub(crate) fn new(key: Option<TimeStampKey>, limits: &Limits, clock: &Clock) -> Self {
        Self {
            held: ArcSwapOption::new(key.and_then(Held::new).map(Arc::new)),
            steadiness: Mutex::new(Steadiness::new(clock)),
            quota: Quota::new(limits, clock.monotonic()),
            hands: Arc::new(Semaphore::new(HANDS)),
        }
    }

    /// When the certificate ends; `None` if there is none.
    pub(crate) fn until(&self) -> Option<Timestamp> {
        self.life().map(|life| life.until)
    }

    /// From when until when the certificate is good; `None` if there is none.
    pub(crate) fn life(&self) -> Option<Life> {
        let held = self.held.load();
        let (from, until) = held.as_ref().map(|held| (held.from, held.until))?;
        Some(Life { from, until })
    }

    /// Stamps with this key and certificate from now on. What was stamped before keeps the
    /// certificate that is in it.
    pub(crate) fn take_up(&self, key: TimeStampKey) {
        if let Some(held) = Held::new(key) {
            self.held.store(Some(Arc::new(held)));
        }
    }

    /// Whether the clock has run evenly since the start.
    fn is_even(&self, clock: &Clock) -> bool {
        let steadiness = self.steadiness.lock();
        steadiness
            .unwrap_or_else(PoisonError::into_inner)
            .holds(clock)
    }

    fn say_until(&self, now: Timestamp) {
        let Some(until) = self.until() else {
            warn!(
                "this hub has no time-stamp key with a certificate: documents are sealed without \
                 its stamp"
            );
            return;
        };
        let fix = "let the authority serve, or have it issue the request again, install the bundle, restart";
        let days_left = until.distance(now) / DAY;
        if until < now {
            error!(%until, fix, "the time-stamp certificate has ended: no time is stamped");
        } else if days_left < WARNED {
            warn!(%until, days_left, fix, "the time-stamp certificate ends soon");
        } else {
            info!(%until, "the time-stamp certificate is good");
        }
    }
}

impl Relay {
    /// Answers a node's `TimeStampReq` with a `TimeStampResp`, both DER.
    pub(crate) async fn time_stamp(
        &self,
        caller: Caller,
        query: Bytes,
    ) -> Result<Vec<u8>, Refused> {
        let held = self.stamping.held.load_full();
        let held = held.ok_or(Refused::NoTimeStamps)?;
        if query.len() > MAX_QUERY {
            return Err(Refused::TooLarge {
                size: query.len() as u64,
                limit: MAX_QUERY as u64,
            });
        }
        let quota = &self.stamping.quota;
        quota.charge(caller.node, self.clock.monotonic())?;
        let hand = Arc::clone(&self.stamping.hands).acquire_owned().await;
        let now = self.now();
        if !self.is_time_known(now) {
            return Ok(refused(Failure::TimeNotAvailable));
        }
        if now < held.from || now > held.until {
            return Ok(refused(Failure::SystemFailure));
        }
        let grant = Grant {
            time: now.as_unix(),
            serial: entropy::serial_number().map_err(|_| Refused::TimeStamp)?,
        };
        let authority = Arc::clone(&held.authority);
        // The hand is free when the work is done, also where its caller has gone.
        let signed = tokio::task::spawn_blocking(move || {
            let _hand = hand;
            authority.answer(&query, grant)
        });
        let signed = signed.await;
        match signed {
            Ok(Ok(answer)) => Ok(answer),
            Ok(Err(fault)) => {
                error!(%fault, "a time-stamp was not signed");
                Err(Refused::TimeStamp)
            }
            Err(_) => Err(Refused::Draining),
        }
    }

    /// Whether the clock can be vouched for: it has run evenly since the start, and lies within
    /// the span of the directory in force, which somebody else's clock has set.
    fn is_time_known(&self, now: Timestamp) -> bool {
        let directory = self.directories.current();
        let issued = directory.head().time;
        self.stamping.is_even(&self.clock)
            && directory.is_fresh(now)
            && now.plus_seconds(MAX_SKEW_SECONDS) >= issued
    }

    /// Tells people every day when the certificate ends soon, until the hub stops.
    pub(crate) async fn watch_time_stamps(self: Arc<Self>) {
        let mut pulse = tokio::time::interval(DAILY);
        loop {
            tokio::select! {
                _ = pulse.tick() => self.stamping.say_until(self.now()),
                () = self.shutdown().wait() => return,
            }
        }
    }
}

/// What each node may ask for.
#[derive(Debug)]
struct Quota {
    /// `None`: no bound.
    rate: Option<Rate>,
    accounts: Mutex<Accounts>,
}

#[derive(Debug)]
struct Accounts {
    by_node: HashMap<NodeId, Bucket>,
    swept: Instant,
}

impl Quota {
    #[expect(clippy::cast_precision_loss, reason = "a quota is not exact")]
    fn new(limits: &Limits, now: Instant) -> Self {
        let per_minute = limits.time_stamps_per_minute as f64;
        let rate = Rate {
            per_second: per_minute / 60.0,
            burst: limits.time_stamps_burst as f64,
        };
        Self {
            rate: (per_minute > 0.0).then_some(rate),
            accounts: Mutex::new(Accounts {
                by_node: HashMap::new(),
                swept: now,
            }),
        }
    }

    fn charge(&self, node: NodeId, now: Instant) -> Result<(), Refused> {
        let Some(rate) = self.rate else {
            return Ok(());
        };
        let mut accounts = self.accounts.lock().unwrap_or_else(PoisonError::into_inner);
        if now.saturating_duration_since(accounts.swept) >= SWEEP {
            accounts.swept = now;
            accounts.by_node.retain(|_, bucket| {
                bucket.fill(rate, now);
                !bucket.is_full(rate)
            });
        }
        let bucket = accounts.by_node.entry(node);
        let bucket = bucket.or_insert_with(|| Bucket::full(rate, now));
        bucket.fill(rate, now);
        let asked = bucket.ask(1.0, 0.0, rate);
        asked.map_err(|wait| Refused::NodeQuota {
            quota: "number of time-stamps in a minute",
            wait,
        })?;
        bucket.take(1.0);
        Ok(())
    }
}
