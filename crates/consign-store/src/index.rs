//! The index: rows in sled, which nobody has to believe.
//!
//! sled 0.34 loses data in power cuts and panics on files it does not understand. So
//! everything in here is caught, everything is made again from the journal when in
//! doubt, and what is believed is first counted: one row says up to which segment the
//! index has followed the journal, how many rows that makes and what their sums add up to.
//!
//! Rows come a segment at a time, sorted, in small batches: larger ones let sled's memory
//! grow without bound. Values never reach the size that sled does not sync. sled gives no
//! space back: an index of which most rows are stale is made anew in another directory, a
//! *generation*, and takes the place of the old one.

pub(crate) mod files;
mod mark;

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};

use bytes::Bytes;
use consign_domain::{AgencyId, Sequence};

use crate::error::StoreError;
use crate::journal::projection::RUN;
use crate::journal::rows::{self, ItemRow, Row, segment_of};
use crate::open::OpenError;
use crate::types::Position;
use files::await_release;
use mark::Mark;

const MARK: &[u8] = b"z";
const CACHE: u64 = 32 << 20;
/// Rows of one batch, and its bytes.
const BATCH_ROWS: usize = 256;
const BATCH_BYTES: usize = 128 << 10;
/// Batches after which sled is made to write: its memory stays small.
const BATCHES: usize = 4;

/// sled failed, panicked, or gave what cannot be.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the index failed")]
pub(crate) struct IndexFault;

impl From<IndexFault> for OpenError {
    fn from(_: IndexFault) -> Self {
        Self::Index
    }
}

/// Tells which segments still count.
pub(crate) type Counts<'a> = &'a dyn Fn(u64) -> bool;

/// An open index.
#[derive(Debug)]
pub(crate) struct Index {
    /// Gone once it is closed.
    db: Option<sled::Db>,
    directory: PathBuf,
    generation: u64,
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
    /// Opens a generation of the index of a directory, made if it is not there.
    pub(crate) fn open(directory: &Path, generation: u64) -> Result<Self, IndexFault> {
        let directory = files::place(directory, generation);
        files::remove_empty_snapshots(&directory).map_err(|_| IndexFault)?;
        let config = sled::Config::new()
            .path(&directory)
            .cache_capacity(CACHE)
            .flush_every_ms(None);
        let mut index = Self {
            db: Some(guarded(|| config.open())?),
            directory,
            generation,
            mark: Mutex::default(),
        };
        if let Some(bytes) = index.get(MARK)? {
            index.mark = Mutex::new(Mark::decode(bytes).map_err(|_| IndexFault)?);
        }
        Ok(index)
    }

    /// Which time it is that an index was made.
    pub(crate) const fn generation(&self) -> u64 {
        self.generation
    }

    /// How far it has followed the journal.
    pub(crate) fn position(&self) -> Position {
        self.mark().position
    }

    /// How many rows it holds.
    pub(crate) fn rows(&self) -> u64 {
        self.mark().rows
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
                if key.as_ref() != MARK && mark.covers(&key) {
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

    fn get(&self, key: &[u8]) -> Result<Option<Bytes>, IndexFault> {
        let db = self.db()?;
        let value = guarded(|| db.get(key))?;
        Ok(value.map(|value| Bytes::copy_from_slice(&value)))
    }

    /// The newest row that begins so, of a segment that counts.
    pub(crate) fn newest(
        &self,
        prefix: &[u8],
        counts: Counts<'_>,
    ) -> Result<Option<(u64, Bytes)>, IndexFault> {
        let db = self.db()?;
        guarded(|| {
            for row in db.scan_prefix(prefix).rev() {
                let (key, value) = row?;
                if let Some(segment) = segment_of(&key).filter(|segment| counts(*segment)) {
                    return Ok(Some((segment, Bytes::copy_from_slice(&value))));
                }
            }
            Ok(None)
        })
    }

    /// Gives every row from one prefix to another, in order, until told to stop.
    pub(crate) fn each(
        &self,
        from: &[u8],
        to: &[u8],
        visit: &mut dyn FnMut(&[u8], &[u8]) -> bool,
    ) -> Result<(), IndexFault> {
        let db = self.db()?;
        guarded(|| {
            for row in db.range(from..to) {
                let (key, value) = row?;
                if !visit(&key, &value) {
                    break;
                }
            }
            Ok(())
        })
    }

    /// The items from a place on that one row has.
    pub(crate) fn run(
        &self,
        agency: AgencyId,
        from: Sequence,
    ) -> Result<Option<Vec<ItemRow>>, StoreError> {
        let begin = rows::inbox_prefix(agency);
        let mut end = rows::run_prefix(agency, from).to_vec();
        end.extend_from_slice(&u64::MAX.to_be_bytes());
        let db = self.db().map_err(|_| StoreError::Index)?;
        let found = guarded(|| {
            for row in db.range(begin.as_ref()..=end.as_slice()).rev() {
                let (key, value) = row?;
                let first = rows::run_begins(&key).unwrap_or(u64::MAX);
                let skip = from.value().checked_sub(first).map(usize::try_from);
                let Some(Ok(skip)) = skip.filter(|skip| matches!(skip, Ok(0..RUN))) else {
                    break;
                };
                let Ok(mut run) = ItemRow::decode_run(Bytes::copy_from_slice(&value)) else {
                    return Ok(Some(Err(StoreError::Index)));
                };
                // Runs may overlap where items were carried forward.
                if run.len() > skip {
                    return Ok(Some(Ok(run.split_off(skip))));
                }
            }
            Ok(None)
        });
        found.map_err(|_| StoreError::Index)?.transpose()
    }

    /// Where the first run of an inbox begins from a place on.
    pub(crate) fn run_after(
        &self,
        agency: AgencyId,
        at: Sequence,
    ) -> Result<Option<Sequence>, IndexFault> {
        let begin = rows::run_prefix(agency, at);
        let mut end = rows::inbox_prefix(agency).to_vec();
        end.extend_from_slice(&[u8::MAX; 16]);
        let db = self.db()?;
        let first = guarded(|| db.range(begin.as_ref()..=end.as_slice()).next().transpose())?;
        let begins = first.and_then(|(key, _)| rows::run_begins(&key));
        Ok(begins.and_then(|begins| Sequence::new(begins).ok()))
    }

    /// Takes the rows of a segment that ends at a position, and flushes.
    pub(crate) fn apply(&self, rows: &[Row], position: Position) -> Result<(), IndexFault> {
        let db = self.db()?;
        let mut mark = self.mark();
        mark.position = position;
        let mut batch = sled::Batch::default();
        let (mut bytes, mut count, mut batches) = (0, 0, 0);
        for row in rows {
            mark.add(&row.key, &row.value);
            batch.insert(row.key.as_ref(), row.value.as_ref());
            bytes += row.key.len() + row.value.len();
            count += 1;
            if count >= BATCH_ROWS || bytes >= BATCH_BYTES {
                let full = std::mem::take(&mut batch);
                guarded(|| db.apply_batch(full))?;
                (bytes, count, batches) = (0, 0, batches + 1);
                if batches % BATCHES == 0 {
                    guarded(|| db.flush())?;
                }
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

    /// Closes the index and removes its files.
    pub(crate) fn destroy(mut self) {
        let directory = self.directory.clone();
        let released = self.release();
        let removed = std::fs::remove_dir_all(directory);
        if released.is_err() || removed.is_err() {
            tracing::warn!(
                "what is left of an index that was exchanged stays until the next start"
            );
        }
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

#[cfg(test)]
mod tests {
    use super::*;

    fn row(name: &str, segment: u64) -> Row {
        Row {
            key: rows::in_segment(format!("e{name}-").as_bytes(), segment),
            value: Bytes::from(format!("{name} of {segment}")),
        }
    }

    fn at(segment: u64) -> Position {
        Position {
            batch: 10 * segment,
            segment,
            offset: 100,
        }
    }

    fn filled() -> (tempfile::TempDir, Index) {
        let directory = tempfile::tempdir().unwrap();
        let index = Index::open(directory.path(), 1).unwrap();
        let rows: Vec<Row> = (0..600).map(|n| row(&n.to_string(), 5)).collect();
        index.apply(&rows, at(5)).unwrap();
        (directory, index)
    }

    #[test]
    fn what_was_applied_is_there_and_counted() {
        let (directory, index) = filled();
        index.close().unwrap();
        let index = Index::open(directory.path(), 1).unwrap();
        assert_eq!((index.position(), index.rows()), (at(5), 600));
        index.verify().unwrap();
        let newest = |name: &[u8]| index.newest(name, &|_| true).unwrap();
        assert_eq!(newest(b"e7-"), Some((5, row("7", 5).value)));
        assert_eq!(newest(b"e999-"), None);
        index.apply(&[row("7", 9)], at(9)).unwrap();
        assert_eq!(newest(b"e7-"), Some((9, row("7", 9).value)));
        let older = index.newest(b"e7-", &|segment| segment != 9).unwrap();
        assert_eq!(older, Some((5, row("7", 5).value)));
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
            index = Index::open(directory.path(), 1).unwrap();
        }
        index.verify().unwrap();
        drop(index);
        // A mark that is none: what was opened is let go again.
        let place = files::place(directory.path(), 1);
        let db = sled::open(&place).unwrap();
        db.insert(MARK, b"no mark").unwrap();
        drop(db);
        await_release(&place);
        assert_eq!(Index::open(directory.path(), 1).unwrap_err(), IndexFault);
        let db = sled::open(&place).unwrap();
        db.remove(MARK).unwrap();
    }

    #[test]
    fn a_row_that_went_or_changed_is_noticed() {
        let (_directory, index) = filled();
        let seven = row("7", 5).key;
        index.db().unwrap().remove(&seven).unwrap();
        assert_eq!(index.verify(), Err(IndexFault));
        let (_directory, index) = filled();
        let other = row("8", 5).value;
        let db = index.db().unwrap();
        db.insert(&seven, other.as_ref()).unwrap();
        assert_eq!(index.verify(), Err(IndexFault));
    }

    #[test]
    fn a_segment_taken_in_part_comes_again() {
        let (_directory, index) = filled();
        let (first, second) = (row("first", 6), row("second", 6));
        let db = index.db().unwrap();
        db.insert(&first.key, first.value.as_ref()).unwrap();
        index.verify().unwrap();
        index.apply(&[first, second], at(6)).unwrap();
        index.verify().unwrap();
    }

    #[test]
    fn a_closed_index_is_known_by_its_files() {
        let (directory, index) = filled();
        index.close().unwrap();
        let print = || files::fingerprint(directory.path()).unwrap();
        let first = print();
        assert_eq!(first, print());
        let db = files::place(directory.path(), 1).join("db");
        let mut bytes = std::fs::read(&db).unwrap();
        bytes[1_000] ^= 1;
        std::fs::write(&db, &bytes).unwrap();
        assert_ne!(first, print());
        bytes[1_000] ^= 1;
        std::fs::write(&db, &bytes).unwrap();
        assert_eq!(first, print());
        std::fs::write(directory.path().join("other"), b"").unwrap();
        assert_ne!(first, print());
    }

    #[test]
    fn items_are_found_where_runs_overlap() {
        use crate::conformance::fixture::{agency, digest};
        use crate::journal::rows::About;

        let directory = tempfile::tempdir().unwrap();
        let index = Index::open(directory.path(), 1).unwrap();
        let item = |id| ItemRow {
            digest: digest(1, id),
            about: About::Status,
        };
        let sequence = |value| Sequence::new(value).unwrap();
        let run = |first: u32, last: u32, segment| {
            let items: Vec<_> = (first..=last).map(item).collect();
            let prefix = rows::run_prefix(agency(3), sequence(first.into()));
            Row {
                key: rows::in_segment(&prefix, segment),
                value: ItemRow::encode_run(items.iter()),
            }
        };
        let rows = [run(1, 9, 1), run(10, 20, 1), run(12, 12, 2), run(12, 13, 3)];
        index.apply(&rows, at(3)).unwrap();
        for id in 1..=20 {
            let found = index.run(agency(3), sequence(id)).unwrap().unwrap();
            assert_eq!(found[0], item(u32::try_from(id).unwrap()), "{id}");
        }
        assert_eq!(index.run(agency(3), sequence(21)).unwrap(), None);
        assert_eq!(index.run(agency(2), sequence(1)).unwrap(), None);
    }
}
