//! The list of a backup's files.
//!
//! One JSON object a line: the [`Header`], the files in the order of their paths, and an end
//! with their number and the SHA-256 of all lines before it. A list without its end, or with
//! another one, is damaged.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::{BufRead as _, BufReader, BufWriter, Read as _, Write as _};
use std::path::{Component, Path};

use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};

use super::error::{BackupError, fault};
use crate::entropy;
use crate::files::{self, Action};

/// Longest line.
const MAX_LINE: u64 = 64 * 1024;
/// Most files of one backup.
const MAX_FILES: usize = 50_000_000;

/// What a backup is of.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Subject {
    /// `hub` or `node`.
    pub role: String,
    /// Its id, for ever.
    pub id: String,
}

/// What a backup says of itself.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Header {
    /// The form of the list.
    pub format: Format,
    /// What it is of.
    pub subject: Subject,
    /// The network's id.
    pub network: String,
    /// When copying began, in seconds since 1970: what was durable then is in it.
    pub created: u64,
    /// The version of the program that made it.
    pub software: String,
    /// Whether secret keys are in it.
    pub keys: bool,
    /// What else is known, by name.
    pub facts: BTreeMap<String, String>,
}

/// The form of the list.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub enum Format {
    /// The first.
    #[default]
    #[serde(rename = "consign/backup/v1")]
    V1,
}

/// One file.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct FileEntry {
    /// Its path in the directory that was copied, with `/` between its parts.
    pub path: String,
    /// Its size in bytes.
    pub size: u64,
    /// Its SHA-256 in hexadecimal.
    pub sha256: String,
    /// Its permission bits.
    pub mode: u32,
    /// When it was last changed, in nanoseconds since 1970.
    pub modified: u64,
    /// The copy's path where it is not its own: an earlier copy has that still.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub stored: Option<String>,
}

#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct End {
    files: u64,
    sha256: String,
}

impl FileEntry {
    /// The copy's path below the copies.
    #[must_use]
    pub fn stored(&self) -> &str {
        self.stored.as_deref().unwrap_or(&self.path)
    }

    fn is_sound(&self) -> bool {
        let digest = self.sha256.len() == 64
            && (self.sha256.bytes()).all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'));
        digest && stays_below(&self.path) && stays_below(self.stored())
    }
}

/// Whether a path names something below where it starts.
fn stays_below(path: &str) -> bool {
    let mut parts = Path::new(path).components().peekable();
    parts.peek().is_some() && parts.all(|part| matches!(part, Component::Normal(_)))
}

/// Writes the list and gives it its name; durable on return.
pub(super) fn publish(
    path: &Path,
    header: &Header,
    entries: &BTreeMap<String, FileEntry>,
) -> Result<(), BackupError> {
    let random = entropy::hex::<8>().map_err(files::FileError::from)?;
    let temporary = path.with_file_name(format!(".publishing-{random}"));
    let file = File::create_new(&temporary).map_err(fault(Action::Create, &temporary))?;
    let (mut out, mut hash) = (BufWriter::with_capacity(1 << 20, file), Sha256::new());
    let mut line = |value: Vec<u8>, hash: &mut Sha256| {
        let mut value = value;
        value.push(b'\n');
        hash.update(&value);
        out.write_all(&value)
            .map_err(fault(Action::Write, &temporary))
    };
    line(json(header), &mut hash)?;
    for entry in entries.values() {
        line(json(entry), &mut hash)?;
    }
    let end = End {
        files: entries.len() as u64,
        sha256: hex(&hash.clone().finalize()),
    };
    line(json(&end), &mut hash)?;
    let file = out.into_inner().map_err(|error| {
        let error = error.into_error();
        fault(Action::Write, &temporary)(error)
    })?;
    file.sync_all().map_err(fault(Action::Sync, &temporary))?;
    std::fs::rename(&temporary, path).map_err(fault(Action::Rename, path))?;
    Ok(files::sync_dir(path.parent().unwrap_or(Path::new(".")))?)
}

/// Reads a list whole and checks it.
pub(super) fn read(path: &Path) -> Result<(Header, Vec<FileEntry>), BackupError> {
    let file = File::open(path).map_err(fault(Action::Read, path))?;
    let mut lines = Lines::new(file, path);
    let header = lines.next()?.ok_or_else(|| lines.damaged())?;
    let header = parse(&header).ok_or_else(|| lines.damaged())?;
    let mut entries: Vec<FileEntry> = Vec::new();
    let mut before = lines.digest();
    while let Some(line) = lines.next()? {
        if let Some(end) = parse::<End>(&line) {
            let whole = end.files == entries.len() as u64 && end.sha256 == before;
            return if whole && lines.next()?.is_none() {
                Ok((header, entries))
            } else {
                Err(lines.damaged())
            };
        }
        let entry: FileEntry = parse(&line).ok_or_else(|| lines.damaged())?;
        let ascends = entries.last().is_none_or(|last| last.path < entry.path);
        if !entry.is_sound() || !ascends || entries.len() >= MAX_FILES {
            return Err(lines.damaged());
        }
        entries.push(entry);
        before = lines.digest();
    }
    Err(lines.damaged())
}

/// What an unfinished run noted; what a crash left torn at its end is not looked at.
pub(super) fn read_progress(path: &Path) -> Result<Vec<FileEntry>, BackupError> {
    let file = match File::open(path) {
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(Vec::new()),
        opened => opened.map_err(fault(Action::Read, path))?,
    };
    let mut lines = Lines::new(file, path);
    let mut entries = Vec::new();
    while let Ok(Some(line)) = lines.next() {
        let Some(entry) = parse::<FileEntry>(&line).filter(FileEntry::is_sound) else {
            break;
        };
        if entries.len() >= MAX_FILES {
            break;
        }
        entries.push(entry);
    }
    Ok(entries)
}

/// An entry as a line.
pub(super) fn line(entry: &FileEntry) -> Vec<u8> {
    let mut line = json(entry);
    line.push(b'\n');
    line
}

fn json<T: Serialize>(value: &T) -> Vec<u8> {
    // Structs of text and numbers: there is nothing that JSON cannot say.
    serde_json::to_vec(value).unwrap_or_default()
}

fn parse<'a, T: Deserialize<'a>>(line: &'a [u8]) -> Option<T> {
    serde_json::from_slice(line).ok()
}

pub(super) fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// Lines of bounded length, with the digest of all that was read.
struct Lines<'a> {
    from: BufReader<File>,
    hash: Sha256,
    number: u64,
    path: &'a Path,
}

impl<'a> Lines<'a> {
    fn new(file: File, path: &'a Path) -> Self {
        Self {
            from: BufReader::with_capacity(1 << 20, file),
            hash: Sha256::new(),
            number: 0,
            path,
        }
    }

    fn next(&mut self) -> Result<Option<Vec<u8>>, BackupError> {
        let mut line = Vec::new();
        let read = (&mut self.from)
            .take(MAX_LINE)
            .read_until(b'\n', &mut line)
            .map_err(fault(Action::Read, self.path))?;
        if read == 0 {
            return Ok(None);
        }
        self.number += 1;
        self.hash.update(&line);
        if line.pop() != Some(b'\n') {
            return Err(self.damaged());
        }
        Ok(Some(line))
    }

    fn digest(&self) -> String {
        hex(&self.hash.clone().finalize())
    }

    fn damaged(&self) -> BackupError {
        BackupError::Manifest {
            path: self.path.to_owned(),
            line: self.number,
        }
    }
}
