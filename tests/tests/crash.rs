//! Traffic while hub and nodes are killed with -9: nothing promised is lost, nothing is seen
//! twice. The judgement is made from outside: what senders were answered, and what recipients
//! list.

#![expect(
    clippy::indexing_slicing,
    reason = "only JSON values are indexed, which answer with null where there is nothing"
)]

use std::collections::{BTreeMap, BTreeSet};
use std::sync::mpsc;
use std::thread;
use std::time::Duration;

use anyhow::{Context as _, Result, bail, ensure};
use consign_tests::network::{ARRIVAL, README, all_handed_over, inbox, sent};
use consign_tests::scratch::in_scratch;
use consign_tests::waiting::until;
use consign_tests::{Network, Scratch, material, say};
use serde_json::Value;

const DOCUMENTS: usize = 200;

/// Killed whenever so many more documents were promised: ten times.
const HUB_EVERY: usize = 18;
const HUB_KILLS: usize = 10;

/// Each node is killed when so many documents were promised.
const NODE_KILLS: [[usize; 3]; 2] = [[30, 93, 150], [45, 111, 171]];

/// Agencies and their nodes, by number.
const AGENCIES: [(&str, &str); 3] = [
    ("node-a", "H49"),
    ("node-a", "H49.13"),
    ("node-b", "H49.20"),
];

/// What a retry may be told on the way: that nobody is there now.
const MAY_BE_TOLD: [&str; 3] = ["unreachable", "draining", "busy"];

/// A document that its sender was promised.
struct Promise {
    sender: usize,
    id: String,
    repeated: usize,
}

#[test]
fn nothing_is_lost_and_nothing_seen_twice_whatever_is_killed() -> Result<()> {
    in_scratch("crash", |scratch| {
        scratch.write("letter.pdf", material::pdf("crash"))?;
        let mut network = Network::found(scratch, README)?;
        let (promises, promised) = mpsc::channel();
        let promised = thread::scope(|scope| -> Result<Vec<Promise>> {
            let senders: Vec<_> = (0..AGENCIES.len())
                .map(|sender| {
                    let promises = promises.clone();
                    scope.spawn(move || send_all(scratch, sender, &promises))
                })
                .collect();
            drop(promises);
            let killed = kill_during(&mut network, &promised);
            for sender in senders {
                sender
                    .join()
                    .map_err(|_| anyhow::anyhow!("a sender panicked"))??;
            }
            killed
        })?;
        ensure!(
            promised.len() == DOCUMENTS,
            "{} were promised",
            promised.len()
        );
        judge(scratch, &promised)
    })
}

/// Sends this agency's share to the two others, repeating a command with the same id until it
/// is answered. Every second one waits for the hub's acceptance, the others for their place in
/// the node's queue.
fn send_all(scratch: &Scratch, sender: usize, promises: &mpsc::Sender<Promise>) -> Result<()> {
    let (node, agency) = AGENCIES.get(sender).context("a sender")?;
    let others: Vec<&str> = AGENCIES
        .iter()
        .map(|(_, code)| *code)
        .filter(|code| code != agency)
        .collect();
    for number in (sender..DOCUMENTS).step_by(AGENCIES.len()) {
        let id = material::envelope_id()?;
        let wait = if number % 2 == 0 {
            "--wait accepted"
        } else {
            ""
        };
        let line = format!(
            "send letter.pdf --node {node} --from {agency} --to {} --id {id} --number {} \
             --subject 'Văn bản {number}' {wait} --json",
            others.join(","),
            number + 1
        );
        let mut repeated = 0;
        let answer = until(&format!("a promise for {id}"), ARRIVAL, || {
            let answer = scratch.consign(&line)?;
            if answer.is_good() {
                return Ok(Some(answer.json()?));
            }
            let code = answer.json()?["error"]["code"].take();
            let may_be = code
                .as_str()
                .is_some_and(|code| MAY_BE_TOLD.contains(&code));
            ensure!(may_be, "a retry was told:\n{answer}");
            repeated += 1;
            Ok(None)
        })?;
        ensure!(answer["id"] == *id, "{answer}");
        let promise = Promise {
            sender,
            id,
            repeated,
        };
        promises.send(promise).ok().context("the judge is gone")?;
    }
    Ok(())
}

/// Kills and starts services again as promises come in; gives the promises.
fn kill_during(
    network: &mut Network<'_>,
    promises: &mpsc::Receiver<Promise>,
) -> Result<Vec<Promise>> {
    let mut promised = Vec::new();
    loop {
        match promises.recv_timeout(2 * ARRIVAL) {
            Ok(promise) => promised.push(promise),
            Err(mpsc::RecvTimeoutError::Disconnected) => return Ok(promised),
            Err(mpsc::RecvTimeoutError::Timeout) => bail!("nothing is promised any more"),
        }
        let count = promised.len();
        if count.is_multiple_of(HUB_EVERY) && count / HUB_EVERY <= HUB_KILLS {
            network.hub.kill()?;
            network.hub.start_again()?;
        }
        for (node, kills) in NODE_KILLS.iter().enumerate() {
            if kills.contains(&count) {
                let node = network.node(node)?;
                node.kill()?;
                node.start_again()?;
            }
        }
    }
}

fn judge(scratch: &Scratch, promised: &[Promise]) -> Result<()> {
    let mut received = 0;
    let mut twice = 0;
    let mut lost = 0;
    for (number, (node, agency)) in AGENCIES.iter().enumerate() {
        let to_it = promised.iter().filter(|promise| promise.sender != number);
        let expected: BTreeSet<&str> = to_it.map(|promise| &*promise.id).collect();
        let rows = wait_for(scratch, node, agency, &expected)?;
        let seen = times_seen(&rows);
        let is_here = |id: &&&str| rows.iter().any(|row| row["id"] == **id && opened(&row));
        let here = expected.iter().filter(is_here).count();
        received += here;
        lost += expected.len() - here;
        twice += seen.values().filter(|times| **times > 1).count();
        let strangers = seen
            .keys()
            .filter(|id| !expected.contains(id.as_str()))
            .count();
        ensure!(
            strangers == 0,
            "{agency} lists {strangers} documents that nobody sent"
        );
    }
    let repeated: usize = promised.iter().map(|promise| promise.repeated).sum();
    say(format_args!(
        "{} documents promised, hub killed {HUB_KILLS} times, each node {} times, {repeated} \
         commands repeated: {received} of {} deliveries received, {lost} lost, {twice} twice",
        promised.len(),
        NODE_KILLS.len() + 1,
        promised.len() * (AGENCIES.len() - 1),
    ));
    ensure!(lost == 0 && twice == 0, "{lost} lost, {twice} seen twice");
    senders_know(scratch, promised)?;
    archives_agree(scratch, promised)
}

/// The agency's list as soon as it has all that was promised, or after a while as it is.
fn wait_for(
    scratch: &Scratch,
    node: &str,
    agency: &str,
    expected: &BTreeSet<&str>,
) -> Result<Vec<Value>> {
    let arrived = until(&format!("{agency} has all"), 2 * ARRIVAL, || {
        let rows = inbox(scratch, node, agency)?;
        Ok((rows.iter().filter(opened).count() >= expected.len()).then_some(rows))
    });
    match arrived {
        Ok(rows) => Ok(rows),
        Err(error) => {
            let rows = inbox(scratch, node, agency)?;
            let done = |id: &&&str| rows.iter().any(|row| row["id"] == **id && opened(&row));
            let missing: Vec<_> = expected.iter().filter(|id| !done(id)).collect();
            say(format_args!("{error}; not opened: {missing:?}"));
            for row in rows.iter().filter(|row| !opened(row)) {
                say(row);
            }
            Ok(rows)
        }
    }
}

fn opened(row: &&Value) -> bool {
    row["state"] == "opened" && row["verdict"] == "TOTAL-PASSED"
}

fn times_seen(rows: &[Value]) -> BTreeMap<String, usize> {
    let mut seen = BTreeMap::new();
    for id in rows.iter().filter_map(|row| row["id"].as_str()) {
        *seen.entry(id.to_owned()).or_default() += 1;
    }
    seen
}

/// Every sender knows of every document that both others have signed for it.
fn senders_know(scratch: &Scratch, promised: &[Promise]) -> Result<()> {
    for (number, (node, agency)) in AGENCIES.iter().enumerate() {
        until(&format!("{agency} knows"), ARRIVAL, || {
            let rows = sent(scratch, node, agency)?;
            let done = |row: &&Value| row["handed_over"] == row["recipients"];
            Ok((rows.iter().filter(done).count() == rows.len()).then_some(()))
        })?;
        let seen = times_seen(&sent(scratch, node, agency)?);
        let own = promised.iter().filter(|promise| promise.sender == number);
        for promise in own {
            ensure!(
                seen.get(&promise.id) == Some(&1),
                "{agency} lists {} once",
                promise.id
            );
            let line = format!("track {} --node {node} --agency {agency}", promise.id);
            let track = scratch.ask(&line)?;
            ensure!(all_handed_over(&track), "{track}");
        }
    }
    Ok(())
}

/// Each archive has every document once, with its container; nothing waits or was put aside.
fn archives_agree(scratch: &Scratch, promised: &[Promise]) -> Result<()> {
    for (node, agency) in AGENCIES {
        let home = scratch.join(node).join("agencies").join(agency);
        let aside = material::files_below(&home.join("aside"))?;
        ensure!(aside.is_empty(), "items were put aside: {aside:?}");
        until(
            &format!("{agency}'s archive is complete"),
            Duration::from_secs(20),
            || {
                let files = material::files_below(&home.join("archive"))?;
                let containers = files
                    .iter()
                    .filter(|path| path.ends_with("container.asice"));
                let waiting = material::files_below(&home.join("outbox"))?.len()
                    + material::files_below(&home.join("inbox"))?.len();
                Ok((containers.count() == promised.len() && waiting == 0).then_some(()))
            },
        )?;
    }
    Ok(())
}
