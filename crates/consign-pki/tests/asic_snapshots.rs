//! The stored form, byte for byte. A difference here means that containers written before are no
//! longer canonical: that needs a new profile beside the old one, not a new snapshot.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test fails by panicking"
)]

use std::convert::Infallible;
use std::fmt::Write as _;
use std::io::Cursor;

use consign_pki::asic::{Budget, Container, ContainerWriter, add_signature};

fn tiny() -> Vec<u8> {
    let mut writer = ContainerWriter::new(Cursor::new(Vec::new())).unwrap();
    writer
        .add_file("document.json", "application/json", &b"{}"[..])
        .unwrap();
    writer
        .add_file("Công văn <1>.pdf", "application/pdf", &b"%PDF"[..])
        .unwrap();
    let sign = |_: &[u8]| Ok::<_, Infallible>(b"p7s".to_vec());
    writer.finish_signed(sign).unwrap().into_inner()
}

/// The bytes, sixteen to a line, with a title for each record.
fn annotate(bytes: &[u8]) -> String {
    let u16_at = |at: usize| usize::from(u16::from_le_bytes([bytes[at], bytes[at + 1]]));
    let size_at = |at: usize| u16_at(at) | (u16_at(at + 2) << 16);
    let mut text = String::new();
    let mut at = 0;
    while at < bytes.len() {
        let (title, fixed, lengths) = match &bytes[at..at + 4] {
            b"PK\x03\x04" => ("local header", 30, [u16_at(at + 26), size_at(at + 18)]),
            b"PK\x01\x02" => ("central header", 46, [u16_at(at + 28), 0]),
            b"PK\x05\x06" => ("end record", 22, [0, 0]),
            other => panic!("no record at {at}: {other:?}"),
        };
        for (title, length) in [(title, fixed), ("name", lengths[0]), ("data", lengths[1])] {
            if length > 0 {
                section(&mut text, title, at, &bytes[at..at + length]);
            }
            at += length;
        }
    }
    text
}

fn section(text: &mut String, title: &str, at: usize, bytes: &[u8]) {
    writeln!(text, "{at:#06x} {title}").unwrap();
    for line in bytes.chunks(16) {
        let hex: Vec<String> = line.iter().map(|byte| format!("{byte:02x}")).collect();
        let ascii: String = line
            .iter()
            .map(|byte| {
                if byte.is_ascii_graphic() {
                    char::from(*byte)
                } else {
                    '.'
                }
            })
            .collect();
        writeln!(text, "    {:<47}  {ascii}", hex.join(" ")).unwrap();
    }
}

#[test]
fn the_bytes_of_a_tiny_container() {
    insta::assert_snapshot!("tiny_container", annotate(&tiny()));
}

#[test]
fn the_manifests_of_two_signers() {
    let sign = |_: &[u8]| Ok::<_, Infallible>(b"another p7s".to_vec());
    let out = Cursor::new(Vec::new());
    let budget = Budget::default();
    let bytes = add_signature(Cursor::new(tiny()), out, &budget, sign).unwrap();
    let container = Container::open_canonical(bytes, &budget).unwrap();
    let manifests: Vec<_> = container
        .signatures()
        .iter()
        .map(|layer| std::str::from_utf8(&layer.manifest_bytes).unwrap())
        .collect();
    insta::assert_snapshot!("first_manifest", manifests[0]);
    insta::assert_snapshot!("second_manifest", manifests[1]);
}
