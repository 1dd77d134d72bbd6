//! The `consign` program: every role by subcommand.
//!
//! Thin: it reads the command line, calls the crate that does the work, and prints. Exit
//! codes are 0 for done or nothing to do, 1 for failed, 2 for a command line or a
//! configuration that cannot be used; `verify` has codes of its own.

mod cli;
mod commands;
mod failure;
mod output;
mod views;

use std::ffi::OsString;
use std::process::ExitCode;

use clap::Parser as _;
use tikv_jemallocator::Jemalloc;

use crate::cli::Cli;
use crate::failure::{Failure, exit};
use crate::output::Output;

/// Many threads allocate and free what others allocated; glibc's arenas, one for each, keep what
/// each of them ever held.
#[global_allocator]
static ALLOCATOR: Jemalloc = Jemalloc;

fn main() -> ExitCode {
    let arguments: Vec<OsString> = std::env::args_os().collect();
    match Cli::try_parse_from(&arguments) {
        Ok(cli) => {
            let output = Output::new(cli.json);
            match commands::run(cli.command, output) {
                Ok(code) => ExitCode::from(code),
                Err(failure) => output.failure(&failure),
            }
        }
        Err(error) => explain(&error, &arguments),
    }
}

/// Help and version are answers; everything else is a mistake on the command line.
fn explain(error: &clap::Error, arguments: &[OsString]) -> ExitCode {
    let json = arguments.iter().any(|argument| argument == "--json");
    if !error.use_stderr() || !json {
        let _ = error.print();
        let code = u8::try_from(error.exit_code()).unwrap_or(exit::USAGE);
        return ExitCode::from(code);
    }
    let text = error.render().to_string();
    let message = text.lines().next().unwrap_or_default();
    let message = message.strip_prefix("error: ").unwrap_or(message);
    Output::new(true).failure(&Failure::usage(message, "see: consign --help"))
}
