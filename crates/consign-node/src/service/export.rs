//! The files of a document, one after the other, in pieces.

use std::fs::File;
use std::io::Read as _;

use consign_domain::ErrorCode;
use consign_proto::status_from_code;
use consign_proto::v1::{self, export_part::Part};
use tokio::sync::mpsc;
use tonic::Status;

use crate::folder::ExportFile;

/// Bytes in one message.
const PIECE: usize = 256 * 1024;

type Parts = mpsc::Sender<Result<v1::ExportPart, Status>>;

/// Sends all files. Blocks; ends early when nobody listens any more.
pub(super) fn export(files: Vec<ExportFile>, parts: &Parts) {
    for file in files {
        match send(&file, parts) {
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

/// Sends one file; says whether anybody still listens.
fn send(file: &ExportFile, parts: &Parts) -> std::io::Result<bool> {
    let say = |part| {
        let part = v1::ExportPart { part: Some(part) };
        parts.blocking_send(Ok(part)).is_ok()
    };
    let mut bytes = File::open(&file.path)?;
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
