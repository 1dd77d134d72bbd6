//! A document that no service may hold in memory.

use std::time::Duration;

use anyhow::Result;
use consign_tests::figures::send_large;
use consign_tests::say;
use consign_tests::scratch::in_scratch;

#[test]
fn a_large_document_passes_in_little_memory() -> Result<()> {
    in_scratch("large document", |scratch| {
        // The binary `large` measures a whole gibibyte.
        let figures = send_large(scratch, 64 << 20, Duration::from_secs(180))?;
        say(&figures);
        figures.memory_is_bounded()
    })
}
