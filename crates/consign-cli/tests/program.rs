//! The program as a shell sees it: what needs no network.
//!
//! These tests also make Cargo build the binary that the whole-network tests use.

#![expect(
    clippy::expect_used,
    reason = "a test fails where its program cannot run"
)]

use std::process::{Command, Output};

use serde_json::Value;

fn consign(words: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_consign"))
        .args(words)
        .env_remove("CONSIGN_NODE")
        .env("NO_COLOR", "1")
        .output()
        .expect("the program starts")
}

fn stdout(output: &Output) -> String {
    String::from_utf8(output.stdout.clone()).expect("it writes UTF-8")
}

#[test]
fn help_and_version_are_answers() {
    for words in [["--help"], ["help"], ["--version"]] {
        let output = consign(&words);
        assert_eq!(output.status.code(), Some(0), "{words:?}");
        assert!(stdout(&output).contains("consign"), "{words:?}");
        assert!(output.stderr.is_empty(), "{words:?}");
    }
}

#[test]
fn every_command_has_help() {
    let help = stdout(&consign(&["--help"]));
    for command in [
        "demo",
        "authority",
        "hub",
        "node",
        "directory",
        "send",
        "inbox",
        "sent",
        "show",
        "track",
        "export",
        "status",
        "verify",
        "completions",
    ] {
        assert!(help.contains(command), "{command} is in the help");
        let output = consign(&["help", command]);
        assert_eq!(output.status.code(), Some(0), "{command}");
        assert!(
            stdout(&output).contains("Example"),
            "{command} has an example"
        );
    }
}

#[test]
fn mistakes_are_usage() {
    for words in [
        vec![],
        vec!["frobnicate"],
        vec!["send"],
        vec!["verify", "a.asice"],
    ] {
        let output = consign(&words);
        assert_eq!(output.status.code(), Some(2), "{words:?}");
        assert!(!output.stderr.is_empty(), "{words:?}");
    }
}

#[test]
fn mistakes_are_one_object_where_that_is_asked_for() {
    let output = consign(&["frobnicate", "--json"]);
    assert_eq!(output.status.code(), Some(2));
    let text = stdout(&output);
    let last = text.lines().last().expect("a last line");
    let value: Value = serde_json::from_str(last).expect("an object");
    assert_eq!(value["ok"], false);
    assert_eq!(value["error"]["code"], "usage");
    for part in ["message", "fix"] {
        assert!(value["error"][part].is_string(), "{value}");
    }
}

#[test]
fn completions_are_made_for_every_shell() {
    for shell in ["bash", "zsh", "fish"] {
        let output = consign(&["completions", shell]);
        assert_eq!(output.status.code(), Some(0), "{shell}");
        assert!(stdout(&output).contains("authority"), "{shell}");
    }
}
