//! Records of what was done with the root's key: founding the authority, signing the root's list.
//!
//! `ceremonies/<UTC>-<what>.txt` is plain text, 80 columns wide, to be printed and signed by those
//! present. Between two marks it states the authority's public facts: who it is, its keys and
//! certificates by their digests, what it gives away. The same lines are made again from the
//! authority's directory by [`check`]; who has nothing but `openssl` and `sha256sum` runs the
//! commands that the record ends with. It holds nothing secret. A record is never changed: the
//! directory is only added to.
//!
//! Beside the record of a root's list lies that list, since `trust/crl/root.crl` gives way to the
//! next one.

mod facts;
mod page;

use std::fs;
use std::path::{Path, PathBuf};

use consign_domain::Timestamp;
use consign_pki::path::MAX_REVOCATION_LIST;
use consign_runtime::clock::Clock;
use consign_runtime::files::{self, Action};
use consign_runtime::program;
use serde::Serialize;

use crate::error::AuthorityError;
use crate::files::layout::Layout;
use crate::files::{PUBLIC, PUBLIC_DIRECTORY, io_fault, store};
use crate::settings::Settings;

use page::Page;

/// Largest record, in bytes.
const MAX_RECORD: usize = 64 * 1024;
/// How the name of a founding's record ends.
const FOUNDING: &str = "-founding.txt";
/// Around the facts.
const FACTS: &str = "PUBLIC FACTS";
const END_OF_FACTS: &str = "END OF FACTS";
/// Rows for those present.
const PRESENT: usize = 5;

/// What was done when, while it is done.
#[derive(Debug)]
pub(crate) struct Minutes<'a> {
    clock: &'a Clock,
    begun: Timestamp,
    steps: Vec<(Timestamp, &'static str)>,
}

impl<'a> Minutes<'a> {
    pub(crate) fn begin(clock: &'a Clock) -> Self {
        Self {
            clock,
            begun: Timestamp::from_unix_saturating(clock.now()),
            steps: Vec::new(),
        }
    }

    pub(crate) const fn begun(&self) -> Timestamp {
        self.begun
    }

    pub(crate) fn note(&mut self, done: &'static str) {
        let now = Timestamp::from_unix_saturating(self.clock.now());
        self.steps.push((now, done));
    }
}

/// What a record says against the authority's directory.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Agreement {
    /// How many facts were compared, in lines.
    pub compared: usize,
    /// Where they differ.
    pub differences: Vec<Difference>,
}

/// A line in which a record and the directory differ; nothing where one has none.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Difference {
    /// What the record says.
    pub record: String,
    /// What the directory says.
    pub directory: String,
}

/// Compares the facts of a record with those of an authority's directory. Reads no key.
///
/// # Errors
/// The file is no record, or a file of the authority cannot be read.
pub fn check(dir: &Path, record: &Path) -> Result<Agreement, AuthorityError> {
    let layout = Layout::new(dir);
    let settings = store::settings(&layout)?;
    let bytes = files::read_bounded(record, MAX_RECORD)?;
    let stated = stated(&bytes).ok_or_else(|| AuthorityError::NoRecord {
        path: record.to_owned(),
    })?;
    let list = match files::read_bounded(&list_beside(record), MAX_REVOCATION_LIST) {
        Ok(list) => Some(list),
        Err(fault) if fault.is_not_found() => None,
        Err(fault) => return Err(fault.into()),
    };
    let found = facts::lines(&layout, &settings, list.as_deref())?;
    let line = |lines: &[String], index: usize| lines.get(index).cloned().unwrap_or_default();
    let differences = (0..stated.len().max(found.len())).filter_map(|index| {
        let (record, directory) = (line(&stated, index), line(&found, index));
        (record != directory).then_some(Difference { record, directory })
    });
    Ok(Agreement {
        compared: found.len(),
        differences: differences.collect(),
    })
}

/// The facts of a record: the lines between the marks.
fn stated(record: &[u8]) -> Option<Vec<String>> {
    let text = std::str::from_utf8(record).ok()?;
    let mut lines = text.lines().skip_while(|line| *line != FACTS);
    // The mark and the rule below it.
    lines.by_ref().nth(1)?;
    let mut facts = Vec::new();
    for line in lines {
        if line == END_OF_FACTS {
            return Some(facts);
        }
        if !line.is_empty() {
            facts.push(line.to_owned());
        }
    }
    None
}

/// Writes the record of a founding; gives its place.
pub(crate) fn founding(
    layout: &Layout,
    settings: &Settings,
    minutes: Minutes<'_>,
) -> Result<PathBuf, AuthorityError> {
    let name = format!("{}{FOUNDING}", compact(minutes.begun));
    let mut page = Page::titled("The authority was founded");
    opening(&mut page, &minutes);
    page.heading("Where the keys are kept");
    for (key, place) in facts::places(layout)? {
        page.field(key, &place);
    }
    let facts = facts::lines(layout, settings, None)?;
    keep(layout, &name, page, &facts, minutes)
}

/// Keeps a list of the root beside the record of its signing; gives the record's place.
pub(crate) fn root_list(
    layout: &Layout,
    settings: &Settings,
    list: &[u8],
    number: u64,
    now: Timestamp,
) -> Result<PathBuf, AuthorityError> {
    let name = format!("{}-root-list-{number}.txt", compact(now));
    let clock = Clock::fixed(now.as_unix());
    let mut minutes = Minutes::begin(&clock);
    minutes.note("the root key signed the root's revocation list");
    files::create_dir_durable(&layout.ceremonies(), PUBLIC_DIRECTORY)?;
    let copy = list_beside(&layout.ceremonies().join(&name));
    files::publish(&copy, list, PUBLIC)?;
    let mut page = Page::titled("The root's revocation list was signed");
    opening(&mut page, &minutes);
    let facts = facts::lines(layout, settings, Some(list))?;
    keep(layout, &name, page, &facts, minutes)
}

/// Removes the records of foundings that were cut short: nothing that they name was ever used.
pub(crate) fn forget_foundings(layout: &Layout) -> Result<(), AuthorityError> {
    let dir = layout.ceremonies();
    files::create_dir_durable(&dir, PUBLIC_DIRECTORY)?;
    for item in fs::read_dir(&dir).map_err(io_fault(Action::Read, &dir))? {
        let path = item.map_err(io_fault(Action::Read, &dir))?.path();
        if path.to_string_lossy().ends_with(FOUNDING) {
            files::remove(&path)?;
        }
    }
    Ok(())
}

fn opening(page: &mut Page, minutes: &Minutes<'_>) {
    page.field("time", &format!("{} (UTC)", minutes.begun));
    page.blank("place");
    page.blank("machine");
    page.field("program", concat!("consign ", env!("CARGO_PKG_VERSION")));
    match program::digest() {
        Some(digest) => page.digest("its SHA-256", &digest),
        None => page.field("its SHA-256", "the system did not let it be read"),
    }
}

fn keep(
    layout: &Layout,
    name: &str,
    mut page: Page,
    facts: &[String],
    minutes: Minutes<'_>,
) -> Result<PathBuf, AuthorityError> {
    let list = (!name.ends_with(FOUNDING)).then(|| list_beside(Path::new(name)));
    page.mark(FACTS);
    page.lines(facts);
    page.mark(END_OF_FACTS);
    page.heading("Steps");
    for (at, done) in minutes.steps {
        page.field(&at.to_string(), &format!("  {done}"));
    }
    page.heading("How to check this record");
    page.text("By the program, in the authority's directory:");
    page.text("");
    page.text("    consign authority ceremony check --dir . \\");
    page.text(&format!("        ceremonies/{name}"));
    page.text("");
    page.text("By hand, in the same directory; digests are written as above:");
    page.text("");
    page.lines(&facts::commands(list.as_deref()));
    page.heading("Those present");
    page.signatures(PRESENT);
    let path = layout.ceremonies().join(name);
    files::publish_new(&path, page.finish().as_bytes(), PUBLIC)?;
    Ok(path)
}

/// The list that was signed, beside its record.
fn list_beside(record: &Path) -> PathBuf {
    record.with_extension("crl")
}

/// A moment as part of a file's name.
fn compact(at: Timestamp) -> String {
    at.to_string().replace(['-', ':'], "")
}

#[cfg(test)]
mod tests;
