//! When an archive's time-stamp is renewed.

use std::time::Duration;

use consign_domain::{EnvelopeId, Timestamp};

const DAY: u64 = 86_400;
/// A tenth of the lead at most is added, so that what was archived together is not renewed
/// together.
const JITTER_PART: u64 = 10;
/// The lead is no more than this part of the life that the certificate had left.
const LEAD_PART: u64 = 3;

/// How long an archive is not looked at; twice that at most.
const LOOK_SECONDS: u64 = 7 * DAY;

/// When an archive that was stamped at a time, by an authority whose certificate ends at another,
/// is to be stamped again.
pub(super) fn due(
    stamped: Timestamp,
    until: Timestamp,
    id: EnvelopeId,
    renew_before: Duration,
) -> Timestamp {
    let life = until.as_unix().saturating_sub(stamped.as_unix());
    let lead = renew_before.as_secs().min(life / LEAD_PART);
    // The id ends in random bytes.
    let [.., random] = id.to_bytes();
    let jitter = lead / JITTER_PART * u64::from(random) / 256;
    until.minus_seconds(lead + jitter)
}

/// When an archive is looked at again though it is not due: its authority may have been revoked.
/// Not all are looked at together.
pub(super) fn look_again(id: EnvelopeId, now: Timestamp) -> Timestamp {
    let [.., random] = id.to_bytes();
    now.plus_seconds(LOOK_SECONDS + LOOK_SECONDS * u64::from(random) / 256)
}

/// When it is asked again whether the authority has a certificate that ends later: the sooner the
/// nearer the end is.
pub(super) fn in_a_while(until: Timestamp, now: Timestamp) -> Timestamp {
    let left = until.as_unix().saturating_sub(now.as_unix());
    now.plus_seconds((left / 8).clamp(600, DAY))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{envelope_id, now};

    const LEAD: Duration = Duration::from_secs(180 * DAY);

    #[test]
    fn it_is_half_a_year_before_the_end_and_not_for_all_at_once() {
        let until = now().plus_seconds(1_000 * DAY);
        let at = |random| due(now(), until, envelope_id(random), LEAD);
        assert_eq!(at(0), until.minus_seconds(180 * DAY));
        assert!(at(255) < at(0) && at(255) > until.minus_seconds(198 * DAY));
    }

    #[test]
    fn a_short_life_is_not_renewed_at_once() {
        let until = now().plus_seconds(90 * DAY);
        let at = due(now(), until, envelope_id(0), LEAD);
        assert_eq!(at, now().plus_seconds(60 * DAY));
        let ended = due(now(), now().minus_seconds(DAY), envelope_id(0), LEAD);
        assert_eq!(ended, now().minus_seconds(DAY));
    }

    #[test]
    fn an_authority_without_a_longer_certificate_is_asked_daily_and_then_more_often() {
        let ask = |left| in_a_while(now().plus_seconds(left), now());
        assert_eq!(ask(100 * DAY), now().plus_seconds(DAY));
        assert_eq!(ask(DAY), now().plus_seconds(DAY / 8));
        assert_eq!(ask(0), now().plus_seconds(600));
    }
}
