//! A network founded with the authority's service: invitations, an operator's word, renewal
//! while documents travel, and revocation that reaches everybody by itself.

#![expect(
    clippy::indexing_slicing,
    reason = "only JSON values are indexed, which answer with null where there is nothing"
)]

use std::fs;
use std::time::Duration;

use anyhow::{Context as _, Result, ensure};
use consign_tests::network::{ARRIVAL, free_port};
use consign_tests::scratch::in_scratch;
use consign_tests::service::Service;
use consign_tests::waiting::until;
use consign_tests::{Scratch, material, outside};
use serde_json::Value;

const SEND: &str =
    "send letter.pdf --node node-a --from H49 --to H49.13,H49.20 --subject 'Về việc'";

/// An authority that serves, and a hub enrolled by token.
struct Province<'a> {
    scratch: &'a Scratch,
    authority: String,
    _service: Service,
    _hub: Service,
    nodes: Vec<Service>,
}

#[test]
fn by_token_a_network_is_founded_renewed_and_defended() -> Result<()> {
    in_scratch("enrolment", |scratch| {
        scratch.write("letter.pdf", material::pdf("enrolment"))?;
        let mut province = Province::found(scratch)?;
        province.enrol("node-a", &["H49=Ủy ban nhân dân tỉnh", "H49.13=Sở Nội vụ"])?;
        province.enrol("node-b", &["H49.20=Sở Tài chính"])?;
        province.arrives(SEND)?;
        province.tokens_count_once()?;
        province.keys_are_renewed()?;
        province.a_lost_answer_is_asked_for_again()?;
        province.an_operator_decides()?;
        province.a_group_is_sent_to()?;
        province.revocation_reaches_everybody()
    })
}

impl<'a> Province<'a> {
    fn found(scratch: &'a Scratch) -> Result<Self> {
        let founded = scratch.ask("authority init authority --name 'Tỉnh Quảng Ninh'")?;
        let record = founded["record"].as_str().context("a record")?;
        let check = format!("authority ceremony check {record} --dir authority");
        let checked = scratch.ask(&check)?;
        ensure!(checked["agrees"] == true, "{checked}");
        let authority = format!("127.0.0.1:{}", free_port()?);
        let line = format!("authority serve authority --listen {authority}");
        let service = Service::start(&scratch.join("authority"), &line)?;
        let hub = format!("localhost:{}", free_port()?);
        let token = invite(scratch, &format!("hub-1 --address {hub}"))?;
        let line = format!("hub enrol hub --authority {authority} --token {token}");
        let enrolled = scratch.ask(&line)?;
        ensure!(enrolled["listed"] == true, "{enrolled}");
        let hub = Service::start(&scratch.join("hub"), "hub run hub")?;
        Ok(Self {
            scratch,
            authority,
            _service: service,
            _hub: hub,
            nodes: Vec::new(),
        })
    }

    /// Invites agencies, enrols a node with their tokens and starts it.
    fn enrol(&mut self, node: &str, agencies: &[&str]) -> Result<()> {
        let mut line = format!("node enrol {node} --authority {}", self.authority);
        for agency in agencies {
            let (code, name) = agency.split_once('=').context("CODE=NAME")?;
            let token = invite(self.scratch, &format!("{code} --name '{name}'"))?;
            line.push_str(&format!(" --token {token}"));
        }
        let enrolled = self.scratch.ask(&line)?;
        let listed = enrolled["agencies"].as_array().map(Vec::len);
        ensure!(listed == Some(agencies.len()), "{enrolled}");
        // After an interruption the same command goes on; nothing is doubled.
        let again = self.scratch.ask(&line)?;
        ensure!(again["agencies"] == enrolled["agencies"], "{again}");
        let run = format!("node run {node}");
        let service = Service::start(&self.scratch.join(node), &run)?;
        self.nodes.push(service);
        self.connected(node)
    }

    fn connected(&self, node: &str) -> Result<()> {
        until(&format!("{node} is connected"), ARRIVAL, || {
            let status = self.scratch.ask(&format!("status --node {node}"))?;
            Ok((status["connection"] == "connected").then_some(()))
        })
    }

    fn arrives(&self, send: &str) -> Result<Value> {
        let sent = self.scratch.ask(&format!("{send} --wait handover"))?;
        ensure!(
            sent["state"] == "handed-over" || sent["ok"] == true,
            "{sent}"
        );
        Ok(sent)
    }

    /// A token that was used for one node's keys enrols nobody else; a wrong one nobody.
    fn tokens_count_once(&self) -> Result<()> {
        let token = invite(self.scratch, "H49.21 --name 'Sở Y tế'")?;
        let enrol = |node: &str, token: &str| {
            let authority = &self.authority;
            let line = format!("node enrol {node} --authority {authority} --token {token} --json");
            self.scratch.consign(&line)
        };
        enrol("first", &token)?.good()?;
        enrol("second", &token)?.refused(1, "invitation-used")?;
        // Another secret, and another authority's key.
        for (at, code) in [(8, "invitation-unknown"), (36, "peer-unknown")] {
            let (head, tail) = (token.get(..at), token.get(at + 4..));
            let other = [head, Some("AAAA"), tail].map(Option::unwrap_or_default);
            enrol("third", &other.concat())?.refused(1, code)?;
        }

        invite(self.scratch, "H49.22 --name 'Sở Xây dựng'")?;
        let withdrawn = self
            .scratch
            .ask("authority invitations --withdraw H49.22 --dir authority")?;
        ensure!(withdrawn["withdrawn"] == 1, "{withdrawn}");
        let all = self.scratch.ask("authority invitations --dir authority")?;
        let used = all["invitations"].as_array().map_or(0, |all| {
            all.iter().filter(|one| one["state"] == "used").count()
        });
        ensure!(used == 5, "{all}");
        Ok(())
    }

    /// New keys take over while the node works, and what was sealed before stays good.
    fn keys_are_renewed(&self) -> Result<()> {
        let before = self.arrives(SEND)?;
        let renewed = self.scratch.ask("node renew --node node-a")?;
        ensure!(renewed["directory_version"].as_u64() > Some(1), "{renewed}");
        self.arrives(SEND)?;
        let again = self.scratch.ask("node renew --node node-a")?;
        ensure!(
            again["directory_version"].as_u64() > renewed["directory_version"].as_u64(),
            "{again}"
        );
        self.arrives(SEND)?;
        self.connected("node-a")?;
        let id = before["id"].as_str().context("an id")?;
        let line = format!("export --node node-b {id} -o before.asice");
        self.scratch.consign(&line)?.good()?;
        let line = "verify before.asice --trust node-b/trust/trust.json";
        let verdict = self.scratch.ask(line)?;
        ensure!(verdict["verdict"] == "TOTAL-PASSED", "{verdict}");
        Ok(())
    }

    /// A node whose renewal was listed and did not arrive asks for it again by itself, also one
    /// that believes other time-stamp authorities than the network's own.
    fn a_lost_answer_is_asked_for_again(&mut self) -> Result<()> {
        let certificate = self.scratch.join("node-b/keys/tls.pem");
        let before = fs::read(&certificate)?;
        self.scratch.ask("node renew --node node-b")?;
        let renewed = fs::read(&certificate)?;
        ensure!(renewed != before, "the certificate is the same");
        let node = self.nodes.get_mut(1).context("node-b")?;
        node.kill()?;
        fs::write(&certificate, &before)?;
        let root = self.scratch.join("roots.pem");
        let path = root.to_string_lossy();
        outside::openssl([
            "req",
            "-x509",
            "-newkey",
            "ec",
            "-pkeyopt",
            "ec_paramgen_curve:P-256",
            "-nodes",
            "-subj",
            "/CN=TSA",
            "-keyout",
            "/dev/null",
            "-out",
            &*path,
        ])?
        .good()?;
        let settings = self.scratch.join("node-b/node.toml");
        let written = fs::read_to_string(&settings)?;
        let named = format!("[time_stamp]\nroots = \"{path}\"\n");
        let changed = written.replacen("[time_stamp]\n", &named, 1);
        ensure!(changed != written, "{written}");
        fs::write(&settings, changed)?;
        node.start_again()?;
        until("the certificate has come", ARRIVAL, || {
            Ok((fs::read(&certificate)? == renewed).then_some(()))
        })?;
        self.connected("node-b")?;
        self.arrives(SEND).map(drop)
    }

    /// Without a token a request waits until the operator decides.
    fn an_operator_decides(&self) -> Result<()> {
        let shown = self.scratch.ask("authority show authority")?;
        let fingerprint = shown["service"]["fingerprint"].as_str();
        let fingerprint = fingerprint.context("a fingerprint")?.to_owned();
        let line = format!(
            "node enrol node-c --authority {} --fingerprint {fingerprint} --agency 'H49.30=Sở Tư pháp'",
            self.authority
        );
        std::thread::scope(|scope| {
            let asked = scope.spawn(|| self.scratch.consign(&line));
            let reference = until("a request waits", ARRIVAL, || {
                let all = self.scratch.ask("authority pending --dir authority")?;
                let first = &all["requests"][0];
                let is_ours = first["agencies"][0][0] == "H49.30";
                Ok(is_ours.then(|| first["reference"].to_string()))
            })?;
            let reference = reference.trim_matches('"');
            self.scratch
                .ask(&format!("authority approve {reference} --dir authority"))?;
            let answer = asked.join().map_err(|_| anyhow::anyhow!("it panicked"))??;
            answer.good()?;
            anyhow::Ok(())
        })?;
        let none = self.scratch.ask("authority pending --dir authority")?;
        ensure!(
            none["requests"].as_array().is_some_and(Vec::is_empty),
            "{none}"
        );
        Ok(())
    }

    /// A group is sent to by its name: everybody in it but the sender and those who are no more.
    fn a_group_is_sent_to(&self) -> Result<()> {
        let line =
            "authority group add cac-so --name 'Các sở' H49 H49.13 H49.20 H49.21 --dir authority";
        self.scratch.ask(line)?;
        let line = "authority merge H49.21 --into H49.13 --publish --dir authority";
        self.published(line)?;
        let send = "send letter.pdf --node node-a --from H49 --subject 'Về việc' --to-group";
        let sent = self.arrives(&format!("{send} 'Các sở'"))?;
        let expected = serde_json::json!(["H49.13", "H49.20"]);
        ensure!(sent["recipients"] == expected, "{sent}");
        ensure!(
            sent["passed_over"] == serde_json::json!(["H49.21"]),
            "{sent}"
        );
        let unknown = self.scratch.consign(&format!("{send} nobody --json"))?;
        unknown.refused(1, "recipient-unknown")?;
        let shown = self.scratch.ask("directory show cac-so --node node-b")?;
        ensure!(shown["groups"][0]["members"][0] == "H49", "{shown}");
        Ok(())
    }

    /// What an operator publishes beside the service reaches the hub and the nodes by itself.
    fn published(&self, line: &str) -> Result<()> {
        let answer = self.scratch.ask(line)?;
        let version = answer["version"].as_u64().context("a version")?;
        for node in ["node-a", "node-b"] {
            until("the directory has arrived", Duration::from_secs(30), || {
                let status = self.scratch.ask(&format!("status --node {node}"))?;
                Ok((status["directory_version"].as_u64() >= Some(version)).then_some(()))
            })?;
        }
        Ok(())
    }

    fn revocation_reaches_everybody(&self) -> Result<()> {
        self.published("authority revoke H49 --reason key-compromise --publish --dir authority")?;
        let line = format!("{SEND} --json");
        self.scratch.consign(&line)?.refused(1, "key-revoked")?;
        // A node whose TLS certificate is revoked is not talked to any more.
        let shown = self.scratch.ask("authority show authority")?;
        let nodes = shown["nodes"].as_array().context("nodes")?;
        let stolen = nodes.iter().find(|node| node["name"] == "Sở Tài chính");
        let id = stolen
            .and_then(|node| node["id"].as_str())
            .context("node-b")?;
        let revoke = format!("authority revoke {id} --reason key-compromise");
        let revoked = self
            .scratch
            .ask(&format!("{revoke} --publish --dir authority"))?;
        ensure!(revoked["certificates"].as_u64() >= Some(1), "{revoked}");
        until("node-b is cut off", Duration::from_secs(30), || {
            let status = self.scratch.ask("status --node node-b")?;
            Ok((status["connection"] != "connected").then_some(()))
        })
    }
}

fn invite(scratch: &Scratch, party: &str) -> Result<String> {
    let invited = scratch.ask(&format!("authority invite {party} --dir authority"))?;
    let token = invited["token"].as_str().context("a token")?;
    Ok(token.to_owned())
}
