//! Time-stamps on seals, from the hub's authority and from none.

#![expect(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::panic,
    reason = "helpers of tests, outside the functions that the lint excuses"
)]

mod network;

use std::io::Cursor;

use consign_domain::Timestamp;
use consign_pki::asic::{Budget, Container};
use consign_pki::cms;
use consign_runtime::clock::Clock;
use consign_verify::TrustStore;
use consign_verify::container::SealTrust;
use consign_verify::time_stamp::{self, ProvenTime};
use network::{Network, Node, Outgoing};

/// The value of a container's seal, and the time-stamp tokens in it.
fn seal(container: &[u8]) -> (Vec<u8>, Vec<Vec<u8>>) {
    let container = Container::open_canonical(Cursor::new(container), &Budget::default()).unwrap();
    let layer = &container.signatures()[0];
    let seal = cms::parse_and_verify(&layer.signature_bytes, &layer.manifest_bytes).unwrap();
    (seal.signature_value, seal.time_stamp_tokens)
}

fn judge(network: &Network, token: &[u8], value: &[u8]) -> ProvenTime {
    let trust = std::fs::read(network.node(0).join("trust/trust.json")).unwrap();
    let trust = TrustStore::parse(&trust).unwrap();
    time_stamp::judge(
        token,
        value,
        &SealTrust::by_roots(trust.roots()),
        Timestamp::from_unix_saturating(u64::MAX),
    )
    .unwrap()
}

/// What a node says of the time-stamp, once it is as wanted.
async fn stamped(node: &Node, id: &str, wanted: &str) -> consign_proto::v1::TimeStampView {
    for _ in 0..2_000 {
        let view = node.track("H49.01", id).await.time_stamp.unwrap();
        if view.state == wanted {
            return view;
        }
        tokio::time::sleep(std::time::Duration::from_millis(10)).await;
    }
    panic!("{:?}", node.track("H49.01", id).await);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_seal_is_stamped_by_the_hub_and_its_reader_counts_it() {
    let network = Network::build(&[&["H49.01"], &["H49.02"]]);
    let hub = network.start_hub().await;
    let (first, second) = (network.start_node(0).await, network.start_node(1).await);
    let document = Outgoing::new("H49.01", &["H49.02"], "Có dấu").file(1_000);
    let sent = first.send(&document, "handover").await;
    let view = stamped(&first, &sent.envelope, "sealed").await;
    let row = second.opened("H49.02", &sent.envelope).await;
    assert_eq!(row.verdict, "TOTAL-PASSED");
    let shown = second.show("H49.02", &sent.envelope).await;
    assert_eq!(shown.time_stamp, None, "of sent documents alone");
    let report: serde_json::Value = serde_json::from_slice(&shown.report_json).unwrap();
    let checks = report["checks"].as_array().unwrap();
    let check = checks.iter().find(|one| one["name"] == "seal-time-stamp");
    assert_eq!(check.unwrap()["outcome"], "passed", "{report}");
    let exported = second.export("H49.02", &sent.envelope).await;
    let (value, tokens) = seal(&exported["container.asice"]);
    let proven = judge(&network, &tokens[0], &value);
    assert_eq!(proven.time.to_string(), view.at);
    let status = first.status().await;
    assert_eq!(status.time_stamps, "hub");
    assert_eq!(status.time_stamps_until, proven.until.to_string());
    first.stop().await;
    second.stop().await;
    hub.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn without_a_hub_it_is_sealed_all_the_same_and_stamped_when_the_hub_is_back() {
    let network = Network::build(&[&["H49.01"], &["H49.02"]]);
    let first = network.start_node(0).await;
    let document = Outgoing::new("H49.01", &["H49.02"], "Chưa có dấu").file(1_000);
    let sent = first.send(&document, "sealed").await;
    assert_eq!(sent.state, "sealed");
    let view = stamped(&first, &sent.envelope, "awaited").await;
    assert!(!view.why.is_empty());
    assert_eq!(first.status().await.agencies[0].stamps_awaited, 1);
    let before = first.export("H49.01", &sent.envelope).await;
    assert!(!before.contains_key("time-stamp.tst"));
    // A restart forgets nothing.
    first.stop().await;
    let first = network.start_node(0).await;
    assert_eq!(first.status().await.agencies[0].stamps_awaited, 1);

    let hub = network.start_hub().await;
    let view = stamped(&first, &sent.envelope, "afterwards").await;
    let second = network.start_node(1).await;
    let row = second.opened("H49.02", &sent.envelope).await;
    assert_eq!(row.verdict, "TOTAL-PASSED");
    let exported = first.export("H49.01", &sent.envelope).await;
    assert_eq!(exported["container.asice"], before["container.asice"]);
    let (value, tokens) = seal(&exported["container.asice"]);
    assert!(tokens.is_empty(), "the container is not touched");
    let proven = judge(&network, &exported["time-stamp.tst"], &value);
    assert_eq!(proven.time.to_string(), view.at);
    assert_eq!(first.status().await.agencies[0].stamps_awaited, 0);
    first.stop().await;
    second.stop().await;
    hub.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_document_that_was_archived_is_stamped_where_it_lies() {
    let network = Network::build(&[&["H49.01"], &["H49.02"]]);
    let toml = network.node(0).join("node.toml");
    // Taken, so that nobody else gets it, and not listened at.
    let port = tokio::net::TcpSocket::new_v4().unwrap();
    port.bind("127.0.0.1:0".parse().unwrap()).unwrap();
    let nowhere = port.local_addr().unwrap();
    let plain = std::fs::read_to_string(&toml).unwrap();
    let away = plain.replace(
        "#source = \"hub\"",
        &format!("source = \"http://{nowhere}/\""),
    );
    assert_ne!(away, plain);
    std::fs::write(&toml, away).unwrap();
    let hub = network.start_hub().await;
    let (first, second) = (network.start_node(0).await, network.start_node(1).await);
    let document = Outgoing::new("H49.01", &["H49.02"], "Vào kho").file(1_000);
    let sent = first.send(&document, "handover").await;
    let view = stamped(&first, &sent.envelope, "awaited").await;
    assert!(view.why.contains("cannot be reached"), "{view:?}");
    assert_eq!(
        first
            .track("H49.01", &sent.envelope)
            .await
            .row
            .unwrap()
            .state,
        "final"
    );
    first.stop().await;
    std::fs::write(&toml, plain).unwrap();
    let first = network.start_node(0).await;
    let view = stamped(&first, &sent.envelope, "afterwards").await;
    let at: Timestamp = view.at.parse().unwrap();
    assert!(at.distance(Timestamp::from_unix_saturating(Clock::system().now())) < 300);
    let shown = first.show("H49.01", &sent.envelope).await;
    assert!(shown.directory.contains("/archive/"), "{}", shown.directory);
    first.stop().await;
    second.stop().await;
    hub.stop().await;
}
