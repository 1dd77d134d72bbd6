//! `consign authority show`.

use std::path::Path;

use clap::Args;
use consign_authority::inspection::Inspection;
use consign_domain::End;

use super::Home;
use crate::commands::directory::{agency_state, state};
use crate::commands::{Outcome, now, quoted};
use crate::failure::exit;
use crate::output::{Output, Tone};
use crate::views::until;

/// Show the authority.
#[derive(Debug, Args)]
#[command(after_help = "Example:
  consign authority show AUTHORITY")]
pub(crate) struct Show {
    #[command(flatten)]
    home: Home,
}

/// Shows.
pub(super) fn run(arguments: &Show, output: Output) -> Outcome {
    let dir = arguments.home.directory()?;
    let inspection = consign_authority::inspect(&dir, now())?;
    print(&inspection, &dir, output);
    output.object(true, &inspection);
    Ok(exit::DONE)
}

fn print(inspection: &Inspection, dir: &Path, output: Output) {
    output.line(format_args!("{} ({})", inspection.name, inspection.network));
    output.line(format_args!(
        "root certificate     {}",
        end(inspection.root, output)
    ));
    output.line(format_args!(
        "issuing certificate  {}",
        end(inspection.issuing, output)
    ));
    if let Some(since) = inspection.issuing_revoked {
        let word = output.paint(Tone::Bad, "revoked");
        output.line(format_args!(
            "                     {word} from {since} on: it issues nothing more"
        ));
    }
    if let Some(list) = inspection.root_list {
        output.line(format_args!("root's list          {}", end(list, output)));
    }
    if let Some(fault) = &inspection.root_list_fault {
        let word = output.paint(Tone::Bad, "cannot be read");
        output.line(format_args!(
            "root's list          {word}: {fault}; with the root's key at hand: consign authority \
             publish --force --dir {}",
            quoted(dir)
        ));
    }
    if inspection.root_list_fault.is_none() && !inspection.root_list_complete {
        let word = output.paint(Tone::Bad, "does not say what was revoked");
        output.line(format_args!(
            "root's list          {word}; with the root's key at hand: consign authority publish \
             --force --dir {}",
            quoted(dir)
        ));
    }
    match inspection.head {
        None => output.line("directory            not published yet"),
        Some(head) => output.line(format_args!(
            "directory            version {}, {} entries, {}",
            head.version,
            head.entries,
            end(head.expires, output)
        )),
    }
    if let Some(service) = &inspection.service {
        let certificate = |ends| format!(", certificate {}", end(ends, output));
        output.line(format_args!(
            "service              {}, key {}{}",
            service.address,
            service.fingerprint,
            service.tls.map(certificate).unwrap_or_default()
        ));
    }
    if inspection.unpublished {
        let word = output.paint(Tone::Doubtful, "not all of it is published");
        output.line(format_args!(
            "{word}: consign authority publish --dir {}",
            quoted(dir)
        ));
    }
    let tls = |ends: Option<End>| ends.map(|ends| end(ends, output)).unwrap_or_default();
    let hubs = inspection.hubs.iter().flat_map(|hub| {
        let cells = ["hub", hub.code.as_str(), &hub.address, state(hub.state)];
        let stamps = ["time-stamps", hub.code.as_str(), "", ""];
        let stamps = hub.time_stamp.map(|ends| with(&stamps, tls(Some(ends))));
        [Some(with(&cells, tls(hub.tls))), stamps]
            .into_iter()
            .flatten()
    });
    let nodes = inspection.nodes.iter().map(|node| {
        let id = node.id.to_string();
        let cells = ["node", id.as_str(), &node.name, state(node.state)];
        with(&cells, tls(node.tls))
    });
    let agencies = inspection.agencies.iter().map(|agency| {
        let code = agency.code.as_ref().map(ToString::to_string);
        let (code, name) = (
            code.unwrap_or_default(),
            agency.name.clone().unwrap_or_default(),
        );
        let standing = agency_state(agency.state, agency.revoked);
        let cells = ["agency", code.as_str(), &name, standing];
        with(&cells, tls(agency.seal))
    });
    let groups = inspection.groups.iter().map(|group| {
        let state = if group.current { "active" } else { "ended" };
        let cells = ["group", group.code.as_str(), &group.name, state];
        with(&cells, format!("{} members", group.members.len()))
    });
    let rows: Vec<Vec<String>> = hubs.chain(nodes).chain(agencies).chain(groups).collect();
    output.line("");
    output.table(
        &["KIND", "CODE", "NAME", "STATE", "CERTIFICATE"],
        &rows,
        "Nobody is enrolled yet.",
    );
}

fn with(cells: &[&str], last: String) -> Vec<String> {
    let cells = cells.iter().map(ToString::to_string);
    cells.chain(std::iter::once(last)).collect()
}

fn end(end: End, output: Output) -> String {
    until(end, 30, output)
}
