//! `consign bench`: what this machine does with it, measured by anyone.

mod directory;
mod hub;
mod network;
mod watch;

use std::fmt;
use std::path::PathBuf;

use clap::Subcommand;
use consign_domain::ErrorCode;
use consign_lab::bench::BenchError;
use serde::de::{MapAccess, Visitor};
use serde::{Deserialize, Deserializer, Serialize};

use self::watch::Bars;
use super::{Outcome, quoted};
use crate::failure::{Failure, exit};
use crate::output::Output;

/// Measure a hub, a whole network or its directory on this machine.
#[derive(Debug, Subcommand)]
#[command(after_help = "Example:
  consign bench hub
  consign bench hub --nodes 16 --in-flight 256 --size 2KiB --seconds 10 --json
  consign bench network
  consign bench directory")]
pub(crate) enum Bench {
    /// Measure a hub with simulated nodes
    Hub(Box<hub::Hub>),
    /// Measure a hub and real nodes, end to end
    Network(network::Network),
    /// Measure a directory of many agencies
    Directory(directory::Directory),
}

/// Runs one of the commands.
pub(crate) fn run(bench: Bench, output: Output) -> Outcome {
    match bench {
        Bench::Hub(arguments) => super::serve(hub::run(*arguments, output)),
        Bench::Network(arguments) => super::serve(network::run(arguments, output)),
        Bench::Directory(arguments) => super::serve(directory::run(arguments, output)),
    }
}

/// This program, to be run as the hub.
fn program() -> Result<PathBuf, Failure> {
    std::env::current_exe().map_err(|error| Failure::io("find", "this program".as_ref(), &error))
}

/// Prints figures by the names that they have in JSON.
fn show<T: Serialize>(report: &T, bars: &Bars, output: Output) -> Outcome {
    bars.clear();
    let fault = |error| Failure::of(ErrorCode::Internal, &error);
    let text = serde_json::to_string(report).map_err(fault)?;
    let figures: Figures = serde_json::from_str(&text).map_err(fault)?;
    let rows = figures.0.into_iter();
    let rows: Vec<_> = rows
        .map(|(name, figure)| vec![name.replace('_', " "), figure.to_string()])
        .collect();
    output.table(&["FIGURE", "VALUE"], &rows, "");
    output.object(true, report);
    Ok(exit::DONE)
}

/// The figures of a report in the report's own order.
struct Figures(Vec<(String, serde_json::Value)>);

impl<'de> Deserialize<'de> for Figures {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct InOrder;

        impl<'de> Visitor<'de> for InOrder {
            type Value = Figures;

            fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
                formatter.write_str("a report")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Figures, A::Error> {
                let mut figures = Vec::new();
                while let Some(figure) = map.next_entry()? {
                    figures.push(figure);
                }
                Ok(Figures(figures))
            }
        }

        deserializer.deserialize_map(InOrder)
    }
}

/// Bytes, or KiB, MiB or GiB.
fn bytes(text: &str) -> Result<u64, String> {
    let end = text.find(|letter: char| !letter.is_ascii_digit());
    let (number, unit) = text.split_at(end.unwrap_or(text.len()));
    let unit: Option<u64> = match unit {
        "" | "B" => Some(1),
        "KiB" => Some(1 << 10),
        "MiB" => Some(1 << 20),
        "GiB" => Some(1 << 30),
        _ => None,
    };
    let number = number.parse::<u64>().ok();
    let bytes = number
        .zip(unit)
        .and_then(|(number, unit)| number.checked_mul(unit));
    bytes.ok_or_else(|| "write a number of bytes, or as 2KiB, 100MiB, 2GiB".to_owned())
}

impl From<BenchError> for Failure {
    fn from(error: BenchError) -> Self {
        let failure = Self::of(error.code(), &error);
        match &error {
            BenchError::NotADisk { .. } => failure.fix("name a directory on a disk: --dir DIR"),
            BenchError::NotEmpty { .. } => {
                failure.fix("name an empty directory, or one that is not there: --dir DIR")
            }
            BenchError::Setting { .. } => failure.fix("see: consign bench hub --help"),
            BenchError::Ended { log, .. } | BenchError::Late { log, .. } => failure.fix(format!(
                "keep the directory with --dir DIR, and read {}",
                quoted(log)
            )),
            _ => failure,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_have_units() {
        assert_eq!(bytes("2048"), Ok(2048));
        assert_eq!(bytes("2KiB"), Ok(2048));
        assert_eq!(bytes("2GiB"), Ok(2 << 30));
        for wrong in ["", "KiB", "2kb", "-1", "99999999999GiB"] {
            assert!(bytes(wrong).is_err(), "{wrong}");
        }
    }
}
