//! From one version's lines to another's, so that only what changed travels.
//!
//! Lines stand in the order of their ids, so whoever has the old lines goes through them once:
//! keeps some, drops some, and puts new ones in between. What comes out is believed only when
//! it has the root that the head signs; nothing here is a check.

use std::collections::HashMap;
use std::ops::Range;

use consign_domain::limits::MAX_DIRECTORY;

/// One step through the old lines.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Change<L> {
    /// So many of the old lines stay.
    Keep(u64),
    /// So many of the old lines go.
    Drop(u64),
    /// New lines, whole, each ended by a newline.
    Insert(L),
}

/// Why changes lead nowhere.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ChangeError {
    /// More old lines are named than there are.
    #[error("the changes name more lines than the version that they change has")]
    Beyond,
    /// What comes out is larger than a directory may be.
    #[error("the changes lead to a directory larger than any may be")]
    TooLarge,
}

/// What leads from `old` to `new`; the inserted lines by where they stand in `new`.
pub fn between(old: &[u8], new: &[u8]) -> Vec<Change<Range<usize>>> {
    let lines = old.split_inclusive(|byte| *byte == b'\n').enumerate();
    let places: HashMap<&[u8], usize> = lines.map(|(place, line)| (line, place)).collect();
    let (mut changes, mut next, mut end) = (Vec::new(), 0, 0_usize);
    for line in new.split_inclusive(|byte| *byte == b'\n') {
        let start = end;
        end = start.saturating_add(line.len());
        match places.get(line).copied().filter(|place| *place >= next) {
            Some(place) => {
                push(&mut changes, Change::Drop((place - next) as u64));
                push(&mut changes, Change::Keep(1));
                next = place + 1;
            }
            None => push(&mut changes, Change::Insert(start..end)),
        }
    }
    changes
}

/// Adds a step, to the last one where they are of a kind.
fn push(changes: &mut Vec<Change<Range<usize>>>, step: Change<Range<usize>>) {
    match (changes.last_mut(), step) {
        (_, Change::Drop(0)) => {}
        (Some(Change::Keep(count)), Change::Keep(more)) => *count += more,
        (Some(Change::Insert(lines)), Change::Insert(more)) if lines.end == more.start => {
            lines.end = more.end;
        }
        (_, step) => changes.push(step),
    }
}

/// What comes out of the changes. Old lines that are not named go.
///
/// # Errors
/// [`ChangeError`]; no more memory is taken than a directory may have.
pub fn apply<L: AsRef<[u8]>>(old: &[u8], changes: &[Change<L>]) -> Result<Vec<u8>, ChangeError> {
    let (mut new, mut rest) = (Vec::new(), old);
    for change in changes {
        let lines = match change {
            Change::Insert(lines) => lines.as_ref(),
            Change::Keep(count) => take(&mut rest, *count)?,
            Change::Drop(count) => {
                take(&mut rest, *count)?;
                continue;
            }
        };
        if new.len().saturating_add(lines.len()) > MAX_DIRECTORY {
            return Err(ChangeError::TooLarge);
        }
        new.extend_from_slice(lines);
    }
    Ok(new)
}

/// The next lines, with their ends.
fn take<'a>(rest: &mut &'a [u8], count: u64) -> Result<&'a [u8], ChangeError> {
    let mut end = 0;
    for _ in 0..count {
        let from = rest.get(end..).unwrap_or_default();
        let line = from.split_inclusive(|byte| *byte == b'\n').next();
        end += line.ok_or(ChangeError::Beyond)?.len();
    }
    let (taken, left) = rest.split_at(end);
    *rest = left;
    Ok(taken)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// As whoever receives them has them.
    fn received(new: &[u8], changes: &[Change<Range<usize>>]) -> Vec<Change<Vec<u8>>> {
        let received = changes.iter().map(|change| match change {
            Change::Keep(count) => Change::Keep(*count),
            Change::Drop(count) => Change::Drop(*count),
            Change::Insert(lines) => Change::Insert(new[lines.clone()].to_vec()),
        });
        received.collect()
    }

    fn steps(old: &str, new: &str) -> Vec<Change<Vec<u8>>> {
        let changes = between(old.as_bytes(), new.as_bytes());
        received(new.as_bytes(), &changes)
    }

    #[test]
    fn one_changed_line_travels_alone() {
        let insert = |lines: &str| Change::Insert(lines.as_bytes().to_vec());
        let (keep, drop) = (Change::Keep, Change::Drop);
        assert_eq!(steps("a\nb\nc\n", "a\nb\nc\n"), [keep(3)]);
        let changed = steps("a\nb1\nc\n", "a\nb2\nc\n");
        assert_eq!(changed, [keep(1), insert("b2\n"), drop(1), keep(1)]);
        let added = steps("a\nc\n", "a\nb\nc\nd\ne\n");
        assert_eq!(added, [keep(1), insert("b\n"), keep(1), insert("d\ne\n")]);
        assert_eq!(steps("a\nb\n", "b\n"), [drop(1), keep(1)]);
        assert_eq!(steps("", "a\n"), [insert("a\n")]);
        assert_eq!(steps("a\n", ""), []);
    }

    #[test]
    fn what_is_not_there_is_not_kept() {
        let changes: [Change<&[u8]>; 1] = [Change::Keep(3)];
        assert_eq!(apply(b"a\nb\n", &changes), Err(ChangeError::Beyond));
        let changes: [Change<&[u8]>; 2] = [Change::Keep(2), Change::Drop(u64::MAX)];
        assert_eq!(apply(b"a\nb\n", &changes), Err(ChangeError::Beyond));
        let whole: [Change<&[u8]>; 1] = [Change::Insert(b"c\n")];
        assert_eq!(apply(b"a\nb\n", &whole).unwrap(), b"c\n");
        let much = vec![b'x'; MAX_DIRECTORY];
        let changes = [Change::Insert(much), Change::Insert(vec![b'\n'])];
        assert_eq!(apply(b"", &changes), Err(ChangeError::TooLarge));
    }

    proptest! {
        #[test]
        fn any_text_comes_out_of_any_other(old in "[abc\n]{0,60}", new in "[abc\n]{0,60}") {
            let changes = between(old.as_bytes(), new.as_bytes());
            let came = apply(old.as_bytes(), &received(new.as_bytes(), &changes)).unwrap();
            prop_assert_eq!(came, new.as_bytes());
        }
    }
}
