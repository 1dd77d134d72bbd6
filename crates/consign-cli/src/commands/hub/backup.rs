//! `hub backup create | verify | restore`.

use std::path::PathBuf;

use clap::{Args, Subcommand};
use consign_domain::{ErrorCode, Timestamp};
use consign_hub::backup::{self, BackupFault, Verified};
use serde::Serialize;

use super::{Home, Outcome, absolute, quoted};
use crate::commands::now;
use crate::failure::{Failure, exit};
use crate::output::Output;

/// Copy the hub, also while it runs; check a copy; bring one back.
#[derive(Debug, Subcommand)]
#[command(after_help = "Example:
  consign hub backup create HUB --to /backup/hub      every hour, from cron
  consign hub backup verify /backup/hub               every week
  consign hub backup restore /backup/hub --to HUB2    when HUB is lost; try it before

See docs/BACKUP.md for the whole story.")]
pub(crate) enum Backup {
    /// Make a backup, or bring one up to date
    Create(Create),
    /// Check every copy, every frame of the journal and every payload
    Verify(Verify),
    /// Bring a hub back into a fresh directory
    Restore(Restore),
}

/// Make a backup, or bring one up to date.
#[derive(Debug, Args)]
#[command(after_help = "Example:
  consign hub backup create HUB --to /backup/hub

The hub may run. Only what is new since the last time is copied; interrupted, the next run
goes on, and the backup before it holds until then.")]
pub(crate) struct Create {
    #[command(flatten)]
    home: Home,
    /// Where the backup goes: a new or empty directory, or one that holds a backup of this hub
    #[arg(long, value_name = "DEST")]
    to: PathBuf,
    /// Copy the secret keys too: whoever has the backup can then speak for the hub
    #[arg(long)]
    with_keys: bool,
}

/// Check every copy, every frame of the journal and every payload.
#[derive(Debug, Args)]
#[command(after_help = "Example:
  consign hub backup verify /backup/hub")]
pub(crate) struct Verify {
    /// The backup
    #[arg(value_name = "DEST")]
    backup: PathBuf,
}

/// Bring a hub back into a fresh directory.
#[derive(Debug, Args)]
#[command(after_help = "Example:
  consign hub backup restore /backup/hub --to HUB
  consign hub run HUB                delivers what it has, accepts nothing new
  consign hub resume HUB --yes       once its nodes have connected, and with the hub stopped")]
pub(crate) struct Restore {
    /// The backup
    #[arg(value_name = "DEST")]
    backup: PathBuf,
    /// Where the hub goes: a new or empty directory
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
    keys: bool,
    batch: u64,
    accepted_until: Option<Timestamp>,
}

#[derive(Serialize)]
struct Judged {
    backup: PathBuf,
    good: bool,
    created: Timestamp,
    software: String,
    keys: bool,
    files: u64,
    bytes: u64,
    bad: u64,
    faults: Vec<String>,
    segments: u64,
    batch: u64,
    envelopes: u64,
    accepted_until: Option<Timestamp>,
}

#[derive(Serialize)]
struct Back {
    hub: PathBuf,
    files: u64,
    created: Timestamp,
    accepted_until: Option<Timestamp>,
    keys: bool,
    changed_settings: Vec<String>,
    directory: PathBuf,
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
    let hub = arguments.home.directory()?;
    let place = absolute(&arguments.to);
    if arguments.with_keys {
        output.note("warning: the backup holds the hub's secret keys; keep it as safe as the hub");
    }
    let bar = output.bytes_bar(0, "copying");
    let made = backup::create(
        &hub,
        &place,
        arguments.with_keys,
        now(),
        &mut |done, all| {
            bar.set_length(all);
            bar.set_position(done);
        },
    );
    bar.finish_and_clear();
    let made = made?;
    let tally = made.tally;
    output.line(format_args!(
        "copied {} files ({} bytes), kept {}; all it has accepted {} is in {}",
        tally.copied,
        tally.copied_bytes,
        tally.kept,
        until(made.accepted_until),
        quoted(&place)
    ));
    output.line(format_args!(
        "Next: consign hub backup verify {}",
        quoted(&place)
    ));
    let answer = Made {
        backup: place,
        copied: tally.copied,
        copied_bytes: tally.copied_bytes,
        kept: tally.kept,
        bytes: tally.bytes,
        keys: arguments.with_keys,
        batch: made.end.batch,
        accepted_until: made.accepted_until,
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
        "{verdict}: {} files, {} segments, {} envelopes, {}; made at {}",
        judged.files,
        judged.segments,
        judged.envelopes,
        until(judged.accepted_until),
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
    let mut faults: Vec<String> = verified
        .checked
        .faults
        .iter()
        .map(ToString::to_string)
        .collect();
    let report = match verified.journal {
        Ok(report) => report,
        Err(fault) => {
            faults.push(fault.to_string());
            backup::JournalReport::default()
        }
    };
    Judged {
        backup,
        good,
        created: Timestamp::from_unix_saturating(verified.header.created),
        software: verified.header.software,
        keys: verified.header.keys,
        files: verified.checked.files,
        bytes: verified.checked.bytes,
        bad: verified.checked.bad,
        faults: if good { Vec::new() } else { faults },
        segments: report.segments,
        batch: report.end.batch,
        envelopes: report.envelopes,
        accepted_until: report.accepted_until,
    }
}

fn restore(arguments: &Restore, output: Output) -> Outcome {
    let (place, hub) = (absolute(&arguments.backup), absolute(&arguments.to));
    let bar = output.bytes_bar(0, "restoring");
    let restored = backup::restore(&place, &hub, now(), &mut |done, all| {
        bar.set_length(all);
        bar.set_position(done);
    });
    bar.finish_and_clear();
    let restored = restored?;
    output.line(format_args!(
        "restored {} files; the hub knows what it accepted {}",
        restored.files,
        until(restored.accepted_until)
    ));
    for name in &restored.changed {
        output.line(format_args!(
            "In hub.toml, {name} named another place and is a comment now: set it again if needed"
        ));
    }
    if !restored.keys {
        output.line(format_args!(
            "Next: put tls.key, statement.key and time-stamp.key of this hub into {} (mode 600)",
            quoted(&hub.join("keys"))
        ));
    }
    output.line(format_args!(
        "Next: consign hub run {0}   – it delivers what it has and accepts nothing new until you \
         decide: consign hub resume {0}",
        quoted(&hub)
    ));
    let answer = Back {
        files: restored.files,
        created: Timestamp::from_unix_saturating(restored.header.created),
        accepted_until: restored.accepted_until,
        keys: restored.keys,
        changed_settings: restored.changed,
        directory: restored.directory,
        hub,
    };
    output.object(true, &answer);
    Ok(exit::DONE)
}

fn until(time: Option<Timestamp>) -> String {
    time.map_or_else(|| "(nothing)".to_owned(), |time| format!("until {time}"))
}

impl From<BackupFault> for Failure {
    fn from(error: BackupFault) -> Self {
        let failure = Self::of(error.code(), &error);
        match (&error, error.code()) {
            (BackupFault::NoHub { .. }, _) => failure.fix("name the directory of a hub"),
            (BackupFault::Damaged { .. }, _) => {
                failure.fix("see all that is damaged: consign hub backup verify DEST")
            }
            (_, ErrorCode::Usage) => failure.fix("see: consign hub backup --help"),
            _ => failure,
        }
    }
}
