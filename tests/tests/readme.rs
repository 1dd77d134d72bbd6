//! The commands for founding a network, run as they stand in the README and in the guide.

use std::fs;
use std::path::Path;

use anyhow::{Context as _, Result, ensure};
use consign_tests::network::{ARRIVAL, free_port};
use consign_tests::program::Invocation;
use consign_tests::scratch::in_scratch;
use consign_tests::service::Service;
use consign_tests::waiting::until;
use consign_tests::{Scratch, material, soft_token};

#[test]
fn the_commands_of_the_readme_work_as_they_stand() -> Result<()> {
    follow("README.md", "## Found a network by hand", 3)
}

#[test]
fn the_commands_of_the_guide_work_as_they_stand() -> Result<()> {
    follow("docs/NETWORK.md", "## By invitation", 4)
}

#[test]
fn the_commands_of_the_guide_to_keys_work_as_they_stand() -> Result<()> {
    follow("docs/KEYS.md", "## Try it", 4)
}

/// Runs the first block below a heading of a file; it starts so many services.
fn follow(file: &str, heading: &str, expected: usize) -> Result<()> {
    in_scratch(file.trim_end_matches(".md"), |scratch| {
        scratch.write("quyet-dinh.pdf", material::pdf("README"))?;
        soft_token::prepare(scratch)?;
        let (port, authority) = (free_port()?.to_string(), free_port()?.to_string());
        let mut services = Vec::new();
        let mut id = None;
        let commands = commands(file, heading)?;
        ensure!(commands.len() > 12, "{file} founds a network: {commands:?}");
        for command in commands {
            let command = command.replace("7443", &port).replace("7440", &authority);
            let command = match &id {
                Some(id) => command.replace(" ID", &format!(" {id}")),
                None => command,
            };
            if command.contains(" run ") || command.contains(" serve ") {
                services.push(start(scratch, &command)?);
                continue;
            }
            if command.starts_with("consign send ") {
                // A person sees in the terminals that all are connected.
                wait_until_connected(scratch, "node-a")?;
                wait_until_connected(scratch, "node-b")?;
            }
            if !command.starts_with("consign ") {
                sh(scratch, &command)?;
                continue;
            }
            let answer = sh(scratch, &format!("{command} --json"))?;
            if command.starts_with("consign send ") {
                let sent = answer.json()?;
                let sent = sent.get("id").and_then(serde_json::Value::as_str);
                id = Some(sent.context("an id")?.to_owned());
            }
        }
        ensure!(
            services.len() == expected,
            "{} services ran",
            services.len()
        );
        ensure!(id.is_some(), "a document was sent");
        Ok(())
    })
}

/// The lines of a heading's first block, without comments.
fn commands(file: &str, heading: &str) -> Result<Vec<String>> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("..").join(file);
    let text = fs::read_to_string(path)?;
    let (_, section) = text.split_once(heading).context("the heading is there")?;
    let (_, block) = section.split_once("```sh\n").context("a block follows")?;
    let (block, _) = block.split_once("```").context("the block ends")?;
    let lines = block.replace("\\\n", " ");
    let lines = lines.lines().map(str::trim);
    let commands = lines.filter(|line| !line.is_empty() && !line.starts_with('#'));
    Ok(commands.map(str::to_owned).collect())
}

fn wait_until_connected(scratch: &Scratch, node: &str) -> Result<()> {
    until(&format!("{node} is connected"), ARRIVAL, || {
        let status = scratch.consign(&format!("status --node {node}"))?.good()?;
        let text = status.text();
        let mut lines = text.lines();
        Ok(lines.any(|line| line.ends_with(" connected")).then_some(()))
    })
}

/// Each in a terminal of its own.
fn start(scratch: &Scratch, command: &str) -> Result<Service> {
    let (_, line) = command.split_once(' ').context("a command has words")?;
    let directory = line.rsplit(' ').next().context("it names its directory")?;
    let token = Some(soft_token::setting(scratch));
    Service::start_with(&scratch.join(directory), line, token)
}

/// By a shell, as a person would.
fn sh(scratch: &Scratch, command: &str) -> Result<consign_tests::Answer> {
    let binary = consign_tests::program::binary()?;
    let folder = binary.parent().context("it lies somewhere")?;
    let script = format!("PATH='{}':\"$PATH\"; {command}", folder.display());
    let shell = Invocation::of("sh").args(["-c", &script]);
    let shell = shell.with([soft_token::setting(scratch)]);
    shell.stand_in(scratch.path()).run()?.good()
}
