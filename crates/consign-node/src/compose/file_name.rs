//! Names of files as people have them, made into names that a container may hold.
//!
//! Only the last part of a path counts; characters that a container refuses become `_`;
//! a name that is taken gets a number. What comes out passes [`check_file_name`] always.

use std::collections::BTreeSet;

use consign_domain::text::Line;
use consign_pki::asic::{DOCUMENT_NAME, MAX_NAME_BYTES, check_file_name};
use unicode_normalization::UnicodeNormalization as _;

/// Longest ending that is kept when a name is shortened, in bytes.
const MAX_ENDING: usize = 20;

/// Gives each file of one document a name of its own.
#[derive(Debug, Default)]
pub(super) struct FileNames {
    taken: BTreeSet<String>,
}

impl FileNames {
    /// A name like `given` that no file has yet.
    pub(super) fn name(&mut self, given: &str) -> String {
        let wanted = tidy(given);
        let (stem, ending) = split(&wanted);
        let numbered = (2..=u32::MAX).map(|number| {
            let suffix = format!(" ({number}){ending}");
            format!("{}{suffix}", cut(stem, MAX_NAME_BYTES - suffix.len()))
        });
        let name = std::iter::once(wanted.clone())
            .chain(numbered)
            .find(|name| !self.taken.contains(&fold(name)))
            .unwrap_or(wanted);
        self.taken.insert(fold(&name));
        name
    }
}

/// As file systems that ignore case would compare names.
fn fold(name: &str) -> String {
    name.to_uppercase().to_lowercase()
}

fn tidy(given: &str) -> String {
    let base = given.rsplit(['/', '\\']).next().unwrap_or_default();
    // Far more than a name can have, far less than a hostile one could cost.
    let bounded = cut(base, 8 * MAX_NAME_BYTES);
    let composed: String = bounded
        .trim()
        .nfc()
        .map(|character| if allowed(character) { character } else { '_' })
        .collect();
    let trimmed = composed.trim_end_matches(['.', ' ']).trim_start();
    let (stem, ending) = split(trimmed);
    let stem = cut(stem, MAX_NAME_BYTES - 8 - ending.len());
    let name = format!("{stem}{ending}");
    if name.is_empty() {
        return "file".to_owned();
    }
    if usable(&name) {
        return name;
    }
    let marked = format!("_{name}");
    if usable(&marked) {
        marked
    } else {
        "file".to_owned()
    }
}

fn usable(name: &str) -> bool {
    check_file_name(name).is_ok()
        && Line::<200>::new(name).is_ok()
        && !name.eq_ignore_ascii_case(DOCUMENT_NAME)
}

fn allowed(character: char) -> bool {
    let mut buffer = [0; 4];
    let alone: &str = character.encode_utf8(&mut buffer);
    // White space alone is no line, but has its place inside one.
    character == ' '
        || (check_file_name(&format!("a{alone}a")).is_ok()
            && Line::<10>::new(format!("a{alone}a")).is_ok())
}

/// Name and ending, the ending with its dot.
fn split(name: &str) -> (&str, &str) {
    match name.rfind('.') {
        Some(dot) if dot > 0 && name.len() - dot <= MAX_ENDING => name.split_at(dot),
        _ => (name, ""),
    }
}

/// The beginning of a text of at most `limit` bytes, cut between characters.
fn cut(text: &str, limit: usize) -> &str {
    let end = (0..=limit.min(text.len()))
        .rev()
        .find(|end| text.is_char_boundary(*end));
    text.get(..end.unwrap_or(0)).unwrap_or_default()
}

/// The media type that a name's ending stands for.
pub(super) fn media_type(name: &str) -> &'static str {
    let (_, ending) = split(name);
    match ending.to_ascii_lowercase().as_str() {
        ".pdf" => "application/pdf",
        ".doc" => "application/msword",
        ".docx" => "application/vnd.openxmlformats-officedocument.wordprocessingml.document",
        ".xls" => "application/vnd.ms-excel",
        ".xlsx" => "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet",
        ".pptx" => "application/vnd.openxmlformats-officedocument.presentationml.presentation",
        ".odt" => "application/vnd.oasis.opendocument.text",
        ".ods" => "application/vnd.oasis.opendocument.spreadsheet",
        ".rtf" => "application/rtf",
        ".txt" => "text/plain",
        ".csv" => "text/csv",
        ".xml" => "application/xml",
        ".json" => "application/json",
        ".jpg" | ".jpeg" => "image/jpeg",
        ".png" => "image/png",
        ".tif" | ".tiff" => "image/tiff",
        ".zip" => "application/zip",
        ".asice" => "application/vnd.etsi.asic-e+zip",
        _ => "application/octet-stream",
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn hostile_names_become_plain_ones() {
        for (given, name) in [
            ("Quyết định.pdf", "Quyết định.pdf"),
            ("/etc/passwd", "passwd"),
            ("..\\..\\windows\\a.pdf", "a.pdf"),
            ("..", "file"),
            ("", "file"),
            ("a\u{202E}fdp.exe", "a_fdp.exe"),
            ("a\nb\0c.pdf", "a_b_c.pdf"),
            ("C:con.pdf", "C_con.pdf"),
            ("con.txt", "_con.txt"),
            ("mimetype", "_mimetype"),
            ("META-INF", "_META-INF"),
            ("document.json", "_document.json"),
            ("Document.JSON", "_Document.JSON"),
            ("a.pdf . .", "a.pdf"),
            ("e\u{301}.pdf", "é.pdf"),
        ] {
            assert_eq!(FileNames::default().name(given), name, "{given:?}");
        }
    }

    #[test]
    fn names_are_unique_whatever_the_case() {
        let mut names = FileNames::default();
        assert_eq!(names.name("a.pdf"), "a.pdf");
        assert_eq!(names.name("A.PDF"), "A (2).PDF");
        assert_eq!(names.name("a.pdf"), "a (3).pdf");
        let long = "ủ".repeat(300);
        let first = names.name(&format!("{long}.pdf"));
        let second = names.name(&format!("{long}.pdf"));
        assert!(first.ends_with("ủ.pdf") && first.len() <= MAX_NAME_BYTES);
        assert!(second.ends_with(" (2).pdf") && second.len() <= MAX_NAME_BYTES);
    }

    proptest! {
        #[test]
        fn every_name_can_stand_in_a_container(given in "\\PC{0,300}", other in ".{0,40}") {
            let mut names = FileNames::default();
            for text in [&given, &other, &given] {
                let name = names.name(text);
                prop_assert!(check_file_name(&name).is_ok(), "{name:?}");
                prop_assert!(Line::<200>::new(name.as_str()).is_ok(), "{name:?}");
            }
        }
    }
}
