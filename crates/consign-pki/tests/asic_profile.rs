//! Properties of the canonical profile: what is written is read back, and nothing else is read.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test fails by panicking"
)]

use std::collections::HashSet;
use std::convert::Infallible;
use std::io::{Cursor, Read, Seek, SeekFrom};
use std::process::Command;

use consign_pki::asic::{
    AsicError, Budget, Container, ContainerWriter, FileDigest, MIMETYPE, add_signature,
    check_file_name,
};
use proptest::prelude::*;

/// Name, media type, content.
type File = (String, String, Vec<u8>);

/// What stands for a signature over a manifest: it differs with the manifest.
fn signature(manifest: &[u8]) -> Result<Vec<u8>, Infallible> {
    Ok(format!("signature over {} bytes", manifest.len()).into_bytes())
}

fn write(files: &[File], signers: usize) -> (Vec<u8>, Vec<FileDigest>) {
    let mut writer = ContainerWriter::new(Cursor::new(Vec::new())).unwrap();
    let digests = files
        .iter()
        .map(|(name, media_type, content)| {
            writer
                .add_file(name, media_type, content.as_slice())
                .unwrap()
        })
        .collect();
    let mut bytes = writer.finish_signed(signature).unwrap().into_inner();
    for _ in 1..signers {
        let out = Cursor::new(Vec::new());
        let budget = Budget::default();
        bytes = add_signature(Cursor::new(&bytes), out, &budget, signature)
            .unwrap()
            .into_inner();
    }
    (bytes, digests)
}

fn small() -> Vec<File> {
    let file = |name: &str, media_type: &str, content: &[u8]| {
        (name.to_owned(), media_type.to_owned(), content.to_vec())
    };
    vec![
        file("document.json", "application/json", b"{}"),
        file("Công văn.pdf", "application/pdf", b"%PDF"),
    ]
}

/// All that a container says, if it is accepted.
type Content = (Vec<(String, Vec<u8>)>, Vec<(Vec<u8>, Vec<u8>)>);

fn content<R: Read + Seek>(mut container: Container<R>) -> Result<Content, AsicError> {
    container.check_digests()?.into_result()?;
    let layers = container
        .signatures()
        .iter()
        .map(|layer| (layer.manifest_bytes.clone(), layer.signature_bytes.clone()))
        .collect();
    let names: Vec<String> = container
        .entries()
        .iter()
        .filter(|entry| entry.is_document_file)
        .map(|entry| entry.name.clone())
        .collect();
    let files = names
        .into_iter()
        .map(|name| {
            container
                .read(&name, 1 << 20)
                .map(|content| (name, content))
        })
        .collect::<Result<_, _>>()?;
    Ok((files, layers))
}

fn read_canonical(bytes: &[u8]) -> Result<Content, AsicError> {
    content(Container::open_canonical(
        Cursor::new(bytes),
        &Budget::default(),
    )?)
}

fn read_lenient(bytes: &[u8]) -> Result<Content, AsicError> {
    content(Container::open_lenient(Cursor::new(bytes), &Budget::default())?.0)
}

fn names() -> impl Strategy<Value = String> {
    "[a-zA-Z0-9à-ỹ _()'&<>\"%+#?=~-]{0,40}\\.(pdf|docx|xml)"
        .prop_filter("allowed", |name| check_file_name(name).is_ok())
}

fn files() -> impl Strategy<Value = Vec<File>> {
    let media_type = "[a-z]{1,9}/[a-z0-9][a-z0-9.+-]{0,20}".prop_map(String::from);
    let content = prop::collection::vec(any::<u8>(), 0..2000);
    prop::collection::vec((names(), media_type, content), 2..6).prop_map(|mut files| {
        files[0].0 = "document.json".to_owned();
        let mut seen = HashSet::new();
        files.retain(|file| seen.insert(file.0.to_uppercase().to_lowercase()));
        files
    })
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 64, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn what_is_written_is_read_back(files in files(), signers in 1_usize..4) {
        prop_assume!(files.len() >= 2);
        let (bytes, digests) = write(&files, signers);
        let budget = Budget::default();
        let mut container = Container::open_canonical(Cursor::new(&bytes), &budget).unwrap();
        let hashes = container.check_digests().unwrap().into_result().unwrap();
        prop_assert_eq!(container.signatures().len(), signers);
        for ((written, hash), file) in digests.iter().zip(&hashes).zip(&files) {
            prop_assert_eq!(written.sha256, hash.sha256);
            prop_assert_eq!(&hash.name, &file.0);
            let entry = container.entries().iter().find(|entry| entry.name == file.0).unwrap();
            prop_assert_eq!(entry.media_type.as_ref(), Some(&file.1));
            prop_assert_eq!(entry.is_main_file, file.0 == files[1].0);
            let mut copy = Vec::new();
            container.copy_to(&file.0, &mut copy).unwrap();
            prop_assert_eq!(&copy, &file.2);
        }
        for layer in container.signatures() {
            let Ok(expected) = signature(&layer.manifest_bytes);
            prop_assert_eq!(&layer.signature_bytes, &expected);
        }
        let (_, deviations) = Container::open_lenient(Cursor::new(&bytes), &budget).unwrap();
        prop_assert_eq!(deviations, vec![]);
        prop_assert_eq!(write(&files, signers).0, bytes);
    }

    #[test]
    fn no_bytes_make_a_reader_panic(
        mut bytes in Just(write(&small(), 2).0),
        changes in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..20),
    ) {
        for (place, value) in changes {
            let place = place.index(bytes.len());
            bytes[place] = value;
        }
        let _ = read_canonical(&bytes);
        let _ = read_lenient(&bytes);
    }
}

/// Which part of a canonical container lies at an offset: for the message of a failing test.
fn part(bytes: &[u8], offset: usize) -> &'static str {
    let before = &bytes[..=offset];
    let signatures: [(&[u8], &str); 3] = [
        (b"PK\x03\x04", "local header or data"),
        (b"PK\x01\x02", "central directory"),
        (b"PK\x05\x06", "end record"),
    ];
    signatures
        .iter()
        .filter_map(|(magic, part)| {
            before
                .windows(4)
                .rposition(|window| window == *magic)
                .map(|at| (at, *part))
        })
        .max()
        .map_or("first signature", |(_, part)| part)
}

#[test]
fn any_changed_byte_is_noticed() {
    let (bytes, _) = write(&small(), 2);
    let original = read_canonical(&bytes).unwrap();
    for offset in 0..bytes.len() {
        for change in [0x01, 0x20, 0x80, 0xFF] {
            let mut changed = bytes.clone();
            changed[offset] ^= change;
            let place = part(&bytes, offset);
            assert!(
                read_canonical(&changed).is_err(),
                "canonical reading did not notice byte {offset} ({place}) ^ {change:#x}",
            );
            // The lenient reading forgives dates and the like, but never other content.
            if let Ok(content) = read_lenient(&changed) {
                assert_eq!(content, original, "byte {offset} ({place}) ^ {change:#x}");
            }
        }
    }
}

#[test]
fn any_lost_or_added_byte_is_noticed() {
    let (bytes, _) = write(&small(), 1);
    for offset in 0..bytes.len() {
        assert!(read_canonical(&bytes[..offset]).is_err(), "cut at {offset}");
        assert!(read_lenient(&bytes[..offset]).is_err(), "cut at {offset}");
        let mut lost = bytes.clone();
        lost.remove(offset);
        assert!(read_canonical(&lost).is_err(), "without byte {offset}");
        let mut added = bytes.clone();
        added.insert(offset, bytes[offset]);
        assert!(read_canonical(&added).is_err(), "byte {offset} twice");
    }
}

#[test]
fn a_further_signature_keeps_every_byte_before_it() {
    let (first, _) = write(&small(), 1);
    let (second, _) = write(&small(), 2);
    let directory = first
        .windows(4)
        .position(|window| window == b"PK\x01\x02")
        .unwrap();
    assert_eq!(first[..directory], second[..directory]);
}

#[test]
fn nobody_signs_below_a_broken_layer() {
    let (mut bytes, _) = write(&small(), 1);
    let main = bytes
        .windows(4)
        .position(|window| window == b"%PDF")
        .unwrap();
    bytes[main] ^= 1;
    let out = Cursor::new(Vec::new());
    let refused = add_signature(Cursor::new(&bytes), out, &Budget::default(), |_| {
        panic!("asked to sign") as Result<_, Infallible>
    });
    assert!(refused.is_err());
}

/// Counts what is read through it.
struct Counting<R>(R, u64);

impl<R: Read> Read for Counting<R> {
    fn read(&mut self, buffer: &mut [u8]) -> std::io::Result<usize> {
        let count = self.0.read(buffer)?;
        self.1 += count as u64;
        Ok(count)
    }
}

impl<R: Seek> Seek for Counting<R> {
    fn seek(&mut self, to: SeekFrom) -> std::io::Result<u64> {
        self.0.seek(to)
    }
}

#[test]
fn digests_are_checked_in_one_pass_for_all_signatures() {
    let mut files = small();
    files[1].2 = vec![7; 8 << 20];
    let (bytes, _) = write(&files, 3);
    let reader = Counting(Cursor::new(&bytes), 0);
    let mut container = Container::open_canonical(reader, &Budget::default()).unwrap();
    container.check_digests().unwrap().into_result().unwrap();
    let read = container.into_inner().1;
    // The tail is looked at for an end record, the manifests once more.
    assert!(
        read < bytes.len() as u64 + (128 << 10),
        "{read} bytes of {}",
        bytes.len()
    );
}

/// Runs a Python script, loudly if there is no Python.
fn python(script: &str, arguments: &[&std::ffi::OsStr]) -> String {
    let output = Command::new("python3")
        .args(["-X", "utf8", "-c", script])
        .args(arguments)
        .output()
        .expect("python3 is needed to check containers with a second implementation");
    assert!(
        output.status.success(),
        "{}",
        String::from_utf8_lossy(&output.stderr)
    );
    String::from_utf8(output.stdout).unwrap()
}

#[test]
fn python_reads_what_we_write_and_finds_the_digests_right() {
    let script = r##"
import base64, hashlib, sys, urllib.parse, zipfile
import xml.etree.ElementTree as xml
archive = zipfile.ZipFile(sys.argv[1])
assert archive.testzip() is None
names = archive.namelist()
assert names[0] == "mimetype" and archive.read("mimetype").decode() == sys.argv[2]
asic, ds = "{http://uri.etsi.org/02918/v1.2.1#}", "{http://www.w3.org/2000/09/xmldsig#}"
for number in (1, 2):
    name = f"META-INF/ASiCManifest{number:03}.xml"
    root = xml.fromstring(archive.read(name))
    assert root.find(asic + "SigReference").get("URI") == f"META-INF/signature{number:03}.p7s"
    covered = []
    for reference in root.iter(asic + "DataObjectReference"):
        covered.append(urllib.parse.unquote(reference.get("URI"), errors="strict"))
        digest = base64.b64decode(reference.find(ds + "DigestValue").text)
        assert digest == hashlib.sha256(archive.read(covered[-1])).digest()
    assert covered == names[1:names.index(name)], covered
print("\n".join(names))
"##;
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("document.asice");
    std::fs::write(&path, write(&small(), 2).0).unwrap();
    let names = python(script, &[path.as_os_str(), MIMETYPE.as_ref()]);
    assert!(names.contains("Công văn.pdf"));
}

#[test]
fn a_container_repacked_by_python_is_read_leniently() {
    let script = r##"
import sys, zipfile
source, target = zipfile.ZipFile(sys.argv[1]), zipfile.ZipFile(sys.argv[2], "w")
for name in source.namelist():
    method = zipfile.ZIP_STORED if name == "mimetype" else zipfile.ZIP_DEFLATED
    target.writestr(name, source.read(name), method)
target.comment = b"repacked"
target.close()
"##;
    let directory = tempfile::tempdir().unwrap();
    let (ours, theirs) = (
        directory.path().join("ours"),
        directory.path().join("theirs"),
    );
    let (bytes, _) = write(&small(), 2);
    std::fs::write(&ours, &bytes).unwrap();
    python(script, &[ours.as_os_str(), theirs.as_os_str()]);
    let repacked = std::fs::read(&theirs).unwrap();
    assert!(read_canonical(&repacked).is_err());
    assert_eq!(
        read_lenient(&repacked).unwrap(),
        read_canonical(&bytes).unwrap()
    );
    let budget = Budget::default();
    let (_, deviations) = Container::open_lenient(Cursor::new(&repacked), &budget).unwrap();
    let codes: HashSet<_> = deviations
        .iter()
        .map(|deviation| deviation.code())
        .collect();
    assert_eq!(
        codes,
        HashSet::from(["archive-comment", "deflated", "fixed-field"])
    );
}
