//! An index of which most rows are stale is made anew.

use std::collections::BTreeMap;
use std::sync::mpsc;

use super::Ways;
use crate::error::StoreError;
use crate::index::Index;
use crate::index::files::place;
use crate::open::OpenError;
use crate::pipeline::Shared;
use crate::pipeline::indexer::Task;

/// Stale rows below which an index is not worth making anew.
const FEW: u64 = 10_000;

/// Bytes that a row takes in sled, about (measured: 500 with small batches).
const ROW: u64 = 600;

/// Makes the index anew if most of its rows are of segments that are gone; `rows` has how
/// many each segment has, as far as they were counted.
pub(super) fn renew(
    shared: &Shared,
    ways: &Ways<'_>,
    rows: &mut BTreeMap<u64, u64>,
) -> Result<bool, StoreError> {
    let (reach, generation, all) = {
        let index = shared.index.read();
        let index = index.unwrap_or_else(std::sync::PoisonError::into_inner);
        let index = index.as_ref().ok_or(StoreError::Closed)?;
        (index.position().segment, index.generation(), index.rows())
    };
    if all < FEW {
        return Ok(false);
    }
    let spans = shared.spans().clone();
    for segment in spans.segments().into_iter().filter(|one| *one <= reach) {
        if let (false, Some(span)) = (rows.contains_key(&segment), spans.get(segment)) {
            let file = shared.segments.file(segment)?;
            rows.insert(segment, span.rows(file.as_ref())?.len() as u64);
        }
    }
    let counting: u64 = rows.range(..=reach).map(|(_, rows)| *rows).sum();
    let stale = all.saturating_sub(counting);
    let room = shared.options.low_water.saturating_add(counting * ROW);
    if stale < FEW.max(counting) || shared.disk.free_space()? < room {
        return Ok(false);
    }
    let directory = shared.disk.index_dir();
    let next = generation.wrapping_add(1);
    match std::fs::remove_dir_all(place(&directory, next)) {
        Err(fault) if fault.kind() != std::io::ErrorKind::NotFound => return Err(fault.into()),
        _ => {}
    }
    let fresh = Index::open(&directory, next).map_err(|_| StoreError::Index)?;
    spans.rows(&shared.segments, 0, &mut |rows, end| {
        if end.segment <= reach {
            fresh.apply(rows, end)?;
        }
        Ok::<(), OpenError>(())
    })?;
    let (done, exchanged) = mpsc::channel();
    let asked = ways.indexer.send(Task::Exchange(Box::new(fresh), done));
    asked.map_err(|_| StoreError::Failed)?;
    exchanged.recv().map_err(|_| StoreError::Failed)?;
    tracing::info!(stale, counting, "the index was made anew");
    Ok(true)
}
