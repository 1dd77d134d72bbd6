//! Making a backup, also while the hub runs.

use std::collections::BTreeMap;
use std::path::Path;

use consign_domain::Timestamp;
use consign_runtime::backup::{Format, Header, Progress, Source, Tally, Writer};
use consign_store::Position;
use consign_store::backup::{self as journal, SegmentFile};

use super::{BackupFault, DATA, Place};

/// How often copying begins anew because the hub let go of something meanwhile.
const ATTEMPTS: u32 = 5;

/// A backup that was made.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Created {
    /// What was copied and kept.
    pub tally: Tally,
    /// Where the journal in it ends.
    pub end: Position,
    /// When the last envelope in it was accepted.
    pub accepted_until: Option<Timestamp>,
}

/// Makes a backup of the hub in `home`, or brings the one in `to` up to date. `now` is what
/// it is said to be of; with `with_keys` whoever has it can speak for the hub.
///
/// # Errors
/// [`BackupFault`]; the backup before it then still holds.
pub fn create(
    home: &Path,
    to: &Path,
    with_keys: bool,
    now: Timestamp,
    progress: Progress<'_>,
) -> Result<Created, BackupFault> {
    let place = Place::open(home)?;
    let mut writer = Writer::begin(to, &place.subject, &place.roots())?;
    let segments = copy_journal(&place, &mut writer, progress)?;
    writer.copy(&place.small_files(with_keys)?, progress)?;
    let copies = segments.iter().filter_map(|file| {
        let copy = writer.copy_of(&format!("{DATA}/{}", file.name))?;
        Some((file.number, copy))
    });
    let copies: Vec<_> = copies.collect();
    let (end, accepted_until) = match copies.last() {
        Some((newest, copy)) => (
            journal::end_of(*newest, copy)?,
            journal::accepted_until(&copies)?,
        ),
        None => (Position::default(), None),
    };
    let header = Header {
        format: Format::V1,
        subject: place.subject,
        network: place.network,
        created: now.as_unix(),
        software: env!("CARGO_PKG_VERSION").to_owned(),
        keys: with_keys,
        facts: facts(end, accepted_until),
    };
    let tally = writer.finish(&header)?;
    Ok(Created {
        tally,
        end,
        accepted_until,
    })
}

fn facts(end: Position, accepted_until: Option<Timestamp>) -> BTreeMap<String, String> {
    let mut facts = BTreeMap::from([
        ("journal_batch".to_owned(), end.batch.to_string()),
        ("journal_segment".to_owned(), end.segment.to_string()),
        ("journal_offset".to_owned(), end.offset.to_string()),
    ]);
    if let Some(until) = accepted_until {
        facts.insert("accepted_until".to_owned(), until.to_string());
    }
    facts
}

/// Copies payloads and segments so that every payload that they name is there.
fn copy_journal(
    place: &Place,
    writer: &mut Writer,
    progress: Progress<'_>,
) -> Result<Vec<SegmentFile>, BackupFault> {
    let data = &place.config.data;
    for _ in 0..ATTEMPTS {
        // A payload that goes while we copy was let go of, and the journal says so.
        writer.copy(&payloads(data)?, progress)?;
        let segments = journal::segments(data)?;
        let sources: Vec<Source> = segments.iter().map(source).collect();
        let mut gone = writer.copy(&sources, progress)?;
        if gone.is_empty() {
            gone = writer.copy(&payloads(data)?, progress)?;
        }
        if gone.is_empty() {
            return Ok(segments);
        }
        writer.leave_out(DATA);
    }
    let attempts = ATTEMPTS;
    Err(BackupFault::Moving { attempts })
}

fn source(file: &SegmentFile) -> Source {
    Source {
        path: format!("{DATA}/{}", file.name),
        from: file.path.clone(),
        first: file.counts,
    }
}

fn payloads(data: &Path) -> Result<Vec<Source>, BackupFault> {
    let files = journal::payloads(data)?.into_iter();
    let source = |file: journal::PayloadFile| Source {
        path: format!("{DATA}/{}", file.name),
        from: file.path,
        first: None,
    };
    Ok(files.map(source).collect())
}
