//! Typed getters over one table of a TOML file.

use std::net::SocketAddr;
use std::ops::RangeInclusive;
use std::path::{Path, PathBuf};

use toml::Spanned;
use toml::de::{DeTable, DeValue};

use super::fault::{ConfigFault, FaultCause, line_of};

/// No text in a configuration is longer.
const MAX_TEXT: usize = 4096;
/// No list in a configuration is longer.
const MAX_ITEMS: usize = 10_000;

/// Reads one table. Every getter notes its key as known and its fault, if there is one.
///
/// Ask for every key first and use `?` on what [`Setting::required`] returned afterwards: keys
/// that a getter did not come to are reported as unknown.
#[derive(Debug)]
pub struct Reader<'a> {
    table: Option<&'a DeTable<'a>>,
    /// The line of the table's header, where faults of what is missing are shown.
    line: Option<usize>,
    place: Place<'a>,
    known: Vec<&'static str>,
    faults: &'a mut Vec<ConfigFault>,
}

/// Where a table stands.
#[derive(Clone, Debug)]
struct Place<'a> {
    text: &'a str,
    base: &'a Path,
    section: String,
}

/// A key that was looked for: take it with [`required`](Self::required),
/// [`optional`](Self::optional) or [`or`](Self::or). A value that is there and wrong has been
/// noted as a fault, and the configuration will not be used whatever stands in for it.
#[derive(Debug)]
#[must_use]
pub struct Setting<'a, T> {
    key: &'static str,
    full_key: String,
    line: Option<usize>,
    expected: String,
    found: Found<T>,
    faults: &'a mut Vec<ConfigFault>,
}

#[derive(Debug)]
enum Found<T> {
    Value(T),
    Absent,
    Faulty,
}

impl<T> Setting<'_, T> {
    /// The value. `None`, which has been noted as a fault, where there is none.
    pub fn required(self) -> Option<T> {
        match self.found {
            Found::Value(value) => Some(value),
            Found::Faulty => None,
            Found::Absent => {
                let expected = format!("{} = {}", self.key, self.expected);
                self.faults.push(ConfigFault {
                    key: Some(self.full_key),
                    line: self.line,
                    cause: FaultCause::Missing { expected },
                });
                None
            }
        }
    }

    /// The value, if the key is there.
    #[must_use]
    pub fn optional(self) -> Option<T> {
        match self.found {
            Found::Value(value) => Some(value),
            Found::Absent | Found::Faulty => None,
        }
    }

    /// The value, or `default` where the key is not there.
    #[must_use]
    pub fn or(self, default: T) -> T {
        self.optional().unwrap_or(default)
    }
}

impl<'a> Reader<'a> {
    pub(super) fn new(
        table: &'a DeTable<'a>,
        text: &'a str,
        base: &'a Path,
        faults: &'a mut Vec<ConfigFault>,
    ) -> Self {
        let place = Place {
            text,
            base,
            section: String::new(),
        };
        Self {
            table: Some(table),
            line: None,
            place,
            known: Vec::new(),
            faults,
        }
    }

    /// A text, at most 4,096 bytes and not empty.
    pub fn string(&mut self, key: &'static str) -> Setting<'_, String> {
        self.setting(key, "a text in quotes", |value| {
            text(value).map(str::to_owned)
        })
    }

    /// A path; a relative one is taken from the file's directory.
    pub fn path(&mut self, key: &'static str) -> Setting<'_, PathBuf> {
        let base = self.place.base;
        self.setting(key, "a path in quotes", |value| {
            text(value).map(|path| base.join(path))
        })
    }

    /// A whole number within `range`.
    pub fn u64_in(&mut self, key: &'static str, range: RangeInclusive<u64>) -> Setting<'_, u64> {
        let expected = format!("a whole number from {} to {}", range.start(), range.end());
        self.setting(key, expected, |value| match value {
            DeValue::Integer(digits) => u64::from_str_radix(digits.as_str(), digits.radix())
                .ok()
                .filter(|number| range.contains(number))
                .ok_or_else(|| Wrong::Value(digits.to_string())),
            other => Err(Wrong::Type(other)),
        })
    }

    /// `true` or `false`.
    pub fn bool(&mut self, key: &'static str) -> Setting<'_, bool> {
        self.setting(key, "true or false", |value| match value {
            DeValue::Boolean(flag) => Ok(*flag),
            other => Err(Wrong::Type(other)),
        })
    }

    /// An IP address with a port.
    pub fn socket_addr(&mut self, key: &'static str) -> Setting<'_, SocketAddr> {
        self.setting(key, "an address like \"127.0.0.1:4433\"", |value| {
            let text = text(value)?;
            text.parse().map_err(|_| Wrong::Value(quoted(text)))
        })
    }

    /// One of a few words, each with what it stands for.
    pub fn one_of<T: Copy>(&mut self, key: &'static str, choices: &[(&str, T)]) -> Setting<'_, T> {
        let words: Vec<_> = choices.iter().map(|(word, _)| quoted(word)).collect();
        self.setting(key, words.join(" or "), |value| {
            let text = text(value)?;
            let chosen = choices.iter().find(|(word, _)| *word == text);
            chosen
                .map(|(_, choice)| *choice)
                .ok_or_else(|| Wrong::Value(quoted(text)))
        })
    }

    /// A text that `parse` turns into something else; `expected` says in words what it takes,
    /// with an article.
    pub fn parsed<T>(
        &mut self,
        key: &'static str,
        expected: &str,
        parse: impl FnOnce(&str) -> Option<T>,
    ) -> Setting<'_, T> {
        self.setting(key, expected, |value| {
            let text = text(value)?;
            parse(text).ok_or_else(|| Wrong::Value(quoted(text)))
        })
    }

    /// [`parsed`](Self::parsed) of a text that may be a secret by mistake: a fault does not repeat it.
    pub fn withheld<T>(
        &mut self,
        key: &'static str,
        expected: &str,
        parse: impl FnOnce(&str) -> Option<T>,
    ) -> Setting<'_, T> {
        self.setting(key, expected, |value| {
            let withheld = || Wrong::Value("what is written here".to_owned());
            parse(text(value)?).ok_or_else(withheld)
        })
    }

    /// A list of texts.
    pub fn strings(&mut self, key: &'static str) -> Setting<'_, Vec<String>> {
        self.setting(
            key,
            "a list of texts like [\"one\", \"two\"]",
            |value| match value {
                DeValue::Array(items) if items.len() > MAX_ITEMS => {
                    Err(Wrong::Value(format!("a list of {} items", items.len())))
                }
                DeValue::Array(items) => items
                    .iter()
                    .map(|item| text(item.get_ref()).map(str::to_owned))
                    .collect(),
                other => Err(Wrong::Type(other)),
            },
        )
    }

    /// The section `[key]`, read by `read`. A section that is not there is read as an empty one.
    pub fn section<R>(&mut self, key: &'static str, read: impl FnOnce(&mut Reader<'_>) -> R) -> R {
        let found = self.take(key);
        let line = found.map(|(_, line)| line);
        let table = match found.map(|(value, line)| (value.get_ref(), line)) {
            Some((DeValue::Table(table), _)) => Some(table),
            Some((other, line)) => {
                self.wrong_type(
                    self.full_key(key),
                    line,
                    format!("a section [{key}]"),
                    other,
                );
                None
            }
            None => None,
        };
        self.nested(self.full_key(key), table, line, read)
    }

    /// The sections `[[key]]`, each read by `read`; `None`s, whose faults have been noted, are
    /// left out.
    pub fn sections<T>(
        &mut self,
        key: &'static str,
        mut read: impl FnMut(&mut Reader<'_>) -> Option<T>,
    ) -> Vec<T> {
        let Some((value, line)) = self.take(key) else {
            return Vec::new();
        };
        let expected = || format!("sections [[{key}]]");
        let items = match value.get_ref() {
            DeValue::Array(items) if items.len() <= MAX_ITEMS => items,
            other => {
                self.wrong_type(self.full_key(key), line, expected(), other);
                return Vec::new();
            }
        };
        let mut values = Vec::new();
        for (index, item) in items.iter().enumerate() {
            let full_key = format!("{}[{index}]", self.full_key(key));
            let line = line_of(self.place.text, item.span().start);
            match item.get_ref() {
                DeValue::Table(table) => {
                    values.extend(self.nested(full_key, Some(table), Some(line), &mut read));
                }
                other => self.wrong_type(full_key, line, expected(), other),
            }
        }
        values
    }

    /// Notes a fault that only the caller can see, such as two settings that exclude each other.
    pub fn fault(&mut self, key: &'static str, expected: &str, found: &str) {
        let line = self.take(key).map(|(_, line)| line).or(self.line);
        let cause = FaultCause::BadValue {
            expected: expected.to_owned(),
            found: shortened(found),
        };
        self.faults.push(ConfigFault {
            key: Some(self.full_key(key)),
            line,
            cause,
        });
    }

    /// Notes every key that no getter asked for.
    pub(super) fn finish(self) {
        let Some(table) = self.table else { return };
        for key in table.keys() {
            let name = key.get_ref().as_ref();
            if self.known.contains(&name) {
                continue;
            }
            let nearest = self.known.iter().find(|known| similar(known, name));
            self.faults.push(ConfigFault {
                key: Some(joined(&self.place.section, &shortened(name))),
                line: Some(line_of(self.place.text, key.span().start)),
                cause: FaultCause::Unknown {
                    nearest: nearest.map(|known| (*known).to_owned()),
                    known: self.known.clone(),
                },
            });
        }
    }

    fn setting<T>(
        &mut self,
        key: &'static str,
        expected: impl Into<String>,
        read: impl FnOnce(&'a DeValue<'a>) -> Result<T, Wrong<'a>>,
    ) -> Setting<'_, T> {
        let expected = expected.into();
        let full_key = self.full_key(key);
        let found = match self.take(key) {
            None => Found::Absent,
            Some((value, line)) => match read(value.get_ref()) {
                Ok(value) => Found::Value(value),
                Err(wrong) => {
                    let cause = wrong.cause(expected.clone());
                    let key = Some(full_key.clone());
                    self.faults.push(ConfigFault {
                        key,
                        line: Some(line),
                        cause,
                    });
                    Found::Faulty
                }
            },
        };
        Setting {
            key,
            full_key,
            line: self.line,
            expected,
            found,
            faults: self.faults,
        }
    }

    /// Looks a key up and notes it as known.
    fn take(&mut self, key: &'static str) -> Option<(&'a Spanned<DeValue<'a>>, usize)> {
        if !self.known.contains(&key) {
            self.known.push(key);
        }
        let (found, value) = self
            .table?
            .iter()
            .find(|(found, _)| found.get_ref().as_ref() == key)?;
        Some((value, line_of(self.place.text, found.span().start)))
    }

    fn nested<R>(
        &mut self,
        section: String,
        table: Option<&DeTable<'_>>,
        line: Option<usize>,
        read: impl FnOnce(&mut Reader<'_>) -> R,
    ) -> R {
        let place = Place {
            section,
            ..self.place.clone()
        };
        let mut reader = Reader {
            table,
            line,
            place,
            known: Vec::new(),
            faults: self.faults,
        };
        let value = read(&mut reader);
        reader.finish();
        value
    }

    fn wrong_type(&mut self, key: String, line: usize, expected: String, found: &DeValue<'_>) {
        let cause = Wrong::Type(found).cause(expected);
        self.faults.push(ConfigFault {
            key: Some(key),
            line: Some(line),
            cause,
        });
    }

    fn full_key(&self, key: &str) -> String {
        joined(&self.place.section, key)
    }
}

/// Why a value is not taken.
enum Wrong<'a> {
    Type(&'a DeValue<'a>),
    Value(String),
}

impl Wrong<'_> {
    fn cause(self, expected: String) -> FaultCause {
        match self {
            Self::Type(value) => FaultCause::WrongType {
                expected,
                found: kind(value),
            },
            Self::Value(found) => FaultCause::BadValue {
                expected,
                found: shortened(&found),
            },
        }
    }
}

fn text<'a>(value: &'a DeValue<'a>) -> Result<&'a str, Wrong<'a>> {
    match value {
        DeValue::String(text) if text.is_empty() => Err(Wrong::Value("an empty text".to_owned())),
        DeValue::String(text) if text.len() > MAX_TEXT => {
            Err(Wrong::Value(format!("a text of {} bytes", text.len())))
        }
        DeValue::String(text) => Ok(text),
        other => Err(Wrong::Type(other)),
    }
}

fn kind(value: &DeValue<'_>) -> &'static str {
    match value {
        DeValue::String(_) => "a text",
        DeValue::Integer(_) => "a whole number",
        DeValue::Float(_) => "a fraction",
        DeValue::Boolean(_) => "true or false",
        DeValue::Datetime(_) => "a date",
        DeValue::Array(_) => "a list",
        DeValue::Table(_) => "a section",
    }
}

fn joined(section: &str, key: &str) -> String {
    if section.is_empty() {
        key.to_owned()
    } else {
        format!("{section}.{key}")
    }
}

fn quoted(text: &str) -> String {
    format!("{text:?}")
}

fn shortened(text: &str) -> String {
    const SHOWN: usize = 60;
    let printable = text
        .chars()
        .map(|c| if c.is_control() { '\u{fffd}' } else { c });
    if text.chars().count() <= SHOWN {
        return printable.collect();
    }
    printable.take(SHOWN).chain(std::iter::once('…')).collect()
}

/// Whether `found` is `known` with one slip: a letter too many, too few, wrong or swapped, or
/// another separator or case.
fn similar(known: &str, found: &str) -> bool {
    let fold = |text: &str| -> Vec<char> {
        text.chars()
            .take(64)
            .filter(|c| !matches!(c, '_' | '-'))
            .map(|c| c.to_ascii_lowercase())
            .collect()
    };
    let (known, found) = (fold(known), fold(found));
    let prefix = known.iter().zip(&found).take_while(|(a, b)| a == b).count();
    let suffix = known
        .iter()
        .rev()
        .zip(found.iter().rev())
        .take_while(|(a, b)| a == b)
        .count();
    let longer = known.len().max(found.len());
    let shorter = known.len().min(found.len());
    let swapped = longer == shorter && prefix + suffix + 2 >= longer;
    longer - shorter <= 1 && (prefix + suffix + 1 >= longer || swapped)
}
