use std::net::SocketAddr;
use std::path::{Path, PathBuf};

use super::*;

#[derive(Debug, PartialEq)]
struct Sample {
    listen: SocketAddr,
    directory: PathBuf,
    name: Option<String>,
    json: bool,
    handshakes: u64,
    ipv6: bool,
    hubs: Vec<(String, u64)>,
    roots: Vec<String>,
}

fn sample(reader: &mut Reader<'_>) -> Option<Sample> {
    let listen = reader.socket_addr("listen").required();
    let directory = reader.path("directory").required();
    let name = reader.string("name").optional();
    let json = reader
        .one_of("log", &[("text", false), ("json", true)])
        .or(false);
    let roots = reader.strings("roots").or(Vec::new());
    let (handshakes, ipv6) = reader.section("limits", |limits| {
        (
            limits.u64_in("handshakes", 1..=4096).or(256),
            limits.bool("ipv6").or(true),
        )
    });
    let hubs = reader.sections("hub", |hub| {
        let code = hub.parsed("code", "a code in capitals", |text| {
            text.chars()
                .all(char::is_uppercase)
                .then(|| text.to_owned())
        });
        let code = code.required();
        let port = hub.u64_in("port", 1..=65_535).required();
        Some((code?, port?))
    });
    let (listen, directory) = (listen?, directory?);
    Some(Sample {
        listen,
        directory,
        name,
        json,
        handshakes,
        ipv6,
        hubs,
        roots,
    })
}

fn faults(text: &str) -> String {
    parse(text, Path::new("hub.toml"), sample)
        .unwrap_err()
        .to_string()
}

#[test]
fn a_good_file_is_read_with_its_defaults() {
    let text = r#"
listen = "127.0.0.1:4433"
directory = "data"
log = "json"
roots = ["a", "b"]
[limits]
handshakes = 0x10
[[hub]]
code = "H"
port = 4433
[[hub]]
code = "K"
port = 4434
"#;
    let read = parse(text, Path::new("/etc/consign/hub.toml"), sample).unwrap();
    let expected = Sample {
        listen: "127.0.0.1:4433".parse().unwrap(),
        directory: "/etc/consign/data".into(),
        name: None,
        json: true,
        handshakes: 16,
        ipv6: true,
        hubs: vec![("H".to_owned(), 4433), ("K".to_owned(), 4434)],
        roots: vec!["a".to_owned(), "b".to_owned()],
    };
    assert_eq!(read, expected);
}

#[test]
fn every_fault_is_reported_at_once_with_key_line_cause_and_fix() {
    let text = r#"listen = "localhost"
naem = "x"
log = "xml"
roots = ["a", 3]
colour = true
[limits]
handshakes = 5000
ipv6 = "yes"
[[hub]]
code = "h"
[[hub]]
code = "H"
port = 0
[extra]
"#;
    let expected = r#"hub.toml:1: listen: "localhost" does not fit; write an address like "127.0.0.1:4433"
hub.toml:2: naem: unknown key; did you mean name?
hub.toml:3: log: "xml" does not fit; write "text" or "json"
hub.toml:4: roots: is a whole number; write a list of texts like ["one", "two"]
hub.toml:5: colour: unknown key; remove it, known here are: listen, directory, name, log, roots, limits, hub
hub.toml:7: limits.handshakes: 5000 does not fit; write a whole number from 1 to 4096
hub.toml:8: limits.ipv6: is a text; write true or false
hub.toml:9: hub[0].port: is missing; add port = a whole number from 1 to 65535
hub.toml:10: hub[0].code: "h" does not fit; write a code in capitals
hub.toml:13: hub[1].port: 0 does not fit; write a whole number from 1 to 65535
hub.toml:14: extra: unknown key; remove it, known here are: listen, directory, name, log, roots, limits, hub
hub.toml: directory: is missing; add directory = a path in quotes"#;
    assert_eq!(faults(text), expected);
}

#[test]
fn sections_of_the_wrong_shape_are_named() {
    let text = "listen = '127.0.0.1:1'\ndirectory = 'd'\nlimits = 3\nhub = [1]\n";
    assert_eq!(
        faults(text),
        "hub.toml:3: limits: is a whole number; write a section [limits]\n\
         hub.toml:4: hub[0]: is a whole number; write sections [[hub]]"
    );
    let text = "listen = '127.0.0.1:1'\ndirectory = 'd'\n[hub]\n";
    assert_eq!(
        faults(text),
        "hub.toml:3: hub: is a section; write sections [[hub]]"
    );
}

#[test]
fn what_is_not_toml_is_said_with_its_lines() {
    let text = "listen = \ndirectory = 'd'\nname = 'a' 'b'\n";
    let faults = faults(text);
    assert!(faults.starts_with("hub.toml:1: not TOML: "), "{faults}");
    assert!(faults.contains("\nhub.toml:3: not TOML: "), "{faults}");
}

#[test]
fn numbers_and_texts_are_bounded() {
    let with = |line: &str| {
        faults(&format!(
            "listen = '127.0.0.1:1'\ndirectory = 'd'\n{line}\n"
        ))
    };
    for number in ["-1", "0", "99999999999999999999999999"] {
        let fault = with(&format!("limits = {{ handshakes = {number} }}"));
        assert!(
            fault.contains("does not fit; write a whole number from 1 to 4096"),
            "{fault}"
        );
    }
    assert!(with("limits = { handshakes = 1.5 }").contains("is a fraction"));
    assert!(with("name = ''").contains("an empty text does not fit"));
    assert!(with(&format!("name = '{}'", "x".repeat(5000))).contains("a text of 5000 bytes"));
    let hostile = format!("log = \"\\u001b[31m{}\"", "x".repeat(500));
    let fault = with(&hostile);
    assert!(fault.len() < 200 && !fault.contains('\u{1b}'), "{fault}");
    let nested = format!("name = {}", "[".repeat(100_000));
    assert!(with(&nested).contains("not TOML"));
}

#[test]
fn files_that_cannot_be_read_are_faults_of_the_file() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("hub.toml");
    let cause = || load(&path, sample).unwrap_err().faults()[0].cause.clone();
    assert_eq!(cause(), FaultCause::NotFound);
    std::fs::write(&path, b"name = '\xff'").unwrap();
    assert_eq!(cause(), FaultCause::NotUtf8);
    std::fs::write(&path, vec![b'#'; MAX_BYTES + 1]).unwrap();
    assert_eq!(cause(), FaultCause::TooLarge { max: MAX_BYTES });
    std::fs::write(&path, "listen = '127.0.0.1:1'\ndirectory = 'd'").unwrap();
    assert_eq!(
        load(&path, sample).unwrap().directory,
        directory.path().join("d")
    );
    let on_directory = load(directory.path(), sample).unwrap_err();
    assert_eq!(on_directory.faults()[0].cause, FaultCause::NotAFile);
}

#[test]
fn a_caller_can_add_what_only_it_sees_and_cannot_come_away_empty() {
    let text = "first = true\nsecond = true\n";
    let excluded = parse(text, Path::new("n.toml"), |reader| {
        if reader.bool("first").or(false) && reader.bool("second").or(false) {
            reader.fault("second", "either first or second", "both");
        }
        Some(())
    });
    assert_eq!(
        excluded.unwrap_err().to_string(),
        "n.toml:2: second: both does not fit; write either first or second"
    );
    let empty = parse::<()>("", Path::new("n.toml"), |_| None).unwrap_err();
    assert_eq!(empty.faults()[0].cause, FaultCause::Incomplete);
}
