//! What the system counts for a process: `/proc/PID/{stat,io,status,task}` (proc(5)).

use std::path::{Path, PathBuf};
use std::time::Duration;

use super::BenchError;

/// The unit of times in `/proc/PID/stat`: the kernel shows them in hundredths of a second on
/// every machine that Rust's standard library knows (`USER_HZ`).
const TICK: Duration = Duration::from_millis(10);

/// What was counted for a process up to some moment.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Reading {
    /// Processor time of all its threads, in user and in system mode.
    pub(crate) cpu: Duration,
    /// Bytes that it had the disk write.
    pub(crate) written: u64,
    /// Resident memory now, in bytes.
    pub(crate) resident: u64,
    /// The most resident memory that it ever had, in bytes.
    pub(crate) peak: u64,
}

/// Reads what the system counts for one process.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Meter {
    pid: u32,
}

impl Meter {
    pub(crate) const fn new(pid: u32) -> Self {
        Self { pid }
    }

    pub(crate) fn own() -> Self {
        Self::new(std::process::id())
    }

    pub(crate) fn read(self) -> Result<Reading, BenchError> {
        Ok(Reading {
            cpu: self.parsed("stat", cpu)?,
            written: self.parsed("io", |text| field(text, "write_bytes:"))?,
            resident: self.parsed("status", |text| kib(text, "VmRSS:"))?,
            peak: self.parsed("status", |text| kib(text, "VmHWM:"))?,
        })
    }

    /// Processor time of the threads that there are, in nanoseconds: for short spans, in which no
    /// thread ends. In hundredths of a second where the kernel does not count so finely.
    pub(crate) fn cpu(self) -> Result<Duration, BenchError> {
        let tasks = self.path("task");
        let fault = |source| BenchError::io(&tasks, source);
        let mut sum = Duration::ZERO;
        for task in std::fs::read_dir(&tasks).map_err(fault)? {
            let schedule = task.map_err(fault)?.path().join("schedstat");
            match std::fs::read_to_string(&schedule) {
                Ok(text) => sum += on_cpu(&text).ok_or(BenchError::Meter { path: schedule })?,
                // The thread has just ended, or the kernel does not tell.
                Err(_) => continue,
            }
        }
        if sum.is_zero() {
            return self.parsed("stat", cpu);
        }
        Ok(sum)
    }

    fn parsed<T>(self, name: &str, parse: impl FnOnce(&str) -> Option<T>) -> Result<T, BenchError> {
        let path = self.path(name);
        let text = std::fs::read_to_string(&path).map_err(|fault| BenchError::io(&path, fault))?;
        parse(&text).ok_or(BenchError::Meter { path })
    }

    fn path(self, name: &str) -> PathBuf {
        Path::new("/proc").join(self.pid.to_string()).join(name)
    }
}

impl Reading {
    /// Processor time between two readings.
    pub(crate) fn cpu_since(&self, before: &Self) -> Duration {
        self.cpu.saturating_sub(before.cpu)
    }

    /// Bytes written between two readings.
    pub(crate) fn written_since(&self, before: &Self) -> u64 {
        self.written.saturating_sub(before.written)
    }
}

/// Fields 14 and 15; the second, the command's name, may hold anything but ends in `)`.
fn cpu(stat: &str) -> Option<Duration> {
    let mut fields = stat.rsplit_once(')')?.1.split_whitespace().skip(11);
    let user: u32 = fields.next()?.parse().ok()?;
    let system: u32 = fields.next()?.parse().ok()?;
    TICK.checked_mul(user.checked_add(system)?)
}

/// The first of three figures: nanoseconds on a processor.
fn on_cpu(schedstat: &str) -> Option<Duration> {
    let nanos = schedstat.split_whitespace().next()?.parse().ok()?;
    Some(Duration::from_nanos(nanos))
}

fn field(text: &str, name: &str) -> Option<u64> {
    let line = text.lines().find_map(|line| line.strip_prefix(name))?;
    line.trim().parse().ok()
}

fn kib(text: &str, name: &str) -> Option<u64> {
    let line = text.lines().find_map(|line| line.strip_prefix(name))?;
    let kib: u64 = line.trim().strip_suffix(" kB")?.trim().parse().ok()?;
    kib.checked_mul(1024)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_process_name_may_hold_anything() {
        let stat = "7 (a) 1 2 (b) S 1 7 7 0 -1 4194304 99 0 0 0 150 25 0 0 20 0 9 0 1 2 3";
        assert_eq!(cpu(stat), Some(Duration::from_millis(1750)));
        assert_eq!(cpu("7 (a) S 1"), None);
    }

    #[test]
    fn this_process_is_counted() {
        let meter = Meter::own();
        let before = meter.read().unwrap();
        assert!(before.resident > 0 && before.peak >= before.resident);
        let begun = std::time::Instant::now();
        let mut digest = consign_domain::Digest::of(b"");
        while begun.elapsed() < Duration::from_millis(200) {
            digest = consign_domain::Digest::of(digest.as_bytes());
        }
        let cpu = meter.read().unwrap().cpu_since(&before);
        let fine = meter.cpu().unwrap();
        assert!(fine >= Duration::from_millis(50), "{fine:?}");
        assert!(cpu >= Duration::from_millis(50), "{cpu:?} {digest}");
    }

    #[test]
    fn a_process_that_is_not_there_is_an_error() {
        assert!(matches!(
            Meter::new(u32::MAX).read(),
            Err(BenchError::Io { .. })
        ));
    }
}
