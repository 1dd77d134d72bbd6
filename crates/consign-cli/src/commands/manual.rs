//! `consign man`.

use std::path::PathBuf;

use clap::{Args, CommandFactory as _};

use super::Outcome;
use crate::cli::Cli;
use crate::failure::{Failure, exit};
use crate::output::Output;

/// Print the manual page, or write one for every command.
#[derive(Debug, Args)]
#[command(after_help = "Examples:
  consign man | man -l -
  consign man --dir /usr/local/share/man/man1")]
pub(crate) struct Manual {
    /// Write consign.1, consign-send.1 and so on into this directory
    #[arg(long, value_name = "DIR")]
    dir: Option<PathBuf>,
}

/// Prints or writes the pages.
pub(crate) fn run(manual: &Manual, output: Output) -> Outcome {
    let command = Cli::command();
    if let Some(directory) = &manual.dir {
        clap_mangen::generate_to(command, directory)
            .map_err(|error| Failure::io("write manual pages into", directory, &error))?;
        return Ok(exit::DONE);
    }
    let mut page = Vec::new();
    clap_mangen::Man::new(command)
        .render(&mut page)
        .map_err(|error| Failure::of(consign_domain::ErrorCode::Internal, &error))?;
    output.raw(&page);
    Ok(exit::DONE)
}
