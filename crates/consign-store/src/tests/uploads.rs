//! Payloads on their way in, whatever happens to disk and process.

use consign_domain::{Digest, Timestamp};

use super::{fill, open, scratch, sim, small};
use crate::conformance::fixture::{self, Random, key, submission};
use crate::disk::{Disk, Fault, SimDisk};
use crate::{JournalStore, Options, PayloadIn, Store, StoreError, Upload};

fn payload(seed: u8, size: usize) -> Vec<u8> {
    let mut random = Random(seed.into());
    (0..size)
        .map(|_| u8::try_from(random.below(256)).unwrap())
        .collect()
}

fn files(disk: &SimDisk, directory: &str) -> usize {
    let paths = disk.paths().into_iter();
    paths.filter(|path| path.starts_with(directory)).count()
}

/// A store whose clock goes on at each look, so that every write is followed.
fn hasty() -> Options {
    let now = std::sync::atomic::AtomicU64::new(1_795_400_000);
    Options {
        clock: std::sync::Arc::new(move || {
            let seconds = now.fetch_add(7, std::sync::atomic::Ordering::SeqCst);
            Timestamp::from_unix_saturating(seconds)
        }),
        ..small()
    }
}

/// Uploads what is missing, in pieces, until it is whole or the disk stops it; notes from
/// where.
fn go_on(
    store: &JournalStore,
    upload: Upload,
    payload: &[u8],
    from: &mut u64,
) -> Option<PayloadIn> {
    let mut stage = store.stage(upload).ok()?;
    *from = stage.written();
    let (from, piece) = (usize::try_from(*from).unwrap(), 100_000);
    for piece in payload[from..].chunks(piece) {
        stage.write(piece).ok()?;
    }
    let staged = stage.finish().ok()?;
    store.place(&staged).ok()?;
    Some(PayloadIn::Staged(staged))
}

#[test]
fn an_upload_goes_on_after_any_crash() {
    let payload = payload(1, 1_300_000);
    let upload = fixture::upload(1, 1, &payload);
    let (mut resumed, mut power_cuts) = (0, 0);
    for seed in 0..300 {
        let mut random = Random(seed);
        let index = scratch();
        let disk = SimDisk::new(seed, 64 << 20, index.path().join("index"));
        let mut durable = 0;
        let staged = loop {
            let (store, _) = open(&disk, hasty()).unwrap();
            let left = store.staged().unwrap();
            assert!(left.len() <= 1, "{left:?}");
            let written = left.first().map_or(0, |left| left.written);
            assert!(written >= durable, "{written} of {durable}, seed {seed}");
            resumed += u64::from(written > 0);
            disk.inject(Fault::Crash {
                after: 2 + random.below(40),
            });
            if let Some(staged) = go_on(&store, upload, &payload, &mut durable) {
                break (store, staged);
            }
            drop(store);
            if random.below(2) == 0 {
                disk.kill();
            } else {
                power_cuts += 1;
                disk.power_cut();
            }
        };
        let (store, staged) = staged;
        disk.kill();
        let mut sent = submission(1, 1, &[2]);
        sent.payload = staged;
        store.accept(sent).wait().unwrap();
        store.unstage(&upload).unwrap();
        drop(store);
        disk.power_cut();
        let (store, recovery) = open(&disk, small()).unwrap();
        let source = store.payload(key(1, 1)).unwrap().unwrap();
        assert!(source.read_at(0, payload.len()).unwrap() == payload);
        assert_eq!((recovery.unnamed, store.staged().unwrap().len()), (0, 0));
        assert_eq!(files(&disk, "staging/"), 0, "seed {seed}");
    }
    assert!(resumed > 100 && power_cuts > 100, "{resumed} {power_cuts}");
}

#[test]
fn what_is_whole_waits_for_its_submission() {
    let payload = payload(2, 1_100_000);
    let upload = fixture::upload(1, 1, &payload);
    for placed in [false, true] {
        for seed in 0..20 {
            let index = scratch();
            let disk = SimDisk::new(seed, 64 << 20, index.path().join("index"));
            let (store, _) = open(&disk, small()).unwrap();
            let mut stage = store.stage(upload).unwrap();
            stage.write(&payload).unwrap();
            let staged = stage.finish().unwrap();
            if placed {
                store.place(&staged).unwrap();
                assert_eq!(files(&disk, "payloads/"), 1);
            }
            drop(store);
            disk.power_cut();
            let (store, recovery) = open(&disk, small()).unwrap();
            assert_eq!(recovery.unnamed, 0);
            let left = store.staged().unwrap();
            assert_eq!(left.len(), 1, "seed {seed}");
            assert_eq!(left[0].whole.as_ref(), Some(&staged));
            assert_eq!((left[0].upload, left[0].written), (upload, upload.size));
            store.place(&staged).unwrap();
            let mut sent = submission(1, 1, &[2]);
            sent.payload = PayloadIn::Staged(staged);
            store.accept(sent).wait().unwrap();
            store.unstage(&upload).unwrap();
            let source = store.payload(key(1, 1)).unwrap().unwrap();
            assert!(source.read_at(0, payload.len()).unwrap() == payload);
            assert_eq!(files(&disk, "staging/"), 0);
        }
    }
}

#[test]
fn another_content_is_another_upload() {
    let (right, mut wrong) = (payload(3, 1_200_000), payload(3, 1_200_000));
    wrong[600_000] ^= 1;
    let upload = fixture::upload(1, 1, &right);
    let index = scratch();
    let disk = sim(&index, 64 << 20);
    let (store, _) = open(&disk, small()).unwrap();
    let mut stage = store.stage(upload).unwrap();
    let second = store.stage(upload).unwrap_err();
    assert!(matches!(second, StoreError::Busy), "{second}");
    assert!(matches!(store.unstage(&upload), Err(StoreError::Busy)));
    stage.write(&wrong).unwrap();
    let fault = stage.finish().unwrap_err();
    assert!(matches!(fault, StoreError::PayloadMismatch), "{fault}");
    assert_eq!(files(&disk, "staging/"), 0, "nothing of it is gone on with");

    let mut stage = store.stage(upload).unwrap();
    stage.write(&wrong[..700_000]).unwrap();
    assert_eq!(stage.pause().unwrap(), 700_000);
    let other = fixture::upload(1, 1, &wrong);
    assert_eq!(store.stage(other).unwrap().written(), 0);
    let mut stage = store.stage(upload).unwrap();
    assert_eq!(stage.written(), 700_000);
    stage.write(&right[700_000..]).unwrap();
    let fault = stage.finish().unwrap_err();
    assert!(matches!(fault, StoreError::PayloadMismatch), "{fault}");
    fixture::stage(&store, 1, 1, &right);
    assert_eq!(store.staged().unwrap(), [], "the other one never got on");
}

#[test]
fn what_the_disk_changes_is_noticed() {
    let payload = payload(4, 1_300_000);
    let upload = fixture::upload(1, 1, &payload);
    for at in [5, 699_999] {
        let index = scratch();
        let disk = sim(&index, 64 << 20);
        let (store, _) = open(&disk, small()).unwrap();
        let mut stage = store.stage(upload).unwrap();
        stage.write(&payload[..700_000]).unwrap();
        stage.pause().unwrap();
        let mut paths = disk.paths().into_iter();
        let part = paths.find(|path| path.ends_with(".part")).unwrap();
        disk.tamper(&part, |bytes| bytes[at] ^= 1);
        let mut stage = store.stage(upload).unwrap();
        stage.write(&payload[700_000..]).unwrap();
        let fault = stage.finish().unwrap_err();
        assert!(matches!(fault, StoreError::PayloadMismatch), "{fault}");
        fixture::stage(&store, 1, 1, &payload);
    }
}

#[test]
fn a_failed_sync_keeps_only_what_was_durable() {
    let payload = payload(5, 1_300_000);
    let upload = fixture::upload(1, 1, &payload);
    for after in 0..24 {
        let index = scratch();
        let disk = sim(&index, 64 << 20);
        let (store, _) = open(&disk, small()).unwrap();
        let mut stage = store.stage(upload).unwrap();
        stage.write(&payload[..300_000]).unwrap();
        stage.pause().unwrap();
        disk.inject(Fault::Once { after });
        let whole = go_on(&store, upload, &payload, &mut 0).is_some();
        drop(store);
        disk.kill();
        let (store, _) = open(&disk, small()).unwrap();
        let left = store.staged().unwrap();
        assert_eq!(left.len(), 1);
        assert!(left[0].written >= 300_000);
        assert!(left[0].whole.is_some() || !whole, "{after}");
        let mut sent = submission(1, 1, &[2]);
        sent.payload = fixture::stage(&store, 1, 1, &payload);
        store.accept(sent).wait().unwrap();
        drop(store);
        disk.power_cut();
        let (store, _) = open(&disk, small()).unwrap();
        let source = store.payload(key(1, 1)).unwrap().unwrap();
        assert!(source.read_at(0, payload.len()).unwrap() == payload);
    }
}

#[test]
fn a_disk_too_full_takes_no_upload_and_goes_on_with_those_it_took() {
    let payload = payload(6, 3 << 20);
    let upload = fixture::upload(1, 1, &payload);
    let index = scratch();
    let disk = sim(&index, 64 << 20);
    let (store, _) = open(&disk, small()).unwrap();
    let mut stage = store.stage(upload).unwrap();
    stage.write(&payload[..1 << 20]).unwrap();
    // Others fill the disk; the room of this upload is its own.
    disk.resize(0);
    stage.write(&payload[1 << 20..2 << 20]).unwrap();
    assert_eq!(stage.pause().unwrap(), 2 << 20);
    let refused = store.stage(fixture::upload(1, 2, &payload)).unwrap_err();
    assert!(matches!(refused, StoreError::Full), "{refused}");
    let mut stage = store.stage(upload).unwrap();
    stage.write(&payload[2 << 20..]).unwrap();
    stage.finish().unwrap();
    disk.resize(64 << 20);
    // Room on the disk, but not above the low water: what comes in would leave too little.
    let free = usize::try_from(disk.free_space().unwrap()).unwrap();
    let refused = store.stage(fixture::upload(1, 3, &vec![0; free - 1_000]));
    assert!(matches!(refused, Err(StoreError::Full)));
    let used = (64 << 20) - free as u64;
    disk.resize(used + (5 << 20));
    assert!(store.stage(upload_of(4, 3 << 20)).is_ok());
    let fault = store.stage(upload_of(5, (9 << 20) / 2)).unwrap_err();
    assert!(matches!(fault, StoreError::Full), "{fault}");
    assert_eq!(files(&disk, "staging/"), 4, "two uploads, two files each");
}

fn upload_of(id: u32, size: u64) -> Upload {
    Upload {
        size,
        ..fixture::upload(1, id, b"")
    }
}

#[test]
fn an_upload_that_is_let_go_of_leaves_nothing() {
    let payload = payload(7, 1_100_000);
    let upload = fixture::upload(1, 1, &payload);
    let index = scratch();
    let disk = sim(&index, 64 << 20);
    let (store, _) = open(&disk, small()).unwrap();
    for whole in [false, true] {
        let mut stage = store.stage(upload).unwrap();
        stage.write(&payload).unwrap();
        let staged = whole.then(|| stage.finish().unwrap());
        store.unstage(&upload).unwrap();
        store.unstage(&upload).unwrap();
        assert_eq!(
            (files(&disk, "staging/"), files(&disk, "payloads/")),
            (0, 0)
        );
        if let Some(staged) = staged {
            let fault = store.place(&staged).unwrap_err();
            assert!(matches!(fault, StoreError::PayloadMissing), "{fault}");
        }
    }
}

#[test]
fn a_payload_that_is_not_here_is_not_accepted() {
    let payload = payload(8, 1_100_000);
    let index = scratch();
    let disk = sim(&index, 64 << 20);
    let (store, _) = open(&disk, small()).unwrap();
    let mut sent = submission(1, 1, &[2]);
    sent.payload = fixture::stage(&store, 1, 1, &payload);
    let mut paths = disk.paths().into_iter();
    let path = paths.find(|path| path.starts_with("payloads/")).unwrap();
    disk.remove(&path).unwrap();
    let fault = store.accept(sent).wait().unwrap_err();
    assert!(matches!(fault, StoreError::PayloadMissing), "{fault}");
    fill(&store, 1..=1);
}

#[test]
fn a_file_that_nobody_names_is_removed() {
    let payload = payload(9, 1_100_000);
    let index = scratch();
    let disk = sim(&index, 64 << 20);
    let (store, _) = open(&disk, small()).unwrap();
    // Two envelopes name one file; a third payload was placed, and its upload let go of.
    for id in 1..=2 {
        let mut sent = submission(1, id, &[2]);
        sent.payload = fixture::stage(&store, 1, id, &payload);
        store.accept(sent).wait().unwrap();
        store.unstage(&fixture::upload(1, id, &payload)).unwrap();
    }
    let other = vec![1; 1_100_000];
    fixture::stage(&store, 1, 3, &other);
    store.unstage(&fixture::upload(1, 3, &other)).unwrap();
    drop(store);
    disk.kill();
    let stray = ["staging/7.part", "staging/notes.txt", "payloads/notes.txt"];
    for path in stray {
        disk.create(path).unwrap();
    }
    assert_eq!(files(&disk, "payloads/"), 3);
    for unnamed in [1, 0] {
        let (store, recovery) = open(&disk, small()).unwrap();
        assert_eq!((recovery.unnamed, files(&disk, "payloads/")), (unnamed, 2));
        assert_eq!(files(&disk, "staging/"), 0);
        for id in 1..=2 {
            let source = store.payload(key(1, id)).unwrap().unwrap();
            let end = source.read_at(1_099_990, 99).unwrap();
            assert_eq!(end, payload[1_099_990..]);
        }
        store.close().unwrap();
        drop(store);
        // The second time with an index that is made anew, from footers.
        std::fs::remove_dir_all(disk.index_dir()).unwrap();
    }
}

#[test]
fn small_payloads_wait_in_memory_while_there_is_room() {
    let index = scratch();
    let disk = sim(&index, 256 << 20);
    let (store, _) = open(&disk, small()).unwrap();
    let payload = vec![7; 1 << 20];
    let mut waiting = Vec::new();
    for id in 1..=34 {
        waiting.push(fixture::stage(&store, 1, id, &payload));
    }
    assert_eq!(files(&disk, "payloads/"), 1, "33 and 34 are the same file");
    for (id, waiting) in (1..).zip(waiting) {
        let mut sent = submission(1, id, &[2]);
        sent.payload = waiting;
        store.accept(sent).wait().unwrap();
        let source = store.payload(key(1, id)).unwrap().unwrap();
        assert_eq!(
            Digest::of(&source.read_at(0, 1 << 20).unwrap()),
            Digest::of(&payload)
        );
    }
}
