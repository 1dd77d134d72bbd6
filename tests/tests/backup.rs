//! The drill: a hub and a node are lost, and come back from their backups.

use std::fs;

use anyhow::{Context as _, Result, ensure};
use consign_tests::network::{ARRIVAL, README, inbox, sent};
use consign_tests::scratch::in_scratch;
use consign_tests::waiting::until;
use consign_tests::{Network, material, say};
use serde_json::Value;

const SEND: &str = "send letter.pdf --node node-a --from H49 --subject Lại";
const BOTH: &str = "--to H49.13,H49.20";

#[test]
fn a_lost_hub_comes_back_and_nothing_acknowledged_is_missing() -> Result<()> {
    in_scratch("hub backup", |scratch| {
        scratch.write("letter.pdf", material::pdf("backup"))?;
        let mut network = Network::found(scratch, README)?;
        let send = |network: &Network<'_>, to: &str, wait: &str| {
            id(&network.ask(&format!("{SEND} {to} --wait {wait}"))?)
        };
        let first = send(&network, BOTH, "handover")?;
        network.wait_until_received("node-b", "H49.20", &first)?;
        // One recipient is away: the hub holds this one for it.
        network.node(1)?.stop()?;
        let held = send(&network, BOTH, "accepted")?;
        network.wait_until_received("node-a", "H49.13", &held)?;

        let made = network.ask("hub backup create hub --to backup")?;
        ensure!(made["keys"] == false, "{made}");
        let verified = network.ask("hub backup verify backup")?;
        ensure!(
            verified["good"] == true && verified["envelopes"] == 2,
            "{verified}"
        );

        // What the backup does not have: one that is final, and one that is not.
        let complete = send(&network, "--to H49.13", "handover")?;
        network.wait_until_received("node-a", "H49.13", &complete)?;
        let open = send(&network, BOTH, "accepted")?;
        network.wait_until_received("node-a", "H49.13", &open)?;

        network.hub.kill()?;
        fs::rename(scratch.join("hub"), scratch.join("lost"))?;
        let restored = network.ask("hub backup restore backup --to hub")?;
        ensure!(restored["keys"] == false, "{restored}");
        for key in ["tls.key", "statement.key", "time-stamp.key"] {
            fs::copy(
                scratch.join("lost/keys").join(key),
                scratch.join("hub/keys").join(key),
            )?;
        }
        network.hub.start_again()?;

        // It says so, accepts nothing, and delivers what it has.
        until("a node says that the hub is behind", ARRIVAL, || {
            let status = network.ask("status --node node-a")?;
            Ok((status["connection_code"] == "hub-behind").then_some(()))
        })?;
        let line = format!("{SEND} {BOTH} --wait accepted --timeout 3 --json");
        let answer = network.consign(&line)?;
        ensure!(answer.code == Some(1), "nothing is accepted:\n{answer}");
        let waiting = sent(scratch, "node-a", "H49")?;
        let waiting = id(waiting.first().context("it waits in the queue")?)?;
        network.node(1)?.start_again()?;
        until("what was held is delivered", ARRIVAL, || {
            let rows = inbox(scratch, "node-b", "H49.20")?;
            Ok(rows
                .iter()
                .any(|row| row["id"] == held.as_str())
                .then_some(()))
        })?;
        let known = until("a node has proven it", ARRIVAL, || {
            let said = network.ask("hub resume hub")?;
            let agencies = said["known"]["agencies"].as_object().cloned();
            let agencies = agencies.unwrap_or_default();
            let proven = agencies.values().any(|claim| claim["proven"] == true);
            Ok(proven.then_some(said))
        })?;
        ensure!(known["behind"] == true, "{known}");
        let running = network.consign("hub resume hub --yes")?;
        ensure!(running.code == Some(2), "not while it runs:\n{running}");

        // The operator decides, and everything goes on.
        network.hub.stop()?;
        let decided = network.ask("hub resume hub --yes")?;
        ensure!(decided["decision"]["number"] == 1, "{decided}");
        network.hub.start_again()?;
        for id in [&held, &open, &waiting] {
            network.wait_until_handed_over("node-a", "H49", id)?;
            network.wait_until_received("node-a", "H49.13", id)?;
            network.wait_until_received("node-b", "H49.20", id)?;
        }
        let last = send(&network, BOTH, "handover")?;
        network.wait_until_received("node-b", "H49.20", &last)?;
        let here = [&first, &held, &complete, &open, &waiting, &last];
        once(&inbox(scratch, "node-a", "H49.13")?, &here)?;
        let there = [&first, &held, &open, &waiting, &last];
        once(&inbox(scratch, "node-b", "H49.20")?, &there)?;
        for row in sent(scratch, "node-a", "H49")? {
            ensure!(row["state"] == "final", "{row}");
        }
        until("both nodes have sent again what there was", ARRIVAL, || {
            let heeded = |node: &str| scratch.join(node).join("resumed.json").exists();
            Ok((heeded("node-a") && heeded("node-b")).then_some(()))
        })?;
        say("the hub was lost after its backup: 0 documents missing, 0 seen twice");
        Ok(())
    })
}

#[test]
fn a_lost_node_comes_back_and_gets_again_what_came_since() -> Result<()> {
    in_scratch("node backup", |scratch| {
        scratch.write("letter.pdf", material::pdf("backup"))?;
        let mut network = Network::found(scratch, README)?;
        let send =
            |network: &Network<'_>| id(&network.ask(&format!("{SEND} {BOTH} --wait handover"))?);
        let first = send(&network)?;
        network.wait_until_received("node-b", "H49.20", &first)?;
        let made = network.ask("node backup create node-b --to backup")?;
        ensure!(made["envelopes"] == 1 && made["keys"] == true, "{made}");
        ensure!(
            network.ask("node backup verify backup")?["good"] == true,
            "good"
        );
        let second = send(&network)?;
        network.wait_until_received("node-b", "H49.20", &second)?;

        network.node(1)?.kill()?;
        fs::rename(scratch.join("node-b"), scratch.join("lost"))?;
        network.ask("node backup restore backup --to node-b")?;
        network.node(1)?.start_again()?;
        network.wait_until_received("node-b", "H49.20", &first)?;
        network.wait_until_received("node-b", "H49.20", &second)?;
        let third = send(&network)?;
        network.wait_until_received("node-b", "H49.20", &third)?;
        once(
            &inbox(scratch, "node-b", "H49.20")?,
            &[&first, &second, &third],
        )?;

        // A backup with a changed byte is told from a good one, and is not restored.
        let copy = scratch.join("backup/files/trust/trust.json");
        let mut bytes = fs::read(&copy)?;
        if let Some(byte) = bytes.get_mut(20) {
            *byte ^= 1;
        }
        fs::write(&copy, bytes)?;
        let verified = network.consign("node backup verify backup --json")?;
        ensure!(verified.code == Some(1), "{verified}");
        let restored = network.consign("node backup restore backup --to again")?;
        ensure!(restored.code == Some(1), "{restored}");
        ensure!(!scratch.join("again").exists(), "nothing was restored");
        Ok(())
    })
}

/// That these documents, and no others, are listed as opened, each once.
fn once(rows: &[Value], ids: &[&String]) -> Result<()> {
    for wanted in ids {
        let count = rows
            .iter()
            .filter(|row| row["id"] == wanted.as_str())
            .count();
        ensure!(count == 1, "{wanted} is listed {count} times: {rows:?}");
    }
    ensure!(rows.len() == ids.len(), "others are listed: {rows:?}");
    let closed = rows.iter().find(|row| row["state"] != "opened");
    ensure!(closed.is_none(), "{closed:?}");
    Ok(())
}

fn id(value: &Value) -> Result<String> {
    let id = value["id"]
        .as_str()
        .with_context(|| format!("no id: {value}"))?;
    Ok(id.to_owned())
}
