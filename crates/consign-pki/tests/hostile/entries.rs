//! Headers that lie, and compressed data.

use super::archive::{Archive, Entry, FILES, MANIFEST, P7S, sound};
use super::case::{Case, changed, main_file, refused, refused_leniently, reported};

/// Headers that lie, or that differ from the profile.
pub(crate) fn headers() -> Vec<Case> {
    vec![
        refused(
            "local name differs",
            "name-disagrees",
            main_file(|e| {
                e.local.name = b"evil.pdf".to_vec();
            }),
        ),
        refused(
            "local size differs",
            "size-disagrees",
            main_file(|e| e.local.size += 1),
        ),
        refused(
            "local packed size differs",
            "size-disagrees",
            main_file(|e| e.local.packed -= 1),
        ),
        refused(
            "stored with two sizes",
            "size-disagrees",
            main_file(|e| e.both(|h| h.size += 1)),
        ),
        refused(
            "local method differs",
            "method-disagrees",
            main_file(|e| e.local.method = 8),
        ),
        refused(
            "local flags differ",
            "flags-disagree",
            main_file(|e| e.local.flags = 0),
        ),
        refused(
            "local crc differs",
            "crc-disagrees",
            main_file(|e| e.local.crc32 ^= 1),
        ),
        refused(
            "crc wrong",
            "crc-mismatch",
            main_file(|e| e.both(|h| h.crc32 ^= 1)),
        ),
        refused(
            "crc of the manifest wrong",
            "crc-mismatch",
            changed(|a| {
                a.entry(MANIFEST).both(|h| h.crc32 ^= 1);
            }),
        ),
        refused(
            "size means zip64",
            "zip64",
            main_file(|e| e.both(|h| h.size = u32::MAX)),
        ),
        refused(
            "encrypted",
            "encrypted",
            main_file(|e| e.both(|h| h.flags |= 1)),
        ),
        refused(
            "patched data",
            "unsupported-flags",
            main_file(|e| e.both(|h| h.flags |= 0x20)),
        ),
        refused(
            "bzip2",
            "unsupported-method",
            main_file(|e| e.both(|h| h.method = 12)),
        ),
        refused(
            "symbolic link",
            "symbolic-link",
            main_file(|e| {
                (e.made_by, e.external) = (0x0314, 0o120_777 << 16);
            }),
        ),
        refused(
            "no local header",
            "local-header-missing",
            main_file(|e| {
                e.local_signature = 0x0403_4B51;
            }),
        ),
        refused("two entries share data", "overlap", overlapping()),
        refused(
            "offset behind the directory",
            "gap",
            changed(|a| {
                a.entry(P7S).offset = Some(1 << 20);
            }),
        ),
        reported(
            "dated",
            "fixed-field",
            &["fixed-field"],
            main_file(|e| {
                e.both(|h| (h.date, h.time) = (0x5821, 0x6000));
            }),
        ),
        reported(
            "local date differs",
            "fixed-field",
            &["fixed-field"],
            main_file(|e| {
                e.local.date = 0x5821;
            }),
        ),
        reported(
            "made on FAT",
            "fixed-field",
            &["fixed-field"],
            main_file(|e| {
                (e.made_by, e.external) = (20, 0);
            }),
        ),
        reported(
            "no UTF-8 flag",
            "fixed-field",
            &["fixed-field"],
            main_file(|e| {
                e.both(|h| h.flags = 0);
            }),
        ),
        reported(
            "entry comment",
            "entry-comment",
            &["entry-comment"],
            main_file(|e| {
                e.comment = b"hm".to_vec();
            }),
        ),
        reported(
            "local extra field",
            "extra-field",
            &["extra-field"],
            main_file(|e| {
                e.local.extra = vec![0x55, 0x54, 1, 0, 0];
            }),
        ),
        reported(
            "central extra field",
            "extra-field",
            &["extra-field"],
            main_file(|e| {
                e.central.extra = vec![0x55, 0x54, 1, 0, 0];
            }),
        ),
        refused_leniently(
            "zip64 extra field",
            "extra-field",
            "zip64",
            main_file(|e| {
                e.both(|h| h.extra = vec![1, 0, 1, 0, 0]);
            }),
        ),
        refused_leniently(
            "second name",
            "extra-field",
            "unicode-path-field",
            main_file(|e| {
                e.both(|h| h.extra = vec![0x75, 0x70, 1, 0, 0]);
            }),
        ),
        refused_leniently(
            "broken extra",
            "extra-field",
            "extra-field-malformed",
            main_file(|e| {
                e.both(|h| h.extra = vec![0x55, 0x54, 9, 0, 0]);
            }),
        ),
        reported(
            "data descriptor",
            "data-descriptor",
            &["data-descriptor"],
            main_file(Entry::describe),
        ),
        refused_leniently(
            "descriptor lies",
            "data-descriptor",
            "descriptor-disagrees",
            main_file(|e| {
                e.describe();
                e.after[5] ^= 1;
            }),
        ),
    ]
}

/// Compression, which the profile does not have.
pub(crate) fn compression() -> Vec<Case> {
    let replaced = |entry: Entry| main_file(|place| *place = entry);
    let deflated = || Entry::deflated(FILES[1].0, FILES[1].2);
    let bomb = Entry::deflated("main.pdf", &vec![0; 8 << 20]);
    let mut liar = bomb.clone();
    liar.both(|header| header.size = 1000);
    let mut short = deflated();
    short.both(|header| header.size += 1);
    let mut trailing = deflated();
    trailing.data.extend(b"behind");
    trailing.both(|header| header.packed += 6);
    let mut broken = deflated();
    broken.data = vec![0xFF; broken.data.len()];
    vec![
        reported("deflated", "deflated", &["deflated"], replaced(deflated())),
        refused_leniently("deflate bomb", "deflated", "ratio-exceeded", replaced(bomb)),
        refused_leniently(
            "bomb that lies",
            "deflated",
            "size-mismatch",
            replaced(liar),
        ),
        refused_leniently(
            "shorter than declared",
            "deflated",
            "size-mismatch",
            replaced(short),
        ),
        refused_leniently(
            "bytes behind",
            "deflated",
            "deflate-broken",
            replaced(trailing),
        ),
        refused_leniently(
            "broken deflate",
            "deflated",
            "deflate-broken",
            replaced(broken),
        ),
    ]
}

/// `annex.txt` of the directory points at the header of a copy that lies inside `main.pdf`.
fn overlapping() -> Archive {
    let mut archive = sound();
    let offset = u32::try_from(
        archive
            .bytes()
            .windows(8)
            .position(|w| w == b"main.pdf")
            .unwrap(),
    );
    let annex = archive.entry("annex.txt");
    annex.offset = Some(offset.unwrap() - 30 + 8);
    archive
}
