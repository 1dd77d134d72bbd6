//! One signature dictionary (ISO 32000-2 §12.8.1, table 255): its entries, and whether its
//! byte range leaves out its own contents and nothing else.

use super::lexer::{Entry, Lexer, Token, digit};
use super::{Certification, DictionaryFault, PdfSignature, SignatureKind};
use crate::cms::MAX_CMS;

/// Digits of an offset: more than any file needs.
const MAX_DIGITS: usize = 15;

/// A dictionary that was read, and where its object ends.
#[derive(Debug)]
pub(super) struct Found {
    pub(super) signature: PdfSignature,
    pub(super) end: usize,
}

/// Reads the object whose dictionary begins at `body`. `None` where the dictionary has no
/// byte range of its own.
pub(super) fn read(
    file: &[u8],
    number: u32,
    header: usize,
    body: usize,
) -> Result<Option<Found>, DictionaryFault> {
    // Nothing in here is looked for further away.
    let bytes = file.get(..file.len().min(body.saturating_add(super::MAX_DICTIONARY)));
    let bytes = bytes.unwrap_or(file);
    let mut lexer = Lexer::new(bytes, body);
    let entries = lexer.dictionary()?;
    let Some(byte_range) = find(&entries, b"ByteRange") else {
        return Ok(None);
    };
    let (last, span) = lexer.token()?;
    if last != Token::Regular(b"endobj") {
        return Err(DictionaryFault::Syntax { offset: span.start });
    }
    let byte_range = numbers(bytes, byte_range)?;
    let contents =
        find(&entries, b"Contents").ok_or(DictionaryFault::Missing { key: "Contents" })?;
    let kind = kind(bytes, &entries)?;
    let certification = certification(bytes, &entries);
    let range = SignedRange::checked(byte_range, contents, file.len())?;
    if !ends_in_marker(file.get(..range.end).unwrap_or_default()) {
        return Err(DictionaryFault::NoEndOfFile);
    }
    let (Token::Hexadecimal(digits), _) = Lexer::new(bytes, contents.value.start).token()? else {
        return Err(DictionaryFault::ContentsForm);
    };
    let signature = PdfSignature {
        object: number,
        kind,
        certification,
        cms: structure(digits)?,
        header,
        gap: range.gap_begin..range.gap_end,
        end: range.end,
        is_redefined: false,
    };
    Ok(Some(Found {
        signature,
        end: lexer.position(),
    }))
}

/// What a byte range leaves, once it is known to fit.
struct SignedRange {
    gap_begin: usize,
    gap_end: usize,
    end: usize,
}

impl SignedRange {
    fn checked(
        [first, gap_begin, gap_end, length]: [usize; 4],
        contents: &Entry,
        file_length: usize,
    ) -> Result<Self, DictionaryFault> {
        if first != 0 {
            return Err(DictionaryFault::NotFromBegin);
        }
        if contents.value != (gap_begin..gap_end) {
            return Err(DictionaryFault::Gap);
        }
        match gap_end.checked_add(length) {
            Some(end) if end <= file_length => Ok(Self {
                gap_begin,
                gap_end,
                end,
            }),
            _ => Err(DictionaryFault::BeyondEnd),
        }
    }
}

pub(super) fn find<'e>(entries: &'e [Entry], key: &[u8]) -> Option<&'e Entry> {
    entries.iter().find(|entry| entry.key == key)
}

/// `[0 a b c]`, in plain digits.
fn numbers(bytes: &[u8], entry: &Entry) -> Result<[usize; 4], DictionaryFault> {
    let mut lexer = Lexer::new(bytes, entry.value.start);
    if lexer.token()?.0 != Token::ArrayBegin {
        return Err(DictionaryFault::ByteRangeForm);
    }
    let mut numbers = [0; 4];
    for number in &mut numbers {
        *number = match lexer.token()?.0 {
            Token::Regular(digits) => whole(digits).ok_or(DictionaryFault::ByteRangeForm)?,
            _ => return Err(DictionaryFault::ByteRangeForm),
        };
    }
    match lexer.token()?.0 {
        Token::ArrayEnd => Ok(numbers),
        _ => Err(DictionaryFault::ByteRangeForm),
    }
}

/// A number in plain digits.
pub(super) fn whole(digits: &[u8]) -> Option<usize> {
    let is_plain = !digits.is_empty() && digits.len() <= MAX_DIGITS;
    let text = std::str::from_utf8(digits).ok()?;
    let only_digits = digits.iter().all(u8::is_ascii_digit);
    (is_plain && only_digits).then(|| text.parse().ok())?
}

fn kind(bytes: &[u8], entries: &[Entry]) -> Result<SignatureKind, DictionaryFault> {
    let key = "SubFilter";
    let entry = find(entries, key.as_bytes()).ok_or(DictionaryFault::Missing { key })?;
    match Lexer::new(bytes, entry.value.start).token()?.0 {
        Token::Name(name) => Ok(SignatureKind::of(&name)),
        _ => Err(DictionaryFault::Syntax {
            offset: entry.value.start,
        }),
    }
}

/// What the signer allows to be changed (ISO 32000-2 §12.8.2.2); nothing where it does not certify.
fn certification(bytes: &[u8], entries: &[Entry]) -> Option<Certification> {
    let reference = find(entries, b"Reference")?;
    let mut lexer = Lexer::new(bytes, reference.value.start);
    if !matches!(lexer.token(), Ok((Token::ArrayBegin, _))) {
        return Some(Certification::Unclear);
    }
    let mut found = None;
    loop {
        let mut one = lexer.clone();
        match lexer.token() {
            Ok((Token::ArrayEnd, _)) => return found,
            Ok((Token::DictionaryBegin, _)) => {
                let Ok(transform) = one.dictionary() else {
                    return Some(Certification::Unclear);
                };
                found = found.or(transform_of(bytes, &transform));
                lexer = one;
            }
            _ => return Some(Certification::Unclear),
        }
    }
}

fn transform_of(bytes: &[u8], transform: &[Entry]) -> Option<Certification> {
    let first = |entry: &Entry| Lexer::new(bytes, entry.value.start).token();
    let method = find(transform, b"TransformMethod").map(first);
    match method {
        Some(Ok((Token::Name(name), _))) if name == b"DocMDP" => {}
        Some(Ok((Token::Name(_), _))) => return None,
        _ => return Some(Certification::Unclear),
    }
    let Some(parameters) = find(transform, b"TransformParams") else {
        return Some(Certification::Forms);
    };
    let parameters = Lexer::new(bytes, parameters.value.start).dictionary();
    let Ok(parameters) = parameters else {
        return Some(Certification::Unclear);
    };
    let level = find(&parameters, b"P").map(|entry| bytes.get(entry.value.clone()));
    Some(match level {
        None | Some(Some(b"2")) => Certification::Forms,
        Some(Some(b"1")) => Certification::Nothing,
        Some(Some(b"3")) => Certification::Annotations,
        Some(_) => Certification::Unclear,
    })
}

/// `%%EOF`, and at most one end of line.
fn ends_in_marker(signed: &[u8]) -> bool {
    let marker = b"%%EOF";
    [&b""[..], b"\n", b"\r\n", b"\r"].iter().any(|end| {
        signed
            .strip_suffix(*end)
            .is_some_and(|rest| rest.ends_with(marker))
    })
}

/// The DER structure at the beginning of the string; the rest of it must be zeros.
fn structure(digits: &[u8]) -> Result<Vec<u8>, DictionaryFault> {
    if digits.len() > 2 * MAX_CMS {
        return Err(DictionaryFault::TooLarge);
    }
    let pairs = digits.chunks_exact(2);
    if !pairs.remainder().is_empty() {
        return Err(DictionaryFault::ContentsForm);
    }
    let byte = |pair: &[u8]| match pair {
        [high, low] => Some(digit(high)? << 4 | digit(low)?),
        _ => None,
    };
    // White space in it would be none of its digits.
    let mut bytes = pairs
        .map(byte)
        .collect::<Option<Vec<u8>>>()
        .ok_or(DictionaryFault::ContentsForm)?;
    let length = crate::asn1::Reader::new(&bytes)
        .element()
        .map_err(DictionaryFault::Structure)?
        .whole
        .len();
    let padding = bytes.split_off(length);
    if padding.iter().any(|byte| *byte != 0) {
        return Err(DictionaryFault::Padding);
    }
    Ok(bytes)
}
