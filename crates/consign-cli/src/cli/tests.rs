//! The command line as people read and write it.

use clap::{CommandFactory as _, Parser as _};

use super::*;

/// Every command with its path, depth first.
fn commands(command: &clap::Command, path: &str) -> Vec<(String, clap::Command)> {
    let mut all = vec![(path.to_owned(), command.clone())];
    for sub in command
        .get_subcommands()
        .filter(|sub| sub.get_name() != "help")
    {
        all.extend(commands(sub, &format!("{path} {}", sub.get_name())));
    }
    all
}

#[test]
fn the_definition_is_consistent() {
    Cli::command().debug_assert();
}

#[test]
fn every_command_explains_itself_with_an_example() {
    for (path, command) in commands(&Cli::command(), "consign") {
        let help = command.clone().render_long_help().to_string();
        assert!(command.get_about().is_some(), "{path} says what it is for");
        assert!(help.contains("consign "), "{path} has an example:\n{help}");
    }
}

#[test]
fn help_reads_as_it_did() {
    let mut text = String::new();
    for (path, command) in commands(&Cli::command(), "consign") {
        let mut command = command.term_width(100).bin_name(path.clone());
        text.push_str(&format!(
            "$ {path} --help\n{}\n",
            command.render_long_help()
        ));
    }
    insta::assert_snapshot!(text);
}

/// A secret in the place of where it comes from is refused, and does not get into a log.
#[test]
fn what_may_be_a_secret_is_not_repeated() {
    for line in [
        "consign node run node-a --passphrase Hunter2!",
        "consign node protect node-a --new Hunter2!",
        "consign node protect node-a --passphrase=Hunter2!",
        "consign authority publish --dir authority --passphrase Hunter2!",
    ] {
        let refused = Cli::try_parse_from(line.split(' ')).unwrap_err();
        let text = format!("{} {refused:?}", refused.render());
        assert!(!text.contains("Hunter2"), "{text}");
        assert!(text.contains("file:PATH"), "{text}");
        assert_eq!(refused.exit_code(), 2);
    }
}

#[test]
fn codes_are_read_in_both_forms() {
    let cli = Cli::try_parse_from([
        "consign",
        "inbox",
        "--node",
        "n",
        "--agency",
        "000.00.13.H49",
    ])
    .unwrap();
    let Command::Inbox(inbox) = cli.command else {
        panic!("another command");
    };
    assert_eq!(inbox.agency.text(), "H49.13");
}

#[test]
fn json_may_stand_anywhere() {
    for line in [
        ["consign", "--json", "status", "--node", "n"],
        ["consign", "status", "--node", "n", "--json"],
    ] {
        assert!(Cli::try_parse_from(line).unwrap().json);
    }
}

#[test]
fn mistakes_are_usage_errors() {
    for line in [
        vec!["consign", "send", "letter.pdf"],
        vec!["consign", "verify", "letter.asice"],
        vec![
            "consign",
            "hub",
            "init",
            "--address",
            "nowhere",
            "--dir",
            "h",
        ],
        vec!["consign", "demo", "--agencies", "1"],
        vec!["consign", "frobnicate"],
    ] {
        let error = Cli::try_parse_from(&line).unwrap_err();
        assert_eq!(error.exit_code(), 2, "{line:?}");
    }
}
