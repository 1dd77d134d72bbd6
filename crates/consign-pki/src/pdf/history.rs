//! What later revisions of a file do to what was signed before, as far as it stands in the open:
//! which objects they define anew, and whether they take a signature out of its field.
//!
//! Cross-references are not followed and packed objects are not unpacked, so an answer of
//! "nothing more" is a look and no proof; what cannot be seen is [`Changes::Unclear`] and
//! [`Shown::Unclear`]. The proof that a revision is somebody's word is the signature over it.

use std::collections::{HashMap, HashSet};
use std::ops::Range;

use super::PdfSignature;
use super::dictionary::find;
use super::lexer::{Entry, Lexer, Token};
use super::objects::{self, Header};

/// Most objects of a file that are looked at.
const MAX_OBJECTS: usize = 1 << 18;

/// Most objects that refer to one signature: a field, and what it was before.
const MAX_FIELDS: usize = 16;

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

/// Whether the file as it ends still shows a signature in its field.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum Shown {
    /// No later revision was seen to take it out.
    Yes,
    /// A later revision takes it out, or puts something else into its field.
    Withdrawn,
    /// Its field, or what came later, cannot be seen.
    Unclear,
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

/// The newest definition of each object before an end, and after it.
struct Revisions<'h> {
    before: HashMap<u32, &'h Object>,
    after: HashMap<u32, &'h Object>,
}

/// An object: its header, where the next one begins, and what is asked of every object.
#[derive(Debug, Clone, Copy)]
struct Object {
    header: Header,
    end: usize,
    /// The object that its `/V` refers to.
    value: Option<u32>,
    /// Whether it holds others, packed.
    is_packed: bool,
    /// Whether it is a form, or holds one.
    has_form: bool,
}

/// The objects of a file in the order in which they stand.
#[derive(Debug)]
pub struct History<'f> {
    file: &'f [u8],
    objects: Vec<Object>,
    is_complete: bool,
}

impl<'f> History<'f> {
    pub(super) fn read(file: &'f [u8]) -> Self {
        let mut headers: Vec<Header> = objects::headers(file).take(MAX_OBJECTS + 1).collect();
        let is_complete = headers.len() <= MAX_OBJECTS;
        headers.truncate(MAX_OBJECTS);
        let ends: Vec<usize> = headers
            .iter()
            .skip(1)
            .map(|next| next.begin)
            .chain([file.len()])
            .collect();
        let mut history = Self {
            file,
            objects: Vec::new(),
            is_complete,
        };
        let objects = headers.into_iter().zip(ends);
        history.objects = objects
            .map(|(header, end)| history.look_at(header, end))
            .collect();
        history
    }

    /// Each object is read once, however many signatures there are.
    fn look_at(&self, header: Header, end: usize) -> Object {
        let mut object = Object {
            header,
            end,
            value: None,
            is_packed: false,
            has_form: false,
        };
        if let Some(entries) = self.entries(&object) {
            let value = find(&entries, b"V");
            object.value = value.and_then(|entry| self.reference(&entry.value));
            object.is_packed = self.name(&entries, b"Type").as_deref() == Some(b"ObjStm");
            object.has_form = has(&entries, b"Fields") || has(&entries, b"AcroForm");
        }
        object
    }

    /// What the revisions after an end change of what stands before it.
    pub fn changes_after<'a>(&'a self, end: usize) -> Changes {
        if !self.is_complete {
            return Changes::Unclear;
        }
        let (before, after) = (self.roots(0..end), self.roots(end..self.file.len()));
        if !after.is_subset(&before) {
            return Changes::Anything;
        }
        let by_number = |object: &'a Object| (object.header.number, object);
        let earlier = self.objects.iter().map(by_number);
        let earlier = earlier.take_while(|(_, object)| object.header.begin < end);
        let revisions = Revisions {
            before: earlier.collect(),
            after: self.later(end).map(by_number).collect(),
        };
        let changes = self
            .later(end)
            .map(|object| self.change(object, &revisions));
        changes.max().unwrap_or(Changes::Nothing)
    }

    /// Whether the file as it ends still shows a signature.
    pub fn shown(&self, signature: &PdfSignature) -> Shown {
        let end = signature.end;
        if self.later(end).next().is_none() {
            return Shown::Yes;
        }
        let number = signature.object;
        let fields: Vec<&Object> = self
            .objects
            .iter()
            .filter(|object| object.header.begin < end)
            .filter(|object| object.value == Some(number))
            .take(MAX_FIELDS)
            .collect();
        let freed = self.freed(end);
        let mut forms = self.later(end).rev().filter(|object| object.has_form);
        let list = forms.find_map(|form| self.field_list(form));
        let is_gone = |field: &&Object| {
            let numbers = [field.header.number, number];
            numbers.iter().any(|number| freed.contains(number))
                || self.is_emptied(field, number, end)
                || list
                    .as_ref()
                    .is_some_and(|list| !self.is_listed(field, list))
        };
        if fields.iter().any(is_gone) {
            return Shown::Withdrawn;
        }
        let is_one = (1..MAX_FIELDS).contains(&fields.len());
        if !is_one || !self.is_complete || self.later(end).any(|one| one.is_packed) {
            return Shown::Unclear;
        }
        Shown::Yes
    }

    /// Whether a later revision puts something else into a field.
    fn is_emptied(&self, field: &Object, signature: u32, end: usize) -> bool {
        let number = field.header.number;
        let mut newest = self.later(end).rev();
        let newest = newest.find(|one| one.header.number == number);
        newest.is_some_and(|newest| newest.value != Some(signature))
    }

    /// Whether a form lists a field, or the one that it belongs to.
    fn is_listed(&self, field: &Object, list: &HashSet<u32>) -> bool {
        let entries = self.entries(field).unwrap_or_default();
        let parent = find(&entries, b"Parent").and_then(|entry| self.reference(&entry.value));
        let mut names = [Some(field.header.number), parent].into_iter().flatten();
        names.any(|number| list.contains(&number))
    }

    /// What one object of a later revision changes.
    fn change(&self, object: &Object, revisions: &Revisions<'_>) -> Changes {
        let before = revisions.before.get(&object.header.number).copied();
        let Some(entries) = self.entries(object) else {
            return self.change_of_other(object, before);
        };
        let kind = self.kind(object);
        match (kind.as_deref(), before) {
            (Some(b"XRef" | b"Sig" | b"DocTimeStamp" | b"DSS" | b"VRI"), _) => Changes::Nothing,
            (Some(b"ObjStm"), _) => Changes::Unclear,
            (Some(b"Catalog" | b"Page" | b"Pages"), None) => Changes::Anything,
            (Some(b"Annot"), _) if !self.is_widget(&entries) => Changes::Annotations,
            _ if self.is_field(&entries) => self.change_of_field(&entries, revisions),
            (_, Some(before)) if has(&entries, b"Fields") => {
                let allowed: [&[u8]; 2] = [b"Fields", b"SigFlags"];
                self.difference(&allowed, &entries, before)
                    .min(Changes::Forms)
            }
            (_, None) if has(&entries, b"Subtype") && has(&entries, b"Rect") => {
                Changes::Annotations
            }
            // Nothing leads to it but what is judged itself.
            (_, None) => Changes::Nothing,
            (Some(b"Metadata"), Some(_)) => Changes::Nothing,
            // The file's information, which is not on its pages.
            (None, Some(_)) if has(&entries, b"Producer") || has(&entries, b"ModDate") => {
                Changes::Nothing
            }
            (Some(b"Catalog"), Some(before)) => self.difference(&CATALOG, &entries, before),
            (Some(b"Page"), Some(before)) => self.difference(&[b"Annots"], &entries, before),
            // What a stream holds is not in its dictionary.
            (_, Some(before)) if self.is_stream(object) || self.is_stream(before) => {
                let is_form = self.name(&entries, b"Subtype").as_deref() == Some(b"Form");
                if self.body(object) == self.body(before) {
                    Changes::Nothing
                } else if is_form {
                    // It may be what a field looks like, or stand on a page.
                    Changes::Unclear
                } else {
                    Changes::Anything
                }
            }
            (_, Some(before)) => self.difference(&[], &entries, before),
        }
    }

    /// A field that holds a time-stamp over the file is no change.
    fn change_of_field(&self, entries: &[Entry], revisions: &Revisions<'_>) -> Changes {
        let value = find(entries, b"V").and_then(|entry| self.reference(&entry.value));
        let value = value.and_then(|number| revisions.after.get(&number));
        let kind = value.and_then(|object| self.kind(object));
        match kind.as_deref() {
            Some(b"DocTimeStamp") => Changes::Nothing,
            _ => Changes::Forms,
        }
    }

    /// What differs between two dictionaries of one object, but for some entries.
    fn difference(&self, allowed: &[&[u8]], entries: &[Entry], before: &Object) -> Changes {
        let Some(old) = self.entries(before) else {
            return Changes::Unclear;
        };
        let is_kept = |entry: &Entry, others: &[Entry]| {
            allowed.contains(&entry.key.as_slice())
                || find(others, &entry.key).is_some_and(|other| self.is_same(entry, other))
        };
        let mut all = entries.iter().map(|entry| is_kept(entry, &old));
        let mut gone = old.iter().map(|entry| is_kept(entry, entries));
        if all.all(|kept| kept) && gone.all(|kept| kept) {
            Changes::Nothing
        } else {
            Changes::Anything
        }
    }

    /// An object that is no dictionary: lists of references are those of fields and annotations,
    /// which are judged themselves.
    fn change_of_other(&self, object: &Object, before: Option<&Object>) -> Changes {
        let array = |object: &Object| {
            let lexer = Lexer::new(self.until(object.end), object.header.body).token();
            matches!(lexer, Ok((Token::ArrayBegin, _)))
        };
        match before {
            None => Changes::Nothing,
            Some(before) if array(object) && array(before) => Changes::Nothing,
            Some(_) => Changes::Anything,
        }
    }

    fn is_stream(&self, object: &Object) -> bool {
        let mut lexer = Lexer::new(self.until(object.end), object.header.body);
        lexer.dictionary().is_ok() && matches!(lexer.token(), Ok((Token::Regular(b"stream"), _)))
    }

    /// What stands between an object's header and its end.
    fn body(&self, object: &Object) -> &'f [u8] {
        const END: &[u8] = b"endobj";
        let whole = self.file.get(object.header.body..object.end);
        let whole = whole.unwrap_or_default();
        let end = whole.windows(END.len()).rposition(|window| window == END);
        whole.get(..end.unwrap_or(whole.len())).unwrap_or(whole)
    }

    fn is_field(&self, entries: &[Entry]) -> bool {
        has(entries, b"FT") || self.is_widget(entries)
    }

    fn is_widget(&self, entries: &[Entry]) -> bool {
        self.name(entries, b"Subtype").as_deref() == Some(b"Widget")
    }

    /// The fields that a form lists, where an object is one or holds one.
    fn field_list(&self, object: &Object) -> Option<HashSet<u32>> {
        let entries = self.entries(object)?;
        let form = find(&entries, b"AcroForm").and_then(|form| {
            let mut lexer = Lexer::new(self.until(form.value.end), form.value.start);
            lexer.dictionary().ok()
        });
        let entries = form.unwrap_or(entries);
        let fields = &find(&entries, b"Fields")?.value;
        let Some(number) = self.reference(fields) else {
            return Some(self.references(fields));
        };
        let mut lists = self.objects.iter().rev();
        let list = lists.find(|object| object.header.number == number)?;
        Some(self.references(&(list.header.body..list.end)))
    }

    /// Numbers that tables of cross-references after an end call free.
    fn freed(&self, end: usize) -> HashSet<u32> {
        let mut freed = HashSet::new();
        for at in objects::tables(self.file, end) {
            let mut lexer = Lexer::new(self.file, at);
            while let Some((first, count)) = two_numbers(&mut lexer) {
                for number in first..first.saturating_add(count) {
                    if two_numbers(&mut lexer).is_none() {
                        break;
                    }
                    match lexer.token() {
                        Ok((Token::Regular(b"f"), _)) if number > 0 => {
                            freed.insert(number);
                        }
                        Ok((Token::Regular(b"f" | b"n"), _)) => {}
                        _ => break,
                    }
                }
            }
        }
        freed
    }

    /// What trailers in a part of the file call the root.
    fn roots(&self, part: Range<usize>) -> HashSet<u32> {
        let file = self.until(part.end);
        let found = objects::names(file, b"/Root", part.start);
        found
            .filter_map(|at| {
                let start = at.saturating_add(b"/Root".len());
                self.reference(&(start..self.file.len()))
            })
            .collect()
    }

    fn later(&self, end: usize) -> impl DoubleEndedIterator<Item = &Object> {
        let first = self.objects.partition_point(|one| one.header.begin < end);
        self.objects.get(first..).unwrap_or_default().iter()
    }

    fn until(&self, end: usize) -> &'f [u8] {
        self.file.get(..end).unwrap_or(self.file)
    }

    fn entries(&self, object: &Object) -> Option<Vec<Entry>> {
        Lexer::new(self.until(object.end), object.header.body)
            .dictionary()
            .ok()
    }

    fn kind(&self, object: &Object) -> Option<Vec<u8>> {
        self.name(&self.entries(object)?, b"Type")
    }

    fn name(&self, entries: &[Entry], key: &[u8]) -> Option<Vec<u8>> {
        let value = &find(entries, key)?.value;
        match Lexer::new(self.until(value.end), value.start).token() {
            Ok((Token::Name(name), _)) => Some(name),
            _ => None,
        }
    }

    /// `12 0 R` at the begin of a range.
    fn reference(&self, range: &Range<usize>) -> Option<u32> {
        let mut lexer = Lexer::new(self.until(range.end), range.start);
        let (number, _) = two_numbers(&mut lexer)?;
        matches!(lexer.token(), Ok((Token::Regular(b"R"), _))).then_some(number)
    }

    /// All references in an array.
    fn references(&self, range: &Range<usize>) -> HashSet<u32> {
        let mut lexer = Lexer::new(self.until(range.end), range.start);
        let mut found = HashSet::new();
        if !matches!(lexer.token(), Ok((Token::ArrayBegin, _))) {
            return found;
        }
        while let Some((number, _)) = two_numbers(&mut lexer) {
            found.insert(number);
            if !matches!(lexer.token(), Ok((Token::Regular(b"R"), _))) {
                break;
            }
        }
        found
    }

    /// Whether two values are written with the same tokens.
    fn is_same(&self, one: &Entry, other: &Entry) -> bool {
        let tokens = |entry: &Entry| {
            let mut lexer = Lexer::new(self.until(entry.value.end), entry.value.start);
            let mut spans = Vec::new();
            while let Ok((_, span)) = lexer.token() {
                spans.push(self.file.get(span).unwrap_or_default());
            }
            spans
        };
        tokens(one) == tokens(other)
    }
}

fn has(entries: &[Entry], key: &[u8]) -> bool {
    find(entries, key).is_some()
}

fn two_numbers(lexer: &mut Lexer<'_>) -> Option<(u32, u32)> {
    let mut ahead = lexer.clone();
    let mut number = || match ahead.token() {
        Ok((Token::Regular(digits), _)) => {
            super::dictionary::whole(digits).and_then(|number| u32::try_from(number).ok())
        }
        _ => None,
    };
    let both = (number()?, number()?);
    *lexer = ahead;
    Some(both)
}
