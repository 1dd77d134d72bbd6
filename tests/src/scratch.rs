//! A directory for one test.

use std::fmt;
use std::fs;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::time::Instant;

use anyhow::{Context as _, Result};
use rustix::fs::statvfs;
use serde_json::Value;
use tempfile::TempDir;

use crate::program::{Answer, Invocation, words};

/// So much of the end of each log is shown when a test fails.
const SHOWN_OF_A_LOG: usize = 16 * 1024;

/// Free bytes without which memory is not used.
const ROOM: u64 = 2 << 30;

/// Where one test has its files.
#[derive(Debug)]
pub struct Scratch {
    directory: TempDir,
}

/// Runs a test in a directory of its own. When it fails, by an error or by a panic, the logs
/// found in the directory are shown; `CONSIGN_KEEP=1` then keeps the directory.
///
/// # Errors
/// Those of the test.
pub fn in_scratch(name: &str, test: impl FnOnce(&Scratch) -> Result<()>) -> Result<()> {
    run(name, Scratch::new()?, kept(), test)
}

/// [`in_scratch`], in memory where the machine has room for it there: for what is killed, which
/// leaves the page cache as it is, and not for what loses its power.
///
/// # Errors
/// Those of the test.
pub fn in_memory(name: &str, test: impl FnOnce(&Scratch) -> Result<()>) -> Result<()> {
    run(name, Scratch::in_memory()?, kept(), test)
}

fn kept() -> bool {
    std::env::var_os("CONSIGN_KEEP").is_some()
}

/// [`in_scratch`], where a directory is always kept when the test fails.
///
/// # Errors
/// Those of the test.
pub fn kept_on_failure(name: &str, test: impl FnOnce(&Scratch) -> Result<()>) -> Result<()> {
    run(name, Scratch::new()?, true, test)
}

fn run(
    name: &str,
    scratch: Scratch,
    keep: bool,
    test: impl FnOnce(&Scratch) -> Result<()>,
) -> Result<()> {
    let start = Instant::now();
    let mut judge = Judge {
        scratch: Some(scratch),
        keep,
    };
    if let Some(scratch) = &judge.scratch {
        test(scratch).with_context(|| format!("test {name}"))?;
    }
    // Passed: nothing is shown, and the directory goes.
    drop(judge.scratch.take());
    say(format_args!(
        "{name}: {:.1} s",
        start.elapsed().as_secs_f64()
    ));
    Ok(())
}

/// Says something that is seen also when the test passes.
pub fn say(text: impl fmt::Display) {
    // Not by a macro: the test harness would keep it to itself.
    let _ = writeln!(std::io::stderr().lock(), "    {text}");
}

impl Scratch {
    /// A new directory.
    ///
    /// # Errors
    /// The system refused.
    pub fn new() -> Result<Self> {
        let directory = tempfile::Builder::new()
            .prefix("consign-")
            .tempdir()
            .context("cannot make a directory for the test")?;
        Ok(Self { directory })
    }

    /// A new directory in memory, or elsewhere where there is too little.
    ///
    /// # Errors
    /// The system refused.
    pub fn in_memory() -> Result<Self> {
        let memory = Path::new("/dev/shm");
        let free = statvfs(memory).map_or(0, |system| system.f_bavail * system.f_frsize);
        if free < ROOM {
            return Self::new();
        }
        let directory = tempfile::Builder::new()
            .prefix("consign-")
            .tempdir_in(memory)
            .context("cannot make a directory for the test")?;
        Ok(Self { directory })
    }

    /// The directory.
    pub fn path(&self) -> &Path {
        self.directory.path()
    }

    /// A path in it.
    pub fn join(&self, name: impl AsRef<Path>) -> PathBuf {
        self.path().join(name)
    }

    /// Writes a file in it and gives its path.
    ///
    /// # Errors
    /// The system refused.
    pub fn write(&self, name: &str, bytes: impl AsRef<[u8]>) -> Result<PathBuf> {
        let path = self.join(name);
        fs::write(&path, bytes).with_context(|| format!("cannot write {}", path.display()))?;
        Ok(path)
    }

    /// [`write`](Self::write) for a file that its owner alone may read.
    ///
    /// # Errors
    /// The system refused.
    pub fn write_private(&self, name: &str, bytes: impl AsRef<[u8]>) -> Result<()> {
        use std::os::unix::fs::PermissionsExt as _;
        let path = self.write(name, bytes)?;
        Ok(fs::set_permissions(
            path,
            fs::Permissions::from_mode(0o600),
        )?)
    }

    /// Runs `consign` with a line as one would write it, standing in the directory.
    ///
    /// # Errors
    /// It could not be run, or did not end in time.
    pub fn consign(&self, line: &str) -> Result<Answer> {
        Invocation::consign()?
            .args(words(line))
            .stand_in(self.path())
            .run()
    }

    /// Runs `consign … --json` and gives the object; the command must end well.
    ///
    /// # Errors
    /// It did not.
    pub fn ask(&self, line: &str) -> Result<Value> {
        self.consign(&format!("{line} --json"))?.good()?.json()
    }
}

/// Shows the logs unless the test has passed.
struct Judge {
    scratch: Option<Scratch>,
    keep: bool,
}

impl Drop for Judge {
    fn drop(&mut self) {
        let Some(scratch) = self.scratch.take() else {
            return;
        };
        show_logs(scratch.path());
        if self.keep {
            say(format_args!("kept: {}", scratch.directory.keep().display()));
        }
    }
}

fn show_logs(directory: &Path) {
    let Ok(entries) = fs::read_dir(directory) else {
        return;
    };
    for path in entries.flatten().map(|entry| entry.path()) {
        if path.extension().is_some_and(|end| end == "log") {
            let bytes = fs::read(&path).unwrap_or_default();
            let shown = bytes.len().saturating_sub(SHOWN_OF_A_LOG);
            let end = String::from_utf8_lossy(bytes.get(shown..).unwrap_or_default());
            say(format_args!("--- {} (its end):\n{end}", path.display()));
        }
    }
}
