//! One module a command: its arguments and what it does with them.

pub(crate) mod authority;
pub(crate) mod bench;
pub(crate) mod completions;
pub(crate) mod demo;
pub(crate) mod directory;
pub(crate) mod export;
pub(crate) mod hub;
pub(crate) mod inbox;
pub(crate) mod keys;
pub(crate) mod manual;
pub(crate) mod node;
pub(crate) mod send;
pub(crate) mod sent;
pub(crate) mod show;
pub(crate) mod status;
pub(crate) mod track;
pub(crate) mod verify;

use std::future::Future;
use std::path::{Path, PathBuf};
use std::time::Duration;

use consign_domain::{ErrorCode, Timestamp};
use consign_proto::v1::node_client::NodeClient;
use consign_runtime::clock::Clock;
use tonic::transport::Channel;

use crate::cli::{Command, NodeChoice};
use crate::failure::Failure;
use crate::output::Output;

/// What a command ends with: an exit code, or why it failed.
pub(crate) type Outcome = Result<u8, Failure>;

/// Runs a command.
pub(crate) fn run(command: Command, output: Output) -> Outcome {
    match command {
        Command::Demo(demo) => serve(demo::run(demo, output)),
        Command::Authority(authority) => authority::run(authority, output),
        Command::Hub(hub) => hub::run(hub, output),
        Command::Node(node) => node::run(node, output),
        Command::Directory(directory) => directory::run(&directory, output),
        Command::Send(send) => call(send::run(*send, output)),
        Command::Inbox(inbox) => call(inbox::run(inbox, output)),
        Command::Sent(sent) => call(sent::run(sent, output)),
        Command::Show(show) => call(show::run(show, output)),
        Command::Track(track) => call(track::run(track, output)),
        Command::Export(export) => call(export::run(export, output)),
        Command::Status(status) => call(status::run(status, output)),
        Command::Verify(verify) => verify::run(&verify, output),
        Command::Bench(bench) => bench::run(bench, output),
        Command::Completions(completions) => Ok(completions::run(&completions, output)),
        Command::Man(manual) => manual::run(&manual, output),
    }
}

/// Runs a service or a whole network to its end, on all cores.
fn serve(work: impl Future<Output = Outcome>) -> Outcome {
    on(tokio::runtime::Builder::new_multi_thread(), work)
}

/// Runs a short talk with a node.
fn call(work: impl Future<Output = Outcome>) -> Outcome {
    on(tokio::runtime::Builder::new_current_thread(), work)
}

fn on(mut builder: tokio::runtime::Builder, work: impl Future<Output = Outcome>) -> Outcome {
    let runtime = builder
        .enable_all()
        .build()
        .map_err(|error| Failure::of(ErrorCode::Internal, &error))?;
    let outcome = runtime.block_on(Box::pin(work));
    // What still blocks a thread was given its time and does not hold the program up.
    runtime.shutdown_timeout(Duration::from_secs(2));
    outcome
}

/// The node that runs in the directory chosen.
fn connect(choice: &NodeChoice) -> Result<NodeClient<Channel>, Failure> {
    Ok(consign_node::client::connect(&choice.directory()?)?)
}

/// The present.
fn now() -> Timestamp {
    Timestamp::from_unix_saturating(Clock::system().now())
}

/// A path that means the same from everywhere.
fn absolute(path: &Path) -> PathBuf {
    std::path::absolute(path).unwrap_or_else(|_| path.to_owned())
}

/// Whether a directory is what a command takes it for: it says what it is instead, and how one
/// is made.
fn check_home(directory: &Path, marker: &str, make: &str) -> Result<(), Failure> {
    const HOMES: [(&str, &str, &str); 3] = [
        ("hub.toml", "a hub's directory", "consign hub run"),
        ("node.toml", "a node's directory", "consign node run"),
        (
            "authority.json",
            "an authority's directory",
            "consign authority show",
        ),
    ];
    if directory.join(marker).exists() {
        return Ok(());
    }
    let place = directory.display();
    let other = HOMES
        .into_iter()
        .find(|(other, ..)| directory.join(other).exists());
    Err(match other {
        Some((_, what, command)) => Failure::usage(
            format!("{place} is {what}"),
            format!("see: {command} --help"),
        ),
        None if !directory.exists() => {
            Failure::usage(format!("there is no directory {place}"), make)
        }
        None => Failure::usage(format!("{place} has no {marker}"), make),
    })
}

/// A path as one writes it in a command: in quotes where a shell would split it.
pub(crate) fn quoted(path: &Path) -> String {
    let text = path.display().to_string();
    let plain = |letter: char| letter.is_alphanumeric() || "/._-+:@".contains(letter);
    if text.chars().all(plain) {
        text
    } else {
        format!("'{}'", text.replace('\'', r"'\''"))
    }
}
