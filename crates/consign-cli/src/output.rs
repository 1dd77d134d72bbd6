//! All that the program prints.
//!
//! Standard output has what was asked for: text for people, or with `--json` exactly one
//! object on one line, which is the last. Standard error has steps, progress, errors and
//! the log. `NO_COLOR` (<https://no-color.org>) is obeyed and only terminals get colours
//! or progress bars. A reader that went away (`consign inbox | head`) ends nothing badly.

use std::fmt;
use std::io::{IsTerminal as _, Write as _, stderr, stdout};
use std::process::ExitCode;
use std::time::Duration;

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use serde::Serialize;

use crate::failure::Failure;

/// Where and how to print.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Output {
    json: bool,
    colour: bool,
}

/// What a colour says; there are no others.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Tone {
    Good,
    Doubtful,
    Bad,
    Strong,
    Faint,
}

/// What every object holds besides its own fields: `ok` is true where the exit code is 0.
#[derive(Serialize)]
struct Object<'a, T> {
    ok: bool,
    #[serde(flatten)]
    fields: &'a T,
}

#[derive(Serialize)]
struct ErrorObject<'a> {
    ok: bool,
    error: &'a Failure,
}

impl Output {
    /// Text for people, or one JSON object.
    pub(crate) fn new(json: bool) -> Self {
        let refused = std::env::var_os("NO_COLOR").is_some_and(|value| !value.is_empty());
        Self {
            json,
            colour: !refused && stdout().is_terminal() && stderr().is_terminal(),
        }
    }

    /// Text for people, in colours or without, whoever looks.
    #[cfg(test)]
    pub(crate) const fn in_colours(colour: bool) -> Self {
        Self {
            json: false,
            colour,
        }
    }

    /// Whether one JSON object is wanted.
    pub(crate) const fn is_json(self) -> bool {
        self.json
    }

    /// A line for people; not with `--json`.
    pub(crate) fn line(self, text: impl fmt::Display) {
        if !self.json {
            print(format_args!("{text}\n"));
        }
    }

    /// The one JSON object; only with `--json`.
    pub(crate) fn object<T: Serialize>(self, ok: bool, fields: &T) {
        if !self.json {
            return;
        }
        match serde_json::to_string(&Object { ok, fields }) {
            Ok(text) => print(format_args!("{text}\n")),
            Err(error) => self.note(format_args!("cannot write the answer as JSON: {error}")),
        }
    }

    /// Text as it is, on standard output in every case: completions and manual pages.
    pub(crate) fn raw(self, bytes: &[u8]) {
        let _ = stdout().lock().write_all(bytes);
    }

    /// A line on standard error.
    pub(crate) fn note(self, text: impl fmt::Display) {
        let _ = writeln!(stderr().lock(), "{text}");
    }

    /// A step of something longer: on standard output for people, beside it with `--json`.
    pub(crate) fn step(self, text: impl fmt::Display) {
        if self.json {
            self.note(text);
        } else {
            self.line(text);
        }
    }

    /// Rows under headings, in columns; with nothing to show, what to say instead.
    pub(crate) fn table(self, headings: &[&str], rows: &[Vec<String>], empty: &str) {
        if rows.is_empty() {
            return self.line(empty);
        }
        for (index, line) in columns(headings, rows).iter().enumerate() {
            match index {
                0 => self.line(self.paint(Tone::Faint, line)),
                _ => self.line(line),
            }
        }
    }

    /// Text in a tone, where colours are wanted.
    pub(crate) fn paint(self, tone: Tone, text: impl fmt::Display) -> String {
        if !self.colour {
            return text.to_string();
        }
        let code = match tone {
            Tone::Good => "32",
            Tone::Doubtful => "33",
            Tone::Bad => "31",
            Tone::Strong => "1",
            Tone::Faint => "2",
        };
        format!("\u{1b}[{code}m{text}\u{1b}[0m")
    }

    /// Says why it failed; the exit code is that of the failure.
    pub(crate) fn failure(self, failure: &Failure) -> ExitCode {
        let word = self.paint(Tone::Bad, format_args!("error[{}]", failure.code));
        self.note(format_args!("{word}: {}", failure.message));
        self.note(format_args!("fix: {}", failure.fix));
        if self.json {
            let object = ErrorObject {
                ok: false,
                error: failure,
            };
            if let Ok(text) = serde_json::to_string(&object) {
                print(format_args!("{text}\n"));
            }
        }
        ExitCode::from(failure.exit_code())
    }

    /// A bar of bytes on standard error; hidden where that is no terminal.
    pub(crate) fn bytes_bar(self, total: u64, what: &'static str) -> ProgressBar {
        let bar = ProgressBar::with_draw_target(Some(total), ProgressDrawTarget::stderr());
        if let Ok(style) =
            ProgressStyle::with_template("{msg} {bar:24} {bytes}/{total_bytes} {eta}")
        {
            bar.set_style(style);
        }
        bar.with_message(what)
    }

    /// Progress of so many things.
    pub(crate) fn count_bar(self, total: u64, what: &'static str) -> ProgressBar {
        let bar = ProgressBar::with_draw_target(Some(total), ProgressDrawTarget::stderr());
        if let Ok(style) = ProgressStyle::with_template("{msg} {bar:24} {pos}/{len} {eta}") {
            bar.set_style(style);
        }
        bar.with_message(what)
    }

    /// A sign of life on standard error while there is nothing to count.
    pub(crate) fn spinner(self, what: impl Into<String>) -> ProgressBar {
        let bar = ProgressBar::with_draw_target(None, ProgressDrawTarget::stderr());
        bar.set_message(what.into());
        bar.enable_steady_tick(Duration::from_millis(120));
        bar
    }
}

fn print(text: fmt::Arguments<'_>) {
    // Nobody reads any more: there is nobody to tell.
    let mut out = stdout().lock();
    let _ = out.write_fmt(text);
    let _ = out.flush();
}

/// Lines of columns, two spaces apart; the last column has no end.
fn columns(headings: &[&str], rows: &[Vec<String>]) -> Vec<String> {
    let heading: Vec<String> = headings.iter().map(ToString::to_string).collect();
    let all = || std::iter::once(&heading).chain(rows);
    let width = |column: usize| {
        let cells = all().filter_map(|row| row.get(column));
        cells.map(|cell| cell.chars().count()).max().unwrap_or(0)
    };
    let widths: Vec<usize> = (0..headings.len()).map(width).collect();
    let line = |row: &Vec<String>| {
        let cells = row.iter().zip(&widths);
        let padded: Vec<String> = cells
            .map(|(cell, width)| format!("{cell:width$}"))
            .collect();
        padded.join("  ").trim_end().to_owned()
    };
    all().map(line).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use consign_domain::ErrorCode;

    #[test]
    fn columns_stand_under_each_other_whatever_letters_they_hold() {
        let rows = vec![
            vec!["H99.03".to_owned(), "Sở Nội vụ".to_owned(), "x".to_owned()],
            vec!["H99.1".to_owned(), "Văn phòng".to_owned(), String::new()],
        ];
        assert_eq!(
            columns(&["CODE", "NAME", "STATE"], &rows),
            [
                "CODE    NAME       STATE",
                "H99.03  Sở Nội vụ  x",
                "H99.1   Văn phòng"
            ]
        );
    }

    #[test]
    fn nothing_is_coloured_unless_a_person_looks() {
        let output = Output {
            json: false,
            colour: false,
        };
        assert_eq!(output.paint(Tone::Bad, "no"), "no");
    }

    #[test]
    fn objects_say_whether_it_went_well() {
        #[derive(Serialize)]
        struct Fields {
            id: u8,
        }
        let object = Object {
            ok: true,
            fields: &Fields { id: 7 },
        };
        let text = serde_json::to_string(&object).unwrap();
        assert_eq!(text, r#"{"ok":true,"id":7}"#);
        let failure = Failure::new(ErrorCode::NotFound, "no such document").fix("consign sent");
        let error = ErrorObject {
            ok: false,
            error: &failure,
        };
        assert_eq!(
            serde_json::to_string(&error).unwrap(),
            r#"{"ok":false,"error":{"code":"not-found","message":"no such document","fix":"consign sent"}}"#
        );
    }
}
