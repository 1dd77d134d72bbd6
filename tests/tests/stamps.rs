//! Time-stamps of the hub's own authority, on seals: by our verdict and by `openssl ts`, and seal
//! and time-stamp by pyHanko; and of an outside authority, `openssl ts -reply` behind a small web
//! server.

#![expect(
    clippy::indexing_slicing,
    reason = "only JSON values are indexed, which answer with null where there is nothing"
)]

use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result, ensure};
use consign_tests::network::{ARRIVAL, README};
use consign_tests::program::Invocation;
use consign_tests::scratch::in_scratch;
use consign_tests::waiting::until;
use consign_tests::{Network, Scratch, material, outside};
use serde_json::Value;

const SEND: &str = "send letter.pdf --node node-a --from H49 --to H49.20 --subject Giờ";
/// The arc of the authority's policies.
const ARC: &str = "1.3.6.1.4.1.32473.7";
/// Answers `application/timestamp-query` with what `openssl ts -reply` says; writes its port.
const WEB: &str = include_str!("../python/time_stamps.py");

#[test]
fn openssl_accepts_the_stamps_of_the_hub_in_the_seal_and_beside_it() -> Result<()> {
    in_scratch("stamps", |scratch| {
        scratch.write("letter.pdf", material::pdf("stamps"))?;
        let mut network = Network::found(scratch, README)?;
        network.wait_until_connected("node-a")?;
        let sent = network.ask(&format!("{SEND} --wait handover"))?;
        ensure!(sent["time_stamp"]["state"] == "sealed", "{sent}");
        let id = text(&sent["id"])?;
        let in_seal = exported(&network, &id, "sealed.asice")?;
        openssl_accepts(scratch, &in_seal)?;
        let verdict = verified(scratch, &in_seal, "authority/trust/trust.json")?;
        ensure!(verdict["verdict"] == "TOTAL-PASSED", "{verdict}");
        let proven = text(&verdict["seals"][0]["proven_time"])?;
        pyhanko_accepts(scratch, &in_seal, &proven)?;

        // The hub is away: it is sealed all the same, says so, and is stamped when it is back.
        network.hub.stop()?;
        until("the hub is missed", ARRIVAL, || {
            let status = network.ask("status --node node-a")?;
            Ok((status["connection"] != "connected").then_some(()))
        })?;
        let sent = network.ask(SEND)?;
        ensure!(sent["time_stamp"]["state"] == "awaited", "{sent}");
        let id = text(&sent["id"])?;
        let none = format!("export {id} --time-stamp -o none.asice --node node-a --agency H49");
        let none = scratch.consign(&none)?;
        ensure!(none.code == Some(1), "{none}");
        let shown = scratch.consign(&format!("track {id} --node node-a --agency H49"))?;
        ensure!(
            shown.text().contains("sealed without time-stamp"),
            "{shown}"
        );
        network.hub.start_again()?;
        stamped_afterwards(&network, &id)?;
        let beside = exported(&network, &id, "afterwards.asice")?;
        openssl_accepts(scratch, &beside)?;
        let status = network.ask("status --node node-a")?;
        ensure!(status["time_stamps_until"].is_string(), "{status}");
        ensure!(status["agencies"][0]["stamps_awaited"] == 0, "{status}");
        stamps_with_rsa(scratch, &mut network)
    })
}

/// As the help of `hub init` says; the authority has an arc of its own by now.
fn stamps_with_rsa(scratch: &Scratch, network: &mut Network<'_>) -> Result<()> {
    let path = scratch.join("authority/authority.json");
    let mut settings: Value = serde_json::from_slice(&std::fs::read(&path)?)?;
    settings["certificates"]["policy_arc"] = ARC.into();
    std::fs::write(&path, settings.to_string())?;
    network.hub.stop()?;
    let init = format!(
        "hub init --dir hub --address {} --time-stamp-key rsa --json",
        network.address
    );
    let there = scratch.consign(&init)?.refused(2, "usage")?;
    ensure!(text(&there["fix"])?.contains("rename"), "{there}");
    let key = scratch.join("hub/keys/time-stamp.key");
    std::fs::rename(&key, key.with_extension("key.old"))?;
    scratch.consign(&init)?.good()?;
    let issue = "authority issue hub/request.json --dir authority -o rsa.json --replace";
    scratch.consign(issue)?.good()?;
    scratch.consign("hub install rsa.json --dir hub")?.good()?;
    network.hub.start_again()?;
    network.wait_until_connected("node-a")?;
    let sent = network.ask(&format!("{SEND} --wait handover"))?;
    ensure!(sent["time_stamp"]["state"] == "sealed", "{sent}");
    let container = exported(network, &text(&sent["id"])?, "rsa.asice")?;
    openssl_accepts(scratch, &container)?;
    let token = format!("{}.tst", container.display());
    let said = outside::openssl([
        "ts",
        "-reply",
        "-token_in",
        "-token_out",
        "-text",
        "-in",
        &token,
    ])?;
    let policy = format!("Policy OID: {ARC}.3");
    ensure!(said.text().contains(&policy), "{said}");
    let said = outside::openssl([
        "pkcs7",
        "-inform",
        "DER",
        "-print_certs",
        "-text",
        "-in",
        &token,
    ])?;
    ensure!(said.text().contains("(3072 bit)"), "{said}");
    Ok(())
}

#[test]
fn an_outside_authority_is_asked_by_its_url_and_counts_by_its_own_root() -> Result<()> {
    in_scratch("stamps-outside", |scratch| {
        scratch.write("letter.pdf", material::pdf("stamps outside"))?;
        let mut network = Network::found(scratch, README)?;
        let mut web = Web::start(scratch)?;
        let node = network.node(0)?;
        node.stop()?;
        let toml = scratch.join("node-a/node.toml");
        let plain = std::fs::read_to_string(&toml)?;
        let changed = plain
            .replace("#source = \"hub\"", &format!("source = {:?}", web.url))
            .replace(
                "#roots = \"trust/time-stamp-roots.pem\"",
                "roots = \"../tsa/root.pem\"",
            );
        ensure!(changed != plain, "{plain}");
        std::fs::write(&toml, changed)?;
        network.node(0)?.start_again()?;
        network.wait_until_connected("node-a")?;
        let sent = network.ask(&format!("{SEND} --wait handover"))?;
        ensure!(sent["time_stamp"]["state"] == "sealed", "{sent}");
        web.stop()?;
        let container = exported(&network, &text(&sent["id"])?, "outside.asice")?;
        let trust = "authority/trust/trust.json";
        let unknown = verified(scratch, &container, trust)?;
        ensure!(unknown["seals"][0]["proven_time"].is_null(), "{unknown}");
        let roots = format!("{trust} --time-stamp-roots tsa/root.pem");
        let known = verified(scratch, &container, &roots)?;
        ensure!(known["verdict"] == "TOTAL-PASSED", "{known}");
        ensure!(known["seals"][0]["proven_time"].is_string(), "{known}");
        Ok(())
    })
}

/// Exports a container with its time-stamp and what that is over.
fn exported(network: &Network<'_>, id: &str, name: &str) -> Result<PathBuf> {
    let line = format!("export {id} --time-stamp -o {name} --node node-a --agency H49");
    let files = network.ask(&line)?;
    ensure!(
        files["files"].as_array().map(Vec::len) == Some(3),
        "{files}"
    );
    Ok(network.join(name))
}

fn stamped_afterwards(network: &Network<'_>, id: &str) -> Result<()> {
    until("the stamp comes", ARRIVAL, || {
        let track = network.ask(&format!("track {id} --node node-a --agency H49"))?;
        Ok((track["time_stamp"]["state"] == "afterwards").then_some(()))
    })
}

/// `openssl` finds the token good over the seal's value, and not over anything else.
fn openssl_accepts(scratch: &Scratch, container: &Path) -> Result<()> {
    let beside = |end: &str| PathBuf::from(format!("{}.{end}", container.display()));
    let verify = |data: &Path| {
        outside::openssl([
            "ts".as_ref(),
            "-verify".as_ref(),
            "-data".as_ref(),
            data.as_os_str(),
            "-in".as_ref(),
            beside("tst").as_os_str(),
            "-token_in".as_ref(),
            "-CAfile".as_ref(),
            scratch.join("authority/trust/trust.pem").as_os_str(),
        ])
    };
    let good = verify(&beside("signature"))?;
    ensure!(good.is_good(), "{good}");
    let other = verify(container)?;
    ensure!(!other.is_good(), "{other}");
    Ok(())
}

/// pyHanko finds seal and time-stamp good, with the network's lists for both, and not when a byte
/// of the manifest is another one.
fn pyhanko_accepts(scratch: &Scratch, container: &Path, moment: &str) -> Result<()> {
    let meta = scratch.join("meta");
    outside::container(container, &meta)?;
    let (signature, manifest) = (
        meta.join("signature001.p7s"),
        meta.join("ASiCManifest001.xml"),
    );
    let roots = scratch.join("authority/trust/trust.pem");
    let opinion_with = |manifest: &Path, lists: &Path| {
        outside::pyhanko_on_seal(&signature, manifest, &roots, lists, moment)
    };
    let lists = scratch.join("authority/trust/crl");
    let good = opinion_with(&manifest, &lists)?;
    ensure!(good["good"] == true, "{good}");
    let stamp = &good["stamp"];
    ensure!(
        stamp["intact"] == true && stamp["valid"] == true && stamp["trusted"] == true,
        "{good}"
    );
    ensure!(
        text(&stamp["time"])?.starts_with(moment.trim_end_matches('Z')),
        "{good} {moment}"
    );
    // Nothing is taken for granted: without lists it does not trust it.
    let nothing = scratch.join("no-lists");
    std::fs::create_dir_all(&nothing)?;
    let unknown = opinion_with(&manifest, &nothing)?;
    ensure!(
        unknown["intact"] == true && unknown["trusted"] == false,
        "{unknown}"
    );
    let damaged = scratch.join("damaged");
    for offset in [0, std::fs::read(&manifest)?.len() - 1] {
        material::changed(&manifest, &damaged, offset, 1)?;
        let changed = opinion_with(&damaged, &lists)?;
        ensure!(
            changed["intact"] == false && changed["good"] == false,
            "{changed}"
        );
    }
    Ok(())
}

fn verified(scratch: &Scratch, container: &Path, trust: &str) -> Result<Value> {
    let line = format!("verify {} --trust {trust} --json", container.display());
    scratch.consign(&line)?.json()
}

fn text(value: &Value) -> Result<String> {
    let text = value.as_str();
    Ok(text
        .with_context(|| format!("no text: {value}"))?
        .to_owned())
}

/// An authority made with `openssl`, and the server in front of it.
struct Web {
    child: std::process::Child,
    url: String,
}

impl Web {
    fn start(scratch: &Scratch) -> Result<Self> {
        let place = scratch.join("tsa");
        std::fs::create_dir_all(&place)?;
        make_authority(&place)?;
        let child = Invocation::of("python3")
            .args(["-I", "-c", WEB])
            .stand_in(&place)
            .command()
            .spawn()?;
        let mut web = Self {
            child,
            url: String::new(),
        };
        let port = until("the server says its port", ARRIVAL, || {
            Ok(std::fs::read_to_string(place.join("port")).ok())
        })?;
        web.url = format!("http://127.0.0.1:{}/tsr", port.trim());
        Ok(web)
    }

    fn stop(&mut self) -> Result<()> {
        // It may have ended by itself.
        let _ = self.child.kill();
        self.child.wait()?;
        Ok(())
    }
}

impl Drop for Web {
    fn drop(&mut self) {
        let _ = self.stop();
    }
}

/// A root and a time-stamp certificate, as another infrastructure would make them.
fn make_authority(place: &Path) -> Result<()> {
    std::fs::write(
        place.join("tsa.cnf"),
        "[tsa]\ndefault_tsa = one\n[one]\nserial = serial\nsigner_cert = tsa.pem\n\
         certs = tsa.pem\nsigner_key = tsa.key\nsigner_digest = sha256\n\
         default_policy = 1.2.3.4.1\ndigests = sha256, sha384, sha512\naccuracy = secs:1\n\
         ordering = no\ntsa_name = no\ness_cert_id_chain = no\ness_cert_id_alg = sha256\n\
         [usage]\nbasicConstraints = critical, CA:FALSE\nkeyUsage = critical, digitalSignature\n\
         extendedKeyUsage = critical, timeStamping\n",
    )?;
    std::fs::write(place.join("serial"), "1001\n")?;
    for line in [
        "req -x509 -newkey rsa:2048 -nodes -days 30 -subj /O=Outside/CN=Root -keyout root.key -out root.pem",
        "req -newkey rsa:2048 -nodes -subj /O=Outside/CN=Stamps -keyout tsa.key -out tsa.csr",
        "x509 -req -in tsa.csr -CA root.pem -CAkey root.key -CAcreateserial -days 20 -extfile tsa.cnf -extensions usage -out tsa.pem",
    ] {
        let made = Invocation::of("openssl")
            .args(line.split(' '))
            .stand_in(place)
            .run()?;
        ensure!(made.is_good(), "{made}");
    }
    Ok(())
}
