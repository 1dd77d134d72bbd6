//! Shares of what a server has for those whom it does not know.

use std::collections::HashMap;
use std::net::{IpAddr, Ipv6Addr};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use super::PeerIdentity;

/// Bounds on connections of peers whom the policy lets in without knowing them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct GuestLimits {
    /// What the policy calls them all.
    pub identity: PeerIdentity,
    /// How many connections they may have.
    pub total: usize,
    /// How many of these one source may have: an address, or the first 64 bits of an IPv6 address.
    pub per_source: usize,
    /// How long a connection lasts at most.
    pub stay: Duration,
}

/// Seats for sources.
#[derive(Debug)]
pub(super) struct Seats {
    total: usize,
    per_source: usize,
    taken: Mutex<HashMap<IpAddr, usize>>,
}

/// A seat, until it is dropped.
#[derive(Debug)]
pub(super) struct Seat {
    of: Arc<Seats>,
    source: IpAddr,
}

impl Seats {
    pub(super) fn new(total: usize, per_source: usize) -> Arc<Self> {
        Arc::new(Self {
            total,
            per_source,
            taken: Mutex::default(),
        })
    }

    /// A seat for a source; `None` where it has its share, or all are taken.
    pub(super) fn take(self: &Arc<Self>, address: IpAddr) -> Option<Seat> {
        let source = source(address);
        let mut taken = self.taken();
        let all: usize = taken.values().sum();
        let of_source = taken.entry(source).or_default();
        if all >= self.total || *of_source >= self.per_source {
            if *of_source == 0 {
                taken.remove(&source);
            }
            return None;
        }
        *of_source += 1;
        let of = Arc::clone(self);
        Some(Seat { of, source })
    }

    fn taken(&self) -> MutexGuard<'_, HashMap<IpAddr, usize>> {
        self.taken.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Seat {
    fn drop(&mut self) {
        let mut taken = self.of.taken();
        if let Some(count) = taken.get_mut(&self.source) {
            *count = count.saturating_sub(1);
            if *count == 0 {
                taken.remove(&self.source);
            }
        }
    }
}

/// What counts as one source: whoever has one IPv6 address has the 2⁶⁴ beside it as well.
#[must_use]
pub fn source(address: IpAddr) -> IpAddr {
    match address.to_canonical() {
        IpAddr::V6(address) => {
            let network = address.to_bits() & !u128::from(u64::MAX);
            Ipv6Addr::from_bits(network).into()
        }
        address => address,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn address(text: &str) -> IpAddr {
        text.parse().unwrap()
    }

    #[test]
    fn a_source_has_its_share_and_gives_it_back() {
        let seats = Seats::new(3, 2);
        let (one, two) = (address("192.0.2.1"), address("192.0.2.2"));
        let first = seats.take(one).unwrap();
        let _second = seats.take(one).unwrap();
        assert!(seats.take(one).is_none());
        let _third = seats.take(two).unwrap();
        assert!(seats.take(two).is_none(), "all are taken");
        drop(first);
        assert!(seats.take(two).is_some());
        assert_eq!(seats.taken().len(), 2, "nothing is kept of who has left");
    }

    #[test]
    fn neighbours_in_ipv6_are_one_source() {
        let of = |text| source(address(text));
        assert_eq!(of("2001:db8::1"), of("2001:db8::ffff:1"));
        assert_ne!(of("2001:db8::1"), of("2001:db8:0:1::1"));
        assert_eq!(of("::ffff:192.0.2.1"), address("192.0.2.1"));
        assert_ne!(of("192.0.2.1"), of("192.0.2.2"));
    }
}
