//! What is done by itself: the directory and the revocation lists are signed anew when half of
//! their life is over, the service's certificate when a third is left.

use std::sync::Arc;
use std::time::Duration;

use consign_domain::Timestamp;
use consign_runtime::blocking;
use consign_runtime::shutdown::Shutdown;
use tracing::{error, warn};

use super::Place;
use super::work::Desk;
use crate::inspection::{End, Inspection};

/// How often it is looked after; a head lives for days.
const PULSE: Duration = Duration::from_secs(600);
/// How often the directory is looked at for what the operator published beside the service.
const LOOK: Duration = Duration::from_secs(1);
/// How often it is looked whether something runs out.
const DAILY: Duration = Duration::from_secs(86_400);
/// Seconds of life left of an authority's certificate or list at which operators are warned.
const WARN_SECONDS: u64 = 90 * 86_400;

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

/// Warns, long before a certificate of the authority or its root's list runs out.
async fn warn_of_ends(place: &Arc<Place>) {
    let (dir, now) = (place.dir.clone(), place.now());
    let inspection = match blocking(move || crate::inspect(&dir, now)).await {
        Ok(inspection) => inspection,
        Err(fault) => return error!(%fault, "the authority cannot be looked at"),
    };
    for Due { what, ends, fix } in due(&inspection, now) {
        let Some(ends) = ends else {
            warn!(what, fix, "what the authority stands on cannot be read");
            continue;
        };
        let days = ends.days_left;
        warn!(what, ends = %ends.at, days, fix, "what the authority stands on runs out");
    }
}

/// What runs out soon, and what to do about it.
#[derive(Debug, PartialEq, Eq)]
struct Due {
    what: &'static str,
    /// Not known of what cannot be read.
    ends: Option<End>,
    fix: &'static str,
}

fn due(inspection: &Inspection, now: Timestamp) -> Vec<Due> {
    let list = "bring the root key back, keys/root.key or its token, and run: \
                consign authority publish --force";
    let known = [
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
        let ends = Some(ends.filter(|ends| ends.at < soon)?);
        Some(Due { what, ends, fix })
    });
    let unreadable = inspection.root_list_fault.as_ref().map(|_| Due {
        what: "root revocation list",
        ends: None,
        fix: list,
    });
    known.chain(unreadable).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

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
        // One that cannot be read hides nothing else.
        std::fs::write(dir.join("trust/crl/root.crl"), "no list").unwrap();
        assert_eq!(told(0), ["root revocation list"]);
        assert_eq!(told(3650 - 89), issuing);
    }
}
