//! A hub or a node as a process of its own.

use std::fs::{self, File, OpenOptions};
use std::path::{Path, PathBuf};
use std::process::{Child, ExitStatus, Stdio};
use std::time::Duration;

use anyhow::{Context as _, Result, bail};
use rustix::process::{Pid, Signal, kill_process};
use serde_json::Value;

use crate::program::{Invocation, words};
use crate::waiting::until;

/// Nothing takes longer to be ready or to stop.
const LIMIT: Duration = Duration::from_secs(60);

/// A process that runs until it is told to stop; it is killed when this is dropped.
#[derive(Debug)]
pub struct Service {
    name: String,
    directory: PathBuf,
    words: Vec<String>,
    settings: Vec<(String, PathBuf)>,
    child: Option<Child>,
}

impl Service {
    /// Starts `consign` with this line, standing beside `directory`, which is the service's;
    /// returns when it is ready. What it says goes to a log beside the directory.
    ///
    /// # Errors
    /// It could not be started, ended, or was not ready in time.
    pub fn start(directory: &Path, line: &str) -> Result<Self> {
        Self::start_with(directory, line, None)
    }

    /// [`start`](Self::start) with a setting in its environment.
    ///
    /// # Errors
    /// As there.
    pub fn start_with(
        directory: &Path,
        line: &str,
        setting: Option<(&str, PathBuf)>,
    ) -> Result<Self> {
        let name = directory.file_name().unwrap_or_default().to_string_lossy();
        let mut service = Self {
            name: name.into_owned(),
            directory: directory.to_owned(),
            words: words(line),
            settings: setting
                .map(|(name, value)| (name.to_owned(), value))
                .into_iter()
                .collect(),
            child: None,
        };
        service.start_again()?;
        Ok(service)
    }

    /// Starts it as before; returns when it is ready.
    ///
    /// # Errors
    /// It runs, could not be started, ended, or was not ready in time.
    pub fn start_again(&mut self) -> Result<()> {
        self.begin()?;
        self.wait_until_ready()
    }

    /// Starts it and does not wait.
    ///
    /// # Errors
    /// It runs, or could not be started.
    pub fn begin(&mut self) -> Result<()> {
        if self.child.is_some() {
            bail!("{} runs already", self.name);
        }
        let parent = self
            .directory
            .parent()
            .context("a directory has a parent")?;
        let log = self.log()?;
        let child = Invocation::consign()?
            .args(&self.words)
            .with(self.settings.iter().map(|(name, value)| (name, value)))
            .stand_in(parent)
            .command()
            .stdout(Stdio::from(log.try_clone()?))
            .stderr(Stdio::from(log))
            .spawn()
            .with_context(|| format!("cannot start {}", self.name))?;
        self.child = Some(child);
        Ok(())
    }

    /// Waits for the `run.json` of this very process.
    ///
    /// # Errors
    /// It ended, or was not ready in time.
    pub fn wait_until_ready(&mut self) -> Result<()> {
        let run_file = self.directory.join("run.json");
        let name = self.name.clone();
        let child = self.child.as_mut().context("it was not started")?;
        until(&format!("{name} is ready"), LIMIT, || {
            if let Some(status) = child.try_wait()? {
                bail!("{name} ended with {status} before it was ready");
            }
            let said = fs::read(&run_file).unwrap_or_default();
            let said: Value = serde_json::from_slice(&said).unwrap_or_default();
            Ok((said["pid"] == child.id()).then_some(()))
        })
    }

    /// It has not ended by itself.
    ///
    /// # Errors
    /// It has; says how.
    pub fn still_runs(&mut self) -> Result<()> {
        let child = self.child.as_mut().context("it was not started")?;
        match child.try_wait()? {
            Some(status) => bail!("{} ended by itself with {status}", self.name),
            None => Ok(()),
        }
    }

    /// Ends it at once, wherever it is: `kill -9`.
    ///
    /// # Errors
    /// It does not run.
    pub fn kill(&mut self) -> Result<()> {
        let mut child = self.child.take().context("it does not run")?;
        child.kill()?;
        child.wait()?;
        Ok(())
    }

    /// Asks it to stop, and waits until it has.
    ///
    /// # Errors
    /// It does not run, or did not stop in time.
    pub fn stop(&mut self) -> Result<ExitStatus> {
        let child = self.child.as_mut().context("it does not run")?;
        let id = i32::try_from(child.id()).ok().and_then(Pid::from_raw);
        kill_process(id.context("a process has an id")?, Signal::TERM)?;
        let status = until(&format!("{} stops", self.name), LIMIT, || {
            Ok(child.try_wait()?)
        })?;
        self.child = None;
        Ok(status)
    }

    /// The most memory it has had at one time so far, in bytes (`VmHWM`).
    ///
    /// # Errors
    /// It does not run, or the system does not tell.
    pub fn peak_memory(&self) -> Result<u64> {
        let child = self.child.as_ref().context("it does not run")?;
        let status = fs::read_to_string(format!("/proc/{}/status", child.id()))?;
        let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"));
        let kib = line.and_then(|line| line.trim().strip_suffix(" kB"));
        let kib: u64 = kib
            .context("the system does not tell the peak")?
            .trim()
            .parse()?;
        Ok(kib * 1024)
    }

    /// All that it has said.
    ///
    /// # Errors
    /// The log cannot be read.
    pub fn said(&self) -> Result<String> {
        let bytes = fs::read(self.log_path())?;
        Ok(String::from_utf8_lossy(&bytes).into_owned())
    }

    /// Its directory.
    pub fn directory(&self) -> &Path {
        &self.directory
    }

    fn log(&self) -> Result<File> {
        let path = self.log_path();
        OpenOptions::new()
            .append(true)
            .create(true)
            .open(&path)
            .with_context(|| format!("cannot open {}", path.display()))
    }

    fn log_path(&self) -> PathBuf {
        self.directory.with_extension("log")
    }
}

impl Drop for Service {
    fn drop(&mut self) {
        if self.child.is_some() {
            let _ = self.kill();
        }
    }
}
