//! A zip writer that lies wherever it is told to.
//!
//! It shares no code with the crate, so that the sound container made here is also a second
//! opinion on the writer there.

use std::io::Write as _;

use aws_lc_rs::digest::{SHA256, digest};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

/// The fields of a local or central header that both have.
#[derive(Debug, Clone)]
pub(crate) struct Header {
    pub(crate) needed: u16,
    pub(crate) flags: u16,
    pub(crate) method: u16,
    pub(crate) time: u16,
    pub(crate) date: u16,
    pub(crate) crc32: u32,
    pub(crate) packed: u32,
    pub(crate) size: u32,
    pub(crate) name: Vec<u8>,
    pub(crate) extra: Vec<u8>,
}

impl Header {
    fn encode(&self, out: &mut Vec<u8>) {
        for field in [self.needed, self.flags, self.method, self.time, self.date] {
            out.extend(field.to_le_bytes());
        }
        for field in [self.crc32, self.packed, self.size] {
            out.extend(field.to_le_bytes());
        }
        out.extend(u16::try_from(self.name.len()).unwrap().to_le_bytes());
        out.extend(u16::try_from(self.extra.len()).unwrap().to_le_bytes());
    }
}

/// An entry, sound until a field is changed.
#[derive(Debug, Clone)]
pub(crate) struct Entry {
    pub(crate) before: Vec<u8>,
    pub(crate) local_signature: u32,
    pub(crate) local: Header,
    pub(crate) data: Vec<u8>,
    pub(crate) after: Vec<u8>,
    pub(crate) central: Header,
    pub(crate) made_by: u16,
    pub(crate) external: u32,
    pub(crate) disk: u16,
    pub(crate) comment: Vec<u8>,
    /// Another offset than the true one.
    pub(crate) offset: Option<u32>,
    /// Whether the central directory lists it.
    pub(crate) listed: bool,
}

impl Entry {
    /// A stored entry of the canonical profile.
    pub(crate) fn stored(name: &str, content: &[u8]) -> Self {
        let size = u32::try_from(content.len()).unwrap();
        let header = Header {
            needed: 20,
            flags: 0x0800,
            method: 0,
            time: 0,
            date: 0x0021,
            crc32: crc32fast::hash(content),
            packed: size,
            size,
            name: name.as_bytes().to_vec(),
            extra: Vec::new(),
        };
        Self {
            before: Vec::new(),
            local_signature: 0x0403_4B50,
            local: header.clone(),
            data: content.to_vec(),
            after: Vec::new(),
            central: header,
            made_by: 0x0314,
            external: 0o100_644 << 16,
            disk: 0,
            comment: Vec::new(),
            offset: None,
            listed: true,
        }
    }

    /// A deflated entry, otherwise as canonical as it can be.
    pub(crate) fn deflated(name: &str, content: &[u8]) -> Self {
        let mut encoder =
            flate2::write::DeflateEncoder::new(Vec::new(), flate2::Compression::best());
        encoder.write_all(content).unwrap();
        let packed = encoder.finish().unwrap();
        let mut entry = Self::stored(name, content);
        entry.both(|header| {
            header.method = 8;
            header.packed = u32::try_from(packed.len()).unwrap();
        });
        entry.data = packed;
        entry
    }

    /// Changes local and central header alike.
    pub(crate) fn both(&mut self, change: impl Fn(&mut Header)) {
        change(&mut self.local);
        change(&mut self.central);
    }

    /// Moves CRC and sizes behind the data.
    pub(crate) fn describe(&mut self) {
        self.both(|header| header.flags |= 0x0008);
        let mut descriptor = 0x0807_4B50_u32.to_le_bytes().to_vec();
        for field in [self.local.crc32, self.local.packed, self.local.size] {
            descriptor.extend(field.to_le_bytes());
        }
        (self.local.crc32, self.local.packed, self.local.size) = (0, 0, 0);
        self.after = descriptor;
    }
}

/// A whole archive, sound until a field is changed.
#[derive(Debug, Clone, Default)]
pub(crate) struct Archive {
    pub(crate) prefix: Vec<u8>,
    /// Whether offsets count the prefix.
    pub(crate) prefix_counted: bool,
    pub(crate) entries: Vec<Entry>,
    pub(crate) before_directory: Vec<u8>,
    pub(crate) before_end: Vec<u8>,
    pub(crate) comment: Vec<u8>,
    pub(crate) suffix: Vec<u8>,
    /// Added to the count of entries in the end record.
    pub(crate) count_lie: i32,
    /// Added to the size of the directory in the end record.
    pub(crate) size_lie: i32,
    pub(crate) disk: u16,
    /// Lists the directory backwards.
    pub(crate) reversed: bool,
}

impl Archive {
    pub(crate) fn entry(&mut self, name: &str) -> &mut Entry {
        let wanted = name.as_bytes();
        self.entries
            .iter_mut()
            .find(|entry| entry.local.name == wanted)
            .unwrap()
    }

    pub(crate) fn bytes(&self) -> Vec<u8> {
        let mut out = self.prefix.clone();
        let uncounted = if self.prefix_counted {
            0
        } else {
            self.prefix.len()
        };
        let mut directory = Vec::new();
        for entry in &self.entries {
            out.extend(&entry.before);
            let offset = u32::try_from(out.len() - uncounted).unwrap();
            out.extend(entry.local_signature.to_le_bytes());
            entry.local.encode(&mut out);
            out.extend(&entry.local.name);
            out.extend(&entry.local.extra);
            out.extend(&entry.data);
            out.extend(&entry.after);
            if entry.listed {
                directory.push(central(entry, entry.offset.unwrap_or(offset)));
            }
        }
        if self.reversed {
            directory.reverse();
        }
        out.extend(&self.before_directory);
        self.end(out, uncounted, &directory)
    }

    fn end(&self, mut out: Vec<u8>, uncounted: usize, directory: &[Vec<u8>]) -> Vec<u8> {
        let offset = u32::try_from(out.len() - uncounted).unwrap();
        let records = directory.concat();
        out.extend(&records);
        out.extend(&self.before_end);
        let count = i32::try_from(directory.len()).unwrap() + self.count_lie;
        let count = u16::try_from(count).unwrap();
        let size = i32::try_from(records.len()).unwrap() + self.size_lie;
        out.extend(0x0605_4B50_u32.to_le_bytes());
        for field in [self.disk, self.disk, count, count] {
            out.extend(field.to_le_bytes());
        }
        out.extend(size.to_le_bytes());
        out.extend(offset.to_le_bytes());
        out.extend(u16::try_from(self.comment.len()).unwrap().to_le_bytes());
        out.extend(&self.comment);
        out.extend(&self.suffix);
        out
    }
}

fn central(entry: &Entry, offset: u32) -> Vec<u8> {
    let mut out = 0x0201_4B50_u32.to_le_bytes().to_vec();
    out.extend(entry.made_by.to_le_bytes());
    entry.central.encode(&mut out);
    out.extend(u16::try_from(entry.comment.len()).unwrap().to_le_bytes());
    out.extend(entry.disk.to_le_bytes());
    out.extend([0; 2]);
    out.extend(entry.external.to_le_bytes());
    out.extend(offset.to_le_bytes());
    out.extend(&entry.central.name);
    out.extend(&entry.central.extra);
    out.extend(&entry.comment);
    out
}

/// The files of the sound container, with their media types.
pub(crate) const FILES: [(&str, &str, &[u8]); 3] = [
    (
        "document.json",
        "application/json",
        b"{\"subject\":\"hostile\"}",
    ),
    ("main.pdf", "application/pdf", b"%PDF-1.7 the main file"),
    ("annex.txt", "text/plain", b"an annex"),
];
/// What stands for a signature: nothing here judges it.
pub(crate) const SIGNATURE: &[u8] = b"not a CMS";
/// The content of `mimetype`.
pub(crate) const MIMETYPE: &[u8] = b"application/vnd.etsi.asic-e+zip";
/// The first manifest.
pub(crate) const MANIFEST: &str = "META-INF/ASiCManifest001.xml";
/// The first signature.
pub(crate) const P7S: &str = "META-INF/signature001.p7s";

/// A reference as it stands in the canonical manifest.
pub(crate) fn reference(uri: &str, media_type: &str, rootfile: bool, content: &[u8]) -> String {
    let rootfile = if rootfile { " Rootfile=\"true\"" } else { "" };
    let value = STANDARD.encode(digest(&SHA256, content));
    format!(
        "  <asic:DataObjectReference URI=\"{uri}\" MimeType=\"{media_type}\"{rootfile}>\n    \
         <ds:DigestMethod Algorithm=\"http://www.w3.org/2001/04/xmlenc#sha256\"/>\n    \
         <ds:DigestValue>{value}</ds:DigestValue>\n  </asic:DataObjectReference>\n"
    )
}

/// The canonical manifest around the references.
pub(crate) fn manifest(signature: &str, references: &str) -> String {
    format!(
        "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<asic:ASiCManifest \
         xmlns:asic=\"http://uri.etsi.org/02918/v1.2.1#\" \
         xmlns:ds=\"http://www.w3.org/2000/09/xmldsig#\">\n  <asic:SigReference \
         URI=\"{signature}\" MimeType=\"application/pkcs7-signature\"/>\n{references}\
         </asic:ASiCManifest>\n"
    )
}

/// The references to [`FILES`].
pub(crate) fn file_references() -> String {
    FILES
        .iter()
        .enumerate()
        .map(|(place, (name, kind, content))| reference(name, kind, place == 1, content))
        .collect()
}

/// A sound container.
pub(crate) fn sound() -> Archive {
    with_manifest(&manifest(P7S, &file_references()))
}

/// A container that is sound but for its manifest.
pub(crate) fn with_manifest(xml: &str) -> Archive {
    let mut entries = vec![Entry::stored("mimetype", MIMETYPE)];
    entries.extend(
        FILES
            .iter()
            .map(|(name, _, content)| Entry::stored(name, content)),
    );
    entries.push(Entry::stored(MANIFEST, xml.as_bytes()));
    entries.push(Entry::stored(P7S, SIGNATURE));
    Archive {
        entries,
        ..Archive::default()
    }
}

/// A sound container with one more file of this name, which the manifest covers under this URI.
pub(crate) fn with_file(name: &[u8], uri: &str) -> Archive {
    let references = file_references() + &reference(uri, "text/plain", false, b"more");
    let mut archive = with_manifest(&manifest(P7S, &references));
    let mut entry = Entry::stored("", b"more");
    entry.both(|header| header.name = name.to_vec());
    archive.entries.insert(4, entry);
    archive
}

/// A sound container with a second layer, whose manifest is given.
pub(crate) fn with_second_layer(xml: &str) -> Archive {
    let mut archive = sound();
    archive.entries.push(Entry::stored(
        "META-INF/ASiCManifest002.xml",
        xml.as_bytes(),
    ));
    archive
        .entries
        .push(Entry::stored("META-INF/signature002.p7s", b"another"));
    archive
}

/// The references of a sound second manifest.
pub(crate) fn second_references() -> String {
    let first = manifest(P7S, &file_references());
    file_references()
        + &reference(MANIFEST, "application/xml", false, first.as_bytes())
        + &reference(P7S, "application/pkcs7-signature", false, SIGNATURE)
}
