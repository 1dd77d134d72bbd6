//! Agencies that are renamed, moved and merged while documents are on their way.

use consign_authority::Rename;
use consign_domain::directory::EntryState;
use consign_domain::statement::{Event, Evidence};
use consign_domain::{AgencyCode, Digest, ErrorCode};
use consign_proto::v1::item::Content;

use crate::testing::{Collecting, Running, Sealed, TestAgency, World, send};

const PLENTY: u64 = 1 << 20;

fn code(text: &str) -> AgencyCode {
    text.parse().unwrap()
}

fn letter(world: &World, from: &str, to: &[&str]) -> Sealed {
    world.letter(from, to).seal(world.agency(from))
}

/// Publishes and waits until the hub has taken it.
async fn published(
    world: &World,
    hub: &Running,
    change: impl FnOnce(&mut consign_authority::Authority),
) {
    let before = hub.status.status().directory;
    world.publish(change);
    let mut glances = tokio::time::interval(std::time::Duration::from_millis(10));
    while hub.status.status().directory == before {
        glances.tick().await;
    }
}

async fn collect(world: &World, node: usize, agency: &TestAgency, hub: &Running) -> Collecting {
    let mut client = world.connect(node, hub).await;
    let cursor = (agency.id, 0, Digest::of(b""));
    let mut stream = Collecting::open(&mut client, &[cursor], PLENTY).await;
    stream.welcome().await;
    stream
}

/// The next item is an envelope, at its place.
async fn arrives(stream: &mut Collecting, place: u64) {
    let item = stream.item().await;
    assert_eq!(item.sequence, place);
    assert!(matches!(item.content, Some(Content::Envelope(_))));
}

/// An envelope that arrived is receipted, and its wrap released.
async fn settle(world: &World, stream: &mut Collecting, sent: &Sealed, place: u64) {
    let agency = world.agency("H49.03");
    let receipt = world.receipt(sent, "H49.03", place);
    stream.receipt(&agency.sign(&receipt)).await;
    assert_eq!(stream.release().await.wrap, sent.wraps[0]);
}

fn accepted(answer: &Evidence) -> bool {
    answer.event == Event::SubmissionAcceptance
}

#[tokio::test]
async fn what_was_addressed_before_an_agency_was_renamed_is_delivered() {
    let world = World::new();
    let hub = world.start(world.memory_store()).await;
    let mut sender = world.connect(0, &hub).await;
    let (before, late) = (
        letter(&world, "H49.01", &["H49.03"]),
        letter(&world, "H49.01", &["H49.03"]),
    );
    assert!(accepted(&send(&mut sender, &before).await.unwrap()));
    published(&world, &hub, |authority| {
        let rename = Rename {
            code: Some(code("H49.30")),
            ..Rename::default()
        };
        let now = world.now();
        assert!(authority.rename(&code("H49.03"), &rename, now).unwrap());
    })
    .await;
    // Sealed before, sent after; and to the new code.
    assert!(accepted(&send(&mut sender, &late).await.unwrap()));
    let new = letter(&world, "H49.01", &["H49.30"]);
    assert!(accepted(&send(&mut sender, &new).await.unwrap()));
    let twice = letter(&world, "H49.01", &["H49.03", "H49.30"]);
    let refused = send(&mut sender, &twice).await.unwrap();
    assert_eq!(refused.reason, Some(ErrorCode::RecipientUnknown));
    assert_eq!(refused.refused, [code("H49.30")], "one agency, two places");
    let mut node = collect(&world, 1, world.agency("H49.03"), &hub).await;
    for place in 1..=3 {
        arrives(&mut node, place).await;
    }
    settle(&world, &mut node, &before, 1).await;
    settle(&world, &mut node, &late, 2).await;
    hub.stop().await.unwrap();
}

#[tokio::test]
async fn what_is_on_its_way_goes_to_the_node_that_the_agency_moved_to() {
    let world = World::new();
    let hub = world.start(world.memory_store()).await;
    let mut sender = world.connect(0, &hub).await;
    let sent = letter(&world, "H49.01", &["H49.03"]);
    assert!(accepted(&send(&mut sender, &sent).await.unwrap()));
    published(&world, &hub, |authority| {
        let node = world.nodes[0].id;
        let now = world.now();
        assert!(authority.move_to(&code("H49.03"), node, now).unwrap());
    })
    .await;
    let mut node = collect(&world, 0, world.agency("H49.03"), &hub).await;
    arrives(&mut node, 1).await;
    settle(&world, &mut node, &sent, 1).await;
    hub.stop().await.unwrap();
}

#[tokio::test]
async fn an_agency_that_was_merged_receives_what_is_on_its_way_and_nothing_new() {
    let world = World::new();
    let hub = world.start(world.memory_store()).await;
    let mut sender = world.connect(0, &hub).await;
    let sent = letter(&world, "H49.01", &["H49.03"]);
    assert!(accepted(&send(&mut sender, &sent).await.unwrap()));
    published(&world, &hub, |authority| {
        let now = world.now();
        assert!(
            authority
                .merge(&code("H49.03"), &code("H49.02"), now)
                .unwrap()
        );
    })
    .await;
    let new = letter(&world, "H49.01", &["H49.03"]);
    let refused = send(&mut sender, &new).await.unwrap();
    assert_eq!(refused.event, Event::SubmissionRejection);
    assert_eq!(refused.refused, [code("H49.03")]);
    let mut merged = world.connect(1, &hub).await;
    let own = letter(&world, "H49.03", &["H49.01"]);
    assert_eq!(
        send(&mut merged, &own).await.unwrap_err(),
        ErrorCode::SenderUnknown
    );
    let mut node = collect(&world, 1, world.agency("H49.03"), &hub).await;
    arrives(&mut node, 1).await;
    settle(&world, &mut node, &sent, 1).await;
    // The sender has the receipt of an agency that is no more, and it verifies.
    let mut back = collect(&world, 0, world.agency("H49.01"), &hub).await;
    let Some(Content::Evidence(receipt)) = back.item().await.content else {
        panic!("evidence for the sender");
    };
    let receipt = consign_proto::signed(Some(receipt), "receipt").unwrap();
    let directories =
        crate::directory::Directories::open(&world.config.directory, world.trust.clone(), None);
    let directory = directories.unwrap().current();
    let roles = [consign_domain::directory::Role::Agency];
    consign_verify::verify_statement::<Evidence>(&receipt, &roles, &directory).unwrap();
    let gone = directory.agency_by_code(&code("H49.03")).unwrap();
    assert_eq!(gone.state, EntryState::Closed);
    hub.stop().await.unwrap();
}
