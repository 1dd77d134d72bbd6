//! What is done by itself: the directory and the revocation lists are signed anew when half of
//! their life is over, the service's certificate when a third is left.

use std::sync::Arc;
use std::time::Duration;

use consign_domain::directory::EntryState;
use consign_domain::{End, Timestamp};
use consign_runtime::blocking;
use consign_runtime::shutdown::Shutdown;
use tracing::{error, warn};

use super::Place;
use super::work::Desk;
use crate::inspection::Inspection;

/// How often it is looked after; a head lives for days.
const PULSE: Duration = Duration::from_secs(600);
/// How often the directory is looked at for what the operator published beside the service.
const LOOK: Duration = Duration::from_secs(1);
/// How often it is looked whether something runs out.
const DAILY: Duration = Duration::from_secs(86_400);
/// Seconds of life left of an authority's certificate or list, or of a seal, at which operators
/// are warned.
const WARN_SECONDS: u64 = 90 * 86_400;
/// How many agencies whose seals end are named.
const NAMED: usize = 5;

/// Looks after the authority until the service stops.
pub(super) async fn keep(place: Arc<Place>, desk: Desk, shutdown: Shutdown) {
    let mut pulse = tokio::time::interval(PULSE);
    let mut look = tokio::time::interval(LOOK);
    let mut daily = tokio::time::interval(DAILY);
    loop {
        tokio::select! {
            () = shutdown.wait() => return,
            _ = look.tick() => {
                let place = Arc::clone(&place);
                if let Err(fault) = blocking(move || place.refresh()).await {
                    warn!(%fault, "the published directory cannot be read");
                }
            }
            _ = pulse.tick() => {
                if let Ok(Err(fault)) = desk.publish().await {
                    error!(%fault, "the directory is not published; it runs out");
                }
            }
            _ = daily.tick() => warn_of_ends(&place).await,
        }
    }
}

/// Warns, long before a certificate of the authority, its root's list or agencies' seals run out.
async fn warn_of_ends(place: &Arc<Place>) {
    let (dir, now) = (place.dir.clone(), place.now());
    let inspection = match blocking(move || crate::inspect(&dir, now)).await {
        Ok(inspection) => inspection,
        Err(fault) => return error!(%fault, "the authority cannot be looked at"),
    };
    for Due { what, trouble, fix } in due(&inspection, now) {
        match trouble {
            Trouble::Ends(End { at, days_left }) => {
                warn!(what, ends = %at, days = days_left, fix, "what the authority stands on runs out");
            }
            Trouble::Unreadable => warn!(what, fix, "what the authority stands on cannot be read"),
            Trouble::Silent => error!(what, fix, "it does not say which certificates were revoked"),
        }
    }
    if let Some(SealsDue {
        count,
        first,
        codes,
    }) = seals_due(&inspection, now)
    {
        let days = first.days_left;
        let fix = match inspection.issuing_revoked {
            None => SEALS_FIX,
            Some(_) => "the issuing certificate was revoked: enrol them in a new network",
        };
        warn!(count, codes, first = %first.at, days, fix, "seals end, which do not renew themselves");
    }
}

/// What is to be looked after, and what to do about it.
#[derive(Debug, PartialEq, Eq)]
struct Due {
    what: &'static str,
    trouble: Trouble,
    fix: &'static str,
}

#[derive(Debug, PartialEq, Eq)]
enum Trouble {
    Ends(End),
    Unreadable,
    /// A list does not say what is to be said.
    Silent,
}

fn due(inspection: &Inspection, now: Timestamp) -> Vec<Due> {
    let list = "bring the root key back, keys/root.key or its token, and run: \
                consign authority publish --force";
    // Nothing renews it any more where the issuing certificate was revoked.
    let service = inspection.service.as_ref().and_then(|service| service.tls);
    let service = service.filter(|_| inspection.issuing_revoked.is_some());
    let known = [
        (
            "service's certificate",
            service,
            "hubs reach it no more then: run consign authority publish by a timer, and copy \
             trust/directory and trust/crl to the hubs",
        ),
        (
            "root certificate",
            Some(inspection.root),
            "found a new network in time",
        ),
        (
            "issuing certificate",
            Some(inspection.issuing),
            "found a new network in time",
        ),
        ("root revocation list", inspection.root_list, list),
    ];
    let soon = now.plus_seconds(WARN_SECONDS);
    let known = known.into_iter().filter_map(|(what, ends, fix)| {
        let trouble = Trouble::Ends(ends.filter(|ends| ends.at < soon)?);
        Some(Due { what, trouble, fix })
    });
    let of_list = match (&inspection.root_list_fault, inspection.root_list_complete) {
        (Some(_), _) => Some(Trouble::Unreadable),
        (None, false) => Some(Trouble::Silent),
        (None, true) => None,
    };
    let of_list = of_list.map(|trouble| Due {
        what: "root revocation list",
        trouble,
        fix: list,
    });
    known.chain(of_list).collect()
}

/// What agencies need whose seals end; their nodes are told the same.
const SEALS_FIX: &str = "for each: consign authority invite CODE, then at its node: consign node \
                         enrol, with the token; or by files: consign authority issue REQUEST \
                         --publish, then at its node: consign node install";

/// Agencies whose seals end soon.
#[derive(Debug, PartialEq, Eq)]
struct SealsDue {
    count: usize,
    /// The end of the first.
    first: End,
    /// The first codes.
    codes: String,
}

/// Which agencies' seals end soon or have ended. One that is closed or was revoked needs none, or
/// another key besides.
fn seals_due(inspection: &Inspection, now: Timestamp) -> Option<SealsDue> {
    let soon = now.plus_seconds(WARN_SECONDS);
    let agencies = inspection.agencies.iter();
    let agencies = agencies.filter(|one| one.state != EntryState::Closed && !one.revoked);
    let mut due: Vec<_> = agencies
        .filter_map(|one| Some((one.seal.filter(|seal| seal.at < soon)?, one.code.as_ref()?)))
        .collect();
    due.sort_by_key(|(seal, _)| seal.at);
    let (first, _) = *due.first()?;
    let mut codes: Vec<&str> = due
        .iter()
        .map(|(_, code)| code.as_str())
        .take(NAMED)
        .collect();
    if due.len() > NAMED {
        codes.push("…");
    }
    Some(SealsDue {
        count: due.len(),
        first,
        codes: codes.join(", "),
    })
}

#[cfg(test)]
mod tests {
    use consign_domain::{AgencyId, HubId, NodeId};

    use super::*;
    use crate::inspection::AgencySummary;

    #[test]
    fn what_runs_out_is_told_90_days_before() {
        let place = tempfile::tempdir().unwrap();
        let dir = place.path().join("authority");
        let now: Timestamp = "2026-11-23T02:30:00Z".parse().unwrap();
        crate::init(&dir, "Quảng Ninh", crate::Lives::default(), now).unwrap();
        crate::publish(&dir, crate::PublishOptions::default(), now).unwrap();
        let told = |days: u64| {
            let at = now.plus_seconds(days * 86_400);
            let due = due(&crate::inspect(&dir, at).unwrap(), at);
            due.into_iter().map(|due| due.what).collect::<Vec<_>>()
        };
        assert!(told(309).is_empty());
        assert_eq!(told(311), ["root revocation list"]);
        assert_eq!(told(401), ["root revocation list"], "also once it is over");
        let issuing = ["issuing certificate", "root revocation list"];
        assert_eq!(told(3650 - 89), issuing);
        // One that says less than the authority does is told of.
        let list = std::fs::read(dir.join("trust/crl/root.crl")).unwrap();
        let stolen = crate::RevokeOptions {
            reason: consign_pki::path::revocation::RevocationReason::KeyCompromise,
            at: None,
            invalid_from: None,
        };
        let mut authority = crate::Authority::open(&dir).unwrap();
        authority.revoke_issuing(stolen, now).unwrap();
        drop(authority);
        assert!(told(0).is_empty());
        std::fs::write(dir.join("trust/crl/root.crl"), list).unwrap();
        assert_eq!(told(0), ["root revocation list"]);
        // One that cannot be read hides nothing else.
        std::fs::write(dir.join("trust/crl/root.crl"), "no list").unwrap();
        assert_eq!(told(0), ["root revocation list"]);
        assert_eq!(told(3650 - 89), issuing);
    }

    #[test]
    fn seals_are_counted_90_days_before_they_end_and_the_first_are_named() {
        let place = tempfile::tempdir().unwrap();
        let dir = place.path().join("authority");
        let now: Timestamp = "2026-11-23T02:30:00Z".parse().unwrap();
        crate::init(&dir, "Quảng Ninh", crate::Lives::default(), now).unwrap();
        let mut inspection = crate::inspect(&dir, now).unwrap();
        assert_eq!(seals_due(&inspection, now), None);
        // The last of them first: they are named as they end.
        inspection.agencies = (1..=8).rev().map(|number| agency(number, now)).collect();
        inspection.agencies[0].state = EntryState::Closed;
        inspection.agencies[1].revoked = true;
        inspection.agencies.push(agency(91, now));
        let due = seals_due(&inspection, now).unwrap();
        assert_eq!((due.count, due.first.days_left), (6, 1));
        assert_eq!(due.codes, "H49.01, H49.02, H49.03, H49.04, H49.05, …");
        let later = now.plus_seconds(100 * 86_400);
        assert_eq!(
            seals_due(&inspection, later).unwrap().count,
            7,
            "also once they are over"
        );
        inspection.agencies = vec![agency(89, now)];
        assert_eq!(seals_due(&inspection, now).unwrap().codes, "H49.89");
    }

    /// An agency whose seal ends in so many days.
    fn agency(days: u8, now: Timestamp) -> AgencySummary {
        AgencySummary {
            id: AgencyId::from_bytes([days; 16]).unwrap(),
            code: Some(format!("H49.{days:02}").parse().unwrap()),
            name: None,
            parent: None,
            node: NodeId::from_bytes([1; 16]).unwrap(),
            hub: HubId::from_bytes([2; 16]).unwrap(),
            state: EntryState::Active,
            revoked: false,
            seal: Some(End::new(now.plus_seconds(u64::from(days) * 86_400), now)),
        }
    }
}
