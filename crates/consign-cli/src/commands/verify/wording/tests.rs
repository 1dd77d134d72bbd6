//! Every member of every list has its words in both languages. That none is left out is the
//! compiler's to see, so long as no table ends in a wildcard; that none is empty, forgotten in
//! the other language or without its accents is seen here.

use std::collections::HashSet;

use consign_verify::report::{Aspect, CheckName, Counted, Reason, SubIndication, TimeSource, Why};

use super::super::language::Text;
use super::*;

fn tables() -> Vec<(String, Text)> {
    let mut all = Vec::new();
    let mut add = |list: &str, member: &str, text| all.push((format!("{list} {member}"), text));
    for one in CheckName::ALL {
        add("check", one.as_str(), terms::check(*one));
    }
    for one in Reason::ALL {
        add("reason", one.as_str(), reasons::reason(*one));
    }
    for one in SubIndication::ALL {
        add("sub-indication", one.as_str(), terms::sub_indication(*one));
    }
    for one in Aspect::ALL {
        add("aspect", one.as_str(), terms::aspect(*one));
    }
    for one in Why::ALL {
        add("why", one.as_str(), terms::why(*one));
    }
    for one in TimeSource::ALL {
        add("time", one.as_str(), terms::time_source(*one));
    }
    for one in Counted::ALL {
        add("counted", one.as_str(), terms::counted(*one));
    }
    all
}

#[test]
fn every_member_has_words_in_both_languages() {
    for (member, text) in tables() {
        let (vi, en) = (text.to(Language::Vietnamese), text.to(Language::English));
        assert!(!vi.trim().is_empty(), "{member} in Vietnamese");
        assert!(!en.trim().is_empty(), "{member} in English");
        assert_ne!(vi, en, "{member}");
        assert!(en.is_ascii(), "{member}: {en}");
        assert!(!vi.is_ascii(), "{member}: {vi}");
        let first = vi.chars().next();
        assert!(first.is_some_and(char::is_alphabetic), "{member}: {vi}");
    }
}

/// No two reasons read the same: who reads one must be able to tell which it is.
#[test]
fn reasons_can_be_told_apart() {
    for language in [Language::Vietnamese, Language::English] {
        let texts: HashSet<&str> = Reason::ALL
            .iter()
            .map(|one| reasons::reason(*one).to(language))
            .collect();
        assert_eq!(texts.len(), Reason::ALL.len(), "{language:?}");
    }
}

#[test]
fn no_table_of_words_has_a_wildcard() {
    for (name, source) in [
        ("terms", include_str!("terms.rs")),
        ("reasons", include_str!("reasons.rs")),
        ("facts", include_str!("facts.rs")),
    ] {
        assert!(!source.contains(concat!("_ ", "=>")), "{name}");
    }
}

#[test]
fn a_report_of_an_older_version_is_shown() {
    let report = serde_json::json!({"indication": "TOTAL-FAILED", "at": "2026-11-23T02:30:00Z",
        "malformed": false, "not_checked": ["signatures inside PDF files"], "checks": [
        {"name": "file-digests", "clause": "", "outcome": "passed", "detail": "3 files"}]});
    let lines = report_value(&report, Output::new(false));
    assert_eq!(lines, ["passed         file-digests: 3 files"]);
    assert!(report_value(&Value::Null, Output::new(false)).is_empty());
}

#[test]
fn a_statement_is_shown_field_by_field() {
    let value = serde_json::json!({"event": "ContentHandover", "hub": {"n": [1, "a"]}});
    assert_eq!(
        statement(&value),
        [
            format!("{:<22} ContentHandover", "event"),
            format!("{:<22} 1", "hub.n.0"),
            format!("{:<22} a", "hub.n.1"),
        ]
    );
}
