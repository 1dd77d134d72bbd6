//! Trouble: processes are killed and connections spoilt, in step with what is promised.

use std::fmt;
use std::sync::mpsc::{Receiver, RecvTimeoutError};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Result, bail};
use consign_lab::proxy::{Plan as Faults, Proxy};

use super::{Plan, Promise, bar};
use crate::chance::Chance;
use crate::network::Network;
use crate::service::Service;

/// Nobody is without a promise for so long.
const SILENCE: Duration = Duration::from_secs(360);
/// A process that is killed has run on for up to so long since it was chosen.
const RUN_ON: Duration = Duration::from_millis(60);
/// It stays away for up to so long.
const AWAY: Duration = Duration::from_millis(150);
/// A process that is killed while it starts gets so far.
const STARTED: Duration = Duration::from_millis(120);
/// What is still missing when all is promised comes within this time.
const REST: Duration = Duration::from_secs(60);

/// Processes killed.
#[derive(Debug, Clone, Copy, Default)]
pub struct Kills {
    /// The hub.
    pub hub: usize,
    /// Nodes, all together.
    pub nodes: usize,
    /// Of both, those that were just starting.
    pub starting: usize,
}

impl Kills {
    /// All.
    pub const fn total(&self) -> usize {
        self.hub + self.nodes
    }
}

impl fmt::Display for Kills {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            hub,
            nodes,
            starting,
        } = self;
        write!(
            f,
            "the hub {hub} times, nodes {nodes} times, {starting} of these while starting"
        )
    }
}

struct Trouble<'a, 'b> {
    network: &'a mut Network<'b>,
    proxy: &'a Proxy,
    plan: &'a Plan,
    faults: Faults,
    chance: Chance,
    kills: Kills,
}

/// Makes trouble while promises come in, and gives them; returns when all services run again.
pub(super) fn make(
    network: &mut Network<'_>,
    proxy: &Proxy,
    plan: &Plan,
    promised: &Receiver<Promise>,
) -> Result<(Vec<Promise>, Kills)> {
    let mut trouble = Trouble {
        network,
        proxy,
        plan,
        faults: Faults::new(plan.seed),
        chance: Chance::new(!plan.seed),
        kills: Kills::default(),
    };
    let mut promises = Vec::with_capacity(plan.documents);
    let bar = bar(plan.documents, "promised");
    loop {
        match promised.recv_timeout(SILENCE) {
            Ok(promise) => promises.push(promise),
            Err(RecvTimeoutError::Disconnected) => break,
            Err(RecvTimeoutError::Timeout) => bail!("nothing is promised any more"),
        }
        bar.set_position(promises.len() as u64);
        trouble.keep_step(promises.len())?;
    }
    bar.finish_and_clear();
    if promises.len() == plan.documents {
        trouble.catch_up()?;
    }
    for service in trouble.services() {
        service.wait_until_ready()?;
    }
    Ok((promises, trouble.kills))
}

impl Trouble<'_, '_> {
    /// Brings trouble to where it should be after so many promises.
    fn keep_step(&mut self, promised: usize) -> Result<()> {
        let documents = self.plan.documents.max(1);
        let due = self.plan.faults * promised as u64 / documents as u64;
        if self.proxy.tally().total() < due {
            self.proxy.inject(self.faults.next_fault());
        }
        if self.kills.total() < self.plan.kills * promised / documents {
            self.kill_one()?;
        }
        Ok(())
    }

    /// What is missing at the end: nobody was connected, or a cut did not come to its byte.
    fn catch_up(&mut self) -> Result<()> {
        let deadline = Instant::now() + REST;
        while self.kills.total() < self.plan.kills {
            self.kill_one()?;
        }
        while self.proxy.tally().total() < self.plan.faults && Instant::now() < deadline {
            self.proxy.inject(self.faults.next_fault());
            thread::park_timeout(Duration::from_millis(20));
        }
        Ok(())
    }

    fn services(&mut self) -> impl Iterator<Item = &mut Service> {
        std::iter::once(&mut self.network.hub).chain(&mut self.network.nodes)
    }

    fn kill_one(&mut self) -> Result<()> {
        for service in self.services() {
            service.still_runs()?;
        }
        let hub = self.chance.once_in(3);
        let node = self.chance.place(self.network.nodes.len());
        let twice = self.chance.once_in(4);
        let (on, away) = (self.chance.time(RUN_ON), self.chance.time(AWAY));
        let started = self.chance.time(STARTED);
        let service = match self.network.nodes.get_mut(node) {
            Some(node) if !hub => node,
            _ => &mut self.network.hub,
        };
        thread::park_timeout(on);
        service.kill()?;
        thread::park_timeout(away);
        service.begin()?;
        if twice {
            thread::park_timeout(started);
            service.kill()?;
            service.begin()?;
            self.kills.starting += 1;
        }
        let count = 1 + usize::from(twice);
        match hub {
            true => self.kills.hub += count,
            false => self.kills.nodes += count,
        }
        Ok(())
    }
}
