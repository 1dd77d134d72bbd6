//! What revisions change of what stands before them, object by object.
//!
//! What an object is, it is by what it was: a page's content does not become validation data by
//! being called so. An object that is new counts for what it is only if nothing led to its number
//! before.

mod forms;

use std::cell::Cell;
use std::collections::{HashMap, HashSet};

use super::super::dictionary::find;
use super::super::lexer::{Entry, Lexer, Token};
use super::{History, Object, REREAD, has};
use forms::gained;

/// What revisions change, each kind more than the one before (ISO 32000-2 §12.8.2.2.2, table 257).
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
#[non_exhaustive]
pub enum Changes {
    /// Nothing, or validation data and time-stamps over the file, which are no changes.
    Nothing,
    /// Forms are filled in, signatures are added.
    Forms,
    /// Annotations, too.
    Annotations,
    /// Something that cannot be seen, or compared.
    Unclear,
    /// Anything else.
    Anything,
}

/// Entries of a catalog that say nothing of its pages, or are judged themselves.
const CATALOG: [&[u8]; 6] = [
    b"AcroForm",
    b"DSS",
    b"Perms",
    b"Extensions",
    b"Version",
    b"Metadata",
];

/// Entries of the file's information, which is not on its pages (ISO 32000-2 §14.3.3).
const INFORMATION: [&[u8]; 8] = [
    b"Title",
    b"Author",
    b"Subject",
    b"Keywords",
    b"Creator",
    b"Producer",
    b"CreationDate",
    b"ModDate",
];

/// Entries of validation data (ISO 32000-2 §12.8.4.3, tables 261 and 262).
const VALIDATION_DATA: [&[u8]; 10] = [
    b"Certs", b"OCSPs", b"CRLs", b"VRI", b"Cert", b"CRL", b"OCSP", b"TU", b"TS", b"Type",
];

/// The newest definition of each object before an end, and after it.
struct Revisions<'h> {
    end: usize,
    before: HashMap<u32, &'h Object>,
    after: HashMap<u32, &'h Object>,
    /// Arrays that list annotations or fields.
    lists: HashSet<u32>,
    /// Objects below this number may be packed before the end.
    packed_below: u32,
    /// Bytes that may still be read again.
    budget: Cell<usize>,
}

impl Revisions<'_> {
    /// Whether so many bytes may be read again, which then are.
    fn may_read(&self, bytes: usize) -> bool {
        let left = self.budget.get().checked_sub(bytes);
        self.budget.set(left.unwrap_or(0));
        left.is_some()
    }
}

/// A later object as it is read.
struct Later<'h> {
    object: &'h Object,
    entries: Vec<Entry>,
    kind: Option<Vec<u8>>,
}

impl History<'_> {
    /// What the revisions after an end change of what stands before it.
    pub fn changes_after(&self, end: usize) -> Changes {
        if !self.is_complete {
            return Changes::Unclear;
        }
        let (before, after) = (self.roots(0..end), self.roots(end..self.file.len()));
        let (Some(before), Some(after)) = (before, after) else {
            return Changes::Unclear;
        };
        if !after.is_subset(&before) {
            return Changes::Anything;
        }
        let revisions = self.revisions(end);
        let changes = self
            .later(end)
            .map(|object| self.change(object, &revisions));
        changes.max().unwrap_or(Changes::Nothing)
    }

    fn revisions(&self, end: usize) -> Revisions<'_> {
        let by_number = |object| -> (u32, &Object) { (Object::number(object), object) };
        let earlier = || {
            let objects = self.objects.iter();
            objects.take_while(move |object| object.header.begin < end)
        };
        let sizes = earlier().filter_map(|object| object.numbers);
        let packed_below = if earlier().any(|object| object.is_packed) {
            sizes.max().unwrap_or(u32::MAX)
        } else {
            0
        };
        // A page may show what is listed there, too.
        let is_only_list = |number: &u32| {
            let referred = self.referred.get(number);
            *number >= packed_below && referred.is_some_and(|referred| referred.is_list)
        };
        let lists = earlier().filter_map(|object| object.list);
        let lists: HashSet<u32> = lists.filter(is_only_list).collect();
        Revisions {
            end,
            before: earlier().map(by_number).collect(),
            after: self.later(end).map(by_number).collect(),
            lists,
            packed_below,
            budget: Cell::new(self.file.len().saturating_mul(REREAD)),
        }
    }

    /// What one object of a later revision changes.
    fn change(&self, object: &Object, revisions: &Revisions<'_>) -> Changes {
        let before = revisions.before.get(&object.number()).copied();
        let Some(entries) = self.entries(object) else {
            return self.change_of_other(object, before, revisions);
        };
        let later = Later {
            object,
            kind: self.name(&entries, b"Type"),
            entries,
        };
        if object.is_packed {
            return Changes::Unclear;
        }
        match before {
            None => self.addition(&later, revisions),
            Some(before) if revisions.may_read(before.size()) => {
                self.replacement(&later, before, revisions)
            }
            Some(_) => Changes::Unclear,
        }
    }

    /// Whether something before the end leads to a number that stands nowhere in the open there.
    fn was_expected(&self, object: &Object, revisions: &Revisions<'_>) -> bool {
        let number = object.number();
        let referred = self.referred.get(&number);
        number < revisions.packed_below || referred.is_some_and(|one| one.first < revisions.end)
    }

    fn addition(&self, later: &Later<'_>, revisions: &Revisions<'_>) -> Changes {
        let entries = later.entries.as_slice();
        if self.was_expected(later.object, revisions) {
            return Changes::Unclear;
        }
        match later.kind.as_deref() {
            Some(b"Catalog" | b"Page" | b"Pages") => Changes::Anything,
            _ if has(entries, b"XFA") => Changes::Anything,
            _ if self.is_field(entries) => self.change_of_field(entries, None, revisions),
            _ if self.is_annotation(entries) => Changes::Annotations,
            // Nothing leads to it but what is judged itself.
            _ => Changes::Nothing,
        }
    }

    fn replacement(
        &self,
        later: &Later<'_>,
        before: &Object,
        revisions: &Revisions<'_>,
    ) -> Changes {
        let Some(old) = self.entries(before) else {
            return Changes::Anything;
        };
        let (kind, old_kind) = (later.kind.as_deref(), self.name(&old, b"Type"));
        let entries = later.entries.as_slice();
        if !self.is_kept(b"XFA", entries, &old) {
            return Changes::Anything;
        }
        let is_stream = self.is_stream(later.object) || self.is_stream(before);
        match kind {
            _ if !is_stream && self.is_field(entries) && self.is_field(&old) => {
                return self.change_of_field(entries, Some(&old), revisions);
            }
            _ if !is_stream && self.is_annotation(entries) && self.is_annotation(&old) => {
                return Changes::Annotations;
            }
            _ if kind != old_kind.as_deref() => return Changes::Anything,
            Some(b"DSS" | b"VRI") if !is_stream => {
                return self.difference(&VALIDATION_DATA, entries, &old);
            }
            Some(b"XRef" | b"Metadata") => {
                return self.change_of_hidden(later, before, revisions);
            }
            None if !is_stream && is_information(&old) => {
                return self.difference(&INFORMATION, entries, &old);
            }
            Some(b"Catalog") => {
                let form = self.change_of_form_named(entries, &old, revisions);
                return self.difference(&CATALOG, entries, &old).max(form);
            }
            Some(b"Page") => {
                let changed = Changes::Annotations;
                let list = self.change_of_list(b"Annots", entries, &old, changed, revisions);
                return self.difference(&[b"Annots"], entries, &old).max(list);
            }
            _ => {}
        }
        if has(entries, b"Fields") && has(&old, b"Fields") {
            self.change_of_form(entries, &old, revisions)
        } else if is_stream {
            self.change_of_stream(later, before)
        } else {
            self.difference(&[], entries, &old)
        }
    }

    /// Metadata and cross-references are on no page, where nothing calls them anything else.
    fn change_of_hidden(
        &self,
        later: &Later<'_>,
        before: &Object,
        revisions: &Revisions<'_>,
    ) -> Changes {
        let number = later.object.number();
        let is_metadata = later.kind.as_deref() == Some(b"Metadata");
        let referred = self.referred.get(&number);
        let is_hidden = referred.is_none_or(|referred| is_metadata && referred.is_metadata);
        if self.body(later.object) == self.body(before)
            || is_hidden && number >= revisions.packed_below
        {
            Changes::Nothing
        } else {
            Changes::Unclear
        }
    }

    /// What a stream holds is not in its dictionary.
    fn change_of_stream(&self, later: &Later<'_>, before: &Object) -> Changes {
        let is_form = self.name(&later.entries, b"Subtype").as_deref() == Some(b"Form");
        if self.body(later.object) == self.body(before) {
            Changes::Nothing
        } else if is_form {
            // It may be what a field looks like, or stand on a page.
            Changes::Unclear
        } else {
            Changes::Anything
        }
    }

    /// What differs between two dictionaries of one object, but for some entries.
    fn difference(&self, allowed: &[&[u8]], entries: &[Entry], old: &[Entry]) -> Changes {
        let mut keys = entries.iter().chain(old).map(|entry| entry.key.as_slice());
        if keys.all(|key| allowed.contains(&key) || self.is_kept(key, entries, old)) {
            Changes::Nothing
        } else {
            Changes::Anything
        }
    }

    /// An object that is no dictionary.
    fn change_of_other(
        &self,
        object: &Object,
        before: Option<&Object>,
        revisions: &Revisions<'_>,
    ) -> Changes {
        match before {
            None if self.was_expected(object, revisions) => Changes::Unclear,
            None => Changes::Nothing,
            Some(before) if !revisions.may_read(before.size()) => Changes::Unclear,
            Some(before) if self.body(before) == self.body(object) => Changes::Nothing,
            Some(before) if self.is_array(object) && revisions.lists.contains(&object.number()) => {
                let listed = |object: &Object| {
                    let body = object.header.body..object.end;
                    self.listed(&body, revisions)
                };
                let (before, now) = (listed(before), listed(object));
                gained(before, now, Changes::Annotations, revisions)
            }
            Some(_) => Changes::Anything,
        }
    }

    /// Whether an entry is what it was, or is in neither.
    fn is_kept(&self, key: &[u8], entries: &[Entry], old: &[Entry]) -> bool {
        match (find(entries, key), find(old, key)) {
            (None, None) => true,
            (Some(now), Some(before)) => self.tokens(now) == self.tokens(before),
            _ => false,
        }
    }

    fn is_array(&self, object: &Object) -> bool {
        let mut lexer = Lexer::new(self.until(object.end), object.header.body);
        matches!(lexer.token(), Ok((Token::ArrayBegin, _)))
    }

    fn is_stream(&self, object: &Object) -> bool {
        let mut lexer = Lexer::new(self.until(object.end), object.header.body);
        lexer.dictionary().is_ok() && matches!(lexer.token(), Ok((Token::Regular(b"stream"), _)))
    }

    /// What stands between an object's header and its end.
    fn body(&self, object: &Object) -> &[u8] {
        const END: &[u8] = b"endobj";
        let whole = self.file.get(object.header.body..object.end);
        let whole = whole.unwrap_or_default();
        let end = whole.windows(END.len()).rposition(|window| window == END);
        whole.get(..end.unwrap_or(whole.len())).unwrap_or(whole)
    }

    fn is_field(&self, entries: &[Entry]) -> bool {
        let is_one = has(entries, b"FT") || self.is_widget(entries);
        is_one && self.is_loose(entries)
    }

    /// Whether the type allows for a field or an annotation.
    fn is_loose(&self, entries: &[Entry]) -> bool {
        !has(entries, b"Type") || self.name(entries, b"Type").as_deref() == Some(b"Annot")
    }

    fn is_widget(&self, entries: &[Entry]) -> bool {
        self.name(entries, b"Subtype").as_deref() == Some(b"Widget")
    }

    fn is_annotation(&self, entries: &[Entry]) -> bool {
        let is_one = self.name(entries, b"Type").as_deref() == Some(b"Annot")
            || has(entries, b"Subtype") && has(entries, b"Rect");
        is_one && self.is_loose(entries) && !self.is_widget(entries)
    }

    /// How a value is written, token by token.
    fn tokens(&self, entry: &Entry) -> Vec<&[u8]> {
        let mut lexer = Lexer::new(self.until(entry.value.end), entry.value.start);
        let mut spans = Vec::new();
        while let Ok((_, span)) = lexer.token() {
            spans.push(self.file.get(span).unwrap_or_default());
        }
        spans
    }
}

fn is_information(entries: &[Entry]) -> bool {
    INFORMATION.iter().any(|key| has(entries, key))
}
