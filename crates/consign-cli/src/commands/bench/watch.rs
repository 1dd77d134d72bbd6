//! Progress on standard error, on terminals only.

use std::sync::{Mutex, PoisonError};

use consign_lab::bench::Progress;
use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};

/// A bar for each thing that takes its time.
#[derive(Debug)]
pub(super) struct Bars {
    shown: Mutex<(&'static str, ProgressBar)>,
}

impl Bars {
    pub(super) fn new() -> Self {
        let shown = Mutex::new(("", ProgressBar::hidden()));
        Self { shown }
    }

    /// Shows how far something has come.
    pub(super) fn show(&self, progress: Progress) {
        let mut shown = self.shown.lock().unwrap_or_else(PoisonError::into_inner);
        if shown.0 != progress.what {
            shown.1.finish_and_clear();
            *shown = (progress.what, bar(progress));
        }
        shown.1.set_position(progress.done);
    }

    /// Shows nothing any more.
    pub(super) fn clear(&self) {
        let shown = self.shown.lock().unwrap_or_else(PoisonError::into_inner);
        shown.1.finish_and_clear();
    }
}

impl Drop for Bars {
    fn drop(&mut self) {
        self.clear();
    }
}

fn bar(progress: Progress) -> ProgressBar {
    let target = ProgressDrawTarget::stderr();
    let bar = ProgressBar::with_draw_target(Some(progress.all), target);
    if let Ok(style) = ProgressStyle::with_template("{msg} {bar:24} {pos}/{len}") {
        bar.set_style(style);
    }
    bar.with_message(progress.what)
}
