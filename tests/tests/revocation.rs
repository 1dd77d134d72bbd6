//! An agency is revoked: what it submits next is refused with evidence, what it sealed before
//! stays good as of its time, and what it seals later does not count; by our verdicts, with the
//! directory and with revocation lists alone, and by `openssl`. With new keys it sends again.

#![expect(
    clippy::indexing_slicing,
    reason = "only JSON values are indexed, which answer with null where there is nothing"
)]

use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context as _, Result, ensure};
use consign_tests::network::{ARRIVAL, README};
use consign_tests::scratch::in_scratch;
use consign_tests::waiting::until;
use consign_tests::{Network, Scratch, material, outside};
use serde_json::Value;

const SEND: &str = "send letter.pdf --node node-a --from H49 --to H49.20 --subject Lại";

/// The container and the times around it.
struct Sealed {
    container: PathBuf,
    /// It existed then.
    accepted: String,
    revoked: String,
    /// The lists that were in force before.
    lists: PathBuf,
}

#[test]
fn a_revoked_agency_is_refused_and_what_it_sealed_before_stays_good() -> Result<()> {
    in_scratch("revocation", |scratch| {
        scratch.write("letter.pdf", material::pdf("revocation"))?;
        material::noise(&scratch.join("large.bin"), 600 << 10, 0x5e)?;
        let mut network = Network::found(scratch, README)?;
        let (sealed, waiting) = sealed_before(scratch, &mut network)?;
        network.hub.start_again()?;
        for id in &waiting {
            is_refused(&network, id)?;
        }
        nothing_more_is_sealed(&network)?;
        our_verdicts(scratch, &sealed)?;
        openssl_agrees(scratch, &sealed)?;
        new_keys_send_again(scratch, &mut network)
    })
}

#[test]
fn a_stolen_issuing_key_is_revoked_and_what_is_proven_to_be_older_stays_good() -> Result<()> {
    in_scratch("revocation-issuing", |scratch| {
        scratch.write("letter.pdf", material::pdf("revocation of the issuing key"))?;
        let network = Network::found(scratch, README)?;
        let first = id(&network.ask(&format!("{SEND} --wait handover"))?)?;
        let row = network.wait_until_received("node-b", "H49.20", &first)?;
        let accepted = text(&row["received_at"])?;
        network.ask(&format!("export --node node-b {first} -o first.asice"))?;
        until("a second goes by", Duration::from_secs(5), || {
            let now = outside::now()?;
            Ok((now > accepted).then_some(()))
        })?;
        let revoke = "authority revoke --issuing --reason key-compromise --dir authority";
        let announced = scratch.consign(revoke)?.good()?.text();
        ensure!(announced.contains("--yes"), "{announced}");
        ensure!(
            !scratch.join("authority/revoked.json").exists(),
            "{announced}"
        );
        let (key, safe) = (
            scratch.join("authority/keys/root.key"),
            scratch.join("safe"),
        );
        fs::rename(&key, &safe)?;
        let away = scratch.consign(&format!("{revoke} --yes --json"))?;
        let away = away.refused(2, "usage")?;
        ensure!(text(&away["message"])?.contains("root key"), "{away}");
        fs::rename(&safe, &key)?;
        // The newest list is one that the thief may have made.
        let stolen = outside::now()?;
        network.ask("authority publish --force --dir authority")?;
        let revoked = network.ask(&format!("{revoke} --invalid-from {stolen} --yes"))?;
        let revoked = text(&revoked["since"])?;
        ensure!(revoked == stolen, "{revoked}");

        let by_lists = "authority/trust/trust.pem --crl authority/trust/crl/issuing.crl \
                        --crl authority/trust/crl/root.crl";
        for trust in ["authority/trust/trust.json", by_lists] {
            for (at, expected) in [
                (format!("--at {accepted}"), "TOTAL-PASSED"),
                (format!("--at {revoked}"), "TOTAL-FAILED"),
                // The hub's stamp is one that the thief could have made, too.
                (String::new(), "INDETERMINATE"),
            ] {
                let line = format!("verify first.asice --trust {trust} {at} --json");
                let verdict = scratch.consign(&line)?.json()?;
                ensure!(verdict["verdict"] == expected, "{line}: {verdict}");
            }
        }
        let init = "node init --node node-c --agency 'H49.30=Sở Tư pháp'";
        scratch.consign(init)?.good()?;
        let issue = "authority issue node-c/request.json --dir authority --json";
        let refused = scratch.consign(issue)?.refused(1, "enrolment-refused")?;
        ensure!(
            text(&refused["message"])?.contains("is revoked"),
            "{refused}"
        );
        let invite = "authority invite H49.31 --name 'Sở Y tế' --dir authority --json";
        scratch.consign(invite)?.refused(1, "enrolment-refused")?;
        // The directory has another key, and goes on.
        let published = network.ask("authority publish --force --dir authority")?;
        ensure!(published["root_list"] == "signed", "{published}");
        Ok(())
    })
}

/// One document that arrives, and two that are sealed and still wait when their sender is
/// revoked, one of them to be uploaded.
fn sealed_before(scratch: &Scratch, network: &mut Network<'_>) -> Result<(Sealed, [String; 2])> {
    let first = id(&network.ask(&format!("{SEND} --wait handover"))?)?;
    let row = network.wait_until_received("node-b", "H49.20", &first)?;
    let accepted = text(&row["received_at"])?;
    network.ask(&format!("export --node node-b {first} -o first.asice"))?;
    network.hub.stop()?;
    let large = SEND.replace("letter.pdf", "large.bin");
    let waiting = [id(&network.ask(SEND)?)?, id(&network.ask(&large)?)?];
    let lists = scratch.join("lists-before");
    material::copy_directory(&scratch.join("authority/trust/crl"), &lists)?;
    // Not in the same second: times in statements have no smaller part.
    until("a second goes by", Duration::from_secs(5), || {
        let now = outside::now()?;
        Ok((now > accepted).then_some(()))
    })?;
    let line = "authority revoke H49 --reason superseded --publish --dir authority";
    let revoked = network.ask(line)?;
    ensure!(
        revoked["certificates"] == 1 && revoked["statement_keys"] == 1,
        "{revoked}"
    );
    let sealed = Sealed {
        container: scratch.join("first.asice"),
        accepted,
        revoked: text(&revoked["since"])?,
        lists,
    };
    Ok((sealed, waiting))
}

/// What waited is refused for good: the sender has the hub's word for it, and shows it.
fn is_refused(network: &Network<'_>, id: &str) -> Result<()> {
    let track = format!("track {id} --node node-a --agency H49");
    let sent = until("what waited is refused", ARRIVAL, || {
        let sent = network.ask(&track)?["sent"].take();
        ensure!(sent["state"] != "accepted", "{sent}");
        Ok((sent["state"] == "rejected").then_some(sent))
    })?;
    ensure!(sent["reason"] == "key-revoked", "{sent}");
    let words = network.consign(&track)?.good()?.text();
    ensure!(words.contains("rejected (key-revoked)"), "{words}");
    ensure!(words.contains("consign node enrol"), "{words}");

    let kept = network.join(format!("refused-{id}"));
    network.ask(&format!(
        "export {id} --node node-a --agency H49 --all -o {}",
        kept.display()
    ))?;
    let (statement, signature) = (kept.join("rejection.json"), kept.join("rejection.sig"));
    let line = format!(
        "verify {} --signature {} --trust node-b/trust/trust.json",
        statement.display(),
        signature.display()
    );
    let verdict = network.ask(&line)?;
    ensure!(verdict["verdict"] == "TOTAL-PASSED", "{verdict}");
    ensure!(
        verdict["sentence"] == "hub-1 said this: SubmissionRejection, key-revoked",
        "{verdict}"
    );
    // About these very bytes, by a key that the authority lists for the hub.
    let said = &verdict["statement"];
    ensure!(said["envelope"]["id"] == id, "{verdict}");
    let envelope = kept.join("envelope.json");
    let digest = outside::openssl(["dgst", "-sha256", "-r", &envelope.display().to_string()])?;
    let digest = digest.good()?.text();
    let named = text(&said["envelope"]["sha256"])?;
    ensure!(digest.starts_with(&named), "{named} is not {digest}");
    let key = outside::ed25519_key(&hub_key(network)?, network.scratch().path())?;
    outside::statement_signature(&statement, &signature, &key)?.good()?;
    let exported = kept.join("rejection.pem");
    outside::statement_signature(&statement, &signature, &exported)?.good()?;
    let changed = kept.join("changed.json");
    material::changed(&statement, &changed, 60, 1)?;
    let answer = outside::statement_signature(&changed, &signature, &key)?;
    ensure!(!answer.is_good(), "a changed refusal is nobody's");
    Ok(())
}

/// The hub's public statement key, by the newest directory.
fn hub_key(network: &Network<'_>) -> Result<String> {
    let versions = fs::read_dir(network.join("authority/trust/directory"))?.flatten();
    let newest = versions.map(|entry| entry.path()).max();
    let newest = newest.context("a directory has a version")?;
    for line in fs::read_to_string(newest.join("entries.jsonl"))?.lines() {
        let entry: Value = serde_json::from_str(line)?;
        if entry["type"] == "consign/hub/v1" {
            return text(&entry["statement_keys"][0]["public"]);
        }
    }
    anyhow::bail!("the directory has no hub")
}

/// Its node knows that its keys are revoked, and takes nothing more in to be sealed.
fn nothing_more_is_sealed(network: &Network<'_>) -> Result<()> {
    let count = || -> Result<Option<usize>> {
        let sent = network.ask("sent --node node-a --agency H49")?;
        Ok(sent["documents"].as_array().map(Vec::len))
    };
    let before = count()?;
    let refused = network.consign(&format!("{SEND} --json"))?;
    let said = refused.refused(1, "key-revoked")?;
    let cause = text(&said["message"])?;
    ensure!(cause.contains("revoked this agency's"), "{said}");
    ensure!(text(&said["fix"])?.contains("consign node enrol"), "{said}");
    ensure!(
        before.is_some() && count()? == before,
        "no document is left"
    );
    // Its neighbour on the same node is not concerned.
    let other = SEND.replace("--from H49 ", "--from H49.13 ");
    network.ask(&format!("{other} --wait handover"))?;
    Ok(())
}

/// What `node init --help` and `authority revoke --help` say.
fn new_keys_send_again(scratch: &Scratch, network: &mut Network<'_>) -> Result<()> {
    network.node(0)?.stop()?;
    let keys = scratch.join("node-a/agencies/H49/keys");
    for name in ["seal.key", "statement.key", "encryption.key"] {
        fs::rename(keys.join(name), keys.join(format!("{name}.old")))?;
    }
    for line in [
        "node init --node node-a --agency 'H49=Ủy ban nhân dân tỉnh'",
        "authority issue node-a/request.json --replace --dir authority -o again.json",
        "authority publish --dir authority",
        "node install again.json --dir node-a",
    ] {
        network.consign(line)?.good()?;
    }
    network.node(0)?.start_again()?;
    let first = until("the new keys count", ARRIVAL, || {
        let answer = network.consign(&format!("{SEND} --wait handover --json"))?;
        answer.is_good().then(|| answer.json()).transpose()
    })?;
    let row = network.wait_until_received("node-b", "H49.20", &id(&first)?)?;
    ensure!(row["verdict"] == "TOTAL-PASSED", "{row}");
    Ok(())
}

fn our_verdicts(scratch: &Scratch, sealed: &Sealed) -> Result<()> {
    let verify = |trust: &str, at: &str| -> Result<Value> {
        let line = format!(
            "verify {} --trust {trust} --at {at} --json",
            sealed.container.display()
        );
        scratch.consign(&line)?.json()
    };
    let roots_and = |lists: &Path| {
        format!(
            "authority/trust/trust.pem --crl {0}/issuing.crl --crl {0}/root.crl",
            lists.display()
        )
    };
    let now = roots_and(&scratch.join("authority/trust/crl"));
    let before = roots_and(&sealed.lists);
    for (trust, at, expected) in [
        (
            "authority/trust/trust.json",
            &sealed.accepted,
            "TOTAL-PASSED",
        ),
        (
            "authority/trust/trust.json",
            &sealed.revoked,
            "TOTAL-FAILED",
        ),
        (&now, &sealed.accepted, "TOTAL-PASSED"),
        (&now, &sealed.revoked, "TOTAL-FAILED"),
        (&before, &sealed.accepted, "TOTAL-PASSED"),
        (
            "authority/trust/trust.pem",
            &sealed.accepted,
            "INDETERMINATE",
        ),
    ] {
        let verdict = verify(trust, at)?;
        ensure!(verdict["verdict"] == expected, "{trust} at {at}: {verdict}");
        // The lists beside a directory count, too.
        let checks = verdict["report"]["checks"].as_array();
        let mut checks = checks.context("it has checks")?.iter();
        let by_lists = checks.any(|check| check["name"] == "seal-revocation");
        ensure!(by_lists, "{trust} at {at}: {verdict}");
    }
    Ok(())
}

/// With the lists in force when it was sealed it accepts, with those in force now it does not.
fn openssl_agrees(scratch: &Scratch, sealed: &Sealed) -> Result<()> {
    let meta = scratch.join("meta");
    outside::container(&sealed.container, &meta)?;
    let files = material::files_below(&meta)?;
    let find = |end: &str| -> Result<PathBuf> {
        let found = files.iter().find(|path| path.ends_with(end));
        found
            .cloned()
            .with_context(|| format!("{end} in {files:?}"))
    };
    let (signature, manifest) = (find("signature001.p7s")?, find("ASiCManifest001.xml")?);
    let trust = scratch.join("authority/trust/trust.pem");
    let check = |lists: &Path| {
        outside::manifest_signature_with_lists(&signature, &manifest, &trust, lists, scratch.path())
    };
    let before = check(&sealed.lists)?;
    ensure!(before.code == Some(0), "{before}");
    let after = check(&scratch.join("authority/trust/crl"))?;
    ensure!(
        after.code != Some(0) && after.to_string().contains("certificate revoked"),
        "{after}"
    );
    Ok(())
}

fn id(value: &Value) -> Result<String> {
    text(&value["id"])
}

fn text(value: &Value) -> Result<String> {
    let text = value.as_str();
    Ok(text
        .with_context(|| format!("no text: {value}"))?
        .to_owned())
}
