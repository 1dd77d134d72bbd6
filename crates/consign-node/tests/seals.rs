//! A seal that ends, and the next certificate for its key.

#![expect(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    reason = "helpers of tests, outside the functions that the lint excuses"
)]

mod network;

use std::io::Cursor;

use consign_domain::Timestamp;
use consign_pki::asic::{Budget, Container};
use consign_pki::certificate::CertificateDetails;
use consign_pki::cms;
use consign_runtime::clock::Clock;
use consign_verify::container::{self, JudgedAt, SealTrust};
use consign_verify::policy::Policy;
use consign_verify::{Indication, Report};
use network::{Network, Node, Outgoing};

/// A seal lives three years, 1,095 days.
const NEARLY_ENDED: u64 = 1_050;
const ENDED: u64 = 1_100;

fn letter(subject: &str) -> Outgoing {
    Outgoing::new("H49.01", &["H49.02"], subject).file(1_000)
}

/// The certificate behind a container's seal.
fn certificate(container: &[u8]) -> CertificateDetails {
    let container = Container::open_canonical(Cursor::new(container), &Budget::default()).unwrap();
    let layer = &container.signatures()[0];
    let seal = cms::parse_and_verify(&layer.signature_bytes, &layer.manifest_bytes).unwrap();
    CertificateDetails::from_der(&seal.signer_certificate).unwrap()
}

fn judged(network: &Network, container: &[u8]) -> Report {
    let (trust, directory) = (network.trust(), network.directory());
    let trust = SealTrust::by_directory(trust.roots(), &directory);
    let now = Timestamp::from_unix_saturating(Clock::system().now());
    let policy = Policy::default();
    container::judge(Cursor::new(container), &trust, &policy, JudgedAt::Now(now)).report
}

async fn received(node: &Node, id: &str) -> Vec<u8> {
    let row = node.opened("H49.02", id).await;
    assert_eq!(row.verdict, "TOTAL-PASSED", "{row:?}");
    let mut files = node.export("H49.02", id).await;
    files.remove("container.asice").unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_seal_that_ends_soon_is_renewed_for_its_key_and_what_it_sealed_stays_good() {
    let network = Network::build_aged(NEARLY_ENDED, &[&["H49.01"], &["H49.02"]]);
    let hub = network.start_hub().await;
    let (first, second) = (network.start_node(0).await, network.start_node(1).await);
    let sent = first.send(&letter("Trước"), "handover").await;
    let before = received(&second, &sent.envelope).await;
    first.stop().await;
    network.issue_again(0);

    let first = network.start_node(0).await;
    let sent = first.send(&letter("Sau"), "handover").await;
    let after = received(&second, &sent.envelope).await;
    let (old, new) = (certificate(&before), certificate(&after));
    assert_ne!(old.serial_hex, new.serial_hex);
    assert_eq!(old.public_key_der, new.public_key_der);
    assert!(new.not_after > old.not_after + 1_000 * 86_400);
    for container in [before, after] {
        let report = judged(&network, &container);
        assert_eq!(report.indication, Indication::TotalPassed, "{report:#?}");
    }
    // Once more it is the same.
    first.stop().await;
    network.issue_again(0);
    let first = network.start_node(0).await;
    let sent = first.send(&letter("Lại"), "handover").await;
    let again = received(&second, &sent.envelope).await;
    assert_eq!(certificate(&again).serial_hex, new.serial_hex);
    first.stop().await;
    second.stop().await;
    hub.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_waits_for_a_seal_that_has_ended_is_sealed_with_the_next_certificate() {
    let network = Network::build_aged(ENDED, &[&["H49.01"], &["H49.02"]]);
    let hub = network.start_hub().await;
    let (first, second) = (network.start_node(0).await, network.start_node(1).await);
    let mut watching = first.begin(&letter("Chờ dấu"), "handover").await;
    let why = watching.until_waiting().await;
    assert!(why.contains("the seal's certificate is not valid"), "{why}");
    drop(watching);
    let waiting = &first.sent("H49.01").await[0];
    assert_eq!(waiting.state, "composed", "{waiting:?}");
    first.stop().await;
    network.issue_again(0);

    let first = network.start_node(0).await;
    let container = received(&second, &waiting.envelope_id).await;
    let now = Clock::system().now();
    assert!(certificate(&container).not_after > now);
    let report = judged(&network, &container);
    assert_eq!(report.indication, Indication::TotalPassed, "{report:#?}");
    first.stop().await;
    second.stop().await;
    hub.stop().await;
}
