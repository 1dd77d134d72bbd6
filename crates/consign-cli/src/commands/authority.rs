//! `consign authority`: offline, by files.

use std::path::{Path, PathBuf};

use clap::{Args, Subcommand};
use consign_authority::inspection::{End, Inspection};
use consign_authority::{IssueOptions, Lives, PublishOptions};
use consign_domain::PartyCode;
use consign_domain::enrolment::{MAX_REQUEST, Request};
use consign_runtime::files;
use serde::Serialize;

use super::directory::state;
use super::{Outcome, absolute, now, quoted};
use crate::cli::chosen;
use crate::failure::{Failure, exit};
use crate::output::{Output, Tone};

/// The mode of files that are for everybody: a bundle holds nothing secret.
const PUBLIC: u32 = 0o644;

/// Found a network's authority, enrol nodes and hubs, publish the directory.
#[derive(Debug, Subcommand)]
#[command(after_help = "Example, the whole enrolment of a node:
  consign node init NODE --agency H49.13='Sở Nội vụ'
  consign authority issue NODE/request.json --out bundle.json --dir AUTHORITY
  consign authority publish --dir AUTHORITY
  consign node install bundle.json --dir NODE")]
pub(crate) enum Authority {
    /// Make an authority: root, issuing certificate, directory key, trust file
    Init(Init),
    /// Answer a node's or hub's request with a bundle, and enter its parties
    Issue(Issue),
    /// Sign the next version of the directory; only then do new keys count
    Publish(Publish),
    /// Show the authority and everyone it has enrolled
    Show(Show),
}

/// Which authority.
#[derive(Debug, Args)]
struct Place {
    /// The authority's directory
    #[arg(
        long,
        env = "CONSIGN_AUTHORITY",
        hide_env_values = true,
        value_name = "DIR"
    )]
    dir: Option<PathBuf>,
}

/// Which authority, named first on its own.
#[derive(Debug, Args)]
struct Home {
    /// The authority's directory
    #[arg(value_name = "DIR")]
    directory: Option<PathBuf>,
    #[command(flatten)]
    place: Place,
}

impl Place {
    fn directory(&self) -> Result<PathBuf, Failure> {
        let fix = "add --dir DIR, or: export CONSIGN_AUTHORITY=DIR";
        let named = self.dir.as_ref();
        let named = chosen(named, "authority.json", "no authority was named", fix)?;
        Ok(absolute(&named))
    }
}

impl Home {
    fn directory(&self) -> Result<PathBuf, Failure> {
        let named = self.directory.as_ref().map(|named| absolute(named));
        named.map_or_else(|| self.place.directory(), Ok)
    }
}

/// Make an authority.
#[derive(Debug, Args)]
#[command(after_help = "Example:
  consign authority init AUTHORITY --name 'Mạng văn bản tỉnh Quảng Ninh'")]
pub(crate) struct Init {
    #[command(flatten)]
    home: Home,
    /// The network's name for people
    #[arg(long, value_name = "NAME")]
    name: String,
    /// How many days a directory head is good, unless told otherwise when it is published
    #[arg(long, value_name = "DAYS", default_value_t = Lives::default().head_days)]
    head_days: u64,
}

/// Answer a request.
#[derive(Debug, Args)]
#[command(after_help = "Example:
  consign authority issue NODE/request.json --out bundle.json --dir AUTHORITY")]
pub(crate) struct Issue {
    /// The request.json of a node or hub
    #[arg(value_name = "REQUEST")]
    request: PathBuf,
    #[command(flatten)]
    place: Place,
    /// Where the bundle goes; bundle.json beside the request where it is left out
    #[arg(short, long = "out", alias = "output", value_name = "FILE")]
    out: Option<PathBuf>,
    /// The hub of the request's agencies, where there are several hubs
    #[arg(long, value_name = "CODE", value_parser = hub_code)]
    hub: Option<PartyCode>,
    /// Let the request change what is registered: keys, codes, names, nodes, addresses
    #[arg(long)]
    replace: bool,
    /// Publish as well, so that the bundle brings a directory that lists its parties
    #[arg(long)]
    publish: bool,
}

/// Sign the next version of the directory.
#[derive(Debug, Args)]
#[command(after_help = "Example:
  consign authority publish --dir AUTHORITY --days 30")]
pub(crate) struct Publish {
    #[command(flatten)]
    home: Home,
    /// How many days it is good; else as the authority was made
    #[arg(long, value_name = "DAYS", value_parser = clap::value_parser!(u64).range(1..=3660))]
    days: Option<u64>,
    /// Sign a new version although nothing has changed
    #[arg(long)]
    force: bool,
}

/// Show the authority.
#[derive(Debug, Args)]
#[command(after_help = "Example:
  consign authority show AUTHORITY")]
pub(crate) struct Show {
    #[command(flatten)]
    home: Home,
}

#[derive(Serialize)]
struct Founded {
    dir: PathBuf,
    network: String,
    name: String,
    trust: PathBuf,
    trust_pem: PathBuf,
}

#[derive(Serialize)]
struct Issued {
    bundle: PathBuf,
    for_id: String,
    has_directory: bool,
}

#[derive(Serialize)]
struct Published {
    version: u64,
    is_new: bool,
    expires: String,
    entries: u64,
    path: PathBuf,
}

/// Runs one of the commands.
pub(crate) fn run(authority: Authority, output: Output) -> Outcome {
    match authority {
        Authority::Init(arguments) => init(&arguments, output),
        Authority::Issue(arguments) => issue(arguments, output),
        Authority::Publish(arguments) => publish(&arguments, output),
        Authority::Show(arguments) => show(&arguments, output),
    }
}

fn init(arguments: &Init, output: Output) -> Outcome {
    let dir = arguments.home.directory()?;
    let lives = Lives {
        head_days: arguments.head_days,
        ..Lives::default()
    };
    let settings = consign_authority::init(&dir, &arguments.name, lives, now())?;
    let trust = dir.join("trust");
    output.line(format_args!(
        "The authority of {} is in {}",
        settings.name,
        quoted(&dir)
    ));
    output.line("Its keys are in keys/: keep them off the hub, and back them up.");
    output.line(format_args!(
        "Next, a hub: consign hub init HUB --address NAME:PORT"
    ));
    let founded = Founded {
        network: settings.network.to_string(),
        name: settings.name.to_string(),
        trust: trust.join("trust.json"),
        trust_pem: trust.join("trust.pem"),
        dir,
    };
    output.object(true, &founded);
    Ok(exit::DONE)
}

fn issue(arguments: Issue, output: Output) -> Outcome {
    let request = files::read_bounded(&arguments.request, MAX_REQUEST)?;
    let dir = arguments.place.directory()?;
    let options = IssueOptions {
        hub: arguments.hub,
        replace: arguments.replace,
    };
    let mut authority = consign_authority::Authority::open(&dir)?;
    let mut bundle = authority.issue(&request, &options, now())?;
    if arguments.publish {
        authority.publish(PublishOptions::default(), now())?;
        // Asked again, it gives the same certificates, now with the new directory.
        bundle = authority.issue(&request, &options, now())?;
    }
    let beside = || arguments.request.with_file_name("bundle.json");
    let path = absolute(&arguments.out.unwrap_or_else(beside));
    files::publish(&path, &bundle.to_bytes(), PUBLIC)?;
    output.line(format_args!("The answer is in {}", quoted(&path)));
    let is_node = matches!(Request::parse(&request), Ok(Request::Node(_)));
    if is_node && bundle.directory.is_none() {
        output.line("It brings no directory, which a node needs: publish, then issue it again.");
    }
    if !arguments.publish {
        output.line(format_args!(
            "Next: consign authority publish --dir {}",
            quoted(&dir)
        ));
    }
    output.line("Then, where the request came from: consign node install, or consign hub install");
    let answer = Issued {
        for_id: bundle.for_id.to_string(),
        has_directory: bundle.directory.is_some(),
        bundle: path,
    };
    output.object(true, &answer);
    Ok(exit::DONE)
}

fn publish(arguments: &Publish, output: Output) -> Outcome {
    let options = PublishOptions {
        life_seconds: arguments.days.map(|days| days * 86_400),
        force: arguments.force,
    };
    let published = consign_authority::publish(&arguments.home.directory()?, options, now())?;
    let what = if published.is_new {
        "published"
    } else {
        "unchanged"
    };
    output.line(format_args!(
        "{what}: directory version {} with {} entries, good until {}",
        published.version, published.entries, published.expires
    ));
    output.line(format_args!("in {}", quoted(&absolute(&published.path))));
    output.object(
        true,
        &Published {
            version: published.version.value(),
            is_new: published.is_new,
            expires: published.expires.to_string(),
            entries: published.entries,
            path: absolute(&published.path),
        },
    );
    Ok(exit::DONE)
}

fn show(arguments: &Show, output: Output) -> Outcome {
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
    match inspection.head {
        None => output.line("directory            not published yet"),
        Some(head) => output.line(format_args!(
            "directory            version {}, {} entries, {}",
            head.version,
            head.entries,
            end(head.expires, output)
        )),
    }
    if inspection.unpublished {
        let word = output.paint(Tone::Doubtful, "not all of it is published");
        output.line(format_args!(
            "{word}: consign authority publish --dir {}",
            quoted(dir)
        ));
    }
    let tls = |ends: Option<End>| ends.map(|ends| end(ends, output)).unwrap_or_default();
    let hubs = inspection.hubs.iter().map(|hub| {
        let cells = ["hub", hub.code.as_str(), &hub.address, state(hub.state)];
        with(&cells, tls(hub.tls))
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
        let cells = ["agency", code.as_str(), &name, state(agency.state)];
        with(&cells, tls(agency.seal))
    });
    let rows: Vec<Vec<String>> = hubs.chain(nodes).chain(agencies).collect();
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
    let text = format!("until {} ({} days)", end.at, end.days_left);
    match end.days_left {
        days if days < 0 => output.paint(Tone::Bad, text),
        days if days < 30 => output.paint(Tone::Doubtful, text),
        _ => text,
    }
}

fn hub_code(text: &str) -> Result<PartyCode, String> {
    PartyCode::service(text).map_err(|error| error.to_string())
}

/// What cannot be read is no request.
impl From<consign_domain::text::TextError> for Failure {
    fn from(error: consign_domain::text::TextError) -> Self {
        Self::usage(error.to_string(), "correct the text")
    }
}
