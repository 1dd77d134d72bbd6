//! Time-stamps: tokens, answers and requests of [`consign_pki::timestamp`], and the verdict of
//! [`consign_verify::time_stamp`].

use std::sync::LazyLock;

use consign_pki::cms::{parse_and_verify, with_time_stamp};
use consign_pki::timestamp::{Request, token_of, verify};
use consign_verify::time_stamp;

use crate::world::{CONTENT, OTHER, THIRD, grant, now, unix};
use crate::{Seed, WORLD};

static REQUEST: LazyLock<Request> = LazyLock::new(|| WORLD.stamp_answer(CONTENT).0);
static SEAL: LazyLock<Vec<u8>> = LazyLock::new(|| WORLD.sign(&WORLD.seals[0], CONTENT));

/// A token that is accepted is over these bytes, by our authority, and says what it was granted;
/// whatever is asked of an authority is answered.
pub fn judge(bytes: &[u8]) -> bool {
    let request = &*REQUEST;
    let answer = WORLD.stamps.answer(bytes, grant()).expect("the key signs");
    assert!(!answer.is_empty());
    judge_beside_a_seal(bytes);
    let token = match token_of(bytes, request) {
        Ok(token) => token,
        Err(_) => bytes.to_vec(),
    };
    let trust = WORLD.seal_trust();
    let proven = time_stamp::judge(&token, CONTENT, &trust, now());
    assert!(verify(&token, OTHER).is_err(), "over two contents");
    let Ok(stamp) = verify(&token, CONTENT) else {
        assert!(proven.is_err(), "a token that does not hold counts");
        return request.to_der() == bytes;
    };
    assert_eq!(stamp.time, unix());
    assert_eq!(stamp.accuracy_ms, 1_000);
    assert_eq!(stamp.nonce.as_deref(), Some(request.nonce()));
    assert_eq!(stamp.signature.signer_certificate, WORLD.stamps_certificate);
    if let Ok(proven) = proven {
        assert_eq!((proven.time, proven.latest), (now(), now().plus_seconds(1)));
    }
    true
}

/// Put beside a seal, it leaves the seal as it was, and is given back as it came.
fn judge_beside_a_seal(token: &[u8]) {
    if let Ok(stamped) = with_time_stamp(&SEAL, token) {
        let read = parse_and_verify(&stamped, CONTENT).expect("the seal still holds");
        assert_eq!(read.time_stamp_tokens, [token]);
    }
}

/// A token, with and without its chain; an answer; a request; a refusal.
pub fn seeds() -> Vec<Seed> {
    let (request, answer) = WORLD.stamp_answer(CONTENT);
    let refusal = WORLD.stamps.answer(b"", grant()).expect("an answer");
    vec![
        Seed::good("token", WORLD.stamp(CONTENT)),
        Seed::good("answer", answer),
        Seed::good("request", request.to_der()),
        Seed::bad("refusal", refusal),
        Seed::bad("token-over-others", WORLD.stamp(THIRD)),
        Seed::bad("seal", WORLD.sign(&WORLD.seals[1], CONTENT)),
    ]
}

#[cfg(test)]
pub(crate) fn forgery() -> Vec<u8> {
    let later = consign_pki::timestamp::Grant {
        time: unix() + 1,
        ..grant()
    };
    let answer = WORLD.stamps.answer(REQUEST.to_der(), later);
    answer.expect("an answer")
}
