//! Whether the tokens that keep seal keys are there: looked at also while nothing is sealed, so
//! that `consign status` says it, and sealing goes on as soon as one is back.

use std::error::Error as _;
use std::sync::Arc;
use std::time::Duration;

use consign_domain::ErrorCode;
use consign_pki::seal::SealError;
use consign_runtime::shutdown::Shutdown;
use tracing::{info, warn};

use crate::link::Cause;
use crate::office::{Desk, Office, blocking};

/// How often a token is looked at.
const LOOK: Duration = Duration::from_secs(5);

/// Looks at the tokens until the node stops.
pub(crate) async fn watch(office: Arc<Office>, shutdown: Shutdown) {
    let desks = office.desks().iter();
    let kept = desks.filter(|desk| desk.keys.load().seal.keeper().is_some());
    let kept: Vec<Arc<Desk>> = kept.map(Arc::clone).collect();
    if kept.is_empty() {
        return;
    }
    loop {
        tokio::select! {
            () = shutdown.wait() => return,
            () = tokio::time::sleep(LOOK) => {}
        }
        for desk in &kept {
            let desk = Arc::clone(desk);
            if blocking(move || look(&desk)).await {
                office.token_back.ring();
            }
        }
    }
}

/// Looks whether the seal key of an agency would sign, and says what has changed; gives whether
/// it would again. Blocks.
pub(crate) fn look(desk: &Desk) -> bool {
    let seal = Arc::clone(&desk.keys.load().seal);
    let Some(token) = seal.keeper() else {
        return false;
    };
    let agency = desk.agency.home().code();
    let now = seal.ready().err().as_ref().map(cause);
    let before = desk.note_seal(now.clone());
    match (before, now) {
        (Some(_), None) => {
            info!(%agency, token, "the token with the seal key is there, what waited goes on");
            return true;
        }
        (before, Some(now)) if before.as_ref() != Some(&now) => {
            let (code, cause) = (now.code, now.text);
            warn!(%agency, %code, cause, "the seal key does not sign: what is sent waits");
        }
        _ => {}
    }
    false
}

/// Why a seal key does not sign, for people.
pub(crate) fn cause(fault: &SealError) -> Cause {
    let mut text = fault.to_string();
    if let Some(source) = fault.source() {
        text = format!("{text}: {source}");
    }
    Cause {
        code: ErrorCode::TokenUnavailable,
        text,
    }
}
