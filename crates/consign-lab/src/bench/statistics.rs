//! Medians, percentiles and slopes.

/// The middle of some figures, of two middle ones their mean; 0 of none.
pub(crate) fn median(mut figures: Vec<f64>) -> f64 {
    figures.sort_by(f64::total_cmp);
    let middle = figures.len() / 2;
    let upper = figures.get(middle).copied().unwrap_or(0.0);
    if figures.len() % 2 == 1 {
        return upper;
    }
    let lower = middle.checked_sub(1).and_then(|below| figures.get(below));
    lower.map_or(upper, |lower| f64::midpoint(*lower, upper))
}

/// Latencies in microseconds, sorted.
#[derive(Debug, Clone, Default)]
pub(crate) struct Latencies(Vec<u32>);

impl Latencies {
    pub(crate) fn new(mut micros: Vec<u32>) -> Self {
        micros.sort_unstable();
        Self(micros)
    }

    /// The smallest latency, in milliseconds, that so many per mille do not exceed (the nearest
    /// rank); 0 of none.
    pub(crate) fn per_mille(&self, share: usize) -> f64 {
        let rank = (self.0.len() * share).div_ceil(1000).max(1);
        self.0
            .get(rank - 1)
            .map_or(0.0, |micros| f64::from(*micros) / 1000.0)
    }

    pub(crate) fn max(&self) -> f64 {
        self.0
            .last()
            .map_or(0.0, |micros| f64::from(*micros) / 1000.0)
    }
}

/// Rounds for people and for JSON: so many digits after the point.
pub(crate) fn rounded(figure: f64, digits: i32) -> f64 {
    let scale = 10_f64.powi(digits);
    (figure * scale).round() / scale
}

/// Bytes in MiB, for people and for JSON.
pub(crate) fn mib(bytes: u64) -> f64 {
    rounded(bytes as f64 / f64::from(1 << 20), 1)
}

/// How much the second figure of each pair grows with the first: the least squares' line; 0 where
/// there is none.
pub(crate) fn slope(pairs: &[(f64, f64)]) -> f64 {
    let count = pairs.len().max(1) as f64;
    let (x, y) = pairs.iter().fold((0.0, 0.0), |(x, y), pair| {
        (x + pair.0 / count, y + pair.1 / count)
    });
    let (mut both, mut own) = (0.0, 0.0);
    for pair in pairs {
        both += (pair.0 - x) * (pair.1 - y);
        own += (pair.0 - x) * (pair.0 - x);
    }
    if own > 0.0 { both / own } else { 0.0 }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn near(one: f64, other: f64) -> bool {
        (one - other).abs() < 1e-9
    }

    #[test]
    fn medians() {
        assert!(near(median(vec![]), 0.0));
        assert!(near(median(vec![3.0]), 3.0));
        assert!(near(median(vec![9.0, 1.0, 5.0]), 5.0));
        assert!(near(median(vec![4.0, 1.0, 2.0, 9.0]), 3.0));
    }

    #[test]
    fn percentiles_are_latencies_that_were_measured() {
        let latencies = Latencies::new((1..=1000).rev().map(|ms| ms * 1000).collect());
        assert!(near(latencies.per_mille(500), 500.0));
        assert!(near(latencies.per_mille(990), 990.0));
        assert!(near(latencies.per_mille(1000), 1000.0));
        assert!(near(latencies.max(), 1000.0));
        let one = Latencies::new(vec![1500]);
        assert!(near(one.per_mille(500), 1.5) && near(one.per_mille(1), 1.5));
        assert!(near(Latencies::default().per_mille(500), 0.0));
    }

    #[test]
    fn slopes() {
        assert!(near(slope(&[(0.0, 1.0), (1.0, 3.0), (2.0, 5.0)]), 2.0));
        assert!(near(slope(&[(1.0, 5.0), (1.0, 7.0)]), 0.0));
        assert!(near(slope(&[]), 0.0));
    }

    #[test]
    fn rounding() {
        assert!(near(rounded(1.2345, 2), 1.23));
        assert!(near(rounded(1234.5, 0), 1235.0));
    }
}
