//! Signatures in PDF files: [`consign_pki::pdf::find`], and the verdict of
//! [`consign_verify::pdf::judge`].
//!
//! `/ByteRange @` is replaced by the numbers that fit where it stands, so that changes get
//! beyond them.

use std::borrow::Cow;
use std::ops::Range;
use std::sync::LazyLock;

use consign_pki::pdf::{Addition, SignatureKind, find};
use consign_verify::container::JudgedAt;
use consign_verify::pdf::Standing;
use consign_verify::policy::Policy;

use crate::world::now;
use crate::{Seed, WORLD};

const BEGIN: &str = "%PDF-1.7\n1 0 obj\n<< /Type /Catalog /Pages 2 0 R >>\nendobj\n";
const END: &str = "startxref\n9\n%%EOF\n";
const OPEN: &[u8] = b"/ByteRange @";
const WIDTH: usize = "[0 0000000000 0000000000 0000000000]".len();
/// Room for a signature, in hexadecimal digits.
const ROOM: usize = 6_000;

/// All that was ever signed here.
static SIGNED: LazyLock<Vec<Vec<u8>>> = LazyLock::new(|| {
    let files = [signed_twice(), stamped()];
    let signed = |file: &Vec<u8>| {
        let found = find(file).expect("ours");
        let all = found.signatures().iter().map(|one| one.signed(file));
        all.collect::<Vec<_>>()
    };
    files.iter().flat_map(signed).collect()
});

/// What is found has its place in the file; a signature that passes is over bytes that were
/// signed; and a file that passes ends where they do.
pub fn judge(bytes: &[u8]) -> bool {
    let file = laid_out(bytes);
    let found = find(&file);
    let at = JudgedAt::Proven(now());
    let judgement = consign_verify::pdf::judge(&file, &WORLD.seal_trust(), &Policy::default(), at);
    let Ok(found) = found else {
        assert!(judgement.report.malformed && !judgement.report.is_passed());
        return false;
    };
    assert_eq!(found.signatures().len(), judgement.signatures.len());
    let mut before = 0;
    for (signature, judged) in found.signatures().iter().zip(&judgement.signatures) {
        assert!(
            signature.end > before && signature.end <= file.len(),
            "out of place"
        );
        before = signature.end;
        let signed = signature.signed(&file);
        assert!(signed.starts_with(b"%PDF-") && signed.len() < signature.end);
        if judged.report.is_passed() {
            assert!(SIGNED.contains(&signed), "a forged signature");
        }
    }
    if judgement.report.is_passed() {
        let last = found.signatures().last().expect("somebody signed");
        assert_ne!(
            last.kind,
            SignatureKind::TimeStamp,
            "nobody vouches for the end"
        );
        assert_eq!(found.addition_after(last.end), Addition::Nothing);
        assert_ne!(judgement.standing, Standing::None);
    }
    judgement.report.is_passed()
}

/// The file with its open byte ranges filled in, as long as before but for these.
fn laid_out(bytes: &[u8]) -> Cow<'_, [u8]> {
    let mut file = Cow::Borrowed(bytes);
    // No more than are read.
    for _ in 0..=consign_pki::pdf::MAX_SIGNATURES {
        let Some(at) = position(&file, 0, OPEN) else {
            break;
        };
        let place = at + OPEN.len() - 1;
        let mut filled = file.into_owned();
        filled.splice(place..=place, [b' '; WIDTH]);
        let range = gap(&filled, place + WIDTH);
        let end = position(&filled, range.end, END.as_bytes());
        let end = end.map_or(filled.len(), |at| at + END.len());
        let length = end.saturating_sub(range.end);
        let text = format!("[0 {:010} {:010} {length:010}]", range.start, range.end);
        if let (Some(target), true) = (filled.get_mut(place..place + WIDTH), text.len() == WIDTH) {
            target.copy_from_slice(text.as_bytes());
        }
        file = Cow::Owned(filled);
    }
    file
}

/// The next hexadecimal string, with its brackets.
fn gap(file: &[u8], from: usize) -> Range<usize> {
    let begin = position(file, from, b"<").unwrap_or(file.len());
    let end = position(file, begin, b">").map_or(file.len(), |at| at + 1);
    begin..end
}

fn position(bytes: &[u8], from: usize, text: &[u8]) -> Option<usize> {
    let rest = bytes.get(from..)?;
    let found = rest.windows(text.len()).position(|window| window == text);
    found.map(|at| at + from)
}

/// A revision with a signature field, its byte range open.
fn revision(number: u32, sub_filter: &str) -> String {
    let room = "0".repeat(ROOM);
    format!(
        "{number} 0 obj\n<< /Type /Sig /Filter /Adobe.PPKLite /SubFilter /{sub_filter} \
         /ByteRange @ /Contents <{room}> /M (D:20261123) >>\nendobj\n{END}"
    )
}

/// The file with a further signature, made over what it is to be over.
fn signed(
    file: &[u8],
    number: u32,
    sub_filter: &str,
    sign: impl FnOnce(&[u8]) -> Vec<u8>,
) -> Vec<u8> {
    let open = [file, revision(number, sub_filter).as_bytes()].concat();
    let mut file = laid_out(&open).into_owned();
    let range = gap(&file, file.len() - ROOM - 100 - END.len());
    let over = [&file[..range.start], &file[range.end..]].concat();
    for (place, byte) in sign(&over).into_iter().enumerate() {
        let digits = range.start + 1 + 2 * place;
        file[digits..digits + 2].copy_from_slice(format!("{byte:02x}").as_bytes());
    }
    file
}

fn by_agency(file: &[u8], number: u32) -> Vec<u8> {
    let sign = |over: &[u8]| WORLD.sign(&WORLD.seals[0], over);
    signed(file, number, "ETSI.CAdES.detached", sign)
}

/// A file with the agency's signature.
pub fn signed_once() -> Vec<u8> {
    by_agency(BEGIN.as_bytes(), 5)
}

fn signed_twice() -> Vec<u8> {
    let sign = |over: &[u8]| WORLD.sign(&WORLD.seals[1], over);
    signed(&signed_once(), 6, "adbe.pkcs7.detached", sign)
}

fn stamped() -> Vec<u8> {
    let stamp = |over: &[u8]| WORLD.stamp(over);
    signed(&signed_once(), 7, "ETSI.RFC3161", stamp)
}

/// Signed once, twice and with a time-stamp; with something after; open, to be laid out.
pub fn seeds() -> Vec<Seed> {
    let open = |parts: &[String]| [BEGIN.as_bytes(), parts.concat().as_bytes()].concat();
    let added = "9 0 obj\n<< /DSS << /VRI 4 0 R >> >>\nendobj\n%%EOF\n";
    vec![
        Seed::good("once", signed_once()),
        Seed::good("twice", signed_twice()),
        Seed::bad("stamped", stamped()),
        Seed::bad("added", [&*signed_once(), added.as_bytes()].concat()),
        Seed::bad("plain", BEGIN),
        Seed::bad("open", open(&[revision(5, "ETSI.CAdES.detached")])),
        Seed::bad(
            "open-twice",
            open(&[
                revision(5, "adbe.pkcs7.detached"),
                revision(6, "ETSI.RFC3161"),
            ]),
        ),
        Seed::bad(
            "two-over-one",
            open(&[
                revision(5, "x").replace(END, ""),
                revision(6, "adbe.pkcs7.sha1"),
            ]),
        ),
    ]
}

#[cfg(test)]
pub(crate) fn forgery() -> Vec<u8> {
    by_agency(BEGIN.replace("/Pages 2", "/Pages 3").as_bytes(), 5)
}
