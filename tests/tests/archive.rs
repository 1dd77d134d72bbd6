//! The long-term archive, on the real binary: made by the nodes themselves, renewed by command, and
//! read by Python and `openssl` alone.

#![expect(
    clippy::indexing_slicing,
    reason = "only JSON values are indexed, which answer with null where there is nothing"
)]

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result, ensure};
use consign_tests::network::{ARRIVAL, README};
use consign_tests::program::Invocation;
use consign_tests::scratch::in_scratch;
use consign_tests::waiting::until;
use consign_tests::{Network, Scratch, material, outside};
use serde_json::Value;

const TRUST: &str = "authority/trust/trust.json";
const ROOTS: &str = "authority/trust/trust.pem";
const SENDER: &str = "--node node-a --agency H49";
const RECIPIENT: &str = "--node node-b";

#[test]
fn a_document_is_archived_on_both_sides_renewed_and_judged_without_us() -> Result<()> {
    in_scratch("archive", |scratch| {
        scratch.write("letter.pdf", material::pdf("archive"))?;
        let network = Network::found(scratch, README)?;
        // Bundles bring the directory alone; the lists come from the hub.
        until("the lists have come", ARRIVAL, || {
            let lists = ["node-a", "node-b"].iter().flat_map(|node| {
                ["root.crl", "issuing.crl"].map(|name| format!("{node}/trust/crl/{name}"))
            });
            let mut lists = lists.map(|list| scratch.join(list));
            Ok(lists.all(|list| list.is_file()).then_some(()))
        })?;
        let sent = network.ask(
            "send letter.pdf --node node-a --from H49 --to H49.20 --subject 'Lưu trữ' \
             --wait handover",
        )?;
        let id = sent["id"].as_str().context("an id")?.to_owned();
        for side in [SENDER, RECIPIENT] {
            until("it is archived", ARRIVAL, || {
                let status = network.ask(&format!("status {}", node_of(side)))?;
                Ok((status["agencies"][0]["archived"] == 1).then_some(()))
            })?;
        }
        let first = exported(&network, &id, SENDER, "first.asice")?;
        let received = exported(&network, &id, RECIPIENT, "received.asice")?;
        let container = fs::read(plain(&network, &id)?)?;
        for (archive, name) in [(&first, "first"), (&received, "received")] {
            let layers = stock_tools_accept(scratch, archive, name)?;
            ensure!(layers == 1, "{layers} time-stamps in {name}");
            let inside = scratch.join(name).join("container.asice");
            ensure!(fs::read(&inside)? == container, "the container in {name}");
            outside::container(&inside, &scratch.join(format!("{name}-inside")))?;
            passed(scratch, archive, TRUST)?;
            // The lists are in it: nothing else is needed but the roots.
            passed(scratch, archive, ROOTS)?;
        }

        let line = format!("node archive renew {id} {SENDER}");
        let would = network.ask(&format!("{line} --dry-run"))?;
        ensure!(would["documents"][0]["outcome"] == "would-renew", "{would}");
        let renewed = network.ask(&line)?;
        ensure!(
            renewed["renewed"] == 1 && renewed["failed"] == 0,
            "{renewed}"
        );
        let second = exported(&network, &id, SENDER, "second.asice")?;
        let layers = stock_tools_accept(scratch, &second, "second")?;
        ensure!(layers == 2, "{layers} time-stamps");
        let inside = fs::read(scratch.join("second/container.asice"))?;
        ensure!(inside == container, "the container is as it was");
        let verdict = passed(scratch, &second, TRUST)?;
        ensure!(verdict["kind"] == "archive", "{verdict}");
        ensure!(
            verdict["stamps"].as_array().map(Vec::len) == Some(2),
            "{verdict}"
        );
        passed(scratch, &second, ROOTS)?;
        changed_bytes_are_seen(scratch, &second)?;
        guide_works(scratch, &first)?;

        // Another time-stamp by the same authority and digest would serve nothing.
        let all = network.ask("node archive renew --all --node node-a")?;
        ensure!(
            all["renewed"] == 0 && all["documents"][0]["outcome"] == "no-longer",
            "{all}"
        );

        // Nothing is due, so nothing is done.
        let due = network.ask("node archive renew --node node-a")?;
        ensure!(
            due["documents"].as_array().is_some_and(Vec::is_empty),
            "{due}"
        );
        Ok(())
    })
}

fn node_of(side: &str) -> &str {
    side.split(" --agency").next().unwrap_or(side)
}

fn exported(network: &Network<'_>, id: &str, side: &str, name: &str) -> Result<PathBuf> {
    let files = network.ask(&format!("export {id} --archive -o {name} {side}"))?;
    ensure!(
        files["files"].as_array().map(Vec::len) == Some(1),
        "{files}"
    );
    Ok(network.join(name))
}

fn plain(network: &Network<'_>, id: &str) -> Result<PathBuf> {
    network.ask(&format!("export {id} -o letter.asice {SENDER}"))?;
    Ok(network.join("letter.asice"))
}

/// Python reads every file and digest, and `openssl` each token over its manifest; says how many.
fn stock_tools_accept(scratch: &Scratch, archive: &Path, name: &str) -> Result<usize> {
    let to = scratch.join(name);
    let found = outside::archive(archive, &to)?;
    let layers = found["layers"].as_array().context("layers")?;
    let text = |value: &Value| value.as_str().map(str::to_owned).context("a name");
    let roots = scratch.join(ROOTS);
    for layer in layers {
        let manifest = to.join(text(&layer["manifest"])?);
        let token = to.join(text(&layer["token"])?);
        let good = outside::time_stamp(&manifest, &token, &roots)?;
        ensure!(good.is_good(), "{good}");
        let other = outside::time_stamp(&to.join("mimetype"), &token, &roots)?;
        ensure!(!other.is_good(), "{other}");
    }
    Ok(layers.len())
}

fn passed(scratch: &Scratch, archive: &Path, trust: &str) -> Result<Value> {
    let line = format!("verify {} --trust {trust} --json", archive.display());
    let answer = scratch.consign(&line)?;
    ensure!(answer.code == Some(0), "{answer}");
    let verdict = answer.json()?;
    ensure!(verdict["verdict"] == "TOTAL-PASSED", "{verdict}");
    Ok(verdict)
}

/// One byte in each part of the file: of the document, of a statement, of manifest and token.
fn changed_bytes_are_seen(scratch: &Scratch, archive: &Path) -> Result<()> {
    let bytes = fs::read(archive)?;
    let parts: [&[u8]; 4] = [
        b"%PDF-",
        b"consign/evidence/v1",
        b"ASiCManifest xmlns",
        b"Rootfile",
    ];
    let places = parts
        .iter()
        .filter_map(|part| bytes.windows(part.len()).position(|window| window == *part));
    let places: Vec<usize> = places.chain([bytes.len() / 2, bytes.len() - 30]).collect();
    ensure!(places.len() == 6, "{places:?}");
    for place in places {
        let mut changed = bytes.clone();
        if let Some(byte) = changed.get_mut(place) {
            *byte ^= 1;
        }
        scratch.write("changed.asice", &changed)?;
        let answer = scratch.consign(&format!("verify changed.asice --trust {TRUST}"))?;
        ensure!(
            matches!(answer.code, Some(10 | 12)),
            "byte {place}: {answer}"
        );
    }
    Ok(())
}

/// The guide's commands, as they stand.
fn guide_works(scratch: &Scratch, archive: &Path) -> Result<()> {
    let guide = Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs/ARCHIVE.md");
    let guide = fs::read_to_string(guide)?;
    let (_, section) = guide
        .split_once("## Check it without us")
        .context("the heading is there")?;
    fs::copy(archive, scratch.join("letter.archive.asice"))?;
    fs::copy(scratch.join(ROOTS), scratch.join("trust.pem"))?;
    let mut blocks = 0;
    for block in section.split("```sh\n").skip(1).take(2) {
        let (block, _) = block.split_once("```").context("the block ends")?;
        let shell = Invocation::of("sh").args(["-e", "-c", block]);
        let answer = shell.stand_in(scratch.path()).run()?.good()?;
        let is_first = blocks == 0;
        ensure!(
            !is_first
                || answer
                    .text()
                    .contains("container.asice is as it was archived"),
            "{answer}"
        );
        blocks += 1;
    }
    ensure!(blocks == 2, "{blocks} blocks");
    Ok(())
}
