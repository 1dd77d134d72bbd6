//! `consign directory check`, and the proofs that it checks.

use std::path::{Path, PathBuf};

use clap::Args;
use consign_domain::directory::Entry;
use consign_domain::{AgencyCode, ErrorCode, Timestamp};
use consign_runtime::files;
use consign_verify::Directory;
use consign_verify::directory::{EntryProof, MAX_PROOF};
use serde::Serialize;

use crate::commands::verify::Trust;
use crate::commands::{Outcome, now, quoted};
use crate::failure::{Failure, exit};
use crate::output::{Output, Tone};

/// A proof holds nothing secret.
const PUBLIC: u32 = 0o644;

/// Check the proof of a directory's entry.
#[derive(Debug, Args)]
#[command(after_help = "Example:
  consign directory check proof.json --trust trust/trust.json

Exit codes: 0 the entry stood in that version, 10 it did not, 12 malformed.")]
pub(crate) struct Check {
    /// What consign directory show CODE --proof FILE has written
    file: PathBuf,
    /// The trust file; the directory itself is not needed
    #[arg(long, value_name = "FILE")]
    trust: PathBuf,
}

#[derive(Serialize)]
struct Answer {
    verified: bool,
    version: Option<u64>,
    issued: Option<Timestamp>,
    expires: Option<Timestamp>,
    /// The entry as it was signed.
    entry: Option<Entry>,
    reason: Option<String>,
}

/// Checks and prints.
pub(super) fn run(check: &Check, output: Output) -> Outcome {
    let trust = Trust::load(&check.trust)?;
    let Some(store) = trust.store() else {
        let message = format!("{} is not a trust.json", check.trust.display());
        return Err(Failure::usage(
            message,
            "roots alone do not name the directory's key",
        ));
    };
    let proof = EntryProof::parse(&files::read_bounded(&check.file, MAX_PROOF)?);
    let (code, answer) = match proof {
        Err(error) => (exit::VERDICT_MALFORMED, Answer::refused(&error)),
        Ok(proof) => match proof.verify(store) {
            Err(error) => (exit::VERDICT_FAILED, Answer::refused(&error)),
            Ok(proven) => (
                exit::DONE,
                Answer {
                    verified: true,
                    version: Some(proven.head.version().value()),
                    issued: Some(proven.head.time),
                    expires: Some(proven.head.expires),
                    entry: Some(proven.entry),
                    reason: None,
                },
            ),
        },
    };
    answer.print(output);
    output.object(code == exit::DONE, &answer);
    Ok(code)
}

impl Answer {
    fn refused(error: &(dyn std::error::Error + 'static)) -> Self {
        Self {
            verified: false,
            version: None,
            issued: None,
            expires: None,
            entry: None,
            reason: Some(crate::failure::with_causes(error)),
        }
    }

    fn print(&self, output: Output) {
        if let Some(reason) = &self.reason {
            let word = output.paint(Tone::Bad, "not proven");
            output.line(format_args!("{word}: {reason}"));
        }
        if let (Some(version), Some(issued), Some(entry)) = (self.version, self.issued, &self.entry)
        {
            let word = output.paint(Tone::Good, "proven");
            output.line(format_args!(
                "{word}: directory version {version}, issued {issued}, says:"
            ));
            output.line(String::from_utf8_lossy(&entry.to_bytes()));
            if self.expires.is_some_and(|expires| expires <= now()) {
                output.line("That version has expired: there may be a newer one.");
            }
        }
    }
}

/// The id of the agency, hub or group that has, or once had, a code, also one of the older form.
pub(super) fn id_of(code: &str, directory: &Directory, place: &Path) -> Result<[u8; 16], Failure> {
    let agency = code.parse::<AgencyCode>().ok();
    let agency = agency.and_then(|code| directory.agency_by_code(&code));
    let agency = agency.or_else(|| directory.agency_by_old_code(code));
    let hub = || directory.hubs().find(|hub| hub.code.as_str() == code);
    let group = || directory.groups().find(|group| group.code.as_str() == code);
    agency
        .map(|agency| agency.id.to_bytes())
        .or_else(|| hub().map(|hub| hub.id.to_bytes()))
        .or_else(|| group().map(|group| group.id.to_bytes()))
        .ok_or_else(|| {
            let message = format!("the directory lists nobody under {code}");
            let fix = format!(
                "see who is listed: consign directory show --trust {}",
                quoted(place)
            );
            Failure::new(ErrorCode::NotFound, message).fix(fix)
        })
}

/// Writes the proof of an entry.
pub(super) fn write(directory: &Directory, id: [u8; 16], file: &Path) -> Result<(), Failure> {
    let proof = EntryProof::of(directory, id);
    let proof = proof.ok_or_else(|| Failure::new(ErrorCode::NotFound, "no such entry"))?;
    Ok(files::publish(file, &proof.to_bytes(), PUBLIC)?)
}
