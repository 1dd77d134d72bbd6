//! `consign bench network`.

use std::path::PathBuf;

use clap::{Args, value_parser};
use consign_lab::bench::{Place, Setting, network};

use super::watch::Bars;
use super::{bytes, program, show};
use crate::commands::Outcome;
use crate::output::Output;

/// Measure a hub and real nodes, end to end.
#[derive(Debug, Args)]
#[command(after_help = "Examples:
  consign bench network
  consign bench network --nodes 8 --in-flight 64 --size 100KiB --seconds 30 --json

A hub and --nodes nodes, each a process of its own (consign hub run, consign node run), on a fresh
directory; each node has one agency, which sends to the next. Files are handed to a node over its
socket, as consign send does. A document is done when its receipt is at the sender's node and the
recipient's node has opened it and judged it TOTAL-PASSED. The hub's quotas of a sender are lifted:
few senders stand for many.")]
pub(crate) struct Network {
    /// How many nodes, each with one agency
    #[arg(long, value_name = "N", default_value_t = 4, value_parser = value_parser!(u16).range(2..=100))]
    nodes: u16,
    /// Documents under way at one time, of all nodes together
    #[arg(long, value_name = "N", default_value_t = 32, value_parser = value_parser!(u32).range(1..=10_000))]
    in_flight: u32,
    /// The file's size, as 2048, 100KiB, 2MiB
    #[arg(long, value_name = "BYTES", default_value = "2KiB", value_parser = bytes)]
    size: u64,
    /// How long documents are sent
    #[arg(long, value_name = "S", default_value_t = 10, value_parser = value_parser!(u64).range(1..=3600))]
    seconds: u64,
    /// Meanwhile one node after the other renews its TLS, statement and encryption keys, every
    /// so many seconds; none where it is left out
    #[arg(long, value_name = "S", value_parser = value_parser!(u64).range(1..=3600))]
    renew_every: Option<u64>,
    /// An empty directory on a disk, which is kept; a fresh one in the present directory, which is
    /// removed, where it is left out
    #[arg(long, value_name = "DIR")]
    dir: Option<PathBuf>,
}

/// Measures and prints.
pub(super) async fn run(arguments: Network, output: Output) -> Outcome {
    let setting = Setting {
        program: program()?,
        nodes: arguments.nodes.into(),
        in_flight: usize::try_from(arguments.in_flight).unwrap_or(usize::MAX),
        size: usize::try_from(arguments.size).unwrap_or(usize::MAX),
        recipients: 1,
        seconds: arguments.seconds,
    };
    let place = Place::new(arguments.dir.as_deref())?;
    let bars = Bars::new();
    let watch = |progress| bars.show(progress);
    let report = Box::pin(network::run(
        &setting,
        arguments.renew_every,
        &place,
        &watch,
    ))
    .await?;
    show(&report, &bars, output)
}
