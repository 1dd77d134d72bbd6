//! Authorities that answer well, badly, slowly and not at all; and what becomes of the seal.

use std::future::Future;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use consign_domain::document::Urgency;
use consign_domain::{EnvelopeId, Timestamp};
use consign_pki::issue::{
    AuthorityName, CertificateAuthority, Revocation, SealSubject, Validity, create_request,
};
use consign_pki::path::revocation::RevocationReason;
use consign_pki::seal::{FileSealKey, KeyKind};
use consign_pki::timestamp::{Authority, Failure, Grant, PLACEHOLDER_POLICY, Request, refused};
use consign_runtime::clock::Clock;
use consign_runtime::shutdown::Shutdown;
use consign_verify::TrustStore;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpListener;
use tokio::task::JoinHandle;

use super::{StampFault, Stamped, Stamps};
use crate::config::{StampSource, TimeStamps};
use crate::folder::CONTAINER;
use crate::outbox::SentState;
use crate::revocation_lists::{ListsHere, RevocationLists};
use crate::seal::{SealError, Stamp};
use crate::stamps::{AuthorityAddress, HttpFault};
use crate::testing::{NOW, Network, cuts, envelope_id, request};

const SEAL: &[u8] = b"the value of a seal";
const VALIDITY: Validity = Validity {
    not_before: NOW - 86_400,
    not_after: NOW + 300 * 86_400,
};

/// A time-stamp authority of an infrastructure of its own.
struct Outside {
    root: CertificateAuthority,
    authority: Authority<FileSealKey>,
}

fn name(common_name: &str) -> AuthorityName {
    AuthorityName {
        organization: "Cục Chứng thực".to_owned(),
        common_name: common_name.to_owned(),
    }
}

impl Outside {
    fn new() -> Self {
        let root = Arc::new(FileSealKey::generate(KeyKind::EcdsaP256).unwrap());
        let root = CertificateAuthority::create_root(root, &name("Gốc"), VALIDITY).unwrap();
        let (key, csr) = Self::key();
        let certificate = root.issue_time_stamping(&csr, &name("Dấu"), VALIDITY, &[1]);
        let certificate = certificate.unwrap();
        let authority = Authority::new(key, certificate, Vec::new(), PLACEHOLDER_POLICY).unwrap();
        Self { root, authority }
    }

    fn key() -> (FileSealKey, Vec<u8>) {
        let key = FileSealKey::generate(KeyKind::EcdsaP256).unwrap();
        let csr = create_request(&key, "tsa").unwrap();
        (key, csr)
    }

    /// Another key of the same infrastructure, certified for seals and not for time-stamps.
    fn for_seals(&self) -> Authority<FileSealKey> {
        let (key, csr) = Self::key();
        let subject = SealSubject {
            organization: "Cơ quan".to_owned(),
            common_name: "Cơ quan".to_owned(),
            organization_identifier: "VNGOV-H49".to_owned(),
        };
        let certificate = self
            .root
            .issue_seal(&csr, &subject, VALIDITY, &[2])
            .unwrap();
        Authority::new(key, certificate, Vec::new(), PLACEHOLDER_POLICY).unwrap()
    }

    fn trust(&self, network: &Network) -> TrustStore {
        let roots = vec![self.root.certificate_der().to_vec()];
        network.trust.clone().with_time_stamp_roots(roots)
    }
}

fn grant(time: u64) -> Grant {
    Grant {
        time,
        serial: [7; 16],
    }
}

/// An HTTP server that answers each query with what `answer` makes of it.
struct Server {
    address: SocketAddr,
    task: JoinHandle<()>,
}

impl Server {
    async fn new<F: Future<Output = Vec<u8>> + Send>(
        answer: impl Fn(Vec<u8>) -> F + Send + Sync + 'static,
    ) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let answer = Arc::new(answer);
        let task = tokio::spawn(async move {
            loop {
                let (mut stream, _) = listener.accept().await.unwrap();
                let mut read = Vec::new();
                let query = loop {
                    let mut piece = [0; 1024];
                    let count = stream.read(&mut piece).await.unwrap();
                    read.extend_from_slice(&piece[..count]);
                    if let Some(query) = whole(&read) {
                        break query;
                    }
                    assert!(count > 0, "the query ended early");
                };
                let answer = answer(query).await;
                // The client may have turned away meanwhile.
                let _ = stream.write_all(&answer).await;
            }
        });
        Self { address, task }
    }

    fn stamps(&self) -> Stamps {
        self.stamps_with(ListsHere::default())
    }

    fn stamps_with(&self, lists: ListsHere) -> Stamps {
        let url = format!("http://{}/tsr?one", self.address);
        let settings = TimeStamps {
            source: StampSource::Authority(AuthorityAddress::parse(&url).unwrap()),
            patience: Duration::from_millis(500),
            answer: Duration::from_secs(20),
            roots: None,
        };
        Stamps::new(settings, Clock::fixed(NOW), lists)
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.task.abort();
    }
}

/// The body of a request that has come whole, once its head is what the standard asks for.
fn whole(read: &[u8]) -> Option<Vec<u8>> {
    let end = read.windows(4).position(|four| four == b"\r\n\r\n")?;
    let head = std::str::from_utf8(&read[..end]).unwrap().to_lowercase();
    assert!(head.starts_with("post /tsr?one http/1.1\r\n"), "{head}");
    assert!(
        head.contains("\r\ncontent-type: application/timestamp-query"),
        "{head}"
    );
    assert!(head.contains("\r\nhost: 127.0.0.1:"), "{head}");
    let length = head.split("content-length: ").nth(1).unwrap();
    let length: usize = length.lines().next().unwrap().parse().unwrap();
    let body = &read[end + 4..];
    (body.len() == length).then(|| body.to_vec())
}

fn http(status: &str, media_type: &str, body: &[u8]) -> Vec<u8> {
    let length = body.len();
    let head = format!(
        "HTTP/1.1 {status}\r\nContent-Type: {media_type}\r\nContent-Length: {length}\r\n\r\n"
    );
    [head.as_bytes(), body].concat()
}

fn reply(body: &[u8]) -> Vec<u8> {
    http("200 OK", "application/timestamp-reply", body)
}

async fn fault(outside: &Outside, network: &Network, answer: Vec<u8>) -> StampFault {
    let server = Server::new(move |_| std::future::ready(answer.clone())).await;
    let trust = outside.trust(network);
    server.stamps().afterwards(SEAL, &trust).await.unwrap_err()
}

#[tokio::test]
async fn a_stamp_of_an_outside_authority_counts_by_its_own_root_alone() {
    let (network, outside) = (Network::new(), Outside::new());
    let trust = outside.trust(&network);
    let answering = Server::new(move |query: Vec<u8>| {
        let answer = outside.authority.answer(&query, grant(NOW + 2)).unwrap();
        std::future::ready(reply(&answer))
    })
    .await;
    let stamps = answering.stamps();
    stamps.afterwards(SEAL, &trust).await.unwrap();
    let (until, cause) = stamps.standing();
    assert_eq!(until, Timestamp::from_unix(VALIDITY.not_after).ok());
    assert_eq!(cause, None);
    let stranger = answering.stamps();
    let unknown = stranger.afterwards(SEAL, &network.trust).await.unwrap_err();
    assert!(matches!(unknown, StampFault::Judged(_)), "{unknown:?}");
    assert!(stranger.standing().1.is_some());
}

/// The list lies in `trust/crl`, where an operator or the directory put it.
#[tokio::test]
async fn a_stamp_by_a_key_that_others_have_counts_no_more() {
    let (network, outside) = (Network::new(), Outside::new());
    let trust = outside.trust(&network);
    let revoked = |reason| Revocation {
        serial: vec![1],
        at: NOW - 60,
        reason,
        invalid_from: None,
    };
    let list = |reason| {
        let list = outside
            .root
            .revocation_list(&[revoked(reason)], 1, VALIDITY);
        let place = tempfile::tempdir().unwrap();
        std::fs::write(place.path().join("tsa.crl"), list.unwrap()).unwrap();
        std::fs::write(place.path().join("none.crl"), "not a list").unwrap();
        let now = Timestamp::from_unix(NOW).unwrap();
        let kept = RevocationLists::new(place.path().to_owned(), &[], b"", now);
        assert_eq!(kept.here().now().len(), 1);
        kept.here().clone()
    };
    let lost = list(RevocationReason::KeyCompromise);
    let authority = outside.authority;
    let answering = Server::new(move |query: Vec<u8>| {
        // From before it was revoked, as whoever has the key says.
        let answer = authority.answer(&query, grant(NOW - 100)).unwrap();
        std::future::ready(reply(&answer))
    })
    .await;
    let stamps = answering.stamps_with(lost);
    let refused = stamps.afterwards(SEAL, &trust).await.unwrap_err();
    assert!(matches!(refused, StampFault::Judged(_)), "{refused:?}");
    let stamps = answering.stamps_with(ListsHere::default());
    stamps.afterwards(SEAL, &trust).await.unwrap();
}

#[tokio::test]
async fn what_is_no_answer_is_refused_by_its_form() {
    let (network, outside) = (Network::new(), Outside::new());
    let status = |status: &str| http(status, "application/timestamp-reply", b"");
    for (answer, expected) in [
        (status("404 Not Found"), 404),
        (
            [&b"HTTP/1.1 302 Found\r\nLocation: http://127.0.0.1:1/\r\nContent-Length: 0\r\n\r\n"[..]]
                .concat(),
            302,
        ),
        (status("500 Oops"), 500),
    ] {
        let found = fault(&outside, &network, answer).await;
        assert!(
            matches!(found, StampFault::Http(HttpFault::Status { status }) if status == expected),
            "{found:?}"
        );
    }
    let page = http("200 OK", "text/html", b"<p>Good morning</p>");
    let found = fault(&outside, &network, page).await;
    let wrong = matches!(found, StampFault::Http(HttpFault::ContentType { .. }));
    assert!(wrong, "{found:?}");
    let large = reply(&[0x30; 70_000]);
    let mut endless =
        b"HTTP/1.1 200 OK\r\nContent-Type: application/timestamp-reply\r\n\r\n".to_vec();
    endless.extend_from_slice(&[0x30; 70_000]);
    let mut cut = reply(&[0x30; 60_000]);
    cut.truncate(30_000);
    for answer in [large, endless, cut] {
        let found = fault(&outside, &network, answer).await;
        assert!(
            matches!(found, StampFault::Http(HttpFault::Body)),
            "{found:?}"
        );
    }
    for answer in [&b"220 smtp\r\n"[..], b"", b"HTTP/1.1 200"] {
        let found = fault(&outside, &network, answer.to_vec()).await;
        let wrong = matches!(found, StampFault::Http(HttpFault::Protocol(_)));
        assert!(wrong, "{found:?}");
    }
    for answer in [
        reply(b""),
        reply(b"not DER"),
        reply(&refused(Failure::BadRequest)),
    ] {
        let found = fault(&outside, &network, answer).await;
        assert!(matches!(found, StampFault::Answer(_)), "{found:?}");
    }
}

#[tokio::test]
async fn what_is_stamped_otherwise_than_asked_is_refused() {
    let (network, outside) = (Network::new(), Outside::new());
    let of_another_time = outside
        .authority
        .answer(Request::over(SEAL, [1; 8]).to_der(), grant(NOW));
    let found = fault(&outside, &network, reply(&of_another_time.unwrap())).await;
    assert!(
        matches!(found, StampFault::Answer(_)),
        "the nonce: {found:?}"
    );
    let trust = outside.trust(&network);
    let for_seals = outside.for_seals();
    let outside = Arc::new(outside);
    let clock = Arc::clone(&outside);
    let wrong_time = Server::new(move |query: Vec<u8>| {
        let answer = clock
            .authority
            .answer(&query, grant(NOW - 86_400 + 60))
            .unwrap();
        std::future::ready(reply(&answer))
    });
    let found = wrong_time.await.stamps().afterwards(SEAL, &trust).await;
    assert!(matches!(found, Err(StampFault::Clock { .. })), "{found:?}");
    let wrong_purpose = Server::new(move |query: Vec<u8>| {
        let answer = for_seals.answer(&query, grant(NOW)).unwrap();
        std::future::ready(reply(&answer))
    });
    let found = wrong_purpose.await.stamps().afterwards(SEAL, &trust).await;
    assert!(matches!(found, Err(StampFault::Judged(_))), "{found:?}");
    // The same nonce and another imprint.
    let other_data = Server::new(move |query: Vec<u8>| {
        let mut other = query;
        let digest = other.windows(2).position(|two| two == [0x04, 32]).unwrap();
        other[digest + 2] ^= 1;
        let answer = outside.authority.answer(&other, grant(NOW)).unwrap();
        std::future::ready(reply(&answer))
    });
    let found = other_data.await.stamps().afterwards(SEAL, &trust).await;
    assert!(matches!(found, Err(StampFault::Answer(_))), "{found:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn sealing_waits_no_longer_than_its_patience_and_not_again_at_once() {
    let (network, outside) = (Network::new(), Outside::new());
    let trust = Arc::new(outside.trust(&network));
    let silent = Server::new(|_| std::future::pending::<Vec<u8>>()).await;
    let stamps = Arc::new(silent.stamps());
    let at_sealing = |urgency| {
        let (stamps, trust) = (Arc::clone(&stamps), Arc::clone(&trust));
        tokio::task::spawn_blocking(move || {
            let clock = Clock::system();
            let begun = clock.monotonic();
            let stamp = stamps.at_sealing(SEAL, urgency, &trust, &Shutdown::new());
            (stamp, begun.elapsed())
        })
    };
    let (stamp, took) = at_sealing(Urgency::Urgent).await.unwrap();
    assert!(matches!(stamp, Some(Stamp::Awaited(why)) if why.contains("did not answer")));
    assert!(
        took < Duration::from_millis(450),
        "a fifth of 500 ms: {took:?}"
    );
    // A short patience is no fault of the authority, a whole one is: then it rests, for a tenth
    // of a second at least.
    assert_eq!(stamps.standing().1, None);
    let (stamp, took) = at_sealing(Urgency::Normal).await.unwrap();
    assert!(matches!(stamp, Some(Stamp::Awaited(_))));
    assert!(took >= Duration::from_millis(500), "{took:?}");
    let (stamp, took) = at_sealing(Urgency::Normal).await.unwrap();
    assert!(matches!(stamp, Some(Stamp::Awaited(_))));
    assert!(took < Duration::from_millis(100), "{took:?}");
    let stop = Shutdown::new();
    stop.trigger();
    let fresh = Arc::new(silent.stamps());
    let stopped =
        tokio::task::spawn_blocking(move || fresh.at_sealing(SEAL, Urgency::Normal, &trust, &stop));
    assert_eq!(stopped.await.unwrap(), None);
}

#[tokio::test]
async fn an_authority_that_is_away_is_not_reached_and_said_so() {
    let (network, outside) = (Network::new(), Outside::new());
    let server = Server::new(|_| std::future::pending::<Vec<u8>>()).await;
    let stamps = server.stamps();
    drop(server);
    // Its task ends with the runtime's next turn, and the port with it.
    let found = loop {
        tokio::task::yield_now().await;
        let (trust, request) = (outside.trust(&network), Request::over(SEAL, [7; 8]));
        match stamps.ask(&request, SEAL, &trust).await.unwrap_err() {
            StampFault::Http(HttpFault::Protocol(_)) => {}
            other => break other,
        }
    };
    assert!(
        matches!(found, StampFault::Http(HttpFault::Connect { .. })),
        "{found:?}"
    );
}

/// Composes and seals with what a time-stamp authority made of it.
fn seal(network: &Network, id: EnvelopeId, stamp: Option<&Stamp>) -> Result<(), SealError> {
    let seat = network.seat(0);
    let context = network.context(&seat);
    if seat.agency.outbox().state(id).unwrap().is_none() {
        seat.compose(id, request(&["H49.14"]), &context);
    }
    let outbox = seat.agency.outbox();
    outbox.seal(id, &context, &|_, _| stamp.cloned()).map(drop)
}

#[test]
fn a_document_sealed_without_is_stamped_afterwards_wherever_it_was_cut() {
    let (network, outside) = (Network::new(), Outside::new());
    let id = envelope_id(1);
    let stopping = seal(&network, id, None).unwrap_err();
    assert!(matches!(stopping, SealError::Stopping));
    let place = tempfile::tempdir().unwrap();
    let awaited = || Some(Stamp::Awaited("không trả lời".to_owned()));
    let after_cuts = cuts(network.node(0), place.path(), || {
        seal(&network, id, awaited().as_ref()).unwrap();
        let seat = network.seat(0);
        let outbox = seat.agency.outbox();
        assert_eq!(outbox.newly_unstamped(), [id]);
        assert!(outbox.newly_unstamped().is_empty());
        let container = std::fs::read(outbox.folder(id).unwrap().file(CONTAINER)).unwrap();
        let value = outbox.unstamped_seal(id).unwrap().unwrap();
        let request = Request::over(&value, [1; 8]);
        let answer = outside
            .authority
            .answer(request.to_der(), grant(NOW + 9))
            .unwrap();
        let token = consign_pki::timestamp::token_of(&answer, &request).unwrap();
        outbox.keep_stamp(id, &token).unwrap();
        assert_eq!(outbox.unstamped(), 0);
        let folder = outbox.folder(id).unwrap();
        assert_eq!(std::fs::read(folder.file(CONTAINER)).unwrap(), container);
        let at = Timestamp::from_unix(NOW + 9).unwrap();
        assert_eq!(folder.stamped().unwrap(), Stamped::Afterwards(at));
        assert!(
            folder
                .export()
                .unwrap()
                .iter()
                .any(|file| file.name == "time-stamp.tst")
        );
    });
    assert!(after_cuts.len() > 10, "{}", after_cuts.len());
    for cut in after_cuts {
        let seat = crate::testing::Seat::open(&cut);
        let outbox = seat.agency.outbox();
        let context = network.context(&seat);
        outbox.seal(id, &context, &|_, _| awaited()).unwrap();
        assert_eq!(outbox.state(id).unwrap(), Some(SentState::Sealed));
        match outbox.folder(id).unwrap().stamped().unwrap() {
            Stamped::Awaited(why) => {
                assert_eq!(why, "không trả lời");
                assert_eq!(outbox.newly_unstamped(), [id], "{}", cut.root().display());
                assert_eq!(seat.index.unstamped(seat.id()), [id]);
            }
            Stamped::Afterwards(_) => {
                assert_eq!(outbox.unstamped(), 0);
                assert!(seat.index.unstamped(seat.id()).is_empty());
            }
            other => panic!("{other:?}"),
        }
    }
}

#[test]
fn a_stamp_at_sealing_is_in_the_seal_and_nothing_waits() {
    let (network, outside) = (Network::new(), Outside::new());
    let seat = network.seat(0);
    let context = network.context(&seat);
    let (stamped, plain) = (envelope_id(1), envelope_id(2));
    for id in [stamped, plain] {
        seat.compose(id, request(&["H49.14"]), &context);
    }
    let outbox = seat.agency.outbox();
    let stamp = |value: &[u8], _| {
        let request = Request::over(value, [1; 8]);
        let answer = outside
            .authority
            .answer(request.to_der(), grant(NOW))
            .unwrap();
        let token = consign_pki::timestamp::token_of(&answer, &request).unwrap();
        Some(Stamp::Token(token))
    };
    outbox.seal(stamped, &context, &stamp).unwrap();
    outbox
        .seal(plain, &context, &|_, _| Some(Stamp::NotAsked))
        .unwrap();
    assert_eq!(outbox.unstamped(), 0);
    let how = |id| outbox.folder(id).unwrap().stamped().unwrap();
    assert_eq!(how(stamped), Stamped::Sealed(crate::testing::now()));
    assert_eq!(how(plain), Stamped::No);
}
