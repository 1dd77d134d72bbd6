//! The command line's shape: global options and the list of commands.

use std::path::{Path, PathBuf};

use clap::{Args, Parser, Subcommand};
use consign_domain::AgencyCode;
use consign_domain::enrolment::{InvitationToken, TokenError};
use consign_runtime::files;

use crate::commands::{
    authority, bench, completions, demo, directory, export, hub, inbox, manual, node, send, sent,
    show, status, track, verify,
};
use crate::failure::Failure;

/// Largest file with a token, in bytes.
const MAX_TOKEN_FILE: usize = 1_024;

/// Exchange signed official documents, and get signed evidence of all that happens to them.
#[derive(Debug, Parser)]
#[command(
    name = "consign",
    version,
    max_term_width = 100,
    subcommand_required = true,
    arg_required_else_help = true,
    after_help = "Start here:
  consign demo                       a whole network on this machine, in a few seconds
  consign verify FILE --trust FILE   judge a document or a piece of evidence, offline

Exit codes: 0 done or nothing to do, 1 failed, 2 usage.
verify: 0 TOTAL-PASSED, 10 TOTAL-FAILED, 11 INDETERMINATE, 12 malformed.
With --json the last line on standard output is one object; `ok` is true where the exit
code is 0, and an error is {\"ok\":false,\"error\":{\"code\":…,\"message\":…,\"fix\":…}}."
)]
pub(crate) struct Cli {
    /// Print one JSON object on the last line of standard output
    #[arg(long, global = true)]
    pub(crate) json: bool,

    #[command(subcommand)]
    pub(crate) command: Command,
}

/// What can be done.
#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Run a whole network on this machine and send a document through it
    Demo(demo::Demo),
    /// Found a network's authority, enrol nodes and hubs, publish the directory
    #[command(subcommand)]
    Authority(authority::Authority),
    /// Make and run a relay hub
    #[command(subcommand)]
    Hub(hub::Hub),
    /// Make and run a node for one or more agencies
    #[command(subcommand)]
    Node(node::Node),
    /// Look into the signed directory
    #[command(subcommand)]
    Directory(directory::Directory),
    /// Seal a document and send it
    Send(Box<send::Send>),
    /// List documents received, newest first
    Inbox(inbox::Inbox),
    /// List documents sent, newest first
    Sent(sent::Sent),
    /// Show one document: verdict, fields, files, evidence
    Show(show::Show),
    /// Show what became of a sent document, recipient by recipient
    Track(track::Track),
    /// Write a document's container, or all that is kept about it, to files
    Export(export::Export),
    /// Show the node's connection, queues, clock and directory
    Status(status::Status),
    /// Judge a container or a signed statement, offline
    Verify(verify::Verify),
    /// Measure a hub or a whole network on this machine
    #[command(subcommand)]
    Bench(bench::Bench),
    /// Print completions for a shell
    Completions(completions::Completions),
    /// Print the manual page, or write one for every command
    Man(manual::Manual),
}

/// Which node.
#[derive(Debug, Args)]
pub(crate) struct NodeChoice {
    /// The node's directory
    #[arg(
        long,
        alias = "dir",
        env = "CONSIGN_NODE",
        hide_env_values = true,
        value_name = "DIR"
    )]
    pub(crate) node: Option<PathBuf>,
}

impl NodeChoice {
    /// The directory named, or the one we stand in.
    pub(crate) fn directory(&self) -> Result<PathBuf, Failure> {
        let fix = "add --node DIR, or: export CONSIGN_NODE=DIR";
        chosen(self.node.as_ref(), "node.toml", "no node was named", fix)
    }
}

/// The directory of a service, named first on its own.
#[derive(Debug, Args)]
pub(crate) struct NodeHome {
    /// The node's directory
    #[arg(value_name = "DIR")]
    directory: Option<PathBuf>,
    #[command(flatten)]
    node: NodeChoice,
}

impl NodeHome {
    /// The directory named in either way, or the one we stand in.
    pub(crate) fn directory(&self) -> Result<PathBuf, Failure> {
        self.directory
            .clone()
            .map_or_else(|| self.node.directory(), Ok)
    }
}

/// The directory named, or the one we stand in if it holds `marker`.
pub(crate) fn chosen(
    named: Option<&PathBuf>,
    marker: &str,
    message: &str,
    fix: &str,
) -> Result<PathBuf, Failure> {
    let here = || Path::new(marker).is_file().then(|| PathBuf::from("."));
    named
        .cloned()
        .or_else(here)
        .ok_or_else(|| Failure::usage(message, fix))
}

/// Which agency on the node.
#[derive(Debug, Args)]
pub(crate) struct AgencyChoice {
    /// The agency's code; not needed where the node serves only one
    #[arg(
        long,
        env = "CONSIGN_AGENCY",
        hide_env_values = true,
        value_name = "CODE",
        value_parser = agency_code
    )]
    pub(crate) agency: Option<AgencyCode>,
}

impl AgencyChoice {
    /// As the node's service takes it.
    pub(crate) fn text(&self) -> String {
        self.agency
            .as_ref()
            .map(ToString::to_string)
            .unwrap_or_default()
    }
}

/// A code in either of its forms.
pub(crate) fn agency_code(text: &str) -> Result<AgencyCode, String> {
    AgencyCode::read(text).map_err(|error| error.to_string())
}

/// An invitation's token, as it is or as the first line of a file: what is on a command line,
/// everybody on the machine can read.
pub(crate) fn invitation(text: &str) -> Result<InvitationToken, String> {
    let read;
    let token = match text.strip_prefix("file:") {
        None => text,
        Some(path) => {
            let bytes = files::read_bounded(Path::new(path), MAX_TOKEN_FILE);
            read = bytes.map_err(|fault| crate::failure::with_causes(&fault))?;
            std::str::from_utf8(&read).map_err(|_| format!("{path} is not text"))?
        }
    };
    let token = token.lines().next().unwrap_or_default();
    token.parse().map_err(|fault: TokenError| fault.to_string())
}

#[cfg(test)]
mod tests;
