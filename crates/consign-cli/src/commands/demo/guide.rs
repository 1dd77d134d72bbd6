//! Where everything is, and what to try next.

use std::path::Path;

use consign_lab::{Network, Seat};

use super::{Document, Proof};
use crate::commands::quoted;
use crate::output::{Output, Tone};

/// Prints paths and commands that can be copied as they are; not with `--json`.
pub(super) fn print(network: &Network, document: &Document, once: bool, output: Output) {
    let heading = |text| output.line(format_args!("\n{}", output.paint(Tone::Strong, text)));
    let consign = program();
    heading("Where everything is");
    let line =
        |what: &str, path: &Path| output.line(format_args!("  {what:<14} {}", path.display()));
    line("network", network.dir());
    line("trust file", &network.trust());
    line("sent", &document.container);
    for received in &document.received {
        line(&received.agency, &received.container);
    }
    line("at the hub", &document.payload);
    if let Some(parent) = document
        .evidence
        .first()
        .and_then(|proof| proof.statement.parent())
    {
        line("evidence", parent);
    }
    if !once {
        heading("Try next, in another terminal");
        for command in online(network, document, &consign) {
            output.line(format_args!("  {command}"));
        }
    }
    heading("Check it without the network, and without us");
    for command in offline(network, document, &consign) {
        output.line(format_args!("  {command}"));
    }
    if once {
        let dir = quoted(network.dir());
        output.line(format_args!("\nStart it again: {consign} demo --dir {dir}"));
    }
}

fn online(network: &Network, document: &Document, consign: &str) -> Vec<String> {
    let (Some(first), Some(last)) = (network.seats().first(), network.seats().last()) else {
        return Vec::new();
    };
    let at = |seat: &Seat| format!("--node {} --agency {}", quoted(&seat.node), seat.code);
    let id = &document.id;
    let letter = network
        .dir()
        .join("documents")
        .join("cong-van-128-snv-vp.pdf");
    vec![
        format!("{consign} status --node {}", quoted(&first.node)),
        format!("{consign} inbox {}", at(last)),
        format!("{consign} show {id} {}", at(last)),
        format!("{consign} track {id} {}", at(first)),
        format!(
            "{consign} send {} --node {} --from {} --to {} --subject 'Văn bản thứ hai' --wait handover",
            quoted(&letter),
            quoted(&first.node),
            first.code,
            last.code
        ),
    ]
}

fn offline(network: &Network, document: &Document, consign: &str) -> Vec<String> {
    let mut commands = Vec::new();
    if let Some(received) = document.received.last() {
        let container = &received.container;
        let trust = network.trust();
        let verify = format!("{consign} verify {}", quoted(container));
        commands.push(format!("{verify} --trust {}", quoted(&trust)));
        let wrap = container.with_file_name("wrap.txt");
        let payload = quoted(&document.payload);
        let age = format!("age --decrypt -i {} {payload}", quoted(&wrap));
        commands.push(format!("{age} | cmp - {}", quoted(container)));
    }
    commands.extend(document.evidence.last().map(openssl));
    commands
}

fn openssl(proof: &Proof) -> String {
    format!(
        "openssl pkeyutl -verify -rawin -pubin -inkey {} -sigfile {} -in {}",
        quoted(&proof.public_key),
        quoted(&proof.signature),
        quoted(&proof.statement)
    )
}

/// This very program, as one would call it.
fn program() -> String {
    std::env::current_exe().map_or_else(|_| "consign".to_owned(), |path| quoted(&path))
}
