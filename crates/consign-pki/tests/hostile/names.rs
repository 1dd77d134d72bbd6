//! Names of entries that are not names of files.

use super::archive::{Entry, with_file};
use super::case::{Case, changed, refused, refused_leniently, reported};

/// Names that mean several things, or more than a file.
pub(crate) fn names() -> Vec<Case> {
    let named = |case, code, name: &str| refused(case, code, with_file(name.as_bytes(), "x"));
    vec![
        named("climbs", "name-relative", "../x"),
        named("climbs inside", "name-relative", "a/../x"),
        named("absolute", "name-absolute", "/etc/passwd"),
        named("backslash", "name-backslash", "..\\x"),
        named("drive", "name-colon", "C:x"),
        named("empty", "name-empty", ""),
        named("doubled slash", "name-empty", "a//b"),
        named("ends in a dot", "name-trailing", "main.pdf."),
        named("ends in a space", "name-trailing", "main.pdf "),
        named("device", "name-reserved", "nul.txt"),
        named(
            "META-INF in another case",
            "name-reserved",
            "meta-inf/ASiCManifest001.xml",
        ),
        named("mimetype in another case", "name-reserved", "MIMETYPE"),
        named("control character", "name-control", "a\nb"),
        named("right-to-left override", "name-control", "gpj.\u{202E}exe"),
        refused("too long", "name-too-long", with_file(&[b'a'; 201], "x")),
        refused("not UTF-8", "name-not-utf8", with_file(b"caf\xE9", "x")),
        refused("not marked as UTF-8", "name-not-utf8", {
            let mut archive = with_file("é".as_bytes(), "%C3%A9");
            archive.entries[4].both(|header| header.flags = 0);
            archive
        }),
        refused(
            "same name twice",
            "duplicate-name",
            with_file(b"main.pdf", "x"),
        ),
        refused(
            "same name in another case",
            "case-duplicate",
            with_file(b"Main.PDF", "x"),
        ),
        refused("same letter in another case", "case-duplicate", {
            let mut archive = with_file("ĐỘ.txt".as_bytes(), "x");
            archive.entries.insert(5, Entry::stored("độ.txt", b""));
            archive
        }),
        reported(
            "in a folder",
            "in-folder",
            &["in-folder"],
            with_file(b"a/b.txt", "a/b.txt"),
        ),
        reported(
            "folder entry",
            "folder-entry",
            &["folder-entry"],
            changed(|a| {
                a.entries.insert(4, Entry::stored("META-INF/", b""));
            }),
        ),
        refused_leniently(
            "folder with content",
            "folder-entry",
            "folder-with-content",
            changed(|a| {
                a.entries.insert(4, Entry::stored("META-INF/", b"x"));
            }),
        ),
    ]
}
