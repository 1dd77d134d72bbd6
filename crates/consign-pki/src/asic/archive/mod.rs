//! The zip layer (APPNOTE.TXT 6.3.10): records, a reader that judges them, and a writer.
//!
//! Both profiles are read by this one parser, so that what is reported about a container and
//! what is read from it can never be two views. The lenient reading asks the `zip` crate for a
//! second view and refuses where the two differ.

mod central;
mod end;
mod header;
mod local;
mod read;
mod second_reader;
mod stream;
mod write;

pub(super) use header::MAX_CONTAINER_BYTES;
pub(super) use read::{Directory, StoredEntry, read_directory};
pub(super) use second_reader::confirm;
pub(super) use stream::stream;
pub(super) use write::{ArchiveWriter, Written};
