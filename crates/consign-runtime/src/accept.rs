//! What both accept loops share: an error of the listener never ends them.

use std::io;
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use tokio::time::{Sleep, sleep};
use tracing::warn;

/// Long enough for other connections to give back what is short, short enough for nobody to mind.
const PAUSE: Duration = Duration::from_millis(200);

/// Waits after errors such as "too many open files", which would come back at once.
#[derive(Debug, Default)]
pub(crate) struct Backoff {
    pause: Option<Pin<Box<Sleep>>>,
    failing: bool,
}

impl Backoff {
    /// Ready when the listener may be asked again.
    pub(crate) fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        if let Some(pause) = &mut self.pause {
            ready!(pause.as_mut().poll(cx));
            self.pause = None;
        }
        Poll::Ready(())
    }

    /// A connection was accepted.
    pub(crate) fn accepted(&mut self) {
        self.failing = false;
    }

    /// The listener failed. Logged once for a row of failures.
    pub(crate) fn failed(&mut self, error: &io::Error) {
        use io::ErrorKind::{ConnectionAborted, ConnectionRefused, ConnectionReset, Interrupted};

        if matches!(
            error.kind(),
            ConnectionAborted | ConnectionRefused | ConnectionReset | Interrupted
        ) {
            return; // That one connection's trouble, not ours.
        }
        if !self.failing {
            warn!(%error, "cannot accept connections, trying again");
        }
        self.failing = true;
        self.pause = Some(Box::pin(sleep(PAUSE)));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_shortage_makes_it_wait_and_a_lost_connection_does_not() {
        let mut backoff = Backoff::default();
        let mut cx = Context::from_waker(std::task::Waker::noop());
        backoff.failed(&io::ErrorKind::ConnectionAborted.into());
        assert!(backoff.poll_ready(&mut cx).is_ready());
        let too_many_files = io::Error::from_raw_os_error(24);
        backoff.failed(&too_many_files);
        assert!(backoff.poll_ready(&mut cx).is_pending());
        std::future::poll_fn(|cx| backoff.poll_ready(cx)).await;
        assert!(backoff.failing);
        backoff.accepted();
        assert!(!backoff.failing);
    }
}
