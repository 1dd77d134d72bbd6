//! When to try again: every refusal that may pass says how long to wait, by its cause.
//!
//! A wait is lengthened by chance, by up to a half, so that those who were refused
//! together do not come back together.

use std::time::Duration;

use consign_domain::ErrorCode;
use consign_domain::limits::MAX_SKEW_SECONDS;
use consign_runtime::entropy;

use super::Refused;

/// Another place in the hub's queues is free as soon as anything is decided.
const BUSY: Duration = Duration::from_millis(30);
/// A node's call or upload ends.
const QUOTA: Duration = Duration::from_secs(5);
/// Retention makes room, or an operator.
const FULL: Duration = Duration::from_secs(15);
/// The process ends and is started again.
const RESTART: Duration = Duration::from_secs(2);
/// The published directory is looked at twice a second.
const DIRECTORY_BEHIND: Duration = Duration::from_secs(1);
/// The authority publishes, the operator decides.
const SOMEBODY_ACTS: Duration = Duration::from_secs(60);
/// No wait is longer, so that nobody sleeps through what has passed.
pub(super) const LONGEST: Duration = Duration::from_secs(300);

impl Refused {
    /// How long to wait before the same is tried again; zero where that changes nothing.
    pub(crate) fn retry_after(&self) -> Duration {
        // Without randomness the wait is the longest, which is safe.
        let chance = entropy::bytes::<4>().map_or(u32::MAX, u32::from_be_bytes);
        self.retry_after_with(chance)
    }

    fn retry_after_with(&self, chance: u32) -> Duration {
        let wait = match (self, self.code()) {
            (Self::SenderQuota { wait, .. } | Self::NodeQuota { wait, .. }, _) => *wait,
            (Self::InFuture { time, now }, _) => {
                let ahead = time.as_unix().saturating_sub(now.as_unix());
                Duration::from_secs(ahead.saturating_sub(MAX_SKEW_SECONDS).max(1))
            }
            (_, ErrorCode::Busy) => BUSY,
            (_, ErrorCode::QuotaExceeded) => QUOTA,
            (_, ErrorCode::StorageFull) => FULL,
            (_, ErrorCode::Draining | ErrorCode::StorageFailed) => RESTART,
            (_, ErrorCode::DirectoryBehind) => DIRECTORY_BEHIND,
            (_, ErrorCode::DirectoryExpired | ErrorCode::HubBehind) => SOMEBODY_ACTS,
            (_, code) if code.is_retryable() => QUOTA,
            _ => return Duration::ZERO,
        };
        let wait = wait.min(LONGEST);
        wait + (wait / 2).mul_f64(f64::from(chance) / f64::from(u32::MAX))
    }
}

#[cfg(test)]
mod tests {
    use consign_domain::Timestamp;
    use consign_store::StoreError;

    use super::*;

    fn waits(refused: &Refused) -> (u128, u128) {
        let wait = |chance| refused.retry_after_with(chance).as_millis();
        (wait(0), wait(u32::MAX))
    }

    #[test]
    fn what_may_pass_says_when_to_come_back() {
        let at = |seconds| Timestamp::from_unix(seconds).unwrap();
        let ahead = |seconds| Refused::InFuture {
            time: at(1_000 + MAX_SKEW_SECONDS + seconds),
            now: at(1_000),
        };
        let quota = |seconds| Refused::SenderQuota {
            quota: "messages",
            wait: Duration::from_secs(seconds),
        };
        assert_eq!(waits(&Refused::Busy), (30, 45));
        assert_eq!(waits(&StoreError::Busy.into()), (30, 45));
        assert_eq!(waits(&Refused::Draining), (2_000, 3_000));
        assert_eq!(waits(&StoreError::Full.into()), (15_000, 22_500));
        assert_eq!(waits(&Refused::HubBehind), (60_000, 90_000));
        assert_eq!(waits(&quota(4)), (4_000, 6_000));
        assert_eq!(waits(&quota(86_400)), (300_000, 450_000));
        assert_eq!(waits(&ahead(40)).0, 40_000);
        assert_eq!(waits(&ahead(0)).0, 1_000);
        for wait in [waits(&Refused::IdReused), waits(&Refused::NotARecipient)] {
            assert_eq!(wait, (0, 0), "nothing changes by waiting");
        }
    }
}
