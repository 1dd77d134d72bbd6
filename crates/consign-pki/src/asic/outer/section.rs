//! A file within a container as a file of its own.

use std::io::{self, Read, Seek, SeekFrom};

/// The bytes of one stored entry, read where they lie.
#[derive(Debug)]
pub struct Section<'a, R> {
    reader: &'a mut R,
    start: u64,
    length: u64,
    /// From `start` on.
    position: u64,
    /// Whether the reader stands there.
    in_place: bool,
}

impl<'a, R> Section<'a, R> {
    pub(super) const fn new(reader: &'a mut R, start: u64, length: u64) -> Self {
        Self {
            reader,
            start,
            length,
            position: 0,
            in_place: false,
        }
    }
}

impl<R: Read + Seek> Read for Section<'_, R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let left = self.length.saturating_sub(self.position);
        let most = usize::try_from(left).unwrap_or(usize::MAX);
        let length = buffer.len().min(most);
        let Some(room) = buffer.get_mut(..length).filter(|room| !room.is_empty()) else {
            return Ok(0);
        };
        if !self.in_place {
            self.reader
                .seek(SeekFrom::Start(self.start + self.position))?;
            self.in_place = true;
        }
        let count = self.reader.read(room)?;
        self.position += count as u64;
        Ok(count)
    }
}

impl<R: Read + Seek> Seek for Section<'_, R> {
    fn seek(&mut self, to: SeekFrom) -> io::Result<u64> {
        let target = match to {
            SeekFrom::Start(offset) => Some(offset),
            SeekFrom::End(offset) => self.length.checked_add_signed(offset),
            SeekFrom::Current(offset) => self.position.checked_add_signed(offset),
        };
        let target = target.ok_or(io::ErrorKind::InvalidInput)?;
        self.in_place &= target == self.position;
        self.position = target;
        Ok(target)
    }
}
