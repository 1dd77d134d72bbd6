//! Containers whose zip is good and whose manifests are not.

use super::archive::{
    Archive, Entry, FILES, MIMETYPE, P7S, file_references, manifest, reference, second_references,
    sound, with_manifest, with_second_layer,
};
use super::case::{Case, refused, refused_leniently, reported};

const SECOND_P7S: &str = "META-INF/signature002.p7s";

/// What is signed, and by which signature.
pub(crate) fn coverage() -> Vec<Case> {
    let without = |count: usize| {
        let mut archive = sound();
        archive.entries.truncate(6 - count);
        archive
    };
    let with = |place: usize, name: &str| {
        let mut archive = sound();
        archive.entries.insert(place, Entry::stored(name, b"added"));
        archive
    };
    let also = |uri: &str, content: &[u8]| {
        let references = file_references() + &reference(uri, "text/plain", false, content);
        with_manifest(&manifest(P7S, &references))
    };
    let mut other_file = sound();
    other_file.entries[2] = Entry::stored("main.pdf", b"%PDF-1.7 another file");
    vec![
        refused("manifest missing", "manifest-missing", without(2)),
        refused("signature missing", "signature-missing", without(1)),
        reported(
            "signature of no manifest",
            "layer-order",
            &["layer-order", "meta-inf-unexpected"],
            with(6, SECOND_P7S),
        ),
        refused(
            "file not in the manifest",
            "file-not-in-manifest",
            with(4, "unsigned.pdf"),
        ),
        refused(
            "reference to a missing file",
            "reference-missing",
            also("gone.txt", b""),
        ),
        reported(
            "mimetype in the manifest",
            "reference-forbidden",
            &[],
            also("mimetype", MIMETYPE),
        ),
        refused("another main file", "digest-mismatch", other_file),
        refused(
            "manifest names a file as signature",
            "signature-missing",
            with_manifest(&manifest("main.pdf", &file_references())),
        ),
        refused(
            "two manifests name one signature",
            "signature-claimed-twice",
            with_second_layer(&manifest(P7S, &second_references())),
        ),
        reported(
            "second layer leaves the first out",
            "earlier-layer-not-covered",
            &[],
            with_second_layer(&manifest(SECOND_P7S, &file_references())),
        ),
        refused("second layer leaves a file out", "file-not-in-manifest", {
            let annex = reference(FILES[2].0, FILES[2].1, false, FILES[2].2);
            let references = second_references().replace(&annex, "");
            with_second_layer(&manifest(SECOND_P7S, &references))
        }),
        reported(
            "no root file",
            "manifest-order",
            &[],
            xml(|text| text.replace(" Rootfile=\"true\"", "")),
        ),
    ]
}

/// Manifests that are not plain XML, or not manifests.
pub(crate) fn syntax() -> Vec<Case> {
    let root = "<asic:ASiCManifest";
    let end = "</asic:ASiCManifest>";
    let extension = |inner: &str| {
        let inner = format!("<asic:ASiCManifestExtensions>{inner}</asic:ASiCManifestExtensions>");
        insert_before(end, &inner)
    };
    let deep = "<asic:Extension>".repeat(2000) + &"</asic:Extension>".repeat(2000);
    let many: String = (0..1001)
        .map(|n| reference(&format!("f{n}"), "text/plain", false, b""))
        .collect();
    vec![
        refused(
            "doctype",
            "manifest-doctype",
            insert_before(
                root,
                "<!DOCTYPE x [<!ENTITY lol \"lol\"><!ENTITY bomb \"&lol;&lol;&lol;\">]>",
            ),
        ),
        refused(
            "external doctype",
            "manifest-doctype",
            insert_before(root, "<!DOCTYPE x SYSTEM \"file:///etc/passwd\">"),
        ),
        refused("entity", "manifest-entity", insert_before(end, "&amp;")),
        refused(
            "undefined entity in an attribute",
            "manifest-xml",
            xml(|text| text.replace("main.pdf", "&main;")),
        ),
        refused(
            "processing instruction",
            "manifest-processing-instruction",
            insert_before(root, "<?xml-stylesheet href=\"x\"?>"),
        ),
        refused(
            "cdata",
            "manifest-cdata",
            insert_before(end, "<![CDATA[ ]]>"),
        ),
        refused("too deep", "manifest-too-deep", extension(&deep)),
        refused(
            "many references",
            "manifest-too-many-references",
            with_manifest(&manifest(P7S, &many)),
        ),
        refused(
            "other encoding",
            "manifest-declaration",
            xml(|text| text.replace("UTF-8", "UTF-16")),
        ),
        refused(
            "second declaration",
            "manifest-declaration",
            insert_before(end, "<?xml version=\"1.0\"?>"),
        ),
        refused(
            "cut off",
            "manifest-incomplete",
            xml(|text| text.replace(end, "")),
        ),
        refused(
            "wrong end tag",
            "manifest-xml",
            xml(|text| text.replace(end, "</asic:Other>")),
        ),
        refused(
            "second root",
            "manifest-unexpected-element",
            xml(|text| text.clone() + &text[text.find(root).unwrap()..]),
        ),
        refused(
            "text",
            "manifest-unexpected-text",
            insert_before(end, "text"),
        ),
        refused(
            "undeclared prefix",
            "manifest-unknown-prefix",
            insert_before(end, "<x:y/>"),
        ),
        refused(
            "other namespace",
            "manifest-unexpected-element",
            xml(|text| text.replace("02918/v1.2.1#", "02918/v9#")),
        ),
        refused(
            "attribute twice",
            "manifest-xml",
            xml(|text| text.replace("MimeType=", "URI=\"x\" MimeType=")),
        ),
        refused(
            "unknown attribute",
            "manifest-unexpected-attribute",
            xml(|text| text.replace(" Rootfile=", " rootfile=")),
        ),
        refused_leniently(
            "critical extension",
            "manifest-critical-extension",
            "manifest-critical-extension",
            extension("<asic:Extension Critical=\"true\"/>"),
        ),
        refused("not UTF-8", "manifest-not-utf8", {
            let mut archive = sound();
            archive.entries[4] = Entry::stored(super::archive::MANIFEST, b"<\xFF/>");
            archive
        }),
        refused(
            "too large",
            "file-too-large",
            insert_before(end, &" ".repeat(1 << 20)),
        ),
    ]
}

/// Manifests that contradict themselves or say what we do not know.
pub(crate) fn meaning() -> Vec<Case> {
    let signature = format!("<asic:SigReference URI=\"{P7S}\"/>");
    let end = "</asic:ASiCManifest>";
    let sha256 = "http://www.w3.org/2001/04/xmlenc#sha256";
    let value = "<ds:DigestValue>";
    vec![
        refused(
            "two signatures",
            "manifest-several-signatures",
            insert_before(end, &signature),
        ),
        refused(
            "no signature",
            "manifest-no-signature",
            xml(|text| {
                let start = text.find("  <asic:SigReference").unwrap();
                let after = start + text[start..].find('\n').unwrap();
                text[..start].to_owned() + &text[after..]
            }),
        ),
        refused(
            "no references",
            "manifest-missing-element",
            with_manifest(&manifest(P7S, "")),
        ),
        refused(
            "file twice",
            "manifest-duplicate-reference",
            insert_before(
                end,
                &reference("annex.txt", "text/plain", false, b"an annex"),
            ),
        ),
        refused(
            "file twice, once encoded",
            "manifest-duplicate-reference",
            insert_before(
                end,
                &reference("anne%78.txt", "text/plain", false, b"an annex"),
            ),
        ),
        refused(
            "two root files",
            "manifest-several-rootfiles",
            xml(|text| text.replace("text/plain\"", "text/plain\" Rootfile=\"1\"")),
        ),
        refused(
            "root file maybe",
            "manifest-bad-boolean",
            xml(|text| text.replace("Rootfile=\"true\"", "Rootfile=\"yes\"")),
        ),
        refused(
            "SHA-1",
            "manifest-unknown-algorithm",
            xml(|text| text.replacen(sha256, "http://www.w3.org/2000/09/xmldsig#sha1", 1)),
        ),
        refused(
            "digest of another length",
            "manifest-bad-digest",
            xml(|text| text.replacen(sha256, "http://www.w3.org/2001/04/xmlenc#sha512", 1)),
        ),
        refused(
            "digest not base64",
            "manifest-bad-digest",
            xml(|text| text.replacen(value, "<ds:DigestValue>!", 1)),
        ),
        refused(
            "digest twice",
            "manifest-repeated-element",
            xml(|text| text.replacen(value, "<ds:DigestValue/><ds:DigestValue>", 1)),
        ),
        refused(
            "digest missing",
            "manifest-missing-element",
            xml(|text| {
                let start = text.find(value).unwrap();
                let after = start + text[start..].find('\n').unwrap();
                text[..start].to_owned() + &text[after..]
            }),
        ),
        refused(
            "URI missing",
            "manifest-missing-attribute",
            xml(|text| text.replace(" URI=\"main.pdf\"", "")),
        ),
        refused(
            "broken escape",
            "manifest-bad-uri",
            xml(|text| text.replace("main.pdf", "main%2.pdf")),
        ),
        refused(
            "escape of no character",
            "manifest-bad-uri",
            xml(|text| text.replace("main.pdf", "%FF")),
        ),
        refused(
            "query",
            "manifest-bad-uri",
            xml(|text| text.replace("main.pdf", "main.pdf?x")),
        ),
        reported(
            "other prefix",
            "manifest-form",
            &["manifest-form"],
            xml(|text| text.replace("asic:", "a:").replace("xmlns:asic", "xmlns:a")),
        ),
        reported(
            "comment",
            "manifest-form",
            &["manifest-form"],
            insert_before(end, "<!-- -->"),
        ),
        reported(
            "escaped where not needed",
            "manifest-form",
            &["manifest-form"],
            xml(|text| text.replace("main.pdf", "main%2epdf")),
        ),
        reported(
            "no media type",
            "manifest-form",
            &["manifest-form"],
            xml(|text| text.replace(" MimeType=\"text/plain\"", "")),
        ),
        reported(
            "odd media type",
            "manifest-form",
            &["manifest-form"],
            xml(|text| text.replace("\"text/plain\"", "\"text/plain; charset=utf-8\"")),
        ),
        reported(
            "extension",
            "manifest-form",
            &["manifest-form"],
            insert_before(
                end,
                "<asic:ASiCManifestExtensions><x xmlns=\"u\">y</x></asic:ASiCManifestExtensions>",
            ),
        ),
    ]
}

/// The sound container with another text for its manifest.
fn xml(change: impl FnOnce(String) -> String) -> Archive {
    with_manifest(&change(manifest(P7S, &file_references())))
}

/// The sound container with `added` in its manifest, before `place`.
fn insert_before(place: &str, added: &str) -> Archive {
    xml(|text| text.replacen(place, &format!("{added}{place}"), 1))
}
