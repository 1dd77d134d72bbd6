//! What a stream may hold, and what it loses while it waits.

use super::*;

#[tokio::test]
async fn a_payload_that_is_left_out_costs_no_credit() {
    let net = Net::start_with(|limits| limits.inline_payload = 64 * 1024).await;
    net.send_large(12, "H49.03").await;
    let mut node = net.collect(1, &["H49.03"], PLENTY).await;
    node.welcome().await;
    for sequence in 1..=12 {
        let item = node.item().await;
        assert_eq!(item.sequence, sequence);
        let Some(item::Content::Envelope(envelope)) = item.content else {
            panic!("an envelope")
        };
        assert_eq!(envelope.payload, None);
        let cost = envelope.envelope.unwrap().statement.len()
            + envelope.acceptance.unwrap().statement.len();
        let bytes = cost as u64;
        node.say(Message::Credit(v1::Credit { bytes })).await;
    }
    net.hub.stop().await.unwrap();
}

#[tokio::test]
async fn a_slow_reader_leaves_room_for_others() {
    const ALL: u32 = 3 << 20;
    let net = Net::start_with(|limits| limits.delivery_bytes = ALL).await;
    net.send_large(30, "H49.03").await;
    net.send("H49.01", &["H49.02"]).await;
    let mut slow = net.collect(1, &["H49.03"], 1 << 30).await;
    slow.welcome().await;
    // It reads no further: the hub holds for it as much as it may.
    let full = async {
        while net.hub.status.free_budget() > ALL as usize - SHARE + 448 * 1024 {
            tokio::task::yield_now().await;
        }
    };
    let full = tokio::time::timeout(std::time::Duration::from_secs(20), full);
    full.await.expect("the stream fills its share");
    let mut other = net.collect(0, &["H49.02"], PLENTY).await;
    other.welcome().await;
    assert_eq!(other.item().await.sequence, 1);
    assert!(net.hub.status.free_budget() >= ALL as usize - SHARE);
    for sequence in 1..=30 {
        assert_eq!(slow.item().await.sequence, sequence, "nothing is lost");
    }
    net.hub.stop().await.unwrap();
}

#[tokio::test]
async fn an_agency_that_is_lost_while_credit_is_awaited_gets_nothing_more() {
    let net = Net::start().await;
    for _ in 0..2 {
        net.send("H49.01", &["H49.03"]).await;
    }
    let mut node = net.collect(1, &["H49.03"], 1).await;
    node.welcome().await;
    assert_eq!(node.item().await.sequence, 1);
    net.world.publish(|authority: &mut Authority| {
        let closed = authority.set_state(&"H49.03".parse().unwrap(), EntryState::Closed);
        assert!(closed.unwrap());
    });
    let Reply::Directory(_) = node.next().await else {
        panic!("the news of the version")
    };
    node.say(Message::Credit(v1::Credit { bytes: PLENTY }))
        .await;
    assert_eq!(node.refusal().await.1, ErrorCode::NodeDoesNotServe);
    net.hub.stop().await.unwrap();
}

#[tokio::test]
async fn a_node_that_never_reads_is_sent_no_more_than_it_may_hold() {
    const ITEM: usize = 250 * 1024;
    /// What the transport takes for one stream: the window it was granted and an item or
    /// two that were cut into frames.
    const TRANSPORT: usize = 4 * 1024 * 1024 + 2 * ITEM;
    let net = Net::start().await;
    net.send_large(60, "H49.03").await;
    let all = net.hub.status.free_budget();
    let mut node = net.collect(1, &["H49.03"], 1 << 30).await;
    node.welcome().await;
    let full = async {
        while net.hub.status.free_budget() > all - SHARE + 448 * 1024 {
            tokio::task::yield_now().await;
        }
    };
    let full = tokio::time::timeout(std::time::Duration::from_secs(20), full);
    full.await.expect("the stream fills its share");
    assert!(net.hub.status.free_budget() >= all - SHARE);
    // The hub stops and sends nothing more: what comes was on its way, there or here. The
    // connection may end before all of it was read.
    net.hub.shutdown.trigger();
    let mut on_its_way = 0;
    while let Ok(Some(reply)) = node.try_next().await {
        on_its_way += usize::from(matches!(reply, Reply::Item(_)));
    }
    let most = (SHARE + TRANSPORT) / ITEM;
    assert!(
        (1..=most).contains(&on_its_way),
        "{on_its_way} of 60, at most {most}"
    );
}

#[tokio::test]
async fn a_report_among_many_receipts_holds_nothing_up() {
    const COUNT: u64 = 48;
    let net = Net::start().await;
    let mut letters = Vec::new();
    let mut sender = net.world.connect(0, &net.hub).await;
    for _ in 0..COUNT {
        let letter = net.world.letter("H49.01", &["H49.03"]);
        let sealed = letter.seal(net.world.agency("H49.01"));
        send(&mut sender, &sealed).await.unwrap();
        letters.push(sealed);
    }
    let mut node = net.collect(1, &["H49.03"], PLENTY).await;
    node.welcome().await;
    for sequence in 1..=COUNT {
        assert_eq!(node.item().await.sequence, sequence);
    }
    let agency = Bytes::copy_from_slice(&net.id("H49.03").to_bytes());
    for (sequence, sealed) in (1..).zip(&letters) {
        let receipt = net.signed_receipt(sealed, "H49.03", sequence);
        node.receipt(&receipt).await;
        if sequence % 12 == 0 {
            let agency = agency.clone();
            node.say(Message::Stored(v1::Stored { agency, sequence }))
                .await;
        }
    }
    for _ in 0..COUNT {
        node.release().await;
    }
    net.hub.stop().await.unwrap();
}
