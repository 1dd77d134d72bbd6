//! The journal: the truth about everything that was ever answered.
//!
//! A journal is a row of segment files. Each begins with a *base* frame and then holds
//! one *batch* frame for each group commit; one that is full or was closed ends in a
//! *footer* frame. Batches are numbered through all segments, and batch n+1 is written
//! only after batch n's `fdatasync`. From this follows all of recovery:
//!
//! - Every frame that has a good frame after it was durable. If it is bad, that is
//!   damage, and it is named; if it is good, it needs no second look.
//! - Only the last batch may never have reached the disk, whatever the page cache shows
//!   after a kill; it is written again, into a fresh segment, before anything is answered.
//! - A bad frame with nothing good after it is a torn tail that nobody was answered for.
//!
//! A base says where the segment before it ends, so that what was written again is not
//! read twice, and has each inbox's end, so that sequences need no index.

pub(crate) mod base;
pub(crate) mod files;
pub(crate) mod frame;
pub(crate) mod marks;
pub(crate) mod projection;
pub(crate) mod ranges;
pub(crate) mod record;
pub(crate) mod recovery;
pub(crate) mod rows;
pub(crate) mod scan;
pub(crate) mod spares;
pub(crate) mod writer;

#[cfg(test)]
mod tests;
