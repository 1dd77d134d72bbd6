//! A named container and what becomes of it.

use super::archive::{Archive, Entry, sound};

/// What a reading makes of a container.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Expected {
    /// Refused with this code.
    Refused(&'static str),
    /// Read, with these deviations, sorted and each once.
    Read(&'static [&'static str]),
}

/// One named container and what becomes of it.
pub(crate) struct Case {
    pub(crate) name: &'static str,
    pub(crate) archive: Archive,
    pub(crate) canonical: &'static str,
    pub(crate) lenient: Expected,
}

/// A case refused with the same code by both readings.
pub(crate) fn refused(name: &'static str, code: &'static str, archive: Archive) -> Case {
    Case {
        name,
        archive,
        canonical: code,
        lenient: Expected::Refused(code),
    }
}

/// A case that only the canonical reading refuses, and the lenient one reports.
pub(crate) fn reported(
    name: &'static str,
    code: &'static str,
    deviations: &'static [&'static str],
    archive: Archive,
) -> Case {
    Case {
        name,
        archive,
        canonical: code,
        lenient: Expected::Read(deviations),
    }
}

/// A case refused by the canonical reading as a deviation, by the lenient one for what is in it.
pub(crate) fn refused_leniently(
    name: &'static str,
    canonical: &'static str,
    lenient: &'static str,
    archive: Archive,
) -> Case {
    Case {
        name,
        archive,
        canonical,
        lenient: Expected::Refused(lenient),
    }
}

/// A sound container after `change`.
pub(crate) fn changed(change: impl FnOnce(&mut Archive)) -> Archive {
    let mut archive = sound();
    change(&mut archive);
    archive
}

/// A sound container with `change` made to `main.pdf`.
pub(crate) fn main_file(change: impl FnOnce(&mut Entry)) -> Archive {
    changed(|archive| change(archive.entry("main.pdf")))
}
