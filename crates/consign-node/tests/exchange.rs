//! Whole exchanges in one process: authority, hub and nodes as they run, on loopback.

mod network;

use consign_proto::v1;
use consign_runtime::clock::Clock;
use network::{Network, Outgoing};

const LARGE: usize = 3 << 20;

#[tokio::test(flavor = "multi_thread")]
async fn a_small_and_a_large_document_reach_both_nodes_and_are_judged() {
    let network = Network::build(&[&["H49.01", "H49.02"], &["H49.03"]]);
    let hub = network.start_hub().await;
    let first = network.start_node(0).await;
    let second = network.start_node(1).await;
    for (subject, size) in [("Về việc họp", 5_000), ("Báo cáo lớn", LARGE)] {
        let document = Outgoing::new("H49.01", &["H49.02", "H49.03"], subject).file(size);
        let sent = first.send(&document, "handover").await;
        assert_eq!(sent.state, "handed-over", "{sent:?}");
        let events: Vec<&str> = sent
            .evidence
            .iter()
            .map(|said| said.event.as_str())
            .collect();
        assert_eq!(events[0], "SubmissionAcceptance");
        assert_eq!(
            events
                .iter()
                .filter(|said| **said == "ContentHandover")
                .count(),
            2
        );
        assert!(sent.evidence.iter().all(|said| said.public_key.len() == 32));
        for (node, agency) in [(&first, "H49.02"), (&second, "H49.03")] {
            let row = node.opened(agency, &sent.envelope).await;
            assert_eq!(
                (row.state.as_str(), row.verdict.as_str()),
                ("opened", "TOTAL-PASSED")
            );
            assert_eq!(
                (row.subject.as_str(), row.sender_code.as_str()),
                (subject, "H49.01")
            );
        }
        let exported = second.export("H49.03", &sent.envelope).await;
        let container = exported.get("container.asice").unwrap();
        assert!(container.len() > size);
        assert!(exported.contains_key("wrap.txt") && exported.contains_key("report.json"));
        let tracked = first.track("H49.01", &sent.envelope).await;
        assert_eq!(tracked.row.unwrap().state, "final");
        assert!(
            tracked
                .recipients
                .iter()
                .all(|to| to.state == "handed-over")
        );
    }
    let status = second.status().await;
    assert_eq!(status.connection, "connected", "{status:?}");
    assert_eq!(status.agencies[0].inbox_cursor, 2);
    let ambiguous = first
        .client()
        .inbox(v1::ListRequest::default())
        .await
        .unwrap_err();
    assert!(
        ambiguous.message().contains("H49.01, H49.02"),
        "{ambiguous}"
    );
    first.stop().await;
    second.stop().await;
    hub.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_hub_that_is_away_is_waited_for_and_nothing_comes_twice() {
    let network = Network::build(&[&["H49.01"], &["H49.02"]]);
    let hub = network.start_hub().await;
    let first = network.start_node(0).await;
    let second = network.start_node(1).await;
    let before = Outgoing::new("H49.01", &["H49.02"], "Trước").file(1_000);
    let before = first.send(&before, "handover").await;
    hub.stop().await;

    let during = Outgoing::new("H49.01", &["H49.02"], "Trong khi").file(LARGE);
    let sealed = first.send(&during, "sealed").await;
    assert_eq!(sealed.state, "sealed");
    let again = during.clone().under(&sealed.envelope);
    let mut watching = first.begin(&again, "handover").await;
    let waiting = watching.until_waiting().await;
    assert!(waiting.contains("hub"), "{waiting}");

    let hub = network.start_hub().await;
    let done = watching.finish().await;
    assert_eq!(
        (done.state.as_str(), &done.envelope),
        ("handed-over", &sealed.envelope)
    );
    for envelope in [&before.envelope, &sealed.envelope] {
        second.opened("H49.02", envelope).await;
    }
    assert_eq!(second.inbox("H49.02").await.len(), 2);

    let other = Outgoing::new("H49.01", &["H49.02"], "Khác")
        .file(10)
        .under(&sealed.envelope);
    let refused = first.try_send(&other, "sealed").await.unwrap_err();
    assert_eq!(refused.code(), tonic::Code::AlreadyExists, "{refused}");
    first.stop().await;
    second.stop().await;
    hub.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_recipient_that_was_away_gets_everything_in_order_once() {
    let network = Network::build(&[&["H49.01"], &["H49.02"]]);
    let hub = network.start_hub().await;
    let first = network.start_node(0).await;
    let mut envelopes = Vec::new();
    for number in 0..20 {
        let subject = format!("Công văn {number}");
        let document = Outgoing::new("H49.01", &["H49.02"], &subject).file(2_000);
        envelopes.push(first.send(&document, "accepted").await.envelope);
    }
    let second = network.start_node(1).await;
    for envelope in &envelopes {
        second.opened("H49.02", envelope).await;
    }
    second.stop().await;
    let second = network.start_node(1).await;
    let rows = second.inbox("H49.02").await;
    assert_eq!(rows.len(), envelopes.len(), "nothing twice after a restart");
    let mut sequences: Vec<u64> = rows.iter().map(|row| row.sequence).collect();
    sequences.sort_unstable();
    assert_eq!(sequences, (1..=20).collect::<Vec<u64>>());
    first.stop().await;
    second.stop().await;
    hub.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn however_often_the_hub_goes_away_all_arrives_once() {
    const DOCUMENTS: usize = 40;
    let network = Network::build(&[&["H49.01"], &["H49.02"]]);
    let mut hub = network.start_hub().await;
    let first = network.start_node(0).await;
    let second = network.start_node(1).await;
    let sending = (0..DOCUMENTS).map(|number| {
        let subject = format!("Công văn {number}");
        let size = if number % 10 == 0 { 400_000 } else { 3_000 };
        let document = Outgoing::new("H49.01", &["H49.02"], &subject).file(size);
        let first = &first;
        async move { first.send(&document, "handover").await }
    });
    let restarting = async {
        for _ in 0..3 {
            second.has_received("H49.02", 1).await;
            hub.stop().await;
            hub = network.start_hub().await;
            first.connection("connected").await;
        }
        hub
    };
    let (sent, hub) = tokio::join!(futures_util::future::join_all(sending), restarting);
    assert!(sent.iter().all(|sent| sent.state == "handed-over"));
    for sent in &sent {
        second.opened("H49.02", &sent.envelope).await;
    }
    assert_eq!(second.inbox("H49.02").await.len(), DOCUMENTS);
    first.stop().await;
    second.stop().await;
    hub.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_newer_directory_lets_a_new_node_in_without_a_restart() {
    let network = Network::build(&[&["H49.01"]]);
    let hub = network.start_hub().await;
    let first = network.start_node(0).await;
    network.enrol(1, &["H49.02"]);
    let second = network.start_node(1).await;
    let refused = second.connection("refused").await;
    assert_eq!(refused.connection_code, "peer-unknown", "{refused:?}");
    let early = Outgoing::new("H49.01", &["H49.02"], "Sớm").file(100);
    let unknown = first.try_send(&early, "sealed").await.unwrap_err();
    assert!(unknown.message().contains("H49.02"), "{unknown}");

    network.publish();
    let connected = second.connection("connected").await;
    assert_eq!(connected.directory_version, 2);
    assert!(connected.connection_reason.is_empty(), "{connected:?}");
    first.has_directory(2).await;
    let document = Outgoing::new("H49.01", &["H49.02"], "Nay đã có").file(100);
    let sent = first.send(&document, "handover").await;
    assert_eq!(sent.state, "handed-over");
    first.stop().await;
    second.stop().await;
    hub.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_expired_directory_holds_work_and_says_why() {
    let network = Network::build(&[&["H49.01"], &["H49.02"]]);
    let hub = network.start_hub().await;
    let clock = Clock::shifted(0);
    let first = network.start_node_at(0, clock.clone()).await;
    first.connection("connected").await;
    first.stop().await;
    clock.advance(40 * 86_400);
    let first = network.start_node_at(0, clock.clone()).await;
    let refused = first.connection("refused").await;
    assert_eq!(refused.connection_code, "directory-expired", "{refused:?}");
    assert!(
        refused
            .connection_reason
            .contains("the authority must publish")
    );
    let document = Outgoing::new("H49.01", &["H49.02"], "Giữ lại").file(100);
    assert!(first.try_send(&document, "sealed").await.is_err());
    first.stop().await;
    clock.advance(-40 * 86_400);
    let first = network.start_node_at(0, clock).await;
    first.connection("connected").await;
    first.stop().await;
    hub.stop().await;
}

/// Minutes of work and four gigabytes of disk: run it with `--ignored`, alone.
#[tokio::test(flavor = "multi_thread")]
#[ignore = "takes minutes and gigabytes"]
async fn a_gigabyte_passes_in_little_memory() {
    let network = Network::build(&[&["H49.01"], &["H49.02"]]);
    let hub = network.start_hub().await;
    let first = network.start_node(0).await;
    let second = network.start_node(1).await;
    let document = Outgoing::new("H49.01", &["H49.02"], "Hồ sơ lớn").file(1 << 30);
    let sent = first.send(&document, "handover").await;
    assert_eq!(sent.state, "handed-over");
    let row = second.opened("H49.02", &sent.envelope).await;
    assert_eq!(row.verdict, "TOTAL-PASSED");
    // Hub, both nodes and the test in one process.
    let peak = network::peak_memory_kib();
    assert!(peak < 160 * 1024, "{peak} KiB");
    first.stop().await;
    second.stop().await;
    hub.stop().await;
}
