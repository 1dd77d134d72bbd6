//! What is there before a stop is there after it; and a hub that was put back in time is
//! noticed before it does harm.

use std::fs;
use std::time::Duration;

use anyhow::{Context as _, Result, ensure};
use consign_tests::network::{ARRIVAL, README, inbox, sent};
use consign_tests::scratch::in_scratch;
use consign_tests::waiting::until;
use consign_tests::{Network, material, say};
use serde_json::Value;

const SEND: &str = "send letter.pdf --node node-a --from H49 --to H49.13,H49.20 --subject Lại";

#[test]
fn services_stopped_in_order_go_on_where_they_were() -> Result<()> {
    in_scratch("restart", |scratch| {
        scratch.write("letter.pdf", material::pdf("restart"))?;
        let mut network = Network::found(scratch, README)?;
        let first = id(&network.ask(&format!("{SEND} --wait handover"))?)?;
        network.wait_until_received("node-b", "H49.20", &first)?;
        let before = lists(&network)?;

        // The hub is away: documents wait in the queue, and the status says why.
        let status = network.hub.stop()?;
        ensure!(status.success(), "the hub stopped with {status}");
        let second = id(&network.ask(SEND)?)?;
        until("the node notices", ARRIVAL, || {
            let status = network.ask("status --node node-a")?;
            Ok((status["connection"] != "connected").then_some(()))
        })?;
        let waiting = network.ask(&format!("track {second} --node node-a --agency H49"))?;
        ensure!(waiting["sent"]["state"] == "sealed", "{waiting}");

        // So do nodes, in order and again.
        for node in 0..2 {
            let status = network.node(node)?.stop()?;
            ensure!(status.success(), "the node stopped with {status}");
            ensure!(
                !network.node(node)?.directory().join("run.json").exists(),
                "run.json"
            );
            network.node(node)?.start_again()?;
        }
        network.hub.start_again()?;
        network.wait_until_handed_over("node-a", "H49", &second)?;
        network.wait_until_received("node-b", "H49.20", &second)?;
        network.wait_until_received("node-a", "H49.13", &second)?;

        let after = lists(&network)?;
        for (before, after) in before.iter().zip(&after) {
            ensure!(after.len() == before.len() + 1, "one more in {after:?}");
            let missing = before.iter().find(|row| !after.contains(row));
            ensure!(missing.is_none(), "{missing:?} is not in {after:?}");
        }
        Ok(())
    })
}

/// The ids that each agency lists.
fn lists(network: &Network<'_>) -> Result<Vec<Vec<String>>> {
    let ids = |rows: Vec<Value>| rows.iter().map(id).collect::<Result<Vec<String>>>();
    Ok(vec![
        ids(sent(network.scratch(), "node-a", "H49")?)?,
        ids(inbox(network.scratch(), "node-a", "H49.13")?)?,
        ids(inbox(network.scratch(), "node-b", "H49.20")?)?,
    ])
}

#[test]
fn a_lost_index_is_made_again_from_the_files() -> Result<()> {
    in_scratch("reindex", |scratch| {
        scratch.write("letter.pdf", material::pdf("reindex"))?;
        let mut network = Network::found(scratch, README)?;
        let first = id(&network.ask(&format!("{SEND} --wait handover"))?)?;
        network.wait_until_received("node-a", "H49.13", &first)?;
        network.wait_until_handed_over("node-a", "H49", &first)?;
        let before = (
            inbox(scratch, "node-a", "H49.13")?,
            sent(scratch, "node-a", "H49")?,
        );
        network.node(0)?.stop()?;
        for end in ["", "-wal", "-shm"] {
            let _ = fs::remove_file(scratch.join(format!("node-a/index.sqlite{end}")));
        }
        network.ask("node reindex --node node-a")?;
        network.node(0)?.start_again()?;
        let after = (
            inbox(scratch, "node-a", "H49.13")?,
            sent(scratch, "node-a", "H49")?,
        );
        ensure!(before == after, "{before:?}\n is not\n{after:?}");

        // One that is damaged is left out and named.
        network.node(0)?.stop()?;
        let sent = material::files_below(&scratch.join("node-a/agencies/H49/archive"))?;
        let compose = sent.iter().find(|path| path.ends_with("compose.json"));
        let compose = compose.context("what was sent is archived")?;
        fs::write(compose, "no JSON")?;
        let answer = network.consign("node reindex --node node-a --json")?;
        ensure!(answer.code == Some(1), "it is said:\n{answer}");
        let rebuilt = answer.json()?;
        ensure!(rebuilt["envelopes"] == 1, "the index stands: {rebuilt}");
        let folder = rebuilt["left_out"][0]["folder"].as_str();
        let folder = folder.context("it is named")?;
        ensure!(compose.starts_with(folder), "{rebuilt}");
        Ok(())
    })
}

#[test]
fn a_hub_put_back_in_time_takes_nothing_new() -> Result<()> {
    in_scratch("hub behind", |scratch| {
        scratch.write("letter.pdf", material::pdf("behind"))?;
        let mut network = Network::found(scratch, README)?;
        let hub = scratch.join("hub");
        let (backup, newest) = (scratch.join("hub-backup"), scratch.join("hub-newest"));
        let first = id(&network.ask(&format!("{SEND} --wait handover"))?)?;
        network.wait_until_received("node-b", "H49.20", &first)?;
        network.hub.stop()?;
        material::copy_directory(&hub, &backup)?;
        network.hub.start_again()?;
        let second = id(&network.ask(&format!("{SEND} --wait handover"))?)?;
        network.wait_until_received("node-b", "H49.20", &second)?;

        // The disk breaks, and the backup is put in its place.
        network.hub.stop()?;
        fs::rename(&hub, &newest)?;
        material::copy_directory(&backup, &hub)?;
        network.hub.start_again()?;
        until("a node says that the hub is behind", ARRIVAL, || {
            let status = network.ask("status --node node-a")?;
            Ok((status["connection_code"] == "hub-behind").then_some(()))
        })?;
        let line = format!("{SEND} --wait accepted --timeout 5 --json");
        let answer = network.consign(&line)?;
        ensure!(answer.code == Some(1), "nothing is accepted:\n{answer}");
        let third = sent(scratch, "node-a", "H49")?;
        let third = id(third.first().context("it waits in the queue")?)?;
        let waiting = network.ask(&format!("track {third} --node node-a --agency H49"))?;
        ensure!(waiting["sent"]["state"] == "sealed", "{waiting}");
        ensure!(
            network.hub.said()?.contains("hub resume"),
            "the hub's log says what to do"
        );

        // A restart does not lift it.
        network.hub.stop()?;
        network.hub.start_again()?;
        until("it is still behind", ARRIVAL, || {
            let status = network.ask("status --node node-a")?;
            Ok((status["connection_code"] == "hub-behind").then_some(()))
        })?;

        // The newest data are found after all: what waited goes on by itself.
        network.hub.stop()?;
        fs::remove_dir_all(&hub)?;
        fs::rename(&newest, &hub)?;
        network.hub.start_again()?;
        network.wait_until_handed_over("node-a", "H49", &third)?;
        network.wait_until_received("node-b", "H49.20", &third)?;
        until("all is well", Duration::from_secs(20), || {
            let status = network.ask("status --node node-a")?;
            Ok((status["connection"] == "connected").then_some(()))
        })?;
        say("the hub was put back in time: 0 accepted until its data were back");
        Ok(())
    })
}

fn id(value: &Value) -> Result<String> {
    let id = value["id"]
        .as_str()
        .with_context(|| format!("no id: {value}"))?;
    Ok(id.to_owned())
}
