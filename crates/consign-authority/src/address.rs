//! Where a hub is reached.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use crate::error::AuthorityError;

/// The host of an address.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Host {
    /// A DNS name; its form is checked where the certificate is made.
    Name(String),
    /// An address.
    Address(IpAddr),
}

/// The host of `name:port`, `127.0.0.1:port` or `[::1]:port`.
pub(crate) fn host(address: &str) -> Result<Host, AuthorityError> {
    split(address).ok_or_else(|| AuthorityError::Address {
        address: address.to_owned(),
    })
}

fn split(address: &str) -> Option<Host> {
    let (host, port) = address.rsplit_once(':')?;
    if !port.bytes().all(|byte| byte.is_ascii_digit()) || port.parse::<u16>().ok()? == 0 {
        return None;
    }
    if let Some(inner) = host.strip_prefix('[') {
        let address: Ipv6Addr = inner.strip_suffix(']')?.parse().ok()?;
        return Some(Host::Address(address.into()));
    }
    if let Ok(address) = host.parse::<Ipv4Addr>() {
        return Some(Host::Address(address.into()));
    }
    (!host.is_empty() && !host.contains(':')).then(|| Host::Name(host.to_owned()))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn no_text_panics_and_what_has_a_host_has_a_port(text in "[\\[\\]:.a-z0-9]{0,30}|.{0,30}") {
            if host(&text).is_ok() {
                let port = text.rsplit(':').next().map(str::parse::<u16>);
                prop_assert!(matches!(port, Some(Ok(1..))));
            }
        }
    }

    #[test]
    fn hosts_are_names_or_addresses() {
        let name = Host::Name("hub.example.vn".to_owned());
        assert_eq!(host("hub.example.vn:8443").unwrap(), name);
        let four = Host::Address([127, 0, 0, 1].into());
        assert_eq!(host("127.0.0.1:1").unwrap(), four);
        let six = Host::Address(Ipv6Addr::LOCALHOST.into());
        assert_eq!(host("[::1]:8443").unwrap(), six);
        for bad in [
            "hub",
            "hub:",
            ":1",
            "hub:0",
            "hub:65536",
            "::1:8443",
            "[::1:8443",
            "[hub]:1",
            "hub:+1",
        ] {
            assert!(host(bad).is_err(), "{bad}");
        }
    }
}
