//! A journal read from its files while it is written, and what damage comes to.

use std::fs;
use std::os::unix::fs::FileExt as _;
use std::path::{Path, PathBuf};

use super::*;
use crate::conformance::fixture::{agency, clock, stage, submission};
use crate::{JournalStore, Options, Store};

const LARGE: usize = 3 << 20;

fn store(place: &Path) -> JournalStore {
    let options = Options {
        segment_bytes: 64 << 10,
        low_water: 1 << 20,
        signers: 1,
        ..Options::new(clock())
    };
    JournalStore::open(place, options).unwrap().0
}

fn fill(store: &JournalStore, ids: std::ops::Range<u32>) {
    for id in ids {
        store.accept(submission(1, id, &[2, 3])).wait().unwrap();
    }
}

/// One envelope whose payload has a file of its own.
fn send_large(store: &JournalStore, id: u32) {
    let bytes = vec![u8::try_from(id).unwrap(); LARGE];
    let mut large = submission(1, id, &[2]);
    large.payload = stage(store, 1, id, &bytes);
    store.accept(large).wait().unwrap();
}

/// Copies as a backup does; gives the segments.
fn copy(data: &Path, to: &Path) -> Vec<(u64, PathBuf)> {
    for file in payloads(data).unwrap() {
        let target = to.join(&file.name);
        fs::create_dir_all(target.parent().unwrap()).unwrap();
        fs::copy(&file.path, target).unwrap();
    }
    fs::create_dir_all(to.join(JOURNAL)).unwrap();
    let copied = segments(data).unwrap().into_iter().map(|file| {
        let target = to.join(&file.name);
        fs::copy(&file.path, &target).unwrap();
        if let Some(counts) = file.counts {
            let copy = fs::OpenOptions::new().write(true).open(&target).unwrap();
            copy.set_len(counts).unwrap();
        }
        assert_eq!(segment_of(&file.name), Some(file.number));
        (file.number, target)
    });
    copied.collect()
}

fn look(segments: &[(u64, PathBuf)], to: &Path) -> Result<JournalReport, JournalFault> {
    let size = |digest| {
        fs::metadata(to.join(payload_path(digest)))
            .ok()
            .map(|it| it.len())
    };
    inspect(segments, &size, &mut |done, all| assert!(done <= all))
}

#[test]
fn a_journal_is_read_while_it_is_written_and_its_copy_opens() {
    let place = tempfile::tempdir().unwrap();
    let (data, to) = (place.path().join("data"), place.path().join("copy"));
    let running = store(&data);
    fill(&running, 1..150);
    send_large(&running, 150);
    let copied = copy(&data, &to);
    assert!(copied.len() > 2, "several segments");
    fill(&running, 151..160);
    let report = look(&copied, &to).unwrap();
    assert_eq!(report.envelopes, 150);
    assert_eq!(report.inboxes[&agency(2)], 150);
    assert_eq!(report.accepted_until, Some(clock()()));
    assert_eq!(accepted_until(&copied).unwrap(), report.accepted_until);
    let (newest, path) = copied.last().unwrap();
    assert_eq!(end_of(*newest, path).unwrap(), report.end);
    running.close().unwrap();
    // Closed, all segments are sealed: nothing is left out.
    assert!(
        segments(&data)
            .unwrap()
            .iter()
            .all(|file| file.counts.is_none())
    );
    let again = store(&to);
    let state = again.inbox_state(agency(2)).unwrap();
    assert_eq!(state.last.unwrap().value(), 150);
    let source = again
        .payload(crate::conformance::fixture::key(1, 150))
        .unwrap();
    assert_eq!(source.unwrap().read_at(1 << 20, 4).unwrap(), vec![150; 4]);
    fill(&again, 200..210);
    again.close().unwrap();
    let segments: Vec<_> = segments(&to)
        .unwrap()
        .into_iter()
        .map(|it| (it.number, it.path))
        .collect();
    assert_eq!(look(&segments, &to).unwrap().envelopes, 160);
}

#[test]
fn what_is_damaged_or_missing_is_named() {
    let place = tempfile::tempdir().unwrap();
    let (data, to) = (place.path().join("data"), place.path().join("copy"));
    let running = store(&data);
    fill(&running, 1..150);
    send_large(&running, 150);
    let copied = copy(&data, &to);
    drop(running);
    assert!(matches!(look(&[], &to), Err(JournalFault::Empty)));
    let mut gap = copied.clone();
    gap.remove(1);
    assert!(matches!(
        look(&gap, &to),
        Err(JournalFault::Missing { segment: 2 })
    ));
    let (_, second) = &copied[1];
    let file = fs::OpenOptions::new()
        .write(true)
        .read(true)
        .open(second)
        .unwrap();
    let mut byte = [0];
    file.read_exact_at(&mut byte, 9_000).unwrap();
    file.write_all_at(&[byte[0] ^ 1], 9_000).unwrap();
    assert!(matches!(
        look(&copied, &to),
        Err(JournalFault::Damaged { segment: 2, .. })
    ));
    file.write_all_at(&byte, 9_000).unwrap();
    assert!(look(&copied, &to).is_ok());
    let payload = &payloads(&to).unwrap()[0];
    assert_eq!(
        payload_of(&payload.name),
        Some(Digest::of(&vec![150; LARGE]))
    );
    fs::remove_file(&payload.path).unwrap();
    assert!(matches!(
        look(&copied, &to),
        Err(JournalFault::PayloadMissing { .. })
    ));
}
