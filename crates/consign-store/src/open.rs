//! Opening a journal store: lock, marks, index, journal, and what was found.

use std::collections::BTreeMap;
use std::io;
use std::path::PathBuf;
use std::sync::Arc;

use consign_domain::{AgencyId, Digest, ErrorCode, Sequence};

use crate::disk::{Disk, DiskLock};
use crate::error::StoreError;
use crate::index::{self, Index};
use crate::journal::files::{JOURNAL, PAYLOADS, STAGING, Segments};
use crate::journal::marks::Marks;
use crate::journal::recovery::{self, Recovered};
use crate::staging;
use crate::store::Clock;
use crate::types::Position;

/// Told while an index is made again: segments done, and segments in all.
pub type Progress = Arc<dyn Fn(usize, usize) + Send + Sync>;

/// How a store is opened.
#[derive(Clone)]
pub struct Options {
    /// What gives the time of acceptance.
    pub clock: Clock,
    /// Bytes of a segment; changes concern new segments only.
    pub segment_bytes: u64,
    /// Most bytes of rows that wait for the index.
    pub overlay_bytes: u64,
    /// Free bytes of the disk below which nothing new is taken.
    pub low_water: u64,
    /// Threads that sign.
    pub signers: usize,
    /// Told while an index is made again.
    pub progress: Option<Progress>,
    /// Data were lost, and it was decided to go on without them. Only for a store that was
    /// closed in order.
    pub go_on: Option<GoOn>,
}

/// Where inboxes go on after data were lost: at the next multiple of `step` above every
/// place that was given here or that anybody has shown. An agency that was away may have
/// seen more than was shown; what lies between is never given again.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct GoOn {
    /// The last place that each agency has shown.
    pub seen: BTreeMap<AgencyId, Sequence>,
    /// How much further each inbox begins.
    pub step: u64,
}

impl std::fmt::Debug for Options {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Options")
            .field("segment_bytes", &self.segment_bytes)
            .field("overlay_bytes", &self.overlay_bytes)
            .field("low_water", &self.low_water)
            .field("signers", &self.signers)
            .finish_non_exhaustive()
    }
}

impl Options {
    /// The usual sizes: segments and overlay of 64 MiB, 256 MiB left free.
    pub fn new(clock: Clock) -> Self {
        Self {
            clock,
            segment_bytes: 64 << 20,
            overlay_bytes: 64 << 20,
            low_water: 256 << 20,
            signers: std::thread::available_parallelism().map_or(2, usize::from),
            progress: None,
            go_on: None,
        }
    }

    /// Free bytes without which the index is not written: sled does not survive a full disk.
    pub(crate) const fn index_room(&self) -> u64 {
        self.low_water / 16
    }
}

/// Why a store cannot be opened.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum OpenError {
    /// Another process, or another store of this one, has it open.
    #[error("the store is open in another process")]
    Locked,
    /// Too little room to begin with.
    #[error("the disk has {free} bytes free, the store needs {needed} to be opened")]
    DiskFull {
        /// Free bytes found.
        free: u64,
        /// Free bytes needed.
        needed: u64,
    },
    /// Bytes that were durable do not read back as they were written. Nothing was
    /// changed: restore the segment from a backup and open the store again.
    #[error("segment {segment} of the journal is damaged at byte {offset}")]
    Damaged {
        /// The segment's number.
        segment: u64,
        /// Where in its file.
        offset: u64,
    },
    /// A segment that was durable is not there. Restore it from a backup.
    #[error("segment {segment} of the journal is missing")]
    Missing {
        /// The segment's number.
        segment: u64,
    },
    /// Inboxes go on elsewhere only after the store was closed in order.
    #[error("the store was not closed in order; open and close it first")]
    NotClosed,
    /// The index cannot even be made anew.
    #[error("the index cannot be made anew from the journal")]
    Index,
    /// A file cannot be used.
    #[error("a file of the store cannot be used")]
    Io {
        /// What the system said.
        #[source]
        source: io::Error,
    },
}

impl OpenError {
    /// The code to answer with.
    pub const fn code(&self) -> ErrorCode {
        match self {
            Self::DiskFull { .. } => ErrorCode::StorageFull,
            Self::Locked => ErrorCode::Busy,
            _ => ErrorCode::StorageFailed,
        }
    }
}

impl From<io::Error> for OpenError {
    fn from(source: io::Error) -> Self {
        Self::Io { source }
    }
}

impl From<OpenError> for StoreError {
    fn from(error: OpenError) -> Self {
        match error {
            OpenError::Damaged { segment, offset } => Self::Damaged { segment, offset },
            OpenError::Io { source } => source.into(),
            _ => Self::Failed,
        }
    }
}

/// What became of the index.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum IndexFate {
    /// The journal was empty.
    New,
    /// It was believed.
    Believed,
    /// There was none, or the machine was started anew without the store being closed.
    Rebuilt,
    /// It did not open, or did not hold what it says; it was made again.
    Replaced,
}

/// What was found when a store was opened.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Recovery {
    /// Whether the store had been closed in order.
    pub clean: bool,
    /// What became of the index.
    pub index: IndexFate,
    /// Batches that the index had not yet followed.
    pub replayed: u64,
    /// Whether the last batch was written again, since its place on the disk was not certain.
    pub rewritten: bool,
    /// Where a batch was cut off that nobody was answered for.
    pub torn: Option<Position>,
    /// Payloads that were staged whole and never accepted; their files were removed.
    pub unnamed: u64,
    /// Where the journal goes on.
    pub position: Position,
}

/// A store's parts, opened.
#[derive(Debug)]
pub(crate) struct Opened {
    pub(crate) lock: Box<dyn DiskLock>,
    pub(crate) segments: Segments,
    pub(crate) marks: Marks,
    pub(crate) recovered: Recovered,
    pub(crate) index: Index,
    pub(crate) recovery: Recovery,
}

/// Opens a store's parts.
pub(crate) fn open(disk: &Arc<dyn Disk>, options: &Options) -> Result<Opened, OpenError> {
    let lock = match disk.lock() {
        Err(fault) if fault.kind() == io::ErrorKind::WouldBlock => return Err(OpenError::Locked),
        lock => lock?,
    };
    let (free, needed) = (disk.free_space()?, options.index_room());
    if free < needed {
        return Err(OpenError::DiskFull { free, needed });
    }
    for directory in [JOURNAL, PAYLOADS, STAGING] {
        disk.create_dir(directory)?;
    }
    disk.sync_dir("")?;
    let marks = Marks::new(disk.clone());
    let clean = marks.clean()?;
    let segments = Segments::new(disk.clone());
    let place = Place {
        directory: disk.index_dir(),
        generation: marks.index()?,
    };
    let this_boot = clean.is_none() && marks.is_this_boot()?;
    let mut believed = this_boot.then(|| place.believe_counted()).flatten();
    let known = believed.as_ref().map(Index::position);
    let known = known.max(clean.map(|(position, _)| position));
    let mut inspected = recovery::inspect(disk.as_ref(), &segments, known.unwrap_or_default())?;
    if let Some(go_on) = &options.go_on {
        inspected.go_on(go_on)?;
    }
    if let Some((_, print)) = clean {
        // Now the index may be written to: what the mark vouched for is over.
        marks.clear_clean()?;
        believed = place.believe_print(print);
    }
    let believable = clean.is_some() || this_boot;
    let recovered = inspected.begin(disk, &segments, options.segment_bytes, options.low_water)?;
    let caught_up = believed.and_then(|index| catch_up(index, &segments, &recovered));
    let (index, fate, replayed) = match caught_up {
        Some((index, replayed)) => (index, IndexFate::Believed, replayed),
        None => {
            marks.clear_boot()?;
            let index = place.rebuild(&segments, &recovered, options)?;
            let batches = recovered.writer.end().batch;
            let fate = match (batches, believable) {
                (0, _) => IndexFate::New,
                (_, true) => IndexFate::Replaced,
                (_, false) => IndexFate::Rebuilt,
            };
            marks.set_index(index.generation())?;
            (index, fate, batches)
        }
    };
    index::files::keep_only(&place.directory, index.generation())?;
    marks.set_boot()?;
    let recovery = Recovery {
        clean: clean.is_some(),
        index: fate,
        replayed,
        rewritten: recovered.rewritten,
        torn: recovered.torn,
        unnamed: staging::remove_unnamed(disk.as_ref(), &index, &recovered)?,
        position: recovered.writer.end(),
    };
    Ok(Opened {
        lock,
        segments,
        marks,
        recovered,
        index,
        recovery,
    })
}

/// Where the index is.
struct Place {
    directory: PathBuf,
    generation: u64,
}

impl Place {
    /// Opens an index that counts as many rows, with the same sums, as it says; `None` if
    /// it is not worth it.
    fn believe_counted(&self) -> Option<Index> {
        let index = self.open_used()?;
        if index.verify().is_ok() {
            return Some(index);
        }
        drop(index);
        None
    }

    /// Opens an index whose files are the ones that were closed.
    fn believe_print(&self, print: Digest) -> Option<Index> {
        let found = index::files::fingerprint(&self.directory).ok()?;
        (found == print).then(|| self.open_used()).flatten()
    }

    fn open_used(&self) -> Option<Index> {
        let index = Index::open(&self.directory, self.generation).ok()?;
        if index.position() != Position::default() {
            return Some(index);
        }
        drop(index);
        None
    }

    /// Makes an index anew, from the footers of the segments where they have one.
    fn rebuild(
        &self,
        segments: &Segments,
        recovered: &Recovered,
        options: &Options,
    ) -> Result<Index, OpenError> {
        let generation = self.generation.wrapping_add(1);
        // What is in the way is of no use to anybody.
        match std::fs::remove_dir_all(index::files::place(&self.directory, generation)) {
            Err(fault) if fault.kind() != io::ErrorKind::NotFound => return Err(fault.into()),
            _ => {}
        }
        let index = Index::open(&self.directory, generation)?;
        let tell = |done| {
            if let Some(progress) = &options.progress {
                progress(done, recovered.spans.len());
            }
        };
        tell(0);
        let mut done = 0;
        recovered.spans.rows(segments, 0, &mut |rows, end| {
            index.apply(rows, end)?;
            done += 1;
            tell(done);
            Ok(())
        })?;
        Ok(index)
    }
}

/// Lets an index follow the journal to the segment that is open; tells how many batches it
/// had not followed.
fn catch_up(index: Index, segments: &Segments, recovered: &Recovered) -> Option<(Index, u64)> {
    let position = index.position();
    let spans = &recovered.spans;
    if !spans.end_at(position, &recovered.ledger.removed) {
        drop(index);
        return None;
    }
    let mut replayed = 0;
    let caught_up = spans.rows(segments, position.segment, &mut |rows, end| {
        replayed = end.batch.saturating_sub(position.batch);
        index.apply(rows, end).map_err(OpenError::from)
    });
    match caught_up {
        Ok(()) => Some((index, replayed)),
        Err(_) => {
            drop(index);
            None
        }
    }
}
