//! When keys are renewed: at two thirds of their life, each holder at a moment of its own.

use consign_domain::Timestamp;

/// From when until when a key or certificate counts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Life {
    /// The first second.
    pub from: Timestamp,
    /// The first second after.
    pub until: Timestamp,
}

/// Whether a key is to be renewed now. `seed` spreads holders whose keys were made together
/// over a tenth of the life, so that 900 nodes do not come at once. Never before two thirds are
/// over: the authority gives nothing new before.
pub fn is_due(life: Life, seed: [u8; 16], now: Timestamp) -> bool {
    let whole = life.until.distance(life.from);
    let share = u64::from(u16::from_be_bytes([seed[0], seed[1]]));
    let spread = whole / 10 * share / u64::from(u16::MAX);
    now >= life.until.minus_seconds(whole / 3).plus_seconds(spread)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(seconds: u64) -> Timestamp {
        Timestamp::from_unix(1_800_000_000 + seconds).unwrap()
    }

    #[test]
    fn keys_are_renewed_around_two_thirds_of_their_life_and_not_all_at_once() {
        let life = Life {
            from: at(0),
            until: at(300_000),
        };
        let first = |seed| (0..=300).find(|hour| is_due(life, seed, at(hour * 1_000)));
        assert_eq!(first([0; 16]), Some(200));
        assert_eq!(first([0xff; 16]), Some(230));
        assert_eq!(first([0x80; 16]), Some(216));
    }
}
