//! A short run of what the binary `endure` runs for hours.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result, ensure};
use consign_tests::endurance::{self, Plan};
use consign_tests::material::{changed, files_below};
use consign_tests::say;
use consign_tests::scratch::in_memory;

#[test]
fn a_thousand_documents_endure_kills_and_spoilt_connections() -> Result<()> {
    let plan = Plan {
        documents: 1_000,
        kills: 20,
        faults: 50,
        nodes: 8,
        side_by_side: 4,
        seed: 1,
    };
    in_memory("endure", |scratch| {
        let figures = endurance::run(scratch, &plan)?;
        say(&figures);
        figures
            .judge(&plan)
            .with_context(|| format!("seed {}", plan.seed))
    })
}

/// The judge is not blind: what is taken away, changed or swapped behind its back is found.
#[test]
fn the_judge_finds_what_is_wrong() -> Result<()> {
    let plan = Plan {
        documents: 60,
        kills: 0,
        faults: 0,
        nodes: 2,
        side_by_side: 2,
        seed: 2,
    };
    in_memory("the judge", |scratch| {
        let spoil = || {
            let agencies = scratch.join("node-b/agencies");
            let received = |agency: &str| first_received(&agencies.join(agency));
            fs::remove_file(received("H49.20")?.join("container.asice"))?;
            let signature = received("H49.21")?.join("receipt.sig");
            changed(&signature, &signature, 7, 1)?;
            swap_first_lines(&agencies.join("H49.22/cursor"))
        };
        let figures = endurance::run_spoilt(scratch, &plan, spoil)?;
        let found = &figures.judgement;
        say(&figures);
        ensure!(found.lost == 1, "one container was taken away");
        ensure!(found.conflicting == 1, "one receipt was changed");
        ensure!(found.disordered == 1, "two items were swapped");
        ensure!(found.twice == 0, "nothing was sent twice");
        ensure!(figures.judge(&plan).is_err(), "that is no good end");
        Ok(())
    })
}

/// The folder of a document that an agency received.
fn first_received(agency: &Path) -> Result<PathBuf> {
    let mut files = files_below(&agency.join("archive"))?.into_iter();
    let receipt = files.find(|path| path.ends_with("receipt.sig"));
    let receipt = receipt.context("it has received something")?;
    Ok(receipt.parent().context("it lies in a folder")?.to_owned())
}

/// Lets the first two items of an inbox change places.
fn swap_first_lines(cursor: &Path) -> Result<()> {
    let text = fs::read_to_string(cursor)?;
    let mut lines: Vec<&str> = text.lines().collect();
    ensure!(lines.len() >= 2, "it has two items");
    lines.swap(0, 1);
    Ok(fs::write(cursor, lines.join("\n") + "\n")?)
}
