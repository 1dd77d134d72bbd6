//! `hub.toml`: what a person may set, with every fault of the file reported at once.
//!
//! `deploy/hub.example.toml` documents each key and is parsed by a test.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};

use consign_domain::limits::MAX_INLINE_PAYLOAD;
use consign_runtime::config::{self, ConfigFaults, Reader};
use consign_runtime::telemetry::Format;
use consign_store::Retention;

/// The documented example, which [`init`](crate::init) writes with another address.
pub(crate) const EXAMPLE: &str = include_str!("../../../deploy/hub.example.toml");

const MIB: u64 = 1024 * 1024;

/// A hub's configuration.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Config {
    /// The directory that `hub.toml` lies in; `run.json` and `lock` lie there too.
    pub home: PathBuf,
    /// Where nodes connect.
    pub listen: SocketAddr,
    /// Journal, index and payloads.
    pub data: PathBuf,
    /// `trust.json` and `trust.pem`.
    pub trust: PathBuf,
    /// Where the authority's directory is published.
    pub directory: PathBuf,
    /// `tls.key`, `tls.pem`, `statement.key`, `time-stamp.key` and `time-stamp.pem`.
    pub keys: PathBuf,
    /// Bounds.
    pub limits: Limits,
    /// How long what is final is kept.
    pub keep: Keep,
    /// The log.
    pub log: Log,
}

/// How long the hub keeps what is final.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Keep {
    /// Days that a payload is kept after the last delivery of its envelope was settled.
    pub payload_days: u64,
    /// Days that answers, receipts and statuses are kept after the envelope's expiry, and
    /// after the last delivery was settled.
    pub record_days: u64,
}

impl Default for Keep {
    fn default() -> Self {
        Self {
            payload_days: 7,
            record_days: 400,
        }
    }
}

impl Keep {
    /// As the store takes it.
    #[must_use]
    pub const fn retention(self) -> Retention {
        const DAY: u64 = 86_400;
        Retention {
            payload_seconds: self.payload_days * DAY,
            record_seconds: self.record_days * DAY,
            again_seconds: DAY / 4,
        }
    }

    fn read(keep: &mut Reader<'_>) -> Self {
        let default = Self::default();
        let days = 0..=36_500;
        Self {
            payload_days: keep
                .u64_in("payload_days", days.clone())
                .or(default.payload_days),
            record_days: keep.u64_in("record_days", days).or(default.record_days),
        }
    }
}

/// Bounds on what peers may make the hub hold.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// Largest payload inside a message, in bytes.
    pub inline_payload: u64,
    /// Bytes on their way to all nodes together.
    pub delivery_bytes: u32,
    /// Bytes of submissions being decided, of all nodes together.
    pub submission_bytes: u32,
    /// Bytes of uploads that wait to be written, of all nodes together; a message of each may
    /// wait for room besides.
    pub upload_bytes: u32,
    /// Submissions that one stream may have unanswered.
    pub in_flight: usize,
    /// Calls that one node may have open.
    pub streams_per_node: usize,
    /// Uploads of one node under way or not yet submitted.
    pub staged_per_node: usize,
    /// Bytes of all uploads under way or not yet submitted.
    pub staged_bytes: u64,
    /// Envelopes and statuses of one sending agency in a minute; 0: no bound.
    pub sender_messages_per_minute: u64,
    /// How many of them may come at once.
    pub sender_messages_burst: u64,
    /// Payload bytes times recipients of one sending agency in an hour; 0: no bound.
    pub sender_bytes_per_hour: u64,
    /// Deliveries of one sending agency that nobody has signed for yet; 0: no bound.
    pub sender_backlog: u64,
    /// Time-stamps of one node in a minute; 0: no bound.
    pub time_stamps_per_minute: u64,
    /// How many of them may come at once.
    pub time_stamps_burst: u64,
    /// How long an upload is kept that nobody goes on with, in seconds.
    pub staged_idle_seconds: u64,
    /// How long a stop waits for calls to finish, in seconds.
    pub drain_seconds: u64,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            inline_payload: MAX_INLINE_PAYLOAD,
            delivery_bytes: 64 << 20,
            submission_bytes: 64 << 20,
            upload_bytes: 64 << 20,
            in_flight: 256,
            streams_per_node: 16,
            staged_per_node: 16,
            staged_bytes: 16 << 30,
            sender_messages_per_minute: 6_000,
            sender_messages_burst: 10_000,
            sender_bytes_per_hour: 256 << 30,
            sender_backlog: 2_000_000,
            time_stamps_per_minute: 6_000,
            time_stamps_burst: 1_000,
            staged_idle_seconds: 24 * 3_600,
            drain_seconds: 20,
        }
    }
}

/// How the hub logs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Log {
    /// For people or for machines.
    pub format: Format,
    /// What is logged.
    pub filter: String,
}

impl Default for Log {
    fn default() -> Self {
        Self {
            format: Format::Text,
            filter: "info".to_owned(),
        }
    }
}

impl Config {
    /// Reads `hub.toml`.
    ///
    /// # Errors
    /// Everything that is wrong with the file.
    pub fn load(path: &Path) -> Result<Self, ConfigFaults> {
        config::load(path, |reader| Self::read(reader, home_of(path)))
    }

    /// [`load`](Self::load) from the text of a file that is, or would be, at `path`.
    ///
    /// # Errors
    /// Everything that is wrong with the text.
    pub fn parse(text: &str, path: &Path) -> Result<Self, ConfigFaults> {
        config::parse(text, path, |reader| Self::read(reader, home_of(path)))
    }

    fn read(hub: &mut Reader<'_>, home: PathBuf) -> Option<Self> {
        let listen = hub.socket_addr("listen").required();
        let data = hub.path("data").or(home.join("data"));
        let trust = hub.path("trust").or(home.join("trust"));
        let directory = hub.path("directory").or(trust.join("directory"));
        let keys = hub.path("keys").or(home.join("keys"));
        let limits = hub.section("limits", Limits::read);
        let keep = hub.section("keep", Keep::read);
        let log = hub.section("log", Log::read);
        Some(Self {
            home,
            listen: listen?,
            data,
            trust,
            directory,
            keys,
            limits,
            keep,
            log,
        })
    }
}

impl Limits {
    fn read(limits: &mut Reader<'_>) -> Self {
        let default = Self::default();
        let budget = 4 * MIB..=u64::from(u32::MAX);
        let bytes = |value: u64| u32::try_from(value).unwrap_or(u32::MAX);
        let count = |value: u64| usize::try_from(value).unwrap_or(usize::MAX);
        Self {
            inline_payload: limits
                .u64_in("inline_payload", 0..=MAX_INLINE_PAYLOAD)
                .or(default.inline_payload),
            delivery_bytes: bytes(
                limits
                    .u64_in("delivery_bytes", budget.clone())
                    .or(default.delivery_bytes.into()),
            ),
            submission_bytes: bytes(
                limits
                    .u64_in("submission_bytes", budget.clone())
                    .or(default.submission_bytes.into()),
            ),
            upload_bytes: bytes(
                limits
                    .u64_in("upload_bytes", budget)
                    .or(default.upload_bytes.into()),
            ),
            in_flight: count(
                limits
                    .u64_in("in_flight", 1..=65_536)
                    .or(default.in_flight as u64),
            ),
            streams_per_node: count(
                limits
                    .u64_in("streams_per_node", 2..=1_000)
                    .or(default.streams_per_node as u64),
            ),
            staged_per_node: count(
                limits
                    .u64_in("staged_per_node", 1..=10_000)
                    .or(default.staged_per_node as u64),
            ),
            staged_bytes: limits
                .u64_in("staged_bytes", 0..=1 << 50)
                .or(default.staged_bytes),
            sender_messages_per_minute: limits
                .u64_in("sender_messages_per_minute", 0..=1 << 30)
                .or(default.sender_messages_per_minute),
            sender_messages_burst: limits
                .u64_in("sender_messages_burst", 1..=1 << 30)
                .or(default.sender_messages_burst),
            sender_bytes_per_hour: limits
                .u64_in("sender_bytes_per_hour", 0..=1 << 50)
                .or(default.sender_bytes_per_hour),
            sender_backlog: limits
                .u64_in("sender_backlog", 0..=1 << 40)
                .or(default.sender_backlog),
            time_stamps_per_minute: limits
                .u64_in("time_stamps_per_minute", 0..=1 << 30)
                .or(default.time_stamps_per_minute),
            time_stamps_burst: limits
                .u64_in("time_stamps_burst", 1..=1 << 30)
                .or(default.time_stamps_burst),
            staged_idle_seconds: limits
                .u64_in("staged_idle_seconds", 60..=90 * 86_400)
                .or(default.staged_idle_seconds),
            drain_seconds: limits
                .u64_in("drain_seconds", 0..=3_600)
                .or(default.drain_seconds),
        }
    }
}

impl Log {
    fn read(log: &mut Reader<'_>) -> Self {
        let formats = [("text", Format::Text), ("json", Format::Json)];
        let default = Self::default();
        Self {
            format: log.one_of("format", &formats).or(default.format),
            filter: log.string("filter").or(default.filter),
        }
    }
}

fn home_of(path: &Path) -> PathBuf {
    path.parent().unwrap_or(Path::new("")).to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_example_shows_every_key_with_its_default() {
        let path = Path::new("/srv/hub/hub.toml");
        let example = Config::parse(EXAMPLE, path).unwrap();
        let shortest = Config::parse("listen = \"127.0.0.1:4433\"", path).unwrap();
        assert_eq!(example, shortest);
        assert_eq!(example.limits, Limits::default());
        assert_eq!(example.keep, Keep::default());
        assert_eq!(example.home, Path::new("/srv/hub"));
        assert_eq!(
            example.directory,
            Path::new("/srv/hub").join("trust/directory")
        );
        // Each key is set, not only mentioned: taking it away as a comment changes nothing
        // else, and a misspelt one is refused.
        for line in EXAMPLE.lines().filter(|line| line.contains(" = ")) {
            let misspelt = EXAMPLE.replace(line, &format!("x{line}"));
            assert!(Config::parse(&misspelt, path).is_err(), "{line}");
        }
    }

    #[test]
    fn all_faults_come_at_once() {
        let text = "listn = \"127.0.0.1:0\"\n[limits]\nin_flight = 0\n[log]\nformat = \"xml\"\n";
        let faults = Config::parse(text, Path::new("hub.toml")).unwrap_err();
        let text = faults.to_string();
        for word in ["listn", "listen", "in_flight", "format"] {
            assert!(text.contains(word), "{word}: {text}");
        }
    }
}
