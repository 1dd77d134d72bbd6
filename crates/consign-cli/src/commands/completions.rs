//! `consign completions`.

use clap::{Args, CommandFactory as _};
use clap_complete::Shell;

use crate::cli::Cli;
use crate::failure::exit;
use crate::output::Output;

/// Print completions for a shell.
#[derive(Debug, Args)]
#[command(after_help = "Example:
  consign completions bash > ~/.local/share/bash-completion/completions/consign")]
pub(crate) struct Completions {
    /// The shell
    shell: Shell,
}

/// Prints the script.
pub(crate) fn run(completions: &Completions, output: Output) -> u8 {
    let mut script = Vec::new();
    clap_complete::generate(
        completions.shell,
        &mut Cli::command(),
        "consign",
        &mut script,
    );
    output.raw(&script);
    exit::DONE
}
