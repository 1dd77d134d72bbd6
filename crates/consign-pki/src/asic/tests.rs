use std::convert::Infallible;
use std::io::{self, Cursor, Read, Seek, SeekFrom, Write};

use super::*;

const SIGN: fn(&[u8]) -> Result<Vec<u8>, Infallible> = |_| Ok(b"p7s".to_vec());

fn writer() -> ContainerWriter<Cursor<Vec<u8>>> {
    let mut writer = ContainerWriter::new(Cursor::new(Vec::new())).unwrap();
    writer
        .add_file(DOCUMENT_NAME, "application/json", &b"{}"[..])
        .unwrap();
    writer
}

fn container() -> Vec<u8> {
    let mut writer = writer();
    writer
        .add_file("main.pdf", "application/pdf", &b"%PDF"[..])
        .unwrap();
    writer.finish_signed(SIGN).unwrap().into_inner()
}

fn code<T: std::fmt::Debug>(result: Result<T, AsicError>) -> &'static str {
    result.unwrap_err().code()
}

fn seal_code<T: std::fmt::Debug>(result: Result<T, SealError<Infallible>>) -> &'static str {
    match result.unwrap_err() {
        SealError::Container(error) => error.code(),
        SealError::Sign(never) => match never {},
    }
}

#[test]
fn files_come_in_their_order_and_under_good_names() {
    let mut empty = ContainerWriter::new(Cursor::new(Vec::new())).unwrap();
    let json = "application/json";
    assert_eq!(
        code(empty.add_file("main.pdf", json, io::empty())),
        "document-missing"
    );
    let mut writer = writer();
    assert_eq!(
        code(writer.add_file("a/b", json, io::empty())),
        "name-folder"
    );
    assert_eq!(
        code(writer.add_file("Document.JSON", json, io::empty())),
        "case-duplicate"
    );
    assert_eq!(
        code(writer.add_file(DOCUMENT_NAME, json, io::empty())),
        "duplicate-name"
    );
    assert_eq!(
        code(writer.add_file("x", "pdf", io::empty())),
        "bad-media-type"
    );
    // None of these refusals has spoiled the output.
    writer
        .add_file("main.pdf", "application/pdf", io::empty())
        .unwrap();
    let bytes = writer.finish_signed(SIGN).unwrap();
    Container::open_canonical(bytes, &Budget::default()).unwrap();
}

#[test]
fn a_container_without_a_main_file_is_not_signed() {
    assert_eq!(seal_code(writer().finish_signed(SIGN)), "main-file-missing");
    let empty = ContainerWriter::new(Cursor::new(Vec::new())).unwrap();
    assert_eq!(seal_code(empty.finish_signed(SIGN)), "document-missing");
}

#[test]
fn the_output_must_be_empty() {
    let out = ContainerWriter::new(Cursor::new(vec![0]));
    assert_eq!(code(out), "output-not-empty");
}

#[test]
fn a_container_has_room_for_997_files() {
    let mut writer = writer();
    for number in 0..996 {
        writer
            .add_file(&format!("{number}"), "text/plain", io::empty())
            .unwrap();
    }
    let one_more = writer.add_file("one more", "text/plain", io::empty());
    assert_eq!(code(one_more), "too-many-entries");
    let bytes = writer.finish_signed(SIGN).unwrap().into_inner();
    let mut container = Container::open_canonical(Cursor::new(&bytes), &Budget::default()).unwrap();
    assert_eq!(
        container
            .check_digests()
            .unwrap()
            .into_result()
            .unwrap()
            .len(),
        997
    );
    let full = add_signature(
        Cursor::new(&bytes),
        Cursor::new(vec![]),
        &Budget::default(),
        SIGN,
    );
    assert_eq!(seal_code(full), "too-many-entries");
}

#[test]
fn what_the_signer_says_is_passed_on() {
    let mut writer = writer();
    writer
        .add_file("main.pdf", "application/pdf", io::empty())
        .unwrap();
    let failed = writer.finish_signed(|_| Err("no key"));
    assert!(matches!(failed, Err(SealError::Sign("no key"))));
}

#[test]
fn an_empty_or_huge_signature_is_refused() {
    for signature in [vec![], vec![0; (1 << 20) + 1]] {
        let mut writer = writer();
        writer
            .add_file("main.pdf", "application/pdf", io::empty())
            .unwrap();
        let refused = writer.finish_signed(|_| Ok::<_, Infallible>(signature));
        assert_eq!(seal_code(refused), "bad-signature-size");
    }
}

/// Fails after a few bytes, as a broken disk or a dropped connection does.
struct Breaking;

impl Read for Breaking {
    fn read(&mut self, _: &mut [u8]) -> io::Result<usize> {
        Err(io::ErrorKind::ConnectionReset.into())
    }
}

#[test]
fn nothing_is_written_after_a_failed_file() {
    let mut writer = writer();
    let broken = (&b"begun"[..]).chain(Breaking);
    assert_eq!(
        code(writer.add_file("main.pdf", "application/pdf", broken)),
        "io"
    );
    let next = writer.add_file("next.pdf", "application/pdf", io::empty());
    assert_eq!(code(next), "writer-spent");
}

/// Nothing but a position: for containers that are too large to make.
#[derive(Debug, Default)]
struct Nowhere(u64);

impl Write for Nowhere {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0 += bytes.len() as u64;
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl Seek for Nowhere {
    fn seek(&mut self, to: SeekFrom) -> io::Result<u64> {
        if let SeekFrom::Start(position) = to {
            self.0 = position;
        }
        Ok(self.0)
    }
}

#[test]
fn a_file_of_300_mib_goes_through_without_being_held() {
    let mut writer = ContainerWriter::new(Nowhere::default()).unwrap();
    writer
        .add_file(DOCUMENT_NAME, "application/json", &b"{}"[..])
        .unwrap();
    let size = 300 << 20;
    let file = writer
        .add_file("big.pdf", "application/pdf", io::repeat(7).take(size))
        .unwrap();
    assert_eq!(file.size, size);
    writer.finish_signed(SIGN).unwrap();
}

#[test]
fn an_entry_is_read_within_its_limit() {
    let mut container =
        Container::open_canonical(Cursor::new(container()), &Budget::default()).unwrap();
    assert_eq!(container.read("main.pdf", 4).unwrap(), b"%PDF");
    assert_eq!(code(container.read("main.pdf", 3)), "file-too-large");
    assert_eq!(code(container.read("other.pdf", 4)), "no-such-entry");
    let mut full: &mut [u8] = &mut [0; 3];
    assert_eq!(code(container.copy_to("main.pdf", &mut full)), "io");
    let mut copy = Vec::new();
    assert_eq!(container.copy_to("main.pdf", &mut copy).unwrap(), 4);
    assert_eq!(copy, b"%PDF");
}

#[test]
fn the_report_names_the_file_and_the_signatures_that_it_fails() {
    let bytes = container();
    let out = Cursor::new(Vec::new());
    let mut bytes = add_signature(Cursor::new(bytes), out, &Budget::default(), SIGN)
        .unwrap()
        .into_inner();
    // The CRC is mended, so that only the manifests can tell.
    let (old, new) = (crc32fast::hash(b"%PDF"), crc32fast::hash(b"%PDG"));
    replace_all(&mut bytes, b"%PDF", b"%PDG");
    replace_all(&mut bytes, &old.to_le_bytes(), &new.to_le_bytes());
    let mut container = Container::open_canonical(Cursor::new(bytes), &Budget::default()).unwrap();
    let report = container.check_digests().unwrap();
    assert_eq!(report.layers.len(), 2);
    for layer in &report.layers {
        let differing: Vec<_> = layer
            .references
            .iter()
            .filter(|reference| reference.outcome != ReferenceOutcome::Matches)
            .collect();
        assert_eq!(differing.len(), 1);
        assert_eq!(differing[0].name, "main.pdf");
        assert_eq!(differing[0].outcome, ReferenceOutcome::Differs);
    }
    assert_eq!(code(report.into_result()), "digest-mismatch");
}

fn replace_all(bytes: &mut [u8], old: &[u8], new: &[u8]) {
    while let Some(at) = bytes.windows(old.len()).position(|window| window == old) {
        bytes[at..at + old.len()].copy_from_slice(new);
    }
}

#[test]
fn a_second_reader_that_sees_other_entries_is_noticed() {
    let mut reader = Cursor::new(container());
    let mut judge = profile::Judge::Canonical;
    let seen = archive::read_directory(&mut reader, &Budget::default(), &mut judge).unwrap();
    archive::confirm(&mut reader, &seen).unwrap();
    let changes: [fn(&mut archive::StoredEntry); 5] = [
        |entry| entry.name.push('x'),
        |entry| entry.size += 1,
        |entry| entry.packed += 1,
        |entry| entry.crc32 ^= 1,
        |entry| entry.header_start += 1,
    ];
    for change in changes {
        let mut entries = seen.entries.clone();
        change(&mut entries[2]);
        let other = archive::Directory {
            entries,
            offset: seen.offset,
        };
        let refused = archive::confirm(&mut reader, &other);
        assert_eq!(code(refused), "readers-disagree");
    }
    let fewer = archive::Directory {
        entries: seen.entries[1..].to_vec(),
        offset: seen.offset,
    };
    assert_eq!(
        code(archive::confirm(&mut reader, &fewer)),
        "readers-disagree"
    );
}

#[test]
fn file_names() {
    for good in [
        "a",
        "Công văn số 45.pdf",
        "báo cáo (2).xlsx",
        ".hidden",
        "com10",
        "console",
        "a%2f",
    ] {
        assert_eq!(check_file_name(good), Ok(()), "{good:?}");
    }
    let bad = [
        ("", NameRule::Empty),
        ("a/b", NameRule::Folder),
        ("/a", NameRule::Absolute),
        ("a\\b", NameRule::Backslash),
        ("a:b", NameRule::Colon),
        ("a\u{7F}", NameRule::Control),
        ("a\u{85}", NameRule::Control),
        ("a\u{2066}b", NameRule::Control),
        ("\u{FEFF}a", NameRule::Control),
        ("..", NameRule::Relative),
        ("a.", NameRule::TrailingSpaceOrDot),
        ("a ", NameRule::TrailingSpaceOrDot),
        ("AUX", NameRule::Reserved),
        ("com1.txt", NameRule::Reserved),
        ("lpt¹", NameRule::Reserved),
        ("con .txt", NameRule::Reserved),
        ("Meta-Inf", NameRule::Reserved),
        ("mimetype", NameRule::Reserved),
    ];
    for (name, rule) in bad {
        assert_eq!(check_file_name(name), Err(rule), "{name:?}");
    }
    assert_eq!(check_file_name(&"đ".repeat(100)), Ok(()));
    assert_eq!(check_file_name(&"đ".repeat(101)), Err(NameRule::TooLong));
}

#[test]
fn media_types() {
    for good in [
        "application/pdf",
        "image/svg+xml",
        "application/vnd.etsi.asic-e+zip",
    ] {
        assert!(is_media_type(good), "{good:?}");
    }
    for bad in [
        "",
        "pdf",
        "/",
        "a/",
        "/b",
        "a/b/c",
        "text/plain; charset=utf-8",
        "a/b ",
        "a/é",
    ] {
        assert!(!is_media_type(bad), "{bad:?}");
    }
}

#[test]
fn names_as_uris() {
    let name = "Công văn <1>%&'\"+~-_.pdf";
    let uri = name::encode_uri(name);
    assert_eq!(uri, "C%C3%B4ng%20v%C4%83n%20%3C1%3E%25%26%27%22%2B~-_.pdf");
    assert_eq!(name::decode_uri(&uri).as_deref(), Some(name));
    for bad in ["%", "%4", "%4g", "%+1", "%FF", "a?b", "a#b"] {
        assert_eq!(name::decode_uri(bad), None, "{bad:?}");
    }
}
