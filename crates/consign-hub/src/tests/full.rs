//! A hub whose disk fills up: what is new is refused for now, what is outstanding goes on to
//! its end, and once there is room it takes what it refused.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use consign_domain::statement::{Event, Evidence, Statement};
use consign_domain::{Digest, ErrorCode, Timestamp};
use consign_proto::v1::item::Content;
use consign_runtime::clock::Clock;
use consign_store::disk::{Disk as _, SimDisk};
use consign_store::{JournalStore, Options};

use crate::bind_with;
use crate::error::HubError;
use crate::storage::Storage;
use crate::testing::{Collecting, Running, Sealed, World, send};

/// The disk, in bytes.
const SPACE: u64 = 4 << 20;
/// What the hub keeps free of it.
const LOW_WATER: u64 = 256 << 10;
/// A payload: some 70 fill the disk.
const PAYLOAD: usize = 40_000;
const PLENTY: u64 = 64 << 20;

/// A hub on a simulated disk, and its store to be closed.
async fn start(world: &World, disk: &SimDisk) -> (Running, Arc<JournalStore>) {
    let (sender, opened) = std::sync::mpsc::channel();
    let disk = disk.clone();
    let open = move |data: &Path, clock: &Clock| {
        let clock = clock.clone();
        let options = Options {
            segment_bytes: 128 << 10,
            low_water: LOW_WATER,
            ..Options::new(Arc::new(move || {
                Timestamp::from_unix_saturating(clock.now())
            }))
        };
        let opened = JournalStore::open_on(Arc::new(disk), options);
        let (store, _) = opened.map_err(|source| HubError::Open {
            path: data.to_owned(),
            source,
        })?;
        let store = Arc::new(store);
        sender.send(Arc::clone(&store)).unwrap();
        Ok(Storage::unclosed(store))
    };
    let hub = bind_with(world.config.clone(), world.clock.clone(), open).await;
    (Running::new(hub.unwrap()), opened.recv().unwrap())
}

fn letter(world: &World) -> Sealed {
    let payload = Bytes::from(vec![7; PAYLOAD]);
    let mut letter = world.letter("H49.01", &["H49.03"]);
    letter.fields.payload.sha256 = Digest::of(&payload);
    letter.fields.payload.size = payload.len() as u64;
    letter.payload = Some(payload);
    letter.seal(world.agency("H49.01"))
}

async fn collect(world: &World, node: usize, code: &str, hub: &Running) -> Collecting {
    let mut client = world.connect(node, hub).await;
    let cursor = (world.agency(code).id, 0, Digest::of(b""));
    let mut stream = Collecting::open(&mut client, &[cursor], PLENTY).await;
    stream.welcome().await;
    stream
}

#[tokio::test]
async fn a_full_disk_refuses_delivers_settles_and_recovers() {
    let world = World::new();
    let index = tempfile::tempdir().unwrap();
    let disk = SimDisk::new(1, SPACE, index.path().join("index"));
    let (hub, store) = start(&world, &disk).await;
    let mut sender = world.connect(0, &hub).await;

    // It fills up, and refuses while there is still room for what it has taken on.
    let mut accepted = Vec::new();
    let refused = loop {
        let letter = letter(&world);
        match send(&mut sender, &letter).await {
            Ok(evidence) => accepted.push((letter, evidence)),
            Err(code) => {
                assert_eq!(code, ErrorCode::StorageFull);
                assert!(code.is_retryable(), "nothing was decided");
                break letter;
            }
        }
    };
    let count = accepted.len() as u64;
    assert!((50..90).contains(&count), "{count}");
    // Others take all that is left: only the reserve remains.
    disk.resize(0);

    // Everything outstanding is delivered and settled all the same.
    let recipient = world.agency("H49.03");
    let mut node = collect(&world, 1, "H49.03", &hub).await;
    for place in 1..=count {
        assert_eq!(node.item().await.sequence, place);
    }
    for (place, (letter, _)) in (1..).zip(&accepted) {
        let receipt = world.receipt(letter, "H49.03", place);
        node.receipt(&recipient.sign(&receipt)).await;
        assert_eq!(node.release().await.wrap, letter.wraps[0]);
    }
    let mut evidence = collect(&world, 0, "H49.01", &hub).await;
    for (place, (letter, _)) in (1..).zip(&accepted) {
        let item = evidence.item().await;
        assert_eq!(item.sequence, place);
        let Some(Content::Evidence(signed)) = item.content else {
            panic!("evidence for the sender");
        };
        let said = Evidence::parse(&signed.statement).unwrap();
        assert_eq!(said.event, Event::ContentHandover);
        assert_eq!(said.envelope.key(), letter.key());
    }
    let again = send(&mut sender, &refused).await;
    assert_eq!(again.unwrap_err(), ErrorCode::StorageFull);
    // What was answered is answered again without any room.
    let (first, answer) = &accepted[0];
    assert_eq!(send(&mut sender, first).await.as_ref(), Ok(answer));

    // Room again, and nobody tells the hub.
    disk.resize(16 * SPACE);
    let recovered = async {
        loop {
            match send(&mut sender, &refused).await {
                Ok(evidence) => break evidence,
                Err(code) => assert_eq!(code, ErrorCode::StorageFull),
            }
        }
    };
    let recovered = tokio::time::timeout(Duration::from_secs(20), recovered).await;
    let recovered = recovered.expect("it takes what it refused");
    let place = recovered.placements[0].sequence.value();
    assert_eq!(place, count + 1, "a refusal takes no place");
    assert_eq!(node.item().await.sequence, place);

    // And all of it is there when the machine has lost its power.
    hub.stop().await.unwrap();
    drop(store);
    disk.power_cut();
    let (hub, store) = start(&world, &disk).await;
    let mut sender = world.connect(0, &hub).await;
    for (letter, answer) in accepted.iter().chain([&(refused, recovered)]) {
        assert_eq!(send(&mut sender, letter).await.as_ref(), Ok(answer));
    }
    assert!(disk.free_space().unwrap() > SPACE);
    hub.stop().await.unwrap();
    store.close().unwrap();
}
