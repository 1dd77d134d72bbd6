//! Inboxes with something urgent come before others.

use consign_domain::document::Urgency;
use consign_domain::statement::Event;

use super::*;

const AGENCIES: [&str; 6] = [
    "H49.101", "H49.102", "H49.103", "H49.104", "H49.105", "H49.106",
];

async fn send_as(net: &Net, to: &str, urgency: Urgency) {
    let mut letter = net.world.letter("H49.01", &[to]);
    letter.fields.urgency = urgency;
    let sealed = letter.seal(net.world.agency("H49.01"));
    let mut hub = net.world.connect(0, &net.hub).await;
    let said = send(&mut hub, &sealed).await.unwrap();
    assert_eq!(said.event, Event::SubmissionAcceptance, "{to}: {said:?}");
}

/// A node with six agencies, each with an ordinary item, that collects them all.
async fn collecting(net: &Net, credit: u64, before: impl AsyncFnOnce(&Net)) -> Collecting {
    let (identity, agencies) = net.world.enrol(&AGENCIES);
    net.directory_in_force(2).await;
    for code in AGENCIES {
        send_as(net, code, Urgency::Normal).await;
    }
    before(net).await;
    let cursors: Vec<_> = agencies
        .iter()
        .map(|agency| (agency.id, 0, Digest::of(b"")))
        .collect();
    let mut hub = net.world.connect_as(&identity, &net.hub).await.unwrap();
    let mut stream = Collecting::open(&mut hub, &cursors, credit).await;
    let welcome = stream.welcome().await;
    assert_eq!(welcome.agencies.len(), AGENCIES.len());
    stream
}

async fn last_of(stream: &mut Collecting, count: usize) -> Vec<(AgencyId, u64)> {
    let mut items = Vec::new();
    for _ in 0..count {
        let item = stream.item().await;
        items.push((agency_of(&item.agency), item.sequence));
    }
    items
}

#[tokio::test]
async fn an_urgent_item_brings_its_inbox_to_the_front() {
    let net = Net::start().await;
    let urgent = async |net: &Net| send_as(net, "H49.106", Urgency::Express).await;
    let mut stream = collecting(&net, PLENTY, urgent).await;
    let items = last_of(&mut stream, AGENCIES.len() + 1).await;
    let first = items[0].0;
    assert_eq!(items[..2], [(first, 1), (first, 2)], "in its own order");
    let others = &items[2..];
    assert!(
        others
            .iter()
            .all(|(agency, at)| *agency != first && *at == 1)
    );
    net.hub.stop().await.unwrap();
}

#[tokio::test]
async fn an_urgent_item_overtakes_a_round_that_is_under_way() {
    let net = Net::start().await;
    let nothing = async |_: &Net| ();
    // One item may overdraw the credit; the second inbox waits for more.
    let mut stream = collecting(&net, 1, nothing).await;
    last_of(&mut stream, 1).await;
    send_as(&net, "H49.106", Urgency::Urgent).await;
    let bytes = PLENTY;
    stream.say(Message::Credit(v1::Credit { bytes })).await;
    let items = last_of(&mut stream, AGENCIES.len()).await;
    let place = items.iter().position(|(_, sequence)| *sequence == 2);
    assert!(place.is_some_and(|place| place <= 2), "{items:?}");
    net.hub.stop().await.unwrap();
}
