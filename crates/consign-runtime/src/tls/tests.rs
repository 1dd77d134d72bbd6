//! Real handshakes over loopback.

mod network;

use std::sync::Arc;
use std::time::Duration;

use rustls::client::ResolvesClientCert;
use rustls::sign::CertifiedKey;
use rustls::{AlertDescription, NamedGroup, SignatureScheme};
use rustls_pki_types::PrivateKeyDer;
use rustls_pki_types::pem::PemObject as _;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio_stream::StreamExt as _;

use super::*;
use crate::testing::CaughtLog;
use network::{Network, YEAR, ask, credentials};

#[tokio::test]
async fn peers_of_the_directory_meet_over_the_post_quantum_group() {
    let network = Network::new();
    let answer = ask(network.connect().await.unwrap()).await.unwrap();
    assert_eq!(
        answer,
        ("2".to_owned(), format!("{:?}", NamedGroup::X25519MLKEM768))
    );
    assert_eq!(network.tasks.drain(Duration::from_secs(10)).await, Ok(()));
}

#[tokio::test]
async fn an_unknown_node_is_told_so_and_the_hub_logs_its_fingerprint() {
    let mut network = Network::new();
    network.node = credentials();
    let (log, _guard) = CaughtLog::start();
    let fault = network.connect().await.unwrap_err();
    assert!(
        matches!(
            &fault,
            ConnectFault::RefusedByPeer {
                alert: AlertDescription::CertificateUnknown,
                ..
            }
        ),
        "{fault:?}"
    );
    assert!(
        fault
            .to_string()
            .ends_with("it is not in the directory there")
    );
    let log = log.text();
    let reason = format!(
        "node certificate is not in the directory (SHA-256 {})",
        network.node.identity.fingerprint()
    );
    assert_eq!(log.matches(&reason).count(), 1, "{log}");
}

#[tokio::test]
async fn an_unknown_hub_is_refused_with_the_reason_in_the_status() {
    let mut network = Network::new();
    network.hub = credentials();
    let fault = network.connect().await.unwrap_err();
    let text = "hub certificate is not in the directory";
    assert!(matches!(fault, ConnectFault::PeerRefused(_)) && fault.to_string().starts_with(text));

    let address = network.serve(AcceptLimits::default()).await.to_string();
    let error = ask(connect(&address, &network.client()).unwrap())
        .await
        .unwrap_err();
    assert!(matches!(
        ConnectFault::find(&error),
        Some(ConnectFault::PeerRefused(_))
    ));
    let status = tonic::Status::from_error(Box::new(error));
    assert_eq!(status.code(), tonic::Code::Unavailable);
    assert!(status.message().starts_with(text), "{status}");
    assert!(matches!(
        ConnectFault::find(&status),
        Some(ConnectFault::PeerRefused(_))
    ));
}

#[tokio::test]
async fn dates_are_judged_by_each_sides_own_clock() {
    for (seconds, refusal) in [
        (YEAR, "expired at 2027-01-01"),
        (-YEAR, "is not valid before 2026"),
    ] {
        let network = Network::new();
        network.node_clock.advance(seconds);
        let fault = network.connect().await.unwrap_err();
        assert!(matches!(fault, ConnectFault::PeerRefused(_)), "{fault:?}");
        assert!(
            fault
                .to_string()
                .starts_with(&format!("hub certificate {refusal}")),
            "{fault}"
        );

        let network = Network::new();
        network.hub_clock.advance(seconds);
        let (log, guard) = CaughtLog::start();
        let fault = network.connect().await.unwrap_err();
        drop(guard);
        assert!(fault.to_string().contains("by the clock there"), "{fault}");
        let log = log.text();
        assert!(
            log.contains(&format!("node certificate {refusal}")),
            "{log}"
        );
    }
}

#[tokio::test]
async fn a_node_that_was_withdrawn_does_not_come_back_on_an_old_session() {
    let network = Network::new();
    let address = network.serve(AcceptLimits::default()).await.to_string();
    let client = network.client();
    ask(connect_now(&address, &client).await.unwrap())
        .await
        .unwrap();
    for (refusal, text) in [
        (
            PeerRefusal::Withdrawn,
            "it was withdrawn from the directory there",
        ),
        (
            PeerRefusal::NoDirectory,
            "no directory in force to judge it by",
        ),
    ] {
        network.directory.put(&network.node.identity, Err(refusal));
        let fault = connect_now(&address, &client).await.unwrap_err();
        assert!(fault.to_string().ends_with(text), "{fault}");
    }
}

#[derive(Debug)]
struct Shows(Option<Arc<CertifiedKey>>);

impl ResolvesClientCert for Shows {
    fn resolve(&self, _: &[&[u8]], _: &[SignatureScheme]) -> Option<Arc<CertifiedKey>> {
        self.0.clone()
    }

    fn has_certs(&self) -> bool {
        self.0.is_some()
    }
}

#[tokio::test]
async fn a_certificate_without_its_key_is_worth_nothing() {
    let network = Network::new();
    let address = network.serve(AcceptLimits::default()).await.to_string();
    let other_key = PrivateKeyDer::from_pem_slice(credentials().key_pem.as_bytes()).unwrap();
    let other_key = provider().key_provider.load_private_key(other_key).unwrap();
    let stolen = CertifiedKey::new(vec![network.node.certificate.clone()], other_key);
    for (shows, alert) in [
        (
            Shows(Some(Arc::new(stolen))),
            AlertDescription::DecryptError,
        ),
        (Shows(None), AlertDescription::CertificateRequired),
    ] {
        let mut config = (*network.client().config).clone();
        config.client_auth_cert_resolver = Arc::new(shows);
        let fault = connect_now(
            &address,
            &ClientTls {
                config: Arc::new(config),
            },
        )
        .await;
        assert!(
            matches!(&fault, Err(ConnectFault::RefusedByPeer { alert: got, .. }) if *got == alert),
            "{fault:?}"
        );
    }
}

#[tokio::test]
async fn a_new_identity_is_shown_from_the_next_connection_on() {
    let network = Network::new();
    let address = network.serve(AcceptLimits::default()).await.to_string();
    let renewed = credentials();
    network
        .directory
        .put(&network.hub.identity, Err(PeerRefusal::Withdrawn));
    network.directory.put(&renewed.identity, Ok(3));
    let client = network.client();
    let fault = connect_now(&address, &client).await.unwrap_err();
    assert_eq!(
        fault.to_string().split(" (").next(),
        Some("hub certificate was withdrawn from the directory")
    );
    network.hub.identity.replace(&renewed.identity);
    ask(connect_now(&address, &client).await.unwrap())
        .await
        .unwrap();
}

#[tokio::test]
async fn a_client_of_tls_1_2_is_refused() {
    let network = Network::new();
    let address = network.serve(AcceptLimits::default()).await;
    let mut stream = TcpStream::connect(address).await.unwrap();
    stream.write_all(&client_hello_of_tls12()).await.unwrap();
    let mut answer = Vec::new();
    stream.read_to_end(&mut answer).await.unwrap();
    // A fatal alert, protocol_version (RFC 8446, 6.2).
    assert_eq!(answer, [0x15, 3, 3, 0, 2, 2, 70]);
}

/// As stock clients sent it: ECDHE suites, P-256, no `supported_versions`.
fn client_hello_of_tls12() -> Vec<u8> {
    let extensions = [[0, 10, 0, 4, 0, 2, 0, 23], [0, 13, 0, 4, 0, 2, 4, 3]].concat();
    let mut body = vec![3, 3];
    body.extend([7; 32]);
    body.extend([0, 0, 4, 0xc0, 0x2b, 0xc0, 0x2f, 1, 0, 0, 16]);
    body.extend(extensions);
    let length = u8::try_from(body.len()).unwrap();
    let mut record = vec![0x16, 3, 1, 0, length + 4, 1, 0, 0, length];
    record.extend(body);
    record
}

#[tokio::test]
async fn silent_and_senseless_connections_cost_the_others_nothing() {
    let network = Network::new();
    let limits = AcceptLimits {
        handshakes: 1,
        deadline: Duration::from_millis(50),
        ..AcceptLimits::default()
    };
    let address = network.serve(limits).await;
    let mut silent = TcpStream::connect(address).await.unwrap();
    let mut senseless = TcpStream::connect(address).await.unwrap();
    senseless.write_all(&[0xff; 4096]).await.unwrap();
    ask(connect_now(&address.to_string(), &network.client())
        .await
        .unwrap())
    .await
    .unwrap();
    assert_eq!(
        silent.read(&mut [0]).await.unwrap(),
        0,
        "closed at the deadline"
    );
}

#[tokio::test]
async fn one_source_does_not_have_all_handshakes() {
    let network = Network::new();
    let limits = AcceptLimits {
        handshakes_per_source: 2,
        ..AcceptLimits::default()
    };
    let address = network.serve(limits).await;
    let _silent = [
        TcpStream::connect(address).await.unwrap(),
        TcpStream::connect(address).await.unwrap(),
    ];
    let mut third = TcpStream::connect(address).await.unwrap();
    let ended = third.read(&mut [0]).await;
    assert!(!matches!(ended, Ok(1..)), "closed at once: {ended:?}");
    let other = tokio::net::TcpSocket::new_v4().unwrap();
    other.bind("127.0.0.2:0".parse().unwrap()).unwrap();
    let mut other = other.connect(address).await.unwrap();
    let mut byte = [0];
    let waits = tokio::time::timeout(Duration::from_millis(200), other.read(&mut byte));
    assert!(waits.await.is_err(), "another source is listened to");
}

#[tokio::test]
async fn guests_have_a_share_and_a_time() {
    let mut network = Network::new();
    let guest = credentials();
    network.directory.put(&guest.identity, Ok(0));
    let limits = AcceptLimits {
        guests: Some(GuestLimits {
            identity: PeerIdentity([0; 16]),
            total: 10,
            per_source: 1,
            stay: Duration::from_secs(2),
        }),
        ..AcceptLimits::default()
    };
    let address = network.serve(limits).await.to_string();
    let known = network.client();
    network.node = guest;
    let guest = network.client();
    let first = connect_now(&address, &guest).await.unwrap();
    ask(first.clone()).await.unwrap();
    let fault = connect_now(&address, &guest).await.unwrap_err();
    assert!(fault.is_transient(), "{fault:?}");
    // Whoever is known is not a guest.
    let own = connect_now(&address, &known).await.unwrap();
    ask(own.clone()).await.unwrap();
    // The first has to go, and the next has the seat.
    let next = async {
        loop {
            if let Ok(next) = connect_now(&address, &guest).await {
                return ask(next).await;
            }
        }
    };
    let next = tokio::time::timeout(Duration::from_secs(30), next).await;
    next.unwrap().unwrap();
    ask(own).await.unwrap();
}

#[tokio::test]
async fn a_policy_that_panics_costs_one_connection() {
    let network = Network::new();
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap().to_string();
    let policy: PeerPolicy = Arc::new(|_, _, _| panic!("as the test wants"));
    let tls = server_config(&network.hub.identity, &policy, &network.hub_clock).unwrap();
    let mut incoming = incoming(listener, tls, AcceptLimits::default());
    let client = network.client();
    let both = async {
        tokio::join!(
            connect_now(&address, &client),
            connect_now(&address, &client)
        )
    };
    tokio::select! {
        (one, two) = both => assert!(one.is_err() && two.is_err()),
        _ = incoming.next() => panic!("nobody is let in"),
    }
}

#[tokio::test]
async fn a_hub_that_is_away_is_a_transient_fault() {
    let network = Network::new();
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap().to_string();
    drop(listener);
    let fault = connect_now(&address, &network.client()).await.unwrap_err();
    assert!(
        matches!(&fault, ConnectFault::Unreachable { .. }),
        "{fault:?}"
    );
    assert!(fault.is_transient());
    assert_eq!(fault.to_string(), format!("nobody answers at {address}"));

    // Somebody answers, and leaves in the middle of the handshake.
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap().to_string();
    let client = network.client();
    let (fault, ()) = tokio::join!(connect_now(&address, &client), async {
        drop(listener.accept().await.unwrap());
    });
    let fault = fault.unwrap_err();
    assert!(
        matches!(&fault, ConnectFault::Handshake { .. }),
        "{fault:?}"
    );
}

#[tokio::test]
async fn addresses_are_host_and_port() {
    let client = Network::new().client();
    for good in ["127.0.0.1:1", "[::1]:1", "hub.example.vn:4433"] {
        connect(good, &client).unwrap();
    }
    for bad in [
        "",
        "hub",
        "hub:",
        "hub:99999",
        "https://hub:1",
        "a b:1",
        "u@hub:1",
        ":1",
        "hub:1/x",
    ] {
        let fault = connect(bad, &client);
        assert!(matches!(fault, Err(ConnectFault::Address { .. })), "{bad}");
    }
}

#[test]
fn refusals_survive_their_way_through_tls() {
    let fingerprint = Some(CertificateFingerprint([7; 32]));
    for refusal in [
        PeerRefusal::NotInDirectory,
        PeerRefusal::Withdrawn,
        PeerRefusal::NoDirectory,
        PeerRefusal::Expired {
            not_after: 1,
            now: 2,
        },
        PeerRefusal::NotYetValid {
            not_before: 2,
            now: 1,
        },
        PeerRefusal::Unreadable,
    ] {
        let refused = RefusedPeer {
            party: Party::Node,
            refusal,
            fingerprint,
        };
        let back = RefusedPeer::from_tls(Party::Node, &refused.into_tls()).unwrap();
        assert_eq!((back.party, back.refusal), (Party::Node, refusal));
    }
    assert_eq!(
        RefusedPeer::from_tls(Party::Hub, &rustls::Error::DecryptError),
        None
    );
}

#[test]
fn certificates_that_are_none_are_unreadable() {
    let good = credentials().certificate;
    let trailing = [&good[..], &[0]].concat();
    let oversized = vec![0x30; 17 * 1024];
    for der in [&[][..], &good[..good.len() - 1], &trailing, &oversized] {
        assert_eq!(peer::validity(der), Err(PeerRefusal::Unreadable));
    }
    assert_eq!(peer::validity(&good), Ok((1_767_225_600, 1_798_761_600)));
}

#[test]
fn an_identity_needs_a_certificate_and_its_own_key() {
    let made = |certificates: &str, key: &str| {
        TlsIdentity::from_pem(certificates.as_bytes(), key.as_bytes())
    };
    let (one, two) = (credentials(), credentials());
    let (certificate, key) = (one.certificate_pem.as_str(), one.key_pem.as_str());
    let identity = made(certificate, key).unwrap();
    assert_eq!(
        identity.fingerprint(),
        CertificateFingerprint::of(&one.certificate)
    );
    assert_eq!(identity.validity(), (1_767_225_600, 1_798_761_600));

    let other = made(certificate, &two.key_pem);
    assert!(matches!(other, Err(IdentityError::Key { .. })), "{other:?}");
    let none = made(key, key);
    assert!(
        matches!(none, Err(IdentityError::CertificateCount { found: 0 })),
        "{none:?}"
    );
    let no_key = made(certificate, certificate);
    assert!(
        matches!(no_key, Err(IdentityError::KeyPem { .. })),
        "{no_key:?}"
    );
    let many = made(&certificate.repeat(20), key);
    assert!(
        matches!(many, Err(IdentityError::CertificateCount { found: 20 })),
        "{many:?}"
    );
    let huge = made(&"\n".repeat(300 * 1024), key);
    assert!(matches!(huge, Err(IdentityError::TooLarge)), "{huge:?}");
    let garbage = "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n";
    let garbage = made(garbage, key);
    assert!(
        matches!(garbage, Err(IdentityError::NotX509)),
        "{garbage:?}"
    );
}
