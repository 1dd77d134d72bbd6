//! Text folded for search: lower case, without diacritics, đ as d.

use unicode_normalization::UnicodeNormalization as _;
use unicode_normalization::char::is_combining_mark;

/// Most words of one search.
const MAX_WORDS: usize = 20;

/// `Quảng Ninh` becomes `quang ninh`.
pub(super) fn fold(text: &str) -> String {
    text.nfd()
        .filter(|character| !is_combining_mark(*character))
        .flat_map(char::to_lowercase)
        .map(|character| if character == 'đ' { 'd' } else { character })
        .collect()
}

/// A search as FTS5 takes it: every word is the beginning of one in the text. `None` if
/// there is no word in it.
pub(super) fn query(text: &str) -> Option<String> {
    let folded = fold(text);
    let words = folded
        .split(|character: char| !character.is_alphanumeric())
        .filter(|word| !word.is_empty())
        .take(MAX_WORDS);
    let quoted: Vec<String> = words.map(|word| format!("\"{word}\"*")).collect();
    (!quoted.is_empty()).then(|| quoted.join(" "))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn diacritics_case_and_d_are_folded() {
        for (text, folded) in [
            ("Quảng Ninh", "quang ninh"),
            ("Đề án", "de an"),
            ("ĐĂNG KÝ", "dang ky"),
            ("45/QĐ-UBND", "45/qd-ubnd"),
        ] {
            assert_eq!(fold(text), folded);
            assert_eq!(fold(&text.nfd().collect::<String>()), folded);
        }
    }

    #[test]
    fn a_query_has_only_words() {
        assert_eq!(query("Quảng \"NI"), Some("\"quang\"* \"ni\"*".to_owned()));
        assert_eq!(query("45/QĐ"), Some("\"45\"* \"qd\"*".to_owned()));
        assert_eq!(query(" \"*()- "), None);
    }

    proptest! {
        #[test]
        fn folding_twice_changes_nothing(text in ".{0,60}") {
            prop_assert_eq!(fold(&fold(&text)), fold(&text));
        }
    }
}
