//! A node killed between each of its steps: the document arrives, once.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};
use std::thread;
use std::time::Duration;

use anyhow::{Context as _, Result, ensure};
use consign_tests::network::{ARRIVAL, README, inbox};
use consign_tests::scratch::in_scratch;
use consign_tests::waiting::{until, watch};
use consign_tests::{Network, Scratch, material, say};

/// Files that the sender's steps leave, in their order.
const SENDING: [&str; 6] = [
    "compose.json",
    "container.asice",
    "payload.age",
    "envelope.sig",
    "acceptance.sig",
    "evidence",
];

/// Files that the recipient's steps leave, in their order.
const RECEIVING: [&str; 7] = [
    "item.sig",
    "payload.age",
    "receipt.sig",
    "wrap.age",
    "wrap.txt",
    "container.asice",
    "report.json",
];

/// Small ones travel inside a message, large ones are uploaded and fetched.
const LETTERS: [&str; 2] = ["small.pdf", "large.bin"];

#[test]
fn a_sending_node_killed_at_any_step_sends_once() -> Result<()> {
    in_scratch("steps of sending", |scratch| {
        let mut network = prepare(scratch)?;
        let mut ids = Vec::new();
        let mut repeated = 0;
        for (step, letter) in all(&SENDING) {
            let id = material::envelope_id()?;
            let line = line(letter, &id);
            thread::scope(|scope| -> Result<()> {
                let sending = scope.spawn(|| scratch.consign(&line));
                let home = scratch.join("node-a/agencies/H49");
                let killed = watch(&format!("{step} of {id}"), ARRIVAL, || {
                    Ok(is_there(&home, &id, step)?.then_some(()))
                });
                network.node(0)?.kill()?;
                let answer = sending
                    .join()
                    .map_err(|_| anyhow::anyhow!("sending panicked"))??;
                killed?;
                repeated += usize::from(!answer.is_good());
                network.node(0)?.start_again()
            })?;
            // What was not answered is repeated with the same id: the document is the same.
            let answer = scratch.consign(&line)?.good()?;
            ensure!(answer.json()?["id"] == *id, "{answer}");
            ids.push(id);
        }
        say(format_args!(
            "the sending node was killed at {} moments, {repeated} answers were lost",
            ids.len()
        ));
        arrive_once(&network, scratch, &ids)
    })
}

#[test]
fn a_receiving_node_killed_at_any_step_receives_once() -> Result<()> {
    in_scratch("steps of receiving", |scratch| {
        let mut network = prepare(scratch)?;
        let mut ids = Vec::new();
        for (step, letter) in all(&RECEIVING) {
            let id = material::envelope_id()?;
            let home = scratch.join("node-b/agencies/H49.20");
            // The number of the item is not known yet: whatever is new is it.
            let before = steps_in(&home, step)?;
            scratch.consign(&line(letter, &id))?.good()?;
            watch(&format!("{step} of {id}"), ARRIVAL, || {
                let now = steps_in(&home, step)?;
                Ok((!now.is_subset(&before)).then_some(()))
            })?;
            network.node(1)?.kill()?;
            network.node(1)?.start_again()?;
            ids.push(id);
            // The next one finds an inbox in order.
            network.wait_until_received("node-b", "H49.20", ids.last().context("an id")?)?;
        }
        say(format_args!(
            "the receiving node was killed at {} moments",
            ids.len()
        ));
        arrive_once(&network, scratch, &ids)?;
        receipts_are_the_same(scratch, &ids)
    })
}

fn prepare(scratch: &Scratch) -> Result<Network<'_>> {
    scratch.write("small.pdf", material::pdf("steps"))?;
    material::noise(&scratch.join("large.bin"), 3 << 20, 7)?;
    Network::found(scratch, README)
}

fn all<'a>(steps: &'a [&'a str]) -> impl Iterator<Item = (&'a str, &'static str)> {
    let with = |letter| move |step: &&'a str| (*step, letter);
    LETTERS
        .into_iter()
        .flat_map(move |letter| steps.iter().map(with(letter)))
}

fn line(letter: &str, id: &str) -> String {
    format!("send {letter} --node node-a --from H49 --to H49.20 --subject Bước --id {id} --json")
}

/// Whether the step of the envelope is done: in the outbox, or all of it in the archive.
fn is_there(home: &Path, id: &str, step: &str) -> Result<bool> {
    if home.join("outbox").join(id).join(step).exists() {
        return Ok(true);
    }
    let files = material::files_below(&home.join("archive"))?;
    Ok(files.iter().any(|path| path.iter().any(|part| part == id)))
}

fn is_step(path: &Path, step: &str) -> bool {
    path.iter().any(|part| part == step)
}

/// Files of a step below the inbox; items done are counted in the archive by their container.
fn steps_in(home: &Path, step: &str) -> Result<BTreeSet<PathBuf>> {
    let mut found = material::files_below(&home.join("inbox"))?;
    found.extend(material::files_below(&home.join("archive"))?);
    Ok(found
        .into_iter()
        .filter(|path| is_step(path, step))
        .collect())
}

fn arrive_once(network: &Network<'_>, scratch: &Scratch, ids: &[String]) -> Result<()> {
    for id in ids {
        network.wait_until_received("node-b", "H49.20", id)?;
        network.wait_until_handed_over("node-a", "H49", id)?;
    }
    let rows = inbox(scratch, "node-b", "H49.20")?;
    for id in ids {
        let times = rows.iter().filter(|row| row["id"] == **id).count();
        ensure!(times == 1, "{id} is listed {times} times");
    }
    let aside = material::files_below(&scratch.join("node-b/agencies/H49.20/aside"))?;
    ensure!(aside.is_empty(), "items were put aside: {aside:?}");
    ensure!(
        rows.len() == ids.len(),
        "{} rows for {} documents",
        rows.len(),
        ids.len()
    );
    say(format_args!("{} documents arrived, each once", ids.len()));
    Ok(())
}

/// What the recipient signed is what the sender has: a receipt is never made anew.
fn receipts_are_the_same(scratch: &Scratch, ids: &[String]) -> Result<()> {
    let sender = scratch.join("node-a/agencies/H49/archive");
    let recipient = scratch.join("node-b/agencies/H49.20/archive");
    for id in ids {
        let one = |below: &Path, is_it: &dyn Fn(&str) -> bool| -> Result<Option<Vec<u8>>> {
            let files = material::files_below(below)?;
            let found = files.iter().find(|path| {
                let name = path.file_name().unwrap_or_default().to_string_lossy();
                path.iter().any(|part| part == &**id) && is_it(&name)
            });
            Ok(found.map(fs::read).transpose()?)
        };
        let (has, signed) = until("both have the receipt", Duration::from_secs(20), || {
            let has = one(&sender, &|name| {
                name.contains("ContentHandover-") && name.ends_with(".json")
            })?;
            let signed = one(&recipient, &|name| name == "receipt.json")?;
            Ok(has.zip(signed))
        })?;
        ensure!(has == signed, "the receipts for {id} differ");
    }
    Ok(())
}
