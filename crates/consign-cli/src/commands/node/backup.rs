//! `node backup create | verify | restore`.

use std::path::PathBuf;

use clap::{Args, Subcommand};
use consign_domain::{ErrorCode, Timestamp};
use consign_node::backup::{self, BackupFault, Verified};
use serde::Serialize;

use super::{NodeHome, Outcome, absolute, quoted};
use crate::commands::now;
use crate::failure::{Failure, exit};
use crate::output::Output;

/// Copy the node, also while it runs; check a copy; bring one back.
#[derive(Debug, Subcommand)]
#[command(after_help = "Example:
  consign node backup create NODE --to /backup/node      every hour, from cron
  consign node backup verify /backup/node                every week
  consign node backup restore /backup/node --to NODE2    when NODE is lost; try it before

See docs/BACKUP.md for the whole story.")]
pub(crate) enum Backup {
    /// Make a backup, or bring one up to date
    Create(Create),
    /// Check every copy
    Verify(Verify),
    /// Bring a node back into a fresh directory
    Restore(Restore),
}

/// Make a backup, or bring one up to date.
#[derive(Debug, Args)]
#[command(after_help = "Example:
  consign node backup create NODE --to /backup/node

The node may run. The backup holds documents in the clear and the node's secret keys, without
which nothing received later could be opened: keep it as safe as the node itself.")]
pub(crate) struct Create {
    #[command(flatten)]
    node: NodeHome,
    /// Where the backup goes: a new or empty directory, or one that holds a backup of this node
    #[arg(long, value_name = "DEST")]
    to: PathBuf,
    /// Leave the secret keys out: they are kept elsewhere
    #[arg(long)]
    without_keys: bool,
}

/// Check every copy.
#[derive(Debug, Args)]
#[command(after_help = "Example:
  consign node backup verify /backup/node")]
pub(crate) struct Verify {
    /// The backup
    #[arg(value_name = "DEST")]
    backup: PathBuf,
}

/// Bring a node back into a fresh directory.
#[derive(Debug, Args)]
#[command(after_help = "Example:
  consign node backup restore /backup/node --to NODE
  consign node run NODE              the index is made anew; what came since is offered again")]
pub(crate) struct Restore {
    /// The backup
    #[arg(value_name = "DEST")]
    backup: PathBuf,
    /// Where the node goes: a new or empty directory
    #[arg(long, value_name = "DIR")]
    to: PathBuf,
}

#[derive(Serialize)]
struct Made {
    backup: PathBuf,
    copied: u64,
    copied_bytes: u64,
    kept: u64,
    bytes: u64,
    envelopes: u64,
    keys: bool,
}

#[derive(Serialize)]
struct Judged {
    backup: PathBuf,
    good: bool,
    created: Timestamp,
    software: String,
    keys: bool,
    agencies: Vec<String>,
    files: u64,
    bytes: u64,
    bad: u64,
    faults: Vec<String>,
}

#[derive(Serialize)]
struct Back {
    node: PathBuf,
    files: u64,
    created: Timestamp,
    agencies: Vec<String>,
    keys: bool,
}

/// Runs one of the commands.
pub(super) fn run(backup: Backup, output: Output) -> Outcome {
    match backup {
        Backup::Create(arguments) => create(&arguments, output),
        Backup::Verify(arguments) => verify(&arguments, output),
        Backup::Restore(arguments) => restore(&arguments, output),
    }
}

fn create(arguments: &Create, output: Output) -> Outcome {
    let node = absolute(&arguments.node.directory()?);
    let place = absolute(&arguments.to);
    let with_keys = !arguments.without_keys;
    if with_keys {
        output
            .note("warning: the backup holds the node's secret keys; keep it as safe as the node");
    }
    let bar = output.spinner("copying");
    let made = backup::create(&node, &place, with_keys, now(), &mut |done, all| {
        bar.set_message(format!("copying: envelope {done} of {all}"));
    });
    bar.finish_and_clear();
    let made = made?;
    let tally = made.tally;
    output.line(format_args!(
        "copied {} files ({} bytes), kept {}; {} envelopes are in {}",
        tally.copied,
        tally.copied_bytes,
        tally.kept,
        made.envelopes,
        quoted(&place)
    ));
    output.line(format_args!(
        "Next: consign node backup verify {}",
        quoted(&place)
    ));
    let answer = Made {
        backup: place,
        copied: tally.copied,
        copied_bytes: tally.copied_bytes,
        kept: tally.kept,
        bytes: tally.bytes,
        envelopes: made.envelopes,
        keys: with_keys,
    };
    output.object(true, &answer);
    Ok(exit::DONE)
}

fn verify(arguments: &Verify, output: Output) -> Outcome {
    let place = absolute(&arguments.backup);
    let bar = output.bytes_bar(0, "checking");
    let verified = backup::verify(&place, &mut |done, all| {
        bar.set_length(all);
        bar.set_position(done);
    });
    bar.finish_and_clear();
    let judged = judge(place, verified?);
    for fault in &judged.faults {
        output.line(fault);
    }
    let verdict = if judged.good { "good" } else { "DAMAGED" };
    output.line(format_args!(
        "{verdict}: {} files of {}; made at {}",
        judged.files,
        judged.agencies.join(", "),
        judged.created
    ));
    if !judged.good {
        output.line("Fix: make a new backup in another directory, and keep this one until then");
    }
    output.object(judged.good, &judged);
    Ok(if judged.good {
        exit::DONE
    } else {
        exit::FAILED
    })
}

fn judge(backup: PathBuf, verified: Verified) -> Judged {
    let good = verified.first_fault().is_none();
    let damaged = verified.checked.faults.iter().map(ToString::to_string);
    let missing = verified
        .missing
        .iter()
        .map(|name| format!("{name} is not in it"));
    Judged {
        backup,
        good,
        faults: damaged.chain(missing).collect(),
        created: Timestamp::from_unix_saturating(verified.header.created),
        software: verified.header.software,
        keys: verified.header.keys,
        agencies: verified.agencies,
        files: verified.checked.files,
        bytes: verified.checked.bytes,
        bad: verified.checked.bad,
    }
}

fn restore(arguments: &Restore, output: Output) -> Outcome {
    let (place, node) = (absolute(&arguments.backup), absolute(&arguments.to));
    let bar = output.bytes_bar(0, "restoring");
    let restored = backup::restore(&place, &node, &mut |done, all| {
        bar.set_length(all);
        bar.set_position(done);
    });
    bar.finish_and_clear();
    let restored = restored?;
    output.line(format_args!(
        "restored {} files of {}",
        restored.files,
        restored.agencies.join(", ")
    ));
    if !restored.header.keys {
        output.line(format_args!(
            "Next: put the secret keys back, into {0}/keys and {0}/agencies/CODE/keys (mode 600)",
            quoted(&node)
        ));
    }
    output.line("Make sure that the old node does not run any more, anywhere.");
    output.line(format_args!("Next: consign node run {}", quoted(&node)));
    let answer = Back {
        files: restored.files,
        created: Timestamp::from_unix_saturating(restored.header.created),
        agencies: restored.agencies,
        keys: restored.header.keys,
        node,
    };
    output.object(true, &answer);
    Ok(exit::DONE)
}

impl From<BackupFault> for Failure {
    fn from(error: BackupFault) -> Self {
        let failure = Self::of(error.code(), &error);
        match (&error, error.code()) {
            (BackupFault::NoNode { .. }, _) => failure.fix("name the directory of a node"),
            (BackupFault::Damaged { .. }, _) => {
                failure.fix("see all that is damaged: consign node backup verify DEST")
            }
            (_, ErrorCode::Usage) => failure.fix("see: consign node backup --help"),
            _ => failure,
        }
    }
}
