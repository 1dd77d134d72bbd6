//! `consign node`.

use std::path::PathBuf;

use clap::{Args, Subcommand};
use consign_domain::AgencyCode;
use consign_domain::enrolment::MAX_BUNDLE;
use consign_domain::text::Line;
use consign_keys::Keyring;
use consign_node::keys::{self, KeysError, NewAgency, NewKeys};
use consign_node::layout::NodeDirectory;
use consign_runtime::files;
use serde::Serialize;

use super::keys::{Kind, Protection, Unlock, token};
use super::{Outcome, absolute, call, quoted, serve};
use crate::cli::{NodeChoice, NodeHome, agency_code};
use crate::failure::{Failure, exit};
use crate::output::Output;

mod archive;
mod backup;
mod enrol;
mod running;

/// Make and run a node for one or more agencies.
#[derive(Debug, Subcommand)]
#[command(after_help = "Example, with a token from the authority:
  consign node enrol NODE --authority authority.example.vn:7440 --token TOKEN
  consign node run NODE

Example, by files:
  consign node init NODE --name 'Nút Sở Nội vụ' --agency H49.13='Sở Nội vụ'
  consign node install bundle.json --dir NODE
  consign node run NODE")]
pub(crate) enum Node {
    /// Make keys and have the authority list them, by token or by its operator's word
    Enrol(enrol::Enrol),
    /// Make the next TLS, statement and encryption keys of a running node, and go on to them
    Renew(enrol::Renew),
    /// Make keys and the request for the authority, by files; also to add an agency later
    Init(Init),
    /// Put the authority's answer in place
    Install(Install),
    /// Run until told to stop
    Run(Run),
    /// Put the keys under a passphrase, another one, or none
    Protect(Protect),
    /// Build the index of documents anew from the files
    Reindex(Reindex),
    /// Renew the time-stamps of the long-term archives of a running node
    #[command(subcommand)]
    Archive(archive::Archive),
    /// Copy the node, also while it runs; check a copy; bring one back
    #[command(subcommand)]
    Backup(backup::Backup),
}

/// Make keys and the request for the authority.
#[derive(Debug, Args)]
#[command(after_help = "Example:
  consign node init NODE --name 'Nút Sở Nội vụ' \\
      --agency H49.13='Sở Nội vụ tỉnh Quảng Ninh' --agency H49.14='Sở Y tế tỉnh Quảng Ninh'

Keys that are here are never replaced. New ones for an agency whose keys were revoked: stop the
node, rename seal.key, statement.key and encryption.key in agencies/CODE/keys to NAME.old, run
this again with --agency, give the authority request.json (authority issue --replace), and install
what it answers. What was received is still opened with the old encryption key. A seal key in a token
is replaced by renaming seal.toml, and a --key-token file that names another key.")]
pub(crate) struct Init {
    #[command(flatten)]
    node: NodeHome,
    /// What people call the node; the first agency's name where it is left out
    #[arg(long, value_name = "NAME")]
    name: Option<String>,
    /// An agency that it serves; may be repeated
    #[arg(long, value_name = "CODE=NAME", value_parser = named_agency)]
    agency: Vec<(AgencyCode, Line<200>)>,
    /// The code of the agency above the agencies named
    #[arg(long, value_name = "CODE", value_parser = agency_code)]
    parent: Option<AgencyCode>,
    /// The kind of the agencies' seal keys
    #[arg(long, value_name = "KIND", default_value = "ecdsa-p256")]
    seal: Kind,
    #[command(flatten)]
    making: Making,
}

/// Where new keys go.
#[derive(Debug, Args)]
pub(super) struct Making {
    /// Keep the seal keys of the agencies named in the token that this file names; see
    /// token.example.toml. A key that is there is used. The others are files always
    #[arg(long, value_name = "FILE")]
    key_token: Option<PathBuf>,
    #[command(flatten)]
    unlock: Unlock,
}

impl Making {
    /// How keys are made for a node.
    pub(super) fn keys(&self, node: &NodeDirectory, seal: Kind) -> Result<NewKeys, Failure> {
        Ok(NewKeys {
            seal: seal.into(),
            token: token(self.key_token.as_ref())?,
            keyring: self.unlock.making(&node.tls_key_file())?,
        })
    }
}

/// Put the authority's answer in place.
#[derive(Debug, Args)]
#[command(after_help = "Example:
  consign node install bundle.json --dir NODE")]
pub(crate) struct Install {
    /// The bundle that the authority issued
    #[arg(value_name = "BUNDLE")]
    bundle: PathBuf,
    #[command(flatten)]
    node: NodeChoice,
    #[command(flatten)]
    unlock: Unlock,
}

/// Run until told to stop.
#[derive(Debug, Args)]
#[command(after_help = "Example:
  consign node run NODE
  consign node run NODE --passphrase credential:node-keys     the unit has LoadCredential=node-keys:PATH

Ctrl-C or SIGTERM stops it in order; nothing is lost by any other end either.

Keys under a passphrase, and tokens whose PIN people type, are asked for at the start. Where a
token with a seal key is away or refuses, the node runs, documents to be sealed wait, and
`consign status` says why.")]
pub(crate) struct Run {
    #[command(flatten)]
    node: NodeHome,
    #[command(flatten)]
    unlock: Unlock,
}

/// Put the keys under a passphrase.
#[derive(Debug, Args)]
#[command(after_help = "Examples, with the node stopped:
  consign node protect NODE                 asks for the new passphrase
  consign node protect NODE --remove

All secret files of the node and its agencies are then in PKCS#8 or age under scrypt, which
`openssl pkey` and `age` open too; those it makes later come to lie alike. `node run` asks for the
passphrase, or takes it from --passphrase. Seal keys in tokens stay there.")]
pub(crate) struct Protect {
    #[command(flatten)]
    node: NodeHome,
    #[command(flatten)]
    protection: Protection,
}

/// Build the index anew.
#[derive(Debug, Args)]
#[command(after_help = "Example:
  consign node reindex NODE          with the node stopped

Folders with a damaged file are left out and named, and the exit code is 1; the index stands.")]
pub(crate) struct Reindex {
    #[command(flatten)]
    node: NodeHome,
}

#[derive(Serialize)]
struct Made {
    node: PathBuf,
    request: PathBuf,
    agencies: Vec<String>,
}

#[derive(Serialize)]
struct Installed {
    node: PathBuf,
    agencies: Vec<String>,
    directory_version: Option<u64>,
    changed: bool,
    trust: PathBuf,
}

/// Runs one of the commands.
pub(crate) fn run(node: Node, output: Output) -> Outcome {
    match node {
        Node::Enrol(arguments) => serve(enrol::enrol(arguments, output)),
        Node::Renew(arguments) => call(enrol::renew(arguments, output)),
        Node::Init(arguments) => init(arguments, output),
        Node::Install(arguments) => install(&arguments, output),
        Node::Run(arguments) => {
            let directory = absolute(&arguments.node.directory()?);
            let keyring = arguments.unlock.keyring();
            serve(running::run(directory, keyring, output))
        }
        Node::Protect(arguments) => protect(arguments, output),
        Node::Reindex(arguments) => {
            let directory = absolute(&arguments.node.directory()?);
            running::reindex(&directory, output)
        }
        Node::Archive(archive::Archive::Renew(arguments)) => {
            call(archive::renew(arguments, output))
        }
        Node::Backup(arguments) => backup::run(arguments, output),
    }
}

fn init(arguments: Init, output: Output) -> Outcome {
    let path = absolute(&arguments.node.directory()?);
    let first = arguments.agency.first().map(|(_, name)| name.clone());
    let name = match &arguments.name {
        Some(name) => Line::tidy(name)?,
        // An agency added later does not rename the node.
        None => first.unwrap_or(Line::tidy("node")?),
    };
    let parent = arguments.parent;
    let agency = |(code, name)| NewAgency {
        code,
        name,
        parent: parent.clone(),
        id: None,
    };
    let agencies: Vec<NewAgency> = arguments.agency.into_iter().map(agency).collect();
    let directory = NodeDirectory::new(&path);
    let new = arguments.making.keys(&directory, arguments.seal)?;
    keys::init_with(&directory, &name, &agencies, &new)?;
    let request = directory.request_file();
    output.line(format_args!(
        "The keys are in {}; they never leave it.",
        quoted(&path)
    ));
    output.line(format_args!(
        "Next, at the authority: consign authority issue {} --out bundle.json",
        quoted(&request)
    ));
    let made = Made {
        node: path,
        request,
        agencies: agencies
            .iter()
            .map(|agency| agency.code.to_string())
            .collect(),
    };
    output.object(true, &made);
    Ok(exit::DONE)
}

fn install(arguments: &Install, output: Output) -> Outcome {
    let path = absolute(&arguments.node.directory()?);
    let bundle = files::read_bounded(&arguments.bundle, MAX_BUNDLE)?;
    let directory = NodeDirectory::new(&path);
    let installed = keys::install_with(&directory, &bundle, &arguments.unlock.keyring())?;
    let codes: Vec<String> = installed.agencies.iter().map(ToString::to_string).collect();
    if installed.changed {
        output.line(format_args!("installed for {}", codes.join(", ")));
    } else {
        output.line("all of it was in place already");
    }
    output.line(format_args!("Next: consign node run {}", quoted(&path)));
    let answer = Installed {
        agencies: codes,
        directory_version: installed.directory.map(|version| version.value()),
        changed: installed.changed,
        trust: directory.trust_dir().join("trust.json"),
        node: path,
    };
    output.object(true, &answer);
    Ok(exit::DONE)
}

fn protect(arguments: Protect, output: Output) -> Outcome {
    let directory = NodeDirectory::new(absolute(&arguments.node.directory()?));
    let protect = |old: &Keyring, new: &Keyring| Ok(keys::protect(&directory, old, new)?);
    arguments
        .protection
        .carry_out(Keyring::default, protect, output)
}

fn named_agency(text: &str) -> Result<(AgencyCode, Line<200>), String> {
    let (code, name) = text
        .split_once('=')
        .ok_or_else(|| "write CODE=NAME, as H49.13='Sở Nội vụ'".to_owned())?;
    let name = Line::tidy(name).map_err(|error| error.to_string())?;
    Ok((agency_code(code)?, name))
}

impl From<KeysError> for Failure {
    fn from(error: KeysError) -> Self {
        // Its texts end in what to do.
        let failure = Self::of(error.code(), &error);
        match &error {
            KeysError::Keyring(fault) => failure.fix(super::keys::fix(fault)),
            _ => failure.fix("see: consign node --help"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn agencies_are_named_with_their_code() {
        let (code, name) = named_agency("000.00.13.H49= Sở Nội vụ ").unwrap();
        assert_eq!((code.as_str(), name.as_str()), ("H49.13", "Sở Nội vụ"));
        assert!(named_agency("H49.13").is_err());
        assert!(named_agency("H49.13=").is_err());
    }
}
