//! `consign hub`.

use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};

use clap::{Args, Subcommand};
use consign_domain::ErrorCode;
use consign_domain::enrolment::MAX_BUNDLE;
use consign_hub::{Config, HubError, KeyFault, NewKeys, SetupError};
use consign_keys::Keyring;
use consign_pki::seal::KeyKind;
use consign_runtime::files;
use consign_runtime::shutdown::{Shutdown, Tasks};
use consign_runtime::telemetry;
use indicatif::ProgressBar;
use serde::Serialize;

use super::keys::{self, Kind, Protection, Unlock};
use super::{Outcome, absolute, check_home, quoted, serve};
use crate::cli::chosen;
use crate::failure::{Failure, exit};
use crate::output::Output;

mod backup;
mod enrol;
mod resume;

/// The key of a hub that is made first.
const FIRST_KEY: &str = "keys/tls.key";

/// Make and run a relay hub.
#[derive(Debug, Subcommand)]
#[command(after_help = "Example, with a token from the authority:
  consign hub enrol HUB --authority authority.example.vn:7440 --token TOKEN
  consign hub run HUB

Example, by files:
  consign hub init HUB --address hub.example.vn:4433
  consign hub install bundle.json --dir HUB
  consign hub run HUB")]
pub(crate) enum Hub {
    /// Make keys and have the authority list them, by token
    Enrol(enrol::Enrol),
    /// Make keys, hub.toml and the request for the authority, by files
    Init(Init),
    /// Put the authority's answer in place
    Install(Install),
    /// Run until told to stop
    Run(Run),
    /// Put the keys under a passphrase, another one, or none
    Protect(Protect),
    /// Copy the hub, also while it runs; check a copy; bring one back
    #[command(subcommand)]
    Backup(backup::Backup),
    /// Decide that a hub which lost data goes on without them
    Resume(resume::Resume),
}

/// Which hub.
#[derive(Debug, Args)]
struct Place {
    /// The hub's directory
    #[arg(long, env = "CONSIGN_HUB", hide_env_values = true, value_name = "DIR")]
    dir: Option<PathBuf>,
}

/// Which hub, named first on its own.
#[derive(Debug, Args)]
struct Home {
    /// The hub's directory
    #[arg(value_name = "DIR")]
    directory: Option<PathBuf>,
    #[command(flatten)]
    place: Place,
}

impl Place {
    fn directory(&self) -> Result<PathBuf, Failure> {
        let fix = "add --dir DIR, or: export CONSIGN_HUB=DIR";
        let named = chosen(self.dir.as_ref(), "hub.toml", "no hub was named", fix)?;
        Ok(absolute(&named))
    }
}

impl Home {
    fn directory(&self) -> Result<PathBuf, Failure> {
        let named = self.directory.as_ref().map(|named| absolute(named));
        named.map_or_else(|| self.place.directory(), Ok)
    }
}

/// Make keys, hub.toml and the request for the authority.
#[derive(Debug, Args)]
#[command(after_help = "Example:
  consign hub init HUB --address hub.example.vn:4433
  consign hub init HUB --address 127.0.0.1:4433 --directory AUTHORITY/trust/directory

Keys that are here are never replaced. A time-stamp key of another kind: stop the hub, rename
keys/time-stamp.key to time-stamp.key.old, run this again with --time-stamp-key, give the authority
request.json (authority issue --replace), and install what it answers.")]
pub(crate) struct Init {
    #[command(flatten)]
    home: Home,
    /// Where nodes reach it
    #[arg(long, value_name = "NAME:PORT", value_parser = address)]
    address: String,
    /// Its name in statements
    #[arg(long, value_name = "NAME", default_value = "hub-1")]
    code: String,
    /// Where the authority publishes, if this machine sees it; else trust/directory in the hub's
    /// directory, into which newer versions are copied
    #[arg(long = "directory", id = "published", value_name = "DIR")]
    published: Option<PathBuf>,
    #[command(flatten)]
    making: Making,
}

/// How the keys are made.
#[derive(Debug, Args)]
struct Making {
    /// The kind of the key that signs time-stamps; where none is named, the one that is there, or
    /// ecdsa-p256
    #[arg(long, value_name = "KIND")]
    time_stamp_key: Option<Kind>,
    #[command(flatten)]
    unlock: Unlock,
}

impl Making {
    fn keys(&self, hub: &Path) -> Result<NewKeys, Failure> {
        Ok(NewKeys {
            time_stamp: self.time_stamp_key.map(KeyKind::from),
            keyring: self.unlock.making(&hub.join(FIRST_KEY))?,
        })
    }
}

/// Put the authority's answer in place.
#[derive(Debug, Args)]
#[command(after_help = "Example:
  consign hub install bundle.json --dir HUB")]
pub(crate) struct Install {
    /// The bundle that the authority issued
    #[arg(value_name = "BUNDLE")]
    bundle: PathBuf,
    #[command(flatten)]
    place: Place,
    #[command(flatten)]
    unlock: Unlock,
}

/// Run until told to stop.
#[derive(Debug, Args)]
#[command(after_help = "Example:
  consign hub run HUB
  consign hub run HUB --passphrase credential:hub-keys     the unit has LoadCredential=hub-keys:PATH

Ctrl-C or SIGTERM stops it in order; nothing acknowledged is lost by any other end either.")]
pub(crate) struct Run {
    #[command(flatten)]
    home: Home,
    #[command(flatten)]
    unlock: Unlock,
}

/// Put the keys under a passphrase.
#[derive(Debug, Args)]
#[command(after_help = "Examples, with the hub stopped:
  consign hub protect HUB                 asks for the new passphrase
  consign hub protect HUB --remove

The TLS, statement and time-stamp keys are then in PKCS#8 under scrypt, which `openssl pkey` opens
too. `hub run` asks for the passphrase, or takes it from --passphrase.")]
pub(crate) struct Protect {
    #[command(flatten)]
    home: Home,
    #[command(flatten)]
    protection: Protection,
}

#[derive(Serialize)]
struct Made {
    hub: PathBuf,
    request: PathBuf,
    code: String,
    address: String,
}

#[derive(Serialize)]
struct Installed {
    hub: PathBuf,
    network: String,
    directory_version: Option<u64>,
    /// Whether the directory lists this hub.
    listed: bool,
}

/// Runs one of the commands.
pub(crate) fn run(hub: Hub, output: Output) -> Outcome {
    match hub {
        Hub::Enrol(arguments) => serve(enrol::run(arguments, output)),
        Hub::Init(arguments) => init(&arguments, output),
        Hub::Install(arguments) => install(&arguments, output),
        Hub::Run(arguments) => {
            let keyring = arguments.unlock.keyring();
            serve(serve_hub(arguments.home.directory()?, keyring, output))
        }
        Hub::Protect(arguments) => protect(arguments, output),
        Hub::Backup(arguments) => backup::run(arguments, output),
        Hub::Resume(arguments) => resume::run(&arguments, output),
    }
}

fn init(arguments: &Init, output: Output) -> Outcome {
    let path = arguments.home.directory()?;
    let new = arguments.making.keys(&path)?;
    let (address, code) = (&arguments.address, &arguments.code);
    let request = consign_hub::init_with(&path, address, code, &new)?;
    if let Some(directory) = &arguments.published {
        let followed = consign_lab::follow_directory(&path, &absolute(directory));
        followed.map_err(|error| Failure::of(ErrorCode::Usage, &error))?;
    }
    output.line(format_args!(
        "The keys are in {}; they never leave it.",
        quoted(&path)
    ));
    output.line(format_args!(
        "Next, at the authority: consign authority issue {} --out bundle.json",
        quoted(&request)
    ));
    let made = Made {
        request,
        code: arguments.code.clone(),
        address: arguments.address.clone(),
        hub: path,
    };
    output.object(true, &made);
    Ok(exit::DONE)
}

fn install(arguments: &Install, output: Output) -> Outcome {
    let path = arguments.place.directory()?;
    let bundle = files::read_bounded(&arguments.bundle, MAX_BUNDLE)?;
    let installed = consign_hub::install_with(&path, &bundle, &arguments.unlock.keyring())?;
    answer("installed", path, installed, output)
}

/// What both ways to get the authority's answer end with.
fn answer(done: &str, hub: PathBuf, installed: consign_hub::Installed, output: Output) -> Outcome {
    output.line(format_args!("{done}: a hub of {}", installed.network));
    if installed.directory.is_some() && !installed.listed {
        output.line("Its directory does not list this hub yet: consign authority publish");
    }
    output.line(format_args!("Next: consign hub run {}", quoted(&hub)));
    let answer = Installed {
        hub,
        network: installed.network,
        directory_version: installed.directory.map(|version| version.value()),
        listed: installed.listed,
    };
    output.object(true, &answer);
    Ok(exit::DONE)
}

fn protect(arguments: Protect, output: Output) -> Outcome {
    let directory = arguments.home.directory()?;
    check_home(&directory, "hub.toml", "make one: consign hub init")?;
    let config = Config::load(&directory.join("hub.toml"))?;
    let protect = |old: &Keyring, new: &Keyring| Ok(consign_hub::protect(&config, old, new)?);
    arguments
        .protection
        .carry_out(Keyring::default, protect, output)
}

async fn serve_hub(directory: PathBuf, keyring: Keyring, output: Output) -> Outcome {
    check_home(&directory, "hub.toml", "make one: consign hub init")?;
    let config = Config::load(&directory.join("hub.toml"))?;
    telemetry::init(config.log.format, &config.log.filter)?;
    let shutdown = Shutdown::new();
    let tasks = Tasks::new(shutdown.clone());
    shutdown
        .on_signals(&tasks)
        .map_err(|error| Failure::of(ErrorCode::Internal, &error))?;
    let bound = consign_hub::bind(config, keyring, rebuilding(output)).await;
    let hub = bound.map_err(|error| unbound(error, &directory))?;
    output.note(format_args!(
        "consign hub: ready on {} ({}), pid {}",
        hub.address(),
        directory.display(),
        std::process::id()
    ));
    Box::pin(hub.run(shutdown)).await?;
    output.note("consign hub: stopped");
    Ok(exit::DONE)
}

/// A hub that lacks its keys after a restore gets the old ones back: new ones would be another's.
fn unbound(error: HubError, directory: &Path) -> Failure {
    let lacks_keys = matches!(&error, HubError::Keys { source } if !is_closed(source));
    let restored = || matches!(consign_hub::standing(directory), Ok(Some(_)));
    let failure = Failure::from(error);
    if lacks_keys && restored() {
        failure.fix("put the hub's keys/*.key back from where they are kept, mode 600")
    } else {
        failure
    }
}

/// Whether a key is there and was not opened.
fn is_closed(fault: &KeyFault) -> bool {
    matches!(fault, KeyFault::Keyring(fault) if !fault.is_not_found())
}

/// Shows how far the index is made anew.
fn rebuilding(output: Output) -> impl Fn(usize, usize) + Send + Sync + 'static {
    let bar: Mutex<Option<ProgressBar>> = Mutex::new(None);
    move |done, all| {
        let mut bar = bar.lock().unwrap_or_else(PoisonError::into_inner);
        let shown = bar.get_or_insert_with(|| output.spinner("making the index anew"));
        shown.set_message(format!("making the index anew: segment {done} of {all}"));
        if done >= all {
            shown.finish_and_clear();
        }
    }
}

/// A name or an IP address, and a port.
fn address(text: &str) -> Result<String, String> {
    let port = text
        .rsplit_once(':')
        .map(|(host, port)| (host, port.parse::<u16>()));
    match port {
        Some((host, Ok(port))) if !host.is_empty() && port > 0 => Ok(text.to_owned()),
        _ => Err("write NAME:PORT, as hub.example.vn:4433".to_owned()),
    }
}

impl From<SetupError> for Failure {
    fn from(error: SetupError) -> Self {
        match &error {
            SetupError::Keyring(fault) => Self::of(fault.code(), &error).fix(keys::fix(fault)),
            SetupError::OtherKind { .. } => Self::of(ErrorCode::Usage, &error).fix(
                "leave --time-stamp-key out, or rename the key and have another one certified: \
                 consign hub init --help",
            ),
            SetupError::Lock { .. } => {
                Self::of(ErrorCode::Usage, &error).fix("stop the process that runs there")
            }
            _ => Self::of(ErrorCode::Usage, &error).fix("see: consign hub --help"),
        }
    }
}

impl From<HubError> for Failure {
    fn from(error: HubError) -> Self {
        let failure = Self::of(error.code(), &error);
        match error {
            HubError::Keys {
                source: KeyFault::Keyring(fault),
            } if !fault.is_not_found() => failure.fix(keys::fix(&fault)),
            HubError::Directory { .. } => failure.fix("publish one: consign authority publish"),
            HubError::Keys { .. } | HubError::Trust { .. } => {
                failure.fix("enrol the hub: consign hub init, authority issue, hub install")
            }
            HubError::Listen { .. } => failure.fix("stop the other process, or change hub.toml"),
            HubError::Lock { .. } => failure.fix("stop the process that runs there"),
            _ => failure,
        }
    }
}
