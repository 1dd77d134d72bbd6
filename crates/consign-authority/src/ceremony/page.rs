//! Plain text, 80 columns wide, as it is printed.

/// Columns.
pub(super) const WIDTH: usize = 80;
/// Where values begin.
const VALUE: usize = 20;
/// Digits of a digest that stand together, and groups in a line.
const GROUP: usize = 4;
const GROUPS: usize = 8;

/// A record as it grows.
#[derive(Debug)]
pub(super) struct Page(String);

impl Page {
    pub(super) fn titled(title: &str) -> Self {
        let rule = "=".repeat(WIDTH);
        let head = "RECORD OF A CEREMONY";
        let form = "consign/ceremony/v1";
        let gap = " ".repeat(WIDTH - head.len() - form.len());
        Self(format!("{rule}\n{head}{gap}{form}\n{title}\n{rule}\n\n"))
    }

    pub(super) fn heading(&mut self, heading: &str) {
        self.mark(&heading.to_uppercase());
    }

    /// A line by itself over a rule.
    pub(super) fn mark(&mut self, mark: &str) {
        if !self.0.ends_with("\n\n") {
            self.text("");
        }
        self.text(mark);
        self.text(&"-".repeat(WIDTH));
    }

    pub(super) fn text(&mut self, line: &str) {
        self.0.push_str(line);
        self.0.push('\n');
    }

    pub(super) fn lines(&mut self, lines: &[String]) {
        lines.iter().for_each(|line| self.text(line));
    }

    pub(super) fn field(&mut self, label: &str, value: &str) {
        self.lines(&field(label, value));
    }

    pub(super) fn digest(&mut self, label: &str, digest: &[u8]) {
        self.field(label, &groups(digest));
    }

    /// A place to write by hand.
    pub(super) fn blank(&mut self, label: &str) {
        self.field(label, &".".repeat(WIDTH - VALUE));
    }

    /// Places for names, functions and signatures, and for the digest of the file itself.
    pub(super) fn signatures(&mut self, rows: usize) {
        let row = |one: &str, two: &str, three: &str| format!("{one:<26} {two:<26} {three}");
        self.text(&row("Name", "Function", "Signature"));
        let dots = ".".repeat(26);
        for _ in 0..rows {
            self.text("");
            self.text("");
            self.text(&row(&dots, &dots, &dots));
        }
        self.text("");
        self.text("SHA-256 of this file, its first and last four groups, by hand:");
        self.text("");
        self.text(&".".repeat(WIDTH));
    }

    pub(super) fn finish(self) -> String {
        self.0
    }
}

/// A label and its value, over as many lines as it takes.
pub(super) fn field(label: &str, value: &str) -> Vec<String> {
    let lines = wrapped(value, WIDTH - VALUE);
    let labels = std::iter::once(label).chain(std::iter::repeat(""));
    let line = |(label, value): (&str, String)| {
        let line = format!("{label:<VALUE$}{value}");
        line.trim_end().to_owned()
    };
    labels.zip(lines).map(line).collect()
}

/// A digest in groups that people can read out: two lines.
pub(super) fn groups(digest: &[u8]) -> String {
    let digits: Vec<char> = hex::encode(digest).chars().collect();
    let groups = digits.chunks(GROUP).map(|group| group.iter().collect());
    let groups: Vec<String> = groups.collect();
    let lines = groups.chunks(GROUPS).map(|line| line.join(" "));
    lines.collect::<Vec<_>>().join("\n")
}

/// Lines of at most `width` characters, broken at spaces where there are any.
fn wrapped(text: &str, width: usize) -> Vec<String> {
    text.split('\n')
        .flat_map(|line| broken(line, width))
        .collect()
}

fn broken(line: &str, width: usize) -> Vec<String> {
    let mut lines = Vec::new();
    let mut rest: Vec<char> = line.chars().collect();
    while rest.len() > width {
        let head = rest.get(..=width).unwrap_or_default();
        let space = head.iter().rposition(|character| *character == ' ');
        let at = space.filter(|at| *at > 0).unwrap_or(width);
        let tail = rest.split_off(at);
        lines.push(rest.iter().collect());
        rest = tail
            .into_iter()
            .skip(usize::from(space.is_some()))
            .collect();
    }
    lines.push(rest.into_iter().collect());
    lines
}
