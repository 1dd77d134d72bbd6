//! The README's way by hand: found a network, send, look, export, verify.

#![expect(
    clippy::indexing_slicing,
    reason = "only JSON values are indexed, which answer with null where there is nothing"
)]

use std::fs;

use anyhow::{Context as _, Result, ensure};
use consign_tests::network::{NodePlan, README};
use consign_tests::scratch::in_scratch;
use consign_tests::{Network, material, outside};
use serde_json::Value;

#[test]
fn a_network_founded_by_hand_does_what_the_readme_says() -> Result<()> {
    in_scratch("by hand", |scratch| {
        scratch.write("quyet-dinh.pdf", material::pdf("quyết định"))?;
        scratch.write("phụ lục.txt", "Phụ lục kèm theo\n")?;
        let network = Network::found(scratch, README)?;
        let id = sends(&network)?;
        is_received(&network, &id)?;
        is_followed(&network, &id)?;
        is_exported_and_verified(&network, &id)?;
        status_is_good(&network)?;
        directory_is_shown(&network)?;
        people_get_answers(&network, &id)
    })
}

fn sends(network: &Network<'_>) -> Result<String> {
    let sent = network.ask(
        "send --node node-a --from H49 --to H49.13,H49.20 --subject 'Về việc chuyển đổi số' \
         --type QĐ --number 45 --signer 'Nguyễn Văn A' --position 'Chủ tịch' --urgency khẩn \
         --wait handover quyet-dinh.pdf 'phụ lục.txt'",
    )?;
    ensure!(sent["state"] == "handed-over", "{sent}");
    ensure!(
        sent["symbol"]
            .as_str()
            .is_some_and(|text| text.starts_with("45/QĐ")),
        "{sent}"
    );
    let events: Vec<&str> = list(&sent["evidence"])?
        .iter()
        .filter_map(|one| one["event"].as_str())
        .collect();
    let count = |event| events.iter().filter(|one| **one == event).count();
    ensure!(count("SubmissionAcceptance") == 1, "{events:?}");
    ensure!(count("ContentHandover") == 2, "{events:?}");
    Ok(sent["id"].as_str().context("an id")?.to_owned())
}

fn is_received(network: &Network<'_>, id: &str) -> Result<()> {
    for (node, agency) in [("node-a", "H49.13"), ("node-b", "H49.20")] {
        let row = network.wait_until_received(node, agency, id)?;
        ensure!(row["verdict"] == "TOTAL-PASSED", "{row}");
        ensure!(row["from"]["code"] == "H49", "{row}");
        ensure!(row["subject"] == "Về việc chuyển đổi số", "{row}");
        let shown = network.ask(&format!("show {id} --node {node} --agency {agency}"))?;
        ensure!(shown["received"]["id"] == id, "{shown}");
        ensure!(shown["report"]["indication"] == "TOTAL-PASSED", "{shown}");
        let named = shown["files"].to_string();
        ensure!(
            named.contains("quyet-dinh.pdf") && named.contains("phụ lục.txt"),
            "{named}"
        );
    }
    // Accents may be left out, and other words find nothing.
    let search = |words| -> Result<usize> {
        let found = network.ask(&format!("inbox --node node-b --search '{words}'"))?;
        Ok(list(&found["documents"])?.len())
    };
    ensure!(
        search("chuyen doi so")? == 1 && search("nghi phep")? == 0,
        "the search"
    );
    Ok(())
}

fn is_followed(network: &Network<'_>, id: &str) -> Result<()> {
    network.wait_until_handed_over("node-a", "H49", id)?;
    // A node with several agencies finds the sender by the id; a prefix is enough.
    let prefix = id.get(..18).unwrap_or(id);
    let track = network.ask(&format!("track --node node-a {prefix} --agency H49"))?;
    ensure!(track["sent"]["id"] == id, "{track}");
    ensure!(list(&track["recipients"])?.len() == 2, "{track}");
    let sent = network.ask("sent --node node-a --agency H49")?;
    let row = list(&sent["documents"])?.first().context("a row")?;
    ensure!(row["recipients"] == 2 && row["handed_over"] == 2, "{row}");
    Ok(())
}

fn is_exported_and_verified(network: &Network<'_>, id: &str) -> Result<()> {
    network.ask(&format!("export --node node-b {id} -o received.asice"))?;
    network.ask(&format!(
        "export --node node-a --agency H49 {id} -o sent.asice"
    ))?;
    let received = fs::read(network.join("received.asice"))?;
    ensure!(
        received == fs::read(network.join("sent.asice"))?,
        "one container"
    );
    let verdict = network.ask("verify received.asice --trust node-b/trust/trust.json")?;
    ensure!(verdict.to_string().contains("TOTAL-PASSED"), "{verdict}");
    let pdf = &verdict["pdfs"][0];
    ensure!(
        pdf["name"] == "quyet-dinh.pdf" && pdf["judgement"].is_null(),
        "a PDF file without signatures: {verdict}"
    );

    network.ask(&format!("export --node node-b {id} --all -o all"))?;
    let files = material::files_below(&network.join("all"))?;
    for wanted in [
        "container.asice",
        "item.json",
        "item.sig",
        "acceptance.json",
        "receipt.json",
        "wrap.age",
        "wrap.txt",
    ] {
        let there = files.iter().any(|path| path.ends_with(wanted));
        ensure!(there, "{wanted} is missing among {files:?}");
    }
    Ok(())
}

fn status_is_good(network: &Network<'_>) -> Result<()> {
    for (node, agencies) in [("node-a", 2), ("node-b", 1)] {
        let status = network.ask(&format!("status --node {node}"))?;
        ensure!(status["connection"] == "connected", "{status}");
        ensure!(list(&status["agencies"])?.len() == agencies, "{status}");
        let skew = status["clock_skew_ms"]
            .as_i64()
            .context("the skew is known")?;
        ensure!(skew.abs() < 5_000, "one machine has one clock: {skew} ms");
        ensure!(
            status["directory_version"]
                .as_u64()
                .is_some_and(|one| one >= 1),
            "{status}"
        );
        for agency in list(&status["agencies"])? {
            ensure!(agency["outbox_waiting"] == 0, "{agency}");
        }
    }
    Ok(())
}

fn directory_is_shown(network: &Network<'_>) -> Result<()> {
    let directory = network.ask("directory show --node node-b")?;
    let codes: Vec<&str> = list(&directory["agencies"])?
        .iter()
        .filter_map(|agency| agency["code"].as_str())
        .collect();
    ensure!(codes == ["H49", "H49.13", "H49.20"], "{codes:?}");
    ensure!(
        directory["network_name"] == "Tỉnh Quảng Ninh",
        "{directory}"
    );
    ensure!(directory["expired"] == false, "{directory}");
    Ok(())
}

/// Without `--json`, every command says something a person can read.
fn people_get_answers(network: &Network<'_>, id: &str) -> Result<()> {
    let (show, track) = (
        format!("show {id} --node node-b"),
        format!("track {id} --node node-a --agency H49"),
    );
    for (line, expected) in [
        ("inbox --node node-b", "Về việc chuyển đổi số"),
        ("sent --node node-a --agency H49", "H49"),
        (&*show, "TOTAL-PASSED"),
        (&*track, "handed"),
        ("status --node node-a", "connected"),
        ("directory show --node node-a", "Sở Tài chính"),
        (
            "verify sent.asice --trust node-a/trust/trust.json",
            "TOTAL-PASSED",
        ),
    ] {
        let answer = network.consign(line)?.good()?;
        ensure!(
            answer.text().contains(expected),
            "{expected} is not in:\n{answer}"
        );
    }
    Ok(())
}

/// RSA seals, as most certificates of today have them.
#[test]
fn an_agency_with_an_rsa_seal_is_no_stranger() -> Result<()> {
    const PLAN: &[NodePlan] = &[
        NodePlan {
            name: "node-a",
            agencies: &["H49=Ủy ban nhân dân tỉnh"],
            options: "--seal rsa",
        },
        NodePlan {
            name: "node-b",
            agencies: &["H49.20=Sở Tài chính"],
            options: "",
        },
    ];
    in_scratch("RSA seal", |scratch| {
        scratch.write("letter.pdf", material::pdf("RSA"))?;
        let network = Network::found(scratch, PLAN)?;
        let sent = network
            .ask("send letter.pdf --node node-a --to H49.20 --subject RSA --wait handover")?;
        let id = sent["id"].as_str().context("an id")?;
        let row = network.wait_until_received("node-b", "H49.20", id)?;
        ensure!(row["verdict"] == "TOTAL-PASSED", "{row}");
        network.ask(&format!("export {id} --node node-b -o letter.asice"))?;
        let meta = scratch.join("meta");
        outside::container(&scratch.join("letter.asice"), &meta)?;
        let manifest = meta.join("ASiCManifest001.xml");
        let signature = meta.join("signature001.p7s");
        let roots = scratch.join("node-b/trust/trust.pem");
        outside::manifest_signature(&signature, &manifest, &roots)?.good()?;
        let words = [
            "cms", "-cmsout", "-print", "-noout", "-inform", "DER", "-in",
        ];
        let printed = outside::openssl(words.into_iter().chain([&*signature.to_string_lossy()]))?;
        ensure!(
            printed.text().contains("rsaEncryption"),
            "it is RSA:\n{printed}"
        );
        let damaged = scratch.join("damaged");
        material::changed(&manifest, &damaged, 100, 1)?;
        let answer = outside::manifest_signature(&signature, &damaged, &roots)?;
        ensure!(!answer.is_good(), "a changed manifest is refused");
        Ok(())
    })
}

fn list(value: &Value) -> Result<&[Value]> {
    value
        .as_array()
        .map(Vec::as_slice)
        .with_context(|| format!("no list: {value}"))
}
