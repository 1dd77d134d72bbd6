//! Uploads that are cut short, by either side, and go on; and those that do not.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use consign_domain::statement::Event;
use consign_domain::{Digest, ErrorCode};
use consign_proto::v1::upload_reply::Outcome;
use consign_runtime::entropy;
use consign_store::{JournalStore, Options, Store};

use crate::admit::Staged;
use crate::testing::{Sealed, Uploading, World, send, upload};

const SIZE: usize = 5 * 1024 * 1024 + 11;

fn payload() -> Bytes {
    (0..=250).cycle().take(SIZE).collect()
}

/// Begins an upload and gives what the hub has of it.
async fn begin(
    hub: &mut consign_proto::v1::hub_client::HubClient<tonic::transport::Channel>,
    sealed: &Sealed,
) -> (Uploading, usize) {
    loop {
        // What an upload that was cut short has brought is still being put down.
        match Uploading::open(hub, sealed).await {
            Ok((uploading, Outcome::Resume(offset))) => {
                return (uploading, usize::try_from(offset).unwrap());
            }
            Err(ErrorCode::Busy) => tokio::task::yield_now().await,
            Ok((_, outcome)) => panic!("{outcome:?}"),
            Err(code) => panic!("{code}"),
        }
    }
}

#[tokio::test]
async fn an_upload_cut_anywhere_goes_on_there() {
    let world = World::new();
    let (payload, sealed) = (payload(), world.large(&["H49.03"], &payload()));
    let mut hub = world.start_on_disk().await;
    let mut sender = world.connect(0, &hub).await;
    let mut came = 0;
    for turn in 0..12 {
        let (uploading, offset) = begin(&mut sender, &sealed).await;
        assert_eq!(offset, came, "all that came is here, turn {turn}");
        let bytes: [u8; 4] = entropy::bytes().unwrap();
        let more = u32::from_le_bytes(bytes) as usize % (SIZE / 12);
        let rest = payload.slice(offset..offset + more);
        if turn % 3 == 0 {
            // Ended in order, but early.
            let short = uploading.rest(rest).await;
            assert_eq!(short, Err(ErrorCode::PayloadMissing));
            came += more;
        } else {
            // Cut: what was on its way may be lost.
            uploading.chunk(rest).await;
            uploading.chunk(Bytes::new()).await;
            drop(uploading);
            let (next, offset) = begin(&mut sender, &sealed).await;
            assert!((came..=came + more).contains(&offset));
            came = offset;
            let short = next.rest(Bytes::new()).await;
            assert_eq!(short, Err(ErrorCode::PayloadMissing));
        }
        if turn % 4 == 3 {
            hub.stop().await.unwrap();
            hub = world.start_on_disk().await;
            sender = world.connect(0, &hub).await;
        }
    }
    assert!(came > SIZE / 12, "{came}");
    let (uploading, offset) = begin(&mut sender, &sealed).await;
    let staged = uploading.rest(payload.slice(offset..)).await;
    assert_eq!(staged, Ok(Outcome::Staged(SIZE as u64)));
    // What is whole waits for its submission, across a restart.
    hub.stop().await.unwrap();
    let hub = world.start_on_disk().await;
    let mut sender = world.connect(0, &hub).await;
    let again = upload(&mut sender, &sealed, &Bytes::new()).await;
    assert_eq!(again, staged);
    let answer = send(&mut sender, &sealed).await.unwrap();
    assert_eq!(answer.event, Event::SubmissionAcceptance);
    let staging = world.config.data.join("staging");
    assert_eq!(std::fs::read_dir(staging).unwrap().count(), 0);
    hub.stop().await.unwrap();
}

#[tokio::test]
async fn a_stopping_hub_keeps_what_came() {
    let world = World::new();
    let (payload, sealed) = (payload(), world.large(&["H49.03"], &payload()));
    let hub = world.start_on_disk().await;
    let mut sender = world.connect(0, &hub).await;
    let (uploading, _) = begin(&mut sender, &sealed).await;
    uploading.chunk(payload.slice(..2 << 20)).await;
    let staging = world.config.data.join("staging");
    let here = || {
        let entries = std::fs::read_dir(&staging).unwrap().flatten();
        let mut paths = entries.map(|entry| entry.path());
        let part = paths.find(|path| path.extension().is_some_and(|end| end == "part"));
        let bytes = std::fs::read(part.unwrap()).unwrap();
        bytes[(2 << 20) - 1] == payload[(2 << 20) - 1]
    };
    while !here() {
        tokio::task::yield_now().await;
    }
    hub.shutdown.trigger();
    assert_eq!(uploading.rest(Bytes::new()).await, Err(ErrorCode::Draining));
    hub.ended().await.unwrap();
    let hub = world.start_on_disk().await;
    let mut sender = world.connect(0, &hub).await;
    let (_, offset) = begin(&mut sender, &sealed).await;
    assert_eq!(offset, 2 << 20);
    hub.stop().await.unwrap();
}

#[tokio::test]
async fn one_at_a_time_and_only_the_payload_that_was_announced() {
    let world = World::new();
    let (payload, sealed) = (payload(), world.large(&["H49.03"], &payload()));
    let hub = world.start_on_disk().await;
    let mut sender = world.connect(0, &hub).await;
    let (first, _) = begin(&mut sender, &sealed).await;
    assert!(first.chunk(payload.slice(..1 << 20)).await);
    let second = Uploading::open(&mut sender, &sealed).await;
    assert_eq!(second.map(drop), Err(ErrorCode::Busy));
    let other = Bytes::from(vec![5; SIZE - (1 << 20)]);
    assert_eq!(first.rest(other).await, Err(ErrorCode::PayloadMismatch));
    let (again, offset) = begin(&mut sender, &sealed).await;
    assert_eq!(offset, 0, "nothing of what was wrong is gone on with");
    let short = again.rest(payload.slice(..3 << 20)).await;
    assert_eq!(short, Err(ErrorCode::PayloadMissing));

    // The same id for another payload: the newer envelope counts, and begins anew.
    let mut letter = world.letter("H49.01", &["H49.03"]);
    letter.fields.id = sealed.envelope.id;
    letter.fields.payload.sha256 = Digest::of(&payload.slice(1..));
    letter.fields.payload.size = SIZE as u64 - 1;
    letter.payload = None;
    let newer = letter.seal(world.agency("H49.01"));
    let (uploading, offset) = begin(&mut sender, &newer).await;
    assert_eq!(offset, 0);
    let staged = uploading.rest(payload.slice(1..)).await;
    assert_eq!(staged, Ok(Outcome::Staged(SIZE as u64 - 1)));
    let missing = send(&mut sender, &sealed).await;
    assert_eq!(missing, Err(ErrorCode::PayloadMissing));
    send(&mut sender, &newer).await.unwrap();
    let reused = Uploading::open(&mut sender, &sealed).await;
    assert_eq!(reused.map(drop), Err(ErrorCode::IdReused));
    hub.stop().await.unwrap();
}

#[tokio::test]
async fn a_small_envelope_does_not_wait_for_uploads() {
    let world = World::new();
    let hub = world.start_on_disk().await;
    let mut sender = world.connect(0, &hub).await;
    let payload = Bytes::from(vec![3; 24 << 20]);
    let mut uploads = Vec::new();
    for _ in 0..4 {
        let sealed = world.large(&["H49.03"], &payload);
        let (uploading, _) = begin(&mut sender, &sealed).await;
        let (payload, count) = (payload.clone(), 23);
        uploads.push(tokio::spawn(async move {
            for piece in 0..count {
                let from = piece << 20;
                assert!(uploading.chunk(payload.slice(from..from + (1 << 20))).await);
            }
            (uploading, payload.slice(count << 20..))
        }));
    }
    // Each is answered although no upload ever ends.
    for _ in 0..20 {
        let letter = world.letter("H49.01", &["H49.03"]);
        let sealed = letter.seal(world.agency("H49.01"));
        let answer = tokio::time::timeout(Duration::from_secs(5), send(&mut sender, &sealed));
        let answer = answer.await.expect("it does not wait").unwrap();
        assert_eq!(answer.event, Event::SubmissionAcceptance);
    }
    for upload in uploads {
        let (uploading, rest) = upload.await.unwrap();
        assert!(matches!(uploading.rest(rest).await, Ok(Outcome::Staged(_))));
    }
    hub.stop().await.unwrap();
}

#[tokio::test]
async fn all_uploads_share_a_bounded_room() {
    const ROOM: u32 = 4 << 20;
    let mut world = World::new();
    world.config.limits.upload_bytes = ROOM;
    let hub = world.start_on_disk().await;
    let mut sender = world.connect(0, &hub).await;
    let room = hub.status.upload_room();
    let all = Arc::clone(&room).acquire_many_owned(ROOM).await.unwrap();
    let mut uploads = tokio::task::JoinSet::new();
    for _ in 0..6 {
        let sealed = world.large(&["H49.03"], &payload());
        let (uploading, _) = begin(&mut sender, &sealed).await;
        uploads.spawn(uploading.rest(payload()));
    }
    let none = tokio::time::timeout(Duration::from_millis(200), uploads.join_next());
    assert!(none.await.is_err(), "no upload gets on without room");
    // Nor do they stand in the way of what is small, on a connection of its own.
    let mut other = world.connect(0, &hub).await;
    let letter = world.letter("H49.01", &["H49.03"]);
    let answer = send(&mut other, &letter.seal(world.agency("H49.01"))).await;
    assert_eq!(answer.unwrap().event, Event::SubmissionAcceptance);
    drop(all);
    while let Some(staged) = uploads.join_next().await {
        assert_eq!(staged.unwrap(), Ok(Outcome::Staged(SIZE as u64)));
    }
    assert_eq!(room.available_permits(), ROOM as usize, "all is given back");
    hub.stop().await.unwrap();
}

fn on_disk(world: &World) -> Arc<JournalStore> {
    let clock = world.clock.clone();
    let options = Options::new(Arc::new(move || {
        consign_domain::Timestamp::from_unix_saturating(clock.now())
    }));
    Arc::new(JournalStore::open(&world.config.data, options).unwrap().0)
}

/// Stages all but some bytes of a payload; whether it was let in.
async fn stage_all_but(
    world: &World,
    gate: &crate::testing::Gate,
    sealed: &Sealed,
    missing: usize,
) -> Result<u64, ErrorCode> {
    let caller = world.caller(0);
    let staged = gate.admission.stage(caller, sealed.signed.clone()).await;
    let Staged::Open {
        mut stage,
        mut reservation,
        ..
    } = staged.map_err(|no| no.code())?
    else {
        panic!("an upload may begin")
    };
    let from = stage.written();
    let at = usize::try_from(from).unwrap();
    stage.write(&payload()[at..SIZE - missing]).unwrap();
    if missing == 0 {
        reservation.keep(stage.finish().unwrap(), world.now());
    } else {
        stage.pause().unwrap();
        reservation.got_on(world.now());
    }
    Ok(from)
}

#[tokio::test]
async fn abandoned_uploads_are_swept_and_their_room_is_free_again() {
    const HOUR: i64 = 3_600;
    let mut world = World::new();
    world.config.limits.staged_per_node = 2;
    let store = on_disk(&world);
    let gate = world.admission(store.clone());
    let letters: Vec<_> = (0..3)
        .map(|_| world.large(&["H49.03"], &payload()))
        .collect();
    let stage = async |letter: usize, missing| {
        stage_all_but(&world, &gate, &letters[letter], missing).await
    };
    assert_eq!(stage(0, 100).await, Ok(0));
    assert_eq!(stage(1, 0).await, Ok(0));
    let full = Err(ErrorCode::QuotaExceeded);
    assert_eq!(stage(2, 0).await, full);
    world.clock.advance(20 * HOUR);
    gate.admission.sweep_uploads().await;
    assert_eq!(stage(2, 0).await, full);
    // The first gets on, and is kept for another day.
    assert_eq!(stage(0, 50).await, Ok(SIZE as u64 - 100));
    world.clock.advance(5 * HOUR);
    gate.admission.sweep_uploads().await;
    let left = store.staged().unwrap();
    let left: Vec<_> = left.iter().map(|left| left.upload.key).collect();
    assert_eq!(left, [letters[0].key()]);
    assert_eq!(stage(2, 10).await, Ok(0), "there is room again");

    // A hub that starts anew counts what is there, and sweeps what has been left too long.
    let gate = world.admission(store.clone());
    let third = stage_all_but(&world, &gate, &letters[1], 1).await;
    assert_eq!(third, full);
    world.clock.advance(20 * HOUR);
    gate.admission.sweep_uploads().await;
    assert_eq!(store.staged().unwrap().len(), 1);
    let third = stage_all_but(&world, &gate, &letters[1], 1).await;
    assert_eq!(third, Ok(0));
    drop(store);
}

#[tokio::test]
async fn an_upload_does_not_outlive_its_envelope() {
    let mut world = World::new();
    world.config.limits.staged_idle_seconds = 90 * 86_400;
    let store = on_disk(&world);
    let gate = world.admission(store.clone());
    let sealed = world.large(&["H49.03"], &payload());
    let staged = stage_all_but(&world, &gate, &sealed, 0).await;
    assert_eq!(staged, Ok(0));
    world.clock.advance(29 * 86_400);
    gate.admission.sweep_uploads().await;
    assert_eq!(store.staged().unwrap().len(), 1);
    world.clock.advance(2 * 86_400);
    gate.admission.sweep_uploads().await;
    assert_eq!(store.staged().unwrap(), []);
}
