//! Time-stamps, on seals and archives: from whom the node has them, and what it does while there are none.
//!
//! A seal is stamped while it is made, if the stamp comes soon (CAdES-B-T, ETSI EN 319 122-1
//! §6.3); else it is made without, is sent, and the stamp is fetched afterwards over the same
//! signature value (`late`). A container never changes once it is in an envelope, so such a
//! token is kept beside it. No stamp counts here that a reader of the document would not count:
//! it is over this seal, by an authority that leads to a pinned root and of which no list says that
//! others may have its key, and of a time that is ours.
//!
//! An authority that just failed is not asked again before a wait, which grows, so that what is
//! sealed meanwhile is not held up by it.

mod fault;
mod http;
mod kept;
pub(crate) mod late;
#[cfg(test)]
mod tests;

use std::sync::Mutex;
use std::time::{Duration, Instant};

use consign_domain::Timestamp;
use consign_domain::document::Urgency;
use consign_domain::limits::MAX_SKEW_SECONDS;
use consign_pki::asic::DigestAlgorithm;
use consign_pki::timestamp::{Request, token_of};
use consign_proto::v1::{TimeStampRequest, hub_client::HubClient};
use consign_runtime::clock::Clock;
use consign_runtime::entropy;
use consign_runtime::shutdown::Shutdown;
use consign_verify::TrustStore;
use consign_verify::container::SealTrust;
use consign_verify::time_stamp::{self, ProvenTime};
use tokio::runtime::Handle;
use tokio::sync::watch;
use tonic::transport::Channel;
use tracing::{info, warn};

use crate::archiving::ArchiveStamp;
use crate::config::{StampSource, TimeStamps};
use crate::link::Backoff;
use crate::office::lock;
use crate::revocation_lists::ListsHere;
use crate::seal::Stamp;

pub use fault::StampFault;
pub use http::{AuthorityAddress, HttpFault};
pub(crate) use kept::Stamped;

/// What is urgent waits for this part of the usual patience.
const URGENT_PART: u32 = 5;
/// So many days before the authority's certificate ends people are told.
const WARNED_SECONDS: u64 = 30 * 86_400;

/// The connection to the hub, as far as stamps need it.
#[derive(Debug, Clone)]
enum Line {
    /// Not tried yet.
    Unknown,
    Up(Box<HubClient<Channel>>),
    Down,
}

/// The time-stamp authority that the node asks.
#[derive(Debug)]
pub(crate) struct Stamps {
    settings: TimeStamps,
    clock: Clock,
    lists: ListsHere,
    hub: watch::Sender<Line>,
    standing: Mutex<Standing>,
}

/// How the authority did last.
#[derive(Debug, Default)]
struct Standing {
    backoff: Backoff,
    /// When it may be asked again.
    again: Option<Instant>,
    /// Why it gave no stamp.
    cause: Option<String>,
    /// When its certificate ends.
    until: Option<Timestamp>,
}

impl Stamps {
    pub(crate) fn new(settings: TimeStamps, clock: Clock, lists: ListsHere) -> Self {
        Self {
            settings,
            clock,
            lists,
            hub: watch::Sender::new(Line::Unknown),
            standing: Mutex::default(),
        }
    }

    /// There is a session with the hub: it may be asked at once.
    pub(crate) fn hub_is_up(&self, client: HubClient<Channel>) {
        if self.settings.source == StampSource::Hub {
            let mut standing = lock(&self.standing);
            standing.again = None;
            standing.backoff.reset();
        }
        self.hub.send_replace(Line::Up(Box::new(client)));
    }

    /// There is no session with the hub.
    pub(crate) fn hub_is_down(&self) {
        self.hub.send_replace(Line::Down);
    }

    /// Whom the node asks, for people.
    pub(crate) fn source(&self) -> String {
        self.settings.source.to_string()
    }

    /// When the authority's certificate ends, and why it gave no stamp the last time; as far as
    /// that is known.
    pub(crate) fn standing(&self) -> (Option<Timestamp>, Option<String>) {
        let standing = lock(&self.standing);
        (standing.until, standing.cause.clone())
    }

    /// The stamp of a seal that is being made; `None` if the node stops before it is known. It
    /// waits no longer than its patience allows. Blocks.
    pub(crate) fn at_sealing(
        &self,
        signature: &[u8],
        urgency: Urgency,
        trust: &TrustStore,
        stop: &Shutdown,
    ) -> Option<Stamp> {
        if self.settings.source == StampSource::None {
            return Some(Stamp::NotAsked);
        }
        if let Err(fault) = self.may_ask() {
            return Some(Stamp::Awaited(fault.words()));
        }
        let patience = match urgency {
            Urgency::Normal => self.settings.patience,
            _ => self.settings.patience / URGENT_PART,
        };
        let asked = Handle::current().block_on(async {
            tokio::select! {
                asked = self.stamp_seal(signature, trust, patience) => Some(asked),
                () = stop.wait() => None,
            }
        });
        Some(match asked? {
            Ok(token) => Stamp::Token(token),
            Err(fault) => Stamp::Awaited(fault.words()),
        })
    }

    /// The stamp of a seal that was made without one.
    pub(crate) async fn afterwards(
        &self,
        signature: &[u8],
        trust: &TrustStore,
    ) -> Result<Vec<u8>, StampFault> {
        self.may_ask()?;
        self.stamp_seal(signature, trust, self.settings.answer)
            .await
    }

    /// The stamp of an archive's manifest, by a digest.
    pub(crate) async fn over_archive(
        &self,
        manifest: &[u8],
        digest: DigestAlgorithm,
        trust: &TrustStore,
    ) -> Result<ArchiveStamp, StampFault> {
        self.may_ask()?;
        let request = Request::over_by(digest.into(), manifest, entropy::bytes()?);
        let limit = self.settings.answer;
        let (token, proven) = self.stamp(&request, manifest, trust, limit).await?;
        let ProvenTime { time, until, .. } = proven;
        Ok(ArchiveStamp { token, time, until })
    }

    /// When the authority may be asked again; `None` if it may be now.
    fn again(&self) -> Option<Instant> {
        let again = lock(&self.standing).again;
        again.filter(|again| *again > self.clock.monotonic())
    }

    /// Whether the authority may be asked now.
    pub(crate) fn may_ask(&self) -> Result<(), StampFault> {
        if self.settings.source == StampSource::Hub && matches!(*self.hub.borrow(), Line::Down) {
            return Err(StampFault::NoSession);
        }
        match self.again() {
            None => Ok(()),
            Some(_) => {
                let cause = lock(&self.standing).cause.clone();
                Err(StampFault::Resting {
                    cause: cause.unwrap_or_default(),
                })
            }
        }
    }

    async fn stamp_seal(
        &self,
        signature: &[u8],
        trust: &TrustStore,
        limit: Duration,
    ) -> Result<Vec<u8>, StampFault> {
        let request = Request::over(signature, entropy::bytes()?);
        let stamped = self.stamp(&request, signature, trust, limit).await;
        stamped.map(|(token, _)| token)
    }

    async fn stamp(
        &self,
        request: &Request,
        over: &[u8],
        trust: &TrustStore,
        limit: Duration,
    ) -> Result<(Vec<u8>, ProvenTime), StampFault> {
        let asked = tokio::time::timeout(limit, self.ask(request, over, trust)).await;
        let seconds = limit.as_secs();
        let asked = asked.unwrap_or(Err(StampFault::Slow { seconds }));
        // One that had less time than is usual says nothing of the authority.
        let hurried = limit < self.settings.patience;
        if !(hurried && matches!(asked, Err(StampFault::Slow { .. }))) {
            self.note(asked.as_ref().map(|(_, proven)| proven));
        }
        asked
    }

    /// Asks, and checks the answer whole.
    async fn ask(
        &self,
        request: &Request,
        over: &[u8],
        trust: &TrustStore,
    ) -> Result<(Vec<u8>, ProvenTime), StampFault> {
        let answer = match &self.settings.source {
            StampSource::None => return Err(StampFault::NoSession),
            StampSource::Hub => self.ask_hub(request.to_der()).await?,
            StampSource::Authority(address) => address.ask(request.to_der()).await?,
        };
        let token = token_of(&answer, request)?;
        let lists = self.lists.now();
        let trust = SealTrust {
            lists: &lists,
            time_stamp_roots: trust.time_stamp_roots(),
            ..SealTrust::by_roots(trust.roots())
        };
        let now = Timestamp::from_unix_saturating(self.clock.now());
        let proven = time_stamp::judge(&token, over, &trust, now)?;
        if proven.time.distance(now) > MAX_SKEW_SECONDS {
            let stamped = proven.time;
            return Err(StampFault::Clock { stamped, now });
        }
        Ok((token, proven))
    }

    async fn ask_hub(&self, query: &[u8]) -> Result<Vec<u8>, StampFault> {
        let mut line = self.hub.subscribe();
        let known = line.wait_for(|line| !matches!(line, Line::Unknown)).await;
        let line = known.map_err(|_| StampFault::NoSession)?.clone();
        let Line::Up(mut client) = line else {
            return Err(StampFault::NoSession);
        };
        let query = query.to_vec().into();
        let reply = client.time_stamp(TimeStampRequest { query }).await;
        let reply = reply.map_err(|status| StampFault::Hub {
            code: consign_proto::status_of(&status),
            text: status.message().to_owned(),
            wait: consign_proto::retry_after_of(&status),
        })?;
        Ok(reply.into_inner().answer.into())
    }

    fn note(&self, asked: Result<&ProvenTime, &StampFault>) {
        let mut standing = lock(&self.standing);
        match asked {
            Ok(proven) => {
                if standing.cause.take().is_some() {
                    info!("the time-stamp authority answers again");
                }
                standing.backoff.reset();
                standing.again = None;
                if standing.until.replace(proven.until) != Some(proven.until) {
                    say_until(proven);
                }
            }
            Err(fault) => {
                let wait = standing.backoff.next_after(fault.wait());
                standing.again = Some(self.clock.monotonic() + wait);
                let words = fault.words();
                if standing.cause.as_ref() != Some(&words) {
                    warn!(cause = %words, ?wait, "no time-stamp: sealing goes on without");
                }
                standing.cause = Some(words);
            }
        }
    }
}

fn say_until(proven: &ProvenTime) {
    let (until, authority) = (proven.until, proven.authority.as_str());
    if until.distance(proven.time) < WARNED_SECONDS {
        warn!(%until, authority, "the time-stamp authority's certificate ends soon");
    } else {
        info!(%until, authority, "time-stamps are given");
    }
}
