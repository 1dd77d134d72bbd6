//! In which language a verdict is told to people.

use clap::ValueEnum;

/// A language. JSON has none: its names and words are the same for every reader, but for the
/// one sentence that a person reads.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Language {
    /// Tiếng Việt
    #[value(name = "vi")]
    Vietnamese,
    /// English
    #[value(name = "en")]
    English,
}

impl Language {
    /// That of the environment, as POSIX orders its variables (XBD §8.2): the first that is set
    /// to something decides.
    pub(crate) fn of_environment(variable: impl Fn(&str) -> Option<String>) -> Self {
        let locale = ["LC_ALL", "LC_MESSAGES", "LANG"]
            .into_iter()
            .find_map(|name| variable(name).filter(|value| !value.is_empty()));
        let locale = locale.unwrap_or_default();
        let language = locale.split(['_', '.', '@']).next().unwrap_or_default();
        if language.eq_ignore_ascii_case("vi") {
            Self::Vietnamese
        } else {
            Self::English
        }
    }

    /// Its tag (RFC 5646).
    pub(crate) const fn tag(self) -> &'static str {
        match self {
            Self::Vietnamese => "vi",
            Self::English => "en",
        }
    }
}

/// One text in both languages: none can be left out.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Text {
    vi: &'static str,
    en: &'static str,
}

/// Vietnamese first.
pub(crate) const fn text(vi: &'static str, en: &'static str) -> Text {
    Text { vi, en }
}

impl Text {
    /// It, in a language.
    pub(crate) const fn to(self, language: Language) -> &'static str {
        match language {
            Language::Vietnamese => self.vi,
            Language::English => self.en,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_environment_decides_as_posix_orders_it() {
        let of = |set: &[(&str, &str)]| {
            Language::of_environment(|name| {
                let mut set = set.iter();
                let found = set.find(|(known, _)| *known == name);
                found.map(|(_, value)| (*value).to_owned())
            })
        };
        assert_eq!(of(&[]), Language::English);
        assert_eq!(of(&[("LANG", "vi_VN.UTF-8")]), Language::Vietnamese);
        assert_eq!(of(&[("LANG", "vi")]), Language::Vietnamese);
        assert_eq!(of(&[("LANG", "vie")]), Language::English);
        let both = [("LANG", "vi_VN.UTF-8"), ("LC_MESSAGES", "en_US.UTF-8")];
        assert_eq!(of(&both), Language::English);
        let empty = [("LC_ALL", ""), ("LC_MESSAGES", "vi_VN")];
        assert_eq!(of(&empty), Language::Vietnamese);
        let all = [("LC_ALL", "C"), ("LANG", "vi_VN")];
        assert_eq!(of(&all), Language::English);
    }
}
