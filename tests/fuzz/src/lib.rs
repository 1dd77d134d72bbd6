//! Fuzz targets: one for each parser of bytes from outside.
//!
//! Each module has a `judge`, which gives any bytes to the functions that production uses, under
//! production's budgets, and checks what must hold of every answer; and `seeds`, made by our
//! own code. What must hold is stronger than "no panic":
//!
//! - What has one form is written again as the same bytes.
//! - A verdict of good says exactly what the [`world`] signed, whatever else was changed. Nobody
//!   has its keys but the seeds, so bytes that pass and say anything else are a forgery.
//! - Two readers of the same bytes agree.
//!
//! `tests/fuzz/run` builds the targets with coverage, makes the seeds, and runs libFuzzer on
//! them; the tests here hold every seed to its answer without it.

use std::sync::LazyLock;

pub mod archive;
pub mod certificate;
pub mod cms;
pub mod container;
pub mod manifest;
pub mod pdf;
pub mod revocation_list;
pub mod statement;
pub mod time_stamp;
pub mod world;

mod parcel;
#[cfg(test)]
mod tests;

/// Bytes to begin with.
#[derive(Debug, Clone)]
pub struct Seed {
    /// What it is, as a file name.
    pub name: String,
    /// The bytes.
    pub bytes: Vec<u8>,
    /// Whether the target finds them good.
    pub is_good: bool,
}

impl Seed {
    fn good(name: &str, bytes: impl Into<Vec<u8>>) -> Self {
        let (name, bytes) = (name.to_owned(), bytes.into());
        Self {
            name,
            bytes,
            is_good: true,
        }
    }

    fn bad(name: &str, bytes: impl Into<Vec<u8>>) -> Self {
        let good = Self::good(name, bytes);
        Self {
            is_good: false,
            ..good
        }
    }
}

/// A parser and what is expected of it.
#[derive(Debug, Clone, Copy)]
pub struct Target {
    /// Its name: that of its program and of its corpus.
    pub name: &'static str,
    /// Takes any bytes; whether they are good. Panics where what must hold does not.
    pub judge: fn(&[u8]) -> bool,
    /// What to begin with.
    pub seeds: fn() -> Vec<Seed>,
}

/// All of them.
pub const TARGETS: [Target; 9] = [
    Target {
        name: "cms",
        judge: cms::judge,
        seeds: cms::seeds,
    },
    Target {
        name: "certificate",
        judge: certificate::judge,
        seeds: certificate::seeds,
    },
    Target {
        name: "revocation-list",
        judge: revocation_list::judge,
        seeds: revocation_list::seeds,
    },
    Target {
        name: "time-stamp",
        judge: time_stamp::judge,
        seeds: time_stamp::seeds,
    },
    Target {
        name: "container",
        judge: container::judge,
        seeds: container::seeds,
    },
    Target {
        name: "archive",
        judge: archive::judge,
        seeds: archive::seeds,
    },
    Target {
        name: "manifest",
        judge: manifest::judge,
        seeds: manifest::seeds,
    },
    Target {
        name: "statement",
        judge: statement::judge,
        seeds: statement::seeds,
    },
    Target {
        name: "pdf",
        judge: pdf::judge,
        seeds: pdf::seeds,
    },
];

static WORLD: LazyLock<world::World> = LazyLock::new(world::World::new);
