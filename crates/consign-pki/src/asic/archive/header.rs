//! The fixed parts of zip records, decoded and encoded.

/// The largest canonical container: 2^32 − 1 in an offset field would mean zip64.
pub(crate) const MAX_CONTAINER_BYTES: u64 = 0xFFFF_FFFE;

pub(super) const LOCAL_BYTES: usize = 30;
pub(super) const CENTRAL_BYTES: usize = 46;
pub(super) const END_BYTES: usize = 22;

pub(super) const LOCAL_SIGNATURE: u32 = 0x0403_4B50;
pub(super) const CENTRAL_SIGNATURE: u32 = 0x0201_4B50;
pub(super) const END_SIGNATURE: u32 = 0x0605_4B50;
pub(super) const ZIP64_LOCATOR_SIGNATURE: u32 = 0x0706_4B50;
pub(super) const DESCRIPTOR_SIGNATURE: u32 = 0x0807_4B50;

/// Version 2.0.
pub(super) const VERSION: u16 = 20;
/// Version 2.0 on Unix: names "made on FAT" are garbled by Info-ZIP's `unzip`, whatever flag 11 says.
pub(super) const MADE_BY: u16 = 3 << 8 | VERSION;
/// A plain file with mode 0644.
pub(super) const EXTERNAL: u32 = 0o100_644 << 16;
pub(super) const FLAG_UTF8: u16 = 0x0800;
pub(super) const FLAG_DESCRIPTOR: u16 = 0x0008;
pub(super) const METHOD_STORED: u16 = 0;
pub(super) const METHOD_DEFLATED: u16 = 8;
/// 00:00:00 and 1980-01-01.
pub(super) const TIME: u16 = 0;
pub(super) const DATE: u16 = (1 << 5) | 1;

/// The fields that local and central header share.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Shared {
    pub(super) needed: u16,
    pub(super) flags: u16,
    pub(super) method: u16,
    pub(super) time: u16,
    pub(super) date: u16,
    pub(super) crc32: u32,
    pub(super) packed: u32,
    pub(super) size: u32,
    pub(super) name_length: u16,
    pub(super) extra_length: u16,
}

impl Shared {
    /// The canonical fields of a stored entry.
    pub(super) fn canonical(crc32: u32, size: u32, name_length: u16) -> Self {
        Self {
            needed: VERSION,
            flags: FLAG_UTF8,
            method: METHOD_STORED,
            time: TIME,
            date: DATE,
            crc32,
            packed: size,
            size,
            name_length,
            extra_length: 0,
        }
    }

    fn decode(fields: &mut Fields<'_>) -> Option<Self> {
        Some(Self {
            needed: fields.u16()?,
            flags: fields.u16()?,
            method: fields.u16()?,
            time: fields.u16()?,
            date: fields.u16()?,
            crc32: fields.u32()?,
            packed: fields.u32()?,
            size: fields.u32()?,
            name_length: fields.u16()?,
            extra_length: fields.u16()?,
        })
    }

    fn encode(&self, out: &mut Vec<u8>) {
        for field in [self.needed, self.flags, self.method, self.time, self.date] {
            out.extend(field.to_le_bytes());
        }
        for field in [self.crc32, self.packed, self.size] {
            out.extend(field.to_le_bytes());
        }
        for field in [self.name_length, self.extra_length] {
            out.extend(field.to_le_bytes());
        }
    }
}

/// A central header with what follows it.
#[derive(Debug)]
pub(super) struct Central<'a> {
    pub(super) made_by: u16,
    pub(super) shared: Shared,
    pub(super) comment_length: u16,
    pub(super) disk: u16,
    pub(super) internal: u16,
    pub(super) external: u32,
    pub(super) offset: u32,
    pub(super) name: &'a [u8],
    pub(super) extra: &'a [u8],
}

impl<'a> Central<'a> {
    pub(super) fn decode(fields: &mut Fields<'a>) -> Option<Self> {
        if fields.u32()? != CENTRAL_SIGNATURE {
            return None;
        }
        let made_by = fields.u16()?;
        let shared = Shared::decode(fields)?;
        let (comment_length, disk, internal) = (fields.u16()?, fields.u16()?, fields.u16()?);
        let (external, offset) = (fields.u32()?, fields.u32()?);
        let name = fields.take(usize::from(shared.name_length))?;
        let extra = fields.take(usize::from(shared.extra_length))?;
        fields.take(usize::from(comment_length))?;
        Some(Self {
            made_by,
            shared,
            comment_length,
            disk,
            internal,
            external,
            offset,
            name,
            extra,
        })
    }
}

/// The canonical central header of a stored entry.
pub(super) fn encode_central(shared: &Shared, offset: u32, name: &str, out: &mut Vec<u8>) {
    out.extend(CENTRAL_SIGNATURE.to_le_bytes());
    out.extend(MADE_BY.to_le_bytes());
    shared.encode(out);
    // Comment length, disk, internal attributes.
    out.extend([0; 6]);
    out.extend(EXTERNAL.to_le_bytes());
    out.extend(offset.to_le_bytes());
    out.extend(name.as_bytes());
}

/// The fixed part of a local header; `None` without its signature.
pub(super) fn decode_local(bytes: &[u8]) -> Option<Shared> {
    let mut fields = Fields(bytes);
    (fields.u32()? == LOCAL_SIGNATURE)
        .then(|| Shared::decode(&mut fields))
        .flatten()
}

/// A local header with its name.
pub(super) fn encode_local(shared: &Shared, name: &str) -> Vec<u8> {
    let mut out = Vec::with_capacity(LOCAL_BYTES + name.len());
    out.extend(LOCAL_SIGNATURE.to_le_bytes());
    shared.encode(&mut out);
    out.extend(name.as_bytes());
    out
}

/// The end of central directory record.
#[derive(Debug)]
pub(super) struct End {
    pub(super) disks: [u16; 2],
    pub(super) entries_on_disk: u16,
    pub(super) entries: u16,
    pub(super) directory_size: u32,
    pub(super) directory_offset: u32,
    pub(super) comment_length: u16,
}

impl End {
    pub(super) fn decode(bytes: &[u8]) -> Option<Self> {
        let mut fields = Fields(bytes);
        if fields.u32()? != END_SIGNATURE {
            return None;
        }
        Some(Self {
            disks: [fields.u16()?, fields.u16()?],
            entries_on_disk: fields.u16()?,
            entries: fields.u16()?,
            directory_size: fields.u32()?,
            directory_offset: fields.u32()?,
            comment_length: fields.u16()?,
        })
    }
}

/// The canonical end record.
pub(super) fn encode_end(entries: u16, size: u32, offset: u32, out: &mut Vec<u8>) {
    out.extend(END_SIGNATURE.to_le_bytes());
    out.extend([0; 4]);
    out.extend(entries.to_le_bytes());
    out.extend(entries.to_le_bytes());
    out.extend(size.to_le_bytes());
    out.extend(offset.to_le_bytes());
    out.extend([0; 2]);
}

/// Little-endian fields, taken from the front.
#[derive(Debug)]
pub(super) struct Fields<'a>(pub(super) &'a [u8]);

impl<'a> Fields<'a> {
    pub(super) fn take(&mut self, length: usize) -> Option<&'a [u8]> {
        let (taken, rest) = self.0.split_at_checked(length)?;
        self.0 = rest;
        Some(taken)
    }

    pub(super) fn u16(&mut self) -> Option<u16> {
        let (bytes, rest) = self.0.split_first_chunk()?;
        self.0 = rest;
        Some(u16::from_le_bytes(*bytes))
    }

    pub(super) fn u32(&mut self) -> Option<u32> {
        let (bytes, rest) = self.0.split_first_chunk()?;
        self.0 = rest;
        Some(u32::from_le_bytes(*bytes))
    }
}
