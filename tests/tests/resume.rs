//! A large document whose way is cut, at both ends, again and again: it goes on where it was.
//! What each end says of where it goes on is held against what lay on its disk.

use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context as _, Result, ensure};
use consign_tests::network::{Network, NodePlan};
use consign_tests::program::{Invocation, words};
use consign_tests::scratch::in_scratch;
use consign_tests::service::Service;
use consign_tests::waiting::{until, watch};
use consign_tests::{material, say};

/// Long enough that a kill falls into the middle.
const SIZE: u64 = 320 << 20;
const LIMIT: Duration = Duration::from_secs(240);

const PLAN: &[NodePlan] = &[
    NodePlan {
        name: "node-a",
        agencies: &["H49=Ủy ban nhân dân tỉnh"],
        options: "",
    },
    NodePlan {
        name: "node-b",
        agencies: &["H49.20=Sở Tài chính"],
        options: "",
    },
];

#[test]
fn what_was_transferred_is_not_sent_again() -> Result<()> {
    in_scratch("resume", |scratch| {
        let mut network = Network::found(scratch, PLAN)?;
        material::noise(&scratch.join("letter.bin"), SIZE, 0xcafe)?;
        let line = "send letter.bin --node node-a --to H49.20 --subject Dài --json";
        let sent = Invocation::consign()?.args(words(line));
        let sent = sent.stand_in(scratch.path()).within(LIMIT).run()?;
        let id = sent.good()?.json()?["id"].take();
        let id = id.as_str().context("an id")?.to_owned();

        // Up: the hub is killed, then the sender's node.
        let staging = scratch.join("hub/data/staging");
        let first = marked(&staging, 0)?;
        network.hub.kill()?;
        network.hub.start_again()?;
        let resumed = begun(&network.hub, "an upload begins", 2)?;
        ensure!(
            resumed >= first,
            "it goes on at {resumed}, {first} was marked"
        );
        let second = marked(&staging, resumed)?;
        network.node(0)?.kill()?;
        network.node(0)?.start_again()?;
        let again = begun(&network.hub, "an upload begins", 3)?;
        ensure!(
            again >= second,
            "it goes on at {again}, {second} was marked"
        );

        // Down: the recipient's node is killed, then the hub.
        let inbox = scratch.join("node-b/agencies/H49.20/inbox");
        let third = part(&inbox, 0)?;
        network.node(1)?.kill()?;
        network.node(1)?.start_again()?;
        let fetched = begun(network.node(1)?, "fetching a payload", 2)?;
        ensure!(
            fetched >= third,
            "it goes on at {fetched}, {third} was there"
        );
        let fourth = part(&inbox, fetched)?;
        network.hub.kill()?;
        network.hub.start_again()?;
        let last = begun(network.node(1)?, "fetching a payload", 3)?;
        ensure!(last >= fourth, "it goes on at {last}, {fourth} was there");

        until("the document is opened", LIMIT, || {
            let shown = scratch.consign(&format!("show {id} --node node-b --json"))?;
            let state = shown.json()?["received"]["verdict"].take();
            Ok((state == "TOTAL-PASSED").then_some(()))
        })?;
        ensure!(fs::read_dir(&staging)?.next().is_none(), "nothing is left");
        say(format_args!(
            "{} MiB: uploaded from 0, {} and {}, fetched from 0, {} and {} MiB",
            SIZE >> 20,
            resumed >> 20,
            again >> 20,
            fetched >> 20,
            last >> 20
        ));
        Ok(())
    })
}

/// Waits until more than `beyond` bytes of the upload are marked as durable.
fn marked(staging: &Path, beyond: u64) -> Result<u64> {
    watch("the upload gets on", LIMIT, || {
        let marks = with_end(staging, ".mark");
        let bytes = marks.first().map(fs::read).transpose()?.unwrap_or_default();
        let length = |place: usize| -> Option<u64> {
            let field = bytes.get(place + 16..place + 24)?;
            Some(u64::from_le_bytes(field.try_into().ok()?))
        };
        let latest = length(0).max(length(512)).unwrap_or(0);
        Ok((latest > beyond).then_some(latest))
    })
}

/// Waits until well more than `beyond` bytes were fetched.
fn part(inbox: &Path, beyond: u64) -> Result<u64> {
    watch("fetching gets on", LIMIT, || {
        let place = inbox.join("1");
        let folder = if place.is_dir() {
            place
        } else {
            first_in(inbox)
        };
        let length = fs::metadata(folder.join("payload.part")).map_or(0, |it| it.len());
        Ok((length > beyond + (16 << 20)).then_some(length))
    })
}

fn first_in(directory: &Path) -> PathBuf {
    let mut entries = fs::read_dir(directory).into_iter().flatten().flatten();
    entries.next().map(|entry| entry.path()).unwrap_or_default()
}

fn with_end(directory: &Path, end: &str) -> Vec<PathBuf> {
    let entries = fs::read_dir(directory).into_iter().flatten().flatten();
    let paths = entries.map(|entry| entry.path());
    paths
        .filter(|path| path.to_string_lossy().ends_with(end))
        .collect()
}

/// Waits until a service has said for the n-th time that it begins, and gives from where.
fn begun(service: &Service, what: &str, count: usize) -> Result<u64> {
    until(&format!("{what}, {count} times"), LIMIT, || {
        let said = service.said()?;
        let mut lines = said.lines().filter(|line| line.contains(what));
        let Some(line) = lines.nth(count - 1) else {
            return Ok(None);
        };
        let offset = line.split("offset=").nth(1).context("an offset")?;
        let digits: String = offset.chars().take_while(char::is_ascii_digit).collect();
        Ok(Some(digits.parse()?))
    })
}
