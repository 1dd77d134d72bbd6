//! What can be wrong with a configuration, in words for the person who wrote it.

use std::fmt;
use std::io;
use std::path::{Path, PathBuf};

/// Everything that is wrong with one file; one line each.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ConfigFaults {
    path: PathBuf,
    faults: Vec<ConfigFault>,
}

/// One thing that is wrong.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct ConfigFault {
    /// The key with its sections, such as `limits.handshakes`; none for the file as a whole.
    pub key: Option<String>,
    /// The line, from 1, where one can be named.
    pub line: Option<usize>,
    /// What is wrong.
    pub cause: FaultCause,
}

/// What is wrong, with what it takes to put it right.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum FaultCause {
    /// There is no such file.
    NotFound,
    /// The system refused.
    Unreadable {
        /// What it said.
        kind: io::ErrorKind,
    },
    /// A directory or device.
    NotAFile,
    /// No configuration is that large.
    TooLarge {
        /// The bound in bytes.
        max: usize,
    },
    /// Not text.
    NotUtf8,
    /// Not TOML.
    Syntax {
        /// What the parser says.
        message: String,
    },
    /// A required key is not there.
    Missing {
        /// What belongs there.
        expected: String,
    },
    /// No such key.
    Unknown {
        /// A known key that looks like it.
        nearest: Option<String>,
        /// All known keys of its section.
        known: Vec<&'static str>,
    },
    /// A value of another type.
    WrongType {
        /// What belongs there.
        expected: String,
        /// What is there.
        found: &'static str,
    },
    /// The type is right, the value is not.
    BadValue {
        /// What belongs there.
        expected: String,
        /// What is there, shortened.
        found: String,
    },
    /// Nothing was said to be wrong, and yet something is missing.
    Incomplete,
}

impl ConfigFaults {
    pub(super) fn new(path: &Path, mut faults: Vec<ConfigFault>) -> Self {
        // In the order of the file; what is not in it comes last.
        faults.sort_by_key(|fault| fault.line.unwrap_or(usize::MAX));
        Self {
            path: path.to_owned(),
            faults,
        }
    }

    /// The file.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// The faults in the order of the file.
    #[must_use]
    pub fn faults(&self) -> &[ConfigFault] {
        &self.faults
    }
}

impl std::error::Error for ConfigFaults {}

impl fmt::Display for ConfigFaults {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, fault) in self.faults.iter().enumerate() {
            if index > 0 {
                formatter.write_str("\n")?;
            }
            write!(formatter, "{}", self.path.display())?;
            if let Some(line) = fault.line {
                write!(formatter, ":{line}")?;
            }
            write!(formatter, ": {fault}")?;
        }
        Ok(())
    }
}

impl ConfigFault {
    pub(super) fn of_file(cause: FaultCause) -> Self {
        Self {
            key: None,
            line: None,
            cause,
        }
    }

    pub(super) fn syntax(text: &str, error: &toml::de::Error) -> Self {
        let line = error.span().map(|span| line_of(text, span.start));
        let message = error.message().replace('\n', "; ");
        Self {
            key: None,
            line,
            cause: FaultCause::Syntax { message },
        }
    }
}

impl fmt::Display for ConfigFault {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(key) = &self.key {
            write!(formatter, "{key}: ")?;
        }
        write!(formatter, "{}", self.cause)
    }
}

impl fmt::Display for FaultCause {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NotFound => write!(formatter, "there is no such file; check the path"),
            Self::Unreadable { kind } => write!(formatter, "cannot be read: {kind}"),
            Self::NotAFile => write!(formatter, "is not a file; name the file itself"),
            Self::TooLarge { max } => write!(formatter, "is larger than {max} bytes"),
            Self::NotUtf8 => write!(formatter, "is not UTF-8 text; save it as UTF-8"),
            Self::Syntax { message } => write!(formatter, "not TOML: {message}"),
            Self::Missing { expected } => write!(formatter, "is missing; add {expected}"),
            Self::Unknown {
                nearest: Some(nearest),
                ..
            } => {
                write!(formatter, "unknown key; did you mean {nearest}?")
            }
            Self::Unknown {
                nearest: None,
                known,
            } if known.is_empty() => {
                write!(formatter, "unknown key; remove it")
            }
            Self::Unknown {
                nearest: None,
                known,
            } => {
                write!(
                    formatter,
                    "unknown key; remove it, known here are: {}",
                    known.join(", ")
                )
            }
            Self::WrongType { expected, found } => {
                write!(formatter, "is {found}; write {expected}")
            }
            Self::BadValue { expected, found } => {
                write!(formatter, "{found} does not fit; write {expected}")
            }
            Self::Incomplete => write!(formatter, "the configuration is incomplete"),
        }
    }
}

/// The line, from 1, of a byte offset.
pub(super) fn line_of(text: &str, offset: usize) -> usize {
    let before = text.as_bytes().get(..offset).unwrap_or(text.as_bytes());
    1 + before.iter().filter(|&&byte| byte == b'\n').count()
}
