//! Forms, their fields, and the lists of fields and annotations.

use std::collections::{HashMap, HashSet};
use std::ops::Range;

use super::super::super::dictionary::find;
use super::super::super::lexer::{Entry, Lexer, Token};
use super::super::{History, Object, has, two_numbers};
use super::{Changes, Revisions};

impl History<'_> {
    /// A field that holds a time-stamp over the file, and shows nothing, is no change.
    pub(super) fn change_of_field(
        &self,
        entries: &[Entry],
        old: Option<&[Entry]>,
        revisions: &Revisions<'_>,
    ) -> Changes {
        let is_signature = |entries: &[Entry]| self.name(entries, b"FT").as_deref() == Some(b"Sig");
        let value = find(entries, b"V").and_then(|entry| self.reference(&entry.value));
        let value = value.and_then(|number| revisions.after.get(&number));
        let value = value.filter(|object| revisions.may_read(object.size()));
        let value = value.and_then(|object| self.kind(object));
        let is_stamp = is_signature(entries)
            && old.is_none_or(is_signature)
            && value.as_deref() == Some(b"DocTimeStamp")
            && !self.is_painted(entries);
        if is_stamp {
            Changes::Nothing
        } else {
            Changes::Forms
        }
    }

    pub(super) fn change_of_form(
        &self,
        entries: &[Entry],
        old: &[Entry],
        revisions: &Revisions<'_>,
    ) -> Changes {
        let changed = Changes::Forms;
        let list = self.change_of_list(b"Fields", entries, old, changed, revisions);
        let allowed: [&[u8]; 2] = [b"Fields", b"SigFlags"];
        self.difference(&allowed, entries, old)
            .min(changed)
            .max(list)
    }

    /// The same of the form that a catalog holds or names.
    pub(super) fn change_of_form_named(
        &self,
        entries: &[Entry],
        old: &[Entry],
        revisions: &Revisions<'_>,
    ) -> Changes {
        let is_named = |entries: &[Entry]| {
            let form = find(entries, b"AcroForm")?;
            self.reference(&form.value)
        };
        let (named, named_before) = (is_named(entries), is_named(old));
        if named.is_some() && named == named_before {
            // An object that is judged itself.
            return Changes::Nothing;
        }
        let form = |entries: &[Entry], known: &[&HashMap<u32, &Object>]| {
            let form = find(entries, b"AcroForm")?;
            let Some(number) = self.reference(&form.value) else {
                let mut lexer = Lexer::new(self.until(form.value.end), form.value.start);
                return lexer.dictionary().ok();
            };
            let object = known.iter().find_map(|objects| objects.get(&number))?;
            let is_read = revisions.may_read(object.size());
            is_read.then(|| self.entries(object)).flatten()
        };
        let had_form = has(old, b"AcroForm");
        if !has(entries, b"AcroForm") {
            return if had_form {
                Changes::Anything
            } else {
                Changes::Nothing
            };
        }
        let now = form(entries, &[&revisions.after, &revisions.before]);
        let before = if had_form {
            form(old, &[&revisions.before])
        } else {
            Some(Vec::new())
        };
        let (Some(now), Some(before)) = (now, before) else {
            return Changes::Unclear;
        };
        if !self.is_kept(b"XFA", &now, &before) {
            return Changes::Anything;
        }
        let change = self.change_of_form(&now, &before, revisions);
        if named.or(named_before).is_some() {
            change.max(Changes::Forms)
        } else {
            change
        }
    }

    /// What a list of fields or annotations gains is judged itself where it is new; all else is
    /// `changed`.
    pub(super) fn change_of_list(
        &self,
        key: &[u8],
        entries: &[Entry],
        old: &[Entry],
        changed: Changes,
        revisions: &Revisions<'_>,
    ) -> Changes {
        if self.is_kept(key, entries, old) {
            return Changes::Nothing;
        }
        let listed = |entries: &[Entry], known: &[&HashMap<u32, &Object>]| match find(entries, key)
        {
            None => Some(HashSet::new()),
            Some(entry) => match self.reference(&entry.value) {
                None => self.listed(&entry.value, revisions),
                Some(number) => {
                    let list = known.iter().find_map(|objects| objects.get(&number))?;
                    self.listed(&(list.header.body..list.end), revisions)
                }
            },
        };
        let now = listed(entries, &[&revisions.after, &revisions.before]);
        let before = listed(old, &[&revisions.before]);
        gained(before, now, changed, revisions)
    }

    /// The objects that an array lists; `None` where it is anything but references.
    pub(super) fn listed(
        &self,
        range: &Range<usize>,
        revisions: &Revisions<'_>,
    ) -> Option<HashSet<u32>> {
        if !revisions.may_read(range.len()) {
            return None;
        }
        let mut lexer = Lexer::new(self.until(range.end), range.start);
        if !matches!(lexer.token(), Ok((Token::ArrayBegin, _))) {
            return None;
        }
        let mut found = HashSet::new();
        while let Some((number, _)) = two_numbers(&mut lexer) {
            if !matches!(lexer.token(), Ok((Token::Regular(b"R"), _))) {
                return None;
            }
            found.insert(number);
        }
        matches!(lexer.token(), Ok((Token::ArrayEnd, _))).then_some(found)
    }

    /// Whether an annotation has an appearance and a rectangle with room for it.
    fn is_painted(&self, entries: &[Entry]) -> bool {
        let rectangle = find(entries, b"Rect").map(|entry| self.tokens(entry));
        let has_room = match rectangle.as_deref() {
            None => false,
            Some([_, left, bottom, right, top, _]) => left != right && bottom != top,
            Some(_) => true,
        };
        has_room && has(entries, b"AP")
    }
}

/// What a list gains is judged itself where it is new; all else is `changed`.
pub(super) fn gained(
    before: Option<HashSet<u32>>,
    now: Option<HashSet<u32>>,
    changed: Changes,
    revisions: &Revisions<'_>,
) -> Changes {
    let (Some(before), Some(now)) = (before, now) else {
        return changed;
    };
    let mut gained = now.difference(&before);
    let is_new = gained.all(|number| revisions.after.contains_key(number));
    if is_new && before.is_subset(&now) {
        Changes::Nothing
    } else {
        changed
    }
}
