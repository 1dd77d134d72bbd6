//! The outgoing register of an agency: numbers from 01 on 1 January, given by the system
//! and without gaps (Decree 30/2020/NĐ-CP, Article 15).
//!
//! `registers/outgoing-<year>.jsonl` has one line per document. A line is added after the
//! document is durable; a crash between the two is mended at the next start, from the
//! document. Numbers that people gave themselves are kept and passed over.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use consign_domain::document::{Document, Notation, Number};
use consign_domain::{Date, DocumentId, EnvelopeId};
use consign_runtime::files;
use serde::{Deserialize, Serialize};

use crate::durable;
use crate::error::NodeError;

/// Largest register of one year: about a million lines.
const MAX_REGISTER: usize = 512 * 1024 * 1024;

/// One line of the register.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Entry {
    number: Number,
    notation: Notation,
    /// Whether the register gave the number.
    given: bool,
    date: Date,
    document: DocumentId,
    envelope: EnvelopeId,
}

/// The registers of one agency, a year at a time.
#[derive(Debug)]
pub(crate) struct Registers {
    directory: PathBuf,
    years: BTreeMap<u16, Year>,
}

#[derive(Debug, Default)]
struct Year {
    symbols: BTreeMap<(Number, Notation), EnvelopeId>,
    /// Numbers that people gave, as integers.
    taken: BTreeSet<u64>,
    /// The last number that the register gave.
    last: u64,
    /// Bytes of the file that are whole lines.
    length: u64,
    /// Lines that a full disk kept from the file; they go with the next one.
    unwritten: Vec<u8>,
}

impl Registers {
    pub(crate) const fn new(directory: PathBuf) -> Self {
        Self {
            directory,
            years: BTreeMap::new(),
        }
    }

    /// The number that the register gives next in a year.
    pub(crate) fn next(&mut self, year: u16) -> Result<Number, NodeError> {
        let path = self.path(year);
        let year = self.year(year)?;
        let next = (year.last.saturating_add(1)..)
            .find(|number| !year.taken.contains(number))
            .unwrap_or(u64::MAX);
        Number::tidy(&next.to_string())
            .map_err(|_| NodeError::form(path, "the year's numbers are used up"))
    }

    /// Which envelope a symbol was given to in a year.
    pub(crate) fn holder(
        &mut self,
        year: u16,
        number: &Number,
        notation: &Notation,
    ) -> Result<Option<EnvelopeId>, NodeError> {
        let symbol = (number.clone(), notation.clone());
        Ok(self.year(year)?.symbols.get(&symbol).copied())
    }

    /// Enters a document, unless it is in the register already. A failure loses nothing:
    /// the line is written with the next one, or at the next start.
    pub(crate) fn enter(
        &mut self,
        document: &Document,
        envelope: EnvelopeId,
        given: bool,
    ) -> Result<(), NodeError> {
        let number = document.issued_on.year();
        let path = self.path(number);
        let year = self.year(number)?;
        let entry = Entry {
            number: document.number.clone(),
            notation: document.notation.clone(),
            given,
            date: document.issued_on,
            document: document.id,
            envelope,
        };
        let symbol = (entry.number.clone(), entry.notation.clone());
        if year.symbols.get(&symbol) == Some(&envelope) {
            return Ok(());
        }
        let mut line =
            serde_json::to_vec(&entry).map_err(|source| NodeError::damaged(&path, source))?;
        line.push(b'\n');
        year.add(&entry);
        year.unwritten.append(&mut line);
        self.write_out()
    }

    /// Writes the lines that a full disk kept from their files.
    pub(crate) fn write_out(&mut self) -> Result<(), NodeError> {
        for (number, year) in &mut self.years {
            if year.unwritten.is_empty() {
                continue;
            }
            durable::directory(&self.directory)?;
            let path = path(&self.directory, *number);
            durable::append_at(&path, year.length, &year.unwritten)?;
            let written = u64::try_from(year.unwritten.len()).unwrap_or(u64::MAX);
            year.length = year.length.saturating_add(written);
            year.unwritten.clear();
        }
        Ok(())
    }

    fn path(&self, year: u16) -> PathBuf {
        path(&self.directory, year)
    }

    fn year(&mut self, number: u16) -> Result<&mut Year, NodeError> {
        let path = self.path(number);
        match self.years.entry(number) {
            std::collections::btree_map::Entry::Occupied(year) => Ok(year.into_mut()),
            std::collections::btree_map::Entry::Vacant(place) => {
                Ok(place.insert(Year::read(&path)?))
            }
        }
    }
}

fn path(directory: &Path, year: u16) -> PathBuf {
    directory.join(format!("outgoing-{year:04}.jsonl"))
}

impl Year {
    /// Reads a register; what follows the last line end was cut short by a crash.
    fn read(path: &Path) -> Result<Self, NodeError> {
        let mut year = Self::default();
        let bytes = match files::read_bounded(path, MAX_REGISTER) {
            Ok(bytes) => bytes,
            Err(fault) if fault.is_not_found() => return Ok(year),
            Err(fault) => return Err(fault.into()),
        };
        let whole = bytes
            .iter()
            .rposition(|byte| *byte == b'\n')
            .map_or(0, |last| last + 1);
        let (lines, _torn) = bytes.split_at(whole);
        year.length = u64::try_from(whole).unwrap_or(u64::MAX);
        for line in lines.split_inclusive(|byte| *byte == b'\n') {
            let entry: Entry =
                serde_json::from_slice(line).map_err(|source| NodeError::damaged(path, source))?;
            year.add(&entry);
        }
        Ok(year)
    }

    fn add(&mut self, entry: &Entry) {
        if let Ok(number) = entry.number.as_str().parse::<u64>() {
            if entry.given {
                self.last = self.last.max(number);
            } else {
                self.taken.insert(number);
            }
        }
        let symbol = (entry.number.clone(), entry.notation.clone());
        self.symbols.insert(symbol, entry.envelope);
    }
}
