//! The judge: what senders were promised against what receivers have and signed.
//!
//! It reads the nodes' files and lists, and believes no statement whose signature the
//! auditor's library does not verify. The hub is not asked.

mod archives;
mod lists;
mod order;

use std::fmt;
use std::fs;
use std::sync::Mutex;
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, anyhow, ensure};
use consign_domain::{Digest, Timestamp};
use consign_node::directory_files;
use consign_node::layout::AgencyHome;
use consign_verify::{Directory, TrustStore};
use indicatif::ProgressBar;
use tokio::runtime::Runtime;

use super::{Promise, Seat, bar};
use crate::scratch::Scratch;

/// What is under way gets on within this time, or never.
const STANDSTILL: Duration = Duration::from_secs(120);
/// Findings that are told in full.
const TOLD: usize = 20;
/// Threads that read archives.
const READERS: usize = 2;

/// How a promise may be broken.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Breach {
    /// A promised document did not arrive whole, or nobody knows what became of it.
    Lost,
    /// A document is there twice, or one that nobody sent.
    Twice,
    /// An inbox has gaps, or things in another order than they were accepted in.
    Order,
    /// Two sides say different things about how it ended, or a signature does not hold.
    Conflict,
}

/// One breach, for people.
type Finding = (Breach, String);

/// What the judge found.
#[derive(Debug, Default)]
pub struct Judgement {
    /// Deliveries examined.
    pub deliveries: u64,
    /// Signatures that were verified.
    pub signatures: u64,
    /// Items of inboxes whose order was examined.
    pub items: u64,
    /// Promises not kept.
    pub lost: u64,
    /// Documents seen twice.
    pub twice: u64,
    /// Inboxes with gaps, or things out of order.
    pub disordered: u64,
    /// Ends that two sides tell differently.
    pub conflicting: u64,
    told: Vec<String>,
}

impl Judgement {
    fn note(&mut self, (breach, what): Finding) {
        match breach {
            Breach::Lost => self.lost += 1,
            Breach::Twice => self.twice += 1,
            Breach::Order => self.disordered += 1,
            Breach::Conflict => self.conflicting += 1,
        }
        if self.told.len() < TOLD {
            self.told.push(what);
        }
    }

    /// Nothing was found.
    ///
    /// # Errors
    /// Something was; says what.
    pub fn passed(&self) -> Result<()> {
        let found = self.lost + self.twice + self.disordered + self.conflicting;
        ensure!(found == 0, "{self}:\n{}", self.told.join("\n"));
        Ok(())
    }
}

impl fmt::Display for Judgement {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "{} deliveries, {} inbox items, {} signatures: lost {}, visible twice {}, \
             order broken {}, final states in conflict {}",
            self.deliveries,
            self.items,
            self.signatures,
            self.lost,
            self.twice,
            self.disordered,
            self.conflicting,
        )
    }
}

/// What the judge knows beforehand: who is who.
struct Court<'a> {
    seats: &'a [Seat],
    homes: Vec<AgencyHome>,
    directory: Directory,
}

/// What one document left behind in the archives.
#[derive(Debug, Clone)]
struct Traces {
    /// When the hub says that it took it.
    accepted: Timestamp,
    /// Each recipient, its place in that inbox, and the digest of the envelope.
    placed: Vec<(usize, u64)>,
    envelope: Digest,
    /// Who sent it.
    sender: usize,
    /// Places in the sender's inbox, and what lies there.
    told: Vec<(u64, Digest)>,
    /// The recipients that signed for it; the others let it lapse.
    handed_over: Vec<usize>,
}

/// Waits until no node has anything under way, or nothing gets on any more.
pub(super) fn wait_until_quiet(seats: &[Seat]) -> Result<()> {
    let (mut fewest, mut since) = (usize::MAX, Instant::now());
    let mut shown: Option<ProgressBar> = None;
    loop {
        let left = under_way(seats)?;
        let bar = shown.get_or_insert_with(|| bar(left, "under way"));
        bar.set_position(bar.length().unwrap_or_default().saturating_sub(left as u64));
        if left < fewest {
            (fewest, since) = (left, Instant::now());
        }
        if left == 0 || since.elapsed() > STANDSTILL {
            bar.finish_and_clear();
            return Ok(());
        }
        thread::park_timeout(Duration::from_millis(100));
    }
}

fn under_way(seats: &[Seat]) -> Result<usize> {
    let mut count = 0;
    for seat in seats {
        for part in ["outbox", "inbox"] {
            let path = seat.place.join("agencies").join(seat.code).join(part);
            let entries = fs::read_dir(&path);
            count += entries
                .with_context(|| format!("cannot read {}", path.display()))?
                .count();
        }
    }
    Ok(count)
}

/// Judges what became of all promises.
pub(super) fn judge(
    runtime: &Runtime,
    scratch: &Scratch,
    seats: &[Seat],
    promises: &[Promise],
) -> Result<Judgement> {
    let court = Court::new(scratch, seats)?;
    let mut judgement = Judgement::default();
    let traces = court.examine_all(promises, &mut judgement)?;
    let lists = runtime.block_on(lists::read(seats, promises))?;
    lists.judge(&court, promises, &traces, &mut judgement);
    order::judge(&court, &traces, &mut judgement)?;
    Ok(judgement)
}

impl<'a> Court<'a> {
    fn new(scratch: &Scratch, seats: &'a [Seat]) -> Result<Self> {
        let home = |seat: &Seat| AgencyHome::open(seat.place.join("agencies").join(seat.code));
        let trust = scratch.join("authority/trust");
        let store = TrustStore::parse(&fs::read(trust.join("trust.json"))?)?;
        let directory = directory_files::newest(&trust.join("directory"), &store)?;
        Ok(Self {
            homes: seats.iter().map(home).collect::<Result<_, _>>()?,
            directory: directory.context("the authority has published a directory")?,
            seats,
        })
    }

    /// The traces of every document, in the order of the promises; `None` where the sender has
    /// none that could be believed.
    fn examine_all(
        &self,
        promises: &[Promise],
        judgement: &mut Judgement,
    ) -> Result<Vec<Option<Traces>>> {
        let bar = bar(promises.len(), "judged");
        let found = Mutex::new(judgement);
        let share = promises.len().div_ceil(READERS).max(1);
        let examine = |promise: &Promise| {
            let mut one = archives::Examination::new(self, promise);
            let traces = one.run();
            bar.inc(1);
            let mut all = found.lock().map_err(|_| anyhow!("a reader panicked"))?;
            all.deliveries += promise.to.len() as u64;
            all.signatures += one.signatures;
            one.findings.into_iter().for_each(|found| all.note(found));
            Ok::<_, anyhow::Error>(traces)
        };
        let traces = thread::scope(|scope| {
            let readers: Vec<_> = promises
                .chunks(share)
                .map(|share| {
                    scope.spawn(move || share.iter().map(examine).collect::<Result<Vec<_>>>())
                })
                .collect();
            let mut traces = Vec::with_capacity(promises.len());
            for reader in readers {
                let read = reader.join().map_err(|_| anyhow!("a reader panicked"))?;
                traces.extend(read?);
            }
            Ok::<_, anyhow::Error>(traces)
        });
        bar.finish_and_clear();
        traces
    }

    fn code(&self, seat: usize) -> &str {
        self.seats.get(seat).map_or("?", |seat| seat.code)
    }
}
