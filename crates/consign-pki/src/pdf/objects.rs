//! Where objects begin (ISO 32000-2 §7.3.10), by a search through the bytes.

use std::ops::Range;

use super::lexer::{Lexer, Token, is_regular, is_space};
use super::{Addition, MAX_DICTIONARY, PdfSignature, dictionary};

/// More bytes than stand before the keyword of a header.
const MAX_HEADER: usize = 64;

/// `12 0 obj`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Header {
    pub(super) number: u32,
    pub(super) begin: usize,
    /// Where what follows the keyword begins.
    pub(super) body: usize,
}

/// The next `/ByteRange`, from a place on.
pub(super) fn byte_range(file: &[u8], from: usize) -> Option<usize> {
    names(file, b"/ByteRange", from).next()
}

/// Where a whole name stands.
pub(super) fn names<'f>(
    file: &'f [u8],
    name: &'f [u8],
    from: usize,
) -> impl Iterator<Item = usize> + 'f {
    hits(file, name, from).filter(move |at| {
        let next = file.get(at.saturating_add(name.len()));
        next.is_none_or(|byte| !is_regular(*byte))
    })
}

/// Whether a name stands there with `#xx` in it.
pub(super) fn escaped(file: &[u8], name: &[u8], from: usize) -> bool {
    /// Longer than the names that are looked for, each of their bytes escaped.
    const MAX_NAME: usize = 16;
    hits(file, b"#", from).any(|at| {
        let start = at.saturating_sub(MAX_NAME).max(from);
        let before = file.get(start..at).unwrap_or_default();
        let slash = before.iter().rposition(|byte| *byte == b'/');
        let slash = slash.map(|slash| slash.saturating_add(start));
        let token = slash.and_then(|slash| Lexer::new(file, slash).token().ok());
        matches!(token, Some((Token::Name(found), _)) if found == name)
    })
}

/// Where a text stands, from a place on.
fn hits<'f>(file: &'f [u8], text: &'f [u8], from: usize) -> impl Iterator<Item = usize> + 'f {
    let rest = file.get(from..).unwrap_or_default();
    let windows = rest.windows(text.len()).enumerate();
    windows
        .filter(move |(_, window)| window.first() == text.first() && *window == text)
        .map(move |(at, _)| at.saturating_add(from))
}

/// The last object header before `offset`, not before `from` nor further away than a
/// signature dictionary is long.
pub(super) fn header_before(file: &[u8], from: usize, offset: usize) -> Option<Header> {
    let from = from.max(offset.saturating_sub(MAX_DICTIONARY));
    let region = file.get(from..offset)?;
    let mut ends = region.windows(3).enumerate().rev();
    ends.find_map(|(at, window)| {
        (window == b"obj")
            .then(|| header(file, from, at.saturating_add(from)))
            .flatten()
    })
}

/// The header whose keyword stands at `keyword`.
fn header(file: &[u8], from: usize, keyword: usize) -> Option<Header> {
    let body = keyword.saturating_add(3);
    if file.get(body).is_some_and(|byte| is_regular(*byte)) {
        return None;
    }
    let before = file.get(from..keyword)?;
    let (_, rest) = number_at_end(before)?;
    let (number, rest) = number_at_end(rest)?;
    if rest.last().is_some_and(|byte| is_regular(*byte)) {
        return None;
    }
    Some(Header {
        number: u32::try_from(number).ok()?,
        begin: from.saturating_add(rest.len()),
        body,
    })
}

/// Digits followed by white space at the end of some bytes, and what is before them.
fn number_at_end(bytes: &[u8]) -> Option<(usize, &[u8])> {
    /// More than anybody writes.
    const MAX_SPACE: usize = 16;
    let spaces = bytes.iter().rev().take_while(|byte| is_space(**byte));
    let spaces = spaces.take(MAX_SPACE).count();
    let bytes = bytes.get(..bytes.len().saturating_sub(spaces))?;
    let digits = bytes.iter().rev().take_while(|byte| byte.is_ascii_digit());
    let digits = digits.take(MAX_SPACE).count();
    let (rest, digits) = bytes.split_at_checked(bytes.len().saturating_sub(digits))?;
    let number = dictionary::whole(digits).filter(|_| spaces > 0)?;
    Some((number, rest))
}

/// Every header of an object, in the order in which they stand.
pub(super) fn headers(file: &[u8]) -> impl Iterator<Item = Header> + '_ {
    hits(file, b"obj", 0)
        .filter_map(|keyword| header(file, keyword.saturating_sub(MAX_HEADER), keyword))
}

/// Every `12 0 R`: the number, and where it stands.
pub(super) fn references(file: &[u8]) -> impl Iterator<Item = (u32, Range<usize>)> + '_ {
    hits(file, b"R", 0).filter_map(|at| {
        if file
            .get(at.saturating_add(1))
            .is_some_and(|byte| is_regular(*byte))
        {
            return None;
        }
        let before = file.get(at.saturating_sub(MAX_HEADER)..at)?;
        let (_, rest) = number_at_end(before)?;
        let (number, rest) = number_at_end(rest)?;
        let start = at.saturating_sub(before.len().saturating_sub(rest.len()));
        Some((u32::try_from(number).ok()?, start..at))
    })
}

/// Where tables of cross-references begin after an end: behind their keyword.
pub(super) fn tables(file: &[u8], end: usize) -> impl Iterator<Item = usize> + '_ {
    hits(file, b"xref", end).filter_map(move |at| {
        let is_own = !file.get(..at)?.ends_with(b"start");
        is_own.then_some(at.saturating_add(b"xref".len()))
    })
}

/// Marks the signatures whose object number stands in the file more than once.
pub(super) fn mark_redefined(file: &[u8], signatures: &mut [PdfSignature]) {
    if signatures.is_empty() {
        return;
    }
    for found in headers(file) {
        for signature in &mut *signatures {
            let other = found.begin != signature.header;
            signature.is_redefined |= other && found.number == signature.object;
        }
    }
}

/// What added bytes seem to be.
pub(super) fn addition(bytes: &[u8]) -> Addition {
    let has = |name: &[u8]| names(bytes, name, 0).next().is_some();
    // One end of line: longer blanks could move the end of the file away from its trailer, and
    // readers that then search the file may show another object than before.
    if matches!(bytes, b"" | b"\n" | b"\r" | b"\r\n") {
        return Addition::Nothing;
    }
    let validation = has(b"/DSS") || has(b"/VRI") || has(b"/DocTimeStamp");
    let others: [&[u8]; 5] = [b"/Page", b"/XObject", b"/ObjStm", b"/Font", b"/Sig"];
    if validation && !others.into_iter().any(has) {
        Addition::ValidationData
    } else {
        Addition::Other
    }
}
