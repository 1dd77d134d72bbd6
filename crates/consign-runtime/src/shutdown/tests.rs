use super::*;

const SOON: Duration = Duration::from_millis(20);
const LONG: Duration = Duration::from_secs(20);

fn tasks() -> Tasks {
    Tasks::new(Shutdown::new())
}

#[tokio::test]
async fn draining_waits_for_tasks_that_heed_the_request() {
    let tasks = tasks();
    let shutdown = tasks.shutdown().clone();
    tasks.spawn("worker", async move { shutdown.wait().await });
    tasks.spawn_service("listener", std::future::pending());
    assert_eq!(tasks.drain(LONG).await, Ok(()));
    assert!(tasks.shutdown().is_triggered());
}

#[tokio::test]
async fn what_does_not_stop_is_named_and_aborted() {
    let tasks = tasks();
    let (held, ended) = oneshot::channel::<()>();
    tasks.spawn("stuck", async move {
        let _held = held;
        std::future::pending().await
    });
    tasks.spawn("quick", async {});
    tokio::task::yield_now().await;
    assert_eq!(tasks.drain(SOON).await, Err(vec!["stuck"]));
    assert!(
        ended.await.is_err(),
        "the aborted task has let go of what it held"
    );
}

#[tokio::test]
async fn what_nobody_waits_for_any_longer_is_done_to_its_end() {
    let tasks = tasks();
    let (go, gone) = oneshot::channel::<()>();
    let (done, heard) = oneshot::channel();
    drop(tasks.spawn_for("decision", async move {
        gone.await.unwrap();
        done.send(()).unwrap();
    }));
    go.send(()).unwrap();
    assert_eq!(tasks.drain(LONG).await, Ok(()));
    assert_eq!(heard.await, Ok(()));
    let answer = self::tasks().spawn_for("answer", async { 7 });
    assert_eq!(answer.await, Ok(7));
}

#[tokio::test]
async fn a_panic_is_fatal_and_keeps_its_name() {
    let tasks = tasks();
    tasks.spawn("fragile", async { panic!("as the test wants") });
    tasks.shutdown().wait().await;
    assert_eq!(tasks.drain(LONG).await, Ok(()));
    assert_eq!(tasks.panicked(), Some("fragile"));
}

#[tokio::test]
async fn forcing_ends_the_wait() {
    let tasks = tasks();
    tasks.spawn("stuck", std::future::pending());
    tasks.shutdown().force();
    assert_eq!(tasks.drain(LONG).await, Err(vec!["stuck"]));
}

#[tokio::test]
async fn what_is_spawned_after_the_drain_ends_at_once() {
    let tasks = tasks();
    assert_eq!(tasks.drain(LONG).await, Ok(()));
    let (held, ended) = oneshot::channel::<()>();
    tasks.spawn("late", async move {
        let _held = held;
        std::future::pending().await
    });
    assert!(ended.await.is_err());
}

#[test]
fn a_runtime_that_is_closing_takes_no_task_and_blocks_nobody() {
    struct SpawnsAtTheEnd(Tasks);
    impl Drop for SpawnsAtTheEnd {
        fn drop(&mut self) {
            self.0.spawn("too late", std::future::pending());
        }
    }
    let runtime = tokio::runtime::Builder::new_current_thread()
        .build()
        .unwrap();
    let tasks = tasks();
    let last = SpawnsAtTheEnd(tasks.clone());
    runtime.block_on(async {
        tokio::spawn(async move {
            let _last = last;
            std::future::pending::<()>().await;
        });
        tokio::task::yield_now().await;
    });
    drop(runtime);
    assert!(tasks.running().tasks.is_empty());
}

#[tokio::test]
async fn a_child_stops_alone_or_with_the_whole() {
    let whole = Shutdown::new();
    let (first, second) = (whole.child(), whole.child());
    first.trigger();
    assert!(first.is_triggered() && !whole.is_triggered() && !second.is_triggered());
    whole.trigger();
    second.wait().await;
}

#[tokio::test]
async fn a_signal_stops_and_a_second_one_forces() {
    let tasks = tasks();
    let shutdown = tasks.shutdown().clone();
    shutdown.on_signals(&tasks).unwrap();
    let me = rustix::process::getpid();
    rustix::process::kill_process(me, rustix::process::Signal::TERM).unwrap();
    shutdown.wait().await;
    rustix::process::kill_process(me, rustix::process::Signal::TERM).unwrap();
    shutdown.forced.cancelled().await;
}
