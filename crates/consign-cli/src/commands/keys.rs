//! What commands that use secret keys have in common: where a passphrase comes from, and
//! `protect`.

use std::ffi::OsStr;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use clap::builder::TypedValueParser;
use clap::error::ErrorKind;
use clap::{Arg, Args, Command, ValueEnum};
use consign_domain::ErrorCode;
use consign_keys::keyring::is_protected;
use consign_keys::{Keyring, KeyringError, SecretSource, TokenPlace};
use consign_pki::seal::KeyKind;
use serde::Serialize;

use super::Outcome;
use crate::failure::{Failure, advice, exit};
use crate::output::Output;

/// Where the passphrase of the keys comes from.
#[derive(Debug, Args)]
pub(crate) struct Unlock {
    /// Where the keys' passphrase comes from, if they have one: prompt, file:PATH or
    /// credential:NAME (systemd)
    #[arg(
        long,
        env = "CONSIGN_PASSPHRASE",
        hide_env_values = true,
        value_name = "SOURCE",
        value_parser = Source
    )]
    passphrase: Option<SecretSource>,
}

impl Unlock {
    /// What opens keys that are there.
    pub(crate) fn keyring(&self) -> Keyring {
        Keyring::new(self.passphrase.clone().unwrap_or_default())
    }

    /// What writes new keys: under a passphrase where one was named.
    pub(crate) fn protecting(&self) -> Result<Option<Keyring>, Failure> {
        let source = self.passphrase.clone();
        Ok(source.map(Keyring::protecting).transpose()?)
    }
}

impl Unlock {
    /// What opens the keys that are there and makes those that are not: under a passphrase where
    /// the one in `first` is, or where there is none yet and a passphrase was named.
    pub(crate) fn making(&self, first: &Path) -> Result<Arc<Keyring>, Failure> {
        let keyring = if is_protected(first) {
            self.keyring()
        } else {
            self.protecting()?.unwrap_or_default()
        };
        Ok(Arc::new(keyring))
    }
}

/// Kinds of certified keys that stock tools verify.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Kind {
    /// ECDSA on P-256 with SHA-256
    EcdsaP256,
    /// RSA of 3072 bits with SHA-256
    Rsa,
    /// RSA of 4096 bits with SHA-256
    Rsa4096,
}

impl From<Kind> for KeyKind {
    fn from(kind: Kind) -> Self {
        match kind {
            Kind::EcdsaP256 => Self::EcdsaP256,
            Kind::Rsa => Self::Rsa3072,
            Kind::Rsa4096 => Self::Rsa4096,
        }
    }
}

/// How keys are to be protected.
#[derive(Debug, Args)]
pub(crate) struct Protection {
    #[command(flatten)]
    unlock: Unlock,
    /// Where the new passphrase comes from: prompt, file:PATH or credential:NAME
    #[arg(long, value_name = "SOURCE", value_parser = Source, default_value = "prompt")]
    new: SecretSource,
    /// Take the passphrase away
    #[arg(long, conflicts_with = "new")]
    remove: bool,
}

#[derive(Serialize)]
struct Protected {
    changed: usize,
    protected: bool,
}

impl Protection {
    /// Lets `protect` change the files, from what opens them to what writes them; `before` opens
    /// them where no source was named.
    pub(crate) fn carry_out(
        self,
        before: impl FnOnce() -> Keyring,
        protect: impl FnOnce(&Keyring, &Keyring) -> Result<usize, Failure>,
        output: Output,
    ) -> Outcome {
        let old = match &self.unlock.passphrase {
            Some(_) => self.unlock.keyring(),
            None => before(),
        };
        let new = if self.remove {
            Keyring::default()
        } else {
            Keyring::protecting(self.new)?
        };
        let changed = protect(&old, &new)?;
        match (changed, self.remove) {
            (0, _) => output.line("all of it was so already"),
            (_, true) => output.line(format_args!("{changed} key files have no passphrase now")),
            (_, false) => {
                output.line(format_args!(
                    "{changed} key files are under the new passphrase"
                ));
                output.line("Without it they cannot be opened: keep it where it is not lost.");
                output.line("Backups made before hold them as they were.");
            }
        }
        let protected = !self.remove;
        output.object(true, &Protected { changed, protected });
        Ok(exit::DONE)
    }
}

/// A token file that was named.
pub(crate) fn token(path: Option<&PathBuf>) -> Result<Option<TokenPlace>, Failure> {
    Ok(path.map(|path| TokenPlace::load(path)).transpose()?)
}

/// Reads where a secret comes from. What cannot be read is not repeated: it may be the secret
/// itself, and messages end up in logs.
#[derive(Debug, Clone)]
struct Source;

impl TypedValueParser for Source {
    type Value = SecretSource;

    fn parse_ref(
        &self,
        command: &Command,
        argument: Option<&Arg>,
        value: &OsStr,
    ) -> Result<SecretSource, clap::Error> {
        let read = value.to_str();
        let read = read.and_then(|text| SecretSource::parse(text, Path::new("")));
        read.ok_or_else(|| {
            let named = argument.map_or_else(String::new, |argument| format!(" {argument}"));
            let text = format!(
                "the value of{named} is not repeated here; it says where the secret comes from: \
                 prompt, file:PATH or credential:NAME"
            );
            command.clone().error(ErrorKind::ValueValidation, text)
        })
    }
}

/// What to do about keys that cannot be opened or made.
pub(crate) fn fix(error: &KeyringError) -> &'static str {
    match error {
        KeyringError::Secret(_) | KeyringError::Protection { .. } => {
            "give the passphrase: --passphrase prompt, file:PATH, or credential:NAME under systemd"
        }
        KeyringError::Mixed { .. } => {
            "put all keys under the passphrase first: consign node protect, consign hub protect"
        }
        KeyringError::Token(fault) if fault.code() == ErrorCode::TokenUnavailable => {
            advice(ErrorCode::TokenUnavailable)
        }
        KeyringError::Token(_) | KeyringError::Place(_) => {
            "correct the token file; token.example.toml documents it"
        }
        _ => "check the file, its owner and its mode",
    }
}

impl From<KeyringError> for Failure {
    fn from(error: KeyringError) -> Self {
        Self::of(error.code(), &error).fix(fix(&error))
    }
}
