//! A TCP proxy that does to connections what networks do: it delays, resets, half-closes,
//! stalls, and cuts at any byte.
//!
//! It listens on a loopback port of the system's choice and forwards to an address. Faults
//! come one by one through its handle ([`Proxy::inject`]), or by themselves from a seeded
//! [`Plan`]; what took hold is counted by kind. Which fault and which connection follow from
//! the seed; where in the traffic it strikes is left to the clock.
//!
//! Memory is bounded: so many connections, one small buffer for each direction of each. Every
//! task belongs to the handle and ends with it.

mod fault;
mod line;
#[cfg(test)]
mod tests;

use std::io;
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::net::{TcpListener, TcpStream};
use tokio::sync::mpsc;
use tokio::task::JoinSet;

pub use fault::{AfterStall, Direction, Fault, Plan, Tally};
use fault::{Counters, Random};

/// Most connections at one time; more are reset at once.
const MOST: usize = 1_024;
/// Faults that wait for one connection.
const WAITING: usize = 16;

/// A running proxy; dropped, it and all its connections end.
#[derive(Debug)]
pub struct Proxy {
    address: SocketAddr,
    shared: Arc<Shared>,
    tasks: Mutex<JoinSet<()>>,
}

/// What the handle and the connections share.
#[derive(Debug)]
struct Shared {
    target: SocketAddr,
    counters: Counters,
    lines: Mutex<Lines>,
}

/// The connections that are open, and who is chosen among them.
#[derive(Debug)]
struct Lines {
    next: u64,
    random: Random,
    open: Vec<(u64, mpsc::Sender<Fault>)>,
}

impl Proxy {
    /// Listens on loopback and forwards to `target`, without faults so far. `seed` chooses
    /// the connections that faults go to.
    ///
    /// # Errors
    /// There is no port.
    pub async fn bind(target: SocketAddr, seed: u64) -> io::Result<Self> {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await?;
        let address = listener.local_addr()?;
        let shared = Arc::new(Shared {
            target,
            counters: Counters::default(),
            lines: Mutex::new(Lines {
                next: 0,
                random: Random::new(seed),
                open: Vec::new(),
            }),
        });
        let mut tasks = JoinSet::new();
        tasks.spawn(accept(listener, Arc::clone(&shared)));
        Ok(Self {
            address,
            shared,
            tasks: Mutex::new(tasks),
        })
    }

    /// Where it listens.
    pub const fn address(&self) -> SocketAddr {
        self.address
    }

    /// Does this to one of the open connections; `false` if there is none that can take it.
    pub fn inject(&self, fault: Fault) -> bool {
        self.shared.inject(fault)
    }

    /// From now on a fault of the plan comes by itself, `mean` apart on the average. A fault
    /// that comes while nobody is connected is left out.
    pub fn follow(&self, plan: Plan, mean: Duration) {
        let shared = Arc::clone(&self.shared);
        let mut tasks = self.tasks.lock().unwrap_or_else(PoisonError::into_inner);
        tasks.spawn(follow(shared, plan, mean));
    }

    /// Connections that are open now.
    pub fn connections(&self) -> usize {
        self.shared.lines().open.len()
    }

    /// The faults that took hold so far.
    pub fn tally(&self) -> Tally {
        self.shared.counters.read()
    }

    /// Ends it and waits until nothing of it runs.
    pub async fn stop(self) {
        let mut tasks = self
            .tasks
            .into_inner()
            .unwrap_or_else(PoisonError::into_inner);
        tasks.shutdown().await;
    }
}

async fn follow(shared: Arc<Shared>, mut plan: Plan, mean: Duration) {
    loop {
        tokio::time::sleep(plan.pause(mean)).await;
        let fault = plan.next_fault();
        shared.inject(fault);
    }
}

/// Takes connections until the handle is gone, and owns their tasks.
async fn accept(listener: TcpListener, shared: Arc<Shared>) {
    let mut open = JoinSet::new();
    loop {
        tokio::select! {
            taken = listener.accept() => match taken {
                Ok((caller, _)) if open.len() < MOST => {
                    open.spawn(serve(caller, Arc::clone(&shared)));
                }
                Ok((caller, _)) => drop(caller.set_zero_linger()),
                // Out of descriptors, perhaps: the next connection may find some.
                Err(_) => tokio::time::sleep(Duration::from_millis(10)).await,
            },
            Some(_) = open.join_next() => {}
        }
    }
}

async fn serve(caller: TcpStream, shared: Arc<Shared>) {
    let Ok(target) = TcpStream::connect(shared.target).await else {
        // Nobody is there: what a caller without a proxy would meet as well.
        drop(caller.set_zero_linger());
        return;
    };
    // Whatever is delayed here is delayed on purpose.
    drop(caller.set_nodelay(true));
    drop(target.set_nodelay(true));
    let (number, faults) = shared.opened();
    line::carry(caller, target, faults, &shared.counters).await;
    shared.closed(number);
}

impl Shared {
    fn lines(&self) -> MutexGuard<'_, Lines> {
        self.lines.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn opened(&self) -> (u64, mpsc::Receiver<Fault>) {
        let (sender, faults) = mpsc::channel(WAITING);
        let mut lines = self.lines();
        let number = lines.next;
        lines.next += 1;
        lines.open.push((number, sender));
        (number, faults)
    }

    fn closed(&self, number: u64) {
        self.lines().open.retain(|(other, _)| *other != number);
    }

    fn inject(&self, fault: Fault) -> bool {
        let mut lines = self.lines();
        let count = lines.open.len();
        let Some(place) = lines.random.place(count) else {
            return false;
        };
        let line = lines.open.get(place);
        line.is_some_and(|(_, line)| line.try_send(fault).is_ok())
    }
}
