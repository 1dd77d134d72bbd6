//! An agency is revoked: its next submission is refused, what it sealed before stays good as of its time, and what it seals later does not count; by our verdicts, with the
//! directory and with revocation lists alone, and by `openssl`.

#![expect(
    clippy::indexing_slicing,
    reason = "only JSON values are indexed, which answer with null where there is nothing"
)]

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
        let mut network = Network::found(scratch, README)?;
        let (sealed, waiting) = sealed_before(scratch, &mut network)?;
        is_refused(scratch, &mut network, &waiting)?;
        our_verdicts(scratch, &sealed)?;
        openssl_agrees(scratch, &sealed)
    })
}

/// One document that arrives, and one that is sealed and still waits when its sender is revoked.
fn sealed_before(scratch: &Scratch, network: &mut Network<'_>) -> Result<(Sealed, String)> {
    let first = id(&network.ask(&format!("{SEND} --wait handover"))?)?;
    let row = network.wait_until_received("node-b", "H49.20", &first)?;
    let accepted = text(&row["received_at"])?;
    network.ask(&format!("export --node node-b {first} -o first.asice"))?;
    network.hub.stop()?;
    let waiting = id(&network.ask(SEND)?)?;
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

/// Neither what waited nor anything new is accepted.
fn is_refused(scratch: &Scratch, network: &mut Network<'_>, waiting: &str) -> Result<()> {
    network.hub.start_again()?;
    until("what waited is refused", ARRIVAL, || {
        let track = format!("track {waiting} --node node-a --agency H49");
        let sent = network.ask(&track)?["sent"].take();
        ensure!(sent["state"] != "accepted", "{sent}");
        let why = sent.to_string();
        Ok(why.contains("key-not-valid").then_some(()))
    })?;
    let answer = scratch.consign(&format!("{SEND} --wait accepted --timeout 2 --json"))?;
    ensure!(answer.code == Some(1), "{answer}");
    let sent = network.ask("sent --node node-a --agency H49")?;
    let newest = &sent["documents"][0];
    ensure!(
        newest["state"] == "composed" && newest["reason"] == "key-not-valid",
        "nothing more is sealed for it: {sent}"
    );
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
