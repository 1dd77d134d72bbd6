//! `consign export`.
//!
//! What is written appears whole or not at all; what is there is not overwritten unasked.

pub(crate) mod keys;
mod time_stamp;

use std::fs::File;
use std::io::Write as _;
use std::path::{Path, PathBuf};

use clap::Args;
use consign_domain::ErrorCode;
use consign_proto::v1::{
    DocumentRequest, ExportFile, ExportPart, ExportRequest, export_part::Part,
};
use serde::Serialize;

use super::show::DocumentChoice;
use super::{Outcome, absolute, connect, quoted};
use crate::failure::{Failure, exit};
use crate::output::Output;

/// The container's name among the files of a document.
const CONTAINER: &str = "container.asice";
/// The name of its long-term archive.
const ARCHIVE: &str = "archive.asice";
/// Everyone may read what is made here.
const MODE: u32 = 0o644;

/// Write a document's container, or all that is kept about it, to files.
#[derive(Debug, Args)]
#[command(after_help = "Examples:
  consign export 0198f2c4-7d1e-7 -o letter.asice --node DIR
  consign export 0198f2c4-7d1e-7 --time-stamp -o letter.asice --node DIR
  consign export 0198f2c4-7d1e-7 --archive -o letter.archive.asice --node DIR
  consign export 0198f2c4-7d1e-7 --all -o letter/ --node DIR

With --time-stamp the token and the seal's value that it is over lie beside the container:
  openssl ts -verify -data letter.asice.signature -in letter.asice.tst -token_in -CAfile trust.pem

With --all each statement has its signature and its signer's key, from the signed directory, beside it:
  openssl pkeyutl -verify -pubin -inkey letter/acceptance.pem -rawin -in letter/acceptance.json \\
      -sigfile letter/acceptance.sig")]
pub(crate) struct Export {
    #[command(flatten)]
    document: DocumentChoice,
    /// Where to: a file for the container, a new directory with --all
    #[arg(short, long, value_name = "PATH")]
    output: PathBuf,
    /// Also the envelope, the evidence, the wrap, and the public keys of those who signed
    #[arg(long)]
    all: bool,
    /// Also the time-stamp of the seal, from the container or as it came afterwards, to PATH.tst,
    /// and the seal's value to PATH.signature
    #[arg(long, conflicts_with = "all")]
    time_stamp: bool,
    /// The long-term archive instead: the container with evidence, certificates, revocation lists
    /// and time-stamps around it
    #[arg(long, conflicts_with_all = ["all", "time_stamp"])]
    archive: bool,
    /// Overwrite what is there
    #[arg(long)]
    force: bool,
}

#[derive(Serialize)]
struct Answer {
    files: Vec<Written>,
}

#[derive(Serialize)]
struct Written {
    name: String,
    path: PathBuf,
    size: u64,
}

/// Asks the node for the files and writes them.
pub(crate) async fn run(export: Export, output: Output) -> Outcome {
    let target = absolute(&export.output);
    if !export.force && target.exists() {
        let message = format!("{} exists", target.display());
        return Err(Failure::usage(
            message,
            "choose another name, or add --force",
        ));
    }
    let parent = target.parent().filter(|parent| !parent.is_dir());
    if let Some(parent) = parent.filter(|_| !export.all) {
        let message = format!("{} is no directory", parent.display());
        return Err(Failure::usage(message, "make it, or choose another place"));
    }
    if export.all {
        std::fs::create_dir_all(&target).map_err(|error| Failure::io("create", &target, &error))?;
    }
    let mut node = connect(&export.document.node)?;
    let mut parts = node.export(request(&export)).await?.into_inner();
    let mut written = Vec::new();
    let mut open: Option<Writing> = None;
    while let Some(ExportPart { part }) = parts.message().await? {
        match part {
            Some(Part::File(file)) => {
                written.extend(finish(open.take())?);
                open = place(&export, &target, &file)
                    .map(|path| Writing::begin(file, path, output))
                    .transpose()?;
            }
            Some(Part::Chunk(chunk)) => {
                if let Some(writing) = &mut open {
                    writing.append(&chunk)?;
                }
            }
            None => {}
        }
    }
    written.extend(finish(open.take())?);
    let has_container = written.iter().any(|file| file.name == CONTAINER);
    if export.all {
        keys::complete(&export, &mut written)?;
    }
    if export.time_stamp && has_container {
        time_stamp::complete(&export, &target, &mut written)?;
    }
    if export.archive && written.is_empty() {
        let id = &export.document.id;
        let message = "there is no long-term archive of this document yet";
        return Err(Failure::new(ErrorCode::NotFound, message).fix(format!(
            "make it now: consign node archive renew {id}, or see why it waits: consign status"
        )));
    }
    if !has_container && !export.all && !export.archive {
        return Err(
            Failure::new(ErrorCode::NotFound, "the container is not here yet").fix(format!(
                "see why it waits: consign show {}",
                export.document.id
            )),
        );
    }
    for file in &written {
        output.line(format_args!("{}  {} bytes", quoted(&file.path), file.size));
    }
    output.object(true, &Answer { files: written });
    Ok(exit::DONE)
}

/// Only what is wanted travels.
fn request(export: &Export) -> ExportRequest {
    let names: &[&str] = match export {
        Export { all: true, .. } => &[],
        Export { archive: true, .. } => &[ARCHIVE],
        Export {
            time_stamp: true, ..
        } => &[CONTAINER, time_stamp::TOKEN],
        _ => &[CONTAINER],
    };
    let DocumentRequest { agency, id } = export.document.request();
    ExportRequest {
        agency,
        id,
        names: names.iter().map(|name| (*name).to_owned()).collect(),
    }
}

/// Where a file goes, if it is wanted. Names come from the node and stay below the target.
fn place(export: &Export, target: &Path, file: &ExportFile) -> Option<PathBuf> {
    if !export.all {
        return match file.name.as_str() {
            CONTAINER | ARCHIVE => Some(target.to_owned()),
            time_stamp::TOKEN if export.time_stamp => Some(time_stamp::token_path(target)),
            _ => None,
        };
    }
    let safe = |part: &str| !part.is_empty() && part != "." && part != ".." && !part.contains('\\');
    file.name
        .split('/')
        .all(safe)
        .then(|| target.join(&file.name))
}

/// A file on its way.
struct Writing {
    name: String,
    size: u64,
    path: PathBuf,
    temporary: PathBuf,
    file: File,
    written: u64,
    bar: indicatif::ProgressBar,
}

impl Writing {
    fn begin(expected: ExportFile, path: PathBuf, output: Output) -> Result<Self, Failure> {
        if let Some(parent) = path.parent() {
            std::fs::create_dir_all(parent)
                .map_err(|error| Failure::io("create", parent, &error))?;
        }
        let mut name = path.file_name().unwrap_or_default().to_owned();
        name.push(".part");
        let temporary = path.with_file_name(name);
        let file =
            File::create(&temporary).map_err(|error| Failure::io("create", &temporary, &error))?;
        Ok(Self {
            bar: output.bytes_bar(expected.size, "writing"),
            name: expected.name,
            size: expected.size,
            path,
            temporary,
            file,
            written: 0,
        })
    }

    fn append(&mut self, chunk: &[u8]) -> Result<(), Failure> {
        self.file
            .write_all(chunk)
            .map_err(|error| Failure::io("write", &self.temporary, &error))?;
        self.written += chunk.len() as u64;
        self.bar.set_position(self.written);
        Ok(())
    }
}

fn finish(writing: Option<Writing>) -> Result<Option<Written>, Failure> {
    let Some(writing) = writing else {
        return Ok(None);
    };
    writing.bar.finish_and_clear();
    if writing.written != writing.size {
        let _ = std::fs::remove_file(&writing.temporary);
        let message = format!("{} ended after {} bytes", writing.name, writing.written);
        return Err(Failure::new(ErrorCode::Unreachable, message).fix("run it again"));
    }
    writing
        .file
        .sync_all()
        .and_then(|()| std::fs::rename(&writing.temporary, &writing.path))
        .map_err(|error| Failure::io("write", &writing.path, &error))?;
    Ok(Some(Written {
        name: writing.name,
        path: writing.path,
        size: writing.size,
    }))
}
