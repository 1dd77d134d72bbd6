//! Documents through killed processes and spoilt connections, and a judgement of what became of
//! them: `cargo run -p consign-tests --bin endure -- --documents 100000 --kills 200 --faults 1000`.
//!
//! Build the program first: `cargo build -p consign-cli`. About 200 KiB are needed for each
//! document where temporary files lie (`TMPDIR`). What is killed with -9 leaves the page cache
//! as it is: a file system in memory serves as well, and is ten times as fast.

use anyhow::{Context as _, Result, bail};
use consign_tests::endurance::{self, Plan};
use consign_tests::say;
use consign_tests::scratch::kept_on_failure;

const USAGE: &str =
    "endure [--documents N] [--kills N] [--faults N] [--nodes N] [--side-by-side N] [--seed N]";

fn main() -> Result<()> {
    if std::env::args().any(|word| word == "--help" || word == "-h") {
        say(USAGE);
        return Ok(());
    }
    let plan = plan(std::env::args().skip(1))?;
    say(format_args!(
        "{} documents, {} kills, {} faults of connections, seed {}",
        plan.documents, plan.kills, plan.faults, plan.seed
    ));
    kept_on_failure("endure", |scratch| {
        let figures = endurance::run(scratch, &plan)?;
        say(&figures);
        figures.judge(&plan)
    })
    .with_context(|| format!("again with --seed {}", plan.seed))
}

/// The plan of a command line.
fn plan(mut words: impl Iterator<Item = String>) -> Result<Plan> {
    let mut plan = Plan {
        documents: 10_000,
        kills: 20,
        faults: 100,
        nodes: 12,
        side_by_side: 8,
        seed: 1,
    };
    while let Some(word) = words.next() {
        let value = words.next().with_context(|| format!("{word}: {USAGE}"))?;
        let number: u64 = value
            .parse()
            .with_context(|| format!("{word} {value} is no number; {USAGE}"))?;
        let count = usize::try_from(number)?;
        match word.as_str() {
            "--documents" => plan.documents = count,
            "--kills" => plan.kills = count,
            "--faults" => plan.faults = number,
            "--nodes" => plan.nodes = count,
            "--side-by-side" => plan.side_by_side = count,
            "--seed" => plan.seed = number,
            _ => bail!("{word} is not known; {USAGE}"),
        }
    }
    Ok(plan)
}
