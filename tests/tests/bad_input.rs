//! Bad input on the command line, in configurations and on the wire: each refused with a code
//! of its own and a way out, and nobody else notices.

use std::fs;
use std::io::{Read as _, Write as _};
use std::net::{Shutdown, TcpStream};
use std::time::Duration;

use anyhow::{Context as _, Result, ensure};
use consign_tests::network::README;
use consign_tests::program::Invocation;
use consign_tests::scratch::in_scratch;
use consign_tests::{Network, material, say};

const SEND: &str = "send letter.pdf --node node-a --from H49 --to H49.13 --subject Sai --json";

#[test]
fn what_cannot_be_sent_is_refused_with_its_code() -> Result<()> {
    in_scratch("bad sending", |scratch| {
        scratch.write("letter.pdf", material::pdf("bad input"))?;
        scratch.write("other.pdf", material::pdf("other content"))?;
        let network = Network::found(scratch, README)?;
        let refused = |line: &str, exit, code| -> Result<String> {
            let error = network.consign(line)?.refused(exit, code)?;
            Ok(format!("{} {}", error["message"], error["fix"]))
        };

        // Every unknown recipient is named, and no known one.
        let line = SEND.replace("--to H49.13", "--to H49.13,H49.98,H49.20,H49.99");
        let said = refused(&line, 1, "recipient-unknown")?;
        ensure!(
            said.contains("H49.98") && said.contains("H49.99"),
            "all are named: {said}"
        );
        ensure!(
            !said.contains("H49.13") && !said.contains("H49.20"),
            "no other is: {said}"
        );
        ensure!(
            said.contains("consign directory show"),
            "the fix is a command: {said}"
        );

        // A sender that this node does not serve.
        let said = refused(&SEND.replace("--from H49", "--from H49.20"), 1, "not-found")?;
        ensure!(said.contains("H49.20"), "{said}");
        // Which of its agencies?
        let said = refused(&SEND.replace("--from H49 ", ""), 2, "usage")?;
        ensure!(said.contains("H49.13"), "the agencies are named: {said}");

        let said = refused(&SEND.replace("letter.pdf", "nothing.pdf"), 1, "not-found")?;
        ensure!(said.contains("nothing.pdf"), "{said}");
        refused(&format!("{SEND} --secrecy Mật"), 1, "state-secret")?;
        let long = "x".repeat(501);
        let line = SEND.replace("--subject Sai", &format!("--subject {long}"));
        let said = refused(&line, 1, "document-invalid")?;
        ensure!(said.contains("subject"), "the field is named: {said}");
        refused(
            &SEND.replace("--to H49.13", "--to H49"),
            1,
            "document-invalid",
        )?;
        refused(&SEND.replace("--to H49.13", "--to nobody!"), 2, "usage")?;
        refused(&format!("{SEND} --due 2026-13-45"), 2, "usage")?;
        refused(&format!("{SEND} --expire-days 91"), 2, "usage")?;

        // The same id with other content is refused; with the same it is the same document.
        let id = material::envelope_id()?;
        let line = format!("{SEND} --id {id} --number 7");
        network.consign(&line)?.good()?;
        let again = network.consign(&line)?.good()?.json()?;
        ensure!(again["id"] == id, "{again}");
        refused(&line.replace("letter.pdf", "other.pdf"), 1, "id-reused")?;
        refused(&line.replace("--to H49.13", "--to H49.20"), 1, "id-reused")?;

        for command in ["show", "track"] {
            let line = format!(
                "{command} {} --node node-a --agency H49 --json",
                material::envelope_id()?
            );
            refused(&line, 1, "not-found")?;
        }
        refused("inbox --node node-a --agency H49.77 --json", 1, "not-found")?;
        Ok(())
    })
}

#[test]
fn without_a_node_the_error_is_the_command_that_starts_it() -> Result<()> {
    in_scratch("no node", |scratch| {
        scratch.write("letter.pdf", material::pdf("no node"))?;
        scratch
            .consign("node init --node 'my node' --agency 'H49.20=Sở Tài chính'")?
            .good()?;
        for command in [
            "inbox",
            "status",
            "send letter.pdf --to H49 --subject x",
            "track 0198f2c4-7d1e-7",
        ] {
            let answer = scratch.consign(&format!("{command} --node 'my node' --json"))?;
            let error = answer.refused(1, "unreachable")?;
            let fix = error["fix"].as_str().unwrap_or_default();
            ensure!(fix.contains("consign node run '/"), "the command: {fix}");
            ensure!(fix.contains("my node'"), "as a shell takes it: {fix}");
        }
        // And without a directory, how to name one.
        let answer = scratch.consign("status --json")?;
        let error = answer.refused(2, "usage")?;
        ensure!(error["fix"].to_string().contains("--node"), "{error}");
        let answer = scratch.consign("status --node nowhere --json")?;
        ensure!(answer.code == Some(1), "{answer}");
        Ok(())
    })
}

#[test]
fn configurations_tell_all_their_faults_at_once() -> Result<()> {
    in_scratch("bad configuration", |scratch| {
        scratch
            .consign("node init --node node --agency 'H49.20=Sở Tài chính'")?
            .good()?;
        scratch
            .consign("hub init --dir hub --address localhost:7443")?
            .good()?;
        let node =
            "expire_days = 91\nretries = 3\n[log]\nformat = \"xml\"\n[limits]\nfetches = 0\n";
        fs::write(scratch.join("node/node.toml"), node)?;
        let hub = "listen = \"nowhere\"\nlisten_at = 1\n[limits]\nin_flight = 0\n[log]\nformat = \"xml\"\n";
        fs::write(scratch.join("hub/hub.toml"), hub)?;
        for (line, faults) in [
            (
                "node run --node node --json",
                [
                    "expire_days",
                    "retries",
                    "log.format",
                    "limits.fetches",
                    "node.toml",
                ],
            ),
            (
                "hub run --dir hub --json",
                [
                    "listen",
                    "listen_at",
                    "limits.in_flight",
                    "log.format",
                    "hub.toml",
                ],
            ),
        ] {
            let error = scratch.consign(line)?.refused(2, "usage")?;
            let message = error["message"].as_str().unwrap_or_default();
            for fault in faults {
                ensure!(message.contains(fault), "{fault} is not named: {message}");
            }
        }
        Ok(())
    })
}

#[test]
fn a_directory_has_one_process() -> Result<()> {
    in_scratch("second process", |scratch| {
        let network = Network::found(scratch, README)?;
        for line in [
            "node run --node node-a --json",
            "hub run --dir hub --json",
            "node reindex --node node-a --json",
            "node init --node node-a --agency 'H49.30=Sở Y tế' --json",
        ] {
            let answer = scratch.consign(line)?;
            ensure!(
                matches!(answer.code, Some(1 | 2)),
                "it is refused:\n{answer}"
            );
            let error = answer.json()?;
            let said = error.to_string();
            ensure!(
                said.contains("process"),
                "it says that a process has it: {said}"
            );
        }
        for node in ["node-a", "node-b"] {
            network.wait_until_connected(node)?;
        }
        Ok(())
    })
}

/// Enrolment: what does not fit is refused before anything is changed.
#[test]
fn enrolment_takes_only_what_fits() -> Result<()> {
    in_scratch("bad enrolment", |scratch| {
        scratch
            .consign("authority init --dir authority --name Mạng")?
            .good()?;
        scratch
            .consign("hub init --dir hub --address localhost:7443")?
            .good()?;
        scratch
            .consign("node init --node node --agency 'H49.20=Sở Tài chính'")?
            .good()?;
        scratch
            .consign("authority issue hub/request.json --dir authority -o hub.json")?
            .good()?;
        scratch
            .consign("authority issue node/request.json --dir authority -o node.json")?
            .good()?;

        // Twice is once; a second authority is not made over the first.
        scratch
            .consign("authority issue node/request.json --dir authority -o again.json")?
            .good()?;
        let answer = scratch.consign("authority init --dir authority --name Mạng --json")?;
        ensure!(!answer.is_good(), "keys are never overwritten:\n{answer}");

        // Bundles for others, damaged ones, and what is none.
        let bundle = fs::read_to_string(scratch.join("node.json"))?;
        scratch.write(
            "short.json",
            bundle.get(..bundle.len() / 2).unwrap_or_default(),
        )?;
        scratch.write("none.json", "{}")?;
        for line in [
            "node install hub.json --node node --json",
            "hub install node.json --dir hub --json",
            "node install short.json --node node --json",
            "node install none.json --node node --json",
            "node install nothing.json --node node --json",
            "authority issue none.json --dir authority --json",
            "authority issue node.json --dir authority --json",
            "authority publish --dir node --json",
        ] {
            let answer = scratch.consign(line)?;
            ensure!(
                matches!(answer.code, Some(1 | 2)),
                "it is refused:\n{answer}"
            );
            ensure!(answer.json()?["error"]["fix"].is_string(), "{answer}");
        }
        // A node that is not enrolled says what is missing.
        let answer = scratch.consign("node run --node node --json")?;
        ensure!(matches!(answer.code, Some(1 | 2)), "{answer}");
        ensure!(answer.json()?.to_string().contains("install"), "{answer}");

        // Another agency with the code of one that is there.
        scratch
            .consign("node init --node other --agency 'H49.20=Sở khác'")?
            .good()?;
        let line = "authority issue other/request.json --dir authority --json";
        let answer = scratch.consign(line)?;
        let said = answer.refused(2, "usage")?;
        ensure!(
            said["message"].to_string().contains("H49.20"),
            "a code has one agency: {said}"
        );
        Ok(())
    })
}

#[test]
fn strangers_on_the_wire_get_nothing_and_disturb_nobody() -> Result<()> {
    in_scratch("strangers", |scratch| {
        scratch.write("letter.pdf", material::pdf("strangers"))?;
        let network = Network::found(scratch, README)?;
        let address = network.address.replace("localhost", "127.0.0.1");

        // What is not TLS at all, and much of it.
        let mut noise = vec![0x16, 0x03, 0x01, 0xff, 0xff];
        noise.extend((0..1 << 20).map(|number: u32| number.to_le_bytes()[0] ^ 0x5a));
        for bytes in [
            &b"GET / HTTP/1.1\r\n\r\n"[..],
            b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
            &noise,
        ] {
            let mut stream = TcpStream::connect(&*address)?;
            stream.set_read_timeout(Some(Duration::from_secs(30)))?;
            // The hub may hang up in the middle.
            let _ = stream.write_all(bytes);
            let _ = stream.shutdown(Shutdown::Write);
            let mut answer = Vec::new();
            let _ = stream.read_to_end(&mut answer);
            ensure!(answer.len() < 256, "{} bytes for a stranger", answer.len());
        }
        // Many who say nothing.
        let silent = (0..64).map(|_| TcpStream::connect(&*address));
        let silent = silent.collect::<std::io::Result<Vec<TcpStream>>>()?;

        for (who, options) in strangers(&network)? {
            let answer = Invocation::of("openssl")
                .args(["s_client", "-connect", &address, "-alpn", "h2", "-ign_eof"])
                .args(options)
                .stand_in(scratch.path())
                .within(Duration::from_secs(60))
                .run()?;
            let refused = answer.stderr.contains("alert") || answer.text().contains("alert");
            ensure!(refused, "{who} is refused:\n{answer}");
        }

        let line = "send letter.pdf --node node-a --from H49 --to H49.20 --subject Vẫn \
                    --wait handover --timeout 60";
        network.ask(line)?;
        drop(silent);
        say("7 kinds of strangers refused, the network went on");
        Ok(())
    })
}

/// Clients of TLS that the directory does not name, and what `openssl` needs to play them.
fn strangers(network: &Network<'_>) -> Result<[(&'static str, Vec<&'static str>); 4]> {
    let forged = "req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days 30 \
                  -subj /CN=node -keyout forged.key -out forged.pem";
    Invocation::of("openssl")
        .args(forged.split_ascii_whitespace())
        .stand_in(network.scratch().path())
        .run()?
        .good()?;
    // A certificate of the network, but no node's: an agency's seal.
    let home = "node-a/agencies/H49/keys";
    for (from, to) in [("seal.pem", "seal.pem"), ("seal.key", "seal.key")] {
        fs::copy(network.join(home).join(from), network.join(to)).context("a seal")?;
    }
    Ok([
        ("who has no certificate", vec![]),
        ("who speaks TLS 1.2", vec!["-tls1_2"]),
        (
            "who made its certificate itself",
            vec!["-cert", "forged.pem", "-key", "forged.key"],
        ),
        (
            "an agency, which is no node",
            vec!["-cert", "seal.pem", "-key", "seal.key"],
        ),
    ])
}

#[test]
fn what_cannot_be_judged_is_said_to_be_so() -> Result<()> {
    in_scratch("bad verification", |scratch| {
        scratch
            .consign("authority init --dir authority --name Mạng")?
            .good()?;
        scratch.write("letter.pdf", material::pdf("no container"))?;
        scratch.write("empty.asice", "")?;
        let trust = "--trust authority/trust/trust.json --json";
        scratch.write("letter.txt", "no container")?;
        for (file, code) in [("letter.txt", 12), ("empty.asice", 12), ("letter.pdf", 11)] {
            // A PDF without a signature is well-formed, and nobody's word.
            let answer = scratch.consign(&format!("verify {file} {trust}"))?;
            ensure!(answer.code == Some(code), "{file}:\n{answer}");
        }
        scratch
            .consign(&format!("verify nothing.asice {trust}"))?
            .refused(1, "not-found")?;
        for other in ["letter.pdf", "nothing.json"] {
            let answer = scratch.consign(&format!("verify empty.asice --trust {other} --json"))?;
            ensure!(
                matches!(answer.code, Some(1 | 2)),
                "no trust, no verdict:\n{answer}"
            );
        }
        Ok(())
    })
}
