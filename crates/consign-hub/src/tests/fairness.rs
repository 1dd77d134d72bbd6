//! One node floods, one never reads, over TLS; the others do not notice.

use std::time::{Duration, Instant};

use consign_domain::document::Urgency;
use consign_proto::v1::submit_reply::Outcome;
use consign_proto::v1::submit_request::Submission;
use consign_proto::v1::{self, hub_client::HubClient};
use consign_store::Store as _;
use tonic::transport::Channel;

use crate::testing::{Running, Sealed, World, send};

fn letters(world: &World, from: &str, to: &str, count: usize, urgency: Urgency) -> Vec<Sealed> {
    let letter = |_| {
        let mut letter = world.letter(from, &[to]);
        letter.fields.urgency = urgency;
        letter.seal(world.agency(from))
    };
    (0..count).map(letter).collect()
}

/// Sends all at once on one stream; gives each outcome with when it came.
async fn flood(
    mut hub: HubClient<Channel>,
    letters: Vec<Sealed>,
    begun: Instant,
) -> Vec<(Outcome, Duration)> {
    let request = |(call, letter): (u64, &Sealed)| v1::SubmitRequest {
        call,
        submission: Some(Submission::Envelope(letter.message())),
    };
    let requests: Vec<_> = (0..).zip(&letters).map(request).collect();
    let replies = hub.submit(tokio_stream::iter(requests)).await.unwrap();
    let mut replies = replies.into_inner();
    let mut outcomes = Vec::new();
    while let Some(reply) = replies.message().await.unwrap() {
        outcomes.push((reply.outcome.unwrap(), begun.elapsed()));
    }
    assert_eq!(outcomes.len(), letters.len(), "each is answered");
    outcomes
}

/// Sends one after the other; gives how long each took.
async fn one_by_one(mut hub: HubClient<Channel>, letters: Vec<Sealed>) -> Vec<Duration> {
    let mut took = Vec::new();
    for letter in letters {
        let begun = consign_runtime::clock::Clock::system().monotonic();
        send(&mut hub, &letter).await.unwrap();
        took.push(begun.elapsed());
    }
    took
}

fn median(mut times: Vec<Duration>) -> Duration {
    times.sort();
    times[times.len() / 2]
}

async fn start(change: impl FnOnce(&mut crate::Limits)) -> (World, Running) {
    let mut world = World::new();
    change(&mut world.config.limits);
    let hub = world.start(world.memory_store()).await;
    (world, hub)
}

#[tokio::test]
async fn a_flood_meets_its_quota_and_is_told_when_to_come_back() {
    let mut world = World::new();
    world.config.limits.sender_messages_per_minute = 60;
    world.config.limits.sender_messages_burst = 50;
    let store = world.memory_store();
    let hub = world.start(store.clone()).await;
    let letters = letters(&world, "H49.01", "H49.02", 150, Urgency::Normal);
    let begun = world.clock.monotonic();
    let client = world.connect(0, &hub).await;
    let outcomes = flood(client.clone(), letters.clone(), begun).await;
    let faults = outcomes.iter().filter_map(|(outcome, _)| match outcome {
        Outcome::Fault(fault) => Some(fault),
        _ => None,
    });
    let mut waits = Vec::new();
    for fault in faults {
        assert_eq!(fault.code, "quota-exceeded");
        waits.push(fault.retry_after_ms);
    }
    // 50 less the tenth that is kept for urgent ones, and what came back meanwhile.
    let taken = u64::try_from(150 - waits.len()).unwrap();
    assert!(
        (45..=46 + begun.elapsed().as_secs()).contains(&taken),
        "{taken}"
    );
    waits.sort_unstable();
    let (first, last) = (waits[0], waits[waits.len() - 1]);
    assert!(first > 0 && first <= 2_000, "{first}");
    assert!(last >= 90_000, "they come back one after another: {last}");
    let stored = letters
        .iter()
        .filter(|it| store.answer(it.key()).unwrap().is_some());
    assert_eq!(
        stored.count() as u64,
        taken,
        "the ids of the others are unused"
    );

    // What was answered is answered again, urgent ones have their tenth, others their own.
    let mut client = client;
    let known = letters
        .iter()
        .find(|it| store.answer(it.key()).unwrap().is_some());
    assert!(send(&mut client, known.unwrap()).await.is_ok());
    let urgent = self::letters(&world, "H49.01", "H49.02", 1, Urgency::Express);
    assert!(send(&mut client, &urgent[0]).await.is_ok());
    let other = self::letters(&world, "H49.02", "H49.01", 1, Urgency::Normal);
    assert!(send(&mut client, &other[0]).await.is_ok());
    hub.stop().await.unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn another_node_and_urgent_ones_overtake_a_flood() {
    const STREAMS: usize = 8;
    let (world, hub) = start(|limits| {
        limits.sender_messages_per_minute = 0;
        limits.in_flight = 256;
    })
    .await;
    let normal = Urgency::Normal;
    let flooding: Vec<_> = (0..STREAMS)
        .map(|_| letters(&world, "H49.01", "H49.02", 250, normal))
        .collect();
    let others = letters(&world, "H49.03", "H49.01", 15, normal);
    let urgent = letters(&world, "H49.01", "H49.02", 15, Urgency::Express);
    let (flooder, other) = (world.connect(0, &hub).await, world.connect(1, &hub).await);
    let urgent_client = world.connect(0, &hub).await;
    let begun = world.clock.monotonic();
    let floods: Vec<_> = flooding
        .into_iter()
        .map(|letters| tokio::spawn(flood(flooder.clone(), letters, begun)))
        .collect();
    let others = tokio::spawn(one_by_one(other, others));
    let urgent = tokio::spawn(one_by_one(urgent_client, urgent));
    let (others, urgent) = (median(others.await.unwrap()), median(urgent.await.unwrap()));
    let mut waited = Vec::new();
    for flood in floods {
        for (outcome, took) in flood.await.unwrap() {
            assert!(matches!(outcome, Outcome::Evidence(_)), "{outcome:?}");
            waited.push(took);
        }
    }
    let flooded = median(waited);
    eprintln!("median: flood {flooded:?}, another node {others:?}, urgent {urgent:?}");
    assert!(
        others < flooded / 4,
        "{others:?} beside a flood of {flooded:?}"
    );
    assert!(
        urgent < flooded / 4,
        "{urgent:?} beside a flood of {flooded:?}"
    );
    hub.stop().await.unwrap();
}
