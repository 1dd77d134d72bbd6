//! Which agency and which envelope a caller means.

use std::sync::Arc;

use consign_domain::{AgencyCode, EnvelopeKey, ErrorCode};
use consign_proto::status_from_code;
use tonic::Status;

use crate::error::NodeError;
use crate::folder::Folder;
use crate::index::DocumentRow;
use crate::office::{Desk, Office};

/// The agency of a code in either form; without one, the only agency there is.
pub(super) fn desk<'a>(office: &'a Office, agency: &str) -> Result<&'a Arc<Desk>, Status> {
    let desks = office.desks();
    let usage = |text: String| status_from_code(ErrorCode::Usage, text);
    if agency.is_empty() {
        return match desks {
            [only] => Ok(only),
            _ => Err(usage(format!(
                "this node serves several agencies; say which with --agency: {}",
                codes(office)
            ))),
        };
    }
    let wanted = AgencyCode::read(agency)
        .map_err(|fault| usage(format!("{agency:?} is not an agency code: {fault}")))?;
    let named = |desk: &&Arc<Desk>| {
        code(office, desk) == wanted.as_str() || *desk.agency.home().code() == wanted
    };
    desks.iter().find(named).ok_or_else(|| {
        let known = codes(office);
        status_from_code(
            ErrorCode::NotFound,
            format!("this node does not serve {wanted}; it serves: {known}"),
        )
    })
}

/// The code of an agency today.
pub(super) fn code(office: &Office, desk: &Desk) -> String {
    let directory = office.keeper.newest();
    desk.keys.load().code(&directory, office.now()).to_string()
}

fn codes(office: &Office) -> String {
    let codes: Vec<String> = office
        .desks()
        .iter()
        .map(|desk| code(office, desk))
        .collect();
    codes.join(", ")
}

/// Reads from the files of a document, again if they were archived meanwhile: what is read is
/// from one place.
pub(super) fn steady<T>(
    find: impl Fn() -> Result<Folder, NodeError>,
    read: impl Fn(&Folder) -> Result<T, NodeError>,
) -> Result<T, NodeError> {
    loop {
        let folder = find()?;
        let result = read(&folder);
        // A folder moves once in its life, from the outbox or inbox into the archive.
        if find()?.path() == folder.path() {
            return result;
        }
    }
}

/// Where the files of a document are.
pub(super) fn folder(desk: &Desk, row: &DocumentRow) -> Result<Folder, NodeError> {
    match row {
        DocumentRow::Sent(row) => desk.agency.outbox().folder(row.envelope_id),
        DocumentRow::Received(row) => {
            let (sender, id) = (row.sender, row.envelope_id);
            let home = desk.agency.home();
            let waiting = home.inbox_entry(row.sequence);
            let path = if waiting.is_dir() {
                waiting
            } else {
                home.archive_entry(EnvelopeKey { sender, id })
            };
            Ok(Folder::new(path))
        }
    }
}
