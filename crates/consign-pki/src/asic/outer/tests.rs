use std::io::Cursor;

use super::super::DigestAlgorithm;
use super::*;
use crate::asic::Budget;

type Bytes = Cursor<Vec<u8>>;

/// No zip: the outer container does not look into it.
const INNER: &[u8] = b"the container, byte for byte";
const FILES: [(&str, &str, &[u8]); 2] = [
    ("envelope.json", "application/json", b"{}"),
    (
        "evidence/000000000002-ContentHandover-H49.json",
        "application/json",
        b"{ }",
    ),
];

fn first() -> Vec<u8> {
    let algorithm = DigestAlgorithm::Sha256;
    let mut writer = OuterWriter::begin(Bytes::default(), INNER, algorithm).unwrap();
    for (name, media_type, content) in FILES {
        writer.add_file(name, media_type, content).unwrap();
    }
    let unstamped = writer.complete().unwrap();
    unstamped.finish(b"token 1").unwrap().into_inner()
}

fn open(bytes: &[u8]) -> Result<OuterContainer<Cursor<&[u8]>>, AsicError> {
    OuterContainer::open(Cursor::new(bytes), &Budget::outer())
}

fn renewed(bytes: &[u8], algorithm: DigestAlgorithm, token: &[u8]) -> Vec<u8> {
    let mut earlier = open(bytes).unwrap();
    let mut writer = OuterWriter::renew(Bytes::default(), &mut earlier, algorithm).unwrap();
    let number = earlier.layers().len() + 1;
    let name = format!("revocation/{number}.crl");
    writer
        .add_file(&name, "application/pkix-crl", &b"list"[..])
        .unwrap();
    writer
        .complete()
        .unwrap()
        .finish(token)
        .unwrap()
        .into_inner()
}

fn inner(bytes: &[u8]) -> Vec<u8> {
    let mut content = Vec::new();
    let mut container = open(bytes).unwrap();
    container
        .inner()
        .unwrap()
        .read_to_end(&mut content)
        .unwrap();
    content
}

fn names(bytes: &[u8]) -> Vec<String> {
    let container = open(bytes).unwrap();
    let entries = container.directory_names();
    entries.into_iter().map(str::to_owned).collect()
}

#[test]
fn what_is_archived_is_there_and_covered() {
    let bytes = first();
    let mut container = open(&bytes).unwrap();
    container.check_digests().unwrap();
    let [layer] = container.layers() else {
        panic!("one manifest")
    };
    assert_eq!(layer.token, b"token 1");
    assert_eq!(layer.manifest.references.len(), 3);
    assert!(layer.manifest.references.iter().all(|one| !one.rootfile));
    let text = String::from_utf8(layer.manifest_bytes.clone()).unwrap();
    let named = "<asic:SigReference URI=\"META-INF/timestamp001.tst\" \
                 MimeType=\"application/vnd.etsi.timestamp-token\"/>";
    assert!(text.contains(named), "{text}");
    assert_eq!(inner(&bytes), INNER);
    assert_eq!(container.read("envelope.json", 10).unwrap(), b"{}");
    assert!(container.read("envelope.json", 1).is_err());
    assert!(begins_as_outer(&mut Cursor::new(&bytes)).unwrap());
}

#[test]
fn a_renewal_adds_and_renames_the_newest_manifest_alone() {
    let once = first();
    let twice = renewed(&once, DigestAlgorithm::Sha512, b"token 2");
    let thrice = renewed(&twice, DigestAlgorithm::Sha256, b"token 3");
    assert_eq!(
        names(&thrice),
        [
            "mimetype",
            INNER_NAME,
            FILES[0].0,
            FILES[1].0,
            "META-INF/ASiCArchiveManifest001.xml",
            "META-INF/timestamp001.tst",
            "revocation/2.crl",
            "META-INF/ASiCArchiveManifest002.xml",
            "META-INF/timestamp002.tst",
            "revocation/3.crl",
            "META-INF/ASiCArchiveManifest.xml",
            "META-INF/timestamp003.tst",
        ]
    );
    let mut container = open(&thrice).unwrap();
    container.check_digests().unwrap();
    let original = open(&once).unwrap();
    let (before, after) = (&original.layers()[0], &container.layers()[0]);
    assert_eq!(before.manifest_bytes, after.manifest_bytes);
    assert_eq!(before.token, after.token);
    assert_eq!(inner(&thrice), INNER);
    let newest = &container.layers()[2].manifest;
    let marked: Vec<&str> = newest
        .references
        .iter()
        .filter(|one| one.rootfile)
        .map(|one| one.name.as_str())
        .collect();
    assert_eq!(marked, ["META-INF/ASiCArchiveManifest002.xml"]);
    let second = &container.layers()[1].manifest.references;
    assert!(
        second
            .iter()
            .all(|one| one.algorithm == DigestAlgorithm::Sha512)
    );
}

#[test]
fn no_byte_can_be_changed_unseen() {
    let bytes = renewed(&first(), DigestAlgorithm::Sha256, b"token 2");
    for place in 0..bytes.len() {
        for bit in [0, 6] {
            let mut changed = bytes.clone();
            changed[place] ^= 1 << bit;
            let seen = open(&changed).and_then(|mut container| container.check_digests());
            assert!(seen.is_err(), "byte {place}");
        }
    }
    for length in 0..bytes.len() {
        assert!(open(&bytes[..length]).is_err(), "{length} bytes");
    }
}

/// Each manifest lists what is before it, so they grow: what could not be read is not written.
#[test]
fn manifests_and_tokens_are_no_more_than_a_reader_takes() {
    let algorithm = DigestAlgorithm::Sha256;
    let once = first();
    let mut earlier = open(&once).unwrap();
    let mut renew = |held: u64| {
        let writer = OuterWriter::renew(Bytes::default(), &mut earlier, algorithm).unwrap();
        let (before, writer) = writer.holding(held);
        (before, writer.complete())
    };
    let (before, _) = renew(0);
    let layer = &open(&once).unwrap().layers()[0].clone();
    let kept = "application/vnd.etsi.asic-e+zip".len() + layer.manifest_bytes.len();
    assert_eq!(before, (kept + layer.token.len()) as u64);
    let (_, refused) = renew(META_INF_TOTAL_BYTES);
    assert_eq!(refused.unwrap_err().code(), "meta-inf-too-large");
    let manifest = renew(before).1.unwrap().manifest().len() as u64;
    let (_, full) = renew(META_INF_TOTAL_BYTES - manifest);
    let refused = full.unwrap().finish(b"t").unwrap_err();
    assert_eq!(refused.code(), "meta-inf-too-large");
}

#[test]
fn only_files_outside_meta_inf_are_added() {
    let algorithm = DigestAlgorithm::Sha256;
    let mut writer = OuterWriter::begin(Bytes::default(), INNER, algorithm).unwrap();
    let mut refused = |name: &str| {
        writer
            .add_file(name, "text/plain", &b""[..])
            .unwrap_err()
            .code()
    };
    assert_eq!(refused("META-INF/timestamp001.tst"), "name-reserved");
    assert_eq!(refused("META-INF/ASiCArchiveManifest.xml"), "name-reserved");
    assert_eq!(refused("mimetype"), "name-reserved");
    assert_eq!(refused("evidence/"), "name-reserved");
    assert_eq!(refused("../envelope.json"), "name-relative");
    assert_eq!(refused("Container.ASiCE"), "case-duplicate");
    assert_eq!(refused(INNER_NAME), "duplicate-name");
}

#[test]
fn a_section_is_a_file_of_its_own() {
    let mut whole = Cursor::new(b"0123456789".to_vec());
    let mut section = Section::new(&mut whole, 2, 5);
    let mut text = String::new();
    section.read_to_string(&mut text).unwrap();
    assert_eq!(text, "23456");
    assert_eq!(section.seek(SeekFrom::End(-2)).unwrap(), 3);
    text.clear();
    section.read_to_string(&mut text).unwrap();
    assert_eq!(text, "56");
    assert!(section.seek(SeekFrom::Current(-6)).is_err());
    assert_eq!(section.seek(SeekFrom::Start(9)).unwrap(), 9);
    assert_eq!(section.read(&mut [0; 4]).unwrap(), 0);
}
