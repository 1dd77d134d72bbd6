//! What later revisions of a file do to what was signed before, as far as it stands in the open:
//! which objects they define anew, and whether they take a signature out of its field.
//!
//! Cross-references are not followed and packed objects are not unpacked, so an answer of
//! "nothing more" is a look and no proof; what cannot be seen is [`Changes::Unclear`] and
//! [`Shown::Unclear`]. The proof that a revision is somebody's word is the signature over it.

mod changes;

use std::collections::{HashMap, HashSet};
use std::ops::Range;

use super::PdfSignature;
use super::dictionary::find;
use super::lexer::{Entry, Lexer, Token};
use super::objects::{self, Header};

pub use changes::Changes;

/// Most objects of a file that are looked at.
const MAX_OBJECTS: usize = 1 << 18;

/// Longest reference, in bytes: nobody writes more.
const MAX_REFERENCE: usize = 64;

/// How often the whole file may be read again, in tables or to compare objects with what they were.
const REREAD: usize = 4;

/// Most fields above one another.
const MAX_PARENTS: usize = 32;

/// Most objects that refer to one signature: a field, and what it was before.
const MAX_FIELDS: usize = 16;

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
    /// What came later is written so that it cannot be read to its end, as nobody does by chance.
    Obscured,
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
    /// Whether it is a form, or holds or names one.
    has_form: bool,
    /// Whether it is a catalog that names no form.
    drops_form: bool,
    /// The array elsewhere that lists its annotations or fields.
    list: Option<u32>,
    /// Of a stream of cross-references: all numbers of objects are below.
    numbers: Option<u32>,
}

impl Object {
    const fn number(&self) -> u32 {
        self.header.number
    }

    /// In bytes.
    const fn size(&self) -> usize {
        self.end.saturating_sub(self.header.begin)
    }
}

/// What refers to an object, in the open.
#[derive(Debug, Clone, Copy)]
struct Referred {
    /// Where the first reference ends.
    first: usize,
    /// Whether it is only ever called metadata.
    is_metadata: bool,
    /// Whether it is only ever called a list of annotations or fields.
    is_list: bool,
}

/// The objects of a file in the order in which they stand.
#[derive(Debug)]
pub struct History<'f> {
    file: &'f [u8],
    objects: Vec<Object>,
    /// Where each object is defined last.
    newest: HashMap<u32, usize>,
    referred: HashMap<u32, Referred>,
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
            newest: HashMap::new(),
            referred: HashMap::new(),
            is_complete,
        };
        let places = headers.iter().enumerate();
        history.newest = places.map(|(at, header)| (header.number, at)).collect();
        for (number, at) in objects::references(file) {
            if history.newest.contains_key(&number) {
                history.note_reference(number, at);
            }
        }
        let objects = headers.into_iter().zip(ends);
        history.objects = objects
            .map(|(header, end)| history.look_at(header, end))
            .collect();
        history
    }

    fn note_reference(&mut self, number: u32, at: Range<usize>) {
        let before = self.until(at.start).trim_ascii_end();
        let is_called = |key: &[u8]| before.ends_with(key);
        let is_metadata = is_called(b"/Metadata");
        let is_list = is_called(b"/Annots") || is_called(b"/Fields");
        let known = self.referred.entry(number).or_insert(Referred {
            first: at.end,
            is_metadata,
            is_list,
        });
        known.is_metadata &= is_metadata;
        known.is_list &= is_list;
    }

    /// Each object is read once, however many signatures there are.
    fn look_at(&self, header: Header, end: usize) -> Object {
        let mut object = Object {
            header,
            end,
            value: None,
            is_packed: false,
            has_form: false,
            drops_form: false,
            list: None,
            numbers: None,
        };
        if let Some(entries) = self.entries(&object) {
            let value = find(&entries, b"V");
            object.value = value.and_then(|entry| self.reference(&entry.value));
            let kind = self.name(&entries, b"Type");
            object.is_packed = kind.as_deref() == Some(b"ObjStm");
            let names_form = has(&entries, b"AcroForm");
            // What has a type and lists fields locks them, or the like.
            object.has_form = names_form || has(&entries, b"Fields") && kind.is_none();
            object.drops_form = kind.as_deref() == Some(b"Catalog") && !names_form;
            let refers = |key: &[u8]| {
                let entry = find(&entries, key)?;
                self.reference(&entry.value)
            };
            object.list = refers(b"Annots").or_else(|| refers(b"Fields"));
            object.numbers = self.numbers(&entries);
        }
        object
    }

    /// Whether the file as it ends still shows a signature.
    pub fn shown(&self, signature: &PdfSignature) -> Shown {
        let end = signature.end;
        let has_tables = objects::tables(self.file, end).next().is_some();
        if !has_tables && self.later(end).next().is_none() {
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
        let (freed, is_whole) = self.freed(end);
        let is_form = |object: &Object| object.has_form || object.drops_form;
        let list = self.later(end).any(is_form).then(|| self.fields_shown());
        let is_gone = |field: &&Object| {
            let numbers = [field.header.number, number];
            numbers.iter().any(|number| freed.contains(number))
                || self.is_emptied(field, number, end)
                || matches!(&list, Some(Some(list)) if !self.is_listed(field, list))
        };
        if fields.iter().any(is_gone) {
            return Shown::Withdrawn;
        }
        let has_packed = self.objects.iter().any(|object| object.is_packed);
        let is_missing = list == Some(None);
        if !is_whole || is_missing && !has_packed {
            return Shown::Obscured;
        }
        let is_one = (1..MAX_FIELDS).contains(&fields.len());
        let is_open = !is_missing && !self.later(end).any(|object| object.is_packed);
        if is_one && is_open && self.is_complete {
            Shown::Yes
        } else {
            Shown::Unclear
        }
    }

    /// Whether a later revision puts something else into a field.
    fn is_emptied(&self, field: &Object, signature: u32, end: usize) -> bool {
        let number = field.header.number;
        let mut newest = self.later(end).rev();
        let newest = newest.find(|one| one.header.number == number);
        newest.is_some_and(|newest| newest.value != Some(signature))
    }

    /// Whether a form lists a field, or one that it belongs to, as the file ends.
    fn is_listed(&self, field: &Object, list: &HashSet<u32>) -> bool {
        let mut number = field.header.number;
        for _ in 0..MAX_PARENTS {
            if list.contains(&number) {
                return true;
            }
            let entries = self.newest(number).and_then(|one| self.entries(one));
            let parent = entries
                .as_deref()
                .and_then(|entries| find(entries, b"Parent"));
            let Some(parent) = parent.and_then(|entry| self.reference(&entry.value)) else {
                return false;
            };
            let above = self.newest(parent).and_then(|one| self.entries(one));
            let kids = above
                .as_deref()
                .and_then(|above| self.listed_under(above, b"Kids"));
            if kids.is_none_or(|kids| !kids.contains(&number)) {
                return false;
            }
            number = parent;
        }
        false
    }

    /// The fields of the form that the root names, as the file ends; `None` where they stand
    /// nowhere in the open.
    fn fields_shown(&self) -> Option<HashSet<u32>> {
        let mut all: Option<HashSet<u32>> = None;
        for root in self.roots(0..self.file.len())? {
            let fields = self.field_list(self.newest(root)?)?;
            // Readers may differ in which root they take: only what is in the forms of all.
            all = Some(match all {
                None => fields,
                Some(before) => before.intersection(&fields).copied().collect(),
            });
        }
        all
    }

    /// The fields that a form lists, where an object is one, or holds or names one. `None` where
    /// they stand nowhere in the open.
    fn field_list(&self, object: &Object) -> Option<HashSet<u32>> {
        let entries = self.entries(object)?;
        let entries = match find(&entries, b"AcroForm") {
            None => entries,
            Some(form) => match self.reference(&form.value) {
                Some(number) => self.entries(self.newest(number)?)?,
                None => {
                    let mut lexer = Lexer::new(self.until(form.value.end), form.value.start);
                    lexer.dictionary().ok()?
                }
            },
        };
        if !has(&entries, b"Fields") {
            return Some(HashSet::new());
        }
        self.listed_under(&entries, b"Fields")
    }

    /// What an array lists, that stands under a key or elsewhere.
    fn listed_under(&self, entries: &[Entry], key: &[u8]) -> Option<HashSet<u32>> {
        let array = find(entries, key)?;
        let Some(number) = self.reference(&array.value) else {
            return Some(self.references(&array.value));
        };
        let list = self.newest(number)?;
        Some(self.references(&(list.header.body..list.end)))
    }

    /// An object as the file ends.
    fn newest(&self, number: u32) -> Option<&Object> {
        self.objects.get(*self.newest.get(&number)?)
    }

    /// Numbers that tables of cross-references after an end call free, and whether the tables were
    /// read to their ends: there may be more to read than a file has.
    fn freed(&self, end: usize) -> (HashSet<u32>, bool) {
        let mut freed = HashSet::new();
        let mut left = self.file.len().saturating_mul(REREAD);
        for at in objects::tables(self.file, end) {
            let stop = self.read_table(at, left, &mut freed);
            match stop.and_then(|stop| left.checked_sub(stop.saturating_sub(at))) {
                Some(rest) => left = rest,
                None => return (freed, false),
            }
        }
        (freed, true)
    }

    /// Reads one table; gives where it stops, unless that is not its end. No more than so many
    /// bytes.
    fn read_table(&self, begin: usize, most: usize, freed: &mut HashSet<u32>) -> Option<usize> {
        let (mut at, mut follows) = (begin, None::<u32>);
        while let Some(((first, count), next)) = self.two_numbers_at(at) {
            if at.saturating_sub(begin) > most {
                return None;
            }
            // There may be more entries than were counted.
            if let Some(number) = follows
                && let Some(stop) = self.table_entry(at, number, freed)
            {
                (at, follows) = (stop, number.checked_add(1));
                continue;
            }
            at = next;
            for number in first..first.saturating_add(count) {
                if at.saturating_sub(begin) > most {
                    return None;
                }
                let Some(stop) = self.table_entry(at, number, freed) else {
                    break;
                };
                (at, follows) = (stop, number.checked_add(1));
            }
        }
        let mut lexer = Lexer::new(self.until(at.saturating_add(MAX_REFERENCE)), at);
        match lexer.token() {
            Ok((Token::Regular(b"trailer"), _)) => Some(at),
            // The keyword stood somewhere else, and no table begins there.
            Ok((Token::Regular(word), _)) if super::dictionary::whole(word).is_some() => None,
            Ok(_) if at == begin => Some(at),
            _ => None,
        }
    }

    /// Notes whether an entry of a table calls its number free; gives where it ends.
    fn table_entry(&self, at: usize, number: u32, freed: &mut HashSet<u32>) -> Option<usize> {
        let (_, next) = self.two_numbers_at(at)?;
        let mut lexer = Lexer::new(self.until(next.saturating_add(MAX_REFERENCE)), next);
        match lexer.token() {
            Ok((Token::Regular(b"f"), _)) if number > 0 => {
                freed.insert(number);
            }
            Ok((Token::Regular(b"f" | b"n"), _)) => {}
            _ => return None,
        }
        Some(lexer.position())
    }

    /// Two numbers close to a place, and what is behind them.
    fn two_numbers_at(&self, at: usize) -> Option<((u32, u32), usize)> {
        let mut lexer = Lexer::new(self.until(at.saturating_add(MAX_REFERENCE)), at);
        let numbers = two_numbers(&mut lexer)?;
        Some((numbers, lexer.position()))
    }

    /// What trailers in a part of the file call the root; `None` where that cannot be read.
    fn roots(&self, part: Range<usize>) -> Option<HashSet<u32>> {
        let file = self.until(part.end);
        if objects::escaped(file, b"Root", part.start) {
            return None;
        }
        let found = objects::names(file, b"/Root", part.start);
        found
            .map(|at| {
                let start = at.saturating_add(b"/Root".len());
                self.reference(&(start..start.saturating_add(MAX_REFERENCE)))
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

    fn numbers(&self, entries: &[Entry]) -> Option<u32> {
        if self.name(entries, b"Type").as_deref() != Some(b"XRef") {
            return None;
        }
        let value = &find(entries, b"Size")?.value;
        match Lexer::new(self.until(value.end), value.start).token() {
            Ok((Token::Regular(digits), _)) => {
                super::dictionary::whole(digits).and_then(|size| u32::try_from(size).ok())
            }
            _ => None,
        }
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
