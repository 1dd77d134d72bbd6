//! `seal.toml`, `root.toml`, `issuing.toml`: where in which token a key is.
//!
//! `deploy/token.example.toml` documents every key and is parsed by a test.

use std::fmt;
use std::path::{Path, PathBuf};

use consign_runtime::config::{self, ConfigFaults, Reader};

use crate::secret::{SOURCE_FORMS, SecretSource};

/// Longest label of a key, in bytes.
const MAX_LABEL: usize = 128;
/// Longest id of a key, in bytes.
const MAX_ID: usize = 64;

/// What a token is known by.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum TokenName {
    /// Its label, which whoever initialised it chose.
    Label(String),
    /// Its serial number.
    Serial(String),
}

impl fmt::Display for TokenName {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Label(label) => write!(formatter, "label {label:?}"),
            Self::Serial(serial) => write!(formatter, "serial {serial:?}"),
        }
    }
}

/// What a key is known by in its token.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum KeyName {
    /// Its label.
    Label(String),
    /// Its id (`CKA_ID`), as its maker's tool shows it.
    Id(Vec<u8>),
}

impl fmt::Display for KeyName {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Label(label) => write!(formatter, "{label:?}"),
            Self::Id(id) => write!(formatter, "of id {}", hex::encode(id)),
        }
    }
}

/// Where a key is that does not leave its token.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TokenPlace {
    /// The library of the token's maker.
    pub module: PathBuf,
    /// The token.
    pub token: TokenName,
    /// The key; whoever makes one without a name chooses its label.
    pub key: Option<KeyName>,
    /// Where the PIN comes from.
    pub pin: SecretSource,
}

impl TokenPlace {
    /// Reads a file.
    ///
    /// # Errors
    /// Everything that is wrong with it.
    pub fn load(path: &Path) -> Result<Self, ConfigFaults> {
        // What it says is written elsewhere: its paths must mean the same from there.
        let whole = std::path::absolute(path).unwrap_or_else(|_| path.to_owned());
        let base = whole.parent().unwrap_or(Path::new("")).to_owned();
        config::load(path, |reader| read(reader, &base))
    }

    /// The same with a label for the key, unless it has one.
    #[must_use]
    pub fn or_key(mut self, label: impl Into<String>) -> Self {
        self.key.get_or_insert_with(|| KeyName::Label(label.into()));
        self
    }

    /// The key's name; where nobody chose one, no key has it.
    pub(super) fn key(&self) -> KeyName {
        let none = || KeyName::Label(String::new());
        self.key.clone().unwrap_or_else(none)
    }

    /// As text of a file.
    pub fn to_text(&self) -> String {
        let (kind, name) = match &self.token {
            TokenName::Label(label) => ("token", label),
            TokenName::Serial(serial) => ("serial", serial),
        };
        let module = self.module.to_string_lossy();
        let mut text = format!(
            "module = {}\n{kind} = {}\npin = {}\n",
            quoted(&module),
            quoted(name),
            quoted(&self.pin.to_string())
        );
        match &self.key {
            Some(KeyName::Label(label)) => text.push_str(&format!("key = {}\n", quoted(label))),
            Some(KeyName::Id(id)) => text.push_str(&format!("id = \"{}\"\n", hex::encode(id))),
            None => {}
        }
        text
    }
}

/// A TOML basic string.
fn quoted(text: &str) -> String {
    let mut quoted = String::from("\"");
    for character in text.chars() {
        match character {
            '"' | '\\' => quoted.extend(['\\', character]),
            control if control.is_control() => {
                quoted.push_str(&format!("\\u{:04X}", u32::from(control)));
            }
            other => quoted.push(other),
        }
    }
    quoted.push('"');
    quoted
}

fn read(reader: &mut Reader<'_>, base: &Path) -> Option<TokenPlace> {
    let module = reader.path("module").required();
    let serial = reader.string("serial").optional();
    let token = match serial {
        Some(serial) => {
            let expected = "left out where there is a serial";
            let _fault = reader
                .parsed("token", expected, |_| None::<String>)
                .optional();
            Some(TokenName::Serial(serial))
        }
        None => reader.string("token").required().map(TokenName::Label),
    };
    let id = reader
        .parsed("id", "1 to 64 bytes in hexadecimal", |text| {
            let id = hex::decode(text).ok()?;
            (1..=MAX_ID).contains(&id.len()).then_some(id)
        })
        .optional();
    let key = match id {
        Some(id) => {
            let expected = "left out where there is an id";
            let _fault = reader
                .parsed("key", expected, |_| None::<String>)
                .optional();
            Some(KeyName::Id(id))
        }
        None => {
            let label = format!("a label of at most {MAX_LABEL} bytes");
            let fits = |text: &str| !text.is_empty() && text.len() <= MAX_LABEL;
            reader
                .parsed("key", &label, |text| fits(text).then(|| text.to_owned()))
                .optional()
                .map(KeyName::Label)
        }
    };
    let pin = reader
        .withheld("pin", SOURCE_FORMS, |text| SecretSource::parse(text, base))
        .or(SecretSource::Prompt);
    Some(TokenPlace {
        module: module?,
        token: token?,
        key,
        pin,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    const EXAMPLE: &str = include_str!("../../../../deploy/token.example.toml");

    fn parse(text: &str) -> Result<TokenPlace, ConfigFaults> {
        let base = Path::new("/etc/consign");
        config::parse(text, &base.join("seal.toml"), |reader| read(reader, base))
    }

    #[test]
    fn the_example_is_parsed_with_and_without_its_choices() {
        let example = parse(EXAMPLE).unwrap();
        assert_eq!(example.token, TokenName::Label("authority".to_owned()));
        assert_eq!((&example.key, &example.pin), (&None, &SecretSource::Prompt));
        let on = |line: &str| match line.strip_prefix('#') {
            Some(rest) if !rest.starts_with(' ') => format!("{rest}\n"),
            _ if line.starts_with("token =") || line.starts_with("pin =") => String::new(),
            _ => format!("{line}\n"),
        };
        let all: String = EXAMPLE.lines().map(on).collect();
        // A key has one name.
        assert!(parse(&all).is_err());
        let all = parse(&all.replace("key = \"consign issuing\"\n", "")).unwrap();
        assert!(matches!(all.token, TokenName::Serial(_)));
        assert!(matches!(all.key, Some(KeyName::Id(_))) && all.pin.is_unattended());
    }

    #[test]
    fn what_is_written_is_read_back() {
        let place = TokenPlace {
            module: PathBuf::from("/opt/a \"b\"/c.so"),
            token: TokenName::Label("Sở Nội vụ \\ 1\u{1}".to_owned()),
            key: None,
            pin: SecretSource::Credential("pin".to_owned()),
        };
        assert_eq!(parse(&place.to_text()).unwrap(), place);
        let by_id = TokenPlace {
            key: Some(KeyName::Id(vec![0, 0xaf])),
            ..place.clone()
        };
        assert_eq!(parse(&by_id.to_text()).unwrap(), by_id);
        let place = place.or_key("seal");
        assert_eq!(parse(&place.to_text()).unwrap(), place);
        assert_eq!(place.clone().or_key("other"), place);
    }

    #[test]
    fn every_fault_is_reported_at_once() {
        let faults = parse("pin = \"1234\"\nlabel = \"x\"\nkey = 7\n")
            .unwrap_err()
            .to_string();
        for word in ["module", "token", "pin", "label: unknown", "key"] {
            assert!(faults.contains(word), "{word}: {faults}");
        }
        assert!(!faults.contains("1234"), "a PIN is not repeated: {faults}");
        assert!(parse("module = \"/m.so\"\ntoken = \"a\"\nserial = \"b\"\n").is_err());
    }
}
