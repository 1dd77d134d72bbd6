//! An agency is renamed and moves to another node, by the commands of the guide: what was sent and
//! archived before stays good, and what is on its way arrives where it is now.

#![expect(
    clippy::indexing_slicing,
    reason = "only JSON values are indexed, which answer with null where there is nothing"
)]

use std::fs;

use anyhow::{Context as _, Result, ensure};
use consign_tests::network::{ARRIVAL, README};
use consign_tests::program::Invocation;
use consign_tests::scratch::in_scratch;
use consign_tests::waiting::until;
use consign_tests::{Network, material};
use serde_json::Value;

const TRUST: &str = "authority/trust/trust.json";

#[test]
fn an_agency_that_is_renamed_and_moves_keeps_what_it_has_and_gets_what_is_on_its_way() -> Result<()>
{
    in_scratch("reforms", |scratch| {
        scratch.write("letter.pdf", material::pdf("reform"))?;
        let mut network = Network::found(scratch, README)?;
        let from_it = sent(&network, "node-a", "H49.13", "H49.20", "handover")?;
        let to_it = sent(&network, "node-b", "H49.20", "H49.13", "handover")?;
        let archives = [("node-a", "H49.13", &from_it), ("node-b", "H49.20", &to_it)];
        for (node, agency, id) in archives {
            until("it is archived", ARRIVAL, || {
                let line = format!("node archive renew {id} --node {node} --agency {agency} --now");
                Ok((network.ask(&line)?["failed"] == 0).then_some(()))
            })?;
            let line =
                format!("export {id} --archive -o {id}.asice --node {node} --agency {agency}");
            network.ask(&line)?;
        }
        let all_stay_good = |network: &Network<'_>| -> Result<()> {
            for (_, _, id) in archives {
                passed(network, &format!("{id}.asice"))?;
            }
            Ok(())
        };

        let renamed = "authority rename H49.13 --code H49.31 --name 'Sở Nội vụ và Lao động' \
                       --publish --dir authority";
        published(&network, renamed)?;
        all_stay_good(&network)?;
        // Who writes to the old code is told the new one.
        let line = "send letter.pdf --node node-b --from H49.20 --to H49.13 --subject 'Về việc'";
        let refused = network.consign(&format!("{line} --json"))?;
        refused.refused(1, "recipient-unknown")?;
        ensure!(refused.to_string().contains("now H49.31"), "{refused}");
        sent(&network, "node-b", "H49.20", "H49.31", "handover")?;
        let renamed = sent(&network, "node-a", "H49.31", "H49.20", "handover")?;
        exported(&network, "node-b", "H49.20", &renamed)?;
        passed(&network, "letter.asice")?;

        // One document is on its way when the agency moves.
        network.node(0)?.stop()?;
        let on_its_way = sent(&network, "node-b", "H49.20", "H49.31", "accepted")?;
        network.node(1)?.stop()?;
        for line in [
            "cp -a node-a/agencies/H49.13 node-b/agencies/",
            "mv node-a/agencies/H49.13 old",
        ] {
            let shell = Invocation::of("sh").args(["-e", "-c", line]);
            shell.stand_in(scratch.path()).run()?.good()?;
        }
        let shown = network.ask("authority show authority")?;
        let nodes = shown["nodes"].as_array().context("nodes")?;
        let other = nodes.iter().find(|node| node["name"] == "Sở Tài chính");
        let other = other
            .and_then(|node| node["id"].as_str())
            .context("an id")?;
        network.ask(&format!(
            "authority move H49.31 {other} --publish --dir authority"
        ))?;
        network.node(0)?.start_again()?;
        network.node(1)?.start_again()?;
        network.wait_until_received("node-b", "H49.31", &on_its_way)?;
        network.wait_until_handed_over("node-b", "H49.20", &on_its_way)?;
        sent(&network, "node-a", "H49", "H49.31", "handover")?;
        sent(&network, "node-b", "H49.31", "H49", "handover")?;
        // What it had before it has here.
        exported(&network, "node-b", "H49.31", &from_it)?;
        passed(&network, "letter.asice")?;
        let old = material::files_below(&scratch.join("old"))?.len();
        ensure!(old > 0, "the old directory is kept by whoever moved it");
        all_stay_good(&network)
    })
}

fn sent(network: &Network<'_>, node: &str, from: &str, to: &str, wait: &str) -> Result<String> {
    let line = format!(
        "send letter.pdf --node {node} --from {from} --to {to} --subject 'Về việc sắp xếp' \
         --wait {wait}"
    );
    let answer = network.ask(&line)?;
    let id = answer["id"].as_str().context("an id")?;
    Ok(id.to_owned())
}

fn exported(network: &Network<'_>, node: &str, agency: &str, id: &str) -> Result<()> {
    let path = network.join("letter.asice");
    if path.exists() {
        fs::remove_file(&path)?;
    }
    let line = format!("export {id} -o letter.asice --node {node} --agency {agency}");
    network.ask(&line).map(drop)
}

fn passed(network: &Network<'_>, file: &str) -> Result<Value> {
    let answer = network.consign(&format!("verify {file} --trust {TRUST} --json"))?;
    ensure!(answer.code == Some(0), "{answer}");
    answer.json()
}

/// The directory that an operator publishes has arrived.
fn published(network: &Network<'_>, line: &str) -> Result<()> {
    let answer = network.ask(line)?;
    let version = answer["version"].as_u64().context("a version")?;
    for node in ["node-a", "node-b"] {
        until("the directory has arrived", ARRIVAL, || {
            let status = network.ask(&format!("status --node {node}"))?;
            Ok((status["directory_version"].as_u64() >= Some(version)).then_some(()))
        })?;
    }
    Ok(())
}
