//! What brings a node from the version it has to the one in force: the heads between, and the
//! lines that changed.
//!
//! Updates are made once for each of the last versions, whoever asks and however often. Where the
//! caller's version does not lie here any more, or has another head, it gets the whole.

use std::ops::Range;
use std::path::Path;
use std::sync::Arc;

use bytes::Bytes;
use consign_domain::limits::MAX_VERSIONS_BETWEEN;
use consign_domain::{Digest, DirectoryVersion, SignedStatement};
use consign_proto::v1::{self, directory_reply::Message};
use consign_verify::Directory;
use consign_verify::directory::changes::{self, Change};

use super::files;

/// Entries sent in one message.
const ENTRIES: usize = 256 * 1024;

/// What a caller has.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Asked {
    /// `None` for nothing, or to get the whole.
    version: Option<DirectoryVersion>,
    /// `None` where it does not say.
    head: Option<Digest>,
}

impl Asked {
    /// Reads a request. A digest that is none is as good as none.
    pub(crate) fn of(request: &v1::DirectoryRequest) -> Self {
        Self {
            version: DirectoryVersion::new(request.have).ok(),
            head: request
                .head
                .as_ref()
                .try_into()
                .map(Digest::from_bytes)
                .ok(),
        }
    }

    /// Whether the caller needs nothing: it has this version, or a later one.
    pub(crate) fn has(&self, current: &Directory) -> bool {
        self.version.is_some_and(|version| {
            let same = || {
                self.head
                    .is_none_or(|head| head == current.signed_head().digest())
            };
            version > current.version() || (version == current.version() && same())
        })
    }

    /// The version and head that changes can begin from.
    fn base(&self, current: DirectoryVersion) -> Option<(DirectoryVersion, Digest)> {
        let version = self.version?;
        let near = current.value().saturating_sub(version.value()) <= MAX_VERSIONS_BETWEEN + 1;
        (near && version < current).then_some((version, self.head?))
    }
}

/// What brings a version to the one in force.
#[derive(Debug)]
pub(crate) struct Update {
    directory: Arc<Directory>,
    /// What it begins from; `None`: the whole.
    base: Option<(DirectoryVersion, Digest)>,
    between: Vec<SignedStatement>,
    changes: Vec<Change<Range<usize>>>,
    lists: Vec<Bytes>,
}

impl Update {
    /// Makes it from what lies in `place`. Blocks.
    pub(super) fn make(place: &Path, directory: Arc<Directory>, asked: &Asked) -> Self {
        let base = asked.base(directory.version());
        let old = base.and_then(|(version, head)| files::entries_of(place, version, head));
        let between = base.map(|(version, _)| version);
        let between =
            between.map(|version| files::heads_between(place, version, directory.version()));
        let new = directory.entries();
        let (base, changes) = match old {
            Some(old) => (base, changes::between(&old, new)),
            None => (None, vec![Change::Insert(0..new.len())]),
        };
        Self {
            directory,
            base,
            between: between.unwrap_or_default(),
            changes,
            lists: files::revocation_lists(place),
        }
    }
}

/// The updates to the version in force that were made already.
#[derive(Debug, Default)]
pub(crate) struct Updates(Vec<Arc<Update>>);

impl Updates {
    pub(super) fn find(&mut self, current: &Directory, asked: &Asked) -> Option<Arc<Update>> {
        let version = current.version();
        self.0.retain(|made| made.directory.version() == version);
        let base = Some(asked.base(version)?);
        self.0.iter().find(|made| made.base == base).cloned()
    }

    /// Keeps what took work: there is one of each version, whatever callers claim to have.
    pub(super) fn keep(&mut self, made: &Arc<Update>) {
        if made.base.is_some() {
            self.0.push(Arc::clone(made));
        }
    }
}

/// An update as messages, made as they are wanted.
pub(crate) struct Messages {
    update: Arc<Update>,
    next: Next,
}

enum Next {
    Between(usize),
    /// The change of this place; of the lines that it inserts, so many bytes were sent.
    Change(usize, usize),
    List(usize),
}

impl Messages {
    pub(crate) const fn new(update: Arc<Update>) -> Self {
        let next = Next::Between(0);
        Self { update, next }
    }
}

impl Iterator for Messages {
    type Item = Message;

    fn next(&mut self) -> Option<Message> {
        match self.next {
            Next::Between(place) => {
                if let Some(head) = self.update.between.get(place) {
                    self.next = Next::Between(place + 1);
                    return Some(Message::Between(consign_proto::signed_message(head)));
                }
                self.next = Next::Change(0, 0);
                let head = self.update.directory.signed_head();
                Some(Message::Head(consign_proto::signed_message(head)))
            }
            Next::Change(place, sent) => {
                let lines = match self.update.changes.get(place) {
                    None => {
                        self.next = Next::List(0);
                        return self.next();
                    }
                    Some(Change::Insert(lines)) => lines,
                    Some(Change::Keep(count)) => {
                        self.next = Next::Change(place + 1, 0);
                        return Some(Message::Kept(*count));
                    }
                    Some(Change::Drop(count)) => {
                        self.next = Next::Change(place + 1, 0);
                        return Some(Message::Dropped(*count));
                    }
                };
                let inserted = self.update.directory.entries().get(lines.clone())?;
                let piece = whole_lines(inserted.get(sent..)?, ENTRIES);
                let sent = sent + piece.len();
                self.next = if sent < inserted.len() {
                    Next::Change(place, sent)
                } else {
                    Next::Change(place + 1, 0)
                };
                Some(Message::Entries(Bytes::copy_from_slice(piece)))
            }
            Next::List(place) => {
                self.next = Next::List(place + 1);
                self.update.lists.get(place).cloned().map(Message::List)
            }
        }
    }
}

/// As many whole lines as fit into `most` bytes, and at least one.
fn whole_lines(entries: &[u8], most: usize) -> &[u8] {
    let end_of_line = |byte: &u8| *byte == b'\n';
    let window = entries.get(..most).unwrap_or(entries);
    let end = if window.len() == entries.len() {
        entries.len()
    } else {
        match window.iter().rposition(end_of_line) {
            Some(last) => last + 1,
            None => entries
                .iter()
                .position(end_of_line)
                .map_or(entries.len(), |first| first + 1),
        }
    };
    entries.get(..end).unwrap_or(entries)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn entries_travel_in_whole_lines() {
        let entries = b"aaaa\nbb\ncccccc\n";
        let mut rest: &[u8] = entries;
        let mut pieces = Vec::new();
        while !rest.is_empty() {
            let piece = whole_lines(rest, 8);
            pieces.push(piece);
            rest = &rest[piece.len()..];
        }
        assert_eq!(pieces, [&b"aaaa\nbb\n"[..], b"cccccc\n"]);
        assert_eq!(whole_lines(b"aaaaaaaaaaaa\nb\n", 4), b"aaaaaaaaaaaa\n");
    }
}
