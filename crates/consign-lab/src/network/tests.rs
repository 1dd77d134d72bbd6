//! Networks on disk, and one that runs.

use std::time::Duration;

use consign_proto::v1::send_event::Event;
use consign_proto::v1::send_request::Message;
use consign_proto::v1::{EvidenceView, FileOpen, ListRequest, SendOpen, SendRequest};

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

/// Hands the sample in at the first node, for the agency on the second, and follows it to its
/// end; gives the evidence about it.
async fn send(network: &Network) -> Vec<EvidenceView> {
    let (evidence, state) = send_until(network, "handover").await.unwrap();
    assert_eq!(state, "handed-over");
    evidence
}

/// The same, followed as far as is wanted; gives the state then, too.
async fn send_until(
    network: &Network,
    wait: &str,
) -> Result<(Vec<EvidenceView>, String), tonic::Status> {
    let to = network.seats()[2].code.clone();
    let open = SendOpen {
        wait: wait.to_owned(),
        number: String::new(),
        ..sample::letter(&network.seats()[0].code, vec![to])
    };
    let head = FileOpen {
        name: "cong-van.pdf".to_owned(),
        size: sample::LETTER.len() as u64,
        ..FileOpen::default()
    };
    let messages = [
        Message::Open(open),
        Message::File(head),
        Message::Chunk(sample::LETTER.into()),
    ];
    let requests = messages.map(|message| SendRequest {
        message: Some(message),
    });
    let mut node = consign_node::client::connect(network.nodes()[0]).unwrap();
    let sent = node.send(tokio_stream::iter(requests)).await?;
    let (mut events, mut evidence) = (sent.into_inner(), Vec::new());
    let mut state = String::new();
    while let Some(said) = events.message().await? {
        match said.event.unwrap() {
            Event::Evidence(view) => evidence.push(view),
            Event::Done(done) => state = done.state,
            _ => {}
        }
    }
    Ok((evidence, state))
}

fn copy(from: &Path, to: &Path) {
    std::fs::create_dir_all(to).unwrap();
    for entry in std::fs::read_dir(from).unwrap() {
        let entry = entry.unwrap();
        let target = to.join(entry.file_name());
        if entry.file_type().unwrap().is_dir() {
            copy(&entry.path(), &target);
        } else {
            std::fs::copy(entry.path(), target).unwrap();
        }
    }
}

/// Waits until something holds.
async fn until(what: &str, mut holds: impl AsyncFnMut() -> bool) {
    let waiting = async {
        let mut glances = tokio::time::interval(Duration::from_millis(20));
        while !holds().await {
            glances.tick().await;
        }
    };
    let waited = tokio::time::timeout(Duration::from_secs(60), waiting).await;
    waited.unwrap_or_else(|_| panic!("{what}"));
}

/// A document is accepted while the recipient's node is away; then the agency moves, with its
/// directory, to the node of others, which collects and opens it. At last it is merged.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_agency_moves_with_its_keys_and_is_merged_at_last() {
    let home = tempfile::tempdir().unwrap();
    let clock = consign_runtime::clock::Clock::system();
    let now = Timestamp::from_unix_saturating(clock.now());
    let plan = Plan::with_agencies(3);
    let network = Network::found(home.path(), &plan, now, &mut |_| {}).unwrap();
    let [first, second] = network.nodes()[..] else {
        panic!("two nodes");
    };
    let running = network.start_with(&[first], &clock).await.unwrap();
    let (_, state) = send_until(&network, "accepted").await.unwrap();
    assert_eq!(state, "accepted");
    running.stop().await.unwrap();

    let code = &network.seats()[2].code;
    let place = Path::new("agencies").join(code);
    copy(&second.join(&place), &first.join(&place));
    let publish = |change: &dyn Fn(&mut Authority)| {
        let mut authority = Authority::open(&network.authority()).unwrap();
        change(&mut authority);
        authority.publish(PublishOptions::default(), now).unwrap()
    };
    let agency: AgencyCode = code.parse().unwrap();
    let moved = consign_authority::inspect(&network.authority(), now).unwrap();
    let of = |code: &str| {
        let mut agencies = moved.agencies.iter();
        let is = |one: &&consign_authority::inspection::AgencySummary| {
            one.code.as_ref().is_some_and(|one| one.as_str() == code)
        };
        agencies.find(is).unwrap().node
    };
    let node = of(&network.seats()[0].code);
    publish(&|authority| assert!(authority.move_to(&agency, node, now).unwrap()));

    let running = network.start_with(&[first], &clock).await.unwrap();
    let mut client = consign_node::client::connect(first).unwrap();
    until("it is opened where the agency is now", async || {
        let request = ListRequest {
            agency: code.clone(),
            ..ListRequest::default()
        };
        let inbox = client.inbox(request).await.unwrap().into_inner();
        inbox.rows.iter().any(|row| row.verdict == "TOTAL-PASSED")
    })
    .await;
    // The revocation lists came with the version.
    let lists = ["trust/crl/issuing.crl", "trust/crl/root.crl"];
    for list in lists {
        let published = std::fs::read(network.authority().join(list)).unwrap();
        assert_eq!(
            std::fs::read(first.join(list)).unwrap(),
            published,
            "{list}"
        );
    }

    let into: AgencyCode = network.seats()[1].code.parse().unwrap();
    let version = publish(&|authority| {
        assert!(authority.merge(&agency, &into, now).unwrap());
    });
    let name = version.path.file_name().unwrap().to_owned();
    let taken = first.join("trust/directory").join(name);
    until("the node takes the version", async || taken.exists()).await;
    until("who sends to it is told its successor", async || {
        let refused = send_until(&network, "accepted").await;
        refused.is_err_and(|status| {
            status
                .message()
                .contains(&format!("{code} (merged into {into})"))
        })
    })
    .await;
    running.stop().await.unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_network_whose_clocks_jump_goes_on_in_order() {
    const DAY: i64 = 86_400;
    let home = tempfile::tempdir().unwrap();
    let now = Timestamp::from_unix_saturating(consign_runtime::clock::Clock::system().now());
    let plan = Plan::with_agencies(3);
    let network = Network::found(home.path(), &plan, now, &mut |_| {}).unwrap();
    // Two days old, so that a day back no certificate is too young.
    let clock = consign_runtime::clock::Clock::shifted(2 * DAY);
    let running = network.start(&clock).await.unwrap();
    let mut accepted = Vec::new();
    for jump in [0, DAY, -2 * DAY, DAY] {
        clock.advance(jump);
        let told = tokio::time::timeout(Duration::from_secs(60), send(&network)).await;
        let told = told.expect("it arrives in time");
        let receipt = told.iter().find(|view| view.event == "ContentHandover");
        assert_eq!(receipt.unwrap().sequence, accepted.len() as u64 + 1);
        let acceptance = told
            .iter()
            .find(|view| view.event == "SubmissionAcceptance");
        accepted.push(acceptance.unwrap().time.clone());
    }
    // Times say what the clocks said; places say the order.
    assert!(accepted[0] < accepted[1] && accepted[2] < accepted[0]);
    let passed = |sequence| (sequence, "TOTAL-PASSED".to_owned());
    let all = [4, 3, 2, 1].map(passed);
    let mut node = consign_node::client::connect(network.nodes()[1]).unwrap();
    let opened = async {
        let mut glances = tokio::time::interval(Duration::from_millis(20));
        loop {
            glances.tick().await;
            let inbox = node.inbox(ListRequest::default()).await.unwrap();
            let rows = inbox.into_inner().rows.into_iter();
            let rows: Vec<_> = rows.map(|row| (row.sequence, row.verdict)).collect();
            if rows == all {
                return;
            }
        }
    };
    let opened = tokio::time::timeout(Duration::from_secs(60), opened).await;
    opened.expect("all of it is opened, and in order");
    running.stop().await.unwrap();
}
