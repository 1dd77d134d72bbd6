//! Whether what follows a signature is validation data and time-stamps over the file, and nothing
//! else (ISO 32000-2 §12.8.4.3, §12.8.5; EN 319 142-1 §5.4): what anybody may add, since it shows
//! nothing.
//!
//! Unlike [`super::history`] this is a proof, so it takes one form of file only, and every doubt
//! is a no:
//!
//! - Cross-references are tables, also in what was signed, and are followed: an object was what
//!   they say, and not what else stands under its number. Every object there is read, so that it
//!   is known which numbers something leads to.
//! - What is added is read from its first byte to its last: objects, a table that names exactly
//!   these where they stand, a trailer with the same root, the next revision.
//! - What is new has a number that nothing led to. What was there is a catalog that gains
//!   validation data, a form or page that gains fields of time-stamps without appearance, or the
//!   file's information that names the program and the time. So nothing leads to what is new but
//!   these, and neither validation data nor such a field is ever painted.
//! - Words that readers take apart differently, such as `0R`, and comments are refused.

mod change;
mod written;

use std::collections::{HashMap, HashSet};

use super::dictionary::find;
use super::lexer::{Entry, words};
use super::objects;
use change::{Change, Revision};
use written::{
    MAX_OBJECTS, Object, START, Section, dictionary, end_of_file, header, line_end, objects_from,
    reference, section, value,
};

/// Most revisions that were signed.
const MAX_SIGNED: usize = 64;
/// Most revisions that are added.
const MAX_ADDED: usize = 8;
/// The end of a file, from `startxref` on, in bytes.
const MAX_END: usize = 64;
/// How often all bytes may be read: objects may lie in one another.
const REREAD: usize = 2;
/// Entries of a trailer.
const TRAILER: [&[u8]; 5] = [b"Size", b"Root", b"Info", b"ID", b"Prev"];
/// Entries of the file's information that any program sets.
const INFORMATION: [&[u8]; 2] = [b"ModDate", b"Producer"];
/// Entries of a field that shows nothing and does nothing.
const FIELD: [&[u8]; 9] = [
    b"Type", b"Subtype", b"FT", b"T", b"TU", b"F", b"Rect", b"P", b"V",
];

/// Whether all that follows an end is validation data and time-stamps.
pub(super) fn is_all_that_follows(file: &[u8], end: usize) -> bool {
    Signed::read(file, end)
        .and_then(|signed| Addition::to(&signed).read(file, end))
        .is_some()
}

/// What stands before the end, as its cross-references have it.
struct Signed<'f> {
    bytes: &'f [u8],
    /// Where what follows the header of each object begins.
    objects: HashMap<u32, usize>,
    /// Numbers that something leads to.
    referred: HashSet<u32>,
    table: usize,
    size: u32,
    root: u32,
    information: Option<u32>,
    /// The object that the catalog names as the form.
    form: Option<u32>,
}

impl<'f> Signed<'f> {
    fn read(file: &'f [u8], end: usize) -> Option<Self> {
        let bytes = file.get(..end)?;
        let tail = end.saturating_sub(MAX_END);
        let keyword = bytes
            .get(tail..)?
            .windows(START.len())
            .rposition(|one| one == START)?;
        let (table, after) = end_of_file(bytes, tail.checked_add(keyword)?)?;
        if after != end {
            return None;
        }
        let newest = section(bytes, table)?;
        let mut signed = Self {
            bytes,
            objects: HashMap::new(),
            referred: HashSet::new(),
            table,
            size: newest.size,
            root: reference(bytes, find(&newest.trailer, b"Root")?)?,
            information: match find(&newest.trailer, b"Info") {
                Some(entry) => Some(reference(bytes, entry)?),
                None => None,
            },
            form: None,
        };
        signed.read_objects(newest)?;
        let catalog = dictionary(bytes, *signed.objects.get(&signed.root)?)?;
        let form = find(&catalog, b"AcroForm");
        signed.form = form.and_then(|form| reference(bytes, form));
        Some(signed)
    }

    fn read_objects(&mut self, newest: Section) -> Option<()> {
        let mut left = self.bytes.len().saturating_mul(REREAD);
        let mut entries = 0_usize;
        let mut known: HashSet<u32> = HashSet::new();
        let mut section = newest;
        for _ in 0..MAX_SIGNED {
            entries = entries.checked_add(section.objects.len())?;
            if entries > MAX_OBJECTS {
                return None;
            }
            for (number, place) in &section.objects {
                let is_newest = known.insert(*number);
                let Some(place) = place.filter(|_| is_newest) else {
                    continue;
                };
                let body = header(self.bytes, place, *number)?;
                let value = value(self.bytes, body, &mut self.referred)?;
                left = left.checked_sub(value.end.saturating_sub(place))?;
                self.objects.insert(*number, body);
            }
            let Some(previous) = section.previous else {
                return Some(());
            };
            let older = self::section(self.bytes, previous)?;
            // What lies beyond a size is there for some readers only, until a size grows.
            if older.size > section.size {
                return None;
            }
            section = older;
        }
        None
    }
}

/// What is added to what was signed.
struct Addition<'s, 'f> {
    signed: &'s Signed<'f>,
    /// All that was added so far.
    added: HashSet<u32>,
    /// Fields and time-stamps among that, which stay as they are.
    kept: HashSet<u32>,
}

impl<'s, 'f> Addition<'s, 'f> {
    fn to(signed: &'s Signed<'f>) -> Self {
        Self {
            signed,
            added: HashSet::new(),
            kept: HashSet::new(),
        }
    }

    fn read(mut self, file: &[u8], end: usize) -> Option<()> {
        let mut at = line_end(file, end).unwrap_or(end);
        let (mut table, mut size) = (self.signed.table, self.signed.size);
        let mut definitions: HashMap<u32, usize> = self.signed.objects.clone();
        let mut count = 0_usize;
        for _ in 0..MAX_ADDED {
            let (objects, keyword) = objects_from(file, at)?;
            let section = section(file, keyword)?;
            self.is_sound(file, &objects, &section, (table, size))?;
            let revision = Revision {
                file,
                objects: &objects,
                before: &definitions,
            };
            for number in objects.keys() {
                self.object(&revision, *number)?;
            }
            count = count.checked_add(objects.len())?;
            self.added.extend(
                objects
                    .keys()
                    .filter(|number| !definitions.contains_key(number)),
            );
            definitions.extend(
                objects
                    .iter()
                    .map(|(number, object)| (*number, object.body)),
            );
            let (said, after) = end_of_file(file, section.end)?;
            if said != keyword {
                return None;
            }
            (table, size, at) = (keyword, section.size, after);
            if at == file.len() {
                // None lies in a stream, for readers that search.
                let headers = objects::headers(file.get(end..)?);
                return (headers.count() == count).then_some(());
            }
        }
        None
    }

    /// Whether a table and its trailer are those of these objects, after those of before.
    fn is_sound(
        &self,
        file: &[u8],
        objects: &HashMap<u32, Object>,
        section: &Section,
        (table, size): (usize, u32),
    ) -> Option<()> {
        let named = section
            .objects
            .iter()
            .filter_map(|(number, place)| match place {
                // The head of the list of free numbers.
                None if *number == 0 => None,
                place => Some((*number, *place)),
            });
        let named: HashMap<u32, Option<usize>> = named.collect();
        let here = objects
            .iter()
            .map(|(number, object)| (*number, Some(object.begin)));
        let trailer = &section.trailer;
        let is_known = |entry: &Entry| TRAILER.contains(&entry.key.as_slice());
        let refers = |key: &[u8]| find(trailer, key).map(|entry| reference(file, entry));
        let is_sound = named == here.collect()
            && trailer.iter().all(is_known)
            && section.previous == Some(table)
            && section.size >= size
            && refers(b"Root") == Some(Some(self.signed.root))
            && refers(b"Info") == self.signed.information.map(Some);
        is_sound.then_some(())
    }

    /// Whether an object may be there.
    fn object(&mut self, revision: &Revision<'_>, number: u32) -> Option<()> {
        if self.added.contains(&number) {
            return (!self.kept.contains(&number)).then_some(());
        }
        if !self.signed.objects.contains_key(&number) {
            return (number > 0 && !self.signed.referred.contains(&number)).then_some(());
        }
        let (before, now) = (revision.before(number)?, revision.now(number)?);
        let change = Change {
            revision,
            before: &before,
            now: &now,
        };
        let fields = if number == self.signed.root {
            change.of_catalog()
        } else if Some(number) == self.signed.information {
            change.is_within(&INFORMATION).then(Vec::new)
        } else if Some(number) == self.signed.form {
            change.of_form()
        } else if revision.is_named(&before, b"Type", b"Page") {
            change.is_within(&[b"Annots"]).then_some(())?;
            change.gained(b"Annots")
        } else {
            None
        }?;
        for field in fields {
            if self.added.contains(&field) {
                return None;
            }
            // A form lists it, and a page.
            if !self.kept.contains(&field) {
                let stamp = self.stamp_of(revision, field)?;
                self.kept.extend([field, stamp]);
            }
        }
        Some(())
    }

    /// The time-stamp in a new field that shows nothing, and in no other.
    fn stamp_of(&self, revision: &Revision<'_>, field: u32) -> Option<u32> {
        let is_new = |number| {
            let known = [&self.added, &self.kept];
            !self.signed.objects.contains_key(&number)
                && known.iter().all(|known| !known.contains(&number))
        };
        let entries = revision.now(field).filter(|_| is_new(field))?;
        let is_known = |entry: &Entry| FIELD.contains(&entry.key.as_slice());
        let has_no_room = find(&entries, b"Rect").is_none_or(|rectangle| {
            let nothing: [&[u8]; 6] = [b"[", b"0", b"0", b"0", b"0", b"]"];
            words(revision.file, &rectangle.value) == nothing
        });
        let stamp = reference(revision.file, find(&entries, b"V")?)?;
        let value = revision.now(stamp).filter(|_| is_new(stamp))?;
        let is_one = entries.iter().all(is_known)
            && has_no_room
            && revision.is_named(&entries, b"FT", b"Sig")
            && revision.is_named(&value, b"Type", b"DocTimeStamp")
            && revision.is_named(&value, b"SubFilter", b"ETSI.RFC3161");
        is_one.then_some(stamp)
    }
}

#[cfg(test)]
mod tests;
