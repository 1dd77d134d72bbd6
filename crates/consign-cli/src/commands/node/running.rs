//! `node run` and `node reindex`.

use std::path::{Path, PathBuf};
use std::time::Duration;

use consign_domain::ErrorCode;
use consign_keys::Keyring;
use consign_node::client::ADDRESS;
use consign_node::index::{self, IndexError};
use consign_node::keys::KeysError;
use consign_node::layout::NodeDirectory;
use consign_node::run::RunError;
use consign_runtime::clock::Clock;
use consign_runtime::run_file::{Presence, RunFile};
use consign_runtime::shutdown::{Shutdown, Tasks};
use serde::Serialize;

use crate::commands::{Outcome, check_home, quoted};
use crate::failure::{Failure, exit, with_causes};
use crate::output::Output;

/// How often readiness is looked for.
const GLANCE: Duration = Duration::from_millis(20);

/// Runs the node until it is told to stop.
pub(crate) async fn run(directory: PathBuf, keyring: Keyring, output: Output) -> Outcome {
    check_home(&directory, "node.toml", "make one: consign node init")?;
    let shutdown = Shutdown::new();
    let tasks = Tasks::new(shutdown.clone());
    shutdown
        .on_signals(&tasks)
        .map_err(|error| Failure::of(ErrorCode::Internal, &error))?;
    tasks.spawn_service("readiness", say_when_ready(directory.clone(), output));
    Box::pin(consign_node::run::run_with(
        &directory,
        Clock::system(),
        keyring,
        shutdown,
    ))
    .await?;
    output.note("consign node: stopped");
    Ok(exit::DONE)
}

/// One line on standard error once the node can be talked to.
async fn say_when_ready(directory: PathBuf, output: Output) {
    let mut glances = tokio::time::interval(GLANCE);
    loop {
        glances.tick().await;
        let Ok(Presence::Running(said)) = RunFile::read(&directory) else {
            continue;
        };
        if said.pid == std::process::id() {
            let socket = said.addresses.get(ADDRESS).cloned().unwrap_or_default();
            let pid = said.pid;
            let place = directory.display();
            output.note(format_args!(
                "consign node: ready on {socket} ({place}), pid {pid}"
            ));
            return;
        }
    }
}

#[derive(Serialize)]
struct Rebuilt {
    node: PathBuf,
    envelopes: u64,
    left_out: Vec<LeftOut>,
}

#[derive(Serialize)]
struct LeftOut {
    folder: PathBuf,
    fault: String,
}

/// Builds the index anew; the node must not run.
pub(crate) fn reindex(path: &Path, output: Output) -> Outcome {
    let directory = NodeDirectory::new(path);
    let _lock = directory.lock().map_err(|error| {
        Failure::of(error.code(), &error).fix("stop the node first, then run it again")
    })?;
    let bar = output.spinner("reading the files");
    let rebuilt = index::reindex(&directory, &mut |progress| {
        bar.set_message(format!("{} of {} documents", progress.done, progress.total));
    });
    bar.finish_and_clear();
    let rebuilt = rebuilt?;
    let left_out = rebuilt.left_out.into_iter().map(|one| LeftOut {
        fault: with_causes(&one.fault),
        folder: one.folder,
    });
    let rebuilt = Rebuilt {
        node: path.to_owned(),
        envelopes: rebuilt.envelopes,
        left_out: left_out.collect(),
    };
    output.line(format_args!(
        "the index of {} has {} documents",
        quoted(path),
        rebuilt.envelopes
    ));
    for LeftOut { folder, fault } in &rebuilt.left_out {
        output.line(format_args!("left out {}: {fault}", quoted(folder)));
    }
    let good = rebuilt.left_out.is_empty();
    if !good {
        output.line(
            "Fix: restore what is damaged from a backup, or let it be read, then run it again",
        );
    }
    output.object(good, &rebuilt);
    Ok(if good { exit::DONE } else { exit::FAILED })
}

impl From<IndexError> for Failure {
    fn from(error: IndexError) -> Self {
        Self::of(error.code(), &error).fix("check disk and files of the node, then run it again")
    }
}

impl From<RunError> for Failure {
    fn from(error: RunError) -> Self {
        let failure = Self::of(error.code(), &error);
        match error {
            RunError::Keys(KeysError::Keyring(fault)) if !fault.is_not_found() => {
                failure.fix(crate::commands::keys::fix(&fault))
            }
            RunError::Keys(_) | RunError::Trust { .. } | RunError::NoDirectory { .. } => failure
                .fix("enrol the node: consign node init, authority issue --publish, node install"),
            RunError::Socket(_) => failure.fix("stop the process that runs there"),
            RunError::Config(_) => failure.fix("correct node.toml"),
            _ => failure,
        }
    }
}
