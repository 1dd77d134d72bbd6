//! The log: structured events on standard error, as text or as JSON.
//!
//! Standard output belongs to what a command answers. `NO_COLOR` (<https://no-color.org>) is
//! obeyed, and nothing is coloured unless a person is looking. A log never holds a key or content.

use std::io::{IsTerminal as _, stderr};

use thiserror::Error;
use tracing_subscriber::EnvFilter;
use tracing_subscriber::util::SubscriberInitExt as _;

/// How an event is written.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Format {
    /// One line of text, for people.
    #[default]
    Text,
    /// One JSON object a line, for machines.
    Json,
}

/// Why the log could not be set up.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum TelemetryError {
    /// The filter is not one.
    #[error("log filter {filter:?} is not of the form info or consign_hub=debug,warn")]
    Filter {
        /// What was given.
        filter: String,
        /// Where it fails.
        #[source]
        source: tracing_subscriber::filter::ParseError,
    },
}

/// Starts the log with `filter` in the form of `tracing` (`info`, `consign_hub=debug,warn`).
///
/// The first call of a process wins. Later ones check their filter and change nothing, so that
/// tests and embedders may call it freely.
///
/// # Errors
/// The filter cannot be read.
pub fn init(format: Format, filter: &str) -> Result<(), TelemetryError> {
    let filter = EnvFilter::builder()
        .parse(filter)
        .map_err(|source| TelemetryError::Filter {
            filter: filter.to_owned(),
            source,
        })?;
    // A log that nobody reads any more (a closed pipe) must not stop what it tells of:
    // the subscriber would complain on the same closed pipe, and panic.
    let events = tracing_subscriber::fmt()
        .with_env_filter(filter)
        .log_internal_errors(false)
        .with_writer(stderr);
    let colour = stderr().is_terminal() && !colour_refused();
    // An error means that a log is already there.
    let _already_running = match format {
        Format::Text => events.with_ansi(colour).finish().try_init(),
        Format::Json => events.json().with_ansi(false).finish().try_init(),
    };
    Ok(())
}

fn colour_refused() -> bool {
    std::env::var_os("NO_COLOR").is_some_and(|value| !value.is_empty())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn starting_twice_is_harmless_and_a_bad_filter_is_named() {
        init(Format::Text, "warn").unwrap();
        init(Format::Json, "consign_runtime=debug,warn").unwrap();
        let fault = init(Format::Text, "info,[[[").unwrap_err();
        assert!(fault.to_string().contains("[[["), "{fault}");
    }
}
