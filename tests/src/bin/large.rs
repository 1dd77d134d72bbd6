//! Measures one large document: `cargo run -p consign-tests --bin large -- 1GiB`.
//!
//! Build the program first: `cargo build -p consign-cli`. The size is in bytes, or in KiB, MiB
//! or GiB; about six times as much is needed where temporary files lie (`TMPDIR`).

use std::time::Duration;

use anyhow::{Context as _, Result};
use consign_tests::figures::send_large;
use consign_tests::say;
use consign_tests::scratch::in_scratch;

fn main() -> Result<()> {
    let size = std::env::args().nth(1).unwrap_or_else(|| "1GiB".to_owned());
    let size = bytes(&size).with_context(|| format!("{size} is no size such as 512MiB"))?;
    in_scratch("large", |scratch| {
        let figures = send_large(scratch, size, Duration::from_secs(3600))?;
        say(&figures);
        figures.memory_is_bounded()
    })
}

fn bytes(text: &str) -> Option<u64> {
    let end = text.find(|letter: char| !letter.is_ascii_digit());
    let (number, unit) = text.split_at(end.unwrap_or(text.len()));
    let unit: u64 = match unit {
        "" => 1,
        "KiB" => 1 << 10,
        "MiB" => 1 << 20,
        "GiB" => 1 << 30,
        _ => return None,
    };
    number.parse::<u64>().ok()?.checked_mul(unit)
}
