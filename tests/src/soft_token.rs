//! A PKCS#11 token in software (SoftHSM2) that lies in a test's own directory: no other process
//! sees it but those that are told of it.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result, ensure};

use crate::program::{Answer, Invocation, words};
use crate::scratch::Scratch;

/// Where distributions put SoftHSM2's module.
const MODULES: [&str; 4] = [
    "/usr/lib/softhsm/libsofthsm2.so",
    "/usr/lib/x86_64-linux-gnu/softhsm/libsofthsm2.so",
    "/usr/lib/aarch64-linux-gnu/softhsm/libsofthsm2.so",
    "/usr/lib64/softhsm/libsofthsm2.so",
];
/// By which SoftHSM2 finds its tokens.
const SETTING: &str = "SOFTHSM2_CONF";
const PIN: &str = "428571";
const TOKENS: &str = "tokens";

/// Gives a test a place for tokens of its own.
///
/// # Errors
/// The system refused.
pub fn prepare(scratch: &Scratch) -> Result<()> {
    let tokens = scratch.join(TOKENS);
    fs::create_dir(&tokens)?;
    let conf = format!("directories.tokendir = {}\n", tokens.display());
    scratch.write("softhsm2.conf", conf).map(drop)
}

/// What a process needs in its environment to see the tokens of a test.
pub fn setting(scratch: &Scratch) -> (&'static str, PathBuf) {
    (SETTING, scratch.join("softhsm2.conf"))
}

/// A token with its PIN in the file `pin` and where it is in the file `token.toml`.
#[derive(Debug)]
pub struct SoftToken<'a> {
    scratch: &'a Scratch,
}

impl<'a> SoftToken<'a> {
    /// Initialises a token of a label.
    ///
    /// # Errors
    /// SoftHSM2 is not here, or refused.
    pub fn new(scratch: &'a Scratch, label: &str) -> Result<Self> {
        let token = Self { scratch };
        prepare(scratch)?;
        let module = MODULES.iter().find(|path| Path::new(path).exists());
        let module = module.context("SoftHSM2 is not here: run tests/programs")?;
        let init = [
            "--init-token",
            "--free",
            "--so-pin",
            "1234567",
            "--pin",
            PIN,
            "--label",
        ];
        let made = Invocation::of("softhsm2-util").args(init).arg(label);
        made.with([setting(scratch)]).run()?.good()?;
        token.set_pin(PIN)?;
        let pin = scratch.join("pin");
        let place = format!(
            "module = \"{module}\"\ntoken = \"{label}\"\npin = \"file:{}\"\n",
            pin.display()
        );
        scratch.write("token.toml", place.as_bytes())?;
        Ok(token)
    }

    /// What a process needs in its environment to see the token.
    pub fn setting(&self) -> (&'static str, PathBuf) {
        setting(self.scratch)
    }

    /// Runs `consign` where the token is.
    ///
    /// # Errors
    /// It could not be run, or did not end in time.
    pub fn consign(&self, line: &str) -> Result<Answer> {
        let consign = Invocation::consign()?.args(words(line));
        let consign = consign.with([self.setting()]);
        consign.stand_in(self.scratch.path()).run()
    }

    /// Writes another PIN, or the right one, into the file.
    ///
    /// # Errors
    /// It cannot be written.
    pub fn set_pin(&self, pin: &str) -> Result<()> {
        self.scratch.write_private("pin", pin.as_bytes())
    }

    /// Writes the right PIN into the file.
    ///
    /// # Errors
    /// It cannot be written.
    pub fn set_right_pin(&self) -> Result<()> {
        self.set_pin(PIN)
    }

    /// Pulls the token out.
    ///
    /// # Errors
    /// It is out.
    pub fn pull_out(&self) -> Result<()> {
        fs::rename(self.plugged(), self.away())?;
        Ok(fs::create_dir(self.plugged())?)
    }

    /// Plugs it in again.
    ///
    /// # Errors
    /// It is in.
    pub fn plug_in(&self) -> Result<()> {
        ensure!(self.away().exists(), "the token is plugged in");
        fs::remove_dir(self.plugged())?;
        Ok(fs::rename(self.away(), self.plugged())?)
    }

    fn plugged(&self) -> PathBuf {
        self.scratch.join(TOKENS)
    }

    fn away(&self) -> PathBuf {
        self.scratch.join("tokens.away")
    }
}
