//! Accounts on a clock that the test moves.

use consign_runtime::clock::Clock;

use super::*;

struct Tried {
    quotas: Arc<Quotas>,
    now: Instant,
}

fn agency(number: u8) -> AgencyId {
    AgencyId::from_bytes([number; 16]).unwrap()
}

fn letter(bytes: u32, deliveries: u64) -> Cost {
    Cost {
        traffic: f64::from(bytes),
        deliveries,
        urgent: false,
    }
}

impl Tried {
    fn new(change: impl FnOnce(&mut Limits)) -> Self {
        let mut limits = Limits {
            sender_messages_per_minute: 0,
            sender_bytes_per_hour: 0,
            sender_backlog: 0,
            ..Limits::default()
        };
        change(&mut limits);
        let now = Clock::system().monotonic();
        let quotas = Arc::new(Quotas::new(&limits, now));
        Self { quotas, now }
    }

    fn charge(&self, sender: u8, cost: Cost) -> Result<Charge, u64> {
        let charged = self.quotas.charge(agency(sender), cost, self.now);
        charged.map_err(|refused| match refused {
            Refused::SenderQuota { wait, .. } => wait.as_secs(),
            other => panic!("{other}"),
        })
    }

    fn keep(&self, sender: u8, cost: Cost) -> Result<(), u64> {
        self.charge(sender, cost).map(Charge::keep)
    }
}

#[test]
fn without_bounds_nothing_is_refused() {
    let tried = Tried::new(|_| {});
    for _ in 0..10_000 {
        assert_eq!(tried.keep(1, letter(u32::MAX, 1_000)), Ok(()));
    }
}

#[test]
fn messages_are_counted_per_sender_and_some_are_kept_for_urgent_ones() {
    let mut tried = Tried::new(|limits| {
        limits.sender_messages_per_minute = 60;
        limits.sender_messages_burst = 20;
    });
    for _ in 0..18 {
        assert_eq!(tried.keep(1, letter(1, 1)), Ok(()));
    }
    assert_eq!(tried.keep(1, letter(1, 1)), Err(1));
    let urgent = Cost {
        urgent: true,
        ..letter(1, 1)
    };
    for _ in 0..2 {
        assert_eq!(tried.keep(1, urgent), Ok(()));
    }
    assert!(tried.keep(1, urgent).is_err());
    assert_eq!(tried.keep(2, letter(1, 1)), Ok(()), "others do not notice");
    tried.now += Duration::from_secs(30);
    assert_eq!(tried.keep(1, letter(1, 1)), Ok(()));
}

#[test]
fn bytes_count_once_for_each_recipient() {
    let mut tried = Tried::new(|limits| limits.sender_bytes_per_hour = 3_600);
    assert_eq!(tried.keep(1, letter(3_500, 1)), Ok(()));
    assert_eq!(tried.keep(1, letter(200, 1)), Err(100));
    assert_eq!(tried.keep(1, Cost::MESSAGE), Ok(()), "it brings no bytes");
    tried.now += Duration::from_secs(100);
    assert_eq!(tried.keep(1, letter(200, 1)), Ok(()));
}

#[test]
fn a_backlog_is_paid_off_by_settlements() {
    let tried = Tried::new(|limits| limits.sender_backlog = 10);
    assert_eq!(
        tried.keep(1, letter(1, 900)),
        Ok(()),
        "alone it is never too large"
    );
    assert_eq!(tried.keep(1, letter(1, 1)), Err(BACKLOG_WAIT.as_secs()));
    for _ in 0..891 {
        tried.quotas.settled(agency(1));
    }
    assert_eq!(tried.keep(1, letter(1, 1)), Ok(()));
    assert!(tried.keep(1, letter(1, 1)).is_err());
    assert_eq!(tried.keep(1, Cost::MESSAGE), Ok(()));
    tried.quotas.settled(agency(2));
    assert_eq!(tried.keep(2, letter(1, 10)), Ok(()), "never below nothing");
}

#[test]
fn what_was_not_stored_is_given_back() {
    let tried = Tried::new(|limits| {
        limits.sender_messages_per_minute = 1;
        limits.sender_messages_burst = 1;
        limits.sender_bytes_per_hour = 100;
        limits.sender_backlog = 5;
    });
    for _ in 0..3 {
        let charge = tried.charge(1, letter(20, 5)).unwrap();
        assert!(tried.charge(1, letter(20, 5)).is_err());
        drop(charge);
    }
    assert_eq!(tried.keep(1, letter(20, 5)), Ok(()));
}

#[test]
fn refusals_of_revoked_keys_are_sixty_a_minute_for_each_agency() {
    let mut tried = Tried::new(|_| {});
    tried.quotas = Arc::new(Quotas::of_refusals(tried.now));
    for _ in 0..60 {
        assert_eq!(tried.keep(1, Cost::REFUSAL), Ok(()));
    }
    let refused = tried.quotas.charge(agency(1), Cost::REFUSAL, tried.now);
    let refused = refused.map(drop).unwrap_err();
    assert_eq!(refused.code(), consign_domain::ErrorCode::QuotaExceeded);
    assert!(refused.to_string().contains("revoked keys"), "{refused}");
    assert_eq!(tried.keep(2, Cost::REFUSAL), Ok(()), "others do not notice");
    tried.now += Duration::from_secs(60);
    for _ in 0..60 {
        assert_eq!(tried.keep(1, Cost::REFUSAL), Ok(()));
    }
    assert!(tried.keep(1, Cost::REFUSAL).is_err());
}

#[test]
fn idle_accounts_are_swept() {
    let mut tried = Tried::new(|limits| {
        limits.sender_messages_per_minute = 60;
        limits.sender_messages_burst = 60;
    });
    for sender in 1..=100 {
        tried.keep(sender, Cost::MESSAGE).unwrap();
    }
    tried.keep(101, letter(1, 1)).unwrap();
    tried.now += SWEEP;
    tried.keep(102, Cost::MESSAGE).unwrap();
    let left: Vec<_> = tried.quotas.accounts().by_agency.keys().copied().collect();
    assert_eq!(left.len(), 2, "one has a backlog, one has just come");
    assert!(left.contains(&agency(101)) && left.contains(&agency(102)));
}
