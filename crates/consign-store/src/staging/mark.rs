//! How far a part is durable. Two places of one sector each take turns, so that a torn
//! write leaves the other; the later of those that are whole counts.

use std::io;

use consign_domain::Timestamp;

use crate::codec::{Malformed, Reader, Writer};
use crate::disk::DiskFile;

/// A place: what a disk writes wholly or not at all.
const PLACE: u64 = 512;
/// The file of a mark, in bytes.
pub(super) const SIZE: u64 = 2 * PLACE;
/// A record: format, turn, length, time, whether it is whole, CRC.
const RECORD: usize = 8 + 8 + 8 + 8 + 1 + 4;
const FORMAT: &[u8; 8] = b"consign1";

/// How far a part is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Reached {
    /// Counts the marks of an upload.
    pub(super) turn: u64,
    /// So many bytes from the beginning are durable.
    pub(super) length: u64,
    /// When the mark was made.
    pub(super) touched: Timestamp,
    /// All bytes are there and have the digest announced.
    pub(super) whole: bool,
}

impl Default for Reached {
    fn default() -> Self {
        Self {
            turn: 0,
            length: 0,
            touched: Timestamp::from_unix_saturating(0),
            whole: false,
        }
    }
}

/// The latest mark; `None` if there is none.
pub(super) fn read(file: &dyn DiskFile) -> io::Result<Option<Reached>> {
    let mut latest: Option<Reached> = None;
    for place in 0..2 {
        let mut bytes = vec![0; RECORD];
        let length = file.read_at(&mut bytes, place * PLACE)?;
        bytes.truncate(length);
        if let Ok(found) = decode(bytes)
            && latest.is_none_or(|latest| found.turn > latest.turn)
        {
            latest = Some(found);
        }
    }
    Ok(latest)
}

/// Writes a mark in its turn and makes it durable.
pub(super) fn write(file: &dyn DiskFile, reached: &Reached) -> io::Result<()> {
    file.write_at(&encode(reached), reached.turn % 2 * PLACE)?;
    file.sync_data()
}

fn encode(reached: &Reached) -> Vec<u8> {
    let mut to = Writer::default();
    to.raw(FORMAT);
    to.u64(reached.turn);
    to.u64(reached.length);
    to.u64(reached.touched.as_unix());
    to.u8(reached.whole.into());
    let bytes = to.into_bytes();
    let mut to = Writer::default();
    to.raw(&bytes);
    to.u32(crc32fast::hash(&bytes));
    to.into_bytes().into()
}

fn decode(bytes: Vec<u8>) -> Result<Reached, Malformed> {
    let summed = bytes.get(..RECORD - 4).ok_or(Malformed)?;
    let sum = crc32fast::hash(summed);
    let mut from = Reader::new(bytes.into());
    if *from.take(FORMAT.len())? != *FORMAT {
        return Err(Malformed);
    }
    let reached = Reached {
        turn: from.u64()?,
        length: from.u64()?,
        touched: Timestamp::from_unix(from.u64()?).map_err(|_| Malformed)?,
        whole: match from.u8()? {
            0 => false,
            1 => true,
            _ => return Err(Malformed),
        },
    };
    if from.u32()? == sum {
        Ok(reached)
    } else {
        Err(Malformed)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::disk::{Disk, SimDisk};

    #[test]
    fn a_mark_outlives_the_tearing_of_the_next_one() {
        let disk = SimDisk::new(1, 1 << 20, "nowhere");
        let file = disk.create("mark").unwrap();
        assert_eq!(read(file.as_ref()).unwrap(), None);
        let reached = |turn| Reached {
            turn,
            length: turn * 1000,
            touched: Timestamp::from_unix_saturating(1_795_000_000 + turn),
            whole: turn == 3,
        };
        for turn in 1..=3 {
            write(file.as_ref(), &reached(turn)).unwrap();
            assert_eq!(read(file.as_ref()).unwrap(), Some(reached(turn)));
        }
        for at in 0..RECORD {
            let flip = |bytes: &mut Vec<u8>| bytes[512 + at] ^= 4;
            disk.tamper("mark", flip);
            assert_eq!(read(file.as_ref()).unwrap(), Some(reached(2)), "byte {at}");
            disk.tamper("mark", flip);
        }
        disk.tamper("mark", |bytes| bytes.truncate(520));
        assert_eq!(read(file.as_ref()).unwrap(), Some(reached(2)));
    }

    #[test]
    fn the_form_of_a_mark_does_not_change() {
        let reached = Reached {
            turn: 2,
            length: 3,
            touched: Timestamp::from_unix_saturating(4),
            whole: true,
        };
        let text = encode(&reached).escape_ascii().to_string();
        insta::assert_snapshot!(text);
        assert_eq!(decode(encode(&reached)).unwrap(), reached);
    }
}
