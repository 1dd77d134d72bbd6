//! One connection through the proxy: two pumps, each behind a valve, and what turns them.
//!
//! Pumps and valves live in one task. A valve says what its pump may do now; a pump that holds
//! a piece of data waits at it.

use std::io;
use std::time::Duration;

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::net::tcp::{ReadHalf, WriteHalf};
use tokio::sync::{mpsc, watch};
use tokio::time::{Instant, sleep_until};

use super::fault::{AfterStall, Counters, Direction, Fault};

/// Most bytes that are taken in before they go on.
const PIECE: usize = 16 * 1024;

/// What a pump may do now.
#[derive(Debug, Clone, Copy, Default)]
struct Valve {
    stalled: bool,
    closed: bool,
    delay: Duration,
    /// Bytes that still go through, where they are counted.
    left: Option<u64>,
}

/// How a pump ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Ended {
    /// Its direction was closed, by an end or by its valve.
    Closed,
    /// The counted bytes are through.
    Cut,
    /// An end is gone.
    Broken,
}

/// How a connection ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum End {
    Close,
    Reset,
}

/// Carries a connection to its end.
pub(super) async fn carry(
    mut caller: TcpStream,
    mut target: TcpStream,
    faults: mpsc::Receiver<Fault>,
    counters: &Counters,
) {
    let end = drive(&mut caller, &mut target, faults, counters).await;
    if end == End::Reset {
        // Sockets that refuse it are gone already.
        drop(caller.set_zero_linger());
        drop(target.set_zero_linger());
    }
}

/// A connection while it lasts.
struct Line<'a> {
    up: watch::Sender<Valve>,
    down: watch::Sender<Valve>,
    /// When what lasts only a while is over, and what comes then.
    relief: Option<(Instant, AfterStall)>,
    counters: &'a Counters,
}

async fn drive(
    caller: &mut TcpStream,
    target: &mut TcpStream,
    mut faults: mpsc::Receiver<Fault>,
    counters: &Counters,
) -> End {
    let mut line = Line {
        up: watch::Sender::default(),
        down: watch::Sender::default(),
        relief: None,
        counters,
    };
    let (from_caller, to_caller) = caller.split();
    let (from_target, to_target) = target.split();
    let up = pump(from_caller, to_target, line.up.clone());
    let down = pump(from_target, to_caller, line.down.clone());
    tokio::pin!(up, down);
    let (mut up_ended, mut down_ended) = (false, false);
    while !(up_ended && down_ended) {
        let now = Instant::now();
        let relief = line.relief.map_or(now, |(at, _)| at);
        let (direction, ended) = tokio::select! {
            ended = &mut up, if !up_ended => (Direction::Up, ended),
            ended = &mut down, if !down_ended => (Direction::Down, ended),
            Some(fault) = faults.recv() => match line.suffer(fault) {
                Some(end) => return end,
                None => continue,
            },
            () = sleep_until(relief), if line.relief.is_some() => match line.relieve() {
                Some(end) => return end,
                None => continue,
            },
        };
        match (ended, direction) {
            (Ended::Closed, Direction::Up) => up_ended = true,
            (Ended::Closed, Direction::Down) => down_ended = true,
            (Ended::Cut, direction) => {
                counters.note(Fault::Cut {
                    direction,
                    after: 0,
                });
                return End::Close;
            }
            (Ended::Broken, _) => return End::Reset,
        }
    }
    End::Close
}

impl Line<'_> {
    /// Lets a fault take hold; gives the end if it is one.
    fn suffer(&mut self, fault: Fault) -> Option<End> {
        match fault {
            Fault::Reset => {
                self.counters.note(fault);
                return Some(End::Reset);
            }
            Fault::HalfClose(direction) => self.valve(direction).send_modify(|valve| {
                valve.closed = true;
            }),
            Fault::Cut { direction, after } => {
                self.valve(direction)
                    .send_modify(|valve| valve.left = Some(after));
                // Counted when it comes to it.
                return None;
            }
            Fault::Delay { by, lasting } => {
                self.both(|valve| valve.delay = by);
                self.relief = Some((Instant::now() + lasting, AfterStall::GoOn));
            }
            Fault::Stall { lasting, then } => {
                self.both(|valve| valve.stalled = true);
                self.relief = Some((Instant::now() + lasting, then));
            }
        }
        self.counters.note(fault);
        None
    }

    /// What lasted a while is over.
    fn relieve(&mut self) -> Option<End> {
        let (_, then) = self.relief.take()?;
        if then == AfterStall::Die {
            return Some(End::Reset);
        }
        self.both(|valve| {
            valve.stalled = false;
            valve.delay = Duration::ZERO;
        });
        None
    }

    const fn valve(&self, direction: Direction) -> &watch::Sender<Valve> {
        match direction {
            Direction::Up => &self.up,
            Direction::Down => &self.down,
        }
    }

    fn both(&self, turn: impl Fn(&mut Valve)) {
        self.up.send_modify(&turn);
        self.down.send_modify(&turn);
    }
}

/// Carries bytes one way until that way ends.
async fn pump(from: ReadHalf<'_>, to: WriteHalf<'_>, valve: watch::Sender<Valve>) -> Ended {
    match pass(from, to, &valve).await {
        Ok(ended) => ended,
        Err(_) => Ended::Broken,
    }
}

async fn pass(
    mut from: ReadHalf<'_>,
    mut to: WriteHalf<'_>,
    valve: &watch::Sender<Valve>,
) -> io::Result<Ended> {
    let mut watching = valve.subscribe();
    let mut piece = vec![0; PIECE];
    loop {
        let length = tokio::select! {
            length = from.read(&mut piece) => length?,
            () = turned(&mut watching, |valve| valve.closed || valve.left == Some(0)) => 0,
        };
        turned(&mut watching, |valve| !valve.stalled || valve.closed).await;
        let now = *valve.borrow();
        if now.left == Some(0) {
            return Ok(Ended::Cut);
        }
        if length == 0 || now.closed {
            to.shutdown().await?;
            return Ok(Ended::Closed);
        }
        if !now.delay.is_zero() {
            tokio::time::sleep(now.delay).await;
        }
        let left = valve.borrow().left;
        let most = left.and_then(|left| usize::try_from(left).ok());
        let going = length.min(most.unwrap_or(length));
        to.write_all(piece.get(..going).unwrap_or_default()).await?;
        if let Some(left) = left {
            let left = left.saturating_sub(going as u64);
            valve.send_modify(|valve| valve.left = Some(left));
            if left == 0 {
                return Ok(Ended::Cut);
            }
        }
    }
}

/// Waits until the valve stands so.
async fn turned(watching: &mut watch::Receiver<Valve>, so: impl FnMut(&Valve) -> bool) {
    // The sender lives as long as the pump does.
    drop(watching.wait_for(so).await);
}
