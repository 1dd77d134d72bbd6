//! The outer container: the long-term archive of one document, which holds its container as it
//! is, and all that a reader needs to judge it when keys and algorithms have aged.
//!
//! An ASiC-E container (ETSI EN 319 162-1, clause 4.4) with archive manifests (annex A.7), each
//! under a time-stamp of its own (RFC 3161):
//!
//! ```text
//! mimetype                             application/vnd.etsi.asic-e+zip
//! container.asice                      the document's container, byte for byte
//! <statements, certificates, lists> …
//! META-INF/ASiCArchiveManifest001.xml  digests of all the above but mimetype
//! META-INF/timestamp001.tst            a token over the exact bytes of that manifest
//! <what came since> …
//! META-INF/ASiCArchiveManifest.xml     the newest: digests of all the above
//! META-INF/timestamp002.tst
//! ```
//!
//! A renewal adds files, a manifest and a token. The manifest that was the newest gets its number,
//! and the new one, which names it so, marks it with `Rootfile`; nothing else is renamed and no
//! content changes. All is digested anew, by an algorithm of the day.
//!
//! There is one form of it, in the sense of the canonical profile ([`super`]): what
//! [`OuterWriter`] writes is all that [`OuterContainer::open`] accepts, its limits included. Files other than those in
//! `META-INF` may be in folders; each manifest lists exactly the entries before it, in their order.
//! It has no `ASiCManifest` and no signature of its own: what is signed is inside.

mod read;
mod section;
#[cfg(test)]
mod tests;
mod write;

use std::io::{Read, Seek, SeekFrom};

use super::error::AsicError;
use super::manifest::Limits;

pub use read::{ArchiveLayer, OuterContainer};
pub use section::Section;
pub use write::{OuterWriter, Unstamped};

/// The entry that is the document's container.
pub const INNER_NAME: &str = "container.asice";

/// The most entries of an outer container.
pub const MAX_ENTRIES: usize = 16_384;

/// The most archive manifests.
pub const MAX_LAYERS: usize = 64;

/// Bytes of all manifests and time-stamps together: each manifest lists all that is before it, so
/// they grow with every renewal.
pub(super) const META_INF_TOTAL_BYTES: u64 = 64 << 20;

/// What an archive manifest may have.
pub(super) const MANIFEST_LIMITS: Limits = Limits {
    bytes: 8 << 20,
    references: MAX_ENTRIES,
};

/// The newest manifest.
const NEWEST_MANIFEST: &str = "META-INF/ASiCArchiveManifest.xml";

/// `META-INF/ASiCArchiveManifest<number>.xml`: one that is no more the newest.
fn manifest_name(number: usize) -> String {
    format!("META-INF/ASiCArchiveManifest{number:03}.xml")
}

/// `META-INF/timestamp<number>.tst`.
fn token_name(number: usize) -> String {
    format!("META-INF/timestamp{number:03}.tst")
}

/// Whether a file begins as an outer container does: the second entry is `container.asice`. The
/// form fixes these bytes, and a document's container has `document.json` there.
///
/// # Errors
///
/// I/O.
pub fn begins_as_outer<R: Read + Seek>(reader: &mut R) -> Result<bool, AsicError> {
    const HEADER: usize = 30;
    let second = HEADER + super::MIMETYPE_NAME.len() + super::MIMETYPE.len();
    let mut begin = Vec::new();
    reader.seek(SeekFrom::Start(0))?;
    reader
        .by_ref()
        .take((second + HEADER + INNER_NAME.len()) as u64)
        .read_to_end(&mut begin)?;
    reader.seek(SeekFrom::Start(0))?;
    let header = begin.get(second..).unwrap_or_default();
    Ok(header.starts_with(b"PK\x03\x04") && header.ends_with(INNER_NAME.as_bytes()))
}
