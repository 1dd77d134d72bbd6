//! An index that is gone, stale or damaged: it costs time and nothing else.

use std::fs;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use super::{assert_holds, fill, open, scratch, sim, small};
use crate::conformance::fixture::{Random, receipt, status};
use crate::disk::Disk;
use crate::{IndexFate, Options, Store};

#[test]
fn an_index_is_made_again_from_footers() {
    let index = scratch();
    let disk = sim(&index, 64 << 20);
    let (store, _) = open(&disk, small()).unwrap();
    fill(&store, 1..=300);
    store.settle(receipt(1, 5, 2, 5)).wait().unwrap();
    store.post(status(1, 5, 1, "03")).wait().unwrap();
    store.close().unwrap();
    drop(store);
    fs::remove_dir_all(disk.index_dir()).unwrap();
    // What footers say is not read again from the batches.
    let told = Arc::new(AtomicUsize::new(0));
    let seen = told.clone();
    let options = Options {
        progress: Some(Arc::new(move |done, of| {
            assert!(done <= of);
            seen.fetch_add(1, Ordering::Relaxed);
        })),
        ..small()
    };
    let (store, recovery) = open(&disk, options).unwrap();
    assert_eq!(recovery.index, IndexFate::Replaced);
    assert!(told.load(Ordering::Relaxed) > 3);
    assert_holds(&store, 300);
    assert!(store.settle(receipt(1, 5, 2, 5)).wait().unwrap().repeated);
    assert!(store.post(status(1, 5, 1, "03")).wait().unwrap().repeated);
}

#[test]
fn a_stale_index_catches_up() {
    let index = scratch();
    let disk = sim(&index, 64 << 20);
    let (store, _) = open(&disk, small()).unwrap();
    fill(&store, 1..=100);
    store.close().unwrap();
    drop(store);
    let kept = index.path().join("kept");
    copy(&disk.index_dir(), &kept);
    let (store, _) = open(&disk, small()).unwrap();
    fill(&store, 101..=300);
    drop(store);
    disk.kill();
    fs::remove_dir_all(disk.index_dir()).unwrap();
    fs::rename(&kept, disk.index_dir()).unwrap();
    let (store, recovery) = open(&disk, small()).unwrap();
    assert_eq!(recovery.index, IndexFate::Believed);
    assert!(recovery.replayed > 0);
    assert_holds(&store, 300);
}

fn copy(from: &Path, to: &Path) {
    fs::create_dir_all(to).unwrap();
    for entry in fs::read_dir(from).unwrap() {
        let entry = entry.unwrap();
        let target = to.join(entry.file_name());
        if entry.file_type().unwrap().is_dir() {
            copy(&entry.path(), &target);
        } else {
            fs::copy(entry.path(), target).unwrap();
        }
    }
}

#[test]
fn a_damaged_index_costs_nothing() {
    let mut random = Random(11);
    let mut replaced = 0;
    for round in 0..40 {
        let index = scratch();
        let disk = sim(&index, 64 << 20);
        let (store, _) = open(&disk, small()).unwrap();
        fill(&store, 1..=180);
        if round % 2 == 0 {
            store.close().unwrap();
        }
        drop(store);
        disk.kill();
        damage(&disk.index_dir(), &mut random);
        let (store, recovery) = open(&disk, small()).unwrap();
        replaced += usize::from(recovery.index == IndexFate::Replaced);
        assert_holds(&store, 180);
    }
    assert!(replaced > 10, "the damage was never noticed: {replaced}");
}

/// Overwrites, cuts or removes a file of the index.
pub(super) fn damage(directory: &Path, random: &mut Random) {
    let files = files_below(directory);
    if files.is_empty() {
        return;
    }
    let path = &files[random.place(files.len())];
    let mut bytes = fs::read(path).unwrap();
    match random.below(6) {
        0 => bytes.truncate(random.place(bytes.len() + 1)),
        1 => return fs::remove_file(path).unwrap(),
        _ => {
            for _ in 0..=random.below(20) {
                let used = bytes.iter().rposition(|byte| *byte != 0).unwrap_or(0);
                let at = random.place(used + 1);
                if let Some(byte) = bytes.get_mut(at) {
                    *byte ^= 1 << random.below(8);
                }
            }
        }
    }
    fs::write(path, bytes).unwrap();
}

fn files_below(directory: &Path) -> Vec<std::path::PathBuf> {
    let mut files = Vec::new();
    for entry in fs::read_dir(directory).into_iter().flatten() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            files.extend(files_below(&path));
        } else {
            files.push(path);
        }
    }
    files.sort();
    files
}

#[test]
fn an_empty_snapshot_is_removed_first() {
    let index = scratch();
    let disk = sim(&index, 64 << 20);
    let (store, _) = open(&disk, small()).unwrap();
    fill(&store, 1..=300);
    drop(store);
    disk.kill();
    let snapshot = disk.index_dir().join("1/snap.00000000DEADBEEF.generating");
    fs::write(&snapshot, b"").unwrap();
    let (store, recovery) = open(&disk, small()).unwrap();
    assert_eq!(recovery.index, IndexFate::Believed);
    assert!(!snapshot.exists());
    assert_holds(&store, 300);
}
