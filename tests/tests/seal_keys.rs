//! Where the keys of nodes and hubs are kept: a seal key in a token (SoftHSM2), and all others in
//! files under a passphrase.

#![expect(
    clippy::indexing_slicing,
    reason = "only JSON values are indexed, which answer with null where there is nothing"
)]

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result, ensure};
use consign_tests::network::{ARRIVAL, free_port};
use consign_tests::program::{Invocation, binary, words};
use consign_tests::scratch::in_scratch;
use consign_tests::service::Service;
use consign_tests::soft_token::SoftToken;
use consign_tests::waiting::until;
use consign_tests::{Answer, Scratch, material, outside};
use serde_json::Value;

const SEND: &str = "send letter.pdf --node node-a --to H49.20 --subject 'Về việc'";
const SECRET: &str = "file:secret";

#[test]
fn a_seal_key_in_a_token_and_the_others_under_a_passphrase() -> Result<()> {
    in_scratch("seal-keys", |scratch| {
        scratch.write("letter.pdf", material::pdf("seal-keys"))?;
        scratch.write_private("secret", "đúng là mật khẩu\n")?;
        let token = SoftToken::new(scratch, "H49.13")?;
        let mut network = Network::found(scratch, &token)?;
        network.seals()?;
        network.waits_for_the_token()?;
        network.gives_a_wrong_pin_once()?;
        network.renews_under_the_passphrase()?;
        network.takes_the_passphrase_away()
    })
}

/// `node-a` seals with the token; `node-b` and the hub have their files under a passphrase.
struct Network<'a> {
    scratch: &'a Scratch,
    token: &'a SoftToken<'a>,
    _authority: Service,
    hub: Service,
    node_a: Service,
    node_b: Service,
}

impl<'a> Network<'a> {
    fn found(scratch: &'a Scratch, token: &'a SoftToken<'a>) -> Result<Self> {
        let init = "authority init authority --name 'Tỉnh Quảng Ninh'";
        scratch.consign(init)?.good()?;
        let authority = format!("127.0.0.1:{}", free_port()?);
        let line = format!("authority serve authority --listen {authority}");
        let service = Service::start(&scratch.join("authority"), &line)?;
        let enrol = |role: &str, home: &str, party: &str| {
            let invited = scratch.ask(&format!("authority invite {party} --dir authority"))?;
            let invitation = invited["token"].as_str().context("a token")?;
            let to = format!("--authority {authority} --token {invitation}");
            Ok::<_, anyhow::Error>(format!("{role} enrol {home} {to}"))
        };

        let address = format!("localhost:{}", free_port()?);
        let line = enrol("hub", "hub", &format!("hub-1 --address {address}"))?;
        scratch.ask(&format!("{line} --passphrase {SECRET}"))?;
        let names = ["tls", "statement", "time-stamp"];
        let keys = names.map(|name| scratch.join(format!("hub/keys/{name}.key")));
        all_protected(scratch, &keys)?;
        let run = "hub run hub";
        without_a_terminal(scratch, run)?.refused(2, "usage")?;
        let hub = format!("{run} --passphrase {SECRET}");
        let hub = Service::start(&scratch.join("hub"), &hub)?;

        let line = enrol("node", "node-b", "H49.20 --name 'Sở Tài chính'")?;
        scratch.ask(&format!("{line} --passphrase {SECRET}"))?;
        all_protected(scratch, &key_files(&scratch.join("node-b"), "H49.20")?)?;
        let run = "node run node-b";
        let closed = without_a_terminal(scratch, run)?.refused(2, "usage")?;
        ensure!(says(&closed["message"], "under a passphrase"), "{closed}");
        ensure!(says(&closed["fix"], "--passphrase"), "{closed}");
        let node_b = format!("{run} --passphrase {SECRET}");
        let node_b = Service::start(&scratch.join("node-b"), &node_b)?;

        // A token that is not there is named, with those that are; the same goes on with it.
        let line = enrol("node", "node-a", "H49.13 --name 'Sở Nội vụ'")?;
        let place = fs::read_to_string(scratch.join("token.toml"))?;
        scratch.write("other.toml", place.replace("H49.13", "H49.99"))?;
        let absent = token.consign(&format!("{line} --key-token other.toml --json"))?;
        let absent = absent.refused(1, "token-unavailable")?;
        ensure!(
            says(&absent["message"], "\"H49.99\" is plugged in")
                && says(&absent["message"], "\"H49.13\""),
            "{absent}"
        );
        token
            .consign(&format!("{line} --key-token token.toml"))?
            .good()?;
        let keys = scratch.join("node-a/agencies/H49.13/keys");
        ensure!(
            keys.join("seal.toml").exists() && !keys.join("seal.key").exists(),
            "the seal key is in the token alone"
        );
        let node_a = Service::start_with(
            &scratch.join("node-a"),
            "node run node-a",
            Some(token.setting()),
        )?;
        Ok(Self {
            scratch,
            token,
            _authority: service,
            hub,
            node_a,
            node_b,
        })
    }

    fn seals(&self) -> Result<()> {
        let sent = self.scratch.ask(&format!("{SEND} --wait handover"))?;
        let id = sent["id"].as_str().context("an id")?;
        self.arrives(id)?;
        let export = format!("export --node node-b {id} -o arrived.asice");
        self.scratch.consign(&export)?.good()?;
        let verify = "verify arrived.asice --trust node-b/trust/trust.json";
        let verdict = self.scratch.ask(verify)?;
        ensure!(verdict["verdict"] == "TOTAL-PASSED", "{verdict}");
        let agency = self.agency("node-a")?;
        ensure!(
            says(&agency["seal_keeper"], "\"H49.13\"") && agency["seal_reason"].is_null(),
            "{agency}"
        );
        Ok(())
    }

    /// What is sent meanwhile waits and says for what, also across a restart.
    fn waits_for_the_token(&mut self) -> Result<()> {
        self.token.pull_out()?;
        let sent = self.scratch.ask(SEND)?;
        let id = sent["id"].as_str().context("an id")?.to_owned();
        self.waits(&id, "plug it in")?;
        self.seal_reason("plug it in")?;
        self.node_a.stop()?;
        self.node_a.start_again()?;
        self.waits(&id, "plug it in")?;
        self.token.plug_in()?;
        self.arrives(&id)?;
        let said = self.node_a.said()?;
        ensure!(said.contains("the seal key does not sign"), "{said}");
        Ok(())
    }

    /// A PIN that the token refused is not given to it again, whatever is in the file by then.
    fn gives_a_wrong_pin_once(&mut self) -> Result<()> {
        self.node_a.stop()?;
        self.token.set_pin("000000")?;
        self.node_a.start_again()?;
        self.seal_reason("refused the PIN")?;
        let sent = self.scratch.ask(SEND)?;
        let id = sent["id"].as_str().context("an id")?;
        self.waits(id, "not tried again")?;
        self.token.set_right_pin()?;
        self.node_a.stop()?;
        self.node_a.start_again()?;
        // Only a person may try after that.
        self.seal_reason("pin = \"prompt\"")?;
        self.waits(id, "set pin = \"prompt\"")
    }

    /// Keys that are made later lie as those before, in backups too.
    fn renews_under_the_passphrase(&mut self) -> Result<()> {
        let before = key_files(&self.scratch.join("node-b"), "H49.20")?;
        self.scratch.ask("node renew --node node-b")?;
        let after = key_files(&self.scratch.join("node-b"), "H49.20")?;
        ensure!(after.len() > before.len(), "{after:?}");
        all_protected(self.scratch, &after)?;
        self.scratch.ask("node backup create node-b --to backup")?;
        let mut copies = Vec::new();
        collect_keys(&self.scratch.join("backup"), &mut copies)?;
        ensure!(copies.len() >= after.len(), "{copies:?}");
        all_protected(self.scratch, &copies)?;
        self.node_b.stop()?;
        self.node_b.start_again()
    }

    fn takes_the_passphrase_away(&mut self) -> Result<()> {
        let running = format!("node protect node-b --passphrase {SECRET} --remove --json");
        self.scratch.consign(&running)?.refused(2, "usage")?;
        self.node_b.stop()?;
        self.hub.stop()?;
        let all = key_files(&self.scratch.join("node-b"), "H49.20")?.len();
        for (line, expected) in [("node protect node-b", all), ("hub protect hub", 3)] {
            let wrong = format!("{line} --passphrase file:pin --remove --json");
            let wrong = self.scratch.consign(&wrong)?.refused(2, "usage")?;
            ensure!(says(&wrong["message"], "passphrase is wrong"), "{wrong}");
            let line = format!("{line} --passphrase {SECRET} --remove");
            let done = self.scratch.ask(&line)?;
            ensure!(done["changed"] == expected, "{done}");
            let again = self.scratch.ask(&line)?;
            ensure!(again["changed"] == 0, "{again}");
        }
        let _hub = Service::start(&self.scratch.join("hub"), "hub run hub")?;
        let _node = Service::start(&self.scratch.join("node-b"), "node run node-b")?;
        until("node-b is connected", ARRIVAL, || {
            let status = self.scratch.ask("status --node node-b")?;
            Ok((status["connection"] == "connected").then_some(()))
        })
    }

    fn arrives(&self, id: &str) -> Result<()> {
        until(&format!("{id} is opened"), ARRIVAL, || {
            let inbox = self.scratch.ask("inbox --node node-b")?;
            let rows = inbox["documents"].as_array().context("documents")?;
            let is_it = |row: &&Value| row["id"] == id && row["state"] == "opened";
            Ok(rows.iter().find(is_it).map(|_| ()))
        })
    }

    /// A document is composed and no more, and its row says why.
    fn waits(&self, id: &str, why: &str) -> Result<()> {
        until(&format!("{id} waits: {why}"), ARRIVAL, || {
            let sent = self.scratch.ask("sent --node node-a")?;
            let rows = sent["documents"].as_array().context("documents")?;
            let is_it = |row: &&Value| {
                row["id"] == id
                    && row["state"] == "composed"
                    && row["reason"] == "token-unavailable"
                    && says(&row["waiting"], why)
            };
            Ok(rows.iter().find(is_it).map(|_| ()))
        })
    }

    fn seal_reason(&self, why: &str) -> Result<()> {
        until(&format!("status says: {why}"), ARRIVAL, || {
            let agency = self.agency("node-a")?;
            Ok(says(&agency["seal_reason"], why).then_some(()))
        })
    }

    fn agency(&self, node: &str) -> Result<Value> {
        let mut status = self.scratch.ask(&format!("status --node {node}"))?;
        Ok(status["agencies"][0].take())
    }
}

/// Runs `consign` where nobody can be asked, whatever the tests run in.
fn without_a_terminal(scratch: &Scratch, line: &str) -> Result<Answer> {
    let program = Invocation::of("setsid").arg("--wait").arg(binary()?);
    let program = program.args(words(line)).arg("--json");
    program.stand_in(scratch.path()).run()
}

/// The secret files of a node with one agency.
fn key_files(node: &Path, agency: &str) -> Result<Vec<PathBuf>> {
    let mut found = Vec::new();
    collect_keys(&node.join("keys"), &mut found)?;
    collect_keys(&node.join("agencies").join(agency).join("keys"), &mut found)?;
    ensure!(found.len() >= 4, "{found:?}");
    Ok(found)
}

fn collect_keys(directory: &Path, found: &mut Vec<PathBuf>) -> Result<()> {
    for entry in fs::read_dir(directory)? {
        let path = entry?.path();
        if path.is_dir() {
            collect_keys(&path, found)?;
        } else if path.extension().is_some_and(|kind| kind == "key") {
            found.push(path);
        }
    }
    Ok(())
}

/// Each is under the passphrase of `secret`, by what it is and by `openssl`.
fn all_protected(scratch: &Scratch, keys: &[PathBuf]) -> Result<()> {
    let secret = scratch.join("secret");
    for path in keys {
        let bytes = fs::read(path).with_context(|| path.display().to_string())?;
        if bytes.starts_with(b"age-encryption.org/v1\n-> scrypt ") {
            continue;
        }
        let text = String::from_utf8_lossy(&bytes);
        ensure!(
            text.contains("BEGIN ENCRYPTED PRIVATE KEY"),
            "{}",
            path.display()
        );
        let file = path.display().to_string();
        let passphrase = format!("file:{}", secret.display());
        let words = ["pkey", "-noout", "-in", &file, "-passin", &passphrase];
        outside::openssl(words)?.good()?;
    }
    Ok(())
}

fn says(value: &Value, words: &str) -> bool {
    value.as_str().is_some_and(|text| text.contains(words))
}
