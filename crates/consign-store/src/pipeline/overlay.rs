//! What is durable in the journal and not yet in the index: a table for each segment.

use std::sync::{Arc, PoisonError, RwLock};

use crate::journal::projection::Projection;

/// One segment's records, as they are looked for.
#[derive(Debug)]
pub(crate) struct Table {
    pub(crate) segment: u64,
    projection: RwLock<Projection>,
}

/// The tables of the segments that the index does not have, oldest first; the last one is
/// the open segment's.
#[derive(Debug)]
pub(crate) struct Overlay {
    tables: RwLock<Vec<Arc<Table>>>,
}

impl Table {
    fn new(segment: u64, projection: Projection) -> Arc<Self> {
        Arc::new(Self {
            segment,
            projection: RwLock::new(projection),
        })
    }

    /// Looks into it.
    pub(crate) fn look<T>(&self, look: impl FnOnce(&Projection) -> T) -> T {
        look(
            &self
                .projection
                .read()
                .unwrap_or_else(PoisonError::into_inner),
        )
    }

    /// Adds to it; all that is added together is seen together.
    pub(crate) fn add(&self, add: impl FnOnce(&mut Projection)) {
        add(&mut self
            .projection
            .write()
            .unwrap_or_else(PoisonError::into_inner));
    }
}

impl Overlay {
    /// An overlay whose open segment holds this.
    pub(crate) fn new(segment: u64, begun: Projection) -> Self {
        Self {
            tables: RwLock::new(vec![Table::new(segment, begun)]),
        }
    }

    fn tables(&self) -> Vec<Arc<Table>> {
        let tables = self.tables.read().unwrap_or_else(PoisonError::into_inner);
        tables.clone()
    }

    /// Another segment is open.
    pub(crate) fn begin(&self, segment: u64) {
        let mut tables = self.tables.write().unwrap_or_else(PoisonError::into_inner);
        tables.push(Table::new(segment, Projection::default()));
    }

    /// The open segment's table.
    pub(crate) fn open(&self) -> Option<Arc<Table>> {
        let tables = self.tables.read().unwrap_or_else(PoisonError::into_inner);
        tables.last().cloned()
    }

    /// Lets go of a segment that the index has.
    pub(crate) fn remove(&self, segment: u64) {
        let mut tables = self.tables.write().unwrap_or_else(PoisonError::into_inner);
        tables.retain(|table| table.segment != segment);
    }

    /// The first thing that is found, newest segment first.
    pub(crate) fn find<T>(&self, look: impl Fn(&Projection) -> Option<T>) -> Option<T> {
        let tables = self.tables.read().unwrap_or_else(PoisonError::into_inner);
        tables.iter().rev().find_map(|table| table.look(&look))
    }

    /// What each segment has, oldest first.
    pub(crate) fn each<T>(&self, look: impl Fn(&Projection) -> T) -> Vec<T> {
        let tables = self.tables();
        tables.iter().map(|table| table.look(&look)).collect()
    }

    /// Bytes of the segments that wait for the index, about.
    pub(crate) fn waiting(&self) -> u64 {
        let tables = self.tables();
        let waiting = tables.split_last().map_or(&[][..], |(_, waiting)| waiting);
        let sizes = waiting.iter().map(|table| table.look(Projection::memory));
        sizes.sum()
    }
}
