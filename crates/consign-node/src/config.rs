//! `node.toml`: the one configuration file of a node.
//!
//! The file's directory is the node's directory; nothing in it names keys or agencies,
//! which are files beside it. Unknown keys are refused and all faults are reported at
//! once. `deploy/node.example.toml` documents every key and is parsed by a test.

use std::fmt;
use std::path::{Path, PathBuf};
use std::time::Duration;

use consign_pki::asic::DigestAlgorithm;
use consign_runtime::config::{self, ConfigFaults, FaultCause, Reader};
use consign_runtime::telemetry::Format;

use crate::stamps::AuthorityAddress;

/// The file's name in a node's directory.
pub const FILE_NAME: &str = "node.toml";

/// What a node's operator may choose.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Config {
    /// The node's directory: where the file lies.
    pub directory: PathBuf,
    /// The hub's address (`name:port`) where the directory's is not to be used.
    pub hub: Option<String>,
    /// How long undelivered copies of what is sent live, in days.
    pub expire_days: u32,
    /// How long a stop may take before what still runs is cut off.
    pub drain: Duration,
    /// The log.
    pub log: Log,
    /// Bounds on work at one time.
    pub limits: Limits,
    /// Time-stamps on seals.
    pub time_stamps: TimeStamps,
    /// The long-term archive.
    pub archive: Archive,
}

/// The long-term archive: a time-stamped container around each final document.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Archive {
    /// Whether documents are archived so, and renewed.
    pub is_kept: bool,
    /// So long before a time-stamp's authority's certificate ends another is added.
    pub renew_before: Duration,
    /// The pause between two time-stamps that are asked for.
    pub pause: Duration,
    /// The digest of what is added from now on.
    pub digest: DigestAlgorithm,
}

/// Time-stamps on seals.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TimeStamps {
    /// Who gives them.
    pub source: StampSource,
    /// How long sealing waits for one; what is urgent waits a fifth of it.
    pub patience: Duration,
    /// How long one may take that is fetched afterwards.
    pub answer: Duration,
    /// Roots of time-stamp authorities besides those of the trust file, PEM.
    pub roots: Option<PathBuf>,
}

/// Who gives time-stamps.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum StampSource {
    /// Nobody: seals are made without.
    None,
    /// The hub.
    Hub,
    /// An authority at a URL.
    Authority(AuthorityAddress),
}

impl fmt::Display for StampSource {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::None => formatter.write_str("none"),
            Self::Hub => formatter.write_str("hub"),
            Self::Authority(address) => address.fmt(formatter),
        }
    }
}

/// How the log is written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Log {
    /// Text or JSON.
    pub format: Format,
    /// In the form of `tracing`: `info`, `consign_node=debug,warn`.
    pub filter: String,
}

/// Bounds on work at one time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// Envelopes and statuses that wait for the hub's answer.
    pub in_flight: usize,
    /// Large payloads that are uploaded side by side.
    pub uploads: usize,
    /// Large payloads that are fetched side by side.
    pub fetches: usize,
    /// Documents that are opened and judged side by side.
    pub judgements: usize,
    /// Bytes of items that the hub may send before they are stored.
    pub collect_bytes: u64,
    /// Free bytes on the disk below which nothing new is composed.
    pub free_disk_bytes: u64,
}

impl Config {
    /// Reads `DIR/node.toml`; without the file, every setting has its default.
    ///
    /// # Errors
    /// Everything that is wrong with the file.
    pub fn load(directory: &Path) -> Result<Self, ConfigFaults> {
        let path = directory.join(FILE_NAME);
        match config::load(&path, |reader| Some(read(directory, reader))) {
            Err(faults) if is_absent(&faults) => Self::parse("", directory),
            read => read,
        }
    }

    /// Reads the text of a file that is, or would be, `DIR/node.toml`.
    ///
    /// # Errors
    /// Everything that is wrong with the text.
    pub fn parse(text: &str, directory: &Path) -> Result<Self, ConfigFaults> {
        let path = directory.join(FILE_NAME);
        config::parse(text, &path, |reader| Some(read(directory, reader)))
    }
}

fn read(directory: &Path, reader: &mut Reader<'_>) -> Config {
    let hub = reader
        .parsed("hub", "an address like \"hub.example:7443\"", host_and_port)
        .optional();
    let expire_days = small(reader.u64_in("expire_days", 1..=90).or(30));
    let drain = Duration::from_secs(reader.u64_in("drain_seconds", 1..=300).or(10));
    Config {
        directory: directory.to_owned(),
        hub,
        expire_days,
        drain,
        log: reader.section("log", read_log),
        limits: reader.section("limits", read_limits),
        time_stamps: reader.section("time_stamp", read_time_stamps),
        archive: reader.section("archive", read_archive),
    }
}

fn read_archive(archive: &mut Reader<'_>) -> Archive {
    const DAY: u64 = 86_400;
    let digests = [
        ("sha256", DigestAlgorithm::Sha256),
        ("sha384", DigestAlgorithm::Sha384),
        ("sha512", DigestAlgorithm::Sha512),
    ];
    let a_minute = archive.u64_in("stamps_per_minute", 1..=6_000).or(60);
    Archive {
        is_kept: archive.bool("keep").or(true),
        renew_before: Duration::from_secs(archive.u64_in("renew_days", 1..=3_650).or(180) * DAY),
        pause: Duration::from_millis(60_000 / a_minute),
        digest: archive
            .one_of("digest", &digests)
            .or(DigestAlgorithm::Sha256),
    }
}

fn read_time_stamps(stamps: &mut Reader<'_>) -> TimeStamps {
    let expected = "\"hub\", \"none\" or a URL like \"http://tsa.example/\"";
    let mut seconds =
        |key, range, default| Duration::from_secs(stamps.u64_in(key, range).or(default));
    TimeStamps {
        patience: seconds("patience_seconds", 1..=120, 10),
        answer: seconds("answer_seconds", 1..=600, 180),
        source: stamps
            .parsed("source", expected, stamp_source)
            .or(StampSource::Hub),
        roots: stamps.path("roots").optional(),
    }
}

fn stamp_source(text: &str) -> Option<StampSource> {
    match text {
        "hub" => Some(StampSource::Hub),
        "none" => Some(StampSource::None),
        url => AuthorityAddress::parse(url).map(StampSource::Authority),
    }
}

fn read_log(log: &mut Reader<'_>) -> Log {
    Log {
        format: log
            .one_of("format", &[("text", Format::Text), ("json", Format::Json)])
            .or(Format::Text),
        filter: log.string("filter").or("info,certval=warn".to_owned()),
    }
}

fn read_limits(limits: &mut Reader<'_>) -> Limits {
    let mut count = |key, most, default| count(limits.u64_in(key, 1..=most).or(default));
    let (in_flight, uploads) = (count("in_flight", 1024, 64), count("uploads", 8, 1));
    let (fetches, judgements) = (count("fetches", 8, 2), count("judgements", 16, 2));
    Limits {
        in_flight,
        uploads,
        fetches,
        judgements,
        collect_bytes: limits.u64_in("collect_mib", 1..=64).or(8) << 20,
        free_disk_bytes: limits.u64_in("free_disk_mib", 1..=1 << 20).or(256) << 20,
    }
}

fn is_absent(faults: &ConfigFaults) -> bool {
    matches!(faults.faults(), [only] if only.cause == FaultCause::NotFound)
}

fn host_and_port(text: &str) -> Option<String> {
    let (host, port) = text.rsplit_once(':')?;
    let named = !host.is_empty() && !host.contains(['/', '@', ' ']);
    let port: u16 = port.parse().ok()?;
    (named && port > 0).then(|| text.to_owned())
}

fn small(value: u64) -> u32 {
    u32::try_from(value).unwrap_or(u32::MAX)
}

fn count(value: u64) -> usize {
    usize::try_from(value).unwrap_or(usize::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    const EXAMPLE: &str = include_str!("../../../deploy/node.example.toml");

    fn parse(text: &str) -> Result<Config, ConfigFaults> {
        Config::parse(text, Path::new("/var/lib/consign/node"))
    }

    /// The example with every commented setting switched on.
    fn uncommented() -> String {
        let on = |line: &str| match line.strip_prefix('#') {
            Some(rest) if !rest.starts_with(' ') => format!("{rest}\n"),
            _ => format!("{line}\n"),
        };
        EXAMPLE.lines().map(on).collect()
    }

    #[test]
    fn an_empty_file_is_a_good_one_and_the_example_says_its_defaults() {
        let defaults = parse("").unwrap();
        assert_eq!(defaults.expire_days, 30);
        assert_eq!(defaults.hub, None);
        // Authorities are known that take two minutes.
        assert_eq!(defaults.time_stamps.answer, Duration::from_secs(180));
        assert_eq!(parse(EXAMPLE).unwrap(), defaults);
        let named = parse(&uncommented()).unwrap();
        assert_eq!(named.hub.as_deref(), Some("hub.example:7443"));
        let roots = named.time_stamps.roots.clone();
        assert_eq!(
            roots.as_deref(),
            Some(Path::new(
                "/var/lib/consign/node/trust/time-stamp-roots.pem"
            ))
        );
        let mut others = Config { hub: None, ..named };
        others.time_stamps.roots = None;
        assert_eq!(others, defaults);
    }

    #[test]
    fn time_stamps_come_from_the_hub_from_nobody_or_from_a_url() {
        let source = |text: &str| {
            let parsed = parse(&format!("[time_stamp]\nsource = {text:?}\n"));
            parsed.map(|config| config.time_stamps.source.to_string())
        };
        for text in [
            "hub",
            "none",
            "http://tsa.example/",
            "http://[::1]:3180/tsr?a=b",
        ] {
            assert_eq!(source(text).unwrap(), text);
        }
        assert_eq!(source("http://tsa.example").unwrap(), "http://tsa.example/");
        for text in [
            "",
            "Hub",
            "https://tsa.example/",
            "http://",
            "http://a:b@c/",
            "tsa.example",
        ] {
            assert!(source(text).is_err(), "{text}");
        }
    }

    #[test]
    fn every_fault_is_reported_at_once() {
        let faults = parse(
            "hub = \"nowhere\"\nexpire_days = 91\nretry = 3\n[limits]\nfetches = 0\n\
             [log]\nformat = \"xml\"\n",
        )
        .unwrap_err()
        .to_string();
        let lines: Vec<&str> = faults.lines().collect();
        assert_eq!(lines.len(), 5, "{faults}");
        assert!(lines[0].contains("node.toml:1: hub: \"nowhere\" does not fit"));
        assert!(lines[1].contains(":2: expire_days: 91 does not fit"));
        assert!(lines[2].contains(":3: retry: unknown key"));
        assert!(lines[3].contains(":5: limits.fetches: 0 does not fit"));
        assert!(lines[4].contains(":7: log.format"));
    }
}
