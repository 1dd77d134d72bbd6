//! `consign demo`: authority, hub and agencies on this machine, and a document through it.
//!
//! Everything is real: the files are those that `authority`, `hub` and `node` make, the
//! services run on loopback with TLS, signatures and fsync on, and the document is sent
//! and looked at as any program does it, over each node's socket.

mod evidence;
mod exchange;
mod guide;

use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use clap::Args;
use consign_domain::ErrorCode;
use consign_lab::{LabError, Network, Plan, Running, Step};
use consign_runtime::clock::Clock;
use consign_runtime::entropy;
use consign_runtime::shutdown::{Shutdown, Tasks};
use consign_runtime::telemetry::{self, Format};
use serde::Serialize;

use self::exchange::Letter;
use super::{Outcome, absolute, now};
use crate::failure::{Failure, exit};
use crate::output::{Output, Tone};

/// Run a whole network on this machine and send a document through it.
#[derive(Debug, Args)]
#[command(after_help = "Examples:
  consign demo                                 stays up until Ctrl-C
  consign demo --once --json                   ends by itself; the last line is one object
  consign demo --agencies 5 --file letter.pdf --dir network

Run again with the same --dir, it opens the network that is there. CONSIGN_LOG=info shows what
the services log.")]
pub(crate) struct Demo {
    /// Where the network is founded, or was; a fresh temporary directory where it is left out
    #[arg(long, value_name = "DIR")]
    dir: Option<PathBuf>,
    /// End when the document has arrived everywhere
    #[arg(long)]
    once: bool,
    /// How many agencies; the first two share a node [default: 3]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u16).range(2..=200))]
    agencies: Option<u16>,
    /// Send this file instead of the sample letter
    #[arg(long, value_name = "PDF")]
    file: Option<PathBuf>,
}

/// How long the services have to stop.
const DRAIN: Duration = Duration::from_secs(45);

/// What `--json` prints; the form is fixed.
#[derive(Debug, Serialize)]
struct Answer {
    dir: PathBuf,
    trust: PathBuf,
    trust_pem: PathBuf,
    documents: Vec<Document>,
}

/// One document and everything that shows what became of it.
#[derive(Debug, Serialize)]
struct Document {
    id: String,
    from: String,
    container: PathBuf,
    payload: PathBuf,
    received: Vec<Received>,
    evidence: Vec<Proof>,
}

#[derive(Debug, Serialize)]
struct Received {
    agency: String,
    container: PathBuf,
}

#[derive(Debug, Serialize)]
struct Proof {
    event: String,
    by: String,
    statement: PathBuf,
    signature: PathBuf,
    public_key: PathBuf,
}

/// Steps as they happen, with the seconds since the start.
#[derive(Debug, Clone, Copy)]
struct Stage {
    output: Output,
    started: Instant,
}

impl Stage {
    fn step(self, what: &str, detail: impl std::fmt::Display) {
        let seconds = self.started.elapsed().as_secs_f64();
        let time = self
            .output
            .paint(Tone::Faint, format_args!("{seconds:6.2} s"));
        let what = self.output.paint(Tone::Strong, format_args!("{what:<12}"));
        self.output.step(format_args!("{time}  {what} {detail}"));
    }
}

/// Founds or opens the network, starts it, sends, shows, and stays up unless told otherwise.
pub(crate) async fn run(demo: Demo, output: Output) -> Outcome {
    let clock = Clock::system();
    let stage = Stage {
        output,
        started: clock.monotonic(),
    };
    let filter = std::env::var("CONSIGN_LOG").unwrap_or_else(|_| "error".to_owned());
    telemetry::init(Format::Text, &filter)?;
    let stop = Shutdown::new();
    let tasks = Tasks::new(stop.clone());
    stop.on_signals(&tasks)
        .map_err(|error| Failure::of(ErrorCode::Internal, &error))?;
    let file = demo.file.as_deref().map(readable).transpose()?;
    let (network, is_new) = open_or_found(&demo, stage)?;
    let letter = Letter::new(&network, file.as_deref(), is_new)?;
    let running = network.start(&clock).await?;
    let nodes = network.nodes().len();
    stage.step(
        "running",
        format_args!(
            "hub on {}, {nodes} nodes, in this process",
            running.hub_address()
        ),
    );
    let shown = tokio::select! {
        shown = Box::pin(exchange::show(&network, &running, letter, stage)) => shown,
        () = stop.wait() => Err(Failure::new(ErrorCode::Draining, "stopped before the end")),
        () = running.broken() => Err(Failure::new(ErrorCode::Internal, "a service has ended")),
    };
    let stayed = match shown {
        Ok(document) => stay(&network, &running, document, demo.once, &stop, output).await,
        Err(failure) => Err(failure),
    };
    let stopped = tokio::time::timeout(DRAIN, running.stop()).await;
    let late = |_| Failure::new(ErrorCode::Internal, "the network did not stop in time");
    let stopped = stopped.map_err(late).and_then(|stopped| Ok(stopped?));
    stayed.and(stopped).map(|()| exit::DONE)
}

/// Says what there is, and waits for Ctrl-C unless it is to end at once.
async fn stay(
    network: &Network,
    running: &Running,
    document: Document,
    once: bool,
    stop: &Shutdown,
    output: Output,
) -> Result<(), Failure> {
    guide::print(network, &document, once, output);
    let answer = Answer {
        dir: network.dir().to_owned(),
        trust: network.trust(),
        trust_pem: network.trust_pem(),
        documents: vec![document],
    };
    output.object(true, &answer);
    if once {
        return Ok(());
    }
    output.note("\nThe network stays up. Ctrl-C ends it; the files stay.");
    tokio::select! {
        () = stop.wait() => Ok(()),
        () = running.broken() => Err(Failure::new(ErrorCode::Internal, "a service has ended")),
    }
}

/// The network in the directory named, or a new one.
fn open_or_found(demo: &Demo, stage: Stage) -> Result<(Network, bool), Failure> {
    let dir = match &demo.dir {
        Some(dir) => absolute(dir),
        None => fresh()?,
    };
    if let Some(network) = Network::open(&dir)? {
        let (found, wanted) = (network.seats().len(), demo.agencies.map(usize::from));
        if let Some(wanted) = wanted.filter(|wanted| *wanted != found) {
            let path = dir;
            return Err(LabError::OtherPlan {
                path,
                found,
                wanted,
            }
            .into());
        }
        stage.step("opened", format_args!("the network in {}", dir.display()));
        return Ok((network, false));
    }
    let plan = Plan::with_agencies(demo.agencies.map_or(3, usize::from));
    let mut watch = |step: Step<'_>| founded(&step, stage);
    let network = Network::found(&dir, &plan, now(), &mut watch)?;
    Ok((network, true))
}

fn founded(step: &Step<'_>, stage: Stage) {
    match step {
        Step::Authority { dir } => {
            stage.step(
                "authority",
                format_args!("root, issuing and directory keys in {}", dir.display()),
            );
        }
        Step::Hub { dir, address } => {
            stage.step(
                "hub",
                format_args!("hub-1 at {address}, keys in {}", dir.display()),
            );
        }
        Step::Node { dir, agencies } => {
            let names = agencies.iter().map(|(code, name)| format!("{code} {name}"));
            let names: Vec<String> = names.collect();
            stage.step(
                "node",
                format_args!("{} in {}", names.join(", "), dir.display()),
            );
        }
        Step::Published { version, entries } => {
            stage.step(
                "directory",
                format_args!("version {version} signed, {entries} entries"),
            );
        }
        _ => {}
    }
}

/// A directory that nobody has yet.
fn fresh() -> Result<PathBuf, Failure> {
    let random: [u8; 4] =
        entropy::bytes().map_err(|error| Failure::of(ErrorCode::Internal, &error))?;
    let name = format!("consign-demo-{:08x}", u32::from_be_bytes(random));
    let dir = std::env::temp_dir().join(name);
    std::fs::create_dir(&dir).map_err(|error| Failure::io("create", &dir, &error))?;
    Ok(absolute(&dir))
}

fn readable(path: &Path) -> Result<PathBuf, Failure> {
    let found = std::fs::metadata(path).map_err(|error| Failure::io("read", path, &error))?;
    if found.is_file() {
        Ok(absolute(path))
    } else {
        let message = format!("{} is not a file", path.display());
        Err(Failure::usage(message, "name a PDF"))
    }
}

impl From<LabError> for Failure {
    fn from(error: LabError) -> Self {
        let failure = Self::of(error.code(), &error);
        match error {
            LabError::NotOurs { path } => Self::usage(
                format!("{} is not empty and is not an earlier demo", path.display()),
                "name a new directory, or leave --dir out: consign demo",
            ),
            LabError::OtherPlan { found, .. } => {
                failure.fix(format!("name another --dir, or: --agencies {found}"))
            }
            LabError::Hub(_) => failure.fix("end the demo that runs there, or name another --dir"),
            _ => failure,
        }
    }
}
