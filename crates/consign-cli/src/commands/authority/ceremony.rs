//! `consign authority ceremony`.

use std::path::PathBuf;

use clap::{Args, Subcommand};
use consign_authority::ceremony::{self, Agreement};
use serde::Serialize;

use super::Place;
use crate::commands::{Outcome, absolute, quoted};
use crate::failure::exit;
use crate::output::{Output, Tone};

/// Check the records of what was done with the root's key and to the trust file.
#[derive(Debug, Subcommand)]
#[command(after_help = "Example:
  consign authority ceremony check AUTHORITY/ceremonies/20261123T023000Z-founding.txt --dir AUTHORITY

A record is plain text in the authority's directory, under ceremonies: of the founding, and of every
list that the root has signed, and of every change of the trust file. Print it; those present sign it. It ends with the commands by which
`openssl` and `sha256sum` check it without this program.")]
pub(crate) enum Ceremony {
    /// Compare a record with the authority's directory
    Check(Check),
}

/// Compare a record with the authority's directory.
#[derive(Debug, Args)]
#[command(after_help = "Example:
  consign authority ceremony check AUTHORITY/ceremonies/20261123T023000Z-founding.txt --dir AUTHORITY

No key is read: it works also where they are kept elsewhere. Exit code 1 where something differs.")]
pub(crate) struct Check {
    /// The record
    #[arg(value_name = "RECORD")]
    record: PathBuf,
    #[command(flatten)]
    place: Place,
}

#[derive(Serialize)]
struct Answer {
    record: PathBuf,
    agrees: bool,
    #[serde(flatten)]
    agreement: Agreement,
}

/// Runs one of the commands.
pub(super) fn run(command: &Ceremony, output: Output) -> Outcome {
    let Ceremony::Check(arguments) = command;
    let record = absolute(&arguments.record);
    let agreement = ceremony::check(&arguments.place.directory()?, &record)?;
    let agrees = agreement.differences.is_empty();
    for difference in &agreement.differences {
        output.line(format_args!("record     {}", difference.record));
        output.line(format_args!("directory  {}", difference.directory));
    }
    let verdict = if agrees {
        output.paint(
            Tone::Good,
            "agrees with the authority's directory".to_owned(),
        )
    } else {
        output.paint(
            Tone::Bad,
            "differs from the authority's directory".to_owned(),
        )
    };
    output.line(format_args!(
        "{} {verdict}: {} lines compared",
        quoted(&record),
        agreement.compared
    ));
    for change in &agreement.trust_changes {
        let change = quoted(change);
        output.note(format_args!(
            "the trust file was changed since, see {change}"
        ));
    }
    let answer = Answer {
        record,
        agrees,
        agreement,
    };
    output.object(agrees, &answer);
    Ok(if agrees { exit::DONE } else { exit::FAILED })
}
