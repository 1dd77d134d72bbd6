//! The index: rows in sled, which nobody has to believe.
//!
//! sled 0.34 loses data in power cuts and panics on files it does not understand. So
//! everything in here is caught, everything is made again from the journal when in
//! doubt, and what is believed is first counted: one row says how far the index has
//! followed the journal, how many rows that makes and what their sums add up to.
//!
//! Batches are kept to about 20 envelopes, each flushed: larger ones let sled's memory
//! grow without bound. Values never reach the size that sled does not sync.

use std::fs::{File, TryLockError};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use bytes::Bytes;

use crate::codec::{Malformed, Reader, Writer};
use crate::journal::rows::Row;
use crate::types::Position;

const MARK: &[u8] = b"z";
const CACHE: u64 = 32 << 20;
const ENVELOPES: usize = 20;
const ROWS: usize = 1_024;

/// sled failed, panicked, or gave what cannot be.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the index failed")]
pub(crate) struct IndexFault;

/// How far an index has followed, and what it must then hold.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) struct Mark {
    pub(crate) position: Position,
    rows: u64,
    sum: u64,
}

/// When to flush.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Flush {
    /// After every 20 envelopes: sled's memory stays small while others work.
    Often,
    /// At the end: an index that is made anew is not believed before it is whole.
    AtTheEnd,
}

/// An open index.
#[derive(Debug)]
pub(crate) struct Index {
    /// Gone once it is closed.
    db: Option<sled::Db>,
    directory: PathBuf,
    mark: Mutex<Mark>,
}

/// Runs sled, taking a panic for a fault.
fn guarded<T>(what: impl FnOnce() -> sled::Result<T>) -> Result<T, IndexFault> {
    match catch_unwind(AssertUnwindSafe(what)) {
        Ok(Ok(value)) => Ok(value),
        Ok(Err(fault)) => {
            tracing::error!(fault = &fault as &dyn std::error::Error, "sled failed");
            Err(IndexFault)
        }
        Err(_) => {
            tracing::error!("sled panicked");
            Err(IndexFault)
        }
    }
}

impl Index {
    /// Opens the index of a directory, made if it is not there.
    pub(crate) fn open(directory: &Path) -> Result<Self, IndexFault> {
        let config = sled::Config::new()
            .path(directory)
            .cache_capacity(CACHE)
            .flush_every_ms(None);
        let mut index = Self {
            db: Some(guarded(|| config.open())?),
            directory: directory.to_owned(),
            mark: Mutex::default(),
        };
        if let Some(bytes) = index.get(MARK)? {
            index.mark = Mutex::new(Mark::decode(bytes).map_err(|_| IndexFault)?);
        }
        Ok(index)
    }

    /// How far it has followed the journal.
    pub(crate) fn position(&self) -> Position {
        self.mark().position
    }

    /// Reads every row and compares count and sums with the mark.
    pub(crate) fn verify(&self) -> Result<(), IndexFault> {
        let mark = self.mark();
        let mut found = Mark {
            position: mark.position,
            ..Mark::default()
        };
        let db = self.db()?;
        guarded(|| {
            for row in db.iter() {
                let (key, value) = row?;
                if key.as_ref() != MARK && mark.covers(&value) {
                    found.add(&key, &value);
                }
            }
            Ok(())
        })?;
        if found == mark {
            Ok(())
        } else {
            Err(IndexFault)
        }
    }

    /// The value of a row.
    pub(crate) fn get(&self, key: &[u8]) -> Result<Option<Bytes>, IndexFault> {
        let db = self.db()?;
        let value = guarded(|| db.get(key))?;
        Ok(value.map(|value| Bytes::copy_from_slice(&value)))
    }

    /// Whether there is a row whose key begins so.
    pub(crate) fn has(&self, prefix: &[u8]) -> Result<bool, IndexFault> {
        let db = self.db()?;
        let first = guarded(|| db.scan_prefix(prefix).next().transpose())?;
        Ok(first.is_some())
    }

    /// Takes the rows of all batches up to a position, and flushes.
    pub(crate) fn apply(
        &self,
        rows: &[Row],
        position: Position,
        flush: Flush,
    ) -> Result<(), IndexFault> {
        let db = self.db()?;
        let mut mark = self.mark();
        mark.position = position;
        for row in rows {
            mark.add(&row.key, &row.value);
        }
        let mut batch = sled::Batch::default();
        let (mut envelopes, mut count) = (0, 0);
        for row in rows {
            batch.insert(row.key.as_ref(), row.value.as_ref());
            count += 1;
            envelopes += usize::from(row.key.first() == Some(&b'e'));
            if envelopes >= ENVELOPES || count >= ROWS {
                let full = std::mem::take(&mut batch);
                guarded(|| db.apply_batch(full))?;
                if flush == Flush::Often {
                    guarded(|| db.flush())?;
                }
                (envelopes, count) = (0, 0);
            }
        }
        batch.insert(MARK, mark.encode().as_ref());
        guarded(|| db.apply_batch(batch))?;
        guarded(|| db.flush())?;
        *self.mark.lock().unwrap_or_else(PoisonError::into_inner) = mark;
        Ok(())
    }

    /// Closes the index.
    pub(crate) fn close(mut self) -> Result<(), IndexFault> {
        let db = self.db()?;
        let flushed = guarded(|| db.flush().map(|_| ()));
        flushed.and(self.release())
    }

    /// Lets sled go, whose drop may panic as well and whose threads hold on to the
    /// directory for a while after it.
    fn release(&mut self) -> Result<(), IndexFault> {
        let Some(db) = self.db.take() else {
            return Ok(());
        };
        let dropped = catch_unwind(AssertUnwindSafe(move || drop(db)));
        await_release(&self.directory);
        dropped.map_err(|_| IndexFault)
    }

    fn db(&self) -> Result<&sled::Db, IndexFault> {
        self.db.as_ref().ok_or(IndexFault)
    }

    fn mark(&self) -> Mark {
        *self.mark.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Index {
    fn drop(&mut self) {
        if self.release().is_err() {
            tracing::warn!("the index did not close");
        }
    }
}

/// Most milliseconds that the end of sled's threads is waited for.
const PATIENCE: u32 = 5_000;

/// Waits until nobody has the directory locked: opened before that, a good index would
/// be taken for a bad one.
fn await_release(directory: &Path) {
    let Ok(file) = File::open(directory.join("db")) else {
        return;
    };
    for _ in 0..PATIENCE {
        match file.try_lock() {
            // Free again with the file.
            Ok(()) | Err(TryLockError::Error(_)) => return,
            Err(TryLockError::WouldBlock) => std::thread::park_timeout(Duration::from_millis(1)),
        }
    }
    tracing::warn!("the index is still held by its own threads");
}

impl Mark {
    fn add(&mut self, key: &[u8], value: &[u8]) {
        let mut crc = crc32fast::Hasher::new();
        crc.update(key);
        crc.update(value);
        self.rows += 1;
        self.sum = self.sum.wrapping_add(crc.finalize().into());
    }

    /// Whether a row belongs to a batch up to the mark; one after it was taken in part,
    /// and comes again.
    fn covers(&self, value: &[u8]) -> bool {
        let limit = (self.position.segment, self.position.offset);
        Row::place(value).is_ok_and(|place| place < limit)
    }

    fn encode(&self) -> Bytes {
        let mut to = Writer::default();
        to.u64(self.position.batch);
        to.u64(self.position.segment);
        to.u64(self.position.offset);
        to.u64(self.rows);
        to.u64(self.sum);
        to.into_bytes()
    }

    fn decode(bytes: Bytes) -> Result<Self, Malformed> {
        let mut from = Reader::new(bytes);
        let mark = Self {
            position: Position {
                batch: from.u64()?,
                segment: from.u64()?,
                offset: from.u64()?,
            },
            rows: from.u64()?,
            sum: from.u64()?,
        };
        from.end()?;
        Ok(mark)
    }
}

/// Removes snapshots that sled had begun when the disk was full: on opening it takes
/// an empty one for corruption.
pub(crate) fn remove_empty_snapshots(directory: &Path) -> std::io::Result<()> {
    let entries = match std::fs::read_dir(directory) {
        Err(fault) if fault.kind() == std::io::ErrorKind::NotFound => return Ok(()),
        entries => entries?,
    };
    for entry in entries {
        let entry = entry?;
        let name = entry.file_name();
        let name = name.to_string_lossy();
        if name.starts_with("snap.")
            && name.ends_with(".generating")
            && entry.metadata()?.len() == 0
        {
            std::fs::remove_file(entry.path())?;
        }
    }
    Ok(())
}

/// Makes every file of the index durable; sled itself does not.
pub(crate) fn sync_files(directory: &Path) -> std::io::Result<()> {
    let mut pending = vec![directory.to_owned()];
    while let Some(directory) = pending.pop() {
        for entry in std::fs::read_dir(&directory)? {
            let entry = entry?;
            if entry.file_type()?.is_dir() {
                pending.push(entry.path());
            } else {
                File::open(entry.path())?.sync_all()?;
            }
        }
        File::open(&directory)?.sync_all()?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn row(name: &str, offset: u64) -> Row {
        let mut value = Writer::default();
        value.u64(1);
        value.u64(offset);
        value.raw(name.as_bytes());
        Row {
            key: Bytes::from(format!("e{name}")),
            value: value.into_bytes(),
        }
    }

    fn at(offset: u64) -> Position {
        Position {
            batch: offset,
            segment: 1,
            offset,
        }
    }

    fn filled() -> (tempfile::TempDir, Index) {
        let directory = tempfile::tempdir().unwrap();
        let index = Index::open(directory.path()).unwrap();
        let rows: Vec<Row> = (0..50).map(|n| row(&n.to_string(), n)).collect();
        index.apply(&rows, at(50), Flush::Often).unwrap();
        (directory, index)
    }

    #[test]
    fn what_was_applied_is_there_and_counted() {
        let (directory, index) = filled();
        index.close().unwrap();
        let index = Index::open(directory.path()).unwrap();
        assert_eq!(index.position(), at(50));
        index.verify().unwrap();
        assert_eq!(index.get(b"e7").unwrap(), Some(row("7", 7).value));
        assert_eq!(index.get(b"e99").unwrap(), None);
    }

    #[test]
    fn a_closed_index_opens_at_once_however_it_was_let_go() {
        let (directory, mut index) = filled();
        for round in 0..60 {
            if round % 2 == 0 {
                index.close().unwrap();
            } else {
                drop(index);
            }
            index = Index::open(directory.path()).unwrap();
        }
        index.verify().unwrap();
        drop(index);
        // A mark that is none: what was opened is let go again.
        let db = sled::open(directory.path()).unwrap();
        db.insert(MARK, b"no mark").unwrap();
        drop(db);
        await_release(directory.path());
        assert_eq!(Index::open(directory.path()).unwrap_err(), IndexFault);
        let db = sled::open(directory.path()).unwrap();
        db.remove(MARK).unwrap();
    }

    #[test]
    fn a_row_that_went_or_changed_is_noticed() {
        let (_directory, index) = filled();
        index.db().unwrap().remove(b"e7").unwrap();
        assert_eq!(index.verify(), Err(IndexFault));
        let (_directory, index) = filled();
        let other = row("8", 7).value;
        index.db().unwrap().insert(b"e7", other.as_ref()).unwrap();
        assert_eq!(index.verify(), Err(IndexFault));
    }

    #[test]
    fn a_batch_taken_in_part_comes_again() {
        let (_directory, index) = filled();
        let (first, second) = (row("first", 60), row("second", 70));
        let db = index.db().unwrap();
        db.insert(&first.key, first.value.as_ref()).unwrap();
        index.verify().unwrap();
        index.apply(&[first, second], at(80), Flush::Often).unwrap();
        index.verify().unwrap();
    }
}
