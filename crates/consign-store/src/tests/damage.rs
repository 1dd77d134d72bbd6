//! sled's files damaged at random: it costs time, and never an envelope.
//!
//! Bits are flipped, ends cut, stretches zeroed or filled with noise, files emptied, removed,
//! lengthened or put back to what they were a while ago; after a clean stop, where the index is
//! believed, and without one. sled may panic on such files; it may not take long, or for ever.
//!
//! `CONSIGN_SEED=n` replays one seed, `CONSIGN_SEEDS=n` lives so many.

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc;
use std::time::{Duration, Instant};

use super::{assert_holds, fill, open, say, scratch, sim, small};
use crate::conformance::fixture::{Random, expiry, key, receipt, submission};
use crate::disk::{Disk as _, SimDisk};
use crate::{Health, IndexFate, JournalStore, Store};

const SEEDS: u64 = 300;
const SIDE_BY_SIDE: u64 = 4;
/// Opening a damaged index takes no longer, on a machine that does other things as well.
const PATIENCE: Duration = Duration::from_secs(60);

#[derive(Debug, Default)]
struct Totals {
    clean: AtomicU64,
    believed: AtomicU64,
    replaced: AtomicU64,
    failed_later: AtomicU64,
    slowest_ms: AtomicU64,
}

/// Every file of a directory, those below it too, in order.
fn files(directory: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for entry in fs::read_dir(directory).into_iter().flatten() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            found.extend(files(&path));
        } else {
            found.push(path);
        }
    }
    found.sort();
    found
}

/// Does one thing to one file of the index.
pub(super) fn damage(directory: &Path, random: &mut Random) {
    let files = files(directory);
    if files.is_empty() {
        return;
    }
    let path = &files[random.place(files.len())];
    let mut bytes = fs::read(path).unwrap();
    let used = bytes.iter().rposition(|byte| *byte != 0).unwrap_or(0);
    let from = random.place(used + 1);
    let to = (from + 1 + random.place(5_000)).min(bytes.len());
    match random.below(12) {
        0 => bytes.truncate(random.place(bytes.len() + 1)),
        1 => return fs::remove_file(path).unwrap(),
        2 => bytes.clear(),
        3 => bytes.get_mut(from..to).unwrap_or_default().fill(0),
        4 => noise(bytes.get_mut(from..to).unwrap_or_default(), random),
        5 => {
            let length = bytes.len();
            bytes.resize(length + 1 + random.place(2 << 20), 0);
            noise(&mut bytes[length..], random);
        }
        _ => {
            for _ in 0..=random.below(20) {
                let at = random.place(used + 1);
                if let Some(byte) = bytes.get_mut(at) {
                    *byte ^= 1 << random.below(8);
                }
            }
        }
    }
    fs::write(path, bytes).unwrap();
}

/// Copies files of one directory to the same places in another; those that sled has taken
/// away meanwhile are left out.
fn copy(from: &Path, to: &Path, files: &[PathBuf]) {
    for path in files {
        let target = to.join(path.strip_prefix(from).unwrap());
        fs::create_dir_all(target.parent().unwrap()).unwrap();
        drop(fs::copy(path, target));
    }
}

fn noise(bytes: &mut [u8], random: &mut Random) {
    for byte in bytes {
        *byte = u8::try_from(random.below(256)).unwrap();
    }
}

/// Opens a store where sled may hang: then the test ends and says with which seed.
fn open_in_time(disk: &SimDisk, seed: u64, totals: &Totals) -> (JournalStore, IndexFate) {
    let begun = Instant::now();
    let (sender, opened) = mpsc::channel();
    let disk = disk.clone();
    std::thread::spawn(move || drop(sender.send(open(&disk, small()))));
    let opened = opened.recv_timeout(PATIENCE);
    let took = u64::try_from(begun.elapsed().as_millis()).unwrap();
    totals.slowest_ms.fetch_max(took, Ordering::Relaxed);
    let (store, recovery) = opened
        .unwrap_or_else(|_| panic!("opening hangs: CONSIGN_SEED={seed}"))
        .unwrap();
    (store, recovery.index)
}

fn live(seed: u64, totals: &Totals) {
    let mut random = Random(seed);
    let index = scratch();
    let disk = sim(&index, 64 << 20);
    let (store, _) = open(&disk, small()).unwrap();
    let (first, second) = (1 + random.small(150), 1 + random.small(150));
    fill(&store, 1..=first);
    store.settle(receipt(1, 1, 2, 1)).wait().unwrap();
    store.expire(expiry(1, 1, 3)).wait().unwrap();
    let kept = index.path().join("kept");
    let goes_back = random.below(8) == 0;
    if goes_back {
        // Files as they are while sled runs.
        copy(&disk.index_dir(), &kept, &files(&disk.index_dir()));
    }
    fill(&store, first + 1..=first + second);
    let clean = random.below(2) == 0;
    if clean {
        store.close().unwrap();
        totals.clean.fetch_add(1, Ordering::Relaxed);
    }
    drop(store);
    disk.kill();
    if goes_back {
        let all = files(&kept);
        let chosen = all.get(random.place(all.len().max(1)));
        copy(
            &kept,
            &disk.index_dir(),
            chosen.map_or(&[], std::slice::from_ref),
        );
    } else {
        (0..=random.below(3)).for_each(|_| damage(&disk.index_dir(), &mut random));
    }
    let (store, fate) = open_in_time(&disk, seed, totals);
    let fates = match fate {
        IndexFate::Believed => &totals.believed,
        _ => &totals.replaced,
    };
    fates.fetch_add(1, Ordering::Relaxed);
    let count = first + second;
    holds(&store, count);
    go_on(store, &disk, count, seed, totals);
}

fn holds(store: &JournalStore, count: u32) {
    assert_holds(store, usize::try_from(count).unwrap());
    let again = store.settle(receipt(1, 1, 2, 1)).wait().unwrap();
    assert!(again.repeated, "a receipt was taken for a new one");
    let again = store.expire(expiry(1, 1, 3)).wait().unwrap();
    assert!(again.repeated, "an expiry was taken for a new one");
}

/// An index that looks good may fail when it is written to: the store then ends, and what it
/// answered by then is there when it is opened again.
fn go_on(store: JournalStore, disk: &SimDisk, count: u32, seed: u64, totals: &Totals) {
    let mut end = count;
    for id in count + 1..=count + 30 {
        if store.accept(submission(1, id, &[2, 3])).wait().is_err() {
            assert_eq!(store.health().health, Health::Poisoned);
            totals.failed_later.fetch_add(1, Ordering::Relaxed);
            break;
        }
        end = id;
    }
    drop(store.close());
    drop(store);
    disk.kill();
    let (store, _) = open_in_time(disk, seed, totals);
    // One more may have become durable without an answer.
    let more = store.answer(key(1, end + 1)).unwrap().is_some();
    holds(&store, end + u32::from(more));
}

#[test]
fn a_damaged_index_costs_nothing() {
    let totals = Totals::default();
    if let Ok(seed) = std::env::var("CONSIGN_SEED") {
        return live(seed.parse().unwrap(), &totals);
    }
    let seeds = std::env::var("CONSIGN_SEEDS").map_or(SEEDS, |seeds| seeds.parse().unwrap());
    let next = AtomicU64::new(0);
    let begun = Instant::now();
    std::thread::scope(|scope| {
        for _ in 0..SIDE_BY_SIDE {
            scope.spawn(|| {
                loop {
                    let seed = next.fetch_add(1, Ordering::Relaxed);
                    if seed >= seeds {
                        return;
                    }
                    let lived = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| {
                        live(seed, &totals);
                    }));
                    assert!(lived.is_ok(), "replay with CONSIGN_SEED={seed}");
                }
            });
        }
    });
    say(&format!(
        "{seeds} damaged indexes in {:.1} s: {totals:?}, lost 0, doubled 0",
        begun.elapsed().as_secs_f64()
    ));
    let replaced = totals.replaced.into_inner();
    assert!(
        replaced > seeds / 4,
        "hardly any damage was noticed: {replaced}"
    );
    assert!(totals.clean.into_inner() > 0 && totals.believed.into_inner() > 0);
}
