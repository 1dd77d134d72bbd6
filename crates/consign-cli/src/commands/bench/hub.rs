//! `consign bench hub`.

use std::path::PathBuf;

use clap::{Args, ValueEnum, value_parser};
use consign_lab::bench::load::{self, Figures, Report};
use consign_lab::bench::{Place, Setting, fan_out, idle, large, restart, retention, soak};

use super::watch::Bars;
use super::{bytes, program, show};
use crate::commands::Outcome;
use crate::failure::{Failure, exit};
use crate::output::{Output, Tone};

/// Measure a hub with simulated nodes.
#[derive(Debug, Args)]
#[command(after_help = "Examples:
  consign bench hub
  consign bench hub --nodes 16 --in-flight 256 --size 2KiB --seconds 10 --json
  consign bench hub --size 100KiB --runs 5
  consign bench hub --scenario fan-out
  consign bench hub --scenario large --size 2GiB

The hub is this program in a process of its own (consign hub run), as configured by hub init but
for the quotas of a sender, which are lifted: few senders stand for many. It has a fresh directory.
The nodes are simulated in this process: each has its own certificate and keys, listed in a
published directory, connects by mutual TLS 1.3 and speaks the protocol; it keeps nothing on disk
and opens nothing. Documents are sealed before the clock starts. A sender's documents share one
payload ciphertext; each has an id, wraps and a signed envelope of its own. Recipients compare all
that arrives with what was sent and sign each receipt anew; acceptances are matched to their
calls, their signatures are not verified.

load      Phase 1, accept: a document is done when the hub's signed acceptance is there; nobody
          collects. Phase 2, settle: it is done when it was accepted, delivered, signed for by its
          recipients, settled, its wraps were released, and the receipts were delivered to its
          sender. Each phase begins with an empty store. What is under way at its end is not
          counted and must be settled all the same. cpu_ms_per_document,
          bytes_written_per_document and rss_mib are the hub's of phase 2; latencies are of
          phase 1, from submission to the signed acceptance. The limits are one thread's, measured
          before while the machine is idle: strict Ed25519 verifications and signatures of 900
          bytes, a 4 KiB append with fdatasync, and a raw journal of 2 KiB records, 256 to an
          fdatasync.
fan-out   One document after the other to all --nodes, which are connected: the hub's processor
          time until its acceptance is there, and the time until the last receipt is.
idle      --nodes connected nodes with nothing to say: memory and processor time.
restart   --documents envelopes come in and stay; the time from the start of the process until nodes
          can connect, after a stop in order, after kill -9, and without an index. What is read was
          written just before and mostly lies in the system's memory.
large     One payload of --size, from the first byte uploaded until the receiver has checked its
          digest. It is noise, made while it is sent.
soak      --documents go all the way through; the hub's memory is watched: after a tenth, at the
          end, at its peak, and how it grows over the second half. All of them are kept, and so is
          the index over them. Growth by the million says little below some 100,000 documents.
retention --documents go into a store, nine of ten of them settled, without a hub and with records
          that only have the sizes of real ones; the clock is moved beyond the times for which they
          are kept: what is left on the disk. The bound is twice what is live (open documents) and
          two segments. Four segments of 64 MiB are there however little a store holds: the one
          that is written and three made in advance, two of which let a full disk settle what is
          open. So fewer than some 200,000 documents are above the bound.")]
pub(crate) struct Hub {
    /// What is measured
    #[arg(long, value_enum, default_value_t = Scenario::Load)]
    scenario: Scenario,
    /// How many nodes, each with one agency [default: 16; fan-out and idle: 900]
    #[arg(long, value_name = "N", value_parser = value_parser!(u16).range(2..=998))]
    nodes: Option<u16>,
    /// Documents under way at one time, of all nodes together [default: 256]
    #[arg(long, value_name = "N", value_parser = value_parser!(u32).range(1..=100_000))]
    in_flight: Option<u32>,
    /// The payload's size, as 2048, 100KiB, 2GiB: at most 256KiB, for large at most 4GiB
    /// [default: 2KiB; large: 2GiB]
    #[arg(long, value_name = "BYTES", value_parser = bytes)]
    size: Option<u64>,
    /// Recipients of each document [default: 1; fan-out: all nodes]
    #[arg(long, value_name = "N", value_parser = value_parser!(u16).range(1..=997))]
    recipients: Option<u16>,
    /// How long each phase of load lasts, or idle [default: 10]
    #[arg(long, value_name = "S", value_parser = value_parser!(u64).range(1..=3600))]
    seconds: Option<u64>,
    /// How many documents restart, soak and retention take [default: 1000000]
    #[arg(long, value_name = "N", value_parser = value_parser!(u64).range(1..=100_000_000))]
    documents: Option<u64>,
    /// Print the medians of so many runs of load [default: 1]
    #[arg(long, value_name = "N", value_parser = value_parser!(u16).range(1..=100))]
    runs: Option<u16>,
    /// An empty directory on a disk, which is kept; a fresh one in the present directory, which is
    /// removed, where it is left out
    #[arg(long, value_name = "DIR")]
    dir: Option<PathBuf>,
}

/// What is measured.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Scenario {
    /// Documents a second: accepted, and settled
    Load,
    /// One document to everybody
    FanOut,
    /// Connected nodes with nothing to say
    Idle,
    /// Starting with many envelopes
    Restart,
    /// One large payload
    Large,
    /// Memory while very many documents pass through
    Soak,
    /// What is left on the disk of what is final and past its time
    Retention,
}

impl Hub {
    /// An option that says nothing to a scenario is a mistake.
    fn check(&self) -> Result<(), Failure> {
        use Scenario::{FanOut, Idle, Large, Load, Restart, Retention, Soak};
        let options: [(&str, bool, &[Scenario]); 7] = [
            (
                "--nodes",
                self.nodes.is_some(),
                &[Load, FanOut, Idle, Restart, Soak],
            ),
            (
                "--in-flight",
                self.in_flight.is_some(),
                &[Load, Restart, Soak],
            ),
            (
                "--size",
                self.size.is_some(),
                &[Load, FanOut, Restart, Large, Soak, Retention],
            ),
            (
                "--recipients",
                self.recipients.is_some(),
                &[Load, Restart, Soak],
            ),
            ("--seconds", self.seconds.is_some(), &[Load, Idle]),
            (
                "--documents",
                self.documents.is_some(),
                &[Restart, Soak, Retention],
            ),
            ("--runs", self.runs.is_some(), &[Load]),
        ];
        let stray = options
            .into_iter()
            .find(|(_, given, takes)| *given && !takes.contains(&self.scenario));
        let Some((option, _, takes)) = stray else {
            return Ok(());
        };
        let name = |scenario: &Scenario| {
            let value = scenario.to_possible_value();
            value
                .map(|value| value.get_name().to_owned())
                .unwrap_or_default()
        };
        let takes: Vec<String> = takes.iter().map(name).collect();
        let message = format!(
            "{option} says nothing to the scenario {}",
            name(&self.scenario)
        );
        Err(Failure::usage(
            message,
            format!("leave it out; it is for: {}", takes.join(", ")),
        ))
    }

    fn setting(&self) -> Result<Setting, Failure> {
        self.check()?;
        let everybody = matches!(self.scenario, Scenario::FanOut | Scenario::Idle);
        let nodes = self.nodes.unwrap_or(if everybody { 900 } else { 16 });
        let size = match self.scenario {
            Scenario::Large => 0,
            _ => inline(self.size.unwrap_or(2048))?,
        };
        Ok(Setting {
            program: program()?,
            nodes: nodes.into(),
            in_flight: usize::try_from(self.in_flight.unwrap_or(256)).unwrap_or(usize::MAX),
            size,
            recipients: self.recipients.unwrap_or(1).into(),
            seconds: self.seconds.unwrap_or(10),
        })
    }
}

/// Measures and prints.
pub(super) async fn run(arguments: Hub, output: Output) -> Outcome {
    let setting = arguments.setting()?;
    let place = Place::new(arguments.dir.as_deref())?;
    let bars = Bars::new();
    let watch = |progress| bars.show(progress);
    let documents = arguments.documents.unwrap_or(1_000_000);
    match arguments.scenario {
        Scenario::Load => {
            let measured = load::run(&setting, &place, arguments.runs.unwrap_or(1).into(), &watch);
            let report = Box::pin(measured).await?;
            bars.clear();
            print(&report, output);
            output.object(true, &report);
            Ok(exit::DONE)
        }
        Scenario::FanOut => show(
            &Box::pin(fan_out::run(&setting, &place, &watch)).await?,
            &bars,
            output,
        ),
        Scenario::Idle => show(
            &Box::pin(idle::run(&setting, &place, &watch)).await?,
            &bars,
            output,
        ),
        Scenario::Restart => {
            let measured = restart::run(&setting, documents, &place, &watch);
            show(&Box::pin(measured).await?, &bars, output)
        }
        Scenario::Large => {
            let size = uploaded(arguments.size.unwrap_or(2 << 30))?;
            let measured = large::run(&setting, size, &place, &watch);
            show(&Box::pin(measured).await?, &bars, output)
        }
        Scenario::Soak => {
            let measured = soak::run(&setting, documents, &place, &watch);
            show(&Box::pin(measured).await?, &bars, output)
        }
        Scenario::Retention => {
            let report = retention::run(&setting, documents, &place, &watch)?;
            show(&report, &bars, output)
        }
    }
}

/// The largest payload that an envelope may name.
fn uploaded(size: u64) -> Result<u64, Failure> {
    let most = consign_domain::limits::MAX_PAYLOAD;
    if (1..=most).contains(&size) {
        return Ok(size);
    }
    let message = format!("a payload has 1 to {most} bytes, not {size}");
    Err(Failure::usage(message, "name a size up to 4GiB"))
}

/// Larger payloads are uploaded first, one by one.
fn inline(size: u64) -> Result<usize, Failure> {
    let most = consign_domain::limits::MAX_INLINE_PAYLOAD;
    let fits = usize::try_from(size).ok().filter(|_| size <= most);
    fits.ok_or_else(|| {
        let message = format!("{size} bytes are more than travel inside a message ({most})");
        Failure::usage(message, "name a size up to 256KiB, or: --scenario large")
    })
}

fn print(report: &Report, output: Output) {
    let headings = ["", "ACCEPT", "SETTLE"];
    output.table(&headings, &rows(&report.accept, &report.settle), "");
    output.line("");
    let (limits, ratio) = (report.limits, report.ratio);
    let rows = [
        row(
            "Ed25519 verify/s",
            [limits.verify_per_s, ratio.accepted_to_verify],
            2,
        ),
        row(
            "Ed25519 sign/s",
            [limits.sign_per_s, ratio.accepted_to_sign],
            2,
        ),
        row(
            "raw journal/s",
            [limits.journal_per_s, ratio.accepted_to_journal],
            2,
        ),
        row("fdatasync ms", [limits.fsync_ms, ratio.p50_to_fsync], 2),
    ];
    let headings = ["ONE THREAD, IDLE", "LIMIT", "RATIO"];
    output.table(&headings, &rows, "");
    output.line("");
    output.line(
        "ACCEPT: documents are done when the hub's signed acceptance is there; nobody collects.",
    );
    output.line(
        "SETTLE: they are delivered, signed for and settled as well. RATIO: accepted/s to the",
    );
    output.line("limit, and the median latency of an acceptance to one fdatasync.");
    let note = format!(
        "{} run(s), {} processors, on {}",
        report.runs, report.processors, report.file_system
    );
    output.line(output.paint(Tone::Faint, note));
}

/// A figure of both phases.
type Line = (&'static str, fn(&Figures) -> f64, usize);

fn rows(accept: &Figures, settle: &Figures) -> Vec<Vec<String>> {
    let lines: [Line; 13] = [
        ("accepted/s", |figures| figures.accepted_per_s, 0),
        ("delivered/s", |figures| figures.delivered_per_s, 0),
        ("settled/s", |figures| figures.settled_per_s, 0),
        ("accepted, p50 ms", |figures| figures.p50_ms, 1),
        ("accepted, p99 ms", |figures| figures.p99_ms, 1),
        ("accepted, max ms", |figures| figures.max_ms, 1),
        ("settled, p50 ms", |figures| figures.settled_p50_ms, 1),
        ("settled, p99 ms", |figures| figures.settled_p99_ms, 1),
        (
            "hub CPU ms/document",
            |figures| figures.cpu_ms_per_document,
            3,
        ),
        (
            "bench CPU ms/document",
            |figures| figures.bench_cpu_ms_per_document,
            3,
        ),
        (
            "written bytes/document",
            |figures| figures.bytes_written_per_document,
            0,
        ),
        ("hub resident MiB", |figures| figures.rss_mib, 0),
        ("hub resident MiB, peak", |figures| figures.peak_rss_mib, 0),
    ];
    // Where nobody collects there is nothing to tell.
    let told = |figure: f64, digits| match format!("{figure:.digits$}") {
        _ if figure <= 0.0 => "-".to_owned(),
        figure => figure,
    };
    let line = |(name, figure, digits): &Line| {
        let figures = [figure(accept), figure(settle)].map(|it| told(it, *digits));
        std::iter::once((*name).to_owned()).chain(figures).collect()
    };
    lines.iter().map(line).collect()
}

fn row(name: &str, figures: [f64; 2], digits: usize) -> Vec<String> {
    let figures = figures.map(|figure| format!("{figure:.digits$}"));
    std::iter::once(name.to_owned()).chain(figures).collect()
}
