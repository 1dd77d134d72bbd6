//! Networks on disk, and one that runs.

use super::*;

const NOW: u64 = 1_795_401_618;

fn found(dir: &Path, agencies: usize) -> Network {
    let now = Timestamp::from_unix_saturating(NOW);
    Network::found(dir, &Plan::with_agencies(agencies), now, &mut |_| {}).unwrap()
}

#[test]
fn the_first_two_agencies_share_a_node() {
    let plan = Plan::with_agencies(4);
    let sizes: Vec<usize> = plan.nodes.iter().map(Vec::len).collect();
    assert_eq!(sizes, [2, 1, 1]);
}

#[test]
fn a_network_is_founded_once_and_opened_again() {
    let home = tempfile::tempdir().unwrap();
    let dir = home.path().join("network");
    assert_eq!(Network::open(&dir).unwrap(), None);
    let network = found(&dir, 3);
    assert_eq!(network.nodes().len(), 2);
    assert_eq!(Network::open(&dir).unwrap(), Some(network.clone()));
    assert!(network.trust().is_file() && network.trust_pem().is_file());
    let config = consign_hub::Config::load(&network.hub().join("hub.toml")).unwrap();
    let published = config.directory.join("000000000001").join("head.json");
    assert!(published.is_file(), "{}", published.display());
}

#[test]
fn other_peoples_directories_are_left_alone() {
    let home = tempfile::tempdir().unwrap();
    std::fs::write(home.path().join("letter.txt"), "mine").unwrap();
    assert!(matches!(
        Network::open(home.path()),
        Err(LabError::NotOurs { .. })
    ));
    let now = Timestamp::from_unix_saturating(NOW);
    let founded = Network::found(home.path(), &Plan::with_agencies(2), now, &mut |_| {});
    assert!(matches!(founded, Err(LabError::NotOurs { .. })));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn it_runs_and_leaves_nothing_running() {
    let home = tempfile::tempdir().unwrap();
    let clock = consign_runtime::clock::Clock::system();
    let now = Timestamp::from_unix_saturating(clock.now());
    let plan = Plan::with_agencies(3);
    let network = Network::found(home.path(), &plan, now, &mut |_| {}).unwrap();
    // Twice: what was stopped starts again.
    for _ in 0..2 {
        let running = network.start(&clock).await.unwrap();
        for node in network.nodes() {
            let mut client = consign_node::client::connect(node).unwrap();
            let status = client.status(consign_proto::v1::StatusRequest {}).await;
            assert!(!status.unwrap().into_inner().agencies.is_empty());
        }
        running.stop().await.unwrap();
        for directory in network.nodes().into_iter().chain([network.hub().as_path()]) {
            assert!(!directory.join("run.json").exists());
        }
    }
}
