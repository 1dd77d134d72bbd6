//! ASiC-E containers with `CAdES` signatures: the files of one document and who signed them.
//!
//! A container is a zip (ETSI EN 319 162-1, clause 4.4) in this order:
//!
//! ```text
//! mimetype                        application/vnd.etsi.asic-e+zip
//! document.json                   the document's fields, opaque here
//! <main file>                     Rootfile of the manifest
//! <attachments> …
//! META-INF/ASiCManifest001.xml    SHA-256 of every file outside META-INF but mimetype
//! META-INF/signature001.p7s       detached CMS over the exact bytes of that manifest
//! META-INF/ASiCManifest002.xml    a further signer: also covers the two above
//! META-INF/signature002.p7s
//! ```
//!
//! # The canonical profile
//!
//! What [`ContainerWriter`] writes, and all that [`Container::open_canonical`] accepts:
//!
//! - Every entry is *stored*. The bytes of a file appear verbatim; nothing can be a zip bomb.
//! - Version 2.0, made on Unix, mode 0644, flags `0x0800` (UTF-8), 1980-01-01 00:00, in each entry.
//! - No extra field, comment, data descriptor, second disk or zip64; under 4 GiB and at most
//!   [`MAX_ENTRIES`] entries.
//! - Entries lie one after the other from offset 0, the central directory follows, then the end
//!   record, then nothing. Local and central headers agree in every field they share.
//! - Files are in the root; `META-INF` holds only manifests and signatures, in the order above.
//! - A manifest is exactly the text that [`Manifest::render`] makes of its meaning, and lists
//!   exactly the entries before it, in their order.
//!
//! So a container has one reading, whichever zip or XML reader looks at it, and two containers
//! with the same content are the same bytes. Contents are used only after this check.
//!
//! Containers from elsewhere are read by [`Container::open_lenient`], which lists each
//! [`Deviation`] from the profile. What could show two readers two documents is refused there too:
//! headers that disagree, duplicates, gaps, overlaps, bytes before or after, zip64.
//!
//! Nothing here judges a signature: the bytes of manifest and `.p7s` are handed out together as a
//! [`SignatureLayer`], and [`Container::check_digests`] ties the files to the manifests.

mod archive;
mod budget;
mod check;
mod container;
mod countersign;
mod digest;
mod error;
mod layers;
mod manifest;
mod name;
pub mod outer;
mod profile;
mod writer;

#[cfg(test)]
mod tests;

pub use budget::Budget;
pub use check::{DigestReport, FileHash, LayerDigests, ReferenceOutcome, ReferenceResult};
pub use container::{Container, Entry};
pub use countersign::add_signature;
pub use digest::DigestAlgorithm;
pub use error::{AsicError, SealError};
pub use layers::SignatureLayer;
pub use manifest::{Manifest, ManifestError, Reference};
pub use name::{MAX_NAME_BYTES, NameRule, check_file_name, is_media_type};
pub use profile::{Deviation, HeaderField};
pub use writer::{ContainerWriter, FileDigest};

/// The content of the entry `mimetype`, and the media type of a whole container.
pub const MIMETYPE: &str = "application/vnd.etsi.asic-e+zip";

/// The name of the entry that holds the document's fields.
pub const DOCUMENT_NAME: &str = "document.json";

/// The most entries that a canonical container has, `mimetype` and `META-INF` included.
pub const MAX_ENTRIES: usize = 1_000;

const MIMETYPE_NAME: &str = "mimetype";
const MANIFEST_MEDIA_TYPE: &str = "application/xml";
const SIGNATURE_MEDIA_TYPE: &str = "application/pkcs7-signature";
const TOKEN_MEDIA_TYPE: &str = "application/vnd.etsi.timestamp-token";
