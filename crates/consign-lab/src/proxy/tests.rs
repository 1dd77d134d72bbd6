//! Each kind of fault on real sockets.

use std::time::Duration;

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio::time::{Instant, timeout};

use super::*;

const PATIENCE: Duration = Duration::from_secs(10);

/// Both ends of a connection through a proxy.
struct Ends {
    proxy: Proxy,
    caller: TcpStream,
    target: TcpStream,
}

async fn ends() -> Ends {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let target = listener.local_addr().unwrap();
    let proxy = Proxy::bind(target, 1).await.unwrap();
    let caller = TcpStream::connect(proxy.address()).await.unwrap();
    let (target, _) = timeout(PATIENCE, listener.accept()).await.unwrap().unwrap();
    let mut ends = Ends {
        proxy,
        caller,
        target,
    };
    // What went through once shows that the connection is open on all sides.
    ends.up(b"hello").await;
    ends.down(b"welcome").await;
    ends
}

impl Ends {
    async fn up(&mut self, bytes: &[u8]) {
        self.caller.write_all(bytes).await.unwrap();
        let mut came = vec![0; bytes.len()];
        let read = timeout(PATIENCE, self.target.read_exact(&mut came));
        read.await.unwrap().unwrap();
        assert_eq!(came, bytes);
    }

    async fn down(&mut self, bytes: &[u8]) {
        self.target.write_all(bytes).await.unwrap();
        let mut came = vec![0; bytes.len()];
        let read = timeout(PATIENCE, self.caller.read_exact(&mut came));
        read.await.unwrap().unwrap();
        assert_eq!(came, bytes);
    }

    fn inject(&self, fault: Fault) {
        assert!(self.proxy.inject(fault), "the connection is open");
    }
}

/// All that comes until the end, and how it ends.
async fn rest(stream: &mut TcpStream) -> (Vec<u8>, Option<io::ErrorKind>) {
    let mut came = Vec::new();
    let read = timeout(PATIENCE, stream.read_to_end(&mut came));
    let fault = read.await.unwrap().err();
    (came, fault.map(|fault| fault.kind()))
}

#[tokio::test]
async fn without_faults_it_carries_everything_both_ways() {
    let ends = ends().await;
    let large: Vec<u8> = (0..1_000_000_u32).map(|n| n.to_le_bytes()[0]).collect();
    let sent = large.clone();
    let (mut caller, mut target) = (ends.caller, ends.target);
    let sending = tokio::spawn(async move {
        caller.write_all(&sent).await.unwrap();
        caller.shutdown().await.unwrap();
        rest(&mut caller).await
    });
    assert_eq!(rest(&mut target).await, (large, None));
    // The other direction goes on after the first has ended.
    target.write_all(b"thanks").await.unwrap();
    drop(target);
    assert_eq!(sending.await.unwrap(), (b"thanks".to_vec(), None));
    assert_eq!(ends.proxy.tally(), Tally::default());
    while ends.proxy.connections() > 0 {
        tokio::task::yield_now().await;
    }
    assert!(!ends.proxy.inject(Fault::Reset), "nobody is connected");
    ends.proxy.stop().await;
}

#[tokio::test]
async fn a_reset_reaches_both_ends() {
    let mut ends = ends().await;
    ends.inject(Fault::Reset);
    let reset = Some(io::ErrorKind::ConnectionReset);
    assert_eq!(rest(&mut ends.caller).await, (Vec::new(), reset));
    assert_eq!(rest(&mut ends.target).await, (Vec::new(), reset));
    assert_eq!(ends.proxy.tally().resets, 1);
    assert_eq!(ends.proxy.tally().total(), 1);
}

#[tokio::test]
async fn a_cut_lets_exactly_so_many_bytes_through() {
    for (direction, after) in [
        (Direction::Up, 0),
        (Direction::Up, 7),
        (Direction::Down, 1),
        (Direction::Down, 70_001),
    ] {
        let Ends {
            proxy,
            mut caller,
            mut target,
        } = ends().await;
        assert!(proxy.inject(Fault::Cut { direction, after }));
        let (from, to) = match direction {
            Direction::Up => (&mut caller, &mut target),
            Direction::Down => (&mut target, &mut caller),
        };
        let bytes = vec![9; 200_000];
        // The end that writes may be told of the cut before all is written.
        let (_, (came, fault)) = tokio::join!(from.write_all(&bytes), rest(to));
        assert_eq!(came.len() as u64, after, "{direction:?}, {fault:?}");
        assert_eq!(proxy.tally().cuts, 1);
    }
}

#[tokio::test]
async fn a_half_close_ends_one_direction_only() {
    let mut ends = ends().await;
    ends.inject(Fault::HalfClose(Direction::Up));
    assert_eq!(rest(&mut ends.target).await, (Vec::new(), None));
    ends.down(b"still here").await;
    assert_eq!(ends.proxy.tally().half_closes, 1);
}

#[tokio::test]
async fn a_stall_goes_on_or_dies() {
    let lasting = Duration::from_millis(150);
    let mut going_on = ends().await;
    let began = Instant::now();
    let then = AfterStall::GoOn;
    going_on.inject(Fault::Stall { lasting, then });
    while going_on.proxy.tally().stalls == 0 {
        tokio::task::yield_now().await;
    }
    going_on.up(b"late").await;
    assert!(began.elapsed() >= lasting, "it went through at once");
    going_on.down(b"and back").await;

    let mut dying = ends().await;
    let then = AfterStall::Die;
    dying.inject(Fault::Stall { lasting, then });
    let reset = Some(io::ErrorKind::ConnectionReset);
    assert_eq!(rest(&mut dying.target).await, (Vec::new(), reset));
    assert_eq!(dying.proxy.tally().stalls, 1);
}

#[tokio::test]
async fn a_delay_holds_pieces_back_for_a_while() {
    let mut ends = ends().await;
    let by = Duration::from_millis(100);
    let lasting = Duration::from_secs(60);
    ends.inject(Fault::Delay { by, lasting });
    while ends.proxy.tally().delays == 0 {
        tokio::task::yield_now().await;
    }
    let began = Instant::now();
    ends.up(b"slow").await;
    ends.down(b"and slow").await;
    assert!(began.elapsed() >= 2 * by);
    // What comes later takes its place, and ends it.
    let (lasting, then) = (Duration::from_millis(1), AfterStall::GoOn);
    ends.inject(Fault::Stall { lasting, then });
    ends.up(b"may still be slow").await;
    let began = Instant::now();
    ends.up(b"quick").await;
    assert!(began.elapsed() < by, "the delay is over");
}

#[tokio::test]
async fn a_plan_is_the_same_for_the_same_seed_and_has_every_kind() {
    let faults = |seed| {
        let mut plan = Plan::new(seed);
        (0..500).map(|_| plan.next_fault()).collect::<Vec<_>>()
    };
    assert_eq!(faults(3), faults(3));
    assert_ne!(faults(3), faults(4));
    let counters = Counters::default();
    for fault in faults(3) {
        counters.note(fault);
    }
    let tally = counters.read();
    assert_eq!(tally.total(), 500);
    for count in [
        tally.delays,
        tally.resets,
        tally.half_closes,
        tally.stalls,
        tally.cuts,
    ] {
        assert!(count > 10, "{tally}");
    }
}

#[tokio::test]
async fn a_plan_that_is_followed_strikes_again_and_again() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let proxy = Proxy::bind(listener.local_addr().unwrap(), 5)
        .await
        .unwrap();
    proxy.follow(Plan::new(5), Duration::from_millis(2));
    let talk = async {
        while proxy.tally().total() < 20 {
            let mut caller = TcpStream::connect(proxy.address()).await.unwrap();
            let Ok(accepted) = timeout(Duration::from_millis(200), listener.accept()).await else {
                continue;
            };
            let (mut target, _) = accepted.unwrap();
            let mut buffer = [0; 64];
            while caller.write_all(b"word").await.is_ok() {
                match timeout(Duration::from_millis(200), target.read(&mut buffer)).await {
                    Ok(Ok(1..)) => {}
                    _ => break,
                }
            }
        }
    };
    timeout(PATIENCE, talk).await.unwrap();
}

#[tokio::test]
async fn nobody_behind_it_is_a_reset() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let gone = listener.local_addr().unwrap();
    drop(listener);
    let proxy = Proxy::bind(gone, 1).await.unwrap();
    let mut caller = TcpStream::connect(proxy.address()).await.unwrap();
    let reset = Some(io::ErrorKind::ConnectionReset);
    assert_eq!(rest(&mut caller).await, (Vec::new(), reset));
}
