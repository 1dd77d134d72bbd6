//! Records of what was done with the root's key and to the trust file: founding the authority,
//! signing the root's list, believing roots of others.
//!
//! `ceremonies/<UTC>-<what>.txt` is plain text, 80 columns wide, to be printed and signed by those
//! present. Between two marks it states the authority's public facts: who it is, its keys and
//! certificates by their digests, what it gives away. The same lines are made again from the
//! authority's directory by [`check`]; who has nothing but `openssl` and `sha256sum` runs the
//! commands that the record ends with. It holds nothing secret. A record is never changed: the
//! directory is only added to.
//!
//! Beside the record of a root's list lies that list, since `trust/crl/root.crl` gives way to the
//! next one; beside that of a change of the trust file lies the file as it was, so that earlier
//! records can still be checked.

mod facts;
mod page;

use std::fs;
use std::path::{Path, PathBuf};

use consign_domain::{Digest, Timestamp};
use consign_pki::path::{MAX_REVOCATION_LIST, revocation};
use consign_runtime::clock::Clock;
use consign_runtime::files::{self, Action};
use consign_runtime::program;
use consign_verify::trust::MAX_TRUST;
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
/// How the names of trust files begin that gave way to others, behind the time.
const TRUST: &str = "-trust-";
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
    /// Records of changes of the trust file since the one that the record states; none where it
    /// is the one in use.
    pub trust_changes: Vec<PathBuf>,
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
    let (trust, trust_changes) = trust_stated(&layout, &stated)?;
    let found = facts::lines(&layout, &settings, &trust, list.as_deref())?;
    let line = |lines: &[String], index: usize| lines.get(index).cloned().unwrap_or_default();
    let differences = (0..stated.len().max(found.len())).filter_map(|index| {
        let (record, directory) = (line(&stated, index), line(&found, index));
        (record != directory).then_some(Difference { record, directory })
    });
    let mut differences: Vec<Difference> = differences.collect();
    if let Some(list) = &list {
        differences.extend(published(&layout, list)?);
    }
    Ok(Agreement {
        compared: found.len(),
        differences,
        trust_changes,
    })
}

/// The trust file that a record states, with the records of the changes since: one that gave way
/// to another, or else the one in use.
fn trust_stated(
    layout: &Layout,
    stated: &[String],
) -> Result<(Vec<u8>, Vec<PathBuf>), AuthorityError> {
    let current = files::read_bounded(&layout.trust_json(), MAX_TRUST)?;
    let states = |bytes: &[u8]| {
        let lines = facts::trust_file(Digest::of(bytes));
        stated.windows(lines.len()).any(|window| window == lines)
    };
    let earlier = earlier_trust(layout)?;
    if states(&current) {
        return Ok((current, Vec::new()));
    }
    for (index, path) in earlier.iter().enumerate() {
        let bytes = files::read_bounded(path, MAX_TRUST)?;
        if states(&bytes) {
            let since = earlier.iter().skip(index);
            let records = since.map(|path| path.with_extension("txt")).collect();
            return Ok((bytes, records));
        }
    }
    Ok((current, Vec::new()))
}

/// The trust files that gave way to others, the oldest first.
fn earlier_trust(layout: &Layout) -> Result<Vec<PathBuf>, AuthorityError> {
    let mut paths = records(layout, |name| {
        name.contains(TRUST) && name.ends_with(".json")
    })?;
    paths.sort();
    Ok(paths)
}

/// What lies among the records under such a name.
fn records(layout: &Layout, wanted: impl Fn(&str) -> bool) -> Result<Vec<PathBuf>, AuthorityError> {
    let dir = layout.ceremonies();
    let mut paths = Vec::new();
    for item in fs::read_dir(&dir).map_err(io_fault(Action::Read, &dir))? {
        let item = item.map_err(io_fault(Action::Read, &dir))?;
        if wanted(&item.file_name().to_string_lossy()) {
            paths.push(item.path());
        }
    }
    Ok(paths)
}

/// What is wrong with the list of the root that is given away, beside one that the root has signed.
fn published(layout: &Layout, list: &[u8]) -> Result<Option<Difference>, AuthorityError> {
    let root = store::certificate_der(&layout.root_pem())?;
    let path = layout.root_list();
    let directory = match files::read_bounded(&path, MAX_REVOCATION_LIST) {
        Ok(given) if given == list => return Ok(None),
        Ok(given) => {
            let made = |list: &[u8]| revocation::made_by(list, &root);
            match made(&given) {
                Some(newer) if made(list).is_none_or(|made| made < newer) => return Ok(None),
                Some(_) => "trust/crl/root.crl is an older list, or another of that time",
                None => "trust/crl/root.crl is not signed by the root key",
            }
        }
        Err(fault) if fault.is_not_found() => "trust/crl/root.crl is missing",
        Err(fault) => return Err(fault.into()),
    };
    Ok(Some(Difference {
        record: "trust/crl/root.crl is this list, or a newer one".to_owned(),
        directory: directory.to_owned(),
    }))
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
    let trust = files::read_bounded(&layout.trust_json(), MAX_TRUST)?;
    let facts = facts::lines(layout, settings, &trust, None)?;
    keep(layout, &name, page, &facts, None, minutes)
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
    let trust = files::read_bounded(&layout.trust_json(), MAX_TRUST)?;
    let facts = facts::lines(layout, settings, &trust, Some(list))?;
    let beside = copy.file_name().map(Path::new);
    keep(layout, &name, page, &facts, beside, minutes)
}

/// Keeps the trust file that gives way to `new` beside the record of the change; gives the
/// record's place. What is cut short is done again, with a record of its own: the file kept
/// is then the one in use.
pub(crate) fn trust_change(
    layout: &Layout,
    settings: &Settings,
    new: &[u8],
    done: &'static str,
    now: Timestamp,
) -> Result<PathBuf, AuthorityError> {
    files::create_dir_durable(&layout.ceremonies(), PUBLIC_DIRECTORY)?;
    let number = earlier_trust(layout)?.len() + 1;
    let name = format!("{}{TRUST}{number:03}.txt", compact(now));
    let clock = Clock::fixed(now.as_unix());
    let mut minutes = Minutes::begin(&clock);
    minutes.note(done);
    let old = files::read_bounded(&layout.trust_json(), MAX_TRUST)?;
    let copy = layout.ceremonies().join(&name).with_extension("json");
    files::publish(&copy, &old, PUBLIC)?;
    let mut page = Page::titled("The trust file was changed");
    opening(&mut page, &minutes);
    let facts = facts::lines(layout, settings, new, None)?;
    keep(layout, &name, page, &facts, None, minutes)
}

/// Removes the records of foundings that were cut short: nothing that they name was ever used.
pub(crate) fn forget_foundings(layout: &Layout) -> Result<(), AuthorityError> {
    let dir = layout.ceremonies();
    files::create_dir_durable(&dir, PUBLIC_DIRECTORY)?;
    for path in records(layout, |name| name.ends_with(FOUNDING))? {
        files::remove(&path)?;
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
    list: Option<&Path>,
    minutes: Minutes<'_>,
) -> Result<PathBuf, AuthorityError> {
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
    page.lines(&facts::commands(list));
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
