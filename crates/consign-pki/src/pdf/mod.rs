//! Signatures inside PDF files (ISO 32000-2 §12.8, PAdES: ETSI EN 319 142-1): found by their
//! bytes, without a reader of PDF.
//!
//! [`find`] gives every signature dictionary that stands in the file, or refuses the file.
//! Nothing is verified here: [`PdfSignature::signed`] gives the bytes that
//! [`crate::cms::parse_and_verify_cms`] judges, or [`crate::timestamp::verify`].
//!
//! **Why bytes are enough.** A dictionary is accepted only if its byte range begins at the
//! first byte of the file and leaves out nothing but the hexadecimal string of its own
//! `/Contents`. So a signature that verifies was made over the file from its first byte to
//! [`PdfSignature::end`], *its own dictionary included*: nobody can move it into another
//! file, give it to another dictionary, or put anything before it. Whether a reader of PDF
//! would reach the dictionary through cross-references changes nothing of what its signer
//! signed. What cross-references can do is show something else than was signed, and for
//! that bytes have to be added after the end. Hence the rules:
//!
//! - The signed bytes end in `%%EOF`: a signature signs whole revisions.
//! - Of two signatures the later dictionary stands after all that the earlier one signed.
//!   Two over one range, or ranges that interlock otherwise, are refused.
//! - What follows the end is never passed over: [`Pdf::length_after`] measures it, and who judges
//!   asks that a later signature covers it. A time-stamp covers for nobody: anybody gets one.
//! - An object number of a signature dictionary that stands in the file twice is told
//!   ([`PdfSignature::is_redefined`]): readers may take either.
//! - `/ByteRange` in any place but a dictionary of an indirect object is refused: doubt about
//!   a signature is not passed over either. So is a file inside of the file, stored without
//!   compression, that has signatures of its own.
//!
//! A dictionary that is hidden from this search, in a packed stream or by escapes in its
//! name, is not found and counts for nothing; it takes nothing away from the others.

mod dictionary;
mod history;
mod lexer;
mod objects;

use std::ops::Range;

use crate::asn1::DerError;
use crate::cms::MAX_CMS;

pub use history::{Changes, History, Shown};

/// Most signatures in a file.
pub const MAX_SIGNATURES: usize = 32;
/// Most bytes of a signature dictionary: its contents in hexadecimal digits, and the rest.
const MAX_DICTIONARY: usize = 2 * MAX_CMS + 64 * 1024;

/// The signatures of a file, in the order in which they were made.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Pdf<'a> {
    file: &'a [u8],
    signatures: Vec<PdfSignature>,
}

/// One signature dictionary. Nothing in it is verified.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct PdfSignature {
    /// Number of its object.
    pub object: u32,
    /// What its contents are said to be.
    pub kind: SignatureKind,
    /// What its signer allows to be changed, if it certifies the file.
    pub certification: Option<Certification>,
    /// Its contents: one DER structure, without the padding.
    pub cms: Vec<u8>,
    /// Where its object begins.
    header: usize,
    /// The hexadecimal string with its brackets, which alone is not signed.
    gap: Range<usize>,
    /// Length of what it signs, the gap included, in bytes from the begin of the file.
    pub end: usize,
    /// Whether its object number stands in the file more than once.
    pub is_redefined: bool,
}

/// What the contents of a signature dictionary are said to be (`/SubFilter`).
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum SignatureKind {
    /// `ETSI.CAdES.detached`: a CAdES signature.
    Cades,
    /// `adbe.pkcs7.detached`: a CMS signature, which need not name its certificate.
    Pkcs7,
    /// `ETSI.RFC3161`: a time-stamp token over the document.
    TimeStamp,
    /// Forms that rest on SHA-1: `adbe.pkcs7.sha1`, `adbe.x509.rsa_sha1`.
    Sha1,
    /// Anything else.
    Other,
}

impl SignatureKind {
    fn of(sub_filter: &[u8]) -> Self {
        match sub_filter {
            b"ETSI.CAdES.detached" => Self::Cades,
            b"adbe.pkcs7.detached" => Self::Pkcs7,
            b"ETSI.RFC3161" => Self::TimeStamp,
            b"adbe.pkcs7.sha1" | b"adbe.x509.rsa_sha1" => Self::Sha1,
            _ => Self::Other,
        }
    }
}

/// What the signer who certifies a file allows to be changed after (`/DocMDP`, ISO 32000-2
/// §12.8.2.2.2, table 257). Validation data and time-stamps over the file are no changes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum Certification {
    /// Nothing.
    Nothing,
    /// Forms may be filled in and signed.
    Forms,
    /// Annotations may be made, too.
    Annotations,
    /// It does not say in a way that is read here.
    Unclear,
}

impl Certification {
    /// The number by which it is written.
    pub const fn level(self) -> Option<u8> {
        match self {
            Self::Nothing => Some(1),
            Self::Forms => Some(2),
            Self::Annotations => Some(3),
            Self::Unclear => None,
        }
    }
}

/// What follows the end of a signature, by a look at its names. It says what to expect, and
/// proves nothing.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum Addition {
    /// Nothing but white space.
    Nothing,
    /// It names validation data or a time-stamp, and neither pages, fields nor packed objects.
    ValidationData,
    /// Anything.
    Other,
}

/// Why the signatures of a file are not taken.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum PdfError {
    /// It does not begin with `%PDF-`.
    #[error("not a PDF file")]
    NotPdf,
    /// More than [`MAX_SIGNATURES`].
    #[error("more than {MAX_SIGNATURES} signatures")]
    TooManySignatures,
    /// A `/ByteRange` that is not an entry of an indirect object's dictionary.
    #[error("a byte range at offset {offset} belongs to no signature dictionary")]
    Stray {
        /// Where it stands.
        offset: usize,
    },
    /// A signature dictionary that is not sound.
    #[error("the signature dictionary at offset {offset} is not sound")]
    Dictionary {
        /// Where its object begins.
        offset: usize,
        /// What is wrong with it.
        #[source]
        source: DictionaryFault,
    },
    /// Two signatures over one range.
    #[error("signature dictionaries {first} and {second} sign the same range")]
    SameRange {
        /// Object number of the one.
        first: u32,
        /// Object number of the other.
        second: u32,
    },
    /// A dictionary within, or before the end of, what an earlier signature covers.
    #[error("the ranges of signature dictionaries {first} and {second} interlock")]
    Interlocked {
        /// Object number of the one that ends first.
        first: u32,
        /// Object number of the other.
        second: u32,
    },
}

/// What is wrong with a signature dictionary.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum DictionaryFault {
    /// It does not end.
    #[error("it does not end")]
    Truncated,
    /// Something that does not belong there.
    #[error("unexpected bytes at offset {offset}")]
    Syntax {
        /// Where.
        offset: usize,
    },
    /// Too many entries, too deep or too long.
    #[error("it is larger or deeper than is read")]
    TooLarge,
    /// An entry that is there twice.
    #[error("{key} is there twice")]
    Repeated {
        /// The entry.
        key: String,
    },
    /// An entry that must be there.
    #[error("{key} is missing")]
    Missing {
        /// The entry.
        key: &'static str,
    },
    /// Not four whole numbers.
    #[error("its byte range is not of the form [0 a b c]")]
    ByteRangeForm,
    /// The file's first bytes are not signed.
    #[error("its byte range does not begin with the file")]
    NotFromBegin,
    /// The byte range leaves out something else than the contents.
    #[error("its byte range does not leave out exactly its own contents")]
    Gap,
    /// The byte range reaches outside of the file.
    #[error("its byte range reaches beyond the end of the file")]
    BeyondEnd,
    /// What is signed ends within a revision.
    #[error("what it signs does not end in %%EOF")]
    NoEndOfFile,
    /// The contents are not a string of whole hexadecimal bytes.
    #[error("its contents are not a hexadecimal string")]
    ContentsForm,
    /// The contents do not begin with DER.
    #[error("its contents are not DER")]
    Structure(#[source] DerError),
    /// The contents hold something after the signature.
    #[error("its contents hold something else after the signature")]
    Padding,
}

/// All signatures of a file. The caller bounds its size.
///
/// # Errors
/// [`PdfError`]: one dictionary that is not sound is enough.
pub fn find(file: &[u8]) -> Result<Pdf<'_>, PdfError> {
    if !file.starts_with(b"%PDF-") {
        return Err(PdfError::NotPdf);
    }
    let mut signatures = Vec::new();
    let mut from = 0;
    while let Some(offset) = objects::byte_range(file, from) {
        if signatures.len() >= MAX_SIGNATURES {
            return Err(PdfError::TooManySignatures);
        }
        let header = objects::header_before(file, from, offset);
        let header = header.ok_or(PdfError::Stray { offset })?;
        let found = dictionary::read(file, header.number, header.begin, header.body);
        let found = found.map_err(|source| PdfError::Dictionary {
            offset: header.begin,
            source,
        })?;
        let found = found
            .filter(|found| found.end > offset)
            .ok_or(PdfError::Stray { offset })?;
        from = found.end;
        signatures.push(found.signature);
    }
    signatures.sort_by_key(|signature| signature.end);
    for (first, second) in signatures.iter().zip(signatures.iter().skip(1)) {
        apart(first, second)?;
    }
    objects::mark_redefined(file, &mut signatures);
    Ok(Pdf { file, signatures })
}

fn apart(first: &PdfSignature, second: &PdfSignature) -> Result<(), PdfError> {
    let numbers = (first.object, second.object);
    if first.end == second.end {
        let (first, second) = numbers;
        return Err(PdfError::SameRange { first, second });
    }
    if second.header < first.end {
        let (first, second) = numbers;
        return Err(PdfError::Interlocked { first, second });
    }
    Ok(())
}

impl Pdf<'_> {
    /// The signatures, each over more than the one before.
    pub fn signatures(&self) -> &[PdfSignature] {
        &self.signatures
    }

    /// How many bytes follow an end.
    pub const fn length_after(&self, end: usize) -> usize {
        self.file.len().saturating_sub(end)
    }

    /// What the bytes that follow an end seem to be.
    pub fn addition_after(&self, end: usize) -> Addition {
        objects::addition(self.file.get(end..).unwrap_or_default())
    }

    /// Its objects, and what later revisions do to them.
    pub fn history(&self) -> History<'_> {
        History::read(self.file)
    }
}

impl PdfSignature {
    /// The bytes that it signs, of the file in which it was found.
    pub fn signed(&self, file: &[u8]) -> Vec<u8> {
        let before = file.get(..self.gap.start).unwrap_or_default();
        let after = file.get(self.gap.end..self.end).unwrap_or_default();
        [before, after].concat()
    }
}

#[cfg(test)]
mod tests;
