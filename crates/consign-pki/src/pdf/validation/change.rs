//! What a revision makes of one object that was there before.

use std::collections::HashMap;

use super::super::dictionary::find;
use super::super::lexer::{Entry, Lexer, Token, words};
use super::written::{Object, dictionary, inner, small};

/// Entries of a catalog that show nothing.
const CATALOG: [&[u8]; 2] = [b"DSS", b"Extensions"];
/// Entries of a form that lists more signatures.
const FORM: [&[u8]; 2] = [b"Fields", b"SigFlags"];

/// One revision, and what was there before it.
pub(super) struct Revision<'r> {
    pub(super) file: &'r [u8],
    pub(super) objects: &'r HashMap<u32, Object>,
    pub(super) before: &'r HashMap<u32, usize>,
}

impl Revision<'_> {
    pub(super) fn before(&self, number: u32) -> Option<Vec<Entry>> {
        dictionary(self.file, *self.before.get(&number)?)
    }

    pub(super) fn now(&self, number: u32) -> Option<Vec<Entry>> {
        dictionary(self.file, self.objects.get(&number)?.body)
    }

    pub(super) fn is_named(&self, entries: &[Entry], key: &[u8], name: &[u8]) -> bool {
        let token =
            find(entries, key).map(|entry| Lexer::new(self.file, entry.value.start).token());
        matches!(token, Some(Ok((Token::Name(found), _))) if found == name)
    }

    /// The objects that an array lists; nothing where there is none.
    fn listed(&self, entry: Option<&Entry>) -> Option<Vec<u32>> {
        let Some(entry) = entry else {
            return Some(Vec::new());
        };
        let words = words(self.file, &entry.value);
        let [b"[", listed @ .., b"]"] = words.as_slice() else {
            return None;
        };
        let (references, []) = listed.as_chunks() else {
            return None;
        };
        let number = |one: &[&[u8]; 3]| match one {
            [number, b"0", b"R"] => small(number),
            _ => None,
        };
        references.iter().map(number).collect()
    }
}

/// A dictionary as it was and as it is.
pub(super) struct Change<'c> {
    pub(super) revision: &'c Revision<'c>,
    pub(super) before: &'c [Entry],
    pub(super) now: &'c [Entry],
}

impl Change<'_> {
    /// The fields that a catalog gains, where nothing else changes that is shown.
    pub(super) fn of_catalog(&self) -> Option<Vec<u32>> {
        let form = |entries| inner(self.revision.file, find(entries, b"AcroForm")?);
        match (form(self.before), form(self.now)) {
            (Some(before), Some(now)) => {
                let [first, second] = CATALOG;
                self.is_within(&[first, second, b"AcroForm"])
                    .then_some(())?;
                let (before, now) = (&before, &now);
                Change {
                    before,
                    now,
                    ..*self
                }
                .of_form()
            }
            _ => self.is_within(&CATALOG).then(Vec::new),
        }
    }

    pub(super) fn of_form(&self) -> Option<Vec<u32>> {
        self.is_within(&FORM).then_some(())?;
        self.gained(b"Fields")
    }

    /// Whether nothing else changes than these entries.
    pub(super) fn is_within(&self, allowed: &[&[u8]]) -> bool {
        let entries = self.before.iter().chain(self.now);
        let mut keys = entries.map(|entry| entry.key.as_slice());
        keys.all(|key| allowed.contains(&key) || self.is_kept(key))
    }

    /// What a list has gained at its end.
    pub(super) fn gained(&self, key: &[u8]) -> Option<Vec<u32>> {
        if self.is_kept(key) {
            return Some(Vec::new());
        }
        let listed = |entries| self.revision.listed(find(entries, key));
        let (before, now) = (listed(self.before)?, listed(self.now)?);
        now.strip_prefix(before.as_slice()).map(<[u32]>::to_vec)
    }

    /// Whether an entry is written as it was, or is in neither.
    fn is_kept(&self, key: &[u8]) -> bool {
        let written = |entries: &[Entry]| {
            let entry = find(entries, key)?;
            Some(words(self.revision.file, &entry.value))
        };
        written(self.before) == written(self.now)
    }
}
