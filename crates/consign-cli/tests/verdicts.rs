//! What `consign verify` says of a container and a PDF file, to people in Vietnamese and English
//! and to programs: on the real program, with files as signers make them.

#![allow(
    clippy::expect_used,
    clippy::unwrap_used,
    reason = "a test stops at what it did not expect"
)]

#[path = "../../consign-verify/tests/world/mod.rs"]
mod world;

use std::collections::BTreeMap;
use std::path::Path;
use std::process::{Command, Output};

use serde_json::Value;
use world::pdf::{PdfFile, lists, stamper};
use world::{World, now};

/// A directory with a world's files.
struct Files {
    directory: tempfile::TempDir,
}

impl Files {
    fn new() -> Self {
        let directory = tempfile::tempdir().unwrap();
        let files = Self { directory };
        let world = World::new();
        files.write("roots.pem", world.root.certificate_pem().as_bytes());
        for (name, list) in ["root.crl", "issuing.crl"].iter().zip(lists(&world)) {
            files.write(name, &list);
        }
        let container = world.container(&world.document());
        files.write("letter.asice", &container);
        // Sealed by another agency than it names.
        let other = world.container_sealed_by(&world.document(), &world.recipient);
        files.write("forged.asice", &other);
        files.write("torn.asice", container.split_at(container.len() / 2).0);
        let mut pdf = PdfFile::new();
        pdf.sign(&world, &world.sender, None);
        files.write("copy.pdf", pdf.bytes());
        let text = String::from_utf8(pdf.bytes().to_vec()).unwrap();
        files.write("changed.pdf", text.replacen("so 45", "so 46", 1).as_bytes());
        pdf.stamp(&stamper(&world.issuing), now());
        files.write("stamped.pdf", pdf.bytes());
        files
    }

    fn write(&self, name: &str, bytes: &[u8]) {
        std::fs::write(self.directory.path().join(name), bytes).unwrap();
    }

    /// With lists, as of the day of signing.
    fn verify(&self, file: &str, more: &[&str]) -> Output {
        let lists = ["--crl", "root.crl", "--crl", "issuing.crl"];
        self.verify_without_lists(file, &[&lists, more].concat())
    }

    fn verify_without_lists(&self, file: &str, more: &[&str]) -> Output {
        let mut command = Command::new(env!("CARGO_BIN_EXE_consign"));
        for variable in ["LC_ALL", "LC_MESSAGES", "LANG"] {
            command.env_remove(variable);
        }
        command
            .args(["verify", file, "--trust", "roots.pem"])
            .args(["--at", "2026-11-23T02:30:00Z"])
            .args(more)
            .env("NO_COLOR", "1")
            .current_dir(self.directory.path())
            .output()
            .expect("the program starts")
    }

    /// What was printed, without what differs from run to run.
    fn stable(&self, output: &Output) -> String {
        let text = String::from_utf8(output.stdout.clone()).expect("it writes UTF-8");
        let place = self.directory.path().canonicalize().unwrap();
        let text = text.replace(place.to_str().unwrap(), "DIR");
        let mut stable = String::new();
        let mut word = String::new();
        for letter in text.chars().chain(['\0']) {
            if letter.is_ascii_hexdigit() {
                word.push(letter);
                continue;
            }
            stable += if word.len() == 64 { "<SHA-256>" } else { &word };
            word.clear();
            stable.extend(Some(letter).filter(|letter| *letter != '\0'));
        }
        stable
    }
}

/// What people read, in both languages, and what the shell is told.
#[test]
fn verdicts_read_as_they_did() {
    let files = Files::new();
    for (name, file, code) in [
        ("container-passed", "letter.asice", 0),
        ("container-failed", "forged.asice", 10),
        ("container-malformed", "torn.asice", 12),
        ("pdf-passed", "copy.pdf", 0),
        ("pdf-failed", "changed.pdf", 10),
        ("pdf-undecided", "stamped.pdf", 11),
    ] {
        for language in ["vi", "en"] {
            let output = files.verify(file, &["--lang", language]);
            assert_eq!(output.status.code(), Some(code), "{name}: {output:?}");
            insta::assert_snapshot!(format!("{name}-{language}"), files.stable(&output));
        }
    }
    for language in ["vi", "en"] {
        let output = files.verify_without_lists("letter.asice", &["--lang", language]);
        assert_eq!(output.status.code(), Some(11), "{output:?}");
        insta::assert_snapshot!(
            format!("container-undecided-{language}"),
            files.stable(&output)
        );
        let output = files.verify("letter.asice", &["--lang", language, "--details"]);
        insta::assert_snapshot!(
            format!("container-details-{language}"),
            files.stable(&output)
        );
    }
}

#[test]
fn the_environment_chooses_the_language() {
    let files = Files::new();
    let begin = |variable: &str, value: &str| {
        let mut command = Command::new(env!("CARGO_BIN_EXE_consign"));
        for other in ["LC_ALL", "LC_MESSAGES", "LANG"] {
            command.env_remove(other);
        }
        let output = command
            .args(["verify", "torn.asice", "--trust", "roots.pem"])
            .env(variable, value)
            .env("NO_COLOR", "1")
            .current_dir(files.directory.path())
            .output()
            .expect("the program starts");
        String::from_utf8(output.stdout).expect("it writes UTF-8")
    };
    assert!(begin("LANG", "vi_VN.UTF-8").starts_with("KHÔNG HỢP LỆ (TOTAL-FAILED): "));
    assert!(begin("LC_ALL", "en_GB.UTF-8").starts_with("NOT VALID (TOTAL-FAILED): "));
}

/// The fields that programs rely on: every path in the answers, with the types found there.
#[test]
fn json_has_a_stable_schema() {
    let files = Files::new();
    let mut schema = BTreeMap::new();
    for file in [
        "letter.asice",
        "forged.asice",
        "torn.asice",
        "copy.pdf",
        "stamped.pdf",
    ] {
        for lists in [true, false] {
            let output = if lists {
                files.verify(file, &["--json"])
            } else {
                files.verify_without_lists(file, &["--json"])
            };
            let answer: Value = serde_json::from_slice(&output.stdout).expect("it is JSON");
            assert_eq!(answer["ok"] == true, output.status.code() == Some(0));
            learn(&answer, "", &mut schema);
        }
    }
    let lines: Vec<String> = schema
        .iter()
        .map(|(path, kinds)| format!("{path}: {}", kinds.join(" | ")))
        .collect();
    insta::assert_snapshot!(lines.join("\n"));
}

/// Adds what a value looks like. Evidence is told apart by its kind.
fn learn(value: &Value, path: &str, schema: &mut BTreeMap<String, Vec<&'static str>>) {
    let kind = match value {
        Value::Null => "null",
        Value::Bool(_) => "boolean",
        Value::Number(_) => "number",
        Value::String(_) => "string",
        Value::Array(_) => "array",
        Value::Object(_) => "object",
    };
    let kinds = schema.entry(path.to_owned()).or_default();
    if !kinds.contains(&kind) {
        kinds.push(kind);
        kinds.sort_unstable();
    }
    match value {
        Value::Array(items) => {
            for item in items {
                let kind = item.get("kind").and_then(Value::as_str);
                let kind = kind.map(|kind| format!("={kind}")).unwrap_or_default();
                learn(item, &format!("{path}[]{kind}"), schema);
            }
        }
        Value::Object(fields) => {
            for (name, field) in fields {
                learn(field, &format!("{path}.{name}"), schema);
            }
        }
        _ => {}
    }
}

/// JSON is the same in every language, but for the sentence.
#[test]
fn json_is_for_programs_in_every_language() {
    let files = Files::new();
    let answer = |language: &str| -> Value {
        let output = files.verify("letter.asice", &["--json", "--lang", language]);
        serde_json::from_slice(&output.stdout).expect("it is JSON")
    };
    let (mut vi, mut en) = (answer("vi"), answer("en"));
    assert_eq!(
        (&vi["language"], &en["language"]),
        (&"vi".into(), &"en".into())
    );
    assert_ne!(vi["sentence"], en["sentence"]);
    for answer in [&mut vi, &mut en] {
        let fields = answer.as_object_mut().unwrap();
        fields.remove("sentence");
        fields.remove("language");
    }
    assert_eq!(vi, en);
    assert!(Path::new(vi["file"].as_str().unwrap()).is_absolute());
}
