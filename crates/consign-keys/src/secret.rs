//! Where a passphrase or PIN comes from: a person at the terminal, a file, or systemd.

use std::fmt;
use std::path::{Path, PathBuf};

use consign_pki::protection::{MAX_PASSPHRASE, Passphrase, ProtectionError};
use consign_runtime::files::{self, FileError};
use zeroize::Zeroizing;

use crate::terminal;

/// Where systemd puts a service's credentials.
const CREDENTIALS: &str = "CREDENTIALS_DIRECTORY";

/// Where a secret comes from. As text: `prompt`, `file:PATH` or `credential:NAME`.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub enum SecretSource {
    /// A person is asked, at the terminal.
    #[default]
    Prompt,
    /// The first line of a file of mode 0600.
    File(PathBuf),
    /// A credential that systemd hands to the service (`LoadCredential=` and its kin).
    Credential(String),
}

/// What to write for a source, for messages about configurations.
pub const SOURCE_FORMS: &str = "\"prompt\", \"file:PATH\" or \"credential:NAME\"";

/// Why a secret is not to be had.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum SecretError {
    /// Nobody answered.
    #[error(
        "there is no terminal to ask at: {what}; start it at one, or name --passphrase or pin as \
         file:PATH or credential:NAME"
    )]
    NoTerminal {
        /// What is asked for.
        what: String,
        /// What the system said.
        #[source]
        source: std::io::Error,
    },
    /// People are asked when a program starts, not later.
    #[error("{what} is asked for at the start alone; start again")]
    Unattended {
        /// What would be asked for.
        what: String,
    },
    /// What was typed the second time is not what was typed first.
    #[error("the two differ; give the same {what} twice")]
    Differ {
        /// What was asked for.
        what: String,
    },
    /// The file cannot be used.
    #[error(transparent)]
    File(#[from] FileError),
    /// systemd has given no credentials.
    #[error("systemd gave no credential {name}; add LoadCredential={name}:PATH to the unit")]
    NoCredential {
        /// Its name.
        name: String,
    },
    /// It is not text of a fitting length.
    #[error("{place} holds no {what}")]
    Form {
        /// Where it is from.
        place: SecretSource,
        /// What it should be.
        what: String,
        /// What is wrong.
        #[source]
        source: ProtectionError,
    },
}

impl SecretSource {
    /// Reads the text form; a relative path is taken from `base`.
    pub fn parse(text: &str, base: &Path) -> Option<Self> {
        if text == "prompt" {
            return Some(Self::Prompt);
        }
        let (kind, rest) = text.split_once(':')?;
        match kind {
            "file" if !rest.is_empty() => Some(Self::File(base.join(rest))),
            "credential" if is_plain(rest) => Some(Self::Credential(rest.to_owned())),
            _ => None,
        }
    }

    /// Whether it comes without a person's doing.
    pub const fn is_unattended(&self) -> bool {
        !matches!(self, Self::Prompt)
    }

    /// Gets the secret; `what` is what a person is asked for. Blocks.
    ///
    /// # Errors
    /// [`SecretError`] names the place and the fix.
    pub fn read(&self, what: &str) -> Result<Passphrase, SecretError> {
        let text = match self {
            Self::Prompt => terminal::ask(what).map_err(|source| SecretError::NoTerminal {
                what: what.to_owned(),
                source,
            })?,
            Self::File(path) => self.line(files::read_private(path, MAX_PASSPHRASE + 2)?, what)?,
            Self::Credential(name) => {
                let missing = || SecretError::NoCredential { name: name.clone() };
                let directory = std::env::var_os(CREDENTIALS).ok_or_else(missing)?;
                let path = Path::new(&directory).join(name);
                // systemd alone decides who may read these, by more than the mode.
                match files::read_bounded(&path, MAX_PASSPHRASE + 2) {
                    Ok(bytes) => self.line(bytes, what)?,
                    Err(fault) if fault.is_not_found() => return Err(missing()),
                    Err(fault) => return Err(fault.into()),
                }
            }
        };
        Passphrase::new(text).map_err(|source| self.form(what, source))
    }

    /// [`read`](Self::read) for a secret that is new: a person gives it twice.
    ///
    /// # Errors
    /// As there, or the two differ.
    pub fn read_new(&self, what: &str) -> Result<Passphrase, SecretError> {
        let first = self.read(what)?;
        if *self == Self::Prompt && self.read(&format!("{what} again"))?.expose() != first.expose()
        {
            return Err(SecretError::Differ {
                what: what.to_owned(),
            });
        }
        Ok(first)
    }

    /// The text without its line's end.
    fn line(&self, bytes: Vec<u8>, what: &str) -> Result<Zeroizing<String>, SecretError> {
        let mut text = Zeroizing::new(String::from_utf8(bytes).map_err(|fault| {
            drop(Zeroizing::new(fault.into_bytes()));
            self.form(what, ProtectionError::NotText)
        })?);
        let length = text
            .strip_suffix('\n')
            .map(|line| line.strip_suffix('\r').unwrap_or(line));
        if let Some(length) = length.map(str::len) {
            text.truncate(length);
        }
        Ok(text)
    }

    fn form(&self, what: &str, source: ProtectionError) -> SecretError {
        SecretError::Form {
            place: self.clone(),
            what: what.to_owned(),
            source,
        }
    }
}

impl fmt::Display for SecretSource {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Prompt => formatter.write_str("prompt"),
            Self::File(path) => write!(formatter, "file:{}", path.display()),
            Self::Credential(name) => write!(formatter, "credential:{name}"),
        }
    }
}

/// A name of one file, as systemd takes them.
fn is_plain(name: &str) -> bool {
    let allowed = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_' | b'.');
    (1..=255).contains(&name.len()) && !name.starts_with('.') && name.bytes().all(allowed)
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt as _;

    use super::*;

    #[test]
    fn sources_have_one_text_each() {
        let base = Path::new("/etc/consign");
        for text in ["prompt", "file:/run/pin", "credential:seal-pin"] {
            assert_eq!(SecretSource::parse(text, base).unwrap().to_string(), text);
        }
        let relative = SecretSource::parse("file:pin", base).unwrap();
        assert_eq!(relative.to_string(), "file:/etc/consign/pin");
        for wrong in [
            "",
            "1234",
            "file:",
            "credential:",
            "credential:../x",
            "credential:.x",
            "env:X",
        ] {
            assert_eq!(SecretSource::parse(wrong, base), None, "{wrong}");
        }
    }

    #[test]
    fn a_file_gives_its_line_and_is_the_owners_alone() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("pin");
        let source = SecretSource::File(path.clone());
        let mode =
            |mode| std::fs::set_permissions(&path, std::fs::Permissions::from_mode(mode)).unwrap();
        for (bytes, expected) in [("12 34\n", "12 34"), ("12 34\r\n", "12 34"), (" x", " x")] {
            std::fs::write(&path, bytes).unwrap();
            mode(0o600);
            assert_eq!(source.read("PIN").unwrap().expose(), expected);
        }
        mode(0o640);
        let open = source.read("PIN").unwrap_err().to_string();
        assert!(open.contains("chmod 600"), "{open}");
        mode(0o600);
        for wrong in [b"\n".as_slice(), b"\xff", &[b'x'; MAX_PASSPHRASE + 2]] {
            std::fs::write(&path, wrong).unwrap();
            let wrong = source.read("PIN").unwrap_err().to_string();
            assert!(wrong.contains("pin"), "{wrong}");
        }
    }
}
