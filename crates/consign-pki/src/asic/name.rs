//! Names of entries: what is allowed, and how a manifest writes them as URIs.
//!
//! A name is shown to people and becomes a file on many systems, so it must mean one thing on
//! each: no folders to climb, no device names, no characters that reorder what is displayed.

use std::collections::HashMap;
use std::collections::hash_map::Entry;

use super::error::AsicError;

/// The longest name of an entry, in bytes of UTF-8.
pub const MAX_NAME_BYTES: usize = 200;

/// The rule that a name of an entry breaks.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, thiserror::Error)]
#[non_exhaustive]
pub enum NameRule {
    /// The name, or a part between slashes, is empty.
    #[error("is empty")]
    Empty,
    /// Over [`MAX_NAME_BYTES`].
    #[error("is longer than 200 bytes")]
    TooLong,
    /// Not UTF-8, or not ASCII where the flag for UTF-8 is not set.
    #[error("is not marked and valid UTF-8")]
    NotUtf8,
    /// Begins with a slash.
    #[error("is absolute")]
    Absolute,
    /// Has a backslash.
    #[error("contains a backslash")]
    Backslash,
    /// Has a colon: a drive, a stream or a URI scheme to some reader.
    #[error("contains a colon")]
    Colon,
    /// A control character, line separator or one that changes the direction of text.
    #[error("contains a control or bidirectional character")]
    Control,
    /// `.` or `..`.
    #[error("contains a relative path segment")]
    Relative,
    /// Ends in a space or a dot, which some systems drop.
    #[error("ends in a space or a dot")]
    TrailingSpaceOrDot,
    /// A file of the document in a folder, or an unknown file in `META-INF`.
    #[error("is in a folder where no such file belongs")]
    Folder,
    /// `META-INF`, `mimetype`, or a device name such as `CON` or `nul.txt`.
    #[error("is reserved")]
    Reserved,
}

impl NameRule {
    /// A stable short name.
    pub fn code(self) -> &'static str {
        match self {
            Self::Empty => "name-empty",
            Self::TooLong => "name-too-long",
            Self::NotUtf8 => "name-not-utf8",
            Self::Absolute => "name-absolute",
            Self::Backslash => "name-backslash",
            Self::Colon => "name-colon",
            Self::Control => "name-control",
            Self::Relative => "name-relative",
            Self::TrailingSpaceOrDot => "name-trailing",
            Self::Folder => "name-folder",
            Self::Reserved => "name-reserved",
        }
    }
}

/// Whether `name` may be a file of a document, that is, an entry outside `META-INF`.
///
/// # Errors
///
/// The first rule that the name breaks.
pub fn check_file_name(name: &str) -> Result<(), NameRule> {
    check_path(name)?;
    if name.contains('/') {
        return Err(NameRule::Folder);
    }
    let reserved = [super::MIMETYPE_NAME, "meta-inf"];
    if reserved.iter().any(|word| name.eq_ignore_ascii_case(word)) {
        return Err(NameRule::Reserved);
    }
    Ok(())
}

/// Whether `text` is a bare media type, `type/subtype` (RFC 6838, clause 4.2).
pub fn is_media_type(text: &str) -> bool {
    let restricted = |part: &str| {
        (1..=127).contains(&part.len())
            && part
                .bytes()
                .next()
                .is_some_and(|b| b.is_ascii_alphanumeric())
            && part
                .bytes()
                .all(|b| b.is_ascii_alphanumeric() || b"!#$&-^_.+".contains(&b))
    };
    text.split_once('/')
        .is_some_and(|(kind, subtype)| restricted(kind) && restricted(subtype))
}

/// What an entry is, by its name.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum NameKind {
    Mimetype,
    /// A file in the root.
    File,
    /// A file in a folder other than `META-INF`: from elsewhere only.
    FileInFolder,
    /// `META-INF/ASiCManifest<nnn>.xml`, or from elsewhere `META-INF/ASiCManifest*.xml`.
    Manifest,
    /// `META-INF/signature<nnn>.p7s`.
    Signature,
    /// Another file in `META-INF`: from elsewhere only.
    MetaInfOther,
    /// The entry of a folder itself: from elsewhere only.
    Folder,
}

impl NameKind {
    /// Whether each manifest must cover such an entry.
    pub(super) fn is_document_file(self) -> bool {
        matches!(self, Self::File | Self::FileInFolder)
    }
}

/// Checks the rules that hold everywhere and says what the entry is.
pub(super) fn classify(name: &str) -> Result<NameKind, NameRule> {
    if let Some(folder) = name.strip_suffix('/') {
        check_path(folder)?;
        return Ok(NameKind::Folder);
    }
    check_path(name)?;
    if name == super::MIMETYPE_NAME {
        return Ok(NameKind::Mimetype);
    }
    if let Some(file) = name.strip_prefix("META-INF/") {
        return Ok(if is_manifest_name(file) {
            NameKind::Manifest
        } else if numbered(file, "signature", ".p7s").is_some() {
            NameKind::Signature
        } else {
            NameKind::MetaInfOther
        });
    }
    match name.split_once('/') {
        Some((folder, _)) if folder.eq_ignore_ascii_case("META-INF") => Err(NameRule::Reserved),
        Some(_) => Ok(NameKind::FileInFolder),
        None => check_file_name(name).map(|()| NameKind::File),
    }
}

/// `META-INF/ASiCManifest<number>.xml`.
pub(super) fn manifest_name(number: usize) -> String {
    format!("META-INF/ASiCManifest{number:03}.xml")
}

/// `META-INF/signature<number>.p7s`.
pub(super) fn signature_name(number: usize) -> String {
    format!("META-INF/signature{number:03}.p7s")
}

/// Names seen so far: refuses a second one that any file system would take for the first.
#[derive(Debug, Default)]
pub(super) struct NameSet(HashMap<String, String>);

impl NameSet {
    pub(super) fn insert(&mut self, name: &str) -> Result<(), AsicError> {
        // Upper case first: it joins letters such as ß and ss, ſ and s, that lower case keeps apart.
        let folded = name.to_uppercase().to_lowercase();
        match self.0.entry(folded) {
            Entry::Vacant(place) => {
                place.insert(name.to_owned());
                Ok(())
            }
            Entry::Occupied(taken) if taken.get() == name => Err(AsicError::DuplicateName {
                name: name.to_owned(),
            }),
            Entry::Occupied(taken) => Err(AsicError::CaseDuplicate {
                name: name.to_owned(),
                other: taken.get().clone(),
            }),
        }
    }
}

/// The name as a relative URI: all but the unreserved characters and `/` percent-encoded
/// (RFC 3986, clauses 2.1 and 2.3).
pub(super) fn encode_uri(name: &str) -> String {
    use std::fmt::Write as _;
    let mut uri = String::with_capacity(name.len());
    for byte in name.bytes() {
        if byte.is_ascii_alphanumeric() || b"-._~/".contains(&byte) {
            uri.push(char::from(byte));
        } else {
            // Writing to a string cannot fail.
            let _ = write!(uri, "%{byte:02X}");
        }
    }
    uri
}

/// The name that a relative URI means: `None` for a broken escape, a query or a fragment.
pub(super) fn decode_uri(uri: &str) -> Option<String> {
    let mut bytes = Vec::with_capacity(uri.len());
    let mut rest = uri.bytes();
    while let Some(byte) = rest.next() {
        match byte {
            b'%' => {
                let high = char::from(rest.next()?).to_digit(16)?;
                let low = char::from(rest.next()?).to_digit(16)?;
                bytes.push(u8::try_from(high * 16 + low).ok()?);
            }
            b'?' | b'#' => return None,
            other => bytes.push(other),
        }
    }
    String::from_utf8(bytes).ok()
}

fn check_path(name: &str) -> Result<(), NameRule> {
    if name.len() > MAX_NAME_BYTES {
        return Err(NameRule::TooLong);
    }
    if name.starts_with('/') {
        return Err(NameRule::Absolute);
    }
    if name.chars().any(is_unprintable) {
        return Err(NameRule::Control);
    }
    if name.contains('\\') {
        return Err(NameRule::Backslash);
    }
    if name.contains(':') {
        return Err(NameRule::Colon);
    }
    name.split('/').try_for_each(check_segment)
}

fn check_segment(segment: &str) -> Result<(), NameRule> {
    match segment {
        "" => Err(NameRule::Empty),
        "." | ".." => Err(NameRule::Relative),
        _ if segment.ends_with([' ', '.']) => Err(NameRule::TrailingSpaceOrDot),
        _ if is_device(segment) => Err(NameRule::Reserved),
        _ => Ok(()),
    }
}

/// Control characters, line and paragraph separators, bidirectional marks and overrides,
/// the byte order mark.
fn is_unprintable(character: char) -> bool {
    character.is_control()
        || matches!(character,
            '\u{061C}' | '\u{200E}' | '\u{200F}' | '\u{2028}'..='\u{202E}'
            | '\u{2066}'..='\u{2069}' | '\u{FEFF}')
}

/// Whether Windows takes the name for a device, with any extension.
fn is_device(segment: &str) -> bool {
    let stem = segment.split('.').next().unwrap_or(segment).trim_end();
    let stem = stem.to_ascii_lowercase();
    if ["con", "prn", "aux", "nul", "conin$", "conout$"].contains(&stem.as_str()) {
        return true;
    }
    ["com", "lpt"].iter().any(|device| {
        stem.strip_prefix(device).is_some_and(|unit| {
            let mut characters = unit.chars();
            let digit = |c: char| matches!(c, '0'..='9' | '¹' | '²' | '³');
            characters.next().is_some_and(digit) && characters.next().is_none()
        })
    })
}

fn is_manifest_name(file: &str) -> bool {
    file.starts_with("ASiCManifest") && file.ends_with(".xml") && !file.contains('/')
}

/// The three-digit number between prefix and suffix.
fn numbered(file: &str, prefix: &str, suffix: &str) -> Option<usize> {
    let digits = file.strip_prefix(prefix)?.strip_suffix(suffix)?;
    let plain = digits.len() == 3 && digits.bytes().all(|b| b.is_ascii_digit());
    plain.then(|| digits.parse().ok()).flatten()
}
