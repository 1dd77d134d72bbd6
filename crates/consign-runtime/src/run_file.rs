//! `DIR/run.json`: what a running process tells those who look for it.
//!
//! Written at readiness, atomically, so that whoever sees it may connect; removed at a clean stop.
//! After a crash it stays. Its process is then known to be gone not by its number, which may have
//! been given to another, but by when it began.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use rustix::process::{Pid, test_kill_process};
use serde::{Deserialize, Serialize};
use thiserror::Error;

use crate::files::{self, FileError, PRIVATE};

const NAME: &str = "run.json";
const MAX_BYTES: usize = 64 * 1024;

/// What a process says of itself.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct RunFile {
    /// The process.
    pub pid: u32,
    /// When it was ready, in Unix seconds.
    pub started: u64,
    /// Where it listens: name of the service to address or socket path.
    pub addresses: BTreeMap<String, String>,
    /// Which boot, and when in it the process began, as far as the system tells.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    birth: Option<String>,
}

/// What `DIR/run.json` says, held against the processes that exist.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Presence {
    /// No process has said anything, or the last one stopped in order.
    Absent,
    /// The process that wrote it is there.
    Running(RunFile),
    /// The process that wrote it is gone.
    Gone(RunFile),
}

/// Why `DIR/run.json` could not be used.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum RunFileError {
    /// The file cannot be read or written.
    #[error(transparent)]
    File(#[from] FileError),
    /// It is not what a process of ours writes.
    #[error("{} is not a run file", path.display())]
    Malformed {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        #[source]
        source: serde_json::Error,
    },
}

/// The published file; it is removed when this is dropped.
#[derive(Debug)]
pub struct Published {
    path: PathBuf,
}

impl RunFile {
    /// Says in `directory` that this process is ready since `started` and listens at `addresses`.
    ///
    /// # Errors
    /// The file cannot be written.
    pub fn publish(
        directory: &Path,
        started: u64,
        addresses: BTreeMap<String, String>,
    ) -> Result<Published, RunFileError> {
        let path = directory.join(NAME);
        let pid = std::process::id();
        let run_file = Self {
            pid,
            started,
            addresses,
            birth: birth(pid),
        };
        let mut text =
            serde_json::to_vec_pretty(&run_file).map_err(|source| RunFileError::Malformed {
                path: path.clone(),
                source,
            })?;
        text.push(b'\n');
        files::publish(&path, &text, PRIVATE)?;
        Ok(Published { path })
    }

    /// Reads what the last process said in `directory`, and whether it is still there.
    ///
    /// # Errors
    /// The file is there and cannot be read or understood.
    pub fn read(directory: &Path) -> Result<Presence, RunFileError> {
        let path = directory.join(NAME);
        let text = match files::read_bounded(&path, MAX_BYTES) {
            Ok(text) => text,
            Err(fault) if fault.is_not_found() => return Ok(Presence::Absent),
            Err(fault) => return Err(fault.into()),
        };
        let run_file: Self = serde_json::from_slice(&text)
            .map_err(|source| RunFileError::Malformed { path, source })?;
        Ok(if run_file.is_alive() {
            Presence::Running(run_file)
        } else {
            Presence::Gone(run_file)
        })
    }

    fn is_alive(&self) -> bool {
        let Some(pid) = i32::try_from(self.pid).ok().and_then(Pid::from_raw) else {
            return false;
        };
        let exists = match test_kill_process(pid) {
            // It is there, and another user's.
            Ok(()) | Err(rustix::io::Errno::PERM) => true,
            Err(_) => false,
        };
        let same = match (&self.birth, birth(self.pid)) {
            (Some(recorded), Some(found)) => *recorded == found,
            _ => true,
        };
        exists && same
    }
}

impl Published {
    /// Removes the file: the process stops in order.
    ///
    /// # Errors
    /// The file cannot be removed.
    pub fn withdraw(self) -> Result<(), FileError> {
        files::remove(&self.path)
    }
}

impl Drop for Published {
    fn drop(&mut self) {
        // Nobody is left to be told; a reader finds the process gone.
        let _ = files::remove(&self.path);
    }
}

/// Boot id and start time of a process: together unique where process numbers come round again.
fn birth(pid: u32) -> Option<String> {
    let read = |path: &str| {
        let bytes = files::read_bounded(Path::new(path), 4096).ok()?;
        String::from_utf8(bytes).ok()
    };
    let boot = read("/proc/sys/kernel/random/boot_id")?;
    let stat = read(&format!("/proc/{pid}/stat"))?;
    // The second field is the program's name in parentheses and may hold anything; the start
    // time is the 22nd, the 20th after it (proc_pid_stat(5)).
    let (_, after_name) = stat.rsplit_once(')')?;
    let start = after_name.split_ascii_whitespace().nth(19)?;
    Some(format!("{} {start}", boot.trim()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn addresses() -> BTreeMap<String, String> {
        BTreeMap::from([("hub".to_owned(), "127.0.0.1:4433".to_owned())])
    }

    #[test]
    fn it_is_there_from_readiness_to_a_clean_stop() {
        let directory = tempfile::tempdir().unwrap();
        assert_eq!(RunFile::read(directory.path()).unwrap(), Presence::Absent);
        let published = RunFile::publish(directory.path(), 7, addresses()).unwrap();
        let Presence::Running(run_file) = RunFile::read(directory.path()).unwrap() else {
            panic!("this process runs");
        };
        assert_eq!((run_file.pid, run_file.started), (std::process::id(), 7));
        assert_eq!(run_file.addresses, addresses());
        published.withdraw().unwrap();
        assert_eq!(RunFile::read(directory.path()).unwrap(), Presence::Absent);
    }

    #[test]
    fn a_process_that_is_gone_is_told_from_one_that_took_its_number() {
        let directory = tempfile::tempdir().unwrap();
        let write = |text: &str| std::fs::write(directory.path().join(NAME), text).unwrap();

        let mut child = std::process::Command::new("true").spawn().unwrap();
        let gone = child.id();
        child.wait().unwrap();
        write(&format!(r#"{{"pid":{gone},"started":1,"addresses":{{}}}}"#));
        assert!(matches!(
            RunFile::read(directory.path()),
            Ok(Presence::Gone(_))
        ));

        let me = std::process::id();
        write(&format!(
            r#"{{"pid":{me},"started":1,"addresses":{{}},"birth":"earlier boot 1"}}"#
        ));
        assert!(matches!(
            RunFile::read(directory.path()),
            Ok(Presence::Gone(_))
        ));
    }

    #[test]
    fn what_is_not_a_run_file_is_said_to_be_none() {
        let directory = tempfile::tempdir().unwrap();
        for text in ["", "{}", r#"{"pid":-1,"started":1,"addresses":{}}"#] {
            std::fs::write(directory.path().join(NAME), text).unwrap();
            assert!(matches!(
                RunFile::read(directory.path()),
                Err(RunFileError::Malformed { .. })
            ));
        }
        std::fs::write(directory.path().join(NAME), vec![b' '; MAX_BYTES + 1]).unwrap();
        assert!(matches!(
            RunFile::read(directory.path()),
            Err(RunFileError::File(_))
        ));
    }
}
