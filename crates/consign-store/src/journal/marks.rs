//! Three small files beside the journal.
//!
//! `clean` is there while nobody has opened the store since it was closed in order: it
//! names where the journal ends, that the index is on the disk, and the digest of its files.
//! `index` names the generation of the index that is in use.
//! `boot` names the boot of the machine in which the index was last made or believed:
//! while that boot lasts, the page cache vouches for what sled has written.

use std::io;
use std::sync::Arc;

use bytes::Bytes;
use consign_domain::Digest;

use crate::codec::{Malformed, Reader, Writer};
use crate::disk::{Disk, read_exact};
use crate::types::Position;

const CLEAN: &str = "clean";
const BOOT: &str = "boot";
const INDEX: &str = "index.generation";
const MAX_MARK: u64 = 4096;

/// The marks of a directory.
#[derive(Debug, Clone)]
pub(crate) struct Marks(Arc<dyn Disk>);

impl Marks {
    pub(crate) const fn new(disk: Arc<dyn Disk>) -> Self {
        Self(disk)
    }

    /// Where the journal ended when the store was closed in order, and the digest of the
    /// index's files.
    pub(crate) fn clean(&self) -> io::Result<Option<(Position, Digest)>> {
        let position = |bytes: Bytes| -> Result<(Position, Digest), Malformed> {
            let mut from = Reader::new(bytes);
            let position = Position {
                batch: from.u64()?,
                segment: from.u64()?,
                offset: from.u64()?,
            };
            let print = from.digest()?;
            from.end()?;
            Ok((position, print))
        };
        Ok(self.read(CLEAN)?.and_then(|bytes| position(bytes).ok()))
    }

    /// Marks that the store is closed in order.
    pub(crate) fn set_clean(&self, position: Position, index: Digest) -> io::Result<()> {
        let mut to = Writer::default();
        to.u64(position.batch);
        to.u64(position.segment);
        to.u64(position.offset);
        to.digest(index);
        self.write(CLEAN, &to.into_bytes())
    }

    /// Takes the mark away, durably.
    pub(crate) fn clear_clean(&self) -> io::Result<()> {
        self.clear(CLEAN)
    }

    /// The generation of the index that is in use; 0 if none is.
    pub(crate) fn index(&self) -> io::Result<u64> {
        let body = self.read(INDEX)?;
        Ok(body.map_or(0, |body| Reader::new(body).u64().unwrap_or(0)))
    }

    /// Another generation of the index is in use.
    pub(crate) fn set_index(&self, generation: u64) -> io::Result<()> {
        self.write(INDEX, &generation.to_le_bytes())
    }

    /// Whether the index belongs to this boot of the machine.
    pub(crate) fn is_this_boot(&self) -> io::Result<bool> {
        let (marked, running) = (self.read(BOOT)?, self.0.boot_id());
        Ok(marked
            .zip(running)
            .is_some_and(|(marked, running)| marked == running.as_bytes()))
    }

    /// Marks that the index belongs to this boot of the machine.
    pub(crate) fn set_boot(&self) -> io::Result<()> {
        match self.0.boot_id() {
            Some(id) => self.write(BOOT, id.as_bytes()),
            None => self.clear_boot(),
        }
    }

    /// Marks that the index is not to be believed.
    pub(crate) fn clear_boot(&self) -> io::Result<()> {
        self.clear(BOOT)
    }

    fn clear(&self, name: &str) -> io::Result<()> {
        match self.0.remove(name) {
            Err(fault) if fault.kind() != io::ErrorKind::NotFound => Err(fault),
            _ => self.0.sync_dir(""),
        }
    }

    fn write(&self, name: &str, body: &[u8]) -> io::Result<()> {
        let mut bytes = crc32fast::hash(body).to_le_bytes().to_vec();
        bytes.extend_from_slice(body);
        let fresh = format!("{name}.new");
        let file = self.0.create(&fresh)?;
        file.write_at(&bytes, 0)?;
        file.sync_data()?;
        self.0.rename(&fresh, name)?;
        self.0.sync_dir("")
    }

    /// A mark's body; one that is torn is none.
    fn read(&self, name: &str) -> io::Result<Option<Bytes>> {
        let file = match self.0.open(name) {
            Err(fault) if fault.kind() == io::ErrorKind::NotFound => return Ok(None),
            opened => opened?,
        };
        let size = file.size()?.min(MAX_MARK);
        let bytes = read_exact(file.as_ref(), 0, usize::try_from(size).unwrap_or(0))?;
        let mut from = Reader::new(bytes.unwrap_or_default().into());
        let crc = from.u32().ok();
        let body = from.take(usize::try_from(size.saturating_sub(4)).unwrap_or(0));
        Ok(body.ok().filter(|body| Some(crc32fast::hash(body)) == crc))
    }
}
