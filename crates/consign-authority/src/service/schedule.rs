//! What is done by itself: the directory and the revocation lists are signed anew when half of
//! their life is over, the service's certificate when a third is left.

use std::sync::Arc;
use std::time::Duration;

use consign_runtime::shutdown::Shutdown;
use tracing::{error, warn};

use super::work::{Desk, Order};
use super::{Place, blocking};

/// How often it is looked after; a head lives for days.
const PULSE: Duration = Duration::from_secs(600);
/// How often the directory is looked at for what the operator published beside the service.
const LOOK: Duration = Duration::from_secs(1);
/// Seconds of life left of an authority's certificate at which operators are warned.
const WARN_SECONDS: u64 = 90 * 86_400;

/// Looks after the authority until the service stops.
pub(super) async fn keep(place: Arc<Place>, desk: Desk, shutdown: Shutdown) {
    let mut pulse = tokio::time::interval(PULSE);
    let mut look = tokio::time::interval(LOOK);
    let mut warned = false;
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
                if let Ok(Err(fault)) = desk.ask(Order::Publish).await {
                    error!(%fault, "the directory is not published; it runs out");
                }
                if !warned {
                    warned = warn_of_ends(&place).await;
                }
            }
        }
    }
}

/// Warns once, long before a certificate of the authority runs out.
async fn warn_of_ends(place: &Arc<Place>) -> bool {
    let (dir, now) = (place.dir.clone(), place.now());
    let Ok(inspection) = blocking(move || crate::inspect(&dir, now)).await else {
        return false;
    };
    let ends = [("root", inspection.root), ("issuing", inspection.issuing)];
    let mut warned = false;
    for (certificate, end) in ends {
        if end.at < now.plus_seconds(WARN_SECONDS) {
            let days = end.days_left;
            warn!(certificate, ends = %end.at, days, "a certificate of the authority runs out");
            warned = true;
        }
    }
    warned
}
