//! How an entry follows from the one before and a request.
//!
//! What was said before stays: a code, name, certificate or key that is replaced gets an
//! end, and the new one stands beside it, so that old evidence can be checked for ever.
//! What begins with the entry begins [`BACKDATE_SECONDS`] early, for clocks that lag. Keys that
//! are renewed overlap: who has the new directory goes on to the new key, and what others still
//! sign with the old one counts.

use consign_domain::directory::{
    AgencyEntry, CodeEntry, EncryptionKeyEntry, EntryState, HubEntry, KeyState, NameEntry,
    NodeEntry, SealEntry, StatementKeyEntry, TlsEntry, Validity,
};
use consign_domain::enrolment::{AgencyRequest, HubRequest, NodeRequest};
use consign_domain::limits::MAX_SKEW_SECONDS;
use consign_domain::text::Line;
use consign_domain::{AgencyId, HubId, NodeId, Timestamp};

use crate::register::CertificateRecord;
use crate::settings::DAY;

/// How far before the moment of enrolment things begin to count.
pub(crate) const BACKDATE_SECONDS: u64 = MAX_SKEW_SECONDS;

/// A certificate to list, and whether it renews the one before: same key, same subject.
#[derive(Debug, Clone)]
pub(crate) struct Listed {
    pub(crate) certificate: CertificateRecord,
    pub(crate) renewal: bool,
}

/// Where an agency belongs.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Place {
    pub(crate) parent: Option<AgencyId>,
    pub(crate) node: NodeId,
    pub(crate) hub: HubId,
}

/// When what a request brings begins, and when what it replaces ends.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Moment {
    pub(crate) now: Timestamp,
    /// How long what is replaced still counts.
    pub(crate) overlap_seconds: u64,
}

impl Moment {
    fn end_of_replaced(self) -> Timestamp {
        self.now.plus_seconds(self.overlap_seconds)
    }
}

/// From when on what a request brings counts, without an end.
pub(crate) fn validity(is_new: bool, now: Timestamp) -> Validity {
    let from = if is_new {
        now.minus_seconds(BACKDATE_SECONDS)
    } else {
        now
    };
    Validity { from, until: None }
}

/// When a key counts that a request brings.
pub(crate) fn key_validity(is_new: bool, now: Timestamp, days: u64) -> Validity {
    let until = now.plus_seconds(days.saturating_mul(DAY));
    Validity {
        until: Some(until),
        ..validity(is_new, now)
    }
}

pub(crate) fn node(
    before: Option<&NodeEntry>,
    request: &NodeRequest,
    tls: &Listed,
    moment: Moment,
) -> NodeEntry {
    let mut entry = NodeEntry {
        id: request.id,
        name: request.name.clone(),
        tls: before.map(|node| node.tls.clone()).unwrap_or_default(),
        state: before.map_or(EntryState::Active, |node| node.state),
    };
    list_certificate(&mut entry.tls, tls, moment);
    entry
}

pub(crate) fn hub(
    before: Option<&HubEntry>,
    request: &HubRequest,
    tls: &Listed,
    statement: StatementKeyEntry,
    moment: Moment,
) -> HubEntry {
    let mut entry = HubEntry {
        id: request.id,
        code: request.code.clone(),
        address: request.address.clone(),
        tls: before.map(|hub| hub.tls.clone()).unwrap_or_default(),
        statement_keys: before
            .map(|hub| hub.statement_keys.clone())
            .unwrap_or_default(),
        state: before.map_or(EntryState::Active, |hub| hub.state),
    };
    list_certificate(&mut entry.tls, tls, moment);
    list_statement_key(&mut entry.statement_keys, statement, moment);
    entry
}

/// `old` is the older form of the code that is asked for, if it is a new one.
pub(crate) fn agency(
    before: Option<&AgencyEntry>,
    request: &AgencyRequest,
    place: Place,
    old: Option<Line<35>>,
    seal: &Listed,
    keys: (StatementKeyEntry, EncryptionKeyEntry),
    moment: Moment,
) -> AgencyEntry {
    let now = moment.now;
    let mut entry = before.cloned().unwrap_or_else(|| AgencyEntry {
        id: request.id,
        codes: Vec::new(),
        names: Vec::new(),
        parent: place.parent,
        node: place.node,
        hub: place.hub,
        statement_keys: Vec::new(),
        encryption_keys: Vec::new(),
        seals: Vec::new(),
        state: EntryState::Active,
        successor: None,
    });
    entry.parent = place.parent;
    entry.node = place.node;
    entry.hub = place.hub;
    let validity = validity(before.is_none(), now);
    if entry.code_at(now) != Some(&request.code) {
        end_all(entry.codes.iter_mut().map(|one| &mut one.validity), now);
        entry.codes.push(CodeEntry {
            code: request.code.clone(),
            old,
            validity,
        });
    }
    if entry.name_at(now) != Some(request.name.as_str()) {
        end_all(entry.names.iter_mut().map(|one| &mut one.validity), now);
        entry.names.push(NameEntry {
            name: request.name.clone(),
            validity,
        });
    }
    list_seal(&mut entry.seals, seal, now);
    list_statement_key(&mut entry.statement_keys, keys.0, moment);
    list_encryption_key(&mut entry.encryption_keys, keys.1, now);
    entry
}

/// A seal that is replaced is retired: what it has sealed stays good.
fn list_seal(list: &mut Vec<SealEntry>, listed: &Listed, now: Timestamp) {
    let certificate = &listed.certificate;
    if list.iter().any(|one| one.certificate == certificate.sha256) {
        return;
    }
    if !listed.renewal {
        for one in list.iter_mut().filter(|one| one.state == KeyState::Active) {
            one.state = KeyState::Retired;
            end(&mut one.validity, now);
        }
    }
    list.push(SealEntry {
        certificate: certificate.sha256,
        validity: certificate_span(list.is_empty(), listed, now),
        state: KeyState::Active,
    });
}

/// A first certificate, and a renewal for the same key, count from their own beginning.
fn certificate_span(first: bool, listed: &Listed, now: Timestamp) -> Validity {
    let certificate = &listed.certificate;
    let from = if first || listed.renewal {
        certificate.from
    } else {
        now
    };
    Validity {
        from,
        until: Some(certificate.until),
    }
}

pub(crate) fn list_certificate(list: &mut Vec<TlsEntry>, listed: &Listed, moment: Moment) {
    let certificate = &listed.certificate;
    if list.iter().any(|one| one.certificate == certificate.sha256) {
        return;
    }
    let begins_early = list.is_empty() || moment.overlap_seconds > 0;
    let validity = certificate_span(begins_early, listed, moment.now);
    if !listed.renewal {
        let ended = moment.end_of_replaced();
        end_all(list.iter_mut().map(|one| &mut one.validity), ended);
    }
    list.push(TlsEntry {
        certificate: certificate.sha256,
        validity,
    });
}

/// A statement key that is replaced is retired, at once or, where keys overlap, the next time
/// after it has ended.
fn list_statement_key(list: &mut Vec<StatementKeyEntry>, key: StatementKeyEntry, moment: Moment) {
    let is_current =
        |one: &&mut StatementKeyEntry| one.id == key.id && one.state == KeyState::Active;
    if let Some(current) = list.iter_mut().find(is_current) {
        prolong(&mut current.validity, key.validity, moment.now);
        return;
    }
    for one in list.iter_mut().filter(|one| one.state == KeyState::Active) {
        end(&mut one.validity, moment.end_of_replaced());
        if !one.validity.contains(moment.now) {
            one.state = KeyState::Retired;
        }
    }
    list.push(key);
}

/// An encryption key that is replaced is retired at once: its holder keeps it, and opens what
/// was encrypted to it whenever it comes.
fn list_encryption_key(
    list: &mut Vec<EncryptionKeyEntry>,
    key: EncryptionKeyEntry,
    now: Timestamp,
) {
    let is_current =
        |one: &&mut EncryptionKeyEntry| one.id == key.id && one.state == KeyState::Active;
    if let Some(current) = list.iter_mut().find(is_current) {
        prolong(&mut current.validity, key.validity, now);
        return;
    }
    for one in list.iter_mut().filter(|one| one.state == KeyState::Active) {
        one.state = KeyState::Retired;
        end(&mut one.validity, now);
    }
    list.push(key);
}

/// Another life for a key that is asked for again when a third of such a life or less is left,
/// as certificates have it. A key that was prolonged before is old from its first day on: its
/// whole life says nothing.
fn prolong(current: &mut Validity, asked: Validity, now: Timestamp) {
    let (Some(until), Some(next)) = (current.until, asked.until) else {
        return;
    };
    let third = next.distance(now) / 3;
    if current.contains(now) && now >= until.minus_seconds(third) {
        current.until = asked.until;
    }
}

pub(crate) fn end_all<'a>(validities: impl Iterator<Item = &'a mut Validity>, now: Timestamp) {
    validities.for_each(|validity| end(validity, now));
}

/// Ends a span that is open beyond a moment; one that has ended keeps its end.
fn end(validity: &mut Validity, at: Timestamp) {
    if validity.until.is_none_or(|until| until > at) {
        validity.until = Some(at);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_is_prolonged_once_in_two_thirds_of_a_life_however_old_it_is() {
        let day = |day: u64| Timestamp::from_unix(1_800_000_000 + day * DAY).unwrap();
        let life = |from| Validity {
            from: day(from),
            until: Some(day(from + 365)),
        };
        let mut key = life(0);
        let mut prolonged = Vec::new();
        for today in 0..3_650 {
            let before = key.until;
            prolong(&mut key, life(today), day(today));
            if key.until != before {
                prolonged.push(today);
            }
        }
        let apart = prolonged.windows(2).map(|two| two[1] - two[0]);
        assert_eq!(prolonged.first(), Some(&244));
        assert!(apart.clone().all(|days| days == 244), "{prolonged:?}");
    }
}
