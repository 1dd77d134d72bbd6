//! Run a program to its end, and look at its answer.

use std::ffi::{OsStr, OsString};
use std::io::Read;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::mpsc;
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, bail, ensure};
use serde_json::Value;

/// Nothing that a test runs takes longer.
const LIMIT: Duration = Duration::from_secs(150);

/// What a program said and how it ended.
#[derive(Debug, Clone)]
pub struct Answer {
    /// The command line, to be shown.
    pub line: String,
    /// Its exit code; none when a signal ended it.
    pub code: Option<i32>,
    /// What it wrote on standard output.
    pub stdout: Vec<u8>,
    /// What it wrote on standard error.
    pub stderr: String,
}

/// A program about to be run.
#[derive(Debug)]
pub struct Invocation {
    program: PathBuf,
    args: Vec<OsString>,
    settings: Vec<(OsString, OsString)>,
    directory: Option<PathBuf>,
    limit: Duration,
}

/// Splits a command line as a shell does, so far as tests need it: at spaces, and not within
/// single quotes.
pub fn words(line: &str) -> Vec<String> {
    let mut words = Vec::new();
    let mut open: Option<String> = None;
    let mut quoted = false;
    for letter in line.chars() {
        match letter {
            '\'' => {
                quoted = !quoted;
                open.get_or_insert_default();
            }
            ' ' if !quoted => words.extend(open.take()),
            _ => open.get_or_insert_default().push(letter),
        }
    }
    words.extend(open);
    words
}

/// The binary under test: it lies beside this executable.
///
/// # Errors
/// It was not built.
pub fn binary() -> Result<PathBuf> {
    let here = std::env::current_exe().context("cannot tell where this executable lies")?;
    let mut directory = here.parent().context("this executable lies nowhere")?;
    if directory.ends_with("deps") {
        directory = directory.parent().context("deps lies nowhere")?;
    }
    let path = directory.join("consign");
    ensure!(
        path.is_file(),
        "{} is missing: build it with `cargo build -p consign-cli`, or run the tests with \
         `cargo test --workspace`",
        path.display()
    );
    Ok(path)
}

/// Settings of the person who runs the tests, which reach no program.
const SETTINGS: [&str; 7] = [
    "CONSIGN_NODE",
    "CONSIGN_AGENCY",
    "CONSIGN_PASSPHRASE",
    "RUST_LOG",
    "LC_ALL",
    "LC_MESSAGES",
    "LANG",
];

impl Invocation {
    /// A program found on the path, or at one.
    pub fn of(program: impl Into<PathBuf>) -> Self {
        Self {
            program: program.into(),
            args: Vec::new(),
            settings: Vec::new(),
            directory: None,
            limit: LIMIT,
        }
    }

    /// The binary under test.
    ///
    /// # Errors
    /// It was not built.
    pub fn consign() -> Result<Self> {
        Ok(Self::of(binary()?))
    }

    /// Adds a word.
    #[must_use]
    pub fn arg(mut self, word: impl AsRef<OsStr>) -> Self {
        self.args.push(word.as_ref().to_owned());
        self
    }

    /// Adds words.
    #[must_use]
    pub fn args<W: AsRef<OsStr>>(mut self, words: impl IntoIterator<Item = W>) -> Self {
        let words = words.into_iter().map(|word| word.as_ref().to_owned());
        self.args.extend(words);
        self
    }

    /// With these settings in its environment.
    #[must_use]
    pub fn with<N: AsRef<OsStr>, V: AsRef<OsStr>>(
        mut self,
        settings: impl IntoIterator<Item = (N, V)>,
    ) -> Self {
        let owned = |(name, value): (N, V)| (name.as_ref().to_owned(), value.as_ref().to_owned());
        self.settings.extend(settings.into_iter().map(owned));
        self
    }

    /// Runs it there.
    #[must_use]
    pub fn stand_in(mut self, directory: &Path) -> Self {
        self.directory = Some(directory.to_owned());
        self
    }

    /// Lets it take so long.
    #[must_use]
    pub const fn within(mut self, limit: Duration) -> Self {
        self.limit = limit;
        self
    }

    /// As the system takes it: no setting of the person who runs the tests reaches it.
    pub fn command(&self) -> Command {
        let mut command = Command::new(&self.program);
        command.args(&self.args).stdin(Stdio::null());
        for setting in SETTINGS {
            command.env_remove(setting);
        }
        command.env("NO_COLOR", "1");
        command.envs(self.settings.iter().map(|(name, value)| (name, value)));
        if let Some(directory) = &self.directory {
            command.current_dir(directory);
        }
        command
    }

    /// Runs it to its end.
    ///
    /// # Errors
    /// It could not be run, or did not end in time; it is ended then.
    pub fn run(self) -> Result<Answer> {
        let line = self.line();
        let mut child = self
            .command()
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .with_context(|| format!("cannot run {line}"))?;
        let deadline = Instant::now() + self.limit;
        let stdout = reader(child.stdout.take());
        let stderr = reader(child.stderr.take());
        let read = |from: &mpsc::Receiver<Vec<u8>>| {
            from.recv_timeout(deadline.saturating_duration_since(Instant::now()))
        };
        let (Ok(stdout), Ok(stderr)) = (read(&stdout), read(&stderr)) else {
            end(&mut child);
            bail!("did not end within {} s: {line}", self.limit.as_secs());
        };
        let status = child
            .wait()
            .with_context(|| format!("cannot wait for {line}"))?;
        Ok(Answer {
            line,
            code: status.code(),
            stdout,
            stderr: String::from_utf8_lossy(&stderr).into_owned(),
        })
    }

    /// The command line, to be shown.
    pub fn line(&self) -> String {
        let name = self.program.file_name().unwrap_or_default();
        let words = std::iter::once(name).chain(self.args.iter().map(OsString::as_os_str));
        let words: Vec<_> = words.map(OsStr::to_string_lossy).collect();
        words.join(" ")
    }
}

fn reader(pipe: Option<impl Read + Send + 'static>) -> mpsc::Receiver<Vec<u8>> {
    let (sender, receiver) = mpsc::channel();
    thread::spawn(move || {
        let mut bytes = Vec::new();
        if let Some(mut pipe) = pipe {
            let _ = pipe.read_to_end(&mut bytes);
        }
        let _ = sender.send(bytes);
    });
    receiver
}

fn end(child: &mut Child) {
    let _ = child.kill();
    let _ = child.wait();
}

impl Answer {
    /// Standard output as text.
    pub fn text(&self) -> String {
        String::from_utf8_lossy(&self.stdout).into_owned()
    }

    /// Whether it ended with 0.
    pub fn is_good(&self) -> bool {
        self.code == Some(0)
    }

    /// It ended with 0.
    ///
    /// # Errors
    /// It did not.
    pub fn good(self) -> Result<Self> {
        ensure!(self.is_good(), "it failed:\n{self}");
        Ok(self)
    }

    /// The object on the last line of standard output.
    ///
    /// # Errors
    /// There is none.
    pub fn json(&self) -> Result<Value> {
        let text = self.text();
        let last = text.lines().last().unwrap_or_default();
        let value: Value =
            serde_json::from_str(last).with_context(|| format!("no JSON at the end:\n{self}"))?;
        ensure!(value.is_object(), "no object at the end:\n{self}");
        ensure!(
            value["ok"] == Value::Bool(self.is_good()),
            "`ok` and the exit code disagree:\n{self}"
        );
        Ok(value)
    }

    /// It failed with this exit code and this error code, saying what to do; gives the error.
    ///
    /// # Errors
    /// It did otherwise.
    pub fn refused(&self, exit: i32, code: &str) -> Result<Value> {
        let error = self.json()?["error"].take();
        ensure!(
            self.code == Some(exit) && error["code"] == code,
            "expected exit code {exit} and error {code}:\n{self}"
        );
        for part in ["message", "fix"] {
            let said = error[part].as_str().unwrap_or_default();
            ensure!(!said.is_empty(), "the error has no {part}:\n{self}");
        }
        Ok(error)
    }
}

impl std::fmt::Display for Answer {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        writeln!(f, "$ {}", self.line)?;
        f.write_str(&self.text())?;
        f.write_str(&self.stderr)?;
        match self.code {
            Some(code) => write!(f, "(exit code {code})"),
            None => write!(f, "(ended by a signal)"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_are_split_as_a_shell_does() {
        assert_eq!(
            words("send  a.pdf --subject 'Về việc' ''"),
            ["send", "a.pdf", "--subject", "Về việc", ""]
        );
    }

    #[test]
    fn an_answer_is_judged_by_what_it_says() {
        let answer = Invocation::of("sh")
            .args(["-c", "echo '{\"ok\":true}'; echo no >&2; exit 3"])
            .run()
            .unwrap();
        assert_eq!((answer.code, answer.stderr.as_str()), (Some(3), "no\n"));
        assert!(answer.json().is_err(), "`ok` and the exit code disagree");
        assert!(answer.good().is_err());
    }

    #[test]
    fn what_does_not_end_is_ended() {
        let limit = Duration::from_millis(50);
        let error = Invocation::of("sleep").arg("60").within(limit).run();
        assert!(error.unwrap_err().to_string().starts_with("did not end"));
    }
}
