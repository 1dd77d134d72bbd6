//! A sender over its quota waits, says why and until when, and its document arrives.

use std::fs;

use anyhow::{Context as _, Result, ensure};
use consign_tests::network::{ARRIVAL, README};
use consign_tests::scratch::in_scratch;
use consign_tests::waiting::until;
use consign_tests::{Network, material};
use serde_json::Value;

const SEND: &str = "send letter.pdf --node node-a --from H49 --to H49.20 --subject Nhiều";

#[test]
fn a_document_over_the_quota_waits_for_its_time_and_says_so() -> Result<()> {
    in_scratch("quota", |scratch| {
        scratch.write("letter.pdf", material::pdf("quota"))?;
        let mut network = Network::found(scratch, README)?;
        let status = network.hub.stop()?;
        ensure!(status.success(), "the hub stopped with {status}");
        limit_messages(&network)?;
        network.hub.start_again()?;
        network.wait_until_connected("node-a")?;

        network.ask(&format!("{SEND} --wait accepted"))?;
        let second = network.ask(SEND)?;
        let id = second["id"].as_str().context("the id of what was sent")?;
        let track = format!("track {id} --node node-a --agency H49");
        let said = until("the sender says why it waits", ARRIVAL, || {
            let sent = network.ask(&track)?["sent"].take();
            Ok((sent["reason"] == "quota-exceeded").then_some(sent))
        })?;
        let words = said["waiting"].as_str().context("why it waits")?;
        ensure!(words.contains("number of messages in a minute"), "{words}");
        ensure!(words.contains("next try in "), "{words}");
        network.wait_until_handed_over("node-a", "H49", id)?;
        let sent: Value = network.ask(&track)?["sent"].take();
        ensure!(sent["waiting"].is_null(), "{sent}");
        Ok(())
    })
}

/// One message every five seconds.
fn limit_messages(network: &Network<'_>) -> Result<()> {
    let path = network.join("hub/hub.toml");
    let mut text = fs::read_to_string(&path)?;
    for (key, value) in [
        ("sender_messages_per_minute", 12),
        ("sender_messages_burst", 1),
    ] {
        let line = text.lines().find(|line| line.starts_with(key));
        let line = line
            .with_context(|| format!("{key} in hub.toml"))?
            .to_owned();
        text = text.replace(&line, &format!("{key} = {value}"));
    }
    Ok(fs::write(&path, text)?)
}
