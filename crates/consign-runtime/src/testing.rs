//! What tests of several crates need: the log, caught.

use std::io;

use tokio::sync::watch;
use tracing::subscriber::DefaultGuard;

/// What the current thread logs while the guard lives.
#[derive(Debug, Clone)]
pub struct CaughtLog(watch::Sender<String>);

impl CaughtLog {
    /// Begins to catch.
    #[must_use]
    pub fn start() -> (Self, DefaultGuard) {
        let log = Self(watch::Sender::default());
        let writer = log.clone();
        let events = tracing_subscriber::fmt()
            .with_ansi(false)
            .with_writer(move || writer.clone());
        (log, tracing::subscriber::set_default(events.finish()))
    }

    /// All that was logged until now.
    #[must_use]
    pub fn text(&self) -> String {
        self.0.borrow().clone()
    }

    /// Waits until something is said; then all that was logged until now.
    pub async fn wait_for(&self, said: &str) -> String {
        let mut lines = self.0.subscribe();
        let found = lines.wait_for(|log| log.contains(said)).await;
        // It does not end: this is the sender.
        found.map_or_else(|_| self.text(), |log| log.clone())
    }
}

impl io::Write for CaughtLog {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let text = String::from_utf8_lossy(bytes);
        self.0.send_modify(|log| log.push_str(&text));
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}
