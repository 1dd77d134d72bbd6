//! Objects, tables of cross-references and trailers in the one form that all readers take alike
//! (ISO 32000-2 §7.3.10, §7.5.4, §7.5.5).

use std::collections::{HashMap, HashSet};
use std::ops::Range;

use super::super::dictionary::{find, whole};
use super::super::lexer::{Entry, Lexer, Token, words};

/// Most entries of all tables.
pub(super) const MAX_OBJECTS: usize = 1 << 18;
/// Bytes of an entry in a table.
const ENTRY: usize = 20;
/// What stands before the place of the newest table.
pub(super) const START: &[u8] = b"startxref";

/// A table of cross-references and its trailer.
pub(super) struct Section {
    /// Where objects stand; nothing where they are free.
    pub(super) objects: HashMap<u32, Option<usize>>,
    pub(super) trailer: Vec<Entry>,
    pub(super) size: u32,
    pub(super) previous: Option<usize>,
    /// Where the keyword `startxref` stands.
    pub(super) end: usize,
}

/// An object of a revision that was added.
#[derive(Debug, Clone)]
pub(super) struct Object {
    /// Where its header begins.
    pub(super) begin: usize,
    pub(super) body: usize,
}

/// The place that the end of a file names, and where the file goes on.
pub(super) fn end_of_file(file: &[u8], keyword: usize) -> Option<(usize, usize)> {
    const MARKER: &[u8] = b"%%EOF";
    let at = line_end(file, after(file, keyword, START)?)?;
    let (place, at) = number(file, at)?;
    let at = after(file, line_end(file, at)?, MARKER)?;
    Some((place, line_end(file, at).unwrap_or(at)))
}

/// The table that begins at a place, in its one form (ISO 32000-1 §7.5.4, §7.5.5).
pub(super) fn section(file: &[u8], begin: usize) -> Option<Section> {
    let mut at = line_end(file, after(file, begin, b"xref")?)?;
    let mut objects = HashMap::new();
    let body = loop {
        if let Some(body) = after(file, at, b"trailer") {
            break body;
        }
        let (first, next) = number(file, at)?;
        let (count, next) = number(file, after(file, next, b" ")?)?;
        at = line_end(file, after(file, next, b" ").unwrap_or(next))?;
        let last = first.checked_add(count).filter(|_| count <= MAX_OBJECTS)?;
        for number in first..last {
            let next = at.checked_add(ENTRY)?;
            let place = entry(file.get(at..next)?)?;
            let number = u32::try_from(number).ok()?;
            if objects.insert(number, place).is_some() {
                return None;
            }
            at = next;
        }
    };
    let mut lexer = Strict::new(file, body);
    let trailer = Lexer::new(file, body).dictionary().ok()?;
    // The same once more, word by word.
    let end = loop {
        match lexer.token()? {
            (Token::Regular(START), span) => break span.start,
            (Token::Regular(b"xref" | b"trailer" | b"obj"), _) => return None,
            _ => {}
        }
    };
    let mut again = Lexer::new(file, body);
    again.dictionary().ok()?;
    let is_next = matches!(again.token(), Ok((Token::Regular(START), _)));
    let hides = |key: &[u8]| find(&trailer, key).is_some();
    if !is_next || hides(b"XRefStm") || hides(b"Encrypt") {
        return None;
    }
    let whole_number = |entry: &Entry| whole(file.get(entry.value.clone())?);
    let size = u32::try_from(whole_number(find(&trailer, b"Size")?)?).ok()?;
    let previous = match find(&trailer, b"Prev") {
        Some(entry) => Some(whole_number(entry)?),
        None => None,
    };
    let is_within = objects.keys().all(|number| *number < size);
    is_within.then_some(Section {
        objects,
        trailer,
        size,
        previous,
        end,
    })
}

/// Where an object stands by its entry in a table; nothing inside where the number is free.
fn entry(line: &[u8]) -> Option<Option<usize>> {
    let (place, rest) = line.split_at_checked(10)?;
    let place = whole(place)?;
    match rest {
        [b' ', b'0', b'0', b'0', b'0', b'0', b' ', b'n', end @ ..] if is_entry_end(end) => {
            Some(Some(place))
        }
        [b' ', generation @ .., b' ', b'f', first, second]
            if generation.iter().all(u8::is_ascii_digit) && is_entry_end(&[*first, *second]) =>
        {
            Some(None)
        }
        _ => None,
    }
}

fn is_entry_end(end: &[u8]) -> bool {
    matches!(end, b" \n" | b" \r" | b"\r\n")
}

/// The objects from a place on, up to the keyword of a table.
pub(super) fn objects_from(file: &[u8], begin: usize) -> Option<(HashMap<u32, Object>, usize)> {
    let mut objects = HashMap::new();
    let mut at = begin;
    loop {
        let (token, span) = Strict::new(file, at).token()?;
        let number = match token {
            Token::Regular(b"xref") => return Some((objects, span.start)),
            Token::Regular(digits) => small(digits)?,
            _ => return None,
        };
        let body = header(file, span.start, number)?;
        let value = value(file, body, &mut HashSet::new())?;
        at = if value.is_stream {
            stream_end(file, body, value.end)?
        } else {
            value.end
        };
        let begin = span.start;
        if objects.insert(number, Object { begin, body }).is_some() {
            return None;
        }
    }
}

/// What follows the header `12 0 obj` at a place.
pub(super) fn header(file: &[u8], begin: usize, number: u32) -> Option<usize> {
    let mut lexer = Strict::new(file, begin);
    let (first, span) = lexer.token()?;
    let is_there = span.start == begin && first == Token::Regular(number.to_string().as_bytes());
    let is_header = is_there
        && matches!(lexer.token()?, (Token::Regular(b"0"), _))
        && matches!(lexer.token()?, (Token::Regular(b"obj"), _));
    is_header.then(|| lexer.position())
}

/// Where an object's value ends: behind the keyword `endobj` or `stream`.
pub(super) struct Value {
    pub(super) end: usize,
    pub(super) is_stream: bool,
}

/// Reads an object from behind its header; what it leads to goes into `referred`.
pub(super) fn value(file: &[u8], body: usize, referred: &mut HashSet<u32>) -> Option<Value> {
    let mut lexer = Strict::new(file, body);
    let mut last = [None, None];
    loop {
        let (token, span) = lexer.token()?;
        let keyword = match token {
            Token::Regular(keyword @ (b"endobj" | b"stream")) => keyword,
            Token::Regular(b"R") => {
                let [Some(number), Some(_)] = last else {
                    return None;
                };
                referred.insert(number);
                last = [None, None];
                continue;
            }
            Token::Regular(word) => {
                last = [last[1], small(word)];
                continue;
            }
            _ => {
                last = [None, None];
                continue;
            }
        };
        return Some(Value {
            end: span.end,
            is_stream: keyword == b"stream",
        });
    }
}

/// Behind the `endobj` of a stream whose data begins behind a place; its length is written in it.
fn stream_end(file: &[u8], body: usize, keyword_end: usize) -> Option<usize> {
    let mut lexer = Lexer::new(file, body);
    let entries = lexer.dictionary().ok()?;
    let is_behind_it = matches!(lexer.token(), Ok((Token::Regular(b"stream"), _)));
    if !is_behind_it || lexer.position() != keyword_end {
        return None;
    }
    let length = whole(file.get(find(&entries, b"Length")?.value.clone())?)?;
    let data = after(file, keyword_end, b"\r\n").or_else(|| after(file, keyword_end, b"\n"))?;
    let mut lexer = Strict::new(file, data.checked_add(length)?);
    let is_end = matches!(lexer.token()?, (Token::Regular(b"endstream"), _))
        && matches!(lexer.token()?, (Token::Regular(b"endobj"), _));
    is_end.then(|| lexer.position())
}

/// The dictionary of an object that is one, and no stream.
pub(super) fn dictionary(file: &[u8], body: usize) -> Option<Vec<Entry>> {
    let mut lexer = Lexer::new(file, body);
    let entries = lexer.dictionary().ok()?;
    matches!(lexer.token(), Ok((Token::Regular(b"endobj"), _))).then_some(entries)
}

/// A dictionary that is an entry's value.
pub(super) fn inner(file: &[u8], entry: &Entry) -> Option<Vec<Entry>> {
    Lexer::new(file, entry.value.start).dictionary().ok()
}

/// `12 0 R`, and nothing else.
pub(super) fn reference(file: &[u8], entry: &Entry) -> Option<u32> {
    match words(file, &entry.value).as_slice() {
        [number, b"0", b"R"] => small(number),
        _ => None,
    }
}

pub(super) fn small(digits: &[u8]) -> Option<u32> {
    whole(digits).and_then(|number| u32::try_from(number).ok())
}

/// A number at a place, and what is behind it.
fn number(file: &[u8], at: usize) -> Option<(usize, usize)> {
    let rest = file.get(at..)?;
    let digits = rest.iter().take_while(|byte| byte.is_ascii_digit()).count();
    Some((whole(rest.get(..digits)?)?, at.checked_add(digits)?))
}

/// What is behind some bytes, if they stand at a place.
fn after(file: &[u8], at: usize, expected: &[u8]) -> Option<usize> {
    let is_there = file.get(at..)?.starts_with(expected);
    is_there.then_some(at.checked_add(expected.len())?)
}

pub(super) fn line_end(file: &[u8], at: usize) -> Option<usize> {
    let ends: [&[u8]; 3] = [b"\r\n", b"\n", b"\r"];
    ends.into_iter().find_map(|end| after(file, at, end))
}

/// Tokens with white space between them and nothing else, and only such as all readers take alike.
struct Strict<'f> {
    file: &'f [u8],
    lexer: Lexer<'f>,
}

impl<'f> Strict<'f> {
    const fn new(file: &'f [u8], at: usize) -> Self {
        Self {
            file,
            lexer: Lexer::new(file, at),
        }
    }

    const fn position(&self) -> usize {
        self.lexer.position()
    }

    fn token(&mut self) -> Option<(Token<'f>, Range<usize>)> {
        let before = self.position();
        let (token, span) = self.lexer.token().ok()?;
        let is_comment = self.file.get(before..span.start)?.contains(&b'%');
        let is_common = match &token {
            Token::Regular(word) => is_keyword(word) || is_number(word),
            _ => true,
        };
        (is_common && !is_comment).then_some((token, span))
    }
}

fn is_keyword(word: &[u8]) -> bool {
    matches!(
        word,
        b"R" | b"true"
            | b"false"
            | b"null"
            | b"obj"
            | b"endobj"
            | b"stream"
            | b"endstream"
            | b"xref"
            | b"trailer"
            | b"startxref"
    )
}

/// Digits with at most one point and one sign.
fn is_number(word: &[u8]) -> bool {
    let digits = match word {
        [b'+' | b'-', digits @ ..] => digits,
        digits => digits,
    };
    let points = digits.iter().filter(|byte| **byte == b'.').count();
    let is_digit = |byte: &u8| byte.is_ascii_digit() || *byte == b'.';
    points <= 1 && digits.len() > points && digits.iter().all(is_digit)
}
