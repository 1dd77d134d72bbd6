//! The files of a document, one after the other, in pieces.

use std::fs::File;
use std::io::{self, Read as _};
use std::sync::Arc;

use consign_domain::ErrorCode;
use consign_proto::status_from_code;
use consign_proto::v1::{self, export_part::Part};
use tokio::sync::mpsc;
use tonic::Status;

use super::select;
use crate::folder::ExportFile;
use crate::index::DocumentRow;
use crate::office::Desk;

/// Bytes in one message.
const PIECE: usize = 256 * 1024;

type Parts = mpsc::Sender<Result<v1::ExportPart, Status>>;

/// What is exported, and whose it is.
#[derive(Debug)]
pub(super) struct Export {
    pub(super) desk: Arc<Desk>,
    pub(super) row: DocumentRow,
    pub(super) files: Vec<ExportFile>,
}

/// Sends all files. Blocks; ends early when nobody listens any more.
pub(super) fn export(export: &Export, parts: &Parts) {
    for file in &export.files {
        match export.open(file).and_then(|bytes| send(file, bytes, parts)) {
            Ok(true) => {}
            Ok(false) => return,
            Err(fault) => {
                let text = format!("{} cannot be read: {fault}", file.path.display());
                let status = status_from_code(ErrorCode::StorageFailed, text);
                // Whoever has gone does not need it.
                let _ = parts.blocking_send(Err(status));
                return;
            }
        }
    }
}

impl Export {
    /// Opens a file, where it lies now if it was archived since it was listed.
    fn open(&self, file: &ExportFile) -> io::Result<File> {
        match File::open(&file.path) {
            Err(fault) if fault.kind() == io::ErrorKind::NotFound => {
                let folder = select::folder(&self.desk, &self.row);
                let folder = folder.map_err(|_| fault)?;
                File::open(folder.path().join(&file.name))
            }
            opened => opened,
        }
    }
}

/// Sends one file; says whether anybody still listens.
fn send(file: &ExportFile, mut bytes: File, parts: &Parts) -> io::Result<bool> {
    let say = |part| {
        let part = v1::ExportPart { part: Some(part) };
        parts.blocking_send(Ok(part)).is_ok()
    };
    let head = v1::ExportFile {
        name: file.name.clone(),
        size: file.size,
    };
    let mut listening = say(Part::File(head));
    while listening {
        let mut piece = Vec::with_capacity(PIECE);
        (&mut bytes).take(PIECE as u64).read_to_end(&mut piece)?;
        if piece.is_empty() {
            break;
        }
        listening = say(Part::Chunk(piece.into()));
    }
    Ok(listening)
}
