//! Clocks that jump a day forward and back: times follow them, order and evidence do not.

use std::path::Path;
use std::sync::Arc;

use consign_domain::directory::Role;
use consign_domain::statement::{Event, Evidence};
use consign_domain::{Digest, ErrorCode, Timestamp};
use consign_proto::v1::item::Content;
use consign_runtime::clock::Clock;
use consign_verify::{Directory, verify_statement};

use crate::bind_with;
use crate::directory::Directories;
use crate::storage::Storage;
use crate::testing::{Collecting, Running, Sealed, World, send};

const DAY: i64 = 86_400;
const PLENTY: u64 = 1 << 20;

async fn start(world: &World) -> Running {
    let open = |data: &Path, clock: &Clock| Storage::open(data, clock, Arc::new(|_, _| {}));
    let hub = bind_with(world.config.clone(), world.clock.clone(), open).await;
    Running::new(hub.unwrap())
}

/// A network that has existed for two days, so that a day back nothing is too young.
fn two_days_old() -> World {
    let world = World::new();
    assert!(world.clock.advance(2 * DAY));
    world
}

fn letter(world: &World) -> Sealed {
    let letter = world.letter("H49.01", &["H49.03"]);
    letter.seal(world.agency("H49.01"))
}

async fn collect(world: &World, node: usize, code: &str, hub: &Running) -> Collecting {
    let mut client = world.connect(node, hub).await;
    let cursor = (world.agency(code).id, 0, Digest::of(b""));
    let mut stream = Collecting::open(&mut client, &[cursor], PLENTY).await;
    stream.welcome().await;
    stream
}

fn directory(world: &World) -> Arc<Directory> {
    let directories = Directories::open(&world.config.directory, world.trust.clone(), None);
    directories.unwrap().current()
}

/// The place that an acceptance gives, and the time it names.
fn placed(acceptance: &Evidence) -> (u64, Timestamp) {
    assert_eq!(acceptance.event, Event::SubmissionAcceptance);
    (acceptance.placements[0].sequence.value(), acceptance.time)
}

#[tokio::test]
async fn order_is_that_of_acceptance_whatever_the_hubs_clock_says() {
    let world = two_days_old();
    let right = world.now();
    let hub = start(&world).await;
    let mut sender = world.connect(0, &hub).await;
    let (first, second, third) = (letter(&world), letter(&world), letter(&world));
    let before = send(&mut sender, &first).await.unwrap();
    assert_eq!(placed(&before), (1, right));

    // The hub runs a day ahead: it accepts, and its evidence says what its clock says.
    world.clock.advance(DAY);
    let ahead = send(&mut sender, &second).await.unwrap();
    assert_eq!(placed(&ahead), (2, world.now()));

    // A day behind, everybody else is in the future: refused for now, the id stays unused,
    // and what was answered before is answered the same.
    world.clock.advance(-2 * DAY);
    let future = send(&mut sender, &third).await.unwrap_err();
    assert_eq!(future, ErrorCode::TimeInFuture);
    assert!(future.is_retryable());
    assert_eq!(send(&mut sender, &first).await.unwrap(), before);
    // Who is as far behind gets the next place, and an earlier time than the place before.
    let behind = letter(&world);
    let earlier = send(&mut sender, &behind).await.unwrap();
    assert_eq!(placed(&earlier), (3, world.now()));
    assert!(earlier.time < before.time);

    // Right again: what was refused is taken, in its turn.
    world.clock.advance(DAY);
    assert_eq!(world.now(), right);
    let taken = send(&mut sender, &third).await.unwrap();
    assert_eq!(placed(&taken), (4, right));

    // The inbox is gap-free in the order of acceptance, and every statement verifies.
    let directory = directory(&world);
    let mut node = collect(&world, 1, "H49.03", &hub).await;
    for (place, sent) in (1..).zip([&first, &second, &behind, &third]) {
        let item = node.item().await;
        assert_eq!(item.sequence, place);
        let Some(Content::Envelope(item)) = item.content else {
            panic!("an envelope");
        };
        let acceptance = consign_proto::signed(item.acceptance, "acceptance").unwrap();
        let acceptance = verify_statement::<Evidence>(&acceptance, &[Role::Hub], &directory);
        assert_eq!(acceptance.unwrap().envelope.key(), sent.key());
    }
    hub.stop().await.unwrap();
}

#[tokio::test]
async fn receipts_from_the_future_wait_and_then_settle() {
    let world = two_days_old();
    let hub = start(&world).await;
    let mut sender = world.connect(0, &hub).await;
    let sent = letter(&world);
    send(&mut sender, &sent).await.unwrap();
    let recipient = world.agency("H49.03");
    let receipt = recipient.sign(&world.receipt(&sent, "H49.03", 1));
    let mut node = collect(&world, 1, "H49.03", &hub).await;
    assert_eq!(node.item().await.sequence, 1);

    world.clock.advance(-DAY);
    node.receipt(&receipt).await;
    let (_, code) = node.refusal().await;
    assert_eq!(code, ErrorCode::TimeInFuture);
    assert!(code.is_retryable());

    // A day ahead, a receipt of today is an old one, and as good.
    world.clock.advance(2 * DAY);
    node.receipt(&receipt).await;
    assert_eq!(node.release().await.wrap, sent.wraps[0]);
    world.clock.advance(-DAY);
    let mut evidence = collect(&world, 0, "H49.01", &hub).await;
    let Some(Content::Evidence(told)) = evidence.item().await.content else {
        panic!("evidence for the sender");
    };
    assert_eq!(
        told.statement, receipt.statement,
        "the recipient's own bytes"
    );
    hub.stop().await.unwrap();
}

#[tokio::test]
async fn a_directory_that_only_seems_expired_holds_what_is_new() {
    let world = two_days_old();
    let hub = start(&world).await;
    let mut sender = world.connect(0, &hub).await;
    let (old, new) = (letter(&world), letter(&world));
    let answer = send(&mut sender, &old).await.unwrap();
    let mut node = collect(&world, 1, "H49.03", &hub).await;
    assert_eq!(node.item().await.sequence, 1);
    let right = world.now().as_unix();
    let expires = directory(&world).head().expires.as_unix();

    world.clock.set(expires);
    let held = send(&mut sender, &new).await.unwrap_err();
    assert_eq!(held, ErrorCode::DirectoryExpired);
    assert!(held.is_retryable());
    // What is under way goes on.
    assert_eq!(send(&mut sender, &old).await.unwrap(), answer);
    let receipt = world.receipt(&old, "H49.03", 1);
    node.receipt(&world.agency("H49.03").sign(&receipt)).await;
    assert_eq!(node.release().await.wrap, old.wraps[0]);

    world.clock.set(right);
    assert_eq!(placed(&send(&mut sender, &new).await.unwrap()).0, 2);
    hub.stop().await.unwrap();
}

#[tokio::test]
async fn a_hub_that_starts_a_day_earlier_goes_on_where_it_was() {
    let world = two_days_old();
    let hub = start(&world).await;
    let mut sender = world.connect(0, &hub).await;
    let first = letter(&world);
    let answer = send(&mut sender, &first).await.unwrap();
    hub.stop().await.unwrap();

    for (place, jump) in [(2, -DAY), (3, 2 * DAY)] {
        world.clock.advance(jump);
        let hub = start(&world).await;
        let mut sender = world.connect(0, &hub).await;
        assert_eq!(send(&mut sender, &first).await.unwrap(), answer);
        let next = send(&mut sender, &letter(&world)).await.unwrap();
        assert_eq!(placed(&next), (place, world.now()));
        hub.stop().await.unwrap();
    }
}
