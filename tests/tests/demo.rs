//! The demonstration, and everything it leaves behind, checked by others' programs.

#![expect(
    clippy::indexing_slicing,
    reason = "only JSON values are indexed, which answer with null where there is nothing"
)]

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context as _, Result, ensure};
use consign_tests::material::changed;
use consign_tests::program::Invocation;
use consign_tests::scratch::in_scratch;
use consign_tests::{Scratch, outside, say};
use serde_json::Value;

/// Where the time-stamp begins: id-aa-signatureTimeStampToken (RFC 3161, appendix A) in DER, after
/// the heads of the unsigned attributes and of the attribute.
const STAMP: [u8; 13] = [
    0x06, 0x0b, 0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 0x01, 0x09, 0x10, 0x02, 0x0e,
];
const STAMP_HEAD: usize = 8;
/// So many places of a container are damaged, one after the other.
const DAMAGES: usize = 256;

#[test]
fn the_demo_stands_up_to_other_programs() -> Result<()> {
    in_scratch("demo", |scratch| {
        let demo = Demo::run(scratch)?;
        demo.has_its_schema()?;
        demo.directory_holds(scratch)?;
        for document in demo.documents()? {
            let document = Document::read(&demo, document)?;
            document.every_copy_is_the_same()?;
            document.container_stands(scratch)?;
            document.evidence_stands(scratch)?;
            document.opens_by_hand(scratch)?;
            document.verdicts_are_right(scratch)?;
        }
        Ok(())
    })
}

#[test]
fn the_demo_takes_a_file_and_as_many_agencies_as_one_likes() -> Result<()> {
    in_scratch("demo with a file", |scratch| {
        scratch.write("thư mời.pdf", consign_tests::material::pdf("thư mời"))?;
        let answer = demo(&["--agencies", "5", "--file", "thư mời.pdf"], scratch)?;
        let documents = array(&answer["documents"])?;
        let document = documents.first().context("a document")?;
        ensure!(
            array(&document["received"])?.len() == 4,
            "four receive it: {answer}"
        );
        let container = path(&document["container"])?;
        let found = outside::container(&container, &scratch.join("meta"))?;
        let named = found["files"].to_string();
        ensure!(
            named.contains("thư mời.pdf"),
            "the file is in the container: {named}"
        );
        Ok(())
    })
}

/// What the demonstration said.
struct Demo {
    answer: Value,
    trust: PathBuf,
    roots: PathBuf,
}

fn demo(words: &[&str], scratch: &Scratch) -> Result<Value> {
    Invocation::consign()?
        .args(["demo", "--once", "--json", "--dir", "demo"])
        .args(words)
        .stand_in(scratch.path())
        .within(Duration::from_secs(120))
        .run()?
        .good()?
        .json()
}

impl Demo {
    fn run(scratch: &Scratch) -> Result<Self> {
        let answer = demo(&[], scratch)?;
        Ok(Self {
            trust: path(&answer["trust"])?,
            roots: path(&answer["trust_pem"])?,
            answer,
        })
    }

    fn documents(&self) -> Result<&[Value]> {
        array(&self.answer["documents"])
    }

    fn has_its_schema(&self) -> Result<()> {
        has_keys(
            &self.answer,
            &["ok", "dir", "trust", "trust_pem", "documents"],
        )?;
        ensure!(path(&self.answer["dir"])?.is_dir(), "dir is a directory");
        ensure!(!self.documents()?.is_empty(), "a document was sent");
        for document in self.documents()? {
            let keys = ["id", "from", "container", "payload", "received", "evidence"];
            has_keys(document, &keys)?;
            for received in array(&document["received"])? {
                has_keys(received, &["agency", "container"])?;
            }
            for evidence in array(&document["evidence"])? {
                let keys = ["event", "by", "statement", "signature", "public_key"];
                has_keys(evidence, &keys)?;
            }
        }
        Ok(())
    }

    /// The directory's head is signed by the key of the trust file and names the entries.
    fn directory_holds(&self, scratch: &Scratch) -> Result<()> {
        let newest = self.newest_directory()?;
        let found = outside::directory(&newest)?;
        ensure!(
            array(&found["entries"])?.len() >= 6,
            "3 agencies, 2 nodes, 1 hub"
        );
        let trust: Value = serde_json::from_slice(&fs::read(&self.trust)?)?;
        let keys = array(&trust["authority"]["directory_keys"])?;
        let key = outside::ed25519_key(&text(&keys[0])?, scratch.path())?;
        let (head, signature) = (newest.join("head.json"), newest.join("head.sig"));
        outside::statement_signature(&head, &signature, &key)?.good()?;
        let damaged = scratch.join("damaged");
        changed(&head, &damaged, 60, 1)?;
        let answer = outside::statement_signature(&damaged, &signature, &key)?;
        ensure!(!answer.is_good(), "a changed head is refused");
        Ok(())
    }

    fn newest_directory(&self) -> Result<PathBuf> {
        let beside = self.trust.with_file_name("directory");
        let versions = fs::read_dir(&beside)?.flatten().map(|entry| entry.path());
        versions.max().context("a directory has a version")
    }
}

/// One document of the demonstration.
struct Document<'a> {
    demo: &'a Demo,
    container: PathBuf,
    payload: PathBuf,
    received: Vec<(String, PathBuf)>,
    evidence: Vec<Evidence>,
}

struct Evidence {
    event: String,
    by: String,
    statement: PathBuf,
    signature: PathBuf,
    key: PathBuf,
}

impl<'a> Document<'a> {
    fn read(demo: &'a Demo, value: &Value) -> Result<Self> {
        let received = array(&value["received"])?.iter();
        let evidence = array(&value["evidence"])?.iter();
        let document = Self {
            demo,
            container: path(&value["container"])?,
            payload: path(&value["payload"])?,
            received: received
                .map(|one| Ok((text(&one["agency"])?, path(&one["container"])?)))
                .collect::<Result<_>>()?,
            evidence: evidence.map(Evidence::read).collect::<Result<_>>()?,
        };
        document.evidence_is_complete(&text(&value["from"])?)?;
        Ok(document)
    }

    /// One acceptance, and one receipt of each recipient; the sender is none of them.
    fn evidence_is_complete(&self, from: &str) -> Result<()> {
        let recipients: BTreeSet<&str> = self.received.iter().map(|(code, _)| &**code).collect();
        ensure!(
            recipients.len() == self.received.len() && recipients.len() >= 2,
            "recipients"
        );
        ensure!(!recipients.contains(from), "{from} sends to others");
        let of = |event: &str| -> Vec<&str> {
            let all = self.evidence.iter().filter(|one| one.event == event);
            all.map(|one| &*one.by).collect()
        };
        ensure!(of("SubmissionAcceptance").len() == 1, "one acceptance");
        let handed_over = of("ContentHandover");
        ensure!(
            handed_over.len() == recipients.len(),
            "one receipt each: {handed_over:?}"
        );
        let signers: BTreeSet<&str> = handed_over.into_iter().collect();
        ensure!(
            signers == recipients,
            "{signers:?} have signed, not {recipients:?}"
        );
        ensure!(
            self.evidence.len() == recipients.len() + 1,
            "and nothing else"
        );
        Ok(())
    }

    fn every_copy_is_the_same(&self) -> Result<()> {
        let own = fs::read(&self.container)?;
        for (agency, container) in &self.received {
            ensure!(
                *container != self.container,
                "{agency} has a copy of its own"
            );
            ensure!(
                fs::read(container)? == own,
                "{agency} has another container"
            );
        }
        Ok(())
    }

    /// Python reads it, `openssl` accepts the seal over the manifest, and neither does after
    /// a change.
    fn container_stands(&self, scratch: &Scratch) -> Result<()> {
        let meta = scratch.join("meta");
        let found = outside::container(&self.container, &meta)?;
        let signatures = array(&found["signatures"])?;
        ensure!(signatures.len() == 1, "one signature: {found}");
        ensure!(
            array(&found["files"])?.len() >= 3,
            "document.json, the letter, an attachment"
        );
        let manifest = meta.join("ASiCManifest001.xml");
        let signature = meta.join("signature001.p7s");
        let accepts = |signature: &Path, manifest: &Path| -> Result<bool> {
            let answer = outside::manifest_signature(signature, manifest, &self.demo.roots)?;
            Ok(answer.is_good())
        };
        outside::manifest_signature(&signature, &manifest, &self.demo.roots)?.good()?;

        let damaged = scratch.join("damaged");
        let size = fs::read(&manifest)?.len();
        for offset in (0..size).step_by(size / 48).chain([size - 1]) {
            changed(&manifest, &damaged, offset, 1)?;
            ensure!(
                !accepts(&signature, &damaged)?,
                "manifest changed at {offset}"
            );
        }
        // Its last bytes are the signature value, its middle certificates. What stands behind the
        // value stamps it and is not covered by it: `openssl ts` judges that, in another test.
        let bytes = fs::read(&signature)?;
        let stamp = bytes
            .windows(STAMP.len())
            .position(|window| window == STAMP);
        let size = stamp.map_or(bytes.len(), |at| at - STAMP_HEAD);
        for offset in (size / 4..size).step_by(size / 64).chain([size - 1]) {
            changed(&signature, &damaged, offset, 1)?;
            ensure!(
                !accepts(&damaged, &manifest)?,
                "signature changed at {offset} of {size}"
            );
        }
        Ok(())
    }

    fn evidence_stands(&self, scratch: &Scratch) -> Result<()> {
        let entries = fs::read_to_string(self.demo.newest_directory()?.join("entries.jsonl"))?;
        let damaged = scratch.join("damaged");
        for one in &self.evidence {
            let accepts = |statement: &Path, signature: &Path| -> Result<bool> {
                Ok(outside::statement_signature(statement, signature, &one.key)?.is_good())
            };
            outside::statement_signature(&one.statement, &one.signature, &one.key)?.good()?;
            let statement = fs::read(&one.statement)?;
            ensure!(
                statement.starts_with(br#"{"type":"consign/evidence/v1","#),
                "its kind"
            );
            let size = statement.len();
            for offset in (0..size).step_by(size / 24).chain([size - 1]) {
                changed(&one.statement, &damaged, offset, 1)?;
                ensure!(
                    !accepts(&damaged, &one.signature)?,
                    "{} at {offset}",
                    one.event
                );
            }
            ensure!(
                fs::read(&one.signature)?.len() == 64,
                "a signature is 64 bytes"
            );
            for offset in [0, 1, 31, 32, 62, 63] {
                changed(&one.signature, &damaged, offset, 1)?;
                ensure!(!accepts(&one.statement, &damaged)?, "signature at {offset}");
            }
            let key = raw_key(&one.key)?;
            ensure!(
                entries.contains(&key),
                "the directory lists {key} of {}",
                one.by
            );
            self.verify(
                scratch,
                &one.statement,
                &["--signature", &shown(&one.signature)],
            )?
            .good()?;
        }
        Ok(())
    }

    /// Everybody opens the wrap with the agency's key file, and the payload with the wrap.
    fn opens_by_hand(&self, scratch: &Scratch) -> Result<()> {
        let own = fs::read(&self.container)?;
        for (agency, container) in &self.received {
            let wrap = container.with_file_name("wrap.age");
            let home = container
                .ancestors()
                .find(|above| {
                    above
                        .parent()
                        .is_some_and(|parent| parent.ends_with("agencies"))
                })
                .context("it is kept with its agency")?;
            let key = home.join("keys/encryption.key");
            let (plain, opened) = (scratch.join("wrap.txt"), scratch.join("opened.asice"));
            outside::age(&key, &wrap, &plain).with_context(|| format!("{agency}'s wrap"))?;
            outside::age(&plain, &self.payload, &opened)?;
            ensure!(
                fs::read(&opened)? == own,
                "{agency} finds the very container"
            );
            fs::remove_file(&plain)?;
            fs::remove_file(&opened)?;
        }
        Ok(())
    }

    /// 0 with the trust file, 11 with roots alone, 10 or 12 with any byte changed.
    fn verdicts_are_right(&self, scratch: &Scratch) -> Result<()> {
        self.verify(scratch, &self.container, &["--offline"])?
            .good()?;
        let roots = Invocation::consign()?
            .arg("verify")
            .arg(&self.container)
            .arg("--trust")
            .arg(&self.demo.roots)
            .arg("--json")
            .run()?;
        ensure!(
            roots.code == Some(11),
            "roots alone do not decide:\n{roots}"
        );

        let size = fs::read(&self.container)?.len();
        let damaged = scratch.join("damaged.asice");
        let (mut forged, mut malformed) = (0, 0);
        for number in 0..=DAMAGES {
            let offset = number * (size - 1) / DAMAGES;
            let mask = 1 << (number % 8);
            changed(&self.container, &damaged, offset, mask)?;
            let answer = self.verify(scratch, &damaged, &[])?;
            match answer.code {
                Some(10) => forged += 1,
                Some(12) => malformed += 1,
                _ => anyhow::bail!("byte {offset} changed by {mask:#04x}:\n{answer}"),
            }
        }
        say(format_args!(
            "{} places of a container of {size} bytes damaged: {forged} forged, {malformed} \
             malformed, 0 passed",
            DAMAGES + 1
        ));
        Ok(())
    }

    fn verify(
        &self,
        scratch: &Scratch,
        file: &Path,
        words: &[&str],
    ) -> Result<consign_tests::Answer> {
        Invocation::consign()?
            .arg("verify")
            .arg(file)
            .arg("--trust")
            .arg(&self.demo.trust)
            .args(words)
            .arg("--json")
            .stand_in(scratch.path())
            .run()
    }
}

impl Evidence {
    fn read(value: &Value) -> Result<Self> {
        Ok(Self {
            event: text(&value["event"])?,
            by: text(&value["by"])?,
            statement: path(&value["statement"])?,
            signature: path(&value["signature"])?,
            key: path(&value["public_key"])?,
        })
    }
}

/// The 32 bytes of an Ed25519 key file (RFC 8410 §4: they are the last), as the directory
/// writes them.
fn raw_key(key: &Path) -> Result<String> {
    let words = ["pkey", "-pubin", "-outform", "DER", "-in"];
    let answer = Invocation::of("openssl")
        .args(words)
        .arg(key)
        .run()?
        .good()?;
    let start = answer.stdout.len().checked_sub(32).context("a key")?;
    let bytes = answer.stdout.get(start..).unwrap_or_default();
    Ok(bytes.iter().map(|byte| format!("{byte:02x}")).collect())
}

fn has_keys(value: &Value, expected: &[&str]) -> Result<()> {
    let object = value
        .as_object()
        .with_context(|| format!("no object: {value}"))?;
    let found: BTreeSet<&str> = object.keys().map(String::as_str).collect();
    let expected: BTreeSet<&str> = expected.iter().copied().collect();
    ensure!(found == expected, "{found:?} instead of {expected:?}");
    Ok(())
}

fn array(value: &Value) -> Result<&[Value]> {
    value
        .as_array()
        .map(Vec::as_slice)
        .with_context(|| format!("no list: {value}"))
}

fn text(value: &Value) -> Result<String> {
    value
        .as_str()
        .map(str::to_owned)
        .with_context(|| format!("no text: {value}"))
}

/// An absolute path of something that is there.
fn path(value: &Value) -> Result<PathBuf> {
    let path = PathBuf::from(text(value)?);
    ensure!(path.is_absolute(), "{} is not absolute", path.display());
    ensure!(path.exists(), "{} is not there", path.display());
    Ok(path)
}

fn shown(path: &Path) -> String {
    path.to_string_lossy().into_owned()
}
