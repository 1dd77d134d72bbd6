//! An index that is gone, stale or damaged: it costs time and nothing else.

use std::fs;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use super::{assert_holds, fill, open, scratch, sim, small};
use crate::conformance::fixture::{receipt, status};
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
