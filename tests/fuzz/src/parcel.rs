//! A zip written from a list of entries, so that what is changed in one of them still has a
//! right checksum, and reaches the readers behind it.
//!
//! The list: for each entry a byte of method (1: deflated, else stored), the length of its
//! name in one byte, that of its content in two, little-endian, then both.

use std::borrow::Cow;
use std::io::Write as _;

/// Zip flags: names are UTF-8.
const FLAGS: u16 = 0x0800;
const VERSION: u16 = 20;
/// 1980-01-01.
const DATE: u16 = 0x0021;
const UNIX: u16 = 3 << 8;
/// A plain file with mode 0644.
const ATTRIBUTES: u32 = 0o100_644 << 16;

/// The list of some entries.
pub(crate) fn list(entries: &[(String, Vec<u8>)]) -> Vec<u8> {
    let mut list = Vec::new();
    for (name, content) in entries {
        list.push(0);
        list.push(u8::try_from(name.len()).expect("a short name"));
        let length = u16::try_from(content.len()).expect("a small file");
        list.extend(length.to_le_bytes());
        list.extend(name.bytes());
        list.extend(content);
    }
    list
}

/// What is a zip, or nothing, as it is; anything else as the list of one.
pub(crate) fn zip(bytes: &[u8]) -> Cow<'_, [u8]> {
    if bytes.starts_with(b"PK") || bytes.is_empty() {
        Cow::Borrowed(bytes)
    } else {
        Cow::Owned(pack(bytes))
    }
}

/// The zip of a list, which may be cut anywhere.
pub(crate) fn pack(mut list: &[u8]) -> Vec<u8> {
    let (mut out, mut directory, mut count) = (Vec::new(), Vec::new(), 0_u16);
    while let [method, name, low, high, rest @ ..] = list {
        let length = usize::from(u16::from_le_bytes([*low, *high]));
        let (name, rest) = rest.split_at(usize::from(*name).min(rest.len()));
        let (content, rest) = rest.split_at(length.min(rest.len()));
        list = rest;
        let offset = word(out.len());
        let (method, packed) = match method {
            1 => (8, deflated(content)),
            _ => (0, content.to_vec()),
        };
        let header = header(method, name, content, &packed);
        out.extend(0x0403_4b50_u32.to_le_bytes());
        out.extend(&header);
        out.extend(name);
        out.extend(packed);
        directory.extend(0x0201_4b50_u32.to_le_bytes());
        directory.extend((UNIX | VERSION).to_le_bytes());
        directory.extend(header);
        directory.extend([0; 6]);
        directory.extend(ATTRIBUTES.to_le_bytes());
        directory.extend(offset.to_le_bytes());
        directory.extend(name);
        count = count.saturating_add(1);
    }
    let (offset, size) = (word(out.len()), word(directory.len()));
    out.extend(directory);
    out.extend(0x0605_4b50_u32.to_le_bytes());
    out.extend([0; 4]);
    out.extend([count.to_le_bytes(), count.to_le_bytes()].concat());
    out.extend([size.to_le_bytes(), offset.to_le_bytes()].concat());
    out.extend([0; 2]);
    out
}

/// The fields that local and central headers share.
fn header(method: u16, name: &[u8], content: &[u8], packed: &[u8]) -> Vec<u8> {
    let mut header = Vec::new();
    for field in [VERSION, FLAGS, method, 0, DATE] {
        header.extend(field.to_le_bytes());
    }
    let sum = crc32fast::hash(content);
    for field in [sum, word(packed.len()), word(content.len())] {
        header.extend(field.to_le_bytes());
    }
    let length = u16::try_from(name.len()).unwrap_or(u16::MAX);
    header.extend([length.to_le_bytes(), [0; 2]].concat());
    header
}

fn deflated(content: &[u8]) -> Vec<u8> {
    let level = flate2::Compression::default();
    let mut encoder = flate2::write::DeflateEncoder::new(Vec::new(), level);
    encoder.write_all(content).expect("into memory");
    encoder.finish().expect("into memory")
}

fn word(length: usize) -> u32 {
    u32::try_from(length).unwrap_or(u32::MAX)
}
