//! A hub or a node as a process of its own: `consign hub run DIR`, as any operator starts it.

use std::fs::OpenOptions;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::time::{Duration, Instant};

use consign_runtime::run_file::{Presence, RunFile};
use rustix::process::{Pid, Signal, kill_process};

use super::BenchError;
use super::meter::Meter;

/// How often readiness and the end are looked for.
const GLANCE: Duration = Duration::from_millis(2);
/// Rebuilding the index of a large journal takes minutes.
const READY: Duration = Duration::from_secs(1800);
const STOP: Duration = Duration::from_secs(120);

/// A process that runs; it is killed when this is dropped.
#[derive(Debug)]
pub(crate) struct Process {
    role: &'static str,
    child: Child,
    log: PathBuf,
    address: String,
}

impl Process {
    /// Starts a `hub` or a `node` on what is in its directory; returns when it can be connected to.
    pub(crate) async fn start(
        program: &Path,
        role: &'static str,
        dir: &Path,
    ) -> Result<Self, BenchError> {
        let log = dir.with_extension("log");
        let fault = |source| BenchError::io(&log, source);
        let out = OpenOptions::new().append(true).create(true).open(&log);
        let out = out.map_err(fault)?;
        let again = out.try_clone().map_err(fault)?;
        let child = Command::new(program)
            .args([role, "run"])
            .arg(dir)
            .stdin(Stdio::null())
            .stdout(out)
            .stderr(again)
            .spawn()
            .map_err(|source| BenchError::io(program, source))?;
        let mut process = Self {
            role,
            child,
            log: log.clone(),
            address: String::new(),
        };
        process.address = process.ready(dir).await?;
        Ok(process)
    }

    /// Starts a hub on an empty store.
    pub(crate) async fn start_empty(program: &Path, dir: &Path) -> Result<Self, BenchError> {
        let data = dir.join("data");
        match std::fs::remove_dir_all(&data) {
            Err(fault) if fault.kind() != std::io::ErrorKind::NotFound => {
                Err(BenchError::io(&data, fault))
            }
            _ => Self::start(program, "hub", dir).await,
        }
    }

    /// Where it listens.
    pub(crate) fn address(&self) -> &str {
        &self.address
    }

    /// What the system counts for it.
    pub(crate) fn meter(&self) -> Meter {
        Meter::new(self.child.id())
    }

    /// Stops it in order.
    pub(crate) async fn stop(mut self) -> Result<(), BenchError> {
        if let Some(pid) = i32::try_from(self.child.id()).ok().and_then(Pid::from_raw) {
            // It may have ended already, which the wait finds.
            let _ = kill_process(pid, Signal::TERM);
        }
        let begun = Instant::now();
        let mut glances = tokio::time::interval(GLANCE);
        loop {
            match self.ended()? {
                Some(status) if status.success() => return Ok(()),
                Some(status) => return Err(self.ended_with(status)),
                None if begun.elapsed() > STOP => return Err(self.late("stop", STOP)),
                None => glances.tick().await,
            };
        }
    }

    /// Ends it wherever it is: `kill -9`.
    pub(crate) fn kill(mut self) -> Result<(), BenchError> {
        let ended = self.child.kill().and_then(|()| self.child.wait());
        ended.map_err(|source| BenchError::io(&self.log, source))?;
        Ok(())
    }

    /// Waits for the `run.json` of this very process.
    async fn ready(&mut self, dir: &Path) -> Result<String, BenchError> {
        let begun = Instant::now();
        let mut glances = tokio::time::interval(GLANCE);
        while begun.elapsed() < READY {
            glances.tick().await;
            if let Some(status) = self.ended()? {
                return Err(self.ended_with(status));
            }
            if let Ok(Presence::Running(said)) = RunFile::read(dir)
                && said.pid == self.child.id()
                && let Some(address) = said.addresses.into_values().next()
            {
                return Ok(address);
            }
        }
        Err(self.late("become ready", READY))
    }

    fn ended(&mut self) -> Result<Option<ExitStatus>, BenchError> {
        let ended = self.child.try_wait();
        ended.map_err(|source| BenchError::io(&self.log, source))
    }

    fn ended_with(&self, status: ExitStatus) -> BenchError {
        BenchError::Ended {
            role: self.role,
            status,
            log: self.log.clone(),
        }
    }

    fn late(&self, what: &'static str, after: Duration) -> BenchError {
        BenchError::Late {
            role: self.role,
            what,
            after,
            log: self.log.clone(),
        }
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        if let Ok(None) = self.child.try_wait() {
            let _ = self.child.kill();
            let _ = self.child.wait();
        }
    }
}
