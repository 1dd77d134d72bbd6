//! Bytes where none belong, and entries out of their order.

use super::archive::{self, Archive, Entry, sound};
use super::case::{Case, changed, main_file, refused, refused_leniently, reported};

/// Bytes where none belong, and records that lie about the whole.
pub(crate) fn around() -> Vec<Case> {
    let hidden = {
        let mut entry = Entry::stored("hidden.pdf", b"seen by a streaming reader");
        entry.listed = false;
        entry
    };
    vec![
        refused(
            "prefix",
            "prefix-bytes",
            changed(|a| a.prefix = b"#!/bin/sh\n".to_vec()),
        ),
        refused(
            "prefix with offsets adjusted",
            "prefix-bytes",
            changed(|a| (a.prefix, a.prefix_counted) = (b"%PDF-1.7\n".to_vec(), true)),
        ),
        refused(
            "trailing bytes",
            "trailing-bytes",
            changed(|a| a.suffix = vec![0]),
        ),
        refused(
            "a second archive behind",
            "prefix-bytes",
            changed(|a| a.suffix = sound().bytes()),
        ),
        refused("gap", "gap", main_file(|e| e.before = vec![0; 7])),
        refused(
            "gap before the directory",
            "gap",
            changed(|a| a.before_directory = vec![0; 3]),
        ),
        refused(
            "gap before the end record",
            "directory-misplaced",
            changed(|a| a.before_end = vec![0; 3]),
        ),
        refused(
            "entry not in the directory",
            "gap",
            changed(|a| a.entries.insert(2, hidden)),
        ),
        reported(
            "archive comment",
            "archive-comment",
            &["archive-comment"],
            changed(|a| a.comment = b"made elsewhere".to_vec()),
        ),
        refused(
            "end record in the comment",
            "directory-misplaced",
            changed(|a| {
                let mut fake = 0x0605_4B50_u32.to_le_bytes().to_vec();
                fake.extend([0; 18]);
                a.comment = fake;
            }),
        ),
        refused(
            "count too high",
            "entry-count",
            changed(|a| a.count_lie = 1),
        ),
        refused(
            "count too low",
            "entry-count",
            changed(|a| a.count_lie = -1),
        ),
        refused(
            "count means zip64",
            "zip64",
            changed(|a| a.count_lie = 0xFFFF - 6),
        ),
        refused(
            "zip64 locator",
            "zip64",
            changed(|a| {
                a.before_end = 0x0706_4B50_u32.to_le_bytes().to_vec();
                a.before_end.extend([0; 16]);
            }),
        ),
        refused(
            "directory too long",
            "directory-misplaced",
            changed(|a| a.size_lie = 1),
        ),
        refused("several disks", "multi-disk", changed(|a| a.disk = 1)),
        refused(
            "entry on another disk",
            "multi-disk",
            main_file(|e| e.disk = 1),
        ),
        reported(
            "directory in another order",
            "directory-order",
            &["directory-order"],
            changed(|a| a.reversed = true),
        ),
        refused_leniently(
            "empty archive",
            "mimetype-missing",
            "manifest-missing",
            Archive::default(),
        ),
    ]
}

/// `mimetype` and the order of entries.
pub(crate) fn order() -> Vec<Case> {
    vec![
        reported(
            "mimetype missing",
            "mimetype-missing",
            &["document-missing", "mimetype-missing"],
            changed(|a| {
                a.entries.remove(0);
            }),
        ),
        reported(
            "mimetype not first",
            "mimetype-not-first",
            &["main-file-missing", "mimetype-not-first"],
            changed(|a| a.entries.swap(0, 2)),
        ),
        reported(
            "mimetype deflated",
            "deflated",
            &["deflated"],
            changed(|a| {
                a.entries[0] = Entry::deflated("mimetype", archive::MIMETYPE);
            }),
        ),
        refused(
            "mimetype of another format",
            "mimetype-wrong",
            changed(|a| {
                a.entries[0] = Entry::stored("mimetype", b"application/vnd.etsi.asic-s+zip");
            }),
        ),
        refused(
            "mimetype with a line feed",
            "mimetype-wrong",
            changed(|a| {
                a.entries[0] = Entry::stored("mimetype", b"application/vnd.etsi.asic-e+zip\n");
            }),
        ),
        reported(
            "document.json not second",
            "document-missing",
            &["document-missing"],
            changed(|a| a.entries.swap(1, 2)),
        ),
        reported(
            "attachment before the main file",
            "manifest-order",
            &[],
            changed(|a| a.entries.swap(2, 3)),
        ),
        reported(
            "file behind META-INF",
            "layer-order",
            &["layer-order"],
            changed(|a| {
                let annex = a.entries.remove(3);
                a.entries.push(annex);
            }),
        ),
        reported(
            "signature before its manifest",
            "layer-order",
            &["layer-order"],
            changed(|a| a.entries.swap(4, 5)),
        ),
        reported(
            "unknown file in META-INF",
            "meta-inf-unexpected",
            &["layer-order", "meta-inf-unexpected"],
            changed(|a| {
                a.entries
                    .insert(4, Entry::stored("META-INF/manifest.xml", b"<odf/>"));
            }),
        ),
    ]
}
