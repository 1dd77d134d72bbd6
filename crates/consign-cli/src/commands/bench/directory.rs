//! `consign bench directory`.

use std::path::PathBuf;

use clap::{Args, value_parser};
use consign_lab::bench::{Place, directory};

use super::show;
use super::watch::Bars;
use crate::commands::Outcome;
use crate::output::Output;

/// Measure a directory of many agencies, from the authority to a node's disk.
#[derive(Debug, Args)]
#[command(after_help = "Example:
  consign bench directory --agencies 10000 --json

The authority enrols the agencies by real requests and publishes them; a hub takes the version and
hands it to a node. Then one agency changes, and only what changed travels.")]
pub(crate) struct Directory {
    /// How many agencies
    #[arg(long, value_name = "N", default_value_t = 10_000, value_parser = value_parser!(u16).range(1..=15_000))]
    agencies: u16,
    /// An empty directory on a disk, which is kept; a fresh one in the present directory, which is
    /// removed, where it is left out
    #[arg(long, value_name = "DIR")]
    dir: Option<PathBuf>,
}

/// Measures and prints.
pub(super) async fn run(arguments: Directory, output: Output) -> Outcome {
    let place = Place::new(arguments.dir.as_deref())?;
    let bars = Bars::new();
    let watch = |progress| bars.show(progress);
    let report = directory::run(arguments.agencies.into(), &place, &watch);
    show(&Box::pin(report).await?, &bars, output)
}
