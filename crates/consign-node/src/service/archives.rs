//! Long-term archives, made and renewed when somebody asks.

use std::sync::Arc;

use consign_domain::{EnvelopeKey, ErrorCode};
use consign_proto::{status_from_code, v1};
use tokio::sync::mpsc;
use tonic::Status;

use super::{index_status, select};
use crate::archiving::{self, ArchiveFault, Archived, Renew, Wish};
use crate::config::StampSource;
use crate::folder::Folder;
use crate::index::{ArchiveRow, DocumentRow};
use crate::office::{Desk, Office, blocking};

type Views = mpsc::Sender<Result<v1::ArchiveView, Status>>;

/// The documents that are meant.
pub(super) async fn choose(
    office: &Arc<Office>,
    request: &v1::RenewArchivesRequest,
) -> Result<Vec<ArchiveRow>, Status> {
    if office.config.time_stamps.source == StampSource::None {
        let text = "this node asks nobody for time-stamps, so nothing can be archived; set \
                    time_stamp.source in node.toml and restart it";
        return Err(status_from_code(ErrorCode::Usage, text));
    }
    let one = !request.id.is_empty();
    let desks = if request.agency.is_empty() && !one {
        office.desks().to_vec()
    } else {
        vec![Arc::clone(select::desk(office, &request.agency)?)]
    };
    let (office, request, now) = (Arc::clone(office), request.clone(), office.now());
    let chosen = blocking(move || {
        let mut rows = Vec::new();
        for desk in desks {
            let agency = desk.id();
            if one {
                let found = office.index.find(agency, &request.id)?;
                let (sender, id) = match found {
                    DocumentRow::Sent(row) => (agency, row.envelope_id),
                    DocumentRow::Received(row) => (row.sender, row.envelope_id),
                };
                let key = EnvelopeKey { sender, id };
                rows.push(ArchiveRow { agency, key });
            } else {
                let due = (!request.all).then_some(now);
                rows.extend(office.index.archives(agency, due, request.now)?);
            }
        }
        Ok(rows)
    });
    chosen.await.map_err(index_status)
}

/// Archives and renews one after the other, at the pace of the node's settings.
pub(super) async fn renew(
    office: &Arc<Office>,
    request: &v1::RenewArchivesRequest,
    rows: Vec<ArchiveRow>,
    views: &Views,
) {
    let total = rows.len() as u64;
    let wish = Wish {
        renew: if request.all {
            Renew::All
        } else if request.id.is_empty() {
            Renew::WhenDue
        } else {
            Renew::Now
        },
        await_lists: !request.now,
    };
    for (row, done) in rows.into_iter().zip(1..) {
        let Some(desk) = office.desk(row.agency) else {
            continue;
        };
        let folder = Folder::new(desk.agency.home().archive_entry(row.key));
        let mut view = v1::ArchiveView {
            agency: select::code(office, desk),
            envelope_id: row.key.id.to_string(),
            directory: folder.path().display().to_string(),
            done,
            total,
            ..v1::ArchiveView::default()
        };
        let is_asked = if request.dry_run {
            foretell(office, desk, row, wish, &mut view).await;
            false
        } else {
            carry_out(office, desk, row, wish, &mut view).await
        };
        if views.send(Ok(view)).await.is_err() {
            return;
        }
        if is_asked && done < total {
            tokio::time::sleep(office.config.archive.pause).await;
        }
    }
}

/// Whether a time-stamp was asked for.
async fn carry_out(
    office: &Arc<Office>,
    desk: &Arc<Desk>,
    row: ArchiveRow,
    wish: Wish,
    view: &mut v1::ArchiveView,
) -> bool {
    match archiving::archive(office, desk, row, wish).await {
        Ok(done) => {
            say(done.archived, view);
            view.reason = done.lacks();
            !view.until.is_empty()
        }
        Err(fault) => {
            fail(&fault, view);
            matches!(fault, ArchiveFault::Stamp(_))
        }
    }
}

/// The same without doing it.
async fn foretell(
    office: &Arc<Office>,
    desk: &Arc<Desk>,
    row: ArchiveRow,
    wish: Wish,
    view: &mut v1::ArchiveView,
) {
    match archiving::would(office, desk, row, wish).await {
        Ok(Ok(true)) => "would-renew".clone_into(&mut view.outcome),
        Ok(Ok(false)) => "would-archive".clone_into(&mut view.outcome),
        Ok(Err(archived)) => say(archived, view),
        Err(fault) => fail(&fault, view),
    }
}

fn say(archived: Archived, view: &mut v1::ArchiveView) {
    let outcome = match archived {
        Archived::Made { .. } => "archived",
        Archived::Renewed { .. } => "renewed",
        Archived::NotDue => "not-due",
        Archived::NoLonger => "no-longer",
        Archived::NotYet => "not-yet",
        Archived::AwaitsLists => "awaits-lists",
        Archived::Nothing => "nothing",
    };
    outcome.clone_into(&mut view.outcome);
    if let Archived::Made { until } | Archived::Renewed { until } = archived {
        view.until = until.to_string();
    }
}

fn fail(fault: &ArchiveFault, view: &mut v1::ArchiveView) {
    "failed".clone_into(&mut view.outcome);
    view.reason = fault.words();
}
