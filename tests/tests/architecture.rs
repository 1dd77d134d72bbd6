//! The rules of who may depend on whom, checked on what Cargo resolves.
//!
//! Dependencies point one way. The auditor's library must build without a runtime, a
//! network or a database, and only the store knows its engine.

#![expect(
    clippy::expect_used,
    clippy::indexing_slicing,
    reason = "what Cargo prints has its form, or the test ends there"
)]

use std::collections::{BTreeMap, BTreeSet};
use std::process::Command;

use serde_json::Value;

/// Which of our crates each may name. A crate that is not listed here may not exist.
const MAY_USE: &[(&str, &[&str])] = &[
    ("consign-domain", &[]),
    ("consign-log", &[]),
    ("consign-pki", &[]),
    ("consign-verify", &["domain", "log", "pki"]),
    (
        "consign-authority",
        &["domain", "log", "pki", "verify", "proto", "runtime", "keys"],
    ),
    ("consign-proto", &["domain"]),
    (
        "consign-enrol",
        &["domain", "pki", "verify", "proto", "runtime"],
    ),
    ("consign-store", &["domain", "log"]),
    ("consign-runtime", &["domain"]),
    ("consign-keys", &["domain", "pki", "runtime"]),
    (
        "consign-hub",
        &[
            "domain", "log", "pki", "verify", "proto", "store", "runtime", "enrol", "keys",
        ],
    ),
    (
        "consign-node",
        &[
            "domain", "log", "pki", "verify", "proto", "runtime", "enrol", "keys",
        ],
    ),
    (
        "consign-lab",
        &[
            "domain",
            "log",
            "pki",
            "verify",
            "authority",
            "proto",
            "store",
            "runtime",
            "hub",
            "node",
        ],
    ),
    (
        "consign-cli",
        &[
            "domain",
            "log",
            "pki",
            "verify",
            "authority",
            "proto",
            "store",
            "runtime",
            "enrol",
            "hub",
            "node",
            "keys",
            "lab",
        ],
    ),
    // For the long run alone; every other test knows the product from outside.
    (
        "consign-tests",
        &["domain", "verify", "proto", "node", "lab"],
    ),
    ("consign-fuzz", &["domain", "log", "pki", "verify"]),
];

/// Crates that must not be reached, however far away, in a release build.
const MUST_NOT_REACH: &[(&str, &[&str])] = &[
    ("consign-domain", &["tokio", "tonic", "sled", "rustls"]),
    ("consign-log", &["tokio", "tonic", "sled"]),
    ("consign-pki", &["tokio", "tonic", "sled"]),
    (
        "consign-verify",
        &[
            "tokio", "tonic", "sled", "rusqlite", "hyper", "rustls", "cryptoki",
        ],
    ),
    ("consign-authority", &["sled", "rusqlite"]),
    ("consign-hub", &["rusqlite"]),
    ("consign-node", &["sled"]),
];

/// Crates that only one of ours may name.
const ONLY: &[(&str, &str)] = &[
    ("sled", "consign-store"),
    ("rusqlite", "consign-node"),
    ("certval", "consign-pki"),
    ("cryptoki", "consign-keys"),
];

/// Names of packages and, for each, of what it needs to be built for use.
type Graph = BTreeMap<String, BTreeSet<String>>;

fn faults(graph: &Graph) -> Vec<String> {
    let mut faults = Vec::new();
    let ours = graph
        .iter()
        .filter(|(name, _)| name.starts_with("consign-"));
    for (name, direct) in ours {
        let Some((_, allowed)) = MAY_USE.iter().find(|(listed, _)| listed == name) else {
            faults.push(format!("{name} is not in the table of crates"));
            continue;
        };
        for used in direct
            .iter()
            .filter_map(|used| used.strip_prefix("consign-"))
        {
            if !allowed.contains(&used) {
                faults.push(format!("{name} must not use consign-{used}"));
            }
        }
        for (engine, owner) in ONLY {
            if direct.contains(*engine) && name != owner {
                faults.push(format!("{name} names {engine}; only {owner} may"));
            }
        }
    }
    for (name, forbidden) in MUST_NOT_REACH {
        let reached = reach(graph, name);
        for other in forbidden.iter().filter(|other| reached.contains(**other)) {
            faults.push(format!("{name} reaches {other}"));
        }
    }
    faults
}

fn reach(graph: &Graph, from: &str) -> BTreeSet<String> {
    let mut reached = BTreeSet::new();
    let mut open = vec![from.to_owned()];
    while let Some(name) = open.pop() {
        for next in graph.get(&name).into_iter().flatten() {
            if reached.insert(next.clone()) {
                open.push(next.clone());
            }
        }
    }
    reached
}

/// What Cargo resolves for this platform, without dependencies of tests and build scripts.
fn resolved() -> Graph {
    let output = Command::new(env!("CARGO"))
        .args(["metadata", "--format-version=1", "--locked", "--offline"])
        .args(["--filter-platform", "x86_64-unknown-linux-gnu"])
        .current_dir(env!("CARGO_MANIFEST_DIR"))
        .output()
        .expect("cargo runs");
    assert!(
        output.status.success(),
        "{}",
        String::from_utf8_lossy(&output.stderr)
    );
    let metadata: Value = serde_json::from_slice(&output.stdout).expect("cargo prints JSON");
    let names: BTreeMap<&str, &str> = array(&metadata["packages"])
        .map(|package| (text(&package["id"]), text(&package["name"])))
        .collect();
    let mut graph = Graph::new();
    for node in array(&metadata["resolve"]["nodes"]) {
        let uses = array(&node["deps"])
            .filter(|dep| array(&dep["dep_kinds"]).any(|kind| kind["kind"].is_null()))
            .map(|dep| names[text(&dep["pkg"])].to_owned());
        graph
            .entry(names[text(&node["id"])].to_owned())
            .or_default()
            .extend(uses);
    }
    graph
}

fn array(value: &Value) -> impl Iterator<Item = &Value> {
    value.as_array().into_iter().flatten()
}

fn text(value: &Value) -> &str {
    value.as_str().expect("a text")
}

#[test]
fn dependencies_point_one_way() {
    let graph = resolved();
    assert!(
        graph.contains_key("consign-verify"),
        "the graph is not ours"
    );
    let faults = faults(&graph);
    assert!(faults.is_empty(), "{}", faults.join("\n"));
}

/// The check itself fails when a rule is broken.
#[test]
fn a_broken_rule_is_found() {
    let broken = |name: &str, uses: &str| {
        let mut graph = resolved();
        graph
            .entry(name.to_owned())
            .or_default()
            .insert(uses.to_owned());
        !faults(&graph).is_empty()
    };
    assert!(broken("consign-verify", "tokio"));
    assert!(broken("consign-verify", "consign-hub"));
    assert!(broken("consign-pki", "sled"));
    assert!(broken("consign-hub", "sled"));
    assert!(broken("consign-domain", "consign-proto"));
    assert!(broken("consign-surprise", "serde"));
    // Through another crate, too.
    assert!(broken("serde", "tokio"));
}
