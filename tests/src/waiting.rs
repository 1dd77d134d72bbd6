//! Wait until something holds, and no longer than is good.

use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Result, bail};

/// Looks every so often until there is something.
///
/// # Errors
/// It could not look, or there was nothing in all that time.
pub fn until<T>(what: &str, limit: Duration, look: impl FnMut() -> Result<Option<T>>) -> Result<T> {
    every(Duration::from_millis(25), what, limit, look)
}

/// [`until`], for what lasts only a moment.
///
/// # Errors
/// It could not look, or there was nothing in all that time.
pub fn watch<T>(what: &str, limit: Duration, look: impl FnMut() -> Result<Option<T>>) -> Result<T> {
    every(Duration::from_micros(200), what, limit, look)
}

fn every<T>(
    pause: Duration,
    what: &str,
    limit: Duration,
    mut look: impl FnMut() -> Result<Option<T>>,
) -> Result<T> {
    let deadline = Instant::now() + limit;
    loop {
        if let Some(found) = look()? {
            return Ok(found);
        }
        if Instant::now() >= deadline {
            bail!("waited {} s in vain: {what}", limit.as_secs());
        }
        thread::park_timeout(pause);
    }
}
