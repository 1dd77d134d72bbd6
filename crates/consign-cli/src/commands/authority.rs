//! `consign authority`: offline, by files, or as a service.

mod ceremony;
mod enrolment;
mod group;
mod service;

mod reform;
mod revocation;
mod show;
mod trust;

use std::path::{Path, PathBuf};
use std::sync::Arc;

use clap::{Args, Subcommand};
use consign_authority::{Founding, IssueOptions, Lives, Naming, NewKeys, PublishOptions, RootList};
use consign_domain::enrolment::{MAX_REQUEST, Request};
use consign_domain::text::Line;
use consign_domain::{AgencyCode, PartyCode};
use consign_keys::Keyring;
use consign_runtime::clock::Clock;
use consign_runtime::files;
use serde::Serialize;

use super::keys::{self, Protection, Unlock};
use super::{Outcome, absolute, now, quoted};
use crate::cli::chosen;
use crate::failure::{Failure, exit};
use crate::output::{Output, Tone};

/// The mode of files that are for everybody: a bundle holds nothing secret.
const PUBLIC: u32 = 0o644;

/// Found a network's authority, enrol nodes and hubs, publish the directory.
#[derive(Debug, Subcommand)]
#[command(after_help = "Example, with the service:
  consign authority serve AUTHORITY
  consign authority invite H49.13 --name 'Sở Nội vụ' --dir AUTHORITY
  consign node enrol NODE --authority authority.example.vn:7440 --token TOKEN

Example, the whole enrolment of a node by files:
  consign node init NODE --agency H49.13='Sở Nội vụ'
  consign authority issue NODE/request.json --out bundle.json --dir AUTHORITY
  consign authority publish --dir AUTHORITY
  consign node install bundle.json --dir NODE")]
pub(crate) enum Authority {
    /// Make an authority: root, issuing certificate, directory key, trust file
    Init(Init),
    /// Answer enrolments and renewals, and hand on the directory, until told to stop
    Serve(service::Serve),
    /// Invite an agency or hub to enrol: prints the token to give to it
    Invite(enrolment::Invite),
    /// List the invitations, or withdraw those of a code
    Invitations(enrolment::Invitations),
    /// List the requests that came without an invitation and wait for you
    Pending(enrolment::Pending),
    /// Enrol the parties of a request that waits, and publish
    Approve(enrolment::Approve),
    /// Forget a request that waits
    Dismiss(enrolment::Dismiss),
    /// Answer a node's or hub's request with a bundle, and enter its parties
    Issue(Issue),
    /// Sign the next version of the directory; only then do new keys count
    Publish(Publish),
    /// Revoke the keys and certificates of an agency, hub or node
    Revoke(revocation::Revoke),
    /// Give an agency another code or name
    Rename(reform::Rename),
    /// Let another node serve an agency
    Move(reform::Move),
    /// Close an agency that was merged into another
    Merge(reform::Merge),
    /// Show whom the trust file believes, or add roots of others to it
    Trust(trust::Trust),
    /// Name agencies that documents are sent to together
    #[command(subcommand)]
    Group(group::Group),
    /// Put the keys under a passphrase, another one, or none
    Protect(Protect),
    /// Check the records of what was done with the root's key
    #[command(subcommand)]
    Ceremony(ceremony::Ceremony),
    /// Show the authority and everyone it has enrolled
    Show(show::Show),
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
    #[command(flatten)]
    unlock: Unlock,
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

    /// The authority in a directory, its keys opened.
    fn open(&self, dir: &Path) -> Result<consign_authority::Authority, Failure> {
        let keyring = Arc::new(self.unlock.keyring());
        Ok(consign_authority::Authority::open_with(dir, &keyring)?)
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
  consign authority init AUTHORITY --name 'Mạng văn bản tỉnh Quảng Ninh' \\
      --lists-url http://pki.example.vn/crl

It leaves a record in AUTHORITY/ceremonies, to be printed and signed by those present. Certificates
name the lists' address where one is given: trust/crl is to be published there.")]
pub(crate) struct Init {
    #[command(flatten)]
    home: Home,
    /// The network's name for people
    #[arg(long, value_name = "NAME")]
    name: String,
    /// How many days a directory head is good, unless told otherwise when it is published
    #[arg(long, value_name = "DAYS", default_value_t = Lives::default().head_days)]
    head_days: u64,
    /// Keep the keys of root and issuing authority in the token that this file names; see
    /// token.example.toml. The directory key is a file always
    #[arg(long, value_name = "FILE")]
    key_token: Option<PathBuf>,
    /// Where issuing.crl and root.crl are published; new certificates name it
    #[arg(long, value_name = "URL")]
    lists_url: Option<String>,
    /// The arc of your certificate policies: seals have ARC.1, time-stamps ARC.3, TLS ARC.4
    #[arg(long, value_name = "OID")]
    policy_arc: Option<String>,
}

/// Put the keys under a passphrase.
#[derive(Debug, Args)]
#[command(after_help = "Examples:
  consign authority protect AUTHORITY                 asks for the new passphrase
  consign authority protect AUTHORITY --remove

The files are then in PKCS#8 under scrypt, which `openssl pkey` opens too. Commands that sign ask
for the passphrase, or take it from --passphrase.")]
pub(crate) struct Protect {
    /// The authority's directory
    #[arg(value_name = "DIR")]
    directory: PathBuf,
    #[command(flatten)]
    protection: Protection,
}

/// Answer a request.
#[derive(Debug, Args)]
#[command(after_help = "Example:
  consign authority issue NODE/request.json --out bundle.json --dir AUTHORITY

The same request again gets the same certificates; within the last third of their life, others for
the same keys.")]
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
    /// Sign a new version although nothing has changed, and the root's revocation list where the
    /// root key is at hand
    #[arg(long)]
    force: bool,
}

#[derive(Serialize)]
struct Founded {
    dir: PathBuf,
    network: String,
    name: String,
    trust: PathBuf,
    trust_pem: PathBuf,
    /// The record of the founding, to be printed.
    record: PathBuf,
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
    /// `stands`, `signed` or `not-signed`: the root's revocation list.
    root_list: &'static str,
}

/// Runs one of the commands.
pub(crate) fn run(authority: Authority, output: Output) -> Outcome {
    match authority {
        Authority::Init(arguments) => init(&arguments, output),
        Authority::Serve(arguments) => super::serve(service::run(arguments, output)),
        Authority::Invite(arguments) => enrolment::invite(arguments, output),
        Authority::Invitations(arguments) => enrolment::invitations(&arguments, output),
        Authority::Pending(arguments) => enrolment::pending(&arguments, output),
        Authority::Approve(arguments) => enrolment::approve(arguments, output),
        Authority::Dismiss(arguments) => enrolment::dismiss(&arguments, output),
        Authority::Issue(arguments) => issue(arguments, output),
        Authority::Publish(arguments) => publish(&arguments, output),
        Authority::Revoke(arguments) => revocation::run(&arguments, output),
        Authority::Trust(arguments) => trust::run(&arguments, output),
        Authority::Rename(arguments) => reform::rename(arguments, output),
        Authority::Move(arguments) => reform::move_to(&arguments, output),
        Authority::Merge(arguments) => reform::merge(&arguments, output),
        Authority::Group(command) => group::run(command, output),
        Authority::Protect(arguments) => protect(arguments, output),
        Authority::Ceremony(command) => ceremony::run(&command, output),
        Authority::Show(arguments) => show::run(&arguments, output),
    }
}

fn init(arguments: &Init, output: Output) -> Outcome {
    let dir = arguments.home.directory()?;
    let lives = Lives {
        head_days: arguments.head_days,
        ..Lives::default()
    };
    let keys = NewKeys {
        keyring: arguments
            .home
            .place
            .unlock
            .protecting()?
            .unwrap_or_default(),
        token: keys::token(arguments.key_token.as_ref())?,
    };
    let text = |text: &Option<String>| text.as_deref().map(Line::tidy).transpose();
    let founding = Founding {
        name: arguments.name.clone(),
        lives,
        certificates: Naming {
            policy_arc: text(&arguments.policy_arc)?,
            lists: text(&arguments.lists_url)?,
        },
        keys,
    };
    let founded = consign_authority::init_with(&dir, &founding, &Clock::system())?;
    let settings = founded.settings;
    let trust = dir.join("trust");
    output.line(format_args!(
        "The authority of {} is in {}",
        settings.name,
        quoted(&dir)
    ));
    output.line("Its keys are in keys/: keep them off the hub, and back them up.");
    output.line(format_args!(
        "The record, to be printed and signed by those present: {}",
        quoted(&founded.record)
    ));
    output.line(format_args!(
        "Next, a hub: consign hub init HUB --address NAME:PORT"
    ));
    let founded = Founded {
        network: settings.network.to_string(),
        name: settings.name.to_string(),
        trust: trust.join("trust.json"),
        trust_pem: trust.join("trust.pem"),
        record: founded.record,
        dir,
    };
    output.object(true, &founded);
    Ok(exit::DONE)
}

fn protect(arguments: Protect, output: Output) -> Outcome {
    let dir = absolute(&arguments.directory);
    let protect = |old: &Keyring, new: &Keyring| Ok(consign_authority::protect(&dir, old, new)?);
    arguments
        .protection
        .carry_out(Keyring::default, protect, output)
}

fn issue(arguments: Issue, output: Output) -> Outcome {
    let request = files::read_bounded(&arguments.request, MAX_REQUEST)?;
    let dir = arguments.place.directory()?;
    let options = IssueOptions {
        hub: arguments.hub,
        replace: arguments.replace,
    };
    let mut authority = arguments.place.open(&dir)?;
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
    let mut authority = arguments.home.place.open(&arguments.home.directory()?)?;
    let published = authority.publish(options, now())?;
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
    let root_list = match published.root_list {
        RootList::Stands => "stands",
        RootList::Signed => {
            output.line("The root's revocation list was signed, good for 400 days.");
            "signed"
        }
        RootList::NotSigned => {
            let word = output.paint(Tone::Doubtful, "not signed: the root's revocation list");
            output.line(format_args!("{word}, since the root key is not at hand."));
            output
                .line("Bring keys/root.key or its token back, and publish once more with --force.");
            "not-signed"
        }
    };
    output.object(
        true,
        &Published {
            version: published.version.value(),
            is_new: published.is_new,
            expires: published.expires.to_string(),
            entries: published.entries,
            path: absolute(&published.path),
            root_list,
        },
    );
    Ok(exit::DONE)
}

/// An agency's code, or a hub's name.
fn party_code(text: &str) -> Result<PartyCode, Failure> {
    let agency = text.parse::<AgencyCode>().map(PartyCode::from);
    agency
        .or_else(|error| PartyCode::service(text).map_err(|_| error))
        .map_err(|error| {
            Failure::usage(
                error.to_string(),
                "name an agency as H49.13, or a hub as hub-1",
            )
        })
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
