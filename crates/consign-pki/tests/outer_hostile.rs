//! Every named hostile outer container meets the verdict that it states.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    dead_code,
    reason = "a test fails by panicking, and uses its part of the hostile zip writer"
)]

mod hostile;

use std::io::Cursor;

use consign_pki::asic::outer::{OuterContainer, OuterWriter};
use consign_pki::asic::{AsicError, Budget, Container, DigestAlgorithm};
use hostile::archive::{Archive, Entry, MIMETYPE, manifest, reference, sound as inner};

const FIRST: &str = "META-INF/ASiCArchiveManifest001.xml";
const FIRST_TOKEN: &str = "META-INF/timestamp001.tst";
const NEWEST: &str = "META-INF/ASiCArchiveManifest.xml";
const NEWEST_TOKEN: &str = "META-INF/timestamp002.tst";
const CONTAINER: &str = "container.asice";
const ENVELOPE: &str = "envelope.json";
const LIST: &str = "revocation/1.crl";

/// An archive manifest, as the standard's annex A.7 and the canonical text have it.
fn archive_manifest(token: &str, references: &str) -> Vec<u8> {
    let text = manifest(token, references);
    let kind = "application/vnd.etsi.timestamp-token";
    text.replace("application/pkcs7-signature", kind)
        .into_bytes()
}

fn first_references() -> String {
    let container = reference(
        CONTAINER,
        "application/vnd.etsi.asic-e+zip",
        false,
        &inner().bytes(),
    );
    container + &reference(ENVELOPE, "application/json", false, b"{}")
}

fn all_references() -> String {
    let first = archive_manifest(FIRST_TOKEN, &first_references());
    first_references()
        + &reference(FIRST, "application/xml", true, &first)
        + &reference(
            FIRST_TOKEN,
            "application/vnd.etsi.timestamp-token",
            false,
            b"token 1",
        )
        + &reference(LIST, "application/pkix-crl", false, b"list")
}

/// One that was renewed once, with the newest manifest over these references.
fn outer(references: &str) -> Archive {
    let stored = [
        ("mimetype", MIMETYPE.to_vec()),
        (CONTAINER, inner().bytes()),
        (ENVELOPE, b"{}".to_vec()),
        (FIRST, archive_manifest(FIRST_TOKEN, &first_references())),
        (FIRST_TOKEN, b"token 1".to_vec()),
        (LIST, b"list".to_vec()),
        (NEWEST, archive_manifest(NEWEST_TOKEN, references)),
        (NEWEST_TOKEN, b"token 2".to_vec()),
    ];
    let entries = stored.iter();
    Archive {
        entries: entries
            .map(|(name, content)| Entry::stored(name, content))
            .collect(),
        ..Archive::default()
    }
}

fn judge(bytes: &[u8]) -> Result<(), AsicError> {
    let mut outer = OuterContainer::open(Cursor::new(bytes), &Budget::outer())?;
    outer.check_digests().map(drop)
}

/// The sound one after a change.
fn changed(change: impl FnOnce(&mut Archive)) -> Archive {
    let mut archive = outer(&all_references());
    change(&mut archive);
    archive
}

/// The sound one with another content of an entry.
fn content(name: &str, content: &[u8]) -> Archive {
    changed(|archive| *archive.entry(name) = Entry::stored(name, content))
}

/// With other references in the newest manifest.
fn referring(change: impl FnOnce(String) -> String) -> Archive {
    outer(&change(all_references()))
}

fn swapped(archive: &mut Archive, left: &str, right: &str) {
    let place = |name: &str| {
        let mut entries = archive.entries.iter();
        entries
            .position(|entry| entry.local.name == name.as_bytes())
            .unwrap()
    };
    let (left, right) = (place(left), place(right));
    archive.entries.swap(left, right);
}

fn removed(archive: &mut Archive, name: &str) {
    archive
        .entries
        .retain(|entry| entry.local.name != name.as_bytes());
}

fn renamed(archive: &mut Archive, from: &str, to: &str) {
    archive
        .entry(from)
        .both(|header| header.name = to.as_bytes().to_vec());
}

fn added(archive: &mut Archive, place: usize, name: &str) {
    archive.entries.insert(place, Entry::stored(name, b"more"));
}

/// What the zip itself says twice or not at all.
fn zip() -> Vec<(&'static str, &'static str, Archive)> {
    vec![
        (
            "prefix",
            "prefix-bytes",
            changed(|a| a.prefix = b"#!/bin/sh\n".to_vec()),
        ),
        (
            "trailing bytes",
            "trailing-bytes",
            changed(|a| a.suffix = vec![0]),
        ),
        (
            "a comment",
            "archive-comment",
            changed(|a| a.comment = b"hello".to_vec()),
        ),
        (
            "a gap",
            "gap",
            changed(|a| a.entry(ENVELOPE).before = vec![0; 7]),
        ),
        (
            "an entry that only some readers see",
            "gap",
            changed(|a| a.entry(LIST).listed = false),
        ),
        (
            "headers that name two files",
            "name-disagrees",
            changed(|a| a.entry(ENVELOPE).central.name = b"envelope.jsob".to_vec()),
        ),
        (
            "a compressed entry",
            "deflated",
            changed(|a| *a.entry(ENVELOPE) = Entry::deflated(ENVELOPE, &[b' '; 200])),
        ),
        (
            "the container twice",
            "duplicate-name",
            changed(|a| added(a, 2, CONTAINER)),
        ),
        (
            "the container in other case",
            "case-duplicate",
            changed(|a| added(a, 2, "Container.asice")),
        ),
        (
            "a file that climbs",
            "name-relative",
            changed(|a| renamed(a, LIST, "revocation/../../x")),
        ),
        (
            "an entry for a folder",
            "folder-entry",
            changed(|a| added(a, 5, "revocation/")),
        ),
        (
            "a wrong checksum",
            "crc-mismatch",
            changed(|a| a.entry(LIST).data = b"lisu".to_vec()),
        ),
        (
            "another type of container",
            "mimetype-wrong",
            content("mimetype", b"application/vnd.etsi.asic-s+zip"),
        ),
    ]
}

/// Entries that are missing, too many or elsewhere.
fn order() -> Vec<(&'static str, &'static str, Archive)> {
    vec![
        (
            "no container",
            "outer-order",
            changed(|a| removed(a, CONTAINER)),
        ),
        (
            "the container second",
            "outer-order",
            changed(|a| swapped(a, CONTAINER, ENVELOPE)),
        ),
        (
            "mimetype second",
            "mimetype-not-first",
            changed(|a| swapped(a, "mimetype", CONTAINER)),
        ),
        (
            "no newest manifest",
            "manifest-missing",
            changed(|a| a.entries.truncate(6)),
        ),
        (
            "no manifest at all",
            "manifest-missing",
            changed(|a| a.entries.truncate(3)),
        ),
        (
            "nothing but mimetype",
            "no-such-entry",
            changed(|a| a.entries.truncate(1)),
        ),
        (
            "no token",
            "signature-missing",
            changed(|a| removed(a, NEWEST_TOKEN)),
        ),
        (
            "no token of the first",
            "signature-missing",
            changed(|a| removed(a, FIRST_TOKEN)),
        ),
        (
            "tokens exchanged",
            "signature-missing",
            changed(|a| swapped(a, FIRST_TOKEN, NEWEST_TOKEN)),
        ),
        (
            "a file behind the newest token",
            "outer-order",
            changed(|a| added(a, 8, "late.json")),
        ),
        (
            "a manifest behind the newest",
            "outer-order",
            changed(|a| added(a, 8, "META-INF/ASiCArchiveManifest002.xml")),
        ),
        (
            "the first manifest under another number",
            "outer-order",
            changed(|a| renamed(a, FIRST, "META-INF/ASiCArchiveManifest002.xml")),
        ),
        (
            "a signature of its own",
            "outer-order",
            changed(|a| added(a, 3, "META-INF/signature001.p7s")),
        ),
        (
            "a plain manifest",
            "outer-order",
            changed(|a| added(a, 3, "META-INF/ASiCManifest001.xml")),
        ),
        (
            "something else in META-INF",
            "outer-order",
            changed(|a| added(a, 3, "META-INF/manifest.xml")),
        ),
    ]
}

/// Manifests that say too little, too much, or it otherwise.
fn manifests() -> Vec<(&'static str, &'static str, Archive)> {
    let without = |name: &'static str| {
        referring(move |all| {
            let start = all
                .find(&format!("  <asic:DataObjectReference URI=\"{name}\""))
                .unwrap();
            let end = start + all[start..].find("</asic:DataObjectReference>\n").unwrap();
            all[..start].to_owned() + &all[end + "</asic:DataObjectReference>\n".len()..]
        })
    };
    vec![
        (
            "a file that no manifest covers",
            "file-not-in-manifest",
            changed(|a| added(a, 5, "x.json")),
        ),
        (
            "the container not covered",
            "file-not-in-manifest",
            without(CONTAINER),
        ),
        (
            "the first manifest not covered",
            "file-not-in-manifest",
            without(FIRST),
        ),
        (
            "the first token not covered",
            "file-not-in-manifest",
            without(FIRST_TOKEN),
        ),
        (
            "a reference to what is not there",
            "manifest-order",
            referring(|all| all + &reference("gone.json", "text/plain", false, b"")),
        ),
        (
            "a reference to its own token",
            "manifest-order",
            referring(|all| {
                all + &reference(
                    NEWEST_TOKEN,
                    "application/vnd.etsi.timestamp-token",
                    false,
                    b"token 2",
                )
            }),
        ),
        (
            "a reference twice",
            "manifest-duplicate-reference",
            referring(|all| all + &reference(LIST, "application/pkix-crl", false, b"list")),
        ),
        (
            "the first manifest not marked",
            "manifest-order",
            referring(|all| all.replace(" Rootfile=\"true\"", "")),
        ),
        (
            "another file marked",
            "manifest-order",
            referring(|all| {
                let all = all.replace(" Rootfile=\"true\"", "");
                let plain = "URI=\"envelope.json\" MimeType=\"application/json\"";
                all.replace(plain, &format!("{plain} Rootfile=\"true\""))
            }),
        ),
        (
            "another envelope",
            "digest-mismatch",
            content(ENVELOPE, b"[]"),
        ),
        (
            "another first token",
            "digest-mismatch",
            content(FIRST_TOKEN, b"token 3"),
        ),
        (
            "white space that the form has not",
            "manifest-form",
            referring(|all| all + "\n"),
        ),
        (
            "a container of another media type",
            "manifest-form",
            referring(|all| all.replacen("asic-e+zip", "asic-e+zap", 1)),
        ),
        (
            "a manifest of another media type",
            "manifest-form",
            referring(|all| all.replacen("application/xml", "text/xml", 1)),
        ),
        (
            "a token named elsewhere",
            "manifest-form",
            content(NEWEST, &archive_manifest(FIRST_TOKEN, &all_references())),
        ),
        (
            "a manifest that is none",
            "manifest-unexpected-text",
            content(NEWEST, b"nothing"),
        ),
        (
            "a document type",
            "manifest-doctype",
            content(NEWEST, b"<!DOCTYPE a [<!ENTITY b \"c\">]><a/>"),
        ),
    ]
}

#[test]
fn each_hostile_archive_is_refused_for_its_reason() {
    let mut wrong = Vec::new();
    for (name, code, archive) in [zip(), order(), manifests()].concat() {
        let found = judge(&archive.bytes()).map_err(|error| error.code());
        if found != Err(code) {
            wrong.push(format!("{name}: {found:?}, not {code}"));
        }
    }
    assert!(wrong.is_empty(), "\n{}", wrong.join("\n"));
}

#[test]
fn the_sound_archive_that_all_cases_start_from_is_accepted_and_is_what_we_write() {
    let bytes = outer(&all_references()).bytes();
    judge(&bytes).unwrap();
    let algorithm = DigestAlgorithm::Sha256;
    let out = || Cursor::new(Vec::new());
    let mut writer = OuterWriter::begin(out(), &*inner().bytes(), algorithm).unwrap();
    writer
        .add_file(ENVELOPE, "application/json", &b"{}"[..])
        .unwrap();
    let once = writer.complete().unwrap().finish(b"token 1").unwrap();
    let mut earlier = OuterContainer::open(once, &Budget::outer()).unwrap();
    let mut writer = OuterWriter::renew(out(), &mut earlier, algorithm).unwrap();
    writer
        .add_file(LIST, "application/pkix-crl", &b"list"[..])
        .unwrap();
    let twice = writer.complete().unwrap().finish(b"token 2").unwrap();
    assert_eq!(twice.into_inner(), bytes);
    // Neither kind of container is taken for the other.
    assert!(OuterContainer::open(Cursor::new(inner().bytes()), &Budget::outer()).is_err());
    assert!(Container::open_canonical(Cursor::new(&bytes), &Budget::default()).is_err());
}

#[test]
fn budgets_are_kept() {
    let bytes = outer(&all_references()).bytes();
    let refused = |change: fn(&mut Budget)| {
        let mut budget = Budget::outer();
        change(&mut budget);
        let opened = OuterContainer::open(Cursor::new(&bytes), &budget);
        opened.map(drop).unwrap_err().code()
    };
    assert_eq!(refused(|budget| budget.entries = 7), "too-many-entries");
    assert_eq!(
        refused(|budget| budget.directory_bytes = 100),
        "directory-too-large"
    );
    assert_eq!(refused(|budget| budget.file_bytes = 100), "file-too-large");
    assert_eq!(
        refused(|budget| budget.meta_inf_file_bytes = 100),
        "file-too-large"
    );
    assert_eq!(
        refused(|budget| budget.meta_inf_total_bytes = 100),
        "meta-inf-too-large"
    );
    assert_eq!(
        refused(|budget| budget.container_bytes = 100),
        "container-too-large"
    );
    assert_eq!(
        refused(|budget| budget.total_bytes = 100),
        "total-too-large"
    );
}
