//! `consign authority rename`, `move` and `merge`.

use std::path::Path;

use clap::Args;
use consign_authority::{Authority, PublishOptions};
use consign_domain::text::Line;
use consign_domain::{AgencyCode, NodeId};
use serde::Serialize;

use super::Place;
use crate::commands::{Outcome, now, quoted};
use crate::failure::{Failure, exit};
use crate::output::Output;

/// Give an agency another code or name.
#[derive(Debug, Args)]
#[command(after_help = "Example:
  consign authority rename H49.13 --code H49.31 --name 'Sở Nội vụ và Lao động' --publish

What was sent to the old code is delivered, and what was sealed under it stays good: a code is never
given to another agency. New documents go to the new one. The agency's seal certificate names the
old ones, and who judges by the roots alone finds them, until it has another: invite the agency by
its new code, and let its node enrol again.")]
pub(crate) struct Rename {
    /// The agency's code now
    #[arg(value_name = "CODE")]
    agency: AgencyCode,
    /// Its new code
    #[arg(long, value_name = "CODE", required_unless_present_any = ["name", "old_code"])]
    code: Option<AgencyCode>,
    /// Its new name
    #[arg(long, value_name = "NAME")]
    name: Option<String>,
    /// Its code of the older form, where that is another than the one its code is converted to
    #[arg(long, value_name = "CODE")]
    old_code: Option<String>,
    #[command(flatten)]
    then: Then,
}

/// Let another node serve an agency.
#[derive(Debug, Args)]
#[command(after_help = "Example, the whole move; the agency keeps its keys:
  cp -a OLD/agencies/H49.13 NEW/agencies/
  mv OLD/agencies/H49.13 SAFE-PLACE
  consign authority move H49.13 NODE-ID --publish --dir AUTHORITY
  consign node run NEW

Stop both nodes before, by Ctrl-C or as services. The agency's directory has the code that it had
when it last enrolled. What is on its way is encrypted to the keys in it: without it nobody opens
that. NODE-ID is in: consign authority show.")]
pub(crate) struct Move {
    /// The agency's code
    #[arg(value_name = "CODE")]
    agency: AgencyCode,
    /// The id of the node that serves it from now on
    #[arg(value_name = "NODE-ID")]
    node: NodeId,
    #[command(flatten)]
    then: Then,
}

/// Close an agency that was merged into another.
#[derive(Debug, Args)]
#[command(after_help = "Example:
  consign authority merge H49.13 --into H49.15 --publish

Nothing new is sent to it or by it, and who tries is told its successor. What is on its way is still
delivered to its node and receipted by it, so let that node run until nothing is outstanding, and
keep its archive: its signatures count as before.")]
pub(crate) struct Merge {
    /// The code of the agency that is no more
    #[arg(value_name = "CODE")]
    agency: AgencyCode,
    /// The code of the agency that takes its place
    #[arg(long, value_name = "CODE")]
    into: AgencyCode,
    #[command(flatten)]
    then: Then,
}

/// Where, and whether it counts at once.
#[derive(Debug, Args)]
pub(super) struct Then {
    #[command(flatten)]
    place: Place,
    /// Publish as well: it counts only then
    #[arg(long)]
    publish: bool,
}

#[derive(Serialize)]
struct Answer {
    code: String,
    changed: bool,
    /// The directory that says so, if it was published.
    version: Option<u64>,
}

pub(super) fn rename(arguments: Rename, output: Output) -> Outcome {
    let name = arguments.name.as_deref().map(Line::tidy).transpose()?;
    let old = arguments.old_code.as_deref().map(Line::tidy);
    let rename = consign_authority::Rename {
        code: arguments.code,
        name,
        old: old.transpose()?,
    };
    let code = rename.code.clone().unwrap_or(arguments.agency.clone());
    let (mut authority, dir) = arguments.then.open()?;
    let changed = authority.rename(&arguments.agency, &rename, now())?;
    arguments
        .then
        .finish(&mut authority, &dir, (code.as_str(), changed), output)
}

pub(super) fn move_to(arguments: &Move, output: Output) -> Outcome {
    let code = &arguments.agency;
    let (mut authority, dir) = arguments.then.open()?;
    let changed = authority.move_to(code, arguments.node, now())?;
    arguments
        .then
        .finish(&mut authority, &dir, (code.as_str(), changed), output)
}

pub(super) fn merge(arguments: &Merge, output: Output) -> Outcome {
    let code = &arguments.agency;
    let (mut authority, dir) = arguments.then.open()?;
    let changed = authority.merge(code, &arguments.into, now())?;
    arguments
        .then
        .finish(&mut authority, &dir, (code.as_str(), changed), output)
}

impl Then {
    pub(super) fn open(&self) -> Result<(Authority, std::path::PathBuf), Failure> {
        let dir = self.place.directory()?;
        Ok((self.place.open(&dir)?, dir))
    }

    /// Publishes if that is wanted, and says what there is now.
    pub(super) fn finish(
        &self,
        authority: &mut Authority,
        dir: &Path,
        (code, changed): (&str, bool),
        output: Output,
    ) -> Outcome {
        let word = if changed { "changed" } else { "as it was" };
        output.line(format_args!("{code}: {word}"));
        let version = if self.publish {
            let published = authority.publish(PublishOptions::default(), now())?;
            output.line(format_args!("directory version {}", published.version));
            Some(published.version.value())
        } else {
            output.line(format_args!(
                "It counts once it is published: consign authority publish --dir {}",
                quoted(dir)
            ));
            None
        };
        let code = code.to_string();
        let answer = Answer {
            code,
            changed,
            version,
        };
        output.object(true, &answer);
        Ok(exit::DONE)
    }
}
